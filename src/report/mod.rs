//! `tamga report`: one page about a week or a day of a site, beside the time before, with what stands out.
//!
//! It reads published numbers alone. A change stands out if it is more than the noise of the numbers and the chance of visits explain
//! (four standard deviations), and at least a fifth; of a name, if it is more than the change of all visits by so much. A name that is published on some of the days only is compared by the mean of those days, and not at all
//! with fewer than half of them: a small name comes and goes by itself.

mod show;
mod words;

use std::collections::BTreeMap;

use jiff::civil::{Date, ISOWeekDate, Weekday};
use jiff::{Span, ToSpan};
use serde::Deserialize;

pub use show::{html, text};
pub use words::Words;

use crate::store::{Store, StoreError};

/// How many standard deviations a change needs to stand out. Of ten thousand numbers without a change, one has so many.
const DEVIATIONS: f64 = 4.0;
/// The least change that stands out, as a share of the number before.
const LEAST_CHANGE: f64 = 0.2;
/// How many names of each kind a report shows.
const NAMES: usize = 10;

/// The days of a report, and those that they are compared with.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Period {
    now: Vec<Date>,
    before: Vec<Date>,
}

impl Period {
    /// An ISO week such as `2026-W48`, beside the week before; `None` if it is no week.
    pub fn week(text: &str) -> Option<Self> {
        let (year, week) = text.split_once("-W")?;
        let monday = ISOWeekDate::new(year.parse().ok()?, week.parse().ok()?, Weekday::Monday).ok()?.date();
        Some(Self::of_week(monday))
    }

    /// The last week that was over on `today`.
    pub fn last_week(today: Date) -> Self {
        let monday = ISOWeekDate::from(today).first_of_week().map_or(today, ISOWeekDate::date);
        Self::of_week(monday.saturating_sub(7.days()))
    }

    fn of_week(monday: Date) -> Self {
        let days = |first: Date| (0..7).map(|day| first.saturating_add(Span::new().days(day))).collect();
        Self { now: days(monday), before: days(monday.saturating_sub(7.days())) }
    }

    /// The day before `today`, beside the same day of the four weeks before.
    pub fn yesterday(today: Date) -> Self {
        let day = today.saturating_sub(1.day());
        Self { now: vec![day], before: (1..=4).map(|week| day.saturating_sub(Span::new().weeks(week))).collect() }
    }

    /// The first and the last day.
    pub fn bounds(&self) -> (Date, Date) {
        (self.now[0], self.now[self.now.len() - 1])
    }
}

/// A number of both times, as it was published.
#[derive(Deserialize, Clone, Debug)]
struct Compared {
    kind: String,
    name: String,
    now: i64,
    before: i64,
    now_days: u64,
    before_days: u64,
    now_noise: f64,
    before_noise: f64,
    /// The mean of a day as a share of that before, if nothing about this name has changed: 1 for totals, for names that of all
    /// visits.
    #[serde(skip)]
    usual: f64,
}

impl Compared {
    /// The mean of a day, now and before.
    fn means(&self) -> (f64, f64) {
        let mean = |sum: i64, days: u64| sum as f64 / days.max(1) as f64;
        (mean(self.now, self.now_days), mean(self.before, self.before_days))
    }

    /// By how much the mean of a day has changed, as a share of that before; `None` where nothing was before.
    fn change(&self) -> Option<f64> {
        let (now, before) = self.means();
        (self.before_days > 0 && before > 0.0).then(|| now / before - 1.0)
    }

    /// How many standard deviations the number is from what it usually would be.
    fn deviations(&self) -> f64 {
        self.deviations_from(self.usual)
    }

    /// Whether the change may be none.
    fn is_lost_in_noise(&self) -> bool {
        self.deviations_from(1.0).abs() < 2.0
    }

    /// How many standard deviations the mean of a day is from so many times that before, by the noise of both numbers and the chance
    /// of what is counted.
    fn deviations_from(&self, usual: f64) -> f64 {
        let (now, before) = self.means();
        let variance = |noise: f64, mean: f64, days: u64| {
            let days = days.max(1) as f64;
            (noise / days).powi(2) + mean.max(0.0) / days
        };
        let variance = variance(self.now_noise, now, self.now_days)
            + usual.powi(2) * variance(self.before_noise, before, self.before_days);
        if variance > 0.0 { (now - usual * before) / variance.sqrt() } else { 0.0 }
    }

    fn stands_out(&self, period: &Period) -> bool {
        let often = |days: u64, all: &[Date]| 2 * days as usize >= all.len();
        often(self.now_days, &period.now)
            && often(self.before_days, &period.before)
            && self.deviations().abs() >= DEVIATIONS
            && self.change().is_none_or(|change| ((1.0 + change) / self.usual - 1.0).abs() >= LEAST_CHANGE)
    }
}

/// What a report says.
#[derive(Debug)]
pub struct Report {
    site: String,
    period: Period,
    numbers: BTreeMap<String, Vec<Compared>>,
    /// What stands out, the strongest first.
    unusual: Vec<Compared>,
}

impl Report {
    /// Whether anything stands out.
    pub fn is_unusual(&self) -> bool {
        !self.unusual.is_empty()
    }

    /// On how many of its days the period has published numbers, and how many days it has.
    fn days(&self) -> (u64, usize) {
        let visits = self.numbers.get("total").and_then(|totals| totals.iter().find(|total| total.name == "visits"));
        (visits.map_or(0, |visits| visits.now_days), self.period.now.len())
    }

    fn of(site: &str, period: Period, mut rows: Vec<Compared>) -> Self {
        let visits = rows.iter().find(|one| one.kind == "total" && one.name == "visits").and_then(Compared::change);
        let usual = visits.map_or(1.0, |change| (1.0 + change).clamp(0.1, 10.0));
        for one in &mut rows {
            one.usual = if one.kind == "total" { 1.0 } else { usual };
        }
        let mut unusual: Vec<_> = rows.iter().filter(|one| one.stands_out(&period)).cloned().collect();
        unusual.sort_by(|one, two| two.deviations().abs().total_cmp(&one.deviations().abs()));
        let mut numbers: BTreeMap<String, Vec<Compared>> = BTreeMap::new();
        for one in rows {
            let of_kind = numbers.entry(one.kind.clone()).or_default();
            if of_kind.len() < NAMES && one.now_days > 0 {
                of_kind.push(one);
            }
        }
        Self { site: site.to_owned(), period, numbers, unusual }
    }
}

/// Reads the report's numbers from the stats store.
pub async fn read(stats: &Store, site: &str, period: Period) -> Result<Report, StoreError> {
    let days = |days: &[Date]| days.iter().map(Date::to_string).collect::<Vec<_>>().join(",");
    let params = [("site", site.to_owned()), ("now", days(&period.now)), ("before", days(&period.before))];
    let rows = stats.rows(include_str!("numbers.sql"), &params).await?;
    Ok(Report::of(site, period, rows))
}

#[cfg(test)]
mod tests;

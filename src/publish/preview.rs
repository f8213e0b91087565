//! The preview: what each choice of `publish_every` and of the level would publish, and with which error. It computes plans of days that
//! the vault still has, and discards them.
//!
//! Nothing is written to a store or to a file. Each plan has a new random seed, so the answer reveals nothing about real
//! windows. The preview is for the operator: its shares reveal how small a site is.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use jiff::Timestamp;

use super::carry::Carried;
use super::counted::Counted;
use super::error::PublishError;
use super::hours::Hours;
use super::model::PublishedSite;
use super::plan::{self, Plan, PlanInput, Shown};
use super::tables::Tables;
use crate::config::{Identification, Protection};
use crate::secret::Secret;
use crate::window::Schedule;

/// The choices, with their minutes.
pub const CHOICES: [(&str, u32); 9] = [
    ("1h", 60),
    ("2h", 120),
    ("3h", 180),
    ("4h", 240),
    ("6h", 360),
    ("8h", 480),
    ("12h", 720),
    ("24h", 1_440),
    ("7d", 10_080),
];
const MONTH_MINUTES: u32 = 30 * 1_440;

/// What one choice would publish.
#[derive(Debug, Default, PartialEq)]
pub struct Preview {
    /// Windows of which something is published, and all windows.
    pub windows: (u32, u32),
    /// By table and column, of all windows together.
    pub shown: BTreeMap<(&'static str, String), Shown>,
}

/// A choice of `publish_every`, with what it would publish at each of [`Protection::ALL`].
pub struct Choice {
    /// As in the configuration.
    pub name: &'static str,
    minutes: u32,
    /// In the order of the levels.
    pub levels: [Preview; 3],
}

impl Preview {
    /// Adds the plan of a window.
    pub fn add(&mut self, plan: &Plan) {
        self.windows.0 += u32::from(plan.tables.iter().any(|(table, _)| table == "site"));
        self.windows.1 += 1;
        for (number, shown) in &plan.shown {
            self.shown.entry(number.clone()).or_default().add(shown);
        }
    }

    /// The share of a number in rows that are not `(other)`, in percent; `None` if `(other)` does not have it.
    pub fn percent(&self, table: &'static str, column: &str) -> Option<u64> {
        let shown = self.shown.get(&(table, column.to_owned())).copied().unwrap_or_default();
        let percent = shown.named.saturating_mul(100).checked_div(shown.all?);
        // Each number has its own noise, so they may add up to more than the total, or to less than nothing.
        Some(percent.unwrap_or(0).clamp(0, 100) as u64)
    }

    /// The standard deviation of the noise of a usual row with a name, in percent of its number: in one window, and in the sum of as
    /// many windows as a month has.
    fn errors(&self, shown: &Shown, level: Protection, minutes: u32) -> [f64; 2] {
        let usual = shown.named as f64 / shown.rows.max(1) as f64;
        let percent = f64::from(level.sigma() * shown.wide) / usual.max(0.01) * 100.0;
        [percent, percent / f64::from(MONTH_MINUTES.div_ceil(minutes)).sqrt()]
    }
}

/// What each choice would have published of the local day before `now`; for seven days, of the days of that week that the vault
/// still has. Shorter windows than the site's cannot be computed, since no row has a more exact time.
pub async fn of_yesterday<V: Tables>(
    vault: &V,
    site: &PublishedSite,
    now: Timestamp,
) -> Result<Vec<Choice>, PublishError> {
    let cut = |minutes| {
        Schedule::new(&site.time_zone, minutes)
            .map_err(|error| PublishError::Site { domain: site.domain.clone(), message: error.to_string() })
    };
    let day = {
        let days = cut(1_440)?;
        let today = days.containing(now);
        days.containing(Timestamp::from_second(today.start.as_second() - 1).unwrap_or(today.start))
    };
    let mut choices = Vec::new();
    for (name, minutes) in CHOICES {
        let schedule = cut(minutes)?;
        if schedule.is_weekly() && site.identity != Identification::Cookie {
            continue;
        }
        // Rows have no more exact time than the windows that the site has now.
        if !minutes.is_multiple_of(site.schedule.minutes()) {
            continue;
        }
        let mut levels: [Preview; 3] = Default::default();
        for (protection, preview) in Protection::ALL.into_iter().zip(&mut levels) {
            let site = PublishedSite { schedule: schedule.clone(), protection, ..site.clone() };
            let mut window = schedule.containing(day.start);
            loop {
                let seed = Secret::random();
                let (counted, carried) = (Counted::default(), Carried::default());
                let input = PlanInput {
                    seed: seed.expose(),
                    complete: true,
                    counted: &counted,
                    carried: &carried,
                    hours: &Hours::default(),
                    split_shift: 0,
                };
                preview.add(&plan::compute(vault, &site, &window, &input).await?);
                if window.end >= day.end {
                    break;
                }
                window = schedule.after(window.end);
            }
        }
        choices.push(Choice { name, minutes, levels });
    }
    Ok(choices)
}

/// The answer as a text: a block for each choice, with a line for each number and a column for each level.
pub fn describe(site: &str, choices: &[Choice]) -> String {
    let mut text = format!(
        "{site}, yesterday. For each level: percent in rows with a name; rows with a name in a window; the error (the standard\n\
         deviation of the noise) of a usual one, in percent of its number, in one window and in the windows of a month together.\n"
    );
    for Choice { name, minutes, levels } in choices {
        write!(text, "\npublish_every = \"{name}\"\n  {:<26}", "").expect("a text grows");
        for (level, preview) in Protection::ALL.iter().zip(levels) {
            let name = format!("{level:?}").to_lowercase();
            let head = format!("{name}, {} of {} windows", preview.windows.0, preview.windows.1);
            write!(text, "{head:>30}").expect("a text grows");
        }
        let numbers: std::collections::BTreeSet<_> = levels.iter().flat_map(|preview| preview.shown.keys()).collect();
        for (table, column) in numbers {
            write!(text, "\n  {:<26}", format!("{table}.{column}")).expect("a text grows");
            for (level, preview) in Protection::ALL.into_iter().zip(levels) {
                text += &cell(preview, table, column, level, *minutes);
            }
        }
        text.push('\n');
    }
    text
}

/// A number at one level.
fn cell(preview: &Preview, table: &'static str, column: &str, level: Protection, minutes: u32) -> String {
    let Some(shown) = preview.shown.get(&(table, column.to_owned())).filter(|shown| shown.rows > 0) else {
        return format!("{:>30}", "(other) alone");
    };
    let share = preview.percent(table, column).map_or(String::new(), |share| format!("{share} %"));
    let rows = shown.rows.div_ceil(preview.windows.0.max(1).into());
    let [window, month] = preview.errors(shown, level, minutes).map(|percent| match percent {
        percent if percent > 999.0 => "> 999 %".to_owned(),
        percent if percent < 10.0 => format!("{percent:.1} %"),
        percent => format!("{percent:.0} %"),
    });
    format!("{share:>6}{rows:>6}{window:>9}{month:>9}")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shown(named: i64, rows: u64, all: Option<i64>) -> Shown {
        Shown { named, rows, all, wide: 1 }
    }

    #[test]
    fn folded_rows_and_unpublished_windows_lower_the_share() {
        let plan = |named, rows, all| {
            let mut plan = Plan::default();
            plan.tables.push(("site".to_owned(), Vec::new()));
            plan.shown.insert(("pages", "views".to_owned()), shown(named, rows, Some(all)));
            plan.shown.insert(("pages", "visitors".to_owned()), shown(named, rows, None));
            plan
        };
        let mut preview = Preview::default();
        preview.add(&plan(80, 2, 100));
        assert_eq!(preview.percent("pages", "views"), Some(80));
        preview.add(&plan(0, 0, 60));
        preview.add(&Plan::default());
        assert_eq!((preview.percent("pages", "views"), preview.windows), (Some(50), (2, 3)));
        assert_eq!((preview.percent("pages", "visitors"), preview.percent("entries", "visits")), (None, None));
    }

    #[test]
    fn an_error_is_that_of_a_usual_row_and_smaller_in_a_month() {
        let mut preview = Preview { windows: (1, 1), ..Preview::default() };
        preview.shown.insert(("entries", "bounces".to_owned()), shown(180, 2, Some(200)));
        let of = |level, minutes| preview.errors(&shown(180, 2, None), level, minutes);
        assert_eq!(of(Protection::Standard, 1_440)[0], 10.0);
        assert!((of(Protection::Standard, 1_440)[1] - 10.0 / 30f64.sqrt()).abs() < 1e-9);
        assert!(of(Protection::Strict, 1_440) > of(Protection::Internal, 1_440));
        let day = Choice { name: "24h", minutes: 1_440, levels: [preview, Preview::default(), Preview::default()] };
        let text = describe("a.kz", &[day]);
        let line = text.lines().find(|line| line.contains("entries.bounces")).expect("a line");
        assert_eq!(
            line.split_whitespace().collect::<Vec<_>>().join(" "),
            "entries.bounces 90 % 2 13 % 2.4 % (other) alone (other) alone"
        );
    }
}

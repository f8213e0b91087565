//! The site's total and its first-visit flags.

use jiff::civil::Date;
use serde::Deserialize;

use super::crowd::Crowd;
use super::noise::NoiseSource;
use crate::window::{Schedule, Window, monday};

/// The first-visit flags, in the order of their bits.
pub const FIRST_VISIT_FLAGS: [&str; 4] = ["new_day", "new_week", "new_month", "new_ever"];
/// Views of a visitor-day that count; `sql/total.sql` has the same number.
pub const VIEWS_MAX: u32 = 30;
/// The most that a visitor-day adds to the site's views and visits, and to the ledger's events; `sql/total.sql` has the same
/// numbers.
pub const BOUNDS: [u32; 3] = [VIEWS_MAX, super::rollup_list::VISITS_MAX, 100];
/// How many times wider the noise of views, visits and visitors is, and that of each first-visit flag: one visit is in all of them.
pub const WIDE: u32 = 2;
pub const FLAGS_WIDE: u32 = 4;
/// How many times wider the noise of the ledger's events is: it is bounded least.
pub const EVENTS_WIDE: u32 = 10;

/// The visitors with the same first-visit flags; each visitor is in one pattern.
#[derive(Clone, Debug, Deserialize)]
pub struct FlagPattern {
    /// The flags as bits.
    pub flags: u8,
    /// Confirmed visitors.
    pub visitors: u64,
    /// The confirmed visitors by network class.
    pub crowd: Crowd,
    /// Views, visits and events within [`BOUNDS`], also those of unconfirmed browsers.
    pub amounts: [u64; 3],
    /// Views and visits beyond the bounds.
    pub cuts: [u64; 2],
}

/// A site's total as it is published.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Total {
    pub views: Option<i64>,
    pub visits: Option<i64>,
    /// Confirmed visitors.
    pub visitors: i64,
    /// Visitors by flag, in the order of [`FIRST_VISIT_FLAGS`].
    pub flags: [Option<i64>; 4],
    /// Views that are counted only.
    pub count_only: Option<i64>,
}

/// The visitors of the patterns that fit.
fn people(patterns: &[FlagPattern], fits: impl Fn(u8) -> bool) -> (u64, Crowd) {
    let mut sum = (0, Crowd::default());
    for pattern in patterns.iter().filter(|pattern| fits(pattern.flags)) {
        sum.0 += pattern.visitors;
        sum.1.add(&pattern.crowd);
    }
    sum
}

/// For each flag, the first day of the period that the flag is about; `None` for all of time. A visitor who is new in a longer
/// period is also new in a shorter one.
#[derive(Clone, Copy, Debug)]
pub struct Periods([Option<Date>; 4]);

impl Periods {
    /// The periods that a window lies in.
    pub fn of(schedule: &Schedule, window: &Window) -> Self {
        let day = window.first_day;
        Self([Some(day), Some(if schedule.is_weekly() { day } else { monday(day) }), Some(day.first_of_month()), None])
    }
}

/// A sum over all patterns.
pub fn sum(patterns: &[FlagPattern], of: impl Fn(&FlagPattern) -> u64) -> u64 {
    patterns.iter().map(of).sum()
}

/// A number of the whole site as it is published.
fn noisy(noise_source: &NoiseSource, number: u64, name: &str, wide: u32) -> i64 {
    noise_source.noisy(number, "site", &[], name, wide)
}

/// What may be published of the total; `None` if all visitors together do not reach the threshold. Then no table of this window
/// is published. `begins_day` says that the window begins with its day, so that every visitor is new in it.
pub fn publishable(
    noise_source: &NoiseSource,
    patterns: &[FlagPattern],
    count_only: u64,
    periods: Periods,
    begins_day: bool,
) -> Option<Total> {
    let (visitors, crowd) = people(patterns, |_| true);
    if !noise_source.is_named(&crowd, "site", &[]) {
        return None;
    }
    let visitors = noisy(noise_source, visitors, "visitors", WIDE);
    Some(Total {
        views: Some(noisy(noise_source, sum(patterns, |pattern| pattern.amounts[0]), "views", WIDE)),
        visits: Some(noisy(noise_source, sum(patterns, |pattern| pattern.amounts[1]), "visits", WIDE)),
        visitors,
        flags: flags(noise_source, patterns, periods, begins_day.then_some(visitors)),
        count_only: noise_source.events("count only", count_only),
    })
}

/// The flags. Periods that began on one day have one number, whatever the visitors are.
fn flags(
    noise_source: &NoiseSource,
    patterns: &[FlagPattern],
    periods: Periods,
    everyone: Option<i64>,
) -> [Option<i64>; 4] {
    let mut flags = [None; 4];
    for flag in 0..flags.len() {
        let same = (0..flag).find(|&other| periods.0[other] == periods.0[flag]);
        flags[flag] = match (same, everyone) {
            (Some(same), _) => flags[same],
            (None, Some(everyone)) if flag == 0 => Some(everyone),
            _ => {
                let (amount, _) = people(patterns, |bits| bits & 1 << flag != 0);
                Some(noisy(noise_source, amount, FIRST_VISIT_FLAGS[flag], FLAGS_WIDE))
            }
        };
    }
    flags
}

/// The total of a site that does not distinguish visitors: its views, as a count that belongs to no visitor.
pub fn views_alone(noise_source: &NoiseSource, patterns: &[FlagPattern], count_only: u64) -> Option<Total> {
    let views = noise_source.events("views", sum(patterns, |pattern| pattern.amounts[0]))?;
    Some(Total { views: Some(views), count_only: noise_source.events("count only", count_only), ..Total::default() })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::Protection;

    fn pattern(flags: u8, visitors: u16) -> FlagPattern {
        // Each visitor has its own network class, so that weights are numbers of visitors.
        let crowd: Crowd = (0..visitors).map(|n| (u16::from(flags) * 1_000 + n, 1)).collect::<Vec<_>>().into();
        let visitors = u64::from(visitors);
        FlagPattern { flags, visitors, amounts: [3 * visitors, visitors, 9 * visitors], cuts: [0, 0], crowd }
    }

    fn noise_source(seed: u8) -> NoiseSource {
        NoiseSource::new(&[seed], Protection::Standard, 3)
    }

    fn publish(noise_source: &NoiseSource, patterns: &[FlagPattern], day: Date) -> Option<Total> {
        let schedule = Schedule::new("UTC", 1_440).expect("known");
        let window = schedule.containing(schedule.day_start(day));
        publishable(noise_source, patterns, 27, Periods::of(&schedule, &window), true)
    }

    const WEDNESDAY: Date = jiff::civil::date(2026, 11, 25);

    #[test]
    fn nothing_is_published_of_a_site_with_few_visitors() {
        for seed in 0..200 {
            assert_eq!(publish(&noise_source(seed), &[pattern(15, 9)], WEDNESDAY), None);
            assert!(publish(&noise_source(seed), &[pattern(15, 70)], WEDNESDAY).is_some());
        }
    }

    #[test]
    fn without_visitors_views_are_published_from_fifty() {
        for seed in 0..50 {
            let alone = |visitors: u16| views_alone(&noise_source(seed), &[pattern(15, visitors)], 0);
            assert_eq!(alone(16), None);
            let total = alone(37).expect("111 views");
            assert_eq!((total.visitors, total.visits, total.flags), (0, None, [None; 4]));
        }
    }

    #[test]
    fn flags_of_periods_that_began_together_have_one_number_and_a_flag_without_visitors_has_one_too() {
        let monday = jiff::civil::date(2026, 11, 23);
        let total = publish(&noise_source(1), &[pattern(3, 60)], monday).expect("60 are enough");
        assert_eq!(total.flags[..2], [Some(total.visitors); 2]);
        assert!(total.flags[2].is_some_and(|noisy| noisy.abs() < 252) && total.flags[3].is_some());
        assert_eq!(total.count_only, None);
        let first_of_a_month = jiff::civil::date(2026, 12, 1);
        let total = publish(&noise_source(1), &[pattern(5, 60), pattern(7, 60)], first_of_a_month).expect("enough");
        assert_eq!(total.flags[..1], total.flags[2..3]);
        assert!(total.flags[1].is_some_and(|noisy| noisy.abs_diff(60) < 252));
    }

    #[test]
    fn a_visitor_who_returns_on_the_same_day_is_not_new_in_a_later_window() {
        let schedule = Schedule::new("UTC", 360).expect("known");
        let window = schedule.containing(schedule.day_start(WEDNESDAY));
        let later = schedule.after(window.end);
        let patterns = [pattern(0, 500), pattern(1, 600)];
        let total = publishable(&noise_source(1), &patterns, 0, Periods::of(&schedule, &later), false).expect("enough");
        assert!(total.visitors.abs_diff(1_100) < 126);
        assert!(total.flags[0].is_some_and(|noisy| noisy.abs_diff(600) < 252));
    }
}

//! The site's total and its first-visit flags. Each flag is a subset of another: no two published numbers may differ by a few.

use jiff::civil::{Date, Weekday};
use serde::Deserialize;

use super::crowd::Crowd;
use super::noise::{EVENTS_MIN, NoiseSource};
use crate::window::{Schedule, Window};

/// The first-visit flags, in the order of their bits.
pub const FIRST_VISIT_FLAGS: [&str; 4] = ["new_day", "new_week", "new_month", "new_ever"];

/// The visitors with the same first-visit flags; each visitor is in one pattern.
#[derive(Clone, Debug, Deserialize)]
pub struct FlagPattern {
    /// The flags as bits.
    pub flags: u8,
    /// Confirmed visitors.
    pub visitors: u64,
    /// The confirmed visitors by network class.
    pub crowd: Crowd,
    /// Views and visits, also those of unconfirmed browsers.
    pub amounts: [u64; 2],
    /// The visitors with a view, and those who began a visit.
    pub parts: [Crowd; 2],
}

/// A site's total as it is published.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Total {
    pub views: Option<u64>,
    pub visits: Option<u64>,
    /// Confirmed visitors.
    pub visitors: u64,
    /// Visitors by flag, in the order of [`FIRST_VISIT_FLAGS`].
    pub flags: [Option<u64>; 4],
    /// Views that are counted only.
    pub count_only: Option<u64>,
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

/// How many confirmed visitors there were, exactly.
pub fn visitors(patterns: &[FlagPattern]) -> u64 {
    people(patterns, |_| true).0
}

/// For each flag, the first day of the period that the flag is about; `None` for all of time. A visitor who is new in a longer
/// period is also new in a shorter one.
#[derive(Clone, Copy, Debug)]
pub struct Periods([Option<Date>; 4]);

impl Periods {
    /// The periods that a window lies in.
    pub fn of(schedule: &Schedule, window: &Window) -> Self {
        let day = window.first_day;
        let monday = day.checked_sub(jiff::Span::new().days(day.weekday().since(Weekday::Monday))).unwrap_or(day);
        Self([Some(day), Some(if schedule.is_weekly() { day } else { monday }), Some(day.first_of_month()), None])
    }
}

/// What may be published of the total; `None` if all visitors together do not meet the threshold. Then no table of this window
/// is published. `begins_day` says that the window begins with its day, so that every visitor is new in it.
pub fn publishable(
    noise_source: &NoiseSource,
    patterns: &[FlagPattern],
    count_only: u64,
    periods: Periods,
    begins_day: bool,
) -> Option<Total> {
    let (visitors, crowd) = people(patterns, |_| true);
    let of_visitors = noise_source.total_noise(["site", "visitors"]);
    if !noise_source.meets_threshold(&crowd, of_visitors) {
        return None;
    }
    let published = noise_source.round(visitors, of_visitors);
    let part = |index: usize, name: &str| {
        let mut part = (0, Crowd::default());
        for pattern in patterns {
            part.0 += pattern.amounts[index];
            part.1.add(&pattern.parts[index]);
        }
        let noise = noise_source.total_noise(["site", name]);
        noise_source.meets_threshold(&part.1, noise).then(|| noise_source.round(part.0, noise))
    };
    Some(Total {
        views: part(0, "views"),
        visits: part(1, "visits"),
        visitors: published,
        flags: flags(noise_source, patterns, periods, begins_day.then_some(published)),
        count_only: events(noise_source, "count only", count_only),
    })
}

/// The flags from the shortest period to the longest; each is a subset of the one before. A flag is published where two crowds
/// meet the threshold: the visitors with it, and the visitors with the last published flag but without it. So no two published
/// numbers differ by a few. Two periods that began on one day have one number, whatever the visitors are.
fn flags(
    noise_source: &NoiseSource,
    patterns: &[FlagPattern],
    periods: Periods,
    everyone: Option<u64>,
) -> [Option<u64>; 4] {
    let mut order = [0, 1, 2, 3];
    order.sort_by_key(|&flag| std::cmp::Reverse(periods.0[flag]));
    let mut flags = [None; 4];
    let (mut shown, mut last): (u8, Option<usize>) = (0, None);
    for flag in order {
        let name = FIRST_VISIT_FLAGS[flag];
        let (has_flag, noise) = (|bits: u8| bits & 1 << flag != 0, noise_source.total_noise(["site", name]));
        let same = last.filter(|&last| periods.0[last] == periods.0[flag]);
        flags[flag] = match (same, last, everyone) {
            (Some(same), ..) => flags[same],
            (None, None, Some(everyone)) => Some(everyone),
            _ => {
                let (amount, crowd) = people(patterns, has_flag);
                let (_, without) = people(patterns, |bits| bits & shown == shown && !has_flag(bits));
                let of_rest = noise_source.total_noise(["site", name, "rest"]);
                let is_publishable =
                    noise_source.meets_threshold(&crowd, noise) && noise_source.meets_threshold(&without, of_rest);
                is_publishable.then(|| noise_source.round(amount, noise))
            }
        };
        if flags[flag].is_some() {
            shown = 1 << flag;
        }
        last = Some(flag);
    }
    flags
}

/// The total of a site that does not distinguish visitors: its views, as a count that belongs to no visitor.
pub fn views_alone(noise_source: &NoiseSource, patterns: &[FlagPattern], count_only: u64) -> Option<Total> {
    let views = patterns.iter().map(|pattern| pattern.amounts[0]).sum();
    let views = events(noise_source, "views", views)?;
    Some(Total { views: Some(views), count_only: events(noise_source, "count only", count_only), ..Total::default() })
}

/// The published form of a count that belongs to no visitor: always published from 74, never below 50.
pub fn events(noise_source: &NoiseSource, name: &str, count: u64) -> Option<u64> {
    let noise = noise_source.total_noise(["events", name]);
    noise_source.count_meets(count, noise, EVENTS_MIN).then(|| noise_source.round(count, noise))
}

#[cfg(test)]
mod tests {
    use super::super::noise::{Noise, TOTAL_NOISE};
    use super::*;

    fn pattern(flags: u8, visitors: u16) -> FlagPattern {
        // Each visitor has its own network class, so that weights are numbers of visitors.
        let crowd: Crowd = (0..visitors).map(|n| (u16::from(flags) * 100 + n, 1)).collect::<Vec<_>>().into();
        let visitors = u64::from(visitors);
        FlagPattern { flags, visitors, amounts: [3 * visitors, visitors], parts: [crowd.clone(), crowd.clone()], crowd }
    }

    fn noise_source() -> NoiseSource {
        NoiseSource::new(b"seed", 3)
    }

    fn publish(noise_source: &NoiseSource, patterns: &[FlagPattern], day: Date) -> Option<Total> {
        let schedule = Schedule::new("UTC", 1_440).expect("known");
        let window = schedule.containing(schedule.day_start(day));
        publishable(noise_source, patterns, 49, Periods::of(&schedule, &window), true)
    }

    const WEDNESDAY: Date = jiff::civil::date(2026, 11, 25);
    const WORST: u64 = Noise::max_error(&[TOTAL_NOISE]);

    #[test]
    fn nothing_is_published_of_a_site_with_few_visitors() {
        assert_eq!(publish(&noise_source(), &[pattern(15, 9)], WEDNESDAY), None);
    }

    #[test]
    fn without_visitors_views_are_published_from_fifty() {
        for seed in 0u8..50 {
            let alone = |visitors: u16| views_alone(&NoiseSource::new(&[seed], 3), &[pattern(15, visitors)], 0);
            assert_eq!(alone(16), None);
            let total = alone(25).expect("75 views");
            assert!(total.views.is_some_and(|views| views.abs_diff(75) <= WORST));
            assert_eq!((total.visitors, total.visits, total.flags), (0, None, [None; 4]));
        }
    }

    #[test]
    fn flags_of_periods_that_began_together_have_one_number_and_a_flag_without_visitors_has_none() {
        let monday = jiff::civil::date(2026, 11, 23);
        let total = publish(&noise_source(), &[pattern(3, 60)], monday).expect("60 are enough");
        assert_eq!(total.flags, [Some(total.visitors), Some(total.visitors), None, None]);
        assert_eq!(total.count_only, None);
        assert!(total.visitors.abs_diff(60) <= WORST && total.visitors.is_multiple_of(5));
        let first_of_a_month = jiff::civil::date(2026, 12, 1);
        let total = publish(&noise_source(), &[pattern(5, 60), pattern(7, 60)], first_of_a_month).expect("enough");
        assert_eq!(total.flags[..1], total.flags[2..3]);
        assert!(total.flags[1].is_some_and(|published| published.abs_diff(60) <= WORST));
    }

    #[test]
    fn flags_that_differ_by_a_few_visitors_are_not_both_published() {
        for seed in 0u8..50 {
            let noise_source = NoiseSource::new(&[seed], 3);
            // 66 visitors have new_week, 63 of them also new_month: the other three would be a crowd by themselves.
            let total =
                publish(&noise_source, &[pattern(1, 40), pattern(3, 3), pattern(7, 63)], WEDNESDAY).expect("enough");
            assert!(total.flags[1].is_some());
            assert_eq!(total.flags[2], None);
            let total =
                publish(&noise_source, &[pattern(1, 40), pattern(3, 40), pattern(7, 57)], WEDNESDAY).expect("enough");
            assert!(total.flags[2].is_some_and(|published| published.abs_diff(57) <= WORST));
        }
    }

    #[test]
    fn a_visitor_who_returns_on_the_same_day_is_not_new_in_a_later_window() {
        let schedule = Schedule::new("UTC", 360).expect("known");
        let window = schedule.containing(schedule.day_start(WEDNESDAY));
        let later = schedule.after(window.end);
        let patterns = [pattern(0, 50), pattern(1, 60)];
        let total = publishable(&noise_source(), &patterns, 0, Periods::of(&schedule, &later), false).expect("enough");
        assert!(total.visitors.abs_diff(110) <= WORST);
        assert!(total.flags[0].is_some_and(|published| published.abs_diff(60) <= WORST));
    }
}

//! The site's total and its marks: sets within sets, of which no two may differ by a few.

use jiff::civil::{Date, Weekday};
use serde::Deserialize;

use super::crowd::Crowd;
use super::rules::{EVENTS_MIN, Secrets};
use super::window::{Schedule, Window};

/// The marks, in the order of their bits.
pub const MARKS: [&str; 4] = ["new_day", "new_week", "new_month", "new_ever"];

/// The visitors that share a pattern of marks; each visitor is in one.
#[derive(Clone, Debug, Deserialize)]
pub struct Pattern {
    /// The marks as bits.
    pub marks: u8,
    /// Confirmed visitors.
    pub visitors: u64,
    /// Those that count.
    pub crowd: Crowd,
    /// Views and visits, of everyone.
    pub amounts: [u64; 2],
    /// Who viewed, who began a visit.
    pub parts: [Crowd; 2],
}

/// A site's total, fit to publish.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Total {
    /// Views.
    pub views: Option<u64>,
    /// Visits.
    pub visits: Option<u64>,
    /// Confirmed visitors.
    pub visitors: u64,
    /// By mark, in the order of [`MARKS`].
    pub marks: [Option<u64>; 4],
    /// Views that were counted without a visitor.
    pub count_only: Option<u64>,
}

/// The visitors whose pattern fits.
fn people(patterns: &[Pattern], fits: impl Fn(u8) -> bool) -> (u64, Crowd) {
    let mut sum = (0, Crowd::default());
    for pattern in patterns.iter().filter(|pattern| fits(pattern.marks)) {
        sum.0 += pattern.visitors;
        sum.1.add(&pattern.crowd);
    }
    sum
}

/// How many confirmed visitors there were, exactly.
pub fn visitors(patterns: &[Pattern]) -> u64 {
    people(patterns, |_| true).0
}

/// What the calendar says of marks before anyone comes: the first day of the time that a mark speaks of, `None` for all of
/// time. Who is new in a longer time is new in a shorter one.
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

/// What may be shown of the total; `None` if not even all together are enough. Then no table of this window shows.
/// `begins_day` says that the window begins with its day, so that everyone is new in it.
pub fn publishable(
    secrets: &Secrets,
    patterns: &[Pattern],
    count_only: u64,
    periods: Periods,
    begins_day: bool,
) -> Option<Total> {
    let (visitors, crowd) = people(patterns, |_| true);
    let of_visitors = secrets.narrow(["site", "visitors"]);
    if !secrets.are_many(&crowd, of_visitors) {
        return None;
    }
    let told = secrets.round(visitors, of_visitors);
    let tell = |index: usize, name: &str| {
        let mut part = (0, Crowd::default());
        for pattern in patterns {
            part.0 += pattern.amounts[index];
            part.1.add(&pattern.parts[index]);
        }
        let blur = secrets.narrow(["site", name]);
        secrets.are_many(&part.1, blur).then(|| secrets.round(part.0, blur))
    };
    Some(Total {
        views: tell(0, "views"),
        visits: tell(1, "visits"),
        visitors: told,
        marks: marks(secrets, patterns, periods, begins_day.then_some(told)),
        count_only: events(secrets, "count only", count_only),
    })
}

/// The marks from the shortest time to the longest, each within the one before. One shows where those who bear it are many,
/// and those who bear the last one that shows and not this one: so no two shown numbers differ by a few. Two times that
/// began together have one number, without a look at the visitors.
fn marks(secrets: &Secrets, patterns: &[Pattern], periods: Periods, everyone: Option<u64>) -> [Option<u64>; 4] {
    let mut order = [0, 1, 2, 3];
    order.sort_by_key(|&mark| std::cmp::Reverse(periods.0[mark]));
    let mut marks = [None; 4];
    let (mut shown, mut last): (u8, Option<usize>) = (0, None);
    for mark in order {
        let name = MARKS[mark];
        let (bears, blur) = (|bits: u8| bits & 1 << mark != 0, secrets.narrow(["site", name]));
        let same = last.filter(|&last| periods.0[last] == periods.0[mark]);
        marks[mark] = match (same, last, everyone) {
            (Some(same), ..) => marks[same],
            (None, None, Some(everyone)) => Some(everyone),
            _ => {
                let (amount, crowd) = people(patterns, bears);
                let (_, without) = people(patterns, |bits| bits & shown == shown && !bears(bits));
                let of_rest = secrets.narrow(["site", name, "rest"]);
                let tells = secrets.are_many(&crowd, blur) && secrets.are_many(&without, of_rest);
                tells.then(|| secrets.round(amount, blur))
            }
        };
        if marks[mark].is_some() {
            shown = 1 << mark;
        }
        last = Some(mark);
    }
    marks
}

/// The total of a site that tells no visitors apart: its views, as counts that have no visitors by nature.
pub fn views_alone(secrets: &Secrets, patterns: &[Pattern], count_only: u64) -> Option<Total> {
    let views = patterns.iter().map(|pattern| pattern.amounts[0]).sum();
    let views = events(secrets, "views", views)?;
    Some(Total { views: Some(views), count_only: events(secrets, "count only", count_only), ..Total::default() })
}

/// A count that has no visitors by nature: shown surely from 74, never below 50.
pub fn events(secrets: &Secrets, name: &str, count: u64) -> Option<u64> {
    let blur = secrets.narrow(["events", name]);
    secrets.reaches(count, blur, EVENTS_MIN).then(|| secrets.round(count, blur))
}

#[cfg(test)]
mod tests {
    use super::super::rules::{Blur, NARROW};
    use super::*;

    fn pattern(marks: u8, visitors: u16) -> Pattern {
        // A class of its own for each visitor, so that weights are numbers of people.
        let crowd: Crowd = (0..visitors).map(|n| (u16::from(marks) * 100 + n, 1)).collect::<Vec<_>>().into();
        let visitors = u64::from(visitors);
        Pattern { marks, visitors, amounts: [3 * visitors, visitors], parts: [crowd.clone(), crowd.clone()], crowd }
    }

    fn secrets() -> Secrets {
        Secrets::new(b"seed", 3)
    }

    fn publish(secrets: &Secrets, patterns: &[Pattern], day: Date) -> Option<Total> {
        let schedule = Schedule::new("UTC", 1_440).expect("known");
        let window = schedule.containing(schedule.day_start(day));
        publishable(secrets, patterns, 49, Periods::of(&schedule, &window), true)
    }

    const WEDNESDAY: Date = jiff::civil::date(2026, 11, 25);
    const WORST: u64 = Blur::worst(&[NARROW]);

    #[test]
    fn a_site_of_a_few_shows_nothing() {
        assert_eq!(publish(&secrets(), &[pattern(15, 9)], WEDNESDAY), None);
    }

    #[test]
    fn without_visitors_views_show_from_fifty() {
        for seed in 0u8..50 {
            let alone = |visitors: u16| views_alone(&Secrets::new(&[seed], 3), &[pattern(15, visitors)], 0);
            assert_eq!(alone(16), None);
            let total = alone(25).expect("75 views");
            assert!(total.views.is_some_and(|views| views.abs_diff(75) <= WORST));
            assert_eq!((total.visitors, total.visits, total.marks), (0, None, [None; 4]));
        }
    }

    #[test]
    fn marks_of_times_that_began_together_have_one_number_and_one_that_nobody_bears_has_none() {
        let monday = jiff::civil::date(2026, 11, 23);
        let total = publish(&secrets(), &[pattern(3, 60)], monday).expect("60 are enough");
        assert_eq!(total.marks, [Some(total.visitors), Some(total.visitors), None, None]);
        assert_eq!(total.count_only, None);
        assert!(total.visitors.abs_diff(60) <= WORST && total.visitors.is_multiple_of(5));
        let first_of_a_month = jiff::civil::date(2026, 12, 1);
        let total = publish(&secrets(), &[pattern(5, 60), pattern(7, 60)], first_of_a_month).expect("enough");
        assert_eq!(total.marks[..1], total.marks[2..3]);
        assert!(total.marks[1].is_some_and(|told| told.abs_diff(60) <= WORST));
    }

    #[test]
    fn marks_that_differ_by_a_few_do_not_both_show() {
        for seed in 0u8..50 {
            let secrets = Secrets::new(&[seed], 3);
            // 66 bear new_week, 63 of them new_month too: the three are a cell of their own.
            let total = publish(&secrets, &[pattern(1, 40), pattern(3, 3), pattern(7, 63)], WEDNESDAY).expect("enough");
            assert!(total.marks[1].is_some());
            assert_eq!(total.marks[2], None);
            let total =
                publish(&secrets, &[pattern(1, 40), pattern(3, 40), pattern(7, 57)], WEDNESDAY).expect("enough");
            assert!(total.marks[2].is_some_and(|told| told.abs_diff(57) <= WORST));
        }
    }

    #[test]
    fn who_comes_again_on_a_day_is_not_new_in_a_later_window_of_it() {
        let schedule = Schedule::new("UTC", 360).expect("known");
        let window = schedule.containing(schedule.day_start(WEDNESDAY));
        let later = schedule.after(window.end);
        let patterns = [pattern(0, 50), pattern(1, 60)];
        let total = publishable(&secrets(), &patterns, 0, Periods::of(&schedule, &later), false).expect("enough");
        assert!(total.visitors.abs_diff(110) <= WORST);
        assert!(total.marks[0].is_some_and(|told| told.abs_diff(60) <= WORST));
    }
}

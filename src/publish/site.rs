//! The site's total and its marks: sets within sets, of which no two may differ by a few.

use serde::Deserialize;

use super::crowd::Crowd;
use super::rules::{EVENTS_MIN, Secrets};

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

/// What may be shown of the total; `None` if not even all together are enough. Then no table of this window shows.
pub fn publishable(secrets: &Secrets, patterns: &[Pattern], count_only: u64) -> Option<Total> {
    let (visitors, crowd) = people(patterns, |_| true);
    let k = secrets.k("site", []);
    if crowd.weight(secrets.cap) < k {
        return None;
    }
    let tell = |index: usize| {
        let mut part = (0, Crowd::default());
        for pattern in patterns {
            part.0 += pattern.amounts[index];
            part.1.add(&pattern.parts[index]);
        }
        secrets.may_tell(part.0, &part.1, k).then(|| secrets.round(part.0))
    };
    // A mark shows when it, everyone else, and what it has that an already shown mark has not (and the other way round)
    // are each none or many: then no two shown numbers differ by a few people.
    let mut marks = [None; 4];
    let mut shown: Vec<u8> = Vec::new();
    for (index, mark) in marks.iter_mut().enumerate() {
        let bit = 1u8 << index;
        let tells = |fits: &dyn Fn(u8) -> bool| {
            let (amount, crowd) = people(patterns, fits);
            secrets.may_tell(amount, &crowd, k)
        };
        let apart = shown.iter().all(|&other| {
            tells(&|bits| bits & bit != 0 && bits & other == 0) && tells(&|bits| bits & bit == 0 && bits & other != 0)
        });
        if apart && tells(&|bits| bits & bit != 0) && tells(&|bits| bits & bit == 0) {
            *mark = Some(secrets.round(people(patterns, |bits| bits & bit != 0).0));
            shown.push(bit);
        }
    }
    Some(Total {
        views: tell(0),
        visits: tell(1),
        visitors: secrets.round(visitors),
        marks,
        count_only: events(secrets, count_only),
    })
}

/// The total of a site that tells no visitors apart: its views, as counts that have no visitors by nature.
pub fn views_alone(secrets: &Secrets, patterns: &[Pattern], count_only: u64) -> Option<Total> {
    let views = patterns.iter().map(|pattern| pattern.amounts[0]).sum();
    let views = events(secrets, views)?;
    Some(Total { views: Some(views), count_only: events(secrets, count_only), ..Total::default() })
}

/// A count that has no visitors by nature: shown from 50, and then rounded.
pub fn events(secrets: &Secrets, count: u64) -> Option<u64> {
    (count >= EVENTS_MIN).then(|| secrets.round(count))
}

#[cfg(test)]
mod tests {
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

    #[test]
    fn a_site_of_a_few_shows_nothing() {
        assert_eq!(publishable(&secrets(), &[pattern(15, 9)], 1_000), None);
    }

    #[test]
    fn without_visitors_views_show_from_fifty() {
        let alone = |visitors: u16| views_alone(&secrets(), &[pattern(15, visitors)], 0);
        assert_eq!(alone(16), None);
        let total = alone(17).expect("51 views");
        assert!(total.views.is_some_and(|views| views.abs_diff(51) < 5));
        assert_eq!((total.visitors, total.visits, total.marks), (0, None, [None; 4]));
    }

    #[test]
    fn a_mark_that_all_or_none_bear_shows() {
        let total = publishable(&secrets(), &[pattern(3, 40)], 49).expect("40 are enough");
        assert_eq!(total.marks[0], total.marks[1]);
        assert_eq!(total.marks[2..], [Some(0), Some(0)]);
        assert_eq!(total.count_only, None);
        assert!(total.visitors.abs_diff(40) < 5 && total.visitors.is_multiple_of(5));
    }

    #[test]
    fn marks_that_differ_by_a_few_do_not_both_show() {
        // 60 bear new_week, 57 of them new_month too: the three are a cell of their own.
        let total = publishable(&secrets(), &[pattern(1, 40), pattern(3, 3), pattern(7, 57)], 50).expect("enough");
        assert!(total.marks[1].is_some());
        assert_eq!(total.marks[2], None);
        assert!(total.count_only.is_some());
        let total = publishable(&secrets(), &[pattern(1, 40), pattern(3, 30), pattern(7, 57)], 0).expect("enough");
        assert!(total.marks[2].is_some());
    }
}

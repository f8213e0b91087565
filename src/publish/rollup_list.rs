//! The list of tables that are counted from events: what each visit and each visitor contributes to which cell. A new table is a
//! new entry. [`super::rollups`] adds what a site declares.

use super::cells::MeasureKind;
use crate::items::Items;

/// What a visit or a visitor contributes to a source of cells, as SQL.
#[derive(Clone, Copy)]
pub(super) struct Contribution {
    pub(super) by: By,
    /// One contribution, or one for each entry of a list; `{}` is replaced by the contribution.
    pub(super) each: &'static str,
    /// First and second dimension.
    pub(super) place: [&'static str; 2],
    /// The measures; a missing one is 0.
    pub(super) adds: [&'static str; 3],
}

/// Who contributes.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum By {
    /// A visit, with the declared goals that it reached.
    Goals,
    Visit,
    Visitor,
}

// The first measures of the query: visitors, and the sums of contributions.
pub(super) const VISITORS: usize = 0;
pub(super) const FIRST: usize = 1;
const SECOND: usize = 2;
const THIRD: usize = 3;
/// The first of the query's measures of goals.
pub(super) const GOALS: usize = 4;

const VIEWS: &str = "arrayMap((view, at) -> {}, views, arrayEnumerate(views))";
pub(super) const BEGUN: &str = "if(began, [{}], [])";
const HOME: &str = "if(began_visits > 0, [{}], [])";

pub(super) const fn contribution(
    by: By,
    each: &'static str,
    place: [&'static str; 2],
    adds: [&'static str; 3],
) -> Contribution {
    Contribution { by, each, place, adds }
}

/// A table of the list.
pub(super) struct Entry {
    pub(super) into: &'static str,
    pub(super) columns: &'static [&'static str],
    pub(super) overlapping: bool,
    pub(super) measures: &'static [(&'static str, MeasureKind, usize)],
    pub(super) contributions: &'static [Contribution],
    pub(super) listed: fn(&Items) -> bool,
}

pub(super) const OF_FIRST: MeasureKind = MeasureKind::Part { of: Some(0) };
const UNRELATED: MeasureKind = MeasureKind::Part { of: None };
/// Visits by how they began.
const CONVERSION: &[(&str, MeasureKind, usize)] =
    &[("visits", MeasureKind::Whole, FIRST), ("visitors", UNRELATED, SECOND), ("bounces", OF_FIRST, THIRD)];
const VISITORS_ONLY: &[(&str, MeasureKind, usize)] = &[("visitors", MeasureKind::Whole, VISITORS)];
const COUNTED: &[(&str, MeasureKind, usize)] =
    &[("count", MeasureKind::Whole, FIRST), ("visitors", MeasureKind::Audience, VISITORS)];
const VISITS: &[(&str, MeasureKind, usize)] = &[("visits", MeasureKind::Whole, FIRST)];

pub(super) const TABLES: &[Entry] = &[
    Entry {
        into: "pages",
        columns: &["path"],
        overlapping: true,
        measures: &[
            ("views", MeasureKind::Whole, FIRST),
            ("visitors", MeasureKind::Audience, VISITORS),
            ("entries", OF_FIRST, SECOND),
            ("last_pages", OF_FIRST, THIRD),
        ],
        contributions: &[contribution(
            By::Visit,
            VIEWS,
            ["if(toUInt32(cityHash64(view.2)) IN [{paths}], view.2, '(other)')", ""],
            ["1", "at = 1 AND began", "began AND at = viewed"],
        )],
        listed: |items| items.pages,
    },
    Entry {
        into: "transitions",
        columns: &["from_path", "to_path"],
        overlapping: true,
        measures: VISITS,
        contributions: &[contribution(
            By::Visit,
            "arrayMap(move -> {}, arrayDistinct(arrayMap(view -> multiIf(\
             toUInt32(cityHash64(concat(view.3, '\\x1f', view.2))) IN [{moves}], (view.3, view.2), \
             toUInt32(cityHash64(view.3)) IN [{paths}], (view.3, '(other)'), ('(other)', '(other)')), \
             arrayFilter(view -> view.3 != '', views))))",
            ["move.1", "move.2"],
            ["1", "", ""],
        )],
        listed: |items| items.movement,
    },
    Entry {
        into: "entries",
        columns: &["channel", "source"],
        overlapping: true,
        measures: CONVERSION,
        contributions: &[
            contribution(By::Goals, BEGUN, ["channel", "source"], ["1", "", "bounced"]),
            contribution(By::Visitor, HOME, ["home.2", "home.3"], ["", "counts", ""]),
        ],
        listed: |items| items.entry,
    },
    Entry {
        into: "landings",
        columns: &["channel", "source", "path"],
        overlapping: true,
        measures: CONVERSION,
        contributions: &[
            contribution(By::Goals, BEGUN, ["origin", "landing"], ["1", "", "bounced"]),
            contribution(By::Visitor, HOME, ["home.4", "home.5"], ["", "counts", ""]),
        ],
        listed: |items| items.entry && items.pages,
    },
    Entry {
        into: "campaigns",
        columns: &["source", "medium", "campaign"],
        overlapping: true,
        measures: CONVERSION,
        contributions: &[
            contribution(By::Goals, BEGUN, ["campaign.1", "campaign.2"], ["1", "", "bounced"]),
            contribution(By::Visitor, HOME, ["home.6", "home.7"], ["", "counts", ""]),
        ],
        listed: |items| items.entry,
    },
    Entry {
        into: "exits",
        columns: &["domain"],
        overlapping: true,
        measures: &[("clicks", MeasureKind::Whole, FIRST), ("visitors", MeasureKind::Audience, VISITORS)],
        contributions: &[contribution(
            By::Visit,
            "arrayMap(domain -> {}, exits)",
            ["if(toUInt32(cityHash64(domain)) IN [{exits}], domain, '(other)')", ""],
            ["1", "", ""],
        )],
        listed: |items| items.exit,
    },
    Entry {
        into: "visits",
        columns: &["pages", "duration"],
        overlapping: true,
        measures: VISITS,
        contributions: &[contribution(By::Visit, BEGUN, ["pages", "duration"], ["1", "", ""])],
        listed: |items| items.pages && items.duration,
    },
    Entry {
        into: "recency",
        columns: &["absence"],
        overlapping: false,
        measures: VISITORS_ONLY,
        contributions: &[contribution(By::Visitor, "if(longest != '', [{}], [])", ["longest", ""], ["", "", ""])],
        listed: |items| items.identifier,
    },
    Entry {
        into: "retention",
        columns: &["cohort"],
        overlapping: false,
        measures: VISITORS_ONLY,
        contributions: &[contribution(By::Visitor, "if(since_week != '', [{}], [])", ["since_week", ""], ["", "", ""])],
        listed: |items| items.identifier,
    },
    Entry {
        into: "events",
        columns: &["name"],
        overlapping: true,
        measures: COUNTED,
        contributions: &[contribution(By::Visit, "arrayMap(name -> {}, names)", ["name", ""], ["1", "", ""])],
        listed: |items| items.events,
    },
];

/// The dimensions of pairs that both are in `events`, as SQL of a visit.
pub(super) const DIMENSIONS: [(&str, &str); 7] = [
    ("channel", "channel"),
    ("source", "source"),
    ("campaign", "campaign.2"),
    ("landing", "if(toUInt32(cityHash64(first_path)) IN [{paths}], first_path, '(other)')"),
    ("visit_number", "toString(number)"),
    ("pages", "pages"),
    ("duration", "duration"),
];

#[cfg(test)]
mod tests {
    use super::super::apart_tables::OUTSIDE;
    use super::*;
    use crate::config::declared;

    #[test]
    fn every_dimension_that_can_be_declared_can_be_counted() {
        let mut known: Vec<_> = DIMENSIONS.iter().map(|known| known.0).chain(OUTSIDE).collect();
        let mut declarable: Vec<_> = declared::DIMENSIONS.iter().map(|known| known.0).collect();
        known.sort_unstable();
        declarable.sort_unstable();
        assert_eq!(known, declarable);
    }
}

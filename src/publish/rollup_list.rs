//! The list of tables that are counted from events: what each visit and each visitor contributes to which cell. A new table is a
//! new entry. [`super::rollups`] adds what a site declares.

use super::cells::{Measure, PARENT_WIDE, Rest};
use super::target::Columns;
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
    pub(super) adds: [&'static str; 4],
}

/// Who contributes.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum By {
    /// A visit that began in the window, with the declared goals that it reached. Three of a visitor do.
    Goals,
    /// The same without goals.
    Visit,
    /// Each view or event of a visit.
    Views,
    Visitor,
}

// The first measures of the query: visitors, and the sums of contributions.
pub(super) const VISITORS: usize = 0;
pub(super) const FIRST: usize = 1;
const SECOND: usize = 2;
const THIRD: usize = 3;
/// Seconds. The measure of the table says how many of them count.
pub(super) const SECONDS: usize = 4;
/// The first of the query's measures of goals.
pub(super) const GOALS: usize = 5;

/// No number of a cell grows by more for one visitor-day; `sql/cells.sql` has the same number.
pub(super) const TIMES_MAX: u32 = 3;
/// How many times wider the noise is of a number that a page raises in many cells, by three in each, as often as it likes. So a repeated mark says no more than a visitor.
pub(super) const REPEATED_WIDE: u32 = 2;
/// So many visits of a visitor-day are counted; `sql/cells.sql` has the same number.
pub(super) const VISITS_MAX: u32 = 3;

pub(super) const BEGUN: &str = "if(began, [{}], [])";
const HOME: &str = "if(began_visits > 0, [{}], [])";

pub(super) const fn contribution(
    by: By,
    each: &'static str,
    place: [&'static str; 2],
    adds: [&'static str; 4],
) -> Contribution {
    Contribution { by, each, place, adds }
}

/// A measure, and its place among those of the query.
pub(super) type Taken = (Measure, usize);

fn measure(name: &str, rest: Rest, bound: u32, take: usize) -> Taken {
    (Measure::new(name, rest, bound), take)
}

/// A number that is published beside a more useful one, with noise so many times wider.
fn beside(name: &str, rest: Rest, bound: u32, take: usize, wide: u32) -> Taken {
    (Measure::new(name, rest, bound).wide(wide), take)
}

/// Seconds, of which a visitor-day adds so many to a number at most. Its noise has three times that for its standard deviation, in units of σ,
/// so that somebody who stays for long is no better seen than somebody who comes.
fn seconds(name: &str, rest: Rest, bound: u32) -> Taken {
    beside(name, rest, bound, SECONDS, 3 * bound)
}

/// The columns that have seconds.
#[cfg(test)]
pub(super) const SECONDS_COLUMNS: [&str; 2] = ["engaged_s", "duration_s"];
/// How many times wider the noise of bounces is. A site's bounces and those of its sources have one total.
const BOUNCES_WIDE: u32 = 3;

/// How many times wider the noise of goals is beside nothing but visits whose noise is wider. Somebody may reach all that are declared, so it grows with
/// their number.
pub(super) fn goals_wide(goals: usize) -> u32 {
    (1..).find(|root| root * root >= goals).unwrap_or(1) as u32
}

/// The same beside visitors and bounces.
pub(super) fn goals_of_visits_wide(goals: usize) -> u32 {
    goals_wide(9 * goals)
}

/// A table of the list.
pub(super) struct Entry {
    pub(super) into: &'static str,
    pub(super) columns: Columns,
    pub(super) overlapping: bool,
    /// How many cells a visitor-day enters at most.
    pub(super) cells: u32,
    /// As [`super::cells::Table::parent_wide`].
    pub(super) parent_wide: u32,
    pub(super) measures: fn() -> Vec<Taken>,
    pub(super) contributions: &'static [Contribution],
    pub(super) listed: fn(&Items) -> bool,
}

pub(super) const OF_VISITS: Rest = Rest::Of("visits");

/// What most have in common.
const ENTRY: Entry = Entry {
    into: "",
    columns: &[],
    overlapping: true,
    cells: 30,
    parent_wide: PARENT_WIDE,
    measures: Vec::new,
    contributions: &[],
    listed: |_| true,
};
/// Visits by how they began.
const BEGINNINGS: Entry = Entry {
    cells: VISITS_MAX + 1,
    measures: || {
        vec![
            measure("visits", OF_VISITS, VISITS_MAX, FIRST),
            beside("visitors", Rest::OwnOfVisits, 1, SECOND, 7),
            beside("bounces", Rest::OwnOfVisits, VISITS_MAX, THIRD, BOUNCES_WIDE),
        ]
    },
    listed: |items| items.entry,
    ..ENTRY
};
/// How many visitors have each value. A visitor has one.
const OF_VISITORS: Entry = Entry {
    overlapping: false,
    cells: 1,
    measures: || vec![measure("visitors", Rest::Own(2), 1, VISITORS)],
    listed: |items| items.identifier,
    ..ENTRY
};
/// A total of the site.
const OF_SITE: Entry = Entry { into: "site", cells: 1, listed: |items| items.pages, ..ENTRY };

pub(super) const TABLES: &[Entry] = &[
    Entry {
        into: "pages",
        columns: &[&["section"], &["path"]],
        parent_wide: 2,
        measures: || {
            vec![
                beside("views", Rest::Of("views"), TIMES_MAX, FIRST, REPEATED_WIDE),
                measure("visitors", Rest::Unpublished, 1, VISITORS),
                beside("entries", OF_VISITS, TIMES_MAX, SECOND, 2),
                beside("last_pages", OF_VISITS, TIMES_MAX, THIRD, 2),
                seconds("engaged_s", Rest::Unpublished, 120),
            ]
        },
        contributions: &[contribution(
            By::Views,
            "arrayMap((view, at) -> {}, views, arrayEnumerate(views))",
            [
                "if(toUInt32(cityHash64({section of view.2})) IN [{hashes of sections}], {section of view.2}, '(other)')",
                "if(toUInt32(cityHash64(view.2)) IN [{hashes of paths}], view.2, '(other)')",
            ],
            ["1", "at = 1 AND began", "began AND at = viewed", "engaged[at]"],
        )],
        listed: |items| items.pages,
        ..ENTRY
    },
    Entry {
        into: "transitions",
        columns: &[&["from_path", "to_path"]],
        // A visitor-day has up to thirty moves, so their total needs wide noise.
        measures: || vec![beside("visits", Rest::Own(5), TIMES_MAX, FIRST, REPEATED_WIDE)],
        contributions: &[contribution(
            By::Views,
            "arrayMap(move -> {}, arrayDistinct(arrayMap(view -> concat(view.3, '\\x1f', view.2), \
             arrayFilter(view -> view.3 != '', views))))",
            ["if(toUInt32(cityHash64(move)) IN [{hashes of moves}], move, '(other)')", ""],
            ["1", "", "", ""],
        )],
        listed: |items| items.movement,
        ..ENTRY
    },
    Entry {
        into: "entries",
        columns: &[&["channel"], &["source"]],
        contributions: &[
            contribution(By::Goals, BEGUN, ["channel", "source"], ["1", "", "bounced", ""]),
            contribution(By::Visitor, HOME, ["home.2", "home.3"], ["", "counts", "", ""]),
        ],
        ..BEGINNINGS
    },
    Entry {
        into: "landings",
        columns: &[&["channel", "source"], &["path"]],
        contributions: &[
            contribution(By::Goals, BEGUN, ["origin", "landing"], ["1", "", "bounced", ""]),
            contribution(By::Visitor, HOME, ["home.4", "home.5"], ["", "counts", "", ""]),
        ],
        listed: |items| items.entry && items.pages,
        ..BEGINNINGS
    },
    Entry {
        into: "campaigns",
        columns: &[&["source", "medium"], &["campaign"]],
        contributions: &[
            contribution(By::Goals, BEGUN, ["campaign.1", "campaign.2"], ["1", "", "bounced", ""]),
            contribution(By::Visitor, HOME, ["home.6", "home.7"], ["", "counts", "", ""]),
        ],
        ..BEGINNINGS
    },
    Entry {
        into: "exits",
        columns: &[&["domain"]],
        measures: || {
            vec![
                beside("clicks", Rest::Own(5), TIMES_MAX, FIRST, REPEATED_WIDE),
                beside("visitors", Rest::Unpublished, 1, VISITORS, 1),
            ]
        },
        contributions: &[contribution(
            By::Views,
            "arrayMap(domain -> {}, exits)",
            ["if(toUInt32(cityHash64(domain)) IN [{hashes of exits}], domain, '(other)')", ""],
            ["1", "", "", ""],
        )],
        listed: |items| items.exit,
        ..ENTRY
    },
    Entry {
        into: "visits",
        columns: &[&["pages"], &["duration"]],
        cells: VISITS_MAX,
        measures: || vec![measure("visits", OF_VISITS, VISITS_MAX, FIRST)],
        contributions: &[contribution(By::Visit, BEGUN, ["pages", "duration"], ["1", "", "", ""])],
        listed: |items| items.pages && items.duration,
        ..ENTRY
    },
    Entry {
        into: "recency",
        columns: &[&["absence"]],
        contributions: &[contribution(By::Visitor, "if(longest != '', [{}], [])", ["longest", ""], ["", "", "", ""])],
        ..OF_VISITORS
    },
    Entry {
        into: "retention",
        columns: &[&["cohort"]],
        contributions: &[contribution(
            By::Visitor,
            "if(since_week != '' AND longest != '' AND begins_week, [{}], [])",
            ["since_week", ""],
            ["", "", "", ""],
        )],
        ..OF_VISITORS
    },
    Entry {
        into: "events",
        columns: &[&["name"]],
        measures: || {
            vec![
                beside("count", Rest::Own(5), TIMES_MAX, FIRST, REPEATED_WIDE),
                beside("visitors", Rest::Unpublished, 1, VISITORS, 1),
            ]
        },
        contributions: &[contribution(By::Views, "arrayMap(name -> {}, names)", ["name", ""], ["1", "", "", ""])],
        listed: |items| items.events,
        ..ENTRY
    },
    // Totals of visits. Those of `entries`, `landings` and `campaigns` are the same numbers.
    Entry {
        measures: || {
            vec![
                beside("bounces", Rest::OwnOfVisits, VISITS_MAX, FIRST, BOUNCES_WIDE),
                seconds("engaged_s", Rest::OwnOfVisits, 300),
            ]
        },
        contributions: &[contribution(By::Goals, BEGUN, ["", ""], ["bounced", "", "", "arraySum(engaged)"])],
        ..OF_SITE
    },
    Entry {
        measures: || vec![seconds("duration_s", Rest::OwnOfVisits, 600)],
        contributions: &[contribution(By::Visit, BEGUN, ["", ""], ["", "", "", "{middle of lasted}"])],
        listed: |items| items.pages && items.duration,
        ..OF_SITE
    },
];

/// The dimensions of pairs that both are in `events`, as SQL of a visit.
pub(super) const DIMENSIONS: [(&str, &str); 7] = [
    ("channel", "channel"),
    ("source", "source"),
    ("campaign", "campaign.2"),
    ("landing", "if(toUInt32(cityHash64(first_path)) IN [{hashes of paths}], first_path, '(other)')"),
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

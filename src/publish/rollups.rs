//! The tables that are counted from events: what each visit and each visitor contributes to which cell, and how a cell
//! becomes a row. A table is an entry of a list; what a site declares adds entries. The one query that counts them all is
//! put together from the list in [`super::queries`].

use serde_json::Value;

use super::plan::PublishedSite;
use super::rules::{Kind, Table};
use crate::items::Items;

/// What a reader sees between the values of a dimension that fills several columns. No value holds it.
pub(super) const JOINED: char = '\x1f';

/// What someone contributes to a source of cells, as SQL.
#[derive(Clone, Copy)]
pub(super) struct Contribution {
    /// Whether a visit or a visitor does.
    pub(super) by: By,
    /// For what: one, or each of a list; `{}` stands for the contribution itself.
    pub(super) each: &'static str,
    /// First and second dimension.
    pub(super) place: [&'static str; 2],
    /// The measures; a missing one is 0.
    pub(super) adds: [&'static str; 3],
}

/// Who contributes.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum By {
    /// A visit, with what it reached of the declared goals.
    Goals,
    /// A visit.
    Visit,
    /// A visitor.
    Visitor,
}

/// Cells that the query counts; several tables may be made of one.
pub(super) struct Source {
    pub(super) contributions: Vec<(Contribution, [String; 2])>,
}

/// How the cells of a source become rows of a table.
pub(super) struct Rollup {
    /// The source, by its place in the list.
    pub(super) source: usize,
    /// Its shape, for the rules.
    pub(super) table: Table,
    /// Its name in the stats store.
    pub(super) into: &'static str,
    /// The columns that its dimensions fill.
    pub(super) columns: &'static [&'static str],
    /// Columns that are the same in each row.
    pub(super) fixed: Vec<(&'static str, Value)>,
    /// Which of the query's measures it has, in its order.
    pub(super) takes: Vec<usize>,
    /// What the steps of a funnel are: its cells are how far visits got. Empty for all other tables.
    pub(super) steps: Vec<String>,
}

/// All sources and tables of a site.
#[derive(Default)]
pub(super) struct Rollups {
    pub(super) sources: Vec<Source>,
    pub(super) tables: Vec<Rollup>,
    /// SQL that names, per visit, what the site declared.
    pub(super) declared: Vec<String>,
    /// The names of its goals; the query has a measure for each.
    pub(super) goals: Vec<String>,
}

/// The first measures of the query: visitors, and what contributions add.
pub(super) const VISITORS: usize = 0;
const FIRST: usize = 1;
const SECOND: usize = 2;
const THIRD: usize = 3;
/// Where the query's measures of goals begin.
const GOALS: usize = 4;

const VIEWS: &str = "arrayMap((view, at) -> {}, views, arrayEnumerate(views))";
const BEGUN: &str = "if(began, [{}], [])";
const HOME: &str = "if(began_visits > 0, [{}], [])";
const ONE: &str = "[{}]";

const fn contribution(by: By, each: &'static str, place: [&'static str; 2], adds: [&'static str; 3]) -> Contribution {
    Contribution { by, each, place, adds }
}

/// A table as the list has it.
struct Entry {
    into: &'static str,
    columns: &'static [&'static str],
    overlapping: bool,
    measures: &'static [(&'static str, Kind, usize)],
    contributions: &'static [Contribution],
    listed: fn(&Items) -> bool,
}

const OF_FIRST: Kind = Kind::Part { of: Some(0) };
const APART: Kind = Kind::Part { of: None };
/// How visits that began in one way went on.
const CONVERSION: &[(&str, Kind, usize)] =
    &[("visits", Kind::Whole, FIRST), ("visitors", APART, SECOND), ("bounces", OF_FIRST, THIRD)];
/// What each visitor has one of.
const TRAIT: &[(&str, Kind, usize)] = &[("visitors", Kind::Whole, VISITORS), ("visits", APART, FIRST)];
const BARE: &[(&str, Kind, usize)] = &[("visitors", Kind::Whole, VISITORS)];
const COUNTED: &[(&str, Kind, usize)] = &[("count", Kind::Whole, FIRST), ("visitors", Kind::Audience, VISITORS)];
const VISITS: &[(&str, Kind, usize)] = &[("visits", Kind::Whole, FIRST)];

const TABLES: &[Entry] = &[
    Entry {
        into: "hours",
        columns: &["hour"],
        overlapping: true,
        measures: &[("views", Kind::Whole, FIRST), ("visits", OF_FIRST, SECOND)],
        contributions: &[contribution(
            By::Visit,
            VIEWS,
            ["formatDateTime(view.3, '%H', {time_zone:String})", ""],
            ["1", "at = 1 AND began", ""],
        )],
        listed: |items| items.pages,
    },
    Entry {
        into: "pages",
        columns: &["path"],
        overlapping: true,
        measures: &[
            ("views", Kind::Whole, FIRST),
            ("visitors", Kind::Audience, VISITORS),
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
             toUInt32(cityHash64(concat(view.4, '\\x1f', view.2))) IN [{moves}], (view.4, view.2), \
             toUInt32(cityHash64(view.4)) IN [{paths}], (view.4, '(other)'), ('(other)', '(other)')), \
             arrayFilter(view -> view.4 != '', views))))",
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
        measures: &[("clicks", Kind::Whole, FIRST), ("visitors", Kind::Audience, VISITORS)],
        contributions: &[contribution(
            By::Visit,
            "arrayMap(domain -> {}, exits)",
            ["if(toUInt32(cityHash64(domain)) IN [{exits}], domain, '(other)')", ""],
            ["1", "", ""],
        )],
        listed: |items| items.exit,
    },
    Entry {
        into: "places",
        columns: &["country", "region"],
        overlapping: false,
        measures: TRAIT,
        contributions: &[contribution(By::Visitor, ONE, ["first_place.3", "first_place.4"], ["began_visits", "", ""])],
        listed: |items| items.country || items.region,
    },
    Entry {
        into: "clients",
        columns: &["browser", "major"],
        overlapping: false,
        measures: TRAIT,
        contributions: &[contribution(
            By::Visitor,
            ONE,
            ["first_client.3", "if(first_client.4 = 0, '', toString(first_client.4))"],
            ["began_visits", "", ""],
        )],
        listed: |items| items.browser,
    },
    Entry {
        into: "devices",
        columns: &["device", "os"],
        overlapping: false,
        measures: TRAIT,
        contributions: &[contribution(By::Visitor, ONE, ["first_gear.3", "first_gear.4"], ["began_visits", "", ""])],
        listed: |items| items.browser || items.os,
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
        measures: BARE,
        contributions: &[contribution(By::Visitor, "if(longest != '', [{}], [])", ["longest", ""], ["", "", ""])],
        listed: |items| items.identifier,
    },
    Entry {
        into: "retention",
        columns: &["cohort"],
        overlapping: false,
        measures: BARE,
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
    Entry {
        into: "searches",
        columns: &["term"],
        overlapping: true,
        measures: COUNTED,
        contributions: &[contribution(
            By::Visit,
            "arrayMap(term -> {}, terms)",
            ["if(toUInt32(cityHash64(term)) IN [{terms}], term, '(other)')", ""],
            ["1", "", ""],
        )],
        listed: |items| items.search,
    },
];

/// The dimensions of pairs, as SQL of a visit.
const DIMENSIONS: [(&str, &str); 12] = [
    ("channel", "channel"),
    ("source", "source"),
    ("campaign", "campaign.2"),
    ("landing", "if(toUInt32(cityHash64(first_path)) IN [{paths}], first_path, '(other)')"),
    ("country", "toString(place.3)"),
    ("region", "toString(place.4)"),
    ("browser", "toString(client.3)"),
    ("os", "toString(gear.4)"),
    ("device", "toString(gear.3)"),
    ("visit_number", "toString(number)"),
    ("pages", "pages"),
    ("duration", "duration"),
];

impl Rollups {
    /// What a site's policy lists and its configuration declares.
    pub(super) fn of(site: &PublishedSite) -> Self {
        let mut all = Self { goals: site.goals.keys().cloned().collect(), ..Self::default() };
        for (at, what) in site.goals.values().enumerate() {
            let column = if what.starts_with('/') { "path" } else { "name" };
            all.declared.push(format!("max({column} = {}) AS goal_{at}", literal(what)));
        }
        for entry in TABLES.iter().filter(|entry| (entry.listed)(&site.items)) {
            let source = all.source(entry.contributions.iter().map(|known| (*known, known.place.map(str::to_owned))));
            let mut measures: Vec<(String, Kind)> =
                entry.measures.iter().map(|(name, kind, _)| ((*name).to_owned(), *kind)).collect();
            let mut takes: Vec<usize> = entry.measures.iter().map(|(_, _, take)| *take).collect();
            if entry.contributions.iter().any(|known| known.by == By::Goals) {
                measures.extend(all.goals.iter().map(|goal| (format!("goal {goal}"), OF_FIRST)));
                takes.extend((0..all.goals.len()).map(|goal| GOALS + goal));
            }
            let levels = if entry.contributions[0].place[1].is_empty() { 1 } else { 2 };
            let table = Table { name: entry.into.to_owned(), levels, measures, overlapping: entry.overlapping };
            let (into, columns) = (entry.into, entry.columns);
            all.tables.push(Rollup { source, table, into, columns, fixed: Vec::new(), takes, steps: Vec::new() });
        }
        all.experiments(site);
        all.funnels(site);
        all.pairs(site);
        all
    }

    fn source(&mut self, contributions: impl Iterator<Item = (Contribution, [String; 2])>) -> usize {
        self.sources.push(Source { contributions: contributions.collect() });
        self.sources.len() - 1
    }

    /// Of every visit, the variant that it was told first; a table per experiment and goal, of one source.
    fn experiments(&mut self, site: &PublishedSite) {
        for (at, name) in site.experiments.iter().enumerate() {
            let of = literal(name);
            self.declared
                .push(format!("argMinIf(toString(variant), step, name = {of} AND variant != '') AS variant_{at}"));
            let source = self.source(
                [(contribution(By::Goals, BEGUN, ["", ""], ["1", "", ""]), [format!("variant_{at}"), String::new()])]
                    .into_iter(),
            );
            for (goal, (goal_name, _)) in site.goals.iter().enumerate() {
                self.tables.push(Rollup {
                    source,
                    table: Table {
                        name: format!("experiments {name} {goal_name}"),
                        levels: 1,
                        measures: vec![("visits".to_owned(), Kind::Whole), ("converted".to_owned(), OF_FIRST)],
                        overlapping: true,
                    },
                    into: "experiments",
                    columns: &["variant"],
                    fixed: vec![("experiment", name.clone().into()), ("goal", goal_name.clone().into())],
                    takes: vec![FIRST, GOALS + goal],
                    steps: Vec::new(),
                });
            }
        }
    }

    /// Of every visit, how many steps of a funnel it took in their order.
    fn funnels(&mut self, site: &PublishedSite) {
        if !site.funnels.is_empty() {
            self.declared.push(
                "arraySort(groupArrayIf(400)((step, toString(if(type = 'view', path, name))), type IN ('view', 'event'))) \
                 AS acts"
                    .to_owned(),
            );
        }
        for (at, (name, steps)) in site.funnels.iter().enumerate() {
            let list: Vec<_> = steps.iter().map(|step| literal(step)).collect();
            self.declared.push(format!(
                "arrayFold((taken, act) -> toUInt8(taken + (act.2 = [{}][taken + 1])), acts, toUInt8(0)) AS taken_{at}",
                list.join(", ")
            ));
            let place = [format!("leftPad(toString(taken_{at}), 2, '0')"), String::new()];
            let source = self.source([(contribution(By::Visit, BEGUN, ["", ""], ["1", "", ""]), place)].into_iter());
            self.tables.push(Rollup {
                source,
                table: Table {
                    name: format!("funnels {name}"),
                    levels: 1,
                    measures: vec![("visits".to_owned(), Kind::Whole)],
                    overlapping: true,
                },
                into: "funnels",
                columns: &[],
                fixed: vec![("funnel", name.clone().into())],
                takes: vec![FIRST],
                steps: steps.clone(),
            });
        }
    }

    fn pairs(&mut self, site: &PublishedSite) {
        for [first, second] in &site.pairs {
            let sql = |name: &str| DIMENSIONS.iter().find(|known| known.0 == name).map(|known| known.1.to_owned());
            let (Some(one), Some(other)) = (sql(first), sql(second)) else { continue };
            let place = [one, other];
            let source = self.source([(contribution(By::Visit, BEGUN, ["", ""], ["1", "", ""]), place)].into_iter());
            self.tables.push(Rollup {
                source,
                table: Table {
                    name: format!("pairs {first} {second}"),
                    levels: 2,
                    measures: vec![("visits".to_owned(), Kind::Whole), ("visitors".to_owned(), Kind::Audience)],
                    overlapping: true,
                },
                into: "pairs",
                columns: &["first", "second"],
                fixed: vec![("first_dimension", first.clone().into()), ("second_dimension", second.clone().into())],
                takes: vec![FIRST, VISITORS],
                steps: Vec::new(),
            });
        }
    }
}

/// A text as SQL writes it.
fn literal(text: &str) -> String {
    format!("'{}'", text.replace('\\', "\\\\").replace('\'', "\\'"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::declared;

    #[test]
    fn every_dimension_that_can_be_declared_can_be_counted() {
        let known: Vec<_> = DIMENSIONS.iter().map(|known| known.0).collect();
        let declarable: Vec<_> = declared::DIMENSIONS.iter().map(|known| known.0).collect();
        assert_eq!(known, declarable);
    }

    #[test]
    fn a_declared_text_cannot_leave_its_literal() {
        assert_eq!(literal(r"/a'b\"), r"'/a\'b\\'");
    }
}

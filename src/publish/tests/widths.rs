//! `schema/noise.json`: how many times as wide as σ the noise of each published number is, by table and column. It is made from the tables
//! that the publisher reads, and it is the only source: the page `/stats` is built from it, and all other places that name such a width
//! are compared with it (`tests/it/publish/noise.rs`). `UPDATE_EXPECT=1 cargo test --lib publish::tests::widths` writes it anew.

use std::path::Path;

use serde::Serialize;

use super::super::cells::{Measure, Rest};
use super::super::noise::EVENTS_WIDE;
use super::super::target::step_wide;
use super::super::total;
use super::*;

/// The widths of a number: one, or a list of one for each number of declared goals, or for each step of a funnel.
#[derive(Serialize)]
#[serde(untagged)]
enum Wide {
    Always(u32),
    By(Vec<u32>),
}

/// What a number may be a sum of.
#[derive(Serialize)]
struct Widths {
    /// A row with a name.
    row: Wide,
    /// All rows of a value of the first dimension: of a section, a channel, a country.
    #[serde(skip_serializing_if = "Option::is_none")]
    parent: Option<Wide>,
    /// All rows of the table, where no other table has their total.
    #[serde(skip_serializing_if = "Option::is_none")]
    all: Option<Wide>,
}

impl From<Vec<u32>> for Wide {
    fn from(list: Vec<u32>) -> Self {
        if list.iter().all(|wide| *wide == list[0]) { Self::Always(list[0]) } else { Self::By(list) }
    }
}

/// The widths of a number in a row, in the rows of a parent, in all rows of the table; 0 where there is no such total.
fn of_measure(target: &Target, measure: &Measure) -> [u32; 3] {
    let has_parent = target.table.dimensions.len() == 2 && measure.rest != Rest::Unpublished;
    let all = match measure.rest {
        Rest::Own(wider) => measure.wide * wider,
        // The total is a number of `site`.
        Rest::Unpublished | Rest::OwnOfVisits | Rest::Of(_) => 0,
    };
    [measure.wide, if has_parent { measure.wide * target.table.parent_wide } else { 0 }, all]
}

type ByColumn<T> = BTreeMap<String, BTreeMap<String, T>>;

/// Those of columns that the tables of cells have not.
fn of_the_site(all: &mut ByColumn<Widths>) {
    let steps = (1..=STEPS).map(step_wide).collect::<Vec<_>>();
    let devices = of_measure(&attribute("time_zone"), &attribute("time_zone").table.measures[0])[2];
    let alone = |wide: u32| Wide::Always(wide);
    for (table, column, row) in [
        ("site", "views", alone(total::WIDE)),
        ("site", "visits", alone(total::WIDE)),
        ("site", "visitors", alone(total::WIDE)),
        // In a window that begins with its day, all visitors are new in it.
        ("site", "new_day", alone(total::WIDE)),
        ("site", "new_week", alone(total::FLAGS_WIDE)),
        ("site", "new_month", alone(total::FLAGS_WIDE)),
        ("site", "new_ever", alone(total::FLAGS_WIDE)),
        ("site", "count_only_views", alone(EVENTS_WIDE)),
        ("publications", "events", alone(total::EVENTS_WIDE)),
        ("publications", "late", alone(EVENTS_WIDE)),
        ("quality", "count", alone(EVENTS_WIDE)),
        ("protection", "count", alone(EVENTS_WIDE)),
        ("funnels", "visits", steps.into()),
        ("attributes", "devices", alone(devices)),
    ] {
        all.entry(table.to_owned()).or_default().insert(column.to_owned(), Widths { row, parent: None, all: None });
    }
}

fn widths() -> ByColumn<Widths> {
    let mut lists: ByColumn<[Vec<u32>; 3]> = BTreeMap::new();
    for goals in 1..=GOALS {
        for target in targets(goals) {
            for measure in &target.table.measures {
                let column = if measure.name.starts_with("goal ") { "goals" } else { measure.name.as_str() };
                let lists = lists.entry(target.into.to_owned()).or_default().entry(column.to_owned()).or_default();
                for (list, wide) in lists.iter_mut().zip(of_measure(&target, measure)) {
                    match list.len() == goals {
                        // The shapes of one stats table have equal noise; a list of values has no rest.
                        true => list[goals - 1] = list[goals - 1].max(wide),
                        false => list.push(wide),
                    }
                }
            }
        }
    }
    let of_lists = |[row, parent, all]: [Vec<u32>; 3]| {
        let if_any = |list: Vec<u32>| list.iter().any(|wide| *wide > 0).then(|| list.into());
        Widths { row: row.into(), parent: if_any(parent), all: if_any(all) }
    };
    let of_table = |(table, columns): (String, BTreeMap<String, [Vec<u32>; 3]>)| {
        (table, columns.into_iter().map(|(column, lists)| (column, of_lists(lists))).collect())
    };
    let mut all: ByColumn<Widths> = lists.into_iter().map(of_table).collect();
    of_the_site(&mut all);
    all
}

#[test]
fn the_file_has_the_widths_of_the_rules() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("schema/noise.json");
    // A column is a line.
    let mut text = "{\n".to_owned();
    let tables = widths();
    for (at, (table, columns)) in tables.iter().enumerate() {
        let lines: Vec<_> =
            columns.iter().map(|(column, widths)| format!("    \"{column}\": {}", json!(widths))).collect();
        let comma = if at + 1 < tables.len() { "," } else { "" };
        text += &format!("  \"{table}\": {{\n{}\n  }}{comma}\n", lines.join(",\n"));
    }
    text += "}\n";
    serde_json::from_str::<Value>(&text).expect("JSON");
    expect_test::expect_file![path].assert_eq(&text);
}

//! Does every place that names how wide the noise of a published number is say what the publisher adds? The publisher's widths are in
//! `schema/noise.json` (`src/publish/tests/widths.rs`). Compared are the comments of the stats tables, the error of every named question,
//! the noise that `tamga report` reckons with, and the list for analysts. The page `/stats` is built from the file itself.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;
use std::fs;

use regex::Regex;
use serde::Deserialize;
use serde_json::Value;
use tamga::store::Store;

use crate::schema::fresh;

/// A number of the stats store: table, column, and whether it is a sum over a value of the first dimension.
#[derive(Clone, Copy)]
struct Number(&'static str, &'static str, Level);

#[derive(Clone, Copy, PartialEq)]
enum Level {
    Row,
    Parent,
    All,
}

use Level::{All, Parent, Row};

#[derive(Deserialize)]
struct Widths {
    row: Value,
    parent: Option<Value>,
    all: Option<Value>,
}

type ByColumn = BTreeMap<String, BTreeMap<String, Widths>>;

fn widths() -> ByColumn {
    serde_json::from_str(&fs::read_to_string("schema/noise.json").unwrap()).unwrap()
}

/// The goals that the made-up numbers have.
const GOALS: usize = 2;
/// The days that they have, and σ of each. It is large, so that what is rounded is little.
const DAYS: f64 = 3.0;
const SIGMA: f64 = 1_000.0;
const FROM: &str = "2026-09-01";
const TO: &str = "2026-09-04";

impl Number {
    /// How many times as wide as σ its noise is.
    fn wide(self, widths: &ByColumn) -> f64 {
        let Self(table, column, level) = self;
        let of = &widths[table][column];
        let wide = match level {
            Row => Some(&of.row),
            Parent => of.parent.as_ref(),
            All => of.all.as_ref(),
        };
        let wide = wide.unwrap_or_else(|| panic!("{table}.{column} has no such sum"));
        wide.as_array().map_or(wide, |list| &list[GOALS - 1]).as_f64().unwrap()
    }

    fn of_a_day(self) -> f64 {
        of_a_day(self.0, self.1)
    }
}

/// What the made-up row of a day has. A part is about three times what it is divided by, so that the noise of both is seen.
fn of_a_day(table: &str, column: &str) -> f64 {
    match (table, column) {
        (_, "visits") => 100_000.0,
        (_, "bounces" | "goals") => 300_000.0,
        (_, "converted") => 60_000.0,
        (_, "views") => 200_000.0,
        (_, "last_pages") => 600_000.0,
        ("attributes", "devices") => 90_000.0,
        ("attributes", "visitors") => 270_000.0,
        ("site", "new_ever") => 240_000.0,
        (_, "duration_s") => 90_000_000.0,
        ("site", "engaged_s") => 50_000_000.0,
        ("pages", "engaged_s") => 40_000_000.0,
        _ => 80_000.0,
    }
}

/// What a column of errors is the error of.
#[derive(Clone, Copy)]
enum Of {
    /// A number.
    Sum(Number),
    /// A number divided by another one, so many times as large.
    Ratio(f64, Number, Number),
    /// The difference of two such ratios, of equal visits.
    Difference(f64, Number, Number),
}

impl Of {
    /// The error at 95 %, as the widths have it, of so many days.
    fn error(self, widths: &ByColumn, days: f64) -> f64 {
        let noise = SIGMA * days.sqrt();
        let ratio = |part: Number, whole: Number| {
            let share = part.of_a_day() / whole.of_a_day();
            noise * part.wide(widths).hypot(whole.wide(widths) * share) / (days * whole.of_a_day())
        };
        match self {
            Self::Sum(number) => 1.96 * noise * number.wide(widths),
            Self::Ratio(times, part, whole) => 1.96 * times * ratio(part, whole),
            // `experiment.sql` takes 2 for two variants.
            Self::Difference(times, part, whole) => 2.0 * times * 2f64.sqrt() * ratio(part, whole),
        }
    }
}

const PERCENT: f64 = 100.0;

/// Every column of errors of the named questions, and of how many days it is.
fn errors() -> Vec<(&'static str, &'static str, f64, Of)> {
    let percent = |part, whole| Of::Ratio(PERCENT, part, whole);
    let row = |table, column| Number(table, column, Row);
    let sum = |table, column| Of::Sum(row(table, column));
    let parent = |table, column| Number(table, column, Parent);
    let of_row = |table, part, whole| percent(row(table, part), row(table, whole));
    vec![
        ("automation-share", "error", DAYS, sum("automation", "count")),
        ("browsers", "error", DAYS, sum("clients", "visitors")),
        ("busy-hours", "error", DAYS, sum("hours", "visits")),
        ("declared-events", "error", DAYS, sum("events", "count")),
        ("devices", "error", DAYS, sum("devices", "visitors")),
        ("entry-channels", "error", DAYS, Of::Sum(parent("entries", "visits"))),
        ("entry-channels", "bounces_error", DAYS, Of::Sum(parent("entries", "bounces"))),
        ("entry-sources", "error", DAYS, sum("entries", "visits")),
        ("entry-sources", "visitors_error", DAYS, sum("entries", "visitors")),
        ("first-and-last-pages", "error", DAYS, sum("pages", "entries")),
        ("funnel", "error", DAYS, sum("funnels", "visits")),
        ("next-pages", "error", DAYS, sum("transitions", "visits")),
        ("not-measured", "error", 1.0, sum("site", "count_only_views")),
        ("outbound-links", "error", DAYS, sum("exits", "clicks")),
        ("outcomes", "error", DAYS, sum("quality", "count")),
        ("places", "error", DAYS, sum("places", "visitors")),
        ("protection", "error", DAYS, sum("protection", "count")),
        ("returning-visitors", "error", DAYS, sum("recency", "visitors")),
        ("searches", "error", DAYS, sum("searches", "count")),
        ("top-pages", "error", DAYS, sum("pages", "views")),
        ("traffic-by-day", "error", 1.0, sum("site", "views")),
        ("visit-length", "error", DAYS, sum("visits", "visits")),
        ("visitors-by-month", "error", DAYS, sum("site", "new_month")),
        ("bounce-rate", "bounce_error", 1.0, of_row("site", "bounces", "visits")),
        ("bounce-rate", "duration_error", 1.0, Of::Ratio(1.0, row("site", "duration_s"), row("site", "visits"))),
        ("bounce-rate", "engaged_error", 1.0, Of::Ratio(1.0, row("site", "engaged_s"), row("site", "visits"))),
        ("bounces-by-campaign", "bounce_error", DAYS, of_row("campaigns", "bounces", "visits")),
        ("bounces-by-channel", "error", DAYS, Of::Sum(parent("entries", "visits"))),
        (
            "bounces-by-channel",
            "bounce_error",
            DAYS,
            percent(parent("entries", "bounces"), parent("entries", "visits")),
        ),
        ("conversion-by-campaign", "error", DAYS, sum("campaigns", "goals")),
        ("conversion-by-campaign", "percent_error", DAYS, of_row("campaigns", "goals", "visits")),
        ("conversion-by-source", "error", DAYS, sum("entries", "goals")),
        ("conversion-by-source", "percent_error", DAYS, of_row("entries", "goals", "visits")),
        ("countries", "error", DAYS, Of::Sum(parent("places", "visitors"))),
        ("device-attributes", "error", DAYS, of_row("attributes", "visitors", "devices")),
        ("errors", "error", DAYS, sum("errors", "count")),
        ("exit-rate", "error", DAYS, of_row("pages", "last_pages", "views")),
        (
            "experiment",
            "margin",
            DAYS,
            Of::Difference(PERCENT, row("experiments", "converted"), row("experiments", "visits")),
        ),
        ("first-visits", "error", 1.0, of_row("site", "new_ever", "new_day")),
        ("goal-totals", "error", DAYS, sum("site", "goals")),
        ("goal-totals", "percent_error", DAYS, of_row("site", "goals", "visits")),
        ("landing-pages", "error", DAYS, sum("landings", "visits")),
        ("landing-pages", "bounce_error", DAYS, of_row("landings", "bounces", "visits")),
        ("languages", "error", DAYS, of_row("attributes", "visitors", "devices")),
        ("pages-per-visit", "error", DAYS, Of::Sum(parent("visits", "visits"))),
        ("read-time", "error", DAYS, Of::Ratio(1.0, row("pages", "engaged_s"), row("pages", "views"))),
        ("retention", "error", DAYS, of_row("retention", "visitors", "visitors")),
        ("sections", "error", DAYS, Of::Sum(parent("pages", "views"))),
        ("ways-in", "error", DAYS, sum("transitions", "visits")),
        ("weekday-hours", "error", 1.0, sum("hours", "visits")),
    ]
}

#[derive(Deserialize)]
struct Column {
    table: String,
    name: String,
    kind: String,
}

/// A row for each day in every stats table: texts are `x`, numbers those of [`of_a_day`].
async fn fill(stats: &Store) {
    let sql = "SELECT table, name, type AS kind FROM system.columns WHERE database = currentDatabase() ORDER BY table, position";
    let columns: Vec<Column> = stats.rows(sql, &[]).await.unwrap();
    let tables: BTreeSet<&str> = columns.iter().map(|column| column.table.as_str()).collect();
    for table in tables {
        let of_table: Vec<_> = columns.iter().filter(|column| column.table == table).collect();
        if !of_table.iter().any(|column| column.name == "window_start") {
            continue;
        }
        let value = |column: &&&Column| {
            let number = of_a_day(table, &column.name);
            match (column.name.as_str(), column.kind.as_str()) {
                ("site", _) => "'a.kz'".to_owned(),
                ("window_start", _) => format!("toDateTime('{FROM} 00:00:00') + toIntervalDay(number)"),
                ("window_end", _) => format!("toDateTime('{FROM} 00:00:00') + toIntervalDay(number + 1)"),
                ("day" | "carried_to", _) => format!("toDate('{FROM}') + number"),
                ("goals", _) => format!("map('g1', {number}, 'g2', {number})"),
                ("sigma", _) => SIGMA.to_string(),
                ("hour" | "cohort" | "pages", _) => "'0'".to_owned(),
                ("attribute", _) => "'languages'".to_owned(),
                ("variant", _) => "variants".to_owned(),
                ("goal", _) => "goals".to_owned(),
                (_, "String" | "LowCardinality(String)") => "'x'".to_owned(),
                (_, kind) if kind.contains("Int64") => number.to_string(),
                _ => "DEFAULT".to_owned(),
            }
        };
        let (names, values): (Vec<_>, Vec<_>) = of_table
            .iter()
            .map(|column| (column.name.as_str(), value(&column)))
            .filter(|(_, value)| value != "DEFAULT")
            .unzip();
        let variants = if table == "experiments" {
            " ARRAY JOIN ['a', 'b'] AS variants ARRAY JOIN ['g1', 'g2'] AS goals"
        } else {
            ""
        };
        let of = format!("SELECT {} FROM numbers({DAYS}){variants}", values.join(", "));
        stats.execute(&format!("INSERT INTO {table} ({}) {of}", names.join(", ")), &[]).await.unwrap();
    }
}

#[tokio::test]
async fn the_error_of_every_question_is_that_of_the_publishers_noise() {
    let (_engine, [_, stats]) = fresh().await;
    fill(&stats).await;
    let (widths, known) = (widths(), errors());
    let mut wrong = Vec::new();
    for entry in fs::read_dir("schema/queries").unwrap() {
        let path = entry.unwrap().path();
        let question = path.file_stem().unwrap().to_str().unwrap().to_owned();
        let parameters = [("site", "a.kz"), ("from", FROM), ("to", TO)].map(|(name, value)| (name, value.to_owned()));
        let rows: Vec<Value> = stats.rows(&fs::read_to_string(&path).unwrap(), &parameters).await.unwrap();
        let row = rows.last().unwrap_or_else(|| panic!("{question} has no row")).as_object().unwrap();
        for (column, shown) in row.iter().filter(|(column, _)| column.ends_with("error") || *column == "margin") {
            let Some(of) = known.iter().find(|of| of.0 == question && of.1 == column) else {
                wrong.push(format!("{question}.{column} is in no list of this test"));
                continue;
            };
            let (shown, right) = (shown.as_f64().unwrap_or(0.0), of.3.error(&widths, of.2));
            if (shown / right - 1.0).abs() > 0.015 {
                wrong.push(format!("{question}.{column} is {shown}, not {right:.1}"));
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[tokio::test]
async fn a_report_reckons_with_the_publishers_noise() {
    let (_engine, [_, stats]) = fresh().await;
    fill(&stats).await;
    let widths = widths();
    let parameters = [("site", "a.kz"), ("now", "2026-09-01,2026-09-02"), ("before", "2026-09-03")];
    let parameters = parameters.map(|(name, value)| (name, value.to_owned()));
    let rows: Vec<Value> = stats.rows(include_str!("../../src/report/numbers.sql"), &parameters).await.unwrap();
    let number = |row: &Value| match (row["kind"].as_str().unwrap(), row["name"].as_str().unwrap()) {
        ("total", "errors") => Number("errors", "count", All),
        ("total", "visitors") => Number("site", "new_day", Row),
        ("total", "views") => Number("site", "views", Row),
        ("total", "visits") => Number("site", "visits", Row),
        ("total", "bounces") => Number("site", "bounces", Row),
        ("goal", _) => Number("site", "goals", Row),
        ("source", _) => Number("entries", "visits", Row),
        ("campaign", _) => Number("campaigns", "visits", Row),
        ("page", _) => Number("pages", "views", Row),
        ("place", _) => Number("places", "visitors", Row),
        ("error", _) => Number("errors", "count", Parent),
        other => panic!("{other:?} is in no list of this test"),
    };
    for row in &rows {
        let right = SIGMA * number(row).wide(&widths);
        for (column, days) in [("now_noise", 2f64), ("before_noise", 1.0)] {
            let shown = row[column].as_f64().unwrap();
            assert!((shown / (right * days.sqrt()) - 1.0).abs() < 1e-3, "{column}: {row}, not {right} a day");
        }
    }
    let kinds: BTreeSet<_> = rows.iter().map(|row| row["kind"].as_str().unwrap()).collect();
    assert_eq!(kinds.len(), 7, "{kinds:?}");
}

/// Numbers as comments write them.
fn times(wide: &Value) -> String {
    match wide.as_u64().unwrap() {
        1 => "as wide as sigma".to_owned(),
        2 => "twice as wide as sigma".to_owned(),
        wide => {
            let words = ["three", "four", "five", "six", "seven", "eight", "nine", "ten"];
            let word = words.get(wide as usize - 3).map_or(wide.to_string(), |word| (*word).to_owned());
            format!("{word} times as wide as sigma")
        }
    }
}

#[test]
fn the_comment_of_every_number_says_how_wide_its_noise_is() {
    let text = fs::read_to_string("schema/structure.sql").unwrap();
    let (_, stats) = text.split_once("CREATE TABLE tamga_stats.").expect("tables of the stats store");
    let (widths, column) = (widths(), Regex::new(r"^ +`(\w+)` [^']*Int64[^']*COMMENT '(.*)',?$").unwrap());
    let stated = Regex::new(r"noise ((?:\w+ times |twice )?as wide as sigma)").unwrap();
    let mut checked = 0;
    for statement in stats.split("CREATE TABLE tamga_stats.") {
        let table = statement.split_whitespace().next().unwrap();
        for line in statement.lines() {
            let Some(found) = column.captures(line) else { continue };
            let (name, comment) = (&found[1], &found[2]);
            let of = widths.get(table).and_then(|columns| columns.get(name));
            let of = of.unwrap_or_else(|| panic!("{table}.{name} is not in schema/noise.json"));
            let first = of.row.as_array().map_or(&of.row, |list| &list[0]);
            let said = stated.captures(comment).map_or_else(|| times(&Value::from(1)), |stated| stated[1].to_owned());
            // Not said of each: the noise of what is a sum, or of a day, is that of another column.
            let is_of_another =
                ["`visitors`", "The same for"].iter().any(|of| comment.contains(of)) || name == "devices";
            assert!(is_of_another || said == times(first), "{table}.{name}: {comment}");
            checked += 1;
        }
    }
    assert!(checked > 50, "{checked} columns");
    let funnel = &widths["funnels"]["visits"].row;
    assert!(funnel[4] == 4 && funnel[3] == 2 && stats.contains("from the fifth step on four times"), "{funnel}");
    let converted = &widths["experiments"]["converted"].row;
    assert_eq!(converted.to_string(), "[1,2,2,2,3,3,3,3]", "the comment of experiments.converted says so");
    assert_eq!(widths["pages"]["views"].parent, Some(4.into()), "the comment of pages.path says so");
}

/// A list of all widths, for those who read numbers.
#[test]
fn analysts_read_how_wide_the_noise_of_each_number_is() {
    let mut lines: BTreeMap<(usize, String), [Vec<String>; 2]> = BTreeMap::new();
    for (table, columns) in widths() {
        for (column, of) in columns {
            for (at, wide) in [Some(of.row), of.parent].into_iter().enumerate() {
                let Some(wide) = wide else { continue };
                let (rank, text) = match wide.as_array() {
                    None if wide == 1 => (1, "σ".to_owned()),
                    None => (wide.as_u64().unwrap() as usize, format!("{wide} σ")),
                    Some(list) => {
                        let by =
                            if table == "funnels" { "by the number of the step" } else { "by the number of goals" };
                        let list: Vec<_> = list.iter().map(Value::to_string).collect();
                        (usize::MAX, format!("{} σ, {by}", list.join(", ")))
                    }
                };
                lines.entry((rank, text)).or_default()[at].push(format!("{table} {column}"));
            }
        }
    }
    let mut table = "| noise | numbers of a row | numbers of what has rows beneath it |\n|---|---|---|\n".to_owned();
    for ((_, text), [rows, parents]) in lines {
        writeln!(table, "| {text} | {} | {} |", rows.join(", "), parents.join(", ")).unwrap();
    }
    let text = fs::read_to_string("docs/analysts.md").unwrap();
    let begin = "<!-- written: noise -->\n";
    let (before, rest) = text.split_once(begin).expect("the list begins");
    let (_, after) = rest.split_once("<!-- end -->").expect("the list ends");
    expect_test::expect_file!["../../docs/analysts.md"]
        .assert_eq(&format!("{before}{begin}\n{table}\n<!-- end -->{after}"));
}

//! What is held of a browser, for its visitor: as a table that a person reads, and as JSON.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use serde_json::{Map, Value, json};

use super::page::WRITES;
use super::texts::Words;
use crate::html::escaped;
use crate::store::{Held, NotNow, OwnRow};

/// An answer for programs: every row with its table.
pub(super) fn json(site: &str, held: &Held) -> Value {
    let row = |row: &OwnRow| {
        let mut values = Map::from_iter([("table".to_owned(), json!(row.table))]);
        values.extend(row.values.clone());
        values
    };
    json!({ "site": site, "complete": held.complete, "rows": held.rows.iter().map(row).collect::<Vec<_>>() })
}

/// The same for a person: equal rows are one line, with their number.
pub(super) fn section(words: &Words, site: &str, held: Result<&Held, &NotNow>) -> String {
    let of = &words.held;
    let paragraph = |text: &str| format!("<p>{}</p>\n", escaped(text));
    let body = match held {
        Err(NotNow) => paragraph(&of.not_now),
        Ok(held) => {
            let address = format!("/v1/privacy/me?site={}", escaped(site));
            let rows = if held.rows.is_empty() { paragraph(&of.none) } else { table(words, &held.rows) };
            let more = if held.complete { String::new() } else { paragraph(&of.more) };
            format!("{}{rows}{more}<p><a href=\"{address}\">{}</a></p>\n", paragraph(&of.intro), escaped(&of.json))
        }
    };
    format!("<section id=\"held\"><h2>{}</h2>\n{body}</section>\n", escaped(&of.heading))
}

fn table(words: &Words, rows: &[OwnRow]) -> String {
    let of = &words.held;
    let mut lines: BTreeMap<(&str, String), usize> = BTreeMap::new();
    for row in rows {
        *lines.entry((label(words, row), value(row))).or_default() += 1;
    }
    let [what, said, count] = [&of.what, &of.value, &of.count].map(|text| escaped(text));
    let mut table = format!(
        "<table><thead><tr><th scope=\"col\">{what}</th><th scope=\"col\">{said}</th><th scope=\"col\">{count}</th></tr></thead>\n<tbody>\n"
    );
    for ((label, value), count) in lines {
        writeln!(table, "<tr><td>{}</td><td>{}</td><td>{count}</td></tr>", escaped(label), escaped(&value))
            .expect(WRITES);
    }
    table + "</tbody></table>\n"
}

fn text<'a>(row: &'a OwnRow, column: &str) -> &'a str {
    row.values.get(column).and_then(Value::as_str).unwrap_or_default()
}

/// What a row is about.
fn label<'a>(words: &'a Words, row: &OwnRow) -> &'a str {
    let of = &words.held;
    let item = |key: &str| words.item.get(key).map_or(of.here.as_str(), |item| item.name.as_str());
    match (row.table, text(row, "type"), text(row, "attribute")) {
        ("events", "view", _) => item("pages"),
        ("events", "engage", _) => item("duration"),
        ("events", "exit", _) => item("exit"),
        ("events", "event", _) => item("events"),
        ("errors", ..) => item("errors"),
        ("signals", ..) => item(text(row, "signal")),
        ("attributes", _, "place") => item("country"),
        ("attributes", _, "client") => item("browser"),
        ("attributes", _, "device") => &of.device,
        ("attributes", _, "hour") => &of.hour,
        ("attributes", _, pair) if pair.starts_with("pair ") => &of.pair,
        ("attributes", _, key) => item(key),
        _ => &of.here,
    }
}

/// What a row says.
fn value(row: &OwnRow) -> String {
    const SAID: [&str; 14] = [
        "path",
        "previous_path",
        "exit_domain",
        "name",
        "variant",
        "entry_channel",
        "entry_source",
        "entry_medium",
        "entry_campaign",
        "value",
        "detail",
        "state",
        "template",
        "browser",
    ];
    let said = SAID.iter().map(|column| text(row, column)).filter(|said| !said.is_empty()).map(str::to_owned);
    let engaged = row.values.get("engaged_s").and_then(Value::as_u64).filter(|engaged| *engaged > 0);
    let said: Vec<String> = said.chain(engaged.map(|engaged| format!("{engaged} s"))).collect();
    if said.is_empty() { "–".to_owned() } else { said.join(" · ") }
}

#[cfg(test)]
mod tests {
    use super::super::texts::Language;
    use super::*;

    fn row(table: &'static str, values: Value) -> OwnRow {
        OwnRow { table, values: values.as_object().unwrap().clone() }
    }

    #[test]
    fn equal_rows_are_one_line_and_no_value_is_markup() {
        let search = || row("attributes", json!({ "attribute": "search", "value": "<b>чай</b>" }));
        let rows = vec![search(), row("events", json!({ "type": "view", "path": "/tariffs" })), search()];
        let held = Held { rows, complete: true };
        let words = Words::of(Language::English);
        let html = section(words, "jetpay.kz", Ok(&held));
        assert!(html.contains("<td>Searches on the site</td><td>&lt;b&gt;чай&lt;/b&gt;</td><td>2</td>"), "{html}");
        assert!(html.contains("<td>/tariffs</td><td>1</td>") && !html.contains(&escaped(&words.held.more)));
        assert!(
            section(words, "jetpay.kz", Ok(&Held { complete: false, ..held })).contains(&escaped(&words.held.more))
        );
        assert!(section(words, "jetpay.kz", Ok(&Held::default())).contains(&escaped(&words.held.none)));
        assert!(section(words, "jetpay.kz", Err(&NotNow)).contains(&escaped(&words.held.not_now)));
    }
}

//! Checks that what is published is published once, also rows that something else wrote into the stats store.
//!
//! A row that carries a name (`carried_to` is not `day`) is of one ISO week or of one month, which begins and ends with windows of the
//! ledger, and a cell has one for each. All other rows are of windows of the ledger, which do not overlap.

use serde::Deserialize;

use super::catalog::{self, Table};
use super::findings::Findings;
use super::subject::Target;
use crate::store::{STATS, StoreError};

/// Tables of the stats store without counts.
const NO_COUNTS: [&str; 2] = ["publications", "schema_migrations"];

/// What a row is of: its window, or whether a carried row is of a week.
const PERIOD: &str = "if(carried_to = day, toUInt32(window_start), toUInt32(toMonday(day) = toMonday(carried_to)))";
/// Carried rows that are neither of a week nor of a month of windows of the ledger.
const ASTRAY: &str = "(SELECT count() FROM `{name}` AS t LEFT JOIN (SELECT site, max(window_end) AS until FROM publications GROUP BY site) AS l \
     ON t.site = l.site WHERE carried_to != day AND window_end <= until AND NOT (carried_to > day \
     AND toStartOfMonth(day) = toStartOfMonth(carried_to) AND (carried_to = toLastDayOfMonth(carried_to) \
     OR toDayOfWeek(carried_to) = 7 AND toMonday(day) = toMonday(carried_to)) \
     AND (t.site, window_start) IN (SELECT site, window_start FROM publications) \
     AND (t.site, window_end) IN (SELECT site, window_end FROM publications)))";

#[derive(Deserialize)]
struct Count {
    twice: u64,
    astray: u64,
}

pub(super) async fn examine(target: &Target, findings: &mut Findings) {
    for (name, table) in catalog::tables(STATS) {
        if NO_COUNTS.contains(&name.as_str()) {
            continue;
        }
        match count(target, name, table).await {
            Ok(count) => {
                let evidence = |count: u64, what: &str| (count > 0).then(|| format!("{STATS}.{name}: {count} {what}"));
                findings.add("cells-once", evidence(count.twice, "cells that are there twice"));
                findings.add("cells-windows", evidence(count.astray, "rows of a window within another"));
            }
            Err(error) => {
                ["cells-once", "cells-windows"].iter().for_each(|rule| findings.unknown(rule, error.message.clone()))
            }
        }
    }
}

/// Rows that are just being published are not in the ledger yet, so windows are compared with those in the ledger.
async fn count(target: &Target, name: &str, table: &Table) -> Result<Count, StoreError> {
    let is_carried = table.key.iter().any(|column| column == "carried_to");
    let (of, own, astray) =
        if is_carried { (PERIOD, "carried_to = day", ASTRAY) } else { ("window_start", "true", "0") };
    let key = table.key.iter().filter(|column| *column != "window_start").map(|column| format!("`{column}`"));
    let key: Vec<_> = key.chain([of.to_owned()]).collect();
    let sql = format!(
        "SELECT (SELECT count() FROM (SELECT 1 FROM `{name}` GROUP BY {key} HAVING count() > 1)) AS twice, \
         (SELECT count() FROM (SELECT DISTINCT site, window_start AS s, window_end AS e FROM `{name}` WHERE {own}) AS t \
          INNER JOIN (SELECT DISTINCT site, window_start, window_end FROM publications) AS p ON t.site = p.site \
          WHERE s < p.window_end AND e > p.window_start AND (s, e) != (p.window_start, p.window_end)) + {astray} AS astray",
        key = key.join(", "),
        astray = astray.replace("{name}", name),
    );
    let rows: Vec<Count> = target.store.rows(&sql, &[]).await?;
    rows.into_iter().next().ok_or_else(|| StoreError {
        class: crate::store::Class::NeedsOperator,
        code: None,
        name: "answer",
        message: format!("{}: the query for counts returned no row", target.store.place()),
    })
}

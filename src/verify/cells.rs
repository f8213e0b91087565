//! Checks that what is published is published once, also rows that something else wrote into the stats store.

use serde::Deserialize;

use super::catalog;
use super::findings::Findings;
use super::subject::Target;
use crate::store::{STATS, StoreError};

/// Tables of the stats store without counts.
const NO_COUNTS: [&str; 2] = ["publications", "schema_migrations"];

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
        match count(target, name, &table.key).await {
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
async fn count(target: &Target, table: &str, key: &[String]) -> Result<Count, StoreError> {
    let key: Vec<_> = key.iter().map(|column| format!("`{column}`")).collect();
    let sql = format!(
        "SELECT (SELECT count() FROM (SELECT 1 FROM `{table}` GROUP BY {key} HAVING count() > 1)) AS twice, \
         (SELECT count() FROM (SELECT DISTINCT site, window_start AS s, window_end AS e FROM `{table}`) AS t \
          INNER JOIN (SELECT DISTINCT site, window_start, window_end FROM publications) AS p ON t.site = p.site \
          WHERE s < p.window_end AND e > p.window_start AND (s, e) != (p.window_start, p.window_end)) AS astray",
        key = key.join(", "),
    );
    let rows: Vec<Count> = target.store.rows(&sql, &[]).await?;
    rows.into_iter().next().ok_or_else(|| StoreError {
        class: crate::store::Class::NeedsOperator,
        code: None,
        name: "answer",
        message: format!("{}: the query for counts returned no row", target.store.place()),
    })
}

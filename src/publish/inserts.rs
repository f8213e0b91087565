//! What is written to the stats store: each insert is made once, whatever was killed before.
//!
//! One insert is stored completely or not at all, so it is there if the store has a row of it. One statement asks this of all inserts of a
//! window, before and after they are made, and one of the last: a statement costs an engine more than what it reads here.

use serde::Deserialize;
use serde_json::Value;

use super::error::PublishError;
use super::model::Row;
use super::publisher::Publisher;
use super::tables::{Tables, ask};

/// How often inserts are repeated at once if the store confirmed them but has no row.
const ATTEMPTS: u32 = 4;

/// Begins the statement that asks which inserts are there.
pub(super) const THERE: &str = "-- Which inserts are there?\n";
/// What says of which insert of a table a row is: its site, its window or longer period, and, where rows come one by one, its hour. `#` is
/// the number of the insert.
const OF_INSERT: [(&str, &str); 4] = [
    ("site", "site = {site#:String}"),
    ("window_start", "window_start = toDateTime({window_start#:UInt32}, 'UTC')"),
    ("window_end", "window_end = toDateTime({window_end#:UInt32}, 'UTC')"),
    ("hour", "hour = {hour#:String}"),
];

/// A table, and rows of one insert.
type Insert<'a> = (&'a str, &'a [Row]);

#[derive(Deserialize)]
struct There {
    number: usize,
}

/// The values by which the rows of an insert are known, by column.
fn key<'a>(rows: &'a [Row]) -> impl Iterator<Item = (&'static str, &'static str, String)> + 'a {
    let text = |value: &Value| value.as_str().map_or_else(|| value.to_string(), str::to_owned);
    OF_INSERT.iter().filter_map(move |(column, is)| Some((*column, *is, text(rows.first()?.get(*column)?))))
}

impl<V: Tables, S: Tables> Publisher<V, S> {
    /// Makes the inserts that are not there yet, in their order. When all are there, `ready` is done, and then the last insert is made. After
    /// a crash the engine may remember a deduplication token although the rows are lost, so each try has its own token.
    pub(super) async fn insert_once(
        &self,
        inserts: &[Insert<'_>],
        last: Insert<'_>,
        ready: impl FnOnce() -> Result<(), PublishError>,
    ) -> Result<(), PublishError> {
        let (mut ready, mut asked) = (Some(ready), [inserts, &[last]].concat());
        for attempt in 0..=ATTEMPTS {
            let mut missing = self.missing(&asked).await?;
            let is_last = |of: &Insert<'_>| of.0 == last.0;
            if !missing.iter().all(is_last) {
                missing.retain(|of| !is_last(of));
            } else if let Some(ready) = ready.take() {
                ready()?;
                asked = vec![last];
            }
            let Some((first, _)) = missing.first() else { return Ok(()) };
            if attempt == ATTEMPTS {
                return Err(PublishError::NotKept { table: (*first).to_owned() });
            }
            for (table, rows) in missing {
                let columns: Vec<&str> = rows.iter().take(1).flat_map(|row| row.keys().map(String::as_str)).collect();
                let of_insert: Vec<_> = key(rows).map(|(.., value)| value).collect();
                let token = format!("{table}-{}-{attempt}", of_insert.join("-"));
                self.stats
                    .insert_json(table, &columns, rows, Some(&token))
                    .await
                    .map_err(|source| PublishError::store("writing published rows", source))?;
            }
        }
        Ok(())
    }

    /// Those inserts that have rows, of which none is there.
    async fn missing<'a>(&self, inserts: &[Insert<'a>]) -> Result<Vec<Insert<'a>>, PublishError> {
        let inserts: Vec<_> = inserts.iter().copied().filter(|(_, rows)| !rows.is_empty()).collect();
        let (mut parameters, mut asked) = (Vec::new(), Vec::new());
        for (number, (table, rows)) in inserts.iter().enumerate() {
            parameters.push((format!("table{number}"), (*table).to_owned()));
            let mut conditions = Vec::new();
            for (column, is, value) in key(rows) {
                parameters.push((format!("{column}{number}"), value));
                conditions.push(is.replace('#', &number.to_string()));
            }
            let conditions = conditions.join(" AND ");
            asked.push(format!(
                "SELECT toUInt32({number}) AS number FROM {{table{number}:Identifier}} WHERE {conditions} LIMIT 1"
            ));
        }
        if asked.is_empty() {
            return Ok(Vec::new());
        }
        let parameters: Vec<_> = parameters.iter().map(|(name, value)| (name.as_str(), value.clone())).collect();
        let sql = format!("{THERE}{}", asked.join(" UNION ALL "));
        let there: Vec<There> = ask(&self.stats, "looking for published rows", &sql, &parameters).await?;
        let is_there = |number: usize| there.iter().any(|of| of.number == number);
        Ok(inserts.into_iter().enumerate().filter(|(number, _)| !is_there(*number)).map(|(_, insert)| insert).collect())
    }
}

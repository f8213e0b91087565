//! What is written to the stats store: the rows of each site, window and table once, whatever was killed before.
//!
//! What costs an engine is a statement, and not its rows: rows of several sites are inserted together, and one statement asks which of all
//! these are there, before the inserts and after them. The rows of a site and window in a table are stored completely or not at all, so
//! they are there if the store has one of them.

use std::collections::{BTreeMap, BTreeSet};

use serde::Deserialize;
use serde_json::Value;

use super::error::PublishError;
use super::model::Row;
use super::publisher::Publisher;
use super::tables::{Tables, ask};

/// How often inserts are repeated at once if the store confirmed them but has no row.
const ATTEMPTS: u32 = 4;

/// Begins the statement that asks which rows are there.
pub(super) const THERE: &str = "-- Which rows are there?\n";
/// The question of one table. `#` is its number. Rows of `hours` come one by one.
const THERE_IN: &str = "SELECT toUInt32(#) AS number, toString(site) AS domain, toUnixTimestamp(window_start) AS start, \
     toUnixTimestamp(window_end) AS end, {hour} AS of_hour FROM {table#:Identifier} WHERE site IN splitByChar(',', {sites:String}) \
     AND window_start BETWEEN toDateTime({from#:UInt32}, 'UTC') AND toDateTime({until#:UInt32}, 'UTC') \
     GROUP BY domain, start, end, of_hour";

/// The rows of a site and window in a table.
#[derive(Clone, Copy)]
pub(super) struct Insert<'a> {
    pub(super) table: &'a str,
    pub(super) rows: &'a [Row],
    /// Which of the windows that are written together it is of.
    pub(super) of: usize,
}

/// Windows with rows that the store will never take, and why.
pub(super) type Refused = BTreeMap<usize, PublishError>;

/// By what the rows of an insert are known.
#[derive(PartialEq, Eq, PartialOrd, Ord, Deserialize)]
struct Key {
    /// Of the table.
    number: usize,
    domain: String,
    start: i64,
    end: i64,
    /// Empty in tables whose rows come together.
    of_hour: String,
}

impl<'a> Insert<'a> {
    fn text(&self, column: &str) -> &'a str {
        self.rows.first().and_then(|row| row.get(column)).and_then(Value::as_str).unwrap_or_default()
    }

    fn number(&self, column: &str) -> i64 {
        self.rows.first().and_then(|row| row.get(column)).and_then(Value::as_i64).unwrap_or_default()
    }

    fn key(&self, number: usize) -> Key {
        let [domain, of_hour] = ["site", "hour"].map(|column| self.text(column).to_owned());
        let [start, end] = ["window_start", "window_end"].map(|column| self.number(column));
        Key { number, domain, start, end, of_hour }
    }

    fn columns(&self) -> Vec<&'a str> {
        self.rows.iter().take(1).flat_map(|row| row.keys().map(String::as_str)).collect()
    }

    /// The token of the insert that begins with it: of all that are written together under a name, or of its rows alone.
    fn token(&self, name: Option<&str>, attempt: u32) -> String {
        let Key { domain, start, end, of_hour, .. } = self.key(0);
        let columns = blake3::hash(self.columns().join(",").as_bytes()).to_hex();
        let of = name.map_or(format!("{domain}-{start}-{end}-{of_hour}"), |name| format!("{name}-{}", &columns[..8]));
        format!("{}-{of}-{attempt}", self.table)
    }
}

/// Those that are one insert: of one table, with the same columns; or each by itself.
fn together<'a>(inserts: &[Insert<'a>], is_joint: bool) -> Vec<Vec<Insert<'a>>> {
    let mut all: Vec<Vec<Insert<'a>>> = Vec::new();
    for insert in inserts {
        let fits = |of: &Insert<'_>| is_joint && of.table == insert.table && of.columns() == insert.columns();
        match all.iter_mut().find(|known| fits(&known[0])) {
            Some(known) => known.push(*insert),
            None => all.push(vec![*insert]),
        }
    }
    all
}

impl<V: Tables, S: Tables> Publisher<V, S> {
    /// Makes the inserts that are not there yet, those of a table together; without a name for what is written together, each by itself.
    /// If the store refuses rows, each is tried by itself too, and the windows of those that it refuses then are returned.
    ///
    /// An insert that was not confirmed may still be on its way. So it has the same token when it is tried again: a store takes one of
    /// both. After a crash a store may remember a token although the rows are lost, so what it confirmed and lacks has another.
    pub(super) async fn insert_once(
        &self,
        name: Option<&str>,
        inserts: &[Insert<'_>],
    ) -> Result<Refused, PublishError> {
        let (mut name, mut refused) = (name, Refused::new());
        for attempt in 0..=ATTEMPTS {
            let wanted = inserts.iter().filter(|of| !of.rows.is_empty() && !refused.contains_key(&of.of));
            let missing = self.missing(&wanted.copied().collect::<Vec<_>>()).await?;
            let Some(first) = missing.first() else { break };
            if attempt == ATTEMPTS {
                return Err(PublishError::NotKept { table: first.table.to_owned() });
            }
            let joint = name;
            for group in together(&missing, joint.is_some()) {
                let rows: Vec<&Row> = group.iter().flat_map(|insert| insert.rows).collect();
                let token = group[0].token(joint, attempt);
                let done = self.stats.insert_json(group[0].table, &group[0].columns(), &rows, Some(&token)).await;
                let Err(source) = done else { continue };
                let (is_refused, error) = (S::refuses(&source), PublishError::store("writing published rows", source));
                match joint {
                    _ if !is_refused => return Err(error),
                    Some(_) => name = None,
                    None => _ = refused.insert(group[0].of, error),
                }
            }
        }
        Ok(refused)
    }

    /// Those inserts of which no row is there.
    async fn missing<'a>(&self, inserts: &[Insert<'a>]) -> Result<Vec<Insert<'a>>, PublishError> {
        let tables: BTreeSet<_> = inserts.iter().map(|insert| insert.table).collect();
        let tables: Vec<_> = tables.into_iter().collect();
        if tables.is_empty() {
            return Ok(Vec::new());
        }
        // A name of a host has no comma.
        let sites: BTreeSet<_> = inserts.iter().map(|insert| insert.text("site")).collect();
        let mut parameters = vec![("sites".to_owned(), sites.into_iter().collect::<Vec<_>>().join(","))];
        let mut questions = Vec::new();
        for (number, table) in tables.iter().enumerate() {
            let of_table = || inserts.iter().filter(|insert| insert.table == *table);
            let starts = || of_table().map(|insert| insert.number("window_start"));
            let [from, until] = [starts().min(), starts().max()].map(Option::unwrap_or_default);
            parameters
                .extend([(format!("from{number}"), from.to_string()), (format!("until{number}"), until.to_string())]);
            parameters.push((format!("table{number}"), (*table).to_owned()));
            let hour = if of_table().any(|insert| !insert.text("hour").is_empty()) { "toString(hour)" } else { "''" };
            questions.push(THERE_IN.replace("{hour}", hour).replace('#', &number.to_string()));
        }
        let parameters: Vec<_> = parameters.iter().map(|(name, value)| (name.as_str(), value.clone())).collect();
        let sql = format!("{THERE}{}", questions.join(" UNION ALL "));
        let there: Vec<Key> = ask(&self.stats, "looking for published rows", &sql, &parameters).await?;
        let there: BTreeSet<_> = there.into_iter().collect();
        let number = |table: &str| tables.iter().position(|of| *of == table).unwrap_or_default();
        let is_missing = |insert: &&Insert<'_>| !there.contains(&insert.key(number(insert.table)));
        Ok(inserts.iter().filter(is_missing).copied().collect())
    }
}

//! Stores in memory for the publisher's tests: they answer the publisher's queries, and can fail at any call as after a kill.
//! Rows can arrive at any call.

use std::collections::BTreeMap;
use std::hash::{DefaultHasher, Hash as _, Hasher as _};
use std::sync::{Arc, Mutex};

use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::{Value, json};

use super::super::hours::{REPORTED, WRITTEN};
use super::super::inserts::THERE;
use super::super::leases::LEASES;
use super::super::publisher::LEDGER_END;
use super::super::retention::{AGED, PARTITIONS, PUBLISHED, SITES_OF_DAY};
use super::super::seeds::{DELETE_SEEDS, SEED, SEEDS_UNTIL};
use super::super::{Tables, queries, window_reader};

/// Both stores; clones share their state.
#[derive(Clone, Default)]
pub(super) struct MemoryStore(Arc<Mutex<State>>);

#[derive(Default)]
pub(super) struct State {
    pub(super) tables: BTreeMap<String, Vec<Value>>,
    /// Fixed answers to queries of the vault's rows. An answer under the query's name and the window's start is of that window
    /// alone.
    pub(super) answers: BTreeMap<String, Vec<Value>>,
    /// The inserts and statements so far.
    pub(super) done: Vec<String>,
    /// How many calls succeed before one fails, and whether the failing call takes effect.
    pub(super) fails_after: Option<(u32, bool)>,
    /// Whether all requests to the vault fail.
    pub(super) vault_is_away: bool,
    /// What happens at each call, before it.
    pub(super) meanwhile: Option<Meanwhile>,
}

/// Something that changes the stores.
pub(super) type Meanwhile = Box<dyn FnMut(&mut State) + Send>;

/// The only queries of the stats store.
const OF_STATS: [&str; 4] = [LEDGER_END, THERE, WRITTEN, PUBLISHED];

#[derive(Debug, thiserror::Error)]
#[error("killed")]
pub(super) struct Killed;

impl MemoryStore {
    pub(super) fn state(&self) -> std::sync::MutexGuard<'_, State> {
        self.0.lock().expect("no test panics while it holds the state")
    }

    /// Runs a call, or fails before or after it.
    fn call<R>(&self, act: impl FnOnce(&mut State) -> R) -> Result<R, Killed> {
        let mut state = self.state();
        match state.fails_after.as_mut() {
            Some((0, false)) => return Err(Killed),
            Some((0, true)) => {
                act(&mut state);
                return Err(Killed);
            }
            Some((calls, _)) => *calls -= 1,
            None => {}
        }
        if let Some(mut meanwhile) = state.meanwhile.take() {
            meanwhile(&mut state);
            state.meanwhile = Some(meanwhile);
        }
        Ok(act(&mut state))
    }
}

fn param(params: &[(&str, String)], name: &str) -> String {
    params.iter().find(|(key, _)| *key == name).map(|(_, value)| value.clone()).expect("the query has this parameter")
}

fn column(row: &Value, name: &str) -> i64 {
    row[name].as_i64().expect("an integer")
}

impl State {
    fn of_window<'a>(&'a self, table: &str, params: &[(&str, String)]) -> Vec<&'a Value> {
        let (site, start) = (param(params, "site"), param(params, "start").parse::<i64>().expect("a number"));
        let fits = |row: &&Value| row["site"] == site && column(row, "window_start") == start;
        self.tables.get(table).map_or(Vec::new(), |rows| rows.iter().filter(fits).collect())
    }

    fn answer(&self, sql: &str, params: &[(&str, String)]) -> Vec<Value> {
        match sql {
            LEDGER_END => {
                let rows = self.tables.get("publications").into_iter().flatten();
                let ends = rows.filter(|row| row["site"] == param(params, "site")).map(|row| column(row, "window_end"));
                let ends: Vec<_> = ends.collect();
                vec![json!({ "end": ends.iter().max().unwrap_or(&0), "count": ends.len() })]
            }
            WRITTEN => {
                let rows = self.of_window("hours", params).into_iter();
                rows.filter(|row| row["hour"] == param(params, "hour")).cloned().collect()
            }
            SEED => self.of_window("seeds", params).into_iter().take(1).cloned().collect(),
            SEEDS_UNTIL => {
                let until: i64 = param(params, "start").parse().expect("a number");
                let fits = |row: &&Value| row["site"] == param(params, "site") && column(row, "window_start") <= until;
                vec![json!({ "count": self.tables.get("seeds").into_iter().flatten().filter(fits).count() })]
            }
            PUBLISHED => {
                let row =
                    |row: &Value| json!({ "site": row["site"], "end": row["window_end"], "at": row["published_at"] });
                self.tables.get("publications").map_or(Vec::new(), |rows| rows.iter().map(row).collect())
            }
            // The answer is of one hour alone.
            REPORTED => self.canned(&format!("reported {}", param(params, "end"))),
            LEASES
            | PARTITIONS
            | AGED
            | SITES_OF_DAY
            | queries::EARLIEST
            | queries::EVENTS_BY_WINDOW
            | queries::TALLIES => self.canned(sql),
            _ if sql.starts_with(THERE) => {
                let all = (0..).map_while(|number| self.there(number, params));
                all.filter(|of| of["count"] != 0).collect()
            }
            _ if *sql == *queries::TOTAL => self.of_rows("site", params),
            _ if sql.starts_with("-- The cells of every table") => self.of_rows("cells", params),
            _ if sql == window_reader::fingerprint_query() => self.fingerprint(params),
            _ if queries::CANDIDATES.iter().any(|(_, query)| sql == query) => Vec::new(),
            _ if sql.starts_with("-- The cells of all tables") => {
                ["places", "of hours"].map(|name| self.of_rows(name, params)).concat()
            }
            _ => panic!("not a query of the publisher: {sql}"),
        }
    }

    /// How many rows there are of an insert that is asked for; `None` behind the last one.
    fn there(&self, number: usize, params: &[(&str, String)]) -> Option<Value> {
        let of_insert = |(name, value): &(&str, String)| {
            let column = name.trim_end_matches(|digit: char| digit.is_ascii_digit());
            (name[column.len()..] == number.to_string()).then(|| (column.to_owned(), value.clone()))
        };
        let mut key: BTreeMap<_, _> = params.iter().filter_map(of_insert).collect();
        let table = key.remove("table")?;
        let text = |value: &Value| value.as_str().map_or_else(|| value.to_string(), str::to_owned);
        let is_of_insert = |row: &&Value| key.iter().all(|(column, value)| text(&row[column]) == *value);
        let count = self.tables.get(&table).into_iter().flatten().filter(is_of_insert).count();
        Some(json!({ "number": number, "count": count }))
    }

    fn of_rows(&self, name: &str, params: &[(&str, String)]) -> Vec<Value> {
        // All visitors are in the first slice.
        if params.iter().any(|(name, value)| *name == "from" && value.contains(|digit| digit != '0')) {
            return Vec::new();
        }
        let of_window = self.answers.get(&format!("{name} {}", param(params, "start")));
        of_window.cloned().unwrap_or_else(|| self.canned(name))
    }

    /// A hash of everything that can be counted of a window and its day.
    fn fingerprint(&self, params: &[(&str, String)]) -> Vec<Value> {
        let end = param(params, "end").parse::<i64>().expect("a number");
        let mut windows = self.canned(queries::EVENTS_BY_WINDOW);
        windows.retain(|row| column(row, "end") <= end);
        let counted = ["site", "cells", "places"].map(|name| self.of_rows(name, params));
        let rows = [json!(counted), json!(self.canned(queries::TALLIES)), json!(windows)];
        let mut hash = DefaultHasher::new();
        json!(rows).to_string().hash(&mut hash);
        let kinds = [("events", ""), ("attributes", "place"), ("attributes", "hour")];
        let of_kind = |(of, kind)| json!({ "of": of, "kind": kind, "rows": 1, "here": 1, "batches": hash.finish() });
        kinds.map(of_kind).into()
    }

    fn canned(&self, name: &str) -> Vec<Value> {
        self.answers.get(name).cloned().unwrap_or_default()
    }
}

impl Tables for MemoryStore {
    type Error = Killed;

    async fn rows<T: DeserializeOwned + Send>(&self, sql: &str, params: &[(&str, String)]) -> Result<Vec<T>, Killed> {
        if self.state().vault_is_away && !OF_STATS.iter().any(|of_stats| sql.starts_with(of_stats)) {
            return Err(Killed);
        }
        let rows = self.call(|state| state.answer(sql, params))?;
        Ok(rows.into_iter().map(|row| serde_json::from_value(row).expect("the answer's shape")).collect())
    }

    async fn execute(&self, sql: &str, params: &[(&str, String)]) -> Result<(), Killed> {
        self.call(|state| {
            if sql == DELETE_SEEDS {
                let lists = ["sites", "starts"].map(|name| param(params, name).replace(['[', ']'], ""));
                let pairs = || lists[0].split(',').zip(lists[1].split(','));
                let is_deleted = |row: &Value| {
                    pairs().any(|(site, start)| {
                        row["site"] == site && column(row, "window_start") <= start.parse().expect("a number")
                    })
                };
                let seeds = state.tables.remove("seeds").unwrap_or_default();
                let left: Vec<_> = seeds.into_iter().filter(|row| !is_deleted(row)).collect();
                state.tables.extend((!left.is_empty()).then(|| ("seeds".to_owned(), left)));
            }
            state.done.push(sql.to_owned());
        })
    }

    async fn insert_json<T: Serialize + Sync>(
        &self,
        table: &str,
        columns: &[&str],
        rows: &[T],
        _: Option<&str>,
    ) -> Result<(), Killed> {
        let rows: Vec<Value> = rows.iter().map(|row| serde_json::to_value(row).expect("JSON")).collect();
        let fits = |row: &Value| row.as_object().is_some_and(|row| row.len() == columns.len());
        assert!(rows.iter().all(fits), "every row has every column");
        self.call(|state| {
            state.done.push(format!("insert {table}"));
            state.tables.entry(table.to_owned()).or_default().extend(rows);
        })
    }
}

//! Stores in memory for the publisher's tests: they answer the publisher's queries, and can fail at any call as after a kill.
//! Rows can arrive at any call.

use std::collections::{BTreeMap, BTreeSet};
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
    /// After how many calls an insert is made that was not confirmed and takes effect. 0: at once.
    pub(super) delay: u32,
    pub(super) on_the_way: Vec<OnTheWay>,
    /// The tokens of all inserts. Another insert with the same is none.
    tokens: BTreeSet<String>,
    /// The site of which no rows are taken.
    pub(super) refused: Option<&'static str>,
    /// What happens at each call, before it.
    pub(super) meanwhile: Option<Meanwhile>,
}

/// Something that changes the stores.
pub(super) type Meanwhile = Box<dyn FnMut(&mut State) + Send>;

/// The only queries of the stats store.
const OF_STATS: [&str; 4] = [LEDGER_END, THERE, WRITTEN, PUBLISHED];

#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub(super) enum Failed {
    #[error("killed")]
    Killed,
    #[error("refused")]
    Refused,
}

/// An insert that was not confirmed, and after how many calls it is made.
pub(super) type OnTheWay = (u32, String, Vec<Value>, Option<String>);

impl MemoryStore {
    pub(super) fn state(&self) -> std::sync::MutexGuard<'_, State> {
        self.0.lock().expect("no test panics while it holds the state")
    }

    /// Runs a call, or fails before or after it.
    fn call<R>(&self, act: impl FnOnce(&mut State) -> R) -> Result<R, Failed> {
        let mut state = self.state();
        state.on_the_way.iter_mut().for_each(|(calls, ..)| *calls = calls.saturating_sub(1));
        let arrived: Vec<_> = state.on_the_way.extract_if(.., |(calls, ..)| *calls == 0).collect();
        arrived.into_iter().for_each(|(_, table, rows, token)| state.insert(table, rows, token));
        match state.fails_after.as_mut() {
            Some((0, false)) => return Err(Failed::Killed),
            Some((0, true)) => {
                act(&mut state);
                return Err(Failed::Killed);
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
            _ if sql.starts_with(THERE) => (0..).map_while(|number| self.there(number, params)).flatten().collect(),
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

    /// What a table that is asked for has; `None` behind the last one.
    fn there(&self, number: usize, params: &[(&str, String)]) -> Option<Vec<Value>> {
        let table = &params.iter().find(|(name, _)| *name == format!("table{number}"))?.1;
        let [from, until] =
            ["from", "until"].map(|name| param(params, &format!("{name}{number}")).parse::<i64>().expect("a number"));
        let sites = param(params, "sites");
        let key = |row: &Value| {
            let (start, end) = (column(row, "window_start"), column(row, "window_end"));
            let of_hour = row["hour"].as_str().unwrap_or_default();
            let is_asked = sites.split(',').any(|site| row["site"] == site) && (from..=until).contains(&start);
            is_asked.then(
                || json!({ "number": number, "domain": row["site"], "start": start, "end": end, "of_hour": of_hour }),
            )
        };
        Some(self.tables.get(table).into_iter().flatten().filter_map(key).collect())
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

    fn insert(&mut self, table: String, rows: Vec<Value>, token: Option<String>) {
        if token.is_none_or(|token| self.tokens.insert(token)) {
            self.tables.entry(table).or_default().extend(rows);
        }
    }

    fn canned(&self, name: &str) -> Vec<Value> {
        self.answers.get(name).cloned().unwrap_or_default()
    }
}

impl Tables for MemoryStore {
    type Error = Failed;

    fn refuses(error: &Failed) -> bool {
        *error == Failed::Refused
    }

    async fn rows<T: DeserializeOwned + Send>(&self, sql: &str, params: &[(&str, String)]) -> Result<Vec<T>, Failed> {
        if self.state().vault_is_away && !OF_STATS.iter().any(|of_stats| sql.starts_with(of_stats)) {
            return Err(Failed::Killed);
        }
        let rows = self.call(|state| state.answer(sql, params))?;
        Ok(rows.into_iter().map(|row| serde_json::from_value(row).expect("the answer's shape")).collect())
    }

    async fn execute(&self, sql: &str, params: &[(&str, String)]) -> Result<(), Failed> {
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
        token: Option<&str>,
    ) -> Result<(), Failed> {
        let rows: Vec<Value> = rows.iter().map(|row| serde_json::to_value(row).expect("JSON")).collect();
        let fits = |row: &Value| row.as_object().is_some_and(|row| row.len() == columns.len());
        assert!(rows.iter().all(fits), "every row has every column");
        if rows.iter().any(|row| self.state().refused.is_some_and(|site| row["site"] == site)) {
            return Err(Failed::Refused);
        }
        self.call(|state| {
            state.done.push(format!("insert {table}"));
            let (table, token) = (table.to_owned(), token.map(str::to_owned));
            if state.delay > 0 && token.is_some() && state.fails_after.is_some_and(|(calls, _)| calls == 0) {
                state.on_the_way.push((state.delay, table, rows, token));
            } else {
                state.insert(table, rows, token);
            }
        })
    }
}

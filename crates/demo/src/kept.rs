//! The stats store while earlier days are published: it keeps what the publisher writes, and stores it at the end.
//!
//! The publisher asks its store two questions: until when there are windows, and how many rows of a window a table has.

use std::collections::BTreeMap;
use std::convert::Infallible;
use std::sync::{Arc, Mutex, PoisonError};

use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::{Value, json};
use tamga::publish::Tables;
use tamga::store::{Store, StoreError};

/// The ledger's table.
const LEDGER: &str = "publications";

/// Rows by table. Clones share them.
#[derive(Clone, Default)]
pub(crate) struct Kept(Arc<Mutex<BTreeMap<String, Vec<Value>>>>);

impl Kept {
    fn tables<T>(&self, of: impl FnOnce(&mut BTreeMap<String, Vec<Value>>) -> T) -> T {
        of(&mut self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// Stores all rows, the ledger's last.
    pub(crate) async fn store(&self, stats: &Store) -> Result<(), StoreError> {
        let mut tables = self.tables(std::mem::take);
        let ledger = tables.remove(LEDGER);
        for (table, rows) in tables.into_iter().chain(ledger.map(|rows| (LEDGER.to_owned(), rows))) {
            let first = rows.first().and_then(Value::as_object);
            let columns: Vec<&str> = first.into_iter().flatten().map(|(name, _)| name.as_str()).collect();
            stats.insert_json(&table, &columns, &rows, None).await?;
        }
        Ok(())
    }
}

impl Tables for Kept {
    type Error = Infallible;

    async fn rows<T: DeserializeOwned + Send>(
        &self,
        _: &str,
        parameters: &[(&str, String)],
    ) -> Result<Vec<T>, Infallible> {
        let parameter = |name| parameters.iter().find(|(known, _)| *known == name).map(|(_, value)| value.as_str());
        let table = parameter("table").unwrap_or(LEDGER);
        let is_of = |row: &&Value| {
            let is =
                |name, column: &str| parameter(name).is_none_or(|value| value.parse().ok() == row[column].as_i64());
            is("start", "window_start") && is("end", "window_end")
        };
        let answer = self.tables(|tables| {
            let rows: Vec<_> = tables.get(table).into_iter().flatten().filter(is_of).collect();
            let end = rows.iter().filter_map(|row| row["window_end"].as_i64()).max().unwrap_or(0);
            json!({ "end": end, "count": rows.len() })
        });
        Ok(serde_json::from_value(answer).into_iter().collect())
    }

    async fn execute(&self, _: &str, _: &[(&str, String)]) -> Result<(), Infallible> {
        Ok(())
    }

    async fn insert_json<T: Serialize + Sync>(
        &self,
        table: &str,
        _: &[&str],
        rows: &[T],
        _: Option<&str>,
    ) -> Result<(), Infallible> {
        let rows = rows.iter().map(|row| serde_json::to_value(row).expect("rows are objects of numbers and texts"));
        self.tables(|tables| tables.entry(table.to_owned()).or_default().extend(rows));
        Ok(())
    }
}

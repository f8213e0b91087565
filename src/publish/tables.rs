//! The requests that the publisher makes to a store: queries, statements, inserts. The transport is not part of it.

use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

use super::error::PublishError;

/// A row of a query that counts.
#[derive(Deserialize)]
pub(super) struct Count {
    pub(super) count: u64,
}

/// A store with tables. `{name:Type}` in the SQL stands for a parameter.
pub trait Tables: Send + Sync {
    /// The error of a failed request.
    type Error: std::error::Error + Send + Sync + 'static;

    /// Whether rows were refused as they are: they are not stored, and never will be.
    fn refuses(error: &Self::Error) -> bool;

    /// Runs a query and reads its rows, one JSON object each.
    fn rows<T: DeserializeOwned + Send>(
        &self,
        sql: &str,
        params: &[(&str, String)],
    ) -> impl Future<Output = Result<Vec<T>, Self::Error>> + Send;

    /// Runs a statement that returns no rows.
    fn execute(&self, sql: &str, params: &[(&str, String)]) -> impl Future<Output = Result<(), Self::Error>> + Send;

    /// Inserts rows that are serialised as JSON objects; returns when they are stored.
    fn insert_json<T: Serialize + Sync>(
        &self,
        table: &str,
        columns: &[&str],
        rows: &[T],
        token: Option<&str>,
    ) -> impl Future<Output = Result<(), Self::Error>> + Send;
}

/// The rows of a query; `doing` says what failed.
pub(super) async fn ask<T: DeserializeOwned + Send>(
    store: &impl Tables,
    doing: &'static str,
    sql: &str,
    params: &[(&str, String)],
) -> Result<Vec<T>, PublishError> {
    store.rows(sql, params).await.map_err(|source| PublishError::store(doing, source))
}

impl Tables for crate::store::Store {
    type Error = crate::store::StoreError;

    fn refuses(error: &Self::Error) -> bool {
        error.class == crate::store::Class::Rejected
    }

    async fn rows<T: DeserializeOwned + Send>(
        &self,
        sql: &str,
        params: &[(&str, String)],
    ) -> Result<Vec<T>, Self::Error> {
        Self::rows(self, sql, params).await
    }

    async fn execute(&self, sql: &str, params: &[(&str, String)]) -> Result<(), Self::Error> {
        Self::execute(self, sql, params).await
    }

    async fn insert_json<T: Serialize + Sync>(
        &self,
        table: &str,
        columns: &[&str],
        rows: &[T],
        token: Option<&str>,
    ) -> Result<(), Self::Error> {
        Self::insert_json(self, table, columns, rows, token).await
    }
}

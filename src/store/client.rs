//! One store, as the rest of the program uses it: queries with rows as JSON, inserts of bytes, statements.
//!
//! Every request has a time limit and every answer a size limit. An insert is synchronous, deduplicated by its token where
//! the table remembers tokens, and one block as long as it stays under a million rows, so that it is stored whole or not at
//! all. Nothing here repeats a request: the caller knows which requests may be repeated.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use clickhouse::{Client, Compression};
use hyper_util::client::legacy::Client as HttpClient;
use hyper_util::rt::TokioExecutor;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

use super::error::StoreError;
use super::migrations::VAULT;
use super::{cluster, connector};
use crate::config::{ServerStore, is_loopback_name};

/// The largest answer to a query that is kept in memory.
pub const MAX_ANSWER_BYTES: usize = 64 << 20;
/// The maximum of rows in one insert that surely make one block (ClickHouse cuts later, at 1,048,449).
pub const MAX_INSERT_ROWS: usize = 1_000_000;

/// Time limits of requests.
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    /// Until a connection is open. Default 3 s.
    pub connect: Duration,
    /// Until a query or a statement is answered. Default 60 s.
    pub query: Duration,
    /// Until an insert is answered. Default 60 s.
    pub insert: Duration,
}

impl Default for Limits {
    fn default() -> Self {
        Self { connect: Duration::from_secs(3), query: Duration::from_secs(60), insert: Duration::from_secs(60) }
    }
}

/// A database on a ClickHouse server or on an embedded engine. Clones share their connections.
#[derive(Clone)]
pub struct Store {
    client: Client,
    place: Arc<str>,
    database: Arc<str>,
    limits: Limits,
    /// The cluster that the database is spread over.
    cluster: Option<Arc<str>>,
    /// It is on an embedded engine, which writes no parameter down. A server's logs can hold them.
    pub(super) is_embedded: bool,
}

impl Store {
    /// A store by its HTTP interface; nothing is sent yet. An `https` URL needs a certificate that the system trusts.
    pub fn new(url: &str, user: &str, password: &str, database: &str, limits: Limits) -> Result<Self, StoreError> {
        Self::trusting(url, user, password, database, limits, None)
    }

    /// The same. An `https` URL needs a certificate of the authorities in this file.
    pub fn trusting(
        url: &str,
        user: &str,
        password: &str,
        database: &str,
        limits: Limits,
        authorities: Option<&Path>,
    ) -> Result<Self, StoreError> {
        let parsed = url::Url::parse(url)
            .ok()
            .filter(|parsed| matches!(parsed.scheme(), "http" | "https") && parsed.has_host())
            .filter(|parsed| parsed.username().is_empty() && parsed.password().is_none());
        let Some(parsed) = parsed else {
            return Err(StoreError::setup(
                "the store's url must be http://host:port or https://host:port, without user and password".to_owned(),
            ));
        };
        let host = parsed.host_str().unwrap_or_default();
        let tls = (parsed.scheme() == "https")
            .then(|| connector::trust(authorities))
            .transpose()
            .map_err(StoreError::setup)?;
        let connector = connector::Connector::new(limits.connect, limits.query.max(limits.insert), tls);
        let http = HttpClient::builder(TokioExecutor::new())
            // Less than the 3 s after which ClickHouse closes an idle connection.
            .pool_idle_timeout(Duration::from_secs(2))
            .pool_timer(hyper_util::rt::TokioTimer::new())
            .build(connector);
        let compression = if is_loopback_name(host) { Compression::None } else { Compression::Lz4 };
        let client = Client::with_http_client(http)
            .with_url(url)
            .with_user(user)
            .with_password(password)
            .with_compression(compression)
            .with_product_info("tamga", env!("CARGO_PKG_VERSION"));
        let what = if database == VAULT { "the vault" } else { "the stats store" };
        let place = format!("{what} at {}", parsed.origin().ascii_serialization());
        Ok(Self { client, place: place.into(), database: database.into(), limits, cluster: None, is_embedded: false })
    }

    /// The same store, its tables spread over a cluster.
    #[must_use]
    pub fn in_cluster(mut self, name: &str) -> Self {
        self.cluster = Some(name.into());
        for (setting, value) in cluster::SETTINGS {
            self.client = self.client.with_setting(setting, value);
        }
        self
    }

    /// Whether the database is spread over a cluster. If so, a failed insert may be stored on some of its shards.
    pub fn is_clustered(&self) -> bool {
        self.cluster.is_some()
    }

    /// A store on a configured server; reads its password file.
    pub fn on_server(server: &ServerStore, database: &str, limits: Limits) -> Result<Self, StoreError> {
        let password = std::fs::read_to_string(&server.password_file).map_err(|error| {
            let file = server.password_file.display();
            StoreError::setup(format!("cannot read the password file {file}: {error}"))
        })?;
        let (password, authorities) = (password.trim_end_matches(['\r', '\n']), server.ca_file.as_deref());
        let store = Self::trusting(&server.url, &server.user, password, database, limits, authorities)?;
        Ok(match &server.cluster {
            Some(name) => store.in_cluster(name),
            None => store,
        })
    }

    /// The name of the database.
    pub fn database(&self) -> &str {
        &self.database
    }

    /// The store's name in messages: `the vault at http://127.0.0.1:8123`.
    pub fn place(&self) -> &str {
        &self.place
    }

    /// Runs a query and reads its rows, one JSON object each. `{name:Type}` in the SQL stands for a parameter.
    pub async fn rows<T: DeserializeOwned>(&self, sql: &str, params: &[(&str, String)]) -> Result<Vec<T>, StoreError> {
        self.fetch(&self.client.clone().with_database(&*self.database), sql, params).await
    }

    /// Runs a query that selects one column, named `value`, and reads it from the first row; `None` if there is no row.
    pub async fn scalar<T: DeserializeOwned>(
        &self,
        sql: &str,
        params: &[(&str, String)],
    ) -> Result<Option<T>, StoreError> {
        Ok(self.rows(sql, params).await?.into_iter().next().map(|Scalar { value }| value))
    }

    /// The same outside of the database, which may not exist yet.
    pub(super) async fn rows_outside<T: DeserializeOwned>(
        &self,
        sql: &str,
        params: &[(&str, String)],
    ) -> Result<Vec<T>, StoreError> {
        self.fetch(&self.client, sql, params).await
    }

    async fn fetch<T: DeserializeOwned>(
        &self,
        client: &Client,
        sql: &str,
        params: &[(&str, String)],
    ) -> Result<Vec<T>, StoreError> {
        let answer = self.answer(client, sql, params, "JSONEachRow").await?;
        answer
            .split(|byte| *byte == b'\n')
            .filter(|line| !line.is_empty())
            .map(|line| serde_json::from_slice(line))
            .collect::<Result<_, _>>()
            .map_err(|_| StoreError::answer(&self.place, QUERY, "a row of the answer does not have the expected shape"))
    }

    /// Runs a query and returns its answer unchanged, in a format of ClickHouse.
    pub(super) async fn bytes(&self, sql: &str, params: &[(&str, String)], format: &str) -> Result<Bytes, StoreError> {
        self.answer(&self.client.clone().with_database(&*self.database), sql, params, format).await.map(Bytes::from)
    }

    /// Runs a query as a person's account, which may lower its time limit and change no other setting.
    pub async fn read(&self, sql: &str, params: &[(&str, String)], format: &str) -> Result<Vec<u8>, StoreError> {
        self.asked(&self.client.clone().with_database(&*self.database), sql, params, format).await
    }

    async fn answer(
        &self,
        client: &Client,
        sql: &str,
        params: &[(&str, String)],
        format: &str,
    ) -> Result<Vec<u8>, StoreError> {
        let client = client.clone().with_setting("output_format_json_quote_64bit_integers", "0");
        self.asked(&client, sql, params, format).await
    }

    async fn asked(
        &self,
        client: &Client,
        sql: &str,
        params: &[(&str, String)],
        format: &str,
    ) -> Result<Vec<u8>, StoreError> {
        let sql = match &self.cluster {
            Some(cluster) => cluster::query(cluster, &self.database, sql),
            None => sql.to_owned(),
        };
        let mut query = self.limited(client, self.limits.query).query_raw(&sql);
        for (name, value) in params {
            query = query.param(name, value);
        }
        let fetch = async {
            let failed = |error| StoreError::from_client(&self.place, QUERY, &error);
            let mut cursor = query.fetch_bytes(format).map_err(failed)?;
            let mut answer = Vec::new();
            while let Some(chunk) = cursor.next().await.map_err(failed)? {
                if answer.len() + chunk.len() > MAX_ANSWER_BYTES {
                    return Err(StoreError::answer(&self.place, QUERY, "the answer is larger than 64 MiB"));
                }
                answer.extend_from_slice(&chunk);
            }
            Ok(answer)
        };
        self.within(self.limits.query, QUERY, fetch).await
    }

    /// The same store for break-glass. An embedded engine has a user for it, whom it treats as an analyst; a server has not.
    #[must_use]
    pub fn for_break_glass(mut self, user: Option<&str>) -> Self {
        self.client = match user {
            Some(user) => self.client.with_user(user),
            None => self.client.with_setting("allow_ddl", "0"),
        };
        self
    }

    /// Runs a query that cannot change anything, and returns at most so many of its rows, one JSON object per line.
    ///
    /// A server takes all settings of a request at once, so the limits hold although `readonly = 1` forbids to change them.
    /// With it, a table function that reads or writes outside of the server is denied, since it needs a temporary table.
    pub async fn look(&self, sql: &str, rows: usize) -> Result<Vec<String>, StoreError> {
        let client = self
            .client
            .clone()
            .with_database(&*self.database)
            .with_setting("max_result_rows", rows.to_string())
            .with_setting("result_overflow_mode", "break")
            .with_setting("readonly", "1");
        let answer = self.answer(&client, sql, &[], "JSONEachRow").await?;
        let lines = answer.split(|byte| *byte == b'\n').filter(|line| !line.is_empty()).take(rows);
        Ok(lines.map(|line| String::from_utf8_lossy(line).into_owned()).collect())
    }

    /// Runs a statement without an answer.
    pub async fn execute(&self, sql: &str, params: &[(&str, String)]) -> Result<(), StoreError> {
        let client = self.limited(&self.client, self.limits.query).with_database(&*self.database);
        self.run(&client, sql, params).await
    }

    /// Runs a statement outside of the database, which may not exist yet.
    pub(super) async fn execute_outside(&self, sql: &str) -> Result<(), StoreError> {
        let client = self.limited(&self.client, self.limits.query);
        self.run(&client, sql, &[]).await
    }

    async fn run(&self, client: &Client, sql: &str, params: &[(&str, String)]) -> Result<(), StoreError> {
        for sql in self.as_run(sql) {
            self.run_one(client, &sql, params).await?;
        }
        Ok(())
    }

    /// The same of a file of statements.
    pub fn as_run_all(&self, sql: &str) -> Vec<String> {
        super::statements::split(sql).into_iter().flat_map(|sql| self.as_run(sql)).collect()
    }

    /// The statements that are sent instead of one: itself, or its form for a cluster.
    pub fn as_run(&self, sql: &str) -> Vec<String> {
        match &self.cluster {
            Some(cluster) => cluster::statements(cluster, &self.database, sql),
            None => vec![sql.to_owned()],
        }
    }

    async fn run_one(&self, client: &Client, sql: &str, params: &[(&str, String)]) -> Result<(), StoreError> {
        const DOING: &str = "a statement";
        let mut query = client.query_raw(sql);
        for (name, value) in params {
            query = query.param(name, value);
        }
        let execute =
            async { query.execute().await.map_err(|error| StoreError::from_client(&self.place, DOING, &error)) };
        self.within(self.limits.query, DOING, execute).await
    }

    /// Inserts rows that are serialised as JSON objects. Returns when they are stored.
    pub async fn insert_json<T: Serialize>(
        &self,
        table: &str,
        columns: &[&str],
        rows: &[T],
        token: Option<&str>,
    ) -> Result<(), StoreError> {
        let mut body = Vec::new();
        for row in rows {
            serde_json::to_writer(&mut body, row)
                .map_err(|_| StoreError::answer(&self.place, "an insert", "a row cannot be written as JSON"))?;
            body.push(b'\n');
        }
        self.insert(table, columns, "JSONEachRow", body.into(), token).await
    }

    /// Inserts rows in another format of ClickHouse, such as [`Store::bytes`] returns.
    pub(super) async fn insert_bytes(
        &self,
        table: &str,
        columns: &[&str],
        format: &str,
        rows: Bytes,
        token: &str,
    ) -> Result<(), StoreError> {
        self.insert(table, columns, format, rows, Some(token)).await
    }

    /// Inserts rows in RowBinary. Returns when they are stored; an error other than `Rejected` leaves open whether they are.
    pub async fn insert_rows(
        &self,
        table: &str,
        columns: &[&str],
        rows: Bytes,
        token: Option<&str>,
    ) -> Result<(), StoreError> {
        self.insert(table, columns, "RowBinary", rows, token).await
    }

    async fn insert(
        &self,
        table: &str,
        columns: &[&str],
        format: &str,
        body: Bytes,
        token: Option<&str>,
    ) -> Result<(), StoreError> {
        let columns: Vec<_> = columns.iter().map(|column| format!("`{column}`")).collect();
        let sql = format!("INSERT INTO `{table}` ({}) FORMAT {format}", columns.join(", "));
        let mut insert = self
            .limited(&self.client, self.limits.insert)
            .with_database(&*self.database)
            .insert_formatted_with(sql)
            .with_setting("async_insert", "0")
            .with_setting("insert_deduplicate", "1");
        if let Some(token) = token {
            insert = insert.with_setting("insert_deduplication_token", token);
        }
        let doing = format!("an insert into {table}");
        let send = async {
            // In pieces, so that neither compression nor a slow store holds a second copy of the whole.
            let mut insert = insert.buffered_with_capacity(PIECE_BYTES);
            for piece in body.chunks(PIECE_BYTES) {
                insert.write_buffered(piece);
                insert.flush().await?;
            }
            insert.end().await
        };
        let send = async { send.await.map_err(|error| StoreError::from_client(&self.place, &doing, &error)) };
        self.within(self.limits.insert, &doing, send).await
    }

    /// Checks that the store answers, without touching the database.
    pub async fn ping(&self) -> Result<(), StoreError> {
        self.execute_outside("SELECT 1 FORMAT Null").await
    }

    /// The limit is sent to the store too, so that a request ends there when this program stops waiting.
    fn limited(&self, client: &Client, limit: Duration) -> Client {
        client.clone().with_setting("max_execution_time", limit.as_secs().max(1).to_string())
    }

    async fn within<T>(
        &self,
        limit: Duration,
        doing: &str,
        work: impl Future<Output = Result<T, StoreError>>,
    ) -> Result<T, StoreError> {
        match tokio::time::timeout(limit, work).await {
            Ok(outcome) => outcome,
            Err(_) => Err(StoreError::timeout(&self.place, doing, limit.as_secs_f32())),
        }
    }
}

/// A row of [`Store::scalar`].
#[derive(Deserialize)]
pub(super) struct Scalar<T> {
    pub(super) value: T,
}

/// The name of a query in messages.
const QUERY: &str = "a query";

/// Bytes that are handed to the connection at once.
const PIECE_BYTES: usize = 256 << 10;

#[cfg(test)]
mod tests {
    use super::super::migrations::STATS;
    use super::*;

    #[test]
    fn only_urls_of_a_host_without_secrets_are_taken() {
        for url in ["ftp://a:21", "http://u:p@a:8123", "https://u@a", "a:8123", "", "http://"] {
            assert_eq!(
                Store::new(url, "u", "p", VAULT, Limits::default()).err().map(|error| error.name),
                Some("setup")
            );
        }
        let store = Store::new("http://127.0.0.1:8123", "u", "p", VAULT, Limits::default()).unwrap();
        assert_eq!(store.place(), "the vault at http://127.0.0.1:8123");
    }

    #[tokio::test]
    async fn a_store_that_is_not_there_is_transient_and_quick() {
        let store = Store::new("http://127.0.0.1:9", "u", "p", STATS, Limits::default()).unwrap();
        let error = store.ping().await.unwrap_err();
        assert_eq!((error.name, error.class), ("network", super::super::Class::Transient));
    }

    #[tokio::test]
    async fn a_store_that_says_nothing_costs_its_time_limit() {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let short = Duration::from_millis(200);
        let limits = Limits { connect: short, query: short, insert: short };
        let store = Store::new(&url, "u", "p", VAULT, limits).unwrap();
        let begun = std::time::Instant::now();
        assert_eq!(store.ping().await.unwrap_err().name, "timeout");
        assert_eq!(store.insert_rows("t", &["a"], Bytes::from_static(b"x"), None).await.unwrap_err().name, "timeout");
        assert!(begun.elapsed() < Duration::from_secs(5));
    }
}

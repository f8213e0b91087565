//! Brings a store's tables to this program's version: numbered SQL files, forward only, statement by statement.
//!
//! Each statement is recorded once it has been carried out, so a run that was cut short goes on where it stopped. The one
//! statement whose record is missing may run twice: migrations say `IF NOT EXISTS` (a test sees to it), and a second run
//! changes nothing. A file that differs from what was applied, and a store that is newer than the program, are refused
//! before anything is changed. Two programs that migrate at once do the same idempotent work twice; nothing is locked.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::client::{Scalar, Store};
use super::error::StoreError;
use super::migrations::{Migration, STATS, STATS_MIGRATIONS, VAULT, VAULT_MIGRATIONS};
use super::statements::split;
use crate::clock::Clock;
use crate::config::Retention;

const LEDGER: &str = "CREATE TABLE IF NOT EXISTS schema_migrations
(
    version UInt32 COMMENT 'Number of the migration',
    name LowCardinality(String) COMMENT 'What it does',
    checksum LowCardinality(String) COMMENT 'BLAKE3 of the file that was applied, in hex',
    statement UInt32 COMMENT 'Number of the statement within the file, from 1',
    applied_at DateTime64(3, 'UTC') COMMENT 'When it had been carried out'
)
ENGINE = MergeTree
ORDER BY (version, statement)
SETTINGS fsync_after_insert = 1, fsync_part_directory = 1
COMMENT 'Which statements of which migrations have been carried out'";

/// Where a migration stands.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MigrationStatus {
    /// Its number.
    pub version: u32,
    /// What it does.
    pub name: &'static str,
    /// Statements that have been carried out.
    pub applied: u32,
    /// Statements that it has.
    pub statements: u32,
}

impl MigrationStatus {
    /// Whether all of it has been carried out.
    pub fn is_complete(&self) -> bool {
        self.applied >= self.statements
    }
}

/// Why a store was not migrated.
#[derive(Debug, thiserror::Error)]
pub enum MigrateError {
    /// The store failed.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The store failed at a statement.
    #[error("migration {version} ({name}), statement {statement} of {database}: {source}")]
    Statement {
        /// Which database.
        database: String,
        /// Which migration.
        version: u32,
        /// What it does.
        name: &'static str,
        /// Which of its statements, from 1.
        statement: u32,
        /// What the store said.
        source: StoreError,
    },
    /// A newer program has been here.
    #[error(
        "{database} has migration {version}, which this program does not know: it was set up by a newer one. Run that version \
         again; going back is not supported."
    )]
    Newer {
        /// Which database.
        database: String,
        /// The unknown migration.
        version: u32,
    },
    /// The file has changed since.
    #[error(
        "migration {version} ({name}) of {database} was applied with another text than this program has. Migrations are never \
         edited: use the program that applied it, or a release build."
    )]
    Drift {
        /// Which database.
        database: String,
        /// Which migration.
        version: u32,
        /// What it does.
        name: &'static str,
    },
}

#[derive(Deserialize)]
struct Recorded {
    version: u32,
    checksum: String,
    statement: u32,
}

#[derive(Serialize)]
struct Record<'a> {
    version: u32,
    name: &'a str,
    checksum: &'a str,
    statement: u32,
    applied_at: String,
}

/// The migrations that belong to a store.
pub fn migrations_of(store: &Store) -> &'static [Migration] {
    match store.database() {
        VAULT => VAULT_MIGRATIONS,
        STATS => STATS_MIGRATIONS,
        _ => &[],
    }
}

/// Where each migration of the store stands. Changes nothing; a store without a database has none applied.
pub async fn status(store: &Store, migrations: &[Migration]) -> Result<Vec<MigrationStatus>, MigrateError> {
    let recorded = read(store).await?;
    let database = || store.database().to_owned();
    for version in recorded.keys() {
        if !migrations.iter().any(|migration| migration.version == *version) {
            return Err(MigrateError::Newer { database: database(), version: *version });
        }
    }
    let mut statuses = Vec::new();
    for migration in migrations {
        let (version, name, checksum) = (migration.version, migration.name, checksum(migration));
        let (known, applied) = recorded.get(&version).cloned().unwrap_or_else(|| (checksum.clone(), 0));
        if known != checksum {
            return Err(MigrateError::Drift { database: database(), version, name });
        }
        statuses.push(MigrationStatus { version, name, applied, statements: split(migration.sql).len() as u32 });
    }
    Ok(statuses)
}

/// Creates the database when it is missing and carries out what has not been carried out. Returns the number of statements.
pub async fn apply(store: &Store, migrations: &[Migration], clock: &Clock) -> Result<u32, MigrateError> {
    // Looked at first, so that a store that is refused is not touched.
    let statuses = status(store, migrations).await?;
    if statuses.iter().all(MigrationStatus::is_complete) {
        return Ok(0);
    }
    if !exists(store, "system.databases", "").await? {
        store.execute_outside(&format!("CREATE DATABASE IF NOT EXISTS `{}`", store.database())).await?;
    }
    store.execute(LEDGER, &[]).await?;
    let mut done = 0;
    for (migration, status) in migrations.iter().zip(statuses) {
        let Migration { version, name, sql } = *migration;
        for (statement, sql) in (1..).zip(split(sql)).skip(status.applied as usize) {
            let failed = |source| MigrateError::Statement {
                database: store.database().to_owned(),
                version,
                name,
                statement,
                source,
            };
            store.execute(sql, &[]).await.map_err(failed)?;
            let applied_at = clock.now().strftime("%Y-%m-%d %H:%M:%S%.3f").to_string();
            let checksum = checksum(migration);
            let record = Record { version, name, checksum: &checksum, statement, applied_at };
            let columns = ["version", "name", "checksum", "statement", "applied_at"];
            store.insert_json("schema_migrations", &columns, &[record], None).await.map_err(failed)?;
            done += 1;
        }
    }
    Ok(done)
}

/// Gives the tables of published numbers the configured time to live, three years at most. Returns how many had another.
///
/// Rows that are too old by the new time are deleted by the retention worker, also if the engine merges nothing.
pub async fn retain(stats: &Store, retention: Retention) -> Result<u32, StoreError> {
    #[derive(Deserialize)]
    struct Other {
        name: String,
    }
    let ttl = format!("window_end + toIntervalMonth({})", retention.stats_months());
    let sql = "SELECT name FROM system.tables WHERE database = currentDatabase() \
               AND position(create_table_query, ' TTL window_end + toIntervalMonth(') > 0 \
               AND position(create_table_query, ' TTL ' || {ttl:String}) = 0 ORDER BY name";
    let others: Vec<Other> = stats.rows(sql, &[("ttl", ttl.clone())]).await?;
    for Other { name } in &others {
        stats.execute(&format!("ALTER TABLE {name} MODIFY TTL {ttl}"), &[]).await?;
    }
    Ok(others.len() as u32)
}

/// Per version: the checksum it was begun with, and how many of its statements have been carried out.
async fn read(store: &Store) -> Result<BTreeMap<u32, (String, u32)>, StoreError> {
    if !exists(store, "system.tables", "AND name = 'schema_migrations'").await? {
        return Ok(BTreeMap::new());
    }
    let sql = "SELECT version, checksum, statement FROM schema_migrations ORDER BY version, statement, applied_at";
    let mut versions = BTreeMap::new();
    for Recorded { version, checksum, statement } in store.rows(sql, &[]).await? {
        versions.entry(version).or_insert((checksum, 0)).1 = statement;
    }
    Ok(versions)
}

async fn exists(store: &Store, of: &str, and: &str) -> Result<bool, StoreError> {
    let column = if of == "system.tables" { "database" } else { "name" };
    let sql = format!("SELECT count() AS value FROM {of} WHERE {column} = {{database:String}} {and}");
    let counts: Vec<Scalar<u64>> = store.rows_outside(&sql, &[("database", store.database().to_owned())]).await?;
    Ok(counts.iter().any(|count| count.value > 0))
}

fn checksum(migration: &Migration) -> String {
    blake3::hash(migration.sql.as_bytes()).to_hex().to_string()
}

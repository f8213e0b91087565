//! The stores: the only folder that knows ClickHouse, and the last stage before the vault.
//!
//! # Parts
//!
//! [`Store`] is one database on a ClickHouse server or on an embedded engine; the rest of the program sees no difference.
//! [`Supervisor`] keeps an embedded engine running. [`apply`] brings a database's tables to this program's version.
//! [`Shipper`] moves rows from the spool to the vault, and its [`Lease`] records how far it has come.
//!
//! # What is promised
//!
//! - Each row that the spool hands out ends as exactly one of: stored once, expired, dead-lettered. The shipper keeps
//!   rows until it knows their end, however long that takes, and reports it ([`ShipStatus`]).
//! - Every request has a time limit, every answer that is kept in memory a size limit.
//! - Errors ([`StoreError`]) have ClickHouse's code and a sentence of this program, never ClickHouse's text: it may quote rows.
//!   The client library itself logs such texts at debug level under the target `clickhouse`: that target must stay off.
//!
//! Not promised: that rows are durable when a store says "stored". An embedded engine and the tables of the migrations
//! sync each insert; a server with tables that do not can lose rows in a power cut.

mod access;
mod backoff;
mod client;
mod cluster;
mod codes;
mod connector;
mod engine;
mod error;
mod lease;
mod migrate;
mod migrations;
mod own_rows;
mod pseudonyms;
mod relocate;
mod ship;
mod statements;
mod version;
mod wall;

pub use access::{Account, statements as access_statements};
pub(crate) use backoff::Backoff;
pub use client::{Limits, MAX_ANSWER_BYTES, MAX_INSERT_ROWS, Store};
pub(crate) use cluster::local;
pub use codes::Class;
pub use engine::{
    AnalystAccess, BREAK_GLASS, EngineError, EngineOptions, Supervisor, SupervisorError, USER, accounts_file,
};
pub use error::StoreError;
pub use lease::Lease;
pub use migrate::{MigrateError, MigrationStatus, apply, migrations_of, retain, status};
pub use migrations::{Migration, STATS, STATS_MIGRATIONS, VAULT, VAULT_MIGRATIONS};
pub use own_rows::{Held, NotNow, OwnRow, OwnRows};
pub use relocate::{Moved, RelocateError, relocate};
pub use ship::{
    Command, DeadLetterAdmin, DeadLetterError, DeadLetters, OnReplay, ShipCounts, ShipStatus, Shipper, Trouble,
};
pub use statements::without_values;
pub use version::check_version;
pub use wall::{WALL_SENTENCE, wall_statements};

//! Tamga: passive web telemetry that counts what happens on a site and does not learn who the visitors are.
//!
//! The modules, in the order in which a beacon passes them:
//!
//! * [`collect`]: the edge. It receives HTTP. What it answers with `202` is on the disk.
//! * [`decode`]: makes events of bytes, within their limits.
//! * [`enrich`]: adds what the server knows of the sender: place, browser, how the visit began.
//! * [`privacy`]: the last module that sees identifiers. It makes pseudonyms, with keys that are destroyed after the day.
//! * [`spool`]: keeps bytes durable, in order and bounded.
//! * [`store`]: moves rows from the spool into the vault, each exactly once. The only module that knows ClickHouse.
//! * [`publish`]: makes counts of closed windows that are large and round enough for everybody to see.
//!
//! [`pipeline`] is the pure part of that way. [`event`] has a type for each state of the data, and [`record`] encodes the
//! last of them. The modules share [`config`], [`items`], [`clock`], [`secret`], [`outcome`], [`metrics`], [`audit`] and
//! [`window`].
//! [`serve`] connects the modules, [`admin`] is the listener for operations, where `stats_page` shows published numbers,
//! [`protect`] gives applications signed verdicts on calls, [`rights`] is the visitor's own page, [`requests`] is the register of written requests, and [`verify`] checks the wall between
//! telemetry and identified data. [`report`] is one page about a week.
#![forbid(unsafe_code)]

pub mod admin;
pub mod audit;
pub mod clock;
pub mod collect;
pub mod config;
pub mod decode;
pub mod enrich;
pub mod event;
mod files;
mod generations;
mod html;
pub mod items;
pub mod metrics;
mod nfc;
pub mod outcome;
pub mod peers;
pub mod pipeline;
pub mod privacy;
pub mod protect;
pub mod publish;
pub mod record;
pub mod report;
pub mod requests;
pub mod rights;
pub mod secret;
pub mod serve;
pub mod spool;
mod stats_page;
pub mod store;
pub mod verify;
pub mod window;

/// The version. That of a release has its commit as well: `0.1.0 (1a2b3c4d5e6f)`.
pub const VERSION: &str = match option_env!("TAMGA_VERSION") {
    Some(release) if !release.is_empty() => release,
    _ => env!("CARGO_PKG_VERSION"),
};

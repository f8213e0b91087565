//! Tamga: passive web telemetry that counts what happens on a site and cannot tell to whom.
//!
//! The rooms, in the order in which a beacon travels:
//!
//! * [`collect`]: the edge. HTTP comes in; what is answered `202` is on the disk.
//! * [`decode`]: bytes become events, within their limits.
//! * [`enrich`]: what the server can know of the sender is added: place, browser, how the visit began.
//! * [`privacy`]: the last place that sees who. Identifiers become pseudonyms under keys that die with the day.
//! * [`spool`]: durable, ordered, bounded bytes.
//! * [`store`]: from the spool into the vault, each row exactly once; the only room that knows ClickHouse.
//! * [`publish`]: closed windows become counts that are large and round enough to show to anyone.
//!
//! [`pipeline`] is the pure part of that way on one screen; [`event`] names the shapes of the data for the state they are
//! in, [`record`] gives the last of them its bytes. What every room shares: [`config`], [`items`], [`clock`], [`secret`],
//! [`outcome`], [`metrics`], [`audit`]. [`serve`] puts the rooms together, [`admin`] lets operations look in,
//! [`verify`] examines the wall between telemetry and identified data, [`demo`] puts a world around them.
#![forbid(unsafe_code)]

pub mod admin;
pub mod audit;
pub mod clock;
pub mod collect;
pub mod config;
pub mod decode;
pub mod demo;
pub mod enrich;
pub mod event;
pub mod items;
pub mod metrics;
pub mod outcome;
pub mod pipeline;
pub mod privacy;
pub mod publish;
pub mod record;
pub mod secret;
pub mod serve;
pub mod spool;
pub mod store;
pub mod verify;

//! Tamga: passive web telemetry that counts what happens on a site and cannot tell to whom.
#![forbid(unsafe_code)]

pub mod clock;
pub mod config;
pub mod decode;
pub mod enrich;
pub mod event;
pub mod items;
pub mod outcome;
pub mod privacy;
pub mod record;
pub mod secret;
pub mod spool;

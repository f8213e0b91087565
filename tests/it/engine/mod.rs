//! Is the embedded engine a ClickHouse that clients can talk to, and does it keep its promises when they misbehave?

mod clients;
mod hostile;
mod inserts;
mod lifecycle;
mod queries;

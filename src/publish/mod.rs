//! Publishing: what leaves the vault, and when. Each window of a site is closed by arrival time, counted by the rules, written
//! to the stats store once, and never revised.
//!
//! Publishing a window has these steps, and their order makes it safe: wait until every node has emptied its spool past the
//! window's end (a node other than this one may reach the node timeout; then the ledger says that the window is incomplete) →
//! create the random seed → compute the plan, again if rows of the window arrive meanwhile → write it to a file → insert the
//! tables of several sites together, but for the rows that are there → write the counts → insert the ledger's rows → delete plans and
//! seeds. After a kill at any step the next run finds the plans and continues. Rows are written only while the store has none of that
//! site, window and table. So only one process may publish a site at a time: set `[publish] enabled` on one node alone.
//!
//! [`rules`] is the centre and is pure. Its noise comes from [`noise`] and [`gaussian`]. Not promised: that a window waits for another node
//! that was silent for longer than the node timeout. The rows of such a node are counted as late and are published nowhere.

mod apart_tables;
mod carry;
pub mod cells;
mod counted;
pub mod crowd;
mod error;
pub mod files;
pub mod gaussian;
mod hourly;
mod hours;
mod inserts;
mod leases;
mod model;
pub mod noise;
pub mod overdue;
pub mod plan;
pub mod preview;
mod publisher;
mod queries;
mod retention;
mod rollup_list;
mod rollups;
pub mod rules;
mod seeds;
mod seen;
mod separate_tables;
mod snapshot;
mod tables;
mod tallies;
mod target;
mod together;
pub mod total;
mod waiting;
mod window_reader;

#[cfg(test)]
mod tests;

pub use crate::window::{Schedule, Window};
pub use counted::VAULT_DAYS;
pub use error::PublishError;
pub use hours::{GRACE as HOUR_GRACE, Hour};
pub use leases::NodeStates;
pub(crate) use leases::{LEASES, Lease, NODES_DIFFER_MS};
pub use model::PublishedSite;
pub use plan::Plan;
pub use publisher::{Progress, Publisher};
pub use retention::RetentionWorker;
pub use tables::Tables;
pub(crate) use waiting::leases_until;

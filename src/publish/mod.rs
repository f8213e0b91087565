//! Publishing: what leaves the vault, and when. Each window of a site is closed by arrival, rolled up by the rules, written
//! to the stats store once, and never revised.
//!
//! The order of a window's publication is the whole of its safety: wait until every node has emptied its spool past the
//! window's end (or is left behind, which the ledger says) → draw the seed → compute the plan → write it to a file → insert
//! each table unless it is there → write the counts → insert the ledger's row → delete seed and plan. Killed anywhere,
//! the next run finds the plan and goes on; a table is written only while the store has no row of that site and window.
//! So exactly one process may publish a site at a time: `[publish] enabled` on one node.
//!
//! [`rules`] is the heart and is pure, as is [`window`]. What is not promised: that a window waits for a node that has been
//! silent for `leave_behind_after_s`; its rows are counted as late and appear nowhere.

use std::path::{Path, PathBuf};

use crate::config::{Config, Site};
use crate::items::Items;

mod asking;
pub mod crowd;
pub mod files;
mod fold;
mod funnel;
mod hide;
mod leases;
pub mod outlook;
pub mod plan;
mod publisher;
mod queries;
mod retire;
mod rollups;
pub mod rules;
pub mod site;
mod tables;
pub mod window;

#[cfg(test)]
mod apart;
#[cfg(test)]
mod attack;
#[cfg(test)]
mod fake;
#[cfg(test)]
mod tests;

pub use plan::{Plan, PublishedSite};
pub use publisher::{Progress, Publisher};
pub use retire::Retirer;
pub use tables::Tables;
pub use window::{Schedule, Window};

/// Why a window could not be published now. It is tried again.
#[derive(Debug, thiserror::Error)]
pub enum PublishError {
    /// A store did not do what was asked.
    #[error("publishing failed while {doing}: {source}. It is tried again.")]
    Store {
        /// What was being done.
        doing: &'static str,
        /// What the store said.
        source: Box<dyn std::error::Error + Send + Sync>,
    },
    /// A file of the publisher's cannot be read or written.
    #[error("the publisher's file {path}: {source}. Look at its owner and the disk's room; it is tried again.", path = path.display())]
    File {
        /// Which.
        path: PathBuf,
        /// What the system said.
        source: std::io::Error,
    },
    /// The store took rows and then had not got them.
    #[error("the stats store said that it took rows of `{table}` and has none. It is tried again.")]
    NotKept {
        /// The table.
        table: String,
    },
    /// The configuration names a site whose windows cannot be cut.
    #[error("site {domain}: {message}")]
    Site {
        /// Which.
        domain: String,
        /// What is wrong.
        message: String,
    },
}

impl PublishError {
    fn store(doing: &'static str, source: impl std::error::Error + Send + Sync + 'static) -> Self {
        Self::Store { doing, source: Box::new(source) }
    }

    fn file(path: &Path, source: std::io::Error) -> Self {
        Self::File { path: path.to_owned(), source }
    }
}

impl PublishedSite {
    /// The publisher's part of a site's configuration.
    pub fn new(site: &Site) -> Result<Self, PublishError> {
        let wrong = |message: String| PublishError::Site { domain: site.domain.clone(), message };
        let minutes = site.publish_minutes().ok_or_else(|| wrong("publish_every is not one of the allowed".into()))?;
        Ok(Self {
            domain: site.domain.clone(),
            time_zone: site.time_zone.clone(),
            schedule: Schedule::new(&site.time_zone, minutes).map_err(|error| wrong(error.to_string()))?,
            items: Items::of(site.profile.as_deref(), site.items.as_deref()).map_err(wrong)?,
            identity: site.identity,
            goals: site.goals.clone(),
            funnels: site.funnels.clone(),
            experiments: site.experiments.clone(),
            pairs: site.pairs.iter().filter_map(|pair| <[String; 2]>::try_from(pair.clone()).ok()).collect(),
        })
    }

    /// All sites of a configuration.
    pub fn all(config: &Config) -> Result<Vec<Self>, PublishError> {
        config.sites.iter().map(Self::new).collect()
    }
}

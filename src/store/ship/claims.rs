//! What the vault knows of this node's spool: how far its rows are stored, or may be.
//!
//! It is written before the inserts of a delivery batch and after them, so that the vault never has more of a spool than it knows of. A
//! spool that knows less of itself than the vault does is a copy that was put back.

use serde::{Deserialize, Serialize};

use super::super::client::Store;
use super::super::error::StoreError;
use super::super::lease::decimal;
use crate::clock::Clock;
use crate::spool::Progress;

const KNOWN: &str = "SELECT max(begun) AS begun, max(settled) AS settled, max(last) AS last FROM spools \
     WHERE spool = {spool:UInt64}";

/// The vault's line of the spool.
pub(super) struct Claims {
    store: Store,
    clock: Clock,
    written: Option<Progress>,
}

#[derive(Serialize)]
struct Row {
    spool: u64,
    begun: u64,
    settled: u64,
    last: u64,
    written_at: String,
}

#[derive(Deserialize)]
struct Known {
    begun: u64,
    settled: u64,
    last: u64,
}

impl Claims {
    pub(super) fn new(store: Store, clock: Clock) -> Self {
        Self { store, clock, written: None }
    }

    /// Writes how far the spool has come, if that is news.
    pub(super) async fn write(&mut self, progress: Progress) -> Result<(), StoreError> {
        if self.written == Some(progress) {
            return Ok(());
        }
        let Progress { spool, begun, settled, last } = progress;
        let row = Row { spool, begun, settled, last, written_at: decimal(self.clock.now_ms()) };
        let columns = ["spool", "begun", "settled", "last", "written_at"];
        self.store.insert_json("spools", &columns, &[row], None).await?;
        self.written = Some(progress);
        Ok(())
    }

    /// What the vault knows of the spool of this number; nothing is zero.
    pub(super) async fn known(&self, spool: u64) -> Result<Progress, StoreError> {
        let rows: Vec<Known> = self.store.rows(KNOWN, &[("spool", spool.to_string())]).await?;
        let known = rows.into_iter().next();
        Ok(known.map_or(Progress::default(), |Known { begun, settled, last }| Progress { spool, begun, settled, last }))
    }
}

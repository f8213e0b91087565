//! Obeys an order to erase: the rows of one pseudonym in one lane, rewritten out of the vault.
//!
//! The order's payload is the pseudonym's 16 bytes, under the key domain of its lane. It is carried out after everything
//! that was accepted before it has been settled, so nothing older can land behind it. Erasing twice erases nothing more,
//! which is what makes an order safe to repeat after a crash.

use serde::Deserialize;

use crate::record::{Lane, Table};
use crate::spool::Tombstone;
use crate::store::backoff::Backoff;
use crate::store::{Class, StoreError};

use super::courier::{Courier, Stopped};
use super::status::{ShipCounts, Topic};

#[derive(Deserialize)]
struct Found {
    found: u64,
}

impl Courier {
    /// Carries out the order; returns when the rows are gone from what queries read, and how many they were. An order
    /// that is obeyed a second time finds fewer or none: what the first attempt had erased is not counted then.
    pub(super) async fn erase(&self, tombstone: &Tombstone) -> Result<u64, Stopped> {
        let (mut backoff, topic) = (Backoff::for_requests(), Topic::Erasure(tombstone.sequence));
        let mut found = 0;
        loop {
            let Err(error) = self.try_to_erase(tombstone, &mut found).await else {
                ShipCounts::add(&self.status.counts.erasures, 1);
                self.status.clear(topic);
                return Ok(found);
            };
            self.status.report(topic, &error);
            self.wait(&mut backoff).await?;
        }
    }

    /// `found` becomes the most rows that were there before an attempt; one that fails may have erased them all the same.
    async fn try_to_erase(&self, tombstone: &Tombstone, found: &mut u64) -> Result<(), StoreError> {
        let unknown = || StoreError {
            class: Class::Ours,
            code: None,
            name: "newer_spool",
            message: "the spool holds an erasure that this program does not know: run the newer one again".to_owned(),
        };
        let lane = Lane::parse(tombstone.lane.as_str()).ok_or_else(unknown)?;
        if tombstone.payload.len() != 16 || lane.table == Table::Tallies {
            return Err(unknown());
        }
        let visitor: String = tombstone.payload.iter().map(|byte| format!("{byte:02x}")).collect();
        let (table, name, mut narrower) = (lane.table.name(), lane.name().to_owned(), "");
        let mut params = vec![("site", lane.site), ("day", lane.day.to_string()), ("visitor", visitor)];
        if let Some(narrower_by) = match lane.table {
            Table::Attributes => Some(" AND attribute = {name:String}"),
            Table::Signals => Some(" AND signal = {name:String}"),
            _ => None,
        } {
            narrower = narrower_by;
            params.push(("name", name));
        }
        let which =
            format!("site = {{site:String}} AND day = {{day:Date}} AND visitor = unhex({{visitor:String}}){narrower}");
        let counted =
            self.store.rows(&format!("SELECT count() AS found FROM `{table}` WHERE {which}"), &params).await?;
        *found = (*found).max(counted.first().map_or(0, |row: &Found| row.found));
        // A mutation rewrites the parts, so that the rows are gone and not merely masked. It is waited for, on all replicas.
        let sql = format!("ALTER TABLE `{table}` DELETE WHERE {which} SETTINGS mutations_sync = 2");
        self.store.execute(&sql, &params).await
    }
}

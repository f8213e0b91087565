//! Obeys an order to erase: the rows of one pseudonym in one lane, rewritten out of the vault.
//!
//! The pseudonym is in no statement, whose text could rest in a log or in the file of a mutation: it travels as a row of the
//! table `erasures`, by the random number of the attempt, and that row is dropped with its partition when it is done.
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
        let narrower = match lane.table {
            Table::Attributes => " AND attribute = {name:String}",
            Table::Signals => " AND signal = {name:String}",
            _ => "",
        };
        let mut params = vec![("site", lane.site.clone()), ("day", lane.day.to_string())];
        if !narrower.is_empty() {
            params.push(("name", lane.name().to_owned()));
        }
        let attempt = getrandom::u64().map_err(|_| StoreError::setup("no random numbers".to_owned()))?;
        let mut row = attempt.to_le_bytes().to_vec();
        row.extend_from_slice(&tombstone.payload);
        self.store
            .insert_rows("erasures", &["attempt", "visitor"], row.into(), Some(&format!("erase-{attempt:x}")))
            .await?;
        let which = format!(
            "site = {{site:String}} AND day = {{day:Date}}{narrower} \
             AND visitor IN (SELECT visitor FROM {}.erasures WHERE attempt = {attempt})",
            self.store.database()
        );
        let done = self.erase_what(lane.table.name(), &which, &params, found).await;
        // What an attempt that failed leaves goes by the table's time to live, if not now.
        let dropped = self.store.execute(&format!("ALTER TABLE erasures DROP PARTITION {attempt}"), &[]).await;
        done.and(dropped)
    }

    async fn erase_what(
        &self,
        table: &str,
        which: &str,
        params: &[(&str, String)],
        found: &mut u64,
    ) -> Result<(), StoreError> {
        if self.store.is_clustered() {
            // Each replica reads its own copy of what is to be erased.
            self.store.execute("SYSTEM SYNC REPLICA erasures", &[]).await?;
        }
        let count = format!("SELECT count() AS found FROM `{table}` WHERE {which}");
        let counted = async || -> Result<u64, StoreError> {
            let rows: Vec<Found> = self.store.rows(&count, params).await?;
            Ok(rows.first().map_or(0, |row| row.found))
        };
        *found = (*found).max(counted().await?);
        // A mutation rewrites the parts, so that the rows are gone and not merely masked. It is waited for, on all replicas.
        let sql = format!("ALTER TABLE `{table}` DELETE WHERE {which} SETTINGS mutations_sync = 2");
        self.store.execute(&sql, params).await?;
        match counted().await? {
            0 => Ok(()),
            left => Err(self.defect(&format!("still has {left} rows that were to be erased"))),
        }
    }
}

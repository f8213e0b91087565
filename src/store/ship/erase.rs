//! Carries out an erasure: rewrites the rows of some pseudonyms of a site out of the vault, from one day of a table, or of
//! one attribute.
//!
//! A pseudonym is in no statement ([`Store::with_pseudonyms`](crate::store::Store)); the number is one that only the spool's key
//! makes. Rows that the vault had refused are removed from this node's dead letters.
//!
//! The payload of a tombstone is the site and the pseudonyms ([`erasure`](crate::record::erasure)), under the key domain of its
//! stream: in some a visitor has several. It is carried out in all partitions of the stream's day, and in all entries of a list. An erasure is carried out after all rows that were accepted before it are settled, so no older row can be stored
//! behind it; those of its own delivery batch were left out (orders.rs). A second erasure erases nothing more. So an erasure can be repeated after a crash.

use std::collections::BTreeSet;
use std::io;

use jiff::civil::Date;

use crate::record::{self, Stream, Table};
use crate::spool::Tombstone;
use crate::store::StoreError;
use crate::store::backoff::Backoff;

use super::command::DeadLetterError;
use super::dead_letters::DeadLetters;
use super::inserter::{Inserter, Stopped};
use super::status::{Cause, ShipCounts, Topic};

impl Inserter {
    /// Carries out an erasure. Returns when queries no longer read the rows, and how many rows there were. A repetition finds
    /// fewer or none: rows that the first attempt had erased are not counted.
    pub(super) async fn erase(&self, tombstone: &Tombstone) -> Result<u64, Stopped> {
        let (mut backoff, topic) = (Backoff::for_requests(), Topic::Erasure(tombstone.sequence));
        let mut found = 0;
        loop {
            let Err(error) = self.try_to_erase(tombstone, &mut found).await else {
                ShipCounts::add(&self.status.counts.erasures, 1);
                self.status.clear(topic);
                return Ok(found);
            };
            self.status.report(topic, error);
            self.wait(&mut backoff).await?;
        }
    }

    /// `found` becomes the most rows that were there before an attempt. A failed attempt may have erased them all the same.
    async fn try_to_erase(&self, tombstone: &Tombstone, found: &mut u64) -> Result<(), Cause> {
        let unknown = || {
            let message = "the spool holds an erasure that this program does not know: run the newer one again";
            Cause::needs_operator("newer_spool", message.to_owned())
        };
        let stream = Stream::parse(tombstone.stream.as_str()).ok_or_else(unknown)?;
        let (site, pseudonyms) = record::parse_erasure(&tombstone.payload).ok_or_else(unknown)?;
        let table = stream.partition.table;
        if table == Table::Tallies {
            return Err(unknown());
        }
        let narrower = match table {
            Table::Attributes => " AND attribute = {name:String}",
            Table::Signals => " AND signal = {name:String}",
            _ => "",
        };
        let mut params = vec![("site", site.to_owned()), ("day", stream.partition.day.to_string())];
        if !narrower.is_empty() {
            params.push(("name", stream.name().to_owned()));
        }
        // The same after a crash, so that what an interrupted attempt has left is removed too.
        let attempt = self.dead_letters.keys.number(&[stream.label().as_bytes(), &tombstone.payload].concat());
        // Never the same: what a failed attempt had sent is gone.
        let token = getrandom::u64().map_err(|_| StoreError::setup("no random numbers".to_owned()))?;
        let erase = async |own: String| {
            let which = format!("site = {{site:String}} AND day = {{day:Date}}{narrower} AND {own}");
            self.erase_rows(table.name(), &which, &params, found).await
        };
        self.store.with_pseudonyms(attempt, Some(&format!("erase-{token:x}")), pseudonyms, erase).await?;
        self.dead_letters.erase(table.name(), stream.partition.day, pseudonyms)
    }

    async fn erase_rows(
        &self,
        table: &str,
        which: &str,
        params: &[(&str, String)],
        found: &mut u64,
    ) -> Result<(), Cause> {
        let count = format!("SELECT count() AS value FROM `{table}` WHERE {which}");
        let counted = async || -> Result<u64, StoreError> { Ok(self.store.scalar(&count, params).await?.unwrap_or(0)) };
        *found = (*found).max(counted().await?);
        // Nothing to rewrite. A replica of a cluster may not see all rows yet.
        if *found == 0 && !self.store.is_clustered() {
            return Ok(());
        }
        // A mutation rewrites the parts, so the rows are gone and not only masked. All replicas are waited for.
        let sql = format!("ALTER TABLE `{table}` DELETE WHERE {which} SETTINGS mutations_sync = 2");
        self.store.execute(&sql, params).await?;
        match counted().await? {
            0 => Ok(()),
            left => Err(self.defect(&format!("still has {left} rows that were to be erased"))),
        }
    }
}

impl DeadLetters {
    /// Shows the refused rows of these days, with the table and their columns. Returns whether all could be read.
    pub(in crate::store) fn look(
        &self,
        days: &BTreeSet<Date>,
        mut show: impl FnMut(Date, Table, &[&str], &[u8]),
    ) -> io::Result<bool> {
        let mut whole = true;
        let names = self.names()?;
        for name in names.iter().filter(|name| days.iter().any(|day| name.starts_with(&day.to_string()))) {
            let file = match self.read(name) {
                Ok(file) => file,
                // It was removed meanwhile.
                Err(DeadLetterError::Absent { .. }) => continue,
                Err(_) => {
                    whole = false;
                    continue;
                }
            };
            let (Some(table), Ok(rows)) = (Table::from_name(&file.table), self.rows(&file)) else {
                whole = false;
                continue;
            };
            let columns: Vec<&str> = file.columns.iter().map(String::as_str).collect();
            rows.iter().for_each(|row| show(file.day, table, &columns, row));
        }
        Ok(whole)
    }

    /// Removes refused rows that have one of these pseudonyms, so that no replay brings them back. A row that cannot be decrypted
    /// cannot be sent again either. What the vault refused may not be readable as a row, so the bytes are searched.
    fn erase(&self, table: &str, day: Date, pseudonyms: &[[u8; 16]]) -> Result<(), Cause> {
        let failed =
            |what: &str| Cause::needs_operator("dead_letters", format!("dead letters cannot be {what} for an erasure"));
        let of_day = format!("{day}-{table}-");
        for name in self.names().map_err(|_| failed("listed"))?.iter().filter(|name| name.starts_with(&of_day)) {
            let Ok(file) = self.read(name) else { continue };
            let Ok(rows) = self.rows(&file) else { continue };
            // Eight bytes of a pseudonym distinguish the visitors of a day.
            let is_of =
                |row: &[u8]| pseudonyms.iter().any(|pseudonym| row.windows(8).any(|part| part == &pseudonym[..8]));
            let gone: BTreeSet<usize> =
                file.rows.iter().zip(&rows).filter(|(_, row)| is_of(row)).map(|(row, _)| row.index).collect();
            if !gone.is_empty() {
                self.remove_rows(name, &gone).map_err(|_| failed("written"))?;
            }
        }
        Ok(())
    }
}

//! Carries out an erasure: rewrites the rows of some pseudonyms of a site out of the vault, from one day of a table, or of
//! one attribute.
//!
//! A pseudonym is in no statement: the text of a statement could stay in a log or in the file of a mutation. The pseudonyms
//! are sent as rows of the table `erasures`, under the random number of the attempt. These rows are dropped with their partition
//! when the erasure is done. Rows that the vault had refused are removed from this node's dead letters.
//!
//! The payload of a tombstone is the site and the pseudonyms ([`erasure`](crate::record::erasure)), under the key domain of its
//! stream: in some a visitor has several. It is carried out in all partitions of the stream's day, and in all entries of a list. An erasure is carried out after all rows that were accepted before it are settled, so no older row can be stored
//! behind it. A second erasure erases nothing more. So an erasure can be repeated after a crash.

use std::collections::BTreeSet;

use jiff::civil::Date;

use crate::record::{self, Stream, Table};
use crate::spool::Tombstone;
use crate::store::StoreError;
use crate::store::backoff::Backoff;

use super::dead_letters::DeadLetters;
use super::inserter::{Inserter, Stopped};
use super::status::{Cause, ShipCounts, Topic};

/// The orders of a delivery batch, those of one table, day, name and site as one: a mutation costs much, and many visitors may
/// ask at once. No order joins two key domains. All rows of the batch are older than each of them, so their order has no meaning.
pub(super) fn merged(tombstones: &[Tombstone]) -> Vec<Tombstone> {
    let mut orders: Vec<(Option<(Stream, String)>, Tombstone)> = Vec::new();
    for Tombstone { sequence, stream, payload } in tombstones {
        let read = Stream::parse(stream.as_str()).zip(record::parse_erasure(payload));
        let of = read.as_ref().map(|(stream, (site, _))| (stream.clone(), (*site).to_owned()));
        let same = orders.iter_mut().find(|(known, _)| match (known, &of) {
            (Some((stream, site)), Some((other, other_site))) => stream.erases_from(other) && site == other_site,
            _ => false,
        });
        match (same, read) {
            (Some((_, order)), Some((_, (site, pseudonyms)))) => {
                let known = record::parse_erasure(&order.payload).map_or(&[][..], |(_, known)| known);
                order.payload = record::erasure(site, &[known, pseudonyms].concat());
            }
            _ => {
                let (sequence, stream, payload) = (*sequence, stream.clone(), payload.clone());
                orders.push((of, Tombstone { sequence, stream, payload }));
            }
        }
    }
    orders.into_iter().map(|(_, order)| order).collect()
}

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
        let attempt = getrandom::u64().map_err(|_| StoreError::setup("no random numbers".to_owned()))?;
        let rows: Vec<u8> =
            pseudonyms.iter().flat_map(|pseudonym| [&attempt.to_le_bytes()[..], pseudonym].concat()).collect();
        self.store
            .insert_rows("erasures", &["attempt", "visitor"], rows.into(), Some(&format!("erase-{attempt:x}")))
            .await?;
        let which = format!(
            "site = {{site:String}} AND day = {{day:Date}}{narrower} \
             AND visitor IN (SELECT visitor FROM {}.erasures WHERE attempt = {attempt})",
            self.store.database()
        );
        let done = self.erase_rows(table.name(), &which, &params, found).await;
        // If this fails, the table's time to live removes the row.
        let dropped = self.store.execute(&format!("ALTER TABLE erasures DROP PARTITION {attempt}"), &[]).await;
        done.and(dropped.map_err(Cause::from))?;
        self.dead_letters.erase(table.name(), stream.partition.day, pseudonyms)
    }

    async fn erase_rows(
        &self,
        table: &str,
        which: &str,
        params: &[(&str, String)],
        found: &mut u64,
    ) -> Result<(), Cause> {
        if self.store.is_clustered() {
            // Each replica reads its own copy of the pseudonyms to erase.
            self.store.execute("SYSTEM SYNC REPLICA erasures", &[]).await?;
        }
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::spool::StreamKey;

    fn order(sequence: u64, stream: &str, site: &str, pseudonym: u8) -> Tombstone {
        Tombstone {
            sequence,
            stream: StreamKey::new(stream).unwrap(),
            payload: record::erasure(site, &[[pseudonym; 16]]),
        }
    }

    #[test]
    fn orders_of_one_domain_and_site_are_one_and_no_others() {
        let (events, errors) = ("events|2026-11-22|2026-11-22|", "errors|2026-11-22|2026-11-22|");
        let unread = Tombstone { sequence: 9, stream: StreamKey::new(events).unwrap(), payload: Vec::new() };
        let orders = [
            order(1, events, "a.kz", 1),
            order(2, errors, "a.kz", 2),
            order(3, "events|2026-11-22|2026-11-29|", "a.kz", 3),
            order(4, events, "b.kz", 4),
            order(5, "events|2026-11-23|2026-11-23|", "a.kz", 5),
            unread,
        ];
        let merged: Vec<_> = merged(&orders)
            .iter()
            .map(|order| {
                let read = record::parse_erasure(&order.payload);
                (order.sequence, read.map(|(_, known)| known.iter().map(|known| known[0]).collect::<Vec<_>>()))
            })
            .collect();
        let expected = [(1, Some(vec![1, 3])), (2, Some(vec![2])), (4, Some(vec![4])), (5, Some(vec![5])), (9, None)];
        assert_eq!(merged, expected);
    }
}

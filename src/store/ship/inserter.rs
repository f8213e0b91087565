//! Delivers the rows of one insert into the vault exactly once, also across crashes of this program and of the vault.
//!
//! # Which answers are believed
//!
//! If an insert was tried once and the vault answers "yes", the rows are stored and synced. After anything else it is open
//! whether the rows are stored: a time-out, a broken connection, an error other than "this data is bad", or a delivery batch
//! that a former process had begun. From then on only *counting* decides. One insert is one block of one partition, so all
//! of its rows are stored or none.
//!
//! # Why an insert is first repeated with the same token
//!
//! An earlier attempt may still be on its way and arrive after the count. With the same token the store drops whichever of
//! the two comes second. But the store's memory of tokens is not crash-safe: if it is killed after it remembers a token and
//! before it stores the rows, it answers "yes" to the repetition and stores nothing. So after a "yes" to a repetition the
//! rows are counted once more, when no request with this token runs any longer. If they are not there the token is *burnt*:
//! nothing can be stored under it, and the next attempt takes the next token of a fixed sequence. A restarted program walks
//! through the same sequence.
//!
//! # Rows that the vault refuses
//!
//! A refused insert is cut in halves until each refused row is alone. Refused rows go to a dead-letter file, the others are
//! stored. If the vault refuses only, the rows are not the reason: the rest is held and reported.

use std::ops::Range;
use std::sync::Arc;
use std::time::{Duration, Instant};

use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

use super::dead_letters::{DeadLetters, Known};
use super::insert_batch::{Identity, InsertBatch};
use super::status::{Cause, ShipCounts, ShipStatus};
use crate::clock::Clock;
use crate::spool::Outcomes;
use crate::store::backoff::{Backoff, changed};
use crate::store::{Class, Store, StoreError};

/// From this age in days on a row is not sent. The vault's time to live drops rows after 9 days, perhaps before they are
/// counted. It is one day less for servers in time zones that are ahead.
pub(super) const TOO_OLD_DAYS: i64 = 8;

/// If the vault has refused so many rows and stored none, the rows are not the reason.
const SUSPICIOUS_REFUSALS: u64 = 32;

/// The program is stopping. Rows on their way are counted after the next start.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Stopped;

/// How a piece ended.
enum Verdict {
    /// So many rows are in the vault.
    Stored(u64),
    Expired,
    Refused(StoreError),
}

/// What is known of the attempts to insert one piece.
struct Attempts {
    /// An earlier attempt may have stored the rows.
    maybe_stored: bool,
    /// The last attempt was answered with a yes.
    affirmed: bool,
    /// How many tokens of the sequence are burnt.
    burnt: u32,
}

impl Attempts {
    /// The token of the next attempt.
    fn token(&self, identity: &Identity) -> String {
        if self.burnt == 0 { identity.token.clone() } else { format!("{}-{}", identity.token, self.burnt) }
    }
}

/// What follows from a count.
enum Finding {
    Settled(Verdict),
    CountAgain,
    SendAgain,
}

/// How an insert batch ended.
pub(super) struct Delivered {
    /// The outcomes of its rows. Rows without an outcome are lost.
    pub(super) outcomes: Outcomes,
    /// The batch was cut and all of its rows are stored. Its file is removed once the delivery batch is finished. Until then
    /// the cuts must be remembered.
    pub(super) stored_in_pieces: Option<Arc<InsertBatch>>,
}

/// Delivers insert batches. Cheap to clone.
#[derive(Clone)]
pub(super) struct Inserter {
    pub(super) store: Store,
    pub(super) clock: Clock,
    pub(super) dead_letters: DeadLetters,
    pub(super) status: Arc<ShipStatus>,
    pub(super) stop: CancellationToken,
    /// Changes when the store may be back. A change cuts a wait short.
    pub(super) wake: watch::Receiver<u64>,
}

impl Inserter {
    /// Settles every row of the batch. `resumed`: a former process may have stored it.
    pub(super) async fn deliver(&self, batch: Arc<InsertBatch>, resumed: bool) -> Result<Delivered, Stopped> {
        let counts = &self.status.counts;
        let mut outcomes = Outcomes { erased: batch.dropped, ..Outcomes::default() };
        let mut known = if resumed { self.on_disk(&batch, DeadLetters::known).await? } else { Known::default() };
        let (mut stored, mut refused) = (0, known.rows.len() as u64);
        let mut backoff = Backoff::for_requests();
        let mut pieces = vec![batch.all()];
        while let Some(piece) = pieces.pop().filter(|piece| !piece.is_empty()) {
            let rows = piece.len() as u64;
            if rows == 1 && known.rows.contains(&piece.start) {
                outcomes.dead_lettered += 1;
                ShipCounts::add(&counts.dead_lettered, 1);
                continue;
            }
            let cut = known.cuts.contains(&(piece.start, piece.end));
            let verdict = if cut { None } else { Some(self.settle(&batch, &piece, resumed).await?) };
            match verdict {
                Some(Verdict::Stored(rows)) => {
                    stored += rows;
                    outcomes.stored += rows;
                    ShipCounts::add(&counts.stored, rows);
                }
                Some(Verdict::Expired) => {
                    outcomes.expired += rows;
                    ShipCounts::add(&counts.expired, rows);
                }
                Some(Verdict::Refused(error)) if stored == 0 && refused >= SUSPICIOUS_REFUSALS => {
                    let place = self.store.place();
                    let message = format!(
                        "{place} refuses every row of a batch ({}): is its schema of this version?",
                        error.name
                    );
                    self.status.report(batch.topic(), Cause::needs_operator(error.name, message));
                    self.wait(&mut backoff).await?;
                    pieces.push(piece);
                    continue;
                }
                Some(Verdict::Refused(error)) if rows == 1 => {
                    let index = piece.start;
                    self.on_disk(&batch, move |files, batch| files.keep(batch, index, error.code, error.name)).await?;
                    known.rows.insert(index);
                    refused += 1;
                    outcomes.dead_lettered += 1;
                    ShipCounts::add(&counts.dead_lettered, 1);
                }
                Some(Verdict::Refused(_)) | None => {
                    if !cut {
                        let whole = piece.clone();
                        self.on_disk(&batch, move |files, batch| files.record_cut(batch, &whole)).await?;
                        known.cuts.insert((piece.start, piece.end));
                    }
                    let middle = piece.start + piece.len() / 2;
                    pieces.push(middle..piece.end);
                    pieces.push(piece.start..middle);
                }
            }
            self.status.clear(batch.topic());
        }
        self.status.clear(batch.topic());
        if refused > 0 {
            let table = batch.partition.table.name();
            tracing::warn!(table, rows = refused, "the vault refused rows; `tamga dead-letters` lists them");
        }
        let stored_in_pieces = (!known.cuts.is_empty() && known.rows.is_empty()).then_some(batch);
        Ok(Delivered { outcomes, stored_in_pieces })
    }

    /// Removes the notes on a batch whose rows are all stored, once its delivery batch is finished.
    pub(super) async fn tidy(&self, batch: &Arc<InsertBatch>) -> Result<(), Stopped> {
        self.on_disk(batch, DeadLetters::forget).await?;
        self.status.clear(batch.topic());
        Ok(())
    }

    /// Settles one piece. Returns only when its end is known.
    async fn settle(&self, batch: &InsertBatch, piece: &Range<usize>, resumed: bool) -> Result<Verdict, Stopped> {
        let identity = batch.identity(piece);
        let mut backoff = Backoff::for_requests();
        let mut attempts = Attempts { maybe_stored: resumed, affirmed: false, burnt: 0 };
        loop {
            if self.too_old(batch) {
                return Ok(Verdict::Expired);
            }
            if attempts.maybe_stored {
                match self.look_for(batch, piece, &identity, &mut attempts, &mut backoff).await? {
                    Finding::Settled(verdict) => return Ok(verdict),
                    Finding::CountAgain => continue,
                    Finding::SendAgain => {}
                }
            }
            let token = attempts.token(&identity);
            let (table, body) = (batch.partition.table.name(), batch.body(piece));
            match self.store.insert_rows(table, &batch.columns, body, Some(&token)).await {
                Ok(()) if attempts.maybe_stored => attempts.affirmed = true,
                Ok(()) => return Ok(Verdict::Stored(piece.len() as u64)),
                Err(error) if error.class == Class::Rejected => return Ok(Verdict::Refused(error)),
                Err(error) => {
                    attempts.maybe_stored = true;
                    ShipCounts::add(&self.status.counts.retries, 1);
                    self.status.report(batch.topic(), error.into());
                    self.wait(&mut backoff).await?;
                }
            }
        }
    }

    /// Counts the rows of a piece that an earlier attempt may have stored, and decides what to do next.
    async fn look_for(
        &self,
        batch: &InsertBatch,
        piece: &Range<usize>,
        identity: &Identity,
        attempts: &mut Attempts,
        backoff: &mut Backoff,
    ) -> Result<Finding, Stopped> {
        let expected = piece.len() as u64;
        // All rows that the boundary announced may have been stored before the spool's disk lost some of them.
        let complete = |found: u64| found == expected || (*piece == batch.all() && found == batch.announced);
        match self.count(batch, identity).await {
            Ok(found) if complete(found) => Ok(Finding::Settled(Verdict::Stored(found))),
            // In a cluster some shards may have their rows and others not, or this replica may not see them yet. A cluster's
            // memory of tokens is safe, so the rest is sent under the same token.
            Ok(found) if self.store.is_clustered() => {
                if attempts.affirmed || found > 0 {
                    attempts.affirmed = false;
                    self.wait(backoff).await?;
                }
                Ok(Finding::SendAgain)
            }
            Ok(0) if attempts.affirmed => {
                (attempts.affirmed, attempts.burnt) = (false, attempts.burnt + 1);
                if attempts.burnt > 1 {
                    // The first time it is a crash of the store. More often it has another reason, and must not spin.
                    let cause = self.defect("says yes to an insert and has no rows of it");
                    self.status.report(batch.topic(), cause);
                    self.wait(backoff).await?;
                }
                Ok(Finding::SendAgain)
            }
            Ok(0) => Ok(Finding::SendAgain),
            outcome => {
                let partial = "has a part of an insert, which ought to be whole or absent";
                let cause = outcome.err().unwrap_or_else(|| self.defect(partial));
                self.status.report(batch.topic(), cause);
                self.wait(backoff).await?;
                Ok(Finding::CountAgain)
            }
        }
    }

    /// Counts the rows of the piece in the vault, once no attempt to insert them runs any longer.
    async fn count(&self, batch: &InsertBatch, identity: &Identity) -> Result<u64, Cause> {
        // The store ends requests that run longer than their limit. This limit is for a store that is broken.
        let patience = Instant::now() + Duration::from_secs(120);
        loop {
            let sql = "SELECT count() AS value FROM system.processes \
                       WHERE startsWith(Settings['insert_deduplication_token'], {token:String})";
            let running: Option<u64> = self.store.scalar(sql, &[("token", identity.token.clone())]).await?;
            if running.unwrap_or(0) == 0 {
                break;
            }
            if Instant::now() > patience {
                return Err(self.defect("keeps running an insert beyond its time limit"));
            }
            tokio::time::sleep(Duration::from_millis(250)).await;
        }
        // Rows that an erasure has masked count as stored.
        let sql = format!(
            "SELECT count() AS value FROM `{}` WHERE day = {{day:Date}} AND toDate(window_end) = {{until:Date}} \
             AND has({{batches:Array(UInt64)}}, batch) SETTINGS apply_deleted_mask = 0",
            batch.partition.table.name()
        );
        // `[1,2]`, as the engine reads an array.
        let batches = format!("{:?}", identity.values).replace(' ', "");
        let params =
            [("day", batch.partition.day), ("until", batch.partition.until)].map(|(name, day)| (name, day.to_string()));
        let params = [&params[..], &[("batches", batches)]].concat();
        Ok(self.store.scalar(&sql, &params).await?.unwrap_or(0))
    }

    fn too_old(&self, batch: &InsertBatch) -> bool {
        let Some(now) = self.clock.now_to_destroy() else { return false };
        let today = now.to_zoned(jiff::tz::TimeZone::UTC).date();
        let age = today - batch.partition.day;
        i64::from(age.get_days()) >= TOO_OLD_DAYS
    }

    /// The store does what it ought not to be able to do.
    pub(super) fn defect(&self, what: &str) -> Cause {
        let place = self.store.place();
        let message = format!("{place} {what}: nothing is sent or given up until this is understood");
        Cause::needs_operator("defect", message)
    }

    /// Works on the dead letters, and repeats the work until the disk accepts it.
    async fn on_disk<T: Send + 'static>(
        &self,
        batch: &Arc<InsertBatch>,
        work: impl Fn(&DeadLetters, &InsertBatch) -> std::io::Result<T> + Send + Sync + 'static,
    ) -> Result<T, Stopped> {
        let mut backoff = Backoff::for_requests();
        let work = Arc::new(work);
        loop {
            let (files, lent, work) = (self.dead_letters.clone(), Arc::clone(batch), Arc::clone(&work));
            let done = tokio::task::spawn_blocking(move || work(&files, &lent)).await;
            match done.unwrap_or_else(|error| Err(std::io::Error::other(error))) {
                Ok(value) => return Ok(value),
                Err(error) => {
                    let message = format!("cannot write the dead letters in [data] dir: {error}. Look at its disk");
                    self.status.report(batch.topic(), Cause::needs_operator("dead_letters", message));
                    self.wait(&mut backoff).await?;
                }
            }
        }
    }

    /// Waits until the next attempt, until the store may be back, or until the program stops.
    pub(super) async fn wait(&self, backoff: &mut Backoff) -> Result<(), Stopped> {
        let mut wake = self.wake.clone();
        wake.mark_unchanged();
        tokio::select! {
            () = tokio::time::sleep(backoff.step()) => Ok(()),
            () = changed(&mut wake) => {
                backoff.reset();
                Ok(())
            }
            () = self.stop.cancelled() => Err(Stopped),
        }
    }
}

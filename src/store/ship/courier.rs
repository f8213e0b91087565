//! Brings the batches of one insert into the vault exactly once, whatever happens on the way.
//!
//! # What is believed
//!
//! A "yes" to an insert that was tried once is believed: the store has written and synced the rows. Everything else (a
//! time-out, a broken connection, an error other than "this data is bad", a round that a former process had begun) leaves
//! open whether the rows are there, and from then on only *counting* them is believed: one insert is one block of one
//! partition, so all its rows are there or none.
//!
//! # Why an insert is repeated with the same token first
//!
//! An earlier attempt may still be on its way, unseen, and land after the count. The same token lets the store drop
//! whichever of the two comes second. But the store's memory of tokens is not crash-safe: killed between remembering and
//! storing, it answers "yes" to the repetition and stores nothing. So after a "yes" to a repetition the rows are counted
//! once more, when nothing with this token is running any longer; if they are not there the token is *burnt*, nothing can
//! land under it, and the next attempt takes the next token of a fixed sequence. A restarted program walks through the same
//! sequence again.
//!
//! # Rows that were erased meanwhile
//!
//! A round ends with its erasures. When the program dies behind them and before the round is finished, its batches are
//! counted once more, and a part is missing. Of a lane that the round erases from, a part therefore counts as the whole. If
//! nothing is left the rows are sent again, and the erasure, which is obeyed again, takes them again.
//!
//! # What the vault refuses
//!
//! A refused batch is cut in halves until the refused rows stand alone; these go to a dead-letter file, the others land.
//! When only refusals come, it is not about rows: the rest is held and reported.

use std::ops::Range;
use std::sync::Arc;
use std::time::{Duration, Instant};

use serde::Deserialize;
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

use super::dead_letters::{DeadLetters, Known};
use super::parcel::{Identity, Parcel};
use super::status::{ShipCounts, ShipStatus};
use crate::clock::Clock;
use crate::spool::Outcomes;
use crate::store::backoff::{Backoff, changed};
use crate::store::{Class, Store, StoreError};

/// A row whose day began so many days before today is dropped by the vault's time to live (9 days), or may be before it is
/// counted: a day less, for servers in zones that are ahead.
pub(super) const TOO_OLD_DAYS: i64 = 8;

/// Refused rows, none having landed, after which it is not about rows.
const SUSPICIOUS_REFUSALS: u64 = 32;

/// The program is stopping. What was on its way is counted after the next start.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Stopped;

/// What became of a piece.
enum Verdict {
    /// So many rows are in the vault; so many were, and have been erased since.
    Stored {
        rows: u64,
        erased: u64,
    },
    Expired,
    Refused(StoreError),
}

/// What became of a batch.
pub(super) struct Brought {
    /// Of its rows. Those that are missing are lost.
    pub(super) outcomes: Outcomes,
    /// The batch was cut and all of it landed: its file is to be removed once the round is finished, and not before,
    /// since until then the cuts must be remembered.
    pub(super) landed_in_pieces: Option<Arc<Parcel>>,
}

/// What batches are brought with; cheap to clone.
#[derive(Clone)]
pub(super) struct Courier {
    pub(super) store: Store,
    pub(super) clock: Clock,
    pub(super) letters: DeadLetters,
    pub(super) status: Arc<ShipStatus>,
    pub(super) stop: CancellationToken,
    /// Changes when the store may be back: waiting is cut short.
    pub(super) wake: watch::Receiver<u64>,
}

impl Courier {
    /// Settles every row of the batch. `resumed`: a former attempt may have stored it.
    pub(super) async fn bring(&self, parcel: Arc<Parcel>, resumed: bool) -> Result<Brought, Stopped> {
        let counts = &self.status.counts;
        let mut outcomes = Outcomes::default();
        let mut known = if resumed { self.on_disk(&parcel, DeadLetters::known).await? } else { Known::default() };
        let (mut landed, mut refused) = (0, known.rows.len() as u64);
        let mut backoff = Backoff::for_requests();
        let mut pieces = vec![parcel.all()];
        while let Some(piece) = pieces.pop().filter(|piece| !piece.is_empty()) {
            let rows = piece.len() as u64;
            if rows == 1 && known.rows.contains(&piece.start) {
                outcomes.dead_lettered += 1;
                ShipCounts::add(&counts.dead_lettered, 1);
                continue;
            }
            let cut = known.cuts.contains(&(piece.start, piece.end));
            let verdict = if cut { None } else { Some(self.settle(&parcel, &piece, resumed).await?) };
            match verdict {
                Some(Verdict::Stored { rows, erased }) => {
                    landed += rows + erased;
                    outcomes.stored += rows;
                    outcomes.erased += erased;
                    ShipCounts::add(&counts.stored, rows + erased);
                }
                Some(Verdict::Expired) => {
                    outcomes.expired += rows;
                    ShipCounts::add(&counts.expired, rows);
                }
                Some(Verdict::Refused(error)) if landed == 0 && refused >= SUSPICIOUS_REFUSALS => {
                    let place = self.store.place();
                    let message = format!("{place} refuses every row of a batch ({}): is its schema ours?", error.name);
                    self.status.report(parcel.topic(), &StoreError { class: Class::Ours, message, ..error });
                    self.wait(&mut backoff).await?;
                    pieces.push(piece);
                    continue;
                }
                Some(Verdict::Refused(error)) if rows == 1 => {
                    let index = piece.start;
                    self.on_disk(&parcel, move |letters, parcel| letters.keep(parcel, index, error.code, error.name))
                        .await?;
                    known.rows.insert(index);
                    refused += 1;
                    outcomes.dead_lettered += 1;
                    ShipCounts::add(&counts.dead_lettered, 1);
                }
                Some(Verdict::Refused(_)) | None => {
                    if !cut {
                        let whole = piece.clone();
                        self.on_disk(&parcel, move |letters, parcel| letters.record_cut(parcel, &whole)).await?;
                        known.cuts.insert((piece.start, piece.end));
                    }
                    let middle = piece.start + piece.len() / 2;
                    pieces.push(middle..piece.end);
                    pieces.push(piece.start..middle);
                }
            }
            self.status.clear(parcel.topic());
        }
        self.status.clear(parcel.topic());
        if refused > 0 {
            let table = parcel.table.name();
            tracing::warn!(table, rows = refused, "the vault refused rows; `tamga dead-letters` lists them");
        }
        let landed_in_pieces = (!known.cuts.is_empty() && known.rows.is_empty()).then_some(parcel);
        Ok(Brought { outcomes, landed_in_pieces })
    }

    /// Removes what was noted of a batch that has landed after all, its round being finished.
    pub(super) async fn tidy(&self, parcel: &Arc<Parcel>) -> Result<(), Stopped> {
        self.on_disk(parcel, DeadLetters::forget).await?;
        self.status.clear(parcel.topic());
        Ok(())
    }

    /// Brings one piece to an end. Returns only when it is known which.
    async fn settle(&self, parcel: &Parcel, piece: &Range<usize>, resumed: bool) -> Result<Verdict, Stopped> {
        let identity = parcel.identity(piece);
        let whole = *piece == parcel.all();
        let expected = piece.len() as u64;
        // All that the boundary announced may have landed before the spool's disk lost some of it.
        let complete = |found: u64| found == expected || (whole && found == parcel.announced);
        let mut backoff = Backoff::for_requests();
        // Whether an earlier attempt may have stored the rows, and whether the last one was answered with a yes.
        let (mut repeated, mut affirmed, mut burnt) = (resumed, false, 0);
        loop {
            if self.too_old(parcel) {
                return Ok(Verdict::Expired);
            }
            if repeated {
                match self.count(parcel, &identity).await {
                    Ok(found) if complete(found) => return Ok(Verdict::Stored { rows: found, erased: 0 }),
                    // In a cluster a part of the rows may have come to its shards, or not be seen by this replica yet. Its
                    // memory of tokens is safe: the rest comes under the same one.
                    Ok(found) if self.store.is_clustered() && !(parcel.thinned && found > 0) => {
                        if affirmed || found > 0 {
                            affirmed = false;
                            self.wait(&mut backoff).await?;
                        }
                    }
                    Ok(0) if affirmed => {
                        (affirmed, burnt) = (false, burnt + 1);
                        if burnt > 1 {
                            // Once is a crash of the store. More often it is something else, and must not spin.
                            self.status
                                .report(parcel.topic(), &self.defect("says yes to an insert and has no rows of it"));
                            self.wait(&mut backoff).await?;
                        }
                    }
                    Ok(0) => {}
                    // The same round's erasure had been obeyed before the program died.
                    Ok(found) if parcel.thinned => {
                        return Ok(Verdict::Stored { rows: found, erased: expected.saturating_sub(found) });
                    }
                    Ok(_) => {
                        self.status.report(
                            parcel.topic(),
                            &self.defect("has a part of an insert, which ought to be whole or absent"),
                        );
                        self.wait(&mut backoff).await?;
                        continue;
                    }
                    Err(error) => {
                        self.status.report(parcel.topic(), &error);
                        self.wait(&mut backoff).await?;
                        continue;
                    }
                }
            }
            let token = if burnt == 0 { identity.token.clone() } else { format!("{}-{burnt}", identity.token) };
            let (table, body) = (parcel.table.name(), parcel.body(piece));
            match self.store.insert_rows(table, &parcel.columns, body, Some(&token)).await {
                Ok(()) if !repeated => return Ok(Verdict::Stored { rows: expected, erased: 0 }),
                Ok(()) => affirmed = true,
                Err(error) if error.class == Class::Final => return Ok(Verdict::Refused(error)),
                Err(error) => {
                    repeated = true;
                    ShipCounts::add(&self.status.counts.retries, 1);
                    self.status.report(parcel.topic(), &error);
                    self.wait(&mut backoff).await?;
                }
            }
        }
    }

    /// How many rows of the piece are in the vault, once no attempt to insert it is running any longer.
    async fn count(&self, parcel: &Parcel, identity: &Identity) -> Result<u64, StoreError> {
        #[derive(Deserialize)]
        struct Found {
            found: u64,
        }
        let first = |rows: Vec<Found>| rows.first().map_or(0, |row| row.found);
        // The store ends what runs longer than the limit it was given; this only keeps a broken one from holding us here.
        let patience = Instant::now() + Duration::from_secs(120);
        loop {
            let running = "SELECT count() AS found FROM system.processes \
                           WHERE startsWith(Settings['insert_deduplication_token'], {token:String})";
            if first(self.store.rows(running, &[("token", identity.token.clone())]).await?) == 0 {
                break;
            }
            if Instant::now() > patience {
                return Err(self.defect("keeps running an insert beyond its time limit"));
            }
            tokio::time::sleep(Duration::from_millis(250)).await;
        }
        // Rows that an erasure has masked were stored all the same.
        let sql = format!(
            "SELECT count() AS found FROM `{}` WHERE site = {{site:String}} AND day = {{day:Date}} \
             AND has({{batches:Array(UInt64)}}, batch) SETTINGS apply_deleted_mask = 0",
            parcel.table.name()
        );
        // `[1,2]`, as the engine reads an array.
        let batches = format!("{:?}", identity.values).replace(' ', "");
        let params = [("site", parcel.site.clone()), ("day", parcel.day.to_string()), ("batches", batches)];
        Ok(first(self.store.rows(&sql, &params).await?))
    }

    fn too_old(&self, parcel: &Parcel) -> bool {
        let today = self.clock.now().to_zoned(jiff::tz::TimeZone::UTC).date();
        let age = today - parcel.day;
        i64::from(age.get_days()) >= TOO_OLD_DAYS
    }

    pub(super) fn defect(&self, what: &str) -> StoreError {
        StoreError {
            class: Class::Ours,
            code: None,
            name: "defect",
            message: format!("{} {what}: nothing is sent or given up until this is understood", self.store.place()),
        }
    }

    /// Works on the dead letters; repeats it until the disk plays along.
    async fn on_disk<T: Send + 'static>(
        &self,
        parcel: &Arc<Parcel>,
        work: impl Fn(&DeadLetters, &Parcel) -> std::io::Result<T> + Send + Sync + 'static,
    ) -> Result<T, Stopped> {
        let mut backoff = Backoff::for_requests();
        let work = Arc::new(work);
        loop {
            let (letters, lent, work) = (self.letters.clone(), Arc::clone(parcel), Arc::clone(&work));
            let done = tokio::task::spawn_blocking(move || work(&letters, &lent)).await;
            match done.unwrap_or_else(|error| Err(std::io::Error::other(error))) {
                Ok(value) => return Ok(value),
                Err(error) => {
                    let message = format!("cannot write the dead letters in [data] dir: {error}. Look at its disk");
                    self.status.report(
                        parcel.topic(),
                        &StoreError { class: Class::Ours, code: None, name: "dead_letters", message },
                    );
                    self.wait(&mut backoff).await?;
                }
            }
        }
    }

    /// Waits for the next try, for news of the store, or for the end.
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

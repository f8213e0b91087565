//! From the spool to the vault: takes a round, settles each of its batches, obeys its erasures, finishes it.
//!
//! A few inserts are on their way at once; a round is finished when all of its batches are settled, so what is unsettled comes
//! again after a crash, and [`courier`] sees to it that nothing is stored twice. Nothing that the store does ends the loop:
//! it waits, says what for ([`ShipStatus`]), and the spool fills meanwhile. What has piled up is brought at a [`pace`] that
//! leaves room for the beacons of the moment. Memory: one round and the batches under way.

mod courier;
mod dead_letters;
mod decode;
mod erase;
mod house;
mod pace;
mod parcel;
mod replay;
mod room;
mod status;

use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use tokio::sync::watch;
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

pub use dead_letters::Order;
pub use replay::Told;
pub use room::LetterRoom;
pub use status::{ShipCounts, ShipStatus, Trouble};

use courier::{Brought, Courier, Stopped};
use dead_letters::DeadLetters;
use parcel::{Parcel, Unfit, together};
use status::Topic;

use super::backoff::Backoff;
use super::lease::Lease;
use super::{Class, Store, StoreError};
use crate::clock::Clock;
use crate::spool::{Batch, Outcomes, ReadError, Reader, Round, RoundLimits};

/// Inserts under way at once.
const IN_FLIGHT: usize = 4;

/// How often the lease is looked after, in real time, when nothing else happens.
const TICK: Duration = Duration::from_secs(2);

/// How long shipping may go on after the order to stop: the round under way, the rest of the spool, the last lease. What is
/// cut off is counted after the next start.
const GRACE: Duration = Duration::from_secs(2);

/// Told of orders to erase that were obeyed: how many, and how many rows they erased.
type ToldErasures = dyn Fn(u64, u64) + Send + Sync;

/// The loop between spool and vault.
pub struct Shipper {
    courier: Courier,
    lease: Lease,
    limits: RoundLimits,
    told: Option<Box<Told>>,
    erased: Option<Box<ToldErasures>>,
}

impl Shipper {
    /// A shipper; [`Shipper::run`] starts it.
    ///
    /// `wake` changes when the vault may be back (an embedded engine's generation); `stop` is cancelled when the program
    /// ends.
    pub fn new(
        vault: Store,
        node: &str,
        clock: Clock,
        dead_letters: &Path,
        wake: watch::Receiver<u64>,
        stop: CancellationToken,
    ) -> Self {
        let lease = Lease::new(vault.clone(), node, clock.clone());
        let letters = DeadLetters::new(dead_letters);
        let courier = Courier { store: vault, clock, letters, status: Arc::default(), stop, wake };
        Self { courier, lease, limits: RoundLimits::default(), told: None, erased: None }
    }

    /// The same with other limits for a round; `max_rows` is cut to what one insert may hold.
    pub fn with_limits(mut self, limits: RoundLimits) -> Self {
        self.limits = RoundLimits { max_rows: limits.max_rows.min(super::MAX_INSERT_ROWS as u64), ..limits };
        self
    }

    /// Calls this for each dead letter that was sent again or dropped on an operator's order.
    pub fn telling(mut self, told: impl Fn(Order, &str, &Outcomes) + Send + Sync + 'static) -> Self {
        self.told = Some(Box::new(told));
        self
    }

    /// Calls this after each round with orders to erase, with their number and that of the rows.
    pub fn telling_erasures(mut self, told: impl Fn(u64, u64) + Send + Sync + 'static) -> Self {
        self.erased = Some(Box::new(told));
        self
    }

    /// Counters and state, shared.
    pub fn status(&self) -> Arc<ShipStatus> {
        Arc::clone(&self.courier.status)
    }

    /// Ships until `stop` is cancelled or the spool is closed.
    ///
    /// After the order to stop it takes what the spool still holds, for [`GRACE`] at most and only while the vault takes it,
    /// and says with a last lease how far that went. Nothing should be appended any more by then. What is under way when the
    /// grace is over is resumed at the next start.
    pub async fn run(self, reader: Reader) {
        let (clock, letters) = (self.courier.clock.clone(), self.courier.letters.clone());
        let house = house::keep(clock, letters, reader.quarantine());
        tokio::select! {
            () = self.ship_all(reader) => {}
            () = house => {}
        }
    }

    async fn ship_all(mut self, mut reader: Reader) {
        let stop = self.courier.stop.clone();
        tokio::select! {
            () = self.ship_and_leave(&mut reader) => {}
            () = too_late(&stop) => {}
        }
    }

    async fn ship_and_leave(&mut self, reader: &mut Reader) {
        let settled = self.ship_until_stopped(reader).await;
        let stopping = self.courier.stop.is_cancelled();
        if settled.is_ok() && stopping && self.courier.status.trouble().is_none() {
            self.take_leave(reader).await;
        }
    }

    /// Drains the spool and writes the last lease. It says no more than any other: what was received before is in the vault.
    /// It must not say that nothing will come, since the next start takes beacons before it can take such a word back.
    async fn take_leave(&mut self, reader: &mut Reader) {
        let limits = RoundLimits { linger: Duration::ZERO, ..self.limits };
        while !reader.is_drained() {
            let Ok(Some(round)) = reader.next_round(&limits).await else { return };
            if self.ship(reader, round).await.is_err() {
                return;
            }
        }
        let now = self.courier.clock.now_ms();
        if let Err(error) = self.lease.write(reader.watermark(now)).await {
            tracing::info!(error = error.name, "could not write the last lease: windows wait for this node a while");
        }
    }

    /// An error says that something was cut off.
    async fn ship_until_stopped(&mut self, reader: &mut Reader) -> Result<(), Stopped> {
        let stop = self.courier.stop.clone();
        let mut tick = tokio::time::interval(TICK);
        tick.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
        let mut backoff = Backoff::for_requests();
        loop {
            let (begun, before) = (Instant::now(), reader.books());
            let round = tokio::select! {
                biased;
                () = stop.cancelled() => return Ok(()),
                round = reader.next_round(&self.limits) => round,
                _ = tick.tick() => {
                    tokio::select! {
                        () = stop.cancelled() => return Ok(()),
                        () = self.look_after(reader) => continue,
                    }
                }
            };
            let settled = match round {
                Ok(None) => return Ok(()),
                Ok(Some(round)) => {
                    backoff.reset();
                    self.ship(reader, round).await
                }
                Err(error) => self.spool_failed(&error, &mut backoff).await,
            };
            settled?;
            tokio::select! {
                () = stop.cancelled() => return Ok(()),
                () = self.look_after(reader) => {}
            }
            let rest = pace::rest(&before, &reader.books(), begun.elapsed());
            tokio::select! {
                () = stop.cancelled() => return Ok(()),
                () = tokio::time::sleep(rest) => {}
            }
        }
    }

    /// Settles a round and finishes it.
    async fn ship(&self, reader: &mut Reader, round: Round) -> Result<(), Stopped> {
        let counts = &self.courier.status.counts;
        let mut under_way: JoinSet<Result<Brought, Stopped>> = JoinSet::new();
        let (mut outcomes, mut landed_in_pieces) = (Outcomes::default(), Vec::new());
        let mut note = |brought: Brought| {
            outcomes.add(&brought.outcomes);
            landed_in_pieces.extend(brought.landed_in_pieces);
        };
        for batches in together(&round.batches) {
            while under_way.len() >= IN_FLIGHT {
                joined(&mut under_way).await?.map(&mut note);
            }
            let erases = |batch: &&Batch| round.tombstones.iter().any(|tombstone| tombstone.lane == batch.lane);
            let parcel = self.prepare(&batches, round.schema_version, batches.iter().any(erases)).await?;
            ShipCounts::add(&counts.lost, batches.iter().map(|batch| batch.lost_rows).sum());
            let (courier, resumed) = (self.courier.clone(), round.resumed);
            under_way.spawn(async move { courier.bring(parcel, resumed).await });
        }
        while let Some(brought) = joined(&mut under_way).await? {
            note(brought);
        }
        let mut erased = 0;
        for tombstone in &round.tombstones {
            erased += self.courier.erase(tombstone).await?;
        }
        if let Some(told) = &self.erased
            && !round.tombstones.is_empty()
        {
            told(round.tombstones.len() as u64, erased);
        }
        let mut backoff = Backoff::for_requests();
        // What the outcomes leave out of the round's rows is lost: the spool says so.
        while let Err(error) = reader.settle(&round, outcomes, erased).await {
            self.spool_failed(&error, &mut backoff).await?;
        }
        self.courier.status.clear(Topic::Spool);
        ShipCounts::add(&counts.rounds, 1);
        for parcel in landed_in_pieces {
            self.courier.tidy(&parcel).await?;
        }
        Ok(())
    }

    /// The batches, ready for the wire. Waits as long as this program does not understand it: a newer one has written it.
    async fn prepare(&self, batches: &[&Batch], schema_version: u32, thinned: bool) -> Result<Arc<Parcel>, Stopped> {
        let mut backoff = Backoff::for_requests();
        loop {
            let what = match Parcel::new(batches, schema_version, thinned) {
                Ok(parcel) => {
                    self.courier.status.clear(Topic::Spool);
                    return Ok(Arc::new(parcel));
                }
                Err(Unfit::Lane) => "a lane",
                Err(Unfit::Version) => "a schema version",
            };
            let message =
                format!("the spool holds rows of {what} that this program does not know: run the newer one again");
            self.courier
                .status
                .report(Topic::Spool, &StoreError { class: Class::Ours, code: None, name: "newer_spool", message });
            self.courier.wait(&mut backoff).await?;
        }
    }

    async fn spool_failed(&self, error: &ReadError, backoff: &mut Backoff) -> Result<(), Stopped> {
        let message = error.to_string();
        self.courier
            .status
            .report(Topic::Spool, &StoreError { class: Class::Ours, code: None, name: "spool", message });
        self.courier.wait(backoff).await
    }

    /// What there is to do between two rounds.
    async fn look_after(&mut self, reader: &Reader) {
        self.renew_lease(reader).await;
        let revived = self.courier.obey_all(&reader.open_tokens(), self.told.as_deref()).await;
        reader.replayed(revived.stored, revived.expired);
    }

    /// Renews the lease.
    async fn renew_lease(&mut self, reader: &Reader) {
        let now = self.courier.clock.now();
        match self.lease.renew(reader.watermark(now.as_millisecond())).await {
            Ok(_) => self.courier.status.clear(Topic::Lease),
            Err(error) => self.courier.status.report(Topic::Lease, &error),
        }
    }
}

/// Resolves [`GRACE`] after the order to stop.
async fn too_late(stop: &CancellationToken) {
    stop.cancelled().await;
    tokio::time::sleep(GRACE).await;
}

/// Waits for one of the batches under way; `None` when there is none.
async fn joined(under_way: &mut JoinSet<Result<Brought, Stopped>>) -> Result<Option<Brought>, Stopped> {
    match under_way.join_next().await {
        Some(Ok(brought)) => brought.map(Some),
        Some(Err(error)) if error.is_panic() => std::panic::resume_unwind(error.into_panic()),
        Some(Err(_)) => Err(Stopped),
        None => Ok(None),
    }
}

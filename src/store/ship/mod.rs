//! From the spool to the vault: reads a delivery batch, settles each of its insert batches, carries out its erasures, and
//! finishes it.
//!
//! A few inserts run at once. A delivery batch is finished when all of its inserts are settled, so unsettled rows come again
//! after a crash, and [`inserter`] makes sure that no row is stored twice. No failure of the store ends the loop: the shipper
//! waits, reports the reason ([`ShipStatus`]), and the spool fills meanwhile. A backlog is delivered at a [`pace`] that leaves
//! time for the beacons of the moment. Memory: one delivery batch and the inserts under way.

mod claims;
mod command;
mod dead_letter_admin;
mod dead_letters;
mod decode;
mod erase;
mod expire_files;
mod insert_batch;
mod inserter;
mod orders;
mod pace;
mod replay;
mod status;

use std::sync::Arc;
use std::time::{Duration, Instant};

use tokio::sync::watch;
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

pub use command::{Command, DeadLetterError};
pub use dead_letter_admin::DeadLetterAdmin;
pub use dead_letters::DeadLetters;
pub use replay::OnReplay;
pub use status::{ShipCounts, ShipStatus, Trouble};

use claims::Claims;
use insert_batch::{InsertBatch, PrepareError, group_by_insert};
use inserter::{Delivered, Inserter, Stopped};
use orders::Orders;
use status::{Cause, Topic};

use super::Store;
use super::backoff::Backoff;
use super::lease::Lease;
use crate::clock::Clock;
use crate::spool::{DeliveryBatch, DeliveryLimits, Outcomes, Progress, ReadError, Reader, Skipped, StreamBatch};

/// Inserts under way at once.
const IN_FLIGHT: usize = 4;

/// How often the lease is renewed, in real time, when nothing else happens.
const TICK: Duration = Duration::from_secs(2);

/// How long shipping may go on after `stop`: the delivery batch under way, the rest of the spool, the last lease. Rows that are
/// cut off are counted after the next start.
const GRACE: Duration = Duration::from_secs(2);

/// OnReplay of orders to erase that were executed: how many, and how many rows they erased.
type OnErasures = dyn Fn(u64, u64) + Send + Sync;

/// The loop between spool and vault.
pub struct Shipper {
    inserter: Inserter,
    lease: Lease,
    claims: Claims,
    limits: DeliveryLimits,
    on_replay: Option<Box<OnReplay>>,
    on_erasures: Option<Box<OnErasures>>,
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
        dead_letters: DeadLetters,
        wake: watch::Receiver<u64>,
        stop: CancellationToken,
    ) -> Self {
        let lease = Lease::new(vault.clone(), node, clock.clone());
        let claims = Claims::new(vault.clone(), clock.clone());
        let inserter = Inserter { store: vault, clock, dead_letters, status: Arc::default(), stop, wake };
        Self { inserter, lease, claims, limits: DeliveryLimits::default(), on_replay: None, on_erasures: None }
    }

    /// The same with other limits for a delivery batch. `max_rows` is at most what one insert may hold.
    pub fn with_limits(mut self, limits: DeliveryLimits) -> Self {
        self.limits = DeliveryLimits { max_rows: limits.max_rows.min(super::MAX_INSERT_ROWS as u64), ..limits };
        self
    }

    /// Calls this for each dead letter that was sent again or dropped on an operator's command.
    pub fn on_replay(mut self, called: impl Fn(Command, &str, &Outcomes) + Send + Sync + 'static) -> Self {
        self.on_replay = Some(Box::new(called));
        self
    }

    /// Calls this after each delivery batch with erasures, with their number and that of the erased rows.
    pub fn on_erasures(mut self, called: impl Fn(u64, u64) + Send + Sync + 'static) -> Self {
        self.on_erasures = Some(Box::new(called));
        self
    }

    /// Counters and state, shared.
    pub fn status(&self) -> Arc<ShipStatus> {
        Arc::clone(&self.inserter.status)
    }

    /// Ships until `stop` is cancelled or the spool is closed.
    ///
    /// After `stop` it delivers the rest of the spool, for [`GRACE`] at most and only while the vault accepts it. Then it writes
    /// a last lease. Nothing may be appended to the spool by then. Inserts under way at the end of the grace are resumed at
    /// the next start.
    pub async fn run(self, reader: Reader) {
        let (clock, dead_letters) = (self.inserter.clock.clone(), self.inserter.dead_letters.clone());
        let expiring = expire_files::expire_files(clock, dead_letters, reader.quarantine());
        tokio::select! {
            () = self.ship_all(reader) => {}
            () = expiring => {}
        }
    }

    async fn ship_all(mut self, mut reader: Reader) {
        let stop = self.inserter.stop.clone();
        tokio::select! {
            () = self.ship_and_drain(&mut reader) => {}
            () = grace_is_over(&stop) => {}
        }
    }

    async fn ship_and_drain(&mut self, reader: &mut Reader) {
        let settled = self.ship_until_stopped(reader).await;
        let stopping = self.inserter.stop.is_cancelled();
        if settled.is_ok() && stopping && self.inserter.status.trouble().is_none() {
            self.drain(reader).await;
        }
    }

    /// Drains the spool and writes the last lease. This lease promises what every lease promises: rows that arrived before its
    /// watermark are in the vault. It does not promise to send nothing later: after a restart the node accepts beacons before
    /// it can reach the vault to withdraw such a promise.
    async fn drain(&mut self, reader: &mut Reader) {
        reader.release_all();
        while !reader.is_drained() {
            let Ok(Some(delivery)) = reader.next_delivery(&self.limits).await else { return };
            if self.ship(reader, delivery).await.is_err() {
                return;
            }
        }
        let (now, last) = (self.inserter.clock.now_ms(), self.claims.write(reader.progress()).await);
        if last.is_err() {
            tracing::info!(
                "could not say to the vault that all has left: an older copy would count some of it as lost"
            );
        }
        if let Err(error) = self.lease.write(reader.watermark(now)).await {
            tracing::info!(error = error.name, "could not write the last lease: windows wait for this node a while");
        }
    }

    /// An error means that an insert was cut off.
    async fn ship_until_stopped(&mut self, reader: &mut Reader) -> Result<(), Stopped> {
        let stop = self.inserter.stop.clone();
        let mut tick = tokio::time::interval(TICK);
        tick.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
        let mut backoff = Backoff::for_requests();
        self.catch_up(reader).await?;
        loop {
            let (begun, before) = (Instant::now(), reader.accounting());
            let delivery = tokio::select! {
                biased;
                () = stop.cancelled() => return Ok(()),
                delivery = reader.next_delivery(&self.limits) => delivery,
                _ = tick.tick() => {
                    tokio::select! {
                        () = stop.cancelled() => return Ok(()),
                        () = self.look_after(reader) => continue,
                    }
                }
            };
            let settled = match delivery {
                Ok(None) => return Ok(()),
                Ok(Some(delivery)) => {
                    backoff.reset();
                    self.ship(reader, delivery).await
                }
                Err(error) => self.spool_failed(&error, &mut backoff).await,
            };
            settled?;
            tokio::select! {
                () = stop.cancelled() => return Ok(()),
                () = self.look_after(reader) => {}
            }
            let rest = pace::rest(&before, &reader.accounting(), begun.elapsed());
            tokio::select! {
                () = stop.cancelled() => return Ok(()),
                () = tokio::time::sleep(rest) => {}
            }
        }
    }

    /// Says to the vault what is about to be sent.
    async fn claim(&mut self, progress: Progress) -> Result<(), Stopped> {
        let mut backoff = Backoff::for_requests();
        while let Err(error) = self.claims.write(progress).await {
            self.inserter.status.report(Topic::Claim, error.into());
            self.inserter.wait(&mut backoff).await?;
        }
        self.inserter.status.clear(Topic::Claim);
        Ok(())
    }

    /// Skips what the vault had of this spool, if it had more than the spool knows. Erasures among it are carried out again.
    async fn catch_up(&mut self, reader: &mut Reader) -> Result<(), Stopped> {
        let mut backoff = Backoff::for_requests();
        let (own, known) = loop {
            let own = reader.progress();
            match self.claims.known(own.spool).await {
                Ok(known) => break (own, known),
                Err(error) => self.inserter.status.report(Topic::Claim, error.into()),
            }
            self.inserter.wait(&mut backoff).await?;
        };
        self.inserter.status.clear(Topic::Claim);
        if known.begun <= own.begun {
            return Ok(());
        }
        let orders = loop {
            match reader.tombstones_until(known.last).await {
                Ok(orders) => break orders,
                Err(error) => self.spool_failed(&error, &mut backoff).await?,
            }
        };
        for tombstone in orders::merged(&orders) {
            self.inserter.erase(&tombstone).await?;
        }
        // The rest of what was found leaves from another spool. This one, put back once more, must not send it either.
        let found = reader.progress_of_found();
        let all = Progress { begun: known.begun.max(found.begun), last: known.last.max(found.last), ..known };
        self.claim(all).await?;
        let skipped = loop {
            match reader.skip(known).await {
                Ok(skipped) => break skipped,
                Err(error) => self.spool_failed(&error, &mut backoff).await?,
            }
        };
        self.inserter.status.clear(Topic::Spool);
        let Skipped { stored, lost } = skipped;
        tracing::error!(
            stored,
            lost,
            "this spool is an older copy: the vault had more of it, which was skipped. Rows that were on their way count as lost"
        );
        Ok(())
    }

    /// Settles a delivery batch and finishes it.
    async fn ship(&mut self, reader: &mut Reader, delivery: DeliveryBatch) -> Result<(), Stopped> {
        self.claim(reader.progress()).await?;
        let counts = &self.inserter.status.counts;
        let mut under_way: JoinSet<Result<Delivered, Stopped>> = JoinSet::new();
        let (mut outcomes, mut stored_in_pieces) = (Outcomes::default(), Vec::new());
        let mut note = |delivered: Delivered| {
            outcomes.add(&delivered.outcomes);
            stored_in_pieces.extend(delivered.stored_in_pieces);
        };
        let mut dropped = 0;
        let merged = orders::merged(&delivery.tombstones);
        let orders = Orders::new(merged.iter().chain(&*delivery.of_crowd));
        for batches in group_by_insert(&delivery.batches) {
            while under_way.len() >= IN_FLIGHT {
                joined(&mut under_way).await?.map(&mut note);
            }
            let insert = self.prepare(&batches, delivery.schema_version, &orders).await?;
            dropped += insert.dropped;
            ShipCounts::add(&counts.lost, batches.iter().map(|batch| batch.lost_rows).sum());
            let (inserter, resumed) = (self.inserter.clone(), delivery.resumed);
            under_way.spawn(async move { inserter.deliver(insert, resumed).await });
        }
        while let Some(delivered) = joined(&mut under_way).await? {
            note(delivered);
        }
        let mut erased = 0;
        for tombstone in &merged {
            erased += self.inserter.erase(tombstone).await?;
        }
        if let Some(on_erasures) = &self.on_erasures
            && !delivery.tombstones.is_empty()
        {
            on_erasures(delivery.tombstones.len() as u64, dropped + erased);
        }
        let mut backoff = Backoff::for_requests();
        // Rows that have no outcome are lost; the spool counts them.
        while let Err(error) = reader.settle(&delivery, outcomes, erased).await {
            self.spool_failed(&error, &mut backoff).await?;
        }
        self.inserter.status.clear(Topic::Spool);
        ShipCounts::add(&counts.deliveries, 1);
        for insert in stored_in_pieces {
            self.inserter.tidy(&insert).await?;
        }
        Ok(())
    }

    /// Prepares an insert batch. Waits while this program does not know the stream or the schema: a newer one has written it.
    async fn prepare(
        &self,
        batches: &[&StreamBatch],
        schema_version: u32,
        orders: &Orders,
    ) -> Result<Arc<InsertBatch>, Stopped> {
        let mut backoff = Backoff::for_requests();
        loop {
            let what = match InsertBatch::new(batches, schema_version, orders) {
                Ok(insert) => {
                    self.inserter.status.clear(Topic::Spool);
                    return Ok(Arc::new(insert));
                }
                Err(PrepareError::Stream) => "a stream",
                Err(PrepareError::Schema) => "a schema version",
            };
            let message =
                format!("the spool holds rows of {what} that this program does not know: run the newer one again");
            self.inserter.status.report(Topic::Spool, Cause::needs_operator("newer_spool", message));
            self.inserter.wait(&mut backoff).await?;
        }
    }

    async fn spool_failed(&self, error: &ReadError, backoff: &mut Backoff) -> Result<(), Stopped> {
        self.inserter.status.report(Topic::Spool, Cause::needs_operator("spool", error.to_string()));
        self.inserter.wait(backoff).await
    }

    /// The work between two delivery batches.
    async fn look_after(&mut self, reader: &Reader) {
        self.renew_lease(reader).await;
        match self.claims.write(reader.progress()).await {
            Ok(()) => self.inserter.status.clear(Topic::Claim),
            Err(error) => self.inserter.status.report(Topic::Claim, error.into()),
        }
        if self.erase_early(reader).await.is_err() {
            return;
        }
        let revived = self.inserter.execute_all(&reader.open_tokens(), self.on_replay.as_deref()).await;
        reader.replayed(revived.stored, revived.expired);
    }

    /// Carries out erasures that wait behind rows, which wait for the end of their window. They are carried out once more when they come,
    /// and that counts as their execution.
    async fn erase_early(&self, reader: &Reader) -> Result<(), Stopped> {
        for tombstone in reader.take_early_tombstones().await {
            let erased = self.inserter.erase(&tombstone).await?;
            if let Some(on_erasures) = self.on_erasures.as_ref().filter(|_| erased > 0) {
                on_erasures(0, erased);
            }
            reader.erased_early(erased);
        }
        Ok(())
    }

    /// Renews the lease.
    async fn renew_lease(&mut self, reader: &Reader) {
        let now = self.inserter.clock.now();
        match self.lease.renew(reader.watermark(now.as_millisecond())).await {
            Ok(_) => self.inserter.status.clear(Topic::Lease),
            Err(error) => self.inserter.status.report(Topic::Lease, error.into()),
        }
    }
}

/// Resolves [`GRACE`] after `stop`.
async fn grace_is_over(stop: &CancellationToken) {
    stop.cancelled().await;
    tokio::time::sleep(GRACE).await;
}

/// Waits for one of the inserts under way; `None` when there is none.
async fn joined(under_way: &mut JoinSet<Result<Delivered, Stopped>>) -> Result<Option<Delivered>, Stopped> {
    match under_way.join_next().await {
        Some(Ok(delivered)) => delivered.map(Some),
        Some(Err(error)) if error.is_panic() => std::panic::resume_unwind(error.into_panic()),
        Some(Err(_)) => Err(Stopped),
        None => Ok(None),
    }
}

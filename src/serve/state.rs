//! What operations are told: whether beacons can be taken, what is not as it should be, and the figures of this moment.

use std::sync::{Arc, Mutex, PoisonError};

use tokio::sync::watch;

use super::reach::Stores;
use crate::metrics::{Metrics, RowCounts};
use crate::store::{Class, ShipStatus, Supervisor};
use crate::{admin, collect, spool};

/// What the operations' listener is told from.
pub(super) struct State {
    pub(super) metrics: Arc<Metrics>,
    pub(super) spool: spool::Writer,
    pub(super) stores: watch::Sender<Option<Stores>>,
    shipped: Mutex<Option<Arc<ShipStatus>>>,
    engines: Mutex<Vec<(&'static str, Arc<Supervisor>)>>,
}

impl State {
    /// Before the stores are there.
    pub(super) fn new(metrics: Arc<Metrics>, spool: spool::Writer) -> Arc<Self> {
        let stores = watch::Sender::new(None);
        Arc::new(Self { metrics, spool, stores, shipped: Mutex::default(), engines: Mutex::default() })
    }

    /// An engine was started.
    pub(super) fn add_engine(&self, name: &'static str, engine: Arc<Supervisor>) {
        self.engines.lock().unwrap_or_else(PoisonError::into_inner).push((name, engine));
    }

    /// Gives the engines away, to be stopped.
    pub(super) fn take_engines(&self) -> Vec<(&'static str, Arc<Supervisor>)> {
        std::mem::take(&mut self.engines.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// The shipper was started.
    pub(super) fn set_shipped(&self, status: Arc<ShipStatus>) {
        *self.shipped.lock().unwrap_or_else(PoisonError::into_inner) = Some(status);
    }

    fn engines(&self) -> Vec<(&'static str, Arc<Supervisor>)> {
        self.engines.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    fn shipped(&self) -> Option<Arc<ShipStatus>> {
        self.shipped.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

impl admin::Watch for State {
    fn not_ready(&self) -> Vec<String> {
        let usage = self.spool.usage();
        let mut reasons = Vec::new();
        match usage.health {
            spool::Health::Healthy => (),
            spool::Health::DiskFull => reasons.push("the spool's disk is full; free some room".to_owned()),
            spool::Health::Broken(how) => reasons.push(format!("the spool's disk fails: {how}")),
        }
        if !self.spool.has_space(collect::BODY_MAX) {
            reasons.push("the spool is at its quota; bring the vault back, or raise [data] spool_quota_mib".to_owned());
        }
        reasons
    }

    fn warnings(&self) -> Vec<String> {
        let mut warnings: Vec<_> = self.engines().iter().filter_map(|(_, engine)| engine.trouble()).collect();
        if self.stores.borrow().is_none() {
            warnings.push("the stores are not there yet; rows wait in the spool".to_owned());
        }
        if let Some(trouble) = self.shipped().and_then(|status| status.trouble()) {
            let since = trouble.since.elapsed().as_secs();
            let whose = match trouble.class {
                Class::Transient => "this passes by itself",
                Class::NeedsOperator | Class::Rejected => "this waits for somebody to act",
            };
            warnings.push(format!("rows wait in the spool for {since} s, {whose}: {}", trouble.message));
        }
        warnings
    }

    fn metrics(&self) -> String {
        let usage = self.spool.usage();
        self.metrics.spool_bytes.set(usage.bytes as i64);
        for (name, engine) in self.engines() {
            self.metrics.set_engine_restarts(name, engine.restarts());
        }
        self.metrics.encode(&row_counts(&usage.accounting))
    }
}

/// The row accounting as the metrics name them.
fn row_counts(accounting: &spool::RowAccounting) -> RowCounts {
    let settled = &accounting.settled;
    RowCounts {
        found: accounting.found,
        accepted: accounting.accepted,
        spooled: accounting.spooled,
        stored: settled.stored,
        dead_lettered: settled.dead_lettered,
        erased: settled.erased,
        expired: settled.expired,
        lost: settled.lost,
        erased_elsewhere: accounting.erased_elsewhere,
    }
}

//! The state that the operations' listener shows: whether beacons are accepted, what is wrong, and the current figures.

use std::collections::BTreeMap;
use std::sync::atomic::Ordering;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Instant;

use jiff::Timestamp;
use tokio::sync::watch;

use super::keys::DayKeys;
use super::reach::Stores;
use super::requests::Watched;
use super::{figures, geo, node};
use crate::clock::{Clock, ClockStatus};
use crate::enrich::GeoIp;
use crate::metrics::{Metrics, PARTS, RowCounts};
use crate::publish::NodeStates;
use crate::store::{Class, ShipStatus, Store, Supervisor};
use crate::{admin, collect, spool};

/// The sources of what the operations' listener shows.
pub(super) struct State {
    pub(super) metrics: Arc<Metrics>,
    pub(super) spool: spool::Writer,
    clock: Clock,
    geo: Arc<GeoIp>,
    requests: Watched,
    day_keys: DayKeys,
    pub(super) stores: watch::Sender<Option<Stores>>,
    /// The vault, once it is there; it does not wait for the stats store.
    pub(super) vault: watch::Sender<Option<Store>>,
    shipped: Mutex<Option<Arc<ShipStatus>>>,
    engines: Mutex<Vec<(&'static str, Arc<Supervisor>)>>,
    /// The parts behind the spool that cannot be used, with the last reason.
    pub(super) missing: watch::Sender<BTreeMap<&'static str, String>>,
    /// What the publisher of this process hears of the nodes.
    nodes: watch::Sender<NodeStates>,
    /// Why the last reload was refused.
    refused_reload: Mutex<Option<String>>,
    /// When the first window ends that is not published.
    pub(super) unpublished: watch::Sender<Option<Timestamp>>,
    began: Instant,
}

/// The name of the GeoIP files among the parts that can be missing.
pub(super) const GEO: &str = "the new GeoIP files";

impl State {
    /// Before the stores are there.
    pub(super) fn new(
        metrics: Arc<Metrics>,
        spool: spool::Writer,
        clock: Clock,
        geo: Arc<GeoIp>,
        (requests, day_keys): (Watched, DayKeys),
    ) -> Arc<Self> {
        metrics.operations.process_start.set(clock.now().as_second());
        Arc::new(Self {
            metrics,
            spool,
            clock,
            geo,
            requests,
            day_keys,
            stores: watch::Sender::new(None),
            vault: watch::Sender::new(None),
            shipped: Mutex::default(),
            engines: Mutex::default(),
            missing: watch::Sender::default(),
            refused_reload: Mutex::default(),
            unpublished: watch::Sender::new(None),
            nodes: watch::Sender::default(),
            began: Instant::now(),
        })
    }

    /// The publisher has heard the nodes.
    pub(super) fn hear(&self, nodes: NodeStates) {
        let left_behind = nodes.left_behind.len() as i64;
        for (state, count) in
            [("heard", nodes.heard.into()), ("silent", nodes.silent.into()), ("left_behind", left_behind)]
        {
            self.metrics.nodes.get_or_create(&[("state", state)]).set(count);
        }
        self.nodes.send_replace(nodes);
    }

    /// The configuration of a reload is not taken, for this reason.
    pub(super) fn set_refused_reload(&self, reason: String) {
        *self.refused_reload.lock().unwrap_or_else(PoisonError::into_inner) = Some(reason);
        self.metrics.operations.reload_refused.set(1);
    }

    /// A part behind the spool cannot be used. Whether that is news.
    pub(super) fn is_missing(&self, part: &'static str, reason: String) -> bool {
        self.missing.send_if_modified(|missing| missing.insert(part, reason.clone()).is_none_or(|last| last != reason))
    }

    /// A part behind the spool can be used.
    pub(super) fn is_there(&self, part: &'static str) {
        if self.missing.send_if_modified(|missing| missing.remove(part).is_some()) {
            tracing::info!("{part}: works again");
        }
    }

    /// The engine of a store, if one was started.
    pub(super) fn engine(&self, name: &str) -> Option<Arc<Supervisor>> {
        self.engines().into_iter().find(|(known, _)| *known == name).map(|(_, engine)| engine)
    }

    /// An engine has given up.
    pub(super) fn remove_engine(&self, name: &str) {
        self.engines.lock().unwrap_or_else(PoisonError::into_inner).retain(|(known, _)| *known != name);
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
        let used = usage.bytes.saturating_add(usage.queued_bytes).saturating_add(collect::BODY_MAX as u64);
        let has_space = self.spool.has_space(collect::BODY_MAX);
        let spool = spool_trouble(usage.health, used > usage.quota_bytes, has_space);
        // Nobody knows the day.
        let clock = self.clock.is_unknown().then(|| self.clock.status().sentence()).flatten();
        let keys = self.day_keys.trouble(self.clock.now());
        spool.into_iter().chain(clock).chain(keys).collect()
    }

    fn warnings(&self) -> Vec<String> {
        let missing = self.missing.borrow().clone();
        let is_new = |trouble: &String| !missing.values().any(|reason| reason.contains(trouble));
        let mut warnings: Vec<_> =
            self.engines().iter().filter_map(|(_, engine)| engine.trouble()).filter(is_new).collect();
        for (part, reason) in &missing {
            warnings.push(format!("{part} cannot be used, and is tried again: {reason}"));
        }
        if let status @ ClockStatus::Disputed { .. } = self.clock.status() {
            warnings.extend(status.sentence());
        }
        if let Some(reason) = &*self.refused_reload.lock().unwrap_or_else(PoisonError::into_inner) {
            warnings.push(format!("the configuration of the last reload is not in use: {reason}"));
        }
        if self.metrics.operations.proxy_untrusted.get() > 0 {
            warnings.push(
                "a proxy names its clients and is not in [server] trusted_proxies: all visitors seem to be one network"
                    .to_owned(),
            );
        }
        warnings.extend(spool_damage(&self.spool.usage()));
        warnings.extend(self.nodes.borrow().left_behind.iter().map(|node| node::left_behind(node)));
        warnings.extend(geo::warnings(&self.geo.files(), self.clock.now()));
        warnings.extend(self.requests.open_requests(self.clock.now()).warnings());
        if self.shipped().is_none() {
            warnings.push("the vault is not there yet; rows wait in the spool".to_owned());
        }
        if let Some(trouble) = self.shipped().and_then(|status| status.trouble()) {
            let since = trouble.since.elapsed().as_secs();
            let whose = match trouble.class {
                Class::Transient => "this passes by itself",
                Class::NeedsOperator | Class::Rejected => "this needs an operator",
            };
            warnings.push(format!("rows wait in the spool for {since} s, {whose}: {}", trouble.message));
        }
        warnings
    }

    fn facts(&self) -> Vec<String> {
        geo::sentences(&self.geo.files(), self.clock.now())
    }

    fn metrics(&self) -> String {
        let usage = self.spool.usage();
        self.metrics.spool_bytes.set(usage.bytes as i64);
        self.metrics.spool_late.set(usage.late.as_secs() as i64);
        self.metrics.operations.spool_oldest.set(usage.oldest.as_secs() as i64);
        self.metrics.spool_frames_lost.inner().store(usage.lost_frames, Ordering::Relaxed);
        self.metrics.spool_quarantined_files.set(usage.quarantined_files as i64);
        self.metrics.spool_quarantined_bytes.set(usage.quarantined_bytes as i64);
        self.metrics.spool_unsynced.set(usage.unsynced.into());
        self.metrics.spool_state_lost.set(usage.state_lost.into());
        self.metrics.clock_disputed.set((self.clock.status() != ClockStatus::Agreed).into());
        self.metrics.clock_offset.set(self.clock.wall_offset_s());
        self.metrics.geo_age.set(geo::age_s(&self.geo.files(), self.clock.now()));
        let requests = self.requests.open_requests(self.clock.now());
        self.metrics.set_requests(requests.counts, requests.unreadable.is_some());
        for (name, engine) in self.engines() {
            self.metrics.set_engine_restarts(name, engine.restarts());
        }
        self.set_operations();
        self.metrics.encode(&row_counts(&usage.accounting))
    }
}

impl State {
    /// Sets the metrics of what an operator must know.
    fn set_operations(&self) {
        let operations = &self.metrics.operations;
        figures::set_process(operations);
        operations.ready.set(admin::Watch::not_ready(self).is_empty().into());
        let missing = self.missing.borrow().clone();
        for part in PARTS {
            let name = if part == "geoip" { GEO } else { part };
            operations.set_unusable(part, missing.contains_key(name));
        }
        let away_since = match self.shipped() {
            Some(shipped) => shipped.trouble().map(|trouble| trouble.since),
            None => Some(self.began),
        };
        operations.vault_away.set(away_since.map_or(0, |since| since.elapsed().as_secs() as i64));
        let late = self.unpublished.borrow().map_or(0, |end| self.clock.now().as_second() - end.as_second());
        operations.windows_late.set(late.max(0));
    }
}

/// Why the spool takes no rows now. The first cause is named, and not what follows from it.
fn spool_trouble(health: spool::Health, is_at_quota: bool, has_space: bool) -> Option<String> {
    Some(match health {
        spool::Health::DiskFull => "the spool's disk is full; free some space".to_owned(),
        spool::Health::Broken(how) => format!("the spool's disk fails: {how}"),
        spool::Health::Healthy if has_space => return None,
        spool::Health::Healthy if is_at_quota => {
            "the spool is at its quota; bring the vault back, or raise [data] spool_quota_mib".to_owned()
        }
        spool::Health::Healthy => "the spool's disk is slower than what arrives; more waits than may".to_owned(),
    })
}

/// What the spool's disk has done to it since the start, or before.
fn spool_damage(usage: &spool::Usage) -> Vec<String> {
    let mut damage = Vec::new();
    if usage.lost_frames > 0 || usage.accounting.settled.lost > 0 {
        let (frames, rows) = (usage.lost_frames, usage.accounting.settled.lost);
        damage.push(format!(
            "the spool's disk has damaged {frames} frames, {rows} rows are lost so far; look at the disk"
        ));
    }
    if usage.state_lost {
        damage.push(
            "the state of the spool and its copy were gone at the start; what was in the oldest file is stored a second \
             time; look at the disk"
                .to_owned(),
        );
    }
    if usage.locked_segments > 0 {
        let segments = usage.locked_segments;
        damage.push(format!(
            "rows in {segments} files of the spool are encrypted under a key that is not in spool.key; they wait, and \
             later ones wait behind them: append the former key to spool.key and restart"
        ));
    }
    if usage.unsynced {
        damage.push(
            "rows that were found at the start could not be synced; until they are delivered a power cut may take \
             them; look at the disk"
                .to_owned(),
        );
    }
    if usage.quarantined_files > 0 {
        let (files, bytes) = (usage.quarantined_files, usage.quarantined_bytes);
        damage.push(format!("{files} damaged files or parts, {bytes} bytes, are in the spool's quarantine folder"));
    }
    damage
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::secret::Secret;

    #[test]
    fn quota_full_disk_and_disk_error_are_different_reasons() {
        let says = |health, is_at_quota, words: &str| {
            let trouble = spool_trouble(health, is_at_quota, false).expect("a reason");
            assert!(trouble.contains(words), "{trouble}");
            assert_eq!(trouble.contains("quota"), words == "quota", "{trouble}");
        };
        for is_at_quota in [false, true] {
            says(spool::Health::DiskFull, is_at_quota, "disk is full");
            says(spool::Health::Broken("EIO".into()), is_at_quota, "disk fails: EIO");
        }
        says(spool::Health::Healthy, true, "quota");
        says(spool::Health::Healthy, false, "slower");
        assert_eq!(spool_trouble(spool::Health::Healthy, true, true), None);
    }

    #[test]
    fn a_spool_whose_files_were_damaged_says_so() {
        let root = tempfile::tempdir().expect("a folder");
        let options = || spool::Options::new(1 << 20, 1, spool::Keys::new(Secret::new([7; 32]), []));
        let open = || spool::open(root.path(), options(), Arc::new(spool::Disk)).expect("opens");
        let runtime = tokio::runtime::Builder::new_current_thread().build().expect("a runtime");
        let (writer, reader, _) = open();
        assert!(spool_damage(&writer.usage()).is_empty());
        let mut frame = spool::Frame::new(spool::StreamKey::new("events").expect("a stream"));
        frame.push(b"row");
        runtime.block_on(writer.enter(0).append(vec![frame])).expect("durable");
        drop((writer, reader));
        for folder in [root.path().to_owned(), root.path().join("copy")] {
            for name in ["state-0", "state-1"] {
                std::fs::write(folder.join(name), b"noise").expect("written");
            }
        }
        std::fs::write(root.path().join("00000000000000000900.seg"), b"noise").expect("written");
        let (writer, _reader, recovery) = open();
        let damage = spool_damage(&writer.usage()).join("\n");
        assert!(recovery.state_lost && damage.contains("stored a second time"), "{damage}");
        assert!(damage.contains("1 damaged files or parts, 5 bytes"), "{damage}");
    }
}

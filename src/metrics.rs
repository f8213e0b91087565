//! Every metric: its name, its unit and its labels, in one place, in the OpenMetrics text format.
//!
//! No metric has a label for a site, an address or anything a client sent: reasons are closed lists. Counts of events obey
//! `received = accepted + dropped + rejected`, which [`Counted`] makes true: an event whose outcome nobody names is
//! rejected as `abandoned` when its guard goes. Counts of rows obey `found + accepted = spooled + stored + dead_lettered +
//! erased + expired + lost` in every answer: they are taken from the spool's books in one piece ([`RowCounts`]).

use std::sync::atomic::Ordering;
use std::sync::{Mutex, PoisonError};

use std::sync::Arc;

use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::metrics::histogram::Histogram;
use prometheus_client::registry::{Registry, Unit};

use crate::outcome::{DropReason, Rejection, SUSPICIONS};

/// A reason, by its stable name.
#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Reason {
    reason: &'static str,
}

/// What became of rows, by its stable name.
#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct State {
    state: &'static str,
}

/// A rule of the wall, by its stable name.
#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Rule {
    rule: &'static str,
}

/// One of the embedded engines.
#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Store {
    store: &'static str,
}

/// Rows by state, taken at one moment: `found + accepted` is the sum of the states.
#[derive(Clone, Copy, Debug, Default)]
pub struct RowCounts {
    /// In the spool at the start.
    pub found: u64,
    /// Made durable since.
    pub accepted: u64,
    /// `spooled`, `stored`, `dead_lettered`, `erased`, `expired`, `lost`.
    pub states: [(&'static str, u64); 6],
    /// Beside the sum.
    pub erased_elsewhere: u64,
}

/// All metrics of a process.
pub struct Metrics {
    registry: Registry,
    /// Rows are set and written in one piece, so that two who ask at once do not read each other's.
    scrape: Mutex<()>,
    received: Counter,
    accepted: Counter,
    dropped: Family<Reason, Counter>,
    rejected: Family<Reason, Counter>,
    suspect: Family<Reason, Counter>,
    /// Fields of device parts that were discarded unread, because this version does not know them.
    pub unknown_fields: Counter,
    rows_accepted: Counter,
    rows_found: Gauge,
    rows: Family<State, Gauge>,
    rows_erased_elsewhere: Gauge,
    /// Bytes of the spool's files.
    pub spool_bytes: Gauge,
    /// Bytes that the spool may take.
    pub spool_quota_bytes: Gauge,
    engine_restarts: Family<Store, Gauge>,
    wall_broken: Family<Rule, Gauge>,
    wall_unseen: Family<Rule, Gauge>,
    wall_examined: Gauge,
    /// Windows written to the stats store by this process.
    pub windows_published: Counter,
    /// Keys destroyed by this process.
    pub keys_destroyed: Counter,
    /// Keys made in the place of one that was lost within its day.
    pub keys_lost: Counter,
    /// Acts that are not in the audit log because its disk takes nothing.
    pub audit_waiting: Gauge,
    /// Seconds from the arrival of a request's head to its answer.
    pub answer_seconds: Histogram,
}

impl Default for Metrics {
    fn default() -> Self {
        let mut registry = Registry::with_prefix("tamga");
        let buckets = [0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0];
        let metrics = Self {
            registry: Registry::default(),
            scrape: Mutex::default(),
            received: Counter::default(),
            accepted: Counter::default(),
            dropped: Family::default(),
            rejected: Family::default(),
            suspect: Family::default(),
            unknown_fields: Counter::default(),
            rows_accepted: Counter::default(),
            rows_found: Gauge::default(),
            rows: Family::default(),
            rows_erased_elsewhere: Gauge::default(),
            spool_bytes: Gauge::default(),
            spool_quota_bytes: Gauge::default(),
            engine_restarts: Family::default(),
            wall_broken: Family::default(),
            wall_unseen: Family::default(),
            wall_examined: Gauge::default(),
            windows_published: Counter::default(),
            keys_destroyed: Counter::default(),
            keys_lost: Counter::default(),
            audit_waiting: Gauge::default(),
            answer_seconds: Histogram::new(buckets),
        };
        registry.register("events_received", "Events that arrived", metrics.received.clone());
        registry.register("events_accepted", "Events that were kept", metrics.accepted.clone());
        registry.register("events_dropped", "Events not kept, by reason", metrics.dropped.clone());
        registry.register("events_rejected", "Events refused, by reason", metrics.rejected.clone());
        let suspect = "Events whose sender shows a sign of automation, kept or dropped";
        registry.register("events_suspect", suspect, metrics.suspect.clone());
        let unknown = "Fields of device parts that this version does not know";
        registry.register("fields_unknown", unknown, metrics.unknown_fields.clone());
        registry.register("rows_accepted", "Rows made durable", metrics.rows_accepted.clone());
        registry.register("rows_found", "Rows in the spool at the start", metrics.rows_found.clone());
        registry.register("rows", "Rows found or accepted, by what became of them", metrics.rows.clone());
        let elsewhere = "Rows erased that were stored before the start or by another node";
        registry.register("rows_erased_elsewhere", elsewhere, metrics.rows_erased_elsewhere.clone());
        let bytes = Unit::Bytes;
        registry.register_with_unit("spool", "Size of the spool", bytes.clone(), metrics.spool_bytes.clone());
        registry.register_with_unit("spool_quota", "Allowed size", bytes, metrics.spool_quota_bytes.clone());
        registry.register("engine_restarts", "Restarts of an embedded engine", metrics.engine_restarts.clone());
        registry.register("wall_broken", "Whether a rule of the wall is broken", metrics.wall_broken.clone());
        let unseen = "Whether a rule of the wall could not be looked at";
        registry.register("wall_unseen", unseen, metrics.wall_unseen.clone());
        let examined = "When the wall was last examined";
        registry.register_with_unit("wall_examined", examined, Unit::Seconds, metrics.wall_examined.clone());
        registry.register("windows_published", "Windows published", metrics.windows_published.clone());
        registry.register("keys_destroyed", "Day keys destroyed", metrics.keys_destroyed.clone());
        registry.register("keys_lost", "Day keys that replaced a lost one", metrics.keys_lost.clone());
        let waiting = "Acts that the audit log's disk does not take";
        registry.register("audit_waiting", waiting, metrics.audit_waiting.clone());
        registry.register_with_unit(
            "answer",
            "Time from a request's head to its answer",
            Unit::Seconds,
            metrics.answer_seconds.clone(),
        );
        // Every reason shows from the start, so that an alert can tell "none" from "not measured".
        for reason in DropReason::ALL {
            drop(metrics.dropped.get_or_create(&Reason { reason: reason.name() }));
        }
        for reason in Rejection::ALL {
            drop(metrics.rejected.get_or_create(&Reason { reason: reason.name() }));
        }
        for reason in SUSPICIONS {
            drop(metrics.suspect.get_or_create(&Reason { reason }));
        }
        Self { registry, ..metrics }
    }
}

impl Metrics {
    /// The text that `/metrics` answers, with these rows.
    pub fn encode(&self, rows: &RowCounts) -> String {
        let _one_at_a_time = self.scrape.lock().unwrap_or_else(PoisonError::into_inner);
        self.set_rows(rows);
        let mut out = String::new();
        prometheus_client::encoding::text::encode(&mut out, &self.registry).expect("a String takes any text");
        out
    }

    /// Sets the rows by state, which add up to those found and accepted.
    fn set_rows(&self, rows: &RowCounts) {
        self.rows_accepted.inner().store(rows.accepted, Ordering::Relaxed);
        self.rows_found.set(rows.found as i64);
        for (state, rows) in rows.states {
            self.rows.get_or_create(&State { state }).set(rows as i64);
        }
        self.rows_erased_elsewhere.set(rows.erased_elsewhere as i64);
    }

    /// Sets how often an engine was restarted.
    pub fn set_engine_restarts(&self, store: &'static str, restarts: u64) {
        self.engine_restarts.get_or_create(&Store { store }).set(restarts as i64);
    }

    /// Sets what an examination of the wall found: the rules, and for each whether it is broken, or could not be seen.
    pub fn set_wall(&self, at: i64, rules: impl IntoIterator<Item = (&'static str, bool, bool)>) {
        for (rule, broken, unseen) in rules {
            self.wall_broken.get_or_create(&Rule { rule }).set(broken.into());
            self.wall_unseen.get_or_create(&Rule { rule }).set(unseen.into());
        }
        self.wall_examined.set(at);
    }

    /// Counts a request that was refused before its events could be counted: one rejected event.
    pub fn reject(&self, reason: Rejection) {
        self.received.inc();
        self.count_rejected(reason, 1);
    }

    /// Counts events as received; their outcome is named through the guard.
    pub fn receive(self: &Arc<Self>, events: u32) -> Counted {
        self.received.inc_by(events.into());
        Counted { metrics: self.clone(), open: events }
    }

    /// Counts events of a sender that shows a sign of automation, beside what becomes of them.
    pub fn suspect(&self, reason: &'static str, events: u32) {
        self.suspect.get_or_create(&Reason { reason }).inc_by(events.into());
    }

    fn count_rejected(&self, reason: Rejection, events: u32) {
        self.rejected.get_or_create(&Reason { reason: reason.name() }).inc_by(events.into());
    }
}

/// Events that were received and whose outcome is not yet named.
pub struct Counted {
    metrics: Arc<Metrics>,
    open: u32,
}

impl Counted {
    /// So many were kept.
    pub fn accepted(&mut self, events: u32) {
        let events = self.take(events);
        self.metrics.accepted.inc_by(events.into());
    }

    /// So many were not kept.
    pub fn dropped(&mut self, reason: DropReason, events: u32) {
        let events = self.take(events);
        self.metrics.dropped.get_or_create(&Reason { reason: reason.name() }).inc_by(events.into());
    }

    /// All that are left were refused.
    pub fn rejected(mut self, reason: Rejection) {
        let events = self.take(u32::MAX);
        self.metrics.count_rejected(reason, events);
    }

    fn take(&mut self, events: u32) -> u32 {
        let taken = events.min(self.open);
        self.open -= taken;
        taken
    }
}

impl Drop for Counted {
    fn drop(&mut self) {
        if self.open > 0 {
            self.metrics.count_rejected(Rejection::Abandoned, self.open);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn value(text: &str, name: &str) -> u64 {
        let line = text.lines().find(|line| line.starts_with(name)).expect(name);
        line.rsplit(' ').next().and_then(|value| value.parse().ok()).expect("a number")
    }

    #[test]
    fn every_received_event_has_one_outcome_even_when_nobody_names_it() {
        let metrics = Arc::new(Metrics::default());
        let mut counted = metrics.receive(5);
        counted.accepted(2);
        counted.dropped(DropReason::Duplicate, 1);
        drop(counted);
        metrics.receive(3).rejected(Rejection::SpoolFull);
        metrics.reject(Rejection::Malformed);
        let states = [("spooled", 3), ("stored", 4), ("dead_lettered", 0), ("erased", 1), ("expired", 0), ("lost", 0)];
        let text = metrics.encode(&RowCounts { found: 6, accepted: 2, states, erased_elsewhere: 0 });
        assert_eq!(value(&text, "tamga_rows_accepted_total"), 2);
        assert_eq!(value(&text, "tamga_rows{state=\"stored\"}"), 4);
        assert_eq!(value(&text, "tamga_events_received_total"), 9);
        assert_eq!(value(&text, "tamga_events_accepted_total"), 2);
        assert_eq!(value(&text, "tamga_events_dropped_total{reason=\"duplicate\"}"), 1);
        assert_eq!(value(&text, "tamga_events_rejected_total{reason=\"abandoned\"}"), 2);
        assert_eq!(value(&text, "tamga_events_rejected_total{reason=\"spool_full\"}"), 3);
        assert!(text.ends_with("# EOF\n"));
    }
}

//! Every metric, with its name, unit, labels and help text, in the OpenMetrics text format.
//!
//! No metric has a label for a site, an address or a value that a client sent: reasons are closed lists. Events are
//! counted so that `received = accepted + dropped + rejected`. [`Counted`] guarantees this: events without a named
//! outcome are rejected as `abandoned` when the guard is dropped. Rows are counted so that `found + accepted = spooled
//! + stored + dead_lettered + erased + expired + lost` in every answer: all of them are copied from the spool at one
//! moment ([`RowCounts`]).
//!
//! A number that can fall is a gauge: `stored` falls when an erasure arrives, and `dead_lettered` when rows are
//! replayed. A number that only rises within a process is a counter, `_total`. `found` is a gauge, since it is a state
//! at the start.

mod counted;
mod operations;
#[cfg(test)]
mod tests;

use std::sync::atomic::Ordering;
use std::sync::{Arc, Mutex, PoisonError};

use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::metrics::histogram::Histogram;
use prometheus_client::registry::{Metric, Registry, Unit};

pub use counted::Counted;

use crate::outcome::{DropReason, LEVELS, REASONS, Refusal, Rejection, SUSPICIONS};
use crate::requests::State;

pub use operations::{LISTENERS, Operations, PARTS};

/// Upper bounds of the histogram of durations, in seconds.
const DURATION_BUCKETS_S: [f64; 13] = [0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0];

/// One label, as name and value.
type Label = [(&'static str, &'static str); 1];

/// Rows by state, copied at one moment: `found + accepted` is the sum of the six states that follow.
#[derive(Clone, Copy, Debug, Default)]
pub struct RowCounts {
    /// In the spool at the start.
    pub found: u64,
    /// Made durable since.
    pub accepted: u64,
    /// In the spool now.
    pub spooled: u64,
    /// In the vault.
    pub stored: u64,
    /// In a file of dead letters.
    pub dead_lettered: u64,
    /// Erased after they were stored.
    pub erased: u64,
    /// Too old to be delivered.
    pub expired: u64,
    /// Damaged by the disk.
    pub lost: u64,
    /// Erased rows that an earlier process or another node had stored. They are not part of the sum.
    pub erased_elsewhere: u64,
}

/// How a metric is described in the documents.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Description {
    /// The exposed name. Of a histogram it is the name without `_bucket`, `_sum` and `_count`.
    pub name: String,
    /// `counter`, `gauge` or `histogram`.
    pub kind: String,
    /// `bytes` or `seconds`; empty for a count.
    pub unit: String,
    /// The name of the label, if the metric has one.
    pub label: Option<&'static str>,
    /// One sentence.
    pub help: &'static str,
}

/// Shows a metric with each of these values of its label from the start.
fn show<M: Default>(of: &Family<Label, M>, label: &'static str, values: impl IntoIterator<Item = &'static str>) {
    for value in values {
        drop(of.get_or_create(&[(label, value)]));
    }
}

/// All metrics of a process.
#[derive(Default)]
pub struct Metrics {
    /// Held while rows are set and written, so that concurrent scrapes do not mix their rows.
    scrape: Mutex<()>,
    /// The process, and what its operator must know.
    pub operations: Operations,
    received: Counter,
    accepted: Counter,
    dropped: Family<Label, Counter>,
    rejected: Family<Label, Counter>,
    suspect: Family<Label, Counter>,
    /// Fields of device parts that were discarded: unknown, or outside their limits.
    pub unknown_fields: Counter,
    verdicts: Family<Label, Counter>,
    verdict_reasons: Family<Label, Counter>,
    verdicts_refused: Family<Label, Counter>,
    rows_found: Gauge,
    rows_accepted: Counter,
    rows_spooled: Gauge,
    rows_stored: Gauge,
    rows_dead_lettered: Gauge,
    rows_erased: Counter,
    rows_expired: Counter,
    rows_lost: Counter,
    rows_erased_elsewhere: Counter,
    /// Size of the spool's files, in bytes.
    pub spool_bytes: Gauge,
    /// Allowed size of the spool, in bytes.
    pub spool_quota_bytes: Gauge,
    /// For how long rows have been waiting that may leave the spool, in seconds.
    pub spool_late: Gauge,
    /// Durable frames of the spool that are damaged or gone.
    pub spool_frames_lost: Counter,
    /// Files in the spool's quarantine.
    pub spool_quarantined_files: Gauge,
    /// Their bytes.
    pub spool_quarantined_bytes: Gauge,
    /// Whether a power cut may take rows that were found at the start: 0 or 1.
    pub spool_unsynced: Gauge,
    /// Whether the spool's state was lost before the start: 0 or 1.
    pub spool_state_lost: Gauge,
    engine_restarts: Family<Label, Counter>,
    wall_broken: Family<Label, Gauge>,
    wall_check_unknown: Family<Label, Gauge>,
    wall_examined: Gauge,
    /// Nodes that have leases, as the publishing node hears them.
    pub nodes: Family<Label, Gauge>,
    /// Other nodes of `[peers]`.
    pub peers: Family<Label, Gauge>,
    /// Windows that this process wrote to the stats store.
    pub windows_published: Counter,
    /// Day keys that this process destroyed.
    pub keys_destroyed: Counter,
    /// Day keys that were made because the earlier key of that day was lost.
    pub keys_lost: Counter,
    /// Entries that wait because the audit log cannot be written.
    pub audit_waiting: Gauge,
    /// Whether a clock is disputed: 0 or 1.
    pub clock_disputed: Gauge,
    /// How far the wall clock is ahead of the time that the node has kept, in seconds.
    pub clock_offset: Gauge,
    /// Age of the oldest GeoIP file, in seconds.
    pub geo_age: Gauge,
    requests: Family<Label, Gauge>,
    requests_unreadable: Gauge,
    /// Seconds from the arrival of a beacon's headers to its answer.
    pub request_duration: RequestDuration,
}

/// The histogram of request durations.
pub struct RequestDuration(Histogram);

impl Default for RequestDuration {
    fn default() -> Self {
        Self(Histogram::new(DURATION_BUCKETS_S))
    }
}

impl RequestDuration {
    /// Adds one request, in seconds.
    pub fn observe(&self, seconds: f64) {
        self.0.observe(seconds);
    }
}

impl Metrics {
    /// Registers every metric. Every reason is shown from the start, so that an alert can distinguish "none" from "not
    /// measured".
    fn register(&self) -> Registered {
        let mut all = Registered { registry: Registry::default(), descriptions: Vec::new() };
        self.register_events(&mut all);
        self.register_rows(&mut all);
        self.register_operations(&mut all);
        self.operations.register(&mut all);
        show(&self.dropped, "reason", DropReason::ALL.iter().map(|reason| reason.name()));
        show(&self.rejected, "reason", Rejection::ALL.iter().map(|reason| reason.name()));
        show(&self.suspect, "reason", SUSPICIONS);
        show(&self.verdicts, "level", LEVELS);
        show(&self.verdict_reasons, "reason", REASONS);
        show(&self.verdicts_refused, "reason", Refusal::ALL.map(Refusal::name));
        show(&self.requests, "state", State::ALL.map(|(_, state)| state));
        show(&self.nodes, "state", ["heard", "silent", "left_behind"]);
        show(&self.peers, "state", ["reachable", "away"]);
        all
    }

    fn register_events(&self, all: &mut Registered) {
        let reason = Some("reason");
        all.add("events_received", None, None, "Events that arrived", self.received.clone());
        all.add("events_accepted", None, None, "Events that were kept", self.accepted.clone());
        all.add("events_dropped", None, reason, "Events that were not kept, by reason", self.dropped.clone());
        all.add("events_rejected", None, reason, "Events that were refused, by reason", self.rejected.clone());
        let help = "Events whose sender is a suspect, kept or dropped, by the sign of automation";
        all.add("events_suspect", None, reason, help, self.suspect.clone());
        let help = "Fields of device parts that were discarded: unknown, or outside their limits";
        all.add("fields_unknown", None, None, help, self.unknown_fields.clone());
        let help = "Verdicts of account protection, by level";
        all.add("verdicts", None, Some("level"), help, self.verdicts.clone());
        let help = "Reasons of verdicts, by reason; a verdict has up to eight";
        all.add("verdict_reasons", None, reason, help, self.verdict_reasons.clone());
        let help = "Calls that got no verdict, by reason";
        all.add("verdicts_refused", None, reason, help, self.verdicts_refused.clone());
        let help = "Time from the arrival of a beacon's headers to its answer";
        all.add("http_request_duration", Some(Unit::Seconds), None, help, self.request_duration.0.clone());
    }

    fn register_rows(&self, all: &mut Registered) {
        all.add("rows_found", None, None, "Rows in the spool at the start", self.rows_found.clone());
        all.add("rows_accepted", None, None, "Rows that were made durable", self.rows_accepted.clone());
        all.add("rows_spooled", None, None, "Rows in the spool now", self.rows_spooled.clone());
        all.add("rows_stored", None, None, "Rows in the vault, found or accepted here", self.rows_stored.clone());
        let help = "Rows in dead letters; a replay moves them to stored";
        all.add("rows_dead_lettered", None, None, help, self.rows_dead_lettered.clone());
        let help = "Rows that an erasure has removed, from the vault or before they were sent";
        all.add("rows_erased", None, None, help, self.rows_erased.clone());
        all.add("rows_expired", None, None, "Rows that became too old to be delivered", self.rows_expired.clone());
        all.add("rows_lost", None, None, "Rows that the disk damaged", self.rows_lost.clone());
        let help = "Erased rows that an earlier process or another node had stored";
        all.add("rows_erased_elsewhere", None, None, help, self.rows_erased_elsewhere.clone());
    }

    fn register_operations(&self, all: &mut Registered) {
        let (bytes, seconds, rule) = (Some(Unit::Bytes), Some(Unit::Seconds), Some("rule"));
        all.add("spool", bytes.clone(), None, "Size of the spool", self.spool_bytes.clone());
        all.add("spool_quota", bytes.clone(), None, "Allowed size of the spool", self.spool_quota_bytes.clone());
        let help = "For how long rows have been waiting that may leave the spool; 0 while all that wait do so for their window";
        all.add("spool_late", Some(Unit::Seconds), None, help, self.spool_late.clone());
        let help = "Durable frames of the spool that are damaged or gone";
        all.add("spool_frames_lost", None, None, help, self.spool_frames_lost.clone());
        let help = "Files in the spool's quarantine";
        all.add("spool_quarantined_files", None, None, help, self.spool_quarantined_files.clone());
        let help = "Size of the files in the spool's quarantine";
        all.add("spool_quarantined", bytes, None, help, self.spool_quarantined_bytes.clone());
        let help = "1 if rows that were found at the start could not be synced and are not delivered: a power cut may take them";
        all.add("spool_unsynced", None, None, help, self.spool_unsynced.clone());
        let help = "1 if the spool's state was gone at the start: rows may be stored twice";
        all.add("spool_state_lost", None, None, help, self.spool_state_lost.clone());
        let help = "Restarts of an embedded engine";
        all.add("engine_restarts", None, Some("store"), help, self.engine_restarts.clone());
        all.add("wall_broken", None, rule, "1 if a rule of the wall is broken", self.wall_broken.clone());
        let help = "1 if a rule of the wall could not be checked";
        all.add("wall_check_unknown", None, rule, help, self.wall_check_unknown.clone());
        let help = "Time of the last examination of the wall, since 1970";
        all.add("wall_examined_timestamp", seconds, None, help, self.wall_examined.clone());
        let help = "1 if the wall clock, or that of a store, disagrees with the time that the node has kept";
        all.add("clock_disputed", None, None, help, self.clock_disputed.clone());
        let help = "How far the wall clock is ahead of the time that the node has kept";
        all.add("clock_offset", Some(Unit::Seconds), None, help, self.clock_offset.clone());
        let help = "Age of the oldest GeoIP file; 0 without files";
        all.add("geo_age", Some(Unit::Seconds), None, help, self.geo_age.clone());
        let help =
            "Nodes that have leases, as the publishing node hears them: heard, silent and waited for, or left behind";
        all.add("nodes", None, Some("state"), help, self.nodes.clone());
        let help = "Other nodes of [peers]: reachable, or away: the keys of days cannot be compared with theirs";
        all.add("peers", None, Some("state"), help, self.peers.clone());
        all.add("windows_published", None, None, "Windows that were published", self.windows_published.clone());
        all.add("keys_destroyed", None, None, "Day keys that were destroyed", self.keys_destroyed.clone());
        all.add("keys_lost", None, None, "Day keys that replaced a lost one", self.keys_lost.clone());
        let help = "Open written requests, by how much of their time is over";
        all.add("requests", None, Some("state"), help, self.requests.clone());
        let help = "1 if the register of written requests cannot be read";
        all.add("requests_unreadable", None, None, help, self.requests_unreadable.clone());
        let help = "Entries that wait because the audit log cannot be written";
        all.add("audit_waiting", None, None, help, self.audit_waiting.clone());
    }

    /// Every metric, in the order of [`Metrics::encode`].
    pub fn describe(&self) -> Vec<Description> {
        self.register().descriptions
    }

    /// The text that `/metrics` answers, with these rows.
    pub fn encode(&self, rows: &RowCounts) -> String {
        let _one_at_a_time = self.scrape.lock().unwrap_or_else(PoisonError::into_inner);
        self.set_rows(rows);
        let mut out = String::new();
        prometheus_client::encoding::text::encode(&mut out, &self.register().registry)
            .expect("a String takes any text");
        out
    }

    fn set_rows(&self, rows: &RowCounts) {
        for (gauge, value) in [
            (&self.rows_found, rows.found),
            (&self.rows_spooled, rows.spooled),
            (&self.rows_stored, rows.stored),
            (&self.rows_dead_lettered, rows.dead_lettered),
        ] {
            gauge.set(value as i64);
        }
        for (counter, value) in [
            (&self.rows_accepted, rows.accepted),
            (&self.rows_erased, rows.erased),
            (&self.rows_expired, rows.expired),
            (&self.rows_lost, rows.lost),
            (&self.rows_erased_elsewhere, rows.erased_elsewhere),
        ] {
            counter.inner().store(value, Ordering::Relaxed);
        }
    }

    /// Sets how often an engine was restarted since this process began.
    pub fn set_engine_restarts(&self, store: &'static str, restarts: u64) {
        self.engine_restarts.get_or_create(&[("store", store)]).inner().store(restarts, Ordering::Relaxed);
    }

    /// Sets the numbers of open written requests, in the order of [`State::ALL`]. Of a register that cannot be read the last
    /// numbers stay.
    pub fn set_requests(&self, counts: [i64; 3], is_unreadable: bool) {
        for ((_, state), count) in State::ALL.into_iter().zip(counts).filter(|_| !is_unreadable) {
            self.requests.get_or_create(&[("state", state)]).set(count);
        }
        self.requests_unreadable.set(is_unreadable.into());
    }

    /// Sets the result of an examination of the wall at `at_s`, in seconds since 1970. A rule has its name, whether it
    /// is broken, and whether it could not be checked.
    pub fn set_wall(&self, at_s: i64, rules: impl IntoIterator<Item = (&'static str, bool, bool)>) {
        for (rule, broken, unknown) in rules {
            self.wall_broken.get_or_create(&[("rule", rule)]).set(broken.into());
            self.wall_check_unknown.get_or_create(&[("rule", rule)]).set(unknown.into());
        }
        self.wall_examined.set(at_s);
    }

    /// Counts a request that was refused before its events were known, as one rejected event. Returns the reason.
    pub fn reject(&self, reason: Rejection) -> Rejection {
        self.received.inc();
        self.count_rejected(reason, 1);
        reason
    }

    /// Counts events as received. The caller names their outcomes through the guard.
    pub fn receive(self: &Arc<Self>, events: u32) -> Counted {
        self.received.inc_by(events.into());
        Counted::new(self.clone(), events)
    }

    /// Counts events of a suspect. Their outcomes are counted separately.
    pub fn suspect(&self, reason: &'static str, events: u32) {
        self.suspect.get_or_create(&[("reason", reason)]).inc_by(events.into());
    }

    /// Counts a verdict.
    pub fn verdict(&self, level: &'static str, reasons: &[&'static str]) {
        self.verdicts.get_or_create(&[("level", level)]).inc();
        for reason in reasons {
            self.verdict_reasons.get_or_create(&[("reason", *reason)]).inc();
        }
    }

    /// Counts a call that got no verdict.
    pub fn verdict_refused(&self, reason: &'static str) {
        self.verdicts_refused.get_or_create(&[("reason", reason)]).inc();
    }

    fn count_rejected(&self, reason: Rejection, events: u32) {
        self.rejected.get_or_create(&[("reason", reason.name())]).inc_by(events.into());
    }
}

/// The metrics of a process with their descriptions, in one order.
struct Registered {
    registry: Registry,
    descriptions: Vec<Description>,
}

impl Registered {
    fn add(
        &mut self,
        name: &str,
        unit: Option<Unit>,
        label: Option<&'static str>,
        help: &'static str,
        metric: impl Metric,
    ) {
        let kind = metric.metric_type().as_str().to_owned();
        let unit_name = unit.as_ref().map_or(String::new(), |unit| unit.as_str().to_owned());
        // What every process has is called the same everywhere.
        let name = if name.starts_with("process_") { name.to_owned() } else { format!("tamga_{name}") };
        let parts = [name.as_str(), &unit_name, if kind == "counter" { "total" } else { "" }];
        let name_exposed = parts.into_iter().filter(|part| !part.is_empty()).collect::<Vec<_>>().join("_");
        self.descriptions.push(Description { name: name_exposed, kind, unit: unit_name, label, help });
        match unit {
            Some(unit) => self.registry.register_with_unit(name, help, unit, metric),
            None => self.registry.register(name, help, metric),
        }
    }
}

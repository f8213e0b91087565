//! What became of the beacons that the player sent, counted by the collector's answers.

use std::collections::BTreeMap;

use http::{HeaderMap, HeaderValue, StatusCode};

use crate::world::Step;

/// What became of what was sent. Events: `sent = accepted + dropped + off + rejected` when all are answered.
#[derive(Clone, Debug, Default)]
pub(crate) struct PlayReport {
    /// Beacons that were answered, each counted once.
    pub(crate) requests: u64,
    pub(crate) events_sent: u64,
    /// Events in beacons answered `accepted`.
    pub(crate) accepted: u64,
    /// Events in beacons answered `dropped`.
    pub(crate) dropped: u64,
    /// Events in beacons answered `off`.
    pub(crate) off: u64,
    /// Events in beacons that were refused or answered without an outcome.
    pub(crate) rejected: u64,
    /// Attempts that had no answer or a 5xx.
    pub(crate) retries: u64,
    /// Beacons by the status of the final answer.
    pub(crate) statuses: BTreeMap<u16, u64>,
    /// Seconds that it took.
    pub(crate) seconds: f64,
}

impl PlayReport {
    /// Counts a final answer.
    pub(crate) fn count(&mut self, step: &Step, status: StatusCode, headers: &HeaderMap) {
        let events = u64::from(step.events);
        self.requests += 1;
        self.events_sent += events;
        *self.statuses.entry(status.as_u16()).or_default() += 1;
        let outcome = headers.get("tamga-outcome").map(HeaderValue::as_bytes);
        match outcome {
            Some(b"accepted") if status.is_success() => self.accepted += events,
            Some(b"dropped") if status.is_success() => self.dropped += events,
            Some(b"off") if status.is_success() => self.off += events,
            _ => self.rejected += events,
        }
    }

    /// Adds another report's counts; its seconds are left out, since the two may have run at once.
    pub(crate) fn add(&mut self, other: &Self) {
        self.requests += other.requests;
        self.events_sent += other.events_sent;
        self.accepted += other.accepted;
        self.dropped += other.dropped;
        self.off += other.off;
        self.rejected += other.rejected;
        self.retries += other.retries;
        for (status, count) in &other.statuses {
            *self.statuses.entry(*status).or_default() += count;
        }
    }
}

//! Events between their arrival and their outcome.

use std::sync::Arc;

use super::Metrics;
use crate::outcome::{DropReason, Rejection};

/// Events that were received and have no outcome yet.
pub struct Counted {
    metrics: Arc<Metrics>,
    open: u32,
}

impl Counted {
    pub(super) fn new(metrics: Arc<Metrics>, open: u32) -> Self {
        Self { metrics, open }
    }

    /// Counts `events` as kept.
    pub fn accepted(&mut self, events: u32) {
        let events = self.take(events);
        self.metrics.accepted.inc_by(events.into());
    }

    /// Counts `events` as not kept.
    pub fn dropped(&mut self, reason: DropReason, events: u32) {
        let events = self.take(events);
        self.metrics.dropped.get_or_create(&[("reason", reason.name())]).inc_by(events.into());
    }

    /// Counts all remaining events as refused. Returns the reason.
    pub fn rejected(&mut self, reason: Rejection) -> Rejection {
        let events = self.take(u32::MAX);
        self.metrics.count_rejected(reason, events);
        reason
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

//! The last step of ingest: makes rows durable in the spool, and then counts their beacon.
//!
//! The future continues if the client goes away. Otherwise rows that become durable a moment later would be counted as
//! refused, and the client's retry would be stored a second time. The spool's queue bounds how many such futures there
//! are.

use std::sync::Arc;
use std::sync::atomic::Ordering;

use super::contributions::Reserved;
use super::detach_on_drop::DetachOnDrop;
use super::duplicates::Claim;
use super::outcome_counts::PendingCounts;
use super::{Collector, Site};
use crate::event::Tally;
use crate::metrics::Counted;
use crate::outcome::Rejection;
use crate::pipeline::Processed;
use crate::privacy::SiteTime;
use crate::spool::{AppendError, Appended, Ticket};

/// Ends once the rows are durable, or with the reason why they are not.
pub(super) type Appending = DetachOnDrop<Result<Processed, Rejection>>;

/// A processed request whose rows are about to be appended.
pub(super) struct Append {
    pub(super) collector: Arc<Collector>,
    pub(super) time: SiteTime,
    pub(super) counted: Counted,
    pub(super) claim: Option<Claim>,
    pub(super) reserved: Option<Reserved>,
    pub(super) processed: Processed,
}

/// What is stored beside the rows of the request, and is remembered as stored afterwards.
struct Extra {
    site: Arc<str>,
    now_ms: i64,
    key_loss: Option<String>,
    pending: Option<PendingCounts>,
}

impl Append {
    /// Hands the rows to the spool. A request without rows is durable at once.
    pub(super) fn begin(mut self, site: &Site, ticket: Ticket) -> Appending {
        let extra = self.add_tallies(site.stages.rules.site.clone(), ticket.arrived_ms());
        let frames = site.streams.frames(&self.processed.kept);
        let hash = self.claim.as_ref().map(Claim::hash);
        let appended = (!frames.is_empty()).then(|| ticket.append_as(hash, frames));
        DetachOnDrop::new(async move {
            let durable = match appended {
                Some(appended) => self.collector.durable(appended).await,
                None => Ok(()),
            };
            match durable {
                Ok(()) => Ok(self.succeeded(extra)),
                Err(rejection) => Err(self.failed(extra, rejection)),
            }
        })
    }

    /// Adds the tallies that wait for the site: that a day key was lost, and the outcomes of the last minute.
    fn add_tallies(&mut self, site: Arc<str>, now_ms: i64) -> Extra {
        let SiteTime { local, window_end, .. } = self.time;
        let loss = self.collector.keys.unreported_loss(&site, local.day);
        let tally =
            |reason: String| Tally { site: site.clone(), day: local.day, window_end, reason: reason.into(), count: 1 };
        let tallies = &mut self.processed.kept.tallies;
        tallies.extend(loss.clone().map(tally));
        let pending = self.collector.outcome_counts.take_pending(&site, now_ms);
        tallies.extend(pending.iter().flat_map(PendingCounts::tallies));
        Extra { site, now_ms, key_loss: loss, pending }
    }

    /// Everything is durable: counts the events, and remembers the beacon and its visitor.
    fn succeeded(self, extra: Extra) -> Processed {
        let Self { collector, time, mut counted, claim, reserved, mut processed } = self;
        let Extra { site, now_ms, key_loss, .. } = extra;
        let note = |outcome, events| collector.outcome_counts.note(&site, time, now_ms, outcome, events);
        note("accepted", processed.accepted);
        counted.accepted(processed.accepted);
        for (reason, events) in &processed.dropped {
            note(reason.name(), *events);
            counted.dropped(*reason, *events);
        }
        collector.hours.note(&processed.kept);
        if let Some((sign, events)) = processed.suspected {
            collector.metrics.suspect(sign, events);
        }
        if let Some(cookie) = &mut processed.cookie {
            collector.running_visits.settle(cookie);
        }
        if let Some(seen) = &processed.seen {
            collector.visitors.remember(&site, seen);
        }
        if let Some(reason) = key_loss {
            collector.keys.loss_reported(&site, time.local.day, &reason);
        }
        claim.into_iter().for_each(Claim::durable);
        reserved.into_iter().for_each(Reserved::durable);
        processed
    }

    /// Nothing is stored: the beacon may be sent again, and its counts wait for the next beacon.
    fn failed(mut self, extra: Extra, rejection: Rejection) -> Rejection {
        if let Some(counts) = extra.pending {
            self.collector.outcome_counts.restore(counts, extra.now_ms);
        }
        self.counted.rejected(rejection)
    }
}

impl Collector {
    /// Waits until an append is durable.
    pub(super) async fn durable(
        &self,
        appended: impl Future<Output = Result<Appended, AppendError>>,
    ) -> Result<(), Rejection> {
        match appended.await {
            Ok(_) => {
                if self.refusing.load(Ordering::Relaxed) && self.refusing.swap(false, Ordering::Relaxed) {
                    tracing::info!("the spool takes rows again");
                }
                Ok(())
            }
            Err(error) => {
                // Logged once and not for each beacon, so that the log does not fill a disk that is already full.
                if !self.refusing.swap(true, Ordering::Relaxed) {
                    tracing::error!(%error, "beacons are answered 503 until the spool takes rows again");
                }
                Err(match error {
                    AppendError::DiskFull => Rejection::DiskFull,
                    AppendError::Full | AppendError::Overloaded => Rejection::SpoolFull,
                    _ => Rejection::SpoolBroken,
                })
            }
        }
    }
}

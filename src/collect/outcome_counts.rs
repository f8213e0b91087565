//! Outcomes of events, and verdicts of account protection, counted by site and stored as tallies once a minute.
//!
//! The counts are stored together with the rows of the next beacon. Memory and writes are bounded: a site has at most
//! one row per outcome and minute, and one per level and reason of verdicts. The counts of the last minute are lost when
//! the process dies, and those of a window that ended a day ago when the next beacon comes. They show analysts how good the
//! other numbers are, so they need not be exact.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};

use jiff::civil::Date;

use crate::event::Tally;
use crate::privacy::SiteTime;

/// How long counts are collected before they are stored.
const COLLECT_MS: i64 = 60_000;
/// How long after the end of their window they are kept: a quiet site may have its next beacon when the window is long published.
const USEFUL_MS: i64 = 86_400_000;

/// By day, end of the window (seconds since 1970), and what is counted: a kind and a word.
type Counts = BTreeMap<(Date, i64, [&'static str; 2]), u32>;

const OUTCOME: &str = "outcome";
/// A verdict's level, and each of its reasons.
const VERDICT: &str = "verdict";
const REASON: &str = "verdict_reason";

/// Counts that are not stored yet, by site.
#[derive(Default)]
pub(super) struct OutcomeCounts(Mutex<BTreeMap<Arc<str>, SiteCounts>>);

#[derive(Default)]
struct SiteCounts {
    /// When the oldest of them was counted, in milliseconds since 1970.
    since_ms: i64,
    counts: Counts,
}

/// Counts of one site that are about to be stored.
pub(super) struct PendingCounts {
    site: Arc<str>,
    counts: Counts,
}

impl OutcomeCounts {
    /// Counts the outcome of some events of a site.
    pub(super) fn note(&self, site: &Arc<str>, time: SiteTime, now_ms: i64, outcome: &'static str, events: u32) {
        if events > 0 {
            self.add(site, time, now_ms, [[OUTCOME, outcome]], events);
        }
    }

    /// Counts a verdict of a site: its level, and each of its reasons.
    pub(super) fn note_verdict(
        &self,
        site: &Arc<str>,
        time: SiteTime,
        now_ms: i64,
        level: &'static str,
        reasons: &[&'static str],
    ) {
        let reasons = reasons.iter().map(|reason| [REASON, *reason]);
        self.add(site, time, now_ms, std::iter::once([VERDICT, level]).chain(reasons), 1);
    }

    fn add(
        &self,
        site: &Arc<str>,
        time: SiteTime,
        now_ms: i64,
        what: impl IntoIterator<Item = [&'static str; 2]>,
        many: u32,
    ) {
        let mut sites = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let site_counts = sites.entry(site.clone()).or_default();
        if site_counts.counts.is_empty() {
            site_counts.since_ms = now_ms;
        }
        for what in what {
            let count = site_counts.counts.entry((time.local.day, time.window_end, what)).or_default();
            *count = count.saturating_add(many);
        }
    }

    /// Whether the oldest count of a site is a minute old.
    pub(super) fn is_pending(&self, site: &Arc<str>, now_ms: i64) -> bool {
        let sites = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        sites.get(site).is_some_and(|site_counts| site_counts.is_ready(now_ms))
    }

    /// Takes the counts of a site once the oldest is a minute old. The caller stores them, or calls [`Self::restore`].
    pub(super) fn take_pending(&self, site: &Arc<str>, now_ms: i64) -> Option<PendingCounts> {
        let mut sites = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let site_counts = sites.get_mut(site)?;
        site_counts.counts.retain(|(_, window_end, _), _| window_end * 1_000 + USEFUL_MS > now_ms);
        site_counts
            .is_ready(now_ms)
            .then(|| PendingCounts { site: site.clone(), counts: std::mem::take(&mut site_counts.counts) })
    }

    /// Takes back counts that could not be stored.
    pub(super) fn restore(&self, pending: PendingCounts, now_ms: i64) {
        let mut sites = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let site_counts = sites.entry(pending.site).or_default();
        site_counts.since_ms = now_ms;
        for (key, events) in pending.counts {
            let count = site_counts.counts.entry(key).or_default();
            *count = count.saturating_add(events);
        }
    }
}

impl SiteCounts {
    fn is_ready(&self, now_ms: i64) -> bool {
        !self.counts.is_empty() && now_ms - self.since_ms >= COLLECT_MS
    }
}

impl PendingCounts {
    /// The counts as tallies. The reason is `outcome:<name>`, `verdict:<level>` or `verdict_reason:<reason>`.
    pub(super) fn tallies(&self) -> impl Iterator<Item = Tally> {
        self.counts.iter().map(|((day, window_end, [kind, word]), count)| Tally {
            site: self.site.clone(),
            day: *day,
            window_end: *window_end,
            reason: format!("{kind}:{word}").into(),
            count: *count,
        })
    }
}

#[cfg(test)]
mod tests {
    use jiff::civil::date;

    use super::*;
    use crate::privacy::DayClock;
    use crate::privacy::cookie::LocalTime;

    fn at(window_end: i64) -> SiteTime {
        SiteTime { local: LocalTime { day: date(2026, 11, 22), minute: 0 }, clock: DayClock::default(), window_end }
    }

    #[test]
    fn counts_are_taken_once_and_after_a_minute() {
        let (outcomes, site): (OutcomeCounts, Arc<str>) = (OutcomeCounts::default(), "a.kz".into());
        outcomes.note(&site, at(0), 1_000, "accepted", 2);
        outcomes.note(&site, at(0), 2_000, "accepted", 1);
        outcomes.note(&site, at(3_600), 3_000, "duplicate", 4);
        outcomes.note(&site, at(3_600), 3_000, "objection", 0);
        assert!(outcomes.take_pending(&site, 60_999).is_none());
        let pending = outcomes.take_pending(&site, 61_000).expect("a minute is over");
        let tallies: Vec<_> =
            pending.tallies().map(|tally| (tally.window_end, tally.reason.into_owned(), tally.count)).collect();
        assert_eq!(tallies, [(0, "outcome:accepted".to_owned(), 3), (3_600, "outcome:duplicate".to_owned(), 4)]);
        assert!(outcomes.take_pending(&site, 200_000).is_none(), "the counts were taken");
        outcomes.restore(pending, 70_000);
        assert_eq!(outcomes.take_pending(&site, 130_000).expect("restored").tallies().count(), 2);
    }

    #[test]
    fn counts_of_a_window_that_ended_days_ago_are_forgotten() {
        let (outcomes, site): (OutcomeCounts, Arc<str>) = (OutcomeCounts::default(), "a.kz".into());
        for window_end in [86_400, 10 * 86_400] {
            outcomes.note(&site, at(window_end), 86_000_000, "accepted", 1);
        }
        let pending = outcomes.take_pending(&site, 10 * 86_400_000 + 1).expect("one is left");
        assert_eq!(pending.tallies().map(|tally| tally.window_end).collect::<Vec<_>>(), [10 * 86_400]);
        outcomes.note(&site, at(86_400), 86_000_000, "accepted", 1);
        assert!(outcomes.take_pending(&site, 10 * 86_400_000).is_none());
    }

    #[test]
    fn a_verdict_is_counted_by_its_level_and_by_each_reason_and_together_with_others() {
        let (outcomes, site): (OutcomeCounts, Arc<str>) = (OutcomeCounts::default(), "a.kz".into());
        outcomes.note_verdict(&site, at(0), 1_000, "high", &["bot", "rate"]);
        outcomes.note_verdict(&site, at(0), 9_000, "high", &["rate"]);
        assert!(!outcomes.is_pending(&site, 60_999) && outcomes.is_pending(&site, 61_000));
        let tallies: Vec<_> = outcomes
            .take_pending(&site, 61_000)
            .iter()
            .flat_map(PendingCounts::tallies)
            .map(|tally| (tally.reason.into_owned(), tally.count))
            .collect();
        let expected = [("verdict:high", 2), ("verdict_reason:bot", 1), ("verdict_reason:rate", 2)];
        assert_eq!(tallies, expected.map(|(reason, count)| (reason.to_owned(), count)));
    }
}

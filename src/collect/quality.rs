//! What became of events at the door, by site: counted here for a minute, then kept as tallies with the next beacon's rows.
//!
//! Memory is bounded by sites and outcomes, and so is writing: each outcome of a site is a row a minute at most. What was
//! counted since is lost with the process; these are the numbers that tell how good the others are, and they need not be exact.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};

use jiff::civil::Date;

use crate::event::Tally;
use crate::privacy::SiteTime;

/// How long counts are gathered before they are kept.
const GATHERED_MS: i64 = 60_000;

/// Counts that are not kept yet.
#[derive(Default)]
pub(super) struct Quality(Mutex<BTreeMap<Arc<str>, OfSite>>);

#[derive(Default)]
struct OfSite {
    /// When the oldest of them was counted.
    since_ms: i64,
    counts: BTreeMap<(Date, i64, &'static str), u32>,
}

/// Counts that are about to be kept.
pub(super) struct Due {
    site: Arc<str>,
    counts: BTreeMap<(Date, i64, &'static str), u32>,
}

impl Quality {
    /// Counts what became of some events of a site.
    pub(super) fn note(&self, site: &Arc<str>, time: SiteTime, now_ms: i64, outcome: &'static str, events: u32) {
        if events == 0 {
            return;
        }
        let mut sites = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let of = sites.entry(site.clone()).or_default();
        if of.counts.is_empty() {
            of.since_ms = now_ms;
        }
        let count = of.counts.entry((time.local.day, time.hour, outcome)).or_default();
        *count = count.saturating_add(events);
    }

    /// The counts of a site that have been gathered long enough. Whoever takes them keeps them, or gives them back.
    pub(super) fn due(&self, site: &Arc<str>, now_ms: i64) -> Option<Due> {
        let mut sites = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let of = sites.get_mut(site)?;
        let is_due = !of.counts.is_empty() && now_ms - of.since_ms >= GATHERED_MS;
        is_due.then(|| Due { site: site.clone(), counts: std::mem::take(&mut of.counts) })
    }

    /// Takes back what could not be kept.
    pub(super) fn give_back(&self, due: Due, now_ms: i64) {
        let mut sites = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let of = sites.entry(due.site).or_default();
        of.since_ms = now_ms;
        for (key, events) in due.counts {
            let count = of.counts.entry(key).or_default();
            *count = count.saturating_add(events);
        }
    }
}

impl Due {
    /// As they are kept.
    pub(super) fn tallies(&self) -> impl Iterator<Item = Tally> {
        self.counts.iter().map(|((day, hour, outcome), count)| Tally {
            site: self.site.clone(),
            day: *day,
            hour: *hour,
            reason: format!("outcome:{outcome}"),
            count: *count,
        })
    }
}

#[cfg(test)]
mod tests {
    use jiff::civil::date;

    use super::*;
    use crate::privacy::cookie::LocalTime;

    fn at(hour: i64) -> SiteTime {
        SiteTime { local: LocalTime { day: date(2026, 11, 22), minute: 0 }, hour }
    }

    #[test]
    fn counts_are_kept_once_and_after_a_minute() {
        let (quality, site): (Quality, Arc<str>) = (Quality::default(), "a.kz".into());
        quality.note(&site, at(0), 1_000, "accepted", 2);
        quality.note(&site, at(0), 2_000, "accepted", 1);
        quality.note(&site, at(3_600), 3_000, "duplicate", 4);
        quality.note(&site, at(3_600), 3_000, "objection", 0);
        assert!(quality.due(&site, 60_999).is_none());
        let due = quality.due(&site, 61_000).expect("a minute is over");
        let tallies: Vec<_> = due.tallies().map(|tally| (tally.hour, tally.reason, tally.count)).collect();
        assert_eq!(tallies, [(0, "outcome:accepted".to_owned(), 3), (3_600, "outcome:duplicate".to_owned(), 4)]);
        assert!(quality.due(&site, 200_000).is_none(), "they are taken");
        quality.give_back(due, 70_000);
        assert_eq!(quality.due(&site, 130_000).expect("given back").tallies().count(), 2);
    }
}

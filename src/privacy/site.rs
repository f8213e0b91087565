//! What the rules of a site's privacy depend on: its policy, its paths, and its own time.

use std::sync::Arc;

use jiff::Timestamp;

use super::cookie::LocalTime;
use super::pairs::Pair;
use super::scrub::PathRules;
use crate::items::Items;
use crate::window::Schedule;

/// What this module needs to know about a site.
pub struct SiteRules {
    /// Its domain as configured.
    pub site: Arc<str>,
    /// Its windows, in its own time.
    pub schedule: Schedule,
    /// What its policy lists.
    pub items: Items,
    /// The version of the policy that consent is given to; empty when the operator does not say.
    pub policy_version: String,
    /// Its visitors are distinguished. Otherwise only views are published, and nothing is kept apart.
    pub counts_visitors: bool,
    /// The declared pairs of dimensions that have rows of their own.
    pub pairs: Vec<Pair>,
    /// How its paths become templates.
    pub paths: PathRules,
}

/// A moment in the site's own time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SiteTime {
    /// Day and minute.
    pub local: LocalTime,
    /// The end of the publishing window, in seconds since 1970: the only time that rows have.
    pub window_end: i64,
}

impl SiteRules {
    /// A moment in the site's own time.
    pub fn time(&self, at: Timestamp) -> SiteTime {
        let offset = self.schedule.zone().to_offset(at);
        let local = offset.to_datetime(at);
        let minute = i16::from(local.hour()) * 60 + i16::from(local.minute());
        let window_end = self.schedule.end_s(at, offset, local);
        SiteTime { local: LocalTime { day: local.date(), minute: minute.unsigned_abs() }, window_end }
    }
}

#[cfg(test)]
mod tests {
    use jiff::civil::date;

    use super::super::tests::rules;
    use super::*;

    #[test]
    fn the_site_s_day_and_window_are_its_own() {
        let time = rules("jetpay").time("2026-11-22T19:59:59Z".parse().expect("a time"));
        assert_eq!(time.local, LocalTime { day: date(2026, 11, 23), minute: 59 });
        assert_eq!(Timestamp::from_second(time.window_end).expect("in range").to_string(), "2026-11-23T19:00:00Z");
    }
}

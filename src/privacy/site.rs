//! What the rules of a site's privacy depend on: its policy, its paths, and its own time.

use std::sync::Arc;

use jiff::Timestamp;
use jiff::civil::DateTime;

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
    /// How the day's clock goes.
    pub clock: DayClock,
    /// The end of the publishing window, in seconds since 1970: the only time that rows have.
    pub window_end: i64,
}

/// How the clock of a day goes, which shows the minutes since midnight until it is changed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct DayClock {
    /// The minute of the day from which the clock differs, and by how many minutes.
    changed: Option<(u16, i16)>,
}

impl DayClock {
    /// What the clock shows at a minute of the day, in minutes.
    pub fn shown_at(self, minute: u16) -> u16 {
        match self.changed {
            Some((from, by)) if minute >= from => minute.saturating_add_signed(by),
            _ => minute,
        }
    }
}

impl SiteRules {
    /// A moment in the site's own time.
    pub fn time(&self, at: Timestamp) -> SiteTime {
        let zone = self.schedule.zone();
        let offset = zone.to_offset(at);
        let local = offset.to_datetime(at);
        let shown = (i16::from(local.hour()) * 60 + i16::from(local.minute())).unsigned_abs();
        let window_end = self.schedule.end_s(at, offset, local);
        // Where no clock was changed since midnight, the minutes that it shows have passed.
        let midnight = Timestamp::from_second(at.as_second() - i64::from(shown) * 60 - i64::from(local.second()));
        let unchanged = midnight.is_ok_and(|midnight| zone.to_offset(midnight) == offset);
        let (minute, clock) = if unchanged { (shown, DayClock::default()) } else { self.changed(at, local, shown) };
        SiteTime { local: LocalTime { day: local.date(), minute }, clock, window_end }
    }

    /// The minute of a day whose clock was changed, and how its clock goes.
    fn changed(&self, at: Timestamp, local: DateTime, shown: u16) -> (u16, DayClock) {
        let start = self.schedule.day_start(local.date());
        let since = |from: Timestamp, to: Timestamp| {
            u16::try_from((to.as_second() - from.as_second()) / 60).unwrap_or_default()
        };
        let minute = since(start, at);
        let change = self.schedule.zone().preceding(at).next().map_or(start, |change| change.timestamp());
        let by = i32::from(shown) - i32::from(minute);
        let changed = Some((since(start, change.max(start)), i16::try_from(by).unwrap_or_default()));
        (minute, DayClock { changed })
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
        assert_eq!(time.clock, DayClock::default());
        assert_eq!(Timestamp::from_second(time.window_end).expect("in range").to_string(), "2026-11-23T19:00:00Z");
    }

    #[test]
    fn a_minute_of_the_day_has_passed_whatever_the_clock_shows() {
        for (zone, at, day, minute, shown) in [
            ("Europe/Berlin", "2027-03-28T00:58:45Z", date(2027, 3, 28), 118, 118),
            ("Europe/Berlin", "2027-03-28T01:00:40Z", date(2027, 3, 28), 120, 180),
            ("Europe/Berlin", "2027-03-28T21:59:00Z", date(2027, 3, 28), 1379, 1439),
            ("Europe/Berlin", "2026-10-25T00:30:00Z", date(2026, 10, 25), 150, 150),
            ("Europe/Berlin", "2026-10-25T01:30:00Z", date(2026, 10, 25), 210, 150),
            ("Europe/Berlin", "2026-10-25T22:59:00Z", date(2026, 10, 25), 1499, 1439),
            // The clock goes from 00:00 to 01:00: the day begins at one.
            ("Africa/Cairo", "2026-04-23T22:10:00Z", date(2026, 4, 24), 10, 70),
            ("Australia/Lord_Howe", "2026-04-04T15:10:00Z", date(2026, 4, 5), 130, 100),
            ("Asia/Almaty", "2026-11-22T06:20:30Z", date(2026, 11, 22), 680, 680),
        ] {
            let mut rules = rules("jetpay");
            rules.schedule = Schedule::new(zone, 24 * 60).expect("bundled");
            let time = rules.time(at.parse().expect("a time"));
            assert_eq!(time.local, LocalTime { day, minute }, "{zone} {at}");
            assert_eq!(time.clock.shown_at(minute), shown, "{zone} {at}");
            assert_eq!(time.clock.shown_at(0), if zone == "Africa/Cairo" { 60 } else { 0 });
        }
    }

    proptest::proptest! {
        #[test]
        fn minutes_of_a_day_never_go_back(seconds in 1_767_225_600_i64..1_830_297_600, pause in 0_i64..90_000) {
            let mut rules = rules("jetpay");
            for zone in ["Europe/Berlin", "America/New_York", "Africa/Cairo", "Antarctica/Troll", "Asia/Almaty"] {
                rules.schedule = Schedule::new(zone, 24 * 60).expect("bundled");
                let [first, next] = [seconds, seconds + pause].map(|second| rules.time(Timestamp::from_second(second).expect("in range")));
                if first.local.day == next.local.day {
                    let passed = i64::from(next.local.minute) - i64::from(first.local.minute);
                    proptest::prop_assert!((passed * 60 - pause).abs() < 60, "{} {} {}", zone, seconds, pause);
                    proptest::prop_assert_eq!(first.clock.shown_at(0), next.clock.shown_at(0));
                }
            }
        }
    }
}

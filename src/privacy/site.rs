//! What the rules of a site's privacy depend on: its policy, its paths, and its own time.

use std::sync::Arc;

use jiff::tz::TimeZone;
use jiff::{RoundMode, Timestamp, Unit, ZonedRound};

use super::cookie::LocalTime;
use super::scrub::PathRules;
use crate::items::Items;

/// What this module needs to know about a site.
pub struct SiteRules {
    /// Its domain as configured.
    pub site: Arc<str>,
    /// Its zone.
    pub zone: TimeZone,
    /// What its policy lists.
    pub items: Items,
    /// The version of the policy that consent is given to; empty when the operator does not say.
    pub policy_version: String,
    /// How long its publishing windows are within a day.
    pub window_minutes: u16,
    /// How its paths become templates.
    pub paths: PathRules,
}

/// A moment in the site's own time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SiteTime {
    /// Day and minute.
    pub local: LocalTime,
    /// The start of the site-local hour, in seconds since 1970.
    pub hour: i64,
}

impl SiteRules {
    /// A moment in the site's own time.
    pub fn time(&self, at: Timestamp) -> SiteTime {
        let offset = self.zone.to_offset(at);
        let local = offset.to_datetime(at);
        let past_hour = i64::from(local.minute()) * 60 + i64::from(local.second());
        let floor = Timestamp::from_second(at.as_second() - past_hour).unwrap_or(at);
        // Only where the zone's offset changes within this very hour is its start more than a subtraction.
        let hour = if self.zone.to_offset(floor) == offset {
            floor.as_second()
        } else {
            let round = ZonedRound::new().smallest(Unit::Hour).mode(RoundMode::Trunc);
            at.to_zoned(self.zone.clone()).round(round).map_or(at.as_second(), |hour| hour.timestamp().as_second())
        };
        let minute = i16::from(local.hour()) * 60 + i16::from(local.minute());
        SiteTime { local: LocalTime { day: local.date(), minute: minute.unsigned_abs() }, hour }
    }
}

#[cfg(test)]
mod tests {
    use jiff::civil::date;

    use super::super::tests::rules;
    use super::*;

    proptest::proptest! {
        #[test]
        fn an_hour_begins_where_the_calendar_says(second in 1_700_000_000..1_900_000_000_i64, zone in 0..5_usize, near in -7200..7200_i64) {
            let names = ["Asia/Almaty", "Asia/Kathmandu", "Australia/Lord_Howe", "America/New_York", "Africa/Casablanca"];
            let zone = TimeZone::get(names[zone]).expect("a zone");
            let at = Timestamp::from_second(second).expect("in range");
            // Near a change of the zone's offset, where there is one.
            let change = zone.following(at).next().map_or(second, |change| change.timestamp().as_second());
            for at in [second, change + near] {
                let at = Timestamp::from_second(at).expect("in range");
                let zoned = at.to_zoned(zone.clone());
                let round = ZonedRound::new().smallest(Unit::Hour).mode(RoundMode::Trunc);
                let time = SiteRules { zone: zone.clone(), ..rules("jetpay") }.time(at);
                proptest::prop_assert_eq!(time.hour, zoned.round(round).expect("in range").timestamp().as_second());
                proptest::prop_assert_eq!(time.local.day, zoned.date());
                proptest::prop_assert_eq!(time.local.minute, zoned.hour() as u16 * 60 + zoned.minute() as u16);
            }
        }
    }

    #[test]
    fn the_site_s_day_and_hour_are_its_own() {
        let time = rules("jetpay").time("2026-11-22T19:59:59Z".parse().expect("a time"));
        assert_eq!(time.local, LocalTime { day: date(2026, 11, 23), minute: 59 });
        assert_eq!(Timestamp::from_second(time.hour).expect("in range").to_string(), "2026-11-22T19:00:00Z");
    }
}

//! The windows of a site: the stretches of time that are published once.
//!
//! Windows follow the site's local time: a divisor of 24 hours from midnight, or 7 days from Monday. They have no gaps and never
//! overlap, also where the clock changes: days of 23 and 25 hours are split at the same local hours, a local hour that comes
//! twice belongs to one window, and a window whose hours are skipped does not exist.

use jiff::Timestamp;
use jiff::civil::{Date, DateTime, Weekday};
use jiff::tz::{Offset, TimeZone};

/// How a site's time is divided into windows.
#[derive(Clone, Debug)]
pub struct Schedule {
    zone: TimeZone,
    minutes: u32,
}

/// One stretch of time, without its end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Window {
    pub start: Timestamp,
    /// The first moment after it.
    pub end: Timestamp,
    /// The local day of its first moment.
    pub first_day: Date,
    /// The local day of its last moment.
    pub last_day: Date,
}

/// The first day of a day's ISO week.
pub fn monday(day: Date) -> Date {
    day.checked_sub(jiff::Span::new().days(day.weekday().since(Weekday::Monday))).unwrap_or(day)
}

const DAY_MINUTES: u32 = 24 * 60;
const WEEK_MINUTES: u32 = 7 * DAY_MINUTES;

impl Schedule {
    /// The windows of `publish_every` in a time zone by its IANA name; both come from a checked configuration.
    pub fn new(time_zone: &str, publish_minutes: u32) -> Result<Self, jiff::Error> {
        Ok(Self { zone: TimeZone::get(time_zone)?, minutes: publish_minutes })
    }

    /// Its time zone.
    pub fn zone(&self) -> &TimeZone {
        &self.zone
    }

    /// How long windows are, in minutes.
    pub fn minutes(&self) -> u32 {
        self.minutes
    }

    /// How long windows are within a day, in minutes.
    pub fn minutes_of_day(&self) -> u16 {
        self.minutes.min(DAY_MINUTES) as u16
    }

    /// When the window that contains a time ends, in seconds since 1970. `local` is that time in its zone, whose offset is `offset`.
    pub fn end_s(&self, at: Timestamp, offset: Offset, local: DateTime) -> i64 {
        let into_day = i64::from(local.hour()) * 3600 + i64::from(local.minute()) * 60 + i64::from(local.second());
        let length = i64::from(self.minutes_of_day()).max(60) * 60;
        let days = if self.is_weekly() { 6 - local.weekday().to_monday_zero_offset() } else { 0 };
        let end = at.as_second() + length - into_day % length + i64::from(days) * 86_400;
        // Only where the zone's offset changes before the end is it more than an addition.
        let is_sure = Timestamp::from_second(end).is_ok_and(|end| self.zone.to_offset(end) == offset);
        if is_sure { end } else { self.containing(at).end.as_second() }
    }

    /// Its hours, if windows are longer than an hour and at most a day: they are published before the window ends.
    pub fn hours(&self) -> Option<Self> {
        (61..=DAY_MINUTES).contains(&self.minutes).then(|| Self { zone: self.zone.clone(), minutes: 60 })
    }

    /// Whether windows are days.
    pub fn is_daily(&self) -> bool {
        self.minutes == DAY_MINUTES
    }

    /// Whether windows have 7 days. Then visitors are counted by stricter rules.
    pub fn is_weekly(&self) -> bool {
        self.minutes == WEEK_MINUTES
    }

    /// The window that contains a time.
    pub fn containing(&self, moment: Timestamp) -> Window {
        let day = self.local_day(moment);
        let (first, next) = if self.is_weekly() {
            let monday = monday(day);
            (monday, monday.checked_add(jiff::Span::new().days(7)).unwrap_or(Date::MAX))
        } else {
            (day, day.tomorrow().unwrap_or(Date::MAX))
        };
        let mut start = self.begins(first, 0);
        let mut end = self.begins(next, 0);
        if !self.is_weekly() {
            for hour in (0..24).step_by((self.minutes / 60).max(1) as usize) {
                let cut = self.begins(day, hour);
                if cut <= moment {
                    start = start.max(cut);
                } else {
                    end = end.min(cut);
                    break;
                }
            }
        }
        self.window(start, end)
    }

    /// The window after the last published one, which ended at `end`. If the schedule was changed it may begin inside a
    /// scheduled window, so that no time is published twice or left out.
    pub fn after(&self, end: Timestamp) -> Window {
        self.window(end, self.containing(end).end)
    }

    /// The first moment of a local day.
    pub fn day_start(&self, day: Date) -> Timestamp {
        self.begins(day, 0)
    }

    /// The first moment after a local day.
    pub fn day_end(&self, day: Date) -> Timestamp {
        self.begins(day.tomorrow().unwrap_or(Date::MAX), 0)
    }

    fn window(&self, start: Timestamp, end: Timestamp) -> Window {
        let last = Timestamp::from_nanosecond(end.as_nanosecond() - 1).unwrap_or(end);
        Window { start, end, first_day: self.local_day(start), last_day: self.local_day(last) }
    }

    fn local_day(&self, moment: Timestamp) -> Date {
        self.zone.to_datetime(moment).date()
    }

    /// When a local hour of a day begins. If the hour comes twice: the first. If it is skipped: the time of the change.
    fn begins(&self, day: Date, hour: i8) -> Timestamp {
        let ambiguous = self.zone.to_ambiguous_timestamp(day.at(hour, 0, 0, 0));
        ambiguous.compatible().unwrap_or(Timestamp::MAX)
    }
}

#[cfg(test)]
mod tests {
    use jiff::civil::date;
    use proptest::prelude::*;

    use super::*;

    fn at(text: &str) -> Timestamp {
        text.parse().expect("a timestamp")
    }

    fn day(zone: &str, minutes: u32, first: Timestamp, last: Timestamp) -> Vec<i64> {
        let schedule = Schedule::new(zone, minutes).expect("a known zone");
        let mut hours = Vec::new();
        let mut window = schedule.containing(first);
        assert_eq!(window.start, first);
        while window.end <= last {
            hours.push((window.end.as_second() - window.start.as_second()) / 3600);
            window = schedule.after(window.end);
        }
        hours
    }

    #[test]
    fn a_day_of_24_hours_is_divided_from_local_midnight() {
        let (first, last) = (at("2026-11-20T19:00:00Z"), at("2026-11-21T19:00:00Z"));
        assert_eq!(day("Asia/Almaty", 24 * 60, first, last), [24]);
        assert_eq!(day("Asia/Almaty", 6 * 60, first, last), [6, 6, 6, 6]);
    }

    #[test]
    fn days_of_23_and_25_hours_are_divided_at_the_same_local_hours() {
        let (spring, after_spring) = (at("2026-03-28T23:00:00Z"), at("2026-03-29T22:00:00Z"));
        assert_eq!(day("Europe/Berlin", 24 * 60, spring, after_spring), [23]);
        assert_eq!(day("Europe/Berlin", 6 * 60, spring, after_spring), [5, 6, 6, 6]);
        assert_eq!(day("Europe/Berlin", 60, spring, after_spring), vec![1; 23]);
        let (autumn, after_autumn) = (at("2026-10-24T22:00:00Z"), at("2026-10-25T23:00:00Z"));
        assert_eq!(day("Europe/Berlin", 24 * 60, autumn, after_autumn), [25]);
        let hours = day("Europe/Berlin", 60, autumn, after_autumn);
        assert_eq!((hours.len(), hours[2]), (24, 2));
    }

    #[test]
    fn a_midnight_that_does_not_exist_is_the_time_of_the_change() {
        let schedule = Schedule::new("Africa/Cairo", 24 * 60).expect("a known zone");
        let window = schedule.containing(at("2026-04-24T10:00:00Z"));
        assert_eq!(window.start, at("2026-04-23T22:00:00Z"));
        assert_eq!((window.end.as_second() - window.start.as_second()) / 3600, 23);
        assert_eq!((window.first_day, window.last_day), (date(2026, 4, 24), date(2026, 4, 24)));
    }

    #[test]
    fn a_week_begins_on_monday() {
        let schedule = Schedule::new("Asia/Almaty", WEEK_MINUTES).expect("a known zone");
        let window = schedule.containing(at("2026-11-22T03:00:00Z"));
        assert_eq!((window.first_day, window.last_day), (date(2026, 11, 16), date(2026, 11, 22)));
    }

    #[test]
    fn a_changed_schedule_continues_where_the_old_one_ended() {
        let schedule = Schedule::new("Asia/Almaty", WEEK_MINUTES).expect("a known zone");
        let window = schedule.after(at("2026-11-18T19:00:00Z"));
        assert_eq!((window.first_day, window.last_day), (date(2026, 11, 19), date(2026, 11, 22)));
    }

    proptest! {
        #[test]
        fn every_time_is_in_exactly_one_window(
            second in 0i64..4_000_000_000,
            near in -9_000i64..9_000,
            zone in prop::sample::select(vec!["Asia/Almaty", "Europe/Berlin", "Africa/Cairo", "America/Havana",
                "America/Asuncion", "Asia/Kathmandu", "Australia/Lord_Howe", "Pacific/Apia", "UTC"]),
            minutes in prop::sample::select(vec![60u32, 120, 180, 240, 360, 480, 720, 1440, WEEK_MINUTES]),
        ) {
            let schedule = Schedule::new(zone, minutes).expect("a known zone");
            let moment = Timestamp::from_second(second).expect("in range");
            let window = schedule.containing(moment);
            prop_assert!(window.start <= moment && moment < window.end);
            prop_assert_eq!(schedule.containing(window.start), window);
            // Also near a change of the zone's offset, where there is one.
            let change = schedule.zone().following(moment).next();
            let near = change.and_then(|change| Timestamp::from_second(change.timestamp().as_second() + near).ok());
            for at in [Some(moment), near].into_iter().flatten() {
                let offset = schedule.zone().to_offset(at);
                let end = schedule.end_s(at, offset, offset.to_datetime(at));
                prop_assert_eq!(end, schedule.containing(at).end.as_second());
            }
            let next = schedule.after(window.end);
            prop_assert!(next.start == window.end && next.end > next.start);
            prop_assert_eq!(schedule.containing(next.start), next);
        }
    }
}

//! When the windows of the sites end, for the spool.

use std::collections::BTreeSet;

use jiff::Timestamp;

use crate::clock::Clock;
use crate::config::Config;
use crate::spool::Windows;
use crate::window::Schedule;

/// The schedules of all sites.
pub(super) struct WindowEnds {
    clock: Clock,
    schedules: Vec<Schedule>,
}

impl WindowEnds {
    /// The schedules of a checked configuration.
    pub(super) fn new(config: &Config, clock: Clock) -> anyhow::Result<Self> {
        let distinct: BTreeSet<(&str, u32)> =
            config.sites.iter().filter_map(|site| Some((site.time_zone.as_str(), site.publish_minutes()?))).collect();
        let schedules = distinct.into_iter().map(|(zone, minutes)| Schedule::new(zone, minutes));
        Ok(Self { clock, schedules: schedules.collect::<Result<_, _>>()? })
    }
}

impl Windows for WindowEnds {
    fn now_ms(&self) -> i64 {
        self.clock.now_ms()
    }

    /// Of a longer window the end of the day: rows have their day.
    fn around(&self, at_ms: i64) -> (i64, i64) {
        let Ok(at) = Timestamp::from_millisecond(at_ms) else { return (at_ms, at_ms) };
        let around = |schedule: &Schedule| {
            let window = schedule.containing(at);
            let day = schedule.zone().to_datetime(at).date();
            (window.start.max(schedule.day_start(day)), window.end.min(schedule.day_end(day)))
        };
        let inner = |one: (Timestamp, Timestamp), two: (Timestamp, Timestamp)| (one.0.max(two.0), one.1.min(two.1));
        let around = self.schedules.iter().map(around).reduce(inner);
        around.map_or((at_ms, at_ms), |(begin, end)| (begin.as_millisecond(), end.as_millisecond()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_end_counts_and_of_a_week_the_day() {
        let ms = |text: &str| text.parse::<Timestamp>().unwrap().as_millisecond();
        let at = "2026-11-22T10:20:00Z".parse().unwrap();
        let ends = |schedules: &[(&str, u32)]| {
            let schedules = schedules.iter().map(|(zone, minutes)| Schedule::new(zone, *minutes).unwrap());
            WindowEnds { clock: Clock::simulated(at), schedules: schedules.collect() }
        };
        let at = at.as_millisecond();
        let almaty = (ms("2026-11-21T19:00:00Z"), ms("2026-11-22T19:00:00Z"));
        assert_eq!(ends(&[("Asia/Almaty", 1_440)]).around(at), almaty);
        assert_eq!(ends(&[("Asia/Almaty", 10_080)]).around(at), almaty);
        let [six, noon, evening] = [6, 12, 18].map(|hour| ms(&format!("2026-11-22T{hour:02}:00:00Z")));
        assert_eq!(ends(&[("Asia/Almaty", 1_440), ("UTC", 360)]).around(at), (six, noon));
        assert_eq!(ends(&[("UTC", 360)]).around(noon), (noon, evening));
        assert_eq!(ends(&[]).now_ms(), at);
    }
}

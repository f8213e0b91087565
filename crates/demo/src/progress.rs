//! Shows the progress of the demo: a bar on a terminal, a line every few seconds elsewhere.

use std::io::{IsTerminal, Write};
use std::time::{Duration, Instant};

use indicatif::{ProgressBar, ProgressStyle};
use jiff::Timestamp;
use jiff::tz::TimeZone;

/// The time between two plain lines.
const LINE_EVERY: Duration = Duration::from_secs(5);

/// Shows progress on standard error.
pub(crate) struct Progress {
    display: Display,
    time_zone: TimeZone,
    start: Timestamp,
    began: Instant,
}

enum Display {
    Bar(ProgressBar),
    Lines { last: Instant },
}

impl Progress {
    /// Shows the way from `start` to `end`: a bar if standard error is a terminal, else lines.
    pub(crate) fn new(start: Timestamp, end: Timestamp, time_zone: TimeZone) -> Self {
        let display = if std::io::stderr().is_terminal() {
            let style = ProgressStyle::with_template("{bar:30.cyan/blue} {msg}").expect("the template is constant");
            Display::Bar(ProgressBar::new(seconds_between(start, end)).with_style(style))
        } else {
            Display::Lines { last: Instant::now() }
        };
        Self { display, time_zone, start, began: Instant::now() }
    }

    /// Shows that the simulated time is `at` and how many events were sent.
    pub(crate) fn show(&mut self, at: Timestamp, events: u64) {
        match &mut self.display {
            Display::Bar(bar) => {
                bar.set_position(seconds_between(self.start, at));
                bar.set_message(message(at, &self.time_zone, events, self.began.elapsed()));
            }
            Display::Lines { last } => {
                if last.elapsed() >= LINE_EVERY {
                    *last = Instant::now();
                    line(&message(at, &self.time_zone, events, self.began.elapsed()));
                }
            }
        }
    }

    /// Replaces the bar by a last line.
    pub(crate) fn finish(&mut self, at: Timestamp, events: u64) {
        match &self.display {
            Display::Bar(bar) => bar.finish_and_clear(),
            Display::Lines { .. } => {}
        }
        line(&message(at, &self.time_zone, events, self.began.elapsed()));
    }
}

/// Prints a line. An error of standard error is ignored: progress is not important.
fn line(text: &str) {
    let _ = writeln!(std::io::stderr(), "{text}");
}

fn message(at: Timestamp, time_zone: &TimeZone, events: u64, took: Duration) -> String {
    let rate = events as f64 / took.as_secs_f64().max(0.001);
    let at = at.to_zoned(time_zone.clone());
    format!("{}  {events} events  {rate:.0} events/s", at.strftime("%a %d %b %H:%M"))
}

fn seconds_between(from: Timestamp, to: Timestamp) -> u64 {
    u64::try_from(to.as_second() - from.as_second()).unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_message_has_simulated_time_events_and_rate() {
        let at = "2026-11-22T14:05:00Z".parse().expect("a time");
        let text = message(at, &TimeZone::get("Asia/Almaty").expect("known"), 4_200, Duration::from_secs(2));
        assert_eq!(text, "Sun 22 Nov 19:05  4200 events  2100 events/s");
    }
}

//! Numbers of today: views and visits of a site by the hour, published when an hour has ended and before its window has.
//!
//! The rows of a running window are not in the vault: they wait in the spools. So each node counts by itself, and when an hour has
//! ended it reports the sums: a row of the vault's table `hour_counts`, which belongs to nobody. When all nodes have, the hour is judged and published as a cell of `hours`
//! in its window, with the window's seed. The window then takes these rows as they are, publishes the hours that were not judged
//! (its last one, and those that a node could not count wholly), and what is left as `(other)`. So no count is looked at twice.
//!
//! Views and visits of several nodes are added up. Of their crowds the largest counts, since a visitor may be in two.

use std::collections::BTreeMap;

use jiff::{SignedDuration, Timestamp};
use serde::{Deserialize, Serialize};

use super::cells::{Cell, PublishedRow, Table};
use super::model::{PublishedSite, Row};
use super::noise::NoiseSource;
use super::rules;
use crate::config::Identification;
use crate::window::Window;

/// The stats table.
pub(super) const TABLE: &str = "hours";

/// How long after the end of an hour its requests may still be under way: nodes report it then.
pub const GRACE: SignedDuration = SignedDuration::from_secs(60);
/// Hours of all time zones end at a multiple of this.
const QUARTER_S: i64 = 900;

/// What the nodes have reported of an hour of a site. A node may have reported it twice, if it did not learn that the first time was enough.
pub(super) const REPORTED: &str = "SELECT node, max(t.crowd) AS crowd, max(t.views) AS views, max(t.visits) AS visits, \
     max(t.keys_lost) AS keys_lost, toUInt8(min(t.complete)) AS complete FROM hour_counts AS t \
     WHERE site = {site:String} AND hour_end = toDateTime({end:UInt32}, 'UTC') GROUP BY node ORDER BY node";

/// The numbers of an hour that are published already, whatever was put back meanwhile.
pub(super) const WRITTEN: &str = "SELECT views, visits FROM hours WHERE site = {site:String} \
     AND window_start = toDateTime({start:UInt32}, 'UTC') AND window_end = toDateTime({end:UInt32}, 'UTC') \
     AND hour = {hour:String}";

/// An hour of a site's clock.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Hour {
    /// What the clock shows: 00 to 23.
    pub name: String,
    /// When it is.
    pub window: Window,
}

/// What a node has reported.
#[derive(Deserialize)]
pub(super) struct Reported {
    pub(super) node: String,
    crowd: u64,
    views: u64,
    visits: u64,
    keys_lost: u64,
    complete: u8,
}

/// A row of [`WRITTEN`].
#[derive(Deserialize)]
pub(super) struct Written {
    pub(super) views: i64,
    pub(super) visits: i64,
}

/// The hours of a window that were judged before it ended.
#[derive(Clone, Debug, Default, Deserialize, Serialize)]
pub struct Hours {
    /// The start of the window.
    window: i64,
    /// Hours up to this end are settled.
    pub(super) until: i64,
    /// By hour, the published numbers in the order of the table's measures; `None` where it was too small. An hour that a node could not
    /// count is not here, and is published with its window.
    pub(super) judged: BTreeMap<String, Option<Vec<i64>>>,
    /// The row that may not be written yet.
    pub(super) unwritten: Option<Row>,
}

/// When nodes may report an hour that has not ended yet.
pub(super) fn next_reports(now: Timestamp) -> Timestamp {
    let quarters = (now - GRACE).as_second().div_euclid(QUARTER_S) + 1;
    Timestamp::from_second(quarters * QUARTER_S).unwrap_or(now) + GRACE
}

impl PublishedSite {
    /// The hours of the window that contains a time, as far as they have ended by then.
    pub fn hours_until(&self, now: Timestamp) -> Vec<Hour> {
        self.hours_of(&self.schedule.containing(now), now)
    }

    /// The hours of a window that have ended by a time, but for its last one. None where hours are not published.
    pub(super) fn hours_of(&self, window: &Window, now: Timestamp) -> Vec<Hour> {
        let mut hours = Vec::new();
        let by_hour = self.schedule.hours().filter(|_| self.items.pages && self.identity != Identification::None);
        let Some(by_hour) = by_hour else { return hours };
        let mut hour = by_hour.after(window.start);
        while hour.end <= now && hour.end < window.end {
            let name = format!("{:02}", by_hour.zone().to_datetime(hour.start).hour());
            hours.push(Hour { name, window: hour });
            hour = by_hour.after(hour.end);
        }
        hours
    }
}

impl Hours {
    /// Those of this window: nothing that was kept for another one.
    pub(super) fn of(self, window: &Window) -> Self {
        let start = window.start.as_second();
        if self.window == start { self } else { Self { window: start, until: start, ..Self::default() } }
    }

    /// Whether this hour was judged.
    pub(super) fn has(&self, hour: &str) -> bool {
        self.judged.contains_key(hour)
    }

    /// Takes what is published already from the rest of the window.
    pub(super) fn take_from(&self, rows: &mut [PublishedRow]) {
        let Some(rest) = rows.iter_mut().find(|row| row.is_other()) else { return };
        for numbers in self.judged.values().flatten() {
            for (rest, number) in rest.measures.iter_mut().zip(numbers) {
                *rest = rest.map(|rest| rest - number);
            }
        }
    }
}

/// Whether all nodes could count an hour wholly.
pub(super) fn is_complete(reported: &[Reported]) -> bool {
    reported.iter().all(|of| of.complete == 1)
}

/// How many day keys were lost, at most.
pub(super) fn keys_lost(reported: &[Reported]) -> u64 {
    reported.iter().map(|of| of.keys_lost).sum()
}

/// The row of an hour; `None` where its crowd is too small.
pub(super) fn judge(
    table: &Table,
    noise_source: &NoiseSource,
    hour: &str,
    reported: &[Reported],
) -> Option<PublishedRow> {
    let sum = |of: fn(&Reported) -> u64| reported.iter().map(of).sum();
    let crowd = reported.iter().map(|of| of.crowd).max().unwrap_or(0);
    let amounts = vec![sum(|of| of.views), sum(|of| of.visits)];
    let cell = Cell { dimensions: vec![hour.to_owned()], crowd: Default::default(), amounts, cut: 0 };
    rules::of_weight(table, noise_source, &cell, crowd)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::items::Items;
    use crate::window::Schedule;

    fn site(zone: &str, minutes: u32) -> PublishedSite {
        let items = ["pages".to_owned()];
        PublishedSite {
            domain: "a.kz".to_owned(),
            time_zone: zone.to_owned(),
            schedule: Schedule::new(zone, minutes).expect("known"),
            items: Items::of(None, Some(&items)).expect("known"),
            protection: Default::default(),
            identity: Default::default(),
            goals: Default::default(),
            funnels: Default::default(),
            experiments: Vec::new(),
            pairs: Vec::new(),
        }
    }

    fn names(site: &PublishedSite, now: &str) -> String {
        let hours = site.hours_until(now.parse().expect("a time"));
        hours.into_iter().map(|hour| hour.name).collect::<Vec<_>>().join(" ")
    }

    #[test]
    fn an_hour_is_published_when_it_has_ended_and_the_last_one_of_a_window_with_it() {
        let almaty = site("Asia/Almaty", 1_440);
        assert_eq!(names(&almaty, "2026-11-21T19:59:59Z"), "");
        assert_eq!(names(&almaty, "2026-11-21T22:00:00Z"), "00 01 02");
        assert!(names(&almaty, "2026-11-22T18:59:59Z").ends_with("21 22"));
        assert_eq!(names(&site("Asia/Almaty", 360), "2026-11-22T05:30:00Z"), "06 07 08 09");
        for minutes in [60, 10_080] {
            assert_eq!(names(&site("Asia/Almaty", minutes), "2026-11-22T05:30:00Z"), "");
        }
        let nobody = PublishedSite { identity: Identification::None, ..almaty };
        assert_eq!(names(&nobody, "2026-11-21T22:00:00Z"), "");
    }

    #[test]
    fn an_hour_that_comes_twice_is_one_and_an_hour_that_is_skipped_is_none() {
        let berlin = site("Europe/Berlin", 1_440);
        assert_eq!(names(&berlin, "2026-10-25T00:59:59Z"), "00 01");
        assert_eq!(names(&berlin, "2026-10-25T02:00:00Z"), "00 01 02");
        assert_eq!(names(&berlin, "2026-03-29T02:00:00Z"), "00 01 03");
        assert_eq!(names(&site("Africa/Cairo", 1_440), "2026-04-24T00:00:00Z"), "01 02");
    }
}

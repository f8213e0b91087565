//! What is counted by the hour, for numbers of today: of each site and hour the views, the visits that began, and the confirmed
//! visitors by network class. The rows themselves wait in the spool until their window ends, and say the same.
//!
//! A visitor is known by its pseudonym of the key domain of the hour. All of it is in memory until the hour has ended and its sums
//! are reported. After a restart it is counted again from the rows that the former process has left in the spool. An erasure takes the
//! visitor out again; views belong to nobody and stay. The memory is bounded: an hour with more visitors than that is not
//! counted wholly, and says so.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use jiff::civil::Date;

use crate::privacy::pseudonymous::PseudonymousBeacon;
use crate::record::{self, ColumnType, Fields, Stream, Table};
use crate::spool::Found;

/// The attribute whose rows say in which hours a visitor was there.
pub(super) const ATTRIBUTE: &str = "hour";
/// The most pseudonyms that are remembered: 64 MiB, an hour of a thousand new visits a second.
const MOST: usize = 1 << 20;
/// A step of a row: a visit begins.
const BEGINS: u8 = 1;

/// See the module.
pub struct Hours(Mutex<State>);

#[derive(Default)]
struct State {
    sites: HashMap<Arc<str>, BTreeMap<Date, Day>>,
    /// How many pseudonyms there are, in all hours.
    pseudonyms: usize,
}

#[derive(Default)]
struct Day {
    hours: BTreeMap<u8, Hour>,
    keys_lost: BTreeSet<String>,
}

#[derive(Default)]
struct Hour {
    views: u64,
    visitors: HashMap<[u8; 16], Visitor>,
    /// There were too many pseudonyms.
    is_cut: bool,
}

/// What is known of a pseudonym.
struct Visitor {
    network: u8,
    confirmed: bool,
    begins: bool,
}

/// A row of the attribute.
#[derive(Default)]
struct Row<'a> {
    visitor: [u8; 16],
    network: u8,
    confirmed: bool,
    value: &'a str,
    step: u8,
}

/// What an hour of a site has.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Counts {
    /// Views.
    pub views: u64,
    /// Visits that began.
    pub visits: u64,
    /// The network class of each confirmed visitor.
    pub networks: Vec<u16>,
    /// How many keys of the day were lost so far. Each gives a visitor one more pseudonym.
    pub keys_lost: u64,
    /// There were more visitors than are remembered.
    pub is_cut: bool,
}

impl Hours {
    /// For the sites whose hours are published.
    pub(super) fn new(sites: impl Iterator<Item = Arc<str>>) -> Self {
        Self(Mutex::new(State { sites: sites.map(|site| (site, BTreeMap::new())).collect(), pseudonyms: 0 }))
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Counts a beacon that is durable.
    pub(super) fn note(&self, kept: &PseudonymousBeacon) {
        let tallies = || kept.views.iter().chain(&kept.tallies);
        let rows = || kept.attributes.iter().filter(|row| row.attribute == ATTRIBUTE);
        if tallies().next().is_none() && rows().next().is_none() {
            return;
        }
        let mut state = self.state();
        for row in rows() {
            let (of, value, step) = (&row.subject, &*row.value, row.step);
            let row = Row { visitor: *of.visitor.bytes(), network: of.network, confirmed: of.confirmed, value, step };
            state.row(&of.site, of.day, row);
        }
        for tally in tallies() {
            state.tally(&tally.site, tally.day, &tally.reason, tally.count);
        }
    }

    /// Counts what a former process has left in the spool. Bytes that are no such row are passed over.
    pub fn found(&self, label: &str, found: &Found<'_>) {
        let Some(stream) = Stream::parse(label) else { return };
        let (table, day) = (stream.partition.table, stream.partition.day);
        if table != Table::Tallies && (table, stream.name()) != (Table::Attributes, ATTRIBUTE) {
            return;
        }
        match found {
            Found::Tombstone(payload) => {
                if let Some((site, pseudonyms)) = record::parse_erasure(payload) {
                    self.erase(site, day, pseudonyms);
                }
            }
            Found::Row(schema_version, bytes) => {
                let Some(columns) = record::columns(table, *schema_version) else { return };
                self.state().found_row(table, day, Fields::new(columns, bytes));
            }
        }
    }

    /// Takes out a visitor whose rows of a day are erased.
    pub(super) fn erase<'a>(&self, site: &str, day: Date, pseudonyms: impl IntoIterator<Item = &'a [u8; 16]>) {
        let mut state = self.state();
        let state = &mut *state;
        let Some(of_day) = state.sites.get_mut(site).and_then(|days| days.get_mut(&day)) else { return };
        for pseudonym in pseudonyms {
            let removed = of_day.hours.values_mut().filter_map(|hour| hour.visitors.remove(pseudonym)).count();
            state.pseudonyms -= removed;
        }
    }

    /// What an hour has so far.
    pub fn counts(&self, site: &str, day: Date, hour: &str) -> Counts {
        let state = self.state();
        let Some(of_day) = state.sites.get(site).and_then(|days| days.get(&day)) else { return Counts::default() };
        let keys_lost = of_day.keys_lost.len() as u64;
        let Some(hour) = hour.parse().ok().and_then(|hour: u8| of_day.hours.get(&hour)) else {
            return Counts { keys_lost, ..Counts::default() };
        };
        let visitors = || hour.visitors.values();
        Counts {
            views: hour.views,
            visits: visitors().filter(|visitor| visitor.begins).count() as u64,
            networks: visitors().filter(|visitor| visitor.confirmed).map(|visitor| visitor.network.into()).collect(),
            keys_lost,
            is_cut: hour.is_cut,
        }
    }

    /// Forgets an hour: its counts are reported.
    pub fn forget(&self, site: &str, day: Date, hour: &str) {
        let mut state = self.state();
        let of_day = state.sites.get_mut(site).and_then(|days| days.get_mut(&day));
        let hour = hour.parse().ok().and_then(|hour: u8| of_day?.hours.remove(&hour));
        state.pseudonyms -= hour.map_or(0, |hour| hour.visitors.len());
    }

    /// Forgets the days of a site before this one.
    pub fn forget_before(&self, site: &str, day: Date) {
        let mut state = self.state();
        let Some(days) = state.sites.get_mut(site) else { return };
        let kept = days.split_off(&day);
        let gone = std::mem::replace(days, kept);
        state.pseudonyms -=
            gone.values().flat_map(|day| day.hours.values()).map(|hour| hour.visitors.len()).sum::<usize>();
    }
}

impl State {
    fn row(&mut self, site: &str, day: Date, row: Row<'_>) {
        let Some(days) = self.sites.get_mut(site) else { return };
        let of_day = days.entry(day).or_default();
        if row.confirmed {
            // It is known later than that the visitor was there.
            for hour in of_day.hours.values_mut() {
                if let Some(visitor) = hour.visitors.get_mut(&row.visitor) {
                    visitor.confirmed = true;
                }
            }
        }
        let Some(hour) = row.value.parse().ok().filter(|_| row.step > 0) else { return };
        let hour = of_day.hours.entry(hour).or_default();
        if !hour.visitors.contains_key(&row.visitor) {
            if self.pseudonyms >= MOST {
                hour.is_cut = true;
                return;
            }
            self.pseudonyms += 1;
        }
        let new = Visitor { network: row.network, confirmed: false, begins: false };
        let visitor = hour.visitors.entry(row.visitor).or_insert(new);
        visitor.network = visitor.network.min(row.network);
        visitor.confirmed |= row.confirmed;
        visitor.begins |= row.step == BEGINS;
    }

    fn tally(&mut self, site: &str, day: Date, reason: &str, count: u32) {
        let hour = reason.strip_prefix("views:").and_then(|hour| hour.parse().ok());
        if hour.is_none() && !reason.starts_with(record::KEY_LOST) {
            return;
        }
        let Some(days) = self.sites.get_mut(site) else { return };
        let of_day = days.entry(day).or_default();
        match hour {
            Some(hour) => of_day.hours.entry(hour).or_default().views += u64::from(count),
            None => _ = of_day.keys_lost.insert(reason.to_owned()),
        }
    }

    fn found_row(&mut self, table: Table, day: Date, fields: Fields<'_, '_>) {
        let (mut site, mut row, mut reason, mut count) = ("", Row::default(), "", 0);
        for (name, kind, bytes) in fields {
            let text = || std::str::from_utf8(bytes).unwrap_or_default();
            match (name, kind) {
                ("site", _) => site = text(),
                ("value", _) => row.value = text(),
                ("reason", _) => reason = text(),
                ("visitor", _) => row.visitor = bytes.try_into().unwrap_or_default(),
                ("network", _) => row.network = bytes[0],
                ("step", _) => row.step = bytes[0],
                ("confirmed", _) => row.confirmed = bytes == [1],
                ("count", ColumnType::U32) => count = bytes.try_into().map_or(0, u32::from_le_bytes),
                _ => {}
            }
        }
        match table {
            Table::Tallies => self.tally(site, day, reason, count),
            _ => self.row(site, day, row),
        }
    }
}

#[cfg(test)]
mod tests {
    use jiff::civil::date;

    use super::*;
    use crate::event::Tally;
    use crate::privacy::pseudonymous::{Attribute, Pseudonym, Pseudonymous, RowSubject};

    const SITE: &str = "a.kz";
    const DAY: Date = date(2026, 11, 22);

    fn hours() -> Hours {
        Hours::new(std::iter::once(SITE.into()))
    }

    /// A beacon of a visitor with a row of its hour, and a view there.
    fn beacon(visitor: u8, confirmed: bool, value: &str, step: u8) -> PseudonymousBeacon {
        let subject = RowSubject {
            site: SITE.into(),
            day: DAY,
            window_end: 1_795_375_200,
            visitor: Pseudonym::made_up([visitor; 16]),
            confirmed,
            network: visitor / 2,
            new_week: false,
            new_month: false,
        };
        let row = Attribute {
            subject,
            attribute: ATTRIBUTE,
            entry: None,
            value: value.into(),
            detail: "".into(),
            step,
            visit_tag: 0,
        };
        let tally = |reason: String| Tally {
            site: SITE.into(),
            day: DAY,
            window_end: 1_795_375_200,
            reason: reason.into(),
            count: 2,
        };
        PseudonymousBeacon {
            attributes: vec![Pseudonymous::made_up(row)],
            views: (!value.is_empty()).then(|| tally(format!("views:{value}"))),
            tallies: vec![tally("bot:search".to_owned()), tally("key_lost:9".to_owned())],
            ..PseudonymousBeacon::default()
        }
    }

    /// An hour in which a visitor begins, is confirmed, and goes on; another one is never confirmed.
    fn beacons() -> Vec<PseudonymousBeacon> {
        vec![
            beacon(2, false, "09", 1),
            beacon(2, true, "", 0),
            beacon(7, false, "09", 1),
            beacon(2, true, "10", 2),
            beacon(4, true, "10", 1),
            beacon(5, true, "10", 1),
        ]
    }

    fn counts(views: u64, visits: u64, networks: &[u16]) -> Counts {
        Counts { views, visits, networks: networks.to_vec(), keys_lost: 1, is_cut: false }
    }

    fn sorted(hours: &Hours, hour: &str) -> Counts {
        let mut counts = hours.counts(SITE, DAY, hour);
        counts.networks.sort_unstable();
        counts
    }

    #[test]
    fn visits_views_and_confirmed_visitors_are_counted_and_the_same_from_the_rows_in_the_spool() {
        let (live, found) = (hours(), hours());
        for beacon in beacons() {
            live.note(&beacon);
            for (stream, rows) in record::encode(&beacon) {
                rows.iter().for_each(|row| found.found(&stream.label(), &Found::Row(record::SCHEMA_VERSION, row)));
            }
        }
        for hours in [&live, &found] {
            assert_eq!(sorted(hours, "09"), counts(4, 2, &[1]));
            assert_eq!(sorted(hours, "10"), counts(6, 2, &[1, 2, 2]));
            assert_eq!(sorted(hours, "11"), counts(0, 0, &[]));
            assert_eq!(hours.counts("b.kz", DAY, "10"), Counts::default(), "not a site of this node");
        }
    }

    #[test]
    fn who_erases_their_rows_is_taken_out_also_when_the_order_waits_in_the_spool() {
        let (live, found) = (hours(), hours());
        let stream =
            record::encode(&beacons()[0]).into_iter().find(|(stream, _)| stream.name() == ATTRIBUTE).unwrap().0;
        for hours in [&live, &found] {
            beacons().iter().for_each(|beacon| hours.note(beacon));
        }
        live.erase(SITE, DAY, &[[2; 16], [9; 16]]);
        found.found(&stream.label(), &Found::Tombstone(&record::erasure(SITE, &[[2; 16], [9; 16]])));
        for hours in [&live, &found] {
            assert_eq!((sorted(hours, "09"), sorted(hours, "10")), (counts(4, 1, &[]), counts(6, 2, &[2, 2])));
        }
    }

    #[test]
    fn nothing_is_left_of_what_is_forgotten() {
        let hours = hours();
        beacons().iter().for_each(|beacon| hours.note(beacon));
        hours.forget(SITE, DAY, "09");
        assert_eq!((sorted(&hours, "09"), hours.state().pseudonyms), (counts(0, 0, &[]), 3));
        hours.forget_before(SITE, DAY);
        assert_eq!(hours.state().pseudonyms, 3);
        hours.forget_before(SITE, DAY.tomorrow().unwrap());
        assert_eq!((hours.counts(SITE, DAY, "10"), hours.state().pseudonyms), (Counts::default(), 0));
    }

    #[test]
    fn an_hour_with_more_visitors_than_are_remembered_says_so() {
        let hours = hours();
        hours.state().pseudonyms = MOST - 1;
        hours.note(&beacon(2, true, "09", 1));
        assert!(!hours.counts(SITE, DAY, "09").is_cut);
        hours.note(&beacon(2, true, "09", 2));
        assert!(!hours.counts(SITE, DAY, "09").is_cut, "it is known");
        hours.note(&beacon(3, true, "09", 1));
        assert_eq!(hours.counts(SITE, DAY, "09"), Counts { is_cut: true, ..counts(6, 1, &[1]) });
    }
}

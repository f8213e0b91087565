//! Pseudonymous shapes as bytes: each shape becomes one row of one vault table in ClickHouse's RowBinary.
//!
//! A row is encoded without the column `batch`; the shipper puts it before the row. Rows are grouped into frames by
//! [`Stream`]: one partition of one table, of all sites, for attributes and signals one of them, and of a list one entry.
//! So neither a frame nor the column `batch` links the rows of one device. [`columns`](columns()) has the columns of each
//! table and of each schema version, so rows in spools of an older version are still understood.

mod columns;
mod fields;
mod row;

use jiff::civil::Date;

pub(crate) use crate::event::day::epoch_date;
use crate::event::{Entry, Tally};
pub(crate) use crate::privacy::keys::LOST as KEY_LOST;
use crate::privacy::pseudonymous::{
    Attribute, EventKind, Failure, PseudonymousBeacon, PseudonymousEvent, RowSubject, Signal,
};
pub use columns::{ColumnType, SCHEMA_VERSION, column_type, columns};
pub use fields::{Fields, site_and_visitor};
use row::Row;

/// A vault table that rows are shipped to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Table {
    /// `events`.
    Events,
    /// `attributes`.
    Attributes,
    /// `tallies`.
    Tallies,
    /// `signals`, since version 2.
    Signals,
    /// `errors`, since version 2.
    Errors,
}

impl Table {
    /// All tables.
    pub const ALL: [Self; 5] = [Self::Events, Self::Attributes, Self::Tallies, Self::Signals, Self::Errors];

    /// Its name in the vault.
    pub fn name(self) -> &'static str {
        match self {
            Self::Events => "events",
            Self::Attributes => "attributes",
            Self::Tallies => "tallies",
            Self::Signals => "signals",
            Self::Errors => "errors",
        }
    }

    /// The table of this name.
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|table| table.name() == name)
    }
}

/// The rows of a table that one partition of the vault has: those of a day, of all sites, whose windows end on one date.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Partition {
    /// The table.
    pub table: Table,
    /// The site-local day.
    pub day: Date,
    /// The date on which the windows of the rows end, by UTC.
    pub until: Date,
}

/// Where rows go: a partition, and for attributes and signals which one.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Stream {
    /// The partition.
    pub partition: Partition,
    /// The attribute's or signal's name, of a list with the number of the entry, `fonts:12`; empty for other tables.
    pub attribute: String,
}

impl Stream {
    /// The stream as the spool knows it: `events|2026-11-22|2026-11-22|`.
    pub fn label(&self) -> String {
        let Partition { table, day, until } = self.partition;
        format!("{}|{day}|{until}|{}", table.name(), self.attribute)
    }

    /// The stream that a label names.
    pub fn parse(label: &str) -> Option<Self> {
        let mut parts = label.split('|');
        let table = Table::from_name(parts.next()?)?;
        let (day, until) = (parts.next()?.parse().ok()?, parts.next()?.parse().ok()?);
        let attribute = parts.next()?.to_owned();
        parts.next().is_none().then_some(Self { partition: Partition { table, day, until }, attribute })
    }

    /// Whether an erasure from this stream may erase rows of the other one: it erases from all partitions of a day, and from
    /// all entries of a list.
    pub fn erases_from(&self, other: &Self) -> bool {
        let of = |stream: &Self| (stream.partition.table, stream.partition.day);
        of(self) == of(other) && self.name() == other.name()
    }

    /// The attribute's or signal's name, as its column has it.
    pub fn name(&self) -> &str {
        self.attribute.split(':').next().unwrap_or_default()
    }
}

/// A stream, as a row names it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct StreamRef {
    /// The table.
    pub table: Table,
    /// The site-local day.
    pub day: Date,
    /// The date on which the row's window ends, in days since 1970.
    pub until: u16,
    /// The attribute's or signal's name; empty for other tables.
    pub name: &'static str,
    /// Of a list, the number of the entry.
    pub entry: Option<u16>,
}

impl StreamRef {
    fn new(table: Table, day: Date, window_end: i64) -> Self {
        // The same ends as the row's column has.
        let until = (window_end.clamp(0, u32::MAX.into()) / 86_400) as u16;
        Self { table, day, until, name: "", entry: None }
    }

    /// As it is kept.
    pub fn stream(&self) -> Stream {
        let attribute = self.entry.map_or_else(|| self.name.to_owned(), |number| format!("{}:{number}", self.name));
        Stream { partition: Partition { table: self.table, day: self.day, until: epoch_date(self.until) }, attribute }
    }
}

/// Shows the rows of a beacon one by one, those of a stream in order.
pub fn rows(beacon: &PseudonymousBeacon, mut show: impl FnMut(StreamRef, &[u8])) {
    let mut row = Row::default();
    let of =
        |table, of: &RowSubject, name, entry| StreamRef { name, entry, ..StreamRef::new(table, of.day, of.window_end) };
    for event in &beacon.events {
        let stream = StreamRef::new(Table::Events, event.day, event.window_end);
        show(stream, row.begun(|row| event_row(row, event)));
    }
    for item in &beacon.attributes {
        let stream = of(Table::Attributes, &item.subject, item.attribute, item.entry);
        show(stream, row.begun(|row| attribute_row(row, item)));
    }
    for signal in &beacon.signals {
        let stream = of(Table::Signals, &signal.subject, signal.signal, signal.entry);
        show(stream, row.begun(|row| signal_row(row, signal)));
    }
    for failure in &beacon.failures {
        show(of(Table::Errors, &failure.subject, "", None), row.begun(|row| failure_row(row, failure)));
    }
    for tally in beacon.views.iter().chain(&beacon.tallies) {
        let stream = StreamRef::new(Table::Tallies, tally.day, tally.window_end);
        show(stream, row.begun(|row| tally_row(row, tally)));
    }
}

/// The rows of a beacon gathered by stream, in the order in which streams first appear: what `begin` makes for a
/// stream, with each of its rows added.
pub fn by_stream<T>(
    beacon: &PseudonymousBeacon,
    mut begin: impl FnMut(StreamRef) -> T,
    mut add: impl FnMut(&mut T, &[u8]),
) -> Vec<(StreamRef, T)> {
    // A beacon that begins a visit has seven rows.
    let mut streams: Vec<(StreamRef, T)> = Vec::with_capacity(7);
    rows(beacon, |stream, row| {
        let at = streams.iter().position(|(known, _)| *known == stream).unwrap_or_else(|| {
            streams.push((stream, begin(stream)));
            streams.len() - 1
        });
        add(&mut streams[at].1, row);
    });
    streams
}

/// The rows of a beacon by stream, as they are.
pub fn encode(beacon: &PseudonymousBeacon) -> Vec<(Stream, Vec<Vec<u8>>)> {
    let streams = by_stream(beacon, |_| Vec::new(), |rows, row| rows.push(row.to_vec()));
    streams.into_iter().map(|(stream, rows)| (stream.stream(), rows)).collect()
}

/// The payload of a tombstone: a site, and pseudonyms whose rows are erased from its stream.
pub fn erasure(site: &str, pseudonyms: &[[u8; 16]]) -> Vec<u8> {
    let mut row = Row::default();
    let written = row.begun(|row| {
        row.text(site);
        pseudonyms.iter().for_each(|pseudonym| _ = row.bytes(pseudonym));
    });
    written.to_vec()
}

/// The site and the pseudonyms of such a payload; `None` when it has another form.
pub fn parse_erasure(payload: &[u8]) -> Option<(&str, &[[u8; 16]])> {
    let (length, rest) = payload.split_first()?;
    let (site, rest) = rest.split_at_checked(usize::from(*length)).filter(|_| *length < 0x80)?;
    let (pseudonyms, rest) = rest.as_chunks();
    let whole = !site.is_empty() && !pseudonyms.is_empty() && rest.is_empty();
    std::str::from_utf8(site).ok().filter(|_| whole).map(|site| (site, pseudonyms))
}

fn event_row(row: &mut Row, event: &PseudonymousEvent) {
    let empty = Entry::default();
    let (kind, path, previous_path, engaged_s, entry, exit_domain, name, variant) = match &event.kind {
        EventKind::View { path, previous_path, entry } => {
            ("view", path.as_str(), previous_path.as_str(), 0, entry.as_ref().unwrap_or(&empty), "", "", "")
        }
        EventKind::Engage { engaged_s } => ("engage", "", "", *engaged_s, &empty, "", "", ""),
        EventKind::Exit { domain } => ("exit", "", "", 0, &empty, domain.as_str(), "", ""),
        EventKind::Named { name, variant } => ("event", "", "", 0, &empty, "", &**name, &**variant),
        EventKind::Search => ("search", "", "", 0, &empty, "", "", ""),
        EventKind::Device => ("device", "", "", 0, &empty, "", "", ""),
    };
    row.text(&event.site).day(event.day).time(event.window_end);
    row.bytes(event.visitor.bytes()).half(event.visit).half(event.view);
    row.bool(event.confirmed).byte(event.network);
    let first_visit = event.first_visit;
    row.bool(first_visit.new_day).bool(first_visit.new_week).bool(first_visit.new_month).bool(first_visit.new_ever);
    row.bool(event.new_window);
    row.text(event.visit_number).text(kind).text(path).text(previous_path);
    row.byte(event.step).u16(event.duration_s).u16(engaged_s);
    row.text(entry.channel).text(&entry.source).text(&entry.medium).text(&entry.campaign).text(exit_domain);
    row.text(name).text(variant).text(event.suspect);
    row.text(event.absence).text(event.cohort);
}

fn attribute_row(row: &mut Row, item: &Attribute) {
    row.moment(&item.subject).text(item.attribute).text(&item.value).text(&item.detail);
    row.subject(&item.subject).byte(item.step).u16(item.visit_tag);
}

fn signal_row(row: &mut Row, item: &Signal) {
    row.moment(&item.subject).text(item.signal).text(item.state).bytes(&item.digest).subject(&item.subject);
}

fn failure_row(row: &mut Row, item: &Failure) {
    row.moment(&item.subject)
        .text(&item.template)
        .text(item.browser)
        .text(&item.major)
        .text(item.os)
        .subject(&item.subject);
}

fn tally_row(row: &mut Row, tally: &Tally) {
    row.text(&tally.site).day(tally.day).time(tally.window_end).text(&tally.reason).u32(tally.count);
}

#[cfg(test)]
pub(crate) mod tests {
    mod golden;

    use jiff::civil::date;

    use super::*;
    use crate::privacy::pseudonymous::{Event, FirstVisitFlags, Pseudonym, Pseudonymous};

    /// The rows of a table in `tests/fixtures/rows`.
    pub(crate) fn golden_rows(table: Table) -> Vec<Vec<u8>> {
        let text = std::fs::read_to_string(format!("tests/fixtures/rows/{}.hex", table.name())).unwrap();
        let byte = |line: &str, at: usize| u8::from_str_radix(&line[at..at + 2], 16).unwrap();
        text.split_whitespace().map(|line| (0..line.len()).step_by(2).map(|at| byte(line, at)).collect()).collect()
    }

    #[test]
    fn a_stream_survives_its_label() {
        for (table, attribute) in [(Table::Events, ""), (Table::Attributes, "fonts:12"), (Table::Errors, "")] {
            let partition = Partition { table, day: date(2026, 11, 22), until: date(2026, 11, 29) };
            let stream = Stream { partition, attribute: attribute.to_owned() };
            assert_eq!(Stream::parse(&stream.label()), Some(stream));
        }
        for label in [
            "",
            "events",
            "events|2026-11-22|2026-13-01|",
            "people|2026-11-22|2026-11-22|",
            "events|a.kz|2026-11-22||x",
        ] {
            assert_eq!(Stream::parse(label), None, "{label}");
        }
    }

    #[test]
    fn an_order_to_erase_survives_its_payload() {
        let payload = erasure("jetpay.kz", &[[1; 16], [2; 16]]);
        assert_eq!(parse_erasure(&payload), Some(("jetpay.kz", &[[1; 16], [2; 16]][..])));
        for odd in [&payload[..payload.len() - 1], &payload[..10], &[1; 16][..], b"", b"\xff"] {
            assert_eq!(parse_erasure(odd), None, "{odd:?}");
        }
        let stream = |label: &str| Stream::parse(label).unwrap();
        let order = stream("attributes|2026-11-22|2026-11-22|fonts:1");
        assert!(order.erases_from(&stream("attributes|2026-11-22|2026-11-29|fonts:7")));
        assert!(!order.erases_from(&stream("attributes|2026-11-23|2026-11-22|fonts:1")));
        assert!(!order.erases_from(&stream("signals|2026-11-22|2026-11-22|fonts:1")));
    }

    #[test]
    fn a_tally_has_these_bytes() {
        let beacon = PseudonymousBeacon {
            tallies: vec![Tally {
                site: "a.kz".into(),
                day: date(1970, 1, 3),
                window_end: 3600,
                reason: "x".repeat(200).into(),
                count: 7,
            }],
            ..Default::default()
        };
        let rows = encode(&beacon);
        let (stream, rows) = rows.first().expect("one stream");
        assert_eq!(stream.label(), "tallies|1970-01-03|1970-01-01|");
        let mut expected = b"\x04a.kz\x02\x00\x10\x0e\x00\x00\xc8\x01".to_vec();
        expected.extend_from_slice("x".repeat(200).as_bytes());
        expected.extend_from_slice(&[7, 0, 0, 0]);
        assert_eq!(rows, &[expected]);
    }

    #[test]
    fn what_one_device_has_never_shares_a_stream() {
        let subject = || RowSubject {
            site: "a.kz".into(),
            day: date(2026, 1, 1),
            window_end: 0,
            visitor: Pseudonym::made_up([1; 16]),
            confirmed: true,
            network: 0,
            new_week: false,
            new_month: false,
        };
        let attribute = |attribute, entry| {
            let (value, detail) = Default::default();
            Pseudonymous::made_up(Attribute {
                subject: subject(),
                attribute,
                entry,
                value,
                detail,
                step: 0,
                visit_tag: 0,
            })
        };
        let event = Event {
            site: "a.kz".into(),
            day: date(2026, 1, 1),
            window_end: 0,
            visitor: Pseudonym::made_up([0; 16]),
            visit: Pseudonym::made_up([0; 16]),
            view: Pseudonym::made_up([0; 16]),
            confirmed: false,
            network: 0,
            first_visit: FirstVisitFlags::default(),
            new_window: false,
            visit_number: "1",
            kind: EventKind::Engage { engaged_s: 10 },
            step: 1,
            duration_s: 0,
            suspect: "",
            absence: "",
            cohort: "",
        };
        let beacon = PseudonymousBeacon {
            events: vec![Pseudonymous::made_up(event)],
            attributes: vec![attribute("provider", None), attribute("fonts", Some(1)), attribute("fonts", Some(2))],
            signals: vec![Pseudonymous::made_up(Signal {
                subject: subject(),
                signal: "canvas",
                entry: None,
                state: "normal",
                digest: [0; 16],
            })],
            failures: vec![Pseudonymous::made_up(Failure {
                subject: subject(),
                template: String::new(),
                browser: "",
                major: String::new(),
                os: "",
            })],
            ..Default::default()
        };
        assert_eq!(encode(&beacon).len(), 6);
    }
}

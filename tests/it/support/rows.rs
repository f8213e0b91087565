//! Decodes rows of the spool. This reader of RowBinary is independent of the product's writer.

use tamga::record::{Stream, Table};
use tamga::spool::DeliveryBatch;

#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct EventRow {
    pub(crate) site: String,
    pub(crate) day: u16,
    pub(crate) window_end: u32,
    pub(crate) visitor: [u8; 16],
    pub(crate) visit: [u8; 16],
    pub(crate) view: [u8; 16],
    pub(crate) confirmed: bool,
    pub(crate) network: u8,
    /// Day, week, month, ever.
    pub(crate) first_visit: [bool; 4],
    pub(crate) new_window: bool,
    pub(crate) visit_number: String,
    pub(crate) kind: String,
    pub(crate) path: String,
    pub(crate) previous_path: String,
    pub(crate) step: u8,
    pub(crate) duration_s: u16,
    pub(crate) engaged_s: u16,
    /// Channel, source, medium, campaign.
    pub(crate) entry: [String; 4],
    pub(crate) exit_domain: String,
    pub(crate) name: String,
    pub(crate) variant: String,
    pub(crate) suspect: String,
    pub(crate) absence: String,
    pub(crate) cohort: String,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct AttributeRow {
    /// The stream's own part: the attribute, and of a list the number of the entry.
    pub(crate) stream: String,
    pub(crate) attribute: String,
    pub(crate) value: String,
    pub(crate) detail: String,
    pub(crate) visitor: [u8; 16],
    pub(crate) confirmed: bool,
    pub(crate) network: u8,
    pub(crate) new_week: bool,
    pub(crate) new_month: bool,
    pub(crate) step: u8,
    pub(crate) visit_tag: u16,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct SignalRow {
    pub(crate) stream: String,
    pub(crate) signal: String,
    pub(crate) state: String,
    pub(crate) digest: [u8; 16],
    pub(crate) visitor: [u8; 16],
    pub(crate) network: u8,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct ErrorRow {
    pub(crate) template: String,
    pub(crate) browser: String,
    pub(crate) major: String,
    pub(crate) os: String,
    pub(crate) visitor: [u8; 16],
    pub(crate) network: u8,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct TallyRow {
    pub(crate) reason: String,
    pub(crate) count: u32,
}

/// The rows of a spool by table.
#[derive(Debug, Default)]
pub(crate) struct Rows {
    pub(crate) events: Vec<EventRow>,
    /// Of devices and connections.
    pub(crate) attributes: Vec<AttributeRow>,
    /// Of visits: place, client, device, hour, search.
    pub(crate) visits: Vec<AttributeRow>,
    pub(crate) tallies: Vec<TallyRow>,
    /// Views by hour.
    pub(crate) views: Vec<TallyRow>,
    pub(crate) signals: Vec<SignalRow>,
    pub(crate) errors: Vec<ErrorRow>,
}

impl Rows {
    pub(crate) fn add(&mut self, delivery: &DeliveryBatch) {
        for batch in &delivery.batches {
            let stream = Stream::parse(batch.stream.as_str()).unwrap();
            for row in batch.iter() {
                let mut bytes = Bytes(row);
                match stream.partition.table {
                    Table::Events => self.events.push(bytes.event()),
                    Table::Attributes => {
                        let row = bytes.attribute(&stream.attribute);
                        let of_visit = ["place", "client", "device", "hour", "search"]
                            .contains(&row.attribute.as_str())
                            || row.attribute.starts_with("pair ");
                        if of_visit { self.visits.push(row) } else { self.attributes.push(row) }
                    }
                    Table::Tallies => {
                        let tally = bytes.tally();
                        if tally.reason.starts_with("views:") {
                            self.views.push(tally)
                        } else {
                            self.tallies.push(tally)
                        }
                    }
                    Table::Signals => self.signals.push(bytes.signal(&stream.attribute)),
                    Table::Errors => self.errors.push(bytes.error()),
                }
                assert!(bytes.0.is_empty(), "a row of {} is longer than its columns", stream.label());
            }
        }
    }

    /// How many there are.
    pub(crate) fn len(&self) -> usize {
        self.own_len() + self.visits.len() + self.views.len()
    }

    /// How many there are, but for those that come along with the events of a visit.
    pub(crate) fn own_len(&self) -> usize {
        self.events.len() + self.attributes.len() + self.tallies.len() + self.signals.len() + self.errors.len()
    }

    /// Value and detail of the only row of an attribute of a visit; empty if there is none.
    pub(crate) fn of_visit(&self, attribute: &str) -> [&str; 2] {
        let rows: Vec<_> = self.visits.iter().filter(|row| row.attribute == attribute).collect();
        assert!(rows.len() < 2, "{rows:?}");
        rows.first().map_or(["", ""], |row| [&row.value, &row.detail])
    }

    /// The only event.
    pub(crate) fn event(&self) -> &EventRow {
        assert_eq!(self.events.len(), 1, "{self:?}");
        &self.events[0]
    }
}

struct Bytes<'a>(&'a [u8]);

impl Bytes<'_> {
    fn take<const N: usize>(&mut self) -> [u8; N] {
        let (head, tail) = self.0.split_first_chunk::<N>().unwrap();
        self.0 = tail;
        *head
    }

    fn bool(&mut self) -> bool {
        let [byte] = self.take();
        assert!(byte < 2);
        byte == 1
    }

    fn u8(&mut self) -> u8 {
        self.take::<1>()[0]
    }

    fn u16(&mut self) -> u16 {
        u16::from_le_bytes(self.take())
    }

    fn u32(&mut self) -> u32 {
        u32::from_le_bytes(self.take())
    }

    fn text(&mut self) -> String {
        let (mut length, mut shift) = (0, 0);
        loop {
            let byte = self.u8();
            length |= usize::from(byte & 0x7f) << shift;
            shift += 7;
            if byte < 0x80 {
                break;
            }
        }
        let (head, tail) = self.0.split_at(length);
        self.0 = tail;
        String::from_utf8(head.to_vec()).unwrap()
    }

    fn event(&mut self) -> EventRow {
        // Rust evaluates the fields in the order in which they are written.
        EventRow {
            site: self.text(),
            day: self.u16(),
            window_end: self.u32(),
            visitor: self.take(),
            visit: self.take(),
            view: self.take(),
            confirmed: self.bool(),
            network: self.u8(),
            first_visit: [self.bool(), self.bool(), self.bool(), self.bool()],
            new_window: self.bool(),
            visit_number: self.text(),
            kind: self.text(),
            path: self.text(),
            previous_path: self.text(),
            step: self.u8(),
            duration_s: self.u16(),
            engaged_s: self.u16(),
            entry: [self.text(), self.text(), self.text(), self.text()],
            exit_domain: self.text(),
            name: self.text(),
            variant: self.text(),
            suspect: self.text(),
            absence: self.text(),
            cohort: self.text(),
        }
    }

    fn attribute(&mut self, stream: &str) -> AttributeRow {
        let _site_day_window = (self.text(), self.u16(), self.u32());
        AttributeRow {
            stream: stream.to_owned(),
            attribute: self.text(),
            value: self.text(),
            detail: self.text(),
            visitor: self.take(),
            confirmed: self.bool(),
            network: self.u8(),
            new_week: self.bool(),
            new_month: self.bool(),
            step: self.u8(),
            visit_tag: self.u16(),
        }
    }

    fn signal(&mut self, stream: &str) -> SignalRow {
        let _site_day_window = (self.text(), self.u16(), self.u32());
        let (signal, state, digest, visitor) = (self.text(), self.text(), self.take(), self.take());
        let (_confirmed, network, _first_of) = (self.bool(), self.u8(), [self.bool(), self.bool()]);
        SignalRow { stream: stream.to_owned(), signal, state, digest, visitor, network }
    }

    fn error(&mut self) -> ErrorRow {
        let _site_day_window = (self.text(), self.u16(), self.u32());
        let (template, browser, major, os) = (self.text(), self.text(), self.text(), self.text());
        let (visitor, _confirmed, network, _first_of) =
            (self.take(), self.bool(), self.u8(), [self.bool(), self.bool()]);
        ErrorRow { template, browser, major, os, visitor, network }
    }

    fn tally(&mut self) -> TallyRow {
        let _site_day_window = (self.text(), self.u16(), self.u32());
        TallyRow { reason: self.text(), count: self.u32() }
    }
}

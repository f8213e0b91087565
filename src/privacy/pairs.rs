//! What is kept of a visit for a declared pair of dimensions that lie in different key domains: rows of their own, in a key domain
//! of their own.
//!
//! A row has both values as they are known now. It comes with the first view of the visit, and again when a value that grows with
//! the visit has grown (its duration, its number of pages). The last of a visit's rows counts. A pair of which both dimensions
//! belong to what was done needs no rows: `events` has both.

use std::collections::BTreeMap;
use std::sync::LazyLock;

use smol_str::{SmolStr, ToSmolStr as _};

use super::Rows;
use super::apart::{BEGINS, GOES_ON, NOTHING};
use super::cookie::Visit;
use super::duration_bucket_s;
use super::pseudonymous::{Attribute, EventKind, Pseudonymous, PseudonymousBeacon};
use crate::event::{Client, Entry, Place};

/// A dimension of pairs.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Dimension {
    Channel,
    Source,
    Campaign,
    Landing,
    VisitNumber,
    Pages,
    Duration,
    Country,
    Region,
    Browser,
    Os,
    Device,
}

use Dimension::{
    Browser, Campaign, Channel, Country, Device, Duration, Landing, Os, Pages, Region, Source, VisitNumber,
};

const DIMENSIONS: [(&str, Dimension); 12] = [
    ("channel", Channel),
    ("source", Source),
    ("campaign", Campaign),
    ("landing", Landing),
    ("visit_number", VisitNumber),
    ("pages", Pages),
    ("duration", Duration),
    ("country", Country),
    ("region", Region),
    ("browser", Browser),
    ("os", Os),
    ("device", Device),
];

/// The key domains of all pairs: `attribute`, then the name of the attribute.
static DOMAINS: LazyLock<BTreeMap<[Dimension; 2], String>> = LazyLock::new(|| {
    let names = DIMENSIONS.iter().flat_map(|first| DIMENSIONS.iter().map(move |second| [first, second]));
    names.map(|[first, second]| ([first.1, second.1], format!("{BEFORE}pair {} {}", first.0, second.0))).collect()
});
const BEFORE: &str = "attribute ";

/// A declared pair that has rows of its own.
#[derive(Clone, Copy)]
pub struct Pair {
    domain: &'static str,
    dimensions: [Dimension; 2],
}

impl Pair {
    /// The pair of these dimensions; `None` if one is not known, or if both are in `events`.
    pub fn new(first: &str, second: &str) -> Option<Self> {
        let known = |name: &str| DIMENSIONS.iter().find(|known| known.0 == name).map(|known| known.1);
        let dimensions = [known(first)?, known(second)?];
        let is_apart = dimensions.iter().any(|dimension| *dimension >= Country);
        is_apart.then(|| Self { domain: &DOMAINS[&dimensions], dimensions })
    }

    /// The attribute of its rows.
    pub fn attribute(&self) -> &'static str {
        &self.domain[BEFORE.len()..]
    }
}

/// What is known of a visit.
struct Facts<'a> {
    rows: &'a Rows<'a>,
    place: &'a Place,
    client: Client,
    /// Its first view, if that is in the beacon.
    first: Option<(&'a str, Option<&'a Entry>)>,
    views: u8,
}

/// Adds the rows of the site's pairs.
pub(super) fn keep(rows: &Rows<'_>, views: usize, place: &Place, client: Client, kept: &mut PseudonymousBeacon) {
    let visit = rows.who.visit;
    let begins = visit.views == 0 && views > 0;
    let added = {
        let first = kept.events.iter().find_map(|event| match &event.kind {
            EventKind::View { path, entry, .. } if event.step == 1 => Some((path.as_str(), entry.as_ref())),
            _ => None,
        });
        let views = visit.views.saturating_add(u8::try_from(views).unwrap_or(u8::MAX));
        let facts = Facts { rows, place, client, first, views };
        let row = |pair: &Pair| {
            let step = match () {
                () if begins => BEGINS,
                () if visit.views > 0 && pair.dimensions.iter().any(|dimension| facts.has_grown(*dimension)) => GOES_ON,
                () if rows.who.newly_confirmed => NOTHING,
                () => return None,
            };
            let value = |dimension| if step == NOTHING { SmolStr::default() } else { facts.value(dimension) };
            Some(rows.pair_row(pair, pair.dimensions.map(value), step))
        };
        rows.rules.pairs.iter().filter_map(row).collect::<Vec<_>>()
    };
    kept.attributes.extend(added);
}

impl Facts<'_> {
    fn value(&self, dimension: Dimension) -> SmolStr {
        let of_entry = |get: fn(&Entry) -> &str| self.first.and_then(|(_, entry)| entry).map_or("", get);
        match dimension {
            Channel => of_entry(|entry| entry.channel).into(),
            Source => of_entry(|entry| &entry.source).into(),
            Campaign => of_entry(|entry| match entry.channel {
                "paid" | "campaign" => &entry.campaign,
                _ => "",
            })
            .into(),
            Landing => self.first.map_or("", |(path, _)| path).into(),
            VisitNumber => SmolStr::new_static(self.rows.who.visit_number),
            Pages => SmolStr::new_static(pages_bucket(self.views)),
            Duration => self.duration_s(self.rows.time.local.minute).to_smolstr(),
            Country => self.place.country.clone(),
            Region => self.place.region.clone(),
            Browser => SmolStr::new_static(self.client.browser),
            Os => SmolStr::new_static(self.client.os),
            Device => SmolStr::new_static(self.client.device),
        }
    }

    fn duration_s(&self, minute: u16) -> u16 {
        duration_bucket_s(u32::from(minute.saturating_sub(self.rows.who.visit.start_minute)) * 60)
    }

    /// Whether the value has grown since the visitor's beacon before this one.
    fn has_grown(&self, dimension: Dimension) -> bool {
        let Visit { views, last_minute, .. } = self.rows.who.visit;
        match dimension {
            Pages => pages_bucket(views) != pages_bucket(self.views),
            Duration => self.duration_s(last_minute) < self.duration_s(self.rows.time.local.minute),
            _ => false,
        }
    }
}

/// The bucket of a number of pages, which begins with its least number.
fn pages_bucket(views: u8) -> &'static str {
    match views {
        0 => "0",
        1 => "1",
        2 => "2",
        3 => "3",
        4 => "4",
        5 => "5",
        6..=10 => "6-10",
        11..=20 => "11-20",
        _ => "21+",
    }
}

impl Rows<'_> {
    fn pair_row(&self, pair: &Pair, [value, detail]: [SmolStr; 2], step: u8) -> Pseudonymous<Attribute> {
        let (subject, visit_tag) = self.key.purpose(pair.domain, |purpose| {
            let (id, start) = (self.who.id.expose(), self.who.visit.start_minute);
            let [one, two, ..] = *purpose.visit(id, start).bytes();
            (self.subject(purpose, ""), u16::from_le_bytes([one, two]))
        });
        let attribute = pair.attribute();
        Pseudonymous::new(Attribute { subject, attribute, entry: None, value, detail, step, visit_tag })
    }
}

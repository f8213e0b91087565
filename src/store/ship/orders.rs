//! The orders to erase of a delivery batch: merged, and as a filter for the rows that came before them.
//!
//! A row that an order of its own delivery batch erases is never sent. The order is durable where the row is, so a delivery batch that comes
//! again leaves out the same rows.

use std::collections::HashSet;

use crate::record::{self, Stream};
use crate::spool::{StreamKey, Tombstone};

/// The orders of a delivery batch, those of one table, day, name and site as one: a mutation costs much, and many visitors may
/// ask at once. No order joins two key domains. All rows of the batch are older than each of them, so their order has no meaning.
pub(super) fn merged(tombstones: &[Tombstone]) -> Vec<Tombstone> {
    let mut orders: Vec<(Option<(Stream, String)>, Tombstone)> = Vec::new();
    for Tombstone { sequence, stream, payload } in tombstones {
        let read = Stream::parse(stream.as_str()).zip(record::parse_erasure(payload));
        let of = read.as_ref().map(|(stream, (site, _))| (stream.clone(), (*site).to_owned()));
        let same = orders.iter_mut().find(|(known, _)| match (known, &of) {
            (Some((stream, site)), Some((other, other_site))) => stream.erases_from(other) && site == other_site,
            _ => false,
        });
        match (same, read) {
            (Some((_, order)), Some((_, (site, pseudonyms)))) => {
                let known = record::parse_erasure(&order.payload).map_or(&[][..], |(_, known)| known);
                order.payload = record::erasure(site, &[known, pseudonyms].concat());
            }
            _ => {
                let (sequence, stream, payload) = (*sequence, stream.clone(), payload.clone());
                orders.push((of, Tombstone { sequence, stream, payload }));
            }
        }
    }
    orders.into_iter().map(|(_, order)| order).collect()
}

/// Of which rows the orders of a delivery batch say that they are erased.
#[derive(Default)]
pub(super) struct Orders(Vec<(Stream, String, HashSet<[u8; 16]>)>);

impl Orders {
    /// Those that this program can read. The others keep the delivery batch from being finished.
    pub(super) fn new<'a>(tombstones: impl IntoIterator<Item = &'a Tombstone>) -> Self {
        let read = tombstones.into_iter().filter_map(|tombstone| {
            let stream = Stream::parse(tombstone.stream.as_str())?;
            let (site, pseudonyms) = record::parse_erasure(&tombstone.payload)?;
            Some((stream, site.to_owned(), pseudonyms.iter().copied().collect()))
        });
        Self(read.collect())
    }

    /// The orders for one stream.
    pub(super) fn of(&self, stream: &StreamKey) -> OfStream<'_> {
        let known = if self.0.is_empty() { None } else { Stream::parse(stream.as_str()) };
        let is_of = |order: &&(Stream, String, _)| known.as_ref().is_some_and(|stream| order.0.erases_from(stream));
        OfStream(self.0.iter().filter(is_of).map(|(_, site, pseudonyms)| (site.as_str(), pseudonyms)).collect())
    }
}

/// For each site the pseudonyms whose rows are erased from one stream.
pub(super) struct OfStream<'a>(Vec<(&'a str, &'a HashSet<[u8; 16]>)>);

impl OfStream<'_> {
    /// Whether an order erases this row. It sees what the vault would.
    pub(super) fn has(&self, columns: &[&str], row: &[u8]) -> bool {
        if self.0.is_empty() {
            return false;
        }
        let Some((site, visitor)) = record::site_and_visitor(columns, row) else { return false };
        self.0.iter().any(|(of, pseudonyms)| {
            of.as_bytes() == site && visitor.try_into().is_ok_and(|visitor: [u8; 16]| pseudonyms.contains(&visitor))
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn order(sequence: u64, stream: &str, site: &str, pseudonym: u8) -> Tombstone {
        Tombstone {
            sequence,
            stream: StreamKey::new(stream).unwrap(),
            payload: record::erasure(site, &[[pseudonym; 16]]),
        }
    }

    #[test]
    fn orders_of_one_domain_and_site_are_one_and_no_others() {
        let (events, errors) = ("events|2026-11-22|2026-11-22|", "errors|2026-11-22|2026-11-22|");
        let unread = Tombstone { sequence: 9, stream: StreamKey::new(events).unwrap(), payload: Vec::new() };
        let orders = [
            order(1, events, "a.kz", 1),
            order(2, errors, "a.kz", 2),
            order(3, "events|2026-11-22|2026-11-29|", "a.kz", 3),
            order(4, events, "b.kz", 4),
            order(5, "events|2026-11-23|2026-11-23|", "a.kz", 5),
            unread,
        ];
        let merged: Vec<_> = merged(&orders)
            .iter()
            .map(|order| {
                let read = record::parse_erasure(&order.payload);
                (order.sequence, read.map(|(_, known)| known.iter().map(|known| known[0]).collect::<Vec<_>>()))
            })
            .collect();
        let expected = [(1, Some(vec![1, 3])), (2, Some(vec![2])), (4, Some(vec![4])), (5, Some(vec![5])), (9, None)];
        assert_eq!(merged, expected);
    }
}

//! The rows of a beacon as frames for the spool.
//!
//! The stream keys of a site are built once a day and not for each beacon.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};

use jiff::civil::Date;

use crate::privacy::pseudonymous::PseudonymousBeacon;
use crate::record::{self, StreamRef, Table};
use crate::spool::{Frame, StreamKey};

/// The stream keys of one day of a site. Their number is bounded by the attributes that policies can list.
#[derive(Default)]
pub(super) struct StreamKeys(Mutex<(Date, HashMap<Within, StreamKey>)>);

/// What distinguishes a stream within its site and day.
type Within = (Table, &'static str, Option<u16>);

impl StreamKeys {
    /// The rows of a beacon of this site: one frame per stream.
    pub(super) fn frames(&self, kept: &PseudonymousBeacon) -> Vec<Frame> {
        let frames = record::by_stream(kept, |of| Frame::new(self.key(of)), Frame::push);
        frames.into_iter().map(|(_, frame)| frame).collect()
    }

    fn key(&self, of: StreamRef<'_>) -> StreamKey {
        let mut keys = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let (day, known) = &mut *keys;
        if *day != of.day {
            (*day, *known) = (of.day, HashMap::new());
        }
        let made = || StreamKey::new(&of.stream().label()).expect("labels of checked domains have under 256 bytes");
        known.entry((of.table, of.name, of.entry)).or_insert_with(made).clone()
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use jiff::civil::date;

    use super::*;
    use crate::event::Tally;

    #[test]
    fn rows_of_two_days_are_two_frames_in_two_streams() {
        let (keys, site): (StreamKeys, Arc<str>) = (StreamKeys::default(), "a.kz".into());
        let tally =
            |day| Tally { site: site.clone(), day: date(2026, 11, day), window_end: 0, reason: "x".into(), count: 1 };
        let kept = PseudonymousBeacon { tallies: vec![tally(22), tally(23), tally(22)], ..Default::default() };
        for _ in 0..2 {
            let frames = keys.frames(&kept);
            assert_eq!(frames.iter().map(Frame::rows).collect::<Vec<_>>(), [2, 1]);
        }
        for day in [22, 23, 22] {
            let of = StreamRef { table: Table::Tallies, site: "a.kz", day: date(2026, 11, day), name: "", entry: None };
            assert_eq!(keys.key(of).as_str(), format!("tallies|a.kz|2026-11-{day}|"));
        }
    }
}

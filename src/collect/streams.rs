//! The rows of a beacon as frames for the spool.
//!
//! The stream keys of a site are built once a day and not for each beacon.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};

use foldhash::fast::RandomState;
use jiff::civil::Date;

use crate::privacy::pseudonymous::PseudonymousBeacon;
use crate::record::{self, StreamRef};
use crate::spool::{Frame, StreamKey};

/// The stream keys of one day of a site. Their number is bounded by the attributes that policies can list.
#[derive(Default)]
pub(super) struct StreamKeys(Mutex<(Date, HashMap<StreamRef, StreamKey, RandomState>)>);

impl StreamKeys {
    /// The rows of a beacon of this site: one frame per stream.
    pub(super) fn frames(&self, kept: &PseudonymousBeacon) -> Vec<Frame> {
        let frames = record::by_stream(kept, |of| Frame::new(self.key(of)), Frame::push);
        frames.into_iter().map(|(_, frame)| frame).collect()
    }

    fn key(&self, of: StreamRef) -> StreamKey {
        let mut keys = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let (day, known) = &mut *keys;
        if *day != of.day {
            (*day, *known) = (of.day, HashMap::default());
        }
        let made = || StreamKey::new(&of.stream().label()).expect("names of tables and attributes are short");
        known.entry(of).or_insert_with(made).clone()
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use jiff::civil::date;

    use super::*;
    use crate::event::Tally;
    use crate::record::Table;

    #[test]
    fn rows_of_two_days_or_two_windows_are_frames_in_streams_of_their_own() {
        let (keys, site): (StreamKeys, Arc<str>) = (StreamKeys::default(), "a.kz".into());
        let tally = |day, window_end| {
            let (site, day, reason) = (site.clone(), date(2026, 11, day), "x".into());
            Tally { site, day, window_end, reason, count: 1 }
        };
        let tallies = vec![tally(22, 0), tally(23, 0), tally(22, 86_399), tally(22, 86_400)];
        let kept = PseudonymousBeacon { tallies, ..Default::default() };
        for _ in 0..2 {
            let frames = keys.frames(&kept);
            assert_eq!(frames.iter().map(Frame::rows).collect::<Vec<_>>(), [2, 1, 1]);
        }
        for (day, until) in [(22, 0), (23, 0), (22, 0), (22, 1)] {
            let of = StreamRef { table: Table::Tallies, day: date(2026, 11, day), until, name: "", entry: None };
            assert_eq!(keys.key(of).as_str(), format!("tallies|2026-11-{day}|1970-01-0{}|", until + 1));
        }
    }
}

//! A beacon's rows as frames for the spool, and the names of a site's lanes, which are written once a day and not per beacon.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};

use jiff::civil::Date;

use crate::event::PseudonymousBeacon;
use crate::record::{self, LaneOf, Table};
use crate::spool::{Frame, Lane};

/// The lanes of a site's day; bounded by the words that policies know.
#[derive(Default)]
pub(super) struct Lanes(Mutex<(Date, HashMap<Within, Lane>)>);

/// What a lane is called within its site's day.
type Within = (Table, &'static str, Option<u16>);

impl Lanes {
    /// The rows of a beacon of this site as the spool takes them: a frame for each lane.
    pub(super) fn frames(&self, kept: &PseudonymousBeacon) -> Vec<Frame> {
        let frames = record::by_lane(kept, |of| Frame::new(self.lane(of)), Frame::push);
        frames.into_iter().map(|(_, frame)| frame).collect()
    }

    fn lane(&self, of: LaneOf<'_>) -> Lane {
        let mut lanes = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let (day, known) = &mut *lanes;
        if *day != of.day {
            (*day, *known) = (of.day, HashMap::new());
        }
        let made = || Lane::new(&of.lane().label()).expect("labels of checked domains have under 256 bytes");
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
    fn rows_of_two_days_are_two_frames_in_lanes_of_their_own() {
        let (lanes, site): (Lanes, Arc<str>) = (Lanes::default(), "a.kz".into());
        let tally = |day| Tally { site: site.clone(), day: date(2026, 11, day), hour: 0, reason: "x".into(), count: 1 };
        let kept = PseudonymousBeacon { tallies: vec![tally(22), tally(23), tally(22)], ..Default::default() };
        for _ in 0..2 {
            let frames = lanes.frames(&kept);
            assert_eq!(frames.iter().map(Frame::rows).collect::<Vec<_>>(), [2, 1]);
        }
        for day in [22, 23, 22] {
            let of = LaneOf { table: Table::Tallies, site: "a.kz", day: date(2026, 11, day), name: "", entry: None };
            assert_eq!(lanes.lane(of).as_str(), format!("tallies|a.kz|2026-11-{day}|"));
        }
    }
}

//! The reader's side of a crowd: its parts, one after the other.
//!
//! Which part a frame is in shows only when the frame is met. A walk over the whole crowd for each part would take a time that
//! grows with the square of the crowd. So a walk brings as many parts as fit into [`AHEAD_BYTES`]. Parts that were read ahead
//! are in memory only: after an error or a restart they are read again.

use std::io;

use super::super::accounting::Outcomes;
use super::super::crowd::Crowd;
use super::super::delivery::{DeliveryBatch, DeliveryBatchBuilder, DeliveryLimits, Tombstone};
use super::super::frame::Kind;
use super::super::measured::Measured;
use super::super::segment::{Scanned, Wanted};
use super::super::shared::lock;
use super::super::state::State;
use super::{Core, ReadError};

/// What the parts that are read at once take in memory, about.
const AHEAD_BYTES: u64 = 64 << 20;

/// A part of the crowd that was read.
pub(super) struct Part {
    builder: DeliveryBatchBuilder,
    /// Where the crowd ends, and the position there.
    behind: (u64, u64),
}

impl Core {
    /// Reads what leaves of the frames up to this one: all, or so many parts of the crowd.
    pub(super) fn read_up_to(&mut self, last: u64, parts: u32) -> Result<Vec<DeliveryBatchBuilder>, ReadError> {
        let (crowd, mut builders, mut tombstones) = (self.state.crowd, Vec::new(), Vec::new());
        builders.resize_with(parts as usize, DeliveryBatchBuilder::default);
        let part = |frame: &Scanned| match (crowd, frame.kind) {
            (Some(crowd), Kind::Rows) => crowd.parts_until(frame.sequence),
            (Some(crowd), _) => crowd.parts_left().checked_sub(1),
            (None, _) => Some(0),
        };
        while let Some(frame) = self.next_frame()? {
            if frame.sequence > last {
                self.lookahead = Some(frame);
                break;
            }
            if crowd.is_some() && frame.kind == Kind::Tombstone {
                let (sequence, stream, payload) = (frame.sequence, frame.stream.clone(), frame.payload.clone());
                tombstones.push(Tombstone { sequence, stream, payload });
            }
            if let Some(builder) = part(&frame).and_then(|part| builders.get_mut(part as usize)) {
                builder.add(frame);
            }
        }
        let tombstones = tombstones.into();
        builders.iter_mut().for_each(|builder| builder.is_of_crowd(&tombstones));
        Ok(builders)
    }

    /// The next part of the crowd, of a new one if none is leaving.
    pub(super) fn form_of_crowd(
        &mut self,
        limits: &DeliveryLimits,
        released: u64,
    ) -> Result<Option<DeliveryBatch>, ReadError> {
        let crowd = match self.state.crowd {
            Some(crowd) => crowd,
            None => {
                let measured = self.measure(limits, released)?;
                if measured.last == 0 {
                    return self.nothing_waits(released);
                }
                let seed = getrandom::u64().map_err(|error| ReadError::State(io::Error::other(error)))?;
                // The delivery batch, which is made durable before it is handed out, has the crowd with it.
                *self.state.crowd.insert(measured.crowd(limits, seed))
            }
        };
        let Part { mut builder, behind } = match self.ahead.pop_front() {
            Some(part) => part,
            None => self.read_parts(&crowd)?,
        };
        self.more = true;
        let open = builder.boundaries(behind.0, behind.1, getrandom::u64);
        match open.map_err(|error| ReadError::State(io::Error::other(error)))? {
            Some(open) => {
                self.save(State { open: Some(open.clone()), ..self.state.clone() })?;
                return Ok(Some(builder.into_delivery(&open, false)));
            }
            None => self.finish_part(behind, 0, &Outcomes::default(), 0)?,
        }
        Ok(None)
    }

    /// Reads the part that leaves now, and some that leave behind it.
    fn read_parts(&mut self, crowd: &Crowd) -> Result<Part, ReadError> {
        let bytes: u64 = {
            let inventory = lock(&self.shared.inventory);
            let is_of_crowd = |first: u64, last: u64| last > self.state.cursor && first <= crowd.last;
            let segments = inventory.segments.iter();
            segments
                .filter(|segment| is_of_crowd(segment.header.first, segment.last))
                .map(|segment| segment.bytes)
                .sum()
        };
        let part = bytes / u64::from(crowd.parts) + 1;
        let parts = u32::try_from(AHEAD_BYTES / part).unwrap_or(u32::MAX).clamp(1, crowd.parts_left());
        self.rewind_for(Wanted::Parts(*crowd, parts));
        let builders = self.read_up_to(crowd.last, parts)?;
        let behind = self.passed();
        self.ahead = builders.into_iter().map(|builder| Part { builder, behind }).collect();
        Ok(self.ahead.pop_front().expect("it reads as many parts"))
    }

    /// No frame up to this one is left. Damage is settled as it is.
    fn nothing_waits(&mut self, released: u64) -> Result<Option<DeliveryBatch>, ReadError> {
        let (passed, rows) = self.passed();
        if passed > self.state.cursor {
            self.finish_part((passed, rows), 0, &Outcomes::default(), 0)?;
        }
        (self.more, self.seen) = (false, released);
        Ok(None)
    }

    /// Looks which frames make a crowd.
    fn measure(&mut self, limits: &DeliveryLimits, released: u64) -> Result<Measured, ReadError> {
        self.rewind_for(Wanted::None);
        let options = &self.shared.options;
        let (mut measured, bytes_max) = (Measured::default(), options.crowd_bytes().min(options.largest_crowd_bytes));
        while let Some(frame) = self.next_frame()? {
            if frame.sequence > released || !measured.add(&frame, limits, bytes_max) {
                self.lookahead = Some(frame);
                break;
            }
        }
        Ok(measured)
    }
}

//! Which frames make a crowd (crowd.rs), and how many parts it needs.

use std::collections::HashMap;

use super::crowd::Crowd;
use super::delivery::DeliveryLimits;
use super::frame::{Kind, StreamKey};
use super::segment::Scanned;

/// What a crowd would hold, frame by frame.
#[derive(Default)]
pub(super) struct Measured {
    schema_version: Option<u32>,
    bytes: u64,
    frames: u64,
    rows: HashMap<StreamKey, u64>,
    /// The last frame.
    pub(super) last: u64,
}

impl Measured {
    /// Adds a frame, unless it must begin another crowd: it has other columns, or there are enough bytes or streams.
    pub(super) fn add(&mut self, frame: &Scanned, limits: &DeliveryLimits, bytes_max: u64) -> bool {
        let fits = self.schema_version.is_none_or(|version| version == frame.schema_version)
            && (self.bytes == 0 || self.bytes + frame.bytes <= bytes_max)
            && (frame.kind != Kind::Rows
                || self.rows.len() < limits.streams()
                || self.rows.contains_key(&frame.stream));
        if !fits {
            return false;
        }
        self.schema_version = Some(frame.schema_version);
        self.bytes += frame.bytes;
        self.frames += 1;
        self.last = frame.sequence;
        if frame.kind == Kind::Rows {
            *self.rows.entry(frame.stream.clone()).or_default() += u64::from(frame.rows);
        }
        true
    }

    /// The crowd. Its parts are half of what a delivery batch may be, as some come out larger than others.
    pub(super) fn crowd(&self, limits: &DeliveryLimits, seed: u64) -> Crowd {
        let most_rows = self.rows.values().max().copied().unwrap_or(0);
        let fits = self.bytes <= limits.max_bytes && most_rows <= limits.max_rows;
        let parts = |amount: u64, most: u64| amount.div_ceil((most / 2).max(1));
        let parts = if fits { 1 } else { parts(self.bytes, limits.max_bytes).max(parts(most_rows, limits.max_rows)) };
        let parts = parts.min(self.frames);
        Crowd { last: self.last, seed, parts: u32::try_from(parts).unwrap_or(u32::MAX).max(1), part: 0, taken: 0 }
    }
}

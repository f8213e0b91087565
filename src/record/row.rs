//! RowBinary, value by value.

use jiff::civil::Date;

use crate::event::day::epoch_days;
use crate::privacy::pseudonymous::{Pseudonym, RowSubject};

/// What a row seldom exceeds, in bytes.
const ROW: usize = 256;

/// One row under construction. Its buffer is reused for the next row.
pub(super) struct Row {
    bytes: Vec<u8>,
    /// The day of the row before, which most rows of a beacon share, and its number.
    day: (Date, u16),
}

impl Default for Row {
    fn default() -> Self {
        let day = Date::default();
        Self { bytes: Vec::with_capacity(ROW), day: (day, epoch_days(day)) }
    }
}

impl Row {
    /// The row that is written.
    pub(super) fn begun(&mut self, write: impl FnOnce(&mut Self)) -> &[u8] {
        self.bytes.clear();
        write(self);
        &self.bytes
    }

    /// Where and when.
    pub(super) fn moment(&mut self, of: &RowSubject) -> &mut Self {
        self.text(&of.site).day(of.day).time(of.window_end)
    }

    /// By whom, as far as the publishing rules ask.
    pub(super) fn subject(&mut self, of: &RowSubject) -> &mut Self {
        self.bytes(of.visitor.bytes()).bool(of.confirmed).byte(of.network).bool(of.new_week).bool(of.new_month)
    }

    pub(super) fn bytes(&mut self, value: &[u8]) -> &mut Self {
        self.bytes.extend_from_slice(value);
        self
    }

    /// A pseudonym among the few of one visitor: eight bytes distinguish them, and zeroes compress to nothing.
    pub(super) fn half(&mut self, value: Pseudonym) -> &mut Self {
        self.bytes(&value.bytes()[..8]).bytes(&[0; 8])
    }

    pub(super) fn byte(&mut self, value: u8) -> &mut Self {
        self.bytes.push(value);
        self
    }

    pub(super) fn bool(&mut self, value: bool) -> &mut Self {
        self.byte(value.into())
    }

    pub(super) fn u16(&mut self, value: u16) -> &mut Self {
        self.bytes(&value.to_le_bytes())
    }

    pub(super) fn u32(&mut self, value: u32) -> &mut Self {
        self.bytes(&value.to_le_bytes())
    }

    pub(super) fn text(&mut self, value: &str) -> &mut Self {
        let mut length = value.len();
        while length >= 0x80 {
            self.byte((length & 0x7f) as u8 | 0x80);
            length >>= 7;
        }
        self.byte(length as u8).bytes(value.as_bytes())
    }

    /// Days outside ClickHouse's `Date` (1970 to 2149) are cut to its ends.
    pub(super) fn day(&mut self, value: Date) -> &mut Self {
        if self.day.0 != value {
            self.day = (value, epoch_days(value));
        }
        self.u16(self.day.1)
    }

    /// Times outside ClickHouse's `DateTime` (1970 to 2106) are cut to its ends.
    pub(super) fn time(&mut self, seconds: i64) -> &mut Self {
        self.u32(seconds.clamp(0, i64::from(u32::MAX)) as u32)
    }
}

//! A look at what waits, for who may see it. Nothing moves by it, and nothing is counted.

use std::io;

use super::delivery::Tombstone;
use super::frame::{Kind, Rows};
use super::segment::{self, Scan, Scanned, Wanted};
use super::shared::{Shared, lock};
use super::writer::Writer;

impl Writer {
    /// Shows every durable row that is in no finished delivery batch: its stream, its schema version, its bytes. Returns whether all
    /// could be read: not what the disk has damaged, nor what is encrypted under a key that is not there. Rows of a delivery batch or crowd
    /// that is under way may be in the store as well. Blocks.
    pub fn look(&self, mut show: impl FnMut(&str, u32, &[u8])) -> io::Result<bool> {
        self.shared().walk(Wanted::All, u64::MAX, |frame| {
            if frame.kind == Kind::Rows {
                Rows(&frame.payload).for_each(|row| show(frame.stream.as_str(), frame.schema_version, row));
            }
        })
    }

    /// The same for what a former process has left: its rows, and the payload of each tombstone behind the rows that were appended
    /// before it. Rows of this process are not shown.
    pub fn look_at_found(&self, mut show: impl FnMut(&str, Found<'_>)) -> io::Result<bool> {
        let until = lock(&self.shared().inventory).recovered.0;
        self.shared().walk(Wanted::All, until, |frame| {
            let stream = frame.stream.as_str();
            match frame.kind {
                Kind::Rows => Rows(&frame.payload).for_each(|row| show(stream, Found::Row(frame.schema_version, row))),
                Kind::Tombstone => show(stream, Found::Tombstone(&frame.payload)),
                Kind::Void => {}
            }
        })
    }
}

/// What a former process has left.
pub enum Found<'a> {
    /// A row, with its schema version.
    Row(u32, &'a [u8]),
    /// The payload of a tombstone.
    Tombstone(&'a [u8]),
}

impl Shared {
    /// The tombstones that are in no finished delivery batch.
    pub(super) fn waiting_tombstones(&self) -> io::Result<Vec<Tombstone>> {
        let mut waiting = Vec::new();
        self.walk(Wanted::None, u64::MAX, |frame| {
            if frame.kind == Kind::Tombstone {
                let (sequence, stream, payload) = (frame.sequence, frame.stream.clone(), frame.payload.clone());
                waiting.push(Tombstone { sequence, stream, payload });
            }
        })?;
        Ok(waiting)
    }

    /// Shows every durable frame up to a sequence that is in no finished delivery batch. Whether all could be read.
    fn walk(&self, wanted: Wanted, until: u64, mut show: impl FnMut(&Scanned)) -> io::Result<bool> {
        let (segments, finished) = {
            let inventory = lock(&self.inventory);
            (inventory.segments.clone(), inventory.finished)
        };
        let mut whole = true;
        for segment in segments.iter().filter(|segment| segment.last > finished) {
            let last = segment.last.min(until);
            let file = match self.io.open(&segment.path) {
                Ok(file) => file,
                // It was finished meanwhile.
                Err(error) if error.kind() == io::ErrorKind::NotFound => continue,
                Err(error) => return Err(error),
            };
            let mut scan = Scan::new(file, segment.header, segment.bytes);
            scan.cipher = self.options.keys.find(&segment.header.id, segment.header.key_check);
            scan.wanted = wanted;
            whole &= scan.cipher.is_some();
            while scan.cipher.is_some() && scan.expected <= last {
                match scan.next()? {
                    segment::Found::Frame(frame) if frame.sequence > finished && frame.sequence <= last => show(&frame),
                    segment::Found::Frame(_) | segment::Found::Block(_) | segment::Found::Void => {}
                    segment::Found::Gap { .. } => whole = false,
                    segment::Found::End { .. } => {
                        whole = false;
                        break;
                    }
                }
            }
        }
        Ok(whole)
    }
}

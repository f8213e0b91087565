//! A look at what waits, for who may see it. Nothing moves by it, and nothing is counted.

use std::io;

use super::delivery::Tombstone;
use super::frame::{Kind, Rows};
use super::segment::{Found, Scan, Scanned, Wanted};
use super::shared::{Shared, lock};
use super::writer::Writer;

impl Writer {
    /// Shows every durable row that is in no finished delivery batch: its stream, its schema version, its bytes. Returns whether all
    /// could be read: not what the disk has damaged, nor what is encrypted under a key that is not there. Rows of a delivery batch or crowd
    /// that is under way may be in the store as well. Blocks.
    pub fn look(&self, mut show: impl FnMut(&str, u32, &[u8])) -> io::Result<bool> {
        self.shared().walk(Wanted::All, |frame| {
            if frame.kind == Kind::Rows {
                Rows(&frame.payload).for_each(|row| show(frame.stream.as_str(), frame.schema_version, row));
            }
        })
    }
}

impl Shared {
    /// The tombstones that are in no finished delivery batch.
    pub(super) fn waiting_tombstones(&self) -> io::Result<Vec<Tombstone>> {
        let mut waiting = Vec::new();
        self.walk(Wanted::None, |frame| {
            if frame.kind == Kind::Tombstone {
                let (sequence, stream, payload) = (frame.sequence, frame.stream.clone(), frame.payload.clone());
                waiting.push(Tombstone { sequence, stream, payload });
            }
        })?;
        Ok(waiting)
    }

    /// Shows every durable frame that is in no finished delivery batch. Whether all could be read.
    fn walk(&self, wanted: Wanted, mut show: impl FnMut(&Scanned)) -> io::Result<bool> {
        let (segments, finished) = {
            let inventory = lock(&self.inventory);
            (inventory.segments.clone(), inventory.finished)
        };
        let mut whole = true;
        for segment in segments.iter().filter(|segment| segment.last > finished) {
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
            while scan.cipher.is_some() && scan.expected <= segment.last {
                match scan.next()? {
                    Found::Frame(frame) if frame.sequence > finished && frame.sequence <= segment.last => show(&frame),
                    Found::Frame(_) | Found::Block(_) | Found::Void => {}
                    Found::Gap { .. } => whole = false,
                    Found::End { .. } => {
                        whole = false;
                        break;
                    }
                }
            }
        }
        Ok(whole)
    }
}

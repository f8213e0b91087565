//! Which spool this is: a random number in a file beside its state, made with it.
//!
//! A copy of the folder has the same number. So a store that was given the number with how far the spool has come can be asked
//! whether more has left than a copy knows ([`Progress`]). A spool that has skipped what a store had of it, and one whose state is lost,
//! is another spool from then on. If the file cannot be written the number lasts as long as the process: then an older copy is not found out.

use std::io;
use std::path::Path;

use super::io::Io;

const NAME: &str = "id";
/// The number, and its CRC32C.
const BYTES: usize = 12;

/// How far a spool has come. Positions are numbers of rows (accounting.rs) and never go back.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Progress {
    /// The number of the spool.
    pub spool: u64,
    /// The position behind the open delivery batch: rows up to here may be in the store.
    pub begun: u64,
    /// The position behind what is settled as a whole: a crowd whose parts have not all left is not.
    pub settled: u64,
    /// The sequence that goes with `begun`.
    pub last: u64,
}

/// The number in the folder; a new one if there is none, or if the old one must not be used any more.
pub(super) fn load(dir: &Path, io: &dyn Io, must_change: bool) -> u64 {
    let found = if must_change { None } else { read(dir, io).ok().flatten() };
    found.unwrap_or_else(|| {
        let number = getrandom::u64().unwrap_or_default();
        if let Err(error) = write(dir, io, number) {
            tracing::warn!(%error, "the number of the spool cannot be written: an older copy of it would not be known as one");
        }
        number
    })
}

fn read(dir: &Path, io: &dyn Io) -> io::Result<Option<u64>> {
    let (file, mut bytes) = (io.open(&dir.join(NAME))?, [0; BYTES]);
    let length = file.read_at(&mut bytes, 0)?;
    let (number, checksum) = bytes.split_first_chunk::<8>().expect("there are twelve");
    let is_whole = length == BYTES && checksum == crc32c::crc32c(number).to_le_bytes();
    Ok(is_whole.then(|| u64::from_le_bytes(*number)))
}

/// Puts a number in the place of the one before, whole or not at all.
pub(super) fn write(dir: &Path, io: &dyn Io, number: u64) -> io::Result<()> {
    let path = dir.join(NAME);
    let new = path.with_extension("new");
    match io.remove(&new) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
        _ => {}
    }
    let number = number.to_le_bytes();
    let bytes = [&number[..], &crc32c::crc32c(&number).to_le_bytes()].concat();
    let file = io.create(&new)?;
    file.write_all_at(&bytes, 0)?;
    file.sync_data()?;
    io.rename(&new, &path)?;
    io.sync_dir(dir)
}

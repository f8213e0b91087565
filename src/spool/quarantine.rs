//! Quarantine: the folder for damage. It holds files that were not understood, and copies of damaged bytes.
//!
//! The spool never reads these files. They are for an operator who examines what the disk has done. They hold
//! pseudonymous rows like the segments, so they are kept no longer than the vault would keep the rows. Their age counts
//! from the last write: a move to quarantine keeps that time, and a copy takes the time of its segment.

use std::io;
use std::path::Path;

use super::QUARANTINE;
use super::io::Io;

/// Moves a whole file to quarantine, under a name that is free there.
pub(super) fn set_aside(io: &dyn Io, dir: &Path, path: &Path) -> io::Result<()> {
    let name = path.file_name().and_then(|name| name.to_str()).unwrap_or("unnamed");
    let quarantine = dir.join(QUARANTINE);
    let taken = io.list(&quarantine)?;
    let free = std::iter::once(name.to_owned())
        .chain((1..).map(|number: u64| format!("{name}.{number}")))
        .find(|name| taken.iter().all(|entry| entry.name != *name))
        .expect("there are more numbers than files");
    io.rename(path, &quarantine.join(free))
}

/// Copies damaged bytes to quarantine. `false` when an earlier look at the same place has done so.
pub(super) fn copy_aside(io: &dyn Io, dir: &Path, segment: &Path, offset: u64, bytes: &[u8]) -> io::Result<bool> {
    let name = segment.file_name().and_then(|name| name.to_str()).unwrap_or("unnamed");
    let quarantine = dir.join(QUARANTINE);
    let path = quarantine.join(format!("{name}-{offset}"));
    let file = match io.create(&path) {
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => return Ok(false),
        other => other?,
    };
    let written = file.write_all_at(bytes, 0).and_then(|()| file.sync_data()).and_then(|()| io.sync_dir(&quarantine));
    // The copy is as old as what it was copied from, since by that it is deleted. At worst it stays a little longer.
    let _ = io.same_time(&path, segment);
    if written.is_err() {
        let _ = io.remove(&path); // Half a copy would pass for a whole one.
    }
    written.map(|()| true)
}

/// Deletes the files that were last written before this time. Returns how many, and their bytes.
pub(super) fn purge(io: &dyn Io, dir: &Path, before_ms: i64) -> io::Result<(u64, u64)> {
    let quarantine = dir.join(QUARANTINE);
    let (mut files, mut bytes) = (0, 0);
    for entry in io.list(&quarantine)? {
        let path = quarantine.join(&entry.name);
        if io.modified_ms(&path)? < before_ms {
            io.remove(&path)?;
            (files, bytes) = (files + 1, bytes + entry.bytes);
        }
    }
    if files > 0 {
        io.sync_dir(&quarantine)?;
    }
    Ok((files, bytes))
}

#[cfg(test)]
mod tests {
    use std::time::{Duration, UNIX_EPOCH};

    use super::super::io::Disk;
    use super::*;

    #[test]
    fn what_is_old_goes_and_a_copy_is_as_old_as_its_segment() {
        let root = tempfile::tempdir().unwrap();
        let quarantine = root.path().join(QUARANTINE);
        Disk.create_dir_all(&quarantine).unwrap();
        let segment = root.path().join("1.seg");
        std::fs::write(&segment, b"rows").unwrap();
        let written = UNIX_EPOCH + Duration::from_secs(1_000);
        std::fs::File::options().write(true).open(&segment).unwrap().set_modified(written).unwrap();
        assert!(copy_aside(&Disk, root.path(), &segment, 0, b"ro").unwrap());
        assert_eq!(purge(&Disk, root.path(), 1_000_000).unwrap(), (0, 0));
        std::fs::write(quarantine.join("younger"), b"rows").unwrap();
        assert_eq!(purge(&Disk, root.path(), 1_000_001).unwrap(), (1, 2));
        assert_eq!(Disk.list(&quarantine).unwrap().len(), 1);
    }
}

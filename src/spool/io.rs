//! The disk as the spool uses it: a dozen calls, so that tests can simulate the hardware.
//!
//! Everything the spool does to a file or directory goes through [`Io`] and [`File`]. [`Disk`] is the real one. The
//! simulated one (tests only) forgets what was not synced, tears writes at sector boundaries and fails on demand. The
//! traits are synchronous: the callers are a thread of their own or `spawn_blocking`.

use std::any::Any;
use std::fs;
use std::io;
use std::os::unix::fs::{DirBuilderExt, FileExt, OpenOptionsExt};
use std::path::Path;

use rustix::fs::{FallocateFlags, FlockOperation};

/// Spooled rows are pseudonymous, not public: nobody but the service's own user reads them.
const FILE_MODE: u32 = 0o600;
const DIRECTORY_MODE: u32 = 0o700;

/// A directory tree.
pub trait Io: Send + Sync + 'static {
    /// Creates a directory and the ancestors that it lacks. They survive a power cut once this returns.
    fn create_dir_all(&self, path: &Path) -> io::Result<()>;
    /// The plain files directly inside a directory.
    fn list(&self, dir: &Path) -> io::Result<Vec<Entry>>;
    /// Creates a file that must not exist yet, for reading and writing.
    fn create(&self, path: &Path) -> io::Result<Box<dyn File>>;
    /// Opens a file that exists, for reading and writing.
    fn open(&self, path: &Path) -> io::Result<Box<dyn File>>;
    /// Renames, replacing the target.
    fn rename(&self, from: &Path, to: &Path) -> io::Result<()>;
    /// Unlinks a file.
    fn remove(&self, path: &Path) -> io::Result<()>;
    /// Makes creations, renames and removals inside this directory survive a power cut.
    fn sync_dir(&self, dir: &Path) -> io::Result<()>;
    /// When a file was last written, in milliseconds since 1970.
    fn modified_ms(&self, path: &Path) -> io::Result<i64> {
        let _ = path;
        Err(io::ErrorKind::Unsupported.into())
    }
    /// Gives a file the time at which another was last written.
    fn same_time(&self, path: &Path, other: &Path) -> io::Result<()> {
        let _ = (path, other);
        Err(io::ErrorKind::Unsupported.into())
    }
    /// Takes the exclusive lock on a file, creating it. `None` when another process holds it. Held until dropped.
    fn lock(&self, path: &Path) -> io::Result<Option<Lock>>;
}

/// An open file. Positions are explicit, so that one handle serves several readers.
pub trait File: Send + Sync {
    /// Reads at most `buffer.len()` bytes; 0 means the end.
    fn read_at(&self, buffer: &mut [u8], offset: u64) -> io::Result<usize>;
    /// Writes all of `bytes`. After an error any part of them may have been written.
    fn write_all_at(&self, bytes: &[u8], offset: u64) -> io::Result<()>;
    /// `fdatasync`. After an error the file must not be trusted beyond the last success: the kernel may have marked the
    /// pages clean, so that a second call succeeds without having written them.
    fn sync_data(&self) -> io::Result<()>;
    /// Truncates or extends.
    fn set_len(&self, bytes: u64) -> io::Result<()>;
    /// Reserves blocks and extends the file with zeros.
    fn allocate(&self, bytes: u64) -> io::Result<()>;
    /// The length.
    fn size(&self) -> io::Result<u64>;
}

/// A held lock; dropping it releases it.
pub type Lock = Box<dyn Any + Send + Sync>;

/// One file of a directory.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entry {
    /// The name without the directory.
    pub name: String,
    /// The length.
    pub bytes: u64,
}

/// The real disk.
#[derive(Clone, Copy, Debug, Default)]
pub struct Disk;

impl Io for Disk {
    fn create_dir_all(&self, path: &Path) -> io::Result<()> {
        if path.is_dir() {
            return Ok(());
        }
        let parent = match path.parent() {
            Some(parent) if !parent.as_os_str().is_empty() => parent,
            _ => Path::new("."),
        };
        self.create_dir_all(parent)?;
        match fs::DirBuilder::new().mode(DIRECTORY_MODE).create(path) {
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {}
            other => other?,
        }
        self.sync_dir(parent)
    }

    fn list(&self, dir: &Path) -> io::Result<Vec<Entry>> {
        let mut entries = Vec::new();
        for entry in fs::read_dir(dir)? {
            let entry = entry?;
            let metadata = entry.metadata()?;
            // A name that is not UTF-8 is none of ours.
            if let (true, Ok(name)) = (metadata.is_file(), entry.file_name().into_string()) {
                entries.push(Entry { name, bytes: metadata.len() });
            }
        }
        Ok(entries)
    }

    fn create(&self, path: &Path) -> io::Result<Box<dyn File>> {
        let file = fs::OpenOptions::new().read(true).write(true).create_new(true).mode(FILE_MODE).open(path)?;
        Ok(Box::new(DiskFile(file)))
    }

    fn open(&self, path: &Path) -> io::Result<Box<dyn File>> {
        Ok(Box::new(DiskFile(fs::OpenOptions::new().read(true).write(true).open(path)?)))
    }

    fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
        fs::rename(from, to)
    }

    fn remove(&self, path: &Path) -> io::Result<()> {
        fs::remove_file(path)
    }

    fn sync_dir(&self, dir: &Path) -> io::Result<()> {
        fs::File::open(dir)?.sync_all()
    }

    fn modified_ms(&self, path: &Path) -> io::Result<i64> {
        let since = fs::metadata(path)?.modified()?.duration_since(std::time::UNIX_EPOCH).unwrap_or_default();
        Ok(i64::try_from(since.as_millis()).unwrap_or(i64::MAX))
    }

    fn same_time(&self, path: &Path, other: &Path) -> io::Result<()> {
        let time = fs::metadata(other)?.modified()?;
        fs::OpenOptions::new().write(true).open(path)?.set_modified(time)
    }

    fn lock(&self, path: &Path) -> io::Result<Option<Lock>> {
        let file =
            fs::OpenOptions::new().read(true).write(true).create(true).truncate(false).mode(FILE_MODE).open(path)?;
        match rustix::fs::flock(&file, FlockOperation::NonBlockingLockExclusive) {
            Ok(()) => Ok(Some(Box::new(Locked(file)))),
            Err(rustix::io::Errno::WOULDBLOCK) => Ok(None),
            Err(errno) => Err(errno.into()),
        }
    }
}

/// A locked file. It is unlocked in so many words: a process that is just being started has a copy of the handle until
/// it becomes its own program, and merely closing ours would leave the lock to it for that long.
struct Locked(fs::File);

impl Drop for Locked {
    fn drop(&mut self) {
        let _ = rustix::fs::flock(&self.0, FlockOperation::Unlock);
    }
}

/// A file on the real disk.
struct DiskFile(fs::File);

impl File for DiskFile {
    fn read_at(&self, buffer: &mut [u8], offset: u64) -> io::Result<usize> {
        loop {
            match self.0.read_at(buffer, offset) {
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                other => return other,
            }
        }
    }

    fn write_all_at(&self, bytes: &[u8], offset: u64) -> io::Result<()> {
        self.0.write_all_at(bytes, offset)
    }

    fn sync_data(&self) -> io::Result<()> {
        self.0.sync_data()
    }

    fn set_len(&self, bytes: u64) -> io::Result<()> {
        self.0.set_len(bytes)
    }

    fn allocate(&self, bytes: u64) -> io::Result<()> {
        Ok(rustix::fs::fallocate(&self.0, FallocateFlags::empty(), 0, bytes)?)
    }

    fn size(&self) -> io::Result<u64> {
        Ok(self.0.metadata()?.len())
    }
}

/// Fills `buffer` from `offset`, with zeros beyond the end of the file.
pub(super) fn read_or_zero(file: &dyn File, buffer: &mut [u8], offset: u64) -> io::Result<()> {
    let mut done = 0;
    while done < buffer.len() {
        match file.read_at(&mut buffer[done..], offset + done as u64)? {
            0 => {
                buffer[done..].fill(0);
                return Ok(());
            }
            read => done += read,
        }
    }
    Ok(())
}

/// Whether the error says that the disk is full. Other errors say that it does not work.
pub(super) fn is_full(error: &io::Error) -> bool {
    matches!(error.kind(), io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded)
}

/// Whether the device itself could not deliver what a file once held (`EIO`); anything else may pass by itself.
pub(super) fn is_damage(error: &io::Error) -> bool {
    error.raw_os_error() == Some(rustix::io::Errno::IO.raw_os_error())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nested_directories_are_created_private() {
        use std::os::unix::fs::PermissionsExt;
        let root = tempfile::tempdir().unwrap();
        let dir = root.path().join("a/b");
        Disk.create_dir_all(&dir).unwrap();
        Disk.create_dir_all(&dir).unwrap();
        assert_eq!(fs::metadata(&dir).unwrap().permissions().mode() & 0o777, DIRECTORY_MODE);
        drop(Disk.create(&dir.join("f")).unwrap());
        assert_eq!(fs::metadata(dir.join("f")).unwrap().permissions().mode() & 0o777, FILE_MODE);
        assert_eq!(Disk.list(&dir).unwrap(), [Entry { name: "f".into(), bytes: 0 }]);
        assert_eq!(Disk.create(&dir.join("f")).err().unwrap().kind(), io::ErrorKind::AlreadyExists);
    }

    #[test]
    fn a_lock_is_refused_until_it_is_dropped() {
        let root = tempfile::tempdir().unwrap();
        let path = root.path().join("lock");
        let held = Disk.lock(&path).unwrap();
        assert!(held.is_some());
        assert!(Disk.lock(&path).unwrap().is_none());
        drop(held);
        assert!(Disk.lock(&path).unwrap().is_some());
    }

    #[test]
    fn reading_beyond_the_end_gives_zeros() {
        let root = tempfile::tempdir().unwrap();
        let file = Disk.create(&root.path().join("f")).unwrap();
        file.write_all_at(b"abc", 0).unwrap();
        let mut buffer = [9; 6];
        read_or_zero(file.as_ref(), &mut buffer, 1).unwrap();
        assert_eq!(&buffer, b"bc\0\0\0\0");
        file.allocate(10).unwrap();
        assert_eq!(file.size().unwrap(), 10);
    }
}

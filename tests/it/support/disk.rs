//! The real disk, unless a test tells it to wait or to be full.

use std::io;
use std::path::Path;
use std::sync::{Arc, Condvar, Mutex};

use tamga::spool::{Disk, Entry, File, Io, Lock};

#[derive(Clone, Copy, PartialEq, Eq)]
enum Mood {
    Well,
    Waiting,
    Full,
    Failing,
}

/// A disk on command.
#[derive(Clone)]
pub(crate) struct ObedientDisk(Arc<(Mutex<Mood>, Condvar)>);

impl Default for ObedientDisk {
    fn default() -> Self {
        Self(Arc::new((Mutex::new(Mood::Well), Condvar::new())))
    }
}

impl ObedientDisk {
    /// Writes wait from now on.
    pub(crate) fn hold(&self) {
        self.set(Mood::Waiting);
    }

    /// Writes find no room from now on.
    pub(crate) fn fill(&self) {
        self.set(Mood::Full);
    }

    /// Writes fail from now on.
    pub(crate) fn fail(&self) {
        self.set(Mood::Failing);
    }

    /// Everything is well from now on; what waited goes on.
    pub(crate) fn recover(&self) {
        self.set(Mood::Well);
    }

    fn set(&self, mood: Mood) {
        *self.0.0.lock().unwrap() = mood;
        self.0.1.notify_all();
    }

    fn pass(&self) -> io::Result<()> {
        let mood = self.0.1.wait_while(self.0.0.lock().unwrap(), |mood| *mood == Mood::Waiting).unwrap();
        match *mood {
            Mood::Full => Err(io::ErrorKind::StorageFull.into()),
            Mood::Failing => Err(io::Error::from_raw_os_error(rustix::io::Errno::IO.raw_os_error())),
            Mood::Well | Mood::Waiting => Ok(()),
        }
    }
}

impl Io for ObedientDisk {
    fn create_dir_all(&self, path: &Path) -> io::Result<()> {
        Disk.create_dir_all(path)
    }

    fn list(&self, dir: &Path) -> io::Result<Vec<Entry>> {
        Disk.list(dir)
    }

    fn create(&self, path: &Path) -> io::Result<Box<dyn File>> {
        self.pass()?;
        Ok(Box::new(ObedientFile { disk: self.clone(), file: Disk.create(path)? }))
    }

    fn open(&self, path: &Path) -> io::Result<Box<dyn File>> {
        Ok(Box::new(ObedientFile { disk: self.clone(), file: Disk.open(path)? }))
    }

    fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
        Disk.rename(from, to)
    }

    fn remove(&self, path: &Path) -> io::Result<()> {
        Disk.remove(path)
    }

    fn sync_dir(&self, dir: &Path) -> io::Result<()> {
        Disk.sync_dir(dir)
    }

    fn lock(&self, path: &Path) -> io::Result<Option<Lock>> {
        Disk.lock(path)
    }
}

struct ObedientFile {
    disk: ObedientDisk,
    file: Box<dyn File>,
}

impl File for ObedientFile {
    fn read_at(&self, buffer: &mut [u8], offset: u64) -> io::Result<usize> {
        self.file.read_at(buffer, offset)
    }

    fn write_all_at(&self, bytes: &[u8], offset: u64) -> io::Result<()> {
        self.disk.pass()?;
        self.file.write_all_at(bytes, offset)
    }

    fn sync_data(&self) -> io::Result<()> {
        self.disk.pass()?;
        self.file.sync_data()
    }

    fn set_len(&self, bytes: u64) -> io::Result<()> {
        self.file.set_len(bytes)
    }

    fn allocate(&self, bytes: u64) -> io::Result<()> {
        self.file.allocate(bytes)
    }

    fn size(&self) -> io::Result<u64> {
        self.file.size()
    }
}

//! The real disk, with faults that a test turns on: waiting, full or failing.

use std::io;
use std::path::Path;
use std::sync::{Arc, Condvar, Mutex};

use tamga::spool::{Disk, Entry, File, Io, Lock};

#[derive(Clone, Copy, PartialEq, Eq)]
enum State {
    Working,
    Waiting,
    Full,
    Failing,
}

/// A disk whose faults a test controls.
#[derive(Clone)]
pub(crate) struct ControlledDisk(Arc<(Mutex<State>, Condvar)>);

impl Default for ControlledDisk {
    fn default() -> Self {
        Self(Arc::new((Mutex::new(State::Working), Condvar::new())))
    }
}

impl ControlledDisk {
    /// Writes wait from now on.
    pub(crate) fn hold(&self) {
        self.set(State::Waiting);
    }

    /// The disk is full from now on.
    pub(crate) fn fill(&self) {
        self.set(State::Full);
    }

    /// Writes fail from now on.
    pub(crate) fn fail(&self) {
        self.set(State::Failing);
    }

    /// Writes succeed from now on, also those that waited.
    pub(crate) fn recover(&self) {
        self.set(State::Working);
    }

    fn set(&self, state: State) {
        *self.0.0.lock().unwrap() = state;
        self.0.1.notify_all();
    }

    fn pass(&self) -> io::Result<()> {
        let state = self.0.1.wait_while(self.0.0.lock().unwrap(), |state| *state == State::Waiting).unwrap();
        match *state {
            State::Full => Err(io::ErrorKind::StorageFull.into()),
            State::Failing => Err(io::Error::from_raw_os_error(rustix::io::Errno::IO.raw_os_error())),
            State::Working | State::Waiting => Ok(()),
        }
    }
}

impl Io for ControlledDisk {
    fn create_dir_all(&self, path: &Path) -> io::Result<()> {
        Disk.create_dir_all(path)
    }

    fn list(&self, dir: &Path) -> io::Result<Vec<Entry>> {
        Disk.list(dir)
    }

    fn create(&self, path: &Path) -> io::Result<Box<dyn File>> {
        self.pass()?;
        Ok(Box::new(ControlledFile { disk: self.clone(), file: Disk.create(path)? }))
    }

    fn open(&self, path: &Path) -> io::Result<Box<dyn File>> {
        Ok(Box::new(ControlledFile { disk: self.clone(), file: Disk.open(path)? }))
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

struct ControlledFile {
    disk: ControlledDisk,
    file: Box<dyn File>,
}

impl File for ControlledFile {
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

//! A disk that can lose power, run full, and fail on demand.
//!
//! What is not synced is lost, kept or torn, sector by sector, at the whim of a seed; names in directories likewise,
//! until the directory is synced. After a failed `fdatasync` the pages count as clean: a second call succeeds and has
//! written nothing, as on a real kernel.

use std::collections::BTreeMap;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};

use super::super::io::{Entry, File, Io, Lock};

const SECTOR: usize = 512;

/// A folder on memory-backed storage: it does not fail, has space, and is empty after a power cut.
pub(super) const MEMORY: &str = "/memory";

/// A source of whims; the same seed gives the same ones.
#[derive(Clone)]
pub(super) struct Rng(u64);

impl Rng {
    pub(super) fn new(seed: u64) -> Self {
        Self(seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1)
    }

    pub(super) fn below(&mut self, bound: u64) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        (self.0 >> 11) % bound.max(1)
    }

    pub(super) fn chance(&mut self, percent: u64) -> bool {
        self.below(100) < percent
    }
}

/// What can be made to fail.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Op {
    Create,
    Write,
    Sync,
    SyncDir,
    Remove,
    Read,
}

#[derive(Clone, Default)]
struct Inode {
    visible: Vec<u8>,
    durable: Vec<u8>,
    /// Sectors written since the last sync.
    dirty: std::collections::BTreeSet<usize>,
    in_memory: bool,
}

#[derive(Clone, Default)]
struct World {
    inodes: Vec<Inode>,
    names: BTreeMap<PathBuf, usize>,
    durable_names: BTreeMap<PathBuf, usize>,
    /// Changes of names since the last sync of their directory: a name and what it then meant, several at once for a
    /// rename.
    changes: Vec<Vec<(PathBuf, Option<usize>)>>,
    capacity: Option<usize>,
    failures: Vec<(Op, u32, i32, bool)>,
    operations_left: Option<u64>,
    dead: bool,
    syncs: u64,
    sync_takes: std::time::Duration,
    locked: bool,
}

/// A handle on the simulated disk of one boot.
#[derive(Clone, Default)]
pub(super) struct Sim(Arc<Mutex<World>>);

fn error(errno: rustix::io::Errno) -> io::Error {
    io::Error::from_raw_os_error(errno.raw_os_error())
}

impl Sim {
    fn world(&self) -> std::sync::MutexGuard<'_, World> {
        self.0.lock().unwrap_or_else(std::sync::PoisonError::into_inner)
    }

    /// Counts one operation; it may be the last.
    fn begin(&self, op: Op) -> io::Result<std::sync::MutexGuard<'_, World>> {
        self.begin_in(false, op)
    }

    /// The same for a file that may be in memory.
    fn begin_in(&self, in_memory: bool, op: Op) -> io::Result<std::sync::MutexGuard<'_, World>> {
        let mut world = self.world();
        if let Some(left) = &mut world.operations_left {
            if *left == 0 {
                world.dead = true;
            } else {
                *left -= 1;
            }
        }
        if world.dead {
            return Err(io::Error::other("the power is off"));
        }
        let mut failure = None;
        world.failures.retain_mut(|(kind, after, errno, sticky)| {
            if *kind != op || in_memory {
                return true;
            }
            if *after > 0 {
                *after -= 1;
                return true;
            }
            failure = Some(*errno);
            *sticky
        });
        failure.map_or(Ok(world), |errno| Err(io::Error::from_raw_os_error(errno)))
    }

    /// The operation of this kind after `after` others fails, and so do all behind it if `sticky`.
    pub(super) fn fail(&self, op: Op, after: u32, errno: rustix::io::Errno, sticky: bool) {
        self.world().failures.push((op, after, errno.raw_os_error(), sticky));
    }

    /// Takes back what [`Sim::fail`] and [`Sim::limit`] have set.
    pub(super) fn heal(&self) {
        let mut world = self.world();
        world.failures.clear();
        world.capacity = None;
    }

    /// No more than this many bytes fit.
    pub(super) fn limit(&self, bytes: usize) {
        self.world().capacity = Some(bytes);
    }

    pub(super) fn slow_syncs(&self, duration: std::time::Duration) {
        self.world().sync_takes = duration;
    }

    pub(super) fn syncs(&self) -> u64 {
        self.world().syncs
    }

    pub(super) fn used(&self) -> usize {
        let world = self.world();
        world.used()
    }

    /// Whether the power has gone off.
    pub(super) fn is_dead(&self) -> bool {
        self.world().dead
    }

    /// The power goes off after this many more operations.
    pub(super) fn die_after(&self, operations: u64) {
        self.world().operations_left = Some(operations);
    }

    /// The names below a directory.
    pub(super) fn names(&self, dir: &Path) -> Vec<PathBuf> {
        self.world().names.keys().filter(|path| path.starts_with(dir)).cloned().collect()
    }

    pub(super) fn contents(&self, path: &Path) -> Vec<u8> {
        let world = self.world();
        world.inodes[world.names[path]].visible.clone()
    }

    /// Puts a file there, durably, as if it had always been so.
    pub(super) fn plant(&self, path: &Path, bytes: &[u8]) {
        let mut world = self.world();
        let inode = world.inodes.len();
        world.inodes.push(Inode {
            visible: bytes.to_vec(),
            durable: bytes.to_vec(),
            in_memory: in_memory(path),
            ..Inode::default()
        });
        world.names.insert(path.to_owned(), inode);
        world.durable_names.insert(path.to_owned(), inode);
    }

    pub(super) fn unplant(&self, path: &Path) {
        let mut world = self.world();
        world.names.remove(path);
        world.durable_names.remove(path);
    }

    /// The process is gone; the kernel, and with it the page cache, lives on.
    pub(super) fn kill(&self) -> Self {
        let mut world = self.world();
        let mut next = world.clone();
        world.dead = true;
        (next.dead, next.operations_left, next.locked) = (false, None, false);
        next.failures.clear();
        Self(Arc::new(Mutex::new(next)))
    }

    /// The power is gone; what was not synced is at the seed's mercy.
    pub(super) fn power_cut(&self, rng: &mut Rng) -> Self {
        // Everything lost, everything kept, or anything between.
        let survival = [0, 100, 50, rng.below(100)][rng.below(4) as usize];
        self.power_cut_sparing(survival, rng)
    }

    /// The power is gone; of what was not synced this percentage survives.
    pub(super) fn power_cut_sparing(&self, survival: u64, rng: &mut Rng) -> Self {
        let mut world = self.world();
        world.dead = true;
        let mut names = world.durable_names.clone();
        for change in &world.changes {
            if rng.chance(survival) {
                apply(&mut names, change);
            }
        }
        names.retain(|path, _| !in_memory(path));
        let inodes = world
            .inodes
            .iter()
            .map(|inode| {
                let mut bytes = inode.durable.clone();
                if rng.chance(survival) {
                    bytes.resize(inode.visible.len(), 0);
                }
                for sector in &inode.dirty {
                    let range = sector * SECTOR..((sector + 1) * SECTOR).min(bytes.len()).min(inode.visible.len());
                    if rng.chance(survival) && !range.is_empty() {
                        bytes[range.clone()].copy_from_slice(&inode.visible[range]);
                    }
                }
                Inode { visible: bytes.clone(), durable: bytes, ..Inode::default() }
            })
            .collect();
        let next = World { inodes, durable_names: names.clone(), names, ..World::default() };
        Self(Arc::new(Mutex::new(next)))
    }

    fn file(&self, inode: usize) -> Box<dyn File> {
        Box::new(SimFile { sim: self.clone(), inode })
    }
}

fn in_memory(path: &Path) -> bool {
    path.starts_with(MEMORY)
}

fn apply(names: &mut BTreeMap<PathBuf, usize>, change: &[(PathBuf, Option<usize>)]) {
    for (path, inode) in change {
        match inode {
            Some(inode) => names.insert(path.clone(), *inode),
            None => names.remove(path),
        };
    }
}

impl World {
    fn change(&mut self, change: Vec<(PathBuf, Option<usize>)>) {
        apply(&mut self.names, &change);
        self.changes.push(change);
    }

    fn used(&self) -> usize {
        let inodes = self.names.values().map(|inode| &self.inodes[*inode]);
        inodes.filter(|inode| !inode.in_memory).map(|inode| inode.visible.len()).sum()
    }

    fn has_space_for(&self, bytes: usize) -> bool {
        self.capacity.is_none_or(|capacity| self.used() + bytes <= capacity)
    }
}

impl Io for Sim {
    fn create_dir_all(&self, _: &Path) -> io::Result<()> {
        self.begin(Op::Create).map(drop)
    }

    fn list(&self, dir: &Path) -> io::Result<Vec<Entry>> {
        let world = self.begin_in(in_memory(dir), Op::Read)?;
        let inside = world.names.iter().filter(|(path, _)| path.parent() == Some(dir));
        Ok(inside
            .map(|(path, inode)| Entry {
                name: path.file_name().unwrap().to_str().unwrap().to_owned(),
                bytes: world.inodes[*inode].visible.len() as u64,
            })
            .collect())
    }

    fn create(&self, path: &Path) -> io::Result<Box<dyn File>> {
        let mut world = self.begin_in(in_memory(path), Op::Create)?;
        if world.names.contains_key(path) {
            return Err(error(rustix::io::Errno::EXIST));
        }
        let inode = world.inodes.len();
        world.inodes.push(Inode { in_memory: in_memory(path), ..Inode::default() });
        world.change(vec![(path.to_owned(), Some(inode))]);
        Ok(self.file(inode))
    }

    fn open(&self, path: &Path) -> io::Result<Box<dyn File>> {
        let world = self.begin_in(in_memory(path), Op::Read)?;
        let inode = *world.names.get(path).ok_or_else(|| error(rustix::io::Errno::NOENT))?;
        Ok(self.file(inode))
    }

    fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
        let mut world = self.begin(Op::Create)?;
        let inode = *world.names.get(from).ok_or_else(|| error(rustix::io::Errno::NOENT))?;
        world.change(vec![(from.to_owned(), None), (to.to_owned(), Some(inode))]);
        Ok(())
    }

    fn remove(&self, path: &Path) -> io::Result<()> {
        let mut world = self.begin_in(in_memory(path), Op::Remove)?;
        if !world.names.contains_key(path) {
            return Err(error(rustix::io::Errno::NOENT));
        }
        world.change(vec![(path.to_owned(), None)]);
        Ok(())
    }

    fn sync_dir(&self, dir: &Path) -> io::Result<()> {
        let mut world = self.begin(Op::SyncDir)?;
        let concerns = |change: &[(PathBuf, Option<usize>)]| change.iter().any(|(path, _)| path.parent() == Some(dir));
        let (synced, left): (Vec<_>, Vec<_>) =
            std::mem::take(&mut world.changes).into_iter().partition(|change| concerns(change));
        synced.iter().for_each(|change| apply(&mut world.durable_names, change));
        world.changes = left;
        Ok(())
    }

    fn lock(&self, _: &Path) -> io::Result<Option<Lock>> {
        let mut world = self.begin(Op::Create)?;
        if std::mem::replace(&mut world.locked, true) {
            return Ok(None);
        }
        drop(world);
        Ok(Some(Box::new(Unlock(self.clone()))))
    }
}

struct Unlock(Sim);

impl Drop for Unlock {
    fn drop(&mut self) {
        self.0.world().locked = false;
    }
}

struct SimFile {
    sim: Sim,
    inode: usize,
}

impl SimFile {
    fn begin(&self, op: Op) -> io::Result<std::sync::MutexGuard<'_, World>> {
        let in_memory = self.sim.world().inodes[self.inode].in_memory;
        self.sim.begin_in(in_memory, op)
    }
}

impl File for SimFile {
    fn read_at(&self, buffer: &mut [u8], offset: u64) -> io::Result<usize> {
        let world = self.begin(Op::Read)?;
        let bytes = &world.inodes[self.inode].visible;
        let from = bytes.get(offset as usize..).unwrap_or(&[]);
        let length = from.len().min(buffer.len());
        buffer[..length].copy_from_slice(&from[..length]);
        Ok(length)
    }

    fn write_all_at(&self, bytes: &[u8], offset: u64) -> io::Result<()> {
        if self.sim.world().dead {
            return self.begin(Op::Write).map(drop);
        }
        let outcome = self.begin(Op::Write).map(drop);
        let mut world = self.sim.world();
        let offset = offset as usize;
        let grows = (offset + bytes.len()).saturating_sub(world.inodes[self.inode].visible.len());
        if !world.inodes[self.inode].in_memory && !world.has_space_for(grows) {
            return Err(error(rustix::io::Errno::NOSPC));
        }
        // A write that fails, or during which the power goes, has happened in part.
        let end = offset + if outcome.is_ok() { bytes.len() } else { bytes.len() / 2 };
        let inode = &mut world.inodes[self.inode];
        if inode.visible.len() < end {
            inode.visible.resize(end, 0);
        }
        inode.visible[offset..end].copy_from_slice(&bytes[..end - offset]);
        inode.dirty.extend(offset / SECTOR..end.div_ceil(SECTOR));
        outcome
    }

    fn sync_data(&self) -> io::Result<()> {
        let wait = self.sim.world().sync_takes;
        if !wait.is_zero() {
            std::thread::sleep(wait);
        }
        let outcome = self.begin(Op::Sync).map(drop);
        let mut world = self.sim.world();
        world.syncs += 1;
        let dead = world.dead;
        let inode = &mut world.inodes[self.inode];
        match &outcome {
            Ok(()) => {
                let Inode { visible, durable, dirty, .. } = inode;
                durable.resize(visible.len(), 0);
                for sector in std::mem::take(dirty) {
                    let range = (sector * SECTOR).min(visible.len())..((sector + 1) * SECTOR).min(visible.len());
                    durable[range.clone()].copy_from_slice(&visible[range]);
                }
            }
            Err(_) if !dead => inode.dirty.clear(),
            Err(_) => {}
        }
        outcome
    }

    fn set_len(&self, bytes: u64) -> io::Result<()> {
        let mut world = self.begin(Op::Write)?;
        world.inodes[self.inode].visible.resize(bytes as usize, 0);
        Ok(())
    }

    fn allocate(&self, bytes: u64) -> io::Result<()> {
        let mut world = self.begin(Op::Write)?;
        let grows = (bytes as usize).saturating_sub(world.inodes[self.inode].visible.len());
        if !world.has_space_for(grows) {
            return Err(error(rustix::io::Errno::NOSPC));
        }
        let length = world.inodes[self.inode].visible.len() + grows;
        world.inodes[self.inode].visible.resize(length, 0);
        Ok(())
    }

    fn size(&self) -> io::Result<u64> {
        Ok(self.begin(Op::Read)?.inodes[self.inode].visible.len() as u64)
    }
}

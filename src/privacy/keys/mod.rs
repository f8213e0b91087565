//! Day keys: one random key per site and day, in files on memory-backed storage, dead 30 minutes after their day.
//!
//! A key exists only as a file of 32 bytes in `[keys] dir` ([`files`]), and in locked memory of running collectors. Several
//! nodes may share the folder; a node that finds a key's file gone or replaced forgets its copy within half a second. When a
//! key is lost within its day (a reboot, an emptied folder), a new one is made. The loss is reported in the log, and through
//! [`KeyRing::unreported_loss`] in a tally, since the day's visitors are then counted twice. What destroying cannot reach:
//! copies that others made of the folder, and tmpfs pages that the kernel swapped out before.

mod files;
mod handed;
mod made;
#[cfg(test)]
mod tests;

use std::collections::HashMap;
use std::fs;
use std::io;
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use jiff::civil::Date;
use jiff::tz::TimeZone;
use jiff::{Timestamp, ToSpan};

use super::pseudonym::DayKey;
use crate::files::{private_folder, sync_name};
use crate::secret::Secret;
use files::{Drafts, KeyFiles, Stamp};
pub use handed::KeyMark;
use made::Made;

/// Minutes that a key outlives its day, for beacons under way.
pub const GRACE_MINUTES: i64 = 30;
/// `f_type` of tmpfs and ramfs in statfs(2).
const MEMORY_BACKED: [u64; 2] = [0x0102_1994, 0x8584_58f6];

/// Why there is no key.
#[derive(Debug, thiserror::Error)]
pub enum KeyError {
    /// The folder would let keys rest on a disk.
    #[error(
        "the key folder {dir} is not on memory-backed storage (tmpfs): keys must not survive on a disk. \
         Set [keys] dir to a folder under /run or /dev/shm.",
        dir = dir.display()
    )]
    NotInMemory {
        /// Which folder.
        dir: PathBuf,
    },
    /// The folder or a key file cannot be used.
    #[error("the key folder {dir} cannot be used: {cause}. Check its owner and its mode (0700).", dir = dir.display())]
    Io {
        /// Which folder.
        dir: PathBuf,
        /// What the system said. It is in the message, hence not a source.
        cause: io::Error,
    },
    /// The list of keys seen cannot be kept, without which a lost key would look like a first one.
    #[error("the list of keys seen, {path}, cannot be used: {cause}. Check the owner of [data] dir.", path = path.display())]
    Made {
        /// Which file.
        path: PathBuf,
        /// What the system said. It is in the message, hence not a source.
        cause: io::Error,
    },
}

/// A site and one of its days.
type SiteDay = (Arc<str>, Date);

/// The keys of all sites that are alive now.
pub struct KeyRing {
    files: KeyFiles,
    state: Mutex<State>,
    /// Whether some loss is unreported, so that nobody need look otherwise.
    losses: AtomicBool,
    /// Rises whenever a key comes or goes.
    generation: AtomicU64,
}

/// A key in memory.
struct Held {
    key: Arc<DayKey>,
    stamp: Stamp,
    /// Whether pseudonyms were made with it.
    used: bool,
}

#[derive(Default)]
struct State {
    held: HashMap<SiteDay, Held>,
    made: Made,
    /// Losses of which the vault does not know yet: the key that holds since, and the reason of the tally.
    unreported: HashMap<SiteDay, Vec<(Stamp, String)>>,
    /// Likewise, for the next sweep to return.
    lost: Vec<SiteDay>,
    /// Days whose key was found gone, so that it is said once.
    vanished: Vec<(String, Date)>,
    drafts: Drafts,
}

/// What a sweep found and did, each as (site, day).
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Swept {
    /// Keys destroyed because their day was over.
    pub destroyed: Vec<(String, Date)>,
    /// Keys that somebody else took away within their day.
    pub vanished: Vec<(String, Date)>,
    /// Keys made in the place of a lost one.
    pub lost: Vec<(String, Date)>,
}

/// A key file, for `tamga keys status`.
#[derive(Debug, PartialEq, Eq)]
pub struct KeyStatus {
    /// The site.
    pub site: String,
    /// The day.
    pub day: Date,
    /// When the key is destroyed.
    pub dies_at: Timestamp,
}

impl KeyRing {
    /// Whether a folder could be opened; it is not made. Only what there is of it is looked at.
    pub fn check(dir: &Path) -> Result<(), KeyError> {
        let failed = |cause| KeyError::Io { dir: dir.to_owned(), cause };
        let there = dir.ancestors().find(|part| part.exists()).unwrap_or(Path::new("."));
        let kind = rustix::fs::statfs(there).map_err(|error| failed(error.into()))?.f_type;
        if MEMORY_BACKED.contains(&(kind as u64)) { Ok(()) } else { Err(KeyError::NotInMemory { dir: dir.to_owned() }) }
    }

    /// Opens the folder, which is made if it is missing.
    pub fn open(dir: &Path) -> Result<Self, KeyError> {
        let failed = |cause| KeyError::Io { dir: dir.to_owned(), cause };
        private_folder(dir).map_err(failed)?;
        Self::check(dir)?;
        Ok(Self { files: KeyFiles::new(dir), state: Mutex::default(), losses: false.into(), generation: 0.into() })
    }

    /// Remembers in a file on a disk which keys were seen, so that a loss is noticed after a restart as well.
    pub fn remembering(self, path: &Path) -> Result<Self, KeyError> {
        let made = Made::open(path).map_err(|cause| KeyError::Made { path: path.to_owned(), cause })?;
        self.state().made = made;
        Ok(self)
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The key of a site's day, if there is one. None is made.
    pub fn living_key(&self, site: &Arc<str>, day: Date) -> Option<Arc<DayKey>> {
        let held = self.state().held.get(&(site.clone(), day)).map(|held| held.key.clone());
        // Not held from now on: only `day_key` notices a loss.
        held.or_else(|| self.files.read(site, day).ok()?.map(|(material, _)| Arc::new(DayKey::new(material))))
    }

    /// The key of a site's day. The first call of a day reads or makes it; the others find it in memory.
    pub fn day_key(&self, site: &Arc<str>, day: Date) -> Result<Arc<DayKey>, KeyError> {
        let mut state = self.state();
        if let Some(held) = state.held.get_mut(&(site.clone(), day)) {
            held.used = true;
            return Ok(held.key.clone());
        }
        let held = self.hold(&mut state, site, day, true).map_err(|cause| self.failed(cause))?;
        let held = held.expect("it was read or made");
        held.used = true;
        Ok(held.key.clone())
    }

    fn failed(&self, cause: io::Error) -> KeyError {
        KeyError::Io { dir: self.files.dir().to_owned(), cause }
    }

    /// The key of a site's day, from memory or the folder; with `make` a new one if there is none.
    fn hold<'a>(
        &self,
        state: &'a mut State,
        site: &Arc<str>,
        day: Date,
        make: bool,
    ) -> io::Result<Option<&'a mut Held>> {
        let of = (site.clone(), day);
        if !state.held.contains_key(&of) {
            let found = if make { Some(self.files.read_or_make(site, day)?) } else { self.files.read(site, day)? };
            let Some((material, stamp)) = found else { return Ok(None) };
            let key = Arc::new(DayKey::new(material));
            let seen = state.made.get(site, day);
            match seen {
                None => state.made.note(site, day, stamp)?,
                Some(seen) if seen == stamp => (),
                Some(_) => self.note_loss(state, &of, stamp, key.loss_tag()),
            }
            // One that was seen before is of an earlier process, which may have used it.
            state.held.insert(of.clone(), Held { key, stamp, used: seen.is_some() });
            self.generation.fetch_add(1, Ordering::Release);
        }
        Ok(state.held.get_mut(&of))
    }

    /// Visitors of a day were counted under another key than the one that holds from now on. The tag is of one of both.
    fn note_loss(&self, state: &mut State, of: &SiteDay, stamp: Stamp, [a, b]: [u8; 2]) {
        let (site, day) = of;
        tracing::warn!(site = &**site, %day, "the key of a site's day was lost and replaced: its visitors split in two");
        let losses = state.unreported.entry(of.clone()).or_default();
        let reason = format!("{LOST}{a:02x}{b:02x}");
        losses.retain(|(_, known)| *known != reason);
        losses.push((stamp, reason));
        state.lost.push(of.clone());
        self.losses.store(true, Ordering::Release);
    }

    /// Why the key of one of these site-days cannot be had: it is not there yet, and none can be made.
    pub fn trouble(&self, days: impl IntoIterator<Item = SiteDay>) -> Option<KeyError> {
        let cause = self.files.try_to_make().err()?;
        let is_there =
            |of: &SiteDay| self.state().held.contains_key(of) || matches!(self.files.stamp(&of.0, of.1), Ok(Some(_)));
        let is_needed = days.into_iter().any(|of| !is_there(&of));
        is_needed.then(|| KeyError::Io { dir: self.files.dir().to_owned(), cause })
    }

    /// The reason of a tally that must become durable with the next rows of a site-day, because its key replaced another
    /// one: `key_lost:` and a tag by which two nodes' tallies of one loss are known to be of one.
    pub fn unreported_loss(&self, site: &Arc<str>, day: Date) -> Option<String> {
        if !self.losses.load(Ordering::Acquire) {
            return None;
        }
        let state = self.state();
        let of = (site.clone(), day);
        let losses = state.unreported.get(&of).filter(|_| state.held.contains_key(&of))?;
        losses.first().map(|(_, reason)| reason.clone())
    }

    /// The tally of a loss is durable.
    pub fn loss_reported(&self, site: &Arc<str>, day: Date, reason: &str) {
        let mut state = self.state();
        let of = (site.clone(), day);
        let Some(losses) = state.unreported.get_mut(&of) else { return };
        let last = losses.last().map(|(stamp, _)| *stamp);
        losses.retain(|(_, known)| known != reason);
        if losses.is_empty() {
            state.unreported.remove(&of);
            if let Some(Err(error)) = last.map(|stamp| state.made.note(site, day, stamp)) {
                tracing::error!(%error, "the list of keys seen cannot be written; the loss is reported again after a restart");
            }
        }
        self.losses.store(!state.unreported.is_empty(), Ordering::Release);
    }

    /// Destroys the keys of days that ended more than 30 minutes before `now`; of a site that is not among `zones`, another
    /// node's perhaps, when that day is over everywhere on earth. Forgets keys whose file is gone, and sweeps up what
    /// crashes left.
    pub fn sweep(&self, now: Timestamp, zones: &HashMap<Arc<str>, TimeZone>) -> io::Result<Swept> {
        let dead = |site: &str, day: Date| dies_at(site, day, zones) <= now;
        let mut state = self.state();
        let held = state.held.len();
        state.held.retain(|(site, day), _| !dead(site, *day));
        state.unreported.retain(|(site, day), _| !dead(site, *day));
        state.vanished.retain(|(site, day)| !dead(site, *day));
        state.made.forget(dead)?;
        self.files.forget_refused(dead)?;
        let mut swept = Swept::default();
        for (site, day) in self.files.list()? {
            if dead(&site, day) && self.files.destroy(&site, day)? {
                swept.destroyed.push((site, day));
            }
        }
        for (site, day, seen) in state.made.all() {
            let there = self.files.stamp(&site, day)?;
            let of = (Arc::from(site.as_str()), day);
            if state.held.get(&of).is_some_and(|held| there != Some(held.stamp)) {
                state.held.remove(&of);
            }
            let gone = (site, day);
            if there.is_none_or(|stamp| stamp != seen && !state.held.contains_key(&of))
                && !state.vanished.contains(&gone)
            {
                swept.vanished.push(gone.clone());
                state.vanished.push(gone);
            }
        }
        if state.held.len() != held {
            self.generation.fetch_add(1, Ordering::Release);
        }
        let mut drafts = std::mem::take(&mut state.drafts);
        let cleaned = self.files.sweep(&mut drafts);
        state.drafts = drafts;
        cleaned?;
        swept.lost = state.lost.drain(..).map(|(site, day)| (site.to_string(), day)).collect();
        Ok(swept)
    }

    /// The key files that are there, by site and day.
    pub fn status(&self, zones: &HashMap<Arc<str>, TimeZone>) -> io::Result<Vec<KeyStatus>> {
        let keys = self.files.list()?;
        Ok(keys.into_iter().map(|(site, day)| KeyStatus { dies_at: dies_at(&site, day, zones), site, day }).collect())
    }

    /// Destroys one key now. `false` if there is none.
    pub fn destroy(&self, site: &str, day: Date) -> io::Result<bool> {
        self.state().held.remove(&(Arc::from(site), day));
        self.generation.fetch_add(1, Ordering::Release);
        self.files.destroy(site, day)
    }
}

/// What the reason of a lost key's tally begins with.
pub const LOST: &str = "key_lost:";

/// When the key of a site's day dies.
fn dies_at(site: &str, day: Date, zones: &HashMap<Arc<str>, TimeZone>) -> Timestamp {
    let last_zone = TimeZone::fixed(jiff::tz::offset(-12));
    ends(day, zones.get(site).unwrap_or(&last_zone))
}

/// When the key of a day dies.
fn ends(day: Date, zone: &TimeZone) -> Timestamp {
    let midnight = day.tomorrow().ok().and_then(|next| zone.to_zoned(next.at(0, 0, 0, 0)).ok());
    midnight
        .and_then(|midnight| midnight.timestamp().checked_add(GRACE_MINUTES.minutes()).ok())
        .unwrap_or(Timestamp::MAX)
}

/// Reads the lasting key of cookies, or makes it at the first start (mode 0600).
pub fn lasting_key(path: &Path) -> io::Result<Secret> {
    let read = || files::read(path).map(|found| found.map(|(key, _)| key));
    if let Some(key) = read()? {
        return Ok(key);
    }
    let key = Secret::random();
    let mut file = match fs::OpenOptions::new().write(true).create_new(true).mode(0o600).open(path) {
        Ok(file) => file,
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {
            return read()?.ok_or_else(|| io::Error::other("the key file vanished"));
        }
        Err(error) => return Err(error),
    };
    io::Write::write_all(&mut file, key.expose())?;
    file.sync_all()?;
    sync_name(path)?;
    Ok(key)
}

/// The same for a file that may hold former keys behind its first one. There is at least one.
pub fn lasting_keys(path: &Path) -> io::Result<Vec<Secret>> {
    let length = match fs::metadata(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => 0,
        other => other?.len(),
    };
    if length <= 32 || !length.is_multiple_of(32) {
        return Ok(vec![lasting_key(path)?]);
    }
    let file = fs::File::open(path)?;
    (0..length / 32).map(|_| Secret::read(io::Read::take(&file, 32))).collect()
}

//! Day keys: one random key per site and day, in files on memory-backed storage, dead 30 minutes after their day.
//!
//! A key exists only as a file `<site>.<day>.key` of 32 bytes in `[keys] dir`, and in the memory of running collectors.
//! Several nodes may share the folder: a key is written under a name of its own and linked into place, so the first one
//! wins and nobody reads half a key. When a key is lost within its day (a reboot), a new one is made and said so; the day's
//! visitors are then counted twice. What destroying cannot reach: copies that others made of the folder.

use std::collections::HashMap;
use std::fs;
use std::io::{self, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

use jiff::civil::Date;
use jiff::tz::TimeZone;
use jiff::{Timestamp, ToSpan};
use zeroize::Zeroize;

use super::pseudonym::DayKey;
use crate::secret::Secret;

/// Minutes that a key outlives its day, for beacons under way.
const GRACE_MINUTES: i64 = 30;
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
}

/// Keys in memory, by site and day.
type Held = HashMap<(Arc<str>, Date), Arc<DayKey>>;

/// The keys of all sites that are alive now.
pub struct KeyRing {
    dir: PathBuf,
    held: Mutex<Held>,
}

impl KeyRing {
    /// Opens the folder, which is made if it is missing.
    pub fn open(dir: &Path) -> Result<Self, KeyError> {
        let failed = |cause| KeyError::Io { dir: dir.to_owned(), cause };
        fs::DirBuilder::new().recursive(true).mode(0o700).create(dir).map_err(failed)?;
        let kind = rustix::fs::statfs(dir).map_err(|error| failed(error.into()))?.f_type;
        if !MEMORY_BACKED.contains(&(kind as u64)) {
            return Err(KeyError::NotInMemory { dir: dir.to_owned() });
        }
        Ok(Self { dir: dir.to_owned(), held: Mutex::default() })
    }

    /// The key of a site's day. The first call of a day reads or makes it; the others find it in memory.
    pub fn day_key(&self, site: &Arc<str>, day: Date) -> Result<Arc<DayKey>, KeyError> {
        let mut held = self.held.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(key) = held.get(&(site.clone(), day)) {
            return Ok(key.clone());
        }
        let material = self.read_or_make(site, day).map_err(|cause| KeyError::Io { dir: self.dir.clone(), cause })?;
        let key = Arc::new(DayKey::new(material));
        held.insert((site.clone(), day), key.clone());
        Ok(key)
    }

    /// Destroys the keys of days that ended more than 30 minutes before `now`; of a site that is not among `zones`, another
    /// node's perhaps, when that day is over everywhere on earth. Returns the (site, day) of each key that went.
    pub fn destroy_dead(&self, now: Timestamp, zones: &HashMap<Arc<str>, TimeZone>) -> io::Result<Vec<(String, Date)>> {
        let last_zone = TimeZone::fixed(jiff::tz::offset(-12));
        let dead = |site: &str, day: Date| ends(day, zones.get(site).unwrap_or(&last_zone)) <= now;
        self.held.lock().unwrap_or_else(PoisonError::into_inner).retain(|(site, day), _| !dead(site, *day));
        let mut gone = Vec::new();
        for entry in fs::read_dir(&self.dir)? {
            let path = entry?.path();
            let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
            let Some((site, day)) = name.strip_suffix(".key").and_then(|stem| stem.rsplit_once('.')) else { continue };
            let Ok(day) = day.parse() else { continue };
            if dead(site, day) {
                overwrite(&path)?;
                fs::remove_file(&path)?;
                gone.push((site.to_owned(), day));
            }
        }
        Ok(gone)
    }

    fn read_or_make(&self, site: &str, day: Date) -> io::Result<Secret> {
        let path = self.dir.join(format!("{site}.{day}.key"));
        if let Some(key) = read(&path)? {
            return Ok(key);
        }
        let mut suffix = [0; 8];
        getrandom::fill(&mut suffix).map_err(io::Error::other)?;
        let draft = self.dir.join(format!(".{:016x}.draft", u64::from_le_bytes(suffix)));
        let key = Secret::random();
        let mut file = fs::OpenOptions::new().write(true).create_new(true).mode(0o600).open(&draft)?;
        file.write_all(key.expose())?;
        drop(file);
        let linked = fs::hard_link(&draft, &path);
        let lost = matches!(&linked, Err(error) if error.kind() == io::ErrorKind::AlreadyExists);
        if lost {
            overwrite(&draft)?;
        }
        fs::remove_file(&draft)?;
        if lost {
            return read(&path)?.ok_or_else(|| io::Error::other("another node's key file vanished"));
        }
        linked?;
        tracing::info!(site, %day, "made the key of a site's day");
        Ok(key)
    }
}

/// When the key of a day dies.
fn ends(day: Date, zone: &TimeZone) -> Timestamp {
    let midnight = day.tomorrow().ok().and_then(|next| zone.to_zoned(next.at(0, 0, 0, 0)).ok());
    midnight
        .and_then(|midnight| midnight.timestamp().checked_add(GRACE_MINUTES.minutes()).ok())
        .unwrap_or(Timestamp::MAX)
}

fn read(path: &Path) -> io::Result<Option<Secret>> {
    let mut bytes = match fs::read(path) {
        Ok(bytes) => bytes,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(error),
    };
    let key = <[u8; 32]>::try_from(bytes.as_slice()).map(Secret::new);
    bytes.zeroize();
    key.map(Some).map_err(|_| io::Error::new(io::ErrorKind::InvalidData, "a key file does not hold 32 bytes"))
}

fn overwrite(path: &Path) -> io::Result<()> {
    let mut file = fs::OpenOptions::new().write(true).open(path)?;
    file.write_all(&[0; 32])
}

/// Reads the lasting key of cookies, or makes it at the first start (mode 0600).
pub fn lasting_key(path: &Path) -> io::Result<Secret> {
    if let Some(key) = read(path)? {
        return Ok(key);
    }
    let key = Secret::random();
    let mut file = match fs::OpenOptions::new().write(true).create_new(true).mode(0o600).open(path) {
        Ok(file) => file,
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {
            return read(path)?.ok_or_else(|| io::Error::other("the key file vanished"));
        }
        Err(error) => return Err(error),
    };
    file.write_all(key.expose())?;
    file.sync_all()?;
    Ok(key)
}

#[cfg(test)]
mod tests {
    use jiff::civil::date;

    use super::*;

    fn folder() -> tempfile::TempDir {
        tempfile::tempdir_in("/dev/shm").expect("memory-backed storage")
    }

    #[test]
    fn two_nodes_that_share_a_folder_have_one_key() {
        let dir = folder();
        let site: Arc<str> = "a.kz".into();
        let day = date(2026, 11, 22);
        let (one, two) = (KeyRing::open(dir.path()).expect("opens"), KeyRing::open(dir.path()).expect("opens"));
        let pseudonyms: Vec<_> = std::thread::scope(|scope| {
            let handles: Vec<_> = [&one, &two]
                .map(|ring| {
                    let site = &site;
                    scope.spawn(move || *ring.day_key(site, day).expect("key").visitor(&[1; 16]).bytes())
                })
                .into_iter()
                .collect();
            handles.into_iter().map(|handle| handle.join().expect("no panic")).collect()
        });
        assert_eq!(pseudonyms[0], pseudonyms[1]);
        assert_eq!(fs::read_dir(dir.path()).expect("dir").count(), 1, "no draft stays");
    }

    #[test]
    fn a_key_dies_thirty_minutes_after_its_day() {
        let dir = folder();
        let ring = KeyRing::open(dir.path()).expect("opens");
        let site: Arc<str> = "a.kz".into();
        let zone = TimeZone::get("Asia/Almaty").expect("bundled");
        let zones = HashMap::from([(site.clone(), zone.clone())]);
        let day = date(2026, 11, 22);
        let before = *ring.day_key(&site, day).expect("key").visitor(&[1; 16]).bytes();
        let end = ends(day, &zone);
        assert_eq!(end.to_string(), "2026-11-22T19:30:00Z");
        assert!(ring.destroy_dead(end - 1.second(), &zones).expect("reads").is_empty());
        assert!(ring.destroy_dead(end, &HashMap::new()).expect("reads").is_empty(), "another node's site");
        assert_eq!(ring.destroy_dead(end, &zones).expect("reads"), [("a.kz".to_owned(), day)]);
        assert_eq!(fs::read_dir(dir.path()).expect("dir").count(), 0);
        assert_ne!(*ring.day_key(&site, day).expect("key").visitor(&[1; 16]).bytes(), before);
    }

    #[test]
    fn a_folder_on_a_disk_is_refused() {
        let dir = tempfile::tempdir_in(concat!(env!("CARGO_MANIFEST_DIR"), "/target")).expect("a folder");
        assert!(matches!(KeyRing::open(dir.path()), Err(KeyError::NotInMemory { .. })));
    }
}

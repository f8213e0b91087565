//! Key files: `<site>.<day>.key`, 32 bytes, made by the first process that needs it. All others read it whole or not at all.
//!
//! A key is written as a draft and linked into place, so that the first writer wins and nobody reads half a key. It is
//! destroyed by being renamed, overwritten and removed; a reader believes what it read only if the file still has its name
//! afterwards, so nobody takes the zeros of a dying key for a key. What a crash leaves of either is swept up.

use std::collections::HashMap;
use std::fs::{self, File, OpenOptions};
use std::io::{self, ErrorKind, Write};
use std::os::unix::fs::{MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant, SystemTime};

use jiff::civil::Date;
use serde::{Deserialize, Serialize};

use crate::secret::Secret;

/// How long a draft may lie: writing one takes microseconds.
const DRAFT_MAX: Duration = Duration::from_secs(10);
/// How the file of refused tags ends.
const REFUSED: &str = ".refused";
/// How often a file that changes while it is read is read again.
const READ_ATTEMPTS: u32 = 8;

/// Which file this is: its inode and when it was written. It distinguishes two keys of a day and says nothing about either.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, Serialize)]
pub(super) struct Stamp {
    inode: u64,
    written_s: i64,
    written_ns: i64,
}

impl Stamp {
    /// When the key was made, to the nanosecond.
    pub(super) fn made(&self) -> (i64, i64) {
        (self.written_s, self.written_ns)
    }

    fn of(metadata: &fs::Metadata) -> Self {
        Self { inode: metadata.ino(), written_s: metadata.mtime(), written_ns: metadata.mtime_nsec() }
    }
}

/// A folder of key files.
pub(super) struct KeyFiles {
    dir: PathBuf,
}

/// Drafts and when they were first seen.
pub(super) type Drafts = HashMap<PathBuf, Instant>;

impl KeyFiles {
    pub(super) fn new(dir: &Path) -> Self {
        Self { dir: dir.to_owned() }
    }

    pub(super) fn dir(&self) -> &Path {
        &self.dir
    }

    fn path(&self, site: &str, day: Date) -> PathBuf {
        self.dir.join(format!("{site}.{day}.key"))
    }

    /// The stamp of a site-day's key, if there is one.
    pub(super) fn stamp(&self, site: &str, day: Date) -> io::Result<Option<Stamp>> {
        stamp(&self.path(site, day))
    }

    /// The key of a site-day, if there is one.
    pub(super) fn read(&self, site: &str, day: Date) -> io::Result<Option<(Secret, Stamp)>> {
        read(&self.path(site, day))
    }

    /// The key of a site-day, made if there is none.
    pub(super) fn read_or_make(&self, site: &str, day: Date) -> io::Result<(Secret, Stamp)> {
        let path = self.path(site, day);
        if let Some(found) = read(&path)? {
            return Ok(found);
        }
        let (draft, mut file) = self.draft()?;
        let key = Secret::random();
        file.write_all(key.expose())?;
        let stamp = Stamp::of(&file.metadata()?);
        drop(file);
        match fs::hard_link(&draft, &path) {
            Ok(()) => {
                fs::remove_file(&draft)?;
                tracing::info!(site, %day, "made the key of a site's day");
                Ok((key, stamp))
            }
            Err(error) => {
                erase(&draft)?;
                if error.kind() != ErrorKind::AlreadyExists {
                    return Err(error);
                }
                read(&path)?.ok_or_else(|| io::Error::other("another node's key was destroyed at this moment"))
            }
        }
    }

    /// Puts another node's key, which was made at this time, in the place of this folder's own.
    pub(super) fn put(&self, site: &str, day: Date, key: &[u8; 32], (s, ns): (i64, i64)) -> io::Result<Stamp> {
        let since = u64::try_from(s).ok().zip(u32::try_from(ns).ok()).map(|(s, ns)| Duration::new(s, ns));
        let made = since.and_then(|since| SystemTime::UNIX_EPOCH.checked_add(since));
        let made = made.ok_or_else(|| io::Error::other("another node's key has no time"))?;
        let (draft, mut file) = self.draft()?;
        file.write_all(key)?;
        file.set_modified(made)?;
        let stamp = Stamp::of(&file.metadata()?);
        drop(file);
        self.destroy(site, day)?;
        fs::rename(&draft, self.path(site, day))?;
        Ok(stamp)
    }

    /// The tags of the keys of a site-day that were destroyed on purpose, so that no other node's copy brings them back.
    pub(super) fn refused(&self, site: &str, day: Date) -> io::Result<Vec<[u8; 16]>> {
        match fs::read(self.refused_path(site, day)) {
            Ok(tags) => Ok(tags.as_chunks().0.to_vec()),
            Err(error) if error.kind() == ErrorKind::NotFound => Ok(Vec::new()),
            Err(error) => Err(error),
        }
    }

    /// Notes such a tag.
    pub(super) fn refuse(&self, site: &str, day: Date, tag: [u8; 16]) -> io::Result<()> {
        let path = self.refused_path(site, day);
        OpenOptions::new().append(true).create(true).mode(0o600).open(path)?.write_all(&tag)
    }

    /// Forgets the tags of days that are over.
    pub(super) fn forget_refused(&self, over: impl Fn(&str, Date) -> bool) -> io::Result<()> {
        for (site, day) in self.named(REFUSED)?.into_iter().filter(|(site, day)| over(site, *day)) {
            fs::remove_file(self.refused_path(&site, day))?;
        }
        Ok(())
    }

    fn refused_path(&self, site: &str, day: Date) -> PathBuf {
        self.dir.join(format!("{site}.{day}{REFUSED}"))
    }

    /// Whether a key could be made now: makes a draft and takes it away.
    pub(super) fn try_to_make(&self) -> io::Result<()> {
        let (draft, mut file) = self.draft()?;
        let written = file.write_all(&[0; 32]);
        fs::remove_file(&draft).and(written)
    }

    /// Destroys a key. `false` if it was not there, or another node was faster.
    pub(super) fn destroy(&self, site: &str, day: Date) -> io::Result<bool> {
        let dying = self.unique("dead")?;
        match fs::rename(self.path(site, day), &dying) {
            Ok(()) => erase(&dying).map(|()| true),
            Err(error) if error.kind() == ErrorKind::NotFound => Ok(false),
            Err(error) => Err(error),
        }
    }

    /// The keys that are there.
    pub(super) fn list(&self) -> io::Result<Vec<(String, Date)>> {
        self.named(".key")
    }

    fn named(&self, ending: &str) -> io::Result<Vec<(String, Date)>> {
        let mut found = Vec::new();
        for entry in fs::read_dir(&self.dir)? {
            let name = entry?.file_name().to_string_lossy().into_owned();
            let Some((site, day)) = name.strip_suffix(ending).and_then(|stem| stem.rsplit_once('.')) else { continue };
            if let Ok(day) = day.parse() {
                found.push((site.to_owned(), day));
            }
        }
        found.sort();
        Ok(found)
    }

    /// Sweeps up what crashes left: keys that were being destroyed at once, drafts once they are certainly nobody's.
    pub(super) fn sweep(&self, drafts: &mut Drafts) -> io::Result<()> {
        let mut lying = Drafts::new();
        for entry in fs::read_dir(&self.dir)? {
            let path = entry?.path();
            match path.extension().and_then(|extension| extension.to_str()) {
                Some("dead") => erase(&path)?,
                Some("draft") => {
                    let since = drafts.get(&path).copied().unwrap_or_else(Instant::now);
                    if since.elapsed() < DRAFT_MAX {
                        lying.insert(path, since);
                    } else if fs::metadata(&path).is_ok_and(|metadata| metadata.nlink() > 1) {
                        // The crash came after linking: its bytes are those of a living key.
                        fs::remove_file(&path)?;
                    } else {
                        erase(&path)?;
                    }
                }
                _ => (),
            }
        }
        *drafts = lying;
        Ok(())
    }

    /// A new file, in which a key is written before it has its name.
    fn draft(&self) -> io::Result<(PathBuf, File)> {
        let draft = self.unique("draft")?;
        let file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(&draft)?;
        Ok((draft, file))
    }

    fn unique(&self, extension: &str) -> io::Result<PathBuf> {
        let mut suffix = [0; 8];
        getrandom::fill(&mut suffix).map_err(io::Error::other)?;
        Ok(self.dir.join(format!(".{:016x}.{extension}", u64::from_le_bytes(suffix))))
    }
}

fn stamp(path: &Path) -> io::Result<Option<Stamp>> {
    match fs::metadata(path) {
        Ok(metadata) => Ok(Some(Stamp::of(&metadata))),
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(None),
        Err(error) => Err(error),
    }
}

/// A key file's key and stamp.
pub(super) fn read(path: &Path) -> io::Result<Option<(Secret, Stamp)>> {
    for _ in 0..READ_ATTEMPTS {
        let file = match File::open(path) {
            Ok(file) => file,
            Err(error) if error.kind() == ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(error),
        };
        let key = Secret::read(&file);
        let read = Stamp::of(&file.metadata()?);
        if stamp(path)? == Some(read) {
            return key.map(|key| Some((key, read)));
        }
    }
    Err(io::Error::other("a key file kept changing while it was read"))
}

/// Overwrites a file and removes it. One that is gone already is no error.
fn erase(path: &Path) -> io::Result<()> {
    let erased = OpenOptions::new().write(true).open(path).and_then(|mut file| {
        file.write_all(&[0; 32])?;
        fs::remove_file(path)
    });
    match erased {
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(()),
        erased => erased,
    }
}

#[cfg(test)]
mod tests {
    use jiff::civil::date;

    use super::*;

    #[test]
    fn what_a_crash_left_is_swept_up_and_a_living_key_is_not_harmed() {
        let dir = tempfile::tempdir_in("/dev/shm").expect("memory-backed storage");
        let files = KeyFiles::new(dir.path());
        let day = date(2026, 11, 22);
        let (key, _) = files.read_or_make("a.kz", day).expect("makes");
        // Crashed while writing, after linking, and while destroying.
        let place = |name: &str| dir.path().join(name);
        fs::write(place(".1.draft"), [1; 20]).expect("writes");
        fs::hard_link(place("a.kz.2026-11-22.key"), place(".2.draft")).expect("links");
        fs::write(place(".3.dead"), [3; 32]).expect("writes");
        let mut drafts = Drafts::new();
        files.sweep(&mut drafts).expect("sweeps");
        assert_eq!(drafts.len(), 2, "drafts may be another node's of this moment");
        let long_ago = Instant::now().checked_sub(DRAFT_MAX).expect("the machine is up for longer");
        drafts.values_mut().for_each(|since| *since = long_ago);
        files.sweep(&mut drafts).expect("sweeps");
        assert_eq!(fs::read_dir(dir.path()).expect("reads").count(), 1);
        let (again, _) = files.read_or_make("a.kz", day).expect("reads");
        assert!(again.expose() == key.expose());
    }

    #[test]
    fn nobody_reads_a_key_that_is_being_destroyed() {
        let dir = tempfile::tempdir_in("/dev/shm").expect("memory-backed storage");
        let files = KeyFiles::new(dir.path());
        let day = date(2026, 11, 22);
        std::thread::scope(|scope| {
            let readers: Vec<_> = (0..3)
                .map(|_| {
                    scope.spawn(|| {
                        for _ in 0..2_000 {
                            // To be refused in the middle of a destruction is well; to be given zeros is not.
                            if let Ok((key, _)) = files.read_or_make("a.kz", day) {
                                assert!(key.expose() != &[0; 32]);
                            }
                        }
                    })
                })
                .collect();
            while readers.iter().any(|reader| !reader.is_finished()) {
                files.destroy("a.kz", day).expect("destroys");
            }
        });
    }
}

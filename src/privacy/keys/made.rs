//! Which key files this node has seen. Without this list a key that replaces a lost one would look like a first one.
//!
//! Kept as a file on a disk, where it survives the keys; it holds sites, days and the stamps of files, and no key material.
//! A day's entry is written before the key is used, and changed only once the loss is reported durably, so that no crash
//! can hide a loss. If the file itself is lost, so is the knowledge: then a new key counts as the first.

use std::collections::BTreeMap;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use jiff::civil::Date;

use super::files::Stamp;
use crate::files;

/// Stamps by site and day, the day as it is written.
type Entries = BTreeMap<String, BTreeMap<String, Stamp>>;

/// The keys that were seen; in memory alone without a path.
#[derive(Default)]
pub(super) struct Made {
    path: Option<PathBuf>,
    entries: Entries,
}

impl Made {
    /// Reads the file, if there is one. A damaged one is said and begun anew.
    pub(super) fn open(path: &Path) -> io::Result<Self> {
        let entries = match fs::read(path) {
            Ok(bytes) => serde_json::from_slice(&bytes).unwrap_or_else(|_| {
                tracing::warn!(path = %path.display(), "the list of keys seen is damaged and is begun anew");
                Entries::new()
            }),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Entries::new(),
            Err(error) => return Err(error),
        };
        Ok(Self { path: Some(path.to_owned()), entries })
    }

    /// The stamp that was seen last.
    pub(super) fn get(&self, site: &str, day: Date) -> Option<Stamp> {
        self.entries.get(site)?.get(&day.to_string()).copied()
    }

    /// Everything that was seen.
    pub(super) fn all(&self) -> Vec<(String, Date, Stamp)> {
        let days = self.entries.iter().flat_map(|(site, days)| days.iter().map(move |(day, stamp)| (site, day, stamp)));
        days.filter_map(|(site, day, stamp)| Some((site.clone(), day.parse().ok()?, *stamp))).collect()
    }

    /// Notes a key; it is on the disk when this returns.
    pub(super) fn note(&mut self, site: &str, day: Date, stamp: Stamp) -> io::Result<()> {
        self.entries.entry(site.to_owned()).or_default().insert(day.to_string(), stamp);
        self.write()
    }

    /// Forgets days that are over.
    pub(super) fn forget(&mut self, over: impl Fn(&str, Date) -> bool) -> io::Result<()> {
        let count = |entries: &Entries| entries.values().map(BTreeMap::len).sum::<usize>();
        let before = count(&self.entries);
        self.entries.retain(|site, days| {
            days.retain(|day, _| day.parse().is_ok_and(|day| !over(site, day)));
            !days.is_empty()
        });
        if count(&self.entries) == before { Ok(()) } else { self.write() }
    }

    fn write(&self) -> io::Result<()> {
        let Some(path) = &self.path else { return Ok(()) };
        files::replace(path, &serde_json::to_vec(&self.entries)?, 0o600)
    }
}

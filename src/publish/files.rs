//! The files of a publisher: plans that are not yet published, sums of names that are too small for a day, and event counts. A write is
//! complete or leaves the old file. Plans and sums go when nothing will be published of them ([`overdue`]).

use std::io;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use super::counted::VAULT_DAYS;
use super::error::PublishError;
use crate::files;

/// The publisher's folder in the data folder.
pub const FOLDER: &str = "publish";
const PLAN: &str = ".json";
const COUNTED: &str = ".counted.json";
const CARRIED: &str = ".carried.json";
const HOURS: &str = ".hours.json";

/// The publisher's folder.
#[derive(Clone, Debug)]
pub struct Files(PathBuf);

impl Files {
    /// Opens a folder; it is created if it does not exist.
    pub fn open(folder: PathBuf) -> Result<Self, PublishError> {
        std::fs::create_dir_all(&folder).map_err(|source| PublishError::file(&folder, source))?;
        Ok(Self(folder))
    }

    /// Where it is.
    pub fn folder(&self) -> &Path {
        &self.0
    }

    /// The file of a window's plan.
    pub fn plan(&self, site: &str, start: i64) -> PathBuf {
        self.0.join(format!("{site}-{start}{PLAN}"))
    }

    /// The file of a site's event counts.
    pub fn counted(&self, site: &str) -> PathBuf {
        self.0.join(format!("{site}{COUNTED}"))
    }

    /// The file of what a site carries to longer periods.
    pub fn carried(&self, site: &str) -> PathBuf {
        self.0.join(format!("{site}{CARRIED}"))
    }

    /// The file of the hours of a site's running window.
    pub fn hours(&self, site: &str) -> PathBuf {
        self.0.join(format!("{site}{HOURS}"))
    }

    /// The content of a file; `None` if there is no file. A damaged file is logged and counts as missing.
    pub fn read<T: serde::de::DeserializeOwned>(&self, path: &Path) -> Result<Option<T>, PublishError> {
        let bytes = match std::fs::read(path) {
            Ok(bytes) => bytes,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            Err(source) => return Err(PublishError::file(path, source)),
        };
        let read = serde_json::from_slice(&bytes).ok();
        if read.is_none() {
            tracing::warn!(path = %path.display(), "a file of the publisher is damaged and is written again");
        }
        Ok(read)
    }

    /// Writes a file durably, or leaves the old one.
    pub fn write<T: Serialize>(&self, path: &Path, content: &T) -> Result<(), PublishError> {
        let bytes = serde_json::to_vec(content).expect("maps with string keys can be written as JSON");
        files::replace(path, &bytes, 0o600).map_err(|source| PublishError::file(path, source))
    }

    /// Removes a file; it may be missing.
    pub fn remove(&self, path: &Path) -> Result<(), PublishError> {
        match std::fs::remove_file(path) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => Err(PublishError::file(path, error)),
            _ => Ok(()),
        }
    }

    /// The starts of a site's windows that have a plan.
    pub fn plans(&self, site: &str) -> Result<Vec<i64>, PublishError> {
        let mut starts = Vec::new();
        for entry in std::fs::read_dir(&self.0).map_err(|source| PublishError::file(&self.0, source))? {
            let entry = entry.map_err(|source| PublishError::file(&self.0, source))?;
            let name = entry.file_name();
            let start = name.to_str().and_then(|name| name.strip_prefix(site)?.strip_prefix('-')?.strip_suffix(PLAN));
            starts.extend(start.and_then(|start| start.parse::<i64>().ok()));
        }
        Ok(starts)
    }
}

/// Files of the publisher's folder of which nothing will be published: plans, hours and sums of a site that is not among these, and sums to
/// which no window can be added, since the rows of the next have died in the vault. Counts stay: they say what was published.
pub fn overdue(folder: &Path, is_site: impl Fn(&str) -> bool, now_s: i64) -> io::Result<Vec<PathBuf>> {
    let mut found = Vec::new();
    let entries = match std::fs::read_dir(folder) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(found),
        entries => entries?,
    };
    for entry in entries {
        let path = entry?.path();
        let name = path.file_name().and_then(|name| name.to_str()).unwrap_or_default();
        let is_overdue = if let Some(site) = name.strip_suffix(CARRIED) {
            !is_site(site) || is_over(&path, now_s)
        } else if let Some(site) = name.strip_suffix(HOURS) {
            !is_site(site)
        } else {
            let plan = name.strip_suffix(PLAN).and_then(|name| name.rsplit_once('-'));
            plan.is_some_and(|(site, start)| start.parse::<i64>().is_ok() && !is_site(site))
        };
        if is_overdue {
            found.push(path);
        }
    }
    Ok(found)
}

/// Whether no window can be added to sums any more. A file that cannot be read is of no use.
fn is_over(path: &Path, now_s: i64) -> bool {
    #[derive(Deserialize)]
    struct Carried {
        until: i64,
    }
    let carried = std::fs::read(path).ok().and_then(|bytes| serde_json::from_slice::<Carried>(&bytes).ok());
    carried.is_none_or(|carried| carried.until + VAULT_DAYS * 86_400 <= now_s)
}

//! The files of a publisher: plans that are not yet published, sums of names that are too small for a day, and event counts. A write is
//! complete or leaves the old file. Plans and sums go when nothing will be published of them ([`super::overdue`]).

use std::io;
use std::path::{Path, PathBuf};

use serde::Serialize;

use super::error::PublishError;
use crate::files;

/// The publisher's folder in the data folder.
pub const FOLDER: &str = "publish";
pub(super) const PLAN: &str = ".json";
pub(super) const COUNTED: &str = ".counted.json";
pub(super) const CARRIED: &str = ".carried.json";
pub(super) const HOURS: &str = ".hours.json";

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

    /// A file of a site: its event counts, what it carries to longer periods, or the hours of its running window.
    pub(super) fn of(&self, site: &str, kind: &str) -> PathBuf {
        self.0.join(format!("{site}{kind}"))
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

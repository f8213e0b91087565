//! Files of the publisher that nothing will be published of: they are removed, and `tamga verify` looks for them. Counts stay: they say
//! what was published.

use std::io;
use std::path::{Path, PathBuf};

use jiff::Timestamp;
use serde::Deserialize;

use super::counted::VAULT_DAYS;
use super::error::PublishError;
use super::files::{CARRIED, HOURS, PLAN};
use super::publisher::Publisher;
use super::tables::Tables;

/// How often such files are removed.
const CLEAR_S: i64 = 3_600;

/// Plans, hours and sums of a site that is not among these, and sums to which no window can be added, since the rows of the next have
/// died in the vault.
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

impl<V: Tables, S: Tables> Publisher<V, S> {
    /// Removes such files, now and then. Nothing is removed while the clock is disputed.
    pub(super) fn clear(&mut self) -> Result<(), PublishError> {
        let Some(now) = self.clock.now_to_destroy().map(Timestamp::as_second) else { return Ok(()) };
        if self.cleared_s.is_some_and(|last| (last..last + CLEAR_S).contains(&now)) {
            return Ok(());
        }
        let is_site = |domain: &str| self.sites.iter().any(|site| site.domain == domain);
        let folder = self.files.folder();
        for path in overdue(folder, is_site, now).map_err(|source| PublishError::file(folder, source))? {
            self.files.remove(&path)?;
        }
        self.cleared_s = Some(now);
        Ok(())
    }
}

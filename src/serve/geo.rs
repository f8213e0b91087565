//! The GeoIP files while the collector runs: new ones are taken without a restart, and their age is shown.
//!
//! Files that cannot be used change nothing: the ones in memory stay, and `/readyz` says why. So a download that is cut short
//! costs no country.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use jiff::Timestamp;
use tokio_util::sync::CancellationToken;

use crate::config::Geo;
use crate::enrich::geoip::GeoFile;
use crate::enrich::{GeoError, GeoIp};

/// How often the files are looked at.
pub(super) const LOOK_EVERY: Duration = Duration::from_secs(60);
/// Files older than this are warned of: the free ones are made anew each month.
const OLD_DAYS: i64 = 60;
/// When each file was written, and its size; `None` where it is not there.
type Stamp = Vec<Option<(SystemTime, u64)>>;

/// The files in use, and what they looked like when they were read.
pub(super) struct Files {
    geo: Arc<GeoIp>,
    paths: Geo,
    taken: Stamp,
}

impl Files {
    /// Opens the files of the configuration.
    pub(super) fn open(paths: &Geo) -> Result<Self, GeoError> {
        // Looked at before they are read, so that no change is missed.
        let taken = stamp(paths);
        Ok(Self { geo: Arc::new(GeoIp::open(&paths.place, &paths.provider)?), paths: paths.clone(), taken })
    }

    /// What lookups use.
    pub(super) fn in_use(&self) -> Arc<GeoIp> {
        self.geo.clone()
    }

    /// Takes changed files until `shutdown`. Reports why new ones are not taken, and that they are.
    pub(super) async fn watch(
        mut self,
        look_every: Duration,
        report: impl Fn(Option<String>),
        shutdown: CancellationToken,
    ) {
        let mut refused = None;
        loop {
            tokio::select! {
                () = shutdown.cancelled() => return,
                () = tokio::time::sleep(look_every) => (),
            }
            let found = stamp(&self.paths);
            // A file that is still being written is tried again once it has changed.
            if refused.as_ref().unwrap_or(&self.taken) == &found {
                continue;
            }
            let (geo, paths) = (self.geo.clone(), self.paths.clone());
            match tokio::task::spawn_blocking(move || geo.reload(&paths.place, &paths.provider)).await {
                Ok(Ok(())) => {
                    tracing::info!("took the new GeoIP files");
                    report(None);
                    (self.taken, refused) = (found, None);
                }
                Ok(Err(error)) => {
                    tracing::error!(%error, "the new GeoIP files are not taken, the old ones stay in use");
                    report(Some(format!("{error}; those that were read before stay in use")));
                    refused = Some(found);
                }
                Err(_) => (),
            }
        }
    }
}

fn stamp(files: &Geo) -> Stamp {
    let stamp = |path: &PathBuf| {
        let metadata = std::fs::metadata(path).ok()?;
        Some((metadata.modified().ok()?, metadata.len()))
    };
    files.place.iter().chain(&files.provider).map(stamp).collect()
}

/// The age of the oldest file, in seconds; 0 without files, or when none says when it was made.
pub(super) fn age_s(files: &[GeoFile], now: Timestamp) -> i64 {
    let ages = files.iter().filter_map(|file| Some(now.as_second() - file.built_at?.as_second()));
    ages.max().unwrap_or_default().max(0)
}

/// How old each file is that nobody is warned of, one sentence each.
pub(super) fn sentences(files: &[GeoFile], now: Timestamp) -> Vec<String> {
    files.iter().filter(|file| days(file, now) <= OLD_DAYS).map(|file| sentence(file, now)).collect()
}

fn sentence(file: &GeoFile, now: Timestamp) -> String {
    let name = file.file.display();
    match file.built_at {
        Some(_) => format!("{name}: made {} days ago", days(file, now)),
        None => format!("{name}: does not say when it was made"),
    }
}

/// What to do about files that are old.
pub(super) fn warnings(files: &[GeoFile], now: Timestamp) -> Vec<String> {
    let old = files.iter().filter(|file| days(file, now) > OLD_DAYS);
    old.map(|file| format!("{}; networks have moved since: get a new one (docs/geoip.md)", sentence(file, now)))
        .collect()
}

fn days(file: &GeoFile, now: Timestamp) -> i64 {
    age_s(std::slice::from_ref(file), now) / 86_400
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_oldest_file_gives_the_age_and_only_old_ones_are_warned_of() {
        let now: Timestamp = "2026-11-29T00:00:00Z".parse().expect("a time");
        let file = |name: &str, built: Option<&str>| GeoFile {
            file: name.into(),
            kind: "city".to_owned(),
            built_at: built.map(|time| time.parse().expect("a time")),
        };
        let files = [
            file("new.mmdb", Some("2026-11-01T00:00:00Z")),
            file("old.mmdb", Some("2026-09-01T00:00:00Z")),
            file("ahead.mmdb", Some("2027-01-01T00:00:00Z")),
            file("mute.mmdb", None),
        ];
        assert_eq!((age_s(&files, now), age_s(&files[2..], now), age_s(&[], now)), (89 * 86_400, 0, 0));
        let said = sentences(&files, now);
        assert_eq!((said[0].as_str(), said.len()), ("new.mmdb: made 28 days ago", 3));
        assert!(said.iter().all(|said| !said.contains("old")), "the warning says it: {said:?}");
        assert!(matches!(&warnings(&files, now)[..], [one] if one.starts_with("old.mmdb: made 89 days ago")));
    }

    #[tokio::test]
    async fn new_files_are_taken_and_broken_ones_change_nothing() {
        let folder = tempfile::tempdir().expect("a folder");
        let fixture = |name: &str| {
            std::fs::read(std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("crates/demo/geo").join(name))
                .expect("a fixture")
        };
        let path = folder.path().join("place.mmdb");
        std::fs::write(&path, fixture("asn.mmdb")).expect("written");
        let files = Geo { place: Vec::new(), provider: vec![path.clone()] };
        let files = Files::open(&files).expect("opens");
        let geo = files.in_use();
        let provider = || geo.lookup([198, 18, 0, 9].into()).provider.to_string();
        assert_eq!(provider(), "Kazakhtelecom");
        let (said, mut heard) = tokio::sync::mpsc::unbounded_channel();
        let shutdown = CancellationToken::new();
        let report = move |trouble| said.send(trouble).expect("the test listens");
        let watching = tokio::spawn(files.watch(Duration::from_millis(10), report, shutdown.clone()));
        std::fs::write(&path, &fixture("asn.mmdb")[..900]).expect("written");
        let trouble = heard.recv().await.expect("a report").expect("a reason");
        assert!(trouble.contains("stay in use"), "{trouble}");
        assert_eq!(provider(), "Kazakhtelecom", "what was read before stays");
        std::fs::write(&path, fixture("country-ipinfo.mmdb")).expect("written");
        // A file may be looked at while it is being written.
        while heard.recv().await.expect("a report").is_some() {}
        assert_eq!(geo.files()[0].kind, "ipinfo lite.mmdb");
        shutdown.cancel();
        watching.await.expect("it ends");
    }
}

//! Keys in a running collector, and what operations may do with them: look at their days, and destroy them.

use std::collections::HashMap;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, Result, bail};
use jiff::Timestamp;
use jiff::civil::Date;
use jiff::tz::TimeZone;
use serde_json::json;
use tokio_util::sync::CancellationToken;

use crate::audit::Audit;
use crate::clock::Clock;
use crate::config::{Config, CookieKey};
use crate::files::replace;
use crate::metrics::Metrics;
use crate::privacy::keys::{KeyRing, lasting_key, lasting_keys};
use crate::privacy::seal::CookieSeal;
use crate::secret::Secret;
use crate::spool;

/// How often dead keys are looked for, in real time.
const EVERY: Duration = Duration::from_millis(500);

/// The keys of the days that are running.
pub(super) struct DayKeys {
    ring: Arc<KeyRing>,
    zones: HashMap<Arc<str>, TimeZone>,
}

impl DayKeys {
    /// Those of the configured sites.
    pub(super) fn new(config: &Config, ring: &Arc<KeyRing>) -> Self {
        Self { ring: ring.clone(), zones: config.time_zones() }
    }

    /// Why beacons of a site get no key now, if so.
    pub(super) fn trouble(&self, now: Timestamp) -> Option<String> {
        let days = self.zones.iter().map(|(site, zone)| (site.clone(), zone.to_datetime(now).date()));
        self.ring.trouble(days).map(|error| error.to_string())
    }
}

/// Destroys keys when their day is over.
pub(super) fn sweep(
    keys: Arc<KeyRing>,
    config: &Config,
    clock: Clock,
    metrics: Arc<Metrics>,
    audit: Arc<Audit>,
    shutdown: CancellationToken,
) -> impl Future<Output = ()> + use<> {
    let zones = config.time_zones();
    async move {
        loop {
            // While clocks disagree no day is over; keys that somebody took away are forgotten nevertheless.
            match keys.sweep(clock.now_to_destroy().unwrap_or(Timestamp::MIN), &zones) {
                Ok(swept) => {
                    metrics.keys_destroyed.inc_by(swept.destroyed.len() as u64);
                    metrics.keys_lost.inc_by(swept.lost.len() as u64);
                    let said =
                        [("destroy key", swept.destroyed), ("key gone", swept.vanished), ("key lost", swept.lost)];
                    for (action, keys) in said {
                        for (site, day) in keys {
                            audit.note(action, &json!({ "site": site, "day": day.to_string() }));
                        }
                    }
                }
                Err(error) => tracing::error!(%error, "cannot destroy dead keys; trying again"),
            }
            metrics.audit_waiting.set(audit.flush() as i64);
            tokio::select! {
                () = shutdown.cancelled() => return,
                () = tokio::time::sleep(EVERY) => (),
            }
        }
    }
}

/// The cookie key at a start, and what has become of it since the last one.
pub(super) struct CookieKeyFound {
    pub(super) key: Secret,
    /// A hash by which the key is known again, here and by other nodes. It says nothing of the key.
    pub(super) tag: [u8; 8],
    /// The same of the last start.
    known: Option<String>,
}

/// Where the hash of the last start's cookie key lies.
fn id_file(config: &Config) -> PathBuf {
    config.data.dir.join("cookie-key.id")
}

/// The cookie key for a start. It is made at the first one, and never again by itself: with another key every visitor is new. A
/// name with a typing error, or a volume that is not mounted, must not do that.
pub(super) fn cookie_key(config: &Config) -> Result<CookieKeyFound> {
    let (path, id_file) = (config.cookie.path(), id_file(config));
    let known = match std::fs::read_to_string(&id_file) {
        Ok(known) => Some(known),
        Err(error) if error.kind() == io::ErrorKind::NotFound => None,
        Err(error) => return Err(error).with_context(|| format!("cannot read {}", id_file.display())),
    };
    if let Some(sentence) = gone_cookie_key(config) {
        bail!(sentence);
    }
    let key = lasting_key(path).with_context(|| {
        format!("cannot read or make the cookie key {}; name another in [cookie] key_file", path.display())
    })?;
    let hash = blake3::derive_key("tamga serve 1: by which a cookie key is known again", key.expose());
    let tag = *hash.first_chunk().expect("a hash has 32 bytes");
    Ok(CookieKeyFound { key, tag, known })
}

/// Why there is no cookie key although there was one, if so.
pub(super) fn gone_cookie_key(config: &Config) -> Option<String> {
    let (path, id_file) = (config.cookie.path(), id_file(config));
    (id_file.exists() && !path.exists()).then(|| {
        let (path, id_file) = (path.display(), id_file.display());
        format!(
            "the cookie key {path} is not there, and with a new one every visitor would be new. Put it back, or correct [cookie] \
             key_file. If it is lost, remove {id_file}: then a new one is made"
        )
    })
}

impl CookieKeyFound {
    /// Says so if the key is new or another one than at the last start, and remembers it. Whether it is another one.
    pub(super) fn remember(&self, config: &Config, audit: &Audit) -> bool {
        let id = format!("{:016x}", u64::from_be_bytes(self.tag));
        if self.known.as_ref() == Some(&id) {
            return false;
        }
        let is_other = self.known.is_some();
        if is_other {
            tracing::warn!("the cookie key is another one than at the last start: every visitor is new");
        }
        audit.note("cookie key", &json!({ "id": id, "replaced": is_other }));
        if let Err(error) = replace(&id_file(config), id.as_bytes(), 0o600) {
            tracing::warn!(%error, "which cookie key is in use cannot be kept in [data] dir: one that is gone would be made anew");
        }
        is_other
    }
}

/// The day of a receipt for an erasure; `None` if this collector did not give it.
pub fn receipt_day(config: &Config, site: &str, receipt: &str) -> Result<Option<Date>> {
    let path = config.cookie.path();
    if !path.exists() {
        bail!("the cookie key {} is not there: only with it a receipt can be checked", path.display());
    }
    let key = lasting_key(path).with_context(|| format!("cannot read the cookie key {}", path.display()))?;
    Ok(CookieSeal::new(&key).receipt_day(site, receipt))
}

/// The keys of the spool, in `spool.key` beside the cookies' key: the first of them encrypts, the others are former ones.
/// They last, unlike day keys: rows that wait in the spool are delivered after a reboot too.
pub(super) fn spool_keys(config: &Config) -> Result<spool::Keys> {
    let path = CookieKey::spool_key_beside(config.cookie.path());
    let mut keys = lasting_keys(&path).with_context(|| {
        let path = path.display();
        format!(
            "cannot read or make the spool's key {path}; it holds 32 bytes a key, and lies beside [cookie] key_file"
        )
    })?;
    let first = keys.remove(0);
    Ok(spool::Keys::new(first, keys))
}

/// The same for a verb. It makes no file, which would be its user's and not the service's: without one, keys that open nothing.
pub(super) fn spool_keys_if_there(config: &Config) -> Result<spool::Keys> {
    if CookieKey::spool_key_beside(config.cookie.path()).exists() {
        spool_keys(config)
    } else {
        Ok(spool::Keys::new(Secret::random(), []))
    }
}

/// `[keys] dir`, or `tamga/keys` on the first of the usual memory-backed folders.
pub fn keys_dir(config: &Config) -> PathBuf {
    if let Some(dir) = &config.keys.dir {
        return dir.clone();
    }
    let runtime = ["RUNTIME_DIRECTORY", "XDG_RUNTIME_DIR"].iter().find_map(std::env::var_os).map(PathBuf::from);
    match runtime {
        Some(dir) => dir.join("tamga/keys"),
        None => Path::new("/dev/shm").join(format!("tamga-{}", rustix::process::getuid().as_raw())).join("keys"),
    }
}

/// Keeps memory from disks, as far as a process can, and says so where it cannot.
pub(super) fn stay_in_memory() -> Result<()> {
    forbid_dumps()?;
    warn_of_disks();
    Ok(())
}

/// Memory holds keys and visitors' data: it must not be written out when the process crashes, nor be read by another
/// process of the same user. A limit of 0 keeps the kernel from writing a file; that a dump is not piped to a program
/// either, as most distributions have it, takes the second step.
fn forbid_dumps() -> Result<()> {
    use rustix::process::{DumpableBehavior, Resource, Rlimit, set_dumpable_behavior, setrlimit};
    let none = Rlimit { current: Some(0), maximum: Some(0) };
    setrlimit(Resource::Core, none).context("cannot forbid core dumps, in which keys would be written to a disk")?;
    set_dumpable_behavior(DumpableBehavior::NotDumpable)
        .context("cannot forbid that memory is dumped, in which keys would be written to a disk")
}

/// Says so when what is only in memory may be written to a disk.
fn warn_of_disks() {
    warn_of_swap();
    warn_of_hibernation();
}

/// Memory-backed storage can be written to a swap device. One in compressed memory does no harm.
fn warn_of_swap() {
    if swaps_to_a_disk(&read("/proc/swaps")) && !swap_is_off_for_us() {
        tracing::warn!(
            "this machine swaps, so key files may be written to a disk: set MemorySwapMax=0 for the service as \
             deploy/tamga.service does, or encrypt the swap"
        );
    }
}

/// A machine that hibernates writes all of its memory to a disk, locked pages included.
fn warn_of_hibernation() {
    let target = std::fs::read_link("/etc/systemd/system/hibernate.target");
    let is_masked = target.is_ok_and(|target| target == Path::new("/dev/null"));
    if can_hibernate(&read("/sys/power/state"), &read("/proc/swaps")) && !is_masked {
        tracing::warn!(
            "this machine can hibernate, and keys would be written to a disk with all memory: run systemctl mask \
             hibernate.target hybrid-sleep.target suspend-then-hibernate.target, or start the kernel with nohibernate"
        );
    }
}

/// Hibernation needs a kernel that offers it and a swap device to write to.
fn can_hibernate(states: &str, swaps: &str) -> bool {
    states.split_whitespace().any(|state| state == "disk") && swaps_to_a_disk(swaps)
}

fn swaps_to_a_disk(swaps: &str) -> bool {
    swaps.lines().skip(1).any(|line| !line.starts_with("/dev/zram"))
}

/// A file of the kernel; empty if it is not there.
fn read(path: &str) -> String {
    std::fs::read_to_string(path).unwrap_or_default()
}

/// Whether the control group of this process may not swap (`MemorySwapMax=0`).
fn swap_is_off_for_us() -> bool {
    let groups = read("/proc/self/cgroup");
    let Some(group) = groups.lines().find_map(|line| line.strip_prefix("0::/")) else { return false };
    let limit = Path::new("/sys/fs/cgroup").join(group).join("memory.swap.max");
    std::fs::read_to_string(limit).is_ok_and(|limit| limit.trim() == "0")
}

/// `tamga keys status`: site, day and deadline of each key, a line each; never a byte of one.
pub fn status(config: &Config, clock: &Clock) -> Result<String> {
    let keys = KeyRing::open(&keys_dir(config))?.status(&config.time_zones())?;
    let mut said = String::new();
    for key in keys {
        let minutes = (key.dies_at.as_second() - clock.now().as_second()) / 60;
        let left = match minutes {
            0.. => format!("{} h {:02} min left", minutes / 60, minutes % 60),
            _ => "overdue: no collector runs that would destroy it; start one, or run tamga keys destroy".to_owned(),
        };
        said.push_str(&format!("{}  {}  destroyed at {}, {left}\n", key.site, key.day, key.dies_at));
    }
    if said.is_empty() {
        said.push_str("No key is there: the next beacon of a site's day makes one.\n");
    }
    Ok(said)
}

/// `tamga keys destroy`: the key of a site's day, or all and with them the hashes of retries. Running collectors forget their
/// copies within half a second.
pub fn destroy(config: &Config, clock: Clock, only: Option<(&str, Date)>) -> Result<String> {
    let ring = KeyRing::open(&keys_dir(config))?;
    let keys: Vec<_> = match only {
        Some((site, day)) => vec![(site.to_owned(), day)],
        None => ring.status(&config.time_zones())?.into_iter().map(|key| (key.site, key.day)).collect(),
    };
    let audit = super::audit::open(config, clock).context("nothing was destroyed")?;
    let mut said = String::new();
    for (site, day) in keys {
        audit.record("destroy key", &json!({ "site": site, "day": day.to_string(), "by": "verb" }))?;
        if config.peers.is_some() {
            ring.refuse(&site, day)?;
        }
        if !ring.destroy(&site, day)? {
            bail!("there is no key of {site} for {day}; `tamga keys status` lists those that are there");
        }
        said.push_str(&format!("Destroyed the key of {site} for {day}.\n"));
    }
    if only.is_none() {
        audit.record("forget retries", &json!({ "by": "verb" }))?;
        spool::forget_retries(&keys_dir(config), &spool::Disk)?;
        said.push_str("Removed the hashes by which retries are known after a restart.\n");
    }
    said.push_str("It is in the audit log. A running collector forgets its copies within half a second.\n");
    if config.peers.is_some() {
        said.push_str("While it runs, it has the other nodes destroy the same keys. Those that it cannot reach do so once it can.\n");
    }
    Ok(said)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_machine_hibernates_to_a_swap_device_and_not_to_compressed_memory() {
        const HEAD: &str = "Filename\t\t\t\tType\t\tSize\t\tUsed\t\tPriority\n";
        let (disk, zram) = (
            format!("{HEAD}/dev/sda2 partition 8388604 0 -2\n"),
            format!("{HEAD}/dev/zram0 partition 4194300 0 100\n"),
        );
        assert!(can_hibernate("freeze mem disk\n", &disk));
        assert!(can_hibernate("disk\n", &format!("{zram}/swapfile file 2097148 0 -3\n")));
        for (states, swaps) in
            [("freeze mem\n", &*disk), ("freeze mem disk\n", &*zram), ("freeze mem disk\n", HEAD), ("", "")]
        {
            assert!(!can_hibernate(states, swaps), "{states:?} {swaps:?}");
        }
    }
}

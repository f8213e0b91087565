//! The rules of this machine: keys, audit log, files, and the addresses in the configuration.

use std::collections::HashMap;
use std::fs;
use std::net::{IpAddr, ToSocketAddrs};
use std::os::unix::fs::MetadataExt;
use std::path::Path;
use std::sync::Arc;

use jiff::tz::TimeZone;

use super::findings::Findings;
use super::subject::Subject;
use crate::audit;
use crate::config::{CookieKey, is_loopback_name};
use crate::privacy::keys::{KeyRing, KeyStatus};
use crate::publish::files::FOLDER;
use crate::publish::overdue::overdue;

/// A key may be examined just while it is destroyed.
const SWEEP_SLACK_S: i64 = 60;
/// A key of a day that has begun dies within this time: the longest day has 25 hours, and a key lives half an hour longer. The
/// time zone of a site that is not configured here is unknown, which adds up to 26 hours.
const KEY_LIVES_S: i64 = 26 * 3600;
const UNKNOWN_ZONE_S: i64 = 26 * 3600;

/// Examines this machine. Returns the chain head of the audit log.
pub(super) fn examine(subject: &Subject<'_>, findings: &mut Findings) -> String {
    keys(subject, findings);
    files(subject, findings);
    sums(subject, findings);
    addresses(subject, findings);
    heads(&subject.audit, findings);
    match audit::verify(&subject.audit, None, &[]) {
        Ok(verified) => {
            findings.add("audit", verified.fault.as_ref().map(ToString::to_string));
            // In the format of the file of heads, so that a report can be given to `tamga audit verify --heads`.
            format!("{} {}", verified.lines.saturating_sub(1), verified.head)
        }
        Err(error) => {
            findings.add("audit", [format!("it cannot be read: {error}")]);
            String::new()
        }
    }
}

/// Heads beside their log are lost with it, and forged with it. That is a weakness and no breach: it is the default.
fn heads(place: &audit::Place, findings: &mut Findings) {
    match (fs::metadata(&place.log), fs::metadata(&place.heads)) {
        (Ok(log), Ok(heads)) if log.dev() == heads.dev() => {
            findings.warn("audit-heads", format!("{} is on the volume of the log", place.heads.display()));
        }
        (Ok(_), Ok(_)) => findings.add("audit-heads", []),
        _ => findings.not_here("audit-heads", "no audit log with heads is there yet"),
    }
}

/// Whether the day of a key has begun nowhere yet.
pub(crate) fn key_is_ahead(key: &KeyStatus, now_s: i64, zones: &HashMap<Arc<str>, TimeZone>) -> bool {
    let slack_s = if zones.contains_key(key.site.as_str()) { 0 } else { UNKNOWN_ZONE_S };
    key.dies_at.as_second() - now_s > KEY_LIVES_S + slack_s
}

fn keys(subject: &Subject<'_>, findings: &mut Findings) {
    let dir = &subject.host.keys_dir;
    let zones = subject.config.time_zones();
    // KeyRing::open creates the folder; an examination must not.
    if !dir.exists() {
        findings.not_here("keys-memory", "no key folder is there yet");
        findings.not_here("keys-age", "no key is there");
        findings.not_here("keys-ahead", "no key is there");
    } else {
        match KeyRing::open(dir) {
            Ok(ring) => {
                findings.add("keys-memory", closed_to_others(dir));
                match ring.status(&zones) {
                    Ok(keys) => {
                        let now = subject.clock.now().as_second();
                        let left = |key: &KeyStatus| key.dies_at.as_second() - now;
                        let of = |key: &KeyStatus| format!("{} of {}", key.site, key.day);
                        let is_ahead = |key: &&KeyStatus| key_is_ahead(key, now, &zones);
                        findings.add("keys-age", keys.iter().filter(|key| left(key) < -SWEEP_SLACK_S).map(of));
                        findings.add("keys-ahead", keys.iter().filter(is_ahead).map(of));
                    }
                    Err(error) => ["keys-age", "keys-ahead"]
                        .iter()
                        .for_each(|rule| findings.unknown(rule, format!("the key folder cannot be read: {error}"))),
                }
            }
            Err(error) => {
                findings.add("keys-memory", [error.to_string()]);
                findings.unknown("keys-age", "the key folder cannot be used");
                findings.unknown("keys-ahead", "the key folder cannot be used");
            }
        }
    }
    let data = &subject.config.data.dir;
    let mut evidence = Vec::new();
    if let (Ok(keys), Ok(found)) = (fs::metadata(dir), fs::metadata(data))
        && keys.dev() == found.dev()
    {
        evidence.push(format!("{} and {} are on one volume", dir.display(), data.display()));
    }
    let cookie = &subject.host.cookie_key;
    let within = |path: &Path, dir: &Path| match (path.canonicalize(), dir.canonicalize()) {
        (Ok(path), Ok(dir)) => path.starts_with(dir),
        _ => false,
    };
    let spool_key = CookieKey::spool_key_beside(cookie);
    if within(cookie, &data.join("spool")) || within(cookie, &data.join("engine")) {
        evidence.push(format!("{} is among the data", cookie.display()));
    }
    // A copy of the data folder is to show no row of the spool.
    if within(&spool_key, data) {
        evidence.push(format!("{} is among the data", spool_key.display()));
    }
    evidence.extend([cookie, &spool_key].into_iter().filter_map(|key| closed_to_others(key)));
    findings.add("keys-apart", evidence);
}

/// Evidence if other accounts of this machine can read the path.
fn closed_to_others(path: &Path) -> Option<String> {
    let mode = fs::metadata(path).ok()?.mode() & 0o777;
    (mode & 0o077 != 0).then(|| format!("{} has mode {mode:03o}: other accounts can read it", path.display()))
}

fn files(subject: &Subject<'_>, findings: &mut Findings) {
    let data = &subject.config.data.dir;
    // If nobody else can open the folder, nobody else can read its files.
    if closed_to_others(data).is_none() {
        findings.add("files", []);
        return;
    }
    let parts = ["spool", "engine", "dead-letters", "audit.jsonl"].map(|part| data.join(part));
    findings.add("files", parts.iter().filter_map(|path| closed_to_others(path)));
}

/// The publisher looks once an hour, so a file is late after two.
fn sums(subject: &Subject<'_>, findings: &mut Findings) {
    let folder = subject.config.data.dir.join(FOLDER);
    let is_site = |domain: &str| subject.config.sites.iter().any(|site| site.domain == domain);
    match overdue(&folder, is_site, subject.clock.now().as_second() - 2 * 3_600) {
        Ok(found) => findings.add("overdue-sums", found.iter().map(|path| path.display().to_string())),
        Err(error) => findings.unknown("overdue-sums", format!("{} cannot be read: {error}", folder.display())),
    }
}

fn addresses(subject: &Subject<'_>, findings: &mut Findings) {
    let wall = &subject.config.wall;
    let mut far = Vec::new();
    for (section, target) in ["vault", "stats"].into_iter().zip(&subject.targets) {
        let url = target.url.as_deref().and_then(|url| url::Url::parse(url).ok());
        if let Some((url, host)) = url.as_ref().and_then(|url| Some((url, url.host_str()?.to_owned())))
            && !is_loopback_name(&host)
        {
            if url.scheme() != "https" {
                findings.add("tls", [format!("[{section}] url is plain http to {host}")]);
            }
            if !wall.store_hosts.is_empty() && !wall.store_hosts.contains(&host) {
                findings.add("address", [format!("[{section}] url names {host}, which [wall] store_hosts does not")]);
            }
            far.push((section, host, url.port_or_known_default().unwrap_or(8123)));
        }
    }
    findings.add("tls", []);
    if far.is_empty() {
        let why = "both stores are on this machine";
        findings.not_here("address", why);
        findings.not_here("country", why);
        return;
    }
    if wall.store_hosts.is_empty() {
        findings.not_here("address", "[wall] store_hosts names no host");
    } else {
        findings.add("address", []);
    }
    let Some(declared) = &wall.country else {
        findings.not_here("country", "[wall] country declares none");
        return;
    };
    findings.add("country", []);
    for (section, host, port) in far {
        let Ok(addresses) = (host.as_str(), port).to_socket_addrs() else {
            findings.unknown("country", format!("[{section}] {host} has no address now"));
            continue;
        };
        for address in addresses.map(|address| address.ip()).filter(|address| !is_private(*address)) {
            match (subject.host.country)(address) {
                found if found.is_empty() => {
                    findings.unknown("country", format!("[geo] place does not know where [{section}] {host} is"));
                }
                found if found != *declared => {
                    findings.add("country", [format!("[{section}] {host} is in {found}, not in {declared}")]);
                }
                _ => (),
            }
        }
    }
}

/// Addresses that GeoIP files do not have: they are in the operator's own network.
fn is_private(address: IpAddr) -> bool {
    match address {
        IpAddr::V4(address) => address.is_private() || address.is_loopback() || address.is_link_local(),
        IpAddr::V6(address) => address.is_unique_local() || address.is_loopback() || address.is_unicast_link_local(),
    }
}

//! The audit log in a running collector and for operators: its place, its entries about changes of the configuration, and
//! the verbs that read it.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail};
use serde::Deserialize;
use serde_json::{Value, json};

use crate::audit::{self, Audit, Place};
use crate::clock::Clock;
use crate::config::Config;

/// Where the log of a configuration is.
pub fn place(config: &Config) -> Place {
    Place::new(&config.data.dir, config.audit.heads_file.as_deref())
}

/// Opens the log; the data folder is made if it is missing.
pub fn open(config: &Config, clock: Clock) -> Result<Audit> {
    std::fs::create_dir_all(&config.data.dir)
        .with_context(|| format!("cannot make the data folder {}", config.data.dir.display()))?;
    let place = place(config);
    Audit::open(&place, clock).with_context(|| {
        let (log, heads) = (place.log.display(), place.heads.display());
        format!("cannot open the audit log {log} or its heads {heads}; see [audit] heads_file")
    })
}

/// The parts of an entry that this file reads.
#[derive(Deserialize)]
struct Line {
    seq: u64,
    at: String,
    action: String,
    detail: Value,
}

/// Records a start, and what is new about its configuration.
pub(super) fn note_start(audit: &Audit, config: &Config) {
    audit.note("start", &json!({ "version": crate::VERSION, "sites": config.sites.len() }));
    note_configuration(audit, config);
}

/// Records which parts of the configuration differ from the last start. Only a hash of each part is kept.
fn note_configuration(audit: &Audit, config: &Config) {
    let parts = fingerprints(config);
    // If the log cannot be read, all parts are recorded.
    let lines = audit::lines(&place(config), None).unwrap_or_default();
    let mut entries = lines.iter().rev().filter_map(|line| serde_json::from_str::<Line>(line).ok());
    let last = entries.find(|line| line.action == "configuration").map(|line| line.detail["parts"].clone());
    let known: BTreeMap<String, String> = last.and_then(|parts| serde_json::from_value(parts).ok()).unwrap_or_default();
    let names = parts.keys().chain(known.keys());
    let changed: BTreeSet<_> = names.filter(|name| parts.get(*name) != known.get(*name)).collect();
    if !changed.is_empty() {
        audit.note("configuration", &json!({ "changed": changed, "parts": parts }));
    }
}

/// A short hash of each part of the configuration, by its key. Sites are parts of their own.
fn fingerprints(config: &Config) -> BTreeMap<String, String> {
    let hash = |text: &str| blake3::hash(text.as_bytes()).to_hex()[..16].to_owned();
    let mut texts: Vec<(String, String)> = Vec::new();
    // In this form every part begins with its key, indented once. So no part can be forgotten here.
    for line in format!("{config:#?}").lines() {
        let key = line.strip_prefix("    ").filter(|rest| rest.starts_with(|c: char| c.is_ascii_lowercase()));
        match (key.and_then(|rest| rest.split_once(':')), texts.last_mut()) {
            (Some((key, rest)), _) => texts.push((key.to_owned(), rest.to_owned())),
            (None, Some((_, text))) => text.push_str(line),
            (None, None) => (),
        }
    }
    let mut parts: BTreeMap<_, _> = texts.into_iter().map(|(key, text)| (key, hash(&text))).collect();
    parts.remove("sites");
    parts.extend(config.sites.iter().map(|site| (format!("site {}", site.domain), hash(&format!("{site:?}")))));
    parts
}

/// `tamga audit verify`. An error when the log is not whole.
pub fn verify(config: &Config, moved: Option<&Path>, copies: &[PathBuf]) -> Result<String> {
    let place = place(config);
    let copies: Vec<_> = copies.iter().map(PathBuf::as_path).collect();
    let path = place.log.display();
    let verified = audit::verify(&place, moved, &copies).with_context(|| format!("cannot read {path}"))?;
    if let Some(fault) = verified.fault {
        bail!("{path} is broken: {fault}");
    }
    Ok(format!("{path}: {} lines, unbroken; head {}\n", verified.lines, verified.head))
}

/// `tamga audit show`: a line per entry; `json` prints the entries unchanged.
pub fn show(config: &Config, only: Option<&str>, since: Option<jiff::Timestamp>, json: bool) -> Result<String> {
    let place = place(config);
    let lines = audit::lines(&place, None).with_context(|| format!("cannot read {}", place.log.display()))?;
    let mut said = String::new();
    for line in lines {
        let Ok(read) = serde_json::from_str::<Line>(&line) else {
            said.push_str("(a line that cannot be read; `tamga audit verify` says which)\n");
            continue;
        };
        let is_later = since.is_none_or(|since| read.at.parse::<jiff::Timestamp>().is_ok_and(|at| at >= since));
        if !is_later || only.is_some_and(|action| action != read.action) {
            continue;
        }
        if json {
            said.push_str(&line);
        } else {
            let _ = write!(said, "{:>6}  {:<24}  {:<20}", read.seq, read.at, read.action);
            for (name, value) in read.detail.as_object().into_iter().flatten() {
                match value {
                    Value::String(text) => drop(write!(said, "  {name}={text}")),
                    value => drop(write!(said, "  {name}={value}")),
                }
            }
        }
        said.push('\n');
    }
    Ok(said)
}

/// `tamga audit heads`: the last head, or all, to be kept elsewhere. The export is an entry too.
pub fn heads(config: &Config, all: bool) -> Result<String> {
    let place = place(config);
    let audit = open(config, Clock::kept_in(&config.data.dir))?;
    audit.record("export heads", &json!({ "all": all }))?;
    let text =
        std::fs::read_to_string(&place.heads).with_context(|| format!("cannot read {}", place.heads.display()))?;
    if all {
        return Ok(text);
    }
    Ok(text.lines().last().map(|line| format!("{line}\n")).unwrap_or_default())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_change_of_the_configuration_is_recorded_by_its_part_and_without_its_content() {
        let folder = tempfile::tempdir().expect("a folder");
        let mut config = Config::parse(Config::example(), "t.toml".as_ref(), std::iter::empty()).expect("sound");
        config.data.dir = folder.path().to_owned();
        let audit = open(&config, Clock::machine()).expect("opens");
        let changed = |config: &Config| {
            note_configuration(&audit, config);
            let text = show(config, Some("configuration"), None, true).expect("reads");
            let last = text.lines().last().expect("a line").to_owned();
            assert!(!last.contains("jetpay.kz\",\"https") && !last.contains("tariffs"), "{last}");
            let line: Line = serde_json::from_str(&last).expect("a line");
            (text.lines().count(), line.detail["changed"].to_string())
        };
        let (count, first) = changed(&config);
        assert!(count == 1 && first.contains("\"keys\"") && first.contains("site jetpay.kz"), "{first}");
        assert_eq!(changed(&config).0, 1, "nothing changed");
        config.sites[0].paths.push("/new".to_owned());
        config.publish.node_timeout_s += 1;
        assert_eq!(changed(&config), (2, r#"["publish","site jetpay.kz"]"#.to_owned()));
    }
}

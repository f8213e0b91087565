//! Does every room import only what it may? Reads the `crate::` paths and the crates that sources name, tests left out.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};

/// What a room may name of this crate. `serve`, `demo` and `main` put everything together and may name all.
const MAY_IMPORT: &[(&str, &[&str])] = &[
    ("clock", &[]),
    ("secret", &[]),
    ("outcome", &[]),
    ("shutdown", &[]),
    ("items", &[]),
    ("config", &["items", "outcome"]),
    ("event", &["secret"]),
    ("decode", &["config", "event", "outcome", "secret"]),
    ("enrich", &["config", "event", "outcome", "secret"]),
    ("privacy", &["config", "event", "items", "outcome", "secret"]),
    ("pipeline", &["decode", "enrich", "event", "outcome", "privacy"]),
    ("record", &["event"]),
    ("spool", &[]),
    ("metrics", &["outcome"]),
    ("audit", &["clock"]),
    ("admin", &["metrics"]),
    (
        "collect",
        &[
            "clock", "config", "decode", "enrich", "event", "items", "metrics", "outcome", "pipeline", "privacy",
            "record", "secret", "shutdown", "spool",
        ],
    ),
    ("store", &["clock", "config", "record", "spool"]),
    ("verify", &["audit", "clock", "config", "privacy", "store"]),
    ("publish", &["clock", "config", "items", "record", "secret", "shutdown", "store"]),
];

/// Crates that belong to some rooms alone.
const BELONGS_TO: &[(&str, &[&str])] = &[
    ("axum", &["collect", "rights", "admin"]),
    ("clickhouse", &["store"]),
    ("maxminddb", &["enrich"]),
    ("woothee", &["enrich"]),
    ("crc32c", &["spool"]),
    ("libloading", &[]),
];

fn sources(dir: &Path, found: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(dir).expect("a folder of sources") {
        let path = entry.expect("an entry").path();
        if path.is_dir() {
            sources(&path, found);
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            found.push(path);
        }
    }
}

/// The crate's sources by room, each without its tests and comments.
fn rooms() -> BTreeMap<String, Vec<(PathBuf, String)>> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let mut files = Vec::new();
    sources(&root, &mut files);
    let mut rooms: BTreeMap<String, Vec<_>> = BTreeMap::new();
    for path in files {
        let inner = path.strip_prefix(&root).expect("below src");
        let room = inner.components().next().expect("a name").as_os_str().to_string_lossy().replace(".rs", "");
        let is_test = inner.iter().any(|part| part == "tests" || part == "tests.rs") || is_only_for_tests(&path);
        if is_test || room == "bin" {
            continue;
        }
        let text = fs::read_to_string(&path).expect("a source");
        let text = text.split("#[cfg(test)]\nmod ").next().unwrap_or_default();
        let code = text.lines().filter(|line| !line.trim_start().starts_with("//")).collect::<Vec<_>>().join("\n");
        rooms.entry(room).or_default().push((inner.to_owned(), code));
    }
    rooms
}

/// Whether the folder's `mod.rs` takes the file in under `#[cfg(test)]`.
fn is_only_for_tests(path: &Path) -> bool {
    let declared = fs::read_to_string(path.with_file_name("mod.rs")).unwrap_or_default();
    let name = path.file_stem().expect("a file").to_string_lossy();
    declared.contains(&format!("#[cfg(test)]\nmod {name};"))
}

/// The first names after `crate::` in a text, groups included: `crate::{a, b::c}` names `a` and `b`.
fn named(code: &str) -> BTreeSet<String> {
    let word = |text: &str| text.chars().take_while(|c| c.is_alphanumeric() || *c == '_').collect::<String>();
    let mut names = BTreeSet::new();
    for rest in code.split("crate::").skip(1) {
        if let Some(group) = rest.strip_prefix('{') {
            let mut depth = 0;
            let mut start = true;
            for (at, c) in group.char_indices() {
                match c {
                    '{' => depth += 1,
                    '}' if depth == 0 => break,
                    '}' => depth -= 1,
                    ',' if depth == 0 => start = true,
                    c if start && c.is_alphabetic() => {
                        names.insert(word(&group[at..]));
                        start = false;
                    }
                    _ => (),
                }
            }
        } else {
            names.insert(word(rest));
        }
    }
    names
}

#[test]
fn rooms_import_only_what_they_may() {
    let mut wrong = Vec::new();
    for (room, files) in rooms() {
        if ["lib", "main", "serve", "demo"].contains(&room.as_str()) {
            continue;
        }
        let allowed = MAY_IMPORT.iter().find(|(name, _)| *name == room);
        let Some((_, allowed)) = allowed else {
            wrong.push(format!("{room} is not in the table of this test: say what it may import"));
            continue;
        };
        for (path, code) in files {
            for name in named(&code) {
                if name != room && !allowed.contains(&name.as_str()) {
                    wrong.push(format!("{} names crate::{name}; {room} may import {allowed:?}", path.display()));
                }
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn crates_stay_in_their_rooms() {
    let mut wrong = Vec::new();
    for (room, files) in rooms() {
        for (path, code) in files {
            for (name, owners) in BELONGS_TO {
                let used = code.contains(&format!("{name}::")) && !code.contains(&format!("::{name}::"));
                if used && !owners.contains(&room.as_str()) {
                    wrong.push(format!("{} uses {name}, which belongs to {owners:?}", path.display()));
                }
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn every_source_opens_with_its_contract_and_stays_readable() {
    let mut wrong = Vec::new();
    for part in ["src", "tests", "examples"] {
        let mut files = Vec::new();
        sources(&Path::new(env!("CARGO_MANIFEST_DIR")).join(part), &mut files);
        for path in files {
            let text = fs::read_to_string(&path).expect("a source");
            if !text.starts_with("//!") {
                wrong.push(format!("{} does not open with `//!`", path.display()));
            }
            let lines = text.lines().count();
            if lines > 450 {
                wrong.push(format!("{} has {lines} lines: is it still one thing?", path.display()));
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn the_reader_of_imports_understands_groups() {
    let names = named("use crate::{a, b::{c, d}, e as f};\nuse crate::g::h;");
    assert_eq!(names.into_iter().collect::<Vec<_>>(), ["a", "b", "e", "g"]);
}

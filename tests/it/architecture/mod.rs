//! Does the code keep the structure that `ARCHITECTURE.md` describes?
//!
//! The rules, all for code without its tests:
//!
//! * A module of the product imports what [`MAY_IMPORT`] permits. A crate of [`BELONGS_TO`] is used by its owners alone.
//!   Every line of both tables is needed: a permission that nobody uses fails, and so does a name that does not exist.
//! * The files of a folder depend on each other without a cycle. A file depends on the file that defines the item it
//!   names, even if it names the item through a re-export. A subfolder counts as one file. `mod.rs` stands above the
//!   others: it puts them together and may define types that they share, so what `mod.rs` names closes no cycle.
//! * Files open with their contract (`//!`) and have at most 450 lines, functions at most 70. Public types and functions
//!   are documented.
//! * Only the engine has unsafe code. Files of tests are called `tests`, and nothing of `tests/` is compiled in.

mod sources;

use std::collections::{BTreeMap, BTreeSet};
use std::fs;

use sources::{Crate, files_below, repository};

/// What a module may name of this crate. `serve` and `main` put everything together and may name all.
const MAY_IMPORT: &[(&str, &[&str])] = &[
    ("clock", &["files"]),
    ("secret", &[]),
    ("files", &[]),
    ("generations", &["secret"]),
    ("outcome", &[]),
    ("window", &[]),
    ("items", &[]),
    ("nfc", &[]),
    ("requests", &[]),
    ("config", &["items", "nfc", "outcome", "requests"]),
    ("event", &["secret"]),
    ("decode", &["config", "event", "outcome", "secret"]),
    ("enrich", &["event", "generations", "nfc", "outcome", "secret"]),
    ("privacy", &["event", "files", "items", "nfc", "secret", "window"]),
    ("peers", &["clock", "config", "privacy", "secret"]),
    ("pipeline", &["decode", "enrich", "event", "outcome", "privacy"]),
    ("record", &["event", "privacy"]),
    ("spool", &["secret"]),
    ("metrics", &["outcome", "requests"]),
    ("audit", &["clock", "files"]),
    ("admin", &[]),
    ("stats_page", &["config", "store"]),
    (
        "collect",
        &[
            "clock",
            "config",
            "decode",
            "enrich",
            "event",
            "generations",
            "items",
            "metrics",
            "outcome",
            "pipeline",
            "privacy",
            "record",
            "secret",
            "spool",
            "window",
        ],
    ),
    ("rights", &["collect", "config", "html", "items", "outcome", "privacy", "publish", "store"]),
    ("protect", &["collect", "config", "event", "files", "metrics", "outcome", "secret"]),
    ("html", &[]),
    ("report", &["html", "store"]),
    ("store", &["clock", "config", "files", "privacy", "record", "spool"]),
    ("publish", &["clock", "config", "files", "items", "record", "secret", "store", "window"]),
    ("verify", &["audit", "clock", "config", "html", "privacy", "publish", "store"]),
];
const MAY_IMPORT_ALL: &[&str] = &["serve"];

/// Crates that belong to some modules alone.
const BELONGS_TO: &[(&str, &[&str])] = &[
    ("axum", &["collect", "admin", "protect", "rights", "stats_page"]),
    ("clickhouse", &["store"]),
    ("maxminddb", &["enrich"]),
    ("woothee", &["enrich"]),
    ("crc32c", &["spool"]),
];

/// Functions of more than 70 lines that do one thing, each with the reason why it is not split.
const LONG_FUNCTIONS: &[(&str, &str, &str)] = &[];

/// Cycles that are still there.
const KNOWN_CYCLES: &[&str] = &[];
/// Code of tests and fixtures that are still in the product.
const KNOWN_TEST_CODE: &[&str] = &[];

fn no_objection(wrong: &[String]) {
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

/// What each module of the product names: other modules of the product, and other crates.
fn imports_of_modules(product: &Crate) -> BTreeMap<&str, (BTreeSet<&str>, BTreeSet<String>)> {
    let mut imports: BTreeMap<&str, (BTreeSet<&str>, BTreeSet<String>)> = BTreeMap::new();
    for (number, module) in product.modules.iter().enumerate().skip(1) {
        let name = module.path[0].as_str();
        let (modules, crates) = imports.entry(name).or_default();
        for reference in &module.references {
            modules.extend(product.names_module(number, &reference.path).filter(|named| *named != name));
            crates.extend(product.foreign(number, &reference.path).map(str::to_owned));
        }
    }
    imports
}

#[test]
fn modules_import_exactly_what_they_may() {
    let product = Crate::product();
    let mut wrong = Vec::new();
    let mut imports = imports_of_modules(&product);
    imports.retain(|module, _| !MAY_IMPORT_ALL.contains(module));
    for (module, (imported, _)) in &imports {
        let Some((_, allowed)) = MAY_IMPORT.iter().find(|(name, _)| name == module) else {
            wrong.push(format!("{module} is not in MAY_IMPORT: add what it may import"));
            continue;
        };
        let allowed: BTreeSet<&str> = allowed.iter().copied().collect();
        wrong.extend(imported.difference(&allowed).map(|name| format!("{module} imports {name} and may not")));
        wrong.extend(allowed.difference(imported).map(|name| format!("{module} may import {name} and does not")));
    }
    let listed = MAY_IMPORT.iter().map(|(name, _)| name);
    wrong.extend(listed.filter(|name| !imports.contains_key(**name)).map(|name| format!("there is no module {name}")));
    no_objection(&wrong);
}

#[test]
fn crates_stay_with_their_owners() {
    let product = Crate::product();
    let imports = imports_of_modules(&product);
    let mut wrong = Vec::new();
    for (name, owners) in BELONGS_TO {
        let users: BTreeSet<&str> =
            imports.iter().filter(|(_, (_, crates))| crates.contains(*name)).map(|(module, _)| *module).collect();
        let owners: BTreeSet<&str> = owners.iter().copied().collect();
        wrong.extend(users.difference(&owners).map(|user| format!("{user} uses {name}, which belongs to {owners:?}")));
        wrong.extend(owners.difference(&users).map(|owner| format!("{owner} may use {name} and does not")));
    }
    no_objection(&wrong);
}

/// A file or subfolder → those that it depends on, each with a path that it names.
type Dependencies<'a> = BTreeMap<&'a str, BTreeMap<&'a str, String>>;

/// The dependencies within each folder of a crate.
fn folders(of: &Crate) -> BTreeMap<&[String], Dependencies<'_>> {
    let mut folders: BTreeMap<&[String], Dependencies<'_>> = BTreeMap::new();
    for (number, module) in of.modules.iter().enumerate() {
        let from = of.file_of(number).path.as_slice();
        for reference in module.references.iter().filter(|reference| !reference.is_reexport) {
            let Some(target) = of.resolve(number, &reference.path) else { continue };
            let to = of.file_of(target).path.as_slice();
            let shared = from.iter().zip(to).take_while(|(a, b)| a == b).count();
            if from != to && from.len() > shared {
                let depends = folders.entry(&from[..shared]).or_default().entry(name_at(from, shared)).or_default();
                depends.insert(name_at(to, shared), reference.path.join("::"));
            }
        }
    }
    folders
}

fn name_at(path: &[String], depth: usize) -> &str {
    path.get(depth).map_or("mod", String::as_str)
}

/// What a file depends on, directly or through others.
fn reachable<'a>(graph: &Dependencies<'a>, from: &str) -> BTreeSet<&'a str> {
    let (mut reached, mut next) = (BTreeSet::new(), graph.get(from).map(keys).unwrap_or_default());
    while let Some(name) = next.pop() {
        if reached.insert(name) {
            next.extend(graph.get(name).map(keys).unwrap_or_default());
        }
    }
    reached
}

fn keys<'a>(depends: &BTreeMap<&'a str, String>) -> Vec<&'a str> {
    depends.keys().copied().collect()
}

/// The groups of files of a folder in which each depends on each, through others or directly: `folder/{a,b}`, and how.
fn cycles(folder: &[String], graph: &Dependencies<'_>) -> BTreeMap<String, String> {
    let mut found = BTreeMap::new();
    for name in graph.keys().filter(|name| reachable(graph, name).contains(**name)) {
        let ring: Vec<&str> =
            reachable(graph, name).into_iter().filter(|other| reachable(graph, other).contains(name)).collect();
        let depends = |from: &&str, to: &&str| graph[*from].get(*to).map(|path| format!("{from} names {path}"));
        let how: Vec<_> = ring.iter().flat_map(|from| ring.iter().filter_map(move |to| depends(from, to))).collect();
        found.insert(format!("{}/{{{}}}", folder.join("/"), ring.join(",")), how.join("; "));
    }
    found
}

#[test]
fn no_files_of_a_folder_depend_on_each_other_in_a_cycle() {
    let crates = Crate::all();
    let folders = crates.iter().flat_map(folders);
    let found: BTreeMap<_, _> = folders.flat_map(|(folder, graph)| cycles(folder, &graph)).collect();
    let known = |cycle: &str| KNOWN_CYCLES.contains(&cycle);
    let new = found.iter().filter(|(cycle, _)| !known(cycle)).map(|(cycle, how)| format!("{cycle}: {how}"));
    let gone = KNOWN_CYCLES.iter().filter(|cycle| !found.contains_key(**cycle)).map(|cycle| format!("{cycle} is gone"));
    no_objection(&new.chain(gone).collect::<Vec<_>>());
}

#[test]
fn every_source_opens_with_its_contract_and_stays_readable() {
    let mut wrong = Vec::new();
    for path in ["src", "crates", "tests", "benches"].into_iter().flat_map(|part| files_below(part, "rs")) {
        let text = fs::read_to_string(repository().join(&path)).expect("a source");
        if !text.starts_with("//!") {
            wrong.push(format!("{} does not open with `//!`", path.display()));
        }
        let lines = text.lines().count();
        if lines > 450 {
            wrong.push(format!("{} has {lines} lines: split it", path.display()));
        }
    }
    no_objection(&wrong);
}

#[test]
fn functions_are_short_and_public_items_documented() {
    let mut wrong = Vec::new();
    let mut long: BTreeSet<_> =
        LONG_FUNCTIONS.iter().map(|(file, name, _)| (file.to_string(), name.to_string())).collect();
    for of in Crate::all() {
        for module in &of.modules {
            let file = module.file.display().to_string();
            for function in module.functions.iter().filter(|function| function.lines > 70) {
                if !long.remove(&(file.clone(), function.name.clone())) {
                    wrong.push(format!("{file}: {} has {} lines: split it", function.name, function.lines));
                }
            }
            let bare = module.documented.iter().filter(|(_, words)| *words == 0);
            wrong.extend(bare.map(|(item, words)| format!("{file}: {item} is documented in {words} words")));
        }
    }
    wrong.extend(long.iter().map(|(file, name)| format!("{file}: {name} is listed and not long, or not there")));
    no_objection(&wrong);
}

#[test]
fn the_product_has_no_code_of_tests_and_unsafe_code_in_the_engine_alone() {
    let mut wrong = BTreeSet::new();
    for module in Crate::all().iter().flat_map(|of| &of.modules) {
        let file = module.file.display();
        if module.has_unsafe && !module.file.starts_with("crates/engine") {
            wrong.insert(format!("{file}: has unsafe code"));
        }
        let misnamed = module.test_files.iter().filter(|name| *name != "tests");
        wrong.extend(misnamed.map(|name| format!("{file}: the module {name} is for tests and not called so")));
        let tests = module.included.iter().filter(|text| text.contains("tests/"));
        wrong.extend(tests.map(|text| format!("{file}: compiles in {text}")));
    }
    let known: BTreeSet<String> = KNOWN_TEST_CODE.iter().map(|known| (*known).to_owned()).collect();
    let gone = known.difference(&wrong).map(|known| format!("{known}: is gone"));
    no_objection(&wrong.difference(&known).cloned().chain(gone).collect::<Vec<_>>());
}

#[test]
fn the_reader_sees_paths_in_imports_re_exports_and_macros() {
    let folder = tempfile::tempdir().expect("a folder");
    let write = |name: &str, text: &str| fs::write(folder.path().join(name), text).expect("written");
    write("lib.rs", "mod a; mod b; mod c; pub use a::A;");
    write("a.rs", "use super::{c::D as _, b::{self, B}}; use axum::Router; pub struct A;");
    write("b.rs", "pub struct B; fn f() { println!(\"{}\", crate::A::new()) }");
    write("c.rs", "pub struct D; #[cfg(test)] mod tests { use super::super::a::A; }");
    let read = Crate::read(&folder.path().join("lib.rs"));
    let found: Vec<String> =
        folders(&read).iter().flat_map(|(folder, graph)| cycles(folder, graph).into_keys()).collect();
    assert_eq!(found, ["/{a,b}"]);
    let imports = imports_of_modules(&read);
    assert_eq!(imports["a"], (["b", "c"].into(), ["axum".to_owned()].into()));
    assert_eq!(imports["c"], Default::default());
}

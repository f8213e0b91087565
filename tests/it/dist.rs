//! Does the archive of a release hold what it promises, and are two of them the same to the byte?

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::support::programs;

/// Packs the programs of this test into a folder, as another machine would at another time. Returns the archive.
fn pack(programs: &Path, folder: &Path, umask: &str, zone: &str) -> PathBuf {
    let script = format!("umask {umask} && exec \"$0\" pack \"$1\" \"$2\"");
    let dist = Path::new(env!("CARGO_MANIFEST_DIR")).join("scripts/dist");
    let output = Command::new("bash").args(["-c", &script]).arg(dist).args([programs, folder]).env("TZ", zone).output();
    let output = output.unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let mut archives = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
    archives.find(|path| path.extension().is_some_and(|end| end == "gz")).expect("an archive")
}

/// The program as it is, and one in the place of the engine, which is large.
fn stand_ins(folder: &Path) {
    let stripped = Command::new("strip").arg("-o").arg(folder.join("tamga")).arg(programs::tamga()).status();
    assert!(stripped.expect("binutils are there, as gcc needs them").success());
    fs::write(folder.join("tamga-engine"), "an engine").unwrap();
}

#[test]
fn an_archive_holds_what_an_operator_needs_and_two_of_them_are_the_same() {
    let (programs, one, other) =
        (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    stand_ins(programs.path());
    let first = pack(programs.path(), one.path(), "0002", "Asia/Almaty");
    let second = pack(programs.path(), other.path(), "0077", "America/Lima");
    assert!(fs::read(&first).unwrap() == fs::read(&second).unwrap(), "the same commit gives the same bytes");
    assert_eq!(first.file_name(), second.file_name());

    let unpacked = tempfile::tempdir().unwrap();
    let tar = Command::new("tar").arg("-xzf").arg(&first).arg("-C").arg(unpacked.path()).status().unwrap();
    assert!(tar.success());
    let root = fs::read_dir(unpacked.path()).unwrap().next().unwrap().unwrap().path();
    let sums =
        Command::new("sha256sum").args(["--check", "--quiet", "SHA256SUMS"]).current_dir(&root).status().unwrap();
    assert!(sums.success(), "the checksums are right");
    let listed = fs::read_to_string(root.join("SHA256SUMS")).unwrap();
    for name in [
        "bin/tamga-engine",
        "deploy/README.md",
        "deploy/proxies/nginx.conf",
        "deploy/tamga.service",
        "engine-library/package-lock.json",
        "LICENSE",
        "README.md",
        "schema/access/vault.sql",
        "schema/data-map.toml",
        "scripts/engine-library",
        "share/completions/_tamga",
        "share/completions/tamga.bash",
        "share/completions/tamga.fish",
        "share/man/man1/tamga.1",
        "share/man/man1/tamga-config-check.1",
        "share/tamga.cdx.json",
    ] {
        assert!(listed.contains(&format!("  ./{name}\n")), "{name} is missing:\n{listed}");
    }
    assert!(!listed.contains("/tests/") && !listed.contains("/src/") && !listed.contains("secrets/"), "{listed}");
    the_program_of_the_archive_runs(&root);
    every_linked_crate_is_listed(&root.join("share/tamga.cdx.json"));
}

fn the_program_of_the_archive_runs(root: &Path) {
    let help = Command::new(root.join("bin/tamga")).arg("--help").output().unwrap();
    let text = String::from_utf8(help.stdout).unwrap();
    // A description may go on in lines that are indented further.
    let listed = text.split_once("Commands:\n").unwrap().1.split("\n\n").next().unwrap();
    let names = listed.lines().filter_map(|line| line.strip_prefix("  ")).filter(|line| !line.starts_with(' '));
    let verbs: Vec<&str> = names.filter_map(|line| line.split(' ').next()).filter(|verb| *verb != "help").collect();
    assert!(verbs.len() > 10, "{verbs:?}");
    let completions = fs::read_to_string(root.join("share/completions/tamga.bash")).unwrap();
    for verb in verbs {
        assert!(root.join(format!("share/man/man1/tamga-{verb}.1")).exists(), "{verb} has a page");
        assert!(completions.contains(&format!(" {verb} ")), "{verb} is completed");
    }
}

fn every_linked_crate_is_listed(file: &Path) {
    let bom: serde_json::Value = serde_json::from_slice(&fs::read(file).unwrap()).unwrap();
    let components = bom["components"].as_array().unwrap();
    let names: BTreeMap<&str, &serde_json::Value> =
        components.iter().map(|component| (component["name"].as_str().unwrap(), component)).collect();
    let tree = ["tree", "--locked", "--edges", "normal", "--prefix", "none", "--format", "{p}", "--target"];
    let output = Command::new("cargo")
        .args(tree)
        .args(["x86_64-unknown-linux-gnu", "-p", "tamga", "-p", "tamga-engine"])
        .current_dir(env!("CARGO_MANIFEST_DIR"))
        .output()
        .unwrap();
    let text = String::from_utf8(output.stdout).unwrap();
    let linked: BTreeSet<&str> =
        text.lines().filter_map(|line| line.split(' ').next()).filter(|name| !name.is_empty()).collect();
    assert!(linked.len() > 100, "{linked:?}");
    for name in linked {
        let component = names.get(name).unwrap_or_else(|| panic!("{name} is not listed"));
        let is_own = ["tamga", "tamga-engine"].contains(&name);
        assert!(is_own || component["hashes"][0]["content"].as_str().is_some_and(|sum| sum.len() == 64), "{component}");
        assert!(component["licenses"][0]["expression"].is_string(), "{component}");
    }
    assert!(!names.contains_key("proptest"), "what only tests need is not in the programs");
    assert!(names.contains_key("@chdb/lib-linux-x64-gnu"));
}

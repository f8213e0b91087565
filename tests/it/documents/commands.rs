//! Every shell command of the documents runs, or its block says why it does not: ```sh untested: REASON.
//!
//! A block runs in a folder of its own that holds a sound `tamga.toml` and links to the repository's files, with `tamga` in
//! the path. Its last line must succeed, and so must each before it.

use std::path::Path;
use std::process::Command;

use super::{Document, Fence, documents};
use crate::support::program::Ground;
use crate::support::repository::tracked;

/// Seconds for one block. All of them together take a few seconds on an idle machine.
const PATIENCE_S: &str = "120";

/// What a line of shell begins with, where its block does not say that it is one.
const SHELL: &[&str] =
    &["$ ", "make ", "tamga ", "cargo ", "curl ", "scripts/", "npm ", "git ", "docker ", "systemctl "];

/// What a block that runs may call, so that a test never installs, builds or starts anything.
const HARMLESS: &[&str] = &["tamga", "grep", "ls", "cat", "head", "sed", "test"];

fn blocks(is_wanted: impl Fn(&str) -> bool) -> Vec<(String, Fence)> {
    let of = |document: Document| document.fences.into_iter().map(move |fence| (document.path.clone(), fence));
    documents().into_iter().flat_map(of).filter(|(_, fence)| is_wanted(&fence.info)).collect()
}

#[test]
fn every_block_of_shell_says_that_it_is_one_and_why_it_is_not_run() {
    let mut wrong = Vec::new();
    for (path, fence) in blocks(|_| true) {
        let place = format!("{path}:{}", fence.line);
        let reason = fence.info.strip_prefix("sh untested:").map(str::trim);
        if reason.is_some_and(|reason| reason.len() < 10) {
            wrong.push(format!("{place}: say why it is not run: ```sh untested: REASON"));
        }
        let is_shell = fence.info == "sh" || reason.is_some();
        if fence.info.starts_with("sh") && !is_shell || ["bash", "shell", "console"].contains(&fence.info.as_str()) {
            wrong.push(format!("{place}: {:?} is neither `sh` nor `sh untested: REASON`", fence.info));
        }
        let looks_so = |line: &String| SHELL.iter().any(|start| line.starts_with(start));
        if fence.info.is_empty() && fence.lines.iter().any(looks_so) {
            wrong.push(format!("{place}: it looks like shell; begin the block with ```sh"));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn every_block_of_shell_that_can_run_here_runs() {
    let blocks = blocks(|info| info == "sh");
    assert!(blocks.len() >= 2, "only {} blocks run", blocks.len());
    let mut failed = Vec::new();
    for (path, fence) in blocks {
        let called =
            fence.lines.iter().flat_map(|line| line.split(" | ")).filter_map(|part| part.split_whitespace().next());
        let strange: Vec<_> =
            called.filter(|program| !program.starts_with('#') && !HARMLESS.contains(program)).collect();
        if !strange.is_empty() {
            failed
                .push(format!("{path}:{}: {strange:?} is not run by tests; write ```sh untested: REASON", fence.line));
            continue;
        }
        let output = run(&fence.lines.join("\n"));
        if !output.status.success() {
            let said = String::from_utf8_lossy(&output.stderr);
            failed.push(format!("{path}:{}: {}\n{said}", fence.line, output.status));
        }
    }
    assert!(failed.is_empty(), "{}", failed.join("\n"));
}

fn run(script: &str) -> std::process::Output {
    let ground = Ground::new();
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let tops: std::collections::BTreeSet<&str> =
        tracked().iter().filter_map(|path| path.split('/').next()).filter(|top| !top.starts_with('.')).collect();
    for top in tops {
        std::os::unix::fs::symlink(root.join(top), ground.folder.path().join(top)).unwrap();
    }
    let programs = Path::new(env!("CARGO_BIN_EXE_tamga")).parent().unwrap().display().to_string();
    let mut command = Command::new("timeout");
    command.args([PATIENCE_S, "bash", "-euo", "pipefail", "-c", script]).current_dir(ground.folder.path());
    for (name, _) in std::env::vars().filter(|(name, _)| name.starts_with("TAMGA")) {
        command.env_remove(name);
    }
    command.env("PATH", format!("{programs}:{}", std::env::var("PATH").unwrap_or_default()));
    command.output().expect("bash and timeout are there")
}

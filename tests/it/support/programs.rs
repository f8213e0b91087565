//! The programs that tests start: `tamga` as cargo built it for this test, and those of other packages, built when first
//! asked for. Cargo builds no program of another package for a test, so an old one could lie beside `tamga`.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::OnceLock;

/// `tamga`, with a `tamga-engine` beside it that is as new as its sources.
pub(crate) fn tamga() -> &'static Path {
    engine();
    Path::new(env!("CARGO_BIN_EXE_tamga"))
}

/// `tamga-engine`.
pub(crate) fn engine() -> &'static Path {
    static ENGINE: OnceLock<PathBuf> = OnceLock::new();
    ENGINE.get_or_init(|| built("tamga-engine"))
}

/// `tamga-demo`.
pub(crate) fn demo() -> &'static Path {
    static DEMO: OnceLock<PathBuf> = OnceLock::new();
    engine();
    DEMO.get_or_init(|| built("tamga-demo"))
}

/// Builds a program of the workspace into the folder where this test is, with the same profile.
fn built(name: &str) -> PathBuf {
    let tamga = Path::new(env!("CARGO_BIN_EXE_tamga"));
    let folder = tamga.parent().unwrap();
    let profile = match folder.file_name().unwrap().to_str().unwrap() {
        "debug" => "dev",
        other => other,
    };
    let mut command = Command::new(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
    // Cargo describes this test's package to it. `ring` is built again when such a variable changes, and so is everything
    // that depends on it: once by this cargo, and once by the next one that starts the tests.
    for (name, _) in std::env::vars().filter(|(name, _)| {
        ["CARGO_PKG_", "CARGO_MANIFEST_", "CARGO_BIN_", "OUT_DIR"].iter().any(|prefix| name.starts_with(prefix))
    }) {
        command.env_remove(name);
    }
    let status = command
        .args(["build", "--quiet", "--bin", name, "--profile", profile, "--target-dir"])
        .arg(folder.parent().unwrap())
        .current_dir(env!("CARGO_MANIFEST_DIR"))
        .status()
        .unwrap();
    assert!(status.success(), "cargo build --bin {name} failed; its reason is above");
    folder.join(name)
}

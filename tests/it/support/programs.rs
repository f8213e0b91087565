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
    let status = Command::new(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()))
        .args(["build", "--quiet", "--bin", name, "--profile", profile, "--target-dir"])
        .arg(folder.parent().unwrap())
        .current_dir(env!("CARGO_MANIFEST_DIR"))
        .status()
        .unwrap();
    assert!(status.success(), "cargo build --bin {name} failed; its reason is above");
    folder.join(name)
}

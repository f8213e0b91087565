//! Fails if the snippet is not built: the collector serves it, so it is compiled in.
//!
//! The page for analysts is compiled in too. A debug build without it says so and answers 503 in its place, so that a person who
//! works on something else needs no Node.js for it. A release build fails.

use std::path::{Path, PathBuf};
use std::{env, fs};

fn main() {
    for name in ["tamga.js", "tamga-device.js", "tamga-extras.js", "tamga-ports.js", "tamga-check.js"] {
        let snippet = format!("collector-js/dist/{name}");
        println!("cargo::rerun-if-changed={snippet}");
        if !Path::new(&snippet).exists() {
            println!("cargo::error=The snippet {snippet} is not built. Run `make snippet` (it needs Node.js and npm).");
        }
    }
    let out = PathBuf::from(env::var_os("OUT_DIR").expect("cargo sets it")).join("stats-page");
    fs::create_dir_all(&out).expect("the folder of this build can be written");
    for file in ["index.html", "page.js", "page.css"] {
        let built = Path::new("stats-page/dist").join(file);
        println!("cargo::rerun-if-changed={}", built.display());
        let bytes = fs::read(&built).unwrap_or_default();
        if bytes.is_empty() {
            let level = if env::var("PROFILE").is_ok_and(|profile| profile == "release") { "error" } else { "warning" };
            println!("cargo::{level}=The page for analysts is not built. Run `make snippet`.");
        }
        fs::write(out.join(file), bytes).expect("the folder of this build can be written");
    }
}

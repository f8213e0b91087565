//! Writes `geo/*.mmdb` anew; see the README there.

use std::path::{Path, PathBuf};

#[path = "../geo/generate.rs"]
mod generate;

fn main() -> std::io::Result<()> {
    generate::files().into_iter().try_for_each(|(name, content)| std::fs::write(path(name), content))
}

fn path(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("geo").join(name)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_committed_files_are_what_the_generator_makes() {
        for (name, content) in generate::files() {
            let committed = std::fs::read(path(name)).expect("the fixture is committed");
            assert!(committed == content, "{name} differs: cargo run -p tamga-demo --example geo_fixtures");
        }
    }
}

//! Writes `tests/fixtures/geo/*.mmdb` anew; see the README there.

use std::path::Path;

#[path = "../tests/fixtures/geo/generate.rs"]
mod generate;

fn main() -> std::io::Result<()> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/geo");
    generate::files().into_iter().try_for_each(|(name, content)| std::fs::write(folder.join(name), content))
}

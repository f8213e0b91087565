//! Fails if the snippet is not built: the collector serves it, so it is compiled in.

fn main() {
    for snippet in
        ["collector-js/dist/tamga.js", "collector-js/dist/tamga-device.js", "collector-js/dist/tamga-check.js"]
    {
        println!("cargo::rerun-if-changed={snippet}");
        if !std::path::Path::new(snippet).exists() {
            println!("cargo::error=The snippet {snippet} is not built. Run `make snippet` (it needs Node.js and npm).");
        }
    }
}

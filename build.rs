//! Fails if the snippet is not built: the collector serves it, so it is compiled in.

fn main() {
    for name in ["tamga.js", "tamga-device.js", "tamga-extras.js", "tamga-check.js"] {
        let snippet = format!("collector-js/dist/{name}");
        println!("cargo::rerun-if-changed={snippet}");
        if !std::path::Path::new(&snippet).exists() {
            println!("cargo::error=The snippet {snippet} is not built. Run `make snippet` (it needs Node.js and npm).");
        }
    }
}

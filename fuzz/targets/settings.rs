//! A configuration: whatever it says, it is refused with a sentence for each line of the error, or its sites can be served.

use std::path::Path;

use tamga::collect::stages;
use tamga::config::Config;

/// The text of a file, then, behind a NUL each, variables of the environment.
pub(crate) fn run(data: &[u8]) {
    let Ok(text) = std::str::from_utf8(data) else { return };
    let mut parts = text.split('\0');
    let file = parts.next().unwrap_or_default();
    let variables = parts.filter_map(|variable| variable.split_once('=')).take(8);
    let variables = variables.map(|(name, value)| (format!("TAMGA__{name}"), value.to_owned()));
    match Config::parse(file, Path::new("tamga.toml"), variables) {
        Ok(config) => {
            for site in &config.sites {
                stages(site);
            }
            // What was normalised once is normal.
            assert!(config.sites.iter().all(|site| site.paths.iter().all(|path| path.starts_with('/'))));
        }
        Err(error) => assert!(!error.to_string().is_empty()),
    }
}

//! `tamga publish --dry-run`: where the vault is, and what its rows would show.

use std::path::PathBuf;

use anyhow::Result;

use super::reach::reach;
use crate::clock::Clock;
use crate::config::Config;
use crate::publish::{PublishedSite, preview};

/// What `tamga publish` is asked.
#[derive(clap::Args, Clone, Debug)]
pub struct DryRun {
    /// The configuration
    #[arg(long, value_name = "FILE", default_value = "tamga.toml", env = "TAMGA_CONFIG")]
    config: PathBuf,
    /// One site only, by its domain as configured
    #[arg(long, value_name = "DOMAIN")]
    site: Option<String>,
    /// Yes, only say it: publishing itself is done by `serve`
    #[arg(long, required = true)]
    dry_run: bool,
}

/// What each choice of `publish_every` would have made visible of yesterday.
pub async fn outlook(only: &DryRun) -> Result<String> {
    let config = Config::load(&only.config)?;
    let reached = reach(&config).await?;
    let now = Clock::machine().now();
    let mut said = String::new();
    let sites = PublishedSite::all(&config)?;
    let wanted = |known: &&PublishedSite| only.site.as_ref().is_none_or(|wanted| *wanted == known.domain);
    for site in sites.iter().filter(wanted) {
        let previews = preview::of_yesterday(&reached.stores.vault, site, now).await?;
        said += &format!("{}\n", preview::describe(&site.domain, &previews));
    }
    reached.release().await;
    anyhow::ensure!(!said.is_empty(), "the configuration has no [[site]] of that domain");
    Ok(said)
}

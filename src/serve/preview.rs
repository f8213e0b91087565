//! `tamga publish preview`: finds the vault and previews what its rows would show.

use std::path::PathBuf;

use anyhow::Result;

use super::reach::reach;
use crate::clock::Clock;
use crate::config::Config;
use crate::publish::{self, PublishedSite};

/// The options of `tamga publish preview`.
#[derive(clap::Args, Clone, Debug)]
pub struct PreviewOptions {
    /// The configuration; `tamga config example` prints the smallest useful one
    #[arg(long, value_name = "FILE", default_value = "tamga.toml", env = "TAMGA_CONFIG")]
    pub config: PathBuf,
    /// One site only, by its domain as configured
    #[arg(long, value_name = "DOMAIN")]
    site: Option<String>,
}

/// The share of yesterday's numbers that each choice of `publish_every` would show, as text.
pub async fn preview(config: &Config, options: &PreviewOptions) -> Result<String> {
    let reached = reach(config).await?;
    let now = Clock::kept_in(&config.data.dir).now();
    let mut said = String::new();
    let sites = PublishedSite::all(config)?;
    let wanted = |known: &&PublishedSite| options.site.as_ref().is_none_or(|wanted| *wanted == known.domain);
    for site in sites.iter().filter(wanted) {
        let previews = publish::preview::of_yesterday(&reached.stores.vault, site, now).await?;
        said += &format!("{}\n", publish::preview::describe(&site.domain, &previews));
    }
    reached.release().await;
    anyhow::ensure!(!said.is_empty(), "the configuration has no [[site]] of that domain");
    Ok(said)
}

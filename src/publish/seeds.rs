//! The seeds of windows: random numbers in the vault, from which the noise comes. They are deleted once their window is published.

use base64::Engine;
use serde::Deserialize;
use serde_json::json;

use super::error::PublishError;
use super::model::PublishedSite;
use super::publisher::Publisher;
use super::tables::{Count, Tables, ask};
use crate::secret::Secret;
use crate::window::Window;

pub(super) const SEED: &str = "SELECT toString(seed) AS seed FROM seeds WHERE site = {site:String} \
     AND window_start = toDateTime({start:UInt32}, 'UTC') ORDER BY created_at, seed LIMIT 1";
pub(super) const SEEDS_UNTIL: &str = "SELECT count() AS count FROM seeds WHERE site = {site:String} \
     AND window_start <= toDateTime({start:UInt32}, 'UTC')";
pub(super) const DELETE_SEEDS: &str = "ALTER TABLE seeds DELETE WHERE \
     toUnixTimestamp(window_start) <= transform(site, splitByChar(',', {sites:String}), {starts:Array(UInt32)}, toUInt32(0)) \
     SETTINGS mutations_sync = 1";

#[derive(Deserialize)]
struct Seed {
    seed: String,
}

impl<V: Tables, S: Tables> Publisher<V, S> {
    /// The window's random seed; it is created if there is none. If two processes create one at the same time, both use the older.
    pub(super) async fn seed(&self, site: &PublishedSite, window: &Window) -> Result<String, PublishError> {
        let start = window.start.as_second();
        let parameters = [("site", site.domain.clone()), ("start", start.to_string())];
        let read = async || -> Result<Option<String>, PublishError> {
            let seeds: Vec<Seed> = ask(&self.vault, "reading the window's seed", SEED, &parameters).await?;
            Ok(seeds.into_iter().next().map(|row| row.seed))
        };
        if let Some(seed) = read().await? {
            return Ok(seed);
        }
        // 24 random bytes are 32 characters of text, which fill the column and can be sent as JSON.
        let random = Secret::random();
        let row = json!({
            "site": site.domain,
            "window_start": start,
            "seed": base64::engine::general_purpose::URL_SAFE_NO_PAD.encode(&random.expose()[..24]),
            "created_at": self.clock.now().strftime("%Y-%m-%d %H:%M:%S%.3f").to_string(),
        });
        self.vault
            .insert_json("seeds", &["site", "window_start", "seed", "created_at"], &[row], None)
            .await
            .map_err(|source| PublishError::store("writing the window's seed", source))?;
        read().await?.ok_or_else(|| PublishError::NotKept { table: "seeds".to_owned() })
    }

    /// Deletes the seeds of the windows that were published, if they are so many. A failure is logged; it is none of the site whose window
    /// was the last.
    pub(super) async fn forget_if(&self, at_least: usize) {
        let waiting = self.of_sites().seeds.len();
        if waiting >= at_least
            && let Err(error) = self.forget().await
        {
            tracing::warn!(%error, "seeds of published windows are still there");
        }
    }

    /// Deletes the seeds of the windows that were published. If it fails, the sites are tidied anew.
    pub(super) async fn forget(&self) -> Result<(), PublishError> {
        let seeds = std::mem::take(&mut self.of_sites().seeds);
        if seeds.is_empty() {
            return Ok(());
        }
        // A name of a host has no comma.
        let sites = seeds.keys().map(String::as_str).collect::<Vec<_>>().join(",");
        let starts = format!("[{}]", seeds.values().map(i64::to_string).collect::<Vec<_>>().join(","));
        let deleted = self.vault.execute(DELETE_SEEDS, &[("sites", sites), ("starts", starts)]).await;
        if deleted.is_err() {
            let mut of_sites = self.of_sites();
            for site in seeds.keys() {
                of_sites.tidied.remove(site);
                of_sites.rests.remove(site);
            }
        }
        deleted.map_err(|source| PublishError::store("deleting the seeds of published windows", source))
    }

    /// Deletes what seeds a site has of windows up to one.
    pub(super) async fn forget_until(&self, site: &PublishedSite, start: i64) -> Result<(), PublishError> {
        let parameters = [("site", site.domain.clone()), ("start", start.to_string())];
        let seeds: Vec<Count> = ask(&self.vault, "counting seeds", SEEDS_UNTIL, &parameters).await?;
        // Where there is none, an engine would write a table anew for nothing.
        if seeds.iter().all(|row| row.count == 0) {
            return Ok(());
        }
        self.of_sites().seeds.insert(site.domain.clone(), start);
        self.forget().await
    }
}

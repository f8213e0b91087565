//! The keys that sign verdicts, in a running collector.

use std::sync::Arc;
use std::time::Duration;

use anyhow::Result;
use tokio_util::sync::CancellationToken;

use crate::clock::Clock;
use crate::collect::{Collector, Edge};
use crate::config::Config;
use crate::metrics::Metrics;
use crate::protect::{self, Keys};

/// How often new and old keys are looked for. Other nodes make keys days before their use.
const EVERY: Duration = Duration::from_secs(60);

/// The edge with the routes of account protection and the keys that sign there, if a site offers it.
pub(super) fn offer(
    edge: Edge,
    config: &Config,
    collector: Arc<Collector>,
    metrics: &Arc<Metrics>,
    clock: &Clock,
) -> Result<(Edge, Option<Arc<Keys>>)> {
    if config.sites.iter().all(|site| site.protect.is_none()) {
        return Ok((edge, None));
    }
    let keys = Arc::new(Keys::open(config.protect.folder(), &config.data.dir, clock.now())?);
    let routes = protect::router(config, collector, metrics.clone(), keys.clone());
    Ok((edge.beside_without_credentials(routes), Some(keys)))
}

/// Makes and removes keys as time goes on. What cannot be done now is tried again; the keys that are known go on signing.
pub(super) async fn rotate(keys: Arc<Keys>, clock: Clock, shutdown: CancellationToken) {
    let mut failing = false;
    loop {
        tokio::select! {
            () = shutdown.cancelled() => return,
            () = tokio::time::sleep(EVERY) => (),
        }
        // While clocks disagree no key is too old or new.
        let Some(now) = clock.now_to_destroy() else { continue };
        let keys = keys.clone();
        let refreshed = tokio::task::spawn_blocking(move || keys.refresh(now)).await;
        match &refreshed {
            Ok(Err(error)) if !failing => tracing::error!(%error, "the keys of verdicts are not renewed; trying again"),
            Ok(Ok(())) if failing => tracing::info!("the keys of verdicts are renewed again"),
            _ => {}
        }
        failing = !matches!(refreshed, Ok(Ok(())));
    }
}

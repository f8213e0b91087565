//! Starts the handing of day keys between nodes, and lets `/readyz`, the metrics and the log say which node is out of reach.

use std::sync::Arc;

use anyhow::{Context, Result};
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;

use super::state::State;
use crate::clock::Clock;
use crate::collect::{Collector, Erasure};
use crate::config::Config;
use crate::peers::{Keeper, NodeTrouble, Order};
use crate::privacy::keys::KeyRing;

/// What `/readyz` calls it.
const PART: &str = "the handing of day keys";

/// Answers the other nodes from now on, and returns when the keys of today are there; `None` without `[peers]`.
pub(super) async fn open(
    config: &Config,
    keys: Arc<KeyRing>,
    clock: Clock,
    cookie_tag: [u8; 8],
    shutdown: &CancellationToken,
) -> Result<Option<Keeper>> {
    let Some(settings) = &config.peers else { return Ok(None) };
    let mut keeper = Keeper::new(config, settings, keys, clock, cookie_tag).context("[peers]")?;
    let listen = settings.listen;
    let listener = TcpListener::bind(listen).await.with_context(|| format!("cannot listen at {listen} of [peers]"))?;
    tokio::spawn(keeper.answer(listener, shutdown.clone()));
    keeper.first().await;
    Ok(Some(keeper))
}

/// Asks the others until `shutdown`, and passes erasures on to them.
pub(super) async fn watch(keeper: Keeper, collector: Arc<Collector>, state: Arc<State>, shutdown: CancellationToken) {
    let other = collector.clone();
    let orders = keeper.orders(move |Order { site, day, id }| {
        let collector = other.clone();
        Box::pin(async move { collector.erase_too(Erasure { site, day, id }).await.is_ok() })
    });
    collector.pass_erasures_on(move |Erasure { site, day, id }| orders.pass(Order { site, day, id }));
    let report = |nodes: usize, troubles: Vec<NodeTrouble>| {
        for (name, count) in [("reachable", nodes - troubles.len()), ("away", troubles.len())] {
            state.metrics.peers.get_or_create(&[("state", name)]).set(count as i64);
        }
        let reasons: Vec<_> =
            troubles.iter().map(|NodeTrouble { node, why }| format!("the node {node} {why}")).collect();
        if reasons.is_empty() {
            state.is_there(PART);
        } else if state.is_missing(PART, reasons.join("; ")) {
            tracing::warn!("{}; its visitors may count twice while this lasts", reasons.join("; "));
        }
    };
    keeper.run(report, shutdown).await;
}

//! Starts the handing of day keys and marks between nodes, and lets `/readyz`, the metrics and the log say which node is out of reach.

use std::sync::Arc;

use anyhow::{Context, Result};
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;

use super::state::State;
use crate::clock::Clock;
use crate::collect::{Collector, Erasure};
use crate::config::Config;
use crate::peers::{Heard, Keeper, Marks, NodeTrouble, Order};
use crate::privacy::keys::KeyRing;
use crate::spool::Announce;

/// What `/readyz` calls it.
const PART: &str = "the handing of day keys";

/// What this node says of the beacons that it takes; `None` without `[peers]`.
pub(super) fn marks(config: &Config) -> Option<Arc<Marks>> {
    config.peers.as_ref().map(|peers| Arc::new(Marks::new(peers.nodes.len().saturating_sub(1))))
}

/// Lets the spool say it.
pub(super) struct Announced(pub(super) Arc<Marks>);

impl Announce for Announced {
    fn found(&self, hashes: &[u64]) {
        self.0.found(hashes);
    }

    fn writing(&self, hashes: &[u64]) {
        self.0.writing(hashes);
    }

    fn written(&self, is_durable: bool) {
        self.0.written(is_durable);
    }
}

/// Lets the collector hear which beacons the others take. Returns it when those that can be reached have said all.
pub(super) async fn hearing(
    collector: Arc<Collector>,
    keeper: Option<&Keeper>,
    shutdown: &CancellationToken,
) -> Arc<Collector> {
    let Some(keeper) = keeper else { return collector };
    let hearing = collector.clone();
    let ear = move |node: usize, heard: Heard<'_>| match heard {
        Heard::Kept(marks) => hearing.duplicates().kept_elsewhere(marks),
        Heard::Writing(marks) => hearing.duplicates().writing_elsewhere(node, marks),
        Heard::Written(is_durable) => hearing.duplicates().written_elsewhere(node, is_durable),
        Heard::InStep => hearing.duplicates().in_step(node),
        Heard::Lost => hearing.duplicates().lost(node),
    };
    keeper.hear(ear, shutdown).await;
    collector
}

/// Answers the other nodes from now on, and returns when the keys of today are there; `None` without `[peers]`.
pub(super) async fn open(
    config: &Config,
    keys: Arc<KeyRing>,
    clock: Clock,
    cookie_tag: [u8; 8],
    marks: Option<Arc<Marks>>,
    shutdown: &CancellationToken,
) -> Result<Option<Keeper>> {
    let Some((settings, marks)) = config.peers.as_ref().zip(marks) else { return Ok(None) };
    let mut keeper = Keeper::new(config, settings, keys, clock, cookie_tag, marks).context("[peers]")?;
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

//! What lies behind the spool: the stores on their servers or engines, their schema, the shipper and the publisher.
//!
//! Nothing here ends the process. A store that cannot be used, for whatever reason, is tried again for ever, with its
//! configuration's files read anew. Meanwhile the edge takes beacons into the spool, and readyz and the log say which
//! store it is and why. The vault does not wait for the stats store: rows reach it as soon as it is there itself.

use std::sync::Arc;
use std::time::Duration;

use anyhow::Result;
use serde_json::json;
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

use super::dead_letters::{self, note};
use super::reach::Stores;
use super::schema::bring_up_to_date;
use super::state::State;
use super::store_clock;
use super::verify::{Examiner, keep_examining};
use super::{late, node};
use crate::audit::Audit;
use crate::clock::Clock;
use crate::config::Config;
use crate::publish::{PublishedSite, Publisher, RetentionWorker};
use crate::spool;
use crate::store::{Backoff, EngineOptions, Limits, STATS, Shipper, Store, Supervisor, VAULT};

/// What lies behind the spool.
pub(super) struct Inner {
    pub(super) config: Config,
    pub(super) sites: Vec<PublishedSite>,
    pub(super) clock: Clock,
    pub(super) audit: Arc<Audit>,
    pub(super) state: Arc<State>,
    pub(super) shutdown: CancellationToken,
    /// Nothing is appended to the spool any more.
    pub(super) edge_closed: CancellationToken,
}

/// A store, and the news of its restarts.
type Opened = (Store, watch::Receiver<u64>);

impl Inner {
    /// Until it is time to stop.
    pub(super) async fn run(self, reader: spool::Reader) {
        self.state.metrics.operations.publishes.set(self.config.publish.enabled.into());
        let mut known = self.state.vault.subscribe();
        let delivering = async {
            if let Some((vault, generation)) = self.until_stopped(self.opened("vault", VAULT)).await {
                self.state.vault.send_replace(Some(vault.clone()));
                let watching = self.watch_clock("the clock of the vault's server", &vault, generation.clone());
                tokio::join!(watching, self.deliver(vault.clone(), generation.clone(), reader));
            }
        };
        let publishing = async {
            let vault = async { known.wait_for(Option::is_some).await.ok().and_then(|vault| vault.clone()) };
            let both = async { tokio::join!(vault, self.opened("stats", STATS)) };
            if let Some((Some(vault), (stats, generation))) = self.until_stopped(both).await {
                let watching = self.watch_clock("the clock of the stats server", &stats, generation);
                tokio::join!(watching, self.use_both(Stores { vault, stats: stats.clone() }));
            }
        };
        tokio::join!(delivering, publishing);
    }

    /// The outcome, unless the process is asked to stop before.
    async fn until_stopped<T>(&self, work: impl Future<Output = T>) -> Option<T> {
        tokio::select! {
            () = self.shutdown.cancelled() => None,
            outcome = work => Some(outcome),
        }
    }

    /// Tries again until it works. Each reason is logged once.
    async fn until_it_works<T, F>(&self, part: &'static str, mut attempt: impl FnMut() -> F) -> T
    where
        F: Future<Output = Result<T>>,
    {
        let mut backoff = Backoff::for_requests();
        loop {
            match attempt().await {
                Ok(outcome) => {
                    self.state.is_there(part);
                    return outcome;
                }
                Err(error) => {
                    if self.state.is_missing(part, format!("{error:#}")) {
                        tracing::warn!("{part}: {error:#}; it is tried again, and rows wait in the spool");
                        // A new reason: somebody repairs something.
                        backoff.reset();
                    }
                }
            }
            tokio::time::sleep(backoff.step()).await;
        }
    }

    /// A store with its schema up to date.
    async fn opened(&self, name: &'static str, database: &str) -> Opened {
        self.until_it_works(name, || self.open_and_migrate(name, database)).await
    }

    async fn open_and_migrate(&self, name: &'static str, database: &str) -> Result<Opened> {
        let (store, generation) = self.open(name, database).await?;
        let applied = bring_up_to_date(&store, &self.config, &self.clock).await?;
        if applied > 0 {
            self.audit.note("migrate", &json!({ "database": database, "statements": applied }));
        }
        Ok((store, generation))
    }

    /// Compares a server's clock with the node's, or lets an engine delete while the clock is believed.
    async fn watch_clock(&self, whose: &'static str, store: &Store, generation: watch::Receiver<u64>) {
        let server = if store.database() == VAULT { self.config.vault.server() } else { self.config.stats.clone() };
        if server.is_some() {
            store_clock::compare(store, whose, &self.clock, &self.shutdown).await;
        } else {
            store_clock::permit_deletions(store, generation, &self.clock, &self.shutdown).await;
        }
    }

    /// Moves rows from the spool to the vault.
    async fn deliver(&self, vault: Store, generation: watch::Receiver<u64>, reader: spool::Reader) {
        let node = node::name(&self.config);
        let dead_letters = dead_letters::refused(&self.config, reader.keys());
        let shipper =
            Shipper::new(vault, &node, self.clock.clone(), dead_letters, generation, self.edge_closed.clone());
        let (audit, erasures) = (self.audit.clone(), self.audit.clone());
        let shipper = shipper
            .on_replay(move |command, name, outcomes| note(&audit, command, name, outcomes))
            .on_erasures(move |orders, rows| erasures.note("erase", &json!({ "orders": orders, "rows": rows })));
        self.state.set_shipped(shipper.status());
        shipper.run(reader).await;
    }

    /// What needs both stores.
    async fn use_both(&self, stores: Stores) {
        self.state.stores.send_replace(Some(stores.clone()));
        tracing::info!("the stores are ready");
        let publishing = async {
            if self.config.publish.enabled {
                self.publish(&stores).await;
            }
        };
        let examiner = Examiner {
            config: &self.config,
            clock: &self.clock,
            audit: &self.audit,
            metrics: &self.state.metrics,
            shutdown: &self.shutdown,
        };
        tokio::join!(publishing, keep_examining(examiner, &stores));
    }

    async fn publish(&self, Stores { vault, stats }: &Stores) {
        let node_timeout = Duration::from_secs(self.config.publish.node_timeout_s.into());
        let (data, node) = (&self.config.data.dir, node::name(&self.config));
        let new = || {
            let (vault, stats, sites) = (vault.clone(), stats.clone(), self.sites.clone());
            let made = Publisher::new(vault, stats, self.clock.clone(), sites, data, &node, node_timeout);
            std::future::ready(made.map_err(Into::into))
        };
        let Some(publisher) = self.until_stopped(self.until_it_works("publisher", new)).await else { return };
        let (state, audit, clock) = (self.state.clone(), self.audit.clone(), self.clock.clone());
        let publisher = publisher.on_publication(move |site, window, declared| {
            state.metrics.windows_published.inc();
            state.metrics.operations.window_published.set(clock.now().as_second());
            let (start, end) = (window.start.to_string(), window.end.to_string());
            audit.note("publish", &json!({ "site": site, "start": start, "end": end, "declared": declared }));
        });
        let state = self.state.clone();
        let publisher = publisher.on_nodes(move |nodes| state.hear(nodes));
        let (clock, retention) = (self.clock.clone(), self.config.retention);
        let retention_worker = RetentionWorker::new(vault.clone(), stats.clone(), clock, self.sites.clone(), retention);
        let watching = self.until_stopped(late::watch(stats, &self.sites, &self.state.unpublished));
        // In parallel: retention works on time, also while a large window is counted.
        let retaining = retention_worker.run(self.shutdown.cancelled());
        tokio::join!(publisher.run(self.shutdown.cancelled()), retaining, watching);
    }

    /// A store on its configured server, or on an embedded engine that runs or is started for it.
    async fn open(&self, name: &'static str, database: &str) -> Result<Opened> {
        let (server, options) = match name {
            "vault" => (self.config.vault.server(), EngineOptions::vault(&self.config)),
            _ => (self.config.stats.clone(), EngineOptions::stats(&self.config)),
        };
        if let Some(server) = server {
            return Ok((Store::on_server(&server, database, Limits::default())?, watch::channel(0).1));
        }
        // With a clock that is ahead, an engine would delete all rows whose time to live is over by that clock.
        if self.state.engine(name).is_none() && self.clock.now_to_destroy().is_none() {
            anyhow::bail!("its engine is not started while the machine's clock is disputed");
        }
        let engine = match self.state.engine(name) {
            Some(engine) => engine,
            None => {
                let engine = Arc::new(Supervisor::start(options)?);
                self.state.add_engine(name, engine.clone());
                engine
            }
        };
        let store = match engine.store(database, Limits::default()).await {
            Ok(store) => store,
            Err(error) => {
                // It has given up; the next attempt starts another.
                self.state.remove_engine(name);
                return Err(error.into());
            }
        };
        Ok((store, engine.generation()))
    }
}

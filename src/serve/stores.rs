//! What lies behind the spool: the stores on their servers or engines, their schema, the shipper and the publisher.

use std::sync::Arc;
use std::time::Duration;

use anyhow::Result;
use serde_json::json;
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

use super::dead_letters::note;
use super::reach::Stores;
use super::schema::bring_up_to_date;
use super::state::State;
use super::verify::{Examiner, keep_examining};
use crate::audit::Audit;
use crate::clock::Clock;
use crate::config::Config;
use crate::publish::{PublishedSite, Publisher, RetentionWorker};
use crate::spool;
use crate::store::{Class, EngineOptions, Limits, MigrateError, STATS, Shipper, Store, Supervisor, VAULT};

/// How long a server that is away is left alone before migrations are tried again.
const MIGRATE_EVERY: Duration = Duration::from_secs(5);

/// What lies behind the spool.
pub(super) struct Inner {
    pub(super) config: Config,
    pub(super) clock: Clock,
    pub(super) audit: Arc<Audit>,
    pub(super) state: Arc<State>,
    pub(super) shutdown: CancellationToken,
    /// Nothing is appended to the spool any more.
    pub(super) edge_closed: CancellationToken,
}

impl Inner {
    /// Until it is time to stop, or it cannot go on.
    pub(super) async fn run(self, reader: spool::Reader) -> Result<()> {
        let (vault, stats, generation) = tokio::select! {
            () = self.shutdown.cancelled() => return Ok(()),
            ready = self.ready() => ready?,
        };
        self.work(vault, stats, generation, reader).await
    }

    /// Both stores, their schema current, and the news of the vault's restarts.
    async fn ready(&self) -> Result<(Store, Store, watch::Receiver<u64>)> {
        let (vault, generation) = self.open("vault", VAULT).await?;
        let (stats, _) = self.open("stats", STATS).await?;
        self.migrate(&vault).await?;
        self.migrate(&stats).await?;
        Ok((vault, stats, generation))
    }

    async fn work(
        &self,
        vault: Store,
        stats: Store,
        generation: watch::Receiver<u64>,
        reader: spool::Reader,
    ) -> Result<()> {
        let node = self.config.server.node.clone().unwrap_or_else(host_name);
        let dead_letters = self.config.data.dir.join("dead-letters");
        let shipper =
            Shipper::new(vault.clone(), &node, self.clock.clone(), &dead_letters, generation, self.edge_closed.clone());
        let (audit, erasures) = (self.audit.clone(), self.audit.clone());
        let shipper = shipper
            .on_replay(move |command, name, outcomes| note(&audit, command, name, outcomes))
            .on_erasures(move |orders, rows| erasures.note("erase", &json!({ "orders": orders, "rows": rows })));
        self.state.set_shipped(shipper.status());
        let vault_and_stats = Stores { vault: vault.clone(), stats: stats.clone() };
        self.state.stores.send_replace(Some(vault_and_stats.clone()));
        tracing::info!("the stores are ready");
        let publishing = async {
            if self.config.publish.enabled {
                self.publish(vault, stats).await?;
            }
            Ok(())
        };
        let examining = keep_examining(
            Examiner {
                config: &self.config,
                clock: &self.clock,
                audit: &self.audit,
                metrics: &self.state.metrics,
                shutdown: &self.shutdown,
            },
            &vault_and_stats,
        );
        let ((), published, ()) = tokio::join!(shipper.run(reader), publishing, examining);
        published
    }

    async fn publish(&self, vault: Store, stats: Store) -> Result<()> {
        let sites = PublishedSite::all(&self.config)?;
        let node_timeout = Duration::from_secs(self.config.publish.node_timeout_s.into());
        let data = &self.config.data.dir;
        let (state, audit) = (self.state.clone(), self.audit.clone());
        let (clock, retention) = (self.clock.clone(), self.config.retention);
        let retention_worker = RetentionWorker::new(vault.clone(), stats.clone(), clock, sites.clone(), retention);
        let publisher = Publisher::new(vault, stats, self.clock.clone(), sites, data, node_timeout)?.on_publication(
            move |site, window| {
                state.metrics.windows_published.inc();
                let (start, end) = (window.start.to_string(), window.end.to_string());
                audit.note("publish", &json!({ "site": site, "start": start, "end": end }));
            },
        );
        // Beside each other: what is due goes on time, also while a large window is counted.
        tokio::join!(publisher.run(self.shutdown.cancelled()), retention_worker.run(self.shutdown.cancelled()));
        Ok(())
    }

    /// A store on its configured server, or on an embedded engine that is started for it.
    async fn open(&self, name: &'static str, database: &str) -> Result<(Store, watch::Receiver<u64>)> {
        let (server, options) = match name {
            "vault" => (&self.config.vault, EngineOptions::vault(&self.config)),
            _ => (&self.config.stats, EngineOptions::stats(&self.config)),
        };
        if let Some(server) = server {
            return Ok((Store::on_server(server, database, Limits::default())?, watch::channel(0).1));
        }
        let engine = Arc::new(Supervisor::start(options)?);
        self.state.add_engine(name, engine.clone());
        engine.ready().await?;
        Ok((engine.store(database, Limits::default()).await?, engine.generation()))
    }

    /// Brings a store's schema up to date; waits for a server that is away.
    async fn migrate(&self, store: &Store) -> Result<()> {
        loop {
            match bring_up_to_date(store, &self.config, &self.clock).await {
                Ok(0) => return Ok(()),
                Ok(applied) => {
                    self.audit.note("migrate", &json!({ "database": store.database(), "statements": applied }));
                    return Ok(());
                }
                Err(error) if is_passing(&error) => {
                    tracing::warn!(%error, "cannot migrate yet; trying again");
                    tokio::time::sleep(MIGRATE_EVERY).await;
                }
                Err(error) => return Err(error.into()),
            }
        }
    }
}

/// Whether a store may answer another time.
fn is_passing(error: &MigrateError) -> bool {
    match error {
        MigrateError::Store(error) | MigrateError::Statement { source: error, .. } => error.class == Class::Transient,
        MigrateError::Newer { .. } | MigrateError::Drift { .. } => false,
    }
}

fn host_name() -> String {
    rustix::system::uname().nodename().to_string_lossy().into_owned()
}

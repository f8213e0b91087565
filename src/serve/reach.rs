//! The stores for a verb: on their servers, on the engines of a collector that runs, or on engines started for it.

use anyhow::{Context, Result};

use crate::config::Config;
use crate::spool::{self, Idle};
use crate::store::{EngineOptions, Limits, STATS, Store, Supervisor, VAULT};

/// The two stores.
#[derive(Clone)]
pub struct Stores {
    /// The vault.
    pub vault: Store,
    /// The stats store.
    pub stats: Store,
}

/// The stores, as long as this lives; end it with [`Reached::release`].
pub(super) struct Reached {
    pub(super) stores: Stores,
    started: Vec<Supervisor>,
    /// Nobody else starts these engines meanwhile.
    _held: Option<Idle>,
}

/// Reaches both stores.
pub(super) async fn reach(config: &Config) -> Result<Reached> {
    let dir = config.data.dir.join("spool");
    let embedded = config.vault.url.is_none() || config.stats.is_none();
    let held = if embedded {
        spool::hold(&dir, &spool::Disk).with_context(|| format!("cannot look at the spool {}", dir.display()))?
    } else {
        None
    };
    let mut started = Vec::new();
    let mut stores = Vec::new();
    for (server, database) in [(&config.vault.server(), VAULT), (&config.stats, STATS)] {
        let options = if database == VAULT { EngineOptions::vault(config) } else { EngineOptions::stats(config) };
        stores.push(match (server, &held) {
            (Some(server), _) => Store::on_server(server, database, Limits::default())?,
            (None, None) => options.running(database, Limits::default())?,
            (None, Some(_)) => {
                let engine = Supervisor::start(options)?;
                engine.ready().await?;
                let store = engine.store(database, Limits::default()).await?;
                started.push(engine);
                store
            }
        });
    }
    let stats = stores.pop().context("two stores")?;
    let vault = stores.pop().context("two stores")?;
    Ok(Reached { stores: Stores { vault, stats }, started, _held: held })
}

impl Reached {
    /// Stops what was started.
    pub(super) async fn release(self) {
        for engine in self.started {
            engine.stop().await;
        }
    }
}

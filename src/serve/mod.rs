//! The running product: everything that `tamga serve` and `tamga demo` start, watch and stop, in order.
//!
//! Beacons are taken as soon as the spool is open, before the engines are up; what arrives meanwhile waits there. An engine
//! that never starts ends the process with its sentence; one that dies later is started again. Stopping goes from the edge
//! inwards: no new requests, those under way answered, the spool closed, the engines told to end. Nothing depends on that
//! order for safety: whatever was acknowledged is on the disk.

pub mod dead_letters;
mod state;
mod stores;

use std::collections::HashMap;
use std::fs::DirBuilder;
use std::net::SocketAddr;
use std::os::unix::fs::DirBuilderExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, Result};
use jiff::tz::TimeZone;
use serde_json::json;
use tokio::net::TcpListener;
use tokio::task::JoinHandle;

use crate::audit::Audit;
use crate::clock::Clock;
use crate::collect::{self, Collector, Parts, server};
use crate::config::Config;
use crate::enrich::{GeoIp, Lookups};
use crate::metrics::Metrics;
use crate::privacy::cookie::CookieSeal;
use crate::privacy::keys::{KeyRing, lasting_key};
use crate::shutdown::{self, Shutdown, Trigger};
use crate::{admin, record, spool};

pub use stores::{Stores, migrate};

use state::State;
use stores::Inner;

/// How often dead keys are looked for, in real time.
const KEYS_EVERY: Duration = Duration::from_millis(500);

/// A collector that runs.
pub struct Running {
    /// Where browsers reach it.
    pub address: SocketAddr,
    /// Where operations reach it.
    pub admin_address: SocketAddr,
    state: Arc<State>,
    audit: Arc<Audit>,
    trigger: Trigger,
    shutdown: Shutdown,
    edge: Vec<JoinHandle<()>>,
    /// Gone once its end has been told.
    inner: Option<JoinHandle<Result<()>>>,
}

/// Puts something before or beside the public routes; the demo its shop.
pub type Dress = Box<dyn FnOnce(server::BoxedService, SocketAddr) -> server::BoxedService + Send>;

/// Starts everything. Returns once beacons are taken.
pub async fn start(config: Config, clock: Clock, dress: Option<Dress>) -> Result<Running> {
    forbid_core_dumps()?;
    let data = config.data.dir.clone();
    DirBuilder::new()
        .recursive(true)
        .mode(0o700)
        .create(&data)
        .with_context(|| format!("cannot make the data folder {}; name another in [data] dir", data.display()))?;
    let audit_path = data.join("audit.jsonl");
    let audit = Audit::open(&audit_path, clock.clone())
        .with_context(|| format!("cannot open the audit log {}", audit_path.display()))?;
    let audit = Arc::new(audit);
    let listener = listen(config.server.listen, "[server] listen").await?;
    let admin_listener = listen(config.server.admin_listen, "[server] admin_listen").await?;
    let (address, admin_address) = (listener.local_addr()?, admin_listener.local_addr()?);

    let geo = GeoIp::open(&config.geo.place, &config.geo.provider)?;
    let keys = Arc::new(KeyRing::open(&keys_dir(&config))?);
    let seal = CookieSeal::new(&cookie_key(&config)?);
    let metrics = Arc::new(Metrics::default());
    let quota = config.data.spool_quota_mib << 20;
    let options = spool::Options::new(quota, record::SCHEMA_VERSION);
    let (writer, reader, recovery) = spool::open(&data.join("spool"), options, Arc::new(spool::Disk))?;
    metrics.spool_quota_bytes.set(quota as i64);
    tracing::info!(pending_frames = recovery.pending_frames, segments = recovery.segments, "opened the spool");

    let parts = Parts {
        lookups: Lookups::new(geo),
        seal,
        keys: keys.clone(),
        spool: writer.clone(),
        metrics: metrics.clone(),
        clock: clock.clone(),
    };
    let router = collect::router(Collector::new(&config, parts));
    audit.record("start", &json!({ "version": env!("CARGO_PKG_VERSION"), "sites": config.sites.len() }))?;

    let (trigger, shutdown) = shutdown::channel();
    let state = State::new(metrics, writer);
    let limits = server::Limits::from_config(&config.server);
    let public = match dress {
        Some(dress) => {
            let service = dress(server::boxed(router), address);
            tokio::spawn(server::serve(listener, service, limits, shutdown.clone()))
        }
        None => tokio::spawn(server::serve(listener, router, limits, shutdown.clone())),
    };
    let edge = vec![
        public,
        tokio::spawn(server::serve(admin_listener, admin::router(state.clone()), limits, shutdown.clone())),
        tokio::spawn(destroy_keys(
            keys,
            &config,
            clock.clone(),
            state.metrics.clone(),
            audit.clone(),
            shutdown.clone(),
        )),
    ];
    let inner = Inner { config, clock, audit: audit.clone(), state: state.clone(), shutdown: shutdown.clone() };
    let inner = tokio::spawn(inner.run(reader));
    tracing::info!(%address, %admin_address, "taking beacons");
    Ok(Running { address, admin_address, state, audit, trigger, shutdown, edge, inner: Some(inner) })
}

// === impl Running ===

impl Running {
    /// Waits until the stores answer and their schema is current; an error says why they never will.
    pub async fn stores(&mut self) -> Result<Stores> {
        let mut stores = self.state.stores.subscribe();
        let inner = self.inner.as_mut().context("it has ended")?;
        let ended = tokio::select! {
            ready = stores.wait_for(Option::is_some) => {
                return ready.ok().and_then(|stores| stores.clone()).context("the stores are gone");
            }
            ended = inner => ended,
        };
        self.inner = None;
        Err(ended?.err().unwrap_or_else(|| anyhow::anyhow!("it was stopped")))
    }

    /// Lets signals stop it.
    pub fn stop_on_signals(&self) -> Result<()> {
        Ok(shutdown::on_signals(self.trigger.clone())?)
    }

    /// Resolves when it is asked to stop.
    pub async fn stopping(&self) {
        self.shutdown.requested().await;
    }

    /// Runs until it is stopped or cannot go on, then stops the rest.
    pub async fn wait(self) -> Result<()> {
        let outcome = match self.inner {
            Some(inner) => inner.await?,
            None => Ok(()),
        };
        self.trigger.stop();
        for task in self.edge {
            task.await?;
        }
        let writer = self.state.spool.clone();
        tokio::task::spawn_blocking(move || writer.close()).await?;
        for (_, engine) in self.state.take_engines().into_iter().rev() {
            // One that operations are looking at just now is killed instead, which it survives as well.
            if let Some(engine) = Arc::into_inner(engine) {
                engine.stop().await;
            }
        }
        self.audit.note("stop", &json!({}));
        outcome
    }

    /// Stops in order.
    pub async fn stop(self) -> Result<()> {
        self.trigger.stop();
        self.wait().await
    }
}

/// Destroys keys when their day is over.
fn destroy_keys(
    keys: Arc<KeyRing>,
    config: &Config,
    clock: Clock,
    metrics: Arc<Metrics>,
    audit: Arc<Audit>,
    shutdown: Shutdown,
) -> impl Future<Output = ()> + use<> {
    let zones: HashMap<Arc<str>, TimeZone> = config
        .sites
        .iter()
        .filter_map(|site| Some((site.domain.as_str().into(), TimeZone::get(&site.time_zone).ok()?)))
        .collect();
    async move {
        loop {
            match keys.destroy_dead(clock.now(), &zones) {
                Ok(gone) => {
                    for (site, day) in gone {
                        metrics.keys_destroyed.inc();
                        audit.note("destroy key", &json!({ "site": site, "day": day.to_string() }));
                    }
                }
                Err(error) => tracing::error!(%error, "cannot destroy dead keys; trying again"),
            }
            tokio::select! {
                () = shutdown.requested() => return,
                () = tokio::time::sleep(KEYS_EVERY) => (),
            }
        }
    }
}

async fn listen(address: SocketAddr, setting: &str) -> Result<TcpListener> {
    TcpListener::bind(address).await.with_context(|| {
        format!("cannot listen on {address}; is another program there? Stop it, or give another address in {setting}")
    })
}

fn cookie_key(config: &Config) -> Result<crate::secret::Secret> {
    let path = config.cookie.key_file.clone().unwrap_or_else(|| PathBuf::from("cookie.key"));
    lasting_key(&path).with_context(|| {
        format!("cannot read or make the cookie key {}; name another in [cookie] key_file", path.display())
    })
}

/// `[keys] dir`, or `tamga/keys` on the first of the usual memory-backed folders.
pub fn keys_dir(config: &Config) -> PathBuf {
    if let Some(dir) = &config.keys.dir {
        return dir.clone();
    }
    let runtime = ["RUNTIME_DIRECTORY", "XDG_RUNTIME_DIR"].iter().find_map(std::env::var_os).map(PathBuf::from);
    match runtime {
        Some(dir) => dir.join("tamga/keys"),
        None => Path::new("/dev/shm").join(format!("tamga-{}", rustix::process::getuid().as_raw())).join("keys"),
    }
}

/// Memory holds keys and visitors' data: it must not be written out when the process crashes.
fn forbid_core_dumps() -> Result<()> {
    use rustix::process::{Resource, Rlimit, setrlimit};
    let none = Rlimit { current: Some(0), maximum: Some(0) };
    setrlimit(Resource::Core, none).context("cannot forbid core dumps, in which keys would be written to a disk")
}

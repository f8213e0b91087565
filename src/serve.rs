//! The running product: everything that `tamga serve` and `tamga demo` start, watch and stop, in order.
//!
//! Beacons are taken as soon as the spool is open, before the engines are up; what arrives meanwhile waits there. An engine
//! that never starts ends the process with its sentence; one that dies later is started again. Stopping goes from the edge
//! inwards: no new requests, those under way answered, the spool closed, the engines told to end. Nothing depends on that
//! order for safety: whatever was acknowledged is on the disk.

use std::collections::HashMap;
use std::fs::DirBuilder;
use std::net::SocketAddr;
use std::os::unix::fs::DirBuilderExt;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use anyhow::{Context, Result};
use jiff::tz::TimeZone;
use serde_json::json;
use tokio::net::TcpListener;
use tokio::sync::watch;
use tokio::task::JoinHandle;

use crate::audit::Audit;
use crate::clock::Clock;
use crate::collect::{self, Collector, Parts, server};
use crate::config::Config;
use crate::enrich::{GeoIp, Lookups};
use crate::metrics::Metrics;
use crate::privacy::cookie::CookieSeal;
use crate::privacy::keys::{KeyRing, lasting_key};
use crate::publish::{PublishedSite, Publisher};
use crate::shutdown::{self, Shutdown, Trigger};
use crate::store::{
    self, Class, EngineOptions, Limits, MigrateError, STATS, ShipStatus, Shipper, Store, Supervisor, VAULT,
};
use crate::{admin, record, spool};

/// How often dead keys are looked for, in real time.
const KEYS_EVERY: Duration = Duration::from_millis(500);
/// How long a server that is away is left alone before migrations are tried again.
const MIGRATE_EVERY: Duration = Duration::from_secs(5);

/// A collector that runs.
pub struct Running {
    /// Where browsers reach it.
    pub address: SocketAddr,
    /// Where operations reach it.
    pub admin_address: SocketAddr,
    state: Arc<State>,
    trigger: Trigger,
    shutdown: Shutdown,
    edge: Vec<JoinHandle<()>>,
    /// Gone once its end has been told.
    inner: Option<JoinHandle<Result<()>>>,
}

/// What the operations' listener is told from.
struct State {
    metrics: Arc<Metrics>,
    spool: spool::Writer,
    stores: watch::Sender<Option<Stores>>,
    shipped: Mutex<Option<Arc<ShipStatus>>>,
    engines: Mutex<Vec<(&'static str, Arc<Supervisor>)>>,
}

/// The two stores, once they answer and their schema is current.
#[derive(Clone)]
pub struct Stores {
    /// The vault.
    pub vault: Store,
    /// The stats store.
    pub stats: Store,
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
    let state = Arc::new(State {
        metrics,
        spool: writer,
        stores: watch::Sender::new(None),
        shipped: Mutex::default(),
        engines: Mutex::default(),
    });
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
    let inner = Inner { config, clock, audit, state: state.clone(), shutdown: shutdown.clone() };
    let inner = tokio::spawn(inner.run(reader));
    tracing::info!(%address, %admin_address, "taking beacons");
    Ok(Running { address, admin_address, state, trigger, shutdown, edge, inner: Some(inner) })
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
        outcome
    }

    /// Stops in order.
    pub async fn stop(self) -> Result<()> {
        self.trigger.stop();
        self.wait().await
    }
}

// === impl State ===

impl State {
    fn engines(&self) -> Vec<(&'static str, Arc<Supervisor>)> {
        self.engines.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    fn shipped(&self) -> Option<Arc<ShipStatus>> {
        self.shipped.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

impl admin::Watch for State {
    fn not_ready(&self) -> Vec<String> {
        let usage = self.spool.usage();
        let mut reasons = Vec::new();
        match usage.health {
            spool::Health::Healthy => (),
            spool::Health::DiskFull => reasons.push("the spool's disk is full; free some room".to_owned()),
            spool::Health::Broken(how) => reasons.push(format!("the spool's disk fails: {how}")),
        }
        if !self.spool.has_room(collect::BODY_MAX) {
            reasons.push("the spool is at its quota; bring the vault back, or raise [data] spool_quota_mib".to_owned());
        }
        reasons
    }

    fn warnings(&self) -> Vec<String> {
        let mut warnings: Vec<_> = self.engines().iter().filter_map(|(_, engine)| engine.trouble()).collect();
        if self.stores.borrow().is_none() {
            warnings.push("the stores are not there yet; rows wait in the spool".to_owned());
        }
        if let Some(trouble) = self.shipped().and_then(|status| status.trouble()) {
            let since = trouble.since.elapsed().as_secs();
            warnings.push(format!("rows wait in the spool for {since} s: {}", trouble.message));
        }
        warnings
    }

    fn metrics(&self) -> &Metrics {
        let usage = self.spool.usage();
        self.metrics.spool_bytes.set(usage.bytes as i64);
        for (name, engine) in self.engines() {
            self.metrics.set_engine_restarts(name, engine.restarts());
        }
        if let Some(status) = self.shipped() {
            let counts = &status.counts;
            for (state, rows) in [
                ("stored", &counts.stored),
                ("expired", &counts.expired),
                ("dead_lettered", &counts.dead_lettered),
                ("lost", &counts.lost),
            ] {
                self.metrics.set_rows(state, rows.load(std::sync::atomic::Ordering::Relaxed));
            }
        }
        &self.metrics
    }
}

/// What lies behind the spool.
struct Inner {
    config: Config,
    clock: Clock,
    audit: Arc<Audit>,
    state: Arc<State>,
    shutdown: Shutdown,
}

impl Inner {
    async fn run(self, reader: spool::Reader) -> Result<()> {
        let outcome = tokio::select! {
            () = self.shutdown.requested() => Ok(()),
            outcome = self.work(reader) => outcome,
        };
        let writer = self.state.spool.clone();
        tokio::task::spawn_blocking(move || writer.close()).await?;
        let engines = std::mem::take(&mut *self.state.engines.lock().unwrap_or_else(PoisonError::into_inner));
        for (_, engine) in engines.into_iter().rev() {
            // When operations are looking at it just now, it is killed instead, which it survives as well.
            if let Some(engine) = Arc::into_inner(engine) {
                engine.stop().await;
            }
        }
        self.audit.note("stop", &json!({}));
        outcome
    }

    async fn work(&self, reader: spool::Reader) -> Result<()> {
        let (vault, generation) = self.open("vault", VAULT).await?;
        let (stats, _) = self.open("stats", STATS).await?;
        self.migrate(&vault).await?;
        self.migrate(&stats).await?;
        let node = self.config.server.node.clone().unwrap_or_else(host_name);
        let dead_letters = self.config.data.dir.join("dead-letters");
        let shipper =
            Shipper::new(vault.clone(), &node, self.clock.clone(), &dead_letters, generation, self.shutdown.watch());
        *self.state.shipped.lock().unwrap_or_else(PoisonError::into_inner) = Some(shipper.status());
        self.state.stores.send_replace(Some(Stores { vault: vault.clone(), stats: stats.clone() }));
        tracing::info!("the stores are ready");
        let publishing = async {
            if self.config.publish.enabled {
                self.publish(vault, stats).await?;
            }
            Ok(())
        };
        let ((), published) = tokio::join!(shipper.run(reader), publishing);
        published
    }

    async fn publish(&self, vault: Store, stats: Store) -> Result<()> {
        let sites = PublishedSite::all(&self.config)?;
        let leave_behind_after = Duration::from_secs(self.config.publish.leave_behind_after_s.into());
        let data = &self.config.data.dir;
        let (state, audit) = (self.state.clone(), self.audit.clone());
        Publisher::new(vault, stats, self.clock.clone(), sites, data, leave_behind_after)?
            .telling(move |site, window| {
                state.metrics.windows_published.inc();
                let (start, end) = (window.start.to_string(), window.end.to_string());
                audit.note("publish", &json!({ "site": site, "start": start, "end": end }));
            })
            .run(self.shutdown.requested())
            .await;
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
        self.state.engines.lock().unwrap_or_else(PoisonError::into_inner).push((name, engine.clone()));
        engine.ready().await?;
        Ok((engine.store(database, Limits::default()).await?, engine.generation()))
    }

    /// Brings a store's schema up to date; waits for a server that is away.
    async fn migrate(&self, store: &Store) -> Result<()> {
        loop {
            match store::apply(store, store::migrations_of(store), &self.clock).await {
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
        MigrateError::Store(error) | MigrateError::Statement { source: error, .. } => error.class == Class::Theirs,
        MigrateError::Newer { .. } | MigrateError::Drift { .. } => false,
    }
}

/// `tamga migrate`: brings both schemas up to date and says what was done, a line each.
pub async fn migrate(config: &Config) -> Result<String> {
    let clock = Clock::machine();
    std::fs::create_dir_all(&config.data.dir)?;
    let audit = Audit::open(&config.data.dir.join("audit.jsonl"), clock.clone())?;
    let mut said = String::new();
    for (name, database) in [("vault", VAULT), ("stats", STATS)] {
        let server = if name == "vault" { &config.vault } else { &config.stats };
        let mut engine = None;
        let store = match server {
            Some(server) => Store::on_server(server, database, Limits::default())?,
            None => {
                let options = if name == "vault" { EngineOptions::vault(config) } else { EngineOptions::stats(config) };
                let started = Supervisor::start(options)?;
                started.ready().await?;
                engine.insert(started).store(database, Limits::default()).await?
            }
        };
        let statements = store::apply(&store, store::migrations_of(&store), &clock).await?;
        audit.record("migrate", &json!({ "database": database, "statements": statements }))?;
        said.push_str(&match statements {
            0 => format!("{database} is up to date.\n"),
            count => format!("{database}: {count} statements applied.\n"),
        });
        if let Some(engine) = engine {
            engine.stop().await;
        }
    }
    Ok(said)
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

fn host_name() -> String {
    rustix::system::uname().nodename().to_string_lossy().into_owned()
}

/// Memory holds keys and visitors' data: it must not be written out when the process crashes.
fn forbid_core_dumps() -> Result<()> {
    use rustix::process::{Resource, Rlimit, setrlimit};
    let none = Rlimit { current: Some(0), maximum: Some(0) };
    setrlimit(Resource::Core, none).context("cannot forbid core dumps, in which keys would be written to a disk")
}

//! The running product: everything that `tamga serve` starts, watches and stops, in order.
//!
//! Beacons are accepted as soon as the spool is open, before the engines are up; their rows wait in the spool. Only what
//! the edge itself needs can end the process at its start: the configuration, the spool, the keys, the listeners. All
//! that is behind the spool is tried again for ever ([`stores`]). Stopping goes from the edge inwards: new requests are
//! refused, open requests are answered, the spool is drained for a few seconds and closed, the engines are stopped. Safety
//! does not depend on that order: all that was acknowledged is on the disk.

pub mod analysts;
pub mod audit;
pub mod break_glass;
pub mod check;
pub mod clock;
pub mod dead_letters;
mod descriptors;
mod figures;
mod geo;
mod hours;
mod keys;
mod late;
mod listen;
mod log;
pub mod node;
mod notify;
mod owner;
mod peers;
mod preview;
mod reach;
mod reload;
pub mod repair;
mod report;
pub mod requests;
mod retries;
mod schema;
mod signals;
mod state;
mod store_clock;
mod stores;
pub mod vault;
mod verdicts;
pub mod verify;
pub mod wall;
mod window_ends;

use std::convert::Infallible;
use std::net::{IpAddr, SocketAddr};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, Result, bail};
use http::{Request, Response};
use hyper::body::{Body, Incoming};
use serde_json::json;
use tokio::net::TcpListener;
use tokio::task::{JoinHandle, JoinSet};
use tokio_rustls::TlsAcceptor;
use tokio_util::sync::CancellationToken;
use tower::Service;

use crate::audit::Audit;
use crate::clock::Clock;
use crate::collect::listener::{self, Listener};
use crate::collect::server::{self, Endpoint};
use crate::collect::tls::Tls;
use crate::collect::{self, Collector, Parts};
use crate::config::{Config, Listen};
use crate::enrich::Lookups;
use crate::files::private_folder;
use crate::metrics::{LISTENERS, Metrics};
use crate::peers::Marks;
use crate::privacy::keys::KeyRing;
use crate::privacy::seal::CookieSeal;
use crate::publish::PublishedSite;
use crate::store::OwnRows;
use crate::{admin, record, rights, spool, stats_page};

pub use keys::{destroy as destroy_keys, keys_dir, receipt_day, status as keys_status};
pub use log::log_to_stderr;
pub use owner::act_as_owner;
pub use preview::{PreviewOptions, preview};
pub use reach::Stores;
pub use reload::{Hangup, NextStart};
pub use report::{ReportOptions, report};
pub use schema::{Access, migrate, move_stats};
pub use signals::Ending;

use reload::{Anew, Reloader, Wanted};
use state::State;
use stores::Inner;

/// A collector that runs.
pub struct Running {
    /// Where browsers reach it; `None` if that is a unix socket.
    pub address: Option<SocketAddr>,
    /// Where operations reach it.
    pub admin_address: SocketAddr,
    state: Arc<State>,
    audit: Arc<Audit>,
    shutdown: CancellationToken,
    /// Cancelled when nothing is appended to the spool any more.
    edge_closed: CancellationToken,
    edge: Vec<JoinHandle<()>>,
    inner: JoinHandle<()>,
    anew: Anew,
}

/// The first line of the log: what starts, as which node, with which configuration.
pub fn log_start(config: &Config, file: &Path) {
    let (version, node, sites) = (crate::VERSION, node::name(config), config.sites.len());
    tracing::info!(version, node, sites, config = %file.display(), "starting");
}

/// Starts everything. Returns once beacons are accepted.
pub async fn start(config: Config, clock: Clock) -> Result<Running> {
    start_wrapped(config, clock, |edge, _| edge).await
}

/// As [`start`], for a program that embeds the collector: `wrap` gets the edge and the address where browsers reach it, if it has
/// one, and returns the service that answers there.
pub async fn start_wrapped<S, B>(
    mut config: Config,
    clock: Clock,
    wrap: impl FnOnce(collect::Edge, Option<SocketAddr>) -> S,
) -> Result<Running>
where
    S: Service<Request<Incoming>, Response = Response<B>, Error = Infallible, Future: Send> + Clone + Send + 'static,
    B: Body<Data: Send, Error: Into<Box<dyn std::error::Error + Send + Sync>>> + Send + 'static,
{
    let program = prepare_process(&config)?;
    let (data, metrics) = (config.data.dir.clone(), Arc::new(Metrics::default()));
    make_data_folder(&data)?;
    let (keys, cookie_key) = (KeyRing::open(&keys_dir(&config))?, keys::cookie_key(&config)?);
    let (retries, marks) = (retries::open(&config, &cookie_key.key), peers::marks(&config));
    // Before all that is in the data folder: the holder of the spool's lock is the one that runs here.
    let (writer, reader) = open_spool(&config, &clock, (retries.files, marks.clone()), &metrics).await?;
    let audit = Arc::new(audit::open(&config, clock.clone())?);
    let tls = open_tls(&config)?;
    let (listener, admin_listener, anew) = bind(&mut config, program).await?;
    let (place, admin_address) = (listener.place()?, admin_listener.local_addr()?);

    let (sites, geo_files) = (PublishedSite::all(&config)?, geo::Files::open(&config.geo)?);
    let keys = Arc::new(keys.remembering(&data.join("keys-seen.json"))?);
    let (shutdown, edge_closed) = (CancellationToken::new(), CancellationToken::new());
    let keeper = peers::open(&config, keys.clone(), clock.clone(), cookie_key.tag, marks, &shutdown).await?;
    let parts = Parts {
        lookups: Lookups::new(geo_files.in_use()),
        seal: CookieSeal::new(&cookie_key.key),
        keys: keys.clone(),
        retry_key: retries.key,
        spool: writer.clone(),
        metrics: metrics.clone(),
        scripts: scripts(&data.join("scripts")),
        clock: clock.clone(),
    };
    let collector = peers::hearing(Collector::new(&config, parts), keeper.as_ref(), &shutdown).await;
    let reporter = hours::Reporter::new(&collector, &writer, &sites, node::name(&config), &clock);
    let watched = (requests::Watched::new(&config), keys::DayKeys::new(&config, &keys));
    let state = State::new(metrics, writer.clone(), clock.clone(), geo_files.in_use(), watched);
    let own_rows = OwnRows::new(writer, state.vault.subscribe(), dead_letters::refused(&config, reader.keys()));
    let edge = collect::Edge::new(collector.clone()).beside(rights::router(&config, collector.clone(), own_rows));
    let (edge, verdict_keys) = verdicts::offer(edge, &config, collector.clone(), &state.metrics, &clock)?;
    note_start(&audit, &config, &cookie_key, &state.metrics);
    let admin = admin::router(state.clone(), stats_page::router(&config), &config.server.admin_hosts);
    let listener = (listener, tls.as_ref().map(Tls::acceptor).transpose()?);
    let [(public, limits), (operations, admin_limits)] = endpoints(listener, admin_listener, &config, &state.metrics);
    let mut edge = vec![
        tokio::spawn(server::serve(public, wrap(edge, place.tcp()), limits, shutdown.clone())),
        tokio::spawn(server::serve(operations, admin, admin_limits, shutdown.clone())),
        tokio::spawn(clock::keep(clock.clone(), audit.clone(), shutdown.clone())),
        tokio::spawn(keys::sweep(keys, &config, clock.clone(), state.metrics.clone(), audit.clone(), shutdown.clone())),
    ];
    edge.push(tokio::spawn(reporter.run(state.vault.subscribe(), shutdown.clone())));
    edge.push(tokio::spawn(watch_geo(geo_files, state.clone(), shutdown.clone())));
    edge.extend(tls.map(|tls| tokio::spawn(tls.watch(state.metrics.clone(), shutdown.clone()))));
    edge.extend(keeper.map(|keeper| tokio::spawn(peers::watch(keeper, collector, state.clone(), shutdown.clone()))));
    edge.extend(verdict_keys.map(|keys| tokio::spawn(verdicts::rotate(keys, clock.clone(), shutdown.clone()))));
    let inner = Inner {
        config,
        sites,
        clock,
        audit: audit.clone(),
        state: state.clone(),
        shutdown: shutdown.clone(),
        edge_closed: edge_closed.clone(),
    };
    let inner = tokio::spawn(inner.run(reader));
    tracing::info!(address = %place, %admin_address, "taking beacons");
    Ok(Running { address: place.tcp(), admin_address, state, audit, shutdown, edge_closed, edge, inner, anew })
}

/// Forbids what would put memory on a disk. Returns where the program lies, before a new version can lie in its place.
fn prepare_process(config: &Config) -> Result<PathBuf> {
    let program = std::env::current_exe().context("the program does not know where it lies")?;
    keys::stay_in_memory()?;
    node::warn_of_passing_name(config);
    Ok(program)
}

/// The public listener and that of operations, and what a start anew needs of them. The program that opens a unix
/// socket is trusted.
async fn bind(config: &mut Config, program: PathBuf) -> Result<(Listener, TcpListener, Anew)> {
    let (mut inherited, server) = (listen::Inherited::take(), &mut config.server);
    let (public, kept) = inherited.or_bind(0, &server.listen, "[server] listen").await?;
    let admin = Listen::Tcp(server.admin_listen);
    let (Listener::Tcp(admin), kept_admin) = inherited.or_bind(1, &admin, "[server] admin_listen").await? else {
        bail!("socket 1 of LISTEN_FDS is not a TCP listener");
    };
    if let Listener::Unix(_) = &public {
        server.trusted_proxies.push(IpAddr::from(listener::LOCAL).into());
    }
    Ok((public, admin, Anew { program, kept: vec![kept, kept_admin], wanted: Wanted::default() }))
}

/// Records a start, with what is new about configuration and cookie key.
fn note_start(audit: &Audit, config: &Config, cookie_key: &keys::CookieKeyFound, metrics: &Metrics) {
    audit::note_start(audit, config);
    metrics.operations.cookie_key_replaced.set(cookie_key.remember(config, audit).into());
}

/// The listeners with their limits, and with the metrics of their connections.
fn endpoints(
    (listener, tls): (Listener, Option<TlsAcceptor>),
    admin_listener: TcpListener,
    config: &Config,
    metrics: &Metrics,
) -> [(Endpoint, server::Limits); 2] {
    let (public, admin) = descriptors::limits(&config.server, descriptors::raise());
    for (name, limits) in LISTENERS.into_iter().zip([public, admin]) {
        metrics.operations.set_connections_max(name, limits.connections);
    }
    let [open, open_admin] = LISTENERS.map(|name| metrics.operations.connections(name));
    let endpoint = Endpoint { open, ..Endpoint::public(listener, tls, &config.server) };
    [(endpoint, public), (Endpoint { open: open_admin, ..admin_listener.into() }, admin)]
}

fn open_tls(config: &Config) -> Result<Option<Arc<Tls>>> {
    Ok(match (&config.server.certificate_file, &config.server.key_file) {
        (Some(certificate), Some(key)) => Some(Tls::open(certificate, key)?),
        _ => None,
    })
}

/// Takes new GeoIP files, and lets `/readyz` say why some are not taken.
async fn watch_geo(files: geo::Files, state: Arc<State>, shutdown: CancellationToken) {
    let report = |trouble: Option<String>| match trouble {
        Some(reason) => drop(state.is_missing(state::GEO, reason)),
        None => state.is_there(state::GEO),
    };
    files.watch(geo::LOOK_EVERY, report, shutdown).await;
}

async fn open_spool(
    config: &Config,
    clock: &Clock,
    (retries, marks): (Option<spool::RetryFiles>, Option<Arc<Marks>>),
    metrics: &Metrics,
) -> Result<(spool::Writer, spool::Reader)> {
    let quota = config.data.spool_quota_mib << 20;
    let folder = config.data.dir.join("spool");
    let linger = Duration::from_secs(config.vault.linger_s.into());
    let options = spool::Options::new(quota, record::SCHEMA_VERSION, keys::spool_keys(config)?);
    let windows = match config.vault.until_window_end {
        true => Some(Arc::new(window_ends::WindowEnds::new(config, clock.clone())?) as Arc<dyn spool::Windows>),
        false => None,
    };
    let announce = marks.map(|marks| Arc::new(peers::Announced(marks)) as Arc<dyn spool::Announce>);
    // A connection has one request at a time.
    let open = metrics.operations.connections(LISTENERS[0]);
    let pace = spool::Pace::of_server(move || usize::try_from(open.get()).unwrap_or(0));
    // A simulated clock runs through days in seconds, and stands until each beacon is answered.
    let pace = (!clock.is_simulated()).then_some(pace);
    let options = spool::Options { retries, announce, linger, windows, pace, ..options };
    let opened = tokio::task::spawn_blocking(move || spool::open(&folder, options, Arc::new(spool::Disk)));
    let (writer, reader, recovery) = opened.await??;
    metrics.spool_quota_bytes.set(quota as i64);
    log_recovery(&recovery);
    Ok((writer, reader))
}

/// What the opening of the spool has found. Each line says what it means for the rows.
fn log_recovery(found: &spool::Recovery) {
    let spool::Recovery { segments, pending_frames, pending_rows, .. } = found;
    tracing::info!(segments, pending_frames, pending_rows, "opened the spool");
    if found.torn_bytes > 0 {
        let (bytes, frames) = (found.torn_bytes, found.torn_frames);
        tracing::info!(bytes, frames, "cut off a torn commit; as far as is known nothing in it was acknowledged");
    }
    if found.damaged_frames > 0 {
        let (frames, rows) = (found.damaged_frames, found.damaged_rows);
        tracing::error!(frames, rows, "the spool's disk has damaged durable rows, they are lost: look at the disk");
    }
    if found.quarantined > 0 {
        tracing::error!(files = found.quarantined, "damaged files or parts of the spool went to its quarantine folder");
    }
    if found.state_from_copy {
        tracing::warn!("the state of the spool was damaged, its copy was used: look at the disk");
    }
    if found.state_lost {
        tracing::error!(
            "the state of the spool and its copy are gone: what was in its oldest file is stored a second time"
        );
    }
    if found.locked_segments > 0 {
        let segments = found.locked_segments;
        tracing::error!(
            segments,
            "rows in the spool are encrypted under a key that is not in spool.key; they wait: append the former key to it and restart"
        );
    }
    if found.unsynced {
        tracing::error!(
            "the spool's newest file cannot be synced: until its rows are delivered a power cut may take them"
        );
    }
}

/// The scripts of this version, and of earlier ones if they can be kept.
fn scripts(folder: &Path) -> collect::Scripts {
    collect::Scripts::keeping(folder).unwrap_or_else(|error| {
        let folder = folder.display();
        tracing::warn!(%error, %folder, "cannot keep the browser's part for the next version; only this one is served");
        collect::Scripts::current()
    })
}

fn make_data_folder(data: &Path) -> Result<()> {
    private_folder(data)
        .with_context(|| format!("cannot make the data folder {}; name another in [data] dir", data.display()))
}

// === impl Running ===

impl Running {
    /// Waits until the stores answer and their schema is current. An error says why they do not; they are tried again.
    pub async fn stores(&mut self) -> Result<Stores> {
        let (mut stores, mut missing) = (self.state.stores.subscribe(), self.state.missing.subscribe());
        tokio::select! {
            ready = stores.wait_for(Option::is_some) => ready?.clone().context("the stores are gone"),
            missing = missing.wait_for(|missing| !missing.is_empty()) => {
                let reasons: Vec<_> = missing?.values().cloned().collect();
                bail!("{}", reasons.join("; "))
            }
            () = self.shutdown.cancelled() => bail!("it was stopped"),
        }
    }

    /// Lets signals stop it.
    pub fn stop_at(&self, ending: Ending) {
        ending.cancel(self.shutdown.clone(), self.anew.wanted.clone());
    }

    /// Is a service from now on: the service manager hears that it is ready, and SIGHUP begins it anew with what `file` says
    /// then.
    pub fn serve_from(&self, file: &Path, hangup: Hangup) {
        let reloader = Reloader {
            file: file.to_owned(),
            state: self.state.clone(),
            audit: self.audit.clone(),
            shutdown: self.shutdown.clone(),
            wanted: self.anew.wanted.clone(),
            addresses: self.anew.kept.iter().map(|kept| kept.address.clone()).collect(),
        };
        tokio::spawn(reloader.run(hangup));
        notify::ready();
    }

    /// Resolves when it is asked to stop.
    pub async fn stopping(&self) {
        self.shutdown.cancelled().await;
    }

    /// Runs until it is stopped, then stops the rest. Returns what a start anew needs, if there is to be one.
    pub async fn wait(mut self) -> Result<Option<NextStart>> {
        let mut ended = None;
        tokio::select! {
            // Only a fault of this program ends it before.
            early = &mut self.inner => ended = Some(early),
            () = self.shutdown.cancelled() => {}
        }
        self.shutdown.cancel();
        if self.anew.wanted.get().is_none() {
            // Nobody will answer: a connection that comes now is refused.
            self.anew.kept.clear();
        }
        for task in self.edge {
            task.await?;
        }
        self.edge_closed.cancel();
        let ended = match ended {
            Some(ended) => ended,
            None => self.inner.await,
        };
        let writer = self.state.spool.clone();
        tokio::task::spawn_blocking(move || writer.close()).await?;
        let mut ending = JoinSet::new();
        for (_, engine) in self.state.take_engines() {
            // One that operations are looking at just now is killed instead, which it survives as well.
            if let Some(engine) = Arc::into_inner(engine) {
                ending.spawn(engine.stop());
            }
        }
        ending.join_all().await;
        self.audit.note("stop", &json!({}));
        ended?;
        Ok(self.anew.next_start())
    }

    /// Stops in order.
    pub async fn stop(self) -> Result<()> {
        self.shutdown.cancel();
        self.wait().await.map(drop)
    }
}

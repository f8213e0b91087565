//! The servers that are measured, each a process of its own on a core of its own: nginx, a bare axum handler, Tamga,
//! and whatever else an address is given of.

use std::fs;
use std::io::{BufRead as _, BufReader};
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::routing::post;
use http::StatusCode;
use prometheus_client::metrics::gauge::Gauge;
use tamga::clock::Clock;
use tamga::collect::{self, Collector, Edge, Parts, server};
use tamga::config::Config;
use tamga::enrich::{GeoIp, Lookups};
use tamga::metrics::Metrics;
use tamga::privacy::keys::KeyRing;
use tamga::privacy::seal::CookieSeal;
use tamga::secret::Secret;
use tamga::{record, spool};
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;

use super::unsynced::Unsynced;
use crate::{corpus, machine};

/// The core of the servers; the generator has the other.
const CORE: &str = "1";

/// A server that runs.
pub(crate) struct Server {
    pub(crate) name: &'static str,
    pub(crate) address: SocketAddr,
    pub(crate) path: &'static str,
    /// Its processes; none of one that is not ours.
    pids: Vec<u32>,
    child: Option<Child>,
}

/// The kinds of server that this program is itself.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    Bare,
    Tamga { synced: bool },
}

impl Kind {
    const ALL: [(&'static str, Self); 3] = [
        ("bare axum handler", Self::Bare),
        ("tamga, acknowledged when synced", Self::Tamga { synced: true }),
        ("tamga, the sync left out", Self::Tamga { synced: false }),
    ];

    /// By the argument that a child is started with.
    pub(crate) fn of(argument: &str) -> Option<Self> {
        Self::ALL.get(argument.parse::<usize>().ok()?).map(|(_, kind)| *kind)
    }
}

/// Starts all of them; they share `folder`. One that cannot be started is said and left out.
pub(crate) fn start(folder: &Path) -> Vec<Server> {
    let mut servers: Vec<Server> = nginx(folder).into_iter().collect();
    for (number, (name, _)) in Kind::ALL.into_iter().enumerate() {
        servers.push(own(name, number, &folder.join(number.to_string()), 1));
    }
    if let Ok(address) = std::env::var("TAMGA_BENCH_ADDRESS") {
        let address =
            address.parse().expect("TAMGA_BENCH_ADDRESS is HOST:PORT of a server that answers POST /v1/beacon");
        let pids = std::env::var("TAMGA_BENCH_PID").ok().and_then(|pid| pid.parse().ok()).into_iter().collect();
        servers.push(Server { name: "the one at TAMGA_BENCH_ADDRESS", address, path: "/v1/beacon", pids, child: None });
    }
    servers
}

fn on_its_core(program: &Path) -> Command {
    let mut command = Command::new("taskset");
    command.args(["-c", CORE]).arg(program);
    command
}

/// The product, with so many sites.
pub(crate) fn tamga(folder: &Path, sites: usize) -> Server {
    own(Kind::ALL[1].0, 1, folder, sites)
}

fn own(name: &'static str, number: usize, folder: &Path, sites: usize) -> Server {
    fs::create_dir_all(folder).expect("a folder");
    let program = std::env::current_exe().expect("this program");
    let mut child = on_its_core(&program)
        .args(["serve", &number.to_string()])
        .arg(folder)
        .arg(sites.to_string())
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .expect("taskset (util-linux) and this program");
    let mut line = String::new();
    BufReader::new(child.stdout.take().expect("piped")).read_line(&mut line).expect("it says where it listens");
    let address = line.trim().parse().expect("an address");
    Server { name, address, path: "/v1/beacon", pids: vec![child.id()], child: Some(child) }
}

fn nginx(folder: &Path) -> Option<Server> {
    let program = PathBuf::from("/usr/sbin/nginx");
    if !program.exists() {
        return None;
    }
    let port = std::net::TcpListener::bind("127.0.0.1:0").ok()?.local_addr().ok()?.port();
    let configuration = folder.join("nginx.conf");
    let text = format!(
        "daemon off; worker_processes 1; pid {0}/nginx.pid; error_log {0}/nginx.log crit;\n\
         events {{ worker_connections 8192; }}\n\
         http {{ access_log off; keepalive_requests 1000000000; keepalive_timeout 600s; client_body_temp_path {0}/body;\n\
         server {{ listen 127.0.0.1:{port} backlog=1024; location / {{ return 204; }} }} }}\n",
        folder.display()
    );
    fs::write(&configuration, text).expect("a folder");
    let child = on_its_core(&program).args(["-p"]).arg(folder).arg("-c").arg(&configuration).spawn().ok()?;
    std::thread::sleep(Duration::from_millis(300));
    let pids = machine::with_descendants(child.id());
    let address = SocketAddr::from(([127, 0, 0, 1], port));
    Some(Server { name: "nginx, return 204", address, path: "/", pids, child: Some(child) })
}

impl Server {
    /// Whether its use of the processor is known.
    pub(crate) fn is_local(&self) -> bool {
        !self.pids.is_empty()
    }

    /// Seconds of processor time that it has used.
    pub(crate) fn cpu_seconds(&self) -> f64 {
        machine::cpu_seconds(&self.pids)
    }

    /// Resident memory in bytes.
    pub(crate) fn resident_bytes(&self) -> u64 {
        machine::resident_bytes(&self.pids)
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        if let Some(mut child) = self.child.take() {
            // nginx ends its worker on a signal; the others end with their standard input, and tidy up.
            if child.stdin.take().is_none()
                && let Some(pid) = rustix::process::Pid::from_raw(child.id() as i32)
            {
                let _ = rustix::process::kill_process(pid, rustix::process::Signal::TERM);
            }
            let _ = child.wait();
        }
    }
}

/// What a child does: it serves until its standard input ends.
pub(crate) fn serve(kind: Kind, folder: &Path, sites: usize) {
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().expect("a runtime");
    let shutdown = CancellationToken::new();
    runtime.block_on(async {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let address = listener.local_addr().expect("an address");
        let config =
            Config::parse(&corpus::config(sites), Path::new("tamga.toml"), std::iter::empty()).expect("it is sound");
        let limits = server::Limits::from_config(&config.server);
        println!("{address}");
        match kind {
            Kind::Bare => {
                let router = Router::new().route(
                    "/v1/beacon",
                    post(|body: axum::body::Body| async {
                        let _ = axum::body::to_bytes(body, collect::BODY_MAX).await;
                        StatusCode::NO_CONTENT
                    }),
                );
                tokio::spawn(server::serve(listener, router, limits, shutdown));
            }
            Kind::Tamga { synced } => {
                // As in the product, a thread for each core: here it has one.
                let endpoint = server::Endpoint::public(listener, None, &config.server);
                let edge = collector(&config, synced, folder, endpoint.open.clone());
                tokio::spawn(server::serve(endpoint, edge, limits, shutdown));
            }
        }
        let _ = tokio::task::spawn_blocking(|| std::io::stdin().read_line(&mut String::new())).await;
    });
    let _ = fs::remove_dir_all(machine::keys_folder());
    std::process::exit(0);
}

fn collector(config: &Config, synced: bool, folder: &Path, open: Gauge) -> Edge {
    let disk: Arc<dyn spool::Io> = if synced { Arc::new(spool::Disk) } else { Arc::new(Unsynced) };
    let keys = machine::keys_folder();
    let ring = KeyRing::open(&keys).expect("keys in memory");
    let retries =
        spool::RetryFiles { folder: keys, owner: 0, bytes_max: 8 << 20, boot_ms: Arc::new(tamga::clock::boot_ms) };
    let keys = spool::Keys::new(Secret::random(), []);
    let options = spool::Options::new(16 << 30, record::SCHEMA_VERSION, keys);
    let pace = spool::Pace::of_server(move || usize::try_from(open.get()).unwrap_or(0));
    let options = spool::Options { retries: Some(retries), pace: Some(pace), ..options };
    let (writer, reader, _) = spool::open(&folder.join("spool"), options, disk).expect("a spool");
    // Nobody takes the rows: what shipping costs is another figure.
    std::mem::forget(reader);
    let fixture = |name: &str| Path::new(env!("CARGO_MANIFEST_DIR")).join("crates/demo/geo").join(name);
    let geo = GeoIp::open(&[fixture("city-ipv4.mmdb"), fixture("city-ipv6.mmdb")], &[fixture("asn.mmdb")]);
    let parts = Parts {
        lookups: Lookups::new(geo.expect("fixtures")),
        seal: CookieSeal::new(&Secret::new(corpus::COOKIE_KEY)),
        keys: Arc::new(ring),
        retry_key: Secret::random(),
        spool: writer,
        metrics: Arc::new(Metrics::default()),
        scripts: collect::Scripts::current(),
        clock: Clock::machine(),
    };
    Edge::new(Collector::new(config, parts))
}

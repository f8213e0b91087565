//! `make bench`: how fast the edge is beside nginx and a bare handler, in one run, and what it takes.
//!
//! The servers have one core, the generator the other. Targets are interleaved, so that what else the machine does hits
//! all alike; the first figure is events per second of the *server's own* processor time, which neither the generator
//! nor a neighbour changes much. Every answer must be 2xx. The results go to `docs/benchmarks.md` and
//! `docs/benchmarks.svg`.
//!
//! `TAMGA_BENCH_ROUNDS` (5) and `TAMGA_BENCH_SECONDS` (3) say how long; `TAMGA_BENCH_ADDRESS=HOST:PORT`, with `TAMGA_BENCH_PID` if
//! it runs here, adds your own server that answers `POST /v1/beacon`. With the argument `growth` it measures the product alone, against
//! connections, sites, bytes and backlog, and writes `docs/growth.md` and its picture.
#![allow(missing_docs, clippy::print_stdout, clippy::print_stderr, reason = "a program that measures and prints")]

#[path = "../corpus.rs"]
mod corpus;
#[path = "../figures.rs"]
mod figures;
mod generator;
mod growth;
#[path = "../machine.rs"]
mod machine;
mod report;
mod servers;
mod unsynced;

use std::path::Path;
use std::time::Duration;

use generator::Load;
use servers::{Kind, Server};
use tokio::net::TcpStream;

/// Events in a request.
const SIZES: [usize; 3] = [1, 5, 20];
/// Connections that are busy at once.
const CONNECTIONS: usize = 64;
/// Shares of what a server can do at most, at which latency is measured.
const SHARES: [f64; 3] = [0.25, 0.5, 0.75];
/// Connections whose cost at rest is measured.
const IDLE: usize = 1_000;

/// The rounds of one server at one size.
#[derive(Default, Clone)]
pub(crate) struct Figures {
    pub(crate) events_per_cpu_second: Vec<f64>,
    pub(crate) requests_per_second: Vec<f64>,
}

/// Quantiles of latency in milliseconds: p50, p99, p99.9.
pub(crate) type Latency = [f64; 3];

/// All that was measured of one server.
pub(crate) struct Measured {
    pub(crate) name: &'static str,
    pub(crate) is_local: bool,
    pub(crate) by_size: [Figures; 3],
    pub(crate) latency: [Latency; 3],
    pub(crate) loaded_bytes: u64,
    pub(crate) idle_bytes: f64,
}

fn main() {
    let arguments: Vec<String> = std::env::args().skip(1).filter(|argument| argument != "--bench").collect();
    if let [verb, kind, folder, sites] = &arguments[..]
        && verb == "serve"
        && let (Some(kind), Ok(sites)) = (Kind::of(kind), sites.parse())
    {
        return servers::serve(kind, Path::new(folder), sites);
    }
    if let [verb, address, rate, seconds] = &arguments[..]
        && verb == "load"
    {
        return load(address, rate, seconds);
    }
    if std::env::args().any(|argument| argument == "--test") {
        return;
    }
    let number = |name: &str, usual: u64| std::env::var(name).ok().and_then(|text| text.parse().ok()).unwrap_or(usual);
    let (rounds, seconds) = (number("TAMGA_BENCH_ROUNDS", 5), number("TAMGA_BENCH_SECONDS", 3));
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join("bench");
    let _ = std::fs::remove_dir_all(&folder);
    std::fs::create_dir_all(&folder).expect("the build's folder can be written");
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
    if arguments == ["growth"] {
        runtime.block_on(growth::measure(&folder, rounds, Duration::from_secs(seconds)));
        return;
    }
    let held_up = machine::held_up_ms();
    let servers = servers::start(&folder);
    let mut measured = runtime.block_on(measure(&servers, rounds, Duration::from_secs(seconds)));
    drop(servers);
    // Servers that have had no load: memory that it has left would be taken first.
    let _ = std::fs::remove_dir_all(&folder);
    std::fs::create_dir_all(&folder).expect("the build's folder can be written");
    let servers = servers::start(&folder);
    runtime.block_on(rest(&servers, &mut measured));
    drop(servers);
    let _ = std::fs::remove_dir_all(&folder);
    report::write(&measured, held_up, rounds, seconds).expect("docs/ can be written");
}

/// `… load HOST:PORT RATE SECONDS`: what a good client sees of any server, say while it is attacked. With the rate `most` it
/// sends the next request when it has the answer to the one before, on as many connections as `make bench`.
fn load(address: &str, rate: &str, seconds: &str) {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
    let connections = if rate == "most" { CONNECTIONS } else { 16 };
    let lasts = Duration::from_secs(seconds.parse().expect("a number"));
    let load = Load {
        rate: (rate != "most").then(|| rate.parse().expect("a number, or most")),
        first: u64::from(std::process::id()) << 32,
        ..Load::of(address.parse().expect("an address"), 1, connections, lasts)
    };
    let answered = runtime.block_on(generator::run(load));
    let [p50, p99, p999] = [0.5, 0.99, 0.999].map(|quantile| answered.quantile_ms(quantile));
    println!(
        "{} answered, {} failed; p50 {p50:.2} ms, p99 {p99:.2}, p99.9 {p999:.2}",
        answered.requests, answered.failed
    );
}

async fn measure(servers: &[Server], rounds: u64, lasts: Duration) -> Vec<Measured> {
    let blank = |server: &Server| Measured {
        name: server.name,
        is_local: server.is_local(),
        by_size: std::array::from_fn(|_| Figures::default()),
        latency: [[f64::NAN; 3]; 3],
        loaded_bytes: 0,
        idle_bytes: f64::NAN,
    };
    let mut measured: Vec<_> = servers.iter().map(blank).collect();
    let mut views = 1;
    let mut load = move |server: &Server, events, rate, lasts, connections| {
        // Views are never sent twice.
        views += 1_u64 << 32;
        Load { path: server.path, rate, first: views, ..Load::of(server.address, events, connections, lasts) }
    };
    for server in servers {
        checked(server, load(server, 5, None, Duration::from_secs(1), CONNECTIONS)).await;
    }
    for round in 0..rounds {
        for (size, events) in SIZES.into_iter().enumerate() {
            for turn in 0..servers.len() {
                // Another order in each round.
                let at = (turn + round as usize) % servers.len();
                let server = &servers[at];
                let before = server.cpu_seconds();
                let answered = checked(server, load(server, events, None, lasts, CONNECTIONS)).await;
                let used = server.cpu_seconds() - before;
                let figures = &mut measured[at].by_size[size];
                figures.requests_per_second.push(answered.requests as f64 / answered.seconds);
                if server.is_local() {
                    figures.events_per_cpu_second.push(answered.requests as f64 * events as f64 / used);
                }
                eprintln!(
                    "round {round}, {events:2} events, {}: {:.0} requests/s, {:.2} of its core",
                    server.name,
                    answered.requests as f64 / answered.seconds,
                    used / answered.seconds
                );
            }
        }
    }
    for (share, part) in SHARES.into_iter().enumerate() {
        for (server, measured) in servers.iter().zip(&mut measured) {
            let rate = figures::median(measured.by_size[0].requests_per_second.iter().copied()) * part;
            let answered = checked(server, load(server, 1, Some(rate), lasts, CONNECTIONS)).await;
            measured.latency[share] = [0.5, 0.99, 0.999].map(|quantile| answered.quantile_ms(quantile));
        }
    }
    for (server, measured) in servers.iter().zip(&mut measured) {
        measured.loaded_bytes = server.resident_bytes();
    }
    measured
}

/// What idle connections take of a server's memory.
async fn rest(servers: &[Server], measured: &mut [Measured]) {
    for (server, measured) in servers.iter().zip(measured).filter(|(server, _)| server.is_local()) {
        let load = |first, connections| Load {
            path: server.path,
            first,
            ..Load::of(server.address, 1, connections, Duration::from_secs(1))
        };
        // Keys, and what is made once.
        drop(idle(load(1, CONNECTIONS)).await);
        let before = server.resident_bytes();
        let kept = idle(load(1 << 32, IDLE)).await;
        tokio::task::yield_now().await;
        let is_open = |stream: &TcpStream| {
            stream.try_read(&mut [0]).is_err_and(|error| error.kind() == std::io::ErrorKind::WouldBlock)
        };
        assert!(kept.iter().all(is_open), "{} has closed some before the last was open", server.name);
        measured.idle_bytes = (server.resident_bytes() as f64 - before as f64) / kept.len() as f64;
    }
}

async fn checked(server: &Server, load: Load) -> generator::Answered {
    let answered = generator::run(load).await;
    assert!(answered.failed == 0 && answered.requests > 0, "{}: {} failed", server.name, answered.failed);
    answered
}

/// Opens connections, sends one request on each, and keeps them.
async fn idle(load: Load) -> Vec<TcpStream> {
    let mut kept = Vec::with_capacity(load.connections);
    let mut buffer = vec![0; 8_192];
    for number in 0..load.connections as u64 {
        let mut stream = TcpStream::connect(load.address).await.expect("a connection");
        let request = generator::request(load.first + number, &load);
        generator::exchange(&mut stream, &request, &mut buffer).await.expect("an answer");
        kept.push(stream);
    }
    kept
}

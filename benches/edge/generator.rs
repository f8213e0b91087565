//! The generator of load: keep-alive connections on one core, closed loop (as fast as answers come) or open loop (at a
//! given rate, whatever the answers do).
//!
//! In the open loop each connection has a schedule of its own. Latency is counted from the moment at which a request
//! was due if its connection was still busy then, else from its sending: a late server is charged for what waited
//! behind, and the generator is not for being woken late.

use std::net::SocketAddr;
use std::time::{Duration, Instant};

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::task::{JoinSet, yield_now};
use tokio::time::sleep;

use crate::corpus;

/// Requests that are made before a run; they repeat with other view ids.
const MADE: u64 = 4_096;

/// What is sent.
#[derive(Clone, Copy)]
pub(crate) struct Load {
    pub(crate) address: SocketAddr,
    pub(crate) path: &'static str,
    pub(crate) events: usize,
    /// How many sites the requests are of, and how many bytes the queries of their pages have more than usual.
    pub(crate) sites: usize,
    pub(crate) query: usize,
    pub(crate) connections: usize,
    /// Requests a second; `None`: as many as are answered.
    pub(crate) rate: Option<f64>,
    /// Whether it takes a core to send in time. Otherwise requests leave up to two milliseconds late.
    pub(crate) spins: bool,
    pub(crate) lasts: Duration,
    /// Views of former runs.
    pub(crate) first: u64,
}

impl Load {
    /// Beacons of one site.
    pub(crate) fn of(address: SocketAddr, events: usize, connections: usize, lasts: Duration) -> Self {
        let (path, sites, query, rate, spins, first) = ("/v1/beacon", 1, 0, None, true, 0);
        Self { address, path, events, sites, query, connections, rate, spins, lasts, first }
    }
}

/// What came back.
#[derive(Default)]
pub(crate) struct Answered {
    pub(crate) requests: u64,
    /// Answers that are not 2xx, and connections that broke.
    pub(crate) failed: u64,
    pub(crate) seconds: f64,
    /// In microseconds, sorted.
    pub(crate) latencies: Vec<u32>,
}

impl Answered {
    /// A quantile of the latencies in milliseconds.
    pub(crate) fn quantile_ms(&self, quantile: f64) -> f64 {
        let at = (self.latencies.len() as f64 * quantile) as usize;
        self.latencies.get(at.min(self.latencies.len().saturating_sub(1))).map_or(f64::NAN, |us| f64::from(*us) / 1e3)
    }
}

/// Sends a load.
pub(crate) async fn run(load: Load) -> Answered {
    let mut workers = JoinSet::new();
    let begins = Instant::now() + Duration::from_millis(50);
    for worker in 0..load.connections {
        workers.spawn(work(load, worker, begins));
    }
    let mut all = Answered::default();
    while let Some(one) = workers.join_next().await {
        let one = one.expect("a worker does not panic");
        all.requests += one.requests;
        all.failed += one.failed;
        all.latencies.extend(one.latencies);
    }
    all.seconds = begins.elapsed().as_secs_f64().min(load.lasts.as_secs_f64());
    all.latencies.sort_unstable();
    all
}

async fn work(load: Load, worker: usize, begins: Instant) -> Answered {
    let mut out = Answered::default();
    let share = MADE / load.connections as u64;
    let mut requests: Vec<_> = (0..share.max(1)).map(|at| Prepared::new(worker as u64 * share + at, load)).collect();
    let Ok(mut stream) = TcpStream::connect(load.address).await else {
        return Answered { failed: 1, ..out };
    };
    let _ = stream.set_nodelay(true);
    let ends = begins + load.lasts;
    let pause = load.rate.map(|rate| Duration::from_secs_f64(load.connections as f64 / rate));
    let mut due = begins + pause.unwrap_or_default().mul_f64(worker as f64 / load.connections as f64);
    let mut answer = vec![0; 8_192];
    let mut number = load.first + worker as u64;
    for turn in 0.. {
        let mut from = Instant::now();
        if due > from {
            if !load.spins {
                sleep(due - from).await;
            }
            while Instant::now() < due {
                yield_now().await;
            }
            from = Instant::now();
        } else if pause.is_some() {
            from = due;
        }
        if from >= ends {
            break;
        }
        let at = turn % requests.len();
        number += load.connections as u64;
        let request = requests[at].renewed(number);
        let status = match exchange(&mut stream, request, &mut answer).await {
            Ok(status) => status,
            Err(_) => return Answered { failed: out.failed + 1, ..out },
        };
        out.requests += 1;
        out.failed += u64::from(!(200..300).contains(&status));
        out.latencies.push(from.elapsed().as_micros().try_into().unwrap_or(u32::MAX));
        due = pause.map_or(due, |pause| due + pause);
    }
    out
}

/// A request whose view id can be changed in place.
struct Prepared {
    bytes: Vec<u8>,
    view_at: usize,
}

impl Prepared {
    fn new(number: u64, load: Load) -> Self {
        let bytes = request(number, &load);
        let key = b"\"view\":\"";
        let view_at = bytes.windows(key.len()).position(|window| window == key).expect("a beacon") + key.len();
        Self { bytes, view_at }
    }

    /// With the view id of a number: its digits in base64's letters.
    fn renewed(&mut self, number: u64) -> &[u8] {
        const LETTERS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
        for at in 0..11 {
            self.bytes[self.view_at + at] = LETTERS[(number >> (6 * at)) as usize & 63];
        }
        &self.bytes
    }
}

/// Sends a request and reads its whole answer; its status.
pub(crate) async fn exchange(stream: &mut TcpStream, request: &[u8], buffer: &mut [u8]) -> std::io::Result<u16> {
    stream.write_all(request).await?;
    let mut read = 0;
    loop {
        let more = stream.read(&mut buffer[read..]).await?;
        if more == 0 {
            return Err(std::io::ErrorKind::UnexpectedEof.into());
        }
        read += more;
        if let Some(status) = status_of_whole(&buffer[..read]) {
            return Ok(status);
        }
    }
}

fn status_of_whole(bytes: &[u8]) -> Option<u16> {
    let end = bytes.windows(4).position(|window| window == b"\r\n\r\n")? + 4;
    let head = std::str::from_utf8(&bytes[..end]).ok()?;
    let length = head.split("\r\n").find_map(|line| {
        let (name, value) = line.split_once(':')?;
        name.eq_ignore_ascii_case("content-length").then(|| value.trim().parse::<usize>().ok())?
    });
    (bytes.len() >= end + length.unwrap_or(0)).then(|| head.get(9..12)?.parse().ok()).flatten()
}

/// A whole request, as a proxy passes it on from a browser.
pub(crate) fn request(number: u64, load: &Load) -> Vec<u8> {
    let Load { path, events, sites, query, .. } = *load;
    let site = corpus::site(number, sites);
    let body = corpus::body(number, events, &site, query);
    let [a, b, c, d] = corpus::address(number);
    let head = format!(
        "POST {path} HTTP/1.1\r\nHost: t.{site}\r\nUser-Agent: {}\r\nAccept: */*\r\nAccept-Language: kk,ru;q=0.8,en;q=0.5\r\n\
         Accept-Encoding: gzip, deflate, br\r\nContent-Type: text/plain;charset=UTF-8\r\nOrigin: https://{site}\r\n\
         Referer: https://{site}/\r\nSec-Fetch-Site: same-site\r\nSec-Fetch-Mode: cors\r\nSec-Fetch-Dest: empty\r\n\
         Cookie: __Host-tamga-{site}={}\r\nX-Forwarded-For: {a}.{b}.{c}.{d}\r\nContent-Length: {}\r\n\r\n",
        corpus::agent(number),
        corpus::cookie(number, &site),
        body.len()
    );
    [head.as_bytes(), body.as_bytes()].concat()
}

//! A vault with faults: enough of ClickHouse's HTTP interface for tallies, and faults that a test plans.
//!
//! It keeps ClickHouse's promises: an insert is complete or absent, and an insert with a known token succeeds and
//! stores nothing. It breaks what networks and crashes break. The column `count` distinguishes rows.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::convert::Infallible;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use bytes::Bytes;
use http_body_util::{BodyExt, Full};
use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper::{Request, Response};
use hyper_util::rt::TokioIo;
use serde::{Deserialize, Serialize};
use tokio::net::TcpListener;

/// What happens to the next insert.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Fault {
    /// Nothing.
    None,
    /// Stored, then the connection breaks.
    StoreThenBreak,
    /// The connection breaks before anything is stored.
    Break,
    /// Stored, then HTTP 500 without ClickHouse's header, as a proxy sends it.
    StoreThen500,
    /// ClickHouse's error for lack of memory; nothing stored.
    Memory,
    /// Nothing stored, no answer.
    Hang,
    /// Still running after the connection broke; stored later.
    Slow,
    /// The token is remembered, the rows are not stored, and the connection breaks: a kill between the two.
    Burn,
}

/// All faults.
pub(crate) const FAULTS: [Fault; 8] = [
    Fault::None,
    Fault::StoreThenBreak,
    Fault::Break,
    Fault::StoreThen500,
    Fault::Memory,
    Fault::Hang,
    Fault::Slow,
    Fault::Burn,
];

#[derive(Default)]
struct Inner {
    /// Per value of `batch`, the `count`s of its rows.
    rows: BTreeMap<u64, Vec<u32>>,
    tokens: BTreeSet<String>,
    running: Vec<String>,
    faults: VecDeque<Fault>,
    /// Inserts with a row of this reason are refused.
    poison: Option<String>,
    inserts: u64,
    last_lease: String,
    /// How far each spool has come.
    spools: BTreeMap<u64, Progress>,
}

/// A line of the table `spools`.
#[derive(Clone, Copy, Default, Serialize, Deserialize)]
struct Progress {
    spool: u64,
    begun: u64,
    settled: u64,
    last: u64,
}

impl Progress {
    fn max(self, other: Self) -> Self {
        let [begun, settled] = [self.begun.max(other.begun), self.settled.max(other.settled)];
        Self { spool: other.spool, begun, settled, last: self.last.max(other.last) }
    }
}

/// A vault with faults.
#[derive(Clone)]
pub(crate) struct FakeVault {
    inner: Arc<Mutex<Inner>>,
    address: SocketAddr,
}

impl FakeVault {
    /// Starts a vault that ends with the runtime.
    pub(crate) async fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let vault = Self { inner: Arc::default(), address: listener.local_addr().unwrap() };
        let serving = vault.clone();
        tokio::spawn(async move {
            loop {
                let (stream, _) = listener.accept().await.unwrap();
                let vault = serving.clone();
                tokio::spawn(async move {
                    let service = service_fn(|request| vault.clone().answer(request));
                    // A fault ends the connection with an error, on purpose.
                    let _ = hyper::server::conn::http1::Builder::new()
                        .serve_connection(TokioIo::new(stream), service)
                        .await;
                });
            }
        });
        vault
    }

    pub(crate) fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// The faults of the next inserts, in order. Later inserts have none.
    pub(crate) fn plan(&self, faults: impl IntoIterator<Item = Fault>) {
        self.inner.lock().unwrap().faults = faults.into_iter().collect();
    }

    /// Refuses rows of this reason from now on.
    pub(crate) fn refuse(&self, reason: Option<&str>) {
        self.inner.lock().unwrap().poison = reason.map(str::to_owned);
    }

    /// The `count`s of all rows, sorted.
    pub(crate) fn counts(&self) -> Vec<u32> {
        let inner = self.inner.lock().unwrap();
        let mut counts: Vec<_> = inner.rows.values().flatten().copied().collect();
        counts.sort_unstable();
        counts
    }

    /// How many complete inserts arrived.
    pub(crate) fn inserts(&self) -> u64 {
        self.inner.lock().unwrap().inserts
    }

    /// The lease that was written last, as JSON.
    pub(crate) fn last_lease(&self) -> String {
        self.inner.lock().unwrap().last_lease.clone()
    }

    async fn answer(self, request: Request<Incoming>) -> Result<Response<Full<Bytes>>, BrokenOnPurpose> {
        let parameters: BTreeMap<String, String> =
            url::form_urlencoded::parse(request.uri().query().unwrap_or("").as_bytes()).into_owned().collect();
        let Ok(body) = request.into_body().collect().await else { return Err(BrokenOnPurpose) };
        let body = body.to_bytes();
        let sql = parameters.get("query").cloned().unwrap_or_default();
        if sql.starts_with("INSERT INTO `tallies`") {
            return self.insert(&body, parameters["insert_deduplication_token"].clone()).await;
        }
        if sql.starts_with("INSERT INTO `leases`") {
            self.inner.lock().unwrap().last_lease = String::from_utf8_lossy(&body).into_owned();
            return ok("");
        }
        if sql.starts_with("INSERT INTO `spools`") {
            let line: Progress = serde_json::from_slice(&body).unwrap();
            let mut inner = self.inner.lock().unwrap();
            let known = inner.spools.entry(line.spool).or_default();
            *known = known.max(line);
            return ok("");
        }
        let text = String::from_utf8_lossy(&body);
        if text.contains("FROM spools") {
            let spool = field(&text, "param_spool").parse::<u64>().unwrap();
            let known = self.inner.lock().unwrap().spools.get(&spool).copied().unwrap_or_default();
            return ok(&format!("{}\n", serde_json::to_string(&known).unwrap()));
        }
        let inner = self.inner.lock().unwrap();
        let found = if text.contains("system.processes") {
            let token = field(&text, "param_token");
            inner.running.iter().filter(|running| running.starts_with(&token)).count()
        } else if text.contains("count() AS value FROM `tallies`") {
            let batches = field(&text, "param_batches");
            let batches = batches.trim_matches(['[', ']']).split(',').map(|value| value.parse::<u64>().unwrap());
            batches.map(|batch| inner.rows.get(&batch).map_or(0, Vec::len)).sum::<usize>()
        } else {
            panic!("the fake vault does not understand: {text}");
        };
        ok(&format!("{{\"value\":{found}}}\n"))
    }

    async fn insert(&self, body: &[u8], token: String) -> Result<Response<Full<Bytes>>, BrokenOnPurpose> {
        let rows = decode(body);
        let fault = {
            let mut inner = self.inner.lock().unwrap();
            inner.inserts += 1;
            let poison = inner.poison.clone();
            if rows.iter().any(|row| poison.as_ref() == Some(&row.reason)) {
                return error(27, &format!("Cannot parse input near: '{}'", poison.unwrap_or_default()));
            }
            inner.faults.pop_front().unwrap_or(Fault::None)
        };
        let commit = || {
            let mut inner = self.inner.lock().unwrap();
            if inner.tokens.insert(token.clone()) {
                for row in &rows {
                    inner.rows.entry(row.batch).or_default().push(row.count);
                }
            }
        };
        match fault {
            Fault::None => {
                commit();
                ok("")
            }
            Fault::StoreThenBreak => {
                commit();
                Err(BrokenOnPurpose)
            }
            Fault::Break => Err(BrokenOnPurpose),
            Fault::StoreThen500 => {
                commit();
                Ok(Response::builder().status(500).body(Full::default()).unwrap())
            }
            Fault::Memory => error(241, "Memory limit exceeded"),
            Fault::Hang => {
                tokio::time::sleep(Duration::from_secs(3600)).await;
                Err(BrokenOnPurpose)
            }
            Fault::Slow => {
                self.inner.lock().unwrap().running.push(token.clone());
                let (vault, token, rows) = (self.clone(), token.clone(), rows.clone());
                tokio::spawn(async move {
                    tokio::time::sleep(Duration::from_millis(200)).await;
                    let mut inner = vault.inner.lock().unwrap();
                    inner.running.retain(|running| *running != token);
                    if inner.tokens.insert(token) {
                        for row in &rows {
                            inner.rows.entry(row.batch).or_default().push(row.count);
                        }
                    }
                });
                Err(BrokenOnPurpose)
            }
            Fault::Burn => {
                self.inner.lock().unwrap().tokens.insert(token.clone());
                Err(BrokenOnPurpose)
            }
        }
    }
}

#[derive(Clone)]
struct Row {
    batch: u64,
    reason: String,
    count: u32,
}

/// The rows of a body: batch, site, day, hour, reason, count.
fn decode(mut body: &[u8]) -> Vec<Row> {
    fn take<'a>(body: &mut &'a [u8], length: usize) -> &'a [u8] {
        let (head, tail) = body.split_at(length);
        *body = tail;
        head
    }
    let mut rows = Vec::new();
    while !body.is_empty() {
        let batch = u64::from_le_bytes(take(&mut body, 8).try_into().unwrap());
        let site = take(&mut body, 1)[0];
        take(&mut body, usize::from(site) + 2 + 4);
        let reason = take(&mut body, 1)[0];
        let reason = String::from_utf8(take(&mut body, usize::from(reason)).to_vec()).unwrap();
        let count = u32::from_le_bytes(take(&mut body, 4).try_into().unwrap());
        rows.push(Row { batch, reason, count });
    }
    rows
}

/// A field of a multipart form.
fn field(form: &str, name: &str) -> String {
    let (_, rest) = form.split_once(&format!("name=\"{name}\"")).unwrap_or_else(|| panic!("{name} in {form}"));
    let (_, rest) = rest.split_once("\r\n\r\n").unwrap();
    rest.split("\r\n").next().unwrap().to_owned()
}

fn ok(body: &str) -> Result<Response<Full<Bytes>>, BrokenOnPurpose> {
    Ok(Response::new(Full::from(body.to_owned())))
}

fn error(code: u32, text: &str) -> Result<Response<Full<Bytes>>, BrokenOnPurpose> {
    let body = format!("Code: {code}. DB::Exception: {text} (version 26.7.2.1)\n");
    let response = Response::builder().status(500).header("X-ClickHouse-Exception-Code", code);
    Ok(response.body(Full::from(body)).unwrap())
}

/// Makes hyper end the connection without an answer.
#[derive(Debug)]
pub(crate) struct BrokenOnPurpose;

impl std::fmt::Display for BrokenOnPurpose {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.write_str("broken on purpose")
    }
}

impl std::error::Error for BrokenOnPurpose {}

impl From<Infallible> for BrokenOnPurpose {
    fn from(never: Infallible) -> Self {
        match never {}
    }
}

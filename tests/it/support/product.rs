//! The product as a user runs it: the program `tamga`, its engines beside it, free ports, a folder of its own.
//!
//! It is killed when it is dropped, and its engines follow it. Its log is kept, and shown when it does not do what it should.

use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::Mutex;
use std::time::{Duration, Instant};

use bytes::Bytes;
use http::{Request, StatusCode};
use http_body_util::{BodyExt as _, Full};
use hyper_util::client::legacy::Client as HttpClient;
use hyper_util::rt::TokioExecutor;
use rustix::process::{Pid, Signal, kill_process};
use serde::de::DeserializeOwned;
use tempfile::TempDir;

use super::engine::{USER, library};
use super::ports;

/// Ports of one product: collector and vault engine; admin listener and stats engine have the next ones.
#[derive(Clone, Copy)]
pub(crate) struct Ports {
    pub(crate) collector: u16,
    pub(crate) engine: u16,
}

/// A running product.
pub(crate) struct Product {
    child: Child,
    arguments: Vec<String>,
    pub(crate) ports: Ports,
    pub(crate) data: PathBuf,
    log: PathBuf,
    keys: PathBuf,
    /// What an engine refused last.
    refused: Mutex<String>,
}

impl Ports {
    /// Two pairs of neighbours that nobody listens on just now.
    pub(crate) fn free() -> Self {
        Self { collector: ports::pair(), engine: ports::pair() }
    }

    /// A folder for keys, which must be in memory: apart from others by its port.
    pub(crate) fn keys(self) -> PathBuf {
        PathBuf::from(format!("/dev/shm/tamga-test-{}-{}", rustix::process::getuid().as_raw(), self.collector))
    }
}

impl Product {
    /// `tamga demo` with so many visitors a day.
    pub(crate) fn demo(folder: &TempDir, visitors: u32) -> Self {
        let ports = Ports::free();
        let data = folder.path().join("demo");
        let keys =
            PathBuf::from(format!("/dev/shm/tamga-demo-{}-{}", rustix::process::getuid().as_raw(), ports.collector));
        let arguments = [
            "demo".to_owned(),
            format!("--data={}", data.display()),
            format!("--port={}", ports.collector),
            format!("--engine-port={}", ports.engine),
            format!("--visitors={visitors}"),
            format!("--library={}", library().display()),
        ];
        Self::spawn(folder.path(), arguments.into(), ports, data, keys)
    }

    /// `tamga serve` with this configuration, which names `folder/data` and [`Ports::keys`].
    pub(crate) fn serve(folder: &TempDir, config: &Path, ports: Ports) -> Self {
        let arguments = ["serve".to_owned(), format!("--config={}", config.display())];
        Self::spawn(folder.path(), arguments.into(), ports, folder.path().join("data"), ports.keys())
    }

    fn spawn(folder: &Path, arguments: Vec<String>, ports: Ports, data: PathBuf, keys: PathBuf) -> Self {
        let log = folder.join("log");
        Self { child: start(&arguments, &log), arguments, ports, data, log, keys, refused: Mutex::default() }
    }

    /// SIGKILL, to the collector alone.
    pub(crate) fn kill(&mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }

    /// The same once more, after [`Product::kill`]: same ports, data and keys.
    pub(crate) fn start_again(&mut self) {
        self.child = start(&self.arguments, &self.log);
    }

    pub(crate) fn pid(&self) -> u32 {
        self.child.id()
    }

    /// What it has said so far, on both outputs.
    pub(crate) fn log(&self) -> String {
        fs::read_to_string(&self.log).unwrap_or_default()
    }

    /// The end of that, for a test that fails.
    pub(crate) fn last_words(&self) -> String {
        let log = self.log();
        let lines: Vec<_> = log.lines().collect();
        lines[lines.len().saturating_sub(60)..].join("\n")
    }

    /// Waits until the answer is something. A product that ends before, or takes too long, fails the test with its log.
    pub(crate) async fn until<T>(
        &mut self,
        what: &str,
        limit: Duration,
        mut ask: impl AsyncFnMut(&Self) -> Option<T>,
    ) -> T {
        let since = Instant::now();
        loop {
            if let Some(answer) = ask(self).await {
                return answer;
            }
            let ended = self.child.try_wait().unwrap();
            assert!(ended.is_none(), "{what}: the product has ended ({ended:?}):\n{}", self.last_words());
            assert!(
                since.elapsed() < limit,
                "{what}: not within {limit:?}; {}:\n{}",
                self.refused.lock().unwrap(),
                self.last_words()
            );
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }

    /// Waits until beacons are taken.
    pub(crate) async fn takes_beacons(&mut self) {
        self.until("beacons are taken", Duration::from_secs(60), async |product| {
            let answer = get(product.ports.collector + 1, "/readyz").await?;
            (answer.0 == StatusCode::OK).then_some(())
        })
        .await;
    }

    /// A value of `/metrics`, by its name with its labels.
    pub(crate) async fn metric(&self, name: &str) -> Option<u64> {
        let (_, text) = get(self.ports.collector + 1, "/metrics").await?;
        let line = text.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(' '))?;
        line.parse().ok()
    }

    /// Whether everything that was taken is in the vault, and not merely out of the spool.
    pub(crate) async fn is_drained(&self) -> bool {
        let (accepted, found) = (self.metric("tamga_rows_accepted_total").await, self.metric("tamga_rows_found").await);
        let taken = accepted.zip(found).map(|(accepted, found)| accepted + found);
        taken.is_some() && taken == self.metric("tamga_rows_stored").await
    }

    /// Rows of the vault, an object each. `None` while its engine is away, or its tables are not there yet.
    pub(crate) async fn vault<T: DeserializeOwned>(&self, sql: &str) -> Option<Vec<T>> {
        self.ask(self.ports.engine, "tamga_vault", sql).await
    }

    /// Rows of the stats store, likewise.
    pub(crate) async fn stats<T: DeserializeOwned>(&self, sql: &str) -> Option<Vec<T>> {
        self.ask(self.ports.engine + 1, "tamga_stats", sql).await
    }

    async fn ask<T: DeserializeOwned>(&self, port: u16, database: &str, sql: &str) -> Option<Vec<T>> {
        let password = fs::read_to_string(self.data.join("engine/service.password")).ok()?;
        let request = Request::post(format!("http://127.0.0.1:{port}/?database={database}"))
            .header("X-ClickHouse-User", USER)
            .header("X-ClickHouse-Key", password.trim())
            .header("X-ClickHouse-Format", "JSONEachRow")
            .body(Full::from(sql.to_owned()))
            .unwrap();
        let (status, text) = send(request).await?;
        if status != StatusCode::OK {
            // Tables that are not made yet, an engine on its way out: passing. What lasts is told by who waits for it.
            *self.refused.lock().unwrap() = format!("{sql}: {status} {text}");
            return None;
        }
        Some(
            text.lines()
                .map(|line| serde_json::from_str(line).unwrap_or_else(|error| panic!("{line}: {error}")))
                .collect(),
        )
    }

    /// The engine of this name (`vault` or `stats`), if it runs.
    pub(crate) fn engine(&self, name: &str) -> Option<u32> {
        let folder = self.data.join("engine").join(name);
        children(self.pid()).into_iter().find(|pid| {
            let line = fs::read(format!("/proc/{pid}/cmdline")).unwrap_or_default();
            line.split(|byte| *byte == 0).any(|word| word == folder.as_os_str().as_encoded_bytes())
        })
    }

    /// Both engines, those that run.
    pub(crate) fn engines(&self) -> Vec<u32> {
        ["vault", "stats"].iter().filter_map(|name| self.engine(name)).collect()
    }

    /// SIGTERM; says how it ended and how long that took.
    pub(crate) fn terminate(&mut self) -> (ExitStatus, Duration) {
        let since = Instant::now();
        kill_process(Pid::from_child(&self.child), Signal::TERM).unwrap();
        loop {
            if let Some(status) = self.child.try_wait().unwrap() {
                return (status, since.elapsed());
            }
            assert!(since.elapsed() < Duration::from_secs(30), "it does not stop:\n{}", self.last_words());
            std::thread::sleep(Duration::from_millis(10));
        }
    }
}

fn start(arguments: &[String], log: &Path) -> Child {
    let out = File::options().create(true).append(true).open(log).unwrap();
    Command::new(env!("CARGO_BIN_EXE_tamga"))
        .args(arguments)
        .stdin(Stdio::null())
        .stdout(out.try_clone().unwrap())
        .stderr(out)
        .spawn()
        .unwrap()
}

impl Drop for Product {
    fn drop(&mut self) {
        let engines = self.engines();
        let _ = self.child.kill();
        let _ = self.child.wait();
        // Otherwise they would write into a folder that is being removed.
        assert!(gone(&engines, Duration::from_secs(20)) || std::thread::panicking(), "engines outlive the product");
        let _ = fs::remove_dir_all(&self.keys);
    }
}

/// Whether these processes end in time.
pub(crate) fn gone(pids: &[u32], limit: Duration) -> bool {
    let since = Instant::now();
    while pids.iter().any(|pid| is_running(*pid)) {
        if since.elapsed() > limit {
            return false;
        }
        std::thread::sleep(Duration::from_millis(10));
    }
    true
}

/// Whether a process runs; one that has ended and was not waited for does not.
fn is_running(pid: u32) -> bool {
    state_and_parent(pid).is_some_and(|(state, _)| state != 'Z')
}

/// The processes that this one has started, also those that it forgot to wait for.
pub(crate) fn children(parent: u32) -> Vec<u32> {
    let pids = fs::read_dir("/proc").unwrap().filter_map(|entry| entry.ok()?.file_name().to_str()?.parse().ok());
    pids.filter(|pid| state_and_parent(*pid).is_some_and(|(_, found)| found == parent)).collect()
}

fn state_and_parent(pid: u32) -> Option<(char, u32)> {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    // The name stands in brackets and may hold anything.
    let mut fields = stat.rsplit_once(") ")?.1.split(' ');
    Some((fields.next()?.chars().next()?, fields.next()?.parse().ok()?))
}

/// `GET` of a path on a port of this machine; `None` when nobody answers.
pub(crate) async fn get(port: u16, path: &str) -> Option<(StatusCode, String)> {
    send(Request::get(format!("http://127.0.0.1:{port}{path}")).body(Full::default()).unwrap()).await
}

async fn send(request: Request<Full<Bytes>>) -> Option<(StatusCode, String)> {
    let client: HttpClient<_, Full<Bytes>> = HttpClient::builder(TokioExecutor::new()).build_http();
    let (head, body) = client.request(request).await.ok()?.into_parts();
    let body = body.collect().await.ok()?.to_bytes();
    Some((head.status, String::from_utf8_lossy(&body).into_owned()))
}

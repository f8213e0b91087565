//! The product as a user runs it: the program `tamga` with its engines, free ports, its own folder.
//!
//! It is killed when it is dropped, and its engines end with it. A test that fails shows its log.

use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::{Arc, Mutex};
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
use super::{ports, programs, wait};

/// Ports of one product: of the collector and the vault engine. Admin listener and stats engine have the next ones.
#[derive(Clone, Copy)]
pub(crate) struct Ports {
    pub(crate) collector: u16,
    pub(crate) engine: u16,
}

/// A running product.
pub(crate) struct Product {
    child: Child,
    program: &'static Path,
    arguments: Vec<String>,
    pub(crate) ports: Ports,
    pub(crate) data: PathBuf,
    log: PathBuf,
    keys: PathBuf,
    /// The last refusal of an engine.
    refused: Arc<Mutex<String>>,
}

impl Ports {
    /// Two pairs of neighbouring free ports.
    pub(crate) fn free() -> Self {
        Self { collector: ports::pair(), engine: ports::pair() }
    }

    /// A folder for keys, which must be in memory. Its name contains the port, so that no other product uses it.
    pub(crate) fn keys(self) -> PathBuf {
        PathBuf::from(format!("/dev/shm/tamga-test-{}-{}", rustix::process::getuid().as_raw(), self.collector))
    }
}

impl Product {
    /// `tamga-demo` with this number of visitors a day, and of days.
    pub(crate) fn demo(folder: &TempDir, visitors: u32, days: u32) -> Self {
        let ports = Ports::free();
        let data = folder.path().join("demo");
        let keys =
            PathBuf::from(format!("/dev/shm/tamga-demo-{}-{}", rustix::process::getuid().as_raw(), ports.collector));
        let arguments = [
            format!("--data={}", data.display()),
            format!("--port={}", ports.collector),
            format!("--engine-port={}", ports.engine),
            format!("--visitors={visitors}"),
            format!("--days={days}"),
            format!("--library={}", library().display()),
        ];
        Self::spawn(programs::demo(), folder.path(), arguments.into(), ports, data, keys)
    }

    /// `tamga serve` with this configuration, which names `folder/data` and [`Ports::keys`].
    pub(crate) fn serve(folder: &TempDir, config: &Path, ports: Ports) -> Self {
        let arguments = ["serve".to_owned(), format!("--config={}", config.display())];
        let data = folder.path().join("data");
        Self::spawn(programs::tamga(), folder.path(), arguments.into(), ports, data, ports.keys())
    }

    fn spawn(
        program: &'static Path,
        folder: &Path,
        arguments: Vec<String>,
        ports: Ports,
        data: PathBuf,
        keys: PathBuf,
    ) -> Self {
        let log = folder.join("log");
        Self {
            child: start(program, &arguments, &log),
            program,
            arguments,
            ports,
            data,
            log,
            keys,
            refused: Arc::default(),
        }
    }

    /// SIGKILL, to the collector alone.
    pub(crate) fn kill(&mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }

    /// Starts it again after [`Product::kill`], with the same ports, data and keys.
    pub(crate) fn start_again(&mut self) {
        self.child = start(self.program, &self.arguments, &self.log);
    }

    pub(crate) fn pid(&self) -> u32 {
        self.child.id()
    }

    /// Its output so far, of both streams.
    pub(crate) fn log(&self) -> String {
        fs::read_to_string(&self.log).unwrap_or_default()
    }

    /// The end of the output, for a test that fails.
    pub(crate) fn log_end(&self) -> String {
        log_end(&self.log)
    }

    /// Waits until `ask` returns something. If the product ends before, or it takes too long, the test fails with the
    /// log.
    pub(crate) async fn until<T>(
        &mut self,
        what: &str,
        limit: Duration,
        mut ask: impl AsyncFnMut(&Self) -> Option<T>,
    ) -> T {
        let log = self.log.clone();
        let refused = Arc::clone(&self.refused);
        let why = || format!("{what}: {}:\n{}", refused.lock().unwrap(), log_end(&log));
        let look = async || {
            let found = ask(self).await;
            let ended = self.child.try_wait().unwrap();
            assert!(found.is_some() || ended.is_none(), "the product has ended ({ended:?}): {}", why());
            found
        };
        wait::until(limit, look, why).await
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

    /// Whether every accepted row is in the vault, and not only out of the spool.
    pub(crate) async fn is_drained(&self) -> bool {
        let (accepted, found) = (self.metric("tamga_rows_accepted_total").await, self.metric("tamga_rows_found").await);
        let all = accepted.zip(found).map(|(accepted, found)| accepted + found);
        all.is_some() && all == self.metric("tamga_rows_stored").await
    }

    /// Rows of the vault, one object each. `None` while its engine is away, or its tables do not exist yet.
    pub(crate) async fn vault<T: DeserializeOwned>(&self, sql: &str) -> Option<Vec<T>> {
        self.ask(self.ports.engine, "tamga_vault", sql).await
    }

    /// Rows of the stats store, one object each. `None` as for the vault.
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
            // Tables may not exist yet, or the engine may be stopping. If it lasts, `until` shows it.
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

    /// The engines that run.
    pub(crate) fn engines(&self) -> Vec<u32> {
        ["vault", "stats"].iter().filter_map(|name| self.engine(name)).collect()
    }

    /// Sends SIGTERM. Returns the exit status and how long the end took.
    pub(crate) fn terminate(&mut self) -> (ExitStatus, Duration) {
        let since = Instant::now();
        kill_process(Pid::from_child(&self.child), Signal::TERM).unwrap();
        let (child, log) = (&mut self.child, &self.log);
        let why = || format!("it does not stop:\n{}", log_end(log));
        let status = wait::blocking(Duration::from_secs(30), || child.try_wait().unwrap(), why);
        (status, since.elapsed())
    }
}

fn log_end(path: &Path) -> String {
    let log = fs::read_to_string(path).unwrap_or_default();
    let lines: Vec<_> = log.lines().collect();
    lines[lines.len().saturating_sub(60)..].join("\n")
}

fn start(program: &Path, arguments: &[String], log: &Path) -> Child {
    let out = File::options().create(true).append(true).open(log).unwrap();
    Command::new(program)
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
        // Otherwise the engines would write into a folder that is being removed.
        assert!(gone(&engines, Duration::from_secs(20)) || std::thread::panicking(), "engines outlive the product");
        let _ = fs::remove_dir_all(&self.keys);
    }
}

/// Whether these processes end in time.
pub(crate) fn gone(pids: &[u32], limit: Duration) -> bool {
    let since = Instant::now();
    while pids.iter().any(|pid| is_running(*pid)) && since.elapsed() <= limit {
        std::thread::sleep(Duration::from_millis(10));
    }
    !pids.iter().any(|pid| is_running(*pid))
}

/// Whether a process runs. A zombie does not.
fn is_running(pid: u32) -> bool {
    state_and_parent(pid).is_some_and(|(state, _)| state != 'Z')
}

/// The processes that this one has started, with zombies.
pub(crate) fn children(parent: u32) -> Vec<u32> {
    let pids = fs::read_dir("/proc").unwrap().filter_map(|entry| entry.ok()?.file_name().to_str()?.parse().ok());
    pids.filter(|pid| state_and_parent(*pid).is_some_and(|(_, found)| found == parent)).collect()
}

fn state_and_parent(pid: u32) -> Option<(char, u32)> {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    // The name is in brackets and may contain any character.
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

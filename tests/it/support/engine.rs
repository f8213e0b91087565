//! An embedded engine for tests: the real program, its own folder, a free port.
//!
//! It stops when it is dropped. It also stops when the test process ends in another way, because its standard input
//! ends.

use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::{SocketAddr, TcpStream};
use std::os::unix::process::ExitStatusExt as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::{Arc, Mutex, OnceLock, PoisonError, Weak};
use std::time::{Duration, Instant};

use super::programs;
use bytes::Bytes;
use http::{HeaderMap, Request, StatusCode};
use http_body_util::{BodyExt as _, Full};
use hyper_util::client::legacy::Client as HttpClient;
use hyper_util::rt::TokioExecutor;
use tamga::clock::Clock;
use tamga::store::{self, Limits, STATS, STATS_MIGRATIONS, Store};
use tempfile::TempDir;

use super::wait;

pub(crate) const USER: &str = "tamga";
pub(crate) const PASSWORD: &str = "a password of the tests";
pub(crate) const ANALYST_PASSWORD: &str = "password-of-analysts";

/// A running engine.
pub(crate) struct Engine {
    child: Child,
    pub(crate) address: SocketAddr,
    pub(crate) version: String,
    /// The listener for other machines.
    pub(crate) tls: Option<SocketAddr>,
    folder: Arc<TempDir>,
}

/// A complete answer.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) status: StatusCode,
    pub(crate) headers: HeaderMap,
    pub(crate) body: Bytes,
}

impl Answer {
    pub(crate) fn text(&self) -> &str {
        std::str::from_utf8(&self.body).unwrap()
    }

    pub(crate) fn header(&self, name: &str) -> &str {
        self.headers.get(name).unwrap_or_else(|| panic!("no header {name}")).to_str().unwrap()
    }
}

impl Engine {
    /// An engine on an empty folder.
    pub(crate) fn start() -> Self {
        Self::start_in(Arc::new(tempfile::tempdir().unwrap()))
    }

    /// An engine on an empty folder that admits analysts.
    pub(crate) fn start_for_analysts() -> Self {
        Self::start_for_analysts_with(&[])
    }

    /// The same with more arguments.
    pub(crate) fn start_for_analysts_with(arguments: &[&str]) -> Self {
        let folder = Arc::new(tempfile::tempdir().unwrap());
        let mut command = command_for_analysts(folder.path());
        command.args(arguments);
        Self::spawn(command, folder)
    }

    /// An engine on a folder that may hold data.
    pub(crate) fn start_in(folder: Arc<TempDir>) -> Self {
        Self::spawn(command(folder.path()), folder)
    }

    pub(crate) fn spawn(mut command: Command, folder: Arc<TempDir>) -> Self {
        let mut child = command.spawn().unwrap();
        let mut line = String::new();
        BufReader::new(child.stdout.as_mut().unwrap()).read_line(&mut line).unwrap();
        let Ok(announced) = serde_json::from_str::<serde_json::Value>(&line) else {
            let mut reason = String::new();
            child.stderr.take().unwrap().read_to_string(&mut reason).unwrap();
            panic!("the engine did not start: {reason}");
        };
        drain(&mut child);
        let address = announced["listening"].as_str().unwrap().parse().unwrap();
        let tls = announced["tls"].as_str().map(|address| address.parse().unwrap());
        Self { child, address, version: announced["version"].as_str().unwrap().to_owned(), tls, folder }
    }

    /// The engine that tests share. Each test uses its own database in it.
    pub(crate) fn shared() -> Arc<Self> {
        static SHARED: Mutex<Weak<Engine>> = Mutex::new(Weak::new());
        let mut shared = SHARED.lock().unwrap_or_else(PoisonError::into_inner);
        shared.upgrade().unwrap_or_else(|| {
            let engine = Arc::new(Self::start());
            *shared = Arc::downgrade(&engine);
            engine
        })
    }

    pub(crate) fn folder(&self) -> Arc<TempDir> {
        Arc::clone(&self.folder)
    }

    pub(crate) fn pid(&self) -> u32 {
        self.child.id()
    }

    pub(crate) fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// The official client, as the product uses it.
    pub(crate) fn client(&self) -> clickhouse::Client {
        clickhouse::Client::default().with_url(self.url()).with_user(USER).with_password(PASSWORD)
    }

    /// Makes an empty database and returns its name.
    pub(crate) async fn database(&self, name: &str) -> String {
        self.sql(&format!("CREATE DATABASE {name}")).await;
        name.to_owned()
    }

    /// The stats tables with some numbers of a month, for analysts to ask for.
    pub(crate) async fn publish_made_up_numbers(&self) {
        let store = Store::new(&self.url(), USER, PASSWORD, STATS, Limits::default()).unwrap();
        store::apply(&store, STATS_MIGRATIONS, &Clock::machine()).await.unwrap();
        for sql in [
            "INSERT INTO tamga_stats.site (site, window_start, window_end, views, visits, visitors) \
             SELECT 'a.kz', now() - toIntervalDay(number), now() - toIntervalDay(number) + 86400, 500, if(number % 2, 100, NULL), 80 FROM numbers(30)",
            "INSERT INTO tamga_stats.pages (site, window_start, window_end, path, views, visitors) \
             SELECT 'a.kz', now() - toIntervalDay(number % 30), now(), concat('/', toString(number % 7)), number * 5, 15 FROM numbers(210)",
        ] {
            self.sql(sql).await;
        }
    }

    /// Runs a statement that must succeed, and returns the answer's text without the last line end.
    pub(crate) async fn sql(&self, sql: &str) -> String {
        let answer = self.post("/", sql.to_owned()).await;
        assert_eq!(answer.status, StatusCode::OK, "{sql}: {}", answer.text());
        answer.text().trim_end().to_owned()
    }

    /// `POST`, as the service account.
    pub(crate) async fn post(&self, target: &str, body: impl Into<Bytes>) -> Answer {
        self.send(self.request("POST", target).body(Full::new(body.into())).unwrap()).await
    }

    /// `GET`, as the service account.
    pub(crate) async fn get(&self, target: &str) -> Answer {
        self.send(self.request("GET", target).body(Full::default()).unwrap()).await
    }

    /// `POST`, as the analyst.
    pub(crate) async fn ask(&self, target: &str, body: impl Into<Bytes>) -> Answer {
        self.send(self.analyst(target).body(Full::new(body.into())).unwrap()).await
    }

    pub(crate) fn analyst(&self, target: &str) -> http::request::Builder {
        self.person(target, ("analyst", ANALYST_PASSWORD))
    }

    /// A `POST` of the account with this name and password.
    pub(crate) fn person(&self, target: &str, (name, password): (&str, &str)) -> http::request::Builder {
        Request::post(format!("{}{target}", self.url()))
            .header("X-ClickHouse-User", name)
            .header("X-ClickHouse-Key", password)
    }

    pub(crate) fn request(&self, method: &str, target: &str) -> http::request::Builder {
        Request::builder()
            .method(method)
            .uri(format!("{}{target}", self.url()))
            .header("X-ClickHouse-User", USER)
            .header("X-ClickHouse-Key", PASSWORD)
    }

    pub(crate) async fn send(&self, request: Request<Full<Bytes>>) -> Answer {
        let client: HttpClient<_, Full<Bytes>> = HttpClient::builder(TokioExecutor::new()).build_http();
        let (head, body) = client.request(request).await.unwrap().into_parts();
        Answer { status: head.status, headers: head.headers, body: body.collect().await.unwrap().to_bytes() }
    }

    /// Whether the answer to a statement of the service is complete, and its text. An answer that breaks off is not
    /// complete.
    pub(crate) async fn attempt(&self, sql: &str) -> (bool, String) {
        let request = self.request("POST", "/").body(Full::new(Bytes::from(sql.to_owned()))).unwrap();
        let client: HttpClient<_, Full<Bytes>> = HttpClient::builder(TokioExecutor::new()).build_http();
        let Ok(answer) = client.request(request).await else { panic!("the engine is not there for: {sql}") };
        let (head, mut body) = answer.into_parts();
        let (mut whole, mut text) = (head.status == StatusCode::OK, Vec::new());
        while let Some(frame) = body.frame().await {
            match frame.map(|frame| frame.into_data()) {
                Ok(Ok(data)) => text.extend_from_slice(&data),
                Ok(Err(_)) => {}
                Err(_) => whole = false,
            }
        }
        (whole, String::from_utf8_lossy(&text).into_owned())
    }

    /// A plain connection, for bytes that no client would send.
    pub(crate) fn connect(&self) -> TcpStream {
        let stream = TcpStream::connect(self.address).unwrap();
        stream.set_read_timeout(Some(Duration::from_secs(30))).unwrap();
        stream
    }

    /// Sends bytes and reads until the engine closes the connection.
    pub(crate) fn raw(&self, bytes: &[u8]) -> String {
        let mut stream = self.connect();
        // The engine may close the connection during the write.
        let _ = stream.write_all(bytes);
        let mut answer = Vec::new();
        let _ = stream.read_to_end(&mut answer);
        String::from_utf8_lossy(&answer).into_owned()
    }

    /// Closes standard input, as the end of the parent does. Returns how long the engine took to stop.
    pub(crate) fn abandon(mut self) -> Duration {
        let since = Instant::now();
        drop(self.child.stdin.take());
        ended(&mut self.child);
        since.elapsed()
    }

    /// Waits for the engine to end by itself.
    pub(crate) fn wait_for_end(mut self) {
        ended(&mut self.child);
    }

    /// The signal that ends the engine, or 0 if it ends in another way. `None`: it does not end, and is killed.
    pub(crate) fn signal_of_end(mut self) -> Option<i32> {
        let since = Instant::now();
        while since.elapsed() < Duration::from_secs(20) {
            if let Some(status) = self.child.try_wait().unwrap() {
                return Some(status.signal().unwrap_or(0));
            }
            std::thread::sleep(Duration::from_millis(10));
        }
        None
    }

    /// Stops the engine with SIGKILL.
    pub(crate) fn kill(mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }

    /// Stops the engine with SIGTERM. Whether it exited with 0.
    pub(crate) fn terminate(mut self) -> bool {
        let pid = rustix::process::Pid::from_child(&self.child);
        rustix::process::kill_process(pid, rustix::process::Signal::TERM).unwrap();
        ended(&mut self.child)
    }

    /// The maximum of its resident memory begins anew.
    pub(crate) fn forget_peak(&self) {
        std::fs::write(format!("/proc/{}/clear_refs", self.pid()), "5").unwrap();
    }

    /// Resident memory now, and its maximum so far, in MiB.
    pub(crate) fn resident_mib(&self) -> (u64, u64) {
        let status = std::fs::read_to_string(format!("/proc/{}/status", self.pid())).unwrap();
        let field = |name: &str| {
            let line = status.lines().find_map(|line| line.strip_prefix(name)).unwrap();
            line.trim().trim_end_matches(" kB").parse::<u64>().unwrap() / 1024
        };
        (field("VmRSS:"), field("VmHWM:"))
    }
}

impl Drop for Engine {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// The engine's command line for a folder: free port, password file beside the data, everything piped.
pub(crate) fn command(folder: &Path) -> Command {
    let password = folder.join("service.password");
    std::fs::write(&password, format!("{PASSWORD}\n")).unwrap();
    let mut command = Command::new(programs::engine());
    command
        .args(["--listen", "127.0.0.1:0", "--stop-with-parent", "--path"])
        .arg(folder.join("data"))
        .arg("--password-file")
        .arg(password)
        .env("TAMGA_ENGINE_LIBRARY", library())
        .env("TAMGA_ENGINE_LOG", "debug")
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped());
    command
}

/// The same for an engine that admits analysts.
pub(crate) fn command_for_analysts(folder: &Path) -> Command {
    let password = folder.join("analyst.password");
    std::fs::write(&password, format!("{ANALYST_PASSWORD}\n")).unwrap();
    let mut command = command(folder);
    command.arg("--analyst-password-file").arg(password);
    command
}

/// The engine library. It is fetched if this machine has none.
pub(crate) fn library() -> &'static Path {
    static LIBRARY: OnceLock<PathBuf> = OnceLock::new();
    LIBRARY.get_or_init(|| {
        let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("scripts/engine-library");
        let output = Command::new(script).stderr(Stdio::inherit()).output().unwrap();
        assert!(output.status.success(), "scripts/engine-library failed; its reason is above");
        PathBuf::from(String::from_utf8(output.stdout).unwrap().trim())
    })
}

/// Reads and drops standard error, so that the engine never waits for the test.
fn drain(child: &mut Child) {
    let mut stderr = child.stderr.take().unwrap();
    std::thread::spawn(move || std::io::copy(&mut stderr, &mut std::io::sink()));
}

/// Waits up to 20 seconds for the end. Whether the engine exited with 0.
fn ended(child: &mut Child) -> bool {
    wait::blocking(Duration::from_secs(20), || child.try_wait().unwrap(), || "the engine did not stop".to_owned())
        .success()
}

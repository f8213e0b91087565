//! The programs that are measured: `tamga serve` with its engines, and the afternoon's handler with an engine of its own. Each says how many events are
//! in its store.

use std::fs;
use std::io::{BufRead as _, BufReader, Read as _};
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process};
use serde::Deserialize;
use tamga::store::{Limits, Store};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

use crate::{corpus, machine};

const USER: &str = "tamga";
const PASSWORD: &str = "a password of the benchmark";
const PATIENCE: Duration = Duration::from_secs(60);

/// A program that runs.
pub(crate) struct Program {
    pub(crate) name: &'static str,
    pub(crate) address: SocketAddr,
    counts: Counts,
    /// The first is the one that answers. They are ended in this order.
    children: Vec<Child>,
}

/// Where it is written how many events are stored.
enum Counts {
    /// Metrics at this address.
    Metrics(SocketAddr),
    Table(Box<Store>),
}

/// Starts all of them.
pub(crate) fn start(folder: &Path) -> Vec<Program> {
    vec![tamga(&folder.join("tamga")), afternoon(&folder.join("afternoon"))]
}

/// A program of this build.
fn built(name: &str) -> PathBuf {
    let folder = Path::new(env!("CARGO_BIN_EXE_tamga")).parent().expect("a folder");
    let program = folder.join(name);
    assert!(program.exists(), "{name} is not built: `make bench` does it");
    program
}

fn library() -> PathBuf {
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("scripts/engine-library");
    let output = Command::new(script).output().expect("scripts/engine-library runs");
    PathBuf::from(String::from_utf8_lossy(&output.stdout).trim())
}

fn free_port() -> u16 {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").expect("a port");
    listener.local_addr().expect("an address").port()
}

fn tamga(folder: &Path) -> Program {
    fs::create_dir_all(folder).expect("a folder");
    let [port, admin] = [free_port(), free_port()];
    let geo = Path::new(env!("CARGO_MANIFEST_DIR")).join("crates/demo/geo");
    // Rows wait as long as they do by default, but not for the end of the day.
    let config = corpus::config(1)
        .replace("[server]", &format!("[server]\nlisten = \"127.0.0.1:{port}\"\nadmin_listen = \"127.0.0.1:{admin}\""));
    let config = format!(
        "{config}\n[data]\ndir = \"{folder}/data\"\nspool_quota_mib = 16384\n[keys]\ndir = \"{keys}\"\n\
         [cookie]\nkey_file = \"{folder}/cookie.key\"\n[vault]\nuntil_window_end = false\n\
         [geo]\nplace = [\"{geo}/city-ipv4.mmdb\", \"{geo}/city-ipv6.mmdb\"]\nprovider = [\"{geo}/asn.mmdb\"]\n\
         [engine]\nvault_listen = \"127.0.0.1:0\"\nstats_listen = \"127.0.0.1:0\"\nlibrary = \"{library}\"\n",
        folder = folder.display(),
        keys = machine::keys_folder().display(),
        geo = geo.display(),
        library = library().display(),
    );
    fs::write(folder.join("tamga.toml"), config).expect("a folder");
    fs::write(folder.join("cookie.key"), corpus::COOKIE_KEY).expect("a folder");
    built("tamga-engine");
    let child = Command::new(built("tamga"))
        .args(["serve", "--config"])
        .arg(folder.join("tamga.toml"))
        .env("TAMGA_LOG", "warn")
        .stdin(Stdio::null())
        .spawn()
        .expect("tamga starts");
    let [address, admin] = [port, admin].map(|port| SocketAddr::from(([127, 0, 0, 1], port)));
    let begun = Instant::now();
    while std::net::TcpStream::connect(address).is_err() {
        assert!(begun.elapsed() < PATIENCE, "tamga does not listen; its messages are above");
        std::thread::sleep(Duration::from_millis(100));
    }
    Program { name: "tamga", address, counts: Counts::Metrics(admin), children: vec![child] }
}

fn afternoon(folder: &Path) -> Program {
    fs::create_dir_all(folder).expect("a folder");
    fs::write(folder.join("password"), PASSWORD).expect("a folder");
    let mut engine = Command::new(built("tamga-engine"))
        .args(["--listen", "127.0.0.1:0", "--stop-with-parent", "--path"])
        .arg(folder.join("data"))
        .arg("--password-file")
        .arg(folder.join("password"))
        .env("TAMGA_ENGINE_LIBRARY", library())
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .expect("the engine starts");
    #[derive(Deserialize)]
    struct Announced {
        listening: SocketAddr,
    }
    let announced: Announced =
        serde_json::from_str(&first_line(&mut engine)).expect("the engine says where it listens");
    let url = format!("http://{}", announced.listening);
    let mut child = Command::new(built("afternoon"))
        .args([&url, USER, PASSWORD])
        .stdout(Stdio::piped())
        .spawn()
        .expect("the afternoon's handler starts");
    let address = first_line(&mut child).trim().parse().expect("it says where it listens");
    let store = Store::new(&url, USER, PASSWORD, "default", Limits::default()).expect("a URL");
    Program {
        name: "an afternoon's handler",
        address,
        counts: Counts::Table(Box::new(store)),
        children: vec![child, engine],
    }
}

/// Reads a line, and drops what comes after it.
fn first_line(child: &mut Child) -> String {
    let mut output = BufReader::new(child.stdout.take().expect("piped"));
    let mut line = String::new();
    output.read_line(&mut line).expect("it says where it listens");
    std::thread::spawn(move || output.read_to_end(&mut Vec::new()));
    line
}

impl Program {
    /// Processor seconds of what answers.
    pub(crate) fn front_s(&self) -> f64 {
        machine::cpu_seconds(&[self.children[0].id()])
    }

    /// Processor seconds of its engines.
    pub(crate) fn engines_s(&self) -> f64 {
        self.all_s() - self.front_s()
    }

    fn all_s(&self) -> f64 {
        machine::cpu_seconds(&self.processes())
    }

    fn processes(&self) -> Vec<u32> {
        self.children.iter().flat_map(|child| machine::with_descendants(child.id())).collect()
    }

    /// Of all of its processes.
    pub(crate) fn resident_bytes(&self) -> u64 {
        machine::resident_bytes(&self.processes())
    }

    /// How many events it has received, whether they are stored yet or not. The product keeps only so many named events of a visitor, and the
    /// visitors repeat.
    pub(crate) async fn received(&self) -> u64 {
        match &self.counts {
            Counts::Metrics(admin) => value(&metrics(*admin).await, "tamga_events_received_total"),
            Counts::Table(store) => {
                store.scalar("SELECT count() AS value FROM afternoon", &[]).await.expect("an answer").unwrap_or(0)
            }
        }
    }

    /// Whether so many events can be read, or were left out by a limit. A row that the collector has is in its accounting until the vault has it.
    pub(crate) async fn is_readable(&self, events: u64) -> bool {
        let Counts::Metrics(admin) = &self.counts else { return self.received().await >= events };
        let metrics = metrics(*admin).await;
        let [received, spooled, stored, found, accepted] =
            ["events_received_total", "rows_spooled", "rows_stored", "rows_found", "rows_accepted_total"]
                .map(|name| value(&metrics, &format!("tamga_{name}")));
        received >= events && spooled == 0 && stored == found + accepted
    }
}

/// The value of a metric without labels.
fn value(metrics: &str, name: &str) -> u64 {
    let found = metrics.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(' '));
    found.and_then(|value| value.trim().parse::<u64>().ok()).unwrap_or_else(|| panic!("no {name} in the metrics"))
}

/// The text of the metrics.
async fn metrics(admin: SocketAddr) -> String {
    let get = async || -> std::io::Result<String> {
        let mut stream = TcpStream::connect(admin).await?;
        let request = format!("GET /metrics HTTP/1.1\r\nHost: {admin}\r\nConnection: close\r\n\r\n");
        stream.write_all(request.as_bytes()).await?;
        let mut answer = String::new();
        stream.read_to_string(&mut answer).await?;
        Ok(answer)
    };
    get().await.expect("the collector answers")
}

impl Drop for Program {
    fn drop(&mut self) {
        for child in &mut self.children {
            if let Some(process) = Pid::from_raw(child.id().cast_signed()) {
                let _ = kill_process(process, Signal::TERM);
            }
            let _ = child.wait();
        }
    }
}

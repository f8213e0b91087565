//! The programs under test: a vault's engine that can be killed and started again on the same port, and a collector
//! before it.

use std::fs::File;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process};
use serde::Deserialize;
use tamga::privacy::keys::lasting_keys;
use tamga::record::SCHEMA_VERSION;
use tamga::spool::{self, Recovery};
use tamga::store::{Limits, Store, VAULT};
use tempfile::TempDir;

use super::load::{Connection, Journal};
use super::orders::Orders;
use crate::support::engine::{PASSWORD, USER, library};
use crate::support::ports;
use crate::support::programs;

/// The collector; its engine lies beside it.
fn program() -> PathBuf {
    std::env::var_os("TAMGA_FAULTS_PROGRAM").map_or_else(|| programs::tamga().into(), PathBuf::from)
}

/// An engine that holds both stores.
pub(super) struct Vault {
    folder: PathBuf,
    data: PathBuf,
    pub(super) port: u16,
    child: Option<Child>,
}

impl Vault {
    pub(super) fn new(folder: &Path, data: PathBuf) -> Self {
        std::fs::write(folder.join("service.password"), PASSWORD).unwrap();
        Self { folder: folder.to_owned(), data, port: ports::pair(), child: None }
    }

    /// Starts it if it is down; it is up a second later.
    pub(super) fn start(&mut self, orders: Option<&Orders>) {
        if self.child.is_some() {
            return;
        }
        let mut command = Command::new(program().with_file_name("tamga-engine"));
        command
            .args(["--listen", &format!("127.0.0.1:{}", self.port), "--stop-with-parent", "--path"])
            .arg(&self.data)
            .arg("--password-file")
            .arg(self.folder.join("service.password"))
            .env("TAMGA_ENGINE_LIBRARY", library())
            .stdin(Stdio::piped())
            .stdout(Stdio::null())
            .stderr(File::options().append(true).create(true).open(self.folder.join("engine.log")).unwrap());
        if let Some(orders) = orders {
            orders.attach_to(&mut command);
        }
        self.child = Some(command.spawn().unwrap());
    }

    pub(super) fn is_up(&self) -> bool {
        self.child.is_some()
    }

    /// Stops it with SIGKILL if it is up.
    pub(super) fn kill(&mut self) {
        if let Some(mut child) = self.child.take() {
            child.kill().unwrap();
            child.wait().unwrap();
        }
    }

    /// Waits until it has died of itself.
    pub(super) async fn dead(&mut self) {
        let begun = Instant::now();
        while self.child.as_mut().is_some_and(|child| child.try_wait().unwrap().is_none()) {
            assert!(begun.elapsed() < Duration::from_secs(60), "the engine is not killed");
            tokio::time::sleep(Duration::from_millis(2)).await;
        }
        self.child = None;
    }

    pub(super) async fn ready(&self) {
        let begun = Instant::now();
        while let Err(error) = self.store().ping().await {
            let log = || std::fs::read_to_string(self.folder.join("engine.log")).unwrap_or_default();
            assert!(begun.elapsed() < Duration::from_secs(60), "{error}\n{}", log());
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }

    pub(super) fn url(&self) -> String {
        format!("http://127.0.0.1:{}", self.port)
    }

    pub(super) fn store(&self) -> Store {
        Store::new(&self.url(), USER, PASSWORD, VAULT, Limits::default()).unwrap()
    }

    /// The one number of a query, 0 while there is no answer.
    pub(super) async fn number(&self, sql: &str) -> u64 {
        #[derive(Deserialize)]
        struct Row {
            number: u64,
        }
        self.store().rows::<Row>(sql, &[]).await.ok().and_then(|rows| Some(rows.first()?.number)).unwrap_or(0)
    }
}

impl Drop for Vault {
    fn drop(&mut self) {
        self.kill();
    }
}

/// What the collector's stores are.
pub(super) enum Stores {
    /// [`Laboratory::vault`], for both.
    Vault,
    /// Two engines of its own; [`Laboratory::vault`] looks at what they leave.
    Embedded,
}

/// Everything that one experiment needs.
pub(super) struct Laboratory {
    pub(super) vault: Vault,
    pub(super) journal: Arc<Journal>,
    pub(super) data: PathBuf,
    pub(super) port: u16,
    folder: TempDir,
    /// Day keys live on memory-backed storage, or the collector does not start.
    _keys: TempDir,
}

impl Laboratory {
    /// Nothing runs yet.
    pub(super) fn new(stores: &Stores) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let data = folder.path().join("data");
        Self::with_data(stores, folder, data)
    }

    /// The same with the collector's data elsewhere.
    pub(super) fn with_data(stores: &Stores, folder: TempDir, data: PathBuf) -> Self {
        let vault = match stores {
            Stores::Vault => Vault::new(folder.path(), folder.path().join("engine")),
            Stores::Embedded => Vault::new(folder.path(), data.join("engine/vault")),
        };
        let port = ports::pair();
        let keys = tempfile::tempdir_in("/dev/shm").unwrap();
        let path = folder.path().display();
        let behind = match stores {
            Stores::Embedded => format!(
                "[vault]\nlinger_s = 1\nuntil_window_end = false\n[engine]\nvault_listen = \"127.0.0.1:{}\"\nstats_listen = \"127.0.0.1:{}\"\nlibrary = \"{}\"\n",
                ports::pair(),
                ports::pair(),
                library().display()
            ),
            Stores::Vault => ["[vault]\nlinger_s = 1\nuntil_window_end = false\n", "[stats]\n"]
                .map(|section| {
                    format!(
                        "{section}url = \"{}\"\nuser = \"{USER}\"\npassword_file = \"{path}/service.password\"\n",
                        vault.url()
                    )
                })
                .concat(),
        };
        let config = format!(
            "[server]\nlisten = \"127.0.0.1:{port}\"\nadmin_listen = \"127.0.0.1:{}\"\n\
             [data]\ndir = \"{}\"\nspool_quota_mib = 65536\n[keys]\ndir = \"{}/keys\"\n[publish]\nenabled = false\n\
             {behind}[[site]]\ndomain = \"shop.kz\"\npublic_url = \"https://t.shop.kz\"\norigins = [\"https://shop.kz\"]\n\
             time_zone = \"UTC\"\nprofile = \"jetpay\"\npaths = [\"/e/*\", \"/r/*\"]\n",
            ports::pair(),
            data.display(),
            keys.path().display(),
        );
        std::fs::write(folder.path().join("tamga.toml"), config).unwrap();
        let journal = Arc::new(Journal::new(&folder.path().join("journal")));
        Self { vault, journal, data, port, folder, _keys: keys }
    }

    pub(super) fn folder(&self) -> &Path {
        self.folder.path()
    }

    /// Starts a collector; it takes beacons a moment later.
    pub(super) fn collector(&self, orders: Option<&Orders>) -> Collector {
        let mut command = Command::new(program());
        let log = self.folder().join("collector.log");
        command
            .args(["serve", "--config"])
            .arg(self.folder().join("tamga.toml"))
            .env("NO_COLOR", "1")
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(File::options().append(true).create(true).open(&log).unwrap());
        if let Some(orders) = orders {
            orders.attach_to(&mut command);
        }
        Collector { started: Instant::now(), child: command.spawn().unwrap(), log }
    }

    /// Sends beacons until one is acknowledged. The time from the start of this collector.
    pub(super) async fn taking(&self, collector: &mut Collector) -> Duration {
        loop {
            assert!(collector.started.elapsed() < Duration::from_secs(60), "no beacon is taken\n{}", collector.log());
            assert!(collector.child.try_wait().unwrap().is_none(), "the collector ended\n{}", collector.log());
            if let Ok(mut connection) = Connection::open(self.port).await {
                let (id, body) = self.journal.beacon();
                if connection.send(&body).await.is_ok_and(|status| self.journal.answered(id, status)) {
                    return collector.started.elapsed();
                }
            }
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    }

    /// Opens the spool of a collector that has ended, and says what is in it.
    pub(super) fn look_into_spool(&self) -> Recovery {
        let options = spool::Options::new(64 << 30, SCHEMA_VERSION, self.spool_keys());
        spool::open(&self.data.join("spool"), options, Arc::new(spool::Disk)).unwrap().2
    }

    /// The keys of the collector's spool.
    pub(super) fn spool_keys(&self) -> spool::Keys {
        let mut keys = lasting_keys(&self.folder().join("spool.key")).unwrap();
        spool::Keys::new(keys.remove(0), keys)
    }

    /// Lets everything arrive, ends the collector, and compares the vault with the journal. How many rows there are.
    pub(super) async fn settle_and_compare(&mut self, mut collector: Collector) -> u64 {
        self.vault.start(None);
        // A backlog may be of millions of rows, and the machine busy: only a standstill is a fault.
        let (mut arrived, mut since) = (0, Instant::now());
        loop {
            let acknowledged = self.journal.acknowledged() as u64;
            while arrived < acknowledged {
                let now = self.vault.number("SELECT count() AS number FROM events").await;
                if now > arrived {
                    (arrived, since) = (now, Instant::now());
                }
                assert!(since.elapsed() < Duration::from_secs(180), "rows do not arrive\n{}", collector.log());
                tokio::time::sleep(Duration::from_millis(50)).await;
            }
            // What was never acknowledged may be on its way.
            tokio::time::sleep(Duration::from_millis(1500)).await;
            collector.terminate();
            let left = self.look_into_spool();
            assert!(!left.state_lost && left.quarantined == 0, "{left:?}");
            if left.pending_frames == 0 {
                return self.journal.compare(&self.vault.store()).await;
            }
            collector = self.collector(None);
        }
    }
}

/// A collector that runs.
pub(super) struct Collector {
    child: Child,
    pub(super) started: Instant,
    log: PathBuf,
}

impl Collector {
    pub(super) fn kill(&mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }

    /// Stops it in order. How long that took.
    pub(super) fn terminate(mut self) -> Duration {
        let begun = Instant::now();
        kill_process(Pid::from_child(&self.child), Signal::TERM).unwrap();
        while self.child.try_wait().unwrap().is_none() {
            assert!(begun.elapsed() < Duration::from_secs(60), "it does not stop\n{}", self.log());
            std::thread::sleep(Duration::from_millis(2));
        }
        let status = self.child.wait().unwrap();
        assert!(status.success(), "{status}\n{}", self.log());
        begun.elapsed()
    }

    /// Waits until it has died of itself.
    pub(super) async fn dead(&mut self) {
        let begun = Instant::now();
        while self.child.try_wait().unwrap().is_none() {
            assert!(begun.elapsed() < Duration::from_secs(60), "the collector is not killed\n{}", self.log());
            tokio::time::sleep(Duration::from_millis(2)).await;
        }
    }

    /// Resident memory.
    pub(super) fn resident_kib(&self) -> u64 {
        self.memory_kib("VmRSS:")
    }

    /// Resident memory at its highest.
    pub(super) fn peak_kib(&self) -> u64 {
        self.memory_kib("VmHWM:")
    }

    fn memory_kib(&self, field: &str) -> u64 {
        let status = std::fs::read_to_string(format!("/proc/{}/status", self.child.id())).unwrap();
        let line = status.lines().find_map(|line| line.strip_prefix(field)).unwrap();
        line.trim().trim_end_matches(" kB").parse().unwrap()
    }

    /// The end of what it had to say.
    pub(super) fn log(&self) -> String {
        let text = std::fs::read_to_string(&self.log).unwrap_or_default();
        let lines: Vec<_> = text.lines().collect();
        lines[lines.len().saturating_sub(30)..].join("\n")
    }
}

impl Drop for Collector {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

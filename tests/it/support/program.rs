//! The program `tamga` as a command: arguments, environment, output, exit status. And `tamga serve` with its log.

use std::io::{BufRead as _, BufReader};
use std::net::SocketAddr;
use std::path::Path;
use std::process::{Child, Command, Output, Stdio};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use tempfile::TempDir;

use super::collector::beacon_to;
use super::engine::{Engine, PASSWORD, USER, library};
use super::http::{Answer, Call};
use super::{programs, wait};

/// The longest time that a start or an end may take on a busy machine.
const PATIENCE: Duration = Duration::from_secs(180);

/// Folders and a configuration to run `tamga` with.
pub(crate) struct Ground {
    pub(crate) folder: TempDir,
    pub(crate) keys: TempDir,
}

impl Ground {
    pub(crate) fn new() -> Self {
        let ground = Self { folder: tempfile::tempdir().unwrap(), keys: tempfile::tempdir_in("/dev/shm").unwrap() };
        // The collector makes it with the same mode.
        let closed = std::os::unix::fs::PermissionsExt::from_mode(0o700);
        std::fs::set_permissions(ground.keys.path(), closed).unwrap();
        ground.write("tamga.toml", &ground.config());
        ground
    }

    /// The same with servers in place of the embedded engines.
    pub(crate) fn with_servers(vault: &Engine, stats: &Engine) -> Self {
        let ground = Self::new();
        ground.write("password", PASSWORD);
        let password = ground.folder.path().join("password");
        // The configuration ends with the section of the vault.
        let stores = [("", vault), ("[stats]\n", stats)].map(|(section, engine)| {
            let (url, password) = (engine.url(), password.display());
            format!("{section}url = \"{url}\"\nuser = \"{USER}\"\npassword_file = \"{password}\"\n")
        });
        ground.write("tamga.toml", &(ground.config() + &stores.concat()));
        ground
    }

    /// A valid configuration with free ports.
    pub(crate) fn config(&self) -> String {
        let fixture = |name: &str| format!("{}/crates/demo/geo/{name}", env!("CARGO_MANIFEST_DIR"));
        format!(
            r#"[server]
listen = "127.0.0.1:0"
admin_listen = "127.0.0.1:0"
trusted_proxies = ["127.0.0.0/8"]
head_deadline_s = 1
body_deadline_s = 1

[[site]]
domain = "jetpay.kz"
public_url = "https://t.jetpay.kz"
origins = ["https://jetpay.kz"]
time_zone = "Asia/Almaty"
profile = "jetpay"
paths = ["/", "/tariffs", "/pay/:order", "/docs/*"]
events = ["pay.started"]

[data]
dir = "{data}"

[geo]
place = ["{place}"]
provider = ["{provider}"]

[engine]
vault_listen = "127.0.0.1:0"
stats_listen = "127.0.0.1:0"
library = "{library}"

[keys]
dir = "{keys}"

[vault]
linger_s = 1
until_window_end = false
"#,
            data = self.data().display(),
            place = fixture("city-ipv4.mmdb"),
            provider = fixture("asn.mmdb"),
            library = library().display(),
            keys = self.keys.path().display(),
        )
    }

    /// Rewrites the configuration so that both stores are on a server that does not exist. So rows stay in the spool.
    pub(crate) fn send_stores_away(&self) {
        self.write("password", "x");
        let password = self.folder.path().join("password");
        // The configuration ends with the section of the vault.
        let away = ["", "[stats]\n"].map(|section| {
            let password = password.display();
            format!("{section}url = \"http://127.0.0.1:1\"\nuser = \"tamga\"\npassword_file = \"{password}\"\n")
        });
        self.write("tamga.toml", &(self.config() + &away.concat()));
    }

    pub(crate) fn data(&self) -> std::path::PathBuf {
        self.folder.path().join("data")
    }

    pub(crate) fn write(&self, name: &str, text: &str) {
        std::fs::write(self.folder.path().join(name), text).unwrap();
    }

    /// `tamga` in the folder, without the settings of this process's environment.
    pub(crate) fn command(&self, arguments: &[&str]) -> Command {
        self.prepared(Command::new(programs::tamga()), arguments)
    }

    /// `tamga serve` with at most this many open files; the soft limit is half of that.
    pub(crate) fn serve_with_descriptors(&self, hard: u64) -> Command {
        let script = format!("ulimit -Sn {} && ulimit -Hn {hard} && exec \"$0\" serve --config tamga.toml", hard / 2);
        self.prepared(Command::new("sh"), &["-c", &script, &programs::tamga().to_string_lossy()])
    }

    fn prepared(&self, mut command: Command, arguments: &[&str]) -> Command {
        for (name, _) in std::env::vars().filter(|(name, _)| name.starts_with("TAMGA")) {
            command.env_remove(name);
        }
        command.current_dir(self.folder.path()).args(arguments).stdin(Stdio::null()).stdout(Stdio::piped());
        command.stderr(Stdio::piped());
        command
    }

    /// Runs `tamga` until it ends.
    pub(crate) fn run(&self, arguments: &[&str], environment: &[(&str, &str)]) -> Output {
        let child = self.command(arguments).envs(environment.iter().copied()).spawn().unwrap();
        let (sender, ended) = std::sync::mpsc::channel();
        let pid = rustix::process::Pid::from_child(&child);
        std::thread::spawn(move || sender.send(child.wait_with_output()));
        ended.recv_timeout(PATIENCE).map(Result::unwrap).unwrap_or_else(|_| {
            let _ = rustix::process::kill_process(pid, rustix::process::Signal::KILL);
            panic!("tamga {arguments:?} did not end");
        })
    }
}

/// A running `tamga serve`.
pub(crate) struct Program {
    child: Mutex<Child>,
    /// Its process.
    pid: rustix::process::Pid,
    log: Arc<Mutex<String>>,
    pub(crate) address: SocketAddr,
    pub(crate) admin: SocketAddr,
}

impl Program {
    /// Starts it and waits until it accepts beacons.
    pub(crate) fn serve(ground: &Ground, environment: &[(&str, &str)]) -> Self {
        let arguments = ["serve", "--config", "tamga.toml"];
        Self::watch(ground.command(&arguments).envs(environment.iter().copied()).spawn().unwrap())
    }

    /// Takes over a child that is `tamga serve` and has just begun.
    pub(crate) fn starting(mut child: Child) -> Self {
        let (log, stderr) = (Arc::new(Mutex::new(String::new())), child.stderr.take().unwrap());
        let writing = log.clone();
        std::thread::spawn(move || {
            for line in BufReader::new(stderr).split(b'\n').map_while(Result::ok) {
                let mut log = writing.lock().unwrap();
                log.push_str(&String::from_utf8_lossy(&line));
                log.push('\n');
            }
        });
        let any = ([127, 0, 0, 1], 0).into();
        let pid = rustix::process::Pid::from_child(&child);
        Self { child: child.into(), pid, log, address: any, admin: any }
    }

    /// Takes over a child that is `tamga serve` and waits until it accepts beacons.
    pub(crate) fn watch(child: Child) -> Self {
        let mut program = Self::starting(child);
        let any = program.address;
        let line = program.logged("taking beacons");
        // The public listener may be a unix socket, which has no address.
        let field = |name: &str| {
            let (_, rest) = line.split_once(&format!("{name}=")).unwrap();
            rest.split(' ').next().unwrap().parse().unwrap_or(any)
        };
        (program.address, program.admin) = (field(" address"), field("admin_address"));
        program
    }

    /// Waits for a line of the log that contains these words, and returns the first.
    pub(crate) fn logged(&self, words: &str) -> String {
        let line = || self.log().lines().find(|line| line.contains(words)).map(str::to_owned);
        wait::blocking(PATIENCE, line, || format!("the log never says {words:?}:\n{}", self.log()))
    }

    pub(crate) fn log(&self) -> String {
        self.log.lock().unwrap().clone()
    }

    pub(crate) fn beacon(&self, body: impl Into<Vec<u8>>) -> Call {
        beacon_to(self.address, body)
    }

    /// A request to the admin listener.
    pub(crate) fn operations(&self, target: &str) -> Call {
        Call::new(self.admin, "GET", target).header("Host", &self.admin.to_string())
    }

    /// Sends a request to the admin listener.
    pub(crate) async fn ask(&self, target: &str) -> Answer {
        self.operations(target).send().await
    }

    /// How many file descriptors the process has open.
    pub(crate) fn open_descriptors(&self) -> u64 {
        std::fs::read_dir(format!("/proc/{}/fd", self.pid.as_raw_nonzero())).unwrap().count() as u64
    }

    /// Limits the process's file descriptors to those that are open and this many more.
    pub(crate) fn leave_descriptors(&self, more: u64) {
        let open = self.open_descriptors();
        let limit = rustix::process::Rlimit { current: Some(open + more), maximum: Some(open + more) };
        rustix::process::prlimit(Some(self.pid), rustix::process::Resource::Nofile, limit).unwrap();
    }

    /// One figure of `/metrics`.
    pub(crate) async fn figure(&self, start: &str) -> u64 {
        let text = String::from_utf8(self.ask("/metrics").await.body).unwrap();
        let line = text.lines().find(|line| line.starts_with(start) && !line.starts_with('#'));
        line.map_or(0, |line| line.rsplit(' ').next().unwrap().parse().unwrap())
    }

    /// Sends SIGTERM. Returns the exit status, how long the end took, and the whole log.
    pub(crate) fn terminate(self) -> (Option<i32>, Duration, String) {
        let begun = Instant::now();
        let status = self.signal(rustix::process::Signal::TERM);
        (status.code(), begun.elapsed(), self.log())
    }

    /// Sends a signal that does not end it.
    pub(crate) fn send_signal(&self, signal: rustix::process::Signal) {
        rustix::process::kill_process(self.pid, signal).unwrap();
    }

    /// Sends a signal and waits for the end.
    pub(crate) fn signal(&self, signal: rustix::process::Signal) -> std::process::ExitStatus {
        rustix::process::kill_process(self.pid, signal).unwrap();
        let ended = || self.child.lock().unwrap().try_wait().unwrap();
        let status = wait::blocking(PATIENCE, ended, || format!("it did not stop:\n{}", self.log()));
        // The log's last lines may still be in the pipe.
        std::thread::sleep(Duration::from_millis(50));
        status
    }
}

impl Drop for Program {
    fn drop(&mut self) {
        let child = self.child.get_mut().unwrap();
        let _ = child.kill();
        let _ = child.wait();
    }
}

/// The service's password of embedded engines.
pub(crate) fn password(data: &Path) -> String {
    std::fs::read_to_string(data.join("engine/service.password")).unwrap().trim().to_owned()
}

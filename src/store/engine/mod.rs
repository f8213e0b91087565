//! Keeps one embedded engine running: starts `tamga-engine`, waits until it listens, starts it again when it dies.
//!
//! The engine lives no longer than we do: its standard input is a pipe that ends with this process, and it stops when it
//! does. One that was left by a killed predecessor may take a moment to notice, so a folder or port that is in use at the
//! first start is tried for [`PATIENCE`] before it is an error, and so is an engine that somebody kills while it starts. Any
//! other reason not to start is an error at once, in the engine's own words: a verb reports it, and a running collector makes
//! another supervisor after a while. Once it has been ready, it is started again for ever, and each start has a new
//! *generation*.

mod access;
mod error;
mod password;

use std::io;
use std::net::SocketAddr;
use std::os::unix::process::ExitStatusExt;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use serde::Deserialize;
use tokio::io::{AsyncBufReadExt, AsyncRead, BufReader};
use tokio::process::{Child, Command};
use tokio::sync::watch;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

use super::backoff::Backoff;
use super::client::{Limits, Store};
use crate::config::Config;
use crate::files::private_folder;
pub use access::{AnalystAccess, accounts_file};
pub use error::{EngineError, SupervisorError};
use password::kept_password;

/// The account of the service on an embedded engine.
pub const USER: &str = "tamga";
/// The account of break-glass on the vault's engine. It has the service's password and the rights of an analyst.
pub const BREAK_GLASS: &str = "break-glass";

/// How long the first start is tried while it fails for a reason that passes.
const PATIENCE: Duration = Duration::from_secs(30);
/// What sentences say of such reasons: a predecessor that is still on its way out, somebody who kills.
const PASSING: [&str; 2] = ["in use", "SIGKILL"];
/// How long an engine may take until it listens: recovery after a crash included.
const START: Duration = Duration::from_secs(120);
/// How long an engine may take to stop in order; it gives running queries ten seconds.
const GRACE: Duration = Duration::from_secs(15);

/// An engine that ran for longer is started again at once: a statement has ended it, and the next will not.
const LIVED: Duration = Duration::from_secs(1);
/// The longest time for which analysts wait after a start.
const LONGEST_PAUSE: Duration = Duration::from_secs(60);

/// Which engine, and how.
#[derive(Clone, Debug)]
pub struct EngineOptions {
    /// What messages call it: `vault` or `stats`.
    pub name: &'static str,
    /// The program `tamga-engine`.
    pub program: PathBuf,
    /// `libchdb.so`; the program knows a default.
    pub library: Option<PathBuf>,
    /// Its data.
    pub data_dir: PathBuf,
    /// Where it listens. Port 0 is a free one, kept over restarts.
    pub listen: SocketAddr,
    /// The file of the service's password; made if it is missing.
    pub password_file: PathBuf,
    /// MiB that it may use.
    pub memory_limit_mib: u64,
    /// The file of the analyst's password; made if it is missing. None: no analyst is admitted. Only the engine of the
    /// stats store has nothing but what analysts may see.
    pub analyst_password_file: Option<PathBuf>,
    /// What analysts have besides: accounts of persons, and a way in from other machines.
    pub analysts: AnalystAccess,
    /// Whether break-glass may query it, under the rules of analysts.
    pub break_glass: bool,
    /// The longest wait before it is started again.
    pub restart_within: Duration,
}

impl EngineOptions {
    /// The vault's engine as configured.
    pub fn vault(config: &Config) -> Self {
        Self { break_glass: true, ..Self::configured(config, "vault", config.engine.vault_listen) }
    }

    /// The stats engine as configured.
    pub fn stats(config: &Config) -> Self {
        let options = Self::configured(config, "stats", config.engine.stats_listen);
        let configured = config.engine.analyst_password_file.clone();
        let file = configured.unwrap_or_else(|| options.password_file.with_file_name("analyst.password"));
        Self { analyst_password_file: Some(file), analysts: AnalystAccess::of(config), ..options }
    }

    /// A database on this engine while another process of Tamga runs it.
    pub fn running(&self, database: &str, limits: Limits) -> Result<Store, SupervisorError> {
        let password = password_of(&self.password_file)?;
        Ok(Store::new(&format!("http://{}", self.listen), USER, &password, database, limits)?.embedded())
    }

    fn configured(config: &Config, name: &'static str, listen: SocketAddr) -> Self {
        let beside = || std::env::current_exe().unwrap_or_default().with_file_name("tamga-engine");
        let dir = config.data.dir.join("engine");
        Self {
            name,
            program: config.engine.program.clone().unwrap_or_else(beside),
            library: config.engine.library.clone(),
            data_dir: dir.join(name),
            listen,
            password_file: dir.join("service.password"),
            memory_limit_mib: config.engine.memory_limit_mib,
            analyst_password_file: None,
            analysts: AnalystAccess::default(),
            break_glass: false,
            restart_within: Duration::from_secs(10),
        }
    }
}

fn password_of(file: &Path) -> Result<String, EngineError> {
    kept_password(file).map_err(|error| EngineError::Password { file: file.to_owned(), reason: error.to_string() })
}

#[derive(Clone, Debug)]
enum State {
    Starting,
    Ready(SocketAddr, Option<u32>),
    /// It died, or did not start for a reason that passes, and is being started again.
    Down(EngineError),
    /// It never was ready; given up.
    Failed(EngineError),
    Stopped,
}

/// An engine under supervision. Dropping it kills the engine; [`Supervisor::stop`] is kinder.
pub struct Supervisor {
    options: EngineOptions,
    password: String,
    state: watch::Receiver<State>,
    generation: watch::Receiver<u64>,
    stop: CancellationToken,
    task: JoinHandle<()>,
}

impl Supervisor {
    /// Begins to start the engine. [`Supervisor::ready`] returns the result.
    pub fn start(options: EngineOptions) -> Result<Self, EngineError> {
        let password = password_of(&options.password_file)?;
        options.analyst_password_file.as_deref().map(password_of).transpose()?;
        let (state_sender, state) = watch::channel(State::Starting);
        let (generation_sender, generation) = watch::channel(0);
        let stop = CancellationToken::new();
        let task = SupervisorTask {
            options: options.clone(),
            state: state_sender,
            generation: generation_sender,
            stop: stop.clone(),
            analyst_pause: Duration::ZERO,
        };
        let task = tokio::spawn(task.run());
        Ok(Self { options, password, state, generation, stop, task })
    }

    /// Waits until the engine listens for the first time, or is known not to.
    pub async fn ready(&self) -> Result<SocketAddr, EngineError> {
        let mut state = self.state.clone();
        loop {
            match &*state.borrow_and_update() {
                State::Ready(address, _) => return Ok(*address),
                State::Failed(error) => return Err(error.clone()),
                State::Stopped => break,
                State::Starting | State::Down(_) => {}
            }
            if state.changed().await.is_err() {
                break;
            }
        }
        Err(EngineError::Start { name: self.options.name, sentence: "it has been stopped".to_owned() })
    }

    /// Why the engine does not answer at the moment; `None` when it should.
    pub fn trouble(&self) -> Option<String> {
        match &*self.state.borrow() {
            State::Ready(..) => None,
            State::Starting => Some(format!("the {} engine is starting", self.options.name)),
            State::Stopped => Some(format!("the {} engine is stopped", self.options.name)),
            State::Down(error) | State::Failed(error) => Some(error.to_string()),
        }
    }

    /// The engine's process, while it is ready.
    pub fn pid(&self) -> Option<u32> {
        match &*self.state.borrow() {
            State::Ready(_, pid) => *pid,
            _ => None,
        }
    }

    /// How often the engine has become ready; it changes when it does.
    pub fn generation(&self) -> watch::Receiver<u64> {
        self.generation.clone()
    }

    /// How often it had to be started again.
    pub fn restarts(&self) -> u64 {
        self.generation.borrow().saturating_sub(1)
    }

    /// A database on this engine, once it is ready.
    pub async fn store(&self, database: &str, limits: Limits) -> Result<Store, SupervisorError> {
        let address = self.ready().await?;
        Ok(Store::new(&format!("http://{address}"), USER, &self.password, database, limits)?.embedded())
    }

    /// Stops the engine in order, or after a while not.
    pub async fn stop(mut self) {
        self.stop.cancel();
        if (&mut self.task).await.is_err() {
            tracing::warn!(engine = self.options.name, "the engine's supervisor had failed");
        }
    }
}

impl Drop for Supervisor {
    fn drop(&mut self) {
        self.task.abort();
    }
}

/// What runs in the background.
struct SupervisorTask {
    options: EngineOptions,
    state: watch::Sender<State>,
    generation: watch::Sender<u64>,
    stop: CancellationToken,
    /// How long analysts wait after the next start.
    analyst_pause: Duration,
}

/// How long analysts wait after the next start. An engine that ends soon again may have been ended by one of them, who must
/// not keep the service from it.
fn pause_after(lived: Duration, pause: Duration) -> Duration {
    if lived > pause + LONGEST_PAUSE {
        Duration::ZERO
    } else {
        (pause * 2).clamp(Duration::from_secs(1), LONGEST_PAUSE)
    }
}

impl SupervisorTask {
    async fn run(mut self) {
        let name = self.options.name;
        let begun = Instant::now();
        let mut backoff = Backoff::new(Duration::from_millis(200), self.options.restart_within);
        let mut said = None;
        loop {
            let was_ready_at = Instant::now();
            let Some(error) = self.run_once().await else {
                self.state.send_replace(State::Stopped);
                return;
            };
            let ever_ready = *self.generation.borrow() > 0;
            let passes = |sentence: &str| PASSING.iter().any(|reason| sentence.contains(reason));
            let passing = matches!(&error, EngineError::Start { sentence, .. } if passes(sentence));
            let again = ever_ready || (passing && begun.elapsed() < PATIENCE);
            if !again {
                self.state.send_replace(State::Failed(error));
                return;
            }
            // Once for each reason, and again after it has run in between.
            let sentence = error.to_string();
            if said.as_ref() != Some(&(*self.generation.borrow(), sentence.clone())) {
                tracing::warn!(engine = name, "{sentence}; starting it again");
                said = Some((*self.generation.borrow(), sentence));
            }
            self.state.send_replace(State::Down(error));
            let lived = was_ready_at.elapsed();
            self.analyst_pause = pause_after(lived, self.analyst_pause);
            let wait = if ever_ready && lived > LIVED {
                backoff.reset();
                Duration::ZERO
            } else {
                backoff.step()
            };
            tokio::select! {
                () = tokio::time::sleep(wait) => {}
                () = self.stop.cancelled() => {
                    self.state.send_replace(State::Stopped);
                    return;
                }
            }
        }
    }

    /// Starts the engine and watches it. `None`: a stop was requested, and it has stopped.
    async fn run_once(&mut self) -> Option<EngineError> {
        let name = self.options.name;
        let folder = &self.options.data_dir;
        if let Err(error) = private_folder(folder) {
            return Some(EngineError::Folder { name, folder: folder.clone(), reason: error.to_string() });
        }
        let mut child = match self.spawn() {
            Ok(child) => child,
            Err(error) => {
                return Some(EngineError::Program { program: self.options.program.clone(), reason: error.to_string() });
            }
        };
        // Its end is the engine's signal to stop. Out of the child, because waiting for a child closes what is in it.
        let parent_pipe = child.stdin.take();
        let last_log_line = Arc::new(Mutex::new(String::new()));
        let log = child.stderr.take().map(|stderr| tokio::spawn(follow(name, stderr, Arc::clone(&last_log_line))));
        let announced = child.stdout.take().map(announcement);
        let stop = self.stop.clone();
        let listening = tokio::select! {
            listening = tokio::time::timeout(START, async { announced?.await }) => listening,
            () = stop.cancelled() => {
                end(&mut child).await;
                return None;
            }
        };
        let outcome = match listening {
            Ok(Some(address)) => {
                self.options.listen = address;
                self.generation.send_modify(|generation| *generation += 1);
                self.state.send_replace(State::Ready(address, child.id()));
                let generation = *self.generation.borrow();
                tracing::info!(engine = name, generation, %address, "the engine is ready");
                tokio::select! {
                    status = child.wait() => {
                        let status = status.map_or_else(|error| error.to_string(), |status| status.to_string());
                        Some(EngineError::Start { name, sentence: format!("it had been running and ended: {status}") })
                    }
                    () = stop.cancelled() => {
                        end(&mut child).await;
                        None
                    }
                }
            }
            // Its standard output ended: it is ending.
            Ok(None) => {
                let ended = tokio::time::timeout(GRACE, child.wait()).await;
                // What ends by a signal has not said why; what it said last was about something else.
                let signal = ended.ok().and_then(Result::ok).filter(|status| status.signal().is_some());
                let sentence = signal.map_or_else(String::new, |status| format!("it ended while it started: {status}"));
                Some(EngineError::Start { name, sentence })
            }
            Err(_) => Some(EngineError::Slow { name }),
        };
        if outcome.is_some() {
            end(&mut child).await;
        }
        drop(parent_pipe);
        if let Some(log) = log {
            // The pipe may be kept open by somebody else; what it still says is not worth waiting for.
            let _ = tokio::time::timeout(Duration::from_secs(1), log).await;
        }
        outcome.map(|error| match error {
            EngineError::Start { sentence, .. } if sentence.is_empty() => {
                let words = last_log_line.lock().unwrap_or_else(PoisonError::into_inner).clone();
                let sentence = if words.is_empty() { "it ended without a word".to_owned() } else { words };
                EngineError::Start { name, sentence }
            }
            other => other,
        })
    }

    fn spawn(&self) -> io::Result<Child> {
        let options = &self.options;
        let mut command = Command::new(&options.program);
        command
            .arg("--path")
            .arg(&options.data_dir)
            .arg("--listen")
            .arg(options.listen.to_string())
            .arg("--user")
            .arg(USER)
            .arg("--password-file")
            .arg(&options.password_file)
            .arg("--memory-limit-mib")
            .arg(options.memory_limit_mib.to_string())
            .arg("--stop-with-parent");
        if let Some(library) = &options.library {
            command.arg("--library").arg(library);
        }
        // A group of its own: Ctrl-C in a terminal is for us, who then stop the engine in order; it does not end beside us.
        command.process_group(0);
        if options.break_glass {
            command.arg("--break-glass");
        }
        if let Some(file) = &options.analyst_password_file {
            command.arg("--analyst-pause-s").arg(self.analyst_pause.as_secs().to_string());
            command.arg("--analyst-password-file").arg(file);
            options.analysts.arguments(&mut command)?;
        }
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).kill_on_drop(true).spawn()
    }
}

/// The one line that the engine prints once it listens; `None` when it prints another or ends.
async fn announcement(stdout: impl AsyncRead + Unpin) -> Option<SocketAddr> {
    #[derive(Deserialize)]
    struct Announcement {
        listening: SocketAddr,
    }
    let mut line = String::new();
    // One line of a known shape: a megabyte without an end is not it.
    let mut limited = BufReader::new(tokio::io::AsyncReadExt::take(stdout, 1 << 20));
    limited.read_line(&mut line).await.ok()?;
    serde_json::from_str::<Announcement>(&line).ok().map(|announcement| announcement.listening)
}

/// Passes the engine's log on, at the level that each line begins with, and keeps its last line.
async fn follow(engine: &'static str, stderr: impl AsyncRead + Unpin, last_log_line: Arc<Mutex<String>>) {
    let mut lines = BufReader::new(stderr).lines();
    while let Ok(Some(line)) = lines.next_line().await {
        let line = line.trim();
        if !line.is_empty() {
            match line.split_once(' ') {
                Some(("ERROR", said)) => tracing::error!(target: "tamga::engine", engine, "{said}"),
                Some(("WARN", said)) => tracing::warn!(target: "tamga::engine", engine, "{said}"),
                Some(("INFO", said)) => tracing::info!(target: "tamga::engine", engine, "{said}"),
                // Its reason not to start, which the supervisor reports.
                _ if line.starts_with("tamga-engine: ") => tracing::debug!(target: "tamga::engine", engine, "{line}"),
                _ => tracing::info!(target: "tamga::engine", engine, "{line}"),
            }
            let mut words = last_log_line.lock().unwrap_or_else(PoisonError::into_inner);
            line.trim_start_matches("Error: ").clone_into(&mut words);
        }
    }
}

/// Ends the engine: in order, and if that takes too long, not.
async fn end(child: &mut Child) {
    let pid = child.id().and_then(|id| rustix::process::Pid::from_raw(id.cast_signed()));
    if let Some(pid) = pid {
        // It may have ended this very moment, which is what is wanted.
        let _ = rustix::process::kill_process(pid, rustix::process::Signal::TERM);
    }
    if tokio::time::timeout(GRACE, child.wait()).await.is_err() {
        tracing::warn!("the engine did not stop in time and is killed; it recovers at its next start");
        let _ = child.kill().await;
    }
}

#[cfg(test)]
mod tests;

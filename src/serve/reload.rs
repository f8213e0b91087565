//! Reload: SIGHUP lets the program begin anew in the same process, with all that its files say now: sites, lists, GeoIP,
//! passwords, certificates, and a new program if there is one in its place.
//!
//! The configuration is checked first, with the files that it names. If anything is wrong, all goes on as before, and the log
//! and `/readyz` say what it is. Then the program stops in order and starts anew with the same sockets: connections wait in
//! them meanwhile, and none is refused. A socket whose address has changed cannot be kept; then both are opened anew.

use std::os::unix::process::CommandExt as _;
use std::path::PathBuf;
use std::process::Command;
use std::sync::{Arc, Mutex, PoisonError};

use anyhow::{Context, Result, anyhow};
use command_fds::{CommandFdExt as _, FdMapping};
use serde_json::json;
use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio_util::sync::CancellationToken;

use super::listen::{self, Kept, OWN, SocketFile};
use super::state::State;
use super::{check, notify};
use crate::audit::Audit;
use crate::config::{Config, Listen};

/// The first descriptor of sockets that are handed over.
const FIRST: i32 = 3;

/// SIGHUP, from the first moment on: without somebody who listens it ends a process.
pub struct Hangup(Signal);

impl Hangup {
    /// Listens from now on. Must be called within a runtime.
    pub fn listen() -> Result<Self> {
        Ok(Self(signal(SignalKind::hangup())?))
    }
}

/// The addresses of both listeners in the configuration with which the program begins anew; `None` if it ends instead.
#[derive(Clone, Default)]
pub(super) struct Wanted(Arc<Mutex<Option<[Listen; 2]>>>);

impl Wanted {
    pub(super) fn set(&self, addresses: Option<[Listen; 2]>) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = addresses;
    }

    pub(super) fn get(&self) -> Option<[Listen; 2]> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

/// Waits for SIGHUP.
pub(super) struct Reloader {
    pub(super) file: PathBuf,
    pub(super) state: Arc<State>,
    pub(super) audit: Arc<Audit>,
    pub(super) shutdown: CancellationToken,
    pub(super) wanted: Wanted,
    /// The addresses of the sockets that can be kept, and of a socket of the service manager none.
    pub(super) addresses: Vec<Option<Listen>>,
}

impl Reloader {
    /// Checks the configuration at each SIGHUP. If it is sound, asks everything to stop, and says in `wanted` why.
    pub(super) async fn run(self, mut hangup: Hangup) {
        while hangup.0.recv().await.is_some() {
            match self.checked().await {
                Ok(config) => {
                    tracing::info!("beginning anew with the configuration of now; connections wait meanwhile");
                    self.audit.note("reload", &json!({}));
                    notify::reloading();
                    self.wanted.set(Some(places(&config)));
                    self.shutdown.cancel();
                    return;
                }
                Err(error) => {
                    for line in format!("{error:#}").lines() {
                        tracing::error!("not reloaded, all goes on as before: {line}");
                    }
                    self.state.set_refused_reload(format!("{error:#}").replace('\n', "; "));
                }
            }
        }
    }

    async fn checked(&self) -> Result<Config> {
        let (file, addresses) = (self.file.clone(), self.addresses.clone());
        let work = move || {
            let config = Config::load(&file)?;
            check::check(&config, &file)?;
            let wanted = places(&config).into_iter().zip(addresses);
            for (place, _) in
                wanted.filter(|(wanted, current)| current.as_ref().is_some_and(|current| current != wanted))
            {
                listen::try_out(&place)?;
            }
            Ok(config)
        };
        tokio::task::spawn_blocking(work).await?
    }
}

fn places(config: &Config) -> [Listen; 2] {
    [config.server.listen.clone(), Listen::Tcp(config.server.admin_listen)]
}

/// What a start anew would need, and whether there will be one.
pub(super) struct Anew {
    pub(super) program: PathBuf,
    pub(super) kept: Vec<Kept>,
    pub(super) wanted: Wanted,
}

/// What the next start of this program needs.
pub struct NextStart {
    program: PathBuf,
    sockets: Vec<Kept>,
}

impl Anew {
    /// With those sockets that can be kept; `None` if the program ends.
    pub(super) fn next_start(self) -> Option<NextStart> {
        let Self { program, kept, wanted } = self;
        let wanted = wanted.get()?;
        let can_stay = kept
            .iter()
            .zip(wanted)
            .all(|(kept, wanted)| kept.address.as_ref().is_none_or(|address| *address == wanted));
        Some(NextStart { program, sockets: if can_stay { kept } else { Vec::new() } })
    }
}

impl NextStart {
    /// Starts the program anew in this process. Returns only if that fails.
    pub fn begin(self) -> anyhow::Error {
        self.try_to_begin().err().unwrap_or_else(|| anyhow!("the program was not started anew"))
    }

    fn try_to_begin(self) -> Result<()> {
        let name = |kept: &Kept| if kept.address.is_some() { OWN } else { "managed" };
        let names: Vec<_> = self.sockets.iter().map(name).collect();
        let mut command = Command::new(&self.program);
        command
            .args(std::env::args_os().skip(1))
            .env("LISTEN_PID", std::process::id().to_string())
            .env("LISTEN_FDS", self.sockets.len().to_string())
            .env("LISTEN_FDNAMES", names.join(":"));
        let sockets = (FIRST..).zip(self.sockets);
        let mapping = |(child_fd, kept): (i32, Kept)| {
            kept.file.into_iter().for_each(SocketFile::leave);
            FdMapping { parent_fd: kept.socket, child_fd }
        };
        let mappings = sockets.map(mapping).collect();
        command.fd_mappings(mappings).context("two sockets would have one number")?;
        Err(command.exec()).with_context(|| format!("cannot start {} anew", self.program.display()))
    }
}

//! The first SIGTERM or SIGINT asks everything to stop in order. The second ends the process at once, and so does one while the
//! program still starts.
//!
//! Stopping in order is never needed for safety: every acknowledged beacon is on disk.

use anyhow::Result;
use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio_util::sync::CancellationToken;

use super::notify;
use super::reload::Wanted;

/// SIGTERM and SIGINT, from the first moment on: without somebody who listens they end a process by force.
pub struct Ending {
    terminate: Signal,
    interrupt: Signal,
}

impl Ending {
    /// Listens from now on. Must be called within a runtime.
    pub fn listen() -> Result<Self> {
        Ok(Self { terminate: signal(SignalKind::terminate())?, interrupt: signal(SignalKind::interrupt())? })
    }

    /// Resolves when the process is to end.
    pub async fn wanted(&mut self) {
        tokio::select! { _ = self.terminate.recv() => (), _ = self.interrupt.recv() => () }
    }

    /// Cancels the token at the first signal, and a reload that is under way.
    pub(super) fn cancel(mut self, shutdown: CancellationToken, reload: Wanted) {
        tokio::spawn(async move {
            self.wanted().await;
            tracing::info!("stopping; a second signal ends the process at once");
            notify::stopping();
            reload.set(None);
            shutdown.cancel();
            self.wanted().await;
            std::process::exit(130);
        });
    }
}

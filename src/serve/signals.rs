//! The first SIGTERM or SIGINT asks everything to stop in order. The second ends the process at once.
//!
//! Stopping in order is never needed for safety: every acknowledged beacon is on disk.

use tokio::signal::unix::{SignalKind, signal};
use tokio_util::sync::CancellationToken;

use super::notify;
use super::reload::Wanted;

/// Cancels the token when the process receives a signal, and a reload that is under way. Must be called within a runtime.
pub(super) fn cancel_on_signals(shutdown: CancellationToken, reload: Wanted) -> std::io::Result<()> {
    let (mut terminate, mut interrupt) = (signal(SignalKind::terminate())?, signal(SignalKind::interrupt())?);
    tokio::spawn(async move {
        for already in [false, true] {
            tokio::select! { _ = terminate.recv() => (), _ = interrupt.recv() => () }
            if already {
                std::process::exit(130);
            }
            tracing::info!("stopping; a second signal ends the process at once");
            notify::stopping();
            reload.set(None);
            shutdown.cancel();
        }
    });
    Ok(())
}

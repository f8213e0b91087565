//! One signal to stop, heard everywhere.
//!
//! The first SIGTERM or SIGINT asks everything to stop in order; the second ends the process at once. Stopping is never
//! needed for safety: what was acknowledged is on disk.

use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::watch;

/// A cheap handle that tells when to stop.
#[derive(Clone)]
pub struct Shutdown(watch::Receiver<bool>);

/// The other end.
#[derive(Clone)]
pub struct Trigger(watch::Sender<bool>);

/// A new pair.
pub fn channel() -> (Trigger, Shutdown) {
    let (sender, receiver) = watch::channel(false);
    (Trigger(sender), Shutdown(receiver))
}

impl Trigger {
    /// Asks everything to stop.
    pub fn stop(&self) {
        self.0.send_replace(true);
    }
}

impl Shutdown {
    /// Resolves when it is time to stop; also when nobody is left who could say so.
    pub async fn requested(&self) {
        let _ = self.0.clone().wait_for(|stop| *stop).await;
    }

    /// The channel behind it, which becomes true; for rooms that know no `Shutdown`.
    pub fn watch(&self) -> watch::Receiver<bool> {
        self.0.clone()
    }

    /// Whether it is time to stop.
    pub fn is_requested(&self) -> bool {
        *self.0.borrow()
    }
}

/// Stops when the process is signalled. Must be called within a runtime.
pub fn on_signals(trigger: Trigger) -> std::io::Result<()> {
    let (mut terminate, mut interrupt) = (signal(SignalKind::terminate())?, signal(SignalKind::interrupt())?);
    tokio::spawn(async move {
        for already in [false, true] {
            tokio::select! { _ = terminate.recv() => (), _ = interrupt.recv() => () }
            if already {
                std::process::exit(130);
            }
            tracing::info!("stopping; a second signal ends at once");
            trigger.stop();
        }
    });
    Ok(())
}

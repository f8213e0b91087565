//! Where connections come in: sockets that the service manager opened, or ones of our own.
//!
//! By systemd's protocol (`LISTEN_FDS`) the first socket that is handed over is the public listener and a second one the
//! operations'. Then a restart refuses no connection: they wait in the socket, which stays open. What the configuration
//! says of addresses does not matter for a socket that the manager handed over.
//!
//! In the same way this program hands its sockets to the next start of itself, in a [`reload`](super::reload).

use std::net::SocketAddr;
use std::os::fd::{AsFd, OwnedFd};

use anyhow::{Context, Result};
use listenfd::ListenFd;
use rustix::io::{FdFlags, fcntl_setfd};
use tokio::net::TcpListener;

/// The name of a socket that an earlier start of this program opened.
pub(super) const OWN: &str = "tamga-own";

/// The sockets that were handed over, in order, and their names.
pub(super) struct Inherited {
    sockets: ListenFd,
    names: Vec<String>,
}

/// A socket for the next start of this program.
pub(super) struct Kept {
    /// The address that the configuration gave; `None` if the service manager gave the socket.
    pub(super) address: Option<SocketAddr>,
    pub(super) socket: OwnedFd,
}

impl Inherited {
    /// Those that were meant for this process; once.
    pub(super) fn take() -> Self {
        let names = std::env::var("LISTEN_FDNAMES").unwrap_or_default();
        Self { sockets: ListenFd::from_env(), names: names.split(':').map(str::to_owned).collect() }
    }

    /// The socket of this number, or one of our own.
    pub(super) async fn or_bind(
        &mut self,
        number: usize,
        address: SocketAddr,
        setting: &str,
    ) -> Result<(TcpListener, Kept)> {
        let handed = self.sockets.take_tcp_listener(number);
        let (listener, is_managed) =
            match handed.with_context(|| format!("socket {number} of LISTEN_FDS is not a TCP listener"))? {
                Some(listener) => {
                    // Otherwise the engines would have it too, and keep it open when this process is gone.
                    fcntl_setfd(&listener, FdFlags::CLOEXEC)?;
                    listener.set_nonblocking(true)?;
                    let is_own = self.names.get(number).is_some_and(|name| name == OWN);
                    (TcpListener::from_std(listener)?, !is_own)
                }
                None => (TcpListener::bind(address).await.with_context(|| said(address, setting))?, false),
            };
        let socket = listener.as_fd().try_clone_to_owned()?;
        Ok((listener, Kept { address: (!is_managed).then_some(address), socket }))
    }
}

fn said(address: SocketAddr, setting: &str) -> String {
    format!("cannot listen on {address}; is another program there? Stop it, or give another address in {setting}")
}

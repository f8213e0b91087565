//! Where connections come in: sockets that the service manager opened, or ones of our own.
//!
//! By systemd's protocol (`LISTEN_FDS`) the first socket that is handed over is the public listener and a second one the
//! operations'. Then a restart refuses no connection: they wait in the socket, which stays open. What the configuration
//! says of addresses does not matter for a socket that was handed over.

use std::net::SocketAddr;

use anyhow::{Context, Result};
use listenfd::ListenFd;
use rustix::io::{FdFlags, fcntl_setfd};
use tokio::net::TcpListener;

/// The sockets that were handed over, in order.
pub(super) struct Inherited(ListenFd);

impl Inherited {
    /// Those that were meant for this process; once.
    pub(super) fn take() -> Self {
        Self(ListenFd::from_env())
    }

    /// The socket of this number, or one of our own.
    pub(super) async fn or_bind(&mut self, number: usize, address: SocketAddr, setting: &str) -> Result<TcpListener> {
        let handed = self.0.take_tcp_listener(number);
        match handed.with_context(|| format!("socket {number} of LISTEN_FDS is not a TCP listener"))? {
            Some(listener) => {
                // Otherwise the engines would have it too, and keep it open when this process is gone.
                fcntl_setfd(&listener, FdFlags::CLOEXEC)?;
                listener.set_nonblocking(true)?;
                Ok(TcpListener::from_std(listener)?)
            }
            None => TcpListener::bind(address).await.with_context(|| {
                format!(
                    "cannot listen on {address}; is another program there? Stop it, or give another address in {setting}"
                )
            }),
        }
    }
}

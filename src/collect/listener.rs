//! What the edge listens with: a TCP socket, or a unix socket for a proxy on this machine. All that comes after the accept is the
//! same for both.
//!
//! Who may open a unix socket's file is a proxy of this machine. It has no address, so it is written as the machine's own one,
//! [`LOCAL`]. The kernel cannot end a unix connection whose proxy takes nothing; it holds its slot until the proxy closes it.

use std::io;
use std::net::{Ipv4Addr, SocketAddr, SocketAddrV4};
use std::os::fd::{AsFd, BorrowedFd};
use std::path::Path;
use std::time::Duration;

use tokio::net::{TcpListener, TcpStream, UnixListener, UnixStream};
use tokio_util::either::Either;

use crate::config::Listen;

/// The address of a peer that comes through a unix socket.
pub const LOCAL: Ipv4Addr = Ipv4Addr::LOCALHOST;

/// A socket that accepts connections.
pub enum Listener {
    Tcp(TcpListener),
    Unix(UnixListener),
}

/// A connection of either kind.
pub(super) type Connection = Either<TcpStream, UnixStream>;

impl Listener {
    /// Where it listens.
    pub fn place(&self) -> io::Result<Listen> {
        Ok(match self {
            Self::Tcp(listener) => Listen::Tcp(listener.local_addr()?),
            Self::Unix(listener) => Listen::Unix(listener.local_addr()?.as_pathname().unwrap_or(Path::new("")).into()),
        })
    }

    /// The next connection and its peer.
    pub(super) async fn accept(&self) -> io::Result<(Connection, SocketAddr)> {
        match self {
            Self::Tcp(listener) => {
                let (stream, peer) = listener.accept().await?;
                let _ = stream.set_nodelay(true);
                Ok((Either::Left(stream), peer))
            }
            Self::Unix(listener) => {
                let (stream, _) = listener.accept().await?;
                Ok((Either::Right(stream), SocketAddrV4::new(LOCAL, 0).into()))
            }
        }
    }
}

impl AsFd for Listener {
    fn as_fd(&self) -> BorrowedFd<'_> {
        match self {
            Self::Tcp(listener) => listener.as_fd(),
            Self::Unix(listener) => listener.as_fd(),
        }
    }
}

impl From<TcpListener> for Listener {
    fn from(listener: TcpListener) -> Self {
        Self::Tcp(listener)
    }
}

/// Lets the kernel end a connection whose client receives nothing. Otherwise a client that requests much and reads
/// nothing would hold its connection for ever.
pub(super) fn forbid_stalling(connection: &Connection, deadline: Duration) {
    let Either::Left(stream) = connection else { return };
    let deadline_ms = u32::try_from(deadline.as_millis()).unwrap_or(u32::MAX);
    // Only a kernel without this option returns an error.
    let _ = rustix::net::sockopt::set_tcp_user_timeout(stream, deadline_ms);
}

//! Where connections come in: sockets that the service manager opened, or ones of our own.
//!
//! By systemd's protocol (`LISTEN_FDS`) the first socket that is handed over is the public listener and a second one the
//! operations'. Then a restart refuses no connection: they wait in the socket, which stays open. What the configuration
//! says of addresses does not matter for a socket that the manager handed over.
//!
//! In the same way this program hands its sockets to the next start of itself, in a [`reload`](super::reload).
//!
//! The file of a unix socket of our own may be opened by the process's user and group ([`MODE`]). It takes the place of one that a
//! dead process left, and never of one at which somebody listens or of another kind of file. An orderly end removes it.

use std::fs;
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::fs::{FileTypeExt as _, MetadataExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail};
use listenfd::ListenFd;
use rustix::fs::{Mode, fchmod};
use rustix::io::{Errno, FdFlags, fcntl_setfd};
use rustix::net::{AddressFamily, SocketAddrUnix, SocketFlags, SocketType, bind, connect, listen, socket_with};
use tokio::net::{TcpListener, UnixListener};

use crate::collect::listener::Listener;
use crate::config::Listen;

/// The name of a socket that an earlier start of this program opened.
pub(super) const OWN: &str = "tamga-own";
/// Who may connect to a unix socket of our own: user and group.
const MODE: u32 = 0o660;
/// Connections that may wait in it, as many as tokio lets wait in one of TCP.
const BACKLOG: i32 = 1024;

/// The sockets that were handed over, in order, and their names.
pub(super) struct Inherited {
    sockets: ListenFd,
    names: Vec<String>,
}

/// A socket for the next start of this program.
pub(super) struct Kept {
    /// Where the configuration wanted it; `None` if the service manager gave the socket.
    pub(super) address: Option<Listen>,
    pub(super) socket: OwnedFd,
    /// The file of a unix socket of our own.
    pub(super) file: Option<SocketFile>,
}

/// The file of a unix socket that this process listens at. It is removed when this is dropped, unless another is in its place.
pub(super) struct SocketFile {
    path: PathBuf,
    /// Device and inode.
    identity: (u64, u64),
}

impl Inherited {
    /// Those that were meant for this process; once.
    pub(super) fn take() -> Self {
        let names = std::env::var("LISTEN_FDNAMES").unwrap_or_default();
        Self { sockets: ListenFd::from_env(), names: names.split(':').map(str::to_owned).collect() }
    }

    /// The socket of this number, or one of our own.
    pub(super) async fn or_bind(&mut self, number: usize, wanted: &Listen, setting: &str) -> Result<(Listener, Kept)> {
        let is_own = self.names.get(number).is_some_and(|name| name == OWN);
        let (listener, file, address) = match (self.handed(number)?, wanted) {
            (Some(listener), Listen::Unix(path)) if is_own => {
                (listener, SocketFile::at(path).ok(), Some(wanted.clone()))
            }
            (Some(listener), _) => (listener, None, is_own.then(|| wanted.clone())),
            (None, Listen::Tcp(address)) => {
                let listener = TcpListener::bind(address).await.with_context(|| said(wanted, setting))?;
                (listener.into(), None, Some(wanted.clone()))
            }
            (None, Listen::Unix(path)) => {
                let (socket, file) = bind_unix(path).with_context(|| said(wanted, setting))?;
                (Listener::Unix(UnixListener::from_std(socket.into())?), Some(file), Some(wanted.clone()))
            }
        };
        let socket = listener.as_fd().try_clone_to_owned()?;
        Ok((listener, Kept { address, socket, file }))
    }

    /// The socket of this number, if there is one.
    fn handed(&mut self, number: usize) -> Result<Option<Listener>> {
        // One of the other kind stays in its place.
        if let Ok(Some(listener)) = self.sockets.take_unix_listener(number) {
            keep_from_children(&listener)?;
            listener.set_nonblocking(true)?;
            return Ok(Some(Listener::Unix(UnixListener::from_std(listener)?)));
        }
        let handed = self.sockets.take_tcp_listener(number);
        let handed = handed.with_context(|| format!("socket {number} of LISTEN_FDS is no listener of TCP or unix"))?;
        let Some(listener) = handed else { return Ok(None) };
        keep_from_children(&listener)?;
        listener.set_nonblocking(true)?;
        Ok(Some(TcpListener::from_std(listener)?.into()))
    }
}

/// Otherwise the engines would have the socket too, and keep it open when this process is gone.
fn keep_from_children(socket: impl AsFd) -> Result<()> {
    Ok(fcntl_setfd(socket, FdFlags::CLOEXEC)?)
}

/// Opens a listener and closes it, to see whether that can be done.
pub(super) fn try_out(wanted: &Listen) -> Result<()> {
    let opened = match wanted {
        Listen::Tcp(address) => std::net::TcpListener::bind(address).map(drop).map_err(Into::into),
        Listen::Unix(path) => bind_unix(path).map(drop),
    };
    opened.with_context(|| format!("cannot listen on {wanted}"))
}

/// A unix socket that listens in this file, with [`MODE`] from its first moment on.
fn bind_unix(path: &Path) -> Result<(OwnedFd, SocketFile)> {
    let address = SocketAddrUnix::new(path)?;
    make_way(path, &address)?;
    let socket = unix_socket()?;
    // The file gets the mode of the socket, less what the process takes from all files. The second call adds that again.
    fchmod(&socket, Mode::from_raw_mode(MODE))?;
    bind(&socket, &address)?;
    let file = SocketFile::at(path)?;
    fs::set_permissions(path, fs::Permissions::from_mode(MODE))?;
    listen(&socket, BACKLOG)?;
    Ok((socket, file))
}

fn unix_socket() -> rustix::io::Result<OwnedFd> {
    socket_with(AddressFamily::UNIX, SocketType::STREAM, SocketFlags::CLOEXEC | SocketFlags::NONBLOCK, None)
}

/// Removes the file of a dead process. It is dead if nobody listens there.
fn make_way(path: &Path, address: &SocketAddrUnix) -> Result<()> {
    let found = match fs::symlink_metadata(path) {
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(()),
        found => found?,
    };
    if !found.file_type().is_socket() {
        bail!("a file that is no socket is there");
    }
    match connect(unix_socket()?, address) {
        Err(Errno::CONNREFUSED) => Ok(fs::remove_file(path)?),
        // So many wait there that one more must not.
        Ok(()) | Err(Errno::AGAIN) => bail!("another process listens there"),
        Err(error) => Err(error.into()),
    }
}

fn said(wanted: &Listen, setting: &str) -> String {
    format!("cannot listen on {wanted}; is another program there? Stop it, or give another address in {setting}")
}

// === impl SocketFile ===

impl SocketFile {
    fn at(path: &Path) -> Result<Self> {
        Ok(Self { path: path.to_owned(), identity: identity(path)? })
    }

    /// Leaves the file to the next start of this program.
    pub(super) fn leave(self) {
        std::mem::forget(self);
    }
}

impl Drop for SocketFile {
    fn drop(&mut self) {
        if identity(&self.path).is_ok_and(|identity| identity == self.identity) {
            // If it stays, the next start takes its place.
            let _ = fs::remove_file(&self.path);
        }
    }
}

fn identity(path: &Path) -> std::io::Result<(u64, u64)> {
    fs::symlink_metadata(path).map(|found| (found.dev(), found.ino()))
}

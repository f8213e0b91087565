//! What the service manager hears, by systemd's protocol (`NOTIFY_SOCKET`): ready, reloading, stopping. Without the variable
//! nobody listens.

use std::ffi::OsStr;
use std::io;
use std::os::linux::net::SocketAddrExt;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::net::{SocketAddr, UnixDatagram};
use std::path::Path;

use rustix::time::{ClockId, clock_gettime};

/// Beacons are taken.
pub(super) fn ready() {
    say("READY=1\nSTATUS=taking beacons");
}

/// The program begins anew, and says that it is ready again.
pub(super) fn reloading() {
    let now = clock_gettime(ClockId::Monotonic);
    let micros = now.tv_sec * 1_000_000 + now.tv_nsec / 1_000;
    say(&format!("RELOADING=1\nMONOTONIC_USEC={micros}\nSTATUS=beginning anew"));
}

/// No more beacons are taken.
pub(super) fn stopping() {
    say("STOPPING=1\nSTATUS=stopping");
}

fn say(words: &str) {
    let Some(place) = std::env::var_os("NOTIFY_SOCKET").filter(|place| !place.is_empty()) else { return };
    if let Err(error) = send(&place, words) {
        tracing::warn!(%error, "the service manager does not hear in which state the service is (NOTIFY_SOCKET)");
    }
}

fn send(place: &OsStr, words: &str) -> io::Result<()> {
    let address = match place.as_bytes().strip_prefix(b"@") {
        Some(name) => SocketAddr::from_abstract_name(name)?,
        None => SocketAddr::from_pathname(Path::new(place))?,
    };
    UnixDatagram::unbound()?.send_to_addr(words.as_bytes(), &address).map(drop)
}

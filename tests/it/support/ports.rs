//! Ports for programs that are stopped and started again in the same place.

use std::net::TcpListener;
use std::sync::atomic::{AtomicU32, Ordering};

/// The first of two neighbouring ports that nobody listens on; each is given once. They lie below those that the system gives to
/// connections, of which one could take the place of a program that is away for a moment.
pub(crate) fn pair() -> u16 {
    static GIVEN: AtomicU32 = AtomicU32::new(0);
    loop {
        let nth = std::process::id().wrapping_mul(97).wrapping_add(GIVEN.fetch_add(1, Ordering::Relaxed));
        let port = 20_000 + 2 * (nth % 6_000) as u16;
        if [port, port + 1].iter().all(|port| TcpListener::bind(("127.0.0.1", *port)).is_ok()) {
            return port;
        }
    }
}

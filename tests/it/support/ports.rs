//! Ports for programs that are stopped and started again on the same port.

use std::net::TcpListener;
use std::sync::atomic::{AtomicU32, Ordering};

/// The first of two neighbouring free ports. Each pair is given once. The ports are below the range from which the
/// system takes ports of outgoing connections. One of those could otherwise take the port while its program restarts.
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

//! File descriptors: as many as the system allows, and no more connections than they are enough for.
//!
//! A connection needs a descriptor, and so do the spool, the keys and the requests to the stores. If connections could take
//! all of them, idle clients would stop the spool and the destruction of keys.

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

use crate::collect::server::Limits;
use crate::config;

/// What is kept for the spool, the keys, the stores and the engines.
const RESERVED: usize = 128;
/// The most connections of operations.
const ADMIN_CONNECTIONS_MAX: usize = 64;
/// More is not asked for, also where the system sets no limit.
const ASKED_MAX: u64 = 1 << 20;

/// Raises the soft limit of open files to the hard one. Returns the limit that holds now.
pub(super) fn raise() -> usize {
    let Rlimit { current, maximum } = getrlimit(Resource::Nofile);
    let asked = maximum.unwrap_or(ASKED_MAX).min(ASKED_MAX);
    let is_lower = current.is_some_and(|current| current < asked);
    if is_lower && setrlimit(Resource::Nofile, Rlimit { current: Some(asked), maximum }).is_err() {
        tracing::warn!("cannot raise the limit of open files; fewer connections can be open at once");
    }
    let limit = getrlimit(Resource::Nofile).current.unwrap_or(ASKED_MAX);
    usize::try_from(limit).unwrap_or(usize::MAX)
}

/// The limits of the public listener and of the operations' one, with so many descriptors.
pub(super) fn limits(server: &config::Server, descriptors: usize) -> (Limits, Limits) {
    let configured = server.max_connections as usize;
    let (public, admin) = connections(configured, descriptors);
    if public < configured {
        tracing::warn!(
            configured,
            connections = public,
            descriptors,
            "[server] max_connections is more than the limit of open files allows; raise that limit (LimitNOFILE)"
        );
    }
    let limits = Limits::from_config(server);
    (Limits { connections: public, ..limits }, Limits { connections: admin, ..limits })
}

/// Connections of the public listener and of the operations' one.
fn connections(configured: usize, descriptors: usize) -> (usize, usize) {
    // With very few descriptors nothing works well; then half of them are kept.
    let free = descriptors.saturating_sub(RESERVED).max(descriptors / 2);
    let admin = ADMIN_CONNECTIONS_MAX.min(configured).min(free / 8).max(1);
    (configured.min(free.saturating_sub(admin)).max(1), admin)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn connections_leave_the_reserve() {
        for (configured, descriptors, expected) in [
            (4096, 65_536, (4096, 64)),
            (4096, 1024, (832, 64)),
            (4096, 300, (151, 21)),
            (10, 1024, (10, 10)),
            (4096, 64, (28, 4)),
            (4096, 1, (1, 1)),
        ] {
            assert_eq!(connections(configured, descriptors), expected, "{configured} of {descriptors}");
        }
    }
}

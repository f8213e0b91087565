//! Whether a proxy stands before the collector that `[server] trusted_proxies` does not name.
//!
//! Its forwarding header is not believed, so all visitors seem to come from its one network: they share a rate limit, a place and, where
//! a site counts without a cookie, an identity. Such a proxy is at work if a peer of a local network sends the header, or if many requests
//! have it. One request from the internet proves nothing: everybody can write the header.

use std::net::IpAddr;
use std::sync::atomic::{AtomicU32, Ordering};

use crate::metrics::Metrics;

/// So many requests with the header, more than those without it, and a proxy is suspected.
const SURE: u32 = 64;

/// What the requests so far say.
#[derive(Default)]
pub(super) struct Forwarding {
    score: AtomicU32,
}

impl Forwarding {
    /// Notes a request of a peer that is no trusted proxy, and whether it has the forwarding header.
    pub(super) fn note(&self, peer: IpAddr, has_header: bool, metrics: &Metrics) {
        let step = match (has_header, is_local(peer)) {
            (true, true) => SURE,
            (true, false) => 1,
            (false, _) => 0,
        };
        let before = self.score.load(Ordering::Relaxed);
        let after = if step > 0 { (before + step).min(SURE) } else { before.saturating_sub(1) };
        if before == after {
            return;
        }
        // Another request may come in between; then one of the two does not count.
        self.score.store(after, Ordering::Relaxed);
        if after == SURE && metrics.operations.proxy_untrusted.set(1) == 0 {
            tracing::warn!(
                "a proxy names its clients and is not trusted, so all of them seem to be one network: add its network to [server] \
                 trusted_proxies"
            );
        }
        if after == 0 {
            metrics.operations.proxy_untrusted.set(0);
        }
    }
}

/// Addresses of this machine and of local networks, from which no visitor of the internet comes.
fn is_local(peer: IpAddr) -> bool {
    match peer.to_canonical() {
        IpAddr::V4(peer) => peer.is_loopback() || peer.is_private() || peer.is_link_local(),
        IpAddr::V6(peer) => peer.is_loopback() || peer.is_unique_local() || peer.is_unicast_link_local(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn is_suspected(requests: &[(&str, bool)]) -> bool {
        let (forwarding, metrics) = (Forwarding::default(), Metrics::default());
        for (peer, has_header) in requests {
            forwarding.note(peer.parse().expect("an address"), *has_header, &metrics);
        }
        metrics.operations.proxy_untrusted.get() == 1
    }

    #[test]
    fn a_proxy_is_suspected_at_once_on_a_local_network_and_elsewhere_by_many_requests() {
        for peer in ["127.0.0.1", "10.1.2.3", "172.17.0.1", "::1", "fd00::1", "::ffff:192.168.1.1"] {
            assert!(is_suspected(&[(peer, true)]), "{peer}");
            assert!(!is_suspected(&[(peer, false); 1000]), "{peer}");
        }
        assert!(is_suspected(&[("203.0.113.1", true); 64]));
        assert!(!is_suspected(&[("203.0.113.1", true); 63]), "somebody writes the header by himself");
        let mut one_forger_among_visitors = [("198.51.100.1", false), ("203.0.113.1", true)].repeat(1000);
        assert!(!is_suspected(&one_forger_among_visitors));
        one_forger_among_visitors.extend([("203.0.113.1", true); 64]);
        one_forger_among_visitors.extend([("198.51.100.1", false); 64]);
        assert!(!is_suspected(&one_forger_among_visitors), "it is over");
    }
}

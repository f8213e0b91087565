//! Whose address a request came from, seen through the proxies that the operator trusts.
//!
//! Forwarding headers count only when the peer is a trusted proxy. Then `X-Forwarded-For` is read from the right, over
//! trusted hops, to the first address that is not trusted: what stands left of it was written by somebody unknown. An entry
//! that is no address ends the walk at the last hop that was understood. The result feeds lookups in memory only.

use std::net::{IpAddr, SocketAddr};

use http::HeaderMap;
use ipnet::IpNet;

use crate::secret::Personal;

const FORWARDED_FOR: &str = "x-forwarded-for";
/// Hops that are looked at; a longer chain is nobody's real one.
const HOPS_MAX: usize = 32;

/// The networks whose word counts.
#[derive(Clone, Debug, Default)]
pub(super) struct TrustedProxies(Vec<IpNet>);

impl TrustedProxies {
    /// From the configuration's `trusted_proxies`.
    pub(super) fn new(networks: Vec<IpNet>) -> Self {
        Self(networks)
    }

    fn trusts(&self, address: IpAddr) -> bool {
        self.0.iter().any(|network| network.contains(&address))
    }

    /// The address of the client behind a peer.
    pub(super) fn client(&self, peer: IpAddr, headers: &HeaderMap) -> Personal<IpAddr> {
        let mut client = peer.to_canonical();
        let lines: Vec<&str> = headers.get_all(FORWARDED_FOR).iter().filter_map(|line| line.to_str().ok()).collect();
        let hops = lines.iter().rev().flat_map(|line| line.rsplit(',')).take(HOPS_MAX);
        for hop in hops {
            if !self.trusts(client) {
                break;
            }
            match address(hop.trim()) {
                Some(next) => client = next,
                None => break,
            }
        }
        Personal::new(client)
    }
}

/// `192.0.2.1`, `192.0.2.1:80`, `2001:db8::1`, `[2001:db8::1]`, `[2001:db8::1]:80`; a mapped address is its IPv4 one.
fn address(text: &str) -> Option<IpAddr> {
    let plain = text.strip_prefix('[').and_then(|text| text.strip_suffix(']')).unwrap_or(text);
    let parsed = plain.parse().ok().or_else(|| text.parse::<SocketAddr>().ok().map(|socket| socket.ip()))?;
    Some(IpAddr::to_canonical(&parsed))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn client(trusted: &[&str], peer: &str, lines: &[&str]) -> String {
        let trusted = TrustedProxies::new(trusted.iter().map(|net| net.parse().expect("a network")).collect());
        let mut headers = HeaderMap::new();
        for line in lines {
            headers.append(FORWARDED_FOR, line.parse().expect("a header"));
        }
        trusted.client(peer.parse().expect("an address"), &headers).expose().to_string()
    }

    #[test]
    fn only_what_trusted_proxies_wrote_counts() {
        let local = &["127.0.0.0/8", "10.0.0.0/8", "2001:db8::/32"][..];
        for (trusted, peer, lines, expected) in [
            (&[][..], "127.0.0.1", &["198.18.0.1"][..], "127.0.0.1"),
            (local, "127.0.0.1", &[], "127.0.0.1"),
            (local, "198.18.0.9", &["198.18.0.1"], "198.18.0.9"),
            (local, "127.0.0.1", &["198.18.0.1"], "198.18.0.1"),
            (local, "127.0.0.1", &["203.0.113.7, 198.18.0.1, 10.1.1.1"], "198.18.0.1"),
            (local, "127.0.0.1", &["203.0.113.7", "198.18.0.1,10.1.1.1"], "198.18.0.1"),
            (local, "127.0.0.1", &["203.0.113.7, junk, 10.1.1.1"], "10.1.1.1"),
            (local, "127.0.0.1", &["198.18.0.1:4711"], "198.18.0.1"),
            (local, "127.0.0.1", &["[2001:db9::1]:80"], "2001:db9::1"),
            (local, "127.0.0.1", &["[2001:db9::1], [2001:db8::2]"], "2001:db9::1"),
            (local, "::ffff:127.0.0.1", &["::ffff:198.18.0.1"], "198.18.0.1"),
            (local, "127.0.0.1", &["10.0.0.1, 10.0.0.2"], "10.0.0.1"),
            (local, "127.0.0.1", &[""], "127.0.0.1"),
        ] {
            assert_eq!(client(trusted, peer, lines), expected, "{lines:?}");
        }
    }

    proptest::proptest! {
        #[test]
        fn what_a_client_writes_never_changes_what_the_proxy_saw(forged in "[ -~]{0,300}") {
            let line = format!("{forged}, 198.18.0.1");
            proptest::prop_assert_eq!(client(&["127.0.0.0/8"], "127.0.0.1", &[&line]), "198.18.0.1");
        }
    }
}

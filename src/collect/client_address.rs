//! The client's address behind trusted proxies.
//!
//! A forwarding header is believed only if the peer is a trusted proxy, and only the header that `[server]
//! client_address_header` names: a proxy that writes one header may pass on another one as the client sent it. A list
//! (`X-Forwarded-For`, or `Forwarded` of RFC 7239) is read from the right, over trusted hops, to the first address that
//! is not trusted. Entries to the left of it come from unknown writers. An entry that is no address ends the walk at
//! the last hop that was understood. Any other header holds one address; if it is sent twice, it is ignored. The
//! address is used for lookups in memory only. Nothing in a request's body is ever used as an address.

use std::net::{IpAddr, SocketAddr};

use http::{HeaderMap, HeaderName, HeaderValue};
use ipnet::{IpNet, Ipv4Net};

use crate::secret::Personal;

const FORWARDED: HeaderName = HeaderName::from_static("forwarded");
const FORWARDED_FOR: HeaderName = HeaderName::from_static("x-forwarded-for");
/// How many hops are read. No real chain of proxies is longer.
const HOPS_MAX: usize = 32;

/// The networks of trusted proxies, and the header that they write.
pub struct TrustedProxies {
    networks: Vec<IpNet>,
    header: HeaderName,
}

impl TrustedProxies {
    /// From the configuration's `trusted_proxies` and `client_address_header`, which was checked.
    pub fn new(networks: &[IpNet], header: &str) -> Self {
        let networks = networks.iter().map(|network| canonical(*network)).collect();
        Self { networks, header: header.parse().unwrap_or(FORWARDED_FOR) }
    }

    /// Whether a header field is one that proxies name the client in, whichever of them is believed.
    pub(super) fn reads(&self, name: &HeaderName) -> bool {
        *name == self.header || *name == FORWARDED || name.as_str().starts_with("x-forwarded")
    }

    /// Whether a peer that is not trusted names a client; `None` for one that is trusted.
    pub(super) fn is_unheeded(&self, peer: IpAddr, headers: &HeaderMap) -> Option<bool> {
        (!self.trusts(peer.to_canonical())).then(|| headers.contains_key(&self.header))
    }

    /// Whether a canonical address is a trusted proxy's.
    pub(super) fn trusts(&self, address: IpAddr) -> bool {
        self.networks.iter().any(|network| network.contains(&address))
    }

    /// The address of the client behind a peer.
    pub fn client(&self, peer: IpAddr, headers: &HeaderMap) -> Personal<IpAddr> {
        let peer = peer.to_canonical();
        if !self.trusts(peer) {
            return Personal::new(peer);
        }
        // Read as bytes: a byte that is not ASCII spoils its own entry, but not the entries that a proxy wrote after
        // it.
        let mut lines = headers.get_all(&self.header).iter().map(HeaderValue::as_bytes);
        let client = if self.header == FORWARDED_FOR {
            self.walk(peer, lines.rev().flat_map(|line| line.rsplit(|byte| *byte == b',')).map(address))
        } else if self.header == FORWARDED {
            self.walk(peer, lines.rev().flat_map(|line| pieces_from_right(line, b',')).map(forwarded_for))
        } else {
            lines.next().filter(|_| lines.next().is_none()).and_then(address).unwrap_or(peer)
        };
        Personal::new(client)
    }

    /// Goes from the peer to the left while the current hop is trusted and has named an address.
    fn walk(&self, peer: IpAddr, hops: impl Iterator<Item = Option<IpAddr>>) -> IpAddr {
        let mut client = peer;
        for hop in hops.take(HOPS_MAX) {
            match hop {
                Some(next) if self.trusts(client) => client = next,
                _ => break,
            }
        }
        client
    }
}

/// Turns a network of mapped addresses (`::ffff:10.0.0.0/104`) into its IPv4 network, because addresses are compared as
/// IPv4.
fn canonical(network: IpNet) -> IpNet {
    match network.addr().to_canonical() {
        IpAddr::V4(address) if network.prefix_len() >= 96 && matches!(network, IpNet::V6(_)) => {
            Ipv4Net::new(address, network.prefix_len() - 96).map_or(network, IpNet::V4)
        }
        _ => network,
    }
}

/// `192.0.2.1`, `192.0.2.1:80`, `2001:db8::1`, `[2001:db8::1]`, `[2001:db8::1]:80`; a mapped address is its IPv4 one.
fn address(text: &[u8]) -> Option<IpAddr> {
    let text = std::str::from_utf8(text).ok()?.trim();
    let plain = text.strip_prefix('[').and_then(|text| text.strip_suffix(']')).unwrap_or(text);
    let parsed = plain.parse().ok().or_else(|| text.parse::<SocketAddr>().ok().map(|socket| socket.ip()))?;
    Some(IpAddr::to_canonical(&parsed))
}

/// The address after `for=` in one element of `Forwarded`; none for `unknown`, for a hidden name and for two of them.
fn forwarded_for(element: &[u8]) -> Option<IpAddr> {
    let mut values = pieces_from_right(element, b';').filter_map(|pair| {
        let at = pair.iter().position(|byte| *byte == b'=')?;
        pair[..at].trim_ascii().eq_ignore_ascii_case(b"for").then_some(pair[at + 1..].trim_ascii())
    });
    let value = values.next().filter(|_| values.next().is_none())?;
    match value.strip_prefix(b"\"") {
        Some(quoted) => address(&unescaped(quoted.strip_suffix(b"\"")?)),
        None => address(value),
    }
}

fn unescaped(quoted: &[u8]) -> Vec<u8> {
    let mut escaped = false;
    let kept = |byte: &u8| {
        escaped = *byte == b'\\' && !escaped;
        !escaped
    };
    quoted.iter().copied().filter(kept).collect()
}

/// The parts between separators outside of quotes, the last part first. It reads from the right, so that a quote that a
/// client left open does not hide the part that a proxy wrote after it.
fn pieces_from_right(text: &[u8], separator: u8) -> impl Iterator<Item = &[u8]> {
    let mut rest = Some(text);
    std::iter::from_fn(move || {
        let bytes = rest?;
        let is_escaped = |at: usize| bytes[..at].iter().rev().take_while(|byte| **byte == b'\\').count() % 2 == 1;
        let mut quoted = false;
        for at in (0..bytes.len()).rev() {
            if bytes[at] == b'"' && !(quoted && is_escaped(at)) {
                quoted = !quoted;
            } else if bytes[at] == separator && !quoted {
                rest = Some(&bytes[..at]);
                return Some(&bytes[at + 1..]);
            }
        }
        rest.take()
    })
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const LOCAL: &[&str] = &["127.0.0.0/8", "10.0.0.0/8", "2001:db8::/32", "::ffff:192.0.2.0/120"];

    fn client(header: &str, trusted: &[&str], peer: &str, lines: &[&str]) -> String {
        let networks: Vec<IpNet> = trusted.iter().map(|net| net.parse().expect("a network")).collect();
        let mut headers = HeaderMap::new();
        for line in lines {
            headers.append(
                HeaderName::try_from(header).expect("a name"),
                HeaderValue::from_bytes(line.as_bytes()).expect("a header"),
            );
        }
        let client = TrustedProxies::new(&networks, header).client(peer.parse().expect("an address"), &headers);
        client.expose().to_string()
    }

    #[test]
    fn only_what_trusted_proxies_wrote_counts() {
        for (trusted, peer, lines, expected) in [
            (&[][..], "127.0.0.1", &["198.18.0.1"][..], "127.0.0.1"),
            (LOCAL, "127.0.0.1", &[], "127.0.0.1"),
            (LOCAL, "198.18.0.9", &["198.18.0.1"], "198.18.0.9"),
            (LOCAL, "127.0.0.1", &["198.18.0.1"], "198.18.0.1"),
            (LOCAL, "127.0.0.1", &["203.0.113.7, 198.18.0.1, 10.1.1.1"], "198.18.0.1"),
            (LOCAL, "127.0.0.1", &["203.0.113.7", "198.18.0.1,10.1.1.1"], "198.18.0.1"),
            (LOCAL, "127.0.0.1", &["203.0.113.7, junk, 10.1.1.1"], "10.1.1.1"),
            (LOCAL, "127.0.0.1", &["198.18.0.1:4711"], "198.18.0.1"),
            (LOCAL, "127.0.0.1", &["[2001:db9::1]:80"], "2001:db9::1"),
            (LOCAL, "127.0.0.1", &["[2001:db9::1], [2001:db8::2]"], "2001:db9::1"),
            (LOCAL, "::ffff:127.0.0.1", &["::ffff:198.18.0.1"], "198.18.0.1"),
            (LOCAL, "192.0.2.7", &["198.18.0.1"], "198.18.0.1"),
            (LOCAL, "127.0.0.1", &["10.0.0.1, 10.0.0.2"], "10.0.0.1"),
            (LOCAL, "127.0.0.1", &[""], "127.0.0.1"),
            (LOCAL, "127.0.0.1", &["қ, 198.18.0.1"], "198.18.0.1"),
        ] {
            assert_eq!(client("x-forwarded-for", trusted, peer, lines), expected, "{lines:?}");
        }
    }

    #[test]
    fn forwarded_is_read_with_its_quotes_and_its_hidden_names() {
        for (lines, expected) in [
            (&["for=198.18.0.1"][..], "198.18.0.1"),
            (&["For=\"[2001:db9::17]:4711\";proto=https;by=203.0.113.43"], "2001:db9::17"),
            (
                &["for=203.0.113.7, proto=https ; for=\"198.18.0.1:80\" ; host=\"a,b;for=1\", for=10.0.0.1"],
                "198.18.0.1",
            ),
            (&["for=203.0.113.7", "for=198.18.0.1, for=\"10.0.0.1\""], "198.18.0.1"),
            (&["for=203.0.113.7, for=unknown, for=10.0.0.1"], "10.0.0.1"),
            (&["for=203.0.113.7, for=_hidden"], "127.0.0.1"),
            (&["for=198.18.0.1;for=198.18.0.2"], "127.0.0.1"),
            (&["for=\"evil, for=198.18.0.1"], "198.18.0.1"),
            (&["for=\"evil\\\", for=198.18.0.1;host=\"x\\\"\\\\\""], "198.18.0.1"),
            (&["for=\"198\\.18.0.1\""], "198.18.0.1"),
            (&["proto=https"], "127.0.0.1"),
            (&["for=\"қ, for=198.18.0.1"], "198.18.0.1"),
        ] {
            assert_eq!(client("forwarded", LOCAL, "127.0.0.1", lines), expected, "{lines:?}");
        }
    }

    #[test]
    fn a_vendor_s_header_holds_one_address_or_none() {
        for (peer, lines, expected) in [
            ("127.0.0.1", &["2001:db9::1"][..], "2001:db9::1"),
            ("127.0.0.1", &["198.18.0.1, 198.18.0.2"], "127.0.0.1"),
            ("127.0.0.1", &["198.18.0.1", "198.18.0.2"], "127.0.0.1"),
            ("127.0.0.1", &["junk"], "127.0.0.1"),
            ("198.18.0.9", &["198.18.0.1"], "198.18.0.9"),
        ] {
            assert_eq!(client("CF-Connecting-IP", LOCAL, peer, lines), expected, "{lines:?}");
        }
    }

    #[test]
    fn other_headers_than_the_configured_one_are_not_looked_at() {
        let proxies = TrustedProxies::new(&["127.0.0.0/8".parse().expect("a network")], "forwarded");
        let mut headers = HeaderMap::new();
        headers.append("x-forwarded-for", "198.18.0.1".parse().expect("a header"));
        headers.append("x-real-ip", "198.18.0.2".parse().expect("a header"));
        let peer = "127.0.0.1".parse().expect("an address");
        assert_eq!(*proxies.client(peer, &headers).expose(), peer);
    }

    proptest! {
        #[test]
        fn what_a_client_writes_never_changes_what_the_proxy_saw(
            forged in "[ -~қ]{0,200}|[\",;=\\\\ for]{0,60}", on_a_line_of_its_own: bool, seen: IpAddr, port: Option<u16>,
        ) {
            let seen = seen.to_canonical();
            let bare = match (seen, port) {
                (seen, Some(port)) => SocketAddr::new(seen, port).to_string(),
                (IpAddr::V6(seen), None) => format!("[{seen}]"),
                (seen, None) => seen.to_string(),
            };
            for (header, wrote) in [("x-forwarded-for", bare.clone()), ("forwarded", format!("for=\"{bare}\";proto=https"))] {
                let joined = format!("{forged}, {wrote}");
                let lines: &[&str] = if on_a_line_of_its_own { &[&forged, &wrote] } else { &[&joined] };
                let found = client(header, &["127.0.0.1/32"], "127.0.0.1", lines);
                // The machine's loopback address would be a further trusted hop.
                prop_assert!(found == seen.to_string() || seen.is_loopback(), "{found} of {lines:?}");
            }
        }

        #[test]
        fn without_a_trusted_peer_no_header_counts(forged in "[ -~]{0,200}", header in 0..3_usize, peer: IpAddr) {
            let header = ["x-forwarded-for", "forwarded", "x-real-ip"][header];
            let peer = peer.to_canonical();
            prop_assert_eq!(client(header, &[], &peer.to_string(), &[&forged]), peer.to_string());
        }
    }
}

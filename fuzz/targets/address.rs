//! Client address: whatever a client writes into a forwarding header, what the trusted proxy behind it wrote is the answer.

use http::{HeaderMap, HeaderName, HeaderValue};
use tamga::collect::client_address::TrustedProxies;

/// The first byte chooses the header and whether the proxy writes a line of its own; lines of the rest are header lines.
pub(crate) fn run(data: &[u8]) {
    let Some((choice, forged)) = data.split_first() else { return };
    let (header, wrote) = [
        ("x-forwarded-for", &b"198.18.0.1"[..]),
        ("x-forwarded-for", b"[2001:db9::1]:80"),
        ("forwarded", b"for=198.18.0.1;proto=https"),
        ("forwarded", b"proto=https;for=\"[2001:db9::1]:4711\""),
    ][usize::from(choice & 3)];
    let own_line = choice & 4 != 0;
    let mut lines: Vec<Vec<u8>> = forged.split(|byte| *byte == b'\n').map(<[u8]>::to_vec).collect();
    match lines.last_mut() {
        Some(last) if !own_line => last.extend([b", ", wrote].concat()),
        _ => lines.push(wrote.to_vec()),
    }
    let mut headers = HeaderMap::new();
    for line in lines {
        if let Ok(value) = HeaderValue::from_bytes(&line) {
            headers.append(HeaderName::from_static(header), value);
        } else if line.ends_with(wrote) {
            return;
        }
    }
    let peer = [127, 0, 0, 1].into();
    let proxies = TrustedProxies::new(&["127.0.0.1/32".parse().expect("a network")], header);
    let expected = if choice & 1 == 0 { "198.18.0.1" } else { "2001:db9::1" };
    assert_eq!(proxies.client(peer, &headers).expose().to_string(), expected);
    assert_eq!(*TrustedProxies::new(&[], header).client(peer, &headers).expose(), peer, "nobody is trusted");
    // The vendor's kind of header, in which whatever stands is one address or none.
    let vendor = TrustedProxies::new(&["127.0.0.1/32".parse().expect("a network")], "x-real-ip");
    let mut single = HeaderMap::new();
    if let Ok(value) = HeaderValue::from_bytes(forged) {
        single.append("x-real-ip", value);
    }
    vendor.client(peer, &single);
}

//! Behind a balancer that passes bytes on: is the client the one that its PROXY header names, and nobody else's header read?

use std::time::Duration;

use tokio::time::timeout;

use crate::support::collector::{Edge, Setup, view_of};
use crate::support::http::{Answer, raw};

/// A header of version 2: this client over TCP and IPv4, or a health check of the balancer itself.
fn header(client: Option<[u8; 4]>) -> Vec<u8> {
    let mut bytes = b"\r\n\r\n\0\r\nQUIT\n".to_vec();
    let Some(client) = client else { return [bytes, vec![0x20, 0, 0, 0]].concat() };
    bytes.extend([0x21, 0x11, 0, 12]);
    bytes.extend(client);
    bytes.extend([10, 0, 0, 1, 0x12, 0x34, 1, 187]);
    bytes
}

async fn edge(trusts_proxies: bool) -> Edge {
    Edge::start_with(Setup { trusts_proxies, proxy_protocol: true, ..Setup::default() }).await
}

#[tokio::test]
async fn the_client_is_the_one_that_the_header_names() {
    for (client, forwarded, place) in [
        (Some([198, 18, 32, 9]), None, "Astana"),
        // The named client is no trusted proxy, so what it writes does not count.
        (Some([198, 18, 32, 9]), Some("198.18.0.9"), "Astana"),
        // A trusted proxy behind the balancer names its own client.
        (Some([127, 0, 0, 3]), Some("198.18.0.9"), "Almaty"),
        (None, Some("198.18.0.9"), "Almaty"),
    ] {
        let edge = edge(true).await;
        let beacon = edge.beacon(view_of(1, 0, "/")).without("X-Forwarded-For");
        let beacon = forwarded.map_or(beacon.clone(), |forwarded| beacon.header("X-Forwarded-For", forwarded));
        let answer = raw(edge.address, &[header(client), beacon.bytes()].concat()).await;
        assert_eq!(Answer::parse(&answer).outcome(), "accepted");
        assert_eq!(edge.rows().await.of_visit("place")[1], place, "{client:?} {forwarded:?}");
    }
}

#[tokio::test]
async fn a_connection_without_a_header_of_a_trusted_proxy_is_not_answered() {
    let request = |edge: &Edge| edge.beacon(view_of(1, 0, "/")).bytes();
    let trusting = edge(true).await;
    let own = header(Some([198, 18, 32, 9]));
    let plain = request(&trusting);
    let text = [b"PROXY TCP4 198.18.0.9 10.0.0.1 4660 443\r\n".to_vec(), plain.clone()].concat();
    let late = own[..20].to_vec();
    let endless = [b"\r\n\r\n\0\r\nQUIT\n".as_slice(), &[0x21, 0x11, 255, 255], &[1; 9000]].concat();
    for bytes in [plain, text, late, endless, Vec::new()] {
        let answer = timeout(Duration::from_secs(30), raw(trusting.address, &bytes)).await.expect("it ends in time");
        assert!(answer.is_empty(), "{}", String::from_utf8_lossy(&answer));
    }
    assert_eq!(trusting.counts(), [0; 4]);
    let distrustful = edge(false).await;
    assert!(raw(distrustful.address, &[own, request(&distrustful)].concat()).await.is_empty());
    assert_eq!(distrustful.counts(), [0; 4]);
}

//! Can a request hide in another's body, and does every limit hold to the byte? One answer per connection at most, and the
//! right status.

use crate::support::collector::{Edge, beacon_of, view_of};
use crate::support::http::{Answer, raw};

/// Statuses of all answers on a connection.
fn statuses(answer: &[u8]) -> Vec<u16> {
    let text = String::from_utf8_lossy(answer);
    text.match_indices("HTTP/1.1 ").filter_map(|(at, _)| text.get(at + 9..at + 12)?.parse().ok()).collect()
}

/// What would be answered 200, were it taken for a request.
const HIDDEN: &str = "GET /tamga.js HTTP/1.1\r\nHost: a\r\nX: ";

#[tokio::test]
async fn nothing_behind_a_body_of_doubtful_length_is_a_request() {
    let edge = Edge::start().await;
    let head = "POST /v1/beacon HTTP/1.1\r\nHost: a\r\nOrigin: https://jetpay.kz\r\nContent-Type: text/plain\r\n";
    let chunked = format!("0\r\n\r\n{HIDDEN}");
    let length = chunked.len();
    for (name, fields, body) in [
        ("length, then chunked", format!("Content-Length: {length}\r\nTransfer-Encoding: chunked\r\n"), &chunked),
        ("chunked, then length", format!("Transfer-Encoding: chunked\r\nContent-Length: {length}\r\n"), &chunked),
        ("chunked twice", "Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n".to_owned(), &chunked),
        ("chunked and another", "Transfer-Encoding: chunked, identity\r\nContent-Length: 5\r\n".to_owned(), &chunked),
        ("another coding", "Transfer-Encoding: xchunked\r\nContent-Length: 5\r\n".to_owned(), &chunked),
        ("a space before the colon", "Transfer-Encoding : chunked\r\nContent-Length: 5\r\n".to_owned(), &chunked),
        ("a tab in the value", format!("Transfer-Encoding:\tchunked\r\nContent-Length: {length}\r\n"), &chunked),
        ("two lengths", format!("Content-Length: 5\r\nContent-Length: {length}\r\n"), &chunked),
        ("a list of lengths", format!("Content-Length: 5, {length}\r\n"), &chunked),
        ("a length with a sign", "Content-Length: +5\r\n".to_owned(), &chunked),
        ("a folded line", format!("X: y\r\n Content-Length: 0\r\nContent-Length: {length}\r\n"), &chunked),
        ("a null", "Content-\0Length: 5\r\n".to_owned(), &chunked),
        ("a lone line feed", "Transfer-Encoding: chunked\nContent-Length: 5\r\n".to_owned(), &chunked),
        ("a chunk's length with a sign", "Transfer-Encoding: chunked\r\n".to_owned(), &format!("+0\r\n\r\n{HIDDEN}")),
        (
            "a chunk beyond any",
            "Transfer-Encoding: chunked\r\n".to_owned(),
            &format!("ffffffffffffffff0\r\n\r\n{HIDDEN}"),
        ),
        ("an endless extension", "Transfer-Encoding: chunked\r\n".to_owned(), &format!("1;{}\r\n", "x".repeat(40_000))),
        (
            "trailers without end",
            "Transfer-Encoding: chunked\r\n".to_owned(),
            &format!("0\r\n{}", "a: b\r\n".repeat(9_000)),
        ),
    ] {
        let answer = raw(edge.address, format!("{head}{fields}\r\n{body}").as_bytes()).await;
        let statuses = statuses(&answer);
        assert!(statuses.len() <= 1 && !statuses.contains(&200), "{name}: {statuses:?}");
        assert!(statuses.iter().all(|status| (400..500).contains(status)), "{name}: {statuses:?}");
    }
    edge.counts();
}

#[tokio::test]
async fn a_chunked_beacon_is_taken_and_is_the_last_of_its_connection() {
    let edge = Edge::start().await;
    let body = view_of(1, 0, "/");
    let head = edge.beacon("").head().replace("Connection: close\r\n", "Transfer-Encoding: chunked\r\n");
    let request = format!("{head}{:x}\r\n{body}\r\n0\r\n\r\n{HIDDEN}\r\n\r\n", body.len());
    let answer = raw(edge.address, request.as_bytes()).await;
    assert_eq!(statuses(&answer), [202]);
    assert_eq!(Answer::parse(&answer).header("connection"), Some("close"));
}

#[tokio::test]
async fn compressed_bodies_are_refused_unread() {
    let edge = Edge::start().await;
    for coding in ["gzip", "br", "zstd", "deflate", "compress", "identity", "gzip, gzip", "", "x"] {
        // A bomb announces little; here it announces much and sends nothing.
        let call = edge.beacon("").header("Content-Encoding", coding).header("Content-Length", "60000");
        assert_eq!(call.send().await.status, 415, "{coding}");
    }
}

#[tokio::test]
async fn limits_hold_to_the_byte() {
    let edge = Edge::start().await;
    let object = r#"{"type":"engage","at":86400000,"engaged_ms":86400000}"#;
    let url = |bytes: usize| format!("https://jetpay.kz/{}", "a".repeat(bytes - "https://jetpay.kz/".len()));
    let named = |bytes: usize| format!(r#"{{"type":"event","at":1,"name":"{}"}}"#, "a".repeat(bytes));
    let exit = |bytes: usize| format!(r#"{{"type":"exit","at":1,"url":"{}"}}"#, url(bytes));
    let view = |at: u64| format!(r#"{{"type":"view","at":{at},"url":"https://jetpay.kz/"}}"#);
    for (name, within, beyond) in [
        ("events", vec![object; 100].join(","), vec![object; 101].join(",")),
        ("a name", named(64), named(65)),
        ("a URL", exit(2_048), exit(2_049)),
        ("a moment", view(86_400_000), view(86_400_001)),
        ("a time", object.to_owned(), object.replace("_ms\":86400000", "_ms\":86400001")),
    ] {
        assert_eq!(edge.beacon(beacon_of(1, 0, &within)).send().await.status, 202, "{name}");
        assert_eq!(edge.beacon(beacon_of(1, 0, &beyond)).send().await.status, 422, "{name}");
    }
    let numbered = |seq: u32| edge.beacon(beacon_of(2, seq, object));
    assert_eq!((numbered(10_000).send().await.status, numbered(10_001).send().await.status), (202, 422));

    let fields = |many: usize| (0..many).map(|number| format!("X-{number}: 1\r\n")).collect::<String>();
    let script = |fields: &str| format!("GET /tamga.js HTTP/1.1\r\nHost: a\r\nConnection: close\r\n{fields}\r\n");
    for (name, fields, status) in [
        ("128 fields", fields(126), 200),
        ("129 fields", fields(127), 431),
        ("a head of nearly 64 KiB", format!("X: {}\r\n", "x".repeat(65_400)), 200),
        ("a head over 64 KiB", format!("X: {}\r\n", "x".repeat(65_536)), 431),
        ("a head of 600 KiB", format!("X: {}\r\n", "x".repeat(10_000)).repeat(60), 431),
    ] {
        assert_eq!(statuses(&raw(edge.address, script(&fields).as_bytes()).await), [status], "{name}");
    }
    // Nothing behind such a head is a request.
    let large = script(&fields(200)).replace("Connection: close\r\n", "") + &script("");
    assert_eq!(statuses(&raw(edge.address, large.as_bytes()).await), [431]);
}

#[tokio::test]
async fn a_site_with_many_cookies_is_counted() {
    let edge = Edge::start().await;
    let cookies: String = (0..20).map(|number| format!("c{number}={}; ", "x".repeat(990))).collect();
    let fields: String = (0..74).map(|number| format!("X-{number}: 1\r\n")).collect();
    let call = edge.beacon(view_of(1, 0, "/tariffs")).cookies(Some(&cookies));
    let bytes = String::from_utf8(call.bytes())
        .unwrap()
        .replace("Connection: close\r\n", &format!("{fields}Connection: close\r\n"));
    let answer = Answer::parse(&raw(edge.address, bytes.as_bytes()).await);
    assert_eq!(answer.outcome(), "accepted");
    assert_eq!(edge.rows().await.event().path, "/tariffs");
    let objects = edge.beacon(view_of(2, 0, "/")).cookies(Some(&format!("{cookies}__Host-tamga-off=1")));
    assert_eq!(objects.send().await.outcome(), "off", "the objection is behind 20 kB of others");
}

#[tokio::test]
async fn a_head_that_others_may_read_differently_is_refused() {
    let edge = Edge::start().await;
    let get =
        |version: &str, fields: &str| format!("GET /tamga.js HTTP/{version}\r\n{fields}Connection: close\r\n\r\n");
    let host = "Host: t.jetpay.kz\r\n";
    for (name, request, status) in [
        ("one host", get("1.1", host), 200),
        ("a host of IPv6 with a port", get("1.1", "Host: [::1]:8080\r\n"), 200),
        ("HTTP/1.0 without a host", get("1.0", ""), 200),
        ("no host", get("1.1", ""), 400),
        ("an empty host", get("1.1", "Host: \r\n"), 400),
        ("two hosts", get("1.1", &host.repeat(2)), 400),
        ("two hosts of HTTP/1.0", get("1.0", &host.repeat(2)), 400),
        ("a host with a user", get("1.1", "Host: a@b\r\n"), 400),
        ("a host of two words", get("1.1", "Host: a b\r\n"), 400),
        ("a bare LF after the request line", get("1.1", host).replacen("\r\n", "\n", 1), 400),
        ("a bare LF after a field", get("1.1", &host.replace('\r', "")), 400),
        ("a bare LF at the end", get("1.1", host).replace("\r\n\r\n", "\r\n\n"), 400),
        ("bare LFs", get("1.1", host).replace('\r', ""), 400),
        ("a bare CR", get("1.1", &host.replace('\n', "")), 400),
    ] {
        let answer = raw(edge.address, request.as_bytes()).await;
        let line = String::from_utf8_lossy(&answer[..12.min(answer.len())]).replace("1.0", "1.1");
        assert_eq!(line, format!("HTTP/1.1 {status}"), "{name}");
    }
    // LFs of a body are none of a head's, also if another request follows on the connection.
    let body = format!("\n{}\n", view_of(1, 0, "/"));
    let kept = edge.beacon(body).bytes();
    let kept = String::from_utf8(kept).unwrap().replace("Connection: close\r\n", "");
    let next = String::from_utf8(edge.beacon(view_of(1, 1, "/")).bytes()).unwrap();
    assert_eq!(statuses(&raw(edge.address, format!("{kept}{next}").as_bytes()).await), [202, 202]);
    let bad = next.replacen("\r\n", "\n", 1);
    assert_eq!(
        statuses(&raw(edge.address, format!("{}{bad}", kept.replace("\"seq\":0", "\"seq\":2")).as_bytes()).await),
        [202, 400]
    );
}

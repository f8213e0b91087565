//! Can anything that is sent make the edge panic, fail or hang? Random heads and bodies, and malformed protocol.

use proptest::prelude::*;
use proptest::test_runner::{Config, TestRunner};
use tokio::runtime::Runtime;

use crate::support::collector::{Edge, view_id, view_of};
use crate::support::http::{Answer, raw};

/// Statuses of everything in an answer, which may be none when the connection was just closed.
fn statuses(answer: &[u8]) -> Vec<u16> {
    let text = String::from_utf8_lossy(answer);
    text.match_indices("HTTP/1.1 ").filter_map(|(at, _)| text.get(at + 9..at + 12)?.parse().ok()).collect()
}

fn attack(cases: u32, requests: impl Strategy<Value = Vec<u8>>) {
    let runtime = Runtime::new().unwrap();
    let edge = runtime.block_on(Edge::start());
    let mut runner = TestRunner::new(Config { cases, failure_persistence: None, ..Config::default() });
    runner
        .run(&requests, |request| {
            let answer = runtime.block_on(raw(edge.address, &request));
            let statuses = statuses(&answer);
            prop_assert!(statuses.iter().all(|status| *status < 500), "{statuses:?}");
            Ok(())
        })
        .unwrap();
    runtime.block_on(async {
        assert_eq!(edge.view(200, 9_999, None).await.outcome(), "accepted", "still alive");
        edge.counts();
    });
}

/// JSON near a beacon: known names with any values.
fn near_beacon() -> impl Strategy<Value = String> {
    let value = prop_oneof![
        Just("1".to_owned()),
        Just("0".to_owned()),
        Just("\"jetpay.kz\"".to_owned()),
        Just(format!("\"{}\"", view_id(1))),
        Just("\"https://jetpay.kz/a\"".to_owned()),
        "-?[0-9]{1,30}(\\.[0-9]{1,3})?([eE][0-9]{1,3})?",
        "\"[^\"\\\\]{0,60}\"",
        "\"(\\\\u[0-9a-fD]{4}|\\\\[nrt\"/]){0,8}\"",
        Just("null".to_owned()),
        Just("[{}]".to_owned()),
        Just("{\"a\":[[[]]]}".to_owned()),
    ];
    let name = prop_oneof![
        Just("v"),
        Just("site"),
        Just("view"),
        Just("seq"),
        Just("type"),
        Just("at"),
        Just("url"),
        Just("referrer"),
        Just("engaged_ms"),
        Just("name"),
        Just("variant"),
        Just("x")
    ];
    let object = |pairs: Vec<(&str, String)>| {
        let pairs: Vec<_> = pairs.into_iter().map(|(name, value)| format!("\"{name}\":{value}")).collect();
        format!("{{{}}}", pairs.join(","))
    };
    let kind = prop_oneof![Just("view"), Just("engage"), Just("exit"), Just("event"), Just("object"), Just("zz")];
    let event =
        (kind, prop::collection::vec((name.clone(), value.clone()), 0..5)).prop_map(move |(kind, mut pairs)| {
            pairs.retain(|(name, _)| *name != "type");
            pairs.push(("type", format!("\"{kind}\"")));
            object(pairs)
        });
    let whole = prop::collection::vec(event, 0..4).prop_map(|events| {
        format!(r#"{{"v":1,"site":"jetpay.kz","view":"{}","seq":1,"events":[{}]}}"#, view_id(1), events.join(","))
    });
    prop_oneof![whole, prop::collection::vec((name, value), 0..8).prop_map(object)]
}

fn request(target: &str, headers: &str, body: &[u8]) -> Vec<u8> {
    let head = format!(
        "POST {target} HTTP/1.1\r\nHost: a\r\nConnection: close\r\nOrigin: https://jetpay.kz\r\n\
         Content-Type: text/plain\r\nContent-Length: {}\r\n{headers}\r\n",
        body.len()
    );
    [head.as_bytes(), body].concat()
}

#[test]
fn no_body_makes_it_fail() {
    attack(600, near_beacon().prop_map(|body| request("/v1/beacon", "", body.as_bytes())));
    let any = prop::collection::vec(any::<u8>(), 0..400);
    attack(200, any.prop_map(|body| request("/v1/beacon", "", &body)));
}

#[test]
fn no_header_makes_it_fail() {
    let name = prop_oneof![
        Just("Cookie"),
        Just("User-Agent"),
        Just("X-Forwarded-For"),
        Just("Sec-CH-UA"),
        Just("Sec-CH-UA-Platform"),
        Just("Sec-GPC"),
        Just("Referer"),
        Just("Content-Encoding"),
        Just("Accept-Language")
    ];
    let value = prop_oneof![
        "[ -~]{0,200}",
        "[\\x21-\\x7e\\u{80}-\\u{2fff}]{0,60}",
        "(__Host-tamga-(jetpay\\.kz|off)=[A-Za-z0-9_=-]{0,80}; ?){1,3}",
        "[ -~]{1200}",
        "([0-9]{1,3}\\.){3}[0-9]{1,3}(, ?[0-9a-f:.\\[\\]]{0,40}){0,40}",
    ];
    let headers = prop::collection::vec((name, value), 0..6);
    attack(
        500,
        headers.prop_map(|headers| {
            let lines: String = headers.iter().map(|(name, value)| format!("{name}: {value}\r\n")).collect();
            request("/v1/beacon", &lines, view_of(1, 0, "/").as_bytes())
        }),
    );
}

#[test]
fn no_target_makes_it_fail() {
    let target = prop_oneof![
        "/v1/count\\.gif\\?(site|url|ref|x)=[!-~]{0,80}(&(site|url|ref)=[!-~]{0,80}){0,4}",
        "/[!-~]{0,60}",
        "[!-~]{1,40}",
    ];
    let method = prop_oneof!["GET", "HEAD", "OPTIONS", "POST", "[A-Z]{1,12}"];
    attack(
        300,
        (method, target).prop_map(|(method, target)| {
            format!("{method} {target} HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n").into_bytes()
        }),
    );
}

#[test]
fn malformed_protocol_is_let_go() {
    let runtime = Runtime::new().unwrap();
    runtime.block_on(async {
        let edge = Edge::start().await;
        let beacon = view_of(1, 0, "/");
        for bytes in [
            b"\r\n\r\n\r\n\r\n".to_vec(),
            vec![0; 3_000],
            vec![0xff; 70_000],
            b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03".repeat(20),
            b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n".to_vec(),
            b"GET /tamga.js HTTP/9.9\r\n\r\n".to_vec(),
            b"GET /tamga.js\r\n".to_vec(),
            b"POST /v1/beacon HTTP/1.1\r\nContent-Length: 5\r\nContent-Length: 6\r\n\r\n12345".to_vec(),
            b"POST /v1/beacon HTTP/1.1\r\nContent-Length: -1\r\n\r\n".to_vec(),
            b"POST /v1/beacon HTTP/1.1\r\nContent-Length: 99999999999999999999999\r\n\r\n".to_vec(),
            b"POST /v1/beacon HTTP/1.1\r\nTransfer-Encoding: chunked\r\nContent-Type: text/plain\r\n\r\nzz\r\n"
                .to_vec(),
            b"POST /v1/beacon HTTP/1.1\r\nTransfer-Encoding: gzip, chunked\r\nContent-Length: 3\r\n\r\n0\r\n\r\n"
                .to_vec(),
            b"GET /tamga.js HTTP/1.1\r\nHost: a\r\n folded: x\r\n\r\n".to_vec(),
            b"GET /tamga.js HTTP/1.1\r\nHost : a\r\n\r\n".to_vec(),
            b"POST /v1/beacon HTTP/1.1\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\r\n".to_vec(),
        ] {
            let answer = raw(edge.address, &bytes).await;
            let statuses = statuses(&answer);
            assert!(statuses.iter().all(|status| *status < 500), "{statuses:?}");
        }
        // A request inside another's body is body: it is not answered.
        let smuggled = "GET /tamga.js HTTP/1.1\r\nHost: a\r\n\r\n";
        let outer = format!(
            "POST /v1/beacon HTTP/1.1\r\nHost: a\r\nConnection: close\r\nContent-Length: {}\r\n\r\n{smuggled}",
            smuggled.len()
        );
        assert_eq!(statuses(&raw(edge.address, outer.as_bytes()).await), [415]);
        let patient = edge.beacon(beacon).head().replace("\r\n\r\n", "\r\nExpect: 100-continue\r\n\r\n");
        let patient = patient + &view_of(1, 0, "/");
        let answer = raw(edge.address, patient.as_bytes()).await;
        let answer = answer.strip_prefix(b"HTTP/1.1 100 Continue\r\n\r\n").unwrap_or(&answer);
        assert_eq!(Answer::parse(answer).outcome(), "accepted");
    });
}

//! What is refused, with which status, and does an answer ever repeat what was sent?

use std::path::Path;
use std::time::Duration;

use tamga::collect::BODY_MAX;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

use crate::support::collector::{Edge, Setup, beacon_of, view_of};
use crate::support::http::{Answer, Call};

/// Planted wherever a value goes.
const CANARY: &str = "canary-7f3a";

fn assert_problem(answer: &Answer, status: u16) {
    assert_eq!(answer.status, status, "{answer:?}");
    assert_eq!(answer.header("content-type"), Some("application/problem+json"));
    assert_eq!(answer.header("cache-control"), Some("no-store"));
    assert_eq!(answer.header("retry-after").is_some(), status == 503);
    assert_eq!(answer.cookie(), None);
    let problem: serde_json::Value = serde_json::from_slice(&answer.body).unwrap();
    assert_eq!(problem["status"], status);
    assert!(problem["detail"].as_str().unwrap().ends_with('.') && problem["title"].is_string());
    assert_eq!(problem["type"], "about:blank");
    assert!(!format!("{answer:?}").contains("canary"), "{answer:?}");
}

#[tokio::test]
async fn every_refusal_has_its_status_and_echoes_nothing() {
    let edge = Edge::start().await;
    let good = view_of(1, 0, &format!("/{CANARY}?{CANARY}"));
    let with = |from: &str, to: &str| {
        assert!(good.contains(from), "{from}");
        edge.beacon(good.replace(from, to))
    };
    let named = |name: &str| edge.beacon(beacon_of(1, 0, &format!(r#"{{"type":"event","at":1,"name":"{name}"}}"#)));
    let cases: Vec<(&str, u16, Call)> = vec![
        ("malformed", 400, edge.beacon(CANARY)),
        ("malformed", 400, edge.beacon("")),
        ("malformed", 400, edge.beacon(format!("[{good}]"))),
        ("malformed", 400, edge.beacon(&good.as_bytes()[..good.len() - 1])),
        ("malformed", 400, edge.beacon([good.as_bytes(), b"\xff"].concat())),
        ("malformed", 400, with("\"seq\":0", &format!("\"seq\":\"{CANARY}\""))),
        ("malformed", 400, edge.beacon("[".repeat(60_000))),
        ("malformed", 400, edge.beacon("{\"v\":".repeat(10_000))),
        ("unknown_version", 400, with("\"v\":1", "\"v\":2")),
        ("unknown_site", 403, with("\"jetpay.kz\"", &format!("\"{CANARY}.kz\""))),
        ("foreign_origin", 403, edge.beacon(good.clone()).header("Origin", &format!("https://{CANARY}.kz"))),
        ("foreign_origin", 403, edge.beacon(good.clone()).header("Origin", "null")),
        ("foreign_origin", 403, edge.beacon(good.clone()).header("Origin", "http://jetpay.kz")),
        ("foreign_origin", 403, edge.beacon(good.clone()).header("Origin", "https://jetpay.kz.evil.kz")),
        ("foreign_origin", 403, edge.beacon(good.clone()).header("Origin", "https://aitu.kz")),
        ("foreign_origin", 403, edge.beacon(good.clone()).without("Origin")),
        ("too_large", 413, edge.beacon(vec![b' '; 65_537])),
        ("media_type", 415, edge.beacon(good.clone()).header("Content-Type", &format!("image/{CANARY}"))),
        ("media_type", 415, edge.beacon(good.clone()).without("Content-Type")),
        ("media_type", 415, edge.beacon(good.clone()).header("Content-Encoding", "gzip")),
        ("out_of_bounds", 422, with(&view_id(), CANARY)),
        ("out_of_bounds", 422, with("\"seq\":0", "\"seq\":10001")),
        ("out_of_bounds", 422, named(&format!("{CANARY} {CANARY}"))),
    ];
    for (reason, status, call) in cases {
        let before = edge.reason("rejected", reason);
        assert_problem(&call.send().await, status);
        assert_eq!(edge.reason("rejected", reason), before + 1, "{reason}");
    }
    assert_eq!(edge.rows().await.len(), 0);
    let [received, accepted, dropped, rejected] = edge.counts();
    assert_eq!((accepted, dropped, received), (0, 0, rejected));
}

/// A proxy sends on what a client sends, and takes the connection for broken if it ends meanwhile.
#[tokio::test]
async fn a_sender_gets_its_refusal_after_its_whole_body() {
    let edge = Edge::start().await;
    let large = " ".repeat(BODY_MAX + 1);
    for (status, call) in [
        (413, edge.beacon(large.clone())),
        (415, edge.beacon(large.clone()).header("Content-Type", "text/html")),
        (202, edge.beacon(large).cookies(Some("__Host-tamga-off=1"))),
    ] {
        let request = call.bytes();
        let mut stream = TcpStream::connect(edge.address).await.unwrap();
        let (begin, rest) = request.split_at(request.len() / 2);
        stream.write_all(begin).await.unwrap();
        // Long enough for an answer to come, and for the end of the connection.
        tokio::time::sleep(Duration::from_millis(50)).await;
        stream.write_all(rest).await.unwrap();
        let mut heard = Vec::new();
        stream.read_to_end(&mut heard).await.expect("an end in order");
        assert_eq!(Answer::parse(&heard).status, status);
    }
}

fn view_id() -> String {
    crate::support::collector::view_id(1)
}

#[tokio::test]
async fn one_bad_event_costs_no_other_and_no_objection() {
    let edge = Edge::start().await;
    let view = r#"{"type":"view","at":0,"url":"https://jetpay.kz/tariffs"}"#;
    let long = format!(r#"{{"type":"exit","at":1,"url":"https://{}kz/"}}"#, "a.".repeat(150));
    let bad =
        [r#"{"type":"exit","at":1,"url":"https://xn--a.kz"}"#, &long, r#"{"type":"search","at":1,"query":"\ud83d"}"#];
    let all = edge.beacon(beacon_of(1, 0, &[bad[0], view, bad[1]].join(","))).send().await;
    assert_eq!((all.outcome(), edge.reason("dropped", "invalid_event")), ("accepted", 2));
    assert_eq!(edge.rows().await.event().path, "/tariffs");
    let cut = edge.beacon(beacon_of(2, 0, &[bad[2], view].join(","))).send().await;
    assert_eq!((cut.outcome(), edge.rows().await.event().path.as_str()), ("accepted", "/tariffs"), "half a character");
    let objection = [bad[0], r#"{"type":"object","at":null}"#].join(",");
    assert_eq!(edge.beacon(beacon_of(3, 0, &objection)).send().await.outcome(), "off");
    assert_eq!(edge.rows().await.len(), 0);
    edge.counts();
}

#[tokio::test]
async fn a_beacon_may_be_as_large_as_browsers_let_it() {
    let edge = Edge::start().await;
    let body = view_of(1, 0, "/");
    let padded = |bytes: usize| body.clone() + &" ".repeat(bytes - body.len());
    assert_eq!(edge.beacon(padded(65_536)).send().await.outcome(), "accepted");
    assert_eq!(edge.beacon(padded(65_537)).send().await.status, 413);
    let json = edge.beacon(view_of(2, 0, "/")).header("Content-Type", "Application/JSON; charset=utf-8");
    assert_eq!(json.send().await.outcome(), "accepted");
}

#[tokio::test]
async fn a_disk_that_is_full_or_fails_is_503_until_it_is_well_again() {
    let edge = Edge::start().await;
    for (view, reason) in [(1, "disk_full"), (2, "spool_broken")] {
        if view == 1 {
            edge.disk.fill()
        } else {
            edge.disk.fail()
        }
        assert_problem(&edge.view(view, 0, None).await, 503);
        assert_eq!(edge.reason("rejected", reason), 1);
        edge.disk.recover();
        tokio::time::sleep(Duration::from_millis(700)).await;
        assert_eq!(edge.view(view, 0, None).await.outcome(), "accepted", "the same beacon, tried again");
    }
    assert_eq!(edge.rows().await.events.len(), 2);
}

#[tokio::test]
async fn a_spool_at_its_quota_is_503_and_nothing_that_was_acknowledged_is_missing() {
    let edge = Edge::start_with(Setup { spool_quota_bytes: 64 << 10, ..Setup::default() }).await;
    let mut accepted = 0;
    let full = loop {
        let answer = edge.view(1, accepted, None).await;
        if answer.status != 202 {
            break answer;
        }
        accepted += 1;
        assert!(accepted < 1_000);
    };
    assert_problem(&full, 503);
    assert_eq!(edge.reason("rejected", "spool_full"), 1, "not the disk's");
    // A count is smaller than the rows of a view, so some may find space.
    let mut counts = 0;
    while edge.beacon(view_of(9, counts, "/")).header("Sec-GPC", "1").send().await.status != 503 {
        counts += 1;
        assert!(counts < 20, "a count is a row like others");
    }
    assert_eq!(edge.rows().await.events.len(), accepted as usize);
    assert_eq!(edge.view(1, accepted, None).await.outcome(), "accepted", "there is space again");
}

#[tokio::test]
async fn without_a_key_there_is_no_pseudonym_and_so_no_row() {
    let edge = Edge::start().await;
    let gone = edge.keys.path().join("gone");
    std::fs::rename(edge.keys.path(), gone.parent().unwrap().with_extension("aside")).unwrap();
    assert_problem(&edge.view(1, 0, None).await, 503);
    assert_eq!(edge.reason("rejected", "no_key"), 1);
    std::fs::rename(gone.parent().unwrap().with_extension("aside"), edge.keys.path()).unwrap();
    assert_eq!(edge.view(1, 0, None).await.outcome(), "accepted");
}

#[tokio::test]
async fn what_the_schema_s_examples_say_is_so() {
    let edge = Edge::start().await;
    let mut seen = [0; 2];
    for entry in std::fs::read_dir(Path::new(env!("CARGO_MANIFEST_DIR")).join("schema/wire/examples")).unwrap() {
        let path = entry.unwrap().path();
        let valid = path.file_name().unwrap().to_str().unwrap().starts_with("valid-");
        let body = std::fs::read_to_string(&path).unwrap();
        let discarded = || edge.figure("tamga_fields_unknown_total") + edge.reason("dropped", "invalid_event");
        let before = discarded();
        let answer = edge.beacon(body.as_str()).send().await;
        let name = path.file_stem().unwrap().to_str().unwrap();
        // Of a beacon with a valid event, only what is not valid is discarded.
        let is_whole = answer.status == 202 && (name == "valid-device-unknown-field" || discarded() == before);
        assert_eq!(is_whole, valid, "{name}: {}", answer.status);
        assert!(answer.status == 202 || matches!(answer.status, 400 | 403 | 422), "{name}: {}", answer.status);
        seen[usize::from(valid)] += 1;
    }
    assert!(seen[0] > 20 && seen[1] > 5, "{seen:?}");
    edge.counts();
}

#[tokio::test]
async fn unknown_routes_and_methods_say_so_and_nothing_else() {
    let edge = Edge::start().await;
    for (method, target, status) in [
        ("GET", "/", 404),
        ("GET", "/canary-7f3a", 404),
        ("POST", "/v1/beacon/", 404),
        ("POST", "/v1/beacon/../beacon", 404),
        ("POST", "//v1/beacon", 404),
        ("GET", "/v1/beacon", 405),
        ("PUT", "/v1/beacon", 405),
        ("CANARY", "/v1/beacon", 405),
        ("TRACE", "/v1/beacon", 405),
        ("POST", "/v1/picture", 405),
        ("POST", "/v1/count.gif", 405),
        ("POST", "/tamga.js", 405),
        ("OPTIONS", "*", 404),
        ("CONNECT", "t.jetpay.kz:443", 404),
        ("GET", "http://canary.kz/tamga.jsx", 404),
        ("GET", "/metrics", 404),
        ("GET", "/healthz", 404),
    ] {
        let answer = edge.call(method, target).send().await;
        assert_eq!(answer.status, status, "{method} {target}");
        assert!(!format!("{answer:?}").to_lowercase().contains("canary"), "{answer:?}");
    }
}

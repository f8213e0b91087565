//! Which pages may read an answer? Those of the configured origins, exactly. Any other learns only that it is refused.

use crate::support::collector::{Edge, ORIGIN, view_of};
use crate::support::http::{Answer, raw};

fn cors(answer: &Answer) -> [Option<&str>; 3] {
    ["access-control-allow-origin", "access-control-allow-credentials", "access-control-expose-headers"]
        .map(|name| answer.header(name))
}

const EXPOSED: Option<&str> = Some("Tamga-Outcome, Tamga-Device, Retry-After");
const STRANGERS: [&str; 8] = [
    "https://evil.kz",
    "https://jetpay.kz.evil.kz",
    "https://evil.kz#https://jetpay.kz",
    "https://evil-jetpay.kz",
    "http://jetpay.kz",
    "https://jetpay.kz:443",
    "HTTPS://JETPAY.KZ",
    "null",
];

#[tokio::test]
async fn the_site_s_pages_may_read_answers_and_refusals() {
    let edge = Edge::start().await;
    for (seq, origin) in [(0, ORIGIN), (1, "https://www.jetpay.kz")] {
        let answer = edge.beacon(view_of(1, seq, "/")).header("Origin", origin).send().await;
        assert_eq!(answer.outcome(), "accepted");
        assert_eq!(cors(&answer), [Some(origin), Some("true"), EXPOSED]);
        assert_eq!(answer.header("vary"), Some("Origin"));
    }
    let refused = edge.beacon("x").send().await;
    assert_eq!((refused.status, cors(&refused)), (400, [Some(ORIGIN), Some("true"), EXPOSED]));
    let off = edge.beacon("x").cookies(Some("__Host-tamga-off=1")).send().await;
    assert_eq!((off.outcome(), cors(&off)), ("off", [Some(ORIGIN), Some("true"), EXPOSED]), "the snippet mirrors it");
}

#[tokio::test]
async fn a_stranger_is_never_reflected() {
    let edge = Edge::start().await;
    for origin in STRANGERS {
        let answer = edge.beacon(view_of(1, 0, "/")).header("Origin", origin).send().await;
        assert_eq!(
            (answer.status, cors(&answer)),
            (403, [Some("*"), None, EXPOSED]),
            "final, and no credentials: {origin}"
        );
        assert_eq!(answer.cookie(), None);
        let asked = edge.call("OPTIONS", "/v1/beacon").header("Origin", origin);
        let answer = asked.header("Access-Control-Request-Method", "POST").send().await;
        assert_eq!(cors(&answer)[1], None, "{origin}");
        assert_eq!(answer.header("access-control-allow-methods"), None);
        assert_eq!(answer.header("access-control-allow-headers"), None);
    }
    let another_site_s = edge.beacon(view_of(1, 0, "/")).header("Origin", "https://aitu.kz").send().await;
    assert_eq!(another_site_s.status, 403);
    assert_eq!(edge.rows().await.len(), 0);
}

#[tokio::test]
async fn a_page_may_read_every_refusal() {
    let edge = Edge::start().await;
    let many_fields = (0..150).map(|number| format!("x-{number}: 1\r\n")).collect::<String>();
    for (what, method, target, status) in [
        ("no such route", "POST", "/v1/beacons", 404),
        ("no such method", "PUT", "/v1/beacon", 405),
        ("no such method", "POST", "/v1/picture", 405),
        ("a large body", "POST", "/v1/beacon", 413),
        ("another type", "POST", "/v1/beacon", 415),
        ("a large cookie", "POST", "/v1/beacon", 431),
        ("many fields", "POST", "/v1/beacon", 431),
        ("a full disk", "POST", "/v1/beacon", 503),
    ] {
        for (origin, allowed) in [(ORIGIN, [Some(ORIGIN), Some("true")]), ("https://evil.kz", [Some("*"), None])] {
            if status == 503 && origin != ORIGIN {
                continue;
            }
            let call = edge.call(method, target).header("Origin", origin).header("Content-Type", "text/plain");
            let call = call.body(view_of(1, 0, "/"));
            let answer = match what {
                "a large body" => call.body(vec![b' '; 70_000]).send().await,
                "another type" => call.header("Content-Type", "image/gif").send().await,
                "a large cookie" => call.header("Cookie", &format!("a={}", "x".repeat(70_000))).send().await,
                "many fields" => {
                    let bytes = String::from_utf8(call.bytes()).unwrap();
                    let bytes = bytes.replace("Connection: close\r\n", &format!("{many_fields}Connection: close\r\n"));
                    Answer::parse(&raw(edge.address, bytes.as_bytes()).await)
                }
                "a full disk" => {
                    edge.disk.fill();
                    call.send().await
                }
                _ => call.send().await,
            };
            assert_eq!(answer.status, status, "{what}");
            assert_eq!(cors(&answer)[..2], allowed, "{what}");
        }
    }
    assert_eq!(edge.reason("rejected", "head_too_large"), 4);
    assert_eq!(edge.rows().await.len(), 0);
}

#[tokio::test]
async fn a_preflight_allows_what_programs_of_the_page_add() {
    let edge = Edge::start().await;
    let asked = edge.call("OPTIONS", "/v1/beacon").header("Origin", ORIGIN);
    let wrapped = "content-type, authorization,traceparent , Sentry-Trace, x-forwarded-for, forwarded, b\u{e4}d";
    let answer = asked.header("Access-Control-Request-Headers", wrapped).send().await;
    assert_eq!((answer.status, answer.body.len()), (204, 0));
    assert_eq!(cors(&answer), [Some(ORIGIN), Some("true"), EXPOSED]);
    assert_eq!(answer.header("access-control-allow-methods"), Some("POST"));
    let allowed = answer.header("access-control-allow-headers");
    assert_eq!(allowed, Some("content-type, authorization, traceparent, sentry-trace"));
    assert_eq!(answer.header("access-control-max-age"), Some("86400"));
    let plain = edge.call("OPTIONS", "/v1/beacon").header("Origin", ORIGIN).send().await;
    assert_eq!(plain.header("access-control-allow-headers"), Some("content-type"));
    let long = (0..2_000).map(|number| format!("x-{number}")).collect::<Vec<_>>().join(",");
    let answer = edge.call("OPTIONS", "/v1/beacon").header("Origin", ORIGIN);
    let answer = answer.header("Access-Control-Request-Headers", &long).send().await;
    assert!(answer.header("access-control-allow-headers").unwrap().len() <= 2_100);
    assert_eq!(edge.counts(), [0; 4]);
    let sent = edge.beacon(view_of(1, 0, "/")).header("Authorization", "Bearer x").header("traceparent", "00-1-1-01");
    assert_eq!(sent.send().await.outcome(), "accepted", "the fields are ignored");
}

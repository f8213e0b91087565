//! Which pages may read an answer? Those of the configured origins, exactly, and no other.

use crate::support::collector::{Edge, ORIGIN, view_of};
use crate::support::http::Answer;

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
        assert_eq!((answer.status, cors(&answer)), (403, [None; 3]), "{origin}");
        let asked = edge.call("OPTIONS", "/v1/beacon").header("Origin", origin);
        let answer = asked.header("Access-Control-Request-Method", "POST").send().await;
        assert_eq!(cors(&answer), [None; 3], "{origin}");
        assert_eq!(answer.header("access-control-allow-methods"), None);
    }
    let another_site_s = edge.beacon(view_of(1, 0, "/")).header("Origin", "https://aitu.kz").send().await;
    assert_eq!(another_site_s.status, 403);
    assert_eq!(edge.rows().await.len(), 0);
}

#[tokio::test]
async fn a_preflight_allows_what_the_snippet_sends_and_no_more() {
    let edge = Edge::start().await;
    let asked = edge.call("OPTIONS", "/v1/beacon").header("Origin", ORIGIN);
    let answer = asked.header("Access-Control-Request-Headers", "content-type, authorization").send().await;
    assert_eq!((answer.status, answer.body.len()), (204, 0));
    assert_eq!(cors(&answer), [Some(ORIGIN), Some("true"), EXPOSED]);
    assert_eq!(answer.header("access-control-allow-methods"), Some("POST"));
    assert_eq!(answer.header("access-control-allow-headers"), Some("content-type"));
    assert_eq!(answer.header("access-control-max-age"), Some("86400"));
    assert_eq!(edge.counts(), [0; 4]);
}

//! Does the collector tell the checker whether cookies come back and which events are declared, and nobody else more?

use crate::support::collector::{Edge, ORIGIN, Setup, beacon_of};
use crate::support::http::Answer;

const CHECK: &str = r#"{"type":"check","at":0}"#;

async fn trial(edge: &Edge, view: u8, names: &str, cookie: Option<&str>) -> Answer {
    let call = edge.call("POST", &format!("/v1/beacon?check={names}")).header("Origin", ORIGIN);
    call.header("Content-Type", "text/plain").cookies(cookie).body(beacon_of(view, 0, CHECK)).send().await
}

#[tokio::test]
async fn the_trials_cookie_comes_back_as_others_do_and_says_nothing() {
    let edge = Edge::start().await;
    let first = trial(&edge, 1, "", None).await;
    assert_eq!((first.outcome(), first.header("tamga-check")), ("dropped", Some("set")));
    let mine = |answer: &Answer| {
        let lines = answer.all("set-cookie").into_iter().filter(|line| line.starts_with("__Host-tamga-check="));
        lines.map(str::to_owned).collect::<Vec<_>>()
    };
    let expected = "__Host-tamga-check=1; Max-Age=60; Path=/; HttpOnly; SameSite=Strict; Secure";
    assert_eq!(mine(&first), [expected]);
    assert!(first.all("access-control-expose-headers").contains(&"Tamga-Check"));
    let second = trial(&edge, 2, "", Some("__Host-tamga-check=1")).await;
    assert_eq!(second.header("tamga-check"), Some("came"));
    assert!(mine(&second)[0].starts_with("__Host-tamga-check=; Max-Age=0"), "{:?}", mine(&second));
    // Not for a beacon, nor for a page of nobody.
    let beacon = edge.beacon(beacon_of(3, 0, CHECK)).cookies(Some("__Host-tamga-check=1")).send().await;
    assert_eq!((beacon.header("tamga-check"), mine(&beacon).len()), (None, 0));
    let call = edge.call("POST", "/v1/beacon?check=").header("Content-Type", "text/plain");
    let stranger = call.header("Origin", "https://evil.kz").body(beacon_of(4, 0, CHECK)).send().await;
    assert_eq!((stranger.status, stranger.header("tamga-check"), mine(&stranger).len()), (403, None, 0));
    assert!(edge.rows().await.events.is_empty(), "a trial is kept by nobody");
    edge.counts();
}

#[tokio::test]
async fn undeclared_names_are_shown_by_their_place() {
    let edge = Edge::start().await;
    for (names, expected) in [
        ("pay.started,pay.done:b", "set"),
        ("pay.started,pay.stared,pay.done:c,pay.done:b", "set; undeclared=1,2"),
        ("%00,pay.started", "set; undeclared=0"),
        (",,", "set"),
    ] {
        assert_eq!(trial(&edge, 1, names, None).await.header("tamga-check"), Some(expected), "{names}");
    }
    let many = vec!["x"; 40].join(",");
    let said = trial(&edge, 1, &many, None).await.header("tamga-check").unwrap().to_owned();
    assert_eq!(said.matches(',').count(), 15, "{said}");
}

#[tokio::test]
async fn a_site_without_cookies_gets_none_for_a_trial() {
    let sites = "[[site]]\ndomain = \"plain.kz\"\npublic_url = \"https://t.plain.kz\"\norigins = [\"https://plain.kz\"]\n\
                 time_zone = \"Asia/Almaty\"\nprofile = \"jetpay\"\nidentity = \"none\"\n";
    let edge = Edge::start_with(Setup { sites, ..Setup::default() }).await;
    let body = beacon_of(1, 0, CHECK).replace("jetpay.kz", "plain.kz");
    let call = edge.call("POST", "/v1/beacon?check=").header("Origin", "https://plain.kz");
    let answer = call.header("Content-Type", "text/plain").body(body).send().await;
    assert_eq!((answer.header("tamga-check"), answer.cookie()), (Some("unused"), None));
}

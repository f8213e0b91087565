//! Does a site get the measure that it chose? Sites without a cookie, `DNT`, and consent by the policy's version.

use crate::support::collector::{Edge, Setup, view_id};
use crate::support::http::{Answer, Call};

const SITES: &str = r#"
[[site]]
domain = "address.kz"
public_url = "https://t.address.kz"
origins = ["https://address.kz"]
time_zone = "Asia/Almaty"
profile = "jetpay"
identity = "daily-address"
dnt = true

[[site]]
domain = "nobody.kz"
public_url = "https://t.nobody.kz"
origins = ["https://nobody.kz"]
time_zone = "Asia/Almaty"
profile = "jetpay"
identity = "none"
policy_version = "2026-11"
"#;

const VIEW: &str = r#"{"type":"view","at":0,"url":"https://$/"}"#;

async fn edge() -> Edge {
    Edge::start_with(Setup { sites: SITES, ..Setup::default() }).await
}

/// A beacon of a site's page with these events.
fn call(edge: &Edge, site: &str, view: u8, events: &str) -> Call {
    let events = events.replace('$', site);
    let body = format!(r#"{{"v":1,"site":"{site}","view":"{}","seq":0,"events":[{events}]}}"#, view_id(view));
    edge.call("POST", "/v1/beacon")
        .header("Origin", &format!("https://{site}"))
        .header("Content-Type", "text/plain")
        .body(body)
}

async fn view(edge: &Edge, site: &str, number: u8) -> Answer {
    call(edge, site, number, VIEW).send().await
}

#[tokio::test]
async fn a_site_by_address_sets_and_reads_no_cookie_and_confirms_by_the_second_beacon() {
    let edge = edge().await;
    // A cookie of this very collector, for another site of it and under this one's name.
    let foreign = edge.view(9, 0, None).await.cookie().unwrap().replace("jetpay.kz", "address.kz");
    edge.rows().await;
    for number in 1..=2 {
        let answer = call(&edge, "address.kz", number, VIEW).cookies(Some(&foreign)).send().await;
        assert_eq!((answer.outcome(), answer.cookie()), ("accepted", None));
    }
    // A retry is no second beacon; another agent is another visitor.
    assert_eq!(view(&edge, "address.kz", 2).await.outcome(), "dropped");
    let other = "Mozilla/5.0 (X11; Linux x86_64; rv:150.0) Gecko/20100101 Firefox/150.0";
    assert_eq!(call(&edge, "address.kz", 3, VIEW).header("User-Agent", other).send().await.outcome(), "accepted");
    let rows = edge.rows().await.events;
    let [first, second, third] = &rows[..] else { panic!("{rows:?}") };
    assert!(!first.confirmed && second.confirmed && !third.confirmed);
    assert!(first.visitor == second.visitor && first.visit == second.visit && second.step == 2);
    assert!(third.visitor != first.visitor);
    assert_eq!((first.first_visit, second.first_visit), ([true, false, false, false], [true, false, false, false]));
    assert_eq!(first.visit_number, "");
    // Another day is another visitor, unconfirmed.
    edge.wait_minutes(24 * 60);
    assert_eq!(view(&edge, "address.kz", 4).await.outcome(), "accepted");
    let tomorrow = edge.rows().await;
    assert!(tomorrow.event().visitor != first.visitor && !tomorrow.event().confirmed);
}

#[tokio::test]
async fn a_site_that_distinguishes_nobody_has_a_pseudonym_per_view() {
    let edge = edge().await;
    for number in 1..=3 {
        let answer = view(&edge, "nobody.kz", number).await;
        assert_eq!((answer.outcome(), answer.cookie()), ("accepted", None));
    }
    let rows = edge.rows().await.events;
    let visitors: std::collections::HashSet<_> = rows.iter().map(|row| row.visitor).collect();
    assert_eq!((rows.len(), visitors.len()), (3, 3));
    assert!(rows.iter().all(|row| !row.confirmed));
}

#[tokio::test]
async fn dnt_counts_where_the_site_says_so() {
    let edge = edge().await;
    let dnt = |site, number| call(&edge, site, number, VIEW).header("DNT", "1");
    assert_eq!(dnt("address.kz", 1).send().await.outcome(), "dropped");
    assert_eq!(dnt("nobody.kz", 2).send().await.outcome(), "accepted");
    let picture = edge.call("GET", "/v1/picture?site=address.kz&url=https%3A%2F%2Faddress.kz%2F").header("DNT", "1");
    assert_eq!(picture.send().await.status, 200);
    let rows = edge.rows().await;
    assert_eq!(rows.events.len(), 1);
    let apart = rows.visits.len() + rows.attributes.len() + rows.views.len();
    assert_eq!(apart, 0, "where nobody is distinguished only views are published, and nothing else is kept");
    assert!(rows.tallies.len() == 2 && rows.tallies.iter().all(|tally| tally.reason == "count_only"));
}

#[tokio::test]
async fn consent_is_counted_by_the_policy_s_version_and_a_refusal_keeps_nothing() {
    let edge = edge().await;
    let consent = |state: &str| format!(r#"{{"type":"consent","at":1,"state":"{state}"}},{VIEW}"#);
    assert_eq!(call(&edge, "nobody.kz", 1, &consent("granted")).send().await.outcome(), "accepted");
    let rows = edge.rows().await;
    assert_eq!((rows.events.len(), rows.tallies.len()), (1, 1));
    assert_eq!((rows.tallies[0].reason.as_str(), rows.tallies[0].count), ("consent:granted:2026-11", 1));

    // A refusal takes the cookie of a site that sets one back, once and again.
    let denied = call(&edge, "jetpay.kz", 2, &consent("denied"));
    for _ in 0..2 {
        let answer = denied.send().await;
        assert_eq!(answer.outcome(), "dropped");
        let set = answer.header("set-cookie").unwrap();
        assert!(set.starts_with("__Host-tamga-jetpay.kz=; Max-Age=0"), "{set}");
    }
    let rows = edge.rows().await;
    assert_eq!((rows.events.len(), rows.attributes.len(), rows.tallies.len()), (0, 0, 1));
    assert_eq!(rows.tallies[0].reason, "consent:denied");
    assert_eq!(edge.reason("dropped", "no_consent"), 1);
    // The one who asks not to be measured is not counted by consent either.
    let gpc = call(&edge, "nobody.kz", 3, &consent("granted")).header("Sec-GPC", "1").send().await;
    assert_eq!(gpc.outcome(), "dropped");
    assert!(edge.rows().await.tallies.iter().all(|tally| tally.reason == "count_only"));
    edge.counts();
}

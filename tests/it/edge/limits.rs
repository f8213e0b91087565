//! What becomes of a sender that sends too much, or looks like a program? It costs its own events, and learns no reason.

use crate::support::collector::{Edge, Setup, beacon_of, view_of};

async fn edge(sites: &'static str) -> Edge {
    Edge::start_with(Setup { sites, ..Setup::default() }).await
}

#[tokio::test]
async fn a_network_that_sends_too_much_is_answered_429_and_others_are_not() {
    let edge = edge("[limits]\nnetwork_per_s = 1").await;
    for seq in 0..10 {
        assert_eq!(edge.view(1, seq, None).await.outcome(), "accepted");
    }
    let refused = edge.view(1, 10, None).await;
    assert_eq!((refused.status, refused.header("retry-after")), (429, Some("5")));
    assert_eq!(refused.header("access-control-allow-origin"), Some("https://jetpay.kz"));
    let picture = "/v1/picture?site=jetpay.kz&url=https://jetpay.kz/";
    assert_eq!(edge.call("GET", picture).send().await.status, 200, "a picture is a picture");
    assert_eq!(edge.reason("rejected", "network_limit"), 2);

    let neighbour = edge.beacon(view_of(2, 0, "/")).header("X-Forwarded-For", "198.18.0.77");
    assert_eq!(neighbour.send().await.status, 429, "the same /24");
    let forged = edge.beacon(view_of(2, 0, "/")).header("X-Forwarded-For", "198.18.9.9, 198.18.0.9");
    assert_eq!(forged.send().await.status, 429, "what the client wrote itself is no other network");
    let other = edge.beacon(view_of(2, 0, "/")).header("X-Forwarded-For", "198.18.9.9");
    assert_eq!(other.send().await.outcome(), "accepted");
    edge.wait_minutes(1);
    assert_eq!(edge.view(1, 10, None).await.outcome(), "accepted");
    assert_eq!(edge.rows().await.events.len(), 12);
    edge.counts();
}

#[tokio::test]
async fn an_objection_is_honoured_whatever_the_network_sends() {
    let edge = edge("[limits]\nnetwork_per_s = 1").await;
    for _ in 0..20 {
        assert_eq!(edge.beacon("").cookies(Some("__Host-tamga-off=1")).send().await.outcome(), "off");
    }
}

#[tokio::test]
async fn a_flood_at_one_site_does_not_use_up_the_limit_of_another() {
    let edge = edge("[limits]\nsite_per_s = 1").await;
    let from = |network: u32| format!("198.18.{network}.9");
    let mut statuses = Vec::new();
    for network in 0..14 {
        let call = edge.beacon(view_of(network as u8, 0, "/")).header("X-Forwarded-For", &from(network));
        statuses.push(call.send().await.status);
    }
    assert_eq!(statuses, [[202; 10].as_slice(), &[429; 4]].concat());
    assert_eq!(edge.reason("rejected", "site_limit"), 4);
    let other = edge.beacon(view_of(1, 0, "/").replace("jetpay.kz", "aitu.kz")).header("Origin", "https://aitu.kz");
    assert_eq!(other.send().await.outcome(), "accepted");
    edge.counts();
}

#[tokio::test]
async fn a_visitor_s_events_have_a_cap_that_other_visitors_do_not_feel() {
    let edge = edge("[limits]\nvisitor_events_per_h = 3").await;
    let cookie = edge.view(1, 0, None).await.cookie();
    let two = r#"{"type":"event","at":1,"name":"pay.started"},{"type":"engage","at":9,"engaged_ms":1000}"#;
    let send = |seq| edge.beacon(beacon_of(1, seq, two)).cookies(cookie.as_deref());
    assert_eq!(send(1).send().await.outcome(), "accepted");
    let capped = send(2).send().await;
    assert_eq!((capped.outcome(), capped.cookie().is_some()), ("dropped", true), "no reason, and a cookie as ever");
    assert_eq!(edge.reason("dropped", "visitor_limit"), 2);
    assert_eq!(edge.view(2, 0, None).await.outcome(), "accepted");
    edge.wait_minutes(40);
    assert_eq!(send(3).send().await.outcome(), "accepted");
    let rows = edge.rows().await;
    assert_eq!(rows.events.len(), 6);
    assert_eq!(edge.counts(), [8, 6, 2, 0]);
}

#[tokio::test]
async fn of_a_named_event_a_visitor_adds_three_a_day() {
    let edge = edge("").await;
    let cookie = edge.view(1, 0, None).await.cookie();
    let named = |name: &str| format!(r#"{{"type":"event","at":1,"name":"{name}"}}"#);
    let send = |seq, events: String| edge.beacon(beacon_of(1, seq, &events)).cookies(cookie.as_deref());
    edge.disk.fill();
    assert_eq!(send(1, vec![named("pay.started"); 3].join(",")).send().await.status, 503, "not stored, so not counted");
    edge.disk.recover();
    tokio::time::sleep(std::time::Duration::from_millis(700)).await;
    assert_eq!(send(1, vec![named("pay.started"); 2].join(",")).send().await.outcome(), "accepted");
    let mixed = [named("pay.started"), named("pay.started"), named("pay.done")].join(",");
    assert_eq!(send(2, mixed).send().await.outcome(), "accepted");
    assert_eq!(send(3, named("pay.started")).send().await.outcome(), "dropped");
    assert_eq!(edge.reason("dropped", "event_limit"), 2);
    let rows = edge.rows().await.events;
    let stored = |name: &str| rows.iter().filter(|row| row.name == name).count();
    assert_eq!((stored("pay.started"), stored("pay.done")), (3, 1));
    // Another visitor, and the next day.
    assert_eq!(edge.beacon(beacon_of(2, 0, &named("pay.started"))).send().await.outcome(), "accepted");
    edge.wait_minutes(24 * 60);
    assert_eq!(send(4, named("pay.started")).send().await.outcome(), "accepted");
}

#[tokio::test]
async fn a_sign_of_automation_counts_and_drops_only_where_the_site_says_so() {
    let strict = "[[site]]\ndomain = \"strict.kz\"\npublic_url = \"https://t.strict.kz\"\norigins = [\"https://strict.kz\"]\n\
                  time_zone = \"Asia/Almaty\"\nprofile = \"jetpay\"\ndrop_suspects = [\"no_language\"]\n";
    let edge = edge(strict).await;
    let mild = edge.beacon(view_of(1, 0, "/")).without("Accept-Language").send().await;
    assert_eq!(mild.outcome(), "accepted");
    assert_eq!(edge.rows().await.event().suspect, "no_language");

    let at_strict = |seq| {
        let body = view_of(1, seq, "/").replace("jetpay.kz", "strict.kz");
        edge.beacon(body).header("Origin", "https://strict.kz")
    };
    for expected in [1, 0] {
        let answer = at_strict(0).without("Accept-Language").send().await;
        assert_eq!((answer.outcome(), answer.cookie()), ("dropped", None), "again, when it tries again");
        let rows = edge.rows().await;
        assert_eq!((rows.len(), rows.tallies.len()), (expected, expected));
        assert!(rows.tallies.iter().all(|tally| tally.reason == "suspect:no_language"));
    }
    let automated = at_strict(1).header("Sec-CH-UA", "\"HeadlessChrome\";v=\"150\"").send().await;
    assert_eq!(automated.outcome(), "accepted", "another sign");
    assert_eq!(edge.figure("tamga_events_suspect_total"), 3);
    assert_eq!(edge.reason("dropped", "suspect"), 1);
}

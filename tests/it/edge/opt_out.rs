//! Are an objection and `Sec-GPC` honoured? Are bots distinguished from people?

use crate::support::collector::{AGENT, Edge, beacon_of, view_of};
use crate::support::http::{Answer, raw};

const OFF: &str = "__Host-tamga-off=1";
const OBJECT: &str = r#"{"type":"object","at":0}"#;

fn objection(view: u8, seq: u32) -> String {
    let page = r#"{"type":"view","at":0,"url":"https://jetpay.kz/tariffs"}"#;
    beacon_of(view, seq, &format!("{page},{OBJECT}"))
}

fn assert_off(answer: &Answer) {
    assert_eq!(answer.outcome(), "off");
    let set = answer.all("set-cookie");
    assert!(set[0].starts_with("__Host-tamga-off=1; Max-Age=34560000; Path=/; HttpOnly; SameSite=Strict; Secure"));
    assert_eq!(answer.header("tamga-device"), None);
}

#[tokio::test]
async fn an_objection_is_honoured_before_the_body_and_renewed() {
    let edge = Edge::start().await;
    assert_off(&edge.view(1, 0, Some(&format!("a=b; {OFF}"))).await);
    // Whatever the body is, and even when it never comes.
    assert_off(&edge.beacon("not a beacon").cookies(Some(OFF)).send().await);
    let head = edge.beacon("").cookies(Some(OFF)).head().replace("\r\n\r\n", "\r\nContent-Length: 60000\r\n\r\n");
    let answer = raw(edge.address, head.as_bytes()).await;
    assert_off(&Answer::parse(&answer));
    assert_eq!(edge.rows().await.len(), 0);
    assert_eq!(edge.counts(), [3, 0, 3, 0]);
    assert_eq!(edge.reason("dropped", "objection"), 3);
}

/// A beacon with these lines of `Cookie`, byte by byte.
async fn with_cookies(edge: &Edge, seq: u32, lines: &[&[u8]]) -> Answer {
    let call = edge.beacon(view_of(2, seq, "/tariffs")).bytes();
    let at = call.windows(4).position(|window| window == b"\r\n\r\n").unwrap() + 2;
    let lines: Vec<u8> = lines.iter().flat_map(|line| [b"Cookie: ", *line, b"\r\n"].concat()).collect();
    Answer::parse(&raw(edge.address, &[&call[..at], &lines, &call[at..]].concat()).await)
}

#[tokio::test]
async fn no_cookie_of_others_hides_an_objection_or_an_identity() {
    let edge = Edge::start().await;
    let identity = edge.view(1, 0, None).await.cookie().unwrap();
    assert!(!edge.rows().await.event().confirmed);
    let many = "a=b; ".repeat(1_000);
    let others: &[&[u8]] = &[
        "city=Алматы".as_bytes(),
        b"name=Andr\xe9",
        "😀=😀".as_bytes(),
        b"\xff\x80",
        b"a=\"b c\"; d=e=f==; ; =; g",
        many.as_bytes(),
    ];
    let mut seq = 0;
    for other in others {
        for our in [OFF, &identity] {
            let our = our.as_bytes();
            let before = [*other, b"; ", our].concat();
            let behind = [our, b"; ", *other].concat();
            let orders: [&[&[u8]]; 4] = [&[&before], &[&behind], &[other, our], &[our, other]];
            for lines in orders {
                seq += 1;
                let answer = with_cookies(&edge, seq, lines).await;
                if our == OFF.as_bytes() {
                    assert_off(&answer);
                    assert_eq!(edge.rows().await.len(), 0);
                } else {
                    assert_eq!((answer.outcome(), answer.cookie().is_some()), ("accepted", true));
                    assert!(edge.rows().await.event().confirmed, "{}", String::from_utf8_lossy(other));
                }
            }
        }
    }
    edge.counts();
}

#[tokio::test]
async fn one_byte_does_not_hide_the_rest_of_a_header() {
    let edge = Edge::start().await;
    let locked = AGENT.replace("; K)", "; X325–Locked)");
    let answer = edge.beacon(view_of(1, 0, "/")).header("User-Agent", &locked).send().await;
    assert_eq!(answer.outcome(), "accepted");
    let rows = edge.rows().await;
    let plain = edge.view(2, 0, None).await;
    assert_eq!(plain.outcome(), "accepted");
    let plain = edge.rows().await;
    assert_eq!((rows.of_visit("client"), rows.event().suspect.as_str()), (plain.of_visit("client"), ""));
    assert!(!rows.of_visit("client")[0].is_empty());
    let gpc = edge.beacon(view_of(3, 0, "/")).header("Sec-GPC", "1").header("X-Other", "қ").send().await;
    assert_eq!(gpc.outcome(), "dropped");
    let pixel = edge.call("GET", "/v1/picture?site=jetpay.kz").header("Referer", "https://jetpay.kz/docs/қала");
    assert_eq!(pixel.send().await.status, 200);
    let paths: Vec<_> = edge.rows().await.events.iter().map(|row| row.path.clone()).collect();
    assert_eq!(paths, ["/docs/қала"]);
}

#[tokio::test]
async fn an_object_event_ends_everything_and_takes_the_cookie_back() {
    let edge = Edge::start().await;
    let cookie = edge.view(1, 0, None).await.cookie().unwrap();
    edge.rows().await;
    let answer = edge.beacon(objection(1, 1)).cookies(Some(&cookie)).send().await;
    assert_off(&answer);
    assert!(answer.all("set-cookie")[1].starts_with("__Host-tamga-jetpay.kz=; Max-Age=0;"));
    assert_eq!(edge.rows().await.len(), 0, "nothing of the beacon is kept");
}

#[tokio::test]
async fn an_objection_whose_answer_was_lost_is_honoured_again() {
    let edge = Edge::start().await;
    let cookie = edge.view(1, 0, None).await.cookie().unwrap();
    for _ in 0..2 {
        assert_off(&edge.beacon(objection(1, 1)).cookies(Some(&cookie)).send().await);
    }
    assert_eq!(edge.counts(), [5, 1, 4, 0]);
}

#[tokio::test]
async fn an_objection_counts_more_than_gpc() {
    let edge = Edge::start().await;
    assert_off(&edge.beacon(objection(1, 0)).header("Sec-GPC", "1").send().await);
    assert_eq!(edge.rows().await.len(), 0, "not even a count");
}

#[tokio::test]
async fn gpc_leaves_one_count_and_takes_the_cookie_back() {
    let edge = Edge::start().await;
    let cookie = edge.view(1, 0, None).await.cookie().unwrap();
    edge.rows().await;
    for cookie in [None, Some(cookie.as_str())] {
        let view = u8::from(cookie.is_some());
        let answer = edge.beacon(view_of(view + 2, 0, "/")).header("Sec-GPC", "1").cookies(cookie).send().await;
        let taken_back = cookie.map(|_| "__Host-tamga-jetpay.kz=");
        assert_eq!((answer.outcome(), answer.cookie().as_deref()), ("dropped", taken_back));
        let set = answer.header("set-cookie");
        assert!(set.is_none_or(|set| set.contains("; Max-Age=0; ")), "{set:?}");
        let rows = edge.rows().await;
        assert_eq!((rows.len(), rows.tallies[0].reason.as_str(), rows.tallies[0].count), (1, "count_only", 1));
    }
    let again = edge.beacon(view_of(2, 0, "/")).header("Sec-GPC", "1").send().await;
    assert_eq!((again.outcome(), again.cookie()), ("dropped", None));
    assert_eq!(edge.rows().await.len(), 0, "a retry is not counted again");
    let again = edge.beacon(view_of(3, 0, "/")).header("Sec-GPC", "1").cookies(Some(&cookie)).send().await;
    assert_eq!(again.cookie().as_deref(), Some("__Host-tamga-jetpay.kz="), "the first answer may have been lost");
}

#[tokio::test]
async fn a_declared_bot_is_a_tally_and_gets_no_cookie_not_even_when_it_tries_again() {
    let edge = Edge::start().await;
    let bot = "Mozilla/5.0 (compatible; Googlebot/2.1; +http://www.google.com/bot.html)";
    for expected in [1, 0] {
        let answer = edge.beacon(view_of(1, 0, "/")).header("User-Agent", bot).send().await;
        assert_eq!((answer.outcome(), answer.cookie()), ("dropped", None));
        let rows = edge.rows().await;
        assert_eq!((rows.len(), rows.tallies.len()), (expected, expected));
        assert!(rows.tallies.iter().all(|tally| tally.reason == "bot:search" && tally.count == 1));
    }
    assert_eq!(edge.reason("dropped", "declared_bot"), 1);
}

#[tokio::test]
async fn a_suspect_is_kept_with_its_reason() {
    let edge = Edge::start().await;
    let call = edge.beacon(view_of(1, 0, "/")).without("Accept-Language");
    assert_eq!(call.send().await.outcome(), "accepted");
    assert_eq!(edge.rows().await.event().suspect, "no_language");
}

#[tokio::test]
async fn what_a_policy_does_not_list_is_not_kept() {
    let edge = Edge::start().await;
    let body = view_of(1, 0, "/").replace("jetpay.kz", "aitu.kz");
    assert_eq!(edge.beacon(body).header("Origin", "https://aitu.kz").send().await.outcome(), "accepted");
    let rows = edge.rows().await;
    let items = tamga::items::Items::of(Some("aitu"), None).unwrap();
    assert_eq!(rows.of_visit("place")[0].is_empty(), !items.country);
    assert_eq!(rows.of_visit("client")[0].is_empty(), !items.browser);
    assert_eq!(rows.attributes.is_empty(), !items.provider);
}

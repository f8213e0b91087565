//! Does the visitor's page say what is collected, and does it do what its visitor decides, and nobody else?

use regex::Regex;
use tamga::items::data_map;

use crate::rights_rows::said_beside;
use crate::support::collector::{Edge, Setup, view_id};
use crate::support::http::{Answer, Call};
use crate::support::random::Random;

const LANGUAGES: [&str; 3] = ["kk", "ru", "en"];
const IDENTITY: &str = "__Host-tamga-jetpay.kz";
/// An operator, and two sites at one host.
const SITES: &str = r#"
[[site]]
domain = "proit.kz"
public_url = "https://t.proit.kz"
origins = ["https://proit.kz"]
time_zone = "Asia/Almaty"
profile = "proit"
identity = "none"
policy_version = "2026-11"

[site.operator]
name = "PRO <IT> \"COMPANY\""
contact = "+7 700 000 00 00"
policy_url = "https://proit.kz/policy?a=1&b=2"

[[site]]
domain = "shop.proit.kz"
public_url = "https://t.proit.kz"
origins = ["https://shop.proit.kz"]
time_zone = "Asia/Almaty"
profile = "proit"
"#;

fn page(edge: &Edge, query: &str) -> Call {
    edge.call("GET", &format!("/privacy{query}")).header("Sec-Fetch-Site", "same-site")
}

/// A button of the page.
fn press(edge: &Edge, action: &str, form: &str) -> Call {
    edge.call("POST", &format!("/v1/privacy/{action}"))
        .header("Sec-Fetch-Site", "same-origin")
        .header("Origin", "https://t.jetpay.kz")
        .header("Content-Type", "application/x-www-form-urlencoded")
        .body(form)
}

fn text(answer: &Answer) -> String {
    String::from_utf8(answer.body.clone()).unwrap()
}

#[tokio::test]
async fn it_lists_what_the_policy_lists_in_three_languages() {
    let edge = Edge::start_with(Setup { sites: SITES, ..Setup::default() }).await;
    let listed = &data_map().profile["jetpay"];
    let mut lists = Vec::new();
    let open = Regex::new(r"\{[a-z_]+\}").unwrap();
    for language in LANGUAGES {
        let answer = page(&edge, "").header("Accept-Language", language).send().await;
        assert_eq!((answer.status, answer.header("content-language")), (200, Some(language)));
        let (html, switched) = (text(&answer), text(&page(&edge, &format!("?lang={language}")).send().await));
        assert!(html.contains(&format!("<html lang=\"{language}\">")) && html == switched);
        assert_eq!(html.matches("<li><strong>").count(), listed.len());
        assert!(!open.is_match(&html), "a place was not filled in");
        lists.push(html);
    }
    assert!(lists[0].contains("Шешіміңіз") && lists[1].contains("Ваше решение") && lists[2].contains("Decide"));
    let proit = text(&page(&edge, "?lang=en").header("Host", "t.proit.kz").send().await);
    assert_eq!(proit.matches("<li><strong>").count(), data_map().profile["proit"].len());
    assert!(proit.contains("PRO &lt;IT&gt; &quot;COMPANY&quot;") && proit.contains("href=\"tel:+77000000000\""));
    assert!(proit.contains("href=\"https://proit.kz/policy?a=1&amp;b=2\"") && !proit.contains("PRO <IT>"));
    assert!(proit.contains("sets no cookie"));
    let other = text(&page(&edge, "?lang=en&site=shop.proit.kz").header("Host", "t.proit.kz").send().await);
    assert!(other.contains("Your data at shop.proit.kz"));
    for (host, query) in [("t.evil.kz", ""), ("t.proit.kz", "?site=jetpay.kz"), ("t.jetpay.kz", "?site=aitu.kz")] {
        assert_eq!(page(&edge, query).header("Host", host).send().await.status, 404, "{host}{query}");
    }
    edge.counts();
}

#[tokio::test]
async fn nobody_else_frames_reads_or_keeps_it_and_nothing_runs_in_it() {
    let edge = Edge::start().await;
    let json = press(&edge, "object", "state=made").header("Accept", "application/json").send().await;
    assert!(text(&json).starts_with(r#"{"done":"objected","receipt":"2026-11-22-"#));
    let refused = press(&edge, "object", "state=made").header("Sec-Fetch-Site", "same-site").send().await;
    let pages = [page(&edge, "").header("Origin", "https://jetpay.kz").send().await, json, refused];
    for answer in &pages {
        assert!(answer.header("access-control-allow-origin").is_none());
        assert_eq!(answer.header("cache-control"), Some("no-store"));
        assert_eq!(answer.header("cross-origin-resource-policy"), Some("same-origin"));
        assert_eq!(answer.header("x-frame-options"), Some("DENY"));
        let policy = answer.header("content-security-policy").unwrap();
        assert!(policy.starts_with("default-src 'none'; style-src 'self'; form-action 'self'"), "{policy}");
        assert!(policy.contains("frame-ancestors 'none'") && !policy.contains("unsafe"));
    }
    let html = text(&pages[0]);
    for inline in ["<script", "<style", " style=", " onclick", "javascript:"] {
        assert!(!html.contains(inline), "{inline}");
    }
    let style = edge.call("GET", "/privacy.css").send().await;
    assert_eq!((style.status, style.header("content-type")), (200, Some("text/css; charset=utf-8")));
    let gpc = edge.call("GET", "/.well-known/gpc.json").send().await;
    assert!(text(&gpc).starts_with(r#"{"gpc":true,"#));
    // The other routes can be read as before.
    let script = edge.call("GET", "/tamga.js").header("Origin", "https://jetpay.kz").send().await;
    assert_eq!(script.header("access-control-allow-origin"), Some("*"));
}

#[tokio::test]
async fn only_the_page_itself_reads_what_is_held() {
    let edge = Edge::start().await;
    let me = || edge.call("GET", "/v1/privacy/me").header("Sec-Fetch-Site", "same-origin");
    let answer = me().header("Origin", "https://t.jetpay.kz").send().await;
    assert_eq!(text(&answer), r#"{"complete":true,"rows":[],"site":"jetpay.kz"}"#);
    assert!(
        answer.header("access-control-allow-origin").is_none() && answer.header("cache-control") == Some("no-store")
    );
    assert_eq!(answer.header("cross-origin-resource-policy"), Some("same-origin"));
    for (call, status) in [
        (me().header("Sec-Fetch-Site", "cross-site"), 403),
        (me().header("Sec-Fetch-Site", "same-site"), 403),
        (me().header("Origin", "https://jetpay.kz"), 403),
        (me().without("Sec-Fetch-Site"), 403),
        (me().header("Host", "t.evil.kz"), 404),
    ] {
        assert_eq!(call.send().await.status, status, "{}", call.head());
    }
    assert_eq!(edge.call("POST", "/v1/privacy/me").send().await.status, 405);
    // Where the vault is not there yet, a valid cookie and any other get the same answer.
    let known = edge.view(1, 0, None).await.cookie().unwrap();
    let last = if known.ends_with('A') { "B" } else { "A" };
    let unknown = format!("{}{last}", &known[..known.len() - 1]);
    for cookie in [known, unknown] {
        assert_eq!(me().cookies(Some(&cookie)).send().await.status, 503);
        assert!(
            text(&page(&edge, "?lang=en").cookies(Some(&cookie)).send().await).contains("cannot be shown just now")
        );
    }
}

#[tokio::test]
async fn an_objection_holds_for_every_page_until_it_is_taken_back() {
    let edge = Edge::start().await;
    let cookie = edge.view(1, 0, None).await.cookie().unwrap();
    assert!(cookie.starts_with(IDENTITY));
    let answer = press(&edge, "object", "state=made&lang=en").cookies(Some(&cookie)).send().await;
    assert!(answer.status == 200 && text(&answer).contains("you have objected") && text(&answer).contains("withdrawn"));
    let set = answer.all("set-cookie");
    assert!(set[0].starts_with("__Host-tamga-off=1; Max-Age=34560000; Path=/; HttpOnly; SameSite=Strict; Secure"));
    assert!(set[1].starts_with(&format!("{IDENTITY}=; Max-Age=0;")));
    let off = "__Host-tamga-off=1";
    edge.rows().await;
    for origin in ["https://jetpay.kz", "https://www.jetpay.kz"] {
        let beacon = edge.beacon(crate::support::collector::view_of(2, 0, "/tariffs")).header("Origin", origin);
        assert_eq!(beacon.cookies(Some(off)).send().await.outcome(), "off");
    }
    let shown = text(&page(&edge, "?lang=en").cookies(Some(off)).send().await);
    assert!(shown.contains("You have objected") && shown.contains("value=\"withdrawn\""));
    let answer = press(&edge, "object", "state=withdrawn&lang=en").cookies(Some(off)).send().await;
    assert_eq!(answer.all("set-cookie").len(), 1);
    assert!(answer.all("set-cookie")[0].starts_with("__Host-tamga-off=; Max-Age=0; Path=/"));
    assert!(text(&answer).contains("taken back") && text(&answer).contains("value=\"made\""));
    assert_eq!(edge.view(3, 0, None).await.outcome(), "accepted");
    let [received, accepted, dropped, rejected] = edge.counts();
    assert_eq!((received, accepted, dropped, rejected), (5, 2, 3, 0));
}

#[tokio::test]
async fn an_erasure_orders_each_key_domain_apart_and_late_beacons_bring_nothing_back() {
    let edge = Edge::start().await;
    let cookie = edge.view(1, 0, None).await.cookie().unwrap();
    edge.view(2, 0, Some(&cookie)).await;
    let (held, none) = edge.rows_and_orders().await;
    assert!(held.events.len() == 2 && none.is_empty());
    let answer = press(&edge, "erase", "state=all&lang=en").cookies(Some(&cookie)).send().await;
    assert!(answer.all("set-cookie")[0].starts_with(&format!("{IDENTITY}=; Max-Age=0;")));
    let html = text(&answer);
    let receipt = Regex::new("<code>(2026-11-22-[0-9a-f]{16}-[0-9a-f]{16})</code>").unwrap();
    assert!(receipt.is_match(&html), "{html}");
    let (rows, orders) = edge.rows_and_orders().await;
    assert_eq!(rows.len(), 0);
    // Each row that was held is ordered to be erased, by the order of its own domain.
    let ordered = |stream: &str, visitor: &[u8; 16]| {
        orders.iter().any(|(label, pseudonyms)| label.as_str() == stream && pseudonyms.contains(visitor))
    };
    assert!(held.events.iter().all(|row| ordered("events|2026-11-22|2026-11-22|", &row.visitor)));
    for row in &held.attributes {
        let stream = format!("attributes|2026-11-22|2026-11-22|{}", row.attribute);
        assert!(ordered(&stream, &row.visitor), "{stream}");
        assert!(orders.iter().filter(|(_, pseudonyms)| pseudonyms.contains(&row.visitor)).count() == 1);
    }
    // A beacon under way, a retry, and the tab that still shows the old cookie.
    for (view, seq) in [(3, 0), (2, 0), (1, 1)] {
        let late = edge.view(view, seq, Some(&cookie)).await;
        assert_eq!(late.outcome(), "dropped");
        assert!(late.all("set-cookie")[0].starts_with(&format!("{IDENTITY}=; Max-Age=0;")));
    }
    assert!(edge.rows().await.events.is_empty() && edge.reason("dropped", "erased") == 3);
    // A later visit is somebody new.
    assert_eq!(edge.view(9, 0, None).await.outcome(), "accepted");
    assert_ne!(edge.rows().await.event().visitor, held.events[0].visitor);
    edge.counts();
}

#[tokio::test]
async fn no_cookie_orders_another_browser_s_rows_to_be_erased() {
    let edge = Edge::start().await;
    let victim = edge.view(1, 0, None).await.cookie().unwrap();
    edge.view(2, 0, Some(&victim)).await;
    let (held, _) = edge.rows_and_orders().await;
    let other = edge.view(3, 0, None).await.cookie().unwrap();
    edge.rows_and_orders().await;
    let value = victim.split_once('=').unwrap().1;
    let mut cookies = vec![other, format!("{IDENTITY}="), format!("__Host-tamga-aitu.kz={value}")];
    for at in 0..value.len() {
        let changed = if &value[at..=at] == "A" { "B" } else { "A" };
        cookies.push(format!("{IDENTITY}={}{changed}{}", &value[..at], &value[at + 1..]));
        cookies.push(format!("{IDENTITY}={}", &value[..at]));
    }
    let (mut orders_of, mut random) = (Vec::new(), Random(20));
    for cookie in &cookies {
        edge.wait_minutes(1);
        let (said, headers) = said_beside(&mut random, &[value, &victim, &view_id(1)]);
        let erase = press(&edge, "erase", &format!("state=all&{said}"));
        let erase = headers.iter().fold(erase, |call, (name, value)| call.header(name, value));
        let answer = erase.cookies(Some(cookie)).send().await;
        assert_eq!(answer.status, 200);
        let (_, orders) = edge.rows_and_orders().await;
        assert!(orders.iter().all(|(_, pseudonyms)| !pseudonyms.contains(&held.events[0].visitor)));
        let hit = |visitor: &[u8; 16]| orders.iter().any(|(_, pseudonyms)| pseudonyms.contains(visitor));
        assert!(!held.attributes.iter().any(|row| hit(&row.visitor)));
        orders_of.push(orders.len());
    }
    // A known cookie costs as many orders as an unknown one.
    assert!(cookies.len() > 150 && orders_of.iter().all(|orders| *orders == orders_of[0]), "{orders_of:?}");
}

#[tokio::test]
async fn yesterday_s_rows_are_erased_as_long_as_the_key_of_yesterday_lives() {
    let edge = Edge::start().await;
    let cookie = edge.view(1, 0, None).await.cookie().unwrap();
    let (held, _) = edge.rows_and_orders().await;
    // 00:10 in Almaty.
    edge.wait_minutes(12 * 60 + 50);
    press(&edge, "object", "state=made").cookies(Some(&cookie)).send().await;
    let (_, orders) = edge.rows_and_orders().await;
    let days: std::collections::BTreeSet<&str> =
        orders.iter().map(|(stream, _)| stream.split('|').nth(1).unwrap()).collect();
    assert_eq!(days.into_iter().collect::<Vec<_>>(), ["2026-11-22", "2026-11-23"]);
    let visitor = held.events[0].visitor;
    assert!(orders.iter().any(|(stream, known)| stream.starts_with("events|2026-11-22") && known.contains(&visitor)));
    // A cookie that is not valid, or none, costs as many orders.
    for cookie in [Some(format!("{IDENTITY}=x")), None] {
        edge.wait_minutes(1);
        press(&edge, "erase", "state=all").cookies(cookie.as_deref()).send().await;
        assert_eq!(edge.rows_and_orders().await.1.len(), orders.len());
    }
}

#[tokio::test]
async fn a_network_orders_few_erasures_at_once() {
    let edge = Edge::start().await;
    let mut taken = 0;
    for _ in 0..50 {
        taken += u32::from(press(&edge, "erase", "state=all").send().await.status == 200);
    }
    assert_eq!(taken, 4, "a bucket of 2000 tokens");
    assert_eq!(edge.view(1, 0, None).await.outcome(), "accepted", "its beacons are still taken");
    // An objection holds, and keeps the cookie by which the rows are erased later.
    let answer = press(&edge, "object", "state=made&lang=en").send().await;
    assert!(answer.all("set-cookie").len() == 1 && answer.all("set-cookie")[0].starts_with("__Host-tamga-off=1"));
    assert!(text(&answer).contains("could not be erased just now"));
}

#[tokio::test]
async fn consent_is_counted_and_a_refusal_takes_the_cookie_back() {
    let edge = Edge::start().await;
    let cookie = edge.view(1, 0, None).await.cookie().unwrap();
    edge.rows().await;
    let answer = press(&edge, "consent", "state=granted").cookies(Some(&cookie)).send().await;
    assert!(answer.status == 200 && answer.all("set-cookie").is_empty());
    let answer = press(&edge, "consent", "state=denied").cookies(Some(&cookie)).send().await;
    assert!(answer.all("set-cookie")[0].starts_with(&format!("{IDENTITY}=; Max-Age=0;")));
    let rows = edge.rows().await;
    let tallies: Vec<_> = rows.tallies.iter().map(|tally| tally.reason.as_str()).collect();
    assert!(tallies.contains(&"consent:granted") && tallies.contains(&"consent:denied"), "{tallies:?}");
    assert_eq!(rows.events.len(), 0);
}

#[tokio::test]
async fn a_decision_comes_from_the_page_itself_or_nothing_happens() {
    let edge = Edge::start().await;
    let press = |form: &str| press(&edge, "object", form);
    for (call, status) in [
        (press("state=made").header("Sec-Fetch-Site", "cross-site"), 403),
        (press("state=made").header("Sec-Fetch-Site", "same-site").header("Origin", "https://jetpay.kz"), 403),
        (press("state=made").header("Origin", "https://evil.kz"), 403),
        (press("state=made").without("Sec-Fetch-Site").header("Origin", "null"), 403),
        (press("state=made").without("Sec-Fetch-Site").without("Origin"), 403),
        (press("state=maybe"), 400),
        (press(""), 400),
        (press(&format!("state=made&x={}", "y".repeat(2_000))), 400),
        (press("state=made&site=evil.kz"), 404),
        (
            press("state=made")
                .without("Sec-Fetch-Site")
                .without("Origin")
                .header("Referer", "https://t.jetpay.kz/privacy"),
            200,
        ),
    ] {
        edge.wait_minutes(1);
        let answer = call.send().await;
        assert_eq!(answer.status, status, "{}", call.head());
        assert_eq!(answer.all("set-cookie").len(), if status == 200 { 2 } else { 0 });
    }
    assert_eq!(edge.call("GET", "/v1/privacy/object?state=made").send().await.status, 405);
}

#[tokio::test]
async fn opened_from_elsewhere_the_page_is_opened_once_more() {
    let edge = Edge::start().await;
    let answer = page(&edge, "?lang=ru").header("Sec-Fetch-Site", "cross-site").send().await;
    let html = text(&answer);
    let again =
        Regex::new(r#"content="0; url=(/privacy[^"]+)""#).unwrap().captures(&html).unwrap()[1].replace("&amp;", "&");
    assert!(!html.contains("<form"));
    // A browser that says the same again is not sent round in a circle.
    let call = edge.call("GET", &again).header("Sec-Fetch-Site", "cross-site").send().await;
    assert!(text(&call).contains("<form") && text(&call).contains("lang=\"ru\""));
}

#[tokio::test]
async fn a_known_and_an_unknown_cookie_get_the_same_page() {
    let edge = Edge::start().await;
    let known = edge.view(1, 0, None).await.cookie().unwrap();
    let last = if known.ends_with('A') { "B" } else { "A" };
    let unknown = format!("{}{last}", &known[..known.len() - 1]);
    let mut answers = Vec::new();
    for cookie in [known, unknown, format!("{IDENTITY}=x")] {
        answers.push(text(&page(&edge, "").cookies(Some(&cookie)).send().await));
    }
    assert!(answers[0] == answers[1] && answers[0] == answers[2]);
}

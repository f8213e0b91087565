//! What browsers, pages and networks really send, through the whole edge: is it counted as what it is?

use crate::support::collector::{Edge, Setup, beacon_of, view_of};
use crate::support::http::{Answer, raw};

const BERLIN: &str = "[[site]]\ndomain = \"berlin.de\"\npublic_url = \"https://t.berlin.de\"\norigins = [\"https://berlin.de\"]\n\
                      time_zone = \"Europe/Berlin\"\nprofile = \"jetpay\"\n";

#[tokio::test]
async fn a_change_of_clocks_neither_ends_nor_joins_visits() {
    let edge = Edge::start_with(Setup { sites: BERLIN, ..Setup::default() }).await;
    let send = async |seq: u32, at: &str, cookie: Option<&str>| {
        edge.clock.advance_to(at.parse().unwrap());
        let body = view_of(1, seq, "/").replace("jetpay.kz", "berlin.de");
        let answer = edge.beacon(body).header("Origin", "https://berlin.de").cookies(cookie).send().await;
        assert_eq!(answer.outcome(), "accepted", "{at}");
        (answer.cookie(), edge.rows().await.event().visit)
    };
    // The clock goes from 2 to 3: 115 seconds pass.
    let (cookie, first) = send(0, "2027-03-28T00:58:45Z", None).await;
    let (_, second) = send(1, "2027-03-28T01:00:40Z", cookie.as_deref()).await;
    assert!(first == second, "one visit");
    // The clock goes from 3 back to 2: 35 minutes pass, although it shows 25 less.
    let (cookie, first) = send(2, "2027-10-31T00:50:00Z", None).await;
    let (_, second) = send(3, "2027-10-31T01:25:00Z", cookie.as_deref()).await;
    assert!(first != second, "two visits");
}

const SHOP: &str = "[[site]]\ndomain = \"shop.kz\"\npublic_url = \"https://t.shop.kz\"\norigins = [\"https://shop.kz\", \
                    \"https://www.shop.kz\", \"https://pay.shop.kz\", \"https://shop.ru\"]\ntime_zone = \"UTC\"\nprofile = \"jetpay\"\n";

#[tokio::test]
async fn pages_under_several_domains_are_pages_of_one_site_each_with_a_cookie_of_its_host() {
    let edge = Edge::start_with(Setup { sites: SHOP, ..Setup::default() }).await;
    let at = |number: u8, origin: &str, events: &str| {
        let body = beacon_of(number, 0, events).replace("jetpay.kz", "shop.kz");
        let host = if origin.ends_with(".ru") { "t.shop.ru" } else { "t.shop.kz" };
        edge.beacon(body).header("Host", host).header("Origin", origin)
    };
    let mut visitors = Vec::new();
    for (number, (origin, from, previous)) in [
        ("https://shop.kz", "https://www.google.kz/", ""),
        ("https://www.shop.kz", "https://shop.kz/", ""),
        ("https://pay.shop.kz", "https://pay.shop.kz/", "/"),
        ("https://shop.ru", "https://shop.kz/", ""),
    ]
    .into_iter()
    .enumerate()
    {
        let view = format!(r#"{{"type":"view","at":0,"url":"{origin}/a","referrer":"{from}"}}"#);
        let answer = at(number as u8, origin, &view).send().await;
        assert_eq!(answer.outcome(), "accepted", "{origin}");
        assert_eq!(answer.header("access-control-allow-origin"), Some(origin));
        let cookie = answer.all("set-cookie");
        assert!(cookie.iter().all(|cookie| cookie.starts_with("__Host-") && !cookie.contains("Domain")), "{cookie:?}");
        let rows = edge.rows().await;
        assert_eq!(rows.event().previous_path, previous, "{origin}");
        visitors.push(rows.event().visitor);
    }
    visitors.sort();
    visitors.dedup();
    assert_eq!(visitors.len(), 4, "no cookie came back, and nothing else connects two domains");
    let exits = ["https://shop.ru", "https://pay.shop.kz", "https://kaspi.kz"];
    let exits = exits.map(|to| format!(r#"{{"type":"exit","at":1,"url":"{to}"}}"#)).join(",");
    assert_eq!(at(9, "https://shop.ru", &exits).send().await.outcome(), "accepted");
    assert_eq!(edge.rows().await.events.len(), 1, "leaving for a domain of the site is no exit");
    assert_eq!(at(10, "https://shop.com", &exits).send().await.status, 403);
}

#[tokio::test]
async fn an_agent_keeps_its_meaning_whatever_bytes_are_in_it() {
    let edge = Edge::start().await;
    for (seq, model) in
        ["X325\u{2013}Locked".as_bytes(), b"X325\x96Locked", "Телефон".as_bytes()].into_iter().enumerate()
    {
        let call = edge.beacon(view_of(1, seq as u32, "/")).header("User-Agent", "AGENT").bytes();
        let at = call.windows(5).position(|window| window == b"AGENT").unwrap();
        let agent = [
            b"Mozilla/5.0 (Linux; Android 13; ",
            model,
            b") AppleWebKit/537.36 (KHTML, like Gecko) Chrome/120.0.0.0 Mobile Safari/537.36",
        ];
        let request = [&call[..at], &agent.concat(), &call[at + 5..]].concat();
        assert_eq!(Answer::parse(&raw(edge.address, &request).await).outcome(), "accepted");
        let rows = edge.rows().await;
        assert_eq!(rows.event().suspect, "");
        let of = |attribute: &str| rows.visits.iter().find(|row| row.attribute == attribute).unwrap();
        assert_eq!([&of("client").value, &of("client").detail], ["Chrome", "120"]);
        assert_eq!([&of("device").value, &of("device").detail], ["phone", "Android"]);
    }
}

#[tokio::test]
async fn a_source_is_named_as_people_read_it_and_a_paid_click_is_paid() {
    let edge = Edge::start().await;
    for (number, (more, expected)) in [
        (r#""referrer":"https://gov.kz/""#, ["referral", "gov.kz"]),
        (r#""referrer":"https://почта.қаз/inbox""#, ["referral", "почта.қаз"]),
        (r#""referrer":"https://xn--80a1acny.xn--80ao21a/""#, ["referral", "почта.қаз"]),
        (r#""referrer":"https://www.google.kz/""#, ["search", "google.kz"]),
        (r#""referrer":"https://www.google.kz/","paid":false"#, ["search", "google.kz"]),
        (r#""referrer":"https://www.google.kz/","paid":true"#, ["paid", "google.kz"]),
        (r#""paid":true"#, ["paid", ""]),
    ]
    .into_iter()
    .enumerate()
    {
        let view = format!(r#"{{"type":"view","at":0.0,"url":"https://jetpay.kz/",{more}}}"#);
        assert_eq!(edge.beacon(beacon_of(number as u8, 0, &view)).send().await.outcome(), "accepted", "{more}");
        assert_eq!(edge.rows().await.event().entry[..2], expected, "{more}");
    }
}

#[tokio::test]
async fn an_objection_is_found_among_cookies_in_any_encoding_and_so_is_the_visitor() {
    let edge = Edge::start().await;
    let first = edge.view(1, 0, None).await.cookie().unwrap();
    let visitor = edge.rows().await.event().visitor;
    let others = ["city=Алматы".as_bytes(), b"city=caf\xe9", "a=😀".as_bytes(), b"\xff\xfe"];
    for (number, other) in others.into_iter().enumerate() {
        for (cookie, is_off) in [("__Host-tamga-off=1", true), (first.as_str(), false)] {
            for cookies in [[other, b"; ", cookie.as_bytes()].concat(), [cookie.as_bytes(), b"; ", other].concat()] {
                let call = edge.beacon(view_of(2 + number as u8, 0, "/")).header("Cookie", "COOKIES").bytes();
                let at = call.windows(7).position(|window| window == b"COOKIES").unwrap();
                let request = [&call[..at], &cookies, &call[at + 7..]].concat();
                let answer = Answer::parse(&raw(edge.address, &request).await);
                assert_eq!(answer.outcome() == "off", is_off);
                let rows = edge.rows().await.events;
                assert!(if is_off { rows.is_empty() } else { rows.iter().all(|row| row.visitor == visitor) });
            }
        }
    }
}

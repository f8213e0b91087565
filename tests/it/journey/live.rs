//! Is a click in the demo's shop in its live count at once, and among the rows that the visitor's page shows?

use std::time::{Duration, Instant};

use serde_json::Value;

use super::{SITE, shop_host};
use crate::support::collector::{beacon_to, view_id};
use crate::support::http::{Answer, Call};
use crate::support::product::Product;

/// The live count: of this machine, and of all.
async fn live(port: u16) -> [u64; 2] {
    let call = Call::new(([127, 0, 0, 1], port).into(), "GET", "/live").header("Host", &shop_host(port));
    let count: Value = serde_json::from_slice(&call.send().await.body).unwrap();
    ["own", "all"].map(|name| count[name].as_u64().unwrap())
}

async fn click(port: u16, view: u8, cookie: Option<&str>) -> Answer {
    let shop = format!("http://{}", shop_host(port));
    let seen = format!(r#"{{"type":"view","at":0,"url":"{shop}/counted"}}"#);
    let body = format!(r#"{{"v":1,"site":"{SITE}","view":"{}","seq":0,"events":[{seen}]}}"#, view_id(view));
    let call = beacon_to(([127, 0, 0, 1], port).into(), body)
        .header("Host", &format!("t.{SITE}:{port}"))
        .header("Origin", &shop)
        .without("X-Forwarded-For");
    let answer = call.cookies(cookie).send().await;
    assert_eq!(answer.outcome(), "accepted");
    answer
}

pub(super) async fn shows_the_own_click_at_once(demo: &Product) {
    let port = demo.ports.collector;
    let [own, all] = live(port).await;
    let cookie = click(port, 201, None).await.cookie().unwrap();
    assert_eq!(live(port).await, [own + 1, all + 1]);
    click(port, 202, Some(&cookie)).await;
    assert_eq!(live(port).await, [own + 2, all + 2]);

    let page = Call::new(([127, 0, 0, 1], port).into(), "GET", "/v1/privacy/me");
    let page = page.header("Host", &format!("t.{SITE}:{port}")).header("Sec-Fetch-Site", "same-origin");
    let page = page.cookies(Some(&cookie));
    let since = Instant::now();
    let held = loop {
        // The collector answers few such questions at once.
        let answer = page.send().await;
        if answer.status == 200 {
            break String::from_utf8(answer.body.to_vec()).unwrap();
        }
        assert!(answer.status == 503 && since.elapsed() < Duration::from_secs(120), "{}", answer.status);
        tokio::time::sleep(Duration::from_millis(100)).await;
    };
    assert!(held.matches("\"/counted\"").count() >= 2, "{held}");
}

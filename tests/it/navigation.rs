//! Is each page of a visit counted once, as one visitor's, whatever other cookies the site sets? A real Chromium opens them,
//! through the real snippet, on the real edge. `TAMGA_LONG_TESTS=1` makes 200 ordinary navigations of it.

use std::collections::HashMap;
use std::path::Path;
use std::process::Command;
use std::time::Duration;

use serde_json::Value;

use crate::support::collector::{Edge, Setup};
use crate::support::product::Ports;

#[tokio::test(flavor = "multi_thread")]
async fn a_browser_with_cookies_in_any_encoding_loses_no_step_and_its_objection_holds() {
    let (visitors, pages) = if std::env::var_os("TAMGA_LONG_TESTS").is_some() { (8, 25) } else { (2, 8) };
    let site = format!("http://shop.localhost:{}", Ports::free().collector);
    let sites = format!(
        "[[site]]\ndomain = \"shop.localhost\"\npublic_url = \"http://t.shop.localhost\"\norigins = [\"{site}\"]\n\
         time_zone = \"Asia/Almaty\"\nprofile = \"jetpay\"\n"
    );
    let edge = Edge::start_with(Setup { sites: sites.leak(), ..Setup::default() }).await;
    let collector = format!("http://t.shop.localhost:{}", edge.address.port());
    let run = move || {
        Command::new("node")
            .current_dir(Path::new(env!("CARGO_MANIFEST_DIR")).join("collector-js"))
            .args(["test/navigate.mjs", &collector, &site, &format!("{visitors}"), &format!("{pages}")])
            .output()
            .unwrap_or_else(|error| panic!("cannot run node ({error}): scripts/prepare snippet browser"))
    };
    let browsing = tokio::task::spawn_blocking(run);
    // The edge's clock stands still otherwise, and its limits with it.
    while !browsing.is_finished() {
        tokio::time::sleep(Duration::from_millis(100)).await;
        edge.clock.advance_to(edge.clock.now() + jiff::SignedDuration::from_millis(100));
    }
    let output = browsing.await.unwrap();
    let said = String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success(), "{said}{}", String::from_utf8_lossy(&output.stderr));
    let said: Value = serde_json::from_str(said.trim()).unwrap();
    println!("{said}");
    assert_eq!((&said["objected"], &said["afterwards"]), (&"off".into(), &"off".into()), "the objection holds");
    assert_eq!(edge.reason("dropped", "objection"), 2);
    assert_eq!(said["city"], true, "the site's cookie travelled");

    let rows = edge.rows().await.events;
    let mut steps: HashMap<[u8; 16], Vec<_>> = HashMap::new();
    for row in rows.iter().filter(|row| row.kind == "view") {
        assert_eq!(row.confirmed, row.step > 1, "the identity is found again");
        steps.entry(row.visitor).or_default().push(row.step);
    }
    assert_eq!((steps.len(), said["views"].as_u64()), (visitors, Some((visitors * pages) as u64)));
    for steps in steps.values_mut() {
        steps.sort_unstable();
        assert!(steps.iter().map(|step| usize::from(*step)).eq(1..=pages), "{steps:?}");
    }
}

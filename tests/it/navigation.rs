//! Is each page of a visit counted once, as one visitor's, whatever other cookies the site sets? And does another browser get
//! the identity of a visitor whose view id it knows? A real Chromium tries both on the real edge. `TAMGA_LONG_TESTS=1` makes
//! 200 ordinary navigations of it.

use std::collections::HashMap;
use std::path::Path;
use std::process::Command;
use std::time::Duration;

use serde_json::Value;

use crate::support::collector::{Edge, Setup};
use crate::support::product::Ports;

#[tokio::test(flavor = "multi_thread")]
async fn a_browser_with_cookies_in_any_encoding_loses_no_step_and_its_decisions_hold() {
    let (visitors, pages) = if std::env::var_os("TAMGA_LONG_TESTS").is_some() { (8, 25) } else { (2, 8) };
    let (edge, said) = browse("test/navigate.mjs", "", &[visitors, pages]).await;
    assert_eq!((&said["objected"], &said["afterwards"]), (&"off".into(), &"off".into()), "the objection holds");
    assert_eq!(edge.reason("dropped", "objection"), 2);
    assert_eq!(said["city"], true, "the site's cookie travelled");
    for change in ["refused", "gpc"] {
        assert_eq!(said[change], serde_json::json!([1, 0]), "{change}: the identity is taken back on a later page");
    }

    // The last three views are of those who change their mind: two of one, and one of the other.
    let mut rows = edge.rows().await.events;
    let views = rows.iter().filter(|row| row.kind == "view").map(|row| row.visitor);
    let others: Vec<_> = views.skip(visitors * pages).collect();
    rows.retain(|row| !others.contains(&row.visitor));
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

#[tokio::test(flavor = "multi_thread")]
async fn another_browser_that_repeats_a_page_s_view_ids_gets_no_identity_of_its_visitor() {
    const TRIES: usize = 1_000;
    let limits = "[limits]\nnetwork_per_s = 0\nvisitor_events_per_h = 0\n";
    let (edge, said) = browse("test/mirror.mjs", limits, &[TRIES]).await;
    assert_eq!(said["accepted"], serde_json::json!([TRIES, TRIES]));
    let mut visitors: HashMap<[u8; 16], Vec<[u8; 16]>> = HashMap::new();
    for row in edge.rows().await.events {
        visitors.entry(row.view).or_default().push(row.visitor);
    }
    assert!(visitors.len() == TRIES && visitors.values().all(|of| of.len() == 2), "both are of the same views");
    assert_eq!(visitors.values().filter(|of| of[0] == of[1]).count(), 0, "equal identities");
}

/// Runs a program with Chromium on the edge, for the site of a shop. What it says, and the edge.
async fn browse(program: &'static str, config: &str, numbers: &[usize]) -> (Edge, Value) {
    let site = format!("http://shop.localhost:{}", Ports::free().collector);
    let sites = format!(
        "[[site]]\ndomain = \"shop.localhost\"\npublic_url = \"http://t.shop.localhost\"\norigins = [\"{site}\"]\n\
         time_zone = \"Asia/Almaty\"\nprofile = \"jetpay\"\n{config}"
    );
    let edge = Edge::start_with(Setup { sites: sites.leak(), ..Setup::default() }).await;
    let mut arguments = vec![program.to_owned(), format!("http://t.shop.localhost:{}", edge.address.port()), site];
    arguments.extend(numbers.iter().map(ToString::to_string));
    let run = move || {
        Command::new("node")
            .current_dir(Path::new(env!("CARGO_MANIFEST_DIR")).join("collector-js"))
            .args(arguments)
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
    (edge, said)
}

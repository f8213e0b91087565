//! Can a script on the site's own pages learn who its visitor is? A real Chromium tries, on a real `tamga serve`.

use std::fs;
use std::path::Path;
use std::process::Command;

use serde_json::Value;
use tempfile::TempDir;

use crate::keys::collector_without_stores;
use crate::support::product::{Ports, Product};

#[tokio::test(flavor = "multi_thread")]
async fn no_script_of_the_page_learns_the_identifier() {
    let folder = TempDir::new().unwrap();
    let (ports, site) = (Ports::free(), Ports::free().collector);
    let config = collector_without_stores(&folder, ports, site);
    let mut product = Product::serve(&folder, &config, ports);
    product.takes_beacons().await;
    let run = move || {
        Command::new("node")
            .current_dir(Path::new(env!("CARGO_MANIFEST_DIR")).join("collector-js"))
            .arg("test/attacks.mjs")
            .arg(format!("http://t.shop.localhost:{}", ports.collector))
            .arg(format!("http://shop.localhost:{site}"))
            .output()
            .unwrap_or_else(|error| panic!("cannot run node ({error}): scripts/prepare snippet browser"))
    };
    let output = tokio::task::spawn_blocking(run).await.unwrap();
    let said = String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success(), "{said}{}", String::from_utf8_lossy(&output.stderr));
    let last: Value = serde_json::from_str(said.lines().last().unwrap()).unwrap();
    println!("{last}");
    assert!(last["attacks"].as_u64().unwrap() >= 25);
    assert_eq!((&last["succeeded"], &last["leaked"], &last["control"]), (&0.into(), &0.into(), &true.into()));
    // Attackers that saw nothing at all were none.
    let seen = said.lines().filter(|line| line.contains("\"seen\":") && !line.contains("\"seen\":0}")).count() as u64;
    assert!(seen * 10 >= last["attacks"].as_u64().unwrap() * 9, "{said}");

    // The collector got the site's cookie with every request, and its own: neither is anywhere.
    let accepted = product.metric("tamga_events_accepted_total").await.unwrap();
    assert!(accepted > 10, "{accepted}");
    let needles = [last["canary"].as_str().unwrap(), &last["cookie"].as_str().unwrap()[4..20]];
    assert_eq!(occurrences(folder.path(), &needles), 0);
    let metrics = crate::support::product::get(ports.collector + 1, "/metrics").await.unwrap().1;
    assert!(needles.iter().all(|needle| !metrics.contains(needle) && !product.log().contains(needle)));
}

/// How many files under a folder hold one of the texts.
pub(crate) fn occurrences(dir: &Path, needles: &[&str]) -> usize {
    let mut found = 0;
    for entry in fs::read_dir(dir).unwrap() {
        let path = entry.unwrap().path();
        found += match fs::read(&path) {
            Ok(bytes) => {
                let holds = |needle: &str| bytes.windows(needle.len()).any(|window| window == needle.as_bytes());
                usize::from(needles.iter().any(|needle| holds(needle)))
            }
            Err(_) => occurrences(&path, needles),
        };
    }
    found
}

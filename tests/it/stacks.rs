//! Is a visit to an application in the vault as it happened, whatever library or framework the application is made with? A
//! real Chromium walks through four of `collector-js/test/apps`, on a real collector with its engines. With
//! `TAMGA_LONG_TESTS=1` it walks through all of them.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;
use std::process::Command;
use std::time::Duration;

use serde::Deserialize;
use tempfile::TempDir;

use crate::support::engine::library;
use crate::support::product::{Ports, Product};

/// For the rows, on a busy machine.
const PATIENCE: Duration = Duration::from_secs(120);

/// A view as the vault has it.
#[derive(Deserialize)]
struct View {
    visitor: String,
    visit: String,
    step: u8,
    path: String,
    previous_path: String,
}

/// What the browser did.
#[derive(Deserialize)]
struct Walk {
    app: String,
    paths: Vec<String>,
}

#[tokio::test(flavor = "multi_thread")]
async fn each_page_of_a_walk_through_an_application_is_in_the_vault_once_and_in_order() {
    let folder = TempDir::new().unwrap();
    let (ports, site) = (Ports::free(), Ports::free().collector);
    let config = folder.path().join("tamga.toml");
    fs::write(&config, configuration(&folder, ports, site)).unwrap();
    let mut product = Product::serve(&folder, &config, ports);
    product.takes_beacons().await;
    let walks = tokio::task::spawn_blocking(move || walk(ports.collector, site)).await.unwrap();
    assert!(walks.len() >= 4, "{} walks", walks.len());

    product
        .until("all rows are in the vault", PATIENCE, async |product| product.is_drained().await.then_some(()))
        .await;
    let sql = "SELECT hex(visitor) AS visitor, hex(visit) AS visit, step, path, previous_path FROM events \
               WHERE type = 'view' ORDER BY visitor, step";
    let rows: Vec<View> = product.vault(sql).await.expect("the vault answers");
    let mut visitors: BTreeMap<_, Vec<View>> = BTreeMap::new();
    for row in rows {
        visitors.entry(row.visitor.clone()).or_default().push(row);
    }
    for views in visitors.values() {
        assert!(views.iter().map(|view| usize::from(view.step)).eq(1..=views.len()), "each step is there once");
        assert!(views.iter().all(|view| view.visit == views[0].visit), "one visit");
        for pair in views.windows(2) {
            let (before, from) = (&pair[0].path, &pair[1].previous_path);
            // A page that only redirects has no snippet, and is the page before all the same.
            let is_redirect = from == "/old" && pair[1].path == "/about";
            assert!(from.is_empty() || from == before || is_redirect, "from {from} after {before}");
        }
    }
    let mut stored: Vec<Vec<_>> =
        visitors.into_values().map(|views| views.into_iter().map(|view| view.path).collect()).collect();
    let template = |path: &String| path.replace("/item/7", "/item/:id");
    let mut walked: Vec<Vec<_>> = walks.iter().map(|walk| walk.paths.iter().map(template).collect()).collect();
    stored.sort();
    walked.sort();
    let apps: Vec<_> = walks.iter().map(|walk| walk.app.as_str()).collect();
    println!("{} views of {}: {}", stored.iter().map(Vec::len).sum::<usize>(), apps.len(), apps.join(", "));
    assert_eq!(stored, walked, "the pages of each visitor, in order");
}

/// Walks through the applications. What was done in each.
fn walk(collector: u16, site: u16) -> Vec<Walk> {
    let is_long = std::env::var_os("TAMGA_LONG_TESTS").is_some();
    let node = |arguments: &[&str]| {
        let mut command = Command::new("node");
        command.current_dir(Path::new(env!("CARGO_MANIFEST_DIR")).join("collector-js")).args(arguments);
        command.env("TAMGA_COLLECTOR_PORT", collector.to_string()).env("TAMGA_SITE_PORT", site.to_string());
        if is_long && arguments[0] != "build.mjs" {
            command.env("STACKS", "all");
        }
        let output = command
            .output()
            .unwrap_or_else(|error| panic!("cannot run node ({error}): scripts/prepare snippet browser"));
        let said = String::from_utf8_lossy(&output.stdout).into_owned();
        assert!(output.status.success(), "{said}{}", String::from_utf8_lossy(&output.stderr));
        said
    };
    node(if is_long { &["build.mjs", "--only-tests", "--stacks"] } else { &["build.mjs", "--only-tests"] });
    let said = node(&["--test-name-pattern=Chromium", ".test-build/e2e/stacks.test.mjs"]);
    let lines = said.lines().filter(|line| line.starts_with("{\"app\""));
    lines.map(|line| serde_json::from_str(line).unwrap_or_else(|error| panic!("{line}: {error}"))).collect()
}

fn configuration(folder: &TempDir, ports: Ports, site: u16) -> String {
    // Where the day does not end during the test.
    let hour = tamga::clock::Clock::machine().now().to_zoned(jiff::tz::TimeZone::UTC).hour();
    let time_zone = if (12..20).contains(&hour) { "UTC" } else { "Asia/Almaty" };
    format!(
        "[server]\nlisten = \"127.0.0.1:{}\"\nadmin_listen = \"127.0.0.1:{}\"\n[data]\ndir = \"{}\"\n[engine]\n\
         vault_listen = \"127.0.0.1:{}\"\nstats_listen = \"127.0.0.1:{}\"\nlibrary = \"{}\"\n[keys]\ndir = \"{}\"\n\
         [publish]\nenabled = false\n[vault]\nlinger_s = 1\nuntil_window_end = false\n[limits]\nnetwork_per_s = 0\nvisitor_events_per_h = 0\n\
         [cookie]\nkey_file = \"{}\"\n[[site]]\ndomain = \"shop.localhost\"\npublic_url = \"http://t.shop.localhost:{site}\"\n\
         origins = [\"http://shop.localhost:{site}\"]\ntime_zone = \"{time_zone}\"\nprofile = \"jetpay\"\n\
         paths = [\"/\", \"/catalog\", \"/about\", \"/item/:id\", \"/old\"]\n",
        ports.collector,
        ports.collector + 1,
        folder.path().join("data").display(),
        ports.engine,
        ports.engine + 1,
        library().display(),
        ports.keys().display(),
        folder.path().join("cookie.key").display(),
    )
}

//! A node that is gone: `/readyz` and `/metrics` say so, `tamga node` lists and retires it.

use std::path::Path;
use std::process::Command;
use std::time::Duration;

use serde_json::Value;
use tempfile::TempDir;

use crate::support::engine::library;
use crate::support::product::{Ports, Product, get};
use crate::support::programs;

/// The longest time that a busy machine may take for anything here.
const PATIENCE: Duration = Duration::from_secs(180);

/// Leaves a silent node behind at once.
fn config(folder: &TempDir, ports: Ports) -> std::path::PathBuf {
    let path = folder.path().join("tamga.toml");
    let text = format!(
        "[server]\nlisten = '127.0.0.1:{}'\nadmin_listen = '127.0.0.1:{}'\nnode = 'one'\n[publish]\nnode_timeout_s = 1\n\
         [wall]\nverify_every_h = 0\n[data]\ndir = '{}'\n[keys]\ndir = '{}'\n\
         [engine]\nvault_listen = '127.0.0.1:{}'\nstats_listen = '127.0.0.1:{}'\nlibrary = '{}'\n\
         [[site]]\ndomain = 'shop.localhost'\npublic_url = 'http://t.shop.localhost'\norigins = ['http://shop.localhost']\n\
         time_zone = 'UTC'\nprofile = 'jetpay'\n",
        ports.collector,
        ports.collector + 1,
        folder.path().join("data").display(),
        ports.keys().display(),
        ports.engine,
        ports.engine + 1,
        library().display(),
    );
    std::fs::write(&path, text).unwrap();
    path
}

/// What a verb says, and whether it succeeded.
fn said(config: &Path, arguments: &[&str]) -> (bool, String) {
    let output =
        Command::new(programs::tamga()).arg("node").args(arguments).arg("--config").arg(config).output().unwrap();
    let text = [output.stdout, output.stderr].concat();
    (output.status.success(), String::from_utf8(text).unwrap())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_node_that_is_gone_is_named_until_it_is_retired() {
    let (folder, ports) = (TempDir::new().unwrap(), Ports::free());
    let config = config(&folder, ports);
    let mut product = Product::serve(&folder, &config, ports);
    let leases = "SELECT node FROM leases FINAL ORDER BY node";
    let own = async |product: &Product| product.vault::<Value>(leases).await.filter(|nodes| !nodes.is_empty());
    product.until("its own lease", PATIENCE, own).await;
    for (node, written) in [("gone", "now() - 86400"), ("runs", "now()")] {
        let sql = format!("INSERT INTO leases SELECT '{node}', now() - 86400, {written}");
        product.vault::<Value>(&sql).await.expect("inserted");
    }
    let named = async |product: &Product| {
        let (_, text) = get(product.ports.collector + 1, "/readyz").await?;
        (text.contains("the node gone is silent") && text.contains("tamga node retire gone")).then_some(())
    };
    product.until("the silent node is named", PATIENCE, named).await;
    let left_behind = "tamga_nodes{state=\"left_behind\"}";
    assert!(product.metric(left_behind).await.is_some_and(|nodes| nodes >= 1));

    let (_, list) = said(&config, &["list"]);
    let lines: Vec<_> = list.lines().filter(|line| line.contains("last lease")).collect();
    assert!(lines.len() == 3 && lines[0].starts_with("gone  last lease 86"), "{list}");
    assert!(lines[1].starts_with("one  ") && lines[1].ends_with(", this node"), "{list}");
    for (arguments, words) in [
        (&["retire", "one", "--yes"][..], "this node itself"),
        (&["retire", "nobody", "--yes"], "there are gone, one, runs"),
    ] {
        let (is_done, text) = said(&config, arguments);
        assert!(!is_done && text.contains(words), "{text}");
    }
    // As young as may be, since a busy machine takes its time.
    product.vault::<Value>("INSERT INTO leases SELECT 'runs', now() - 86400, now() + 50").await.expect("inserted");
    let (is_done, text) = said(&config, &["retire", "runs", "--yes"]);
    assert!(!is_done && text.contains("runs runs: last lease"), "{text}");
    let (is_done, text) = said(&config, &["retire", "gone"]);
    assert!(is_done && text.contains("Add --yes"), "{text}");
    assert_eq!(product.vault::<Value>(leases).await.unwrap().len(), 3, "nothing was done yet");
    let (is_done, text) = said(&config, &["retire", "gone", "--yes"]);
    assert!(is_done && text.contains("gone is retired"), "{text}");
    let nodes = product.vault::<Value>(leases).await.unwrap();
    assert_eq!(nodes.iter().map(|row| row["node"].as_str().unwrap()).collect::<Vec<_>>(), ["one", "runs"]);
    let forgotten = async |product: &Product| {
        let (_, text) = get(product.ports.collector + 1, "/readyz").await?;
        (!text.contains("the node gone")).then_some(())
    };
    product.until("nobody waits for it", PATIENCE, forgotten).await;
    let audit = std::fs::read_to_string(folder.path().join("data/audit.jsonl")).unwrap();
    assert!(audit.lines().any(|line| line.contains("retire node") && line.contains("gone")), "{audit}");
}

//! Is everything that a browser's cookie finds gone after an erasure, and all of others still there? On the real engine, through
//! the program, with a kill and the beacons once more.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use serde::Deserialize;
use tempfile::TempDir;

use crate::support::collector::{AGENT, view_id};
use crate::support::engine::library;
use crate::support::http::{Answer, Call};
use crate::support::product::{Ports, Product};
use crate::support::programs;

pub(crate) const SITE: &str = "erase.localhost";
const ORIGIN: &str = "http://erase.localhost";
const DEVICE: &str = r#"{"time_zone":"Asia/Almaty","canvas":{"digest":"q83vEjRWeJCrze8SNFZ4kA","state":"normal"},"fonts":["Arial","Verdana"],"languages":["kk-KZ","ru"],"active_x":false,"automation":[]}"#;
/// Generous: a crowded machine must not fail the test.
const PATIENCE: Duration = Duration::from_secs(180);

#[derive(Deserialize)]
struct Count {
    what: String,
    rows: u64,
}

pub(crate) type Rows = BTreeMap<String, u64>;

/// Rows that belong to visitors, by table and value.
async fn rows(product: &Product) -> Option<Rows> {
    let sql = "SELECT what, toUInt32(count()) AS rows FROM (
            SELECT concat('event ', toString(type), ' ', path) AS what FROM events
            UNION ALL SELECT concat('attribute ', toString(attribute), ' ', value) FROM attributes
            UNION ALL SELECT concat('signal ', toString(signal), ' ', toString(state)) FROM signals
            UNION ALL SELECT concat('error ', template) FROM errors
        ) GROUP BY what";
    let counted = product.vault::<Count>(sql).await?;
    Some(counted.into_iter().map(|count| (count.what, count.rows)).collect())
}

pub(crate) async fn stored(product: &mut Product) -> Rows {
    product
        .until(
            "all is in the vault",
            PATIENCE,
            async |product| {
                if product.is_drained().await { rows(product).await } else { None }
            },
        )
        .await
}

pub(crate) fn configure(folder: &TempDir, ports: Ports) -> PathBuf {
    let path = folder.path().join("tamga.toml");
    let geo = Path::new(env!("CARGO_MANIFEST_DIR")).join("crates/demo/geo");
    let text = format!(
        "[server]\nlisten = '127.0.0.1:{}'\nadmin_listen = '127.0.0.1:{}'\ntrusted_proxies = ['127.0.0.0/8']\n\
         [vault]\nlinger_s = 1\nuntil_window_end = false\n[data]\ndir = '{data}'\n[keys]\ndir = '{keys}'\n[geo]\nprovider = ['{asn}']\n\
         [engine]\nvault_listen = '127.0.0.1:{}'\nstats_listen = '127.0.0.1:{}'\nlibrary = '{library}'\n\
         [[site]]\ndomain = '{SITE}'\npublic_url = 'http://t.{SITE}'\norigins = ['{ORIGIN}']\n\
         time_zone = 'Asia/Almaty'\npaths = ['/first', '/second', '/third']\npairs = [['country', 'channel']]\n\
         items = ['identifier', 'pages', 'entry', 'country', 'provider', 'browser', 'os', 'time_zone', 'canvas', 'fonts', \
         'languages', 'active_x', 'automation', 'search', 'errors']\n",
        ports.collector,
        ports.collector + 1,
        ports.engine,
        ports.engine + 1,
        data = folder.path().join("data").display(),
        keys = ports.keys().display(),
        asn = geo.join("asn.mmdb").display(),
        library = library().display(),
    );
    std::fs::write(&path, text).unwrap();
    path
}

pub(crate) fn call(product: &Product, target: &str) -> Call {
    Call::new(([127, 0, 0, 1], product.ports.collector).into(), "POST", target)
        .header("Host", &format!("t.{SITE}"))
        .header("User-Agent", AGENT)
        .header("Accept-Language", "kk")
        .header("X-Forwarded-For", "198.18.0.77")
}

async fn send(product: &Product, view: u8, path: &str, cookie: Option<&str>) -> Answer {
    let events = format!(
        r#"{{"type":"view","at":0,"url":"{ORIGIN}{path}"}},{{"type":"search","at":1,"query":"чай"}},{{"type":"error","at":2,"message":"x is null"}}"#
    );
    let device = if cookie.is_some() { format!(",\"device\":{DEVICE}") } else { String::new() };
    let body = format!(r#"{{"v":1,"site":"{SITE}","view":"{}","seq":0,"events":[{events}]{device}}}"#, view_id(view));
    let call = call(product, "/v1/beacon").header("Origin", ORIGIN).header("Sec-Fetch-Site", "same-site");
    call.header("Content-Type", "text/plain").cookies(cookie).body(body).send().await
}

/// A product with a folder of its own, its configuration, as soon as it takes beacons.
pub(crate) async fn started() -> (TempDir, PathBuf, Product) {
    let (folder, ports) = (tempfile::tempdir().unwrap(), Ports::free());
    let config = configure(&folder, ports);
    let mut product = Product::serve(&folder, &config, ports);
    product.takes_beacons().await;
    (folder, config, product)
}

/// Two views of a browser; its cookie.
pub(crate) async fn visit(product: &Product, views: [u8; 2], second: &str) -> String {
    let cookie = send(product, views[0], "/first", None).await.cookie().unwrap();
    let answer = send(product, views[1], second, Some(&cookie)).await;
    assert_eq!(answer.outcome(), "accepted");
    answer.cookie().unwrap_or(cookie)
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_cookie_finds_is_gone_and_stays_gone_and_nothing_else_is() {
    let (_folder, config, mut product) = started().await;
    let other = visit(&product, [1, 2], "/second").await;
    let of_other = stored(&mut product).await;
    assert!(of_other.keys().any(|what| what.starts_with("signal canvas")), "{of_other:?}");
    for what in ["attribute fonts Arial", "attribute languages kk", "attribute search чай", "attribute hour", "error "]
    {
        assert!(of_other.keys().any(|known| known.starts_with(what)), "{what}: {of_other:?}");
    }
    let cookie = visit(&product, [3, 4], "/third").await;
    let both = stored(&mut product).await;
    assert!(both.values().sum::<u64>() >= 2 * of_other.values().sum::<u64>() - 2, "{both:?}");
    // More rows, which are still on their way.
    assert_eq!(send(&product, 5, "/third", Some(&cookie)).await.outcome(), "accepted");

    let erase = call(&product, "/v1/privacy/erase").header("Sec-Fetch-Site", "same-origin").cookies(Some(&cookie));
    let answer = erase.header("Accept", "application/json").body("state=all").send().await;
    assert_eq!(answer.status, 200);
    let said: serde_json::Value = serde_json::from_slice(&answer.body).unwrap();
    let receipt = said["receipt"].as_str().unwrap().to_owned();
    let gone = async |product: &Product| (rows(product).await? == of_other).then_some(());
    product.until("the browser's rows are gone", PATIENCE, gone).await;

    // After a kill, and when the beacons come once more, late or with the old cookie.
    product.kill();
    product.start_again();
    product.takes_beacons().await;
    for view in [3, 4, 5] {
        send(&product, view, "/third", Some(&cookie)).await;
    }
    // What comes after all of them is stored, so they are settled.
    assert_eq!(send(&product, 6, "/second", Some(&other)).await.outcome(), "accepted");
    let (last, before) = ("event view /second", of_other["event view /second"]);
    let settled = async |product: &Product| rows(product).await.filter(|rows| rows[last] > before);
    let after = product.until("a later beacon is stored", PATIENCE, settled).await;
    assert!(!after.keys().any(|what| what.contains("/third")), "{after:?}");
    let of_views =
        |rows: &Rows| rows.iter().filter(|(what, _)| what.starts_with("event")).map(|(_, rows)| rows).sum::<u64>();
    assert_eq!(of_views(&after), of_views(&of_other) + 1);
    let left = product.vault::<Count>("SELECT '' AS what, toUInt32(count()) AS rows FROM erasures").await.unwrap();
    assert_eq!(left[0].rows, 0);
    let check = |receipt: &str| {
        let mut verb = Command::new(programs::tamga());
        verb.arg("receipt").arg("--config").arg(&config).args([SITE, receipt]).output().unwrap()
    };
    let genuine = check(&receipt);
    assert!(genuine.status.success() && String::from_utf8_lossy(&genuine.stdout).contains("genuine"), "{genuine:?}");
    assert!(!check(&receipt.replace('-', "0")).status.success());
    let (log, audit) = (product.log(), std::fs::read_to_string(product.data.join("audit.jsonl")).unwrap());
    for secret in [cookie.split_once('=').unwrap().1, other.split_once('=').unwrap().1, &receipt] {
        assert!(!log.contains(secret) && !audit.contains(secret));
    }
    assert!(audit.contains("\"erase\""), "that rows were erased is in the audit log");
}

/// Rows that the vault refuses lie in files of this node. They are their visitor's as well.
#[tokio::test(flavor = "multi_thread")]
async fn refused_rows_are_shown_to_their_visitor_and_erased() {
    let (_folder, _, mut product) = started().await;
    let other = visit(&product, [1, 2], "/second").await;
    let of_other = stored(&mut product).await;
    let refuse = async |product: &Product| {
        product.vault::<Count>("ALTER TABLE events ADD CONSTRAINT no CHECK path != '/third'").await
    };
    product.until("the vault refuses a path", PATIENCE, refuse).await;
    let cookie = visit(&product, [3, 4], "/third").await;
    assert_eq!(send(&product, 5, "/third", Some(&other)).await.outcome(), "accepted");
    let refused = async |product: &Product| (product.metric("tamga_rows_dead_lettered").await? == 2).then_some(());
    product.until("two rows are refused", PATIENCE, refused).await;
    let thirds = async |product: &Product, cookie: &str| {
        let me = Call::new(([127, 0, 0, 1], product.ports.collector).into(), "GET", "/v1/privacy/me");
        let me = me.header("Host", &format!("t.{SITE}")).header("Sec-Fetch-Site", "same-origin");
        let answer = me.cookies(Some(cookie)).send().await;
        let said: serde_json::Value = serde_json::from_slice(&answer.body).ok()?;
        let rows = said["rows"].as_array()?;
        assert_eq!(said["complete"], true);
        Some(rows.iter().filter(|row| row["path"] == "/third").count())
    };
    let one = async |product: &Product| thirds(product, &cookie).await.filter(|rows| *rows == 1).map(|_| ());
    product.until("the refused row is shown, and not that of the other browser", PATIENCE, one).await;
    let erase = call(&product, "/v1/privacy/erase").header("Sec-Fetch-Site", "same-origin").cookies(Some(&cookie));
    assert_eq!(erase.body("state=all").send().await.status, 200);
    let none = async |product: &Product| thirds(product, &cookie).await.filter(|rows| *rows == 0).map(|_| ());
    product.until("the refused row is erased", PATIENCE, none).await;
    assert_eq!(product.metric("tamga_rows_dead_lettered").await, Some(2), "as it was accounted for");
    let other_too = async |product: &Product| thirds(product, &other).await.filter(|rows| *rows == 1).map(|_| ());
    product.until("the other's row is still there", PATIENCE, other_too).await;
    assert!(rows(&product).await.unwrap()["event view /second"] >= of_other["event view /second"]);
}

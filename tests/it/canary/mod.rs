//! Does anything of a visitor rest? Secrets planted in every channel of the running product are looked for in every byte that
//! it leaves: spool, engines' data (packed and unpacked), logs, metrics, audit log, keys.

mod search;
pub(crate) mod visitors;

use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use rustix::process::Signal;
use tamga::store::{Limits, Store, VAULT};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

use crate::support::engine::USER;
use crate::support::program::{Ground, Program, password};
pub(crate) use search::Needles;
use search::unpack;

/// Adds a site whose policy lists searches and errors, and account protection to the other.
fn list_texts(ground: &Ground) {
    let path = ground.folder.path().join("tamga.toml");
    let site = "\n[[site]]\ndomain = \"all.kz\"\npublic_url = \"https://t.all.kz\"\norigins = [\"https://all.kz\"]\n\
                time_zone = \"Asia/Almaty\"\nitems = [\"identifier\", \"pages\", \"search\", \"errors\"]\n";
    let text = std::fs::read_to_string(&path).unwrap() + site;
    let offer = "\n[site.protect]\naudience = \"https://jetpay.kz\"\nports = true\n\n[data]";
    let text = text.replacen("\n[data]", offer, 1);
    std::fs::write(path, text).unwrap();
}

/// What counts as the status of a verdict.
const VERDICT: u16 = 1;

/// Statuses of every answer, and how many.
async fn visit(product: &Program) -> std::collections::BTreeMap<u16, u32> {
    let mut statuses = std::collections::BTreeMap::new();
    for round in 0..12 {
        for request in visitors::requests(product, round) {
            let answer = crate::support::http::raw(product.address, &request).await;
            visitors::needles().assert_absent("an answer", &answer);
            let text = String::from_utf8_lossy(&answer);
            let status = text.get(9..12).and_then(|status| status.parse().ok()).unwrap_or(0);
            *statuses.entry(status).or_default() += 1;
        }
        for call in visitors::calls(product) {
            let answer = crate::support::http::raw(product.address, &call).await;
            visitors::needles_of_verdicts().assert_absent("a verdict", &answer);
            let signed = String::from_utf8_lossy(&answer).starts_with("HTTP/1.1 200 ");
            *statuses.entry(if signed { VERDICT } else { 0 }).or_default() += 1;
        }
    }
    statuses
}

/// Waits until the vault has every row that was acknowledged.
async fn stored(product: &Program) {
    let begun = Instant::now();
    loop {
        let accepted = product.figure("tamga_rows_accepted_total").await;
        let stored = product.figure("tamga_rows_stored ").await;
        if accepted > 0 && stored == accepted {
            return;
        }
        assert!(
            begun.elapsed() < Duration::from_secs(60),
            "{stored} of {accepted} rows are stored:\n{}",
            product.log()
        );
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}

/// What a search came upon.
#[derive(Default)]
pub(crate) struct Searched {
    pub(crate) found: Option<String>,
    pub(crate) files: usize,
    /// Blocks of the engine that were unpacked.
    blocks: usize,
}

/// Looks into every file below a folder.
pub(crate) fn search(needles: &Needles, folder: &Path) -> Searched {
    let mut searched = Searched::default();
    for entry in std::fs::read_dir(folder).unwrap().map_while(Result::ok) {
        let path = entry.path();
        needles.assert_absent("a file's name", path.file_name().unwrap().as_encoded_bytes());
        // What the engine has merged away meanwhile holds nothing any longer.
        let Ok(kind) = entry.file_type() else { continue };
        let here = if kind.is_dir() && path.exists() {
            search(needles, &path)
        } else {
            let Some(bytes) = kind.is_file().then(|| std::fs::read(&path).ok()).flatten() else { continue };
            let blocks = unpack(&bytes);
            let found = needles.find_in(&bytes, &blocks).map(|what| format!("{what}: in {}", path.display()));
            Searched { found, files: 1, blocks: blocks.len() }
        };
        searched.found = searched.found.or(here.found);
        searched.files += here.files;
        searched.blocks += here.blocks;
    }
    searched
}

/// Looks into every file below a folder, where there must be nothing.
pub(crate) fn assert_absent(needles: &Needles, folder: &Path) -> Searched {
    let searched = search(needles, folder);
    assert_eq!(searched.found, None);
    searched
}

/// Every text of every table, as the engine reads it.
async fn search_vault(needles: &Needles, data: &Path, url: &str) -> usize {
    #[derive(serde::Deserialize)]
    struct Column {
        table: String,
        name: String,
    }
    #[derive(serde::Deserialize)]
    struct Text {
        text: String,
    }
    let store = Store::new(url, USER, &password(data), VAULT, Limits::default()).unwrap();
    let columns: Vec<Column> = store
        .rows("SELECT table, name FROM system.columns WHERE database = 'tamga_vault' ORDER BY table, position", &[])
        .await
        .unwrap();
    assert!(columns.len() > 40);
    let mut values = 0;
    for Column { table, name } in columns {
        let sql = format!("SELECT DISTINCT toString({name}) AS text FROM {table} LIMIT 100000");
        let sql = if ["visitor", "visit", "view", "seed", "digest"].contains(&name.as_str()) {
            sql.replace(&format!("toString({name})"), &format!("hex({name})"))
        } else {
            sql
        };
        for Text { text } in store.rows::<Text>(&sql, &[]).await.unwrap() {
            needles.assert_absent(&format!("{table}.{name}"), text.as_bytes());
            values += 1;
        }
    }
    values
}

#[tokio::test(flavor = "multi_thread")]
async fn nothing_of_a_visitor_rests_anywhere() {
    let needles = visitors::needles();
    let ground = Ground::new();
    list_texts(&ground);
    let product = Program::serve(&ground, &[("TAMGA_LOG", "trace")]);
    let statuses = visit(&product).await;
    // Both kinds came through: beacons that were kept, and all kinds of refusal.
    assert!(statuses[&202] > 100 && statuses[&VERDICT] == 12, "{statuses:?}");
    for status in [200, 204, 400, 403, 404, 405, 413, 415, 422, 431] {
        assert!(statuses.contains_key(&status), "{status} of {statuses:?}");
    }
    needles.assert_absent("/metrics", &product.ask("/metrics").await.body);
    needles.assert_absent("/readyz", &product.ask("/readyz").await.body);
    product.logged("the stores are ready");
    stored(&product).await;

    let line = product
        .log()
        .lines()
        .find(|line| line.contains("the engine is ready") && line.contains("vault"))
        .unwrap()
        .to_owned();
    let address = line.split_once("address=").unwrap().1.split(' ').next().unwrap();
    let values = search_vault(needles, &ground.data(), &format!("http://{address}")).await;
    assert!(values > 60, "the vault is not empty: {values}");
    let data = assert_absent(needles, &ground.data());
    assert!(data.files > 50 && data.blocks > 50, "{} files, {} blocks", data.files, data.blocks);
    assert!(assert_absent(needles, ground.keys.path()).files > 0);
    // The search reaches what does rest there.
    let regions = search(&Needles::new(&["Turkistan Region"]), &ground.data().join("engine/vault"));
    assert!(regions.found.is_some(), "regions rest in the vault");
    let texts = search(&Needles::new(&["upload of <email> failed"]), &ground.data().join("engine/vault"));
    assert!(texts.found.is_some(), "templates rest in the vault");

    let (code, _, log) = product.terminate();
    assert_eq!(code, Some(0));
    needles.assert_absent("the log", log.as_bytes());
    assert!(log.contains("DEBUG") || log.contains("TRACE"), "the log was at its most talkative");
    assert!(!log.contains("panicked"), "{log}");
    // Everything once more, after the end: cookie key and configuration included.
    assert_absent(needles, ground.folder.path());
    assert!(std::fs::read_to_string(ground.data().join("audit.jsonl")).unwrap().lines().count() >= 3);
}

#[tokio::test(flavor = "multi_thread")]
async fn nothing_of_a_visitor_rests_in_a_spool_that_waits() {
    let needles = visitors::needles();
    let ground = Ground::new();
    ground.send_stores_away();
    list_texts(&ground);
    let product = Program::serve(&ground, &[("TAMGA_LOG", "trace")]);
    visit(&product).await;
    product.logged("it is tried again");
    assert_absent(needles, &ground.data());
    assert_encrypted(&ground);
    let (code, _, log) = product.terminate();
    assert!(code == Some(0) && !log.contains("panicked"), "{log}");
    needles.assert_absent("the log", log.as_bytes());
    assert_absent(needles, ground.folder.path());
}

#[tokio::test(flavor = "multi_thread")]
async fn nothing_of_a_visitor_rests_when_the_process_is_struck_down_under_load() {
    use std::os::unix::process::ExitStatusExt as _;
    let needles = visitors::needles();
    for signal in [Signal::ABORT, Signal::ILL, Signal::KILL] {
        let ground = Ground::new();
        ground.send_stores_away();
        list_texts(&ground);
        let product = Arc::new(Program::serve(&ground, &[("TAMGA_LOG", "trace")]));
        let load: Vec<_> = (0..8)
            .map(|worker| {
                let product = product.clone();
                tokio::spawn(async move {
                    for round in (0..12).cycle().skip(worker) {
                        for request in visitors::requests(&product, round) {
                            let Ok(mut stream) = tokio::net::TcpStream::connect(product.address).await else { return };
                            // The process ends in the middle of these.
                            let _ = stream.write_all(&request).await;
                            let _ = stream.read_to_end(&mut Vec::new()).await;
                        }
                    }
                })
            })
            .collect();
        let begun = Instant::now();
        while product.figure("tamga_rows_accepted_total").await < 60 {
            assert!(begun.elapsed() < Duration::from_secs(60), "no load: {}", product.log());
        }
        let status = product.signal(signal);
        assert_eq!((status.signal(), status.core_dumped()), (Some(signal.as_raw()), false));
        for task in load {
            task.await.unwrap();
        }
        needles.assert_absent("the log", product.log().as_bytes());
        let searched = assert_absent(needles, ground.folder.path());
        assert!(searched.files > 3, "{} files", searched.files);
        assert!(assert_absent(needles, ground.keys.path()).files > 0);
        assert_encrypted(&ground);
    }
}

/// A program that panics over a visitor's text; run by the test below, in a process of its own.
#[test]
#[ignore = "panics, on behalf of another test"]
fn panics_over_a_secret() {
    tamga::secret::hide_panic_messages();
    let secret = "kanarischer-\u{44f}-wert".to_owned();
    assert_eq!(&secret[..13], "", "text is quoted by a slice that cuts a character in two");
}

#[test]
fn a_panic_says_where_and_not_over_what() {
    let arguments = ["canary::panics_over_a_secret", "--exact", "--ignored", "--nocapture"];
    let child = std::process::Command::new(std::env::current_exe().unwrap()).args(arguments).output().unwrap();
    let said = [child.stdout, child.stderr].concat();
    let text = String::from_utf8_lossy(&said);
    assert!(!child.status.success() && text.contains("canary/mod.rs:"), "{text}");
    Needles::new(&["kanarischer-"]).assert_absent("the panic", &said);
}

/// Rows are in the spool, and a value that every row of a place has cannot be read there.
fn assert_encrypted(ground: &Ground) {
    let spool = ground.data().join("spool");
    let files = std::fs::read_dir(&spool).unwrap().map(|entry| entry.unwrap().metadata().unwrap());
    assert!(files.filter(|file| file.is_file()).map(|file| file.len()).sum::<u64>() > 1_000, "rows wait in the spool");
    assert!(search(&Needles::new(&["Turkistan Region"]), &spool).found.is_none());
}

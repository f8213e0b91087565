//! Is a program that acts on a page found, and are people left alone? Recorded runs of both are asked of a real collector
//! once more; `make protect` records them. And does a page in a real Chromium and Firefox get a verdict that an application
//! can trust, without a cookie?

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::path::Path;
use std::process::Command;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use ring::signature::{ED25519, UnparsedPublicKey};
use serde::Deserialize;
use serde_json::Value;
use tempfile::TempDir;

use crate::documents::assert_written;
use crate::keys::collector_without_stores;
use crate::support::product::{Ports, Product, get};

/// The site of the recorded runs. Their requests name its port.
const RECORDED: u16 = 8473;
const LEVELS: [&str; 4] = ["low", "elevated", "high", "critical"];

/// What the collector said of the runs of one tool.
#[derive(Deserialize)]
struct Group {
    kind: String,
    group: String,
    runs: u32,
    /// Runs that sent no call.
    silent: u32,
    levels: BTreeMap<String, u32>,
    reasons: BTreeMap<String, u32>,
}

impl Group {
    fn judged(&self) -> u32 {
        self.runs - self.silent
    }

    /// The runs that an application would stop: those of the levels `high` and `critical`.
    fn found(&self) -> u32 {
        LEVELS[2..].iter().filter_map(|level| self.levels.get(*level)).sum()
    }
}

/// A collector that offers verdicts to pages on this port.
fn collector(folder: &TempDir, ports: Ports, site: u16) -> Product {
    let config = collector_without_stores(folder, ports, site);
    let text = std::fs::read_to_string(&config).unwrap();
    let places = ["city-ipv4.mmdb", "city-ipv6.mmdb"]
        .map(|name| format!("{:?}", Path::new(env!("CARGO_MANIFEST_DIR")).join("crates/demo/geo").join(name)));
    let text = text.replace("[geo]\n", &format!("[geo]\nplace = [{}]\n", places.join(", ")))
        + "[site.protect]\naudience = \"https://shop.example\"\nports = true\n[limits]\nnetwork_per_s = 0\n";
    std::fs::write(&config, text).unwrap();
    Product::serve(folder, &config, ports)
}

async fn node(folder: &str, arguments: Vec<String>) -> String {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join(folder);
    let run = move || Command::new("node").current_dir(folder).args(arguments).output();
    let output = tokio::task::spawn_blocking(run).await.unwrap();
    let output = output.unwrap_or_else(|error| panic!("cannot run node ({error}): scripts/prepare snippet browser"));
    let said = String::from_utf8(output.stdout).unwrap();
    assert!(output.status.success(), "{said}{}", String::from_utf8_lossy(&output.stderr));
    said
}

#[tokio::test(flavor = "multi_thread")]
async fn recorded_programs_are_found_and_recorded_people_are_left_alone() {
    let (folder, ports) = (TempDir::new().unwrap(), Ports::free());
    let mut product = collector(&folder, ports, RECORDED);
    product.takes_beacons().await;
    let arguments = ["score.mjs", &ports.collector.to_string(), "runs.jsonl.gz"].map(str::to_owned);
    let groups: Vec<Group> = serde_json::from_str(&node("tests/protect", arguments.into()).await).unwrap();

    let of = |kind: &str| groups.iter().filter(|group| group.kind == kind).collect::<Vec<_>>();
    let sum = |kind: &str| {
        let of = of(kind);
        (of.iter().map(|group| group.judged()).sum::<u32>(), of.iter().map(|group| group.found()).sum::<u32>())
    };
    assert_written("docs/account-protection.md", &[("runs", table(&groups)), ("reasons", reasons(&groups))]);
    let ((people, alarms), (programs, found)) = (sum("ordinary"), sum("stock"));
    assert!(people >= 300 && programs >= 100, "{people} runs of people, {programs} of programs");
    assert!(alarms * 100 <= people, "{alarms} false alarms in {people} ordinary runs");
    assert!(found * 100 >= programs * 95, "{found} of {programs} runs of programs are found");
}

/// The runs by kind and tool, and their levels.
fn table(groups: &[Group]) -> String {
    let mut text = String::from(
        "| runs of | judged | `low` | `elevated` | `high` | `critical` | `high` or `critical` |\n|---|---|---|---|---|---|---|\n",
    );
    for (kind, title) in [
        ("ordinary", "**People**"),
        ("developer", "**People with developer tools open**"),
        ("stock", "**Programs**"),
        ("evader", "**Programs made to be taken for people**"),
    ] {
        let of: Vec<&Group> = groups.iter().filter(|group| group.kind == kind).collect();
        let rows = of.iter().map(|group| (group.group.clone(), vec![*group]));
        for (name, groups) in std::iter::once((title.to_owned(), of.clone())).chain(rows) {
            let judged: u32 = groups.iter().map(|group| group.judged()).sum();
            let found: u32 = groups.iter().map(|group| group.found()).sum();
            write!(text, "| {name} | {judged} |").unwrap();
            for level in LEVELS {
                let runs: u32 = groups.iter().filter_map(|group| group.levels.get(level)).sum();
                write!(text, " {runs} |").unwrap();
            }
            let (low, high) = wilson(found, judged);
            writeln!(text, " {found}: {low:.1} to {high:.1} % |").unwrap();
        }
    }
    text
}

/// Why, by kind.
fn reasons(groups: &[Group]) -> String {
    let mut text = String::from("| runs of | reasons in their tokens |\n|---|---|\n");
    for group in groups.iter().filter(|group| !group.reasons.is_empty()) {
        let named = group.reasons.iter().map(|(reason, runs)| format!("`{reason}` {runs}"));
        writeln!(text, "| {} | {} |", group.group, named.collect::<Vec<_>>().join(", ")).unwrap();
    }
    text
}

/// Wilson's interval of 95 % for a share, in percent.
fn wilson(found: u32, of: u32) -> (f64, f64) {
    let (found, of, z) = (f64::from(found), f64::from(of), 1.959_964_f64);
    let (share, square) = (found / of, z * z);
    let middle = (share + square / (2.0 * of)) / (1.0 + square / of);
    let half = z / (1.0 + square / of) * (share * (1.0 - share) / of + square / (4.0 * of * of)).sqrt();
    (((middle - half) * 100.0).max(0.0), ((middle + half) * 100.0).min(100.0))
}

#[test]
fn the_interval_is_wilson_s() {
    let near = |(low, high): (f64, f64), expected: (f64, f64)| {
        assert!((low - expected.0).abs() < 0.05 && (high - expected.1).abs() < 0.05, "{low} to {high}");
    };
    near(wilson(0, 300), (0.0, 1.3));
    near(wilson(95, 100), (88.8, 97.8));
    near(wilson(50, 100), (40.4, 59.6));
}

/// What a page in a browser did.
#[derive(Deserialize)]
struct Asked {
    browser: String,
    nonce: String,
    token: String,
    cookies: u32,
    beacon_cookies: u32,
    call: Value,
}

#[tokio::test(flavor = "multi_thread")]
async fn a_page_gets_a_verdict_of_its_own_nonce_without_a_cookie_and_ports_count_with_consent_alone() {
    let (folder, ports, site) = (TempDir::new().unwrap(), Ports::free(), Ports::free().collector);
    let mut product = collector(&folder, ports, site);
    product.takes_beacons().await;
    let arguments = ["test/protect.mjs".to_owned(), ports.collector.to_string(), site.to_string()];
    let said = node("collector-js", arguments.into()).await;
    let (_, keys) = get(ports.collector, "/.well-known/tamga-verdict-keys.json").await.unwrap();
    let keys: Value = serde_json::from_str(&keys).unwrap();
    let asked: Vec<Asked> = said.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert_eq!(asked.len(), 4, "{said}");
    for asked in &asked {
        let claims = verified(&asked.token, &keys);
        assert_eq!((&claims["nonce"], &claims["aud"]), (&asked.nonce.as_str().into(), &"https://shop.example".into()));
        assert_eq!((asked.cookies, asked.beacon_cookies > 0), (0, true), "{}", asked.browser);
        let is_remote = claims["reasons"].as_array().unwrap().contains(&"remote_control".into());
        let is_asked = asked.call["consent"] == "given";
        assert_eq!((is_remote, asked.call["ports"].is_object()), (is_asked, is_asked), "{}", asked.browser);
        let is_automated = claims["reasons"].as_array().unwrap().contains(&"automation".into());
        assert_eq!(is_automated, asked.browser == "chromium", "nobody controls the Firefox");
    }
    assert_eq!(asked.iter().filter(|asked| asked.call["consent"] == "given").count(), 1);

    // What was said of the pages is in no file, log or metric.
    let metrics = get(ports.collector + 1, "/metrics").await.unwrap().1;
    for asked in &asked {
        assert!(!product.log().contains(&asked.nonce) && !metrics.contains(&asked.nonce));
        assert_eq!(crate::attacks::occurrences(folder.path(), &[&asked.nonce]), 0);
    }
}

/// The claims of a token, if one of the keys has signed it.
fn verified(token: &str, keys: &Value) -> Value {
    let (text, signature) = token.rsplit_once('.').unwrap();
    let decoded = |part: &str| URL_SAFE_NO_PAD.decode(part).unwrap();
    let is_signed = keys["keys"].as_array().unwrap().iter().any(|key| {
        let public = UnparsedPublicKey::new(&ED25519, decoded(key["x"].as_str().unwrap()));
        public.verify(text.as_bytes(), &decoded(signature)).is_ok()
    });
    assert!(is_signed, "{token}");
    serde_json::from_slice(&decoded(text.split_once('.').unwrap().1)).unwrap()
}

//! A real `tamga serve` is searched for the bytes of its key and of every key derived from it, before and after the key is
//! destroyed: memory, key folder and data folder. That they are found before shows that the search can find.

use std::fs::{self, File};
use std::io::ErrorKind;
use std::os::unix::fs::FileExt as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use std::time::Duration;

use regex::bytes::Regex;
use tempfile::TempDir;

use super::{domain_key, key_files};
use crate::nodes::machines::{Authority, addresses, peers_section};
use crate::support::http::{Answer, Call};
use crate::support::product::{Ports, Product};
use crate::support::programs;

const SITE: &str = "shop.localhost";
/// The domains of a day's key, and the attributes that this version has.
const DOMAINS: [&str; 8] = ["identity", "address", "visitor", "visit", "view", "network", "loss", "attribute provider"];

/// A collector whose stores never answer: rows wait in the spool, which is all that is needed here. Its site is on this
/// port, or on that of http.
pub(crate) fn config(folder: &TempDir, ports: Ports, site_port: u16) -> PathBuf {
    let path = folder.path().join("tamga.toml");
    let password = folder.path().join("password");
    fs::write(&password, "none").unwrap();
    let geo = Path::new(env!("CARGO_MANIFEST_DIR")).join("crates/demo/geo/asn.mmdb");
    let site_port = if site_port == 80 { String::new() } else { format!(":{site_port}") };
    let text = format!(
        "[server]\nlisten = \"127.0.0.1:{}\"\nadmin_listen = \"127.0.0.1:{}\"\ntrusted_proxies = [\"127.0.0.0/8\"]\n\
         [data]\ndir = {:?}\n[keys]\ndir = {:?}\n[geo]\nprovider = [{geo:?}]\n\
         [vault]\nurl = \"http://127.0.0.1:1\"\nuser = \"tamga\"\npassword_file = {password:?}\n\
         [stats]\nurl = \"http://127.0.0.1:1\"\nuser = \"tamga\"\npassword_file = {password:?}\n\
         [[site]]\ndomain = \"{SITE}\"\npublic_url = \"http://t.{SITE}:{}\"\norigins = [\"http://{SITE}{site_port}\"]\n\
         time_zone = \"Asia/Almaty\"\nprofile = \"jetpay\"\n",
        ports.collector,
        ports.collector + 1,
        folder.path().join("data"),
        ports.keys(),
        ports.collector,
    );
    fs::write(&path, text).unwrap();
    path
}

async fn beacon(ports: Ports, number: u64, cookie: Option<&str>) -> Answer {
    use base64::Engine as _;
    let mut view = [0; 16];
    view[..8].copy_from_slice(&number.to_le_bytes());
    let view = base64::engine::general_purpose::URL_SAFE_NO_PAD.encode(view);
    let body = format!(
        r#"{{"v":1,"site":"{SITE}","view":"{view}","seq":0,"events":[{{"type":"view","at":0,"url":"http://{SITE}/"}}]}}"#
    );
    Call::new(([127, 0, 0, 1], ports.collector).into(), "POST", "/v1/beacon")
        .header("Host", &format!("t.{SITE}"))
        .header("Origin", &format!("http://{SITE}"))
        .header("Content-Type", "text/plain")
        .header("X-Forwarded-For", &format!("198.18.{}.{}", number / 200 % 200, number % 200))
        .cookies(cookie)
        .body(body)
        .send()
        .await
}

/// Load from many connections at once, so that every worker has had the key in its hands.
async fn load(ports: Ports, from: u64) {
    let tasks = (0..16).map(|task| {
        tokio::spawn(async move {
            let mut cookie = None;
            for turn in 0..20 {
                let answer = beacon(ports, from + task * 1000 + turn, cookie.as_deref()).await;
                assert_eq!(answer.outcome(), "accepted");
                cookie = answer.cookie();
            }
        })
    });
    for task in tasks.collect::<Vec<_>>() {
        task.await.unwrap();
    }
}

/// Either half of any key of a day, as bytes.
fn needles(material: &[u8; 32]) -> Regex {
    let derived = DOMAINS.map(|domain| domain_key(material, domain));
    let halves = derived.iter().chain([material]).flat_map(|key| [&key[..16], &key[16..]]);
    let literal = |half: &[u8]| half.iter().map(|byte| format!("\\x{byte:02x}")).collect::<String>();
    Regex::new(&format!("(?-u){}", halves.map(literal).collect::<Vec<_>>().join("|"))).unwrap()
}

/// How often the needles are in a process's memory; `None` when the system does not let us look.
fn hits_in_memory(pid: u32, needles: &Regex) -> Option<usize> {
    let memory = match File::open(format!("/proc/{pid}/mem")) {
        Err(error) if error.kind() == ErrorKind::PermissionDenied => return None,
        memory => memory.unwrap(),
    };
    let (mut hits, mut searched) = (0, 0);
    for line in fs::read_to_string(format!("/proc/{pid}/maps")).unwrap().lines() {
        let mut fields = line.split_ascii_whitespace();
        let (range, mode) = (fields.next().unwrap(), fields.next().unwrap());
        if !mode.starts_with("rw") {
            continue;
        }
        let (start, end) = range.split_once('-').unwrap();
        let [start, end] = [start, end].map(|edge| u64::from_str_radix(edge, 16).unwrap());
        // A piece at a time, a little of the piece before included. What is not there cannot be read.
        let mut piece = vec![0; 1 << 20];
        let mut at = start;
        while at < end {
            let length = piece.len().min((end - at) as usize);
            if memory.read_exact_at(&mut piece[..length], at).is_ok() {
                hits += needles.find_iter(&piece[..length]).count();
                searched += length;
            }
            at += if at + length as u64 == end { length as u64 } else { length as u64 - 32 };
        }
    }
    println!("{hits} hits in {} MiB of memory", searched >> 20);
    Some(hits)
}

fn hits_in_files(dir: &Path, needles: &Regex) -> usize {
    let mut hits = 0;
    for entry in fs::read_dir(dir).unwrap() {
        let path = entry.unwrap().path();
        hits += match fs::read(&path) {
            Ok(bytes) => needles.find_iter(&bytes).count(),
            Err(_) => hits_in_files(&path, needles),
        };
    }
    hits
}

fn verb(config: &Path, words: &[&str]) -> Output {
    Command::new(programs::tamga()).args(words).arg("--config").arg(config).output().unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_destroyed_key_is_nowhere() {
    let (folder, ports) = (TempDir::new().unwrap(), Ports::free());
    let config = config(&folder, ports, 80);
    let mut product = Product::serve(&folder, &config, ports);
    product.takes_beacons().await;
    load(ports, 0).await;

    let keys = key_files(&ports.keys());
    assert_eq!(keys.len(), 1, "one site, one day");
    let needles = needles(&keys[0].1);
    let Some(hits) = hits_in_memory(product.pid(), &needles) else {
        // Without the right to trace any process: that the memory of our own child is refused is the proof left.
        assert!(!rustix::process::getuid().is_root());
        return;
    };
    assert!(hits >= 2 * DOMAINS.len(), "the search finds what is there: {hits}");
    assert_eq!(hits_in_files(&ports.keys(), &needles), 2);
    assert_eq!(hits_in_files(&product.data, &needles), 0);

    let status = String::from_utf8(verb(&config, &["keys", "status"]).stdout).unwrap();
    assert!(status.starts_with(SITE) && status.lines().count() == 1, "{status}");
    let (_, day) = keys[0].0.strip_suffix(".key").unwrap().split_at(SITE.len() + 1);
    assert!(!verb(&config, &["keys", "destroy", SITE, day]).status.success(), "not without --yes");
    assert!(!verb(&config, &["keys", "destroy", "other.kz", day, "--yes"]).status.success(), "there is none");
    assert_eq!(key_files(&ports.keys()).len(), 1);
    let destroyed = verb(&config, &["keys", "destroy", SITE, day, "--yes"]);
    assert!(destroyed.status.success(), "{}", String::from_utf8_lossy(&destroyed.stderr));

    let pid = product.pid();
    let gone = async |_: &Product| (hits_in_memory(pid, &needles) == Some(0)).then_some(());
    product.until("the key is forgotten", Duration::from_secs(10), gone).await;
    assert_eq!(hits_in_files(&ports.keys(), &needles) + hits_in_files(folder.path(), &needles), 0);

    // Life goes on under a new key, the loss is counted and reported, and the old key does not come back.
    load(ports, 100_000).await;
    assert_ne!(key_files(&ports.keys())[0].1, keys[0].1);
    assert_eq!(hits_in_memory(product.pid(), &needles), Some(0));
    let lost = async |product: &Product| (product.metric("tamga_keys_lost_total").await == Some(1)).then_some(());
    product.until("the loss is counted", Duration::from_secs(5), lost).await;
    let audit = fs::read_to_string(product.data.join("audit.jsonl")).unwrap();
    assert!(audit.contains(r#""action":"key gone""#) && audit.contains(r#""action":"key lost""#), "{audit}");
}

#[tokio::test(flavor = "multi_thread")]
async fn memory_is_not_dumped_when_the_collector_crashes() {
    let (folder, ports) = (TempDir::new().unwrap(), Ports::free());
    let mut product = Product::serve(&folder, &config(&folder, ports, 80), ports);
    product.takes_beacons().await;
    beacon(ports, 1, None).await;
    let limits = fs::read_to_string(format!("/proc/{}/limits", product.pid())).unwrap();
    let core = limits.lines().find(|line| line.starts_with("Max core file size")).unwrap();
    assert_eq!(core.split_ascii_whitespace().skip(4).take(2).collect::<Vec<_>>(), ["0", "0"]);
    // Files of a process that must not be dumped belong to root, under any account.
    let owner = std::os::unix::fs::MetadataExt::uid(&fs::metadata(format!("/proc/{}/mem", product.pid())).unwrap());
    assert_eq!(owner, 0);
    if rustix::process::getuid().is_root() {
        // Root owns them anyway; the process itself says more: locked pages are there.
        let status = fs::read_to_string(format!("/proc/{}/status", product.pid())).unwrap();
        let locked = status.lines().find(|line| line.starts_with("VmLck:")).unwrap();
        assert_ne!(locked.split_ascii_whitespace().nth(1), Some("0"), "{locked}");
    }
}

/// With a second node, at 127.0.0.2, which is handed the keys of the first.
fn config_of_node(folder: &TempDir, ports: Ports, authority: &Authority, addresses: &[String], node: usize) -> PathBuf {
    let (path, own) = (config(folder, ports, 80), &addresses[node]);
    authority.certify(own.split(':').next().unwrap(), folder.path());
    let peers = peers_section(folder.path(), addresses, node);
    let text = fs::read_to_string(&path).unwrap().replace("[server]", &format!("[server]\nnode = 'n{node}'")) + &peers;
    fs::write(&path, text).unwrap();
    path
}

#[tokio::test(flavor = "multi_thread")]
async fn a_key_that_was_handed_to_another_node_is_there_as_seldom_and_as_long() {
    let (authority, addresses) = (Authority::new(), addresses(2));
    let (folders, ports) = ([(); 2].map(|()| TempDir::new().unwrap()), [(); 2].map(|()| Ports::free()));
    let configs = [0, 1].map(|node| config_of_node(&folders[node], ports[node], &authority, &addresses, node));
    let mut products = [0, 1].map(|node| Product::serve(&folders[node], &configs[node], ports[node]));
    for product in &mut products {
        product.takes_beacons().await;
    }
    let common = async |_: &Product| {
        let keys = ports.map(|ports| key_files(&ports.keys()));
        (keys[0].len() == 1 && keys[0] == keys[1]).then(|| keys[0][0].clone())
    };
    let (name, key) = products[0].until("one key at both", Duration::from_secs(60), common).await;
    for ports in ports {
        load(ports, 0).await;
    }
    let needles = needles(&key);
    for product in &products {
        let Some(hits) = hits_in_memory(product.pid(), &needles) else { return };
        assert!(hits >= 2 * DOMAINS.len(), "the search finds what is there: {hits}");
        // Of the key itself each node has one copy, the one that made it and the one that was handed it.
        let material =
            Regex::new(&format!("(?-u){}", key[..16].iter().map(|byte| format!("\\x{byte:02x}")).collect::<String>()));
        assert_eq!(hits_in_memory(product.pid(), &material.unwrap()), Some(1));
    }
    let (_, day) = name.strip_suffix(".key").unwrap().split_at(SITE.len() + 1);
    let destroyed = verb(&configs[0], &["keys", "destroy", SITE, day, "--yes"]);
    assert!(destroyed.status.success(), "{}", String::from_utf8_lossy(&destroyed.stderr));
    let pids = [0, 1].map(|node| products[node].pid());
    let gone = async |_: &Product| pids.iter().all(|pid| hits_in_memory(*pid, &needles) == Some(0)).then_some(());
    products[0].until("the key is forgotten at both", Duration::from_secs(60), gone).await;
    for folder in &folders {
        assert_eq!(hits_in_files(folder.path(), &needles), 0);
    }
    let (_, new) = products[1].until("another key at both", Duration::from_secs(60), common).await;
    assert_ne!(new, key);
}

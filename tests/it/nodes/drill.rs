//! Three nodes behind HAProxy, each in a network of its own on this machine: a stream of visitors, while each node is killed,
//! cut off, and updated in turn. Nothing may be lost, nothing counted twice, and each browser be one visitor.
//!
//! It needs root, `ip` and `haproxy`, and takes some minutes: `cargo test --test it -- --ignored nodes::drill --nocapture`.

use std::collections::{BTreeMap, BTreeSet};
use std::net::SocketAddr;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use jiff::civil::Date;
use rustix::process::{Pid, Signal, kill_process};
use tamga::privacy::keys::KeyRing;
use tamga::record::SCHEMA_VERSION;
use tamga::secret::Secret;
use tamga::spool::{self, DeliveryLimits, Options};
use tempfile::TempDir;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::time::timeout;

use super::machines::{Authority, SITE};
use crate::keys::pseudonym;
use crate::support::collector::{ORIGIN, beacon_to};
use crate::support::http::Answer;
use crate::support::rows::Rows;
use crate::support::{ports, programs, wait};

const NODES: usize = 3;
const BROWSERS: u32 = 40;
const PATIENCE: Duration = Duration::from_secs(120);
/// How long each node is away, and how long all are there again.
const AWAY: Duration = Duration::from_secs(6);
const TOGETHER: Duration = Duration::from_secs(4);

fn run(line: &str) {
    let mut words = line.split(' ');
    let output = Command::new(words.next().unwrap()).args(words).output().unwrap();
    assert!(output.status.success(), "{line}: {}", String::from_utf8_lossy(&output.stderr));
}

/// A bridge with a network for each node; they go with it.
struct Networks {
    bridge: String,
    names: Vec<String>,
}

impl Networks {
    fn new() -> Self {
        let id = std::process::id() % 10_000;
        let networks =
            Self { bridge: format!("tb{id}"), names: (1..=NODES).map(|node| format!("tn{id}-{node}")).collect() };
        run(&format!("ip link add {} type bridge", networks.bridge));
        run(&format!("ip addr add 10.77.0.254/24 dev {}", networks.bridge));
        run(&format!("ip link set {} up", networks.bridge));
        for (at, name) in networks.names.iter().enumerate() {
            run(&format!("ip netns add {name}"));
            run(&format!("ip link add {name} type veth peer name eth0 netns {name}"));
            run(&format!("ip link set {name} master {} up", networks.bridge));
            run(&format!("ip -n {name} addr add 10.77.0.{}/24 dev eth0", at + 1));
            run(&format!("ip -n {name} link set eth0 up"));
            run(&format!("ip -n {name} link set lo up"));
        }
        networks
    }

    fn connect(&self, node: usize, is_connected: bool) {
        run(&format!("ip link set {} {}", self.names[node], if is_connected { "up" } else { "down" }));
    }
}

impl Drop for Networks {
    fn drop(&mut self) {
        for name in &self.names {
            let _ = Command::new("ip").args(["netns", "del", name]).status();
        }
        let _ = Command::new("ip").args(["link", "del", &self.bridge]).status();
    }
}

/// A process that is killed when it is dropped.
struct Process(Child);

impl Drop for Process {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// A node's folder and process.
struct Node {
    network: String,
    address: String,
    folder: PathBuf,
    keys: TempDir,
    process: Option<Process>,
}

impl Node {
    fn start(&mut self) {
        let log = std::fs::File::options().create(true).append(true).open(self.folder.join("log")).unwrap();
        let child = Command::new("ip")
            .args(["netns", "exec", &self.network])
            .arg(programs::tamga())
            .args(["serve", "--config", "tamga.toml"])
            .current_dir(&self.folder)
            .stdin(Stdio::null())
            .stdout(log.try_clone().unwrap())
            .stderr(log)
            .spawn()
            .unwrap();
        self.process = Some(Process(child));
    }

    fn end(&mut self, signal: Signal) {
        let mut process = self.process.take().unwrap();
        kill_process(Pid::from_child(&process.0), signal).unwrap();
        wait::blocking(PATIENCE, || process.0.try_wait().unwrap(), || "it does not end".to_owned());
    }

    /// Waits until it takes beacons and reaches all others.
    async fn is_well(&self) {
        let admin: SocketAddr = format!("{}:9090", self.address).parse().unwrap();
        let looks = async || {
            let said = ask(admin, b"GET /readyz HTTP/1.1\r\nHost: 127.0.0.1\r\nConnection: close\r\n\r\n").await?;
            let text = String::from_utf8_lossy(&said.body).into_owned();
            (said.status == 200 && !text.contains("day keys")).then_some(())
        };
        wait::until(PATIENCE, looks, || self.log_end()).await;
    }

    fn log_end(&self) -> String {
        let log = std::fs::read_to_string(self.folder.join("log")).unwrap_or_default();
        log.lines().rev().take(15).collect::<Vec<_>>().join("\n")
    }
}

/// An answer, if one comes in time.
async fn ask(address: SocketAddr, request: &[u8]) -> Option<Answer> {
    let exchange = async {
        let mut stream = TcpStream::connect(address).await.ok()?;
        stream.write_all(request).await.ok()?;
        let mut answer = Vec::new();
        stream.read_to_end(&mut answer).await.ok()?;
        answer.windows(4).any(|window| window == b"\r\n\r\n").then(|| Answer::parse(&answer))
    };
    timeout(Duration::from_secs(8), exchange).await.ok().flatten()
}

/// A zone in which it is about noon, so that the drill does not cross midnight.
fn zone() -> String {
    let hour = i32::from(tamga::clock::Clock::machine().now().to_zoned(jiff::tz::TimeZone::UTC).hour());
    match 12 - hour {
        0 => "Etc/GMT".to_owned(),
        ahead => format!("Etc/GMT{:+}", -ahead),
    }
}

fn configuration(folder: &Path, shared: &Path, keys: &Path, number: usize, zone: &str) -> String {
    let nodes: Vec<_> = (1..=NODES).map(|node| format!("n{node} = '10.77.0.{node}:9443'")).collect();
    let server =
        format!("url = 'http://127.0.0.1:1'\nuser = 'tamga'\npassword_file = '{}/password'\n", shared.display());
    format!(
        "[server]\nlisten = '0.0.0.0:8080'\nadmin_listen = '0.0.0.0:9090'\nnode = 'n{number}'\n\
         trusted_proxies = ['10.77.0.0/24']\n[limits]\nnetwork_per_s = 0\nvisitor_events_per_h = 0\n[wall]\nverify_every_h = 0\n\
         [data]\ndir = '{folder}/data'\n[keys]\ndir = '{keys}'\n[cookie]\nkey_file = '{shared}/cookie.key'\n\
         [vault]\n{server}[stats]\n{server}\
         [peers]\nlisten = '0.0.0.0:9443'\nnodes = {{ {nodes} }}\ncertificate_file = '{folder}/node.pem'\n\
         key_file = '{folder}/node.key'\nca_file = '{folder}/ca.pem'\n\
         [[site]]\ndomain = '{SITE}'\npublic_url = 'https://t.{SITE}'\norigins = ['{ORIGIN}']\ntime_zone = '{zone}'\nprofile = 'jetpay'\n",
        folder = folder.display(),
        keys = keys.display(),
        shared = shared.display(),
        nodes = nodes.join(", "),
    )
}

fn nodes(folder: &Path, networks: &Networks, zone: &str) -> Vec<Node> {
    let authority = Authority::new();
    std::fs::write(folder.join("password"), "x").unwrap();
    (1..=NODES)
        .map(|number| {
            let (own, keys) = (folder.join(format!("n{number}")), tempfile::tempdir_in("/dev/shm").unwrap());
            std::fs::create_dir(&own).unwrap();
            std::fs::set_permissions(keys.path(), PermissionsExt::from_mode(0o700)).unwrap();
            let address = format!("10.77.0.{number}");
            authority.certify(&address, &own);
            std::fs::write(own.join("tamga.toml"), configuration(&own, folder, keys.path(), number, zone)).unwrap();
            Node { network: networks.names[number - 1].clone(), address, folder: own, keys, process: None }
        })
        .collect()
}

/// A balancer that knows within a second that a node is gone, and sends no beacon twice.
fn balancer(folder: &Path) -> (Process, SocketAddr) {
    let port = ports::pair();
    let servers: Vec<_> = (1..=NODES)
        .map(|node| format!(" server n{node} 10.77.0.{node}:8080 check inter 300ms fastinter 100ms fall 1 rise 1\n"))
        .collect();
    let text = format!(
        "defaults\n mode http\n timeout connect 500ms\n timeout client 10s\n timeout server 3s\n option redispatch 1\n retries 2\n\
         frontend f\n bind 127.0.0.1:{port}\n default_backend b\nbackend b\n balance roundrobin\n option forwardfor\n\
         option httpchk GET /tamga.js\n{}",
        servers.concat()
    );
    let file = folder.join("haproxy.cfg");
    std::fs::write(&file, text).unwrap();
    let mut haproxy = Command::new("haproxy");
    haproxy.arg("-db").arg("-f").arg(&file).stdout(Stdio::null()).stderr(Stdio::null());
    (Process(haproxy.spawn().unwrap()), ([127, 0, 0, 1], port).into())
}

/// What the browsers know.
#[derive(Default)]
struct Seen {
    /// Views that were acknowledged.
    acknowledged: Mutex<BTreeSet<u32>>,
    /// Those of which an attempt had no answer, so that nobody knows whether it was stored.
    unclear: Mutex<BTreeSet<u32>>,
    next: AtomicU32,
    stop: AtomicBool,
}

/// The id of a view, and its text.
fn view(number: u32) -> ([u8; 16], String) {
    use base64::Engine as _;
    let mut id = *b"drill of 3 nodes";
    id[..4].copy_from_slice(&number.to_le_bytes());
    (id, base64::engine::general_purpose::URL_SAFE_NO_PAD.encode(id))
}

/// A browser with a cookie. It repeats a beacon until it is acknowledged.
async fn browse(balancer: SocketAddr, browser: u32, seen: Arc<Seen>) {
    let mut cookie: Option<String> = None;
    while !seen.stop.load(Ordering::Relaxed) {
        let number = seen.next.fetch_add(1, Ordering::Relaxed);
        let body = format!(
            r#"{{"v":1,"site":"{SITE}","view":"{}","seq":0,"events":[{{"type":"view","at":0,"url":"{ORIGIN}/"}}]}}"#,
            view(number).1
        );
        let agent = format!("198.18.{}.{}", browser / 200, browser % 200);
        let beacon = beacon_to(balancer, body).header("X-Forwarded-For", &agent).cookies(cookie.as_deref());
        loop {
            let answer = ask(balancer, &beacon.bytes()).await;
            if let Some(answer) = answer.as_ref().filter(|answer| answer.status == 202) {
                cookie = answer.cookie().or(cookie);
                seen.acknowledged.lock().unwrap().insert(number);
                break;
            }
            // Nobody was there to take it: 503 of the balancer. Otherwise it may have been taken.
            if answer.is_none_or(|answer| answer.status != 503) {
                seen.unclear.lock().unwrap().insert(number);
            }
            tokio::time::sleep(Duration::from_millis(200)).await;
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}

/// All rows that wait in a node's spool.
async fn rows(node: &Node, spool_key: [u8; 32]) -> Rows {
    let options = Options::new(1 << 30, SCHEMA_VERSION, spool::Keys::new(Secret::new(spool_key), []));
    let (writer, mut reader, recovery) =
        spool::open(&node.folder.join("data/spool"), options, Arc::new(spool::Disk)).unwrap();
    assert_eq!((recovery.damaged_rows, recovery.locked_segments), (0, 0));
    let mut rows = Rows::default();
    while writer.usage().pending_frames > 0 {
        let delivery = reader.next_delivery(&DeliveryLimits::default()).await.unwrap().unwrap();
        rows.add(&delivery);
        reader.finish(&delivery).await.unwrap();
    }
    rows
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs root and HAProxy, and takes minutes"]
async fn no_beacon_is_lost_or_counted_twice_and_each_browser_is_one_visitor_whichever_node_is_gone() {
    let folder = TempDir::new().unwrap();
    let (networks, zone) = (Networks::new(), zone());
    let mut nodes = nodes(folder.path(), &networks, &zone);
    for node in &mut nodes {
        node.start();
        let keys = folder.path().join("spool.key");
        wait::blocking(PATIENCE, || keys.exists().then_some(()), || node.log_end());
    }
    for node in &nodes {
        node.is_well().await;
    }
    let (_balancer, address) = balancer(folder.path());
    let there = async || ask(address, b"GET /tamga.js HTTP/1.1\r\nHost: t\r\nConnection: close\r\n\r\n").await;
    wait::until(PATIENCE, async || there().await.filter(|answer| answer.status == 200), || "no balancer".to_owned())
        .await;
    let seen = Arc::new(Seen::default());
    let browsers: Vec<_> = (0..BROWSERS).map(|browser| tokio::spawn(browse(address, browser, seen.clone()))).collect();
    tokio::time::sleep(TOGETHER).await;
    for node in &mut nodes {
        node.end(Signal::KILL);
        tokio::time::sleep(AWAY).await;
        node.start();
        node.is_well().await;
        tokio::time::sleep(TOGETHER).await;
    }
    for node in 0..NODES {
        networks.connect(node, false);
        tokio::time::sleep(AWAY).await;
        networks.connect(node, true);
        for node in &nodes {
            node.is_well().await;
        }
        tokio::time::sleep(TOGETHER).await;
    }
    for node in &mut nodes {
        node.end(Signal::TERM);
        node.start();
        node.is_well().await;
    }
    tokio::time::sleep(TOGETHER).await;
    seen.stop.store(true, Ordering::Relaxed);
    for browser in browsers {
        browser.await.unwrap();
    }
    nodes.iter_mut().for_each(|node| node.end(Signal::TERM));
    judge(&nodes, folder.path(), &zone, &seen).await;
}

async fn judge(nodes: &[Node], folder: &Path, zone: &str, seen: &Seen) {
    let zone = jiff::tz::TimeZone::get(zone).unwrap();
    let day: Date = zone.to_datetime(tamga::clock::Clock::machine().now()).date();
    let material: BTreeSet<[u8; 32]> = nodes
        .iter()
        .map(|node| KeyRing::open(node.keys.path()).unwrap().lend(&SITE.into(), day, |_, key| *key).unwrap().unwrap())
        .collect();
    assert_eq!(material.len(), 1, "one key");
    let material = material.into_iter().next().unwrap();
    let spool_key = std::fs::read(folder.join("spool.key")).unwrap().try_into().unwrap();
    let (mut stored, mut visitors) = (BTreeMap::<[u8; 16], u32>::new(), BTreeSet::new());
    let (mut by_node, mut tallies) = (Vec::new(), Vec::new());
    for node in nodes {
        let rows = rows(node, spool_key).await;
        by_node.push(rows.events.len());
        tallies
            .extend(rows.tallies.iter().map(|tally| format!("{tally:?}")).filter(|tally| tally.contains("key_lost")));
        for row in rows.events {
            *stored.entry(row.view).or_default() += 1;
            visitors.insert(row.visitor);
        }
    }
    let (acknowledged, unclear) = (seen.acknowledged.lock().unwrap(), seen.unclear.lock().unwrap());
    let times = |number: &u32| {
        let mut id = pseudonym(&material, "view", &[&view(*number).0]);
        id[8..].fill(0);
        stored.get(&id).copied().unwrap_or(0)
    };
    let lost = acknowledged.iter().filter(|number| times(number) == 0).count();
    let twice = acknowledged.iter().filter(|number| times(number) > 1).count();
    let twice_of_unclear = unclear.iter().filter(|number| times(number) > 1).count();
    println!(
        "{} views acknowledged, by node {by_node:?}; lost {lost}; twice {twice}, of which {twice_of_unclear} had an attempt \
         without an answer ({} such); {} visitors of {BROWSERS} browsers",
        acknowledged.len(),
        unclear.len(),
        visitors.len()
    );
    assert_eq!((lost, twice - twice_of_unclear, visitors.len()), (0, 0, BROWSERS as usize));
    assert!(tallies.is_empty(), "no key was lost: {tallies:?}");
    assert!(acknowledged.len() > 2_000 && by_node.iter().all(|rows| *rows > 300), "enough was sent to each node");
}

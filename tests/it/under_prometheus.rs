//! For an hour (`TAMGA_WATCH_SECONDS`) under a real Prometheus with the rules of `deploy/prometheus`: does no alert fire without a fault, is
//! each scrape read, do the books balance in each sample, do series and memory stay as they are? Then the vault is paused, and its alert
//! fires and ends.

use std::fs::File;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process};
use serde_json::Value;
use tamga::store::{Limits, Store, VAULT};

use crate::support::collector::{beacon_to, view_of};
use crate::support::engine::{Engine, PASSWORD, USER};
use crate::support::http::{Answer, Call};
use crate::support::program::{Ground, Program};
use crate::support::vault::number;
use crate::support::{ports, wait};

/// How often Prometheus scrapes, and looks at its rules.
const EVERY_S: u64 = 15;
/// Beacons a second.
const LOAD_PER_S: u64 = 20;
/// Each view is a visitor of its own here, and the bounded memories of visitors grow until they are full (`src/generations.rs`).
const BYTES_PER_VIEW: f64 = 300.0;
/// The vault counts as away after ten minutes, and the alert waits for five more. Slack for a busy machine.
const AWAY_AT_MOST: Duration = Duration::from_secs(1200);
const PATIENCE: Duration = Duration::from_secs(300);

/// A Prometheus that ends with this.
struct Prometheus {
    child: Child,
    address: SocketAddr,
}

impl Drop for Prometheus {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

impl Prometheus {
    /// Scrapes this address, in a folder.
    fn start(folder: &Path, scraped: SocketAddr) -> Self {
        let repository = Path::new(env!("CARGO_MANIFEST_DIR"));
        let fetched = repository.join("target/tools/prometheus");
        let program = if fetched.exists() { fetched } else { PathBuf::from("prometheus") };
        let rules = repository.join("deploy/prometheus/tamga.rules.yaml");
        let config = format!(
            "global: {{ scrape_interval: {EVERY_S}s, evaluation_interval: {EVERY_S}s }}\nrule_files: ['{}']\n\
             scrape_configs: [{{ job_name: tamga, static_configs: [{{ targets: ['{scraped}'] }}] }}]\n",
            rules.display()
        );
        std::fs::write(folder.join("prometheus.yml"), config).unwrap();
        let address: SocketAddr = ([127, 0, 0, 1], ports::pair()).into();
        let log = || Stdio::from(File::create(folder.join("prometheus.log")).unwrap());
        let child = Command::new(program)
            .current_dir(folder)
            .args(["--config.file=prometheus.yml", "--storage.tsdb.path=series"])
            .arg(format!("--web.listen-address={address}"))
            .stdout(Stdio::null())
            .stderr(log())
            .spawn()
            .expect("prometheus is there: scripts/prepare alerts");
        Self { child, address }
    }

    async fn get(&self, target: &str) -> Value {
        let call = Call::new(self.address, "GET", target).header("Host", &self.address.to_string());
        serde_json::from_slice(&dechunked(&call.send().await)).unwrap()
    }

    /// The value of a query, of each series that it finds.
    async fn ask(&self, query: &str) -> Vec<f64> {
        let encoded: String = url::form_urlencoded::byte_serialize(query.as_bytes()).collect();
        let answer = self.get(&format!("/api/v1/query?query={encoded}")).await;
        assert_eq!(answer["status"], "success", "{query}: {answer}");
        let found = answer["data"]["result"].as_array().unwrap();
        found.iter().map(|series| series["value"][1].as_str().unwrap().parse().unwrap()).collect()
    }

    /// The one value of a query.
    async fn one(&self, query: &str) -> f64 {
        let found = self.ask(query).await;
        assert_eq!(found.len(), 1, "{query}: {found:?}");
        found[0]
    }

    /// The names of the alerts that have fired within so many seconds.
    async fn fired(&self, within_s: u64) -> Vec<String> {
        let query = format!("count by (alertname) (count_over_time(ALERTS{{alertstate=\"firing\"}}[{within_s}s]))");
        let encoded: String = url::form_urlencoded::byte_serialize(query.as_bytes()).collect();
        let answer = self.get(&format!("/api/v1/query?query={encoded}")).await;
        let found = answer["data"]["result"].as_array().unwrap();
        found.iter().map(|series| series["metric"]["alertname"].as_str().unwrap().to_owned()).collect()
    }
}

/// The body of an answer, which may come in chunks.
fn dechunked(answer: &Answer) -> Vec<u8> {
    if answer.body.starts_with(b"{") {
        return answer.body.clone();
    }
    let (mut rest, mut whole) = (&answer.body[..], Vec::new());
    while let Some(end) = rest.windows(2).position(|bytes| bytes == b"\r\n") {
        let length = usize::from_str_radix(std::str::from_utf8(&rest[..end]).unwrap(), 16).unwrap();
        whole.extend(&rest[end + 2..end + 2 + length]);
        rest = &rest[end + 2 + length + 2..];
    }
    whole
}

/// Sends views until it is stopped. Counts those that were accepted.
async fn send(address: SocketAddr, stop: Arc<AtomicBool>, accepted: Arc<AtomicU64>) {
    let mut ticks = tokio::time::interval(Duration::from_millis(1000 / LOAD_PER_S));
    let mut view = 0_u64;
    while !stop.load(Ordering::Relaxed) {
        ticks.tick().await;
        view += 1;
        // An identifier of 22 characters that ends as 16 bytes do.
        let body = view_of(1, 0, "/tariffs").replace(&view_name(1), &format!("{view:021}A"));
        let client = format!("198.18.{}.9", view % 200);
        let answer = beacon_to(address, body).header("X-Forwarded-For", &client).send().await;
        assert_eq!(answer.status, 202);
        accepted.fetch_add(1, Ordering::Relaxed);
    }
}

/// The view of [`view_of`].
fn view_name(view: u8) -> String {
    let beacon: Value = serde_json::from_str(&view_of(view, 0, "/")).unwrap();
    beacon["view"].as_str().unwrap().to_owned()
}

/// What an hour without a fault must show.
async fn quiet(prometheus: &Prometheus, seconds: u64) {
    assert_eq!(prometheus.fired(seconds).await, Vec::<String>::new(), "alerts without a fault");
    let targets = prometheus.get("/api/v1/targets").await;
    assert_eq!(targets["data"]["activeTargets"][0]["lastError"], "", "{targets}");
    let over = |what: &str| format!("{what}[{seconds}s])");
    let scrapes = prometheus.one(&over("count_over_time(up{job=\"tamga\"}")).await;
    let answered = prometheus.one(&over("sum_over_time(up{job=\"tamga\"}")).await;
    assert!(scrapes == answered && scrapes + 2.0 >= (seconds / EVERY_S) as f64, "{answered} of {scrapes} scrapes");
    // Some series appear with their first value.
    let quarter = seconds / 4;
    let series = |offset: &str| format!("max_over_time(scrape_samples_scraped[{quarter}s]{offset})");
    let before = format!(" offset {quarter}s");
    let (early, late) = (prometheus.one(&series(&before)).await, prometheus.one(&series("")).await);
    assert!(late <= early, "{early} series became {late}");
    let memory = |offset: &str| format!("avg_over_time(process_resident_memory_bytes[{quarter}s]{offset})");
    let (before, after) = (prometheus.one(&memory(&before)).await, prometheus.one(&memory("")).await);
    let remembered = BYTES_PER_VIEW * (LOAD_PER_S * quarter) as f64;
    assert!(after < 1.05 * before + remembered, "{before} bytes became {after}");
    let books = "tamga_rows_found + tamga_rows_accepted_total - tamga_rows_spooled - tamga_rows_stored - \
                 tamga_rows_dead_lettered - tamga_rows_erased_total - tamga_rows_expired_total - tamga_rows_lost_total";
    let unbalanced = format!("max_over_time(abs({books})[{seconds}s:{EVERY_S}s])");
    assert_eq!(prometheus.one(&unbalanced).await, 0.0, "the books balance in each sample");
    let slowest = prometheus.one(&over("max_over_time(scrape_duration_seconds")).await;
    println!(
        "{seconds} s: {scrapes} scrapes, all read, {late} series, the slowest in {slowest:.3} s; memory {:.1} MiB in the third quarter \
         and {:.1} in the last; no alert",
        before / 1_048_576.0,
        after / 1_048_576.0
    );
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "an hour and a half: make watch"]
async fn an_hour_without_a_fault_is_quiet_and_a_vault_that_is_away_raises_its_alert_alone() {
    let seconds = std::env::var("TAMGA_WATCH_SECONDS").map_or(3600, |seconds| seconds.parse().unwrap());
    let (vault, stats) = (Engine::start(), Engine::start());
    let ground = Ground::with_servers(&vault, &stats);
    // A bare engine as a server has no accounts, so the wall's check would name it, and rightly.
    let program = Program::serve(&ground, &[("TAMGA__WALL__VERIFY_EVERY_H", "0")]);
    program.logged("the stores are ready");
    let (stop, accepted) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicU64::new(0)));
    let sending = tokio::spawn(send(program.address, stop.clone(), accepted.clone()));
    let prometheus = Prometheus::start(ground.folder.path(), program.admin);
    tokio::time::sleep(Duration::from_secs(seconds)).await;
    quiet(&prometheus, seconds).await;

    let engine = Pid::from_raw(vault.pid().cast_signed()).unwrap();
    kill_process(engine, Signal::STOP).unwrap();
    let paused = Instant::now();
    let firing = async || {
        tokio::time::sleep(Duration::from_secs(1)).await;
        prometheus.fired(EVERY_S).await
    };
    let fires = async || firing().await.contains(&"TamgaVaultAway".to_owned()).then_some(());
    wait::until(AWAY_AT_MOST, fires, || program.log()).await;
    let fired = paused.elapsed();
    assert_eq!(prometheus.fired(fired.as_secs()).await, ["TamgaVaultAway"], "and no other");
    kill_process(engine, Signal::CONT).unwrap();
    let resumed = Instant::now();
    let ends = async || firing().await.is_empty().then_some(());
    wait::until(PATIENCE, ends, || program.log()).await;
    println!(
        "the vault paused: TamgaVaultAway after {} s, over after {} s",
        fired.as_secs(),
        resumed.elapsed().as_secs()
    );

    stop.store(true, Ordering::Relaxed);
    sending.await.unwrap();
    let (vault, sent) = (Store::new(&vault.url(), USER, PASSWORD, VAULT, Limits::default()).unwrap(), &accepted);
    let expected = sent.load(Ordering::Relaxed);
    let all = async || (number(&vault, "SELECT count() AS number FROM events").await == expected).then_some(());
    wait::until(PATIENCE, all, || format!("not {expected} views:\n{}", program.log())).await;
    println!("{expected} views were accepted, and each is in the vault once");
    let (code, _, log) = program.terminate();
    assert!(code == Some(0) && !log.contains("panicked"), "{log}");
}

//! Asks the statements of many seeds as analysts, several at a time, while the service asks and inserts beside them.
//!
//! An answer is judged by itself. When the engine ends, each statement that was running then is asked again, alone, to
//! learn whose fault it was.

use std::fmt::Write as _;
use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use bytes::Bytes;
use http::Request;
use http_body_util::{BodyExt as _, Full};
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::TokioExecutor;
use tokio::time::{sleep, timeout};

use super::catalogue::Catalogue;
use super::grammar::statement;
use super::ground::{Ground, PLANTED};
use super::report::{Report, Verdict};
use crate::support::engine::Engine;

/// An engine that has not answered after this time is stuck.
const PATIENCE: Duration = Duration::from_secs(120);

/// What to run.
pub(super) struct Plan {
    /// The first seed.
    pub(super) first: u64,
    /// How many statements at most.
    pub(super) statements: u64,
    pub(super) lasts: Duration,
    /// How many statements at a time.
    pub(super) at_once: usize,
    /// How long a statement may run.
    pub(super) seconds: u64,
    /// Where to write the report every minute.
    pub(super) report: Option<PathBuf>,
}

/// Everything that a run has.
struct Run {
    plan: Plan,
    ground: Ground,
    catalogue: Catalogue,
    client: Client<HttpConnector, Full<Bytes>>,
    report: Mutex<Report>,
    next: AtomicU64,
    begun: Instant,
    /// Rows of the service that the engine acknowledged.
    acknowledged: AtomicU64,
    /// Since when the service waits for an answer.
    waits: Mutex<Option<Instant>>,
    /// This engine has ended.
    ended: AtomicBool,
}

/// Runs a plan.
pub(super) async fn run(plan: Plan) -> Report {
    let (ground, engine) = Ground::new(plan.seconds).await;
    let catalogue = Catalogue::of(&engine).await;
    let run = Arc::new(Run {
        next: plan.first.into(),
        plan,
        ground,
        catalogue,
        client: Client::builder(TokioExecutor::new()).build_http(),
        report: Mutex::default(),
        begun: Instant::now(),
        acknowledged: 0.into(),
        waits: Mutex::default(),
        ended: false.into(),
    });
    let writer = tokio::spawn({
        let run = Arc::clone(&run);
        async move {
            loop {
                run.write();
                sleep(Duration::from_secs(60)).await;
            }
        }
    });
    let mut engine = engine;
    loop {
        let (running, suspects) = run.generation(engine).await;
        match running {
            Some(running) => engine = running,
            None => {
                engine = run.start().await;
                for seed in suspects {
                    engine = run.alone(engine, seed).await;
                }
            }
        }
        let damage = run.ground.damage(&engine).await;
        if let Some(damage) = damage {
            run.note(Verdict::Escaped, 0, Duration::ZERO, damage);
        }
        if run.is_over() || damage.is_some() {
            break;
        }
    }
    writer.abort();
    run.write();
    Arc::try_unwrap(run)
        .map(|run| run.report.into_inner().unwrap())
        .unwrap_or_else(|run| run.report.lock().unwrap().clone())
}

impl Run {
    fn is_over(&self) -> bool {
        self.begun.elapsed() > self.plan.lasts
            || self.next.load(Ordering::Relaxed) >= self.plan.first + self.plan.statements
    }

    /// Starts the engine again and waits for the service's next answer.
    async fn start(self: &Arc<Self>) -> Engine {
        let engine = self.ground.engine();
        self.ended.store(false, Ordering::Relaxed);
        self.serve(&engine).await;
        let rows: u64 = engine.sql("SELECT count() FROM secret.asked").await.parse().unwrap();
        assert!(rows >= self.acknowledged.load(Ordering::Relaxed), "acknowledged rows were lost");
        engine
    }

    /// Asks until the plan is over or the engine ends. Then the engine is gone, and these seeds were running.
    async fn generation(self: &Arc<Self>, engine: Engine) -> (Option<Engine>, Vec<u64>) {
        let engine = Arc::new(engine);
        let active = Arc::new(AtomicBool::new(true));
        let workers: Vec<_> = (0..self.plan.at_once)
            .map(|_| {
                let (run, engine) = (Arc::clone(self), Arc::clone(&engine));
                tokio::spawn(async move { run.work(&engine).await })
            })
            .collect();
        let service = tokio::spawn({
            let (run, engine, active) = (Arc::clone(self), Arc::clone(&engine), Arc::clone(&active));
            async move {
                while active.load(Ordering::Relaxed) && run.serve(&engine).await {
                    sleep(Duration::from_millis(50)).await;
                }
            }
        });
        let mut suspects = Vec::new();
        for worker in workers {
            suspects.extend(worker.await.unwrap());
        }
        active.store(false, Ordering::Relaxed);
        service.await.unwrap();
        let engine = Arc::try_unwrap(engine).unwrap_or_else(|_| unreachable!("all that used it have ended"));
        if !self.ended.load(Ordering::Relaxed) {
            return (Some(engine), Vec::new());
        }
        self.note_end(engine, &suspects);
        (None, suspects)
    }

    fn note_end(&self, engine: Engine, suspects: &[u64]) {
        let (verdict, reason) = match engine.signal_of_end() {
            None => (Verdict::Stuck, "it did not end".to_owned()),
            Some(9) => (Verdict::Ended, "by the watchdog".to_owned()),
            Some(signal) => (Verdict::Crashed, format!("by signal {signal}")),
        };
        let alone = if suspects.len() > 1 { format!("{reason}, one of {suspects:?}") } else { reason };
        self.note(verdict, suspects.first().copied().unwrap_or_default(), Duration::ZERO, &alone);
    }

    /// One of the analysts. Returns its seed if the engine ended meanwhile.
    async fn work(&self, engine: &Engine) -> Option<u64> {
        while !self.is_over() && !self.ended.load(Ordering::Relaxed) {
            let seed = self.next.fetch_add(1, Ordering::Relaxed);
            if !self.ask(engine, seed).await {
                return Some(seed);
            }
        }
        None
    }

    /// Asks a statement that was running when an engine ended.
    async fn alone(self: &Arc<Self>, engine: Engine, seed: u64) -> Engine {
        if self.ask(&engine, seed).await {
            return engine;
        }
        let statement = self.ground.fill(&statement(&self.catalogue, seed).sql);
        let (signal, short) = (engine.signal_of_end(), statement.chars().take(600).collect::<String>());
        self.report.lock().unwrap().culprits.push(format!("seed {seed}, signal {signal:?}: {short}"));
        self.start().await
    }

    /// Asks one statement. `false` if the engine ended.
    async fn ask(&self, engine: &Engine, seed: u64) -> bool {
        let statement = statement(&self.catalogue, seed);
        let coded = |text: &str| text.bytes().map(|byte| format!("%{byte:02x}")).collect::<String>();
        let parameters = statement.parameters.iter();
        let query: String =
            parameters.map(|(name, value)| format!("{name}={}&", coded(&self.ground.fill(value)))).collect();
        let body = Full::new(Bytes::from(self.ground.fill(&statement.sql)));
        let request = engine.analyst(&format!("/?{query}")).body(body).unwrap();
        let begun = Instant::now();
        let answer = timeout(PATIENCE, self.answer(request)).await;
        let took = begun.elapsed();
        let (verdict, about) = match answer {
            Ok(Some(found)) => found,
            Ok(None) if is_alive(engine).await => (Verdict::Failed, "broke off".to_owned()),
            Ok(None) => {
                self.ended.store(true, Ordering::Relaxed);
                return false;
            }
            Err(_) => {
                self.ended.store(true, Ordering::Relaxed);
                return false;
            }
        };
        let late = took > Duration::from_secs(self.plan.seconds + 5);
        self.note(if late { Verdict::Late } else { verdict }, seed, took, &about);
        true
    }

    /// What an answer means; `None` if it broke off.
    async fn answer(&self, request: Request<Full<Bytes>>) -> Option<(Verdict, String)> {
        let (head, mut body) = self.client.request(request).await.ok()?.into_parts();
        let code =
            head.headers.get("x-clickhouse-exception-code").and_then(|code| code.to_str().ok()).map(str::to_owned);
        let mut end = Vec::new();
        let mut escaped = false;
        while let Some(frame) = body.frame().await {
            let Ok(data) = frame.ok()?.into_data() else { continue };
            end.extend_from_slice(&data);
            escaped |= end.windows(PLANTED.len()).any(|window| window == PLANTED.as_bytes());
            end.drain(..end.len().saturating_sub(PLANTED.len()));
        }
        let verdict = match code.as_deref() {
            _ if escaped => Verdict::Escaped,
            None => Verdict::Answered,
            Some("497" | "164" | "73") => Verdict::Refused,
            Some(_) => Verdict::Failed,
        };
        Some((verdict, code.unwrap_or_default()))
    }

    /// The service inserts a row and reads. `false` if the engine is not there.
    async fn serve(&self, engine: &Engine) -> bool {
        let begun = *self.waits.lock().unwrap().get_or_insert_with(Instant::now);
        for sql in ["INSERT INTO secret.asked SELECT 1", "SELECT count() FROM secret.asked"] {
            let request = engine.request("POST", "/").body(Full::new(Bytes::from(sql))).unwrap();
            let answered = timeout(PATIENCE, self.client.request(request)).await;
            let Ok(Ok(answer)) = answered else { return false };
            if !answer.status().is_success() || answer.into_body().collect().await.is_err() {
                self.report.lock().unwrap().service_failed += 1;
                return is_alive(engine).await;
            }
            if sql.starts_with("INSERT") {
                self.acknowledged.fetch_add(1, Ordering::Relaxed);
            }
        }
        *self.waits.lock().unwrap() = None;
        self.report.lock().unwrap().served(begun.elapsed(), resident_mib(engine));
        true
    }

    fn note(&self, verdict: Verdict, seed: u64, took: Duration, about: &str) {
        let is_fault = verdict.is_fault();
        let text = || self.ground.fill(&statement(&self.catalogue, seed).sql).chars().take(600).collect::<String>();
        let fault = is_fault.then(|| format!("{verdict:?} {about}, seed {seed}, {took:?}: {}", text()));
        self.report.lock().unwrap().count(verdict, took, about, fault);
    }

    fn write(&self) {
        let Some(path) = &self.plan.report else { return };
        let mut text = self.report.lock().unwrap().clone().to_string();
        let _ = writeln!(text, "after {} s; seeds from {}", self.begun.elapsed().as_secs(), self.plan.first);
        std::fs::write(path, text).unwrap();
    }
}

/// Whether the engine still listens. A connection may have broken for another reason.
async fn is_alive(engine: &Engine) -> bool {
    for _ in 0..3 {
        sleep(Duration::from_millis(100)).await;
        if tokio::net::TcpStream::connect(engine.address).await.is_err() {
            return false;
        }
    }
    true
}

/// What the engine has in memory, if it is there.
fn resident_mib(engine: &Engine) -> u64 {
    let status = std::fs::read_to_string(format!("/proc/{}/status", engine.pid())).unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
    line.and_then(|line| line.trim().strip_suffix(" kB")?.parse::<u64>().ok()).unwrap_or(0) / 1024
}

//! Can an analyst ask what analysts ask, and touch nothing but the stats store?

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use bytes::Bytes;
use http::StatusCode;
use http_body_util::Full;
use tamga::clock::Clock;
use tamga::config::Config;
use tamga::store::{self, EngineOptions, Limits, STATS, STATS_MIGRATIONS, Supervisor};
use tokio::sync::OnceCell;

use crate::support::engine::{Answer, Engine};
use crate::support::program::Ground;
use crate::support::programs;

/// What stands in every place that is not an analyst's.
const PLANTED: &str = "marzipan";

struct Fixture {
    engine: Engine,
    folder: String,
}

impl Fixture {
    /// A stats engine with the real tables and some rows, and with objects that should not be there.
    async fn shared() -> &'static Self {
        static SHARED: OnceCell<Fixture> = OnceCell::const_new();
        SHARED
            .get_or_init(|| async {
                let fixture = Self::start().await;
                for sql in [
                    "CREATE DATABASE secret",
                    &format!("CREATE TABLE secret.people ENGINE = MergeTree ORDER BY name AS SELECT '{PLANTED}' AS name, 7 AS number"),
                    "CREATE VIEW secret.v AS SELECT * FROM secret.people",
                    &format!("CREATE TABLE default.leftover ENGINE = MergeTree ORDER BY x AS SELECT '{PLANTED}' AS x"),
                ] {
                    fixture.engine.sql(sql).await;
                }
                fs::write(Path::new(&fixture.folder).join("planted.txt"), PLANTED).unwrap();
                fs::write(Path::new(&fixture.folder).join("../outside.txt"), PLANTED).unwrap();
                fixture
            })
            .await
    }

    async fn start() -> Self {
        Self::start_with(&[]).await
    }

    async fn start_with(arguments: &[&str]) -> Self {
        let engine = Engine::start_for_analysts_with(arguments);
        engine.publish_made_up_numbers().await;
        let folder = engine.folder().path().join("data").to_str().unwrap().to_owned();
        Self { engine, folder }
    }

    /// One line of a list: parameters of the URL, if it begins with them, and a statement.
    async fn ask(&self, line: &str) -> Answer {
        let line = line
            .replace("{folder}", &self.folder)
            .replace("{file}", &format!("{}/planted.txt", self.folder))
            .replace("{outside}", &format!("{}/../outside.txt", self.folder))
            .replace("{port}", &self.engine.address.port().to_string());
        match line.strip_prefix('?').and_then(|line| line.split_once("  ")) {
            Some((parameters, sql)) => self.engine.ask(&format!("/?{parameters}"), sql.to_owned()).await,
            None => self.engine.ask("/", line).await,
        }
    }
}

/// The statements of a list. A line that begins with a word in capitals that cannot begin a statement goes on the one before.
fn list(text: &str) -> Vec<String> {
    let mut list: Vec<String> = Vec::new();
    for line in text.lines().filter(|line| !line.starts_with('#') && !line.is_empty()) {
        match list.last_mut() {
            Some(before) if line.starts_with("TableIdentifier ") || unfinished(before) => {
                before.push('\n');
                before.push_str(line);
            }
            _ => list.push(line.to_owned()),
        }
    }
    list
}

fn unfinished(statement: &str) -> bool {
    let last = statement.lines().last().unwrap_or("");
    last.starts_with("--") || last.ends_with("-- x") || last.ends_with("# x")
}

#[tokio::test]
async fn no_attack_touches_anything_but_the_stats() {
    let fixture = Fixture::shared().await;
    let attacks = list(include_str!("../fixtures/analyst/attacks.txt"));
    assert!(attacks.len() >= 200, "{}", attacks.len());
    let before = state(fixture).await;
    let mut wrong = Vec::new();
    for attack in &attacks {
        let answer = fixture.ask(attack).await;
        let text = String::from_utf8_lossy(&answer.body);
        if answer.status == StatusCode::OK || text.contains(PLANTED) && !attack.contains(PLANTED) {
            wrong.push(format!("{attack}\n    {} {}", answer.status, &text[..text.len().min(200)]));
        }
    }
    assert!(wrong.is_empty(), "{} of {} attacks succeeded:\n{}", wrong.len(), attacks.len(), wrong.join("\n"));
    assert_eq!(state(fixture).await, before, "an attack changed something");
    assert!(!Path::new(&fixture.folder).join("written.txt").exists());
    println!("{} attacks, none succeeded", attacks.len());
}

/// What must be as it was.
async fn state(fixture: &Fixture) -> String {
    fixture
        .engine
        .sql(
            "SELECT groupArray((database, name, total_rows)) FROM (SELECT * FROM system.tables WHERE database NOT IN \
             ('system', 'information_schema', 'INFORMATION_SCHEMA', 'tamga_engine') ORDER BY database, name)",
        )
        .await
}

#[tokio::test]
async fn what_analysts_ask_is_answered() {
    let fixture = Fixture::shared().await;
    let mut wrong = Vec::new();
    for question in list(include_str!("../fixtures/analyst/good.txt")) {
        let answer = fixture.ask(&question).await;
        if answer.status != StatusCode::OK {
            wrong.push(format!("{question}\n    {}", answer.text()));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    let limited =
        fixture.ask("?max_execution_time=3600&max_memory_usage=0  SELECT getSetting('max_execution_time')").await;
    assert_eq!(limited.text(), "30\n", "no limit can be lifted");
    assert_eq!(fixture.ask("?max_execution_time=5  SELECT getSetting('max_execution_time')").await.text(), "5\n");
}

#[tokio::test]
async fn what_clients_send_is_answered() {
    let fixture = Fixture::shared().await;
    let (mut parameters, mut asked, mut wrong) = (String::new(), 0, Vec::new());
    for line in include_str!("../fixtures/analyst/clients.txt").lines() {
        if let Some(client) = line.strip_prefix("## ") {
            parameters = client.split_once(' ').unwrap().1.to_owned();
        } else if !line.starts_with('#') && !line.is_empty() {
            asked += 1;
            let answer = fixture.ask(&format!("?{parameters}  {line}")).await;
            if answer.status != StatusCode::OK {
                wrong.push(format!("{line}\n    {}", answer.text()));
            }
        }
    }
    assert!(wrong.is_empty() && asked > 70, "{} of {asked}:\n{}", wrong.len(), wrong.join("\n"));
}

#[tokio::test]
async fn what_drivers_look_up_names_what_they_may_send_and_nothing_of_others() {
    let fixture = Fixture::shared().await;
    let said = "SELECT count(), countIf(readonly), countIf(name = 'cloud_mode') FROM system.settings WHERE name IN \
                ('max_execution_time', 'join_use_nulls', 'use_query_cache', 'output_format_json_quote_64bit_integers', 'allow_ddl', 'cloud_mode')";
    assert_eq!(fixture.ask(said).await.text(), "5\t0\t1\n");
    // What is ignored is not set.
    let ignored = "?log_queries=0&mutations_sync=2  SELECT getSetting('log_queries'), getSetting('mutations_sync')";
    assert_eq!(fixture.ask(ignored).await.text(), fixture.ask(ignored.split_once("  ").unwrap().1).await.text());
    // A statement that reads more is in a session whose settings cannot be changed.
    let said = "SELECT DISTINCT readonly, getSetting('readonly') FROM system.settings, system.one";
    assert_eq!(fixture.ask(said).await.text(), "1\t1\n");
    let said = "SELECT DISTINCT getSetting('readonly'), getSetting('max_execution_time') FROM system.settings";
    assert_eq!(fixture.ask(said).await.text(), "2\t30\n");
    let others = "SELECT countIf(word IN ('people', 'secret', 'leftover', 'query_log', 'tamga_engine')), countIf(word = 'pages'), \
                  countIf(context = 'keyword') > 100 FROM system.completions";
    assert_eq!(fixture.ask(others).await.text(), "0\t1\t1\n");
    for table in ["views", "tables", "columns", "key_column_usage"] {
        let others = format!("SELECT countIf(table_schema != 'tamga_stats') FROM information_schema.{table}");
        assert_eq!(fixture.ask(&others).await.text(), "0\n", "{table}");
    }
}

#[tokio::test]
async fn tables_to_join_with_are_not_taken() {
    let fixture = Fixture::shared().await;
    let form = "--b\r\nContent-Disposition: form-data; name=\"query\"\r\n\r\nSELECT * FROM t\r\n\
                --b\r\nContent-Disposition: form-data; name=\"t_structure\"\r\n\r\nx String\r\n\
                --b\r\nContent-Disposition: form-data; name=\"t\"; filename=\"t\"\r\n\r\n1\r\n--b--\r\n";
    for (target, body) in [
        ("/", form.to_owned()),
        ("/", form.replace("; filename=\"t\"", "")),
        ("/?t_structure=x+String", form.to_owned()),
    ] {
        let request = fixture
            .engine
            .analyst(target)
            .header("Content-Type", "multipart/form-data; boundary=b")
            .body(Full::new(Bytes::from(body)))
            .unwrap();
        let answer = fixture.engine.send(request).await;
        assert_ne!(answer.status, StatusCode::OK, "{}", answer.text());
    }
    let form = "--b\r\nContent-Disposition: form-data; name=\"query\"\r\n\r\nSELECT {x:UInt8} + 1\r\n\
                --b\r\nContent-Disposition: form-data; name=\"param_x\"\r\n\r\n1\r\n--b--\r\n";
    let request = fixture
        .engine
        .analyst("/")
        .header("Content-Type", "multipart/form-data; boundary=b")
        .body(Full::new(Bytes::from(form)))
        .unwrap();
    assert_eq!(fixture.engine.send(request).await.text(), "2\n");
}

#[tokio::test]
async fn every_thread_is_in_the_sandbox_and_even_the_service_reads_no_file() {
    let fixture = Fixture::shared().await;
    let mut threads = 0;
    for task in fs::read_dir(format!("/proc/{}/task", fixture.engine.pid())).unwrap() {
        let status = fs::read_to_string(task.unwrap().path().join("status")).unwrap_or_default();
        // Landlock cannot be seen from outside; what must go before it can.
        assert!(status.is_empty() || status.contains("NoNewPrivs:\t1"), "{status}");
        threads += 1;
    }
    assert!(threads > 5);
    for sql in [
        "SELECT file('/etc/passwd')",
        "SELECT * FROM file('/etc/passwd', 'LineAsString')",
        "SELECT file('/proc/self/environ')",
    ] {
        assert_ne!(fixture.engine.post("/", sql).await.status, StatusCode::OK, "{sql}");
    }
    // A listening port cannot be reached either: out of the sandbox, this one would answer something.
    let sql = format!("SELECT * FROM redis('127.0.0.1:{}', 'k', 'k String')", fixture.engine.address.port());
    let own = fixture.engine.post("/", sql).await;
    assert!(own.status != StatusCode::OK && own.text().contains("I/O error"), "{}", own.text());
}

/// As heavy as the language allows. Each ends by its own, in time, in memory or in rows.
const RUNAWAYS: [&str; 8] = [
    "SELECT count() FROM numbers(2000000000) WHERE NOT ignore(sipHash64(number), cityHash64(number), SHA256(toString(number)))",
    "SELECT count() FROM numbers(40000) AS a, numbers(40000) AS b WHERE cityHash64(a.number, b.number) = 1",
    "SELECT groupArray(number) FROM numbers(1000000000)",
    "SELECT uniqExact(cityHash64(number)) FROM numbers(1000000000)",
    "SELECT number AS n, count() FROM numbers(1000000000) GROUP BY n ORDER BY n",
    "SELECT arrayMap(x -> arrayMap(y -> x * y, range(1000000)), range(1000000))",
    "SELECT max(length(replaceRegexpAll(repeat(toString(number), 1000), '(.)(.)', '\\\\2\\\\1'))) FROM numbers(1000000000)",
    "WITH RECURSIVE t AS (SELECT 1 AS n UNION ALL SELECT n + 1 FROM t) SELECT max(n) FROM t",
];

#[tokio::test]
async fn runaway_queries_harm_neither_the_service_nor_the_next_analyst() {
    let fixture = Arc::new(Fixture::start().await);
    let engine = &fixture.engine;
    let quiet = inserts(engine, 30).await;
    let since = Instant::now();
    let running: Vec<_> = RUNAWAYS
        .into_iter()
        .map(|sql| {
            let fixture = Arc::clone(&fixture);
            tokio::spawn(async move {
                let answer = fixture.ask(&format!("?max_execution_time=8  {sql}")).await;
                (sql, answer.status, String::from_utf8_lossy(&answer.body).into_owned(), since.elapsed())
            })
        })
        .collect();
    tokio::time::sleep(Duration::from_millis(300)).await;
    let busy = inserts(engine, 60).await;
    println!("service insert, 99th percentile: {quiet:?} quiet, {busy:?} under eight runaway queries");
    assert!(busy < Duration::from_secs(5), "{busy:?}");
    // Another analyst gets an answer, at once or after a 503.
    let deadline = Instant::now() + Duration::from_secs(30);
    loop {
        let answer = engine.ask("/", "SELECT sum(views) FROM site").await;
        if answer.status == StatusCode::OK {
            assert_eq!(answer.text(), "15000\n");
            break;
        }
        assert_eq!(answer.header("x-clickhouse-exception-code"), "202", "{}", answer.text());
        assert!(Instant::now() < deadline, "no turn within 30 seconds");
    }
    println!("another analyst answered after {:?}", since.elapsed());
    for run in running {
        let (sql, status, text, took) = run.await.unwrap();
        println!("{took:?} {status} {}  {sql}", &text[..text.len().min(90)].trim());
        assert!(took < Duration::from_secs(40), "{sql}: {took:?}");
    }
    assert_eq!(engine.ask("/", "SELECT sum(views) FROM site").await.text(), "15000\n");
    println!("resident, peak MiB: {:?}", engine.resident_mib());
}

/// A statement that no limit of the library interrupts: each match is looked for in all the rest of the text, in one
/// call of one function.
const ENDLESS: &str = "SELECT length(extractAll(repeat('a', 900000), 'a?.*?b|a'))";

#[tokio::test]
async fn what_no_deadline_interrupts_ends_with_the_engine_and_the_analyst_learns_why() {
    let fixture = Fixture::start_with(&["--analyst-seconds", "1"]).await;
    let answer = fixture.engine.ask("/", ENDLESS).await;
    assert_eq!(answer.status, StatusCode::REQUEST_TIMEOUT, "{}", answer.text());
    assert!(answer.text().contains("The engine is started again, since a statement"), "{}", answer.text());
    fixture.engine.wait_for_end();
}

#[tokio::test]
async fn an_allocation_that_is_too_large_fails_alone() {
    let fixture = Fixture::start().await;
    let pid = fixture.engine.pid();
    // The engine does not count this one. Analysts do not have the function.
    let answer = fixture.engine.post("/", "SELECT length(printf('%2000000000d', 1))").await;
    assert!(answer.text().contains("bad_alloc"), "{}", answer.text());
    assert_eq!(fixture.ask("SELECT sum(views) FROM site").await.text(), "15000\n");
    let (_, peak) = fixture.engine.resident_mib();
    assert!(peak < 1536, "{peak} MiB");
    let limits = fs::read_to_string(format!("/proc/{pid}/limits")).unwrap();
    let bytes = (800 + 800) << 20;
    let line = limits.lines().find(|line| line.starts_with("Max data size")).unwrap();
    assert_eq!(line.split_whitespace().nth(3), Some(bytes.to_string().as_str()), "{line}");
}

/// The slowest hundredth of that many inserts by the service.
async fn inserts(engine: &Engine, count: usize) -> Duration {
    let sql = "INSERT INTO tamga_stats.hours (site, window_start, window_end, hour, views) SELECT 'b.kz', now(), now(), '01', 5 FROM numbers(100)";
    let mut times = Vec::new();
    for _ in 0..count {
        let since = Instant::now();
        engine.sql(sql).await;
        times.push(since.elapsed());
    }
    times.sort();
    times[(count * 99 / 100).min(count - 1)]
}

#[tokio::test]
async fn an_engine_without_analysts_knows_none() {
    let engine = Engine::shared();
    assert_eq!(engine.ask("/", "SELECT 1").await.status, StatusCode::FORBIDDEN);
    assert_eq!(engine.get("/ping").await.status, StatusCode::OK);
}

#[tokio::test]
async fn without_a_configured_password_a_random_one_is_made_and_asked_for() {
    let ground = Ground::new();
    ground.write("tamga.toml", &ground.config());
    let config = Config::load(&ground.folder.path().join("tamga.toml")).unwrap();
    let options = EngineOptions { program: programs::engine().into(), ..EngineOptions::stats(&config) };
    let engine = Supervisor::start(options).unwrap();
    let url = format!("http://{}", engine.ready().await.unwrap());
    let stats = engine.store(STATS, Limits::default()).await.unwrap();
    store::apply(&stats, STATS_MIGRATIONS, &Clock::machine()).await.unwrap();
    let file = ground.data().join("engine/analyst.password");
    assert_eq!(fs::metadata(&file).unwrap().permissions().mode() & 0o777, 0o600);
    let password = fs::read_to_string(&file).unwrap();
    let service = fs::read_to_string(ground.data().join("engine/service.password")).unwrap();
    let ask = async |password: &str| {
        let client = clickhouse::Client::default().with_url(&url).with_user("analyst").with_password(password);
        client.query("SELECT 1").fetch_one::<u8>().await
    };
    assert_eq!(ask(password.trim()).await.unwrap(), 1);
    for wrong in ["", "anything", service.trim()] {
        let refused = ask(wrong).await.unwrap_err().to_string();
        assert!(refused.contains("AUTHENTICATION_FAILED"), "{refused}");
    }
    engine.stop().await;
}

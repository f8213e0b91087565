//! Can break-glass do more than read rows of the vault, and is what it did in the audit log?

use std::path::Path;

use serde_json::Value;
use tamga::store::{Limits, Store, VAULT};

use crate::support::collector::view_of;
use crate::support::engine::{Engine, PASSWORD, USER};
use crate::support::ports;
use crate::support::program::{Ground, Program};

const CANARY: &str = "canary of a file that nobody may read";

/// Statements that read or write something else than rows of the vault. `OUT` is a file to write, `IN` one to read.
const ATTACKS: [&str; 16] = [
    "SELECT * FROM events INTO OUTFILE 'OUT'",
    "SELECT 1 INTO OUTFILE 'OUT' TRUNCATE FORMAT CSV",
    "SELECT 1 INTO /* x */ OUTFILE 'OUT' AND STDOUT",
    "WITH 1 AS x INSERT INTO FUNCTION file('OUT', 'CSV', 'x UInt8') SELECT 1",
    "EXPLAIN INSERT INTO FUNCTION file('OUT', 'CSV', 'x UInt8') SELECT 1",
    "WITH x AS (SELECT 1) INSERT INTO leases SELECT 'n', now(), now()",
    "SELECT * FROM file('IN', 'LineAsString')",
    "SELECT * FROM file('IN', 'RawBLOB')",
    "SELECT file('IN')",
    "DESCRIBE file('IN', 'CSV')",
    "SELECT * FROM url('http://127.0.0.1:1/', 'LineAsString')",
    "SELECT * FROM remote('127.0.0.1:1', system.one)",
    "SELECT * FROM executable('cat', 'LineAsString', 's String')",
    "SELECT count() FROM events SETTINGS readonly = 0",
    "SELECT * FROM tamga_engine.query_log",
    "SELECT 1; DROP TABLE events",
];

fn attack(sql: &str, folder: &Path) -> String {
    let path = |name: &str| folder.join(name).display().to_string();
    sql.replace("OUT'", &(path("out") + "'")).replace("IN'", &(path("in") + "'"))
}

fn names(folder: &Path) -> Vec<String> {
    std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn break_glass_reads_rows_and_does_nothing_else_and_all_of_it_is_in_the_audit_log() {
    let (ground, outside) = (Ground::new(), tempfile::tempdir().unwrap());
    std::fs::write(outside.path().join("in"), CANARY).unwrap();
    let mut config = ground.config();
    for name in ["vault", "stats"] {
        let free = format!("{name}_listen = \"127.0.0.1:{}\"", ports::pair());
        config = config.replace(&format!("{name}_listen = \"127.0.0.1:0\""), &free);
    }
    ground.write("tamga.toml", &(config + "[wall]\nbreak_glass = true\n"));
    let program = Program::serve(&ground, &[]);
    program.logged("the stores are ready");
    assert_eq!(program.beacon(view_of(1, 0, "/tariffs")).send().await.outcome(), "accepted");

    let reason = ["--reason", "rows of yesterday are missing"];
    let ask = |sql: &str| {
        let run = |more: &[&str]| {
            let output = ground.run(&[&["vault", "query"], &reason[..], &[sql], more].concat(), &[]);
            (output.status.success(), String::from_utf8(output.stdout).unwrap())
        };
        let (asked, said) = run(&[]);
        assert!(asked && said.contains("not anonymous"), "{sql}: {said}");
        run(&["--code", said.trim().rsplit(' ').next().unwrap()])
    };
    let good = "SELECT count() AS tables FROM system.tables WHERE database = 'tamga_vault' AND name = 'events'";
    assert_eq!(ask(good), (true, "{\"tables\":1}\n".to_owned()));
    assert!(ask("SELECT path FROM events LIMIT 3").0, "rows are read");
    assert!(ask("SHOW TABLES").0);
    let verified = ground.run(&["verify"], &[]);
    let report = String::from_utf8_lossy(&verified.stdout).into_owned();
    assert!(verified.status.success(), "break-glass is no breach of the wall: {report}");

    for sql in ATTACKS {
        let sql = attack(sql, outside.path());
        let (done, said) = ask(&sql);
        assert!(!done && said.is_empty(), "{sql}: {said}");
        assert_eq!(names(outside.path()), ["in"], "{sql}");
    }

    let shown = ground.run(&["audit", "show", "--action", "queried the vault", "--json"], &[]);
    let shown = String::from_utf8(shown.stdout).unwrap();
    assert!(!shown.contains("'tamga_vault'") && !shown.contains(&outside.path().display().to_string()), "{shown}");
    let entries: Vec<Value> = shown.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert_eq!(entries.len(), 3 + ATTACKS.len(), "{shown}");
    let details: Vec<_> = entries.iter().map(|entry| &entry["detail"]).collect();
    let masked = "SELECT count() AS tables FROM system.tables WHERE database = ? AND name = ?";
    assert_eq!((&details[0]["query"], &details[0]["failed"]), (&masked.into(), &Value::Null));
    assert_eq!((&details[0]["rows"], &details[0]["bytes"]), (&1.into(), &"{\"tables\":1}".len().into()));
    for (sql, detail) in ATTACKS.iter().zip(&details[3..]) {
        assert!(detail["query"].as_str().unwrap().contains(&sql[..4]), "{detail}");
        assert_eq!((&detail["rows"], &detail["bytes"]), (&0.into(), &0.into()), "{detail}");
        assert!(detail["failed"].is_string(), "{detail}");
    }
    let (code, _, log) = program.terminate();
    assert!(code == Some(0) && !log.contains("panicked") && !log.contains(CANARY), "{log}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_gives_break_glass_nothing_but_rows_of_its_tables() {
    let (engine, outside) = (Engine::start(), tempfile::tempdir().unwrap());
    std::fs::write(outside.path().join("in"), CANARY).unwrap();
    engine.sql("CREATE DATABASE tamga_vault").await;
    engine.sql("CREATE TABLE tamga_vault.events (x UInt64) ENGINE = MergeTree ORDER BY x").await;
    engine.sql("INSERT INTO tamga_vault.events SELECT number FROM numbers(5000)").await;
    // The service's own account may do it: the statements are real attacks.
    let read = attack("SELECT * FROM file('IN', 'LineAsString')", outside.path());
    assert!(engine.sql(&read).await.contains(CANARY));
    engine.sql(&attack("SELECT 1 INTO OUTFILE 'OUT'", outside.path())).await;
    assert_eq!(names(outside.path()).len(), 2);
    std::fs::remove_file(outside.path().join("out")).unwrap();

    let store = Store::new(&engine.url(), USER, PASSWORD, VAULT, Limits::default()).unwrap().for_break_glass(None);
    assert_eq!(store.look("SELECT x FROM events ORDER BY x", 1000).await.unwrap().len(), 1000);
    for sql in [
        read.as_str(),
        "SELECT * FROM url('http://127.0.0.1:1/', 'LineAsString')",
        "SELECT * FROM remote('127.0.0.1:1', system.one)",
        "SELECT * FROM executable('cat', 'LineAsString', 's String')",
        "INSERT INTO events VALUES (1)",
        &attack("INSERT INTO FUNCTION file('OUT', 'CSV', 'x UInt8') SELECT 1", outside.path()),
        "CREATE TABLE t (x UInt8) ENGINE = Memory",
        "DROP TABLE events",
        "SELECT 1 SETTINGS readonly = 0",
    ] {
        assert!(store.look(sql, 1000).await.is_err(), "{sql}");
    }
    assert_eq!(names(outside.path()), ["in"]);
    assert_eq!(engine.sql("SELECT count() FROM tamga_vault.events").await, "5000");
}

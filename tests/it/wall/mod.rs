//! `tamga verify` finds and names every breach of the wall, and reports nothing if there is none.
//!
//! Breaches that only a ClickHouse server can hold are planted in a stand-in of its `system` tables; the others in real
//! tables, files and settings.

mod breaches;
mod cluster;
mod world;

use std::collections::BTreeSet;
use std::process::Command;

use tamga::verify::{self, Verdict};

use crate::support::programs;
use breaches::{BREACHES, Breach, Plant};
use world::World;

/// Groups of breaches that are planted together. No two break the same rule, so a rule's evidence comes from one breach. With
/// `TAMGA_ONE_BY_ONE=1` each breach is planted alone, which takes minutes.
fn waves() -> Vec<Vec<&'static Breach>> {
    let alone = std::env::var_os("TAMGA_ONE_BY_ONE").is_some();
    let mut waves: Vec<Vec<&Breach>> = Vec::new();
    for breach in BREACHES {
        let is_far =
            |other: &&Breach| other.rules.iter().all(|rule| !breach.rules.contains(rule)) && fits(other, breach);
        match waves.iter_mut().find(|wave| !alone && wave.iter().all(&is_far)) {
            Some(wave) => wave.push(breach),
            None => waves.push(vec![breach]),
        }
    }
    waves
}

/// Breaches of this machine or of the query log's name are undone together.
fn fits(one: &Breach, other: &Breach) -> bool {
    let is_whole =
        |breach: &Breach| !matches!(breach.plant, Plant::Server(..) | Plant::Store(..)) || breach.rules == ["log-kept"];
    !is_whole(one) && !is_whole(other)
}

#[tokio::test(flavor = "multi_thread")]
async fn every_planted_breach_is_found_and_named_and_nothing_else_is() {
    let mut world = World::new().await;
    let clean = verify::examine(&world.subject()).await;
    assert!(clean.is_whole(), "{}", verify::text(&clean, false));
    let mut wrong = Vec::new();
    for wave in waves() {
        for breach in &wave {
            world.plant(&breach.plant).await;
        }
        let report = verify::examine(&world.subject()).await;
        let found: BTreeSet<_> = report.names_of_broken().into_iter().collect();
        let expected: BTreeSet<_> = wave.iter().flat_map(|breach| breach.rules).copied().collect();
        let what: Vec<_> = wave.iter().map(|breach| breach.what).collect();
        if found != expected {
            wrong.push(format!("{what:?}: {found:?}\n{}", verify::text(&report, false)));
        }
        // Evidence names accounts, tables and times, and never data of a visitor.
        let shown = verify::text(&report, false) + &verify::html(&report) + &serde_json::to_string(&report).unwrap();
        assert!(!shown.contains(breaches::PLANTED), "{what:?}: {shown}");
        for breach in &wave {
            world.undo(&breach.plant).await;
        }
    }
    let after = verify::examine(&world.subject()).await;
    assert!(after.is_whole(), "{}", verify::text(&after, false));
    assert!(wrong.is_empty(), "{} of {}:\n{}", wrong.len(), BREACHES.len(), wrong.join("\n"));
    let rules: BTreeSet<_> = BREACHES.iter().flat_map(|breach| breach.rules).collect();
    println!("{} breaches of {} rules, each found and named", BREACHES.len(), rules.len());
    assert!(BREACHES.len() >= 30);
    let untried: Vec<_> = verify::RULES.iter().map(|rule| rule.name).filter(|rule| !rules.contains(rule)).collect();
    // The breach of the first is tried on a real engine; the second only warns.
    assert_eq!(untried, ["policy-effective", "audit-heads"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn heads_of_the_audit_log_on_its_volume_are_a_warning_and_no_breach() {
    let (world, elsewhere) = (World::new().await, tempfile::tempdir_in("/dev/shm").unwrap());
    let mut subject = world.subject();
    let seen = |report: &verify::Report| {
        let of_heads = report.rules.iter().find(|examined| examined.rule.name == "audit-heads").unwrap();
        of_heads.verdict.clone()
    };
    let beside = verify::examine(&subject).await;
    assert!(matches!(seen(&beside), Verdict::Warning(lines) if lines[0].contains("on the volume of the log")));
    assert!(beside.is_whole() && beside.warnings() == 1);
    let shown = verify::text(&beside, false);
    assert!(shown.contains("warning   audit-heads") && shown.contains("heads_file"), "{shown}");
    let heads = elsewhere.path().join("audit.heads");
    std::fs::copy(&subject.audit.heads, &heads).unwrap();
    subject.audit.heads = heads;
    let apart = verify::examine(&subject).await;
    assert_eq!((seen(&apart), apart.warnings()), (Verdict::Kept, 0));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_store_that_cannot_be_examined_is_reported_as_unknown() {
    let mut world = World::new().await;
    world.plant(&Plant::Away).await;
    let report = verify::examine(&world.subject()).await;
    assert!(!report.is_whole() && report.broken() == 0 && report.unknown() > 10, "{}", verify::text(&report, false));
    let seen = |name: &str| report.rules.iter().find(|examined| examined.rule.name == name).unwrap().verdict.clone();
    assert!(matches!(seen("access-both"), Verdict::Unknown(why) if why[0].contains("cannot be reached")));
    assert_eq!(seen("audit"), Verdict::Kept);
}

/// The engine has ClickHouse's own system tables, and they have the columns that the checks read.
#[tokio::test(flavor = "multi_thread")]
async fn the_system_tables_that_are_read_exist() {
    let world = World::new().await;
    for table in world::SYSTEM_TABLES {
        let known = world
            .engine
            .sql(&format!("SELECT count() FROM system.columns WHERE database = 'system' AND table = '{table}'"))
            .await;
        assert_ne!(known, "0", "system.{table}");
        let missing = world
            .engine
            .sql(&format!(
                "SELECT groupArray(name) FROM system.columns WHERE database = 'standin' AND table = '{table}' AND name NOT IN \
                 (SELECT name FROM system.columns WHERE database = 'system' AND table = '{table}')"
            ))
            .await;
        assert_eq!(missing, "[]", "system.{table}");
    }
}

/// The engine logs each statement without its values.
#[tokio::test(flavor = "multi_thread")]
async fn an_engine_logs_queries_with_their_account() {
    let engine = crate::support::engine::Engine::start_for_analysts();
    engine.sql("CREATE DATABASE tamga_stats").await;
    engine.sql("CREATE TABLE tamga_stats.site (site String) ENGINE = MergeTree ORDER BY site").await;
    engine.sql("CREATE DATABASE pay").await;
    engine.sql("CREATE TABLE pay.log (name String) ENGINE = MergeTree ORDER BY name").await;
    engine
        .sql("SELECT count() FROM tamga_stats.site WHERE site IN (SELECT name FROM pay.log) AND site != 'marzipan'")
        .await;
    engine.ask("/", "SELECT * FROM site").await;
    engine.ask("/", "SELECT * FROM pay.log").await;
    let lines = "SELECT user, arraySort(databases), missing_privileges, query FROM tamga_engine.query_log \
                 WHERE has(databases, 'pay') AND query LIKE 'SELECT%' OR user = 'analyst' ORDER BY event_time, user DESC, query";
    for _ in 0..100 {
        let text = engine.sql(lines).await;
        if text.lines().count() == 3 {
            assert!(text.contains("tamga\t['pay','tamga_stats']\t[]\tSELECT count()"), "{text}");
            assert!(text.contains("analyst\t['tamga_stats']\t[]"), "{text}");
            assert!(text.contains("analyst\t['pay']\t['SELECT ON pay.log']"), "{text}");
            assert!(!text.contains("marzipan"), "{text}");
            return;
        }
        tokio::time::sleep(std::time::Duration::from_millis(200)).await;
    }
    panic!("not written down: {}", engine.sql("SELECT * FROM tamga_engine.query_log FORMAT Vertical").await);
}

#[test]
fn the_wall_is_whole_where_nothing_was_done_and_the_verbs_say_what_they_do() {
    let ground = crate::support::program::Ground::new();
    assert!(ground.run(&["migrate"], &[]).status.success());
    let verified = ground.run(&["verify"], &[]);
    let said = String::from_utf8_lossy(&verified.stdout).into_owned();
    assert!(
        verified.status.success() && said.contains("The wall is whole"),
        "{said}{}",
        String::from_utf8_lossy(&verified.stderr)
    );
    let page = ground.run(&["verify", "--html"], &[]);
    assert!(String::from_utf8_lossy(&page.stdout).starts_with("<!doctype html>") && page.status.success());
    let json = ground.run(&["verify", "--json"], &[]);
    let json: serde_json::Value = serde_json::from_slice(&json.stdout).unwrap();
    assert!(json["rules"].as_array().unwrap().iter().all(|rule| rule["clause"].as_str().unwrap().contains('§')));
    let shown = ground.run(&["audit", "show", "--action", "verify"], &[]);
    assert_eq!(String::from_utf8_lossy(&shown.stdout).matches("by=verb  not_seen=0").count(), 3);

    // A forged log is noticed.
    let log = ground.data().join("audit.jsonl");
    let forged = std::fs::read_to_string(&log).unwrap().replacen("\"verb\"", "\"nobody\"", 1);
    std::fs::write(&log, forged).unwrap();
    let verified = ground.run(&["verify"], &[]);
    let said = String::from_utf8_lossy(&verified.stdout).into_owned();
    assert!(!verified.status.success() && said.contains("BROKEN") && said.contains("does not follow"), "{said}");

    let refused = ground.run(&["vault", "query", "--reason", "rows of yesterday are missing", "SELECT 1"], &[]);
    assert!(!refused.status.success() && String::from_utf8_lossy(&refused.stderr).contains("[wall] break_glass"));
    let on = [("TAMGA__WALL__BREAK_GLASS", "true")];
    let ask = |sql: &str, code: Option<&str>| {
        let mut arguments = vec!["vault", "query", "--reason", "rows of yesterday are missing", sql];
        code.into_iter().for_each(|code| arguments.extend(["--code", code]));
        let asked = ground.run(&arguments, &on);
        (asked.status.success(), String::from_utf8_lossy(&asked.stdout).into_owned())
    };
    for (sql, answered) in [
        ("SELECT count() AS rows FROM events", "{\"rows\":0}\n"),
        ("SELECT number FROM system.numbers LIMIT 5000 ", "1000 lines"),
        ("WITH x AS (SELECT 1) INSERT INTO leases SELECT 'n', now(), now()", "refused"),
    ] {
        let (asked, said) = ask(sql, None);
        assert!(asked && said.contains("not anonymous"), "{said}");
        let (done, rows) = ask(sql, said.trim().rsplit(' ').next());
        match answered {
            "refused" => assert!(!done, "{rows}"),
            "1000 lines" => assert_eq!((done, rows.lines().count()), (true, 1000)),
            rows_expected => assert_eq!((done, rows.as_str()), (true, rows_expected)),
        }
    }
    let entries = ground.run(&["audit", "show"], &[]);
    assert!(String::from_utf8_lossy(&entries.stdout).contains("query=SELECT count() AS rows FROM events"));

    let printed = ground.run(&["wall", "init", "--identified-database", "pay", "--identified-role", "pay_reader"], &[]);
    assert!(String::from_utf8_lossy(&printed.stdout).contains("There is no wall to build"));
    let away = Command::new(programs::tamga())
        .args(["wall", "init", "--identified-database", "pay", "--identified-role", "pay_reader", "--config"])
        .arg({
            let password = ground.folder.path().join("password");
            std::fs::write(&password, "x").unwrap();
            let server =
                format!("url = 'http://127.0.0.1:9'\nuser = 'tamga'\npassword_file = '{}'\n", password.display());
            let config = ground.config() + &server + "[stats]\n" + &server;
            std::fs::write(ground.folder.path().join("servers.toml"), config).unwrap();
            ground.folder.path().join("servers.toml")
        })
        .output()
        .unwrap();
    let sql = String::from_utf8_lossy(&away.stdout).into_owned();
    assert!(sql.contains("CREATE ROW POLICY OR REPLACE tamga_wall ON tamga_vault.*") && sql.contains("AS RESTRICTIVE"));
}

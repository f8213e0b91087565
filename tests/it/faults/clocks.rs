//! What does a collector do when the machine's wall clock jumps? The real program runs with a shim that moves it.

use std::collections::BTreeSet;
use std::time::Duration;

use tamga::store::{Limits, STATS, Store, VAULT};

use super::orders::Orders;
use crate::support::collector::view_of;
use crate::support::engine::{Engine, PASSWORD, USER};
use crate::support::ports;
use crate::support::program::{Ground, Program};
use crate::support::wait;

const DAY_S: i64 = 86_400;
const YEAR_S: i64 = 365 * DAY_S;

fn start(ground: &Ground, orders: &Orders) -> Program {
    let mut command = ground.command(&["serve", "--config", "tamga.toml"]);
    Program::watch(orders.attach_to(&mut command).spawn().unwrap())
}

/// The files of day keys that are there.
fn keys(ground: &Ground) -> BTreeSet<String> {
    let files = std::fs::read_dir(ground.keys.path()).unwrap().map(|file| file.unwrap().file_name());
    files
        .map(|name| name.into_string().unwrap())
        .filter(|name| name.ends_with(".key") && name != "retries.key")
        .collect()
}

async fn ready(program: &Program) -> String {
    String::from_utf8(program.ask("/readyz").await.body).unwrap()
}

async fn is_disputed(program: &Program, disputed: bool) {
    let words = "the wall clock is";
    let looks = async || {
        let figure = program.figure("tamga_clock_disputed").await;
        (figure == u64::from(disputed) && ready(program).await.contains(words) == disputed).then_some(())
    };
    wait::until(Duration::from_secs(60), looks, || program.log()).await;
}

/// Waits until the time would survive a restart.
fn is_saved(ground: &Ground, program: &Program) {
    let saved = || ground.data().join("clock.json").exists().then_some(());
    wait::blocking(Duration::from_secs(60), saved, || program.log());
}

#[tokio::test]
async fn a_wall_clock_that_jumps_ends_no_key_and_moves_no_beacon() {
    let folder = tempfile::tempdir().unwrap();
    let (ground, orders) = (Ground::new(), Orders::new(folder.path(), "clock"));
    ground.send_stores_away();
    let mut program = start(&ground, &orders);
    let mut seq = 0;
    let mut beacon = async |program: &Program| {
        seq += 1;
        let answer = program.beacon(view_of(seq, 0, "/")).send().await;
        assert_eq!(answer.status, 202, "{answer:?}");
    };
    beacon(&program).await;
    let before = keys(&ground);
    assert_eq!(before.len(), 1);
    for (round, ahead_s) in [10 * YEAR_S, -10 * YEAR_S, 2 * DAY_S, -2 * DAY_S, 3_600].into_iter().enumerate() {
        let restarts = round % 2 == 1;
        if restarts {
            program.signal(rustix::process::Signal::TERM);
        }
        orders.move_clock(ahead_s);
        if restarts {
            program = start(&ground, &orders);
        }
        is_disputed(&program, true).await;
        beacon(&program).await;
        // Several times as long as a sweep of the keys waits for the next.
        tokio::time::sleep(Duration::from_secs(2)).await;
        assert!(keys(&ground).is_superset(&before), "{ahead_s} s: a key was destroyed");
        assert_eq!(program.figure("tamga_keys_destroyed_total").await, 0);
        orders.move_clock(0);
        is_disputed(&program, false).await;
        beacon(&program).await;
    }
    // At most the true day has changed meanwhile.
    assert!(keys(&ground).len() <= 2, "{:?}", keys(&ground));
    program.logged("no key is destroyed");
    program.logged("the clocks agree again");
    let audit = String::from_utf8(ground.run(&["audit", "show"], &[]).stdout).unwrap();
    assert!(audit.contains("disputed") && audit.contains("agrees"), "{audit}");
}

#[tokio::test]
async fn a_person_can_accept_the_clock_and_only_knowingly() {
    let folder = tempfile::tempdir().unwrap();
    let (ground, orders) = (Ground::new(), Orders::new(folder.path(), "clock"));
    ground.send_stores_away();
    let program = start(&ground, &orders);
    is_saved(&ground, &program);
    orders.move_clock(3 * DAY_S);
    is_disputed(&program, true).await;
    let run = |arguments: &[&str]| orders.attach_to(&mut ground.command(arguments)).output().unwrap();
    assert!(String::from_utf8(run(&["clock", "status"]).stdout).unwrap().contains("the wall clock is"));
    assert_eq!(run(&["clock", "accept"]).status.code(), Some(2), "not without --yes");
    assert!(run(&["clock", "accept", "--yes"]).status.success());
    is_disputed(&program, false).await;
    program.logged("the time of the wall clock was taken over");
    // What the verb reads is saved a moment later.
    let agrees = || String::from_utf8(run(&["clock", "status"]).stdout).unwrap().contains("agrees").then_some(());
    wait::blocking(Duration::from_secs(60), agrees, || program.log());
    assert_eq!(run(&["clock", "accept", "--yes"]).status.code(), Some(1), "nothing to accept");
}

#[tokio::test]
async fn no_engine_is_started_with_a_wrong_clock_and_it_is_once_the_clock_is_right() {
    let folder = tempfile::tempdir().unwrap();
    let (ground, orders) = (Ground::new(), Orders::new(folder.path(), "clock"));
    ground.send_stores_away();
    let program = start(&ground, &orders);
    is_saved(&ground, &program);
    program.terminate();
    ground.write("tamga.toml", &ground.config());
    orders.move_clock(10 * YEAR_S);
    let program = start(&ground, &orders);
    let waits = async || ready(&program).await.contains("its engine is not started").then_some(());
    wait::until(Duration::from_secs(60), waits, || program.log()).await;
    assert_eq!(program.beacon(view_of(1, 0, "/")).send().await.status, 202);
    orders.move_clock(0);
    program.logged("the stores are ready");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_with_another_time_is_named_and_nothing_is_published_or_destroyed() {
    let folder = tempfile::tempdir().unwrap();
    let (engine, ground, orders) = (Engine::start(), Ground::new(), Orders::new(folder.path(), "clock"));
    ground.write("server.password", PASSWORD);
    let file = ground.folder.path().join("server.password");
    // The configuration ends with the section of the vault.
    let server = |header: &str| {
        let (url, file) = (engine.url(), file.display());
        format!("{header}url = \"{url}\"\nuser = \"{USER}\"\npassword_file = \"{file}\"\n")
    };
    ground.write("tamga.toml", &(ground.config() + &server("") + &server("[stats]\n")));
    // From the first start on, so that the node has no other time to believe.
    orders.move_clock(2 * DAY_S);
    let program = start(&ground, &orders);
    let words = ["the clock of the", "server is 1728", "behind the time", "Set the clocks of both machines right"];
    let named = async || {
        let text = ready(&program).await;
        words.iter().all(|words| text.contains(words)).then_some(())
    };
    wait::until(Duration::from_secs(60), named, || program.log()).await;
    assert_eq!(program.figure("tamga_clock_disputed").await, 1);
    assert_eq!(program.beacon(view_of(1, 0, "/")).send().await.status, 202);
}

/// A program on engines with known ports, and its stores.
fn on_engines(ground: &Ground, orders: &Orders) -> (Program, Store, Store) {
    let port = ports::pair();
    let config = ["vault_listen", "stats_listen"].iter().zip(port..).fold(ground.config(), |config, (name, port)| {
        config.replace(&format!("{name} = \"127.0.0.1:0\""), &format!("{name} = \"127.0.0.1:{port}\""))
    });
    ground.write("tamga.toml", &config);
    let program = start(ground, orders);
    program.logged("the stores are ready");
    let password = std::fs::read_to_string(ground.data().join("engine/service.password")).unwrap();
    let store = |port: u16, database: &str| {
        Store::new(&format!("http://127.0.0.1:{port}"), USER, password.trim(), database, Limits::default()).unwrap()
    };
    (program, store(port, VAULT), store(port + 1, STATS))
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_wrong_clock_left_in_the_future_is_removed_by_the_verb() {
    let folder = tempfile::tempdir().unwrap();
    let (ground, orders) = (Ground::new(), Orders::new(folder.path(), "clock"));
    let run = |arguments: &[&str]| {
        let output = orders.attach_to(&mut ground.command(arguments)).output().unwrap();
        (
            output.status.code(),
            String::from_utf8(if output.stdout.is_empty() { output.stderr } else { output.stdout }).unwrap(),
        )
    };
    // From the first start on, so that it is believed.
    orders.move_clock(20 * DAY_S);
    let (program, _, stats) = on_engines(&ground, &orders);
    assert_eq!(program.beacon(view_of(1, 0, "/")).send().await.status, 202);
    let stored = async || (program.figure("tamga_rows_stored").await > 0).then_some(());
    wait::until(Duration::from_secs(60), stored, || program.log()).await;
    let published = "INSERT INTO publications (site, window_start, window_end, published_at, complete, events, folded_share) \
                     SELECT 'jetpay.kz', now() + 3600, now() + 7200, now(), true, 1, 0";
    stats.execute(published, &[]).await.unwrap();
    program.terminate();
    orders.move_clock(0);
    assert_eq!(run(&["clock", "accept", "--yes"]).0, Some(0));
    let (code, said) = run(&["clock", "repair", "--yes"]);
    assert!(code == Some(1) && said.contains("the wall clock is disputed"), "{said}");

    let program = start(&ground, &orders);
    program.logged("the stores are ready");
    is_disputed(&program, false).await;
    let agrees = || run(&["clock", "status"]).1.contains("agrees").then_some(());
    wait::blocking(Duration::from_secs(60), agrees, || program.log());
    let states = || {
        let report = run(&["verify", "--json"]).1;
        let report: serde_json::Value = serde_json::from_str(&report).unwrap_or_else(|_| panic!("{report}"));
        let rules = report["rules"].as_array().unwrap();
        let state =
            |name| rules.iter().find(|rule| rule["name"] == name).unwrap()["state"].as_str().unwrap().to_owned();
        ["rows-ahead", "keys-ahead"].map(state)
    };
    let found = [
        "rows of the table events of the vault",
        "1 rows of the table publications of the stats store",
        "the key of jetpay.kz",
    ];
    assert_eq!(states(), ["broken", "broken"]);
    let (_, said) = run(&["clock", "repair"]);
    assert!(found.iter().all(|what| said.contains(what)) && said.contains("Add --yes"), "{said}");
    assert_eq!(states(), ["broken", "broken"], "nothing was asked to be removed");
    let (_, said) = run(&["clock", "repair", "--yes"]);
    assert!(found.iter().all(|what| said.contains(what)), "{said}");
    assert_eq!(run(&["clock", "repair", "--yes"]), (Some(0), "Nothing lies ahead of the time.\n".to_owned()));
    assert_eq!(states(), ["kept", "kept"]);
    assert!(run(&["audit", "show"]).1.contains("clock repair"));
}

#[tokio::test(flavor = "multi_thread")]
async fn an_engine_deletes_by_time_only_while_the_clock_is_believed() {
    let folder = tempfile::tempdir().unwrap();
    let (ground, orders) = (Ground::new(), Orders::new(folder.path(), "clock"));
    let (program, vault, _) = on_engines(&ground, &orders);
    let run = async |sql: &str| vault.execute(sql, &[]).await.unwrap();
    run("CREATE TABLE timed (at DateTime) ENGINE = MergeTree ORDER BY at TTL at + INTERVAL 1 SECOND").await;
    // Whether a row is deleted whose time is over.
    let deletes = async || {
        run("TRUNCATE TABLE timed").await;
        run("INSERT INTO timed SELECT now()").await;
        tokio::time::sleep(Duration::from_secs(2)).await;
        run("OPTIMIZE TABLE timed FINAL").await;
        let left: Option<u64> = vault.scalar("SELECT toUInt8(count()) AS value FROM timed", &[]).await.unwrap();
        left == Some(0)
    };
    for (ahead_s, expected) in [(0, true), (10 * YEAR_S, false), (0, true)] {
        orders.move_clock(ahead_s);
        let ordered = async || (deletes().await == expected).then_some(());
        wait::until(Duration::from_secs(60), ordered, || program.log()).await;
    }
}

//! Does the engine start, stop, lock its folder and keep its data as promised?

use std::fs::File;
use std::io::Read as _;
use std::os::unix::fs::PermissionsExt as _;
use std::process::Command;
use std::sync::Arc;
use std::time::Duration;

use rustix::fs::{FlockOperation, flock};

use crate::support::engine::{Engine, command};
use crate::support::programs;

/// Runs a command that must fail, and returns the sentence it fails with.
fn sentence(command: &mut Command) -> String {
    let output = command.output().unwrap();
    assert_eq!(output.status.code(), Some(1));
    assert!(output.stdout.is_empty(), "nothing was announced");
    String::from_utf8(output.stderr).unwrap()
}

#[tokio::test]
async fn data_survives_a_stop_and_a_kill() {
    let engine = Engine::start();
    let folder = engine.folder();
    assert!(engine.version.starts_with("26.7."));
    engine.sql("CREATE TABLE t (a UInt32) ENGINE = MergeTree ORDER BY a").await;
    engine.sql("INSERT INTO t VALUES (1)").await;
    assert!(engine.terminate());
    let engine = Engine::start_in(folder);
    engine.sql("INSERT INTO t VALUES (2)").await;
    let folder = engine.folder();
    engine.kill();
    let engine = Engine::start_in(folder);
    assert_eq!(engine.sql("SELECT count(), sum(a) FROM t").await, "2\t3");
    let fsync = "SELECT groupUniqArray(value) FROM system.merge_tree_settings WHERE name IN ('fsync_after_insert', 'fsync_part_directory')";
    assert_eq!(engine.sql(fsync).await, "['1']");
}

#[test]
fn an_engine_whose_parent_is_gone_follows() {
    let took = Engine::start().abandon();
    assert!(took < Duration::from_secs(5), "{took:?}");
}

#[test]
fn a_folder_has_one_engine() {
    let engine = Engine::start();
    let said = sentence(&mut command(engine.folder().path()));
    assert!(said.contains("is in use by another engine"), "{said}");
}

#[test]
fn an_engine_that_is_still_ending_is_not_one_that_cannot_start() {
    let folder = tempfile::tempdir().unwrap();
    // All that it has not let go of yet is the library's own lock.
    let data = folder.path().join("data");
    std::fs::create_dir(&data).unwrap();
    let status = File::create(data.join("status")).unwrap();
    flock(&status, FlockOperation::LockExclusive).unwrap();
    let said = sentence(&mut command(folder.path()));
    assert!(said.contains("is in use by another engine"), "{said}");
    drop(status);
    drop(Engine::start_in(Arc::new(folder)));
}

#[test]
fn what_prevents_a_start_is_said_in_a_sentence() {
    let folder = tempfile::tempdir().unwrap();
    let fails = |change: &dyn Fn(&mut Command)| {
        let mut command = command(folder.path());
        change(&mut command);
        sentence(&mut command)
    };
    let said = fails(&|command| {
        command.env("TAMGA_ENGINE_LIBRARY", "/nowhere/libchdb.so");
    });
    assert!(said.contains("/nowhere/libchdb.so") && said.contains("make engine"), "{said}");
    let said = fails(&|command| {
        command.args(["--library", "/etc/hostname"]);
    });
    assert!(said.contains("cannot use the engine library /etc/hostname"), "{said}");
    let said = fails(&|command| {
        command.args(["--password-file", "/nowhere"]);
    });
    assert!(said.contains("cannot read the password file /nowhere"), "{said}");

    let mut other = command(folder.path());
    other.args(["--path", "/proc/nowhere"]);
    assert!(sentence(&mut other).contains("cannot create the data folder"));

    let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    for (listen, expected) in [
        (taken.local_addr().unwrap().to_string(), "cannot listen on"),
        ("0.0.0.0:0".to_owned(), "is not a loopback address"),
    ] {
        let mut command = Command::new(programs::engine());
        command
            .arg("--path")
            .arg(folder.path().join("d"))
            .arg("--password-file")
            .arg(folder.path().join("service.password"));
        let said = sentence(command.args(["--listen", &listen]).env("TAMGA_ENGINE_LIBRARY", "/nowhere"));
        assert!(said.contains(expected), "{said}");
    }
}

#[tokio::test]
async fn nothing_that_is_written_can_be_read_by_others_and_no_query_is_logged() {
    let folder = tempfile::tempdir().unwrap();
    let mut child = command(folder.path()).spawn().unwrap();
    let mut first = [0; 1];
    child.stdout.as_mut().unwrap().read_exact(&mut first).unwrap();
    let mode = std::fs::metadata(folder.path().join("data")).unwrap().permissions().mode();
    assert_eq!(mode & 0o077, 0, "{mode:o}");
    let limits = std::fs::read_to_string(format!("/proc/{}/limits", child.id())).unwrap();
    assert!(
        limits.lines().any(|line| line.starts_with("Max core file size        0                    0")),
        "{limits}"
    );
    let mut line = String::from_utf8(first.to_vec()).unwrap();
    std::io::BufRead::read_line(&mut std::io::BufReader::new(child.stdout.as_mut().unwrap()), &mut line).unwrap();
    let announced: serde_json::Value = serde_json::from_str(&line).unwrap();
    let url = format!("http://{}", announced["listening"].as_str().unwrap());
    let client =
        clickhouse::Client::default().with_url(url).with_user("tamga").with_password("a password of the tests");
    assert_eq!(client.query("SELECT length('canary')").fetch_one::<u64>().await.unwrap(), 6);
    client.query("SELECT canary").execute().await.unwrap_err();
    drop(child.stdin.take());
    let output = child.wait_with_output().unwrap();
    let log = String::from_utf8(output.stderr).unwrap();
    assert!(output.status.success() && log.contains("query done") && log.contains("query failed"), "{log}");
    assert!(!log.contains("canary") && !log.contains("SELECT"), "{log}");
    assert!(output.stdout.is_empty(), "standard output has one line only");
}

#[tokio::test]
async fn threads_with_nothing_to_do_are_few() {
    // Each has 8 MiB for its stack, which count towards the memory that the system allows. By the engine's defaults, the
    // background work of many tables alone could pass it, and then statements of all fail.
    let sql = "SELECT sum(toUInt64(value)) FROM system.server_settings \
               WHERE name LIKE '%parts\\_%thread\\_pool\\_size' OR name LIKE 'background\\_%pool\\_size' OR name = 'max_thread_pool_free_size'";
    let threads: u64 = Engine::shared().sql(sql).await.parse().unwrap();
    assert!((2..=64).contains(&threads), "{threads} threads");
}

//! An older copy of the spool, or of the whole data folder, is put back beside a vault that has more: is anything stored twice?

use std::collections::BTreeMap;
use std::path::Path;
use std::process::Command;
use std::sync::Arc;
use std::time::Duration;

use tamga::spool::{Windows, Writer};
use tamga::store::{Limits, Store, VAULT};

use crate::support::collector::view_of;
use crate::support::engine::{Engine, PASSWORD, USER};
use crate::support::fake_vault::FakeVault;
use crate::support::program::{Ground, Program};
use crate::support::ship::{Ship, append, clock, open_with, today};
use crate::support::vault::number;
use crate::support::wait;

/// The longest that rows may take on a busy machine.
const PATIENCE: Duration = Duration::from_secs(120);

/// Windows that end at once: all leaves as crowds.
struct Ended;

impl Windows for Ended {
    fn now_ms(&self) -> i64 {
        clock().now_ms()
    }

    fn around(&self, at_ms: i64) -> (i64, i64) {
        (0, at_ms + 1)
    }
}

fn copy(from: &Path, to: &Path) {
    let _ = std::fs::remove_dir_all(to);
    assert!(Command::new("cp").arg("-a").args([from, to]).status().unwrap().success());
}

/// How often each row is in the vault.
fn times(vault: &FakeVault) -> BTreeMap<u32, u32> {
    let mut times = BTreeMap::new();
    vault.counts().into_iter().for_each(|row| *times.entry(row).or_default() += 1);
    times
}

/// Rows of the copy that the spool counts as lost.
fn lost(writer: &Writer) -> u64 {
    let accounting = writer.usage().accounting;
    assert!(accounting.is_balanced(), "{accounting:?}");
    accounting.settled.lost
}

#[tokio::test(flavor = "multi_thread")]
async fn nothing_leaves_twice_wherever_the_copy_and_the_original_ended() {
    for round in 0..16_u64 {
        let folder = tempfile::tempdir().unwrap();
        let [own, kept] = ["own", "kept"].map(|name| folder.path().join(name));
        std::fs::create_dir(&own).unwrap();
        let windows = || (round % 2 == 1).then(|| Arc::new(Ended) as Arc<dyn Windows>);
        let vault = FakeVault::start().await;
        // The copy is made while a delivery is under way, or before the first.
        let (writer, reader) = open_with(&own, windows());
        for first in (0..200).step_by(20) {
            append(&writer, today(), "count_only", first..first + 20).await;
        }
        let ship = Ship::start(&vault, &own, reader);
        tokio::time::sleep(Duration::from_millis(round / 4 * 7)).await;
        ship.kill().await;
        drop(writer);
        copy(&own, &kept);
        // The original goes on, and ends in order or in the middle of a delivery.
        let (writer, reader) = open_with(&own, windows());
        append(&writer, today(), "count_only", 200..300).await;
        let ship = Ship::start(&vault, &own, reader);
        let in_order = round % 4 < 2;
        if in_order {
            ship.settled(&writer).await;
            ship.stop().await;
        } else {
            tokio::time::sleep(Duration::from_millis(round * 3)).await;
            ship.kill().await;
        }
        drop(writer);
        // The copy takes its place, twice, and takes rows before it reaches the vault.
        for (number, rows) in [(1, 1000..1050), (2, 2000..2050)] {
            copy(&kept, &own);
            let (writer, reader) = open_with(&own, windows());
            append(&writer, today(), "count_only", rows.clone()).await;
            let ship = Ship::start(&vault, &own, reader);
            ship.settled(&writer).await;
            let (found, lost) = (times(&vault), lost(&writer));
            let twice: Vec<_> = found.iter().filter(|(_, times)| **times > 1).collect();
            assert!(twice.is_empty(), "round {round}, copy {number}: {twice:?}");
            assert!(rows.clone().all(|row| found.contains_key(&row)), "round {round}: what came since is there");
            let missing = (0..200).filter(|row| !found.contains_key(row)).count() as u64;
            assert!(missing <= lost, "round {round}: {missing} are missing and {lost} are counted as lost");
            assert!(!in_order || lost == 0, "round {round}, copy {number}: {lost}");
            ship.stop().await;
        }
    }
}

async fn views(program: &Program, views: std::ops::Range<u8>) {
    for view in views {
        let answer = program.beacon(view_of(view, 0, "/tariffs")).send().await;
        assert_eq!(answer.outcome(), "accepted", "{}", program.log());
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_data_folder_that_is_put_back_beside_its_server_stores_no_row_twice() {
    let engine = Engine::start();
    let ground = Ground::with_servers(&engine, &engine);
    let config = std::fs::read_to_string(ground.folder.path().join("tamga.toml")).unwrap();
    // So that rows wait while the folder is copied.
    ground.write("tamga.toml", &config.replace("linger_s = 1", "linger_s = 5"));
    let vault = Store::new(&engine.url(), USER, PASSWORD, VAULT, Limits::default()).unwrap();
    let stored = async |views: u64, program: &Program| {
        let all = async || (number(&vault, "SELECT count() AS number FROM events").await == views).then_some(());
        wait::until(PATIENCE, all, || format!("not {views} views:\n{}", program.log())).await;
    };
    let kept = ground.folder.path().join("kept");
    let program = Program::serve(&ground, &[]);
    program.logged("the stores are ready");
    views(&program, 0..10).await;
    // Its rows wait, and are in the copy.
    program.signal(rustix::process::Signal::KILL);
    copy(&ground.data(), &kept);
    let program = Program::serve(&ground, &[]);
    views(&program, 10..15).await;
    stored(15, &program).await;
    program.terminate();
    copy(&kept, &ground.data());
    let program = Program::serve(&ground, &[]);
    views(&program, 20..25).await;
    program.logged("this spool is an older copy");
    stored(20, &program).await;
    // A delivery later it is still so.
    views(&program, 30..31).await;
    stored(21, &program).await;
    assert_eq!(program.figure("tamga_rows_lost_total").await, 0);
    let (code, _, log) = program.terminate();
    assert!(code == Some(0) && !log.contains("panicked"), "{log}");
}

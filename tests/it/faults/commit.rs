//! Is a row stored once when it is committed and nobody hears of it, or when programs die in the middle of committing?

use std::path::Path;
use std::time::{Duration, Instant};

use tamga::store::{Limits, Store, VAULT};

use super::gate::{Gate, PASSAGES, Passage};
use super::kill::below;
use super::laboratory::{Laboratory, Stores, Vault};
use super::load::Load;
use super::orders::{Call, Mode, Orders};
use super::{figures, long, times};
use crate::support::engine::{PASSWORD, USER};
use crate::support::ship::{Ship, append, open, today};
use crate::support::vault::without_ttl;

/// The shipper is killed now and then, too: between the commit and the note that it happened.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn committed_and_never_heard_of() {
    let (begun, rounds) = (Instant::now(), times(1, 12));
    let folder = tempfile::tempdir().unwrap();
    let mut vault = Vault::new(folder.path(), folder.path().join("engine"));
    vault.start(None);
    vault.ready().await;
    without_ttl(&vault.store()).await;
    let gate = Gate::before(vault.port).await;
    let limit = Duration::from_millis(600);
    let limits = Limits { connect: limit, query: Duration::from_secs(20), insert: limit };
    let before = || Store::new(&format!("http://{}", gate.address), USER, PASSWORD, VAULT, limits).unwrap();
    let (mut next, mut kills, mut pairs) = (0_u32, 0, 0);
    for (index, first) in PASSAGES.into_iter().enumerate() {
        // All pairs in the long run; in the short one each with itself and with its neighbour.
        let seconds = PASSAGES.into_iter().cycle().skip(index).take(if long() { PASSAGES.len() } else { 2 });
        for second in seconds {
            pairs += 1;
            let (writer, reader) = open(folder.path());
            gate.plan([first, second].into_iter().filter(|passage| *passage != Passage::Whole));
            let ship = Ship::start_with(before(), folder.path(), reader);
            for _ in 0..rounds {
                append(&writer, today(), "count_only", next..next + 30).await;
                next += 30;
            }
            let (ship, writer) = if below(2) == 0 {
                kills += 1;
                tokio::time::sleep(Duration::from_millis(below(900))).await;
                ship.kill().await;
                drop(writer);
                let (writer, reader) = open(folder.path());
                (Ship::start_with(before(), folder.path(), reader), writer)
            } else {
                (ship, writer)
            };
            ship.settled(&writer).await;
            ship.stop().await;
        }
    }
    // What comes late has come by now.
    tokio::time::sleep(Duration::from_secs(1)).await;
    assert_eq!(gate.left(), 0);
    let unique = vault.number("SELECT uniqExact(count) AS number FROM tallies").await;
    let rows = vault.number("SELECT count() AS number FROM tallies").await;
    assert_eq!((unique, rows), (u64::from(next), u64::from(next)), "unique, stored; of {next} acknowledged");
    figures(
        begun,
        format!(
            "answers lost or held, inserts lost or late, in {pairs} pairs, {kills} kills of the shipper: {next} acknowledged, {rows} stored; 0 lost, 0 twice",
        ),
    );
}

/// The engine remembers a token before the rows are in place. Killed in between, it answers yes to the same insert and
/// stores nothing.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_engine_dies_between_remembering_and_storing() {
    engine_dies("engine", times(1, 25), false).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn engine_and_collector_die_together() {
    engine_dies("engine and collector", times(1, 25), true).await;
}

async fn engine_dies(who: &str, rounds: u32, together: bool) {
    let begun = Instant::now();
    let mut laboratory = Laboratory::new(&Stores::Vault);
    laboratory.vault.start(None);
    let mut collector = laboratory.collector(None);
    laboratory.taking(&mut collector).await;
    let journal = laboratory.journal.clone();
    let load = Load::start(laboratory.port, 8, &journal);
    while laboratory.vault.number("SELECT count() AS number FROM events").await == 0 {
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    let orders = Orders::new(laboratory.folder(), "engine");
    let folder = events_folder(&laboratory.vault).await;
    orders.parts_below(&folder);
    laboratory.vault.kill();
    let mut burnt = 0;
    for round in 0..rounds {
        let mode = if round % 4 == 3 { Mode::KillAfter } else { Mode::KillBefore };
        orders.give(Call::PartRename, mode, below(2) as i32, 0);
        laboratory.vault.start(Some(&orders));
        laboratory.vault.dead().await;
        if together {
            collector.kill();
        }
        // The moment that was meant: the token is in the log, the part is not in its place.
        let part = orders.last_part();
        let name = Path::new(part.trim_end_matches('/')).file_name().unwrap().to_str().unwrap().to_owned();
        assert_eq!(Path::new(&part).exists(), mode == Mode::KillAfter, "{part}");
        burnt += u32::from(mode == Mode::KillBefore && remembered(Path::new(&part), &name));
        orders.lift(Call::PartRename);
        laboratory.vault.start(None);
        if together {
            collector = laboratory.collector(None);
        }
        tokio::time::sleep(Duration::from_millis(300 + below(if long() { 2700 } else { 700 }))).await;
        laboratory.vault.kill();
    }
    assert!(burnt > 0, "no kill was at the moment that was meant");
    load.stop().await;
    let acknowledged = journal.acknowledged();
    let stored = laboratory.settle_and_compare(collector).await;
    figures(
        begun,
        format!(
            "{who} killed in the rename of a part {rounds} times, {burnt} of them with the token remembered and the part \
             absent: {acknowledged} acknowledged, {stored} stored; 0 lost, 0 twice"
        ),
    );
}

/// Where the engine keeps the parts of events.
async fn events_folder(vault: &Vault) -> String {
    #[derive(serde::Deserialize)]
    struct Row {
        folder: String,
    }
    let sql = "SELECT data_paths[1] AS folder FROM system.tables WHERE database = 'tamga_vault' AND name = 'events'";
    let rows: Vec<Row> = vault.store().rows(sql, &[]).await.unwrap();
    // Its last two folders are enough to tell it, however the engine writes the rest.
    let mut parts: Vec<_> = rows[0].folder.trim_end_matches('/').rsplit('/').take(2).collect();
    parts.reverse();
    parts.join("/")
}

/// Whether the engine's log of tokens names the part.
fn remembered(part: &Path, name: &str) -> bool {
    let logs = part.parent().unwrap().join("deduplication_logs");
    let files = std::fs::read_dir(logs).into_iter().flatten().flatten();
    files.filter_map(|file| std::fs::read_to_string(file.path()).ok()).any(|text| text.contains(name))
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_collector_dies_between_commit_and_cursor() {
    let (begun, rounds) = (Instant::now(), times(4, 60));
    let mut laboratory = Laboratory::new(&Stores::Vault);
    laboratory.vault.start(None);
    laboratory.vault.ready().await;
    let orders = Orders::new(laboratory.folder(), "collector");
    let journal = laboratory.journal.clone();
    let load = Load::start(laboratory.port, 8, &journal);
    let (mut resumed, mut committed) = (0, 0);
    for round in 0..rounds {
        // Each state is written twice, with its copy. The first two states of a start are those of recovery; then boundaries
        // and cursor take turns.
        let skip = 2 * [3, 2, 1, 0, 5, 4, 7, 6][round as usize % 8];
        let mode = if (round + round / 8) % 2 == 0 { Mode::KillBefore } else { Mode::KillAfter };
        let before = laboratory.vault.number("SELECT count() AS number FROM events").await;
        orders.give(Call::StateWrite, mode, skip, 0);
        let mut collector = laboratory.collector(Some(&orders));
        collector.dead().await;
        assert_eq!(orders.done(Call::StateWrite), 1);
        if laboratory.look_into_spool().resumes_delivery {
            resumed += 1;
            let after = laboratory.vault.number("SELECT count() AS number FROM events").await;
            committed += u32::from(skip == 6 && mode == Mode::KillBefore && after > before);
        }
    }
    load.stop().await;
    assert!(committed > 0, "no kill was at the moment that was meant");
    let acknowledged = journal.acknowledged();
    let collector = laboratory.collector(None);
    let stored = laboratory.settle_and_compare(collector).await;
    figures(
        begun,
        format!(
            "collector killed in the write of its cursor or boundaries {rounds} times, {resumed} of them with a round open, \
             {committed} with its rows just stored: \
             {acknowledged} acknowledged, {stored} stored; 0 lost, 0 twice"
        ),
    );
}

//! Do rows that the real engine refuses go to the dead letters, the others land, and nothing stall? And are rows kept
//! that it refuses for a reason of its own?
//!
//! How a batch is cut, also when the shipper dies in the middle, is tried on a simulated vault in `ship.rs`.

use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use super::laboratory::Vault;
use super::{figures, times};
use crate::support::ship::{Ship, append, open, today};
use crate::support::vault::without_ttl;
use tamga::store::Class;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn refused_by_the_real_engine() {
    let (begun, rounds) = (Instant::now(), times(3, 40));
    let folder = tempfile::tempdir().unwrap();
    let mut vault = Vault::new(folder.path(), folder.path().join("engine"));
    vault.start(None);
    vault.ready().await;
    let store = vault.store();
    without_ttl(&store).await;
    store.execute("ALTER TABLE tallies ADD CONSTRAINT sound CHECK reason != 'poison'", &[]).await.unwrap();
    let (writer, reader) = open(folder.path());
    let ship = Ship::start_with(store, folder.path(), reader);
    let (mut good, mut bad) = (0, 0);
    for _ in 0..rounds {
        append(&writer, today(), "good", good..good + 20).await;
        append(&writer, today(), "poison", bad..bad + 2).await;
        append(&writer, today(), "good", good + 20..good + 37).await;
        (good, bad) = (good + 37, bad + 2);
        // Each time all is settled: nothing stalls.
        ship.settled(&writer).await;
    }
    let dead = ship.status.counts.dead_lettered.load(Ordering::Relaxed);
    let stored = vault.number("SELECT count() AS number FROM tallies").await;
    let unique = vault.number("SELECT uniqExact(count) AS number FROM tallies WHERE reason = 'good'").await;
    assert_eq!((dead, stored, unique), (u64::from(bad), u64::from(good), u64::from(good)));
    let letters: String = std::fs::read_dir(folder.path().join("dead-letters"))
        .unwrap()
        .map(|file| std::fs::read_to_string(file.unwrap().path()).unwrap())
        .collect();
    assert_eq!(letters.matches("VIOLATED_CONSTRAINT").count(), bad as usize, "{letters}");
    ship.stop().await;
    figures(
        begun,
        format!("{good} good rows stored once, {bad} refused ones in the dead letters with the reason; 0 stalls"),
    );
}

/// What is wrong with the table and not with the rows is waited for, however often it is refused meanwhile.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn held_while_the_real_engine_takes_nothing() {
    let (begun, rounds) = (Instant::now(), times(1, 10));
    let folder = tempfile::tempdir().unwrap();
    let mut vault = Vault::new(folder.path(), folder.path().join("engine"));
    vault.start(None);
    vault.ready().await;
    let store = vault.store();
    without_ttl(&store).await;
    let (writer, reader) = open(folder.path());
    let ship = Ship::start_with(store.clone(), folder.path(), reader);
    append(&writer, today(), "good", 0..30).await;
    ship.settled(&writer).await;
    let mut next = 30;
    for _ in 0..rounds {
        for (error, class, broken, repaired) in OBSTACLES {
            store.execute(broken, &[]).await.unwrap();
            append(&writer, today(), "good", next..next + 30).await;
            next += 30;
            let waited = Instant::now();
            while ship.status.trouble().is_none_or(|trouble| (trouble.name, trouble.class) != (error, class)) {
                assert!(waited.elapsed() < Duration::from_secs(30), "{error} is not met: {:?}", ship.status.trouble());
                tokio::time::sleep(Duration::from_millis(5)).await;
            }
            // It is tried many times meanwhile: the test signals all the time that the vault may be back.
            tokio::time::sleep(Duration::from_millis(100)).await;
            store.execute(repaired, &[]).await.unwrap();
            ship.settled(&writer).await;
            assert!(ship.status.trouble().is_none());
        }
    }
    let stored = vault.number("SELECT count() AS number FROM tallies").await;
    let unique = vault.number("SELECT uniqExact(count) AS number FROM tallies").await;
    assert_eq!((stored, unique), (u64::from(next), u64::from(next)));
    assert_eq!(ship.status.counts.dead_lettered.load(Ordering::Relaxed), 0);
    ship.stop().await;
    let obstacles = OBSTACLES.map(|(error, ..)| error).join(", ");
    figures(
        begun,
        format!("held {} times ({obstacles}): {next} rows, {stored} stored once, none given up", rounds * 3),
    );
}

/// The error of the engine, its class, the statement that causes it, and the statement that repairs it.
const OBSTACLES: [(&str, Class, &str, &str); 3] = [
    (
        "TOO_MANY_PARTS",
        Class::Transient,
        "ALTER TABLE tallies MODIFY SETTING parts_to_delay_insert = 0, parts_to_throw_insert = 1",
        "ALTER TABLE tallies RESET SETTING parts_to_delay_insert, parts_to_throw_insert",
    ),
    ("UNKNOWN_TABLE", Class::NeedsOperator, "RENAME TABLE tallies TO elsewhere", "RENAME TABLE elsewhere TO tallies"),
    (
        "NO_SUCH_COLUMN_IN_TABLE",
        Class::NeedsOperator,
        "ALTER TABLE tallies RENAME COLUMN count TO number",
        "ALTER TABLE tallies RENAME COLUMN number TO count",
    ),
];

//! Do rows that the real engine refuses go to the dead letters, the others land, and nothing stall?
//!
//! How a batch is cut, also when the shipper dies in the middle, is tried on a simulated vault in `ship.rs`.

use std::sync::atomic::Ordering;
use std::time::Instant;

use super::laboratory::Vault;
use super::{figures, times};
use crate::support::ship::{Ship, append, open, today};
use tamga::clock::Clock;
use tamga::store::{self, VAULT_MIGRATIONS};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn refused_by_the_real_engine() {
    let (begun, rounds) = (Instant::now(), times(3, 40));
    let folder = tempfile::tempdir().unwrap();
    let mut vault = Vault::new(folder.path(), folder.path().join("engine"));
    vault.start(None);
    vault.ready().await;
    let store = vault.store();
    store::apply(&store, VAULT_MIGRATIONS, &Clock::machine()).await.unwrap();
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

//! Can refused rows be looked at, sent again exactly once, and dropped, whether the shipper runs or not?

use std::path::Path;
use std::time::Duration;

use tamga::spool::{Disk, hold};
use tamga::store::{Class, LetterRoom, Limits, Order, Store, VAULT};

use crate::support::fake_vault::{FakeVault, Fault};
use crate::support::ship::{Ship, append, clock, open, today};

fn letters(folder: &Path) -> Vec<String> {
    let Ok(entries) = folder.join("dead-letters").read_dir() else { return Vec::new() };
    let mut names: Vec<_> = entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
    names.sort();
    names
}

fn room(folder: &Path) -> LetterRoom {
    LetterRoom::new(&folder.join("dead-letters"))
}

fn store(vault: &FakeVault) -> Store {
    let limit = Duration::from_millis(200);
    let limits = Limits { connect: limit, query: limit, insert: limit };
    Store::new(&vault.url(), "tamga", "secret", VAULT, limits).unwrap()
}

/// Leaves one letter of these rows, and the vault willing to take them.
async fn refused(folder: &Path, vault: &FakeVault, rows: std::ops::Range<u32>) -> String {
    vault.refuse(Some("poison"));
    let (writer, reader) = open(folder);
    append(&writer, today(), "poison", rows).await;
    append(&writer, today(), "good", 100..103).await;
    let ship = Ship::start(vault, folder, reader);
    ship.settled(&writer).await;
    ship.stop().await;
    vault.refuse(None);
    letters(folder).remove(0)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_running_shipper_sends_a_letter_again_on_order_and_moves_its_rows_in_the_books() {
    let folder = tempfile::tempdir().unwrap();
    let vault = FakeVault::start().await;
    vault.refuse(Some("poison"));
    let (writer, reader) = open(folder.path());
    append(&writer, today(), "poison", 0..3).await;
    append(&writer, today(), "good", 3..5).await;
    let ship = Ship::start(&vault, folder.path(), reader);
    ship.settled(&writer).await;
    assert_eq!(writer.usage().books.settled.dead_lettered, 3);
    let name = letters(folder.path()).remove(0);
    let list = room(folder.path()).list().unwrap();
    assert!(list.contains(&name) && list.contains("CANNOT_PARSE_INPUT_ASSERTION_FAILED"), "{list}");
    let shown = room(folder.path()).show(&name).unwrap();
    assert!(shown.contains("3 refused rows") && shown.contains("reason           \"poison\""), "{shown}");

    // Still refused: a new letter takes the place of the old one.
    let said = room(folder.path()).order(Order::Replay, &name).await.unwrap();
    assert_eq!(said, "0 rows stored, 3 refused again, 0 too old to keep");
    let again = letters(folder.path());
    assert!(again.len() == 1 && again[0] != name, "{again:?}");

    vault.refuse(None);
    vault.plan([Fault::StoreThenBreak, Fault::Burn]);
    let said = room(folder.path()).order(Order::Replay, &again[0]).await.unwrap();
    assert_eq!(said, "3 rows stored, 0 refused again, 0 too old to keep");
    assert_eq!(vault.counts(), [0, 1, 2, 3, 4]);
    assert!(letters(folder.path()).is_empty());
    let books = writer.usage().books;
    assert!(books.balance());
    assert_eq!((books.settled.stored, books.settled.dead_lettered), (5, 0));
    let none = room(folder.path()).show("../spool/lock").unwrap_err();
    assert!(none.contains("`tamga dead-letters list` shows those that are"), "{none}");
    ship.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_replay_that_is_cut_off_anywhere_can_be_repeated() {
    let folder = tempfile::tempdir().unwrap();
    let vault = FakeVault::start().await;
    let name = refused(folder.path(), &vault, 0..9).await;
    vault.plan([Fault::Break, Fault::Hang, Fault::Memory, Fault::Hang, Fault::Burn, Fault::Break, Fault::Slow]);
    let mut cut_off = 0;
    loop {
        let once = async {
            let idle = hold(&folder.path().join("spool"), &Disk).unwrap().expect("nobody else holds it");
            room(folder.path()).replay_alone(store(&vault), clock(), &name, &idle.open_tokens).await
        };
        match tokio::time::timeout(Duration::from_millis(20 + cut_off * 35), once).await {
            Ok(said) => break assert!(said.unwrap().0.starts_with("9 rows stored")),
            Err(_) => cut_off += 1,
        }
    }
    assert!(cut_off > 1, "{cut_off}");
    assert_eq!(vault.counts(), (0..9).chain(100..103).collect::<Vec<_>>());
    assert!(letters(folder.path()).is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_letter_of_an_unfinished_round_is_left_alone() {
    let folder = tempfile::tempdir().unwrap();
    let vault = FakeVault::start().await;
    vault.refuse(Some("poison"));
    let (writer, reader) = open(folder.path());
    append(&writer, today(), "poison", 0..40).await;
    let ship = Ship::start(&vault, folder.path(), reader);
    // The whole batch is refused, so the rest of it is held and the round stays open.
    while ship.status.trouble().is_none_or(|trouble| trouble.class != Class::Ours) {
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    ship.kill().await;
    drop(writer);
    let name = letters(folder.path()).remove(0);
    let idle = loop {
        if let Some(idle) = hold(&folder.path().join("spool"), &Disk).unwrap() {
            break idle;
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
    };
    assert!(hold(&folder.path().join("spool"), &Disk).unwrap().is_none(), "one at a time");
    for said in [
        room(folder.path()).drop_alone(&name, &idle.open_tokens),
        room(folder.path()).replay_alone(store(&vault), clock(), &name, &idle.open_tokens).await,
    ] {
        assert!(said.unwrap_err().contains("not settled yet"));
    }
    drop(idle);
    vault.refuse(None);
    let (writer, reader) = open(folder.path());
    let ship = Ship::start(&vault, folder.path(), reader);
    ship.settled(&writer).await;
    assert_eq!(room(folder.path()).order(Order::Drop, &name).await.unwrap(), "dropped 32 rows");
    assert!(letters(folder.path()).is_empty());
    ship.stop().await;
}

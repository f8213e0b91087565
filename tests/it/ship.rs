//! Is each row in the vault exactly once, whatever happens between the spool and it?

use std::collections::BTreeSet;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use tamga::store::Class;

use crate::support::fake_vault::{FAULTS, FakeVault, Fault};
use crate::support::ship::{Ship, append, clock, open, today};

#[tokio::test(flavor = "multi_thread")]
async fn every_fault_alone_and_in_pairs_stores_each_row_once() {
    let folder = tempfile::tempdir().unwrap();
    let vault = FakeVault::start().await;
    let (writer, reader) = open(folder.path());
    let ship = Ship::start(&vault, folder.path(), reader);
    let mut next = 0;
    for first in FAULTS {
        for second in FAULTS {
            vault.plan([first, second].into_iter().filter(|fault| *fault != Fault::None));
            append(&writer, today(), "count_only", next..next + 3).await;
            next += 3;
            ship.settled(&writer).await;
            assert_eq!(vault.counts(), (0..next).collect::<Vec<_>>(), "after {first:?}, {second:?}");
        }
    }
    assert_eq!(ship.stored(), u64::from(next));
    assert!(ship.status.trouble().is_none());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_program_that_dies_at_any_moment_stores_each_row_once() {
    let folder = tempfile::tempdir().unwrap();
    let vault = FakeVault::start().await;
    for round in 0..25_u32 {
        let (writer, reader) = open(folder.path());
        vault.plan((0..4).map(|index| FAULTS[((round * 7 + index * 3) % 8) as usize]));
        let ship = Ship::start(&vault, folder.path(), reader);
        append(&writer, today(), "count_only", round * 100..round * 100 + 100).await;
        tokio::time::sleep(Duration::from_millis(u64::from(round % 9) * 13)).await;
        ship.kill().await;
        drop(writer);
    }
    let (writer, reader) = open(folder.path());
    let ship = Ship::start(&vault, folder.path(), reader);
    ship.settled(&writer).await;
    assert_eq!(vault.counts(), (0..2_500).collect::<Vec<_>>());
}

#[tokio::test(flavor = "multi_thread")]
async fn refused_rows_go_to_a_dead_letter_and_the_others_land() {
    let folder = tempfile::tempdir().unwrap();
    let vault = FakeVault::start().await;
    vault.refuse(Some("poison"));
    let (writer, reader) = open(folder.path());
    append(&writer, today(), "good", 0..17).await;
    append(&writer, today(), "poison", 17..19).await;
    append(&writer, today(), "good", 19..30).await;
    // Dies in the middle of cutting, a few times.
    let ship = Ship::start(&vault, folder.path(), reader);
    tokio::time::sleep(Duration::from_millis(30)).await;
    ship.kill().await;
    drop(writer);
    let (writer, reader) = open(folder.path());
    vault.plan([Fault::StoreThenBreak, Fault::Hang, Fault::Burn]);
    let ship = Ship::start(&vault, folder.path(), reader);
    ship.settled(&writer).await;
    assert_eq!(vault.counts(), (0..17).chain(19..30).collect::<Vec<_>>());
    let files: Vec<_> =
        folder.path().join("dead-letters").read_dir().unwrap().map(|file| file.unwrap().path()).collect();
    assert_eq!(files.len(), 1);
    let text = std::fs::read_to_string(&files[0]).unwrap();
    assert_eq!(text.matches("\"row\":").count(), 2, "{text}");
    assert!(!text.contains("near"), "the store's own words stay out: {text}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_batch_that_was_cut_and_landed_after_all_is_not_sent_whole_again() {
    let folder = tempfile::tempdir().unwrap();
    let vault = FakeVault::start().await;
    vault.refuse(Some("doubtful"));
    let (writer, reader) = open(folder.path());
    append(&writer, today(), "good", 0..8).await;
    append(&writer, today(), "doubtful", 8..16).await;
    let ship = Ship::start(&vault, folder.path(), reader);
    while vault.counts().is_empty() {
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
    ship.kill().await;
    drop(writer);
    // The vault has changed its mind: the whole batch would be taken now, although a part of it has landed.
    vault.refuse(None);
    let (writer, reader) = open(folder.path());
    let ship = Ship::start(&vault, folder.path(), reader);
    ship.settled(&writer).await;
    let letters = folder.path().join("dead-letters").read_dir().unwrap();
    let lines = letters.map(|file| std::fs::read_to_string(file.unwrap().path()).unwrap());
    let dead = lines.map(|text| text.lines().filter(|line| line.starts_with("{\"row\"")).count()).sum::<usize>();
    let counts: BTreeSet<u32> = vault.counts().into_iter().collect();
    assert_eq!(counts.len(), vault.counts().len(), "stored twice");
    assert_eq!((counts.range(..8).count(), counts.len()), (8, 16 - dead));
    assert!(ship.stop().await < Duration::from_secs(5));
    let files = folder.path().join("dead-letters").read_dir().unwrap().count();
    assert_eq!(files, usize::from(dead > 0));
}

#[tokio::test(flavor = "multi_thread")]
async fn when_every_row_is_refused_the_rest_is_held() {
    let folder = tempfile::tempdir().unwrap();
    let vault = FakeVault::start().await;
    vault.refuse(Some("poison"));
    let (writer, reader) = open(folder.path());
    append(&writer, today(), "poison", 0..40).await;
    let ship = Ship::start(&vault, folder.path(), reader);
    let begun = Instant::now();
    while ship.status.trouble().is_none_or(|trouble| trouble.class != Class::NeedsOperator) {
        assert!(begun.elapsed() < Duration::from_secs(30));
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    assert_eq!(ship.status.counts.dead_lettered.load(Ordering::Relaxed), 32);
    // Somebody repairs the schema.
    vault.refuse(None);
    ship.settled(&writer).await;
    // Which rows were tried first, the token of the insert decides.
    assert_eq!(vault.counts().len(), 8);
}

#[tokio::test(flavor = "multi_thread")]
async fn rows_too_old_to_keep_are_never_sent() {
    let folder = tempfile::tempdir().unwrap();
    let vault = FakeVault::start().await;
    let (writer, reader) = open(folder.path());
    append(&writer, "2026-11-14".parse().unwrap(), "count_only", 0..5).await;
    append(&writer, "2026-11-15".parse().unwrap(), "count_only", 5..8).await;
    let ship = Ship::start(&vault, folder.path(), reader);
    ship.settled(&writer).await;
    assert_eq!(vault.counts(), [5, 6, 7]);
    assert_eq!(ship.status.counts.expired.load(Ordering::Relaxed), 5);
    assert_eq!(vault.inserts(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn stopping_does_not_wait_for_a_vault_that_hangs() {
    let folder = tempfile::tempdir().unwrap();
    let vault = FakeVault::start().await;
    vault.plan([Fault::Hang]);
    let (writer, reader) = open(folder.path());
    append(&writer, today(), "count_only", 0..5).await;
    let ship = Ship::start_with_limit(&vault, folder.path(), reader, Duration::from_secs(60));
    while vault.inserts() == 0 {
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    let took = ship.stop().await;
    assert!(took < Duration::from_secs(10), "{took:?}");
    drop(writer);
    let (writer, reader) = open(folder.path());
    let ship = Ship::start(&vault, folder.path(), reader);
    ship.settled(&writer).await;
    assert_eq!(vault.counts(), [0, 1, 2, 3, 4]);
    assert!(ship.stop().await < Duration::from_secs(1));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_clean_stop_drains_the_spool_and_says_so_in_a_last_lease() {
    let folder = tempfile::tempdir().unwrap();
    let vault = FakeVault::start().await;
    let (writer, reader) = open(folder.path());
    let ship = Ship::start(&vault, folder.path(), reader);
    while vault.last_lease().is_empty() {
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
    for number in 0..20 {
        append(&writer, today(), "count_only", number..number + 1).await;
    }
    let took = ship.stop().await;
    assert!(took < Duration::from_secs(3), "{took:?}");
    assert_eq!(vault.counts(), (0..20).collect::<Vec<_>>());
    assert_eq!(writer.usage().accounting.spooled, 0);
    let noon = clock().now_ms() / 1000;
    assert!(vault.last_lease().contains(&format!("\"complete_until\":\"{noon}.000\"")), "{}", vault.last_lease());
}

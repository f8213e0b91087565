//! Disks that fail or run full while the spool is at work.

use std::time::Instant;

use rustix::io::Errno;

use super::super::block::Place;
use super::sim::Op;
use super::*;

/// Appends until it works again; says how long that took.
async fn until_it_works(writer: &Writer, row: &str) -> Duration {
    let since = Instant::now();
    while append(writer, "events", row).await.is_err() {
        assert!(since.elapsed() < Duration::from_secs(5), "it never recovers");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    since.elapsed()
}

#[tokio::test]
async fn after_a_failed_write_or_sync_nothing_is_acknowledged_and_a_new_segment_begins() {
    for op in [Op::Write, Op::Sync] {
        let sim = Sim::default();
        let (writer, mut reader, _) = open_sim(&sim);
        append(&writer, "events", "before").await.unwrap();
        sim.fail(op, 0, Errno::IO, false);
        let refused = append(&writer, "events", "refused").await;
        assert!(matches!(refused, Err(AppendError::Broken(_))), "{op:?}: {refused:?}");
        let appended = append(&writer, "events", "after").await.unwrap();
        assert_eq!(appended.first_sequence, 3, "the sequence of what failed is not used again");
        assert_eq!(segments(&sim).len(), 2);
        assert_eq!((writer.usage().health, writer.usage().failed_commits), (Health::Healthy, 1));
        assert_eq!(drain(&writer, &mut reader).await, ["before", "after"]);
        assert_eq!((writer.usage().lost_frames, writer.usage().pending_frames), (0, 0));
    }
}

/// What was refused may lie whole in the older file; the newer header says that it is nobody's.
#[tokio::test]
async fn what_was_refused_stays_refused_after_a_restart() {
    let sim = Sim::default();
    {
        let (writer, _reader, _) = open_sim(&sim);
        append(&writer, "events", "before").await.unwrap();
        sim.fail(Op::Sync, 0, Errno::IO, false);
        assert!(append(&writer, "events", "refused").await.is_err());
        append(&writer, "events", "after").await.unwrap();
    }
    // As if sealing had not been able to cut the file.
    let mut bytes = sim.contents(&segments(&sim)[0]);
    let header = segment::Header::decode(&bytes).unwrap();
    let place = Place { sequence: 2, position: 0, rows_before: 1 };
    Encoder::new(&keys(), header.id).0.block(&[frame("events", &["refused"])], place, &mut bytes);
    let sim = sim.kill();
    sim.plant(&segments(&sim)[0], &bytes);
    let (writer, mut reader, recovery) = open_sim(&sim);
    assert_eq!((recovery.quarantined, recovery.pending_frames), (0, 2));
    assert_eq!(drain(&writer, &mut reader).await, ["before", "after"]);
    assert_eq!((writer.usage().lost_frames, writer.usage().damaged_bytes), (0, 0));
}

#[tokio::test]
async fn a_broken_disk_refuses_everyone_until_it_works_again() {
    for op in [Op::Create, Op::Sync, Op::SyncDir] {
        let sim = Sim::default();
        let (writer, mut reader, _) = open_sim(&sim);
        sim.fail(op, 0, Errno::IO, true);
        for _ in 0..3 {
            assert!(matches!(append(&writer, "events", "refused").await, Err(AppendError::Broken(_))), "{op:?}");
        }
        assert!(!writer.has_space(1), "readiness says so too");
        assert!(matches!(writer.usage().health, Health::Broken(_)));
        sim.heal();
        // Nobody needs to try: the spool does.
        tokio::time::timeout(Duration::from_secs(3), async {
            while !writer.has_space(1) {
                tokio::time::sleep(Duration::from_millis(20)).await;
            }
        })
        .await
        .expect("it recovers by itself");
        append(&writer, "events", "after").await.unwrap();
        assert_eq!(drain(&writer, &mut reader).await, ["after"]);
    }
}

#[tokio::test]
async fn a_full_disk_refuses_keeps_draining_and_recovers_by_itself() {
    let sim = Sim::default();
    let (writer, mut reader, _) = open_sim(&sim);
    let mut acknowledged = Vec::new();
    for number in 0..20 {
        let row = format!("{number}{}", "x".repeat(500));
        append(&writer, "events", &row).await.unwrap();
        acknowledged.push(row);
    }
    sim.limit(sim.used());
    let row = "y".repeat(3500);
    let refused = loop {
        match append(&writer, "events", &row).await {
            Ok(_) => acknowledged.push(row.clone()),
            Err(error) => break error,
        }
    };
    assert_eq!(refused, AppendError::DiskFull);
    assert_eq!(writer.usage().health, Health::DiskFull);
    assert_eq!(drain(&writer, &mut reader).await, acknowledged, "draining needs no space");
    assert!(until_it_works(&writer, "after").await < Duration::from_secs(2), "draining freed space");
    assert_eq!(drain(&writer, &mut reader).await, ["after"]);
}

#[tokio::test]
async fn a_disk_that_is_full_at_the_start_is_drained_all_the_same() {
    let sim = Sim::default();
    {
        let (writer, mut reader, _) = open_sim(&sim);
        for row in ["first", "second"] {
            append(&writer, "events", row).await.unwrap();
        }
        next(&mut reader, &limits()).await;
    }
    for _ in 0..3 {
        let sim = sim.kill();
        sim.limit(sim.used());
        let (writer, mut reader, recovery) = open_sim(&sim);
        assert!(recovery.resumes_delivery);
        assert_eq!(drain(&writer, &mut reader).await, ["first", "second"]);
    }
}

#[tokio::test]
async fn a_quota_refuses_before_it_writes_and_recovers_after_finishing() {
    let sim = Sim::default();
    let options = Options { quota_bytes: 64 << 10, ..options() };
    let (writer, mut reader, _) = open(Path::new(DIR), options, Arc::new(sim.clone())).unwrap();
    let row = "x".repeat(1000);
    let mut acknowledged = 0;
    let refused = loop {
        match append(&writer, "events", &row).await {
            Ok(_) => acknowledged += 1,
            Err(error) => break error,
        }
    };
    assert_eq!(refused, AppendError::Full);
    assert!(!writer.has_space(1100) && acknowledged > 30);
    let usage = writer.usage();
    assert!(usage.bytes <= usage.quota_bytes && usage.health == Health::Healthy);
    assert_eq!(drain(&writer, &mut reader).await.len(), acknowledged);
    assert!(writer.has_space(1100));
    append(&writer, "events", &row).await.unwrap();
    assert!(writer.usage().bytes < 10_000, "finished segments are gone: {:?}", writer.usage());
}

#[tokio::test]
async fn boundaries_and_cursor_that_cannot_be_written_are_tried_again() {
    let sim = Sim::default();
    let (writer, mut reader, _) = open_sim(&sim);
    append(&writer, "events", "row").await.unwrap();
    sim.fail(Op::Sync, 0, Errno::IO, false);
    assert!(matches!(reader.next_delivery(&limits()).await, Err(ReadError::State(_))));
    let delivery = next(&mut reader, &limits()).await;
    assert_eq!((rows(&delivery), delivery.resumed), (vec!["row".to_owned()], false));
    sim.fail(Op::Write, 0, Errno::IO, false);
    assert!(matches!(reader.finish(&delivery).await, Err(ReadError::State(_))));
    assert_eq!(writer.usage().pending_frames, 1);
    reader.finish(&delivery).await.unwrap();
    assert_eq!(writer.usage().pending_frames, 0);
    assert!(matches!(reader.finish(&delivery).await, Err(ReadError::NotOpen)));
}

#[tokio::test]
async fn a_segment_that_cannot_be_unlinked_keeps_counting_and_is_tried_again() {
    let sim = Sim::default();
    let (writer, mut reader, _) = open_sim(&sim);
    for _ in 0..10 {
        append(&writer, "events", &"x".repeat(900)).await.unwrap();
    }
    let before = writer.usage().bytes;
    sim.fail(Op::Remove, 0, Errno::IO, true);
    drain(&writer, &mut reader).await;
    assert_eq!(writer.usage().bytes, before);
    sim.heal();
    append(&writer, "events", "row").await.unwrap();
    drain(&writer, &mut reader).await;
    assert!(writer.usage().bytes < 5000);
    assert_eq!(segments(&sim).len(), 1);
}

#[tokio::test]
async fn a_sector_that_stays_unreadable_is_given_up_after_some_attempts() {
    let sim = Sim::default();
    let (writer, mut reader, _) = open_sim(&sim);
    append(&writer, "events", "row").await.unwrap();
    sim.fail(Op::Read, 1, Errno::IO, true); // The file opens, reading it fails.
    for _ in 0..5 {
        assert!(matches!(reader.next_delivery(&limits()).await, Err(ReadError::Read(_))));
        sim.heal();
        sim.fail(Op::Read, 1, Errno::IO, true);
    }
    let gone = tokio::time::timeout(Duration::from_millis(300), reader.next_delivery(&limits())).await;
    assert!(gone.is_err(), "there is nothing left to deliver");
    sim.heal();
    assert_eq!((writer.usage().lost_frames, writer.usage().pending_frames), (1, 0));
    append(&writer, "events", "after").await.unwrap();
    assert_eq!(drain(&writer, &mut reader).await, ["after"]);
}

//! What requests and the consumer see while the disk works.

use std::time::Instant;

use super::*;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_64_tasks_append_is_all_there_in_few_commits() {
    let sim = Sim::default();
    sim.slow_syncs(Duration::from_millis(2));
    let (writer, mut reader, _) = open_sim(&sim);
    let before = sim.syncs();
    let mut tasks = tokio::task::JoinSet::new();
    for task in 0..64 {
        let writer = writer.clone();
        tasks.spawn(async move {
            for number in 0..10 {
                append(&writer, "events", &format!("{task}/{number}")).await.unwrap();
            }
        });
    }
    tasks.join_all().await;
    assert_eq!(writer.usage().last_sequence, 640);
    assert!(writer.usage().commits < 200 && sim.syncs() - before < 250, "{:?}", writer.usage());
    let all = drain(&writer, &mut reader).await;
    assert_eq!(all.len(), 640);
    for task in 0..64 {
        let mine: Vec<_> = all.iter().filter(|row| row.starts_with(&format!("{task}/"))).collect();
        assert_eq!(
            mine,
            (0..10).map(|number| format!("{task}/{number}")).collect::<Vec<_>>().iter().collect::<Vec<_>>()
        );
    }
}

const DAY: Duration = Duration::from_secs(86_400);

/// Commits so far apart, also while 16 requests wait, of so many callers.
fn pace(apart: Duration, busy_apart: Duration, callers: usize) -> Pace {
    Pace { apart, busy_apart, ..Pace::of_server(move || callers) }
}

fn open_with(pace: Pace) -> (Writer, Reader) {
    let options = Options { pace: Some(pace), ..options() };
    let (writer, reader, _) = open(Path::new(DIR), options, Arc::new(Sim::default())).unwrap();
    (writer, reader)
}

#[tokio::test]
async fn what_comes_until_the_next_commit_may_begin_shares_it() {
    let (writer, _reader) = open_with(pace(Duration::from_secs(2), Duration::ZERO, usize::MAX));
    append(&writer, "events", "at once").await.unwrap();
    let frames = |row| vec![frame("events", &[row])];
    let second = writer.enter(0).append(frames("second"));
    // The second has asked for a commit when the third comes.
    let second = tokio::spawn(second);
    while writer.usage().queued_bytes == 0 {
        tokio::task::yield_now().await;
    }
    tokio::time::sleep(Duration::from_millis(50)).await;
    let third = append(&writer, "events", "third").await.unwrap();
    assert_eq!(second.await.unwrap().unwrap(), third, "one commit for both");
    assert_eq!(writer.usage().commits, 2);
}

#[tokio::test]
async fn a_commit_begins_at_once_when_all_who_can_ask_wait_and_when_sixteen_do() {
    for (callers, many, busy_apart) in [(2, 2, DAY), (4_000, 16, Duration::ZERO), (usize::MAX, 16, Duration::ZERO)] {
        let (writer, _reader) = open_with(pace(2 * DAY, busy_apart, callers));
        append(&writer, "events", "the first").await.unwrap();
        let waiting: tokio::task::JoinSet<_> =
            (0..many).map(|number| writer.enter(0).append(vec![frame("events", &[&number.to_string()])])).collect();
        let answered = tokio::time::timeout(Duration::from_secs(60), waiting.join_all()).await;
        let answered = answered.expect("nobody waits for a day");
        assert!(answered.iter().all(Result::is_ok));
        assert_eq!(writer.usage().commits, 2, "{many} share one");
    }
}

#[tokio::test]
async fn a_delivery_batch_has_one_batch_per_stream_and_ends_at_the_limits() {
    let sim = Sim::default();
    let (writer, mut reader, _) = open_sim(&sim);
    for number in 0..2 {
        let frames = vec![frame("a", &[&format!("a{number}"), "+"]), frame("b", &[&format!("b{number}")])];
        writer.enter(0).append(frames).await.unwrap();
    }
    writer.enter(0).append(vec![frame("a", &["a2", "+"])]).await.unwrap();
    for number in 2..6 {
        append(&writer, "b", &format!("b{number}")).await.unwrap();
    }
    let delivery = next(&mut reader, &DeliveryLimits { max_rows: 5, ..limits() }).await;
    let mut streams: Vec<_> = delivery.batches.iter().map(|batch| (batch.stream.as_str(), batch.rows)).collect();
    streams.sort_unstable();
    assert_eq!(streams, [("a", 4), ("b", 2)]);
    let sorted = |delivery: &DeliveryBatch| {
        let mut rows = rows(delivery);
        rows.sort_unstable();
        rows
    };
    assert_eq!(sorted(&delivery), ["+", "+", "a0", "a1", "b0", "b1"]);
    assert_ne!(delivery.batches[0].token, delivery.batches[1].token);
    assert_ne!(delivery.batches[0].value, delivery.batches[1].value);
    assert_eq!((delivery.first_sequence, delivery.last_sequence, delivery.schema_version), (1, 4, 1));
    reader.finish(&delivery).await.unwrap();
    let delivery = next(&mut reader, &DeliveryLimits { max_batches: 1, ..limits() }).await;
    assert_eq!(rows(&delivery), ["a2", "+"]);
    reader.finish(&delivery).await.unwrap();
    let delivery = next(&mut reader, &DeliveryLimits { max_bytes: 1, ..limits() }).await;
    assert_eq!(rows(&delivery), ["b2"], "a frame beyond the limit makes a delivery of its own");
    reader.finish(&delivery).await.unwrap();
    assert_eq!(drain(&writer, &mut reader).await.len(), 3);
}

#[tokio::test]
async fn a_delivery_batch_ends_with_its_tombstones() {
    let sim = Sim::default();
    let (writer, mut reader, _) = open_sim(&sim);
    let stone = |order: &str| Frame::tombstone(StreamKey::new("events").unwrap(), order.as_bytes().to_vec());
    let frames = vec![frame("a", &["1"]), stone("first"), stone("second"), frame("a", &["2"]), stone("third")];
    writer.enter(0).append(frames).await.unwrap();
    for (expected, orders) in [("1", vec!["first", "second"]), ("2", vec!["third"])] {
        for resumed in [false, true] {
            let delivery = next(&mut reader, &limits()).await;
            assert_eq!((rows(&delivery), delivery.resumed), (vec![expected.to_owned()], resumed));
            let found: Vec<_> = delivery.tombstones.iter().map(|stone| stone.payload.clone()).collect();
            assert_eq!(found, orders.iter().map(|order| order.as_bytes().to_vec()).collect::<Vec<_>>());
            if resumed {
                reader.finish(&delivery).await.unwrap();
            }
        }
    }
}

#[tokio::test]
async fn a_new_schema_begins_a_new_delivery_batch() {
    let sim = Sim::default();
    for schema_version in [1, 2] {
        let options = Options { schema_version, ..options() };
        let (writer, _reader, _) = open(Path::new(DIR), options, Arc::new(sim.clone())).unwrap();
        append(&writer, "events", &schema_version.to_string()).await.unwrap();
    }
    let (_writer, mut reader, recovery) = open_sim(&sim);
    assert_eq!((recovery.segments, recovery.pending_frames), (2, 2));
    for schema_version in [1, 2] {
        let delivery = next(&mut reader, &limits()).await;
        assert_eq!((delivery.schema_version, rows(&delivery)), (schema_version, vec![schema_version.to_string()]));
        reader.finish(&delivery).await.unwrap();
    }
}

#[tokio::test]
async fn what_was_appended_waits_for_its_time_also_after_a_restart_and_not_at_the_end() {
    let sim = Sim::default();
    let linger = Duration::from_millis(400);
    let open = || open(Path::new(DIR), Options { linger, ..options() }, Arc::new(sim.clone())).unwrap();
    {
        let (writer, mut reader, _) = open();
        let since = Instant::now();
        append(&writer, "events", "1").await.unwrap();
        // More rows than a delivery batch holds are no reason to be early.
        let delivery = next(&mut reader, &DeliveryLimits { max_rows: 1, ..limits() }).await;
        assert!(since.elapsed() >= linger, "{:?}", since.elapsed());
        assert_eq!(rows(&delivery), ["1"]);
        reader.finish(&delivery).await.unwrap();
        append(&writer, "events", "2").await.unwrap();
    }
    let since = Instant::now();
    let (writer, mut reader, _) = open();
    let delivery = next(&mut reader, &limits()).await;
    assert!(since.elapsed() >= linger, "{:?}", since.elapsed());
    assert_eq!(rows(&delivery), ["2"]);
    reader.finish(&delivery).await.unwrap();
    drop((writer, reader));
    let ages = Options { linger: Duration::from_secs(3600), ..options() };
    let (writer, mut reader, _) = super::open(Path::new(DIR), ages, Arc::new(sim.clone())).unwrap();
    append(&writer, "events", "3").await.unwrap();
    reader.release_all();
    assert_eq!(rows(&next(&mut reader, &limits()).await), ["3"]);
}

/// One delivery batch after the other has rows of all times, and a restart between two of them changes nothing.
#[tokio::test]
async fn a_crowd_leaves_in_parts_that_are_spread_over_all_of_it() {
    let (mut sim, mut seen, limits) = (Sim::default(), Vec::new(), DeliveryLimits { max_rows: 100, ..limits() });
    let open = |sim: &Sim| open(Path::new(DIR), options_of(true), Arc::new(sim.clone())).unwrap();
    let (mut writer, mut reader, _) = open(&sim);
    let stone = || Frame::tombstone(StreamKey::new("events").unwrap(), b"order".to_vec());
    for number in 0..400 {
        append(&writer, "events", &number.to_string()).await.unwrap();
        if number == 200 {
            writer.enter(0).append(vec![stone()]).await.unwrap();
        }
    }
    while writer.usage().pending_frames > 0 {
        let delivery = next(&mut reader, &limits).await;
        let part: Vec<u32> = rows(&delivery).iter().map(|row| row.parse().unwrap()).collect();
        // A part of the 400 rows has 50, give or take seven. The first half is in it as much as the second.
        assert!(part.len() < 100, "{}", part.len());
        assert!(part.len() < 20 || part.iter().filter(|row| **row < 200).count() < part.len() * 17 / 20, "{part:?}");
        assert_eq!(delivery.of_crowd.len(), 1, "each part knows what is erased");
        reader.finish(&delivery).await.unwrap();
        seen.extend(part);
        assert_eq!(writer.usage().accounting.spooled as usize, 400 - seen.len());
        drop((writer, reader));
        sim = sim.kill();
        (writer, reader, _) = open(&sim);
    }
    seen.sort_unstable();
    assert_eq!(seen, (0..400).collect::<Vec<u32>>());
    assert!(segments(&sim).len() <= 1, "what left is unlinked");
}

/// An erasure of what the store has does not wait for the rows before it, nor does it release them.
#[tokio::test]
async fn tombstones_come_early_and_again_in_their_turn() {
    struct Tomorrow;
    impl Windows for Tomorrow {
        fn now_ms(&self) -> i64 {
            1
        }
        fn around(&self, _: i64) -> (i64, i64) {
            (0, 2)
        }
    }
    let sim = Sim::default();
    let waiting = || Options { windows: Some(Arc::new(Tomorrow)), ..options() };
    let (writer, mut reader, _) = open(Path::new(DIR), waiting(), Arc::new(sim.clone())).unwrap();
    let stone = || Frame::tombstone(StreamKey::new("events").unwrap(), b"order".to_vec());
    writer.enter(0).append(vec![frame("events", &["1"]), stone(), frame("events", &["2"])]).await.unwrap();
    let early = reader.take_early_tombstones().await;
    let shown =
        |early: &[Tombstone]| early.iter().map(|stone| (stone.sequence, stone.payload.clone())).collect::<Vec<_>>();
    assert_eq!(shown(&early), [(2, b"order".to_vec())]);
    assert!(reader.take_early_tombstones().await.is_empty());
    reader.release_all();
    assert!(reader.is_drained(), "nothing may leave");
    let waited = tokio::time::timeout(Duration::from_millis(50), reader.next_delivery(&limits())).await;
    assert!(waited.is_err(), "it releases nothing");
    drop((writer, reader));
    let sim = sim.kill();
    let (writer, reader, _) = open(Path::new(DIR), waiting(), Arc::new(sim.clone())).unwrap();
    assert_eq!(shown(&reader.take_early_tombstones().await), shown(&early), "a restart does not postpone it");
    drop((writer, reader));
    let (_writer, mut reader, _) = open(Path::new(DIR), options_of(true), Arc::new(sim.kill())).unwrap();
    let delivery = next(&mut reader, &limits()).await;
    assert_eq!((rows(&delivery), delivery.tombstones.len()), (vec!["1".to_owned(), "2".to_owned()], 1));
}

#[tokio::test]
async fn who_asks_again_gets_what_was_being_read_and_reading_does_not_begin_anew() {
    let sim = Sim::default();
    let (writer, mut reader, _) = open_sim(&sim);
    append(&writer, "events", "row").await.unwrap();
    sim.slow_syncs(Duration::from_millis(200));
    assert!(tokio::time::timeout(Duration::from_millis(1), reader.next_delivery(&limits())).await.is_err());
    let delivery = next(&mut reader, &limits()).await;
    assert!(!delivery.resumed, "its boundaries were read and written a second time");
    assert_eq!(rows(&delivery), ["row"]);
}

#[tokio::test]
async fn the_watermark_never_passes_what_is_not_settled() {
    let sim = Sim::default();
    {
        let (writer, mut reader, _) = open_sim(&sim);
        assert_eq!(writer.watermark(1000), 1000);
        let slow = writer.enter(1500);
        writer.enter(1600).append(vec![frame("a", &["fast"])]).await.unwrap();
        assert_eq!(writer.watermark(2000), 1500);
        slow.append(vec![frame("a", &["slow"])]).await.unwrap();
        assert_eq!(reader.watermark(2000), 1500);
        assert_eq!(drain(&writer, &mut reader).await, ["fast", "slow"]);
        assert_eq!(writer.watermark(2000), 2000);
        drop(writer.enter(2500));
        assert_eq!(writer.watermark(3000), 3000, "a request that ends without an append holds nothing up");
        assert_eq!(writer.enter(2999).arrived_ms(), 3000);
        assert!(writer.enter(3500).append(vec![]).await.is_err());
        writer.enter(4000).append(vec![frame("a", &["left"])]).await.unwrap();
        next(&mut reader, &limits()).await;
    }
    let (writer, mut reader, _) = open_sim(&sim);
    assert_eq!(writer.watermark(9000), 3000, "what a former process left behind holds it where it was");
    drain(&writer, &mut reader).await;
    assert_eq!(writer.watermark(9000), 9000);
}

#[tokio::test]
async fn an_append_whose_caller_goes_away_still_counts() {
    let sim = Sim::default();
    sim.slow_syncs(Duration::from_millis(30));
    let (writer, mut reader, _) = open_sim(&sim);
    let append = writer.enter(10).append(vec![frame("a", &["row"])]);
    assert!(tokio::time::timeout(Duration::from_millis(5), append).await.is_err());
    assert_eq!(writer.watermark(100), 10);
    assert_eq!(rows(&next(&mut reader, &limits()).await), ["row"]);
}

#[tokio::test]
async fn closing_commits_what_waits_and_ends_the_delivery_batches() {
    let sim = Sim::default();
    let (writer, mut reader, _) = open_sim(&sim);
    let other = writer.clone();
    let waiting = tokio::spawn(async move { append(&other, "events", "row").await });
    tokio::task::yield_now().await;
    writer.close();
    assert!(waiting.await.unwrap().is_ok());
    assert_eq!(append(&writer, "events", "late").await, Err(AppendError::Closed));
    assert!(reader.next_delivery(&limits()).await.unwrap().is_none());
    drop((writer, reader));
    let (writer, mut reader, _) = open_sim(&sim);
    assert_eq!(drain(&writer, &mut reader).await, ["row"]);
}

#[tokio::test]
async fn appends_are_bounded() {
    let sim = Sim::default();
    sim.slow_syncs(Duration::from_millis(50));
    let options = Options { queue_bytes: 1000, ..options() };
    let (writer, _reader, _) = open(Path::new(DIR), options, Arc::new(sim.clone())).unwrap();
    let big = "x".repeat(MAX_APPEND_BYTES);
    assert_eq!(append(&writer, "events", &big).await, Err(AppendError::TooLarge));
    assert_eq!(writer.enter(0).append(vec![]).await, Err(AppendError::Empty));
    let row = "x".repeat(900);
    let (first, second) = tokio::join!(append(&writer, "events", &row), append(&writer, "events", &row));
    assert!(first.is_ok());
    assert_eq!(second, Err(AppendError::Overloaded));
}

#[tokio::test]
async fn a_delivered_segment_does_not_outlive_its_age() {
    let sim = Sim::default();
    let options = Options { segment_age: Duration::from_millis(50), ..options() };
    let (writer, mut reader, _) = open(Path::new(DIR), options, Arc::new(sim.clone())).unwrap();
    append(&writer, "events", "row").await.unwrap();
    drain(&writer, &mut reader).await;
    tokio::time::timeout(Duration::from_secs(3), async {
        while writer.usage().segments > 0 {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    })
    .await
    .expect("it is sealed and unlinked without any further append");
    assert!(segments(&sim).is_empty());
    assert_eq!(append(&writer, "events", "next").await.unwrap().first_sequence, 2);
}

#[test]
fn a_second_instance_is_refused_in_words() {
    let root = tempfile::tempdir().unwrap();
    let at_once = Options { lock_patience: Duration::ZERO, ..Options::new(1 << 20, 1, keys()) };
    let held = open(root.path(), at_once.clone(), Arc::new(Disk)).unwrap();
    let Err(refused) = open(root.path(), at_once.clone(), Arc::new(Disk)) else { panic!("two at once") };
    assert!(refused.to_string().contains("in use by another tamga: stop that one"), "{refused}");
    drop(held);
    open(root.path(), at_once, Arc::new(Disk)).unwrap();
}

#[test]
fn a_lock_that_is_given_back_in_time_is_waited_for() {
    let root = tempfile::tempdir().unwrap();
    let held = hold(root.path(), &Disk).unwrap().unwrap();
    let folder = root.path().to_owned();
    let second = std::thread::spawn(move || open(&folder, Options::new(1 << 20, 1, keys()), Arc::new(Disk)).map(drop));
    std::thread::sleep(Duration::from_millis(200));
    assert!(!second.is_finished());
    drop(held);
    second.join().unwrap().unwrap();
}

/// On the real disk, in whatever build this is: a figure to look at, not a bar.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "measures; run it with --nocapture"]
async fn measure_appends() {
    let root = tempfile::tempdir_in(env!("CARGO_MANIFEST_DIR")).unwrap();
    let (writer, _reader, _) = open(root.path(), Options::new(1 << 30, 1, keys()), Arc::new(Disk)).unwrap();
    let row = "x".repeat(300);
    append(&writer, "events", &row).await.unwrap();
    let mut single: Vec<_> = Vec::new();
    for _ in 0..500 {
        let since = Instant::now();
        append(&writer, "events", &row).await.unwrap();
        single.push(since.elapsed());
    }
    single.sort();
    println!("one task: p50 {:?}, p99 {:?}", single[250], single[495]);
    let (since, commits) = (Instant::now(), writer.usage().commits);
    let mut tasks = tokio::task::JoinSet::new();
    for _ in 0..64 {
        let (writer, row) = (writer.clone(), row.clone());
        tasks.spawn(async move {
            for _ in 0..500 {
                append(&writer, "events", &row).await.unwrap();
            }
        });
    }
    tasks.join_all().await;
    let rate = 32_000.0 / since.elapsed().as_secs_f64();
    println!("64 tasks: {rate:.0} appends/s, {} commits for 32000 appends", writer.usage().commits - commits);
}

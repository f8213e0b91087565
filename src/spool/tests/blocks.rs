//! Frames that share a block: they are damaged together, and places within a block are known.

use rustix::io::Errno;

use super::damage::{scan, with};
use super::sim::Op;
use super::*;

/// Frames of a commit that are encrypted together are lost together, with the rows that they had; those of the blocks before and
/// behind are not.
#[tokio::test]
async fn a_flipped_bit_in_a_commit_of_many_frames_costs_one_block() {
    let sim = Sim::default();
    let options = Options { segment_bytes: 1 << 18, ..options() };
    let (writer, reader, _) = open(Path::new(DIR), options, Arc::new(sim.clone())).unwrap();
    let row = |number: usize| format!("{number:02}{}", "x".repeat(300));
    let frames = (0..40).map(|number| frame(["events", "errors"][number % 2], &[&row(number), &row(number + 40)]));
    writer.enter(0).append(frames.collect()).await.unwrap();
    append(&writer, "events", "behind").await.unwrap();
    drop((writer, reader));
    let sim = sim.kill();
    let path = segments(&sim).remove(0);
    let bytes = sim.contents(&path);
    let all = scan(&bytes).unwrap();
    let (mut blocks, mut at) = (Vec::new(), 1024);
    while let Some(head) = block::Head::parse(&bytes[at..]) {
        blocks.push((at..at + head.length, (head.sequence - 1) as usize..(head.next_sequence() - 1) as usize));
        at += head.length;
    }
    assert!(blocks.len() >= 4 && at == bytes.len() && blocks[0].1.len() > 4, "{blocks:?}");
    for (place, frames) in &blocks[..blocks.len() - 1] {
        // The state, which is written at each opening, says that all was durable.
        let sim = with(&sim, &path, &bytes);
        drop(open_sim(&sim));
        for at in place.clone().step_by(97) {
            let mut flipped = bytes.clone();
            flipped[at] ^= 1;
            let (writer, mut reader, recovery) = open_sim(&with(&sim, &path, &flipped));
            let hit = (frames.len() as u64, 2 * frames.len() as u64);
            assert_eq!((recovery.damaged_frames, recovery.damaged_rows), hit, "byte {at}");
            let mut came = drain(&writer, &mut reader).await;
            let mut left = [&all[..2 * frames.start], &all[2 * frames.end..]].concat();
            // The rows of a stream come together.
            came.sort();
            left.sort();
            assert!(came == left, "byte {at}: {} of {} rows", came.len(), left.len());
            let usage = writer.usage();
            assert_eq!((usage.lost_frames, usage.accounting.settled.lost), hit, "byte {at}");
            assert!(usage.accounting.is_balanced(), "byte {at}: {:?}", usage.accounting);
        }
    }
}

/// However many and small the frames of a damaged block are, the block behind it is found.
#[tokio::test]
async fn behind_a_damaged_block_of_many_small_frames_reading_goes_on() {
    let sim = Sim::default();
    {
        let (writer, _reader, _) = open_sim(&sim);
        writer.enter(0).append((0..200).map(|_| frame("a", &[])).collect()).await.unwrap();
        append(&writer, "events", "behind").await.unwrap();
    }
    let path = segments(&sim).remove(0);
    let mut bytes = sim.contents(&path);
    bytes[1024 + 500] ^= 1;
    let (writer, mut reader, recovery) = open_sim(&with(&sim, &path, &bytes));
    assert_eq!((recovery.damaged_frames, recovery.torn_bytes), (200, 0));
    assert_eq!(drain(&writer, &mut reader).await, ["behind"]);
    assert_eq!(writer.usage().lost_frames, 200);
}

/// A block that was written without the key, with a right checksum, is damage: nothing of it is delivered, and it is counted.
#[tokio::test]
async fn a_block_of_somebody_without_the_key_is_lost_and_counted() {
    let sim = Sim::default();
    {
        let (writer, _reader, _) = open_sim(&sim);
        for row in ["first", "later", "behind"] {
            append(&writer, "events", row).await.unwrap();
        }
    }
    let path = segments(&sim).remove(0);
    let bytes = sim.contents(&path);
    let id = segment::Header::decode(&bytes).unwrap().id;
    let first = frame("events", &["first"]).encoded_len();
    let mut forged = Vec::new();
    let other = Encoder::new(&Keys::new(Secret::new([8; 32]), []), id).0;
    let place = block::Place { sequence: 2, position: 0, rows_before: 1 };
    other.block(&[frame("events", &["faked"])], place, &mut forged);
    let forged = [&bytes[..1024 + first], &forged, &bytes[1024 + first + forged.len()..]].concat();
    let (writer, mut reader, _) = open_sim(&with(&sim, &path, &forged));
    assert_eq!(drain(&writer, &mut reader).await, ["first", "behind"]);
    let usage = writer.usage();
    assert_eq!((usage.lost_frames, usage.accounting.settled.lost, usage.quarantined_files), (1, 1, 1));
}

/// More than a crowd may be leaves as several, one after the other.
#[tokio::test]
async fn a_large_window_leaves_as_several_crowds() {
    let sim = Sim::default();
    let options = Options { largest_crowd_bytes: 2_100, ..options_of(true) };
    let (writer, mut reader, _) = open(Path::new(DIR), options, Arc::new(sim.clone())).unwrap();
    let row = |number: usize| format!("{number:03}{}", "x".repeat(100));
    for number in 0..60 {
        append(&writer, "events", &row(number)).await.unwrap();
    }
    let limits = DeliveryLimits { max_rows: 8, ..limits() };
    let mut all = Vec::new();
    while writer.usage().pending_frames > 0 {
        let delivery = next(&mut reader, &limits).await;
        all.extend(rows(&delivery));
        reader.finish(&delivery).await.unwrap();
    }
    let sorted: Vec<_> = (0..60).map(row).collect();
    assert_ne!(all, sorted, "each in a random order");
    // Sixteen frames of 126 bytes are a crowd.
    for (crowd, expected) in all.chunks_mut(16).zip(sorted.chunks(16)) {
        crowd.sort_unstable();
        assert_eq!(crowd, expected);
    }
}

/// A file whose header is damaged may have used as many sequences as its smallest frames would be.
#[tokio::test]
async fn sequences_of_a_file_that_is_not_understood_are_not_used_again() {
    let sim = Sim::default();
    let (writer, reader, _) = open_sim(&sim);
    writer.enter(0).append((0..200).map(|_| frame("a", &[])).collect()).await.unwrap();
    drop((writer, reader));
    let path = segments(&sim).remove(0);
    let mut bytes = sim.contents(&path);
    bytes[..1024].fill(0x55);
    let sim = with(&sim, &path, &bytes);
    [0, 1].iter().for_each(|slot| sim.unplant(&Path::new(DIR).join(format!("state-{slot}"))));
    [0, 1].iter().for_each(|slot| sim.unplant(&Path::new(DIR).join(format!("copy/state-{slot}"))));
    let (writer, _reader, recovery) = open_sim(&sim);
    assert_eq!(recovery.quarantined, 1);
    assert!(append(&writer, "events", "next").await.unwrap().first_sequence > 200);
}

/// The state knows only where its delivery batch ends, in the middle of a block: the rows behind are counted.
#[tokio::test]
async fn rows_behind_a_place_within_a_block_are_counted() {
    let sim = Sim::default();
    {
        let (writer, _reader, _) = open_sim(&sim);
        append(&writer, "events", "first").await.unwrap();
        let frames = [frame("events", &["a", "b"]), frame("events", &["c", "d"]), frame("events", &["e"])];
        writer.enter(0).append(frames.into()).await.unwrap();
    }
    let sim = sim.kill();
    // After the two of the state, the sync of what is there fails. So no state says that it is durable.
    sim.fail(Op::Sync, 2, Errno::IO, false);
    {
        let (writer, mut reader, recovery) = open_sim(&sim);
        assert!(recovery.unsynced && recovery.pending_rows == 6, "{recovery:?}");
        let delivery = next(&mut reader, &DeliveryLimits { max_rows: 3, ..limits() }).await;
        assert_eq!((delivery.last_sequence, writer.usage().last_sequence), (2, 4));
    }
    let (writer, mut reader, recovery) = open_sim(&sim.kill());
    assert_eq!((recovery.pending_rows, recovery.damaged_rows), (6, 0));
    assert_eq!(drain(&writer, &mut reader).await.len(), 6);
    let accounting = writer.usage().accounting;
    assert!(accounting.is_balanced() && accounting.settled.lost == 0, "{accounting:?}");
}

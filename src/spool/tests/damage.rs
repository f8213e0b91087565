//! Bits that flip, files that are cut, moved, copied or gone: at most what was hit is lost, and it is counted.

use super::super::io::Io;
use super::super::segment::{Found, Header, Scan};
use super::*;

/// A spool with this many frames, each in a commit of its own, all in one segment.
async fn written(frames: usize, filler: usize) -> (Sim, PathBuf, Vec<String>) {
    let sim = Sim::default();
    let options = Options { segment_bytes: 1 << 18, ..options() };
    let (writer, _reader, _) = open(Path::new(DIR), options, Arc::new(sim.clone())).unwrap();
    let mut all = Vec::new();
    for number in 0..frames {
        let row = format!("{number:04}{}", "x".repeat(filler));
        append(&writer, "events", &row).await.unwrap();
        all.push(row);
    }
    writer.close();
    let sim = sim.kill();
    let path = segments(&sim).remove(0);
    (sim, path, all)
}

/// The same spool with other bytes in its segment.
fn with(sim: &Sim, path: &Path, bytes: &[u8]) -> Sim {
    let sim = sim.kill();
    sim.plant(path, bytes);
    sim
}

/// Opens the spool and delivers everything. Returns the rows, the number of lost frames, and the recovery.
async fn delivered(sim: &Sim) -> (Vec<String>, u64, Recovery) {
    let (writer, mut reader, recovery) = open_sim(sim);
    let rows = drain(&writer, &mut reader).await;
    (rows, writer.usage().lost_frames, recovery)
}

/// What a scan finds in a segment of these bytes; `None` when its header is gone.
fn scan(bytes: &[u8]) -> Option<Vec<String>> {
    let sim = Sim::default();
    sim.plant(Path::new("/x"), bytes);
    let mut scan = Scan::new(sim.open(Path::new("/x")).unwrap(), Header::decode(bytes)?, bytes.len() as u64);
    let mut rows = Vec::new();
    loop {
        match scan.next().unwrap() {
            Found::Frame(frame, _) => {
                rows.extend(Rows(&frame.payload).map(|row| String::from_utf8(row.to_vec()).unwrap()));
            }
            Found::End { .. } => return Some(rows),
            Found::Void | Found::Gap { .. } => {}
        }
    }
}

#[tokio::test]
async fn a_file_cut_anywhere_keeps_what_lies_before_the_cut() {
    let (sim, path, all) = written(20, 200).await;
    let bytes = sim.contents(&path);
    let frame_length = (bytes.len() - 1024) / all.len();
    for cut in bytes.len() - 4096..=bytes.len() {
        let whole = (cut - 1024) / frame_length;
        assert_eq!(scan(&bytes[..cut]).unwrap(), all[..whole]);
        if cut % 61 == 0 {
            let (rows, lost, recovery) = delivered(&with(&sim, &path, &bytes[..cut])).await;
            assert_eq!((rows.as_slice(), lost), (&all[..whole], 0));
            let torn = ((cut - 1024) % frame_length) as u64;
            assert!(
                recovery.torn_bytes <= torn && (recovery.torn_bytes > 0) == (torn > 0),
                "zeros at the end are nothing"
            );
        }
    }
}

#[tokio::test]
async fn a_flipped_bit_costs_at_most_its_frame() {
    let (sim, path, all) = written(12, 20).await;
    let bytes = sim.contents(&path);
    for at in 0..bytes.len() {
        for bit in 0..8 {
            let mut flipped = bytes.clone();
            flipped[at] ^= 1 << bit;
            let rows = scan(&flipped).expect("the other copy of the header is whole");
            assert!(rows.len() >= all.len() - usize::from(at >= 1024), "byte {at}, bit {bit}");
            assert!(rows.iter().all(|row| all.contains(row)), "byte {at}, bit {bit}: a wrong payload");
            if (at * 8 + bit) % 101 == 0 {
                let (delivered, lost, recovery) = delivered(&with(&sim, &path, &flipped)).await;
                assert_eq!(delivered, rows);
                let reported = lost + u64::from(recovery.torn_bytes > 0);
                assert_eq!(reported, (all.len() - rows.len()) as u64, "byte {at}, bit {bit}");
            }
        }
    }
}

/// A sample of what the exhaustive run tries.
#[test]
fn cuts_and_flips_in_a_64_kib_segment_cost_at_most_a_frame() {
    cut_and_flip(389, 3989);
}

/// `cargo test --lib spool -- --ignored`
#[test]
#[ignore = "long: half a million spools are opened and emptied"]
fn every_cut_and_every_flip_in_a_64_kib_segment_costs_at_most_a_frame() {
    cut_and_flip(1, 1);
}

/// Opens and empties a spool whose one segment was cut at each `cuts`-th byte of its last 4 KiB, and whose each
/// `flips`-th bit was flipped.
fn cut_and_flip(cuts: usize, flips: usize) {
    let runtime = || tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let begun = Instant::now();
    let (sim, path, all) = runtime().block_on(written(277, 195));
    let bytes = sim.contents(&path);
    let frame_length = (bytes.len() - 1024) / all.len();
    assert!(bytes.len() >= 64 << 10);
    for cut in (bytes.len() - 4096..=bytes.len()).step_by(cuts) {
        let (rows, lost, _) = runtime().block_on(delivered(&with(&sim, &path, &bytes[..cut])));
        assert_eq!((rows.as_slice(), lost), (&all[..(cut - 1024) / frame_length], 0), "cut at {cut}");
    }
    let next = std::sync::atomic::AtomicUsize::new(0);
    let threads = std::thread::available_parallelism().map_or(1, usize::from);
    std::thread::scope(|scope| {
        for _ in 0..threads {
            scope.spawn(|| {
                let runtime = runtime();
                loop {
                    let bit = next.fetch_add(flips, std::sync::atomic::Ordering::Relaxed);
                    let (at, bit) = (bit / 8, bit % 8);
                    if at >= bytes.len() {
                        return;
                    }
                    let mut flipped = bytes.clone();
                    flipped[at] ^= 1 << bit;
                    let (rows, lost, recovery) = runtime.block_on(delivered(&with(&sim, &path, &flipped)));
                    let hit = at.checked_sub(1024).map(|at| at / frame_length);
                    let expected: Vec<_> =
                        all.iter().enumerate().filter(|(index, _)| Some(*index) != hit).map(|(_, row)| row).collect();
                    assert!(rows.iter().eq(expected), "byte {at}, bit {bit}: more than one frame, or a wrong payload");
                    let reported = lost + u64::from(recovery.torn_bytes > 0);
                    assert_eq!(reported, u64::from(hit.is_some()), "byte {at}, bit {bit}");
                }
            });
        }
    });
    println!(
        "FIGURES {} cuts and {} flips over {} frames: each cost its one frame at most, counted; 0 wrong payloads; {:.1} s",
        4097_usize.div_ceil(cuts),
        (bytes.len() * 8).div_ceil(flips),
        all.len(),
        begun.elapsed().as_secs_f64()
    );
}

#[tokio::test]
async fn damaged_bytes_are_kept_and_counted_once() {
    let (sim, path, all) = written(10, 50).await;
    let mut bytes = sim.contents(&path);
    let frame_length = (bytes.len() - 1024) / 10;
    let range = 1024 + 3 * frame_length..1024 + 5 * frame_length;
    bytes[range.clone()].fill(0xee);
    let sim = with(&sim, &path, &bytes);
    {
        let (writer, mut reader, _) = open_sim(&sim);
        for _ in 0..3 {
            let delivery = next(&mut reader, &limits()).await;
            assert_eq!(rows(&delivery), [&all[..3], &all[5..]].concat());
        }
        let usage = writer.usage();
        assert_eq!((usage.lost_frames, usage.damaged_bytes), (2, range.len() as u64));
        assert_eq!((usage.quarantined_files, usage.quarantined_bytes), (1, range.len() as u64));
    }
    let kept = sim.names(&Path::new(DIR).join(QUARANTINE)).remove(0);
    assert_eq!(sim.contents(&kept), bytes[range]);
    let sim = sim.kill();
    let (writer, mut reader, recovery) = open_sim(&sim);
    assert!(recovery.resumes_delivery);
    assert_eq!(drain(&writer, &mut reader).await.len(), 8);
    assert_eq!(writer.usage().quarantined_files, 1);
}

#[tokio::test]
async fn a_resumed_delivery_batch_says_what_damage_took_from_it() {
    let (sim, path, _) = written(5, 50).await;
    let before = {
        let (_writer, mut reader, _) = open_sim(&sim);
        next(&mut reader, &limits()).await
    };
    let mut bytes = sim.contents(&path);
    let length = bytes.len();
    bytes[length - 10] ^= 1;
    bytes[1024 + 10] ^= 1;
    let (writer, mut reader, _) = open_sim(&with(&sim, &path, &bytes));
    let delivery = next(&mut reader, &limits()).await;
    let batch = &delivery.batches[0];
    assert!(delivery.resumed);
    assert_eq!((batch.value, &batch.token), (before.batches[0].value, &before.batches[0].token));
    assert_eq!((batch.rows, batch.lost_rows, batch.iter().count()), (5, 2, 3));
    reader.finish(&delivery).await.unwrap();
    let usage = writer.usage();
    assert_eq!((usage.pending_frames, usage.quarantined_files), (0, 2));
}

#[tokio::test]
async fn a_file_that_is_not_understood_is_set_aside() {
    let (sim, path, all) = written(4, 10).await;
    let sim = with(&sim, &path, &sim.contents(&path));
    sim.plant(&Path::new(DIR).join("00000000000000000900.seg"), &[7; 3000]);
    sim.plant(&Path::new(DIR).join("00000000000000000901.seg"), &[0; 3000]);
    sim.plant(&Path::new(DIR).join("00000000000000000000.seg"), &sim.contents(&path));
    let (writer, mut reader, recovery) = open_sim(&sim);
    assert_eq!((recovery.quarantined, recovery.pending_frames), (2, 4));
    assert_eq!(drain(&writer, &mut reader).await, all);
    assert_eq!(writer.usage().quarantined_files, 2);
    let appended = append(&writer, "events", "next").await.unwrap();
    assert!(appended.first_sequence > 900, "what the file may have used is not used again");
}

#[tokio::test]
async fn a_renamed_segment_is_read_and_a_missing_one_is_counted() {
    let sim = Sim::default();
    let mut all = Vec::new();
    {
        let (writer, _reader, _) = open_sim(&sim);
        for number in 0..30 {
            let row = format!("{number:04}{}", "x".repeat(500));
            append(&writer, "events", &row).await.unwrap();
            all.push(row);
        }
    }
    let paths = segments(&sim);
    assert!(paths.len() > 3);
    let (first, second) = (sim.contents(&paths[0]), sim.contents(&paths[1]));
    let gone = scan(&second).unwrap();
    sim.unplant(&paths[0]);
    sim.unplant(&paths[1]);
    sim.plant(&Path::new(DIR).join("00000000000000000777.seg"), &first);
    let (rows, lost, _) = delivered(&sim).await;
    all.retain(|row| !gone.contains(row));
    assert_eq!((rows, lost), (all, gone.len() as u64));
}

#[tokio::test]
async fn one_state_file_suffices_and_without_any_delivery_begins_again() {
    let (sim, _, all) = written(6, 10).await;
    let two = DeliveryLimits { max_rows: 2, ..limits() };
    let open_delivery = {
        let (_writer, mut reader, _) = open_sim(&sim);
        let delivery = next(&mut reader, &two).await;
        reader.finish(&delivery).await.unwrap();
        next(&mut reader, &two).await
    };
    let states = [0, 1].map(|number| Path::new(DIR).join(format!("state-{number}")));
    for damaged in &states {
        let sim = with(&sim, damaged, b"noise");
        let (_writer, mut reader, recovery) = open_sim(&sim);
        assert!(!recovery.state_lost);
        let delivery = next(&mut reader, &two).await;
        // The newer file holds the open delivery batch; without it, the cursor of the older one still stands.
        assert_eq!((delivery.first_sequence, rows(&delivery)), (open_delivery.first_sequence, all[2..4].to_vec()));
    }
    let sim = with(&with(&sim, &states[0], b""), &states[1], b"noise");
    let (writer, mut reader, recovery) = open_sim(&sim);
    assert!(recovery.state_lost);
    assert_eq!(drain(&writer, &mut reader).await, all);
}

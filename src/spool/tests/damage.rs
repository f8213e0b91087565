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
pub(super) fn with(sim: &Sim, path: &Path, bytes: &[u8]) -> Sim {
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
pub(super) fn scan(bytes: &[u8]) -> Option<Vec<String>> {
    let sim = Sim::default();
    sim.plant(Path::new("/x"), bytes);
    let mut scan = Scan::new(sim.open(Path::new("/x")).unwrap(), Header::decode(bytes)?, bytes.len() as u64);
    let header = Header::decode(bytes)?;
    scan.cipher = keys().find(&header.id, header.key_check);
    let mut rows = Vec::new();
    loop {
        match scan.next().unwrap() {
            Found::Frame(frame) => {
                rows.extend(Rows(&frame.payload).map(|row| String::from_utf8(row.to_vec()).unwrap()));
            }
            Found::End { .. } => return Some(rows),
            Found::Block(_) | Found::Void | Found::Gap { .. } => {}
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
                    let bit = next.fetch_add(flips, Ordering::Relaxed);
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

/// The state's files and their copies.
fn states() -> Vec<PathBuf> {
    ["state-0", "state-1", "copy/state-0", "copy/state-1"].map(|name| Path::new(DIR).join(name)).to_vec()
}

#[tokio::test]
async fn an_open_delivery_batch_comes_again_while_one_of_its_files_is_whole() {
    let (sim, _, all) = written(6, 10).await;
    let two = DeliveryLimits { max_rows: 2, ..limits() };
    let before = {
        let (_writer, mut reader, _) = open_sim(&sim);
        let delivery = next(&mut reader, &two).await;
        reader.finish(&delivery).await.unwrap();
        next(&mut reader, &two).await
    };
    let states = states();
    for damaged in [&states[..1], &states[1..2], &states[2..3], &states[3..], &states[..2], &states[2..]] {
        let sim = sim.kill();
        damaged.iter().for_each(|path| sim.plant(path, b"noise"));
        let (_writer, mut reader, recovery) = open_sim(&sim);
        assert!(!recovery.state_lost && recovery.resumes_delivery, "{damaged:?}");
        assert!(recovery.state_from_copy || damaged != &states[..2], "it is said");
        let delivery = next(&mut reader, &two).await;
        assert_eq!((delivery.first_sequence, rows(&delivery)), (before.first_sequence, all[2..4].to_vec()));
        assert_eq!((delivery.resumed, delivery.batches[0].value), (true, before.batches[0].value), "{damaged:?}");
    }
    for path in &states[..2] {
        sim.unplant(path);
    }
    let (writer, mut reader, recovery) = open_sim(&sim.kill());
    assert!(recovery.state_from_copy, "files that are gone are as files that are damaged");
    assert_eq!(drain(&writer, &mut reader).await, all[2..]);
}

#[tokio::test]
async fn without_any_state_delivery_begins_again_and_says_so() {
    let (sim, _, all) = written(6, 10).await;
    {
        let (_writer, mut reader, _) = open_sim(&sim);
        let delivery = next(&mut reader, &DeliveryLimits { max_rows: 2, ..limits() }).await;
        reader.finish(&delivery).await.unwrap();
    }
    let sim = sim.kill();
    states().iter().for_each(|path| sim.unplant(path));
    let (writer, mut reader, recovery) = open_sim(&sim);
    assert!(recovery.state_lost && writer.usage().state_lost);
    assert_eq!(reader.watermark(1_000), 0, "a lease can say this time");
    assert_eq!(drain(&writer, &mut reader).await, all);
    assert_eq!(reader.watermark(1_000), 1_000);
}

/// A spool of ten frames of one, two, … ten rows, of which the first was delivered and the second is under way; killed.
async fn under_way() -> (Sim, PathBuf, Vec<Vec<String>>) {
    let sim = Sim::default();
    let options = Options { segment_bytes: 1 << 18, ..options() };
    let (writer, mut reader, _) = open(Path::new(DIR), options, Arc::new(sim.clone())).unwrap();
    let mut all = Vec::new();
    for number in 0..10 {
        let names: Vec<_> = (0..=number).map(|row| format!("{number}/{row}")).collect();
        let names: Vec<_> = names.iter().map(String::as_str).collect();
        writer.enter(0).append(vec![frame("events", &names)]).await.unwrap();
        all.push(names.into_iter().map(str::to_owned).collect());
    }
    let one = DeliveryLimits { max_bytes: 1, ..limits() };
    let delivery = next(&mut reader, &one).await;
    reader.finish(&delivery).await.unwrap();
    next(&mut reader, &one).await;
    drop(reader);
    (sim.kill(), segments(&sim).remove(0), all)
}

/// Whatever frames of the newest segment are damaged: opening counts those that were not delivered, with their rows, and
/// delivery counts them as lost. The state says that the last ones were durable too.
#[tokio::test]
async fn rows_that_damage_took_from_the_newest_segment_are_counted_at_the_opening() {
    let (sim, path, all) = under_way().await;
    let bytes = sim.contents(&path);
    let length = |number: usize| frame("events", &vec!["0/0"; number + 1]).encoded_len();
    let start = |number: usize| 1024 + (0..number).map(length).sum::<usize>();
    assert_eq!(bytes[start(9) + 8], 10, "the tenth frame begins there");
    for first in 0..10 {
        for last in first..10 {
            let mut damaged = bytes.clone();
            let end = if last == 9 { start(9) + 40 } else { start(last + 1) };
            damaged[start(first)..end].fill(0x55);
            let hit = first.max(1)..(last + 1).max(1);
            let lost: u64 = hit.clone().map(|number| number as u64 + 1).sum();
            let (writer, mut reader, recovery) = open_sim(&with(&sim, &path, &damaged));
            assert_eq!((recovery.damaged_frames, recovery.damaged_rows), (hit.len() as u64, lost), "{first} to {last}");
            assert_eq!((recovery.pending_rows, recovery.torn_bytes), (54, 0), "{first} to {last}");
            let rows = drain(&writer, &mut reader).await;
            let expected: Vec<_> =
                (1..10).filter(|number| !hit.contains(number)).flat_map(|number| &all[number]).collect();
            assert!(rows.iter().eq(expected), "{first} to {last}: {rows:?}");
            let accounting = writer.usage().accounting;
            assert!(accounting.is_balanced() && accounting.spooled == 0, "{first} to {last}: {accounting:?}");
            assert_eq!((accounting.found, accounting.settled.lost), (54, lost), "{first} to {last}");
        }
    }
}

/// A file that is gone, or cut, is no torn commit either.
#[tokio::test]
async fn rows_of_a_file_that_is_gone_or_cut_are_counted() {
    for cut in [true, false] {
        let (sim, path, _) = under_way().await;
        let kept = sim.contents(&path)[..1024].to_vec();
        let sim = sim.kill();
        if cut {
            sim.plant(&path, &kept);
        } else {
            sim.unplant(&path);
        }
        let (writer, mut reader, recovery) = open_sim(&sim);
        assert_eq!((recovery.damaged_frames, recovery.damaged_rows), (9, 54));
        while !reader.is_drained() {
            if let Ok(delivery) =
                tokio::time::timeout(Duration::from_millis(300), reader.next_delivery(&limits())).await
            {
                reader.finish(&delivery.unwrap().unwrap()).await.unwrap();
            }
        }
        let usage = writer.usage();
        assert_eq!((usage.accounting.settled.lost, usage.accounting.spooled, usage.lost_frames), (54, 0, 9));
        assert_eq!(append(&writer, "events", "next").await.unwrap().first_sequence, 11);
    }
}

/// The vault is away, so no state was written since the rows came. The whole frames behind the damage say how many are gone.
#[tokio::test]
async fn rows_that_damage_took_are_counted_also_while_no_state_says_that_they_were_durable() {
    let sim = Sim::default();
    let options = Options { segment_bytes: 1 << 18, ..options() };
    let (writer, _reader, _) = open(Path::new(DIR), options, Arc::new(sim.clone())).unwrap();
    for number in 0..10 {
        writer.enter(0).append(vec![frame("events", &vec!["row"; number + 1])]).await.unwrap();
    }
    drop((writer, _reader));
    let path = segments(&sim).remove(0);
    let bytes = sim.contents(&path);
    let length = |number: usize| frame("events", &vec!["row"; number + 1]).encoded_len();
    let start = |number: usize| 1024 + (0..number).map(length).sum::<usize>();
    for first in 0..9 {
        for last in first..9 {
            let mut damaged = bytes.clone();
            damaged[start(first)..start(last + 1)].fill(0x55);
            let lost: u64 = (first..=last).map(|number| number as u64 + 1).sum();
            let (writer, mut reader, recovery) = open_sim(&with(&sim, &path, &damaged));
            assert_eq!(
                (recovery.damaged_frames, recovery.damaged_rows, recovery.pending_rows),
                ((last - first + 1) as u64, lost, 55),
                "{first} to {last}"
            );
            assert_eq!(drain(&writer, &mut reader).await.len() as u64, 55 - lost, "{first} to {last}");
            let accounting = writer.usage().accounting;
            assert!(accounting.is_balanced() && accounting.spooled == 0, "{first} to {last}: {accounting:?}");
            assert_eq!((accounting.found, accounting.settled.lost), (55, lost), "{first} to {last}");
        }
    }
}

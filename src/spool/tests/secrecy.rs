//! A copy of the folder shows nothing without the key, and the wrong key loses nothing.

use super::*;

const CANARY: &str = "canary";

fn with_keys(sim: &Sim, keys: Keys) -> (Writer, Reader, Recovery) {
    open(Path::new(DIR), Options { keys, ..options() }, Arc::new(sim.clone())).unwrap()
}

fn key(byte: u8) -> Secret {
    Secret::new([byte; 32])
}

/// Rows, an erasure, an open delivery batch, a damaged frame in quarantine and a whole segment there: a copy of that shows no
/// row, also when it is opened. With the key all rows that are whole are there.
#[tokio::test]
async fn a_copied_folder_has_no_row_without_the_key() {
    let sim = Sim::default();
    let mut all = Vec::new();
    {
        let (writer, mut reader, _) = open_sim(&sim);
        for number in 0..40 {
            let row = format!("{CANARY} {number:03} {}", "x".repeat(300));
            append(&writer, "events", &row).await.unwrap();
            all.push(row);
        }
        let erasure = Frame::tombstone(StreamKey::new("events").unwrap(), CANARY.as_bytes().to_vec());
        writer.enter(0).append(vec![erasure]).await.unwrap();
        next(&mut reader, &DeliveryLimits { max_rows: 2, ..limits() }).await;
    }
    let sim = sim.kill();
    let second = segments(&sim).remove(1);
    let mut bytes = sim.contents(&second);
    bytes[1024 + 100] ^= 1;
    sim.plant(&second, &bytes);
    let mut unknown = sim.contents(&segments(&sim)[2]);
    unknown[..1024].fill(7);
    sim.plant(&Path::new(DIR).join("00000000000000000777.seg"), &unknown);
    {
        let (_writer, mut reader, recovery) = open_sim(&sim);
        assert_eq!(recovery.quarantined, 1);
        // The first batch is the open one. Behind it delivery comes to the damage, and copies it.
        let delivery = next(&mut reader, &limits()).await;
        reader.finish(&delivery).await.unwrap();
        let delivery = next(&mut reader, &limits()).await;
        assert_eq!(rows(&delivery).len(), 37);
    }
    let files = sim.names(Path::new(DIR));
    assert!(files.iter().filter(|path| path.starts_with(Path::new(DIR).join(QUARANTINE))).count() >= 2, "{files:?}");
    for path in &files {
        let found = sim.contents(path).windows(CANARY.len()).any(|window| window == CANARY.as_bytes());
        assert!(!found, "{path:?} shows a row");
    }
    let copy = sim.kill();
    let (_writer, mut reader, recovery) = with_keys(&copy, Keys::new(key(8), []));
    assert!(recovery.locked_segments > 0);
    for _ in 0..10 {
        assert!(matches!(reader.next_delivery(&limits()).await, Err(ReadError::Key)), "no row without the key");
    }
    let (writer, mut reader, _) = open_sim(&sim.kill());
    let mut found = all[..2].to_vec();
    found.extend(drain(&writer, &mut reader).await);
    assert_eq!(found.len(), 39, "one was damaged");
    assert!(found.iter().all(|row| all.contains(row)));
}

/// The key was lost, and a new one made: rows are taken, those that wait are kept, and all come once the former key is back.
#[tokio::test]
async fn a_wrong_key_loses_nothing() {
    let sim = Sim::default();
    let mut all = Vec::new();
    {
        let (writer, _reader, _) = open_sim(&sim);
        for number in 0..20 {
            append(&writer, "events", &format!("{number} {}", "x".repeat(400))).await.unwrap();
            all.push(format!("{number} {}", "x".repeat(400)));
        }
    }
    let before = segments(&sim);
    assert!(before.len() > 2);
    let sim = sim.kill();
    {
        let (writer, mut reader, recovery) = with_keys(&sim, Keys::new(key(8), []));
        assert_eq!(recovery.locked_segments, before.len() as u64);
        assert!(matches!(reader.next_delivery(&limits()).await, Err(ReadError::Key)));
        append(&writer, "events", "later").await.unwrap();
        all.push("later".to_owned());
        let usage = writer.usage();
        assert_eq!((usage.locked_segments, usage.pending_frames, usage.lost_frames), (before.len() as u64, 21, 0));
        assert!(before.iter().all(|path| segments(&sim).contains(path)), "what waits is kept");
    }
    let (writer, mut reader, recovery) = with_keys(&sim.kill(), Keys::new(key(8), [key(7)]));
    assert_eq!(recovery.locked_segments, 0);
    assert_eq!(drain(&writer, &mut reader).await, all);
    assert_eq!(writer.usage().lost_frames, 0);
}

/// The same row is never the same bytes: not in another block, not in another segment.
#[tokio::test]
async fn equal_rows_are_not_equal_on_the_disk() {
    let sim = Sim::default();
    let row = "x".repeat(64);
    {
        let (writer, _reader, _) = open_sim(&sim);
        for _ in 0..100 {
            append(&writer, "events", &row).await.unwrap();
        }
    }
    let paths = segments(&sim);
    assert!(paths.len() > 1);
    let length = frame("events", &[&row]).encoded_len();
    let payload = block::HEADER + 1 + "events".len()..length;
    let mut seen = std::collections::HashSet::new();
    for path in paths {
        for block in sim.contents(&path)[1024..].chunks_exact(length) {
            seen.insert(block[payload.clone()].to_vec());
        }
    }
    assert_eq!(seen.len(), 100);
}

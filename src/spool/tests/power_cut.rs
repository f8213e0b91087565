//! Power cuts and kills at any operation, on disks that now and then fail or are full, with a consumer that counts
//! before it believes: what was acknowledged is stored exactly once, what was not at most once, in order, and nothing
//! is mistaken for damage.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use super::sim::{Op, Rng};
use super::*;

/// How many seeds the ordinary run tries.
const SEEDS: u64 = 1_000;

#[test]
fn acknowledged_is_stored_exactly_once() {
    simulate(0..SEEDS);
}

/// `TAMGA_SPOOL_SEEDS=100000 cargo test --lib spool -- --ignored`
#[test]
#[ignore = "long; the number of seeds comes from the environment"]
fn acknowledged_is_stored_exactly_once_over_many_seeds() {
    let seeds = std::env::var("TAMGA_SPOOL_SEEDS").ok().and_then(|seeds| seeds.parse().ok()).unwrap_or(10_000);
    simulate(SEEDS..SEEDS + seeds);
}

fn simulate(seeds: std::ops::Range<u64>) {
    let count = seeds.end - seeds.start;
    let seconds = live(seeds, one_life);
    println!("FIGURES {count} seeds, each 3 to 7 lives; 0 acknowledged lost, 0 stored twice, 0 panics; {seconds:.1} s");
}

/// What a killed process left in the page cache looks like what is on the disk, until the power goes.
#[tokio::test]
async fn a_kill_at_any_moment_and_a_power_cut_later_lose_nothing() {
    for operations in 0..60 {
        let sim = Sim::default();
        sim.die_after(operations);
        if let Ok((writer, mut reader, _)) = open(Path::new(DIR), options(), Arc::new(sim.clone())) {
            let _ = append(&writer, "events", "unanswered").await;
            let _ = tokio::time::timeout(Duration::from_millis(20), reader.next_delivery(&limits())).await;
        }
        let sim = sim.kill();
        let mut deliveries = 0;
        {
            let (writer, mut reader, _) = open_sim(&sim);
            for row in ["first", "second", "third"] {
                append(&writer, "events", row).await.unwrap();
                let delivery = next(&mut reader, &limits()).await;
                deliveries = delivery.last_sequence;
                if row != "third" {
                    reader.finish(&delivery).await.unwrap();
                }
            }
        }
        let sim = sim.power_cut_sparing(0, &mut Rng::new(1));
        let (writer, mut reader, recovery) = open_sim(&sim);
        assert!(!recovery.state_lost && recovery.resumes_delivery, "after {operations} operations");
        let delivery = next(&mut reader, &limits()).await;
        assert_eq!((delivery.last_sequence, rows(&delivery).pop()), (deliveries, Some("third".to_owned())));
        assert_eq!(writer.usage().lost_frames, 0);
    }
}

/// The name of a replaced state file may be in the page cache only; it must not be built upon.
#[tokio::test]
async fn a_state_file_whose_name_was_not_synced_is_not_relied_upon() {
    let sim = Sim::default();
    {
        let (writer, mut reader, _) = open_sim(&sim);
        append(&writer, "events", "first").await.unwrap();
        sim.fail(Op::Sync, 0, rustix::io::Errno::IO, false);
        assert!(reader.next_delivery(&limits()).await.is_err(), "the state file is given up");
        sim.fail(Op::SyncDir, 0, rustix::io::Errno::IO, false);
        assert!(reader.next_delivery(&limits()).await.is_err(), "the new one has no durable name");
    }
    let sim = sim.kill();
    let (_writer, mut reader, _) = open_sim(&sim);
    let delivery = next(&mut reader, &limits()).await;
    reader.finish(&delivery).await.unwrap();
    let sim = sim.power_cut_sparing(0, &mut Rng::new(1));
    assert_eq!(open_sim(&sim).2.pending_frames, 0);
}

/// A finished delivery batch whose cursor is in the page cache only, a kill, and a power cut while the next process
/// saves its state: then neither of the two newest states may reach the disk, and the one before them knows nothing of
/// the delivery batch.
#[tokio::test]
async fn a_state_that_was_not_synced_is_not_built_upon() {
    for seed in 0..300 {
        let mut rng = Rng::new(seed);
        let sim = Sim::default();
        let value = {
            let (writer, mut reader, _) = open_sim(&sim);
            append(&writer, "events", "first").await.unwrap();
            let delivery = next(&mut reader, &limits()).await;
            reader.finish(&delivery).await.unwrap();
            append(&writer, "events", "second").await.unwrap();
            let delivery = next(&mut reader, &limits()).await;
            sim.die_after(1); // It is written, and never synced.
            assert!(reader.finish(&delivery).await.is_err());
            delivery.batches[0].value
        };
        let sim = sim.kill();
        if rng.chance(30) {
            sim.fail(Op::Sync, rng.below(3) as u32, rustix::io::Errno::IO, false);
        }
        sim.die_after(5 + rng.below(15));
        drop(open(Path::new(DIR), options(), Arc::new(sim.clone())));
        let sim = sim.power_cut_sparing(50, &mut rng);
        let (writer, mut reader, _) = open_sim(&sim);
        if writer.usage().pending_frames > 0 {
            let delivery = next(&mut reader, &limits()).await;
            assert!(
                delivery.resumed && delivery.batches[0].value == value,
                "seed {seed}: rows come under a second value"
            );
        }
    }
}

/// After a failed sync the kernel may call pages clean that it never wrote. A new process that found them there and
/// synced them in vain would deliver what a power cut then takes.
#[tokio::test]
async fn what_a_failed_sync_left_in_the_page_cache_is_written_again() {
    let sim = Sim::default();
    {
        let (writer, _reader, _) = open_sim(&sim);
        append(&writer, "events", "first").await.unwrap();
        sim.fail(Op::Sync, 0, rustix::io::Errno::IO, true);
        sim.fail(Op::Write, 1, rustix::io::Errno::IO, true); // Nor can the segment be cut at its last durable point.
        assert!(append(&writer, "events", "refused").await.is_err());
    }
    let sim = sim.kill();
    assert_eq!(open_sim(&sim).2.pending_frames, 2, "what was refused may be delivered, once");
    let sim = sim.power_cut_sparing(0, &mut Rng::new(1));
    let (writer, mut reader, _) = open_sim(&sim);
    assert_eq!(drain(&writer, &mut reader).await, ["first", "refused"]);
    assert_eq!(writer.usage().lost_frames, 0);
}

/// What the outside world knows.
#[derive(Default)]
struct World {
    /// Windows end, so that frames leave in crowds.
    crowds: bool,
    next_id: u64,
    acknowledged: BTreeSet<u64>,
    /// The store: batch value → its rows.
    store: HashMap<u64, Vec<Vec<u8>>>,
    /// Tombstones by sequence.
    erased: BTreeMap<u64, u64>,
    /// The first id of each call of appends. Only frames of one call may share a commit and be mixed.
    calls: BTreeSet<u64>,
    /// The last call of which something was delivered, and the last tombstone.
    highest: (u64, u64),
    /// The delivery batch that was handed out and is not known to be finished, and whether finishing it was tried.
    open: Option<(Seen, bool)>,
    /// An opening could not sync what a killed process had left in the page cache, unanswered: a power cut that takes
    /// it is counted as a loss, to be on the safe side.
    unsynced: bool,
}

/// Stream, value, token, rows as persisted, and the rows themselves.
type SeenBatch = (StreamKey, u64, String, u64, Vec<Vec<u8>>);

/// Everything about a delivery batch that must be the same the next time.
#[derive(Clone, PartialEq, Eq)]
struct Seen {
    span: (u64, u64),
    batches: Vec<SeenBatch>,
    tombstones: Vec<(u64, Vec<u8>)>,
}

/// Rows by their ids alone.
impl std::fmt::Debug for Seen {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(formatter, "{:?}", self.span)?;
        for (stream, value, _, rows, data) in &self.batches {
            let ids: Vec<_> = data.iter().map(|row| id(row)).collect();
            write!(formatter, " {stream:?} {value:x} {rows} {ids:?}")?;
        }
        let stones: Vec<_> = self.tombstones.iter().map(|(sequence, payload)| (*sequence, id(payload))).collect();
        write!(formatter, " tombstones {stones:?}")
    }
}

impl Seen {
    /// The same delivery batch again, from which a disk that cannot sync may have taken rows.
    fn is(&self, before: &Self) -> bool {
        let boundaries = |seen: &Self| -> Vec<_> {
            seen.batches
                .iter()
                .map(|(stream, value, token, rows, _)| (stream.clone(), *value, token.clone(), *rows))
                .collect()
        };
        let lost = self.batches.iter().any(|(.., rows, data)| *rows > data.len() as u64);
        self == before || (lost && self.span == before.span && boundaries(self) == boundaries(before))
    }

    fn of(delivery: &DeliveryBatch, unsynced: bool) -> Self {
        let batch = |batch: &StreamBatch| {
            assert_eq!(batch.rows - batch.lost_rows, batch.iter().count() as u64);
            assert!(batch.lost_rows == 0 || unsynced);
            let rows = batch.iter().map(<[u8]>::to_vec).collect();
            (batch.stream.clone(), batch.value, batch.token.clone(), batch.rows, rows)
        };
        Self {
            span: (delivery.first_sequence, delivery.last_sequence),
            batches: delivery.batches.iter().map(batch).collect(),
            tombstones: delivery.tombstones.iter().map(|stone| (stone.sequence, stone.payload.clone())).collect(),
        }
    }
}

fn id(row: &[u8]) -> u64 {
    u64::from_le_bytes(row[..8].try_into().unwrap())
}

impl World {
    fn row(&mut self, rng: &mut Rng) -> (u64, Vec<u8>) {
        self.next_id += 1;
        let mut row = self.next_id.to_le_bytes().to_vec();
        row.resize(8 + rng.below(700) as usize, self.next_id as u8);
        (self.next_id, row)
    }

    fn frames(&mut self, rng: &mut Rng) -> (Vec<u64>, Vec<Frame>) {
        let (mut ids, mut frames) = (Vec::new(), Vec::new());
        for _ in 0..=rng.below(3) {
            let stream = StreamKey::new(["events", "errors", "attributes/screen"][rng.below(3) as usize]).unwrap();
            if rng.chance(10) {
                let (id, payload) = self.row(rng);
                ids.push(id);
                frames.push(Frame::tombstone(stream, payload));
                continue;
            }
            let mut frame = Frame::new(stream);
            for _ in 0..=rng.below(3) {
                let (id, row) = self.row(rng);
                ids.push(id);
                frame.push(&row);
            }
            frames.push(frame);
        }
        (ids, frames)
    }

    /// Appends several at once, some of which may be refused.
    async fn append(&mut self, writer: &Writer, rng: &mut Rng) -> bool {
        let mut appends = tokio::task::JoinSet::new();
        self.calls.insert(self.next_id + 1);
        for _ in 0..=rng.below(4) {
            let (ids, frames) = self.frames(rng);
            let ticket = writer.enter(0);
            appends.spawn(async move { (ids, ticket.append(frames).await) });
        }
        let mut fine = true;
        while let Some(Ok((ids, answer))) = appends.join_next().await {
            fine &= answer.is_ok();
            self.acknowledged.extend(ids.into_iter().filter(|_| answer.is_ok()));
        }
        fine
    }

    /// Takes a delivery batch, stores some or all of it, and perhaps finishes it; `false` when the disk is gone.
    async fn consume(&mut self, writer: &Writer, reader: &mut Reader, rng: &mut Rng) -> bool {
        if writer.usage().pending_frames == 0 {
            return true;
        }
        let limits = DeliveryLimits { max_rows: 1 + rng.below(20), max_bytes: 1 + rng.below(9000), ..limits() };
        let since = Instant::now();
        let delivery = loop {
            match tokio::time::timeout(Duration::from_millis(100), reader.next_delivery(&limits)).await {
                Ok(delivery) => break delivery,
                // The parts of a crowd that were left had no row.
                Err(_) if self.crowds && writer.usage().pending_frames == 0 => return true,
                Err(_) => assert!(since.elapsed() < Duration::from_secs(20), "a delivery was due"),
            }
        };
        let Ok(Some(delivery)) = delivery else { return false };
        let seen = Seen::of(&delivery, self.unsynced);
        let mut tried = false;
        match self.open.take() {
            Some((before, false)) => assert!(seen.is(&before), "what was handed out comes again: {seen:?} {before:?}"),
            // Finishing it failed, so it may be finished or not; then the next one may even have been drawn unseen. The parts of a crowd
            // lie in the same place.
            Some((before, true)) if self.crowds => tried = seen.is(&before),
            Some((before, true)) if seen.span.0 <= before.span.1 => {
                assert!(delivery.resumed && seen.is(&before), "{seen:?} {before:?}");
                tried = true; // The failed attempt may still turn out to have reached the disk.
            }
            _ => {}
        }
        self.open = Some((seen.clone(), tried));
        for (_, value, _, _, rows) in &seen.batches {
            if rng.chance(90) {
                self.store(*value, rows);
            }
        }
        if rng.chance(20) {
            return true; // It comes again.
        }
        for (_, value, _, _, rows) in &seen.batches {
            self.store(*value, rows);
        }
        for (sequence, payload) in &seen.tombstones {
            assert_eq!(*self.erased.entry(*sequence).or_insert(id(payload)), id(payload));
        }
        let ids = seen.batches.iter().flat_map(|batch| batch.4.iter()).map(|row| id(row));
        let stones = seen.tombstones.iter().map(|(_, payload)| id(payload));
        let (first_stone, last_row) = (stones.clone().min(), ids.clone().max());
        assert!(
            self.crowds || first_stone.is_none_or(|stone| last_row.is_none_or(|row| row < stone)),
            "rows come before tombstones"
        );
        let all = ids.chain(stones.clone());
        let (lowest, highest) = (all.clone().min().unwrap(), self.call(all.max().unwrap()));
        assert!(
            self.crowds || delivery.resumed || (self.call(lowest) >= self.highest.0 && lowest > self.highest.1),
            "deliveries come in order"
        );
        self.highest = (self.highest.0.max(highest), self.highest.1.max(stones.max().unwrap_or(0)));
        self.open = Some((seen, true));
        if reader.finish(&delivery).await.is_err() {
            return false;
        }
        self.open = None;
        true
    }

    /// The call of appends that an id belongs to, by its first id.
    fn call(&self, id: u64) -> u64 {
        *self.calls.range(..=id).next_back().expect("each id belongs to a call")
    }

    fn store(&mut self, value: u64, rows: &[Vec<u8>]) {
        // As the store does, which is asked before it is given: what landed under a value stays as it is.
        let stored = self.store.entry(value).or_insert_with(|| rows.to_vec());
        assert!(stored == rows || (self.unsynced && rows.len() < stored.len()), "a value means the same rows for ever");
    }
}

/// One operation soon goes wrong, once. Reading is left out: what cannot be read is damage, which other tests are
/// about.
fn trouble(sim: &Sim, rng: &mut Rng) {
    let op = [Op::Create, Op::Write, Op::Sync, Op::SyncDir, Op::Remove][rng.below(5) as usize];
    let errno = [rustix::io::Errno::IO, rustix::io::Errno::NOSPC][rng.below(2) as usize];
    sim.fail(op, rng.below(5) as u32, errno, false);
}

async fn one_life(seed: u64) {
    let mut rng = Rng::new(seed);
    let mut world = World { crowds: rng.chance(50), ..World::default() };
    let mut sim = Sim::default();
    // Half of the disks are sound but for their power.
    let troubles = [0, 0, 5, 25][rng.below(4) as usize];
    for _ in 0..3 + rng.below(5) {
        if rng.chance(75) {
            sim.die_after(rng.below(90));
        }
        if rng.chance(troubles) {
            trouble(&sim, &mut rng);
        }
        if let Ok((writer, mut reader, recovery)) =
            open(Path::new(DIR), options_of(world.crowds), Arc::new(sim.clone()))
        {
            world.unsynced |= recovery.unsynced;
            assert!(!recovery.state_lost && !recovery.state_from_copy, "a power cut is not damage");
            assert!(recovery.damaged_frames == 0 || world.unsynced, "a power cut is not damage: {recovery:?}");
            // What was delivered out of an unsynced file and then taken is put aside like damage.
            assert!(recovery.quarantined == 0 || world.unsynced, "a power cut is not damage");
            for _ in 0..rng.below(14) {
                if rng.chance(troubles) {
                    trouble(&sim, &mut rng);
                }
                match rng.below(2) {
                    0 => world.append(&writer, &mut rng).await,
                    _ => world.consume(&writer, &mut reader, &mut rng).await,
                };
                if sim.is_dead() {
                    break;
                }
            }
            let usage = writer.usage();
            assert!(usage.lost_frames + usage.damaged_bytes == 0 || world.unsynced, "a power cut is not damage");
            if rng.chance(30) {
                writer.close();
            }
            sim = if rng.chance(30) { sim.kill() } else { sim.power_cut(&mut rng) };
        } else {
            sim = sim.power_cut(&mut rng);
        }
    }
    let (writer, mut reader, _) = open_sim(&sim);
    while writer.usage().pending_frames > 0 {
        assert!(world.consume(&writer, &mut reader, &mut rng).await);
    }
    assert!(writer.usage().lost_frames == 0 || world.unsynced);
    let mut counts = BTreeMap::<u64, u32>::new();
    let ids = world.store.values().flatten().map(|row| id(row)).chain(world.erased.values().copied());
    ids.for_each(|id| *counts.entry(id).or_default() += 1);
    assert!(counts.values().all(|count| *count == 1), "stored twice");
    assert!(world.acknowledged.iter().all(|id| counts.contains_key(id)), "acknowledged and lost");
    assert!(counts.keys().all(|id| (1..=world.next_id).contains(id)), "never sent");
}

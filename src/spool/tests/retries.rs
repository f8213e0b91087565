//! A request that comes again is stored once, whatever ends the process in between; and a request is never taken for one
//! that came before unless its rows are stored.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::sync::atomic::{AtomicU64, Ordering};

use rustix::io::Errno;

use super::super::retries::RetryFiles;
use super::sim::{MEMORY, Op, Rng};
use super::*;

/// How many seeds are tried.
const SEEDS: u64 = 1_500;
const MINUTE: u64 = 60_000;

/// A boot clock that a test sets.
type BootClock = Arc<AtomicU64>;

fn remembering(bytes_max: u64, clock: &BootClock) -> Options {
    let clock = Arc::clone(clock);
    let boot_ms = Arc::new(move || clock.load(Ordering::Relaxed));
    let files = RetryFiles { folder: MEMORY.into(), owner: 7, bytes_max, boot_ms };
    Options { retries: Some(files), ..options() }
}

fn start(sim: &Sim, clock: &BootClock) -> (Writer, Reader, HashSet<u64>) {
    let options = remembering(1 << 20, clock);
    let (writer, reader, _) = open(Path::new(DIR), options, Arc::new(sim.clone())).expect("a healthy disk opens");
    let remembered = writer.take_remembered().into_iter().collect();
    (writer, reader, remembered)
}

async fn append_as(writer: &Writer, hash: u64, row: &str) -> Result<Appended, AppendError> {
    writer.enter(0).append_as(Some(hash), vec![frame("events", &[row])]).await
}

fn files(sim: &Sim) -> Vec<PathBuf> {
    sim.names(Path::new(MEMORY))
}

// === many lives ===

/// A request of a client that sends it until it is acknowledged, and now and then once more.
#[derive(Default)]
struct Sent {
    attempts: u64,
    is_acknowledged: bool,
    /// It was sent before the memory was lost, so it may be there twice.
    is_excused: bool,
}

#[derive(Default)]
struct Clients {
    requests: Vec<Sent>,
    /// What the edge remembers.
    memory: HashSet<u64>,
    /// The store: batch value → its rows.
    store: HashMap<u64, Vec<Vec<u8>>>,
}

fn hash_of(request: usize) -> u64 {
    (request as u64 + 1).wrapping_mul(0x9e37_79b9_7f4a_7c15)
}

/// Three rows in two streams; each says request, attempt and part.
fn frames_of(request: usize, attempt: u64, rng: &mut Rng) -> Vec<Frame> {
    let row = |part: u64| {
        let mut row = [request as u64, attempt, part].map(u64::to_le_bytes).concat();
        row.resize(24 + rng.clone().below(500) as usize, 1);
        row
    };
    let (mut events, mut attributes) = (frame("events", &[]), frame("attributes", &[]));
    events.push(&row(0));
    events.push(&row(1));
    attributes.push(&row(2));
    rng.below(2);
    vec![events, attributes]
}

impl Clients {
    /// Sends some requests at once: new ones, those that have no answer, and some that have one.
    async fn send(&mut self, writer: &Writer, rng: &mut Rng) {
        let mut chosen = HashSet::new();
        for _ in 0..=rng.below(4) {
            let known = self.requests.len() as u64;
            if known > 0 && rng.chance(60) {
                chosen.insert((known - 1 - rng.below(known.min(8))) as usize);
            } else {
                self.requests.push(Sent::default());
                chosen.insert(known as usize);
            }
        }
        self.send_these(writer, chosen, rng).await;
    }

    async fn send_these(&mut self, writer: &Writer, chosen: HashSet<usize>, rng: &mut Rng) {
        let mut appends = tokio::task::JoinSet::new();
        for request in chosen {
            let sent = &mut self.requests[request];
            if self.memory.contains(&hash_of(request)) {
                sent.is_acknowledged = true;
                continue;
            }
            sent.attempts += 1;
            let (frames, ticket) = (frames_of(request, sent.attempts, rng), writer.enter(0));
            appends.spawn(async move { (request, ticket.append_as(Some(hash_of(request)), frames).await.is_ok()) });
        }
        while let Some(Ok((request, is_durable))) = appends.join_next().await {
            if is_durable {
                self.memory.insert(hash_of(request));
                self.requests[request].is_acknowledged = true;
            }
        }
    }

    /// Takes a delivery batch and perhaps finishes it; `false` when the disk is gone.
    async fn consume(&mut self, writer: &Writer, reader: &mut Reader, rng: &mut Rng) -> bool {
        if writer.usage().pending_frames == 0 {
            return true;
        }
        let limits = DeliveryLimits { max_rows: 1 + rng.below(20), ..limits() };
        let delivery = tokio::time::timeout(Duration::from_secs(20), reader.next_delivery(&limits)).await;
        let Ok(Some(delivery)) = delivery.expect("a delivery was due") else { return false };
        for batch in &delivery.batches {
            self.store.entry(batch.value).or_insert_with(|| batch.iter().map(<[u8]>::to_vec).collect());
        }
        rng.chance(20) || reader.finish(&delivery).await.is_ok()
    }

    /// Each request is stored once, and as a whole.
    fn check(&self) {
        let mut stored = BTreeMap::<(u64, u64), u32>::new();
        for row in self.store.values().flatten() {
            let number = |at: usize| u64::from_le_bytes(row[at..at + 8].try_into().unwrap());
            *stored.entry((number(0), number(8))).or_default() += 1;
        }
        for (request, sent) in self.requests.iter().enumerate() {
            let of_request = stored.range((request as u64, 0)..=(request as u64, u64::MAX));
            let rows: Vec<_> = of_request.map(|(_, rows)| *rows).collect();
            assert!(sent.is_acknowledged, "request {request} is never taken");
            assert!(rows.contains(&3), "request {request} is acknowledged and lost");
            assert!(sent.is_excused || rows == [3], "request {request} is stored as {rows:?}");
        }
    }
}

async fn one_life(seed: u64) {
    let mut rng = Rng::new(seed);
    let (mut clients, mut sim, clock) = (Clients::default(), Sim::default(), BootClock::default());
    let troubles = [0, 0, 10, 30][rng.below(4) as usize];
    let power_cuts = [0, 0, 30][rng.below(3) as usize];
    for _ in 0..3 + rng.below(5) {
        if rng.chance(75) {
            sim.die_after(rng.below(120));
        }
        let opened = open(Path::new(DIR), remembering(1 << 20, &clock), Arc::new(sim.clone()));
        if let Ok((writer, mut reader, recovery)) = opened {
            clients.memory = writer.take_remembered().into_iter().collect();
            if recovery.unsynced {
                clients.requests.iter_mut().for_each(|sent| sent.is_excused = true);
            }
            for _ in 0..rng.below(14) {
                if rng.chance(troubles) {
                    let op = [Op::Create, Op::Write, Op::Sync, Op::SyncDir, Op::Remove][rng.below(5) as usize];
                    sim.fail(op, rng.below(4) as u32, [Errno::IO, Errno::NOSPC][rng.below(2) as usize], false);
                }
                match rng.below(3) {
                    0 => drop(clients.consume(&writer, &mut reader, &mut rng).await),
                    _ => clients.send(&writer, &mut rng).await,
                }
                if sim.is_dead() {
                    break;
                }
            }
            if rng.chance(30) {
                writer.close();
            }
        }
        sim = if rng.chance(power_cuts) {
            clients.requests.iter_mut().for_each(|sent| sent.is_excused = true);
            sim.power_cut(&mut rng)
        } else {
            sim.kill()
        };
    }
    let (writer, mut reader, remembered) = start(&sim, &clock);
    clients.memory = remembered;
    let all = 0..clients.requests.len();
    for request in all.filter(|_| rng.chance(50)).collect::<Vec<_>>() {
        clients.send_these(&writer, [request].into(), &mut rng).await;
    }
    let unanswered: Vec<_> =
        (0..clients.requests.len()).filter(|request| !clients.requests[*request].is_acknowledged).collect();
    clients.send_these(&writer, unanswered.into_iter().collect(), &mut rng).await;
    while writer.usage().pending_frames > 0 {
        assert!(clients.consume(&writer, &mut reader, &mut rng).await);
    }
    clients.check();
}

/// On memory-backed storage hashes survive every kill, and no power cut; then a request may be stored again.
#[test]
fn what_is_sent_again_is_stored_once_over_kills_and_never_lost_over_power_cuts() {
    let seconds = live(0..SEEDS, one_life);
    println!(
        "FIGURES {SEEDS} seeds, each 3 to 7 lives: 0 requests twice over kills, 0 lost over power cuts; {seconds:.1} s"
    );
}

// === one thing at a time ===

#[tokio::test]
async fn a_kill_at_any_operation_forgets_a_request_with_its_rows_or_neither() {
    let (mut taken, mut forgotten) = (0, 0);
    for operations in 0..70 {
        let (sim, clock) = (Sim::default(), BootClock::default());
        sim.die_after(operations);
        if let Ok((writer, ..)) = open(Path::new(DIR), remembering(1 << 20, &clock), Arc::new(sim.clone())) {
            let _ = append_as(&writer, 1, &"x".repeat(2_000)).await;
            let _ = append_as(&writer, 2, &"y".repeat(500)).await;
        }
        let sim = sim.kill();
        let (writer, mut reader, remembered) = start(&sim, &clock);
        let stored = drain(&writer, &mut reader).await;
        assert_eq!(remembered.len(), stored.len(), "after {operations} operations");
        assert_eq!(remembered.contains(&1), stored.iter().any(|row| row.starts_with('x')));
        taken += stored.len();
        forgotten += 2 - stored.len();
    }
    assert!(taken > 10 && forgotten > 10);
}

#[tokio::test]
async fn a_commit_that_is_torn_goes_as_a_whole_if_its_retries_are_known() {
    let (sim, clock) = (Sim::default(), BootClock::default());
    {
        let (writer, ..) = start(&sim, &clock);
        append_as(&writer, 1, "first").await.unwrap();
        // Each is a block of its own.
        let frames = ["a", "b", "c"].map(|row| frame("events", &[&row.repeat(block::BLOCK_BYTES)])).into();
        writer.enter(0).append_as(Some(2), frames).await.unwrap();
    }
    let path = segments(&sim).pop().unwrap();
    let bytes = sim.contents(&path);
    let one = (bytes.len() - 1024) / 3;
    // The end of the last block is missing; then, its whole second block is zeros.
    let mut holed = bytes.clone();
    let second = bytes.len() - 2 * one..bytes.len() - one;
    holed[second].fill(0);
    for torn in [&bytes[..bytes.len() - 1], &holed] {
        let sim = sim.kill();
        sim.plant(&path, torn);
        let (writer, mut reader, remembered) = start(&sim, &clock);
        assert_eq!(remembered, [1].into());
        assert_eq!(writer.usage().accounting.found, 1);
        append_as(&writer, 2, "again").await.unwrap();
        assert_eq!(drain(&writer, &mut reader).await, ["first", "again"]);
        assert_eq!((writer.usage().lost_frames, writer.usage().quarantined_files), (0, 0));
        assert!(writer.usage().accounting.is_balanced());
    }
}

#[tokio::test]
async fn what_was_refused_is_taken_when_it_comes_again_also_after_a_kill() {
    for (op, later) in [(Op::Write, 0), (Op::Sync, 0), (Op::Write, 5), (Op::Sync, 5)] {
        let (sim, clock) = (Sim::default(), BootClock::default());
        {
            let (writer, ..) = start(&sim, &clock);
            append_as(&writer, 1, "first").await.unwrap();
            sim.fail(op, 0, Errno::IO, false);
            append_as(&writer, 2, "refused").await.unwrap_err();
            for number in 0..later {
                append_as(&writer, 10 + number, "later").await.unwrap();
            }
        }
        let (writer, mut reader, remembered) = start(&sim.kill(), &clock);
        assert!(remembered.contains(&1) && !remembered.contains(&2), "{op:?}, {later}");
        append_as(&writer, 2, "again").await.unwrap();
        let stored = drain(&writer, &mut reader).await;
        assert_eq!(stored.len(), 2 + later as usize, "{op:?}: {stored:?}");
    }
}

/// A power cut may take what recovery could not sync, and a retry that was called a duplicate would be lost with it.
#[tokio::test]
async fn what_recovery_cannot_sync_is_not_called_a_duplicate() {
    let (sim, clock) = (Sim::default(), BootClock::default());
    {
        let (writer, ..) = start(&sim, &clock);
        append_as(&writer, 1, "first").await.unwrap();
        append_as(&writer, 2, "second").await.unwrap();
    }
    let mut unsynced = 0;
    for after in 0..8 {
        let sim = sim.kill();
        sim.fail(Op::Sync, after, Errno::IO, false);
        let opened = open(Path::new(DIR), remembering(1 << 20, &clock), Arc::new(sim.clone()));
        let (writer, _reader, recovery) = opened.expect("one failure is no reason not to open");
        let expected: &[u64] = if recovery.unsynced { &[1] } else { &[1, 2] };
        assert_eq!(writer.take_remembered(), expected);
        unsynced += u32::from(recovery.unsynced);
    }
    assert_eq!(unsynced, 1);
}

#[tokio::test]
async fn hashes_are_kept_for_half_an_hour_and_dropped_within_an_hour_of_the_boot_clock() {
    let (mut sim, clock) = (Sim::default(), BootClock::default());
    for (minute, hash) in [(0, 1), (29, 2), (31, 3), (58, 4)] {
        clock.store(minute * MINUTE, Ordering::Relaxed);
        let (writer, ..) = start(&sim, &clock);
        append_as(&writer, hash, "row").await.unwrap();
        drop(writer);
        sim = sim.kill();
    }
    let known = |minute: u64| {
        clock.store(minute * MINUTE, Ordering::Relaxed);
        let sim = sim.kill();
        let remembered = start(&sim, &clock).2;
        let mut remembered: Vec<_> = remembered.into_iter().collect();
        remembered.sort_unstable();
        (remembered, files(&sim).len())
    };
    assert_eq!(known(59), (vec![1, 2, 3, 4], 2));
    assert_eq!(known(60), (vec![3, 4], 1));
    assert_eq!(known(90), (vec![3, 4], 1));
    assert_eq!(known(91), (vec![], 0));
}

#[tokio::test]
async fn a_flood_takes_two_files_of_bounded_size_and_forgets_the_oldest() {
    let (sim, clock) = (Sim::default(), BootClock::default());
    let options = || remembering(1_000, &clock);
    let (writer, mut reader, _) = open(Path::new(DIR), options(), Arc::new(sim.clone())).unwrap();
    for hash in 1..=200 {
        append_as(&writer, hash, "row").await.unwrap();
        drain(&writer, &mut reader).await;
        let sizes: Vec<_> = files(&sim).iter().map(|path| sim.contents(path).len()).collect();
        assert!(sizes.len() <= 2 && sizes.iter().all(|size| *size <= 1_000), "{sizes:?}");
    }
    drop((writer, reader));
    let (writer, ..) = open(Path::new(DIR), options(), Arc::new(sim.kill())).unwrap();
    let remembered = writer.take_remembered();
    assert!(remembered.len() >= 31, "a file's worth at least");
    assert!(remembered.iter().rev().copied().eq((1..=200).rev().take(remembered.len())), "the youngest, in order");
}

#[tokio::test]
async fn what_is_old_goes_also_of_others_and_an_order_forgets_all() {
    let (sim, clock) = (Sim::default(), BootClock::default());
    let of_another = |minute: u64| Path::new(MEMORY).join(format!("retries-{:016x}-{:016x}", 8, minute * MINUTE));
    let key = Path::new(MEMORY).join("retries.key");
    [&of_another(0), &of_another(1), &key].iter().for_each(|path| sim.plant(path, b"bytes"));
    clock.store(60 * MINUTE, Ordering::Relaxed);
    let (writer, ..) = start(&sim, &clock);
    append_as(&writer, 1, "row").await.unwrap();
    let own = Path::new(MEMORY).join(format!("retries-{:016x}-{:016x}", 7, 60 * MINUTE));
    assert_eq!(files(&sim), [own, of_another(1), key.clone()]);
    forget_retries(Path::new(MEMORY), &sim).unwrap();
    assert_eq!(files(&sim), [key]);
    append_as(&writer, 2, "row").await.unwrap();
    drop(writer);
    assert!(start(&sim.kill(), &clock).2.is_empty());
}

#[tokio::test]
async fn the_spool_holds_no_hash_and_a_spool_that_was_emptied_knows_none() {
    let (sim, clock) = (Sim::default(), BootClock::default());
    let hash = u64::from_le_bytes(*b"a retry!");
    {
        let (writer, ..) = start(&sim, &clock);
        append_as(&writer, hash, "row").await.unwrap();
    }
    let has_hash = |path: &PathBuf| sim.contents(path).windows(8).any(|bytes| bytes == b"a retry!");
    assert!(files(&sim).iter().any(has_hash) && !sim.names(Path::new(DIR)).iter().any(has_hash));
    let emptied = sim.kill();
    emptied.names(Path::new(DIR)).iter().for_each(|path| emptied.unplant(path));
    let (writer, _reader, remembered) = start(&emptied, &clock);
    assert!(remembered.is_empty(), "their rows are gone");
    append_as(&writer, 5, "row").await.unwrap();
    drop(writer);
    assert_eq!(start(&emptied.kill(), &clock).2, [5].into(), "also when the sequences are used again");
}

#[tokio::test]
async fn without_its_folder_the_spool_works_and_remembers_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let files =
        RetryFiles { folder: folder.path().join("gone"), owner: 7, bytes_max: 1 << 20, boot_ms: Arc::new(|| 0) };
    let options = Options { retries: Some(files), ..options() };
    for _ in 0..2 {
        let (writer, _reader, _) = open(&folder.path().join("spool"), options.clone(), Arc::new(Disk)).unwrap();
        assert!(writer.take_remembered().is_empty());
        append_as(&writer, 1, "row").await.unwrap();
    }
}

//! Does the row accounting balance at every moment, and does it say what is really there?

use proptest::prelude::*;

use super::sim::{Op, Rng};
use super::*;

/// What happens next to a spool.
#[derive(Clone, Debug)]
enum Step {
    /// Appends frames with so many rows each.
    Append(Vec<u8>),
    /// A write and the sync of the next append fail.
    FailedAppend,
    /// Takes a delivery batch of at most so many rows, and finishes it or not.
    DeliveryBatch { max_rows: u8, finish: bool },
    /// `kill -9`, or the power goes.
    Restart { power: bool, seed: u64 },
    /// A byte of a file changes.
    Damage { file: usize, at: usize },
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        4 => prop::collection::vec(0u8..5, 1..6).prop_map(Step::Append),
        1 => Just(Step::FailedAppend),
        3 => (1u8..12, any::<bool>()).prop_map(|(max_rows, finish)| Step::DeliveryBatch { max_rows, finish }),
        1 => (any::<bool>(), any::<u64>()).prop_map(|(power, seed)| Step::Restart { power, seed }),
        1 => (any::<usize>(), any::<usize>()).prop_map(|(file, at)| Step::Damage { file, at }),
    ]
}

fn frames(rows: &[u8]) -> Vec<Frame> {
    let streams = ["events", "tallies"];
    let frame_of =
        |(index, count): (usize, &u8)| frame(streams[index % 2], &vec!["x".repeat(90).as_str(); (*count).into()]);
    rows.iter().enumerate().map(frame_of).collect()
}

/// Changes a byte on the disk, for good.
fn change(sim: &Sim, path: &Path, at: usize, byte: u8) {
    let file = sim.open(path).unwrap();
    file.write_all_at(&[byte], at as u64).unwrap();
    file.sync_data().unwrap();
}

/// Settles a delivery batch in a mixture of ways. Returns how many rows it says have left.
async fn settle(reader: &mut Reader, delivery: &DeliveryBatch) -> u64 {
    let lost: u64 = delivery.batches.iter().map(|batch| batch.lost_rows).sum();
    let here = rows(delivery).len() as u64;
    let (expired, dead_lettered) = (here / 3, here / 4);
    let outcomes = Outcomes { stored: here - expired - dead_lettered, dead_lettered, erased: 0, expired, lost };
    reader.settle(delivery, outcomes, here / 5).await.unwrap();
    here + lost
}

/// Takes delivery batches until there are none. Returns how many rows came.
async fn empty(writer: &Writer, reader: &mut Reader) -> u64 {
    let mut came = 0;
    // Damage may have taken all frames of an open delivery batch: then it comes with nothing but lost rows.
    while writer.usage().pending_frames > 0 || !reader.open_tokens().is_empty() {
        match tokio::time::timeout(Duration::from_millis(200), reader.next_delivery(&limits())).await {
            Ok(delivery) => {
                let delivery = delivery.unwrap().unwrap();
                came += rows(&delivery).len() as u64;
                settle(reader, &delivery).await;
                assert!(writer.usage().accounting.is_balanced(), "{:?}", writer.usage().accounting);
            }
            Err(_) => continue,
        }
    }
    came
}

async fn live(steps: Vec<Step>, crowds: bool) {
    let open_sim = |sim: &Sim| open(Path::new(DIR), options_of(crowds), Arc::new(sim.clone())).unwrap();
    let mut sim = Sim::default();
    let mut damaged = false;
    let (mut writer, mut reader, _) = open_sim(&sim);
    for step in steps {
        let before = writer.usage().accounting;
        match step {
            Step::Append(counts) => {
                let rows: u64 = counts.iter().map(|count| u64::from(*count)).sum();
                let durable = writer.enter(0).append(frames(&counts)).await.is_ok();
                let expected = if durable { rows } else { 0 };
                let accounting = writer.usage().accounting;
                assert_eq!(accounting.accepted, before.accepted + expected);
                // A reading of before that nobody waits for any more may find damage meanwhile.
                assert!(damaged || accounting.spooled == before.spooled + expected, "{before:?} {accounting:?}");
            }
            Step::FailedAppend => {
                sim.fail(Op::Sync, 0, rustix::io::Errno::IO, false);
                let _ = writer.enter(0).append(frames(&[3])).await;
                sim.heal();
            }
            Step::DeliveryBatch { max_rows, finish } => {
                if before.spooled == 0 && writer.usage().pending_frames == 0 {
                    continue;
                }
                let limits = DeliveryLimits { max_rows: max_rows.into(), ..limits() };
                let Ok(delivery) = tokio::time::timeout(Duration::from_millis(50), reader.next_delivery(&limits)).await
                else {
                    continue;
                };
                let delivery = delivery.unwrap().unwrap();
                assert!(damaged || writer.usage().accounting == before, "to take a delivery moves nothing");
                if finish {
                    let left = settle(&mut reader, &delivery).await;
                    let accounting = writer.usage().accounting;
                    assert!(damaged || accounting.spooled + left == before.spooled, "{before:?} {left} {accounting:?}");
                }
            }
            Step::Restart { power, seed } => {
                drop((writer, reader));
                sim = if power { sim.power_cut(&mut Rng::new(seed)) } else { sim.kill() };
                (writer, reader, _) = open_sim(&sim);
                let accounting = writer.usage().accounting;
                assert!(damaged || accounting.found == before.spooled, "{before:?} {accounting:?}");
                assert_eq!(
                    accounting,
                    RowAccounting { found: accounting.found, spooled: accounting.found, ..RowAccounting::default() }
                );
            }
            Step::Damage { file, at } => {
                let files = segments(&sim);
                let Some(path) = files.get(file % files.len().max(1)) else { continue };
                let bytes = sim.contents(path);
                let at = 1024 + at % bytes.len();
                let Some(byte) = bytes.get(at) else { continue };
                change(&sim, path, at, byte ^ 0x55);
                damaged = true;
            }
        }
        assert!(writer.usage().accounting.is_balanced(), "{:?}", writer.usage().accounting);
    }
    let before = writer.usage().accounting;
    let came = empty(&writer, &mut reader).await;
    let accounting = writer.usage().accounting;
    assert!(accounting.is_balanced() && accounting.spooled == 0, "{accounting:?}");
    assert_eq!(came + accounting.settled.lost - before.settled.lost, before.spooled + accounting.found - before.found);
    assert!(damaged || (accounting.settled.lost == 0 && accounting.found == before.found), "{accounting:?}");
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 300, ..ProptestConfig::default() })]

    #[test]
    fn every_row_is_in_one_state_whatever_happens(steps in prop::collection::vec(step(), 1..24), crowds: bool) {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(live(steps, crowds));
    }
}

/// A damaged frame hides how many rows it had. The position at the end of its segment shows it.
#[tokio::test]
async fn rows_of_a_damaged_frame_are_counted_as_lost() {
    let sim = Sim::default();
    let (writer, mut reader, _) = open_sim(&sim);
    for _ in 0..3 {
        writer.enter(0).append(vec![frame("events", &["first", "second"])]).await.unwrap();
    }
    let path = segments(&sim).remove(0);
    change(&sim, &path, 1024 + block::HEADER + 10, sim.contents(&path)[1024 + block::HEADER + 10] ^ 1);
    assert_eq!(empty(&writer, &mut reader).await, 4);
    let accounting = writer.usage().accounting;
    assert_eq!((accounting.accepted, accounting.spooled, accounting.settled.lost), (6, 0, 2));
    assert!(accounting.is_balanced());
}

#[test]
fn an_erasure_moves_what_was_stored_here_and_counts_the_rest_beside() {
    let mut accounting = RowAccounting { found: 10, spooled: 10, ..RowAccounting::default() };
    accounting.settle(4, &Outcomes { stored: 4, ..Outcomes::default() }, 0);
    accounting.settle(2, &Outcomes { stored: 2, ..Outcomes::default() }, 9);
    assert_eq!(
        (accounting.settled.stored, accounting.settled.erased, accounting.erased_elsewhere, accounting.spooled),
        (0, 6, 3, 4)
    );
    assert!(accounting.is_balanced());
    accounting.settle(2, &Outcomes { dead_lettered: 2, ..Outcomes::default() }, 0);
    accounting.revive(1, 5);
    assert_eq!((accounting.settled.stored, accounting.settled.dead_lettered, accounting.settled.expired), (1, 0, 1));
    assert!(accounting.is_balanced());
}

/// Scrapes while 16 tasks append and a consumer finishes: there is no moment at which a row is in no state or in two.
#[tokio::test(flavor = "multi_thread", worker_threads = 3)]
async fn the_row_accounting_balances_at_every_scrape_under_load() {
    let sim = Sim::default();
    let (writer, mut reader, _) = open_sim(&sim);
    let mut tasks = tokio::task::JoinSet::new();
    for _ in 0..16 {
        let writer = writer.clone();
        tasks.spawn(async move {
            for _ in 0..40 {
                writer.enter(0).append(frames(&[2, 1])).await.unwrap();
            }
        });
    }
    let (other, stop) = (writer.clone(), Arc::new(std::sync::atomic::AtomicBool::new(false)));
    let stopped = Arc::clone(&stop);
    let scrapes = std::thread::spawn(move || {
        let mut scrapes = 0;
        while !stopped.load(Ordering::Relaxed) {
            let accounting = other.usage().accounting;
            assert!(accounting.is_balanced(), "{accounting:?}");
            scrapes += 1;
        }
        scrapes
    });
    while writer.usage().accounting.settled.total() < 16 * 40 * 3 {
        let delivery = next(&mut reader, &limits()).await;
        settle(&mut reader, &delivery).await;
    }
    tasks.join_all().await;
    stop.store(true, Ordering::Relaxed);
    assert!(scrapes.join().unwrap() > 100);
    assert_eq!(writer.usage().accounting.accepted, 16 * 40 * 3);
}

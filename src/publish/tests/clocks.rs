//! Wall clocks that jump by up to ten years for up to an hour: no key dies early, no window is published early, no arrival
//! gets another day, and everything goes on once the clock is right.

use std::collections::HashMap;
use std::sync::atomic::{AtomicI64, Ordering};

use jiff::tz::TimeZone;
use proptest::prelude::*;
use tempfile::TempDir;

use super::*;
use crate::clock::{ClockStatus, Reading};
use crate::privacy::keys::KeyRing;
use crate::spool;

const SECOND: i64 = 1_000_000;
const HOUR_S: i64 = 3_600;
/// A difference that may as well be a correction of NTP.
const TOLERANCE_S: i64 = 5;
const SITE: &str = "a.kz";

/// What a jump can hit, in seconds from [`START`]: ends and begins of days, keys and windows, and moments between.
const MOMENTS: [i64; 10] = [
    -60,
    HOUR_S,
    12 * HOUR_S,
    DAY_S - 3,
    DAY_S,
    DAY_S + 2,
    DAY_S + 1_790,
    DAY_S + 1_800,
    DAY_S + 1_805,
    DAY_S + 2 * HOUR_S,
];

/// A jump of the wall clock.
#[derive(Clone, Debug)]
struct Jump {
    at_s: i64,
    error_s: i64,
    lasts_s: i64,
    /// Whether the process is started anew while it lasts.
    restarts: bool,
}

fn jumps() -> impl Strategy<Value = Jump> {
    let size = prop_oneof![1..60_i64, 60..86_400_i64, 86_400..40 * DAY_S, 40 * DAY_S..3_652 * DAY_S];
    let moment = prop::sample::select(&MOMENTS[..]);
    (moment, -20..20_i64, size, any::<bool>(), 5..=HOUR_S, any::<bool>()).prop_map(
        |(moment, shift, size, back, lasts_s, restarts)| Jump {
            at_s: moment + shift,
            error_s: if back { -size } else { size },
            lasts_s,
            restarts,
        },
    )
}

/// A node: what a restart keeps, and its process.
struct Node {
    folder: TempDir,
    keys: TempDir,
    /// Seconds that have passed since [`START`], and by how many the wall clock is wrong.
    machine: Arc<(AtomicI64, AtomicI64)>,
    store: MemoryStore,
    process: Option<Process>,
    published: Vec<i64>,
    destroyed: Vec<jiff::civil::Date>,
}

struct Process {
    clock: Clock,
    ring: KeyRing,
    writer: spool::Writer,
    publisher: Publisher<MemoryStore, MemoryStore>,
}

impl Node {
    fn new() -> Self {
        let store = MemoryStore::default();
        fill(&store, 100);
        let keys = tempfile::tempdir_in("/dev/shm").expect("memory-backed storage");
        let folder = tempfile::tempdir().expect("a folder");
        let (published, destroyed) = (Vec::new(), Vec::new());
        Self { folder, keys, machine: Arc::default(), store, process: None, published, destroyed }
    }

    fn set(&self, passed_s: i64, error_s: i64) {
        self.machine.0.store(passed_s, Ordering::Relaxed);
        self.machine.1.store(error_s, Ordering::Relaxed);
    }

    fn start(&mut self) {
        self.process = None;
        let machine = self.machine.clone();
        let read = move || {
            let (passed, error) = (machine.0.load(Ordering::Relaxed), machine.1.load(Ordering::Relaxed));
            Reading { wall: (START + passed + error) * SECOND, boot: (DAY_S + passed) * SECOND }
        };
        let clock = Clock::with_readings(read, "a", Some(self.folder.path()));
        let options = spool::Options::new(1 << 20, 1, spool::Keys::new(crate::secret::Secret::new([7; 32]), []));
        let (writer, ..) =
            spool::open(&self.folder.path().join("spool"), options, Arc::new(spool::Disk)).expect("opens");
        let ring = KeyRing::open(self.keys.path()).expect("opens");
        let publisher = publisher(&self.store, &clock, self.folder.path());
        self.process = Some(Process { clock, ring, writer, publisher });
    }

    /// Everything that a collector does with the time, once, when `passed_s` have passed in truth.
    async fn step(&mut self, passed_s: i64, error_s: i64) {
        self.set(passed_s, error_s);
        let Process { clock, ring, writer, publisher } = self.process.as_mut().expect("started");
        let now_s = START + passed_s;
        let arrived_s = writer.enter(clock.now_ms()).arrived_ms() / 1000;
        assert!(arrived_s.abs_diff(now_s) <= TOLERANCE_S as u64, "an arrival is {} s off", arrived_s - now_s);
        let day = moment(arrived_s).to_zoned(TimeZone::UTC).date();
        ring.day_key(&SITE.into(), day).expect("a key");
        let is_disputed = clock.status() != ClockStatus::Agreed;
        assert_eq!(is_disputed, error_s.abs() > TOLERANCE_S, "{error_s}");
        let zones = HashMap::from([(SITE.into(), TimeZone::UTC)]);
        let swept = ring.sweep(clock.now_to_destroy().unwrap_or(Timestamp::MIN), &zones).expect("sweeps");
        for (_, day) in swept.destroyed {
            let ends = TimeZone::UTC.to_timestamp(day.tomorrow().expect("a day").at(0, 0, 0, 0)).expect("a time");
            assert!(now_s >= ends.as_second() + 1_800 - TOLERANCE_S, "the key of {day} died early");
            assert!(!is_disputed);
            self.destroyed.push(day);
        }
        let complete_until = writer.watermark(clock.now_ms());
        let row = json!({ "node": NODE, "complete_until": complete_until, "written_at": clock.now_ms() });
        self.store.state().answers.insert(LEASES.to_owned(), vec![row]);
        if let Progress::Published(window) = publisher.advance(0).await.expect("the store answers") {
            assert!(now_s >= window.end.as_second() - TOLERANCE_S, "a window was published early");
            assert!(!is_disputed);
            self.published.push(window.end.as_second());
        }
    }

    /// What a collector does every ten seconds.
    fn save(&self) {
        self.process.as_ref().expect("started").clock.save().expect("saves");
    }

    /// Two days with a jump.
    async fn live_through(&mut self, jump: &Jump) {
        self.set(-2 * HOUR_S, 0);
        self.start();
        let mut now = -2 * HOUR_S;
        while now < jump.at_s {
            self.step(now, 0).await;
            now += 900;
        }
        self.step(jump.at_s - 1, 0).await;
        self.save();
        for step in 0..12 {
            if jump.restarts && step == 1 {
                self.start();
            }
            self.step(jump.at_s + jump.lasts_s * step / 12, jump.error_s).await;
        }
        now = jump.at_s + jump.lasts_s;
        while now < DAY_S + 6 * HOUR_S {
            self.step(now, 0).await;
            now += 900;
        }
        let first = moment(START).to_zoned(TimeZone::UTC).date();
        assert_eq!(self.published, [START + DAY_S], "all is well again");
        assert_eq!(self.destroyed, [first.yesterday().expect("a day"), first]);
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 60, ..ProptestConfig::default() })]

    #[test]
    fn a_jump_destroys_publishes_and_moves_nothing(jump in jumps()) {
        let runtime = tokio::runtime::Builder::new_current_thread().build().expect("a runtime");
        runtime.block_on(Node::new().live_through(&jump));
    }
}

#[test]
fn what_a_wrong_clock_left_in_the_spool_moves_no_arrival_after_a_restart() {
    let runtime = tokio::runtime::Builder::new_current_thread().build().expect("a runtime");
    runtime.block_on(async {
        let mut node = Node::new();
        // Somebody accepts a wrong clock, or it was wrong at the first start.
        node.set(0, 2 * DAY_S);
        node.start();
        let process = node.process.as_ref().expect("started");
        process.writer.watermark(process.clock.now_ms());
        process.writer.close();
        node.process = None;
        std::fs::remove_file(node.folder.path().join("clock.json")).unwrap_or(());
        node.set(60, 0);
        node.start();
        node.step(60, 0).await;
    });
}

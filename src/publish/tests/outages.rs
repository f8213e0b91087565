//! Outages over midnight, with rows that wait in spools: nothing is published without them, and all that a window publishes is
//! of one state of the vault.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Instant;

use super::*;

const NODE_TIMEOUT_S: u64 = 900;
/// The publisher looks this often.
const TICK_S: u64 = 5;
const RUNS: u64 = 100;

/// Random numbers that a seed repeats (SplitMix64).
struct Random(u64);

impl Random {
    fn below(&mut self, bound: u64) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mixed = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        (mixed ^ (mixed >> 31)) % bound
    }

    /// Small and large numbers alike: its logarithm is spread evenly.
    fn of_any_size(&mut self, least: u64, most: u64) -> u64 {
        let exponent = self.below(1_001) as f64 / 1_000.0;
        (least as f64 * (most as f64 / least as f64).powf(exponent)) as u64
    }
}

/// A node with a spool. Its rows are visitors with three events each, all of the first day.
#[derive(Default)]
struct Spool {
    waiting: u64,
    /// Everything that arrived before is delivered; in milliseconds.
    watermark: i64,
    written_at: i64,
}

/// The vault's rows of the first day, and the nodes that deliver them.
#[derive(Default)]
struct Delivery {
    delivered: u64,
    nodes: Vec<(&'static str, Spool)>,
}

impl Delivery {
    /// A part of a node's rows reaches the vault, and the node renews its lease.
    fn deliver(&mut self, state: &mut State, node: usize, rows: u64, now_ms: i64) {
        let spool = &mut self.nodes[node].1;
        let rows = rows.min(spool.waiting);
        spool.waiting -= rows;
        self.delivered += rows;
        if spool.waiting == 0 {
            spool.watermark = now_ms;
        }
        spool.written_at = now_ms;
        self.show(state);
    }

    fn show(&self, state: &mut State) {
        arrived(state, 0, "");
        arrived(state, self.delivered, &format!(" {START}"));
        let windows = vec![json!({ "end": START + DAY_S, "count": self.delivered * 3 })];
        state.answers.insert(EVENTS_BY_WINDOW.to_owned(), windows);
        state.answers.insert(EARLIEST.to_owned(), vec![json!({ "end": START + DAY_S, "count": 1 })]);
        let lease = |(node, spool): &(&str, Spool)| json!({ "node": node, "complete_until": spool.watermark, "written_at": spool.written_at });
        state.answers.insert(LEASES.to_owned(), self.nodes.iter().map(lease).collect());
    }
}

/// A publisher that can be killed, its stores, and time.
struct World {
    store: MemoryStore,
    clock: Clock,
    /// Seconds that the monotonic clock shows.
    passed_s: Arc<AtomicU64>,
    folder: tempfile::TempDir,
}

impl World {
    fn new(now: i64) -> Self {
        let (store, clock) = (MemoryStore::default(), Clock::simulated(moment(now)));
        Self { store, clock, passed_s: Arc::default(), folder: tempfile::tempdir().expect("a folder") }
    }

    fn publisher(&self) -> Publisher<MemoryStore, MemoryStore> {
        let (began, passed_s) = (Instant::now(), self.passed_s.clone());
        let now = move || began + Duration::from_secs(passed_s.load(Ordering::SeqCst));
        publisher(&self.store, &self.clock, self.folder.path()).with_monotonic(now)
    }

    fn wait(&self, seconds: u64) {
        self.passed_s.fetch_add(seconds, Ordering::SeqCst);
        self.clock.advance_to(moment(self.clock.now().as_second() + seconds as i64));
    }

    fn ledger(&self) -> Vec<Value> {
        self.store.state().tables.get("publications").cloned().unwrap_or_default()
    }

    /// What was published of the first day is that of so many visitors.
    fn assert_published(&self, people: u64, what: &str) {
        let state = self.store.state();
        let of = |table: &str, name: &str| {
            let is_named =
                |row: &&Value| row.as_object().is_some_and(|row| row.values().all(|value| value != "(other)"));
            let rows = state.tables[table].iter().filter(|row| column(row, "window_start") == START);
            let rows: Vec<_> = rows.filter(is_named).collect();
            assert_eq!(rows.len(), 1, "{what}: {table}");
            column(rows[0], name).unsigned_abs()
        };
        for name in ["views", "visits", "visitors"] {
            let number = of("site", name);
            assert!(number.abs_diff(people) <= 2 * NOISE_MAX, "{what}: {name} {number} of {people}");
        }
        for (table, name) in [("pages", "views"), ("places", "visitors")] {
            let number = of(table, name);
            assert!(number.abs_diff(people) <= 2 * NOISE_MAX, "{what}: {table}.{name} {number} of {people}");
        }
        let events = of("publications", "events");
        assert!(events.abs_diff(people * 3) <= 10 * NOISE_MAX, "{what}: {events} events of {people} visitors");
    }
}

#[tokio::test]
async fn rows_in_the_own_spool_are_waited_for_after_an_outage_of_any_length() {
    for outage_s in [NODE_TIMEOUT_S as i64 + 1, 3 * DAY_S] {
        let world = World::new(START + DAY_S + outage_s);
        let mut delivery = Delivery { delivered: 130, ..Delivery::default() };
        let before_ms = (START + DAY_S - 600) * 1_000;
        let spool = Spool { waiting: 6_240, watermark: before_ms, written_at: before_ms };
        delivery.nodes.push((NODE, spool));
        delivery.show(&mut world.store.state());
        let mut publisher = world.publisher();
        for _ in 0..1_000 {
            assert!(matches!(publisher.advance(0).await.expect("ok"), Progress::Waiting(_)));
            world.wait(TICK_S);
            // Its lease is renewed, and still says that there are rows.
            delivery.deliver(&mut world.store.state(), 0, 1, world.clock.now_ms());
        }
        delivery.deliver(&mut world.store.state(), 0, u64::MAX, world.clock.now_ms());
        publisher.pass().await;
        world.assert_published(6_370, "after the spool is empty");
        assert!(world.ledger().iter().all(|row| row["complete"] == true));
    }
}

#[tokio::test]
async fn a_node_that_is_gone_is_left_behind_after_the_node_timeout_and_the_ledger_says_so() {
    let world = World::new(START + DAY_S + 60);
    let spool = |watermark: i64| Spool { waiting: 0, watermark: watermark * 1_000, written_at: watermark * 1_000 };
    let nodes = vec![(NODE, spool(START + DAY_S)), ("b", spool(START + DAY_S / 2))];
    let mut delivery = Delivery { delivered: 500, nodes };
    let publisher = world.publisher();
    let mut waited_s = 0;
    loop {
        delivery.deliver(&mut world.store.state(), 0, 0, world.clock.now_ms());
        if matches!(publisher.advance(0).await.expect("ok"), Progress::Published(_)) {
            break;
        }
        world.wait(TICK_S);
        waited_s += TICK_S;
    }
    assert!(waited_s.abs_diff(NODE_TIMEOUT_S) <= 2 * TICK_S, "{waited_s} s");
    assert_eq!(world.ledger()[0]["complete"], false);
}

#[tokio::test]
async fn what_a_node_still_has_is_given_up_before_the_vault_drops_what_is_there() {
    let world = World::new(START + 9 * DAY_S - 3_700);
    let spool = Spool { waiting: 5_000, watermark: START * 1_000, written_at: START * 1_000 };
    let delivery = Delivery { delivered: 500, nodes: vec![(NODE, spool)] };
    delivery.show(&mut world.store.state());
    let publisher = world.publisher();
    assert!(matches!(publisher.advance(0).await.expect("ok"), Progress::Waiting(_)));
    world.wait(100);
    assert!(matches!(publisher.advance(0).await.expect("ok"), Progress::Published(_)));
    world.assert_published(500, "in the last hour");
    assert_eq!(world.ledger()[0]["complete"], false);
}

#[tokio::test]
async fn rows_that_arrive_between_two_queries_are_in_all_tables_or_in_none() {
    // More rows arrive at one call; the test tries each call of a publication.
    for at in 0..40 {
        let (store, clock, folder) = ready(0);
        let (mut calls, few, many) = (0, 300, 6_000);
        let set = move |state: &mut State, people: u64| {
            arrived(state, people, "");
            let windows = vec![json!({ "end": START + DAY_S, "count": people * 3 })];
            state.answers.insert(EVENTS_BY_WINDOW.to_owned(), windows);
        };
        set(&mut store.state(), few);
        store.state().meanwhile = Some(Box::new(move |state| {
            if calls == at {
                set(state, many);
            }
            calls += 1;
        }));
        let world = World { store, clock, passed_s: Arc::default(), folder };
        world.publisher().pass().await;
        let events = column(&world.ledger()[0], "events");
        world.assert_published(if events > 10_000 { many } else { few }, &format!("at call {at}"));
    }
}

#[tokio::test]
async fn a_window_whose_rows_never_stop_arriving_waits_and_reads_the_leases_again() {
    let (store, clock, folder) = ready(300);
    let mut people = 300;
    store.state().meanwhile = Some(Box::new(move |state| {
        people += 1;
        arrived(state, people, "");
    }));
    let publisher = publisher(&store, &clock, folder.path());
    for _ in 0..3 {
        assert!(matches!(publisher.advance(0).await.expect("ok"), Progress::Waiting(_)));
    }
    assert!(!store.state().tables.contains_key("publications"));
    store.state().meanwhile = None;
    assert!(matches!(publisher.advance(0).await.expect("ok"), Progress::Published(_)));
}

/// One random outage over midnight, of the vault or of this process, with kills at random calls of the publication.
async fn outage(seed: u64) -> (u64, u32) {
    let mut random = Random(seed);
    let length_s = random.of_any_size(60, 3 * DAY_S as u64);
    let begins = START + DAY_S - 1 - random.below(length_s) as i64;
    let waiting = if random.below(10) == 0 { 0 } else { random.of_any_size(1, 100_000) };
    let is_of_vault = random.below(2) == 0;
    let what = format!("seed {seed}: {length_s} s, {waiting} waiting, of the vault: {is_of_vault}");

    let world = World::new(begins);
    let spool = |waiting| Spool { waiting, watermark: begins * 1_000, written_at: begins * 1_000 };
    let mut delivery = Delivery { delivered: 200 + random.below(1_000), nodes: vec![(NODE, spool(waiting))] };
    let mut people = delivery.delivered + waiting;
    // Another node may have been cut off by the outage too, and come back later than this one.
    let other_returns_after_s = random.below(NODE_TIMEOUT_S - 100);
    if random.below(3) == 0 {
        let waiting = random.below(5_000);
        people += waiting;
        delivery.nodes.push(("b", spool(waiting)));
    }
    delivery.show(&mut world.store.state());
    let mut publisher = world.publisher();
    publisher.pass().await;
    let mut passes = 1 + random.below(20);
    if is_of_vault {
        world.store.state().vault_is_away = true;
        for _ in 0..passes {
            world.wait(length_s / passes);
            publisher.pass().await;
        }
        world.store.state().vault_is_away = false;
    } else {
        world.wait(length_s);
        publisher = world.publisher();
    }

    // From here on, rows reach the vault at each call and between the calls.
    let returned = world.clock.now().as_second().max(START + DAY_S);
    let delivery = Arc::new(Mutex::new((delivery, random)));
    let (shipper, clock) = (delivery.clone(), world.clock.clone());
    let ship = move |state: &mut State| {
        let (delivery, random) = &mut *shipper.lock().expect("no test panics while it ships");
        let rows = 1 + random.below(1 + people / 20);
        let is_back = clock.now().as_second() >= returned + other_returns_after_s as i64;
        let node = random.below(if is_back { delivery.nodes.len() as u64 } else { 1 });
        delivery.deliver(state, node as usize, rows, clock.now_ms());
    };
    world.store.state().meanwhile = Some(Box::new(ship));
    let below = |bound: u64| delivery.lock().expect("as above").1.below(bound);
    let mut kills = 0;
    passes = 0;
    while world.ledger().iter().map(|row| column(row, "window_end")).max().unwrap_or(0) + DAY_S <= returned {
        passes += 1;
        assert!(passes < 5_000, "{what}: nothing is published");
        let is_to_die = below(4) == 0;
        if is_to_die {
            world.store.state().fails_after = Some((below(40) as u32, below(2) == 0));
        }
        publisher.pass().await;
        let is_dead = world.store.state().fails_after.take().is_some_and(|(left, _)| left == 0);
        if is_dead {
            kills += 1;
            world.wait(below(2 * NODE_TIMEOUT_S));
            publisher = world.publisher();
        }
        world.wait(TICK_S);
    }
    let ledger = world.ledger();
    assert!(ledger.iter().all(|row| row["complete"] == true), "{what}, {kills} kills: {ledger:?}");
    world.assert_published(people, &what);
    (waiting, kills)
}

#[tokio::test]
async fn after_random_outages_over_midnight_every_window_is_complete_and_true() {
    let (mut most, mut kills) = (0, 0);
    for seed in 0..RUNS {
        let (waiting, killed) = outage(seed).await;
        most = most.max(waiting);
        kills += killed;
    }
    assert!(most > 50_000 && kills > 50, "{most} rows waited, {kills} kills");
}

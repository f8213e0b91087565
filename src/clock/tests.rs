//! The clock as the rest of the program sees it: what is held while clocks disagree, and what survives a restart.

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};

use super::*;

const HOUR: i64 = 3600 * 1_000_000;
const DAY: i64 = 24 * HOUR;
const BEGAN: i64 = 20_000 * DAY;

/// A machine whose clocks a test sets: what has passed since its start, and by how much its wall clock is wrong.
#[derive(Clone, Default)]
struct TestMachine(Arc<(AtomicI64, AtomicI64)>);

impl TestMachine {
    fn clock(&self, boot_id: &str, data: Option<&Path>) -> Clock {
        let set = self.0.clone();
        let read = move || {
            let (boot, error) = (set.0.load(Ordering::Relaxed), set.1.load(Ordering::Relaxed));
            Reading { wall: BEGAN + boot + error, boot }
        };
        Clock::with_readings(read, boot_id, data)
    }

    fn set(&self, passed: i64, error: i64) {
        self.0.0.store(passed, Ordering::Relaxed);
        self.0.1.store(error, Ordering::Relaxed);
    }
}

#[test]
fn simulated_time_stands_until_moved_and_never_goes_back() {
    let start = Timestamp::from_second(1_000_000).expect("in range");
    let clock = Clock::simulated(start);
    let other = clock.clone();
    assert_eq!(other.now(), start);
    let later = Timestamp::from_second(1_000_060).expect("in range");
    clock.advance_to(later);
    clock.advance_to(start);
    assert_eq!(other.now(), later);
    assert_eq!((other.now_to_publish(), other.now_to_destroy()), (Some(later), Some(later)));
}

#[test]
fn a_clock_that_follows_the_machine_shows_the_machine_s_time() {
    let clock = Clock::simulated(Timestamp::from_second(0).expect("in range"));
    clock.follow_machine();
    assert!(clock.now_ms().abs_diff(Clock::machine().now_ms()) < 5_000);
}

#[test]
fn nothing_is_published_or_destroyed_while_clocks_disagree() {
    let machine = TestMachine::default();
    let clock = machine.clock("a", None);
    assert!(clock.now_to_publish().is_some() && clock.now_to_destroy().is_some());
    machine.set(HOUR, -2 * DAY);
    assert_eq!(clock.now_ms(), (BEGAN + HOUR) / 1000);
    assert_eq!((clock.now_to_publish(), clock.now_to_destroy()), (None, None));
    let disputed = |lasting| ClockStatus::Disputed { whose: "the wall clock", offset_s: -2 * 86_400, lasting };
    assert_eq!(clock.status(), disputed(false));
    // A key does not outlive its day for ever because of a clock that nobody sets right.
    machine.set(3 * HOUR, -2 * DAY);
    assert_eq!(clock.status(), disputed(true));
    assert!(clock.now_to_publish().is_none() && clock.now_to_destroy().is_some());
    machine.set(4 * HOUR, 0);
    assert_eq!(clock.status(), ClockStatus::Agreed);
    assert_eq!(clock.now_to_publish(), clock.now_to_destroy());
}

#[test]
fn a_store_whose_clock_disagrees_is_a_dispute_too() {
    let machine = TestMachine::default();
    let clock = machine.clock("a", None);
    clock.note_store("vault", BEGAN / 1_000_000 + 59);
    assert_eq!(clock.status(), ClockStatus::Agreed);
    clock.note_store("vault", BEGAN / 1_000_000 + 86_400);
    assert_eq!(clock.status(), ClockStatus::Disputed { whose: "vault", offset_s: 86_400, lasting: false });
    assert!(clock.now_to_publish().is_none() && clock.now_to_destroy().is_none());
    machine.set(3 * HOUR, 0);
    assert!(clock.now_to_destroy().is_some());
    clock.note_store("vault", (BEGAN + 3 * HOUR) / 1_000_000);
    assert_eq!(clock.status(), ClockStatus::Agreed);
}

#[test]
fn the_time_survives_a_restart_and_a_jump_meanwhile() {
    let (machine, folder) = (TestMachine::default(), tempfile::tempdir().expect("a folder"));
    machine.clock("a", Some(folder.path())).save().expect("saves");
    machine.set(HOUR, 10 * 365 * DAY);
    let clock = machine.clock("a", Some(folder.path()));
    assert_eq!(clock.now_ms(), (BEGAN + HOUR) / 1000);
    assert!(matches!(clock.status(), ClockStatus::Disputed { .. }));
    // After a reboot nobody can know how long the machine was off.
    let rebooted = machine.clock("b", Some(folder.path()));
    assert!(rebooted.is_unknown() && rebooted.now_to_destroy().is_none());
    rebooted.save().expect("writes nothing");
    machine.set(2 * HOUR, 0);
    assert!(!rebooted.is_unknown());
    assert_eq!(rebooted.now_ms(), (BEGAN + 2 * HOUR) / 1000);
    // A damaged file says nothing.
    std::fs::write(folder.path().join("clock.json"), b"{").expect("writes");
    assert_eq!(machine.clock("c", Some(folder.path())).status(), ClockStatus::Agreed);
}

#[test]
fn a_person_can_accept_the_wall_clock_as_it_is_and_no_other() {
    let (machine, folder) = (TestMachine::default(), tempfile::tempdir().expect("a folder"));
    let clock = machine.clock("a", Some(folder.path()));
    let verb = machine.clock("a", Some(folder.path()));
    assert_eq!(clock.take_acceptance().expect("reads"), None);
    machine.set(HOUR, 3 * DAY);
    verb.order_acceptance().expect("writes");
    machine.set(2 * HOUR, 5 * DAY);
    assert_eq!(clock.take_acceptance().expect("reads"), None, "it meant another time");
    verb.order_acceptance().expect("writes");
    assert_eq!(clock.take_acceptance().expect("reads"), Some(5 * 86_400));
    assert_eq!(clock.take_acceptance().expect("reads"), None, "once");
    assert_eq!((clock.now_ms(), clock.status()), ((BEGAN + 2 * HOUR + 5 * DAY) / 1000, ClockStatus::Agreed));
}

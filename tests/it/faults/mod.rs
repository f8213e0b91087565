//! The fault laboratory: is what was acknowledged stored exactly once, whatever breaks?
//!
//! The real programs run here, on a real disk, and are killed, filled up, cut off and stopped, while a load of beacons
//! keeps a journal of its answers. In the end the vault is compared with the journal: nothing lost, nothing twice,
//! nothing altered. The short version is part of `make test`; `make faults` (`TAMGA_FAULTS=long`) is the long one,
//! whose figures are in `docs/faults.md`. What is tried on simulated disks is in `src/spool/tests`, on a simulated
//! vault in `ship.rs`.
//!
//! `TAMGA_FAULTS_PROGRAM` names another collector than the one of this build: the optimised one, for figures.

mod clocks;
mod commit;
mod disk_errors;
mod full_disk;
mod gate;
mod kill;
mod laboratory;
mod load;
mod orders;
mod outage;
mod poison;
mod retry;
mod stop;

use std::fmt::Display;
use std::time::{Duration, Instant};

/// Whether this is the long run, which has the machine for itself.
fn long() -> bool {
    std::env::var("TAMGA_FAULTS").is_ok_and(|value| value == "long")
}

/// Whether it took less than this, which only the long run can ask.
fn in_time(took: Duration, limit: Duration) -> bool {
    !long() || took < limit
}

/// How often: in the short run, in the long run.
fn times(short: u32, long_run: u32) -> u32 {
    if long() { long_run } else { short }
}

/// Says what was found, for `scripts/faults` to collect.
fn figures(begun: Instant, what: impl Display) {
    println!("FIGURES {what}; {:.1} s", begun.elapsed().as_secs_f64());
}

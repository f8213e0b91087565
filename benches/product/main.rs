//! `cargo bench --bench product`: what a whole node takes. The collector, its two engines and what goes between them, from the request until its rows are
//! in the vault; beside what one would write in an afternoon with the same libraries on the same engine.
//!
//! All of it has both cores, and the generator is beside it. The figure is events per second of the processor time of *all*
//! processes. Who answers before an event is durable is so marked. The results go to `docs/product-benchmarks.md` and its picture.
//!
//! `TAMGA_BENCH_ROUNDS` (3) and `TAMGA_BENCH_SECONDS` (30) say how long; `TAMGA_BENCH_ONLY` names the parts of a plan to run, as `1@500,20@most`,
//! and writes nothing.
#![allow(missing_docs, clippy::print_stdout, clippy::print_stderr, reason = "a program that measures and prints")]

#[path = "../corpus.rs"]
mod corpus;
#[path = "../figures.rs"]
#[allow(dead_code, reason = "the edge's figures have curves")]
mod figures;
#[path = "../edge/generator.rs"]
mod generator;
#[path = "../machine.rs"]
mod machine;
mod programs;
mod report;

use std::path::Path;
use std::time::{Duration, Instant};

use generator::Load;
use programs::Program;

/// Events in a request, and how many events a second are offered; `None`: as many as are answered.
const PLAN: [(usize, Option<u32>); 6] =
    [(1, Some(500)), (1, Some(5_000)), (5, Some(20_000)), (1, None), (5, None), (20, None)];
const CONNECTIONS: usize = 64;
/// After the last answer rows wait for those beside them, and for their turn.
const PATIENCE: Duration = Duration::from_secs(900);

/// What a program took for one part of the plan.
#[derive(Clone, Copy)]
pub(crate) struct Taken {
    pub(crate) events: u64,
    pub(crate) sent_s: f64,
    /// From the first request until the last row could be read.
    pub(crate) readable_s: f64,
    /// Seconds of processor: of what answers, and of its engines.
    pub(crate) front_s: f64,
    pub(crate) engines_s: f64,
    pub(crate) resident_mib: f64,
    pub(crate) p99_ms: f64,
}

/// A part of the plan: what each round took, by program.
pub(crate) struct Part {
    pub(crate) events: usize,
    pub(crate) offered: Option<u32>,
    pub(crate) taken: Vec<(&'static str, Vec<Taken>)>,
}

impl Part {
    /// As `TAMGA_BENCH_ONLY` names it.
    fn name(&self) -> String {
        let offered = self.offered.map_or("most".to_owned(), |offered| offered.to_string());
        format!("{}@{offered}", self.events)
    }
}

fn main() {
    if std::env::args().any(|argument| argument == "--test") {
        return;
    }
    let number = |name: &str, usual: u64| std::env::var(name).ok().and_then(|text| text.parse().ok()).unwrap_or(usual);
    let (rounds, seconds) = (number("TAMGA_BENCH_ROUNDS", 3), number("TAMGA_BENCH_SECONDS", 30));
    let only = std::env::var("TAMGA_BENCH_ONLY").ok();
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join("product");
    let _ = std::fs::remove_dir_all(&folder);
    std::fs::create_dir_all(&folder).expect("the build's folder can be written");
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
    let held_up = machine::held_up_ms();
    let programs = programs::start(&folder);
    let is_wanted = |part: &Part| only.as_ref().is_none_or(|only| only.split(',').any(|name| name == part.name()));
    let part = |(events, offered)| Part { events, offered, taken: Vec::new() };
    let mut parts: Vec<Part> = PLAN.into_iter().map(part).filter(is_wanted).collect();
    runtime.block_on(measure(&programs, &mut parts, rounds, Duration::from_secs(seconds)));
    let rests: Vec<_> = programs.iter().map(|program| (program.name, at_rest(program))).collect();
    drop(programs);
    let _ = std::fs::remove_dir_all(&folder);
    let _ = std::fs::remove_dir_all(machine::keys_folder());
    let page = report::page(&parts, &rests, held_up, rounds, seconds);
    print!("{page}");
    if only.is_none() {
        report::write(&page, &parts).expect("docs/ can be written");
    }
}

async fn measure(programs: &[Program], parts: &mut [Part], rounds: u64, lasts: Duration) {
    let mut first = 1;
    for program in programs {
        take(program, 5, Some(1_000), Duration::from_secs(2), &mut first).await;
    }
    for round in 0..rounds as usize {
        for part in &mut *parts {
            for turn in 0..programs.len() {
                let program = &programs[(turn + round) % programs.len()];
                let taken = take(program, part.events, part.offered, lasts, &mut first).await;
                eprintln!("round {round}, {}, {}: {}", part.name(), program.name, report::line(&taken));
                match part.taken.iter_mut().find(|(name, _)| *name == program.name) {
                    Some((_, rounds)) => rounds.push(taken),
                    None => part.taken.push((program.name, vec![taken])),
                }
            }
        }
    }
}

/// Sends a load, and waits until all of it can be read.
async fn take(program: &Program, events: usize, offered: Option<u32>, lasts: Duration, first: &mut u64) -> Taken {
    let begun = Instant::now();
    let (received, front_s, engines_s) = (program.received().await, program.front_s(), program.engines_s());
    // Views are never sent twice.
    *first += 1 << 32;
    let rate = offered.map(|offered| f64::from(offered) / events as f64);
    let load = Load { rate, spins: false, first: *first, ..Load::of(program.address, events, CONNECTIONS, lasts) };
    let answered = generator::run(load).await;
    assert_eq!(answered.failed, 0, "{}: of {} requests", program.name, answered.requests);
    let (sent_s, resident_mib) = (begun.elapsed().as_secs_f64(), program.resident_bytes() as f64 / f64::from(1 << 20));
    let events = answered.requests * events as u64;
    while !program.is_readable(received + events).await {
        assert!(begun.elapsed() < lasts + PATIENCE, "{}: rows are missing", program.name);
        tokio::time::sleep(Duration::from_millis(250)).await;
    }
    Taken {
        events,
        sent_s,
        readable_s: begun.elapsed().as_secs_f64(),
        front_s: program.front_s() - front_s,
        engines_s: program.engines_s() - engines_s,
        resident_mib,
        p99_ms: answered.quantile_ms(0.99),
    }
}

/// The share of a core that a program takes when nothing is sent.
fn at_rest(program: &Program) -> f64 {
    const SECONDS: u64 = 20;
    let before = program.front_s() + program.engines_s();
    std::thread::sleep(Duration::from_secs(SECONDS));
    (program.front_s() + program.engines_s() - before) / SECONDS as f64
}

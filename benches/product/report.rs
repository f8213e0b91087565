//! The report: `docs/product-benchmarks.md`, and a picture of where the processor's time goes.

use std::fmt::Write as _;
use std::fs;
use std::path::Path;

use crate::{Part, Taken, figures, machine};

const HEAD: &str = "# Benchmarks of the whole product

<!-- Written by `make bench`. -->

What a node takes of its processors from a beacon until its rows can be read in the vault: the collector, both embedded engines, and the
way between them. It has both cores of the machine, and the generator runs beside it. The load comes at a given rate, or with the next request
as soon as one is answered (*most*). Rows wait in the spool for half a minute, as they do by default, but not for the end of the day. The
other program is what one writes in [an afternoon](../benches/afternoon/main.rs) with the same libraries: it hands each event to the official client's inserter, on the
same engine, and answers before an event is anywhere but in memory. It has one row an event; a beacon of the product has rows in tables that do not join.

![Processor time of an event](product-benchmarks.svg)

";

/// What each program took, in the middle of the rounds.
fn middle(rounds: &[Taken], of: impl Fn(&Taken) -> f64) -> f64 {
    figures::median(rounds.iter().map(of))
}

impl Taken {
    fn per_cpu_second(&self) -> f64 {
        self.events as f64 / (self.front_s + self.engines_s)
    }

    /// The share of a core while such a load lasts, from the share that the program takes at rest: it rests while rows wait.
    fn of_a_core(&self, rest: f64) -> f64 {
        (self.front_s + self.engines_s - rest * (self.readable_s - self.sent_s)) / self.sent_s
    }

    /// Microseconds of processor an event.
    fn each_us(&self, seconds: f64) -> f64 {
        seconds * 1e6 / self.events as f64
    }
}

/// A line for who waits.
pub(crate) fn line(taken: &Taken) -> String {
    format!(
        "{:.0} events/s for {:.0} s, readable after {:.0} s; {:.0} events per CPU-second; {:.1} µs of the collector and {:.1} of engines; {:.0} MiB; p99 {:.1} ms",
        taken.events as f64 / taken.sent_s,
        taken.sent_s,
        taken.readable_s,
        taken.per_cpu_second(),
        taken.each_us(taken.front_s),
        taken.each_us(taken.engines_s),
        taken.resident_mib,
        taken.p99_ms
    )
}

pub(crate) fn page(parts: &[Part], rests: &[(&str, f64)], held_up: [f64; 2], rounds: u64, seconds: u64) -> String {
    let [longest, all] = held_up;
    let mut out = HEAD.to_owned();
    let _ = writeln!(
        out,
        "Machine: {}. The middle of {rounds} rounds of {seconds} s. Before, a thread that only reads the clock was held up for \
         {longest:.1} ms at most and {all:.1} ms a second: by the machine, and no p99 can be better.\n",
        machine::description()
    );
    out += "| events a request | offered | program | events/s | events per CPU-second | µs an event: collector | engines | of a core | readable after | MiB | p99, ms |\n\
            |--:|--:|---|--:|--:|--:|--:|--:|--:|--:|--:|\n";
    for part in parts {
        for (program, rounds) in &part.taken {
            let of = |value: fn(&Taken) -> f64| middle(rounds, value);
            let rest = rests.iter().find(|(name, _)| name == program).map_or(0.0, |(_, share)| *share);
            let _ = writeln!(
                out,
                "| {} | {} | {program} | {:.0} | {:.0} | {:.1} | {:.1} | {:.0} % | {:.0} s | {:.0} | {:.1} |",
                part.events,
                part.offered.map_or("most".to_owned(), |offered| offered.to_string()),
                of(|taken| taken.events as f64 / taken.sent_s),
                of(Taken::per_cpu_second),
                of(|taken| taken.each_us(taken.front_s)),
                of(|taken| taken.each_us(taken.engines_s)),
                middle(rounds, |taken| taken.of_a_core(rest) * 100.0),
                of(|taken| taken.readable_s),
                of(|taken| taken.resident_mib),
                of(|taken| taken.p99_ms),
            );
        }
    }
    out += "\nWhile nothing is sent, of a core: ";
    let rests: Vec<_> = rests.iter().map(|(name, share)| format!("{name} {:.1} %", share * 100.0)).collect();
    out + &rests.join(", ") + ".\n"
}

/// Writes both files. What the figures mean is written by hand, beside this program.
pub(crate) fn write(page: &str, parts: &[Part]) -> std::io::Result<()> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let page = format!("{page}\n{}", fs::read_to_string(root.join("benches/product/meaning.md"))?);
    fs::write(root.join("docs/product-benchmarks.md"), page)?;
    fs::write(root.join("docs/product-benchmarks.svg"), picture(parts))
}

/// Bars of two pieces: the collector, and its engines.
fn picture(parts: &[Part]) -> String {
    const PIECES: [[&str; 2]; 2] = [["#2f6f4f", "#86b39a"], ["#8a6d2f", "#d3bd8d"]];
    const WIDTH: f64 = 430.0;
    let us = |rounds: &[Taken]| {
        [middle(rounds, |taken| taken.each_us(taken.front_s)), middle(rounds, |taken| taken.each_us(taken.engines_s))]
    };
    let all = parts.iter().flat_map(|part| &part.taken);
    let most = all.map(|(_, rounds)| us(rounds).iter().sum::<f64>()).fold(1.0, f64::max);
    let (mut out, mut y) = (String::new(), 18.0);
    for part in parts {
        let offered =
            part.offered.map_or("as many as are answered".to_owned(), |offered| format!("{offered} events/s"));
        y += 26.0;
        let plural = if part.events == 1 { "event" } else { "events" };
        let _ =
            writeln!(out, "<text x='8' y='{y}' font-weight='600'>{} {plural} a request, {offered}</text>", part.events);
        for ((program, rounds), colours) in part.taken.iter().zip(PIECES) {
            y += 21.0;
            let [front, engines] = us(rounds).map(|value| value / most * WIDTH);
            let _ = writeln!(
                out,
                "<text x='8' y='{y}'>{program}</text><rect x='190' y='{top}' width='{front:.0}' height='14' fill='{}'/>\
                 <rect x='{:.0}' y='{top}' width='{engines:.0}' height='14' fill='{}'/><text x='{:.0}' y='{y}'>{:.0} µs</text>",
                colours[0],
                190.0 + front,
                colours[1],
                196.0 + front + engines,
                us(rounds).iter().sum::<f64>(),
                top = y - 12.0,
            );
        }
    }
    let title = "Processor time of an event until it can be read (dark: what answers; light: engines)";
    figures::picture(title, y + 14.0, &out)
}

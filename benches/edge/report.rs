//! The report: `docs/benchmarks.md` with the machine, the versions, medians and spread, and `docs/benchmarks.svg`.

use std::fmt::Write as _;
use std::fs;
use std::path::Path;

use super::{Figures, Measured, SHARES, SIZES};

/// What the figures are and are not; the part of the page that does not change.
const HEAD: &str = "# Benchmarks

<!-- Written by `make bench`. -->

How fast the edge is, beside nginx that answers 204 at once and a handler of the same HTTP library that does nothing but
read the body. All get the same requests over loopback, with keep-alive, in one run and interleaved; the server has one core
and the generator the other. Events per second of the *server's own* processor time is the figure that carries over to
another machine best; ratios do better than absolute figures. Nobody takes rows out of the spool meanwhile.

*Acknowledged when synced* is the product: every `202` is sent after `fdatasync`. *The sync left out* exists in the benchmark
alone and shows what that costs.

";

fn middle(values: &[f64]) -> f64 {
    crate::figures::median(values.iter().copied())
}

/// Writes both files.
pub(crate) fn write(measured: &[Measured], held_up: [f64; 2], rounds: u64, seconds: u64) -> std::io::Result<()> {
    let docs = Path::new(env!("CARGO_MANIFEST_DIR")).join("docs");
    let page = page(measured, held_up, rounds, seconds);
    // What the figures mean is written by hand, beside this program.
    let page =
        page + "\n" + &fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("benches/edge/profile.md"))?;
    print!("{page}");
    fs::write(docs.join("benchmarks.md"), page)?;
    fs::write(docs.join("benchmarks.svg"), picture(measured))
}

fn page(measured: &[Measured], [longest, all]: [f64; 2], rounds: u64, seconds: u64) -> String {
    let mut out = HEAD.to_owned();
    let _ = writeln!(out, "![Events per second of processor time](benchmarks.svg)\n");
    let _ =
        writeln!(out, "Machine: {}. {rounds} rounds of {seconds} s, 64 connections.\n", crate::machine::description());
    let named = |name| measured.iter().find(|of| of.name.starts_with(name));
    let (bare, nginx) = (named("bare"), named("nginx"));
    for (size, events) in SIZES.into_iter().enumerate() {
        let plural = if events == 1 { "event" } else { "events" };
        let _ = writeln!(out, "## {events} {plural} a request\n");
        out += "| server | events per CPU-second | spread | of bare axum | requests/s | spread | of bare axum | of nginx |\n\
                |---|--:|--:|--:|--:|--:|--:|--:|\n";
        for of in measured {
            let Figures { events_per_cpu_second: cpu, requests_per_second: requests } = &of.by_size[size];
            let ratio = |to: Option<&Measured>, of: &[f64], what: fn(&Figures) -> &[f64]| {
                to.map_or(f64::NAN, |to| middle(of) / middle(what(&to.by_size[size])))
            };
            let _ = writeln!(
                out,
                "| {} | {} | {} | {:.2} | {} | {} | {:.2} | {:.2} |",
                of.name,
                thousands(middle(cpu)),
                spread(cpu),
                ratio(bare, cpu, |of| &of.events_per_cpu_second),
                thousands(middle(requests)),
                spread(requests),
                ratio(bare, requests, |of| &of.requests_per_second),
                ratio(nginx, requests, |of| &of.requests_per_second),
            );
        }
        out.push('\n');
    }
    let _ = writeln!(
        out,
        "## Latency\n\nOpen loop, one event a request, at shares of what each server did at most; milliseconds. Before, a thread that only \
         reads the clock was held up for {longest:.1} ms at most and {all:.1} ms a second: by the machine, and no server can be better.\n"
    );
    out += "| server | load | p50 | p99 | p99.9 |\n|---|--:|--:|--:|--:|\n";
    for of in measured {
        for (share, [p50, p99, p999]) in SHARES.into_iter().zip(of.latency) {
            let _ = writeln!(out, "| {} | {:.0} % | {p50:.2} | {p99:.2} | {p999:.2} |", of.name, share * 100.0);
        }
    }
    out += "\n## Memory\n\n| server | resident after all of it, MiB | an idle connection, kB |\n|---|--:|--:|\n";
    for of in measured.iter().filter(|of| of.is_local) {
        let (mib, kb) = (of.loaded_bytes as f64 / f64::from(1 << 20), of.idle_bytes / 1e3);
        let _ = writeln!(out, "| {} | {mib:.0} | {kb:.1} |", of.name);
    }
    out
}

fn spread(values: &[f64]) -> String {
    let (least, most) =
        values.iter().fold((f64::MAX, f64::MIN), |(least, most), value| (least.min(*value), most.max(*value)));
    if values.is_empty() { "–".to_owned() } else { format!("{}…{}", thousands(least), thousands(most)) }
}

fn thousands(value: f64) -> String {
    if value.is_nan() { "–".to_owned() } else { format!("{:.1}k", value / 1e3) }
}

/// Bars: events per second of processor time, a group for each size.
fn picture(measured: &[Measured]) -> String {
    const COLOURS: [&str; 5] = ["#8a8f98", "#b9a06a", "#2f6f4f", "#86b39a", "#7a5c8e"];
    const WIDTH: f64 = 440.0;
    let known: Vec<_> = measured.iter().filter(|of| of.is_local).collect();
    let figure = |of: &Measured, size: usize| middle(&of.by_size[size].events_per_cpu_second);
    let mut out = String::new();
    let mut y = 20.0;
    for (size, events) in SIZES.into_iter().enumerate() {
        let most = known.iter().map(|of| figure(of, size)).fold(1.0, f64::max);
        let plural = if events == 1 { "event" } else { "events" };
        y += 22.0;
        let _ = writeln!(out, "<text x='8' y='{y}' font-weight='600'>{events} {plural} a request</text>");
        for (of, colour) in known.iter().zip(COLOURS) {
            y += 22.0;
            let (value, wide) = (figure(of, size), figure(of, size) / most * WIDTH);
            let _ = writeln!(
                out,
                "<text x='8' y='{y}'>{}</text><rect x='250' y='{}' width='{wide:.0}' height='14' rx='2' fill='{colour}'/>\
                 <text x='{:.0}' y='{y}'>{}</text>",
                of.name,
                y - 12.0,
                256.0 + wide,
                thousands(value)
            );
        }
        y += 10.0;
    }
    let title = "Events per second of the server's processor time";
    crate::figures::picture(title, y + 12.0, &out)
}

//! `cargo bench --bench edge -- growth`: how the edge's figures grow with connections, sites, the bytes of an event, and the rows that wait in
//! the spool. Each point is one server on one core, as fast as it answers. Writes `docs/growth.md` and `docs/growth.svg`.

use std::fmt::Write as _;
use std::fs;
use std::path::Path;
use std::time::Duration;

use super::generator::{self, Load};
use super::servers::{self, Server};
use super::{CONNECTIONS, figures, machine};

/// Points of a curve: connections, sites, bytes of a query. A longer address is refused.
const CONNECTED: [usize; 6] = [1, 8, 64, 512, 2_000, 4_000];
const SITES: [usize; 4] = [1, 10, 100, 1_000];
const QUERIES: [usize; 5] = [0, 250, 500, 1_000, 1_900];
/// GiB in the spool, and what fills it.
const BACKLOG_GIB: [u64; 4] = [0, 1, 2, 4];
const FILLED_BY: usize = 20;

/// What was measured at one value.
struct Point {
    at: u64,
    requests_per_cpu_second: f64,
    resident_mib: f64,
    p99_ms: f64,
}

/// A figure against one thing that grows.
struct Curve {
    name: &'static str,
    unit: &'static str,
    points: Vec<Point>,
}

/// Measures all curves, and writes them.
pub(crate) async fn measure(folder: &Path, rounds: u64, lasts: Duration) {
    let mut field = Field { folder, rounds, lasts, servers: 0, views: 1 };
    let one = |_| 1;
    let curves = [
        field.curve("connections", &CONNECTED, one, |load, at| Load { connections: at, ..load }).await,
        field.curve("sites", &SITES, |sites| sites, |load, at| Load { sites: at, ..load }).await,
        field.curve("bytes more in the address of a page", &QUERIES, one, |load, at| Load { query: at, ..load }).await,
        field.backlog().await,
    ];
    let page = page(&curves, rounds, lasts);
    print!("{page}");
    let docs = Path::new(env!("CARGO_MANIFEST_DIR")).join("docs");
    fs::write(docs.join("growth.md"), page).expect("docs/ can be written");
    fs::write(docs.join("growth.svg"), picture(&curves)).expect("docs/ can be written");
}

/// Where servers are started one after the other.
struct Field<'a> {
    folder: &'a Path,
    rounds: u64,
    lasts: Duration,
    servers: u64,
    views: u64,
}

impl Field<'_> {
    fn server(&mut self, sites: usize) -> Server {
        self.servers += 1;
        servers::tamga(&self.folder.join(format!("growth-{}", self.servers)), sites)
    }

    fn load(&mut self, server: &Server) -> Load {
        // Views are never sent twice.
        self.views += 1 << 32;
        Load { first: self.views, ..Load::of(server.address, 1, CONNECTIONS, self.lasts) }
    }

    /// The middle of the rounds at one value.
    async fn point(&mut self, server: &Server, at: u64, changed: impl Fn(Load) -> Load) -> Point {
        // Once in vain: keys are made, memory is taken.
        let load = changed(self.load(server));
        generator::run(Load { lasts: Duration::from_secs(1), ..load }).await;
        let mut rounds = Vec::new();
        for _ in 0..self.rounds {
            let load = changed(self.load(server));
            rounds.push(point(server, load, at).await);
        }
        middle(&rounds)
    }

    async fn curve(
        &mut self,
        name: &'static str,
        values: &[usize],
        sites: impl Fn(usize) -> usize,
        changed: impl Fn(Load, usize) -> Load,
    ) -> Curve {
        let mut points = Vec::new();
        for value in values.iter().copied() {
            let server = self.server(sites(value));
            let point = self.point(&server, value as u64, |load| changed(load, value)).await;
            eprintln!("{name} {value}: {:.0} requests/CPU-s", point.requests_per_cpu_second);
            points.push(point);
        }
        Curve { name, unit: "", points }
    }

    /// One server whose spool fills.
    async fn backlog(&mut self) -> Curve {
        let server = self.server(1);
        let mut points = Vec::new();
        for gib in BACKLOG_GIB {
            while self.spooled() < gib << 30 {
                let load = self.load(&server);
                generator::run(Load { events: FILLED_BY, ..load }).await;
            }
            points.push(self.point(&server, gib, |load| load).await);
            eprintln!("backlog {gib} GiB");
        }
        Curve { name: "rows that wait in the spool", unit: " GiB", points }
    }

    /// Bytes on the disk of the server that was started last.
    fn spooled(&self) -> u64 {
        use std::os::unix::fs::MetadataExt as _;
        let spool = self.folder.join(format!("growth-{}", self.servers)).join("spool");
        let files = fs::read_dir(spool).into_iter().flatten().flatten();
        files.filter_map(|file| file.metadata().ok()).map(|of| of.blocks() * 512).sum()
    }
}

async fn point(server: &Server, load: Load, at: u64) -> Point {
    let before = server.cpu_seconds();
    let answered = generator::run(load).await;
    assert!(answered.failed == 0 && answered.requests > 0, "{} failed", answered.failed);
    Point {
        at,
        requests_per_cpu_second: answered.requests as f64 / (server.cpu_seconds() - before),
        resident_mib: server.resident_bytes() as f64 / f64::from(1 << 20),
        p99_ms: answered.quantile_ms(0.99),
    }
}

fn middle(rounds: &[Point]) -> Point {
    let median = |of: fn(&Point) -> f64| figures::median(rounds.iter().map(of));
    Point {
        at: rounds[0].at,
        requests_per_cpu_second: median(|of| of.requests_per_cpu_second),
        resident_mib: median(|of| of.resident_mib),
        p99_ms: median(|of| of.p99_ms),
    }
}

fn page(curves: &[Curve], rounds: u64, lasts: Duration) -> String {
    let mut out = format!(
        "# How figures grow\n\n<!-- Written by `cargo bench --bench edge -- growth`. -->\n\n\
         What one event a request takes at the edge, on one core and as fast as it is answered, when more connections are open, more sites are configured, \
         addresses of pages are longer, or more waits in the spool. {CONNECTIONS} connections where nothing else is said.\n\n\
         ![Requests a CPU-second and memory](growth.svg)\n\nMachine: {}. The middle of {rounds} rounds of {} s.\n",
        machine::description(),
        lasts.as_secs()
    );
    for Curve { name, unit, points } in curves {
        let _ = writeln!(
            out,
            "\n| {name} | requests per CPU-second | MiB resident | p99 as fast as answered, ms |\n|--:|--:|--:|--:|"
        );
        for Point { at, requests_per_cpu_second, resident_mib, p99_ms } in points {
            let _ = writeln!(out, "| {at}{unit} | {requests_per_cpu_second:.0} | {resident_mib:.0} | {p99_ms:.1} |");
        }
    }
    out
}

fn picture(curves: &[Curve]) -> String {
    let curves = curves.iter().map(|Curve { name, unit, points }| {
        let points = points
            .iter()
            .map(|point| (format!("{}{unit}", point.at), [point.requests_per_cpu_second / 1e3, point.resident_mib]));
        figures::Curve { name: (*name).to_owned(), points: points.collect() }
    });
    let title = "Thousands of requests per CPU-second (green) and MiB resident (sand)";
    figures::curves(title, &curves.collect::<Vec<_>>())
}

//! `make linkage`: can identified data be joined with what the product keeps and publishes?
//!
//! A world of people ([`world`]) sends beacons to the real collector on a simulated clock ([`collector`]); their identified
//! payment log and the truth are kept apart. When all is published, attackers ([`attack`]) try with what their role has, and
//! are judged ([`judge`]) against chance, against people who refused (the negative control), and against the same attack on a
//! naive store of rows (the positive control: below 97 % the run is void). The figures go to `docs/linkage.md` ([`report`]).
//!
//! Of the product only its start is linked in; generator, attackers and judge share no code with it.

#![allow(
    clippy::unwrap_used,
    clippy::print_stdout,
    reason = "what it has of the tests fails by panicking, and a measurement prints"
)]

mod at_rest;
mod attack;
mod bounds;
mod collector;
mod colluder;
#[path = "../it/support/engine.rs"]
#[allow(dead_code, reason = "the integration tests use more of it")]
mod engine;
mod insider;
mod judge;
mod mirror;
mod nminus1;
mod parts;
mod picture;
#[path = "../it/support/programs.rs"]
#[allow(dead_code, reason = "the integration tests start more programs")]
mod programs;
mod published;
#[path = "../it/disclosure/repeated.rs"]
mod repeated;
mod report;
mod support {
    pub(crate) use crate::{engine, widths};
}
#[path = "../it/support/wait.rs"]
#[allow(dead_code, reason = "the integration tests wait in more ways")]
mod wait;
#[path = "../it/support/widths.rs"]
mod widths;
mod world;

use std::collections::{BTreeMap, HashMap};
use std::time::Instant;

use attack::{Counts, FIELDS, GUESSES};
use collector::{Beacon, Collector};
use insider::{Copy, Insider, Target};
use judge::Rate;
use nminus1::Trap;
use parts::Watched;
use published::OfDay;
use report::{Figures, Scale};
use world::{DAY_MS, Payment, World};

/// Payers whose telemetry was sent, at least, for each scale, unless others are asked for.
const TARGETS: usize = 8_000;
/// Worlds of each scale.
const SEEDS: usize = 5;
/// Windows of the attacks that multiply looks.
const WINDOWS: usize = 30;
/// The world beside fakes and many looks at published numbers.
const PUBLISHED: [(usize, usize); 1] = [(500, 1)];
const SCALES: [(usize, usize); 4] = [(500, SEEDS), (2_000, SEEDS), (20_000, SEEDS), (200_000, SEEDS)];
/// Worlds of each scale for the watcher: payments enough for an interval that can decide.
const WATCHED: [(usize, usize); 4] = [(500, 40), (2_000, 10), (20_000, 3), (200_000, 1)];

/// What is measured; the sections of the page that are not stay as they are.
#[derive(Clone, Copy, PartialEq, Eq)]
enum What {
    All,
    Vault,
    Watcher,
    Published,
}

fn main() -> anyhow::Result<()> {
    let (mut write, mut payers, mut what) = (false, TARGETS, What::All);
    let mut given = None;
    let mut arguments = std::env::args().skip(1);
    while let Some(argument) = arguments.next() {
        let mut value = || arguments.next().unwrap_or_default();
        match argument.as_str() {
            "--scales" => given = Some(value().split(',').map(visits_and_seeds).collect::<anyhow::Result<Vec<_>>>()?),
            "--payers" => payers = value().parse()?,
            "--vault" => what = What::Vault,
            "--watcher" => what = What::Watcher,
            "--published" => what = What::Published,
            "--write" => write = true,
            other => anyhow::bail!(
                "{other}? --scales VISITS[:SEEDS],… --payers NUMBER --vault --watcher --published --write"
            ),
        }
    }
    // The collector's warnings, which name nobody.
    tamga::serve::log_to_stderr("warn", tamga::config::LogFormat::Text)?;
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    // Fakes and looks need no worlds of people but one.
    let of_what = if what == What::Published { &PUBLISHED[..] } else { &SCALES };
    let all = [What::All, What::Published].contains(&what);
    let mut figures = match what {
        What::Watcher => Figures::default(),
        _ => runtime.block_on(run(given.as_deref().unwrap_or(of_what), payers, all))?,
    };
    if [What::All, What::Watcher].contains(&what) {
        // Of its own worlds, unless they are asked for.
        let scales = given.filter(|_| !all).unwrap_or(WATCHED.into());
        figures.watched = runtime.block_on(watch(&scales))?;
    }
    let page = concat!(env!("CARGO_MANIFEST_DIR"), "/docs/linkage.md");
    let text = match what {
        What::All => report::markdown(&figures),
        // The other sections stay as they were measured.
        What::Vault => report::with_insiders(&std::fs::read_to_string(page)?, &figures)?,
        What::Published => report::with_published(&std::fs::read_to_string(page)?, &figures)?,
        What::Watcher => report::with_watcher(&std::fs::read_to_string(page)?, &figures)?,
    };
    println!("{text}");
    if write {
        std::fs::write(page, &text)?;
    }
    if write && what == What::All {
        std::fs::write(page.replace(".md", ".svg"), picture::picture(&figures))?;
    }
    let void: Vec<_> =
        figures.scales.iter().filter(|scale| all && scale.naive.share() < 0.97).map(|scale| scale.visits).collect();
    anyhow::ensure!(void.is_empty(), "the run is void: the positive control is below 97 % at {void:?} visits a day");
    let weak = figures.scales.iter().find(|scale| scale.visits <= 500 && scale.insider.former.share() < 0.95);
    anyhow::ensure!(weak.is_none(), "the run is void: the insider links less than 95 % in the former schema");
    if let Some(control) = figures.repeated.advantages.get("control") {
        anyhow::ensure!(control.share() > 0.97, "the run is void: numbers without noise give no visitor away");
    }
    let [_, marks] = figures.repeated.bits;
    anyhow::ensure!(
        figures.repeated.exact_bits == marks,
        "the run is void: without bounds and noise not every mark is read"
    );
    let over = figures.over_the_bars(what);
    anyhow::ensure!(over.is_empty(), "over the bars: {}", over.join("; "));
    Ok(())
}

/// Lets the watcher try at each scale.
async fn watch(scales: &[(usize, usize)]) -> anyhow::Result<Vec<Watched>> {
    let (mut delays, mut watched) = (Vec::new(), Vec::new());
    for linger in parts::LINGERS {
        delays.push(parts::delays(linger).await?);
        println!("rows that waited {linger} s were under way for {:.1?} s", delays.last());
    }
    for &(visits, worlds) in scales {
        let of = parts::watch_a_day(visits, worlds, &delays).await?;
        println!("{} early; {:.4?}; {:.3?}", of.early, of.linked, of.correlation);
        watched.push(of);
    }
    Ok(watched)
}

/// `20000:2`: so many visits a day, so many seeds.
fn visits_and_seeds(text: &str) -> anyhow::Result<(usize, usize)> {
    let (visits, seeds) = text.split_once(':').unwrap_or((text, ""));
    Ok((visits.parse()?, if seeds.is_empty() { SEEDS } else { seeds.parse()? }))
}

/// Without `all`, only who has the vault tries. The watcher is not among them.
async fn run(scales: &[(usize, usize)], payers: usize, all: bool) -> anyhow::Result<Figures> {
    let began = Instant::now();
    let networks = world::networks(include_str!("../../crates/demo/geo/networks.csv"));
    let mut worlds = Vec::new();
    for &(visits, seeds) in scales {
        let days = payers.div_ceil(visits * 15 * 75 / 10_000 * seeds).max(1);
        for seed in 0..seeds {
            let site = format!("s{visits}-{seed}.kz");
            worlds.push(World::new(seed as u64 + 1, site, visits, days, &networks));
        }
    }
    let trap = Trap::new();
    let mut sites: Vec<_> = worlds.iter().map(|world| world.site.clone()).collect();
    sites.push(mirror::SITE.to_owned());
    if all {
        sites.extend(Trap::sites());
        sites.push(colluder::SITE.to_owned());
    }
    let collector = Collector::start(&sites, 1, false).await?;
    let days = worlds.iter().map(|world| world.days).max().unwrap_or(1);
    let mut beacons: Vec<Beacon> =
        worlds.iter().enumerate().flat_map(|(number, world)| world.beacons(number)).collect();
    if all {
        beacons.extend(trap.beacons());
        beacons.extend(colluder::beacons());
    }
    beacons.sort_by_key(|beacon| beacon.at);
    println!("{} sites, {days} days, {} beacons", sites.len(), beacons.len());

    let mut figures = Figures::default();
    if all {
        figures.repeated = repeated::attack(WINDOWS).await;
    }
    let mut insiders: BTreeMap<usize, Insider> = BTreeMap::new();
    let (sent, mut accepted, mut jars) = (beacons.len(), 0, HashMap::new());
    let mut rest = beacons.into_iter().peekable();
    for day in 0..days {
        let end = (day as i64 + 1) * DAY_MS;
        let today: Vec<_> = std::iter::from_fn(|| rest.next_if(|beacon| beacon.at < end)).collect();
        let count = today.len();
        accepted += collector.play(today, &mut jars).await;
        let active: Vec<_> = worlds.iter().enumerate().filter(|(_, world)| day < world.days).collect();
        let mut of_days = Vec::new();
        for (number, world) in active {
            let key = collector.stolen_key(&world.site).ok_or_else(|| anyhow::anyhow!("{} has no key", world.site))?;
            let targets = [false, true].map(|has_key| Target::all(world, number, day, &key, has_key));
            of_days.push((world, targets));
        }
        at_rest::spool(&collector, of_days.iter().flat_map(|(_, targets)| &targets[0]), &mut figures.at_rest)?;
        // The site of mirrored ids has no visitor before the end.
        collector.publish(day + 1, sites.len() - 1).await?;
        let mut copies = Vec::new();
        for (world, [targets, with_key]) in of_days {
            let copy = Copy::take(&collector, &world.site, &collector.date(day)).await?;
            insiders.entry(world.visits_per_day).or_default().attack(&copy, &targets, &with_key);
            copies.push(copy);
            if all && day == 0 {
                let bounded = bounds::attack(&collector, world).await?;
                let of = figures.bounds.entry(world.visits_per_day).or_default();
                *of = [of[0] + bounded.0, of[1] + bounded.1];
            }
        }
        if day == 0 || day + 1 == days {
            at_rest::others(&collector, &copies.iter().collect::<Vec<_>>(), &mut figures.at_rest).await?;
        }
        println!("day {day}: {count} beacons, {:.0} s since the beginning", began.elapsed().as_secs_f64());
    }
    println!("{accepted} of {sent} beacons accepted");
    for &(visits, _) in scales {
        let of: Vec<_> = worlds.iter().enumerate().filter(|(_, world)| world.visits_per_day == visits).collect();
        let insider = insiders.remove(&visits).unwrap_or_default();
        println!("{visits} visits a day: columns that join: {:?}", insider.joining());
        let mut scale = Scale { visits, days: of[0].1.days, seeds: of.len(), insider, ..Scale::default() };
        if all {
            analysts(&collector, &of, &mut scale).await?;
        }
        figures.scales.push(scale);
    }
    if all {
        figures.traps = trap.judge(&collector).await?;
        figures.oracles = oracles(&collector).await;
        figures.markers = colluder::markers(&collector).await?;
        figures.metrics = colluder::metrics(&collector, days).await?;
    }
    let evening = days as i64 * DAY_MS + 20 * 3_600_000;
    figures.mirrored = mirror::attack(&collector, evening).await?;
    at_rest::refused(&collector, mirror::SITE, evening, &mut figures.at_rest).await?;
    figures.seconds = began.elapsed().as_secs();
    collector.stop().await?;
    Ok(figures)
}

/// Everything that an analyst gets at one scale, over its seeds.
async fn analysts(collector: &Collector, worlds: &[(usize, &World)], figures: &mut Scale) -> anyhow::Result<()> {
    let mut naive: HashMap<&str, Rate> = HashMap::new();
    let mut member = Vec::new();
    for (_, world) in worlds {
        let is_tracked = |payment: &&Payment| !world.devices[world.visits[payment.visit].device].refuses;
        let (tracked, refused): (Vec<_>, Vec<_>) = world.payments.iter().partition(is_tracked);
        let (training, targets) = tracked.split_at(tracked.len() / 5);
        figures.targets += tracked.len();
        figures.controls += refused.len();

        let rows = attack::naive_rows(world);
        for (name, guesses) in attack::on_rows(world, &rows, training, targets) {
            let hits = guesses.iter().zip(targets).map(|(guess, target)| *guess == Some(target.visit));
            let rate = naive.entry(name).or_default();
            *rate = rate.and(Rate::of(hits));
        }

        let counts = counts(collector, world).await?;
        for (name, guess) in GUESSES {
            for (group, of) in [(0, &tracked), (1, &refused)] {
                let guesses = attack::on_counts(&counts, of, guess);
                let right = |field: Option<&'static str>| {
                    let each = guesses.iter().zip(of.iter());
                    Rate::of(
                        each.map(|(guess, target)| attack::is_right(&world.visits[target.visit].secret, guess, field)),
                    )
                };
                let linked = figures.linked.entry(name).or_default();
                linked[group] = linked[group].and(right(None));
                if group == 0 {
                    let chances = of.iter().zip(&guesses).map(|(target, guess)| chance(world, target, guess));
                    linked[2] = linked[2].and(Rate::sum(chances));
                }
                for field in FIELDS.into_iter().filter(|field| counts.fields.contains_key(field)) {
                    let inferred = figures.inferred.entry((field, name)).or_default();
                    inferred[group] = inferred[group].and(right(Some(field)));
                }
            }
        }

        member.extend(membership(collector, world).await?);
        figures.utility(collector, world).await?;
    }
    figures.naive = naive.values().copied().max_by(|one, two| one.share().total_cmp(&two.share())).unwrap_or_default();
    figures.membership = judge::advantage_of_scores(&member);
    Ok(())
}

/// How often a guess would be right of somebody else who paid on that site: what it is worth by itself.
fn chance(world: &World, target: &Payment, guess: &BTreeMap<&'static str, String>) -> f64 {
    let day = |payment: &Payment| payment.second.max(0) * 1000 / DAY_MS;
    // A stride through those of the day is as good as all, where there are thousands.
    let others: Vec<_> =
        world.payments.iter().filter(|other| other.visit != target.visit && day(other) == day(target)).collect();
    let few = others.iter().step_by(others.len() / 100 + 1);
    Rate::of(few.map(|other| attack::is_right(&world.visits[other.visit].secret, guess, None))).share()
}

/// What is published of the facts that an attacker is after, day by day.
async fn counts(collector: &Collector, world: &World) -> anyhow::Result<Counts> {
    let mut counts = Counts::default();
    for (field, sql) in published::of_facts(&world.site, collector.begin_second()) {
        let rows: Vec<OfDay> = collector.analyst(&sql).await?;
        let mut published = vec![HashMap::new(); world.days];
        for row in rows.into_iter().filter(|row| row.number < world.days) {
            // `/docs/p7` of the world is `/docs/p7` in the site's list; an outbound domain is what it was.
            published[row.number].insert(row.value, row.count);
        }
        if field == "out" {
            // Most follow none: so many as there were visits less the clicks.
            published.iter_mut().for_each(|day| {
                let clicks: f64 = day.values().sum();
                day.insert(String::new(), (world.visits_per_day as f64 * 0.75 - clicks).max(0.0));
            });
        }
        counts.fields.insert(field, published);
    }
    Ok(counts)
}

/// Whether a payer's telemetry is in a day's counts: the published visitors of the payer's region against other days.
async fn membership(collector: &Collector, world: &World) -> anyhow::Result<Vec<(f64, bool)>> {
    let sql = published::of_regions(&world.site, collector.begin_second());
    let rows: Vec<OfDay> = collector.analyst(&sql).await?;
    let mut by_region: HashMap<String, HashMap<usize, f64>> = HashMap::new();
    for row in rows {
        by_region.entry(row.value).or_default().insert(row.number, row.count);
    }
    let score = |payment: &Payment| {
        let day = (payment.second.max(0) * 1000 / DAY_MS) as usize;
        let Some(of) = by_region.get(&payment.region) else { return 0.0 };
        let mean = of.values().sum::<f64>() / of.len().max(1) as f64;
        of.get(&day).copied().unwrap_or(0.0) - mean
    };
    Ok(world
        .payments
        .iter()
        .take(4_000)
        .map(|payment| (score(payment), !world.devices[world.visits[payment.visit].device].refuses))
        .collect())
}

/// Questions by which an analyst would get at rows or bring the payment log along; how many were answered.
async fn oracles(collector: &Collector) -> [usize; 2] {
    let tries = [
        "SELECT count() FROM tamga_vault.events",
        "SELECT throwIf(count() > 0) FROM tamga_vault.events",
        "SELECT * FROM url('http://127.0.0.1/log.csv', 'CSV', 's UInt32')",
        "SELECT * FROM file('/proc/self/environ', 'LineAsString')",
        "SELECT * FROM remote('127.0.0.1', tamga_vault.events)",
        "SELECT * FROM merge('tamga_vault', '.*')",
        "SELECT * FROM mergeTreeIndex('tamga_vault', 'events')",
        "SELECT path FROM pages WHERE path IN tamga_vault.events",
        "SELECT joinGet('tamga_vault.j', 'x', 1)",
        "SELECT dictGet('tamga_vault.d', 'x', 1)",
        "INSERT INTO site SELECT * FROM site",
        "CREATE TABLE t (x String) ENGINE = Memory",
        "SELECT 1; SELECT 2",
        "SELECT * FROM system.parts",
        "SELECT * FROM system.query_log",
        "SELECT * FROM tamga_engine.query_log",
        "SELECT * FROM site INTO OUTFILE '/tmp/x'",
        "SELECT * FROM executable('x', 'CSV', 's String')",
    ];
    let mut answered = 0;
    for sql in tries {
        answered += usize::from(collector.analyst::<serde_json::Value>(sql).await.is_ok());
    }
    [answered, tries.len()]
}

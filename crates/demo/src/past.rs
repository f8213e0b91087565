//! The shop's earlier days: published before the product starts, as if it had run for weeks.
//!
//! Nobody waits for five weeks of beacons. One day of a part of the shop goes through the collector's pure part
//! ([`crate::pattern`]). An engine with a vault of its own copies its rows for each earlier day: with other pseudonyms, for
//! as many visitors as the day had, and for each whether it came back. Then the product's own publisher publishes the day in
//! the product's stats store. The rows of earlier days never are in the product's vault, which would have deleted them by now.
//!
//! The clock is that of the day. The vault's time to live follows the machine's clock, by which these rows are too old. So
//! it is stopped in this engine, which ends with its folder.

use std::fs;
use std::time::Duration;

use anyhow::{Context, Result, bail};
use bytes::Bytes;
use jiff::Timestamp;
use tamga::clock::Clock;
use tamga::config::Config;
use tamga::publish::{Progress, PublishedSite, Publisher, Window};
use tamga::record::{SCHEMA_VERSION, Table, columns};
use tamga::store::{self, EngineOptions, Lease, Limits, STATS, Store, Supervisor, VAULT};

use crate::pattern;
use crate::random::Random;
use crate::returning::Returning;
use crate::site::NODE;
use crate::world::World;

/// The database with the pattern, in the vault engine's memory.
const PATTERN: &str = "tamga_demo";
/// Different identities among which the visitors of a day are drawn.
const IDENTITIES: usize = 200;
/// How many visitors a day has, beside those of yesterday: Monday first, and more from week to week.
const WEEKDAYS: [f64; 7] = [0.93, 0.92, 0.95, 0.97, 1.04, 1.1, 1.02];
const AT_FIRST: f64 = 0.8;

/// The earlier days.
pub(crate) struct Past {
    pub(crate) config: Config,
    /// The midnight of the shop's first day.
    pub(crate) opened: Timestamp,
    /// Yesterday's midnight.
    pub(crate) end: Timestamp,
    /// Visitors of a usual day, as many times as the pattern has.
    pub(crate) times: f64,
    pub(crate) seed: u64,
}

impl Past {
    /// Publishes all days. `pattern` is the world of the first of them. Returns their number.
    pub(crate) async fn publish(&self, pattern: World) -> Result<usize> {
        let folder = self.config.data.dir.join("engine/past");
        let options = EngineOptions { data_dir: folder.clone(), ..EngineOptions::vault(&self.config) };
        let (vault_engine, stats_engine) =
            (Supervisor::start(options)?, Supervisor::start(EngineOptions::stats(&self.config))?);
        let rows = {
            let config = self.config.clone();
            tokio::task::spawn_blocking(move || pattern::rows(&pattern, &config))
        };
        let clock = Clock::simulated(self.opened);
        let (vault, stats) =
            tokio::try_join!(opened(&vault_engine, VAULT, &clock), opened(&stats_engine, STATS, &clock))?;
        vault.execute("SYSTEM STOP TTL MERGES", &[]).await?;
        self.keep_pattern(&vault_engine, &vault, rows.await??).await?;
        let days = self.days(&vault, stats, &clock).await?;
        tokio::join!(vault_engine.stop(), stats_engine.stop());
        fs::remove_dir_all(&folder).with_context(|| format!("cannot remove {}", folder.display()))?;
        Ok(days)
    }

    async fn keep_pattern(&self, engine: &Supervisor, vault: &Store, rows: pattern::Rows) -> Result<()> {
        vault.execute(&format!("CREATE DATABASE {PATTERN}"), &[]).await?;
        let store = engine.store(PATTERN, Limits::default()).await?;
        for table in Table::ALL {
            let name = table.name();
            vault.execute(&format!("CREATE TABLE {PATTERN}.{name} AS {VAULT}.{name} ENGINE = Memory"), &[]).await?;
        }
        for (table, rows) in rows {
            let columns: Vec<&str> = ["batch"].into_iter().chain(columns_of(table)?.iter().copied()).collect();
            store.insert_rows(table.name(), &columns, Bytes::from(rows), None).await?;
        }
        Ok(())
    }

    /// While a day is published, the rows of the next are made.
    async fn days(&self, vault: &Store, stats: Store, clock: &Clock) -> Result<usize> {
        let sites = PublishedSite::all(&self.config)?;
        let schedule = sites.first().context("the demo has a site")?.schedule.clone();
        let (data, timeout) = (&self.config.data.dir, Duration::from_secs(900));
        let publisher = Publisher::new(vault.clone(), stats, clock.clone(), sites, data, NODE, timeout)?;
        let mut lease = Lease::new(vault.clone(), NODE, clock.clone());
        let mut windows: Vec<Window> = vec![schedule.containing(self.opened)];
        while let Some(last) = windows.last().filter(|last| last.end < self.end) {
            windows.push(schedule.after(last.end));
        }
        let mut random = Random::new(self.seed);
        let opened = windows[0].first_day;
        self.copy(vault, &windows[0], opened, &mut random).await?;
        for (at, window) in windows.iter().enumerate() {
            clock.advance_to(window.end);
            lease.write(clock.now_ms()).await?;
            let publish = async {
                let progress = publisher.advance(0).await?;
                if progress != Progress::Published(*window) {
                    bail!("{} was not published: {progress:?}", window.first_day);
                }
                Ok(())
            };
            let next = async {
                match windows.get(at + 1) {
                    Some(next) => self.copy(vault, next, opened, &mut random).await,
                    None => Ok(()),
                }
            };
            tokio::try_join!(publish, next)?;
        }
        Ok(windows.len())
    }

    /// Copies the pattern into a day.
    async fn copy(&self, vault: &Store, window: &Window, opened: jiff::civil::Date, random: &mut Random) -> Result<()> {
        let day = window.first_day;
        let all = (self.end.as_second() - self.opened.as_second()) as f64;
        let grown = AT_FIRST + (1.0 - AT_FIRST) * (window.start.as_second() - self.opened.as_second()) as f64 / all;
        let weekday = WEEKDAYS[usize::from(day.weekday().to_monday_zero_offset().unsigned_abs())];
        let times = self.times * grown * weekday * (0.97 + 0.06 * random.unit());
        let returning = Returning::since(opened);
        let identities = (0..IDENTITIES).map(|_| {
            let of = returning.somebody(day, random);
            let flags = of.first_visit;
            let (week, month, ever) = (flags.new_week, flags.new_month, flags.new_ever);
            format!("({week},{month},{ever},'{}','{}','{}')", of.visit_number, of.absence, of.cohort)
        });
        let parameters = [
            ("day", day.to_string()),
            ("end", window.end.as_second().to_string()),
            ("copies", (times.ceil() as u64).to_string()),
            ("share", ((1_000_000.0 * times / times.ceil()) as u64).to_string()),
            ("times", times.to_string()),
        ];
        let identities = identities.collect::<Vec<_>>().join(",");
        for table in Table::ALL {
            vault.execute(&copied(table, &identities)?, &parameters).await?;
        }
        Ok(())
    }
}

/// The statement that copies the pattern's rows of a table. Each copy of a visitor is one of `identities`.
fn copied(table: Table, identities: &str) -> Result<String> {
    let all = columns_of(table)?;
    let values: Vec<_> = all.iter().map(|column| value(column)).collect();
    let (name, columns, values) = (table.name(), all.join(", "), values.join(", "));
    let from = if table == Table::Tallies {
        format!("FROM {PATTERN}.{name}")
    } else {
        format!(
            "FROM (SELECT *, copy, [{identities}][1 + cityHash64(visitor, copy) % {IDENTITIES}] AS who \
             FROM {PATTERN}.{name} ARRAY JOIN range({{copies:UInt32}}) AS copy \
             WHERE cityHash64(visitor, copy, {{day:Date}}, 'here') % 1000000 < {{share:UInt32}})"
        )
    };
    Ok(format!("INSERT INTO {name} (batch, {columns}) SELECT 0, {values} {from}"))
}

/// The value of a column: that of the pattern, but for the day, who it was, and how often somebody has come.
fn value(column: &str) -> String {
    match column {
        "day" => "{day:Date}".to_owned(),
        "window_end" => "toDateTime({end:UInt32}, 'UTC')".to_owned(),
        "visitor" | "visit" | "view" => format!("sipHash128({column}, copy, {{day:Date}})"),
        "network" => "toUInt8(cityHash64(network, copy))".to_owned(),
        // Programs that say so come as often to a part of the shop.
        "count" => "toUInt32(round(count * if(match(reason, 'bot'), 1, {times:Float64})))".to_owned(),
        "new_week" => "who.1".to_owned(),
        "new_month" => "who.2".to_owned(),
        "new_ever" => "who.3".to_owned(),
        "visit_number" => "if(who.3, visit_number, who.4)".to_owned(),
        // Only the first row of somebody's day has it.
        "absence" => "if(absence = '', '', who.5)".to_owned(),
        "cohort" => "who.6".to_owned(),
        same => same.to_owned(),
    }
}

fn columns_of(table: Table) -> Result<&'static [&'static str]> {
    columns(table, SCHEMA_VERSION).context("each table has columns")
}

async fn opened(engine: &Supervisor, database: &str, clock: &Clock) -> Result<Store> {
    let store = engine.store(database, Limits::default()).await?;
    store::apply(&store, store::migrations_of(&store), clock).await?;
    Ok(store)
}

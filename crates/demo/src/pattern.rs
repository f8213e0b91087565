//! The rows of one day of a tenth of the shop, made by the collector's own pure part: the pattern of earlier days.
//!
//! No request is sent for them, and nothing waits for a disk. Everybody in the pattern is new; who has come back is
//! decided when the pattern is copied ([`crate::past`]).

use std::collections::{BTreeMap, HashMap, HashSet};

use anyhow::{Context, Result};
use http::{HeaderMap, HeaderName, HeaderValue};
use tamga::collect::{sender, stages};
use tamga::config::Config;
use tamga::decode::beacon::parse;
use tamga::enrich::{GeoIp, Lookups};
use tamga::event::Tally;
use tamga::pipeline::{self, Presented, Processed, SiteStages};
use tamga::privacy::cookie::{Browser, Cookie};
use tamga::privacy::pseudonym::DayKey;
use tamga::record::{self, Table};
use tamga::secret::{Personal, Secret};

use crate::browser::Kind;
use crate::world::{Step, World};

/// The rows by table, in RowBinary.
pub(crate) type Rows = BTreeMap<Table, Vec<u8>>;

/// The rows of a world of one day.
pub(crate) fn rows(world: &World, config: &Config) -> Result<Rows> {
    let site = config.sites.first().context("the demo has a site")?;
    let mut making = Making {
        world,
        site: stages(site),
        lookups: Lookups::new(GeoIp::open(&config.geo.place, &config.geo.provider)?),
        key: DayKey::new(Secret::random()),
        cookies: HashMap::new(),
        objected: HashSet::new(),
        outcomes: BTreeMap::new(),
        rows: Rows::new(),
    };
    for step in &world.steps {
        making.step(step)?;
    }
    making.outcomes(world);
    Ok(making.rows)
}

struct Making<'a> {
    world: &'a World,
    site: SiteStages,
    lookups: Lookups,
    key: DayKey,
    /// By browser.
    cookies: HashMap<usize, Cookie>,
    objected: HashSet<usize>,
    outcomes: BTreeMap<&'static str, u32>,
    rows: Rows,
}

impl Making<'_> {
    /// What the edge does with a beacon, without its limits.
    fn step(&mut self, step: &Step) -> Result<()> {
        if self.objected.contains(&step.browser) {
            return Ok(());
        }
        let browser = &self.world.browsers[step.browser];
        let addressed = parse(step.body.as_bytes()).ok().context("the demo's beacons are sound")?;
        let processed = match pipeline::objection(addressed) {
            Err(objection) => {
                self.objected.insert(step.browser);
                *objection
            }
            Ok(beacon) if browser.kind == Kind::CountOnly => {
                pipeline::count_only(&beacon, &self.site.rules, self.site.rules.time(step.at))
            }
            Ok(beacon) => {
                let time = self.site.rules.time(step.at);
                let today = time.local.day;
                let cookie = self.cookies.remove(&step.browser);
                // Without cookies each view is another visitor, as at the edge.
                let shown = cookie
                    .map_or_else(|| Browser::new(*beacon.view()), |cookie| Browser::known(cookie, &self.key, today));
                let sender = sender(&headers(&browser.headers), Personal::new(step.address), step.at);
                let presented = Presented::Cookie(shown);
                pipeline::process(beacon, &sender, presented, &self.site, time, &self.key, &self.lookups)
            }
        };
        self.keep(step.browser, processed);
        Ok(())
    }

    fn keep(&mut self, browser: usize, processed: Processed) {
        let dropped = processed.dropped.iter().map(|(reason, events)| (reason.name(), *events));
        for (outcome, events) in dropped.chain([("accepted", processed.accepted)]) {
            *self.outcomes.entry(outcome).or_default() += events;
        }
        for (stream, rows) in record::encode(&processed.kept) {
            rows.iter().for_each(|row| self.push(stream.partition.table, row));
        }
        if let Some(cookie) = processed.cookie.filter(|_| self.world.browsers[browser].keeps_cookies) {
            self.cookies.insert(browser, cookie);
        }
    }

    /// The counts of outcomes, which the edge stores once a minute.
    fn outcomes(&mut self, world: &World) {
        let Some(first) = world.steps.first() else { return };
        let time = self.site.rules.time(first.at);
        let (site, day, window_end) = (self.site.rules.site.clone(), time.local.day, time.window_end);
        let counted = std::mem::take(&mut self.outcomes).into_iter().filter(|(_, count)| *count > 0);
        let tally = |(outcome, count)| Tally {
            site: site.clone(),
            day,
            window_end,
            reason: format!("outcome:{outcome}").into(),
            count,
        };
        let kept = tamga::privacy::pseudonymous::PseudonymousBeacon {
            tallies: counted.map(tally).collect(),
            ..Default::default()
        };
        for (stream, rows) in record::encode(&kept) {
            rows.iter().for_each(|row| self.push(stream.partition.table, row));
        }
    }

    /// Adds a row, with the number 0 of an insert before it.
    fn push(&mut self, table: Table, row: &[u8]) {
        let rows = self.rows.entry(table).or_default();
        rows.extend_from_slice(&[0; 8]);
        rows.extend_from_slice(row);
    }
}

fn headers(list: &[(&'static str, String)]) -> HeaderMap {
    let of = |(name, value): &(&'static str, String)| {
        Some((HeaderName::from_static(name), HeaderValue::try_from(value.as_str()).ok()?))
    };
    list.iter().filter_map(of).collect()
}

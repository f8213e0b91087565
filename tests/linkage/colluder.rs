//! The colluding site developer: the pages know who is signed in and try to send it along.
//!
//! The pages put a mark of each target wherever a page decides (path, referrer, campaign, source, search, name of an event,
//! variant, error, outbound link, view id). Then every published table and `/metrics` are searched for marks. A second attack
//! reads `/metrics` before and after each beacon, on a collector without other traffic, and guesses whether its visitor refuses.

use std::collections::BTreeSet;

use serde_json::Value;
use tamga::items::data_map;

use crate::collector::{Beacon, Collector};
use crate::judge::{Rate, apart};
use crate::world::{Agent, DAY_MS, Dice, beacon};

pub(crate) const SITE: &str = "colluder.kz";
const TARGETS: usize = 1_000;
/// Rounds of the attack on `/metrics`. In the first ones the developer plays both visitors, to learn.
const ROUNDS: i64 = 120;
const OWN_ROUNDS: i64 = 40;
fn sent(at: i64, browser: u64, body: String, refuses: bool) -> Beacon {
    let agent = Agent { browser: "Chrome", major: 150, os: "Windows" }.text();
    let address = 0xc612_0001 + 256 * (browser % 500) as u32;
    Beacon { at, browser: (3 << 61) | browser, site: SITE.to_owned(), address, agent, body, refuses }
}

/// Two beacons of each target, the first of which confirms it.
pub(crate) fn beacons() -> Vec<Beacon> {
    let mut out = Vec::new();
    for target in 0..TARGETS {
        let at = (target as i64 * 60_000) % (DAY_MS / 2);
        let first = beacon(SITE, (5 << 60) + target as u64, "/", "", None);
        out.push(sent(at, target as u64, first, false));
        let mark = format!("mark{target}x");
        // The view's identifier: the mark, filled up to 22 letters; the last has two bits.
        let view = format!("{mark:A<21}A");
        let url = format!("https://{SITE}/docs/{mark}?utm_source={mark}&utm_medium=cpc&utm_campaign={mark}");
        let events = format!(
            r#"{{"type":"view","at":0,"url":"{url}","referrer":"https://{mark}.kz/"}},
               {{"type":"search","at":1,"query":"{mark}"}},{{"type":"event","at":2,"name":"{mark}"}},
               {{"type":"event","at":3,"name":"paid","variant":"{mark}"}},{{"type":"error","at":4,"message":"{mark} failed"}},
               {{"type":"exit","at":5,"url":"https://{mark}.kz/"}}"#
        );
        let body = format!(r#"{{"v":1,"site":"{SITE}","view":"{view}","seq":0,"events":[{events}]}}"#);
        // An hour later: a visit by itself, with a landing page of its own.
        out.push(sent(at + 3_600_000, target as u64, body, false));
    }
    out
}

/// Targets whose mark is in anything that the developer can read.
pub(crate) async fn markers(collector: &Collector) -> anyhow::Result<Rate> {
    let mut text = collector.metrics().await?;
    let mut rows = 0;
    let of_items = data_map().item.values().flat_map(|item| &item.published).map(String::as_str);
    for table in of_items.chain(["quality", "publications"]).collect::<BTreeSet<_>>() {
        let published: Vec<Value> = collector.analyst(&format!("SELECT * FROM {table} WHERE site = '{SITE}'")).await?;
        rows += published.len();
        published.iter().for_each(|row| text += &row.to_string());
    }
    anyhow::ensure!(rows > 20, "the colluder's site shows {rows} rows");
    Ok(Rate::of((0..TARGETS).map(|target| text.contains(&format!("mark{target}x")))))
}

/// Whether a beacon's visitor refuses, by what `/metrics` shows before and after it: true positives minus false positives.
pub(crate) async fn metrics(collector: &Collector, days: usize) -> anyhow::Result<(f64, f64)> {
    let mut dice = Dice(0x6d65_7472);
    let (mut jars, mut learnt) = (Default::default(), Vec::<(Vec<String>, bool)>::new());
    let (mut yes, mut no) = (Rate::default(), Rate::default());
    for round in 0..ROUNDS {
        let at = days as i64 * DAY_MS + 3_600_000 + round * 360_000;
        let refuses = if round < OWN_ROUNDS { round % 2 == 0 } else { dice.chance(0.5) };
        let before = collector.metrics().await?;
        let body = beacon(SITE, (6 << 60) + round as u64, "/", "", None);
        collector.play(vec![sent(at, 5_000 + round as u64, body, refuses)], &mut jars).await;
        let after = collector.metrics().await?;
        // The names of counters of events that moved.
        let of_events = |line: &&str| line.starts_with("tamga_events") || line.starts_with("tamga_rows_accepted");
        let old: Vec<&str> = before.lines().filter(of_events).collect();
        let moved = after.lines().filter(of_events).filter(|line| !old.contains(line));
        let moved: Vec<String> = moved.filter_map(|line| Some(line.rsplit_once(' ')?.0.to_owned())).collect();
        if round < OWN_ROUNDS {
            learnt.push((moved, refuses));
            continue;
        }
        let votes = learnt.iter().filter(|(known, _)| *known == moved);
        let score: i32 = votes.map(|(_, refuses)| if *refuses { 1 } else { -1 }).sum();
        let rate = if refuses { &mut yes } else { &mut no };
        *rate = rate.and(Rate::of([score > 0]));
    }
    Ok(apart(yes, no))
}

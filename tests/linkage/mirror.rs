//! The mirrored identity: a page chooses the view id, and another machine sends the same one. Does it get the visitor's identity?

use std::collections::HashMap;

use super::collector::{Beacon, Collector};
use super::judge::Rate;
use super::world::{Agent, beacon};

pub(crate) const SITE: &str = "mirror.kz";
const TRIES: usize = 1_000;
/// Tries from the network and with the agent of the visitor: those of a retry, which must get the same identity.
const RETRIES: usize = 50;

/// Equal identities of the tries from elsewhere, and of the retries.
pub(crate) async fn attack(collector: &Collector, at: i64) -> anyhow::Result<[Rate; 2]> {
    let visitor = Agent { browser: "Chrome", major: 150, os: "Windows" };
    let others = [
        Agent { browser: "Chrome", major: 150, os: "Windows" },
        Agent { browser: "Firefox", major: 150, os: "Windows" },
        Agent { browser: "Chrome", major: 149, os: "Android" },
    ];
    let send = |number: usize, seq: usize, network: u32, agent: Agent| {
        let body =
            beacon(SITE, (7 << 60) + number as u64, "/", "", None).replace("\"seq\":0", &format!("\"seq\":{seq}"));
        let browser = (7 << 60) | (seq as u64) << 32 | number as u64;
        let address = 0xc612_0001 + 256 * network;
        Beacon { at, browser, site: SITE.to_owned(), address, agent: agent.text(), body, refuses: false }
    };
    let network = |number: usize| number as u32 % 200;
    let mut jars = HashMap::new();
    let mut accepted = collector
        .play((0..TRIES + RETRIES).map(|number| send(number, 0, network(number), visitor)).collect(), &mut jars)
        .await;
    // From another network, with the same agent or another one; or from the same network with another agent.
    let mirrored = (0..TRIES).map(|number| {
        let (agent, elsewhere) = (others[number % 3], number % 3 == 0 || number % 2 == 0);
        send(number, 1, network(number) + if elsewhere { 200 } else { 0 }, agent)
    });
    let retried = (TRIES..TRIES + RETRIES).map(|number| send(number, 1, network(number), visitor));
    accepted += collector.play(mirrored.chain(retried).collect(), &mut jars).await;
    anyhow::ensure!(accepted as usize == 2 * (TRIES + RETRIES), "{accepted} of the beacons were accepted");
    collector.stored().await?;

    #[derive(serde::Deserialize)]
    struct Row {
        view: String,
        rows: u64,
        visitors: u64,
    }
    let sql = format!(
        "SELECT hex(view) AS view, count() AS rows, uniqExact(visitor) AS visitors FROM events WHERE site = '{SITE}' GROUP BY view"
    );
    let key = collector.stolen_key(SITE).ok_or_else(|| anyhow::anyhow!("{SITE} has no key"))?;
    let found: HashMap<String, (u64, u64)> = collector
        .administrator::<Row>(&sql)
        .await?
        .into_iter()
        .map(|row| (row.view, (row.rows, row.visitors)))
        .collect();
    let mut rates = [Rate::default(); 2];
    for number in 0..TRIES + RETRIES {
        let view = super::insider::view_pseudonym(&key, (7 << 60) + number as u64);
        let (rows, visitors) = found.get(&view).copied().unwrap_or_default();
        anyhow::ensure!(rows == 2, "view {number} has {rows} rows");
        let rate = &mut rates[usize::from(number >= TRIES)];
        *rate = rate.and(Rate::of([visitors == 1]));
    }
    Ok(rates)
}

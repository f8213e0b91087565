//! Can who holds the whole vault and a log of identified payments find the row of a payment? The attacks are those of
//! `make linkage`, on one small day. They fail when a column that joins comes back, and are shown to find one.

#[path = "../linkage/at_rest.rs"]
mod at_rest;
#[path = "../linkage/insider.rs"]
mod attack;
#[path = "../linkage/collector.rs"]
#[allow(dead_code, reason = "the measurement publishes, and reads as an analyst")]
mod collector;
#[path = "../linkage/judge.rs"]
#[allow(dead_code, reason = "the measurement compares rates")]
mod judge;
#[path = "../linkage/mirror.rs"]
mod mirror;
#[path = "../linkage/world.rs"]
#[allow(dead_code, reason = "the measurement attacks what visitors did as well")]
mod world;

use std::collections::HashMap;

use at_rest::AtRest;
use attack as insider;
use attack::{Copy, Insider, Target};
use collector::Collector;
use world::{World, networks};

use crate::support::programs;

const VISITS: usize = 500;
const SITE: &str = "insider.kz";

#[tokio::test(flavor = "multi_thread")]
async fn the_holder_of_the_vault_and_of_a_payment_log_links_hardly_more_than_by_chance() {
    let networks = networks(include_str!("../../crates/demo/geo/networks.csv"));
    let world = World::new(1, SITE.to_owned(), VISITS, 1, &networks);
    let collector = Collector::start(&[SITE.to_owned()], 1, false).await.unwrap();
    collector.play(world.beacons(0), &mut HashMap::new()).await;
    let key = collector.stolen_key(SITE).unwrap();
    let [targets, with_key] = [false, true].map(|has_key| Target::all(&world, 0, 0, &key, has_key));
    let mut at_rest = AtRest::default();
    at_rest::spool(&collector, &targets, &mut at_rest).unwrap();
    collector.stored().await.unwrap();
    let copy = async || Copy::take(&collector, SITE, &collector.date(0)).await.unwrap();
    let split = copy().await;
    assert_eq!(split.candidates(), targets.len(), "each payment has its row");

    let mut insider = Insider::default();
    insider.attack(&split, &targets, &with_key);
    let Insider { rows, former, thief, .. } = &insider;
    println!("insider {}, in the former schema {}, with the key {}", rows.shown(), former.shown(), thief.shown());
    assert_eq!(insider.joining(), Vec::<String>::new(), "a column says what the payment log has");
    assert!(rows.share() <= 0.03, "{}", rows.shown());
    // What stood beside each visit formerly is found, and links.
    assert!(former.share() >= 0.95, "{}", former.shown());

    at_rest::others(&collector, &[&split], &mut at_rest).await.unwrap();
    let AtRest { spool: [frames, in_spool], query_log: [_, of_events, marks], .. } = at_rest;
    println!("{frames} frames in the spool, {of_events} statements in the query log");
    assert!(frames > 0 && of_events > 0, "{frames} frames, {of_events} statements: both are read");
    assert_eq!((in_spool, marks), (0, 0), "rows without the key, marks in the query log");

    // What lies in another table under pseudonyms of the same key domain is found as well, and links.
    collector.administrator::<()>(&attack::joined(SITE, &collector.date(0), &targets)).await.unwrap();
    let mut insider = Insider::default();
    insider.attack(&copy().await, &targets, &with_key);
    let joining = insider.joining();
    println!("joined {} by {joining:?}", insider.rows.shown());
    assert!(joining.iter().any(|column| column.starts_with("joined.client.")), "{joining:?}");
    assert!(insider.rows.share() >= 0.1, "{}", insider.rows.shown());

    at_rest::refused(&collector, SITE, world::DAY_MS - 600_000, &mut at_rest).await.unwrap();
    let [refused, found] = at_rest.dead_letters;
    assert!(refused > 0 && found == 0, "{found} of {refused} rows are in dead letters in clear");
    collector.stop().await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_view_id_that_a_page_chose_gives_nobody_else_the_identity() {
    let collector = Collector::start(&[mirror::SITE.to_owned()], 1, false).await.unwrap();
    let [elsewhere, retries] = mirror::attack(&collector, 3_600_000).await.unwrap();
    assert_eq!((elsewhere.hits, elsewhere.of), (0.0, 1000.0));
    assert_eq!(retries.hits, retries.of, "network and agent of the visitor get its identity again");
    collector.stop().await.unwrap();
}

//! Is the world one that browsers could make?

use std::collections::{HashMap, HashSet};

use serde_json::Value;

use super::*;
use crate::places;

const NETWORKS: &str = "network,country,region,provider,weight\n\
    10.16.0.0/14,KZ,Almaty,Steppe Mobile,60\n10.32.0.0/16,KZ,Astana,Steppe Home,25\n\
    2001:db8::/36,KZ,Almaty,Steppe Mobile,10\n10.99.0.0/16,DE,Hesse,Rhine Cloud,5\n";

/// A day and a half of a tenth of the shop.
fn world(seed: u64) -> World {
    let settings = Settings {
        seed,
        start: "2026-11-20T19:00:00Z".parse().expect("a time"),
        end: "2026-11-22T07:00:00Z".parse().expect("a time"),
        time_zone: TimeZone::get("Asia/Almaty").expect("known"),
        visitors_per_day: 1_000,
        has_past: false,
        port: 8080,
    };
    World::new(&settings, &places::parse(NETWORKS).expect("sound"))
}

fn body(step: &Step) -> Value {
    serde_json::from_str(&step.body).expect("JSON")
}

#[test]
fn a_seed_gives_one_world_and_another_seed_another() {
    let bodies = |world: World| world.steps.into_iter().map(|step| (step.at, step.body)).collect::<Vec<_>>();
    assert_eq!(bodies(world(7)), bodies(world(7)));
    assert_ne!(bodies(world(7)), bodies(world(8)));
}

#[test]
fn steps_are_in_time_order_and_within_the_world() {
    let world = world(7);
    assert!(world.steps.windows(2).all(|pair| pair[0].at <= pair[1].at));
    assert!(world.steps.first().is_some_and(|step| step.at.to_string().as_str() >= "2026-11-20T19:00:00Z"));
    assert!(world.steps.last().is_some_and(|step| step.at < world.end));
    let mut last = HashMap::new();
    for step in &world.steps {
        assert!(last.insert(step.browser, step.at) < Some(step.at), "one browser's beacons have distinct times");
    }
}

#[test]
fn bodies_keep_to_the_limits_of_the_wire() {
    let mut views = HashMap::new();
    for step in &world(7).steps {
        let body = body(step);
        assert!(step.body.len() < 4096 && body["v"] == 1 && body["site"] == SITE);
        let view = body["view"].as_str().expect("a string").to_owned();
        assert!(view.len() == 22 && view.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-' || b == b'_'));
        let next: &mut u64 = views.entry(view).or_default();
        assert_eq!(body["seq"], *next, "a view's beacons are numbered without a gap");
        *next += 1;
        let events = body["events"].as_array().expect("a list");
        assert_eq!(events.len() + usize::from(body["device"].is_object()), step.events as usize);
        for event in events {
            let at = event["at"].as_u64().expect("milliseconds");
            assert!(at <= 1_500_000 && event["engaged_ms"].as_u64().is_none_or(|engaged| engaged <= at));
            assert!(event["url"].as_str().is_none_or(|url| url.starts_with("http") && url.len() <= 2048));
        }
    }
}

#[test]
fn a_visit_s_pages_are_a_chain_of_referrers() {
    let mut last_page: HashMap<usize, String> = HashMap::new();
    let (mut entries, mut followed) = (0, 0);
    let world = world(7);
    for step in world.steps.iter().filter(|step| world.browsers[step.browser].kind == Kind::Person) {
        let event = &body(step)["events"][0];
        if event["type"] != "view" {
            continue;
        }
        let url = event["url"].as_str().expect("a view has an address");
        let referrer = event["referrer"].as_str().unwrap_or_default();
        if referrer.starts_with("http://shop.demo.localhost:8080/") {
            assert_eq!(Some(referrer), last_page.get(&step.browser).map(String::as_str));
            followed += 1;
        } else {
            entries += 1;
        }
        last_page.insert(step.browser, url.split('?').next().expect("a part").to_owned());
    }
    assert!(followed > entries && entries > 1_500, "{followed} {entries}");
}

#[test]
fn people_come_back_and_sleep_at_night() {
    let world = world(7);
    let people = |kind| world.browsers.iter().filter(|browser| browser.kind == kind).count();
    assert!((1_500..2_000).contains(&people(Kind::Person)), "{}", people(Kind::Person));
    assert!(people(Kind::Objector) > 0 && people(Kind::CountOnly) > 10 && people(Kind::Suspect) == 8);
    assert_eq!(people(Kind::DeclaredBot), 2 * DECLARED_BOTS.len());

    let mut days: HashMap<usize, HashSet<i64>> = HashMap::new();
    let mut hours = [0; 24];
    for step in world.steps.iter().filter(|step| world.browsers[step.browser].kind == Kind::Person) {
        let local = step.at.as_second() + 5 * 3_600;
        days.entry(step.browser).or_default().insert(local / 86_400);
        hours[(local / 3_600 % 24) as usize] += 1;
    }
    assert!(days.values().filter(|days| days.len() > 1).count() > 40, "some come back on the next day");
    assert!(hours[3] + hours[4] < hours[20] / 4, "{hours:?}");
}

#[test]
fn nothing_follows_an_objection_but_one_view_of_a_later_visit() {
    let world = world(9);
    let mut objected: HashMap<usize, Timestamp> = HashMap::new();
    for step in world.steps.iter().filter(|step| world.browsers[step.browser].kind == Kind::Objector) {
        if let Some(at) = objected.get(&step.browser) {
            let minutes = (step.at.as_second() - at.as_second()) / 60;
            assert!(minutes >= 30 && body(step)["seq"] == 0);
        }
        if step.body.contains("\"object\"") {
            objected.insert(step.browser, step.at);
        }
    }
    assert!(!objected.is_empty());
}

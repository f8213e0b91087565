//! Declared items, attributes of devices, and automation, as they are published.

use std::collections::BTreeSet;

use super::*;

pub(super) async fn declared_items_are_published(world: &World) {
    let exact = world
        .exact(
            "SELECT 'order' AS name, uniqExact(visit) AS number FROM events WHERE events.name = 'paid' AND suspect = ''
             UNION ALL SELECT 'visits', uniqExact(visit) FROM events WHERE suspect = ''
             UNION ALL SELECT 'top', uniqExact(visit) FROM events WHERE path = '/0' AND suspect = ''
             UNION ALL SELECT 'a', uniqExact(visit) FROM events WHERE variant = 'a' AND suspect = ''
             UNION ALL SELECT concat(previous_path, '>', path), uniqExact(visit) FROM events
                WHERE previous_path != '' AND suspect = '' GROUP BY previous_path, path
             UNION ALL SELECT 'step 2', count() FROM (SELECT minIf(step, path = '/0') AS one, maxIf(step, path = '/1') AS two
                FROM events WHERE type = 'view' AND suspect = '' GROUP BY visit HAVING one > 0 AND two > one)",
        )
        .await;
    let mut sums = BTreeSet::new();
    for goal in ["order", "top"] {
        for table in ["entries", "landings", "campaigns"] {
            let rows = world.published(table).await;
            let sum: i64 = rows.iter().map(|row| row["goals"][goal].as_i64().unwrap()).sum();
            assert!(sum.abs_diff(exact[goal] as i64) <= 5 * NOISE_MAX, "{table}: {goal} {sum} but {}", exact[goal]);
            sums.insert((goal, sum));
        }
    }
    assert_eq!(sums.len(), 2, "each goal has one total, whatever visits are published by: {sums:?}");
    let experiments = world.published("experiments").await;
    let variant = |name: &str| experiments.iter().find(|row| row["variant"] == name && row["goal"] == "order").unwrap();
    assert!(error(variant("a"), "visits", exact["a"]) <= 2 * NOISE_MAX, "{}", variant("a"));
    assert!(number(variant("a"), "converted") > 0 && number(variant(""), "visits") > number(variant("a"), "visits"));

    let steps = world.published("funnels").await;
    let step = |number: u64| steps.iter().find(|row| row["step"] == number).unwrap();
    assert_eq!((&step(1)["funnel"], &step(1)["name"]), (&Value::from("buy"), &Value::from("/0")));
    assert!(error(step(1), "visits", exact["top"]) <= 2 * NOISE_MAX, "{} but {}", step(1), exact["top"]);
    assert!(error(step(2), "visits", exact["step 2"]) <= 2 * NOISE_MAX, "{} but {}", step(2), exact["step 2"]);

    // Of a visit's rows, the last word counts.
    let pairs = world.published("pairs").await;
    let by_duration: Vec<_> = pairs.iter().filter(|row| row["second_dimension"] == "duration").collect();
    let durations: Vec<_> = by_duration.iter().map(|row| [&row["first"], &row["second"]]).collect();
    let phone = Value::from("phone");
    let expected =
        [("phone", "1800"), ("phone", "30")].map(|(device, duration)| (Value::from(device), Value::from(duration)));
    assert!(durations.iter().all(|[device, _]| **device == phone || **device == "(other)"), "{durations:?}");
    assert!(expected.iter().all(|(device, duration)| durations.contains(&[device, duration])), "{durations:?}");
    for row in by_duration.into_iter().filter(|row| row["second"] != "(other)") {
        assert!(error(row, "visits", exact["visits"] / 2) <= NOISE_MAX + 100, "{row} of {}", exact["visits"]);
    }

    let moves = world.published("transitions").await;
    assert!(moves.len() > 10, "{moves:?}");
    for row in moves.iter().filter(|row| row["to_path"] != "(other)") {
        let name = format!("{}>{}", row["from_path"].as_str().unwrap(), row["to_path"].as_str().unwrap());
        assert!(error(row, "visits", exact[&name]) <= 2 * NOISE_MAX, "{row} but {}", exact[&name]);
    }
}

pub(super) async fn attributes_and_automation_are_published_separately(world: &World) {
    let exact = world
        .exact(
            "SELECT concat(attribute, '=', value) AS name, uniqExact(visitor) AS number FROM attributes
                WHERE confirmed AND attribute IN ('time_zone', 'languages') GROUP BY attribute, value",
        )
        .await;
    let attributes = world.published("attributes").await;
    for row in &attributes {
        let name = format!("{}={}", row["attribute"].as_str().unwrap(), row["value"].as_str().unwrap());
        if let Some(exact) = exact.get(&name) {
            assert!(error(row, "visitors", *exact) <= 2 * NOISE_MAX, "{row} but {exact}");
        }
    }
    let has = |name: &str, value: &str| attributes.iter().any(|row| row["attribute"] == name && row["value"] == value);
    assert!(has("time_zone", "Asia/Almaty") && has("languages", "ru") && has("canvas", "noised"), "{attributes:?}");
    // A digest of many devices is published as `reused`; a list has no `(other)`, since its values share visitors.
    assert!(has("canvas", "normal") && has("canvas", "reused") && !has("languages", "(other)"), "{attributes:?}");

    let automation = world.published("automation").await;
    let reasons: Vec<_> = automation.iter().map(|row| row["reason"].as_str().unwrap()).collect();
    assert_eq!(reasons, ["(other)", "bot:search", "detector:webdriver", "odd"]);
    let quality = world.published("quality").await;
    let published: Vec<_> =
        quality.iter().map(|row| (row["outcome"].as_str().unwrap(), number(row, "count"))).collect();
    let [("accepted", accepted), ("duplicate", duplicate)] = published[..] else { panic!("{published:?}") };
    assert!(accepted.abs_diff(200) <= 3 * NOISE_MAX && duplicate.abs_diff(200) <= 3 * NOISE_MAX, "{published:?}");
    // Levels and reasons of verdicts stand apart. What is too small is left out, and in no rest.
    let protection = world.published("protection").await;
    let of = |row: &Value, name: &str| row[name].as_str().unwrap().to_owned();
    let names: Vec<_> = protection.iter().map(|row| [of(row, "level"), of(row, "reason")]).collect();
    assert_eq!(names, [["", "bot"], ["low", ""]], "{protection:?}");
    assert!(protection.iter().all(|row| number(row, "count").abs_diff(600) <= 3 * NOISE_MAX), "{protection:?}");
}

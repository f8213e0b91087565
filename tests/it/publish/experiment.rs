//! Does the named question about experiments tell an effect from chance? Ten thousand experiments of each kind are made up, with the
//! publisher's own noise, and `experiment.sql` is asked as it is. Chance comes from fixed seeds, so the answer is always the same.

use serde::Deserialize;
use serde_json::json;
use tamga::config::Protection;
use tamga::publish::gaussian::Bits;

use super::*;

const QUESTION: &str = include_str!("../../../schema/queries/experiment.sql");
const RUNS: u32 = 10_000;

/// Experiments of one kind.
struct Kind {
    name: &'static str,
    /// Visits of a variant.
    visits: u32,
    /// How likely a visit of each variant reaches the goal.
    shares: &'static [f64],
    /// How many visits a visitor makes. All of them reach the goal, or none.
    visits_of_one: u32,
}

/// Numbers from 0 to 1 that a name determines.
struct Chance(u64);

impl Chance {
    fn next(&mut self) -> f64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        ((mixed ^ (mixed >> 31)) >> 11) as f64 / (1u64 << 53) as f64
    }

    fn of(&mut self, count: u32, share: f64) -> u32 {
        (0..count).filter(|_| self.next() < share).count() as u32
    }
}

#[derive(Deserialize)]
struct Verdicts {
    verdict: String,
    number: u64,
}

/// The share of experiments of a kind of which a variant shows `differs`.
async fn share_that_differs(world: &World, kind: &Kind) -> f64 {
    let sigma = Protection::Standard.sigma();
    let mut noise = Bits::new(&[7; 32], [kind.name]);
    let mut chance = Chance(kind.visits.into());
    let opening =
        json!({ "site": kind.name, "window_start": 1_795_564_800, "window_end": 1_795_651_200, "day": "2026-11-25" });
    let row = |more: Value| {
        let mut row = opening.clone();
        row.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        row
    };
    let mut rows = Vec::new();
    for run in 0..RUNS {
        for (variant, share) in kind.shares.iter().enumerate() {
            let visitors = kind.visits / kind.visits_of_one;
            let converted = chance.of(visitors, *share) * kind.visits_of_one;
            // With one goal, only visits have wider noise.
            let noisy = [(visitors * kind.visits_of_one, 2 * sigma), (converted, sigma)]
                .map(|(number, sigma)| i64::from(number) + noise.gaussian(sigma));
            rows.push(row(json!({ "experiment": format!("e{run}"), "goal": "order", "variant": format!("v{variant}"),
                "visits": noisy[0], "converted": noisy[1] })));
        }
    }
    let of_site = row(json!({ "visits": kind.visits * 100, "visitors": kind.visits * 100 / kind.visits_of_one }));
    let ledger = row(json!({ "sigma": sigma }));
    for (table, rows) in [("experiments", rows), ("site", vec![of_site]), ("publications", vec![ledger])] {
        let columns: Vec<_> = rows[0].as_object().unwrap().keys().map(String::as_str).collect();
        world.stats.insert_json(table, &columns, &rows, None).await.unwrap();
    }
    let parameters = [("site", kind.name), ("from", "2026-11-01"), ("to", "2026-12-01")]
        .map(|(name, value)| (name, value.to_owned()));
    let sql = format!(
        "SELECT if(differ, 'differs', 'other') AS verdict, count() AS number FROM \
        (SELECT experiment, max(verdict = 'differs') AS differ FROM ({QUESTION}) GROUP BY experiment) GROUP BY verdict"
    );
    let verdicts: Vec<Verdicts> = world.stats.rows(&sql, &parameters).await.unwrap();
    assert_eq!(verdicts.iter().map(|of| of.number).sum::<u64>(), u64::from(RUNS), "{}", kind.name);
    let differ = verdicts.iter().find(|of| of.verdict == "differs").map_or(0, |of| of.number);
    differ as f64 / f64::from(RUNS)
}

#[tokio::test]
async fn experiments_without_an_effect_show_one_in_twenty_at_most() {
    let world = World::new(24 * 60).await;
    let kind = |name, visits, shares, visits_of_one| Kind { name, visits, shares, visits_of_one };
    for of in [
        kind("a rare goal", 300, &[0.01, 0.01], 1),
        kind("a small site", 120, &[0.3, 0.3], 1),
        kind("a large site", 2_000, &[0.05, 0.05], 1),
        kind("three variants", 600, &[0.1, 0.1, 0.1], 1),
        kind("visitors who come three times", 900, &[0.2, 0.2], 3),
    ] {
        let share = share_that_differs(&world, &of).await;
        println!("{}: {share} of {RUNS} without an effect differ", of.name);
        assert!(share <= 0.05, "{}: {share}", of.name);
    }
    // The same question sees an effect that is there.
    for (of, least) in [
        (kind("a large effect", 2_000, &[0.05, 0.1], 1), 0.9),
        (kind("an effect on a small site", 300, &[0.1, 0.3], 1), 0.6),
    ] {
        let share = share_that_differs(&world, &of).await;
        println!("{}: {share} of {RUNS} differ", of.name);
        assert!(share >= least, "{}: {share}", of.name);
    }
}

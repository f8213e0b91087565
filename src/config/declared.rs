//! What an operator declares beside the events: goals, funnels, experiments, and pairs of dimensions. Only what is declared
//! here is counted and published so, and under these names; there is no way for a page to add one.

use super::{Site, is_event_name};
use crate::items::Items;

/// Goals per site. Each is a measure in three tables, so that more would hide one another.
pub const GOALS_MAX: usize = 8;
/// Funnels, experiments and pairs per site: each costs a table's worth of counting.
const OTHERS_MAX: usize = 8;
/// Steps of a funnel.
const STEPS: std::ops::RangeInclusive<usize> = 2..=12;

/// A dimension, and the item of the policy that must list it.
pub type Dimension = (&'static str, fn(&Items) -> bool);

/// The dimensions that may be declared as a pair.
pub const DIMENSIONS: [Dimension; 12] = [
    ("channel", |items| items.entry),
    ("source", |items| items.entry),
    ("campaign", |items| items.entry),
    ("landing", |items| items.pages),
    ("country", |items| items.country),
    ("region", |items| items.region),
    ("browser", |items| items.browser),
    ("os", |items| items.os),
    ("device", |items| items.browser),
    ("visit_number", |items| items.identifier),
    ("pages", |items| items.pages),
    ("duration", |items| items.duration),
];

/// The first declaration of a site that does not fit, as its key and what to do.
pub(super) fn unsound(site: &Site) -> Option<(&'static str, String)> {
    let items = Items::of(site.profile.as_deref(), site.items.as_deref()).unwrap_or_default();
    let at = |key: &'static str, message: &str| Some((key, message.to_owned()));
    for (key, well_named) in [
        ("goals", site.goals.keys().all(|name| is_event_name(name))),
        ("funnels", site.funnels.keys().all(|name| is_event_name(name))),
    ] {
        if !well_named {
            return at(key, "a name has 1 to 64 of the characters a-z 0-9 _ . -");
        }
    }
    if site.goals.len() > GOALS_MAX {
        return at("goals", "there are at most 8 goals");
    }
    for (key, count) in
        [("funnels", site.funnels.len()), ("experiments", site.experiments.len()), ("pairs", site.pairs.len())]
    {
        if count > OTHERS_MAX {
            return at(key, "there are at most 8 of them");
        }
    }
    let known = |what: &String| {
        if what.starts_with('/') {
            items.pages && what.len() <= 512
        } else {
            items.events && site.events.contains(what)
        }
    };
    const WHAT: &str =
        "is neither a path that begins with / nor one of the site's `events`, or its policy lists no such item";
    if let Some((name, _)) = site.goals.iter().find(|(_, what)| !known(what)) {
        return Some(("goals", format!("what reaches `{name}` {WHAT}")));
    }
    for (name, steps) in &site.funnels {
        if !STEPS.contains(&steps.len()) {
            return Some(("funnels", format!("`{name}` needs 2 to 12 steps")));
        }
        if !steps.iter().all(known) {
            return Some(("funnels", format!("a step of `{name}` {WHAT}")));
        }
    }
    if !site.experiments.is_empty() && site.goals.is_empty() {
        return at("experiments", "an experiment compares how many visits reach a goal; declare `goals` first");
    }
    if !site.experiments.iter().all(|name| items.events && site.events.contains(name)) {
        return at("experiments", "give names of the site's `events`, whose variants are compared");
    }
    for pair in &site.pairs {
        let [first, second] = pair.as_slice() else {
            return at("pairs", "a pair has two dimensions, no fewer and no more");
        };
        let listed = |name: &String| DIMENSIONS.iter().find(|known| known.0 == name).map(|known| known.1(&items));
        match (listed(first), listed(second)) {
            (None, _) | (_, None) => {
                let names: Vec<_> = DIMENSIONS.iter().map(|known| known.0).collect();
                return Some(("pairs", format!("the dimensions of a pair are two of {}", names.join(", "))));
            }
            _ if first == second => return at("pairs", "a pair has two different dimensions"),
            (Some(true), Some(true)) => {}
            _ => return at("pairs", "the site's policy does not list what one of the dimensions tells"),
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use crate::config::Config;

    fn error(declared: &str) -> String {
        let text = Config::example().replace("[data]", &format!("events = [\"paid\", \"button\"]\n{declared}\n[data]"));
        match Config::parse(&text, Path::new("t.toml"), std::iter::empty()) {
            Ok(_) => "sound".to_owned(),
            Err(error) => error.to_string(),
        }
    }

    #[test]
    fn goals_funnels_experiments_and_pairs_are_declared_by_name() {
        let sound = "goals = { order = \"paid\", thanks = \"/thanks\" }\nfunnels = { buy = [\"/cart\", \"/pay/:order\", \"paid\"] }\n\
             experiments = [\"button\"]\npairs = [[\"country\", \"device\"], [\"landing\", \"channel\"]]";
        assert_eq!(error(sound), "sound");
    }

    #[test]
    fn what_is_not_declared_or_not_listed_is_refused() {
        for (declared, key) in [
            ("goals = { order = \"unknown\" }", "goals"),
            ("goals = { \"Order!\" = \"paid\" }", "goals"),
            ("funnels = { buy = [\"paid\"] }", "funnels"),
            ("funnels = { buy = [\"/cart\", \"unknown\"] }", "funnels"),
            ("experiments = [\"button\"]", "experiments"),
            ("goals = { order = \"paid\" }\nexperiments = [\"unknown\"]", "experiments"),
            ("pairs = [[\"country\", \"shoe_size\"]]", "pairs"),
            ("pairs = [[\"country\", \"country\"]]", "pairs"),
            ("pairs = [[\"country\", \"device\", \"os\"]]", "pairs"),
        ] {
            let error = error(declared);
            assert!(error.contains(&format!("site[0].{key}: ")), "{declared}: {error}");
        }
        let many: Vec<_> = (0..9).map(|n| format!("g{n} = \"paid\"")).collect();
        assert!(error(&format!("goals = {{ {} }}", many.join(", "))).contains("at most 8"));
    }
}

//! What an operator declares beside the events: goals, funnels, experiments, and pairs of dimensions. Only these are
//! counted and published, under these names. A page cannot add one.

use std::collections::BTreeSet;

use serde::Deserialize;

use super::Site;
use super::error::Errors;
use super::names::is_event_name;
use crate::items::Items;

/// The words that a site's campaigns use.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Campaigns {
    /// Values of `utm_source`.
    pub sources: Vec<String>,
    /// Values of `utm_medium`.
    pub mediums: Vec<String>,
    /// Values of `utm_campaign`.
    pub names: Vec<String>,
}

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

/// Pairs that are a table of every site whose policy lists both: its numbers would be published twice, each time with other noise.
const TABLES: [([&str; 2], &str); 4] = [
    (["channel", "source"], "entries"),
    (["country", "region"], "places"),
    (["device", "os"], "devices"),
    (["pages", "duration"], "visits"),
];

/// Checks what a site declares. Without `items`, because the site's policy is wrong itself, every item counts as listed.
pub(super) fn check(site: &Site, items: Option<&Items>, errors: &mut Errors<'_>) {
    check_sizes(site, errors);
    check_equals(site, errors);
    let lists = |item: fn(&Items) -> bool| items.is_none_or(item);
    let is_event = |name: &String| lists(|items| items.events) && site.events.contains(name);
    let is_known = |what: &String| {
        if what.starts_with('/') { lists(|items| items.pages) && what.len() <= 512 } else { is_event(what) }
    };
    const WHAT: &str =
        "is neither a path that begins with / nor one of the site's `events`, or its policy lists no such item";
    for (name, what) in &site.goals {
        errors.require(is_known(what), "goals", &format!("what reaches `{name}` {WHAT}"));
    }
    for (name, steps) in &site.funnels {
        errors.require(STEPS.contains(&steps.len()), "funnels", &format!("`{name}` needs 2 to 12 steps"));
        errors.require(steps.iter().all(is_known), "funnels", &format!("a step of `{name}` {WHAT}"));
    }
    errors.require(
        site.experiments.is_empty() || !site.goals.is_empty(),
        "experiments",
        "an experiment compares how many visits reach a goal; declare `goals` first",
    );
    errors.require(
        site.experiments.iter().all(is_event),
        "experiments",
        "give names of the site's `events`, whose variants are compared",
    );
    for pair in &site.pairs {
        check_pair(pair, lists, errors);
    }
}

/// Checks how many declarations there are, and their names.
fn check_sizes(site: &Site, errors: &mut Errors<'_>) {
    for (key, are_names) in [
        ("goals", site.goals.keys().all(|name| is_event_name(name))),
        ("funnels", site.funnels.keys().all(|name| is_event_name(name))),
    ] {
        errors.require(are_names, key, "a name has 1 to 64 of the characters a-z 0-9 _ . -");
    }
    errors.require(site.goals.len() <= GOALS_MAX, "goals", "there are at most 8 goals");
    for (key, count) in
        [("funnels", site.funnels.len()), ("experiments", site.experiments.len()), ("pairs", site.pairs.len())]
    {
        errors.require(count <= OTHERS_MAX, key, "there are at most 8 of them");
    }
}

/// Two declarations of one thing are refused: each would be counted and published for itself.
fn check_equals(site: &Site, errors: &mut Errors<'_>) {
    let mirrored = |pair: &Vec<String>| {
        let mut names = pair.clone();
        names.sort_unstable();
        names
    };
    for (key, are_different) in [
        ("goals", differ(site.goals.values())),
        ("funnels", differ(site.funnels.values())),
        ("experiments", differ(&site.experiments)),
        ("pairs", differ(site.pairs.iter().map(mirrored))),
    ] {
        errors.require(are_different, key, "two of them have the same definition; declare each thing once");
    }
}

fn differ<T: Ord>(definitions: impl IntoIterator<Item = T>) -> bool {
    let mut seen = BTreeSet::new();
    definitions.into_iter().all(|definition| seen.insert(definition))
}

fn check_pair(pair: &[String], lists: impl Fn(fn(&Items) -> bool) -> bool, errors: &mut Errors<'_>) {
    let [first, second] = pair else {
        return errors.require(false, "pairs", "a pair has two dimensions, no fewer and no more");
    };
    let dimension = |name: &String| DIMENSIONS.iter().find(|known| known.0 == name);
    let (Some(one), Some(other)) = (dimension(first), dimension(second)) else {
        let names: Vec<_> = DIMENSIONS.iter().map(|known| known.0).collect();
        let message = format!("the dimensions of a pair are two of {}", names.join(", "));
        return errors.require(false, "pairs", &message);
    };
    errors.require(first != second, "pairs", "a pair has two different dimensions");
    if let Some((_, table)) = TABLES.iter().find(|(both, _)| both.iter().all(|name| pair.iter().any(|of| of == name))) {
        errors.require(false, "pairs", &format!("the table `{table}` has these two dimensions; no pair is needed"));
    }
    let are_listed = lists(one.1) && lists(other.1);
    errors.require(are_listed, "pairs", "the site's policy does not list the item of one of the dimensions");
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
            ("pairs = [[\"channel\", \"source\"]]", "pairs"),
            ("pairs = [[\"region\", \"country\"]]", "pairs"),
            ("pairs = [[\"os\", \"device\"]]", "pairs"),
            ("pairs = [[\"duration\", \"pages\"]]", "pairs"),
        ] {
            let error = error(declared);
            assert!(error.contains(&format!("site[0].{key}: ")), "{declared}: {error}");
        }
        // A path that begins alike is another goal, and a longer funnel another funnel.
        assert_eq!(
            error(
                "goals = { a = \"/a\", ab = \"/a/b\" }\nfunnels = { a = [\"/a\", \"paid\"], ab = [\"/a\", \"paid\", \"/b\"] }"
            ),
            "sound"
        );
        for (declared, key) in [
            ("goals = { order = \"paid\", sale = \"paid\" }", "goals"),
            ("goals = { a = \"/thanks\", b = \"//thanks/\" }", "goals"),
            ("goals = { a = \"/%74hanks\", b = \"/thanks\" }", "goals"),
            ("funnels = { buy = [\"/cart\", \"paid\"], sell = [\"/cart\", \"paid\"] }", "funnels"),
            ("goals = { order = \"paid\" }\nexperiments = [\"button\", \"button\"]", "experiments"),
            ("pairs = [[\"country\", \"device\"], [\"device\", \"country\"]]", "pairs"),
        ] {
            let error = error(declared);
            assert!(
                error.contains(&format!("site[0].{key}: two of them have the same definition")),
                "{declared}: {error}"
            );
        }
        let many: Vec<_> = (0..9).map(|n| format!("g{n} = \"/{n}\"")).collect();
        assert!(error(&format!("goals = {{ {} }}", many.join(", "))).contains("at most 8"));
    }
}

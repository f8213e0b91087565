//! The rules as data: `schema/lists/verdict.toml`. What each sign weighs, for which reason, and from which score a level begins.
//!
//! The file is part of the program. It is read once, and a unit test reads it, so that a name that code and file do not share is
//! found before a release.

use std::collections::BTreeMap;
use std::sync::LazyLock;

use serde::Deserialize;

use super::contradictions::SIGNS;
use crate::outcome::{LEVELS, REASONS};

/// The rules.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Rules {
    level: Thresholds,
    named: Named,
    most: BTreeMap<String, u32>,
    detector: BTreeMap<String, Sign>,
    server: BTreeMap<String, Sign>,
    port: BTreeMap<String, Sign>,
    networks: Networks,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Thresholds {
    elevated: u32,
    high: u32,
    critical: u32,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Named {
    from: u32,
}

/// What one sign weighs, and for which reason.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Sign {
    weight: u32,
    reason: String,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Networks {
    /// Words of names. They have the form of [`words`] once the file is read.
    hosting: Vec<String>,
}

/// The most reasons that a verdict names.
const REASONS_MAX: usize = 8;

/// What is said of a call: a level, and coarse reasons in order.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Verdict {
    pub(super) level: &'static str,
    pub(super) reasons: Vec<&'static str>,
}

impl Verdict {
    /// The verdict on nothing.
    pub(super) fn lowest() -> Self {
        Self { level: LEVELS[0], reasons: Vec::new() }
    }
}

impl Rules {
    /// The rules of this program.
    pub(super) fn of_this_version() -> &'static Self {
        static RULES: LazyLock<Rules> = LazyLock::new(|| {
            Rules::parse(include_str!("../../schema/lists/verdict.toml")).expect("a unit test reads the rules")
        });
        &RULES
    }

    fn parse(text: &str) -> Result<Self, String> {
        let mut rules: Self = toml::from_str(text).map_err(|error| error.to_string())?;
        let Thresholds { elevated, high, critical } = rules.level;
        if !(0 < elevated && elevated < high && high < critical) {
            return Err("the levels do not rise".to_owned());
        }
        if !rules.most.keys().eq(REASONS.iter()) {
            return Err(format!("[most] does not list the reasons {}", REASONS.join(", ")));
        }
        let signs = [&rules.detector, &rules.server, &rules.port].into_iter().flatten();
        for (name, sign) in signs {
            if !rules.most.contains_key(&sign.reason) {
                return Err(format!("{name} counts for {}, which is no reason", sign.reason));
            }
        }
        let mut known = SIGNS.to_vec();
        known.sort_unstable();
        if !rules.server.keys().eq(known.iter()) {
            return Err(format!("[server] does not list the signs {}", known.join(", ")));
        }
        rules.networks.hosting.iter_mut().for_each(|listed| *listed = words(listed));
        Ok(rules)
    }

    /// Whether an organisation rents machines out, by the words of its name.
    pub(super) fn is_hosting(&self, organisation: &str) -> bool {
        let organisation = words(organisation);
        self.networks.hosting.iter().any(|listed| organisation.contains(listed))
    }

    /// The verdict on these signs: names of detectors and services that the rules may not know, and signs of the collector.
    pub(super) fn judge<'s, 'n>(
        &'s self,
        detectors: impl IntoIterator<Item = &'n str>,
        signs: &[&'static str],
        open_ports: impl IntoIterator<Item = &'n str>,
    ) -> Verdict {
        let mut sums: BTreeMap<&'s str, u32> = BTreeMap::new();
        let mut add = |sign: Option<&'s Sign>| {
            if let Some(Sign { weight, reason }) = sign {
                let sum = sums.entry(reason).or_default();
                *sum = sum.saturating_add(*weight).min(self.most[reason]);
            }
        };
        unique(detectors).for_each(|name| add(self.detector.get(name)));
        signs.iter().for_each(|name| add(self.server.get(*name)));
        unique(open_ports).for_each(|name| add(self.port.get(name)));

        let score = sums.values().sum();
        let Thresholds { elevated, high, critical } = self.level;
        let at = [elevated, high, critical].iter().filter(|from| **from <= score).count();
        let mut named: Vec<_> = sums.into_iter().filter(|(_, sum)| *sum >= self.named.from).collect();
        named.sort_by_key(|(reason, sum)| (std::cmp::Reverse(*sum), *reason));
        named.truncate(REASONS_MAX);
        let is_named = |reason: &&&str| named.iter().any(|(name, _)| name == *reason);
        Verdict { level: LEVELS[at], reasons: REASONS.iter().filter(is_named).copied().collect() }
    }
}

/// Each name once: a client that repeats one adds nothing.
fn unique<'n>(names: impl IntoIterator<Item = &'n str>) -> impl Iterator<Item = &'n str> {
    names.into_iter().collect::<std::collections::BTreeSet<_>>().into_iter()
}

/// The words of a text in lower case, with a space before and behind each.
fn words(text: &str) -> String {
    let lower = text.to_lowercase();
    let words = lower.split(|c: char| !c.is_alphanumeric()).filter(|word| !word.is_empty());
    words.fold(" ".to_owned(), |mut all, word| {
        all.push_str(word);
        all.push(' ');
        all
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn judge(detectors: &[&str], signs: &[&'static str], ports: &[&str]) -> Verdict {
        Rules::of_this_version().judge(detectors.iter().copied(), signs, ports.iter().copied())
    }

    fn level(detectors: &[&str], signs: &[&'static str], ports: &[&str]) -> &'static str {
        judge(detectors, signs, ports).level
    }

    #[test]
    fn the_rules_are_sound() {
        let text = include_str!("../../schema/lists/verdict.toml");
        assert!(Rules::parse(text).is_ok(), "{:?}", Rules::parse(text).err());
        for (from, to) in [
            ("high = 60", "high = 30"),
            ("input = 60 ", "inputs = 60 "),
            ("no_agent =", "no_agents ="),
            ("weight = 80, reason = \"headless\"", "weight = 80, reason = \"heedless\""),
            ("[networks]", "[nets]"),
        ] {
            assert!(text.contains(from) && Rules::parse(&text.replacen(from, to, 1)).is_err(), "{to}");
        }
    }

    #[test]
    fn one_detector_makes_the_level_that_its_weight_says() {
        let rules = Rules::of_this_version();
        for (name, sign) in &rules.detector {
            let expected = match sign.weight {
                60.. => "high",
                30.. => "elevated",
                _ => "low",
            };
            assert_eq!(level(&[name], &[], &[]), expected, "{name}");
        }
        assert_eq!(judge(&[], &[], &[]), Verdict { level: "low", reasons: vec![] });
        for name in rules.port.keys() {
            assert!(["low", "elevated"].contains(&level(&[], &[], &[name])), "{name}");
        }
    }

    #[test]
    fn what_a_client_repeats_or_invents_adds_nothing() {
        assert_eq!(
            judge(&["centred_press", "centred_press", "centred_press"], &[], &[]),
            judge(&["centred_press"], &[], &[])
        );
        assert_eq!(judge(&["made_up", "agent", "most"], &[], &["made_up"]), judge(&[], &[], &[]));
        let all: Vec<_> = Rules::of_this_version().port.keys().map(String::as_str).collect();
        assert_eq!(judge(&[], &[], &all), Verdict { level: "elevated", reasons: vec!["remote_control"] });
    }

    #[test]
    fn at_most_eight_reasons_are_named_and_they_are_the_heaviest() {
        let rules = Rules::of_this_version();
        let detectors: Vec<_> = rules.detector.keys().map(String::as_str).collect();
        let all = judge(&detectors, &SIGNS, &["vnc", "rdp"]);
        assert_eq!((all.level, all.reasons.len()), ("critical", 8));
        assert!(all.reasons.is_sorted() && all.reasons.contains(&"automation") && !all.reasons.contains(&"location"));
    }

    #[test]
    fn data_centres_are_known_by_the_words_of_their_names() {
        let rules = Rules::of_this_version();
        for name in ["Amazon.com, Inc.", "DigitalOcean, LLC", "Hetzner Online GmbH", "PS Internet Company LLC", "AWS"] {
            assert!(rules.is_hosting(name), "{name}");
        }
        for name in ["", "JSC Kazakhtelecom", "Kcell JSC", "Cloudflare, Inc.", "Outlaws Telecom", "Amazonas Telecom"] {
            assert!(!rules.is_hosting(name), "{name}");
        }
    }
}

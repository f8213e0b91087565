//! The evidence for and against each rule, and the verdict that follows from it.

use std::collections::BTreeMap;

use serde::Serialize;

use super::rules::{RULES, Rule};
use crate::store::StoreError;

/// The maximum of evidence for one rule: enough to act on.
pub(super) const EVIDENCE_MAX: usize = 20;

/// The verdict on a rule.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case", tag = "state", content = "evidence")]
pub enum Verdict {
    Kept,
    /// It holds, but not as well as it could: what is weak. The wall is whole all the same.
    Warning(Vec<String>),
    /// It does not hold: the lines of evidence.
    Broken(Vec<String>),
    /// It could not be examined: the reasons.
    Unknown(Vec<String>),
    /// It does not apply here: the reason.
    NotHere(Vec<String>),
}

/// The evidence collected so far, by rule.
#[derive(Default)]
pub(super) struct Findings(BTreeMap<&'static str, Found>);

#[derive(Default)]
struct Found {
    broken: Vec<String>,
    unknown: Vec<String>,
    not_here: Vec<String>,
    warned: Vec<String>,
    looked: bool,
}

impl Findings {
    fn of(&mut self, rule: &'static str) -> &mut Found {
        debug_assert!(RULES.iter().any(|known| known.name == rule), "{rule} is not in the table of rules");
        self.0.entry(rule).or_default()
    }

    /// The rule was examined, with this evidence against it.
    pub(super) fn add(&mut self, rule: &'static str, evidence: impl IntoIterator<Item = String>) {
        let found = self.of(rule);
        found.looked = true;
        for line in evidence {
            if !found.broken.contains(&line) {
                found.broken.push(line);
            }
        }
    }

    /// The rule holds, with this weakness.
    pub(super) fn warn(&mut self, rule: &'static str, weakness: String) {
        self.of(rule).warned.push(weakness);
    }

    /// The rule could not be examined.
    pub(super) fn unknown(&mut self, rule: &'static str, why: impl Into<String>) {
        self.of(rule).unknown.push(why.into());
    }

    /// The rule does not apply here.
    pub(super) fn not_here(&mut self, rule: &'static str, why: &str) {
        self.of(rule).not_here.push(why.to_owned());
    }

    /// Adds the answer of a store, or the reason why there is none.
    pub(super) fn take(&mut self, rule: &'static str, answer: Result<Vec<String>, StoreError>) {
        match answer {
            Ok(evidence) => self.add(rule, evidence),
            Err(error) => self.unknown(rule, error.message),
        }
    }

    pub(super) fn verdict(&self, rule: &Rule) -> Verdict {
        let Some(found) = self.0.get(rule.name) else {
            return Verdict::Unknown(vec!["it was not examined".to_owned()]);
        };
        let cut = |lines: &[String]| {
            let mut kept: Vec<_> = lines.iter().take(EVIDENCE_MAX).cloned().collect();
            if lines.len() > EVIDENCE_MAX {
                kept.push(format!("and {} more", lines.len() - EVIDENCE_MAX));
            }
            kept
        };
        match found {
            Found { broken, .. } if !broken.is_empty() => Verdict::Broken(cut(broken)),
            Found { unknown, .. } if !unknown.is_empty() => Verdict::Unknown(cut(unknown)),
            Found { warned, .. } if !warned.is_empty() => Verdict::Warning(cut(warned)),
            Found { looked: true, .. } => Verdict::Kept,
            Found { not_here, .. } => Verdict::NotHere(not_here.iter().take(1).cloned().collect()),
        }
    }
}

//! `tamga verify`, the checks of the wall: is telemetry separate from identified data, is nothing stored for longer or in more
//! detail than allowed, and is the evidence complete?
//!
//! [`RULES`] lists the rules, each with the clause of the policy that requires it and the remedy for a breach.
//! [`examine`] collects the evidence against each rule: from the stores' own `system` tables ([`access`], [`tables`], [`log`],
//! [`cells`]) and from this machine ([`host`]). The result is a [`Report`], which [`show`] prints as text, JSON or HTML.
//!
//! Evidence names accounts, tables, times and counts. It never quotes a query or a stored value: those may hold what the
//! rules forbid. A rule that could not be examined does not count as kept: the report says why, and is not whole.
//!
//! Not promised: that an administrator of the machine or of a ClickHouse server cannot deceive these checks. They read what the
//! server reports about itself.

mod access;
mod catalog;
mod cells;
mod findings;
mod host;
mod log;
mod rules;
mod show;
mod subject;
mod tables;
#[cfg(test)]
mod tests;

use jiff::Timestamp;
use serde::Serialize;

use findings::Findings;
pub(crate) use host::key_is_ahead;
use subject::Lists;
pub(crate) use tables::last_day_begun;

pub use findings::Verdict;
pub use rules::{RULES, Rule};
pub use show::{html, text};
pub use subject::{Host, Subject, Target};

/// A rule and its verdict.
#[derive(Clone, Debug, Serialize)]
pub struct Examined {
    #[serde(flatten)]
    pub rule: &'static Rule,
    #[serde(flatten)]
    pub verdict: Verdict,
}

/// The result of an examination.
#[derive(Clone, Debug, Serialize)]
pub struct Report {
    /// When the examination took place, by the product's clock.
    pub at: String,
    pub version: &'static str,
    /// The sites of this installation.
    pub sites: Vec<String>,
    /// The stores, as messages name them.
    pub stores: [String; 2],
    /// The chain head of the audit log. With a kept report it can be checked later whether the log is still the same.
    pub audit_head: String,
    /// The rules in their order.
    pub rules: Vec<Examined>,
}

impl Report {
    /// The rules with this kind of verdict.
    fn count(&self, is: impl Fn(&Verdict) -> bool) -> usize {
        self.rules.iter().filter(|examined| is(&examined.verdict)).count()
    }

    /// How many rules are broken.
    pub fn broken(&self) -> usize {
        self.count(|verdict| matches!(verdict, Verdict::Broken(_)))
    }

    /// How many rules could not be examined.
    pub fn unknown(&self) -> usize {
        self.count(|verdict| matches!(verdict, Verdict::Unknown(_)))
    }

    /// How many rules hold with a weakness.
    pub fn warnings(&self) -> usize {
        self.count(|verdict| matches!(verdict, Verdict::Warning(_)))
    }

    /// Whether every rule was examined and holds.
    pub fn is_whole(&self) -> bool {
        self.broken() + self.unknown() == 0
    }

    /// The names of the rules that are broken.
    pub fn names_of_broken(&self) -> Vec<&'static str> {
        let broken = self.rules.iter().filter(|examined| matches!(examined.verdict, Verdict::Broken(_)));
        broken.map(|examined| examined.rule.name).collect()
    }
}

/// Examines an installation. It changes nothing.
pub async fn examine(subject: &Subject<'_>) -> Report {
    let mut findings = Findings::default();
    let lists = Lists::new(subject.config);
    let audit_head = host::examine(subject, &mut findings);
    for target in &subject.targets {
        access::examine(target, &lists, &mut findings).await;
        tables::examine(target, &lists, subject, &mut findings).await;
        log::examine(target, &lists, &mut findings).await;
    }
    match &subject.probe {
        Some(probe) => access::judge_probe(probe.rows(access::PROBE, &[]).await, &mut findings),
        None => findings.not_here("policy-effective", "[wall] probe names no account"),
    }
    cells::examine(&subject.targets[1], &mut findings).await;
    let at: Timestamp = subject.clock.now();
    Report {
        at: at.strftime("%Y-%m-%dT%H:%M:%SZ").to_string(),
        version: env!("CARGO_PKG_VERSION"),
        sites: subject.config.sites.iter().map(|site| site.domain.clone()).collect(),
        stores: [0, 1].map(|index| subject.targets[index].store.place().to_owned()),
        audit_head,
        rules: RULES.iter().map(|rule| Examined { rule, verdict: findings.verdict(rule) }).collect(),
    }
}

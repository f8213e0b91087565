//! What a run found.

use std::collections::BTreeMap;
use std::fmt;
use std::time::Duration;

/// What became of a statement.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub(super) enum Verdict {
    Answered,
    /// The rules for analysts did not allow it.
    Refused,
    /// The engine said no to it, or it broke off, and nothing else.
    Failed,
    /// It was answered too late.
    Late,
    /// The watchdog had to end the engine.
    Ended,
    /// The engine ended by itself.
    Crashed,
    /// The engine did not answer and did not end.
    Stuck,
    /// It reached what is not an analyst's.
    Escaped,
}

impl Verdict {
    /// Whether others suffer from it.
    pub(super) fn is_fault(self) -> bool {
        self >= Self::Late
    }
}

#[derive(Clone, Default)]
pub(super) struct Report {
    pub(super) verdicts: BTreeMap<Verdict, u64>,
    /// By the engine's code.
    codes: BTreeMap<String, u64>,
    /// One line each.
    pub(super) faults: Vec<String>,
    /// Statements that ended the engine when they were alone, too.
    pub(super) culprits: Vec<String>,
    longest: Duration,
    /// How long the service waited for each insert and query, in ms. The time of a restart counts.
    waits: Vec<u64>,
    pub(super) service_failed: u64,
    resident_mib: u64,
}

impl Report {
    pub(super) fn count(&mut self, verdict: Verdict, took: Duration, about: &str, fault: Option<String>) {
        *self.verdicts.entry(verdict).or_default() += 1;
        if verdict <= Verdict::Failed {
            *self.codes.entry(about.to_owned()).or_default() += 1;
        }
        self.faults.extend(fault);
        self.longest = self.longest.max(took);
    }

    pub(super) fn served(&mut self, waited: Duration, resident_mib: u64) {
        self.waits.push(u64::try_from(waited.as_millis()).unwrap());
        self.resident_mib = self.resident_mib.max(resident_mib);
    }

    pub(super) fn of(&self, verdict: Verdict) -> u64 {
        self.verdicts.get(&verdict).copied().unwrap_or(0)
    }

    pub(super) fn served_count(&self) -> usize {
        self.waits.len()
    }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut waits = self.waits.clone();
        waits.sort_unstable();
        let part = |share: usize| {
            waits.get((waits.len() * share / 1000).min(waits.len().saturating_sub(1))).copied().unwrap_or(0)
        };
        writeln!(f, "{} statements: {:?}", self.verdicts.values().sum::<u64>(), self.verdicts)?;
        writeln!(f, "codes: {:?}", self.codes)?;
        writeln!(
            f,
            "service: {} times, waited ms p50 {} p99 {} p99.9 {} most {}, failed {}; engine resident at most {} MiB; longest statement {:?}",
            waits.len(),
            part(500),
            part(990),
            part(999),
            waits.last().unwrap_or(&0),
            self.service_failed,
            self.resident_mib,
            self.longest
        )?;
        self.faults.iter().try_for_each(|fault| writeln!(f, "FAULT {fault}"))?;
        self.culprits.iter().try_for_each(|culprit| writeln!(f, "ALONE {culprit}"))
    }
}

//! The wall's checks: is telemetry apart from whatever names people, does nothing rest longer or say more than it may, and
//! is the evidence of it whole?
//!
//! [`RULES`] lists what must hold, each with the clause of the policy that asks for it and what to do when it does not.
//! [`examine`] collects the evidence against each: from the stores' own `system` tables ([`access`], [`tables`], [`log`],
//! [`cells`]) and from this machine ([`host`]). A [`Report`] is the outcome, which [`show`] prints, as text, JSON or HTML.
//!
//! Evidence names accounts, tables, times and counts. It never quotes a query or a stored value: those may hold what the
//! rules forbid. A rule that could not be looked at is not kept: the report says why, and is not whole.
//!
//! Not promised: that an administrator of the machine or of a ClickHouse server cannot deceive these checks. They read
//! what the server says of itself.

mod access;
mod catalog;
mod cells;
mod host;
mod log;
mod rules;
mod show;
mod tables;
#[cfg(test)]
mod tests;

use std::collections::BTreeMap;

use jiff::Timestamp;
use serde::Serialize;

use crate::audit::Place;
use crate::clock::Clock;
use crate::config::{Config, Wall};
use crate::store::{STATS, Store, StoreError, VAULT, local};

pub use host::Host;
pub use rules::{RULES, Rule};
pub use show::{html, text};

/// The most evidence that is kept for one rule: enough to act upon.
const EVIDENCE_MAX: usize = 20;

/// One of the stores, and what is known of where it is.
pub struct Target {
    pub store: Store,
    /// Its address as configured; `None` for an embedded engine, which knows neither users nor other databases.
    pub url: Option<String>,
    /// The database of the server's own tables: `system`; for tests a stand-in of the same shape.
    pub system: String,
    /// The table of the query log.
    pub query_log: String,
}

/// What is examined.
pub struct Subject<'a> {
    pub config: &'a Config,
    pub clock: &'a Clock,
    /// The vault and the stats store.
    pub targets: [Target; 2],
    /// What the rules of this machine need.
    pub host: Host,
    pub audit: Place,
    /// The vault as an account sees it that the wall should stop.
    pub probe: Option<Store>,
}

impl Target {
    /// A store on an embedded engine.
    pub fn embedded(store: Store) -> Self {
        Self { store, url: None, system: "system".to_owned(), query_log: ENGINE_LOG.to_owned() }
    }

    /// A store on a server.
    pub fn on_server(store: Store, url: &str, wall: &Wall) -> Self {
        Self { store, url: Some(url.to_owned()), system: "system".to_owned(), query_log: wall.query_log.clone() }
    }
}

/// The query log that `tamga-engine` writes.
const ENGINE_LOG: &str = "tamga_engine.query_log";

/// What became of a rule.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case", tag = "state", content = "evidence")]
pub enum Verdict {
    Kept,
    /// It does not: the evidence, a line each.
    Broken(Vec<String>),
    /// It could not be looked at, and why.
    Unknown(Vec<String>),
    /// There is nothing here that it is about, and why.
    NotHere(Vec<String>),
}

/// A rule and its verdict.
#[derive(Clone, Debug, Serialize)]
pub struct Examined {
    #[serde(flatten)]
    pub rule: &'static Rule,
    #[serde(flatten)]
    pub verdict: Verdict,
}

/// What an examination found.
#[derive(Clone, Debug, Serialize)]
pub struct Report {
    /// When, by the product's clock.
    pub at: String,
    pub version: &'static str,
    /// The sites of this installation.
    pub sites: Vec<String>,
    /// The stores, as messages name them.
    pub stores: [String; 2],
    /// The head of the audit log: who keeps the report can tell later whether the log is still the same.
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

    /// How many could not be looked at.
    pub fn unknown(&self) -> usize {
        self.count(|verdict| matches!(verdict, Verdict::Unknown(_)))
    }

    /// Whether every rule was looked at and holds.
    pub fn is_whole(&self) -> bool {
        self.broken() + self.unknown() == 0
    }

    /// The names of the rules that are broken.
    pub fn names_of_broken(&self) -> Vec<&'static str> {
        let broken = self.rules.iter().filter(|examined| matches!(examined.verdict, Verdict::Broken(_)));
        broken.map(|examined| examined.rule.name).collect()
    }
}

/// The evidence as it is collected.
#[derive(Default)]
struct Findings(BTreeMap<&'static str, Found>);

#[derive(Default)]
struct Found {
    broken: Vec<String>,
    unknown: Vec<String>,
    not_here: Vec<String>,
    looked: bool,
}

impl Findings {
    fn of(&mut self, rule: &'static str) -> &mut Found {
        debug_assert!(RULES.iter().any(|known| known.name == rule), "{rule} is not in the table of rules");
        self.0.entry(rule).or_default()
    }

    /// The rule was looked at, and this speaks against it.
    fn add(&mut self, rule: &'static str, evidence: impl IntoIterator<Item = String>) {
        let found = self.of(rule);
        found.looked = true;
        for line in evidence {
            if !found.broken.contains(&line) {
                found.broken.push(line);
            }
        }
    }

    /// The rule could not be looked at.
    fn unknown(&mut self, rule: &'static str, why: impl Into<String>) {
        self.of(rule).unknown.push(why.into());
    }

    /// There is nothing that the rule is about.
    fn not_here(&mut self, rule: &'static str, why: &str) {
        self.of(rule).not_here.push(why.to_owned());
    }

    /// Adds what a question of a store answered, or why it did not.
    fn take(&mut self, rule: &'static str, answer: Result<Vec<String>, StoreError>) {
        match answer {
            Ok(evidence) => self.add(rule, evidence),
            Err(error) => self.unknown(rule, error.message),
        }
    }

    fn verdict(&self, rule: &Rule) -> Verdict {
        let Some(found) = self.0.get(rule.name) else {
            return Verdict::Unknown(vec!["nothing looked at it".to_owned()]);
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
            Found { looked: true, .. } => Verdict::Kept,
            Found { not_here, .. } => Verdict::NotHere(not_here.iter().take(1).cloned().collect()),
        }
    }
}

impl Target {
    fn is_vault(&self) -> bool {
        self.store.database() == VAULT
    }

    /// The databases that its tables are in: its own, and on a cluster that of the rows behind the vault's tables.
    fn databases<'a>(&'a self, lists: &'a Lists) -> Vec<&'a str> {
        if self.is_vault() { lists.vaults.iter().map(String::as_str).collect() } else { vec![self.store.database()] }
    }

    /// The name of a table of the server's own.
    fn system(&self, table: &str) -> String {
        format!("{}.{table}", self.system)
    }

    /// Asks for lines of evidence: a query whose rows have one column, `evidence`. Its parameters are the lists that the
    /// wall knows, joined by commas: `own`, `vaults`, `identified`, `others`, `service`.
    async fn evidence(&self, lists: &Lists, sql: &str) -> Result<Vec<String>, StoreError> {
        #[derive(serde::Deserialize)]
        struct Row {
            evidence: String,
        }
        let rows: Vec<Row> = self.store.rows(sql, &lists.parameters()).await?;
        Ok(rows.into_iter().map(|row| row.evidence).collect())
    }
}

/// The names that the wall is about.
struct Lists {
    /// The databases whose rows are telemetry, and those of them that hold rows of visits.
    own: Vec<String>,
    vaults: Vec<String>,
    identified: Vec<String>,
    roles: Vec<String>,
    others: Vec<String>,
    service: Vec<String>,
}

impl Lists {
    fn new(config: &Config) -> Self {
        let Wall { identified_databases, identified_roles, other_databases, service_accounts, .. } = &config.wall;
        let is_cluster = config.vault.as_ref().is_some_and(|vault| vault.cluster.is_some());
        let vaults: Vec<_> = [VAULT.to_owned()].into_iter().chain(is_cluster.then(|| local(VAULT))).collect();
        let configured = [&config.vault, &config.stats].into_iter().flatten().map(|server| server.user.clone());
        Self {
            own: vaults.iter().cloned().chain([STATS.to_owned()]).collect(),
            vaults,
            identified: identified_databases.clone(),
            roles: identified_roles.clone(),
            others: other_databases.clone(),
            service: configured.chain([crate::store::USER.to_owned()]).chain(service_accounts.clone()).collect(),
        }
    }

    fn parameters(&self) -> [(&'static str, String); 5] {
        [
            ("own", self.own.join(",")),
            ("vaults", self.vaults.join(",")),
            ("identified", self.identified.join(",")),
            ("others", self.others.join(",")),
            ("service", self.service.join(",")),
        ]
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

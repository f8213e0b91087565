//! Access on a ClickHouse server: grants, including those through roles, and the row policies of the wall.
//!
//! An embedded engine has no accounts of ClickHouse: only this machine reaches it. `tamga-engine` authenticates its two accounts
//! before it reads a query, and checks the analyst's statements.

use std::collections::{BTreeMap, BTreeSet};

use serde::Deserialize;

use super::catalog;
use super::findings::Findings;
use super::subject::{Lists, Target};
use crate::store::{StoreError, VAULT};

/// The rules of this module.
const RULES: [&str; 6] =
    ["access-both", "access-vault", "access-write", "access-sources", "access-open", "policy-present"];

/// Grants on other systems, with their names in `system.grants`. Since 25.7 they are READ and WRITE.
const SOURCES: [&str; 22] = [
    "AZURE",
    "FILE",
    "HDFS",
    "HIVE",
    "JDBC",
    "KAFKA",
    "MONGO",
    "MYSQL",
    "NATS",
    "ODBC",
    "POSTGRES",
    "RABBITMQ",
    "READ",
    "REDIS",
    "REMOTE",
    "S3",
    "SOURCES",
    "SQLITE",
    "URL",
    "WRITE",
    "CREATE TEMPORARY TABLE",
    "CREATE ARBITRARY TEMPORARY TABLE",
];

/// Grants that allow to change rows or tables.
const CHANGES: [&str; 7] = ["INSERT", "ALTER", "CREATE", "DROP", "TRUNCATE", "UNDROP", "OPTIMIZE"];

#[derive(Clone, Debug, Deserialize)]
struct Grant {
    user: String,
    role: String,
    access: String,
    database: String,
    table: String,
    revoked: u8,
}

#[derive(Debug, Deserialize)]
struct Membership {
    user: String,
    role: String,
    granted: String,
}

#[derive(Debug, Deserialize)]
struct User {
    name: String,
    auth: String,
}

#[derive(Debug, Deserialize)]
struct Policy {
    name: String,
    database: String,
    table: String,
    filter: String,
    restrictive: u8,
    all: u8,
    except: String,
}

/// A table that needs a row policy.
#[derive(Debug, Deserialize)]
struct Place {
    database: String,
    table: String,
}

/// An account or a role with all its grants, direct ones and those through roles.
struct Principal {
    name: String,
    is_user: bool,
    roles: BTreeSet<String>,
    grants: Vec<Grant>,
}

impl Grant {
    /// Whether it covers this database: by its name, by a prefix, or as a grant on all (an empty name).
    fn covers(&self, database: &str) -> bool {
        match self.database.strip_suffix('*') {
            Some(prefix) => database.starts_with(prefix),
            None => self.database.is_empty() || self.database == database,
        }
    }

    fn is(&self, kinds: &[&str]) -> bool {
        let access = self.access.as_str();
        access == "ALL" || kinds.iter().any(|kind| access == *kind || access.starts_with(&format!("{kind} ")))
    }
}

impl Principal {
    fn may(&self, kinds: &[&str], database: &str) -> bool {
        let covering = |grant: &&Grant| grant.is(kinds) && grant.covers(database);
        // A revoke of the whole database removes it from a grant on all.
        let revoked = self
            .grants
            .iter()
            .filter(covering)
            .any(|grant| grant.revoked == 1 && grant.table.is_empty() && grant.database == database);
        !revoked && self.grants.iter().filter(covering).any(|grant| grant.revoked == 0)
    }

    fn reads(&self, database: &str) -> bool {
        self.may(&["SELECT"], database)
    }

    fn called(&self) -> String {
        let kind = if self.is_user { "account" } else { "role" };
        let through: Vec<_> = self.roles.iter().map(String::as_str).collect();
        let through = if through.is_empty() { String::new() } else { format!(" (with {})", through.join(", ")) };
        format!("{kind} {}{through}", self.name)
    }
}

pub(super) async fn examine(target: &Target, lists: &Lists, findings: &mut Findings) {
    if target.url.is_none() {
        let why = "the embedded engines have the service, and on the stats engine analysts: none reads both stores";
        RULES.iter().for_each(|rule| findings.not_here(rule, why));
        return;
    }
    match principals(target).await {
        Ok((principals, users)) => judge(&principals, &users, lists, findings),
        Err(error) => RULES[..5].iter().for_each(|rule| findings.unknown(rule, error.message.clone())),
    }
    if target.is_vault() {
        if lists.identified.is_empty() && lists.roles.is_empty() {
            findings.not_here("policy-present", "no identified zone is named in [wall]: it is on other servers");
        } else {
            match policies(target, lists).await {
                Ok(found) => findings.add("policy-present", judge_policies(&found.0, &found.1, lists)),
                Err(error) => findings.unknown("policy-present", error.message),
            }
        }
    }
}

async fn principals(target: &Target) -> Result<(Vec<Principal>, Vec<User>), StoreError> {
    let store = &target.store;
    let sql = format!(
        "SELECT ifNull(user_name, '') AS user, ifNull(role_name, '') AS role, toString(access_type) AS access, \
         ifNull(database, '') AS database, ifNull(table, '') AS table, is_partial_revoke AS revoked FROM {}",
        target.system("grants")
    );
    let grants: Vec<Grant> = store.rows(&sql, &[]).await?;
    let sql = format!(
        "SELECT ifNull(user_name, '') AS user, ifNull(role_name, '') AS role, granted_role_name AS granted FROM {}",
        target.system("role_grants")
    );
    let memberships: Vec<Membership> = store.rows(&sql, &[]).await?;
    let sql = format!("SELECT name, toString(auth_type) AS auth FROM {}", target.system("users"));
    let users: Vec<User> = store.rows(&sql, &[]).await?;
    let mut names: BTreeMap<(bool, String), ()> = BTreeMap::new();
    for grant in &grants {
        let is_user = !grant.user.is_empty();
        names.insert((is_user, if is_user { grant.user.clone() } else { grant.role.clone() }), ());
    }
    for membership in &memberships {
        let is_user = !membership.user.is_empty();
        names.insert((is_user, if is_user { membership.user.clone() } else { membership.role.clone() }), ());
    }
    let principals = names.into_keys().map(|(is_user, name)| follow(is_user, name, &grants, &memberships));
    Ok((principals.collect(), users))
}

/// Collects all grants of an account or a role.
fn follow(is_user: bool, name: String, grants: &[Grant], memberships: &[Membership]) -> Principal {
    let given_to = |is_user: bool, name: &str| {
        let of = |membership: &&Membership| if is_user { membership.user == name } else { membership.role == name };
        memberships.iter().filter(of).map(|membership| membership.granted.clone()).collect::<Vec<_>>()
    };
    let mut roles = BTreeSet::new();
    let mut next = given_to(is_user, &name);
    while let Some(role) = next.pop() {
        if roles.insert(role.clone()) {
            next.extend(given_to(false, &role));
        }
    }
    let own =
        |grant: &&Grant| (if is_user { grant.user == name } else { grant.role == name }) || roles.contains(&grant.role);
    Principal { grants: grants.iter().filter(own).cloned().collect(), name, is_user, roles }
}

fn judge(principals: &[Principal], users: &[User], lists: &Lists, findings: &mut Findings) {
    for rule in &RULES[..5] {
        findings.add(rule, []);
    }
    for principal in principals {
        let called = principal.called();
        let is_service = principal.is_user && lists.service.contains(&principal.name);
        let zones: Vec<_> = lists.identified.iter().filter(|zone| principal.reads(zone)).map(String::as_str).collect();
        let telemetry: Vec<_> =
            lists.own.iter().map(String::as_str).filter(|database| principal.reads(database)).collect();
        if !telemetry.is_empty() && !zones.is_empty() {
            let evidence = format!("{called} reads {} and {}", telemetry.join(", "), zones.join(", "));
            findings.add("access-both", [evidence]);
        }
        // A role that only service accounts have is not examined by itself.
        let others = principals.iter().any(|other| {
            other.is_user && !lists.service.contains(&other.name) && other.roles.contains(&principal.name)
        });
        let served = principals.iter().any(|other| other.is_user && other.roles.contains(&principal.name));
        if is_service || !principal.is_user && served && !others {
            continue;
        }
        for vault in lists.vaults.iter().filter(|vault| principal.reads(vault)) {
            findings.add("access-vault", [format!("{called} reads {vault}")]);
        }
        for database in &lists.own {
            if principal.may(&CHANGES, database) {
                findings.add("access-write", [format!("{called} changes {database}")]);
            }
        }
        if !telemetry.is_empty() && principal.grants.iter().any(|grant| grant.revoked == 0 && grant.is(&SOURCES)) {
            findings.add("access-sources", [format!("{called} reads {} and sources", telemetry.join(", "))]);
        }
        let open = users.iter().any(|user| user.name == principal.name && user.auth.contains("no_password"));
        if principal.is_user && open && !telemetry.is_empty() {
            findings.add("access-open", [format!("{called} has no password")]);
        }
    }
}

/// The row policies of the vault's databases, and the tables that need one: those of the vault, and those behind them.
async fn policies(target: &Target, lists: &Lists) -> Result<(Vec<Policy>, Vec<Place>), StoreError> {
    let sql = format!(
        "SELECT short_name AS name, ifNull(database, '') AS database, table, ifNull(select_filter, '') AS filter, is_restrictive AS restrictive, \
         apply_to_all AS all, arrayStringConcat(apply_to_except, ', ') AS except FROM {} \
         WHERE database IN splitByChar(',', {{vaults:String}})",
        target.system("row_policies")
    );
    let policies = target.store.rows(&sql, &lists.parameters()).await?;
    let known = catalog::tables(VAULT).keys();
    let mut places: Vec<_> = known.map(|table| Place { database: VAULT.to_owned(), table: table.clone() }).collect();
    let sql = format!(
        "SELECT database, name AS table FROM {} WHERE database IN splitByChar(',', {{vaults:String}}) \
         AND database != '{VAULT}' ORDER BY name",
        target.system("tables")
    );
    places.extend(target.store.rows::<Place>(&sql, &lists.parameters()).await?);
    Ok((policies, places))
}

/// Each table needs a policy that no other policy weakens, that applies to everybody, and that names every identified role.
fn judge_policies(policies: &[Policy], places: &[Place], lists: &Lists) -> Vec<String> {
    let mut evidence = Vec::new();
    for Place { database, table } in places {
        let about: Vec<_> = policies
            .iter()
            .filter(|policy| policy.database == *database)
            .filter(|policy| policy.table == *table || ["", "*"].contains(&policy.table.as_str()))
            .collect();
        let walls = about.iter().filter(|policy| {
            policy.restrictive == 1
                && policy.all == 1
                && policy.except.is_empty()
                && policy.filter.contains("throwIf")
                && policy.filter.contains("enabledRoles")
        });
        let named = |role: &&String| walls.clone().any(|policy| policy.filter.contains(&format!("'{role}'")));
        let missing: Vec<_> = lists.roles.iter().filter(|role| !named(role)).map(String::as_str).collect();
        if walls.clone().next().is_none() {
            evidence.push(match about.first() {
                None => format!("{database}.{table} has no row policy"),
                Some(policy) => format!(
                    "{database}.{table}: {} is not the wall: it must be restrictive, apply to all, and throw for identified roles",
                    policy.name
                ),
            });
        } else if !missing.is_empty() {
            evidence.push(format!("{database}.{table}: the wall does not name {}", missing.join(", ")));
        }
    }
    evidence
}

/// The verdict on a query with the probe's account: it must fail.
pub(super) fn judge_probe(answer: Result<Vec<serde_json::Value>, StoreError>, findings: &mut Findings) {
    /// FUNCTION_THROW_IF_VALUE_IS_NON_ZERO is the wall's error; ACCESS_DENIED means that there is no grant.
    const STOPPED: [u32; 2] = [395, 497];
    match answer {
        Ok(_) => findings.add("policy-effective", [format!("the probe's account read {VAULT}.events")]),
        Err(error) if error.code.is_some_and(|code| STOPPED.contains(&code)) => findings.add("policy-effective", []),
        Err(error) => findings.unknown("policy-effective", error.message),
    }
}

/// The query of the probe. It returns rows if nothing stops it.
pub(super) const PROBE: &str = "SELECT 'read' AS evidence FROM events LIMIT 1";

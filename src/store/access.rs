//! Who may do what on a ClickHouse server: the statements of `schema/access`, filled in for a store.
//!
//! All statements may be repeated at any time. Roles are created when they are missing and never replaced, since people's
//! accounts depend on them. Profiles, quotas and policies name their accounts and are replaced. An embedded engine has no
//! accounts: there, separate processes and their sandbox do the same.

use super::client::Store;
use super::migrations::{STATS, VAULT};
use super::statements::{code, split};

const VAULT_ACCESS: &str = include_str!("../../schema/access/vault.sql");
const STATS_ACCESS: &str = include_str!("../../schema/access/stats.sql");
const SITE_ACCESS: &str = include_str!("../../schema/access/site.sql");
const ACCOUNT: &str = include_str!("../../schema/access/account.sql");
const CLUSTER: &str = include_str!("../../schema/access/cluster.sql");

/// The service account of a store, and how it is created.
#[derive(Clone, Copy, Debug)]
pub struct Account<'a> {
    /// The account's name.
    pub user: &'a str,
    /// SHA-256 of its password in hexadecimal; none if the account exists and applies the statements itself.
    pub password_sha256: Option<&'a str>,
}

/// The statements for a store, in order.
pub fn statements(store: &Store, sites: &[&str], account: Account<'_>) -> Vec<String> {
    let (files, role) = match store.database() {
        VAULT => (vec![VAULT_ACCESS], "tamga_vault_service"),
        STATS => (vec![STATS_ACCESS, SITE_ACCESS], "tamga_stats_service"),
        _ => return Vec::new(),
    };
    let user = quoted(account.user);
    let fill = |sql: &str| sql.replace("{user}", &user).replace("{role}", role);
    let mut all = Vec::new();
    if let Some(password) = account.password_sha256 {
        all.push(format!("CREATE ROLE IF NOT EXISTS {role}"));
        all.extend(split(ACCOUNT).into_iter().map(|sql| fill(code(sql)).replace("{password_sha256}", password)));
    }
    for sql in files.iter().flat_map(|file| split(file)).map(code) {
        if sql.contains("{site}") {
            // A configured site is a domain name: no character of it ends a literal or a name.
            all.extend(sites.iter().map(|site| sql.replace("{site}", site)));
        } else {
            all.push(fill(sql));
        }
    }
    if store.is_clustered() {
        all.extend(
            split(CLUSTER)
                .into_iter()
                .map(|sql| fill(code(sql)).replace("tamga_vault.*", &format!("{}.*", store.database()))),
        );
    }
    all
}

/// A name, quoted for ClickHouse.
fn quoted(name: &str) -> String {
    format!("`{}`", name.replace('\\', "\\\\").replace('`', "\\`"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::Limits;

    #[test]
    fn every_place_is_filled_and_every_site_has_its_role() {
        let sites = ["a.kz", "b.kz"];
        for (database, cluster) in [(VAULT, false), (VAULT, true), (STATS, false), (STATS, true)] {
            let mut store = Store::new("http://127.0.0.1:1", "u", "p", database, Limits::default()).unwrap();
            if cluster {
                store = store.in_cluster("c");
            }
            let account = Account { user: "it`s", password_sha256: Some("00") };
            let all = statements(&store, &sites, account);
            assert!(all.iter().all(|sql| !sql.contains('{')), "{all:?}");
            assert!(all.iter().any(|sql| sql.contains("`it\\`s` IDENTIFIED")));
            let roles = all.iter().filter(|sql| sql.contains("ROLE IF NOT EXISTS \"tamga_analyst:")).count();
            assert_eq!(roles, if database == STATS { 2 } else { 0 });
            assert_eq!(all.iter().any(|sql| sql.contains("Distributed")), cluster);
            let own = statements(&store, &sites, Account { password_sha256: None, ..account });
            assert!(own.len() < all.len() && own.iter().all(|sql| !sql.contains("CREATE USER")));
        }
    }
}

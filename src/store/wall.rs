//! The wall in ClickHouse's own words: row policies that fail a query as soon as an identified role is enabled.

use super::client::VAULT;
use super::migrate::VAULT_MIGRATIONS;
use super::statements::split;

/// What a query says that would read the vault with an identified role.
pub const WALL_SENTENCE: &str = "Telemetry is not matched with identified data: this account bears an identified role";

/// The statements that build the wall, safe to repeat. A restrictive policy cannot be weakened by another; the permissive
/// one lets the service account alone see rows.
pub fn wall_statements(databases: &[String], roles: &[String], service: &str) -> Vec<String> {
    let quoted = |names: &[String]| names.iter().map(|name| format!("'{name}'")).collect::<Vec<_>>().join(", ");
    let mut statements = Vec::new();
    for table in vault_tables() {
        statements.push(format!(
            "CREATE ROW POLICY OR REPLACE tamga_service ON {VAULT}.{table} USING 1 AS PERMISSIVE TO `{service}`"
        ));
        if !roles.is_empty() {
            statements.push(format!(
                "CREATE ROW POLICY OR REPLACE tamga_wall ON {VAULT}.{table} USING NOT throwIf(hasAny(enabledRoles(), [{}]), \
                 '{WALL_SENTENCE}') AS RESTRICTIVE TO ALL",
                quoted(roles)
            ));
        }
    }
    for role in roles {
        statements.push(format!("REVOKE ALL ON {VAULT}.* FROM `{role}`"));
        statements.push(format!("REVOKE ALL ON tamga_stats.* FROM `{role}`"));
    }
    for database in databases {
        statements.push(format!("REVOKE ALL ON `{database}`.* FROM `{service}`"));
    }
    statements
}

/// The vault's tables, as the migrations make them.
fn vault_tables() -> Vec<&'static str> {
    let mut tables: Vec<_> = VAULT_MIGRATIONS
        .iter()
        .flat_map(|migration| split(migration.sql))
        .filter_map(|statement| statement.split("CREATE TABLE IF NOT EXISTS ").nth(1)?.split_whitespace().next())
        .map(|name| name.trim_matches(['`', '(']))
        .chain(["schema_migrations"])
        .collect();
    tables.sort_unstable();
    tables.dedup();
    tables
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_vault_table_gets_a_wall_that_names_every_role() {
        assert!(
            ["events", "attributes", "tallies", "seeds", "leases"].iter().all(|table| vault_tables().contains(table))
        );
        let roles = ["pay_reader".to_owned(), "crm".to_owned()];
        let statements = wall_statements(&["pay".to_owned()], &roles, "tamga");
        for table in vault_tables() {
            let wall = statements.iter().find(|sql| sql.contains(&format!("tamga_wall ON {VAULT}.{table} ")));
            assert!(
                wall.is_some_and(|sql| sql.contains("['pay_reader', 'crm']") && sql.contains("AS RESTRICTIVE TO ALL"))
            );
        }
        assert!(statements.contains(&"REVOKE ALL ON `pay`.* FROM `tamga`".to_owned()));
        assert!(wall_statements(&[], &[], "tamga").iter().all(|sql| sql.contains("PERMISSIVE")));
    }
}

//! The wall as ClickHouse statements: a row policy that fails a query as soon as an identified role is enabled.

use super::migrations::VAULT;

/// The error of a query that would read the vault with an identified role.
pub const WALL_SENTENCE: &str =
    "Telemetry is never joined with data that identify people: this session has a role of an identified zone.";

/// The role of all identified zones, in `schema/access`. An account with this role is always stopped.
const ANY_ZONE: &str = "tamga_identified";

/// The statements that build the wall, safe to repeat. A restrictive policy cannot be weakened by another; the
/// permissive one shows rows to the service account alone.
pub fn wall_statements(databases: &[String], roles: &[String], service: &str) -> Vec<String> {
    let quoted: Vec<_> = std::iter::once(ANY_ZONE).chain(roles.iter().map(String::as_str)).collect();
    let quoted = quoted.iter().map(|name| format!("'{name}'")).collect::<Vec<_>>().join(", ");
    let mut statements = vec![
        format!("CREATE ROW POLICY OR REPLACE tamga_service ON {VAULT}.* FOR SELECT USING 1 TO `{service}`"),
        format!(
            "CREATE ROW POLICY OR REPLACE tamga_wall ON {VAULT}.* FOR SELECT USING NOT throwIf(hasAny(enabledRoles(), \
             [{quoted}]), '{WALL_SENTENCE}') AS RESTRICTIVE TO ALL"
        ),
    ];
    for role in roles {
        statements.push(format!("REVOKE ALL ON {VAULT}.* FROM `{role}`"));
        statements.push(format!("REVOKE ALL ON tamga_stats.* FROM `{role}`"));
    }
    for database in databases {
        statements.push(format!("REVOKE ALL ON `{database}`.* FROM `{service}`"));
    }
    statements
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_wall_names_every_role_and_parts_the_accounts() {
        let roles = ["pay_reader".to_owned(), "crm".to_owned()];
        let statements = wall_statements(&["pay".to_owned()], &roles, "tamga").join("\n");
        for part in
            ["['tamga_identified', 'pay_reader', 'crm']", "AS RESTRICTIVE TO ALL", "REVOKE ALL ON `pay`.* FROM `tamga`"]
        {
            assert!(statements.contains(part), "{part}: {statements}");
        }
        assert_eq!(wall_statements(&[], &[], "tamga").len(), 2);
        let access = include_str!("../../schema/access/vault.sql");
        assert!(access.contains(WALL_SENTENCE) && access.contains(&format!("['{ANY_ZONE}']")));
    }
}

//! The two databases and their migrations: numbered files of SQL in `schema/migrations`.

/// The vault's database.
pub const VAULT: &str = "tamga_vault";
/// The stats store's database.
pub const STATS: &str = "tamga_stats";

/// One file of SQL.
#[derive(Clone, Copy, Debug)]
pub struct Migration {
    /// Its number; 1 is the first.
    pub version: u32,
    /// What it does, from the file's name.
    pub name: &'static str,
    /// Its text.
    pub sql: &'static str,
}

/// The vault's migrations, in order.
pub const VAULT_MIGRATIONS: &[Migration] = &[
    Migration { version: 1, name: "begin", sql: include_str!("../../schema/migrations/vault/0001_begin.sql") },
    Migration { version: 2, name: "spools", sql: include_str!("../../schema/migrations/vault/0002_spools.sql") },
];

/// The stats store's migrations, in order.
pub const STATS_MIGRATIONS: &[Migration] = &[
    Migration { version: 1, name: "begin", sql: include_str!("../../schema/migrations/stats/0001_begin.sql") },
    Migration { version: 2, name: "rollups", sql: include_str!("../../schema/migrations/stats/0002_rollups.sql") },
];

#[cfg(test)]
mod tests {
    use super::super::statements::split;
    use super::*;

    #[test]
    fn migrations_are_numbered_without_gaps_and_named_like_their_files() {
        for (folder, migrations) in [("vault", VAULT_MIGRATIONS), ("stats", STATS_MIGRATIONS)] {
            let folder = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("schema/migrations").join(folder);
            let mut files: Vec<_> =
                folder.read_dir().unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
            files.sort();
            let known: Vec<_> =
                migrations.iter().map(|migration| format!("{:04}_{}.sql", migration.version, migration.name)).collect();
            assert_eq!(files, known);
            assert!((1..).zip(migrations).all(|(number, migration)| migration.version == number));
        }
    }

    #[test]
    fn every_statement_can_be_carried_out_twice() {
        for migration in VAULT_MIGRATIONS.iter().chain(STATS_MIGRATIONS) {
            for statement in split(migration.sql) {
                assert!(
                    ["IF NOT EXISTS", "IF EXISTS", "MODIFY SETTING"].iter().any(|sure| statement.contains(sure)),
                    "{statement}"
                );
            }
        }
    }

    #[test]
    fn every_table_and_column_has_a_comment() {
        for migration in VAULT_MIGRATIONS.iter().chain(STATS_MIGRATIONS) {
            for statement in split(migration.sql) {
                if statement.contains("ALTER TABLE") {
                    assert!(!statement.contains(" ADD COLUMN ") || statement.contains(" COMMENT '"), "{statement}");
                    continue;
                }
                let columns =
                    statement.lines().filter(|line| line.starts_with("    ") && !line.starts_with("     ")).count();
                assert!(statement.matches(" COMMENT '").count() >= columns, "{statement}");
                assert!(statement.lines().any(|line| line.starts_with("COMMENT '")), "{statement}");
            }
        }
    }
}

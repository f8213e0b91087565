//! Statements for a ClickHouse cluster, made from those for one server. There is one text of the tables; only
//! this file knows its form for `cluster = "name"`.
//!
//! Tables of rows (partitioned by day) are cut into shards by site and pseudonym, so that all rows of a pseudonym
//! are on one shard and a day's counts can be made there: each is a replicated table in the database `…_local` and, under
//! its own name, a `Distributed` table over all of them. Every other table is small, and replicated whole to every node.
//! Nodes need the macros `{shard}` and `{replica}`.
//!
//! It reads the shapes that the migrations, the access files and this program's own statements have, and no other SQL.

use std::collections::BTreeSet;
use std::sync::LazyLock;

use super::migrations::{VAULT, VAULT_MIGRATIONS};
use super::statements::{code, split};

/// The mark of a table whose rows are cut into shards.
const SHARDED: &str = "PARTITION BY (day, toDate(window_end))";

/// Longer than a row may wait in a spool: an insert that is stored on some shards only is repeated under its token, and
/// those shards must still remember the token.
const TOKENS: &str = "replicated_deduplication_window = 100000, replicated_deduplication_window_seconds = 1209600";

/// The vault's tables that are cut into shards.
static SHARDED_TABLES: LazyLock<BTreeSet<&str>> = LazyLock::new(|| {
    let statements = VAULT_MIGRATIONS.iter().flat_map(|migration| split(migration.sql));
    statements.filter(|sql| sql.contains(SHARDED)).filter_map(|sql| Some(named(code(sql), CREATE_TABLE)?.0)).collect()
});

/// A table in memory has no replicas. In a cluster its place is a table in files: a partition for each attempt, and an end for
/// those that were interrupted.
const IN_MEMORY: &str = "Memory";
const IN_FILES: &str = "MergeTree
PARTITION BY attempt
ORDER BY visitor
TTL begun_at + toIntervalDay(1)
SETTINGS merge_with_ttl_timeout = 3600, fsync_after_insert = 1, fsync_part_directory = 1";

const CREATE_TABLE: &str = "CREATE TABLE IF NOT EXISTS ";

/// Settings of every request to a cluster: an insert is answered when the shards have it, and of each shard most replicas, so that
/// a replica that is lost takes nothing along; a subquery over rows stays on the
/// shard, which has all rows of its pseudonyms, and a statement for all nodes is waited for.
pub(super) const SETTINGS: [(&str, &str); 5] = [
    ("distributed_foreground_insert", "1"),
    ("insert_quorum", "auto"),
    ("distributed_product_mode", "local"),
    ("distributed_ddl_task_timeout", "50"),
    ("allow_nondeterministic_mutations", "1"),
];

/// The database of the tables behind the distributed ones.
pub(crate) fn local(database: &str) -> String {
    format!("{database}_local")
}

/// The form of a statement for the cluster of this name. A statement that is not about tables or accounts is unchanged.
pub(super) fn statements(cluster: &str, database: &str, sql: &str) -> Vec<String> {
    let sql = code(sql);
    let on = format!("ON CLUSTER '{cluster}'");
    if let Some((name, _)) = named(sql, "CREATE DATABASE IF NOT EXISTS ") {
        let create = |name: &str| format!("CREATE DATABASE IF NOT EXISTS {name} {on}");
        return if name == VAULT { vec![create(&local(name)), create(name)] } else { vec![create(name)] };
    }
    if let Some((name, _)) = named(sql, "SYSTEM SYNC REPLICA ") {
        return vec![format!("SYSTEM SYNC REPLICA {on} {database}.{name}")];
    }
    if let Some((name, rest)) = named(sql, CREATE_TABLE) {
        return create_table(cluster, database, name, rest);
    }
    if let Some((name, rest)) = named(sql, "ALTER TABLE ") {
        if database != VAULT || !SHARDED_TABLES.contains(name) {
            // The replicas pass it on to each other.
            return vec![format!("ALTER TABLE {database}.{name}{rest}")];
        }
        let mut all = vec![format!("ALTER TABLE {}.{name} {on}{rest}", local(database))];
        if rest.contains(" COLUMN ") {
            all.push(format!("ALTER TABLE {database}.{name} {on}{rest}"));
        }
        return all;
    }
    account(&on, sql).unwrap_or_else(|| vec![sql.to_owned()])
}

/// The form of a query: what each node knows only about itself is queried on all nodes.
pub(super) fn query(cluster: &str, database: &str, sql: &str) -> String {
    let mut sql = sql.to_owned();
    for table in ["system.parts", "system.processes"] {
        if sql.contains(table) {
            let both = format!("database IN ('{database}', '{}')", local(database));
            sql = sql.replace(table, &format!("clusterAllReplicas('{cluster}', {table})"));
            sql = sql.replace("database = currentDatabase()", &both);
        }
    }
    sql
}

/// Paths in Keeper have the names of tables and no `{uuid}`, so that a node that joins later comes to the same place.
fn create_table(cluster: &str, database: &str, name: &str, rest: &str) -> Vec<String> {
    let sharded = rest.contains(SHARDED);
    let (columns, options) = rest.split_once("\nENGINE = ").unwrap_or((rest, "MergeTree"));
    let options = &options.strip_prefix(IN_MEMORY).map_or(options.to_owned(), |rest| format!("{IN_FILES}{rest}"))[..];
    let engine = &options[..options.find('\n').unwrap_or(options.len())];
    let options = &options[engine.len()..];
    let (family, arguments) = engine.split_once('(').map_or((engine, ""), |(family, rest)| (family, rest));
    let (path, replica) = match sharded {
        true => ("{shard}", "{replica}"),
        false => ("all", "{shard}-{replica}"),
    };
    let arguments = if arguments.is_empty() { ")".to_owned() } else { format!(", {arguments}") };
    let engine =
        format!("Replicated{family}('/clickhouse/tables/{path}/{{database}}/{{table}}', '{replica}'{arguments}");
    let options = options.replace("non_replicated_deduplication_window = 1000", TOKENS);
    let home = if sharded { local(database) } else { database.to_owned() };
    let table = format!("{CREATE_TABLE}{home}.{name} ON CLUSTER '{cluster}'{columns}\nENGINE = {engine}{options}");
    if !sharded {
        return vec![table];
    }
    let key = if columns.contains("\n    visitor ") { "cityHash64(site, visitor)" } else { "cityHash64(site)" };
    let comment = options.rsplit_once("\nCOMMENT ").map_or(String::new(), |(_, text)| format!("\nCOMMENT {text}"));
    let over = format!(
        "{CREATE_TABLE}{database}.{name} ON CLUSTER '{cluster}' AS {home}.{name}\n\
         ENGINE = Distributed('{cluster}', '{home}', '{name}', {key}){comment}"
    );
    vec![table, over]
}

/// A statement about accounts, for every node. What holds for the vault's tables also holds for the tables behind them.
fn account(on: &str, sql: &str) -> Option<Vec<String>> {
    let all = format!("{VAULT}.*");
    let behind = format!("{}.*", local(VAULT));
    if let Some(rest) = sql.strip_prefix("GRANT ") {
        let grant = |rest: &str| format!("GRANT {on} {rest}");
        let mut grants = vec![grant(rest)];
        if rest.contains(&all) {
            grants.push(grant(&rest.replace(&all, &behind)));
        }
        return Some(grants);
    }
    for kind in ["ROLE", "USER", "SETTINGS PROFILE", "QUOTA", "ROW POLICY"] {
        for how in ["IF NOT EXISTS", "OR REPLACE"] {
            if let Some((name, rest)) = sql.strip_prefix(&format!("CREATE {kind} {how} ")).map(quoted_name) {
                let rest = rest.replace(&all, &format!("{all}, {behind}"));
                return Some(vec![format!("CREATE {kind} {how} {name} {on}{rest}")]);
            }
        }
    }
    None
}

/// The name that a statement is about, when it begins so, and what follows it.
fn named<'a>(sql: &'a str, begins: &str) -> Option<(&'a str, &'a str)> {
    let rest = sql.strip_prefix(begins)?;
    let (name, rest) = quoted_name(rest);
    Some((name.trim_matches('`'), rest))
}

/// A name, quoted or not, and what follows it.
fn quoted_name(sql: &str) -> (&str, &str) {
    let quote = sql.chars().next().filter(|first| matches!(first, '`' | '"'));
    let end = match quote {
        Some(quote) => sql[1..].find(quote).map(|at| at + 2),
        None => sql.find(|byte: char| !byte.is_ascii_alphanumeric() && byte != '_'),
    };
    sql.split_at(end.unwrap_or(sql.len()))
}

#[cfg(test)]
mod tests {
    use super::super::migrations::STATS_MIGRATIONS;
    use super::*;
    use crate::store::STATS;

    #[test]
    fn rows_go_to_shards_by_pseudonym_and_all_else_to_every_node() {
        let vault: Vec<_> = VAULT_MIGRATIONS.iter().flat_map(|migration| split(migration.sql)).collect();
        for sql in &vault {
            let made = statements("c", VAULT, sql);
            let alone = ["ENGINE = MergeTree", "ENGINE = Memory", " non_replicated"];
            assert!(made.iter().all(|sql| alone.iter().all(|mark| !sql.contains(mark))));
            if let Some((name, rest)) = named(code(sql), CREATE_TABLE) {
                assert_eq!(made.len(), 1 + usize::from(SHARDED_TABLES.contains(name)), "{name}");
                let by_pseudonym = SHARDED_TABLES.contains(name) && rest.contains("visitor ");
                assert_eq!(by_pseudonym, made.iter().any(|sql| sql.contains("(site, visitor))")), "{name}");
            }
        }
        assert!(SHARDED_TABLES.contains("events") && !SHARDED_TABLES.contains("leases"));
        for sql in STATS_MIGRATIONS.iter().flat_map(|migration| split(migration.sql)) {
            let made = statements("c", STATS, sql);
            assert_eq!(made.len(), 1);
            assert!(made[0].contains("tamga_stats.") && !made[0].contains("Distributed"), "{}", made[0]);
        }
    }

    #[test]
    fn statements_reach_the_tables_behind() {
        for (sql, expected) in [
            (
                "ALTER TABLE events DROP PARTITION ('2026-11-25', '2026-11-26')",
                vec!["ALTER TABLE tamga_vault_local.events ON CLUSTER 'c' DROP PARTITION ('2026-11-25', '2026-11-26')"],
            ),
            (
                "-- why\nALTER TABLE `events` ADD COLUMN IF NOT EXISTS x UInt8",
                vec![
                    "ALTER TABLE tamga_vault_local.events ON CLUSTER 'c' ADD COLUMN IF NOT EXISTS x UInt8",
                    "ALTER TABLE tamga_vault.events ON CLUSTER 'c' ADD COLUMN IF NOT EXISTS x UInt8",
                ],
            ),
            ("ALTER TABLE seeds DELETE WHERE 1", vec!["ALTER TABLE tamga_vault.seeds DELETE WHERE 1"]),
            (
                "CREATE DATABASE IF NOT EXISTS `tamga_vault`",
                vec![
                    "CREATE DATABASE IF NOT EXISTS tamga_vault_local ON CLUSTER 'c'",
                    "CREATE DATABASE IF NOT EXISTS tamga_vault ON CLUSTER 'c'",
                ],
            ),
            (
                "GRANT SELECT ON tamga_vault.* TO r",
                vec![
                    "GRANT ON CLUSTER 'c' SELECT ON tamga_vault.* TO r",
                    "GRANT ON CLUSTER 'c' SELECT ON tamga_vault_local.* TO r",
                ],
            ),
            (
                "CREATE ROW POLICY OR REPLACE \"p:a.kz\" ON tamga_vault.* USING 1 TO ALL",
                vec![
                    "CREATE ROW POLICY OR REPLACE \"p:a.kz\" ON CLUSTER 'c' ON tamga_vault.*, tamga_vault_local.* USING 1 TO ALL",
                ],
            ),
            ("SELECT 1 FORMAT Null", vec!["SELECT 1 FORMAT Null"]),
        ] {
            assert_eq!(statements("c", VAULT, sql), expected);
        }
        assert_eq!(
            query("c", VAULT, "SELECT 1 FROM system.parts WHERE database = currentDatabase()"),
            "SELECT 1 FROM clusterAllReplicas('c', system.parts) WHERE database IN ('tamga_vault', 'tamga_vault_local')"
        );
        // docs/clickhouse.md says what is asked of one node.
        for table in
            ["events", "system.grants", "system.row_policies", "system.tables", "system.columns", "system.query_log"]
        {
            let sql = format!("SELECT count() FROM {table}");
            assert_eq!(query("c", VAULT, &sql), sql);
        }
    }
}

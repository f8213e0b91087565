//! On a cluster the vault's rows are in a second database, behind its tables. Breaches there are found too.

use std::collections::BTreeSet;

use tamga::verify;

use super::world::{SYSTEM_TABLES, World};
use crate::support::engine::Engine;
use crate::support::repository::{code_spans, section};

/// How a cluster changes a server's system tables.
const CLUSTER: [&str; 6] = [
    "INSERT INTO standin.databases VALUES ('tamga_vault_local')",
    "INSERT INTO standin.tables SELECT 'tamga_vault_local', name, concat('Replicated', engine), create_table_query \
     FROM system.tables WHERE database = 'tamga_vault' AND create_table_query LIKE '%PARTITION BY (day, toDate(window_end))%'",
    "ALTER TABLE standin.tables UPDATE engine = 'Distributed', create_table_query = 'CREATE TABLE x ENGINE = Distributed(c)' \
     WHERE database = 'tamga_vault' AND create_table_query LIKE '%PARTITION BY (day, toDate(window_end))%' SETTINGS mutations_sync = 2",
    "INSERT INTO standin.columns SELECT 'tamga_vault_local', table, name, type, position FROM system.columns \
     WHERE database = 'tamga_vault' AND table IN (SELECT name FROM standin.tables WHERE database = 'tamga_vault_local')",
    "ALTER TABLE standin.parts UPDATE database = 'tamga_vault_local' WHERE database = 'tamga_vault' SETTINGS mutations_sync = 2",
    "INSERT INTO standin.row_policies SELECT short_name, 'tamga_vault_local', table, select_filter, is_restrictive, apply_to_all, \
     apply_to_except FROM standin.row_policies WHERE table IN (SELECT name FROM standin.tables WHERE database = 'tamga_vault_local')",
];

/// A breach, how it is undone, and the rules that it must break.
const BREACHES: [(&str, &str, &[&str]); 7] = [
    (
        "ALTER TABLE standin.tables UPDATE create_table_query = replaceOne(create_table_query, 'TTL ', 'NO ') \
         WHERE database = 'tamga_vault_local' AND name = 'signals' SETTINGS mutations_sync = 2",
        "ALTER TABLE standin.tables UPDATE create_table_query = replaceOne(create_table_query, 'NO ', 'TTL ') \
         WHERE database = 'tamga_vault_local' AND name = 'signals' SETTINGS mutations_sync = 2",
        &["ttl"],
    ),
    (
        "INSERT INTO standin.parts VALUES ('tamga_vault_local', 'events', '(\\'2020-01-01\\',\\'2020-01-02\\')', 1, 1)",
        "ALTER TABLE standin.parts DELETE WHERE partition LIKE '%2020%' SETTINGS mutations_sync = 2",
        &["overdue-vault"],
    ),
    (
        "INSERT INTO standin.columns VALUES ('tamga_vault_local', 'events', 'login', 'String', 99)",
        "ALTER TABLE standin.columns DELETE WHERE name = 'login' SETTINGS mutations_sync = 2",
        &["columns-listed", "columns-named"],
    ),
    (
        "INSERT INTO standin.columns VALUES ('tamga_vault_local', 'events_local', 'x', 'String', 1)",
        "ALTER TABLE standin.columns DELETE WHERE name = 'x' SETTINGS mutations_sync = 2",
        &["tables-listed"],
    ),
    (
        "ALTER TABLE standin.row_policies UPDATE is_restrictive = 0 \
         WHERE database = 'tamga_vault_local' AND table = 'events' SETTINGS mutations_sync = 2",
        "ALTER TABLE standin.row_policies UPDATE is_restrictive = 1 WHERE 1 SETTINGS mutations_sync = 2",
        &["policy-present"],
    ),
    (
        "INSERT INTO standin.grants VALUES ('carla', NULL, 'SELECT', 'tamga_vault_local', NULL, 0)",
        "ALTER TABLE standin.grants DELETE WHERE user_name = 'carla' SETTINGS mutations_sync = 2",
        &["access-vault"],
    ),
    (
        "INSERT INTO standin.query_log (type, user, event_time, databases) VALUES ('QueryFinish', 'carla', now(), ['tamga_vault_local'])",
        "TRUNCATE TABLE standin.query_log",
        &["log-people"],
    ),
];

#[tokio::test(flavor = "multi_thread")]
async fn the_tables_behind_those_of_a_cluster_are_examined() {
    let mut world = World::new().await;
    for sql in CLUSTER {
        world.engine.sql(sql).await;
    }
    // On a single server this database should not exist.
    let found = verify::examine(&world.subject()).await.names_of_broken();
    assert!(found.contains(&"apart-databases"), "{found:?}");

    world.config.vault.cluster = Some("c".to_owned());
    let clean = verify::examine(&world.subject()).await;
    assert!(clean.is_whole(), "{}", verify::text(&clean, false));
    for (plant, undo, rules) in BREACHES {
        world.engine.sql(plant).await;
        let report = verify::examine(&world.subject()).await;
        let found: BTreeSet<_> = report.names_of_broken().into_iter().collect();
        assert_eq!(found, rules.iter().copied().collect(), "{plant}\n{}", verify::text(&report, false));
        assert!(verify::text(&report, false).contains("tamga_vault_local") || rules == ["log-people"], "{plant}");
        world.engine.sql(undo).await;
    }
    let after = verify::examine(&world.subject()).await;
    assert!(after.is_whole(), "{}", verify::text(&after, false));
}

#[tokio::test]
async fn the_document_lists_the_system_tables_that_are_asked_and_shows_a_cluster_s_settings() {
    let document = section("docs/clickhouse.md", "One server");
    let (_, list) = document.split_once("system tables: ").unwrap();
    let listed: BTreeSet<_> = code_spans(list.split_once('.').unwrap().0).into_iter().collect();
    let asked: BTreeSet<_> = SYSTEM_TABLES.iter().chain(&["query_log"]).map(|&name| name.to_owned()).collect();
    assert_eq!(listed, asked);
    let spans = code_spans(&section("docs/clickhouse.md", "A cluster"));
    let shown: Vec<_> = spans.iter().filter(|span| span.starts_with("SELECT ")).collect();
    assert_eq!(shown.len(), 1, "{spans:?}");
    Engine::shared().sql(shown[0]).await;
}

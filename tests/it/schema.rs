//! Are the data dictionary and the structure those of a fresh database, and does every query of schema/queries have an answer?
//!
//! `UPDATE_EXPECT=1 cargo test --test it schema` writes both files anew.

use std::fmt::Write as _;
use std::fs;
use std::path::{Path, PathBuf};

use expect_test::expect_file;
use http::StatusCode;
use serde::Deserialize;
use tamga::clock::Clock;
use tamga::items::data_map;
use tamga::store::{self, Limits, STATS, Store, VAULT};

use crate::support::engine::{Engine, PASSWORD, USER};

#[derive(Deserialize)]
struct Table {
    name: String,
    comment: String,
    create: String,
}

#[derive(Deserialize)]
struct Column {
    name: String,
    kind: String,
    comment: String,
}

/// Both stores after all migrations, on an engine that admits analysts.
pub(crate) async fn fresh() -> (Engine, [Store; 2]) {
    let engine = Engine::start_for_analysts();
    let stores = [VAULT, STATS].map(|name| Store::new(&engine.url(), USER, PASSWORD, name, Limits::default()).unwrap());
    for store in &stores {
        store::apply(store, store::migrations_of(store), &Clock::machine()).await.unwrap();
    }
    (engine, stores)
}

async fn tables(store: &Store) -> Vec<Table> {
    let sql = "SELECT name, comment, formatQuery(create_table_query) AS create FROM system.tables \
               WHERE database = currentDatabase() ORDER BY name";
    store.rows(sql, &[]).await.unwrap()
}

#[tokio::test]
async fn the_dictionary_and_the_structure_are_those_of_fresh_databases() {
    let (_engine, stores) = fresh().await;
    let mut structure = String::from(
        "-- The result of the migrations: every table of both stores, as the engine shows it.\n\
         -- Generated from fresh databases; a test compares. UPDATE_EXPECT=1 cargo test --test it schema writes it anew.\n",
    );
    let mut dictionary = String::from(INTRODUCTION);
    for store in &stores {
        let heading = if store.database() == VAULT { VAULT_HEADING } else { STATS_HEADING };
        dictionary += heading;
        for table in tables(store).await {
            write!(structure, "\n{};\n", table.create.trim_end()).unwrap();
            describe(store, &table, &mut dictionary).await;
        }
    }
    expect_file!["../../schema/structure.sql"].assert_eq(&structure);
    expect_file!["../../schema/README.md"].assert_eq(&dictionary);
}

const INTRODUCTION: &str = "# Data dictionary\n\n\
    Every table and column of both stores. Generated from the comments in the tables themselves and from\n\
    [`data-map.toml`](data-map.toml); a test compares. `UPDATE_EXPECT=1 cargo test --test it schema` writes it anew.\n\
    [`structure.sql`](structure.sql) has the same tables as statements, [`queries/`](queries) the queries of analysts,\n\
    [`access/`](access) the roles and grants.\n";
const VAULT_HEADING: &str = "\n## The vault, `tamga_vault`\n\n\
    Pseudonymous rows. Service accounts only. A day is dropped 24 hours after the last window that holds its rows was\n\
    published. The TTL named below is the second safeguard: after it the rows are deleted in any case.\n";
const STATS_HEADING: &str = "\n## The stats store, `tamga_stats`\n\n\
    Published numbers. How to read them: [`docs/analysts.md`](../docs/analysts.md).\n";

async fn describe(store: &Store, table: &Table, out: &mut String) {
    let map = data_map();
    write!(out, "\n### `{}`\n\n{}. {}\n", table.name, table.comment, kept(&table.create)).unwrap();
    let shown: Vec<&str> = map
        .item
        .values()
        .filter(|item| store.database() == STATS && item.published.contains(&table.name))
        .map(|item| item.policy.as_str())
        .collect();
    if !shown.is_empty() {
        write!(out, "\nPublishes these items of the policies: {}.\n", shown.join("; ")).unwrap();
    }
    let sql = "SELECT name, type AS kind, comment FROM system.columns \
               WHERE database = currentDatabase() AND table = {table:String} ORDER BY position";
    let columns: Vec<Column> = store.rows(sql, &[("table", table.name.clone())]).await.unwrap();
    let in_vault = store.database() == VAULT;
    *out += if in_vault {
        "\n| column | type | meaning | policy item | purpose | published in |\n|---|---|---|---|---|---|\n"
    } else {
        "\n| column | type | meaning |\n|---|---|---|\n"
    };
    for column in columns {
        assert!(!column.comment.is_empty(), "{}.{} has no comment", table.name, column.name);
        write!(out, "| `{}` | `{}` | {} |", column.name, column.kind, column.comment).unwrap();
        if in_vault {
            let place = format!("{}.{}", table.name, column.name);
            let items: Vec<_> = map.item.values().filter(|item| item.columns.contains(&place)).collect();
            let mut published: Vec<String> =
                items.iter().flat_map(|item| &item.published).map(|table| format!("`{table}`")).collect();
            published.sort();
            published.dedup();
            let technical = map.technical.get(&table.name).and_then(|columns| columns.get(&column.name));
            let join = |parts: Vec<String>| if parts.is_empty() { "–".to_owned() } else { parts.join("; ") };
            let policy = items.iter().map(|item| match item.number {
                Some(number) => format!("{number}: {}", item.policy),
                None => item.policy.clone(),
            });
            let mut purposes: Vec<String> = items.iter().map(|item| item.purpose.clone()).collect();
            purposes.extend(technical.cloned());
            purposes.dedup();
            write!(out, " {} | {} | {} |", join(policy.collect()), join(purposes), join(published)).unwrap();
        }
        out.push('\n');
    }
}

/// The table's TTL in words.
fn kept(create: &str) -> String {
    let interval = create.split_once("TTL ").and_then(|(_, ttl)| ttl.split_once("toInterval")).map(|(_, rest)| rest);
    match interval.and_then(|rest| rest.split_once('(')).and_then(|(unit, rest)| Some((unit, rest.split_once(')')?.0)))
    {
        Some((unit, number)) => format!("Kept for {number} {}s.", unit.to_lowercase()),
        None => "Kept as long as the store.".to_owned(),
    }
}

/// The named questions: a first line that says what is asked, and one statement.
pub(crate) fn questions() -> Vec<PathBuf> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("schema/queries");
    let mut files: Vec<_> = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).collect();
    files.sort();
    files
}

#[tokio::test]
async fn every_named_question_is_answered_to_an_analyst() {
    let (engine, _stores) = fresh().await;
    let files = questions();
    assert!(files.len() >= 8, "{files:?}");
    for file in files {
        let sql = fs::read_to_string(&file).unwrap();
        let (name, sure) = (file.display(), sql.starts_with("-- ") && sql.contains("{site:String}"));
        assert!(sure, "{name} begins with the question and asks it of one site");
        let target =
            "/?param_site=shop.kz&param_from=2026-01-01&param_to=2027-01-01&param_zone=Asia/Almaty&default_format=JSON";
        let answer = engine.ask(target, sql).await;
        assert_eq!(answer.status, StatusCode::OK, "{name}: {}", answer.text());
    }
}

#[test]
fn no_list_of_names_is_cut_where_noise_chooses_its_rows() {
    // A page of a thousand rows is long enough for a browser.
    const MOST: &str = "LIMIT 1000";
    // Lists of words of the code, of windows, of weeks, of what is declared.
    const CLOSED: [&str; 7] = ["bots", "channels", "experiments", "funnels", "outcomes", "retention", "trust"];
    for file in questions() {
        assert!(!fs::read_to_string(&file).unwrap().contains("LIMIT"), "{}", file.display());
    }
    let panels = Path::new(env!("CARGO_MANIFEST_DIR")).join("src/stats_page/sql");
    for file in fs::read_dir(panels).unwrap().map(|entry| entry.unwrap().path()) {
        let sql = fs::read_to_string(&file).unwrap();
        let is_closed = CLOSED.iter().any(|name| file.file_stem().unwrap() == *name);
        let is_cut = sql.lines().any(|line| line.starts_with("LIMIT") && line != MOST);
        assert!(is_closed || !is_cut, "{}", file.display());
    }
}

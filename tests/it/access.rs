//! Can each role of `schema/access` do what it is for, and nothing else?
//!
//! The embedded engine has no storage for accounts, but takes one user from a file. So the statements are translated into
//! such a file, role by role, and the engine is started with it and attacked. What only a server has (grants on system
//! tables, quotas, the configuration in server.xml) is not tried here; that every statement is one is.

use std::collections::BTreeSet;
use std::fmt::Write as _;
use std::fs;
use std::sync::Arc;

use tamga::clock::Clock;
use tamga::store::{self, Account, Limits, STATS, Store, VAULT};
use tempfile::TempDir;

use crate::support::engine::{Engine, PASSWORD, USER, command};

const SITES: [&str; 2] = ["a.kz", "b.kz"];
/// What stands where a role must not look: another database, and the other site's rows.
const PLANTED: &str = "marzipan";
/// What the wall says.
const SENTENCE: &str = "Telemetry is never joined with data that identify people";

fn store_of(engine: &Engine, database: &str) -> Store {
    Store::new(&engine.url(), USER, PASSWORD, database, Limits::default()).unwrap()
}

fn statements(database: &str, cluster: bool) -> Vec<String> {
    let mut store = Store::new("http://127.0.0.1:1", "u", "p", database, Limits::default()).unwrap();
    if cluster {
        store = store.in_cluster("main");
    }
    let account = Account { user: "tamga", password_sha256: Some(&"0".repeat(64)) };
    let all = store::access_statements(&store, &SITES, account);
    let code = |sql: String| sql.lines().filter(|line| !line.starts_with("--")).collect::<Vec<_>>().join("\n");
    all.iter().flat_map(|sql| store.as_run(sql)).map(code).collect()
}

#[tokio::test]
async fn the_engine_s_own_parser_takes_every_statement() {
    let engine = Engine::shared();
    for sql in [VAULT, STATS].into_iter().flat_map(|name| [statements(name, false), statements(name, true)]).flatten() {
        let said = engine.post("/", format!("SELECT formatQuerySingleLine({})", literal(&sql))).await;
        assert!(said.status.is_success(), "{sql}\n{}", said.text());
    }
}

#[tokio::test]
async fn the_tables_of_a_cluster_are_those_of_the_golden_files() {
    let engine = Engine::shared();
    for database in [VAULT, STATS] {
        let store = store_of(&engine, database).in_cluster("main");
        let mut golden = format!(
            "-- The statements that make {database} on a cluster called main. Generated from the migrations; a test\n\
            -- compares, and has the engine's parser read them. UPDATE_EXPECT=1 cargo test --test it access writes them anew.\n"
        );
        let create = format!("CREATE DATABASE IF NOT EXISTS `{database}`");
        let migrations = store::migrations_of(&store).iter().map(|migration| migration.sql);
        for sql in std::iter::once(create.as_str()).chain(migrations).flat_map(|sql| store.as_run_all(sql)) {
            let parsed = engine.post("/", format!("SELECT formatQuery({}) FORMAT TSVRaw", literal(&sql))).await;
            assert!(parsed.status.is_success(), "{sql}\n{}", parsed.text());
            write!(golden, "\n{};\n", parsed.text().trim_end()).unwrap();
        }
        expect_test::expect_file![format!("../fixtures/cluster/{database}.sql")].assert_eq(&golden);
    }
}

fn literal(sql: &str) -> String {
    format!("'{}'", sql.replace('\\', "\\\\").replace('\'', "\\'"))
}

/// A folder with both stores, a zone of identified data, and rows in all of them.
async fn furnished() -> Arc<TempDir> {
    let engine = Engine::start();
    for database in [VAULT, STATS] {
        let store = store_of(&engine, database);
        store::apply(&store, store::migrations_of(&store), &Clock::machine()).await.unwrap();
    }
    for sql in [
        "CREATE DATABASE secret",
        &format!(
            "CREATE TABLE secret.people ENGINE = MergeTree ORDER BY name AS SELECT '{PLANTED}' AS name, 7 AS number"
        ),
        "CREATE VIEW secret.v AS SELECT * FROM secret.people",
        "INSERT INTO tamga_vault.events (site, day, window_end, visitor, path) SELECT 'a.kz', today(), now(), toString(number), '/' FROM numbers(5)",
        "INSERT INTO tamga_vault.tallies (site, day, window_end, reason, count) VALUES ('a.kz', today(), now(), 'count_only', 1)",
        "INSERT INTO tamga_stats.site (site, window_start, window_end, views, visitors) SELECT ['a.kz', 'b.kz'][number % 2 + 1], \
         today(), today() + 1, 500 + 1000 * (number % 2), 80 FROM numbers(2)",
        &format!(
            "INSERT INTO tamga_stats.pages (site, window_start, window_end, path, views) SELECT ['a.kz', 'b.kz'][number % 2 + 1], \
         today(), today() + 1, if(number % 2, '/{PLANTED}', '/'), 1000 FROM numbers(20000)"
        ),
    ] {
        engine.sql(sql).await;
    }
    let folder = engine.folder();
    assert!(engine.terminate());
    folder
}

/// An engine on that folder whose one user has these roles.
fn as_roles(folder: &Arc<TempDir>, roles: &[&str]) -> Engine {
    let file = folder.path().join("users.xml");
    fs::write(&file, users_file(roles)).unwrap();
    let mut command = command(folder.path());
    command.arg("--users-config").arg(file);
    Engine::spawn(command, folder.clone())
}

/// The access statements, as a file of users knows them: grants, the profile's values, and a filter for each table.
fn users_file(roles: &[&str]) -> String {
    let all: Vec<String> = [VAULT, STATS].iter().flat_map(|name| statements(name, false)).collect();
    let mut held: BTreeSet<String> = roles.iter().map(|role| (*role).to_owned()).collect();
    let (mut grants, mut profile, mut policies) = (String::new(), String::new(), Vec::new());
    // In the order of the files a role is granted after it was made; twice is enough for roles of roles.
    for sql in all.iter().chain(&all) {
        let Some((what, to)) = sql.strip_prefix("GRANT ").and_then(|rest| rest.rsplit_once(" TO ")) else { continue };
        if held.contains(to.trim_matches('"')) && !what.contains(" ON ") {
            held.insert(what.to_owned());
        }
    }
    let is_this_user = |name: &str| {
        let name = name.trim().trim_matches(['"', '`']);
        held.contains(name) || (name == "tamga" && roles.iter().any(|role| role.ends_with("_service")))
    };
    for sql in &all {
        let flat = sql.split_whitespace().collect::<Vec<_>>().join(" ");
        let Some((what, to)) = flat.rsplit_once(" TO ") else { continue };
        let is_this = to.split(',').any(is_this_user);
        if let Some(what) = what.strip_prefix("GRANT ").filter(|what| is_this && what.contains(" ON ")) {
            write!(grants, "<query>GRANT {what}</query>").unwrap();
        } else if let Some((_, settings)) =
            what.rsplit_once(" SETTINGS ").filter(|_| is_this && what.contains("PROFILE"))
        {
            for setting in settings.split(',') {
                let (name, rest) = setting.trim().split_once(" = ").unwrap();
                let value = rest.split(' ').next().unwrap();
                write!(profile, "<{name}>{value}</{name}>").unwrap();
            }
        } else if what.starts_with("CREATE ROW POLICY") {
            let (before, using) = what.split_once(" USING ").unwrap();
            let database = before.split_once(" ON ").unwrap().1.split('.').next().unwrap().to_owned();
            let restrictive = using.strip_suffix(" AS RESTRICTIVE");
            policies.push((
                database,
                restrictive.unwrap_or(using).to_owned(),
                restrictive.is_some(),
                is_this || to == "ALL",
            ));
        }
    }
    let mut filters = String::new();
    for (database, of) in [(VAULT, store::VAULT_MIGRATIONS), (STATS, store::STATS_MIGRATIONS)] {
        write!(filters, "<{database}>").unwrap();
        let which = |restrictive: bool| {
            policies
                .iter()
                .filter(move |policy| policy.0 == database && policy.2 == restrictive && policy.3)
                .map(|policy| policy.1.clone())
        };
        let permissive: Vec<_> = which(false).collect();
        let mut filter = if permissive.is_empty() { "0".to_owned() } else { format!("({})", permissive.join(" OR ")) };
        which(true).for_each(|more| filter += &format!(" AND {more}"));
        let tables = of.iter().flat_map(|migration| migration.sql.lines());
        for table in tables.filter_map(|line| line.strip_prefix("CREATE TABLE IF NOT EXISTS ")) {
            write!(filters, "<{table}><filter>{filter}</filter></{table}>").unwrap();
        }
        write!(filters, "</{database}>").unwrap();
    }
    if held.contains("tamga_identified") {
        grants += "<query>GRANT tamga_identified</query><query>GRANT SELECT ON secret.*</query>";
    }
    format!(
        "<clickhouse><profiles><default>{profile}</default></profiles><quotas><default/></quotas><roles><tamga_identified/></roles>\
         <users><default><password></password><networks><ip>::/0</ip></networks><profile>default</profile><quota>default</quota>\
         <grants>{grants}</grants><databases>{filters}</databases></default></users></clickhouse>"
    )
}

/// What none of the roles may do, whatever else it may.
const NOBODY: &[&str] = &[
    "SELECT * FROM secret.people",
    "SELECT * FROM secret.v",
    "SELECT (SELECT any(name) FROM secret.people)",
    "SELECT 1 WHERE 'x' IN (SELECT name FROM secret.people)",
    "SELECT * FROM merge('secret', '.*')",
    "SELECT * FROM mergeTreeIndex('secret', 'people')",
    "SELECT * FROM url('http://127.0.0.1:9/', 'CSV', 'x String')",
    "SELECT * FROM remote('127.0.0.1:9', 'secret', 'people')",
    "SELECT * FROM cluster('default', 'secret', 'people')",
    "SELECT * FROM mysql('127.0.0.1:9', 'd', 't', 'u', 'p')",
    "SELECT * FROM postgresql('127.0.0.1:9', 'd', 't', 'u', 'p')",
    "SELECT * FROM s3('http://127.0.0.1:9/x', 'CSV', 'x String')",
    "SELECT * FROM file('planted.txt', 'LineAsString', 'x String')",
    "SELECT * FROM executable('x', 'CSV', 'x String')",
    "SELECT * FROM dictionary('d')",
    "INSERT INTO FUNCTION url('http://127.0.0.1:9/', 'CSV', 'x String') SELECT '1'",
    "INSERT INTO FUNCTION file('written.txt', 'CSV', 'x String') SELECT '1'",
    "CREATE DATABASE other",
    "CREATE DATABASE other ENGINE = MySQL('127.0.0.1:9', 'd', 'u', 'p')",
    "CREATE TABLE secret.more (x UInt8) ENGINE = MergeTree ORDER BY x",
    "CREATE DICTIONARY tamga_stats.d (x UInt64, y String) PRIMARY KEY x SOURCE(CLICKHOUSE(TABLE 'people' DB 'secret')) LAYOUT(FLAT()) LIFETIME(1)",
    "CREATE MATERIALIZED VIEW tamga_stats.m ENGINE = MergeTree ORDER BY name AS SELECT * FROM secret.people",
    "CREATE VIEW tamga_stats.w AS SELECT * FROM secret.people",
    "CREATE VIEW tamga_stats.w SQL SECURITY NONE AS SELECT * FROM secret.people",
    "CREATE FUNCTION f AS x -> x",
    "CREATE NAMED COLLECTION c AS x = 1",
    "CREATE USER u IDENTIFIED WITH no_password",
    "CREATE ROW POLICY p ON tamga_vault.events USING 1 TO ALL",
    "DROP ROW POLICY tamga_wall ON tamga_vault.*",
    "GRANT SELECT ON *.* TO default",
    "DROP TABLE secret.people",
    "DROP DATABASE secret",
    "TRUNCATE TABLE secret.people",
    "RENAME TABLE secret.people TO tamga_stats.people",
    "ALTER TABLE secret.people DELETE WHERE 1",
    "OPTIMIZE TABLE secret.people",
    "SYSTEM SHUTDOWN",
    "SYSTEM STOP MERGES secret.people",
    "BACKUP DATABASE secret TO Disk('d', 'x')",
    "ATTACH TABLE secret.q FROM '/tmp' (x UInt8) ENGINE = MergeTree ORDER BY x",
    "SELECT name FROM system.users",
    "SHOW CREATE USER default",
    "EXECUTE AS tamga SELECT 1",
    "SET ROLE tamga_vault_service",
];

/// Answers of statements that must fail, and show nothing on the way.
async fn refused(engine: &Engine, role: &str, attacks: &[&str]) -> usize {
    let (mut wrong, mut count) = (Vec::new(), 0);
    for attack in attacks {
        // `tamga verify` runs as the service, and asks who there is.
        if role.ends_with("service") && ["system.users", "SHOW CREATE USER"].iter().any(|what| attack.contains(what)) {
            continue;
        }
        let (answered, text) = engine.attempt(attack).await;
        if answered || text.contains(PLANTED) {
            wrong.push(format!("{attack}\n    {}", text.chars().take(200).collect::<String>()));
        }
        count += 1;
    }
    assert!(wrong.is_empty(), "{role}:\n{}", wrong.join("\n"));
    count
}

#[tokio::test]
async fn each_role_does_its_work_and_nothing_else() {
    let folder = furnished().await;
    let mut attacks = 0;

    let vault = as_roles(&folder, &["tamga_vault_service"]);
    assert_eq!(vault.sql("SELECT count() FROM tamga_vault.events").await, "5");
    for sql in [
        "INSERT INTO tamga_vault.leases (node, complete_until, written_at) VALUES ('n', now(), now())",
        "CREATE TABLE IF NOT EXISTS tamga_vault.x (x UInt8) ENGINE = MergeTree ORDER BY x",
        "ALTER TABLE tamga_vault.x ADD COLUMN IF NOT EXISTS y UInt8",
        "ALTER TABLE tamga_vault.tallies DELETE WHERE count = 7 SETTINGS mutations_sync = 1",
        "SELECT count() FROM system.parts WHERE database = 'tamga_vault'",
    ] {
        vault.sql(sql).await;
    }
    attacks += refused(&vault, "the vault's service", NOBODY).await;
    attacks += refused(
        &vault,
        "the vault's service",
        &["SELECT * FROM tamga_stats.site", "DROP TABLE tamga_vault.events", "DROP DATABASE tamga_vault"],
    )
    .await;
    vault.kill();

    let stats = as_roles(&folder, &["tamga_stats_service"]);
    assert_eq!(stats.sql("SELECT count() FROM tamga_stats.site").await, "2");
    stats.sql("INSERT INTO tamga_stats.hours (site, window_start, window_end, hour, views) VALUES ('a.kz', now(), now(), '01', 5)").await;
    attacks += refused(&stats, "the stats store's service", NOBODY).await;
    attacks += refused(&stats, "the stats store's service", VAULT_ROWS).await;
    stats.kill();

    let analyst = as_roles(&folder, &["tamga_analyst"]);
    assert_eq!(analyst.sql("SELECT sum(views) FROM tamga_stats.site").await, "2000");
    for sql in [
        "SHOW TABLES FROM tamga_stats",
        "DESCRIBE TABLE tamga_stats.pages",
        "SELECT name FROM system.columns WHERE database = 'tamga_stats' AND table = 'pages'",
    ] {
        analyst.sql(sql).await;
    }
    // These analysts may see the other site's rows; a planted value there is no sign of a leak.
    attacks += refused(&analyst, "an analyst", NOBODY).await;
    attacks += refused(&analyst, "an analyst", VAULT_ROWS).await;
    attacks += refused(&analyst, "an analyst", READER).await;
    attacks += embedded_attacks(&analyst).await;
    analyst.kill();

    let one = as_roles(&folder, &["tamga_analyst:a.kz"]);
    assert_eq!(one.sql("SELECT sum(views), groupUniqArray(site) FROM tamga_stats.site").await, "500\t['a.kz']");
    attacks += refused(&one, "an analyst of one site", NOBODY).await;
    attacks += refused(&one, "an analyst of one site", VAULT_ROWS).await;
    attacks += refused(&one, "an analyst of one site", READER).await;
    for sql in OTHER_SITE {
        let (_, text) = one.attempt(sql).await;
        assert!(!text.contains(PLANTED) && !text.contains("1500"), "{sql}: {text}");
        // An index shows which sites there are, and no more.
        assert!(!text.contains("b.kz") || sql.contains("mergeTreeIndex"), "{sql}: {text}");
        attacks += 1;
    }
    for sql in ORACLES {
        assert_eq!(one.sql(sql).await, "0", "{sql}");
        attacks += 1;
    }
    one.kill();
    println!("{attacks} attacks on four roles, none succeeded");
}

const VAULT_ROWS: &[&str] = &[
    "SELECT * FROM tamga_vault.events",
    "SELECT count() FROM tamga_vault.events",
    "SELECT visitor FROM tamga_vault.attributes",
    "SELECT * FROM tamga_vault.seeds",
    "SELECT * FROM merge('tamga_vault', '.*')",
    "SELECT * FROM mergeTreeIndex('tamga_vault', 'events')",
    "SELECT site FROM tamga_stats.site WHERE site IN (SELECT site FROM tamga_vault.events)",
    "ALTER TABLE tamga_vault.events DELETE WHERE 1",
    "INSERT INTO tamga_vault.events (site) VALUES ('x')",
    "CREATE TABLE tamga_stats.copy ENGINE = MergeTree ORDER BY site AS SELECT * FROM tamga_vault.events",
];

/// What those who only read must not do.
const READER: &[&str] = &[
    "CREATE TEMPORARY TABLE t (x UInt8)",
    "INSERT INTO tamga_stats.site (site) VALUES ('x')",
    "ALTER TABLE tamga_stats.site DELETE WHERE 1",
    "CREATE TABLE tamga_stats.x (x UInt8) ENGINE = Memory",
    "DROP TABLE tamga_stats.site",
    "TRUNCATE TABLE tamga_stats.site",
    "SET max_memory_usage = 0",
    "SET readonly = 0",
    "SET log_queries = 0",
    "SELECT 1 SETTINGS max_rows_to_read = 0",
    "SELECT count() FROM tamga_stats.site SETTINGS additional_table_filters = {'tamga_stats.site': '1'}",
    "SELECT 1 SETTINGS readonly = 0",
    "SELECT addressToSymbol(1)",
    "SELECT count() FROM numbers(3000000000)",
    "SELECT * FROM numbers(1000001)",
];

/// Ways to another site's rows that answer, and must answer without them.
const OTHER_SITE: &[&str] = &[
    "SELECT * FROM tamga_stats.pages WHERE site = 'b.kz'",
    "SELECT DISTINCT path FROM tamga_stats.pages",
    "SELECT DISTINCT path FROM tamga_stats.pages WHERE 1 OR site = 'b.kz'",
    "SELECT min(path), max(path), min(site), max(site) FROM tamga_stats.pages",
    "SELECT * FROM mergeTreeIndex('tamga_stats', 'pages')",
    "SELECT * FROM mergeTreeIndex('tamga_stats', 'pages', with_marks = true)",
    "SELECT DISTINCT path FROM merge('tamga_stats', 'pages')",
    "SELECT DISTINCT path FROM view(SELECT * FROM tamga_stats.pages)",
    "SELECT max(views) FROM tamga_stats.site",
    "SELECT throwIf(path != '/', path) FROM tamga_stats.pages",
    "SELECT toUInt8(path) FROM tamga_stats.pages WHERE site != 'a.kz'",
    "SELECT site FROM tamga_stats.pages PREWHERE throwIf(startsWith(path, '/m')) = 0 LIMIT 1",
    "SELECT * FROM tamga_stats.pages AS p JOIN tamga_stats.site AS s ON p.views < s.views LIMIT 5",
    "SELECT any(path) FROM tamga_stats.pages GROUP BY site",
    "SELECT path FROM tamga_stats.pages ORDER BY path DESC LIMIT 1",
    "SELECT dictGet('x', 'y', 1) FROM tamga_stats.pages",
];

/// Questions whose very success or failure could tell; each must answer 0, as if the other site had no rows.
const ORACLES: &[&str] = &[
    "SELECT count() FROM tamga_stats.pages WHERE site = 'b.kz'",
    "SELECT count() FROM tamga_stats.pages WHERE startsWith(path, '/m')",
    "SELECT count() FROM tamga_stats.pages WHERE throwIf(startsWith(path, '/m')) = 1",
    "SELECT sum(throwIf(site = 'b.kz')) FROM tamga_stats.site",
    "SELECT count() FROM tamga_stats.pages WHERE site = 'b.kz' OR intDiv(1, toInt32(length(path)) - 9) = 7",
    "SELECT count() FROM tamga_stats.site WHERE throwIf(site = 'b.kz') = 1 OR site = 'b.kz'",
    "SELECT countIf(site = 'b.kz') FROM tamga_stats.site",
    "SELECT uniqExact(site) - 1 FROM tamga_stats.site",
];

/// The attacks on the embedded engine's analyst, but for files, which on a server its own settings keep away.
async fn embedded_attacks(engine: &Engine) -> usize {
    let mut count = 0;
    for attack in include_str!("../fixtures/analyst/attacks.txt").lines() {
        let is_statement = !attack.is_empty() && !attack.starts_with(['#', '?']);
        // Stack traces are taken by a signal, which ends a program that is not the server.
        if !is_statement
            || attack.contains("stack_trace")
            || attack.contains("{f")
            || attack.contains("{o")
            || attack.contains("{port}")
        {
            continue;
        }
        let (_, text) = engine.attempt(attack).await;
        let shown = text.contains(PLANTED) && !attack.contains(PLANTED);
        // The pages of the other site contain the word too, and an analyst may see them.
        assert!(!shown || text.contains("b.kz"), "{attack}: {text}");
        count += 1;
    }
    count
}

#[tokio::test]
async fn with_a_role_of_an_identified_zone_every_look_into_the_vault_fails_with_the_wall_s_sentence() {
    let folder = furnished().await;
    let engine = as_roles(&folder, &["tamga_vault_service", "tamga_identified"]);
    assert_eq!(engine.sql("SELECT name FROM secret.people").await, PLANTED, "the role reads its own zone");
    let mut tried = 0;
    for migration in store::VAULT_MIGRATIONS {
        for table in migration.sql.lines().filter_map(|line| line.strip_prefix("CREATE TABLE IF NOT EXISTS ")) {
            engine.sql(&format!("INSERT INTO tamga_vault.{table} SELECT * FROM generateRandom() LIMIT 0")).await;
            let rows = table == "events" || table == "tallies";
            for sql in [
                "SELECT * FROM {t}",
                "SELECT count() FROM {t}",
                "SELECT 1 FROM {t} LIMIT 1",
                "SELECT * FROM secret.people AS p CROSS JOIN {t}",
                "SELECT name FROM secret.people WHERE number IN (SELECT toUInt8(1) FROM {t})",
                "WITH x AS (SELECT * FROM {t}) SELECT count() FROM x",
                "SELECT count() FROM view(SELECT * FROM {t})",
                "SELECT * FROM secret.people UNION ALL SELECT toString(1), toUInt8(2) FROM {t}",
            ] {
                let answer = engine.post("/", sql.replace("{t}", &format!("tamga_vault.{table}"))).await;
                // Of an empty table there is nothing to look at, and the engine may not even ask.
                if rows || !answer.status.is_success() {
                    assert!(answer.text().contains(SENTENCE), "{sql} of {table}: {}", answer.text());
                    tried += 1;
                }
            }
        }
    }
    assert!(tried >= 16, "{tried}");
    println!("{tried} looks into the vault failed with the wall's sentence");
}

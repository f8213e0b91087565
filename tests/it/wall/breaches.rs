//! The breaches: what is done, and which rules must be broken by it. No other rule may be.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;

use super::world::World;

/// A value that evidence must not repeat.
pub(super) const PLANTED: &str = "marzipan";

/// How a breach is planted.
pub(super) enum Plant {
    /// A statement on the stand-in table of a server.
    Server(&'static str, &'static str),
    /// A statement on real tables, and the one that undoes it.
    Store(&'static str, &'static str),
    /// Something on this machine.
    Machine(fn(&mut World)),
    /// Another address of the vault (0) or the stats store (1).
    Url(usize, &'static str),
    /// Stores that do not answer.
    Away,
}

pub(super) struct Breach {
    pub(super) what: &'static str,
    pub(super) rules: &'static [&'static str],
    pub(super) plant: Plant,
}

const fn server(what: &'static str, rules: &'static [&'static str], table: &'static str, sql: &'static str) -> Breach {
    Breach { what, rules, plant: Plant::Server(table, sql) }
}

const fn store(what: &'static str, rules: &'static [&'static str], sql: &'static str, undo: &'static str) -> Breach {
    Breach { what, rules, plant: Plant::Store(sql, undo) }
}

const fn machine(what: &'static str, rules: &'static [&'static str], change: fn(&mut World)) -> Breach {
    Breach { what, rules, plant: Plant::Machine(change) }
}

const UNDO_PAGES: &str = "ALTER TABLE tamga_stats.pages DELETE WHERE path LIKE '/planted%' SETTINGS mutations_sync = 2";

macro_rules! logged {
    ($columns:literal, $values:literal) => {
        concat!("INSERT INTO standin.query_log (type, user, ", $columns, ") VALUES ('QueryFinish', ", $values, ")")
    };
}

#[rustfmt::skip]
pub(super) const BREACHES: &[Breach] = &[
    server("an account with both grants", &["access-both", "access-vault"], "grants",
        "INSERT INTO standin.grants VALUES ('dba', NULL, 'SELECT', 'tamga_vault', NULL, 0), ('dba', NULL, 'SELECT', 'pay', NULL, 0)"),
    server("a role with both grants", &["access-both"], "grants",
        "INSERT INTO standin.grants VALUES (NULL, 'analyst', 'SELECT', 'pay', 'log', 0)"),
    server("an account with two roles", &["access-both"], "role_grants",
        "INSERT INTO standin.role_grants VALUES ('aigerim', NULL, 'pay_reader')"),
    server("a role within a role", &["access-both"], "role_grants",
        "INSERT INTO standin.role_grants VALUES (NULL, 'analyst', 'pay_reader')"),
    server("the service account in the identified zone", &["access-both"], "grants",
        "INSERT INTO standin.grants VALUES ('tamga', NULL, 'SELECT', 'pay', NULL, 0)"),
    server("a person on the vault", &["access-vault"], "grants",
        "INSERT INTO standin.grants VALUES ('carla', NULL, 'SELECT', 'tamga_vault', 'tallies', 0)"),
    server("a person with everything", &["access-both", "access-vault", "access-write", "access-sources"], "grants",
        "INSERT INTO standin.grants VALUES ('root', NULL, 'ALL', NULL, NULL, 0)"),
    server("a grant on a prefix", &["access-vault"], "grants",
        "INSERT INTO standin.grants VALUES ('aigerim', NULL, 'SELECT', 'tamga_*', NULL, 0)"),
    server("an analyst who writes", &["access-write"], "grants",
        "INSERT INTO standin.grants VALUES (NULL, 'analyst', 'INSERT', 'tamga_stats', NULL, 0)"),
    server("an analyst who deletes rows", &["access-write"], "grants",
        "INSERT INTO standin.grants VALUES ('aigerim', NULL, 'ALTER DELETE', 'tamga_stats', 'pages', 0)"),
    server("an analyst with a source", &["access-sources"], "grants",
        "INSERT INTO standin.grants VALUES (NULL, 'analyst', 'URL', NULL, NULL, 0)"),
    server("an analyst without a password", &["access-open"], "users",
        "INSERT INTO standin.users VALUES ('aigerim', ['no_password'])"),
    server("a policy that was dropped", &["policy-present"], "row_policies",
        "ALTER TABLE standin.row_policies DELETE WHERE table = 'events' SETTINGS mutations_sync = 2"),
    server("a policy that others can weaken", &["policy-present"], "row_policies",
        "ALTER TABLE standin.row_policies UPDATE is_restrictive = 0 WHERE table = 'attributes' SETTINGS mutations_sync = 2"),
    server("a policy that spares somebody", &["policy-present"], "row_policies",
        "ALTER TABLE standin.row_policies UPDATE apply_to_except = ['boss'] WHERE table = 'tallies' SETTINGS mutations_sync = 2"),
    server("a policy for other roles", &["policy-present"], "row_policies",
        "ALTER TABLE standin.row_policies UPDATE select_filter = replace(select_filter, 'pay_reader', 'nobody') WHERE table = 'events' SETTINGS mutations_sync = 2"),
    server("a policy that stops nothing", &["policy-present"], "row_policies",
        "ALTER TABLE standin.row_policies UPDATE select_filter = '1' WHERE table = 'events' SETTINGS mutations_sync = 2"),
    server("a database that nobody named", &["apart-databases"], "databases",
        "INSERT INTO standin.databases VALUES ('crm')"),
    server("a foreign engine", &["foreign-engines"], "tables",
        "INSERT INTO standin.tables VALUES ('tamga_vault', 'people', 'PostgreSQL', 'CREATE TABLE tamga_vault.people ENGINE = PostgreSQL')"),
    server("a dictionary", &["dictionaries"], "dictionaries",
        "INSERT INTO standin.dictionaries VALUES ('default', 'names', 'HTTP')"),
    server("a dictionary elsewhere that reads telemetry", &["dictionaries"], "dictionaries",
        "INSERT INTO standin.dictionaries VALUES ('wiki', 'visits', 'ClickHouse: tamga_vault.events')"),
    server("stored credentials", &["named-collections"], "named_collections",
        "INSERT INTO standin.named_collections VALUES ('billing')"),
    server("a materialised view", &["views"], "tables",
        "INSERT INTO standin.tables VALUES ('wiki', 'mv', 'MaterializedView', 'CREATE MATERIALIZED VIEW wiki.mv TO wiki.t AS SELECT * FROM tamga_vault.events')"),
    server("a table that merges others", &["views"], "tables",
        "INSERT INTO standin.tables VALUES ('wiki', 'all', 'Merge', 'CREATE TABLE wiki.all ENGINE = Merge(\\'tamga_vault\\', \\'.*\\')')"),
    server("a copied table", &["copies"], "columns",
        "INSERT INTO standin.columns VALUES ('wiki', 'copy', 'visitor', 'UInt8', 1), ('wiki', 'copy', 'previous_path', 'UInt8', 2)"),
    server("a table of somebody's", &["tables-listed"], "columns",
        "INSERT INTO standin.columns VALUES ('tamga_vault', 'debug', 'x', 'UInt8', 1)"),
    server("a column", &["columns-listed"], "columns",
        "INSERT INTO standin.columns VALUES ('tamga_vault', 'events', 'score', 'UInt8', 99)"),
    server("a column of another type", &["columns-listed"], "columns",
        "ALTER TABLE standin.columns UPDATE type = 'DateTime64(3)' WHERE database = 'tamga_vault' AND table = 'events' AND name = 'window_end' SETTINGS mutations_sync = 2"),
    server("a column with a name", &["columns-listed", "columns-named"], "columns",
        "INSERT INTO standin.columns VALUES ('tamga_vault', 'events', 'client_ip', 'UInt32', 99)"),
    store("an e-mail address in a path", &["values"],
        "INSERT INTO tamga_vault.events (site, day, path) VALUES ('a.kz', today(), '/u/marzipan@example.kz')",
        "ALTER TABLE tamga_vault.events DELETE WHERE path LIKE '/u/%' SETTINGS mutations_sync = 2"),
    store("a number of twelve digits in a stored value", &["values"],
        "INSERT INTO tamga_vault.attributes (site, day, attribute, value) VALUES ('a.kz', today(), 'provider', 'x 870101300123')",
        "TRUNCATE TABLE tamga_vault.attributes"),
    server("a table without its end", &["ttl"], "tables",
        "ALTER TABLE standin.tables UPDATE create_table_query = replaceRegexpOne(create_table_query, ' TTL [^ ]+ \\\\+ toIntervalDay\\\\(9\\\\)', '') WHERE database = 'tamga_vault' AND name = 'events' SETTINGS mutations_sync = 2"),
    server("a table with a later end", &["ttl"], "tables",
        "ALTER TABLE standin.tables UPDATE create_table_query = replace(create_table_query, 'toIntervalDay(9)', 'toIntervalDay(90)') WHERE database = 'tamga_vault' AND name = 'attributes' SETTINGS mutations_sync = 2"),
    server("an old day in the vault", &["overdue-vault"], "parts",
        "INSERT INTO standin.parts VALUES ('tamga_vault', 'events', '(\\'2026-01-02\\',\\'2026-01-03\\')', 1, 1)"),
    server("rows of no day in the vault", &["overdue-vault"], "parts",
        "INSERT INTO standin.parts VALUES ('tamga_vault', 'events', '(\\'a.kz\\',\\'2026-01-02\\')', 1, 1)"),
    server("a day in the vault that has not begun", &["rows-ahead"], "parts",
        "INSERT INTO standin.parts VALUES ('tamga_vault', 'events', '(\\'2099-01-02\\',\\'2099-01-03\\')', 1, 1)"),
    server("a month in the stats store that has not begun", &["rows-ahead"], "parts",
        "INSERT INTO standin.parts VALUES ('tamga_stats', 'pages', '209901', 1, 1)"),
    server("an old month in the stats store", &["overdue-stats"], "parts",
        "INSERT INTO standin.parts VALUES ('tamga_stats', 'pages', '202301', 1, 1)"),
    server("a join in the query log", &["log-joined"], "query_log",
        logged!("query, databases, tables", "'tamga', 'SELECT 1 -- marzipan', ['tamga_vault', 'pay'], ['tamga_vault.events', 'pay.log']")),
    server("external data", &["log-external"], "query_log",
        logged!("databases, tables", "'aigerim', ['tamga_stats', '_temporary_and_external_tables'], ['tamga_stats.pages', '_temporary_and_external_tables.x']")),
    server("a foreign function", &["log-functions"], "query_log",
        logged!("databases, tables, used_table_functions", "'aigerim', ['tamga_stats'], ['tamga_stats.pages'], ['postgresql']")),
    server("a dictionary in a query", &["log-functions"], "query_log",
        logged!("databases, tables, used_functions", "'aigerim', ['tamga_stats'], ['tamga_stats.pages'], ['dictGetString']")),
    server("somebody who was refused", &["log-denied"], "query_log",
        logged!("missing_privileges, exception_code", "'aigerim', ['SELECT(path) ON tamga_vault.events'], 497")),
    server("a list of values", &["log-lists"], "query_log",
        logged!("query, databases", "'aigerim', repeat('marzipan,', 1000), ['tamga_stats']")),
    server("a person in the vault", &["log-people"], "query_log",
        logged!("databases, tables", "'boss', ['tamga_vault'], ['tamga_vault.events']")),
    machine("a tampered line of the audit log", &["audit"], |world| {
        let log = world.audit().log;
        let forged = fs::read_to_string(&log).unwrap().replace("\"number\":3", "\"number\":4");
        fs::write(log, forged).unwrap();
    }),
    machine("an audit log that was cut off", &["audit"], |world| {
        let log = world.audit().log;
        let text = fs::read_to_string(&log).unwrap();
        let kept: String = text.split_inclusive('\n').take(3).collect();
        fs::write(log, kept).unwrap();
    }),
    machine("keys on a disk, beside the data", &["keys-memory", "keys-apart"], |world| {
        // The build folder is on a disk.
        let base = std::path::Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("wall-{}", std::process::id()));
        fs::create_dir_all(base.join("data")).unwrap();
        for entry in fs::read_dir(&world.config.data.dir).unwrap() {
            let entry = entry.unwrap();
            fs::copy(entry.path(), base.join("data").join(entry.file_name())).unwrap();
        }
        fs::set_permissions(base.join("data"), fs::Permissions::from_mode(0o700)).unwrap();
        (world.config.data.dir, world.keys_dir) = (base.join("data"), base.join("keys"));
        fs::create_dir_all(&world.keys_dir).unwrap();
    }),
    machine("sums of a site that is not configured any more", &["overdue-sums"], |world| {
        let folder = world.config.data.dir.join("publish");
        fs::create_dir(&folder).unwrap();
        fs::write(folder.join("gone.kz.carried.json"), r#"{"until":4102444800}"#).unwrap();
    }),
    machine("sums that no window can be added to", &["overdue-sums"], |world| {
        let folder = world.config.data.dir.join("publish");
        fs::create_dir(&folder).unwrap();
        fs::write(folder.join("a.kz.carried.json"), r#"{"until":1767225600}"#).unwrap();
    }),
    machine("keys that others may read", &["keys-memory"], |world| {
        fs::set_permissions(&world.keys_dir, fs::Permissions::from_mode(0o755)).unwrap();
    }),
    machine("a key that outlived its day", &["keys-age"], |world| {
        let ring = tamga::privacy::keys::KeyRing::open(&world.keys_dir).unwrap();
        let day = jiff::civil::date(2026, 1, 2);
        ring.day_key(&"a.kz".into(), day).unwrap();
    }),
    machine("a key of a day that has not begun", &["keys-ahead"], |world| {
        let ring = tamga::privacy::keys::KeyRing::open(&world.keys_dir).unwrap();
        ring.day_key(&"a.kz".into(), jiff::civil::date(2099, 1, 2)).unwrap();
    }),
    machine("the cookies' key among the data", &["keys-apart"], |world| {
        let spool = world.config.data.dir.join("spool");
        fs::create_dir(&spool).unwrap();
        world.cookie_key = spool.join("cookie.key");
        fs::write(&world.cookie_key, [0; 32]).unwrap();
        fs::set_permissions(&world.cookie_key, fs::Permissions::from_mode(0o600)).unwrap();
    }),
    machine("the spool's key among the data", &["keys-apart"], |world| {
        world.cookie_key = world.config.data.dir.join("cookie.key");
        for path in [world.cookie_key.clone(), world.cookie_key.with_file_name("spool.key")] {
            fs::write(&path, [0; 32]).unwrap();
            fs::set_permissions(&path, fs::Permissions::from_mode(0o600)).unwrap();
        }
    }),
    machine("data that others may read", &["files"], |world| {
        let data = &world.config.data.dir;
        fs::create_dir(data.join("spool")).unwrap();
        for path in [data.clone(), data.join("spool")] {
            fs::set_permissions(path, fs::Permissions::from_mode(0o755)).unwrap();
        }
    }),
    Breach { what: "a store at another address", rules: &["address", "apart-stores"], plant: Plant::Url(0, "https://10.0.0.9:8443") },
    Breach { what: "a store in another country", rules: &["address", "apart-stores", "country"], plant: Plant::Url(1, "https://192.0.2.1:8443") },
    Breach { what: "a store without TLS", rules: &["address", "apart-stores", "tls"], plant: Plant::Url(0, "http://10.0.0.9:8123") },
    store("a cell that is there twice", &["cells-once"],
        "INSERT INTO tamga_stats.pages (site, window_start, window_end, path, views, visitors) SELECT 'a.kz', today() - 1, today(), '/planted', 50, 15 FROM numbers(2)",
        UNDO_PAGES),
    store("a window within a window", &["cells-windows"],
        "INSERT INTO tamga_stats.pages (site, window_start, window_end, path, views, visitors) VALUES ('a.kz', today() - 1, toDateTime(today() - 1) + 3600, '/planted', 50, 15)",
        UNDO_PAGES),
    store("a week's row of part of a week", &["cells-windows"],
        "INSERT INTO tamga_stats.pages (site, window_start, window_end, day, carried_to, path, views, visitors) SELECT 'a.kz', window_start, window_end, '2026-11-10', '2026-11-12', '/planted', 50, 15 FROM tamga_stats.publications WHERE site = 'a.kz' LIMIT 1",
        UNDO_PAGES),
    store("two rows of a cell for one week", &["cells-once"],
        "INSERT INTO tamga_stats.pages (site, window_start, window_end, day, carried_to, path, views, visitors) SELECT 'a.kz', now() + number, now() + 86400, toDate('2026-11-09') + number, '2026-11-15', '/planted', 50, 15 FROM numbers(2)",
        UNDO_PAGES),
    store("a query log that is gone", &["log-kept"],
        "RENAME TABLE standin.query_log TO standin.away", "RENAME TABLE standin.away TO standin.query_log"),
];

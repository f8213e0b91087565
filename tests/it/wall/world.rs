//! A clean installation on a server: real tables on an engine, and a stand-in for the server's system tables.

use std::fs;
use std::path::PathBuf;
use std::sync::Arc;

use tamga::audit::{Audit, Place};
use tamga::clock::Clock;
use tamga::config::Config;
use tamga::store::{self, Limits, STATS, Store, VAULT};
use tamga::verify::{Host, Subject, Target};
use tempfile::TempDir;

use super::breaches::Plant;
use crate::support::engine::{Engine, PASSWORD, USER};

/// The system tables that are read, except for the query log, which an engine has only after it is switched on.
pub(super) const SYSTEM_TABLES: [&str; 10] = [
    "databases",
    "tables",
    "columns",
    "parts",
    "dictionaries",
    "named_collections",
    "grants",
    "role_grants",
    "users",
    "row_policies",
];

/// How each table is created, and its rows on a clean server.
const STANDIN: [(&str, &str, &str); 11] = [
    (
        "databases",
        "name String",
        "SELECT arrayJoin(['tamga_vault', 'tamga_stats', 'system', 'default', 'pay', 'wiki'])",
    ),
    (
        "tables",
        "database String, name String, engine String, create_table_query String",
        "SELECT database, name, engine, create_table_query FROM system.tables WHERE database IN ('tamga_vault', 'tamga_stats') \
         UNION ALL SELECT 'pay', 'log', 'MergeTree', 'CREATE TABLE pay.log'",
    ),
    (
        "columns",
        "database String, table String, name String, type String, position UInt64",
        "SELECT database, table, name, type, position FROM system.columns WHERE database IN ('tamga_vault', 'tamga_stats') \
         UNION ALL SELECT 'pay', 'log', 'view', 'String', 1 UNION ALL SELECT 'wiki', 'pages', 'email', 'String', 1",
    ),
    (
        "parts",
        "database String, table String, partition String, active UInt8, rows UInt64",
        "SELECT 'tamga_vault', 'events', concat('(\\'', toString(today()), '\\',\\'', toString(today()), '\\')'), 1, 1 \
         UNION ALL SELECT 'tamga_stats', 'pages', toString(toYYYYMM(today())), 1, 1",
    ),
    ("dictionaries", "database String, name String, source String", "SELECT 'wiki', 'words', 'File' WHERE 1"),
    ("named_collections", "name String", "SELECT 'x' WHERE 0"),
    (
        "grants",
        "user_name Nullable(String), role_name Nullable(String), access_type String, database Nullable(String), \
         table Nullable(String), is_partial_revoke UInt8",
        "SELECT * FROM values('u Nullable(String), r Nullable(String), a String, d Nullable(String), t Nullable(String), p UInt8', \
         ('tamga', NULL, 'SELECT', 'tamga_vault', NULL, 0), ('tamga', NULL, 'INSERT', 'tamga_vault', NULL, 0), \
         ('tamga', NULL, 'ALTER', 'tamga_stats', NULL, 0), ('tamga', NULL, 'SELECT', 'tamga_stats', NULL, 0), \
         (NULL, 'analyst', 'SELECT', 'tamga_stats', NULL, 0), (NULL, 'pay_reader', 'SELECT', 'pay', NULL, 0), \
         ('boss', NULL, 'SELECT', 'wiki', NULL, 0), ('boss', NULL, 'S3', NULL, NULL, 0))",
    ),
    (
        "role_grants",
        "user_name Nullable(String), role_name Nullable(String), granted_role_name String",
        "SELECT * FROM values('u Nullable(String), r Nullable(String), g String', ('aigerim', NULL, 'analyst'), \
         ('paybot', NULL, 'pay_reader'))",
    ),
    (
        "users",
        "name String, auth_type Array(String)",
        "SELECT arrayJoin(['tamga', 'aigerim', 'paybot', 'boss']), ['sha256_password']",
    ),
    (
        "row_policies",
        "short_name String, database String, table String, select_filter Nullable(String), is_restrictive UInt8, \
         apply_to_all UInt8, apply_to_except Array(String)",
        "SELECT 'tamga_wall', 'tamga_vault', name, 'NOT throwIf(hasAny(enabledRoles(), [\\'pay_reader\\']), \\'…\\')', 1, 1, [] \
         FROM system.tables WHERE database = 'tamga_vault'",
    ),
    ("query_log", "", ""),
];

const CONFIG: &str = r#"
[server]
listen = "127.0.0.1:0"
admin_listen = "127.0.0.1:1"
[[site]]
domain = "a.kz"
public_url = "https://t.a.kz"
origins = ["https://a.kz"]
time_zone = "Asia/Almaty"
profile = "jetpay"
[vault]
url = "http://127.0.0.1:8123"
user = "tamga"
password_file = "none"
[stats]
url = "http://127.0.0.1:8123"
user = "tamga"
password_file = "none"
[wall]
identified_databases = ["pay"]
identified_roles = ["pay_reader"]
other_databases = ["wiki"]
store_hosts = ["ch.a.kz"]
country = "KZ"
"#;

pub(super) struct World {
    pub(super) engine: Arc<Engine>,
    stores: [Store; 2],
    /// For breaches of this machine, which need no store: stores that refuse connections at once.
    away: [Store; 2],
    is_away: bool,
    pub(super) config: Config,
    folder: TempDir,
    pub(super) keys: TempDir,
    pub(super) keys_dir: PathBuf,
    pub(super) cookie_key: PathBuf,
    clock: Clock,
    urls: [String; 2],
}

impl World {
    pub(super) async fn new() -> Self {
        let engine = Arc::new(Engine::start());
        let stores =
            [VAULT, STATS].map(|name| Store::new(&engine.url(), USER, PASSWORD, name, Limits::default()).unwrap());
        for store in &stores {
            store::apply(store, store::migrations_of(store), &Clock::machine()).await.unwrap();
        }
        engine.sql("CREATE DATABASE standin").await;
        let folder = tempfile::tempdir().unwrap();
        let keys = tempfile::tempdir_in("/dev/shm").unwrap();
        let keys_dir = keys.path().join("keys");
        fs::create_dir(&keys_dir).unwrap();
        let mut world = Self {
            config: Config::parse(CONFIG, "t.toml".as_ref(), std::iter::empty()).unwrap(),
            cookie_key: folder.path().join("cookie.key"),
            clock: Clock::machine(),
            urls: ["http://127.0.0.1:8123", "http://127.0.0.1:8123"].map(str::to_owned),
            away: [VAULT, STATS]
                .map(|name| Store::new("http://127.0.0.1:9", USER, "x", name, Limits::default()).unwrap()),
            is_away: false,
            engine,
            stores,
            folder,
            keys,
            keys_dir,
        };
        for (name, columns, _) in STANDIN {
            let like = if columns.is_empty() { "AS tamga_engine.query_log".to_owned() } else { format!("({columns})") };
            world.engine.sql(&format!("CREATE TABLE standin.{name} {like} ENGINE = MergeTree ORDER BY tuple()")).await;
        }
        world.settings();
        for (name, ..) in STANDIN {
            world.reset(name).await;
        }
        for sql in [
            "INSERT INTO tamga_stats.pages (site, window_start, window_end, path, views, visitors, entries) \
             VALUES ('a.kz', today() - 1, today(), '/', 50, 15, NULL), ('a.kz', today() - 1, today(), '/docs/install', 10, 10, 0)",
            "INSERT INTO tamga_stats.publications (site, window_start, window_end, published_at) VALUES ('a.kz', today() - 1, today(), now())",
            "INSERT INTO tamga_vault.events (site, day, path) SELECT 'a.kz', today(), arrayJoin(['/', '/pay/:order', '/docs/2026/11'])",
        ] {
            world.engine.sql(sql).await;
        }
        world
    }

    /// Files and settings of a clean installation.
    fn settings(&mut self) {
        use std::os::unix::fs::PermissionsExt as _;
        let data = self.folder.path().join("data");
        let _ = fs::remove_dir_all(&data);
        fs::create_dir(&data).unwrap();
        self.config = Config::parse(CONFIG, "t.toml".as_ref(), std::iter::empty()).unwrap();
        self.config.data.dir = data.clone();
        self.keys_dir = self.keys.path().join("keys");
        self.cookie_key = self.folder.path().join("cookie.key");
        let _ = fs::remove_dir_all(&self.keys_dir);
        fs::create_dir(&self.keys_dir).unwrap();
        fs::write(&self.cookie_key, [0; 32]).unwrap();
        for (path, mode) in [(&data, 0o700), (&self.keys_dir, 0o700), (&self.cookie_key, 0o600)] {
            fs::set_permissions(path, fs::Permissions::from_mode(mode)).unwrap();
        }
        let audit = Audit::open(&self.audit(), Clock::machine()).unwrap();
        (0..5).for_each(|number| audit.record("test", &serde_json::json!({ "number": number })).unwrap());
        self.urls = ["http://127.0.0.1:8123", "http://127.0.0.1:8123"].map(str::to_owned);
    }

    pub(super) fn audit(&self) -> Place {
        Place::new(&self.config.data.dir, None)
    }

    async fn reset(&self, name: &str) {
        self.engine.sql(&format!("TRUNCATE TABLE standin.{name}")).await;
        let (_, _, clean) = STANDIN.iter().find(|(known, ..)| *known == name).unwrap();
        if !clean.is_empty() {
            self.engine.sql(&format!("INSERT INTO standin.{name} {clean}")).await;
        }
    }

    pub(super) async fn plant(&mut self, plant: &Plant) {
        match plant {
            Plant::Server(_, sql) | Plant::Store(sql, _) => {
                self.engine.sql(sql).await;
            }
            Plant::Machine(change) => {
                self.is_away = true;
                change(self);
            }
            Plant::Url(index, url) => (*url).clone_into(&mut self.urls[*index]),
            Plant::Away => self.is_away = true,
        }
    }

    pub(super) async fn undo(&mut self, plant: &Plant) {
        match plant {
            Plant::Server(table, _) => self.reset(table).await,
            Plant::Store(_, undo) => drop(self.engine.sql(undo).await),
            _ => {
                self.is_away = false;
                self.settings();
            }
        }
    }

    pub(super) fn subject(&self) -> Subject<'_> {
        let target = |index: usize| Target {
            store: if self.is_away { &self.away } else { &self.stores }[index].clone(),
            url: Some(self.urls[index].clone()),
            system: "standin".to_owned(),
            query_log: "standin.query_log".to_owned(),
        };
        Subject {
            config: &self.config,
            clock: &self.clock,
            targets: [target(0), target(1)],
            host: Host {
                keys_dir: self.keys_dir.clone(),
                cookie_key: self.cookie_key.clone(),
                country: Box::new(|address| if address.to_string() == "192.0.2.1" { "DE".into() } else { "KZ".into() }),
            },
            audit: self.audit(),
            probe: None,
        }
    }
}

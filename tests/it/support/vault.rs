//! An embedded engine with its supervisor, in its own folder.

use std::net::SocketAddr;
use std::path::Path;
use std::time::Duration;

use super::programs;
use serde::Deserialize;
use tamga::clock::Clock;
use tamga::store::{self, AnalystAccess, EngineOptions, Limits, Store, Supervisor, VAULT, VAULT_MIGRATIONS};
use tempfile::TempDir;

pub(crate) struct EngineFixture {
    pub(crate) supervisor: Supervisor,
    pub(crate) folder: TempDir,
}

impl EngineFixture {
    /// Starts an engine. Its library is where `make engine` puts it, or where `TAMGA_ENGINE_LIBRARY` says.
    pub(crate) async fn start() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let supervisor = Supervisor::start(Self::options_in(folder.path())).unwrap();
        supervisor.ready().await.unwrap();
        Self { supervisor, folder }
    }

    pub(crate) fn options(&self) -> EngineOptions {
        Self::options_in(self.folder.path())
    }

    /// How an engine with its data in this folder is started.
    pub(crate) fn options_in(folder: &Path) -> EngineOptions {
        EngineOptions {
            name: "vault",
            program: programs::engine().into(),
            library: None,
            data_dir: folder.join("vault"),
            listen: ([127, 0, 0, 1], 0).into(),
            password_file: folder.join("service.password"),
            memory_limit_mib: 600,
            analyst_password_file: None,
            analysts: AnalystAccess::default(),
            break_glass: false,
            restart_within: Duration::from_millis(300),
        }
    }

    pub(crate) async fn address(&self) -> SocketAddr {
        self.supervisor.ready().await.unwrap()
    }

    pub(crate) async fn store(&self, database: &str) -> Store {
        self.supervisor.store(database, Limits::default()).await.unwrap()
    }

    /// The vault with its tables, as [`without_ttl`] makes them.
    pub(crate) async fn vault(&self) -> Store {
        let store = self.store(VAULT).await;
        without_ttl(&store).await;
        store
    }

    pub(crate) async fn stop(self) {
        drop(self.stop_and_keep().await);
    }

    /// Stops the engine. Its folder is deleted when the returned value is dropped.
    pub(crate) async fn stop_and_keep(self) -> TempDir {
        self.supervisor.stop().await;
        self.folder
    }
}

/// Makes the tables of a vault, but without their time to live. It follows the machine's clock, while tests use fixed days, so one day it
/// would drop their rows at once.
pub(crate) async fn without_ttl(store: &Store) {
    store::apply(store, VAULT_MIGRATIONS, &Clock::machine()).await.unwrap();
    for table in ["events", "attributes", "tallies", "signals", "errors", "leases"] {
        let sql = "SELECT count() AS number FROM system.tables WHERE database = 'tamga_vault' AND name = {name:String} \
                   AND position(create_table_query, ' TTL ') > 0";
        let rows: Vec<Number> = store.rows(sql, &[("name", table.to_owned())]).await.unwrap();
        if rows[0].number > 0 {
            store.execute(&format!("ALTER TABLE {table} REMOVE TTL"), &[]).await.unwrap();
        }
    }
}

#[derive(Deserialize)]
struct Number {
    number: u64,
}

/// The number that a query returns under the name `number`.
pub(crate) async fn number(store: &Store, sql: &str) -> u64 {
    store.rows::<Number>(sql, &[]).await.unwrap()[0].number
}

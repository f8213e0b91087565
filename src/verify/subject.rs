//! The subject of an examination: the configuration, both stores, this machine, and the names that the wall is about.

use std::net::IpAddr;
use std::path::PathBuf;

use crate::audit::Place;
use crate::clock::Clock;
use crate::config::{Config, Wall};
use crate::store::{STATS, Store, StoreError, VAULT, local};

/// One of the stores, and where it is.
pub struct Target {
    pub store: Store,
    /// Its address as configured; `None` for an embedded engine, which knows neither users nor other databases.
    pub url: Option<String>,
    /// The database of the server's system tables: `system`; in tests a stand-in with the same tables.
    pub system: String,
    /// The table of the query log.
    pub query_log: String,
}

/// The subject of an examination.
pub struct Subject<'a> {
    pub config: &'a Config,
    pub clock: &'a Clock,
    /// The vault and the stats store.
    pub targets: [Target; 2],
    /// The input for the rules of this machine.
    pub host: Host,
    pub audit: Place,
    /// The vault with an account that the wall must stop.
    pub probe: Option<Store>,
}

/// The input for the rules of this machine.
pub struct Host {
    /// The folder of the day keys.
    pub keys_dir: PathBuf,
    /// The file of the permanent cookie key.
    pub cookie_key: PathBuf,
    /// The country of an address, by the configured GeoIP files; empty when unknown.
    pub country: Box<dyn Fn(IpAddr) -> String + Send + Sync>,
}

impl Target {
    /// A store on an embedded engine.
    pub fn embedded(store: Store) -> Self {
        Self { store, url: None, system: "system".to_owned(), query_log: ENGINE_LOG.to_owned() }
    }

    /// A store on a server.
    pub fn on_server(store: Store, url: &str, wall: &Wall) -> Self {
        Self { store, url: Some(url.to_owned()), system: "system".to_owned(), query_log: wall.query_log.clone() }
    }
}

/// The query log that `tamga-engine` writes.
const ENGINE_LOG: &str = "tamga_engine.query_log";

impl Target {
    pub(super) fn is_vault(&self) -> bool {
        self.store.database() == VAULT
    }

    /// The databases of its tables: its own, and on a cluster the one with the rows behind the vault's tables.
    pub(super) fn databases<'a>(&'a self, lists: &'a Lists) -> Vec<&'a str> {
        if self.is_vault() { lists.vaults.iter().map(String::as_str).collect() } else { vec![self.store.database()] }
    }

    /// The full name of a system table.
    pub(super) fn system(&self, table: &str) -> String {
        format!("{}.{table}", self.system)
    }

    /// Runs a query for lines of evidence. Its rows have one column, `evidence`. Its parameters are the lists of the wall, joined
    /// by commas: `own`, `vaults`, `identified`, `others`, `service`.
    pub(super) async fn evidence(&self, lists: &Lists, sql: &str) -> Result<Vec<String>, StoreError> {
        #[derive(serde::Deserialize)]
        struct Row {
            evidence: String,
        }
        let rows: Vec<Row> = self.store.rows(sql, &lists.parameters()).await?;
        Ok(rows.into_iter().map(|row| row.evidence).collect())
    }
}

/// The names that the wall is about.
pub(super) struct Lists {
    /// The databases with telemetry; `vaults` are those of them with rows of visits.
    pub(super) own: Vec<String>,
    pub(super) vaults: Vec<String>,
    pub(super) identified: Vec<String>,
    pub(super) roles: Vec<String>,
    pub(super) others: Vec<String>,
    pub(super) service: Vec<String>,
}

impl Lists {
    pub(super) fn new(config: &Config) -> Self {
        let Wall { identified_databases, identified_roles, other_databases, service_accounts, .. } = &config.wall;
        let is_cluster = config.vault.cluster.is_some();
        let vaults: Vec<_> = [VAULT.to_owned()].into_iter().chain(is_cluster.then(|| local(VAULT))).collect();
        let configured = config.vault.user.iter().chain(config.stats.as_ref().map(|server| &server.user)).cloned();
        Self {
            own: vaults.iter().cloned().chain([STATS.to_owned()]).collect(),
            vaults,
            identified: identified_databases.clone(),
            roles: identified_roles.clone(),
            others: other_databases.clone(),
            service: configured
                .chain([crate::store::USER, crate::store::BREAK_GLASS].map(str::to_owned))
                .chain(service_accounts.clone())
                .collect(),
        }
    }

    pub(super) fn parameters(&self) -> [(&'static str, String); 5] {
        [
            ("own", self.own.join(",")),
            ("vaults", self.vaults.join(",")),
            ("identified", self.identified.join(",")),
            ("others", self.others.join(",")),
            ("service", self.service.join(",")),
        ]
    }
}

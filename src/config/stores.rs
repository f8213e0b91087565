//! The settings of the two stores: embedded engines, or servers.

use std::net::SocketAddr;
use std::path::PathBuf;

use serde::Deserialize;

/// The vault, and the server that it is on.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Vault {
    /// Seconds that rows stay in the spool at least, 1 to 300, before they go to the vault together with those of their
    /// neighbours in time. Rows are delivered after one to one and a half times as long. Default 30: who watches the vault
    /// cannot pair the rows of one beacon by when they arrive.
    pub linger_s: u32,
    /// Whether rows also stay in the spool until their window ends, unless they come to take more than half of
    /// `spool_quota_mib`. A window that is longer than a day counts as days. Default true: who watches the vault learns no more of when a
    /// row came than its window. The spool then holds the rows of a window, of a day by default. With false rows arrive after `linger_s`, and who has a log of payments by the second finds the rows of each
    /// on a quiet site.
    pub until_window_end: bool,
    /// The URL of its HTTP interface: `https://clickhouse:8443`, or `http://…` in a network without listeners. Default
    /// none: an embedded engine.
    pub url: Option<String>,
    /// A file (PEM) of the certificate authorities for an `https` server. Default: those of the system.
    pub ca_file: Option<PathBuf>,
    /// The service account; needed with `url`.
    pub user: Option<String>,
    /// The file with the account's password; needed with `url`.
    pub password_file: Option<PathBuf>,
    /// The cluster that the tables are spread over, by its name in the servers' `remote_servers`. Default none: one server.
    pub cluster: Option<String>,
}

impl Default for Vault {
    fn default() -> Self {
        Self {
            linger_s: 30,
            until_window_end: true,
            url: None,
            ca_file: None,
            user: None,
            password_file: None,
            cluster: None,
        }
    }
}

impl Vault {
    /// Its server; `None` for an embedded engine.
    pub fn server(&self) -> Option<ServerStore> {
        let Self { ca_file, cluster, .. } = self.clone();
        let (url, user, password_file) = (self.url.clone()?, self.user.clone()?, self.password_file.clone()?);
        Some(ServerStore { url, ca_file, user, password_file, cluster })
    }
}

/// A ClickHouse server.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ServerStore {
    /// The URL of its HTTP interface: `https://clickhouse:8443`, or `http://…` in a network without listeners.
    pub url: String,
    /// A file (PEM) of the certificate authorities for an `https` server. Default: those of the system.
    pub ca_file: Option<PathBuf>,
    /// The service account.
    pub user: String,
    /// The file with the account's password.
    pub password_file: PathBuf,
    /// The cluster that the tables are spread over, by its name in the servers' `remote_servers`. Default none: one server.
    pub cluster: Option<String>,
}

/// The embedded engines.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Engine {
    /// Address of the vault's engine; loopback only. Default 127.0.0.1:8123: ClickHouse's port.
    pub vault_listen: SocketAddr,
    /// Address of the stats engine; loopback only. Default 127.0.0.1:8124: the next port.
    pub stats_listen: SocketAddr,
    /// The library `libchdb.so`. Default: where `make engine` puts it.
    pub library: Option<PathBuf>,
    /// The program `tamga-engine`. Default: beside `tamga`.
    pub program: Option<PathBuf>,
    /// MiB of memory that each engine may use. Default 800: both fit a small machine.
    pub memory_limit_mib: u64,
    /// The file with the password of `analyst`, the user for queries of the stats engine. If it is missing, it is made
    /// with a random password. Default: `engine/analyst.password` in `[data] dir`.
    pub analyst_password_file: Option<PathBuf>,
    /// Address for analysts on other machines, always with TLS, such as 0.0.0.0:8443. Default none: they use this machine.
    pub analysts_listen: Option<SocketAddr>,
    /// The certificate chain of `analysts_listen`, as PEM. A renewed one is taken at the next start.
    pub analysts_certificate_file: Option<PathBuf>,
    /// The certificate's key, as PEM.
    pub analysts_key_file: Option<PathBuf>,
    /// Names or addresses by which other machines reach `analysts_listen`. Requests for other names are refused.
    pub analysts_hosts: Vec<String>,
    /// Origins whose pages may ask, with a password that the page has. Default none.
    pub analysts_origins: Vec<String>,
}

impl Default for Engine {
    fn default() -> Self {
        Self {
            vault_listen: ([127, 0, 0, 1], 8123).into(),
            stats_listen: ([127, 0, 0, 1], 8124).into(),
            library: None,
            program: None,
            memory_limit_mib: 800,
            analyst_password_file: None,
            analysts_listen: None,
            analysts_certificate_file: None,
            analysts_key_file: None,
            analysts_hosts: Vec::new(),
            analysts_origins: Vec::new(),
        }
    }
}

//! What is done to the stores' schema and contents as a whole: `tamga migrate`, `tamga move-stats`, and what a start does
//! of them.

use std::path::PathBuf;

use anyhow::{Context, Result, bail};
use serde_json::json;

use crate::clock::Clock;
use crate::config::{Config, ServerStore};
use crate::store::{self, Account, EngineOptions, Limits, MigrateError, STATS, Store, Supervisor, VAULT};

/// Whether `tamga migrate` says who may do what, and as whom.
#[derive(clap::Args, Clone, Debug)]
pub struct Access {
    /// Apply roles, profiles, quotas and row policies too
    #[arg(long)]
    access: bool,
    /// Do all of it as this account, which may manage access, and make the service account
    #[arg(long, value_name = "NAME", requires_all = ["access", "admin_password_file"])]
    admin_user: Option<String>,
    /// The file that holds its password
    #[arg(long, value_name = "FILE", requires = "admin_user")]
    admin_password_file: Option<PathBuf>,
}

impl Access {
    /// The store's server as the administrator sees it, if there is one.
    fn admin(&self, server: &ServerStore) -> Option<ServerStore> {
        let (user, password_file) = (self.admin_user.clone()?, self.admin_password_file.clone()?);
        Some(ServerStore { user, password_file, ..server.clone() })
    }
}

/// A store's version, its migrations, and the configured time to live of published numbers. Returns the number of statements.
pub(super) async fn bring_up_to_date(store: &Store, config: &Config, clock: &Clock) -> Result<u32, MigrateError> {
    store::check_version(store).await?;
    let mut statements = store::apply(store, store::migrations_of(store), clock).await?;
    if store.database() == STATS {
        statements += store::retain(store, config.retention).await?;
    }
    Ok(statements)
}

/// `tamga migrate`: brings both schemas up to date and says what was done, a line each.
pub async fn migrate(config: &Config, access: &Access) -> Result<String> {
    let clock = Clock::kept_in(&config.data.dir);
    let audit = super::audit::open(config, clock.clone())?;
    let mut said = String::new();
    for (name, database) in [("vault", VAULT), ("stats", STATS)] {
        let server = &if name == "vault" { config.vault.server() } else { config.stats.clone() };
        let mut engine = None;
        let store = match server {
            Some(server) => {
                let admin = access.admin(server);
                Store::on_server(admin.as_ref().unwrap_or(server), database, Limits::default())?
            }
            None => {
                let options = if name == "vault" { EngineOptions::vault(config) } else { EngineOptions::stats(config) };
                start(options, &mut engine).await?.store(database, Limits::default()).await?
            }
        };
        let statements = bring_up_to_date(&store, config, &clock).await?;
        audit.record("migrate", &json!({ "database": database, "statements": statements }))?;
        said.push_str(&match statements {
            0 => format!("{database} is up to date.\n"),
            count => format!("{database}: {count} statements applied.\n"),
        });
        match (server, access.access) {
            (_, false) => {}
            (None, true) => {
                said.push_str(&format!("{database} is on an embedded engine, which has no accounts to manage.\n"))
            }
            (Some(server), true) => {
                let count = apply_access(&store, config, server, access).await?;
                audit.record("access", &json!({ "database": database, "statements": count }))?;
                said.push_str(&format!("{database}: {count} statements about access applied.\n"));
            }
        }
        if let Some(engine) = engine {
            engine.stop().await;
        }
    }
    Ok(said)
}

async fn apply_access(store: &Store, config: &Config, server: &ServerStore, access: &Access) -> Result<usize> {
    let mut account = Account { user: &server.user, password_sha256: None };
    let digest;
    if access.admin_user.is_some() {
        let file = &server.password_file;
        let password = std::fs::read_to_string(file)
            .with_context(|| format!("cannot read the password file {}", file.display()))?;
        digest = sha256(password.trim_end_matches(['\r', '\n']));
        account.password_sha256 = Some(&digest);
    }
    let sites: Vec<_> = config.sites.iter().map(|site| site.domain.as_str()).collect();
    let statements = store::access_statements(store, &sites, account);
    for (number, sql) in (1..).zip(&statements) {
        let failed = || format!("statement {number} of {} about access to {}", statements.len(), store.database());
        store.execute(sql, &[]).await.with_context(failed)?;
    }
    Ok(statements.len())
}

/// `tamga move-stats`: the embedded engine's numbers to the configured server.
pub async fn move_stats(config: &Config) -> Result<String> {
    let clock = Clock::kept_in(&config.data.dir);
    let audit = super::audit::open(config, clock.clone())?;
    let Some(server) = &config.stats else {
        bail!("the configuration has no [stats]: name the server there that the numbers are to be moved to");
    };
    let to = Store::on_server(server, STATS, Limits::default())?;
    let mut engine = None;
    let from = start(EngineOptions::stats(config), &mut engine).await?.store(STATS, Limits::default()).await?;
    bring_up_to_date(&from, config, &clock).await?;
    bring_up_to_date(&to, config, &clock).await?;
    let moved = store::relocate(&from, &to).await?;
    audit.record("move_stats", &json!({ "copied": moved.copied }))?;
    let mut said = String::new();
    for (table, rows) in &moved.tables {
        said.push_str(&format!("{table:<16} {rows:>12} rows\n"));
    }
    said.push_str(&format!(
        "{} now has all of them, {} of them new. The embedded engine's are where they were; delete {} when you are content.\n",
        to.place(),
        moved.copied,
        EngineOptions::stats(config).data_dir.display(),
    ));
    if let Some(engine) = engine {
        engine.stop().await;
    }
    Ok(said)
}

fn sha256(password: &str) -> String {
    let digest = ring::digest::digest(&ring::digest::SHA256, password.as_bytes());
    digest.as_ref().iter().map(|byte| format!("{byte:02x}")).collect()
}

async fn start(options: EngineOptions, engine: &mut Option<Supervisor>) -> Result<&mut Supervisor> {
    let started = engine.insert(Supervisor::start(options)?);
    started.ready().await?;
    Ok(started)
}

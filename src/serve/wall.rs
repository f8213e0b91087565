//! `tamga wall init`: the statements that put the wall between the vault and an identified zone on one ClickHouse, or that
//! close a server which has telemetry alone.
//!
//! They are printed, or carried out with `--apply` by the vault's service account, and may be carried out again. Nothing of
//! the identified zone is changed: the wall is built on the telemetry's side. `tamga verify` shows whether it is there.

use anyhow::{Result, bail};
use serde_json::json;

use super::audit;
use crate::clock::Clock;
use crate::config::Config;
use crate::store::{Limits, Store, VAULT, WALL_SENTENCE, wall_statements};

/// What the wall is built from.
pub struct IdentifiedZone {
    /// Databases with identified data.
    pub databases: Vec<String>,
    /// Roles that read them.
    pub roles: Vec<String>,
    /// Carry the statements out instead of printing them.
    pub apply: bool,
}

/// Prints the statements, or carries them out.
pub async fn init(config: &Config, zone: &IdentifiedZone) -> Result<String> {
    let mut wall = config.wall.clone();
    for (given, known) in [(&zone.databases, &mut wall.identified_databases), (&zone.roles, &mut wall.identified_roles)]
    {
        if let Some(odd) = given.iter().find(|name| !crate::config::is_sql_name(name)) {
            bail!("{odd:?} is no name that can be used here: a-z A-Z 0-9 _ . - are");
        }
        known.extend(given.iter().cloned());
        known.sort();
        known.dedup();
    }
    let Some(server) = &config.vault.server() else {
        return Ok(
            "The vault is on an embedded engine: it has no accounts but the collector's, and holds no other database. \
                   There is no wall to build, and `tamga verify` sees to it that this stays so.\n"
                .to_owned(),
        );
    };
    if wall.identified_databases.is_empty() != wall.identified_roles.is_empty() {
        bail!("give both: the databases with identified data, and the roles that read them");
    }
    let statements = wall_statements(&wall.identified_databases, &wall.identified_roles, &server.user);
    let list = |names: &[String]| names.iter().map(|name| format!("{name:?}")).collect::<Vec<_>>().join(", ");
    let settings = format!(
        "[wall]\nidentified_databases = [{}]\nidentified_roles = [{}]\n",
        list(&wall.identified_databases),
        list(&wall.identified_roles)
    );
    if !zone.apply {
        let comment = settings.lines().map(|line| format!("--   {line}\n")).collect::<String>();
        return Ok(format!(
            "-- The wall: \"{WALL_SENTENCE}\"\n-- Carry this out on the vault's server, or run again with --apply; then have in tamga.toml:\n\
             {comment}\n{}",
            statements.iter().map(|statement| format!("{statement};\n")).collect::<String>()
        ));
    }
    let store = Store::on_server(server, VAULT, Limits::default())?;
    let log = audit::open(config, Clock::kept_in(&config.data.dir))?;
    log.record("wall init", &json!({ "databases": wall.identified_databases, "roles": wall.identified_roles }))?;
    for statement in &statements {
        store.execute(statement, &[]).await?;
    }
    Ok(format!(
        "{} statements carried out. Have in tamga.toml, and run `tamga verify`:\n\n{settings}",
        statements.len()
    ))
}

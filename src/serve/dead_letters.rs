//! `tamga dead-letters`: lists, shows, replays and drops rows that the vault refused.
//!
//! The process that holds the spool carries out a command, because only it knows whether the rows are settled. While `serve`
//! runs, the command is left for it, and its answer is waited for. Otherwise this process holds the spool meanwhile, with an
//! engine of its own if the vault is embedded. Either way the action is in the audit log. The rows are pseudonymous, so `show`
//! takes the two steps of [`break_glass`](super::break_glass).

use std::path::Path;

use anyhow::{Context, Result};
use serde_json::json;

use super::break_glass::{self, BreakGlassRequest, Kind, Step};
use super::keys;
use crate::audit::Audit;
use crate::clock::Clock;
use crate::config::Config;
use crate::spool::{self, Outcomes};
use crate::store::{
    Command, DeadLetterAdmin, DeadLetterError, DeadLetters, EngineOptions, Limits, Store, Supervisor, VAULT,
};

/// The rows that the vault refused.
pub(super) fn refused(config: &Config, keys: spool::Keys) -> DeadLetters {
    DeadLetters::new(&config.data.dir.join("dead-letters"), keys)
}

fn admin(config: &Config) -> Result<DeadLetterAdmin> {
    Ok(DeadLetterAdmin::new(refused(config, keys::spool_keys_if_there(config)?)))
}

/// A table of all dead letters.
pub fn list(config: &Config) -> Result<String> {
    Ok(admin(config)?.list()?)
}

/// The rows of a dead letter: the first step, or with a code the second.
pub fn show(config: &Config, clock: &Clock, request: BreakGlassRequest<'_>) -> Result<String> {
    let admin = admin(config)?;
    let name = request.subject;
    admin.find(name)?;
    let kind = Kind { place: "dead letter", key: "file" };
    let log = match break_glass::step(config, clock, request, &kind, name)? {
        Step::First(said) => return Ok(said),
        Step::Second(log) => log,
    };
    let (text, rows) = admin.show(name)?;
    log.record("queried the dead letter", &json!({ "file": name, "rows": rows, "bytes": text.len() }))?;
    Ok(text)
}

/// Replays or drops a dead letter. Returns the outcome in a line.
pub async fn execute(config: &Config, command: Command, name: &str) -> Result<String> {
    let admin = admin(config)?;
    admin.find(name)?;
    let path = config.data.dir.join("spool");
    let idle =
        spool::hold(&path, &spool::Disk).with_context(|| format!("cannot look at the spool {}", path.display()))?;
    let Some(idle) = idle else {
        let said = admin.command(command, name).await.with_context(|| name.to_owned())?;
        return Ok(format!("{name}: {said}.\n"));
    };
    let audit = super::audit::open(config, Clock::kept_in(&config.data.dir))?;
    let (said, outcomes) = match command {
        Command::Drop => admin.drop_alone(name, &idle.open_tokens),
        Command::Replay => replay(config, &admin, name, &idle.open_tokens).await?,
    }
    .with_context(|| name.to_owned())?;
    note(&audit, command, name, &outcomes);
    Ok(format!("{name}: {said}.\n"))
}

/// Writes the action into the audit log.
pub(super) fn note(audit: &Audit, command: Command, name: &str, outcomes: &Outcomes) {
    let Outcomes { stored, dead_lettered, expired, .. } = outcomes;
    match command {
        Command::Drop => audit.note("drop dead letter", &json!({ "file": name, "rows": dead_lettered })),
        Command::Replay => audit.note(
            "replay dead letter",
            &json!({ "file": name, "stored": stored, "refused": dead_lettered, "expired": expired }),
        ),
    }
}

type Replayed = Result<(String, Outcomes), DeadLetterError>;

async fn replay(config: &Config, admin: &DeadLetterAdmin, name: &str, open: &[String]) -> Result<Replayed> {
    if let Some(server) = config.vault.server() {
        let store = Store::on_server(&server, VAULT, Limits::default())?;
        return Ok(admin.replay_alone(store, Clock::kept_in(&config.data.dir), name, open).await);
    }
    let engine = Supervisor::start(EngineOptions::vault(config))?;
    engine.ready().await?;
    let store = engine.store(VAULT, Limits::default()).await?;
    let replayed = admin.replay_alone(store, Clock::kept_in(&config.data.dir), name, open).await;
    engine.stop().await;
    Ok(replayed)
}

/// The name of a dead letter, also if it was given with its folder.
pub fn name_of(file: &Path) -> String {
    file.file_name().unwrap_or_default().to_string_lossy().into_owned()
}

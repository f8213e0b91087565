//! `tamga dead-letters`: who carries out an order about rows that the vault refused.
//!
//! The process that holds the spool does, because only it knows whether a letter's batch is settled. When `serve` runs, the
//! order is left for it and its answer is waited for; otherwise this process holds the spool meanwhile, with an engine of
//! its own where the vault is embedded. Either way the act is in the audit log.

use std::path::Path;

use anyhow::{Context, Result, anyhow};
use serde_json::json;

use crate::audit::Audit;
use crate::clock::Clock;
use crate::config::Config;
use crate::spool::{self, Outcomes};
use crate::store::{EngineOptions, LetterRoom, Limits, Order, Store, Supervisor, VAULT};

/// The dead letters of a configuration.
pub fn room(config: &Config) -> LetterRoom {
    LetterRoom::new(&config.data.dir.join("dead-letters"))
}

/// Replays or drops a letter. Returns what became of it, in a line.
pub async fn obey(config: &Config, order: Order, name: &str) -> Result<String> {
    let room = room(config);
    room.find(name).map_err(|reason| anyhow!(reason))?;
    let path = config.data.dir.join("spool");
    let idle =
        spool::hold(&path, &spool::Disk).with_context(|| format!("cannot look at the spool {}", path.display()))?;
    let Some(idle) = idle else {
        let said = room.order(order, name).await.map_err(|reason| anyhow!("{name}: {reason}"))?;
        return Ok(format!("{name}: {said}.\n"));
    };
    let audit = super::audit::open(config, Clock::machine())?;
    let (said, outcomes) = match order {
        Order::Drop => room.drop_alone(name, &idle.open_tokens),
        Order::Replay => replay(config, &room, name, &idle.open_tokens).await?,
    }
    .map_err(|reason| anyhow!("{name}: {reason}"))?;
    note(&audit, order, name, &outcomes);
    Ok(format!("{name}: {said}.\n"))
}

/// Puts the act into the audit log.
pub(super) fn note(audit: &Audit, order: Order, name: &str, outcomes: &Outcomes) {
    let Outcomes { stored, dead_lettered, expired, .. } = outcomes;
    match order {
        Order::Drop => audit.note("drop dead letter", &json!({ "file": name, "rows": dead_lettered })),
        Order::Replay => audit.note(
            "replay dead letter",
            &json!({ "file": name, "stored": stored, "refused": dead_lettered, "expired": expired }),
        ),
    }
}

type Said = Result<(String, Outcomes), String>;

async fn replay(config: &Config, room: &LetterRoom, name: &str, open: &[String]) -> Result<Said> {
    if let Some(server) = &config.vault {
        let store = Store::on_server(server, VAULT, Limits::default())?;
        return Ok(room.replay_alone(store, Clock::machine(), name, open).await);
    }
    let engine = Supervisor::start(EngineOptions::vault(config))?;
    engine.ready().await?;
    let store = engine.store(VAULT, Limits::default()).await?;
    let said = room.replay_alone(store, Clock::machine(), name, open).await;
    engine.stop().await;
    Ok(said)
}

/// The name of a letter, also when it was given with its folder.
pub fn name_of(file: &Path) -> String {
    file.file_name().unwrap_or_default().to_string_lossy().into_owned()
}

//! `tamga vault query`: looks at rows of the vault by the two steps of [`break_glass`](super::break_glass).
//!
//! The query goes into the audit log without its values. The answer goes to the terminal and nowhere else. A query can change
//! nothing, and answers a thousand rows at most.

use anyhow::{Result, bail};
use serde_json::{Value, json};

use super::break_glass::{self, BreakGlassRequest, Kind, Step};
use super::reach;
use crate::clock::Clock;
use crate::config::Config;
use crate::store::without_values;

/// The most rows of an answer.
const ROWS: u32 = 1000;
/// The most bytes of a query in the audit log.
const SHOWN_BYTES: usize = 2000;

/// Takes the first step, or with a code the second, and returns the text for the terminal.
pub async fn query(config: &Config, clock: &Clock, request: BreakGlassRequest<'_>) -> Result<String> {
    let sql = request.subject;
    let first = sql.split_whitespace().next().unwrap_or_default().to_ascii_uppercase();
    if !["SELECT", "WITH", "DESCRIBE", "SHOW", "EXPLAIN"].contains(&first.as_str()) {
        bail!("a query that reads is expected: SELECT …");
    }
    let kind = Kind { place: "vault", key: "query" };
    let log = match break_glass::step(config, clock, request, &kind, &without_values(sql, SHOWN_BYTES))? {
        Step::First(said) => return Ok(said),
        Step::Second(log) => log,
    };
    let reached = reach::reach(config).await?;
    let rows = reached.stores.vault.look::<Value>(sql, ROWS).await;
    reached.release().await;
    let rows = rows?;
    log.record("queried the vault", &json!({ "rows": rows.len() }))?;
    Ok(rows.iter().map(|row| format!("{row}\n")).collect())
}

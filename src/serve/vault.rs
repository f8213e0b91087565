//! `tamga vault query`: looks at rows of the vault by the two steps of [`break_glass`](super::break_glass).
//!
//! The query goes into the audit log without its values, and afterwards once more with the rows and bytes of its answer. The
//! answer goes to the terminal and nowhere else, and has a thousand rows at most. A query reads tables of the vault and
//! nothing else: an embedded engine admits it by the rules of analysts and in their sandbox, a server with `readonly = 1`.

use anyhow::{Result, bail};
use serde_json::json;

use super::break_glass::{self, BreakGlassRequest, Kind, Step};
use super::reach;
use crate::clock::Clock;
use crate::config::Config;
use crate::store::{BREAK_GLASS, without_values};

/// The most rows of an answer.
const ROWS: usize = 1000;
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
    let shown = without_values(sql, SHOWN_BYTES);
    let log = match break_glass::step(config, clock, request, &kind, &shown)? {
        Step::First(said) => return Ok(said),
        Step::Second(log) => log,
    };
    let reached = reach::reach(config).await?;
    let store = reached.stores.vault.clone().for_break_glass(config.vault.url.is_none().then_some(BREAK_GLASS));
    let answer = store.look(sql, ROWS).await;
    reached.release().await;
    let (rows, bytes) =
        answer.as_ref().map_or((0, 0), |rows| (rows.len(), rows.iter().map(String::len).sum::<usize>()));
    let failed = answer.as_ref().err().map(|error| error.name);
    // Before the rows are shown: what is not in the log is not shown.
    log.record("queried the vault", &json!({ "query": shown, "rows": rows, "bytes": bytes, "failed": failed }))?;
    Ok(answer?.into_iter().map(|row| row + "\n").collect())
}

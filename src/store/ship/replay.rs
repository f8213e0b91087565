//! Sends dead letters again, each row exactly once, and drops them.
//!
//! The rows of a dead letter become an insert batch of their own. Its token and its batch values follow from the token and
//! the rows of the dead letter. It is delivered like a batch that a former process had begun: counted before it is believed
//! or sent, and cut when it is refused. Rows that are refused again become a new dead letter. Only then is the old file
//! removed. So a replay that is cut off anywhere can be repeated.
//!
//! A dead letter of an unfinished delivery batch is left alone: until that batch is finished its cuts must be remembered.
//! So only one process at a time works on dead letters, the one that holds the spool. While `serve` runs it is `serve`,
//! between two delivery batches and on commands that lie beside the files. Otherwise it is `tamga dead-letters` itself.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

use super::command::{Command, DeadLetterError};
use super::dead_letters::{DeadLetterFile, DeadLetters};
use super::insert_batch::{InsertBatch, batch_value};
use super::inserter::{Inserter, Stopped};
use super::status::ShipStatus;
use crate::clock::Clock;
use crate::record::{self, Partition, Table};
use crate::spool::Outcomes;
use crate::store::Store;

/// How long one dead letter may take. The spool waits meanwhile.
const PATIENCE: Duration = Duration::from_secs(30);

/// Called for each dead letter that was replayed or dropped, with the command, the file's name and the outcomes of its rows.
pub type OnReplay = dyn Fn(Command, &str, &Outcomes) + Send + Sync;

/// The outcomes of the rows of a command.
pub(super) type Executed = Result<Outcomes, DeadLetterError>;

impl Inserter {
    /// Carries out a command. `open` are the tokens of the unfinished delivery batch.
    pub(super) async fn execute(&self, command: Command, name: &str, open: &[String]) -> Executed {
        if command == Command::Drop {
            return discard(&self.dead_letters, name, open);
        }
        check_settled(name, open)?;
        let file = self.dead_letters.read(name)?;
        let rows = self.dead_letters.rows(&file)?;
        let batch = batch_of(&file, &rows).ok_or(DeadLetterError::UnknownSchema)?;
        self.replay(name, Arc::new(batch)).await
    }

    async fn replay(&self, name: &str, batch: Arc<InsertBatch>) -> Executed {
        let delivered = match tokio::time::timeout(PATIENCE, self.deliver(Arc::clone(&batch), true)).await {
            Ok(Ok(delivered)) => delivered,
            Ok(Err(Stopped)) => return Err(DeadLetterError::Stopping),
            Err(_) => {
                let waiting_for = self.status.trouble().map(|trouble| trouble.message);
                self.status.clear(batch.topic());
                return Err(DeadLetterError::TooSlow { seconds: PATIENCE.as_secs(), waiting_for });
            }
        };
        self.dead_letters.remove(name).map_err(|error| DeadLetterError::NotRemoved { reason: error.to_string() })?;
        // Only now: until the old file is gone, the cuts of the new one must be remembered.
        if let Some(batch) = delivered.stored_in_pieces {
            let _ = self.tidy(&batch).await;
        }
        Ok(delivered.outcomes)
    }

    /// Carries out the commands that lie beside the files. Returns the outcomes of the rows that were sent again.
    pub(super) async fn execute_all(&self, open: &[String], on_replay: Option<&OnReplay>) -> Outcomes {
        let mut all = Outcomes::default();
        for (name, command) in self.dead_letters.commands().unwrap_or_default() {
            if !self.dead_letters.withdraw(&name) {
                continue; // The operator's program has stopped waiting and withdrawn it.
            }
            let executed = self.execute(command, &name, open).await;
            if let Ok(outcomes) = &executed {
                if command == Command::Replay {
                    all.add(outcomes);
                }
                if let Some(on_replay) = on_replay {
                    on_replay(command, &name, outcomes);
                }
            }
            if let Err(error) = self.dead_letters.answer(&name, &sentence(command, &executed)) {
                tracing::warn!(%error, file = name, "cannot answer a command about a dead letter");
            }
        }
        all
    }
}

/// The rows of a dead letter as an insert batch; `None` when this program does not know their columns.
fn batch_of(file: &DeadLetterFile, rows: &[Vec<u8>]) -> Option<InsertBatch> {
    let table = Table::ALL.into_iter().find(|table| table.name() == file.table)?;
    record::columns(table, file.schema_version).filter(|known| file.columns == **known)?;
    let mut hasher = blake3::Hasher::new_derive_key("tamga store 1: a dead letter once more");
    hasher.update(file.token.as_bytes());
    let rows = || file.rows.iter().map(|row| row.index as u64).zip(rows.iter().map(Vec::as_slice));
    for (index, bytes) in rows() {
        hasher.update(&index.to_le_bytes()).update(&(bytes.len() as u64).to_le_bytes()).update(bytes);
    }
    let hash = hasher.finalize();
    let token = hash.to_hex()[..32].to_owned();
    // The file does not say which of its rows came by one stream, so each row has a batch value of its own.
    let rows = rows().map(|(index, bytes)| (batch_value(&hash, index), bytes));
    let partition = Partition { table, day: file.day, until: file.until };
    InsertBatch::of_rows((partition, file.schema_version), token, 0, rows)
}

/// Deletes a dead letter, also a damaged one.
pub(super) fn discard(dead_letters: &DeadLetters, name: &str, open: &[String]) -> Executed {
    check_settled(name, open)?;
    let rows = match dead_letters.read(name) {
        Ok(file) => file.rows.len() as u64,
        Err(DeadLetterError::Damaged) => 0,
        Err(error) => return Err(error),
    };
    dead_letters.remove(name).map_err(|error| DeadLetterError::io("remove it", &error))?;
    Ok(Outcomes { dead_lettered: rows, ..Outcomes::default() })
}

/// Fails when the delivery batch of the dead letter, whose token is in the file's name, is unfinished.
fn check_settled(name: &str, open: &[String]) -> Result<(), DeadLetterError> {
    if open.iter().any(|token| name.contains(token.as_str())) { Err(DeadLetterError::Unsettled) } else { Ok(()) }
}

/// The outcome of a command as a sentence for the operator.
pub(super) fn sentence(command: Command, executed: &Executed) -> Result<String, DeadLetterError> {
    let outcomes = executed.as_ref().map_err(Clone::clone)?;
    Ok(match command {
        Command::Drop => format!("dropped {} rows", outcomes.dead_lettered),
        Command::Replay => format!(
            "{} rows stored, {} refused again, {} too old to keep",
            outcomes.stored, outcomes.dead_lettered, outcomes.expired
        ),
    })
}

/// Sends a dead letter again. The caller holds the spool meanwhile.
pub(super) async fn replay_alone(
    vault: Store,
    clock: Clock,
    dead_letters: DeadLetters,
    name: &str,
    open: &[String],
) -> Result<(String, Outcomes), DeadLetterError> {
    let (stop, (_silent, wake)) = (CancellationToken::new(), watch::channel(0));
    let inserter = Inserter { store: vault, clock, dead_letters, status: Arc::<ShipStatus>::default(), stop, wake };
    let executed = inserter.execute(Command::Replay, name, open).await;
    Ok((sentence(Command::Replay, &executed)?, executed?))
}

//! What an operator can read of dead letters and do with them, as text.
//!
//! The rows that are shown are pseudonymous: the vault would hold the same rows, under keys that are destroyed with their
//! day.

use std::fmt::Write as _;
use std::time::{Duration, Instant};

use jiff::Timestamp;

use super::command::{Command, DeadLetterError};
use super::dead_letters::DeadLetters;
use super::decode::{decode, hex};
use super::replay;
use crate::clock::Clock;
use crate::spool::Outcomes;
use crate::store::Store;

/// How long a command may lie before the operator reads that nobody takes it: a delivery batch may be under way.
const TAKEN_WITHIN: Duration = Duration::from_secs(30);

/// How long it may take then: longer than a replay may.
const ANSWER_WITHIN: Duration = Duration::from_secs(60);

/// Rows of one dead letter that are shown.
const SHOWN_ROWS: usize = 100;

/// The folder of dead letters, for an operator.
pub struct DeadLetterAdmin(DeadLetters);

impl DeadLetterAdmin {
    /// The folder in which a shipper keeps dead letters.
    pub fn new(dead_letters: DeadLetters) -> Self {
        Self(dead_letters)
    }

    /// A table of all dead letters: file, day, table, rows, reason of the first row, and time of the last write.
    pub fn list(&self) -> Result<String, DeadLetterError> {
        let names = self.0.names().map_err(|error| DeadLetterError::io("read the dead letters", &error))?;
        if names.is_empty() {
            return Ok("There are no dead letters.\n".to_owned());
        }
        let mut text = format!("{:<62} {:<10} {:<10} {:>6}  {:<36} since\n", "file", "day", "table", "rows", "reason");
        for name in names {
            let since = self.0.written_s(&name).ok().and_then(|written| Timestamp::from_second(written as i64).ok());
            let since = since.map_or_else(String::new, |time| time.strftime("%Y-%m-%d %H:%M UTC").to_string());
            let (day, table, rows, reason) = match self.0.read(&name) {
                Ok(file) => {
                    let reason = file.rows.first().map_or("none was refused", |row| row.reason.as_str()).to_owned();
                    (file.day.to_string(), file.table, file.rows.len(), reason)
                }
                Err(_) => (name[..10].to_owned(), "?".to_owned(), 0, "damaged".to_owned()),
            };
            let _ = writeln!(text, "{name:<62} {day:<10} {table:<10} {rows:>6}  {reason:<36} {since}");
        }
        Ok(text)
    }

    /// One dead letter: its table and day, and for each row the reason, the bytes, and the columns if they can be read.
    /// Returns the text and the number of rows in it.
    pub fn show(&self, name: &str) -> Result<(String, usize), DeadLetterError> {
        let file = self.0.read(name)?;
        let rows = self.0.rows(&file)?;
        let mut text = format!(
            "{} on {}, schema {}: {} refused rows. This is pseudonymous data; treat it like the vault.\n",
            file.table,
            file.day,
            file.schema_version,
            file.rows.len()
        );
        let columns: Vec<_> = file.columns.iter().map(String::as_str).collect();
        for (row, bytes) in file.rows.iter().zip(rows).take(SHOWN_ROWS) {
            let code = row.code.map_or_else(String::new, |code| format!(" ({code})"));
            let _ = writeln!(text, "\nrow {}: {}{code}\n  {}", row.index, row.reason, hex(&bytes));
            match decode(&columns, &bytes) {
                Some(shown) => shown.iter().for_each(|(column, value)| {
                    let _ = writeln!(text, "  {column:<16} {value}");
                }),
                None => text.push_str("  the bytes are not a row of this table\n"),
            }
        }
        if file.rows.len() > SHOWN_ROWS {
            let _ = writeln!(text, "\n… and {} more rows", file.rows.len() - SHOWN_ROWS);
        }
        Ok((text, file.rows.len().min(SHOWN_ROWS)))
    }

    /// Fails when there is no dead letter of this name. A damaged one exists.
    pub fn find(&self, name: &str) -> Result<(), DeadLetterError> {
        match self.0.read(name) {
            Err(error @ DeadLetterError::Absent { .. }) => Err(error),
            _ => Ok(()),
        }
    }

    /// Lets the process that holds the spool carry out a command, and waits for its answer.
    pub async fn command(&self, command: Command, name: &str) -> Result<String, DeadLetterError> {
        let left = self.0.command(name, command);
        left.map_err(|error| DeadLetterError::io("leave the command beside the dead letter", &error))?;
        let begun = Instant::now();
        loop {
            if let Some(answer) = self.0.take_answer(name) {
                return answer;
            }
            // A withdrawn command is not begun any more. If it was begun its answer comes, unless the program died.
            if begun.elapsed() > TAKEN_WITHIN && self.0.withdraw(name) {
                return Err(DeadLetterError::NotTaken);
            }
            if begun.elapsed() > TAKEN_WITHIN + ANSWER_WITHIN {
                return Err(DeadLetterError::NoAnswer);
            }
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
    }

    /// Deletes a dead letter. The caller holds the spool; `open` are the tokens of its unfinished delivery batch.
    pub fn drop_alone(&self, name: &str, open: &[String]) -> Result<(String, Outcomes), DeadLetterError> {
        let dropped = replay::discard(&self.0, name, open)?;
        Ok((replay::sentence(Command::Drop, &Ok(dropped))?, dropped))
    }

    /// Sends a dead letter again. The caller holds the spool; `open` are the tokens of its unfinished delivery batch.
    pub async fn replay_alone(
        &self,
        vault: Store,
        clock: Clock,
        name: &str,
        open: &[String],
    ) -> Result<(String, Outcomes), DeadLetterError> {
        replay::replay_alone(vault, clock, self.0.clone(), name, open).await
    }
}

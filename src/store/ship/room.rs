//! What an operator sees of dead letters and can do with them, as text.
//!
//! What is shown is pseudonymous data: the rows are those that the vault would hold, under keys that die with their day.

use std::fmt::Write as _;
use std::path::Path;
use std::time::{Duration, Instant};

use jiff::Timestamp;

use super::dead_letters::{DeadLetters, Order};
use super::decode::{decode, hex};
use super::replay;
use crate::clock::Clock;
use crate::spool::Outcomes;
use crate::store::Store;

/// How long an order may lie before it is said that nobody takes it: a round may be under way.
const TAKEN_WITHIN: Duration = Duration::from_secs(30);

/// How long it may take then: longer than a replay may.
const ANSWER_WITHIN: Duration = Duration::from_secs(60);

/// Rows that are shown of one letter.
const SHOWN_ROWS: usize = 100;

/// The folder of dead letters, for a person.
pub struct LetterRoom(DeadLetters);

impl LetterRoom {
    /// Of the folder in which a shipper keeps them.
    pub fn new(dir: &Path) -> Self {
        Self(DeadLetters::new(dir))
    }

    /// A table of all letters: file, day, table, rows, reason of the first row, and when it was last written.
    pub fn list(&self) -> Result<String, String> {
        let names = self.0.names().map_err(|error| format!("cannot read the dead letters: {error}"))?;
        if names.is_empty() {
            return Ok("There are no dead letters.\n".to_owned());
        }
        let mut text = format!("{:<62} {:<10} {:<10} {:>6}  {:<36} since\n", "file", "day", "table", "rows", "reason");
        for name in names {
            let since = self.0.written_s(&name).ok().and_then(|written| Timestamp::from_second(written as i64).ok());
            let since = since.map_or_else(String::new, |time| time.strftime("%Y-%m-%d %H:%M UTC").to_string());
            let (day, table, rows, reason) = match self.0.read(&name) {
                Ok(letter) => {
                    let reason = letter.rows.first().map_or("none was refused", |row| row.reason.as_str()).to_owned();
                    (letter.day.to_string(), letter.table, letter.rows.len(), reason)
                }
                Err(_) => (name[..10].to_owned(), "?".to_owned(), 0, "damaged".to_owned()),
            };
            let _ = writeln!(text, "{name:<62} {day:<10} {table:<10} {rows:>6}  {reason:<36} {since}");
        }
        Ok(text)
    }

    /// One letter: what it is of, and per row the reason, the bytes, and the columns where the bytes are a row.
    pub fn show(&self, name: &str) -> Result<String, String> {
        let letter = self.0.read(name).map_err(|error| error.to_string())?;
        let mut text = format!(
            "{} of {} on {}, schema {}: {} refused rows. This is pseudonymous data; treat it like the vault.\n",
            letter.table,
            letter.site,
            letter.day,
            letter.schema_version,
            letter.rows.len()
        );
        let columns: Vec<_> = letter.columns.iter().map(String::as_str).collect();
        for row in letter.rows.iter().take(SHOWN_ROWS) {
            let code = row.code.map_or_else(String::new, |code| format!(" ({code})"));
            let _ = writeln!(text, "\nrow {}: {}{code}\n  {}", row.index, row.reason, hex(&row.bytes));
            match decode(&columns, &row.bytes) {
                Some(shown) => shown.iter().for_each(|(column, value)| {
                    let _ = writeln!(text, "  {column:<16} {value}");
                }),
                None => text.push_str("  the bytes are not a row of this table\n"),
            }
        }
        if letter.rows.len() > SHOWN_ROWS {
            let _ = writeln!(text, "\n… and {} more rows", letter.rows.len() - SHOWN_ROWS);
        }
        Ok(text)
    }

    /// Whether there is such a letter; a sentence when not. One that is damaged is there.
    pub fn find(&self, name: &str) -> Result<(), String> {
        match self.0.read(name) {
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => Err(error.to_string()),
            _ => Ok(()),
        }
    }

    /// Has the process that holds the spool carry out an order, and waits for its answer.
    pub async fn order(&self, order: Order, name: &str) -> Result<String, String> {
        self.0.order(name, order).map_err(|error| format!("cannot leave the order beside the dead letter: {error}"))?;
        let begun = Instant::now();
        loop {
            if let Some(answer) = self.0.take_answer(name) {
                return answer;
            }
            // Once it is withdrawn it is not begun any more; if it was begun its answer comes, unless the program died.
            if begun.elapsed() > TAKEN_WITHIN && self.0.withdraw(name) {
                return Err("the running tamga does not take the order, because its shipping waits for something: \
                    `/readyz` says for what. Nothing was done"
                    .to_owned());
            }
            if begun.elapsed() > TAKEN_WITHIN + ANSWER_WITHIN {
                return Err("the order was begun, and no answer came. Give it again: nothing is doubled".to_owned());
            }
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
    }

    /// Deletes a letter, while no other process holds the spool; `open` are the tokens of its unfinished round.
    pub fn drop_alone(&self, name: &str, open: &[String]) -> Result<(String, Outcomes), String> {
        let dropped = replay::discard(&self.0, name, open)?;
        Ok((replay::sentence(Order::Drop, &Ok(dropped))?, dropped))
    }

    /// Sends a letter again, while no other process holds the spool; `open` are the tokens of its unfinished round.
    pub async fn replay_alone(
        &self,
        vault: Store,
        clock: Clock,
        name: &str,
        open: &[String],
    ) -> Result<(String, Outcomes), String> {
        replay::alone(vault, clock, self.0.clone(), name, open).await
    }
}

//! What an operator can have done with a dead letter, and why it may not be done.

use std::io;

use serde::{Deserialize, Serialize};

/// An operator's command about a dead letter.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Command {
    /// Send its rows again.
    Replay,
    /// Delete it.
    Drop,
}

impl Command {
    /// Its word in the command file.
    pub fn name(self) -> &'static str {
        match self {
            Self::Replay => "replay",
            Self::Drop => "drop",
        }
    }
}

/// Why a command about a dead letter was not carried out.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error, Serialize, Deserialize)]
pub enum DeadLetterError {
    /// There is no file of this name.
    #[error("there is no dead letter {name:?}: `tamga dead-letters list` shows those that are there")]
    Absent {
        /// The name that was asked for.
        name: String,
    },
    /// The first line or a row cannot be read.
    #[error("a line of it is damaged: it can only be dropped")]
    Damaged,
    /// The rows are encrypted under another key.
    #[error("its rows are encrypted under a key that is not in spool.key: append the former key to it and try again")]
    Key,
    /// The delivery batch of its rows is unfinished.
    #[error("its batch is not settled yet, so its rows may still change: try again when the spool has moved on")]
    Unsettled,
    /// This program does not know the columns of its rows.
    #[error("its rows are of a schema that this program does not know: use the version that wrote it")]
    UnknownSchema,
    /// The program stops.
    #[error("the program is stopping; nothing is lost, replay it again")]
    Stopping,
    /// The vault did not take the rows in time.
    #[error(
        "it took longer than {seconds} s{}. Nothing is lost or doubled: replay it again",
        waiting_for.as_ref().map_or_else(String::new, |reason| format!(": {reason}"))
    )]
    TooSlow {
        /// The time limit.
        seconds: u64,
        /// What the shipper waited for.
        waiting_for: Option<String>,
    },
    /// The rows were sent, and the file is still there.
    #[error("its rows are sent, and it cannot be removed: {reason}. Replay it again, nothing is doubled")]
    NotRemoved {
        /// What the system reports.
        reason: String,
    },
    /// The running collector does not take the command.
    #[error(
        "the running tamga does not take the command, because its shipper waits for something: `/readyz` says for what. \
         Nothing was done"
    )]
    NotTaken,
    /// The running collector took the command and did not answer.
    #[error("the command was begun, and no answer came. Give it again: nothing is doubled")]
    NoAnswer,
    /// The folder or a file fails.
    #[error("cannot {doing}: {reason}. Look at the folder dead-letters in [data] dir and its disk")]
    Disk {
        /// What was attempted.
        doing: String,
        /// What the system reports.
        reason: String,
    },
}

impl DeadLetterError {
    pub(super) fn io(doing: &str, error: &io::Error) -> Self {
        Self::Disk { doing: doing.to_owned(), reason: error.to_string() }
    }
}

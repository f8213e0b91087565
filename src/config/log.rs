//! The settings of the log and of the audit log.

use std::path::PathBuf;

use serde::Deserialize;

/// The log, which goes to standard error. `TAMGA_LOG` in the environment says what is logged.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Log {
    /// The form of a line: `text`, or `json` with an object a line. Default `text`: people read it.
    pub format: LogFormat,
}

/// The form of a line of the log.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum LogFormat {
    /// For people.
    #[default]
    Text,
    /// For programs.
    Json,
}

/// The audit log, `audit.jsonl` in `[data] dir`.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct AuditLog {
    /// The file of chain heads, which shows that a log was cut off or rewritten; better on another volume than the log.
    /// Default: `audit.heads` in `[data] dir`.
    pub heads_file: Option<PathBuf>,
}

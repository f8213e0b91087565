//! Why a window could not be published.

use std::path::{Path, PathBuf};

/// Why a window could not be published now. It is tried again.
#[derive(Debug, thiserror::Error)]
pub enum PublishError {
    /// A store refused a request or did not answer.
    #[error("publishing failed while {doing}: {source}. It is tried again.")]
    Store {
        /// What the publisher was doing.
        doing: &'static str,
        source: Box<dyn std::error::Error + Send + Sync>,
    },
    /// A file of the publisher cannot be read or written.
    #[error("the publisher's file {path}: {source}. Look at its owner and at the free disk space; it is tried again.", path = path.display())]
    File {
        path: PathBuf,
        /// The error of the operating system.
        source: std::io::Error,
    },
    /// The store confirmed an insert but does not have the rows.
    #[error("the stats store confirmed an insert into `{table}` and has no row of it. It is tried again.")]
    NotKept { table: String },
    /// The vault has rows in a partition that is no day.
    #[error(
        "the vault's table `{table}` has the partition {partition}, whose form is not known: its rows are not deleted on time. \
         Another program or version has made it; drop it, or run the version that knows it"
    )]
    UnknownPartition { table: String, partition: String },
    /// The configuration of a site gives no windows.
    #[error("site {domain}: {message}")]
    Site { domain: String, message: String },
}

impl PublishError {
    pub(super) fn store(doing: &'static str, source: impl std::error::Error + Send + Sync + 'static) -> Self {
        Self::Store { doing, source: Box::new(source) }
    }

    pub(super) fn file(path: &Path, source: std::io::Error) -> Self {
        Self::File { path: path.to_owned(), source }
    }
}

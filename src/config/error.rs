//! The errors of a configuration: each is a sentence that names the place and what to do.

use std::path::{Path, PathBuf};

/// A configuration that cannot be used, and what to do about it.
#[derive(Debug, thiserror::Error)]
pub enum ConfigError {
    /// The file cannot be read.
    #[error(
        "cannot read the configuration {path}: {cause}. Give its place with --config FILE; `tamga config example` prints one",
        path = path.display()
    )]
    Unreadable {
        /// Which file.
        path: PathBuf,
        /// What the system said. It is in the message, hence not a source.
        cause: std::io::Error,
    },
    /// At least one sentence, each about one error.
    #[error("{}", .0.join("\n"))]
    Invalid(Vec<String>),
}

/// Collects the errors of the checks, so that all of them can be shown at once.
pub(super) struct Errors<'a> {
    path: &'a Path,
    /// What precedes each key, such as `site[0].`.
    pub(super) prefix: String,
    pub(super) sentences: Vec<String>,
}

impl<'a> Errors<'a> {
    pub(super) fn new(path: &'a Path) -> Self {
        Self { path, prefix: String::new(), sentences: Vec::new() }
    }

    /// Adds an error about the file as a whole. The message says where and what.
    pub(super) fn add(&mut self, message: &str) {
        self.sentences.push(format!("the configuration {} is not right: {message}", self.path.display()));
    }

    /// Adds an error about `key` unless the check `holds`. The message says what is wrong and what to do.
    pub(super) fn require(&mut self, holds: bool, key: &str, message: &str) {
        if !holds {
            self.add(&format!("{}{key}: {message}", self.prefix));
        }
    }
}

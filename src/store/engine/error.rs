//! Why an embedded engine, or a store on it, is not there.

use std::path::PathBuf;

use crate::store::error::StoreError;

/// Why an engine does not run.
#[derive(Clone, Debug, thiserror::Error)]
pub enum EngineError {
    /// The program is not there, or may not be run.
    #[error("cannot run {}: {reason}. Build it (`cargo build`), or name it in [engine] program", program.display())]
    Program {
        /// Which program.
        program: PathBuf,
        /// What the system said.
        reason: String,
    },
    /// Its folder cannot be made.
    #[error("cannot make the folder {} of the {name} engine: {reason}", folder.display())]
    Folder {
        /// Which engine.
        name: &'static str,
        /// Which folder.
        folder: PathBuf,
        /// What the system said.
        reason: String,
    },
    /// It ended before it listened; its own words follow.
    #[error("the {name} engine did not start: {sentence}")]
    Start {
        /// Which engine.
        name: &'static str,
        /// The engine's own words.
        sentence: String,
    },
    /// It neither listened nor ended.
    #[error("the {name} engine did not come to listen in time; its log is above")]
    Slow {
        /// Which engine.
        name: &'static str,
    },
    /// The password cannot be read or made.
    #[error("cannot read or make the engines' password {}: {reason}", file.display())]
    Password {
        /// Which file.
        file: PathBuf,
        /// What the system said.
        reason: String,
    },
}

/// No store on an embedded engine.
#[derive(Clone, Debug, thiserror::Error)]
pub enum SupervisorError {
    /// The engine does not run.
    #[error(transparent)]
    Engine(#[from] EngineError),
    /// The store's address is not one.
    #[error(transparent)]
    Store(#[from] StoreError),
}

//! A spool that no process has open: its lock, and what its state says.

use std::io;
use std::path::Path;

use super::delivery::token;
use super::io::{Io, Lock};
use super::state::{Slots, State};

/// The tokens of the batches of the delivery batch that is not finished.
pub(super) fn tokens(state: &State) -> Vec<String> {
    state.open.iter().flat_map(|open| &open.batches).map(token).collect()
}

/// A spool that no process has open. Holding it keeps other processes from opening it.
pub struct Idle {
    /// The tokens of the batches of the delivery batch that is not finished.
    pub open_tokens: Vec<String>,
    _held: Lock,
}

/// Holds a spool without opening it; `None` when a process works on it. A folder without a spool is made.
pub fn hold(dir: &Path, io: &dyn Io) -> io::Result<Option<Idle>> {
    io.create_dir_all(dir)?;
    let Some(held) = io.lock(&dir.join("lock"))? else { return Ok(None) };
    let (_, state) = Slots::load(dir, io)?;
    let open_tokens = state.map(|loaded| tokens(&loaded.state)).unwrap_or_default();
    Ok(Some(Idle { open_tokens, _held: held }))
}

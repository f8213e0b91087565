//! The account that people use on this engine, beside the service: the analyst of published numbers, or break-glass on the
//! vault. Both are under the same rules and in the same sandbox; what differs is the name and the database.
//!
//! It is chosen once, before the engine starts: a process serves one store.

use std::sync::OnceLock;

/// An account of people.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Reader {
    /// The user's name.
    pub(crate) user: &'static str,
    /// The only database that it reads.
    pub(crate) database: &'static str,
}

/// Analysts of published numbers.
const ANALYST: Reader = Reader { user: "analyst", database: "tamga_stats" };
/// The audited way to rows of the vault. The collector's verb uses it.
const BREAK_GLASS: Reader = Reader { user: "break-glass", database: "tamga_vault" };

static BREAKS_GLASS: OnceLock<()> = OnceLock::new();

/// Makes break-glass the account of this process. Call it before the engine starts.
pub(crate) fn break_glass() {
    BREAKS_GLASS.get_or_init(|| ());
}

/// The account of this process.
pub(crate) fn reader() -> &'static Reader {
    if BREAKS_GLASS.get().is_some() { &BREAK_GLASS } else { &ANALYST }
}

/// The database of this process's account.
pub(crate) fn database() -> &'static str {
    reader().database
}

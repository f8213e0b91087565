//! What an analyst sends to the engine: splitting, rewriting and judging never panic, and what they let through has its form.
//! The modules are the program's own, which declares them at its root.

use crate::statement::{Split, begins_with_bracket, first_word, format_clause, has_word, split, words};
use crate::{ast, show_statements};

/// The kinds of node of which a statement that changes something consists.
const ACTS: [&str; 8] = [
    "InsertQuery",
    "CreateQuery",
    "DropQuery",
    "AlterQuery",
    "SystemQuery",
    "KillQueryQuery",
    "RenameQuery",
    "UseQuery",
];

/// A text: as a statement, and as the engine's dump of one.
pub(crate) fn run(data: &[u8]) {
    for complete in [true, false] {
        match split(data, complete) {
            Split::Insert { sql, data: at, .. } => assert!(sql <= at && at <= data.len()),
            Split::NeedMore => assert!(!complete, "nothing follows"),
            _ => (),
        }
    }
    if let Some(clause) = format_clause(data) {
        assert!(clause.start < clause.end && clause.end <= data.len());
    }
    has_word(data, "SETTINGS");
    first_word(data);
    begins_with_bracket(data);
    if let Some(Ok(rewritten)) = words(data).map(|words| show_statements::rewrite(&words)) {
        assert!(["SHOW", "EXISTS"].iter().any(|head| rewritten.trim_start().starts_with(head)), "{rewritten}");
        // A pattern is a literal without escapes, so that each second part is within quotes.
        assert!(rewritten.split('\'').count() % 2 == 1, "{rewritten}");
        assert!(rewritten.split('\'').step_by(2).all(|outside| !outside.contains(';')), "{rewritten}");
    }
    let dump = String::from_utf8_lossy(data);
    let databases = ["tamga_stats".to_owned(), "system".to_owned()];
    let judged = ast::check(&dump, |name| name == "count", &databases);
    for act in ACTS {
        let spoiled = format!("{dump}\n {act} (children 1)");
        assert!(ast::check(&spoiled, |name| name == "count", &databases).is_err(), "{act} passes");
    }
    assert!(judged.is_err() || !dump.trim_matches('\n').is_empty(), "an empty dump passes");
}

//! The repository as text: its tracked files, and the parts of a Markdown document. Tests run in the repository's root.

use std::path::Path;
use std::process::Command;
use std::sync::OnceLock;

/// The paths that git tracks, in order.
pub(crate) fn tracked() -> &'static [String] {
    static PATHS: OnceLock<Vec<String>> = OnceLock::new();
    PATHS.get_or_init(|| {
        let output = Command::new("git").args(["-c", "safe.directory=*", "ls-files", "-z"]).output();
        let output = output.expect("git is there: the tests read the list of tracked files from it");
        assert!(output.status.success(), "git ls-files: {}", String::from_utf8_lossy(&output.stderr));
        let names = String::from_utf8(output.stdout).unwrap();
        // What is deleted and not yet committed is still listed.
        names.split_terminator('\0').map(str::to_owned).filter(|path| Path::new(path).exists()).collect()
    })
}

/// Every tracked file that is text, but those whose path begins with one of `without`.
pub(crate) fn tracked_texts(without: &[&str]) -> Vec<(String, String)> {
    let is_text = |path: &str| !path.ends_with(".svg") && !path.ends_with("package-lock.json");
    let wanted = |path: &&String| !without.iter().any(|prefix| path.starts_with(prefix)) && is_text(path);
    let read = |path: &String| Some((path.clone(), std::fs::read_to_string(path).ok()?));
    tracked().iter().filter(wanted).filter_map(read).collect()
}

/// Whether a file, or a folder with files, is tracked under this path.
pub(crate) fn is_there(path: &str) -> bool {
    let path = path.trim_end_matches('/');
    tracked().iter().any(|file| file.strip_prefix(path).is_some_and(|rest| rest.is_empty() || rest.starts_with('/')))
}

/// The lines under a heading of a document, up to the next heading of the same level or a higher one.
pub(crate) fn section(file: &str, heading: &str) -> String {
    let text = std::fs::read_to_string(file).unwrap_or_else(|error| panic!("{file}: {error}"));
    let level = |line: &str| line.chars().take_while(|c| *c == '#').count();
    let mut lines = text.lines().skip_while(|line| level(line) == 0 || line.trim_start_matches('#').trim() != heading);
    let own = level(lines.next().unwrap_or_else(|| panic!("{file} has no section {heading:?}")));
    let inside = lines.take_while(|line| level(line) == 0 || level(line) > own);
    inside.map(|line| format!("{line}\n")).collect()
}

/// The cells of each row of the tables in a text, without the headings.
pub(crate) fn table_rows(text: &str) -> Vec<Vec<String>> {
    let cells = |line: &str| -> Vec<String> {
        let cells = line.trim().trim_matches('|').replace("\\|", "\u{0}");
        cells.split('|').map(|cell| cell.trim().replace('\0', "|")).collect()
    };
    let lines: Vec<&str> = text.lines().collect();
    let is_rule = |line: &&str| line.starts_with("|-") || line.starts_with("| -");
    let is_row =
        |at: &usize| lines[*at].starts_with('|') && !is_rule(&lines[*at]) && !lines.get(at + 1).is_some_and(&is_rule);
    (0..lines.len()).filter(is_row).map(|at| cells(lines[at])).collect()
}

/// The texts between single backticks.
pub(crate) fn code_spans(text: &str) -> Vec<String> {
    text.split('`').skip(1).step_by(2).map(str::to_owned).collect()
}

//! Annotations: what happened on a day of a site, such as a deploy or a campaign, from a file of the operator
//! (`[server] annotations_file`, TOML). The page shows them beside the numbers to whom the site is shown.
//!
//! The file is read for each page, so that a line that is added needs no restart. A file that is wrong as a whole or in one
//! line gives nothing, and the page and `tamga config check` say so: half of the annotations would mislead.

use std::fs::File;
use std::io::Read as _;
use std::path::Path;

use jiff::civil::Date;
use serde::{Deserialize, Serialize};

/// The largest file, in bytes.
const FILE_MAX: u64 = 256 * 1024;
/// The longest text, in characters: one line beside a graph.
const TEXT_MAX: usize = 120;

/// A sentence about a day of a site's calendar.
#[derive(Deserialize, Serialize, Debug, PartialEq)]
#[serde(deny_unknown_fields)]
pub(super) struct Note {
    #[serde(skip_serializing)]
    site: String,
    /// As `2026-11-29`.
    day: String,
    text: String,
}

impl Note {
    pub(super) fn is_of(&self, site: &str) -> bool {
        self.site == site
    }
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Written {
    #[serde(default)]
    annotation: Vec<Note>,
}

/// The annotations of a file, by day; or what is wrong with it, for the operator.
pub(super) fn read(path: &Path) -> Result<Vec<Note>, String> {
    let mut text = String::new();
    let file = File::open(path).map_err(|error| format!("{}: {error}", path.display()))?;
    file.take(FILE_MAX + 1).read_to_string(&mut text).map_err(|error| format!("{}: {error}", path.display()))?;
    if text.len() as u64 > FILE_MAX {
        return Err(format!("{} is larger than {FILE_MAX} bytes", path.display()));
    }
    parse(&text).map_err(|error| format!("{}: {error}", path.display()))
}

fn parse(text: &str) -> Result<Vec<Note>, String> {
    let Written { annotation: mut notes } = toml::from_str(text).map_err(|error| error.to_string())?;
    for Note { day, text, .. } in &notes {
        if day.len() != 10 || day.parse::<Date>().is_err() {
            return Err("a day is not written as 2026-11-29".to_owned());
        }
        if text.trim().is_empty() || text.chars().count() > TEXT_MAX || text.chars().any(char::is_control) {
            return Err(format!("the text of {day} is not one line of at most {TEXT_MAX} characters"));
        }
    }
    notes.sort_by(|one, other| one.day.cmp(&other.day));
    Ok(notes)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn annotations_are_sentences_about_days_in_order() {
        let text = "[[annotation]]\nsite = \"a.kz\"\nday = \"2026-11-20\"\ntext = \"<b>Campaign</b>\"\n\
                    [[annotation]]\nsite = \"b.kz\"\nday = \"2026-11-05\"\ntext = \"Жаңа нұсқа\"\n";
        let notes = parse(text).unwrap();
        assert_eq!(notes.iter().map(|note| note.text.as_str()).collect::<Vec<_>>(), ["Жаңа нұсқа", "<b>Campaign</b>"]);
        assert!(notes[0].is_of("b.kz") && !notes[0].is_of("a.kz"));
        assert_eq!(parse("").unwrap(), []);
        assert_eq!(
            serde_json::to_value(&notes[0]).unwrap(),
            serde_json::json!({ "day": "2026-11-05", "text": "Жаңа нұсқа" })
        );
    }

    #[test]
    fn a_file_with_anything_wrong_gives_nothing() {
        let long = "x".repeat(TEXT_MAX + 1);
        for (site, day, text) in [
            ("a.kz", "2026-02-30", "no such day"),
            ("a.kz", "yesterday", "no day"),
            ("a.kz", "2026-02-03", " "),
            ("a.kz", "2026-02-03", "two\\nlines"),
            ("a.kz", "2026-02-03", &long),
        ] {
            let written = format!("[[annotation]]\nsite = \"{site}\"\nday = \"{day}\"\ntext = \"{text}\"\n");
            assert!(parse(&written).is_err(), "{written}");
        }
        assert!(parse("[[annotation]]\nsite = \"a.kz\"\nday = \"2026-02-03\"\n").is_err());
        assert!(parse("[[note]]\n").is_err());
    }

    #[test]
    fn a_file_is_not_read_without_end() {
        assert!(read(Path::new("/dev/zero")).is_err());
        assert!(read(Path::new("/nonexistent/annotations.toml")).is_err());
    }
}

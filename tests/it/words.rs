//! Is each thing called by one word? The old words stand in a table of CHANGELOG.md and nowhere else, and the glossary
//! names only modules and files that exist.
//!
//! The table has the columns old, new, only in. Each code span of `old` is a regular expression that matches whole words.
//! One of small letters ignores case, and sees `OnePair` and `one_pair` as two words. One with a capital or an underscore is
//! compared as it is written. `only in` limits the words of a row to paths that begin so, where the rest of the language needs the word.

use regex::{Regex, RegexBuilder};

use crate::support::repository::{code_spans, is_there, section, table_rows, tracked_texts};

/// Texts that are data: lists from elsewhere, the planted words of tests, corpora, licences.
const DATA: &[&str] = &[
    "CHANGELOG.md",
    "Cargo.lock",
    "LICENSE",
    "crates/demo/geo/networks.csv",
    "fuzz/corpus/",
    "proptest-regressions/",
    "schema/lists/",
    "src/enrich/bots/LICENSE",
    "src/enrich/bots/patterns.txt",
    "src/enrich/referrer/hosts.txt",
    "src/privacy/scrub/words.txt",
    "tests/fixtures/analyst/",
    "tests/fixtures/words/",
];

struct OldWord {
    pattern: Regex,
    is_exact: bool,
    instead: String,
    only_in: Vec<String>,
}

fn old_words() -> Vec<OldWord> {
    let mut words = Vec::new();
    for row in table_rows(&section("CHANGELOG.md", "Words")) {
        let [old, new, only_in] = &row[..] else { panic!("the table of words has three columns: {row:?}") };
        for written in code_spans(old) {
            let is_exact = written.contains(|c: char| c.is_ascii_uppercase() || c == '_');
            let pattern = RegexBuilder::new(&format!(r"\b(?:{written})\b")).case_insensitive(!is_exact).build();
            let pattern = pattern.unwrap_or_else(|error| panic!("CHANGELOG.md, {old}: {error}"));
            words.push(OldWord { pattern, is_exact, instead: new.clone(), only_in: code_spans(only_in) });
        }
    }
    assert!(words.len() > 40, "the table of words in CHANGELOG.md was not understood: {} words", words.len());
    words
}

/// `OnePair` and `one_pair` as two words each. The name of ClickHouse is one word.
fn apart(text: &str) -> String {
    let mut words = String::with_capacity(text.len() + text.len() / 8);
    let mut before = ' ';
    for c in text.replace("ClickHouse", "Clickhouse").chars() {
        if before.is_ascii_lowercase() && c.is_ascii_uppercase() {
            words.push(' ');
        }
        words.push(if c == '_' { ' ' } else { c });
        before = c;
    }
    words
}

#[test]
fn no_old_word_is_used_outside_of_the_changelog() {
    let words = old_words();
    let mut found = Vec::new();
    for (path, text) in tracked_texts(DATA) {
        let (exact, split) = (format!("{path}\n{text}"), apart(&format!("{path}\n{text}")));
        for word in words.iter().filter(|w| w.only_in.is_empty() || w.only_in.iter().any(|p| path.starts_with(p))) {
            let searched = if word.is_exact { &exact } else { &split };
            for hit in word.pattern.find_iter(searched) {
                // The first line is the path itself.
                let line = searched[..hit.start()].matches('\n').count();
                found.push(format!("{path}:{line}: {:?}; say {}", hit.as_str(), word.instead));
            }
        }
    }
    assert!(found.is_empty(), "{} old words (CHANGELOG.md has the table):\n{}", found.len(), found.join("\n"));
}

#[test]
fn the_glossary_names_modules_and_files_that_exist() {
    let text = std::fs::read_to_string("docs/glossary.md").unwrap();
    let module = Regex::new(r"module `([a-z_/]+)`").unwrap();
    let mut missing: Vec<String> = module.captures_iter(&text).map(|m| m[1].to_owned()).collect();
    missing.extend(code_spans(&text).into_iter().filter(|span| span.contains('/') && !span.contains(' ')));
    assert!(missing.len() >= 3, "{missing:?}");
    missing.retain(|name| !is_there(&format!("src/{name}")) && !is_there(&format!("src/{name}.rs")) && !is_there(name));
    assert!(missing.is_empty(), "docs/glossary.md names modules or files that are not there: {missing:?}");
}

#[test]
fn a_word_is_found_in_names_of_both_styles_and_not_inside_of_others() {
    let word = RegexBuilder::new(r"\bpairs?\b").case_insensitive(true).build().unwrap();
    for text in ["OnePair", "one_pair", "a pair.", "PAIR"] {
        assert!(word.is_match(&apart(text)), "{text}");
    }
    assert!(!word.is_match(&apart("repairs ClickHouse")) && apart("ClickHouse") == "Clickhouse");
}

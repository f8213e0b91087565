//! Does each promise of docs/publishing.md have tests, and do these run? The document lists them. Not examined: whether a test fails without
//! its promise; who writes the test tries that.

use std::collections::BTreeSet;

use crate::support::repository::{code_spans, section, table_rows, tracked_texts};

const DOCUMENT: &str = "docs/publishing.md";

/// The names of all tests that `make test` runs.
pub(super) fn tests() -> BTreeSet<String> {
    let mut names = BTreeSet::new();
    for (_, text) in tracked_texts(&[]).into_iter().filter(|(path, _)| path.ends_with(".rs")) {
        let lines: Vec<_> = text.lines().map(str::trim).collect();
        for (at, _) in lines
            .iter()
            .enumerate()
            .filter(|(_, line)| ["#[test]", "#[tokio::test"].iter().any(|of| line.starts_with(of)))
        {
            let head: Vec<_> = lines[at + 1..].iter().take_while(|line| line.starts_with("#[")).collect();
            let name = lines.get(at + 1 + head.len()).and_then(|line| line.split_once("fn ")?.1.split('(').next());
            if head.iter().all(|line| !line.starts_with("#[ignore")) {
                names.extend(name.map(str::to_owned));
            }
        }
    }
    names
}

#[test]
fn every_promise_of_the_publisher_has_tests_that_run() {
    let (tests, list) = (tests(), table_rows(&section(DOCUMENT, "Which test fails without it")));
    assert!(tests.len() > 500 && list.len() > 25, "{} tests, {} promises", tests.len(), list.len());
    let named = list.iter().flat_map(|row| code_spans(&row[1]));
    let missing: Vec<_> = named.filter(|name| !tests.contains(name)).collect();
    assert!(missing.is_empty(), "no tests: {missing:?}");
    assert!(list.iter().all(|row| !code_spans(&row[1]).is_empty()), "a promise without a test: {list:?}");
    // Each of the rules is one of them.
    for rule in table_rows(&section(DOCUMENT, "The rules")) {
        assert!(list.iter().any(|row| row[0].starts_with(&rule[0])), "{} is in no line of the list", rule[0]);
    }
}

//! The rules by which an identifier is known, as data: each with an example that it must find and one that it must leave.
//!
//! A rule reads the canonical form of a text (`decode`), one ASCII byte for each character, so that it need not know how
//! the text was written. It is asked only where the text has enough of what it looks for ([`Census`]), which of most texts
//! leaves no rule. Patterns are run by automata, in time proportional to the text. Numbers have rules of their own
//! (`digits`).

use std::ops::Range;
use std::sync::LazyLock;

use regex::bytes::{Regex, RegexBuilder};

use super::census::Census;
use super::decode::{self, Canonical};
use super::patterns::RULES;
use super::rule::{Check, Find, Found, Rule, Scan};
use super::{announced, digits, token};

/// What runs a rule.
enum Runner {
    Pattern(Regex, Check),
    Scan(Scan),
}

static RUNNERS: LazyLock<Vec<(&'static Rule, Runner)>> = LazyLock::new(|| {
    let runner = |rule: &'static Rule| match rule.find {
        Find::Pattern(source, check) => {
            let regex = RegexBuilder::new(source).case_insensitive(true).unicode(false).build();
            (rule, Runner::Pattern(regex.expect("the patterns above are tested"), check))
        }
        Find::Scan(scan) => (rule, Runner::Scan(scan)),
        Find::Encoded => (rule, Runner::Scan(|text, found| token::encoded(text, identifies_plainly, found))),
    };
    RULES.iter().map(runner).collect()
});

/// Runs the rules that may find anything in a canonical text.
fn run(ascii: &str, census: &Census, only: impl Fn(&Rule) -> bool, found: &mut dyn FnMut(Range<usize>, &'static str)) {
    for (rule, runner) in RUNNERS.iter().filter(|(rule, _)| (rule.needs)(census) && only(rule)) {
        match runner {
            Runner::Pattern(regex, check) => {
                let matches = regex.find_iter(ascii.as_bytes()).map(|found| found.range());
                matches.filter(|range| check(&ascii[range.clone()])).for_each(|range| found(range, rule.name));
            }
            Runner::Scan(scan) => scan(ascii, &mut |range| found(range, rule.name)),
        }
    }
}

/// Calls `found` with every range that some rule of those in question finds, and with those of the digits.
fn run_all(ascii: &str, only: impl Fn(&Rule) -> bool, mut found: impl FnMut(Range<usize>, &'static str)) {
    let census = Census::of(ascii);
    run(ascii, &census, only, &mut found);
    if census.digits > digits::RUN_MAX {
        digits::scan(ascii, found);
    }
}

/// Every range of a canonical text that some rule finds, those of the digits included; in no order, overlapping.
pub(super) fn find(text: &Canonical) -> Vec<Found> {
    let mut all = Vec::new();
    run_all(&text.ascii, |_| true, |range, name| all.push(Found { range, name }));
    announced::find(text, &mut all);
    all
}

/// Whether any rule finds anything.
pub(super) fn any(text: &Canonical) -> bool {
    let mut any = false;
    run_all(&text.ascii, |_| true, |_, _| any = true);
    any || announced::any(text)
}

/// Whether words or segments, put together without what stood between them, make up an identifier.
pub(super) fn any_joined(joined: &str) -> bool {
    let mut any = false;
    run(joined, &Census::of(joined), |rule| rule.joins, &mut |_, _| any = true);
    any
}

/// What was in base64 or hexadecimal is not decoded again.
fn identifies_plainly(decoded: &str) -> bool {
    let mut any = false;
    let only = |rule: &Rule| !matches!(rule.name, "encoded" | "token" | "spelled");
    run_all(&decode::canonical(decoded), only, |_, _| any = true);
    any
}

/// Short words in small letters, which no rule could find anything in.
pub(super) fn is_plain(text: &str) -> bool {
    const PLAIN_MAX: usize = 64;
    let is_word = |word: &[u8]| word.len() < 12 && !matches!(word, b"at" | b"sobaka" | b"sobachka");
    let mut start = 0;
    for (at, byte) in text.bytes().enumerate() {
        match byte {
            b'a'..=b'z' => (),
            b'-' | b'_' | b'.' if is_word(&text.as_bytes()[start..at]) => start = at + 1,
            _ => return false,
        }
    }
    text.len() <= PLAIN_MAX && is_word(&text.as_bytes()[start..])
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names(text: &str) -> Vec<&'static str> {
        find(&Canonical::of(text)).into_iter().map(|found| found.name).collect()
    }

    #[test]
    fn every_rule_finds_and_leaves_its_examples() {
        for rule in RULES {
            assert!(!rule.finds.is_empty() && !rule.leaves.is_empty(), "{} has no examples", rule.name);
            for example in rule.finds {
                assert!(finds(rule, example), "{} misses {example}", rule.name);
            }
            for example in rule.leaves {
                assert!(!finds(rule, example), "{} takes {example}", rule.name);
            }
        }
    }

    fn finds(rule: &Rule, text: &str) -> bool {
        let ascii = decode::canonical(text);
        let mut any = false;
        run(&ascii, &Census::of(&ascii), |other| std::ptr::eq(other, rule), &mut |_, _| any = true);
        any
    }

    #[test]
    fn what_is_plain_is_found_by_no_rule() {
        for text in ["tariffs", "getting-started", "faq.html", "how_to_pay", ""] {
            assert!(is_plain(text) && names(text).is_empty(), "{text}");
        }
        for text in ["Tariffs", "v2", "a@b", "internationalization", "тарифы"] {
            assert!(!is_plain(text), "{text}");
        }
    }

    #[test]
    fn an_identifier_cut_into_pieces_is_found_when_they_are_joined() {
        for joined in
            ["ODUwMTAxMzAwMTI0", "KZ86125KZT5004100100", "0b8f1c2e4d5a4c3b9e8faabbccddeeff", "aigerim@mail.kz"]
        {
            assert!(any_joined(joined), "{joined}");
            assert!(any_joined(&format!("docs{joined}")), "{joined}");
        }
        assert!(!any_joined("docsgettingstarted20260715iphone15"));
    }

    proptest::proptest! {
        #[test]
        fn ranges_are_within_the_text(text in "(\\PC|[0-9a-fA-F@:. /=-]){0,300}") {
            let canonical = Canonical::of(&text);
            for found in find(&canonical) {
                proptest::prop_assert!(found.range.start < found.range.end && found.range.end <= canonical.chars.len());
            }
        }
    }
}

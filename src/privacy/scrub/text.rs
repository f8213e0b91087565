//! Free text as a template: what was searched for, or what went wrong, and not by whom.
//!
//! Words stay. What a rule finds becomes a placeholder such as `<email>`, `<iin>` or `<number>`; in an error message so does
//! what differs from one visitor to the next (`errors`). A template has a bounded number of characters and at most eleven
//! digits: an identifier of twelve does not fit.

use super::decode::{self, Canonical};
use super::errors;
use super::rule::Found;
use super::rules;
use super::token::pronounceable;

/// The longest text that is looked at, in bytes; what is beyond is not kept.
pub(super) const INPUT_MAX: usize = 4096;
/// The longest search term, in characters. A longer text is not a search for a page.
const TERM_MAX: usize = 96;
/// The longest template of an error message, in characters.
const ERROR_MAX: usize = 256;
/// More digits than these in all, and every number is replaced.
const DIGITS_MAX: usize = 11;
/// Words with more characters are not words.
const WORD_MAX: usize = 64;
/// The shortest word in capitals that is known for one, and how many percent of its letters must be neighbours in words.
const WORD_MIN: usize = 4;
const WORD_SHARE: usize = 75;
/// A text that cannot be read.
pub(super) const UNREADABLE: &str = "<unreadable>";

/// What was searched for, in small letters, since `iPhone` and `iphone` are one term: `None` when that is nothing, else at
/// most 96 characters. Numbers of fewer than six digits stay (`iphone 15`); what a rule finds is a placeholder.
pub fn search_term(raw: &str) -> Option<String> {
    let term = template(raw, |_, _| ());
    let term = shortened(term.to_lowercase().split_whitespace(), TERM_MAX);
    (!term.is_empty()).then_some(term)
}

/// What went wrong, as one template for all whom it befell: at most 256 characters, in which quoted text, URLs, paths,
/// numbers and hexadecimal are placeholders, and so is what a rule finds. A status (`HTTP 404`) and the name of a property
/// (`reading 'map'`) stay: they are the program's. Empty when the message is.
pub fn error_template(raw: &str) -> String {
    shortened(template(raw, errors::find).split_whitespace(), ERROR_MAX)
}

/// The text with placeholders in the place of what the rules and `more` find.
fn template(raw: &str, more: fn(&Canonical, &mut Vec<Found>)) -> String {
    let (raw, cut) = bounded(raw);
    let Some(text) = decode::unescape(raw).or_else(|| only_percent_signs(raw)) else { return UNREADABLE.to_owned() };
    let canonical = Canonical::of(&text);
    let mut found = rules::find(&canonical);
    if found.is_empty() && hides_when_joined(&canonical) {
        return "<encoded>".to_owned();
    }
    more(&canonical, &mut found);
    long_words(&canonical, &mut found);
    let mut kept = replace(&canonical, merge(found.clone()));
    if kept.digits > DIGITS_MAX {
        numbers(&canonical, &mut found);
        kept = replace(&canonical, merge(found));
        if kept.digits > DIGITS_MAX {
            // Numerals that have no ASCII form.
            return UNREADABLE.to_owned();
        }
    }
    if cut {
        // The last word may be half of something that a rule would have found whole.
        kept.text.truncate(kept.text.trim_end().rfind(char::is_whitespace).unwrap_or(0));
    }
    kept.text
}

/// The text up to its bound, and whether anything was cut off.
fn bounded(raw: &str) -> (&str, bool) {
    let mut end = raw.len().min(INPUT_MAX);
    while !raw.is_char_boundary(end) {
        end -= 1;
    }
    (&raw[..end], end < raw.len())
}

/// `50%да` is not percent-encoded: when that reading gives no text, but no digit follows a percent sign either, the text is
/// taken as it is.
fn only_percent_signs(raw: &str) -> Option<std::borrow::Cow<'_, str>> {
    let encoded = raw.matches('%').count() > 2;
    (!encoded && !raw.contains("&#")).then_some(std::borrow::Cow::Borrowed(raw))
}

/// A text whose words, put together, are an identifier: `ODUw MTAx MzAw MTI0`.
fn hides_when_joined(canonical: &Canonical) -> bool {
    let bytes = canonical.ascii.as_bytes();
    let short = bytes.split(|byte| *byte == b' ').filter(|word| (1..=12).contains(&word.len())).count();
    // `WEBSITE` and `Website` are words; a piece of base64 has capitals amid small letters, or nobody can read it.
    let is_word = |word: &[u8]| {
        let rest_is = |is: fn(&u8) -> bool| word[1..].iter().all(is);
        word.len() >= WORD_MIN
            && (rest_is(u8::is_ascii_lowercase) || rest_is(u8::is_ascii_uppercase))
            && pronounceable(word, WORD_SHARE)
    };
    let capital = |word: &[u8]| word.iter().any(u8::is_ascii_uppercase) && !is_word(word);
    let distinctive = bytes.iter().any(|byte| byte.is_ascii_digit()) || bytes.split(|byte| *byte == b' ').any(capital);
    if short < 2 || !distinctive {
        return false;
    }
    let joined: String = canonical.ascii.split_whitespace().collect();
    rules::any_joined(&joined)
}

fn long_words(canonical: &Canonical, found: &mut Vec<Found>) {
    let mut start = 0;
    for word in canonical.ascii.split(' ') {
        if word.len() > WORD_MAX {
            found.push(Found { range: start..start + word.len(), name: "long" });
        }
        start += word.len() + 1;
    }
}

/// Every run of digits.
fn numbers(canonical: &Canonical, found: &mut Vec<Found>) {
    let mut start = 0;
    for run in canonical.ascii.split(|c: char| !c.is_ascii_digit()) {
        if !run.is_empty() {
            found.push(Found { range: start..start + run.len(), name: "number" });
        }
        start += run.len() + 1;
    }
}

/// The ranges in order, those that overlap made one with the name of the longest.
fn merge(mut found: Vec<Found>) -> Vec<Found> {
    found.sort_by_key(|found| (found.range.start, std::cmp::Reverse(found.range.end)));
    let mut merged: Vec<Found> = Vec::with_capacity(found.len());
    for next in found {
        match merged.last_mut() {
            Some(last) if next.range.start < last.range.end => {
                if next.range.len() > last.range.len() {
                    last.name = next.name;
                }
                last.range.end = last.range.end.max(next.range.end);
            }
            _ => merged.push(next),
        }
    }
    merged
}

struct Kept {
    text: String,
    /// Digits, and numerals of any script, outside the placeholders.
    digits: usize,
}

fn replace(canonical: &Canonical, found: Vec<Found>) -> Kept {
    let mut kept = Kept { text: String::with_capacity(canonical.ascii.len()), digits: 0 };
    let mut at = 0;
    let end = Found { range: canonical.chars.len()..canonical.chars.len(), name: "" };
    for Found { range, name } in found.into_iter().chain([end]) {
        kept.text.extend(&canonical.chars[at..range.start]);
        kept.digits += canonical.chars[at..range.start].iter().filter(|c| c.is_numeric()).count();
        if !name.is_empty() {
            kept.text.push('<');
            kept.text.push_str(name);
            kept.text.push('>');
        }
        at = range.end;
    }
    kept
}

/// As many whole words as there may be characters.
fn shortened<'a>(words: impl Iterator<Item = &'a str>, max: usize) -> String {
    let (mut short, mut length) = (String::new(), 0);
    for word in words {
        length += word.chars().count() + usize::from(!short.is_empty());
        if length > max {
            break;
        }
        if !short.is_empty() {
            short.push(' ');
        }
        short.push_str(word);
    }
    short
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_term_keeps_its_words_and_no_identifier() {
        for (raw, kept) in [
            ("iPhone 15 Pro Max", "iphone 15 pro max"),
            ("  Кредит   на машину ", "кредит на машину"),
            ("скидка 50% на всё", "скидка 50% на всё"),
            ("Үй сатып алу", "үй сатып алу"),
            ("user aigerim@mail.kz not found", "user <email> not found"),
            ("иин 850101300124 статус", "иин <iin> статус"),
            ("8 (701) 234-56-78 чей номер", "<phone> чей номер"),
            ("карта 4111 1111 1111 1111", "карта <card>"),
            ("%2B77012345678", "<phone>"),
            ("login=aigerim&x=1", "<secret>&x=1"),
            ("ask @aigerim_n", "ask <name>"),
            ("a 12345 b 12345 c 12345 d", "a <number> b <number> c <number> d"),
            ("ODUw MTAx MzAw MTI0", "<encoded>"),
            ("WEBSITE Tourism SIGNATURE", "website tourism signature"),
            ("%25252525252541%25252525252541%25252525252541", "<unreadable>"),
        ] {
            assert_eq!(search_term(raw).as_deref(), Some(kept), "{raw}");
        }
        assert!(["", "  ", "\u{200B}", "%20"].iter().all(|nothing| search_term(nothing).is_none()));
        assert_eq!(search_term(&"слово ".repeat(60)).map(|term| term.chars().count()), Some(95));
    }

    #[test]
    fn what_is_cut_off_leaves_no_half() {
        let long = format!("{}aigerim@mail.kz", "x ".repeat(INPUT_MAX / 2 - 3));
        assert!(!template(&long, |_, _| ()).contains("aig"));
        assert_eq!(error_template(&"я".repeat(INPUT_MAX)), "");
        assert_eq!(error_template(&"слово ".repeat(600)).chars().count(), 251);
    }

    proptest::proptest! {
        #[test]
        fn any_text_becomes_a_bounded_template(raw in "(\\PC|[ 0-9a-f@.:/%&#;<>'\"+-]){0,600}") {
            for (kept, max) in [(search_term(&raw).unwrap_or_default(), TERM_MAX), (error_template(&raw), ERROR_MAX)] {
                proptest::prop_assert!(kept.chars().count() <= max);
                let digits = kept.chars().filter(|c| c.is_numeric()).count();
                proptest::prop_assert!(digits <= DIGITS_MAX, "{} digits", digits);
            }
        }

        #[test]
        fn a_term_is_its_own_term(raw in "[ 0-9a-zа-я@.:/()+-]{0,90}") {
            let once = search_term(&raw).unwrap_or_default();
            let placeholders = once.contains('<');
            proptest::prop_assert!(placeholders || search_term(&once).unwrap_or_default() == once);
        }
    }
}

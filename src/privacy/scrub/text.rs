//! Free text as a template: what was searched for, or what went wrong, and not by whom.
//!
//! Words stay as they were written. What a rule finds becomes a placeholder such as `<email>`, `<iin>` or `<number>`.
//! A template has at most [`TEMPLATE_MAX`] characters and eleven digits: an identifier of twelve does not fit.

use super::decode::{self, Canonical};
use super::rules::{self, Found};

/// The longest text that is looked at, in bytes; what is beyond is not kept.
pub const INPUT_MAX: usize = 4096;
/// The longest template, in characters.
pub const TEMPLATE_MAX: usize = 256;
/// More digits than these in all, and every number is replaced.
const DIGITS_MAX: usize = 11;
/// Words with more characters are not words.
const WORD_MAX: usize = 64;
/// A text that cannot be read.
const UNREADABLE: &str = "<unreadable>";

/// The template of a search term or an error message.
pub fn template(raw: &str) -> String {
    let (raw, cut) = bounded(raw);
    let Some(text) = decode::unescape(raw).or_else(|| only_percent_signs(raw)) else { return UNREADABLE.to_owned() };
    let canonical = Canonical::of(&text);
    let mut found = rules::find(&canonical);
    if found.is_empty() && hides_when_joined(&canonical) {
        return "<encoded>".to_owned();
    }
    long_words(&canonical, &mut found);
    let mut kept = replace(&canonical, merge(found));
    if kept.digits > DIGITS_MAX {
        let mut found = rules::find(&canonical);
        long_words(&canonical, &mut found);
        numbers(&canonical, &mut found);
        kept = replace(&canonical, merge(found));
        if kept.digits > DIGITS_MAX {
            // Numerals that have no ASCII form.
            return UNREADABLE.to_owned();
        }
    }
    let mut words: Vec<&str> = kept.text.split_whitespace().collect();
    if cut {
        // The last word may be half of something that a rule would have found whole.
        words.pop();
    }
    shortened(&words)
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
    let telling = bytes.iter().any(|byte| byte.is_ascii_digit()) || bytes.iter().any(u8::is_ascii_uppercase);
    if short < 2 || !telling {
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

/// As many whole words as the template may have characters for.
fn shortened(words: &[&str]) -> String {
    let (mut template, mut length) = (String::new(), 0);
    for word in words {
        let chars = word.chars().count() + usize::from(!template.is_empty());
        if length + chars > TEMPLATE_MAX {
            break;
        }
        if !template.is_empty() {
            template.push(' ');
        }
        template.push_str(word);
        length += chars;
    }
    template
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_stay_and_identifiers_do_not() {
        for (raw, kept) in [
            ("iphone 15 pro max", "iphone 15 pro max"),
            ("  кредит   на машину ", "кредит на машину"),
            ("скидка 50% на всё", "скидка 50% на всё"),
            ("үй сатып алу", "үй сатып алу"),
            ("TypeError: Failed to fetch", "TypeError: Failed to fetch"),
            (
                "Cannot read properties of undefined (reading 'map')",
                "Cannot read properties of undefined (reading 'map')",
            ),
            ("user aigerim@mail.kz not found", "user <email> not found"),
            ("иин 850101300124 статус", "иин <iin> статус"),
            ("8 (701) 234-56-78 чей номер", "<phone> чей номер"),
            ("карта 4111 1111 1111 1111", "карта <card>"),
            ("%2B77012345678", "<phone>"),
            ("GET https://a.kz/u/7?t=1 failed", "GET <url> failed"),
            ("login=aigerim&x=1", "<secret>&x=1"),
            ("peer 198.18.7.9 closed", "peer <address> closed"),
            ("ask @aigerim_n", "ask <name>"),
            ("a 12345 b 12345 c 12345 d", "a <number> b <number> c <number> d"),
            ("ODUw MTAx MzAw MTI0", "<encoded>"),
            ("%25252525252541%25252525252541%25252525252541", "<unreadable>"),
            ("", ""),
        ] {
            assert_eq!(template(raw), kept, "{raw}");
        }
    }

    #[test]
    fn what_is_cut_off_leaves_no_half() {
        let long = format!("{}aigerim@mail.kz", "x ".repeat(INPUT_MAX / 2 - 3));
        assert!(!template(&long).contains("aig"));
        assert_eq!(template(&"я".repeat(INPUT_MAX)), "");
        assert_eq!(template(&"слово ".repeat(600)).chars().count(), 251);
    }

    proptest::proptest! {
        #[test]
        fn any_text_becomes_a_bounded_template(raw in "(\\PC|[ 0-9a-f@.:/%&#;<>+-]){0,600}") {
            let kept = template(&raw);
            proptest::prop_assert!(kept.chars().count() <= TEMPLATE_MAX);
            let digits = kept.chars().filter(|c| c.is_numeric()).count();
            proptest::prop_assert!(digits <= DIGITS_MAX, "{} digits", digits);
        }

        #[test]
        fn a_template_is_its_own_template(raw in "[ 0-9a-zа-я@.:/()+-]{0,100}") {
            let once = template(&raw);
            let placeholders = once.contains('<');
            proptest::prop_assert!(placeholders || template(&once) == once);
        }
    }
}

//! What differs from one visitor's error message to the next's: quoted text, paths, numbers, hexadecimal.
//!
//! None of these need identify anybody, and each can. What is the program's own stays: a status, a small number within
//! a word (`utf8`, `Int8Array`), a property that could not be read.

use std::ops::Range;

use super::decode::{Canonical, LETTER};
use super::rule::Found;
use super::token::runs;

/// After these, what is quoted is the program's own text.
const CODE_AFTER: [&str; 3] = ["reading ", "setting ", "evaluating "];
/// After these, a number of three digits is the program's own.
const STATUS_AFTER: [&str; 4] = ["status", "code", "http", "error"];
/// The longest name of a property that stays.
const CODE_MAX: usize = 48;
/// Hexadecimal with fewer characters is a number, or a word.
const HEX_MIN: usize = 6;
/// Digits that a word of letters may have.
const WORD_DIGITS_MAX: usize = 2;

/// Adds what it finds to what the rules have found.
pub(super) fn find(text: &Canonical, found: &mut Vec<Found>) {
    let ascii = text.ascii.as_bytes();
    quoted(ascii, found);
    for word in runs(ascii, |byte| byte != b' ', 1) {
        path(ascii, word, found);
    }
    for run in runs(ascii, is_word, 1) {
        numbers(ascii, run, found);
    }
}

fn is_word(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || byte == LETTER
}

/// What stands in quotation marks, these included; behind a mark that nothing closes, all that follows. An apostrophe within
/// a word is none.
fn quoted(ascii: &[u8], found: &mut Vec<Found>) {
    let outside = |at: usize| !ascii.get(at).is_some_and(|byte| is_word(*byte));
    let mut at = 0;
    while let Some(&mark) = ascii.get(at) {
        let opens = matches!(mark, b'\'' | b'"' | b'`') && (at == 0 || outside(at - 1));
        if !opens {
            at += 1;
            continue;
        }
        let closes = |end: &usize| ascii[*end] == mark && outside(end + 1);
        let end = (at + 1..ascii.len()).find(closes).unwrap_or(ascii.len());
        if !is_code(&ascii[..at], &ascii[at + 1..end]) {
            found.push(Found { range: at..(end + 1).min(ascii.len()), name: "text" });
        }
        at = end + 1;
    }
}

/// Whether a quoted text is the name of a property, where an engine names one.
fn is_code(before: &[u8], text: &[u8]) -> bool {
    let name = |byte: &u8| byte.is_ascii_alphabetic() || matches!(byte, b'.' | b'_' | b'$');
    (1..=CODE_MAX).contains(&text.len())
        && text.iter().all(name)
        && text[0].is_ascii_lowercase()
        && CODE_AFTER.iter().any(|words| before.ends_with(words.as_bytes()))
}

/// A word that holds two slashes, or one at its beginning: `/api/me`, `src/app.ts:7`, `C:\x`; but `text/html` stays.
fn path(ascii: &[u8], word: Range<usize>, found: &mut Vec<Found>) {
    let slash = |at: &usize| matches!(ascii[*at], b'/' | b'\\');
    let Some(first) = word.clone().find(slash) else { return };
    let within = first > word.start && is_word(ascii[first - 1]) && word.clone().filter(slash).count() == 1;
    if !within {
        let wraps = |byte: u8| matches!(byte, b'(' | b')' | b'[' | b']' | b'\'' | b'"' | b'`' | b',' | b';' | b':');
        let start = word.clone().find(|at| !wraps(ascii[*at])).unwrap_or(word.start);
        let end = word.clone().rfind(|at| !wraps(ascii[*at])).map_or(word.end, |at| at + 1);
        found.push(Found { range: start..end, name: "path" });
    }
}

/// The numbers of a run of letters and digits, or all of it when it is hexadecimal.
fn numbers(ascii: &[u8], run: Range<usize>, found: &mut Vec<Found>) {
    let text = &ascii[run.clone()];
    let digits = text.iter().filter(|byte| byte.is_ascii_digit()).count();
    let letters = text.len() - digits;
    if digits == 0 || is_status(&ascii[..run.start], text) {
        return;
    }
    let digit_or_prefix = text.strip_prefix(b"0x").unwrap_or(text);
    if letters > 0 && text.len() >= HEX_MIN && digit_or_prefix.iter().all(u8::is_ascii_hexdigit) {
        found.push(Found { range: run, name: "token" });
    } else if letters == 0 || digits > WORD_DIGITS_MAX {
        let all = runs(text, |byte| byte.is_ascii_digit(), 1);
        all.for_each(|at| found.push(Found { range: run.start + at.start..run.start + at.end, name: "number" }));
    }
}

/// Three digits after a word that announces a status.
fn is_status(before: &[u8], text: &[u8]) -> bool {
    let trimmed = before.trim_ascii_end();
    let word = trimmed.strip_suffix(b"#").or_else(|| trimmed.strip_suffix(b":")).unwrap_or(trimmed).trim_ascii_end();
    let ends = |status: &&str| {
        let start = word.len().checked_sub(status.len());
        start.is_some_and(|start| word[start..].eq_ignore_ascii_case(status.as_bytes()))
    };
    text.len() == 3 && text.iter().all(u8::is_ascii_digit) && STATUS_AFTER.iter().any(ends)
}

#[cfg(test)]
mod tests {
    use super::super::text::error_template;

    #[test]
    fn what_the_program_wrote_stays_and_what_it_was_given_does_not() {
        for (raw, kept) in [
            ("TypeError: Failed to fetch", "TypeError: Failed to fetch"),
            (
                "Cannot read properties of undefined (reading 'map')",
                "Cannot read properties of undefined (reading 'map')",
            ),
            ("null is not an object (evaluating 'user.name')", "null is not an object (evaluating 'user.name')"),
            ("Cannot read properties of null (reading 'Aigerim')", "Cannot read properties of null (reading <text>)"),
            ("Unexpected token '<', \"<!DOCTYPE \"... is not JSON", "Unexpected token <text>, <text>... is not JSON"),
            ("Имя «Айгерим» занято", "Имя <text> занято"),
            ("the user didn't say 'it's me' twice", "the user didn't say <text> twice"),
            ("no user \"Aigerim N", "no user <text>"),
            ("Request failed with status code 404", "Request failed with status code 404"),
            ("Minified React error #418; HTTP 503", "Minified React error #418; HTTP 503"),
            ("timeout of 3000ms exceeded at 12:45", "timeout of <number>ms exceeded at <number>:<number>"),
            ("Int8Array of utf8 at 0x7ffe12ab", "Int8Array of utf8 at <token>"),
            ("chunk main.3f2a1b9c.js is missing", "chunk main.<code>.js is missing"),
            ("GET /users/aigerim/orders failed", "GET <path> failed"),
            ("at render (src/pages/Pay.tsx:12:7)", "at render (<path>)"),
            ("C:\\Users\\aigerim\\x.js: text/html and/or nothing", "<path>: text/html and/or nothing"),
            ("GET https://a.kz/u/7?t=1 failed", "GET <url> failed"),
            ("user aigerim@mail.kz, peer 198.18.7.9", "user <email>, peer <address>"),
            ("ИИН 850101300124 неверен", "ИИН <iin> неверен"),
            ("order 12345 of 7", "order <number> of <number>"),
            ("", ""),
        ] {
            assert_eq!(error_template(raw), kept, "{raw}");
        }
    }
}

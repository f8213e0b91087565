//! Tokens: text that nobody wrote, and text that is written in base64 or hexadecimal.
//!
//! A run of letters and digits is taken for a word when enough of its neighbouring letters are neighbours in words, too
//! (English, and Russian and Kazakh in Latin letters). Entropy over so few characters says less: a long English word has as
//! many bits per letter as a short session id. What is left of the doubt: of random runs of 16 small letters one in five
//! passes for a word; with digits or both cases, about one in a hundred.

use std::ops::Range;

/// For each letter, those that commonly follow it.
#[rustfmt::skip]
const FOLLOWERS: [&str; 26] = [
    "bcdfgiklmnpqrstuvwxyz", "aeiloruy", "acefhiklorstu", "adegilmnorsuvwy",
    "abcdefgiklmnpqrstuvwxy", "aefilortu", "aeghinorsuy", "aeiknortu",
    "abcdefgiklmnoprstvxyz", "aeiou", "abehilnostu", "adefgilnostuy",
    "abeilmopsu", "acdefgiklnostuvy", "bcdfgiklmnoprstuvwz", "aehiloprstuy",
    "atu", "acdefgiklmnorstuvwyz", "acehiklnoprstuwy", "acdehiloprstuwy",
    "abcdegiklmnprsty", "aeikoy", "aehilnor", "aept",
    "almnopqstuy", "adehiy",
];

/// Shorter runs say too little.
pub(super) const TOKEN_MIN: usize = 6;
/// From here on a run is judged strictly.
pub(super) const LONG: usize = 12;
/// No word is longer.
const WORD_MAX: usize = 40;
/// The fewest characters of base64 and of hexadecimal that are decoded.
pub(super) const BASE64_MIN: usize = 8;
pub(super) const HEX_MIN: usize = 12;
/// The fewest readable bytes in a row that are looked at in what was decoded.
const READABLE_MIN: usize = 6;

/// Calls `found` with each run that holds letters and digits that are no word. What is glued to these is a part of it:
/// base64url has dashes.
pub(super) fn tokens(ascii: &str, found: &mut dyn FnMut(Range<usize>)) {
    let bytes = ascii.as_bytes();
    for whole in runs(bytes, |byte| base64_value(byte).is_some(), TOKEN_MIN) {
        let glued = &bytes[whole.clone()];
        if runs(glued, |byte| byte.is_ascii_alphanumeric(), TOKEN_MIN).any(|part| is_token(&glued[part])) {
            found(whole);
        }
    }
}

/// Calls `found` with each run that hides, in base64, base64url or hexadecimal, what `identifies` recognises.
pub(super) fn encoded(ascii: &str, identifies: fn(&str) -> bool, found: &mut dyn FnMut(Range<usize>)) {
    let bytes = ascii.as_bytes();
    let mut judge = |range: Range<usize>, bits: u32, value: fn(u8) -> Option<u32>| {
        let run = &bytes[range.clone()];
        // A run may begin amid a group, where it is glued to something else.
        let hidden = (0..if bits == 6 { 4 } else { 2 }).any(|offset| {
            readable(run.get(offset..).unwrap_or_default(), bits, value).iter().any(|text| identifies(text))
        });
        if hidden {
            found(range);
        }
    };
    // Text in base64 has capitals and others, in practice always; words in small letters or in capitals need not be tried.
    for range in runs(bytes, |byte| base64_value(byte).is_some(), BASE64_MIN) {
        let run = &bytes[range.clone()];
        if run.iter().any(u8::is_ascii_uppercase)
            && run.iter().any(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit())
        {
            judge(range, 6, base64_value);
        }
    }
    for range in runs(bytes, |byte| byte.is_ascii_hexdigit(), HEX_MIN) {
        judge(range, 4, |byte| (byte as char).to_digit(16));
    }
}

/// The longest ranges of bytes that are `within`, if they have that many.
pub(super) fn runs(bytes: &[u8], within: fn(u8) -> bool, min: usize) -> impl Iterator<Item = Range<usize>> {
    let mut at = 0;
    let next = move || {
        let start = at + bytes[at..].iter().position(|byte| within(*byte))?;
        let length = bytes[start..].iter().position(|byte| !within(*byte));
        at = length.map_or(bytes.len(), |length| start + length);
        Some(start..at)
    };
    std::iter::from_fn(next).filter(move |range| range.len() >= min)
}

/// Whether a run of ASCII letters and digits is one that nobody would read aloud.
fn is_token(run: &[u8]) -> bool {
    let digits = run.iter().filter(|byte| byte.is_ascii_digit()).count();
    let both_cases = run.iter().any(u8::is_ascii_uppercase) && run.iter().any(u8::is_ascii_lowercase);
    let (mut common, mut pairs, mut returns, mut hump) = (0, 0, 0, 0);
    for pair in run.windows(2) {
        // In `knowledgeBase` the letters at the seam are no neighbours.
        hump = if pair[0].is_ascii_lowercase() { hump + 1 } else { 0 };
        if hump >= 3 && pair[1].is_ascii_uppercase() {
            continue;
        }
        let [first, second] = [pair[0].to_ascii_lowercase(), pair[1].to_ascii_lowercase()];
        if !(first.is_ascii_digit() && second.is_ascii_digit()) {
            pairs += 1;
        }
        if first.is_ascii_lowercase() {
            common += usize::from(FOLLOWERS[usize::from(first - b'a')].as_bytes().contains(&second));
        } else if second.is_ascii_lowercase() {
            returns += 1;
        }
    }
    let share_below = |percent: usize| common * 100 < pairs * percent;
    match run.len() {
        length if length > WORD_MAX => true,
        length if length >= LONG && (digits > 0 || both_cases) => share_below(70),
        length if length >= LONG => share_below(60),
        length => share_below(45) && ((digits > 0 && both_cases) || (length >= 9 && digits >= 3 && returns >= 2)),
    }
}

/// Whether as many percent of the neighbouring characters of a run are neighbours in words, too.
pub(super) fn pronounceable(run: &[u8], percent: usize) -> bool {
    let common = |pair: &&[u8]| {
        let [first, second] = [pair[0].to_ascii_lowercase(), pair[1].to_ascii_lowercase()];
        first.is_ascii_lowercase() && FOLLOWERS[usize::from(first - b'a')].as_bytes().contains(&second)
    };
    run.windows(2).filter(common).count() * 100 >= run.len().saturating_sub(1) * percent
}

/// The six bits of a character of base64 or base64url.
pub(super) fn base64_value(byte: u8) -> Option<u32> {
    Some(u32::from(match byte {
        b'A'..=b'Z' => byte - b'A',
        b'a'..=b'z' => byte - b'a' + 26,
        b'0'..=b'9' => byte - b'0' + 52,
        b'+' | b'-' => 62,
        b'/' | b'_' => 63,
        _ => return None,
    }))
}

/// The pieces of readable ASCII in what a run decodes to.
fn readable(run: &[u8], bits: u32, value: fn(u8) -> Option<u32>) -> Vec<String> {
    let mut pieces = Vec::new();
    let (mut piece, mut held, mut count) = (String::new(), 0u32, 0);
    for value in run.iter().filter_map(|byte| value(*byte)) {
        held = (held << bits | value) & 0xFFFF;
        count += bits;
        if count < 8 {
            continue;
        }
        count -= 8;
        let byte = (held >> count) as u8;
        if matches!(byte, 0x20..=0x7E) {
            piece.push(char::from(byte));
        } else if piece.len() >= READABLE_MIN {
            pieces.push(std::mem::take(&mut piece));
        } else {
            piece.clear();
        }
    }
    if piece.len() >= READABLE_MIN {
        pieces.push(piece);
    }
    pieces
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_are_no_tokens() {
        for word in [
            "internationalization",
            "getElementsByClassName",
            "XMLHttpRequest",
            "addEventListener",
            "iPhone15",
            "OAuth2",
            "Win32API",
            "postgresql",
            "blagotvoritelnost",
            "petropavlovsk",
            "densaulyq",
            "IntersectionObserver",
            "ReactDOMServerIntegration",
            "1000xm5",
            "UNAVAILABLE",
            "Int8Array",
            "ecam22",
            "typescript",
        ] {
            assert!(!is_token(word.as_bytes()), "{word}");
        }
        for token in [
            "aB3dE5gH",
            "k7x2m9q4z1",
            "xkqjzvwpmnbtrl",
            "x7Kq9ZbT2LmW",
            "dQw4w9WgXcQ",
            "sk1live9f8e7d6c5b4a",
            "QmYwAPJzv5CZsnAzt8auVTLpVxYzZq",
        ] {
            assert!(is_token(token.as_bytes()), "{token}");
        }
    }

    #[test]
    fn what_is_encoded_is_read_wherever_it_begins() {
        let hidden = |text: &str| {
            let mut any = false;
            encoded(text, |decoded| decoded.contains("secret"), &mut |_| any = true);
            any
        };
        for text in
            ["c2VjcmV0IQ", "xc2VjcmV0IQ", "ab-c2VjcmV0IQ==", "0xc2VjcmV0IQ", "73656372657421", "f73656372657421"]
        {
            assert!(hidden(text), "{text}");
        }
        assert!(!hidden("administration") && !hidden("Administration-of-everything") && !hidden(""));
    }
}

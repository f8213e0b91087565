//! What a pattern alone cannot say: accounts with their check digits, tokens in three parts, and what looks like a name or
//! an address and is none.
//!
//! Each runs through a canonical text once, and looks ahead from a character no further than an identifier is long.

use std::net::Ipv6Addr;
use std::ops::Range;

use super::checks;
use super::decode::LETTER;
use super::token::base64_value;

/// The fewest characters of a JWT's header.
pub(super) const JWT_MIN: usize = 11;
/// The fewest characters of a JWT's signature; in pieces, as many belong to it.
const SIGNATURE_MIN: usize = 43;

/// Dots and spaces between two parts of a JWT.
const GAP_MAX: usize = 4;

/// Not a rule of a style sheet, nor the name of a package.
pub(super) fn is_handle(text: &str) -> bool {
    const STYLE_WORDS: [&str; 9] =
        ["media", "import", "charset", "keyframes", "supports", "layer", "container", "page", "namespace"];
    let word = text.trim_start_matches('@').to_ascii_lowercase();
    !word.ends_with('/') && !STYLE_WORDS.contains(&word.as_str())
}

/// Short forms (`a::b`, `::1`) are more often a program's names than anybody's address.
pub(super) fn is_ipv6(text: &str) -> bool {
    let hex = text.bytes().filter(u8::is_ascii_hexdigit).count();
    hex >= 5 && text.bytes().any(|byte| byte.is_ascii_digit()) && text.parse::<Ipv6Addr>().is_ok()
}

/// JWTs, whole or the header alone. Spaces may stand for the dots, and further ones in the signature.
pub(super) fn jwts(ascii: &str, found: &mut dyn FnMut(Range<usize>)) {
    let bytes = ascii.as_bytes();
    let mut at = 0;
    while at + JWT_MIN <= bytes.len() {
        if !bytes[at..at + 3].eq_ignore_ascii_case(b"eyj") {
            at += 1;
            continue;
        }
        let end = jwt_end(bytes, at);
        if is_jwt(&bytes[at..end]) {
            found(at..end);
        }
        // What begins within is a part of it, and no more than the whole.
        at = end;
    }
}

/// The end of what may be a JWT: header, claims, signature; or the five parts of an encrypted one.
fn jwt_end(bytes: &[u8], start: usize) -> usize {
    let count = |from: usize, within: fn(u8) -> bool| bytes[from..].iter().take_while(|byte| within(**byte)).count();
    let part = |from: usize| {
        let end = from + count(from, |byte| base64_value(byte).is_some());
        end + count(end, |byte| byte == b'=').min(2)
    };
    let (mut end, mut parts, mut signature) = (part(start), 1, 0);
    loop {
        let gap = count(end, |byte| matches!(byte, b'.' | b' ')).min(GAP_MAX);
        let next = part(end + gap);
        let length = next - end - gap;
        let in_pieces = parts >= 2 && length > 0 && signature < SIGNATURE_MIN;
        if gap == 0 || !(in_pieces || (parts < 5 && length >= 8)) {
            return end;
        }
        signature += if parts >= 2 { length } else { 0 };
        (parts, end) = (parts + 1, next);
    }
}

/// A header in base64url of JSON, or, when the case is lost, enough that is no word.
fn is_jwt(text: &[u8]) -> bool {
    text.len() >= JWT_MIN && text.iter().any(|byte| *byte == b'.' || byte.is_ascii_digit())
}

/// IBANs with at most two separators between two characters, wherever they begin.
pub(super) fn ibans(ascii: &str, found: &mut dyn FnMut(Range<usize>)) {
    let bytes = ascii.as_bytes();
    let mut at = 0;
    while at + 15 <= bytes.len() {
        match iban_at(bytes, at) {
            Some(end) => {
                found(at..end);
                at = end;
            }
            None => at += 1,
        }
    }
}

fn iban_at(bytes: &[u8], start: usize) -> Option<usize> {
    let letter = |at: usize| bytes[at].is_ascii_alphabetic();
    if !letter(start) || !letter(start + 1) || letter(start + 2) {
        return None;
    }
    let country = [bytes[start].to_ascii_uppercase(), bytes[start + 1].to_ascii_uppercase()];
    let length = checks::iban_length(country)?;
    let mut iban = Vec::with_capacity(checks::IBAN_MAX);
    let (mut gap, mut digits) = (0, 0);
    for (at, byte) in bytes.iter().enumerate().skip(start) {
        if byte.is_ascii_alphanumeric() {
            iban.push(byte.to_ascii_uppercase());
            digits += usize::from(byte.is_ascii_digit());
            gap = 0;
        } else {
            gap += 1;
        }
        if iban.len() == length {
            // Words and figures that happen to add up have fewer digits, or, in Kazakhstan, no bank's code.
            let banked = if country == *b"KZ" { iban[4..7].iter().all(u8::is_ascii_digit) } else { digits >= 8 };
            return (banked && checks::is_iban(&iban)).then_some(at + 1);
        }
        if gap > 2 || *byte == LETTER || (matches!(iban.len(), 3 | 4) && !iban.last()?.is_ascii_digit()) {
            return None;
        }
    }
    None
}

//! Undoes the ways of writing that hide an identifier from a rule, the same for paths and for free text.
//!
//! Two steps. [`unescape`] undoes percent encoding (twice), HTML entities and JavaScript's escapes. [`Canonical::of`] then
//! gives every character one ASCII byte that says what it looks like: NFKC (full-width and the like), the digits of all scripts,
//! Cyrillic and Greek look-alikes, dashes; what does not show is taken out. Rules read those bytes; since there is one for
//! each character, what they find is a range of characters. Base64 and hexadecimal are undone one level, by a rule.

use std::borrow::Cow;
use std::sync::LazyLock;

use icu_normalizer::ComposingNormalizerBorrowed;

use super::lookalikes;

/// Rounds of unescaping. A text that would change further is given up.
const ROUNDS: usize = 3;

/// Digits from which on letters among them are taken for digits, too.
const AMONG_DIGITS_MIN: usize = 5;

/// Stands for a letter that looks like none of ASCII's.
pub(super) const LETTER: u8 = 0x01;
/// Stands for any other character that ASCII has nothing for.
pub(super) const SYMBOL: u8 = 0x02;

/// The named entities that can take part in an identifier.
const ENTITIES: &[(&str, char)] = &[
    ("amp", '&'),
    ("lt", '<'),
    ("gt", '>'),
    ("quot", '"'),
    ("apos", '\''),
    ("nbsp", ' '),
    ("commat", '@'),
    ("period", '.'),
    ("plus", '+'),
    ("lowbar", '_'),
    ("colon", ':'),
    ("sol", '/'),
    ("num", '#'),
    ("percnt", '%'),
    ("equals", '='),
    ("hyphen", '-'),
    ("dash", '-'),
    ("shy", '\u{AD}'),
    ("zwnj", '\u{200C}'),
    ("zwj", '\u{200D}'),
];

#[cfg(test)]
thread_local! {
    static DECODED: std::cell::Cell<usize> = const { std::cell::Cell::new(0) };
}

/// How many bytes this thread has unescaped.
#[cfg(test)]
pub(super) fn decoded_bytes() -> usize {
    DECODED.with(std::cell::Cell::get)
}

/// A text of which no encoding is left, or none: when it is nested more than two percent encodings and an entity deep, or is
/// not UTF-8 underneath.
pub(super) fn unescape(raw: &str) -> Option<Cow<'_, str>> {
    #[cfg(test)]
    DECODED.with(|bytes| bytes.set(bytes.get() + raw.len()));
    let mut text = Cow::Borrowed(raw);
    for _ in 0..ROUNDS {
        let Some(next) = unescape_once(&text)? else { return Some(text) };
        text = Cow::Owned(next);
    }
    unescape_once(&text)?.is_none().then_some(text)
}

/// One round; `Some(None)` when there was nothing to undo.
fn unescape_once(text: &str) -> Option<Option<String>> {
    if !text.bytes().any(|byte| matches!(byte, b'%' | b'&' | b'\\')) {
        return Some(None);
    }
    let bytes = text.as_bytes();
    let mut out = Vec::with_capacity(bytes.len());
    let (mut at, mut changed) = (0, false);
    while let Some(&byte) = bytes.get(at) {
        let rest = &text.as_bytes()[at..];
        let undone = match byte {
            b'%' => percent(rest),
            b'&' => entity(rest).map(|(c, length)| (Undone::Char(c), length)),
            b'\\' => script_escape(rest).map(|(c, length)| (Undone::Char(c), length)),
            _ => None,
        };
        match undone {
            Some((Undone::Byte(byte), length)) => {
                out.push(byte);
                at += length;
            }
            Some((Undone::Char(c), length)) => {
                out.extend_from_slice(c.encode_utf8(&mut [0; 4]).as_bytes());
                at += length;
            }
            None => {
                out.push(byte);
                at += 1;
            }
        }
        changed |= undone.is_some();
    }
    String::from_utf8(out).ok().map(|text| changed.then_some(text))
}

#[derive(Clone, Copy)]
enum Undone {
    Byte(u8),
    Char(char),
}

/// `%41`, and `%u0041` as old scripts wrote it.
fn percent(rest: &[u8]) -> Option<(Undone, usize)> {
    if matches!(rest.get(1), Some(b'u' | b'U')) {
        return character(rest.get(2..6)?, 16).map(|c| (Undone::Char(c), 6));
    }
    number(rest.get(1..3)?, 16).map(|byte| (Undone::Byte(byte as u8), 3))
}

/// `&#64;`, `&#x40;`, with or without the semicolon, and `&commat;`.
fn entity(rest: &[u8]) -> Option<(char, usize)> {
    if rest.get(1) != Some(&b'#') {
        let end = rest.iter().take(10).position(|byte| *byte == b';')?;
        let name = rest.get(1..end)?;
        return ENTITIES.iter().find(|(known, _)| known.as_bytes() == name).map(|(_, c)| (*c, end + 1));
    }
    let (start, radix) = if matches!(rest.get(2), Some(b'x' | b'X')) { (3, 16) } else { (2, 10) };
    let length = rest[start..].iter().take(10).take_while(|byte| (**byte as char).is_digit(radix)).count();
    let end = start + length;
    Some((character(&rest[start..end], radix)?, end + usize::from(rest.get(end) == Some(&b';'))))
}

/// `\x40`, `\u0040`, `\u{40}`.
fn script_escape(rest: &[u8]) -> Option<(char, usize)> {
    match (rest.get(1)?, rest.get(2)) {
        (b'x', _) => Some((character(rest.get(2..4)?, 16)?, 4)),
        (b'u', Some(b'{')) => {
            let end = rest.iter().take(10).position(|byte| *byte == b'}')?;
            Some((character(&rest[3..end], 16)?, end + 1))
        }
        (b'u', _) => Some((character(rest.get(2..6)?, 16)?, 6)),
        _ => None,
    }
}

fn character(digits: &[u8], radix: u32) -> Option<char> {
    number(digits, radix).and_then(char::from_u32)
}

fn number(digits: &[u8], radix: u32) -> Option<u32> {
    let add = |number: u32, digit: &u8| number.checked_mul(radix)?.checked_add((*digit as char).to_digit(radix)?);
    if digits.is_empty() { None } else { digits.iter().try_fold(0, add) }
}

/// A text beside what each of its characters looks like.
pub(super) struct Canonical {
    /// The characters that may be shown.
    pub(super) chars: Vec<char>,
    /// One ASCII byte for each.
    pub(super) ascii: String,
    /// Whether characters that do not show were taken out.
    pub(super) hid: bool,
}

impl Canonical {
    /// The canonical form of a text that has been unescaped.
    pub(super) fn of(text: &str) -> Self {
        let (mut chars, mut ascii, mut hid) = (Vec::with_capacity(text.len()), Vec::with_capacity(text.len()), false);
        // Several spaces are one.
        let mut add = |c: char, byte: u8| {
            if byte != b' ' || ascii.last() != Some(&b' ') {
                chars.push(if c.is_control() { ' ' } else { c });
                ascii.push(byte);
            }
        };
        if text.is_ascii() {
            text.bytes().for_each(|byte| add(byte.into(), if byte.is_ascii_control() { b' ' } else { byte }));
        } else {
            // NFKC would make letters of it, which tie a number to its neighbours.
            let text = &*if text.contains('№') { Cow::Owned(text.replace('№', "#")) } else { Cow::Borrowed(text) };
            hid = text.chars().any(lookalikes::is_invisible);
            let shown = ComposingNormalizerBorrowed::new_nfkc().normalize(text);
            for c in shown.chars() {
                if lookalikes::is_invisible(c) {
                    hid = true;
                } else {
                    add(c, look_of(c));
                }
            }
        }
        letters_among_digits(&chars, &mut ascii);
        let ascii = String::from_utf8(ascii).expect("every byte is below 0x80");
        Self { chars, ascii, hid }
    }
}

/// What the characters of most alphabets look like.
static LOOKS: LazyLock<Vec<u8>> =
    LazyLock::new(|| (0..0x600).map(|c| char::from_u32(c).map_or(SYMBOL, found_look)).collect());

/// The ASCII byte that says what a character looks like.
pub(super) fn look_of(c: char) -> u8 {
    LOOKS.get(c as usize).copied().unwrap_or_else(|| found_look(c))
}

fn found_look(c: char) -> u8 {
    if c.is_ascii() {
        return if c.is_ascii_control() { b' ' } else { c as u8 };
    }
    let known = lookalikes::digit(c).or_else(|| lookalikes::letter(c)).or_else(|| lookalikes::mark(c));
    known.unwrap_or_else(|| match c {
        c if c.is_whitespace() || c.is_control() => b' ',
        c if c.is_alphabetic() => LETTER,
        // Numbers that are no decimal digits: what they are worth is unknown, that they are numbers is enough.
        c if c.is_numeric() => b'0',
        _ => SYMBOL,
    })
}

/// In a run that is digits by half, `O`, `l`, `I` and the Cyrillic `З` are digits too.
fn letters_among_digits(chars: &[char], ascii: &mut [u8]) {
    let value = |byte: u8, c: char| match (byte, c) {
        (b'0'..=b'9', _) => Some(byte),
        (b'o' | b'O', _) => Some(b'0'),
        (b'l' | b'I' | b'i' | b'|', _) => Some(b'1'),
        (_, 'з' | 'З') => Some(b'3'),
        _ => None,
    };
    let mut start = 0;
    while start < ascii.len() {
        let alike = ascii[start..].iter().zip(&chars[start..]).take_while(|(byte, c)| value(**byte, **c).is_some());
        let end = start + alike.count();
        let digits = ascii[start..end].iter().filter(|byte| byte.is_ascii_digit()).count();
        if digits >= AMONG_DIGITS_MIN && digits * 2 >= end - start {
            for (byte, c) in ascii[start..end].iter_mut().zip(&chars[start..end]) {
                *byte = value(*byte, *c).unwrap_or(*byte);
            }
        }
        start = end.max(start + 1);
    }
}

/// The canonical form alone; of most texts in ASCII that is the text.
pub(super) fn canonical(text: &str) -> Cow<'_, str> {
    let mut digits = 0;
    let same = text.bytes().all(|byte| {
        digits += usize::from(byte.is_ascii_digit());
        matches!(byte, b' '..=b'~')
    });
    if same && digits < AMONG_DIGITS_MIN { Cow::Borrowed(text) } else { Cow::Owned(Canonical::of(text).ascii) }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn seen(raw: &str) -> String {
        Canonical::of(&unescape(raw).expect("readable")).ascii
    }

    #[test]
    fn every_way_of_writing_reads_the_same() {
        for raw in [
            "a@b.kz1",
            "a%40b.kz1",
            "%61%2540%62.kz%31",
            "a&#64;b.kz&#49;",
            "a&#64b.kz1",
            "a&commat;b&period;kz1",
            "a%26%2364%3Bb.kz1",
            "a\\u0040b.kz\\x31",
            "a\\u{40}b%u002ekz1",
            "ａ＠ｂ．ｋｚ１",
            "a@b.kz١",
            "a\u{200B}@\u{2060}b.\u{AD}kz\u{FE0F}1",
            "а@b.кz1",
            "α@b。κz𝟏",
        ] {
            assert_eq!(seen(raw), "a@b.kz1", "{raw}");
        }
    }

    #[test]
    fn letters_are_digits_among_digits_only() {
        assert_eq!(seen("85OlO1З00l23"), "850101300123");
        assert_eq!(seen("Olio 12 l2345"), "Olio 12 l2345");
    }

    #[test]
    fn what_cannot_be_read_is_given_up() {
        for raw in ["%ff", "%25252525252541", "%25252541"] {
            assert!(unescape(raw).is_none(), "{raw}");
        }
        for (raw, same) in [("50% off", true), ("a & b", true), ("C:\\new", true), ("%zz &nope; &#; \\u12", true)] {
            assert_eq!(unescape(raw).is_some_and(|text| text == raw), same, "{raw}");
        }
    }

    proptest::proptest! {
        #[test]
        fn one_byte_for_each_character_of_anything(raw in "(\\PC|[%&#;u0-9a-fx\\\\]){0,200}") {
            if let Some(text) = unescape(&raw) {
                let canonical = Canonical::of(&text);
                proptest::prop_assert_eq!(canonical.chars.len(), canonical.ascii.len());
                proptest::prop_assert!(canonical.ascii.is_ascii());
            }
        }
    }
}

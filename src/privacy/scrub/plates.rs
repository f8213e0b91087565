//! Plates of cars and VIN, glued or with spaces, dashes, dots or low lines between their groups.
//!
//! The letters are those of the canonical text, so a plate in Cyrillic and one in Latin are the same. A number with a unit
//! (`128 gb 15`) has the same shape as a plate: the units are listed (`words.txt`).

use std::ops::Range;

use super::decode::LETTER;
use super::dictionary::{self, Role};
use super::token::runs;

/// Letters of Russian plates, as Latin ones.
const RUSSIAN: &[u8] = b"abekmhopctyx";
/// The highest number of a region of Kazakhstan.
const REGIONS: usize = 20;
/// Separators between two groups.
const GAP_MAX: usize = 3;
/// Characters of a VIN, and how many of them are digits at least.
const VIN_LENGTH: usize = 17;
const VIN_DIGITS_MIN: usize = 4;

/// Letters or digits in a row, and how many separators stand before them.
struct Group<'a> {
    range: Range<usize>,
    text: &'a [u8],
    gap: usize,
    /// Whether a space is among these.
    spaced: bool,
}

impl Group<'_> {
    fn is_number(&self, lengths: &[usize]) -> bool {
        self.text[0].is_ascii_digit() && lengths.contains(&self.text.len())
    }

    fn is_series(&self, lengths: &[usize]) -> bool {
        self.text[0].is_ascii_alphabetic() && lengths.contains(&self.text.len()) && !self.is_unit()
    }

    fn is_unit(&self) -> bool {
        std::str::from_utf8(self.text).is_ok_and(|text| dictionary::roles(text).has(Role::NoSeries))
    }

    fn is_russian(&self, lengths: &[usize]) -> bool {
        let series = self.text[0].is_ascii_alphabetic() && lengths.contains(&self.text.len());
        series && !(self.spaced && self.is_unit() && !self.is_upper()) && self.is_letters_of_russia()
    }

    /// The letters of a region of Uzbekistan, or those of Kyrgyzstan or Kazakhstan; an x is that of a size.
    fn is_country(&self) -> bool {
        self.text.eq_ignore_ascii_case(b"kg")
            || self.text.eq_ignore_ascii_case(b"kz")
            || (self.is_series(&[1]) && !self.text.eq_ignore_ascii_case(b"x"))
    }

    fn is_diplomatic(&self) -> bool {
        matches!(self.text, b"D" | b"CD")
    }

    fn is_region(&self) -> bool {
        let number = std::str::from_utf8(self.text).ok().and_then(|text| text.parse::<usize>().ok());
        self.is_number(&[2]) && number.is_some_and(|number| (1..=REGIONS).contains(&number))
    }

    /// The two letters after the number; before a unit it is an amount, unless it begins with a zero.
    fn is_series_after(&self, number: &Self) -> bool {
        self.is_russian(&[2]) || (number.text[0] == b'0' && self.text.len() == 2 && self.is_letters_of_russia())
    }

    fn is_letters_of_russia(&self) -> bool {
        self.text.iter().all(|byte| RUSSIAN.contains(&byte.to_ascii_lowercase()))
    }

    fn is_upper(&self) -> bool {
        self.text.iter().all(u8::is_ascii_uppercase)
    }

    fn has_vowel(&self) -> bool {
        self.text.iter().any(|byte| b"aeiou".contains(&byte.to_ascii_lowercase()))
    }
}

/// Calls `found` with each plate.
pub(super) fn plates(ascii: &str, found: &mut dyn FnMut(Range<usize>)) {
    let groups = groups(ascii.as_bytes());
    let mut at = 0;
    while at < groups.len() {
        // What is glued to other characters on either side is a part of something else.
        let begins = groups[at].gap > 0
            || at.checked_sub(1).is_some_and(|before| groups[before].text.eq_ignore_ascii_case(b"kz"));
        let length = if begins { plate(&groups[at..]) } else { 0 };
        let ends = |next: &Group<'_>| {
            next.gap > 0 || next.text.eq_ignore_ascii_case(b"kz") || next.text.eq_ignore_ascii_case(b"rus")
        };
        let end = groups[(at + length).saturating_sub(1)].range.end;
        let letter = |at: usize| ascii.as_bytes().get(at) == Some(&LETTER);
        let glued = letter(end) || groups[at].range.start.checked_sub(1).is_some_and(letter);
        if length > 0 && !glued && groups.get(at + length).is_none_or(ends) {
            found(groups[at].range.start..end);
            at += length;
        } else {
            at += 1;
        }
    }
}

/// How many groups make up the plate that begins here.
fn plate(groups: &[Group<'_>]) -> usize {
    let glued = |count: usize| groups[1..count].iter().all(|group| group.gap == 0);
    let near = |count: usize| groups[1..count].iter().all(|group| group.gap <= GAP_MAX);
    match groups {
        // Kazakhstan: 123 ABC 02, for companies 123 AB 02; trailers 12 ABC 02.
        [a, b, c, ..] if near(3) && a.is_number(&[3]) && b.is_series(&[2, 3]) && c.is_region() => 3,
        [a, b, c, ..]
            if near(3) && (glued(3) || b.is_upper()) && a.is_number(&[2]) && b.is_series(&[3]) && c.is_region() =>
        {
            3
        }
        // Russia: A 123 BC 77; motorcycles 1234 AA 77.
        [a, b, c, d, ..]
            if near(4) && a.is_russian(&[1]) && b.is_number(&[3]) && c.is_series_after(b) && d.is_number(&[2, 3]) =>
        {
            4
        }
        [a, b, c, ..]
            if near(3)
                && (glued(3) || b.is_upper())
                && a.is_number(&[4])
                && b.is_russian(&[2])
                && c.is_number(&[2, 3]) =>
        {
            3
        }
        // Kyrgyzstan: 01 KG 123 ABC, as on new plates of Kazakhstan; Uzbekistan: 01 A 123 BC.
        [a, b, c, d, ..]
            if near(4) && a.is_number(&[2]) && b.is_country() && c.is_number(&[3]) && d.is_series(&[2, 3]) =>
        {
            4
        }
        // Kazakhstan until 2012: A 123 BCD; Russia without the region.
        [a, b, c, ..] if near(3) && a.is_series(&[1]) && b.is_number(&[3]) && c.is_series(&[2, 3]) => {
            let apart =
                c.text.len() == 3 && (!c.has_vowel() || !(b.spaced || c.spaced) || (a.is_upper() && c.is_upper()));
            if glued(3) || apart { 3 } else { 0 }
        }
        // Diplomats: 010 CD 123, 002 D 015.
        [a, b, c, ..] if near(3) && a.is_number(&[3]) && b.is_diplomatic() && c.is_number(&[3]) => 3,
        // Trailers and taxis of Russia: AA 1234 77, AA 123 177; with a short region as one word only.
        [a, b, c, ..] if near(3) && a.is_russian(&[2]) && !a.is_unit() && trailer(b, c) => 3,
        [a, b, ..] if glued(2) && a.is_russian(&[2]) && b.is_number(&[5, 6, 7]) => 2,
        _ => 0,
    }
}

/// The number and the region of a trailer or a taxi.
fn trailer(number: &Group<'_>, region: &Group<'_>) -> bool {
    let long = region.is_number(&[3]) && matches!(region.text[0], b'1' | b'2' | b'7' | b'9');
    (number.is_number(&[4]) && region.is_number(&[2, 3])) || (number.is_number(&[3]) && long)
}

/// The groups of a text. The first of a word has a gap, whatever stands before it.
fn groups(bytes: &[u8]) -> Vec<Group<'_>> {
    let mut groups: Vec<Group<'_>> = Vec::new();
    let mut end = None;
    let mut at = 0;
    while at < bytes.len() {
        let digit = bytes[at].is_ascii_digit();
        let same = |byte: &&u8| byte.is_ascii_digit() == digit && byte.is_ascii_alphanumeric();
        let length = bytes[at..].iter().take_while(same).count();
        if length == 0 {
            at += 1;
            continue;
        }
        let between = &bytes[end.unwrap_or(0)..at];
        let separates = |byte: &u8| matches!(byte, b' ' | b'-' | b'_' | b'.' | b'/' | b'|');
        let gap = match end {
            Some(_) if between.iter().all(separates) => between.len(),
            _ => GAP_MAX + 1,
        };
        groups.push(Group {
            range: at..at + length,
            text: &bytes[at..at + length],
            gap,
            spaced: between.contains(&b' '),
        });
        at += length;
        end = Some(at);
    }
    groups
}

/// Calls `found` with each vehicle's number: seventeen letters and digits without I, O and Q, of which the last four are
/// digits. The canonical form has already made digits of O and I.
pub(super) fn vins(ascii: &str, found: &mut dyn FnMut(Range<usize>)) {
    let bytes = ascii.as_bytes();
    for run in runs(bytes, |byte| byte.is_ascii_alphanumeric(), VIN_LENGTH) {
        let text = &bytes[run.clone()];
        let digits = text.iter().filter(|byte| byte.is_ascii_digit()).count();
        let allowed = text.iter().all(|byte| !b"ioq".contains(&byte.to_ascii_lowercase()));
        let serial = text.iter().rev().take(4).all(u8::is_ascii_digit);
        if text.len() == VIN_LENGTH && allowed && serial && (VIN_DIGITS_MIN..VIN_LENGTH).contains(&digits) {
            found(run);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::decode;
    use super::*;

    fn plate_of(text: &str) -> Option<String> {
        let (ascii, mut first) = (decode::canonical(text), None);
        plates(&ascii, &mut |range| first = first.clone().or(Some(ascii[range].to_owned())));
        first
    }

    #[test]
    fn plates_are_found_however_they_are_written() {
        for text in [
            "123ABC02",
            "123 abc 02",
            "123-АВС-02",
            "toyota-123abc02",
            "123AB 02",
            "123 ABC 02 KZ",
            "А 123 ВС / 77",
            "123 ABC|02",
            "H 987 KTA",
            "KZ123ABC02",
            "01 KZ 777 AAA",
            "1234 АА 77",
            "85 AAA 17",
            "м 001 мм 99",
            "010 CD 123",
            "123ABC02KZ",
            "A123BCD",
            "а123вс",
            "А123ВС77",
            "а 123 вс 777",
            "a_123_bc_199rus",
            "А123ВС777",
            "1234АА77",
            "АА12377",
            "01KG123ABC",
            "01 A 123 BC",
            "x-123-bcd",
            "１２３ＡＢＣ０２",
            "12ABC02",
            "А-755-ВТ-116",
            "хм-5632-02",
        ] {
            assert!(plate_of(text).is_some(), "{text}");
        }
    }

    #[test]
    fn models_sizes_and_prices_are_no_plates() {
        for text in [
            "225-45-r17",
            "128 gb 15",
            "500 тг 12",
            "a320neo",
            "в 100 мм 77",
            "h 300 the",
            "20 mg 10",
            "100 на 20",
            "в 100 км",
            "wh-1000xm5",
            "core-i5-13400f",
            "1920x1080",
            "top-100-of-10",
            "123abc99",
            "x123abc02y",
            "s24-ultra-512gb",
            "200 мм 10",
            "mi 9",
            "100 лет 15",
            "iso-9001",
            "x775 студенты 78",
            "90x200-sm",
        ] {
            assert_eq!(plate_of(text), None, "{text}");
        }
    }

    #[test]
    fn a_vehicle_s_number_has_seventeen_characters() {
        let count = |text: &str| {
            let mut count = 0;
            vins(&decode::canonical(text), &mut |_| count += 1);
            count
        };
        assert_eq!((count("XTA210990Y2766389"), count("vin-wvwzzz1jzxw000001.html")), (1, 1));
        assert_eq!((count("XTA210990Y27663891"), count("internationalizat"), count("XTA210990Y276638X")), (0, 0, 0));
    }
}

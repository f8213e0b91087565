//! Characters that are written in the place of others: digits of other scripts, letters of other alphabets, dashes, and
//! what does not show at all. Compatibility forms (full-width, circled, mathematical) are not here: NFKC undoes those.

/// The zeros of Unicode's decimal digits (category Nd) that NFKC leaves alone; nine more digits follow each.
const ZEROS: [u32; 58] = [
    0x0660, 0x06F0, 0x07C0, 0x0966, 0x09E6, 0x0A66, 0x0AE6, 0x0B66, 0x0BE6, 0x0C66, 0x0CE6, 0x0D66, 0x0DE6, 0x0E50,
    0x0ED0, 0x0F20, 0x1040, 0x1090, 0x17E0, 0x1810, 0x1946, 0x19D0, 0x1A80, 0x1A90, 0x1B50, 0x1BB0, 0x1C40, 0x1C50,
    0xA620, 0xA8D0, 0xA900, 0xA9D0, 0xA9F0, 0xAA50, 0xABF0, 0x104A0, 0x10D30, 0x11066, 0x110F0, 0x11136, 0x111D0,
    0x112F0, 0x11450, 0x114D0, 0x11650, 0x116C0, 0x11730, 0x118E0, 0x11950, 0x11C50, 0x11D50, 0x11DA0, 0x16A60,
    0x16AC0, 0x16B50, 0x1E140, 0x1E2F0, 0x1E950,
];

/// Letters beside the Latin ones they look like.
const LETTERS: &[(&str, &str)] = &[
    ("аеорсухіјѕԁһԛԝвкмнтгьү", "aeopcyxijsdhqwbkmhtrby"),
    ("АЕОРСУХІЈЅԀҺԚԜВКМНТҮ", "AEOPCYXIJSDHQWBKMHTY"),
    ("αεορυνικτχβηγω", "aeopuviktxbnyw"),
    ("ΑΒΕΖΗΙΚΜΝΟΡΤΥΧϹ", "ABEZHIKMNOPTYXC"),
    ("ıɑɡɩοⅼӏѵԍօսոհցӀ", "iagiollvgounhgl"),
];

/// The ASCII digit of a decimal digit of any script.
pub(super) fn digit(c: char) -> Option<u8> {
    let code = u32::from(c);
    let at = ZEROS.partition_point(|zero| *zero <= code).checked_sub(1)?;
    let value = code - ZEROS[at];
    (value < 10).then(|| b'0' + value as u8)
}

/// The ASCII letter that a letter looks like.
pub(super) fn letter(c: char) -> Option<u8> {
    let find = |(others, latin): &(&str, &str)| {
        others.chars().position(|other| other == c).and_then(|at| latin.as_bytes().get(at).copied())
    };
    LETTERS.iter().find_map(find)
}

/// Punctuation that stands for an ASCII mark.
pub(super) fn mark(c: char) -> Option<u8> {
    Some(match c {
        '\u{2010}'..='\u{2015}' | '\u{2043}' | '\u{2212}' | '\u{05BE}' | '\u{30FC}' | '\u{2796}' => b'-',
        '\u{3002}' | '\u{00B7}' | '\u{2027}' | '\u{22C5}' | '\u{06D4}' | '\u{0701}' => b'.',
        // What masks a number.
        '\u{2022}' | '\u{2217}' | '\u{2219}' | '\u{204E}' | '\u{2731}' | '\u{25CF}' | '\u{25AA}' | '\u{25A0}'
        | '\u{2588}' => b'*',
        '\u{2044}' | '\u{2215}' | '\u{29F8}' => b'/',
        '\u{2236}' | '\u{02D0}' | '\u{A789}' => b':',
        '\u{2018}'..='\u{201F}' | '«' | '»' => b'\'',
        _ => return None,
    })
}

/// Whether a character shows nothing of its own: zero-width, directional, variation selectors, tags, combining marks that
/// composition has left over.
pub(super) fn is_invisible(c: char) -> bool {
    matches!(
        u32::from(c),
        0x00AD | 0x0300..=0x036F | 0x061C | 0x115F..=0x1160 | 0x17B4..=0x17B5 | 0x180B..=0x180F | 0x1AB0..=0x1AFF
            | 0x1DC0..=0x1DFF | 0x200B..=0x200F | 0x202A..=0x202E | 0x2060..=0x206F | 0x20D0..=0x20FF | 0x3164
            | 0xFE00..=0xFE0F | 0xFE20..=0xFE2F | 0xFEFF | 0xFFA0 | 0xFFF9..=0xFFFB | 0x1D173..=0x1D17A
            | 0xE0000..=0xE0FFF
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn digits_of_all_scripts_and_nothing_else() {
        for (text, digits) in [("٠١٢٣٤٥٦٧٨٩", "0123456789"), ("۰۱۲۳۴۵۶۷۸۹", "0123456789"), ("०१२९", "0129")]
        {
            let seen: String = text.chars().filter_map(digit).map(char::from).collect();
            assert_eq!(seen, digits);
        }
        assert!("aжΩ一-٪".chars().all(|c| digit(c).is_none()));
        assert!(ZEROS.is_sorted());
    }

    #[test]
    fn letters_stand_beside_as_many_latin_ones() {
        for (others, latin) in LETTERS {
            assert_eq!(others.chars().count(), latin.len(), "{others}");
        }
        let seen: String = "аіgerіm".chars().map(|c| letter(c).map_or(c, char::from)).collect();
        assert_eq!(seen, "aigerim");
        assert!("щюфя".chars().all(|c| letter(c).is_none()));
    }
}

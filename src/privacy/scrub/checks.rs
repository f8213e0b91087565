//! The check digits of numbers that name a person, a company, an account or a card.
//!
//! Each takes the bare characters, separators removed, and says whether the number is one that its issuer could have given
//! out. A number that fails here is not thereby harmless: long runs of digits are folded whatever they are.

/// Countries with IBANs and the lengths that these have.
#[rustfmt::skip]
const IBAN_LENGTHS: &[(&str, usize)] = &[
    ("AD", 24), ("AE", 23), ("AL", 28), ("AT", 20), ("AZ", 28), ("BA", 20), ("BE", 16), ("BG", 22), ("BH", 22),
    ("BR", 29), ("BY", 28), ("CH", 21), ("CR", 22), ("CY", 28), ("CZ", 24), ("DE", 22), ("DK", 18), ("DO", 28),
    ("EE", 20), ("EG", 29), ("ES", 24), ("FI", 18), ("FO", 18), ("FR", 27), ("GB", 22), ("GE", 22), ("GI", 23),
    ("GL", 18), ("GR", 27), ("GT", 28), ("HR", 21), ("HU", 28), ("IE", 22), ("IL", 23), ("IQ", 23), ("IS", 26),
    ("IT", 27), ("JO", 30), ("KW", 30), ("KZ", 20), ("LB", 28), ("LC", 32), ("LI", 21), ("LT", 20), ("LU", 20),
    ("LV", 21), ("LY", 25), ("MC", 27), ("MD", 24), ("ME", 22), ("MK", 19), ("MN", 20), ("MR", 27), ("MT", 31),
    ("MU", 30), ("NL", 18), ("NO", 15), ("PK", 24), ("PL", 28), ("PS", 29), ("PT", 25), ("QA", 29), ("RO", 24),
    ("RS", 22), ("RU", 33), ("SA", 24), ("SC", 31), ("SE", 24), ("SI", 19), ("SK", 24), ("SM", 27), ("ST", 25),
    ("SV", 28), ("TL", 23), ("TN", 24), ("TR", 26), ("UA", 29), ("VA", 22), ("VG", 24), ("XK", 20),
];

/// The longest IBAN.
pub(super) const IBAN_MAX: usize = 34;

/// The length of the IBANs of the country whose two letters (in capitals) are given.
pub(super) fn iban_length(country: [u8; 2]) -> Option<usize> {
    IBAN_LENGTHS.iter().find(|(code, _)| code.as_bytes() == country).map(|(_, length)| *length)
}

/// An IBAN in capitals without separators: its country's length, and ISO 7064's remainder of 1.
pub(super) fn is_iban(text: &[u8]) -> bool {
    let [country, check @ .., _] = text else { return false };
    let (Some(second), Some(digits)) = (check.first(), check.get(1..3)) else { return false };
    if iban_length([*country, *second]) != Some(text.len()) || !digits.iter().all(u8::is_ascii_digit) {
        return false;
    }
    let rotated = text[4..].iter().chain(&text[..4]);
    let mut remainder = 0u32;
    for byte in rotated {
        remainder = match byte {
            b'0'..=b'9' => remainder * 10 + u32::from(byte - b'0'),
            b'A'..=b'Z' => remainder * 100 + u32::from(byte - b'A') + 10,
            _ => return false,
        } % 97;
    }
    remainder == 1
}

/// Luhn's check digit.
pub(super) fn is_luhn(digits: &[u8]) -> bool {
    let sum: u32 = digits
        .iter()
        .rev()
        .enumerate()
        .map(|(at, digit)| {
            let value = u32::from(digit - b'0') * (1 + at as u32 % 2);
            value / 10 + value % 10
        })
        .sum();
    sum.is_multiple_of(10)
}

/// A card's number: the lengths and first digits of a brand, and Luhn's check digit.
pub(super) fn is_card(digits: &[u8]) -> bool {
    let prefix = |length: usize| number(digits.get(..length).unwrap_or_default());
    let (two, four, six) = (prefix(2), prefix(4), prefix(6));
    let length = digits.len();
    let visa = digits.first() == Some(&b'4') && matches!(length, 13 | 16 | 18 | 19);
    let mastercard = length == 16 && (matches!(two, 51..=55) || matches!(six, 222_100..=272_099));
    let mir = (16..=19).contains(&length) && matches!(four, 2200..=2204);
    let union_pay = (16..=19).contains(&length) && matches!(two, 62 | 81);
    let amex = length == 15 && matches!(two, 34 | 37);
    let maestro = (12..=19).contains(&length) && matches!(two, 50 | 56..=69);
    let discover = (16..=19).contains(&length) && (four == 6011 || matches!(two, 64 | 65));
    let diners_jcb = (14..=19).contains(&length) && (matches!(two, 36 | 38 | 39) || matches!(four, 3528..=3589));
    (visa || mastercard || mir || union_pay || amex || maestro || discover || diners_jcb) && is_luhn(digits)
}

/// The control digit that IIN and BIN share: weights 1 to 11, and 3 to 11, 1, 2 when that gives 10.
fn has_control_digit(digits: &[u8; 12]) -> bool {
    let sum =
        |shift: usize| (0..11).map(|at| u32::from(digits[at] - b'0') * ((at + shift) % 11 + 1) as u32).sum::<u32>();
    let control = match sum(0) % 11 {
        10 => sum(2) % 11,
        first => first,
    };
    control == u32::from(digits[11] - b'0')
}

/// An individual's number in Kazakhstan: date of birth, century and sex (0 is reported for foreigners), control digit.
/// A date in the future passes: this module has no clock, and folds in doubt.
pub(super) fn is_iin(digits: &[u8]) -> bool {
    let Ok(all) = <&[u8; 12]>::try_from(digits) else { return false };
    let (year, month, day) = (number(&all[..2]), number(&all[2..4]), number(&all[4..6]));
    let leap = year.is_multiple_of(4) && (year != 0 || matches!(all[6], b'5' | b'6' | b'0'));
    let days = match month {
        2 => 28 + u32::from(leap),
        4 | 6 | 9 | 11 => 30,
        1..=12 => 31,
        _ => 0,
    };
    (1..=days).contains(&day) && matches!(all[6], b'0'..=b'6') && has_control_digit(all)
}

/// A company's number in Kazakhstan: year and month of registration, kind 4 to 6, part 0 to 3, control digit.
pub(super) fn is_bin(digits: &[u8]) -> bool {
    let Ok(all) = <&[u8; 12]>::try_from(digits) else { return false };
    let month = number(&all[2..4]);
    (1..=12).contains(&month)
        && matches!(all[4], b'4'..=b'6')
        && matches!(all[5], b'0'..=b'3')
        && has_control_digit(all)
}

/// A telephone number of Kazakhstan as it is dialled: 10 digits, or 11 with the leading 7 or 8.
pub(super) fn is_kazakh_phone(digits: &[u8]) -> bool {
    let national = match digits {
        [b'7' | b'8', rest @ ..] if rest.len() == 10 => rest,
        all if all.len() == 10 => all,
        _ => return false,
    };
    matches!(national, [b'7', b'0' | b'1' | b'2' | b'4' | b'6' | b'7' | b'8', ..])
}

fn number(digits: &[u8]) -> u32 {
    digits.iter().fold(0, |number, digit| number * 10 + u32::from(digit - b'0'))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// With any one digit changed, a number with a check digit is none.
    fn no_digit_may_change(number: &str, is_one: fn(&[u8]) -> bool) {
        assert!(is_one(number.as_bytes()), "{number}");
        for at in 0..number.len() {
            let mut changed = number.as_bytes().to_vec();
            // The eleventh digit of a BIN has the weight 11, and so none.
            if changed[at].is_ascii_digit() && (number.len(), at) != (12, 10) {
                changed[at] = b'0' + (changed[at] - b'0' + 1) % 10;
                assert!(!is_one(&changed), "{number} at {at}");
            }
        }
    }

    #[test]
    fn check_digits_check() {
        no_digit_may_change("210440009516", is_bin);
        no_digit_may_change("240740012077", is_bin);
        no_digit_may_change("KZ278562203139421566", is_iban);
        no_digit_may_change("KZ86125KZT5004100100", is_iban);
        no_digit_may_change("GB82WEST12345698765432", is_iban);
        no_digit_may_change("DE89370400440532013000", is_iban);
        for card in ["4111111111111111", "5555555555554444", "2223003122003222", "378282246310005"] {
            no_digit_may_change(card, is_card);
        }
        for card in ["2200000000000004", "6200000000000005", "6759649826438453", "6011111111111117"] {
            assert!(is_card(card.as_bytes()), "{card}");
        }
    }

    #[test]
    fn an_iin_has_a_date_and_a_century() {
        for (first, valid) in [
            ("85013030012", true),
            ("85023030012", false),
            ("85133030012", false),
            ("85013090012", false),
            ("00022910012", false),
            ("00022950012", true),
        ] {
            let any = (0..10).any(|control| is_iin(format!("{first}{control}").as_bytes()));
            assert_eq!(any, valid, "{first}");
        }
        assert!(!is_iin(b"210440009516") && !is_iin(b"240740012077"), "a BIN is no IIN");
    }

    #[test]
    fn telephones_of_kazakhstan() {
        for phone in ["77012345678", "87012345678", "7012345678", "77272727272", "87172701234"] {
            assert!(is_kazakh_phone(phone.as_bytes()), "{phone}");
        }
        for other in ["79161234567", "1234567890", "701234567", "770123456789"] {
            assert!(!is_kazakh_phone(other.as_bytes()), "{other}");
        }
    }
}

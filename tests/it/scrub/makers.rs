//! Makes up plates, cards, codes and the like in the forms that people and systems give them.

use super::planted::Random;

pub(super) const SMALL: &[u8] = b"abcdefghijklmnopqrstuvwxyz";
pub(super) const LETTERS: &[u8] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZ";
pub(super) const DIGITS: &[u8] = b"0123456789";
pub(super) const MIXED: &[u8] = b"abcdefghjkmnpqrstuvwxyz0123456789";

pub(super) struct Planted {
    pub(super) text: String,
    pub(super) secrets: Vec<String>,
}

pub(super) fn planted(text: String, secrets: &[&str]) -> Planted {
    Planted { text, secrets: secrets.iter().map(|secret| (*secret).to_owned()).collect() }
}

/// The value amid words, as it would be searched for or reported.
pub(super) fn amid(random: &mut Random, value: &str, frames: &[&str]) -> String {
    random.pick(frames).replace("{}", value)
}

pub(super) fn runs_of_digits(text: &str) -> Vec<String> {
    text.split(|c: char| !c.is_ascii_digit()).filter(|run| run.len() > 1).map(str::to_owned).collect()
}

pub(super) fn any_case(random: &mut Random, text: String) -> String {
    match random.below(4) {
        0 => text.to_lowercase(),
        1 if text.is_ascii() => text.chars().map(cyrillic).collect(),
        _ => text,
    }
}

/// The Cyrillic letter that looks the same.
pub(super) fn cyrillic(c: char) -> char {
    let latin = "ABEKMHOPCTYXacekopxy";
    let same = "АВЕКМНОРСТУХасекорху";
    latin.chars().position(|other| other == c).and_then(|at| same.chars().nth(at)).unwrap_or(c)
}

/// The Latin letter that looks the same.
pub(super) fn latin(c: char) -> char {
    let latin = "ABEKMHOPCTYXacekopxy";
    let same = "АВЕКМНОРСТУХасекорху";
    same.chars().position(|other| other == c).and_then(|at| latin.chars().nth(at)).unwrap_or(c)
}

pub(super) fn plate(random: &mut Random) -> String {
    let gap = random.pick(&["", "", "", " ", "-"]);
    let region = format!("{:02}", 1 + random.below(20));
    let russian = |random: &mut Random, count: usize| {
        (0..count)
            .map(|_| random.pick(&['А', 'В', 'Е', 'К', 'М', 'Н', 'О', 'Р', 'С', 'Т', 'У', 'Х']))
            .collect::<String>()
    };
    let ru_region = random.pick(&["77", "777", "199", "16", "74", "55", "116", "797", "02", "86"]);
    let value = match random.below(12) {
        0..=3 => format!("{}{gap}{}{gap}{region}", random.chars(DIGITS, 3), random.chars(LETTERS, 3)),
        4 => format!("{}{gap}{}{gap}{region}", random.chars(DIGITS, 3), random.chars(LETTERS, 2)),
        5 => {
            let region = random.pick(&["A", "B", "Z", "X", "N", "H", "T", "P", "M", "D"]);
            format!("{region}{gap}{}{gap}{}", random.chars(DIGITS, 3), random.chars(LETTERS, 3))
        }
        6 => format!("{} {} {} KZ", random.chars(DIGITS, 3), random.chars(LETTERS, 3), region),
        7..=9 => {
            format!("{}{gap}{}{gap}{}{gap}{ru_region}", russian(random, 1), random.chars(DIGITS, 3), russian(random, 2))
        }
        10 => format!("{}{gap}{}{gap}{ru_region}", russian(random, 2), digits_of(random, &[3, 4])),
        _ => format!("{}{}{} rus", russian(random, 1), random.chars(DIGITS, 3), russian(random, 2) + ru_region),
    };
    any_case(random, value)
}

pub(super) fn vin(random: &mut Random) -> String {
    let allowed = b"ABCDEFGHJKLMNPRSTUVWXYZ0123456789";
    let maker = random.pick(&["XTA", "JTD", "WVW", "X9F", "Z94", "WBA", "KMH", "XW8", "LVV", "1HG", "2T1", "MX1"]);
    let text = format!("{maker}{}{}", random.chars(allowed, 8), random.chars(DIGITS, 6));
    any_case(random, text)
}

pub(super) fn masked(random: &mut Random) -> String {
    let mask = random.pick(&["*", "x", "X", "•", "●", "х", "#", "∗", "·", "█"]);
    let (first, last) = (format!("4{}", random.chars(DIGITS, 5)), format!("1{}", random.chars(DIGITS, 3)));
    let (four, two) = (&first[..4], &first[4..]);
    let many = |count: usize| mask.repeat(count);
    let gap = random.pick(&["-", " ", "", " "]);
    match random.below(9) {
        0 | 1 => format!("{four}{gap}{two}{}{gap}{}{gap}{last}", many(2), many(4)),
        2 => format!("{four}{gap}{}{gap}{}{gap}{last}", many(4), many(4)),
        3 => format!("{} {} {} {last}", many(4), many(4), many(4)),
        4 => format!("{}{last}", if mask == "x" || mask == "х" { many(8) } else { many(4) }),
        5 => format!("{four}…{last}"),
        6 => format!("{four} {two}** **** {last}"),
        7 => format!("{first}******{last}"),
        _ => format!("*{last}"),
    }
}

/// Letters and digits that are no word and no model.
pub(super) fn code(random: &mut Random) -> String {
    let group = |random: &mut Random, count: usize| loop {
        let made = random.chars(MIXED, count);
        let digits = made.bytes().filter(u8::is_ascii_digit).count();
        if digits >= 1 && digits < count {
            return made;
        }
    };
    let made = match random.below(6) {
        0 | 1 => loop {
            let length = random.pick(&[6, 6, 7, 8, 9, 10]);
            let made = group(random, length);
            if made.bytes().filter(u8::is_ascii_digit).count() >= 2 {
                break made;
            }
        },
        2 => (0..3).map(|_| group(random, 4)).collect::<Vec<_>>().join("-"),
        3 => (0..random.pick(&[3, 4, 5])).map(|_| group(random, 5)).collect::<Vec<_>>().join("-"),
        4 => (0..2).map(|_| group(random, 5)).collect::<Vec<_>>().join("-"),
        _ => (0..3).map(|_| group(random, 4)).collect::<Vec<_>>().join("-"),
    };
    if random.below(3) == 0 { made.to_uppercase() } else { made }
}

/// As many digits as one of these.
pub(super) fn digits_of(random: &mut Random, counts: &[usize]) -> String {
    let count = random.pick(counts);
    random.chars(DIGITS, count)
}

pub(super) fn contract(random: &mut Random) -> String {
    let digits =
        |random: &mut Random, count: usize| format!("{}{}", 1 + random.below(9), random.chars(DIGITS, count - 1));
    match random.below(9) {
        0 => digits(random, 5),
        1 => digits(random, 4).replace("20", "31").replace("19", "41"),
        2 => format!("{}/{}", digits(random, 3), random.chars(DIGITS, 4)),
        3 => format!("{}-{}", random.chars(LETTERS, 2), digits(random, 5)),
        4 => format!("{}-{}", random.pick(&["Д", "К", "ЗК", "АБ"]), digits(random, 4)),
        5 => format!("{}{}", random.chars(LETTERS, 1), digits(random, 5)),
        6 => format!("ORD-2026-{}", digits(random, 4)),
        7 => format!("{}-{}-{}", digits(random, 2), digits(random, 3), random.chars(LETTERS, 1)),
        _ => digits(random, 7),
    }
}

pub(super) fn session(random: &mut Random) -> String {
    match random.below(5) {
        0 => random.chars(b"abcdefghijklmnopqrstuvwxyz012345", 24),
        1 => random.chars(b"0123456789ABCDEF", 32),
        2 => format!("{}.node{}", random.chars(b"0123456789ABCDEF", 20), 1 + random.below(4)),
        3 => random.chars(b"abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789", 22),
        _ => random.chars(b"0123456789abcdef", 16),
    }
}

//! Identifiers that are made up, the ways to write them, and the search for what is left of them.

use std::fmt::Write as _;

use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};

/// SplitMix64: the same numbers on every run.
pub(super) struct Random(pub(super) u64);

impl Random {
    pub(super) fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        z ^ (z >> 31)
    }

    pub(super) fn below(&mut self, end: usize) -> usize {
        usize::try_from(self.next() % end as u64).unwrap()
    }

    pub(super) fn pick<T: Copy>(&mut self, from: &[T]) -> T {
        from[self.below(from.len())]
    }

    fn digits(&mut self, count: usize) -> String {
        (0..count).map(|_| self.pick(b"0123456789") as char).collect()
    }

    pub(super) fn chars(&mut self, from: &[u8], count: usize) -> String {
        (0..count).map(|_| self.pick(from) as char).collect()
    }
}

pub(super) const KINDS: [&str; 8] = ["iin", "bin", "iban", "card", "phone", "email", "jwt", "uuid"];

/// A valid identifier, as people write it without separators.
pub(super) fn identifier(kind: &str, random: &mut Random) -> String {
    match kind {
        "iin" => loop {
            let (year, month, day) = (random.below(100), 1 + random.below(12), 1 + random.below(28));
            let first = format!("{year:02}{month:02}{day:02}{}{}", 1 + random.below(6), random.digits(4));
            if let Some(control) = control_digit(&first) {
                return format!("{first}{control}");
            }
        },
        "bin" => loop {
            let (year, month) = (random.below(27), 1 + random.below(12));
            let first = format!("{year:02}{month:02}{}{}{}", 4 + random.below(3), random.below(4), random.digits(5));
            if let Some(control) = control_digit(&first) {
                return format!("{first}{control}");
            }
        },
        "iban" => {
            let upper = b"0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ";
            let (country, account) = match random.below(5) {
                0 => ("KZ", format!("{}{}", random.digits(3), random.chars(upper, 13))),
                1 => ("DE", random.digits(18)),
                2 => ("GB", format!("{}{}", random.chars(b"ABCDEFGHIJKLMNOPQRSTUVWXYZ", 4), random.digits(14))),
                _ => ("KZ", random.digits(16)),
            };
            let number: String =
                format!("{account}{country}00").chars().map(|c| c.to_digit(36).unwrap().to_string()).collect();
            let remainder = number.bytes().fold(0, |rest, digit| (rest * 10 + u32::from(digit - b'0')) % 97);
            format!("{country}{:02}{account}", 98 - remainder)
        }
        "card" => {
            let (prefix, length) = random.pick(&[
                ("4", 16),
                ("4", 13),
                ("51", 16),
                ("55", 16),
                ("2221", 16),
                ("2720", 16),
                ("2200", 16),
                ("2204", 19),
                ("62", 16),
                ("62", 19),
                ("34", 15),
                ("37", 15),
                ("5018", 12),
                ("6759", 18),
                ("6011", 16),
            ]);
            let first = format!("{prefix}{}", random.digits(length - 1 - prefix.len()));
            let luhn = |text: &str| {
                text.bytes()
                    .rev()
                    .enumerate()
                    .map(|(at, digit)| {
                        let value = usize::from(digit - b'0') * (1 + at % 2);
                        value / 10 + value % 10
                    })
                    .sum::<usize>()
                    % 10
                    == 0
            };
            (0..10).map(|check| format!("{first}{check}")).find(|card| luhn(card)).unwrap()
        }
        "phone" => {
            let code = random.pick(&["701", "702", "705", "707", "747", "775", "778", "727", "7172", "7212"]);
            let national = format!("{code}{}", random.digits(10 - code.len()));
            match random.below(6) {
                0 => format!("8{national}"),
                1 => format!("7{national}"),
                2 => national,
                3 => format!("+{}{}", random.pick(&["1", "44", "49", "998", "996", "90"]), random.digits(9)),
                _ => format!("+7{national}"),
            }
        }
        "email" => {
            let name = random.pick(&["aigerim", "nurlan", "dinara", "serik", "olga", "ivanov", "zhanibek", "madina"]);
            let host = random.pick(&["mail", "gmail", "yandex", "inbox", "outlook"]);
            let tld = random.pick(&["kz", "com", "ru", "org"]);
            let mid = random.pick(&[".", "_", "-", "+", ""]);
            format!("{name}{mid}{}{}@{host}.{tld}", random.chars(b"abcdefghijklmnopqrstuvwxyz", 5), random.below(100))
        }
        "jwt" => {
            let header = random.pick(&[
                r#"{"alg":"HS256","typ":"JWT"}"#,
                r#"{"alg":"EdDSA"}"#,
                r#"{"typ":"JWT","alg":"RS256"}"#,
            ]);
            let claims = format!(r#"{{"sub":"{}","iat":{}}}"#, random.digits(8), random.digits(10));
            let signature: Vec<u8> = (0..32).map(|_| random.next() as u8).collect();
            [header.as_bytes(), claims.as_bytes(), &signature].map(|part| URL_SAFE_NO_PAD.encode(part)).join(".")
        }
        _ => {
            let (high, low) = (random.next(), random.next());
            let hex = format!("{high:016x}{low:016x}");
            format!("{}-{}-{}-{}-{}", &hex[..8], &hex[8..12], &hex[12..16], &hex[16..20], &hex[20..])
        }
    }
}

fn control_digit(first: &str) -> Option<usize> {
    let sum = |shift: usize| {
        first.bytes().enumerate().map(|(at, digit)| usize::from(digit - b'0') * ((at + shift) % 11 + 1)).sum::<usize>()
            % 11
    };
    [sum(0), sum(2)].into_iter().find(|control| *control < 10)
}

/// Ways of writing; the first twelve are those of the claim, the others what else a site's developer would try.
pub(super) const ENCODINGS: [&str; 15] = [
    "as it is",
    "percent",
    "percent twice",
    "plus",
    "entities",
    "base64",
    "base64url",
    "hex",
    "full-width",
    "digits of other scripts",
    "zero-width",
    "look-alikes",
    "separators",
    "upper case",
    "mixed case",
];

pub(super) fn encode(encoding: &str, text: &str, random: &mut Random) -> String {
    let each = |write: &mut dyn FnMut(&mut String, char)| {
        let mut out = String::new();
        text.chars().for_each(|c| write(&mut out, c));
        out
    };
    let grouped = |random: &mut Random, separators: &[&str]| {
        let (separator, size) = (random.pick(separators), 2 + random.below(3));
        let groups: Vec<&str> = (0..text.len()).step_by(size).map(|at| &text[at..text.len().min(at + size)]).collect();
        groups.join(separator)
    };
    let numeric = !text.contains(['@', '.', '-']);
    match encoding {
        "percent" => each(&mut |out, c| write!(out, "%{:02X}", c as u32).unwrap()),
        "percent twice" => each(&mut |out, c| write!(out, "%25{:02x}", c as u32).unwrap()),
        "plus" if numeric => grouped(random, &["+"]),
        "plus" => format!("find+{text}+now"),
        "entities" if random.below(2) == 0 => each(&mut |out, c| write!(out, "&#{};", c as u32).unwrap()),
        "entities" => each(&mut |out, c| write!(out, "&#x{:x};", c as u32).unwrap()),
        "base64" => STANDARD.encode(text),
        "base64url" => URL_SAFE_NO_PAD.encode(text),
        "hex" => each(&mut |out, c| write!(out, "{:02x}", c as u32).unwrap()),
        "full-width" => each(&mut |out, c| out.push(char::from_u32(c as u32 + 0xFEE0).unwrap())),
        "digits of other scripts" => {
            let zero = random.pick(&[0x0660u32, 0x06F0, 0x0966, 0x1D7CE]);
            each(&mut |out, c| out.push(c.to_digit(10).map_or(c, |digit| char::from_u32(zero + digit).unwrap())))
        }
        "zero-width" => each(&mut |out, c| {
            out.push(c);
            out.push(random.pick(&['\u{200B}', '\u{200C}', '\u{2060}', '\u{FEFF}', '\u{AD}']));
        }),
        "look-alikes" => each(&mut |out, c| out.push(look_alike(c))),
        "separators" if numeric => grouped(random, &["-", " ", ".", "_", "--", "\u{2013}", "\u{A0}", ") "]),
        "separators" if text.contains('@') => text.replace('@', " [at] "),
        "separators" if text.contains('.') => text.replace('-', random.pick(&[" ", "_"])),
        "separators" => text.replace('-', random.pick(&[" ", "_", ".", ""])),
        "upper case" => text.to_uppercase(),
        "mixed case" => each(&mut |out, c| {
            out.push(if random.below(2) == 0 { c.to_ascii_uppercase() } else { c.to_ascii_lowercase() });
        }),
        _ => text.to_owned(),
    }
}

fn look_alike(c: char) -> char {
    match c {
        'a' => 'а',
        'c' => 'с',
        'e' => 'е',
        'o' => 'о',
        'p' => 'р',
        'x' => 'х',
        'y' => 'у',
        'i' => 'і',
        's' => 'ѕ',
        'j' => 'ј',
        'k' => 'κ',
        'v' => 'ν',
        'A' => 'А',
        'B' => 'В',
        'C' => 'С',
        'E' => 'Ε',
        'H' => 'Н',
        'K' => 'К',
        'M' => 'Μ',
        'O' => 'О',
        'P' => 'Р',
        'T' => 'Т',
        'X' => 'Х',
        'Z' => 'Ζ',
        '@' => '＠',
        '.' => '。',
        '-' => '\u{2010}',
        '1' => '𝟏',
        '0' => '０',
        c => c,
    }
}

/// What a browser makes of a path that a script put together.
pub(super) fn as_sent(text: &str) -> String {
    let mut out = String::new();
    for byte in text.bytes() {
        match byte {
            b' ' | b'#' | b'?' | b'"' | b'<' | b'>' | b'`' | b'{' | b'}' | 0x80.. => {
                write!(out, "%{byte:02X}").unwrap()
            }
            byte => out.push(byte as char),
        }
    }
    out
}

/// Whether as much as seven characters in a row of the identifier, plain or as it was written, stand in what was kept. The
/// scrubber's own words, such as `<encoded>`, are none of them.
pub(super) fn is_left(kept: &str, identifier: &str, written: &str) -> bool {
    let bare =
        |text: &str| text.chars().filter(|c| c.is_alphanumeric()).flat_map(char::to_lowercase).collect::<String>();
    let without = |part: &str| match part.split_once('>') {
        Some((word, rest)) if word.chars().all(|c| c.is_ascii_lowercase()) => bare(rest),
        _ => bare(part),
    };
    let kept = kept.split('<').map(without).collect::<Vec<_>>().join("<");
    [identifier, written].iter().any(|form| {
        let form: Vec<char> = bare(form).chars().collect();
        let stands = |range: &[char]| kept.contains(&range.iter().collect::<String>());
        // Any seven in a row hold an aligned four.
        form.chunks_exact(4).any(stands) && form.windows(7).any(stands)
    })
}

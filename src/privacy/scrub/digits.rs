//! Numbers: digits with what is commonly written between them, and whose number it is.
//!
//! A chain is digits with at most three separators between two of them. A chain of 6 digits on end, or of 9 in all, is
//! folded whether or not a check digit fits: an order's number names its customer as well as a card's does. What the checks
//! add is the name of the placeholder, and the few shorter forms that are known.

use std::ops::Range;

use super::checks;

/// Digits on end that are too many.
pub(super) const RUN_MAX: usize = 5;
/// Digits in a chain that are too many: a date still passes.
const CHAIN_MAX: usize = 8;
/// Separators between two digits of a chain.
const GAP_MAX: usize = 3;
/// Digits of a chain that are checked at most; a longer one is a number without a name.
const CHECKED_MAX: usize = 64;

/// What a number can be, with the check, an example that it must take and one that it must not.
pub(super) struct NumberRule {
    /// The placeholder.
    pub(super) name: &'static str,
    /// How many digits such a number has.
    lengths: Range<usize>,
    is_one: fn(&[u8]) -> bool,
    #[cfg(test)]
    takes: &'static [&'static str],
    #[cfg(test)]
    leaves: &'static [&'static str],
}

/// In the order in which they are asked.
pub(super) const NUMBERS: &[NumberRule] = &[
    NumberRule {
        name: "iin",
        lengths: 12..13,
        is_one: checks::is_iin,
        #[cfg(test)]
        takes: &["850101300124", "85-01-01 300 124"],
        #[cfg(test)]
        leaves: &["850101300120", "851301300123"],
    },
    NumberRule {
        name: "bin",
        lengths: 12..13,
        is_one: checks::is_bin,
        #[cfg(test)]
        takes: &["210440009516", "2407.4001.2077"],
        #[cfg(test)]
        leaves: &["210440009517", "211340009516"],
    },
    NumberRule {
        name: "card",
        lengths: 12..20,
        is_one: checks::is_card,
        #[cfg(test)]
        takes: &["4111 1111 1111 1111", "2200-0000-0000-0004", "378282246310005"],
        #[cfg(test)]
        leaves: &["4111111111111112", "1234567812345670"],
    },
    NumberRule {
        name: "phone",
        lengths: 10..12,
        is_one: checks::is_kazakh_phone,
        #[cfg(test)]
        takes: &["87012345678", "8 (727) 272-72-72", "701.234.56.78", "+77012345678"],
        #[cfg(test)]
        leaves: &["1234567890", "99912345678"],
    },
    NumberRule {
        name: "imei",
        lengths: 15..16,
        is_one: checks::is_luhn,
        #[cfg(test)]
        takes: &["490154203237518"],
        #[cfg(test)]
        leaves: &["490154203237517"],
    },
];

/// Calls `found` with each chain of digits that is folded, and the name of what it is.
pub(super) fn scan(ascii: &str, mut found: impl FnMut(Range<usize>, &'static str)) {
    let bytes = ascii.as_bytes();
    let mut at = 0;
    while at < bytes.len() {
        if !bytes[at].is_ascii_digit() {
            at += 1;
            continue;
        }
        let chain = Chain::at(bytes, at);
        if let Some(name) = chain.name() {
            let plus = usize::from(chain.plus);
            found(at - plus..chain.end, name);
        }
        at = chain.end;
    }
}

/// Digits and what stands between them, from the first digit to the last.
struct Chain {
    end: usize,
    digits: Vec<u8>,
    count: usize,
    longest_run: usize,
    /// Three, two and two digits, dashes between: a telephone number within its town.
    local_phone: bool,
    plus: bool,
}

impl Chain {
    fn at(bytes: &[u8], start: usize) -> Self {
        let (mut end, mut run, mut gap) = (start, 0, 0);
        let mut chain = Self {
            end,
            digits: Vec::new(),
            count: 0,
            longest_run: 0,
            local_phone: false,
            plus: start > 0 && bytes[start - 1] == b'+',
        };
        for (at, byte) in bytes.iter().enumerate().skip(start) {
            if byte.is_ascii_digit() {
                run = if gap == 0 { run + 1 } else { 1 };
                gap = 0;
                end = at + 1;
                chain.count += 1;
                chain.longest_run = chain.longest_run.max(run);
                if chain.digits.len() < CHECKED_MAX {
                    chain.digits.push(*byte);
                }
            } else if gap < GAP_MAX && byte.is_ascii() && !byte.is_ascii_alphabetic() && *byte != super::decode::LETTER
            {
                gap += 1;
            } else {
                break;
            }
        }
        chain.end = end;
        let shape = |(byte, mark): (&u8, u8)| if mark == b'd' { byte.is_ascii_digit() } else { *byte == mark };
        let text = &bytes[start..end];
        chain.local_phone = text.len() == 9 && text.iter().zip(*b"ddd-dd-dd").all(shape);
        chain
    }

    /// What it is, if it is folded.
    fn name(&self) -> Option<&'static str> {
        let known = NUMBERS.iter().find(|rule| rule.lengths.contains(&self.count) && (rule.is_one)(&self.digits));
        let phone = self.local_phone || (self.plus && (7..=15).contains(&self.count));
        match known {
            Some(rule) => Some(rule.name),
            None if phone => Some("phone"),
            None if self.longest_run > RUN_MAX || self.count > CHAIN_MAX => Some(self.name_of_a_part()),
            None => None,
        }
    }

    /// A chain can hold a number among others' digits.
    fn name_of_a_part(&self) -> &'static str {
        if self.count > CHECKED_MAX {
            return "number";
        }
        let part = |rule: &&NumberRule| {
            rule.name != "imei" && rule.name != "phone" && self.digits.windows(rule.lengths.start).any(rule.is_one)
        };
        NUMBERS.iter().find(part).map_or("number", |rule| rule.name)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names(text: &str) -> Vec<&'static str> {
        let mut names = Vec::new();
        scan(text, |_, name| names.push(name));
        names
    }

    #[test]
    fn every_number_rule_takes_and_leaves_its_examples() {
        for rule in NUMBERS {
            assert!(!rule.takes.is_empty() && !rule.leaves.is_empty(), "{} has no examples", rule.name);
            for example in rule.takes {
                assert_eq!(names(example), [rule.name], "{example}");
            }
            for example in rule.leaves {
                let digits: Vec<u8> = example.bytes().filter(u8::is_ascii_digit).collect();
                assert!(!(rule.is_one)(&digits), "{} takes {example}", rule.name);
            }
        }
    }

    #[test]
    fn short_numbers_stay_and_long_ones_do_not() {
        for text in ["2026", "iphone-15", "2026-07-15", "12345", "1.2.3", "1920x1080", "10:30", "8501a0130"] {
            assert!(names(text).is_empty(), "{text}");
        }
        for (text, name) in [
            ("123456", "number"),
            ("123 456 789", "number"),
            ("272-72-72", "phone"),
            ("+1 202 555 0199", "phone"),
            ("+2903456", "phone"),
            ("order 850101300124 of", "iin"),
            ("x850101300124y", "iin"),
            ("1 850101300124 1", "iin"),
        ] {
            assert_eq!(names(text), [name], "{text}");
        }
    }
}

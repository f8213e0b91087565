//! The rules by which an identifier is known, as data: each with an example that it must find and one that it must leave.
//!
//! A rule reads the canonical form of a text (`decode`), one ASCII byte for each character, so that it need not know how
//! the text was written. It is asked only where the text has enough of what it looks for ([`Census`]), which of most texts
//! leaves no rule. Patterns are run by automata, in time proportional to the text. Numbers have rules of their own
//! (`digits`).

use std::net::Ipv4Addr;
use std::ops::Range;
use std::sync::LazyLock;

use regex::bytes::{Regex, RegexBuilder};

use super::census::Census;
use super::decode;
use super::{digits, scans, token};

/// A range of characters that identifies, and what it is.
#[derive(Clone, Debug)]
pub(super) struct Found {
    pub(super) range: Range<usize>,
    /// The placeholder, without its brackets.
    pub(super) name: &'static str,
}

struct Rule {
    name: &'static str,
    /// What a text must have before it can find anything.
    needs: fn(&Census) -> bool,
    find: Find,
    /// Whether it also finds across the borders of words and segments, when those are put together without any.
    joins: bool,
    #[cfg(test)]
    finds: &'static [&'static str],
    #[cfg(test)]
    leaves: &'static [&'static str],
}

type Check = fn(&str) -> bool;
type Scan = fn(&str, &mut dyn FnMut(Range<usize>));

enum Find {
    /// A pattern without regard to case, and a further check of what it matched.
    Pattern(&'static str, Check),
    /// Anything else that runs through the text once.
    Scan(Scan),
}

const ALWAYS: Check = |_| true;

static RULES: &[Rule] = &[
    Rule {
        name: "url",
        needs: |of| of.colons > 0 || of.dots > 0,
        find: Find::Pattern(
            r"[a-z][a-z0-9+.-]{1,15}://\S+|\bwww\.\S+|\b(?:data|blob|mailto|tel|javascript):\S+|\bt\.me/\S+",
            ALWAYS,
        ),
        joins: false,
        #[cfg(test)]
        finds: &["https://a.kz/p?x=1", "postgres://u:p@h/db", "www.a.kz/me", "mailto:a", "t.me/aigerim"],
        #[cfg(test)]
        leaves: &["net::ERR_FAILED", "http 404", "data is missing"],
    },
    Rule {
        name: "secret",
        needs: |of| of.ats > 0 && of.colons > 0,
        find: Find::Pattern(r"[^\s:/@]+:[^\s@/]*@\S+", ALWAYS),
        joins: false,
        #[cfg(test)]
        finds: &["root:hunter2@db", "u:@h"],
        #[cfg(test)]
        leaves: &["at 10:30 @ noon", "a:b"],
    },
    Rule {
        name: "email",
        needs: |of| of.ats > 0,
        find: Find::Pattern(
            r"[a-z0-9_.%+'\x01-]+(?:\s{0,2}@\s{0,2}[a-z0-9\x01-]+(?:\s{0,2}\.\s{0,2}[a-z0-9\x01-]+)+|@[a-z0-9\x01]+)",
            ALWAYS,
        ),
        joins: true,
        #[cfg(test)]
        finds: &["a@b.kz", "A.B+c@Mail.Example.KZ", "айгерим@почта.қаз", "a @ b . kz", "root@localhost"],
        #[cfg(test)]
        leaves: &["@media", "a @ b", "mail.kz"],
    },
    Rule {
        name: "email",
        needs: |of| of.brackets > 0,
        find: Find::Pattern(
            r"[a-z0-9_.%+'\x01-]+\s{0,2}[\[({<]\s{0,2}at\s{0,2}[\])}>]\s{0,2}[a-z0-9\x01-]+(?:\s{0,2}[\[({<]?\s{0,2}(?:\.|dot)\s{0,2}[\])}>]?\s{0,2}[a-z0-9\x01-]+)*",
            ALWAYS,
        ),
        joins: false,
        #[cfg(test)]
        finds: &["a[at]b.kz", "aigerim (at) mail (dot) kz"],
        #[cfg(test)]
        leaves: &["look at me", "(at least)"],
    },
    Rule {
        name: "name",
        needs: |of| of.ats > 0,
        find: Find::Pattern(r"@[a-z][a-z0-9_]{3,31}/?", scans::is_handle),
        joins: false,
        #[cfg(test)]
        finds: &["@aigerim_n", "ask @Aigerim"],
        #[cfg(test)]
        leaves: &["@media", "@babel/core", "@"],
    },
    Rule {
        name: "jwt",
        needs: |of| of.code_run >= scans::JWT_MIN,
        find: Find::Scan(scans::jwts),
        joins: true,
        #[cfg(test)]
        finds: &[
            "eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxMjM0In0.c2lnbmF0dXJl",
            "EYJHBGCIOIJIUZI1NIJ9",
            "eyJhbGciOiJIUzI1NiJ9 eyJzdWIiOiIxMjM0In0 c2lnbm F0 dXJl",
        ],
        #[cfg(test)]
        leaves: &["eyjafjallajokull", "monkeyjungle"],
    },
    Rule {
        name: "uuid",
        needs: |of| of.hex >= 32,
        find: Find::Pattern(r"[0-9a-f]{8}(?:[^0-9a-z]{0,3}[0-9a-f]{4}){3}[^0-9a-z]{0,3}[0-9a-f]{12}", ALWAYS),
        joins: true,
        #[cfg(test)]
        finds: &[
            "0b8f1c2e-4d5a-4c3b-9e8f-aabbccddeeff",
            "0B8F1C2E4D5A4C3B9E8FAABBCCDDEEFF",
            "idabcdefab cdef abcd efab cdefabcdefab",
        ],
        #[cfg(test)]
        leaves: &["0b8f1c2e-4d5a-4c3b", "deadbeef"],
    },
    Rule {
        name: "iban",
        needs: |of| of.digits >= 2 && of.alphanumeric >= 15,
        find: Find::Scan(scans::ibans),
        joins: true,
        #[cfg(test)]
        finds: &["KZ86125KZT5004100100", "kz27 8562 2031 3942 1566", "ibanGB82-WEST-1234-5698-7654-32x"],
        #[cfg(test)]
        leaves: &["KZ86125KZT5004100101", "kz-2026-black-edition-of-2025", "de"],
    },
    Rule {
        name: "mac",
        needs: |of| of.hex >= 12 && of.colons + of.dashes + of.dots >= 2,
        find: Find::Pattern(r"\b[0-9a-f]{2}(?:[:-][0-9a-f]{2}){5}\b|\b[0-9a-f]{4}\.[0-9a-f]{4}\.[0-9a-f]{4}\b", ALWAYS),
        joins: false,
        #[cfg(test)]
        finds: &["00:1b:44:11:3a:b7", "00-1B-44-11-3A-B7", "001b.4411.3ab7"],
        #[cfg(test)]
        leaves: &["10:30:45", "ab-cd-ef"],
    },
    Rule {
        name: "address",
        needs: |of| of.dots >= 3 && of.digits >= 4,
        find: Find::Pattern(r"\d{1,3}(?:\.\d{1,3}){3}", |text| text.parse::<Ipv4Addr>().is_ok()),
        joins: false,
        #[cfg(test)]
        finds: &["198.18.7.9", "from 10.0.0.1:8080"],
        #[cfg(test)]
        leaves: &["1.2.3", "1.2.3.456"],
    },
    Rule {
        name: "address",
        needs: |of| of.colons >= 2,
        find: Find::Pattern(r"[0-9a-f]{0,4}(?::[0-9a-f]{0,4}){2,7}", scans::is_ipv6),
        joins: false,
        #[cfg(test)]
        finds: &["2001:db8::1", "[fe80::1ff:fe23:4567:890a]"],
        #[cfg(test)]
        leaves: &["10:30:45", "a::b", "::1"],
    },
    Rule {
        name: "secret",
        needs: |of| of.equals > 0 || of.colons > 0,
        find: Find::Pattern(
            concat!(
                r#"\b(?:pass(?:word|wd|phrase)?|pwd|secret|[a-z]{0,8}[_-]?token|api[_-]?key|key|auth|sessionid|session|sid|otp|pin|cvv|cvc|code|"#,
                r#"e-?mail|phone|tel|msisdn|iin|bin|iban|card|pan|passport|login|user(?:name|id|_id)?|(?:first|last|full)?_?name|fio|dob)"#,
                r#"(?:\s{0,2}=\s{0,2}["']?[^\s"'&;,)}=]+|["']\s{0,2}:\s{0,2}["']?[^\s"',}]+)"#
            ),
            ALWAYS,
        ),
        joins: false,
        #[cfg(test)]
        finds: &["password=hunter2", r#"{"login":"aigerim"}"#, "access_token = abc", "?name=Aigerim"],
        #[cfg(test)]
        leaves: &["Unexpected token: }", "wrong password", "reading 'name'", "a == b"],
    },
    Rule {
        name: "secret",
        needs: |of| of.spaces > 0 && of.code_run >= 8,
        find: Find::Pattern(r"\b(?:bearer|basic)\s+[a-z0-9+/=._~-]{8,}", |text| {
            text.bytes().any(|byte| byte.is_ascii_digit() || byte == b'=')
        }),
        joins: false,
        #[cfg(test)]
        finds: &["Bearer abcdef012345", "Authorization: Basic dXNlcjpwYXNz="],
        #[cfg(test)]
        leaves: &["basic knowledge", "bearer of news"],
    },
    Rule {
        name: "token",
        needs: |of| of.hex_run >= 16,
        find: Find::Pattern(r"[0-9a-f]{16,}", |text| text.bytes().any(|byte| byte.is_ascii_digit())),
        joins: false,
        #[cfg(test)]
        finds: &["deadbeefdeadbee1", "507F1F77BCF86CD799439011"],
        #[cfg(test)]
        leaves: &["deadbeef1", "facade"],
    },
    Rule {
        name: "encoded",
        needs: |of| (of.capitals > 0 && of.code_run >= token::BASE64_MIN) || of.hex_run >= token::HEX_MIN,
        find: Find::Scan(|text, found| token::encoded(text, identifies_plainly, found)),
        joins: true,
        #[cfg(test)]
        finds: &["ODUwMTAxMzAwMTI0", "id-YWlnZXJpbUBtYWlsLmt6.html", "YUBiLmt6", "6140622e6b7a"],
        #[cfg(test)]
        leaves: &["Administration", "Getting-Started-With-Payments", "facade"],
    },
    // Six digits in base64, also when the capitals were lost, as in the name of a host.
    Rule {
        name: "encoded",
        needs: |of| of.run >= 8,
        find: Find::Pattern("(?:[mno][dtjz][aceigkmquy][wxyz0-5]){2}", ALWAYS),
        joins: true,
        #[cfg(test)]
        finds: &["mtawotywnzixotaw", "id=MTAWOTYWNZIX"],
        #[cfg(test)]
        leaves: &["administration", "mdaxmda", "indexsyntax"],
    },
    Rule {
        name: "token",
        needs: |of| of.run >= token::LONG || (of.run >= token::TOKEN_MIN && of.digits > 0),
        find: Find::Scan(token::tokens),
        joins: false,
        #[cfg(test)]
        finds: &["aB3dE5gH", "c0nf1rm-x7Kq9ZbT2LmW"],
        #[cfg(test)]
        leaves: &["iPhone15ProMax", "getElementsByClassName", "wh-1000xm5"],
    },
    Rule {
        name: "spelled",
        needs: |of| of.spaces + of.dots + of.dashes + of.slashes >= 5,
        find: Find::Pattern(r"\b(?:[a-z0-9\x01@][\s._/-]{1,2}){5,}[a-z0-9\x01@]\b", ALWAYS),
        joins: false,
        #[cfg(test)]
        finds: &["a i g e r i m", "a.i-g.e-r.i"],
        #[cfg(test)]
        leaves: &["a b c", "e.g. it is"],
    },
];

/// What runs a rule.
enum Runner {
    Pattern(Regex, Check),
    Scan(Scan),
}

static RUNNERS: LazyLock<Vec<(&'static Rule, Runner)>> = LazyLock::new(|| {
    let runner = |rule: &'static Rule| match rule.find {
        Find::Pattern(source, check) => {
            let regex = RegexBuilder::new(source).case_insensitive(true).unicode(false).build();
            (rule, Runner::Pattern(regex.expect("the patterns above are tested"), check))
        }
        Find::Scan(scan) => (rule, Runner::Scan(scan)),
    };
    RULES.iter().map(runner).collect()
});

/// Runs the rules that may find anything in a canonical text.
fn run(ascii: &str, census: &Census, only: impl Fn(&Rule) -> bool, found: &mut dyn FnMut(Range<usize>, &'static str)) {
    for (rule, runner) in RUNNERS.iter().filter(|(rule, _)| (rule.needs)(census) && only(rule)) {
        match runner {
            Runner::Pattern(regex, check) => {
                let matches = regex.find_iter(ascii.as_bytes()).map(|found| found.range());
                matches.filter(|range| check(&ascii[range.clone()])).for_each(|range| found(range, rule.name));
            }
            Runner::Scan(scan) => scan(ascii, &mut |range| found(range, rule.name)),
        }
    }
}

/// Calls `found` with every range that some rule of those in question finds, and with those of the digits.
fn run_all(ascii: &str, only: impl Fn(&Rule) -> bool, mut found: impl FnMut(Range<usize>, &'static str)) {
    let census = Census::of(ascii);
    run(ascii, &census, only, &mut found);
    if census.digits > digits::RUN_MAX {
        digits::scan(ascii, found);
    }
}

/// Every range of a canonical text that some rule finds, those of the digits included; in no order, overlapping.
pub(super) fn find(ascii: &str) -> Vec<Found> {
    let mut all = Vec::new();
    run_all(ascii, |_| true, |range, name| all.push(Found { range, name }));
    all
}

/// Whether any rule finds anything.
pub(super) fn any(ascii: &str) -> bool {
    let mut any = false;
    run_all(ascii, |_| true, |_, _| any = true);
    any
}

/// Whether words or segments, put together without what stood between them, make up an identifier.
pub(super) fn any_joined(joined: &str) -> bool {
    let mut any = false;
    run(joined, &Census::of(joined), |rule| rule.joins, &mut |_, _| any = true);
    any
}

/// What was in base64 or hexadecimal is not decoded again.
fn identifies_plainly(decoded: &str) -> bool {
    let mut any = false;
    let only = |rule: &Rule| !matches!(rule.name, "encoded" | "token" | "spelled");
    run_all(&decode::canonical(decoded), only, |_, _| any = true);
    any
}

/// Short words in small letters, which no rule could find anything in.
pub(super) fn is_plain(text: &str) -> bool {
    text.len() <= 64
        && text.bytes().all(|byte| byte.is_ascii_lowercase() || matches!(byte, b'-' | b'_' | b'.'))
        && text.split(['-', '_', '.']).all(|word| word.len() < 12)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names(text: &str) -> Vec<&'static str> {
        find(&decode::canonical(text)).into_iter().map(|found| found.name).collect()
    }

    #[test]
    fn every_rule_finds_and_leaves_its_examples() {
        for rule in RULES {
            assert!(!rule.finds.is_empty() && !rule.leaves.is_empty(), "{} has no examples", rule.name);
            for example in rule.finds {
                assert!(finds(rule, example), "{} misses {example}", rule.name);
            }
            for example in rule.leaves {
                assert!(!finds(rule, example), "{} takes {example}", rule.name);
            }
        }
    }

    fn finds(rule: &Rule, text: &str) -> bool {
        let ascii = decode::canonical(text);
        let mut any = false;
        run(&ascii, &Census::of(&ascii), |other| std::ptr::eq(other, rule), &mut |_, _| any = true);
        any
    }

    #[test]
    fn what_is_plain_is_found_by_no_rule() {
        for text in ["tariffs", "getting-started", "faq.html", "how_to_pay", ""] {
            assert!(is_plain(text) && names(text).is_empty(), "{text}");
        }
        for text in ["Tariffs", "v2", "a@b", "internationalization", "тарифы"] {
            assert!(!is_plain(text), "{text}");
        }
    }

    #[test]
    fn an_identifier_cut_into_pieces_is_found_when_they_are_joined() {
        for joined in
            ["ODUwMTAxMzAwMTI0", "KZ86125KZT5004100100", "0b8f1c2e4d5a4c3b9e8faabbccddeeff", "aigerim@mail.kz"]
        {
            assert!(any_joined(joined), "{joined}");
            assert!(any_joined(&format!("docs{joined}")), "{joined}");
        }
        assert!(!any_joined("docsgettingstarted20260715iphone15"));
    }

    proptest::proptest! {
        #[test]
        fn ranges_are_within_the_text(text in "(\\PC|[0-9a-fA-F@:. /=-]){0,300}") {
            let canonical = decode::canonical(&text);
            for found in find(&canonical) {
                proptest::prop_assert!(found.range.start < found.range.end && found.range.end <= canonical.len());
            }
        }
    }
}

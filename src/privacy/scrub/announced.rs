//! What follows, or precedes, a word that announces it: a password after `пароль`, a flat after `кв`, a name before `собака`.
//!
//! Each announcer is listed with what it announces (`words.txt`); what the value may look like is here. An amount is no
//! value: a number before a unit, or a year.

use std::ops::Range;

use super::decode::Canonical;
use super::dictionary::{self, Announced, Role};
use super::phrases::{Words, is_year};
use super::rule::Found;
use super::shapes::{BIRTH_YEARS, is_code};
use super::token::pronounceable;
use super::{spoken, written};

/// Words between an announcer and its value.
const FILLERS_MAX: usize = 3;
/// Words that a value has at most.
const VALUE_WORDS_MAX: usize = 5;
/// Words of an address before its flat.
const ADDRESS_WORDS_MAX: usize = 8;
/// Passwords of one small word that need no other sign.
const COMMON: [&str; 6] = ["qwerty", "asdfgh", "zxcvbn", "iloveyou", "qwertyuiop", "letmein"];

/// Adds what it finds to what the rules have found.
pub(super) fn find(text: &Canonical, found: &mut Vec<Found>) {
    let words = Words::of(text);
    let announced = words.roles.has(Role::Announcer);
    for at in 0..if announced || words.has_digits { words.len() } else { 0 } {
        if words.has_digits {
            found.extend(glued_flat(&words, at).map(|range| Found { range, name: "flat" }));
        }
        if let Some((kind, count)) = words.announcer(at) {
            let (before, after) = (at, at + count);
            let value = value(&words, kind, before, after);
            found.extend(value.map(|range| Found { range, name: name(kind) }));
        }
    }
    spoken::find(&words, found);
    if words.has_digits {
        written::find(&words, found);
    }
}

/// Whether anything that follows could be announced by a word in it.
pub(super) fn announces(text: &Canonical) -> bool {
    Words::of(text).roles.has(Role::Announcer)
}

/// Whether there is anything to find.
pub(super) fn any(text: &Canonical) -> bool {
    let mut found = Vec::new();
    find(text, &mut found);
    !found.is_empty()
}

fn name(kind: Announced) -> &'static str {
    match kind {
        Announced::Password => "secret",
        Announced::SentCode | Announced::Code => "code",
        Announced::Number => "number",
        Announced::Flat => "flat",
        Announced::Birth => "date",
        Announced::Handle => "name",
        Announced::Place => "place",
    }
}

/// The value of an announcer that takes up the words from `before` to `after`.
fn value(words: &Words<'_>, kind: Announced, before: usize, after: usize) -> Option<Range<usize>> {
    let skips = |at: usize| {
        words.gap(at + 1) != "_"
            && (words.is(at, Role::Filler) || (kind == Announced::Password && words.is(at, Role::Brand)))
    };
    let filled = (after..words.len()).take(FILLERS_MAX).take_while(|at| skips(*at)).count();
    let at = after + filled;
    let assigned = (after..=at).any(|at| words.gap(at).contains([':', '=']));
    let announcer = before..after;
    match kind {
        Announced::Password => password(words, announcer, at, assigned),
        Announced::SentCode => {
            sent_code(words, announcer, at).or_else(|| code(words, at).filter(|range| range.len() >= 6))
        }
        Announced::Number => number(words, at),
        Announced::Code => code(words, at),
        Announced::Flat => flat(words, announcer, at),
        Announced::Birth => birth(words, at),
        Announced::Handle => handle(words, at, assigned),
        Announced::Place => place(words, at),
    }
}

fn password(words: &Words<'_>, announcer: Range<usize>, at: usize, assigned: bool) -> Option<Range<usize>> {
    let key = words.get(at)?;
    let range = words.unspaced(at);
    let token = words.ascii(range.clone());
    let digits = token.bytes().filter(u8::is_ascii_digit).count();
    let inner_capital = token.bytes().skip(1).any(|byte| byte.is_ascii_uppercase())
        && token.bytes().any(|byte| byte.is_ascii_lowercase());
    let marked =
        token.trim_end_matches(['.', ',', '!', '?', ')']).contains(['_', '!', '@', '#', '$', '%', '^', '&', '*']);
    let other_script =
        !words.is_latin(announcer.start) && words.is_latin(at) && token.len() >= 5 && !words.is(at, Role::Brand);
    let long_enough = digits >= 3 || (digits > 0 && token.len() >= 5);
    let counted = (words.is_amount(at) && digits < 5) || (!assigned && is_year(key));
    let is_one = !words.is(at, Role::Answer)
        && token.len() >= 3
        && !counted
        && (assigned || long_enough || inner_capital || marked || other_script || COMMON.contains(&key));
    is_one.then_some(range)
}

/// Digits after the announcer, or before it (`1234 is your code`).
fn sent_code(words: &Words<'_>, announcer: Range<usize>, at: usize) -> Option<Range<usize>> {
    let bare =
        announcer.len() == 1 && !matches!(words.key(announcer.start), "otp" | "pin" | "cvv" | "cvc" | "пин" | "пинкод");
    let fits = |at: usize, min: usize| {
        let key = words.get(at)?;
        let digits = key.bytes().all(|byte| byte.is_ascii_digit());
        let year = bare && is_year(key);
        (digits && (min..=8).contains(&key.len()) && !year && !words.is_amount(at)).then(|| words.range(at))
    };
    let min = if bare { 4 } else { 3 };
    let two = || {
        let (a, b) = (words.get(at)?, words.get(at + 1)?);
        let three = |key: &str| key.len() == 3 && key.bytes().all(|byte| byte.is_ascii_digit());
        (three(a) && three(b) && words.gap(at + 1).len() == 1).then(|| words.range(at).start..words.range(at + 1).end)
    };
    let before = || {
        let skipped = (0..announcer.start).rev().take(2).take_while(|at| words.is(*at, Role::Filler)).count();
        let at = announcer.start.checked_sub(1 + skipped)?;
        if bare { None } else { fits(at, 4) }
    };
    two().or_else(|| fits(at, min)).or_else(before)
}

/// Words with digits, and short ones before such: `45 08 № 123456`, `AB-1234`, `12/345-К`.
fn number(words: &Words<'_>, at: usize) -> Option<Range<usize>> {
    let has_digit = |at: usize| words.get(at).is_some_and(|key| key.bytes().any(|byte| byte.is_ascii_digit()));
    let near = |at: usize| words.gap(at).chars().count() <= 3 && !words.gap(at).contains([',', ';', '?', '!']);
    let (mut digits, mut last, mut numbers) = (0, None, 0);
    for next in at..words.len().min(at + VALUE_WORDS_MAX) {
        let key = words.key(next);
        if next > at && !near(next) {
            break;
        }
        if has_digit(next) {
            digits += key.bytes().filter(u8::is_ascii_digit).count();
            numbers += 1;
            last = Some(next);
        } else if key.chars().count() > 4
            || !(has_digit(next + 1) || has_digit(next + 2))
            || (digits > 0 && words.gap(next).contains(' '))
        {
            break;
        }
    }
    let last = last?;
    let lone = numbers == 1;
    let amount = lone && (is_year(words.key(last)) || words.is_amount(last));
    let end = match words.get(last + 1) {
        Some(key) if key.chars().count() == 1 && matches!(words.gap(last + 1), "-" | "/") => last + 1,
        _ => last,
    };
    (digits >= 3 && !amount).then(|| words.range(at).start..words.range(end).end)
}

/// Letters and digits in one, four digits, or letters that nobody can pronounce.
fn code(words: &Words<'_>, at: usize) -> Option<Range<usize>> {
    let key = words.get(at)?;
    let range = words.glued(at);
    let token = words.ascii(range.clone());
    // `black-friday-2026` is the name of a sale; what is mixed within a word, or a number that is no year, is a code.
    let parts = || token.split(['-', '_', '.']).filter(|part| !part.is_empty());
    let is_digit = |c: char| c.is_ascii_digit();
    let mixed = parts().any(|part| {
        part.contains(is_digit)
            && !part.chars().all(is_digit)
            && (part.len() >= 5 || (part.len() == 4 && parts().count() > 1))
    });
    let number = parts().any(|part| part.len() >= 4 && part.chars().all(is_digit) && !is_year(part));
    let odd = key.len() >= 6 && !token.contains(is_digit) && !pronounceable(key.as_bytes(), 45) && key.is_ascii();
    let amount = words.is_amount(at) && parts().count() == 1;
    ((mixed || number || odd || is_code(token.as_bytes())) && !amount).then_some(range)
}

/// Up to four digits, and a letter perhaps, after or (`42 пәтер`) before.
fn flat(words: &Words<'_>, announcer: Range<usize>, at: usize) -> Option<Range<usize>> {
    let is_one = |at: usize| {
        let key = words.get(at)?;
        let digits = key.bytes().take_while(u8::is_ascii_digit).count();
        let fits = (1..=4).contains(&digits) && key.chars().count() <= digits + 1 && !is_year(key);
        fits.then(|| words.range(at))
    };
    let (next, after) = (words.gap(at), words.gap(at + 1));
    let version = after.starts_with(['%', '*'])
        || (after == "." && words.get(at + 1).is_some_and(|key| key.bytes().all(|byte| byte.is_ascii_digit())));
    let following = || if next.len() <= 3 && !words.is_amount(at) && !version { is_one(at) } else { None };
    let native = words.key(announcer.start).contains('ә');
    let of_area = words.is(announcer.end, Role::Unit);
    let addressed = || (0..announcer.start).rev().take(ADDRESS_WORDS_MAX).any(|at| words.is(at, Role::Street));
    let preceding = || {
        let before = announcer.start.checked_sub(1)?;
        let joined = matches!(words.gap(announcer.start), " " | "-");
        if joined && !of_area && (native || addressed()) { is_one(before) } else { None }
    };
    following().or_else(preceding)
}

/// `кв42`.
fn glued_flat(words: &Words<'_>, at: usize) -> Option<Range<usize>> {
    let key = words.get(at)?;
    let number = ["kb", "kv", "apt"].iter().find_map(|word| key.strip_prefix(word))?;
    let is_one =
        (1..=4).contains(&number.len()) && number.bytes().all(|byte| byte.is_ascii_digit()) && !words.is_amount(at);
    is_one.then(|| words.range(at))
}

/// A date, or a year of birth.
fn birth(words: &Words<'_>, at: usize) -> Option<Range<usize>> {
    let part = |at: &usize| {
        words.get(*at).is_some_and(|key| {
            let digits = key.bytes().take_while(u8::is_ascii_digit).count();
            (1..=8).contains(&digits)
                || dictionary::month(key).is_some()
                || matches!(key, "жылы" | "жылғы" | "в" | "b" | "in" | "r")
        })
    };
    let count = (at..words.len()).take(4).take_while(|at| part(at)).count();
    let range = words.range(at).start..words.range((at + count).checked_sub(1).filter(|_| count > 0)?).end;
    let digits = words.ascii(range.clone()).bytes().filter(u8::is_ascii_digit).count();
    let lone_year = (at..at + count).find(|at| is_year(words.key(*at)));
    let born = lone_year.is_none_or(|at| words.key(at).parse().is_ok_and(|year: u16| BIRTH_YEARS.contains(&year)));
    (digits >= 4 && born && !words.is_amount(at + count - 1)).then_some(range)
}

/// What somebody is called: anything behind a colon, else what has a mark or digits within.
fn handle(words: &Words<'_>, at: usize, assigned: bool) -> Option<Range<usize>> {
    let key = words.get(at)?;
    let range = words.unspaced(at);
    let token = words.ascii(range.clone()).trim_end_matches(['.', ',', '!', '?', ')']);
    let letters = key.chars().any(char::is_alphabetic);
    let digits = key.bytes().any(|byte| byte.is_ascii_digit());
    let inner = token.contains('_') || (token.contains('.') && !token.contains("..")) || (digits && key.len() >= 5);
    (letters && !words.is(at, Role::Answer) && (assigned || inner)).then_some(range)
}

/// A number with decimals.
fn place(words: &Words<'_>, at: usize) -> Option<Range<usize>> {
    let key = words.get(at)?;
    let decimals = words.get(at + 1).is_some_and(|key| key.bytes().next().is_some_and(|byte| byte.is_ascii_digit()));
    let decimals = decimals && matches!(words.gap(at + 1), "." | ",");
    let number = key.bytes().all(|byte| byte.is_ascii_digit());
    (number && (decimals || key.len() >= 4)).then(|| words.range(at).start..words.range(at + usize::from(decimals)).end)
}

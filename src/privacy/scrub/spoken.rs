//! Addresses and numbers as they are spoken: `собака` and `точка` in an address of mail, words between the digits of a
//! telephone number or the groups of an account, digits as words.

use std::ops::Range;

use super::checks;
use super::dictionary::{self, Role};
use super::phrases::Words;
use super::rule::Found;
use super::token::runs;

/// The longest name before a word for `@` that is folded.
const NAME_MAX: usize = 64;
/// Characters and words between two groups of a number.
const GAP_MAX: usize = 14;
const GAP_WORDS_MAX: usize = 2;
/// Digits of a telephone number.
const TELEPHONE_MIN: usize = 10;
/// Groups that a telephone number has at most.
const GROUPS_MAX: usize = 11;
/// Words in which an account's groups are looked for.
const ACCOUNT_WORDS_MAX: usize = 20;
/// Digits as words that are a number.
const NUMERALS_MIN: usize = 6;

/// Adds what it finds.
pub(super) fn find(words: &Words<'_>, found: &mut Vec<Found>) {
    if [Role::At, Role::TopDomain, Role::MailHost].into_iter().any(|role| words.roles.has(role)) {
        found.extend((0..words.len()).filter_map(|at| mail(words, at)).map(|range| Found { range, name: "email" }));
    }
    if words.roles.has(Role::Numeral) {
        numerals(words, found);
    }
    if words.has_digits {
        found.extend((0..words.len()).filter_map(|at| account(words, at)).map(|range| Found { range, name: "iban" }));
    }
    if words.has_digits && words.whole().bytes().filter(u8::is_ascii_digit).count() >= TELEPHONE_MIN {
        telephones(words.whole(), found);
    }
}

/// Numbers as words, with groups of digits among them perhaps, one after the other.
fn numerals(words: &Words<'_>, found: &mut Vec<Found>) {
    let (mut count, mut spoken) = (0, 0);
    for at in 0..words.len() {
        let numeral = words.is(at, Role::Numeral);
        let digits = (1..=4).contains(&words.key(at).len()) && words.key(at).bytes().all(|byte| byte.is_ascii_digit());
        (count, spoken) = if numeral || digits { (count + 1, spoken + usize::from(numeral)) } else { (0, 0) };
        if count >= NUMERALS_MIN && spoken >= 2 {
            found.push(Found { range: words.range(at + 1 - count).start..words.range(at).end, name: "number" });
        }
    }
}

/// An address of mail around the word at `at`.
fn mail(words: &Words<'_>, at: usize) -> Option<Range<usize>> {
    let key = words.get(at)?;
    if let Some(end) = top_domain(words, at + 1)
        && let Some(glued) = dictionary::glued_at(key)
    {
        let sides = key.split(glued).all(|side| side.chars().count() >= 2);
        return sides.then(|| name_start(words, words.range(at).end)..end);
    }
    let bracketed = words.gap(at).trim_end().ends_with(['[', '(', '{', '<'])
        && words.gap(at + 1).trim_start().starts_with([']', ')', '}', '>']);
    let known = words.is(at, Role::At) || (bracketed && matches!(key, "at" | "a" | "dog"));
    let spoken = key == "at" || key == "dog";
    if at == 0 || !(known || spoken) {
        return None;
    }
    if at + 1 >= words.len() || words.gap(at + 1).len() > 4 {
        return None;
    }
    let by_word = words.is(at + 2, Role::Dot);
    let mail_host = words.is(at + 1, Role::MailHost);
    let domain = top_domain(words, at + 2);
    let name = name_start(words, words.range(at).start);
    // `svetlana_k собака kaspi`: a word has no such marks.
    let marked =
        || words.whole()[name..words.range(at).start].contains(|c: char| c == '_' || c == '.' || c.is_ascii_digit());
    let is_one = match domain {
        Some(_) => known || by_word || mail_host,
        None => known && (mail_host || (key.chars().count() > 2 && marked())),
    };
    let end = domain.unwrap_or(words.range(at + 1).end);
    is_one.then_some(name..end)
}

/// The end of a top-level domain that is tied by a dot, or by a word for it.
fn top_domain(words: &Words<'_>, at: usize) -> Option<usize> {
    let is_top = |at: usize| words.is(at, Role::TopDomain) && words.gap(at).len() <= 4;
    if words.is(at, Role::Dot) && is_top(at + 1) {
        return Some(words.range(at + 1).end);
    }
    (words.gap(at).contains(['.', '_', '-']) && is_top(at)).then(|| words.range(at).end)
}

/// Where the name begins that ends before a word for `@`.
fn name_start(words: &Words<'_>, end: usize) -> usize {
    let before = &words.whole().as_bytes()[end.saturating_sub(NAME_MAX)..end];
    let trimmed = before.iter().rev().take_while(|byte| !(byte.is_ascii_alphanumeric() || **byte == 1)).count();
    let name =
        before[..before.len() - trimmed].iter().rev().take_while(|byte| **byte != b' ' && **byte != b'/').count();
    end - trimmed - name
}

/// An account whose groups have words between them.
fn account(words: &Words<'_>, at: usize) -> Option<Range<usize>> {
    let [a, b, b'0'..=b'9', b'0'..=b'9', ..] = words.get(at)?.as_bytes() else { return None };
    let length = checks::iban_length([a.to_ascii_uppercase(), b.to_ascii_uppercase()])?;
    let joined = |belongs: &dyn Fn(usize) -> bool| {
        let mut joined = String::new();
        for next in (at..words.len()).take(ACCOUNT_WORDS_MAX) {
            if next == at || belongs(next) {
                joined.push_str(words.ascii(words.range(next)));
            }
            if joined.len() >= length {
                joined.make_ascii_uppercase();
                let is_one = joined.len() == length && joined.is_ascii() && checks::is_iban(joined.as_bytes());
                return is_one.then(|| words.range(at).start..words.range(next).end);
            }
        }
        None
    };
    let has_digit = |at: usize| words.key(at).bytes().any(|byte| byte.is_ascii_digit());
    let group = |at: usize| has_digit(at) || (words.is_upper(at) && words.is_latin(at) && words.range(at).len() <= 4);
    joined(&has_digit).or_else(|| joined(&group))
}

/// Telephone numbers of Kazakhstan with words, or many separators, between their groups.
fn telephones(ascii: &str, found: &mut Vec<Found>) {
    let bytes = ascii.as_bytes();
    let groups: Vec<Range<usize>> = runs(bytes, |byte| byte.is_ascii_digit(), 1).collect();
    let near = |a: &Range<usize>, b: &Range<usize>| {
        let between = &ascii[a.end..b.start];
        between.len() <= GAP_MAX
            && between
                .split(|c: char| !(c.is_ascii_alphabetic() || c == '\u{1}'))
                .filter(|word| !word.is_empty())
                .count()
                <= GAP_WORDS_MAX
    };
    for at in 0..groups.len() {
        let mut digits: Vec<u8> = Vec::new();
        for (index, group) in groups[at..].iter().enumerate().take(GROUPS_MAX) {
            if index > 0 && !near(&groups[at + index - 1], group) {
                break;
            }
            digits.extend(&bytes[group.clone()]);
            let first = groups[at].len();
            let begins = match digits.len() {
                10 => first == 3,
                11 => first == 1 || (4..=7).contains(&first),
                12.. => break,
                _ => continue,
            };
            if begins && index >= 1 && checks::is_kazakh_phone(&digits) {
                found.push(Found { range: groups[at].start..group.end, name: "phone" });
            }
        }
    }
}

//! The words of a text, each with what it may be.

use std::ops::Range;

use super::decode::{Canonical, LETTER};
use super::dictionary::{self, Announced, Entry, Role, Roles};
use super::token::runs;

/// What stands between two words of a phrase.
const PHRASE_GAP_MAX: usize = 2;
/// Characters that a value has at most.
const AHEAD_MAX: usize = 96;

/// A year of a book, a sale or a form.
pub(super) fn is_year(key: &str) -> bool {
    key.len() == 4 && key.parse().is_ok_and(|year: u16| (1900..2040).contains(&year))
}

/// The words of a text: runs of letters and digits.
pub(super) struct Words<'a> {
    text: &'a Canonical,
    /// All words as they are compared, one after the other.
    keys: String,
    words: Vec<Word>,
    /// What any of them may be.
    pub(super) roles: Roles,
    pub(super) has_digits: bool,
}

struct Word {
    range: Range<usize>,
    key: Range<usize>,
    entry: Option<&'static Entry>,
}

impl<'a> Words<'a> {
    pub(super) fn of(text: &'a Canonical) -> Self {
        let bytes = text.ascii.as_bytes();
        let mut all = Self {
            text,
            keys: String::with_capacity(text.chars.len() * 2),
            words: Vec::with_capacity(bytes.len() / 4),
            roles: Roles::default(),
            has_digits: bytes.iter().any(u8::is_ascii_digit),
        };
        for range in runs(bytes, |byte| byte.is_ascii_alphanumeric() || byte == LETTER, 1) {
            let start = all.keys.len();
            all.keys.extend(text.chars[range.clone()].iter().map(|c| dictionary::key_of(*c)));
            let entry = dictionary::look_up(&all.keys[start..]);
            if let Some(entry) = entry {
                all.roles.add(entry.roles);
            }
            all.words.push(Word { range, key: start..all.keys.len(), entry });
        }
        all
    }

    pub(super) fn len(&self) -> usize {
        self.words.len()
    }

    pub(super) fn get(&self, at: usize) -> Option<&str> {
        self.words.get(at).map(|word| &self.keys[word.key.clone()])
    }

    /// A word as it is compared, nothing beyond the last.
    pub(super) fn key(&self, at: usize) -> &str {
        self.get(at).unwrap_or_default()
    }

    /// Whether a word may be that.
    pub(super) fn is(&self, at: usize, role: Role) -> bool {
        self.words.get(at).and_then(|word| word.entry).is_some_and(|entry| entry.roles.has(role))
    }

    /// Where a word stands.
    pub(super) fn range(&self, at: usize) -> Range<usize> {
        let end = self.text.ascii.len();
        self.words.get(at).map_or(end..end, |word| word.range.clone())
    }

    pub(super) fn ascii(&self, range: Range<usize>) -> &str {
        &self.text.ascii[range]
    }

    pub(super) fn whole(&self) -> &str {
        &self.text.ascii
    }

    /// What stands between a word and the one before.
    pub(super) fn gap(&self, at: usize) -> &str {
        let start = at.checked_sub(1).map_or(0, |before| self.range(before).end);
        &self.text.ascii[start..self.range(at).start.max(start)]
    }

    /// A word with what is glued to its end, up to the next space or parameter (`&x=1`).
    pub(super) fn unspaced(&self, at: usize) -> Range<usize> {
        let start = self.range(at).start;
        let rest = self.ahead(start);
        let length = rest.find([' ', '"', '\'', ';']).unwrap_or(rest.len());
        let parameter = rest[..length].match_indices('&').find(|(at, _)| {
            let name = rest[at + 1..length].trim_start_matches(|c: char| c.is_ascii_alphanumeric() || c == '_');
            name.starts_with('=')
        });
        start..start + parameter.map_or(length, |(at, _)| at)
    }

    /// A word with those that a dash, a low line or a dot ties to it.
    pub(super) fn glued(&self, at: usize) -> Range<usize> {
        let start = self.range(at).start;
        let tied = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.' | '\u{1}');
        let rest = self.ahead(start);
        start..start + rest.find(|c| !tied(c)).unwrap_or(rest.len())
    }

    /// What follows, as far as a value is looked for. What is longer without a space is folded as no word.
    fn ahead(&self, start: usize) -> &str {
        &self.text.ascii[start..self.text.ascii.len().min(start + AHEAD_MAX)]
    }

    /// Whether a word was written in ASCII.
    pub(super) fn is_latin(&self, at: usize) -> bool {
        self.text.chars[self.range(at)].iter().all(char::is_ascii)
    }

    /// Whether a word was written in capitals.
    pub(super) fn is_upper(&self, at: usize) -> bool {
        self.text.chars[self.range(at)].iter().all(|c| c.is_uppercase() || c.is_numeric())
    }

    /// Whether a word is a number with a unit behind it (`512 гб`, `512гб`), or a percentage.
    pub(super) fn is_amount(&self, at: usize) -> bool {
        let number = self.key(at).trim_start_matches(|c: char| c.is_ascii_digit());
        let is_unit = |key: &str| dictionary::look_up(key).is_some_and(|entry| entry.roles.has(Role::Unit));
        if number.len() < self.key(at).len() && is_unit(number) {
            return true;
        }
        let gap = self.gap(at + 1).trim_start();
        gap.starts_with('%') || (self.gap(at + 1).len() <= 2 && self.is(at + 1, Role::Unit))
    }

    /// What the longest phrase that begins with a word announces, and of how many words it is.
    pub(super) fn announcer(&self, at: usize) -> Option<(Announced, usize)> {
        let entry = self.words.get(at)?.entry?;
        let fits = |rest: &[String]| {
            rest.iter().enumerate().all(|(index, word)| {
                let next = at + 1 + index;
                self.key(next) == word && self.gap(next).len() <= PHRASE_GAP_MAX
            })
        };
        let fitting = entry.phrases.iter().filter(|(rest, _)| fits(rest));
        fitting.max_by_key(|(rest, _)| rest.len()).map(|(rest, announced)| (*announced, 1 + rest.len()))
    }
}

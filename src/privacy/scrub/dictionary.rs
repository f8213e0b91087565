//! The words of `words.txt`, and all that each may be: what it announces, a unit, a filler, a month.
//!
//! Words are compared by what they look like where that is a Latin letter, and else as they are: `пapoль` with Latin letters
//! is the same word. Most words are in no list, and are known to be in none by their beginning and length.

use std::collections::HashMap;
use std::sync::LazyLock;

use super::decode::{Canonical, look_of};

/// What a word announces.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Announced {
    /// A password: anything that is no ordinary word.
    Password,
    /// A code that was sent to somebody: digits.
    SentCode,
    /// The number of a contract, an order, a document, a car.
    Number,
    /// A coupon or a key of a product: letters and digits.
    Code,
    /// A flat within a building.
    Flat,
    /// A day of birth.
    Birth,
    /// What somebody is called in a service.
    Handle,
    /// One number of a pair that says where somebody is.
    Place,
}

/// The roles that announce, as they are called in `words.txt`.
const ANNOUNCED: [(&str, Announced); 8] = [
    ("password", Announced::Password),
    ("sent code", Announced::SentCode),
    ("number", Announced::Number),
    ("code", Announced::Code),
    ("flat", Announced::Flat),
    ("birth", Announced::Birth),
    ("handle", Announced::Handle),
    ("place", Announced::Place),
];

/// What else a word may be.
#[derive(Clone, Copy, Debug)]
pub(super) enum Role {
    /// The first word of what announces.
    Announcer,
    Filler,
    Unit,
    /// Of a filler: what follows says what something is for.
    Preposition,
    Answer,
    /// By these a password is talked of.
    Talk,
    Brand,
    /// After it a word of another script is a name.
    Named,
    /// A number comes before it, too.
    NumberAfter,
    Street,
    Born,
    At,
    Dot,
    TopDomain,
    MailHost,
    Numeral,
    People,
    AlsoPage,
    Page,
    Between,
    Tied,
    TiedPage,
    NoSeries,
}

/// The other roles, as they are called in `words.txt`.
const ROLES: [(&str, Role); 22] = [
    ("filler", Role::Filler),
    ("unit", Role::Unit),
    ("preposition", Role::Preposition),
    ("answer", Role::Answer),
    ("talk", Role::Talk),
    ("brand", Role::Brand),
    ("named", Role::Named),
    ("number after", Role::NumberAfter),
    ("street", Role::Street),
    ("born", Role::Born),
    ("at", Role::At),
    ("dot", Role::Dot),
    ("top domain", Role::TopDomain),
    ("mail host", Role::MailHost),
    ("numeral", Role::Numeral),
    ("people", Role::People),
    ("also page", Role::AlsoPage),
    ("page", Role::Page),
    ("between", Role::Between),
    ("tied", Role::Tied),
    ("tied page", Role::TiedPage),
    ("no series", Role::NoSeries),
];

/// Several roles.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Roles(u32);

impl Roles {
    pub(super) fn has(self, role: Role) -> bool {
        self.0 & (1 << role as u32) != 0
    }

    pub(super) fn add(&mut self, others: Self) {
        self.0 |= others.0;
    }

    fn of(role: Role) -> Self {
        Self(1 << role as u32)
    }
}

/// What a word may be.
#[derive(Debug, Default)]
pub(super) struct Entry {
    pub(super) roles: Roles,
    /// The further words of each phrase that begins with this one, and what it announces.
    pub(super) phrases: Vec<(Vec<String>, Announced)>,
}

struct Lists {
    words: HashMap<String, Entry>,
    /// For each way to begin, a bit for each length that such words have.
    begins: [u64; 1024],
    /// Beginnings of months, with the month from 1.
    months: Vec<(String, usize)>,
    /// Words for `@` that are also found inside of a word.
    glued: Vec<String>,
}

/// Shorter words for `@` are found inside of too many others.
const GLUED_MIN: usize = 6;

static LISTS: LazyLock<Lists> = LazyLock::new(|| {
    let mut lists = Lists { words: HashMap::new(), begins: [0; 1024], months: Vec::new(), glued: Vec::new() };
    let mut role = "";
    for line in include_str!("words.txt").lines().filter(|line| !line.starts_with('#')) {
        let words = line.split_once(": ").map_or(line, |(of, words)| {
            role = of;
            words
        });
        for word in words.split(',').map(|word| key(word.trim())).filter(|word| !word.is_empty()) {
            lists.add(role, word);
        }
    }
    lists
});

impl Lists {
    fn add(&mut self, role: &str, word: String) {
        if let Some(month) = role.strip_prefix("month ").and_then(|month| month.parse().ok()) {
            self.months.push((word, month));
            return;
        }
        let announced = ANNOUNCED.iter().find(|(name, _)| *name == role);
        let mut words = word.split(' ').map(str::to_owned);
        let first = if announced.is_some() { words.next().unwrap_or_default() } else { word.clone() };
        self.begins[beginning(&first)] |= length(&first);
        let entry = self.words.entry(first).or_default();
        if let Some((_, announced)) = announced {
            entry.phrases.push((words.collect(), *announced));
            entry.roles.add(Roles::of(Role::Announcer));
        }
        entry
            .roles
            .add(ROLES.iter().find(|(name, _)| *name == role).map_or(Roles::default(), |(_, role)| Roles::of(*role)));
        if role == "at" && word.chars().count() >= GLUED_MIN {
            self.glued.push(word);
        }
    }
}

fn beginning(key: &str) -> usize {
    // Letters differ in their last five bits.
    let byte = |at: usize| key.as_bytes().get(at).map_or(0, |byte| usize::from(*byte));
    (byte(0) ^ byte(1) << 3 ^ byte(2) << 5 ^ byte(3) << 1) & 1023
}

fn length(key: &str) -> u64 {
    1 << key.len().min(63)
}

/// What a word may be, given as it is compared.
pub(super) fn look_up(key: &str) -> Option<&'static Entry> {
    let lists = &*LISTS;
    if lists.begins[beginning(key)] & length(key) == 0 { None } else { lists.words.get(key) }
}

/// What a word announces by itself.
pub(super) fn announced(word: &str) -> Option<Announced> {
    let entry = look_up(&key(word))?;
    entry.phrases.iter().find(|(rest, _)| rest.is_empty()).map(|(_, announced)| *announced)
}

/// What a word of a path may be. None of the lists has one with a digit.
pub(super) fn roles(word: &str) -> Roles {
    let small = |byte: u8| byte.is_ascii_lowercase() || matches!(byte, b'-' | b'_' | b'.');
    let entry = if word.bytes().all(small) {
        look_up(word)
    } else if word.bytes().any(|byte| byte.is_ascii_digit()) {
        None
    } else if word.is_ascii() {
        look_up(&word.to_ascii_lowercase())
    } else {
        // The Latin letter, the full-width one and the Cyrillic one that looks the same are one.
        look_up(&Canonical::of(word).chars.into_iter().map(key_of).collect::<String>())
    };
    entry.map_or(Roles::default(), |entry| entry.roles)
}

/// The month that a word names, from 1. A beginning may have two letters after it.
pub(super) fn month(key: &str) -> Option<usize> {
    const ENDING_MAX: usize = 2;
    let names = |(stem, _): &&(String, usize)| {
        key.strip_prefix(stem.as_str()).is_some_and(|ending| ending.chars().count() <= ENDING_MAX)
    };
    LISTS.months.iter().find(names).map(|(_, month)| *month)
}

/// The word for `@` inside of a word.
pub(super) fn glued_at(key: &str) -> Option<&'static str> {
    LISTS.glued.iter().find(|glued| key.len() > glued.len() && key.contains(glued.as_str())).map(String::as_str)
}

/// The letters of most alphabets as words are compared by.
static KEYS: LazyLock<Vec<char>> =
    LazyLock::new(|| (0..0x600).map(|c| char::from_u32(c).map_or(' ', compared)).collect());

/// A letter as words are compared by.
pub(super) fn key_of(c: char) -> char {
    if c.is_ascii() { c.to_ascii_lowercase() } else { KEYS.get(c as usize).copied().unwrap_or_else(|| compared(c)) }
}

fn compared(c: char) -> char {
    let small = c.to_lowercase().next().unwrap_or(c);
    match look_of(small) {
        byte if byte.is_ascii_alphanumeric() => char::from(byte),
        _ => small,
    }
}

/// A word as it is compared.
pub(super) fn key(word: &str) -> String {
    word.chars().map(key_of).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_line_of_the_lists_has_a_known_role() {
        let mut role = "";
        for line in include_str!("words.txt").lines().filter(|line| !line.starts_with('#') && !line.is_empty()) {
            role = line.split_once(": ").map_or(role, |(role, _)| role);
            let known = ANNOUNCED.iter().map(|(name, _)| *name).chain(ROLES.iter().map(|(name, _)| *name));
            assert!(
                known.chain((1..=12).map(|_| "month")).any(|name| name == role || role.starts_with("month ")),
                "{role}"
            );
            assert!(!line.contains(" ,") && !line.contains(",,"), "{line}");
        }
        assert_eq!((1..=12).filter(|of| LISTS.months.iter().any(|(_, month)| month == of)).count(), 12);
    }

    #[test]
    fn words_are_compared_by_what_they_look_like() {
        for word in ["пароль", "ПАРОЛЬ", "пapoль"] {
            assert!(look_up(&key(word)).is_some_and(|entry| entry.roles.has(Role::Announcer)), "{word}");
        }
        assert!(look_up("").is_none() && look_up(&key("чай")).is_none());
        assert!(
            roles("ｕｓｅｒｓ").has(Role::People) && roles("Клиент").has(Role::Tied) && !roles("user1").has(Role::Tied)
        );
        assert_eq!((month(&key("января")), month(&key("марка")), month("may")), (Some(1), None, Some(5)));
    }
}

//! Dates of birth with the month as a word, years of birth, and a building with its flat.

use std::ops::Range;

use super::dictionary::{self, Role};
use super::phrases::{Words, is_year};
use super::rule::Found;
use super::shapes::{BIRTH_YEARS, KNOWN_DAYS};

/// Words between a street's announcer and the number of the building.
const STREET_WORDS_MAX: usize = 3;

/// Adds what it finds.
pub(super) fn find(words: &Words<'_>, found: &mut Vec<Found>) {
    let numbers: Vec<usize> = (0..words.len()).filter(|at| number(words, *at).is_some()).collect();
    for at in numbers {
        if number(words, at).is_some_and(|(year, digits)| digits == 4 && BIRTH_YEARS.contains(&year)) {
            let around = at.saturating_sub(3)..(at + 4).min(words.len());
            found.extend(around.filter_map(|month| date(words, month)).map(|range| Found { range, name: "date" }));
        }
        // `1985-ші жылы туған`.
        let after = at + 1 + usize::from(words.gap(at + 1) == "-" && words.key(at + 1).chars().count() == 2);
        found.extend(year_of_birth(words, at + 1, after).map(|range| Found { range, name: "date" }));
        found.extend(building_and_flat(words, at).map(|range| Found { range, name: "flat" }));
    }
}

/// The number that a word begins with.
fn number(words: &Words<'_>, at: usize) -> Option<(u16, usize)> {
    let key = words.get(at)?;
    if !key.starts_with(|c: char| c.is_ascii_digit()) {
        return None;
    }
    let digits = key.bytes().take_while(u8::is_ascii_digit).count();
    let alone = key.chars().count() <= digits + 2;
    key.get(..digits).filter(|_| alone)?.parse().ok().map(|number| (number, digits))
}

/// A day, a month's name and a year of birth, in any order.
fn date(words: &Words<'_>, at: usize) -> Option<Range<usize>> {
    let month = dictionary::month(words.get(at)?)?;
    let near = at.saturating_sub(3)..(at + 3).min(words.len());
    let find = |is: &dyn Fn((u16, usize)) -> bool| near.clone().find(|at| number(words, *at).is_some_and(is));
    let year = find(&|(number, digits)| digits == 4 && BIRTH_YEARS.contains(&number))?;
    let day = find(&|(number, digits)| digits <= 2 && (1..=31).contains(&number))?;
    let (value, _) = number(words, day)?;
    let of = number(words, year)?.0;
    if KNOWN_DAYS.contains(&(value, month, of))
        || day.abs_diff(at) > 1 + usize::from(words.key(at.saturating_sub(1)) == "of")
    {
        return None;
    }
    Some(words.range(day.min(year).min(at)).start..words.range(day.max(year).max(at)).end)
}

/// `1985 г.р.`, `01.01.85 года рождения`.
fn year_of_birth(words: &Words<'_>, at: usize, born_at: usize) -> Option<Range<usize>> {
    // One word (`гр`), or two of these.
    let born = words.is(born_at, Role::Born) && (words.key(born_at) == "rp" || words.is(born_at + 1, Role::Born));
    let glued = at > 0 && words.key(at - 1).ends_with("rp");
    let count = (0..at).rev().take(3).take_while(|at| number(words, *at).is_some()).count();
    let first = at.checked_sub(count).filter(|_| (born || glued) && count > 0)?;
    let range = words.range(first).start..words.range(at - 1).end;
    let digits = words.ascii(range.clone()).bytes().filter(u8::is_ascii_digit).count();
    let lone = count == 1 && !is_year(words.key(first).trim_end_matches("rp")) && words.gap(at + 1) != ".";
    (digits >= 2 && !lone).then_some(range)
}

/// `ул. Абая 10-42`: the building and the flat.
fn building_and_flat(words: &Words<'_>, at: usize) -> Option<Range<usize>> {
    let ((_, building), (_, flat)) = (number(words, at)?, number(words, at + 1)?);
    let streets = at.saturating_sub(STREET_WORDS_MAX)..at;
    let is_one = matches!(words.gap(at + 1), "-" | "/")
        && building <= 4
        && flat <= 4
        && streets.clone().any(|at| words.is(at, Role::Street));
    is_one.then(|| words.range(at).start..words.range(at + 1).end)
}

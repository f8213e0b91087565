//! Paths of which nobody listed anything: what may stay is what routes are written in.
//!
//! Words of one script (`getting-started`, `Tariffs`, `жеке-кабинет`), numbers of two digits beside them (`iphone-15`), years
//! and dates; a number of up to five digits beside a word (`kamaz-65115`, `wh-1000xm5`), where neither that word nor a segment
//! before it says that people or their orders are numbered there. A number alone, a code alone, and what follows a word such
//! as `users`, is folded. These rules do not ask whether something identifies, but whether it could; the detectors come on
//! top of them.

use std::ops::Range;

use super::decode::Canonical;
use super::segment::{DIGITS_MAX, Segment, digits, is_day, is_year};
use super::{identifies, people, rules, script};

/// The longest segment that stays.
const ROUTE_MAX_CHARS: usize = 64;
/// Digits that any word may have.
const WORD_DIGITS_MAX: usize = 2;
/// Digits of a size: `1920x1080`.
const SIZE_DIGITS_MAX: usize = 8;
/// Digits of a number beside a word.
const NUMBER_MAX: usize = 5;
/// Digits that such numbers may have in all of a path: fewer than a telephone number.
const NUMBERS_MAX: usize = 9;
/// Capitals that are a word: more may be a code.
const CAPITALS_MAX: usize = 6;
/// How often letters and digits take turns in the name of a model.
const TURNS_MAX: usize = 4;

/// Words after which pages are numbered, and how many digits these numbers have.
const PAGED: [&str; 14] = [
    "page",
    "pages",
    "chapter",
    "step",
    "part",
    "lesson",
    "season",
    "episode",
    "level",
    "stranica",
    "bet",
    "страница",
    "бет",
    "p",
];
const PAGED_MAX: usize = 3;
/// Pages that are named after a status.
const STATUSES: [&str; 10] = ["400", "401", "403", "404", "410", "429", "500", "502", "503", "504"];

/// What becomes of the segments.
pub(super) fn fold<'a>(segments: &[&'a str]) -> Vec<Segment<'a>> {
    let (mut numbers, mut people) = (0, false);
    let judge = |(at, segment): (usize, &&'a str)| {
        let stays = number_in(segment, &segments[..at]).is_some_and(|digits| {
            numbers += digits;
            digits == 0 || (!people && numbers <= NUMBERS_MAX)
        });
        people |= people::announces(segment);
        if stays { Segment::Free(segment) } else { Segment::Folded(segment) }
    };
    segments.iter().enumerate().map(judge).collect()
}

/// How many digits the one number has that is more than part of a word; none when the segment is no route's.
fn number_in(segment: &str, before: &[&str]) -> Option<usize> {
    let last = before.last().copied().unwrap_or_default();
    let announced = people::is_somebody(segment, before);
    if rules::is_plain(segment) && !announced {
        return Some(0);
    }
    if segment.len() > 2 * ROUTE_MAX_CHARS || segment.chars().count() > ROUTE_MAX_CHARS || announced {
        return None;
    }
    if segment.bytes().all(|byte| byte.is_ascii_digit()) {
        let year_before = before.iter().rev().nth(1).is_some_and(|before| is_year(before));
        let date = is_lone_year(segment)
            || STATUSES.contains(&segment)
            || (PAGED.contains(&last) && segment.len() <= PAGED_MAX)
            || (is_year(last) && is_month(segment))
            || (year_before && is_month(last) && is_day(segment));
        return date.then_some(0);
    }
    if is_tyre(segment) {
        return Some(0);
    }
    let (mut number, mut numbers, mut named, mut numbered_people) = (0, 0, false, false);
    for word in segment.split(['-', '_', '.', ' ', '+']).filter(|word| !word.is_empty()) {
        let digits = digits(word);
        let letters = word.chars().filter(|c| c.is_alphabetic()).count();
        numbered_people |= people::is_numbered(word);
        match (digits, letters) {
            (0, 1..) if is_word(word) => named |= letters >= 2,
            (1..=WORD_DIGITS_MAX, _) if is_numbered(word) => (),
            (3..=SIZE_DIGITS_MAX, _) if is_size(word) => named = true,
            (4, 0) if is_year(word) => (),
            (1..=NUMBER_MAX, _) if letters == 0 || is_model(word) => {
                number = digits;
                numbers += 1;
            }
            _ => return None,
        }
    }
    let in_all = digits(segment);
    let fits = in_all <= DIGITS_MAX && (numbers == 0 || (numbers == 1 && named));
    let hid = !segment.is_ascii() && Canonical::of(segment).hid;
    let names = in_all > 0 && numbered_people;
    let stays = fits && !hid && !names && !identifies(segment);
    stays.then_some(number)
}

/// Letters of one script: small ones, with a capital before them at most, or a few capitals.
fn is_word(word: &str) -> bool {
    let mut chars = word.chars();
    let first = chars.next().unwrap_or_default();
    let small = |c: char| script::is_of_a_word(c) && !c.is_uppercase();
    let capitals = word.chars().count() <= CAPITALS_MAX && word.chars().all(char::is_uppercase);
    first.is_alphabetic() && (capitals || chars.all(small)) && script::is_of_one(word)
}

/// Small letters, or capitals, with a number in them: `v2`, `3d`, `B2B`.
fn is_numbered(word: &str) -> bool {
    let one_case = |is: fn(&u8) -> bool| word.bytes().all(|byte| byte.is_ascii_digit() || is(&byte));
    one_case(u8::is_ascii_lowercase) || (word.len() <= CAPITALS_MAX && one_case(u8::is_ascii_uppercase))
}

/// A model, such as `oled55c3`, `7800x3d` or `13400f`, rather than a code or the plate of a car (`123abc02`).
fn is_model(word: &str) -> bool {
    let digit = |byte: &u8| byte.is_ascii_digit();
    let bytes = word.as_bytes();
    let turns = bytes.windows(2).filter(|pair| digit(&pair[0]) != digit(&pair[1])).count();
    let run = |from: usize, is: bool| bytes[from..].iter().take_while(|byte| digit(byte) == is).count();
    let letter_first = usize::from(run(0, true) == 0 && run(0, false) == 1);
    let number = run(letter_first, true);
    let series = run(letter_first + number, false);
    let rest = bytes.len() - letter_first - number - series;
    let plate = number == 3 && matches!(series, 2 | 3) && (rest >= 2 || letter_first == 1);
    is_numbered(word) && turns <= TURNS_MAX && !plate
}

/// A year alone, in which a book can be set: `books/1984`.
fn is_lone_year(segment: &str) -> bool {
    segment.len() == 4 && segment.parse().is_ok_and(|year: u16| (1900..2040).contains(&year))
}

/// `60x60`, `120x60x75`, `m8x40`, `1080p`.
fn is_size(word: &str) -> bool {
    let lines = ["480p", "720p", "1080p", "1440p", "2160p"];
    let bare = word.strip_prefix('m').unwrap_or(word);
    let number = |part: &str| (1..=4).contains(&part.len()) && part.bytes().all(|byte| byte.is_ascii_digit());
    lines.contains(&word) || ((2..=3).contains(&bare.split('x').count()) && bare.split('x').all(number))
}

/// The size of a tyre: `225-45-r17`, `185-65r15`, `205-55-16-91v`.
fn is_tyre(segment: &str) -> bool {
    let lower = segment.to_ascii_lowercase();
    let parts: Vec<&str> = lower.split(['-', '_', 'r']).filter(|part| !part.is_empty()).collect();
    let number = |at: usize, range: Range<u16>, length: usize| {
        parts
            .get(at)
            .is_some_and(|part| part.len() == length && part.parse().is_ok_and(|value: u16| range.contains(&value)))
    };
    let index = parts.get(3).is_none_or(|part| part.len() <= 3 && part.ends_with(|c: char| c.is_ascii_lowercase()));
    number(0, 125..356, 3) && number(1, 25..86, 2) && number(2, 12..25, 2) && index && parts.len() <= 4
}

fn is_month(segment: &str) -> bool {
    segment.len() <= 2 && segment.parse().is_ok_and(|month: u8| (1..=12).contains(&month))
}

#[cfg(test)]
mod tests {
    use super::super::PathRules;

    #[test]
    fn only_what_routes_are_written_in_stays() {
        let rules = PathRules::new(&[]);
        for (raw, template) in [
            ("/catalog/tea", "/catalog/tea"),
            ("/catalog/iphone-15/v2/faq.html", "/catalog/iphone-15/v2/faq.html"),
            ("/news/2026/07/15/top-10", "/news/2026/07/15/top-10"),
            ("/catalog/kamaz-65115/rtx-4090", "/catalog/kamaz-65115/rtx-4090"),
            ("/catalog/wh-1000xm5/core-i5", "/catalog/wh-1000xm5/core-i5"),
            ("/Docs/API/Getting-Started", "/Docs/API/Getting-Started"),
            ("/%D0%B6%D0%B5%D0%BA%D0%B5-%D0%BA%D0%B0%D0%B1%D0%B8%D0%BD%D0%B5%D1%82", "/жеке-кабинет"),
            ("/tyres/225-45-r17", "/tyres/225-45-r17"),
            ("/tyres/185-65r15", "/tyres/185-65r15"),
            ("/tyres/225-45-1785", "/tyres/:x"),
            ("/books/1984", "/books/1984"),
            ("/plitka/60x60/page/12", "/plitka/60x60/page/12"),
            ("/parts/m8x40/1080p", "/parts/m8x40/1080p"),
            ("/page/1234", "/page/:x"),
            ("/404", "/404"),
            ("/users/404", "/users/:x"),
            ("/1985/02/01", "/1985/:x/:x"),
            ("/аgent/nurlan", "/:x/:x"),
            ("/tölem-ädisteri/jaŋalyqtar", "/tölem-ädisteri/jaŋalyqtar"),
            ("/%C3%BCber-uns/espa%C3%B1ol", "/über-uns/español"),
            ("/giới-thiệu/ข่าว", "/giới-thiệu/ข่าว"),
            ("/gio%CC%9B%CC%81i-thie%CC%A3%CC%82u", "/giới-thiệu"),
            ("/お知らせ/समाचार/أخبار", "/お知らせ/समाचार/أخبار"),
            ("/аigerim", "/:x"),
            ("/catalog/123", "/catalog/:x"),
            ("/catalog/123/edit", "/catalog/:x/edit"),
            ("/order-12", "/:x"),
            ("/zakaz-48213", "/:x"),
            ("/pages/gt1030", "/pages/:x"),
            ("/cars/toyota-123abc02", "/cars/:x"),
            ("/cars/a123bc", "/cars/:x"),
            ("/c/k7x2m9", "/c/:x"),
            ("/c/AbCdEf", "/c/:x"),
            ("/c/41____41____22_1aig1____22_1aig1_1e", "/c/:x"),
            ("/users/aigerim/edit", "/users/:x/edit"),
            ("/users/view/villa-4821", "/users/:x/:x"),
            ("/users/settings", "/users/settings"),
            ("/users/Aigerim", "/users/:x"),
            ("/Users/aigerim", "/Users/:x"),
            ("/клиенты/айгерим", "/клиенты/:x"),
            ("/tea-70123/cup-45678", "/tea-70123/:x"),
            ("/a/b/c/d/e/f/g/h/i/j", "/a/b/c/d/e/f/g/h/:x"),
        ] {
            assert_eq!(rules.template(raw), template, "{raw}");
        }
    }
}

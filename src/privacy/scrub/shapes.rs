//! Shapes that identify and have no check digit: masked cards, codes of letters and digits, places, dates of birth.

use std::ops::Range;

use super::token::{pronounceable, runs};

/// Digits and marks that a masked number has in all.
const MASKED_MIN: usize = 8;
/// Years in which people who use a site were born.
pub(super) const BIRTH_YEARS: Range<u16> = 1920..2013;
/// Days that many search for and nobody was born on in particular: day, month, year.
pub(super) const KNOWN_DAYS: &[(u16, usize, u16)] = &[
    (22, 6, 1941),
    (9, 5, 1945),
    (12, 4, 1961),
    (26, 4, 1986),
    (16, 12, 1986),
    (25, 10, 1990),
    (19, 8, 1991),
    (29, 8, 1991),
    (8, 12, 1991),
    (16, 12, 1991),
    (4, 6, 1992),
    (28, 1, 1993),
    (15, 11, 1993),
    (30, 8, 1995),
    (11, 9, 2001),
    (17, 7, 1918),
    (5, 3, 1953),
    (31, 5, 1932),
];
/// Of years in two digits, those of the last century.
const SHORT_YEAR_MIN: u16 = 40;
/// Separators between two parts of a date.
const DATE_GAP_MAX: usize = 2;

/// Calls `found` with each number of which a part is masked: `4400-43**-****-7449`, `xxxx 7449`, `4400…7449`, `*7449`.
pub(super) fn masked(ascii: &str, found: &mut dyn FnMut(Range<usize>)) {
    let bytes = ascii.as_bytes();
    for run in runs(bytes, in_masked, 4) {
        let edge = |at: Option<usize>| at.and_then(|at| bytes.get(at)).is_some_and(u8::is_ascii_alphabetic);
        let mut range = run.clone();
        // In `xxxl` and `rtx 4060` an x belongs to a word.
        if edge(run.start.checked_sub(1)) {
            range.start += bytes[range.clone()].iter().take_while(|byte| is_x(**byte)).count();
        }
        if edge(Some(run.end)) {
            range.end -= bytes[range.clone()].iter().rev().take_while(|byte| is_x(**byte)).count();
        }
        let mut start = range.start;
        while let Some(end) = part_end(bytes, start, range.end) {
            let text = trimmed(bytes, start..end);
            if is_masked(&bytes[text.clone()], bytes.get(text.end).copied()) {
                found(text);
            }
            start = end.max(start + 1);
        }
    }
}

fn is_x(byte: u8) -> bool {
    matches!(byte, b'x' | b'X')
}

fn in_masked(byte: u8) -> bool {
    byte.is_ascii_digit() || is_mark(byte) || matches!(byte, b' ' | b'-' | b'/' | b'.' | b'+' | b'(' | b')')
}

fn is_mark(byte: u8) -> bool {
    is_x(byte) || matches!(byte, b'*' | b'#' | b'_' | 0x02)
}

/// Three separators end a part.
fn part_end(bytes: &[u8], start: usize, end: usize) -> Option<usize> {
    if start >= end {
        return None;
    }
    let wide =
        bytes[start..end].windows(3).position(|three| three.iter().all(|byte| matches!(byte, b' ' | b'-' | b'/')));
    Some(wide.map_or(end, |at| start + at.max(1)))
}

fn trimmed(bytes: &[u8], range: Range<usize>) -> Range<usize> {
    let counts = |at: &usize| bytes[*at].is_ascii_digit() || is_mark(bytes[*at]) || bytes[*at] == b'.';
    let start = range.clone().find(counts).unwrap_or(range.end);
    let end = range.clone().rfind(counts).map_or(start, |at| at + 1);
    start..end.max(start)
}

fn is_masked(text: &[u8], next: Option<u8>) -> bool {
    let digits = text.iter().filter(|byte| byte.is_ascii_digit()).count();
    // Marks count in pairs at least: the x of a size stands alone.
    let marks: usize = runs(text, |byte| is_mark(byte) || byte == b'.', 2)
        .filter(|run| text[run.start] != b'.' || run.len() >= 4)
        .map(|run| run.len())
        .sum();
    if digits >= 2 && marks >= 4 && digits + marks >= MASKED_MIN {
        return true;
    }
    let head = text.iter().take_while(|byte| byte.is_ascii_digit()).count();
    let tail = text.iter().rev().take_while(|byte| byte.is_ascii_digit()).count();
    let round = |part: &[u8]| part.ends_with(b"00");
    if tail == 4 && head >= 4 && head + tail == digits && text.len() - digits >= 2 {
        let between = &text[head..text.len() - tail];
        let marks =
            between.iter().all(|byte| is_mark(*byte) || *byte == b'.' || (*byte == b' ' && between.contains(&b'*')));
        return marks && matches!(text[0], b'2'..=b'6') && !(round(&text[..head]) && round(&text[text.len() - tail..]));
    }
    let stars = text.iter().take_while(|byte| **byte == b'*').count();
    let year = text.ends_with(b"0") && text[text.len() - tail..].starts_with(b"20");
    stars > 0 && tail == 4 && digits == 4 && !year && stars + digits == text.len() && !matches!(next, Some(b'#' | b'*'))
}

/// Calls `found` with each code that is written in groups of letters and digits (`l9c6-qv7u-dap4`), or in one word in which
/// they take turns (`tmk0j5`).
pub(super) fn codes(ascii: &str, found: &mut dyn FnMut(Range<usize>)) {
    let bytes = ascii.as_bytes();
    for run in runs(bytes, |byte| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_'), 6) {
        let text = &bytes[run.clone()];
        let words: Vec<Range<usize>> = runs(text, |byte| byte.is_ascii_alphanumeric(), 1).collect();
        let mut at = 0;
        while at < words.len() {
            let length = words[at].len();
            let count = words[at..].iter().take_while(|word| word.len() == length).count();
            let group = &words[at..at + count];
            if is_grouped_code(text, group) {
                found(run.start + group[0].start..run.start + group[count - 1].end);
            } else {
                let alone = group.iter().filter(|word| is_code(&text[(*word).clone()]));
                alone.for_each(|word| found(run.start + word.start..run.start + word.end));
            }
            at += count;
        }
    }
}

/// How often letters and digits take turns.
pub(super) fn turns(word: &[u8]) -> usize {
    word.windows(2).filter(|pair| pair[0].is_ascii_digit() != pair[1].is_ascii_digit()).count()
}

fn is_grouped_code(text: &[u8], words: &[Range<usize>]) -> bool {
    let length = words[0].len();
    if words.len() < 2 || !(3..=8).contains(&length) || (words.len() == 2 && length < 4) {
        return false;
    }
    let mixed = |word: &&Range<usize>| turns(&text[(*word).clone()]) > 0;
    let odd = |word: &&Range<usize>| {
        let word = &text[(*word).clone()];
        turns(word) > 1 || runs(word, |byte| byte.is_ascii_alphabetic(), 3).any(|run| !pronounceable(&word[run], 45))
    };
    // `QWER-TYUI-OPAS`.
    let capitals = words.len() >= 3
        && length >= 4
        && words.iter().all(|word| text[word.clone()].iter().all(u8::is_ascii_uppercase));
    let mixed = words.iter().filter(mixed).count();
    let all_mixed = words.len() >= 3 && length >= 4 && mixed == words.len();
    capitals || mixed >= 2 && (all_mixed || words.iter().filter(odd).count() * 2 >= words.len())
}

/// One word of six to eleven letters and digits that is neither the name of a model nor a formula.
pub(super) fn is_code(word: &[u8]) -> bool {
    let digits = word.iter().filter(|byte| byte.is_ascii_digit()).count();
    let longest = |is: fn(u8) -> bool| runs(word, is, 1).map(|run| run.len()).max().unwrap_or(0);
    let formula =
        matches!(word, [b'c' | b'C', b'0'..=b'9', .., b'h' | b'H', _] | [b'c' | b'C', b'0'..=b'9', b'h' | b'H', ..]);
    let letters = |min: usize| runs(word, |byte| byte.is_ascii_alphabetic(), min);
    let spoken_min = if word.len() > 8 { 4 } else { 3 };
    let spoken = turns(word) < 4 && letters(spoken_min).any(|run| pronounceable(&word[run], 60));
    let unspoken = letters(4).any(|run| !pronounceable(&word[run], 45));
    let single = runs(word, |byte| byte.is_ascii_digit(), 1).any(|run| run.len() == 1);
    let alternates = digits >= 2 && turns(word) >= 3 && longest(|byte| byte.is_ascii_digit()) <= 3 && single;
    (6..=11).contains(&word.len()) && !spoken && !formula && (alternates || (unspoken && turns(word) >= 2))
}

/// Calls `found` with each session that a server writes into a path: `(S(…))`, `;jsessionid=…`, `!ut/p/…`.
pub(super) fn sessions(ascii: &str, found: &mut dyn FnMut(Range<usize>)) {
    let bytes = ascii.as_bytes();
    let mut at = 0;
    while at + 3 < bytes.len() {
        let opens = bytes[at] == b'(' && bytes[at + 1].is_ascii_alphabetic() && bytes[at + 2] == b'(';
        if opens && bytes[at + 3].is_ascii_alphanumeric() {
            let length = bytes[at..].iter().position(|byte| matches!(byte, b' ' | b'/'));
            let end = length.map_or(bytes.len(), |length| at + length);
            found(at..end);
            at = end;
        } else {
            at += 1;
        }
    }
}

/// Calls `found` with each full date in digits whose year is one of birth.
pub(super) fn birth_dates(ascii: &str, found: &mut dyn FnMut(Range<usize>)) {
    let bytes = ascii.as_bytes();
    let numbers: Vec<Range<usize>> = runs(bytes, |byte| byte.is_ascii_digit(), 1).collect();
    for three in numbers.windows(3) {
        let value = |range: &Range<usize>| ascii[range.clone()].parse::<u16>().unwrap_or(0);
        let near = |a: &Range<usize>, b: &Range<usize>| {
            let between = &bytes[a.end..b.start];
            between.len() <= DATE_GAP_MAX
                && between.iter().all(|byte| matches!(byte, b'.' | b'/' | b'-' | b',' | b' ' | b'_'))
        };
        let (first, second, third) = (&three[0], &three[1], &three[2]);
        let (year, day) = if first.len() == 4 { (first, third) } else { (third, first) };
        let full = year.len() == 4 && day.len() <= 2 && second.len() <= 2 && BIRTH_YEARS.contains(&value(year));
        // `01.02.85`; what is longer is a version.
        let dotted = |at: usize| matches!(bytes.get(at), Some(b'.' | b'/'));
        let short = [first, second, third].iter().all(|part| part.len() == 2)
            && [first.end, second.end].into_iter().all(dotted)
            && !dotted(third.end)
            && !first.start.checked_sub(1).is_some_and(dotted)
            && value(third) >= SHORT_YEAR_MIN
            && value(second) <= 12;
        let is_date = (full || short) && (1..=31).contains(&value(day)) && (1..=31).contains(&value(second));
        let known = KNOWN_DAYS.contains(&(value(day), usize::from(value(second)), value(year)));
        if is_date && !known && near(first, second) && near(second, third) {
            found(first.start..third.end);
        }
    }
}

/// A pair of numbers with decimals, as maps write a place: not two prices, of which one ends in zeros.
pub(super) fn is_place(text: &str) -> bool {
    let numbers: Vec<&str> =
        text.split(|c: char| !(c.is_ascii_digit() || matches!(c, '.' | ','))).filter(|part| part.len() > 2).collect();
    let decimals =
        |part: &&str| part.trim_end_matches([',', '.']).rsplit(['.', ',']).next().map_or("", |rest| rest).to_owned();
    let all: Vec<String> = numbers.iter().map(decimals).collect();
    !all.iter().any(|part| part.ends_with("00"))
}

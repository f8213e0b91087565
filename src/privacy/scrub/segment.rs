//! One segment of a path, and whether it is kept.

/// Digits that a path may have outside of the configured segments: fewer than a telephone number has. A single segment with
/// more digits is folded by itself. If it counted, its neighbours would always be folded with it.
pub(super) const DIGITS_MAX: usize = 9;

/// What is done with a segment.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Segment<'a> {
    /// Written in the configuration.
    Listed(&'a str),
    /// In the visited URL and not in the configuration; it is kept.
    Free(&'a str),
    /// In the visited URL and not in the configuration; it is folded.
    Folded(&'a str),
}

impl<'a> Segment<'a> {
    pub(super) fn text(self) -> &'a str {
        match self {
            Self::Listed(text) | Self::Free(text) | Self::Folded(text) => text,
        }
    }
}

/// The number of ASCII digits.
pub(super) fn digits(text: &str) -> usize {
    text.bytes().filter(u8::is_ascii_digit).count()
}

/// A year of this century, as dates of news have it.
pub(super) fn is_year(segment: &str) -> bool {
    segment.len() == 4 && segment.parse().is_ok_and(|year: u16| (2000..2040).contains(&year))
}

/// A day of a month.
pub(super) fn is_day(segment: &str) -> bool {
    segment.len() <= 2 && segment.parse().is_ok_and(|day: u8| (1..=31).contains(&day))
}

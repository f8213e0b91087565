//! What a rule is, and what it finds.

use std::ops::Range;

use super::census::Census;

/// A range of characters that identifies, and what it is.
#[derive(Clone, Debug)]
pub(super) struct Found {
    pub(super) range: Range<usize>,
    /// The placeholder, without its brackets.
    pub(super) name: &'static str,
}

pub(super) struct Rule {
    pub(super) name: &'static str,
    /// What a text must have before it can find anything.
    pub(super) needs: fn(&Census) -> bool,
    pub(super) find: Find,
    /// Whether it also finds across the borders of words and segments, when those are put together without any.
    pub(super) joins: bool,
    #[cfg(test)]
    pub(super) finds: &'static [&'static str],
    #[cfg(test)]
    pub(super) leaves: &'static [&'static str],
}

pub(super) type Check = fn(&str) -> bool;
pub(super) type Scan = fn(&str, &mut dyn FnMut(Range<usize>));

pub(super) enum Find {
    /// A pattern without regard to case, and a further check of what it matched.
    Pattern(&'static str, Check),
    /// Anything else that runs through the text once.
    Scan(Scan),
    /// What is hidden in base64 or hexadecimal.
    Encoded,
}

pub(super) const ALWAYS: Check = |_| true;

//! Version numbers within agents and hints.

/// The version of Chromium's engine that the agent claims; 0 when it claims none.
pub(super) fn chromium_major(agent: &str) -> u16 {
    number_after(agent, "Chrome/")
}

/// The number behind the first `token`; 0 when there is none.
pub(super) fn number_after(text: &str, token: &str) -> u16 {
    text.split_once(token).map_or(0, |(_, rest)| leading_number(rest))
}

/// The number that the text begins with; 0 when it begins with none, or with one that no browser's version has reached.
pub(super) fn leading_number(text: &str) -> u16 {
    let end = text.find(|character: char| !character.is_ascii_digit()).unwrap_or(text.len());
    text[..end].parse().ok().filter(|number| *number < 10_000).unwrap_or(0)
}

//! The one form in which characters are compared: each letter and its accents as one character, where Unicode has one
//! (NFC). Settings and traffic are brought into it by the same function, so that what is written alike is equal.

use std::borrow::Cow;

use icu_normalizer::ComposingNormalizerBorrowed;

/// The text in this form.
pub(crate) fn composed(text: &str) -> Cow<'_, str> {
    if text.is_ascii() { Cow::Borrowed(text) } else { ComposingNormalizerBorrowed::new_nfc().normalize(text) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn accents_belong_to_their_letters() {
        assert_eq!(composed("cafe\u{301} чаи\u{306}"), "café чай");
    }
}

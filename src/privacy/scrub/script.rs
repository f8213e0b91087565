//! In which script a word is written.
//!
//! A word is of one script: Latin with all its accents is one, and so is what Japanese and Korean mix. What all scripts share
//! (marks, the long vowel of Japanese) is of none.

use icu_properties::CodePointMapData;
use icu_properties::props::{GeneralCategory, Script};

/// Whether a character is a letter or a mark that belongs to one, such as a vowel of Thai.
pub(super) fn is_of_a_word(c: char) -> bool {
    c.is_alphabetic() || {
        let category = CodePointMapData::<GeneralCategory>::new().get(c);
        matches!(category, GeneralCategory::NonspacingMark | GeneralCategory::SpacingMark)
    }
}

/// Whether all letters are of one script.
pub(super) fn is_of_one(text: &str) -> bool {
    if text.is_ascii() {
        return true;
    }
    let mut scripts = text.chars().filter_map(script);
    scripts.next().is_none_or(|first| scripts.all(|other| other == first))
}

/// The script of a letter; none of what all share.
fn script(c: char) -> Option<Script> {
    if c.is_ascii() {
        return c.is_ascii_alphabetic().then_some(Script::Latin);
    }
    match CodePointMapData::<Script>::new().get(c) {
        Script::Common | Script::Inherited => None,
        // These stand side by side in the words of one language.
        Script::Hiragana | Script::Katakana | Script::Hangul | Script::Bopomofo => Some(Script::Han),
        script => Some(script),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_word_is_of_one_script() {
        for one in [
            "tölem",
            "жаңалықтар",
            "giới",
            "ข่าว",
            "お知らせニュース",
            "뉴스",
            "أخبار",
            "ειδήσεις",
            "abc",
            "123",
            "समाचार",
        ] {
            assert!(is_of_one(one), "{one}");
        }
        for mixed in ["аigerim", "gοοgle", "вход1a", "ข่าวa"] {
            assert!(!is_of_one(mixed), "{mixed}");
        }
        assert!("ข่าวसमाचारأَخبار".chars().all(is_of_a_word));
        assert!(!is_of_a_word('1') && !is_of_a_word('-') && !is_of_a_word('😀'));
    }
}

//! The texts of the visitor's page in three languages: one file for each, all with the same keys.

use std::collections::BTreeMap;
use std::sync::LazyLock;

use serde::Deserialize;

/// A language of the page.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) enum Language {
    Kazakh,
    #[default]
    Russian,
    English,
}

impl Language {
    /// In the order in which the page offers them.
    pub(super) const ALL: [Self; 3] = [Self::Kazakh, Self::Russian, Self::English];

    /// As HTML and HTTP name it.
    pub(super) fn tag(self) -> &'static str {
        match self {
            Self::Kazakh => "kk",
            Self::Russian => "ru",
            Self::English => "en",
        }
    }

    /// The language of a tag: `kk-KZ`.
    pub(super) fn of_tag(tag: &str) -> Option<Self> {
        let primary = tag.trim().split('-').next().unwrap_or_default();
        Self::ALL.into_iter().find(|language| language.tag().eq_ignore_ascii_case(primary))
    }

    /// The one that `Accept-Language` prefers. Who reads none of them gets English, who says nothing Russian.
    pub(super) fn preferred(accepted: &str) -> Self {
        let weighed = accepted.split(',').filter_map(|part| {
            let (tag, weight) = part.split_once(';').unwrap_or((part, "q=1"));
            let weight: f32 = weight.trim().strip_prefix("q=")?.parse().ok()?;
            Some((Self::of_tag(tag)?, weight)).filter(|(_, weight)| *weight > 0.0)
        });
        // Of equal weights the first counts.
        let best = weighed.reduce(|best, next| if next.1 > best.1 { next } else { best });
        match best {
            Some((language, _)) => language,
            None if accepted.trim().is_empty() => Self::default(),
            None => Self::English,
        }
    }
}

macro_rules! words {
    ($($(#[$doc:meta])* $name:ident { $($field:ident)* })*) => {
        $($(#[$doc])*
        #[derive(Deserialize)]
        #[serde(deny_unknown_fields)]
        pub(super) struct $name { $(pub(super) $field: String,)* })*
    };
}

/// All texts in one language.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Words {
    #[serde(skip)]
    pub(super) language: Language,
    /// The language's own name.
    pub(super) name: String,
    pub(super) title: String,
    pub(super) lead: String,
    pub(super) languages: String,
    pub(super) step: String,
    pub(super) go_on: String,
    pub(super) refused: String,
    pub(super) unknown: String,
    pub(super) later: String,
    pub(super) browser: OfBrowser,
    pub(super) held: OfHeld,
    pub(super) act: Act,
    pub(super) done: Done,
    pub(super) collected: Collected,
    pub(super) kept: Kept,
    pub(super) recipients: Recipients,
    #[serde(rename = "final")]
    pub(super) counted: Counted,
    pub(super) contact: Contact,
    pub(super) framed: Framed,
    /// By the item's key in the data map.
    pub(super) item: BTreeMap<String, ItemText>,
}

words! {
    /// What the browser shows.
    OfBrowser { heading counted objected asks cookie no_cookie never_cookie }
    /// What is held of the browser.
    OfHeld { heading intro none not_now more json what value count hour device here pair }
    /// The forms.
    Act { heading object object_means erase erase_means allow allow_means grant deny consent_means }
    /// What was done.
    Done { objected objected_only erased receipt keep allowed granted denied }
    /// What is collected, and its sources.
    Collected { heading intro source cookie page address header device }
    /// How long.
    Kept { heading rows key numbers cookie }
    /// Who receives it.
    Recipients { heading nobody }
    /// What has become a count.
    Counted { heading text }
    /// Whom to ask.
    Contact { heading operator contact policy policy_link authority }
    /// The notice for a frame.
    Framed { title lead open }
    /// An item of the policy: what, and why.
    ItemText { name why }
}

impl Words {
    /// The texts in a language.
    pub(super) fn of(language: Language) -> &'static Self {
        static WORDS: LazyLock<[Words; 3]> = LazyLock::new(|| {
            Language::ALL.map(|language| {
                let text = match language {
                    Language::Kazakh => include_str!("texts/kk.toml"),
                    Language::Russian => include_str!("texts/ru.toml"),
                    Language::English => include_str!("texts/en.toml"),
                };
                Words { language, ..toml::from_str(text).expect("a unit test reads the texts") }
            })
        });
        &WORDS[language as usize]
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::items::data_map;

    #[test]
    fn each_language_names_each_item_of_the_data_map() {
        for language in Language::ALL {
            let words = Words::of(language);
            assert_eq!(words.language, language);
            assert!(words.item.keys().eq(data_map().item.keys()), "{language:?}");
        }
    }

    #[test]
    fn the_preferred_language_is_the_reader_s() {
        for (accepted, language) in [
            ("kk", Language::Kazakh),
            ("kk-KZ,kk;q=0.9,ru;q=0.8,en;q=0.7", Language::Kazakh),
            ("ru-RU,ru;q=0.9,kk;q=0.8", Language::Russian),
            ("de,en;q=0.5,ru;q=0.7", Language::Russian),
            ("en-US", Language::English),
            ("de-DE,de;q=0.9", Language::English),
            ("kk;q=0,en;q=0.1", Language::English),
            ("ru;q=high, EN ;q=0.2", Language::English),
            ("", Language::Russian),
            ("*", Language::English),
        ] {
            assert_eq!(Language::preferred(accepted), language, "{accepted}");
        }
    }
}

//! The refusal, with its reason, of a written request that cannot be tied to a browser: a letter in Kazakh, Russian or English.
//!
//! It names the operator, the site and the request's number and date, and nobody. What it says of cookies and keys is what the
//! site does.

use std::collections::BTreeMap;

use jiff::civil::Date;

use crate::config::{Identification, Site};
use crate::privacy::keys::GRACE_MINUTES;
use crate::publish::VAULT_DAYS;

/// The languages of the letter, as `--lang` names them.
pub const LANGUAGES: [&str; 3] = ["kk", "ru", "en"];

/// The letter about a request of a site, in one of [`LANGUAGES`].
pub fn refusal(site: &Site, number: u32, received: Date, language: &str) -> Option<String> {
    let texts: BTreeMap<String, BTreeMap<String, String>> =
        toml::from_str(include_str!("texts/refusal.toml")).expect("a unit test reads the texts");
    let texts = texts.get(language)?;
    let (reason, service) = match site.identity {
        Identification::Cookie => ("cookie", "cookie_service"),
        Identification::DailyAddress | Identification::None => ("no_cookie", "no_cookie_service"),
    };
    let mut keys = vec!["title", "about", "refused", "reason", reason, "apart", service, "kept", "appeal"];
    keys.extend(site.operator.contact.as_ref().map(|_| "contact"));
    let letter: Vec<_> = keys.into_iter().map(|key| texts[key].as_str()).collect();
    let date = received.strftime(if language == "en" { "%Y-%m-%d" } else { "%d.%m.%Y" });
    let places = [
        ("number", number.to_string()),
        ("received", date.to_string()),
        ("key_minutes", GRACE_MINUTES.to_string()),
        ("most_days", VAULT_DAYS.to_string()),
        ("page", format!("{}/privacy?site={}&lang={language}", site.public_url, site.domain)),
        ("site", site.domain.clone()),
        // What the operator writes comes last.
        ("operator", site.operator.name.clone().unwrap_or_else(|| site.domain.clone())),
        ("contact", site.operator.contact.clone().unwrap_or_default()),
    ];
    let filled = |text: String, (place, value): &(&str, String)| text.replace(&format!("{{{place}}}"), value);
    Some(places.iter().fold(letter.join("\n\n") + "\n", filled))
}

#[cfg(test)]
mod tests {
    use jiff::civil::date;

    use super::*;
    use crate::config::Config;

    #[test]
    fn the_letter_is_whole_in_each_language_and_says_what_the_site_does() {
        let config = Config::parse(Config::example(), "t.toml".as_ref(), std::iter::empty()).expect("sound");
        let mut site = config.sites[0].clone();
        site.operator.name = Some("JetPay.kz".to_owned());
        for (language, refused, dated, cookie, erase) in [
            ("kk", "дәлелді бас тарту", "29.11.2026", "кездейсоқ мәнінен", "жазбаларын жоюға"),
            ("ru", "мотивированным отказом", "29.11.2026", "случайного значения", "уничтожить записи этого"),
            ("en", "refusal with its reason", "2026-11-29", "random value", "records of this browser destroyed"),
        ] {
            let letter = |site: &Site| refusal(site, 7, date(2026, 11, 29), language).expect(language);
            let said = letter(&site);
            let page = format!("https://t.jetpay.kz/privacy?site=jetpay.kz&lang={language}");
            for words in ["7", dated, "jetpay.kz", "JetPay.kz", "30", "94-V", refused, cookie, erase, &page] {
                assert!(said.contains(words), "{words}: {said}");
            }
            assert!(!said.contains(['{', '}']) && said.split("\n\n").count() == 9, "{said}");
            let with_contact = Site {
                operator: crate::config::Operator {
                    contact: Some("info@jetpay.kz".to_owned()),
                    ..site.operator.clone()
                },
                ..site.clone()
            };
            assert!(letter(&with_contact).ends_with("info@jetpay.kz.\n"));
            let without = Site { identity: Identification::None, ..site.clone() };
            assert!(!letter(&without).contains(erase));
            assert!(!letter(&without).contains(cookie) && letter(&without).contains("cookie"), "{}", letter(&without));
        }
        assert!(refusal(&site, 7, date(2026, 11, 29), "de").is_none());
    }
}

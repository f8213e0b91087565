//! What may be said of a page, a search or an error, and nothing of who was there.
//!
//! Two lines of defence. The first is a list of what may pass: the site's own path templates, its words, the registrable
//! domain of a link. The second stands behind the first wherever something passes that nobody listed, behind a `*`, without
//! templates, in free text: what was written is undone (`decode`), and rules (`rules`) look for what identifies: e-mail,
//! telephone, IIN, BIN, IBAN, card, JWT, UUID, addresses, tokens. What has no check digit is known by its shape (`plates`,
//! `shapes`) or by the word before it (`announced`). In doubt it is folded. How many digits a kept path or text
//! may have in all is bounded, so that an identifier made of digits does not fit, however it is cut up.
//!
//! Not found, because no rule can: a person's name or a password that no word announces, a code that is written like the name
//! of a model, an identifier spread over several pages. Against those stands the publisher, who shows nothing that fewer than ten visitors share.
//!
//! All of it is pure, takes time in proportion to its input, whose length is bounded, keeps nothing, logs nothing, and has
//! no error that could quote a value.

mod announced;
mod budget;
mod census;
mod checks;
mod decode;
mod dictionary;
mod digits;
mod errors;
mod lookalikes;
mod paths;
mod patterns;
mod people;
mod phrases;
mod plates;
mod routes;
mod rule;
mod rules;
mod scans;
mod script;
mod segment;
mod shapes;
mod spoken;
mod text;
mod token;
mod written;

pub use budget::Budget;
pub use paths::PathRules;
pub use text::{error_template, search_term};

/// How many bytes of a beacon's paths and texts are scrubbed. Plain paths do not count.
const SCRUBBED_MAX: usize = 8 * 1024;

/// What stands for a domain that is not kept.
const OTHER: &str = "other";

/// The longest name of a domain that is kept: a hash or a signature has more characters.
const LABEL_MAX: usize = 31;

/// The longest word of such a name: what is encoded in base64 has more characters, once it is longer than a card's number.
const WORD_MAX: usize = 22;
/// The shortest name in hexadecimal alone that is not kept: no word has as many of these letters, and the last part of a
/// UUID has more.
const HEX_LABEL_MIN: usize = 10;

/// A registrable domain, or `other` when it looks like something that identifies: a link's address can be made up, and
/// `850101300123.kz` is a domain, too. A word without a dot is one of the site's own. Domains beyond ASCII are written as
/// people read them.
pub fn domain(domain: String) -> String {
    let (readable, is_sound) = idna::domain_to_unicode(&domain);
    let Some((shown, _)) = readable.split_once('.') else { return domain };
    let long = shown.chars().count() > LABEL_MAX || shown.split('-').any(|word| word.chars().count() > WORD_MAX);
    let hexadecimal = shown.len() >= HEX_LABEL_MIN && shown.bytes().all(|byte| byte.is_ascii_hexdigit());
    // Names are of one script; Latin letters among others are disguises.
    let disguised = is_sound.is_err() || !script::is_of_one(shown);
    if long || hexadecimal || disguised || identifies(shown) { OTHER.to_owned() } else { readable }
}

/// Whether a piece of text, decoded already, holds something that a rule finds.
fn identifies(decoded: &str) -> bool {
    !rules::is_plain(decoded) && rules::any(&decode::Canonical::of(decoded))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_domain_that_is_made_up_is_not_kept() {
        for kept in ["kaspi.kz", "2gis.kz", "12345.cn", "stackoverflow.com", "com.kz", "gov.kz", "other", "Newsletter"]
        {
            assert_eq!(domain(kept.to_owned()), kept);
        }
        for (sent, readable) in [
            ("xn--80aswg.xn--p1ai", "сайт.рф"),
            ("xn--80a1acny.xn--80ao21a", "почта.қаз"),
            ("xn--mnchen-3ya.de", "münchen.de"),
            ("xn--wgv71a119e.jp", "日本語.jp"),
            ("xn--ggle-55da.com", OTHER),
            ("xn--a.kz", OTHER),
        ] {
            assert_eq!(domain(sent.to_owned()), readable, "{sent}");
        }
        for made_up in [
            "850101300123.kz",
            "0b8f1c2e4d5a4c3b9e8faabbccddeeff.com",
            "kz86125kzt5004100100.kz",
            "cf89360edead.kz",
            "s1ozntaymeprnlvauzdvourawuc.kz",
        ] {
            assert_eq!(domain(made_up.to_owned()), OTHER, "{made_up}");
        }
    }
}

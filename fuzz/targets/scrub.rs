//! URLs and free text: the text that is kept is bounded and cannot hold an identifier made of digits.

use std::sync::LazyLock;

use tamga::decode::url;
use tamga::privacy::scrub::{PathRules, domain, error_template, search_term};

/// An identifier of twelve digits must not fit.
const DIGITS_MAX: usize = 11;

static RULES: LazyLock<[PathRules; 2]> = LazyLock::new(|| {
    let listed = ["/", "/tariffs", "/pay/:order", "/docs/*", "/shop/*/reviews"].map(str::to_owned);
    [PathRules::new(&[]), PathRules::new(&listed)]
});

/// A text.
pub(crate) fn run(data: &[u8]) {
    let Ok(text) = std::str::from_utf8(data) else { return };
    bounded(&search_term(text).unwrap_or_default(), 96);
    bounded(&error_template(text), 256);
    for rules in &*RULES {
        bounded(&rules.template(text), 2_048);
    }
    domain(text.to_owned());
    if let Ok(page) = url::parse(text) {
        bounded(&RULES[1].template(page.path.expose()), 2_048);
        domain(page.host.expose().clone());
    }
}

fn bounded(kept: &str, characters: usize) {
    assert!(kept.chars().count() <= characters, "too long");
    assert!(kept.chars().filter(char::is_ascii_digit).count() <= DIGITS_MAX, "too many digits");
    assert!(!kept.contains(['\n', '\r', '\0']), "a character of control");
}

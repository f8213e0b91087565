//! Paths as templates: what a page's address may say of the page, and nothing of the visitor.
//!
//! The site's own templates come first: `:name` folds one segment, a `*` at the end keeps the rest. A path that no template
//! matches is folded segment by segment: with templates configured, only words that stand in one of them stay; without,
//! only short plain words. Whatever stays without being written in the configuration, behind `*` too, must not look like
//! something that identifies ([`could_name_someone`]). Query and fragment never come this far.

/// Segments beyond this are folded together.
const SEGMENTS_MAX: usize = 8;
/// What a folded segment becomes.
const FOLDED: &str = ":x";
/// A path that could not be decoded, or that is not one.
const UNREADABLE: &str = "/:x";

/// The path rules of one site.
pub struct PathRules {
    templates: Vec<Vec<String>>,
}

impl PathRules {
    /// Rules from the configuration's `paths`.
    pub fn new(paths: &[String]) -> Self {
        let templates = paths.iter().map(|path| segments(path).map(str::to_owned).collect()).collect();
        Self { templates }
    }

    /// The template of a path as it came, percent-encoded.
    pub fn template(&self, raw: &str) -> String {
        let Some(path) = decode(raw) else { return UNREADABLE.to_owned() };
        let segments: Vec<&str> = segments(&path).collect();
        let matched = self.templates.iter().find_map(|template| fill(template, &segments));
        matched.unwrap_or_else(|| self.fold(&segments))
    }

    fn fold(&self, segments: &[&str]) -> String {
        let known = |segment: &str| {
            if self.templates.is_empty() {
                is_plain_word(segment)
            } else {
                self.templates.iter().flatten().any(|part| part == segment && !is_wild(part))
            }
        };
        join(segments.iter().map(|segment| if known(segment) { segment } else { FOLDED }))
    }
}

/// The template with the path's own segments where it keeps them, if it matches.
fn fill(template: &[String], segments: &[&str]) -> Option<String> {
    let mut out = Vec::with_capacity(segments.len());
    for (at, part) in template.iter().enumerate() {
        if part == "*" {
            let rest = segments.get(at..)?;
            out.extend(rest.iter().map(|segment| if could_name_someone(segment) { FOLDED } else { segment }));
            return Some(join(out.into_iter()));
        }
        let segment = segments.get(at)?;
        if !part.starts_with(':') && part != segment {
            return None;
        }
        out.push(part.as_str());
    }
    (template.len() == segments.len()).then(|| join(out.into_iter()))
}

fn join<'a>(mut segments: impl Iterator<Item = &'a str>) -> String {
    let mut out = String::new();
    for segment in segments.by_ref().take(SEGMENTS_MAX) {
        out.push('/');
        out.push_str(segment);
    }
    if segments.next().is_some() {
        out.push('/');
        out.push_str(FOLDED);
    }
    if out.is_empty() {
        out.push('/');
    }
    out
}

fn segments(path: &str) -> impl Iterator<Item = &str> {
    path.split('/').filter(|segment| !segment.is_empty())
}

fn is_wild(part: &str) -> bool {
    part == "*" || part.starts_with(':')
}

/// Lower-case ASCII words joined by `-` or `_`, short: what routes are written in.
fn is_plain_word(segment: &str) -> bool {
    segment.len() <= 24 && segment.bytes().all(|b| b.is_ascii_lowercase() || matches!(b, b'-' | b'_'))
}

/// Whether a piece of text looks like an identifier of a person, a payment or a session. Errs towards yes.
///
/// It is one that has: an `@`; four or more digits in all (phones, IIN, BIN, PAN, IBAN, orders); any character that is no
/// letter, digit, `-`, `_` or `.`; more than 32 characters; upper and lower case with digits (tokens); or 16 or more
/// letters and digits without a break that include a digit (hexadecimal and base64 identifiers).
pub fn could_name_someone(text: &str) -> bool {
    let digits = text.chars().filter(|c| c.is_numeric()).count();
    let upper = text.chars().any(char::is_uppercase);
    let lower = text.chars().any(char::is_lowercase);
    let longest = text.split(['-', '_', '.']).map(|run| run.chars().count()).max().unwrap_or(0);
    text.chars().any(|c| !(c.is_alphanumeric() || matches!(c, '-' | '_' | '.')))
        || digits >= 4
        || text.chars().count() > 32
        || (digits > 0 && upper && lower)
        || (digits > 0 && longest >= 16)
}

/// Percent-decodes twice (links are often encoded once too often). `None` when the result is not text, hides a separator
/// or a control character, or would still decode further.
fn decode(raw: &str) -> Option<String> {
    let once = decode_once(raw)?;
    let twice = decode_once(&once)?;
    if twice.matches('/').count() != raw.matches('/').count() || twice.chars().any(|c| c.is_control() || c == '\\') {
        return None;
    }
    Some(twice)
}

fn decode_once(text: &str) -> Option<String> {
    let bytes = text.as_bytes();
    let mut out = Vec::with_capacity(bytes.len());
    let mut at = 0;
    while let Some(&byte) = bytes.get(at) {
        let hex = |offset: usize| bytes.get(at + offset).and_then(|digit| (*digit as char).to_digit(16));
        match (byte, hex(1), hex(2)) {
            (b'%', Some(high), Some(low)) => {
                out.push((high * 16 + low) as u8);
                at += 3;
            }
            _ => {
                out.push(byte);
                at += 1;
            }
        }
    }
    String::from_utf8(out).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rules(paths: &[&str]) -> PathRules {
        PathRules::new(&paths.iter().map(|path| (*path).to_owned()).collect::<Vec<_>>())
    }

    #[test]
    fn the_site_s_templates_fold_and_keep() {
        let rules = rules(&["/", "/tariffs", "/pay/:order", "/docs/*"]);
        for (raw, template) in [
            ("/", "/"),
            ("", "/"),
            ("//tariffs/", "/tariffs"),
            ("/pay/000123-7", "/pay/:order"),
            ("/pay/a%40b.kz", "/pay/:order"),
            ("/docs/api/v2", "/docs/api/v2"),
            ("/docs/850101300123", "/docs/:x"),
            ("/docs/aigerim%2540mail.kz", "/docs/:x"),
            ("/pay/1/aigerim", "/pay/:x/:x"),
            ("/aigerim/tariffs", "/:x/tariffs"),
            ("/%2e%2e%2fetc", "/:x"),
            ("/docs/%00", "/:x"),
            ("/docs/%ff", "/:x"),
        ] {
            assert_eq!(rules.template(raw), template, "{raw}");
        }
    }

    #[test]
    fn without_templates_only_short_plain_words_stay() {
        let rules = rules(&[]);
        for (raw, template) in [
            ("/catalog/tea", "/catalog/tea"),
            ("/catalog/item-12", "/catalog/:x"),
            ("/users/Aigerim", "/users/:x"),
            ("/жеке-кабинет", "/:x"),
            ("/a/b/c/d/e/f/g/h/i/j", "/a/b/c/d/e/f/g/h/:x"),
        ] {
            assert_eq!(rules.template(raw), template, "{raw}");
        }
    }

    #[test]
    fn identifiers_are_recognised_and_words_are_not() {
        for text in [
            "a@b.kz",
            "+77012345678",
            "850101300123",
            "KZ86125KZT5004100100",
            "4111-1111-1111-1111",
            "0b8f1c2e-4d5a-4c3b-9e8f-aabbccddeeff",
            "eyJhbGciOi.J9",
            "aB3dE5gH",
            "٠١٢٣",
            "deadbeefdeadbee1",
        ] {
            assert!(could_name_someone(text), "{text}");
        }
        for text in ["api", "v2", "getting-started", "тарифы", "iphone-15", "faq.html", "Оплата", "2026"] {
            assert_eq!(could_name_someone(text), text == "2026", "{text}");
        }
    }

    proptest::proptest! {
        #[test]
        fn any_path_becomes_a_bounded_template(raw in "\\PC{0,2048}") {
            for rules in [rules(&[]), rules(&["/docs/*", "/pay/:order"])] {
                let template = rules.template(&raw);
                proptest::prop_assert!(template.starts_with('/') && template.len() <= 9 * 33 * 4);
                proptest::prop_assert!(!template.contains('@'));
            }
        }
    }
}

//! Paths as templates: what a page's address may say of the page, and nothing of the visitor.
//!
//! The site's own templates come first, the more exact before the less: a literal segment stays, `:name` folds one (also as
//! a part: `/order-:id.html`), `*` keeps one, and at the end all that follow. A path that no template matches is folded segment
//! by segment: with templates configured, only words that stand in one of them stay; without, only words as routes are
//! written in (`routes`). Whatever stays without being written in the configuration, behind `*` too, has passed all
//! rules, alone and together with its neighbours. Query and fragment never come this far.

use std::borrow::Cow;

use super::announced;
use super::decode::{self, Canonical};
use super::lookalikes::is_invisible;
use super::routes;
use super::rules;
use super::segment::{DIGITS_MAX, Segment, digits, is_day, is_year};
use crate::nfc::composed;

/// Segments beyond this are folded together.
const SEGMENTS_MAX: usize = 8;
/// The longest path that is looked at, in bytes: a URL of 2,048, each byte percent-encoded.
const PATH_MAX: usize = 3 * 2048;
/// A longer segment is folded, behind `*` and without templates.
const SEGMENT_MAX_CHARS: usize = 64;
/// The same limit where all digits belong to a date or stand beside words: fewer than an IIN has.
const DIGITS_MAX_BESIDE_WORDS: usize = 11;
/// What a folded segment becomes.
const FOLDED: &str = ":x";

/// The path rules of one site.
pub struct PathRules {
    templates: Vec<Vec<Part>>,
}

/// One segment of a template. The order is that of exactness.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Part {
    Literal(String),
    /// `:name`, with what may stand before and after it in the segment.
    Fold {
        written: String,
        before: String,
        after: String,
    },
    One,
    Rest,
}

impl PathRules {
    /// Rules from the configuration's `paths`.
    pub fn new(paths: &[String]) -> Self {
        let mut templates: Vec<Vec<Part>> = paths.iter().map(|path| parse(&composed(path))).collect();
        // Literal parts sort before wild ones at the first place where two templates differ; else the order is the operator's.
        let rank = |part: &Part| match part {
            Part::Literal(_) => 0,
            Part::Fold { before, after, .. } => {
                if before.is_empty() && after.is_empty() {
                    2
                } else {
                    1
                }
            }
            Part::One => 3,
            Part::Rest => 4,
        };
        templates.sort_by_cached_key(|template| template.iter().map(rank).collect::<Vec<_>>());
        Self { templates }
    }

    /// The template of a path as it came, percent-encoded.
    pub fn template(&self, raw: &str) -> String {
        let Some(path) = readable(raw) else { return self.listed(raw) };
        let segments: Vec<&str> = segments(&path).collect();
        let free = |segment| if may_stay(segment) { Segment::Free(segment) } else { Segment::Folded(segment) };
        let matched = self.templates.iter().find_map(|template| fill(template, &segments, free));
        let mut kept = matched.unwrap_or_else(|| self.fold(&segments));
        judge_after_announcers(&mut kept);
        judge_together(&mut kept);
        join_bounded(kept)
    }

    /// What is listed of a path, which is neither decoded nor looked at by a rule.
    pub(super) fn listed(&self, raw: &str) -> String {
        let segments: Vec<&str> = segments(raw).collect();
        let matched = self.templates.iter().find_map(|template| fill(template, &segments, Segment::Folded));
        join_bounded(matched.unwrap_or_else(|| segments.iter().map(|segment| self.listed_or_folded(segment)).collect()))
    }

    fn fold<'a>(&'a self, segments: &[&'a str]) -> Vec<Segment<'a>> {
        if self.templates.is_empty() {
            return routes::fold(segments);
        }
        segments.iter().map(|segment| self.listed_or_folded(segment)).collect()
    }

    fn listed_or_folded<'a>(&self, segment: &'a str) -> Segment<'a> {
        let is_listed = |part: &Part| matches!(part, Part::Literal(literal) if literal == segment);
        if self.templates.iter().flatten().any(is_listed) { Segment::Listed(segment) } else { Segment::Folded(segment) }
    }
}

fn parse(path: &str) -> Vec<Part> {
    let all: Vec<&str> = segments(path).collect();
    let part = |(at, segment): (usize, &&str)| match segment.split_once(':') {
        _ if *segment == "*" => {
            if at + 1 == all.len() {
                Part::Rest
            } else {
                Part::One
            }
        }
        None => Part::Literal((*segment).to_owned()),
        Some((before, rest)) => {
            let after = rest.trim_start_matches(|c: char| c.is_alphanumeric() || c == '_');
            Part::Fold { written: (*segment).to_owned(), before: before.to_owned(), after: after.to_owned() }
        }
    };
    all.iter().enumerate().map(part).collect()
}

/// What a template makes of the segments, if it matches. `free` judges those that nobody listed.
fn fill<'a>(
    template: &'a [Part],
    segments: &[&'a str],
    free: impl Fn(&'a str) -> Segment<'a>,
) -> Option<Vec<Segment<'a>>> {
    let mut kept = Vec::with_capacity(template.len());
    for (at, part) in template.iter().enumerate() {
        if *part == Part::Rest {
            kept.extend(segments.get(at..)?.iter().map(|segment| free(segment)));
            return Some(kept);
        }
        let segment = *segments.get(at)?;
        kept.push(match part {
            Part::Literal(literal) if literal == segment => Segment::Listed(literal),
            Part::Fold { written, before, after } => {
                let folded = segment.strip_prefix(before.as_str())?.strip_suffix(after.as_str())?;
                if folded.is_empty() {
                    return None;
                }
                Segment::Listed(written)
            }
            Part::One => free(segment),
            Part::Literal(_) | Part::Rest => return None,
        });
    }
    (template.len() == segments.len()).then_some(kept)
}

/// Whether a segment that nobody listed may stay behind `*`: letters, digits and a few marks, and no rule finds anything.
fn may_stay(segment: &str) -> bool {
    if rules::is_plain(segment) {
        return true;
    }
    let mark = |c: char| matches!(c, '-' | '_' | '.' | ' ' | '+' | ',' | '~' | '(' | ')' | '!' | '\'');
    if segment.chars().count() > SEGMENT_MAX_CHARS || !segment.chars().all(|c| c.is_alphanumeric() || mark(c)) {
        return false;
    }
    let canonical = Canonical::of(segment);
    !has_parameter(&canonical.ascii)
        && !canonical.hid
        && digits(&canonical.ascii) <= DIGITS_MAX
        && !rules::any(&canonical)
}

/// Whether something follows a comma or an exclamation mark at once, as servers write parameters (`page,12.html`); a decimal
/// (`6,1-inch`) has one or two digits there. A tilde begins the name of a person's folder.
fn has_parameter(ascii: &str) -> bool {
    let bytes = ascii.as_bytes();
    let parameter = |at: usize| {
        let follows = bytes.get(at + 1).is_some_and(|byte| byte.is_ascii_alphanumeric() || *byte == decode::LETTER);
        let decimals = bytes[at + 1..].iter().take_while(|byte| byte.is_ascii_digit()).count();
        let decimal = at > 0 && bytes[at - 1].is_ascii_digit() && (1..=2).contains(&decimals);
        match bytes[at] {
            b'!' => follows,
            b',' => follows && !decimal,
            b'~' => at == 0 && follows,
            _ => false,
        }
    };
    (0..bytes.len()).any(parameter)
}

/// What a segment shows with the one before: `/order/A1234`, `/kupon/tmk0j5`.
fn judge_after_announcers(kept: &mut [Segment<'_>]) {
    for at in 1..kept.len() {
        let (before, segment) = (kept[at - 1].text(), kept[at]);
        if let Segment::Free(text) = segment
            && (text.chars().any(|c| c.is_numeric() || c.is_uppercase()) || announced::names_password(before))
            && announced::announces(&Canonical::of(before))
            && announced::any(&Canonical::of(&format!("{before} {text}")))
        {
            kept[at] = Segment::Folded(text);
        }
    }
}

/// What no segment shows alone: an identifier that is cut up over several of them.
fn judge_together(kept: &mut [Segment<'_>]) {
    let unlisted = |segment: &Segment<'_>| !matches!(segment, Segment::Listed(_));
    let plain = |segment: &Segment<'_>| rules::is_plain(segment.text());
    if kept.iter().filter(|segment| unlisted(segment)).all(plain) {
        return;
    }
    let canonical: Vec<(&Segment<'_>, Cow<'_, str>)> = kept
        .iter()
        .filter(|segment| unlisted(segment))
        .map(|segment| (segment, decode::canonical(segment.text())))
        .collect();
    // What is an identifier alone has been folded, and is not a piece of another.
    let piece = |(segment, look): &(&Segment<'_>, Cow<'_, str>)| {
        matches!(segment, Segment::Free(_)) || !rules::any_joined(look)
    };
    let pieces: Vec<&str> = canonical.iter().filter(|one| piece(one)).map(|(_, look)| look.as_ref()).collect();
    let joined =
        pieces.iter().flat_map(|segment| segment.chars().filter(char::is_ascii_alphanumeric)).collect::<String>();
    let whole =
        canonical.iter().any(|(_, look)| look.contains('@')) || (pieces.len() > 1 && rules::any_joined(&joined));
    let count: usize = pieces.iter().map(|segment| digits(segment)).filter(|count| *count <= DIGITS_MAX).sum();
    let bare = |segment: &&&str| {
        let letters = segment.bytes().filter(u8::is_ascii_alphabetic).count();
        digits(segment) > 0 && letters < if digits(segment) <= 2 { 1 } else { 3 }
    };
    let bare: Vec<&&str> = pieces.iter().filter(bare).collect();
    let is_date = match bare[..] {
        [] => true,
        [year, ref rest @ ..] => is_year(year) && rest.len() <= 2 && rest.iter().all(|part| is_day(part)),
    };
    let full = count > if is_date { DIGITS_MAX_BESIDE_WORDS } else { DIGITS_MAX };
    for segment in kept.iter_mut() {
        if let Segment::Free(text) = *segment
            && (whole || (full && digits(&decode::canonical(text)) > 0))
        {
            *segment = Segment::Folded(text);
        }
    }
}

fn join_bounded(mut kept: Vec<Segment<'_>>) -> String {
    if kept.len() > SEGMENTS_MAX {
        kept.truncate(SEGMENTS_MAX);
        kept.push(Segment::Folded(""));
    }
    join(&kept)
}

fn join(segments: &[Segment<'_>]) -> String {
    let mut out = String::with_capacity(64);
    for segment in segments {
        out.push('/');
        out.push_str(match segment {
            Segment::Listed(text) | Segment::Free(text) => text,
            Segment::Folded(_) => FOLDED,
        });
    }
    if out.is_empty() { "/".to_owned() } else { out }
}

/// The segments without their parameters, which stand behind a semicolon (`;jsessionid=…`), and without what nobody sees at
/// their ends: spaces, and the marks that messengers and text editors add to a link.
fn segments(path: &str) -> impl Iterator<Item = &str> {
    let bare = |segment: &'_ str| segment.find(';').filter(|at| *at > 0).unwrap_or(segment.len());
    let is_unseen = |c: char| c.is_whitespace() || (!c.is_ascii() && is_invisible(c));
    path.split('/')
        .map(move |segment| segment[..bare(segment)].trim_matches(is_unseen))
        .filter(|segment| !segment.is_empty())
}

/// The path decoded, its letters composed. None when it is too long, is no text underneath, or hides a separator or a control character.
fn readable(raw: &str) -> Option<Cow<'_, str>> {
    let path = decode::unescape(raw).filter(|_| raw.len() <= PATH_MAX)?;
    let slashes = |text: &str| text.bytes().filter(|byte| *byte == b'/').count();
    let is_one = slashes(&path) == slashes(raw) && !path.chars().any(|c| c.is_control() || c == '\\');
    is_one.then(|| if path.is_ascii() { path } else { Cow::Owned(composed(&path).into_owned()) })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rules(paths: &[&str]) -> PathRules {
        PathRules::new(&paths.iter().map(|path| (*path).to_owned()).collect::<Vec<_>>())
    }

    #[test]
    fn the_site_s_templates_fold_and_keep() {
        let rules = rules(&["/", "/tariffs", "/pay/:order", "/docs/*", "/shop/*/reviews", "/p-:id.html", "/pay/done"]);
        for (raw, template) in [
            ("/", "/"),
            ("", "/"),
            ("//tariffs/", "/tariffs"),
            ("/pay/000123-7", "/pay/:order"),
            ("/pay/a%40b.kz", "/pay/:order"),
            ("/pay/done", "/pay/done"),
            ("/docs/api/v2", "/docs/api/v2"),
            ("/docs/2026/iphone-15/faq.html", "/docs/2026/iphone-15/faq.html"),
            ("/docs/Getting%20Started", "/docs/Getting Started"),
            ("/docs/850101300123", "/docs/:x"),
            ("/docs/841d4-a7516-4466tart", "/docs/:x"),
            ("/docs/aigerim%2540mail.kz", "/docs/:x"),
            ("/docs/do\u{200B}cs", "/docs/:x"),
            ("/shop/galaxy-s24/reviews", "/shop/galaxy-s24/reviews"),
            ("/shop/77012345678/reviews", "/shop/:x/reviews"),
            ("/p-850101.html", "/p-:id.html"),
            ("/p-.html", "/:x"),
            ("/pay/1/aigerim", "/pay/:x/:x"),
            ("/aigerim/tariffs", "/:x/tariffs"),
            ("/%2e%2e%2fetc", "/:x"),
            ("/docs/%00", "/docs/:x"),
            ("/docs/%ff", "/docs/:x"),
            ("/docs/%F7%E0%E9", "/docs/:x"),
            ("/pay/%F7%E0%E9", "/pay/:order"),
            ("/docs/850101300123/%ff", "/docs/:x/:x"),
            ("/%ff/tariffs", "/:x/tariffs"),
            ("/docs%2ftariffs", "/:x"),
        ] {
            assert_eq!(rules.template(raw), template, "{raw}");
        }
    }

    #[test]
    fn what_follows_a_segment_for_a_password_is_one() {
        for paths in [&[][..], &["/*"]] {
            for (raw, template) in [
                ("/parol/барсик", "/parol/:x"),
                ("/password/barsik", "/password/:x"),
                ("/wifi-password/barsik/x", "/wifi-password/:x/x"),
                ("/password/reset", "/password/reset"),
                ("/password-reset", "/password-reset"),
                ("/забыли-пароль", "/забыли-пароль"),
                ("/books/1984", "/books/1984"),
            ] {
                assert_eq!(rules(paths).template(raw), template, "{raw}");
            }
        }
    }

    #[test]
    fn one_path_has_one_template_however_it_is_written() {
        let listed = rules(&["/чаи\u{306}", "/café", "/tarif"]);
        for (raw, template) in [
            ("/%D1%87%D0%B0%D0%B9", "/чай"),
            ("/%D1%87%D0%B0%D0%B8%CC%86", "/чай"),
            ("/чаи\u{306}", "/чай"),
            ("/cafe%CC%81", "/café"),
            ("/caf%C3%A9/", "/café"),
            ("/tarif%20", "/tarif"),
            ("/%20tarif", "/tarif"),
            ("/tarif%C2%A0/", "/tarif"),
            ("/tarif%20/%20", "/tarif"),
            ("/tarif%E2%80%8B", "/tarif"),
            ("/\u{FEFF}tarif\u{200F}/", "/tarif"),
            ("/%C2%ADtarif%E2%81%A0%20", "/tarif"),
        ] {
            assert_eq!(listed.template(raw), template, "{raw}");
            assert_eq!(rules(&[]).template(raw), template, "{raw} without templates");
        }
    }

    #[test]
    fn an_identifier_over_several_segments_is_folded() {
        let rules = rules(&["/docs/*"]);
        for raw in [
            "/docs/8501/0130/0124",
            "/docs/a85/b01/c01/d30/e01/f24",
            "/docs/ODUw/MTAx/MzAw/MTI0",
            "/docs/ab/KZ86/125K/ZT50/0410/0100",
            "/docs/1985/01/01/300/124",
            "/docs/aigerim/@/mail.kz",
            "/docs/abcdefab/cdef/abcd/efab/cdefabcdefab",
        ] {
            let kept = rules.template(raw);
            assert!(kept.contains(":x") && !kept.contains(|c: char| c.is_ascii_digit()), "{raw}: {kept}");
        }
    }

    proptest::proptest! {
        #[test]
        fn any_path_becomes_a_bounded_template(raw in "(\\PC|[/%0-9a-f@.-]){0,2048}") {
            for rules in [rules(&[]), rules(&["/docs/*", "/pay/:order"]), rules(&["/*"])] {
                let template = rules.template(&raw);
                let digits = template.chars().filter(|c| c.is_numeric()).count();
                proptest::prop_assert!(template.starts_with('/') && template.len() <= 9 * (1 + 4 * SEGMENT_MAX_CHARS));
                proptest::prop_assert!(!template.contains('@') && digits <= DIGITS_MAX_BESIDE_WORDS);
            }
        }
    }
}

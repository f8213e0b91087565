//! The body of a call: `schema/wire/verdict.v1.schema.json` in Rust.
//!
//! Version, site and nonce must be right. Of the evidence each field stands by itself: one that breaks its limit is discarded and
//! counted, and costs no other. Ports are read only where the visitor agreed.

use std::borrow::Cow;
use std::collections::BTreeMap;

use serde::Deserialize;
use serde_json::value::RawValue;

use crate::outcome::{Refusal, Rejection};
use crate::secret::Personal;

/// The largest body, in bytes.
pub(super) const BODY_MAX: usize = 16 * 1024;
/// Characters of a nonce.
const NONCE: std::ops::RangeInclusive<usize> = 16..=128;
/// Characters of a site's name.
const SITE_MAX: usize = 253;
/// Names of detectors, and services, in a list.
const DETECTORS_MAX: usize = 40;
const SERVICES_MAX: usize = 16;
/// Characters of such a name.
const NAME_MAX: usize = 32;
/// Characters of a time zone's name.
const ZONE_MAX: usize = 64;
/// Tags of languages, and characters of one.
const LANGUAGES_MAX: usize = 8;
const TAG_MAX: usize = 35;
/// Pixels of an edge, and touch points.
const EDGE_MAX: f64 = 100_000.0;
const TOUCH_MAX: f64 = 255.0;

/// A call, within its limits.
pub(super) struct Call {
    pub(super) site: String,
    pub(super) nonce: Personal<String>,
    pub(super) evidence: Evidence,
    /// Names of services whose ports answer on the device. Empty without the visitor's consent.
    pub(super) open_ports: Vec<String>,
    /// The page knows of an objection to the count.
    pub(super) objects: bool,
    /// Fields that were discarded.
    pub(super) discarded: u32,
}

/// What the browser shows. A field that is missing says nothing.
#[derive(Default)]
pub(super) struct Evidence {
    /// Names of detectors that found something, known or not.
    pub(super) detectors: Option<Vec<String>>,
    /// `blink`, `gecko`, `webkit` or `other`.
    pub(super) engine: Option<&'static str>,
    pub(super) zone: Option<Personal<String>>,
    pub(super) languages: Option<Vec<Personal<String>>>,
    /// Width and height of the screen, and of what of it is available.
    pub(super) screen: Option<[u32; 4]>,
    /// Outer width and height of the window, and inner ones.
    pub(super) window: Option<[u32; 4]>,
    pub(super) touch: Option<u32>,
    /// Whether there was any input by a person.
    pub(super) has_input: Option<bool>,
}

/// How many trusted events there were, by kind.
#[derive(Deserialize)]
struct Input {
    moves: Option<String>,
    keys: Option<String>,
    presses: Option<String>,
    touches: Option<String>,
}

type Object<'a> = BTreeMap<Cow<'a, str>, &'a RawValue>;

/// Parses the body of a call.
pub(super) fn parse(body: &[u8]) -> Result<Call, Refusal> {
    const MALFORMED: Refusal = Refusal::Edge(Rejection::Malformed);
    let text = std::str::from_utf8(body).map_err(|_| MALFORMED)?;
    let mut fields: Object<'_> = serde_json::from_str(text).map_err(|_| MALFORMED)?;
    let mut take = |name: &str| fields.remove(name);
    let needed = |raw: Option<&RawValue>| of::<String>(raw?);
    match take("v").and_then(of::<f64>).ok_or(MALFORMED)? {
        1.0 => {}
        version if version.fract() == 0.0 => return Err(Refusal::Edge(Rejection::UnknownVersion)),
        _ => return Err(MALFORMED),
    }
    let (site, nonce) = (needed(take("site")).ok_or(MALFORMED)?, needed(take("nonce")).ok_or(MALFORMED)?);
    let nonce = Personal::new(nonce);
    if !is_site(&site) || !is_nonce(nonce.expose()) {
        return Err(Refusal::Edge(Rejection::OutOfBounds));
    }
    let (evidence, mut discarded) = parse_evidence(take("evidence").and_then(of).ok_or(MALFORMED)?);
    let agreed = take("consent").and_then(of::<String>).is_some_and(|consent| consent == "given");
    let objects = take("objection").and_then(of::<bool>).unwrap_or(false);
    let mut open_ports = Vec::new();
    if let Some(raw) = take("ports").filter(|_| agreed) {
        discarded += u32::from(!keep_ports(&mut open_ports, raw));
    }
    discarded += u32::try_from(fields.len()).unwrap_or(u32::MAX);
    Ok(Call { site, nonce, evidence, open_ports, objects, discarded })
}

/// The evidence, and how many of its fields were discarded.
fn parse_evidence(fields: Object<'_>) -> (Evidence, u32) {
    let (mut evidence, mut discarded) = (Evidence::default(), 0);
    for (name, raw) in fields {
        let is_kept = match name.as_ref() {
            "automation" => keep(&mut evidence.detectors, raw, |names: Vec<String>| {
                (names.len() <= DETECTORS_MAX && names.iter().all(|name| is_name(name))).then_some(names)
            }),
            "engine" => keep(&mut evidence.engine, raw, |name: String| {
                ["blink", "gecko", "webkit", "other"].into_iter().find(|known| *known == name)
            }),
            "zone" => keep(&mut evidence.zone, raw, |zone: String| {
                let zone = Personal::new(zone);
                (1..=ZONE_MAX).contains(&zone.expose().chars().count()).then_some(zone)
            }),
            "languages" => keep(&mut evidence.languages, raw, languages),
            "screen" => keep(&mut evidence.screen, raw, sizes),
            "window" => keep(&mut evidence.window, raw, sizes),
            "touch" => keep(&mut evidence.touch, raw, |points| whole(points, TOUCH_MAX)),
            "input" => keep(&mut evidence.has_input, raw, has_input),
            _ => false,
        };
        discarded += u32::from(!is_kept);
    }
    (evidence, discarded)
}

/// Parses a field into its slot, if `within` takes its value. Returns whether the field is kept.
fn keep<'a, W: Deserialize<'a>, T>(
    slot: &mut Option<T>,
    raw: &'a RawValue,
    within: impl FnOnce(W) -> Option<T>,
) -> bool {
    *slot = of(raw).and_then(within);
    slot.is_some()
}

/// Adds the services that answer. Returns whether the field is within its limits.
fn keep_ports(open: &mut Vec<String>, raw: &RawValue) -> bool {
    let Some(states) = of::<BTreeMap<String, String>>(raw) else { return false };
    let is_state = |state: &str| ["open", "closed", "blocked", "timeout", "unsupported"].contains(&state);
    let is_sound = states.len() <= SERVICES_MAX && states.iter().all(|(name, state)| is_name(name) && is_state(state));
    if is_sound {
        open.extend(states.into_iter().filter(|(_, state)| state == "open").map(|(name, _)| name));
    }
    is_sound
}

/// A value of this type; `None` if it has another.
fn of<'a, T: Deserialize<'a>>(raw: &'a RawValue) -> Option<T> {
    serde_json::from_str(raw.get()).ok()
}

fn languages(tags: Vec<String>) -> Option<Vec<Personal<String>>> {
    let tags: Vec<_> = tags.into_iter().map(Personal::new).collect();
    let is_tag = |tag: &String| {
        (1..=TAG_MAX).contains(&tag.len()) && tag.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-')
    };
    (tags.len() <= LANGUAGES_MAX && tags.iter().all(|tag| is_tag(tag.expose()))).then_some(tags)
}

fn sizes(sizes: [f64; 4]) -> Option<[u32; 4]> {
    let [a, b, c, d] = sizes.map(|size| whole(size, EDGE_MAX));
    Some([a?, b?, c?, d?])
}

/// A whole number however it is written, from 0 to `most`.
fn whole(number: f64, most: f64) -> Option<u32> {
    ((0.0..=most).contains(&number) && number.fract() == 0.0).then_some(number as u32)
}

fn has_input(input: Input) -> Option<bool> {
    let amounts: Vec<_> = [input.moves, input.keys, input.presses, input.touches].into_iter().flatten().collect();
    let is_amount = |amount: &String| ["none", "few", "some", "many"].contains(&amount.as_str());
    (!amounts.is_empty() && amounts.iter().all(is_amount)).then(|| amounts.iter().any(|amount| amount != "none"))
}

fn is_site(text: &str) -> bool {
    let is_edge = |byte: Option<&u8>| byte.is_some_and(u8::is_ascii_alphanumeric);
    let bytes = text.as_bytes();
    text.len() <= SITE_MAX
        && is_edge(bytes.first())
        && is_edge(bytes.last())
        && bytes.iter().all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || b".-".contains(byte))
}

fn is_nonce(text: &str) -> bool {
    NONCE.contains(&text.len()) && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"_-".contains(&byte))
}

fn is_name(text: &str) -> bool {
    let is_of_name = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'_';
    (1..=NAME_MAX).contains(&text.len()) && text.bytes().all(is_of_name)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const NONCE: &str = "0123456789abcdef";

    fn call(rest: &str) -> String {
        format!(r#"{{"v":1,"site":"a.kz","nonce":"{NONCE}",{rest}}}"#)
    }

    fn parsed(rest: &str) -> Call {
        parse(call(rest).as_bytes()).unwrap_or_else(|refusal| panic!("{rest}: {refusal:?}"))
    }

    #[test]
    fn the_schema_s_examples_are_what_their_names_say() {
        let folder = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("schema/wire/verdict-examples");
        let mut seen = [0; 2];
        for entry in std::fs::read_dir(folder).expect("examples") {
            let path = entry.expect("an entry").path();
            let name = path.file_name().and_then(|name| name.to_str()).expect("a name").to_owned();
            let is_whole = match parse(&std::fs::read(&path).expect("a file")) {
                Ok(call) => call.discarded == 0 || name == "valid-unknown-field.json",
                Err(_) => false,
            };
            assert_eq!(is_whole, name.starts_with("valid-"), "{name}");
            seen[usize::from(is_whole)] += 1;
        }
        assert!(seen[0] > 8 && seen[1] > 3, "{seen:?}");
    }

    #[test]
    fn a_field_out_of_its_limits_costs_no_other() {
        let many = format!("[{}]", vec!["\"a\""; 41].join(","));
        for bad in [
            r#""engine":"trident""#,
            r#""zone":"""#,
            r#""languages":["ru ru"]"#,
            r#""screen":[1,2,3]"#,
            r#""screen":[1,2,3,-4]"#,
            r#""screen":[1,2,3,4.5]"#,
            r#""touch":256"#,
            r#""input":{"moves":"lots"}"#,
            r#""input":{}"#,
            r#""new":1"#,
            &format!(r#""automation":{many}"#),
        ] {
            let call = parsed(&format!(r#""evidence":{{{bad},"window":[1e1,2,3,4]}}"#));
            assert_eq!((call.discarded, call.evidence.window), (1, Some([10, 2, 3, 4])), "{bad}");
        }
    }

    #[test]
    fn ports_are_read_with_consent_only() {
        let ports = r#""ports":{"rdp":"open","vnc":"closed"},"evidence":{}"#;
        assert!(parsed(ports).open_ports.is_empty());
        assert!(parsed(&format!(r#""consent":"refused",{ports}"#)).open_ports.is_empty());
        assert_eq!(parsed(&format!(r#""consent":"given",{ports}"#)).open_ports, ["rdp"]);
        assert_eq!(parsed(r#""consent":"given","ports":{"rdp":"ajar"},"evidence":{}"#).discarded, 1);
    }

    #[test]
    fn version_site_and_nonce_must_be_right() {
        let good = call(r#""evidence":{}"#);
        for (from, to, expected) in [
            ("\"v\":1", "\"v\":2", Rejection::UnknownVersion),
            ("\"v\":1", "\"v\":1.5", Rejection::Malformed),
            ("a.kz", "A.kz", Rejection::OutOfBounds),
            ("a.kz", "-a.kz", Rejection::OutOfBounds),
            (NONCE, "0123456789abcde", Rejection::OutOfBounds),
            (NONCE, "0123456789abcde+", Rejection::OutOfBounds),
            (&format!("\"{NONCE}\""), "7", Rejection::Malformed),
            (r#""evidence":{}"#, r#""evidence":[]"#, Rejection::Malformed),
            ("{\"v\"", "[{\"v\"", Rejection::Malformed),
        ] {
            let refused = parse(good.replace(from, to).as_bytes()).err().expect(to);
            assert!(matches!(refused, Refusal::Edge(reason) if reason == expected), "{to}: {refused:?}");
        }
    }

    proptest! {
        #[test]
        fn any_bytes_are_a_call_or_a_refusal(body in prop::collection::vec(any::<u8>(), 0..200)) {
            let _ = parse(&body);
        }
    }
}

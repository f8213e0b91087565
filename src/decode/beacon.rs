//! The wire format of beacons, version 1: `schema/wire/beacon.v1.schema.json` in Rust.
//!
//! Every limit of the schema is checked here. Fields and event types that this version does not know are counted and
//! not read, so that a newer snippet loses nothing else. A beacon is parsed once and borrows from the body. The fields
//! of an event are checked after its type is known, so the fields of an unknown type may contain anything.
//!
//! An event that breaks a limit is counted and costs no other event of its beacon. A beacon of which nothing is valid is
//! refused. An objection and a consent need nothing but what they say: a page whose clock is broken may object, too.

use std::borrow::Cow;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde::Deserialize;
use serde_json::value::RawValue;

use super::fields::{Fields, Whole};
use super::{device, url};
use crate::config::is_event_name;
use crate::event::{PageUrl, ReceivedBeacon, ReceivedEvent};
use crate::outcome::Rejection;
use crate::secret::Personal;

/// The largest body, in bytes: browsers let a closing page send no more (Fetch standard, keepalive quota).
pub const BODY_MAX: usize = 64 * 1024;
/// The most events of a beacon.
const EVENTS_MAX: usize = 100;
/// The most beacons of a view.
const SEQ_MAX: u64 = 10_000;
/// The longest view, in milliseconds: one day. Its key is destroyed soon after.
const MS_MAX: u64 = 86_400_000;
/// The longest name of a site, in bytes.
const SITE_MAX: usize = 253;
/// The longest search term and error message, in characters.
const QUERY_MAX: usize = 256;
const MESSAGE_MAX: usize = 1024;

/// A beacon and the site that it names.
pub struct Addressed {
    /// `site`, as sent. It may be no configured site.
    pub site: String,
    pub beacon: ReceivedBeacon,
    /// How many of its events break a limit and were discarded.
    pub invalid_events: u32,
}

/// `E` is an event: its fields, or its text.
#[derive(Deserialize)]
#[serde(bound(deserialize = "'de: 'a, E: Deserialize<'de>"))]
struct Wire<'a, E> {
    v: Whole,
    #[serde(borrow)]
    site: Cow<'a, str>,
    #[serde(borrow)]
    view: Cow<'a, str>,
    seq: Whole,
    events: Vec<E>,
    #[serde(borrow)]
    device: Option<&'a RawValue>,
}

/// Parses a body.
pub fn parse(body: &[u8]) -> Result<Addressed, Rejection> {
    if body.len() > BODY_MAX {
        return Err(Rejection::TooLarge);
    }
    let body = std::str::from_utf8(body).map_err(|_| Rejection::Malformed)?;
    match serde_json::from_str::<Wire<'_, Fields<'_>>>(body) {
        Ok(wire) => addressed(wire, event),
        // What is JSON only by its grammar costs its own event: half a character, a number that nothing can hold.
        Err(_) => addressed(serde_json::from_str(body).map_err(|_| Rejection::Malformed)?, |raw: &RawValue| {
            match serde_json::from_str(&with_whole_characters(raw.get())) {
                Ok(fields) => event(fields),
                Err(_) => Err(Rejection::Malformed),
            }
        }),
    }
}

/// Checks a beacon whose events `event` reads.
fn addressed<E>(
    wire: Wire<'_, E>,
    event: impl Fn(E) -> Result<Option<ReceivedEvent>, Rejection>,
) -> Result<Addressed, Rejection> {
    if wire.v.0 != 1 {
        return Err(Rejection::UnknownVersion);
    }
    // A beacon may consist of the device part alone.
    let is_empty = wire.events.is_empty() && wire.device.is_none();
    if wire.seq.0 > SEQ_MAX || is_empty || wire.events.len() > EVENTS_MAX || !is_site(&wire.site) {
        return Err(Rejection::OutOfBounds);
    }
    let view = URL_SAFE_NO_PAD.decode(wire.view.as_bytes()).ok().and_then(|bytes| bytes.try_into().ok());
    let view: [u8; 16] = view.ok_or(Rejection::OutOfBounds)?;
    let mut events = Vec::with_capacity(wire.events.len());
    let (mut unknown_events, mut invalid_events, mut first_invalid) = (0, 0, None);
    let mut discard = |why| {
        invalid_events += 1;
        first_invalid.get_or_insert(why);
    };
    for sent in wire.events {
        match event(sent) {
            Ok(Some(event)) => events.push(event),
            Ok(None) => unknown_events += 1,
            Err(why) => discard(why),
        }
    }
    let (device, unknown_fields) = match wire.device.map(device::parse).transpose() {
        Ok(parsed) => parsed.map_or((None, 0), |(device, unknown)| (Some(device), unknown)),
        Err(why) => {
            discard(why);
            (None, 0)
        }
    };
    if let Some(why) = first_invalid.filter(|_| events.is_empty() && unknown_events == 0 && device.is_none()) {
        return Err(why);
    }
    let view = Personal::new(view);
    let beacon = ReceivedBeacon { view, seq: wire.seq.0 as u16, events, unknown_events, device, unknown_fields };
    Ok(Addressed { site: wire.site.into_owned(), beacon, invalid_events })
}

/// JSON in which half a surrogate pair (`\ud83d` without its other half) is U+FFFD. Such a half is what a page gets that
/// cuts a text within a character.
fn with_whole_characters(json: &str) -> Cow<'_, str> {
    let unit = |at: usize| {
        let digits = json.get(at..at + 6)?.strip_prefix("\\u")?;
        u16::from_str_radix(digits, 16).ok()
    };
    let (mut out, mut copied, mut at) = (String::new(), 0, 0);
    while let Some(found) = json[at..].find('\\') {
        at += found;
        at += match (unit(at), unit(at + 6)) {
            (Some(0xD800..=0xDBFF), Some(0xDC00..=0xDFFF)) => 12,
            (Some(0xD800..=0xDFFF), _) => {
                out.push_str(&json[copied..at]);
                out.push_str("\\ufffd");
                copied = at + 6;
                6
            }
            _ => (at + 2).min(json.len()) - at,
        };
        while !json.is_char_boundary(at) {
            at += 1;
        }
    }
    if copied == 0 {
        return Cow::Borrowed(json);
    }
    out.push_str(&json[copied..]);
    Cow::Owned(out)
}

/// Whether a text has the form of a site's name.
fn is_site(text: &str) -> bool {
    (1..=SITE_MAX).contains(&text.len())
        && text.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || matches!(b, b'.' | b'-'))
}

/// Parses one event; `None` if its type is unknown.
fn event(fields: Fields<'_>) -> Result<Option<ReceivedEvent>, Rejection> {
    let Fields { kind, at, url, referrer, engaged_ms, name, variant, query, message, state, paid } = fields;
    let kind = kind.text()?;
    let has_no_time = matches!(&*kind, "object" | "consent");
    if !has_no_time && at.number()? > MS_MAX {
        return Err(Rejection::OutOfBounds);
    }
    let event = match &*kind {
        "view" => {
            let (url, referrer) = (url.text()?, referrer.optional_text()?.filter(|text| !text.is_empty()));
            if referrer.as_ref().is_some_and(|text| text.len() > url::MAX_URL_BYTES) {
                return Err(Rejection::OutOfBounds);
            }
            // Some referrers are no web addresses (`about:client`). They count as no referrer.
            let referrer = referrer.and_then(|text| url::parse(&text).ok());
            let mut page = address(&url)?;
            page.paid_click |= paid.optional_bool()?;
            ReceivedEvent::View { page, referrer }
        }
        "engage" => {
            let engaged_ms = engaged_ms.number()?;
            if engaged_ms > MS_MAX {
                return Err(Rejection::OutOfBounds);
            }
            ReceivedEvent::Engage { engaged_ms: engaged_ms as u32 }
        }
        "exit" => ReceivedEvent::Exit { to: address(&url.text()?)? },
        "event" => {
            let (name, variant) = (name.text()?, variant.optional_text()?.filter(|variant| !variant.is_empty()));
            if !is_event_name(&name) || variant.as_deref().is_some_and(|variant| !is_event_name(variant)) {
                return Err(Rejection::OutOfBounds);
            }
            ReceivedEvent::Named { name: name.into_owned(), variant: variant.map(Cow::into_owned) }
        }
        "object" => ReceivedEvent::Object,
        "search" => ReceivedEvent::Search { query: text(query.text()?, QUERY_MAX)? },
        "error" => ReceivedEvent::Error { message: text(message.text()?, MESSAGE_MAX)? },
        "consent" => match &*state.text()? {
            "granted" => ReceivedEvent::Consent { granted: true },
            "denied" => ReceivedEvent::Consent { granted: false },
            _ => return Err(Rejection::OutOfBounds),
        },
        _ => return Ok(None),
    };
    Ok(Some(event))
}

/// Free text of 1 to `most` characters.
fn text(text: Cow<'_, str>, most: usize) -> Result<Personal<String>, Rejection> {
    let characters = text.chars().take(most + 1).count();
    if (1..=most).contains(&characters) { Ok(Personal::new(text.into_owned())) } else { Err(Rejection::OutOfBounds) }
}

/// A web address in parts.
fn address(text: &str) -> Result<PageUrl, Rejection> {
    url::parse(text).map_err(|_| Rejection::OutOfBounds)
}

#[cfg(test)]
mod tests {
    use super::*;

    const VIEW: &str = "AAAAAAAAAAAAAAAAAAAAAA";

    fn beacon(events: &str) -> String {
        format!(
            r#"{{"v":1,"site":"a.kz","view":"{VIEW}","seq":3,"events":[{events}],"device":{{"x":[1]}},"new":true}}"#
        )
    }

    /// A beacon of events alone.
    fn without_device(events: &str) -> String {
        beacon(events).replace(r#""device":{"x":[1]},"#, "")
    }

    fn refused(body: &str) -> Rejection {
        parse(body.as_bytes()).err().expect("a rejection")
    }

    #[test]
    fn a_beacon_is_parsed_and_unknown_events_are_counted() {
        let body = beacon(
            r#"{"type":"view","at":0,"url":"https://a.kz/x?utm_source=b","referrer":"about:client","new":{"url":1}},
               {"type":"engage","at":5000,"engaged_ms":4000},{"type":"telepathy","at":1,"url":7},
               {"type":"event","at":1,"name":"cart.add","variant":""},{"type":"object","at":1}"#,
        );
        let Ok(addressed) = parse(body.as_bytes()) else { panic!("well-formed") };
        assert_eq!((addressed.site.as_str(), addressed.beacon.seq), ("a.kz", 3));
        assert_eq!(addressed.beacon.unknown_events, 1);
        assert_eq!(addressed.beacon.events.len(), 4);
        let ReceivedEvent::View { page, referrer } = &addressed.beacon.events[0] else { panic!("a view") };
        assert!(page.path.expose() == "/x" && referrer.is_none());
        assert!(matches!(&addressed.beacon.events[2], ReceivedEvent::Named { variant: None, .. }));
    }

    #[test]
    fn one_bad_event_costs_no_other() {
        let good = r#"{"type":"view","at":0,"url":"https://a.kz/"}"#;
        let long = format!(r#"{{"type":"exit","at":1,"url":"https://{}/"}}"#, "a.".repeat(150));
        for bad in [
            r#"{"type":"exit","at":1,"url":"https://xn--a.kz"}"#,
            &long,
            r#"{"type":"exit","at":1,"url":"https://[::1/"}"#,
            r#"{"type":"search","at":1,"query":""}"#,
            r#"{"type":"event","at":1,"name":"Not One"}"#,
            r#"{"type":"engage","at":-1,"engaged_ms":1}"#,
            r#"{"type":"engage","at":1e999,"engaged_ms":1}"#,
            r#"{"type":"\udc00","at":1e999}"#,
            r#"{"type":"view","at":1,"url":"https://a.kz/","paid":"gclid"}"#,
            r#"{"at":1}"#,
            "null",
            "7",
        ] {
            for events in [format!("{bad},{good}"), format!("{good},{bad}"), format!("{bad},{good},{bad}")] {
                let Ok(addressed) = parse(beacon(&events).as_bytes()) else { panic!("{events}") };
                assert_eq!(addressed.beacon.events.len(), 1, "{events}");
                assert_eq!(addressed.invalid_events as usize, events.matches(bad).count(), "{events}");
            }
        }
        let body = beacon(good).replace(r#"{"x":[1]}"#, r#""not an object""#);
        let Ok(addressed) = parse(body.as_bytes()) else { panic!("a view beside a device part that is none") };
        assert_eq!((addressed.beacon.events.len(), addressed.invalid_events), (1, 1));
        assert!(addressed.beacon.device.is_none());
    }

    #[test]
    fn half_a_character_is_replaced_and_costs_nothing() {
        for (sent, expected) in [
            (r"shop \ud83d", "shop \u{fffd}"),
            (r"\ude00x", "\u{fffd}x"),
            (r"\ud83d\ude00\ud83d", "😀\u{fffd}"),
            (r"\ud83d\ud83d\ude00", "\u{fffd}😀"),
            (r"\\ud83d\ud83d", "\\ud83d\u{fffd}"),
            (r"ә\\ә\ud83d", "ә\\ә\u{fffd}"),
        ] {
            let Ok(addressed) = parse(beacon(&format!(r#"{{"type":"search","at":1,"query":"{sent}"}}"#)).as_bytes())
            else {
                panic!("{sent}")
            };
            let [ReceivedEvent::Search { query }] = &addressed.beacon.events[..] else { panic!("a search") };
            assert_eq!(query.expose(), expected);
        }
    }

    #[test]
    fn numbers_are_what_the_schema_calls_whole() {
        let view =
            r#"{"type":"view","at":0.0,"url":"https://a.kz/","paid":true},{"type":"engage","at":1e2,"engaged_ms":1E3}"#;
        let body = beacon(view).replace("\"v\":1", "\"v\":1.0").replace("\"seq\":3", "\"seq\":3.0");
        let Ok(addressed) = parse(body.as_bytes()) else { panic!("whole numbers") };
        assert_eq!(addressed.beacon.seq, 3);
        let [ReceivedEvent::View { page, .. }, ReceivedEvent::Engage { engaged_ms: 1000 }] =
            &addressed.beacon.events[..]
        else {
            panic!("two events")
        };
        assert!(page.paid_click, "only the presence of a click's parameter is sent");
        assert_eq!(refused(&body.replace("\"v\":1.0", "\"v\":1.5")), Rejection::Malformed);
        assert_eq!(refused(&body.replace("\"v\":1.0", "\"v\":2e0")), Rejection::UnknownVersion);
    }

    #[test]
    fn an_objection_needs_no_clock() {
        for at in ["", r#","at":null"#, r#","at":-5"#, r#","at":86400001"#, r#","at":"x""#] {
            let events = format!(r#"{{"type":"object"{at}}},{{"type":"consent","state":"denied"{at}}}"#);
            let Ok(addressed) = parse(beacon(&events).as_bytes()) else { panic!("{at}") };
            let [ReceivedEvent::Object, ReceivedEvent::Consent { granted: false }] = &addressed.beacon.events[..]
            else {
                panic!("{at}")
            };
        }
    }

    #[test]
    fn malformed_and_out_of_bounds_are_distinguished() {
        for body in ["", "[]", "{}", "{\"v\":1}", "\u{0}"] {
            assert_eq!(refused(body), Rejection::Malformed, "{body}");
        }
        let object = r#"{"type":"object","at":1}"#;
        assert_eq!(refused(&beacon(object).replace("\"v\":1", "\"v\":2")), Rejection::UnknownVersion);
        for (from, to) in
            [("\"seq\":3", "\"seq\":10001"), (VIEW, "AA"), (VIEW, "AAAAAAAAAAAAAAAAAAAAA="), ("a.kz", "A.kz")]
        {
            assert_eq!(refused(&beacon(object).replace(from, to)), Rejection::OutOfBounds, "{to}");
        }
        assert_eq!(refused(&without_device("")), Rejection::OutOfBounds, "neither events nor a device");
        for event in [
            r#"{"type":"search","at":1,"query":""}"#.to_owned(),
            format!(r#"{{"type":"search","at":1,"query":"{}"}}"#, "қ".repeat(257)),
            format!(r#"{{"type":"error","at":1,"message":"{}"}}"#, "x".repeat(1025)),
            r#"{"type":"engage","at":1,"engaged_ms":86400001}"#.to_owned(),
            r#"{"type":"engage","engaged_ms":1,"at":86400001}"#.to_owned(),
            r#"{"type":"event","at":1,"name":"A"}"#.to_owned(),
            format!(r#"{{"type":"view","at":1,"url":"https://a.kz/{}"}}"#, "x".repeat(2048)),
            r#"{"type":"exit","at":1,"url":"javascript:alert(1)"}"#.to_owned(),
            vec![object; 101].join(","),
        ] {
            assert_eq!(
                refused(&without_device(&event)),
                Rejection::OutOfBounds,
                "{}",
                event.chars().take(40).collect::<String>()
            );
        }
        for event in [r#"{"type":"view","at":1}"#, r#"{"type":"engage","at":1,"engaged_ms":-1}"#, r#"{"at":1}"#, "7"] {
            assert_eq!(refused(&without_device(event)), Rejection::Malformed, "{event}");
        }
        assert_eq!(refused(&" ".repeat(BODY_MAX + 1)), Rejection::TooLarge);
    }

    proptest::proptest! {
        #[test]
        fn no_body_makes_it_panic(body in proptest::collection::vec(proptest::num::u8::ANY, 0..300)) {
            let _ = parse(&body);
        }

        #[test]
        fn no_event_makes_it_panic(event in r#"\{"type":"(view|engage|exit|event|object|x)","[a-z_]{1,10}":("\PC{0,40}"|-?[0-9]{1,25}|null|\[\])\}"#) {
            let _ = parse(beacon(&event).as_bytes());
        }
    }
}

//! The device part of a beacon: one field per signal, with a value or the reason why there is none.
//!
//! Every limit of `schema/wire` is checked here. A field that breaks one is discarded and counted, like a field that this
//! version does not know. It costs no other field.

use std::borrow::Cow;
use std::collections::BTreeMap;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde::Deserialize;
use serde_json::value::RawValue;

use super::fields::Whole;
use crate::event::{Absence, Digest, ReceivedDevice, Reported, Screen};
use crate::outcome::Rejection;
use crate::secret::Personal;

/// Names of fonts in a list.
const FONTS_MAX: usize = 64;
/// Names of plugins and of detectors in a list.
const NAMES_MAX: usize = 32;
/// Characters of a font's or plugin's name.
const NAME_MAX: usize = 64;
/// Characters of a zone's name.
const ZONE_MAX: usize = 64;
/// Tags of languages, and characters of one: BCP 47 has none longer in use.
const LANGUAGES_MAX: usize = 8;
const TAG_MAX: usize = 35;
/// Characters of the graphics card's vendor and of its name.
const VENDOR_MAX: usize = 128;
const RENDERER_MAX: usize = 256;
/// Characters of a system's version and of a model's name.
const VERSION_MAX: usize = 32;
const MODEL_MAX: usize = 64;
/// The most devices of one kind that are distinguished.
const DEVICES_MAX: u64 = 4;
/// Pixels of an edge, bits of a pixel, hundredths of a device pixel: far beyond any screen.
const EDGE_MAX: u32 = 100_000;
const DEPTH_MAX: u32 = 64;
const RATIO_MAX: u32 = 10_000;

/// A field as sent: absent with a reason, or a value.
#[derive(Deserialize)]
#[serde(untagged)]
enum Field<T> {
    Absent { absent: String },
    Value(T),
}

#[derive(Deserialize)]
struct Canvas {
    digest: String,
    state: String,
}

#[derive(Deserialize)]
struct WebGl {
    vendor: String,
    renderer: String,
    digest: String,
}

#[derive(Deserialize)]
struct MediaDevices {
    audio_input: Whole,
    audio_output: Whole,
    video_input: Whole,
}

#[derive(Deserialize)]
struct Cpu {
    architecture: String,
    bits: Option<Whole>,
}

#[derive(Deserialize)]
struct WireScreen {
    width: Whole,
    height: Whole,
    depth: Whole,
    ratio: Whole,
    window: String,
}

/// Parses the device part. Returns it with the number of fields that were discarded. Fails only if it is no object.
pub(super) fn parse(raw: &RawValue) -> Result<(ReceivedDevice, u32), Rejection> {
    let fields: BTreeMap<Cow<'_, str>, &RawValue> =
        serde_json::from_str(raw.get()).map_err(|_| Rejection::OutOfBounds)?;
    let (mut device, mut discarded) = (ReceivedDevice::default(), 0);
    for (name, raw) in fields {
        let is_kept = match name.as_ref() {
            "time_zone" => keep(&mut device.time_zone, raw, |zone| bounded(zone, ZONE_MAX)),
            "canvas" => keep(&mut device.canvas, raw, canvas),
            "fonts" => keep(&mut device.fonts, raw, |names| list(names, FONTS_MAX, |name| is_within(name, NAME_MAX))),
            "plugins" => {
                keep(&mut device.plugins, raw, |names| list(names, NAMES_MAX, |name| is_within(name, NAME_MAX)))
            }
            "webgl" => keep(&mut device.webgl, raw, webgl),
            "media_devices" => keep(&mut device.media_devices, raw, media_devices),
            "active_x" => keep(&mut device.active_x, raw, Some),
            "languages" => keep(&mut device.languages, raw, languages),
            "cpu" => keep(&mut device.cpu, raw, cpu),
            "screen" => keep(&mut device.screen, raw, screen),
            "os_version" => keep(&mut device.os_version, raw, |text| bounded(text, VERSION_MAX)),
            "model" => keep(&mut device.model, raw, |text| bounded(text, MODEL_MAX)),
            "automation" => keep(&mut device.automation, raw, |names| list(names, NAMES_MAX, is_detector)),
            _ => false,
        };
        discarded += u32::from(!is_kept);
    }
    Ok((device, discarded))
}

/// Parses one field into its slot. `within` converts its value, or returns `None` if the value breaks a limit. Returns
/// whether the field is kept.
fn keep<'a, W: Deserialize<'a>, T>(
    slot: &mut Option<Reported<T>>,
    raw: &'a RawValue,
    within: impl FnOnce(W) -> Option<T>,
) -> bool {
    *slot = match serde_json::from_str(raw.get()) {
        Ok(Field::Absent { absent }) => {
            Absence::ALL.into_iter().find(|reason| reason.name() == absent).map(Reported::Absent)
        }
        Ok(Field::Value(value)) => within(value).map(Reported::Value),
        Err(_) => None,
    };
    slot.is_some()
}

fn is_within(text: &str, characters: usize) -> bool {
    text.chars().take(characters + 1).count() <= characters
}

fn bounded(text: String, characters: usize) -> Option<Personal<String>> {
    is_within(&text, characters).then(|| Personal::new(text))
}

fn list(names: Vec<String>, most: usize, fits: impl Fn(&str) -> bool) -> Option<Vec<Personal<String>>> {
    (names.len() <= most && names.iter().all(|name| fits(name))).then(|| names.into_iter().map(Personal::new).collect())
}

fn is_detector(name: &str) -> bool {
    (1..=32).contains(&name.len())
        && name.bytes().all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'_')
}

/// Whether a text has the form of a BCP 47 tag: subtags of at most eight letters and digits, the first of letters.
fn is_tag(tag: &str) -> bool {
    let mut subtags = tag.split('-');
    let first = subtags.next().unwrap_or_default();
    tag.len() <= TAG_MAX
        && (2..=8).contains(&first.len())
        && first.bytes().all(|byte| byte.is_ascii_alphabetic())
        && subtags.all(|sub| (1..=8).contains(&sub.len()) && sub.bytes().all(|byte| byte.is_ascii_alphanumeric()))
}

fn languages(tags: Vec<String>) -> Option<Vec<Personal<String>>> {
    if tags.is_empty() { None } else { list(tags, LANGUAGES_MAX, is_tag) }
}

/// 128 bits in base64url.
fn digest(text: &str) -> Option<Digest> {
    let bytes = URL_SAFE_NO_PAD.decode(text).ok()?;
    Some(Personal::new(bytes.try_into().ok()?))
}

fn canvas(canvas: Canvas) -> Option<(Digest, bool)> {
    let noised = match canvas.state.as_str() {
        "normal" => false,
        "noised" => true,
        _ => return None,
    };
    Some((digest(&canvas.digest)?, noised))
}

fn webgl(webgl: WebGl) -> Option<(Personal<String>, Digest)> {
    let renderer = bounded(webgl.renderer, RENDERER_MAX)?;
    if is_within(&webgl.vendor, VENDOR_MAX) { Some((renderer, digest(&webgl.digest)?)) } else { None }
}

fn media_devices(kinds: MediaDevices) -> Option<[u8; 3]> {
    let kinds = [kinds.audio_input, kinds.audio_output, kinds.video_input].map(|Whole(count)| count);
    kinds.iter().all(|count| *count <= DEVICES_MAX).then(|| kinds.map(|count| count as u8))
}

fn cpu(cpu: Cpu) -> Option<(&'static str, Option<u8>)> {
    let architecture = one_of(&cpu.architecture, &["x86", "arm", "other"])?;
    let bits = cpu.bits.map(|Whole(bits)| bits);
    bits.is_none_or(|bits| matches!(bits, 32 | 64)).then_some((architecture, bits.map(|bits| bits as u8)))
}

fn screen(screen: WireScreen) -> Option<Screen> {
    let WireScreen { width, height, depth, ratio, window } = screen;
    let window = one_of(&window, &["full", "large", "medium", "small"])?;
    let within = |Whole(number): Whole, most: u32| u32::try_from(number).ok().filter(|number| *number <= most);
    Some(Screen {
        width: within(width, EDGE_MAX)?,
        height: within(height, EDGE_MAX)?,
        depth: within(depth, DEPTH_MAX)?,
        ratio: within(ratio, RATIO_MAX)?,
        window,
    })
}

fn one_of(text: &str, words: &[&'static str]) -> Option<&'static str> {
    words.iter().copied().find(|word| *word == text)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(json: &str) -> Result<(ReceivedDevice, u32), Rejection> {
        parse(&RawValue::from_string(json.to_owned()).expect("JSON"))
    }

    #[test]
    fn every_signal_is_parsed_or_absent_and_unknown_ones_are_counted() {
        let digest = "AAAAAAAAAAAAAAAAAAAAAA";
        let (device, unknown) = read(&format!(
            r#"{{"time_zone":"Asia/Almaty","canvas":{{"digest":"{digest}","state":"noised","more":1}},"fonts":["Arial"],
                "plugins":[],"webgl":{{"vendor":"v","renderer":"r","digest":"{digest}"}},"active_x":false,
                "media_devices":{{"audio_input":4.0,"audio_output":0,"video_input":1e0}},"languages":["kk","ru-KZ"],
                "cpu":{{"architecture":"arm"}},"automation":["webdriver"],"future":[1],
                "screen":{{"width":1920.0,"height":1080,"depth":24,"ratio":1e2,"window":"full"}}}}"#
        ))
        .unwrap_or_else(|_| panic!("within the limits"));
        assert_eq!(unknown, 1);
        assert!(matches!(device.time_zone, Some(Reported::Value(_))));
        assert!(matches!(device.canvas, Some(Reported::Value((_, true)))));
        assert!(matches!(&device.plugins, Some(Reported::Value(plugins)) if plugins.is_empty()));
        assert!(matches!(device.media_devices, Some(Reported::Value([4, 0, 1]))));
        assert!(matches!(device.screen, Some(Reported::Value(Screen { width: 1920, ratio: 100, .. }))));
        assert!(matches!(device.cpu, Some(Reported::Value(("arm", None)))));
        assert!(matches!(&device.languages, Some(Reported::Value(tags)) if tags.len() == 2));
        for reason in Absence::ALL {
            let (device, _) =
                read(&format!(r#"{{"webgl":{{"absent":"{}"}}}}"#, reason.name())).unwrap_or_else(|_| panic!("absent"));
            assert!(matches!(device.webgl, Some(Reported::Absent(why)) if why == reason));
            assert!(device.fonts.is_none());
        }
    }

    #[test]
    fn a_field_that_breaks_its_shape_costs_itself_alone() {
        assert!(matches!(read("[]"), Err(Rejection::OutOfBounds)), "no object");
        let digest = "AAAAAAAAAAAAAAAAAAAAAA";
        for json in [
            r#"{"time_zone":7}"#.to_owned(),
            r#"{"time_zone":null}"#.to_owned(),
            r#"{"time_zone":{"absent":"bored"}}"#.to_owned(),
            format!(r#"{{"time_zone":"{}"}}"#, "x".repeat(65)),
            format!(r#"{{"fonts":[{}]}}"#, [r#""Arial""#; 65].join(",")),
            format!(r#"{{"plugins":["{}"]}}"#, "x".repeat(65)),
            format!(r#"{{"canvas":{{"digest":"{digest}","state":"fine"}}}}"#),
            r#"{"canvas":{"digest":"AAAA","state":"normal"}}"#.to_owned(),
            format!(r#"{{"webgl":{{"vendor":"{}","renderer":"","digest":"{digest}"}}}}"#, "v".repeat(129)),
            format!(r#"{{"webgl":{{"vendor":"","renderer":"{}","digest":"{digest}"}}}}"#, "r".repeat(257)),
            r#"{"media_devices":{"audio_input":5,"audio_output":0,"video_input":0}}"#.to_owned(),
            r#"{"media_devices":{"audio_input":1}}"#.to_owned(),
            r#"{"active_x":"no"}"#.to_owned(),
            r#"{"languages":[]}"#.to_owned(),
            r#"{"languages":["e"]}"#.to_owned(),
            r#"{"languages":["en_US"]}"#.to_owned(),
            format!(r#"{{"languages":[{}]}}"#, [r#""en""#; 9].join(",")),
            r#"{"cpu":{"architecture":"z80"}}"#.to_owned(),
            r#"{"cpu":{"architecture":"arm","bits":16}}"#.to_owned(),
            r#"{"screen":{"width":-1,"height":1,"depth":24,"ratio":100,"window":"full"}}"#.to_owned(),
            r#"{"screen":{"width":1.5,"height":1,"depth":24,"ratio":100,"window":"full"}}"#.to_owned(),
            r#"{"screen":{"width":1,"height":1,"depth":24,"ratio":100,"window":"tiny"}}"#.to_owned(),
            r#"{"automation":["Webdriver"]}"#.to_owned(),
            r#"{"automation":[""]}"#.to_owned(),
        ] {
            let field = json.strip_prefix('{').and_then(|json| json.split(':').next()).unwrap_or_default();
            let other = if field == "\"active_x\"" { r#""fonts":[]"# } else { r#""active_x":false"# };
            let (device, discarded) = read(&json.replacen('{', &format!("{{{other},"), 1)).expect("an object");
            assert_eq!(discarded, 1, "{json}");
            assert!(device.active_x.is_some() != device.fonts.is_some(), "{json}: the other field is kept");
        }
    }

    proptest::proptest! {
        #[test]
        fn no_field_makes_it_panic(json in r#"\{"(time_zone|canvas|fonts|webgl|languages|screen|cpu|x)":("\PC{0,80}"|-?[0-9]{1,25}|null|\["\PC{0,9}"\]|\{"absent":"[a-z]{0,12}"\})\}"#) {
            if let Ok(raw) = RawValue::from_string(json) {
                let _ = parse(&raw);
            }
        }
    }
}

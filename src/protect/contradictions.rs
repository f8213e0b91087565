//! The signs that the collector finds itself: in the request, and where request, network and evidence contradict one another.
//!
//! Pure. Each sign can be wrong: proxies strip and sort header fields, people travel, and privacy tools lie on purpose. What a
//! sign weighs is in `schema/lists/verdict.toml`.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::LazyLock;

use super::wire::Evidence;
use crate::collect::Caller;
use crate::event::Automation;

/// The names of all signs.
pub(super) const SIGNS: [&str; 20] = [
    "declared_bot",
    "no_agent",
    "headless",
    "no_language",
    "no_fetch_metadata",
    "platform_mismatch",
    "no_hints",
    "strange_hints",
    "hint_version",
    "header_order",
    "no_evidence",
    "engine",
    "zone",
    "languages",
    "screen",
    "no_toolbar",
    "touch",
    "no_input",
    "hosting",
    "rate",
];

/// The major version from which every Chromium sends its hints on secure pages; within applications it came later.
const CHROMIUM_WITH_HINTS: u32 = 120;
/// By how many pixels a window may be larger than two screens: frames of windows are drawn beyond the edges.
const SPILL: u32 = 64;

/// The signs of a call. `is_hosting` says whether an organisation rents machines out.
pub(super) fn signs(caller: &Caller, evidence: &Evidence, is_hosting: impl Fn(&str) -> bool) -> Vec<&'static str> {
    let agent = caller.sender.user_agent.expose();
    let of_request: [(&'static str, bool); 4] = [
        ("no_hints", lacks_hints(agent, caller)),
        ("strange_hints", !agent.contains("Chrome/") && !caller.sender.brands.expose().is_empty()),
        ("hint_version", is_of_another_version(agent, caller.sender.brands.expose())),
        ("header_order", is_out_of_order(agent, &caller.fields)),
    ];
    let of_both: [(&'static str, bool); 8] = [
        ("no_evidence", is_empty(evidence)),
        ("engine", is_another_engine(agent, caller.client.os, evidence)),
        ("zone", evidence.zone.as_ref().is_some_and(|zone| is_elsewhere(zone.expose(), &caller.place.country))),
        ("languages", is_another_language(caller.languages.expose(), evidence)),
        ("screen", is_another_screen(evidence)),
        ("no_toolbar", caller.client.device == "desktop" && lacks_toolbar(evidence)),
        ("touch", matches!(caller.client.device, "phone" | "tablet") && evidence.touch == Some(0)),
        ("no_input", evidence.has_input == Some(false)),
    ];
    let of_network = [("hosting", is_hosting(&caller.place.provider)), ("rate", caller.is_hurried)];
    let stated = match caller.automation {
        Automation::None => None,
        Automation::Declared(_) => Some("declared_bot"),
        Automation::Suspect(sign) => Some(sign),
    };
    let found = of_request.into_iter().chain(of_both).chain(of_network);
    stated.into_iter().chain(found.filter(|(_, is_there)| *is_there).map(|(name, _)| name)).collect()
}

/// Whether no script of this product has looked: it always says what its detectors found, the engine and the input.
/// A page may have broken the rest.
fn is_empty(evidence: &Evidence) -> bool {
    evidence.detectors.is_none() || evidence.engine.is_none() || evidence.has_input.is_none()
}

/// Whether a Chromium sends no hints. Applications that show web pages may leave them out.
fn lacks_hints(agent: &str, caller: &Caller) -> bool {
    caller.sender.brands.expose().is_empty()
        && !agent.contains("; wv)")
        && number_after(agent, "Chrome/").is_some_and(|major| major >= CHROMIUM_WITH_HINTS)
}

/// Whether agent and hints name different versions of Chromium.
fn is_of_another_version(agent: &str, brands: &str) -> bool {
    match (number_after(agent, "Chrome/"), number_after(brands, "\"Chromium\";v=\"")) {
        (Some(agent), Some(hint)) => agent != hint,
        _ => false,
    }
}

/// Whether a Chromium names the encodings and languages that it takes before the page that asks. It adds them last, and a program that
/// copies its fields seldom does. Proxies that sort the fields hide the order.
fn is_out_of_order(agent: &str, fields: &[&'static str]) -> bool {
    let at = |name: &str| fields.iter().position(|field| *field == name);
    let (Some(encoding), Some(origin)) = (at("accept-encoding"), at("origin")) else { return false };
    agent.contains("Chrome/") && encoding < origin && !fields.is_sorted()
}

/// The engine that an agent claims; `None` where it is not known.
fn engine_of(agent: &str, os: &str) -> Option<&'static str> {
    if os == "iOS" {
        Some("webkit")
    } else if agent.contains("Chrome/") {
        Some("blink")
    } else if agent.contains("Firefox/") {
        Some("gecko")
    } else {
        agent.contains("Version/").then_some("webkit").filter(|_| agent.contains("Safari/"))
    }
}

fn is_another_engine(agent: &str, os: &str, evidence: &Evidence) -> bool {
    match (engine_of(agent, os), evidence.engine) {
        (Some(claimed), Some(found)) => found != "other" && claimed != found,
        _ => false,
    }
}

/// Whether a time zone is not used in a country. Unknown names, and UTC, are no sign: privacy tools show it.
fn is_elsewhere(zone: &str, country: &str) -> bool {
    static COUNTRIES: LazyLock<BTreeMap<&str, BTreeSet<&str>>> = LazyLock::new(|| {
        let mut countries: BTreeMap<_, BTreeSet<_>> = BTreeMap::new();
        let list = include_str!("../../schema/lists/zones.txt").lines().filter(|line| !line.starts_with('#'));
        for (country, zones) in list.filter_map(|line| line.split_once(' ')) {
            zones.split(' ').for_each(|zone| _ = countries.entry(zone).or_default().insert(country));
        }
        countries
    });
    !country.is_empty() && COUNTRIES.get(zone).is_some_and(|countries| !countries.contains(country))
}

/// Whether the language that the request prefers is none of the browser's. Only the first part of a tag is compared.
fn is_another_language(accepted: &str, evidence: &Evidence) -> bool {
    let primary = |tag: &str| tag.split(['-', ';', ',']).next().unwrap_or_default().trim().to_ascii_lowercase();
    let preferred = primary(accepted);
    let Some(languages) = evidence.languages.as_ref().filter(|languages| !languages.is_empty()) else { return false };
    !preferred.is_empty() && preferred != "*" && languages.iter().all(|tag| primary(tag.expose()) != preferred)
}

fn is_another_screen(evidence: &Evidence) -> bool {
    let Some([width, height, of_width, of_height]) = evidence.screen else { return false };
    let is_beyond = |[outer_width, outer_height, ..]: [u32; 4]| {
        outer_width > width.saturating_mul(2) + SPILL || outer_height > height.saturating_mul(2) + SPILL
    };
    width == 0 || height == 0 || of_width > width || of_height > height || evidence.window.is_some_and(is_beyond)
}

/// Whether a window has no frame and does not fill the screen, or has no size.
fn lacks_toolbar(evidence: &Evidence) -> bool {
    let (Some([width, height, ..]), Some([outer_width, outer_height, inner_width, inner_height])) =
        (evidence.screen, evidence.window)
    else {
        return false;
    };
    let is_bare =
        (outer_width, outer_height) == (inner_width, inner_height) && (outer_width, outer_height) != (width, height);
    is_bare || outer_width == 0 || outer_height == 0
}

/// The whole number behind a word.
fn number_after(text: &str, word: &str) -> Option<u32> {
    let (_, rest) = text.split_once(word)?;
    let digits = rest.len() - rest.trim_start_matches(|c: char| c.is_ascii_digit()).len();
    rest[..digits].parse().ok()
}

//! What a device says of itself, as classes. Every word that comes out is one of this folder's lists: nothing that the
//! client chose travels on, but the two digests, which `privacy` hashes under the day's key.
//!
//! Lists come apart: of fonts, plugins, languages, kinds of media devices and properties of a screen each entry is a trait
//! of its own, with a number that no other entry of the list has.

mod tables;

use std::sync::LazyLock;

use tables::{DEPTHS, GPUS, KINDS, LANGUAGES, PLUGINS, RATIOS, SIZES, WINDOWS};

use super::client::systems;
use super::site::OTHER;
use crate::event::{Absence, Client, Digest, EnrichedDevice, ReceivedDevice, Reported, Screen, Sign, Trait};
use crate::secret::Personal;

const NONE: &str = "none";

/// The fonts that the device part looks for; the list is shared with `collector-js`.
static FONTS: LazyLock<Vec<&str>> = LazyLock::new(|| lines(include_str!("../../../schema/lists/fonts.txt")).collect());

/// The detectors of the device part, and whether one alone is enough; likewise.
static DETECTORS: LazyLock<Vec<(&str, bool)>> = LazyLock::new(|| {
    lines(include_str!("../../../schema/lists/detectors.txt"))
        .filter_map(|line| {
            let mut words = line.split_whitespace();
            Some((words.next()?, words.next()? == "strong"))
        })
        .collect()
});

/// The names of the time zone database, in order.
static ZONES: LazyLock<Vec<String>> = LazyLock::new(|| {
    let mut names: Vec<String> = jiff::tz::db().available().map(|name| name.to_string()).collect();
    names.sort();
    names
});

fn lines(list: &'static str) -> impl Iterator<Item = &'static str> {
    list.lines().map(str::trim).filter(|line| !line.is_empty() && !line.starts_with('#'))
}

/// The device part in classes.
pub(super) fn classes(device: ReceivedDevice, client: &Client) -> EnrichedDevice {
    let mut out = EnrichedDevice::default();
    let of_hint = |hint: &str| systems::version_of_hint(hint, client.os);
    out.one_or("os_version", device.os_version, |hint| of_hint(hint.expose()), client.os_version);
    out.one_or("model", device.model, |name| systems::model(name.expose()), client.model);
    out.one("time_zone", device.time_zone, |zone| {
        let known = ZONES.binary_search_by(|known| known.as_str().cmp(zone.expose()));
        known.map_or(OTHER, |at| ZONES[at].as_str())
    });
    out.list("fonts", device.fonts, |font| number(FONTS.iter().copied(), font));
    out.list("plugins", device.plugins, |plugin| {
        let class = PLUGINS.iter().find(|(part, _)| plugin.contains(part)).map_or(OTHER, |(_, class)| class);
        number(PLUGINS.iter().map(|(_, class)| *class).chain([OTHER]), class)
    });
    out.list("languages", device.languages, |tag| {
        let primary = tag.split('-').next().unwrap_or_default().to_ascii_lowercase();
        let known = || LANGUAGES.split_ascii_whitespace().chain([OTHER]);
        number(known(), &primary).or_else(|| number(known(), OTHER))
    });
    out.one("active_x", device.active_x, |there| if there { "yes" } else { "no" });
    out.one("cpu", device.cpu, |cpu| match cpu {
        ("x86", Some(64)) => "x86 64",
        ("x86", Some(_)) => "x86 32",
        ("arm", Some(64)) => "arm 64",
        ("arm", Some(_)) => "arm 32",
        (architecture, _) => architecture,
    });
    out.each("media_devices", device.media_devices, |counts| {
        let places = KINDS.iter().zip(0..).zip(counts);
        places.map(|((names, kind), count)| (kind * 5 + u16::from(count), names[usize::from(count.min(4))])).collect()
    });
    out.each("screen", device.screen, |screen| screen_classes(&screen));
    match device.webgl {
        Some(Reported::Value((renderer, digest))) => {
            let family = GPUS.iter().find(|(part, _)| renderer.expose().contains(part)).map_or(OTHER, |(_, gpu)| gpu);
            out.traits.push(Trait { item: "webgl", entry: None, value: family });
            out.sign("webgl", None, "normal", Some(digest));
        }
        Some(Reported::Absent(why)) => {
            out.traits.push(Trait { item: "webgl", entry: None, value: why.name() });
            out.sign("webgl", None, why.name(), None);
        }
        None => {}
    }
    match device.canvas {
        // Of a falsified drawing the digest says nothing but how it was falsified.
        Some(Reported::Value((_, true))) => out.sign("canvas", None, "noised", None),
        Some(Reported::Value((digest, false))) => out.sign("canvas", None, "normal", Some(digest)),
        Some(Reported::Absent(why)) => out.sign("canvas", None, why.name(), None),
        None => {}
    }
    out.automation(device.automation);
    out
}

/// What the entries of a list can be, so that the rows of each can be found. Empty for what is no list.
pub fn entries(item: &str) -> Vec<&'static str> {
    match item {
        "fonts" => FONTS.clone(),
        "plugins" => PLUGINS.iter().map(|(_, class)| *class).chain([OTHER]).collect(),
        "languages" => LANGUAGES.split_ascii_whitespace().chain([OTHER]).collect(),
        "media_devices" => KINDS.as_flattened().to_vec(),
        "screen" => {
            let sizes = SIZES.iter().map(|size| size.2);
            let others = DEPTHS.iter().map(|depth| depth.1).chain(RATIOS.iter().map(|ratio| ratio.1));
            sizes.chain(others).chain(WINDOWS.iter().map(|window| window.0)).collect()
        }
        "automation" => DETECTORS.iter().map(|(name, _)| *name).collect(),
        _ => Vec::new(),
    }
}

/// The entry of a list, with its number.
fn number(list: impl Iterator<Item = &'static str>, name: &str) -> Option<(u16, &'static str)> {
    (0..).zip(list).find(|(_, known)| *known == name)
}

/// Size, colour depth, sharpness and placement: each for itself. Numbers of one property begin where those before it end.
fn screen_classes(screen: &Screen) -> Vec<(u16, &'static str)> {
    let (long, short) = (screen.width.max(screen.height), screen.width.min(screen.height));
    let common = SIZES.iter().position(|size| (size.0, size.1) == (long, short));
    let size =
        common.unwrap_or_else(|| SIZES.iter().position(|size| size.1 == 0 && long < size.0).unwrap_or(SIZES.len() - 1));
    let depth = DEPTHS.iter().position(|depth| depth.0 == screen.depth).unwrap_or(DEPTHS.len() - 1);
    let ratio = RATIOS.iter().position(|ratio| screen.ratio < ratio.0).unwrap_or(RATIOS.len() - 1);
    let window = WINDOWS.iter().position(|window| window.1 == screen.window).unwrap_or(WINDOWS.len() - 1);
    let mut begins = 0;
    let mut classes = Vec::with_capacity(4);
    let properties: [(usize, usize, &'static str); 4] = [
        (SIZES.len(), size, SIZES[size].2),
        (DEPTHS.len(), depth, DEPTHS[depth].1),
        (RATIOS.len(), ratio, RATIOS[ratio].1),
        (WINDOWS.len(), window, WINDOWS[window].0),
    ];
    for (length, at, class) in properties {
        classes.push(((begins + at) as u16, class));
        begins += length;
    }
    classes
}

// === impl EnrichedDevice ===

impl EnrichedDevice {
    /// A signal with one value.
    fn one<T>(&mut self, item: &'static str, reported: Option<Reported<T>>, class: impl FnOnce(T) -> &'static str) {
        let Some(reported) = reported else { return };
        let value = match reported {
            Reported::Value(value) => class(value),
            Reported::Absent(why) => why.name(),
        };
        self.traits.push(Trait { item, entry: None, value });
    }

    /// A signal with one value. Where the browser does not have the signal, the value that its agent says is taken.
    fn one_or<T>(
        &mut self,
        item: &'static str,
        reported: Option<Reported<T>>,
        class: impl FnOnce(T) -> &'static str,
        of_agent: &'static str,
    ) {
        match reported {
            Some(Reported::Absent(Absence::Unsupported)) => {
                self.traits.push(Trait { item, entry: None, value: of_agent });
            }
            reported => self.one(item, reported, class),
        }
    }

    /// A signal with several.
    fn each<T>(
        &mut self,
        item: &'static str,
        reported: Option<Reported<T>>,
        classes: impl FnOnce(T) -> Vec<(u16, &'static str)>,
    ) {
        let Some(reported) = reported else { return };
        let mut found = match reported {
            Reported::Value(value) => classes(value),
            Reported::Absent(why) => return self.traits.push(Trait { item, entry: None, value: why.name() }),
        };
        found.sort_unstable();
        found.dedup();
        if found.is_empty() {
            self.traits.push(Trait { item, entry: None, value: NONE });
        }
        self.traits.extend(found.into_iter().map(|(number, value)| Trait { item, entry: Some(number), value }));
    }

    /// A list of names, of which the known are kept.
    fn list(
        &mut self,
        item: &'static str,
        reported: Option<Reported<Vec<Personal<String>>>>,
        known: impl Fn(&str) -> Option<(u16, &'static str)>,
    ) {
        self.each(item, reported, |names| names.iter().filter_map(|name| known(name.expose())).collect());
    }

    fn sign(&mut self, item: &'static str, entry: Option<u16>, state: &'static str, digest: Option<Digest>) {
        self.signs.push(Sign { item, entry, state, digest });
    }

    /// Which detectors found something, and what that weighs: one strong, or two.
    fn automation(&mut self, reported: Option<Reported<Vec<Personal<String>>>>) {
        let names = match reported {
            None => return,
            Some(Reported::Absent(why)) => return self.sign("automation", None, why.name(), None),
            Some(Reported::Value(names)) => names,
        };
        let known = |name: &Personal<String>| DETECTORS.iter().position(|(known, _)| known == name.expose());
        let mut found: Vec<usize> = names.iter().filter_map(known).collect();
        found.sort_unstable();
        found.dedup();
        self.automated = found.len() >= 2 || found.iter().any(|at| DETECTORS[*at].1);
        if found.is_empty() {
            self.sign("automation", None, NONE, None);
        }
        for at in found {
            self.sign("automation", Some(at as u16), DETECTORS[at].0, None);
        }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;

    fn names(names: &[&str]) -> Option<Reported<Vec<Personal<String>>>> {
        Some(Reported::Value(names.iter().map(|name| Personal::new((*name).to_owned())).collect()))
    }

    fn of(device: ReceivedDevice) -> EnrichedDevice {
        classes(device, &Client::PHONE)
    }

    #[test]
    fn a_hint_says_what_the_agent_hides_and_the_agent_what_the_browser_has_no_hint_for() {
        let text = |text: &str| Some(Reported::Value(Personal::new(text.to_owned())));
        let absent = || Some(Reported::Absent(Absence::Unsupported));
        let (os_version, model) = (text("14.0.0"), text("SM-A525F"));
        let hinted = ReceivedDevice { os_version, model, ..ReceivedDevice::default() };
        assert_eq!(values(hinted), ["Android 14", "Samsung Galaxy A"]);
        let client = Client { os: "iOS", os_version: "iOS 26", model: "Apple iPhone", ..Client::PHONE };
        let safari = ReceivedDevice { os_version: absent(), model: absent(), ..ReceivedDevice::default() };
        let traits = classes(safari, &client).traits;
        assert_eq!(traits.iter().map(|one| one.value).collect::<Vec<_>>(), ["iOS 26", "Apple iPhone"]);
        let blocked = Some(Reported::Absent(Absence::Blocked));
        let blocked = ReceivedDevice { model: blocked, ..ReceivedDevice::default() };
        assert_eq!(values(blocked), ["blocked"], "an objection of the browser is respected");
    }

    fn values(device: ReceivedDevice) -> Vec<&'static str> {
        of(device).traits.into_iter().map(|one| one.value).collect()
    }

    #[test]
    fn what_is_on_no_list_becomes_other_or_nothing() {
        let zone = |name: &str| {
            values(ReceivedDevice {
                time_zone: Some(Reported::Value(Personal::new(name.to_owned()))),
                ..ReceivedDevice::default()
            })
        };
        assert_eq!((zone("Asia/Almaty"), zone("Asia/Qostanay")), (vec!["Asia/Almaty"], vec!["Asia/Qostanay"]));
        assert_eq!((zone("Asia/Aigerim"), zone("asia/almaty")), (vec!["other"], vec!["other"]));
        let lists = ReceivedDevice {
            fonts: names(&["Calibri", "Aigerim Sans", "Calibri", "Arial"]),
            plugins: names(&["PDF Viewer", "Chrome PDF Viewer", "Shockwave Flash", "Aigerim's plugin"]),
            languages: names(&["kk", "ru-KZ", "ru", "EN-us", "qq-aigerim"]),
            ..ReceivedDevice::default()
        };
        let expected = ["Arial", "Calibri", "PDF viewer", "Flash", "other", "en", "kk", "ru", "other"];
        assert_eq!(values(lists), expected);
        let nothing = ReceivedDevice { fonts: names(&["Aigerim Sans"]), ..ReceivedDevice::default() };
        assert_eq!(values(nothing), ["none"]);
    }

    #[test]
    fn entries_of_a_list_have_numbers_of_their_own() {
        let mut fonts: Vec<&str> = FONTS.clone();
        fonts.sort_unstable();
        fonts.dedup();
        assert!(fonts.len() == FONTS.len() && (30..=64).contains(&fonts.len()), "{}", fonts.len());
        let mut seen: BTreeMap<u16, &str> = BTreeMap::new();
        for (width, height) in [(1920, 1080), (1080, 1920), (390, 844), (1, 1), (700, 900), (5000, 100), (0, 0)] {
            for depth in [24, 30, 16] {
                for ratio in [0, 100, 125, 150, 200, 300, 10_000] {
                    for window in ["full", "large", "medium", "small"] {
                        for (number, class) in screen_classes(&Screen { width, height, depth, ratio, window }) {
                            assert_eq!(*seen.entry(number).or_insert(class), class, "{number}");
                        }
                    }
                }
            }
        }
        assert!(seen.len() > 12);
        let all: Vec<&str> = seen.into_values().collect();
        assert!(all.contains(&"1920x1080") && all.contains(&"window full") && all.contains(&"depth 24"), "{all:?}");
    }

    #[test]
    fn cards_fall_into_families() {
        let family = |renderer: &str| {
            let webgl = Some(Reported::Value((Personal::new(renderer.to_owned()), Personal::new([1; 16]))));
            values(ReceivedDevice { webgl, ..ReceivedDevice::default() })[0]
        };
        for (renderer, expected) in [
            ("ANGLE (NVIDIA, NVIDIA GeForce RTX 3060 Direct3D11 vs_5_0 ps_5_0, D3D11)", "NVIDIA GeForce"),
            ("ANGLE (Intel, Intel(R) UHD Graphics 620 (0x00005917) Direct3D11 vs_5_0 ps_5_0, D3D11)", "Intel UHD"),
            ("ANGLE (Intel, Mesa Intel(R) Iris(R) Xe Graphics (TGL GT2), OpenGL 4.6)", "Intel Iris"),
            ("Intel(R) HD Graphics, or similar", "Intel HD"),
            (
                "ANGLE (Google, Vulkan 1.3.0 (SwiftShader Device (Subzero) (0x0000C0DE)), SwiftShader driver)",
                "software",
            ),
            ("ANGLE (Apple, ANGLE Metal Renderer: Apple M2, Unspecified Version)", "Apple M"),
            ("Apple GPU", "Apple"),
            ("Adreno (TM) 650", "Adreno 6"),
            ("Mali-G78", "Mali-G"),
            ("ANGLE (AMD, AMD Radeon(TM) Graphics Direct3D11 vs_5_0 ps_5_0, D3D11)", "AMD Radeon"),
            ("llvmpipe (LLVM 15.0.7, 256 bits)", "software"),
            ("Aigerim's card", "other"),
        ] {
            assert_eq!(family(renderer), expected, "{renderer}");
        }
    }

    #[test]
    fn a_strong_detector_is_enough_and_of_weak_ones_it_takes_two() {
        let automated =
            |found: &[&str]| of(ReceivedDevice { automation: names(found), ..ReceivedDevice::default() }).automated;
        assert!(automated(&["webdriver"]) && automated(&["no_window", "electron"]));
        assert!(!automated(&["no_window"]) && !automated(&["no_window", "no_window"]) && !automated(&[]));
        assert!(!automated(&["aigerim", "no_window"]), "a name that nobody knows weighs nothing");
    }

    #[test]
    fn absence_is_kept_and_a_falsified_digest_is_not() {
        let device = ReceivedDevice {
            canvas: Some(Reported::Value((Personal::new([7; 16]), true))),
            webgl: Some(Reported::Absent(Absence::Blocked)),
            screen: Some(Reported::Absent(Absence::Timeout)),
            automation: Some(Reported::Absent(Absence::Error)),
            ..ReceivedDevice::default()
        };
        let out = of(device);
        let traits: Vec<_> = out.traits.iter().map(|one| (one.item, one.value)).collect();
        assert_eq!(traits, [("screen", "timeout"), ("webgl", "blocked")]);
        let signs: Vec<_> = out.signs.iter().map(|sign| (sign.item, sign.state, sign.digest.is_some())).collect();
        assert_eq!(signs, [("webgl", "blocked", false), ("canvas", "noised", false), ("automation", "error", false)]);
    }
}

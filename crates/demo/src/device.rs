//! What the demo's devices say of themselves: the device part of a beacon, consistent with the browser's headers.
//!
//! A browser's device is drawn once and says the same at every visit, but for the shape of its window. Real devices of
//! a model draw the same picture, so there are few digests of a canvas. Some browsers falsify them or block a signal.

use serde_json::{Value, json};

use crate::random::Random;

/// What devices of a kind have in common.
struct Machine {
    /// Part of the user agent.
    agent: &'static str,
    screens: &'static [(u32, u32, u32)],
    gpus: &'static [(&'static str, u32)],
    cpu: (&'static str, u32),
    fonts: &'static [&'static str],
    media: [u8; 3],
    /// Client hints of Chromium browsers, each with its weight: the version of the system, and the model.
    hints: &'static [(&'static str, &'static str, u32)],
}

/// The first whose part the user agent contains.
const MACHINES: &[Machine] = &[
    Machine {
        agent: "Windows",
        screens: &[(1920, 1080, 100), (1366, 768, 100), (1536, 864, 125), (2560, 1440, 100), (1680, 1050, 100)],
        gpus: &[
            ("ANGLE (Intel, Intel(R) UHD Graphics 620 Direct3D11 vs_5_0 ps_5_0, D3D11)", 45),
            ("ANGLE (NVIDIA, NVIDIA GeForce GTX 1650 Direct3D11 vs_5_0 ps_5_0, D3D11)", 35),
            ("ANGLE (AMD, AMD Radeon(TM) Graphics Direct3D11 vs_5_0 ps_5_0, D3D11)", 20),
        ],
        cpu: ("x86", 64),
        fonts: &["Arial", "Calibri", "Cambria", "Consolas", "Segoe UI", "Tahoma", "Times New Roman", "Verdana"],
        media: [1, 2, 1],
        hints: &[("15.0.0", "", 70), ("10.0.0", "", 30)],
    },
    Machine {
        agent: "Macintosh",
        screens: &[(1440, 900, 200), (1512, 982, 200), (1920, 1080, 100)],
        gpus: &[("Apple GPU", 1)],
        cpu: ("arm", 64),
        fonts: &["Arial", "Helvetica Neue", "Menlo", "Monaco", "PT Sans", "Times New Roman", "Verdana"],
        media: [1, 1, 1],
        hints: &[],
    },
    Machine {
        agent: "iP",
        screens: &[(390, 844, 300), (393, 852, 300), (375, 812, 300), (430, 932, 300)],
        gpus: &[("Apple GPU", 1)],
        cpu: ("arm", 64),
        fonts: &["Arial", "Georgia", "Helvetica Neue", "Menlo"],
        media: [1, 0, 2],
        hints: &[],
    },
    Machine {
        agent: "Tizen",
        screens: &[(1920, 1080, 100)],
        gpus: &[("Mali-G52", 1)],
        cpu: ("arm", 32),
        fonts: &["Roboto"],
        media: [0, 1, 0],
        hints: &[],
    },
    Machine {
        agent: "Android",
        screens: &[(412, 915, 263), (360, 800, 300), (393, 873, 275), (384, 832, 281)],
        gpus: &[
            ("Adreno (TM) 650", 30),
            ("Adreno (TM) 730", 15),
            ("Mali-G57", 30),
            ("Mali-G78", 15),
            ("Xclipse 530", 10),
        ],
        cpu: ("arm", 64),
        fonts: &["Noto Color Emoji", "Roboto"],
        media: [1, 1, 2],
        hints: &[
            ("15.0.0", "SM-A556E", 30),
            ("14.0.0", "SM-A145F", 20),
            ("15.0.0", "SM-S921B", 10),
            ("14.0.0", "2312DRA50G", 20),
            ("13.0.0", "RMX3834", 10),
            ("14.0.0", "TECNO KJ5", 10),
        ],
    },
    // What is left are servers, on which programs drive browsers.
    Machine {
        agent: "",
        screens: &[(800, 600, 100)],
        gpus: &[("ANGLE (Google, Vulkan 1.3.0 (SwiftShader Device (Subzero)), SwiftShader driver)", 1)],
        cpu: ("x86", 64),
        fonts: &["DejaVu Sans", "Liberation Sans"],
        media: [0, 0, 0],
        hints: &[],
    },
];

const ZONES_AT_HOME: &[(&str, u32)] = &[("Asia/Almaty", 88), ("Asia/Aqtau", 4), ("Asia/Oral", 4), ("Asia/Aqtobe", 4)];
const ZONES_ABROAD: &[(&str, u32)] = &[("Europe/Moscow", 50), ("Europe/Berlin", 30), ("Europe/London", 20)];

/// The device part of a browser's beacon, to fit its headers. `automated`: a program drives the browser.
pub(crate) fn device_part(
    automated: bool,
    headers: &[(&'static str, String)],
    kazakh: bool,
    random: &mut Random,
) -> Value {
    let header = |name| headers.iter().find(|(known, _)| *known == name).map_or("", |(_, value)| value.as_str());
    let agent = header("user-agent");
    let machine =
        MACHINES.iter().find(|machine| agent.contains(machine.agent)).unwrap_or(&MACHINES[MACHINES.len() - 1]);
    let (width, height, ratio) = *random.pick(machine.screens);
    let gpu = random.weighted(machine.gpus, |(_, weight)| *weight).0;
    let zone = random.weighted(if kazakh { ZONES_AT_HOME } else { ZONES_ABROAD }, |(_, weight)| *weight).0;
    let languages: Vec<&str> = header("accept-language").split(',').filter_map(|tag| tag.split(';').next()).collect();
    let [microphones, loudspeakers, cameras] = machine.media;
    let is_phone = width < height;
    let window =
        if is_phone { "full" } else { random.weighted(&[("full", 60), ("large", 30), ("medium", 10)], |(_, w)| *w).0 };
    // Safari adds noise to what is read of a drawing, and some extensions do.
    let falsifies = agent.contains("Version/") || random.chance(0.03);
    let canvas = if falsifies {
        json!({ "digest": digest(random.bits()), "state": "noised" })
    } else {
        json!({ "digest": digest(gpu.len() as u64 * 31 + u64::from(ratio)), "state": "normal" })
    };
    let webgl = if random.chance(0.02) {
        json!({ "absent": "blocked" })
    } else {
        json!({ "vendor": "", "renderer": gpu, "digest": digest(gpu.len() as u64 * 37 + 1) })
    };
    let automation: &[&str] = if automated { &["webdriver", "headless_agent"] } else { &[] };
    let (version, model) = match machine.hints {
        hints if !hints.is_empty() && !header("sec-ch-ua").is_empty() => {
            let (version, model, _) = random.weighted(hints, |(.., weight)| *weight);
            (json!(version), if model.is_empty() { json!({ "absent": "unsupported" }) } else { json!(model) })
        }
        _ => (json!({ "absent": "unsupported" }), json!({ "absent": "unsupported" })),
    };
    let plugins: &[&str] = if is_phone { &[] } else { &["PDF Viewer", "Chrome PDF Viewer"] };
    json!({
        "time_zone": zone,
        "languages": if languages == [""] { json!({ "absent": "unsupported" }) } else { json!(languages) },
        "screen": { "width": width, "height": height, "depth": 24, "ratio": ratio, "window": window },
        "active_x": false,
        "plugins": plugins,
        "cpu": { "architecture": machine.cpu.0, "bits": machine.cpu.1 },
        "automation": automation,
        "media_devices": { "audio_input": microphones, "audio_output": loudspeakers, "video_input": cameras },
        "fonts": machine.fonts,
        "canvas": canvas,
        "webgl": webgl,
        "os_version": version,
        "model": model,
    })
}

/// 128 bits that follow from a number.
fn digest(number: u64) -> String {
    use base64::Engine as _;
    let hash = blake3::hash(&number.to_le_bytes());
    base64::engine::general_purpose::URL_SAFE_NO_PAD.encode(&hash.as_bytes()[..16])
}

#[cfg(test)]
mod tests {
    use std::net::IpAddr;

    use super::*;
    use crate::browser::{Browser, Kind};

    #[test]
    fn devices_agree_with_their_browsers() {
        let mut random = Random::new(3);
        let address = IpAddr::from([10, 0, 0, 1]);
        for _ in 0..500 {
            let browser = Browser::of_person(Kind::Person, [address; 2], true, &mut random);
            let (agent, device) = (browser.header("user-agent").unwrap_or_default(), &browser.machine);
            let screen = &device["screen"];
            let is_phone = screen["width"].as_u64() < screen["height"].as_u64();
            assert!(!agent.contains("Windows") || !is_phone, "{agent}");
            assert!(!agent.contains("iPhone") || (is_phone && device["webgl"]["renderer"] != "Adreno (TM) 650"));
            let first = browser.header("accept-language").and_then(|tags| tags.split([',', ';']).next());
            assert_eq!(device["languages"][0].as_str(), first);
            assert_eq!(device["automation"], json!([]));
        }
        let suspect = Browser::of_suspect(address, &mut random);
        assert_eq!(suspect.machine["automation"][0], "webdriver");
        assert!(
            suspect.machine["webgl"].to_string().contains("SwiftShader")
                || suspect.machine["webgl"]["absent"] == "blocked"
        );
    }
}

//! The version of an operating system and the model of a device, as classes of this file's lists.
//!
//! Agents say less than they seem to: Chromium says Android 10 and a device `K`, Windows is always 10, macOS 10.15.7, and
//! since version 26 also iOS stays at 18. Such a version counts as unknown. The device part asks the browser for the true
//! one, where the policy lists it and the browser has client hints. Of a class whose number is unknown the family remains.

use super::super::site::OTHER;
use super::super::version::{leading_number, number_after};

const ANDROID: [&str; 16] = [
    "Android 5",
    "Android 6",
    "Android 7",
    "Android 8",
    "Android 9",
    "Android 10",
    "Android 11",
    "Android 12",
    "Android 13",
    "Android 14",
    "Android 15",
    "Android 16",
    "Android 17",
    "Android 18",
    "Android 19",
    "Android 20",
];
const IOS: [&str; 19] = [
    "iOS 12", "iOS 13", "iOS 14", "iOS 15", "iOS 16", "iOS 17", "iOS 18", "iOS 19", "iOS 20", "iOS 21", "iOS 22",
    "iOS 23", "iOS 24", "iOS 25", "iOS 26", "iOS 27", "iOS 28", "iOS 29", "iOS 30",
];
const MACOS: [&str; 21] = [
    "macOS 10", "macOS 11", "macOS 12", "macOS 13", "macOS 14", "macOS 15", "macOS 16", "macOS 17", "macOS 18",
    "macOS 19", "macOS 20", "macOS 21", "macOS 22", "macOS 23", "macOS 24", "macOS 25", "macOS 26", "macOS 27",
    "macOS 28", "macOS 29", "macOS 30",
];
const HARMONY: [&str; 7] =
    ["HarmonyOS 2", "HarmonyOS 3", "HarmonyOS 4", "HarmonyOS 5", "HarmonyOS 6", "HarmonyOS 7", "HarmonyOS 8"];

/// From this version of Safari on, its agent no longer says the system's version; the two are equal.
const SAFARI_FREEZES_IOS: u16 = 26;
/// The version that iOS has said since.
const FROZEN_IOS: u16 = 18;
/// The first `platformVersion` of Windows 11, and a bound far above the last.
const WINDOWS_11: u16 = 13;
const WINDOWS_MAX: u16 = 99;

/// The beginning of a model's name, class. The first that fits decides.
const MODELS: [(&str, &str); 58] = [
    ("SM-S", "Samsung Galaxy S"),
    ("SM-G9", "Samsung Galaxy S"),
    ("SM-A", "Samsung Galaxy A"),
    ("SM-M", "Samsung Galaxy M"),
    ("SM-E", "Samsung Galaxy M"),
    ("SM-J", "Samsung Galaxy J"),
    ("SM-N", "Samsung Galaxy Note"),
    ("SM-F", "Samsung Galaxy Z"),
    ("SM-T", "Samsung Galaxy Tab"),
    ("SM-X", "Samsung Galaxy Tab"),
    ("SM-P", "Samsung Galaxy Tab"),
    ("SM-", "Samsung, other"),
    ("SAMSUNG", "Samsung, other"),
    ("GT-", "Samsung, other"),
    ("Pixel", "Google Pixel"),
    ("Redmi Note", "Xiaomi Redmi Note"),
    ("Redmi", "Xiaomi Redmi"),
    ("POCO", "Xiaomi POCO"),
    ("Mi ", "Xiaomi, other"),
    ("MI ", "Xiaomi, other"),
    ("Xiaomi", "Xiaomi, other"),
    ("M19", "Xiaomi, other"),
    ("M2", "Xiaomi, other"),
    ("CPH", "OPPO or OnePlus"),
    ("OPPO", "OPPO or OnePlus"),
    ("ONEPLUS", "OPPO or OnePlus"),
    ("OnePlus", "OPPO or OnePlus"),
    ("RMX", "realme"),
    ("realme", "realme"),
    ("vivo", "vivo"),
    ("V1", "vivo"),
    ("V2", "vivo"),
    ("I2", "vivo"),
    ("TECNO", "Tecno"),
    ("Infinix", "Infinix"),
    ("itel", "itel"),
    ("HUAWEI", "Huawei or Honor"),
    ("HONOR", "Huawei or Honor"),
    ("Honor", "Huawei or Honor"),
    ("Nokia", "Nokia"),
    ("TA-1", "Nokia"),
    ("moto", "Motorola"),
    ("motorola", "Motorola"),
    ("XT", "Motorola"),
    ("XQ-", "Sony Xperia"),
    ("SO-", "Sony Xperia"),
    ("LM-", "LG"),
    ("LG-", "LG"),
    ("ASUS", "ASUS"),
    ("ZTE", "ZTE"),
    ("BLADE", "ZTE"),
    ("Lenovo", "Lenovo"),
    ("TB", "Lenovo"),
    ("TCL", "TCL"),
    ("DOOGEE", "Doogee"),
    ("OUKITEL", "Oukitel"),
    ("BV", "Blackview"),
    ("KF", "Amazon Fire"),
];

/// The class of a version; the family where it has no such version.
fn version(os: &'static str, major: u16) -> &'static str {
    let (first, classes): (u16, &[&'static str]) = match os {
        "Android" => (5, &ANDROID),
        "iOS" => (12, &IOS),
        "macOS" => (10, &MACOS),
        "HarmonyOS" => (2, &HARMONY),
        _ => return os,
    };
    major.checked_sub(first).and_then(|at| classes.get(usize::from(at))).copied().unwrap_or(os)
}

/// What the agent says of the system's version.
pub(super) fn version_of_agent(agent: &str, os: &'static str) -> &'static str {
    let says = |token: &str| agent.contains(token);
    match os {
        "Android" if says("Android 10; K)") || says("Android 10; K;") => os,
        "Android" => version(os, number_after(agent, "Android ")),
        "iOS" => {
            let (system, safari) = (number_after(agent, " OS "), number_after(agent, "Version/"));
            let is_frozen = system == FROZEN_IOS && safari >= SAFARI_FREEZES_IOS;
            version(os, if is_frozen { safari } else { system })
        }
        "Windows" if says("Windows NT 6.1") => "Windows 7",
        "Windows" if says("Windows NT 6.2") || says("Windows NT 6.3") => "Windows 8",
        "HarmonyOS" => version(os, number_after(agent, "OpenHarmony ").max(number_after(agent, "HarmonyOS "))),
        _ => os,
    }
}

/// What the client hint `platformVersion` says of it.
pub(in super::super) fn version_of_hint(hint: &str, os: &'static str) -> &'static str {
    let mut numbers = hint.split('.').map(leading_number);
    let (major, minor) = (numbers.next().unwrap_or(0), numbers.next().unwrap_or(0));
    match (os, major, minor) {
        ("Windows", 0, 1) => "Windows 7",
        ("Windows", 0, 2 | 3) => "Windows 8",
        ("Windows", 1..WINDOWS_11, _) => "Windows 10",
        ("Windows", WINDOWS_11..=WINDOWS_MAX, _) => "Windows 11",
        _ => version(os, major),
    }
}

/// The class of a model's name, as a client hint or an agent has it.
pub(in super::super) fn model(name: &str) -> &'static str {
    if let Some((_, class)) = MODELS.iter().find(|(begins, _)| name.starts_with(begins)) {
        return class;
    }
    let bytes = name.as_bytes();
    let is = |range: std::ops::Range<usize>, kind: fn(&u8) -> bool| {
        bytes.get(range).is_some_and(|part| part.iter().all(kind))
    };
    // Xiaomi's begin with year and month, as in 23021RAA2Y; Huawei's are as ANE-LX1.
    if bytes.len() >= 8 && bytes[0] == b'2' && is(0..4, u8::is_ascii_digit) {
        return "Xiaomi, other";
    }
    if is(0..3, u8::is_ascii_uppercase) && bytes.get(3) == Some(&b'-') && is(4..6, u8::is_ascii_alphanumeric) {
        return "Huawei or Honor";
    }
    OTHER
}

/// What the agent says of the model.
pub(super) fn model_of_agent(agent: &str, os: &str, device: &str) -> &'static str {
    match (os, device) {
        ("iOS", "tablet") => "Apple iPad",
        ("iOS", _) => "Apple iPhone",
        ("macOS", _) => "Apple Mac",
        (_, "desktop") => "computer",
        ("Android", _) => {
            let parts = agent.split_once("Android ").map_or("", |(_, rest)| rest).split([';', ')']).skip(1).take(4);
            parts.map(|part| model(part.trim())).find(|class| *class != OTHER).unwrap_or(OTHER)
        }
        _ => OTHER,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_frozen_version_is_no_version() {
        for (os, agent, expected) in [
            ("Android", "Mozilla/5.0 (Linux; Android 10; K) Chrome/140.0.0.0 Mobile", "Android"),
            ("Android", "Mozilla/5.0 (Linux; Android 10; K; wv) Chrome/140.0.0.0 Mobile", "Android"),
            ("Android", "Mozilla/5.0 (Linux; Android 10; SM-A505F) Chrome/90.0 Mobile", "Android 10"),
            ("Android", "Mozilla/5.0 (Android 14; Mobile; rv:143.0) Gecko/143.0 Firefox/143.0", "Android 14"),
            ("Android", "Mozilla/5.0 (Linux; Android 99; x)", "Android"),
            ("iOS", "(iPhone; CPU iPhone OS 17_6 like Mac OS X) Version/17.6 Mobile", "iOS 17"),
            ("iOS", "(iPhone; CPU iPhone OS 18_6 like Mac OS X) Version/26.0 Mobile", "iOS 26"),
            ("iOS", "(iPad; CPU OS 12_5_7 like Mac OS X) Version/12.1.2 Mobile", "iOS 12"),
            ("Windows", "(Windows NT 10.0; Win64; x64)", "Windows"),
            ("Windows", "(Windows NT 6.1; Win64; x64)", "Windows 7"),
            ("macOS", "(Macintosh; Intel Mac OS X 10_15_7)", "macOS"),
            ("HarmonyOS", "(Phone; OpenHarmony 5.0) ArkWeb/4.1", "HarmonyOS 5"),
            ("Linux", "(X11; Linux x86_64)", "Linux"),
        ] {
            assert_eq!(version_of_agent(agent, os), expected, "{agent}");
        }
    }

    #[test]
    fn a_hint_says_the_true_version() {
        for (os, hint, expected) in [
            ("Windows", "15.0.0", "Windows 11"),
            ("Windows", "10.0.0", "Windows 10"),
            ("Windows", "0.1.0", "Windows 7"),
            ("Windows", "0.3", "Windows 8"),
            ("Windows", "0.9", "Windows"),
            ("Windows", "500.0", "Windows"),
            ("macOS", "14.5.0", "macOS 14"),
            ("macOS", "10.15.7", "macOS 10"),
            ("Android", "14.0.0", "Android 14"),
            ("Android", "14", "Android 14"),
            ("Android", "4.4", "Android"),
            ("Linux", "6.8.0", "Linux"),
            ("Android", "aigerim", "Android"),
            ("Android", "", "Android"),
        ] {
            assert_eq!(version_of_hint(hint, os), expected, "{hint}");
        }
    }

    #[test]
    fn models_fall_into_classes() {
        for (name, expected) in [
            ("SM-G991B", "Samsung Galaxy S"),
            ("SM-S928B", "Samsung Galaxy S"),
            ("SM-A525F", "Samsung Galaxy A"),
            ("SM-G610F", "Samsung, other"),
            ("Pixel 8 Pro", "Google Pixel"),
            ("Redmi Note 9 Pro", "Xiaomi Redmi Note"),
            ("23021RAA2Y", "Xiaomi, other"),
            ("M2101K6G", "Xiaomi, other"),
            ("ANE-LX1", "Huawei or Honor"),
            ("CPH2083", "OPPO or OnePlus"),
            ("K", "other"),
            ("Aigerim's phone", "other"),
            ("ABC-", "other"),
            ("20230101", "Xiaomi, other"),
            ("2023", "other"),
            ("", "other"),
        ] {
            assert_eq!(model(name), expected, "{name}");
        }
        for (agent, os, device, expected) in [
            ("(Linux; Android 13; SM-A515F) AppleWebKit", "Android", "phone", "Samsung Galaxy A"),
            ("(Linux; U; Android 11; ru-ru; Redmi Note 8 Build/RKQ1) App", "Android", "phone", "Xiaomi Redmi Note"),
            ("(Linux; Android 10; K) AppleWebKit", "Android", "phone", "other"),
            ("(Android 14; Mobile; rv:143.0)", "Android", "phone", "other"),
            ("(iPhone; CPU iPhone OS 17_6)", "iOS", "phone", "Apple iPhone"),
            ("(iPad; CPU OS 17_6)", "iOS", "tablet", "Apple iPad"),
            ("(Macintosh)", "macOS", "desktop", "Apple Mac"),
            ("(X11; CrOS)", "ChromeOS", "desktop", "computer"),
        ] {
            assert_eq!(model_of_agent(agent, os, device), expected, "{agent}");
        }
    }
}

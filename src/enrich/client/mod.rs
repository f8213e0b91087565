//! Classifies a sender: browser family, operating system, kind of device, and whether it is a program.
//!
//! First an overlay of this folder looks for what `woothee` does not know (in-app browsers, browsers built on Chromium,
//! tablets, televisions, HarmonyOS). Then `woothee` reads the classic agents. Last come the client hints. Every word of the
//! result is from a list of this folder; of a header nothing is copied but one number. Versions are major versions of the
//! browser, and of the system where the agent says the true one.
//!
//! Not promised: the headers of an iPad that asks for desktop pages (the default) are those of a Mac. The headers of Brave
//! are often those of Chrome.

mod cache;
mod hints;
pub(super) mod systems;
#[cfg(test)]
mod tests;

use self::cache::Cache;
use super::bots::{self, Bots};
use super::version::{chromium_major, leading_number, number_after};
use crate::event::{Automation, Client, Sender};

/// Of a longer agent only the beginning is read; the longest of common browsers has about 400 bytes.
const MAX_AGENT_BYTES: usize = 512;

/// Of longer hints likewise.
const MAX_HINT_BYTES: usize = 256;

/// Token, family. The first that the agent contains decides, so that an application stands before the engine it is built
/// on. The version is the number that follows the token, where one does.
const BROWSERS: [(&str, &str); 53] = [
    // Browsers inside applications.
    ("Instagram ", "Instagram"),
    ("Barcelona ", "Threads"),
    ("FBAV/", "Facebook"),
    ("FBAN/", "Facebook"),
    ("FB_IAB/", "Facebook"),
    ("MicroMessenger/", "WeChat"),
    ("musical_ly_", "TikTok"),
    ("trill_", "TikTok"),
    ("BytedanceWebview/", "TikTok"),
    ("Snapchat/", "Snapchat"),
    ("[Pinterest/", "Pinterest"),
    ("LinkedInApp", "LinkedIn"),
    ("Telegram-Android/", "Telegram"),
    ("VKAndroidApp/", "VK"),
    ("vkclient", "VK"),
    ("OkApp", "OK"),
    ("WhatsApp/", "WhatsApp"),
    ("Viber/", "Viber"),
    (" Line/", "LINE"),
    ("GSA/", "Google app"),
    ("YaSearchBrowser/", "Yandex app"),
    ("YandexSearch/", "Yandex app"),
    ("YaApp_", "Yandex app"),
    ("Electron/", "Electron"),
    // Browsers on somebody else's engine.
    ("DuckDuckGo/", "DuckDuckGo"),
    ("Ddg/", "DuckDuckGo"),
    ("UCBrowser/", "UC Browser"),
    ("UBrowser/", "UC Browser"),
    ("HuaweiBrowser/", "Huawei Browser"),
    ("MiuiBrowser/", "Mi Browser"),
    ("HeyTapBrowser/", "HeyTap Browser"),
    ("VivoBrowser/", "Vivo Browser"),
    ("MQQBrowser/", "QQ Browser"),
    ("QQBrowser/", "QQ Browser"),
    ("YaBrowser/", "Yandex Browser"),
    ("SamsungBrowser/", "Samsung Internet"),
    ("Silk/", "Silk"),
    ("Whale/", "Whale"),
    ("Atom/", "Atom"),
    ("Brave/", "Brave"),
    ("Vivaldi/", "Vivaldi"),
    ("OPR/", "Opera"),
    ("OPT/", "Opera"),
    ("OPX/", "Opera"),
    ("Opera Mini/", "Opera"),
    ("EdgA/", "Edge"),
    ("EdgiOS/", "Edge"),
    ("Edg/", "Edge"),
    ("Edge/", "Edge"),
    ("FxiOS/", "Firefox"),
    ("Focus/", "Firefox"),
    ("CriOS/", "Chrome"),
    ("ArkWeb/", "ArkWeb"),
];

/// Token, family; the first that the agent contains decides. Agents of televisions and of HarmonyOS also claim to be
/// Linux or Android, those of ChromeOS X11, and nearly all Mozilla.
const SYSTEMS: [(&str, &str); 22] = [
    ("OpenHarmony", "HarmonyOS"),
    ("HarmonyOS", "HarmonyOS"),
    ("Tizen", "Tizen"),
    ("Web0S", "webOS"),
    ("webOS", "webOS"),
    ("NetCast", "webOS"),
    ("KAIOS", "KaiOS"),
    ("PlayStation", "PlayStation"),
    ("PLAYSTATION", "PlayStation"),
    ("Nintendo", "Nintendo"),
    ("Windows Phone", "other"),
    ("AppleTV", "tvOS"),
    ("Apple TV", "tvOS"),
    ("iPhone", "iOS"),
    ("iPad", "iOS"),
    ("iPod", "iOS"),
    ("Android", "Android"),
    ("Silk/", "Android"),
    ("CrOS", "ChromeOS"),
    ("Windows", "Windows"),
    ("Mac", "macOS"),
    ("Linux", "Linux"),
];

const TELEVISIONS: [&str; 16] = [
    "SMART-TV",
    "SmartTV",
    "Smart TV",
    "Web0S",
    "NetCast",
    "AppleTV",
    "Apple TV",
    "GoogleTV",
    "Google TV",
    "BRAVIA",
    "CrKey",
    "Android TV",
    "; AFT",
    "MiTV",
    "HbbTV",
    "Roku",
];

const CONSOLES: [&str; 4] = ["PlayStation", "PLAYSTATION", "Nintendo", "Xbox"];

/// Reads agents; see the module.
pub struct Clients {
    bots: Bots,
    cache: Cache<(Client, Automation)>,
}

impl Clients {
    /// Compiles the list of declared bots, which takes some hundredths of a second.
    pub(super) fn new() -> Self {
        Self { bots: Bots::new(), cache: Cache::new() }
    }

    /// What the sender uses, and whether it is a program.
    pub fn classify(&self, sender: &Sender) -> (Client, Automation) {
        let agent = beginning(sender.user_agent.expose(), MAX_AGENT_BYTES);
        let brands = beginning(sender.brands.expose(), MAX_HINT_BYTES);
        let platform = beginning(sender.platform.expose(), MAX_HINT_BYTES);
        let flags = [sender.mobile, sender.has_language, sender.has_fetch_metadata].map(u8::from);
        let parts = [agent.as_bytes(), brands.as_bytes(), platform.as_bytes(), &flags];
        self.cache.get_or_make(&parts, || self.read(agent, brands, platform, sender))
    }

    fn read(&self, agent: &str, brands: &str, platform: &str, sender: &Sender) -> (Client, Automation) {
        let parsed = woothee::parser::Parser::new().parse(agent);
        let crawler = parsed.as_ref().is_some_and(|parsed| parsed.category == "crawler");
        let (os, device, os_version, model) = (system(agent), "other", "other", "other");
        let mut class = Client { browser: "other", browser_major: 0, os, device, os_version, model };
        (class.browser, class.browser_major) = browser(agent, parsed.as_ref());
        if let Some((family, major)) = hints::family(brands).filter(|_| class.browser == "Chrome") {
            (class.browser, class.browser_major) = (family, major);
        }
        let automation = match self.bots.declared(agent, crawler) {
            Some(name) => Automation::Declared(name),
            None => bots::suspicion(agent, sender, class.os),
        };
        let desktop_pages = class.os == "Linux" && platform == "Android";
        if desktop_pages || class.os == "other" {
            class.os = hinted_system(platform).unwrap_or(class.os);
        }
        class.device = self::device(agent, class.os, sender.mobile);
        class.os_version = systems::version_of_agent(agent, class.os);
        class.model = systems::model_of_agent(agent, class.os, class.device);
        (class, automation)
    }
}

/// At most `limit` bytes, cut at a character's border.
fn beginning(text: &str, limit: usize) -> &str {
    &text[..text.floor_char_boundary(limit)]
}

fn browser(agent: &str, parsed: Option<&woothee::parser::WootheeResult<'_>>) -> (&'static str, u16) {
    if let Some((token, family)) = BROWSERS.iter().find(|(token, _)| agent.contains(token)) {
        return (family, number_after(agent, token));
    }
    if agent.contains("; wv)") {
        return ("Android WebView", chromium_major(agent));
    }
    let named_after_engine = match chromium_major(agent) {
        // The view of an application on macOS names no browser.
        0 if agent.contains("Macintosh") && agent.ends_with("(KHTML, like Gecko)") => ("macOS WebView", 0),
        0 => ("other", 0),
        major => ("Chrome", major),
    };
    let Some(parsed) = parsed else { return named_after_engine };
    let family = match parsed.name {
        "Chrome" => "Chrome",
        "Safari" => "Safari",
        "Firefox" => "Firefox",
        "Edge" => "Edge",
        "Opera" => "Opera",
        "Vivaldi" => "Vivaldi",
        "Sleipnir" => "Sleipnir",
        "Internet Explorer" => "Internet Explorer",
        "Webview" => "iOS WebView",
        _ => return named_after_engine,
    };
    (family, leading_number(parsed.version))
}

fn system(agent: &str) -> &'static str {
    SYSTEMS.iter().find(|(token, _)| agent.contains(token)).map_or("other", |(_, family)| family)
}

fn hinted_system(platform: &str) -> Option<&'static str> {
    match platform {
        "Android" => Some("Android"),
        "Windows" => Some("Windows"),
        "macOS" => Some("macOS"),
        "iOS" => Some("iOS"),
        "Linux" => Some("Linux"),
        "Chrome OS" | "Chromium OS" => Some("ChromeOS"),
        "HarmonyOS" | "OpenHarmony" => Some("HarmonyOS"),
        _ => None,
    }
}

/// `os` is already what the hints make of it. Android's convention: phones say `Mobile`, tablets do not.
fn device(agent: &str, os: &str, mobile: bool) -> &'static str {
    let says = |token: &str| agent.contains(token);
    if CONSOLES.iter().any(|token| says(token)) {
        return "console";
    }
    if TELEVISIONS.iter().any(|token| says(token)) {
        return "tv";
    }
    match os {
        "iOS" if says("iPad") => "tablet",
        "iOS" | "KaiOS" => "phone",
        "HarmonyOS" if says("(PC;") => "desktop",
        "HarmonyOS" if says("(Tablet;") => "tablet",
        "HarmonyOS" if says("(Phone;") => "phone",
        "Android" if says("Tablet;") || says("Silk/") => "tablet",
        "Android" | "HarmonyOS" | "Tizen" => {
            if mobile || says("Mobile") {
                "phone"
            } else {
                "tablet"
            }
        }
        "Windows" | "macOS" | "Linux" | "ChromeOS" => "desktop",
        _ if mobile || says("Windows Phone") => "phone",
        _ => "other",
    }
}

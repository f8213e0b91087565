//! What the demo's visitors use: browsers with the headers that such a browser sends, consistent with each other.
//!
//! Chromium browsers send client hints that agree with their user agent; Safari and Firefox send none. Programs that
//! name themselves (`declared`) and programs that do not (`suspect`) lack what browsers always send, as the real ones
//! do.

use std::net::IpAddr;

use serde::Serialize;

use crate::device;
use crate::random::Random;

/// What a sender is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Kind {
    Person,
    /// A person who objects on the first visit.
    Objector,
    /// A person whose browser sends `Sec-GPC: 1`.
    CountOnly,
    /// A program that names itself.
    DeclaredBot,
    /// A program that pretends.
    Suspect,
}

/// One browser, or one program.
pub(crate) struct Browser {
    pub(crate) kind: Kind,
    /// `desktop`, `phone`, `tablet` or `tv`; empty for programs.
    pub(crate) device: &'static str,
    /// The address at home, and the one on the way.
    pub(crate) addresses: [IpAddr; 2],
    /// Whether cookies are kept.
    pub(crate) keeps_cookies: bool,
    /// Whether it has a cookie of an earlier day at first.
    pub(crate) was_here: bool,
    /// The headers that tell of it, by lower-case name.
    pub(crate) headers: Vec<(&'static str, String)>,
    /// What its device says of itself.
    pub(crate) machine: serde_json::Value,
}

struct Model {
    weight: u32,
    device: &'static str,
    /// `{v}` is the major version, `{w}` Yandex's own.
    user_agent: &'static str,
    /// The brand beside Chromium in `Sec-CH-UA`; empty for engines without client hints.
    brand: &'static str,
    platform: &'static str,
    /// The newest major version; visitors are spread over it and the two before.
    newest: u64,
}

/// Devices and browsers of a Kazakh shop's visitors, roughly as public statistics have them.
const MODELS: &[Model] = &[
    Model {
        weight: 330,
        device: "phone",
        user_agent: "Mozilla/5.0 (Linux; Android 10; K) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/{v}.0.0.0 Mobile Safari/537.36",
        brand: "Google Chrome",
        platform: "Android",
        newest: 150,
    },
    Model {
        weight: 210,
        device: "phone",
        user_agent: "Mozilla/5.0 (iPhone; CPU iPhone OS 18_6 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like Gecko) Version/{v}.0 Mobile/15E148 Safari/604.1",
        brand: "",
        platform: "",
        newest: 26,
    },
    Model {
        weight: 75,
        device: "phone",
        user_agent: "Mozilla/5.0 (Linux; Android 10; K) AppleWebKit/537.36 (KHTML, like Gecko) SamsungBrowser/{v}.0 Chrome/146.0.0.0 Mobile Safari/537.36",
        brand: "Samsung Internet",
        platform: "Android",
        newest: 30,
    },
    Model {
        weight: 70,
        device: "phone",
        user_agent: "Mozilla/5.0 (Linux; arm_64; Android 15; SM-A556E) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/{v}.0.0.0 YaBrowser/26.{w}.0.0.00 SA/3 Mobile Safari/537.36",
        brand: "YaBrowser",
        platform: "Android",
        newest: 148,
    },
    Model {
        weight: 130,
        device: "desktop",
        user_agent: "Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/{v}.0.0.0 Safari/537.36",
        brand: "Google Chrome",
        platform: "Windows",
        newest: 150,
    },
    Model {
        weight: 45,
        device: "desktop",
        user_agent: "Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/{v}.0.0.0 YaBrowser/26.{w}.0.0 Safari/537.36",
        brand: "YaBrowser",
        platform: "Windows",
        newest: 148,
    },
    Model {
        weight: 30,
        device: "desktop",
        user_agent: "Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/{v}.0.0.0 Safari/537.36 Edg/{v}.0.0.0",
        brand: "Microsoft Edge",
        platform: "Windows",
        newest: 150,
    },
    Model {
        weight: 22,
        device: "desktop",
        user_agent: "Mozilla/5.0 (Windows NT 10.0; Win64; x64; rv:{v}.0) Gecko/20100101 Firefox/{v}.0",
        brand: "",
        platform: "",
        newest: 152,
    },
    Model {
        weight: 20,
        device: "desktop",
        user_agent: "Mozilla/5.0 (Macintosh; Intel Mac OS X 10_15_7) AppleWebKit/605.1.15 (KHTML, like Gecko) Version/{v}.0 Safari/605.1.15",
        brand: "",
        platform: "",
        newest: 26,
    },
    Model {
        weight: 18,
        device: "desktop",
        user_agent: "Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/{v}.0.0.0 Safari/537.36 OPR/134.0.0.0",
        brand: "Opera",
        platform: "Windows",
        newest: 150,
    },
    Model {
        weight: 20,
        device: "tablet",
        user_agent: "Mozilla/5.0 (Linux; Android 10; K) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/{v}.0.0.0 Safari/537.36",
        brand: "Google Chrome",
        platform: "Android",
        newest: 150,
    },
    Model {
        weight: 12,
        device: "tablet",
        user_agent: "Mozilla/5.0 (iPad; CPU OS 18_6 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like Gecko) Version/{v}.0 Mobile/15E148 Safari/604.1",
        brand: "",
        platform: "",
        newest: 26,
    },
    Model {
        weight: 8,
        device: "tv",
        user_agent: "Mozilla/5.0 (SMART-TV; LINUX; Tizen 8.0) AppleWebKit/537.36 (KHTML, like Gecko) SamsungBrowser/{v}.0 Chrome/120.0.0.0 TV Safari/537.36",
        brand: "",
        platform: "",
        newest: 8,
    },
];

/// Programs that name themselves: user agent, and page views in a day.
pub(crate) const DECLARED_BOTS: &[(&str, u32)] = &[
    ("Mozilla/5.0 (compatible; Googlebot/2.1; +http://www.google.com/bot.html)", 150),
    ("Mozilla/5.0 AppleWebKit/537.36 (KHTML, like Gecko; compatible; GPTBot/1.3; +https://openai.com/gptbot)", 90),
    ("python-requests/2.32.5", 40),
    ("Mozilla/5.0+(compatible; UptimeRobot/2.0; http://www.uptimerobot.com/)", 288),
];

const HEADLESS: &str =
    "Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) HeadlessChrome/150.0.0.0 Safari/537.36";

impl Browser {
    /// A person's browser; `kazakh` says whether the first address is in Kazakhstan.
    pub(crate) fn of_person(kind: Kind, addresses: [IpAddr; 2], kazakh: bool, random: &mut Random) -> Self {
        let model = random.weighted(MODELS, |model| model.weight);
        // Browsers renew themselves, televisions hardly.
        let major = model.newest - random.weighted(&[(0, 75), (1, 18), (2, 7)], |(_, weight)| *weight).0;
        let yandex = 8 + random.below(3);
        let text = |template: &str| template.replace("{v}", &major.to_string()).replace("{w}", &yandex.to_string());
        let mut headers = vec![("user-agent", text(model.user_agent))];
        if !model.brand.is_empty() {
            headers.push(("sec-ch-ua", brands(model.brand, &headers[0].1, yandex)));
            headers.push(("sec-ch-ua-mobile", if model.device == "phone" { "?1" } else { "?0" }.to_owned()));
            headers.push(("sec-ch-ua-platform", format!("\"{}\"", model.platform)));
        }
        headers.push(("accept-language", language(kazakh, random).to_owned()));
        headers.extend(FETCH_METADATA.map(|(name, value)| (name, value.to_owned())));
        if kind == Kind::CountOnly {
            headers.push(("sec-gpc", "1".to_owned()));
        }
        let machine = device::device_part(false, &headers, kazakh, random);
        Self { kind, device: model.device, addresses, keeps_cookies: true, was_here: false, headers, machine }
    }

    /// A program that names itself.
    pub(crate) fn of_declared_bot(user_agent: &str, address: IpAddr) -> Self {
        let headers = vec![("user-agent", user_agent.to_owned())];
        let machine = serde_json::Value::Null;
        let (kind, addresses) = (Kind::DeclaredBot, [address; 2]);
        Self { kind, device: "", addresses, keeps_cookies: false, was_here: false, headers, machine }
    }

    /// A browser that a program drives: it has what its engine sends, and no language.
    pub(crate) fn of_suspect(address: IpAddr, random: &mut Random) -> Self {
        let mut headers = vec![
            ("user-agent", HEADLESS.to_owned()),
            ("sec-ch-ua", r#""Chromium";v="150", "HeadlessChrome";v="150", "Not_A Brand";v="99""#.to_owned()),
            ("sec-ch-ua-mobile", "?0".to_owned()),
            ("sec-ch-ua-platform", "\"Linux\"".to_owned()),
        ];
        headers.extend(FETCH_METADATA.map(|(name, value)| (name, value.to_owned())));
        let keeps_cookies = random.chance(0.7);
        let machine = device::device_part(true, &headers, false, random);
        let (kind, addresses) = (Kind::Suspect, [address; 2]);
        Self { kind, device: "", addresses, keeps_cookies, was_here: false, headers, machine }
    }

    /// Whether it answers when the collector asks for the device part. Browsers that are only counted are not asked,
    /// and declared bots run no scripts.
    pub(crate) fn sends_device_part(&self) -> bool {
        matches!(self.kind, Kind::Person | Kind::Objector | Kind::Suspect)
    }

    /// A header's value.
    #[cfg(test)]
    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(known, _)| *known == name).map(|(_, value)| value.as_str())
    }
}

/// The collector's host is another origin of the same site, and the snippet asks with `fetch`.
const FETCH_METADATA: [(&str, &str); 3] =
    [("sec-fetch-site", "same-site"), ("sec-fetch-mode", "cors"), ("sec-fetch-dest", "empty")];

/// `Sec-CH-UA` as the engine builds it: the engine's brand and version, the browser's, and one that means nothing.
fn brands(brand: &str, user_agent: &str, yandex: u64) -> String {
    let version = |product: &str| {
        let rest = user_agent.split_once(product).map_or("", |(_, rest)| rest);
        rest.split('.').next().unwrap_or_default().to_owned()
    };
    let engine = version("Chrome/");
    let own = match brand {
        "Samsung Internet" => format!("{}.0", version("SamsungBrowser/")),
        "YaBrowser" => format!("26.{yandex}"),
        "Opera" => version("OPR/"),
        _ => engine.clone(),
    };
    format!(r#""Chromium";v="{engine}", "{brand}";v="{own}", "Not_A Brand";v="99""#)
}

fn language(kazakh: bool, random: &mut Random) -> &'static str {
    const AT_HOME: &[(&str, u32)] = &[
        ("ru-RU,ru;q=0.9,en-US;q=0.8,en;q=0.7", 52),
        ("kk-KZ,kk;q=0.9,ru-RU;q=0.8,ru;q=0.7,en-US;q=0.6,en;q=0.5", 30),
        ("ru-KZ,ru;q=0.9,kk-KZ;q=0.8,kk;q=0.7", 8),
        ("en-US,en;q=0.9", 10),
    ];
    const ABROAD: &[(&str, u32)] =
        &[("ru-RU,ru;q=0.9,en-US;q=0.8,en;q=0.7", 50), ("en-GB,en;q=0.9", 20), ("en-US,en;q=0.9", 30)];
    random.weighted(if kazakh { AT_HOME } else { ABROAD }, |(_, weight)| *weight).0
}

#[cfg(test)]
mod tests {
    use super::*;

    fn people(count: usize) -> Vec<Browser> {
        let mut random = Random::new(11);
        let home = [IpAddr::from([10, 0, 0, 1]); 2];
        (0..count).map(|_| Browser::of_person(Kind::Person, home, true, &mut random)).collect()
    }

    #[test]
    fn client_hints_agree_with_the_user_agent() {
        for browser in people(2000) {
            let user_agent = browser.header("user-agent").expect("every browser names itself");
            assert!(!user_agent.contains('{'), "{user_agent}");
            let Some(hints) = browser.header("sec-ch-ua") else {
                assert!(["Safari/60", "Firefox/", "Tizen"].iter().any(|engine| user_agent.contains(engine)));
                assert!(browser.header("sec-ch-ua-platform").is_none());
                continue;
            };
            let engine = hints.split('"').nth(3).expect("a version");
            assert!(user_agent.contains(&format!("Chrome/{engine}.0.0.0")), "{user_agent} {hints}");
            assert_eq!(hints.contains("YaBrowser"), user_agent.contains("YaBrowser"));
            assert_eq!(hints.contains("Samsung"), user_agent.contains("SamsungBrowser"));
            assert_eq!(hints.contains("Edge"), user_agent.contains("Edg/"));
            assert_eq!(hints.contains("Opera"), user_agent.contains("OPR/"));
            assert_eq!(browser.header("sec-ch-ua-mobile") == Some("?1"), user_agent.contains("Mobile"));
            let platform = browser.header("sec-ch-ua-platform").expect("comes with the brands").trim_matches('"');
            assert!(user_agent.contains(platform), "{user_agent} {platform}");
        }
    }

    #[test]
    fn phones_are_more_than_desktops_and_televisions_are_few() {
        let people = people(4000);
        let share = |device| people.iter().filter(|b| b.device == device).count() * 100 / people.len();
        assert!((62..75).contains(&share("phone")), "{}", share("phone"));
        assert!((22..32).contains(&share("desktop")), "{}", share("desktop"));
        assert!((1..6).contains(&share("tablet")));
        assert!(share("tv") < 2 && people.iter().any(|b| b.device == "tv"));
        let kazakh = people.iter().filter(|b| b.header("accept-language").is_some_and(|l| l.starts_with("kk"))).count();
        assert!((25..35).contains(&(kazakh * 100 / people.len())));
    }

    #[test]
    fn programs_lack_what_browsers_send() {
        let mut random = Random::new(5);
        let address = IpAddr::from([10, 0, 0, 1]);
        let bot = Browser::of_declared_bot(DECLARED_BOTS[0].0, address);
        assert!(
            bot.header("accept-language").is_none() && bot.header("sec-fetch-site").is_none() && !bot.keeps_cookies
        );
        let suspect = Browser::of_suspect(address, &mut random);
        assert!(suspect.header("accept-language").is_none());
        assert!(suspect.header("user-agent").is_some_and(|text| text.contains("Headless")));
    }
}

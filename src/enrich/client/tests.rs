//! The agents that visitors send today, and what each is read as. A new browser is a new line here first.

use std::net::{IpAddr, Ipv4Addr};

use jiff::Timestamp;
use proptest::prelude::*;

use super::Clients;
use crate::event::{Automation, Client, Sender};
use crate::secret::Personal;

/// Lines of a file that `scripts/agents` has made of a public package; none without it.
fn corpus(name: &str) -> Option<Vec<String>> {
    let folder = std::env::var_os("TAMGA_AGENTS")?;
    let text = std::fs::read_to_string(std::path::Path::new(&folder).join(name)).expect("scripts/agents has made it");
    Some(text.lines().map(str::to_owned).collect())
}

/// A long test: it does something only below `scripts/agents`.
#[test]
fn no_ordinary_browser_of_a_large_corpus_is_dropped_or_other() {
    let Some(people) = corpus("people.txt") else { return };
    assert!(people.len() >= 8_000, "{}", people.len());
    let clients = Clients::new();
    let (mut wrong, mut others) = (std::collections::BTreeSet::new(), 0);
    for agent in &people {
        let (client, automation) = clients.classify(&sender(agent));
        let is_other = [client.browser, client.os, client.device].contains(&"other");
        others += usize::from(is_other);
        // A few programs name an engine and no browser.
        if automation != Automation::None || (is_other && others * 1_000 > people.len()) {
            wrong.insert(format!("{automation:?} {}/{}/{}: {agent}", client.browser, client.os, client.device));
        }
    }
    let bots = corpus("bots.txt").expect("beside the people");
    assert!(bots.len() >= 2_000, "{}", bots.len());
    for agent in &bots {
        let (_, automation) = clients.classify(&sender(agent));
        if !matches!(automation, Automation::Declared(_)) {
            wrong.insert(format!("{automation:?}: {agent}"));
        }
    }
    assert!(wrong.is_empty(), "{} agents:\n{}", wrong.len(), wrong.into_iter().collect::<Vec<_>>().join("\n"));
}

#[test]
fn bytes_that_are_no_ascii_cost_an_agent_nothing() {
    let clients = Clients::new();
    for model in ["X325\u{2013}Locked", "X325\u{fffd}Locked", "Телефон", "手机", "é"] {
        let agent = format!(
            "Mozilla/5.0 (Linux; Android 13; {model}) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/120.0.0.0 Mobile Safari/537.36"
        );
        let (client, automation) = clients.classify(&sender(&agent));
        let expected = Client {
            browser: "Chrome",
            browser_major: 120,
            os: "Android",
            device: "phone",
            os_version: "Android 13",
            model: "other",
        };
        assert_eq!((client, automation), (expected, Automation::None), "{agent}");
    }
}

/// `browser|major|os|device|agent`; `…` stands for what all Blink and WebKit agents share.
const PEOPLE: &str = "\
Chrome|140|Windows|desktop|Mozilla/5.0 (Windows NT 10.0; Win64; x64) … Chrome/140.0.0.0 Safari/537.36
Chrome|140|macOS|desktop|Mozilla/5.0 (Macintosh; Intel Mac OS X 10_15_7) … Chrome/140.0.0.0 Safari/537.36
Chrome|139|Linux|desktop|Mozilla/5.0 (X11; Linux x86_64) … Chrome/139.0.0.0 Safari/537.36
Chrome|138|ChromeOS|desktop|Mozilla/5.0 (X11; CrOS x86_64 14541.0.0) … Chrome/138.0.0.0 Safari/537.36
Chrome|140|Android|phone|Mozilla/5.0 (Linux; Android 10; K) … Chrome/140.0.0.0 Mobile Safari/537.36
Chrome|140|Android|tablet|Mozilla/5.0 (Linux; Android 10; K) … Chrome/140.0.0.0 Safari/537.36
Chrome|109|Windows|desktop|Mozilla/5.0 (Windows NT 6.1; Win64; x64) … Chrome/109.0.0.0 Safari/537.36
Chrome|139|iOS|phone|Mozilla/5.0 (iPhone; CPU iPhone OS 18_6 like Mac OS X) … CriOS/139.0.7258.76 Mobile/15E148 Safari/604.1
Chrome|138|iOS|tablet|Mozilla/5.0 (iPad; CPU OS 17_7 like Mac OS X) … CriOS/138.0.7204.156 Mobile/15E148 Safari/604.1
Chrome|137|Android|phone|Mozilla/5.0 (Linux; Android 14; CUBOT X70) … Chrome/137.0.0.0 Mobile Safari/537.36
Safari|18|macOS|desktop|Mozilla/5.0 (Macintosh; Intel Mac OS X 10_15_7) … Version/18.6 Safari/605.1.15
Safari|26|iOS|phone|Mozilla/5.0 (iPhone; CPU iPhone OS 18_6 like Mac OS X) … Version/26.0 Mobile/15E148 Safari/604.1
Safari|16|iOS|phone|Mozilla/5.0 (iPhone; CPU iPhone OS 16_7_10 like Mac OS X) … Version/16.6 Mobile/15E148 Safari/604.1
Safari|12|iOS|tablet|Mozilla/5.0 (iPad; CPU OS 12_5_7 like Mac OS X) … Version/12.1.2 Mobile/15E148 Safari/604.1
Firefox|143|Windows|desktop|Mozilla/5.0 (Windows NT 10.0; Win64; x64; rv:143.0) Gecko/20100101 Firefox/143.0
Firefox|128|Linux|desktop|Mozilla/5.0 (X11; Linux x86_64; rv:128.0) Gecko/20100101 Firefox/128.0
Firefox|142|macOS|desktop|Mozilla/5.0 (Macintosh; Intel Mac OS X 10.15; rv:142.0) Gecko/20100101 Firefox/142.0
Firefox|143|Android|phone|Mozilla/5.0 (Android 14; Mobile; rv:143.0) Gecko/143.0 Firefox/143.0
Firefox|143|Android|tablet|Mozilla/5.0 (Android 13; Tablet; rv:143.0) Gecko/143.0 Firefox/143.0
Firefox|142|iOS|phone|Mozilla/5.0 (iPhone; CPU iPhone OS 18_6 like Mac OS X) … FxiOS/142.0 Mobile/15E148 Safari/605.1.15
Firefox|141|iOS|phone|Mozilla/5.0 (iPhone; CPU iPhone OS 18_5 like Mac OS X) … Focus/141.0 Mobile/15E148 Version/15.0
Edge|140|Windows|desktop|Mozilla/5.0 (Windows NT 10.0; Win64; x64) … Chrome/140.0.0.0 Safari/537.36 Edg/140.0.0.0
Edge|139|Android|phone|Mozilla/5.0 (Linux; Android 10; K) … Chrome/139.0.0.0 Mobile Safari/537.36 EdgA/139.0.0.0
Edge|139|iOS|phone|Mozilla/5.0 (iPhone; CPU iPhone OS 18_6 like Mac OS X) … Version/18.0 EdgiOS/139.0.3405.86 Mobile/15E148 Safari/605.1.15
Edge|18|Windows|desktop|Mozilla/5.0 (Windows NT 10.0; Win64; x64) … Chrome/64.0.3282.140 Safari/537.36 Edge/18.17763
Opera|121|Windows|desktop|Mozilla/5.0 (Windows NT 10.0; Win64; x64) … Chrome/137.0.0.0 Safari/537.36 OPR/121.0.0.0
Opera|91|Android|phone|Mozilla/5.0 (Linux; Android 10; K) … Chrome/139.0.0.0 Mobile Safari/537.36 OPR/91.0.0.0
Opera|5|iOS|phone|Mozilla/5.0 (iPhone; CPU iPhone OS 18_6 like Mac OS X) … Version/18.6 Mobile/15E148 Safari/604.1 OPT/5.4.0
Opera|36|Android|tablet|Opera/9.80 (Android; Opera Mini/36.2.2254/119.132; U; id) Presto/2.12.423 Version/12.16
Samsung Internet|28|Android|phone|Mozilla/5.0 (Linux; Android 10; K) … SamsungBrowser/28.0 Chrome/130.0.0.0 Mobile Safari/537.36
Samsung Internet|27|Android|tablet|Mozilla/5.0 (Linux; Android 14; SM-X710) … SamsungBrowser/27.0 Chrome/125.0.0.0 Safari/537.36
Yandex Browser|25|Windows|desktop|Mozilla/5.0 (Windows NT 10.0; Win64; x64) … Chrome/138.0.0.0 YaBrowser/25.8.0.0 Safari/537.36
Yandex Browser|25|Android|phone|Mozilla/5.0 (Linux; arm_64; Android 15; SM-S938B) … Chrome/138.0.7204.977 YaBrowser/25.8.3.77.00 SA/3 Mobile Safari/537.36
Yandex Browser|25|iOS|phone|Mozilla/5.0 (iPhone; CPU iPhone OS 18_6 like Mac OS X) … Version/18.0 YaBrowser/25.8.1.493.10 Mobile/15E148 Safari/604.1
Yandex app|25|Android|phone|Mozilla/5.0 (Linux; arm_64; Android 14; 2201117TY) … Chrome/136.0.7103.125 YaSearchBrowser/25.73.1 BroPP/1.0 YaSearchApp/25.73.1 webOmni SA/3 Mobile Safari/537.36
Vivaldi|7|Linux|desktop|Mozilla/5.0 (X11; Linux x86_64) … Chrome/138.0.0.0 Safari/537.36 Vivaldi/7.5.3735.66
DuckDuckGo|18|macOS|desktop|Mozilla/5.0 (Macintosh; Intel Mac OS X 10_15_7) … Version/18.6 Safari/605.1.15 Ddg/18.6
DuckDuckGo|5|Android|phone|Mozilla/5.0 (Linux; Android 10; K) … Version/4.0 Chrome/139.0.0.0 Mobile DuckDuckGo/5 Safari/537.36
DuckDuckGo|7|iOS|phone|Mozilla/5.0 (iPhone; CPU iPhone OS 17_6 like Mac OS X) … Version/17.6 Mobile/15E148 DuckDuckGo/7 Safari/605.1.15
UC Browser|13|Android|phone|Mozilla/5.0 (Linux; U; Android 12; ru-RU; M2101K6G Build/SKQ1) … Version/4.0 Chrome/100.0.4896.58 UCBrowser/13.8.2.1324 Mobile Safari/537.36
Huawei Browser|16|HarmonyOS|phone|Mozilla/5.0 (Linux; Android 12; HarmonyOS; NOH-NX9; HMSCore 6.15.0.302) … Chrome/114.0.5735.196 HuaweiBrowser/16.0.5.300 Mobile Safari/537.36
Huawei Browser|15|Android|phone|Mozilla/5.0 (Linux; Android 10; VOG-L29; HMSCore 6.13.0.302) … Chrome/114.0.5735.196 HuaweiBrowser/15.0.4.312 Mobile Safari/537.36
Huawei Browser|5|HarmonyOS|phone|Mozilla/5.0 (Phone; OpenHarmony 5.0) … Chrome/114.0.0.0 Safari/537.36 ArkWeb/4.1.6.1 Mobile HuaweiBrowser/5.0.4.300
ArkWeb|4|HarmonyOS|tablet|Mozilla/5.0 (Tablet; OpenHarmony 5.0) … Chrome/114.0.0.0 Safari/537.36 ArkWeb/4.1.6.1
Huawei Browser|5|HarmonyOS|desktop|Mozilla/5.0 (PC; OpenHarmony 5.1) … Chrome/132.0.0.0 Safari/537.36 ArkWeb/5.1.0.151 HuaweiBrowser/5.1.2.310
Mi Browser|14|Android|phone|Mozilla/5.0 (Linux; U; Android 14; ru-ru; 23021RAAEG Build/UKQ1) … Version/4.0 Chrome/112.0.5615.136 Mobile Safari/537.36 XiaoMi/MiuiBrowser/14.30.1-gn
HeyTap Browser|45|Android|phone|Mozilla/5.0 (Linux; U; Android 14; ru-ru; CPH2591 Build/UKQ1) … Version/4.0 Chrome/115.0.5790.168 Mobile Safari/537.36 HeyTapBrowser/45.11.4.1
Silk|138|Android|tablet|Mozilla/5.0 (Linux; Android 11; KFTRWI) … Silk/138.3.1 like Chrome/138.0.7204.179 Safari/537.36
Internet Explorer|11|Windows|desktop|Mozilla/5.0 (Windows NT 10.0; WOW64; Trident/7.0; rv:11.0) like Gecko
Android WebView|139|Android|phone|Mozilla/5.0 (Linux; Android 14; SM-A546E Build/UP1A; wv) … Version/4.0 Chrome/139.0.7258.94 Mobile Safari/537.36
iOS WebView|0|iOS|phone|Mozilla/5.0 (iPhone; CPU iPhone OS 18_6 like Mac OS X) … Mobile/15E148
Instagram|390|iOS|phone|Mozilla/5.0 (iPhone; CPU iPhone OS 18_6 like Mac OS X) … Mobile/22G86 Instagram 390.0.0.28.85 (iPhone15,3; iOS 18_6; ru_KZ; ru; scale=3.00; 1290x2796; IABMV/1)
Instagram|391|Android|phone|Mozilla/5.0 (Linux; Android 14; SM-A556E Build/UP1A; wv) … Version/4.0 Chrome/139.0.7258.94 Mobile Safari/537.36 Instagram 391.1.0.38.80 Android (34/14; 450dpi; samsung; ru_KZ)
Threads|390|iOS|phone|Mozilla/5.0 (iPhone; CPU iPhone OS 18_6 like Mac OS X) … Mobile/22G86 Barcelona 390.0.0.30.79 (iPhone14,5; iOS 18_6; en_US)
Facebook|527|iOS|phone|Mozilla/5.0 (iPhone; CPU iPhone OS 18_6 like Mac OS X) … Mobile/22G86 [FBAN/FBIOS;FBAV/527.0.0.46.101;FBBV/780;FBDV/iPhone13,2;FBMD/iPhone;FBSN/iOS;FBSV/18.6;FBSS/3;FBLC/ru_RU]
Facebook|528|Android|phone|Mozilla/5.0 (Linux; Android 13; SM-A325F Build/TP1A; wv) … Version/4.0 Chrome/139.0.7258.94 Mobile Safari/537.36 [FB_IAB/FB4A;FBAV/528.0.0.42.107;]
TikTok|0|Android|phone|Mozilla/5.0 (Linux; Android 14; SM-A155F Build/UP1A; wv) … Version/4.0 Chrome/139.0.7258.94 Mobile Safari/537.36 trill_410103 JsSdk/1.0 NetType/WIFI Channel/googleplay AppName/musical_ly ByteLocale/ru-RU
WeChat|8|iOS|phone|Mozilla/5.0 (iPhone; CPU iPhone OS 18_6 like Mac OS X) … Mobile/15E148 MicroMessenger/8.0.61(0x18003d34) NetType/WIFI Language/zh_CN
Snapchat|13|iOS|phone|Mozilla/5.0 (iPhone; CPU iPhone OS 18_6 like Mac OS X) … Version/18.6 Mobile/15E148 Snapchat/13.51.0.57 (like Safari/8621.3.11, panda)
Pinterest|0|iOS|phone|Mozilla/5.0 (iPhone; CPU iPhone OS 18_6 like Mac OS X) … Mobile/15E148 [Pinterest/iOS]
LinkedIn|0|Android|phone|Mozilla/5.0 (Linux; Android 14; Pixel 8 Build/AP2A; wv) … Version/4.0 Chrome/139.0.7258.94 Mobile Safari/537.36 [LinkedInApp]
Telegram|11|Android|phone|Mozilla/5.0 (Linux; Android 14; K) … Chrome/139.0.0.0 Mobile Safari/537.36 Telegram-Android/11.14.1 (Samsung SM-A546E; Android 14; SDK 34; AVERAGE)
LINE|15|iOS|phone|Mozilla/5.0 (iPhone; CPU iPhone OS 18_6 like Mac OS X) … Mobile/15E148 Safari Line/15.12.1
Google app|383|iOS|phone|Mozilla/5.0 (iPhone; CPU iPhone OS 18_6 like Mac OS X) … GSA/383.0.797833943 Mobile/15E148 Safari/604.1
Electron|32|Windows|desktop|Mozilla/5.0 (Windows NT 10.0; Win64; x64) … Slack/4.45.64 Chrome/128.0.6613.186 Electron/32.3.3 Safari/537.36
Samsung Internet|5|Tizen|tv|Mozilla/5.0 (SMART-TV; LINUX; Tizen 7.0) … SamsungBrowser/5.0 Chrome/94.0.4606.31 TV Safari/537.36
Chrome|94|webOS|tv|Mozilla/5.0 (Web0S; Linux/SmartTV) … Chrome/94.0.4606.128 Safari/537.36 WebAppManager
Chrome|122|Android|tv|Mozilla/5.0 (Linux; Android 10; BRAVIA 4K VH2) … Chrome/122.0.6261.119 Safari/537.36
Silk|134|Android|tv|Mozilla/5.0 (Linux; Android 9; AFTMM Build/PS7) … Silk/134.4.1 like Chrome/134.0.6998.207 Safari/537.36
Chrome|90|Linux|tv|Mozilla/5.0 (X11; Linux armv7l) … Chrome/90.0.4430.225 Safari/537.36 CrKey/1.56.500000
Safari|17|PlayStation|console|Mozilla/5.0 (PlayStation; PlayStation 5/9.00) … Version/17.0 Safari/605.1.15
Edge|138|Windows|console|Mozilla/5.0 (Windows NT 10.0; Win64; x64; Xbox; Xbox One) … Chrome/138.0.0.0 Safari/537.36 Edge/138.0.0.0
Safari|18|macOS|desktop|Mozilla/5.0 (Macintosh; Intel Mac OS X 10_15_7) … Version/18.5 Safari/605.1.15
other|0|other|other|Example/1.0";

/// `class|agent`
const BOTS: &str = "\
search|Mozilla/5.0 (compatible; Googlebot/2.1; +http://www.google.com/bot.html)
search|Mozilla/5.0 (Linux; Android 6.0.1; Nexus 5X Build/MMB29P) … Chrome/139.0.0.0 Mobile Safari/537.36 (compatible; Googlebot/2.1; +http://www.google.com/bot.html)
search|Mozilla/5.0 … compatible; bingbot/2.0; +http://www.bing.com/bingbot.htm) Chrome/116.0.1938.76 Safari/537.36
search|Mozilla/5.0 (compatible; YandexBot/3.0; +http://yandex.com/bots)
search|Mozilla/5.0 (Macintosh; Intel Mac OS X 10_15_5) … Version/13.1.1 Safari/605.1.15 (Applebot/0.1; +http://www.apple.com/go/applebot)
ai|Mozilla/5.0 … compatible; GPTBot/1.2; +https://openai.com/gptbot
ai|Mozilla/5.0 … compatible; ClaudeBot/1.0; +claudebot@anthropic.com)
ai|Mozilla/5.0 … compatible; PerplexityBot/1.0; +https://perplexity.ai/perplexitybot)
ai|Mozilla/5.0 (Linux; Android 5.0) … Mobile Safari/537.36 (compatible; Bytespider; spider-feedback@bytedance.com)
seo|Mozilla/5.0 (compatible; AhrefsBot/7.0; +http://ahrefs.com/robot/)
seo|Mozilla/5.0 (compatible; SemrushBot/7~bl; +http://www.semrush.com/bot.html)
monitor|Mozilla/5.0+(compatible; UptimeRobot/2.0; http://www.uptimerobot.com/)
monitor|Mozilla/5.0 (compatible; PRTG Network Monitor (www.paessler.com); Windows)
advertising|AdsBot-Google (+http://www.google.com/adsbot.html)
preview|facebookexternalhit/1.1 (+http://www.facebook.com/externalhit_uatext.php)
preview|WhatsApp/2.23.20.0 A
preview|TelegramBot (like TwitterBot)
feed|Feedly/1.0 (+http://www.feedly.com/fetcher.html; like FeedFetcher-Google)
archive|Mozilla/5.0 (compatible; archive.org_bot +http://archive.org/details/archive.org_bot)
scanner|Mozilla/5.0 zgrab/0.x
tool|python-requests/2.32.3
tool|Go-http-client/1.1
tool|curl/8.5.0
tool|Scrapy/2.11.2 (+https://scrapy.org)
other|Unheard-of (+https://example.com/what-we-do)
other|ExampleCrawler/1.0";

fn sender(agent: &str) -> Sender {
    Sender {
        arrived_at: Timestamp::UNIX_EPOCH,
        address: Personal::new(IpAddr::V4(Ipv4Addr::LOCALHOST)),
        user_agent: Personal::new(agent.replace('…', "AppleWebKit/537.36 (KHTML, like Gecko)")),
        brands: Personal::new(String::new()),
        platform: Personal::new(String::new()),
        mobile: false,
        has_language: true,
        has_fetch_metadata: true,
    }
}

fn short(client: &Client) -> String {
    format!("{}|{}|{}|{}", client.browser, client.browser_major, client.os, client.device)
}

#[test]
fn people_are_read_as_what_they_use_and_never_as_bots() {
    let clients = Clients::new();
    assert!(PEOPLE.lines().count() >= 60);
    let mut wrong = Vec::new();
    for line in PEOPLE.lines() {
        let (expected, agent) = line.rsplit_once('|').expect("a line has five fields");
        let (client, automation) = clients.classify(&sender(agent));
        if short(&client) != expected || automation != Automation::None {
            wrong.push(format!("{} {automation:?} for {line}", short(&client)));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn declared_bots_are_known_by_their_class() {
    let clients = Clients::new();
    let mut wrong = Vec::new();
    for line in BOTS.lines() {
        let (class, agent) = line.split_once('|').expect("a line has two fields");
        match clients.classify(&sender(agent)).1 {
            Automation::Declared(found) if found == class => {}
            found => wrong.push(format!("{found:?} for {line}")),
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

const CHROME: &str = "Mozilla/5.0 (Windows NT 10.0; Win64; x64) … Chrome/140.0.0.0 Safari/537.36";

#[test]
fn each_sign_of_automation_has_its_name() {
    let clients = Clients::new();
    let suspicion = |change: &dyn Fn(&mut Sender)| {
        let mut sender = sender(CHROME);
        change(&mut sender);
        clients.classify(&sender).1
    };
    let text = |text: &str| Personal::new(text.to_owned());
    assert_eq!(suspicion(&|_| ()), Automation::None);
    assert_eq!(suspicion(&|sender| sender.user_agent = text("")), Automation::Suspect("no_agent"));
    assert_eq!(suspicion(&|sender| sender.user_agent = text("  ")), Automation::Suspect("no_agent"));
    assert_eq!(suspicion(&|sender| sender.has_language = false), Automation::Suspect("no_language"));
    assert_eq!(suspicion(&|sender| sender.has_fetch_metadata = false), Automation::Suspect("no_fetch_metadata"));
    assert_eq!(suspicion(&|sender| sender.platform = text("Linux")), Automation::Suspect("platform_mismatch"));
    assert_eq!(suspicion(&|sender| sender.platform = text("Windows")), Automation::None);
    let headless = r#""HeadlessChrome";v="140", "Chromium";v="140""#;
    assert_eq!(suspicion(&|sender| sender.brands = text(headless)), Automation::Suspect("headless"));
    let headless =
        "Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) HeadlessChrome/140.0.0.0 Safari/537.36";
    assert_eq!(suspicion(&|sender| sender.user_agent = text(headless)), Automation::Suspect("headless"));
    // A browser that never sent fetch metadata is not suspected for the lack of it.
    let old = "Mozilla/5.0 (iPhone; CPU iPhone OS 15_8 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like Gecko) Version/15.6 Mobile/15E148 Safari/604.1";
    let without = |sender: &mut Sender| {
        sender.user_agent = text(old);
        sender.has_fetch_metadata = false;
    };
    assert_eq!(suspicion(&without), Automation::None);
}

#[test]
fn hints_tell_what_the_agent_hides() {
    let clients = Clients::new();
    let hinted = |agent: &str, brands: &str, platform: &str, mobile: bool| {
        let mut sender = sender(agent);
        sender.brands = Personal::new(brands.to_owned());
        sender.platform = Personal::new(platform.to_owned());
        sender.mobile = mobile;
        let (client, automation) = clients.classify(&sender);
        assert_eq!(automation, Automation::None, "{agent}");
        short(&client)
    };
    let brave = r#""Brave";v="140", "Chromium";v="140", "Not=A?Brand";v="24""#;
    assert_eq!(hinted(CHROME, brave, "Windows", false), "Brave|140|Windows|desktop");
    let edge = r#""Chromium";v="140", "Not=A?Brand";v="24", "Microsoft Edge";v="140""#;
    assert_eq!(hinted(CHROME, edge, "Windows", false), "Edge|140|Windows|desktop");
    let desktop_pages = "Mozilla/5.0 (X11; Linux x86_64) … Chrome/140.0.0.0 Safari/537.36";
    assert_eq!(hinted(desktop_pages, "", "Android", false), "Chrome|140|Android|tablet");
    let reduced = "Mozilla/5.0 (Linux; Android 10; K) … Chrome/140.0.0.0 Safari/537.36";
    assert_eq!(hinted(reduced, "", "Android", true), "Chrome|140|Android|phone");
    // The agent is the better witness when it names more than an engine.
    let samsung = "Mozilla/5.0 (Linux; Android 10; K) … SamsungBrowser/28.0 Chrome/130.0.0.0 Mobile Safari/537.36";
    assert_eq!(hinted(samsung, brave, "Android", true), "Samsung Internet|28|Android|phone");
}

proptest! {
    #[test]
    fn any_headers_are_answered_with_words_of_our_own(agent in "\\PC{0,700}", brands in "\\PC{0,300}", platform in "\\PC{0,40}") {
        thread_local!(static CLIENTS: Clients = Clients::new());
        let mut sender = sender(&agent);
        sender.brands = Personal::new(brands);
        sender.platform = Personal::new(platform);
        let (client, _) = CLIENTS.with(|clients| clients.classify(&sender));
        for word in [client.browser, client.os, client.device] {
            prop_assert!(word.len() <= 20 && word.is_ascii());
        }
    }
}

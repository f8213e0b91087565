//! Requests as browsers send them, made from a counter. Every measured server and stage gets the same ones.
//!
//! No two requests have the same view id, so that none is a duplicate; agents, networks, cookies and pages repeat as
//! they do on a site. The site is the one of [`CONFIG`].

use std::sync::LazyLock;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use jiff::civil::Date;
use tamga::privacy::cookie::{Browser, LocalTime, advance};
use tamga::privacy::seal::CookieSeal;
use tamga::secret::Secret;

/// The configuration of every measurement. The rate limits are checked and never reached.
const CONFIG: &str = r#"
[server]
trusted_proxies = ["127.0.0.0/8"]
max_connections = 8192

[limits]
network_per_s = 1000000
site_per_s = 10000000
visitor_events_per_h = 100000000

[[site]]
domain = "jetpay.kz"
public_url = "https://t.jetpay.kz"
origins = ["https://jetpay.kz"]
time_zone = "Asia/Almaty"
profile = "jetpay"
paths = ["/", "/tariffs", "/pay/:order", "/docs/*"]
events = ["pay.started", "pay.done"]
variants = ["a", "b"]
"#;

/// The configuration with so many sites alike.
pub(crate) fn config(sites: usize) -> String {
    let (head, site) = CONFIG.split_at(CONFIG.find("[[site]]").expect("it has one"));
    let named = |at| site.replace(SITE, &self::site(at, sites));
    (0..sites as u64).fold(head.to_owned(), |config, at| config + "\n" + &named(at))
}

/// The site of a request, of so many.
pub(crate) fn site(number: u64, sites: usize) -> String {
    if sites == 1 { SITE.to_owned() } else { format!("site{}.kz", number % sites as u64) }
}

/// The key that seals the cookies.
pub(crate) const COOKIE_KEY: [u8; 32] = [0x5a; 32];

pub(crate) const SITE: &str = "jetpay.kz";
/// How many visitors come back.
pub(crate) const VISITORS: u64 = 500;
const PAGES: [&str; 6] = ["/", "/tariffs", "/pay/000123", "/docs/start", "/docs/api/keys", "/about"];
const AGENTS: [&str; 6] = [
    "Mozilla/5.0 (Linux; Android 10; K) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/150.0.0.0 Mobile Safari/537.36",
    "Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/150.0.0.0 Safari/537.36",
    "Mozilla/5.0 (iPhone; CPU iPhone OS 18_6 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like Gecko) Version/26.0 Mobile/15E148 Safari/604.1",
    "Mozilla/5.0 (X11; Linux x86_64; rv:143.0) Gecko/20100101 Firefox/143.0",
    "Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/149.0.0.0 Safari/537.36 Edg/149.0.0.0",
    "Mozilla/5.0 (Macintosh; Intel Mac OS X 10_15_7) AppleWebKit/605.1.15 (KHTML, like Gecko) Version/26.0 Safari/605.1.15",
];

static SEAL: LazyLock<CookieSeal> = LazyLock::new(|| CookieSeal::new(&Secret::new(COOKIE_KEY)));

/// A day before the one on which cookies come back: their identity changes on arrival, as most do on a first visit of a
/// day.
#[expect(clippy::disallowed_methods, reason = "the server that is measured follows the machine's clock")]
fn yesterday() -> Date {
    jiff::Zoned::now().date().yesterday().expect("in range")
}

/// The agent of a request.
pub(crate) fn agent(number: u64) -> &'static str {
    AGENTS[number as usize % AGENTS.len()]
}

/// The cookie of a request to this site, as the browser sends it back.
pub(crate) fn cookie(number: u64, site: &str) -> String {
    let mut id = [0; 16];
    id[..8].copy_from_slice(&(number % VISITORS).to_le_bytes());
    let now = LocalTime { day: yesterday(), minute: 600 };
    SEAL.seal(site, &advance(Browser::new(id), now, 1).1)
}

/// An address of the networks that the fixtures know.
pub(crate) fn address(number: u64) -> [u8; 4] {
    let spread = number.wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 40;
    [198, 18 + (spread & 1) as u8, (spread >> 1) as u8, (spread >> 9) as u8 | 1]
}

/// A body with `events` events, of pages with so long a query.
pub(crate) fn body(number: u64, events: usize, site: &str, query: usize) -> String {
    let mut view = [0xa5; 16];
    view[..8].copy_from_slice(&number.wrapping_mul(0x9e37_79b9_7f4a_7c15).to_le_bytes());
    view[8..].copy_from_slice(&number.to_le_bytes());
    let page = |at: usize| PAGES[(number as usize + at) % PAGES.len()];
    let query = "q".repeat(query);
    let event = |at: usize| match at % 5 {
        0 if at == 0 => format!(
            r#"{{"type":"view","at":12,"url":"https://{site}{}?utm_source=newsletter{query}","referrer":"https://www.google.kz/"}}"#,
            page(at)
        ),
        0 => format!(
            r#"{{"type":"view","at":{at}12,"url":"https://{site}{}","referrer":"https://{site}{}"}}"#,
            page(at),
            page(at + 1)
        ),
        1 => format!(r#"{{"type":"engage","at":{at}900,"engaged_ms":{at}500}}"#),
        2 => format!(r#"{{"type":"event","at":{at}950,"name":"pay.started","variant":"b"}}"#),
        3 => format!(r#"{{"type":"engage","at":{at}990,"engaged_ms":{at}900}}"#),
        _ => format!(r#"{{"type":"exit","at":{at}999,"url":"https://kaspi.kz/shop/{at}"}}"#),
    };
    let events: Vec<_> = (0..events).map(event).collect();
    format!(
        r#"{{"v":1,"site":"{site}","view":"{}","seq":0,"events":[{}]}}"#,
        URL_SAFE_NO_PAD.encode(view),
        events.join(",")
    )
}

//! The shop as a site of the collector: its names, its time zone, its `[[site]]` in the configuration.

use jiff::Timestamp;
use jiff::tz::TimeZone;
use tamga::items::Items;

/// The shop's name in beacons and rows.
pub(crate) const SITE: &str = "demo.localhost";
/// The zone whose midnight begins the shop's day.
pub(crate) const TIME_ZONE: &str = "Asia/Almaty";
/// Visitors of a whole day: enough that rare pages are published too, few enough that a laptop plays two days in less than
/// a minute.
pub(crate) const VISITORS_PER_DAY: u32 = 3_000;

/// Days since the shop opened, today included: a whole month and a week before it.
pub(crate) const DAYS: u32 = 35;
/// The experiment of the shop: the event that the cart sends, and its variants, without a note and with it.
pub(crate) const NOTE: &str = "cart-note";
pub(crate) const VARIANTS: [&str; 2] = ["plain", "noted"];
/// The collector's name among nodes.
pub(crate) const NODE: &str = "demo";

/// The collector's cookie on plain http.
pub(crate) fn identity_cookie() -> String {
    format!("tamga-{SITE}")
}

/// The host, with its port, under which browsers reach the shop.
pub(crate) fn shop_host(port: u16) -> String {
    format!("shop.{SITE}:{port}")
}

/// The host, with its port, under which browsers reach the collector.
pub(crate) fn collector_host(port: u16) -> String {
    format!("t.{SITE}:{port}")
}

/// When the demo begins: yesterday's midnight in the shop's zone.
pub(crate) fn beginning(now: Timestamp) -> Timestamp {
    let yesterday = now.to_zoned(time_zone()).date().yesterday().expect("there was a yesterday");
    yesterday.to_zoned(time_zone()).expect("the zone has this day").timestamp()
}

/// The shop's time zone.
pub(crate) fn time_zone() -> TimeZone {
    TimeZone::get(TIME_ZONE).expect("the zone is in the bundled database")
}

/// The shop's `[[site]]` in the configuration; the words are the ones that its visitors use.
pub(crate) fn site_toml(port: u16) -> String {
    format!(
        r#"[[site]]
domain = "{SITE}"
public_url = "http://{collector}"
origins = ["http://{shop}"]
time_zone = "{TIME_ZONE}"
items = [{items}]
paths = ["/", "/catalog", "/catalog/*", "/product/*", "/cart", "/checkout", "/pay/:order", "/thanks", "/about", "/delivery", "/counted"]
events = ["cart-add", "{NOTE}", "checkout-done", "order-paid"]
variants = ["{plain}", "{noted}"]
publish_every = "24h"
goals = {{ cart = "cart-add", order = "order-paid" }}
experiments = ["{NOTE}"]
funnels = {{ buy = ["/cart", "/checkout", "/pay/:order", "order-paid"] }}
pairs = [["device", "channel"], ["country", "browser"]]

[site.campaigns]
sources = ["instagram", "google", "telegram", "newsletter"]
mediums = ["social", "cpc", "messenger", "email"]
names = ["winter-felt", "new-tea"]
"#,
        collector = collector_host(port),
        shop = shop_host(port),
        items = items(),
        plain = VARIANTS[0],
        noted = VARIANTS[1],
    )
}

/// All that any published policy lists.
fn items() -> String {
    Items::KEYS.iter().map(|key| format!("\"{key}\"")).collect::<Vec<_>>().join(", ")
}

#[cfg(test)]
mod tests {
    use super::*;
    use tamga::config::Config;

    #[test]
    fn the_shop_s_configuration_is_sound() {
        let text = format!("[server]\ntrusted_proxies = [\"127.0.0.0/8\"]\n{}", site_toml(8080));
        let config = Config::parse(&text, "demo.toml".as_ref(), std::iter::empty()).expect("sound");
        let site = config.site(SITE).expect("the shop");
        assert_eq!(site.public_host().as_deref(), Some("t.demo.localhost:8080"));
        assert_eq!(site.origins, ["http://shop.demo.localhost:8080"]);
    }

    #[test]
    fn the_demo_begins_at_yesterday_s_midnight_of_the_shop() {
        let now: Timestamp = "2026-11-22T20:30:00Z".parse().expect("a time");
        assert_eq!(beginning(now).to_string(), "2026-11-21T19:00:00Z", "in Almaty it is the 23rd, 01:30");
    }
}

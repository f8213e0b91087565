//! The visits of the demo: their sources, the order of pages, the time on each page, and the exits.
//!
//! Every page that follows another is linked from it in the shop. The weights are invented. Phones from Instagram
//! bounce and visitors from the map look for the shop's address, so that the published numbers have something to show.

use crate::random::Random;

/// The path of a payment: an order number takes the place of `:order`.
pub(crate) const PAYMENT: &str = "/pay/:order";

/// A page of the shop.
struct Page {
    path: &'static str,
    /// Seconds that half of the visitors stay.
    median_s: f64,
    /// The pages that it leads to; leaving the site has the weight `leave`.
    next: &'static [(&'static str, u32)],
    leave: u32,
    /// Other sites that it links to: share of those who leave here, origin.
    outbound: (f64, &'static [(&'static str, u32)]),
}

const TELEGRAM: &[(&str, u32)] = &[("https://t.me", 1)];

const PAGES: &[Page] = &[
    Page {
        path: "/",
        median_s: 14.0,
        next: &[
            ("/catalog", 36),
            ("/catalog/tea", 14),
            ("/product/aral-tea", 10),
            ("/product/felt-slippers", 9),
            ("/product/steppe-flask", 5),
            ("/product/syrmaq-rug", 6),
            ("/about", 7),
            ("/delivery", 5),
        ],
        leave: 24,
        outbound: (0.06, TELEGRAM),
    },
    Page {
        path: "/catalog",
        median_s: 18.0,
        next: &[
            ("/catalog/tea", 22),
            ("/catalog/felt", 20),
            ("/catalog/gear", 12),
            ("/product/aral-tea", 10),
            ("/product/felt-slippers", 10),
            ("/product/syrmaq-rug", 5),
            ("/", 5),
        ],
        leave: 20,
        outbound: (0.01, TELEGRAM),
    },
    Page {
        path: "/catalog/tea",
        median_s: 21.0,
        next: &[("/product/aral-tea", 46), ("/catalog", 10), ("/catalog/gear", 8)],
        leave: 22,
        outbound: (0.01, TELEGRAM),
    },
    Page {
        path: "/catalog/felt",
        median_s: 24.0,
        next: &[("/product/felt-slippers", 34), ("/product/syrmaq-rug", 22), ("/catalog", 12)],
        leave: 24,
        outbound: (0.01, TELEGRAM),
    },
    Page {
        path: "/catalog/gear",
        median_s: 19.0,
        next: &[("/product/steppe-flask", 42), ("/catalog", 10), ("/catalog/felt", 8)],
        leave: 27,
        outbound: (0.01, TELEGRAM),
    },
    Page {
        path: "/product/aral-tea",
        median_s: 34.0,
        next: &[("/cart", 24), ("/catalog", 18), ("/delivery", 8)],
        leave: 28,
        outbound: (0.03, TELEGRAM),
    },
    Page {
        path: "/product/felt-slippers",
        median_s: 41.0,
        next: &[("/cart", 19), ("/catalog", 24), ("/delivery", 8)],
        leave: 34,
        outbound: (0.03, TELEGRAM),
    },
    Page {
        path: "/product/steppe-flask",
        median_s: 30.0,
        next: &[("/cart", 15), ("/catalog", 24), ("/delivery", 6)],
        leave: 33,
        outbound: (0.03, TELEGRAM),
    },
    Page {
        path: "/product/syrmaq-rug",
        median_s: 52.0,
        next: &[("/cart", 6), ("/catalog", 24), ("/about", 9), ("/delivery", 9)],
        leave: 42,
        outbound: (0.05, TELEGRAM),
    },
    Page {
        path: "/cart",
        median_s: 22.0,
        next: &[("/checkout", 50), ("/catalog", 16), ("/delivery", 9)],
        leave: 25,
        outbound: (0.01, TELEGRAM),
    },
    Page {
        path: "/checkout",
        median_s: 62.0,
        next: &[(PAYMENT, 64), ("/cart", 12), ("/delivery", 5)],
        leave: 19,
        outbound: (0.01, TELEGRAM),
    },
    // Who pays elsewhere does not come back to the shop's thanks.
    Page {
        path: PAYMENT,
        median_s: 45.0,
        next: &[("/thanks", 70)],
        leave: 30,
        outbound: (0.8, &[("https://kaspi.kz", 1)]),
    },
    Page {
        path: "/thanks",
        median_s: 12.0,
        next: &[("/", 14), ("/delivery", 6)],
        leave: 80,
        outbound: (0.4, &[("https://www.post.kz", 4), ("https://t.me", 1)]),
    },
    Page {
        path: "/about",
        median_s: 28.0,
        next: &[("/catalog", 22), ("/delivery", 10), ("/", 10)],
        leave: 42,
        outbound: (0.3, TELEGRAM),
    },
    Page {
        path: "/delivery",
        median_s: 25.0,
        next: &[("/catalog", 26), ("/cart", 8), ("/about", 8)],
        leave: 38,
        outbound: (0.35, &[("https://www.post.kz", 5), ("https://t.me", 1)]),
    },
];

/// Where visits come from.
pub(crate) struct Source {
    /// What the browser says of it, as the snippet trims it; empty for none.
    pub(crate) referrer: &'static str,
    /// The campaign's parameters, or empty.
    pub(crate) query: &'static str,
    /// Where such visits begin.
    pub(crate) landings: &'static [(&'static str, u32)],
    /// The share that sees one page.
    pub(crate) bounce: f64,
    weight: u32,
}

const ANYWHERE: &[(&str, u32)] = &[("/", 60), ("/catalog", 15), ("/catalog/tea", 8), ("/delivery", 7), ("/about", 5)];
const SEARCHED: &[(&str, u32)] = &[
    ("/", 25),
    ("/product/aral-tea", 20),
    ("/product/felt-slippers", 22),
    ("/catalog/felt", 16),
    ("/catalog/tea", 12),
    ("/product/syrmaq-rug", 5),
];

/// The shop's sources. Their `utm_*` words are the ones of the demo's configuration, but for one that a stranger made
/// up.
pub(crate) const SOURCES: &[Source] = &[
    Source { referrer: "", query: "", landings: ANYWHERE, bounce: 0.32, weight: 300 },
    Source { referrer: "https://www.google.kz/", query: "", landings: SEARCHED, bounce: 0.38, weight: 130 },
    Source { referrer: "https://www.google.com/", query: "", landings: SEARCHED, bounce: 0.38, weight: 110 },
    Source { referrer: "https://yandex.kz/", query: "", landings: SEARCHED, bounce: 0.36, weight: 115 },
    Source {
        referrer: "https://l.instagram.com/",
        query: "",
        landings: &[("/", 60), ("/product/syrmaq-rug", 40)],
        bounce: 0.58,
        weight: 70,
    },
    Source { referrer: "https://t.me/", query: "", landings: ANYWHERE, bounce: 0.4, weight: 25 },
    Source {
        referrer: "https://2gis.kz/",
        query: "",
        landings: &[("/", 70), ("/about", 20), ("/delivery", 10)],
        bounce: 0.3,
        weight: 60,
    },
    Source {
        referrer: "https://l.instagram.com/",
        query: "utm_source=instagram&utm_medium=social&utm_campaign=winter-felt",
        landings: &[("/catalog/felt", 70), ("/product/felt-slippers", 30)],
        bounce: 0.55,
        weight: 85,
    },
    Source {
        referrer: "https://www.google.com/",
        query: "utm_source=google&utm_medium=cpc&utm_campaign=winter-felt",
        landings: &[("/catalog/felt", 100)],
        bounce: 0.42,
        weight: 55,
    },
    Source {
        referrer: "",
        query: "utm_source=telegram&utm_medium=messenger&utm_campaign=new-tea",
        landings: &[("/catalog/tea", 60), ("/product/aral-tea", 40)],
        bounce: 0.35,
        weight: 60,
    },
    Source {
        referrer: "",
        query: "utm_source=newsletter&utm_medium=email&utm_campaign=new-tea",
        landings: &[("/product/aral-tea", 100)],
        bounce: 0.28,
        weight: 30,
    },
    Source {
        referrer: "https://blog.example/",
        query: "utm_source=blog-of-a-friend&utm_medium=post",
        landings: &[("/product/steppe-flask", 100)],
        bounce: 0.45,
        weight: 10,
    },
];

/// What visitors search the catalog for; some type what they should not.
pub(crate) const SEARCHES: &[(&str, u32)] = &[
    ("чай", 30),
    ("войлок", 18),
    ("тапочки", 16),
    ("шай", 12),
    ("киіз", 8),
    ("термос", 8),
    ("Aral tea", 4),
    ("заказ 4400 4301 2345 6789", 2),
    ("+7 701 765 43 21", 2),
];
/// What fails in the shop's pages.
pub(crate) const ERRORS: &[(&str, u32)] = &[
    ("TypeError: Cannot read properties of null (reading 'dataset')", 60),
    ("Error: order {} was not found", 30),
    ("NetworkError: http://shop.demo.localhost/api/cart/{} timed out after {} ms", 10),
];

/// One page view of a visit.
pub(crate) struct Stay {
    /// The path, a payment's with its order number.
    pub(crate) path: String,
    /// How long the page stays open.
    pub(crate) seconds: f64,
    /// The origin of another site whose link ends the visit, or empty.
    pub(crate) leaves_to: &'static str,
    /// The event that the page's script sends, or empty.
    pub(crate) event: &'static str,
}

/// Picks the source of a visit. People who know the shop mostly come directly.
pub(crate) fn source(returning: bool, random: &mut Random) -> &'static Source {
    if returning && random.chance(0.5) { &SOURCES[0] } else { random.weighted(SOURCES, |source| source.weight) }
}

/// Picks the pages of a visit: at least one, at most 40.
pub(crate) fn walk(source: &Source, random: &mut Random) -> Vec<Stay> {
    let mut page = page(random.weighted(source.landings, |(_, weight)| *weight).0);
    let order = 100_000 + random.below(900_000);
    let mut stays = Vec::new();
    loop {
        let bounced = stays.is_empty() && random.chance(source.bounce);
        let onward = page.next.iter().map(|(_, weight)| weight).sum::<u32>();
        // A visit that did not bounce continues from the first page.
        let leaves = bounced
            || stays.len() >= 39
            || (!stays.is_empty() && random.below(u64::from(onward + page.leave)) < u64::from(page.leave));
        let next = random.weighted(page.next, |(_, weight)| *weight).0;
        let clicks_out = leaves && !bounced && random.chance(page.outbound.0);
        let patience = if bounced { 0.6 } else { 1.0 };
        stays.push(Stay {
            path: page.path.replace(":order", &order.to_string()),
            seconds: random.around(page.median_s * patience, 0.8).clamp(1.0, 1_500.0),
            leaves_to: if clicks_out { random.weighted(page.outbound.1, |(_, weight)| *weight).0 } else { "" },
            event: event(page.path, if leaves { "" } else { next }),
        });
        if leaves {
            return stays;
        }
        page = self::page(next);
    }
}

/// The events of the shop's own script, each sent on the page where it happens.
fn event(path: &str, next: &str) -> &'static str {
    match (path, next) {
        (_, "/cart") if path.starts_with("/product/") => "cart-add",
        (_, PAYMENT) => "checkout-done",
        ("/thanks", _) => "order-paid",
        _ => "",
    }
}

/// All paths, payments as a template.
pub(crate) fn paths() -> impl Iterator<Item = &'static str> {
    PAGES.iter().map(|page| page.path)
}

/// Every link that visitors follow within the shop: from, to.
#[cfg(test)]
pub(crate) fn links() -> impl Iterator<Item = (&'static str, &'static str)> {
    PAGES.iter().flat_map(|page| page.next.iter().map(|(to, _)| (page.path, *to)))
}

/// Every link that visitors follow to another site: from, origin.
#[cfg(test)]
pub(crate) fn outbound_links() -> impl Iterator<Item = (&'static str, &'static str)> {
    PAGES.iter().flat_map(|page| page.outbound.1.iter().map(|(origin, _)| (page.path, *origin)))
}

fn page(path: &str) -> &'static Page {
    PAGES.iter().find(|page| page.path == path).expect("a test follows every link and landing")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_link_and_landing_is_a_page() {
        for (path, _) in PAGES.iter().flat_map(|page| page.next).chain(SOURCES.iter().flat_map(|s| s.landings)) {
            assert_eq!(page(path).path, *path);
        }
    }

    #[test]
    fn visits_follow_links_end_and_sometimes_buy() {
        let mut random = Random::new(8);
        let (mut bounced, mut paid, mut exits) = (0, 0, 0);
        for _ in 0..5000 {
            let stays = walk(source(false, &mut random), &mut random);
            assert!((1..=40).contains(&stays.len()));
            for pair in stays.windows(2) {
                let template = if pair[0].path.starts_with("/pay/") { PAYMENT } else { &pair[0].path };
                let next = if pair[1].path.starts_with("/pay/") { PAYMENT } else { &pair[1].path };
                assert!(page(template).next.iter().any(|(path, _)| *path == next), "{template} {next}");
                assert_eq!(pair[0].leaves_to, "", "only the last page is left for another site");
            }
            bounced += usize::from(stays.len() == 1);
            paid += usize::from(stays.iter().any(|stay| stay.event == "order-paid"));
            exits += usize::from(stays.last().is_some_and(|stay| !stay.leaves_to.is_empty()));
        }
        assert!((1500..2500).contains(&bounced), "{bounced}");
        assert!((50..500).contains(&paid), "{paid}");
        assert!((50..600).contains(&exits), "{exits}");
    }
}

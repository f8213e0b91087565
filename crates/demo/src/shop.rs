//! The demo shop's pages as a pure function: host and path in, content type and body out.
//!
//! The pages are part of the program, so that `tamga-demo` needs no folder beside it. The snippet, which depends on the
//! port, is filled in. No page does anything with what is typed into it.

use std::borrow::Cow;

use crate::site::{SITE, collector_host, shop_host};

const HTML: &str = "text/html; charset=utf-8";

/// Paths that have one file; payments have any number and one page.
const FILES: &[(&str, &str, &str)] = &[
    ("/", HTML, include_str!("../shop/index.html")),
    ("/catalog", HTML, include_str!("../shop/catalog.html")),
    ("/catalog/tea", HTML, include_str!("../shop/catalog/tea.html")),
    ("/catalog/felt", HTML, include_str!("../shop/catalog/felt.html")),
    ("/catalog/gear", HTML, include_str!("../shop/catalog/gear.html")),
    ("/product/aral-tea", HTML, include_str!("../shop/product/aral-tea.html")),
    ("/product/felt-slippers", HTML, include_str!("../shop/product/felt-slippers.html")),
    ("/product/steppe-flask", HTML, include_str!("../shop/product/steppe-flask.html")),
    ("/product/syrmaq-rug", HTML, include_str!("../shop/product/syrmaq-rug.html")),
    ("/cart", HTML, include_str!("../shop/cart.html")),
    ("/checkout", HTML, include_str!("../shop/checkout.html")),
    ("/thanks", HTML, include_str!("../shop/thanks.html")),
    ("/about", HTML, include_str!("../shop/about.html")),
    ("/delivery", HTML, include_str!("../shop/delivery.html")),
    ("/counted", HTML, include_str!("../shop/counted.html")),
    ("/shop.css", "text/css; charset=utf-8", include_str!("../shop/shop.css")),
    ("/shop.js", "text/javascript; charset=utf-8", include_str!("../shop/shop.js")),
    ("/art.svg", "image/svg+xml", include_str!("../shop/art.svg")),
    ("/border.svg", "image/svg+xml", include_str!("../shop/border.svg")),
];
const PAYMENT: &str = include_str!("../shop/pay.html");
const POLICY: &str = include_str!("../shop/policy.txt");

/// The shop on a port.
pub(crate) struct Shop {
    host: String,
    snippet: String,
    collector: String,
    policy: String,
}

/// An answer, always 200.
pub(crate) struct Answer {
    /// `Content-Type`.
    pub(crate) content_type: &'static str,
    pub(crate) body: Cow<'static, str>,
}

impl Shop {
    /// The shop whose visitors, and their collector, are on this port.
    pub(crate) fn new(port: u16) -> Self {
        let collector = format!("http://{}", collector_host(port));
        Self {
            host: shop_host(port),
            // Deferred, so that it neither delays the page nor runs before the page's own script has queued its events.
            snippet: format!(
                r#"<script defer src="{collector}/tamga.js" data-site="{SITE}" data-search="q"></script>"#
            ),
            policy: POLICY.trim().replace("{{collector}}", &collector),
            collector,
        }
    }

    /// Whether a request's `Host` is the shop's; others are the collector's.
    pub(crate) fn is_host(&self, host: &str) -> bool {
        host.eq_ignore_ascii_case(&self.host)
    }

    /// The `Content-Security-Policy` of every answer: nothing from elsewhere but the collector's snippet.
    pub(crate) fn content_security_policy(&self) -> &str {
        &self.policy
    }

    /// The page, or file, at a path without its query; `None` means 404.
    pub(crate) fn respond(&self, path: &str) -> Option<Answer> {
        if let Some(order) = path.strip_prefix("/pay/") {
            let is_order = (1..=12).contains(&order.len()) && order.bytes().all(|byte| byte.is_ascii_digit());
            return is_order.then(|| self.page(PAYMENT));
        }
        let (_, content_type, text) = FILES.iter().find(|(known, ..)| *known == path)?;
        if *content_type == HTML {
            return Some(self.page(text));
        }
        Some(Answer { content_type, body: Cow::Borrowed(text) })
    }

    fn page(&self, text: &str) -> Answer {
        let body = text.replace("{{snippet}}", &self.snippet).replace("{{collector}}", &self.collector);
        Answer { content_type: HTML, body: Cow::Owned(body) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::walk;

    fn body(path: &str) -> String {
        Shop::new(8080).respond(path).unwrap_or_else(|| panic!("{path} is a page")).body.into_owned()
    }

    #[test]
    fn every_page_of_the_walk_exists_with_the_snippet_and_says_what_is_counted() {
        for path in walk::paths() {
            let body = body(&path.replace(":order", "123456"));
            assert!(
                body.contains(r#"src="http://t.demo.localhost:8080/tamga.js" data-site="demo.localhost""#),
                "{path}"
            );
            assert!(body.contains(r#"href="/counted""#) && !body.contains("{{"), "{path}");
        }
    }

    #[test]
    fn every_link_of_the_shop_leads_somewhere() {
        let shop = Shop::new(8080);
        for (path, content_type, text) in FILES {
            if *content_type != HTML {
                continue;
            }
            for link in text.split("href=\"/").chain(text.split("src=\"/")).chain(text.split("action=\"/")).skip(1) {
                let Some((link, _)) = link.split_once('"').filter(|(link, _)| !link.starts_with('<')) else { continue };
                let target = format!("/{}", link.split('#').next().unwrap_or_default());
                assert!(shop.respond(&target).is_some(), "{path} links {target}");
            }
        }
    }

    #[test]
    fn the_walk_follows_links_that_the_pages_have() {
        for (from, to) in walk::links() {
            let text = body(&from.replace(":order", "123456"));
            let to = if to == walk::PAYMENT { "/pay/" } else { to };
            assert!(
                text.contains(&format!("\"{to}\"")) || (to == "/pay/" && text.contains("\"/pay/")),
                "{from} links {to}"
            );
        }
        for (from, origin) in walk::outbound_links() {
            let text = body(&from.replace(":order", "123456"));
            assert!(text.contains(&format!("href=\"{origin}")), "{from} links {origin}");
        }
    }

    #[test]
    fn other_paths_and_hosts_are_not_the_shop_s() {
        let shop = Shop::new(8080);
        for path in ["", "/nothing", "/pay/", "/pay/12a", "/pay/1234567890123", "/catalog/", "/../Cargo.toml"] {
            assert!(shop.respond(path).is_none(), "{path}");
        }
        assert!(shop.is_host("Shop.demo.localhost:8080"));
        assert!(!shop.is_host("t.demo.localhost:8080") && !shop.is_host("shop.demo.localhost"));
    }
}

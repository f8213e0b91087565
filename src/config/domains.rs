//! The domains of one site. Browsers send a cookie only to hosts of the page's own registrable domain. So a site with pages
//! under several domains (`shop.kz`, `shop.ru`) needs a name of the collector below each of them. All names lead to one
//! collector, whose cookie has no domain, so each host has a cookie of its own: nothing connects a visitor's two domains.

use url::{Host, Url};

use super::Site;

/// The name that a collector gets below a domain if `public_url` has none to copy.
const NAME: &str = "t";

impl Site {
    /// Where pages reach the collector, each with the origins of these pages: first `public_url`, then for each other
    /// registrable domain of `origins` a name below it, made like that of `public_url`.
    pub fn collector_urls(&self) -> Vec<(String, Vec<&str>)> {
        let mut urls: Vec<(String, Vec<&str>)> = vec![(self.public_url.trim_end_matches('/').to_owned(), Vec::new())];
        let own = Url::parse(&self.public_url).ok();
        for origin in &self.origins {
            let url = own.as_ref().and_then(|own| beside(own, origin)).unwrap_or_else(|| urls[0].0.clone());
            match urls.iter_mut().find(|(known, _)| *known == url) {
                Some((_, origins)) => origins.push(origin),
                None => urls.push((url, vec![origin])),
            }
        }
        urls
    }

    /// Whether a request to this host, as its `Host` field has it, is about this site.
    pub fn is_reached_at(&self, host: &[u8]) -> bool {
        let Ok(host) = std::str::from_utf8(host) else { return false };
        if host.contains(['/', '\\', '?', '#', '@']) {
            return false;
        }
        let named = Url::parse(&format!("http://{host}/")).ok();
        let domain = named.as_ref().and_then(domain);
        self.public_host().is_some_and(|public| public.eq_ignore_ascii_case(host))
            || domain.is_some()
                && self.collector_urls()[1..]
                    .iter()
                    .any(|(url, _)| domain == Url::parse(url).ok().as_ref().and_then(self::domain))
    }
}

/// The collector's URL below the domain of an origin; none if `own` is below the same one, or either has no domain.
fn beside(own: &Url, origin: &str) -> Option<String> {
    let page = Url::parse(origin).ok()?;
    let (own_domain, domain) = (domain(own)?, domain(&page)?);
    if own_domain == domain {
        return None;
    }
    let name = own.host_str()?.strip_suffix(own_domain)?.split('.').next().filter(|name| !name.is_empty());
    let port = own.port().map(|port| format!(":{port}")).unwrap_or_default();
    Some(format!("{}://{}.{domain}{port}", own.scheme(), name.unwrap_or(NAME)))
}

/// The registrable domain of a URL's host. Addresses have none.
fn domain(url: &Url) -> Option<&str> {
    match url.host()? {
        Host::Domain(host) => psl::domain_str(host),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn site(public_url: &str, origins: &str) -> Site {
        let text = format!(
            "domain = \"shop.kz\"\npublic_url = \"{public_url}\"\norigins = [{origins}]\ntime_zone = \"UTC\"\nprofile = \"jetpay\"\n"
        );
        toml::from_str(&text).expect("a site")
    }

    #[test]
    fn each_domain_of_the_pages_has_a_name_of_the_collector_below_it() {
        let origins = r#""https://shop.kz", "https://www.shop.kz", "https://pay.shop.kz", "https://shop.ru", "https://m.shop.ru", "https://shop.com.tr""#;
        let urls = |public_url| {
            site(public_url, origins).collector_urls().into_iter().map(|(url, of)| (url, of.len())).collect::<Vec<_>>()
        };
        let expected = |own: &str, name: &str, port: &str| {
            vec![
                (own.to_owned(), 3),
                (format!("https://{name}.shop.ru{port}"), 2),
                (format!("https://{name}.shop.com.tr{port}"), 1),
            ]
        };
        assert_eq!(urls("https://t.shop.kz/"), expected("https://t.shop.kz", "t", ""));
        assert_eq!(urls("https://data.eu.shop.kz:8443"), expected("https://data.eu.shop.kz:8443", "data", ":8443"));
        assert_eq!(urls("https://shop.kz"), expected("https://shop.kz", "t", ""));
        assert_eq!(
            urls("http://127.0.0.1:8080"),
            [("http://127.0.0.1:8080".to_owned(), 6)],
            "an address has no domain"
        );
    }

    #[test]
    fn a_site_is_reached_below_its_other_domains_and_nowhere_else() {
        let site = site("https://t.shop.kz", r#""https://shop.kz", "https://shop.ru""#);
        for host in ["t.shop.kz", "T.SHOP.kz", "t.shop.ru", "t.shop.ru:8443", "stat.shop.ru"] {
            assert!(site.is_reached_at(host.as_bytes()), "{host}");
        }
        for host in
            ["x.shop.kz", "t.evil.kz", "ru", "localhost", "127.0.0.1", "t.shop.ru.evil.kz", "", "\n", "t.shop.ru/@x"]
        {
            assert!(!site.is_reached_at(host.as_bytes()), "{host}");
        }
        assert!(!site.is_reached_at(b"\xff.shop.ru"));
    }
}

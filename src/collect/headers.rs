//! Reads the header fields of a request. Cookies of others and `Authorization` are never read.

use std::net::IpAddr;

use http::header::{self, HeaderName};
use http::{HeaderMap, HeaderValue};
use jiff::Timestamp;

use crate::event::Sender;
use crate::secret::Personal;

/// How many cookies are searched for Tamga's. Browsers keep fewer than 200 per site.
const COOKIES_MAX: usize = 200;
/// How many bytes of a header are read. The rest would not be kept.
const TEXT_MAX: usize = 1024;

const BRANDS: HeaderName = HeaderName::from_static("sec-ch-ua");
const PLATFORM: HeaderName = HeaderName::from_static("sec-ch-ua-platform");
const MOBILE: HeaderName = HeaderName::from_static("sec-ch-ua-mobile");
const FETCH_SITE: HeaderName = HeaderName::from_static("sec-fetch-site");
/// `Sec-GPC`: the browser asks to be counted only.
pub(super) const GPC: HeaderName = HeaderName::from_static("sec-gpc");

/// The sender of a request, as its header fields describe it.
pub(super) fn sender(headers: &HeaderMap, address: Personal<IpAddr>, arrived_at: Timestamp) -> Sender {
    let personal = |name: &HeaderName| Personal::new(text(headers, name).to_owned());
    Sender {
        arrived_at,
        address,
        user_agent: personal(&header::USER_AGENT),
        brands: personal(&BRANDS),
        platform: Personal::new(text(headers, &PLATFORM).trim_matches('"').to_owned()),
        mobile: text(headers, &MOBILE) == "?1",
        has_language: headers.contains_key(header::ACCEPT_LANGUAGE),
        has_fetch_metadata: headers.contains_key(&FETCH_SITE),
    }
}

/// A header's text, cut to [`TEXT_MAX`] bytes; empty when absent or not ASCII.
pub(super) fn text<'a>(headers: &'a HeaderMap, name: &HeaderName) -> &'a str {
    let value = headers.get(name).and_then(|value| value.to_str().ok()).unwrap_or("");
    // Header text is visible ASCII, so any index is a boundary.
    &value[..value.len().min(TEXT_MAX)]
}

/// The first value of Tamga's cookie of this name.
pub(super) fn cookie<'a>(headers: &'a HeaderMap, name: &'a str) -> Option<&'a str> {
    cookies(headers, name).next()
}

/// All values of Tamga's cookie of this name. Without the prefix `__Host-` there may be several, because a page of the
/// site can set a cookie of the same name.
pub(super) fn cookies<'a>(headers: &'a HeaderMap, name: &'a str) -> impl Iterator<Item = &'a str> {
    let lines = headers.get_all(header::COOKIE).iter().filter_map(|line| line.to_str().ok());
    let pairs = lines.flat_map(|line| line.split(';')).take(COOKIES_MAX);
    pairs.filter_map(move |pair| pair.trim_start().strip_prefix(name)?.strip_prefix('='))
}

/// Names and attributes of the cookies that a site's collector sets.
pub(super) struct CookieNames {
    /// The name of the cookie with the identity.
    pub(super) identity: String,
    /// The name of the cookie with the objection.
    pub(super) off: String,
    attributes: &'static str,
}

impl CookieNames {
    /// On https the names begin with `__Host-`, so that no other host can set or read the cookies. Plain http is for
    /// loopback only; browsers refuse the prefix there.
    pub(super) fn new(site: &str, secure: bool) -> Self {
        let prefix = if secure { "__Host-" } else { "" };
        Self {
            identity: format!("{prefix}tamga-{site}"),
            off: format!("{prefix}tamga-off"),
            attributes: if secure {
                "; Path=/; HttpOnly; SameSite=Strict; Secure"
            } else {
                "; Path=/; HttpOnly; SameSite=Strict"
            },
        }
    }

    /// The value of `Set-Cookie` for one of Tamga's cookies.
    pub(super) fn set(&self, name: &str, value: &str, max_age_s: i64) -> HeaderValue {
        let line = format!("{name}={value}; Max-Age={max_age_s}{}", self.attributes);
        HeaderValue::try_from(line).expect("names are domains, values base64url")
    }
}

/// Adds the fields that let a page of an allowed origin read the answer.
pub(super) fn allow_origin(headers: &mut HeaderMap, origin: &HeaderValue) {
    const EXPOSED: HeaderValue = HeaderValue::from_static("Tamga-Outcome, Tamga-Device, Retry-After");
    headers.insert(header::ACCESS_CONTROL_ALLOW_ORIGIN, origin.clone());
    headers.insert(header::ACCESS_CONTROL_ALLOW_CREDENTIALS, HeaderValue::from_static("true"));
    headers.insert(header::ACCESS_CONTROL_EXPOSE_HEADERS, EXPOSED);
    headers.append(header::VARY, HeaderValue::from_static("Origin"));
}

/// `Tamga-Device`: the numbers of the items that the device is asked for.
pub(super) const DEVICE: HeaderName = HeaderName::from_static("tamga-device");

/// `Tamga-Outcome`: how the beacon ended.
pub(super) const OUTCOME: HeaderName = HeaderName::from_static("tamga-outcome");

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_named_cookie_is_found() {
        let mut headers = HeaderMap::new();
        headers.append(header::COOKIE, HeaderValue::from_static("session=secret; xtamga-a.kz=no;tamga-a.kz=yes"));
        headers.append(header::COOKIE, HeaderValue::from_static("tamga-off=1"));
        assert_eq!(cookie(&headers, "tamga-a.kz"), Some("yes"));
        assert_eq!(cookie(&headers, "tamga-off"), Some("1"));
        assert_eq!(cookie(&headers, "tamga-b.kz"), None);
    }

    #[test]
    fn cookies_are_host_only_and_out_of_reach_of_scripts() {
        let names = CookieNames::new("a.kz", true);
        assert_eq!(
            names.set(&names.identity, "v", 60),
            "__Host-tamga-a.kz=v; Max-Age=60; Path=/; HttpOnly; SameSite=Strict; Secure"
        );
        assert_eq!(CookieNames::new("a.kz", false).identity, "tamga-a.kz");
    }
}

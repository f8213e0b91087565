//! Reads the header fields of a request. `Authorization` is never read; cookies are read by [`cookies`](super::cookies).
//!
//! A field's value is bytes. Browsers and proxies send bytes that are not ASCII, so no value is given up because of one.

use std::borrow::Cow;

use std::net::IpAddr;

use http::header::{self, HeaderName};
use http::{HeaderMap, HeaderValue};
use jiff::Timestamp;

use crate::decode::url::MAX_URL_BYTES;
use crate::event::Sender;
use crate::secret::Personal;

/// How many bytes of a header are read. The rest would not be kept.
const TEXT_MAX: usize = 1024;

const BRANDS: HeaderName = HeaderName::from_static("sec-ch-ua");
const PLATFORM: HeaderName = HeaderName::from_static("sec-ch-ua-platform");
const MOBILE: HeaderName = HeaderName::from_static("sec-ch-ua-mobile");
const FETCH_SITE: HeaderName = HeaderName::from_static("sec-fetch-site");
/// `Sec-GPC`: the browser asks to be counted only.
pub(super) const GPC: HeaderName = HeaderName::from_static("sec-gpc");

/// The sender of a request, as its header fields describe it.
pub fn sender(headers: &HeaderMap, address: Personal<IpAddr>, arrived_at: Timestamp) -> Sender {
    let personal = |name: &HeaderName| Personal::new(text(headers, name).into_owned());
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

/// A header's text, cut to [`TEXT_MAX`] bytes; empty when absent. What is not UTF-8 becomes U+FFFD.
pub(super) fn text<'a>(headers: &'a HeaderMap, name: &HeaderName) -> Cow<'a, str> {
    let value = headers.get(name).map_or(&[][..], HeaderValue::as_bytes);
    let value = &value[..value.len().min(TEXT_MAX)];
    // Nearly all are UTF-8, and the strict reader is several times as fast.
    std::str::from_utf8(value).map_or_else(|_| String::from_utf8_lossy(value), Cow::Borrowed)
}

/// The page that the browser says it is on, cut at the end of what is read of an address. Not UTF-8 becomes U+FFFD.
pub(super) fn referer(headers: &HeaderMap) -> Personal<String> {
    let value = headers.get(header::REFERER).map_or(&[][..], HeaderValue::as_bytes);
    let text = String::from_utf8_lossy(value);
    Personal::new(text[..text.floor_char_boundary(MAX_URL_BYTES)].to_owned())
}

/// Whether one of the header's values is `1`.
pub(super) fn is_one(headers: &HeaderMap, name: &HeaderName) -> bool {
    headers.get_all(name).iter().any(|value| value.as_bytes().trim_ascii() == b"1")
}

/// Which pages may read an answer, by the `Origin` of the request.
pub(super) enum Readers {
    /// No browser sends the request from a page of another host.
    Nobody,
    /// A page of a configured origin, with cookies.
    Listed(HeaderValue),
    /// Any other page. It may learn that a refusal is final. Without credentials it learns nothing of a visitor.
    Others,
}

impl Readers {
    /// Adds the fields that let the page read the answer, unless it has them.
    pub(super) fn allow(self, headers: &mut HeaderMap) {
        if matches!(self, Self::Listed(_)) && !headers.contains_key(header::ACCESS_CONTROL_ALLOW_ORIGIN) {
            headers.insert(header::ACCESS_CONTROL_ALLOW_CREDENTIALS, HeaderValue::from_static("true"));
        }
        self.allow_without_credentials(headers);
    }

    /// The same for answers to requests without cookies.
    pub(super) fn allow_without_credentials(self, headers: &mut HeaderMap) {
        const EXPOSED: HeaderValue = HeaderValue::from_static("Tamga-Outcome, Tamga-Device, Retry-After");
        let origin = match self {
            Self::Listed(_) | Self::Others if headers.contains_key(header::ACCESS_CONTROL_ALLOW_ORIGIN) => return,
            Self::Nobody => return,
            Self::Listed(origin) => origin,
            Self::Others => HeaderValue::from_static("*"),
        };
        headers.insert(header::ACCESS_CONTROL_ALLOW_ORIGIN, origin);
        headers.insert(header::ACCESS_CONTROL_EXPOSE_HEADERS, EXPOSED);
        headers.append(header::VARY, HeaderValue::from_static("Origin"));
    }
}

/// Whether the browser fetches something that nobody sees yet, or only a preview of it: it says so in one of these.
pub(super) fn is_ahead(headers: &HeaderMap) -> bool {
    const FIELDS: [&str; 4] = ["sec-purpose", "purpose", "x-purpose", "x-moz"];
    let says = |value: &HeaderValue| {
        let value = value.as_bytes().to_ascii_lowercase();
        [&b"prefetch"[..], b"prerender", b"preview"].iter().any(|word| value.windows(word.len()).any(|at| at == *word))
    };
    FIELDS.iter().any(|field| headers.get_all(*field).iter().any(says))
}

/// `Tamga-Device`: the numbers of the items that the device is asked for.
pub(super) const DEVICE: HeaderName = HeaderName::from_static("tamga-device");

/// `Tamga-Outcome`: how the beacon ended.
pub(super) const OUTCOME: HeaderName = HeaderName::from_static("tamga-outcome");

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn with(name: &HeaderName, value: &[u8]) -> HeaderMap {
        let mut headers = HeaderMap::new();
        headers.append(name, HeaderValue::from_bytes(value).expect("a value"));
        headers
    }

    #[test]
    fn one_byte_does_not_hide_the_rest_of_a_value() {
        let agent = b"Mozilla/5.0 (Linux; X325\x96Locked) AppleWebKit/537.36 Chrome/120.0.0.0";
        let headers = with(&header::USER_AGENT, agent);
        assert!(
            text(&headers, &header::USER_AGENT).ends_with("X325\u{fffd}Locked) AppleWebKit/537.36 Chrome/120.0.0.0")
        );
        let headers = with(&header::REFERER, "https://jetpay.kz/Алматы".as_bytes());
        assert_eq!(text(&headers, &header::REFERER), "https://jetpay.kz/Алматы");
        assert_eq!(text(&HeaderMap::new(), &header::REFERER), "");
    }

    #[test]
    fn a_refusal_counts_on_any_line() {
        let mut headers = with(&GPC, b"\xd0\x90");
        assert!(!is_one(&headers, &GPC));
        headers.append(&GPC, HeaderValue::from_static("1"));
        assert!(is_one(&headers, &GPC));
    }

    #[test]
    fn a_browser_says_that_it_fetches_ahead() {
        for (name, value) in [
            ("sec-purpose", &b"prefetch"[..]),
            ("sec-purpose", b"prefetch;prerender"),
            ("sec-purpose", b"prefetch;anonymous-client-ip"),
            ("purpose", b"Prefetch"),
            ("x-purpose", b"preview"),
            ("x-moz", b"prefetch"),
            ("sec-purpose", b"\xff, prefetch"),
        ] {
            assert!(is_ahead(&with(&HeaderName::from_static(name), value)), "{name}");
        }
        assert!(!is_ahead(&with(&header::USER_AGENT, b"prefetch")) && !is_ahead(&HeaderMap::new()));
    }

    /// Any bytes that a field's value may have.
    fn value_bytes() -> impl Strategy<Value = Vec<u8>> {
        let byte = any::<u8>().prop_map(|byte| if byte < b' ' || byte == 0x7f { b'\t' } else { byte });
        prop::collection::vec(byte, 0..300)
    }

    proptest! {
        #[test]
        fn ascii_text_survives_any_bytes_around_it(before in value_bytes(), after in value_bytes()) {
            let value = [&before[..], b" Chrome/120 ", &after[..]].concat();
            let headers = with(&header::USER_AGENT, &value);
            let text = text(&headers, &header::USER_AGENT);
            prop_assert!(text.contains(" Chrome/120 ") && text.len() <= 3 * TEXT_MAX);
        }
    }
}

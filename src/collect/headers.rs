//! Reads the header fields of a request. `Authorization` is never read; cookies are read by [`cookies`](super::cookies).
//!
//! A field's value is bytes. Browsers and proxies send bytes that are not ASCII, so no value is given up because of one.

use std::borrow::Cow;

use std::net::IpAddr;

use http::header::{self, HeaderName};
use http::{HeaderMap, HeaderValue};
use jiff::Timestamp;

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
pub(super) fn sender(headers: &HeaderMap, address: Personal<IpAddr>, arrived_at: Timestamp) -> Sender {
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
    String::from_utf8_lossy(&value[..value.len().min(TEXT_MAX)])
}

/// Whether one of the header's values is `1`.
pub(super) fn is_one(headers: &HeaderMap, name: &HeaderName) -> bool {
    headers.get_all(name).iter().any(|value| value.as_bytes().trim_ascii() == b"1")
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

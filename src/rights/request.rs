//! Who sends a request to the visitor's page, and what it asks for.
//!
//! A decision is taken from the page itself only. Browsers say where a request comes from in `Sec-Fetch-Site`, older ones in
//! `Origin`, text browsers in `Referer`. A page cannot write any of them. A request that says nothing is refused.

use std::time::Duration;

use axum::body::{Body, to_bytes};
use http::{HeaderMap, HeaderName, HeaderValue, header};
use url::form_urlencoded;

use super::texts::Language;

const FETCH_SITE: HeaderName = HeaderName::from_static("sec-fetch-site");
/// The longest form, in bytes.
const FORM_MAX: usize = 1024;
/// How long a form may take.
const FORM_DEADLINE: Duration = Duration::from_secs(10);

/// What a query or a form says. No parameter selects a visitor.
#[derive(Default)]
pub(super) struct Asked {
    /// The language, if it was switched.
    language: Option<Language>,
    /// The site, where a host has several.
    pub(super) site: Option<String>,
    /// What is decided.
    pub(super) state: Option<String>,
    /// The page was opened anew from this site.
    pub(super) own: bool,
    /// The link in the framed notice was followed. In another site's page the frame's client has no site for cookies, by which a
    /// browser may keep a Strict cookie back (RFC 6265bis), although it calls the request same-origin.
    pub(super) framed: bool,
}

impl Asked {
    /// What a query or a form says; the rest of it is skipped.
    pub(super) fn of_query(query: &str) -> Self {
        let mut asked = Self::default();
        for (name, value) in form_urlencoded::parse(query.as_bytes()) {
            match &*name {
                "lang" => asked.language = Language::of_tag(&value),
                "site" => asked.site = Some(value.into_owned()),
                "state" => asked.state = Some(value.into_owned()),
                "own" => asked.own = true,
                "framed" => asked.framed = true,
                _ => {}
            }
        }
        asked
    }

    /// The language to answer in.
    pub(super) fn language(&self, head: &HeaderMap) -> Language {
        self.language.unwrap_or_else(|| Language::preferred(text(head, &header::ACCEPT_LANGUAGE)))
    }
}

/// Reads a form, within its limits.
pub(super) async fn form(body: Body) -> Option<Asked> {
    let bytes = tokio::time::timeout(FORM_DEADLINE, to_bytes(body, FORM_MAX)).await.ok()?.ok()?;
    std::str::from_utf8(&bytes).ok().map(Asked::of_query)
}

/// Whether this page itself sends the request.
pub(super) fn is_own(head: &HeaderMap) -> bool {
    let host = text(head, &header::HOST);
    let is_of_host = |address: &str| {
        let rest = address.split_once("://").map_or("", |(_, rest)| rest);
        !host.is_empty() && rest.split('/').next().unwrap_or_default().eq_ignore_ascii_case(host)
    };
    // A field that is there must agree: a proxy can drop one of them, and nobody can add one.
    let says = |name: &HeaderName| head.get(name).map(|_| text(head, name));
    let site = says(&FETCH_SITE).map(|site| site == "same-origin");
    let origin = says(&header::ORIGIN).map(is_of_host);
    let referer = says(&header::REFERER).map(is_of_host);
    match (site, origin) {
        (Some(site), origin) => site && origin.unwrap_or(true),
        (None, Some(origin)) => origin,
        (None, None) => referer.unwrap_or(false),
    }
}

/// Whether the page is opened from another site, so that the browser keeps its cookie back.
pub(super) fn is_from_elsewhere(head: &HeaderMap) -> bool {
    text(head, &FETCH_SITE) == "cross-site"
}

/// Whether a program asks.
pub(super) fn wants_json(head: &HeaderMap) -> bool {
    let accept = text(head, &header::ACCEPT);
    accept.contains("application/json") && !accept.contains("text/html")
}

/// A field as text; what is not ASCII means nothing here.
fn text<'a>(head: &'a HeaderMap, name: &HeaderName) -> &'a str {
    head.get(name).map(HeaderValue::to_str).and_then(Result::ok).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn head(fields: &[(&'static str, &'static str)]) -> HeaderMap {
        let of = |(name, value): &(&'static str, &'static str)| {
            (HeaderName::from_static(name), HeaderValue::from_static(value))
        };
        fields.iter().map(of).chain([(header::HOST, HeaderValue::from_static("t.jetpay.kz"))]).collect()
    }

    #[test]
    fn only_the_page_itself_sends_a_decision() {
        for (fields, own) in [
            (&[("sec-fetch-site", "same-origin"), ("origin", "https://t.jetpay.kz")][..], true),
            (&[("sec-fetch-site", "same-origin")], true),
            (&[("origin", "https://T.JETPAY.kz")], true),
            (&[("referer", "https://t.jetpay.kz/privacy?lang=kk")], true),
            (&[], false),
            (&[("sec-fetch-site", "none")], false),
            (&[("sec-fetch-site", "same-site"), ("origin", "https://jetpay.kz")], false),
            (&[("sec-fetch-site", "cross-site"), ("origin", "https://t.jetpay.kz")], false),
            (&[("sec-fetch-site", "same-origin"), ("origin", "https://evil.kz")], false),
            (&[("origin", "null")], false),
            (&[("origin", "null"), ("referer", "https://t.jetpay.kz/privacy")], false),
            (&[("origin", "https://jetpay.kz"), ("referer", "https://t.jetpay.kz/")], false),
            (&[("origin", "https://t.jetpay.kz.evil.kz")], false),
            (&[("referer", "https://evil.kz/https://t.jetpay.kz/privacy")], false),
            (&[("referer", "https://t.jetpay.kz@evil.kz/")], false),
            (&[("referer", "t.jetpay.kz")], false),
        ] {
            assert_eq!(is_own(&head(fields)), own, "{fields:?}");
        }
    }

    #[test]
    fn no_parameter_but_five_means_anything() {
        let asked = Asked::of_query("visitor=7&lang=kk&site=jetpay.kz&state=made&own&framed&cookie=x&lang");
        assert!(
            asked.own
                && asked.framed
                && asked.site.as_deref() == Some("jetpay.kz")
                && asked.state.as_deref() == Some("made")
        );
        assert_eq!(asked.language, None, "the last says nothing");
    }
}

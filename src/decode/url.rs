//! Splits a URL of a browser into the few parts that are processed further.
//!
//! The parser follows the WHATWG standard, so that a URL means the same here as in the browser. Host, path and three
//! campaign parameters are kept. Scheme, port, user info, fragment and every other parameter are discarded. The working
//! copy is overwritten before [`parse`] returns; allocations that the parser freed itself are not. Nothing here can
//! panic.

use std::borrow::Cow;

use url::{Url, form_urlencoded};

use crate::event::{CampaignParameters, PageUrl};
use crate::secret::Personal;

/// The longest URL that is parsed, in bytes.
pub const MAX_URL_BYTES: usize = 2048;

/// The longest campaign word that is kept, in bytes. A longer one is cut between two characters.
pub const MAX_CAMPAIGN_BYTES: usize = 128;

/// Parameters that advertising networks add to the links of paid clicks. `fbclid` and `ysclid` are not among them: they
/// are added to every click, paid or not.
const PAID_CLICK_PARAMETERS: [&str; 14] = [
    "gclid",
    "gbraid",
    "wbraid",
    "dclid",
    "gad_source",
    "msclkid",
    "yclid",
    "ttclid",
    "twclid",
    "li_fat_id",
    "rdt_cid",
    "epik",
    "sccid",
    "rb_clickid",
];

/// Why a text is no URL that Tamga accepts. No reason quotes the text.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum UrlError {
    /// Longer than [`MAX_URL_BYTES`].
    #[error("the URL is longer than {MAX_URL_BYTES} bytes; send it without its query")]
    TooLong,
    /// The WHATWG parser refuses it.
    #[error("the text is not an absolute URL; send what `location.href` says")]
    Malformed,
    /// Another scheme than `http`, `https` or `android-app`.
    #[error("the URL's scheme is not http, https or android-app; pages of other schemes are not counted")]
    Scheme,
    /// No host, or one that is longer than a host name may be.
    #[error("the URL has no usable host name")]
    Host,
}

/// Splits a URL. Pages are `http` or `https`; a referrer may also be `android-app://<application id>`, whose host
/// becomes [`PageUrl::APP_PREFIX`] and the id in lower case.
///
/// The path stays percent-encoded, which makes it at most three times as long as the URL was.
pub fn parse(raw: &str) -> Result<PageUrl, UrlError> {
    if raw.len() > MAX_URL_BYTES {
        return Err(UrlError::TooLong);
    }
    if let Some(page) = plain(raw) {
        return Ok(page);
    }
    let url = Url::parse(raw).map_err(|_| UrlError::Malformed)?;
    let parts = take_apart(&url);
    // Overwrites the parser's copy of the whole URL.
    drop(Personal::new(String::from(url)));
    parts
}

fn take_apart(url: &Url) -> Result<PageUrl, UrlError> {
    let host =
        url.host_str().map(|host| host.trim_end_matches('.')).filter(|host| !host.is_empty() && host.len() <= 253);
    let host = host.ok_or(UrlError::Host);
    let host = match url.scheme() {
        "http" | "https" => host?.to_ascii_lowercase(),
        "android-app" => app_host(host?).ok_or(UrlError::Host)?,
        _ => return Err(UrlError::Scheme),
    };
    Ok(page(host, url.path(), url.query()))
}

/// The page of a plain URL, which the parser would not change. Nearly all URLs are plain. `None` for any other.
fn plain(raw: &str) -> Option<PageUrl> {
    let rest = raw.strip_prefix("https://").or_else(|| raw.strip_prefix("http://"))?;
    let bytes = rest.as_bytes();
    let ends = |from: usize, end: fn(u8) -> bool| {
        bytes[from..].iter().position(|byte| end(*byte)).map_or(bytes.len(), |at| from + at)
    };
    let host = ends(0, |byte| matches!(byte, b'/' | b'?' | b'#'));
    let path = ends(host, |byte| matches!(byte, b'?' | b'#'));
    let query = ends(path, |byte| byte == b'#');
    let is_printed = |bytes: &[u8]| bytes.iter().all(|byte| byte.is_ascii_graphic() && *byte != b'\\');
    (is_plain_host(&bytes[..host]) && is_plain_path(&bytes[host..path]) && is_printed(&bytes[path..]))
        .then(|| page(rest[..host].to_owned(), &rest[host..path], rest[path..query].strip_prefix('?')))
}

/// Lower-case labels without Punycode. The last label begins with a letter, so it is no number.
fn is_plain_host(host: &[u8]) -> bool {
    let (mut before, mut label) = (b'.', 0);
    for (at, byte) in host.iter().enumerate() {
        match byte {
            b'a'..=b'z' | b'0'..=b'9' => (),
            // Neither character may begin or end a label, or follow itself.
            b'.' if !matches!(before, b'.' | b'-') => label = at + 1,
            b'-' if !matches!(before, b'.' | b'-') => (),
            _ => return false,
        }
        before = *byte;
    }
    host.len() <= 253 && !matches!(before, b'.' | b'-') && host[label].is_ascii_lowercase()
}

/// No character that the parser would encode, and no segment that it would resolve.
fn is_plain_path(path: &[u8]) -> bool {
    let mut before = 0;
    path.iter().all(|byte| {
        let stays = match byte {
            b'a'..=b'z' | b'A'..=b'Z' | b'0' | b'1' | b'3'..=b'9' | b'/' | b'-' | b'_' | b'~' | b'%' | b'=' | b'&' => {
                true
            }
            b'.' => before != b'/',
            b'2' => before != b'%',
            b'!' | b'$' | b'\'' | b'(' | b')' | b'*' | b'+' | b',' | b';' | b':' | b'@' => true,
            _ => false,
        };
        before = *byte;
        stays
    })
}

fn page(host: String, path: &str, query: Option<&str>) -> PageUrl {
    let path = if path.is_empty() { "/" } else { path };
    let mut campaign = CampaignParameters::default();
    let mut paid_click = false;
    for (name, value) in form_urlencoded::parse(query.unwrap_or("").as_bytes()) {
        match &*name {
            "utm_source" => keep_first(&mut campaign.source, value),
            "utm_medium" => keep_first(&mut campaign.medium, value),
            "utm_campaign" => keep_first(&mut campaign.campaign, value),
            other => paid_click |= PAID_CLICK_PARAMETERS.iter().any(|known| known.eq_ignore_ascii_case(other)),
        }
    }
    PageUrl { host: Personal::new(host), path: Personal::new(path.to_owned()), campaign, paid_click }
}

/// Application ids are Java package names. Any other text is no application.
fn app_host(id: &str) -> Option<String> {
    let is_id = id.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'_' | b'-'));
    is_id.then(|| format!("{}{}", PageUrl::APP_PREFIX, id.to_ascii_lowercase()))
}

/// The first value of a repeated parameter that is not empty is kept.
fn keep_first(slot: &mut Option<Personal<String>>, value: Cow<'_, str>) {
    let value = value.trim();
    if slot.is_none() && !value.is_empty() {
        let end = value.floor_char_boundary(MAX_CAMPAIGN_BYTES);
        *slot = Some(Personal::new(value[..end].to_owned()));
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn parts(raw: &str) -> (String, String) {
        let page = parse(raw).expect("a URL that Tamga reads");
        (page.host.expose().clone(), page.path.expose().clone())
    }

    fn error(raw: &str) -> Option<UrlError> {
        parse(raw).err()
    }

    #[test]
    fn only_host_and_path_of_a_url_are_kept() {
        for (raw, host, path) in [
            ("https://JetPay.KZ/Tariffs", "jetpay.kz", "/Tariffs"),
            ("https://user:secret@jetpay.kz:8443/a?token=1#part", "jetpay.kz", "/a"),
            ("http://jetpay.kz", "jetpay.kz", "/"),
            ("http://jetpay.kz.", "jetpay.kz", "/"),
            ("https://jetpay.kz/a/../b/./c", "jetpay.kz", "/b/c"),
            ("https://jetpay.kz/%D1%82?q", "jetpay.kz", "/%D1%82"),
            ("https://jetpay.kz/тариф", "jetpay.kz", "/%D1%82%D0%B0%D1%80%D0%B8%D1%84"),
            ("https://қазпошта.қаз/", "xn--80aau2aet5b92c.xn--80ao21a", "/"),
            ("https://192.0.2.7/x", "192.0.2.7", "/x"),
            ("https://3221225991/x", "192.0.2.7", "/x"),
            ("https://[2001:db8::1]:443/x", "[2001:db8::1]", "/x"),
            (" https://jetpay.kz/a\n", "jetpay.kz", "/a"),
            ("android-app://com.Google.android.gm/", "android-app:com.google.android.gm", "/"),
            ("android-app://org.telegram.messenger", "android-app:org.telegram.messenger", "/"),
        ] {
            assert_eq!(parts(raw), (host.to_owned(), path.to_owned()), "{raw}");
        }
    }

    #[test]
    fn a_text_that_is_no_page_has_its_reason() {
        assert_eq!(error("jetpay.kz/a"), Some(UrlError::Malformed));
        assert_eq!(error(""), Some(UrlError::Malformed));
        assert_eq!(error("https://"), Some(UrlError::Malformed));
        assert_eq!(error("javascript:alert(1)"), Some(UrlError::Scheme));
        assert_eq!(error("data:text/html,x"), Some(UrlError::Scheme));
        assert_eq!(error("file:///etc/passwd"), Some(UrlError::Scheme));
        assert_eq!(error("ftp://jetpay.kz/"), Some(UrlError::Scheme));
        assert_eq!(error("android-app:///x"), Some(UrlError::Host));
        assert_eq!(error("android-app://a%20b/"), Some(UrlError::Host));
        assert_eq!(error(&format!("https://{}/", "a.".repeat(200))), Some(UrlError::Host));
        assert_eq!(error(&format!("https://jetpay.kz/{}", "a".repeat(MAX_URL_BYTES))), Some(UrlError::TooLong));
        let longest = format!("https://jetpay.kz/{}", "a".repeat(MAX_URL_BYTES - "https://jetpay.kz/".len()));
        assert_eq!(error(&longest), None);
    }

    #[test]
    fn campaign_words_are_decoded_bounded_and_the_first_of_each() {
        let page =
            parse("https://jetpay.kz/?utm_source=%D1%8F%20x&utm_medium=&utm_medium=CPC&utm_medium=b&utm_campaign=a+b")
                .expect("a URL");
        let word = |slot: &Option<Personal<String>>| slot.as_ref().map(|word| word.expose().clone());
        assert_eq!(word(&page.campaign.source).as_deref(), Some("я x"));
        assert_eq!(word(&page.campaign.medium).as_deref(), Some("CPC"));
        assert_eq!(word(&page.campaign.campaign).as_deref(), Some("a b"));
        assert!(!page.paid_click);

        let page = parse(&format!("https://jetpay.kz/?utm_source=a{}", "ж".repeat(100))).expect("a URL");
        assert_eq!(word(&page.campaign.source).map(|word| word.len()), Some(127));
    }

    #[test]
    fn only_the_presence_of_a_click_id_is_kept() {
        for (raw, paid) in [
            ("https://jetpay.kz/?gclid=abc", true),
            ("https://jetpay.kz/?a=1&GCLID=abc", true),
            ("https://jetpay.kz/?yclid=9", true),
            ("https://jetpay.kz/?rb_clickid=9", true),
            ("https://jetpay.kz/?fbclid=9", false),
            ("https://jetpay.kz/?ysclid=9", false),
            ("https://jetpay.kz/?xgclid=9", false),
            ("https://jetpay.kz/#gclid=9", false),
        ] {
            assert_eq!(parse(raw).expect("a URL").paid_click, paid, "{raw}");
        }
    }

    proptest! {
        #[test]
        fn any_text_is_answered_within_bounds(raw in "(https?://|android-app://)?\\PC{0,300}([?&](utm_(source|medium|campaign)|gclid)=\\PC{0,200}){0,4}") {
            if let Ok(page) = parse(&raw) {
                let host = page.host.expose();
                prop_assert!(!host.is_empty() && host.len() <= 253 + PageUrl::APP_PREFIX.len() && host.is_ascii());
                prop_assert!(!host.bytes().any(|byte| byte.is_ascii_uppercase() || matches!(byte, b'@' | b'/' | b'#' | b'?')));
                prop_assert!(page.path.expose().starts_with('/') && page.path.expose().len() <= 3 * MAX_URL_BYTES);
                for word in [page.campaign.source, page.campaign.medium, page.campaign.campaign].into_iter().flatten() {
                    prop_assert!((1..=MAX_CAMPAIGN_BYTES).contains(&word.expose().len()));
                }
            }
        }

        #[test]
        fn a_plain_address_is_read_as_the_parser_reads_it(
            host in "[a-z0-9.-]{1,14}|[a-z]{1,8}\\.(kz|com|0x1|1)|xn--[a-z0-9]{2,6}\\.kz", path in "|/[!-~]{0,30}|/[a-z./%2eE]{0,12}",
            query in "|\\?[ -~]{0,40}|\\?(utm_source|utm_medium|gclid)=[!-~]{0,20}", fragment in "|#[ -~]{0,9}",
        ) {
            let raw = format!("https://{host}{path}{query}{fragment}");
            if let Some(page) = plain(&raw) {
                let url = Url::parse(&raw);
                let parsed = url.as_ref().ok().and_then(|url| take_apart(url).ok()).expect("what is plain is a URL");
                let shown = |page: &PageUrl| {
                    let campaign = &page.campaign;
                    let words = [&campaign.source, &campaign.medium, &campaign.campaign];
                    let words = words.map(|word| word.as_ref().map(|word| word.expose().clone()));
                    (page.host.expose().clone(), page.path.expose().clone(), words, page.paid_click)
                };
                prop_assert_eq!(shown(&page), shown(&parsed), "{}", raw);
            }
        }

        #[test]
        fn user_info_and_fragment_never_come_through(user in "[a-z0-9]{6,20}", part in "[a-z0-9]{6,20}") {
            let (user, part) = (format!("user-{user}"), format!("part-{part}"));
            let (host, path) = parts(&format!("https://{user}:{part}@jetpay.kz/a#{part}"));
            prop_assert_eq!((host.as_str(), path.as_str()), ("jetpay.kz", "/a"));
        }
    }
}

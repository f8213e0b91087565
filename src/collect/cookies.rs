//! Tamga's cookies in a request, and the ones that an answer sets. Cookies of others are not read.
//!
//! A `Cookie` field is bytes: browsers send the bytes that a page has set, in any encoding. Only the size of a request's
//! head bounds how many cookies are searched. So no cookie of others hides Tamga's.

use http::{HeaderMap, HeaderValue, header};

/// All values of Tamga's cookie of this name. Without the prefix `__Host-` there may be several, because a page of the
/// site can set a cookie of the same name. Quotes around a value are not part of it.
pub fn cookies<'a>(headers: &'a HeaderMap, name: &'a str) -> impl Iterator<Item = &'a [u8]> {
    let lines = headers.get_all(header::COOKIE).iter().map(HeaderValue::as_bytes);
    let pairs = lines.flat_map(|line| line.split(|byte| *byte == b';'));
    pairs.filter_map(move |pair| {
        let value =
            pair.trim_ascii().strip_prefix(name.as_bytes())?.trim_ascii_start().strip_prefix(b"=")?.trim_ascii();
        let quoted = value.strip_prefix(b"\"").and_then(|value| value.strip_suffix(b"\""));
        Some(quoted.unwrap_or(value))
    })
}

/// Whether a cookie of this name says no.
pub(super) fn objects(headers: &HeaderMap, name: &str) -> bool {
    cookies(headers, name).any(|value| value == b"1")
}

/// Names and attributes of the cookies that a site's collector sets.
pub(super) struct CookieNames {
    /// The name of the cookie with the identity.
    pub(super) identity: String,
    /// The name of the cookie with the objection.
    pub(super) off: String,
    /// The name of the checker's cookie.
    pub(super) trial: String,
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
            trial: format!("{prefix}tamga-check"),
            attributes: if secure {
                "; Path=/; HttpOnly; SameSite=Strict; Secure"
            } else {
                "; Path=/; HttpOnly; SameSite=Strict"
            },
        }
    }

    /// The value of `Set-Cookie` for one of Tamga's cookies.
    pub(super) fn set(&self, name: &str, value: &str, max_age_s: i64) -> HeaderValue {
        let line = [name, "=", value, "; Max-Age=", &max_age_s.to_string(), self.attributes].concat();
        HeaderValue::try_from(line).expect("names are domains, values base64url")
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn found(lines: &[&[u8]], name: &str) -> Vec<String> {
        let mut headers = HeaderMap::new();
        for line in lines {
            headers.append(header::COOKIE, HeaderValue::from_bytes(line).expect("a value"));
        }
        cookies(&headers, name).map(|value| String::from_utf8_lossy(value).into_owned()).collect()
    }

    #[test]
    fn only_the_named_cookie_is_found() {
        let lines: &[&[u8]] = &[b"session=secret; xtamga-a.kz=no;tamga-a.kz=yes", b"tamga-off=1"];
        assert_eq!(found(lines, "tamga-a.kz"), ["yes"]);
        assert_eq!(found(lines, "tamga-off"), ["1"]);
        assert!(found(lines, "tamga-b.kz").is_empty() && found(lines, "tamga").is_empty());
    }

    #[test]
    fn no_cookie_of_others_hides_it() {
        let many = "a=b; ".repeat(3_000) + "off=1";
        for line in [
            "city=Алматы; off=1".as_bytes(),
            "off=1; city=Алматы".as_bytes(),
            "😀=😀;off=1;😀".as_bytes(),
            b"city=caf\xe9; off=1",
            b"\xff; off=1",
            b"off=1;\x80",
            b"a=\"quoted\"; off=\"1\"",
            b"a=b=c==; off=1",
            b";; ; =; off=1;;",
            b"off = 1",
            b"\toff=1\t",
            many.as_bytes(),
        ] {
            assert_eq!(found(&[line], "off"), ["1"], "{}", String::from_utf8_lossy(line));
            assert_eq!(found(&["ә=1".as_bytes(), line, b"\xe9"], "off"), ["1"]);
        }
        assert_eq!(found(&[b"off=2; off=1"], "off"), ["2", "1"]);
    }

    /// Any bytes that a field's value may have.
    fn value_bytes() -> impl Strategy<Value = Vec<u8>> {
        let byte = any::<u8>().prop_map(|byte| if byte < b' ' || byte == 0x7f { b'\t' } else { byte });
        prop::collection::vec(byte, 0..300)
    }

    proptest! {
        #[test]
        fn it_is_found_among_any_bytes(before in value_bytes(), after in value_bytes(), on_a_line_of_its_own: bool) {
            let joined = [&before[..], b"; off=1; ", &after[..]].concat();
            let lines: &[&[u8]] = if on_a_line_of_its_own { &[&before, b"off=1", &after] } else { &[&joined] };
            prop_assert!(found(lines, "off").contains(&"1".to_owned()));
        }
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

//! What people write, in the form in which traffic has it: origins, hosts and paths. What has no such form is refused, with
//! what to write instead. So no setting is accepted that would never match.

use std::net::IpAddr;

use url::Url;

use super::error::Errors;
use super::{Config, Site};
use crate::nfc::composed;

/// What stands before the id of an application that is a referrer.
const APP_PREFIX: &str = "android-app:";
/// The longest path, in bytes.
const PATH_MAX: usize = 512;

/// Puts all settings of the sites into the form that traffic has, and adds an error for each that has none.
pub(super) fn normalise(config: &mut Config, errors: &mut Errors<'_>) {
    for (index, site) in config.sites.iter_mut().enumerate() {
        errors.prefix = format!("site[{index}].");
        normalise_site(site, errors);
    }
    errors.prefix.clear();
}

fn normalise_site(site: &mut Site, errors: &mut Errors<'_>) {
    let mut replace = |key: &str, written: &mut String, form: fn(&str) -> Result<String, String>| match form(written) {
        Ok(normal) => *written = normal,
        Err(message) => errors.require(false, key, &format!("{written:?}: {message}")),
    };
    replace("public_url", &mut site.public_url, origin);
    site.origins.iter_mut().for_each(|written| replace("origins", written, origin));
    site.operator.framed_by.iter_mut().for_each(|written| replace("operator.framed_by", written, origin));
    site.paths.iter_mut().for_each(|written| replace("paths", written, path));
    site.ignored_referrers.iter_mut().for_each(|written| replace("ignored_referrers", written, host));
    let goals = site.goals.values_mut().map(|what| ("goals", what));
    let steps = site.funnels.values_mut().flatten().map(|step| ("funnels", step));
    for (key, what) in goals.chain(steps).filter(|(_, what)| is_address(what)) {
        replace(key, what, path);
    }
}

/// Whether a goal or a step is meant as a page rather than as an event.
fn is_address(what: &str) -> bool {
    what.trim_start().starts_with('/') || what.contains("://")
}

/// An origin as browsers send it: `https://jetpay.kz`.
fn origin(written: &str) -> Result<String, String> {
    let written = written.trim();
    if written.contains('*') {
        return Err("`*` matches no origin; list each, such as \"https://www.jetpay.kz\"".to_owned());
    }
    let Some((scheme, _)) = written.split_once("://") else {
        return Err(format!("the scheme is missing; write \"https://{written}\""));
    };
    let url = Url::parse(written).map_err(|_| "no host is in it; write such as \"https://jetpay.kz\"".to_owned())?;
    if !matches!(url.scheme(), "http" | "https") || url.host_str().is_none_or(str::is_empty) {
        return Err(format!("pages are of https, or of http on loopback, and not of {scheme}"));
    }
    if url.host_str().is_some_and(|host| host.ends_with('.')) {
        return Err("a dot ends the host; write it without, or one host would be two".to_owned());
    }
    let origin = url.origin().ascii_serialization();
    let has_more = !matches!(url.path(), "" | "/") || url.query().is_some() || url.fragment().is_some();
    if has_more || !url.username().is_empty() || url.password().is_some() {
        return Err(format!("nothing stands behind the host and its port; write \"{origin}\""));
    }
    Ok(origin)
}

/// A host as referrers name it: in small letters, beyond ASCII in Punycode, without a dot at the end.
fn host(written: &str) -> Result<String, String> {
    let written = written.trim();
    let app = written.strip_prefix(APP_PREFIX).map(|id| id.trim_start_matches('/').trim_end_matches('/'));
    if let Some(id) = app {
        return Ok(format!("{APP_PREFIX}{}", id.to_ascii_lowercase()));
    }
    let (has_scheme, rest) = written.split_once("://").map_or((false, written), |(_, rest)| (true, rest));
    let (host, path) = rest.split_once('/').unwrap_or((rest, ""));
    if !path.is_empty() {
        return Err(format!("a referrer is ignored with its whole host; write \"{host}\""));
    }
    let host = host.trim_start_matches("*.").trim_matches('.');
    let ascii = Url::parse(&format!("https://{host}")).ok().filter(|url| {
        let is_bare = url.username().is_empty() && url.password().is_none() && url.port().is_none();
        is_bare && url.path() == "/" && url.query().is_none() && url.fragment().is_none()
    });
    let ascii = ascii.and_then(|url| url.host_str().map(str::to_owned)).filter(|_| !host.contains('*'));
    let example = if has_scheme { "the host alone, such as" } else { "such as" };
    ascii.ok_or_else(|| format!("a host is expected, {example} \"acs.bank.kz\""))
}

/// A path as pages are compared: decoded, each letter with its accents one character (NFC), no empty segment.
fn path(written: &str) -> Result<String, String> {
    let written = written.trim();
    if let Some((_, rest)) = written.split_once("://") {
        let path = rest.find('/').map_or("/", |at| &rest[at..]);
        return Err(format!("a page of the site is known by its path; write \"{path}\""));
    }
    if !written.starts_with('/') {
        return Err(format!("a path begins with /; write \"/{written}\""));
    }
    if let Some(at) = written.find(['?', '#']) {
        return Err(format!("query and fragment are not looked at; write \"{}\"", &written[..at]));
    }
    let decoded = decoded(written).ok_or("its % signs encode no text; write the characters themselves")?;
    let decoded = composed(&decoded);
    let segments: Vec<&str> = decoded.split('/').map(str::trim).filter(|segment| !segment.is_empty()).collect();
    if let Some(foreign) = segments.iter().find(|segment| is_foreign(segment)) {
        let own: Vec<String> = segments.iter().map(|segment| in_own_form(segment)).collect();
        return Err(format!(
            "{foreign:?} is how other programs write a template; a part is folded by :name, and `*` at the end keeps any \
             rest; write \"/{}\"",
            own.join("/")
        ));
    }
    if segments.iter().any(|segment| matches!(*segment, "." | "..")) {
        return Err("browsers resolve `.` and `..` before they ask; write the path that they ask for".to_owned());
    }
    let path = format!("/{}", segments.join("/"));
    if path.len() > PATH_MAX { Err(format!("a path has at most {PATH_MAX} bytes")) } else { Ok(path) }
}

/// Whether a segment is a template of another program: `{id}`, `<id>`, `[id]`, `$id`, `:id?`, `:id(\d+)`, `**`, `*.html`.
fn is_foreign(segment: &str) -> bool {
    let is_bracketed = segment.contains(['{', '}', '<', '>', '[', ']']) || segment.starts_with('$');
    let is_regular = segment.contains(':') && segment.contains(['?', '(', ')', '*', '+']);
    is_bracketed || is_regular || (segment.contains('*') && segment != "*")
}

/// The template in the form of this program.
fn in_own_form(segment: &str) -> String {
    if !is_foreign(segment) {
        return segment.to_owned();
    }
    let name: String = segment.chars().filter(|c| c.is_alphanumeric() || *c == '_').collect();
    if segment.contains('*') || segment.contains("...") || name.is_empty() {
        "*".to_owned()
    } else {
        format!(":{name}")
    }
}

/// The text without percent encoding; `None` if it is none underneath.
fn decoded(text: &str) -> Option<String> {
    let (bytes, mut out, mut at) = (text.as_bytes(), Vec::with_capacity(text.len()), 0);
    while let Some(&byte) = bytes.get(at) {
        let digits = bytes.get(at + 1..at + 3).filter(|_| byte == b'%');
        let encoded = digits.and_then(|digits| u8::from_str_radix(std::str::from_utf8(digits).ok()?, 16).ok());
        out.push(encoded.unwrap_or(byte));
        at += if encoded.is_some() { 3 } else { 1 };
    }
    String::from_utf8(out).ok().filter(|text| !text.chars().any(char::is_control))
}

/// Whether a text is the address of a ClickHouse server: scheme, host and port alone.
pub(super) fn is_server(text: &str) -> bool {
    Url::parse(text).is_ok_and(|url| {
        let is_bare = url.username().is_empty() && url.password().is_none() && url.query().is_none();
        let has_host = url.host_str().is_some_and(|host| !host.is_empty());
        matches!(url.scheme(), "http" | "https") && has_host && is_bare && url.path() == "/" && url.fragment().is_none()
    })
}

/// Whether browsers call two hosts one site, so that a page of the first sends cookies to the second.
pub(super) fn is_same_site(page: &str, collector: &str) -> bool {
    // Addresses are the operator's own matter.
    let is_address = collector.starts_with('[') || collector.parse::<IpAddr>().is_ok();
    let site = psl::domain_str(collector);
    is_address || page == collector || site.is_none_or(|site| psl::domain_str(page) == Some(site))
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;

    fn wrong(form: fn(&str) -> Result<String, String>, written: &str) -> String {
        form(written).expect_err(written)
    }

    #[test]
    fn an_origin_is_written_as_browsers_do() {
        for (written, normal) in [
            ("https://jetpay.kz", "https://jetpay.kz"),
            (" https://JetPay.kz/ ", "https://jetpay.kz"),
            ("HTTPS://jetpay.kz:443", "https://jetpay.kz"),
            ("https://jetpay.kz:8443/", "https://jetpay.kz:8443"),
            ("https://почта.қаз", "https://xn--80a1acny.xn--80ao21a"),
            ("http://localhost:3000", "http://localhost:3000"),
        ] {
            assert_eq!(origin(written).as_deref(), Ok(normal), "{written}");
        }
        for (written, says) in [
            ("https://*.jetpay.kz", "list each"),
            ("jetpay.kz", "write \"https://jetpay.kz\""),
            ("https://jetpay.kz/shop", "write \"https://jetpay.kz\""),
            ("https://user@jetpay.kz", "write \"https://jetpay.kz\""),
            ("ftp://jetpay.kz", "not of ftp"),
            ("https://", "no host"),
            ("null", "scheme is missing"),
        ] {
            assert!(wrong(origin, written).contains(says), "{written}: {}", wrong(origin, written));
        }
    }

    #[test]
    fn a_host_is_written_as_referrers_do() {
        for (written, normal) in [
            ("https://acs.halykbank.kz/", "acs.halykbank.kz"),
            ("банк.қаз", "xn--80ab2al.xn--80ao21a"),
            ("kkb.kz.", "kkb.kz"),
            ("*.KKB.kz", "kkb.kz"),
            (".kkb.kz", "kkb.kz"),
            ("android-app://kz.Kaspi.mobile/", "android-app:kz.kaspi.mobile"),
            ("android-app:kz.kaspi.mobile", "android-app:kz.kaspi.mobile"),
        ] {
            assert_eq!(host(written).as_deref(), Ok(normal), "{written}");
        }
        for (written, says) in
            [("https://kkb.kz/acs", "write \"kkb.kz\""), ("kkb.*", "such as"), ("", "such as"), ("a b", "such as")]
        {
            assert!(wrong(host, written).contains(says), "{written}: {}", wrong(host, written));
        }
    }

    #[test]
    fn a_path_is_written_as_pages_are_compared() {
        for (written, normal) in [
            ("/", "/"),
            ("/%D1%87%D0%B0%D0%B9", "/чай"),
            ("/чаи\u{306}", "/чай"),
            ("/pay/done/", "/pay/done"),
            ("//pay//:order", "/pay/:order"),
            ("/tarif%20", "/tarif"),
            ("/order-:id.html", "/order-:id.html"),
            ("/docs/*", "/docs/*"),
            ("/50%", "/50%"),
        ] {
            assert_eq!(path(written).as_deref(), Ok(normal), "{written}");
        }
        for (written, says) in [
            ("/pay/{id}", "write \"/pay/:id\""),
            ("/pay/<int:id>", "write \"/pay/:intid\""),
            ("/pay/[order]/done", "write \"/pay/:order/done\""),
            ("/pay/$order", "write \"/pay/:order\""),
            ("/pay/:id?", "query and fragment"),
            ("/pay/:id(\\d+)", "write \"/pay/:idd\""),
            ("/docs/**", "write \"/docs/*\""),
            ("/docs/[...rest]", "write \"/docs/*\""),
            ("/docs/*.html", "write \"/docs/*\""),
            ("/pay?step=1", "write \"/pay\""),
            ("/app#/pay", "write \"/app\""),
            ("https://jetpay.kz/pay", "write \"/pay\""),
            ("pay/done", "write \"/pay/done\""),
            ("/a/../b", "resolve"),
            ("/%ff", "no text"),
            ("/%00", "no text"),
        ] {
            assert!(wrong(path, written).contains(says), "{written}: {}", wrong(path, written));
        }
        assert!(path(&"/a".repeat(300)).is_err());
    }

    #[test]
    fn servers_and_sites_are_known() {
        for (written, is_one) in [
            ("http://clickhouse:8123", true),
            ("https://clickhouse:8443/", true),
            ("clickhouse:8123", false),
            ("https://user:secret@clickhouse", false),
            ("https://clickhouse/db", false),
            ("https://clickhouse?user=x", false),
            ("tcp://clickhouse:9000", false),
        ] {
            assert_eq!(is_server(written), is_one, "{written}");
        }
        assert!(is_same_site("jetpay.kz", "t.jetpay.kz") && is_same_site("www.jetpay.kz", "jetpay.kz"));
        assert!(is_same_site("jetpay.kz", "10.0.0.1"));
        assert!(!is_same_site("jetpay.kz", "t.aitu.kz") && !is_same_site("a.github.io", "t.github.io"));
    }

    const PATHS: &str = r#"paths = ["/", "/tariffs", "/pay/:order", "/docs/*"]"#;

    #[test]
    fn settings_are_taken_in_the_form_of_traffic() {
        let text = Config::example()
            .replace("[\"https://jetpay.kz\"]", "[\"https://JetPay.kz/\"]")
            .replace(PATHS, "paths = [\"/%D1%87%D0%B0%D0%B9/\", \"/pay/:order\"]").replace("[data]", "ignored_referrers = [\"https://kkb.kz./\"]\ngoals = { tea = \"/чай/\" }\nfunnels = { buy = [\"/%D1%87%D0%B0%D0%B9\", \"/pay/:order/\"] }\n[data]");
        let config = Config::parse(&text, Path::new("t.toml"), std::iter::empty()).expect("sound");
        let site = &config.sites[0];
        assert_eq!(site.origins, ["https://jetpay.kz"]);
        assert_eq!(
            (&site.paths[..], &site.ignored_referrers[..]),
            (&["/чай".to_owned(), "/pay/:order".to_owned()][..], &["kkb.kz".to_owned()][..])
        );
        assert_eq!(
            (site.goals["tea"].as_str(), site.funnels["buy"].join(" ")),
            ("/чай", "/чай /pay/:order".to_owned())
        );
    }
}

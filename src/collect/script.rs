//! The served scripts: the snippet `/tamga.js`; `/tamga-device.js` and `/tamga-extras.js`, which the snippet loads; and
//! `/tamga-ports.js`, which only pages with account protection load.
//!
//! Each script is also served under a path with the hash of its content, `/js/<hash>/tamga.js`. That path never
//! changes, so a page can pin it with the hash that `tamga snippet` prints (Subresource Integrity). A pinned version is
//! served after an update too, because the folder of scripts keeps earlier versions. A file is not served if its
//! content does not match the hash in its folder's name.
//!
//! Scripts are compressed once, when they are read, and served as the browser likes: with brotli, gzip or as they are.

use std::collections::HashMap;
use std::io::Write as _;
use std::path::Path;
use std::sync::{Arc, LazyLock};
use std::{fs, io};

use axum::body::Body;
use axum::extract::State;
use axum::response::Response;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use http::{HeaderMap, HeaderValue, StatusCode, Uri, header};
use ring::digest::{SHA384, digest};

use super::Collector;
use crate::config::Site;
use crate::items::Items;

/// The served files of this version.
const CURRENT: [(&str, &[u8]); 4] = [
    ("tamga.js", include_bytes!(concat!(env!("CARGO_MANIFEST_DIR"), "/collector-js/dist/tamga.js"))),
    ("tamga-device.js", include_bytes!(concat!(env!("CARGO_MANIFEST_DIR"), "/collector-js/dist/tamga-device.js"))),
    ("tamga-extras.js", include_bytes!(concat!(env!("CARGO_MANIFEST_DIR"), "/collector-js/dist/tamga-extras.js"))),
    ("tamga-ports.js", include_bytes!(concat!(env!("CARGO_MANIFEST_DIR"), "/collector-js/dist/tamga-ports.js"))),
];
/// The snippet with a screen that shows a site's developer whether the installation works.
const CHECKER: &[u8] = include_bytes!(concat!(env!("CARGO_MANIFEST_DIR"), "/collector-js/dist/tamga-check.js"));
/// The path of the checker: the only query of a script that has a meaning.
const CHECKER_PATH: &str = "/tamga.js?check";
/// How many earlier versions of a file are kept. A pinned page must follow within as many updates.
const KEPT: usize = 8;
/// The largest kept file, in bytes: ten times the size of the scripts. A larger file is not a script of Tamga.
const FILE_MAX: u64 = 256 << 10;

/// The served scripts, by path.
pub struct Scripts(HashMap<String, Script>);

#[derive(Clone)]
struct Script {
    /// The best first; the last is the script as it is.
    variants: Arc<[Variant]>,
    /// The path contains the hash, so browsers may keep the script for ever.
    fixed: bool,
}

/// A script in one content coding.
struct Variant {
    /// None as it is.
    coding: Option<&'static str>,
    body: Bytes,
    /// The codings of one script have different tags (RFC 9110, 8.8.3.3).
    tag: HeaderValue,
}

/// The variants of this version's scripts, in the order of [`CURRENT`], and of the checker.
static VARIANTS: LazyLock<[Arc<[Variant]>; 5]> = LazyLock::new(|| {
    let [(_, snippet), (_, device), (_, extras), (_, ports)] = CURRENT;
    [snippet, device, extras, ports, CHECKER].map(|body| variants(Bytes::from_static(body)))
});

/// A script in all codings that make it smaller.
fn variants(body: Bytes) -> Arc<[Variant]> {
    let hash = hash(&body);
    let variant = |coding: Option<&'static str>, body: Bytes| {
        let tag = coding.map_or(format!("\"{hash}\""), |coding| format!("\"{hash}-{coding}\""));
        Variant { coding, body, tag: HeaderValue::try_from(tag).expect("hexadecimal, and a coding") }
    };
    let compressed = [("br", brotli(&body)), ("gzip", gzip(&body))].into_iter();
    let smaller = compressed.filter(|(_, compressed)| compressed.len() < body.len());
    let smaller = smaller.map(|(coding, body)| variant(Some(coding), body.into()));
    smaller.chain([variant(None, body.clone())]).collect()
}

fn brotli(body: &[u8]) -> Vec<u8> {
    let mut out = Vec::new();
    let strongest = brotli::enc::BrotliEncoderParams { quality: 11, size_hint: body.len(), ..Default::default() };
    brotli::BrotliCompress(&mut &body[..], &mut out, &strongest).expect("a list grows");
    out
}

fn gzip(body: &[u8]) -> Vec<u8> {
    let mut out = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::best());
    out.write_all(body).and_then(|()| out.finish()).expect("a list grows")
}

/// The path of this version of a file, and its value of `integrity`. `None` if there is no such file.
pub fn pinned(file: &str) -> Option<(String, String)> {
    let (name, body) = CURRENT.iter().find(|(name, _)| *name == file)?;
    let integrity = format!("sha384-{}", STANDARD.encode(digest(&SHA384, body)));
    Some((format!("/js/{}/{name}", hash(body)), integrity))
}

/// The lines of HTML that the site's pages need: the tag, by the current path and by the pinned one, with the options
/// that the site's policy allows; and the link to the visitor's page.
pub fn installation(site: &Site) -> String {
    let (path, integrity) = pinned("tamga.js").expect("the snippet is one of the scripts");
    let url = site.public_url.trim_end_matches('/');
    let items = Items::of(site.profile.as_deref(), site.items.as_deref()).unwrap_or_default();
    let mut options = format!("data-site=\"{}\"", site.domain);
    let mut search = "";
    if items.search {
        options.push_str(" data-search=\"q\"");
        search =
            "<!-- data-search names the parameters of your pages' addresses that hold search words: \"q,text\". -->\n";
    }
    if items.errors {
        options.push_str(" data-errors");
    }
    let others = site.collector_urls();
    let others: String = others[1..].iter().map(|(url, origins)| other_domain(url, origins, &options)).collect();
    format!(
        "{search}<!-- Always the current version: -->\n\
         <script defer src=\"{url}/tamga.js\" {options}></script>\n\
         <!-- Or this version, which the browser checks and no update changes: -->\n\
         <script defer src=\"{url}{path}\" integrity=\"{integrity}\" crossorigin=\"anonymous\" {options}></script>\n\
         {others}\
         <!-- For your policy: where visitors see what is collected, and decide about it. -->\n\
         <a href=\"{url}/privacy\">{url}/privacy</a>\n{}",
        notice(site, url)
    )
}

/// The tag of pages under another registrable domain, which need a name of the collector there.
fn other_domain(url: &str, origins: &[&str], options: &str) -> String {
    format!(
        "<!-- On pages of {}, browsers take {url} for a part of the site. Let it lead to this collector too: -->\n\
         <script defer src=\"{url}/tamga.js\" {options}></script>\n",
        origins.join(", ")
    )
}

/// The frame that shows what is collected in the policy's own page, if a page may frame it.
fn notice(site: &Site, url: &str) -> String {
    match &site.operator.framed_by[..] {
        [] => String::new(),
        pages => format!(
            "<!-- Or all of it in the policy's own page, of {}; its content security policy needs frame-src {url}: -->\n\
             <iframe src=\"{url}/privacy/notice?site={}\" title=\"{}\" width=\"100%\" height=\"800\" loading=\"lazy\"></iframe>\n",
            pages.join(", "),
            site.domain,
            site.domain,
        ),
    }
}

fn hash(body: &[u8]) -> String {
    blake3::hash(body).to_hex()[..16].to_owned()
}

impl Scripts {
    /// Only the scripts of this version.
    pub fn current() -> Self {
        let mut scripts = Self(HashMap::new());
        let [current @ .., checker] = &*VARIANTS;
        for ((name, body), variants) in CURRENT.into_iter().zip(current) {
            scripts.0.insert(format!("/js/{}/{name}", hash(body)), Script { variants: variants.clone(), fixed: true });
            scripts.0.insert(format!("/{name}"), Script { variants: variants.clone(), fixed: false });
        }
        scripts.0.insert(CHECKER_PATH.to_owned(), Script { variants: checker.clone(), fixed: false });
        scripts
    }

    /// The scripts of this version and of earlier ones in the folder. Adds the current ones to the folder, and removes
    /// the oldest.
    pub fn keeping(folder: &Path) -> io::Result<Self> {
        let mut scripts = Self::current();
        for (name, body) in CURRENT {
            let path = folder.join(hash(body)).join(name);
            if fs::read(&path).is_ok_and(|kept| kept == body) {
                continue;
            }
            fs::create_dir_all(folder.join(hash(body)))?;
            let draft = path.with_extension("new");
            fs::write(&draft, body)?;
            fs::rename(draft, path)?;
        }
        for (name, body) in CURRENT {
            let mut versions = Vec::new();
            for version in fs::read_dir(folder)? {
                let version = version?.path();
                let path = version.join(name);
                let Ok(about) = fs::metadata(&path) else { continue };
                let is_current = version.file_name().is_some_and(|of| *of == *hash(body));
                if !is_current && about.len() <= FILE_MAX {
                    versions.push((about.modified()?, path));
                }
            }
            versions.sort_unstable();
            versions.reverse();
            for (number, (_, path)) in versions.into_iter().enumerate() {
                if number >= KEPT {
                    fs::remove_file(&path)?;
                    // Only when nothing else is left in it.
                    let _ = path.parent().map(fs::remove_dir);
                    continue;
                }
                let body = fs::read(&path)?;
                if path.parent().and_then(Path::file_name).is_some_and(|of| *of == *hash(&body)) {
                    scripts.add(name, body.into());
                } else {
                    tracing::warn!("a kept script does not match the hash in its folder's name; it is not served");
                }
            }
        }
        Ok(scripts)
    }

    fn add(&mut self, name: &str, body: Bytes) {
        self.0.insert(format!("/js/{}/{name}", hash(&body)), Script { variants: variants(body), fixed: true });
    }
}

/// A script by its path.
pub(super) async fn get(State(collector): State<Arc<Collector>>, uri: Uri, request: HeaderMap) -> Response {
    let asked = uri.path_and_query().map_or(uri.path(), |asked| asked.as_str());
    let path = if asked == CHECKER_PATH { asked } else { uri.path() };
    let Some(script) = collector.scripts.0.get(path) else {
        let mut response = Response::new(Body::empty());
        *response.status_mut() = StatusCode::NOT_FOUND;
        return response;
    };
    let variant = script.variants.iter().find(|variant| variant.coding.is_none_or(|coding| accepts(&request, coding)));
    let variant = variant.or(script.variants.last()).expect("the last is the script as it is");
    let known = request.get_all(header::IF_NONE_MATCH).iter().any(|list| contains_tag(list, &variant.tag));
    let mut response = Response::new(if known { Body::empty() } else { Body::from(variant.body.clone()) });
    if known {
        *response.status_mut() = StatusCode::NOT_MODIFIED;
    }
    let kept = if script.fixed { "public, max-age=31536000, immutable" } else { "public, max-age=3600" };
    let out = response.headers_mut();
    out.insert(header::CONTENT_TYPE, HeaderValue::from_static("text/javascript; charset=utf-8"));
    out.insert(header::CACHE_CONTROL, HeaderValue::from_static(kept));
    out.insert(header::ACCESS_CONTROL_ALLOW_ORIGIN, HeaderValue::from_static("*"));
    out.insert("cross-origin-resource-policy", HeaderValue::from_static("cross-origin"));
    out.insert("x-content-type-options", HeaderValue::from_static("nosniff"));
    out.insert(header::ETAG, variant.tag.clone());
    out.insert(header::VARY, HeaderValue::from_static("Accept-Encoding"));
    if let Some(coding) = variant.coding.filter(|_| !known) {
        out.insert(header::CONTENT_ENCODING, HeaderValue::from_static(coding));
    }
    response
}

/// Whether `Accept-Encoding` takes a coding: by its name, or by `*` where it does not name it (RFC 9110, 12.5.3).
fn accepts(request: &HeaderMap, coding: &str) -> bool {
    let named = |name: &str| {
        let lists = request.get_all(header::ACCEPT_ENCODING).iter();
        let mut entries = lists.flat_map(|list| list.as_bytes().split(|byte| *byte == b','));
        entries.find_map(|entry| {
            let mut parts = entry.split(|byte| *byte == b';').map(<[u8]>::trim_ascii);
            let is_it = parts.next()?.eq_ignore_ascii_case(name.as_bytes());
            let weight = parts.find_map(|part| part.strip_prefix(b"q=").or(part.strip_prefix(b"Q=")));
            let is_zero = weight.is_some_and(|weight| weight.iter().all(|byte| matches!(byte, b'0' | b'.')));
            is_it.then_some(!is_zero)
        })
    };
    named(coding).or_else(|| named("*")).unwrap_or(false)
}

/// Whether a list of entity tags contains `tag`. The comparison is weak (RFC 9110, 13.1.2), because a compressing proxy
/// makes tags weak.
fn contains_tag(list: &HeaderValue, tag: &HeaderValue) -> bool {
    let mut listed = list.as_bytes().split(|byte| *byte == b',').map(<[u8]>::trim_ascii);
    listed.any(|listed| listed == b"*" || listed.strip_prefix(b"W/").unwrap_or(listed) == tag.as_bytes())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn paths(scripts: &Scripts) -> Vec<&str> {
        let mut paths: Vec<&str> = scripts.0.keys().map(String::as_str).collect();
        paths.sort_unstable();
        paths
    }

    #[test]
    fn a_version_of_before_is_still_served_and_a_changed_one_is_not() {
        let folder = tempfile::tempdir().unwrap();
        let before = b"/* the version before */";
        let keep = |of: &str, name: &str, body: &[u8]| {
            fs::create_dir_all(folder.path().join(of)).unwrap();
            fs::write(folder.path().join(of).join(name), body).unwrap();
        };
        keep(&hash(before), "tamga.js", before);
        keep("0123456789abcdef", "tamga.js", b"/* not its content */");
        keep(&hash(before), "other.js", before);
        keep("fedcba9876543210", "tamga.js", &vec![b' '; 300 << 10]);
        let scripts = Scripts::keeping(folder.path()).unwrap();
        let old = format!("/js/{}/tamga.js", hash(before));
        assert!(scripts.0[&old].fixed && scripts.0[&old].variants.last().unwrap().body == before[..]);
        assert_eq!(paths(&scripts).len(), paths(&Scripts::current()).len() + 1, "{:?}", paths(&scripts));
        // The next start finds this version as one of before.
        assert_eq!(paths(&Scripts::keeping(folder.path()).unwrap()), paths(&scripts));
    }

    #[test]
    fn the_oldest_versions_go() {
        let folder = tempfile::tempdir().unwrap();
        for number in 0..12_u64 {
            let body = format!("/* {number} */");
            let of = folder.path().join(hash(body.as_bytes()));
            fs::create_dir(&of).unwrap();
            fs::write(of.join("tamga.js"), &body).unwrap();
            let then = std::time::UNIX_EPOCH + std::time::Duration::from_secs(number);
            fs::File::options().append(true).open(of.join("tamga.js")).unwrap().set_modified(then).unwrap();
        }
        let scripts = Scripts::keeping(folder.path()).unwrap();
        let served = |number: u64| {
            scripts.0.contains_key(&format!("/js/{}/tamga.js", hash(format!("/* {number} */").as_bytes())))
        };
        assert_eq!((0..12).filter(|number| served(*number)).collect::<Vec<_>>(), (4..12).collect::<Vec<_>>());
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 8 + 4, "four files of this version");
    }

    #[test]
    fn a_tag_has_the_options_of_the_sites_policy() {
        let tags = |profile: &str| {
            let site = format!(
                "domain = \"shop.kz\"\npublic_url = \"https://t.shop.kz/\"\norigins = [\"https://shop.kz\"]\n\
                 time_zone = \"Asia/Almaty\"\n{profile}\n"
            );
            installation(&toml::from_str(&site).unwrap())
        };
        let all = tags("items = [\"pages\", \"search\", \"errors\"]");
        assert_eq!(all.matches("data-site=\"shop.kz\" data-search=\"q\" data-errors></script>").count(), 2, "{all}");
        assert!(all.contains("src=\"https://t.shop.kz/tamga.js\" data-site"), "{all}");
        assert!(all.contains("<a href=\"https://t.shop.kz/privacy\">"), "{all}");
        assert!(!all.contains("pages of"), "{all}");
        let few = tags("items = [\"pages\"]");
        assert!(!few.contains("<iframe"), "{few}");
        let framed = tags("items = [\"pages\"]\n[operator]\nframed_by = [\"https://shop.kz\"]");
        assert!(framed.contains("<iframe src=\"https://t.shop.kz/privacy/notice?site=shop.kz\" title="), "{framed}");
        assert!(!few.contains("data-search") && !few.contains("data-errors"), "{few}");
    }

    #[test]
    fn pages_under_another_domain_get_a_tag_of_their_own() {
        let site = "domain = \"shop.kz\"\npublic_url = \"https://t.shop.kz\"\ntime_zone = \"UTC\"\nitems = [\"pages\"]\n\
                    origins = [\"https://shop.kz\", \"https://shop.ru\", \"https://pay.shop.ru\"]\n";
        let said = installation(&toml::from_str(site).unwrap());
        assert!(said.contains("On pages of https://shop.ru, https://pay.shop.ru, "), "{said}");
        assert!(said.contains("src=\"https://t.shop.ru/tamga.js\" data-site=\"shop.kz\"></script>"), "{said}");
    }

    #[test]
    fn a_coding_is_chosen_as_the_browser_says() {
        for (said, expected) in [
            (&["gzip, deflate, br, zstd"][..], [true, true]),
            (&["gzip"], [false, true]),
            (&["gzip", "br"], [true, true]),
            (&["BR;q=1.0, gzip;q=0.8"], [true, true]),
            (&["br;q=0, gzip"], [false, true]),
            (&["br; q=0.000, *"], [false, true]),
            (&["*;q=0"], [false, false]),
            (&["*"], [true, true]),
            (&["identity"], [false, false]),
            (&["brotli, xbr, gzipped"], [false, false]),
            (&["\u{ff}, gzip"], [false, true]),
            (&[""], [false, false]),
            (&[], [false, false]),
        ] {
            let mut request = HeaderMap::new();
            for line in said {
                request.append(header::ACCEPT_ENCODING, HeaderValue::from_bytes(line.as_bytes()).unwrap());
            }
            assert_eq!(["br", "gzip"].map(|coding| accepts(&request, coding)), expected, "{said:?}");
        }
    }

    #[test]
    fn a_pinned_path_has_its_own_hash() {
        let (path, integrity) = pinned("tamga.js").unwrap();
        assert!(Scripts::current().0[&path].fixed);
        assert!(integrity.starts_with("sha384-") && integrity.len() == 7 + 64, "{integrity}");
        assert_eq!(pinned("canary.js"), None);
    }
}

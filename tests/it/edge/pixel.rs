//! The picture and the script: always the same bytes, and never a cookie.

use std::io::Read as _;

use crate::support::collector::Edge;
use crate::support::http::{Answer, raw};

const PAGE: &str = "https%3A%2F%2Fjetpay.kz%2Fpay%2F4711";

#[tokio::test]
async fn the_picture_is_the_same_whatever_happened() {
    let edge = Edge::start().await;
    let well = format!("/v1/picture?site=jetpay.kz&url={PAGE}&ref=https%3A%2F%2Fyandex.kz%2F");
    let cookie = edge.view(1, 0, None).await.cookie().unwrap();
    edge.rows().await;
    let long = format!("/v1/count.gif?site=jetpay.kz&url=https://jetpay.kz/{}", "x".repeat(4_000));
    let mut first = Vec::new();
    for (target, kept) in [
        (well.as_str(), 1),
        (&format!("{well}&site=jetpay.kz"), 0),
        ("/v1/picture", 0),
        ("/v1/count.gif?site=canary.kz", 0),
        ("/v1/count.gif?site=jetpay.kz", 0),
        ("/v1/count.gif?site=jetpay.kz&url=https://evil.kz/", 0),
        ("/v1/count.gif?site=jetpay.kz&url=javascript:1", 0),
        ("/v1/count.gif?site=%FF%FE&url=%00", 0),
        ("/v1/count.gif?%", 0),
        (&long, 0),
    ] {
        let answer = edge.call("GET", target).cookies(Some(&cookie)).send().await;
        assert_eq!((answer.status, answer.body.len()), (200, 43), "{target}");
        assert!(answer.body.starts_with(b"GIF89a"));
        assert_eq!(answer.header("content-type"), Some("image/gif"));
        assert_eq!(answer.header("cache-control"), Some("no-store"));
        assert_eq!(answer.all("set-cookie"), [""; 0]);
        first = if first.is_empty() { answer.body.clone() } else { first };
        assert_eq!(answer.body, first);
        assert_eq!(edge.rows().await.events.len(), kept, "{target}");
    }
    edge.disk.fail();
    let answer = edge.call("GET", &well).send().await;
    assert_eq!((answer.status, answer.body), (200, first));
    edge.counts();
}

#[tokio::test]
async fn views_of_the_picture_are_nobody_s() {
    let edge = Edge::start().await;
    let target = format!("/v1/picture?site=jetpay.kz&url={PAGE}");
    let cookie = edge.view(1, 0, None).await.cookie().unwrap();
    let visitor = edge.rows().await.event().visitor;
    for _ in 0..2 {
        edge.call("GET", &target).cookies(Some(&cookie)).send().await;
    }
    let by_referer = edge.call("GET", "/v1/count.gif?site=jetpay.kz").header("Referer", "https://jetpay.kz/tariffs");
    by_referer.send().await;
    let rows = edge.rows().await.events;
    assert_eq!(
        rows.iter().map(|row| row.path.as_str()).collect::<Vec<_>>(),
        ["/pay/:order", "/pay/:order", "/tariffs"]
    );
    assert!(rows.iter().all(|row| !row.confirmed && row.visitor != visitor));
    assert!(rows[0].visitor != rows[1].visitor, "each view a random pseudonym");

    for opt_out in [("Cookie", "__Host-tamga-off=1"), ("Sec-GPC", "1")] {
        edge.call("GET", &target).header(opt_out.0, opt_out.1).send().await;
        let rows = edge.rows().await;
        assert_eq!((rows.events.len(), rows.tallies.len()), (0, usize::from(opt_out.0 == "Sec-GPC")));
    }
    edge.counts();
}

#[tokio::test]
async fn the_page_that_shows_the_picture_is_the_viewed_one() {
    let edge = Edge::start().await;
    let long = format!("https://jetpay.kz/tariffs?{}", "x".repeat(4_000));
    for (query, referer, path) in [
        ("", "https://jetpay.kz/docs/қала".as_bytes(), Some("/docs/қала")),
        ("&url=", b"https://jetpay.kz/tariffs", Some("/tariffs")),
        ("&url=%20", b"https://jetpay.kz/tariffs", Some("/tariffs")),
        ("&url=undefined", b"https://jetpay.kz/tariffs", Some("/tariffs")),
        ("&url=%7B%7Burl%7D%7D", b"https://jetpay.kz/tariffs", Some("/tariffs")),
        ("", long.as_bytes(), Some("/tariffs")),
        ("", b"https://jetpay.kz/tariffs?q=caf\xe9", Some("/tariffs")),
        ("&url=https%3A%2F%2Fjetpay.kz%2F", b"https://jetpay.kz/tariffs", Some("/")),
        ("&url=", b"https://evil.kz/", None),
    ] {
        for name in ["/v1/picture", "/v1/count.gif"] {
            let call = edge.call("GET", &format!("{name}?site=jetpay.kz{query}")).header("Referer", "REFERER").bytes();
            let at = call.windows(7).position(|window| window == b"REFERER").unwrap();
            let request = [&call[..at], referer, &call[at + 7..]].concat();
            assert_eq!(Answer::parse(&raw(edge.address, &request).await).status, 200);
            let rows = edge.rows().await.events;
            assert_eq!(rows.first().map(|row| row.path.as_str()), path, "{query} {}", String::from_utf8_lossy(referer));
        }
    }
}

#[tokio::test]
async fn what_nobody_sees_yet_is_no_view() {
    let edge = Edge::start().await;
    let target = format!("/v1/picture?site=jetpay.kz&url={PAGE}");
    for name in ["/v1/picture", "/v1/count.gif"] {
        let head = edge.call("HEAD", &target.replace("/v1/picture", name)).send().await;
        assert_eq!((head.status, head.body.len(), head.header("content-type")), (200, 0, Some("image/gif")));
    }
    assert_eq!(edge.counts(), [0; 4]);
    for (field, value) in [
        ("Sec-Purpose", "prefetch"),
        ("Sec-Purpose", "prefetch;prerender"),
        ("Purpose", "prefetch"),
        ("X-Purpose", "preview"),
        ("X-Moz", "prefetch"),
    ] {
        let answer = edge.call("GET", &target).header(field, value).send().await;
        assert_eq!((answer.status, answer.body.len()), (200, 43));
    }
    assert_eq!((edge.rows().await.len(), edge.reason("dropped", "prefetch")), (0, 5));
    edge.call("GET", &target).header("Sec-Purpose", "").send().await;
    assert_eq!(edge.rows().await.events.len(), 1);
    edge.counts();
}

#[tokio::test]
async fn scripts_are_compressed_as_the_browser_likes() {
    let edge = Edge::start().await;
    for path in [
        "/tamga.js",
        "/tamga-device.js",
        "/tamga-extras.js",
        "/tamga-ports.js",
        "/tamga.js?check",
        &tamga::collect::pinned("tamga.js").unwrap().0,
    ] {
        let plain = edge.call("GET", path).send().await;
        assert_eq!((plain.header("content-encoding"), plain.header("vary")), (None, Some("Accept-Encoding")), "{path}");
        let (mut tags, mut sizes) = (vec![plain.header("etag").unwrap().to_owned()], vec![plain.body.len()]);
        for (accepted, coding) in [("gzip;q=0.5, deflate", "gzip"), ("gzip, deflate, br, zstd", "br")] {
            let answer = edge.call("GET", path).header("Accept-Encoding", accepted).send().await;
            assert_eq!(
                (answer.header("content-encoding"), answer.header("vary")),
                (Some(coding), Some("Accept-Encoding"))
            );
            let mut text = Vec::new();
            match coding {
                "br" => brotli::Decompressor::new(&answer.body[..], 4096).read_to_end(&mut text).unwrap(),
                _ => flate2::read::GzDecoder::new(&answer.body[..]).read_to_end(&mut text).unwrap(),
            };
            assert!(text == plain.body, "{path} in {coding}");
            let tag = answer.header("etag").unwrap().to_owned();
            let again =
                edge.call("GET", path).header("Accept-Encoding", accepted).header("If-None-Match", &tag).send().await;
            assert_eq!((again.status, again.body.len(), again.header("content-encoding")), (304, 0, None));
            tags.push(tag);
            sizes.push(answer.body.len());
        }
        assert!(tags[0] != tags[1] && tags[1] != tags[2] && tags[0] != tags[2], "{tags:?}");
        assert!(2 * sizes[0] > 3 * sizes[1] && sizes[1] > sizes[2], "{path}: {sizes:?}");
    }
}

#[tokio::test]
async fn the_script_is_cached_by_its_content() {
    let edge = Edge::start().await;
    let script = edge.call("GET", "/tamga.js").send().await;
    let built = std::fs::read(concat!(env!("CARGO_MANIFEST_DIR"), "/collector-js/dist/tamga.js")).unwrap();
    assert_eq!((script.status, &script.body), (200, &built));
    assert_eq!(script.header("content-type"), Some("text/javascript; charset=utf-8"));
    assert_eq!(script.header("cache-control"), Some("public, max-age=3600"));
    let tag = script.header("etag").unwrap();
    for known in [tag.to_owned(), format!("W/{tag}"), format!("\"other\", {tag}"), "*".to_owned()] {
        let answer = edge.call("GET", "/tamga.js").header("If-None-Match", &known).send().await;
        assert_eq!((answer.status, answer.body.len()), (304, 0), "{known}");
        assert_eq!(answer.header("etag"), Some(tag));
    }
    let other = edge.call("GET", "/tamga.js").header("If-None-Match", "\"other\"").send().await;
    assert_eq!((other.status, other.body.len()), (200, built.len()));
    for file in ["tamga.js", "tamga-device.js", "tamga-extras.js", "tamga-ports.js"] {
        let latest = edge.call("GET", &format!("/{file}")).send().await;
        let (path, _) = tamga::collect::pinned(file).unwrap();
        let pinned = edge.call("GET", &path).send().await;
        assert_eq!((pinned.status, &pinned.body), (200, &latest.body), "{path}");
        assert_eq!(pinned.header("cache-control"), Some("public, max-age=31536000, immutable"));
        assert_eq!(pinned.header("access-control-allow-origin"), Some("*"), "the browser may check its integrity");
    }
    let built = std::fs::read(concat!(env!("CARGO_MANIFEST_DIR"), "/collector-js/dist/tamga-check.js")).unwrap();
    assert_eq!(edge.call("GET", "/tamga.js?check").send().await.body, built);
    for same in ["/tamga.js?v=2", "/tamga.js?checked", "/tamga.js?"] {
        assert_eq!(edge.call("GET", same).send().await.body, script.body, "{same} is the snippet");
    }
    for none in ["/js/0123456789abcdef/tamga.js", "/js/x/y", "/js//tamga.js"] {
        assert_eq!(edge.call("GET", none).send().await.status, 404, "{none}");
    }
    let head = edge.call("HEAD", "/tamga.js").send().await;
    assert_eq!((head.status, head.body.len()), (200, 0));
    assert_eq!(script.all("set-cookie"), [""; 0]);
}

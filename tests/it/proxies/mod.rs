//! Do the proxies of `deploy/proxies`, run by the real programs, pass everything of a visitor on and keep nothing of it?
//!
//! Canaries are sent through each proxy to the product: in the address, in every field, in bodies, in what is no HTTP and no TLS,
//! while the product runs, starts, stops and is gone. Then every file that the proxy could write is searched. A second test
//! takes the lines out that keep the proxy silent, and finds them.
//!
//! A proxy that is not installed is skipped, but not in continuous integration: `scripts/prepare proxies` installs all of them.

mod backend;
mod browser;
mod programs;

use std::time::Duration;

use crate::canary::{Needles, assert_absent, search, visitors};
use crate::support::collector::{beacon_of, view_of};
use crate::support::program::{Ground, Program};
use backend::Backend;
use browser::{ADDRESS, Browser};
use programs::{Kind, Place, Proxy};

/// A product at a place that stays the same, without stores.
struct Collector {
    ground: Ground,
    place: Place,
}

impl Collector {
    fn new(kind: Kind) -> Self {
        let ground = Ground::new();
        ground.send_stores_away();
        // The proxies keep idle connections for five seconds, and the collector must keep them longer: on a crowded machine too.
        let path = ground.folder.path().join("tamga.toml");
        let patient = std::fs::read_to_string(&path).unwrap().replace("_deadline_s = 1\n", "_deadline_s = 60\n");
        assert_eq!(patient.matches("_deadline_s = 60\n").count(), 2);
        std::fs::write(&path, patient).unwrap();
        Self { ground, place: Place::of(kind) }
    }

    fn start(&self) -> Program {
        Program::serve(&self.ground, &[("TAMGA__SERVER__LISTEN", &self.place.listen.to_string())])
    }
}

/// Nothing of a visitor: neither what the canary's visitors carry nor the address that the proxy saw.
fn assert_silent(proxy: &Proxy) {
    let searched = assert_absent(visitors::needles(), proxy.folder());
    assert_absent(&Needles::new(&[ADDRESS]), proxy.folder());
    assert!(searched.files >= 3, "the proxy's files are searched: {}", searched.files);
    assert_eq!(proxy.written_bodies(), Vec::<String>::new(), "no body goes to the disk");
}

/// What the page gets through the proxy is what the collector answers.
async fn passes_everything_on(browser: &Browser, product: &Program) {
    let mut view = 0;
    for version in ["--http1.1", "--http2"] {
        let mut beacon = |body: &str, more: &[&str]| {
            view += 1;
            let body = body.replace(&crate::support::collector::view_id(9), &crate::support::collector::view_id(view));
            browser.post(version, "/v1/beacon", &body, more)
        };
        let view_9 = view_of(9, 0, "/tariffs");
        let first = beacon(&view_9, &[]);
        assert_eq!((first.outcome(), first.version), ("accepted", version), "{first:?}");
        let set = first.header("set-cookie").expect("a cookie is set");
        assert!(["Secure", "HttpOnly", "Path=/"].iter().all(|part| set.contains(part)), "{set}");
        assert_eq!(first.header("access-control-allow-origin"), Some("https://jetpay.kz"));
        assert!(first.header("tamga-device").is_some(), "a visit begins");
        // The cookie comes back, among many others.
        let others: String = (0..60).map(|number| format!("; c{number}={}", "y".repeat(990))).collect();
        let cookie = format!("Cookie: {}{others}", set.split(';').next().unwrap());
        let again = beacon(&view_9, &["-H", &cookie]);
        assert_eq!((again.outcome(), again.header("tamga-device")), ("accepted", None), "the visit goes on: {again:?}");

        let filled = |bytes: usize| view_9.clone() + &" ".repeat(bytes - view_9.len());
        assert_eq!(beacon(&filled(64 << 10), &[]).outcome(), "accepted");
        assert_eq!(beacon(&filled(64 << 10), &["-H", "Transfer-Encoding: chunked"]).outcome(), "accepted");
        let large = beacon(&filled((64 << 10) + 1), &[]);
        assert!(large.status == 413 || large.status > 500, "a proxy that still sends it may miss why: {large:?}");
        // curl sends no field of that size over HTTP/2.
        if version == "--http1.1" {
            let head = beacon(&view_9, &["-H", &format!("X-Long: {}", "x".repeat(70_000))]);
            assert_eq!((head.status, head.is_readable()), (431, true), "{head:?}");
        }

        for (target, status) in [
            ("/tamga.js", 200),
            ("/v1/count.gif?site=jetpay.kz&url=https%3A%2F%2Fjetpay.kz%2Ftariffs", 200),
            ("/privacy?site=jetpay.kz", 200),
            ("/nothing", 404),
        ] {
            assert_eq!(browser.get(version, target).status, status, "{target}");
        }
    }
    assert!(product.figure("tamga_events_accepted_total").await >= 8);
}

/// Sends all that the canary sends, over TLS from the visitor's address, and what is neither HTTP nor TLS.
async fn send_canaries(browser: &Browser, product: &Program, round: u8) {
    let requests = visitors::requests(product, round);
    let laden = requests[0].clone();
    let cut = laden[..laden.len() - 20].to_vec();
    browser.send_all(requests.into_iter().chain([cut])).await;
    for port in [browser.proxy.https.port(), browser.proxy.http.port()] {
        browser.plain(port, &laden).await;
        browser.plain(port, format!("kanarischer-parameter \0 {ADDRESS}\r\n\r\n").as_bytes()).await;
    }
    browser.shake_wrongly().await;
}

async fn keeps_nothing(kind: Kind) {
    let Some(kind) = kind.installed() else { return };
    let collector = Collector::new(kind);
    let browser = Browser::of(Proxy::start(kind, &collector.place, false));
    let product = collector.start();
    passes_everything_on(&browser, &product).await;
    send_canaries(&browser, &product, 0).await;

    // The collector ends in order, and is away.
    assert_eq!(product.terminate().0, Some(0));
    let away = |body: &str| browser.post("--http2", "/v1/beacon", body, &[]).status;
    assert!((502..=504).contains(&away(&view_of(1, 0, "/"))), "the collector is away");
    let product = collector.start();
    wait_for(|| away(&view_of(2, 0, "/")) == 202, "a proxy that finds the collector again").await;
    send_canaries(&browser, &product, 1).await;
    product.signal(rustix::process::Signal::KILL);
    let laden =
        beacon_of(3, 0, r#"{"type":"view","at":0,"url":"https://jetpay.kz/kanarenweg-77aa?kanarischer-parameter"}"#);
    let laden = [laden.as_str(), "/v1/count.gif?site=jetpay.kz&url=https%3A%2F%2Fjetpay.kz%2Fkanarenweg-77aa"];
    assert!(browser.post("--http1.1", "/v1/beacon", laden[0], &[]).status > 500);
    assert!(browser.get("--http2", laden[1]).status > 500);
    send_canaries(&browser, &product, 2).await;
    let proxy = browser.stop();
    assert_silent(&proxy);
}

async fn names_the_visitor_and_sends_nothing_twice(kind: Kind) {
    let Some(kind) = kind.installed() else { return };
    let place = Place::of(kind);
    let backend = Backend::start(&place.listen);
    let browser = Browser::of(Proxy::start(kind, &place, false));
    // It answers the first request of each connection and ends in the middle of the second.
    let body = view_of(1, 0, "/");
    let statuses: Vec<u16> =
        (0..4).map(|_| browser.post("--http1.1", "/v1/beacon?a=%2F&b", &body, &[]).status).collect();
    let seen = backend.requests();
    assert_eq!(seen.len(), statuses.len(), "each was sent once: {statuses:?}");
    assert!(statuses.contains(&202), "{statuses:?}");
    for request in seen {
        assert!(request.starts_with("POST /v1/beacon?a=%2F&b HTTP/1.1\r\n"), "{request}");
        let field = |name: &str| -> Vec<String> {
            let fields = request.split("\r\n").filter_map(|line| line.split_once(": "));
            fields.filter(|field| field.0.eq_ignore_ascii_case(name)).map(|field| field.1.to_owned()).collect()
        };
        assert_eq!(field("X-Forwarded-For"), [ADDRESS], "the address that the proxy saw, and nothing else: {request}");
        assert_eq!(field("Forwarded"), Vec::<String>::new());
        assert_eq!(field("Origin"), ["https://jetpay.kz"]);
        assert_eq!(field("Cookie"), ["sid=kanarische-sitzung-4b1d"]);
        assert!(field("Host")[0].starts_with("t.jetpay.kz"), "{request}");
        assert!(request.ends_with(&body));
    }
}

/// Without the lines that keep it silent, the same proxy writes what the first test looks for.
async fn would_be_found(kind: Kind) {
    let Some(kind) = kind.installed() else { return };
    // Nobody is there.
    let browser = Browser::of(Proxy::start(kind, &Place::of(kind), true));
    let filled = view_of(1, 0, "/") + &" ".repeat(60_000);
    browser.post("--http1.1", "/v1/beacon?kanarischer-parameter", &filled, &[]);
    let proxy = browser.stop();
    for canary in [ADDRESS, "kanarischer-parameter"] {
        let searched = search(&Needles::new(&[canary]), proxy.folder());
        assert!(searched.found.is_some(), "{canary} rests in no file, so this test finds nothing");
    }
    let is_nginx = matches!(kind, Kind::Nginx | Kind::NginxByUnix);
    assert_eq!(
        !proxy.written_bodies().is_empty(),
        is_nginx,
        "nginx alone puts a body on the disk that its buffer cannot hold"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_balancer_that_passes_bytes_on_keeps_nothing_and_is_the_only_way_in() {
    let Some(kind) = Kind::Balancer.installed() else { return };
    let collector = Collector::new(kind);
    let address = collector.place.listen.tcp().unwrap();
    let browser = Browser::of(Proxy::start(kind, &collector.place, false));
    let [chain, key] = ["chain.pem", "key.pem"].map(|name| browser.proxy.folder().join(name).display().to_string());
    let product = Program::serve(
        &collector.ground,
        &[
            ("TAMGA__SERVER__LISTEN", &address.to_string()),
            ("TAMGA__SERVER__CERTIFICATE_FILE", &chain),
            ("TAMGA__SERVER__KEY_FILE", &key),
            ("TAMGA__SERVER__PROXY_PROTOCOL", "true"),
        ],
    );
    let beacon = browser.post("--http1.1", "/v1/beacon", &view_of(1, 0, "/"), &[]);
    assert_eq!(beacon.outcome(), "accepted");
    assert!(browser.cannot_shake(address.port()).await, "a connection without a PROXY header gets no handshake");
    send_canaries(&browser, &product, 0).await;
    product.terminate();
    browser.shake_wrongly().await;
    assert_silent(&browser.stop());
}

async fn wait_for(mut is_true: impl FnMut() -> bool, what: &str) {
    let look = async || is_true().then_some(());
    crate::support::wait::until(Duration::from_secs(60), look, || what.to_owned()).await;
}

macro_rules! of_each_proxy {
    ($($name:ident: $kind:ident;)*) => { $(mod $name {
        use super::Kind;

        #[tokio::test(flavor = "multi_thread")]
        async fn everything_is_passed_on_and_nothing_of_a_visitor_rests() {
            super::keeps_nothing(Kind::$kind).await;
        }

        #[tokio::test(flavor = "multi_thread")]
        async fn it_names_the_visitor_and_sends_no_beacon_twice() {
            super::names_the_visitor_and_sends_nothing_twice(Kind::$kind).await;
        }

        #[tokio::test(flavor = "multi_thread")]
        async fn without_its_silence_the_visitor_is_found() {
            super::would_be_found(Kind::$kind).await;
        }
    })* };
}

of_each_proxy! {
    nginx: Nginx;
    nginx_by_unix: NginxByUnix;
    caddy: Caddy;
    haproxy: HaProxy;
    apache: Apache;
}

//! Does an application get a verdict that it can trust, and is the same said of all who look alike?

use jsonwebtoken::crypto::{CryptoProvider, JwtVerifier, KeyUtils};
use jsonwebtoken::errors::ErrorKind;
use jsonwebtoken::signature::{self, Verifier};
use jsonwebtoken::{Algorithm, DecodingKey, Validation, decode};
use ring::signature::{ED25519, UnparsedPublicKey};
use serde_json::{Value, json};

use crate::support::collector::{AGENT, Edge, ORIGIN, SITE, Setup};
use crate::support::http::{Answer, Call, PATIENCE};
use crate::support::wait;

const KEYS: &str = "/.well-known/tamga-verdict-keys.json";
const NONCE: &str = "mWj7Wm2Vx0q8N3fJ5bYc1A";
const OFFERS: &str = r#"
[[site]]
domain = "shadow.kz"
public_url = "https://t.shadow.kz"
origins = ["https://shadow.kz"]
time_zone = "Asia/Almaty"
items = ["protection"]
[site.protect]
audience = "https://shadow.kz"
shadow = true
"#;

/// What a browser on a telephone in Kazakhstan shows.
fn evidence() -> Value {
    json!({
        "automation": [],
        "engine": "blink",
        "zone": "Asia/Almaty",
        "languages": ["kk-KZ", "ru"],
        "screen": [412, 915, 412, 915],
        "window": [412, 915, 412, 780],
        "touch": 5,
        "input": { "moves": "none", "keys": "some", "presses": "few", "touches": "some" },
    })
}

fn body(site: &str, nonce: &str, evidence: &Value) -> Value {
    json!({ "v": 1, "site": site, "nonce": nonce, "evidence": evidence })
}

/// A call from a page of the site, by a current Chrome.
fn call(edge: &Edge, body: &Value) -> Call {
    edge.call("POST", "/v1/verdict")
        .header("Origin", ORIGIN)
        .header("Content-Type", "text/plain")
        .header("Sec-CH-UA", r#""Chromium";v="150", "Google Chrome";v="150", "Not)A;Brand";v="24""#)
        .header("Sec-CH-UA-Platform", "\"Android\"")
        .body(body.to_string())
}

async fn token(edge: &Edge, body: &Value) -> String {
    let answer = call(edge, body).send().await;
    assert_eq!((answer.status, answer.header("content-type")), (200, Some("application/jwt")), "{answer:?}");
    String::from_utf8(answer.body).unwrap()
}

/// What a token says, without a look at its signature.
fn said(token: &str) -> Value {
    use base64::Engine as _;
    let claims = token.split('.').nth(1).unwrap();
    serde_json::from_slice(&base64::engine::general_purpose::URL_SAFE_NO_PAD.decode(claims).unwrap()).unwrap()
}

/// Lets the library check signatures by *ring*, so that no second library of cryptography is compiled.
struct ByRing(Vec<u8>);

impl Verifier<Vec<u8>> for ByRing {
    fn verify(&self, text: &[u8], signature: &Vec<u8>) -> Result<(), signature::Error> {
        UnparsedPublicKey::new(&ED25519, &self.0).verify(text, signature).map_err(|_| signature::Error::new())
    }
}

impl JwtVerifier for ByRing {
    fn algorithm(&self) -> Algorithm {
        Algorithm::EdDSA
    }
}

static RING: CryptoProvider = CryptoProvider {
    signer_factory: |_, _| Err(ErrorKind::UnsupportedAlgorithm.into()),
    verifier_factory: |_, key| Ok(Box::new(ByRing(key.try_get_as_bytes()?.to_vec()))),
    key_utils: KeyUtils::new_unimplemented(),
};

/// The application's side, as docs/account-protection.md shows it.
fn verified(token: &str, keys: &Value, audience: &str, now: u64) -> Option<Value> {
    let _ = RING.install_default();
    let header = jsonwebtoken::decode_header(token).ok()?;
    let key = keys["keys"].as_array()?.iter().find(|key| key["kid"].as_str() == header.kid.as_deref())?;
    let key = DecodingKey::from_ed_components(key["x"].as_str()?).ok()?;
    let mut rules = Validation::new(Algorithm::EdDSA);
    rules.set_issuer(&["https://t.jetpay.kz"]);
    rules.set_audience(&[audience]);
    rules.validate_exp = false;
    let claims = decode::<Value>(token, &key, &rules).ok()?.claims;
    (header.typ.as_deref() == Some("tamga-verdict+jwt") && claims["exp"].as_u64()? > now).then_some(claims)
}

async fn keys(edge: &Edge) -> Value {
    let answer = edge.call("GET", KEYS).send().await;
    assert_eq!((answer.status, answer.header("access-control-allow-origin")), (200, Some("*")));
    serde_json::from_slice(&answer.body).unwrap()
}

fn now(edge: &Edge) -> u64 {
    edge.clock.now().as_second().try_into().unwrap()
}

#[tokio::test]
async fn an_application_believes_a_token_once_for_itself_and_for_five_minutes() {
    let edge = Edge::start().await;
    let token = token(&edge, &body(SITE, NONCE, &evidence())).await;
    let keys = keys(&edge).await;
    let (audience, now) = ("https://jetpay.kz", now(&edge));
    let claims = verified(&token, &keys, audience, now).expect("a verdict");
    let iat = now - now % 60;
    let expected = json!({
        "iss": "https://t.jetpay.kz", "aud": audience, "nonce": NONCE,
        "level": "low", "reasons": [], "iat": iat, "exp": iat + 300,
    });
    assert_eq!(claims, expected);

    assert_eq!(verified(&token, &keys, "https://aitu.kz", now), None, "for another application");
    assert_eq!(verified(&token, &keys, audience, now + 300), None, "too late");
    let [header, _, signature] = token.split('.').collect::<Vec<_>>()[..] else { panic!("three parts") };
    let forged = token.replacen(header, &header.replace('e', "f"), 1);
    assert_eq!(verified(&forged, &keys, audience, now), None, "another header");
    let better = json!({ "iss": "https://t.jetpay.kz", "aud": audience, "nonce": NONCE, "level": "low", "reasons": [], "exp": iat + 900 });
    let forged = format!("{header}.{}.{signature}", encoded(&better));
    assert_eq!(verified(&forged, &keys, audience, now), None, "other claims");
    let other = Edge::start().await;
    assert_eq!(verified(&token, &self::keys(&other).await, audience, now), None, "another collector's key");
    // The application keeps the nonces that it has made, and strikes each out as it is used.
    let mut open = std::collections::BTreeSet::from([NONCE.to_owned()]);
    let mut is_new = |claims: &Value| open.remove(claims["nonce"].as_str().unwrap());
    assert!(is_new(&claims) && !is_new(&claims), "replayed");
}

fn encoded(value: &Value) -> String {
    use base64::Engine as _;
    base64::engine::general_purpose::URL_SAFE_NO_PAD.encode(value.to_string())
}

#[tokio::test]
async fn two_visitors_of_one_verdict_get_equal_tokens_but_for_nonce_and_signature() {
    let edge = Edge::start().await;
    let one = token(&edge, &body(SITE, NONCE, &evidence())).await;
    let mut shown = evidence();
    shown["zone"] = "Asia/Qostanay".into();
    shown["languages"] = json!(["kk", "en"]);
    shown["screen"] = json!([360, 800, 360, 800]);
    shown["automation"] = json!(["not_known_here"]);
    edge.wait_minutes(0);
    let other = call(&edge, &body(SITE, &NONCE.replace('m', "n"), &shown))
        .header("User-Agent", &AGENT.replace("Mobile Safari", "Mobile  Safari"))
        .header("X-Forwarded-For", "198.18.77.1")
        .send()
        .await;
    let other = String::from_utf8(other.body).unwrap();
    let parts = |token: &str| token.split('.').map(str::to_owned).collect::<Vec<_>>();
    let ([header, claims, one], [other_header, other_claims, other]) = (&parts(&one)[..], &parts(&other)[..]) else {
        panic!("three parts")
    };
    assert_eq!(header, other_header);
    let text = |claims: &str| said(&format!(".{claims}.")).to_string();
    assert_eq!(text(claims).replace(NONCE, ""), text(other_claims).replace(&NONCE.replace('m', "n"), ""));
    assert_ne!(one, other);
    // The same call in the same minute has the very same token: nothing else is in it.
    let again = token(&edge, &body(SITE, NONCE, &evidence())).await;
    assert_eq!(again, format!("{header}.{claims}.{one}"));
}

#[tokio::test]
async fn what_contradicts_itself_is_named_coarsely() {
    let edge = Edge::start().await;
    for (field, value, level, reasons) in [
        ("automation", json!(["webdriver"]), "high", json!(["automation"])),
        (
            "automation",
            json!(["webdriver", "proxied_functions", "no_window"]),
            "critical",
            json!(["automation", "headless", "tampered"]),
        ),
        ("engine", json!("gecko"), "elevated", json!(["agent"])),
        ("zone", json!("America/New_York"), "low", json!(["location"])),
        ("languages", json!(["en-US"]), "low", json!(["languages"])),
        ("screen", json!([0, 0, 0, 0]), "low", json!(["display"])),
        ("touch", json!(0), "low", json!(["agent"])),
        ("input", json!({ "moves": "none", "keys": "none" }), "low", json!(["input"])),
    ] {
        let mut shown = evidence();
        shown[field] = value;
        let said = said(&token(&edge, &body(SITE, NONCE, &shown)).await);
        assert_eq!((said["level"].as_str(), &said["reasons"]), (Some(level), &reasons), "{field}");
    }
    let bare = call(&edge, &body(SITE, NONCE, &json!({}))).without("Sec-CH-UA").header("User-Agent", "curl/8.14");
    let said = said(&String::from_utf8(bare.send().await.body).unwrap());
    assert_eq!((said["level"].as_str(), &said["reasons"]), (Some("critical"), &json!(["automation", "bot"])));
}

#[tokio::test]
async fn ports_count_with_consent_and_where_the_site_says_so() {
    let edge = Edge::start().await;
    let call_with = |site: &str, consent: Option<&str>| {
        let mut call = body(site, NONCE, &evidence());
        call["ports"] = json!({ "anydesk": "open", "vnc": "open", "rdp": "blocked" });
        consent.iter().for_each(|consent| call["consent"] = (*consent).into());
        call
    };
    let reasons = async |call: Value| said(&token(&edge, &call).await)["reasons"].clone();
    assert_eq!(reasons(call_with(SITE, Some("given"))).await, json!(["remote_control"]));
    assert_eq!(reasons(call_with(SITE, None)).await, json!([]));
    let elsewhere = Edge::start_with(Setup { sites: OFFERS, ..Setup::default() }).await;
    let answer =
        call(&elsewhere, &call_with("shadow.kz", Some("given"))).header("Origin", "https://shadow.kz").send().await;
    assert_eq!(answer.status, 200);
    assert_eq!(elsewhere.figure("tamga_verdict_reasons_total"), 0, "the site has no ports");
}

#[tokio::test]
async fn in_shadow_mode_a_token_says_nothing_and_the_verdict_is_counted() {
    let edge = Edge::start_with(Setup { sites: OFFERS, ..Setup::default() }).await;
    let mut shown = evidence();
    shown["automation"] = json!(["webdriver"]);
    let answer = call(&edge, &body("shadow.kz", NONCE, &shown)).header("Origin", "https://shadow.kz").send().await;
    let said = said(&String::from_utf8(answer.body).unwrap());
    assert_eq!((&said["level"], &said["reasons"], &said["shadow"]), (&json!("low"), &json!([]), &json!(true)));
    assert_eq!(edge.labelled("tamga_verdicts_total", "level", "high"), 1);
    assert_eq!(edge.labelled("tamga_verdict_reasons_total", "reason", "automation"), 1);
}

/// What is in the tallies of verdicts.
async fn tallies(edge: &Edge) -> Vec<(String, u32)> {
    let rows = edge.rows().await;
    let all = rows.tallies.iter().filter(|tally| tally.reason.starts_with("verdict"));
    all.map(|tally| (tally.reason.clone(), tally.count)).collect()
}

#[tokio::test]
async fn a_call_leaves_numbers_of_a_minute_and_no_row_of_its_own() {
    let edge = Edge::start().await;
    let mut shown = evidence();
    shown["automation"] = json!(["webdriver"]);
    for sender in 0..5 {
        // One sender counts three times a day; one that asks to be counted only does not count.
        let counted = call(&edge, &body(SITE, NONCE, &shown)).header("X-Forwarded-For", &format!("198.18.{sender}.1"));
        for _ in 0..5 {
            assert_eq!(counted.send().await.status, 200);
        }
        let mut objecting = body(SITE, NONCE, &shown);
        objecting["objection"] = true.into();
        let objecting = counted.clone().body(objecting.to_string()).header("X-Forwarded-For", "203.0.113.5");
        assert_eq!(objecting.send().await.status, 200);
        assert_eq!(counted.header("Sec-GPC", "1").header("X-Forwarded-For", "203.0.113.4").send().await.status, 200);
    }
    assert_eq!(edge.rows_accepted(), 0, "nothing is stored within the minute");
    edge.wait_minutes(2);
    assert_eq!(call(&edge, &body(SITE, NONCE, &evidence())).send().await.status, 200);
    let stored = async || (edge.rows_accepted() > 0).then_some(());
    wait::until(PATIENCE, stored, || "no tallies".to_owned()).await;
    let expected = [("verdict:high", 15), ("verdict:low", 1), ("verdict_reason:automation", 15)];
    assert_eq!(tallies(&edge).await, expected.map(|(reason, count)| (reason.to_owned(), count)));
    assert_eq!(edge.counts(), [0; 4], "a call is no event");
}

fn assert_problem(answer: &Answer, status: u16) {
    assert_eq!((answer.status, answer.header("content-type")), (status, Some("application/problem+json")));
    let text = String::from_utf8_lossy(&answer.body);
    assert!(!text.contains(NONCE) && !text.to_lowercase().contains("canary"), "{text}");
}

#[tokio::test]
async fn a_call_that_gets_no_verdict_learns_why_and_hears_nothing_of_itself() {
    let edge = Edge::start().await;
    let good = body(SITE, NONCE, &evidence());
    let call = || call(&edge, &good);
    let large = " ".repeat(16 * 1024 + 1);
    for (refused, status, reason) in [
        (call().body("canary"), 400, "malformed"),
        (call().body(good.to_string().replace("\"v\":1", "\"v\":2")), 400, "unknown_version"),
        (call().body(body("canary.kz", NONCE, &evidence()).to_string()), 403, "unknown_site"),
        (
            call().body(body("aitu.kz", NONCE, &evidence()).to_string()).header("Origin", "https://aitu.kz"),
            403,
            "not_offered",
        ),
        (call().header("Origin", "https://canary.kz"), 403, "foreign_origin"),
        (call().without("Origin"), 403, "foreign_origin"),
        (call().body(large), 413, "too_large"),
        (call().header("Content-Type", "text/html"), 415, "media_type"),
        (call().body(body(SITE, "canary", &evidence()).to_string()), 422, "out_of_bounds"),
    ] {
        let before = edge.figure("tamga_verdicts_refused_total");
        assert_problem(&refused.send().await, status);
        assert_eq!(edge.figure("tamga_verdicts_refused_total"), before + 1, "{reason}");
    }
    assert_eq!(edge.labelled("tamga_verdicts_refused_total", "reason", "not_offered"), 1);
    assert_eq!(edge.figure("tamga_verdicts_total"), 0);
}

#[tokio::test]
async fn pages_of_the_site_read_the_answer_and_no_cookie_is_read_or_set() {
    let edge = Edge::start().await;
    let plain = call(&edge, &body(SITE, NONCE, &evidence()));
    for call in [plain.clone(), plain.clone().header("Cookie", "__Host-tamga-off=1; __Host-tamga-jetpay.kz=canary")] {
        let answer = call.send().await;
        assert_eq!((answer.status, answer.header("access-control-allow-origin")), (200, Some(ORIGIN)));
        assert_eq!(answer.header("access-control-allow-credentials"), None);
        assert_eq!((answer.header("set-cookie"), answer.header("cache-control")), (None, Some("no-store")));
    }
    let asked = edge
        .call("OPTIONS", "/v1/verdict")
        .header("Access-Control-Request-Method", "POST")
        .header("Access-Control-Request-Headers", "content-type");
    let answer = asked.clone().header("Origin", ORIGIN).send().await;
    assert_eq!((answer.status, answer.header("access-control-allow-origin")), (204, Some(ORIGIN)));
    assert_eq!(answer.header("access-control-allow-credentials"), None);
    let answer = asked.header("Origin", "https://canary.kz").send().await;
    assert_eq!(answer.header("access-control-allow-methods"), None);
    let refused = plain.header("Origin", "https://canary.kz").send().await;
    assert_eq!((refused.status, refused.header("access-control-allow-origin")), (403, Some("*")));
}

#[tokio::test]
async fn a_network_that_asks_for_many_verdicts_is_named_for_it() {
    let edge = Edge::start().await;
    let call = call(&edge, &body(SITE, NONCE, &evidence())).header("X-Forwarded-For", "198.18.9.9");
    let mut seen = Vec::new();
    for _ in 0..70 {
        seen.push(said(&String::from_utf8(call.send().await.body).unwrap())["reasons"].clone());
    }
    assert_eq!((&seen[0], &seen[69]), (&json!([]), &json!(["rate"])));
}

#[tokio::test]
async fn the_request_itself_is_looked_at() {
    const DESKTOP: &str = "Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/150.0.0.0 Safari/537.36";
    const FIREFOX: &str = "Mozilla/5.0 (X11; Linux x86_64; rv:143.0) Gecko/20100101 Firefox/143.0";
    let edge = Edge::start().await;
    let plain = || call(&edge, &body(SITE, NONCE, &evidence()));
    let with = |agent: &str, shown: Value| {
        call(&edge, &body(SITE, NONCE, &shown)).header("User-Agent", agent).without("Sec-CH-UA-Platform")
    };
    let on_a_desktop = |field: &str, value: Value| {
        let mut shown = evidence();
        (shown["screen"], shown["window"]) = (json!([1920, 1080, 1920, 1040]), json!([1280, 800, 1280, 720]));
        shown[field] = value;
        shown
    };
    let fields = |names: [&str; 3]| {
        let bare = plain().without("Accept-Language").without("Origin");
        names.into_iter().fold(bare, |call, name| call.header(name, if name == "Origin" { ORIGIN } else { "kk" }))
    };
    for (call, level, reasons) in [
        (plain(), "low", json!([])),
        (plain().without("Sec-CH-UA"), "low", json!(["headers"])),
        (plain().header("Sec-CH-UA", r#""Chromium";v="149""#), "elevated", json!(["agent"])),
        (plain().without("Accept-Language"), "elevated", json!(["headers"])),
        (plain().header("User-Agent", &AGENT.replace("Chrome", "HeadlessChrome")), "high", json!(["headless"])),
        (plain().header("User-Agent", "Googlebot/2.1"), "critical", json!(["agent", "bot"])),
        (with(FIREFOX, on_a_desktop("engine", json!("gecko"))), "elevated", json!(["agent"])),
        (with(FIREFOX, on_a_desktop("engine", json!("gecko"))).without("Sec-CH-UA"), "low", json!([])),
        (with(DESKTOP, on_a_desktop("touch", json!(0))), "low", json!([])),
        (with(DESKTOP, on_a_desktop("window", json!([1280, 720, 1280, 720]))), "low", json!(["headless"])),
        (with(DESKTOP, on_a_desktop("window", json!([1920, 1080, 1920, 1080]))), "low", json!([])),
        (with(DESKTOP, on_a_desktop("engine", json!("webkit"))), "elevated", json!(["agent"])),
        // A browser names its languages and encodings last; a proxy that sorts all fields hides that.
        (fields(["Origin", "Accept-Encoding", "Accept-Language"]), "low", json!([])),
        (fields(["Accept-Language", "Accept-Encoding", "Origin"]), "low", json!(["headers"])),
        (fields(["Accept-Encoding", "Accept-Language", "Origin"]), "low", json!([])),
    ] {
        let answer = call.send().await;
        let said = said(&String::from_utf8(answer.body).unwrap());
        assert_eq!((said["level"].as_str(), &said["reasons"]), (Some(level), &reasons), "{}", call.head());
    }
}

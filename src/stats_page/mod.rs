//! The page `/stats`: published numbers for people, on the admin listener.
//!
//! The page asks with the account of the person who looks at it, and nothing else: this module knows the address of the stats
//! store, and neither the vault nor the password of a service. It sends the queries of [`panels`] alone, so a request chooses a
//! query and its parameters, and never a statement. What the account may read, the store decides, for each query anew.
//!
//! Signing in makes a session ([`sessions`]). Its cookie is `HttpOnly` and `SameSite=Strict`, and only pages of this listener get
//! answers (`crate::admin`). Requests that change something name their origin, too. A browser sends the password only over TLS or
//! loopback: elsewhere the page shows no form.

mod notes;
mod panels;
mod sessions;

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, Instant};

use axum::Router;
use axum::body::Bytes;
use axum::extract::{DefaultBodyLimit, Query, State};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use http::uri::Authority;
use http::{HeaderMap, HeaderValue, StatusCode, header};
use serde::Deserialize;
use serde_json::json;
use tokio::sync::Semaphore;

use crate::config::Config;
use crate::store::{Limits, STATS, Store, StoreError, USER};
use panels::Period;
use sessions::{LIFE, Session, Sessions};

/// Scripts and styles of this listener alone, none inside the page, nothing from elsewhere, no frame.
const POLICY: HeaderValue = HeaderValue::from_static(
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src data:; connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
);
const COOKIE: &str = "tamga-stats";
/// How long a query may take. A person's account has half a minute at most.
const PATIENCE: Duration = Duration::from_secs(25);
/// Queries at once. The store admits four of all analysts.
const AT_ONCE: usize = 3;
/// A name and a password, as JSON.
const SIGN_IN_MAX: usize = 4096;
const HTML: &[u8] = include_bytes!(concat!(env!("OUT_DIR"), "/stats-page/index.html"));
const SCRIPT: &[u8] = include_bytes!(concat!(env!("OUT_DIR"), "/stats-page/page.js"));
const STYLE: &[u8] = include_bytes!(concat!(env!("OUT_DIR"), "/stats-page/page.css"));

/// Where the published numbers are.
struct Numbers {
    url: String,
    authorities: Option<PathBuf>,
    /// The account of the service, whom the page does not admit.
    service: String,
    /// The time zones of the sites.
    zones: BTreeMap<String, String>,
    /// The operator's annotations.
    notes: Option<PathBuf>,
}

impl Numbers {
    /// Those of a configuration.
    fn of(config: &Config) -> Self {
        let zones = config.sites.iter().map(|site| (site.domain.clone(), site.time_zone.clone())).collect();
        let notes = config.server.annotations_file.clone();
        match &config.stats {
            Some(server) => {
                let (url, authorities) = (server.url.clone(), server.ca_file.clone());
                Self { url, authorities, service: server.user.clone(), zones, notes }
            }
            None => {
                let url = format!("http://{}", config.engine.stats_listen);
                Self { url, authorities: None, service: USER.to_owned(), zones, notes }
            }
        }
    }

    /// The store, as this person.
    fn as_person(&self, name: &str, password: &str) -> Result<Store, StoreError> {
        let limits = Limits { query: PATIENCE, ..Limits::default() };
        Store::trusting(&self.url, name, password, STATS, limits, self.authorities.as_deref())
    }

    fn zone(&self, site: &str) -> &str {
        self.zones.get(site).map_or("UTC", String::as_str)
    }
}

struct Page {
    numbers: Numbers,
    sessions: Sessions,
    turns: Semaphore,
}

/// The routes of the page.
pub(crate) fn router(config: &Config) -> Router {
    let numbers = Numbers::of(config);
    let page = Arc::new(Page { numbers, sessions: Sessions::default(), turns: Semaphore::const_new(AT_ONCE) });
    Router::new()
        .route("/stats", get(|| async { file(HTML, "text/html; charset=utf-8") }))
        .route("/stats/page.js", get(|| async { file(SCRIPT, "text/javascript; charset=utf-8") }))
        .route("/stats/page.css", get(|| async { file(STYLE, "text/css; charset=utf-8") }))
        .route("/stats/sign-in", post(sign_in))
        .route("/stats/sign-out", post(sign_out))
        .route("/stats/sites", get(sites))
        .route("/stats/panel", get(panel))
        .route("/stats/sql", get(sql))
        .layer(DefaultBodyLimit::max(SIGN_IN_MAX))
        .with_state(page)
}

/// A file of the page, as it was compiled in. It is asked for anew each time, so that no browser has an old one.
fn file(bytes: &'static [u8], kind: &'static str) -> Response {
    if bytes.is_empty() {
        return (StatusCode::SERVICE_UNAVAILABLE, "this build has no page for analysts; see build.rs\n")
            .into_response();
    }
    let fields = [
        (header::CONTENT_TYPE, HeaderValue::from_static(kind)),
        (header::CONTENT_SECURITY_POLICY, POLICY),
        (header::REFERRER_POLICY, HeaderValue::from_static("no-referrer")),
        (header::CACHE_CONTROL, HeaderValue::from_static("no-cache")),
    ];
    (fields, bytes).into_response()
}

/// A refusal: its status, and a word that the page has sentences for.
fn refusal(status: StatusCode, word: &'static str) -> Response {
    (status, [(header::CACHE_CONTROL, "no-store")], word).into_response()
}

fn answer(json: Vec<u8>) -> Response {
    ([(header::CONTENT_TYPE, "application/json"), (header::CACHE_CONTROL, "no-store")], json).into_response()
}

/// Name and password, as the page sends them. Never printed.
#[derive(Deserialize)]
struct SignIn {
    name: String,
    password: String,
}

async fn sign_in(State(page): State<Arc<Page>>, headers: HeaderMap, body: Bytes) -> Response {
    if !is_own(&headers) {
        return refusal(StatusCode::FORBIDDEN, "origin");
    }
    let Ok(SignIn { name, password }) = serde_json::from_slice(&body) else {
        return refusal(StatusCode::BAD_REQUEST, "request");
    };
    if !page.sessions.may_guess(Instant::now()) {
        return refusal(StatusCode::TOO_MANY_REQUESTS, "guesses");
    }
    // The service may read what people may not, so nobody looks with its account.
    if name == page.numbers.service {
        return refusal(StatusCode::UNAUTHORIZED, "password");
    }
    let Ok(store) = page.numbers.as_person(&name, &password) else {
        return refusal(StatusCode::SERVICE_UNAVAILABLE, "store");
    };
    match ask(&page, &store, panels::SITES, &[]).await {
        Ok(_) => page.sessions.guessed_right(),
        Err(refused) => return refused,
    }
    let Some(token) = page.sessions.open(Session { name, store }, Instant::now()) else {
        return refusal(StatusCode::SERVICE_UNAVAILABLE, "store");
    };
    let cookie = cookie(&token, LIFE.as_secs(), &headers);
    (StatusCode::NO_CONTENT, [(header::SET_COOKIE, cookie)]).into_response()
}

async fn sign_out(State(page): State<Arc<Page>>, headers: HeaderMap) -> Response {
    if !is_own(&headers) {
        return refusal(StatusCode::FORBIDDEN, "origin");
    }
    tokens(&headers).for_each(|token| page.sessions.close(token));
    (StatusCode::NO_CONTENT, [(header::SET_COOKIE, cookie("", 0, &headers))]).into_response()
}

/// What is wrong with the file of annotations, if there is one.
pub(crate) fn wrong_with_annotations(config: &Config) -> Option<String> {
    notes::read(config.server.annotations_file.as_deref()?).err()
}

/// Who looks, and the sites that this account reads, with their annotations.
async fn sites(State(page): State<Arc<Page>>, headers: HeaderMap) -> Response {
    let Some(session) = session(&page, &headers) else { return refusal(StatusCode::UNAUTHORIZED, "session") };
    let rows = match ask(&page, &session.store, panels::SITES, &[]).await {
        Ok(rows) => rows,
        Err(refused) => return refused,
    };
    let Ok(table) = serde_json::from_slice::<Table>(&rows) else {
        return refusal(StatusCode::SERVICE_UNAVAILABLE, "store");
    };
    let file = page.numbers.notes.clone();
    let read = tokio::task::spawn_blocking(move || file.map_or(Ok(Vec::new()), |file| notes::read(&file))).await;
    // What is wrong is for the operator: `tamga config check` says it.
    let notes = read.ok().and_then(Result::ok);
    let sites = table.data.into_iter().map(|(site, first, end)| {
        let zone = page.numbers.zone(&site);
        let notes: Vec<_> = notes.iter().flatten().filter(|note| note.is_of(&site)).collect();
        json!({ "site": site, "zone": zone, "first": first, "end": end, "notes": notes })
    });
    let sites: Vec<_> = sites.collect();
    let said = json!({ "name": session.name, "sites": sites, "notes_are_read": notes.is_some() });
    answer(said.to_string().into_bytes())
}

/// A site, and the seconds at which its first window begins and its last one ends.
#[derive(Deserialize)]
struct Table {
    data: Vec<(String, u32, u32)>,
}

/// What a panel is asked for.
#[derive(Deserialize)]
struct Asked {
    panel: String,
    site: String,
    from: String,
    to: String,
    #[serde(default)]
    item: String,
}

/// The rows of a panel: ClickHouse's `JSONCompact`.
async fn panel(State(page): State<Arc<Page>>, headers: HeaderMap, Query(asked): Query<Asked>) -> Response {
    let Some(session) = session(&page, &headers) else { return refusal(StatusCode::UNAUTHORIZED, "session") };
    let period = Period::of(&asked.from, &asked.to);
    let (Some(sql), Some(period)) = (panels::sql(&asked.panel), period) else {
        return refusal(StatusCode::BAD_REQUEST, "request");
    };
    let parameters = [
        ("zone", page.numbers.zone(&asked.site).to_owned()),
        ("site", asked.site),
        ("from", period.from),
        ("to", period.to),
        ("item", asked.item),
    ];
    match ask(&page, &session.store, sql, &parameters).await {
        Ok(rows) => answer(rows),
        Err(refused) => refused,
    }
}

/// The statement of a panel, for people who want to change it.
async fn sql(Query(Named { panel }): Query<Named>) -> Response {
    match panels::sql(&panel) {
        Some(sql) => ([(header::CONTENT_TYPE, "text/plain; charset=utf-8")], sql).into_response(),
        None => refusal(StatusCode::NOT_FOUND, "request"),
    }
}

#[derive(Deserialize)]
struct Named {
    panel: String,
}

/// The answer of the store, or what the page gets instead.
async fn ask(page: &Page, store: &Store, sql: &str, parameters: &[(&str, String)]) -> Result<Vec<u8>, Response> {
    let Ok(_turn) = page.turns.acquire().await else {
        return Err(refusal(StatusCode::SERVICE_UNAVAILABLE, "store"));
    };
    store.read(sql, parameters, "JSONCompact").await.map_err(|error| match error.code {
        Some(192..=195 | 516) => refusal(StatusCode::UNAUTHORIZED, "password"),
        Some(159 | 202 | 241) => refusal(StatusCode::SERVICE_UNAVAILABLE, "busy"),
        _ => {
            tracing::warn!(%error, "the page for analysts has no answer");
            refusal(StatusCode::SERVICE_UNAVAILABLE, "store")
        }
    })
}

fn session(page: &Page, headers: &HeaderMap) -> Option<Arc<Session>> {
    tokens(headers).find_map(|token| page.sessions.find(token, Instant::now()))
}

/// The values of the session's cookie. Another port of this machine can set one of that name, too.
fn tokens(headers: &HeaderMap) -> impl Iterator<Item = &str> {
    let fields = headers.get_all(header::COOKIE).iter().filter_map(|field| field.to_str().ok());
    fields.flat_map(|field| field.split(';')).filter_map(|pair| pair.trim().strip_prefix(COOKIE)?.strip_prefix('='))
}

/// Only over TLS, except on loopback, where there is none.
fn cookie(token: &str, seconds: u64, headers: &HeaderMap) -> String {
    let secure = if host(headers).is_some_and(|host| is_loopback(host.host())) { "" } else { "; Secure" };
    format!("{COOKIE}={token}; Path=/stats; HttpOnly; SameSite=Strict; Max-Age={seconds}{secure}")
}

fn host(headers: &HeaderMap) -> Option<Authority> {
    Authority::try_from(headers.get(header::HOST)?.as_bytes()).ok()
}

fn is_loopback(host: &str) -> bool {
    let address = host.strip_prefix('[').and_then(|host| host.strip_suffix(']')).unwrap_or(host);
    let name = host.to_ascii_lowercase();
    address.parse::<IpAddr>().is_ok_and(|address| address.is_loopback())
        || name == "localhost"
        || name.ends_with(".localhost")
}

/// Whether a page of this listener sent it: its `Origin` has the request's own host and port.
fn is_own(headers: &HeaderMap) -> bool {
    let origin = headers.get(header::ORIGIN).and_then(|origin| origin.to_str().ok());
    let named = origin.and_then(|origin| origin.strip_prefix("https://").or_else(|| origin.strip_prefix("http://")));
    host(headers).is_some_and(|host| named.is_some_and(|named| named.eq_ignore_ascii_case(host.as_str())))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn headers(fields: &[(&'static str, &str)]) -> HeaderMap {
        let mut headers = HeaderMap::new();
        for (name, value) in fields {
            headers.append(*name, HeaderValue::from_str(value).expect("a value"));
        }
        headers
    }

    #[test]
    fn only_the_own_origin_signs_in() {
        for (host, origin, own) in [
            ("127.0.0.1:9090", "http://127.0.0.1:9090", true),
            ("tamga.internal", "https://tamga.internal", true),
            ("127.0.0.1:9090", "http://127.0.0.1:8080", false),
            ("127.0.0.1:9090", "http://evil.test", false),
            ("127.0.0.1:9090", "null", false),
            ("127.0.0.1:9090", "", false),
        ] {
            assert_eq!(is_own(&headers(&[("host", host), ("origin", origin)])), own, "{host} {origin}");
        }
        assert!(!is_own(&headers(&[("host", "127.0.0.1:9090")])));
        assert!(!is_own(&headers(&[("origin", "http://127.0.0.1:9090")])));
    }

    #[test]
    fn the_cookie_is_for_tls_but_on_loopback() {
        for (host, secure) in [
            ("127.0.0.1:9090", false),
            ("[::1]:9090", false),
            ("localhost", false),
            ("10.1.2.3:9090", true),
            ("a.kz", true),
        ] {
            let cookie = cookie("x", 9, &headers(&[("host", host)]));
            assert_eq!(cookie.contains("Secure"), secure, "{host}");
            assert!(cookie.contains("HttpOnly; SameSite=Strict"), "{cookie}");
        }
    }

    #[test]
    fn a_cookie_is_found_among_others() {
        let sent = headers(&[("cookie", "a=1; tamga-stats=one"), ("cookie", "tamga-stats2=x;tamga-stats=two")]);
        assert_eq!(tokens(&sent).collect::<Vec<_>>(), ["one", "two"]);
    }
}

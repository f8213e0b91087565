//! The visitor's own page, `/privacy`, and its interface: what a site collects, and what the visitor decides about it.
//!
//! The cookie that a browser shows is the only proof and the only selector, so nobody must say who they are. The page needs no
//! script. It speaks in the operator's name, in Kazakh, Russian or English ([`texts`]).
//!
//! Only this page may send a decision ([`request`]): others can neither send one in a visitor's name, nor read an answer, nor
//! show the page inside of their own. A browser keeps its cookie back when it opens the page from another site; then the first
//! answer is a step that opens the page again, from this site.
//!
//! A policy's page can show the notice in a frame, where the configuration says so. The notice says what is collected, and has a
//! link and no button: a frame can be covered by something else, and gets no cookie in another site's page.

mod held;
mod page;
mod refusal;
mod request;
mod texts;

use std::hash::{BuildHasher as _, RandomState};
use std::net::IpAddr;
use std::sync::Arc;

use axum::Router;
use axum::body::Body;
use axum::extract::State;
use axum::response::Response;
use axum::routing::{get, post};
use http::request::Parts;
use http::{HeaderMap, HeaderName, HeaderValue, Request, StatusCode, header};

use crate::collect::server::Peer;
use crate::collect::{Collector, Decided, Decision};
use crate::config::{Config, Site};
use crate::outcome::Rejection;
use crate::store::{Held, NotNow, OwnRows};
use page::{Notice, Page};
pub use refusal::{LANGUAGES, refusal};
use request::Asked;
use texts::{Language, Words};

/// Tokens of the network's budget that a page costs, and an erasure, which rewrites parts of all tables.
const PAGE_TOKENS: u32 = 4;
const ERASURE_TOKENS: u32 = 400;
/// Nothing that a page needs beside its style; no script, no frame, and no form that leads elsewhere.
const POLICY: &str =
    "default-src 'none'; style-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'";

/// Tokens of a look at the browser's own rows, for which all that waits in the spool is read.
const OWN_ROWS_TOKENS: u32 = 100;

/// What the page and its interface share.
struct Rights {
    collector: Arc<Collector>,
    config: Config,
    own_rows: OwnRows,
    /// By which browsers are distinguished while they ask.
    browsers: RandomState,
}

/// The routes of the page and its interface.
pub fn router(config: &Config, collector: Arc<Collector>, own_rows: OwnRows) -> Router {
    Router::new()
        .route("/privacy", get(page))
        .route("/privacy/notice", get(notice))
        .route("/privacy.css", get(style))
        .route("/v1/privacy/me", get(me))
        .route("/v1/privacy/object", post(object))
        .route("/v1/privacy/erase", post(erase))
        .route("/v1/privacy/consent", post(consent))
        .route("/.well-known/gpc.json", get(gpc))
        .with_state(Arc::new(Rights { collector, config: config.clone(), own_rows, browsers: RandomState::new() }))
}

async fn page(State(rights): State<Arc<Rights>>, request: Request<Body>) -> Response {
    let (head, _) = request.into_parts();
    let asked = Asked::of_query(head.uri.query().unwrap_or_default());
    let words = Words::of(asked.language(&head.headers));
    if !rights.collector.admits(&head.headers, peer(&head.extensions), PAGE_TOKENS) {
        return html(StatusCode::TOO_MANY_REQUESTS, words, page::message(words, &words.refused));
    }
    let Some(site) = rights.site(&head.headers, &asked) else {
        return html(StatusCode::NOT_FOUND, words, page::message(words, &words.unknown));
    };
    if (request::is_from_elsewhere(&head.headers) || asked.framed) && !asked.own {
        return html(StatusCode::OK, words, page::step(words, site));
    }
    let held = rights.held(site, &head).await;
    let section = held.map(|held| held::section(words, &site.domain, held.as_ref()));
    rights.answer(site, words, &head.headers, (Notice::None, None), section)
}

/// What is held of this browser, for programs. Only a page of this host may ask.
async fn me(State(rights): State<Arc<Rights>>, request: Request<Body>) -> Response {
    let (head, _) = request.into_parts();
    let asked = Asked::of_query(head.uri.query().unwrap_or_default());
    let words = Words::of(asked.language(&head.headers));
    if !request::is_own(&head.headers) {
        return html(StatusCode::FORBIDDEN, words, page::message(words, &words.refused));
    }
    if !rights.collector.admits(&head.headers, peer(&head.extensions), PAGE_TOKENS) {
        return html(StatusCode::TOO_MANY_REQUESTS, words, page::message(words, &words.refused));
    }
    let Some(site) = rights.site(&head.headers, &asked) else {
        return html(StatusCode::NOT_FOUND, words, page::message(words, &words.unknown));
    };
    match rights.held(site, &head).await {
        None => json(&held::json(&site.domain, &Held { complete: true, ..Held::default() })),
        Some(Ok(held)) => json(&held::json(&site.domain, &held)),
        Some(Err(NotNow)) => html(StatusCode::SERVICE_UNAVAILABLE, words, page::message(words, &words.later)),
    }
}

/// The notice, which the origins of `framed_by` may frame.
async fn notice(State(rights): State<Arc<Rights>>, request: Request<Body>) -> Response {
    let (head, _) = request.into_parts();
    let asked = Asked::of_query(head.uri.query().unwrap_or_default());
    let words = Words::of(asked.language(&head.headers));
    if !rights.collector.admits(&head.headers, peer(&head.extensions), 0) {
        return html(StatusCode::TOO_MANY_REQUESTS, words, page::message(words, &words.refused));
    }
    let Some(site) = rights.site(&head.headers, &asked) else {
        return html(StatusCode::NOT_FOUND, words, page::message(words, &words.unknown));
    };
    let mut answer = html(StatusCode::OK, words, page::notice(site, words, rights.config.retention));
    if let Some(policy) = framed_by(&site.operator.framed_by) {
        answer.headers_mut().insert(header::CONTENT_SECURITY_POLICY, policy);
        answer.headers_mut().remove(header::X_FRAME_OPTIONS);
    }
    answer
}

/// The policy of a page that these origins may frame; nothing if there are none.
fn framed_by(origins: &[String]) -> Option<HeaderValue> {
    let policy = POLICY.replace("frame-ancestors 'none'", &format!("frame-ancestors {}", origins.join(" ")));
    (!origins.is_empty()).then(|| HeaderValue::try_from(policy).ok()).flatten()
}

async fn object(State(rights): State<Arc<Rights>>, request: Request<Body>) -> Response {
    rights
        .decided(request, |state| match state {
            "made" => Some((Decision::Object, Notice::Objected)),
            "withdrawn" => Some((Decision::Allow, Notice::Allowed)),
            _ => None,
        })
        .await
}

async fn erase(State(rights): State<Arc<Rights>>, request: Request<Body>) -> Response {
    rights.decided(request, |state| (state == "all").then_some((Decision::Erase, Notice::Erased))).await
}

async fn consent(State(rights): State<Arc<Rights>>, request: Request<Body>) -> Response {
    rights
        .decided(request, |state| match state {
            "granted" => Some((Decision::Consent { granted: true }, Notice::Granted)),
            "denied" => Some((Decision::Consent { granted: false }, Notice::Denied)),
            _ => None,
        })
        .await
}

async fn style() -> Response {
    let mut answer = Response::new(Body::from(include_str!("page.css")));
    answer.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static("text/css; charset=utf-8"));
    answer.headers_mut().insert(header::CACHE_CONTROL, HeaderValue::from_static("max-age=300"));
    answer.headers_mut().insert(header::X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    answer
}

/// That this host honours Global Privacy Control.
async fn gpc() -> Response {
    let mut answer = Response::new(Body::from(r#"{"gpc":true,"lastUpdate":"2026-11-29"}"#));
    answer.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static("application/json"));
    answer
}

impl Rights {
    /// The site that the request is about: of those at the requested host the one that is named, or the first. Where one site is
    /// configured, it is that one, whatever host a proxy names. Hosts of the site's other domains lead to it as well.
    fn site(&self, head: &HeaderMap, asked: &Asked) -> Option<&Site> {
        let host = head.get(header::HOST).map_or(&[][..], HeaderValue::as_bytes);
        let is_there = |site: &&Site| site.is_reached_at(host);
        let is_named = |site: &&Site| asked.site.as_deref().is_none_or(|name| site.domain == name);
        match &self.config.sites[..] {
            [only] => Some(only).filter(is_named),
            sites => sites.iter().filter(is_there).find(is_named),
        }
    }

    /// What is held of this browser; `None` where the site sets no cookie. Without a cookie nothing can be found, and nothing is asked.
    async fn held(&self, site: &Site, head: &Parts) -> Option<Result<Held, NotNow>> {
        let own = match self.collector.own(&site.domain, &head.headers) {
            Ok(own) => own?,
            Err(_) => return Some(Err(NotNow)),
        };
        if !self.collector.shown(&site.domain, &head.headers).is_some_and(|shown| shown.has_cookie) {
            return Some(Ok(Held { complete: true, ..Held::default() }));
        }
        if !self.collector.admits(&head.headers, peer(&head.extensions), OWN_ROWS_TOKENS) {
            return Some(Err(NotNow));
        }
        let cookies: Vec<_> = head.headers.get_all(header::COOKIE).iter().collect();
        Some(self.own_rows.find(self.browsers.hash_one(cookies), &own).await)
    }

    /// A decision that this page's form sends.
    async fn decided(&self, request: Request<Body>, decision: impl Fn(&str) -> Option<(Decision, Notice)>) -> Response {
        let (head, body) = request.into_parts();
        let words = Words::of(Asked::default().language(&head.headers));
        if !request::is_own(&head.headers) {
            return html(StatusCode::FORBIDDEN, words, page::message(words, &words.refused));
        }
        if !self.collector.admits(&head.headers, peer(&head.extensions), PAGE_TOKENS) {
            return html(StatusCode::TOO_MANY_REQUESTS, words, page::message(words, &words.refused));
        }
        let Some(asked) = request::form(body).await else {
            return html(StatusCode::BAD_REQUEST, words, page::message(words, &words.refused));
        };
        let words = Words::of(asked.language(&head.headers));
        let Some(site) = self.site(&head.headers, &asked) else {
            return html(StatusCode::NOT_FOUND, words, page::message(words, &words.unknown));
        };
        let Some((decision, notice)) = asked.state.as_deref().and_then(decision) else {
            return html(StatusCode::BAD_REQUEST, words, page::message(words, &words.refused));
        };
        let erases = matches!(decision, Decision::Object | Decision::Erase);
        let may_erase = erases && self.collector.admits(&head.headers, peer(&head.extensions), ERASURE_TOKENS);
        let decided = self.collector.decide(&site.domain, &head.headers, decision, may_erase).await;
        let Decided { cookies, receipt, complete } = match decided {
            Ok(decided) => decided,
            Err(refused) => return html(status(refused), words, page::message(words, &words.later)),
        };
        let notice = if complete { notice } else { Notice::ObjectedOnly };
        let mut answer = if request::wants_json(&head.headers) {
            json(&serde_json::json!({ "done": notice.name(), "receipt": receipt }))
        } else {
            self.answer(site, words, &head.headers, (notice, receipt.as_deref()), None)
        };
        for cookie in cookies {
            answer.headers_mut().append(header::SET_COOKIE, cookie);
        }
        answer
    }

    /// The page, for this browser, with what was done and what is held.
    fn answer(
        &self,
        site: &Site,
        words: &Words,
        head: &HeaderMap,
        (notice, receipt): (Notice, Option<&str>),
        held: Option<String>,
    ) -> Response {
        let Some(shown) = self.collector.shown(&site.domain, head) else {
            return html(StatusCode::NOT_FOUND, words, page::message(words, &words.unknown));
        };
        let shown = notice.after(shown);
        let retention = self.config.retention;
        html(StatusCode::OK, words, Page { site, words, shown, notice, receipt, retention, held }.render())
    }
}

fn peer(extensions: &http::Extensions) -> Option<IpAddr> {
    extensions.get::<Peer>().map(|peer| peer.0.ip())
}

fn status(rejection: Rejection) -> StatusCode {
    StatusCode::from_u16(rejection.status()).unwrap_or(StatusCode::SERVICE_UNAVAILABLE)
}

fn html(status: StatusCode, words: &Words, text: String) -> Response {
    answer(status, "text/html; charset=utf-8", words.language, text)
}

fn json(value: &serde_json::Value) -> Response {
    answer(StatusCode::OK, "application/json", Language::English, value.to_string())
}

/// An answer that nobody keeps, frames or reads from elsewhere.
fn answer(status: StatusCode, kind: &'static str, language: Language, text: String) -> Response {
    const FIELDS: [(HeaderName, &str); 8] = [
        (header::CACHE_CONTROL, "no-store"),
        (header::CONTENT_SECURITY_POLICY, POLICY),
        (header::REFERRER_POLICY, "same-origin"),
        (header::VARY, "Accept, Accept-Language, Cookie"),
        (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
        (header::X_FRAME_OPTIONS, "DENY"),
        (HeaderName::from_static("cross-origin-opener-policy"), "same-origin"),
        (HeaderName::from_static("cross-origin-resource-policy"), "same-origin"),
    ];
    let mut answer = Response::new(Body::from(text));
    *answer.status_mut() = status;
    let out = answer.headers_mut();
    for (name, value) in FIELDS {
        out.insert(name, HeaderValue::from_static(value));
    }
    out.insert(header::CONTENT_TYPE, HeaderValue::from_static(kind));
    out.insert(header::CONTENT_LANGUAGE, HeaderValue::from_static(language.tag()));
    if matches!(status, StatusCode::SERVICE_UNAVAILABLE | StatusCode::TOO_MANY_REQUESTS) {
        out.insert(header::RETRY_AFTER, HeaderValue::from_static("5"));
    }
    answer
}

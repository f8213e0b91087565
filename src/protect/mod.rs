//! Account protection: a page asks for a verdict on who acts on it, and the application gets it signed.
//!
//! [`answer`] lists the steps of a call. What the page has found ([`wire`]) is compared with what the request itself shows
//! ([`contradictions`]), weighed by rules that are data ([`rules`]), and answered as a token ([`token`]) that the application checks
//! offline with the public keys ([`keys`]). Nothing of a call rests: it leaves one number more in the tallies, and the application's
//! nonce is in the token alone. The collector learns nothing of the account, and the token says nothing that it does not say of many.

mod contradictions;
mod keys;
mod rules;
mod token;
mod wire;

use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::Arc;

use axum::Router;
use axum::body::Body;
use axum::extract::State;
use axum::response::Response;
use axum::routing::{get, post};
use http::{HeaderValue, Request, StatusCode, header};
use jiff::Timestamp;

use crate::collect::server::Peer;
use crate::collect::{Collector, problem};
use crate::config::Config;
use crate::metrics::Metrics;
use crate::outcome::{Refusal, Rejection};

pub use keys::{KeyError, Keys};
use rules::{Rules, Verdict};
use token::Parties;
use wire::Call;

/// For how many seconds caches keep the public keys: less than a new one is shown before its use.
const KEYS_MAX_AGE_S: u32 = 600;

/// What the routes share.
struct Protection {
    collector: Arc<Collector>,
    metrics: Arc<Metrics>,
    keys: Arc<Keys>,
    /// By site, those that offer it.
    sites: HashMap<String, Offer>,
}

/// What a site offers.
struct Offer {
    parties: Parties,
    /// Whether open ports count.
    ports: bool,
}

/// The routes.
pub fn router(config: &Config, collector: Arc<Collector>, metrics: Arc<Metrics>, keys: Arc<Keys>) -> Router {
    let offers = config.sites.iter().filter_map(|site| {
        let protect = site.protect.as_ref()?;
        let parties =
            Parties { issuer: site.public_url.clone(), audience: protect.audience.clone(), is_shadow: protect.shadow };
        Some((site.domain.clone(), Offer { parties, ports: protect.ports }))
    });
    let sites = offers.collect();
    Router::new()
        .route("/v1/verdict", post(verdict).options(preflight))
        .route("/.well-known/tamga-verdict-keys.json", get(public_keys))
        .with_state(Arc::new(Protection { collector, metrics, keys, sites }))
}

async fn preflight(State(protection): State<Arc<Protection>>, request: Request<Body>) -> Response {
    protection.collector.preflight_of_calls(&request)
}

async fn verdict(State(protection): State<Arc<Protection>>, request: Request<Body>) -> Response {
    match answer(&protection, request).await {
        Ok(token) => with(Body::from(token), "application/jwt", "no-store"),
        Err(refusal) => {
            protection.metrics.verdict_refused(refusal.name());
            let status = StatusCode::from_u16(refusal.status()).unwrap_or(StatusCode::SERVICE_UNAVAILABLE);
            problem(status, refusal.public_message())
        }
    }
}

/// Any page, and any server, may read them.
async fn public_keys(State(protection): State<Arc<Protection>>) -> Response {
    let keys = Body::from(protection.keys.public().to_string());
    let mut answer = with(keys, "application/jwk-set+json", &format!("public, max-age={KEYS_MAX_AGE_S}"));
    answer.headers_mut().insert(header::ACCESS_CONTROL_ALLOW_ORIGIN, HeaderValue::from_static("*"));
    answer
}

/// The token that answers a call.
async fn answer(protection: &Protection, request: Request<Body>) -> Result<String, Refusal> {
    let (head, body) = request.into_parts();
    let peer: Option<IpAddr> = head.extensions.get::<Peer>().map(|peer| peer.0.ip());
    let (body, address) = protection.collector.call(&head.headers, peer, body, wire::BODY_MAX).await?;
    let call = wire::parse(&body)?;
    protection.metrics.unknown_fields.inc_by(call.discarded.into());
    let caller = protection.collector.caller(&call.site, &head.headers, address)?;
    let offer = protection.sites.get(&call.site).ok_or(Refusal::NotOffered)?;
    let now = Timestamp::from_millisecond(caller.now_ms()).unwrap_or_default();
    let key = protection.keys.signing(now).ok_or(Rejection::NoKey)?;

    let rules = Rules::of_this_version();
    let signs = contradictions::signs(&caller, &call.evidence, |organisation| rules.is_hosting(organisation));
    let verdict = judged(&call, &signs, offer.ports);
    if !call.objects {
        protection.collector.count_verdict(&call.site, &caller, verdict.level, &verdict.reasons);
    }
    Ok(token::token(&offer.parties, &verdict, call.nonce.expose(), &key, caller.now_ms()))
}

/// The verdict on what the page has found and on these signs of the collector.
fn judged(call: &Call, signs: &[&'static str], with_ports: bool) -> Verdict {
    let detectors = call.evidence.detectors.iter().flatten().map(String::as_str);
    let ports = call.open_ports.iter().filter(|_| with_ports).map(String::as_str);
    Rules::of_this_version().judge(detectors, signs, ports)
}

/// What a body says by itself: the level of the verdict on it, and how many of its fields were discarded. It is for hostile bytes
/// (`fuzz/targets/verdict.rs`); a call is judged together with its request.
pub fn level_of_body(body: &[u8]) -> Result<(&'static str, u32), Refusal> {
    let call = wire::parse(body)?;
    Ok((judged(&call, &[], true).level, call.discarded))
}

fn with(body: Body, kind: &'static str, cache: &str) -> Response {
    let mut answer = Response::new(body);
    let out = answer.headers_mut();
    out.insert(header::CONTENT_TYPE, HeaderValue::from_static(kind));
    out.insert(header::CACHE_CONTROL, HeaderValue::from_str(cache).expect("words"));
    out.insert(header::X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    answer
}

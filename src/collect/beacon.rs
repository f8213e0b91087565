//! `POST /v1/beacon`: HTTP around [`ingest`]. The answer is `202` once the events are durable.

use std::pin::pin;
use std::sync::Arc;
use std::time::Instant;

use axum::body::Body;
use axum::extract::State;
use axum::response::Response;
use bytes::Bytes;
use http::{HeaderMap, HeaderName, HeaderValue, Request, StatusCode, header};

use super::headers::Readers;
use super::ingest::{AcceptedBeacon, Payload, discard, ingest};
use super::server::Peer;
use super::trial::Trial;
use super::{Collector, headers, rejection};

/// The most bytes of a preflight's list of header fields.
const ASKED_MAX: usize = 2048;

/// Answers a CORS preflight, which browsers send for `application/json`, and for what other programs of a page add to its
/// requests (`traceparent`, `authorization`). Such fields are allowed and never read.
pub(super) async fn preflight(State(collector): State<Arc<Collector>>, request: Request<Body>) -> Response {
    collector.preflight_answer(request.headers(), true)
}

/// [`handle`] for the router.
pub(super) async fn post(State(collector): State<Arc<Collector>>, request: Request<Body>) -> Response {
    handle(&collector, request).await
}

/// Answers a beacon with any type of body.
pub(super) async fn handle<B>(collector: &Arc<Collector>, request: Request<B>) -> Response
where
    B: hyper::body::Body<Data = Bytes>,
    B::Error: Into<Box<dyn std::error::Error + Send + Sync>>,
{
    let begun = Instant::now();
    let (head, body) = request.into_parts();
    let readers = collector.readers(&head.headers);
    let peer = head.extensions.get::<Peer>().map(|peer| peer.0.ip());
    let trial = Trial::of(collector, &head.uri, &head.headers);
    let mut body = pin!(body);
    let mut response = match ingest(collector, &head.headers, peer, Payload::Beacon(body.as_mut())).await {
        Ok(accepted) => response(accepted, head.headers),
        Err(refused) => rejection::answer(refused),
    };
    if !body.is_end_stream() {
        Box::pin(discard(body)).await;
    }
    readers.allow(response.headers_mut());
    if let Some(trial) = trial.filter(|_| response.status() == StatusCode::ACCEPTED) {
        trial.say(response.headers_mut());
    }
    collector.metrics.request_duration.observe(begun.elapsed().as_secs_f64());
    response
}

/// Reuses the request's header map, so that hyper need not allocate another for the next request.
fn response(accepted: AcceptedBeacon, mut request_headers: HeaderMap) -> Response {
    request_headers.clear();
    let mut response = Response::new(Body::empty());
    *response.status_mut() = StatusCode::ACCEPTED;
    *response.headers_mut() = request_headers;
    let out = response.headers_mut();
    out.insert(headers::OUTCOME, HeaderValue::from_static(accepted.answer.name()));
    out.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    if let Some(items) = accepted.device {
        out.insert(headers::DEVICE, items);
    }
    for cookie in accepted.set_cookies {
        out.append(header::SET_COOKIE, cookie);
    }
    response
}

impl Collector {
    /// The answer to a preflight, for requests with credentials or without.
    pub(super) fn preflight_answer(&self, request: &HeaderMap, with_credentials: bool) -> Response {
        let mut response = Response::new(Body::empty());
        *response.status_mut() = StatusCode::NO_CONTENT;
        if let readers @ Readers::Listed(_) = self.readers(request) {
            let out = response.headers_mut();
            if with_credentials {
                readers.allow(out);
            } else {
                readers.allow_without_credentials(out);
            }
            out.insert(header::ACCESS_CONTROL_ALLOW_METHODS, HeaderValue::from_static("POST"));
            out.insert(header::ACCESS_CONTROL_ALLOW_HEADERS, self.allowed_fields(request));
            out.insert(header::ACCESS_CONTROL_MAX_AGE, HeaderValue::from_static("86400"));
            out.append(header::VARY, HeaderValue::from_static("Access-Control-Request-Headers"));
        }
        response
    }

    /// Which pages may read the answer to a request.
    pub(super) fn readers(&self, request: &HeaderMap) -> Readers {
        match request.get(header::ORIGIN) {
            None => Readers::Nobody,
            Some(origin) if self.origins.contains(origin) => Readers::Listed(origin.clone()),
            Some(_) => Readers::Others,
        }
    }

    /// The header fields that a page may send: those that it asks for, but for one that names a client's address.
    fn allowed_fields(&self, request: &HeaderMap) -> HeaderValue {
        let mut allowed = "content-type".to_owned();
        let asked = request.get_all(header::ACCESS_CONTROL_REQUEST_HEADERS).iter();
        for name in asked.flat_map(|list| list.as_bytes().split(|byte| *byte == b',')) {
            let Ok(name) = HeaderName::from_bytes(name.trim_ascii()) else { continue };
            let fits = allowed.len() + name.as_str().len() < ASKED_MAX;
            if fits && name != header::CONTENT_TYPE && !self.proxies.reads(&name) {
                allowed.push_str(", ");
                allowed.push_str(name.as_str());
            }
        }
        HeaderValue::try_from(allowed).expect("names of header fields")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn size<A, B, F: Future>(_: fn(A, B) -> F) -> usize {
        size_of::<F>()
    }

    #[test]
    fn a_waiting_request_takes_little_memory() {
        let bytes = size(handle::<hyper::body::Incoming>);
        // The allocator needs four times as long for a larger one.
        assert!(bytes <= 1_024, "{bytes}");
    }
}

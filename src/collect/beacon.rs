//! `POST /v1/beacon`: HTTP around [`ingest`]. The answer is `202` once the events are durable.

use std::sync::Arc;
use std::time::Instant;

use axum::body::Body;
use axum::extract::State;
use axum::response::Response;
use bytes::Bytes;
use http::{HeaderMap, HeaderValue, Request, StatusCode, header};

use super::ingest::{AcceptedBeacon, Payload, ingest};
use super::server::Peer;
use super::{Collector, headers, rejection};

/// Answers a CORS preflight, which browsers send for `application/json`.
pub(super) async fn preflight(State(collector): State<Arc<Collector>>, request: Request<Body>) -> Response {
    let mut response = Response::new(Body::empty());
    *response.status_mut() = StatusCode::NO_CONTENT;
    if let Some(origin) = collector.known_origin(request.headers()) {
        let out = response.headers_mut();
        headers::allow_origin(out, origin);
        out.insert(header::ACCESS_CONTROL_ALLOW_METHODS, HeaderValue::from_static("POST"));
        out.insert(header::ACCESS_CONTROL_ALLOW_HEADERS, HeaderValue::from_static("content-type"));
        out.insert(header::ACCESS_CONTROL_MAX_AGE, HeaderValue::from_static("86400"));
    }
    response
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
    let origin = collector.known_origin(&head.headers).cloned();
    let peer = head.extensions.get::<Peer>().map(|peer| peer.0.ip());
    let mut response = match ingest(collector, &head.headers, peer, Payload::Beacon(body)).await {
        Ok(accepted) => response(accepted, head.headers),
        Err(refused) => rejection::answer(refused),
    };
    if let Some(origin) = origin {
        headers::allow_origin(response.headers_mut(), &origin);
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
    /// The `Origin` of a request, if some site lists it.
    fn known_origin(&self, request: &HeaderMap) -> Option<&HeaderValue> {
        let origin = request.get(header::ORIGIN)?;
        self.origins.iter().find(|known| *known == origin)
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

//! `GET /tamga.js`: the snippet, as built from `collector-js`.

use axum::body::Body;
use axum::response::Response;
use http::{HeaderMap, HeaderValue, StatusCode, header};

const SNIPPET: &[u8] = include_bytes!(concat!(env!("CARGO_MANIFEST_DIR"), "/collector-js/dist/tamga.js"));

/// The current snippet, for an hour without asking again.
pub(super) async fn latest(request: HeaderMap) -> Response {
    let tag = HeaderValue::try_from(format!("\"{}\"", &blake3::hash(SNIPPET).to_hex()[..16])).expect("hexadecimal");
    let known = request.get_all(header::IF_NONE_MATCH).iter().any(|list| names(list, &tag));
    let mut response = Response::new(Body::from(if known { &[] } else { SNIPPET }));
    if known {
        *response.status_mut() = StatusCode::NOT_MODIFIED;
    }
    let out = response.headers_mut();
    out.insert(header::CONTENT_TYPE, HeaderValue::from_static("text/javascript; charset=utf-8"));
    out.insert(header::CACHE_CONTROL, HeaderValue::from_static("public, max-age=3600"));
    out.insert(header::ACCESS_CONTROL_ALLOW_ORIGIN, HeaderValue::from_static("*"));
    out.insert("cross-origin-resource-policy", HeaderValue::from_static("cross-origin"));
    out.insert("x-content-type-options", HeaderValue::from_static("nosniff"));
    out.insert(header::ETAG, tag);
    response
}

/// Whether a list of entity tags names ours. Compared weakly (RFC 9110, 13.1.2): a proxy that compresses makes tags weak.
fn names(list: &HeaderValue, ours: &HeaderValue) -> bool {
    let (Ok(list), Ok(ours)) = (list.to_str(), ours.to_str()) else { return false };
    list.split(',').map(str::trim).any(|tag| tag == "*" || tag.strip_prefix("W/").unwrap_or(tag) == ours)
}

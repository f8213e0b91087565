//! A rejection as an HTTP answer: problem JSON (RFC 9457) with the reason, and without anything from the request.

use axum::body::Body;
use axum::response::Response;
use http::{HeaderValue, StatusCode, header};

use crate::outcome::Rejection;

/// Seconds after which a sender should retry that got 429 or 503.
const RETRY_AFTER_S: &str = "5";

/// The answer to a rejected request.
pub(super) fn answer(rejection: Rejection) -> Response {
    let status = StatusCode::from_u16(rejection.status()).expect("rejections have statuses of RFC 9110");
    problem(status, rejection.public_message())
}

/// Problem JSON with a sentence.
pub fn problem(status: StatusCode, sentence: &'static str) -> Response {
    let problem = serde_json::json!({
        "type": "about:blank",
        "title": status.canonical_reason().unwrap_or("Error"),
        "status": status.as_u16(),
        "detail": sentence,
    });
    let mut response = Response::new(Body::from(problem.to_string()));
    *response.status_mut() = status;
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/problem+json"));
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    if matches!(status, StatusCode::SERVICE_UNAVAILABLE | StatusCode::TOO_MANY_REQUESTS) {
        headers.insert(header::RETRY_AFTER, HeaderValue::from_static(RETRY_AFTER_S));
    }
    response
}

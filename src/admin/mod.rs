//! The operations' listener: whether the process lives, whether it is ready and if not why, and its figures.
//!
//! It is for a trusted network: by default loopback. Nothing it says names a site's visitor, an address or a reason finer
//! than the closed lists of `outcome`. Being ready means that beacons can be made durable; the vault may be away while the
//! spool has room, which is told but does not make a node unready.

use std::sync::Arc;

use axum::Router;
use axum::extract::State;
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use http::{StatusCode, header};

/// What the process says of itself when asked.
pub trait Watch: Send + Sync + 'static {
    /// Why beacons cannot be taken now, a sentence each; empty when they can.
    fn not_ready(&self) -> Vec<String>;
    /// What is not as it should be although beacons are taken, a sentence each.
    fn warnings(&self) -> Vec<String>;
    /// The metrics of this moment, in the OpenMetrics text format.
    fn metrics(&self) -> String;
}

/// Every route of the operations' listener.
pub fn router(watch: Arc<dyn Watch>) -> Router {
    Router::new()
        .route("/healthz", get(|| async { "alive\n" }))
        .route("/readyz", get(ready))
        .route("/metrics", get(metrics))
        .with_state(watch)
}

async fn ready(State(watch): State<Arc<dyn Watch>>) -> Response {
    let (reasons, warnings) = (watch.not_ready(), watch.warnings());
    let status = if reasons.is_empty() { StatusCode::OK } else { StatusCode::SERVICE_UNAVAILABLE };
    let mut text = String::from(if reasons.is_empty() { "ready\n" } else { "not ready\n" });
    reasons.iter().for_each(|reason| text.push_str(&format!("- {reason}\n")));
    warnings.iter().for_each(|warning| text.push_str(&format!("~ {warning}\n")));
    (status, text).into_response()
}

async fn metrics(State(watch): State<Arc<dyn Watch>>) -> Response {
    const OPEN_METRICS: &str = "application/openmetrics-text; version=1.0.0; charset=utf-8";
    ([(header::CONTENT_TYPE, OPEN_METRICS)], watch.metrics()).into_response()
}

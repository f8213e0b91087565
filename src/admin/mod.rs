//! The admin listener: liveness, readiness with reasons, and metrics.
//!
//! It is meant for a trusted network; the default is loopback. Its answers contain no visitor, no address, and only
//! reasons from the closed lists of `outcome`. Ready means that beacons can be made durable. An unreachable vault is a
//! warning and not a reason to be unready, as long as the spool has space.

use std::sync::Arc;

use axum::Router;
use axum::extract::State;
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use http::{StatusCode, header};

/// The state of the process, as the admin listener shows it.
pub trait Watch: Send + Sync + 'static {
    /// Why beacons cannot be accepted now, one sentence per reason. Empty if they can.
    fn not_ready(&self) -> Vec<String>;
    /// Problems that do not stop beacons, one sentence each.
    fn warnings(&self) -> Vec<String>;
    /// The current metrics, in the OpenMetrics text format.
    fn metrics(&self) -> String;
}

/// Every route of the admin listener.
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

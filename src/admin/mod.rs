//! The admin listener: liveness, readiness with reasons, metrics, and the page for analysts, which is made elsewhere.
//!
//! It is meant for a trusted network; the default is loopback. Its answers contain no visitor, no address, and only
//! reasons from the closed lists of `outcome`. Ready means that beacons can be made durable. An unreachable vault is a
//! warning and not a reason to be unready, as long as the spool has space.
//!
//! A page in a browser of this machine can send requests here. So no page of another site gets an answer: its requests are
//! refused by `Sec-Fetch-Site`, and by `Host`, which must be an address, a name of loopback, or a name in `[server]
//! admin_hosts`. A name that somebody else owns can be made to point here (DNS rebinding); an address cannot.

use std::net::IpAddr;
use std::sync::Arc;

use axum::Router;
use axum::extract::{Request, State};
use axum::middleware::{self, Next};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use http::uri::Authority;
use http::{HeaderMap, HeaderValue, StatusCode, header};

/// The state of the process, as the admin listener shows it.
pub trait Watch: Send + Sync + 'static {
    /// Why beacons cannot be accepted now, one sentence per reason. Empty if they can.
    fn not_ready(&self) -> Vec<String>;
    /// Problems that do not stop beacons, one sentence each.
    fn warnings(&self) -> Vec<String>;
    /// What is worth knowing and no problem, one sentence each.
    fn facts(&self) -> Vec<String>;
    /// The current metrics, in the OpenMetrics text format.
    fn metrics(&self) -> String;
}

/// Every route of the admin listener: its own, and those of the page for analysts.
pub fn router(watch: Arc<dyn Watch>, page: Router, hosts: &[String]) -> Router {
    let hosts: Arc<[String]> = hosts.into();
    Router::new()
        .route("/healthz", get(|| async { "alive\n" }))
        .route("/readyz", get(ready))
        .route("/metrics", get(metrics))
        .with_state(watch)
        .merge(page)
        .layer(middleware::from_fn_with_state(hosts, guard))
}

/// Refuses what pages of other sites send, and forbids them to use an answer.
async fn guard(State(hosts): State<Arc<[String]>>, request: Request, next: Next) -> Response {
    let refused = refusal(request.headers(), &hosts);
    let mut response = match refused {
        Some(why) => (StatusCode::FORBIDDEN, why).into_response(),
        None => next.run(request).await,
    };
    let out = response.headers_mut();
    out.insert(header::X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    out.insert("cross-origin-resource-policy", HeaderValue::from_static("same-origin"));
    response
}

/// Why a request is refused. One without `Host` is not a browser's.
fn refusal(headers: &HeaderMap, hosts: &[String]) -> Option<&'static str> {
    let sent_by = headers.get_all("sec-fetch-site").iter();
    if sent_by.into_iter().any(|site| !matches!(site.as_bytes(), b"none" | b"same-origin")) {
        return Some("requests of other sites' pages are refused\n");
    }
    let is_known =
        |host: &HeaderValue| Authority::try_from(host.as_bytes()).is_ok_and(|host| admits(host.host(), hosts));
    let known = headers.get_all(header::HOST).iter().all(is_known);
    (!known).then_some("the Host is not known here; name it in [server] admin_hosts\n")
}

fn admits(host: &str, hosts: &[String]) -> bool {
    let address = host.strip_prefix('[').and_then(|host| host.strip_suffix(']')).unwrap_or(host);
    let name = host.to_ascii_lowercase();
    address.parse::<IpAddr>().is_ok()
        || name == "localhost"
        || name.ends_with(".localhost")
        || hosts.iter().any(|known| known.eq_ignore_ascii_case(&name))
}

async fn ready(State(watch): State<Arc<dyn Watch>>) -> Response {
    let (reasons, warnings) = (watch.not_ready(), watch.warnings());
    let status = if reasons.is_empty() { StatusCode::OK } else { StatusCode::SERVICE_UNAVAILABLE };
    let mut text = String::from(if reasons.is_empty() { "ready\n" } else { "not ready\n" });
    reasons.iter().for_each(|reason| text.push_str(&format!("- {reason}\n")));
    warnings.iter().for_each(|warning| text.push_str(&format!("~ {warning}\n")));
    watch.facts().iter().for_each(|fact| text.push_str(&format!("= {fact}\n")));
    (status, text).into_response()
}

async fn metrics(State(watch): State<Arc<dyn Watch>>) -> Response {
    const OPEN_METRICS: &str = "application/openmetrics-text; version=1.0.0; charset=utf-8";
    ([(header::CONTENT_TYPE, OPEN_METRICS)], watch.metrics()).into_response()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn is_refused(host: &[u8], site: Option<&'static str>) -> bool {
        let mut headers = HeaderMap::new();
        headers.insert(header::HOST, HeaderValue::from_bytes(host).expect("a value"));
        site.map(|site| headers.insert("sec-fetch-site", HeaderValue::from_static(site)));
        refusal(&headers, &["tamga.internal".to_owned()]).is_some()
    }

    #[test]
    fn addresses_loopback_and_configured_names_are_known() {
        for host in
            ["127.0.0.1", "127.0.0.1:9090", "[::1]:9090", "10.1.2.3", "0.0.0.0:9090", "localhost:9090", "LOCALHOST"]
        {
            assert!(!is_refused(host.as_bytes(), None), "{host}");
        }
        assert!(!is_refused(b"Tamga.Internal:9090", None) && !is_refused(b"a.localhost", None));
        for host in
            ["rebound.example", "localhost.example:9090", "127.0.0.1.example", "tamga.internal.example", "a", ""]
        {
            assert!(is_refused(host.as_bytes(), None), "{host}");
        }
        assert!(is_refused(b"\xff", None));
        assert!(refusal(&HeaderMap::new(), &[]).is_none(), "a probe of HTTP/1.0");
    }

    #[test]
    fn pages_of_other_sites_are_refused() {
        for (site, refused) in
            [("cross-site", true), ("same-site", true), ("x", true), ("none", false), ("same-origin", false)]
        {
            assert_eq!(is_refused(b"127.0.0.1", Some(site)), refused, "{site}");
        }
    }
}

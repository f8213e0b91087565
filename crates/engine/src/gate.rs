//! Decides from a request's head whether a listener serves it, before anything else is read.
//!
//! A request must have exactly one `Host`, and it must name this machine, or on the listener for other machines one of the
//! configured names: this stops DNS rebinding. A browser runs pages of strangers, so a request that a page of another site
//! sent is refused, and the headers of answers forbid other pages to use them. The exception are the configured origins. No
//! page is allowed to use credentials that the browser keeps.
//!
//! [`Places`] bounds the connections. When all are taken, the oldest connection that has not proved to be the service's is
//! closed. So a client that opens many connections and keeps them busy locks nobody out.

use std::collections::VecDeque;
use std::net::IpAddr;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use http::{HeaderMap, HeaderValue, Response, header};
use tokio::task::AbortHandle;

/// Whom a listener serves.
#[derive(Default)]
pub(crate) struct Gate {
    /// The names of the listener for other machines. `None`: the listener is on loopback.
    hosts: Option<Vec<String>>,
    /// Origins of pages that may ask.
    origins: Vec<String>,
}

impl Gate {
    pub(crate) fn inside(origins: &[String]) -> Self {
        Self { hosts: None, origins: origins.to_vec() }
    }

    pub(crate) fn outside(hosts: &[String], origins: &[String]) -> Self {
        Self { hosts: Some(hosts.to_vec()), origins: origins.to_vec() }
    }

    /// Whether other machines can connect.
    pub(crate) fn is_outside(&self) -> bool {
        self.hosts.is_some()
    }

    /// Refuses a head, with the sentence to answer.
    pub(crate) fn check(&self, headers: &HeaderMap) -> Result<(), &'static str> {
        let mut hosts = headers.get_all(header::HOST).iter();
        match (hosts.next().map(HeaderValue::to_str), hosts.next(), &self.hosts) {
            (Some(Ok(host)), None, None) if is_this_machine(name_of(host)) => {}
            (Some(Ok(host)), None, Some(names))
                if names.iter().any(|name| name.eq_ignore_ascii_case(name_of(host))) => {}
            (.., None) => return Err("Name this machine in one Host header: localhost or its address.\n"),
            (.., Some(_)) => return Err("Name this machine in one Host header, as the configuration names it.\n"),
        }
        match headers.get("sec-fetch-site").map(HeaderValue::as_bytes) {
            Some(b"cross-site" | b"same-site") if self.origin(headers).is_none() => {
                Err("Pages of other sites are not answered.\n")
            }
            _ => Ok(()),
        }
    }

    /// The origin of the page that asks, if it is a configured one.
    pub(crate) fn origin(&self, headers: &HeaderMap) -> Option<HeaderValue> {
        let mut origins = headers.get_all(header::ORIGIN).iter();
        let origin = origins.next().filter(|_| origins.next().is_none())?;
        self.origins.iter().any(|known| known.as_bytes() == origin.as_bytes()).then(|| origin.clone())
    }
}

/// A `Host` without its port.
fn name_of(host: &str) -> &str {
    match host.rsplit_once(':') {
        Some((name, port)) if port.bytes().all(|byte| byte.is_ascii_digit()) => name,
        _ => host,
    }
}

/// `localhost` or a loopback address.
fn is_this_machine(name: &str) -> bool {
    let address = name.strip_prefix('[').and_then(|name| name.strip_suffix(']')).unwrap_or(name);
    name.eq_ignore_ascii_case("localhost") || address.parse::<IpAddr>().is_ok_and(|address| address.is_loopback())
}

/// Forbids pages of other sites to use an answer, but for those of `origin`.
pub(crate) fn protect<B>(mut answer: Response<B>, origin: Option<HeaderValue>) -> Response<B> {
    let headers = answer.headers_mut();
    headers.insert(header::X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    headers.insert(header::VARY, HeaderValue::from_static("origin"));
    let policy = if origin.is_some() { "cross-origin" } else { "same-origin" };
    headers.insert("cross-origin-resource-policy", HeaderValue::from_static(policy));
    if let Some(origin) = origin {
        headers.insert(header::ACCESS_CONTROL_ALLOW_ORIGIN, origin);
        for (name, value) in [
            (header::ACCESS_CONTROL_ALLOW_METHODS, "GET, POST"),
            (
                header::ACCESS_CONTROL_ALLOW_HEADERS,
                "authorization, content-type, x-clickhouse-user, x-clickhouse-key, x-clickhouse-database, x-clickhouse-format",
            ),
            (
                header::ACCESS_CONTROL_EXPOSE_HEADERS,
                "x-clickhouse-exception-code, x-clickhouse-exception-tag, x-clickhouse-format, x-clickhouse-query-id, \
                 x-clickhouse-summary, x-clickhouse-timezone",
            ),
            (header::ACCESS_CONTROL_MAX_AGE, "600"),
        ] {
            headers.insert(name, HeaderValue::from_static(value));
        }
    }
    answer
}

/// The connections that may have to give way.
#[derive(Default)]
pub(crate) struct Places {
    /// The oldest first.
    connections: Mutex<VecDeque<(AbortHandle, Arc<Place>)>>,
}

/// A connection.
#[derive(Default)]
pub(crate) struct Place {
    of_service: AtomicBool,
}

impl Place {
    /// The service has shown its password: this connection stays.
    pub(crate) fn keep(&self) {
        self.of_service.store(true, Ordering::Relaxed);
    }

    fn gives_way(&self) -> bool {
        !self.of_service.load(Ordering::Relaxed)
    }
}

impl Places {
    /// Remembers a connection and forgets those that have ended.
    pub(crate) fn enter(&self, connection: AbortHandle, place: Arc<Place>) {
        let mut connections = self.connections.lock().unwrap_or_else(PoisonError::into_inner);
        connections.retain(|(connection, _)| !connection.is_finished());
        connections.push_back((connection, place));
    }

    /// Ends the oldest connection that is not of the service, if there is one.
    pub(crate) fn make_space(&self) {
        let mut connections = self.connections.lock().unwrap_or_else(PoisonError::into_inner);
        connections.retain(|(connection, _)| !connection.is_finished());
        if let Some(at) = connections.iter().position(|(_, place)| place.gives_way())
            && let Some((connection, _)) = connections.remove(at)
        {
            connection.abort();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn map(headers: &[(&str, &str)]) -> HeaderMap {
        let mut map = HeaderMap::new();
        for (name, value) in headers {
            map.append(http::HeaderName::try_from(*name).unwrap(), HeaderValue::try_from(*value).unwrap());
        }
        map
    }

    fn verdict(headers: &[(&str, &str)]) -> bool {
        Gate::default().check(&map(headers)).is_ok()
    }

    #[test]
    fn other_machines_name_it_as_configured_and_pages_are_those_of_the_origins() {
        let gate = Gate::outside(&["stats.example.kz".to_owned()], &["https://bi.example.kz".to_owned()]);
        for (host, admitted) in [
            ("stats.example.kz", true),
            ("Stats.Example.kz:8443", true),
            ("localhost", false),
            ("127.0.0.1:8443", false),
            ("example.kz", false),
            ("stats.example.kz.evil.test", false),
        ] {
            assert_eq!(gate.check(&map(&[("host", host)])).is_ok(), admitted, "{host}");
        }
        let page = [("host", "stats.example.kz"), ("sec-fetch-site", "same-site"), ("origin", "https://bi.example.kz")];
        assert!(gate.check(&map(&page)).is_ok());
        for origin in ["https://bi.example.kz.evil.test", "http://bi.example.kz", "null", "https://bi.example.kz:1"] {
            let page = [page[0], page[1], ("origin", origin)];
            assert!(gate.check(&map(&page)).is_err() && gate.origin(&map(&page)).is_none(), "{origin}");
        }
        assert!(gate.origin(&map(&[page[2], page[2]])).is_none());
        assert!(Gate::inside(&[]).check(&map(&[("host", "localhost"), page[1], page[2]])).is_err());
    }

    #[test]
    fn only_this_machine_is_asked_and_by_no_other_site() {
        for host in ["localhost", "LOCALHOST:8124", "127.0.0.1:8124", "127.0.0.2", "[::1]:8124", "[::1]"] {
            assert!(verdict(&[("host", host)]), "{host}");
        }
        for host in ["evil.test:8124", "localhost.evil.test", "10.0.0.1", "", ":8124", "127.0.0.1.evil.test"] {
            assert!(!verdict(&[("host", host)]), "{host}");
        }
        assert!(!verdict(&[]));
        assert!(!verdict(&[("host", "localhost"), ("host", "localhost")]));
        for (site, admitted) in [("none", true), ("same-origin", true), ("same-site", false), ("cross-site", false)] {
            assert_eq!(verdict(&[("host", "localhost"), ("sec-fetch-site", site)]), admitted, "{site}");
        }
    }

    #[tokio::test]
    async fn the_oldest_stranger_gives_way_and_never_the_service() {
        let places = Places::default();
        let tasks: Vec<_> = (0..3).map(|_| tokio::spawn(std::future::pending::<()>())).collect();
        for (number, task) in tasks.iter().enumerate() {
            let place = Arc::new(Place::default());
            places.enter(task.abort_handle(), Arc::clone(&place));
            if number == 0 {
                place.keep();
            }
        }
        for _ in 0..5 {
            places.make_space();
        }
        let mut tasks = tasks.into_iter();
        let service = tasks.next().unwrap();
        for stranger in tasks {
            assert!(stranger.await.unwrap_err().is_cancelled());
        }
        assert!(!service.is_finished());
        service.abort();
    }
}

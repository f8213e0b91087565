//! Decides from a request's head whether the listener serves it, before anything else is read.
//!
//! Only this machine can connect, but a browser on it runs pages of strangers. So a request must have exactly one `Host`,
//! and it must name this machine: this stops DNS rebinding. A request that a page of another site sent is refused. The
//! headers of answers forbid other pages to use them.
//!
//! [`Places`] bounds the connections. When all are taken, the oldest connection that has not proved to be the service's is
//! closed. So a client that opens many connections and keeps them busy locks nobody out.

use std::collections::VecDeque;
use std::net::IpAddr;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use http::{HeaderMap, HeaderValue, Response, header};
use tokio::task::AbortHandle;

/// Refuses a head, with the sentence to answer.
pub(crate) fn check(headers: &HeaderMap) -> Result<(), &'static str> {
    let mut hosts = headers.get_all(header::HOST).iter();
    match (hosts.next().map(HeaderValue::to_str), hosts.next()) {
        (Some(Ok(host)), None) if is_this_machine(host) => {}
        _ => return Err("Name this machine in one Host header: localhost or its address.\n"),
    }
    match headers.get("sec-fetch-site").map(HeaderValue::as_bytes) {
        Some(b"cross-site" | b"same-site") => Err("Pages of other sites are not answered.\n"),
        _ => Ok(()),
    }
}

/// `localhost` or a loopback address, with or without a port: it listens on no other.
fn is_this_machine(host: &str) -> bool {
    let name = match host.rsplit_once(':') {
        Some((name, port)) if port.bytes().all(|byte| byte.is_ascii_digit()) => name,
        _ => host,
    };
    let address = name.strip_prefix('[').and_then(|name| name.strip_suffix(']')).unwrap_or(name);
    name.eq_ignore_ascii_case("localhost") || address.parse::<IpAddr>().is_ok_and(|address| address.is_loopback())
}

/// Forbids pages of other sites to use an answer.
pub(crate) fn protect<B>(mut answer: Response<B>) -> Response<B> {
    let headers = answer.headers_mut();
    headers.insert(header::X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    headers.insert("cross-origin-resource-policy", HeaderValue::from_static("same-origin"));
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

    fn verdict(headers: &[(&str, &str)]) -> bool {
        let mut map = HeaderMap::new();
        for (name, value) in headers {
            map.append(http::HeaderName::try_from(*name).unwrap(), HeaderValue::try_from(*value).unwrap());
        }
        check(&map).is_ok()
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

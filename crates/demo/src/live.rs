//! The live count that the shop shows: the beacons that the collector has taken since the start, and those of them that came from a
//! browser on this machine.
//!
//! The demo counts answers on their way, as an operator's own proxy could. The product publishes no live count.

use std::sync::atomic::{AtomicU64, Ordering};

use http::{Method, Request, StatusCode};

/// Where the shop answers with it.
pub(crate) const PATH: &str = "/live";

/// See the module.
#[derive(Default)]
pub(crate) struct Live {
    own: AtomicU64,
    all: AtomicU64,
}

/// Whose beacon a request is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Whose {
    Own,
    Played,
    /// It is no beacon.
    Nobody,
}

impl Whose {
    /// Whose beacon this is. The player sends as a proxy does, with the visitor's address.
    pub(crate) fn of<B>(request: &Request<B>) -> Self {
        match request.method() == Method::POST && request.uri().path() == "/v1/beacon" {
            false => Self::Nobody,
            true if request.headers().contains_key("x-forwarded-for") => Self::Played,
            true => Self::Own,
        }
    }
}

impl Live {
    /// Counts an answer.
    pub(crate) fn count(&self, whose: Whose, status: StatusCode) {
        if whose != Whose::Nobody && status == StatusCode::ACCEPTED {
            self.all.fetch_add(1, Ordering::Relaxed);
            self.own.fetch_add(u64::from(whose == Whose::Own), Ordering::Relaxed);
        }
    }

    /// As JSON.
    pub(crate) fn json(&self) -> String {
        let [own, all] = [&self.own, &self.all].map(|count| count.load(Ordering::Relaxed));
        format!("{{\"own\":{own},\"all\":{all}}}")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn beacons_that_are_taken_are_counted_and_those_of_this_machine_by_themselves() {
        let live = Live::default();
        let request = |method: &str, path: &str| Request::builder().method(method).uri(path);
        let own = Whose::of(&request("POST", "/v1/beacon").body(()).expect("sound"));
        let played = request("POST", "/v1/beacon").header("x-forwarded-for", "198.18.0.1");
        let played = Whose::of(&played.body(()).expect("sound"));
        let page = Whose::of(&request("GET", "/v1/beacon").body(()).expect("sound"));
        assert_eq!([own, played, page], [Whose::Own, Whose::Played, Whose::Nobody]);
        for (whose, status) in [(own, 202), (played, 202), (played, 503), (own, 400), (page, 202)] {
            live.count(whose, StatusCode::from_u16(status).expect("a status"));
        }
        assert_eq!(live.json(), r#"{"own":1,"all":2}"#);
    }
}

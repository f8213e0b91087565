//! How much may come from one network, for one site and of one visitor: a hostile sender costs its own beacons, not others'.
//!
//! Each is a rate with a burst, kept as one number per key: when what it has sent will be paid off. The keys are networks
//! (/24, /48), sites and pseudonyms, as a hash under a key that only this process has. Memory is fixed: a key whose debt is
//! paid is as good as unknown, so its place is free, and when all places of a key are taken, the one that owes least loses
//! its debt. Time is the clock's; one that went back forgives.
//!
//! An address of this machine itself is not limited: it is a proxy that was not named in `trusted_proxies` or that names
//! nobody, and its limit would be everybody's.

use std::hash::{BuildHasher, Hash, RandomState};
use std::net::IpAddr;
use std::sync::{Mutex, PoisonError};

use crate::config;
use crate::event::Pseudonym;
use crate::privacy::network_prefix;

/// Places of a table: 1 MiB each.
const PLACES: usize = 1 << 16;
/// Neighbouring places that a key may take.
const WAYS: usize = 8;
/// What may come at once, in seconds of the rate. People come in waves, and whole offices behind one address.
const BURST_S: u64 = 10;
const NANOSECONDS: u64 = 1_000_000_000;

/// The three limits.
pub(super) struct Limits {
    network: Limiter,
    site: Limiter,
    visitor: Limiter,
}

impl Limits {
    /// From the configuration; 0 is no limit.
    pub(super) fn new(config: &config::Limits) -> Self {
        Self {
            network: Limiter::new(config.network_per_s.into(), NANOSECONDS, BURST_S * NANOSECONDS),
            site: Limiter::new(config.site_per_s.into(), NANOSECONDS, BURST_S * NANOSECONDS),
            // An hour's worth may come at once: a page may be the kind on which much happens.
            visitor: Limiter::new(config.visitor_events_per_h.into(), 3_600 * NANOSECONDS, 3_600 * NANOSECONDS),
        }
    }

    /// Whether a request from this address may go on.
    pub(super) fn admit_network(&self, client: IpAddr, now_ms: i64) -> bool {
        client.is_loopback() || self.network.admits(network_prefix(client), 1, now_ms)
    }

    /// Whether a request for this site may go on.
    pub(super) fn admit_site(&self, site: &str, now_ms: i64) -> bool {
        self.site.admits(site, 1, now_ms)
    }

    /// Whether so many events of a visitor may be kept.
    pub(super) fn admit_visitor(&self, visitor: &Pseudonym, events: u32, now_ms: i64) -> bool {
        self.visitor.admits(visitor, events, now_ms)
    }
}

struct Limiter {
    /// Nanoseconds that one costs; 0 is no limit.
    cost_ns: u64,
    burst_ns: u64,
    hasher: RandomState,
    places: Mutex<Box<[Place]>>,
}

#[derive(Clone, Copy, Default)]
struct Place {
    hash: u64,
    /// When the debt is paid, in nanoseconds since 1970. In the past: the place is free.
    paid_ns: u64,
}

impl Limiter {
    fn new(rate: u64, per_ns: u64, burst_ns: u64) -> Self {
        let places = if rate == 0 { 0 } else { PLACES };
        Self {
            cost_ns: per_ns.checked_div(rate).map_or(0, |cost| cost.max(1)),
            burst_ns,
            hasher: RandomState::new(),
            places: Mutex::new(vec![Place::default(); places].into()),
        }
    }

    fn admits(&self, key: impl Hash, amount: u32, now_ms: i64) -> bool {
        if self.cost_ns == 0 {
            return true;
        }
        let hash = self.hasher.hash_one(key);
        let now_ns = u64::try_from(now_ms).unwrap_or(0).saturating_mul(1_000_000);
        let mut places = self.places.lock().unwrap_or_else(PoisonError::into_inner);
        let start = hash as usize % (PLACES / WAYS) * WAYS;
        let set = &mut places[start..start + WAYS];
        let place = match set.iter().position(|place| place.hash == hash) {
            Some(at) => &mut set[at],
            None => {
                let least = set.iter_mut().min_by_key(|place| place.paid_ns).expect("a key has places");
                *least = Place { hash, paid_ns: 0 };
                least
            }
        };
        // More than a burst ahead is a clock that went back.
        let owed_ns = place.paid_ns.saturating_sub(now_ns);
        let owed_ns = if owed_ns > self.burst_ns { 0 } else { owed_ns };
        let debt_ns = owed_ns.saturating_add(self.cost_ns.saturating_mul(amount.into()));
        let admits = debt_ns <= self.burst_ns;
        place.paid_ns = now_ns + if admits { debt_ns } else { owed_ns };
        admits
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn limits() -> Limits {
        Limits::new(&config::Limits { network_per_s: 10, site_per_s: 100, visitor_events_per_h: 60 })
    }

    fn admitted(many: u32, mut admit: impl FnMut() -> bool) -> u32 {
        (0..many).map(|_| u32::from(admit())).sum()
    }

    #[test]
    fn a_network_may_send_its_burst_and_then_its_rate() {
        let (limits, at) = (limits(), 1_000_000);
        let network = |address: &str, now| limits.admit_network(address.parse().expect("an address"), now);
        assert_eq!(admitted(500, || network("198.18.0.9", at)), 100);
        assert_eq!(admitted(50, || network("198.18.0.200", at + 1_000)), 10, "the same /24, a second later");
        assert_eq!(admitted(50, || network("198.18.1.9", at)), 50, "another");
        assert_eq!(admitted(500, || network("2001:db8:7::1", at)), 100);
        assert!(!network("2001:db8:7:ffff::2", at), "the same /48");
        assert_eq!(admitted(5_000, || network("127.0.0.1", at)), 5_000, "a proxy that was not named");
        assert_eq!(admitted(500, || network("198.18.0.9", at + 60_000)), 100, "all is paid");
        assert_eq!(admitted(500, || network("198.18.0.9", at - 3_600_000)), 100, "the clock went back");
    }

    #[test]
    fn zero_is_no_limit() {
        let none = Limits::new(&config::Limits { network_per_s: 0, site_per_s: 0, visitor_events_per_h: 0 });
        assert_eq!(admitted(5_000, || none.admit_network([198, 18, 0, 9].into(), 0)), 5_000);
        assert_eq!(admitted(5_000, || none.admit_site("a.kz", 0)), 5_000);
    }

    #[test]
    fn a_visitor_s_events_count_each() {
        let limits = limits();
        let visitor = |byte| Pseudonym([byte; 16]);
        assert!(limits.admit_visitor(&visitor(1), 50, 0));
        assert!(!limits.admit_visitor(&visitor(1), 11, 0) && limits.admit_visitor(&visitor(1), 10, 0));
        assert!(limits.admit_visitor(&visitor(2), 60, 0) && !limits.admit_visitor(&visitor(2), 1, 0));
        assert!(limits.admit_visitor(&visitor(1), 5, 5 * 60_000), "five minutes later");
    }

    #[test]
    fn a_flood_of_networks_does_not_forgive_the_one_that_owes_most() {
        let limits = limits();
        let worst = [198, 18, 0, 9].into();
        assert_eq!(admitted(100, || limits.admit_network(worst, 0)), 100);
        for network in 0..500_000_u32 {
            let [_, a, b, c] = network.to_be_bytes();
            limits.admit_network([100 + a, b, c, 1].into(), 0);
        }
        assert!(!limits.admit_network(worst, 0));
    }

    proptest! {
        #[test]
        fn no_more_is_admitted_than_the_burst_and_the_rate_allow(steps in prop::collection::vec((0..2_000_i64, 1..30_u32), 1..60)) {
            let limits = limits();
            let (mut now, mut admitted) = (0, 0);
            for (pause_ms, many) in steps {
                now += pause_ms;
                admitted += (0..many).filter(|_| limits.admit_network([198, 18, 0, 9].into(), now)).count() as i64;
                prop_assert!(admitted <= 100 + now / 100, "{admitted} at {now} ms");
            }
        }
    }
}

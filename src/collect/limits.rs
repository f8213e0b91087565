//! Rate limits for networks, sites and visitors: a hostile sender loses its own beacons and nobody else's.
//!
//! Each limit is a token bucket with a rate and a burst. One number per key is stored: the time when the bucket will be
//! full again. A beacon with a large body, or with much text to scrub, costs its network further tokens. Keys are networks (/24, /48), sites and pseudonyms, hashed under a key that only this process has.
//! Memory is fixed: the slot of a full bucket is free, because a full bucket equals an unknown key. If all slots of a
//! key are taken, the fullest bucket is replaced. If the clock goes back, the buckets count as full.
//!
//! Loopback addresses have no limit. Such an address belongs to a proxy that `trusted_proxies` does not name, or that
//! does not name its client, and all clients would share its limit.

use std::hash::{BuildHasher, Hash, RandomState};
use std::net::IpAddr;
use std::sync::{Mutex, PoisonError};

use crate::config;
use crate::privacy::network_prefix;
use crate::privacy::pseudonymous::Pseudonym;

/// Slots of one table, which takes 1 MiB.
const SLOTS: usize = 1 << 16;
/// How many neighbouring slots a key may use.
const WAYS: usize = 8;
/// The size of a bucket, in seconds of its rate. Visitors come in waves, and a whole office may share one address.
const BURST_S: u64 = 10;
const NANOSECONDS: u64 = 1_000_000_000;
/// Verdicts of account protection that a network may ask for in a minute, and at once, before that is a sign: an office signs in at
/// nine, a program tries passwords all day.
const CALLS_PER_MINUTE: u64 = 60;

/// Bytes of a body that a request's own token pays for.
const BODY_PER_TOKEN: usize = 4 * 1024;
/// Bytes that are scrubbed for one further token. They cost about as much as a small request.
const SCRUBBED_PER_TOKEN: usize = 1024;

/// The further tokens that a beacon costs.
pub(super) fn tokens(body_bytes: usize, scrubbed_bytes: usize) -> u32 {
    let body = body_bytes.saturating_sub(1) / BODY_PER_TOKEN;
    u32::try_from(body + scrubbed_bytes / SCRUBBED_PER_TOKEN).unwrap_or(u32::MAX)
}

/// The limits.
pub(super) struct Limits {
    network: TokenBuckets,
    site: TokenBuckets,
    visitor: TokenBuckets,
    calls: TokenBuckets,
}

impl Limits {
    /// Reads the configuration. A rate of 0 means no limit.
    pub(super) fn new(config: &config::Limits) -> Self {
        Self {
            network: TokenBuckets::new(config.network_per_s.into(), NANOSECONDS, BURST_S * NANOSECONDS),
            site: TokenBuckets::new(config.site_per_s.into(), NANOSECONDS, BURST_S * NANOSECONDS),
            // The bucket holds an hour's events, because much may happen on one page.
            visitor: TokenBuckets::new(config.visitor_events_per_h.into(), 3_600 * NANOSECONDS, 3_600 * NANOSECONDS),
            calls: TokenBuckets::new(CALLS_PER_MINUTE, 60 * NANOSECONDS, 60 * NANOSECONDS),
        }
    }

    /// Takes a token for a request from this address; `false` if there is none.
    pub(super) fn admit_network(&self, client: IpAddr, now_ms: i64) -> bool {
        client.is_loopback() || self.network.take(network_prefix(client), 1, now_ms)
    }

    /// Takes the tokens of costly work before it is done, all or none; `false` if there are too few. More than a whole bucket is
    /// asked of nobody.
    pub(super) fn admit_work(&self, client: IpAddr, tokens: u32, now_ms: i64) -> bool {
        let most = self.network.burst_ns.checked_div(self.network.token_ns).map_or(0, |most| most as u32);
        client.is_loopback() || self.network.take(network_prefix(client), tokens.min(most), now_ms)
    }

    /// Takes tokens for work that was done for this address. It is too late to refuse that: the bucket is empty at worst,
    /// and later requests are refused.
    pub(super) fn charge_network(&self, client: IpAddr, tokens: u32, now_ms: i64) {
        if !client.is_loopback() {
            self.network.charge(network_prefix(client), tokens, now_ms);
        }
    }

    /// Takes a token for a verdict that this address asks for; `false` if its network asks for unusually many.
    pub(super) fn admit_call(&self, client: IpAddr, now_ms: i64) -> bool {
        client.is_loopback() || self.calls.take(network_prefix(client), 1, now_ms)
    }

    /// Takes a token for a request for this site; `false` if there is none.
    pub(super) fn admit_site(&self, site: &str, now_ms: i64) -> bool {
        self.site.take(site, 1, now_ms)
    }

    /// Takes a token for each of the visitor's events; `false` if there are too few.
    pub(super) fn admit_visitor(&self, visitor: &Pseudonym, events: u32, now_ms: i64) -> bool {
        self.visitor.take(visitor, events, now_ms)
    }
}

/// Token buckets of one rate, by key.
struct TokenBuckets {
    /// Nanoseconds until one token comes back; 0 means no limit.
    token_ns: u64,
    /// Nanoseconds until an empty bucket is full.
    burst_ns: u64,
    hasher: RandomState,
    sets: Mutex<Box<[Set]>>,
}

/// The slots that a key may use: two lines of the processor's cache, which are fetched together. Most keys of a busy edge are not in
/// its cache.
#[derive(Clone, Copy, Default)]
#[repr(align(128))]
struct Set([Bucket; WAYS]);

#[derive(Clone, Copy, Default)]
struct Bucket {
    hash: u64,
    /// When the bucket is full, in nanoseconds since 1970. If this is in the past, the slot is free.
    full_at_ns: u64,
}

impl TokenBuckets {
    fn new(rate: u64, per_ns: u64, burst_ns: u64) -> Self {
        let sets = if rate == 0 { 0 } else { SLOTS / WAYS };
        Self {
            token_ns: per_ns.checked_div(rate).map_or(0, |cost| cost.max(1)),
            burst_ns,
            hasher: RandomState::new(),
            sets: Mutex::new(vec![Set::default(); sets].into()),
        }
    }

    /// Takes tokens if there are enough.
    fn take(&self, key: impl Hash, amount: u32, now_ms: i64) -> bool {
        self.change(key, now_ms, |missing_ns| {
            let after_ns = missing_ns.saturating_add(self.token_ns.saturating_mul(amount.into()));
            (after_ns <= self.burst_ns).then_some(after_ns)
        })
    }

    /// Takes as many of the tokens as there are.
    fn charge(&self, key: impl Hash, amount: u32, now_ms: i64) {
        self.change(key, now_ms, |missing_ns| {
            Some(missing_ns.saturating_add(self.token_ns.saturating_mul(amount.into())).min(self.burst_ns))
        });
    }

    /// Changes what a key's bucket lacks, in nanoseconds of its rate; `false` if `after` refuses.
    fn change(&self, key: impl Hash, now_ms: i64, after: impl FnOnce(u64) -> Option<u64>) -> bool {
        if self.token_ns == 0 {
            return true;
        }
        let hash = self.hasher.hash_one(key);
        let now_ns = u64::try_from(now_ms).unwrap_or(0).saturating_mul(1_000_000);
        let mut sets = self.sets.lock().unwrap_or_else(PoisonError::into_inner);
        let Set(set) = &mut sets[hash as usize % (SLOTS / WAYS)];
        let bucket = match set.iter().position(|bucket| bucket.hash == hash) {
            Some(at) => &mut set[at],
            None => {
                let fullest = set.iter_mut().min_by_key(|bucket| bucket.full_at_ns).expect("a key has slots");
                *fullest = Bucket { hash, full_at_ns: 0 };
                fullest
            }
        };
        // A bucket that needs longer than a burst was stored before the clock went back.
        let missing_ns = bucket.full_at_ns.saturating_sub(now_ns);
        let missing_ns = if missing_ns > self.burst_ns { 0 } else { missing_ns };
        let after_ns = after(missing_ns);
        bucket.full_at_ns = now_ns + after_ns.unwrap_or(missing_ns);
        after_ns.is_some()
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
        assert_eq!(admitted(500, || network("198.18.0.9", at + 60_000)), 100, "the bucket is full again");
        assert_eq!(admitted(500, || network("198.18.0.9", at - 3_600_000)), 100, "the clock went back");
    }

    #[test]
    fn work_costs_tokens_and_leaves_no_debt_beyond_the_burst() {
        for (body, scrubbed, expected) in [(0, 0, 0), (4_096, 1_023, 0), (4_097, 1_024, 2), (65_536, 8_192, 23)] {
            assert_eq!(tokens(body, scrubbed), expected, "{body}, {scrubbed}");
        }
        let (limits, client) = (limits(), [198, 18, 0, 9].into());
        limits.charge_network(client, 60, 0);
        assert_eq!(admitted(500, || limits.admit_network(client, 0)), 40);
        limits.charge_network(client, 1_000_000, 0);
        assert_eq!(admitted(500, || limits.admit_network(client, 1_000)), 10, "its rate comes back at once");
        assert_eq!(admitted(500, || limits.admit_network([198, 18, 1, 9].into(), 0)), 100, "another network");
    }

    #[test]
    fn costly_work_takes_its_tokens_before() {
        let (limits, client) = (limits(), [198, 18, 0, 9].into());
        assert_eq!(admitted(500, || limits.admit_work(client, 40, 0)), 2);
        assert_eq!(admitted(500, || limits.admit_network(client, 0)), 20, "what is left is for cheaper requests");
        assert_eq!(admitted(500, || limits.admit_work(client, 40, 4_000)), 1);
        assert!(limits.admit_work(client, 1_000, 60_000) && !limits.admit_work(client, 1, 60_000), "a whole bucket");
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
        let visitor = |byte| Pseudonym::made_up([byte; 16]);
        assert!(limits.admit_visitor(&visitor(1), 50, 0));
        assert!(!limits.admit_visitor(&visitor(1), 11, 0) && limits.admit_visitor(&visitor(1), 10, 0));
        assert!(limits.admit_visitor(&visitor(2), 60, 0) && !limits.admit_visitor(&visitor(2), 1, 0));
        assert!(limits.admit_visitor(&visitor(1), 5, 5 * 60_000), "five minutes later");
    }

    #[test]
    fn a_flood_of_networks_does_not_refill_the_emptiest_bucket() {
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

//! Sites that set no cookie: a visitor is the /24 or /48 of an address together with an agent, for one day.
//!
//! The identity is a keyed hash of both, under its own key domain. It exists in memory only and cannot be computed again once
//! the day key is destroyed. Several people in one network with the same browser are one visitor, and one person in two
//! networks is two. So numbers are coarser than with a cookie. A second beacon confirms a visitor. Nobody can know whether
//! a day is a visitor's first of the week or month, so rows have the first-visit flag of the day only.
//!
//! Running visits are kept here, because there is no cookie to hold them. They are bounded, of the current day, and lost
//! with the process. A network that makes up agents fills its own bound and no other's. Beyond the bounds, or when beacons
//! reach different nodes, visitors stay unconfirmed.

use std::collections::HashMap;
use std::hash::{BuildHasher, RandomState};
use std::sync::{Arc, Mutex, PoisonError};

use jiff::civil::Date;

use super::cookie::{Identity, LocalTime, Visit};
use super::pseudonym::DayKey;
use super::pseudonymous::FirstVisitFlags;
use super::{SiteRules, network_prefix};
use crate::event::Sender;
use crate::secret::Personal;

/// Visitors of a day, over all sites: about 100 MiB.
const VISITORS_MAX: usize = 1_000_000;
/// Visitors of a site and day in one network: as many agents are in use in a large one.
const NETWORK_VISITORS_MAX: usize = 1_024;

/// Who sent a beacon, and the visit that was running.
pub struct Presented {
    id: Personal<[u8; 16]>,
    network: u64,
    running: Option<Visit>,
}

/// A visit to remember once the rows that belong to it are durable.
pub struct Seen {
    id: Personal<[u8; 16]>,
    network: u64,
    day: Date,
    visit: Visit,
}

/// The visitors of the current day, by site.
#[derive(Default)]
pub struct Visitors {
    /// Networks are hashed under a key that only this process has.
    hasher: RandomState,
    sites: Mutex<HashMap<Arc<str>, OfDay>>,
}

struct OfDay {
    day: Date,
    visitors: usize,
    networks: HashMap<u64, Vec<([u8; 16], Visit)>>,
}

impl Visitors {
    /// Who sends, as far as the day knows.
    pub fn present(&self, sender: &Sender, rules: &SiteRules, key: &DayKey, day: Date) -> Presented {
        let prefix = network_prefix(*sender.address.expose());
        let id = key.address_identity(&rules.site, &prefix, sender.user_agent.expose().as_bytes());
        let network = self.hasher.hash_one(&prefix);
        let sites = self.sites.lock().unwrap_or_else(PoisonError::into_inner);
        let of = sites.get(&rules.site).filter(|of| of.day == day);
        let visits = of.and_then(|of| of.networks.get(&network)).map_or(&[][..], Vec::as_slice);
        let running = visits.iter().find(|(known, _)| *known == id).map(|(_, visit)| *visit);
        Presented { id: Personal::new(id), network, running }
    }

    /// Remembers a visit. A beacon that was under way when its day ended changes nothing.
    pub fn remember(&self, site: &Arc<str>, seen: &Seen) {
        let mut sites = self.sites.lock().unwrap_or_else(PoisonError::into_inner);
        let is_full = sites.values().map(|of| of.visitors).sum::<usize>() >= VISITORS_MAX;
        let of = sites.entry(site.clone()).or_insert_with(|| OfDay::new(seen.day));
        if seen.day > of.day {
            *of = OfDay::new(seen.day);
        }
        if seen.day == of.day {
            of.remember(seen, is_full);
        }
    }
}

impl OfDay {
    fn new(day: Date) -> Self {
        Self { day, visitors: 0, networks: HashMap::new() }
    }

    /// In a network with too many visitors, the one that was silent longest is forgotten.
    fn remember(&mut self, seen: &Seen, is_full: bool) {
        let new = (*seen.id.expose(), seen.visit);
        let Some(visits) = self.networks.get_mut(&seen.network) else {
            if !is_full {
                self.networks.insert(seen.network, vec![new]);
                self.visitors += 1;
            }
            return;
        };
        let known = visits.iter().position(|(id, _)| *id == new.0);
        let silent = || (0..visits.len()).min_by_key(|at| visits[*at].1.last_minute);
        match known.or_else(|| silent().filter(|_| is_full || visits.len() >= NETWORK_VISITORS_MAX)) {
            Some(at) => visits[at] = new,
            None => {
                visits.push(new);
                self.visitors += 1;
            }
        }
    }
}

impl Seen {
    /// The visit's device says that a program drives the browser.
    pub fn mark_automated(&mut self) {
        self.visit.automated = true;
    }
}

/// What the visitor's day so far makes of a beacon that holds `views` views.
pub fn advance(presented: Presented, now: LocalTime, views: u8) -> (Identity, Seen) {
    let Presented { id, network, running } = presented;
    let visit = running.filter(|visit| !visit.is_idle(now.minute)).unwrap_or_else(|| Visit::begin(now.minute));
    let seen = Seen { id: Personal::new(*id.expose()), network, day: now.day, visit: visit.after(now.minute, views) };
    let identity = Identity {
        id,
        confirmed: running.is_some(),
        first_visit: FirstVisitFlags { new_day: true, ..FirstVisitFlags::default() },
        visit_number: "",
        absence: "",
        cohort: "",
        visit,
        earlier: running,
        // Nothing says which beacon was the second one: until the second view, each may be.
        newly_confirmed: running.is_some_and(|visit| visit.views <= 1),
    };
    (identity, seen)
}

#[cfg(test)]
mod tests {
    use jiff::civil::date;

    use super::*;
    use crate::secret::Secret;

    fn beacon(visitors: &Visitors, key: &DayKey, address: &str, now: LocalTime) -> Identity {
        beacon_of(visitors, key, address, "ua", now)
    }

    fn beacon_of(visitors: &Visitors, key: &DayKey, address: &str, agent: &str, now: LocalTime) -> Identity {
        let (rules, mut sender) = super::super::tests::site_and_sender(address);
        sender.user_agent = Personal::new(agent.to_owned());
        let presented = visitors.present(&sender, &rules, key, now.day);
        let (who, seen) = advance(presented, now, 1);
        visitors.remember(&rules.site, &seen);
        who
    }

    #[test]
    fn a_second_beacon_of_the_day_confirms_and_another_day_knows_nothing() {
        let (visitors, key) = (Visitors::default(), DayKey::new(Secret::new([1; 32])));
        let at = |minute| LocalTime { day: date(2026, 11, 22), minute };
        let first = beacon(&visitors, &key, "198.18.7.9", at(60));
        assert!(
            !first.confirmed && first.first_visit == FirstVisitFlags { new_day: true, ..FirstVisitFlags::default() }
        );
        let second = beacon(&visitors, &key, "198.18.7.200", at(70));
        assert!(second.confirmed && second.id.expose() == first.id.expose());
        assert_eq!((second.visit.start_minute, second.visit.views), (60, 1));
        assert_eq!(beacon(&visitors, &key, "198.18.7.9", at(101)).visit.start_minute, 101, "31 idle minutes");
        assert!(!beacon(&visitors, &key, "198.18.8.9", at(102)).confirmed, "another network");
        let (tomorrow, next) = (LocalTime { day: date(2026, 11, 23), minute: 1 }, DayKey::new(Secret::new([2; 32])));
        let later = beacon(&visitors, &next, "198.18.7.9", tomorrow);
        assert!(!later.confirmed && later.id.expose() != first.id.expose());
        assert!(!beacon(&visitors, &key, "198.18.7.9", at(1439)).confirmed, "yesterday is forgotten");
        assert!(beacon(&visitors, &next, "198.18.7.9", tomorrow).confirmed, "and did not disturb today");
    }

    #[test]
    fn a_network_with_made_up_agents_fills_its_own_bound_and_no_other() {
        let (visitors, key) = (Visitors::default(), DayKey::new(Secret::new([1; 32])));
        let at = |minute| LocalTime { day: date(2026, 11, 22), minute };
        beacon(&visitors, &key, "198.18.8.9", at(1));
        beacon(&visitors, &key, "198.18.7.9", at(1));
        for number in 0..3 * NETWORK_VISITORS_MAX {
            beacon_of(&visitors, &key, "198.18.7.9", &format!("made up {number}"), at(2));
        }
        let known: usize = visitors.sites.lock().unwrap().values().map(|of| of.visitors).sum();
        assert_eq!(known, NETWORK_VISITORS_MAX + 1);
        assert!(beacon(&visitors, &key, "198.18.8.9", at(3)).confirmed, "another network");
        assert!(!beacon(&visitors, &key, "198.18.7.9", at(3)).confirmed, "the one that was silent longest");
        assert!(beacon(&visitors, &key, "198.18.7.9", at(4)).confirmed, "and is remembered again");
    }
}

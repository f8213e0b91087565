//! The last module that knows who sent a beacon. Everything that leaves it may be kept.
//!
//! It takes an enriched beacon. It keeps what the site's policy lists, makes templates of paths and buckets of durations,
//! and replaces what identifies by keyed hashes. The results are [`pseudonymous`]: no other module can make one. This module
//! logs no value that it holds.

mod apart;
pub mod cookie;
pub mod daily_address;
mod device;
pub mod erasure;
pub mod keys;
pub mod pairs;
pub mod pseudonym;
pub mod pseudonymous;
pub mod scrub;
pub mod seal;
mod site;

use std::net::IpAddr;

use crate::event::{Automation, BY_DEVICE, EnrichedBeacon, EnrichedEvent, Entry, Sender};
use cookie::Identity;
use pseudonym::{DayKey, Networks, Purpose};
use pseudonymous::{
    Event, EventKind, Failure, Pseudonym, Pseudonymous, PseudonymousBeacon, PseudonymousEvent, RowSubject,
};
use scrub::Budget;
pub use site::{DayClock, SiteRules, SiteTime};

/// Returns what may be kept of a beacon.
pub fn pseudonymise(
    beacon: EnrichedBeacon,
    sender: &Sender,
    rules: &SiteRules,
    key: &DayKey,
    time: SiteTime,
    who: &Identity,
) -> PseudonymousBeacon {
    let EnrichedBeacon { view, seq: _, events, place, client, automation, device } = beacon;
    let items = rules.items;
    let suspect = match automation {
        Automation::Suspect(reason) if items.automation => reason,
        _ if who.visit.automated && items.automation => BY_DEVICE,
        _ => "",
    };
    let rows = Rows {
        pseudonyms: Pseudonyms::new(key, who, view.expose(), &network_prefix(*sender.address.expose())),
        browser: if items.browser { (client.browser, client.browser_major) } else { ("", 0) },
        system: if items.os_version { client.os_version } else { "" },
        is_new_window: false,
        rules,
        key,
        time,
        who,
        suspect,
    };
    let rows = Rows { is_new_window: !rows.is_heard_in(rules.schedule.minutes_of_day()), ..rows };
    let mut kept = PseudonymousBeacon::default();
    kept.events.reserve_exact(events.len());
    let (mut step, mut budget, mut searches) = (who.visit.views, Budget::default(), Vec::new());
    for event in events {
        rows.keep_event(event, &mut step, &mut budget, &mut searches, &mut kept);
    }
    kept.scrubbed_bytes = budget.spent();
    kept.accepted = (kept.events.len() + kept.failures.len() + searches.len()) as u32;
    if kept.events.is_empty() && !searches.is_empty() {
        kept.events.push(rows.event(EventKind::Search, step));
    }
    if rules.counts_visitors && !kept.events.is_empty() && suspect.is_empty() {
        let views = kept.events.iter().filter(|event| matches!(event.kind, EventKind::View { .. })).count();
        pairs::keep(&rows, views, &place, client, &mut kept);
        apart::keep(&rows, views, place, client, searches, &mut kept);
    }
    if let Some(device) = device {
        let subject = |purpose: &Purpose<'_>, entry: &str| rows.subject(purpose, entry);
        kept.accepted += u32::from(device::keep(device, items, key, !suspect.is_empty(), subject, &mut kept));
        // The flag needs a row, and there is no other event that could carry it.
        if automation == Automation::Suspect(suspect) && suspect == BY_DEVICE && kept.events.is_empty() {
            kept.events.push(rows.event(EventKind::Device, step));
        }
    }
    kept
}

/// The pseudonyms that all events of a beacon share.
struct Pseudonyms {
    visitor: Pseudonym,
    visit: Pseudonym,
    view: Pseudonym,
    networks: Networks,
}

impl Pseudonyms {
    fn new(key: &DayKey, who: &Identity, view: &[u8; 16], prefix: &[u8]) -> Self {
        let id = who.id.expose();
        Self {
            visitor: key.visitor(id),
            visit: key.visit(id, who.visit.start_minute),
            view: key.view(view),
            networks: key.networks(prefix),
        }
    }
}

/// Makes the rows of one beacon.
struct Rows<'a> {
    rules: &'a SiteRules,
    key: &'a DayKey,
    time: SiteTime,
    who: &'a Identity,
    pseudonyms: Pseudonyms,
    /// Browser family and major version, if the policy lists them.
    browser: (&'static str, u16),
    /// The system with its version, likewise.
    system: &'static str,
    /// The visitor was not heard of in this window before.
    is_new_window: bool,
    suspect: &'static str,
}

impl Rows<'_> {
    /// Whose row it is, under the key domain of the row's purpose.
    fn subject(&self, purpose: &Purpose<'_>, entry: &str) -> RowSubject {
        RowSubject {
            site: self.rules.site.clone(),
            day: self.time.local.day,
            window_end: self.time.window_end,
            visitor: purpose.visitor(entry, self.who.id.expose()),
            network: purpose.network(entry, &self.pseudonyms.networks),
            confirmed: self.who.confirmed,
            new_week: self.who.first_visit.new_week,
            new_month: self.who.first_visit.new_month,
        }
    }

    #[inline]
    fn event(&self, kind: EventKind, step: u8) -> PseudonymousEvent {
        let (items, who, of) = (self.rules.items, self.who, &self.pseudonyms);
        let minutes = self.time.local.minute.saturating_sub(who.visit.start_minute);
        Pseudonymous::new(Event {
            site: self.rules.site.clone(),
            day: self.time.local.day,
            window_end: self.time.window_end,
            visitor: of.visitor,
            visit: of.visit,
            view: of.view,
            confirmed: who.confirmed,
            network: of.networks.of_events(),
            first_visit: who.first_visit,
            new_window: self.is_new_window && step == 1 && matches!(kind, EventKind::View { .. }),
            visit_number: who.visit_number,
            kind,
            step: step.max(1),
            duration_s: if items.duration { duration_bucket_s(u32::from(minutes) * 60) } else { 0 },
            suspect: self.suspect,
            absence: if items.identifier { who.absence } else { "" },
            cohort: if items.identifier { who.cohort } else { "" },
        })
    }

    /// Keeps what the policy lists of one event. `step` is the number of views in the visit so far.
    fn keep_event(
        &self,
        event: EnrichedEvent,
        step: &mut u8,
        budget: &mut Budget,
        searches: &mut Vec<String>,
        kept: &mut PseudonymousBeacon,
    ) {
        let (items, rules) = (self.rules.items, self.rules);
        let kind = match event {
            EnrichedEvent::View { path, previous_path, entry } => {
                *step = step.saturating_add(1).min(30);
                let previous = previous_path.filter(|_| items.movement);
                Some(EventKind::View {
                    path: budget.path(&rules.paths, path.expose()),
                    previous_path: previous.map_or_else(String::new, |path| budget.path(&rules.paths, path.expose())),
                    entry: (items.entry && *step == 1).then(|| entry_of_visit(entry)),
                })
            }
            EnrichedEvent::Engage { engaged_ms } => {
                items.duration.then(|| EventKind::Engage { engaged_s: duration_bucket_s(engaged_ms / 1000) })
            }
            EnrichedEvent::Exit { domain } => items.exit.then(|| EventKind::Exit { domain: scrub::domain(domain) }),
            EnrichedEvent::Named { name, variant } => items.events.then_some(EventKind::Named { name, variant }),
            EnrichedEvent::Search { query } if items.search => {
                let term = budget.search_term(query.expose());
                kept.empty_after_scrub += u32::from(term.is_none());
                searches.extend(term);
                None
            }
            EnrichedEvent::Error { message } if items.errors => {
                self.keep_failure(message.expose(), budget, kept);
                None
            }
            EnrichedEvent::Search { .. } | EnrichedEvent::Error { .. } => None,
        };
        if let Some(kind) = kind {
            kept.events.push(self.event(kind, *step));
        }
    }

    /// Keeps a failed script. A suspect's failure is not kept, since the row has no column for the flag.
    fn keep_failure(&self, message: &str, budget: &mut Budget, kept: &mut PseudonymousBeacon) {
        if !self.suspect.is_empty() {
            kept.from_suspects += 1;
            return;
        }
        let template = budget.error_template(message);
        if template.is_empty() {
            kept.empty_after_scrub += 1;
            return;
        }
        let subject = self.key.purpose("errors", |purpose| self.subject(purpose, ""));
        let (browser, major) = self.browser;
        let major = if major == 0 { String::new() } else { major.to_string() };
        kept.failures.push(Pseudonymous::new(Failure { subject, template, browser, major, os: self.system }));
    }
}

/// A visit that begins with a view from the site's own pages (its cookie was new, or it was idle) came from nowhere else.
fn entry_of_visit(entry: Entry) -> Entry {
    match entry.channel {
        "internal" => Entry { channel: "direct", ..Entry::default() },
        _ => Entry { source: scrub::domain(entry.source), ..entry },
    }
}

/// Lower bounds, in seconds, of the buckets that durations are kept in.
pub const DURATION_BUCKETS_S: [u16; 9] = [0, 5, 10, 30, 60, 180, 600, 1800, 3600];

/// The lower bound of the bucket of a duration.
fn duration_bucket_s(seconds: u32) -> u16 {
    let at = DURATION_BUCKETS_S.partition_point(|bound| u32::from(*bound) <= seconds);
    DURATION_BUCKETS_S[at.saturating_sub(1)]
}

/// The /24 or /48 of an address: what one household or office shares, as far as the internet knows.
pub(crate) fn network_prefix(address: IpAddr) -> Vec<u8> {
    match address.to_canonical() {
        IpAddr::V4(address) => address.octets()[..3].to_vec(),
        IpAddr::V6(address) => address.octets()[..6].to_vec(),
    }
}

#[cfg(test)]
mod tests {
    use super::cookie::{Browser, advance};
    use super::scrub::PathRules;
    use super::*;
    use crate::event::{Client, Place};
    use crate::items::Items;
    use crate::secret::{Personal, Secret};
    use crate::window::Schedule;

    /// A site and somebody at an address, for the other tests of this module.
    pub(super) fn site_and_sender(address: &str) -> (SiteRules, Sender) {
        (rules("jetpay"), sender(address))
    }

    pub(super) fn rules(profile: &str) -> SiteRules {
        SiteRules {
            site: "jetpay.kz".into(),
            schedule: Schedule::new("Asia/Almaty", 24 * 60).expect("bundled"),
            items: Items::of(Some(profile), None).expect("known"),
            policy_version: String::new(),
            counts_visitors: true,
            pairs: Vec::new(),
            paths: PathRules::new(&["/pay/:order".to_owned()]),
        }
    }

    fn sender(address: &str) -> Sender {
        let text = |text: &str| Personal::new(text.to_owned());
        Sender {
            arrived_at: "2026-11-22T10:20:30Z".parse().expect("a time"),
            address: Personal::new(address.parse().expect("an address")),
            user_agent: text("ua"),
            brands: text(""),
            platform: text(""),
            mobile: false,
            has_language: true,
            has_fetch_metadata: true,
        }
    }

    fn run(profile: &str, address: &str) -> PseudonymousBeacon {
        let (rules, sender, key) = (rules(profile), sender(address), DayKey::new(Secret::new([4; 32])));
        let time = rules.time(sender.arrived_at);
        let (who, _) = advance(Browser::new([8; 16]), time.local, 1);
        let view = EnrichedEvent::View {
            path: Personal::new("/pay/12345".to_owned()),
            previous_path: Some(Personal::new("/aigerim".to_owned())),
            entry: Entry { channel: "internal", ..Entry::default() },
        };
        let beacon = EnrichedBeacon {
            view: Personal::new([8; 16]),
            seq: 0,
            events: vec![view, EnrichedEvent::Engage { engaged_ms: 61_000 }],
            place: Place { country: "KZ".into(), region: "Almaty".into(), provider: "Kcell".into() },
            client: Client::PHONE,
            automation: Automation::None,
            device: None,
        };
        pseudonymise(beacon, &sender, &rules, &key, time, &who)
    }

    #[test]
    fn a_view_keeps_templates_and_buckets() {
        let kept = run("jetpay", "198.18.7.9");
        let view = &kept.events[0];
        let EventKind::View { path, previous_path, entry } = &view.kind else { panic!("a view") };
        assert_eq!((path.as_str(), previous_path.as_str()), ("/pay/:order", "/:x"));
        assert_eq!(entry.as_ref().map(|entry| entry.channel), Some("direct"));
        assert!(matches!(kept.events[1].kind, EventKind::Engage { engaged_s: 60 }));
        assert_eq!((view.step, kept.events[1].step), (1, 1));
        assert!(kept.attributes[0].subject.visitor != view.visitor);
    }

    #[test]
    fn what_the_policy_does_not_list_is_not_kept() {
        let kept = run("nomapay", "198.18.7.9");
        assert_eq!(kept.events.len(), 1, "no engaged time");
        let view = &kept.events[0];
        assert!(matches!(&view.kind, EventKind::View { previous_path, entry: None, .. } if previous_path.is_empty()));
        let kept: Vec<_> = kept.attributes.iter().map(|row| (row.attribute, &*row.value, &*row.detail)).collect();
        assert_eq!(kept, [("client", "Chrome", "150"), ("device", "phone", "Android 14"), ("hour", "15", "")]);
    }

    #[test]
    fn one_network_has_one_byte() {
        let byte = |address: &str| run("jetpay", address).events[0].network;
        assert_eq!(byte("198.18.7.9"), byte("198.18.7.200"));
        assert_eq!(byte("198.18.7.9"), byte("::ffff:198.18.7.1"));
        let others: std::collections::HashSet<_> = (0..64).map(|n| byte(&format!("198.18.{n}.1"))).collect();
        assert!(others.len() > 40);
        assert_eq!(byte("2001:db8:7::1"), byte("2001:db8:7:ffff::2"));
    }

    #[test]
    fn durations_fall_into_buckets() {
        for (seconds, bucket) in [(0, 0), (4, 0), (5, 5), (59, 30), (60, 60), (100_000, 3600)] {
            assert_eq!(duration_bucket_s(seconds), bucket);
        }
    }
}

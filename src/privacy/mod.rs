//! The last place that sees who. What leaves it may be kept.
//!
//! Only this room builds a [`PseudonymousEvent`]: from an enriched beacon it takes what the site's policy lists, makes
//! templates of paths and buckets of durations, and puts keyed hashes in the place of what identifies. It logs no value that
//! it holds.

pub mod cookie;
pub mod daily_address;
mod device;
pub mod keys;
pub mod pseudonym;
pub mod scrub;

use std::net::IpAddr;
use std::sync::Arc;

use jiff::tz::TimeZone;
use jiff::{RoundMode, Timestamp, Unit, ZonedRound};

use crate::event::{
    Attribute, Automation, BY_DEVICE, Bearer, Client, EnrichedBeacon, EnrichedEvent, Entry, Failure, Kind,
    PseudonymousBeacon, PseudonymousEvent, Sender,
};
use crate::items::Items;
use cookie::{Identity, LocalTime};
use pseudonym::{DayKey, Purpose};
use scrub::PathRules;

/// What this room must know of a site.
pub struct SiteRules {
    /// Its domain as configured.
    pub site: Arc<str>,
    /// Its zone.
    pub zone: TimeZone,
    /// What its policy lists.
    pub items: Items,
    /// The version of the policy that consent is given to; empty when the operator does not say.
    pub policy_version: String,
    /// How its paths become templates.
    pub paths: PathRules,
}

/// A moment in the site's own time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SiteTime {
    /// Day and minute.
    pub local: LocalTime,
    /// The start of the site-local hour, in seconds since 1970.
    pub hour: i64,
}

impl SiteRules {
    /// A moment in the site's own time.
    pub fn time(&self, at: Timestamp) -> SiteTime {
        let offset = self.zone.to_offset(at);
        let local = offset.to_datetime(at);
        let past_hour = i64::from(local.minute()) * 60 + i64::from(local.second());
        let floor = Timestamp::from_second(at.as_second() - past_hour).unwrap_or(at);
        // Only where the zone's offset changes within this very hour is its start more than a subtraction.
        let hour = if self.zone.to_offset(floor) == offset {
            floor.as_second()
        } else {
            let round = ZonedRound::new().smallest(Unit::Hour).mode(RoundMode::Trunc);
            at.to_zoned(self.zone.clone()).round(round).map_or(at.as_second(), |hour| hour.timestamp().as_second())
        };
        let minute = i16::from(local.hour()) * 60 + i16::from(local.minute());
        SiteTime { local: LocalTime { day: local.date(), minute: minute.unsigned_abs() }, hour }
    }
}

/// What may be kept of a beacon.
pub fn pseudonymise(
    beacon: EnrichedBeacon,
    sender: &Sender,
    rules: &SiteRules,
    key: &DayKey,
    time: SiteTime,
    who: &Identity,
) -> PseudonymousBeacon {
    let items = rules.items;
    let id = who.id.expose();
    let prefix = network_prefix(*sender.address.expose());
    let word = |listed: bool, word: &'static str| if listed { word } else { "" };
    let name = |listed: bool, name: &Arc<str>| if listed { name.clone() } else { Arc::default() };
    let client = Client {
        browser: word(items.browser, beacon.client.browser),
        browser_major: if items.browser { beacon.client.browser_major } else { 0 },
        os: word(items.os, beacon.client.os),
        device: word(items.browser, beacon.client.device),
    };
    let suspect = match beacon.automation {
        Automation::Suspect(reason) if items.automation => reason,
        _ if who.visit.driven && items.automation => BY_DEVICE,
        _ => "",
    };
    let of = |purpose: &Purpose<'_>, entry: &str| {
        let (visitor, network) = purpose.bearer(entry, id, &prefix);
        let (site, day, hour) = (rules.site.clone(), time.local.day, time.hour);
        Bearer { site, day, hour, visitor, network, confirmed: who.confirmed, new_week: who.marks.new_week }
    };
    let minutes = time.local.minute.saturating_sub(who.visit.start_minute);
    // The same for all events of the beacon.
    let (visitor, visit) = (key.visitor(id), key.visit(id, who.visit.start_minute));
    let (view, network) = (key.view(beacon.view.expose()), key.network(&prefix));
    let row = |kind, step: u8| PseudonymousEvent {
        site: rules.site.clone(),
        day: time.local.day,
        hour: time.hour,
        visitor,
        visit,
        view,
        confirmed: who.confirmed,
        network,
        marks: who.marks,
        visit_number: who.visit_number,
        kind,
        step: step.max(1),
        duration_s: if items.duration { duration_bucket_s(u32::from(minutes) * 60) } else { 0 },
        country: name(items.country, &beacon.place.country),
        region: name(items.region, &beacon.place.region),
        client,
        suspect,
        absence: if items.identifier { who.absence } else { "" },
        cohort: if items.identifier { who.cohort } else { "" },
    };
    let mut step = who.visit.views;
    let mut kept = PseudonymousBeacon::default();
    kept.events.reserve_exact(beacon.events.len());
    for event in beacon.events {
        let kind = match event {
            EnrichedEvent::View { path, previous_path, entry } => {
                step = step.saturating_add(1).min(30);
                let begins = step == 1;
                let previous = previous_path.filter(|_| items.movement);
                Kind::View {
                    path: rules.paths.template(path.expose()),
                    previous_path: previous.map_or_else(String::new, |path| rules.paths.template(path.expose())),
                    entry: (items.entry && begins).then(|| entry_of_visit(entry)),
                }
            }
            EnrichedEvent::Engage { .. } if !items.duration => continue,
            EnrichedEvent::Engage { engaged_ms } => Kind::Engage { engaged_s: duration_bucket_s(engaged_ms / 1000) },
            EnrichedEvent::Exit { .. } if !items.exit => continue,
            EnrichedEvent::Exit { domain } => Kind::Exit { domain: scrub::domain(domain) },
            EnrichedEvent::Named { .. } if !items.events => continue,
            EnrichedEvent::Named { name, variant } => Kind::Named { name, variant },
            EnrichedEvent::Search { .. } if !items.search => continue,
            EnrichedEvent::Search { query } => match scrub::search_term(query.expose()) {
                Some(term) => Kind::Search { term },
                None => {
                    kept.says_nothing += 1;
                    continue;
                }
            },
            EnrichedEvent::Error { .. } if !items.errors => continue,
            EnrichedEvent::Error { .. } if !suspect.is_empty() => {
                kept.of_suspects += 1;
                continue;
            }
            EnrichedEvent::Error { message } => {
                let template = scrub::error_template(message.expose());
                if template.is_empty() {
                    kept.says_nothing += 1;
                    continue;
                }
                let of = key.purpose("errors", |purpose| of(purpose, ""));
                kept.failures.push(Failure { of, template, browser: client.browser });
                continue;
            }
        };
        kept.events.push(row(kind, step));
    }
    kept.accepted = (kept.events.len() + kept.failures.len()) as u32;
    let holds_view = kept.events.iter().any(|event| matches!(event.kind, Kind::View { .. }));
    if items.provider && holds_view && suspect.is_empty() && !beacon.place.provider.is_empty() {
        let of = key.purpose("attribute provider", |purpose| of(purpose, ""));
        let value = beacon.place.provider.clone();
        kept.attributes.push(Attribute { of, attribute: "provider", entry: None, value });
    }
    if let Some(device) = beacon.device {
        kept.accepted += u32::from(device::keep(device, items, key, !suspect.is_empty(), of, &mut kept));
        if beacon.automation == Automation::Suspect(suspect) && suspect == BY_DEVICE && kept.events.is_empty() {
            kept.events.push(row(Kind::Device, step));
        }
    }
    kept
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
    use jiff::civil::date;

    use super::cookie::advance;
    use super::*;
    use crate::event::Place;
    use crate::secret::{Personal, Secret};

    /// A site and somebody at an address, for the other tests of this room.
    pub(super) fn site_and_sender(address: &str) -> (SiteRules, Sender) {
        (rules("jetpay"), sender(address))
    }

    fn rules(profile: &str) -> SiteRules {
        SiteRules {
            site: "jetpay.kz".into(),
            zone: TimeZone::get("Asia/Almaty").expect("bundled"),
            items: Items::of(Some(profile), None).expect("known"),
            policy_version: String::new(),
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
        let (who, _) = advance(None, &rules.site, &key, time.local, &[8; 16], 1);
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
            client: Client { browser: "Chrome", browser_major: 150, os: "Android", device: "phone" },
            automation: Automation::None,
            device: None,
        };
        pseudonymise(beacon, &sender, &rules, &key, time, &who)
    }

    proptest::proptest! {
        #[test]
        fn an_hour_begins_where_the_calendar_says(second in 1_700_000_000..1_900_000_000_i64, zone in 0..5_usize, near in -7200..7200_i64) {
            let names = ["Asia/Almaty", "Asia/Kathmandu", "Australia/Lord_Howe", "America/New_York", "Africa/Casablanca"];
            let zone = TimeZone::get(names[zone]).expect("a zone");
            let at = Timestamp::from_second(second).expect("in range");
            // Near a change of the zone's offset, where there is one.
            let change = zone.following(at).next().map_or(second, |change| change.timestamp().as_second());
            for at in [second, change + near] {
                let at = Timestamp::from_second(at).expect("in range");
                let zoned = at.to_zoned(zone.clone());
                let round = ZonedRound::new().smallest(Unit::Hour).mode(RoundMode::Trunc);
                let time = SiteRules { zone: zone.clone(), ..rules("jetpay") }.time(at);
                proptest::prop_assert_eq!(time.hour, zoned.round(round).expect("in range").timestamp().as_second());
                proptest::prop_assert_eq!(time.local.day, zoned.date());
                proptest::prop_assert_eq!(time.local.minute, zoned.hour() as u16 * 60 + zoned.minute() as u16);
            }
        }
    }

    #[test]
    fn the_site_s_day_and_hour_are_its_own() {
        let time = rules("jetpay").time("2026-11-22T19:59:59Z".parse().expect("a time"));
        assert_eq!(time.local, LocalTime { day: date(2026, 11, 23), minute: 59 });
        assert_eq!(Timestamp::from_second(time.hour).expect("in range").to_string(), "2026-11-22T19:00:00Z");
    }

    #[test]
    fn a_view_keeps_templates_and_buckets() {
        let kept = run("jetpay", "198.18.7.9");
        let view = &kept.events[0];
        let Kind::View { path, previous_path, entry } = &view.kind else { panic!("a view") };
        assert_eq!((path.as_str(), previous_path.as_str()), ("/pay/:order", "/:x"));
        assert_eq!(entry.as_ref().map(|entry| entry.channel), Some("direct"));
        assert!(matches!(kept.events[1].kind, Kind::Engage { engaged_s: 60 }));
        assert_eq!((view.step, kept.events[1].step), (1, 1));
        assert!(kept.attributes[0].of.visitor != view.visitor);
    }

    #[test]
    fn what_the_policy_does_not_list_is_not_kept() {
        let kept = run("nomapay", "198.18.7.9");
        assert_eq!(kept.events.len(), 1, "no engaged time");
        let view = &kept.events[0];
        assert_eq!((&*view.country, &*view.region), ("", ""));
        assert_eq!(view.client.browser, "Chrome");
        assert!(matches!(&view.kind, Kind::View { previous_path, entry: None, .. } if previous_path.is_empty()));
        assert!(kept.attributes.is_empty());
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

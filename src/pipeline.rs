//! The journey of one beacon: from what a browser sent to what may be kept.
//!
//! Pure: no I/O, no clock, no await; the caller brings the time, the key and the lookups. So it can be tested by example,
//! by property and by fuzzing, and a reader can hold it on one screen. After [`privacy::pseudonymise`] nothing in this
//! program can say who sent the beacon.

use crate::decode::{self, beacon::Addressed};
use crate::enrich::{self, Enriched, Lookups, SiteEnrich};
use crate::event::{Automation, EnrichedEvent, PseudonymousBeacon, ReceivedBeacon, ReceivedEvent, Sender, Tally};
use crate::outcome::DropReason;
use crate::privacy::cookie::{self, Cookie};
use crate::privacy::pseudonym::DayKey;
use crate::privacy::{self, SiteRules, SiteTime};

/// What the journey must know of a site.
pub struct SiteStages {
    /// Its hosts, campaigns and events.
    pub enrich: SiteEnrich,
    /// Its day, policy and paths.
    pub rules: SiteRules,
}

/// What became of a beacon.
#[derive(Default)]
pub struct Processed {
    /// What may be kept.
    pub kept: PseudonymousBeacon,
    /// The cookie to set; none after an objection or a declared bot.
    pub cookie: Option<Cookie>,
    /// Events kept.
    pub accepted: u32,
    /// Events not kept, by reason.
    pub dropped: Vec<(DropReason, u32)>,
    /// The visitor objected in this beacon.
    pub objected: bool,
}

/// The whole journey.
pub fn process(
    addressed: Addressed,
    sender: &Sender,
    presented: Option<Cookie>,
    site: &SiteStages,
    key: &DayKey,
    lookups: &Lookups,
) -> Processed {
    if let Some(objection) = objection(&addressed) {
        return objection;
    }
    let mut out = Processed::default();
    let Enriched { beacon: enriched, ended } = enrich::beacon(addressed.beacon, sender, lookups, &site.enrich);
    out.drop(DropReason::UnknownEvent, ended.unknown_event);
    out.drop(DropReason::ForeignPage, ended.foreign_page);
    out.drop(DropReason::InternalExit, ended.internal_exit);
    let time = site.rules.time(sender.arrived_at);
    if let Automation::Declared(class) = enriched.automation {
        let count = enriched.events.len() as u32;
        out.drop(DropReason::DeclaredBot, count);
        out.tally(&site.rules, time, format!("bot:{class}"), count);
        return out;
    }
    let views = enriched.events.iter().filter(|event| matches!(event, EnrichedEvent::View { .. })).count();
    let views = u8::try_from(views).unwrap_or(u8::MAX);
    let (who, next) = cookie::advance(presented, &site.rules.site, key, time.local, enriched.view.expose(), views);
    let all = enriched.events.len() as u32;
    out.kept = privacy::pseudonymise(enriched, sender, &site.rules, key, time, &who);
    out.accepted = out.kept.events.len() as u32;
    out.drop(DropReason::NotInPolicy, all - out.accepted);
    out.cookie = Some(next);
    out
}

/// A beacon in which the visitor objects ends here, whatever else is known of it: a request not to be measured says less,
/// and the same beacon once more is an objection once more. `None` for every other beacon.
pub fn objection(addressed: &Addressed) -> Option<Processed> {
    let received = &addressed.beacon;
    received.events.iter().any(|event| matches!(event, ReceivedEvent::Object)).then(|| {
        let mut out = Processed { objected: true, ..Processed::default() };
        out.drop(DropReason::Objection, received.events.len() as u32);
        out.drop(DropReason::UnknownEvent, received.unknown_events);
        out
    })
}

/// The journey of a beacon whose browser asks not to be measured: one count per view, and nothing else of it.
pub fn count_only(addressed: &Addressed, site: &SiteRules, time: SiteTime) -> Processed {
    let mut out = Processed::all_dropped(addressed, DropReason::CountOnly);
    if site.items.count_only {
        out.tally(site, time, "count_only".to_owned(), views(&addressed.beacon));
    }
    out
}

/// A beacon that was seen before: nothing is kept, and a person's browser gets its cookie again, in case the first answer
/// was lost.
pub fn repeat(
    addressed: &Addressed,
    sender: &Sender,
    presented: Option<Cookie>,
    site: &SiteRules,
    key: &DayKey,
    lookups: &Lookups,
) -> Processed {
    let mut out = Processed::all_dropped(addressed, DropReason::Duplicate);
    if matches!(lookups.clients.classify(sender).1, Automation::Declared(_)) {
        return out;
    }
    let time = site.time(sender.arrived_at);
    // With a cookie the first answer got through; without one it may not have.
    let views = if presented.is_some() { 0 } else { views(&addressed.beacon).min(u8::MAX.into()) as u8 };
    let view = addressed.beacon.view.expose();
    out.cookie = Some(cookie::advance(presented, &site.site, key, time.local, view, views).1);
    out
}

fn views(beacon: &ReceivedBeacon) -> u32 {
    beacon.events.iter().filter(|event| matches!(event, ReceivedEvent::View { .. })).count() as u32
}

// === impl Processed ===

impl Processed {
    /// Nothing is kept, for one reason.
    pub fn all_dropped(addressed: &Addressed, reason: DropReason) -> Self {
        let mut out = Self::default();
        out.drop(reason, decode::events(addressed));
        out
    }

    fn drop(&mut self, reason: DropReason, count: u32) {
        if count > 0 {
            self.dropped.push((reason, count));
        }
    }

    fn tally(&mut self, rules: &SiteRules, time: SiteTime, reason: String, count: u32) {
        if count > 0 {
            let (site, day, hour) = (rules.site.clone(), time.local.day, time.hour);
            self.kept.tallies.push(Tally { site, day, hour, reason, count });
        }
    }
}

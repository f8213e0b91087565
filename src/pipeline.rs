//! The journey of one beacon: from what a browser sent to what may be kept.
//!
//! Pure: no I/O, no clock, no await; the caller brings the time, the key and the lookups. So it can be tested by example,
//! by property and by fuzzing, and a reader can hold it on one screen. After [`privacy::pseudonymise`] nothing in this
//! program can say who sent the beacon.

use crate::decode::{self, beacon::Addressed};
use crate::enrich::{self, Enriched, Lookups, SiteEnrich};
use crate::event::{
    Automation, BY_DEVICE, EnrichedEvent, PseudonymousBeacon, ReceivedBeacon, ReceivedEvent, Sender, Tally,
};
use crate::outcome::DropReason;
use crate::privacy::cookie::{self, Cookie};
use crate::privacy::daily_address::{self, Seen};
use crate::privacy::pseudonym::DayKey;
use crate::privacy::{self, SiteRules, SiteTime};

/// What the journey must know of a site.
pub struct SiteStages {
    /// Its hosts, campaigns and events.
    pub enrich: SiteEnrich,
    /// Its day, policy and paths.
    pub rules: SiteRules,
    /// The signs of automation that drop.
    pub drop_suspects: Vec<String>,
}

/// What a browser shows of who it is.
pub enum Presented {
    /// The site's cookie, if it came back.
    Cookie(Option<Cookie>),
    /// On a site without a cookie: its network and agent.
    Address(daily_address::Presented),
    /// Nothing, by the site's choice or because a picture was asked for: its rows bear a pseudonym of the view alone.
    Nothing,
}

/// What became of a beacon.
#[derive(Default)]
pub struct Processed {
    /// What may be kept.
    pub kept: PseudonymousBeacon,
    /// The cookie to set; none after an objection or a declared bot.
    pub cookie: Option<Cookie>,
    /// On a site without a cookie, what to remember of the visitor.
    pub seen: Option<Seen>,
    /// The visitor refused consent in this beacon: the cookie is to be taken back.
    pub refused: bool,
    /// Events kept.
    pub accepted: u32,
    /// Events not kept, by reason.
    pub dropped: Vec<(DropReason, u32)>,
    /// The sign of automation that its sender shows, and how many events came with it.
    pub suspected: Option<(&'static str, u32)>,
    /// The visitor objected in this beacon.
    pub objected: bool,
    /// A visit of somebody who can be told from others begins: its device may be asked.
    pub begins_visit: bool,
}

/// The whole journey.
pub fn process(
    addressed: Addressed,
    sender: &Sender,
    presented: Presented,
    site: &SiteStages,
    key: &DayKey,
    lookups: &Lookups,
) -> Processed {
    if let Some(objection) = objection(&addressed) {
        return objection;
    }
    let mut out = Processed::default();
    let mut addressed = addressed;
    let time = site.rules.time(sender.arrived_at);
    if let Some(granted) = out.consent(&mut addressed.beacon, &site.rules, time)
        && !granted
    {
        out.refused = true;
        out.drop(DropReason::NoConsent, decode::events(&addressed));
        return out;
    }
    let Enriched { beacon: enriched, ended } = enrich::beacon(addressed.beacon, sender, lookups, &site.enrich);
    out.drop(DropReason::UnknownEvent, ended.unknown_event);
    out.drop(DropReason::ForeignPage, ended.foreign_page);
    out.drop(DropReason::InternalExit, ended.internal_exit);
    let (count, device) = (enriched.events.len() as u32, u32::from(enriched.device.is_some()));
    if let Automation::Suspect(sign) = enriched.automation {
        out.suspected = Some((sign, count + device));
    }
    if let Some((reason, class)) = site.bot(enriched.automation) {
        out.drop(reason, count + device);
        out.tally(&site.rules, time, class, count);
        return out;
    }
    let views = enriched.events.iter().filter(|event| matches!(event, EnrichedEvent::View { .. })).count();
    let views = u8::try_from(views).unwrap_or(u8::MAX);
    let view = enriched.view.expose();
    let told = !matches!(presented, Presented::Nothing);
    let who = match presented {
        Presented::Cookie(cookie) => {
            let (who, next) = cookie::advance(cookie, &site.rules.site, key, time.local, view, views);
            out.cookie = Some(next);
            who
        }
        Presented::Address(presented) => {
            let (who, seen) = daily_address::advance(presented, time.local, views);
            out.seen = Some(seen);
            who
        }
        Presented::Nothing => cookie::advance(None, &site.rules.site, key, time.local, view, views).0,
    };
    out.begins_visit = told && views > 0 && who.visit.views == 0 && device == 0;
    if enriched.automation == Automation::Suspect(BY_DEVICE) {
        out.cookie.iter_mut().for_each(Cookie::mark_driven);
        out.seen.iter_mut().for_each(Seen::mark_driven);
    }
    let told = std::mem::take(&mut out.kept.tallies);
    out.kept = privacy::pseudonymise(enriched, sender, &site.rules, key, time, &who);
    out.kept.tallies.extend(told);
    let PseudonymousBeacon { accepted, says_nothing, of_suspects, .. } = out.kept;
    out.accepted += accepted;
    out.drop(DropReason::EmptyAfterScrub, says_nothing);
    out.drop(DropReason::Suspect, of_suspects);
    out.drop(DropReason::NotInPolicy, count + device - accepted - says_nothing - of_suspects);
    out
}

/// A beacon in which the visitor objects ends here, whatever else is known of it: a request not to be measured says less,
/// and the same beacon once more is an objection once more. `None` for every other beacon.
pub fn objection(addressed: &Addressed) -> Option<Processed> {
    let received = &addressed.beacon;
    received.events.iter().any(|event| matches!(event, ReceivedEvent::Object)).then(|| {
        let mut out = Processed { objected: true, ..Processed::default() };
        out.drop(DropReason::Objection, received.events.len() as u32 + u32::from(received.device.is_some()));
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
    presented: Presented,
    site: &SiteStages,
    key: &DayKey,
    lookups: &Lookups,
) -> Processed {
    let mut out = Processed::all_dropped(addressed, DropReason::Duplicate);
    if site.bot(lookups.clients.classify(sender).1).is_some() {
        return out;
    }
    let site = &site.rules;
    if addressed.beacon.events.iter().any(|event| matches!(event, ReceivedEvent::Consent { granted: false })) {
        out.refused = true;
        return out;
    }
    let Presented::Cookie(presented) = presented else { return out };
    let time = site.time(sender.arrived_at);
    // With a cookie the first answer got through; without one it may not have.
    let sent = views(&addressed.beacon).min(u8::MAX.into()) as u8;
    let views = if presented.is_some() { 0 } else { sent };
    let view = addressed.beacon.view.expose();
    let (who, cookie) = cookie::advance(presented, &site.site, key, time.local, view, views);
    out.begins_visit = sent > 0 && who.visit.views == 0;
    out.cookie = Some(cookie);
    out
}

fn views(beacon: &ReceivedBeacon) -> u32 {
    beacon.events.iter().filter(|event| matches!(event, ReceivedEvent::View { .. })).count() as u32
}

impl SiteStages {
    /// Why a sender is dropped as a program, and what that is counted as for the site's day.
    fn bot(&self, automation: Automation) -> Option<(DropReason, String)> {
        match automation {
            Automation::Declared(class) => Some((DropReason::DeclaredBot, format!("bot:{class}"))),
            Automation::Suspect(sign) if self.drop_suspects.iter().any(|drops| drops == sign) => {
                Some((DropReason::Suspect, format!("suspect:{sign}")))
            }
            _ => None,
        }
    }
}

// === impl Processed ===

impl Processed {
    /// Nothing is kept, for one reason.
    pub fn all_dropped(addressed: &Addressed, reason: DropReason) -> Self {
        let mut out = Self::default();
        out.drop(reason, decode::events(addressed));
        out
    }

    /// Keeps counts alone of what would be kept.
    pub fn discard(&mut self, reason: DropReason) {
        let kept = std::mem::take(&mut self.kept);
        let events = kept.accepted;
        self.kept.tallies = kept.tallies;
        self.accepted -= events;
        self.drop(reason, events);
    }

    fn drop(&mut self, reason: DropReason, count: u32) {
        if count > 0 {
            self.dropped.push((reason, count));
        }
    }

    /// Takes what a beacon says of consent out of it and counts it by the policy's version, without a pseudonym. The last
    /// word counts: whether consent is given, or `None` if nothing is said.
    fn consent(&mut self, beacon: &mut ReceivedBeacon, rules: &SiteRules, time: SiteTime) -> Option<bool> {
        let mut last = None;
        let mut said = [0; 2];
        beacon.events.retain(|event| {
            let ReceivedEvent::Consent { granted } = event else { return true };
            last = Some(*granted);
            said[usize::from(*granted)] += 1;
            false
        });
        for (state, count) in ["denied", "granted"].into_iter().zip(said) {
            let version = Some(rules.policy_version.as_str()).filter(|version| !version.is_empty());
            let reason =
                version.map_or_else(|| format!("consent:{state}"), |version| format!("consent:{state}:{version}"));
            self.tally(rules, time, reason, count);
            self.accepted += count;
        }
        last
    }

    fn tally(&mut self, rules: &SiteRules, time: SiteTime, reason: String, count: u32) {
        if count > 0 {
            let (site, day, hour) = (rules.site.clone(), time.local.day, time.hour);
            self.kept.tallies.push(Tally { site, day, hour, reason, count });
        }
    }
}

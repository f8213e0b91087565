//! The journey of one beacon: from the decoded events to the rows that may be kept.
//!
//! It is pure: no I/O, no clock, no await. The caller passes the time, the key and the lookups. So it can be tested by
//! example, by property and by fuzzing. After [`privacy::pseudonymise`] nothing in this program can identify the
//! sender.

use std::borrow::Cow;

use crate::decode::{self, beacon::Addressed};
use crate::enrich::{self, Enriched, Lookups, SiteEnrich};
use crate::event::{
    Automation, BY_DEVICE, EnrichedBeacon, EnrichedEvent, ReceivedBeacon, ReceivedEvent, Sender, Tally,
};
use crate::outcome::DropReason;
use crate::privacy::cookie::{self, Browser, Cookie};
use crate::privacy::daily_address::{self, Seen};
use crate::privacy::pseudonym::DayKey;
use crate::privacy::pseudonymous::{PseudonymousBeacon, PseudonymousEvent};
use crate::privacy::{self, SiteRules, SiteTime};

/// The part of a site's configuration that the journey needs.
pub struct SiteStages {
    /// Hosts, campaigns and declared events.
    pub enrich: SiteEnrich,
    /// Time zone, policy and paths.
    pub rules: SiteRules,
    /// The signs of automation whose events are dropped.
    pub drop_suspects: Vec<String>,
}

/// What a request presents to recognise the visitor.
pub enum Presented {
    /// On a site with a cookie: the browser.
    Cookie(Browser),
    /// On a site without a cookie: network and user agent.
    Address(daily_address::Presented),
    /// The site wants no identity, or the request is a pixel: the browser is new with each view, and gets no cookie.
    View(Browser),
}

/// The result for one beacon.
#[derive(Default)]
pub struct Processed {
    /// The rows that may be kept.
    pub kept: PseudonymousBeacon,
    /// The cookie to set; `None` after an objection and for a declared bot.
    pub cookie: Option<Cookie>,
    /// On a site without a cookie: what this process remembers of the visitor.
    pub seen: Option<Seen>,
    /// The visitor refused consent in this beacon, or its browser asks to be counted only: its cookie is deleted.
    pub takes_cookie_back: bool,
    pub accepted: u32,
    /// How many events are not kept, by reason.
    pub dropped: Vec<(DropReason, u32)>,
    /// The sender's sign of automation, and the number of its events.
    pub suspected: Option<(&'static str, u32)>,
    /// The visitor objected in this beacon.
    pub objected: bool,
    /// A visit begins in a browser that holds the cookie of its visit, so the device part may be requested. Elsewhere the
    /// question would tell others who share the network and the agent that a visit runs.
    pub begins_visit: bool,
}

/// A beacon in which nobody objects. Only [`objection`] makes it, so an objection cannot be overlooked.
pub struct WithoutObjection(Addressed);

impl WithoutObjection {
    /// The id of its view.
    pub fn view(&self) -> &[u8; 16] {
        self.0.beacon.view.expose()
    }
}

/// The whole journey of a beacon that is neither a duplicate nor counted only.
pub fn process(
    beacon: WithoutObjection,
    sender: &Sender,
    presented: Presented,
    site: &SiteStages,
    time: SiteTime,
    key: &DayKey,
    lookups: &Lookups,
) -> Processed {
    let WithoutObjection(mut addressed) = beacon;
    let mut out = Processed::default();
    if out.consent(&mut addressed.beacon, &site.rules, time) == Some(false) {
        out.takes_cookie_back = true;
        out.drop(DropReason::NoConsent, decode::events(&addressed));
        return out;
    }
    out.drop(DropReason::InvalidEvent, addressed.invalid_events);
    let Enriched { beacon: enriched, ended } = enrich::beacon(addressed.beacon, sender, lookups, &site.enrich);
    ended.into_iter().for_each(|(reason, count)| out.drop(reason, count));
    let (count, device) = (enriched.events.len() as u32, u32::from(enriched.device.is_some()));
    if let Automation::Suspect(sign) = enriched.automation {
        out.suspected = Some((sign, count + device));
    }
    if let Some((reason, class)) = site.bot(enriched.automation) {
        out.drop(reason, count + device);
        out.tally(&site.rules, time, class, count);
        return out;
    }
    let visitor = out.identify(&enriched, presented, time);
    let tallies = std::mem::take(&mut out.kept.tallies);
    out.kept = privacy::pseudonymise(enriched, sender, &site.rules, key, time, &visitor);
    out.kept.tallies.extend(tallies);
    if visitor.confirmed && !out.kept.events.is_empty() {
        out.cookie.iter_mut().for_each(Cookie::mark_counted);
    }
    let PseudonymousBeacon { accepted, empty_after_scrub, from_suspects, .. } = out.kept;
    out.accepted += accepted;
    out.drop(DropReason::EmptyAfterScrub, empty_after_scrub);
    out.drop(DropReason::Suspect, from_suspects);
    out.drop(DropReason::NotInPolicy, count + device - accepted - empty_after_scrub - from_suspects);
    out
}

/// Ends a beacon in which the visitor objects, whatever else is in it. A duplicate of it is an objection again, and a
/// request to be counted only changes nothing. Every other beacon is returned.
pub fn objection(addressed: Addressed) -> Result<WithoutObjection, Box<Processed>> {
    let received = &addressed.beacon;
    if !received.events.iter().any(|event| matches!(event, ReceivedEvent::Object)) {
        return Ok(WithoutObjection(addressed));
    }
    let mut out = Processed { objected: true, ..Processed::default() };
    out.drop(DropReason::Objection, received.events.len() as u32 + u32::from(received.device.is_some()));
    out.drop(DropReason::UnknownEvent, received.unknown_events);
    out.drop(DropReason::InvalidEvent, addressed.invalid_events);
    Err(Box::new(out))
}

/// A consent that is given or refused on the visitor's own page: it is counted, and nothing else is kept.
pub fn consent(granted: bool, site: &SiteRules, time: SiteTime) -> Processed {
    let mut out = Processed { takes_cookie_back: !granted, ..Processed::default() };
    out.count_consent([u32::from(!granted), u32::from(granted)], site, time);
    out
}

/// The journey of a beacon whose browser asks to be counted only: its views are counted, and nothing else is kept.
pub fn count_only(beacon: &WithoutObjection, site: &SiteRules, time: SiteTime) -> Processed {
    let mut out = Processed::all_dropped(beacon, DropReason::CountOnly);
    if site.items.count_only {
        out.tally(site, time, "count_only", views(&beacon.0.beacon));
    }
    out
}

/// The journey of a beacon that was under way while its visitor's rows were erased: the cookie is taken back again.
pub fn erased(beacon: &WithoutObjection) -> Processed {
    Processed { takes_cookie_back: true, ..Processed::all_dropped(beacon, DropReason::Erased) }
}

/// The journey of a duplicate whose browser asks to be counted only: its views were counted before.
pub fn duplicate_dropped(beacon: &WithoutObjection) -> Processed {
    Processed::all_dropped(beacon, DropReason::Duplicate)
}

/// The journey of a duplicate: nothing is kept. A person's browser gets its cookie again, because the first answer may
/// have been lost.
pub fn duplicate(
    beacon: &WithoutObjection,
    sender: &Sender,
    presented: Presented,
    site: &SiteStages,
    time: SiteTime,
    lookups: &Lookups,
) -> Processed {
    let mut out = duplicate_dropped(beacon);
    let WithoutObjection(addressed) = beacon;
    if site.bot(lookups.clients.classify(sender).1).is_some() {
        return out;
    }
    if addressed.beacon.events.iter().any(|event| matches!(event, ReceivedEvent::Consent { granted: false })) {
        out.takes_cookie_back = true;
        return out;
    }
    let Presented::Cookie(browser) = presented else { return out };
    // With a cookie the first answer got through; without one it may not have.
    let sent = views(&addressed.beacon).min(u8::MAX.into()) as u8;
    let is_known = browser.is_known();
    let views = if is_known || browser.is_running() { 0 } else { sent };
    let (who, cookie) = cookie::advance(browser, time.local, views);
    // This node counted the views already if only the first answer was lost.
    out.begins_visit = sent > 0 && who.visit.views <= if is_known { 0 } else { sent };
    out.cookie = Some(cookie);
    out
}

fn views(beacon: &ReceivedBeacon) -> u32 {
    beacon.events.iter().filter(|event| matches!(event, ReceivedEvent::View { .. })).count() as u32
}

impl SiteStages {
    /// Why the events of an automated sender are dropped, and the reason of their tally.
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
    fn all_dropped(beacon: &WithoutObjection, reason: DropReason) -> Self {
        let mut out = Self::default();
        out.drop(reason, decode::events(&beacon.0));
        out
    }

    /// Recognises the visitor, and notes what its browser or this process remembers for the next beacon.
    fn identify(&mut self, beacon: &EnrichedBeacon, presented: Presented, time: SiteTime) -> cookie::Identity {
        let views = beacon.events.iter().filter(|event| matches!(event, EnrichedEvent::View { .. })).count();
        let views = u8::try_from(views).unwrap_or(u8::MAX);
        let visitor = match presented {
            Presented::Cookie(browser) => {
                let (visitor, next) = cookie::advance(browser, time.local, views);
                self.cookie = Some(next);
                visitor
            }
            Presented::Address(presented) => {
                let (visitor, seen) = daily_address::advance(presented, time.local, views);
                self.seen = Some(seen);
                visitor
            }
            Presented::View(browser) => cookie::advance(browser, time.local, views).0,
        };
        self.begins_visit = self.cookie.is_some() && views > 0 && visitor.visit.views == 0 && beacon.device.is_none();
        if beacon.automation == Automation::Suspect(BY_DEVICE) {
            self.cookie.iter_mut().for_each(Cookie::mark_automated);
            self.seen.iter_mut().for_each(Seen::mark_automated);
        }
        visitor
    }

    /// Drops all events that would be kept. Tallies stay.
    pub fn discard(&mut self, reason: DropReason) {
        let kept = std::mem::take(&mut self.kept);
        let events = kept.accepted;
        self.kept.tallies = kept.tallies;
        self.accepted -= events;
        self.drop(reason, events);
    }

    /// Drops the events that are over a bound.
    pub fn retain(&mut self, is_within: impl FnMut(&PseudonymousEvent) -> bool) {
        let before = self.kept.events.len();
        self.kept.events.retain(is_within);
        let over = (before - self.kept.events.len()) as u32;
        self.kept.accepted -= over;
        self.accepted -= over;
        self.drop(DropReason::EventLimit, over);
    }

    fn drop(&mut self, reason: DropReason, count: u32) {
        if count > 0 {
            self.dropped.push((reason, count));
        }
    }

    /// Removes the consent events of a beacon and counts them by the policy's version, without a pseudonym. Returns
    /// whether the last one grants consent, or `None` if there is none.
    fn consent(&mut self, beacon: &mut ReceivedBeacon, rules: &SiteRules, time: SiteTime) -> Option<bool> {
        let mut last = None;
        let mut said = [0; 2];
        beacon.events.retain(|event| {
            let ReceivedEvent::Consent { granted } = event else { return true };
            last = Some(*granted);
            said[usize::from(*granted)] += 1;
            false
        });
        self.count_consent(said, rules, time);
        last
    }

    /// Counts how often consent was refused and given, by the policy's version.
    fn count_consent(&mut self, said: [u32; 2], rules: &SiteRules, time: SiteTime) {
        for (state, count) in ["denied", "granted"].into_iter().zip(said) {
            let version = Some(rules.policy_version.as_str()).filter(|version| !version.is_empty());
            let reason =
                version.map_or_else(|| format!("consent:{state}"), |version| format!("consent:{state}:{version}"));
            self.tally(rules, time, reason, count);
            self.accepted += count;
        }
    }

    fn tally(&mut self, rules: &SiteRules, time: SiteTime, reason: impl Into<Cow<'static, str>>, count: u32) {
        if count > 0 {
            let (site, day, window_end) = (rules.site.clone(), time.local.day, time.window_end);
            self.kept.tallies.push(Tally { site, day, window_end, reason: reason.into(), count });
        }
    }
}

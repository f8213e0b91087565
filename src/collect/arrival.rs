//! A parsed request of a known site, and the steps that [`ingest`](super::ingest) takes with it.
//!
//! A step that refuses the request counts its events as rejected, and counts one rejection for the site.

use std::sync::Arc;

use http::{HeaderMap, header};
use jiff::Timestamp;
use jiff::civil::Date;

use super::append::{Append, Appending};
use super::contributions::Reserved;
use super::duplicates::{Claim, Dedup};
use super::first_identities::{FirstBeacon, random};
use super::{Collector, Site, cookies, headers};
use crate::config::Identification;
use crate::event::{ReceivedBeacon, Sender};
use crate::metrics::Counted;
use crate::outcome::{DropReason, Rejection};
use crate::pipeline::{self, Presented, Processed, WithoutObjection};
use crate::privacy::SiteTime;
use crate::privacy::cookie::Browser;
use crate::privacy::pseudonym::DayKey;
use crate::privacy::pseudonymous::{EventKind, PseudonymousEvent};
use crate::spool::Ticket;

/// See the module.
pub(super) struct Arrival<'a> {
    collector: &'a Arc<Collector>,
    /// The site that the request names.
    pub(super) site: &'a Site,
    is_pixel: bool,
    time: SiteTime,
    ticket: Ticket,
    counted: Counted,
    /// `None` for a duplicate, and for a pixel.
    claim: Option<Claim>,
    /// Its named events, if there are any.
    reserved: Option<Reserved>,
    is_duplicate: bool,
}

impl<'a> Arrival<'a> {
    pub(super) fn new(
        collector: &'a Arc<Collector>,
        site: &'a Site,
        is_pixel: bool,
        ticket: Ticket,
        counted: Counted,
    ) -> Self {
        let time = site.stages.rules.time(arrived_at(&ticket));
        Self { collector, site, is_pixel, time, ticket, counted, claim: None, reserved: None, is_duplicate: false }
    }

    /// The time of arrival.
    pub(super) fn arrived_at(&self) -> Timestamp {
        arrived_at(&self.ticket)
    }

    /// The day of arrival, in the site's time zone.
    pub(super) fn today(&self) -> Date {
        self.time.local.day
    }

    /// Refuses a beacon from a page of another origin. Browsers send no origin with a pixel.
    pub(super) fn origin(&mut self, head: &HeaderMap) -> Result<(), Rejection> {
        let is_listed = head.get(header::ORIGIN).is_some_and(|origin| self.site.origins.contains(origin));
        self.require(self.is_pixel || is_listed, Rejection::ForeignOrigin)
    }

    /// Refuses a request if the site gets too many.
    pub(super) fn site_limit(&mut self) -> Result<(), Rejection> {
        let name = &self.site.stages.rules.site;
        let is_admitted = self.collector.limits.admit_site(name, self.ticket.arrived_ms());
        self.require(is_admitted, Rejection::SiteLimit)
    }

    /// Claims a new beacon and recognises a duplicate. A pixel's view id is new, so it is never a duplicate.
    pub(super) fn duplicate(&mut self, beacon: &ReceivedBeacon) -> Result<(), Rejection> {
        if self.is_pixel {
            return Ok(());
        }
        let (duplicates, name) = (&self.collector.duplicates, &self.site.stages.rules.site);
        match duplicates.check(name, beacon.view.expose(), beacon.seq, self.ticket.arrived_ms()) {
            Dedup::New(claim) => self.claim = Some(claim),
            Dedup::Duplicate => self.is_duplicate = true,
            Dedup::InFlight => return self.require(false, Rejection::InFlight),
        }
        Ok(())
    }

    /// Whether the browser asks to be counted only, in a way that this site honours.
    pub(super) fn is_count_only(&self, head: &HeaderMap) -> bool {
        headers::is_one(head, &headers::GPC) || (self.site.dnt && headers::is_one(head, &header::DNT))
    }

    /// Counts the views, keeps nothing else, and takes back the cookie.
    pub(super) fn count_only(&self, head: &HeaderMap, beacon: &WithoutObjection) -> Processed {
        let mut processed = if self.is_duplicate {
            pipeline::duplicate_dropped(beacon)
        } else {
            pipeline::count_only(beacon, &self.site.stages.rules, self.time)
        };
        // The browser asks since its cookie was set.
        processed.takes_cookie_back = cookies::cookies(head, &self.site.cookies.identity).next().is_some();
        processed
    }

    /// The key of the site's day.
    pub(super) fn key(&mut self) -> Result<Arc<DayKey>, Rejection> {
        self.collector.keys.day_key(&self.site.stages.rules.site, self.today()).map_err(|error| {
            tracing::error!(%error, "no key for a site's day; its beacons are answered 503");
            self.refuse(Rejection::NoKey)
        })
    }

    /// How the visitor is recognised: by the cookie, by the daily address, or not at all. A pixel's visitor never is.
    pub(super) fn identity(
        &mut self,
        head: &HeaderMap,
        sender: &Sender,
        beacon: &WithoutObjection,
        key: &DayKey,
    ) -> Result<Presented, Rejection> {
        let (collector, rules, today) = (self.collector, &self.site.stages.rules, self.today());
        let new = |first: Option<[u8; 16]>| first.map(Browser::new).ok_or(Rejection::NoKey);
        let remembered = || {
            let first = FirstBeacon { site: &rules.site, day: today, view: beacon.view(), sender };
            new(collector.first_identities.of(&first, self.ticket.arrived_ms()))
        };
        let presented = match self.site.identity {
            _ if self.is_pixel => new(random()).map(Presented::View),
            Identification::None => remembered().map(Presented::View),
            Identification::DailyAddress => {
                Ok(Presented::Address(collector.visitors.present(sender, rules, key, today)))
            }
            Identification::Cookie => {
                let mut sealed = cookies::cookies(head, &self.site.cookies.identity);
                let cookie = sealed.find_map(|value| collector.seal.open(&rules.site, value, today));
                let browser = cookie.map_or_else(remembered, |cookie| Ok(Browser::known(cookie, key, today)));
                browser.map(|mut browser| {
                    let known = collector.running_visits.of(browser.id(), self.ticket.arrived_ms());
                    known.into_iter().for_each(|visit| browser.catch_up(visit, today));
                    Presented::Cookie(browser)
                })
            }
        };
        presented.map_err(|rejection| self.refuse(rejection))
    }

    /// Whether the visitor has had its rows erased, and this beacon was under way.
    pub(super) fn is_erased(&self, presented: &Presented, key: &DayKey) -> bool {
        let Presented::Cookie(browser) = presented else { return false };
        self.collector.erased.has(|| key.visitor(browser.id()))
    }

    /// Runs the pure part: [`pipeline`].
    pub(super) fn pipeline(
        &self,
        beacon: WithoutObjection,
        sender: &Sender,
        presented: Presented,
        key: &DayKey,
    ) -> Processed {
        let (stages, lookups) = (&self.site.stages, &self.collector.lookups);
        if self.is_duplicate {
            pipeline::duplicate(&beacon, sender, presented, stages, self.time, lookups)
        } else {
            pipeline::process(beacon, sender, presented, stages, self.time, key, lookups)
        }
    }

    /// Discards the events of a visitor that sends too many. A pixel's visitor is random, so it has no limit.
    pub(super) fn visitor_limit(&self, processed: &mut Processed) {
        let Some(visitor) = processed.kept.visitor().filter(|_| !self.is_pixel) else { return };
        if !self.collector.limits.admit_visitor(visitor, processed.kept.accepted, self.ticket.arrived_ms()) {
            processed.discard(DropReason::VisitorLimit);
        }
    }

    /// Drops named events of which the visitor has sent enough today, and reserves the others.
    pub(super) fn event_limit(&mut self, processed: &mut Processed) {
        let is_named = |event: &PseudonymousEvent| matches!(event.kind, EventKind::Named { .. });
        if processed.kept.events.iter().any(is_named) {
            let mut reserved = self.collector.contributions.reserve();
            processed.retain(|event| match &event.kind {
                EventKind::Named { name, .. } => reserved.admit(event.visitor, name),
                _ => true,
            });
            self.reserved = Some(reserved);
        }
    }

    /// Begins to make the rows durable. The returned future ends when they are.
    pub(super) fn spool(self, processed: Processed) -> Appending {
        let Self { collector, site, time, ticket, counted, claim, reserved, .. } = self;
        Append { collector: collector.clone(), time, counted, claim, reserved, processed }.begin(site, ticket)
    }

    fn require(&mut self, condition: bool, rejection: Rejection) -> Result<(), Rejection> {
        if condition { Ok(()) } else { Err(self.refuse(rejection)) }
    }

    fn refuse(&mut self, rejection: Rejection) -> Rejection {
        let (site, now_ms) = (&self.site.stages.rules.site, self.ticket.arrived_ms());
        self.collector.outcome_counts.note(site, self.time, now_ms, rejection.name(), 1);
        self.counted.rejected(rejection)
    }
}

pub(super) fn arrived_at(ticket: &Ticket) -> Timestamp {
    Timestamp::from_millisecond(ticket.arrived_ms()).unwrap_or_default()
}

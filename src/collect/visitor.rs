//! What the visitor's own page asks of the edge, and what the visitor decides there.
//!
//! The cookies of the request are the only proof and the only selector. Answers are the same whether a cookie is known or not.

use std::net::{IpAddr, Ipv4Addr};
use std::sync::Arc;

use http::{HeaderMap, HeaderValue, header};

use jiff::Timestamp;
use jiff::civil::Date;

use super::append::Append;
use super::arrival::arrived_at;
use super::first_identities::random;
use super::ingest::OFF_MAX_AGE_S;
use super::{Collector, Site, cookies, headers};
use crate::config::Identification;
use crate::enrich::device_entries;
use crate::outcome::{DropReason, Rejection};
use crate::pipeline;
use crate::privacy::SiteRules;
use crate::privacy::cookie::Browser;
use crate::privacy::erasure::{self, OwnPseudonyms, RowsOf};
use crate::privacy::pseudonym::DayKey;
use crate::privacy::pseudonymous::Pseudonym;
use crate::record::{self, Partition, Stream, Table};
use crate::secret::Personal;
use crate::spool::{Frame, StreamKey, Ticket};

/// What a visitor decides.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Decision {
    /// Not to be measured, and to have the rows erased that can still be found.
    Object,
    /// To have the rows erased that can still be found.
    Erase,
    /// To be measured again.
    Allow,
    /// To agree with the measurement, or not.
    Consent {
        /// To agree.
        granted: bool,
    },
}

/// What became of a decision.
pub struct Decided {
    /// The cookies to set.
    pub cookies: Vec<HeaderValue>,
    /// The receipt for an erasure.
    pub receipt: Option<String>,
    /// All of it was done. Of an objection without this nothing could be erased.
    pub complete: bool,
}

/// What a browser shows of itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Shown {
    /// It has the cookie of an objection.
    pub objected: bool,
    /// It asks to be counted only.
    pub asks: bool,
    /// It sends a cookie of the site, valid or not.
    pub has_cookie: bool,
}

impl Collector {
    /// Whether the sender's network may send a request that costs so many tokens.
    pub fn admits(&self, head: &HeaderMap, peer: Option<IpAddr>, tokens: u32) -> bool {
        let client = self.proxies.client(peer.unwrap_or(IpAddr::V4(Ipv4Addr::UNSPECIFIED)), head);
        self.limits.admit_work(*client.expose(), tokens, self.clock.now_ms())
    }

    /// What a browser shows of itself to a configured site.
    pub fn shown(&self, site: &str, head: &HeaderMap) -> Option<Shown> {
        let site = self.sites.get(site)?;
        Some(Shown {
            objected: cookies::objects(head, &site.cookies.off),
            asks: headers::is_one(head, &headers::GPC) || (site.dnt && headers::is_one(head, &header::DNT)),
            has_cookie: cookies::cookies(head, &site.cookies.identity).next().is_some(),
        })
    }

    /// Keeps what a visitor decides. It is durable when this returns. An objection holds also when nothing can be erased now.
    pub async fn decide(
        self: &Arc<Self>,
        site: &str,
        head: &HeaderMap,
        decision: Decision,
        may_erase: bool,
    ) -> Result<Decided, Rejection> {
        let site = self.sites.get(site).ok_or(Rejection::UnknownSite)?;
        let names = &site.cookies;
        let no_identity = names.set(&names.identity, "", 0);
        let erased = match decision {
            Decision::Object | Decision::Erase if may_erase => self.erase(site, head).await,
            Decision::Object | Decision::Erase => Err(Rejection::NetworkLimit),
            Decision::Allow | Decision::Consent { .. } => Ok(None),
        };
        let mut complete = true;
        let cookies = match decision {
            Decision::Object => {
                self.metrics.receive(1).dropped(DropReason::Objection, 1);
                complete = erased.is_ok();
                let off = names.set(&names.off, "1", OFF_MAX_AGE_S);
                // The cookie stays until its rows can be erased.
                std::iter::once(off).chain(complete.then_some(no_identity)).collect()
            }
            Decision::Erase if erased.is_ok() => vec![no_identity],
            Decision::Erase => return Err(erased.err().unwrap_or(Rejection::SpoolBroken)),
            Decision::Allow => vec![names.set(&names.off, "", 0)],
            Decision::Consent { granted } => {
                self.count_consent(site, granted).await?;
                if granted { Vec::new() } else { vec![no_identity] }
            }
        };
        Ok(Decided { cookies, receipt: erased.ok().flatten(), complete })
    }

    async fn count_consent(self: &Arc<Self>, site: &Site, granted: bool) -> Result<(), Rejection> {
        let now_ms = self.clock.known_ms().ok_or(Rejection::NoTime)?;
        let ticket = self.spool.enter(now_ms);
        let time = site.stages.rules.time(arrived_at(&ticket));
        let processed = pipeline::consent(granted, &site.stages.rules, time);
        let (collector, counted) = (self.clone(), self.metrics.receive(1));
        let append = Append { collector, time, counted, claim: None, reserved: None, processed };
        append.begin(site, ticket).await.map(|_| ())
    }

    /// Orders that the rows of this browser be erased, on all days whose keys live. Returns a receipt; `None` where the site
    /// sets no cookie. An unknown cookie, or none, costs the same orders: they are those of a visitor who does not exist.
    async fn erase(&self, site: &Site, head: &HeaderMap) -> Result<Option<String>, Rejection> {
        if site.identity != Identification::Cookie {
            return Ok(None);
        }
        let now_ms = self.clock.known_ms().ok_or(Rejection::NoTime)?;
        let ticket = self.spool.enter(now_ms);
        let rules = &site.stages.rules;
        let today = rules.time(arrived_at(&ticket)).local.day;
        let identities = self.identities(site, head, today)?;
        self.order(site, ticket, &identities).await?;
        identities.iter().for_each(|(day, _, id)| self.passes_on(&rules.site, *day, id));
        let random = getrandom::u64().map_err(|_| Rejection::NoKey)?;
        Ok(Some(self.seal.receipt(&rules.site, today, random.to_be_bytes())))
    }

    /// Makes the orders to erase the rows of these identities durable.
    pub(super) async fn order(&self, site: &Site, ticket: Ticket, identities: &[OfDay]) -> Result<(), Rejection> {
        let (rules, mut frames) = (&site.stages.rules, Vec::new());
        for (day, key, id) in identities {
            // Before the order is in the spool: a beacon behind it must not bring rows back.
            self.erased.remember(&key.visitor(id.expose()), *day);
            frames.extend(orders(rules, *day, key, id));
        }
        if let Err(refused) = self.durable(ticket.append(frames)).await {
            identities.iter().for_each(|(_, key, id)| self.erased.forget(&key.visitor(id.expose())));
            return Err(refused);
        }
        for (day, key, id) in identities {
            let of_hours = erasure::pseudonyms(key, id, RowsOf::Attribute(super::hours::ATTRIBUTE), [""; 0]);
            self.hours.erase(&rules.site, *day, of_hours.iter().map(Pseudonym::bytes));
        }
        Ok(())
    }

    /// Under which pseudonyms this browser has rows on the days whose keys live; `None` where the site sets no cookie. Of an unknown
    /// cookie, or none, they are those of a visitor who does not exist.
    pub fn own(&self, site: &str, head: &HeaderMap) -> Result<Option<OwnPseudonyms>, Rejection> {
        let site = self.sites.get(site).ok_or(Rejection::UnknownSite)?;
        if site.identity != Identification::Cookie {
            return Ok(None);
        }
        let now_ms = self.clock.known_ms().ok_or(Rejection::NoTime)?;
        let rules = &site.stages.rules;
        let today = rules.time(Timestamp::from_millisecond(now_ms).unwrap_or_default()).local.day;
        let of_day = |(day, key, id): OfDay| (day, erasure::all(&key, &id, &rules.pairs, device_entries));
        let days = self.identities(site, head, today)?.into_iter().map(of_day).collect();
        Ok(Some(OwnPseudonyms { site: rules.site.clone(), days }))
    }

    /// The identities of this browser by day, as far as the days' keys live. An unknown cookie, or none, has as many as a known one.
    fn identities(&self, site: &Site, head: &HeaderMap, today: Date) -> Result<Vec<OfDay>, Rejection> {
        let name = &site.stages.rules.site;
        let key = self.keys.day_key(name, today).map_err(|_| Rejection::NoKey)?;
        let cookie =
            cookies::cookies(head, &site.cookies.identity).find_map(|value| self.seal.open(name, value, today));
        let nobody = || random().map(Personal::new).ok_or(Rejection::NoKey);
        let mut identities = Vec::new();
        if let Some((day, key)) = today.yesterday().ok().and_then(|day| Some((day, self.keys.living_key(name, day)?))) {
            let of_day = cookie.as_ref().filter(|cookie| cookie.day == day);
            identities.push((day, key, of_day.map_or_else(nobody, |cookie| Ok(Personal::new(*cookie.visit().0)))?));
        }
        let id = match cookie {
            Some(cookie) => Personal::new(*Browser::known(cookie, &key, today).id()),
            None => nobody()?,
        };
        identities.push((today, key, id));
        Ok(identities)
    }
}

/// A day, its key, and the identity of a browser on it.
pub(super) type OfDay = (Date, Arc<DayKey>, Personal<[u8; 16]>);

/// The orders to erase a visitor's rows of a day: one for each key domain, so that none holds pseudonyms of two.
fn orders(rules: &SiteRules, day: Date, key: &DayKey, id: &Personal<[u8; 16]>) -> Vec<Frame> {
    let all = erasure::all(key, id, &rules.pairs, device_entries);
    let order = |(of, pseudonyms): (RowsOf<'_>, Vec<Pseudonym>)| {
        let (table, name) = match of {
            RowsOf::Events => (Table::Events, ""),
            RowsOf::Errors => (Table::Errors, ""),
            RowsOf::Attribute(name) => (Table::Attributes, name),
            RowsOf::Signal(name) => (Table::Signals, name),
        };
        // It erases from all partitions of the day, whichever it names.
        let stream = Stream { partition: Partition { table, day, until: day }, attribute: name.to_owned() };
        let pseudonyms: Vec<[u8; 16]> = pseudonyms.iter().map(|pseudonym| *pseudonym.bytes()).collect();
        let key = StreamKey::new(&stream.label()).expect("names of tables and attributes are short");
        Frame::tombstone(key, record::erasure(&rules.site, &pseudonyms))
    };
    all.into_iter().map(order).collect()
}

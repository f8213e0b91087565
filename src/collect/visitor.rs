//! What the visitor's own page asks of the edge, and what the visitor decides there.
//!
//! The cookies of the request are the only proof and the only selector. Answers are the same whether a cookie is known or not.

use std::net::{IpAddr, Ipv4Addr};
use std::sync::Arc;

use http::{HeaderMap, HeaderValue, header};

use super::append::Append;
use super::arrival::arrived_at;
use super::ingest::OFF_MAX_AGE_S;
use super::{Collector, cookies, headers};
use crate::outcome::{DropReason, Rejection};
use crate::pipeline;

/// What a visitor decides.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Decision {
    /// Not to be measured.
    Object,
    /// To be measured again.
    Allow,
    /// To agree with the measurement, or not.
    Consent {
        /// To agree.
        granted: bool,
    },
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
    /// Whether the sender's network may send this request, which costs so many tokens beside its own.
    pub fn admits(&self, head: &HeaderMap, peer: Option<IpAddr>, tokens: u32) -> bool {
        let client = self.proxies.client(peer.unwrap_or(IpAddr::V4(Ipv4Addr::UNSPECIFIED)), head);
        let now_ms = self.clock.now_ms();
        let admitted = self.limits.admit_network(*client.expose(), now_ms);
        if admitted {
            self.limits.charge_network(*client.expose(), tokens, now_ms);
        }
        admitted
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

    /// Keeps what a visitor decides, and returns the cookies that say so.
    pub async fn decide(self: &Arc<Self>, site: &str, decision: Decision) -> Result<Vec<HeaderValue>, Rejection> {
        let site = self.sites.get(site).ok_or(Rejection::UnknownSite)?;
        let names = &site.cookies;
        let no_identity = || names.set(&names.identity, "", 0);
        let granted = match decision {
            Decision::Object => {
                self.metrics.receive(1).dropped(DropReason::Objection, 1);
                return Ok(vec![names.set(&names.off, "1", OFF_MAX_AGE_S), no_identity()]);
            }
            Decision::Allow => return Ok(vec![names.set(&names.off, "", 0)]),
            Decision::Consent { granted } => granted,
        };
        let now_ms = self.clock.known_ms().ok_or(Rejection::NoTime)?;
        let ticket = self.spool.enter(now_ms);
        let time = site.stages.rules.time(arrived_at(&ticket));
        let processed = pipeline::consent(granted, &site.stages.rules, time);
        let (collector, counted) = (self.clone(), self.metrics.receive(1));
        let append = Append { collector, time, counted, claim: None, reserved: None, processed };
        append.begin(site, ticket).await?;
        Ok(if granted { Vec::new() } else { vec![no_identity()] })
    }
}

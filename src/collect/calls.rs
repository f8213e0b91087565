//! What account protection asks of the edge: who calls, as far as the request shows it, and that a verdict is counted.
//!
//! A call is no event and makes no pseudonym. It is looked at in memory, and leaves one number more in the tallies of its site and
//! day: of its level, and of each of its reasons. Tallies are stored once a minute, so no row is of one call. One sender adds three
//! verdicts a day at most, so that what it adds to a published number is bounded. Neither cookie nor objection is looked at.

use std::net::{IpAddr, Ipv4Addr};
use std::pin::pin;
use std::sync::Arc;

use axum::body::Body;
use axum::response::Response;
use bytes::Bytes;
use http::{HeaderMap, Request, header};
use jiff::Timestamp;

use super::append::Append;
use super::arrival::arrived_at;
use super::ingest::discard;
use super::{Collector, headers};
use crate::event::{Automation, Client, Place, Sender};
use crate::outcome::Rejection;
use crate::pipeline::Processed;
use crate::privacy::SiteTime;
use crate::secret::Personal;

/// The fields whose order is looked at.
const ORDERED: [&str; 5] = ["accept", "accept-encoding", "accept-language", "origin", "sec-fetch-mode"];

/// Who calls, and what the server knows of it. In memory only.
pub struct Caller {
    /// As the header fields describe it.
    pub sender: Sender,
    /// The languages that the request accepts.
    pub languages: Personal<String>,
    /// Names of some of the request's header fields, in the order in which they came.
    pub fields: Vec<&'static str>,
    /// Where its address is.
    pub place: Place,
    /// What it uses.
    pub client: Client,
    /// Whether it is a program, by the header fields.
    pub automation: Automation,
    /// Its network asks for many verdicts.
    pub is_hurried: bool,
    /// Whether its verdict is counted: not if the browser asks to be counted only.
    is_counted: bool,
    now_ms: i64,
    time: SiteTime,
}

impl Caller {
    /// When the call arrived, in milliseconds since 1970.
    pub fn now_ms(&self) -> i64 {
        self.now_ms
    }
}

impl Collector {
    /// Answers a preflight for calls, which have no credentials.
    pub fn preflight_of_calls(&self, request: &Request<Body>) -> Response {
        self.preflight_answer(request.headers(), false)
    }

    /// Reads the body of a call, and finds the address of its sender, within the limits of network, type, size and time.
    pub async fn call<B>(
        &self,
        head: &HeaderMap,
        peer: Option<IpAddr>,
        body: B,
        most: usize,
    ) -> Result<(Bytes, Personal<IpAddr>), Rejection>
    where
        B: hyper::body::Body<Data = Bytes>,
        B::Error: Into<Box<dyn std::error::Error + Send + Sync>>,
    {
        let mut body = pin!(body);
        let read = async {
            let client = self.client(head, peer)?;
            Ok((self.read(head, body.as_mut(), most).await?, client))
        }
        .await;
        if read.is_err() {
            discard(body).await;
        }
        read
    }

    /// Who calls for a site, from one of its pages.
    pub fn caller(&self, site: &str, head: &HeaderMap, address: Personal<IpAddr>) -> Result<Caller, Rejection> {
        let site = self.sites.get(site).ok_or(Rejection::UnknownSite)?;
        let is_listed = head.get(header::ORIGIN).is_some_and(|origin| site.origins.contains(origin));
        let now_ms = self.clock.known_ms().ok_or(Rejection::NoTime)?;
        if !is_listed {
            return Err(Rejection::ForeignOrigin);
        }
        if !self.limits.admit_site(&site.stages.rules.site, now_ms) {
            return Err(Rejection::SiteLimit);
        }
        let arrived_at = Timestamp::from_millisecond(now_ms).unwrap_or_default();
        let is_hurried = !self.limits.admit_call(*address.expose(), now_ms);
        let sender = headers::sender(head, address, arrived_at);
        let (client, automation) = self.lookups.clients.classify(&sender);
        Ok(Caller {
            place: self.lookups.geo.lookup(*sender.address.expose()),
            languages: Personal::new(headers::text(head, &header::ACCEPT_LANGUAGE).into_owned()),
            fields: head.keys().filter_map(|name| ORDERED.into_iter().find(|known| name == *known)).collect(),
            is_counted: !(headers::is_one(head, &headers::GPC) || site.dnt && headers::is_one(head, &header::DNT)),
            time: site.stages.rules.time(arrived_at),
            sender,
            client,
            automation,
            is_hurried,
            now_ms,
        })
    }

    /// Counts a verdict in the tallies of its site: one of its level, and one of each reason.
    pub fn count_verdict(self: &Arc<Self>, site: &str, caller: &Caller, level: &'static str, reasons: &[&'static str]) {
        self.metrics.verdict(level, reasons);
        let Some(site) = self.sites.get(site).filter(|_| caller.is_counted) else { return };
        let (name, Caller { sender, time, now_ms, .. }) = (&site.stages.rules.site, caller);
        let mut reserved = self.contributions.reserve();
        let of_sender = (&**name, time.local.day, sender.address.expose(), sender.user_agent.expose());
        if reserved.admit(of_sender, "verdict") {
            self.outcome_counts.note_verdict(name, *time, *now_ms, level, reasons);
        }
        reserved.durable();
        if self.outcome_counts.is_pending(name, *now_ms) {
            // The caller need not wait: what cannot be stored now is stored later.
            let ticket = self.spool.enter(*now_ms);
            let (collector, time) = (self.clone(), site.stages.rules.time(arrived_at(&ticket)));
            let (counted, processed) = (self.metrics.receive(0), Processed::default());
            drop(Append { collector, time, counted, claim: None, reserved: None, processed }.begin(site, ticket));
        }
    }

    /// The address of a request's client, unless its network sends too much.
    pub(super) fn client(&self, head: &HeaderMap, peer: Option<IpAddr>) -> Result<Personal<IpAddr>, Rejection> {
        let peer = peer.unwrap_or(IpAddr::V4(Ipv4Addr::UNSPECIFIED));
        let client = self.proxies.client(peer, head);
        if let Some(has_header) = self.proxies.is_unheeded(peer, head) {
            self.forwarding.note(peer, has_header, &self.metrics);
        }
        let is_admitted = self.limits.admit_network(*client.expose(), self.clock.now_ms());
        if is_admitted { Ok(client) } else { Err(Rejection::NetworkLimit) }
    }
}

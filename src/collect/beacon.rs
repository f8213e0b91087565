//! `POST /v1/beacon`: a page's events come in, `202` goes out once they are durable.

use std::net::IpAddr;
use std::sync::Arc;
use std::time::Instant;

use axum::body::Body;
use axum::extract::State;
use axum::response::Response;
use bytes::Bytes;
use http::{HeaderMap, HeaderValue, Request, StatusCode, header};
use http_body_util::{BodyExt, LengthLimitError, Limited};
use jiff::civil::Date;

use super::duplicates::Dedup;
use super::server::Peer;
use super::{Collector, Settled, Site, headers, rejection};
use crate::config::Identification;
use crate::decode::beacon::{Addressed, BODY_MAX, parse};
use crate::decode::events;
use crate::metrics::Counted;
use crate::outcome::{Answer, DropReason, Rejection};
use crate::pipeline::{self, Presented, Processed};
use crate::privacy::SiteTime;
use crate::secret::Personal;
use crate::spool::Ticket;

/// How long an objection's cookie lives: renewed at every visit, so practically for ever (400 days is what browsers cap at).
const OFF_MAX_AGE_S: i64 = 400 * 86_400;

/// Answers a CORS preflight, which browsers send for `application/json`.
pub(super) async fn preflight(State(collector): State<Arc<Collector>>, request: Request<Body>) -> Response {
    let mut response = Response::new(Body::empty());
    *response.status_mut() = StatusCode::NO_CONTENT;
    if let Some(origin) = collector.known_origin(request.headers()) {
        let out = response.headers_mut();
        headers::allow_origin(out, origin);
        out.insert(header::ACCESS_CONTROL_ALLOW_METHODS, HeaderValue::from_static("POST"));
        out.insert(header::ACCESS_CONTROL_ALLOW_HEADERS, HeaderValue::from_static("content-type"));
        out.insert(header::ACCESS_CONTROL_MAX_AGE, HeaderValue::from_static("86400"));
    }
    response
}

/// Takes a beacon that the router brings.
pub(super) async fn post(State(collector): State<Arc<Collector>>, request: Request<Body>) -> Response {
    answered(&collector, request).await
}

/// Takes a beacon, from whatever kind of body.
pub(super) async fn answered<B>(collector: &Arc<Collector>, request: Request<B>) -> Response
where
    B: hyper::body::Body<Data = Bytes>,
    B::Error: Into<Box<dyn std::error::Error + Send + Sync>>,
{
    let begun = Instant::now();
    let (head, body) = request.into_parts();
    let origin = collector.known_origin(&head.headers).cloned();
    let peer = head.extensions.get::<Peer>().map(|peer| peer.0.ip());
    let outcome = collector.take(&head.headers, peer, body).await;
    let mut response = match outcome {
        Ok(taken) => taken.into_response(head.headers),
        Err(refused) => rejection::answer(refused),
    };
    if let Some(origin) = origin {
        headers::allow_origin(response.headers_mut(), &origin);
    }
    collector.metrics.request_duration.observe(begun.elapsed().as_secs_f64());
    response
}

/// A beacon that was understood.
struct Taken {
    answer: Answer,
    set_cookies: Vec<HeaderValue>,
    /// What the device is asked for.
    device: Option<HeaderValue>,
}

impl Taken {
    /// As an answer, in the room of the question's head: the protocol library then has room for the next question's.
    fn into_response(self, mut room: HeaderMap) -> Response {
        room.clear();
        let mut response = Response::new(Body::empty());
        *response.status_mut() = StatusCode::ACCEPTED;
        *response.headers_mut() = room;
        let out = response.headers_mut();
        out.insert(headers::OUTCOME, HeaderValue::from_static(self.answer.name()));
        out.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
        if let Some(items) = self.device {
            out.insert(headers::DEVICE, items);
        }
        for cookie in self.set_cookies {
            out.append(header::SET_COOKIE, cookie);
        }
        response
    }
}

impl Collector {
    /// The `Origin` of a request, when it is one that some site lists.
    fn known_origin(&self, request: &HeaderMap) -> Option<&HeaderValue> {
        let origin = request.get(header::ORIGIN)?;
        self.origins.iter().find(|known| *known == origin)
    }

    async fn take<B>(self: &Arc<Self>, head: &HeaderMap, peer: Option<IpAddr>, body: B) -> Result<Taken, Rejection>
    where
        B: hyper::body::Body<Data = Bytes>,
        B::Error: Into<Box<dyn std::error::Error + Send + Sync>>,
    {
        // An objection is honoured before a byte of the body is looked at.
        if let Some(off) = self.cookies_off.iter().find(|name| headers::cookie(head, name) == Some("1")) {
            let mut counted = self.metrics.receive(1);
            counted.dropped(DropReason::Objection, 1);
            let site = self.sites.values().find(|site| site.cookies.off == *off);
            let renewed = site.map(|site| site.cookies.set(off, "1", OFF_MAX_AGE_S));
            return Ok(Taken { answer: Answer::Off, set_cookies: renewed.into_iter().collect(), device: None });
        }
        let refuse = |rejection| {
            self.metrics.reject(rejection);
            rejection
        };
        let peer = peer.unwrap_or(IpAddr::V4(std::net::Ipv4Addr::UNSPECIFIED));
        let client = self.proxies.client(peer, head);
        if !self.limits.admit_network(*client.expose(), self.clock.now_ms()) {
            return Err(refuse(Rejection::NetworkLimit));
        }
        let ticket = self.spool.enter(self.clock.now_ms());
        let body = Box::pin(self.read(head, body)).await.map_err(refuse)?;
        let (site, day, settled) = self.judge(head, client, ticket, body)?;
        let processed = settled.await?;
        Ok(self.answer(site, &processed, day))
    }

    /// What becomes of a body. Apart from what waits, so that a request that waits takes little room.
    fn judge(
        self: &Arc<Self>,
        head: &HeaderMap,
        client: Personal<IpAddr>,
        ticket: Ticket,
        body: Bytes,
    ) -> Result<(&Site, Date, Settled), Rejection> {
        let addressed = match parse(&body) {
            Ok(addressed) => addressed,
            Err(rejection) => {
                self.metrics.reject(rejection);
                return Err(rejection);
            }
        };
        // It lies in the connection's buffer, which could not be read into again.
        drop(body);
        let mut counted = self.metrics.receive(events(&addressed));
        self.metrics.unknown_fields.inc_by(addressed.beacon.unknown_fields.into());
        let Some(site) = self.sites.get(&addressed.site) else {
            counted.rejected(Rejection::UnknownSite);
            return Err(Rejection::UnknownSite);
        };
        if !head.get(header::ORIGIN).is_some_and(|origin| site.origins.contains(origin)) {
            return Err(self.refused(site, ticket.arrived_ms(), counted, Rejection::ForeignOrigin));
        }
        let arrived_ms = ticket.arrived_ms();
        let arrived_at = jiff::Timestamp::from_millisecond(arrived_ms).unwrap_or_default();
        let time = site.stages.rules.time(arrived_at);
        if !self.limits.admit_site(&addressed.site, arrived_ms) {
            return Err(self.refused(site, arrived_ms, counted, Rejection::SiteLimit));
        }
        let sender = headers::sender(head, client, arrived_at);
        let (view, seq) = (*addressed.beacon.view.expose(), addressed.beacon.seq);
        let claim = match self.duplicates.check(&addressed.site, &view, seq, arrived_ms) {
            Dedup::New(claim) => Some(claim),
            Dedup::Duplicate => None,
            Dedup::InFlight => {
                return Err(self.refused(site, arrived_ms, counted, Rejection::InFlight));
            }
        };
        let mut processed = match self.process((site, time), addressed, &sender, head, claim.is_none()) {
            Ok(processed) => processed,
            Err(rejection) => return Err(self.refused(site, arrived_ms, counted, rejection)),
        };
        if let Some(visitor) = processed.kept.visitor()
            && !self.limits.admit_visitor(visitor, processed.kept.accepted, arrived_ms)
        {
            processed.discard(DropReason::VisitorLimit);
        }
        Ok((site, time.local.day, self.settle(ticket, claim, counted, (site, time), processed)))
    }

    /// Counts a beacon of a site that is refused, as one event.
    fn refused(&self, site: &Site, arrived_ms: i64, mut counted: Counted, rejection: Rejection) -> Rejection {
        counted.rejected(rejection);
        let rules = &site.stages.rules;
        let time = rules.time(jiff::Timestamp::from_millisecond(arrived_ms).unwrap_or_default());
        self.outcome_counts.note(&rules.site, time, arrived_ms, rejection.name(), 1);
        rejection
    }

    /// The pure part, with the key of the day.
    fn process(
        &self,
        (site, time): (&Site, SiteTime),
        addressed: Addressed,
        sender: &crate::event::Sender,
        head: &HeaderMap,
        again: bool,
    ) -> Result<Processed, Rejection> {
        let rules = &site.stages.rules;
        if let Some(objection) = pipeline::objection(&addressed) {
            return Ok(objection);
        }
        if site.is_asked_to_count_only(head) {
            return Ok(if again {
                Processed::all_dropped(&addressed, DropReason::Duplicate)
            } else {
                pipeline::count_only(&addressed, rules, time)
            });
        }
        let key = self.keys.day_key(&rules.site, time.local.day).map_err(|error| {
            tracing::error!(%error, "no key for a site's day; its beacons are answered 503");
            Rejection::NoKey
        })?;
        let presented = match site.identity {
            Identification::Cookie => Presented::Cookie(
                headers::cookies(head, &site.cookies.identity)
                    .find_map(|value| self.seal.open(&rules.site, value, time.local.day)),
            ),
            Identification::DailyAddress => {
                Presented::Address(self.visitors.present(sender, rules, &key, time.local.day))
            }
            Identification::None => Presented::Nothing,
        };
        Ok(if again {
            pipeline::repeat(&addressed, sender, presented, &site.stages, &key, &self.lookups)
        } else {
            pipeline::process(addressed, sender, presented, &site.stages, &key, &self.lookups)
        })
    }

    fn answer(&self, site: &Site, processed: &Processed, today: Date) -> Taken {
        let names = &site.cookies;
        if processed.objected {
            let set_cookies = vec![names.set(&names.off, "1", OFF_MAX_AGE_S), names.set(&names.identity, "", 0)];
            return Taken { answer: Answer::Off, set_cookies, device: None };
        }
        if processed.refused {
            let set_cookies = vec![names.set(&names.identity, "", 0)];
            return Taken { answer: Answer::Dropped, set_cookies, device: None };
        }
        let rules = &site.stages.rules;
        let set = |cookie: &crate::privacy::cookie::Cookie| {
            names.set(&names.identity, &self.seal.seal(&rules.site, cookie), cookie.max_age_s(today))
        };
        let answer = if processed.accepted > 0 { Answer::Accepted } else { Answer::Dropped };
        let device = site.device.clone().filter(|_| processed.begins_visit);
        Taken { answer, set_cookies: processed.cookie.as_ref().map(set).into_iter().collect(), device }
    }

    /// The body, within its limits of kind, size and time.
    async fn read<B>(&self, head: &HeaderMap, body: B) -> Result<Bytes, Rejection>
    where
        B: hyper::body::Body<Data = Bytes>,
        B::Error: Into<Box<dyn std::error::Error + Send + Sync>>,
    {
        let kind = headers::text(head, &header::CONTENT_TYPE).split(';').next().unwrap_or("").trim();
        if !kind.eq_ignore_ascii_case("text/plain") && !kind.eq_ignore_ascii_case("application/json") {
            return Err(Rejection::MediaType);
        }
        if head.contains_key(header::CONTENT_ENCODING) {
            return Err(Rejection::MediaType);
        }
        let declared = headers::text(head, &header::CONTENT_LENGTH).parse::<usize>();
        if declared.is_ok_and(|bytes| bytes > BODY_MAX) {
            return Err(Rejection::TooLarge);
        }
        match tokio::time::timeout(self.body_deadline, Limited::new(body, BODY_MAX).collect()).await {
            Ok(Ok(body)) => Ok(body.to_bytes()),
            Ok(Err(error)) if error.downcast_ref::<LengthLimitError>().is_some() => Err(Rejection::TooLarge),
            Ok(Err(_)) => Err(Rejection::Abandoned),
            Err(_) => Err(Rejection::TooSlow),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn size<A, B, F: Future>(_: fn(A, B) -> F) -> usize {
        size_of::<F>()
    }

    #[test]
    fn a_request_that_waits_takes_little_room() {
        let bytes = size(answered::<hyper::body::Incoming>);
        // Beyond this the allocator takes four times as long.
        assert!(bytes <= 1_024, "{bytes}");
    }
}

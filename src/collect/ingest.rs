//! Ingest: the steps of one request, in order, for beacons and pixels.
//!
//! [`ingest`] is the only place that has this order. [`arrival`](super::arrival) has the steps after the site is known.

use std::net::IpAddr;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http::{HeaderMap, HeaderValue, header};
use http_body_util::{BodyExt, LengthLimitError, Limited};
use jiff::civil::Date;

use super::arrival::Arrival;
use super::first_identities::random;
use super::{Collector, Site, cookies, headers, limits};
use crate::decode::beacon::{Addressed, BODY_MAX, parse};
use crate::decode::events;
use crate::decode::pixel::PixelQuery;
use crate::metrics::Counted;
use crate::outcome::{Answer, DropReason, Rejection};
use crate::pipeline::{self, Processed};
use crate::secret::Personal;
use crate::spool::Ticket;

/// How long the cookie of an objection lives: 400 days, the most that browsers allow. Each request renews it.
pub const OFF_MAX_AGE_S: i64 = 400 * 86_400;
/// The most bytes of a body that are read only so that its sender gets the answer, and how long that may take.
const DISCARDED_MAX: u64 = 256 * 1024;
const DISCARDED_WITHIN: Duration = Duration::from_secs(4);

/// The content of a request.
pub(super) enum Payload<B> {
    /// The body of a beacon.
    Beacon(B),
    /// The query of a pixel; `None` if it is not a well-formed query.
    Pixel(Option<PixelQuery>),
}

impl Payload<Bytes> {
    fn bytes(&self) -> usize {
        match self {
            Self::Beacon(body) => body.len(),
            Self::Pixel(_) => 0,
        }
    }
}

/// The result of a request that was not refused.
pub(super) struct AcceptedBeacon {
    /// The value of `Tamga-Outcome`.
    pub(super) answer: Answer,
    /// The cookies to set.
    pub(super) set_cookies: Vec<HeaderValue>,
    /// The items to ask the device for.
    pub(super) device: Option<HeaderValue>,
}

impl AcceptedBeacon {
    fn new(answer: Answer, set_cookies: Vec<HeaderValue>) -> Self {
        Self { answer, set_cookies, device: None }
    }
}

/// Takes one request through all steps. `peer` is the address of the connection.
pub(super) async fn ingest<B>(
    collector: &Arc<Collector>,
    head: &HeaderMap,
    peer: Option<IpAddr>,
    payload: Payload<B>,
) -> Result<AcceptedBeacon, Rejection>
where
    B: hyper::body::Body<Data = Bytes>,
    B::Error: Into<Box<dyn std::error::Error + Send + Sync>>,
{
    if let Some(off) = collector.opt_out(head) {
        return Ok(off);
    }
    let client = collector.client(head, peer).map_err(|refused| collector.metrics.reject(refused))?;
    let Some(now_ms) = collector.clock.known_ms() else {
        return Err(collector.metrics.reject(Rejection::NoTime));
    };
    let ticket = collector.spool.enter(now_ms);
    let payload = Box::pin(collector.body(head, payload)).await?;
    // A block of its own: its values are dropped before the request waits for the disk, so the future stays small.
    let (site, today, spooled) = {
        let is_pixel = matches!(payload, Payload::Pixel(_));
        collector.charge(&client, payload.bytes(), 0);
        let (addressed, counted) = collector.parse(payload)?;
        let mut arrival = collector.site(&addressed.site, is_pixel, ticket, counted)?;
        arrival.origin(head)?;
        arrival.site_limit()?;
        arrival.duplicate(&addressed.beacon)?;
        let mut processed = match pipeline::objection(addressed) {
            Err(objection) => *objection,
            Ok(beacon) if arrival.is_count_only(head) => arrival.count_only(head, &beacon),
            Ok(beacon) => {
                let sender = headers::sender(head, client, arrival.arrived_at());
                let key = arrival.key()?;
                let presented = arrival.identity(head, &sender, &beacon, &key)?;
                let processed = if arrival.is_erased(&presented, &key) {
                    pipeline::erased(&beacon)
                } else {
                    arrival.pipeline(beacon, &sender, presented, &key)
                };
                collector.charge(&sender.address, 0, processed.kept.scrubbed_bytes);
                processed
            }
        };
        arrival.visitor_limit(&mut processed);
        arrival.event_limit(&mut processed);
        (arrival.site, arrival.today(), arrival.spool(processed))
    };
    let processed = spooled.await?;
    Ok(collector.answer(site, &processed, today))
}

/// Reads what is left of a body that was refused. A connection that ends before may take the answer with it: a proxy that still
/// sends sees a broken connection, and the page no reason.
pub(super) async fn discard<B: hyper::body::Body<Data = Bytes>>(mut body: Pin<&mut B>) {
    let read = async {
        let mut bytes = 0;
        while bytes + body.size_hint().lower() <= DISCARDED_MAX
            && let Some(Ok(frame)) = body.frame().await
        {
            bytes += frame.data_ref().map_or(0, |data| data.len() as u64);
        }
    };
    // What comes later is not waited for.
    let _ = tokio::time::timeout(DISCARDED_WITHIN, read).await;
}

// === the steps before the site is known, and the answer ===

impl Collector {
    /// Answers a browser with an objection, and renews its cookie. Nothing else of the request is read.
    fn opt_out(self: &Arc<Self>, head: &HeaderMap) -> Option<AcceptedBeacon> {
        let off = self.cookies_off.iter().find(|name| cookies::objects(head, name))?;
        self.metrics.receive(1).dropped(DropReason::Objection, 1);
        let site = self.sites.values().find(|site| site.cookies.off == *off);
        let renewed = site.map(|site| site.cookies.set(off, "1", OFF_MAX_AGE_S));
        Some(AcceptedBeacon::new(Answer::Off, renewed.into_iter().collect()))
    }

    /// Takes further tokens of the client's network for a beacon that costs more than most.
    fn charge(&self, client: &Personal<IpAddr>, body_bytes: usize, scrubbed_bytes: usize) {
        let tokens = limits::tokens(body_bytes, scrubbed_bytes);
        if tokens > 0 {
            self.limits.charge_network(*client.expose(), tokens, self.clock.now_ms());
        }
    }

    /// Reads the body of a beacon, within its limits of type, size and time.
    async fn body<B>(&self, head: &HeaderMap, payload: Payload<B>) -> Result<Payload<Bytes>, Rejection>
    where
        B: hyper::body::Body<Data = Bytes>,
        B::Error: Into<Box<dyn std::error::Error + Send + Sync>>,
    {
        let body = match payload {
            Payload::Beacon(body) => body,
            Payload::Pixel(query) => return Ok(Payload::Pixel(query)),
        };
        let read = self.read(head, body, BODY_MAX).await;
        read.map(Payload::Beacon).map_err(|rejection| self.metrics.reject(rejection))
    }

    /// Reads a body of `most` bytes at most.
    pub(super) async fn read<B>(&self, head: &HeaderMap, body: B, most: usize) -> Result<Bytes, Rejection>
    where
        B: hyper::body::Body<Data = Bytes>,
        B::Error: Into<Box<dyn std::error::Error + Send + Sync>>,
    {
        check_type_and_length(head, most)?;
        match tokio::time::timeout(self.body_deadline, Limited::new(body, most).collect()).await {
            Ok(Ok(body)) => Ok(body.to_bytes()),
            Ok(Err(error)) if error.downcast_ref::<LengthLimitError>().is_some() => Err(Rejection::TooLarge),
            Ok(Err(_)) => Err(Rejection::Abandoned),
            Err(_) => Err(Rejection::TooSlow),
        }
    }

    /// Parses the payload and counts its events as received. The payload is dropped here, because the connection cannot
    /// reuse its buffer before.
    fn parse(self: &Arc<Self>, payload: Payload<Bytes>) -> Result<(Addressed, Counted), Rejection> {
        let parsed = match payload {
            Payload::Beacon(body) => parse(&body),
            Payload::Pixel(query) => {
                query.ok_or(Rejection::Malformed).and_then(|query| {
                    // A pixel has no view id, so each request is a new view.
                    query.addressed(random().ok_or(Rejection::NoKey)?)
                })
            }
        };
        let addressed = parsed.map_err(|rejection| self.metrics.reject(rejection))?;
        let counted = self.metrics.receive(events(&addressed));
        self.metrics.unknown_fields.inc_by(addressed.beacon.unknown_fields.into());
        Ok((addressed, counted))
    }

    /// The configured site of this name.
    fn site<'a>(
        self: &'a Arc<Self>,
        name: &str,
        is_pixel: bool,
        ticket: Ticket,
        mut counted: Counted,
    ) -> Result<Arrival<'a>, Rejection> {
        match self.sites.get(name) {
            Some(site) => Ok(Arrival::new(self, site, is_pixel, ticket, counted)),
            None => Err(counted.rejected(Rejection::UnknownSite)),
        }
    }

    /// The answer once everything is durable.
    fn answer(&self, site: &Site, processed: &Processed, today: Date) -> AcceptedBeacon {
        let names = &site.cookies;
        let no_identity = || names.set(&names.identity, "", 0);
        if processed.objected {
            let off = names.set(&names.off, "1", OFF_MAX_AGE_S);
            return AcceptedBeacon::new(Answer::Off, vec![off, no_identity()]);
        }
        if processed.takes_cookie_back {
            return AcceptedBeacon::new(Answer::Dropped, vec![no_identity()]);
        }
        let identity = processed.cookie.as_ref().filter(|cookie| cookie.is_news()).map(|cookie| {
            let sealed = self.seal.seal(&site.stages.rules.site, cookie);
            names.set(&names.identity, &sealed, cookie.max_age_s(today))
        });
        let answer = if processed.accepted > 0 { Answer::Accepted } else { Answer::Dropped };
        let device = site.device.clone().filter(|_| processed.begins_visit);
        AcceptedBeacon { answer, set_cookies: identity.into_iter().collect(), device }
    }
}

/// Refuses what the header fields show to be of another type, or too long.
fn check_type_and_length(head: &HeaderMap, most: usize) -> Result<(), Rejection> {
    let content_type = headers::text(head, &header::CONTENT_TYPE);
    let media_type = content_type.split(';').next().unwrap_or("").trim();
    let is_known = ["text/plain", "application/json"].iter().any(|known| media_type.eq_ignore_ascii_case(known));
    if !is_known || head.contains_key(header::CONTENT_ENCODING) {
        return Err(Rejection::MediaType);
    }
    let declared = headers::text(head, &header::CONTENT_LENGTH).parse::<usize>();
    if declared.is_ok_and(|bytes| bytes > most) { Err(Rejection::TooLarge) } else { Ok(()) }
}

//! `GET /v1/count.gif`: views from pages without scripts and from places that only take a picture.
//!
//! It never sets or reads the identity cookie: its rows bear a random pseudonym that is never confirmed, so they count as
//! views and not as visitors. The answer is the same picture whatever happened; an objection and `Sec-GPC` are honoured.

use std::sync::Arc;

use axum::body::Body;
use axum::extract::{Query, State};
use axum::response::Response;
use http::{HeaderMap, HeaderValue, Request, header};
use serde::Deserialize;

use super::server::Peer;
use super::{Collector, headers};
use crate::decode::beacon::Addressed;
use crate::decode::url;
use crate::event::{ReceivedBeacon, ReceivedEvent};
use crate::outcome::{DropReason, Rejection};
use crate::pipeline::{self, Presented};
use crate::secret::Personal;

/// A transparent picture of one pixel, GIF89a, 43 bytes.
const PICTURE: &[u8; 43] = b"GIF89a\x01\x00\x01\x00\x80\x00\x00\x00\x00\x00\xff\xff\xff!\xf9\x04\x01\x00\x00\x00\x00,\x00\x00\x00\x00\x01\x00\x01\x00\x00\x02\x02D\x01\x00;";

/// What the picture's address may say.
#[derive(Deserialize)]
pub(super) struct Told {
    site: Option<String>,
    url: Option<String>,
    #[serde(rename = "ref")]
    referrer: Option<String>,
}

/// Counts a view and answers with the picture.
pub(super) async fn get(
    State(collector): State<Arc<Collector>>,
    told: Result<Query<Told>, axum::extract::rejection::QueryRejection>,
    request: Request<Body>,
) -> Response {
    let (head, _) = request.into_parts();
    let peer = head.extensions.get::<Peer>().map(|peer| peer.0.ip());
    match told {
        Ok(Query(told)) => {
            let told = Told {
                // A page that tells no address is the one that shows the picture, if the browser says which.
                url: told.url.or_else(|| Some(headers::text(&head.headers, &header::REFERER).to_owned())),
                ..told
            };
            if let Err(rejection) = collector.count(&head.headers, peer, told).await {
                collector.metrics.reject(rejection);
            }
        }
        Err(_) => collector.metrics.reject(Rejection::Malformed),
    }
    let mut response = Response::new(Body::from(&PICTURE[..]));
    let out = response.headers_mut();
    out.insert(header::CONTENT_TYPE, HeaderValue::from_static("image/gif"));
    out.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    out.insert("cross-origin-resource-policy", HeaderValue::from_static("cross-origin"));
    response
}

impl Collector {
    /// An `Err` has not been counted yet; everything else has.
    async fn count(
        self: &Arc<Self>,
        head: &HeaderMap,
        peer: Option<std::net::IpAddr>,
        told: Told,
    ) -> Result<(), Rejection> {
        let name = told.site.ok_or(Rejection::Malformed)?;
        let site = self.sites.get(&name).ok_or(Rejection::UnknownSite)?;
        let peer = peer.unwrap_or(std::net::IpAddr::V4(std::net::Ipv4Addr::UNSPECIFIED));
        let client = self.proxies.client(peer, head);
        if !self.limits.admit_network(*client.expose(), self.clock.now_ms()) {
            return Err(Rejection::NetworkLimit);
        }
        if !self.limits.admit_site(&name, self.clock.now_ms()) {
            return Err(Rejection::SiteLimit);
        }
        let ticket = self.spool.enter(self.clock.now_ms());
        let arrived_at = jiff::Timestamp::from_millisecond(ticket.arrived_ms()).unwrap_or_default();
        let rules = &site.stages.rules;
        let time = rules.time(arrived_at);

        let page = told.url.map(Personal::new).and_then(|text| url::parse(text.expose()).ok());
        let referrer = told.referrer.map(Personal::new).and_then(|text| url::parse(text.expose()).ok());
        let mut view = [0; 16];
        getrandom::fill(&mut view).map_err(|_| Rejection::NoKey)?;
        let page = page.ok_or(Rejection::OutOfBounds)?;
        let events = vec![ReceivedEvent::View { page, referrer }];
        let view = Personal::new(view);
        let beacon = ReceivedBeacon { view, seq: 0, events, unknown_events: 0, device: None, unknown_fields: 0 };
        let addressed = Addressed { site: name, beacon };

        let mut counted = self.metrics.receive(1);
        if headers::cookie(head, &site.cookies.off) == Some("1") {
            counted.dropped(DropReason::Objection, 1);
            return Ok(());
        }
        let processed = if site.is_asked_to_count_only(head) {
            pipeline::count_only(&addressed, rules, time)
        } else {
            let Ok(key) = self.keys.day_key(&rules.site, time.local.day) else {
                counted.rejected(Rejection::NoKey);
                return Ok(());
            };
            let sender = headers::sender(head, client, arrived_at);
            pipeline::process(addressed, &sender, Presented::Nothing, &site.stages, &key, &self.lookups)
        };
        // The picture is the answer whatever becomes of it.
        let _ = self.settle(ticket, None, counted, (site, time), processed).await;
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    #[test]
    fn the_picture_has_43_bytes_and_the_form_of_a_gif() {
        assert_eq!((super::PICTURE.len(), super::PICTURE[42]), (43, b';'));
    }
}

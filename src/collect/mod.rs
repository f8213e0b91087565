//! The edge: the only room that browsers reach. HTTP comes in, pseudonymous frames go to the spool.
//!
//! Every route and every layer is listed in [`router`]. A beacon is answered `202` only once its rows are on the disk. No
//! answer says why an event was not kept, and no header of an answer identifies anyone but the cookie itself.

mod beacon;
mod client_address;
mod duplicates;
mod headers;
mod pixel;
mod rejection;
mod script;
pub mod server;

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::routing::{get, post};
use http::HeaderValue;
use jiff::tz::TimeZone;

pub use crate::decode::beacon::BODY_MAX;

use crate::clock::Clock;
use crate::config::{self, Config};
use crate::enrich::{Lookups, SiteEnrich, SiteWords};
use crate::event::PseudonymousBeacon;
use crate::items::Items;
use crate::metrics::Metrics;
use crate::outcome::Rejection;
use crate::pipeline::SiteStages;
use crate::privacy::SiteRules;
use crate::privacy::cookie::CookieSeal;
use crate::privacy::keys::KeyRing;
use crate::privacy::scrub::PathRules;
use crate::record;
use crate::spool::{AppendError, Frame, Lane, Ticket, Writer};

/// What the handlers share.
pub struct Collector {
    sites: HashMap<String, Site>,
    origins: Vec<HeaderValue>,
    cookies_off: Vec<String>,
    proxies: client_address::TrustedProxies,
    body_deadline: Duration,
    duplicates: Arc<duplicates::Duplicates>,
    lookups: Lookups,
    seal: CookieSeal,
    keys: Arc<KeyRing>,
    spool: Writer,
    metrics: Arc<Metrics>,
    clock: Clock,
}

/// A site, made ready.
struct Site {
    stages: SiteStages,
    origins: Vec<HeaderValue>,
    cookies: headers::CookieNames,
}

/// What a collector is made of, beside the configuration.
pub struct Parts {
    /// GeoIP and agents.
    pub lookups: Lookups,
    /// The seal of cookies.
    pub seal: CookieSeal,
    /// Day keys.
    pub keys: Arc<KeyRing>,
    /// Where rows go.
    pub spool: Writer,
    /// What is counted.
    pub metrics: Arc<Metrics>,
    /// The time.
    pub clock: Clock,
}

/// Every route of the public listener.
pub fn router(collector: Arc<Collector>) -> Router {
    Router::new()
        .route("/v1/beacon", post(beacon::post).options(beacon::preflight))
        .route("/v1/count.gif", get(pixel::get))
        .route("/tamga.js", get(script::latest))
        .with_state(collector)
}

impl Collector {
    /// Puts a collector together. The configuration has been checked.
    pub fn new(config: &Config, parts: Parts) -> Arc<Self> {
        let sites: HashMap<_, _> = config.sites.iter().map(|site| (site.domain.clone(), Site::new(site))).collect();
        let mut origins: Vec<_> = sites.values().flat_map(|site| site.origins.iter().cloned()).collect();
        origins.dedup();
        let mut cookies_off: Vec<_> = sites.values().map(|site| site.cookies.off.clone()).collect();
        cookies_off.sort();
        cookies_off.dedup();
        let Parts { lookups, seal, keys, spool, metrics, clock } = parts;
        Arc::new(Self {
            sites,
            origins,
            cookies_off,
            proxies: client_address::TrustedProxies::new(config.server.trusted_proxies.clone()),
            body_deadline: Duration::from_secs(config.server.body_deadline_s.into()),
            duplicates: Arc::default(),
            lookups,
            seal,
            keys,
            spool,
            metrics,
            clock,
        })
    }

    /// Makes what is kept durable. Nothing kept is durable at once.
    async fn keep(&self, ticket: Ticket, kept: &PseudonymousBeacon) -> Result<(), Rejection> {
        let rows = record::encode(kept);
        let mut frames = Vec::with_capacity(rows.len());
        let mut count = 0;
        for (lane, rows) in rows {
            let lane = Lane::new(&lane.label()).expect("labels of checked domains have under 256 bytes");
            let mut frame = Frame::new(lane);
            rows.iter().for_each(|row| frame.push(row));
            count += rows.len() as u64;
            frames.push(frame);
        }
        if frames.is_empty() {
            return Ok(());
        }
        ticket.append(frames).await.map_err(|error| match error {
            AppendError::Full | AppendError::Overloaded => Rejection::SpoolFull,
            _ => Rejection::SpoolBroken,
        })?;
        self.metrics.rows_accepted.inc_by(count);
        Ok(())
    }
}

impl Site {
    fn new(site: &config::Site) -> Self {
        let zone = TimeZone::get(&site.time_zone).expect("the configuration was checked");
        let items = Items::of(site.profile.as_deref(), site.items.as_deref()).expect("the configuration was checked");
        let words = SiteWords {
            hosts: site.origins.iter().map(|origin| host_of(origin)).collect(),
            sources: site.campaigns.sources.clone(),
            mediums: site.campaigns.mediums.clone(),
            campaigns: site.campaigns.names.clone(),
            ignored_referrers: site.ignored_referrers.clone(),
            events: site.events.iter().map(|name| (name.clone(), site.variants.clone())).collect(),
        };
        Self {
            stages: SiteStages {
                enrich: SiteEnrich::new(words),
                rules: SiteRules { site: site.domain.as_str().into(), zone, items, paths: PathRules::new(&site.paths) },
            },
            origins: site.origins.iter().filter_map(|origin| HeaderValue::from_str(origin).ok()).collect(),
            cookies: headers::CookieNames::new(&site.domain, site.public_url.starts_with("https://")),
        }
    }
}

/// `https://a.kz:8443` → `a.kz`.
fn host_of(origin: &str) -> String {
    let host = origin.split_once("://").map_or(origin, |(_, host)| host);
    host.rsplit_once(':')
        .filter(|(_, port)| port.bytes().all(|b| b.is_ascii_digit()))
        .map_or(host, |(host, _)| host)
        .to_owned()
}

//! The edge: the only module that browsers reach. It takes HTTP requests and appends pseudonymous frames to the spool.
//!
//! [`router`] lists every route; [`Edge`] serves beacons without a route lookup. [`ingest`] lists the steps of a
//! request. A beacon is answered `202` only after its rows are durable. No answer gives the reason why an event was not
//! kept. The identity cookie is the only header of an answer that identifies a browser. The visitor's own page is of module
//! [`rights`](crate::rights), and asks the edge through [`Decision`] and [`Shown`].

mod append;
mod arrival;
mod beacon;
mod calls;
pub mod client_address;
pub mod contributions;
pub mod cookies;
mod detach_on_drop;
mod duplicates;
mod erased;
mod first_identities;
mod forwarding;
mod headers;
mod hours;
mod ingest;
mod limits;
pub mod listener;
mod outcome_counts;
mod passed_on;
mod pixel;
mod proxy_header;
mod rejection;
mod running_visits;
mod script;
pub mod server;
mod streams;
mod strict_head;
mod threads;
pub mod tls;
mod trial;
mod visitor;

use std::collections::{HashMap, HashSet};
use std::convert::Infallible;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::task::{Context, Poll};
use std::time::Duration;

use axum::Router;
use axum::response::Response;
use axum::routing::{get, post};
use http::{HeaderValue, Method, Request};
use hyper::body::Incoming;
use tower::{Service, ServiceExt};

pub use crate::decode::beacon::BODY_MAX;
pub use calls::Caller;
pub use duplicates::Duplicates;
pub use headers::sender;
pub use hours::{Counts, Hours};
pub use ingest::OFF_MAX_AGE_S;
pub use passed_on::Erasure;
pub use rejection::problem;
pub use script::{Scripts, installation, pinned};
pub use visitor::{Decided, Decision, Shown};

use client_address::TrustedProxies;
use server::HeadTooLarge;

use crate::clock::Clock;
use crate::config::{self, Config, Identification};
use crate::enrich::{Lookups, SiteEnrich, SiteWords};
use crate::items::Items;
use crate::metrics::Metrics;
use crate::outcome::Rejection;
use crate::pipeline::SiteStages;
use crate::privacy::SiteRules;
use crate::privacy::daily_address;
use crate::privacy::keys::KeyRing;
use crate::privacy::pairs::Pair;
use crate::privacy::scrub::PathRules;
use crate::privacy::seal::CookieSeal;
use crate::secret::Secret;
use crate::spool::Writer;
use crate::window::Schedule;

/// The state that all handlers share.
pub struct Collector {
    sites: HashMap<String, Site>,
    origins: HashSet<HeaderValue>,
    cookies_off: Vec<String>,
    proxies: TrustedProxies,
    forwarding: forwarding::Forwarding,
    limits: limits::Limits,
    body_deadline: Duration,
    duplicates: Arc<Duplicates>,
    contributions: Arc<contributions::Contributions>,
    visitors: daily_address::Visitors,
    first_identities: first_identities::FirstIdentities,
    erased: erased::Erased,
    pass_on: passed_on::PassOn,
    hours: Arc<Hours>,
    running_visits: running_visits::RunningVisits,
    lookups: Lookups,
    seal: CookieSeal,
    keys: Arc<KeyRing>,
    spool: Writer,
    metrics: Arc<Metrics>,
    scripts: Scripts,
    outcome_counts: outcome_counts::OutcomeCounts,
    clock: Clock,
    /// The last append failed, and this was logged.
    refusing: AtomicBool,
}

/// A configured site.
struct Site {
    stages: SiteStages,
    origins: Vec<HeaderValue>,
    cookies: cookies::CookieNames,
    streams: streams::StreamKeys,
    identity: Identification,
    dnt: bool,
    /// The items that the device is asked for; `None` if the policy lists none.
    device: Option<HeaderValue>,
}

/// The parts of a collector, beside its configuration.
pub struct Parts {
    pub lookups: Lookups,
    /// The key that seals identity cookies.
    pub seal: CookieSeal,
    pub keys: Arc<KeyRing>,
    /// The key of the hashes by which retries are known.
    pub retry_key: Secret,
    pub spool: Writer,
    pub metrics: Arc<Metrics>,
    pub scripts: Scripts,
    pub clock: Clock,
}

/// Every route of the public listener.
pub fn router(collector: Arc<Collector>) -> Router {
    Router::new()
        .route(BEACON, post(beacon::post).options(beacon::preflight))
        .route("/v1/picture", get(pixel::get))
        .route("/v1/count.gif", get(pixel::get))
        .route("/tamga.js", get(script::get))
        .route("/tamga-device.js", get(script::get))
        .route("/tamga-extras.js", get(script::get))
        .route("/tamga-ports.js", get(script::get))
        .route("/js/{hash}/{file}", get(script::get))
        .with_state(collector)
}

/// In the extensions of an answer: which pages may read it, if not those that may read the answer to a beacon.
#[derive(Clone, Copy)]
enum Read {
    /// Only pages of the collector's own origin.
    Own,
    /// Those that send beacons too, but never with credentials.
    WithoutCredentials,
}

/// The service of the public listener: all routes, and a direct way for beacons. A page may read every answer, so that
/// it learns which of them is final.
#[derive(Clone)]
pub struct Edge {
    collector: Arc<Collector>,
    routes: Router,
}

impl Edge {
    /// Serves this collector.
    pub fn new(collector: Arc<Collector>) -> Self {
        Self { routes: router(collector.clone()), collector }
    }

    /// Serves these routes too. No page of another origin may read their answers.
    pub fn beside(self, routes: Router) -> Self {
        self.also(routes, Read::Own)
    }

    /// Serves these routes too. Pages of configured origins may read their answers, without credentials.
    pub fn beside_without_credentials(self, routes: Router) -> Self {
        self.also(routes, Read::WithoutCredentials)
    }

    fn also(self, routes: Router, read: Read) -> Self {
        let marked = routes.route_layer(axum::middleware::map_response(move |mut answer: Response| {
            answer.extensions_mut().insert(read);
            std::future::ready(answer)
        }));
        Self { routes: self.routes.merge(marked), ..self }
    }
}

impl Service<Request<Incoming>> for Edge {
    type Response = Response;
    type Error = Infallible;
    type Future = Pin<Box<dyn Future<Output = Result<Response, Infallible>> + Send>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: Request<Incoming>) -> Self::Future {
        let collector = self.collector.clone();
        let is_beacon = request.method() == Method::POST && request.uri().path() == BEACON;
        if request.extensions().get::<HeadTooLarge>().is_some() {
            if is_beacon {
                collector.metrics.reject(Rejection::HeadTooLarge);
            }
            let mut refused = rejection::answer(Rejection::HeadTooLarge);
            collector.readers(request.headers()).allow(refused.headers_mut());
            Box::pin(std::future::ready(Ok(refused)))
        } else if is_beacon {
            Box::pin(async move { Ok(beacon::handle(&collector, request).await) })
        } else {
            let readers = collector.readers(request.headers());
            let answer = self.routes.clone().oneshot(request);
            Box::pin(async move {
                let mut answer = answer.await?;
                match answer.extensions().get::<Read>() {
                    None => readers.allow(answer.headers_mut()),
                    Some(Read::WithoutCredentials) => readers.allow_without_credentials(answer.headers_mut()),
                    Some(Read::Own) => {}
                }
                Ok(answer)
            })
        }
    }
}

/// The path of beacons.
const BEACON: &str = "/v1/beacon";

impl Collector {
    /// Builds a collector from a checked configuration.
    pub fn new(config: &Config, parts: Parts) -> Arc<Self> {
        let sites: HashMap<_, _> = config.sites.iter().map(|site| (site.domain.clone(), Site::new(site))).collect();
        let origins = sites.values().flat_map(|site| site.origins.iter().cloned()).collect();
        let mut cookies_off: Vec<_> = sites.values().map(|site| site.cookies.off.clone()).collect();
        cookies_off.sort();
        cookies_off.dedup();
        let hours = Hours::new(sites.values().map(|site| &site.stages.rules).filter_map(|rules| {
            rules.schedule.hours()?;
            Some(rules.site.clone())
        }));
        let Parts { lookups, seal, keys, retry_key, spool, metrics, scripts, clock } = parts;
        Arc::new(Self {
            sites,
            origins,
            cookies_off,
            proxies: TrustedProxies::new(&config.server.trusted_proxies, &config.server.client_address_header),
            forwarding: forwarding::Forwarding::default(),
            limits: limits::Limits::new(&config.limits),
            body_deadline: Duration::from_secs(config.server.body_deadline_s.into()),
            duplicates: Arc::new(Duplicates::new(retry_key, spool.take_remembered(), clock.now_ms())),
            contributions: Arc::default(),
            visitors: daily_address::Visitors::default(),
            first_identities: first_identities::FirstIdentities::default(),
            erased: erased::Erased::default(),
            pass_on: passed_on::PassOn::default(),
            hours: Arc::new(hours),
            running_visits: running_visits::RunningVisits::new(clock.now_ms()),
            lookups,
            seal,
            keys,
            spool,
            metrics,
            scripts,
            outcome_counts: outcome_counts::OutcomeCounts::default(),
            clock,
            refusing: AtomicBool::new(false),
        })
    }
}

impl Collector {
    /// The beacons that were taken, here and by other nodes.
    pub fn duplicates(&self) -> &Duplicates {
        &self.duplicates
    }

    /// What is counted by the hour.
    pub fn hours(&self) -> Arc<Hours> {
        self.hours.clone()
    }
}

impl Site {
    fn new(site: &config::Site) -> Self {
        let stages = stages(site);
        let device = stages.rules.items.device_numbers();
        Self {
            stages,
            origins: site.origins.iter().filter_map(|origin| HeaderValue::from_str(origin).ok()).collect(),
            cookies: cookies::CookieNames::new(&site.domain, site.public_url.starts_with("https://")),
            streams: streams::StreamKeys::default(),
            identity: site.identity,
            dnt: site.dnt,
            device: Some(device)
                .filter(|numbers| !numbers.is_empty())
                .map(|numbers| HeaderValue::try_from(numbers).expect("digits and commas")),
        }
    }
}

/// The part of a site's checked configuration that [`crate::pipeline`] needs.
pub fn stages(site: &config::Site) -> SiteStages {
    let every = site.publish_minutes().expect("the configuration was checked");
    let schedule = Schedule::new(&site.time_zone, every).expect("the configuration was checked");
    let items = Items::of(site.profile.as_deref(), site.items.as_deref()).expect("the configuration was checked");
    let words = SiteWords {
        hosts: site.origins.iter().map(|origin| host_of(origin)).collect(),
        sources: site.campaigns.sources.clone(),
        mediums: site.campaigns.mediums.clone(),
        campaigns: site.campaigns.names.clone(),
        ignored_referrers: site.ignored_referrers.clone(),
        events: site.events.iter().map(|name| (name.clone(), site.variants.clone())).collect(),
    };
    SiteStages {
        enrich: SiteEnrich::new(words),
        drop_suspects: site.drop_suspects.clone(),
        rules: SiteRules {
            site: site.domain.as_str().into(),
            schedule,
            items,
            counts_visitors: site.identity != Identification::None,
            pairs: site.pairs.iter().filter_map(|pair| Pair::new(pair.first()?, pair.get(1)?)).collect(),
            policy_version: site.policy_version.clone().unwrap_or_default(),
            paths: PathRules::new(&site.paths),
        },
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

//! Adds what the server can know: where the sender is, what it uses, whether it is a program, and how the visit began.
//!
//! [`beacon`] is pure: it reads no clock, no file and no network, and the same input gives the same answer. All tables
//! are in memory, in [`Lookups`]. It drops what does not belong to the site (pages of other hosts, exits that stay on the
//! site, events that the configuration does not list) and gives the reason of each. It names bots and does not drop them.

mod bots;
pub mod client;
mod device;
pub mod geoip;
pub mod referrer;
pub mod site;
mod version;

pub use self::client::Clients;
pub use self::device::entries as device_entries;
pub use self::geoip::{GeoError, GeoIp};
pub use self::site::{SiteEnrich, SiteWords};

use std::sync::Arc;

use self::referrer::{entry, registrable_domain};
use self::site::OTHER;
use crate::event::{
    Automation, BY_DEVICE, EnrichedBeacon, EnrichedEvent, PageUrl, ReceivedBeacon, ReceivedEvent, Sender,
};
use crate::outcome::DropReason;
use crate::secret::Personal;

/// The tables of enrichment; one for the process.
pub struct Lookups {
    /// Where addresses are. Its files may be exchanged meanwhile.
    pub geo: Arc<GeoIp>,
    /// What agents are.
    pub clients: Clients,
}

impl Lookups {
    /// Compiles the tables; takes some hundredths of a second.
    pub fn new(geo: impl Into<Arc<GeoIp>>) -> Self {
        Self { geo: geo.into(), clients: Clients::new() }
    }
}

/// A beacon after enrichment, and the outcome of each event that ended here.
pub struct Enriched {
    /// The events that go on.
    pub beacon: EnrichedBeacon,
    /// How many events ended here, by the reason of each. An event is in `beacon` or in here: [`enriched`] returns one of both.
    pub ended: Vec<(DropReason, u32)>,
}

/// Adds to a beacon what the server can know. Objections and consents are expected to have ended before.
pub fn beacon(received: ReceivedBeacon, sender: &Sender, lookups: &Lookups, site: &SiteEnrich) -> Enriched {
    let ReceivedBeacon { view, seq, events, unknown_events, device, unknown_fields: _ } = received;
    let mut ended = Vec::new();
    if unknown_events > 0 {
        ended.push((DropReason::UnknownEvent, unknown_events));
    }
    let mut kept = Vec::with_capacity(events.len());
    for event in events {
        match enriched(event, site) {
            Ok(event) => kept.push(event),
            Err(reason) => ended.push((reason, 1)),
        }
    }
    let (client, mut automation) = lookups.clients.classify(sender);
    let device = device.map(|device| device::classes(device, &client));
    if automation == Automation::None && device.as_ref().is_some_and(|device| device.automated) {
        automation = Automation::Suspect(BY_DEVICE);
    }
    let place = lookups.geo.lookup(*sender.address.expose());
    Enriched { beacon: EnrichedBeacon { view, seq, events: kept, place, client, automation, device }, ended }
}

/// The event with what the server can know of it, or the reason for which it ends here.
fn enriched(event: ReceivedEvent, site: &SiteEnrich) -> Result<EnrichedEvent, DropReason> {
    match event {
        ReceivedEvent::View { page, referrer } if site.owns(page.host.expose()) => {
            let entry = entry(&page, referrer.as_ref(), site);
            let previous_path = referrer.filter(|referrer| is_known_page(referrer, &page, site)).map(|page| page.path);
            Ok(EnrichedEvent::View { path: page.path, previous_path, entry })
        }
        ReceivedEvent::View { .. } => Err(DropReason::ForeignPage),
        ReceivedEvent::Engage { engaged_ms } => Ok(EnrichedEvent::Engage { engaged_ms }),
        ReceivedEvent::Exit { to } if site.owns(to.host.expose()) => Err(DropReason::InternalExit),
        ReceivedEvent::Exit { to } => {
            let domain = registrable_domain(to.host.expose()).unwrap_or(OTHER).to_owned();
            Ok(EnrichedEvent::Exit { domain })
        }
        ReceivedEvent::Named { name, variant } => listed(name, variant, site).ok_or(DropReason::UnknownEvent),
        ReceivedEvent::Search { query } => Ok(EnrichedEvent::Search { query }),
        ReceivedEvent::Error { message } => Ok(EnrichedEvent::Error { message }),
        ReceivedEvent::Object => Err(DropReason::Objection),
        ReceivedEvent::Consent { .. } => Err(DropReason::NoConsent),
    }
}

/// Whether a referrer says which page of the site it was. Of a page on another host of the site, browsers give the host
/// alone: that is not its first page.
fn is_known_page(referrer: &PageUrl, page: &PageUrl, site: &SiteEnrich) -> bool {
    let (from, to) = (referrer.host.expose(), page.host.expose());
    site.owns(from) && (from == to || referrer.path.expose() != "/")
}

/// A name that the site does not list may be anything, so it is overwritten on its way out.
fn listed(name: String, variant: Option<String>, site: &SiteEnrich) -> Option<EnrichedEvent> {
    let (name, variant) = (Personal::new(name), variant.map(Personal::new));
    let (name, variant) = site.event(name.expose(), variant.as_ref().map(|variant| variant.expose().as_str()))?;
    Some(EnrichedEvent::Named { name, variant })
}

#[cfg(test)]
mod tests {
    use std::net::IpAddr;

    use jiff::Timestamp;

    use super::*;
    use crate::event::{Automation, Entry};

    fn page(raw: &str) -> PageUrl {
        crate::decode::url::parse(raw).expect("a page")
    }

    fn sender(address: &str) -> Sender {
        let agent = "Mozilla/5.0 (X11; Linux x86_64; rv:143.0) Gecko/20100101 Firefox/143.0";
        Sender {
            arrived_at: Timestamp::UNIX_EPOCH,
            address: Personal::new(address.parse::<IpAddr>().expect("an address")),
            user_agent: Personal::new(agent.to_owned()),
            brands: Personal::new(String::new()),
            platform: Personal::new(String::new()),
            mobile: false,
            has_language: true,
            has_fetch_metadata: true,
        }
    }

    fn site() -> SiteEnrich {
        SiteEnrich::new(SiteWords {
            hosts: ["JetPay.kz", "pay.jetpay.kz", "jetpay.ru"].map(str::to_owned).to_vec(),
            events: vec![("paid".to_owned(), vec!["card".to_owned()])],
            ..SiteWords::default()
        })
    }

    fn run(events: Vec<ReceivedEvent>) -> Enriched {
        let view = Personal::new([7; 16]);
        let received = ReceivedBeacon { view, seq: 3, events, unknown_events: 2, device: None, unknown_fields: 0 };
        let geo = GeoIp::open(&[geoip::tests::fixture("city-nested.mmdb")], &[geoip::tests::fixture("asn.mmdb")]);
        beacon(received, &sender("198.18.0.9"), &Lookups::new(geo.expect("fixtures open")), &site())
    }

    #[test]
    fn a_beacon_gains_place_client_and_origin() {
        let referrer = Some(page("https://www.google.kz/"));
        let view = ReceivedEvent::View { page: page("https://jetpay.kz/tariffs?token=1"), referrer };
        let Enriched { beacon, ended } = run(vec![view, ReceivedEvent::Engage { engaged_ms: 900 }]);
        assert_eq!((*beacon.view.expose(), beacon.seq), ([7; 16], 3));
        assert_eq!((&*beacon.place.country, &*beacon.place.region), ("KZ", "Almaty"));
        assert_eq!(&*beacon.place.provider, "Kazakhtelecom");
        assert_eq!((beacon.client.browser, beacon.client.browser_major), ("Firefox", 143));
        assert_eq!(beacon.automation, Automation::None);
        assert_eq!(ended, [(DropReason::UnknownEvent, 2)]);
        let [EnrichedEvent::View { path, previous_path, entry }, EnrichedEvent::Engage { engaged_ms: 900 }] =
            &beacon.events[..]
        else {
            panic!("two events of their kinds")
        };
        assert_eq!(path.expose(), "/tariffs");
        assert!(previous_path.is_none());
        let expected = Entry { channel: "search", source: "google.kz".to_owned(), ..Entry::default() };
        assert_eq!(*entry, expected);
    }

    #[test]
    fn a_page_of_the_same_site_is_the_previous_path_and_no_source() {
        let referrer = Some(page("https://jetpay.kz/docs/start"));
        let Enriched { beacon, .. } = run(vec![ReceivedEvent::View { page: page("https://jetpay.kz/"), referrer }]);
        let [EnrichedEvent::View { previous_path: Some(previous), entry, .. }] = &beacon.events[..] else {
            panic!("one view with a previous path")
        };
        assert_eq!(previous.expose(), "/docs/start");
        assert_eq!(*entry, Entry { channel: "internal", ..Entry::default() });
    }

    #[test]
    fn of_a_page_on_another_host_of_the_site_the_path_is_known_only_if_the_browser_says_it() {
        for (from, expected) in [
            ("https://jetpay.kz/", Some("/")),
            ("https://pay.jetpay.kz/", None),
            ("https://jetpay.ru/", None),
            ("https://jetpay.ru/docs", Some("/docs")),
        ] {
            let view = ReceivedEvent::View { page: page("https://jetpay.kz/a"), referrer: Some(page(from)) };
            let Enriched { beacon, .. } = run(vec![view]);
            let [EnrichedEvent::View { previous_path, entry, .. }] = &beacon.events[..] else { panic!("one view") };
            assert_eq!(previous_path.as_ref().map(|path| path.expose().as_str()), expected, "{from}");
            assert_eq!(entry.channel, "internal", "{from}");
        }
    }

    #[test]
    fn what_is_not_the_sites_ends_here_and_is_counted() {
        let named = |name: &str, variant: Option<&str>| ReceivedEvent::Named {
            name: name.to_owned(),
            variant: variant.map(str::to_owned),
        };
        let exit = |to: &str| ReceivedEvent::Exit { to: page(to) };
        let Enriched { beacon, ended } = run(vec![
            ReceivedEvent::View { page: page("https://evil.kz/"), referrer: None },
            ReceivedEvent::View { page: page("android-app://jetpay.kz/"), referrer: None },
            exit("https://jetpay.kz/pay"),
            exit("https://pay.kaspi.kz/order/1?sum=2"),
            exit("https://192.0.2.1/"),
            named("paid", None),
            named("paid", Some("card")),
            named("paid", Some("user-4711")),
            named("login", None),
            ReceivedEvent::Object,
        ]);
        use DropReason::{ForeignPage, InternalExit, Objection, UnknownEvent};
        let one_each = [ForeignPage, ForeignPage, InternalExit, UnknownEvent, Objection].map(|reason| (reason, 1));
        assert_eq!(ended, [&[(UnknownEvent, 2)], &one_each[..]].concat());
        let kept: Vec<String> = beacon
            .events
            .iter()
            .map(|event| match event {
                EnrichedEvent::Exit { domain } => domain.clone(),
                EnrichedEvent::Named { name, variant } => format!("{name}={variant}"),
                _ => "unexpected".to_owned(),
            })
            .collect();
        assert_eq!(kept, ["kaspi.kz", "other", "paid=", "paid=card", "paid=other"]);
    }
}

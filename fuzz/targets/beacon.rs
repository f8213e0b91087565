//! The whole journey of a body: what is refused is the sender's fault, and of what is taken each event has one outcome.

use std::path::Path;
use std::sync::LazyLock;

use tamga::collect::stages;
use tamga::config::Config;
use tamga::decode::{self, beacon::parse};
use tamga::enrich::{GeoIp, Lookups};
use tamga::event::Sender;
use tamga::pipeline::{self, Presented, SiteStages};
use tamga::privacy::cookie::Browser;
use tamga::privacy::pseudonym::DayKey;
use tamga::record;
use tamga::secret::{Personal, Secret};

struct World {
    site: SiteStages,
    lookups: Lookups,
    key: DayKey,
}

static WORLD: LazyLock<World> = LazyLock::new(|| {
    let config = Config::parse(Config::example(), Path::new("tamga.toml"), std::iter::empty()).expect("it is sound");
    let lookups = Lookups::new(GeoIp::open(&[], &[]).expect("no files"));
    World { site: stages(&config.sites[0]), lookups, key: DayKey::new(Secret::new([7; 32])) }
});

/// A body.
pub(crate) fn run(data: &[u8]) {
    let addressed = match parse(data) {
        Ok(addressed) => addressed,
        Err(refused) => return assert!((400..500).contains(&refused.status()), "{refused:?}"),
    };
    // The other reader of JSON is stricter in what we leave unread.
    if let Ok(value) = serde_json::from_slice::<serde_json::Value>(data) {
        assert_eq!(value["site"].as_str(), Some(addressed.site.as_str()));
    }
    let events = decode::events(&addressed);
    let personal = |text: &str| Personal::new(text.to_owned());
    let sender = Sender {
        arrived_at: jiff::Timestamp::from_second(1_795_327_200).expect("in range"),
        address: Personal::new([198, 18, 0, 9].into()),
        user_agent: personal("Mozilla/5.0 (X11; Linux x86_64; rv:143.0) Gecko/20100101 Firefox/143.0"),
        brands: personal(""),
        platform: personal(""),
        mobile: false,
        has_language: true,
        has_fetch_metadata: true,
    };
    let World { site, lookups, key } = &*WORLD;
    let processed = match pipeline::objection(addressed) {
        Ok(beacon) => {
            let (presented, time) = (Presented::View(Browser::new([1; 16])), site.rules.time(sender.arrived_at));
            pipeline::process(beacon, &sender, presented, site, time, key, lookups)
        }
        Err(objection) => *objection,
    };
    let dropped: u32 = processed.dropped.iter().map(|(_, events)| events).sum();
    assert_eq!(processed.accepted + dropped, events, "each event has one outcome");
    for (_, rows) in record::encode(&processed.kept) {
        assert!(rows.iter().all(|row| row.len() < 4096), "a row is bounded");
    }
}

//! The shapes of a beacon's data, named for the state they are in: received, then enriched.
//!
//! Both hold data that identifies the sender, inside [`Personal`]. They live in memory, for one request. The third state,
//! pseudonymous, is in `privacy`, because only that module may make it.

pub(crate) mod day;
mod device;

use std::borrow::Cow;
use std::net::IpAddr;
use std::sync::Arc;

use jiff::Timestamp;
use jiff::civil::Date;
use smol_str::SmolStr;

use crate::secret::Personal;

pub use device::{Absence, Digest, EnrichedDevice, ReceivedDevice, Reported, Screen, Sign, Trait};

/// Who sent a request, as far as the transport shows.
pub struct Sender {
    /// When the request arrived. No client clock is trusted.
    pub arrived_at: Timestamp,
    /// The client's address, seen through the trusted proxies.
    pub address: Personal<IpAddr>,
    /// `User-Agent`; empty when absent.
    pub user_agent: Personal<String>,
    /// `Sec-CH-UA`: the brands that a Chromium browser names itself by; empty when absent.
    pub brands: Personal<String>,
    /// `Sec-CH-UA-Platform`, unquoted; empty when absent.
    pub platform: Personal<String>,
    /// `Sec-CH-UA-Mobile` was `?1`.
    pub mobile: bool,
    /// An `Accept-Language` header was sent, as every browser does.
    pub has_language: bool,
    /// `Sec-Fetch-*` headers were sent, as every current browser does on secure or loopback origins.
    pub has_fetch_metadata: bool,
}

/// A beacon that is well-formed and within its limits, still identifying.
pub struct ReceivedBeacon {
    /// The view id: 128 random bits.
    pub view: Personal<[u8; 16]>,
    /// The beacon's number within its view, from 0.
    pub seq: u16,
    /// What happened, in the order sent.
    pub events: Vec<ReceivedEvent>,
    /// How many events of unknown type were discarded unread.
    pub unknown_events: u32,
    /// What the device says of itself, when it was asked.
    pub device: Option<ReceivedDevice>,
    /// How many fields of the device part were discarded: unknown, or outside their limits.
    pub unknown_fields: u32,
}

/// One event of a beacon, still identifying.
pub enum ReceivedEvent {
    /// A page was opened.
    View {
        /// The page.
        page: PageUrl,
        /// Where the visitor came from, if the browser says.
        referrer: Option<PageUrl>,
    },
    /// How long the page was visible and focused since it was opened, in milliseconds, cumulative.
    Engage {
        /// Milliseconds.
        engaged_ms: u32,
    },
    /// A link to another host was followed.
    Exit {
        /// Where it leads.
        to: PageUrl,
    },
    /// An event that the page's own script names.
    Named {
        /// `[a-z0-9_.-]{1,64}`; kept only if the site's configuration lists it.
        name: String,
        /// Likewise.
        variant: Option<String>,
    },
    /// The site was searched.
    Search {
        /// The words, as typed.
        query: Personal<String>,
    },
    /// A script of the page failed.
    Error {
        /// The message, as thrown.
        message: Personal<String>,
    },
    /// The visitor gave or refused consent on the page.
    Consent {
        /// It was given.
        granted: bool,
    },
    /// The visitor objected on the page.
    Object,
}

/// A URL in parts. The raw string is not kept; user info and fragment are gone.
pub struct PageUrl {
    /// Lower-case host name in its ASCII form, without port; of an application, [`PageUrl::APP_PREFIX`] and its id.
    pub host: Personal<String>,
    /// The path, still percent-encoded, at least `/`.
    pub path: Personal<String>,
    /// `utm_source`, `utm_medium`, `utm_campaign`, decoded, where present. No other parameter is kept.
    pub campaign: CampaignParameters,
    /// A parameter was present that advertising networks add to paid clicks (`gclid`, `yclid` …), or the snippet says that
    /// one was; its value is not kept.
    pub paid_click: bool,
}

impl PageUrl {
    /// What stands before the id of an Android application that is a referrer. A colon cannot be part of a host name, so
    /// that `com.example.app` is never taken for a page on `example.app`.
    pub const APP_PREFIX: &str = "android-app:";
}

/// The campaign parameters of a URL.
#[derive(Default)]
pub struct CampaignParameters {
    /// `utm_source`.
    pub source: Option<Personal<String>>,
    /// `utm_medium`.
    pub medium: Option<Personal<String>>,
    /// `utm_campaign`.
    pub campaign: Option<Personal<String>>,
}

/// Where a sender is, by the GeoIP data. Empty strings when unknown.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Place {
    /// ISO 3166-1 alpha-2, upper case, or empty.
    pub country: SmolStr,
    /// The region's English name, or its ISO 3166-2 part where the data has no name, or empty.
    pub region: SmolStr,
    /// The organisation that announces the address, or empty.
    pub provider: SmolStr,
}

/// The browser class, the operating system and the kind of device. Versions are majors only.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Client {
    /// A family such as `Chrome`, `Safari`, `Yandex Browser`; `other` when unknown.
    pub browser: &'static str,
    /// Major version; 0 when unknown.
    pub browser_major: u16,
    /// A family such as `Windows`, `Android`, `iOS`, `macOS`, `Linux`, `HarmonyOS`; `other` when unknown.
    pub os: &'static str,
    /// `desktop`, `phone`, `tablet`, `tv`, `console`, or `other`.
    pub device: &'static str,
    /// The system with its version, `Android 14`; without one where the headers do not say the true one.
    pub os_version: &'static str,
    /// A class such as `Samsung Galaxy A`, `Apple iPhone`, `computer`; `other` when unknown.
    pub model: &'static str,
}

#[cfg(test)]
impl Client {
    /// A telephone, for tests.
    pub const PHONE: Self = Self {
        browser: "Chrome",
        browser_major: 150,
        os: "Android",
        device: "phone",
        os_version: "Android 14",
        model: "other",
    };
}

/// What the headers say of automation.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Automation {
    /// Nothing speaks for it.
    None,
    /// The user agent names itself a bot, a tool or a monitor; the class (`search`, `ai`, `monitor`, `tool` …).
    Declared(&'static str),
    /// Evidence without a declaration: kept, flagged with the reason, published apart.
    Suspect(&'static str),
}

/// The reason of suspicion when the evidence is the device's own.
pub const BY_DEVICE: &str = "device";

/// How a visit began.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Entry {
    /// `direct`, `search`, `social`, `messenger`, `email`, `ai`, `paid`, `referral`, `campaign`, or `internal`.
    pub channel: &'static str,
    /// The referrer's registrable domain, or the site's own word for `utm_source`; empty for `direct` and `internal`.
    pub source: String,
    /// The site's own word for `utm_medium`, or empty.
    pub medium: String,
    /// The site's own word for `utm_campaign`, or empty.
    pub campaign: String,
}

/// A beacon with what the server can know of its sender, still identifying.
pub struct EnrichedBeacon {
    /// As received.
    pub view: Personal<[u8; 16]>,
    /// As received.
    pub seq: u16,
    /// As received, each with what its URLs say.
    pub events: Vec<EnrichedEvent>,
    /// Where the sender is.
    pub place: Place,
    /// What the sender uses.
    pub client: Client,
    /// Whether a program sent it.
    pub automation: Automation,
    /// What the device says of itself, in classes.
    pub device: Option<EnrichedDevice>,
}

/// One event with what the server can know of it, still identifying.
pub enum EnrichedEvent {
    /// A page was opened.
    View {
        /// Its path, raw.
        path: Personal<String>,
        /// The path before it, raw, when the referrer was a page of the same site.
        previous_path: Option<Personal<String>>,
        /// How a visit that begins with this view began.
        entry: Entry,
    },
    /// Cumulative engaged time in milliseconds.
    Engage {
        /// Milliseconds.
        engaged_ms: u32,
    },
    /// A link to another host was followed.
    Exit {
        /// The host's registrable domain.
        domain: String,
    },
    /// An event that the site's configuration lists.
    Named {
        /// Its name.
        name: Arc<str>,
        /// Its variant, or empty.
        variant: Arc<str>,
    },
    /// The site was searched.
    Search {
        /// The words, raw.
        query: Personal<String>,
    },
    /// A script of the page failed.
    Error {
        /// The message, raw.
        message: Personal<String>,
    },
}

/// A count without any pseudonym.
pub struct Tally {
    /// The site's domain as configured.
    pub site: Arc<str>,
    /// The site-local day.
    pub day: Date,
    /// The end of the publishing window, in seconds since 1970.
    pub window_end: i64,
    /// What is counted: `count_only`, or the class of a declared bot as `bot:search` …
    pub reason: Cow<'static, str>,
    /// How many events.
    pub count: u32,
}

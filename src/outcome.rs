//! Outcomes of events: the closed lists of reasons, and the HTTP status of each rejection.
//!
//! `received = accepted + dropped + rejected`, counted in events. A beacon that cannot be decoded is one rejected event.
//! Reasons appear in the operator's metrics. The sender gets only the status, or the word of [`Answer`].

/// The signs of automation in the header fields of a request. They flag a suspect; events are dropped only if the site
/// says so.
pub const SUSPICIONS: [&str; 5] = ["no_agent", "headless", "no_language", "no_fetch_metadata", "platform_mismatch"];

/// Why an event was not kept although nothing was wrong with the request.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum DropReason {
    /// A beacon with this view id and number was accepted within 30 minutes before: this one is a retry.
    Duplicate,
    /// The user agent says that it is a bot.
    DeclaredBot,
    /// `Sec-GPC: 1` (or DNT, if configured): the view is counted for the site and day, and nothing else is kept.
    CountOnly,
    /// The browser fetches the picture ahead of a visit, or for a preview.
    Prefetch,
    /// The visitor objected: the cookie `…-off=1`, or an `object` event.
    Objection,
    /// The visitor has had its rows erased, and this beacon was under way.
    Erased,
    /// This version does not know the type of the event, or the site does not declare its name.
    UnknownEvent,
    /// The event breaks a limit of the schema. The other events of its beacon are kept.
    InvalidEvent,
    /// The host of the page is not one of the site's origins.
    ForeignPage,
    /// The followed link stayed on the site.
    InternalExit,
    /// The site's policy does not list the item that the event belongs to.
    NotInPolicy,
    /// The visitor refused consent in the same beacon.
    NoConsent,
    /// The site drops suspects with this sign of automation, or the event has no column for the flag.
    Suspect,
    /// The visitor has reached its rate limit.
    VisitorLimit,
    /// The visitor has sent as many events of this name today as one may add.
    EventLimit,
    /// The text of a search or an error is empty after scrubbing.
    EmptyAfterScrub,
}

impl DropReason {
    /// All reasons, in a stable order.
    pub const ALL: [Self; 16] = [
        Self::Duplicate,
        Self::DeclaredBot,
        Self::CountOnly,
        Self::Prefetch,
        Self::Objection,
        Self::Erased,
        Self::UnknownEvent,
        Self::InvalidEvent,
        Self::ForeignPage,
        Self::InternalExit,
        Self::NotInPolicy,
        Self::NoConsent,
        Self::Suspect,
        Self::VisitorLimit,
        Self::EventLimit,
        Self::EmptyAfterScrub,
    ];

    /// The name in metrics and tallies.
    pub fn name(self) -> &'static str {
        match self {
            Self::Duplicate => "duplicate",
            Self::DeclaredBot => "declared_bot",
            Self::CountOnly => "count_only",
            Self::Prefetch => "prefetch",
            Self::Objection => "objection",
            Self::Erased => "erased",
            Self::UnknownEvent => "unknown_event",
            Self::InvalidEvent => "invalid_event",
            Self::ForeignPage => "foreign_page",
            Self::InternalExit => "internal_exit",
            Self::NotInPolicy => "not_in_policy",
            Self::NoConsent => "no_consent",
            Self::Suspect => "suspect",
            Self::VisitorLimit => "visitor_limit",
            Self::EventLimit => "event_limit",
            Self::EmptyAfterScrub => "empty_after_scrub",
        }
    }
}

/// Why a request was refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Rejection {
    /// The body is not the JSON of a beacon.
    Malformed,
    /// The JSON is a beacon's, but a value of the beacon itself, or of each of its events, is outside its limits.
    OutOfBounds,
    /// A beacon version that this collector does not speak.
    UnknownVersion,
    /// No such site is configured.
    UnknownSite,
    /// The site does not list the `Origin`.
    ForeignOrigin,
    /// The body is larger than 64 KiB.
    TooLarge,
    /// The request line and the header fields are larger than 64 KiB, or there are more than 128 fields.
    HeadTooLarge,
    /// Neither `text/plain` nor `application/json`.
    MediaType,
    /// The spool is at its quota, or its disk is too slow. The sender should retry later.
    SpoolFull,
    /// The spool's disk is full.
    DiskFull,
    /// The spool's disk fails.
    SpoolBroken,
    /// The body did not arrive in time.
    TooSlow,
    /// Another request is writing the same beacon now. The sender should retry to learn its outcome.
    InFlight,
    /// The key of the site's day cannot be read or made.
    NoKey,
    /// Nobody knows the day: the machine was restarted, and its clock shows an impossible time.
    NoTime,
    /// The client went away before the outcome was known.
    Abandoned,
    /// More requests from one network than are allowed.
    NetworkLimit,
    /// More requests for one site than are allowed.
    SiteLimit,
}

impl Rejection {
    /// All rejections, in a stable order.
    pub const ALL: [Self; 18] = [
        Self::Malformed,
        Self::OutOfBounds,
        Self::UnknownVersion,
        Self::UnknownSite,
        Self::ForeignOrigin,
        Self::TooLarge,
        Self::HeadTooLarge,
        Self::MediaType,
        Self::SpoolFull,
        Self::DiskFull,
        Self::SpoolBroken,
        Self::TooSlow,
        Self::InFlight,
        Self::NoKey,
        Self::NoTime,
        Self::Abandoned,
        Self::NetworkLimit,
        Self::SiteLimit,
    ];

    /// The name in metrics.
    pub fn name(self) -> &'static str {
        match self {
            Self::Malformed => "malformed",
            Self::OutOfBounds => "out_of_bounds",
            Self::UnknownVersion => "unknown_version",
            Self::UnknownSite => "unknown_site",
            Self::ForeignOrigin => "foreign_origin",
            Self::TooLarge => "too_large",
            Self::HeadTooLarge => "head_too_large",
            Self::MediaType => "media_type",
            Self::SpoolFull => "spool_full",
            Self::DiskFull => "disk_full",
            Self::SpoolBroken => "spool_broken",
            Self::TooSlow => "too_slow",
            Self::InFlight => "in_flight",
            Self::NoKey => "no_key",
            Self::NoTime => "no_time",
            Self::Abandoned => "abandoned",
            Self::NetworkLimit => "network_limit",
            Self::SiteLimit => "site_limit",
        }
    }

    /// The HTTP status (RFC 9110); the answer's body is problem JSON (RFC 9457) that never echoes input.
    pub fn status(self) -> u16 {
        match self {
            Self::Malformed | Self::UnknownVersion => 400,
            Self::UnknownSite | Self::ForeignOrigin => 403,
            Self::TooSlow | Self::Abandoned => 408,
            Self::TooLarge => 413,
            Self::MediaType => 415,
            Self::OutOfBounds => 422,
            Self::NetworkLimit | Self::SiteLimit => 429,
            Self::HeadTooLarge => 431,
            Self::SpoolFull | Self::DiskFull | Self::SpoolBroken | Self::InFlight | Self::NoKey | Self::NoTime => 503,
        }
    }

    /// One sentence for the sender of the request.
    pub fn public_message(self) -> &'static str {
        match self {
            Self::Malformed => "The body is not a beacon: it must be the JSON object that schema/wire describes.",
            Self::OutOfBounds => "A value of the beacon is outside the limits that schema/wire gives.",
            Self::UnknownVersion => "This collector speaks beacon version 1.",
            Self::UnknownSite => "No such site is configured here.",
            Self::ForeignOrigin => "The site does not list this origin.",
            Self::TooLarge => "A beacon holds at most 64 KiB.",
            Self::HeadTooLarge => "A request's head holds at most 64 KiB and 128 fields; are there too many cookies?",
            Self::MediaType => "A beacon is sent as text/plain or application/json.",
            Self::SpoolFull | Self::DiskFull | Self::SpoolBroken | Self::InFlight | Self::NoKey | Self::NoTime => {
                "The collector cannot store anything right now; try again later."
            }
            Self::NetworkLimit | Self::SiteLimit => "There are too many requests; try again later.",
            Self::TooSlow | Self::Abandoned => "The body did not arrive in time.",
        }
    }
}

/// The levels of a verdict of account protection, in rising order.
pub const LEVELS: [&str; 4] = ["low", "elevated", "high", "critical"];

/// The coarse reasons of a verdict, in the order in which they are named. `schema/lists/verdict.toml` says what each counts.
pub const REASONS: [&str; 13] = [
    "agent",
    "automation",
    "bot",
    "display",
    "headers",
    "headless",
    "hosting",
    "input",
    "languages",
    "location",
    "rate",
    "remote_control",
    "tampered",
];

/// Why a call of account protection got no verdict.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Refusal {
    /// The edge refused it, or its body is not that of a call.
    Edge(Rejection),
    /// The site offers no account protection.
    NotOffered,
}

impl Refusal {
    /// All refusals, in the order of their statuses.
    pub const ALL: [Self; 14] = [
        Self::Edge(Rejection::Malformed),
        Self::Edge(Rejection::UnknownVersion),
        Self::Edge(Rejection::UnknownSite),
        Self::Edge(Rejection::ForeignOrigin),
        Self::NotOffered,
        Self::Edge(Rejection::TooSlow),
        Self::Edge(Rejection::Abandoned),
        Self::Edge(Rejection::TooLarge),
        Self::Edge(Rejection::MediaType),
        Self::Edge(Rejection::OutOfBounds),
        Self::Edge(Rejection::NetworkLimit),
        Self::Edge(Rejection::SiteLimit),
        Self::Edge(Rejection::NoKey),
        Self::Edge(Rejection::NoTime),
    ];

    /// The name in metrics.
    pub fn name(self) -> &'static str {
        match self {
            Self::Edge(rejection) => rejection.name(),
            Self::NotOffered => "not_offered",
        }
    }

    /// The HTTP status.
    pub fn status(self) -> u16 {
        match self {
            Self::Edge(rejection) => rejection.status(),
            Self::NotOffered => 403,
        }
    }

    /// One sentence for the sender of the call.
    pub fn public_message(self) -> &'static str {
        match self {
            Self::NotOffered => "The site offers no account protection.",
            Self::Edge(Rejection::Malformed) => {
                "The body is not a call for a verdict: it must be the JSON object that schema/wire describes."
            }
            Self::Edge(Rejection::UnknownVersion) => "This collector speaks version 1 of calls for a verdict.",
            Self::Edge(Rejection::OutOfBounds) => "Site or nonce are outside the limits that schema/wire gives.",
            Self::Edge(Rejection::TooLarge) => "A call for a verdict holds at most 16 KiB.",
            Self::Edge(Rejection::MediaType) => "A call for a verdict is sent as text/plain or application/json.",
            Self::Edge(Rejection::NoKey | Rejection::NoTime) => {
                "The collector cannot sign anything right now; try again later."
            }
            Self::Edge(other) => other.public_message(),
        }
    }
}

impl From<Rejection> for Refusal {
    fn from(rejection: Rejection) -> Self {
        Self::Edge(rejection)
    }
}

/// The value of the header `Tamga-Outcome`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Answer {
    /// At least one event was kept.
    Accepted,
    /// No event was kept. The reason is in the metrics.
    Dropped,
    /// The visitor objected: the snippet stops.
    Off,
}

impl Answer {
    /// The header's value.
    pub fn name(self) -> &'static str {
        match self {
            Self::Accepted => "accepted",
            Self::Dropped => "dropped",
            Self::Off => "off",
        }
    }
}

//! The shapes of data that may be kept. Only module `privacy` can make them; everybody else can read them.
//!
//! The compiler holds this promise. A [`Pseudonym`] has a private field, and a row exists only inside [`Pseudonymous`],
//! whose constructor is visible in `privacy` alone. No shape has a field that could hold an address, a user agent or a URL.

use std::ops::Deref;
use std::sync::Arc;

use jiff::civil::Date;
use smol_str::SmolStr;

use crate::event::{Entry, Tally};

/// A row that may be kept. It can be read everywhere, made only in `privacy`, and changed nowhere.
///
/// Everybody can read one:
///
/// ```
/// use tamga::privacy::pseudonymous::{Failure, Pseudonymous};
/// fn template(row: &Pseudonymous<Failure>) -> &str {
///     &row.template
/// }
/// ```
///
/// Nobody outside of `privacy` can make one:
///
/// ```compile_fail,E0624
/// use tamga::privacy::pseudonymous::{Failure, Pseudonymous};
/// fn forge(row: Failure) -> Pseudonymous<Failure> {
///     Pseudonymous::new(row)
/// }
/// ```
///
/// ```compile_fail,E0423
/// use tamga::privacy::pseudonymous::{Failure, Pseudonymous};
/// fn forge(row: Failure) -> Pseudonymous<Failure> {
///     Pseudonymous(row)
/// }
/// ```
///
/// Nobody can change one:
///
/// ```compile_fail,E0594
/// use tamga::privacy::pseudonymous::{Failure, Pseudonymous};
/// fn change(row: &mut Pseudonymous<Failure>) {
///     row.template = String::new();
/// }
/// ```
pub struct Pseudonymous<T>(T);

impl<T> Pseudonymous<T> {
    #[inline]
    pub(in crate::privacy) fn new(row: T) -> Self {
        Self(row)
    }

    /// A row with values that a unit test makes up.
    #[cfg(test)]
    pub(crate) fn made_up(row: T) -> Self {
        Self(row)
    }
}

impl<T> Deref for Pseudonymous<T> {
    type Target = T;

    fn deref(&self) -> &T {
        &self.0
    }
}

/// An event that may be kept: a row of `events`.
pub type PseudonymousEvent = Pseudonymous<Event>;

/// 16 bytes of a keyed hash. Its key is destroyed after the day.
///
/// Everybody can read one, and nobody outside of `privacy` can make one:
///
/// ```
/// use tamga::privacy::pseudonymous::Pseudonym;
/// fn stored(pseudonym: &Pseudonym) -> [u8; 16] {
///     *pseudonym.bytes()
/// }
/// ```
///
/// ```compile_fail,E0423
/// use tamga::privacy::pseudonymous::Pseudonym;
/// fn forge(bytes: [u8; 16]) -> Pseudonym {
///     Pseudonym(bytes)
/// }
/// ```
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct Pseudonym([u8; 16]);

impl Pseudonym {
    pub(in crate::privacy) fn new(hash: [u8; 16]) -> Self {
        Self(hash)
    }

    /// A pseudonym that a unit test makes up.
    #[cfg(test)]
    pub(crate) fn made_up(bytes: [u8; 16]) -> Self {
        Self(bytes)
    }

    /// The bytes, as they are stored.
    pub fn bytes(&self) -> &[u8; 16] {
        &self.0
    }
}

/// The first visit of a calendar period.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct FirstVisitFlags {
    /// First time today.
    pub new_day: bool,
    /// First time this ISO week.
    pub new_week: bool,
    /// First time this month.
    pub new_month: bool,
    /// First time ever, as far as the cookie reaches.
    pub new_ever: bool,
}

/// One event. Where the sender is and what it uses is kept apart, in [`Attribute`]s.
pub struct Event {
    /// The site's domain as configured.
    pub site: Arc<str>,
    /// The site-local day, which is also the key's.
    pub day: Date,
    /// The end of the publishing window, in seconds since 1970.
    pub window_end: i64,
    /// Pseudonym of the browser for this day.
    pub visitor: Pseudonym,
    /// Pseudonym of the visit.
    pub visit: Pseudonym,
    /// Pseudonym of the page view.
    pub view: Pseudonym,
    /// The cookie had come back.
    pub confirmed: bool,
    /// One byte of the day-keyed hash of the address's /24 or /48.
    pub network: u8,
    /// The periods of which this is the browser's first day.
    pub first_visit: FirstVisitFlags,
    /// It begins a visit, the visitor's first of this window.
    pub new_window: bool,
    /// `1`, `2`, `3-5`, `6-20`, `21+`.
    pub visit_number: &'static str,
    /// What happened.
    pub kind: EventKind,
    /// Number of the view within its visit, from 1, at most 30.
    pub step: u8,
    /// Lower bound in seconds of the bucket that the visit's duration so far is in.
    pub duration_s: u16,
    /// Why the sender may be a program, or empty.
    pub suspect: &'static str,
    /// Days since the day of the visit before in buckets, or `never`; on the first beacon of a day only.
    pub absence: &'static str,
    /// Weeks since the week of the first visit, in buckets; empty where nobody knows.
    pub cohort: &'static str,
}

/// What happened, with what may be kept of it; a failed script is a [`Failure`].
pub enum EventKind {
    /// A page was opened.
    View {
        /// Path as a template.
        path: String,
        /// The template of the path before it on the same site, or empty.
        previous_path: String,
        /// How the visit began, on its first view only.
        entry: Option<Entry>,
    },
    /// Time spent.
    Engage {
        /// Lower bound in seconds of the bucket of the view's engaged time.
        engaged_s: u16,
    },
    /// A link to another host was followed.
    Exit {
        /// Registrable domain.
        domain: String,
    },
    /// A configured event.
    Named {
        /// Its name.
        name: Arc<str>,
        /// Its variant, or empty.
        variant: Arc<str>,
    },
    /// The site was searched, and no other event says that the visitor was here. What for is an [`Attribute`].
    Search,
    /// The device's detectors say that a program controls the browser, and no other event could carry the flag.
    Device,
}

/// Whose row it is, where and when: what the publishing rules ask of every row outside of `events`. Pseudonym and network
/// byte are under the key domain of the row's own purpose, so that they join with nothing.
#[derive(Clone)]
pub struct RowSubject {
    /// The site's domain as configured.
    pub site: Arc<str>,
    /// The site-local day.
    pub day: Date,
    /// The end of the publishing window, in seconds since 1970.
    pub window_end: i64,
    /// Pseudonym of the visitor for this purpose alone.
    pub visitor: Pseudonym,
    /// The cookie had come back.
    pub confirmed: bool,
    /// One byte of the hash of the address's network under this purpose's key domain.
    pub network: u8,
    /// The day is the browser's first of the ISO week.
    pub new_week: bool,
    /// The day is the browser's first of the month.
    pub new_month: bool,
}

/// One attribute of a visit, or of a visitor's device or connection: a row of its own, under a pseudonym of its own.
pub struct Attribute {
    /// Whose.
    pub subject: RowSubject,
    /// Its name, which is also its key domain: `place` …; of a list the value is part of the domain too.
    pub attribute: &'static str,
    /// Of a list, the number of the entry, which has its own stream.
    pub entry: Option<u16>,
    /// Its value, or the reason of its absence.
    pub value: SmolStr,
    /// What belongs to the value: the region of a place; empty elsewhere.
    pub detail: SmolStr,
    /// 1 with the first view of a visit, 2 where it goes on, 0 elsewhere.
    pub step: u8,
    /// Of a pair: distinguishes the visits of a visitor; 0 elsewhere.
    pub visit_tag: u16,
}

/// One security signal of a device.
pub struct Signal {
    /// Whose.
    pub subject: RowSubject,
    /// Its name: `canvas`, `webgl`, `automation`.
    pub signal: &'static str,
    /// Of a list, the number of the entry, which has its own stream.
    pub entry: Option<u16>,
    /// What was found, or the reason of its absence.
    pub state: &'static str,
    /// Keyed hash of the digest that the browser sent, under a domain of its own; zeroes where there is none.
    pub digest: [u8; 16],
}

/// One script of the site's that failed.
pub struct Failure {
    /// With whom.
    pub subject: RowSubject,
    /// The message as a template.
    pub template: String,
    /// Browser family, if the policy lists it, or empty.
    pub browser: &'static str,
    /// Its major version, likewise.
    pub major: String,
    /// The system with its version, likewise.
    pub os: &'static str,
}

/// All that may be kept of one beacon.
#[derive(Default)]
pub struct PseudonymousBeacon {
    /// Its events.
    pub events: Vec<PseudonymousEvent>,
    /// Its attributes.
    pub attributes: Vec<Pseudonymous<Attribute>>,
    /// Its security signals.
    pub signals: Vec<Pseudonymous<Signal>>,
    /// Its failures.
    pub failures: Vec<Pseudonymous<Failure>>,
    /// Its views, counted by hour.
    pub views: Option<Tally>,
    /// Its counts that belong to no visitor.
    pub tallies: Vec<Tally>,
    /// Of how many of its events something is kept; the device part is one.
    pub accepted: u32,
    /// How many searches and failures say nothing once they are templates.
    pub empty_after_scrub: u32,
    /// How many failures a program's browser reported: their rows have no place for a flag, so they are not kept.
    pub from_suspects: u32,
    /// How many bytes of its paths and texts were scrubbed.
    pub scrubbed_bytes: usize,
}

impl PseudonymousBeacon {
    /// A pseudonym of whose beacon it is: that of visits, or of the first purpose that has a row.
    pub fn visitor(&self) -> Option<&Pseudonym> {
        let failures = self.failures.iter().map(|failure| &failure.subject.visitor);
        let attributes = self.attributes.iter().map(|attribute| &attribute.subject.visitor);
        let signals = self.signals.iter().map(|signal| &signal.subject.visitor);
        self.events.iter().map(|event| &event.visitor).chain(failures).chain(attributes).chain(signals).next()
    }
}

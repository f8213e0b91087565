//! What enrichment must know of a site: its hosts, and the closed lists of words that may pass.
//!
//! The lists are the wall against values that a page or a link makes up per visitor: a campaign word, an event or a
//! variant that the site's operator did not write into the configuration never travels on.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use crate::nfc::composed;
use crate::secret::Personal;

/// Written in the place of a source, a word or a variant that is not kept.
pub const OTHER: &str = "other";

/// The lists as the configuration gives them; upper and lower case are the same.
#[derive(Clone, Debug, Default)]
pub struct SiteWords {
    /// The host names of the site's origins, without scheme and port.
    pub hosts: Vec<String>,
    /// The words allowed in `utm_source`.
    pub sources: Vec<String>,
    /// The words allowed in `utm_medium`.
    pub mediums: Vec<String>,
    /// The words allowed in `utm_campaign`.
    pub campaigns: Vec<String>,
    /// Hosts from which a visitor only comes back, such as a bank's confirmation page; with the hosts below them. An
    /// application is written `android-app:<id>`.
    pub ignored_referrers: Vec<String>,
    /// The names of the site's events, each with its variants (case matters in both).
    pub events: Vec<(String, Vec<String>)>,
}

/// [`SiteWords`], ready to be looked up.
#[derive(Clone, Debug, Default)]
pub struct SiteEnrich {
    hosts: BTreeSet<String>,
    pub(super) sources: BTreeSet<String>,
    pub(super) mediums: BTreeSet<String>,
    pub(super) campaigns: BTreeSet<String>,
    ignored_referrers: BTreeSet<String>,
    events: BTreeMap<Arc<str>, BTreeSet<Arc<str>>>,
}

impl SiteEnrich {
    /// Prepares the lists.
    pub fn new(words: SiteWords) -> Self {
        let folded = |words: Vec<String>| words.iter().map(|word| folded(word)).collect();
        Self {
            hosts: folded(words.hosts),
            sources: folded(words.sources),
            mediums: folded(words.mediums),
            campaigns: folded(words.campaigns),
            ignored_referrers: folded(words.ignored_referrers),
            events: words
                .events
                .into_iter()
                .map(|(name, variants)| (name.into(), variants.into_iter().map(Arc::from).collect()))
                .collect(),
        }
    }

    /// Whether the host is one of the site's own.
    pub(super) fn owns(&self, host: &str) -> bool {
        self.hosts.contains(host)
    }

    /// Whether the host, or one above it, is an ignored referrer.
    pub(super) fn ignores(&self, host: &str) -> bool {
        std::iter::successors(Some(host), |host| Some(host.split_once('.')?.1))
            .any(|host| self.ignored_referrers.contains(host))
    }

    /// Name and variant as they may be kept; none when the site has no such event. A variant that the site does not list
    /// becomes `other`.
    pub fn event(&self, name: &str, variant: Option<&str>) -> Option<(Arc<str>, Arc<str>)> {
        let (name, variants) = self.events.get_key_value(name)?;
        let variant = match variant {
            None => Arc::default(),
            Some(variant) => variants.get(variant).map_or_else(|| OTHER.into(), Arc::clone),
        };
        Some((name.clone(), variant))
    }
}

/// The site's own spelling of a campaign word; `other` for a word that is not the site's, empty for none.
pub(super) fn allowed(word: Option<&Personal<String>>, words: &BTreeSet<String>) -> String {
    let Some(word) = word else { return String::new() };
    words.get(&folded(word.expose())).cloned().unwrap_or_else(|| OTHER.to_owned())
}

/// A word as it is compared: in small letters, each with its accents as one character (NFC).
fn folded(word: &str) -> String {
    let word = word.trim();
    if word.is_ascii() {
        return word.to_ascii_lowercase();
    }
    composed(&word.to_lowercase()).into_owned()
}

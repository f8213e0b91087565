//! The trial of the snippet's checker: a beacon to `/v1/beacon?check=…`, whose answer says in `Tamga-Check` whether the
//! collector's cookies come back, and which of the named events the site does not declare.
//!
//! The trial has a cookie of its own, with the attributes of the others. It says 1 for a minute, so it says nothing of a
//! visitor: neither its value nor that it is there. What is said of events is in the pages anyway. The beacon itself goes
//! the way of all, and is kept by nobody, since its event has no known type.

use http::{HeaderMap, HeaderValue, Uri, header};

use super::cookies::cookies;
use super::{Collector, Site};
use crate::config::Identification;

/// How long the cookie lives.
const MAX_AGE_S: i64 = 60;
/// The most names of a trial.
const NAMES_MAX: usize = 16;

/// What an answer says to a trial.
pub(super) struct Trial {
    said: HeaderValue,
    cookie: Option<HeaderValue>,
}

impl Trial {
    /// The trial of a request that is one, from a page of a site.
    pub(super) fn of(collector: &Collector, uri: &Uri, head: &HeaderMap) -> Option<Box<Self>> {
        let names = uri.query()?.strip_prefix("check=")?;
        let origin = head.get(header::ORIGIN)?;
        let site = collector.sites.values().find(|site| site.origins.contains(origin))?;
        Some(Box::new(Self::at(site, names, head)))
    }

    fn at(site: &Site, names: &str, head: &HeaderMap) -> Self {
        let name = &site.cookies.trial;
        let (mut said, cookie) = match site.identity {
            Identification::Cookie if cookies(head, name).any(|value| value == b"1") => {
                ("came".to_owned(), Some(site.cookies.set(name, "", 0)))
            }
            Identification::Cookie => ("set".to_owned(), Some(site.cookies.set(name, "1", MAX_AGE_S))),
            Identification::DailyAddress | Identification::None => ("unused".to_owned(), None),
        };
        let undeclared: Vec<String> = names
            .split(',')
            .take(NAMES_MAX)
            .enumerate()
            .filter(|(_, sent)| !sent.is_empty() && !is_declared(site, sent))
            .map(|(at, _)| at.to_string())
            .collect();
        if !undeclared.is_empty() {
            said = format!("{said}; undeclared={}", undeclared.join(","));
        }
        Self { said: HeaderValue::try_from(said).expect("words and digits"), cookie }
    }

    /// Says it in the answer to a beacon that was not refused.
    pub(super) fn say(self, answer: &mut HeaderMap) {
        answer.insert("tamga-check", self.said);
        answer.append(header::ACCESS_CONTROL_EXPOSE_HEADERS, HeaderValue::from_static("Tamga-Check"));
        if let Some(cookie) = self.cookie {
            answer.append(header::SET_COOKIE, cookie);
        }
    }
}

/// `sent` is the name of an event, or a name and a variant with `:` between.
fn is_declared(site: &Site, sent: &str) -> bool {
    let (name, variant) = sent.split_once(':').map_or((sent, None), |(name, variant)| (name, Some(variant)));
    let is_known = |known: &str| variant.is_none_or(|variant| variant == known);
    site.stages.enrich.event(name, variant).is_some_and(|(_, known)| is_known(&known))
}

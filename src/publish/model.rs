//! What the publisher knows of a site, and the rows that it writes.

use std::collections::BTreeMap;

use serde_json::{Map, Value};

use super::error::PublishError;
use crate::config::{Config, Identification, Protection, Site};
use crate::items::Items;
use crate::window::{Schedule, Window};

/// What the publisher knows of a site.
#[derive(Clone, Debug)]
pub struct PublishedSite {
    /// The site's domain, which is in every row.
    pub domain: String,
    /// IANA name of its time zone.
    pub time_zone: String,
    /// How its time is divided into windows.
    pub schedule: Schedule,
    /// The items that its policy lists.
    pub items: Items,
    /// How much noise its numbers have.
    pub protection: Protection,
    /// How its visitors are distinguished.
    pub identity: Identification,
    /// Declared goals by name: a path or the name of an event.
    pub goals: BTreeMap<String, String>,
    /// Declared funnels by name: the steps in order.
    pub funnels: BTreeMap<String, Vec<String>>,
    /// Declared experiments: names of events that have variants.
    pub experiments: Vec<String>,
    /// Declared pairs: dimensions that are published together.
    pub pairs: Vec<[String; 2]>,
}

/// A row of a stats table.
pub(super) type Row = Map<String, Value>;

impl PublishedSite {
    /// The publisher's part of a site's configuration.
    pub fn new(site: &Site) -> Result<Self, PublishError> {
        let wrong = |message: String| PublishError::Site { domain: site.domain.clone(), message };
        let minutes = site
            .publish_minutes()
            .ok_or_else(|| wrong("publish_every is not one of the allowed values. See docs/publishing.md.".into()))?;
        Ok(Self {
            domain: site.domain.clone(),
            time_zone: site.time_zone.clone(),
            schedule: Schedule::new(&site.time_zone, minutes).map_err(|error| wrong(error.to_string()))?,
            items: Items::of(site.profile.as_deref(), site.items.as_deref()).map_err(wrong)?,
            protection: site.protection,
            identity: site.identity,
            goals: site.goals.clone(),
            funnels: site.funnels.clone(),
            experiments: site.experiments.clone(),
            pairs: site.pairs.iter().filter_map(|pair| <[String; 2]>::try_from(pair.clone()).ok()).collect(),
        })
    }

    /// All sites of a configuration.
    pub fn all(config: &Config) -> Result<Vec<Self>, PublishError> {
        config.sites.iter().map(Self::new).collect()
    }

    /// What the site declares, a line each. A new line is a new look at the visitors.
    pub(super) fn declarations(&self) -> impl Iterator<Item = String> {
        let goals = self.goals.iter().map(|(name, what)| format!("goal {name}: {what}"));
        let funnels = self.funnels.iter().map(|(name, steps)| format!("funnel {name}: {}", steps.join(", ")));
        let experiments = self.experiments.iter().map(|name| format!("experiment {name}"));
        goals.chain(funnels).chain(experiments).chain(self.pairs.iter().map(|pair| format!("pair {}", pair.join(", "))))
    }

    /// The columns that every row of a window begins with. Times are seconds since 1970, which the engine accepts.
    pub(super) fn row(&self, window: &Window) -> Row {
        Row::from_iter([
            ("site".to_owned(), self.domain.clone().into()),
            ("window_start".to_owned(), window.start.as_second().into()),
            ("window_end".to_owned(), window.end.as_second().into()),
            ("day".to_owned(), window.first_day.to_string().into()),
        ])
    }
}

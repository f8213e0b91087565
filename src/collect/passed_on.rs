//! Erasures between nodes: an order that was taken here is passed on, since the visitor's rows may wait in any node's spool.
//!
//! What is passed on is the identity of the browser on a day, in memory and over the peers' channel. The other node makes its
//! own orders of it, under its own key of the day. It does not pass them on again.

use std::sync::{Arc, OnceLock};

use jiff::Timestamp;
use jiff::civil::Date;

use super::Collector;
use crate::config::Identification;
use crate::outcome::Rejection;
use crate::secret::Personal;

/// Whose rows of a day are to be erased.
pub struct Erasure {
    /// The site.
    pub site: Arc<str>,
    /// The day, in the site's time zone.
    pub day: Date,
    /// The browser's identity on that day.
    pub id: Personal<[u8; 16]>,
}

type Passing = Box<dyn Fn(Erasure) + Send + Sync>;

/// Where orders are passed on to; nowhere at first.
#[derive(Default)]
pub(super) struct PassOn(OnceLock<Passing>);

impl Collector {
    /// Passes on all erasures from now on.
    pub fn pass_erasures_on(&self, pass: impl Fn(Erasure) + Send + Sync + 'static) {
        // It is set once, at the start.
        let _ = self.pass_on.0.set(Box::new(pass));
    }

    pub(super) fn passes_on(&self, site: &Arc<str>, day: Date, id: &Personal<[u8; 16]>) {
        if let Some(pass) = self.pass_on.0.get() {
            pass(Erasure { site: site.clone(), day, id: Personal::new(*id.expose()) });
        }
    }

    /// Carries out an erasure that another node has taken. It is durable when this returns.
    pub async fn erase_too(self: &Arc<Self>, erasure: Erasure) -> Result<(), Rejection> {
        let Erasure { site, day, id } = erasure;
        let Some(site) = self.sites.get(&*site).filter(|site| site.identity == Identification::Cookie) else {
            return Ok(());
        };
        let now_ms = self.clock.known_ms().ok_or(Rejection::NoTime)?;
        let rules = &site.stages.rules;
        let today = rules.time(Timestamp::from_millisecond(now_ms).unwrap_or_default()).local.day;
        // Without its key this node has no rows of the day; and none can come, but of today.
        let key = match self.keys.living_key(&rules.site, day) {
            None if day == today => Some(self.keys.day_key(&rules.site, day).map_err(|_| Rejection::NoKey)?),
            key => key,
        };
        match key {
            Some(key) => self.order(site, self.spool.enter(now_ms), &[(day, key, id)]).await,
            None => Ok(()),
        }
    }
}

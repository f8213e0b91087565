//! Keys that nodes on several machines hand each other: which of two keys of a site's day holds, and what it means to take
//! another node's.
//!
//! A key has a mark: when it was made, and a hash that distinguishes it. Of two keys of a day the one with the smaller mark
//! holds, and every node judges alike. So nodes that were cut off from each other, and made a key each, have one again as soon
//! as they meet. A key that was used and does not hold any more is a loss like any other: its visitors split in two, and a
//! tally says so. A key that was destroyed on purpose is refused from then on. Not promised: that a clock of a maker is right.
//! It decides only which key holds.

use std::collections::HashMap;
use std::io;
use std::sync::Arc;
use std::sync::atomic::Ordering;

use jiff::Timestamp;
use jiff::civil::Date;
use jiff::tz::TimeZone;

use super::files::Stamp;
use super::{Held, KeyError, KeyRing, dies_at};
use crate::privacy::pseudonym::DayKey;
use crate::secret::Secret;

/// Which key it is. Of two marks the smaller one holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct KeyMark {
    /// When it was made: seconds since 1970, and nanoseconds.
    pub made: (i64, i64),
    /// A hash of the key.
    pub tag: [u8; 16],
}

impl KeyMark {
    fn of(key: &DayKey, stamp: Stamp) -> Self {
        Self { made: stamp.made(), tag: key.tag() }
    }
}

impl KeyRing {
    /// Whether the key of a site's day is dead at this time, wherever it may still lie.
    pub fn is_dead(site: &str, day: Date, now: Timestamp, zones: &HashMap<Arc<str>, TimeZone>) -> bool {
        dies_at(site, day, zones) <= now
    }

    /// A number that rises whenever a key comes or goes.
    pub fn generation(&self) -> u64 {
        self.generation.load(Ordering::Acquire)
    }

    /// The mark of a site-day's key, if there is one. None is made.
    pub fn mark(&self, site: &Arc<str>, day: Date) -> Result<Option<KeyMark>, KeyError> {
        self.lend(site, day, |mark, _| mark)
    }

    /// Lends the key of a site's day, if there is one, to be handed to another node.
    pub fn lend<T>(
        &self,
        site: &Arc<str>,
        day: Date,
        work: impl FnOnce(KeyMark, &[u8; 32]) -> T,
    ) -> Result<Option<T>, KeyError> {
        let mut state = self.state();
        let held = self.hold(&mut state, site, day, false).map_err(|cause| self.failed(cause))?;
        Ok(held.map(|held| work(KeyMark::of(&held.key, held.stamp), held.key.material())))
    }

    /// Makes the key of a site's day before it is needed, unless there is one.
    pub fn make(&self, site: &Arc<str>, day: Date) -> Result<(), KeyError> {
        self.hold(&mut self.state(), site, day, true).map(|_| ()).map_err(|cause| self.failed(cause))
    }

    /// Takes another node's key of a site's day if it holds against the own one. Whether it did.
    pub fn adopt(&self, site: &Arc<str>, day: Date, mark: KeyMark, material: Secret) -> Result<bool, KeyError> {
        let key = DayKey::new(material);
        let adopted = if key.tag() == mark.tag { self.replace(site, day, mark, key) } else { Ok(false) };
        adopted.map_err(|cause| self.failed(cause))
    }

    fn replace(&self, site: &Arc<str>, day: Date, mark: KeyMark, key: DayKey) -> io::Result<bool> {
        let of = (site.clone(), day);
        let mut state = self.state();
        if self.files.refused(site, day)?.contains(&mark.tag) {
            return Ok(false);
        }
        let own = self.hold(&mut state, site, day, false)?;
        if own.as_ref().is_some_and(|own| KeyMark::of(&own.key, own.stamp) <= mark) {
            return Ok(false);
        }
        let is_unused = own.as_ref().is_some_and(|own| !own.used);
        let abandoned = own.filter(|own| own.used).map(|own| own.key.loss_tag());
        let stamp = self.files.put(site, day, key.material(), mark.made)?;
        // After a reboot the same key comes back in another file.
        let is_known = is_unused || state.made.get(site, day).is_none_or(|seen| seen.made() == mark.made);
        match abandoned {
            None if is_known => state.made.note(site, day, stamp)?,
            _ => self.note_loss(&mut state, &of, stamp, abandoned.unwrap_or_else(|| key.loss_tag())),
        }
        tracing::info!(site = &**site, %day, "took the key of a site's day from another node");
        state.held.insert(of, Held { key: Arc::new(key), stamp, used: false });
        self.generation.fetch_add(1, Ordering::Release);
        Ok(true)
    }

    /// Refuses the key of a site's day from now on, so that no other node brings it back. It is destroyed next.
    pub fn refuse(&self, site: &str, day: Date) -> io::Result<()> {
        match self.files.read(site, day)? {
            Some((material, _)) => self.files.refuse(site, day, DayKey::new(material).tag()),
            None => Ok(()),
        }
    }

    /// The tags of the site-day's keys that were destroyed on purpose.
    pub fn refused(&self, site: &str, day: Date) -> Result<Vec<[u8; 16]>, KeyError> {
        self.files.refused(site, day).map_err(|cause| self.failed(cause))
    }

    /// Destroys the key of this tag, which another node has destroyed on purpose. Whether it was this node's.
    pub fn destroy_too(&self, site: &Arc<str>, day: Date, tag: [u8; 16]) -> Result<bool, KeyError> {
        let is_own = self.mark(site, day)?.is_some_and(|mark| mark.tag == tag);
        let destroy = || self.refuse(site, day).and_then(|()| self.destroy(site, day));
        if is_own { destroy().map_err(|cause| self.failed(cause)) } else { Ok(false) }
    }
}

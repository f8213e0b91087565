//! Whose rows were erased: beacons that are under way with the old cookie must not bring rows back, nor the cookie.
//!
//! It is in memory, until the day of the rows is over. After a restart such a beacon would be a visit of its own.

use std::collections::HashMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, PoisonError};

use jiff::civil::Date;

use crate::privacy::pseudonymous::Pseudonym;

/// The most that are remembered. Beyond it, a late beacon is a visit of its own.
const MOST: usize = 1 << 16;

/// See the module.
#[derive(Default)]
pub(super) struct Erased {
    any: AtomicBool,
    /// By the pseudonym of the day.
    known: Mutex<HashMap<[u8; 16], Date>>,
}

impl Erased {
    /// Remembers a visitor of a day, and forgets those of days before yesterday.
    pub(super) fn remember(&self, visitor: &Pseudonym, day: Date) {
        let mut known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        known.retain(|_, of| of.saturating_add(jiff::Span::new().days(1)) >= day);
        if known.len() < MOST {
            known.insert(*visitor.bytes(), day);
        }
        self.any.store(true, Ordering::Release);
    }

    /// The order could not be kept.
    pub(super) fn forget(&self, visitor: &Pseudonym) {
        self.known.lock().unwrap_or_else(PoisonError::into_inner).remove(visitor.bytes());
    }

    /// Whether the rows of this visitor were erased.
    pub(super) fn has(&self, visitor: impl FnOnce() -> Pseudonym) -> bool {
        self.any.load(Ordering::Acquire)
            && self.known.lock().unwrap_or_else(PoisonError::into_inner).contains_key(visitor().bytes())
    }
}

#[cfg(test)]
mod tests {
    use jiff::civil::date;

    use super::*;

    #[test]
    fn a_visitor_is_known_until_the_day_after_tomorrow() {
        let (erased, visitor) = (Erased::default(), |byte| Pseudonym::made_up([byte; 16]));
        assert!(!erased.has(|| visitor(1)));
        erased.remember(&visitor(1), date(2026, 11, 22));
        erased.remember(&visitor(2), date(2026, 11, 23));
        assert!(erased.has(|| visitor(1)) && erased.has(|| visitor(2)) && !erased.has(|| visitor(3)));
        erased.remember(&visitor(3), date(2026, 11, 24));
        assert!(!erased.has(|| visitor(1)) && erased.has(|| visitor(2)));
    }
}

//! Sessions of people who signed in, and how often a password may be guessed.
//!
//! A session is in memory alone: a restart ends it, and so do half an hour without a request and a working day. It holds the
//! person's account, with which the store is asked each time, so an account that was removed is refused at once. The cookie has a
//! random value; what is kept of it is its hash.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;

use crate::store::Store;

/// How long a session lasts at most.
pub(super) const LIFE: Duration = Duration::from_secs(8 * 3600);
/// How long it lasts without a request.
const IDLE: Duration = Duration::from_secs(30 * 60);
/// Sessions at once. A further one ends the oldest.
const SESSIONS_MAX: usize = 256;
/// Wrong passwords that may come at once, of all people together.
const GUESSES: u32 = 20;
/// After so long one more may come.
const GUESS_EVERY: Duration = Duration::from_secs(5);

/// A person who signed in.
pub(super) struct Session {
    pub(super) name: String,
    /// The stats store, asked with this person's account.
    pub(super) store: Store,
}

struct Kept {
    session: Arc<Session>,
    opened: Instant,
    seen: Instant,
}

impl Kept {
    fn is_over(&self, now: Instant) -> bool {
        now.duration_since(self.opened) >= LIFE || now.duration_since(self.seen) >= IDLE
    }
}

/// A bucket that fills with time.
struct Guesses {
    left: u32,
    since: Instant,
}

/// All sessions, and the bucket of guesses.
pub(super) struct Sessions {
    kept: Mutex<HashMap<blake3::Hash, Kept>>,
    guesses: Mutex<Guesses>,
}

impl Default for Sessions {
    fn default() -> Self {
        Self { kept: Mutex::default(), guesses: Mutex::new(Guesses { left: GUESSES, since: Instant::now() }) }
    }
}

impl Sessions {
    /// Takes a guess, before the password is looked at: those that come at once are all counted.
    pub(super) fn may_guess(&self, now: Instant) -> bool {
        let mut guesses = self.guesses.lock().unwrap_or_else(PoisonError::into_inner);
        let earned = now.saturating_duration_since(guesses.since).as_secs() / GUESS_EVERY.as_secs();
        guesses.since += GUESS_EVERY * u32::try_from(earned).unwrap_or(u32::MAX);
        guesses.left = guesses.left.saturating_add(u32::try_from(earned).unwrap_or(GUESSES)).min(GUESSES);
        let may = guesses.left > 0;
        guesses.left = guesses.left.saturating_sub(1);
        may
    }

    /// Gives a guess back: the password was right.
    pub(super) fn guessed_right(&self) {
        let mut guesses = self.guesses.lock().unwrap_or_else(PoisonError::into_inner);
        guesses.left = (guesses.left + 1).min(GUESSES);
    }

    /// Opens a session and returns the cookie's value. `None`: the system gives no random numbers.
    pub(super) fn open(&self, session: Session, now: Instant) -> Option<String> {
        let mut bytes = [0; 32];
        getrandom::fill(&mut bytes).ok()?;
        let token = URL_SAFE_NO_PAD.encode(bytes);
        let mut kept = self.kept();
        kept.retain(|_, kept| !kept.is_over(now));
        if kept.len() >= SESSIONS_MAX {
            let oldest = kept.iter().min_by_key(|(_, kept)| kept.seen).map(|(key, _)| *key);
            oldest.map(|key| kept.remove(&key));
        }
        kept.insert(key(&token), Kept { session: Arc::new(session), opened: now, seen: now });
        Some(token)
    }

    /// The session of a cookie, if it is not over.
    pub(super) fn find(&self, token: &str, now: Instant) -> Option<Arc<Session>> {
        let mut kept = self.kept();
        let found = kept.get_mut(&key(token)).filter(|kept| !kept.is_over(now))?;
        found.seen = now;
        Some(found.session.clone())
    }

    /// Ends a session.
    pub(super) fn close(&self, token: &str) {
        self.kept().remove(&key(token));
    }

    fn kept(&self) -> MutexGuard<'_, HashMap<blake3::Hash, Kept>> {
        self.kept.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn key(token: &str) -> blake3::Hash {
    blake3::hash(token.as_bytes())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::{Limits, STATS};

    fn session(name: &str) -> Session {
        let store = Store::new("http://127.0.0.1:9", name, "p", STATS, Limits::default()).expect("a store");
        Session { name: name.to_owned(), store }
    }

    #[test]
    fn a_session_ends_by_itself_and_by_hand() {
        let (sessions, mut now) = (Sessions::default(), Instant::now());
        let begun = now;
        let token = sessions.open(session("a"), now).unwrap();
        while now.duration_since(begun) + IDLE < LIFE {
            now += IDLE - Duration::from_secs(60);
            assert!(sessions.find(&token, now).is_some_and(|found| found.name == "a"));
        }
        assert!(sessions.find(&token, begun + LIFE).is_none(), "a working day is over");
        let token = sessions.open(session("b"), now).unwrap();
        assert!(sessions.find(&token, now + IDLE).is_none(), "nobody looked at it");
        let (one, other) = (sessions.open(session("c"), now).unwrap(), sessions.open(session("d"), now).unwrap());
        assert_ne!(one, other);
        sessions.close(&one);
        assert!(sessions.find(&one, now).is_none() && sessions.find(&other, now).is_some());
    }

    #[test]
    fn the_oldest_ends_for_a_new_one() {
        let (sessions, now) = (Sessions::default(), Instant::now());
        let first = sessions.open(session("first"), now).unwrap();
        for _ in 0..SESSIONS_MAX {
            sessions.open(session("x"), now + Duration::from_millis(1)).unwrap();
        }
        assert!(sessions.find(&first, now).is_none());
        assert_eq!(sessions.kept().len(), SESSIONS_MAX);
    }

    #[test]
    fn guesses_run_out_and_come_back_slowly() {
        let sessions = Sessions::default();
        let mut now = Instant::now();
        for _ in 0..1000 {
            assert!(sessions.may_guess(now));
            sessions.guessed_right();
        }
        assert_eq!((0..100).filter(|_| sessions.may_guess(now)).count(), GUESSES as usize);
        now += GUESS_EVERY * 3 + Duration::from_secs(1);
        assert_eq!((0..100).filter(|_| sessions.may_guess(now)).count(), 3);
        now += Duration::from_secs(1_000_000);
        assert_eq!((0..100).filter(|_| sessions.may_guess(now)).count(), GUESSES as usize);
    }
}

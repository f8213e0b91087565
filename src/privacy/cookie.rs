//! The one cookie of a site: where identity lives, in the browser, and how it changes every day.
//!
//! Its content, which [`CookieSeal`](super::seal::CookieSeal) protects:
//!
//! ```text
//! identity 16 │ day 2 │ first_visit 1 │ visits 1 │ first week 2 │ expiry day 2 │ start 2 │ last 2 │ views 1
//! day, expiry day: days since 1970; first week: the Monday's;  first_visit: bit 0 day, 1 week, 2 month, 3 ever, 4 came back
//! visits: number of visits, at most 21;  start, last: minutes since the local day began;  views: at most 30,
//! bit 7: the visit's device says that a program drives it
//! ```
//!
//! [`advance`] is pure: identity and first_visit follow from the presented cookie and the day alone, so parallel tabs agree.
//! The running visit may be newer than the cookie says, if the caller knows more of it. Otherwise two tabs may differ in its
//! three values by one beacon. A cookie that is forged, cut, of another site, of another version, from the future or past its
//! fixed expiry (13 months after it was first set) is treated as absent. A browser without a cookie gets an identity that is
//! random: nothing that a page can choose decides an identity.

use std::cmp::Ordering;

use jiff::civil::Date;
use jiff::{SignedDuration, ToSpan};

use super::pseudonym::DayKey;
use super::pseudonymous::FirstVisitFlags;
use crate::event::day::{days_between, epoch_date, epoch_days};
use crate::secret::Personal;

/// Minutes of inactivity that end a visit.
const IDLE_MINUTES: u16 = 30;
/// Views are counted up to this number, visits up to [`VISITS_MAX`]: larger ones would single browsers out.
const VIEWS_MAX: u8 = 30;
const VISITS_MAX: u8 = 21;
/// How long a cookie lives from when it was first set; it does not slide (CNIL's bound for audience measurement).
pub const LIFE_MONTHS: i32 = 13;

/// Bytes of a cookie's content.
pub(super) const CONTENT: usize = 29;

/// What a cookie says.
pub struct Cookie {
    identity: Personal<[u8; 16]>,
    pub(crate) day: Date,
    first_visit: FirstVisitFlags,
    /// It came back with an event that was kept, so its browser has been counted as a visitor.
    came_back: bool,
    visits: u8,
    first_week: Date,
    expiry: Date,
    visit: Visit,
    /// The content that the browser showed.
    shown: Option<Personal<[u8; CONTENT]>>,
}

/// The running visit.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Visit {
    /// When it began, in minutes since the local day began, whatever clocks showed.
    pub start_minute: u16,
    /// When it was last heard of.
    pub last_minute: u16,
    /// How many views it had, at most 30.
    pub views: u8,
    /// Its device says that a program drives the browser.
    pub automated: bool,
}

/// When a beacon arrived, in the site's own time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LocalTime {
    /// The site-local day.
    pub day: Date,
    /// Minutes that have passed since it began, whatever clocks showed.
    pub minute: u16,
}

/// Who sent a beacon, for this day.
pub struct Identity {
    /// The value in the cookie; never kept by the server.
    pub id: Personal<[u8; 16]>,
    /// The cookie had come back.
    pub confirmed: bool,
    /// The periods of which this is the first day.
    pub first_visit: FirstVisitFlags,
    /// `1`, `2`, `3-5`, `6-20`, `21+`; empty where nobody knows.
    pub visit_number: &'static str,
    /// Days since the day of the visit before in buckets, or `never`; empty but on the first beacon of a day.
    pub absence: &'static str,
    /// Weeks since the week of the first visit, in buckets; empty where nobody knows.
    pub cohort: &'static str,
    /// The visit that the beacon belongs to, before its own views are added.
    pub visit: Visit,
    /// The visit that was known of today before: this one, or the one that ended before it began.
    pub earlier: Option<Visit>,
    /// The rows of today may not say yet that the visitor is confirmed.
    pub newly_confirmed: bool,
}

/// Whose browser sent a request: the identity that it has today, and the cookie if it came back.
pub struct Browser {
    id: Personal<[u8; 16]>,
    cookie: Option<Cookie>,
    running: Option<Visit>,
}

impl Browser {
    /// A browser that showed a cookie.
    pub fn known(cookie: Cookie, key: &DayKey, today: Date) -> Self {
        let old = cookie.identity.expose();
        let id = if cookie.day == today { *old } else { key.next_identity(old) };
        Self { id: Personal::new(id), cookie: Some(cookie), running: None }
    }

    /// A browser without a cookie. The identity is random.
    pub fn new(id: [u8; 16]) -> Self {
        Self { id: Personal::new(id), cookie: None, running: None }
    }

    /// Its identity of today.
    pub fn id(&self) -> &[u8; 16] {
        self.id.expose()
    }

    /// Takes over the visit of today that this node knows. The cookie may be older: the answer with a newer one is under
    /// way, or another page's answer came after it.
    pub fn catch_up(&mut self, known: Visit, today: Date) {
        match &mut self.cookie {
            Some(cookie) if cookie.day == today => cookie.catch_up(known),
            _ => self.running = Some(known),
        }
    }

    /// Whether this node knows a visit of today without its cookie.
    pub fn is_running(&self) -> bool {
        self.running.is_some()
    }

    /// Whether a cookie came back.
    pub fn is_known(&self) -> bool {
        self.cookie.is_some()
    }
}

/// What the browser makes of a beacon that holds `views` views: who sent it, and the cookie to set.
pub fn advance(browser: Browser, now: LocalTime, views: u8) -> (Identity, Cookie) {
    let Browser { id, cookie: presented, running } = browser;
    let running = running.filter(|visit| !visit.is_idle(now.minute));
    let fresh = running.unwrap_or(Visit::begin(now.minute));
    let (first_visit, visit, before, first_week, expiry) = match &presented {
        Some(cookie) if cookie.day == now.day => {
            let idle = cookie.visit.is_idle(now.minute);
            let (visit, before) = if idle { (fresh, cookie.visits) } else { (cookie.visit, cookie.visits - 1) };
            (cookie.first_visit, visit, before, cookie.first_week, cookie.expiry)
        }
        Some(cookie) => {
            // A browser that showed itself once and left was not counted then: this is the first day it counts on.
            let counted = cookie.came_back;
            let first_visit = FirstVisitFlags {
                new_day: true,
                new_week: !counted || monday(cookie.day) != monday(now.day),
                new_month: !counted || cookie.day.first_of_month() != now.day.first_of_month(),
                new_ever: !counted,
            };
            (first_visit, fresh, cookie.visits, cookie.first_week, cookie.expiry)
        }
        None => {
            let first_visit = FirstVisitFlags { new_day: true, new_week: true, new_month: true, new_ever: true };
            let expiry = now.day.saturating_add(LIFE_MONTHS.months());
            (first_visit, fresh, 0, monday(now.day), expiry)
        }
    };
    let visits = before.saturating_add(1).min(VISITS_MAX);
    let after = visit.after(now.minute, views);
    let cookie = Cookie {
        identity: Personal::new(*id.expose()),
        day: now.day,
        first_visit,
        came_back: presented.as_ref().is_some_and(|cookie| cookie.came_back),
        visits,
        first_week,
        expiry,
        visit: after,
        shown: None,
    };
    let absence = match &presented {
        Some(cookie) if cookie.day == now.day => "",
        Some(cookie) => bucket(&ABSENCES, days_between(cookie.day, now.day)),
        None => "never",
    };
    let identity = Identity {
        id,
        confirmed: presented.is_some(),
        first_visit,
        absence,
        cohort: bucket(&COHORTS, days_between(first_week, monday(now.day)) / 7),
        visit_number: match visits {
            0 | 1 => "1",
            2 => "2",
            3..=5 => "3-5",
            6..=20 => "6-20",
            _ => "21+",
        },
        visit,
        earlier: presented.as_ref().filter(|cookie| cookie.day == now.day).map(|cookie| cookie.visit).or(running),
        newly_confirmed: presented.as_ref().is_some_and(|cookie| !cookie.came_back),
    };
    let shown = presented.and_then(|cookie| cookie.shown);
    let cookie = Cookie { shown, ..cookie };
    (identity, cookie)
}

/// Buckets of days since the last visit, and of weeks since the first: each with its first number.
const ABSENCES: [(i32, &str); 7] =
    [(0, "1"), (2, "2-3"), (4, "4-7"), (8, "8-14"), (15, "15-30"), (31, "31-90"), (91, "91+")];
const COHORTS: [(i32, &str); 9] =
    [(0, "0"), (1, "1"), (2, "2"), (3, "3"), (4, "4"), (5, "5-8"), (9, "9-13"), (14, "14-26"), (27, "27+")];

fn bucket(buckets: &[(i32, &'static str)], number: i32) -> &'static str {
    let at = buckets.partition_point(|(first, _)| *first <= number);
    buckets[at.saturating_sub(1)].1
}

fn monday(day: Date) -> Date {
    day.saturating_sub(SignedDuration::from_hours(24 * i64::from(day.weekday().to_monday_zero_offset())))
}

// === impl Visit ===

impl Visit {
    /// A visit that begins now.
    pub(super) fn begin(minute: u16) -> Self {
        Self { start_minute: minute, last_minute: minute, views: 0, automated: false }
    }

    /// Whether it has ended by now. A beacon of another tab may have been a minute ahead: no negative idle time.
    pub(super) fn is_idle(&self, minute: u16) -> bool {
        minute.saturating_sub(self.last_minute) > IDLE_MINUTES
    }

    /// The later of two visits, or all that both know of one.
    #[must_use]
    pub fn newest(self, other: Self) -> Self {
        match self.start_minute.cmp(&other.start_minute) {
            Ordering::Less => other,
            Ordering::Greater => self,
            Ordering::Equal => Self {
                start_minute: self.start_minute,
                last_minute: self.last_minute.max(other.last_minute),
                views: self.views.max(other.views),
                automated: self.automated || other.automated,
            },
        }
    }

    /// The visit with a beacon of so many views.
    pub(super) fn after(self, minute: u16, views: u8) -> Self {
        let views = self.views.saturating_add(views).min(VIEWS_MAX);
        Self { last_minute: minute.max(self.last_minute), views, ..self }
    }
}

// === impl Cookie ===

impl Cookie {
    /// The running visit's device says that a program drives the browser.
    pub fn mark_automated(&mut self) {
        self.visit.automated = true;
    }

    /// It came back, and an event was kept that says so.
    pub fn mark_counted(&mut self) {
        self.came_back = true;
    }

    /// Whether the browser has to get it: it is not what the browser showed.
    pub fn is_news(&self) -> bool {
        self.shown.as_ref().is_none_or(|shown| *shown.expose() != self.encode())
    }

    /// The visit, as the cookie has it.
    pub fn visit(&self) -> (&[u8; 16], Visit) {
        (self.identity.expose(), self.visit)
    }

    /// Takes over what is newer of the visit: another page's answer may have said more, or the next visit may have begun.
    pub fn catch_up(&mut self, known: Visit) {
        if known.start_minute > self.visit.start_minute {
            self.visits = self.visits.saturating_add(1).min(VISITS_MAX);
        }
        self.visit = self.visit.newest(known);
    }

    /// Seconds from the beginning of `today` until the fixed expiry.
    pub fn max_age_s(&self, today: Date) -> i64 {
        i64::from(days_between(today, self.expiry)) * 86_400
    }

    pub(super) fn encode(&self) -> [u8; CONTENT] {
        let mut out = [0; CONTENT];
        let mut at = 0;
        let mut put = |bytes: &[u8]| {
            out[at..at + bytes.len()].copy_from_slice(bytes);
            at += bytes.len();
        };
        put(self.identity.expose());
        put(&epoch_days(self.day).to_le_bytes());
        let first_visit = self.first_visit;
        put(&[u8::from(first_visit.new_day)
            | u8::from(first_visit.new_week) << 1
            | u8::from(first_visit.new_month) << 2
            | u8::from(first_visit.new_ever) << 3
            | u8::from(self.came_back) << 4]);
        put(&[self.visits]);
        put(&epoch_days(self.first_week).to_le_bytes());
        put(&epoch_days(self.expiry).to_le_bytes());
        put(&self.visit.start_minute.to_le_bytes());
        put(&self.visit.last_minute.to_le_bytes());
        put(&[self.visit.views | u8::from(self.visit.automated) << 7]);
        out
    }

    /// The cookie that has this content, unless it is not of today or before.
    pub(super) fn decode(content: &[u8], today: Date) -> Option<Self> {
        let u16_at = |at: usize| u16::from_le_bytes([content[at], content[at + 1]]);
        if content.len() != CONTENT || content[19] == 0 {
            return None;
        }
        let first_visit = content[18];
        let cookie = Self {
            shown: content.try_into().ok().map(Personal::new),
            identity: Personal::new(content[..16].try_into().ok()?),
            day: epoch_date(u16_at(16)),
            first_visit: FirstVisitFlags {
                new_day: first_visit & 1 != 0,
                new_week: first_visit & 2 != 0,
                new_month: first_visit & 4 != 0,
                new_ever: first_visit & 8 != 0,
            },
            came_back: first_visit & 16 != 0,
            visits: content[19],
            first_week: epoch_date(u16_at(20)),
            expiry: epoch_date(u16_at(22)),
            visit: Visit {
                start_minute: u16_at(24),
                last_minute: u16_at(26),
                views: content[28] & 0x7f,
                automated: content[28] & 0x80 != 0,
            },
        };
        (cookie.day <= today && today < cookie.expiry).then_some(cookie)
    }
}

#[cfg(test)]
mod tests {
    use jiff::civil::date;

    use super::*;
    use crate::secret::Secret;

    const ID: [u8; 16] = [5; 16];

    fn key(byte: u8) -> DayKey {
        DayKey::new(Secret::new([byte; 32]))
    }

    fn at(day: Date, minute: u16) -> LocalTime {
        LocalTime { day, minute }
    }

    /// As the pipeline does it for a beacon of which something is kept.
    fn advance(presented: Option<Cookie>, key: &DayKey, now: LocalTime, views: u8) -> (Identity, Cookie) {
        let browser = presented.map_or(Browser::new(ID), |cookie| Browser::known(cookie, key, now.day));
        let (identity, mut cookie) = super::advance(browser, now, views);
        if identity.confirmed {
            cookie.mark_counted();
        }
        (identity, cookie)
    }

    /// What the browser would send back.
    fn back(cookie: &Cookie, today: Date) -> Option<Cookie> {
        Cookie::decode(&cookie.encode(), today)
    }

    #[test]
    fn the_second_beacon_confirms_the_first_one_s_identity() {
        let today = date(2026, 11, 22);
        let (first, cookie) = advance(None, &key(1), at(today, 60), 1);
        assert!(*first.id.expose() == ID && !first.confirmed);
        assert!(first.first_visit.new_ever && first.first_visit.new_week && first.visit_number == "1");
        let (second, cookie) = advance(back(&cookie, today), &key(1), at(today, 70), 1);
        assert!(second.id.expose() == first.id.expose() && second.confirmed && second.first_visit == first.first_visit);
        assert_eq!(second.visit.views, 1);
        assert_eq!(cookie.visit, Visit { start_minute: 60, last_minute: 70, views: 2, automated: false });
    }

    #[test]
    fn the_identity_changes_with_the_day_and_tabs_agree_on_it() {
        let (today, tomorrow) = (date(2026, 11, 30), date(2026, 12, 1));
        let (first, cookie) = advance(None, &key(1), at(today, 60), 1);
        let (_, cookie) = advance(back(&cookie, today), &key(1), at(today, 61), 0);
        let (tab, _) = advance(back(&cookie, tomorrow), &key(2), at(tomorrow, 1), 1);
        let (other, _) = advance(back(&cookie, tomorrow), &key(2), at(tomorrow, 9), 1);
        assert!(tab.id.expose() != first.id.expose() && tab.id.expose() == other.id.expose());
        assert_eq!(
            tab.first_visit,
            FirstVisitFlags { new_day: true, new_week: false, new_month: true, new_ever: false }
        );
        assert_eq!((tab.visit_number, tab.visit.start_minute), ("2", 1));
    }

    #[test]
    fn a_browser_that_was_seen_once_counts_from_the_day_it_comes_back() {
        let (monday, wednesday, friday) = (date(2026, 11, 23), date(2026, 11, 25), date(2026, 11, 27));
        let (once, cookie) = advance(None, &key(1), at(monday, 60), 1);
        assert!(once.first_visit.new_week && !once.confirmed);
        let (again, cookie) = advance(back(&cookie, wednesday), &key(2), at(wednesday, 60), 1);
        assert!(again.first_visit == once.first_visit && again.confirmed);
        let (third, _) = advance(back(&cookie, friday), &key(3), at(friday, 60), 1);
        assert_eq!(
            third.first_visit,
            FirstVisitFlags { new_day: true, new_week: false, new_month: false, new_ever: false }
        );
    }

    #[test]
    fn thirty_idle_minutes_begin_a_new_visit() {
        let today = date(2026, 11, 22);
        let (_, cookie) = advance(None, &key(1), at(today, 60), 1);
        let (same, _) = advance(back(&cookie, today), &key(1), at(today, 90), 1);
        let (next, _) = advance(back(&cookie, today), &key(1), at(today, 91), 1);
        assert_eq!((same.visit_number, same.visit.start_minute), ("1", 60));
        assert_eq!((next.visit_number, next.visit.start_minute, next.visit.views), ("2", 91, 0));
    }

    #[test]
    fn a_cookie_expires_thirteen_months_after_it_was_first_set_and_does_not_slide() {
        let mut today = date(2026, 1, 15);
        let (_, mut cookie) = advance(None, &key(1), at(today, 0), 1);
        assert_eq!(cookie.max_age_s(today), 396 * 86_400);
        for _ in 0..395 {
            today = today.tomorrow().expect("in range");
            (_, cookie) = advance(back(&cookie, today), &key(1), at(today, 0), 1);
        }
        assert_eq!(cookie.visits, VISITS_MAX);
        assert!(back(&cookie, date(2027, 2, 14)).is_some());
        assert!(back(&cookie, date(2027, 2, 15)).is_none());
    }
}

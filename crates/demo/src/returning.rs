//! Browsers that were here before: the cookies that the collector would have set on earlier days.
//!
//! The rules of cookies decide what a returning browser is, not this file: it only says on which days it came.

use jiff::Span;
use jiff::civil::Date;
use tamga::privacy::cookie::{self, Browser, Cookie, Identity, LocalTime};
use tamga::privacy::pseudonym::DayKey;
use tamga::secret::Secret;

use crate::random::Random;

/// Of a day's visitors, those who have been here on a day before.
pub(crate) const RETURNING: f64 = 0.22;
/// Days between two visits: half are shorter.
const DAYS_BETWEEN: f64 = 4.0;
/// Minutes since midnight, and views, of each earlier visit.
const VISIT: (u16, u8) = (12 * 60, 3);

/// Makes cookies of a shop that opened on a day.
pub(crate) struct Returning {
    opened: Date,
    /// It only turns the identity of one day into that of the next. Any will do, since identities are random.
    key: DayKey,
}

impl Returning {
    /// No cookie is older than `opened`.
    pub(crate) fn since(opened: Date) -> Self {
        Self { opened, key: DayKey::new(Secret::random()) }
    }

    /// The cookie that a browser brings on a day; `None` on the first one, before which nobody came.
    pub(crate) fn cookie(&self, day: Date, random: &mut Random) -> Option<Cookie> {
        let open_for = i64::from(self.opened.until(day).map_or(0, |open| open.get_days()));
        let mut days = Vec::new();
        let mut days_ago = 0;
        for _ in 0..*random.pick(&[1, 1, 1, 2, 2, 3, 5]) {
            days_ago += random.around(DAYS_BETWEEN, 0.9).ceil() as i64;
            // Who would have come before the shop opened, came when it did.
            let first = days.is_empty().then_some(open_for).filter(|open_for| *open_for > 0);
            match Some(days_ago).filter(|days_ago| *days_ago <= open_for).or(first) {
                Some(days_ago) => days.push(day.saturating_sub(Span::new().days(days_ago))),
                None => break,
            }
        }
        let mut cookie = None;
        for day in days.into_iter().rev() {
            let (minute, views) = VISIT;
            let (_, mut next) = cookie::advance(self.browser(cookie, day, random), LocalTime { day, minute }, views);
            next.mark_counted();
            cookie = Some(next);
        }
        cookie
    }

    /// Who somebody is on a day, with the flags that rows have: returning or new.
    pub(crate) fn somebody(&self, day: Date, random: &mut Random) -> Identity {
        let cookie = if random.chance(RETURNING) { self.cookie(day, random) } else { None };
        cookie::advance(self.browser(cookie, day, random), LocalTime { day, minute: VISIT.0 }, 1).0
    }

    fn browser(&self, cookie: Option<Cookie>, day: Date, random: &mut Random) -> Browser {
        match cookie {
            Some(cookie) => Browser::known(cookie, &self.key, day),
            None => Browser::new(random.bytes()),
        }
    }
}

#[cfg(test)]
mod tests {
    use jiff::civil::date;

    use super::*;

    #[test]
    fn nobody_came_before_the_shop_opened_and_later_some_have_come_in_each_week() {
        let returning = Returning::since(date(2026, 10, 26));
        let mut random = Random::new(3);
        let mut on = |day| -> Vec<Identity> { (0..2_000).map(|_| returning.somebody(day, &mut random)).collect() };
        assert!(on(date(2026, 10, 26)).iter().all(|of| of.first_visit.new_ever && of.absence == "never"));
        let later = on(date(2026, 11, 27));
        let old: Vec<_> = later.iter().filter(|of| !of.first_visit.new_ever).collect();
        assert!((300..500).contains(&old.len()), "{}", old.len());
        for week in ["0", "1", "2", "3", "4"] {
            assert!(old.iter().any(|of| of.cohort == week), "nobody came first {week} weeks ago");
        }
        assert!(old.iter().any(|of| of.first_visit.new_week) && old.iter().any(|of| !of.first_visit.new_week));
        assert!(old.iter().all(|of| of.confirmed && of.absence != "never" && of.cohort != "5-8"));
    }
}

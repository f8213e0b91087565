//! Kazakhstan's working calendar: a week of five days, the public holidays, and the days that are moved.
//!
//! The holidays of fixed dates are known here. A public holiday on a weekend makes the next working day after it a day off. What
//! the government decides anew each year is configured: the first day of Kurban Ait, moved days off, and working Saturdays.
//!
//! A day off that is missing makes a deadline early, and one too many makes it late. So nothing is a day off by a guess, and a
//! configured working day is one whatever else is said of it.

use std::collections::BTreeSet;

use jiff::civil::{Date, Weekday, date};

/// Public holidays, by month and day. One on a weekend is moved.
const HOLIDAYS: [(i8, i8); 13] =
    [(1, 1), (1, 2), (3, 8), (3, 21), (3, 22), (3, 23), (5, 1), (5, 7), (5, 9), (7, 6), (8, 30), (10, 25), (12, 16)];
/// Christmas, a day off that is not moved.
const CHRISTMAS: (i8, i8) = (1, 7);
/// The most configured dates: some decades of moved days.
const CONFIGURED_MAX: usize = 1000;

/// Which days are working days.
#[derive(Clone, Debug, Default)]
pub struct Calendar {
    off: BTreeSet<Date>,
    working: BTreeSet<Date>,
}

impl Calendar {
    /// The calendar with these further days off and these further working days, each such as `2026-05-27`.
    pub fn new(off: &[String], working: &[String]) -> Result<Self, String> {
        let calendar = Self { off: dates(off)?, working: dates(working)? };
        match calendar.off.intersection(&calendar.working).next() {
            Some(day) => Err(format!("{day} is listed both as a holiday and as a working day")),
            None => Ok(calendar),
        }
    }

    /// Whether people work on this day.
    pub fn is_working(&self, day: Date) -> bool {
        if self.working.contains(&day) {
            return true;
        }
        !self.off.contains(&day) && !is_free(day) && !substitutes(day.year()).contains(&day)
    }

    /// The working day that is so many after this one, which is not counted.
    pub(super) fn after(&self, day: Date, working_days: u16) -> Date {
        let (mut day, mut left) = (day, working_days);
        while left > 0 {
            let Ok(next) = day.tomorrow() else { return day };
            day = next;
            left -= u16::from(self.is_working(day));
        }
        day
    }
}

fn dates(written: &[String]) -> Result<BTreeSet<Date>, String> {
    if written.len() > CONFIGURED_MAX {
        return Err(format!("at most {CONFIGURED_MAX} dates are expected"));
    }
    let parse = |text: &String| text.parse().map_err(|_| format!("{text:?} is no date such as 2026-05-27"));
    written.iter().map(parse).collect()
}

fn is_weekend(day: Date) -> bool {
    matches!(day.weekday(), Weekday::Saturday | Weekday::Sunday)
}

fn is_holiday(day: Date) -> bool {
    HOLIDAYS.contains(&(day.month(), day.day()))
}

/// Whether a day is off by itself, and not because a holiday was moved to it.
fn is_free(day: Date) -> bool {
    is_weekend(day) || is_holiday(day) || (day.month(), day.day()) == CHRISTMAS
}

/// The days off of a year in place of holidays on weekends.
fn substitutes(year: i16) -> BTreeSet<Date> {
    let mut found = BTreeSet::new();
    let holidays = HOLIDAYS.iter().map(|(month, day)| date(year, *month, *day));
    for holiday in holidays.filter(|day| is_weekend(*day)) {
        let mut next = holiday;
        while is_free(next) || found.contains(&next) {
            let Ok(later) = next.tomorrow() else { break };
            next = later;
        }
        found.insert(next);
    }
    found
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// The days of a year from Monday to Friday that are off.
    fn off_weekdays(year: i16) -> Vec<Date> {
        let calendar = Calendar::default();
        let days = date(year, 1, 1).series(jiff::Span::new().days(1)).take_while(|day| day.year() == year);
        days.filter(|day| !is_weekend(*day) && !calendar.is_working(*day)).collect()
    }

    #[test]
    fn published_calendars_are_met() {
        let of = |year, days: &[(i8, i8)]| {
            let days: Vec<_> = days.iter().map(|(month, day)| date(year, *month, *day)).collect();
            assert_eq!(off_weekdays(year), days, "{year}");
        };
        // The women's day and two days of Nauryz are on weekends, and so are Victory Day and the Constitution's.
        let year = [(1, 1), (1, 2), (1, 7), (3, 9), (3, 23), (3, 24), (3, 25), (5, 1), (5, 7), (5, 11), (7, 6)];
        of(2026, &[&year[..], &[(8, 31), (10, 26), (12, 16)]].concat());
        // A new year that begins on a weekend, and one whose second day does.
        assert!(off_weekdays(2022).starts_with(&[date(2022, 1, 3), date(2022, 1, 4), date(2022, 1, 7)]));
        assert!(off_weekdays(2016).starts_with(&[date(2016, 1, 1), date(2016, 1, 4), date(2016, 1, 7)]));
        for moved in [date(2019, 3, 25), date(2019, 7, 8), date(2021, 3, 24), date(2024, 3, 25), date(2025, 10, 27)] {
            assert!(off_weekdays(moved.year()).contains(&moved), "{moved}");
        }
        assert!(Calendar::default().is_working(date(2024, 2, 29)));
    }

    /// Another way to the same days: each holiday on a weekend is owed, and the next day on which people would work pays.
    #[test]
    fn moved_days_are_those_that_are_owed() {
        for year in 1992..2200 {
            let (mut owed, mut paid) = (0, BTreeSet::new());
            let mut day = date(year, 1, 1);
            while day.year() == year {
                owed += u8::from(is_holiday(day) && is_weekend(day));
                if owed > 0 && !is_free(day) {
                    owed -= 1;
                    paid.insert(day);
                }
                day = day.tomorrow().expect("a day of this year");
            }
            assert_eq!((substitutes(year), owed), (paid, 0), "{year}");
        }
    }

    #[test]
    fn configured_days_go_over_what_is_known() {
        let texts = |dates: &[&str]| dates.iter().map(|day| (*day).to_owned()).collect::<Vec<_>>();
        let calendar = Calendar::new(&texts(&["2026-05-27"]), &texts(&["2026-03-28", "2026-12-16"])).expect("sound");
        assert!(!calendar.is_working(date(2026, 5, 27)) && Calendar::default().is_working(date(2026, 5, 27)));
        assert!(calendar.is_working(date(2026, 3, 28)), "a Saturday");
        assert!(calendar.is_working(date(2026, 12, 16)), "a holiday that is one no more");
        for (off, working, says) in [
            (&["2026-02-29"][..], &[][..], "no date"),
            (&[], &["28.03.2026"], "no date"),
            (&["2026-03-28"], &["2026-03-28"], "both"),
            (&["2026-03-28"; CONFIGURED_MAX + 1], &[], "at most"),
        ] {
            let error = Calendar::new(&texts(off), &texts(working)).expect_err(says);
            assert!(error.contains(says), "{error}");
        }
    }

    fn any_day() -> impl Strategy<Value = Date> {
        (0..30_000i32).prop_map(|days| date(1995, 1, 1).saturating_add(jiff::Span::new().days(days)))
    }

    proptest! {
        #[test]
        fn exactly_so_many_working_days_lie_before_the_end(
            from in any_day(),
            days in 0u16..60,
            off in proptest::collection::btree_set(any_day(), 0..20),
            working in proptest::collection::btree_set(any_day(), 0..20),
        ) {
            let calendar = Calendar { off, working };
            let end = calendar.after(from, days);
            let passed = from.series(jiff::Span::new().days(1)).skip(1).take_while(|day| *day <= end);
            prop_assert_eq!(passed.filter(|day| calendar.is_working(*day)).count(), usize::from(days));
            prop_assert!(days == 0 || calendar.is_working(end));
        }

        #[test]
        fn a_later_beginning_and_a_further_day_off_never_make_an_end_earlier(
            from in any_day(), days in 0u16..60, further in 0i32..90,
        ) {
            let calendar = Calendar::default();
            let end = calendar.after(from, days);
            prop_assert!(calendar.after(from.tomorrow().expect("in range"), days) >= end);
            let free = from.saturating_add(jiff::Span::new().days(further));
            let with_off = Calendar { off: [free].into(), ..Calendar::default() };
            let with_work = Calendar { working: [free].into(), ..Calendar::default() };
            prop_assert!(with_off.after(from, days) >= end && with_work.after(from, days) <= end);
        }
    }
}

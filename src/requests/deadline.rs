//! Within which time a request is done: so many working days, days or months after the day it was received.
//!
//! The day of receipt is not counted, and the last day belongs to the time. An end on a day off stays there: an answer before
//! the weekend is never late. Six months after the last day of August end with February.

use std::fmt;
use std::str::FromStr;

use jiff::Span;
use jiff::civil::Date;

use super::Calendar;

/// No policy allows more than six months.
const MONTHS_MAX: u16 = 6;
const DAYS_MAX: u16 = 181;
const WORKING_DAYS_MAX: u16 = 100;

/// A length of time by which a deadline is reckoned.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Deadline {
    /// Days on which people work.
    WorkingDays(u16),
    /// Days of the calendar.
    Days(u16),
    /// Months of the calendar.
    Months(u16),
}

impl Deadline {
    /// The last day on which a request that was received on this day is in time.
    pub fn end(self, received: Date, calendar: &Calendar) -> Date {
        match self {
            Self::WorkingDays(days) => calendar.after(received, days),
            Self::Days(days) => received.saturating_add(Span::new().days(days)),
            Self::Months(months) => received.saturating_add(Span::new().months(months)),
        }
    }

    /// The day on which half of the time is over.
    pub fn half(self, received: Date, calendar: &Calendar) -> Date {
        match self {
            Self::WorkingDays(days) => calendar.after(received, days / 2),
            Self::Days(_) | Self::Months(_) => between(received, self.end(received, calendar)),
        }
    }
}

/// The day in the middle of two; of two such days the earlier.
pub(super) fn between(from: Date, to: Date) -> Date {
    let days = to.duration_since(from).as_hours() / 24;
    from.saturating_add(Span::new().days(days.max(0) / 2))
}

impl FromStr for Deadline {
    type Err = String;

    /// Reads `7 working days`, `30 days` or `6 months`.
    fn from_str(text: &str) -> Result<Self, String> {
        let wrong = || {
            format!(
                "{text:?}: a time such as \"7 working days\", \"30 days\" or \"6 months\" is expected, from 1 up to {WORKING_DAYS_MAX} \
                 working days, {DAYS_MAX} days or {MONTHS_MAX} months"
            )
        };
        let (number, unit) = text.split_once(' ').ok_or_else(wrong)?;
        let number: u16 = number.parse().map_err(|_| wrong())?;
        let (deadline, most) = match unit.trim() {
            "working day" | "working days" => (Self::WorkingDays(number), WORKING_DAYS_MAX),
            "day" | "days" => (Self::Days(number), DAYS_MAX),
            "month" | "months" => (Self::Months(number), MONTHS_MAX),
            _ => return Err(wrong()),
        };
        if (1..=most).contains(&number) { Ok(deadline) } else { Err(wrong()) }
    }
}

impl fmt::Display for Deadline {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (number, unit) = match self {
            Self::WorkingDays(number) => (number, "working day"),
            Self::Days(number) => (number, "day"),
            Self::Months(number) => (number, "month"),
        };
        write!(f, "{number} {unit}{}", if *number == 1 { "" } else { "s" })
    }
}

#[cfg(test)]
mod tests {
    use jiff::civil::date;
    use proptest::prelude::*;

    use super::*;

    fn read(text: &str) -> Deadline {
        text.parse().expect("a deadline")
    }

    #[test]
    fn deadlines_end_where_the_calendar_says() {
        for (text, received, half, end) in [
            // Within a week; over a weekend; received on a Saturday.
            ("7 working days", date(2026, 11, 2), date(2026, 11, 5), date(2026, 11, 11)),
            ("7 working days", date(2026, 11, 6), date(2026, 11, 11), date(2026, 11, 17)),
            ("7 working days", date(2026, 11, 7), date(2026, 11, 11), date(2026, 11, 17)),
            // Over Nauryz with two moved days, over the end of a year and Christmas, over the end of a leap February.
            ("7 working days", date(2026, 3, 18), date(2026, 3, 26), date(2026, 4, 1)),
            ("7 working days", date(2026, 12, 29), date(2027, 1, 5), date(2027, 1, 12)),
            ("7 working days", date(2028, 2, 24), date(2028, 2, 29), date(2028, 3, 6)),
            ("1 working day", date(2026, 11, 27), date(2026, 11, 27), date(2026, 11, 30)),
            ("30 days", date(2026, 11, 29), date(2026, 12, 14), date(2026, 12, 29)),
            ("30 days", date(2028, 2, 1), date(2028, 2, 16), date(2028, 3, 2)),
            ("30 days", date(2027, 2, 1), date(2027, 2, 16), date(2027, 3, 3)),
            ("6 months", date(2026, 11, 29), date(2027, 2, 27), date(2027, 5, 29)),
            ("6 months", date(2027, 8, 31), date(2027, 11, 30), date(2028, 2, 29)),
            ("6 months", date(2026, 8, 31), date(2026, 11, 29), date(2027, 2, 28)),
        ] {
            let (deadline, calendar) = (read(text), Calendar::default());
            assert_eq!(deadline.end(received, &calendar), end, "{text} from {received}");
            assert_eq!(deadline.half(received, &calendar), half, "half of {text} from {received}");
        }
    }

    #[test]
    fn a_deadline_is_read_as_it_is_written() {
        for text in ["7 working days", "1 working day", "30 days", "1 day", "6 months", "1 month"] {
            assert_eq!(read(text).to_string(), text);
        }
        for wrong in
            ["", "7", "0 days", "-1 days", "7 weeks", "182 days", "7 months", "101 working days", "x days", "7  "]
        {
            assert!(wrong.parse::<Deadline>().is_err(), "{wrong}");
        }
    }

    fn any_deadline() -> impl Strategy<Value = Deadline> {
        prop_oneof![
            (1..=WORKING_DAYS_MAX).prop_map(Deadline::WorkingDays),
            (1..=DAYS_MAX).prop_map(Deadline::Days),
            (1..=MONTHS_MAX).prop_map(Deadline::Months),
        ]
    }

    proptest! {
        #[test]
        fn half_comes_between_and_nothing_is_longer_than_six_months(
            deadline in any_deadline(), days in 0i32..30_000,
        ) {
            let received = date(1995, 1, 1).saturating_add(Span::new().days(days));
            let calendar = Calendar::default();
            let (half, end) = (deadline.half(received, &calendar), deadline.end(received, &calendar));
            prop_assert!(received <= half && half <= end && received < end);
            prop_assert!(end <= received.saturating_add(Span::new().months(6)));
            let passed = end.duration_since(received).as_hours() / 24;
            match deadline {
                Deadline::Days(days) => prop_assert_eq!(passed, i64::from(days)),
                Deadline::Months(months) => {
                    // By the table of months, and not by the library.
                    let at = i16::from(received.month()) - 1 + months as i16;
                    let (year, month) = (received.year() + at / 12, (at % 12 + 1) as i8);
                    let is_leap = year % 4 == 0 && (year % 100 != 0 || year % 400 == 0);
                    let last = match month { 2 => 28 + i8::from(is_leap), 4 | 6 | 9 | 11 => 30, _ => 31 };
                    prop_assert_eq!((end.year(), end.month(), end.day()), (year, month, received.day().min(last)));
                }
                Deadline::WorkingDays(_) => {}
            }
        }
    }
}

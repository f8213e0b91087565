//! Days as numbers, since 1970, as cookies and rows carry them.

use jiff::SignedDuration;
use jiff::civil::Date;

/// The first day of the count of days that rows and cookies use.
const EPOCH: Date = jiff::civil::date(1970, 1, 1);

/// Days from one date to another. As a duration: a calendar's span takes fifty times as long to make.
pub(crate) fn days_between(earlier: Date, later: Date) -> i32 {
    i32::try_from(later.duration_since(earlier).as_hours() / 24).expect("calendars have fewer days")
}

/// Days since 1970; dates outside 1970 to 2149 are cut to these ends.
pub(crate) fn epoch_days(date: Date) -> u16 {
    days_between(EPOCH, date).clamp(0, i32::from(u16::MAX)) as u16
}

/// The date so many days after the beginning of 1970.
pub(crate) fn epoch_date(days: u16) -> Date {
    EPOCH.saturating_add(SignedDuration::from_hours(24 * i64::from(days)))
}

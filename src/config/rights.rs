//! The settings of what visitors read, ask and are answered: the operator's name, deadlines, and the working calendar.

use serde::Deserialize;
use url::Url;

use super::error::Errors;
use crate::requests::{Calendar, Deadline, Kind};

/// In whose name the visitor's page `/privacy` speaks.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Operator {
    /// The operator's name, as the policy writes it. Default none: the page shows the site's domain.
    pub name: Option<String>,
    /// Where visitors ask and complain: an e-mail address, a telephone number from `+`, or an address from `https://`. Default
    /// none: the page names no contact.
    pub contact: Option<String>,
    /// The address of the site's policy. Default none: the page has no link to it.
    pub policy_url: Option<String>,
    /// Origins whose pages may show the notice `/privacy/notice` in a frame, such as that of the policy. Default none: nobody
    /// frames it.
    pub framed_by: Vec<String>,
}

/// Within which time a written request is done, by its kind: such as `7 working days`, `30 days` or `6 months`. None may be longer
/// than six months.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Deadlines {
    /// What is held about somebody. Default 30 days: what the policies promise.
    pub access: String,
    /// Data that are wrong, too old, too many or unlawful. Default 7 working days: what the policies promise.
    pub correction: String,
    /// Consent is taken back. Default 30 days: what the policies promise.
    pub withdrawal: String,
    /// Complaints and questions. Default 30 days: what the policies promise.
    pub complaint: String,
    /// Data that could not be destroyed in time and were blocked. Default 6 months: the most that a policy allows.
    pub blocked: String,
}

impl Default for Deadlines {
    fn default() -> Self {
        Self {
            access: "30 days".to_owned(),
            correction: "7 working days".to_owned(),
            withdrawal: "30 days".to_owned(),
            complaint: "30 days".to_owned(),
            blocked: "6 months".to_owned(),
        }
    }
}

impl Deadlines {
    /// The time for a request of this kind.
    pub fn of(&self, kind: Kind) -> Result<Deadline, String> {
        match kind {
            Kind::Access => self.access.parse(),
            Kind::Correction => self.correction.parse(),
            Kind::Withdrawal => self.withdrawal.parse(),
            Kind::Complaint => self.complaint.parse(),
        }
    }

    /// The time for data that are blocked.
    pub fn of_blocked(&self) -> Result<Deadline, String> {
        self.blocked.parse()
    }
}

/// What the working calendar of Kazakhstan does not know by itself: what is decided anew each year.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct CalendarDays {
    /// Further days off, such as the first day of Kurban Ait, as `2026-05-27`. Default none: without them deadlines in working
    /// days end early.
    pub holidays: Vec<String>,
    /// Weekend days or holidays on which people work. Default none: they are decided anew each year.
    pub working_days: Vec<String>,
}

impl CalendarDays {
    /// The calendar with these days.
    pub fn calendar(&self) -> Result<Calendar, String> {
        Calendar::new(&self.holidays, &self.working_days)
    }
}

pub(super) fn check_calendar(calendar: &CalendarDays, errors: &mut Errors<'_>) {
    if let Err(message) = calendar.calendar() {
        errors.require(false, "calendar.holidays", &message);
    }
}

pub(super) fn check_deadlines(deadlines: &Deadlines, errors: &mut Errors<'_>) {
    let Deadlines { access, correction, withdrawal, complaint, blocked } = deadlines;
    for (key, text) in [
        ("deadlines.access", access),
        ("deadlines.correction", correction),
        ("deadlines.withdrawal", withdrawal),
        ("deadlines.complaint", complaint),
        ("deadlines.blocked", blocked),
    ] {
        if let Err(message) = text.parse::<Deadline>() {
            errors.require(false, key, &message);
        }
    }
}

/// What visitors read is short, and what they click on is an address.
pub(super) fn check_operator(operator: &Operator, errors: &mut Errors<'_>) {
    let is_line = |text: &str| !text.trim().is_empty() && text.len() <= 200 && !text.contains(char::is_control);
    let is_page = |text: &str| is_line(text) && Url::parse(text).is_ok_and(|url| url.scheme() == "https");
    let is_reachable = |text: &str| is_page(text) || is_line(text) && (text.contains('@') || text.starts_with('+'));
    errors.require(
        operator.name.as_deref().is_none_or(is_line),
        "operator.name",
        "a name of up to 200 bytes on one line is expected",
    );
    errors.require(
        operator.contact.as_deref().is_none_or(is_reachable),
        "operator.contact",
        "an e-mail address, a telephone number from + or an address from https:// is expected",
    );
    errors.require(
        operator.policy_url.as_deref().is_none_or(is_page),
        "operator.policy_url",
        "an address from https:// is expected",
    );
}

//! Written requests of visitors: a register without identities, and the dates by which each request is done.
//!
//! A request has a number, a site, a kind, dates and an outcome. There is no field for a name, an address or a text, and a
//! register that has one is not read. Who wrote is on the letter alone, which has the number.
//!
//! Deadlines are reckoned once, when a request is added, and stay as they were promised. A request whose data cannot be destroyed
//! in time is blocked: it stays open, and its deadline becomes that of blocked data, reckoned from the same day. It can be blocked
//! once, so no way through the register is longer than that.

mod calendar;
mod deadline;

use jiff::Span;
use jiff::civil::Date;
use serde::{Deserialize, Serialize};

pub use calendar::Calendar;
pub use deadline::Deadline;

/// More requests than this are a flood, and no register.
const REQUESTS_MAX: usize = 10_000;
/// A closed request leaves the register after the years in which somebody may sue.
const CLOSED_YEARS: i64 = 3;

/// What a request asks for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, clap::ValueEnum)]
#[serde(rename_all = "kebab-case")]
pub enum Kind {
    /// What is held about somebody, why, from where and for how long
    Access,
    /// Data that are wrong, too old, too many or unlawful: correct, block or destroy them
    Correction,
    /// Consent is taken back: stop, and destroy
    Withdrawal,
    /// A complaint or a question
    Complaint,
}

/// How a request ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, clap::ValueEnum)]
#[serde(rename_all = "kebab-case")]
pub enum Outcome {
    /// The answer was sent, to a request of access or a complaint
    Answered,
    /// The data were corrected or destroyed
    Done,
    /// A refusal with its reason was sent: `tamga requests refusal` prints one
    Refused,
    /// The data cannot be destroyed in time and are blocked; the request stays open until they are
    Blocked,
}

impl Outcome {
    /// What a request of this kind can come to.
    fn fits(self, kind: Kind) -> bool {
        let asks_for_words = matches!(kind, Kind::Access | Kind::Complaint);
        match self {
            Self::Answered => asks_for_words,
            Self::Done | Self::Blocked => !asks_for_words,
            Self::Refused => true,
        }
    }
}

/// A date as the register writes it: `2026-11-29`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct IsoDate(pub Date);

impl TryFrom<String> for IsoDate {
    type Error = jiff::Error;

    fn try_from(text: String) -> Result<Self, jiff::Error> {
        text.parse().map(Self)
    }
}

impl From<IsoDate> for String {
    fn from(date: IsoDate) -> Self {
        date.0.to_string()
    }
}

/// One request.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Request {
    /// What the letter and the answer have.
    pub number: u32,
    /// The domain of a configured site.
    pub site: String,
    pub kind: Kind,
    /// The day on which it was received, and the dates that follow from it, in the site's time zone.
    pub received: IsoDate,
    /// From this day on it is warned of.
    pub half: IsoDate,
    /// The last day on which it is in time.
    pub due: IsoDate,
    /// Since when its data are blocked.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub blocked: Option<IsoDate>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub closed: Option<Closed>,
}

/// The end of a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Closed {
    pub on: IsoDate,
    pub outcome: Outcome,
}

/// How much of an open request's time is over.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum State {
    Early,
    Half,
    Overdue,
}

impl State {
    /// As the metrics name them.
    pub const ALL: [(Self, &str); 3] = [(Self::Early, "early"), (Self::Half, "half"), (Self::Overdue, "overdue")];
}

impl Request {
    /// How much of its time is over on this day; nothing once it is closed.
    pub fn state(&self, today: Date) -> Option<State> {
        if self.closed.is_some() {
            return None;
        }
        Some(match today {
            today if today > self.due.0 => State::Overdue,
            today if today >= self.half.0 => State::Half,
            _ => State::Early,
        })
    }
}

/// All requests, in the order of their numbers.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Register {
    /// The number that was given last; no number is given twice.
    last: u32,
    requests: Vec<Request>,
}

impl Register {
    /// The requests that are kept.
    pub fn requests(&self) -> &[Request] {
        &self.requests
    }

    /// The request of a number.
    pub fn get(&self, number: u32) -> Result<&Request, String> {
        let found = self.requests.iter().find(|request| request.number == number);
        found.ok_or_else(|| format!("there is no request {number}; `tamga requests list --all` prints them"))
    }

    /// Adds a request that was received on a day up to today.
    pub fn add(
        &mut self,
        site: &str,
        kind: Kind,
        [received, today]: [Date; 2],
        (deadline, calendar): (Deadline, &Calendar),
    ) -> Result<&Request, String> {
        if received > today {
            return Err(format!("{received} has not come yet; today is {today}"));
        }
        let is_kept = |closed: Closed| closed.on.0.saturating_add(Span::new().years(CLOSED_YEARS)) > today;
        self.requests.retain(|request| request.closed.is_none_or(is_kept));
        if self.requests.len() >= REQUESTS_MAX {
            return Err(format!("there are {REQUESTS_MAX} requests already; the register is not made for more"));
        }
        self.last += 1;
        self.requests.push(Request {
            number: self.last,
            site: site.to_owned(),
            kind,
            received: IsoDate(received),
            half: IsoDate(deadline.half(received, calendar)),
            due: IsoDate(deadline.end(received, calendar)),
            blocked: None,
            closed: None,
        });
        Ok(&self.requests[self.requests.len() - 1])
    }

    /// Closes a request, or blocks it: then `blocked` says by when its data must be gone.
    pub fn close(
        &mut self,
        number: u32,
        outcome: Outcome,
        today: Date,
        (blocked, calendar): (Deadline, &Calendar),
    ) -> Result<&Request, String> {
        self.get(number)?;
        let request = self.requests.iter_mut().find(|request| request.number == number).expect("it is there");
        if let Some(Closed { on, .. }) = request.closed {
            return Err(format!("request {number} was closed on {}", on.0));
        }
        if !outcome.fits(request.kind) {
            return Err(
                "a request of this kind does not end so; access and complaint end answered or refused, correction and \
                 withdrawal end done or refused, or are blocked until then"
                    .to_owned(),
            );
        }
        if outcome != Outcome::Blocked {
            request.closed = Some(Closed { on: IsoDate(today), outcome });
            return Ok(request);
        }
        if let Some(since) = request.blocked {
            return Err(format!("request {number} is blocked since {}; its data must be destroyed", since.0));
        }
        let due = blocked.end(request.received.0, calendar);
        request.blocked = Some(IsoDate(today));
        request.half = IsoDate(deadline::between(today, due).min(due));
        request.due = IsoDate(due);
        Ok(request)
    }
}

#[cfg(test)]
mod tests;

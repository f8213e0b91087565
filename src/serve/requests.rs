//! `tamga requests …`: the register of written requests, in `requests.json` of the data folder; and what a running collector says
//! of it in `/readyz` and `/metrics`.
//!
//! A change is in the audit log before it is made. The file is replaced as a whole, so that a crash leaves the old register or
//! the new one, and one process at a time changes it.

use std::collections::HashMap;
use std::fmt::Write as _;
use std::fs::{self, File};
use std::io::ErrorKind;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use anyhow::{Context, Result, anyhow, bail};
use jiff::Timestamp;
use jiff::civil::Date;
use jiff::tz::TimeZone;
use rustix::fs::{FlockOperation, flock};
use serde_json::json;

use super::audit;
use crate::audit::Audit;
use crate::clock::Clock;
use crate::config::{Config, Site};
use crate::files::replace;
use crate::requests::{Kind, Outcome, Register, Request, State};
use crate::rights;

/// `tamga requests add`: a request of a site, which is named unless there is only one.
pub fn add(config: &Config, clock: &Clock, kind: Kind, site: Option<&str>, received: Option<Date>) -> Result<String> {
    let site = match (site, &config.sites[..]) {
        (Some(domain), _) => site_of(config, domain)?,
        (None, [only]) => only,
        (None, _) => bail!("there are several sites; name the one that the request is about with --site DOMAIN"),
    };
    let today = today(&config.time_zones(), &site.domain, clock.now());
    let (deadline, calendar) = (site.deadlines.of(kind), config.calendar.calendar());
    let terms = (deadline.map_err(|error| anyhow!(error))?, &calendar.map_err(|error| anyhow!(error))?);
    let mut open = Open::of(config, clock)?;
    let added = open.register.add(&site.domain, kind, [received.unwrap_or(today), today], terms);
    let request = added.map_err(|error| anyhow!(error))?.clone();
    let entry = json!({
        "number": request.number, "site": request.site, "kind": kind, "received": request.received, "due": request.due,
    });
    open.save("add request", &entry)?;
    let (number, domain) = (request.number, &site.domain);
    Ok(format!(
        "Request {number} of {domain}: {} from {}. Warned of from {}, due on {}.\nWrite the number on the letter; nothing else of \
         it is kept here.\n",
        terms.0, request.received.0, request.half.0, request.due.0
    ))
}

/// `tamga requests list`: the open requests, or all.
pub fn list(config: &Config, clock: &Clock, all: bool) -> Result<String> {
    let (register, zones) = (read(&file(config))?, config.time_zones());
    let mut said = String::new();
    for request in register.requests() {
        let state = match (request.state(today(&zones, &request.site, clock.now())), request.closed) {
            (None, Some(closed)) if all => format!("{} on {}", word(&closed.outcome), closed.on.0),
            (None, _) => continue,
            (Some(State::Early), _) => "open".to_owned(),
            (Some(State::Half), _) => "open, half of its time is over".to_owned(),
            (Some(State::Overdue), _) => "overdue".to_owned(),
        };
        let blocked = request.blocked.map(|since| format!(", blocked since {}", since.0)).unwrap_or_default();
        let Request { number, site, kind, received, due, .. } = request;
        let (kind, received, due) = (word(kind), received.0, due.0);
        writeln!(said, "{number:>4}  {site}  {kind:<10}  received {received}  due {due}  {state}{blocked}")?;
    }
    Ok(if said.is_empty() { "There is no open request.\n".to_owned() } else { said })
}

/// `tamga requests close`: how a request ended.
pub fn close(config: &Config, clock: &Clock, number: u32, outcome: Outcome) -> Result<String> {
    let mut open = Open::of(config, clock)?;
    let domain = open.register.get(number).map_err(|error| anyhow!(error))?.site.clone();
    let today = today(&config.time_zones(), &domain, clock.now());
    // A site that is configured no more has the deadlines that are so by default.
    let deadlines = config.site(&domain).map(|site| site.deadlines.clone()).unwrap_or_default();
    let (deadline, calendar) = (deadlines.of_blocked(), config.calendar.calendar());
    let terms = (deadline.map_err(|error| anyhow!(error))?, &calendar.map_err(|error| anyhow!(error))?);
    let request = open.register.close(number, outcome, today, terms).map_err(|error| anyhow!(error))?.clone();
    let in_time = today <= request.due.0;
    let entry = json!({ "number": number, "outcome": outcome, "due": request.due, "in_time": in_time });
    open.save("close request", &entry)?;
    Ok(match request.closed {
        None => format!("Request {number} is blocked. Its data must be destroyed by {}.\n", request.due.0),
        Some(_) if in_time => format!("Request {number} is closed: {}.\n", word(&outcome)),
        Some(_) => format!("Request {number} is closed: {}, after its last day {}.\n", word(&outcome), request.due.0),
    })
}

/// `tamga requests refusal`: the letter that refuses a request which cannot be tied to a browser.
pub fn refusal(config: &Config, number: u32, language: &str) -> Result<String> {
    let register = read(&file(config))?;
    let request = register.get(number).map_err(|error| anyhow!(error))?;
    let site = site_of(config, &request.site)?;
    let letter = rights::refusal(site, number, request.received.0, language);
    letter.with_context(|| format!("there is no letter in {language:?}; there are {}", rights::LANGUAGES.join(", ")))
}

fn site_of<'a>(config: &'a Config, domain: &str) -> Result<&'a Site> {
    config.site(domain).with_context(|| format!("the configuration has no [[site]] of the domain {domain:?}"))
}

/// The word of a kind or an outcome.
fn word(of: &impl serde::Serialize) -> String {
    serde_json::to_value(of).ok().and_then(|value| value.as_str().map(str::to_owned)).unwrap_or_default()
}

/// The day at a site. One that is configured no more has the day of UTC.
fn today(zones: &HashMap<Arc<str>, TimeZone>, site: &str, now: Timestamp) -> Date {
    now.to_zoned(zones.get(site).cloned().unwrap_or(TimeZone::UTC)).date()
}

fn file(config: &Config) -> PathBuf {
    config.data.dir.join("requests.json")
}

fn read(file: &Path) -> Result<Register> {
    match fs::read(file) {
        Ok(bytes) => serde_json::from_slice(&bytes)
            .with_context(|| format!("{} is not a register of requests; put a sound one in its place", file.display())),
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(Register::default()),
        Err(error) => Err(error).with_context(|| format!("cannot read {}", file.display())),
    }
}

/// The register while this process alone changes it.
struct Open {
    register: Register,
    file: PathBuf,
    audit: Audit,
    /// The data folder, whose lock is held until this is dropped.
    _lock: File,
}

impl Open {
    fn of(config: &Config, clock: &Clock) -> Result<Self> {
        let (audit, file) = (audit::open(config, clock.clone())?, file(config));
        let folder = File::open(&config.data.dir).context("cannot open the data folder")?;
        flock(&folder, FlockOperation::LockExclusive).context("cannot lock the data folder")?;
        Ok(Self { register: read(&file)?, file, audit, _lock: folder })
    }

    /// Writes the entry, then the register.
    fn save(&self, action: &str, entry: &serde_json::Value) -> Result<()> {
        self.audit.record(action, entry).context("cannot write the audit log")?;
        let sentence = || format!("cannot write {}", self.file.display());
        replace(&self.file, &serde_json::to_vec(&self.register)?, 0o600).with_context(sentence)
    }
}

/// The register as a running collector looks at it.
pub(super) struct Watched {
    file: PathBuf,
    zones: HashMap<Arc<str>, TimeZone>,
}

/// The open requests at one moment.
#[derive(Debug, Default)]
pub(super) struct OpenRequests {
    /// How many, by state, in the order of [`State::ALL`].
    pub(super) counts: [i64; 3],
    /// The earliest last day of each state.
    first_due: [Option<Date>; 3],
    /// Why the register cannot be read.
    pub(super) unreadable: Option<String>,
}

impl Watched {
    pub(super) fn new(config: &Config) -> Self {
        Self { file: file(config), zones: config.time_zones() }
    }

    pub(super) fn open_requests(&self, now: Timestamp) -> OpenRequests {
        let mut open = OpenRequests::default();
        let register = read(&self.file).unwrap_or_else(|error| {
            open.unreadable = Some(format!("{error:#}"));
            Register::default()
        });
        for request in register.requests() {
            let Some(state) = request.state(today(&self.zones, &request.site, now)) else { continue };
            let first = &mut open.first_due[state as usize];
            *first = Some(first.map_or(request.due.0, |due| due.min(request.due.0)));
            open.counts[state as usize] += 1;
        }
        open
    }
}

impl OpenRequests {
    /// What an operator must know, one sentence each.
    pub(super) fn warnings(&self) -> Vec<String> {
        let of = |state: State, what: &str| {
            let (count, due) = (self.counts[state as usize], self.first_due[state as usize]?);
            Some(format!("written requests {what}: {count}, the first due on {due}; see `tamga requests list`"))
        };
        let unread = self.unreadable.as_ref().map(|why| format!("nobody is warned of written requests: {why}"));
        let overdue = of(State::Overdue, "that are overdue");
        overdue.into_iter().chain(of(State::Half, "whose time is half over")).chain(unread).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOON: &str = "2026-11-29T07:00:00Z";

    fn ground() -> (tempfile::TempDir, Config, Clock) {
        let folder = tempfile::tempdir().expect("a folder");
        let mut config = Config::parse(Config::example(), "t.toml".as_ref(), std::iter::empty()).expect("sound");
        config.data.dir = folder.path().join("data");
        (folder, config, Clock::simulated(NOON.parse().expect("a time")))
    }

    fn at(clock: &Clock, time: &str) -> Timestamp {
        clock.advance_to(time.parse().expect("a time"));
        clock.now()
    }

    #[test]
    fn the_collector_warns_at_half_time_and_from_the_midnight_after_the_last_day() {
        let (_folder, config, clock) = ground();
        let watched = Watched::new(&config);
        assert!(watched.open_requests(clock.now()).warnings().is_empty(), "no register, no warning");
        add(&config, &clock, Kind::Access, None, None).expect("added");
        add(&config, &clock, Kind::Correction, Some("jetpay.kz"), None).expect("added");
        // Midnight in Almaty is at 19:00 UTC. A request of Sunday that ends after seven working days, and one after thirty days.
        for (time, counts, says) in [
            (NOON, [2, 0, 0], &[][..]),
            ("2026-12-01T18:59:59Z", [2, 0, 0], &[]),
            ("2026-12-01T19:00:00Z", [1, 1, 0], &["half over: 1, the first due on 2026-12-08"]),
            ("2026-12-08T18:59:59Z", [1, 1, 0], &["half over: 1"]),
            ("2026-12-08T19:00:00Z", [1, 0, 1], &["overdue: 1, the first due on 2026-12-08"]),
            ("2026-12-13T19:00:00Z", [0, 1, 1], &["overdue: 1", "half over: 1, the first due on 2026-12-29"]),
            ("2026-12-29T19:00:00Z", [0, 0, 2], &["overdue: 2, the first due on 2026-12-08"]),
        ] {
            let open = watched.open_requests(at(&clock, time));
            let warnings = open.warnings();
            assert_eq!((open.counts, warnings.len()), (counts, says.len()), "{time}: {warnings:?}");
            assert!(warnings.iter().zip(says).all(|(warning, says)| warning.contains(says)), "{time}: {warnings:?}");
        }
        assert!(close(&config, &clock, 2, Outcome::Done).expect("closed").contains("after its last day 2026-12-08"));
        assert_eq!(watched.open_requests(clock.now()).counts, [0, 0, 1]);
        let listed = list(&config, &clock, true).expect("a list");
        assert!(listed.contains("done on 2026-12-30") && listed.contains("overdue"), "{listed}");
        assert_eq!(list(&config, &clock, false).expect("a list").lines().count(), 1);
        let log = audit::show(&config, None, None, false).expect("reads");
        assert!(log.matches("add request").count() == 2 && log.contains("in_time=false"), "{log}");
    }

    #[test]
    fn a_crash_leaves_the_old_register_or_the_new_one() {
        let (_folder, config, clock) = ground();
        add(&config, &clock, Kind::Access, None, None).expect("added");
        let (file, old) = (file(&config), fs::read(file(&config)).expect("there"));
        add(&config, &clock, Kind::Complaint, None, None).expect("added");
        let new = fs::read(&file).expect("there");
        for written in 0..=new.len() {
            fs::write(&file, &old).expect("written");
            fs::write(file.with_extension("new"), &new[..written]).expect("written");
            assert_eq!(read(&file).expect("whole").requests().len(), 1);
        }
        // What the crash left disturbs nobody, and the number that was never in the register is given again.
        assert!(add(&config, &clock, Kind::Complaint, None, None).expect("added").starts_with("Request 2 "));
        assert_eq!(fs::read(&file).expect("there"), new);
        fs::write(&file, &new[..new.len() - 1]).expect("written");
        let open = Watched::new(&config).open_requests(clock.now());
        assert!(open.unreadable.is_some() && open.warnings()[0].contains("nobody is warned"));
        assert!(
            add(&config, &clock, Kind::Access, None, None).is_err()
                && fs::read(&file).expect("there").len() + 1 == new.len()
        );
    }

    #[test]
    fn requests_that_come_at_once_get_numbers_of_their_own() {
        let (_folder, config, clock) = ground();
        fs::create_dir_all(&config.data.dir).expect("a folder");
        std::thread::scope(|scope| {
            for _ in 0..8 {
                scope.spawn(|| add(&config, &clock, Kind::Access, None, None).expect("added"));
            }
        });
        let numbers: Vec<_> = read(&file(&config)).expect("whole").requests().iter().map(|one| one.number).collect();
        assert_eq!(numbers, [1, 2, 3, 4, 5, 6, 7, 8]);
    }
}

//! Break-glass: the two steps by which a person may look at pseudonymous rows, for the rare fault that cannot be found
//! otherwise. `tamga vault query` and `tamga dead-letters show` both take them.
//!
//! It is off unless `[wall] break_glass` is set. The first step writes the request into the audit log and gives a code. The
//! second step, with the code and within ten minutes, writes the access into the audit log and permits it, once. The audit log
//! holds the subject and the reason, without values.

use std::fs;
use std::io::Write as _;
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;

use anyhow::{Context, Result, bail};
use serde::{Deserialize, Serialize};
use serde_json::json;

use super::audit;
use crate::audit::Audit;
use crate::clock::Clock;
use crate::config::Config;

/// How long a code is valid: enough to read the warning, not enough to forget the reason.
const VALID_S: i64 = 600;
/// A reason with fewer characters explains nothing.
const REASON_MIN: usize = 15;

/// The access that a person asks for.
#[derive(Clone, Copy)]
pub struct BreakGlassRequest<'a> {
    /// The query, or the name of the dead letter.
    pub subject: &'a str,
    /// Why, in a sentence.
    pub reason: &'a str,
    /// The code of the first step.
    pub code: Option<&'a str>,
}

/// What a request is about, in the words of the audit log.
pub(super) struct Kind {
    /// What is looked at, such as `vault`: part of the names of the actions.
    pub(super) place: &'static str,
    /// The key of the subject, such as `query`.
    pub(super) key: &'static str,
}

/// A request that was permitted or waits for its second step.
pub(super) enum Step {
    /// The first step is done. The text has the warning and the code.
    First(String),
    /// The access is permitted, and in the audit log.
    Second(Audit),
}

/// A request that waits for its second step.
#[derive(Deserialize, Serialize)]
struct Pending {
    code: String,
    request: String,
    until: i64,
}

const WARNING: &str = "\
You are about to look at pseudonymous rows. They are not anonymous: a person who knows which rare page somebody opened on
a day can find the rows (docs/linkage.md has the figures). The policies promise that nobody does this. Do not keep, copy
or pass on what you see, and ask for as few columns and rows as the fault needs.
Your request and its reason are in the audit log now. The access will be there as well.
";

/// Takes the first step, or with a code the second. `shown` is the subject as the audit log may hold it.
pub(super) fn step(
    config: &Config,
    clock: &Clock,
    request: BreakGlassRequest<'_>,
    kind: &Kind,
    shown: &str,
) -> Result<Step> {
    let Kind { place, key } = kind;
    if !config.wall.break_glass {
        bail!("nobody may look at rows here: [wall] break_glass is not set. A change of it is in the audit log too");
    }
    let reason = request.reason.trim();
    if reason.chars().count() < REASON_MIN {
        bail!("give the reason in a sentence of at least {REASON_MIN} characters: --reason \"…\"");
    }
    let log = audit::open(config, clock.clone())?;
    let path = config.data.dir.join("break-glass.json");
    let now = clock.now().as_second();
    let entry = json!({ "reason": reason, (*key): shown });
    let request_hash = hash(&[place, request.subject, request.reason]);
    let Some(code) = request.code else {
        log.record(&format!("ask for the {place}"), &entry)?;
        let pending = Pending { code: fresh_code()?, request: request_hash, until: now + VALID_S };
        write(&path, &pending)?;
        return Ok(Step::First(format!(
            "{WARNING}\nTo go on, give the same {key} and reason once more within ten minutes, with --code {}\n",
            pending.code
        )));
    };
    let pending: Option<Pending> = fs::read(&path).ok().and_then(|text| serde_json::from_slice(&text).ok());
    // A code serves once, also if it is wrong: nobody can guess it.
    if let Err(error) = fs::remove_file(&path)
        && error.kind() != std::io::ErrorKind::NotFound
    {
        return Err(error).context("cannot use up the code");
    }
    let fits = |pending: &Pending| pending.code == code && pending.request == request_hash && now < pending.until;
    if !pending.as_ref().is_some_and(fits) {
        log.record(&format!("refuse the {place}"), &entry)?;
        bail!("this code is not for this {key} and reason, or its ten minutes are over; begin again without --code");
    }
    log.record(&format!("query the {place}"), &entry)?;
    Ok(Step::Second(log))
}

fn hash(parts: &[&str]) -> String {
    let mut hasher = blake3::Hasher::new();
    for part in parts {
        hasher.update(&(part.len() as u64).to_le_bytes()).update(part.as_bytes());
    }
    hasher.finalize().to_hex().to_string()
}

fn fresh_code() -> Result<String> {
    let mut bytes = [0; 4];
    getrandom::fill(&mut bytes).context("the operating system gives no random numbers")?;
    Ok(format!("{:08}", u32::from_le_bytes(bytes) % 100_000_000))
}

fn write(path: &Path, pending: &Pending) -> Result<()> {
    let mut file = fs::OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(path)?;
    file.write_all(&serde_json::to_vec(pending)?)?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    const KIND: Kind = Kind { place: "vault", key: "query" };

    #[test]
    fn break_glass_is_off_needs_a_reason_and_a_code_serves_once_and_for_one_request() {
        let folder = tempfile::tempdir().expect("a folder");
        let mut config = Config::parse(Config::example(), "t.toml".as_ref(), std::iter::empty()).expect("sound");
        config.data.dir = folder.path().to_owned();
        let clock = Clock::simulated(jiff::Timestamp::from_second(1_800_000_000).expect("in range"));
        let request = BreakGlassRequest { subject: "SELECT 1", reason: "rows of yesterday are missing", code: None };
        let take = |config: &Config, request: BreakGlassRequest<'_>| match step(config, &clock, request, &KIND, "?") {
            Ok(Step::First(text)) => Ok(text),
            Ok(Step::Second(_)) => Ok("permitted".to_owned()),
            Err(error) => Err(error.to_string()),
        };
        assert!(take(&config, request).unwrap_err().contains("[wall] break_glass"));
        config.wall.break_glass = true;
        assert!(take(&config, BreakGlassRequest { reason: "because", ..request }).unwrap_err().contains("--reason"));
        let code = || {
            let said = take(&config, request).expect("a code");
            assert!(said.contains("not anonymous"));
            said.trim().rsplit(' ').next().expect("a code").to_owned()
        };
        let first = code();
        let other = BreakGlassRequest { subject: "SELECT 2", code: Some(&first), ..request };
        assert!(take(&config, other).unwrap_err().contains("not for this query"));
        let again = BreakGlassRequest { code: Some(&first), ..request };
        assert!(take(&config, again).unwrap_err().contains("begin again"), "used up");
        let right = code();
        assert_eq!(take(&config, BreakGlassRequest { code: Some(&right), ..request }), Ok("permitted".to_owned()));
        let late = code();
        clock.advance_to(jiff::Timestamp::from_second(1_800_000_601).expect("in range"));
        let request = BreakGlassRequest { code: Some(&late), ..request };
        assert!(take(&config, request).unwrap_err().contains("ten minutes"));
        let log = audit::show(&config, None, None, false).expect("reads");
        let count = |action: &str| log.matches(action).count();
        assert_eq!(["ask for the vault", "refuse the vault", "query the vault"].map(count), [3, 3, 1], "{log}");
        assert!(log.contains("reason=rows of yesterday are missing") && log.contains("query=?"));
    }
}

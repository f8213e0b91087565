//! `tamga vault query`: break-glass, for the rare fault that cannot be found without a look at rows.
//!
//! Off unless `[wall] break_glass` says so. It takes two steps: the first writes the wish down and gives a code, the second,
//! with the code and within ten minutes, writes the act down and carries it out, once. What is asked and what for goes into
//! the audit log, the values in the question left out; what is answered goes to the terminal and nowhere else. A query can
//! change nothing, and answers a thousand rows at most.

use std::fs;
use std::io::Write as _;
use std::os::unix::fs::OpenOptionsExt;
use std::path::PathBuf;

use anyhow::{Context, Result, bail};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::{audit, reach};
use crate::clock::Clock;
use crate::config::Config;

/// How long a code is good for: time to read what it says, not to forget what it was for.
const VALID_S: i64 = 600;
/// Rows of an answer.
const ROWS: u32 = 1000;
/// A reason in fewer characters says nothing.
const REASON_MIN: usize = 15;

/// What is wished.
pub struct Wish<'a> {
    /// The query.
    pub sql: &'a str,
    /// What for.
    pub reason: &'a str,
    /// The code of the first step.
    pub code: Option<&'a str>,
}

/// A wish that waits for its second step.
#[derive(Deserialize, Serialize)]
struct Pending {
    code: String,
    wish: String,
    until: i64,
}

const WARNING: &str = "\
You are about to look at rows of the vault. They are pseudonymous, not anonymous: who knows when somebody visited, from
which region and with which browser finds their rows in most cases (docs/linkage.md has the figures). The policies promise that
this is not done. Do not keep, copy or pass on what you see, and ask for as few columns and rows as the fault needs.
Your wish and its reason are in the audit log now; carrying it out will be as well.
";

/// The first step, or with a code the second.
pub async fn query(config: &Config, clock: &Clock, wish: &Wish<'_>) -> Result<String> {
    if !config.wall.break_glass {
        bail!(
            "nobody looks at the vault here: [wall] break_glass is not set. Setting it is an act of its own in the audit log"
        );
    }
    if wish.reason.trim().chars().count() < REASON_MIN {
        bail!("say what for in a sentence: --reason \"…\"");
    }
    let first = wish.sql.split_whitespace().next().unwrap_or_default().to_ascii_uppercase();
    if !["SELECT", "WITH", "DESCRIBE", "SHOW", "EXPLAIN"].contains(&first.as_str()) {
        bail!("a query that reads is expected: SELECT …");
    }
    let log = audit::open(config, clock.clone())?;
    let path = config.data.dir.join("break-glass.json");
    let now = clock.now().as_second();
    let asked = json!({ "reason": wish.reason.trim(), "query": without_values(wish.sql) });
    let Some(code) = wish.code else {
        log.record("ask for the vault", &asked)?;
        let pending = Pending { code: fresh_code()?, wish: hash(wish), until: now + VALID_S };
        write(&path, &pending)?;
        return Ok(format!(
            "{WARNING}\nTo go on, give the same query and reason once more within ten minutes, with --code {}\n",
            pending.code
        ));
    };
    let pending: Option<Pending> = fs::read(&path).ok().and_then(|text| serde_json::from_slice(&text).ok());
    // Once, whether it is right or not: a code is not guessed.
    if let Err(error) = fs::remove_file(&path)
        && error.kind() != std::io::ErrorKind::NotFound
    {
        return Err(error).context("cannot use up the code");
    }
    let fits = |pending: &Pending| pending.code == code && pending.wish == hash(wish) && now < pending.until;
    if !pending.as_ref().is_some_and(fits) {
        log.record("refuse the vault", &asked)?;
        bail!("this code is not for this query and reason, or its ten minutes are over; begin again without --code");
    }
    log.record("query the vault", &asked)?;
    let reached = reach::reach(config).await?;
    let rows = reached.stores.vault.look::<Value>(wish.sql, ROWS).await;
    reached.release().await;
    let rows = rows?;
    log.record("queried the vault", &json!({ "rows": rows.len() }))?;
    Ok(rows.iter().map(|row| format!("{row}\n")).collect())
}

/// Which wish a code is for.
fn hash(wish: &Wish<'_>) -> String {
    let mut hasher = blake3::Hasher::new();
    for part in [wish.sql, wish.reason] {
        hasher.update(&(part.len() as u64).to_le_bytes()).update(part.as_bytes());
    }
    hasher.finalize().to_hex().to_string()
}

fn fresh_code() -> Result<String> {
    let mut bytes = [0; 4];
    getrandom::fill(&mut bytes).context("the operating system gives no random numbers")?;
    Ok(format!("{:08}", u32::from_le_bytes(bytes) % 100_000_000))
}

fn write(path: &PathBuf, pending: &Pending) -> Result<()> {
    let mut file = fs::OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(path)?;
    file.write_all(&serde_json::to_vec(pending)?)?;
    Ok(())
}

/// A query as it may stand in the audit log: strings, numbers and comments could name someone.
fn without_values(sql: &str) -> String {
    let mut out = String::new();
    let mut chars = sql.chars().peekable();
    let mut before = ' ';
    while let Some(c) = chars.next() {
        match c {
            '\'' => {
                out.push('?');
                while let Some(inner) = chars.next() {
                    match inner {
                        '\\' => drop(chars.next()),
                        '\'' if chars.peek() == Some(&'\'') => drop(chars.next()),
                        '\'' => break,
                        _ => (),
                    }
                }
            }
            '-' if chars.peek() == Some(&'-') => while chars.next_if(|c| *c != '\n').is_some() {},
            '/' if chars.peek() == Some(&'*') => {
                let mut last = ' ';
                for inner in chars.by_ref() {
                    if last == '*' && inner == '/' {
                        break;
                    }
                    last = inner;
                }
            }
            digit if digit.is_ascii_digit() && !before.is_alphanumeric() && before != '_' => {
                out.push('?');
                while chars.next_if(|c| c.is_alphanumeric() || *c == '.').is_some() {}
            }
            control if control.is_control() => out.push(' '),
            other => out.push(other),
        }
        before = c;
        if out.len() > 2000 {
            out.push('…');
            break;
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_question_is_written_down_without_its_values() {
        for (sql, written) in [
            ("SELECT * FROM events WHERE visitor = unhex('00ff')", "SELECT * FROM events WHERE visitor = unhex(?)"),
            ("SELECT 'it''s \\' x', v1, 7, 0x1F, 1.5e3 -- ivan", "SELECT ?, v1, ?, ?, ? "),
            ("SELECT /* +7 701 */ `a 1` FROM t\nLIMIT 5", "SELECT  `a ?` FROM t LIMIT ?"),
        ] {
            assert_eq!(without_values(sql), written);
        }
        assert!(without_values(&"a".repeat(5000)).len() < 2010);
        assert_eq!(without_values("SELECT 'open"), "SELECT ?");
    }

    #[tokio::test]
    async fn it_is_off_wants_a_reason_and_a_code_serves_once_and_for_one_wish() {
        let folder = tempfile::tempdir().expect("a folder");
        let mut config = Config::parse(Config::example(), "t.toml".as_ref(), std::iter::empty()).expect("sound");
        config.data.dir = folder.path().to_owned();
        let clock = Clock::simulated(jiff::Timestamp::from_second(1_800_000_000).expect("in range"));
        let wish = Wish { sql: "SELECT 1", reason: "rows of yesterday are missing", code: None };
        let say = async |config: &Config, wish: Wish<'_>| query(config, &clock, &wish).await.map_err(|e| e.to_string());
        assert!(say(&config, Wish { ..wish }).await.unwrap_err().contains("[wall] break_glass"));
        config.wall.break_glass = true;
        assert!(say(&config, Wish { reason: "because", ..wish }).await.unwrap_err().contains("what for"));
        assert!(say(&config, Wish { sql: "DROP TABLE events", ..wish }).await.unwrap_err().contains("reads"));
        let code = async || {
            let said = say(&config, Wish { ..wish }).await.expect("a code");
            assert!(said.contains("not anonymous"));
            said.trim().rsplit(' ').next().expect("a code").to_owned()
        };
        let first = code().await;
        let other = Wish { sql: "SELECT 2", code: Some(&first), ..wish };
        assert!(say(&config, other).await.unwrap_err().contains("not for this query"));
        assert!(
            say(&config, Wish { code: Some(&first), ..wish }).await.unwrap_err().contains("begin again"),
            "used up"
        );
        let late = code().await;
        clock.advance_to(jiff::Timestamp::from_second(1_800_000_601).expect("in range"));
        assert!(say(&config, Wish { code: Some(&late), ..wish }).await.unwrap_err().contains("ten minutes"));
        let acts = audit::show(&config, None, None, false).expect("reads");
        assert_eq!(
            (acts.matches("ask for the vault").count(), acts.matches("refuse the vault").count()),
            (2, 3),
            "{acts}"
        );
        assert!(acts.contains("reason=rows of yesterday are missing  ") || acts.contains("query=SELECT ?"));
    }
}

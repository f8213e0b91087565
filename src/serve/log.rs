//! Where the log goes: to standard error, in the form that fits what reads it.
//!
//! A person at a terminal gets colours. The journal gets each line with its priority (`<4>`) and without a time, which it has
//! itself. `[log] format = "json"` makes each line an object.
//!
//! Elsewhere than at a terminal a fault that lasts does not fill the log: a warning or error that was written less than ten
//! minutes ago is counted instead. The next line of it has the number as `repeated`, and so has a last one if no more come.

use std::collections::HashMap;
use std::fmt::{self, Write as _};
use std::io::IsTerminal;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use anyhow::{Result, bail};
use tracing::field::{Field, Visit};
use tracing::level_filters::LevelFilter;
use tracing::{Event, Level, Subscriber};
use tracing_subscriber::filter::Targets;
use tracing_subscriber::fmt::format::{self, Writer};
use tracing_subscriber::fmt::{FmtContext, FormatEvent, FormatFields};
use tracing_subscriber::layer::{Layer as _, SubscriberExt as _};
use tracing_subscriber::registry::LookupSpan;
use tracing_subscriber::util::SubscriberInitExt as _;

use crate::config::LogFormat;

/// How long the same warning or error is counted and not written.
const FOLDED_FOR: Duration = Duration::from_secs(600);
/// So many different lines are remembered. With more, the oldest are written again.
const LINES_MAX: usize = 256;

/// Writes the log to standard error. `TAMGA_LOG` says what is logged; without it, `default_level` does.
pub fn log_to_stderr(default_level: &str, format: LogFormat) -> Result<()> {
    let level = level(&std::env::var("TAMGA_LOG").unwrap_or_else(|_| default_level.to_owned()))?;
    // The client library logs the store's own words, which can quote rows.
    let filter = Targets::new().with_default(level).with_target("clickhouse", LevelFilter::OFF);
    let is_terminal = std::io::stderr().is_terminal();
    let colours = is_terminal && std::env::var_os("NO_COLOR").is_none_or(|value| value.is_empty());
    let is_journal = is_journal();
    let lines = tracing_subscriber::fmt::layer().with_writer(std::io::stderr);
    let text = format::Format::default().with_target(false).with_ansi(colours);
    let layer = match format {
        LogFormat::Json => {
            lines.fmt_fields(format::JsonFields::new()).event_format(Lines::new(text.json(), true, is_journal)).boxed()
        }
        LogFormat::Text if is_terminal => lines.event_format(text).with_ansi(colours).boxed(),
        LogFormat::Text if is_journal => {
            lines.event_format(Lines::new(text.without_time(), false, true)).with_ansi(false).boxed()
        }
        LogFormat::Text => lines.event_format(Lines::new(text, false, false)).with_ansi(false).boxed(),
    };
    tracing_subscriber::registry().with(filter).with(layer).init();
    Ok(())
}

fn level(word: &str) -> Result<LevelFilter> {
    const LEVELS: [LevelFilter; 6] = [
        LevelFilter::OFF,
        LevelFilter::ERROR,
        LevelFilter::WARN,
        LevelFilter::INFO,
        LevelFilter::DEBUG,
        LevelFilter::TRACE,
    ];
    match LEVELS.into_iter().find(|level| level.to_string().eq_ignore_ascii_case(word.trim())) {
        Some(level) => Ok(level),
        None => {
            bail!("the environment variable TAMGA_LOG is {word:?}; it can be off, error, warn, info, debug or trace")
        }
    }
}

/// Whether standard error is the journal: systemd names its device and inode.
fn is_journal() -> bool {
    let Ok(stream) = std::env::var("JOURNAL_STREAM") else { return false };
    let stat = rustix::fs::fstat(std::io::stderr());
    stat.is_ok_and(|stat| stream == format!("{}:{}", stat.st_dev, stat.st_ino))
}

/// Formats lines by another format, for a log that nobody watches.
struct Lines<F> {
    inner: F,
    is_json: bool,
    is_journal: bool,
    folded: Mutex<Folded>,
}

impl<F> Lines<F> {
    fn new(inner: F, is_json: bool, is_journal: bool) -> Self {
        Self { inner, is_json, is_journal, folded: Mutex::default() }
    }

    /// A line of the inner format, with the number of those that were not written.
    fn write(&self, out: &mut Writer<'_>, line: &str, repeated: u64) -> fmt::Result {
        let line = line.trim_end();
        match (repeated, line.strip_suffix('}').filter(|_| self.is_json)) {
            (0, _) => writeln!(out, "{line}"),
            (_, Some(open)) => writeln!(out, "{open},\"repeated\":{repeated}}}"),
            (_, None) => writeln!(out, "{line} repeated={repeated}"),
        }
    }
}

impl<S, N, F> FormatEvent<S, N> for Lines<F>
where
    S: Subscriber + for<'a> LookupSpan<'a>,
    N: for<'a> FormatFields<'a> + 'static,
    F: FormatEvent<S, N>,
{
    fn format_event(&self, context: &FmtContext<'_, S, N>, mut out: Writer<'_>, event: &Event<'_>) -> fmt::Result {
        let level = *event.metadata().level();
        let mut line = String::new();
        if self.is_journal {
            write!(line, "<{}>", priority(level))?;
        }
        self.inner.format_event(context, Writer::new(&mut line), event)?;
        if level > Level::WARN {
            return self.write(&mut out, &line, 0);
        }
        let mut words = Words(format!("{level}"));
        event.record(&mut words);
        let (over, repeated) = {
            let mut folded = self.folded.lock().unwrap_or_else(PoisonError::into_inner);
            folded.note(words.0, &line, Instant::now())
        };
        for (line, repeated) in over {
            self.write(&mut out, &line, repeated)?;
        }
        repeated.map_or(Ok(()), |repeated| self.write(&mut out, &line, repeated))
    }
}

/// What syslog calls a level.
fn priority(level: Level) -> u8 {
    match level {
        Level::ERROR => 3,
        Level::WARN => 4,
        Level::INFO => 6,
        _ => 7,
    }
}

/// The fields of an event as text, without its time.
struct Words(String);

impl Visit for Words {
    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        let _ = write!(self.0, " {}={value:?}", field.name());
    }
}

/// What was written, and how often not.
#[derive(Default)]
struct Folded(HashMap<String, Said>);

struct Said {
    at: Instant,
    /// The line as it would have been written last.
    line: String,
    not_written: u64,
}

impl Folded {
    /// Notes a line with these words. Returns what else is to be written now with its number of repeats: lines that no longer
    /// come. And the number of repeats with which this line is to be written; `None` if it is not.
    fn note(&mut self, words: String, line: &str, now: Instant) -> (Vec<(String, u64)>, Option<u64>) {
        let is_old = |said: &Said| now.saturating_duration_since(said.at) >= FOLDED_FOR;
        let mut over = Vec::new();
        self.0.retain(|known, said| {
            let stays = *known == words || !is_old(said);
            if !stays && said.not_written > 0 {
                over.push((std::mem::take(&mut said.line), said.not_written));
            }
            stays
        });
        match self.0.get_mut(&words) {
            Some(said) if !is_old(said) => {
                said.not_written += 1;
                line.clone_into(&mut said.line);
                return (over, None);
            }
            Some(said) => {
                let repeated = std::mem::take(&mut said.not_written);
                said.at = now;
                return (over, Some(repeated));
            }
            None => {}
        }
        if self.0.len() >= LINES_MAX {
            let oldest = self.0.iter().min_by_key(|(_, said)| said.at).map(|(words, _)| words.clone());
            let gone = oldest.and_then(|oldest| self.0.remove(&oldest)).filter(|said| said.not_written > 0);
            over.extend(gone.map(|said| (said.line, said.not_written)));
        }
        self.0.insert(words, Said { at: now, line: String::new(), not_written: 0 });
        (over, Some(0))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_fault_that_lasts_is_written_every_ten_minutes_with_its_number() {
        let (mut folded, start) = (Folded::default(), Instant::now());
        let mut written = Vec::new();
        for tenth in 0..36_000_u64 {
            let now = start + Duration::from_millis(100 * tenth);
            let (over, repeated) = folded.note("cannot accept".to_owned(), &format!("line {tenth}"), now);
            assert!(over.is_empty());
            written.extend(repeated);
        }
        assert_eq!(written, [0, 5_999, 5_999, 5_999, 5_999, 5_999]);
        // It ends, and something else is said later.
        let (over, repeated) = folded.note("other".to_owned(), "other", start + Duration::from_secs(7_200));
        assert_eq!((over, repeated), (vec![("line 35999".to_owned(), 5_999)], Some(0)));
    }

    #[test]
    fn many_different_lines_take_bounded_memory_and_none_is_forgotten_unsaid() {
        let (mut folded, now) = (Folded::default(), Instant::now());
        let mut said = 0;
        for number in 0..10_000_u64 {
            for _ in 0..2 {
                let (over, repeated) = folded.note(number.to_string(), "line", now + Duration::from_micros(number));
                said += over.iter().map(|(_, repeated)| repeated).sum::<u64>() + u64::from(repeated.is_some());
            }
            assert!(folded.0.len() <= LINES_MAX);
        }
        assert_eq!(said, 20_000 - LINES_MAX as u64, "those that are remembered are still to be said");
    }

    #[test]
    fn a_level_is_one_of_six_words() {
        for (word, expected) in [("warn", LevelFilter::WARN), (" INFO ", LevelFilter::INFO), ("off", LevelFilter::OFF)]
        {
            assert_eq!(level(word).expect("a level"), expected);
        }
        for word in ["verbos", "", "tamga=debug", "2"] {
            assert!(level(word).expect_err("no level").to_string().contains("off, error, warn"), "{word}");
        }
    }
}

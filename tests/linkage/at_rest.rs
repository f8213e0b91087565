//! What lies beside the vault: the spool's folder, dead letters, and the engine's query log. Is a row, or a mark by which one
//! could be found, in any of them?

use std::collections::{BTreeSet, HashSet};
use std::fs;
use std::path::Path;
use std::time::{Duration, Instant};

use super::collector::Collector;
use super::insider::{Copy, Target};

/// What was found.
#[derive(Default)]
pub(crate) struct AtRest {
    /// Frames that lay in the spool when it was copied, and rows of payments that were found in it without the key.
    pub(crate) spool: [usize; 2],
    /// Rows in the folder of dead letters.
    pub(crate) dead_letters: usize,
    /// Statements in the query log, those of them about `events`, and marks of rows in it.
    pub(crate) query_log: [usize; 3],
}

/// Words of rows, which a reader of the spool would look for first.
const WORDS: [&str; 5] = ["/pay/:order", "instagram.com", "yandex.kz", "Almaty", "Android"];

/// The spool's folder as it is now, right after beacons.
pub(crate) fn spool<'a>(
    collector: &Collector,
    targets: impl IntoIterator<Item = &'a Target>,
    found: &mut AtRest,
) -> anyhow::Result<()> {
    let mut bytes = Vec::new();
    read_all(&collector.data.join("spool"), &mut bytes)?;
    // The table stands in a frame's head, which is readable.
    found.spool[0] += count(&bytes, b"events");
    let views: HashSet<[u8; 8]> = targets.into_iter().map(Target::view_bytes).collect();
    let rows = bytes.windows(8).filter(|window| views.contains(*window)).count();
    found.spool[1] += rows + WORDS.iter().map(|word| count(&bytes, word.as_bytes())).sum::<usize>();
    Ok(())
}

/// Everything else, once the rows are in the vault.
pub(crate) async fn others(collector: &Collector, copies: &[&Copy], found: &mut AtRest) -> anyhow::Result<()> {
    let mut letters = Vec::new();
    read_all(&collector.data.join("dead-letters"), &mut letters)?;
    found.dead_letters = count(&letters, b"\"row\"");
    // Statements are written to the log some seconds later. The insider's own are among them, so that it is known to be read.
    let began = Instant::now();
    let (mut lines, mut of_events) = (Vec::new(), 0);
    while of_events == 0 && began.elapsed() < Duration::from_secs(60) {
        let log: Vec<serde_json::Value> = collector.administrator("SELECT * FROM tamga_engine.query_log").await?;
        lines = log.iter().map(ToString::to_string).collect();
        of_events = lines.iter().filter(|line: &&String| line.contains("tamga_vault.events")).count();
        tokio::time::sleep(Duration::from_millis(200)).await;
    }
    let text = lines.join("\n");
    let marks: BTreeSet<String> = copies.iter().flat_map(|copy| copy.marks()).collect();
    // Words of the log that could be a mark: long enough, and in either case of letters.
    let words: BTreeSet<String> = text
        .split(|letter: char| !letter.is_ascii_alphanumeric())
        .filter(|word| word.len() >= 12)
        .map(str::to_ascii_uppercase)
        .collect();
    let marked = words.intersection(&marks).count();
    found.query_log = [lines.len(), of_events, found.query_log[2] + marked];
    Ok(())
}

fn count(bytes: &[u8], needle: &[u8]) -> usize {
    bytes.windows(needle.len()).filter(|window| *window == needle).count()
}

fn read_all(dir: &Path, into: &mut Vec<u8>) -> anyhow::Result<()> {
    let entries = match fs::read_dir(dir) {
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(()),
        entries => entries?,
    };
    for entry in entries {
        let path = entry?.path();
        if path.is_dir() {
            read_all(&path, into)?;
        } else {
            // A segment can be delivered and unlinked meanwhile.
            into.extend(fs::read(&path).unwrap_or_default());
        }
    }
    Ok(())
}

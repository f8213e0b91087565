//! What lies beside the vault: the spool's folder, dead letters, and the engine's query log. Is a row, or a mark by which one
//! could be found, in any of them?

use std::collections::{BTreeSet, HashMap, HashSet};
use std::fs;
use std::path::Path;
use std::time::{Duration, Instant};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

use super::collector::{Beacon, Collector};
use super::insider::{Copy, Target, view_bytes, view_pseudonym};
use super::world::{Agent, beacon};

/// What was found.
#[derive(Default)]
pub(crate) struct AtRest {
    /// Frames that lay in the spool when it was copied, and rows of payments that were found in it without the key.
    pub(crate) spool: [usize; 2],
    /// Rows that the vault refused on purpose, and rows or marks of them that were found beside the engine without the key.
    pub(crate) dead_letters: [usize; 2],
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

/// Visitors of [`refused`]. One in so many pays.
const VISITORS: u64 = 40;
const PAYS: u64 = 4;

/// Has the vault refuse rows of payments, and copies all of the data folder but the engines' own files. Nothing is stored after it.
pub(crate) async fn refused(collector: &Collector, site: &str, at: i64, found: &mut AtRest) -> anyhow::Result<()> {
    let condition = "ALTER TABLE events ADD CONSTRAINT refused CHECK path != '/pay/:order'";
    collector.administrator::<()>(condition).await?;
    let numbers: Vec<u64> = (0..VISITORS).map(|number| (9 << 60) + number).collect();
    let pays = |number: &u64| number.is_multiple_of(PAYS);
    let beacons = numbers.iter().map(|number| {
        let path = if pays(number) { "/pay/4711" } else { "/docs/p1" };
        let (agent, body) =
            (Agent { browser: "Chrome", major: 150, os: "Windows" }, beacon(site, *number, path, "", None));
        let address = 0xc613_0001 + 256 * (number % VISITORS) as u32;
        Beacon { at, browser: *number, site: site.to_owned(), address, agent: agent.text(), body, refuses: false }
    });
    let (before, expected) = (letters(collector).await?, numbers.iter().filter(|number| pays(number)).count());
    let accepted = collector.play(beacons.collect(), &mut HashMap::new()).await;
    anyhow::ensure!(accepted == VISITORS, "{accepted} of {VISITORS} beacons were accepted");
    let began = Instant::now();
    while letters(collector).await? - before < expected {
        anyhow::ensure!(began.elapsed() < Duration::from_secs(120), "the vault takes rows that it should refuse");
        tokio::time::sleep(Duration::from_millis(200)).await;
    }
    let key = collector.stolen_key(site).ok_or_else(|| anyhow::anyhow!("{site} has no key"))?;
    let views = numbers.iter().filter(|number| pays(number)).map(|number| view_bytes(&view_pseudonym(&key, *number)));
    // Of a view's sixteen bytes the last are zeros.
    let needles: Vec<Vec<u8>> = views.map(|view| [view, [0; 8]].concat()).flat_map(written).collect();
    let mut bytes = Vec::new();
    for entry in fs::read_dir(&collector.data)? {
        let path = entry?.path();
        match path.file_name().and_then(|name| name.to_str()) {
            Some("engine" | "scripts") => {}
            _ if path.is_dir() => read_all(&path, &mut bytes)?,
            _ => bytes.extend(fs::read(&path)?),
        }
    }
    found.dead_letters = [expected, needles.iter().map(|needle| count(&bytes, needle)).sum()];
    Ok(())
}

/// How many rows the vault has refused.
async fn letters(collector: &Collector) -> anyhow::Result<usize> {
    let metrics = collector.metrics().await?;
    let line = metrics.lines().find_map(|line| line.strip_prefix("tamga_rows_dead_lettered "));
    Ok(line.ok_or_else(|| anyhow::anyhow!("no metric of dead letters"))?.trim().parse()?)
}

/// The ways in which bytes may be written: as they are, in hex, and in Base64, of which the neighbours decide
/// the first and the last letters.
fn written(bytes: Vec<u8>) -> Vec<Vec<u8>> {
    let base64 = (0..3).map(|at| {
        let text = STANDARD.encode([&vec![0; at][..], &bytes].concat());
        text.as_bytes()[4..text.len() - 4].to_vec()
    });
    let hex = bytes.iter().map(|byte| format!("{byte:02x}")).collect::<String>().into_bytes();
    base64.chain([hex, bytes.clone()]).collect()
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

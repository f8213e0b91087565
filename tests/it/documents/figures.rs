//! Every figure in prose, a number with a unit, has a source. There are three kinds:
//!
//! * `30 minutes<!--key life-->`: the number of a constant in code, by a name of [`facts`]. `UPDATE_EXPECT=1` writes it anew.
//! * `<!-- measured: make bench -->` in the same section: the command, or the file of tests, that measures it.
//! * `<!-- example: REASON -->` in the same section: the number is nobody's promise.

use std::collections::{BTreeMap, BTreeSet};

use regex::Regex;
use tamga::config::{Config, Protection};

use super::documents;
use crate::support::repository::{is_there, tracked};

/// Documents that a test or a measurement writes as a whole, or whose figures tests under src/publish compare, and history.
const WRITTEN: &[&str] = &[
    "CHANGELOG.md",
    "benches/edge/profile.md",
    "benches/product/meaning.md",
    "docs/analysts.md",
    "docs/benchmarks.md",
    "docs/configuration.md",
    "docs/faults.md",
    "docs/growth.md",
    "docs/linkage.md",
    "docs/metrics.md",
    "docs/product-benchmarks.md",
    "docs/publish-growth.md",
    "docs/publishing.md",
    "schema/README.md",
    "tests/fixtures/",
];

/// The only constant of this name under a folder, as a number: of time, in the unit of its constructor.
fn constant(folder: &str, name: &str) -> u64 {
    let pattern = Regex::new(&format!(r"const {name}(?:: [^=]+)? = ([^;]+);")).unwrap();
    let is_code = |path: &&String| path.ends_with(".rs") || path.ends_with(".ts");
    let sources = tracked().iter().filter(|path| path.starts_with(folder)).filter(is_code);
    let mut found = BTreeSet::new();
    for path in sources {
        let text = std::fs::read_to_string(path).unwrap();
        found.extend(pattern.captures_iter(&text).map(|value| value[1].to_owned()));
    }
    let found: Vec<_> = found.into_iter().collect();
    let [value] = &found[..] else { panic!("{folder} has {} constants {name}; correct this test", found.len()) };
    number(value).unwrap_or_else(|| panic!("the value of {name} is not understood: {value}"))
}

/// A product, sum or shift of whole numbers.
fn number(text: &str) -> Option<u64> {
    let text = text.trim();
    let text = text.strip_prefix("Duration::from_").map_or(text, |rest| rest.split_once('(').map_or("", |(_, n)| n));
    let text = text.trim_end_matches(')');
    if let Some((left, right)) = text.split_once("<<") {
        return Some(number(left)? << number(right)?);
    }
    text.split('*').try_fold(1, |product, factor| {
        let digits: String = factor.trim().chars().filter(|c| *c != '_').collect();
        Some(product * digits.parse::<u64>().ok()?)
    })
}

/// The numbers that documents name, by what they are.
fn facts() -> BTreeMap<&'static str, u64> {
    let config = Config::parse(Config::example(), "example".as_ref(), std::iter::empty()).unwrap();
    let least = constant("src/publish/", "K_MIN");
    let noise = u64::from(Protection::Standard.threshold().1);
    BTreeMap::from([
        ("key life", constant("src/privacy/keys/", "GRACE_MINUTES")),
        ("key made ahead", constant("src/peers/", "AHEAD_MINUTES")),
        ("nodes ask every", constant("src/peers/", "EVERY")),
        ("nodes are patient", constant("src/peers/", "PATIENCE")),
        ("clock tolerance", constant("src/clock/", "TOLERANCE_S")),
        ("clock patience", constant("src/clock/", "PATIENCE_H")),
        ("clock absence", constant("src/clock/", "ABSENCE_DAYS")),
        ("cookie life", constant("src/privacy/cookie", "LIFE_MONTHS")),
        ("tokens of an erasure", constant("src/rights/mod", "ERASURE_TOKENS")),
        ("call limit", constant("src/protect/", "BODY_MAX") >> 10),
        ("token life", constant("src/protect/", "LIFE_MINUTES")),
        ("keys kept by caches", constant("src/protect/", "KEYS_MAX_AGE_S") / 60),
        ("verdict key", constant("src/protect/", "PERIOD_DAYS")),
        ("verdict key shown early", constant("src/protect/", "EARLY_DAYS")),
        ("visit pause", constant("src/privacy/cookie", "IDLE_MINUTES")),
        ("views kept in the cookie", constant("src/privacy/cookie", "VIEWS_MAX")),
        ("events of a name", constant("src/collect/contributions", "EVENTS_OF_A_NAME")),
        ("visits kept in the cookie", constant("src/privacy/cookie", "VISITS_MAX")),
        ("GeoIP age", constant("src/serve/geo", "OLD_DAYS")),
        ("closed requests", constant("src/requests/", "CLOSED_YEARS")),
        ("head limit", constant("src/collect/server", "HEAD_MAX") >> 10),
        ("header fields", constant("src/collect/server", "FIELDS_MAX")),
        ("body limit", constant("src/decode/", "BODY_MAX") >> 10),
        ("scrubbed bytes", constant("src/privacy/scrub/", "SCRUBBED_MAX") >> 10),
        ("events in a beacon", constant("src/decode/", "EVENTS_MAX")),
        ("duplicate window", constant("src/collect/", "REMEMBERED_MS") / 60_000),
        ("undecided", constant("src/collect/", "UNDECIDED")),
        ("first identity", constant("src/collect/", "KEPT_MS") / 60_000),
        ("block", constant("src/spool/", "BLOCK_BYTES") >> 10),
        ("commits apart", constant("src/spool/pace", "APART")),
        ("busy commits apart", constant("src/spool/pace", "BUSY_APART")),
        ("commits enough", constant("src/spool/pace", "ENOUGH")),
        ("largest crowd", constant("src/spool/", "LARGEST_CROWD_BYTES") >> 30),
        ("retry window", constant("src/spool/", "WINDOW_MS") / 60_000),
        ("certificate reload", constant("src/collect/", "LOOK_EVERY")),
        ("burst", constant("src/collect/", "BURST_S")),
        ("threshold, never below", least),
        ("threshold, always from", least + 2 * noise),
        ("threshold without visitors", constant("src/publish/", "EVENTS_MIN")),
        ("network cap", constant("src/publish/", "NETWORK_CAP")),
        ("visits that count", constant("src/publish/", "VISITS_MAX")),
        ("views that count", constant("src/publish/", "VIEWS_MAX")),
        ("hour counts", constant("src/serve/hours", "KEPT_DAYS")),
        ("vault at most", constant("src/publish/", "VAULT_DAYS")),
        ("linger", config.vault.linger_s.into()),
        ("vault hours", config.retention.vault_hours.into()),
        ("vault hours at most", constant("src/config/", "MOST_VAULT_HOURS")),
        ("stats months", config.retention.stats_months.into()),
        ("stats months at most", constant("src/config/", "MOST_STATS_MONTHS")),
        ("head deadline", config.server.head_deadline_s.into()),
        ("body deadline", config.server.body_deadline_s.into()),
        ("stop grace", config.server.stop_grace_s.into()),
        ("network limit", config.limits.network_per_s.into()),
        ("visitor limit", config.limits.visitor_events_per_h.into()),
        ("spool quota", config.data.spool_quota_mib),
        ("break-glass code", constant("src/serve/", "VALID_S") / 60),
        ("break-glass rows", constant("src/serve/", "ROWS")),
        ("wall examined every", config.wall.verify_every_h.into()),
        ("rows too old", constant("src/store/ship/", "TOO_OLD_DAYS")),
        ("numbers in a path", constant("src/privacy/scrub/routes", "NUMBER_MAX")),
        ("digits in a path", constant("src/privacy/scrub/paths", "DIGITS_MAX_BESIDE_WORDS")),
        ("snippet size", compressed_limit("tamga.js")),
        ("device part size", compressed_limit("tamga-device.js")),
        ("extras size", compressed_limit("tamga-extras.js")),
        ("account protection size", compressed_limit("tamga-ports.js")),
        ("ports limit", constant("collector-js/src/protect/remote", "LONGEST_MS")),
        ("last growing beat", constant("collector-js/src/engagement", "FIRST_BEAT_MS") / 1000 * 27),
        ("longest beat", constant("collector-js/src/engagement", "LONGEST_BEAT_MS") / 60_000),
        ("device signal limit", constant("collector-js/src/device", "LONGEST_MS") / 1000),
        ("snippet retries", constant("collector-js/src/queue", "MAX_AGE_MS") / 60_000),
        ("snippet offline", constant("collector-js/src/queue", "MAX_OFFLINE_MS") / 3_600_000),
        ("wait for another tab", constant("collector-js/src/lib/first-turn", "LONGEST_WAIT_MS") / 1000),
    ])
}

/// Rates that `make linkage` measured, as it wrote them into its page.
fn linkage() -> BTreeMap<&'static str, String> {
    let text = std::fs::read_to_string("docs/linkage.md").unwrap();
    // The number in the row of so many visits a day, below the title of its column.
    let cell = |heading: &str, visits: &str, column: &str| {
        let (_, section) = text.split_once(&format!("\n## {heading}\n")).expect("a heading of that page");
        let row = |first: &str| {
            let found = section.lines().find(|line| line.starts_with(&format!("| {first} |")));
            found
                .unwrap_or_else(|| panic!("{heading} has a row of {first}"))
                .split('|')
                .map(str::trim)
                .collect::<Vec<_>>()
        };
        let (head, row) = (row("visits a day"), row(visits));
        let place = head.iter().position(|title| *title == column);
        row[place.unwrap_or_else(|| panic!("{heading} has a column {column}"))]
            .split_whitespace()
            .next()
            .expect("a number")
            .to_owned()
    };
    let (published, rows) = ("Who has what is published", "Who has the rows of the vault");
    let frames = Regex::new(r"copied without its key \| (\d+) frames \| 0 rows \|").unwrap();
    let frames = frames.captures(&text).expect("frames of the spool, none of them read")[1].to_owned();
    BTreeMap::from([
        ("analyst at 500", cell(published, "500", "analyst, best of three")),
        ("analyst's chance at 500", cell(published, "500", "chance")),
        ("insider at 500", cell(rows, "500", "insider")),
        ("insider's chance at 500", cell(rows, "500", "chance")),
        ("insider at 20000", cell(rows, "20000", "insider")),
        ("thief of the key at 500", cell(rows, "500", "thief of the day's key")),
        ("spool frames", frames),
    ])
}

/// What the spool's cipher takes of the instructions of a beacon, in percent, as `scripts/instructions` has counted it: of one that begins
/// a visit, and of one within.
fn encryption() -> [f64; 2] {
    let text = std::fs::read_to_string("benches/instructions.txt").unwrap();
    let of = |stage: &str| {
        let line = text.lines().find_map(|line| line.strip_prefix(&format!("stage_{stage} ")));
        line.unwrap_or_else(|| panic!("{stage} is counted")).parse::<f64>().expect("a number")
    };
    let share = |cipher, journey, commit| 100.0 * of(cipher) / (of(journey) + of(commit));
    [
        share("encrypt_1", "journey_1", "commit_1"),
        share("encrypt_within_visit_1", "within_visit_1", "commit_within_visit_1"),
    ]
}

#[test]
fn the_cipher_of_the_spool_takes_little_of_a_beacon() {
    let [begin, within] = encryption();
    assert!(begin <= 5.0 && within <= 3.5, "{begin:.1} % at the begin of a visit, {within:.1} % within");
}

/// The largest size of a script after compression, in bytes, which the snippet's build holds.
fn compressed_limit(script: &str) -> u64 {
    let text = std::fs::read_to_string("collector-js/test/run.mjs").unwrap();
    let limit = Regex::new(&format!(r#""{script}": ([\d_]+)"#)).unwrap();
    number(&limit.captures(&text).expect("the limits of the snippet's sizes")[1]).expect("a number")
}

const UNITS: &str = "%|µs|ms|s|seconds?|minutes?|hours?|days?|weeks?|months?|years?|bytes|bits|kB|KB|KiB|MB|MiB|GB|GiB|TB|\
    visitors|visits|views|events|rows|requests|columns|values|rules|steps|connections|cores";

#[test]
fn every_figure_in_the_documents_has_a_source_and_is_right() {
    let mut facts: BTreeMap<&str, String> =
        facts().into_iter().map(|(name, value)| (name, value.to_string())).collect();
    facts.extend(linkage());
    let shares = ["cipher at the begin of a visit", "cipher within a visit"].into_iter().zip(encryption());
    facts.extend(shares.map(|(name, share)| (name, format!("{share:.1}"))));
    let marked = Regex::new(r"(\d[\d,.]*)((?:[ \n-][a-zA-Z%]+)?)<!--([a-z][^>]*?)-->").unwrap();
    let figure = Regex::new(&format!(r"(?:^|[^\w.,/:–-])(\d[\d,.]*)[ \n-]?(?:{UNITS})(?:[^\w<]|<[^!]|$)")).unwrap();
    let in_words = Regex::new(
        r"(?i)\b(two|three|four|five|six|seven|eight|nine|ten|twelve|thirty|sixty) (seconds|minutes|hours|days|months)",
    )
    .unwrap();
    let source = Regex::new(r"<!-- (measured|example): ([^>]+?) -->").unwrap();
    let code = Regex::new(r"`[^`]*`|\]\([^)]*\)").unwrap();
    let mut wrong = Vec::new();
    for document in documents() {
        if !document.path.ends_with(".md") || WRITTEN.iter().any(|path| document.path.starts_with(path)) {
            continue;
        }
        let mut sourced = BTreeSet::new();
        for paragraph in &document.paragraphs {
            for found in source.captures_iter(&paragraph.text) {
                sourced.insert(paragraph.section);
                if &found[1] == "measured" && !measures(&found[2]) {
                    wrong.push(format!("{}:{}: nothing measures by {:?}", document.path, paragraph.line, &found[2]));
                }
            }
        }
        let mut in_list = false;
        let mut text = std::fs::read_to_string(&document.path).unwrap();
        for found in marked.captures_iter(&text.clone()) {
            let (number, unit, name) = (&found[1], &found[2], &found[3]);
            match facts.get(name) {
                Some(value) if number.replace(',', "") == *value => {}
                Some(value) => {
                    text = text.replace(&found[0], &format!("{value}{unit}<!--{name}-->"));
                    wrong.push(format!("{}: {number}{unit} is {value} in code ({name})", document.path));
                }
                None => wrong.push(format!("{}: no constant is called {name:?} in this test", document.path)),
            }
        }
        if std::env::var_os("UPDATE_EXPECT").is_some() {
            std::fs::write(&document.path, text).unwrap();
        }
        for paragraph in &document.paragraphs {
            // A list between these comments comes from the code as a whole.
            in_list =
                (in_list || paragraph.text.contains("<!-- written: ")) && !paragraph.text.contains("<!-- end -->");
            if in_list || sourced.contains(&paragraph.section) {
                continue;
            }
            let prose = code.replace_all(&paragraph.text, "").into_owned();
            let place = format!("{}:{}", document.path, paragraph.line);
            for found in figure.find_iter(&prose) {
                wrong.push(format!("{place}: {:?} has no source", found.as_str().trim()));
            }
            for found in in_words.find_iter(&prose) {
                wrong.push(format!("{place}: write {:?} in digits, with its source", found.as_str()));
            }
        }
    }
    assert!(wrong.is_empty(), "{} figures (docs/development.md has the rules):\n{}", wrong.len(), wrong.join("\n"));
}

/// Whether something of this repository measures: a make target, a script, a file, a module of tests.
fn measures(by: &str) -> bool {
    let makefile = std::fs::read_to_string("Makefile").unwrap();
    let first = by.split([' ', ',']).next().unwrap_or("");
    match by.strip_prefix("make ") {
        Some(target) => makefile.contains(&format!("\n{}:", target.split([' ', ',']).next().unwrap_or(""))),
        None => is_there(first),
    }
}

#[test]
fn constants_are_read_as_numbers() {
    for (text, value) in
        [("30 * 60 * 1000", 1_800_000), ("4 << 20", 4 << 20), ("1_000", 1000), ("Duration::from_secs(10)", 10)]
    {
        assert_eq!(number(text), Some(value));
    }
    assert_eq!(number("HEADER + 1"), None);
}

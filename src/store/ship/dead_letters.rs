//! Rows that the vault refuses, kept in files until somebody has looked at them or their day is too old.
//!
//! One file per refused batch, `<day>-<table>-<token>.jsonl`, readable by the owner only: a line that says what the rows
//! are, then a line per cut ([`DeadLetters::record_cut`]) and per refused row, its bytes as the vault was offered them
//! (without the column `batch`) in Base64. They are pseudonymous like the spool. Each line is synced before anything is
//! built on it; a line that a crash has torn is passed over when the file is read again.
//!
//! An order of the operator lies beside a file as `<file>.order` until it is taken; `<file>.answer` says what came of it.

use std::collections::{BTreeMap, BTreeSet};
use std::fs::{self, DirBuilder, File, OpenOptions};
use std::io::{self, BufRead, BufReader, Read, Seek, SeekFrom, Write};
use std::ops::Range;
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use jiff::civil::Date;
use serde::{Deserialize, Serialize};

use super::parcel::Parcel;

/// A file of refused rows, read.
pub(super) struct Letter {
    pub(super) table: String,
    pub(super) site: String,
    pub(super) day: Date,
    pub(super) schema_version: u32,
    /// Without `batch`.
    pub(super) columns: Vec<String>,
    pub(super) token: String,
    /// By index, each once.
    pub(super) rows: Vec<RefusedRow>,
}

/// A refused row.
pub(super) struct RefusedRow {
    pub(super) index: usize,
    pub(super) code: Option<u32>,
    pub(super) reason: String,
    pub(super) bytes: Vec<u8>,
}

/// What is to be done with a dead letter.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Order {
    /// Send its rows again.
    Replay,
    /// Delete it.
    Drop,
}

impl Order {
    /// Its word.
    pub fn name(self) -> &'static str {
        match self {
            Self::Replay => "replay",
            Self::Drop => "drop",
        }
    }
}

/// A folder of dead letters.
#[derive(Clone)]
pub(super) struct DeadLetters {
    dir: PathBuf,
}

const ORDER: &str = ".order";
const ANSWER: &str = ".answer";

/// A line of a file.
#[derive(Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
enum Line {
    Batch { table: String, site: String, day: String, schema_version: u32, columns: Vec<String>, token: String },
    Cut { from: usize, to: usize },
    Row { index: usize, code: Option<u32>, reason: String, bytes: String },
}

/// What a file already says about a batch.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Known {
    /// Pieces that were refused and cut in two.
    pub(super) cuts: BTreeSet<(usize, usize)>,
    /// Rows that are in the file.
    pub(super) rows: BTreeSet<usize>,
}

impl DeadLetters {
    pub(super) fn new(dir: &Path) -> Self {
        Self { dir: dir.to_owned() }
    }

    /// What is known of a batch; nothing when it has no file.
    pub(super) fn known(&self, parcel: &Parcel) -> io::Result<Known> {
        let file = match File::open(self.path(parcel)) {
            Ok(file) => file,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Known::default()),
            Err(error) => return Err(error),
        };
        let mut known = Known::default();
        for line in BufReader::new(file).split(b'\n') {
            match serde_json::from_slice(&line?) {
                Ok(Line::Cut { from, to }) => _ = known.cuts.insert((from, to)),
                Ok(Line::Row { index, .. }) => _ = known.rows.insert(index),
                Ok(Line::Batch { .. }) | Err(_) => {}
            }
        }
        Ok(known)
    }

    /// Notes that a piece is cut in two, before its halves are sent: from then on it is never sent whole again, whatever
    /// the vault would say to it then. Otherwise rows of a half that has landed could land twice.
    pub(super) fn record_cut(&self, parcel: &Parcel, piece: &Range<usize>) -> io::Result<()> {
        self.append(parcel, &Line::Cut { from: piece.start, to: piece.end })
    }

    /// Keeps a row that is refused.
    pub(super) fn keep(&self, parcel: &Parcel, index: usize, code: Option<u32>, reason: &str) -> io::Result<()> {
        let bytes = BASE64.encode(parcel.row(index));
        self.append(parcel, &Line::Row { index, code, reason: reason.to_owned(), bytes })
    }

    /// Removes the file of a batch.
    pub(super) fn forget(&self, parcel: &Parcel) -> io::Result<()> {
        match fs::remove_file(self.path(parcel)) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
            _ => Ok(()),
        }
    }

    /// The names of all letters, oldest day first.
    pub(super) fn names(&self) -> io::Result<Vec<String>> {
        Ok(self.entries()?.into_iter().filter(|name| is_letter(name)).collect())
    }

    /// Reads a letter. Fails in words when there is none of this name, or its first line is damaged.
    pub(super) fn read(&self, name: &str) -> io::Result<Letter> {
        if !is_letter(name) || !self.dir.join(name).is_file() {
            let message = format!("there is no dead letter {name:?}: `tamga dead-letters list` shows those that are");
            return Err(io::Error::new(io::ErrorKind::NotFound, message));
        }
        let (mut letter, mut rows) = (None, BTreeMap::new());
        for line in BufReader::new(File::open(self.dir.join(name))?).split(b'\n') {
            match serde_json::from_slice(&line?) {
                Ok(Line::Batch { table, site, day, schema_version, columns, token }) => {
                    let Ok(day) = day.parse() else { continue };
                    letter = Some(Letter { table, site, day, schema_version, columns, token, rows: Vec::new() });
                }
                Ok(Line::Row { index, code, reason, bytes }) => {
                    let Ok(bytes) = BASE64.decode(bytes) else { continue };
                    rows.entry(index).or_insert(RefusedRow { index, code, reason, bytes });
                }
                Ok(Line::Cut { .. }) | Err(_) => {}
            }
        }
        let damaged =
            || io::Error::new(io::ErrorKind::InvalidData, "its first line is damaged: it can only be dropped");
        let mut letter = letter.ok_or_else(damaged)?;
        letter.rows = rows.into_values().collect();
        Ok(letter)
    }

    /// When the letter was last written, in seconds since 1970.
    pub(super) fn written_s(&self, name: &str) -> io::Result<u64> {
        let time = fs::metadata(self.dir.join(name))?.modified()?;
        Ok(time.duration_since(std::time::UNIX_EPOCH).unwrap_or_default().as_secs())
    }

    /// Removes a letter for good.
    pub(super) fn remove(&self, name: &str) -> io::Result<()> {
        fs::remove_file(self.dir.join(name))?;
        File::open(&self.dir)?.sync_all()
    }

    /// Leaves an order for the process that works on the letters.
    pub(super) fn order(&self, name: &str, order: Order) -> io::Result<()> {
        let _ = fs::remove_file(self.beside(name, ANSWER));
        OpenOptions::new()
            .create(true)
            .write(true)
            .truncate(true)
            .mode(0o600)
            .open(self.beside(name, ORDER))?
            .write_all(order.name().as_bytes())
    }

    /// Takes an order away, to obey it or because nobody does; `false` when it is no longer there.
    pub(super) fn withdraw(&self, name: &str) -> bool {
        fs::remove_file(self.beside(name, ORDER)).is_ok()
    }

    /// The orders that lie there.
    pub(super) fn orders(&self) -> io::Result<Vec<(String, Order)>> {
        let mut orders = Vec::new();
        for entry in self.entries()? {
            let Some(name) = entry.strip_suffix(ORDER).filter(|name| is_letter(name)) else { continue };
            let text = fs::read_to_string(self.dir.join(&entry))?;
            let order = [Order::Replay, Order::Drop].into_iter().find(|order| order.name() == text);
            // A word that is not there yet: whoever gives the order is still writing it.
            orders.extend(order.map(|order| (name.to_owned(), order)));
        }
        Ok(orders)
    }

    /// Says what became of an order.
    pub(super) fn answer(&self, name: &str, said: &Result<String, String>) -> io::Result<()> {
        let path = self.beside(name, ANSWER);
        let mut file = OpenOptions::new().create(true).write(true).truncate(true).mode(0o600).open(path)?;
        Ok(serde_json::to_writer(&mut file, said)?)
    }

    /// Takes the answer to an order, once it is there.
    pub(super) fn take_answer(&self, name: &str) -> Option<Result<String, String>> {
        let path = self.beside(name, ANSWER);
        let said = serde_json::from_slice(&fs::read(&path).ok()?).ok()?;
        let _ = fs::remove_file(path);
        Some(said)
    }

    fn beside(&self, name: &str, suffix: &str) -> PathBuf {
        self.dir.join(format!("{name}{suffix}"))
    }

    /// The names of all files, sorted; none when there is no folder.
    fn entries(&self) -> io::Result<Vec<String>> {
        let entries = match fs::read_dir(&self.dir) {
            Ok(entries) => entries,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
            Err(error) => return Err(error),
        };
        let mut names = Vec::new();
        for entry in entries {
            names.extend(entry?.file_name().into_string());
        }
        names.sort();
        Ok(names)
    }

    /// Removes the files of days before this one. Returns how many.
    pub(super) fn purge(&self, oldest: Date) -> io::Result<usize> {
        let mut removed = 0;
        for name in self.entries()? {
            let day = name.get(..10).and_then(|day| day.parse::<Date>().ok());
            if day.is_some_and(|day| day < oldest) {
                fs::remove_file(self.dir.join(name))?;
                removed += 1;
            }
        }
        Ok(removed)
    }

    fn append(&self, parcel: &Parcel, line: &Line) -> io::Result<()> {
        let path = self.path(parcel);
        let fresh = !path.try_exists()?;
        if fresh {
            DirBuilder::new().recursive(true).mode(0o700).create(&self.dir)?;
        }
        let mut file = OpenOptions::new().create(true).read(true).append(true).mode(0o600).open(&path)?;
        let mut text = Vec::new();
        if fresh {
            let batch = Line::Batch {
                table: parcel.table.name().to_owned(),
                site: parcel.site.clone(),
                day: parcel.day.to_string(),
                schema_version: parcel.schema_version,
                columns: parcel.columns.iter().skip(1).map(|column| (*column).to_owned()).collect(),
                token: parcel.token().to_owned(),
            };
            serde_json::to_writer(&mut text, &batch)?;
            text.push(b'\n');
        } else if file.metadata()?.len() > 0 {
            // What a crash has torn becomes a line of its own.
            let mut last = [0];
            file.seek(SeekFrom::End(-1))?;
            file.read_exact(&mut last)?;
            if last != *b"\n" {
                text.push(b'\n');
            }
        }
        serde_json::to_writer(&mut text, line)?;
        text.push(b'\n');
        file.write_all(&text)?;
        file.sync_data()?;
        if fresh {
            File::open(&self.dir)?.sync_all()?;
        }
        Ok(())
    }

    fn path(&self, parcel: &Parcel) -> PathBuf {
        // Tokens are the spool's own hex; the day and the table are parsed ones. None can name another place.
        self.dir.join(format!("{}-{}-{}.jsonl", parcel.day, parcel.table.name(), parcel.token()))
    }
}

/// Whether a name is that of a letter: `2026-11-22-events-<32 hex digits>.jsonl`. No other file is ever touched.
fn is_letter(name: &str) -> bool {
    let Some(stem) = name.strip_suffix(".jsonl").filter(|stem| stem.is_ascii()) else { return false };
    let (Some(day), Some(rest)) = (stem.get(..10), stem.get(11..)) else { return false };
    let Some((table, token)) = rest.split_once('-') else { return false };
    day.parse::<Date>().is_ok()
        && stem.as_bytes()[10] == b'-'
        && table.bytes().all(|byte| byte.is_ascii_lowercase() || byte == b'_')
        && token.len() == 32
        && token.bytes().all(|byte| byte.is_ascii_hexdigit())
}

#[cfg(test)]
mod tests {
    use super::super::parcel::tests::parcel;
    use super::*;

    #[test]
    fn what_was_written_is_known_again_also_behind_a_torn_line() {
        let folder = tempfile::tempdir().unwrap();
        let letters = DeadLetters::new(&folder.path().join("dead-letters"));
        let parcel = parcel(&[b"a", b"bad", b"c"]);
        assert_eq!(letters.known(&parcel).unwrap(), Known::default());
        letters.record_cut(&parcel, &(0..3)).unwrap();
        let path = letters.path(&parcel);
        OpenOptions::new().append(true).open(&path).unwrap().write_all(b"{\"row\":{\"ind").unwrap();
        letters.keep(&parcel, 1, Some(27), "CANNOT_PARSE_INPUT_ASSERTION_FAILED").unwrap();
        let known = letters.known(&parcel).unwrap();
        assert_eq!((known.cuts, known.rows), ([(0, 3)].into(), [1].into()));
        let text = fs::read_to_string(path).unwrap();
        assert!(
            text.starts_with(r#"{"batch":{"table":"tallies","site":"a.kz","day":"2026-11-22","schema_version":1,"#)
        );
        assert!(text.ends_with(
            "{\"row\":{\"index\":1,\"code\":27,\"reason\":\"CANNOT_PARSE_INPUT_ASSERTION_FAILED\",\"bytes\":\"YmFk\"}}\n"
        ));
    }

    #[test]
    fn files_are_private_and_go_with_their_day() {
        use std::os::unix::fs::PermissionsExt;
        let folder = tempfile::tempdir().unwrap();
        let letters = DeadLetters::new(folder.path());
        let parcel = parcel(&[b"a"]);
        letters.keep(&parcel, 0, None, "LANE").unwrap();
        assert_eq!(fs::metadata(letters.path(&parcel)).unwrap().permissions().mode() & 0o777, 0o600);
        assert_eq!(letters.purge(parcel.day).unwrap(), 0);
        assert_eq!(letters.purge(parcel.day.tomorrow().unwrap()).unwrap(), 1);
        assert_eq!(DeadLetters::new(&folder.path().join("none")).purge(parcel.day).unwrap(), 0);
    }

    #[test]
    fn a_letter_is_read_back_and_nothing_else_is_taken_for_one() {
        let folder = tempfile::tempdir().unwrap();
        let letters = DeadLetters::new(folder.path());
        let parcel = parcel(&[b"a", b"b", b"c"]);
        for index in [2, 0, 2] {
            letters.keep(&parcel, index, Some(27), "X").unwrap();
        }
        let names = letters.names().unwrap();
        assert_eq!(names, ["2026-11-22-tallies-0123456789abcdef0123456789abcdef.jsonl"]);
        let letter = letters.read(&names[0]).unwrap();
        let rows: Vec<_> = letter.rows.iter().map(|row| (row.index, row.bytes.as_slice())).collect();
        assert_eq!((letter.token.as_str(), rows), (parcel.token(), vec![(0, &b"a"[..]), (2, b"c")]));
        for other in ["../../etc/passwd", "2026-11-22-tallies-../x.jsonl", "2026-11-22.jsonl", "", "é.jsonl"] {
            assert!(!is_letter(other) && letters.read(other).is_err(), "{other}");
        }
        letters.order(&names[0], Order::Replay).unwrap();
        assert_eq!(letters.orders().unwrap(), [(names[0].clone(), Order::Replay)]);
        assert_eq!(letters.take_answer(&names[0]), None);
        assert!(letters.withdraw(&names[0]) && letters.orders().unwrap().is_empty());
        letters.answer(&names[0], &Err("no".to_owned())).unwrap();
        assert_eq!(letters.take_answer(&names[0]), Some(Err("no".to_owned())));
        assert_eq!(letters.take_answer(&names[0]), None);
    }

    #[test]
    fn what_is_forgotten_leaves_no_file() {
        let folder = tempfile::tempdir().unwrap();
        let letters = DeadLetters::new(folder.path());
        let parcel = parcel(&[b"a", b"b"]);
        letters.record_cut(&parcel, &(0..2)).unwrap();
        letters.forget(&parcel).unwrap();
        letters.forget(&parcel).unwrap();
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 0);
    }
}

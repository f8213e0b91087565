//! Rows that the vault refuses, kept in files until somebody has looked at them or until they are too old to keep.
//!
//! There is one file per refused insert batch, `<day>-<table>-<token>.jsonl`, readable by the owner only. Its first line
//! describes the rows. Each further line is a cut ([`DeadLetters::record_cut`]) or a refused row: its bytes as they were sent
//! to the vault, without the column `batch`, encrypted under the spool's keys, in Base64. So a copy of the data folder shows
//! when which table's rows were refused and why, and no row. Each line is synced before anything depends on it. A reader
//! skips a line that a crash has torn.
//!
//! An operator's command lies beside a file as `<file>.command` until it is taken; `<file>.answer` holds its outcome.

use std::collections::{BTreeMap, BTreeSet};
use std::fs::{self, File, OpenOptions};
use std::io::{self, BufRead, BufReader, Read, Seek, SeekFrom, Write};
use std::ops::Range;
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use jiff::civil::Date;
use serde::{Deserialize, Serialize};

use super::command::{Command, DeadLetterError};
use super::insert_batch::InsertBatch;
use crate::files::{private_folder, sync_name};
use crate::spool::{Keys, Unopened};

/// The content of a file of refused rows.
pub(super) struct DeadLetterFile {
    pub(super) table: String,
    pub(super) day: Date,
    /// The date on which the windows of the rows end.
    pub(super) until: Date,
    pub(super) schema_version: u32,
    /// Without `batch`.
    pub(super) columns: Vec<String>,
    pub(super) token: String,
    /// In the order of their index, each once.
    pub(super) rows: Vec<RefusedRow>,
}

/// A refused row.
pub(super) struct RefusedRow {
    pub(super) index: usize,
    pub(super) code: Option<u32>,
    pub(super) reason: String,
    /// Encrypted; [`DeadLetters::rows`] has the bytes.
    pub(super) sealed: Vec<u8>,
}

/// A folder of dead letters.
#[derive(Clone)]
pub struct DeadLetters {
    dir: PathBuf,
    pub(super) keys: Keys,
}

const COMMAND: &str = ".command";
const ANSWER: &str = ".answer";
const DRAFT: &str = ".draft";

/// A line of a file.
#[derive(Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
enum Line {
    Batch { table: String, day: String, until: String, schema_version: u32, columns: Vec<String>, token: String },
    Cut { from: usize, to: usize },
    Row { index: usize, code: Option<u32>, reason: String, sealed: String },
}

/// What a file already says about an insert batch.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Known {
    /// Pieces that were refused and cut in two halves.
    pub(super) cuts: BTreeSet<(usize, usize)>,
    /// Rows that are in the file.
    pub(super) rows: BTreeSet<usize>,
}

impl DeadLetters {
    /// The folder `dir`, with the keys of the spool.
    pub fn new(dir: &Path, keys: Keys) -> Self {
        Self { dir: dir.to_owned(), keys }
    }

    /// What the file of a batch says; nothing when it has no file.
    pub(super) fn known(&self, batch: &InsertBatch) -> io::Result<Known> {
        let file = match File::open(self.path(batch)) {
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

    /// Notes that a piece is cut in two, before its halves are sent. From then on it is never sent whole again. Otherwise the
    /// rows of a half that is stored could be stored twice.
    pub(super) fn record_cut(&self, batch: &InsertBatch, piece: &Range<usize>) -> io::Result<()> {
        self.append(batch, &Line::Cut { from: piece.start, to: piece.end })
    }

    /// Keeps a refused row.
    pub(super) fn keep(&self, batch: &InsertBatch, index: usize, code: Option<u32>, reason: &str) -> io::Result<()> {
        let sealed = self.keys.seal_row(&place(batch.token(), index), batch.row(index)).map_err(io::Error::other)?;
        self.append(batch, &Line::Row { index, code, reason: reason.to_owned(), sealed: BASE64.encode(sealed) })
    }

    /// Removes the file of a batch.
    pub(super) fn forget(&self, batch: &InsertBatch) -> io::Result<()> {
        match fs::remove_file(self.path(batch)) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
            _ => Ok(()),
        }
    }

    /// The names of all dead letters, the oldest day first.
    pub(super) fn names(&self) -> io::Result<Vec<String>> {
        Ok(self.entries()?.into_iter().filter(|name| is_dead_letter(name)).collect())
    }

    /// Reads a dead letter. The rows in it stay encrypted.
    pub(super) fn read(&self, name: &str) -> Result<DeadLetterFile, DeadLetterError> {
        if !is_dead_letter(name) || !self.dir.join(name).is_file() {
            return Err(DeadLetterError::Absent { name: name.to_owned() });
        }
        self.read_file(name).map_err(|error| DeadLetterError::io("read it", &error))?.ok_or(DeadLetterError::Damaged)
    }

    /// The bytes of a dead letter's rows.
    pub(super) fn rows(&self, file: &DeadLetterFile) -> Result<Vec<Vec<u8>>, DeadLetterError> {
        let open = |row: &RefusedRow| {
            self.keys.open_row(&place(&file.token, row.index), &row.sealed).map_err(|reason| match reason {
                Unopened::Key => DeadLetterError::Key,
                Unopened::Damaged => DeadLetterError::Damaged,
            })
        };
        file.rows.iter().map(open).collect()
    }

    /// `None` when the first line is damaged.
    fn read_file(&self, name: &str) -> io::Result<Option<DeadLetterFile>> {
        let (mut file, mut rows) = (None, BTreeMap::new());
        for line in BufReader::new(File::open(self.dir.join(name))?).split(b'\n') {
            match serde_json::from_slice(&line?) {
                Ok(Line::Batch { table, day, until, schema_version, columns, token }) => {
                    let (Ok(day), Ok(until)) = (day.parse(), until.parse()) else { continue };
                    file = Some(DeadLetterFile { table, day, until, schema_version, columns, token, rows: Vec::new() });
                }
                Ok(Line::Row { index, code, reason, sealed }) => {
                    let Ok(sealed) = BASE64.decode(sealed) else { continue };
                    rows.entry(index).or_insert(RefusedRow { index, code, reason, sealed });
                }
                Ok(Line::Cut { .. }) | Err(_) => {}
            }
        }
        let rows = rows.into_values().collect();
        Ok(file.map(|file| DeadLetterFile { rows, ..file }))
    }

    /// Writes a dead letter anew without some of its rows.
    pub(super) fn remove_rows(&self, name: &str, gone: &BTreeSet<usize>) -> io::Result<()> {
        let (path, draft) = (self.dir.join(name), self.beside(name, DRAFT));
        let mut file = OpenOptions::new().create(true).write(true).truncate(true).mode(0o600).open(&draft)?;
        for line in fs::read(&path)?.split_inclusive(|byte| *byte == b'\n') {
            if !matches!(serde_json::from_slice(line), Ok(Line::Row { index, .. }) if gone.contains(&index)) {
                file.write_all(line)?;
            }
        }
        file.sync_data()?;
        fs::rename(&draft, &path)?;
        sync_name(&path)
    }

    /// When the file was last written, in seconds since 1970.
    pub(super) fn written_s(&self, name: &str) -> io::Result<u64> {
        let time = fs::metadata(self.dir.join(name))?.modified()?;
        Ok(time.duration_since(std::time::UNIX_EPOCH).unwrap_or_default().as_secs())
    }

    /// Removes a dead letter for good.
    pub(super) fn remove(&self, name: &str) -> io::Result<()> {
        let path = self.dir.join(name);
        fs::remove_file(&path)?;
        sync_name(&path)
    }

    /// Leaves a command for the process that works on the dead letters.
    pub(super) fn command(&self, name: &str, command: Command) -> io::Result<()> {
        let _ = fs::remove_file(self.beside(name, ANSWER));
        OpenOptions::new()
            .create(true)
            .write(true)
            .truncate(true)
            .mode(0o600)
            .open(self.beside(name, COMMAND))?
            .write_all(command.name().as_bytes())
    }

    /// Takes a command away, to carry it out or because nobody does; `false` when it is no longer there.
    pub(super) fn withdraw(&self, name: &str) -> bool {
        fs::remove_file(self.beside(name, COMMAND)).is_ok()
    }

    /// The commands that lie there.
    pub(super) fn commands(&self) -> io::Result<Vec<(String, Command)>> {
        let mut commands = Vec::new();
        for entry in self.entries()? {
            let Some(name) = entry.strip_suffix(COMMAND).filter(|name| is_dead_letter(name)) else { continue };
            let text = fs::read_to_string(self.dir.join(&entry))?;
            let command = [Command::Replay, Command::Drop].into_iter().find(|command| command.name() == text);
            // If the word is not there yet, the operator's program is still writing it.
            commands.extend(command.map(|command| (name.to_owned(), command)));
        }
        Ok(commands)
    }

    /// Writes the outcome of a command.
    pub(super) fn answer(&self, name: &str, said: &Result<String, DeadLetterError>) -> io::Result<()> {
        let path = self.beside(name, ANSWER);
        let mut file = OpenOptions::new().create(true).write(true).truncate(true).mode(0o600).open(path)?;
        Ok(serde_json::to_writer(&mut file, said)?)
    }

    /// Takes the answer to a command, once it is there.
    pub(super) fn take_answer(&self, name: &str) -> Option<Result<String, DeadLetterError>> {
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

    fn append(&self, batch: &InsertBatch, line: &Line) -> io::Result<()> {
        let path = self.path(batch);
        let fresh = !path.try_exists()?;
        if fresh {
            private_folder(&self.dir)?;
        }
        let mut file = OpenOptions::new().create(true).read(true).append(true).mode(0o600).open(&path)?;
        let mut text = Vec::new();
        if fresh {
            let header = Line::Batch {
                table: batch.partition.table.name().to_owned(),
                day: batch.partition.day.to_string(),
                until: batch.partition.until.to_string(),
                schema_version: batch.schema_version,
                columns: batch.columns.iter().skip(1).map(|column| (*column).to_owned()).collect(),
                token: batch.token().to_owned(),
            };
            serde_json::to_writer(&mut text, &header)?;
            text.push(b'\n');
        } else if file.metadata()?.len() > 0 {
            // A line that a crash has torn stays a line by itself.
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
            sync_name(&path)?;
        }
        Ok(())
    }

    fn path(&self, batch: &InsertBatch) -> PathBuf {
        // The token is hexadecimal, and the day and the table were parsed. None of them can name another folder.
        self.dir.join(format!("{}-{}-{}.jsonl", batch.partition.day, batch.partition.table.name(), batch.token()))
    }
}

/// What a row is bound to: no row can be moved to another place.
fn place(token: &str, index: usize) -> Vec<u8> {
    [token.as_bytes(), &(index as u64).to_le_bytes()].concat()
}

/// Whether a name is that of a dead letter: `2026-11-22-events-<32 hex digits>.jsonl`. No other file is ever touched.
fn is_dead_letter(name: &str) -> bool {
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
    use super::super::insert_batch::tests::insert_batch;
    use super::*;
    use crate::secret::Secret;

    fn dead_letters(dir: &Path) -> DeadLetters {
        with_key(dir, 7, &[])
    }

    fn with_key(dir: &Path, first: u8, former: &[u8]) -> DeadLetters {
        let key = |byte: u8| Secret::new([byte; 32]);
        DeadLetters::new(dir, Keys::new(key(first), former.iter().map(|byte| key(*byte))))
    }

    #[test]
    fn written_lines_are_known_again_also_behind_a_torn_line() {
        let folder = tempfile::tempdir().unwrap();
        let dead_letters = dead_letters(&folder.path().join("dead-letters"));
        let batch = insert_batch(&[b"a", b"bad", b"c"]);
        assert_eq!(dead_letters.known(&batch).unwrap(), Known::default());
        dead_letters.record_cut(&batch, &(0..3)).unwrap();
        let path = dead_letters.path(&batch);
        OpenOptions::new().append(true).open(&path).unwrap().write_all(b"{\"row\":{\"ind").unwrap();
        dead_letters.keep(&batch, 1, Some(27), "CANNOT_PARSE_INPUT_ASSERTION_FAILED").unwrap();
        let known = dead_letters.known(&batch).unwrap();
        assert_eq!((known.cuts, known.rows), ([(0, 3)].into(), [1].into()));
        let text = fs::read_to_string(path).unwrap();
        assert!(
            text.starts_with(
                r#"{"batch":{"table":"tallies","day":"2026-11-22","until":"2026-11-23","schema_version":1,"#
            )
        );
        let row = text.lines().last().unwrap();
        assert!(
            row.starts_with(r#"{"row":{"index":1,"code":27,"reason":"CANNOT_PARSE_INPUT_ASSERTION_FAILED","sealed":""#)
        );
    }

    #[test]
    fn a_copied_file_has_no_row_without_the_key() {
        let folder = tempfile::tempdir().unwrap();
        let row = b"a row of a page that one visitor saw";
        let batch = insert_batch(&[b"a", row, b"c"]);
        dead_letters(folder.path()).keep(&batch, 1, Some(27), "X").unwrap();
        let name = dead_letters(folder.path()).names().unwrap().remove(0);
        let bytes = fs::read(folder.path().join(&name)).unwrap();
        let has = |needle: &[u8]| bytes.windows(needle.len()).any(|window| window == needle);
        assert!(!has(row) && !has(BASE64.encode(row).as_bytes()));
        let rows = |letters: DeadLetters| letters.rows(&letters.read(&name).unwrap());
        assert_eq!(rows(dead_letters(folder.path())), Ok(vec![row.to_vec()]));
        assert_eq!(rows(with_key(folder.path(), 8, &[7])), Ok(vec![row.to_vec()]));
        assert_eq!(rows(with_key(folder.path(), 8, &[])), Err(DeadLetterError::Key));
        // A line that was changed, or put into another place.
        fs::write(folder.path().join(&name), String::from_utf8(bytes).unwrap().replace("\"index\":1", "\"index\":2"))
            .unwrap();
        assert_eq!(rows(dead_letters(folder.path())), Err(DeadLetterError::Damaged));
    }

    #[test]
    fn files_are_private_and_go_with_their_day() {
        use std::os::unix::fs::PermissionsExt;
        let folder = tempfile::tempdir().unwrap();
        let dead_letters = dead_letters(folder.path());
        let batch = insert_batch(&[b"a"]);
        dead_letters.keep(&batch, 0, None, "STREAM").unwrap();
        let day = batch.partition.day;
        assert_eq!(fs::metadata(dead_letters.path(&batch)).unwrap().permissions().mode() & 0o777, 0o600);
        assert_eq!(dead_letters.purge(day).unwrap(), 0);
        assert_eq!(dead_letters.purge(day.tomorrow().unwrap()).unwrap(), 1);
        assert_eq!(with_key(&folder.path().join("none"), 7, &[]).purge(day).unwrap(), 0);
    }

    #[test]
    fn a_dead_letter_is_read_back_and_no_other_file_is_taken_for_one() {
        let folder = tempfile::tempdir().unwrap();
        let dead_letters = dead_letters(folder.path());
        let batch = insert_batch(&[b"a", b"b", b"c"]);
        for index in [2, 0, 2] {
            dead_letters.keep(&batch, index, Some(27), "X").unwrap();
        }
        let names = dead_letters.names().unwrap();
        assert_eq!(names, ["2026-11-22-tallies-0123456789abcdef0123456789abcdef.jsonl"]);
        let file = dead_letters.read(&names[0]).unwrap();
        let indexes: Vec<_> = file.rows.iter().map(|row| row.index).collect();
        assert_eq!((file.token.as_str(), indexes), (batch.token(), vec![0, 2]));
        assert_eq!(dead_letters.rows(&file).unwrap(), [b"a", b"c"]);
        for other in ["../../etc/passwd", "2026-11-22-tallies-../x.jsonl", "2026-11-22.jsonl", "", "é.jsonl"] {
            assert!(!is_dead_letter(other) && dead_letters.read(other).is_err(), "{other}");
        }
        dead_letters.command(&names[0], Command::Replay).unwrap();
        assert_eq!(dead_letters.commands().unwrap(), [(names[0].clone(), Command::Replay)]);
        assert_eq!(dead_letters.take_answer(&names[0]), None);
        assert!(dead_letters.withdraw(&names[0]) && dead_letters.commands().unwrap().is_empty());
        dead_letters.answer(&names[0], &Err(DeadLetterError::Stopping)).unwrap();
        assert_eq!(dead_letters.take_answer(&names[0]), Some(Err(DeadLetterError::Stopping)));
        assert_eq!(dead_letters.take_answer(&names[0]), None);
    }

    #[test]
    fn a_forgotten_batch_leaves_no_file() {
        let folder = tempfile::tempdir().unwrap();
        let dead_letters = dead_letters(folder.path());
        let batch = insert_batch(&[b"a", b"b"]);
        dead_letters.record_cut(&batch, &(0..2)).unwrap();
        dead_letters.forget(&batch).unwrap();
        dead_letters.forget(&batch).unwrap();
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 0);
    }
}

//! Rows that the vault refuses, kept in files until somebody has looked at them or their day is too old.
//!
//! One file per refused batch, `<day>-<table>-<token>.jsonl`, readable by the owner only: a line that says what the rows
//! are, then a line per cut ([`DeadLetters::record_cut`]) and per refused row, its bytes as the vault was offered them
//! (without the column `batch`) in Base64. They are pseudonymous like the spool. Each line is synced before anything is
//! built on it; a line that a crash has torn is passed over when the file is read again.

use std::collections::BTreeSet;
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

/// A folder of dead letters.
#[derive(Clone)]
pub(super) struct DeadLetters {
    dir: PathBuf,
}

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

    /// Removes the files of days before this one. Returns how many.
    pub(super) fn purge(&self, oldest: Date) -> io::Result<usize> {
        let entries = match fs::read_dir(&self.dir) {
            Ok(entries) => entries,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(0),
            Err(error) => return Err(error),
        };
        let mut removed = 0;
        for entry in entries {
            let entry = entry?;
            let name = entry.file_name();
            let day = name.to_str().and_then(|name| name.get(..10)).and_then(|day| day.parse::<Date>().ok());
            if day.is_some_and(|day| day < oldest) {
                fs::remove_file(entry.path())?;
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

//! How an answer in a given format can be sent piece by piece.
//!
//! The engine hands a streamed answer out block by block, each formatted as if it were the whole. For formats that are
//! a mere sequence of rows that is exactly what a client should get. Formats with a header repeat it in every block:
//! the repeats are taken out here. All others (`JSON`, `Parquet`, `Pretty`, …) must be formatted at once, which the
//! caller bounds.

use crate::failure::Failure;

/// How to send a format.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Plan {
    /// Blocks follow each other as they are.
    Plain,
    /// Blocks follow each other after their header, of this shape, was taken from all but the first.
    Header(Header),
    /// Only the whole is well formed.
    Whole,
}

/// What a header looks like.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Header {
    /// A count and that many strings, this many times over.
    Binary { strings_per_column: u64 },
    /// This many lines, in which quoted line ends do not count.
    Lines(usize),
}

const PLAIN: [&str; 17] = [
    "TabSeparated",
    "TSV",
    "TabSeparatedRaw",
    "TSVRaw",
    "Raw",
    "CSV",
    "TSKV",
    "JSONEachRow",
    "JSONLines",
    "NDJSON",
    "JSONStringsEachRow",
    "JSONCompactEachRow",
    "JSONCompactStringsEachRow",
    "RowBinary",
    "Native",
    "LineAsString",
    "Null",
];

const LINE_FORMATS: [&str; 7] =
    ["TabSeparated", "TSV", "TabSeparatedRaw", "TSVRaw", "CSV", "JSONCompactEachRow", "JSONCompactStringsEachRow"];

/// The plan for a format's name, which like the engine's own is not sensitive to case.
pub(crate) fn plan(format: &str) -> Plan {
    let is = |name: &str| format.eq_ignore_ascii_case(name);
    if PLAIN.into_iter().any(is) {
        return Plan::Plain;
    }
    if is("RowBinaryWithNames") {
        return Plan::Header(Header::Binary { strings_per_column: 1 });
    }
    if is("RowBinaryWithNamesAndTypes") {
        return Plan::Header(Header::Binary { strings_per_column: 2 });
    }
    for (suffix, lines) in [("WithNames", 1), ("WithNamesAndTypes", 2)] {
        if LINE_FORMATS.into_iter().any(|stem| is(&format!("{stem}{suffix}"))) {
            return Plan::Header(Header::Lines(lines));
        }
    }
    Plan::Whole
}

/// The media type of a format.
pub(crate) fn content_type(format: &str) -> &'static str {
    let lower = format.to_ascii_lowercase();
    match lower.as_str() {
        "jsoneachrow" | "jsonlines" | "ndjson" => "application/x-ndjson; charset=UTF-8",
        name if name.starts_with("json") => "application/json; charset=UTF-8",
        name if name.starts_with("csv") => "text/csv; charset=UTF-8",
        name if name.starts_with("tabseparated") || name.starts_with("tsv") => {
            "text/tab-separated-values; charset=UTF-8"
        }
        name if name.starts_with("rowbinary") || matches!(name, "native" | "parquet" | "arrow" | "arrowstream") => {
            "application/octet-stream"
        }
        _ => "text/plain; charset=UTF-8",
    }
}

/// Takes repeated headers out of a sequence of blocks.
pub(crate) struct Repeats {
    shape: Header,
    header: Option<Vec<u8>>,
}

impl Repeats {
    pub(crate) fn new(shape: Header) -> Self {
        Self { shape, header: None }
    }

    /// The part of `block` that the client should get.
    pub(crate) fn strip<'block>(&mut self, block: &'block [u8]) -> Result<&'block [u8], Failure> {
        match &self.header {
            Some(header) => block.strip_prefix(header.as_slice()).ok_or_else(unexpected),
            None => {
                let length = self.shape.length(block).ok_or_else(unexpected)?;
                self.header = Some(block[..length].to_vec());
                Ok(block)
            }
        }
    }
}

fn unexpected() -> Failure {
    Failure::new(49, "LOGICAL_ERROR", "A block of the answer does not begin with the header of its format.")
}

impl Header {
    fn length(self, block: &[u8]) -> Option<usize> {
        match self {
            Self::Binary { strings_per_column } => {
                let mut at = 0;
                let columns = varint(block, &mut at)?;
                for _ in 0..columns.checked_mul(strings_per_column)? {
                    let length = usize::try_from(varint(block, &mut at)?).ok()?;
                    at = at.checked_add(length).filter(|at| *at <= block.len())?;
                }
                Some(at)
            }
            Self::Lines(lines) => {
                let mut quoted = false;
                let ends = block.iter().enumerate().filter(|(_, byte)| {
                    quoted ^= **byte == b'"';
                    **byte == b'\n' && !quoted
                });
                ends.map(|(at, _)| at + 1).nth(lines - 1)
            }
        }
    }
}

fn varint(bytes: &[u8], at: &mut usize) -> Option<u64> {
    let mut value = 0;
    for shift in (0..63).step_by(7) {
        let byte = *bytes.get(*at)?;
        *at += 1;
        value |= u64::from(byte & 0x7f) << shift;
        if byte < 0x80 {
            return Some(value);
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn only_the_first_header_is_sent() {
        let mut repeats = Repeats::new(Header::Binary { strings_per_column: 2 });
        let header = b"\x01\x01x\x05UInt8";
        assert_eq!(
            repeats.strip(&[header.as_slice(), b"\x01"].concat()).unwrap(),
            [header.as_slice(), b"\x01"].concat()
        );
        assert_eq!(repeats.strip(&[header.as_slice(), b"\x02"].concat()).unwrap(), b"\x02");
        assert_eq!(repeats.strip(header).unwrap(), b"");
        assert!(repeats.strip(b"\x01\x01y\x05UInt8").is_err());
    }

    #[test]
    fn a_line_end_within_quotes_ends_no_header() {
        let mut repeats = Repeats::new(Header::Lines(1));
        let header = "\"a\nb\",\"c\"\n";
        assert_eq!(repeats.strip(format!("{header}1,2\n").as_bytes()).unwrap(), format!("{header}1,2\n").as_bytes());
        assert_eq!(repeats.strip(format!("{header}3,4\n").as_bytes()).unwrap(), b"3,4\n");
    }

    #[test]
    fn an_unknown_format_is_sent_whole() {
        assert_eq!(plan("JSON"), Plan::Whole);
        assert_eq!(plan("Values"), Plan::Whole);
        assert_eq!(plan("rowbinary"), Plan::Plain);
        assert_eq!(plan("CSVWithNames"), Plan::Header(Header::Lines(1)));
        assert_eq!(plan("TSVWithNamesAndTypes"), Plan::Header(Header::Lines(2)));
    }

    proptest! {
        #[test]
        fn any_block_is_looked_at_without_panic(block in proptest::collection::vec(any::<u8>(), 0..200)) {
            for shape in [Header::Binary { strings_per_column: 2 }, Header::Lines(2)] {
                if let Some(length) = shape.length(&block) {
                    prop_assert!(length <= block.len());
                }
            }
        }
    }
}

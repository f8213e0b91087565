//! Blocks of the Native format for clients that name a revision of the protocol (`client_protocol_version`): the drivers
//! of Go and Python do, and with them Grafana.
//!
//! The library writes blocks of revision 0. From revision 1 a block begins with its info, and from
//! [`SERIALIZATION_KINDS`] a byte after each type says how the column is serialised. To place that byte, the end of each
//! column must be known, so [`Layout`] reads the types and skips the values. Values are passed on as they are.
//!
//! Not promised: types whose values say their own structure (`JSON`, `Dynamic`, `Variant`, states of aggregate functions).
//! They are refused before the answer begins, with the advice to cast them.

use std::borrow::Cow;

use crate::failure::Failure;

/// The first revision with a byte for the serialisation of each column.
const SERIALIZATION_KINDS: u64 = 54454;
/// The info of a block that is no overflow and belongs to no bucket: numbered fields, and 0 at the end.
const BLOCK_INFO: [u8; 8] = [1, 0, 2, 0xff, 0xff, 0xff, 0xff, 0];
/// The serialisation that revision 0 has too.
const DEFAULT_SERIALIZATION: u8 = 0;

/// Types within types that are followed. The engine itself allows fewer than this in a statement of an analyst.
const MAX_DEPTH: usize = 300;

/// Whole blocks of revision 0, as a client of `revision` reads them.
pub(crate) fn convert(blocks: &[u8], revision: u64) -> Result<Cow<'_, [u8]>, Failure> {
    if revision == 0 {
        return Ok(Cow::Borrowed(blocks));
    }
    let mut reader = Reader { bytes: blocks, at: 0 };
    let mut out = Vec::with_capacity(blocks.len() + 64);
    while reader.at < blocks.len() {
        out.extend_from_slice(&BLOCK_INFO);
        let start = reader.at;
        let (columns, rows) = (reader.varint()?, reader.varint()?);
        out.extend_from_slice(&blocks[start..reader.at]);
        for _ in 0..columns {
            let start = reader.at;
            reader.text()?;
            let named = reader.text()?;
            let layout = std::str::from_utf8(named).ok().and_then(|named| Layout::of(named, MAX_DEPTH));
            let layout = layout.ok_or_else(|| not_sent(named))?;
            out.extend_from_slice(&blocks[start..reader.at]);
            if revision >= SERIALIZATION_KINDS {
                out.push(DEFAULT_SERIALIZATION);
            }
            let start = reader.at;
            if rows > 0 {
                reader.prefixes(&layout)?;
                reader.values(&layout, rows)?;
            }
            out.extend_from_slice(&blocks[start..reader.at]);
        }
    }
    Ok(Cow::Owned(out))
}

fn not_sent(named: &[u8]) -> Failure {
    let named: String = String::from_utf8_lossy(named).chars().filter(|c| !c.is_control()).take(64).collect();
    Failure::not_implemented(&format!(
        "The type {named} is not sent in the Native format with a client_protocol_version: cast the column, to String \
         for example, or ask for another format."
    ))
}

fn unexpected() -> Failure {
    Failure::new(49, "LOGICAL_ERROR", "A block of the answer is not in the Native format.")
}

/// How the values of a type lie in a column.
#[derive(Debug, PartialEq, Eq)]
enum Layout {
    /// So many bytes each.
    Fixed(u64),
    /// A length and so many bytes each.
    Text,
    /// A byte each for what is NULL, then the values.
    Nullable(Box<Layout>),
    /// For each array where it ends, then the values of all.
    Array(Box<Layout>),
    /// One column after the other.
    Tuple(Vec<Layout>),
    /// Different values, and a number for each row.
    LowCardinality(Box<Layout>),
}

impl Layout {
    /// The layout of a type. `None` if it is not known.
    fn of(named: &str, depth: usize) -> Option<Self> {
        let depth = depth.checked_sub(1)?;
        let (name, arguments) = match named.split_once('(') {
            Some((name, rest)) => (name, split(rest.strip_suffix(')')?)?),
            None => (named, Vec::new()),
        };
        let inner = |at: usize| Self::of(arguments.get(at)?, depth).map(Box::new);
        let tuple = || -> Option<Self> {
            // A tuple of nothing has a byte for each row.
            if arguments.is_empty() {
                return Some(Self::Fixed(1));
            }
            arguments
                .iter()
                .map(|element| Self::of(without_name(element)?, depth))
                .collect::<Option<_>>()
                .map(Self::Tuple)
        };
        let number = |at: usize| arguments.get(at)?.parse::<u64>().ok();
        let array = |of: Self| Self::Array(Box::new(of));
        let point = || Self::Tuple(vec![Self::Fixed(8), Self::Fixed(8)]);
        Some(match name {
            "String" => Self::Text,
            "FixedString" => Self::Fixed(number(0)?),
            "UInt8" | "Int8" | "Bool" | "Enum8" | "Nothing" => Self::Fixed(1),
            "UInt16" | "Int16" | "Enum16" | "Date" | "BFloat16" => Self::Fixed(2),
            "UInt32" | "Int32" | "Float32" | "Date32" | "DateTime" | "Time" | "IPv4" => Self::Fixed(4),
            "UInt64" | "Int64" | "Float64" | "DateTime64" | "Time64" => Self::Fixed(8),
            "UInt128" | "Int128" | "UUID" | "IPv6" => Self::Fixed(16),
            "UInt256" | "Int256" => Self::Fixed(32),
            "Decimal" => Self::Fixed(match number(0)? {
                0..=9 => 4,
                10..=18 => 8,
                19..=38 => 16,
                _ => 32,
            }),
            "Nullable" => Self::Nullable(inner(0)?),
            "Array" => Self::Array(inner(0)?),
            "Tuple" => tuple()?,
            "Nested" => array(tuple()?),
            "Map" => array(Self::Tuple(vec![*inner(0)?, *inner(1)?])),
            "LowCardinality" => Self::LowCardinality(match *inner(0)? {
                // NULL is a value like others there.
                Self::Nullable(of) => of,
                of => Box::new(of),
            }),
            "SimpleAggregateFunction" => *inner(1)?,
            "Point" => point(),
            "Ring" | "LineString" => array(point()),
            "Polygon" | "MultiLineString" => array(array(point())),
            "MultiPolygon" => array(array(array(point()))),
            name if name.starts_with("Interval") => Self::Fixed(8),
            _ => return None,
        })
    }
}

/// The arguments between a type's brackets.
fn split(list: &str) -> Option<Vec<&str>> {
    let (mut arguments, mut depth, mut start) = (Vec::new(), 0_usize, 0);
    for (at, byte) in outside_quotes(list) {
        match byte {
            b'(' => depth += 1,
            b')' => depth = depth.checked_sub(1)?,
            b',' if depth == 0 => {
                arguments.push(list[start..at].trim());
                start = at + 1;
            }
            _ => {}
        }
    }
    if !list.trim().is_empty() {
        arguments.push(list[start..].trim());
    }
    (depth == 0).then_some(arguments)
}

/// The type of a tuple's element, which may have a name before it.
fn without_name(element: &str) -> Option<&str> {
    let mut depth = 0_usize;
    for (at, byte) in outside_quotes(element) {
        match byte {
            b'(' => depth += 1,
            b')' => depth = depth.checked_sub(1)?,
            b' ' if depth == 0 => return Some(element[at..].trim_start()),
            _ => {}
        }
    }
    Some(element)
}

/// The bytes that are not in quotes, with their places.
fn outside_quotes(text: &str) -> impl Iterator<Item = (usize, u8)> {
    let (mut quote, mut escaped) = (None, false);
    text.bytes().enumerate().filter(move |(_, byte)| match quote {
        Some(_) if escaped => {
            escaped = false;
            false
        }
        Some(end) => {
            match *byte {
                b'\\' => escaped = true,
                byte if byte == end => quote = None,
                _ => {}
            }
            false
        }
        None => {
            quote = matches!(byte, b'\'' | b'`' | b'"').then_some(*byte);
            quote.is_none()
        }
    })
}

/// Reads a block from its beginning.
struct Reader<'block> {
    bytes: &'block [u8],
    at: usize,
}

impl<'block> Reader<'block> {
    fn take(&mut self, length: u64) -> Result<&'block [u8], Failure> {
        let end = usize::try_from(length).ok().and_then(|length| self.at.checked_add(length)).ok_or_else(unexpected)?;
        let taken = self.bytes.get(self.at..end).ok_or_else(unexpected)?;
        self.at = end;
        Ok(taken)
    }

    fn each(&mut self, count: u64, length: u64) -> Result<&'block [u8], Failure> {
        self.take(count.checked_mul(length).ok_or_else(unexpected)?)
    }

    fn varint(&mut self) -> Result<u64, Failure> {
        let mut value = 0;
        for shift in (0..63).step_by(7) {
            let byte = self.take(1)?[0];
            value |= u64::from(byte & 0x7f) << shift;
            if byte < 0x80 {
                return Ok(value);
            }
        }
        Err(unexpected())
    }

    fn number(&mut self) -> Result<u64, Failure> {
        Ok(u64::from_le_bytes(self.take(8)?.try_into().expect("eight bytes were taken")))
    }

    fn text(&mut self) -> Result<&'block [u8], Failure> {
        let length = self.varint()?;
        self.take(length)
    }

    /// Skips what stands before the values of a column: the version of each dictionary.
    fn prefixes(&mut self, layout: &Layout) -> Result<(), Failure> {
        match layout {
            Layout::Fixed(_) | Layout::Text => Ok(()),
            Layout::Nullable(of) | Layout::Array(of) => self.prefixes(of),
            Layout::Tuple(elements) => elements.iter().try_for_each(|element| self.prefixes(element)),
            Layout::LowCardinality(_) => self.number().map(|_| ()),
        }
    }

    /// Skips the values of `rows` rows.
    fn values(&mut self, layout: &Layout, rows: u64) -> Result<(), Failure> {
        match layout {
            Layout::Fixed(length) => self.each(rows, *length).map(|_| ()),
            Layout::Text => (0..rows).try_for_each(|_| self.text().map(|_| ())),
            Layout::Nullable(of) => {
                self.take(rows)?;
                self.values(of, rows)
            }
            Layout::Array(of) => {
                let ends = self.each(rows, 8)?;
                let last = ends.last_chunk::<8>().map_or(0, |end| u64::from_le_bytes(*end));
                self.values(of, last)
            }
            Layout::Tuple(elements) => elements.iter().try_for_each(|element| self.values(element, rows)),
            Layout::LowCardinality(of) => self.dictionary(of, rows),
        }
    }

    /// Skips a dictionary and the numbers of its rows.
    fn dictionary(&mut self, of: &Layout, rows: u64) -> Result<(), Failure> {
        const OWN_VALUES: u64 = 1 << 9;
        if rows == 0 {
            return Ok(());
        }
        let kind = self.number()?;
        let width = match kind & 0xff {
            width @ 0..=3 => 1 << width,
            _ => return Err(unexpected()),
        };
        // A dictionary that several blocks share is only in files.
        if kind & OWN_VALUES == 0 {
            return Err(unexpected());
        }
        let values = self.number()?;
        self.values(of, values)?;
        let rows = self.number()?;
        self.each(rows, width).map(|_| ())
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// A block of one column and one row.
    fn block(named: &str, values: &[u8]) -> Vec<u8> {
        let length = u8::try_from(named.len()).unwrap();
        [b"\x01\x01\x01x".as_slice(), &[length], named.as_bytes(), values].concat()
    }

    fn converted(named: &str, values: &[u8], revision: u64) -> Option<Vec<u8>> {
        convert(&block(named, values), revision).ok().map(Cow::into_owned)
    }

    #[test]
    fn a_block_gets_its_info_and_from_a_revision_on_a_byte_for_each_column() {
        let plain = block("UInt8", &[7]);
        assert_eq!(converted("UInt8", &[7], 0).unwrap(), plain);
        assert_eq!(converted("UInt8", &[7], 54405).unwrap(), [&BLOCK_INFO, plain.as_slice()].concat());
        let newest = [&BLOCK_INFO, b"\x01\x01\x01x\x05UInt8".as_slice(), &[0, 7]].concat();
        assert_eq!(converted("UInt8", &[7], 54483).unwrap(), newest);
        let two = [plain.as_slice(), &plain].concat();
        assert_eq!(convert(&two, 54483).unwrap().as_ref(), [newest.as_slice(), &newest].concat());
        assert_eq!(convert(b"", 54483).unwrap().as_ref(), b"");
    }

    #[test]
    fn each_type_ends_where_it_ends() {
        let one = 1_u64.to_le_bytes();
        let dictionary = [&one, 0x600_u64.to_le_bytes().as_slice(), &one, b"\x01a", &one, &[0]].concat();
        for (named, values) in [
            ("Decimal(18, 3)", vec![0; 8]),
            ("DateTime64(3, 'Asia/Almaty')", vec![0; 8]),
            (r"Enum8('a,\')(' = 1)", vec![1]),
            ("FixedString(3)", vec![0; 3]),
            ("Tuple(`a) b` UInt8, c Nullable(String))", vec![1, 0, 1, b'x']),
            ("Tuple(UInt8, Array(UInt16))", [&[1], one.as_slice(), &[0, 0]].concat()),
            ("Tuple()", vec![0]),
            ("Map(String, UInt8)", [one.as_slice(), b"\x01a\x05"].concat()),
            ("LowCardinality(String)", dictionary.clone()),
            ("LowCardinality(Nullable(String))", dictionary.clone()),
            ("Array(LowCardinality(String))", [&dictionary[..8], &one, &dictionary[8..]].concat()),
            ("SimpleAggregateFunction(groupUniqArrayArray(5), Array(UInt8))", [one.as_slice(), &[1]].concat()),
            ("Array(Nothing)", vec![0; 8]),
        ] {
            let out = converted(named, &values, 54483);
            let expected = [b"\0".as_slice(), &values].concat();
            assert!(out.is_some_and(|out| out.ends_with(&expected)), "{named}");
            assert!(converted(named, &[values.as_slice(), &[0]].concat(), 54483).is_none(), "{named}: a byte too many");
            assert!(converted(named, &values[1..], 54483).is_none(), "{named}: a byte too few");
        }
    }

    #[test]
    fn a_type_that_is_not_known_is_refused_by_its_name() {
        for named in ["JSON", "Dynamic", "Variant(String, UInt8)", "AggregateFunction(sum, UInt8)", "Array(JSON)", "("]
        {
            let failure = convert(&block(named, &[0]), 1).unwrap_err();
            assert!(failure.code == 48 && failure.text.contains(named), "{}", failure.text);
        }
        assert!(Layout::of(&format!("{}UInt8{}", "Array(".repeat(9), ")".repeat(9)), MAX_DEPTH).is_some());
        assert!(Layout::of(&format!("{}UInt8{}", "Array(".repeat(900), ")".repeat(900)), MAX_DEPTH).is_none());
    }

    proptest! {
        #[test]
        fn any_block_is_read_without_panic(
            named in "(Array\\(|Tuple\\(|Map\\(|LowCardinality\\(|UInt8|String|,|\\)|`| |'){0,8}",
            values in proptest::collection::vec(any::<u8>(), 0..60),
        ) {
            let _ = convert(&block(&named, &values), 54483);
            let _ = convert(&values, 54483);
        }
    }
}

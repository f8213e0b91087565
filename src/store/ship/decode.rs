//! Reads a row's RowBinary back for a person's eyes, column by column. What does not parse to its last byte is no row.

use jiff::Timestamp;

use crate::record::{ColumnType, column_type, epoch_date};

/// The columns of a row and their values as text; `None` when the bytes are not a row of these columns, or when no table has a column
/// of such a name. Text is quoted and escaped, since a refused row can hold anything.
pub(super) fn decode(columns: &[&str], row: &[u8]) -> Option<Vec<(String, String)>> {
    let mut rest = row;
    let mut shown = Vec::with_capacity(columns.len());
    for column in columns {
        shown.push(((*column).to_owned(), value(column, &mut rest)?));
    }
    rest.is_empty().then_some(shown)
}

fn value(column: &str, rest: &mut &[u8]) -> Option<String> {
    Some(match column_type(column)? {
        ColumnType::Date => epoch_date(u16::from_le_bytes(take(rest)?)).to_string(),
        ColumnType::DateTime => Timestamp::from_second(u32::from_le_bytes(take(rest)?).into()).ok()?.to_string(),
        ColumnType::Bytes16 => hex(&take::<16>(rest)?),
        ColumnType::Bool => match take::<1>(rest)? {
            [0] => "false".to_owned(),
            [1] => "true".to_owned(),
            [other] => format!("not a truth value: {other}"),
        },
        ColumnType::U8 => take::<1>(rest)?[0].to_string(),
        ColumnType::U16 => u16::from_le_bytes(take(rest)?).to_string(),
        ColumnType::U32 => u32::from_le_bytes(take(rest)?).to_string(),
        ColumnType::Text => text(rest)?,
    })
}

fn take<const N: usize>(rest: &mut &[u8]) -> Option<[u8; N]> {
    let (taken, behind) = rest.split_first_chunk::<N>()?;
    *rest = behind;
    Some(*taken)
}

/// A LEB128 length and so many bytes.
fn text(rest: &mut &[u8]) -> Option<String> {
    let mut length = 0_usize;
    for shift in [0, 7, 14, 21] {
        let [byte] = take::<1>(rest)?;
        length |= usize::from(byte & 0x7f) << shift;
        if byte & 0x80 == 0 {
            let (bytes, behind) = rest.split_at_checked(length)?;
            *rest = behind;
            return Some(match std::str::from_utf8(bytes) {
                Ok(text) => format!("{text:?}"),
                Err(_) => format!("not UTF-8: {}", hex(bytes)),
            });
        }
    }
    None
}

/// Bytes in hexadecimal.
pub(super) fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::record::{SCHEMA_VERSION, Table, columns};

    #[test]
    fn every_column_of_every_table_is_understood() {
        for table in Table::ALL {
            let columns = columns(table, SCHEMA_VERSION).unwrap();
            let text = std::fs::read_to_string(format!("tests/fixtures/rows/{}.hex", table.name())).unwrap();
            for line in text.split_whitespace() {
                let row: Vec<u8> =
                    (0..line.len()).step_by(2).map(|at| u8::from_str_radix(&line[at..at + 2], 16).unwrap()).collect();
                let shown = decode(columns, &row).unwrap_or_else(|| panic!("{}", table.name()));
                assert_eq!(shown[0], ("site".to_owned(), "\"jetpay.kz\"".to_owned()));
                assert_eq!(shown[1], ("day".to_owned(), "2026-11-22".to_owned()));
                assert_eq!(decode(columns, &row[..row.len() - 1]), None);
                assert_eq!(decode(columns, &[row, vec![0]].concat()), None);
            }
        }
    }

    #[test]
    fn what_a_refused_row_holds_cannot_write_to_a_terminal() {
        let shown = decode(&["reason"], b"\x05\x1b[2J\n").unwrap();
        assert_eq!(shown[0].1, r#""\u{1b}[2J\n""#);
        assert_eq!(decode(&["reason"], b"\xff\xff\xff\xff\xff"), None);
        assert_eq!(decode(&["unheard_of"], b""), None);
    }
}

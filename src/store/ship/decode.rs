//! Reads a row's RowBinary back for a person's eyes, column by column. What does not parse to its last byte is no row.

use jiff::Timestamp;

use crate::record::{ColumnType, Fields, epoch_date};

/// The columns of a row and their values as text; `None` when the bytes are not a row of these columns, or when no table has a column
/// of such a name. Text is quoted and escaped, since a refused row can hold anything.
pub(super) fn decode(columns: &[&str], row: &[u8]) -> Option<Vec<(String, String)>> {
    let mut fields = Fields::new(columns, row);
    let shown = fields.by_ref().map(|(name, kind, bytes)| Some((name.to_owned(), value(kind, bytes)?)));
    let shown: Vec<_> = shown.collect::<Option<_>>()?;
    fields.behind()?.is_empty().then_some(shown)
}

fn value(kind: ColumnType, bytes: &[u8]) -> Option<String> {
    Some(match (kind, bytes) {
        (ColumnType::Date, _) => epoch_date(u16::from_le_bytes(bytes.try_into().ok()?)).to_string(),
        (ColumnType::DateTime, _) => {
            Timestamp::from_second(u32::from_le_bytes(bytes.try_into().ok()?).into()).ok()?.to_string()
        }
        (ColumnType::Bytes16, _) => hex(bytes),
        (ColumnType::Bool, [0]) => "false".to_owned(),
        (ColumnType::Bool, [1]) => "true".to_owned(),
        (ColumnType::Bool, _) => format!("not a truth value: {}", bytes.first()?),
        (ColumnType::U8, _) => bytes.first()?.to_string(),
        (ColumnType::U16, _) => u16::from_le_bytes(bytes.try_into().ok()?).to_string(),
        (ColumnType::U32, _) => u32::from_le_bytes(bytes.try_into().ok()?).to_string(),
        (ColumnType::Text, _) => match std::str::from_utf8(bytes) {
            Ok(text) => format!("{text:?}"),
            Err(_) => format!("not UTF-8: {}", hex(bytes)),
        },
    })
}

/// Bytes in hexadecimal.
pub(super) fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::record::tests::golden_rows;
    use crate::record::{SCHEMA_VERSION, Table, columns};

    #[test]
    fn every_column_of_every_table_is_understood() {
        for table in Table::ALL {
            let columns = columns(table, SCHEMA_VERSION).unwrap();
            for row in golden_rows(table) {
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

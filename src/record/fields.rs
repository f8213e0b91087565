//! Reads a row's RowBinary back, column by column. The bytes may be anything: it ends where they are no such row.

use super::{ColumnType, column_type};

/// The values of a row in the order of its columns: name, type, and bytes (of a text without its length).
pub struct Fields<'a, 'c> {
    columns: std::slice::Iter<'c, &'c str>,
    rest: &'a [u8],
}

impl<'a, 'c> Fields<'a, 'c> {
    /// Of a row that begins here.
    pub fn new(columns: &'c [&'c str], row: &'a [u8]) -> Self {
        Self { columns: columns.iter(), rest: row }
    }

    /// What lies behind the values that were read; `None` if not all columns were.
    pub fn behind(self) -> Option<&'a [u8]> {
        self.columns.as_slice().is_empty().then_some(self.rest)
    }
}

impl<'a, 'c> Iterator for Fields<'a, 'c> {
    type Item = (&'c str, ColumnType, &'a [u8]);

    fn next(&mut self) -> Option<Self::Item> {
        let name = *self.columns.as_slice().first()?;
        let kind = column_type(name)?;
        let (length, rest) = match kind {
            ColumnType::Text => text_length(self.rest)?,
            ColumnType::Bytes16 => (16, self.rest),
            ColumnType::DateTime | ColumnType::U32 => (4, self.rest),
            ColumnType::Date | ColumnType::U16 => (2, self.rest),
            ColumnType::Bool | ColumnType::U8 => (1, self.rest),
        };
        let (value, rest) = rest.split_at_checked(length)?;
        self.columns.next();
        self.rest = rest;
        Some((name, kind, value))
    }
}

/// The LEB128 length of a text, and what lies behind it.
fn text_length(bytes: &[u8]) -> Option<(usize, &[u8])> {
    let mut length = 0_usize;
    for (at, shift) in [0, 7, 14, 21].into_iter().enumerate() {
        let byte = *bytes.get(at)?;
        length |= usize::from(byte & 0x7f) << shift;
        if byte & 0x80 == 0 {
            return Some((length, &bytes[at + 1..]));
        }
    }
    None
}

/// The site and the pseudonym of a row; `None` if it has none or is no row of these columns.
pub fn site_and_visitor<'a>(columns: &[&str], row: &'a [u8]) -> Option<(&'a [u8], &'a [u8])> {
    let mut site = None;
    for (name, _, value) in Fields::new(columns, row) {
        match name {
            "site" => site = Some(value),
            "visitor" => return Some((site?, value)),
            _ => {}
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::super::tests::golden_rows;
    use super::super::{SCHEMA_VERSION, Table, columns};
    use super::*;

    #[test]
    fn the_site_and_the_pseudonym_of_a_row_are_found() {
        for table in Table::ALL {
            let columns = columns(table, SCHEMA_VERSION).unwrap();
            for row in golden_rows(table) {
                let mut fields = Fields::new(columns, &row);
                assert_eq!(fields.by_ref().count(), columns.len());
                assert_eq!(fields.behind(), Some(&[][..]));
                let found = site_and_visitor(columns, &row);
                assert_eq!(
                    found.map(|(site, visitor)| (site, visitor.len())),
                    match table {
                        Table::Tallies => None,
                        _ => Some((&b"jetpay.kz"[..], 16)),
                    }
                );
                assert_eq!(Fields::new(columns, &row[..row.len() - 1]).behind(), None);
            }
        }
        assert_eq!(site_and_visitor(&["site", "unheard_of", "visitor"], &[0; 40]), None);
        assert_eq!(site_and_visitor(&["visitor"], &[0; 40]), None);
    }
}

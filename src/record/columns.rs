//! The columns of the vault tables that rows are shipped to: the one table of their names, RowBinary types and versions.

use super::Table;

/// The version of the columns below. Every spool segment has the version of its rows in its header.
pub const SCHEMA_VERSION: u32 = 1;

/// The type of a column, and so its bytes in RowBinary.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ColumnType {
    /// `String` or `LowCardinality(String)`: a LEB128 length, then the bytes.
    Text,
    /// `FixedString(16)`: 16 bytes.
    Bytes16,
    /// `Date`: days since 1970, u16.
    Date,
    /// `DateTime('UTC')`: seconds since 1970, u32.
    DateTime,
    /// `Bool`: one byte, 0 or 1.
    Bool,
    /// `UInt8`.
    U8,
    /// `UInt16`, little-endian.
    U16,
    /// `UInt32`, little-endian.
    U32,
}

use ColumnType::{Bool, Bytes16, Date, DateTime, Text, U8, U16, U32};

/// One column of a table.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Column {
    name: &'static str,
    kind: ColumnType,
    /// The first schema version that has the column. A new column goes to the end of its table.
    since: u32,
}

const fn column(name: &'static str, kind: ColumnType, since: u32) -> Column {
    Column { name, kind, since }
}

const EVENTS: &[Column] = &[
    column("site", Text, 1),
    column("day", Date, 1),
    column("window_end", DateTime, 1),
    column("visitor", Bytes16, 1),
    column("visit", Bytes16, 1),
    column("view", Bytes16, 1),
    column("confirmed", Bool, 1),
    column("network", U8, 1),
    column("new_day", Bool, 1),
    column("new_week", Bool, 1),
    column("new_month", Bool, 1),
    column("new_ever", Bool, 1),
    column("new_window", Bool, 1),
    column("visit_number", Text, 1),
    column("type", Text, 1),
    column("path", Text, 1),
    column("previous_path", Text, 1),
    column("step", U8, 1),
    column("duration_s", U16, 1),
    column("engaged_s", U16, 1),
    column("entry_channel", Text, 1),
    column("entry_source", Text, 1),
    column("entry_medium", Text, 1),
    column("entry_campaign", Text, 1),
    column("exit_domain", Text, 1),
    column("name", Text, 1),
    column("variant", Text, 1),
    column("suspect", Text, 1),
    column("absence", Text, 1),
    column("cohort", Text, 1),
];

const ATTRIBUTES: &[Column] = &[
    column("site", Text, 1),
    column("day", Date, 1),
    column("window_end", DateTime, 1),
    column("attribute", Text, 1),
    column("value", Text, 1),
    column("detail", Text, 1),
    column("visitor", Bytes16, 1),
    column("confirmed", Bool, 1),
    column("network", U8, 1),
    column("new_week", Bool, 1),
    column("new_month", Bool, 1),
    column("step", U8, 1),
    column("visit_tag", U16, 1),
];

const TALLIES: &[Column] = &[
    column("site", Text, 1),
    column("day", Date, 1),
    column("window_end", DateTime, 1),
    column("reason", Text, 1),
    column("count", U32, 1),
];

const SIGNALS: &[Column] = &[
    column("site", Text, 1),
    column("day", Date, 1),
    column("window_end", DateTime, 1),
    column("signal", Text, 1),
    column("state", Text, 1),
    column("digest", Bytes16, 1),
    column("visitor", Bytes16, 1),
    column("confirmed", Bool, 1),
    column("network", U8, 1),
    column("new_week", Bool, 1),
    column("new_month", Bool, 1),
];

const ERRORS: &[Column] = &[
    column("site", Text, 1),
    column("day", Date, 1),
    column("window_end", DateTime, 1),
    column("template", Text, 1),
    column("browser", Text, 1),
    column("major", Text, 1),
    column("os", Text, 1),
    column("visitor", Bytes16, 1),
    column("confirmed", Bool, 1),
    column("network", U8, 1),
    column("new_week", Bool, 1),
    column("new_month", Bool, 1),
];

/// The names of `N` columns.
const fn names<const N: usize>(columns: &[Column]) -> [&'static str; N] {
    let mut names = [""; N];
    let mut at = 0;
    while at < N {
        names[at] = columns[at].name;
        at += 1;
    }
    names
}

fn all(table: Table) -> (&'static [Column], &'static [&'static str]) {
    match table {
        Table::Events => (EVENTS, const { &names::<{ EVENTS.len() }>(EVENTS) }),
        Table::Attributes => (ATTRIBUTES, const { &names::<{ ATTRIBUTES.len() }>(ATTRIBUTES) }),
        Table::Tallies => (TALLIES, const { &names::<{ TALLIES.len() }>(TALLIES) }),
        Table::Signals => (SIGNALS, const { &names::<{ SIGNALS.len() }>(SIGNALS) }),
        Table::Errors => (ERRORS, const { &names::<{ ERRORS.len() }>(ERRORS) }),
    }
}

/// The columns of a table in the order of a row's bytes, after `batch`. `None` when this program does not know the
/// version, or when the version does not have the table.
pub fn columns(table: Table, schema_version: u32) -> Option<&'static [&'static str]> {
    let (columns, names) = all(table);
    let known = columns.partition_point(|column| column.since <= schema_version);
    (schema_version <= SCHEMA_VERSION && known > 0).then(|| &names[..known])
}

/// The type of a column. Columns of one name have one type in all tables. `None` when no table has the column.
pub fn column_type(name: &str) -> Option<ColumnType> {
    let mut columns = Table::ALL.into_iter().flat_map(|table| all(table).0);
    columns.find(|column| column.name == name).map(|column| column.kind)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_row_of_an_older_version_is_a_row_of_today_without_its_end() {
        for table in Table::ALL {
            let columns = all(table).0;
            assert!(
                columns.is_sorted_by_key(|column| column.since),
                "{}: a new column is not at the end",
                table.name()
            );
            assert!(columns.iter().all(|column| (1..=SCHEMA_VERSION).contains(&column.since)), "{}", table.name());
        }
        let counts = |version| Table::ALL.map(|table| columns(table, version).map(<[_]>::len));
        assert_eq!(counts(1), [Some(30), Some(13), Some(5), Some(11), Some(12)]);
        assert_eq!((counts(0), counts(SCHEMA_VERSION + 1)), ([None; 5], [None; 5]));
    }

    #[test]
    fn each_column_has_the_type_that_the_vault_has() {
        let structure = include_str!("../../schema/structure.sql");
        for table in Table::ALL {
            let start = format!("CREATE TABLE tamga_vault.{}\n", table.name());
            let created = structure.split_once(&start).expect("the table is in the structure").1;
            let created = created.split_once("ENGINE").expect("a table has an engine").0;
            for column in all(table).0 {
                let quoted = format!("    `{}` ", column.name);
                let kind = created.split_once(&quoted).unwrap_or_else(|| panic!("{quoted} of {}", table.name())).1;
                let expected: &[&str] = match column.kind {
                    Text => &["LowCardinality(String)", "String"],
                    Bytes16 => &["FixedString(16)"],
                    Date => &["Date "],
                    DateTime => &["DateTime('UTC')"],
                    Bool => &["Bool"],
                    U8 => &["UInt8"],
                    U16 => &["UInt16"],
                    U32 => &["UInt32"],
                };
                assert!(expected.iter().any(|name| kind.starts_with(name)), "{quoted}of {}: {kind:.40}", table.name());
                assert_eq!(column_type(column.name), Some(column.kind), "{quoted}has two types");
            }
        }
    }
}

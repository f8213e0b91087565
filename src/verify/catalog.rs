//! The expected tables, from `schema/structure.sql`; a test compares that file with fresh databases.

use std::collections::BTreeMap;
use std::sync::LazyLock;

const STRUCTURE: &str = include_str!("../../schema/structure.sql");

/// One expected table.
#[derive(Debug, Default)]
pub(super) struct Table {
    /// Its columns, in order, each with its type.
    pub(super) columns: Vec<(String, String)>,
    /// The columns of its sorting key.
    pub(super) key: Vec<String>,
    /// Whether it has a TTL.
    pub(super) has_ttl: bool,
    /// Whether its partitions are days or months, and not one for all rows or one for an attempt.
    pub(super) is_cut_by_day: bool,
}

/// The tables of a database, by name.
pub(super) fn tables(database: &str) -> &'static BTreeMap<String, Table> {
    static TABLES: LazyLock<BTreeMap<String, BTreeMap<String, Table>>> = LazyLock::new(|| parse(STRUCTURE));
    static NONE: BTreeMap<String, Table> = BTreeMap::new();
    TABLES.get(database).unwrap_or(&NONE)
}

/// The days of a table's TTL, from its expression: `… + toIntervalDay(9)`, `… + toIntervalMonth(25)`.
pub(super) fn ttl_days(create: &str) -> Option<u64> {
    let ttl = create.split("TTL ").nth(1)?;
    let number = |unit: &str| -> Option<u64> {
        let rest = ttl.split(unit).nth(1)?;
        rest.split(')').next()?.trim().parse().ok()
    };
    number("toIntervalDay(").or_else(|| number("toIntervalMonth(").map(|months| months * 31))
}

fn parse(structure: &str) -> BTreeMap<String, BTreeMap<String, Table>> {
    let mut databases: BTreeMap<String, BTreeMap<String, Table>> = BTreeMap::new();
    for statement in structure.split("CREATE TABLE ").skip(1) {
        let mut lines = statement.lines();
        let Some((database, name)) = lines.next().and_then(|name| name.split_once('.')) else { continue };
        let mut table = Table::default();
        for line in lines {
            if let Some((column, rest)) = line.strip_prefix("    `").and_then(|rest| rest.split_once("` ")) {
                let end = [" COMMENT ", " CODEC(", " DEFAULT ", ","].iter().filter_map(|word| rest.find(word)).min();
                // A type may contain commas in brackets. In every column of the product the comment comes after the type.
                let after = [" DEFAULT ", " COMMENT "].iter().filter_map(|word| rest.find(word)).min();
                let end = after.or(end).unwrap_or(rest.len());
                table.columns.push((column.to_owned(), rest[..end].trim().to_owned()));
            } else if let Some(key) = line.strip_prefix("ORDER BY ") {
                let key = key.trim_matches(['(', ')']).split(", ");
                table.key = key.map(|column| column.trim_matches('`').to_owned()).collect();
            }
            table.has_ttl |= line.starts_with("TTL ");
            table.is_cut_by_day |=
                ["PARTITION BY (day", "PARTITION BY toYYYYMM("].iter().any(|cut| line.starts_with(cut));
        }
        databases.entry(database.to_owned()).or_default().insert(name.trim().to_owned(), table);
    }
    databases
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_structure_is_understood() {
        let events = &tables("tamga_vault")["events"];
        assert!(events.is_cut_by_day && !tables("tamga_vault")["erasures"].is_cut_by_day);
        assert!(events.has_ttl && events.key.contains(&"visitor".to_owned()), "{events:?}");
        assert!(events.columns.iter().any(|(name, kind)| name == "window_end" && kind == "DateTime('UTC')"));
        let places = &tables("tamga_stats")["places"];
        assert_eq!(places.key, ["site", "window_start", "carried_to", "country", "region"]);
        assert!(places.columns.iter().any(|(name, kind)| name == "visits" && kind == "Int64"));
        assert!(!tables("tamga_stats")["schema_migrations"].has_ttl);
        assert_eq!(ttl_days("… TTL day + toIntervalDay(9) SETTINGS x"), Some(9));
        assert_eq!(ttl_days("… TTL window_end + toIntervalMonth(25)"), Some(775));
        assert_eq!(ttl_days("… ORDER BY x"), None);
    }
}

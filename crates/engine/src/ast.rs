//! Checks an analyst's statement by the engine's own parse of it.
//!
//! The input is the answer of `EXPLAIN AST`: one node per line, which begins with the node's kind. All rules are
//! allow-lists. A kind, a function or a table that is not listed is refused, so an unknown construct is refused too.
//! Only the engine parses: a second parser could read the text differently.
//!
//! Names may contain line ends, so a statement can add lines to its own dump. [`dump`] refuses such a dump. It cannot
//! remove lines: each node's kind and name begin a new line, and each line is checked by itself.
//!
//! A type can be the name of an aggregate function's state, and a text that is cast to it can be any state. The engine
//! believes a state: a wrong one makes it read beyond its memory. So a type is a literal wherever a function takes one,
//! and no such type is named in it.

use crate::dump::{self, Node};

use crate::reader::database;

/// System tables that clients read. They contain no queries of others, no paths and no errors.
const SYSTEM_TABLES: [&str; 29] = [
    "system.aggregate_function_combinators",
    "system.collations",
    "system.columns",
    "system.completions",
    "system.data_type_families",
    "system.databases",
    "system.formats",
    "system.functions",
    "system.keywords",
    "system.numbers",
    "system.one",
    "system.settings",
    "system.table_engines",
    "system.table_functions",
    "system.tables",
    "system.time_zones",
    "information_schema.columns",
    "information_schema.key_column_usage",
    "information_schema.referential_constraints",
    "information_schema.schemata",
    "information_schema.tables",
    "information_schema.views",
    "INFORMATION_SCHEMA.COLUMNS",
    "INFORMATION_SCHEMA.KEY_COLUMN_USAGE",
    "INFORMATION_SCHEMA.REFERENTIAL_CONSTRAINTS",
    "INFORMATION_SCHEMA.SCHEMATA",
    "INFORMATION_SCHEMA.STATISTICS",
    "INFORMATION_SCHEMA.TABLES",
    "INFORMATION_SCHEMA.VIEWS",
];

/// Table functions that compute their rows from their arguments.
const TABLE_FUNCTIONS: [&str; 6] = ["numbers", "zeros", "values", "VALUES", "generateSeries", "generate_series"];

/// Kinds of nodes whose line has nothing else to check. Their children have their own lines.
const PLAIN: [&str; 27] = [
    "ArrayJoin",
    "Asterisk",
    "ColumnsExceptTransformer",
    "ColumnsListMatcher",
    "ColumnsRegexpMatcher",
    "ColumnsReplaceTransformer",
    "ColumnsReplaceTransformer::Replacement",
    "ColumnsTransformerList",
    "DescribeQuery",
    "ExpressionList",
    "InterpolateElement",
    "Literal",
    "OrderByElement",
    "QualifiedAsterisk",
    "QualifiedColumnsListMatcher",
    "QualifiedColumnsRegexpMatcher",
    "SampleRatio",
    "SelectIntersectExceptQuery",
    "SelectQuery",
    "Subquery",
    "TableExpression",
    "TableJoin",
    "TablesInSelectQuery",
    "TablesInSelectQueryElement",
    "WindowDefinition",
    "WindowListElement",
    "WithElement",
];

const EXPLAINED: [&str; 6] =
    ["EXPLAIN", "EXPLAIN AST", "EXPLAIN ESTIMATE", "EXPLAIN PIPELINE", "EXPLAIN QUERY TREE", "EXPLAIN SYNTAX"];

/// Functions that take a type as a text, and which argument it is.
const TYPED: [(&str, Typed); 12] = [
    ("CAST", Typed::Second),
    ("_CAST", Typed::Second),
    ("accurateCast", Typed::Second),
    ("accurateCastOrNull", Typed::Second),
    ("accurateCastOrDefault", Typed::Second),
    ("reinterpret", Typed::Second),
    ("dynamicElement", Typed::Second),
    ("isDynamicElementInSharedData", Typed::Second),
    ("JSONExtract", Typed::Last),
    ("JSONExtractCaseInsensitive", Typed::Last),
    ("JSONExtractKeysAndValues", Typed::Last),
    ("JSONExtractKeysAndValuesCaseInsensitive", Typed::Last),
];

/// Which argument of a function is a type.
#[derive(Clone, Copy)]
enum Typed {
    Second,
    Last,
}

/// Checks a dump, and returns the names of the tables in it. An error is the sentence that the analyst gets. `databases` are
/// all databases of the engine.
pub(crate) fn check<'dump>(
    dump: &'dump str,
    permitted: impl Fn(&str) -> bool,
    databases: &[String],
) -> Result<Vec<&'dump str>, String> {
    let nodes = dump::read(dump).ok_or("the engine's parse of it is not clear: names may not have line ends")?;
    let (mut of_table, mut tables) = (false, Vec::new());
    for (at, Node { kind, rest, .. }) in nodes.iter().enumerate() {
        match *kind {
            "Function" => {
                check_function(name(rest), of_table, &permitted)?;
                check_types(name(rest), of_table, &dump::arguments(&nodes, at))?;
            }
            "TableIdentifier" => {
                check_table(name(rest))?;
                tables.push(name(rest));
            }
            "Identifier" => check_identifier(name(rest), databases)?,
            // A second child is a FORMAT, an INTO OUTFILE or a SETTINGS clause.
            "SelectWithUnionQuery" if *rest == "(children 1)" => {}
            "SelectWithUnionQuery" | "Set" => {
                return Err(
                    "settings are taken from the URL, not from a SETTINGS clause, and answers go nowhere else".into()
                );
            }
            "Explain" if EXPLAINED.contains(&name(rest)) => {}
            "ColumnsApplyTransformer" => return Err("APPLY is not available: name the columns".into()),
            kind if PLAIN.contains(&kind) => {}
            kind => return Err(format!("this kind of statement or clause is not available ({})", shown(kind))),
        }
        of_table = *kind == "TableExpression";
    }
    Ok(tables)
}

/// A type is given as a literal, and is not the state of an aggregate function.
fn check_types(function: &str, of_table: bool, arguments: &[&Node<'_>]) -> Result<(), String> {
    let named = if of_table {
        // The first argument is the structure, unless it is a row.
        let row = |node: &Node<'_>| match node.kind {
            "Literal" => !node.rest.starts_with('\''),
            _ => node.kind == "Function" && name(node.rest) == "tuple",
        };
        if !function.eq_ignore_ascii_case("values") || arguments.first().is_none_or(|first| row(first)) {
            return Ok(());
        }
        arguments.first()
    } else {
        match TYPED.iter().find(|(typed, _)| typed.eq_ignore_ascii_case(function)) {
            Some((_, Typed::Second)) => arguments.get(1),
            Some((_, Typed::Last)) => arguments.last(),
            None => return Ok(()),
        }
    };
    if named.is_some_and(|node| node.kind == "Literal" && is_plain_type(node.rest)) {
        return Ok(());
    }
    Err(format!(
        "{} takes a type as a text without quoted names, and no state of an aggregate function",
        shown(function)
    ))
}

/// Whether a literal is a type of values. Quoted names are refused, since escapes in them can hide a name.
fn is_plain_type(literal: &str) -> bool {
    let Some(text) = literal.strip_prefix('\'').and_then(|text| text.strip_suffix('\'')) else { return false };
    let text = text.replace("\\'", "'");
    let quotes = ['`', '"', '\\', '\u{2018}', '\u{2019}', '\u{201c}', '\u{201d}'];
    !text.contains(quotes) && !text.to_ascii_lowercase().contains("aggregatefunction")
}

fn check_function(name: &str, of_table: bool, permitted: impl Fn(&str) -> bool) -> Result<(), String> {
    if of_table {
        return if TABLE_FUNCTIONS.contains(&name) {
            Ok(())
        } else {
            Err(format!(
                "the table function {} is not available, only {}",
                shown(name),
                TABLE_FUNCTIONS[..3].join(", ")
            ))
        };
    }
    if permitted(name) { Ok(()) } else { Err(format!("the function {} is not available", shown(name))) }
}

fn check_table(name: &str) -> Result<(), String> {
    let own = match name.split_once('.') {
        // It is a table of the current database, which is the reader's, or a common table expression.
        None => true,
        Some((of, table)) => of == database() && !table.contains('.'),
    };
    let readable = own && !name.contains('/') || SYSTEM_TABLES.contains(&name);
    if readable {
        Ok(())
    } else {
        Err(format!("the table {} is not available, only those of {}", shown(name), database()))
    }
}

/// An identifier may be a table: `x IN system.processes`. If it begins with a database's name, it is checked as a
/// table.
fn check_identifier(name: &str, databases: &[String]) -> Result<(), String> {
    let foreign = databases
        .iter()
        .filter(|known| known.as_str() != database())
        .any(|known| name.strip_prefix(known.as_str()).is_some_and(|rest| rest.starts_with('.')));
    let of_system =
        |table: &&str| name.strip_prefix(*table).is_some_and(|rest| rest.is_empty() || rest.starts_with('.'));
    if foreign && !SYSTEM_TABLES.iter().any(of_system) {
        return Err(format!("{} is not available, only the tables of {}", shown(name), database()));
    }
    Ok(())
}

/// The name in the rest of a line, before `(alias …)` and `(children …)`.
fn name(rest: &str) -> &str {
    rest.split(" (").next().unwrap_or(rest)
}

/// A name that the analyst sent, short enough for a sentence.
fn shown(name: &str) -> String {
    name.chars().filter(|c| !c.is_control()).take(64).collect()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn verdict(dump: &str) -> Result<(), String> {
        let databases = ["tamga_stats", "system", "default", "vault"].map(str::to_owned);
        check(dump, |name| ["plus", "sum", "in"].contains(&name), &databases).map(|_| ())
    }

    /// A statement with these lines in the place of its columns.
    fn query(lines: &str) -> String {
        let columns = lines.lines().filter(|line| !line.starts_with(' ')).count();
        let lines: String = lines.lines().map(|line| format!("    {line}\n")).collect();
        format!(
            "SelectWithUnionQuery (children 1)\n ExpressionList (children 1)\n  SelectQuery (children 1)\n   \
             ExpressionList (children {columns})\n{lines}"
        )
    }

    const NUMBERS: &str = "TableExpression (children 1)\n Function numbers (children 1)\n  ExpressionList";

    #[test]
    fn what_is_named_passes_and_nothing_else() {
        for lines in [
            "TableExpression (children 1)\n TableIdentifier site (alias s)",
            "TableIdentifier tamga_stats.site",
            "TableIdentifier system.columns",
            "Function plus (alias x) (children 1)\n ExpressionList",
            "Identifier site.views",
            "Identifier system.one.dummy",
            NUMBERS,
            "Literal \\'Function file\\'",
        ] {
            assert_eq!(verdict(&query(lines)), Ok(()), "{lines}");
        }
        for lines in [
            "TableIdentifier system.processes",
            "TableIdentifier vault.events",
            "TableIdentifier tamga_stats.a.b",
            "TableIdentifier /etc/passwd",
            "TableIdentifier x.csv",
            "Function file (children 1)\n ExpressionList",
            &NUMBERS.replace("numbers", "file"),
            &NUMBERS.replace("numbers", "plus"),
            "Identifier vault.events",
            "Identifier system.processes",
            "Identifier system.onerous",
            "Set",
            "SelectWithUnionQuery (children 2)\n ExpressionList\n Identifier CSV",
            "ColumnsApplyTransformer",
            "Explain EXPLAIN TABLE OVERRIDE",
            "DropQuery site",
            "Storage definition",
        ] {
            assert!(verdict(&query(lines)).is_err(), "{lines}");
        }
        assert!(verdict("").is_err(), "silence is no permission");
    }

    #[test]
    fn a_type_is_a_literal_and_no_state() {
        let cast = |function: &str, arguments: &[&str]| {
            let list: String = arguments.iter().map(|line| format!("\n  {line}")).collect();
            let lines =
                format!("Function {function} (children 1)\n ExpressionList (children {}){list}", arguments.len());
            check(&query(&lines), |_| true, &[]).map(|_| ())
        };
        for (function, arguments) in [
            ("CAST", ["Identifier x", "Literal 'Array(Nullable(UInt8))'"]),
            ("cast", ["Literal 'a'", r"Literal 'Enum8(\'a b\' = 1)'"]),
            ("JSONExtract", ["Literal '{}'", "Literal 'Map(String, Decimal(9, 2))'"]),
            ("concat", ["Literal 'AggregateFunction(sum, UInt8)'", "Identifier x"]),
        ] {
            assert_eq!(cast(function, &arguments), Ok(()), "{function} {arguments:?}");
        }
        for (typed, _) in TYPED {
            for last in [
                "Literal 'AggregateFunction(sum, UInt8)'",
                "Literal 'Tuple(UInt8, SimpleAggregateFunction(sum, UInt8))'",
                r"Literal '`Aggregate\\x46unction`(sum, UInt8)'",
                "Literal 'Tuple(\"a\" UInt8)'",
                "Literal 'UInt8' (alias x)",
                "Identifier x",
                "Literal UInt64_1",
            ] {
                assert!(cast(typed, &["Literal 'a'", last]).is_err(), "{typed} {last}");
                assert!(cast(&typed.to_lowercase(), &["Literal 'a'", last]).is_err(), "{typed} {last}");
            }
            assert!(cast(typed, &[]).is_err(), "{typed}");
        }
        let values = |first: &str| {
            verdict(&query(
                &NUMBERS
                    .replace("numbers", "values")
                    .replace("ExpressionList", &format!("ExpressionList (children 1)\n   {first}")),
            ))
        };
        for first in ["Literal 'x UInt8'", "Literal Tuple_(UInt64_1, 'a')", "Literal UInt64_1"] {
            assert_eq!(values(first), Ok(()), "{first}");
        }
        for first in ["Literal 'x AggregateFunction(sum, UInt8)'", "Identifier x"] {
            assert!(values(first).is_err(), "{first}");
        }
    }

    proptest! {
        #[test]
        fn lines_that_names_add_hide_nothing(before in "( {0,6}(TableExpression|Literal|Function plus|Identifier a|Subquery)\n){0,4}", after in "[ -~]{0,20}") {
            let whole = query("Function file (alias x) (children 1)\n ExpressionList");
            let hidden = whole.replace("    Function file (alias x)", &format!("{before}    Function file (alias x\n{after})"));
            prop_assert!(verdict(&hidden).is_err());
        }
    }
}

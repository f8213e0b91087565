//! Checks an analyst's statement by the engine's own parse of it.
//!
//! The input is the answer of `EXPLAIN AST`: one node per line, which begins with the node's kind. All rules are
//! allow-lists. A kind, a function or a table that is not listed is refused, so an unknown construct is refused too.
//! Only the engine parses: a second parser could read the text differently.
//!
//! Names may contain line ends, so a statement can add lines to its own dump. It cannot remove lines: each node's kind
//! and name begin a new line, and each line is checked by itself. One check looks at the line before, to see whether a
//! function is a table function. It is safe, because the line of a table expression contains no name.

/// The database that analysts query.
pub(crate) const DATABASE: &str = "tamga_stats";

/// System tables that clients read. They contain no queries of others, no paths and no errors.
const SYSTEM_TABLES: [&str; 16] = [
    "system.columns",
    "system.data_type_families",
    "system.databases",
    "system.formats",
    "system.functions",
    "system.numbers",
    "system.one",
    "system.settings",
    "system.tables",
    "system.time_zones",
    "information_schema.columns",
    "information_schema.schemata",
    "information_schema.tables",
    "INFORMATION_SCHEMA.COLUMNS",
    "INFORMATION_SCHEMA.SCHEMATA",
    "INFORMATION_SCHEMA.TABLES",
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

/// Checks a dump. An error is the sentence that the analyst gets. `databases` are all databases of the engine.
pub(crate) fn check(dump: &str, permitted: impl Fn(&str) -> bool, databases: &[String]) -> Result<(), String> {
    let mut after_table_expression = false;
    let mut nodes = 0;
    for line in dump.split('\n').filter(|line| !line.is_empty()) {
        let line = line.trim_start_matches(' ');
        let (kind, rest) = line.split_once(' ').unwrap_or((line, ""));
        match kind {
            "Function" => check_function(name(rest), after_table_expression, &permitted)?,
            "TableIdentifier" => check_table(name(rest))?,
            "Identifier" => check_identifier(name(rest), databases)?,
            // A second child is a FORMAT, an INTO OUTFILE or a SETTINGS clause.
            "SelectWithUnionQuery" if rest == "(children 1)" => {}
            "SelectWithUnionQuery" | "Set" => {
                return Err(
                    "settings are taken from the URL, not from a SETTINGS clause, and answers go nowhere else".into()
                );
            }
            "Explain" if EXPLAINED.contains(&name(rest)) => {}
            "ColumnsApplyTransformer" => return Err("APPLY is not available: name the columns".into()),
            _ if PLAIN.contains(&kind) => {}
            _ => return Err(format!("this kind of statement or clause is not available ({})", shown(kind))),
        }
        after_table_expression = kind == "TableExpression";
        nodes += 1;
    }
    if nodes == 0 { Err("the engine did not say what the statement consists of".into()) } else { Ok(()) }
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
        // It is a table of the current database, `tamga_stats`, or a common table expression.
        None => true,
        Some((DATABASE, table)) => !table.contains('.'),
        Some(_) => false,
    };
    let readable = own && !name.contains('/') || SYSTEM_TABLES.contains(&name);
    if readable { Ok(()) } else { Err(format!("the table {} is not available, only those of {DATABASE}", shown(name))) }
}

/// An identifier may be a table: `x IN system.processes`. If it begins with a database's name, it is checked as a
/// table.
fn check_identifier(name: &str, databases: &[String]) -> Result<(), String> {
    let foreign = databases
        .iter()
        .filter(|database| database.as_str() != DATABASE)
        .any(|database| name.strip_prefix(database.as_str()).is_some_and(|rest| rest.starts_with('.')));
    let of_system =
        |table: &&str| name.strip_prefix(*table).is_some_and(|rest| rest.is_empty() || rest.starts_with('.'));
    if foreign && !SYSTEM_TABLES.iter().any(of_system) {
        return Err(format!("{} is not available, only the tables of {DATABASE}", shown(name)));
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
        check(dump, |name| ["plus", "sum", "in"].contains(&name), &databases)
    }

    const QUERY: &str = "SelectWithUnionQuery (children 1)\n ExpressionList (children 1)\n  SelectQuery (children 2)\n";

    #[test]
    fn what_is_named_passes_and_nothing_else() {
        for line in [
            "TableExpression (children 1)\n    TableIdentifier site (alias s)",
            "TableIdentifier tamga_stats.site",
            "TableIdentifier system.columns",
            "Function plus (alias x) (children 1)",
            "Identifier site.views",
            "Identifier system.one.dummy",
            "TableExpression (children 1)\n    Function numbers (children 1)",
            "Literal \\'Function file\\'",
        ] {
            assert_eq!(verdict(&format!("{QUERY}   {line}\n")), Ok(()), "{line}");
        }
        for line in [
            "TableIdentifier system.processes",
            "TableIdentifier vault.events",
            "TableIdentifier tamga_stats.a.b",
            "TableIdentifier /etc/passwd",
            "TableIdentifier x.csv",
            "Function file (children 1)",
            "TableExpression (children 1)\n    Function file (children 1)",
            "TableExpression (children 1)\n    Function plus (children 1)",
            "Identifier vault.events",
            "Identifier system.processes",
            "Identifier system.onerous",
            "Set",
            "SelectWithUnionQuery (children 2)",
            "ColumnsApplyTransformer",
            "Explain EXPLAIN TABLE OVERRIDE (children 1)",
            "DropQuery site",
            "Storage definition",
        ] {
            assert!(verdict(&format!("{QUERY}   {line}\n")).is_err(), "{line}");
        }
        assert!(verdict("").is_err(), "silence is no permission");
    }

    proptest! {
        #[test]
        fn lines_that_names_add_hide_nothing(before in "( {0,6}(TableExpression|Literal|Function plus|Identifier a|Subquery)\n){0,4}", after in "[ -~]{0,20}") {
            let hidden = format!("{QUERY}{before}    Function file (alias x\n{after})\n");
            prop_assert!(verdict(&hidden).is_err());
        }
    }
}

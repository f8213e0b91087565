//! What this engine has: functions with the kinds of their arguments, examples from its own documentation, formats, types.

use serde_json::Value;

use crate::support::engine::Engine;

/// Something that an argument can be.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Kind {
    Text,
    Whole,
    Float,
    Array,
    Tuple,
    Map,
    Date,
    Lambda,
    Shape,
    Document,
    Any,
}

pub(super) struct Function {
    pub(super) name: String,
    pub(super) is_aggregate: bool,
    /// For each documented argument, what it may be.
    pub(super) arguments: Vec<Vec<Kind>>,
    pub(super) has_parameters: bool,
}

/// All lists are sorted, so that a seed means the same statement for every run of the same engine.
pub(super) struct Catalogue {
    pub(super) functions: Vec<Function>,
    pub(super) examples: Vec<String>,
    pub(super) combinators: Vec<String>,
    pub(super) table_functions: Vec<String>,
    pub(super) formats: Vec<String>,
    pub(super) settings: Vec<String>,
    pub(super) types: Vec<String>,
}

impl Catalogue {
    pub(super) async fn of(engine: &Engine) -> Self {
        let mut functions = Vec::new();
        let mut examples = Vec::new();
        let sql = "SELECT name, is_aggregate, arguments, parameters, examples FROM system.functions \
                   WHERE origin = 'System' ORDER BY name FORMAT JSONCompactEachRow";
        for line in engine.sql(sql).await.lines() {
            let row: Vec<Value> = serde_json::from_str(line).unwrap();
            let text = |column: usize| row[column].as_str().unwrap();
            functions.push(Function {
                name: text(0).to_owned(),
                is_aggregate: row[1] == 1,
                arguments: text(2).lines().filter(|line| line.starts_with("- ")).map(kinds).collect(),
                has_parameters: !text(3).is_empty(),
            });
            examples.extend(queries(text(4)));
        }
        let list = async |sql: &str| engine.sql(sql).await.lines().map(str::to_owned).collect::<Vec<_>>();
        Self {
            functions,
            examples,
            combinators: list("SELECT name FROM system.aggregate_function_combinators ORDER BY name").await,
            table_functions: list("SELECT name FROM system.table_functions ORDER BY name").await,
            formats: list("SELECT name FROM system.formats ORDER BY name").await,
            settings: list("SELECT name FROM system.settings ORDER BY name").await,
            types: list("SELECT name FROM system.data_type_families ORDER BY name").await,
        }
    }
}

/// The kinds that a line of documentation names.
fn kinds(line: &str) -> Vec<Kind> {
    let words = [
        ("String", Kind::Text),
        ("Int", Kind::Whole),
        ("Float", Kind::Float),
        ("Decimal", Kind::Float),
        ("Array", Kind::Array),
        ("Tuple", Kind::Tuple),
        ("Map(", Kind::Map),
        ("Date", Kind::Date),
        ("Lambda", Kind::Lambda),
        ("Polygon", Kind::Shape),
        ("Point", Kind::Shape),
        ("JSON", Kind::Document),
    ];
    // The types are in brackets with a link; words before them are prose.
    let types: String = line.split("[`").skip(1).filter_map(|part| part.split("`]").next()).collect();
    // Of `Array(String)`, the first word counts.
    let found = words.iter().filter(|(word, _)| types.starts_with(word) || types.contains(word));
    let mut found: Vec<Kind> = found.map(|(_, kind)| *kind).collect();
    if types.starts_with("Array") {
        found = vec![Kind::Array];
    }
    if found.is_empty() { vec![Kind::Any] } else { found }
}

/// The queries of an example, without statements that prepare tables.
fn queries(examples: &str) -> Vec<String> {
    let blocks = examples.split("```").filter_map(|block| block.strip_prefix("sql"));
    let statements = blocks.filter_map(|block| block.split_once('\n')).flat_map(|(_, sql)| sql.split(';'));
    statements
        .map(|sql| sql.trim().to_owned())
        .filter(|sql| ["SELECT", "WITH"].iter().any(|word| sql.starts_with(word)))
        .collect()
}

//! What an analyst may run: one statement that reads `tamga_stats`, within limits that neither statement nor URL can
//! lift. Break-glass on the vault is under the same rules, with the database `tamga_vault` ([`crate::reader`]).
//!
//! The checks in order: The format only formats. The database must be `tamga_stats`. Settings come from an allow-list, the
//! limits override them, and `readonly` locks both. The engine must classify the text as one statement that reads. [`ast`] or [`show_statements`]
//! must know everything in it. The text that runs is the text that was checked. [`crate::sandbox`] is the second
//! barrier, if the engine has a way around these checks.
//!
//! Not promised: one analyst can use all permits of analysts. Each statement ends at its deadline, or the process does
//! ([`crate::watchdog`]), and the service has its own permits.

use std::collections::HashSet;

use anyhow::anyhow;

use crate::ast;
use crate::failure::Failure;
use crate::ffi::{Connection, StatementClass};
use crate::reader::{database, reader};
use crate::request::literal;
use crate::show_statements;
use crate::statement::{format_clause, has_word, words};

/// Statements of analysts that run at once; the memory of all is half of the engine's.
pub(crate) const MAX_ANALYSTS: usize = 4;

/// The longest statement of an analyst.
const MAX_QUERY_BYTES: usize = 64 << 10;
/// How long a statement may run, in seconds.
pub(crate) const MAX_SECONDS: u64 = 30;
/// How much of an answer leaves, as a stream, and as a format that is made at once.
const MAX_ANSWER_ROWS: u64 = 1_000_000;
const MAX_ANSWER_BYTES: u64 = 256 << 20;
const MAX_WHOLE_ANSWER_BYTES: u64 = 16 << 20;

/// Functions by the engine's own sorting. What reads files, tables by name, dictionaries, settings of the server or the
/// machine is in other ones.
const CATEGORIES: &str = "'Aggregate Functions','Arithmetic','Arrays','Bit','Bitmap','Comparison','Conditional',\
    'Dates and Times','Distance','Encoding','Hash','JSON','Logical','Map','Mathematical','Null','Random Number','Rounding',\
    'String','String Replacement','String Search','String Splitting','Time Window','Tuple','Type Conversion','URL','UUID'";
/// Functions of the sorting's rest, and those that it does not list.
const NAMED: &str = "'bar','countDigits','currentDatabase','currentUser','displayName','formatReadableDecimalSize',\
    'formatReadableQuantity','formatReadableSize','formatReadableTimeDelta','getSetting','identity','ignore','isConstant',\
    'materialize','revision','rowNumberInAllBlocks','rowNumberInBlock','toColumnTypeName','toTypeName','transform','uptime','version','visibleWidth'";
/// What does not belong: names of files, formats or other functions inside, work that no deadline interrupts, answers
/// whose size the engine does not count while it makes them, the machine.
const NOT: &str = "'aggThrow','flameGraph','chdb','formatRow','formatRowNoNewline','serverTimezone','arrayFold',\
    'arrayLevenshteinDistance','arrayLevenshteinDistanceWeighted','arraySimilarity','editDistance','editDistanceUTF8',\
    'damerauLevenshteinDistance','jaroSimilarity','jaroWinklerSimilarity','stringJaccardIndex','stringJaccardIndexUTF8',\
    'arrayShingles','sparseGrams','sparseGramsUTF8','sparseGramsHashes','sparseGramsHashesUTF8','factorial','isProbablePrime',\
    'arrayReduce','arrayReduceInRanges','groupFormat','MVTEncode','printf','URLHierarchy','URLPathHierarchy','randomString',\
    'randomStringUTF8','randomFixedString','randomPrintableASCII','fuzzBits','naiveBayesNgrams','estimateCompressionRatio',\
    'randomHadamardTransform','cutURLParameter'";
/// What the parser makes of syntax and the engine does not list as functions.
const SYNTAX: [&str; 7] = ["lambda", "exists", "untuple", "grouping", "columns", "interval", "_CAST"];
/// Suffixes that make another aggregate function of one.
const COMBINATORS: [&str; 14] = [
    "ArgMax",
    "ArgMin",
    "Array",
    "Distinct",
    "ForEach",
    "If",
    "Map",
    "MergeState",
    "Merge",
    "Null",
    "OrDefault",
    "OrNull",
    "SimpleState",
    "State",
];

/// Settings that change how an answer looks or what NULLs do, and nothing else. Besides them `output_format_…`.
const SETTINGS: [&str; 22] = [
    "any_join_distinct_right_table_keys",
    "cast_keep_nullable",
    "date_time_output_format",
    "decimal_check_overflow",
    "empty_result_for_aggregation_by_empty_set",
    "extremes",
    "format_csv_delimiter",
    "format_csv_null_representation",
    "format_tsv_null_representation",
    "group_by_use_nulls",
    "join_use_nulls",
    "limit",
    "log_comment",
    "offset",
    "prefer_column_name_to_alias",
    "result_overflow_mode",
    "session_timezone",
    "totals_mode",
    "transform_null_in",
    "union_default_mode",
    "use_client_time_zone",
    "workload",
];
/// Formats that only format: those that begin with one of these words, and those that are one.
const FORMAT_FAMILIES: [&str; 10] =
    ["TabSeparated", "TSV", "TSKV", "Raw", "CSV", "JSON", "NDJSON", "LineAsString", "Pretty", "RowBinary"];
const FORMATS: [&str; 13] = [
    "Arrow",
    "ArrowStream",
    "BSONEachRow",
    "Markdown",
    "MsgPack",
    "Native",
    "Null",
    "ORC",
    "Parquet",
    "SQLInsert",
    "Values",
    "Vertical",
    "XML",
];
/// Settings that clients send by habit, and that change nothing here.
const IGNORED: [&str; 9] = [
    "allow_experimental_analyzer",
    "async_insert",
    "connect_timeout",
    "max_block_size",
    "readonly",
    "receive_timeout",
    "send_timeout",
    "use_uncompressed_cache",
    "wait_for_async_insert",
];

/// The rules for analysts on this engine.
pub(crate) struct Analyst {
    /// Functions as they are written.
    functions: HashSet<String>,
    /// Functions that may be written in any case, in lower case.
    any_case: HashSet<String>,
    memory_bytes: u64,
    /// How long a statement may run.
    pub(crate) seconds: u64,
}

impl Analyst {
    /// Learns from the engine which functions it has.
    pub(crate) fn new(connection: &mut Connection, memory_limit_mib: u32, seconds: u64) -> anyhow::Result<Self> {
        let of =
            |column: &str| format!("arrayExists(c -> trim(c) IN ({CATEGORIES}), splitByChar(',', toString({column})))");
        let sql = format!(
            "WITH (SELECT groupArray(name) FROM system.functions WHERE ({} OR name IN ({NAMED})) AND name NOT IN ({NOT})) AS known \
             SELECT name, case_insensitive FROM system.functions WHERE origin = 'System' AND name NOT LIKE '\\\\_\\\\_%' \
             AND (has(known, name) OR has(known, alias_to)) AND name NOT IN ({NOT})",
            of("categories")
        );
        let answer = connection
            .query(sql.as_bytes(), "TabSeparated", &[])
            .map_err(|error| anyhow!("cannot read the engine's list of functions: {}", error.0))?;
        let (mut functions, mut any_case) = (HashSet::new(), HashSet::new());
        for (name, insensitive) in
            String::from_utf8_lossy(answer.bytes()).lines().filter_map(|line| line.split_once('\t'))
        {
            functions.insert(name.to_owned());
            if insensitive == "1" {
                any_case.insert(name.to_ascii_lowercase());
            }
        }
        functions.extend(SYNTAX.map(str::to_owned));
        let memory_bytes = (u64::from(memory_limit_mib) << 20) / (2 * MAX_ANALYSTS as u64);
        Ok(Self { functions, any_case, memory_bytes, seconds })
    }

    /// Refuses a format that needs a file beside it, or writes one.
    pub(crate) fn admit_format(format: &str) -> Result<(), Failure> {
        let begins = |family: &&str| {
            format.as_bytes().get(..family.len()).is_some_and(|start| start.eq_ignore_ascii_case(family.as_bytes()))
        };
        if FORMAT_FAMILIES.iter().any(begins) || FORMATS.iter().any(|name| name.eq_ignore_ascii_case(format)) {
            return Ok(());
        }
        Err(Failure::new(73, "UNKNOWN_FORMAT", "Unknown format, or one that analysts do not have."))
    }

    /// Puts a fresh session under the limits, and returns the engine's databases, which it cannot see any more.
    /// `whole`: the answer is made at once, in the engine's memory.
    pub(crate) fn confine(
        &self,
        connection: &mut Connection,
        database: Option<&str>,
        settings: &[(String, String)],
        whole: bool,
    ) -> Result<Vec<String>, Failure> {
        let own = reader().database;
        if database.is_some_and(|name| name != own && name != "default") {
            return Err(refused(&format!("analysts have the database {own} and no other")));
        }
        // Above the caller's settings, and the last word: once `readonly` is set, nothing in this session can be.
        let mut lines: Vec<(String, String)> = [
            ("max_execution_time", self.seconds),
            ("max_memory_usage", self.memory_bytes),
            ("max_threads", 1),
            ("max_result_rows", MAX_ANSWER_ROWS),
            ("max_result_bytes", if whole { MAX_WHOLE_ANSWER_BYTES } else { MAX_ANSWER_BYTES }),
            ("max_rows_to_read", 2_000_000_000),
            ("max_bytes_to_read", 64 << 30),
            ("max_query_size", MAX_QUERY_BYTES as u64 + 64),
            ("max_ast_elements", 20_000),
            ("max_expanded_ast_elements", 50_000),
            ("max_parser_depth", 300),
            ("max_subquery_depth", 20),
            ("max_columns_to_read", 1000),
            ("function_range_max_elements_in_block", 1_000_000),
            ("max_bytes_before_external_group_by", 0),
            ("max_bytes_before_external_sort", 0),
            ("implicit_select", 0),
            ("allow_ddl", 0),
            ("allow_introspection_functions", 0),
            ("timeout_before_checking_execution_speed", 0),
            ("priority", 10),
        ]
        .map(|(name, value)| (name.to_owned(), value.to_string()))
        .to_vec();
        for (name, value) in settings {
            if let Some(limit) = lines.iter_mut().find(|(limit, _)| limit == name && limit.starts_with("max_")) {
                // Lower is fine; more, and 0 for no limit, is quietly not given.
                if let Ok(wished @ 1..) = value.parse::<u64>()
                    && limit.1.parse().is_ok_and(|most: u64| wished < most)
                {
                    limit.1 = wished.to_string();
                }
            } else if SETTINGS.contains(&name.as_str()) || is_output_format(name) {
                lines.push((name.clone(), value.clone()));
            } else if !IGNORED.contains(&name.as_str()) && !name.starts_with("input_format_") {
                return Err(Failure::new(
                    164,
                    "READONLY",
                    &format!(
                        "Cannot modify '{name}' setting in readonly mode: analysts may shape answers and lower limits."
                    ),
                ));
            }
        }
        lines.push(("readonly".to_owned(), "1".to_owned()));
        // Of other databases, should there ever be any, not even the names are listed.
        let filters: Vec<String> = [("tables", "database"), ("columns", "database"), ("databases", "name")]
            .map(|(table, column)| format!("'system.{table}': '{column} = \\'{own}\\''"))
            .to_vec();
        lines.push(("additional_table_filters".to_owned(), format!("{{{}}}", filters.join(", "))));
        let assignments: Vec<String> =
            lines.iter().map(|(name, value)| format!("{name} = {}", literal(value))).collect();
        let databases = databases(connection)?;
        connection.query(format!("USE `{own}`").as_bytes(), "Null", &[])?;
        connection.query(format!("SET {}", assignments.join(", ")).as_bytes(), "Null", &[])?;
        Ok(databases)
    }

    /// The text to run in a confined session, or why there is none.
    pub(crate) fn admit(
        &self,
        connection: &mut Connection,
        sql: &[u8],
        parameters: &[(String, String)],
        databases: &[String],
    ) -> Result<Vec<u8>, Failure> {
        if sql.len() > MAX_QUERY_BYTES {
            return Err(Failure::too_large(&format!("A statement of an analyst may have {MAX_QUERY_BYTES} bytes.")));
        }
        if acts_while_explained(sql) {
            return Err(refused(
                "INTO OUTFILE and PARALLEL WITH are not available, not even as words in a string: send the value as a parameter",
            ));
        }
        let sql = without_format(sql)?;
        let found = connection.classify(&sql);
        if found.statements > 1 {
            return Err(Failure::syntax("Multi-statements are not allowed: send statements one by one."));
        }
        if let Some(statement) = metadata(&sql) {
            return statement.map(String::into_bytes).map_err(|sentence| refused(&sentence));
        }
        if found.statements == 1 && found.class != StatementClass::ReadOnly {
            return Err(read_only());
        }
        if !begins_like_a_query(&sql) {
            return Err(if found.statements == 1 { read_only() } else { self.syntax_error(connection, &sql) });
        }
        let dump = self.dump(connection, &sql, parameters)?;
        ast::check(&dump, |name| self.permits(name), databases).map_err(|sentence| refused(&sentence))?;
        Ok(sql)
    }

    /// The engine's parse. On a line of its own, so that the column of a syntax error is the analyst's.
    fn dump(
        &self,
        connection: &mut Connection,
        sql: &[u8],
        parameters: &[(String, String)],
    ) -> Result<String, Failure> {
        let explain = [b"EXPLAIN AST\n".as_slice(), sql].concat();
        let answer = connection.query(&explain, "TabSeparatedRaw", parameters)?;
        Ok(String::from_utf8_lossy(answer.bytes()).into_owned())
    }

    fn syntax_error(&self, connection: &mut Connection, sql: &[u8]) -> Failure {
        match self.dump(connection, sql, &[]) {
            Err(failure) => failure,
            Ok(_) => read_only(),
        }
    }

    fn permits(&self, name: &str) -> bool {
        let mut name = name;
        loop {
            if self.functions.contains(name) || self.any_case.contains(&name.to_ascii_lowercase()) {
                return true;
            }
            match COMBINATORS.iter().find_map(|suffix| name.strip_suffix(suffix)) {
                Some(shorter) if !shorter.is_empty() => name = shorter,
                _ => return false,
            }
        }
    }
}

fn is_output_format(name: &str) -> bool {
    // `output_format_schema` names a file to write.
    name.starts_with("output_format_") && !name.contains("schema")
}

/// Clauses that the engine executes while it explains a statement, and that its classification does not always see.
/// They are searched for in the bytes, since a keyword cannot be written in quotes.
pub(crate) fn acts_while_explained(sql: &[u8]) -> bool {
    let text = String::from_utf8_lossy(sql).to_ascii_lowercase();
    text.contains("outfile") || text.split_once("parallel").is_some_and(|(_, after)| after.contains("with"))
}

/// A `SHOW` or `EXISTS`, rewritten; `None` for any other statement.
fn metadata(sql: &[u8]) -> Option<Result<String, String>> {
    let is_metadata = ["SHOW", "EXISTS"].iter().any(|word| begins_with(sql, word));
    is_metadata.then(|| show_statements::rewrite(&words(sql).unwrap_or_default()))
}

fn begins_like_a_query(sql: &[u8]) -> bool {
    crate::statement::begins_with_bracket(sql)
        || ["SELECT", "WITH", "FROM", "EXPLAIN", "DESCRIBE", "DESC"].iter().any(|word| begins_with(sql, word))
}

fn begins_with(sql: &[u8], word: &str) -> bool {
    crate::statement::first_word(sql).is_some_and(|first| first.eq_ignore_ascii_case(word.as_bytes()))
}

/// The text without its `FORMAT` clause, which would also apply to `EXPLAIN`. The format itself is already known.
fn without_format(sql: &[u8]) -> Result<Vec<u8>, Failure> {
    let Some(clause) = format_clause(sql) else { return Ok(sql.to_vec()) };
    if has_word(&sql[clause.end..], "SETTINGS") {
        return Err(refused("settings are taken from the URL, not from a SETTINGS clause"));
    }
    Ok(sql[..clause.start].to_vec())
}

/// An identifier that begins with one of them may be a table.
fn databases(connection: &mut Connection) -> Result<Vec<String>, Failure> {
    let answer = connection.query(b"SELECT name FROM system.databases", "TabSeparatedRaw", &[])?;
    Ok(String::from_utf8_lossy(answer.bytes()).lines().map(str::to_owned).collect())
}

/// Refuses rows to insert.
pub(crate) fn read_only() -> Failure {
    Failure::new(
        164,
        "READONLY",
        &format!("Cannot execute query in readonly mode: analysts read {} and change nothing.", database()),
    )
}

fn refused(sentence: &str) -> Failure {
    Failure::new(497, "ACCESS_DENIED", &format!("Not enough privileges: {sentence}."))
}

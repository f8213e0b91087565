//! What analysts may name: functions, settings and formats, as lists of what is allowed, and which rows of system tables
//! they see. [`crate::analyst`] applies them, [`crate::ast`] has the list of tables.

use crate::failure::Failure;
use crate::request::literal;

/// Functions by the engine's own sorting. What reads files, tables by name, dictionaries, settings of the server or the
/// machine is in other ones.
pub(crate) const CATEGORIES: &str = "'Aggregate Functions','Arithmetic','Arrays','Bit','Bitmap','Comparison','Conditional',\
    'Dates and Times','Distance','Encoding','Hash','JSON','Logical','Map','Mathematical','Null','Random Number','Rounding',\
    'String','String Replacement','String Search','String Splitting','Time Window','Tuple','Type Conversion','URL','UUID'";
/// Functions of the sorting's rest, and those that it does not list.
pub(crate) const NAMED: &str = "'bar','countDigits','currentDatabase','currentUser','displayName','formatReadableDecimalSize',\
    'formatReadableQuantity','formatReadableSize','formatReadableTimeDelta','geoDistance','geohashDecode','geohashEncode',\
    'getSetting','greatCircleAngle','greatCircleDistance','identity','ignore','isConstant','materialize',\
    'minSampleSizeContinuous','minSampleSizeConversion','seriesDecomposeSTL','seriesOutliersDetectTukey',\
    'revision','rowNumberInAllBlocks','rowNumberInBlock','toColumnTypeName','toTypeName','transform','uptime','version','visibleWidth'";
/// What does not belong: names of files, formats or other functions inside, work that no deadline interrupts, answers
/// whose size the engine does not count while it makes them, the machine.
pub(crate) const NOT: &str = "'aggThrow','flameGraph','chdb','formatRow','formatRowNoNewline','serverTimezone','arrayFold',\
    'arrayLevenshteinDistance','arrayLevenshteinDistanceWeighted','arraySimilarity','editDistance','editDistanceUTF8',\
    'damerauLevenshteinDistance','jaroSimilarity','jaroWinklerSimilarity','stringJaccardIndex','stringJaccardIndexUTF8',\
    'arrayShingles','sparseGrams','sparseGramsUTF8','sparseGramsHashes','sparseGramsHashesUTF8','factorial','isProbablePrime',\
    'arrayReduce','arrayReduceInRanges','groupFormat','MVTEncode','printf','URLHierarchy','URLPathHierarchy','randomString',\
    'randomStringUTF8','randomFixedString','randomPrintableASCII','fuzzBits','naiveBayesNgrams','estimateCompressionRatio',\
    'randomHadamardTransform','cutURLParameter'";
/// What the parser makes of syntax and the engine does not list as functions.
pub(crate) const SYNTAX: [&str; 7] = ["lambda", "exists", "untuple", "grouping", "columns", "interval", "_CAST"];
/// Suffixes that make another aggregate function of one.
pub(crate) const COMBINATORS: [&str; 14] = [
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
const FORMATS: [&str; 14] = [
    "Arrow",
    "ArrowStream",
    "BSONEachRow",
    "Markdown",
    "MsgPack",
    "Native",
    "Null",
    "ODBCDriver2",
    "ORC",
    "Parquet",
    "SQLInsert",
    "Values",
    "Vertical",
    "XML",
];
/// Settings that clients send by habit, and that change nothing here.
const IGNORED: [&str; 32] = [
    "allow_experimental_analyzer",
    "allow_nondeterministic_mutations",
    "alter_sync",
    "async_insert",
    "cast_string_to_dynamic_use_inference",
    "connect_timeout",
    "database_replicated_enforce_synchronous_settings",
    "date_time_input_format",
    "http_connection_timeout",
    "http_receive_timeout",
    "http_send_timeout",
    "idle_connection_timeout",
    "insert_distributed_sync",
    "insert_quorum",
    "keep_alive_timeout",
    "lightweight_deletes_sync",
    "load_balancing",
    "log_profile_events",
    "log_queries",
    "log_query_threads",
    "max_block_size",
    "mutations_sync",
    "network_compression_method",
    "network_zstd_compression_level",
    "readonly",
    "receive_timeout",
    "select_sequential_consistency",
    "send_logs_level",
    "send_timeout",
    "use_query_cache",
    "use_uncompressed_cache",
    "wait_for_async_insert",
];

/// What `system.completions` lists for everybody: words of the language.
const COMPLETED: [&str; 8] = [
    "aggregate function combinator pair",
    "data type",
    "format",
    "function",
    "keyword",
    "setting",
    "table engine",
    "table function",
];

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

/// How far a session of an analyst is locked.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Lock {
    /// No setting can be changed.
    Settings,
    /// The same tables and limits, but the engine calls its settings changeable: for a statement that was checked, and reads
    /// `system.settings` only. Drivers send a setting only if that table says so.
    Writing,
}

impl Lock {
    /// For `readonly`.
    pub(crate) fn value(self) -> &'static str {
        match self {
            Self::Settings => "1",
            Self::Writing => "2",
        }
    }
}

/// Rows of system tables that analysts do not see. Of other databases, should there ever be any, not even the names are
/// listed. Of settings, where they are called changeable, those are listed that may be sent: `limits`, and what
/// [`crate::analyst`] takes; Metabase reads `cloud_mode`.
pub(crate) fn table_filters(own: &str, limits: &[String], lock: Lock) -> Vec<(String, String)> {
    let list = |names: &[&str]| names.iter().map(|name| literal(name)).collect::<Vec<_>>().join(", ");
    let limits: Vec<&str> = limits.iter().map(String::as_str).collect();
    let mut filters = vec![
        ("tables", format!("database = '{own}'")),
        ("columns", format!("database = '{own}'")),
        ("databases", format!("name = '{own}'")),
        ("completions", format!("context IN ({}) OR (context, belongs) = ('table', '{own}')", list(&COMPLETED))),
    ];
    if lock == Lock::Writing {
        let sent = list(&[SETTINGS.as_slice(), &IGNORED, &limits].concat());
        filters.push((
            "settings",
            format!("name IN ({sent}, 'cloud_mode') OR startsWith(name, 'input_format_') OR startsWith(name, 'output_format_')"),
        ));
    }
    filters.into_iter().map(|(table, filter)| (format!("system.{table}"), filter)).collect()
}

/// Filters as `additional_table_filters` takes them.
pub(crate) fn filter_map(filters: &[(String, String)]) -> String {
    let filters: Vec<String> =
        filters.iter().map(|(table, filter)| format!("{}: {}", literal(table), literal(filter))).collect();
    format!("{{{}}}", filters.join(", "))
}

pub(crate) fn shapes_answers(name: &str) -> bool {
    // `output_format_schema` names a file to write.
    SETTINGS.contains(&name) || (name.starts_with("output_format_") && !name.contains("schema"))
}

pub(crate) fn is_ignored(name: &str) -> bool {
    IGNORED.contains(&name) || name.starts_with("input_format_")
}

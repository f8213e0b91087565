//! What an analyst may run: one statement that reads `tamga_stats`, within limits that neither statement nor URL can
//! lift. Break-glass on the vault is under the same rules, with the database `tamga_vault` ([`crate::reader`]).
//!
//! The checks in order: The format only formats. The database must be `tamga_stats`. Settings come from an allow-list, the
//! limits override them, and `readonly` locks both. The engine must classify the text as one statement that reads. [`ast`] or [`show_statements`]
//! must know everything in it; the lists are in [`crate::permitted`]. The text that runs is the text that was checked. [`crate::sandbox`] is the second
//! barrier, if the engine has a way around these checks.
//!
//! An account of some sites reads the rows of those alone: every table is filtered by them, before the session is locked.
//!
//! Not promised: such an account may learn how many rows a table has in all. One analyst can use all permits of analysts. Each statement ends at its deadline, or the process does
//! ([`crate::watchdog`]), and the service has its own permits.

use std::collections::HashSet;

use anyhow::anyhow;

use crate::ast;
use crate::failure::Failure;
use crate::ffi::{Connection, StatementClass};
use crate::permitted::{
    CATEGORIES, COMBINATORS, Lock, NAMED, NOT, SYNTAX, filter_map, is_ignored, shapes_answers, table_filters,
};
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

/// What a session is made for.
#[derive(Clone, Copy)]
pub(crate) struct Session<'request> {
    pub(crate) database: Option<&'request str>,
    pub(crate) settings: &'request [(String, String)],
    /// The sites whose rows are read. `None`: those of all.
    pub(crate) sites: Option<&'request [String]>,
    /// The answer is made at once, in the engine's memory.
    pub(crate) whole: bool,
    pub(crate) lock: Lock,
}

/// A statement that may run.
pub(crate) struct Admitted {
    pub(crate) sql: Vec<u8>,
    /// The session that it needs.
    pub(crate) lock: Lock,
}

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

    /// Puts a fresh session under the limits, and returns the engine's databases, which it cannot see any more.
    pub(crate) fn confine(&self, connection: &mut Connection, session: &Session<'_>) -> Result<Vec<String>, Failure> {
        let Session { database, settings, sites, whole, lock } = *session;
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
            } else if shapes_answers(name) {
                lines.push((name.clone(), value.clone()));
            } else if !is_ignored(name) {
                return Err(Failure::new(
                    164,
                    "READONLY",
                    &format!(
                        "Cannot modify '{name}' setting in readonly mode: analysts may shape answers and lower limits."
                    ),
                ));
            }
        }
        let sent: Vec<String> =
            lines.iter().map(|(name, _)| name.clone()).filter(|name| name.starts_with("max_")).collect();
        lines.push(("readonly".to_owned(), lock.value().to_owned()));
        let mut filters = table_filters(own, &sent, lock);
        if let Some(sites) = sites {
            filters.extend(site_filters(connection, own, sites)?);
        }
        lines.push(("additional_table_filters".to_owned(), filter_map(&filters)));
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
    ) -> Result<Admitted, Failure> {
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
            let sql = statement.map_err(|sentence| refused(&sentence))?.into_bytes();
            return Ok(Admitted { sql, lock: Lock::Settings });
        }
        if found.statements == 1 && found.class != StatementClass::ReadOnly {
            return Err(read_only());
        }
        if !begins_like_a_query(&sql) {
            return Err(if found.statements == 1 { read_only() } else { self.syntax_error(connection, &sql) });
        }
        let dump = self.dump(connection, &sql, parameters)?;
        let tables = ast::check(&dump, |name| self.permits(name), databases).map_err(|sentence| refused(&sentence))?;
        let only_settings = !tables.is_empty() && tables.iter().all(|table| *table == "system.settings");
        Ok(Admitted { sql, lock: if only_settings { Lock::Writing } else { Lock::Settings } })
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

/// For each table of the database: the rows of these sites, or none if it has no column for the site. The engine applies
/// them wherever the table is read, and the session cannot change them.
fn site_filters(connection: &mut Connection, own: &str, sites: &[String]) -> Result<Vec<(String, String)>, Failure> {
    let sql = format!(
        "SELECT name, name IN (SELECT table FROM system.columns WHERE database = '{own}' AND name = 'site') \
         FROM system.tables WHERE database = '{own}'"
    );
    let answer = connection.query(sql.as_bytes(), "TabSeparatedRaw", &[])?;
    // No site has an empty name, so that an account without sites reads nothing.
    let listed: Vec<String> = [""].into_iter().chain(sites.iter().map(String::as_str)).map(literal).collect();
    let of_site = format!("site IN ({})", listed.join(", "));
    let filter = |line: &str| {
        let (table, has_site) = line.split_once('\t')?;
        Some((format!("{own}.{table}"), if has_site == "1" { of_site.clone() } else { "0".to_owned() }))
    };
    String::from_utf8_lossy(answer.bytes())
        .lines()
        .map(|line| filter(line).ok_or_else(|| Failure::new(49, "LOGICAL_ERROR", "A table has an unusual name.")))
        .collect()
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

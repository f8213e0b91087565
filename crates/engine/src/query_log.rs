//! The query log: which account read which tables and functions, and when. The table `tamga_engine.query_log` has those
//! columns of a ClickHouse server's `system.query_log` that the collector's checks of the wall read.
//!
//! It has the statements of the service and of analysts, also refused ones, but no inserted rows. Its own thread parses
//! them, so that no statement waits. Literals are replaced before anything is written, because they can contain what a
//! visitor's browser sent. When statements arrive faster than they are written, some are left out, and the process's
//! log has their number. An engine whose user may not create a database has no query log, and its log says so.

use std::collections::{HashMap, HashSet};
use std::ffi::CString;
use std::hash::{BuildHasher as _, RandomState};
use std::sync::mpsc::{Receiver, RecvTimeoutError, SyncSender, TrySendError, sync_channel};
use std::sync::{Mutex, PoisonError};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use serde_json::json;

use crate::analyst::acts_while_explained;
use crate::ffi::{Connection, Library};
use crate::reader::reader;
use crate::statement::{format_clause, has_word};

/// Statements that may wait to be written.
const WAITING_MAX: usize = 256;
/// The longest text that is parsed. Of a longer one only the length is written.
const TEXT_MAX: usize = 64 << 10;
/// Longer runs of digits and commas are lists.
const LIST_MAX: usize = 100;
/// Statements of which is kept what was found in them.
const FOUND_MAX: usize = 512;
/// The time for which lines are collected before they are written.
const GATHER: Duration = Duration::from_secs(2);

const TABLE: &str = "CREATE TABLE IF NOT EXISTS tamga_engine.query_log
(
    event_date Date DEFAULT toDate(now()),
    event_time DateTime DEFAULT now(),
    type LowCardinality(String),
    user LowCardinality(String),
    query String,
    databases Array(LowCardinality(String)),
    tables Array(LowCardinality(String)),
    used_functions Array(LowCardinality(String)),
    used_table_functions Array(LowCardinality(String)),
    used_dictionaries Array(LowCardinality(String)),
    missing_privileges Array(LowCardinality(String)),
    exception_code Int32,
    Settings Map(LowCardinality(String), String)
)
ENGINE = MergeTree
ORDER BY event_time
TTL event_date + toIntervalDay(9)
SETTINGS fsync_after_insert = 0, fsync_part_directory = 0
COMMENT 'Who asked what: statements without their literals'";

/// One statement that a client sent.
pub(crate) struct Asked {
    pub(crate) user: String,
    pub(crate) sql: Vec<u8>,
    pub(crate) database: Option<String>,
    pub(crate) parameters: Vec<(String, String)>,
    /// 0 if the statement was run.
    pub(crate) code: i32,
}

/// The log. Ends with [`QueryLog::close`].
pub(crate) struct QueryLog(Mutex<Option<(SyncSender<Asked>, JoinHandle<()>)>>);

impl QueryLog {
    /// Creates the table and starts the thread. Without a table the log stays empty.
    pub(crate) fn open(library: Library, arguments: Vec<CString>) -> Self {
        let made = library.connect(&arguments).is_some_and(|mut connection| {
            let create = |connection: &mut Connection, sql: &str| connection.query(sql.as_bytes(), "Null", &[]).is_ok();
            create(&mut connection, "CREATE DATABASE IF NOT EXISTS tamga_engine") && create(&mut connection, TABLE)
        });
        if !made {
            tracing::warn!("there is no query log: its table could not be made");
            return Self(Mutex::new(None));
        }
        let (sender, receiver) = sync_channel(WAITING_MAX);
        let writing = std::thread::Builder::new()
            .name("query_log".to_owned())
            .spawn(move || write_all(&receiver, library, &arguments));
        Self(Mutex::new(writing.ok().map(|thread| (sender, thread))))
    }

    /// Records a statement. Never waits.
    pub(crate) fn note(&self, asked: Asked) {
        let sender = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some((sender, _)) = &*sender
            && matches!(sender.try_send(asked), Err(TrySendError::Full(_)))
        {
            tracing::warn!("more is asked than the query log can take: a statement is not in it");
        }
    }

    /// Writes the waiting statements, and ends the thread.
    pub(crate) fn close(&self) {
        let writing = self.0.lock().unwrap_or_else(PoisonError::into_inner).take();
        if let Some((sender, thread)) = writing {
            drop(sender);
            let _ = thread.join();
        }
    }
}

fn write_all(receiver: &Receiver<Asked>, library: Library, arguments: &[CString]) {
    let mut reading = Reading::default();
    while let Ok(first) = receiver.recv() {
        let (mut batch, mut is_over) = (vec![first], false);
        let until = Instant::now() + GATHER;
        while batch.len() < WAITING_MAX {
            match receiver.recv_timeout(until.saturating_duration_since(Instant::now())) {
                Ok(asked) => batch.push(asked),
                Err(RecvTimeoutError::Timeout) => break,
                Err(RecvTimeoutError::Disconnected) => {
                    is_over = true;
                    break;
                }
            }
        }
        let Some(mut connection) = library.connect(arguments) else { continue };
        reading.begin(&mut connection);
        let lines: String = batch.iter().map(|asked| reading.line(&mut connection, asked)).collect();
        let columns = "type, user, query, databases, tables, used_functions, used_table_functions, missing_privileges, \
                       exception_code, Settings";
        let sql = format!("INSERT INTO tamga_engine.query_log ({columns})");
        let written = connection.insert(sql.as_bytes(), "JSONEachRow", &[]).and_then(|mut stream| {
            stream.append(lines.as_bytes())?;
            stream.finish()
        });
        if written.is_err() {
            tracing::warn!("the query log could not be written");
        }
        if is_over {
            return;
        }
    }
}

fn names(connection: &mut Connection) -> HashSet<String> {
    let answer = connection.query(b"SELECT name FROM system.databases", "TabSeparated", &[]);
    answer
        .map(|answer| String::from_utf8_lossy(answer.bytes()).lines().map(str::to_owned).collect())
        .unwrap_or_default()
}

/// Reads statements. Most are asked again and again, so what was found in one is kept, by a hash of its text.
#[derive(Default)]
struct Reading {
    databases: HashSet<String>,
    found: HashMap<u64, (String, Named)>,
    hashes: RandomState,
}

impl Reading {
    /// What is kept depends on which databases there are.
    fn begin(&mut self, connection: &mut Connection) {
        let databases = names(connection);
        if databases != self.databases || self.found.len() > FOUND_MAX {
            self.found.clear();
        }
        self.databases = databases;
    }

    /// A line of the log, as JSON.
    fn line(&mut self, connection: &mut Connection, asked: &Asked) -> String {
        let sql = without_lists(&asked.sql);
        // A FORMAT clause would also change the format of the explanation.
        let end = format_clause(&sql).map_or(sql.len(), |clause| clause.start);
        let sql = if sql.len() > TEXT_MAX { &[][..] } else { &sql[..end] };
        // A parameter may be a name.
        let parameters = if has_word(sql, "Identifier") { &asked.parameters[..] } else { &[] };
        let key = self.hashes.hash_one((sql, &asked.database, asked.code != 0, parameters));
        let (query, found) =
            self.found.entry(key).or_insert_with(|| read(connection, &self.databases, sql, asked)).clone();
        let is_denied = asked.code == 497;
        let own = [reader().database, "system", "default"];
        let foreign = |table: &&String| !own.contains(&table.split('.').next().unwrap_or_default());
        let missing: Vec<_> = found.tables.iter().filter(|table| is_denied && foreign(table)).collect();
        let line = json!({
            "type": if asked.code == 0 { "QueryFinish" } else { "ExceptionWhileProcessing" },
            "user": asked.user,
            "query": query,
            "databases": found.databases,
            "tables": found.tables,
            "used_functions": found.functions,
            "used_table_functions": found.table_functions,
            "missing_privileges": missing.iter().map(|table| format!("SELECT ON {table}")).collect::<Vec<_>>(),
            "exception_code": asked.code,
            "Settings": { "tamga_query_bytes": asked.sql.len().to_string() },
        });
        format!("{line}\n")
    }
}

/// A statement without its literals, and what it names.
fn read(connection: &mut Connection, databases: &HashSet<String>, sql: &[u8], asked: &Asked) -> (String, Named) {
    let text = String::from_utf8_lossy(sql).into_owned();
    // EXPLAIN executes some clauses. So a refused statement is not given to the engine again.
    let found = if asked.code != 0 || acts_while_explained(&asked.sql) {
        Named::in_text(&text, databases)
    } else {
        let explain = [b"EXPLAIN AST\n".as_slice(), sql].concat();
        let dump = connection.query(&explain, "TabSeparatedRaw", &asked.parameters);
        let dump = dump.map(|answer| String::from_utf8_lossy(answer.bytes()).into_owned()).unwrap_or_default();
        Named::in_parse(&dump, asked.database.as_deref().unwrap_or("default"), databases)
    };
    let text = [("text".to_owned(), escaped(&text))];
    let query = connection.query(b"SELECT normalizeQuery({text:String})", "TabSeparatedRaw", &text);
    (query.map(|answer| String::from_utf8_lossy(answer.bytes()).trim().to_owned()).unwrap_or_default(), found)
}

/// A statement whose long lists of numbers are one number each. They name nothing, and are most of a long statement.
fn without_lists(sql: &[u8]) -> Vec<u8> {
    let is_of_list = |byte: &u8| byte.is_ascii_digit() || *byte == b',';
    let pieces = sql.chunk_by(|one, other| is_of_list(one) == is_of_list(other));
    pieces
        .flat_map(|piece| if is_of_list(&piece[0]) && piece.len() > LIST_MAX { &b"0"[..] } else { piece })
        .copied()
        .collect()
}

/// A text as the engine reads the value of a parameter.
fn escaped(text: &str) -> String {
    text.replace('\\', "\\\\").replace('\n', "\\n").replace('\t', "\\t")
}

/// The names in a parsed statement.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
struct Named {
    databases: Vec<String>,
    tables: Vec<String>,
    functions: Vec<String>,
    table_functions: Vec<String>,
}

impl Named {
    /// Reads the engine's dump of a parse. A name without a database is a name of the current database.
    fn in_parse(dump: &str, default: &str, databases: &HashSet<String>) -> Self {
        let mut named = Self::default();
        let mut of_table = false;
        for line in dump.lines().map(|line| line.trim_start_matches(' ')) {
            let mut words = line.split(' ');
            let (kind, name) = (words.next().unwrap_or_default(), words.next().unwrap_or_default());
            match kind {
                "TableIdentifier" if name.contains('.') => named.table(name),
                "TableIdentifier" => named.table(&format!("{default}.{name}")),
                // `x IN other.table` is parsed as a name like any other.
                "Identifier" if name.split_once('.').is_some_and(|(first, _)| databases.contains(first)) => {
                    named.table(name)
                }
                "Function" if of_table => push(&mut named.table_functions, name),
                "Function" => push(&mut named.functions, name),
                // Statements that change something: `CreateQuery tamga_stats pages (children 3)`.
                kind if kind.ends_with("Query") && databases.contains(name) => match words.next() {
                    Some(table) if !table.starts_with('(') && !table.is_empty() => {
                        named.table(&format!("{name}.{table}"))
                    }
                    _ => push(&mut named.databases, name),
                },
                _ => (),
            }
            of_table = kind == "TableExpression";
        }
        named
    }

    /// Finds `database.table` in a text that was not parsed. Strings, comments, quotes and blanks are removed first.
    fn in_text(text: &str, databases: &HashSet<String>) -> Self {
        let mut named = Self::default();
        let bare: String = text.split('\'').step_by(2).collect::<Vec<_>>().join(" ");
        let mut plain = String::new();
        for (at, piece) in bare.split("/*").enumerate() {
            plain += if at == 0 { piece } else { piece.split_once("*/").map_or("", |(_, rest)| rest) };
        }
        let joined = plain.replace(['`', '"'], "").split_whitespace().collect::<Vec<_>>().join(" ");
        let joined = joined.replace(" .", ".").replace(". ", ".");
        for word in joined.split(|c: char| !(c.is_alphanumeric() || c == '_' || c == '.')) {
            if word.split_once('.').is_some_and(|(first, rest)| databases.contains(first) && !rest.is_empty()) {
                named.table(word);
            }
        }
        named
    }

    fn table(&mut self, name: &str) {
        push(&mut self.tables, name);
        if let Some((database, _)) = name.split_once('.') {
            push(&mut self.databases, database);
        }
    }
}

fn push(list: &mut Vec<String>, name: &str) {
    if !list.iter().any(|known| known == name) && list.len() < 100 {
        list.push(name.to_owned());
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn long_lists_of_numbers_are_left_out() {
        let list = "12,".repeat(60);
        let sql = format!("SELECT 1,2 FROM a.b WHERE x IN [{list}3] AND y = 4294967295");
        assert_eq!(without_lists(sql.as_bytes()), b"SELECT 1,2 FROM a.b WHERE x IN [0] AND y = 4294967295");
    }

    #[test]
    fn what_a_parse_names_is_found_wherever_it_stands() {
        let dump = "SelectWithUnionQuery (children 1)\n TableExpression (children 1)\n  TableIdentifier events (alias e)\n \
                    TableExpression (children 1)\n  Function url (children 1)\n  Function in (children 1)\n    Identifier pay.log\n    \
                    Identifier e.visitor\nCreateQuery pay copy (children 2)\n";
        let databases = ["pay", "tamga_vault"].map(str::to_owned).into();
        let named = Named::in_parse(dump, "tamga_vault", &databases);
        assert_eq!(named.tables, ["tamga_vault.events", "pay.log", "pay.copy"]);
        assert_eq!(named.databases, ["tamga_vault", "pay"]);
        assert_eq!((named.table_functions, named.functions), (vec!["url".to_owned()], vec!["in".to_owned()]));
        for text in [
            "SELECT * FROM pay.log",
            "SELECT 'tamga_vault.x' FROM `pay` . \"log\"",
            "SELECT 1 IN pay/* x.y */.log, a.b",
        ] {
            assert_eq!(Named::in_text(text, &databases).tables, ["pay.log"], "{text}");
        }
    }
}

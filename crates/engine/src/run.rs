//! Runs one request on the engine, in a blocking thread.
//!
//! Each request has its own connection. It costs 0.1 ms, and its settings and current database end with it. Answers
//! pass through a short queue, so that a slow reader slows the engine down and does not fill memory. Rows to insert
//! arrive through such a queue too. An insert is finished only after [`InsertChunk::End`]. If the sender is dropped
//! before, it is cancelled.

use std::time::{Duration, Instant};

use bytes::Bytes;
use tokio::runtime::Handle;
use tokio::sync::{mpsc, oneshot};
use tokio::time::timeout;

use crate::analyst::{self, Admitted, Session};
use crate::authenticator::{Caller, Role};
use crate::engine::Engine;
use crate::failure::Failure;
use crate::ffi::{Answer, Connection, Progress, QueryStream, StatementClass};
use crate::native_block;
use crate::native_revision;
use crate::output::{self, Plan, Repeats};
use crate::permitted::{Lock, admit_format};
use crate::query_log::Asked;
use crate::request::Request;
use crate::statement::has_word;

/// The time that a client may leave an answer unread before its query is cancelled.
const SEND_DEADLINE: Duration = Duration::from_secs(60);

/// The engine queues 16 appends of an insert: with this size, 4 MiB.
const APPEND_BYTES: usize = 256 << 10;

/// The memory of an answer in a format that the engine must produce at once.
const WHOLE_ANSWER_BYTES: usize = 16 << 20;

/// One request to run.
pub(crate) struct Job {
    pub(crate) settings: Vec<(String, String)>,
    pub(crate) parameters: Vec<(String, String)>,
    pub(crate) database: Option<String>,
    /// The format of an answer whose statement names none.
    pub(crate) default_format: String,
    pub(crate) compress: bool,
    /// The revision of the protocol in which the client reads the Native format.
    pub(crate) revision: u64,
    pub(crate) reads_only: bool,
    pub(crate) caller: Caller,
    pub(crate) work: Work,
}

/// The two kinds of statement.
pub(crate) enum Work {
    /// An `INSERT` with its rows.
    Insert { sql: Vec<u8>, format: String, rows: mpsc::Receiver<InsertChunk> },
    /// Everything else, with the format that it names.
    Statement { sql: Vec<u8>, format: Option<String> },
}

/// A chunk of the rows to insert.
pub(crate) enum InsertChunk {
    Rows(Bytes),
    /// All rows were sent, and the insert can finish.
    End,
}

/// A chunk of an answer's body.
pub(crate) enum BodyChunk {
    Data(Bytes),
    /// The answer is complete. If the channel closes without it, the thread failed.
    End,
    Failed(Failure),
}

/// What is known when an answer begins.
pub(crate) struct Head {
    pub(crate) format: String,
    pub(crate) progress: Progress,
    pub(crate) elapsed: Duration,
}

/// Sends the answer: first the head (or a failure), then the chunks of the body.
pub(crate) struct ResponseWriter {
    head: Option<oneshot::Sender<Result<Head, Failure>>>,
    body: mpsc::Sender<BodyChunk>,
    format: String,
    compress: bool,
    revision: u64,
    started: Instant,
    /// When the client must have taken the answer, if there is such a time.
    deadline: Option<Instant>,
}

impl ResponseWriter {
    pub(crate) fn new(head: oneshot::Sender<Result<Head, Failure>>, body: mpsc::Sender<BodyChunk>, job: &Job) -> Self {
        let named = match &job.work {
            Work::Statement { format: Some(format), .. } => format,
            _ => &job.default_format,
        };
        let started = Instant::now();
        let revision = if named.eq_ignore_ascii_case("Native") { job.revision } else { 0 };
        Self {
            head: Some(head),
            body,
            format: named.clone(),
            compress: job.compress,
            revision,
            started,
            deadline: None,
        }
    }

    fn begin(&mut self, progress: Progress) {
        if let Some(head) = self.head.take() {
            let head_line = Head { format: self.format.clone(), progress, elapsed: self.started.elapsed() };
            // If the client is gone, nobody receives this, and the next `send` fails.
            let _ = head.send(Ok(head_line));
        }
    }

    fn send(&mut self, data: &[u8]) -> Result<(), Failure> {
        if data.is_empty() {
            return Ok(());
        }
        let data = if self.compress { native_block::encode(data) } else { Bytes::copy_from_slice(data) };
        self.pass_on(BodyChunk::Data(data))
    }

    fn pass_on(&self, part: BodyChunk) -> Result<(), Failure> {
        let left = self.deadline.map_or(SEND_DEADLINE, |deadline| deadline.saturating_duration_since(Instant::now()));
        match Handle::current().block_on(timeout(left.min(SEND_DEADLINE), self.body.send(part))) {
            Ok(Ok(())) => Ok(()),
            Ok(Err(_)) => Err(Failure::new(210, "NETWORK_ERROR", "The client went away.")),
            Err(_) => Err(Failure::new(209, "SOCKET_TIMEOUT", "The client stopped reading.")),
        }
    }

    fn end(mut self, outcome: Result<Progress, Failure>) {
        let elapsed_ms = u64::try_from(self.started.elapsed().as_millis()).unwrap_or(u64::MAX);
        match outcome {
            Ok(progress) => {
                tracing::debug!(
                    elapsed_ms,
                    written_rows = progress.written_rows,
                    read_rows = progress.read_rows,
                    "query done"
                );
                self.begin(progress);
                // A client that does not receive the end treats the answer as incomplete.
                let _ = self.pass_on(BodyChunk::End);
            }
            Err(failure) => {
                tracing::debug!(elapsed_ms, code = failure.code, "query failed");
                match self.head.take() {
                    Some(head) => drop(head.send(Err(failure))),
                    // The answer has begun. The failure is its last chunk, and breaks the connection.
                    None => drop(self.pass_on(BodyChunk::Failed(failure))),
                }
            }
        }
    }
}

/// Runs `job` to its end and answers through `response`.
pub(crate) fn run(engine: &Engine, job: Job, mut response: ResponseWriter) {
    let asked = asked(&job);
    // Until the answer has been passed on, too.
    let _watched = (job.caller.role == Role::Analyst).then(|| engine.watch());
    let outcome = perform(engine, job, &mut response);
    if let Some(asked) = asked {
        let code = outcome.as_ref().err().map_or(0, |failure| i32::try_from(failure.code).unwrap_or(-1));
        engine.note(Asked { code, ..asked });
    }
    response.end(outcome);
}

/// The entry for the query log. Rows to insert are not logged.
fn asked(job: &Job) -> Option<Asked> {
    let Work::Statement { sql, .. } = &job.work else { return None };
    let database = match job.caller.role {
        Role::Analyst => Some(job.database.clone().unwrap_or_else(|| crate::reader::database().to_owned())),
        Role::Service => job.database.clone(),
    };
    Some(Asked {
        user: job.caller.name.to_string(),
        sql: sql.clone(),
        database,
        parameters: job.parameters.clone(),
        code: 0,
    })
}

fn perform(engine: &Engine, job: Job, response: &mut ResponseWriter) -> Result<Progress, Failure> {
    let mut connection = engine.connect()?;
    if job.caller.role == Role::Analyst {
        return analyse(engine, &mut connection, job, response);
    }
    if let Some(set) = Request::set_statement(&job.settings) {
        connection.query(set.as_bytes(), "Null", &[])?;
    }
    if let Some(database) = &job.database {
        connection.query(Request::use_statement(database).as_bytes(), "Null", &[])?;
    }
    match job.work {
        Work::Insert { .. } if job.reads_only => Err(read_only()),
        Work::Insert { sql, format, rows } => insert(&mut connection, &sql, &format, &job.parameters, rows),
        Work::Statement { sql, .. } => {
            let found = connection.classify(&sql);
            if found.statements != 1 {
                return Err(syntax_error(&mut connection, &sql));
            }
            if job.reads_only && found.class != StatementClass::ReadOnly {
                return Err(read_only());
            }
            let plan = plan(response, &sql, &job.settings);
            if found.class == StatementClass::ReadOnly && plan == Plan::Whole {
                bound_answer(&mut connection, &job.settings)?;
            }
            if found.class == StatementClass::ReadOnly && plan != Plan::Whole {
                select(&mut connection, &sql, &job.parameters, plan, response)
            } else {
                whole(&mut connection, &sql, &job.parameters, response)
            }
        }
    }
}

/// Runs a statement of an analyst, if the rules allow it.
fn analyse(
    engine: &Engine,
    connection: &mut Connection,
    job: Job,
    response: &mut ResponseWriter,
) -> Result<Progress, Failure> {
    let (Some(analyst), Work::Statement { sql, .. }) = (engine.analyst(), &job.work) else {
        return Err(analyst::read_only());
    };
    // A client that reads slowly must not keep a permit of analysts.
    response.deadline = Some(response.started + Duration::from_secs(analyst.seconds));
    admit_format(&response.format)?;
    let plan = plan(response, sql, &job.settings);
    let session = Session {
        database: job.database.as_deref(),
        settings: &job.settings,
        sites: job.caller.sites.as_deref(),
        whole: plan == Plan::Whole,
        lock: Lock::Settings,
    };
    // The limits that the caller lowers are for the answer, and not for the parse.
    let names = analyst.confine(connection, &Session { settings: &[], ..session })?;
    let Admitted { sql, lock } = analyst.admit(connection, sql, &job.parameters, &names)?;
    if lock != Lock::Settings || !job.settings.is_empty() {
        *connection = engine.connect()?;
        analyst.confine(connection, &Session { lock, ..session })?;
    }
    match plan {
        Plan::Whole => whole(connection, &sql, &job.parameters, response),
        _ => select(connection, &sql, &job.parameters, plan, response),
    }
}

fn insert(
    connection: &mut Connection,
    sql: &[u8],
    format: &str,
    parameters: &[(String, String)],
    mut rows: mpsc::Receiver<InsertChunk>,
) -> Result<Progress, Failure> {
    let mut stream = connection.insert(sql, format, parameters)?;
    loop {
        match rows.blocking_recv() {
            Some(InsertChunk::Rows(data)) => {
                for piece in data.chunks(APPEND_BYTES) {
                    stream.append(piece)?;
                }
            }
            Some(InsertChunk::End) => return Ok(stream.finish()?),
            // Dropping the stream cancels it.
            None => {
                return Err(Failure::new(
                    210,
                    "NETWORK_ERROR",
                    "The body broke off; nothing of its last block was written.",
                ));
            }
        }
    }
}

fn select(
    connection: &mut Connection,
    sql: &[u8],
    parameters: &[(String, String)],
    plan: Plan,
    response: &mut ResponseWriter,
) -> Result<Progress, Failure> {
    let refused = match connection.stream(sql, &response.format, parameters) {
        Ok(stream) => return send_blocks(stream, plan, response),
        Err(refused) => refused,
    };
    // SHOW, DESCRIBE, EXPLAIN … also read, but the engine streams only SELECT. Nothing has run yet.
    if refused.0.contains("Streaming query is not supported for query") {
        return whole(connection, sql, parameters, response);
    }
    Err(refused.into())
}

fn send_blocks(mut stream: QueryStream<'_>, plan: Plan, response: &mut ResponseWriter) -> Result<Progress, Failure> {
    let mut repeats = match plan {
        Plan::Header(shape) => Some(Repeats::new(shape)),
        Plan::Plain | Plan::Whole => None,
    };
    let mut progress = Progress::default();
    while let Some(block) = stream.next()? {
        progress.add(block.progress());
        let bytes = block.bytes();
        let bytes = repeats.as_mut().map_or(Ok(bytes), |repeats| repeats.strip(bytes))?;
        let bytes = native_revision::convert(bytes, response.revision)?;
        response.begin(progress);
        response.send(&bytes)?;
    }
    Ok(progress)
}

fn whole(
    connection: &mut Connection,
    sql: &[u8],
    parameters: &[(String, String)],
    response: &mut ResponseWriter,
) -> Result<Progress, Failure> {
    let answer: Answer = connection.query(sql, &response.format, parameters)?;
    let bytes = native_revision::convert(answer.bytes(), response.revision)?;
    response.begin(answer.progress());
    for piece in bytes.chunks(1 << 20) {
        response.send(piece)?;
    }
    Ok(answer.progress())
}

fn plan(response: &ResponseWriter, sql: &[u8], settings: &[(String, String)]) -> Plan {
    // Settings that add rows or brackets around the whole answer need the answer at once, in any format.
    const AROUND: [&str; 2] = ["output_format_json_array_of_rows", "extremes"];
    let around = settings.iter().any(|(name, _)| AROUND.contains(&name.as_str()))
        || AROUND.iter().any(|name| has_word(sql, name))
        || has_word(sql, "TOTALS");
    if around { Plan::Whole } else { output::plan(&response.format) }
}

fn bound_answer(connection: &mut Connection, settings: &[(String, String)]) -> Result<(), Failure> {
    if settings.iter().any(|(name, _)| name == "max_result_bytes") {
        return Ok(());
    }
    let set = format!("SET max_result_bytes = {WHOLE_ANSWER_BYTES}, result_overflow_mode = 'throw'");
    connection.query(set.as_bytes(), "Null", &[])?;
    Ok(())
}

/// The engine's error for a text that is not one statement. To get it, the text is parsed strictly, as an insert.
fn syntax_error(connection: &mut Connection, sql: &[u8]) -> Failure {
    if sql.iter().all(|byte| byte.is_ascii_whitespace() || *byte == b';') {
        return Failure::syntax("Syntax error: the query is empty.");
    }
    match connection.insert(sql, "", &[]) {
        Err(error) if error.0.contains("SYNTAX_ERROR") => error.into(),
        _ => Failure::syntax("Syntax error: this is not one statement. Send statements one by one."),
    }
}

fn read_only() -> Failure {
    Failure::new(
        164,
        "READONLY",
        "Cannot execute query in readonly mode. For queries over HTTP, method GET implies readonly. You should use method \
         POST for modifying queries.",
    )
}

//! The ClickHouse HTTP interface: connections, deadlines, and the steps of a request.
//!
//! Hostile input is expected, although only this machine can connect. Heads, statements, forms and blocks are bounded.
//! Every wait has a deadline. At most [`MAX_QUERIES`] statements of the service and [`MAX_ANALYSTS`] of analysts run at
//! once. Credentials are checked before the body is read. A head that a proxy may understand differently is refused, and a
//! client that has ended its side of the connection still gets its answer.

use std::sync::Arc;
use std::time::{Duration, Instant};

use bytes::{Bytes, BytesMut};
use http::{Method, Request as HttpRequest, Response, StatusCode, header};
use hyper::body::Incoming;
use hyper_util::server::graceful::GracefulShutdown;
use tokio::sync::{OwnedSemaphorePermit, Semaphore, mpsc, oneshot};
use tokio::time::timeout;

use crate::analyst::{self, MAX_ANALYSTS};
use crate::answer::{self, About, AnswerBody};
use crate::authenticator::{Authenticator, Role};
use crate::body::{BodyReader, MAX_TEXT_BYTES, Packing, too_long};
use crate::engine::Engine;
use crate::failure::Failure;
use crate::gate::{Gate, Place};
use crate::multipart;
use crate::request::Request;
use crate::run::{self, InsertChunk, Job, ResponseWriter, Work};
use crate::statement::{Split, split};

/// Statements of the service that run at once.
pub(crate) const MAX_QUERIES: usize = 16;

/// The time that a statement waits for a permit before it is refused.
const PERMIT_DEADLINE: Duration = Duration::from_secs(5);

/// The time in which an analyst's whole statement must arrive.
const STATEMENT_DEADLINE: Duration = Duration::from_secs(10);

/// The time that running statements get when the engine is asked to stop.
const DRAIN_DEADLINE: Duration = Duration::from_secs(10);

/// What every request needs.
pub(crate) struct Server {
    engine: Arc<Engine>,
    authenticator: Authenticator,
    about: About,
    permits: Arc<Semaphore>,
    analyst_permits: Arc<Semaphore>,
    /// When analysts are answered.
    analysts_from: Instant,
}

impl Server {
    pub(crate) fn new(
        engine: Arc<Engine>,
        authenticator: Authenticator,
        analyst_pause: Duration,
    ) -> anyhow::Result<Self> {
        let analysts_from = Instant::now() + analyst_pause;
        let about = About { version: engine.version.as_str().into(), time_zone: engine.time_zone.as_str().try_into()? };
        let (permits, analyst_permits) = (Semaphore::new(MAX_QUERIES), Semaphore::new(MAX_ANALYSTS));
        Ok(Self {
            engine,
            authenticator,
            about,
            permits: permits.into(),
            analyst_permits: analyst_permits.into(),
            analysts_from,
        })
    }

    /// Waits for connections and running statements. Returns true if all of them ended.
    pub(crate) async fn drain(&self, graceful: GracefulShutdown) -> bool {
        let all = u32::try_from(MAX_QUERIES).expect("a small number");
        let analysts = u32::try_from(MAX_ANALYSTS).expect("a small number");
        let drained = timeout(DRAIN_DEADLINE, async {
            graceful.shutdown().await;
            self.permits.acquire_many(all).await.is_ok() && self.analyst_permits.acquire_many(analysts).await.is_ok()
        });
        drained.await.unwrap_or(false)
    }

    /// Answers a request that came in through `gate`.
    pub(crate) async fn answer(
        &self,
        request: HttpRequest<Incoming>,
        gate: &Gate,
        place: &Place,
    ) -> Response<AnswerBody> {
        let (head, body) = request.into_parts();
        if let Err(sentence) = gate.check(&head.headers) {
            return answer::plain(StatusCode::FORBIDDEN, sentence);
        }
        match (&head.method, head.uri.path()) {
            (&Method::GET | &Method::HEAD, "/ping" | "/replicas_status") => {
                return answer::plain(StatusCode::OK, "Ok.\n");
            }
            (&Method::GET, "/") if head.uri.query().is_none() => return answer::plain(StatusCode::OK, "Ok.\n"),
            (&Method::GET | &Method::POST, "/") => {}
            (&Method::OPTIONS, "/") if gate.origin(&head.headers).is_some() => {
                return answer::plain(StatusCode::NO_CONTENT, "");
            }
            (_, "/") => return answer::plain(StatusCode::METHOD_NOT_ALLOWED, "Send GET or POST.\n"),
            _ => return answer::plain(StatusCode::NOT_FOUND, "There is no such path; queries go to /.\n"),
        }
        // The tag need not be secret. It must not occur in the data, so it is random.
        let mut query_id = random_text();
        let answered = match Request::from_head(&head) {
            Ok(mut request) => {
                if let Some(id) = request.query_id.take() {
                    query_id = id;
                }
                self.run(request, &head.headers, body, &query_id, (gate, place)).await
            }
            Err(failure) => Err(failure),
        };
        answered.unwrap_or_else(|failure| answer::failed(&failure, &self.about, &query_id))
    }

    /// Keeps the service's connection, and refuses analysts for a while after a start.
    fn welcome(&self, role: Role, place: &Place) -> Result<(), Failure> {
        if role == Role::Service {
            place.keep();
            return Ok(());
        }
        if Instant::now() >= self.analysts_from {
            return Ok(());
        }
        Err(Failure::new(
            202,
            "TOO_MANY_SIMULTANEOUS_QUERIES",
            "The engine ended several times and has been started again. Analysts wait up to a minute. Try again.",
        ))
    }

    async fn run(
        &self,
        mut request: Request,
        headers: &http::HeaderMap,
        body: Incoming,
        query_id: &str,
        (gate, place): (&Gate, &Place),
    ) -> Result<Response<AnswerBody>, Failure> {
        let caller = self.authenticator.caller(&request.credentials, gate.is_outside()).await?;
        let role = caller.role;
        self.welcome(role, place)?;
        let packing = packing(headers, request.decompress)?;
        // The service's rows arrive while their statement runs, so it takes its permit now. An analyst takes one only
        // when the whole statement has arrived.
        let early_permit = match role {
            Role::Service => Some(permit(&self.permits, MAX_QUERIES).await?),
            Role::Analyst => None,
        };
        let mut reader = BodyReader::new(body, packing);
        let (statement, rows) = match role {
            Role::Service => read(&mut request, headers, &mut reader).await?,
            Role::Analyst => timeout(STATEMENT_DEADLINE, read(&mut request, headers, &mut reader))
                .await
                .map_err(|_| Failure::new(209, "SOCKET_TIMEOUT", "The statement did not arrive in time."))??,
        };
        let (work, sender) = match (statement, rows) {
            (Statement::Insert { .. }, _) if role == Role::Analyst => return Err(analyst::read_only()),
            (Statement::Insert { sql, format }, first) => {
                let (sender, rows) = mpsc::channel(4);
                (Work::Insert { sql, format, rows }, Some((sender, first)))
            }
            (Statement::Other { sql, format }, _) => (Work::Statement { sql, format }, None),
        };
        let job = Job {
            settings: request.settings,
            parameters: request.parameters,
            database: request.database,
            default_format: request.default_format.unwrap_or_else(|| "TabSeparated".to_owned()),
            compress: request.compress,
            revision: request.revision,
            reads_only: request.reads_only,
            caller,
            work,
        };
        let permit = match early_permit {
            Some(permit) => permit,
            None => permit(&self.analyst_permits, MAX_ANALYSTS).await?,
        };
        let (head, head_receiver) = oneshot::channel();
        let (parts, parts_receiver) = mpsc::channel(2);
        let response = ResponseWriter::new(head, parts, &job);
        let engine = Arc::clone(&self.engine);
        tokio::task::spawn_blocking(move || {
            run::run(&engine, job, response);
            // The permit is held until the work ends, even if the client leaves before.
            drop(permit);
        });
        if let Some((sender, first)) = sender {
            feed(sender, first, &mut reader).await?;
        }
        let broke_off = || Failure::new(49, "LOGICAL_ERROR", "The thread that ran this statement broke off.");
        let head = tokio::select! {
            head = head_receiver => head.unwrap_or_else(|_| Err(broke_off())),
            // The service counts its rows when it hears nothing. A sentence would be no better.
            failure = self.engine.ending(), if role == Role::Analyst => Err(failure),
        }?;
        Ok(answer::begun(&head, parts_receiver, random_text(), &self.about, query_id))
    }
}

/// Reads the fields of a form into the request, and the statement.
async fn read(
    request: &mut Request,
    headers: &http::HeaderMap,
    reader: &mut BodyReader,
) -> Result<(Statement, Bytes), Failure> {
    let form = headers.get(header::CONTENT_TYPE).and_then(|value| value.to_str().ok()).and_then(multipart::boundary);
    if let Some(boundary) = form {
        let mut form = BytesMut::new();
        reader.read_text(&mut form).await?;
        for (name, value) in multipart::fields(&form, &boundary?)? {
            request.add(&name, value)?;
        }
        *reader = BodyReader::ended();
    }
    Statement::read(&request.query, reader).await
}

/// The compression of the body, by header and URL.
fn packing(headers: &http::HeaderMap, blocks: bool) -> Result<Packing, Failure> {
    let encoding = headers.get(header::CONTENT_ENCODING).map_or(b"identity".as_slice(), |value| value.as_bytes());
    match (encoding, blocks) {
        (b"identity", false) => Ok(Packing::Plain),
        (b"identity", true) => Ok(Packing::Blocks),
        (b"lz4", false) => Ok(Packing::Frames),
        _ => Err(Failure::not_implemented(
            "Of Content-Encodings only lz4 is read here; or send the body as it is, or as ClickHouse blocks with decompress=1.",
        )),
    }
}

/// Waits for one of `permits`, of which there are `most`.
async fn permit(permits: &Arc<Semaphore>, most: usize) -> Result<OwnedSemaphorePermit, Failure> {
    match timeout(PERMIT_DEADLINE, Arc::clone(permits).acquire_owned()).await {
        Ok(Ok(permit)) => Ok(permit),
        _ => Err(Failure::new(
            202,
            "TOO_MANY_SIMULTANEOUS_QUERIES",
            &format!("Too many simultaneous queries. Maximum: {most}. Try again."),
        )),
    }
}

/// A statement, separated from the rows that follow it.
enum Statement {
    Insert { sql: Vec<u8>, format: String },
    Other { sql: Vec<u8>, format: Option<String> },
}

impl Statement {
    /// Reads as much of the body as the statement needs. The bytes after it are the first rows.
    ///
    /// An `INSERT` in the URL is complete, and the body is its rows. Any other statement continues in the body.
    async fn read(query: &str, reader: &mut BodyReader) -> Result<(Self, Bytes), Failure> {
        let mut text = BytesMut::from(query);
        if !query.is_empty() {
            match split(&text, true) {
                Split::Other { .. } => text.extend_from_slice(b"\n"),
                found => return Self::from_split(found, &text),
            }
        }
        // Each try reads the whole text again, so the next try waits until the text has doubled.
        let mut next_try = 1;
        while let Some(piece) = reader.next().await? {
            text.extend_from_slice(&piece);
            if text.len() > MAX_TEXT_BYTES + piece.len() {
                return Err(too_long());
            }
            if query.is_empty() && text.len() >= next_try {
                next_try = text.len() * 2;
                match split(&text, false) {
                    Split::NeedMore => {}
                    Split::Other { .. } => reader.read_text(&mut text).await?,
                    found => return Self::from_split(found, &text),
                }
            }
        }
        if text.len() > MAX_TEXT_BYTES {
            return Err(too_long());
        }
        Self::from_split(split(&text, true), &text)
    }

    fn from_split(found: Split, text: &[u8]) -> Result<(Self, Bytes), Failure> {
        match found {
            Split::Insert { sql, format, data } => {
                Ok((Self::Insert { sql: text[..sql].to_vec(), format }, Bytes::copy_from_slice(&text[data..])))
            }
            Split::Other { format } => Ok((Self::Other { sql: text.to_vec(), format }, Bytes::new())),
            Split::InsertFromInput => Err(Failure::not_implemented(
                "INSERT … SELECT … FROM input(…) is not supported by the embedded engine: insert the rows with all their columns.",
            )),
            Split::ExcessiveSemicolon => {
                Err(Failure::syntax("You have excessive ';' symbol before data for INSERT. Take it out."))
            }
            Split::NeedMore => Err(Failure::syntax("The statement is not complete.")),
        }
    }
}

/// Passes the body on as rows. An early return drops the sender, which cancels the insert. When the client closes the
/// connection, this future is dropped, which does the same.
async fn feed(sender: mpsc::Sender<InsertChunk>, first: Bytes, reader: &mut BodyReader) -> Result<(), Failure> {
    let mut piece = Some(first).filter(|first| !first.is_empty());
    loop {
        if let Some(piece) = piece.take()
            && sender.send(InsertChunk::Rows(piece)).await.is_err()
        {
            // The engine refused the rows so far. The answer has the reason, and most clients read it only after the
            // body.
            reader.discard().await;
            return Ok(());
        }
        piece = reader.next().await?;
        if piece.is_none() {
            let _ = sender.send(InsertChunk::End).await;
            return Ok(());
        }
    }
}

/// 32 random characters.
fn random_text() -> String {
    let mut bytes = [0; 16];
    getrandom::fill(&mut bytes).expect("the operating system gives random numbers");
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

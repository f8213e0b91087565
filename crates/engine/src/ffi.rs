//! The C interface of `libchdb.so`, and the only file of the project that contains `unsafe`.
//!
//! The package ships the library without its header, so the dozen functions in use are declared here, by hand, for
//! exactly one release ([`SUPPORTED_VERSION`]); [`Library::load`] refuses any other. What leaves this file is safe:
//! connections and streams are owned values that close themselves, a stream borrows its connection exclusively (the
//! engine runs one statement per connection), and every buffer is copied or borrowed no longer than the result that
//! owns it.
//!
//! It is one long file, so that a review of the unsafe code is a review of exactly this file.
//!
//! The library is never unloaded: its threads outlive any handle we could hold.

#![expect(unsafe_code, reason = "the engine is a C library; each block argues why it is sound")]

use std::ffi::{CStr, CString, c_char, c_int, c_void};
use std::marker::PhantomData;
use std::path::Path;
use std::ptr::{self, NonNull};

/// The release whose functions are declared here.
pub(crate) const SUPPORTED_VERSION: &str = "26.7.3";

/// What the engine said went wrong, in its own words (`Code: 60. DB::Exception: …`).
///
/// The text may quote the query and its data. So it goes into the answer, and never into a log.
#[derive(Debug)]
pub(crate) struct EngineError(pub(crate) String);

/// Why the library could not be used. Nothing here came from a query.
#[derive(Debug, thiserror::Error)]
pub(crate) enum LoadError {
    #[error("the dynamic loader refused it: {0}")]
    Loader(#[from] libloading::Error),
    #[error("it is release {found}, and this program was written for {SUPPORTED_VERSION}")]
    Version { found: String },
}

// === the declarations ===

/// `struct chdb_connection_ *`; the library hands out a pointer to it.
type RawConnection = *mut c_void;
type RawResult = *mut c_void;
type RawInsert = *mut c_void;
type Names = *const *const c_char;
type Lengths = *const usize;

/// `struct chdb_query_analysis_v1`.
#[repr(C)]
struct RawAnalysis {
    struct_size: u32,
    statement_count: u32,
    flags: u32,
    query_class: u32,
}

type QueryFn = unsafe extern "C" fn(
    RawConnection,
    *const c_char,
    usize,
    *const c_char,
    usize,
    Names,
    Lengths,
    Names,
    Lengths,
    usize,
) -> *mut c_void;

#[derive(Clone, Copy)]
struct Api {
    connect: unsafe extern "C" fn(c_int, *mut *mut c_char) -> *mut RawConnection,
    close: unsafe extern "C" fn(*mut RawConnection),
    query: QueryFn,
    stream_query: QueryFn,
    stream_fetch: unsafe extern "C" fn(RawConnection, RawResult) -> RawResult,
    stream_cancel: unsafe extern "C" fn(RawConnection, RawResult),
    insert: QueryFn,
    insert_append: unsafe extern "C" fn(RawInsert, *const c_void, usize) -> c_int,
    insert_done: unsafe extern "C" fn(RawInsert) -> RawResult,
    insert_error: unsafe extern "C" fn(RawInsert) -> *const c_char,
    insert_destroy: unsafe extern "C" fn(RawInsert),
    classify:
        unsafe extern "C" fn(RawConnection, *const c_char, usize, *const c_char, usize, *mut RawAnalysis) -> c_int,
    result_buffer: unsafe extern "C" fn(RawResult) -> *mut c_char,
    result_length: unsafe extern "C" fn(RawResult) -> usize,
    result_error: unsafe extern "C" fn(RawResult) -> *const c_char,
    result_rows: unsafe extern "C" fn(RawResult) -> u64,
    result_read_rows: unsafe extern "C" fn(RawResult) -> u64,
    result_read_bytes: unsafe extern "C" fn(RawResult) -> u64,
    result_written_rows: unsafe extern "C" fn(RawResult) -> u64,
    result_written_bytes: unsafe extern "C" fn(RawResult) -> u64,
    result_destroy: unsafe extern "C" fn(RawResult),
    signal_handlers: unsafe extern "C" fn(c_int),
    shutdown: unsafe extern "C" fn() -> c_int,
}

// === the library ===

/// The loaded library. Cheap to copy; lives as long as the process.
#[derive(Clone, Copy)]
pub(crate) struct Library {
    api: &'static Api,
}

impl Library {
    /// Loads the library, checks its release and takes its signal handlers away, so that this process keeps its own.
    pub(crate) fn load(path: &Path) -> Result<Self, LoadError> {
        // SAFETY: loading runs the library's initialisers. It is the file that the operator named (by default the one
        // whose checksum the package manager verified), and those initialisers have no precondition beyond a normal
        // process.
        let library: &'static libloading::Library = Box::leak(Box::new(unsafe { libloading::Library::new(path)? }));
        // SAFETY: `chdb_version` is `const char * chdb_version(void)` in every release that has it.
        let version = unsafe { library.get::<unsafe extern "C" fn() -> *const c_char>(b"chdb_version\0")? };
        // SAFETY: it takes nothing and returns a static NUL-terminated string, or null.
        let found = unsafe { owned_text(version()) }.unwrap_or_else(|| "of unknown number".to_owned());
        if found != SUPPORTED_VERSION {
            return Err(LoadError::Version { found });
        }
        // SAFETY: the release is the one whose header these types were written from; names and types correspond one to
        // one.
        let api = unsafe {
            Api {
                connect: *library.get(b"chdb_connect\0")?,
                close: *library.get(b"chdb_close_conn\0")?,
                query: *library.get(b"chdb_query_with_params_n\0")?,
                stream_query: *library.get(b"chdb_stream_query_with_params_n\0")?,
                stream_fetch: *library.get(b"chdb_stream_fetch_result\0")?,
                stream_cancel: *library.get(b"chdb_stream_cancel_query\0")?,
                insert: *library.get(b"chdb_stream_insert_with_params_n\0")?,
                insert_append: *library.get(b"chdb_stream_append\0")?,
                insert_done: *library.get(b"chdb_stream_done\0")?,
                insert_error: *library.get(b"chdb_stream_insert_error\0")?,
                insert_destroy: *library.get(b"chdb_destroy_insert_stream\0")?,
                classify: *library.get(b"chdb_classify_query_n\0")?,
                result_buffer: *library.get(b"chdb_result_buffer\0")?,
                result_length: *library.get(b"chdb_result_length\0")?,
                result_error: *library.get(b"chdb_result_error\0")?,
                result_rows: *library.get(b"chdb_result_rows_read\0")?,
                result_read_rows: *library.get(b"chdb_result_storage_rows_read\0")?,
                result_read_bytes: *library.get(b"chdb_result_storage_bytes_read\0")?,
                result_written_rows: *library.get(b"chdb_result_rows_written\0")?,
                result_written_bytes: *library.get(b"chdb_result_bytes_written\0")?,
                result_destroy: *library.get(b"chdb_destroy_query_result\0")?,
                signal_handlers: *library.get(b"chdb_set_signal_handlers_enabled\0")?,
                shutdown: *library.get(b"chdb_shutdown\0")?,
            }
        };
        // SAFETY: takes an int, may be called at any time, and is meant to be called before the first connection.
        unsafe { (api.signal_handlers)(0) };
        Ok(Self { api: Box::leak(Box::new(api)) })
    }

    /// Opens a connection. The first one boots the engine on the folder that `--path` names; `None` if that failed (the
    /// library does not say why).
    pub(crate) fn connect(self, arguments: &[CString]) -> Option<Connection> {
        let mut pointers: Vec<*mut c_char> = arguments.iter().map(|argument| argument.as_ptr().cast_mut()).collect();
        let count = c_int::try_from(pointers.len()).ok()?;
        pointers.push(ptr::null_mut());
        // SAFETY: `pointers` holds `count` valid C strings and a final null, as `main` would get them; the library
        // copies what it needs and does not write to them (its declaration lacks the const).
        let handle = unsafe { (self.api.connect)(count, pointers.as_mut_ptr()) };
        Some(Connection { api: self.api, handle: NonNull::new(handle)? })
    }

    /// Stops the engine's threads, for good. True when all stopped; false is harmless if the process ends next.
    pub(crate) fn shutdown(self) -> bool {
        // SAFETY: callable from any thread at any time; it does nothing while a connection is open.
        unsafe { (self.api.shutdown)() == 0 }
    }
}

// === connections ===

/// What a statement would do to state that outlives it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum StatementClass {
    ReadOnly,
    /// Anything else, or text that does not parse.
    Other,
}

/// What the engine's own parser found in a text.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Classification {
    /// How many statements the text holds; 0 when it does not parse.
    pub(crate) statements: u32,
    pub(crate) class: StatementClass,
}

/// One session of the engine: its settings and its current database are its own.
pub(crate) struct Connection {
    api: &'static Api,
    handle: NonNull<RawConnection>,
}

// SAFETY: the library locks each connection and ties none to a thread. It is not `Sync`: statements must come one by
// one.
unsafe impl Send for Connection {}

impl Connection {
    fn raw(&self) -> RawConnection {
        // SAFETY: the handle came from `chdb_connect` and is closed only by `drop`.
        unsafe { *self.handle.as_ptr() }
    }

    fn call(&mut self, function: QueryFn, sql: &[u8], format: &str, parameters: &[(String, String)]) -> *mut c_void {
        let pointers = |pick: fn(&(String, String)) -> &String| -> (Vec<*const c_char>, Vec<usize>) {
            parameters.iter().map(pick).map(|text| (text.as_ptr().cast(), text.len())).unzip()
        };
        let (names, name_lengths) = pointers(|pair| &pair.0);
        let (values, value_lengths) = pointers(|pair| &pair.1);
        // SAFETY: every pointer comes with its length and outlives the call; the library copies all of it before it
        // returns. Empty slices give a dangling but non-null pointer with length zero, which is never read.
        unsafe {
            function(
                self.raw(),
                sql.as_ptr().cast(),
                sql.len(),
                format.as_ptr().cast(),
                format.len(),
                names.as_ptr(),
                name_lengths.as_ptr(),
                values.as_ptr(),
                value_lengths.as_ptr(),
                parameters.len(),
            )
        }
    }

    /// Runs one or more statements to the end and keeps the whole answer in memory.
    pub(crate) fn query(
        &mut self,
        sql: &[u8],
        format: &str,
        parameters: &[(String, String)],
    ) -> Result<Answer, EngineError> {
        let raw = self.call(self.api.query, sql, format, parameters);
        Answer::check(self.api, raw)
    }

    /// Starts a `SELECT` whose answer is fetched block by block.
    pub(crate) fn stream(
        &mut self,
        sql: &[u8],
        format: &str,
        parameters: &[(String, String)],
    ) -> Result<QueryStream<'_>, EngineError> {
        let raw = self.call(self.api.stream_query, sql, format, parameters);
        let started = Answer::check(self.api, raw)?;
        Ok(QueryStream { connection: self, started, ended: false })
    }

    /// Starts an `INSERT` (no `FORMAT` clause, no data in `sql`) whose rows are appended as bytes of `format`.
    pub(crate) fn insert(
        &mut self,
        sql: &[u8],
        format: &str,
        parameters: &[(String, String)],
    ) -> Result<InsertStream<'_>, EngineError> {
        let raw = self.call(self.api.insert, sql, format, parameters);
        let Some(raw) = NonNull::new(raw) else {
            return Err(EngineError("the engine returned no insert stream".to_owned()));
        };
        let stream = InsertStream { api: self.api, raw, connection: PhantomData };
        match stream.error() {
            Some(error) => Err(EngineError(error)),
            None => Ok(stream),
        }
    }

    /// Asks the engine's parser what `sql` is, without running it.
    pub(crate) fn classify(&mut self, sql: &[u8]) -> Classification {
        let struct_size = u32::try_from(size_of::<RawAnalysis>()).expect("sixteen bytes fit");
        let mut analysis = RawAnalysis { struct_size, statement_count: 0, flags: 0, query_class: u32::MAX };
        // SAFETY: text with its length, no target database, and a struct of the announced size that outlives the call.
        let state = unsafe {
            (self.api.classify)(self.raw(), sql.as_ptr().cast(), sql.len(), ptr::null(), 0, &raw mut analysis)
        };
        let class = match (state, analysis.query_class) {
            (0, 0) => StatementClass::ReadOnly,
            _ => StatementClass::Other,
        };
        Classification { statements: if state == 0 { analysis.statement_count } else { 0 }, class }
    }
}

impl Drop for Connection {
    fn drop(&mut self) {
        // SAFETY: closed once, here; streams borrow the connection and are therefore gone.
        unsafe { (self.api.close)(self.handle.as_ptr()) }
    }
}

// === answers ===

/// How much work a statement was.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Progress {
    pub(crate) result_rows: u64,
    pub(crate) read_rows: u64,
    pub(crate) read_bytes: u64,
    pub(crate) written_rows: u64,
    pub(crate) written_bytes: u64,
}

impl Progress {
    pub(crate) fn add(&mut self, more: Self) {
        self.result_rows += more.result_rows;
        self.read_rows += more.read_rows;
        self.read_bytes += more.read_bytes;
        self.written_rows += more.written_rows;
        self.written_bytes += more.written_bytes;
    }
}

/// A finished answer, or one block of a streamed one.
pub(crate) struct Answer {
    api: &'static Api,
    raw: NonNull<c_void>,
}

impl Answer {
    fn check(api: &'static Api, raw: RawResult) -> Result<Self, EngineError> {
        let Some(raw) = NonNull::new(raw) else { return Err(EngineError("the engine returned no result".to_owned())) };
        let answer = Self { api, raw };
        // SAFETY: the result is alive; the text belongs to it and is copied at once.
        match unsafe { owned_text((api.result_error)(raw.as_ptr())) } {
            Some(error) => Err(EngineError(error)),
            None => Ok(answer),
        }
    }

    pub(crate) fn bytes(&self) -> &[u8] {
        // SAFETY: buffer and length describe one allocation that the result owns and nobody changes; the borrow ends
        // with it.
        unsafe {
            let start = (self.api.result_buffer)(self.raw.as_ptr());
            match (self.api.result_length)(self.raw.as_ptr()) {
                0 => &[],
                _ if start.is_null() => &[],
                length => std::slice::from_raw_parts(start.cast(), length),
            }
        }
    }

    pub(crate) fn progress(&self) -> Progress {
        let raw = self.raw.as_ptr();
        // SAFETY: plain getters on a live result.
        unsafe {
            Progress {
                result_rows: (self.api.result_rows)(raw),
                read_rows: (self.api.result_read_rows)(raw),
                read_bytes: (self.api.result_read_bytes)(raw),
                written_rows: (self.api.result_written_rows)(raw),
                written_bytes: (self.api.result_written_bytes)(raw),
            }
        }
    }
}

impl Drop for Answer {
    fn drop(&mut self) {
        // SAFETY: destroyed once, here.
        unsafe { (self.api.result_destroy)(self.raw.as_ptr()) }
    }
}

/// A running `SELECT`. Dropping it before the end cancels the query.
pub(crate) struct QueryStream<'connection> {
    connection: &'connection mut Connection,
    started: Answer,
    ended: bool,
}

impl QueryStream<'_> {
    /// The next block, or `None` at the end. In formats with a header each block repeats it.
    pub(crate) fn next(&mut self) -> Result<Option<Answer>, EngineError> {
        if self.ended {
            return Ok(None);
        }
        // SAFETY: both handles are alive, and the exclusive borrow serialises calls.
        let raw = unsafe { (self.connection.api.stream_fetch)(self.connection.raw(), self.started.raw.as_ptr()) };
        let block = Answer::check(self.connection.api, raw).inspect_err(|_| self.ended = true)?;
        self.ended = block.bytes().is_empty();
        Ok((!self.ended).then_some(block))
    }
}

impl Drop for QueryStream<'_> {
    fn drop(&mut self) {
        if !self.ended {
            // SAFETY: as in `next`; cancelling frees nothing, `started` is destroyed by its own drop.
            unsafe { (self.connection.api.stream_cancel)(self.connection.raw(), self.started.raw.as_ptr()) }
        }
    }
}

/// A running `INSERT`. Dropping it without [`InsertStream::finish`] cancels: rows of blocks not yet written are gone.
pub(crate) struct InsertStream<'connection> {
    api: &'static Api,
    raw: NonNull<c_void>,
    connection: PhantomData<&'connection mut Connection>,
}

impl InsertStream<'_> {
    /// Hands bytes over; waits while the engine is behind (it queues 16 pieces).
    pub(crate) fn append(&mut self, data: &[u8]) -> Result<(), EngineError> {
        // SAFETY: pointer and length of a live slice; the library copies it before it returns.
        match unsafe { (self.api.insert_append)(self.raw.as_ptr(), data.as_ptr().cast(), data.len()) } {
            0 => Ok(()),
            _ => Err(EngineError(
                self.error().unwrap_or_else(|| "the engine refused the data without a reason".to_owned()),
            )),
        }
    }

    /// Says that all data was given, and waits until the rows are written.
    pub(crate) fn finish(self) -> Result<Progress, EngineError> {
        // SAFETY: the stream is alive and not yet finished, since this consumes it; drop then only frees the handle.
        let raw = unsafe { (self.api.insert_done)(self.raw.as_ptr()) };
        Ok(Answer::check(self.api, raw)?.progress())
    }

    fn error(&self) -> Option<String> {
        // SAFETY: the text belongs to the live stream and is copied at once.
        unsafe { owned_text((self.api.insert_error)(self.raw.as_ptr())) }
    }
}

impl Drop for InsertStream<'_> {
    fn drop(&mut self) {
        // SAFETY: destroyed once, here, while the connection is open; the library cancels first what was not finished.
        unsafe { (self.api.insert_destroy)(self.raw.as_ptr()) }
    }
}

/// Copies a C string; `None` for null.
///
/// # Safety
/// `text` is null or points to a NUL-terminated string that stays unchanged during the call.
unsafe fn owned_text(text: *const c_char) -> Option<String> {
    // SAFETY: the caller's promise.
    (!text.is_null()).then(|| unsafe { CStr::from_ptr(text) }.to_string_lossy().into_owned())
}

//! The engine of this process: one locked data folder, and one connection per request.

use std::ffi::CString;
use std::fs::{self, DirBuilder, File, OpenOptions};
use std::io::{self, Write as _};
use std::os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use anyhow::{Context as _, bail};
use rustix::fs::{FlockOperation, flock};
use rustix::process::nice;

use crate::analyst::Analyst;
use crate::cli::Cli;
use crate::failure::Failure;
use crate::ffi::{Connection, Library};
use crate::query_log::{Asked, QueryLog};
use crate::reader::reader;
use crate::sandbox;
use crate::watchdog::{Watchdog, Watched};

/// Makes every insert durable with fsync before it is acknowledged, in every table that does not say otherwise. Lets go
/// of threads that have nothing to do, and gives the tables' own work few: by default 1,000 stay and hundreds can start at
/// once, and each has 8 MiB for its stack, which count towards the limit of [`watchdog`](crate::watchdog). The library reads
/// these settings only from a file and silently ignores them on its command line.
const ENGINE_CONFIG: &str = "<clickhouse>
    <max_thread_pool_free_size>16</max_thread_pool_free_size>
    <background_schedule_pool_size>8</background_schedule_pool_size>
    <max_active_parts_loading_thread_pool_size>8</max_active_parts_loading_thread_pool_size>
    <max_outdated_parts_loading_thread_pool_size>4</max_outdated_parts_loading_thread_pool_size>
    <max_parts_cleaning_thread_pool_size>4</max_parts_cleaning_thread_pool_size>
    <merge_tree>
        <fsync_after_insert>1</fsync_after_insert>
        <fsync_part_directory>1</fsync_part_directory>
    </merge_tree>
    {users}
</clickhouse>
";

/// The engine's niceness. Browsers wait for the collector beside it, and nobody waits for the engine: rows are safe in
/// the spool. At 10 the collector's threads get nine tenths of a contested core, and the engine the rest.
const NICENESS: i32 = 10;
/// The niceness with analysts. No rows wait for their queries, and eight endless queries are eight busy threads, which
/// at 10 get as much time as the collector.
const NICENESS_WITH_ANALYSTS: i32 = 19;

/// The running engine.
pub(crate) struct Engine {
    library: Library,
    /// Arguments of each connection: the folder, and the settings that a session starts with.
    arguments: Vec<CString>,
    /// The anchor connection. Closing the last connection stops the engine, so this one is always open.
    anchor: Mutex<Option<Connection>>,
    /// `version()`, as clients know it.
    pub(crate) version: String,
    /// `timezone()`.
    pub(crate) time_zone: String,
    /// The rules for analysts, if there are any.
    analyst: Option<Analyst>,
    /// Watches the statements of analysts.
    watchdog: Option<Arc<Watchdog>>,
    /// The log of statements.
    query_log: QueryLog,
}

impl Engine {
    /// Locks the folder (creating it, readable by this user only), loads the library and boots the engine there. With
    /// analysts, this process enters its sandbox in between. Without a sandbox there are no analysts.
    ///
    /// Call it from the main thread while no other thread runs: the sandbox covers only threads that start after it.
    pub(crate) fn start(cli: &Cli) -> anyhow::Result<Self> {
        let (library_file, analysts) = (cli.library()?, cli.analyst_password_file.is_some() || cli.break_glass);
        let folder = prepare(&cli.path)?;
        take(&folder)?;
        let library = load(&library_file)?;
        let config = folder.join("engine.xml");
        write_config(&config, cli.users_config.as_deref())
            .with_context(|| format!("cannot write {}", config.display()))?;
        let status = analysts.then(|| File::open("/proc/self/status")).transpose().context("cannot read /proc")?;
        let accounts = cli.accounts.as_deref().and_then(Path::parent);
        let sandboxed = analysts && sandbox::enter(&folder, &library_file, accounts)?;
        if analysts && !sandboxed {
            tracing::warn!(
                "this kernel has no Landlock (it came with Linux 5.13 and must be switched on): there is no user {}. \
                 The service's side works as always",
                reader().user
            );
        }
        // Within the sandbox, and before the priority is lowered: it must run when nothing else gets to.
        let watchdog = status
            .map(|status| Watchdog::start(Duration::from_secs(cli.analyst_seconds), cli.memory_limit_mib, status))
            .transpose()
            .context("cannot start a thread")?;
        // Before other threads start: they inherit it.
        nice(if cli.analyst_password_file.is_some() { NICENESS_WITH_ANALYSTS } else { NICENESS })
            .context("cannot lower the engine's priority")?;
        let engine = on_a_thread(|| Self::boot(library, &folder, &config, cli, sandboxed))?;
        Ok(Self { watchdog, ..engine })
    }

    fn boot(library: Library, folder: &Path, config: &Path, cli: &Cli, sandboxed: bool) -> anyhow::Result<Self> {
        let threads = std::thread::available_parallelism().map_or(2, |cores| cores.get().min(8));
        let mut arguments = vec!["clickhouse".to_owned(), format!("--path={}", display(folder)?)];
        arguments.extend(["--async_insert=0".to_owned(), format!("--max_threads={threads}")]);
        let session = c_strings(&arguments)?;
        // Arguments that only the first connection takes, because it boots the engine.
        arguments.push(format!("--config-file={}", display(config)?));
        arguments.push(format!("--max_server_memory_usage={}", u64::from(cli.memory_limit_mib) << 20));
        arguments.extend(["--mark_cache_size=67108864", "--index_mark_cache_size=16777216"].map(str::to_owned));
        let Some(mut anchor) = library.connect(&c_strings(&arguments)?) else {
            bail!(
                "the engine did not start on {}; it gives no reason. Usual ones: the folder was written by a newer release, \
                 belongs to another user, or the disk is full",
                folder.display()
            );
        };
        // The machine's clock may be wrong. The service starts these deletions once it believes the clock.
        anchor
            .query(b"SYSTEM STOP TTL MERGES", "TabSeparated", &[])
            .map_err(|error| anyhow::anyhow!("the engine cannot stop its deletions by time: {}", error.0))?;
        let about = anchor.query(b"SELECT version(), timezone()", "TabSeparated", &[]).map_err(|error| {
            anyhow::anyhow!("the engine started on {} but answers nothing: {}", folder.display(), error.0)
        })?;
        let about = String::from_utf8_lossy(about.bytes()).trim().to_owned();
        let (version, time_zone) =
            about.split_once('\t').context("the engine reported its version in an unknown form")?;
        let analyst =
            sandboxed.then(|| Analyst::new(&mut anchor, cli.memory_limit_mib, cli.analyst_seconds)).transpose()?;
        let query_log = QueryLog::open(library, session.clone());
        Ok(Self {
            library,
            arguments: session,
            analyst,
            watchdog: None,
            query_log,
            version: version.to_owned(),
            time_zone: time_zone.to_owned(),
            anchor: Mutex::new(Some(anchor)),
        })
    }

    /// The rules for analysts. `None` if analysts are not admitted.
    pub(crate) fn analyst(&self) -> Option<&Analyst> {
        self.analyst.as_ref()
    }

    /// Watches a statement of an analyst, which starts now, until the returned value is dropped.
    pub(crate) fn watch(&self) -> Option<Watched<'_>> {
        self.watchdog.as_deref().map(Watchdog::watch)
    }

    /// Waits until the watchdog is about to end the process, and says why. For ever where nothing is watched.
    pub(crate) async fn ending(&self) -> Failure {
        match &self.watchdog {
            Some(watchdog) => watchdog.ending().await,
            None => std::future::pending().await,
        }
    }

    /// Records a statement in the query log.
    pub(crate) fn note(&self, asked: Asked) {
        self.query_log.note(asked);
    }

    /// Opens a new session.
    pub(crate) fn connect(&self) -> Result<Connection, Failure> {
        self.library.connect(&self.arguments).ok_or_else(|| {
            Failure::new(279, "ALL_CONNECTION_TRIES_FAILED", "The engine opened no session; is it stopping?")
        })
    }

    /// Stops the engine. All sessions must be closed. True when its threads have ended too.
    pub(crate) fn stop(&self) -> bool {
        self.query_log.close();
        on_a_thread(|| {
            drop(self.anchor.lock().unwrap_or_else(std::sync::PoisonError::into_inner).take());
            self.library.shutdown()
        })
    }
}

/// Runs engine code on another thread than the main thread. The engine asks for the size of its thread's stack. For the
/// main thread the C library reads that from `/proc/self/maps`, which the sandbox does not allow.
fn on_a_thread<T: Send>(work: impl FnOnce() -> T + Send) -> T {
    let outcome = std::thread::scope(|scope| scope.spawn(work).join());
    outcome.unwrap_or_else(|panic| std::panic::resume_unwind(panic))
}

fn prepare(folder: &Path) -> anyhow::Result<PathBuf> {
    DirBuilder::new()
        .recursive(true)
        .mode(0o700)
        .create(folder)
        .with_context(|| format!("cannot create the data folder {}: choose another with --path", folder.display()))?;
    fs::canonicalize(folder).with_context(|| format!("cannot open the data folder {}", folder.display()))
}

/// Locks the folder until this process ends, because threads of the library may run longer than the engine.
fn take(folder: &Path) -> anyhow::Result<()> {
    let path = folder.join("engine.lock");
    let file =
        OpenOptions::new().create(true).truncate(false).write(true).mode(0o600).open(&path).with_context(|| {
            format!(
                "the data folder {} is not writable for this user: change its owner, or choose another with --path",
                folder.display()
            )
        })?;
    lock(&file, folder)?;
    std::mem::forget(file);
    // A process that ends closes its files one by one: this lock before the library's own.
    if let Ok(status) = OpenOptions::new().write(true).open(folder.join("status")) {
        lock(&status, folder)?;
    }
    Ok(())
}

fn lock(file: &File, folder: &Path) -> anyhow::Result<()> {
    match flock(file, FlockOperation::NonBlockingLockExclusive) {
        Ok(()) => Ok(()),
        Err(rustix::io::Errno::WOULDBLOCK) => bail!(
            "the data folder {} is in use by another engine: stop that one, or choose another folder with --path",
            folder.display()
        ),
        Err(error) => Err(error).with_context(|| format!("cannot lock the data folder {}", folder.display())),
    }
}

fn load(path: &Path) -> anyhow::Result<Library> {
    if !path.is_file() {
        bail!(
            "the ClickHouse engine library is not at {}: fetch it with `make engine` (or scripts/engine-library), or name \
             another place with --library or TAMGA_ENGINE_LIBRARY",
            path.display()
        );
    }
    Library::load(path).with_context(|| format!("cannot use the engine library {}", path.display()))
}

fn write_config(path: &Path, users: Option<&Path>) -> io::Result<()> {
    let users = users.map_or(String::new(), |file| format!("<users_config>{}</users_config>", file.display()));
    OpenOptions::new()
        .create(true)
        .truncate(true)
        .write(true)
        .mode(0o600)
        .open(path)?
        .write_all(ENGINE_CONFIG.replace("{users}", &users).as_bytes())
}

fn c_strings(arguments: &[String]) -> anyhow::Result<Vec<CString>> {
    arguments.iter().map(|argument| CString::new(argument.as_str()).context("a path contains a NUL byte")).collect()
}

fn display(path: &Path) -> anyhow::Result<&str> {
    path.to_str().with_context(|| format!("the path {} is not UTF-8, which the engine needs", path.display()))
}

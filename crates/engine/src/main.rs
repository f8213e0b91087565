//! `tamga-engine`: the embedded ClickHouse. Loads `libchdb.so` and speaks the ClickHouse HTTP interface on loopback.
//!
//! The engine can take its process down (it is a large C++ library), which is why it has a process of its own, and why
//! whoever starts it watches and restarts it. From the outside it is a small ClickHouse server: the official clients work.
//!
//! In the order of a request's way: [`http`] accepts it, [`authenticator`] decides who it is, [`request`], [`multipart`], [`body`],
//! [`native_block`], [`lz4_frame`] and [`statement`] read it, [`run`] runs it on a connection of its own through [`engine`] and [`ffi`], [`output`]
//! and [`answer`] shape what goes back, [`failure`] what goes wrong. Only [`ffi`] contains unsafe code. What an analyst sends
//! passes [`analyst`], [`ast`] and [`show_statements`] before it runs, in a process that is in its [`sandbox`]. [`query_log`] writes down who asked.

#![deny(unsafe_code)]

mod analyst;
mod answer;
mod ast;
mod authenticator;
mod body;
mod cli;
mod engine;
mod failure;
mod ffi;
mod http;
mod lz4_frame;
mod multipart;
mod native_block;
mod output;
mod query_log;
mod request;
mod run;
mod sandbox;
mod show_statements;
mod statement;

/// What fuzzing has found interesting in an analyst's statements.
#[cfg(test)]
#[path = "../../../fuzz/targets/guard.rs"]
mod statements;

use std::io::{self, IsTerminal as _, Read as _, Write as _};
use std::net::{SocketAddr, TcpListener as StdTcpListener};
use std::process::ExitCode;
use std::sync::Arc;

use anyhow::Context as _;
use clap::Parser as _;
use rustix::fs::Mode;
use rustix::process::{Resource, Rlimit, nice, setrlimit, umask};
use tokio::net::TcpListener;
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::oneshot;
use tracing_subscriber::EnvFilter;

use crate::analyst::MAX_ANALYSTS;
use crate::authenticator::Authenticator;
use crate::cli::Cli;
use crate::engine::Engine;
use crate::http::{MAX_QUERIES, Server};

/// How far the engine steps back where the processor is short: the collector beside it has somebody waiting for an answer,
/// and its rows are safe without us. At 10 the collector's threads get nine tenths of a contested core, and we the rest.
const NICENESS: i32 = 10;
/// The same where analysts ask: nobody's rows wait for them, and eight questions without an end are eight busy threads, which
/// at 10 weigh as much as the collector.
const NICENESS_WITH_ANALYSTS: i32 = 19;

fn main() -> ExitCode {
    let cli = Cli::parse();
    let filter = EnvFilter::try_from_env("TAMGA_ENGINE_LOG").unwrap_or_else(|_| EnvFilter::new("info"));
    let log = tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_writer(io::stderr)
        .with_ansi(io::stderr().is_terminal())
        .with_target(false);
    if cli.stop_with_parent {
        log.without_time().init(); // The parent passes the lines on, with a time of its own.
    } else {
        log.init();
    }
    match run(&cli) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            // The last resort of a program that could not start: if even standard error is gone, the exit code remains.
            let _ = writeln!(io::stderr(), "tamga-engine: {error:#}");
            ExitCode::FAILURE
        }
    }
}

fn run(cli: &Cli) -> anyhow::Result<()> {
    protect_memory()?;
    // Before there are other threads: they inherit it.
    nice(if cli.analyst { NICENESS_WITH_ANALYSTS } else { NICENESS }).context("cannot lower the engine's priority")?;
    let address = cli.listen()?;
    let mut authenticator = Authenticator::service(&cli.user, &cli.password()?);
    let analyst_password = cli.analyst_password()?;
    // Before the engine boots: a busy port is found without waiting, and nobody is answered until there is an engine.
    let listener = listen(address)?;
    // Before the runtime: the sandbox holds for threads that are started later.
    let engine = Arc::new(Engine::start(cli)?);
    if engine.analyst().is_some() {
        authenticator.admit_analyst(analyst_password.as_deref());
    }
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .max_blocking_threads(MAX_QUERIES + MAX_ANALYSTS + 4)
        .enable_all()
        .build()
        .context("cannot start the runtime")?;
    let server = Server::new(Arc::clone(&engine), authenticator)?;
    let drained = runtime.block_on(async {
        let listener = TcpListener::from_std(listener).context("cannot serve the listening socket")?;
        let stop = stop_request(cli.stop_with_parent)?;
        announce(&listener, &engine.version)?;
        Ok::<_, anyhow::Error>(server.serve(listener, stop).await)
    })?;
    if !drained {
        // Closing the engine under a running statement is not safe; ending the process is, as after a crash.
        tracing::warn!("statements were still running; the engine ends without an orderly close");
        std::process::exit(0);
    }
    drop(runtime);
    let threads_ended = engine.stop();
    tracing::info!(threads_ended, "engine closed");
    Ok(())
}

/// Rows and queries are in this process's memory: no core dump writes them down, and no file is readable by others.
fn protect_memory() -> anyhow::Result<()> {
    umask(Mode::RWXG | Mode::RWXO);
    setrlimit(Resource::Core, Rlimit { current: Some(0), maximum: Some(0) }).context("cannot switch core dumps off")
}

fn listen(address: SocketAddr) -> anyhow::Result<StdTcpListener> {
    let listener = StdTcpListener::bind(address).with_context(|| {
        format!("cannot listen on {address}: is another engine running there? Choose another address with --listen, or port 0")
    })?;
    listener.set_nonblocking(true).context("cannot prepare the listening socket")?;
    Ok(listener)
}

/// The one line of standard output.
fn announce(listener: &TcpListener, version: &str) -> anyhow::Result<()> {
    let listening = listener.local_addr().context("the listening socket has no address")?.to_string();
    let line = serde_json::json!({ "listening": listening, "version": version });
    let mut stdout = io::stdout().lock();
    writeln!(stdout, "{line}").and_then(|()| stdout.flush()).context("cannot write to standard output")
}

/// Resolves when the engine shall stop.
fn stop_request(with_parent: bool) -> anyhow::Result<impl Future<Output = ()>> {
    let mut terminate = signal(SignalKind::terminate()).context("cannot listen for SIGTERM")?;
    let mut interrupt = signal(SignalKind::interrupt()).context("cannot listen for SIGINT")?;
    let (parent_gone, parent) = oneshot::channel::<()>();
    if with_parent {
        // A thread of its own: a blocking read cannot be taken back, and must not hold the runtime up.
        std::thread::Builder::new()
            .name("parent".to_owned())
            .spawn(move || {
                let mut stdin = io::stdin().lock();
                let mut ignored = [0; 256];
                while matches!(stdin.read(&mut ignored), Ok(1..)) {}
                drop(parent_gone);
            })
            .context("cannot start a thread")?;
    } else {
        // Without a parent to watch, the channel must never report one gone.
        std::mem::forget(parent_gone);
    }
    Ok(async move {
        let reason = tokio::select! {
            _ = terminate.recv() => "SIGTERM",
            _ = interrupt.recv() => "SIGINT",
            _ = parent => "the end of standard input",
        };
        tracing::info!(reason, "stopping");
    })
}

#[cfg(test)]
mod tests {
    #[test]
    fn no_statement_breaks_what_judges_it() {
        let corpus = concat!(env!("CARGO_MANIFEST_DIR"), "/../../fuzz/corpus/guard");
        let inputs: Vec<_> =
            std::fs::read_dir(corpus).expect("the corpus").map(|entry| entry.expect("a file").path()).collect();
        assert!(inputs.len() > 5, "{} inputs", inputs.len());
        for path in inputs {
            let data = std::fs::read(&path).expect("a file");
            let outcome = std::panic::catch_unwind(|| super::statements::run(&data));
            assert!(outcome.is_ok(), "{} fails", path.display());
        }
    }
}

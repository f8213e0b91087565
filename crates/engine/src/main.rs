//! `tamga-engine`: the embedded ClickHouse. Loads `libchdb.so` and speaks the ClickHouse HTTP interface on loopback.
//!
//! The engine is a large C++ library and can end its process. So it has its own process, and the parent watches and
//! restarts it. For clients it is a small ClickHouse server: the official clients work.
//!
//! The modules in the order in which a request passes them: [`endpoint`] accepts it, if [`strict_head`] and [`gate`] let it, and
//! [`http`] takes it through its steps.
//! [`authenticator`] decides which account sent it, with the accounts of [`people`]. [`request`], [`multipart`], [`body`], [`native_block`], [`lz4_frame`] and
//! [`statement`] read it. [`run`] runs it on its own connection, through [`engine`] and [`ffi`]. [`output`], [`native_revision`] and [`answer`]
//! format the answer, [`failure`] the errors. [`query_log`] records each statement. Statements of analysts are checked by [`analyst`], [`permitted`],
//! [`ast`], [`dump`] and [`show_statements`] before they run. The process is then in its [`sandbox`], and its [`watchdog`]
//! ends it if nothing else ends a statement. Only [`ffi`] contains unsafe code.

#![deny(unsafe_code)]

mod analyst;
mod answer;
mod ast;
mod authenticator;
mod body;
mod cli;
mod dump;
mod endpoint;
mod engine;
mod failure;
mod ffi;
mod gate;
mod http;
mod lz4_frame;
mod multipart;
mod native_block;
mod native_revision;
mod output;
mod people;
mod permitted;
mod query_log;
mod reader;
mod request;
mod run;
mod sandbox;
mod show_statements;
mod statement;
/// The edge has it as well.
#[path = "../../../src/collect/strict_head.rs"]
mod strict_head;
mod watchdog;

/// The fuzz target for statements of analysts. The test below runs it on the inputs that fuzzing found.
#[cfg(test)]
#[path = "../../../fuzz/targets/guard.rs"]
mod statements;

use std::io::{self, IsTerminal as _, Read as _, Write as _};
use std::net::{SocketAddr, TcpListener as StdTcpListener};
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;

use anyhow::Context as _;
use clap::Parser as _;
use rustix::fs::Mode;
use rustix::process::{Resource, Rlimit, setrlimit, umask};
use tokio::net::TcpListener;
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::oneshot;
use tracing_subscriber::EnvFilter;

use crate::analyst::MAX_ANALYSTS;
use crate::authenticator::Authenticator;
use crate::cli::Cli;
use crate::endpoint::Endpoint;
use crate::engine::Engine;
use crate::gate::Gate;
use crate::http::{MAX_QUERIES, Server};
use crate::people::People;

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
            // If standard error is closed, the exit code still says that the start failed.
            let _ = writeln!(io::stderr(), "tamga-engine: {error:#}");
            ExitCode::FAILURE
        }
    }
}

fn run(cli: &Cli) -> anyhow::Result<()> {
    protect_memory()?;
    if cli.analyst_password_file.is_some() {
        watchdog::bound_memory(cli.memory_limit_mib).context("cannot bound the engine's memory")?;
    }
    let address = cli.listen()?;
    if cli.break_glass {
        reader::break_glass();
    }
    let mut authenticator = Authenticator::service(&cli.user, &cli.password()?);
    let reader_password = cli.reader_password()?;
    // Before the engine boots, so that a busy port is found at once. Clients are answered only when the engine runs.
    let listener = listen(address)?;
    let outside = match (cli.tls_listen, &cli.tls_certificate, &cli.tls_key) {
        (Some(address), Some(certificate), Some(key)) => Some((listen(address)?, endpoint::tls(certificate, key)?)),
        _ => None,
    };
    // Before the runtime starts threads: the sandbox covers only threads that start after it.
    let engine = Arc::new(Engine::start(cli)?);
    if let Some(password) = reader_password.filter(|_| engine.analyst().is_some()) {
        authenticator.admit_analyst(&password);
        if let Some(file) = &cli.accounts {
            authenticator.admit_people(People::of(file)?);
        }
    }
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .max_blocking_threads(MAX_QUERIES + MAX_ANALYSTS + 4)
        .enable_all()
        .build()
        .context("cannot start the runtime")?;
    let server = Server::new(Arc::clone(&engine), authenticator, Duration::from_secs(cli.analyst_pause_s))?;
    let drained = runtime.block_on(async {
        let listener = TcpListener::from_std(listener).context("cannot serve the listening socket")?;
        let stop = stop_request(cli.stop_with_parent)?;
        let outside = outside
            .filter(|_| engine.analyst().is_some())
            .map(|(listener, tls)| TcpListener::from_std(listener).map(|listener| (listener, tls)))
            .transpose()
            .context("cannot serve the analysts' listening socket")?;
        announce(&listener, outside.as_ref().map(|(listener, _)| listener), &engine.version)?;
        let inside = Endpoint::new(listener, Gate::inside(&cli.origin), None);
        let outside = outside
            .map(|(listener, tls)| Endpoint::new(listener, Gate::outside(&cli.tls_host, &cli.origin), Some(tls)));
        Ok::<_, anyhow::Error>(endpoint::serve(server, inside, outside, stop).await)
    })?;
    if !drained {
        // Closing the engine under a running statement is not safe. Ending the process is: it is like a crash.
        tracing::warn!("statements were still running; the engine ends without an orderly close");
        std::process::exit(0);
    }
    drop(runtime);
    let threads_ended = engine.stop();
    tracing::info!(threads_ended, "engine closed");
    Ok(())
}

/// This process holds rows and queries in memory. So it writes no core dump, and other users cannot read its files.
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

/// Prints the only line of standard output: addresses and version, as JSON.
fn announce(listener: &TcpListener, outside: Option<&TcpListener>, version: &str) -> anyhow::Result<()> {
    let address = |listener: &TcpListener| listener.local_addr().map(|address| address.to_string());
    let nowhere = "the listening socket has no address";
    let (listening, tls) = (address(listener).context(nowhere)?, outside.map(address).transpose().context(nowhere)?);
    let line = serde_json::json!({ "listening": listening, "tls": tls, "version": version });
    let mut stdout = io::stdout().lock();
    writeln!(stdout, "{line}").and_then(|()| stdout.flush()).context("cannot write to standard output")
}

/// Returns a future that resolves when the engine must stop.
fn stop_request(with_parent: bool) -> anyhow::Result<impl Future<Output = ()>> {
    let mut terminate = signal(SignalKind::terminate()).context("cannot listen for SIGTERM")?;
    let mut interrupt = signal(SignalKind::interrupt()).context("cannot listen for SIGINT")?;
    let (parent_gone, parent) = oneshot::channel::<()>();
    if with_parent {
        // In its own thread: a blocking read cannot be cancelled, and must not delay the end of the runtime.
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
        // There is no parent to watch, so the channel must never report its end.
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
    fn no_statement_makes_the_checks_panic() {
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

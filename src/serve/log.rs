//! Where the log goes: to standard error, in the form that fits what reads it.

use std::io::IsTerminal;

use tracing_subscriber::EnvFilter;

/// Writes the log to standard error. `TAMGA_LOG` says what is logged; without it, `default_level` does.
pub fn log_to_stderr(default_level: &str) {
    let filter = EnvFilter::try_from_env("TAMGA_LOG").unwrap_or_else(|_| EnvFilter::new(default_level));
    // The client library logs the store's own words, which can quote rows.
    let filter = filter.add_directive("clickhouse=off".parse().expect("a constant directive"));
    // Colours are for people at a terminal. In a file or a journal they are noise.
    let colours = std::io::stderr().is_terminal() && std::env::var_os("NO_COLOR").is_none_or(|value| value.is_empty());
    tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_writer(std::io::stderr)
        .with_ansi(colours)
        .with_target(false)
        .init();
}

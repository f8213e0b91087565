//! The command line.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, bail};
use clap::Parser;

use crate::analyst::MAX_SECONDS;

/// Where `scripts/engine-library` puts the library, below the cache folder.
const CACHED_LIBRARY: &str = "tamga/engine/26.7.3-stable.1/libchdb.so";

/// ClickHouse, embedded: the real engine behind the ClickHouse HTTP interface, for one service on one machine.
///
/// Loads libchdb.so, opens the data folder and listens on a loopback address. Once it listens it prints one line of
/// JSON to standard output, {"listening":"127.0.0.1:8123","version":"26.7.2.1"}, and nothing afterwards. Logs go to
/// standard error (TAMGA_ENGINE_LOG=debug for more) and never contain a query or its data.
///
/// SIGTERM and SIGINT stop it: running queries get ten seconds, then the engine is closed in order. Data acknowledged
/// before is on the disk either way. It exits with 0 after an orderly stop and with 1, and one sentence on standard
/// error, if it could not start.
#[derive(Parser, Debug)]
#[command(name = "tamga-engine", version, args_override_self = true)]
pub(crate) struct Cli {
    /// The data folder; created, readable by this user only, if it is missing
    #[arg(long, value_name = "DIR")]
    pub(crate) path: PathBuf,

    /// Where to listen, loopback only; port 0 takes a free one
    #[arg(long, value_name = "ADDR:PORT", default_value = "127.0.0.1:8123")]
    pub(crate) listen: SocketAddr,

    /// The name of the service account
    #[arg(long, value_name = "NAME", default_value = "tamga")]
    pub(crate) user: String,

    /// A file that holds the service account's password, on one line
    #[arg(long, value_name = "FILE")]
    pub(crate) password_file: PathBuf,

    /// Admit the user `analyst` too, whose password this file holds, on one line
    ///
    /// The analyst reads the database tamga_stats, under limits and in a sandbox.
    /// The whole process enters the sandbox (Landlock): it can open no file but its data folder, and connect to
    /// nothing. On a kernel without Landlock there is no analyst, a line in the log says so, and the service is served
    /// as always.
    #[arg(long, value_name = "FILE")]
    pub(crate) analyst_password_file: Option<PathBuf>,

    /// Admit persons too, whose accounts this file holds; `tamga analyst` writes it
    ///
    /// Its folder can be read from within the sandbox.
    #[arg(long, value_name = "FILE", requires = "analyst_password_file")]
    pub(crate) accounts: Option<PathBuf>,

    /// Listen for analysts on other machines too, with TLS
    ///
    /// The service is not admitted there. It needs --tls-certificate, --tls-key and --tls-host.
    #[arg(long, value_name = "ADDR:PORT", requires_all = ["tls_certificate", "tls_key", "tls_host", "analyst_password_file"])]
    pub(crate) tls_listen: Option<SocketAddr>,

    /// The certificate chain, as PEM
    #[arg(long, value_name = "FILE")]
    pub(crate) tls_certificate: Option<PathBuf>,

    /// Its key, as PEM
    #[arg(long, value_name = "FILE")]
    pub(crate) tls_key: Option<PathBuf>,

    /// A name or an address by which other machines reach this one
    #[arg(long, value_name = "NAME")]
    pub(crate) tls_host: Vec<String>,

    /// An origin whose pages may ask, such as https://bi.example.kz
    #[arg(long, value_name = "ORIGIN")]
    pub(crate) origin: Vec<String>,

    /// How long after the start statements of the analyst are refused, in seconds
    #[arg(long, value_name = "SECONDS", default_value_t = 0)]
    pub(crate) analyst_pause_s: u64,

    /// How long a statement of the analyst may run: to try out what happens afterwards
    #[arg(long, value_name = "SECONDS", default_value_t = MAX_SECONDS, hide = true)]
    pub(crate) analyst_seconds: u64,

    /// Admit the user `break-glass`, who reads the database tamga_vault under the analyst's rules and in its sandbox
    ///
    /// Its password is the service account's. `tamga vault query` uses it.
    #[arg(long, conflicts_with = "analyst_password_file")]
    pub(crate) break_glass: bool,

    /// The engine library; by default where `make engine` puts it
    ///
    /// That is tamga/engine/26.7.3-stable.1/libchdb.so below $XDG_CACHE_HOME, or below ~/.cache.
    #[arg(long, value_name = "FILE", env = "TAMGA_ENGINE_LIBRARY")]
    pub(crate) library: Option<PathBuf>,

    /// How much memory the engine may use for queries and caches, in MiB
    ///
    /// A query that would pass it fails with MEMORY_LIMIT_EXCEEDED. The process as a whole is larger: about 210 MiB are
    /// resident at rest, and a query that runs into the limit was seen to take the process 550 MiB beyond it.
    #[arg(long, value_name = "MIB", default_value_t = 800, value_parser = clap::value_parser!(u32).range(256..))]
    pub(crate) memory_limit_mib: u32,

    /// A ClickHouse file of users, whose `default` every session is then: to try out grants, profiles and row policies
    #[arg(long, value_name = "FILE", hide = true)]
    pub(crate) users_config: Option<PathBuf>,

    /// Stop when standard input reaches its end, so that a parent that is killed leaves no engine behind
    #[arg(long)]
    pub(crate) stop_with_parent: bool,
}

impl Cli {
    /// The library to load.
    pub(crate) fn library(&self) -> anyhow::Result<PathBuf> {
        if let Some(library) = &self.library {
            return Ok(library.clone());
        }
        let folder = |name: &str| std::env::var_os(name).filter(|value| !value.is_empty()).map(PathBuf::from);
        let cache = folder("XDG_CACHE_HOME").or_else(|| folder("HOME").map(|home| home.join(".cache")));
        Ok(cache
            .context("neither HOME nor XDG_CACHE_HOME is set: name the engine library with --library")?
            .join(CACHED_LIBRARY))
    }

    /// The service account's password.
    pub(crate) fn password(&self) -> anyhow::Result<String> {
        read_password(&self.password_file)
    }

    /// The password of the analyst, or of break-glass, if either is to be admitted.
    pub(crate) fn reader_password(&self) -> anyhow::Result<Option<String>> {
        let file = if self.break_glass { Some(&self.password_file) } else { self.analyst_password_file.as_ref() };
        file.map(|file| read_password(file)).transpose()
    }

    /// The address to listen on, which only this machine can reach.
    pub(crate) fn listen(&self) -> anyhow::Result<SocketAddr> {
        if !self.listen.ip().is_loopback() {
            bail!(
                "{} is not a loopback address: the engine has no encryption, so it listens on 127.0.0.1 or \
                 [::1] only. To serve other machines, use a ClickHouse server",
                self.listen
            );
        }
        Ok(self.listen)
    }
}

fn read_password(file: &Path) -> anyhow::Result<String> {
    let shown = file.display();
    let text = std::fs::read_to_string(file).with_context(|| format!("cannot read the password file {shown}"))?;
    let password = text.trim_end_matches(['\r', '\n']);
    if password.is_empty() || password.contains('\n') {
        bail!("the password file {shown} must hold one line that is not empty");
    }
    Ok(password.to_owned())
}

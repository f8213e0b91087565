//! How analysts reach the stats engine, besides the account `analyst` on loopback: accounts of persons, a listener with TLS
//! for other machines, and origins of pages.

use std::io;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};

use tokio::process::Command;

use crate::config::Config;
use crate::files::private_folder;

/// How persons reach an engine that admits analysts.
#[derive(Clone, Debug, Default)]
pub struct AnalystAccess {
    /// The accounts of persons; its folder is made if it is missing.
    accounts_file: Option<PathBuf>,
    /// The listener for other machines.
    outside: Option<Outside>,
    /// Origins whose pages may ask.
    origins: Vec<String>,
}

/// A listener with TLS.
#[derive(Clone, Debug)]
struct Outside {
    listen: SocketAddr,
    certificate: PathBuf,
    key: PathBuf,
    /// Names by which it is reached.
    hosts: Vec<String>,
}

impl AnalystAccess {
    /// As configured.
    pub(super) fn of(config: &Config) -> Self {
        let engine = &config.engine;
        let given = engine.analysts_listen.zip(engine.analysts_certificate_file.clone());
        let outside = given.zip(engine.analysts_key_file.clone()).map(|((listen, certificate), key)| Outside {
            listen,
            certificate,
            key,
            hosts: engine.analysts_hosts.clone(),
        });
        Self { accounts_file: Some(accounts_file(config)), outside, origins: engine.analysts_origins.clone() }
    }

    /// Adds its arguments to the engine's command line.
    pub(super) fn arguments(&self, command: &mut Command) -> io::Result<()> {
        if let Some(file) = &self.accounts_file {
            // The engine's sandbox takes the folder as it is at the start.
            let folder = file.parent().unwrap_or(Path::new("."));
            private_folder(folder)?;
            command.arg("--accounts").arg(file);
        }
        for origin in &self.origins {
            command.arg("--origin").arg(origin);
        }
        if let Some(Outside { listen, certificate, key, hosts }) = &self.outside {
            command.arg("--tls-listen").arg(listen.to_string());
            command.arg("--tls-certificate").arg(certificate).arg("--tls-key").arg(key);
            for host in hosts {
                command.arg("--tls-host").arg(host);
            }
        }
        Ok(())
    }
}

/// The accounts of persons on the stats engine, which `tamga analyst` writes.
pub fn accounts_file(config: &Config) -> PathBuf {
    config.data.dir.join("engine/analysts/accounts.json")
}

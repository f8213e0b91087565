//! Accounts of persons on the stats engine: who may read the published numbers, and of which sites.
//!
//! The file holds names, sites and Argon2id hashes; only this module writes it, and the running engine reads it again when it
//! has changed. A password is random and shown once. Every change is in the audit log before it is made.

use std::fs;
use std::io::ErrorKind;
use std::path::Path;

use anyhow::{Context, Result, anyhow, bail};
use argon2::Argon2;
use argon2::password_hash::PasswordHasher;
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde::{Deserialize, Serialize};
use serde_json::json;

use crate::clock::Clock;
use crate::config::{Config, is_sql_name};
use crate::files::{private_folder, replace};
use crate::serve::audit;
use crate::store::{BREAK_GLASS, USER, accounts_file};

/// Names that the engine gives to accounts of its own.
const TAKEN: [&str; 3] = [USER, "analyst", BREAK_GLASS];
/// Sites of one account: more would make each of its statements long.
const SITES_MAX: usize = 100;

#[derive(Default, Serialize, Deserialize)]
struct Accounts {
    accounts: Vec<Account>,
}

#[derive(Serialize, Deserialize)]
struct Account {
    name: String,
    /// `None`: all sites.
    sites: Option<Vec<String>>,
    /// As a PHC string.
    password: String,
}

impl Account {
    fn reads(&self) -> String {
        self.sites.as_ref().map_or_else(|| "all sites".to_owned(), |sites| sites.join(", "))
    }
}

/// Makes an account, and returns its password with a sentence. Without sites it reads all.
pub fn add(config: &Config, clock: Clock, name: &str, sites: &[String]) -> Result<String> {
    let file = file(config)?;
    if !is_sql_name(name) || TAKEN.contains(&name) {
        bail!("a name has 1 to 64 of the characters a-z A-Z 0-9 _ . - and is not that of an account of Tamga itself");
    }
    if let Some(unknown) = sites.iter().find(|site| config.site(site).is_none()) {
        bail!("the configuration has no [[site]] {unknown}");
    }
    if sites.len() > SITES_MAX {
        bail!("an account has at most {SITES_MAX} sites, or all of them when none is named");
    }
    let mut all = read(&file)?;
    if all.accounts.iter().any(|account| account.name == name) {
        bail!("there is an account {name}; remove it first, then its successor has a new password");
    }
    let mut bytes = [0; 24];
    getrandom::fill(&mut bytes).context("the operating system gives no random numbers")?;
    let password = URL_SAFE_NO_PAD.encode(bytes);
    let hash = Argon2::default().hash_password(password.as_bytes()).map_err(|error| anyhow!("{error}"))?.to_string();
    let sites = (!sites.is_empty()).then(|| sites.to_vec());
    let account = Account { name: name.to_owned(), sites, password: hash };
    let said = format!("{name} reads the published numbers of {}. The password, shown only now:\n", account.reads());
    let entry = json!({ "name": name, "sites": account.sites });
    audit::open(config, clock)?.record("add analyst", &entry).context("cannot write the audit log")?;
    all.accounts.push(account);
    write(&file, &all)?;
    Ok(format!("{said}{password}\n"))
}

/// A line for each account.
pub fn list(config: &Config) -> Result<String> {
    let accounts = read(&file(config)?)?.accounts;
    Ok(accounts.iter().map(|account| format!("{}  {}\n", account.name, account.reads())).collect())
}

/// Removes an account. The engine refuses it from its next request on.
pub fn remove(config: &Config, clock: Clock, name: &str) -> Result<String> {
    let file = file(config)?;
    let mut all = read(&file)?;
    let before = all.accounts.len();
    all.accounts.retain(|account| account.name != name);
    if all.accounts.len() == before {
        bail!("there is no account {name}; `tamga analyst list` prints them");
    }
    audit::open(config, clock)?
        .record("remove analyst", &json!({ "name": name }))
        .context("cannot write the audit log")?;
    write(&file, &all)?;
    Ok(format!("{name} is removed.\n"))
}

fn file(config: &Config) -> Result<std::path::PathBuf> {
    if config.stats.is_some() {
        bail!("[stats] names a server: make accounts there, as schema/access/stats.sql shows");
    }
    Ok(accounts_file(config))
}

fn read(file: &Path) -> Result<Accounts> {
    match fs::read(file) {
        Ok(bytes) => {
            serde_json::from_slice(&bytes).with_context(|| format!("{} is not a list of accounts", file.display()))
        }
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(Accounts::default()),
        Err(error) => Err(error).with_context(|| format!("cannot read {}", file.display())),
    }
}

fn write(file: &Path, accounts: &Accounts) -> Result<()> {
    let sentence = || format!("cannot write {}", file.display());
    private_folder(file.parent().unwrap_or(Path::new("."))).with_context(sentence)?;
    replace(file, &serde_json::to_vec(accounts)?, 0o600).with_context(sentence)
}

//! The demo's folder: whose it is, what was played into it, and the configuration that it holds.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail};
use serde::{Deserialize, Serialize};
use tamga::config::Config;
use tamga::spool;

use crate::geo;
use crate::options::Options;
use crate::site::{NODE, site_toml};

/// The collector's file with the key of its cookies.
const COOKIE_KEY: &str = "cookie.key";

/// The settings of the demo that was played into a folder.
#[derive(Serialize, Deserialize, PartialEq)]
pub(crate) struct Played {
    pub(crate) day: String,
    pub(crate) days: u32,
    pub(crate) visitors: u32,
    pub(crate) port: u16,
}

/// Whether a demo with these settings was played into the folder.
pub(crate) fn is_played(data: &Path, wanted: &Played) -> bool {
    let played = fs::read(data.join("played.json")).ok().and_then(|text| serde_json::from_slice::<Played>(&text).ok());
    played.as_ref() == Some(wanted)
}

/// Empties the demo's folder. Refuses a folder that is not a demo's.
pub(crate) fn clear(options: &Options) -> Result<()> {
    let data = &options.data;
    if let Ok(mut entries) = fs::read_dir(data) {
        if !data.join("demo.toml").exists() && entries.next().is_some() {
            bail!("{} is not empty and not a demo's; give an empty folder with --data", data.display());
        }
        let _held = hold(data)?;
        fs::remove_dir_all(data).with_context(|| format!("cannot empty {}", data.display()))?;
    }
    let keys = keys_dir(options);
    if keys.exists() {
        fs::remove_dir_all(&keys).with_context(|| format!("cannot empty {}", keys.display()))?;
    }
    Ok(())
}

/// Makes sure that no demo runs in the folder: a running one locks its spool, and its files must not be deleted. The
/// lock is held as long as the returned value lives.
pub(crate) fn hold(data: &Path) -> Result<spool::Idle> {
    spool::hold(&data.join("spool"), &spool::Disk)?.with_context(|| {
        "the folder is in use by another tamga, so the demo cannot begin anew; stop the one that runs, or give another \
         folder with --data"
    })
}

/// Writes the folder's configuration and GeoIP files.
pub(crate) fn prepare(options: &Options) -> Result<Config> {
    let data = &options.data;
    let geo = data.join("geo");
    fs::create_dir_all(&geo).with_context(|| format!("cannot make {}", geo.display()))?;
    for (name, bytes) in geo::FILES {
        fs::write(geo.join(name), bytes).with_context(|| format!("cannot write into {}", geo.display()))?;
    }
    let lasting = lasting(options);
    fs::create_dir_all(&lasting).with_context(|| format!("cannot make {}", lasting.display()))?;
    let text = |path: &Path| toml::Value::String(path.display().to_string()).to_string();
    let library = options.library.as_deref().map(|path| format!("library = {}\n", text(path)));
    let config = format!(
        "# Made by `tamga-demo`.\n\n[server]\nlisten = \"127.0.0.1:{port}\"\nadmin_listen = \"127.0.0.1:{admin}\"\n\
         trusted_proxies = [\"127.0.0.0/8\"]\nnode = \"{NODE}\"\n\n[data]\ndir = {dir}\n\n[geo]\nplace = [{v4}, {v6}]\nprovider = [{asn}]\n\n\
         [vault]\nlinger_s = 1\nuntil_window_end = false\n\n[engine]\nvault_listen = \"127.0.0.1:{vault}\"\nstats_listen = \"127.0.0.1:{stats}\"\n{library}\n\
         [keys]\ndir = {keys}\n\n[cookie]\nkey_file = {cookie}\n\n{site}",
        port = options.port,
        admin = options.port + 1,
        dir = text(data),
        v4 = text(&geo.join("city-ipv4.mmdb")),
        v6 = text(&geo.join("city-ipv6.mmdb")),
        asn = text(&geo.join("asn.mmdb")),
        vault = options.engine_port,
        stats = options.engine_port + 1,
        library = library.unwrap_or_default(),
        keys = text(&keys_dir(options)),
        cookie = text(&cookie_key(options)),
        site = site_toml(options.port),
    );
    let path = data.join("demo.toml");
    write_file(&path, config.as_bytes())?;
    Ok(Config::load(&path)?)
}

/// The folder of lasting keys. It lies beside the data folder, so that a copy of that shows nothing of the spool.
fn lasting(options: &Options) -> PathBuf {
    let mut beside = options.data.as_os_str().to_owned();
    beside.push("-keys");
    PathBuf::from(beside)
}

/// The file with the key that seals cookies.
pub(crate) fn cookie_key(options: &Options) -> PathBuf {
    lasting(options).join(COOKIE_KEY)
}

fn keys_dir(options: &Options) -> PathBuf {
    PathBuf::from(format!("/dev/shm/tamga-demo-{}-{}", rustix::process::getuid().as_raw(), options.port))
}

pub(crate) fn write_file(path: &Path, bytes: &[u8]) -> Result<()> {
    fs::write(path, bytes).with_context(|| format!("cannot write {}", path.display()))
}

//! Every setting: its unit is in its name, its default and its reason beside it. Unknown keys are refused.
//!
//! A configuration is one TOML file; any scalar can also be given as `TAMGA__SECTION__KEY` in the environment, secrets only
//! as files. It is read once, checked as a whole, and handed down in parts. [`Config::example`] is the smallest useful one,
//! and a test loads it.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};

use ipnet::IpNet;
use serde::Deserialize;

use crate::items::Items;

/// The whole configuration.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Config {
    /// The two listeners.
    pub server: Server,
    /// The sites whose visits are counted; at least one.
    #[serde(rename = "site")]
    pub sites: Vec<Site>,
    /// Where Tamga keeps what it keeps.
    #[serde(default)]
    pub data: Data,
    /// GeoIP files. Without them places and providers stay empty.
    #[serde(default)]
    pub geo: Geo,
    /// The vault's server. Absent: an embedded engine.
    pub vault: Option<ServerStore>,
    /// The server of the stats store. Absent: an embedded engine.
    pub stats: Option<ServerStore>,
    /// The embedded engines.
    #[serde(default)]
    pub engine: Engine,
    /// Where day keys live.
    #[serde(default)]
    pub keys: Keys,
    /// The key that authenticates cookies.
    #[serde(default)]
    pub cookie: CookieKey,
    /// The publisher.
    #[serde(default)]
    pub publish: Publish,
}

/// The two listeners.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Server {
    /// Where browsers, or the proxy before them, reach the collector.
    pub listen: SocketAddr,
    /// Where operations reach it; not for the internet.
    pub admin_listen: SocketAddr,
    /// Networks whose forwarding headers are believed. Default: none.
    pub trusted_proxies: Vec<IpNet>,
    /// Connections at once, beyond which new ones wait. Default 4096: about 50 MiB of buffers.
    pub max_connections: u32,
    /// Seconds within which a request's head has arrived, also on an idle connection. Default 10.
    pub head_deadline_s: u32,
    /// Seconds within which a request's body has arrived. Default 10.
    pub body_deadline_s: u32,
    /// Seconds that requests under way are given when the collector stops. Default 5.
    pub stop_grace_s: u32,
    /// The name of this node in the ledger of leases. Default: the machine's host name.
    pub node: Option<String>,
}

impl Default for Server {
    fn default() -> Self {
        Self {
            listen: ([127, 0, 0, 1], 8080).into(),
            admin_listen: ([127, 0, 0, 1], 9090).into(),
            trusted_proxies: Vec::new(),
            max_connections: 4096,
            head_deadline_s: 10,
            body_deadline_s: 10,
            stop_grace_s: 5,
            node: None,
        }
    }
}

/// One site.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Site {
    /// Its name in every row and in the snippet's `data-site`; usually its registrable domain.
    pub domain: String,
    /// Where browsers reach the collector for this site: a host name of its own within the site's registrable domain.
    pub public_url: String,
    /// The origins whose pages send beacons, exactly as browsers write them: `https://jetpay.kz`.
    pub origins: Vec<String>,
    /// IANA name of the zone whose midnight ends the day of keys and windows.
    pub time_zone: String,
    /// The policy that the site publishes: `jetpay`, `jetleasing`, `nomapay`, `proit`, `aitu`. Instead of it: `items`.
    pub profile: Option<String>,
    /// The items of an own policy, by their keys in `schema/data-map.toml`.
    pub items: Option<Vec<String>>,
    /// Paths as templates: `:name` folds a segment, `*` at the end keeps any rest. Default: fold what could name someone.
    #[serde(default)]
    pub paths: Vec<String>,
    /// Names of events that pages may send; others are dropped. `[a-z0-9_.-]{1,64}`.
    #[serde(default)]
    pub events: Vec<String>,
    /// Variants that events may bear; others are cut to `other`.
    #[serde(default)]
    pub variants: Vec<String>,
    /// The words of campaigns; others become `other`.
    #[serde(default)]
    pub campaigns: Campaigns,
    /// Registrable domains whose referrals do not begin a visit: a bank's page in the middle of a payment, say.
    #[serde(default)]
    pub ignored_referrers: Vec<String>,
    /// The one granularity that the site's numbers are published in: a divisor of 24 h from local midnight, or `7d`.
    #[serde(default = "Site::default_publish_every")]
    pub publish_every: String,
}

impl Site {
    fn default_publish_every() -> String {
        "24h".to_owned()
    }
}

/// The words that a site's campaigns use.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Campaigns {
    /// Values of `utm_source`.
    pub sources: Vec<String>,
    /// Values of `utm_medium`.
    pub mediums: Vec<String>,
    /// Values of `utm_campaign`.
    pub names: Vec<String>,
}

/// Where Tamga keeps what it keeps.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Data {
    /// Folder of the spool, the embedded stores and the audit log. Default `data`.
    pub dir: PathBuf,
    /// MiB that the spool may take while the vault is away; beyond, beacons are answered 503. Default 1024.
    pub spool_quota_mib: u64,
}

impl Default for Data {
    fn default() -> Self {
        Self { dir: "data".into(), spool_quota_mib: 1024 }
    }
}

/// GeoIP files in the MaxMind format; each may hold IPv4, IPv6 or both.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Geo {
    /// Files that tell country and region.
    pub place: Vec<PathBuf>,
    /// Files that tell the organisation behind an address.
    pub provider: Vec<PathBuf>,
}

/// A ClickHouse server.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ServerStore {
    /// Its HTTP interface: `http://clickhouse:8123`.
    pub url: String,
    /// The service account.
    pub user: String,
    /// The file that holds its password.
    pub password_file: PathBuf,
}

/// The embedded engines.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Engine {
    /// Where the vault's engine listens; loopback only.
    pub vault_listen: SocketAddr,
    /// Where the stats engine listens; loopback only.
    pub stats_listen: SocketAddr,
    /// `libchdb.so`. Default: where `make engine` puts it.
    pub library: Option<PathBuf>,
    /// The program `tamga-engine`. Default: beside `tamga`.
    pub program: Option<PathBuf>,
    /// MiB of memory that each engine may use. Default 800.
    pub memory_limit_mib: u64,
}

impl Default for Engine {
    fn default() -> Self {
        Self {
            vault_listen: ([127, 0, 0, 1], 8123).into(),
            stats_listen: ([127, 0, 0, 1], 8124).into(),
            library: None,
            program: None,
            memory_limit_mib: 800,
        }
    }
}

/// Where day keys live.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Keys {
    /// A folder on memory-backed storage. Default: `tamga/keys` under `$RUNTIME_DIRECTORY`, `$XDG_RUNTIME_DIR` or `/dev/shm`.
    pub dir: Option<PathBuf>,
}

/// The lasting key that authenticates cookies. It links nothing: whoever has it can forge a cookie, not read one.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct CookieKey {
    /// 32 bytes, made at the first start. Default: `cookie.key` beside the configuration file. Nodes share it.
    pub key_file: Option<PathBuf>,
}

/// The publisher.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Publish {
    /// Whether this node publishes; exactly one of several does. Default true.
    pub enabled: bool,
    /// Seconds after which a silent node is no longer waited for. Default 900.
    pub leave_behind_after_s: u32,
}

impl Default for Publish {
    fn default() -> Self {
        Self { enabled: true, leave_behind_after_s: 900 }
    }
}

/// A configuration that cannot be used, and what to do about it.
#[derive(Debug, thiserror::Error)]
pub enum ConfigError {
    /// The file cannot be read.
    #[error("cannot read the configuration {path}: {source}. Give its place with --config FILE.", path = path.display())]
    Unreadable {
        /// Which file.
        path: PathBuf,
        /// What the system said.
        source: std::io::Error,
    },
    /// It is not TOML, has an unknown key, or a value of the wrong type.
    #[error("the configuration {path} is not right: {message}", path = path.display())]
    Invalid {
        /// Which file.
        path: PathBuf,
        /// Where and what.
        message: String,
    },
    /// An environment variable does not fit.
    #[error("the environment variable {name} does not fit: {message}")]
    Environment {
        /// Which variable.
        name: String,
        /// What is wrong.
        message: String,
    },
    /// A value is right by itself but not as a whole.
    #[error("{key}: {message}")]
    Unsound {
        /// The key's place, as `site[0].time_zone`.
        key: String,
        /// What is wrong and what to do.
        message: String,
    },
}

impl Config {
    /// The smallest useful configuration.
    ///
    /// ```
    /// let text = tamga::config::Config::example();
    /// let config = tamga::config::Config::parse(text, "tamga.toml".as_ref(), std::iter::empty()).expect("it is sound");
    /// assert_eq!(config.sites[0].publish_every, "24h");
    /// ```
    pub fn example() -> &'static str {
        include_str!("../deploy/tamga.example.toml")
    }

    /// Reads and checks a file, with `TAMGA__SECTION__KEY` from the environment over it.
    pub fn load(path: &Path) -> Result<Self, ConfigError> {
        let text = std::fs::read_to_string(path)
            .map_err(|source| ConfigError::Unreadable { path: path.to_owned(), source })?;
        Self::parse(&text, path, std::env::vars())
    }

    /// Reads and checks a text; `environment` gives variables over it. `path` is for messages and relative defaults.
    pub fn parse(
        text: &str,
        path: &Path,
        environment: impl Iterator<Item = (String, String)>,
    ) -> Result<Self, ConfigError> {
        let invalid = |message: String| ConfigError::Invalid { path: path.to_owned(), message };
        let mut overrides: Vec<_> = environment.filter(|(name, _)| name.starts_with("TAMGA__")).collect();
        overrides.sort();
        let mut config: Self = if overrides.is_empty() {
            // Straight from the text, so that messages point at line and column.
            toml::from_str(text).map_err(|error| invalid(error.to_string()))?
        } else {
            let mut table: toml::Table = toml::from_str(text).map_err(|error| invalid(error.to_string()))?;
            for (name, value) in overrides {
                merge(&mut table, &name, &value)?;
            }
            table.try_into().map_err(|error: toml::de::Error| invalid(error.to_string()))?
        };
        config.cookie.key_file.get_or_insert_with(|| path.with_file_name("cookie.key"));
        config.check()?;
        Ok(config)
    }

    /// The site of a name, as the snippet sends it.
    pub fn site(&self, domain: &str) -> Option<&Site> {
        self.sites.iter().find(|site| site.domain == domain)
    }

    fn check(&self) -> Result<(), ConfigError> {
        let unsound = |key: String, message: &str| Err(ConfigError::Unsound { key, message: message.to_owned() });
        if self.sites.is_empty() {
            return unsound("site".into(), "at least one [[site]] is needed; `tamga config example` prints one.");
        }
        for (index, site) in self.sites.iter().enumerate() {
            let key = |name: &str| format!("site[{index}].{name}");
            if site.domain.is_empty() || site.domain.len() > 253 || !site.domain.bytes().all(is_domain_byte) {
                return unsound(key("domain"), "a lower-case domain name is expected, such as jetpay.kz.");
            }
            if self.sites[..index].iter().any(|other| other.domain == site.domain) {
                return unsound(key("domain"), "two sites have the same domain; give each its own.");
            }
            let Some(public) = site.public_host() else {
                return unsound(key("public_url"), "an http or https URL without a path is expected.");
            };
            let secure = site.public_url.starts_with("https://");
            if !secure && !is_loopback_name(&public) {
                return unsound(key("public_url"), "plain http is for loopback only; use https.");
            }
            if site.origins.is_empty() {
                return unsound(key("origins"), "list the origins of the site's pages, such as \"https://jetpay.kz\".");
            }
            for origin in &site.origins {
                let host = origin.strip_prefix("https://").or_else(|| origin.strip_prefix("http://"));
                if host.is_none_or(|host| host.is_empty() || host.contains(['/', '?', '#', '@', '*'])) {
                    return unsound(
                        key("origins"),
                        "an origin is a scheme, a host and maybe a port, nothing after it.",
                    );
                }
            }
            if jiff::tz::TimeZone::get(&site.time_zone).is_err() {
                return unsound(key("time_zone"), "an IANA time zone is expected, such as Asia/Almaty.");
            }
            if let Err(message) = Items::of(site.profile.as_deref(), site.items.as_deref()) {
                return unsound(key("profile"), &message);
            }
            if site.publish_minutes().is_none() {
                return unsound(key("publish_every"), "1h, 2h, 3h, 4h, 6h, 8h, 12h, 24h or 7d is expected.");
            }
            for name in site.events.iter().chain(&site.variants) {
                if !is_event_name(name) {
                    return unsound(key("events"), "a name has 1 to 64 of the characters a-z 0-9 _ . -");
                }
            }
            for path in &site.paths {
                if !path.starts_with('/') || path.len() > 512 {
                    return unsound(key("paths"), "a path template begins with / and has at most 512 characters.");
                }
            }
        }
        for (key, address) in
            [("engine.vault_listen", self.engine.vault_listen), ("engine.stats_listen", self.engine.stats_listen)]
        {
            if !address.ip().is_loopback() {
                return unsound(key.into(), "the embedded engines listen on loopback only.");
            }
        }
        Ok(())
    }
}

impl Site {
    /// The host, with its port if it has one, of `public_url`.
    pub fn public_host(&self) -> Option<String> {
        let rest = self.public_url.strip_prefix("https://").or_else(|| self.public_url.strip_prefix("http://"))?;
        let host = rest.strip_suffix('/').unwrap_or(rest);
        (!host.is_empty() && !host.contains(['/', '?', '#', '@'])).then(|| host.to_owned())
    }

    /// `publish_every` in minutes; `None` when it is not one of the allowed.
    pub fn publish_minutes(&self) -> Option<u32> {
        match self.publish_every.as_str() {
            "7d" => Some(7 * 24 * 60),
            hours => {
                let hours: u32 = hours.strip_suffix('h')?.parse().ok()?;
                (hours > 0 && 24 % hours == 0).then_some(hours * 60)
            }
        }
    }
}

/// Whether a name of an event or a variant has the allowed form.
pub fn is_event_name(name: &str) -> bool {
    (1..=64).contains(&name.len())
        && name.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || matches!(b, b'_' | b'.' | b'-'))
}

fn is_domain_byte(byte: u8) -> bool {
    byte.is_ascii_lowercase() || byte.is_ascii_digit() || matches!(byte, b'.' | b'-')
}

/// Whether a host, with or without a port, is this machine by its name alone.
pub fn is_loopback_name(host: &str) -> bool {
    let name = host.rsplit_once(':').map_or(host, |(name, _)| name);
    name == "localhost" || name.ends_with(".localhost") || name == "127.0.0.1" || name == "[::1]"
}

/// Puts `TAMGA__SECTION__KEY=value` into the table. Only scalars of sections; sites are lists and stay in the file.
fn merge(table: &mut toml::Table, name: &str, value: &str) -> Result<(), ConfigError> {
    let environment = |message: &str| ConfigError::Environment { name: name.to_owned(), message: message.to_owned() };
    let path = name["TAMGA__".len()..].to_ascii_lowercase();
    let Some((section, key)) = path.split_once("__") else {
        return Err(environment("expected TAMGA__SECTION__KEY, such as TAMGA__SERVER__LISTEN."));
    };
    let entry = table.entry(section.to_owned()).or_insert_with(|| toml::Value::Table(toml::Table::new()));
    let Some(section) = entry.as_table_mut() else {
        return Err(environment("this section is a list and can only be set in the file."));
    };
    // A bare word is a string; numbers, booleans and lists are written as in TOML.
    let parsed = toml::from_str::<toml::Table>(&format!("value = {value}"))
        .ok()
        .and_then(|mut parsed| parsed.remove("value"))
        .unwrap_or_else(|| toml::Value::String(value.to_owned()));
    section.insert(key.to_owned(), parsed);
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(text: &str) -> Result<Config, ConfigError> {
        Config::parse(text, Path::new("dir/tamga.toml"), std::iter::empty())
    }

    #[test]
    fn the_example_is_sound_and_has_the_documented_defaults() {
        let config = parse(Config::example()).expect("sound");
        assert_eq!(config.cookie.key_file.as_deref(), Some(Path::new("dir/cookie.key")));
        assert_eq!(config.engine.vault_listen.port(), 8123);
        assert!(config.site("jetpay.kz").is_some());
    }

    #[test]
    fn an_unknown_key_is_refused_with_its_place() {
        let error = parse(&Config::example().replace("listen =", "lissen =")).expect_err("unknown key").to_string();
        assert!(error.contains("lissen") && error.contains("line"), "{error}");
    }

    #[test]
    fn the_environment_goes_over_the_file() {
        let vars = [
            ("TAMGA__SERVER__LISTEN".to_owned(), "127.0.0.1:7000".to_owned()),
            ("TAMGA__DATA__SPOOL_QUOTA_MIB".to_owned(), "7".to_owned()),
            ("HOME".to_owned(), "/".to_owned()),
        ];
        let config = Config::parse(Config::example(), Path::new("t.toml"), vars.into_iter()).expect("sound");
        assert_eq!(config.server.listen.port(), 7000);
        assert_eq!(config.data.spool_quota_mib, 7);
        for (name, value) in [("TAMGA__LISTEN", "x"), ("TAMGA__SITE__DOMAIN", "x"), ("TAMGA__SERVER__NOPE", "1")] {
            let vars = [(name.to_owned(), value.to_owned())];
            assert!(Config::parse(Config::example(), Path::new("t.toml"), vars.into_iter()).is_err(), "{name}");
        }
    }

    #[test]
    fn what_is_unsound_is_named() {
        for (from, to, key) in [
            ("Asia/Almaty", "Asia/Nowhere", "site[0].time_zone"),
            ("https://t.jetpay.kz", "http://t.jetpay.kz", "site[0].public_url"),
            ("[\"https://jetpay.kz\"]", "[\"https://jetpay.kz/\"]", "site[0].origins"),
            ("\"jetpay\"", "\"jetpy\"", "site[0].profile"),
            ("domain = \"jetpay.kz\"", "domain = \"Jetpay.kz\"", "site[0].domain"),
        ] {
            let error = parse(&Config::example().replace(from, to)).expect_err(key).to_string();
            assert!(error.starts_with(key), "{error}");
        }
    }
}

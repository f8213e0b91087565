//! Reading a configuration and checking it as a whole; every error is a sentence that names the place and what to do.

use std::path::{Path, PathBuf};

use super::{Config, Identification, Retention, Site, is_event_name, is_loopback_name};
use crate::items::Items;
use crate::outcome::SUSPICIONS;

/// Bytes of a site's domain: with day and attribute it fits a stream's 255.
const DOMAIN_MAX: usize = 200;

/// A configuration that cannot be used, and what to do about it.
#[derive(Debug, thiserror::Error)]
pub enum ConfigError {
    /// The file cannot be read.
    #[error(
        "cannot read the configuration {path}: {cause}. Give its place with --config FILE; `tamga config example` prints one",
        path = path.display()
    )]
    Unreadable {
        /// Which file.
        path: PathBuf,
        /// What the system said. It is in the message, hence not a source.
        cause: std::io::Error,
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
    #[error("the configuration {path} is not right: {key}: {message}", path = path.display())]
    Unsound {
        /// Which file.
        path: PathBuf,
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
        include_str!("../../deploy/tamga.example.toml")
    }

    /// Reads and checks a file, with `TAMGA__SECTION__KEY` from the environment over it.
    pub fn load(path: &Path) -> Result<Self, ConfigError> {
        let text =
            std::fs::read_to_string(path).map_err(|cause| ConfigError::Unreadable { path: path.to_owned(), cause })?;
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
            // Straight from the text, so that messages point at the line.
            toml::from_str(text).map_err(|error| invalid(sentence(text, &error)))?
        } else {
            let mut table: toml::Table = toml::from_str(text).map_err(|error| invalid(sentence(text, &error)))?;
            for (name, value) in overrides {
                merge(&mut table, &name, &value)?;
            }
            let over = |error| format!("with the TAMGA__ variables over it, {}", sentence("", &error));
            table.try_into().map_err(|error| invalid(over(error)))?
        };
        config.cookie.key_file.get_or_insert_with(|| path.with_file_name("cookie.key"));
        match config.unsound() {
            None => Ok(config),
            Some((key, message)) => Err(ConfigError::Unsound { path: path.to_owned(), key, message }),
        }
    }

    /// The site of a name, as the snippet sends it.
    pub fn site(&self, domain: &str) -> Option<&Site> {
        self.sites.iter().find(|site| site.domain == domain)
    }

    /// The first key that does not fit the others or what it is for, and what to do about it.
    fn unsound(&self) -> Option<(String, String)> {
        let at = |key: &str, message: &str| Some((key.to_owned(), message.to_owned()));
        if self.sites.is_empty() {
            return at("site", "at least one [[site]] is needed; `tamga config example` prints one");
        }
        for (index, site) in self.sites.iter().enumerate() {
            if self.sites[..index].iter().any(|other| other.domain == site.domain) {
                return at(&format!("site[{index}].domain"), "two sites have the same domain; give each its own");
            }
            if let Some((key, message)) = site.unsound() {
                return Some((format!("site[{index}].{key}"), message));
            }
        }
        let server = &self.server;
        for (key, value) in [
            ("server.max_connections", server.max_connections),
            ("server.head_deadline_s", server.head_deadline_s),
            ("server.body_deadline_s", server.body_deadline_s),
        ] {
            if value == 0 {
                return at(key, "with 0 nobody could be served; leave the key out for its default");
            }
        }
        if server.client_address_header.parse::<http::HeaderName>().is_err() {
            return at("server.client_address_header", "a header's name is expected, such as X-Forwarded-For");
        }
        if server.certificate_file.is_some() != server.key_file.is_some() {
            return at(
                "server.certificate_file",
                "TLS needs both certificate_file and key_file; without TLS give neither",
            );
        }
        if server.listen == server.admin_listen && server.listen.port() != 0 {
            return at("server.admin_listen", "it is also [server] listen; give the operations' listener another port");
        }
        // The upper bound is what an i64 holds of bytes, more than any disk does.
        if !(1..1 << 43).contains(&self.data.spool_quota_mib) {
            return at("data.spool_quota_mib", "give the MiB that the spool may take, at least 1; 1024 is the default");
        }
        for (key, store) in [("vault.cluster", &self.vault), ("stats.cluster", &self.stats)] {
            let name = store.as_ref().and_then(|store| store.cluster.as_deref());
            if name.is_some_and(|name| !is_event_name(&name.to_ascii_lowercase())) {
                return at(key, "a cluster's name has 1 to 64 of the characters A-Z a-z 0-9 _ . -");
            }
        }
        if !(1..=Retention::MOST_STATS_MONTHS).contains(&self.retention.stats_months) {
            return at(
                "retention.stats_months",
                "published numbers stay 1 to 36 months; no policy allows more than three years",
            );
        }
        if self.retention.vault_hours > Retention::MOST_VAULT_HOURS {
            return at("retention.vault_hours", "a published day stays in the vault for at most 72 hours");
        }
        let engine = &self.engine;
        for (key, address) in
            [("engine.vault_listen", engine.vault_listen), ("engine.stats_listen", engine.stats_listen)]
        {
            if !address.ip().is_loopback() {
                return at(key, "the embedded engines listen on loopback only, such as 127.0.0.1:8123");
            }
        }
        let wall = &self.wall;
        let names = [
            ("wall.identified_databases", &wall.identified_databases),
            ("wall.identified_roles", &wall.identified_roles),
            ("wall.other_databases", &wall.other_databases),
            ("wall.service_accounts", &wall.service_accounts),
        ];
        for (key, names) in names {
            if !names.iter().all(|name| is_sql_name(name)) {
                return at(key, "a name has 1 to 64 of the characters a-z A-Z 0-9 _ . -");
            }
        }
        if !wall.query_log.split('.').all(is_sql_name) {
            return at("wall.query_log", "a table is expected, such as system.query_log");
        }
        if engine.vault_listen == engine.stats_listen && engine.vault_listen.port() != 0 {
            return at("engine.stats_listen", "it is also [engine] vault_listen; give each engine a port of its own");
        }
        None
    }
}

impl Site {
    fn unsound(&self) -> Option<(&'static str, String)> {
        let at = |key: &'static str, message: &str| Some((key, message.to_owned()));
        if self.domain.is_empty() || self.domain.len() > DOMAIN_MAX || !self.domain.bytes().all(is_domain_byte) {
            return at("domain", "a lower-case domain name is expected, such as jetpay.kz");
        }
        let Some(public) = self.public_host() else {
            return at("public_url", "an http or https URL without a path is expected, such as https://t.jetpay.kz");
        };
        if !self.public_url.starts_with("https://") && !is_loopback_name(&public) {
            return at("public_url", "plain http is for loopback only; use https");
        }
        if self.origins.is_empty() {
            return at("origins", "list the origins of the site's pages, such as \"https://jetpay.kz\"");
        }
        if !self.origins.iter().all(|origin| is_origin(origin)) {
            return at(
                "origins",
                "give each as browsers write it, such as \"https://jetpay.kz\": a scheme, a host in lower case, a port if it \
                 is not the scheme's own, and nothing after it",
            );
        }
        if jiff::tz::TimeZone::get(&self.time_zone).is_err() {
            return at("time_zone", "an IANA time zone is expected, such as Asia/Almaty");
        }
        if let Err(message) = Items::of(self.profile.as_deref(), self.items.as_deref()) {
            return Some((if self.items.is_some() { "items" } else { "profile" }, message));
        }
        if self.publish_minutes().is_none() {
            return at("publish_every", "1h, 2h, 3h, 4h, 6h, 8h, 12h, 24h or 7d is expected");
        }
        if self.identity != Identification::Cookie && self.publish_every == "7d" {
            return at(
                "publish_every",
                "without a cookie nobody knows a visitor's first day of a week, so 7d would show nothing; give 24h or less",
            );
        }
        if self.policy_version.as_deref().is_some_and(|version| !is_event_name(version)) {
            return at("policy_version", "a version has 1 to 64 of the characters a-z 0-9 _ . -");
        }
        if let Some(unknown) = self.drop_suspects.iter().find(|sign| !SUSPICIONS.contains(&sign.as_str())) {
            return Some((
                "drop_suspects",
                format!("there is no sign {unknown:?}; there are {}", SUSPICIONS.join(", ")),
            ));
        }
        for (key, names) in [("events", &self.events), ("variants", &self.variants)] {
            if !names.iter().all(|name| is_event_name(name)) {
                return at(key, "a name has 1 to 64 of the characters a-z 0-9 _ . -");
            }
        }
        if let Some(declared) = super::declared::unsound(self) {
            return Some(declared);
        }
        if !self.paths.iter().all(|path| path.starts_with('/') && path.len() <= 512) {
            return at("paths", "a path template begins with / and has at most 512 characters, such as /pay/:order");
        }
        None
    }
}

/// Whether a name can stand in SQL as it is.
pub fn is_sql_name(name: &str) -> bool {
    (1..=64).contains(&name.len()) && name.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'_' | b'.' | b'-'))
}

/// Whether a text is an origin in the very form in which browsers send it. Another form would never match.
fn is_origin(text: &str) -> bool {
    url::Url::parse(text)
        .is_ok_and(|url| matches!(url.scheme(), "http" | "https") && url.origin().ascii_serialization() == text)
}

/// What the reader of TOML says, in one line, with the line of the file that it is about.
fn sentence(text: &str, error: &toml::de::Error) -> String {
    let said = match error.message().trim() {
        "invalid socket address syntax" => "an IP address with a port is expected, such as 127.0.0.1:8080",
        "invalid IP address syntax" => "a network is expected, such as 127.0.0.0/8",
        said => said,
    };
    let place = match error.span().and_then(|span| text.get(..span.start)) {
        Some(before) if !text.is_empty() => {
            let number = before.matches('\n').count();
            format!("line {}, `{}`", number + 1, text.lines().nth(number).unwrap_or("").trim())
        }
        // Without the text it says the key on a line of its own.
        _ => error.to_string().lines().nth(1).unwrap_or("").trim().to_owned(),
    };
    let said = said.replace('\n', "; ");
    if place.is_empty() { said } else { format!("{place}: {said}") }
}

fn is_domain_byte(byte: u8) -> bool {
    byte.is_ascii_lowercase() || byte.is_ascii_digit() || matches!(byte, b'.' | b'-')
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
            ("[\"https://jetpay.kz\"]", "[\"https://JetPay.kz\"]", "site[0].origins"),
            ("[\"https://jetpay.kz\"]", "[\"https://jetpay.kz:443\"]", "site[0].origins"),
            ("admin_listen = \"127.0.0.1:9090\"", "admin_listen = \"127.0.0.1:8080\"", "server.admin_listen"),
            ("[server]", "[server]\nmax_connections = 0", "server.max_connections"),
            ("[server]", "[server]\nbody_deadline_s = 0", "server.body_deadline_s"),
            ("[server]", "[server]\nclient_address_header = \"X Real\"", "server.client_address_header"),
            ("[server]", "[server]\nkey_file = \"key.pem\"", "server.certificate_file"),
            ("[data]", "[data]\nspool_quota_mib = 0", "data.spool_quota_mib"),
            ("[data]", "[engine]\nvault_listen = \"127.0.0.1:8124\"\n[data]", "engine.stats_listen"),
            (
                "[data]",
                "[stats]\nurl = \"http://a:1\"\nuser = \"u\"\npassword_file = \"p\"\ncluster = \"a'b\"\n[data]",
                "stats.cluster",
            ),
            ("[data]", "[retention]\nstats_months = 37\n[data]", "retention.stats_months"),
            ("[data]", "[retention]\nstats_months = 0\n[data]", "retention.stats_months"),
            ("[data]", "[retention]\nvault_hours = 73\n[data]", "retention.vault_hours"),
            ("\"jetpay\"", "\"jetpy\"", "site[0].profile"),
            ("profile =", "drop_suspects = [\"headles\"]\nprofile =", "site[0].drop_suspects"),
            ("domain = \"jetpay.kz\"", "domain = \"Jetpay.kz\"", "site[0].domain"),
        ] {
            let error = parse(&Config::example().replace(from, to)).expect_err(key).to_string();
            assert!(error.contains(&format!("is not right: {key}: ")), "{error}");
        }
    }
}

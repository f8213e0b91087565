//! Reading a configuration and checking it as a whole; every error is a sentence that names the place and what to do.

use std::path::{Path, PathBuf};

use super::{Config, Site, is_event_name, is_loopback_name};
use crate::items::Items;

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
        include_str!("../../deploy/tamga.example.toml")
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
            ("\"jetpay\"", "\"jetpy\"", "site[0].profile"),
            ("domain = \"jetpay.kz\"", "domain = \"Jetpay.kz\"", "site[0].domain"),
        ] {
            let error = parse(&Config::example().replace(from, to)).expect_err(key).to_string();
            assert!(error.starts_with(key), "{error}");
        }
    }
}

//! Reads a configuration: the TOML file, the environment over it, then the checks.

use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use jiff::tz::TimeZone;

use super::check::check;
use super::error::{ConfigError, Errors};
use super::{Config, CookieKey, Site};

/// The name of the cookie key's file, when the configuration names none.
const COOKIE_KEY: &str = "cookie.key";

impl Config {
    /// The time zone of each site.
    pub fn time_zones(&self) -> HashMap<Arc<str>, TimeZone> {
        let zone = |site: &Site| Some((site.domain.as_str().into(), TimeZone::get(&site.time_zone).ok()?));
        self.sites.iter().filter_map(zone).collect()
    }

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

    /// Reads and checks a file. Variables `TAMGA__SECTION__KEY` of the environment override it.
    pub fn load(path: &Path) -> Result<Self, ConfigError> {
        let text =
            std::fs::read_to_string(path).map_err(|cause| ConfigError::Unreadable { path: path.to_owned(), cause })?;
        Self::parse(&text, path, std::env::vars())
    }

    /// Reads and checks a text. Variables of `environment` override it; `path` is for messages and relative defaults.
    /// The error lists all that is wrong.
    pub fn parse(
        text: &str,
        path: &Path,
        environment: impl Iterator<Item = (String, String)>,
    ) -> Result<Self, ConfigError> {
        let mut errors = Errors::new(path);
        let mut overrides: Vec<_> = environment.filter(|(name, _)| name.starts_with("TAMGA__")).collect();
        overrides.sort();
        match read(text, &overrides, &mut errors) {
            Some(mut config) => {
                config.cookie.key_file.get_or_insert_with(|| path.with_file_name(COOKIE_KEY));
                check(&config, &mut errors);
                if errors.sentences.is_empty() { Ok(config) } else { Err(ConfigError::Invalid(errors.sentences)) }
            }
            None => Err(ConfigError::Invalid(errors.sentences)),
        }
    }

    /// The site of a name, as the snippet sends it.
    pub fn site(&self, domain: &str) -> Option<&Site> {
        self.sites.iter().find(|site| site.domain == domain)
    }
}

/// Reads the text with the variables over it. `None` means that an error was added: the TOML reader stops at its first one.
fn read(text: &str, overrides: &[(String, String)], errors: &mut Errors<'_>) -> Option<Config> {
    if overrides.is_empty() {
        // Straight from the text, so that messages point at the line.
        return toml::from_str(text).map_err(|error| errors.add(&sentence(text, &error))).ok();
    }
    let mut table: toml::Table = toml::from_str(text).map_err(|error| errors.add(&sentence(text, &error))).ok()?;
    for (name, value) in overrides {
        if let Err(message) = merge(&mut table, name, value) {
            errors.sentences.push(format!("the environment variable {name} does not fit: {message}"));
        }
    }
    let over = |error| format!("with the TAMGA__ variables over it, {}", sentence("", &error));
    table.try_into().map_err(|error| errors.add(&over(error))).ok()
}

/// What the TOML reader says, as one line, with the line of the file.
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
        // Without the text, the reader writes the key on a separate line.
        _ => error.to_string().lines().nth(1).unwrap_or("").trim().to_owned(),
    };
    let said = said.replace('\n', "; ");
    if place.is_empty() { said } else { format!("{place}: {said}") }
}

/// Puts `TAMGA__SECTION__KEY=value` into the table. Only scalars of sections; sites are lists and stay in the file.
fn merge(table: &mut toml::Table, name: &str, value: &str) -> Result<(), &'static str> {
    let path = name["TAMGA__".len()..].to_ascii_lowercase();
    let Some((section, key)) = path.split_once("__") else {
        return Err("expected TAMGA__SECTION__KEY, such as TAMGA__SERVER__LISTEN.");
    };
    let entry = table.entry(section.to_owned()).or_insert_with(|| toml::Value::Table(toml::Table::new()));
    let Some(section) = entry.as_table_mut() else {
        return Err("this section is a list and can only be set in the file.");
    };
    // A bare word is a string; numbers, booleans and lists are written as in TOML.
    let parsed = toml::from_str::<toml::Table>(&format!("value = {value}"))
        .ok()
        .and_then(|mut parsed| parsed.remove("value"))
        .unwrap_or_else(|| toml::Value::String(value.to_owned()));
    section.insert(key.to_owned(), parsed);
    Ok(())
}

impl CookieKey {
    /// The file of the key. A configuration that was read from a file always has one, beside that file by default.
    pub fn path(&self) -> &Path {
        self.key_file.as_deref().unwrap_or(Path::new(COOKIE_KEY))
    }

    /// The file of the spool's keys, which lies beside that of the cookie key.
    pub fn spool_key_beside(cookie_key: &Path) -> PathBuf {
        cookie_key.with_file_name("spool.key")
    }
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
}

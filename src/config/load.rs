//! Reads a configuration: the TOML file, the environment over it, then the checks.

use std::collections::HashMap;
use std::ops::Range;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use jiff::tz::TimeZone;

use super::check::check;
use super::error::{ConfigError, Errors};
use super::written::normalise;
use super::{Config, CookieKey, Site, VerdictKeys};

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
                config.protect.key_dir.get_or_insert_with(|| config.cookie.path().with_file_name(VerdictKeys::DEFAULT));
                normalise(&mut config, &mut errors);
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

/// Reads the text with the variables over it. All that does not fit is left out and added as an error, so that the checks
/// see the rest. `None` means that too little is left.
fn read(text: &str, overrides: &[(String, String)], errors: &mut Errors<'_>) -> Option<Config> {
    let (mut rest, mut config) = (text.to_owned(), None);
    // Each round leaves out one entry of the text, so there is an end.
    while config.is_none() {
        match toml::from_str::<Config>(&rest) {
            Ok(read) => config = Some(read),
            Err(error) => {
                let is_left_out = leave_out(&mut rest, &error);
                // What is missing only because it was left out has been said already.
                if is_left_out || rest == text || !error.message().contains("missing field") {
                    errors.add(&sentence(text, &error));
                }
                if !is_left_out {
                    break;
                }
            }
        }
    }
    if overrides.is_empty() {
        return config;
    }
    let mut table: toml::Table = toml::from_str(&rest).ok()?;
    for (name, value) in overrides {
        let mut with = table.clone();
        if let Err(message) = merge(&mut with, name, value) {
            errors.sentences.push(format!("the environment variable {name} does not fit: {message}"));
            continue;
        }
        match toml::Value::Table(with.clone()).try_into::<Config>() {
            Ok(read) => (table, config) = (with, Some(read)),
            // A variable may add what the file lacks, beside others.
            Err(error) if error.message().contains("missing field") => table = with,
            Err(error) => errors.add(&format!("with the TAMGA__ variables over it, {}", sentence("", &error))),
        }
    }
    config
}

/// Blanks the innermost entry of the text that an error is about. False if there is none, because all of the text is wrong or
/// something is missing.
fn leave_out(text: &mut String, error: &toml::de::Error) -> bool {
    let (Some(span), Ok(table)) = (error.span(), toml::de::DeTable::parse(text)) else { return false };
    if error.message().contains("missing field") {
        return false;
    }
    let Some(entry) = entry_at(table.get_ref(), &span) else { return false };
    let blank: String = text[entry.clone()].chars().map(|c| if c == '\n' { '\n' } else { ' ' }).collect();
    text.replace_range(entry, &blank);
    true
}

/// Where the innermost entry of a table lies, from its key to the end of its value, that contains a place.
fn entry_at(table: &toml::de::DeTable<'_>, place: &Range<usize>) -> Option<Range<usize>> {
    table.iter().find_map(|(key, value)| {
        let inner = match value.get_ref() {
            toml::de::DeValue::Table(table) => entry_at(table, place),
            toml::de::DeValue::Array(values) => values.iter().find_map(|value| match value.get_ref() {
                toml::de::DeValue::Table(table) => entry_at(table, place),
                _ => None,
            }),
            _ => None,
        };
        let whole = key.span().start..value.span().end.max(key.span().end);
        let is_in_one_place = whole.start <= place.start && place.end <= whole.end;
        let is_value = !matches!(value.get_ref(), toml::de::DeValue::Table(_));
        inner.or((is_in_one_place && is_value).then_some(whole))
    })
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
    if value.trim().is_empty() {
        return Err("it is empty; take it away, or give it a value.");
    }
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
        assert_eq!(config.server.listen.tcp().map(|address| address.port()), Some(7000));
        assert_eq!(config.data.spool_quota_mib, 7);
        for (name, value) in [("TAMGA__LISTEN", "x"), ("TAMGA__SITE__DOMAIN", "x"), ("TAMGA__SERVER__NOPE", "1")] {
            let vars = [(name.to_owned(), value.to_owned())];
            assert!(Config::parse(Config::example(), Path::new("t.toml"), vars.into_iter()).is_err(), "{name}");
        }
    }
}

//! What a request asks for, read from its URL, its headers and (for forms) its fields.
//!
//! Everything that is not a parameter of the transport is a setting of the engine and is applied with `SET`, so a
//! misspelt name is the engine's own error, not a silent nothing.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use http::request::Parts;
use http::{HeaderMap, Method, header};
use url::form_urlencoded;

use crate::authenticator::Credentials;
use crate::failure::Failure;

/// Parameters of the HTTP interface that are no settings, or only make sense to a server with sessions, roles or
/// quotas.
const TRANSPORT: [&str; 21] = [
    "add_http_cors_header",
    "buffer_size",
    "cancel_http_readonly_queries_on_client_close",
    "close_session",
    "enable_http_compression",
    "framing",
    "http_headers_progress_interval_ms",
    "http_native_compression_disable_checksumming_on_decompress",
    "http_response_headers",
    "http_wait_end_of_query",
    "http_write_exception_in_output_format",
    "http_zlib_compression_level",
    "quota_key",
    "role",
    "send_progress_in_http_headers",
    "session_check",
    "session_id",
    "session_timeout",
    "stacktrace",
    "wait_end_of_query",
    "X-ClickHouse-Progress",
];

/// A request, before its body is read.
#[derive(Default)]
pub(crate) struct Request {
    pub(crate) credentials: Credentials,
    /// The statement, or its beginning; the rest is the body.
    pub(crate) query: String,
    pub(crate) database: Option<String>,
    pub(crate) default_format: Option<String>,
    pub(crate) query_id: Option<String>,
    /// For `SET`, in the order given.
    pub(crate) settings: Vec<(String, String)>,
    /// Values for `{name:Type}`, without the prefix `param_`.
    pub(crate) parameters: Vec<(String, String)>,
    /// The body comes in compressed blocks.
    pub(crate) decompress: bool,
    /// The revision of the protocol in which the client reads the Native format; 0 if it names none.
    pub(crate) revision: u64,
    /// The answer shall go in compressed blocks.
    pub(crate) compress: bool,
    /// The method is `GET`, which must change nothing.
    pub(crate) reads_only: bool,
}

impl Request {
    /// Reads URL and headers.
    pub(crate) fn from_head(head: &Parts) -> Result<Self, Failure> {
        let mut request = Self { reads_only: head.method != Method::POST, ..Self::default() };
        for (name, value) in form_urlencoded::parse(head.uri.query().unwrap_or("").as_bytes()) {
            match name.as_ref() {
                "user" => request.credentials.user = Some(value.into_owned()),
                "password" => request.credentials.password = Some(value.into_owned()),
                _ => request.add(&name, value.into_owned())?,
            }
        }
        let named = |name: &str| text(&head.headers, name);
        if let Some(basic) = basic_credentials(&head.headers)? {
            request.credentials = basic;
        }
        if let Some(user) = named("x-clickhouse-user")? {
            request.credentials.user = Some(user);
            request.credentials.password = named("x-clickhouse-key")?.or(request.credentials.password);
        }
        request.database = request.database.or(named("x-clickhouse-database")?);
        request.default_format = request.default_format.or(named("x-clickhouse-format")?);
        Ok(request)
    }

    /// Takes one parameter of the URL or one field of a form.
    pub(crate) fn add(&mut self, name: &str, value: String) -> Result<(), Failure> {
        match name {
            "query" => self.query = value,
            "database" => self.database = Some(value).filter(|name| !name.is_empty()),
            "default_format" => self.default_format = Some(value).filter(|name| !name.is_empty()),
            "query_id" => {
                // It comes back in a header.
                let fits = value.len() <= 128 && value.bytes().all(|byte| byte.is_ascii_graphic());
                self.query_id = Some(value).filter(|id| fits && !id.is_empty());
            }
            "decompress" => self.decompress = is_true(&value),
            "compress" => self.compress = is_true(&value),
            "client_protocol_version" => {
                self.revision =
                    value.parse().map_err(|_| Failure::bad_request("client_protocol_version must be a number."))?;
            }
            "user" | "password" => {
                return Err(Failure::bad_request("Credentials belong into the URL or the headers, not into a form."));
            }
            _ if TRANSPORT.contains(&name) => {}
            _ => match name.strip_prefix("param_") {
                Some(parameter) => self.parameters.push((identifier(parameter)?, value)),
                None => self.settings.push((identifier(name)?, value)),
            },
        }
        Ok(())
    }

    /// The statement that applies the settings, if there are any.
    pub(crate) fn set_statement(settings: &[(String, String)]) -> Option<String> {
        let assignments: Vec<String> =
            settings.iter().map(|(name, value)| format!("{name} = {}", literal(value))).collect();
        (!assignments.is_empty()).then(|| format!("SET {}", assignments.join(", ")))
    }

    /// The statement that makes a database the current one.
    pub(crate) fn use_statement(database: &str) -> String {
        format!("USE `{}`", database.replace('\\', "\\\\").replace('`', "\\`"))
    }
}

fn is_true(value: &str) -> bool {
    matches!(value, "1" | "true")
}

/// A name that can stand in a statement as it is.
fn identifier(name: &str) -> Result<String, Failure> {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'_';
    if name.is_empty() || name.len() > 200 || !name.bytes().all(plain) || name.as_bytes()[0].is_ascii_digit() {
        return Err(Failure::new(115, "UNKNOWN_SETTING", "A parameter's name is not an identifier."));
    }
    Ok(name.to_owned())
}

/// A string literal.
pub(crate) fn literal(value: &str) -> String {
    format!("'{}'", value.replace('\\', "\\\\").replace('\'', "\\'"))
}

fn text(headers: &HeaderMap, name: &str) -> Result<Option<String>, Failure> {
    let value = headers.get(name).map(|value| std::str::from_utf8(value.as_bytes()).map(str::to_owned));
    value.transpose().map_err(|_| Failure::bad_request(&format!("The header {name} is not UTF-8.")))
}

fn basic_credentials(headers: &HeaderMap) -> Result<Option<Credentials>, Failure> {
    let Some(value) = headers.get(header::AUTHORIZATION) else { return Ok(None) };
    let pair = value
        .to_str()
        .ok()
        .and_then(|value| value.split_once(' '))
        .filter(|(scheme, _)| scheme.eq_ignore_ascii_case("basic"))
        .and_then(|(_, encoded)| BASE64.decode(encoded.trim()).ok())
        .and_then(|pair| String::from_utf8(pair).ok());
    match pair.as_deref().and_then(|pair| pair.split_once(':')) {
        Some((user, password)) => {
            Ok(Some(Credentials { user: Some(user.to_owned()), password: Some(password.to_owned()) }))
        }
        None => Err(Failure::new(516, "AUTHENTICATION_FAILED", "The Authorization header is not HTTP Basic.")),
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn read(uri: &str, headers: &[(&str, &str)]) -> Result<Request, Failure> {
        let mut builder = http::Request::builder().method("POST").uri(uri);
        for (name, value) in headers {
            builder = builder.header(*name, *value);
        }
        Request::from_head(&builder.body(()).unwrap().into_parts().0)
    }

    #[test]
    fn a_url_is_sorted_into_transport_settings_and_parameters() {
        let request = read(
            "/?query=SELECT+1&database=d&default_format=JSON&param_x=a%27&max_threads=1&session_id=s&wait_end_of_query=1&decompress=1&query_id=q",
            &[],
        )
        .unwrap();
        assert_eq!(request.query, "SELECT 1");
        assert_eq!((request.database.as_deref(), request.default_format.as_deref()), (Some("d"), Some("JSON")));
        assert_eq!(request.settings, [("max_threads".to_owned(), "1".to_owned())]);
        assert_eq!(request.parameters, [("x".to_owned(), "a'".to_owned())]);
        assert!(request.decompress && !request.compress && !request.reads_only);
        assert_eq!(request.query_id.as_deref(), Some("q"));
    }

    #[test]
    fn credentials_come_three_ways() {
        let pair = |request: Request| (request.credentials.user.unwrap(), request.credentials.password.unwrap());
        let expected = ("u".to_owned(), "p:q".to_owned());
        assert_eq!(pair(read("/?user=u&password=p%3Aq", &[]).unwrap()), expected);
        assert_eq!(pair(read("/", &[("X-ClickHouse-User", "u"), ("X-ClickHouse-Key", "p:q")]).unwrap()), expected);
        assert_eq!(pair(read("/", &[("Authorization", "Basic dTpwOnE=")]).unwrap()), expected);
        assert_eq!(read("/", &[("Authorization", "Bearer x")]).err().unwrap().code, 516);
    }

    #[test]
    fn a_query_id_that_no_header_could_bear_is_dropped() {
        assert_eq!(read("/?query_id=a%0D%0Ab", &[]).unwrap().query_id, None);
    }

    proptest! {
        #[test]
        fn no_value_escapes_its_literal(value in "[a'\\\\\n;-]{0,20}") {
            let statement = Request::set_statement(&[("s".to_owned(), value.clone())]).unwrap();
            let inner = statement.strip_prefix("SET s = '").unwrap().strip_suffix('\'').unwrap();
            // Reading the literal back, as the engine does, gives the value, and no quote ends it early.
            let mut read = String::new();
            let mut characters = inner.chars();
            while let Some(character) = characters.next() {
                prop_assert_ne!(character, '\'');
                read.push(if character == '\\' { characters.next().unwrap() } else { character });
            }
            prop_assert_eq!(read, value);
        }

        #[test]
        fn a_setting_is_an_identifier_or_refused(name in "[ -~]{0,20}") {
            if let Ok(name) = identifier(&name) {
                prop_assert!(name.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_'));
            }
        }

        #[test]
        fn any_query_string_is_read_without_panic(query in "[a-z_=&%0-9+]{0,80}") {
            let _ = read(&format!("/?{query}"), &[]);
        }
    }
}

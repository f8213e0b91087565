//! Errors of a store, without a quote of its text: a class, a code, and a sentence of this program.
//!
//! ClickHouse's texts quote queries and, when parsing fails, data. This file reads the code in the text and drops the
//! text.

use super::codes::{self, Class};
use super::connector::NoConnection;

/// A request to a store that failed.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{message}")]
pub struct StoreError {
    /// What is needed before the request can succeed.
    pub class: Class,
    /// ClickHouse's code; `None` when the failure is not ClickHouse's.
    pub code: Option<u32>,
    /// A short stable name for metrics and states: ClickHouse's, or `timeout`, `network`, `answer`, `proxy`, `setup`.
    pub name: &'static str,
    /// What happened, where, and what to do next. Free of data.
    pub message: String,
}

impl StoreError {
    pub(super) fn timeout(place: &str, doing: &str, seconds: f32) -> Self {
        let message = format!("{place} did not answer within {seconds} s ({doing}); whether it was done is not known");
        Self { class: Class::Transient, code: None, name: "timeout", message }
    }

    pub(super) fn answer(place: &str, doing: &str, what: &str) -> Self {
        Self { class: Class::NeedsOperator, code: None, name: "answer", message: format!("{place}, {doing}: {what}") }
    }

    pub(super) fn setup(message: String) -> Self {
        Self { class: Class::NeedsOperator, code: None, name: "setup", message }
    }

    /// An error of the client library, in this program's words.
    pub(super) fn from_client(place: &str, doing: &str, error: &clickhouse::error::Error) -> Self {
        use clickhouse::error::Error;
        match error {
            Error::BadResponse(text) => Self::from_answer(place, doing, text),
            Error::TimedOut => Self { name: "timeout", ..Self::network(place, doing, None) },
            Error::Network(source) | Error::Other(source) => Self::network(place, doing, Some(&**source)),
            Error::Custom(_) => Self::network(place, doing, None),
            _ => Self::answer(place, doing, "the answer cannot be read; is this ClickHouse's HTTP interface?"),
        }
    }

    /// An answer with an error.
    fn from_answer(place: &str, doing: &str, text: &str) -> Self {
        let Some(code) = codes::parse(text) else {
            // Something between this program and the store answered. Only the status at the start of its text is read.
            let refused = ["401", "403", "404", "405"].iter().any(|status| text.starts_with(status));
            let class = if refused { Class::NeedsOperator } else { Class::Transient };
            let message = format!("{place}, {doing}: answered with an HTTP error that is not ClickHouse's");
            return Self { class, code: None, name: "proxy", message };
        };
        let class = codes::class(code, text);
        let name = codes::name(code).unwrap_or("UNLISTED");
        let next = match (code, class) {
            (60 | 81 | 16 | 47, _) => ". Run `tamga migrate`",
            (192..=195 | 516, _) => ". Check the user and the password file of this store",
            (497 | 291, _) => ". Grant the service account what schema/access lists",
            (_, Class::NeedsOperator) => ". `SELECT errorCodeToName(…)` and the store's own log say more",
            _ => "",
        };
        let message = format!("{place}, {doing}: ClickHouse error {code} ({name}){next}");
        Self { class, code: Some(code), name, message }
    }

    fn network(place: &str, doing: &str, source: Option<&(dyn std::error::Error + 'static)>) -> Self {
        let why = match source.and_then(NoConnection::in_error) {
            Some(why) => why.to_string(),
            None if source.is_some_and(is_no_http) => {
                "does not speak HTTP there; is it a port for https, or another program's?".to_owned()
            }
            None => "the connection broke".to_owned(),
        };
        let message = format!("{place}, {doing}: {why}");
        Self { class: Class::Transient, code: None, name: "network", message }
    }
}

/// Whether what was answered is no HTTP.
fn is_no_http(error: &(dyn std::error::Error + 'static)) -> bool {
    let mut chain = std::iter::successors(Some(error), |error| error.source());
    chain.any(|error| error.downcast_ref::<hyper::Error>().is_some_and(hyper::Error::is_parse))
}

#[cfg(test)]
mod tests {
    use clickhouse::error::Error;

    use super::*;

    fn of(text: &str) -> StoreError {
        StoreError::from_client(
            "the vault at http://127.0.0.1:1",
            "insert into events",
            &Error::BadResponse(text.into()),
        )
    }

    #[test]
    fn the_text_of_an_answer_is_not_repeated() {
        let error = of("Code: 27. DB::Exception: Cannot parse input: expected 'x' before: 'ivan@example.kz'. (NAME)");
        assert_eq!(
            (error.class, error.code, error.name),
            (Class::Rejected, Some(27), "CANNOT_PARSE_INPUT_ASSERTION_FAILED")
        );
        assert!(!format!("{error:?} {error}").contains("ivan"));
        assert!(!format!("{:?}", of("<html>ivan@example.kz</html>")).contains("ivan"));
    }

    #[test]
    fn each_failure_has_its_class() {
        for (text, class, name) in [
            ("Code: 60. DB::Exception: no table", Class::NeedsOperator, "UNKNOWN_TABLE"),
            ("Code: 241. DB::Exception: memory", Class::Transient, "MEMORY_LIMIT_EXCEEDED"),
            ("Code: 4242. DB::Exception: new", Class::Transient, "UNLISTED"),
            ("502 Bad Gateway", Class::Transient, "proxy"),
            ("403 Forbidden", Class::NeedsOperator, "proxy"),
        ] {
            let error = of(text);
            assert_eq!((error.class, error.name), (class, name), "{text}");
        }
        assert!(of("Code: 60. x").message.contains("tamga migrate"));
    }
}

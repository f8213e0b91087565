//! Failures as ClickHouse's clients expect them: a code, a text that begins `Code: N. DB::Exception:`, and the HTTP
//! status that a ClickHouse server would answer with.
//!
//! The text may quote what the client sent, so it goes into the answer and nowhere else; logs get the code.

use http::StatusCode;

use crate::ffi::EngineError;

/// Why a request failed.
#[derive(Debug, Clone)]
pub(crate) struct Failure {
    pub(crate) code: u32,
    pub(crate) text: String,
    pub(crate) status: StatusCode,
}

impl Failure {
    /// A failure of our own, in the engine's manner of speaking.
    pub(crate) fn new(code: u32, name: &str, sentence: &str) -> Self {
        Self { code, text: format!("Code: {code}. DB::Exception: {sentence} ({name})"), status: status_of(code) }
    }

    /// The same failure under another status, where HTTP has a better word than the server's own mapping.
    pub(crate) fn with_status(self, status: StatusCode) -> Self {
        Self { status, ..self }
    }

    pub(crate) fn bad_request(sentence: &str) -> Self {
        Self::new(36, "BAD_ARGUMENTS", sentence)
    }

    pub(crate) fn syntax(sentence: &str) -> Self {
        Self::new(62, "SYNTAX_ERROR", sentence)
    }

    pub(crate) fn too_large(sentence: &str) -> Self {
        Self::new(223, "QUERY_IS_TOO_LARGE", sentence)
    }

    pub(crate) fn not_implemented(sentence: &str) -> Self {
        Self::new(48, "NOT_IMPLEMENTED", sentence)
    }

    /// The body with which the failure is answered.
    pub(crate) fn body(&self, version: &str) -> String {
        if self.text.contains("(version ") {
            format!("{}\n", self.text)
        } else {
            format!("{} (version {version})\n", self.text)
        }
    }
}

impl From<EngineError> for Failure {
    fn from(EngineError(text): EngineError) -> Self {
        // The library puts "Error: " before the text of some exceptions, and says nothing of a code in a few of its
        // own.
        let code = text
            .find("Code: ")
            .and_then(|at| text[at + 6..].split('.').next())
            .and_then(|digits| digits.parse().ok())
            .unwrap_or(1002);
        let text = match text.find("Code: ") {
            Some(at) => text[at..].to_owned(),
            None => format!("Code: 1002. DB::Exception: {text} (UNKNOWN_EXCEPTION)"),
        };
        Self { code, status: status_of(code), text }
    }
}

/// The status that a ClickHouse server gives to an exception's code.
fn status_of(code: u32) -> StatusCode {
    match code {
        // REQUIRED_PASSWORD; UNKNOWN_USER, WRONG_PASSWORD, ACCESS_DENIED, AUTHENTICATION_FAILED, SET_NON_GRANTED_ROLE.
        194 => StatusCode::UNAUTHORIZED,
        192 | 193 | 497 | 516 | 512 => StatusCode::FORBIDDEN,
        // What cannot be parsed, in the query or in its data.
        6 | 25 | 26 | 27 | 33 | 36 | 38 | 41 | 43 | 44 | 53 | 62 | 69 | 70 | 72 | 117 | 130 | 131 | 167 | 168 | 376
        | 427 | 441 | 467 | 675 | 676 => StatusCode::BAD_REQUEST,
        // What is not there: column, function, identifier, type, storage, table, database, setting, format, …
        16 | 46 | 47 | 50 | 56 | 60 | 63 | 73 | 78 | 81 | 115 | 336 => StatusCode::NOT_FOUND,
        159 => StatusCode::REQUEST_TIMEOUT,
        223 => StatusCode::PAYLOAD_TOO_LARGE,
        48 => StatusCode::NOT_IMPLEMENTED,
        // CANNOT_OPEN_FILE, TOO_MANY_SIMULTANEOUS_QUERIES, SOCKET_TIMEOUT.
        76 | 202 | 209 => StatusCode::SERVICE_UNAVAILABLE,
        _ => StatusCode::INTERNAL_SERVER_ERROR,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_code_is_read_from_the_engines_text() {
        let failure =
            Failure::from(EngineError("Error: Code: 60. DB::Exception: no such table. (UNKNOWN_TABLE)".to_owned()));
        assert_eq!((failure.code, failure.status), (60, StatusCode::NOT_FOUND));
        assert_eq!(failure.body("1.2"), "Code: 60. DB::Exception: no such table. (UNKNOWN_TABLE) (version 1.2)\n");
    }

    #[test]
    fn a_text_without_a_code_still_reads_like_an_exception() {
        let failure = Failure::from(EngineError("No active streaming query".to_owned()));
        assert_eq!((failure.code, failure.status), (1002, StatusCode::INTERNAL_SERVER_ERROR));
        assert!(failure.text.starts_with("Code: 1002. DB::Exception: No active"));
    }
}

//! How to react to ClickHouse's error codes.
//!
//! Three classes are enough. [`Class::Transient`] passes by itself: the request is sent again. [`Class::NeedsOperator`]
//! passes when an operator changes something: the request is sent again, and the reason is reported. [`Class::Rejected`]
//! never passes, because the data itself is refused. A code that is not listed counts as `Transient`: keeping data is
//! always safe, giving it up is not.
//!
//! Names come from this table and never from an answer, because the text of an answer may quote data.

/// What is needed after an error.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Class {
    /// Nothing: the store or the network recovers by itself. The request is repeated.
    Transient,
    /// An operator must change configuration, rights or schema. The request is repeated, and the reason is reported.
    NeedsOperator,
    /// Nothing helps: the data is refused and will be refused again.
    Rejected,
}

/// Codes, ClickHouse's names for them, and their class.
const TABLE: &[(u32, &str, Class)] = &[
    (6, "CANNOT_PARSE_TEXT", Class::Rejected),
    (16, "NO_SUCH_COLUMN_IN_TABLE", Class::NeedsOperator),
    (20, "NUMBER_OF_COLUMNS_DOESNT_MATCH", Class::NeedsOperator),
    (26, "CANNOT_PARSE_QUOTED_STRING", Class::Rejected),
    (27, "CANNOT_PARSE_INPUT_ASSERTION_FAILED", Class::Rejected),
    (32, "ATTEMPT_TO_READ_AFTER_EOF", Class::Rejected),
    (33, "CANNOT_READ_ALL_DATA", Class::Rejected),
    (36, "BAD_ARGUMENTS", Class::NeedsOperator),
    (38, "CANNOT_PARSE_DATE", Class::Rejected),
    (41, "CANNOT_PARSE_DATETIME", Class::Rejected),
    (43, "ILLEGAL_TYPE_OF_ARGUMENT", Class::NeedsOperator),
    (44, "ILLEGAL_COLUMN", Class::NeedsOperator),
    (46, "UNKNOWN_FUNCTION", Class::NeedsOperator),
    (47, "UNKNOWN_IDENTIFIER", Class::NeedsOperator),
    (48, "NOT_IMPLEMENTED", Class::NeedsOperator),
    (50, "UNKNOWN_TYPE", Class::NeedsOperator),
    (53, "TYPE_MISMATCH", Class::Rejected),
    (57, "TABLE_ALREADY_EXISTS", Class::NeedsOperator),
    (60, "UNKNOWN_TABLE", Class::NeedsOperator),
    (62, "SYNTAX_ERROR", Class::NeedsOperator),
    (69, "ARGUMENT_OUT_OF_BOUND", Class::Rejected),
    (70, "CANNOT_CONVERT_TYPE", Class::Rejected),
    (72, "CANNOT_PARSE_NUMBER", Class::Rejected),
    (73, "UNKNOWN_FORMAT", Class::NeedsOperator),
    (81, "UNKNOWN_DATABASE", Class::NeedsOperator),
    (115, "UNKNOWN_SETTING", Class::NeedsOperator),
    (117, "INCORRECT_DATA", Class::Rejected),
    (128, "TOO_LARGE_ARRAY_SIZE", Class::Rejected),
    (131, "TOO_LARGE_STRING_SIZE", Class::Rejected),
    (159, "TIMEOUT_EXCEEDED", Class::Transient),
    (164, "READONLY", Class::NeedsOperator),
    (192, "UNKNOWN_USER", Class::NeedsOperator),
    (193, "WRONG_PASSWORD", Class::NeedsOperator),
    (194, "REQUIRED_PASSWORD", Class::NeedsOperator),
    (195, "IP_ADDRESS_NOT_ALLOWED", Class::NeedsOperator),
    (201, "QUOTA_EXCEEDED", Class::Transient),
    (202, "TOO_MANY_SIMULTANEOUS_QUERIES", Class::Transient),
    (209, "SOCKET_TIMEOUT", Class::Transient),
    (210, "NETWORK_ERROR", Class::Transient),
    (225, "NO_ZOOKEEPER", Class::Transient),
    (236, "ABORTED", Class::Transient),
    (241, "MEMORY_LIMIT_EXCEEDED", Class::Transient),
    (242, "TABLE_IS_READ_ONLY", Class::Transient),
    (243, "NOT_ENOUGH_SPACE", Class::Transient),
    (252, "TOO_MANY_PARTS", Class::Transient),
    (285, "TOO_FEW_LIVE_REPLICAS", Class::Transient),
    (286, "UNSATISFIED_QUORUM_FOR_PREVIOUS_WRITE", Class::Transient),
    (291, "DATABASE_ACCESS_DENIED", Class::NeedsOperator),
    (319, "UNKNOWN_STATUS_OF_INSERT", Class::Transient),
    (321, "VALUE_IS_OUT_OF_RANGE_OF_DATA_TYPE", Class::Rejected),
    (344, "SUPPORT_IS_DISABLED", Class::NeedsOperator),
    (349, "CANNOT_INSERT_NULL_IN_ORDINARY_COLUMN", Class::Rejected),
    (394, "QUERY_WAS_CANCELLED", Class::Transient),
    (395, "FUNCTION_THROW_IF_VALUE_IS_NON_ZERO", Class::NeedsOperator),
    (452, "SETTING_CONSTRAINT_VIOLATION", Class::NeedsOperator),
    (467, "CANNOT_PARSE_BOOL", Class::Rejected),
    (469, "VIOLATED_CONSTRAINT", Class::Rejected),
    (497, "ACCESS_DENIED", Class::NeedsOperator),
    (511, "UNKNOWN_ROLE", Class::NeedsOperator),
    (516, "AUTHENTICATION_FAILED", Class::NeedsOperator),
    (999, "KEEPER_EXCEPTION", Class::Transient),
    (1002, "UNKNOWN_EXCEPTION", Class::Transient),
];

/// ClickHouse's name for a code; `None` when the table does not have it.
pub(super) fn name(code: u32) -> Option<&'static str> {
    TABLE.iter().find(|entry| entry.0 == code).map(|entry| entry.1)
}

/// The class of an error. The text decides for one code that ClickHouse uses for two errors.
pub(super) fn class(code: u32, text: &str) -> Class {
    // 252 means that a table merges too slowly, which passes, or that one insert touches too many partitions, which does
    // not. Only the text distinguishes them.
    if code == 252 && text.contains("partitions for single INSERT block") {
        return Class::Rejected;
    }
    TABLE.iter().find(|entry| entry.0 == code).map_or(Class::Transient, |entry| entry.2)
}

/// The code in the text of an answer: `Code: 60. DB::Exception: …`.
pub(super) fn parse(text: &str) -> Option<u32> {
    let digits = text.split_once("Code: ")?.1;
    let end = digits.find(|character: char| !character.is_ascii_digit()).unwrap_or(digits.len());
    digits[..end].parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_table_is_sorted_so_that_no_code_is_listed_twice() {
        assert!(TABLE.is_sorted_by(|left, right| left.0 < right.0));
    }

    #[test]
    fn a_code_is_read_wherever_the_text_puts_it() {
        assert_eq!(parse("Code: 60. DB::Exception: Unknown table"), Some(60));
        assert_eq!(parse("Error: Code: 1002. x"), Some(1002));
        assert_eq!(parse("Code: 516"), Some(516));
        for text in ["", "502 Bad Gateway", "Code: ", "Code: x", "Code: 99999999999"] {
            assert_eq!(parse(text), None, "{text}");
        }
    }

    #[test]
    fn code_252_is_two_errors() {
        assert_eq!(class(252, "Code: 252. DB::Exception: Too many parts (3001)"), Class::Transient);
        assert_eq!(
            class(252, "Code: 252. DB::Exception: Too many partitions for single INSERT block"),
            Class::Rejected
        );
    }

    #[test]
    fn an_unknown_code_is_held_not_given_up() {
        assert_eq!(class(54_321, ""), Class::Transient);
        assert_eq!(name(54_321), None);
    }
}

//! What ClickHouse's error codes ask of the one who sent the request.
//!
//! Three answers are enough: [`Class::Theirs`] passes by itself, so the same request is sent again; [`Class::Ours`] passes
//! when somebody changes something, so it is sent again too, but said aloud; [`Class::Final`] never passes, because the
//! data itself is refused. A code that is not listed counts as `Theirs`: holding data is always safe, giving it up is not.
//!
//! Names come from this table and never from an answer, because the text of an answer may quote data.

/// Whose turn it is after an error.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Class {
    /// The store's, or the network's: it passes, the request is repeated.
    Theirs,
    /// The operator's: configuration, rights or schema. The request is repeated, and the reason is reported.
    Ours,
    /// Nobody's: the data is refused and will be refused again.
    Final,
}

/// Codes, ClickHouse's names for them, and their class.
const TABLE: &[(u32, &str, Class)] = &[
    (6, "CANNOT_PARSE_TEXT", Class::Final),
    (16, "NO_SUCH_COLUMN_IN_TABLE", Class::Ours),
    (20, "NUMBER_OF_COLUMNS_DOESNT_MATCH", Class::Ours),
    (26, "CANNOT_PARSE_QUOTED_STRING", Class::Final),
    (27, "CANNOT_PARSE_INPUT_ASSERTION_FAILED", Class::Final),
    (32, "ATTEMPT_TO_READ_AFTER_EOF", Class::Final),
    (33, "CANNOT_READ_ALL_DATA", Class::Final),
    (36, "BAD_ARGUMENTS", Class::Ours),
    (38, "CANNOT_PARSE_DATE", Class::Final),
    (41, "CANNOT_PARSE_DATETIME", Class::Final),
    (43, "ILLEGAL_TYPE_OF_ARGUMENT", Class::Ours),
    (44, "ILLEGAL_COLUMN", Class::Ours),
    (46, "UNKNOWN_FUNCTION", Class::Ours),
    (47, "UNKNOWN_IDENTIFIER", Class::Ours),
    (48, "NOT_IMPLEMENTED", Class::Ours),
    (50, "UNKNOWN_TYPE", Class::Ours),
    (53, "TYPE_MISMATCH", Class::Final),
    (57, "TABLE_ALREADY_EXISTS", Class::Ours),
    (60, "UNKNOWN_TABLE", Class::Ours),
    (62, "SYNTAX_ERROR", Class::Ours),
    (69, "ARGUMENT_OUT_OF_BOUND", Class::Final),
    (70, "CANNOT_CONVERT_TYPE", Class::Final),
    (72, "CANNOT_PARSE_NUMBER", Class::Final),
    (73, "UNKNOWN_FORMAT", Class::Ours),
    (81, "UNKNOWN_DATABASE", Class::Ours),
    (115, "UNKNOWN_SETTING", Class::Ours),
    (117, "INCORRECT_DATA", Class::Final),
    (128, "TOO_LARGE_ARRAY_SIZE", Class::Final),
    (131, "TOO_LARGE_STRING_SIZE", Class::Final),
    (159, "TIMEOUT_EXCEEDED", Class::Theirs),
    (164, "READONLY", Class::Ours),
    (192, "UNKNOWN_USER", Class::Ours),
    (193, "WRONG_PASSWORD", Class::Ours),
    (194, "REQUIRED_PASSWORD", Class::Ours),
    (195, "IP_ADDRESS_NOT_ALLOWED", Class::Ours),
    (201, "QUOTA_EXCEEDED", Class::Theirs),
    (202, "TOO_MANY_SIMULTANEOUS_QUERIES", Class::Theirs),
    (209, "SOCKET_TIMEOUT", Class::Theirs),
    (210, "NETWORK_ERROR", Class::Theirs),
    (225, "NO_ZOOKEEPER", Class::Theirs),
    (236, "ABORTED", Class::Theirs),
    (241, "MEMORY_LIMIT_EXCEEDED", Class::Theirs),
    (242, "TABLE_IS_READ_ONLY", Class::Theirs),
    (243, "NOT_ENOUGH_SPACE", Class::Theirs),
    (252, "TOO_MANY_PARTS", Class::Theirs),
    (285, "TOO_FEW_LIVE_REPLICAS", Class::Theirs),
    (286, "UNSATISFIED_QUORUM_FOR_PREVIOUS_WRITE", Class::Theirs),
    (291, "DATABASE_ACCESS_DENIED", Class::Ours),
    (319, "UNKNOWN_STATUS_OF_INSERT", Class::Theirs),
    (321, "VALUE_IS_OUT_OF_RANGE_OF_DATA_TYPE", Class::Final),
    (344, "SUPPORT_IS_DISABLED", Class::Ours),
    (349, "CANNOT_INSERT_NULL_IN_ORDINARY_COLUMN", Class::Final),
    (394, "QUERY_WAS_CANCELLED", Class::Theirs),
    (395, "FUNCTION_THROW_IF_VALUE_IS_NON_ZERO", Class::Ours),
    (452, "SETTING_CONSTRAINT_VIOLATION", Class::Ours),
    (467, "CANNOT_PARSE_BOOL", Class::Final),
    (469, "VIOLATED_CONSTRAINT", Class::Final),
    (497, "ACCESS_DENIED", Class::Ours),
    (511, "UNKNOWN_ROLE", Class::Ours),
    (516, "AUTHENTICATION_FAILED", Class::Ours),
    (999, "KEEPER_EXCEPTION", Class::Theirs),
    (1002, "UNKNOWN_EXCEPTION", Class::Theirs),
];

/// ClickHouse's name for a code; `None` when the table does not have it.
pub(super) fn name(code: u32) -> Option<&'static str> {
    TABLE.iter().find(|entry| entry.0 == code).map(|entry| entry.1)
}

/// Whose turn it is. The text decides one code that ClickHouse uses for two things.
pub(super) fn class(code: u32, text: &str) -> Class {
    // 252 is said of a table that merges too slowly, which passes, and of one insert that touches too many partitions,
    // which does not; only the words tell them apart.
    if code == 252 && text.contains("partitions for single INSERT block") {
        return Class::Final;
    }
    TABLE.iter().find(|entry| entry.0 == code).map_or(Class::Theirs, |entry| entry.2)
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
    fn code_252_is_two_things() {
        assert_eq!(class(252, "Code: 252. DB::Exception: Too many parts (3001)"), Class::Theirs);
        assert_eq!(class(252, "Code: 252. DB::Exception: Too many partitions for single INSERT block"), Class::Final);
    }

    #[test]
    fn an_unknown_code_is_held_not_given_up() {
        assert_eq!(class(54_321, ""), Class::Theirs);
        assert_eq!(name(54_321), None);
    }
}

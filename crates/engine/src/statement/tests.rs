//! Statements as clients send them, and what is made of them.

use proptest::prelude::*;

use super::*;

fn insert(sql: &str, format: &str, data: &str) -> (String, String, String) {
    (sql.to_owned(), format.to_owned(), data.to_owned())
}

fn parts(text: &str) -> (String, String, String) {
    match split(text.as_bytes(), true) {
        Split::Insert { sql, format, data } => insert(text[..sql].trim_end(), &format, &text[data..]),
        other => panic!("{text:?} was split as {other:?}"),
    }
}

#[test]
fn an_insert_is_split_where_the_server_splits_it() {
    for (text, expected) in [
        ("INSERT INTO t FORMAT CSV\n1,2", insert("INSERT INTO t", "CSV", "1,2")),
        ("insert into t(a,b) format RowBinary", insert("insert into t(a,b)", "RowBinary", "")),
        ("INSERT INTO t FORMAT CSV \r\n\n1", insert("INSERT INTO t", "CSV", "\n1")),
        ("INSERT INTO t FORMAT JSONEachRow {\"a\":1}", insert("INSERT INTO t", "JSONEachRow", "{\"a\":1}")),
        ("INSERT INTO t FORMAT CSV;\n", insert("INSERT INTO t", "CSV", "")),
        ("INSERT INTO t VALUES (1),(2);", insert("INSERT INTO t", "Values", " (1),(2);")),
        ("INSERT INTO format FORMAT TSV", insert("INSERT INTO format", "TSV", "")),
        ("INSERT INTO db.values FORMAT TSV", insert("INSERT INTO db.values", "TSV", "")),
        ("INSERT INTO `a FORMAT b` FORMAT TSV", insert("INSERT INTO `a FORMAT b`", "TSV", "")),
        (
            "INSERT INTO t SETTINGS a = ' FORMAT x' FORMAT TSV\nz",
            insert("INSERT INTO t SETTINGS a = ' FORMAT x'", "TSV", "z"),
        ),
        (
            "INSERT /* FORMAT a */ INTO t -- FORMAT b\n FORMAT c",
            insert("INSERT /* FORMAT a */ INTO t -- FORMAT b", "c", ""),
        ),
        ("INSERT INTO {t:Identifier} FORMAT CSV\n1", insert("INSERT INTO {t:Identifier}", "CSV", "1")),
        (
            "INSERT INTO FUNCTION null('a FORMAT b') FORMAT CSV\n1",
            insert("INSERT INTO FUNCTION null('a FORMAT b')", "CSV", "1"),
        ),
        ("INSERT INTO t (* EXCEPT(values)) VALUES (1)", insert("INSERT INTO t (* EXCEPT(values))", "Values", " (1)")),
        ("INSERT INTO t", insert("INSERT INTO t", "Values", "")),
    ] {
        assert_eq!(parts(text), expected, "{text}");
    }
}

#[test]
fn what_brings_its_rows_itself_is_left_to_the_engine() {
    for text in
        ["INSERT INTO t SELECT 1 FORMAT CSV", "INSERT INTO t (SELECT 1)", "INSERT INTO t FROM INFILE 'a' FORMAT CSV"]
    {
        assert!(matches!(split(text.as_bytes(), true), Split::Other { .. }), "{text}");
    }
    assert_eq!(split(b"INSERT INTO t SELECT a FROM input('a Int8') FORMAT CSV\n1", true), Split::InsertFromInput);
    assert_eq!(split(b"INSERT INTO t FORMAT CSV; 1", true), Split::ExcessiveSemicolon);
}

#[test]
fn a_querys_own_format_is_found_at_its_end_only() {
    let named = |text: &str| match split(text.as_bytes(), true) {
        Split::Other { format } => format,
        other => panic!("{other:?}"),
    };
    assert_eq!(named("SELECT 1 FORMAT JSON").as_deref(), Some("JSON"));
    assert_eq!(named("SELECT 1 format JSON;").as_deref(), Some("JSON"));
    assert_eq!(named("SELECT 1 FORMAT JSON SETTINGS max_threads = 1").as_deref(), Some("JSON"));
    assert_eq!(named("SELECT format FROM t"), None);
    assert_eq!(named("SELECT 'x FORMAT JSON'"), None);
    assert_eq!(named("SELECT * FROM (SELECT 1 FORMAT JSON)"), None);
    assert_eq!(named("SELECT 1 -- FORMAT JSON"), None);
}

proptest! {
    #[test]
    fn any_bytes_are_split_without_panic_and_within_bounds(text in proptest::collection::vec(any::<u8>(), 0..300), complete: bool) {
        if let Split::Insert { sql, data, .. } = split(&text, complete) {
            prop_assert!(sql <= data && data <= text.len());
        }
    }

    #[test]
    fn a_cut_text_is_never_split_otherwise_than_the_whole(
        before in "INSERT INTO (t|db\\.t|`x y`)( \\(a, b\\))?( SETTINGS a='\\\\' FORMAT x')?( /\\* VALUES \\*/)? ",
        format in "(FORMAT (CSV|RowBinary)[ ]?\n|VALUES )",
        data in "[a-z0-9;,'(]{1,40}",
        cut in 0_usize..200,
    ) {
        let text = format!("{before}{format}{data}");
        let whole = split(text.as_bytes(), true);
        let found = matches!(&whole, Split::Insert { .. });
        prop_assert!(found);
        let cut = cut.min(text.len());
        let part = split(&text.as_bytes()[..cut], false);
        prop_assert!(part == Split::NeedMore || part == whole, "{:?} of {:?}", part, &text[..cut]);
    }

    #[test]
    fn mutated_inserts_never_keep_a_format_clause(text in "(INSERT|INTO|FORMAT|VALUES|CSV|t|\\(|\\)|'|`|;|--|/\\*|\\*/|\\$x\\$|\\.|\n| ){0,25}") {
        if let Split::Insert { sql, .. } = split(text.as_bytes(), true) {
            // Whatever was taken for the statement has no clause of its own left: it splits into itself, bare.
            let again = split(&text.as_bytes()[..sql], true);
            prop_assert_eq!(again, Split::Insert { sql: trimmed(&text[..sql]), format: "Values".to_owned(), data: sql });
        }
    }
}

fn trimmed(text: &str) -> usize {
    let mut tokens = Tokens { text: text.as_bytes(), at: 0 };
    loop {
        let token = tokens.next();
        if token.kind == Kind::End {
            return token.start;
        }
    }
}

//! The lexer of SQL: cuts a file into statements at its semicolons, and removes the values from a query.
//!
//! It knows the lexical rules of ClickHouse that matter for this: `'…'`, `"…"` and `` `…` `` with backslash and doubled
//! quotes, `--` and `#!` to the end of the line, nested `/* … */`. It does not know here-documents (`$$ … $$`): no file uses
//! them, and [`without_values`] masks from `$$` to the end.

/// A part of a text of SQL.
enum Part {
    /// `'…'`.
    Literal,
    /// `"…"` or `` `…` ``.
    Name,
    Comment,
    Semicolon,
    /// One character outside of the others.
    Other(char),
}

/// The parts of a text, with their place in it. They cover the whole text.
fn parts(sql: &str) -> impl Iterator<Item = (Part, std::ops::Range<usize>)> {
    let mut at = 0;
    std::iter::from_fn(move || {
        let rest = sql.get(at..)?;
        let bytes = rest.as_bytes();
        let first = rest.chars().next()?;
        let (part, length) = match first {
            '\'' => (Part::Literal, quoted(bytes, b'\'')),
            '"' | '`' => (Part::Name, quoted(bytes, first as u8)),
            ';' => (Part::Semicolon, 1),
            _ if rest.starts_with("--") || rest.starts_with("#!") => (Part::Comment, line(bytes)),
            _ if rest.starts_with("/*") => (Part::Comment, comment(bytes)),
            other => (Part::Other(other), other.len_utf8()),
        };
        let begun = at;
        at += length;
        Some((part, begun..at))
    })
}

/// The statements of a file, without their semicolons; those that consist of comments alone are left out.
pub(super) fn split(sql: &str) -> Vec<&str> {
    let (mut statements, mut start, mut has_code) = (Vec::new(), 0, false);
    for (part, place) in parts(sql) {
        match part {
            Part::Semicolon => {
                if has_code {
                    statements.push(sql[start..place.start].trim());
                }
                (start, has_code) = (place.end, false);
            }
            Part::Literal | Part::Name => has_code = true,
            Part::Comment => {}
            Part::Other(other) => has_code |= !other.is_ascii_whitespace(),
        }
    }
    if has_code {
        statements.push(sql[start..].trim());
    }
    statements
}

/// A query as the audit log may hold it, cut to about `limit` bytes. Strings, numbers and comments could name a person, so
/// `?` takes the place of each value, and comments are left out.
pub fn without_values(sql: &str, limit: usize) -> String {
    let mut shown = String::new();
    let (mut before, mut in_number) = (' ', false);
    for (part, place) in parts(sql) {
        if shown.len() > limit {
            return shown + "…";
        }
        match part {
            // The second half of a literal with a doubled quote.
            Part::Literal if before == '\'' => {}
            Part::Literal => shown.push('?'),
            Part::Comment => {}
            Part::Name | Part::Semicolon | Part::Other(_) => {
                for c in sql[place.clone()].chars() {
                    let begins = !in_number && c.is_ascii_digit() && !before.is_alphanumeric() && before != '_';
                    in_number = begins || in_number && (c.is_alphanumeric() || c == '.');
                    match c {
                        // A here-document: the lexer does not know where it ends.
                        '$' if before == '$' => return shown + "?",
                        _ if begins => shown.push('?'),
                        _ if in_number => {}
                        c if c.is_control() => shown.push(' '),
                        c => shown.push(c),
                    }
                    before = c;
                }
                continue;
            }
        }
        in_number = false;
        before = sql[place].chars().next_back().unwrap_or(' ');
    }
    shown
}

/// The statement without the comments before it.
pub(super) fn code(sql: &str) -> &str {
    let mut sql = sql.trim();
    while sql.starts_with("--") {
        sql = sql.split_once('\n').map_or("", |(_, rest)| rest.trim_start());
    }
    sql
}

/// The length of a quoted part. A doubled quote reads as two quoted parts side by side, which has the same effect.
fn quoted(bytes: &[u8], quote: u8) -> usize {
    let mut at = 1;
    while at < bytes.len() {
        match bytes[at] {
            b'\\' => at += 2,
            byte if byte == quote => return at + 1,
            _ => at += 1,
        }
    }
    bytes.len()
}

fn line(bytes: &[u8]) -> usize {
    bytes.iter().position(|byte| *byte == b'\n').unwrap_or(bytes.len())
}

fn comment(bytes: &[u8]) -> usize {
    let (mut at, mut depth) = (2, 1);
    while at < bytes.len() {
        let rest = &bytes[at..];
        if rest.starts_with(b"/*") {
            (at, depth) = (at + 2, depth + 1);
        } else if rest.starts_with(b"*/") {
            (at, depth) = (at + 2, depth - 1);
            if depth == 0 {
                return at;
            }
        } else {
            at += 1;
        }
    }
    bytes.len()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn semicolons_count_only_where_they_end_a_statement() {
        for (sql, expected) in [
            ("", vec![]),
            ("-- nothing; at all\n", vec![]),
            ("a; b ;", vec!["a", "b"]),
            ("a", vec!["a"]),
            ("a ';' b; c", vec!["a ';' b", "c"]),
            (r"a '\';' b; c", vec![r"a '\';' b", "c"]),
            ("a ''';' b; c", vec!["a ''';' b", "c"]),
            ("a `;` \";\" b; c", vec!["a `;` \";\" b", "c"]),
            ("-- it's;\na; b", vec!["-- it's;\na", "b"]),
            ("/* ; /* ' */ ; */ a; b", vec!["/* ; /* ' */ ; */ a", "b"]),
            ("a; -- the end;\n", vec!["a"]),
            ("a - b; c / d", vec!["a - b", "c / d"]),
            ("'open; a", vec!["'open; a"]),
        ] {
            assert_eq!(split(sql), expected, "{sql}");
        }
    }

    #[test]
    fn a_query_is_shown_without_its_values() {
        for (sql, shown) in [
            ("SELECT * FROM events WHERE visitor = unhex('00ff')", "SELECT * FROM events WHERE visitor = unhex(?)"),
            ("SELECT 'it''s \\' x', v1, 7, 0x1F, 1.5e3 -- ivan", "SELECT ?, v1, ?, ?, ? "),
            ("SELECT /* +7 701 */ `a 1` FROM t\nLIMIT 5", "SELECT  `a ?` FROM t LIMIT ?"),
            ("SELECT $$ivan$$", "SELECT $?"),
        ] {
            assert_eq!(without_values(sql, 2000), shown);
        }
        assert!(without_values(&"a".repeat(5000), 2000).len() < 2010);
        assert_eq!(without_values("SELECT 'open", 2000), "SELECT ?");
    }

    proptest! {
        #[test]
        fn no_text_makes_it_fail_or_lose_words(sql in ".{0,80}") {
            let kept: usize = split(&sql).iter().map(|statement| statement.len()).sum();
            prop_assert!(kept <= sql.len());
        }

        #[test]
        fn what_is_quoted_is_never_cut(text in "[^'\\\\]{0,40}", count in 1usize..5) {
            let statement = format!("SELECT '{text}'");
            let sql = vec![statement.clone(); count].join(";\n");
            prop_assert_eq!(split(&sql), vec![statement.as_str(); count]);
        }
    }
}

//! Cuts a file of SQL into statements at its semicolons, those in strings, quoted names and comments left alone.
//!
//! It knows ClickHouse's lexical rules as far as they matter for that: `'…'`, `"…"` and `` `…` `` with backslash and doubled
//! quotes, `--` and `#!` to the end of the line, nested `/* … */`. Here-documents (`$$ … $$`) are not known and not used.

/// The statements of a file, without their semicolons; those that consist of comments alone are left out.
pub(super) fn split(sql: &str) -> Vec<&str> {
    let bytes = sql.as_bytes();
    let (mut statements, mut start, mut at, mut says_something) = (Vec::new(), 0, 0, false);
    while at < bytes.len() {
        let rest = &bytes[at..];
        match rest[0] {
            b';' => {
                if says_something {
                    statements.push(sql[start..at].trim());
                }
                (start, says_something) = (at + 1, false);
                at += 1;
            }
            quote @ (b'\'' | b'"' | b'`') => {
                says_something = true;
                at += quoted(rest, quote);
            }
            b'-' if rest.starts_with(b"--") => at += line(rest),
            b'#' if rest.starts_with(b"#!") => at += line(rest),
            b'/' if rest.starts_with(b"/*") => at += comment(rest),
            byte => {
                says_something |= !byte.is_ascii_whitespace();
                at += 1;
            }
        }
    }
    if says_something {
        statements.push(sql[start..].trim());
    }
    statements
}

/// The statement without the comments before it.
pub(super) fn code(sql: &str) -> &str {
    let mut sql = sql.trim();
    while sql.starts_with("--") {
        sql = sql.split_once('\n').map_or("", |(_, rest)| rest.trim_start());
    }
    sql
}

/// The length of what is quoted. A doubled quote reads as two quoted parts side by side, which is the same to us.
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

//! Where an `INSERT`'s text ends and its data begins, and which format a statement names.
//!
//! Clients send `INSERT INTO t (a) FORMAT RowBinary` followed by bytes; the engine wants the statement without the
//! `FORMAT` clause, the format's name, and the bytes, each apart. A clause left in the text would make the engine store
//! the text's tail as rows, so the split is made by reading tokens (strings, comments, brackets), never by searching
//! for a word.
//!
//! This is not a parser. Text it misjudges reaches the engine's parser as it is and fails there with a syntax error.

/// What a text turned out to be.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Split {
    /// More bytes are needed to tell.
    NeedMore,
    /// An `INSERT` whose rows follow at `data`: `sql` is the length of the text before `FORMAT` or `VALUES`.
    Insert { sql: usize, format: String, data: usize },
    /// An `INSERT … SELECT … FROM input(…)`, which would need both a query and a stream of rows.
    InsertFromInput,
    /// Any other statement. `complete` text only: the format it names, if it names one.
    Other { format: Option<String> },
    /// A semicolon stands between the statement and its data.
    ExcessiveSemicolon,
}

/// Splits `text`. `complete` says that nothing follows it.
pub(crate) fn split(text: &[u8], complete: bool) -> Split {
    let mut tokens = Tokens { text, at: 0 };
    match insert_head(&mut tokens) {
        Some(Head::Format { sql }) => match tokens.next() {
            Token { kind: Kind::End, .. } if !complete => Split::NeedMore,
            Token { kind: Kind::Word, start, end } if end < text.len() || complete => {
                let format = String::from_utf8_lossy(&text[start..end]).into_owned();
                data_start(text, end, complete).map_or_else(|stop| stop, |data| Split::Insert { sql, format, data })
            }
            Token { kind: Kind::Word, .. } => Split::NeedMore,
            _ => Split::Other { format: None },
        },
        Some(Head::Values { sql, data }) if data < text.len() || complete => {
            Split::Insert { sql, format: "Values".to_owned(), data }
        }
        // The keyword may turn out to be the beginning of a longer word; a text cut within a token, likewise.
        Some(Head::Values { .. } | Head::Bare { .. }) if !complete => Split::NeedMore,
        Some(Head::Values { sql, data }) => Split::Insert { sql, format: "Values".to_owned(), data },
        Some(Head::Bare { sql }) => Split::Insert { sql, format: "Values".to_owned(), data: text.len() },
        Some(Head::Select) if !complete => Split::NeedMore,
        Some(Head::Select) if reads_input(text) => Split::InsertFromInput,
        None if !complete && tokens.at >= text.len() => Split::NeedMore,
        Some(Head::Select) | None => Split::Other { format: named_format(text) },
    }
}

/// True when the text has a `WITH TOTALS` or another clause whose rows come after the others.
pub(crate) fn has_word(text: &[u8], word: &str) -> bool {
    let mut tokens = Tokens { text, at: 0 };
    loop {
        let token = tokens.next();
        match token.kind {
            Kind::End => return false,
            Kind::Word if tokens.is(token, word) => return true,
            _ => {}
        }
    }
}

enum Head {
    /// `FORMAT` was read; its name is the next token.
    Format { sql: usize },
    /// `VALUES` was read; the rows follow.
    Values { sql: usize, data: usize },
    /// The text ended after the target.
    Bare { sql: usize },
    /// The rows come from a query or a file.
    Select,
}

/// Reads `INSERT [INTO] [TABLE] [FUNCTION] target …` up to what brings the rows. `None` if it is no `INSERT`.
fn insert_head(tokens: &mut Tokens<'_>) -> Option<Head> {
    let first = tokens.next();
    if first.kind != Kind::Word || !tokens.is(first, "INSERT") {
        return None;
    }
    let mut token = tokens.next();
    for keyword in ["INTO", "TABLE", "FUNCTION"] {
        if token.kind == Kind::Word && tokens.is(token, keyword) {
            token = tokens.next();
        }
    }
    // The target may be named like a keyword: `INSERT INTO format FORMAT CSV`, `db.values`.
    let mut expects_name = true;
    let mut depth = 0_usize;
    loop {
        match token.kind {
            Kind::End => return Some(Head::Bare { sql: token.start }),
            Kind::Semicolon if depth == 0 => return Some(Head::Bare { sql: token.start }),
            Kind::Open => {
                depth += 1;
                let after = tokens.clone().next();
                if depth == 1 && after.kind == Kind::Word && tokens.is_one_of(after, &["SELECT", "WITH"]) {
                    return Some(Head::Select);
                }
            }
            Kind::Close => depth = depth.saturating_sub(1),
            Kind::Dot if depth == 0 => {
                token = tokens.next();
                expects_name = true;
                continue;
            }
            Kind::Word if depth == 0 && !expects_name => {
                if tokens.is(token, "FORMAT") {
                    return Some(Head::Format { sql: token.start });
                }
                if tokens.is(token, "VALUES") {
                    return Some(Head::Values { sql: token.start, data: token.end });
                }
                if tokens.is_one_of(token, &["SELECT", "WITH", "FROM", "WATCH", "EXPLAIN", "TABLE"]) {
                    return Some(Head::Select);
                }
            }
            _ => {}
        }
        expects_name = false;
        token = tokens.next();
    }
}

/// Data begins after the format's name, blanks and at most one line end: the server's own rule.
fn data_start(text: &[u8], mut at: usize, complete: bool) -> Result<usize, Split> {
    while text.get(at).is_some_and(|byte| matches!(byte, b' ' | b'\t' | 0x0c)) {
        at += 1;
    }
    if text.get(at) == Some(&b'\r') {
        at += 1;
    }
    match text.get(at) {
        Some(b'\n') => Ok(at + 1),
        // A lone semicolon at the end is how people type; before data it is an error, as it is for the server.
        Some(b';') if complete && text[at + 1..].iter().all(u8::is_ascii_whitespace) => Ok(text.len()),
        Some(b';') if complete => Err(Split::ExcessiveSemicolon),
        Some(b';') if text[at + 1..].iter().all(u8::is_ascii_whitespace) => Err(Split::NeedMore),
        Some(b';') => Err(Split::ExcessiveSemicolon),
        None if !complete => Err(Split::NeedMore),
        _ => Ok(at),
    }
}

/// The format that the clause at a query's end names.
fn named_format(text: &[u8]) -> Option<String> {
    format_clause(text).map(|clause| clause.format)
}

/// A `FORMAT` clause.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct FormatClause {
    /// Where it begins in the text.
    pub(crate) start: usize,
    pub(crate) end: usize,
    /// The format that it names.
    pub(crate) format: String,
}

/// The `FORMAT` clause at a query's end; a `SETTINGS` clause may follow it.
pub(crate) fn format_clause(text: &[u8]) -> Option<FormatClause> {
    let mut tokens = Tokens { text, at: 0 };
    let mut depth = 0_usize;
    let mut named = None;
    let mut keyword = None;
    loop {
        let token = tokens.next();
        match token.kind {
            Kind::End => return named,
            Kind::Open => depth += 1,
            Kind::Close => depth = depth.saturating_sub(1),
            Kind::Word if depth == 0 => {
                if let Some(start) = keyword.take() {
                    let format = String::from_utf8_lossy(&text[token.start..token.end]).into_owned();
                    named = Some(FormatClause { start, end: token.end, format });
                    continue;
                }
                keyword = tokens.is(token, "FORMAT").then_some(token.start);
                if tokens.is(token, "SETTINGS") && named.is_some() {
                    return named;
                }
                named = None;
                continue;
            }
            Kind::Semicolon => continue,
            _ => named = None,
        }
        keyword = None;
    }
}

/// The first word of a text, if it begins with one.
pub(crate) fn first_word(text: &[u8]) -> Option<&[u8]> {
    let token = Tokens { text, at: 0 }.next();
    (token.kind == Kind::Word).then(|| &text[token.start..token.end])
}

/// True when the text begins with a round bracket.
pub(crate) fn begins_with_bracket(text: &[u8]) -> bool {
    let token = Tokens { text, at: 0 }.next();
    token.kind == Kind::Open && text[token.start] == b'('
}

/// A token of a statement that has no expressions.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Word<'text> {
    /// A keyword, a name or a number.
    Bare(&'text str),
    /// A quoted name without a backslash or a quote in it.
    Name(&'text str),
    /// A string literal, with its quotes.
    Text(&'text str),
    Dot,
}

/// The tokens of a statement that has nothing but words, quoted names, strings and dots; semicolons at its end are left
/// out.
pub(crate) fn words(text: &[u8]) -> Option<Vec<Word<'_>>> {
    let mut tokens = Tokens { text, at: 0 };
    let mut words = Vec::new();
    let mut ended = false;
    loop {
        let token = tokens.next();
        let part = std::str::from_utf8(&text[token.start..token.end]).ok()?;
        match (token.kind, part.as_bytes().first()) {
            (Kind::End, _) => return Some(words),
            (Kind::Semicolon, _) => ended = true,
            _ if ended => return None,
            (Kind::Word, _) => words.push(Word::Bare(part)),
            (Kind::Dot, _) => words.push(Word::Dot),
            (Kind::Quoted, Some(b'\'')) if is_whole(part) => words.push(Word::Text(part)),
            (Kind::Quoted, Some(b'`' | b'"')) if is_whole(part) => words.push(Word::Name(&part[1..part.len() - 1])),
            _ => return None,
        }
    }
}

/// A quoted token that ends with its quote and has neither another one nor a backslash inside.
fn is_whole(part: &str) -> bool {
    let quote = &part[..1];
    part.len() >= 2 && part.ends_with(quote) && !part[1..part.len() - 1].contains(['\\', '\n', '\0', '\'', '"', '`'])
}

fn reads_input(text: &[u8]) -> bool {
    let mut tokens = Tokens { text, at: 0 };
    loop {
        let token = tokens.next();
        match token.kind {
            Kind::End => return false,
            Kind::Word if tokens.is(token, "input") && tokens.clone().next().kind == Kind::Open => return true,
            _ => {}
        }
    }
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Kind {
    Word,
    Quoted,
    Open,
    Close,
    Dot,
    Semicolon,
    Other,
    End,
}

#[derive(Clone, Copy)]
struct Token {
    kind: Kind,
    start: usize,
    end: usize,
}

#[derive(Clone)]
struct Tokens<'text> {
    text: &'text [u8],
    at: usize,
}

impl Tokens<'_> {
    fn is(&self, token: Token, word: &str) -> bool {
        self.text[token.start..token.end].eq_ignore_ascii_case(word.as_bytes())
    }

    fn is_one_of(&self, token: Token, words: &[&str]) -> bool {
        words.iter().any(|word| self.is(token, word))
    }

    /// The next token; a token that the text's end cuts off runs to that end.
    fn next(&mut self) -> Token {
        self.skip_blanks();
        let start = self.at;
        let Some(&first) = self.text.get(start) else { return Token { kind: Kind::End, start, end: start } };
        let (kind, end) = match first {
            b'\'' | b'"' | b'`' => (Kind::Quoted, self.quoted_end(first)),
            b'$' => match self.heredoc_end() {
                Some(end) => (Kind::Quoted, end),
                None => (Kind::Other, start + 1),
            },
            b'(' | b'[' | b'{' => (Kind::Open, start + 1),
            b')' | b']' | b'}' => (Kind::Close, start + 1),
            b'.' => (Kind::Dot, start + 1),
            b';' => (Kind::Semicolon, start + 1),
            byte if is_word(byte) => {
                (Kind::Word, start + self.text[start..].iter().take_while(|byte| is_word(**byte)).count())
            }
            _ => (Kind::Other, start + 1),
        };
        self.at = end;
        Token { kind, start, end }
    }

    fn skip_blanks(&mut self) {
        loop {
            let rest = &self.text[self.at..];
            let line = |rest: &[u8]| rest.iter().position(|byte| *byte == b'\n').map_or(rest.len(), |at| at + 1);
            self.at += match rest {
                [byte, ..] if byte.is_ascii_whitespace() || *byte == 0x0b => 1,
                [b'-', b'-', ..] | [b'#', b' ' | b'!', ..] => line(rest),
                [b'/', b'*', ..] => rest[2..].windows(2).position(|two| two == b"*/").map_or(rest.len(), |at| at + 4),
                _ => return,
            };
        }
    }

    fn quoted_end(&self, quote: u8) -> usize {
        let mut at = self.at + 1;
        while let Some(&byte) = self.text.get(at) {
            match byte {
                b'\\' => at += 2,
                // A doubled quote is read as two strings side by side: the end is the same.
                _ if byte == quote => return at + 1,
                _ => at += 1,
            }
        }
        self.text.len()
    }

    /// `$tag$ … $tag$`.
    fn heredoc_end(&self) -> Option<usize> {
        let rest = &self.text[self.at..];
        let tag_length = rest[1..].iter().take_while(|byte| is_word(**byte)).count() + 2;
        let tag = rest.get(..tag_length).filter(|tag| tag.ends_with(b"$"))?;
        let close = rest[tag_length..].windows(tag_length).position(|window| window == tag)?;
        Some(self.at + tag_length + close + tag_length)
    }
}

fn is_word(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || byte == b'_'
}

#[cfg(test)]
mod tests;

//! `SHOW` and `EXISTS` for analysts: statements that the engine's parse does not spell out, so they are read here.
//!
//! Only a handful of forms is known. What is run is not the analyst's text but one that is written anew from what was
//! understood, so nothing that was overlooked can reach the engine.

use crate::reader::database;
use crate::statement::Word;

/// The statement to run, or a sentence why there is none.
pub(crate) fn rewrite(words: &[Word<'_>]) -> Result<String, String> {
    let mut reader = Reader { words, out: String::new() };
    reader.statement().ok_or_else(|| {
        "of SHOW and EXISTS there are: SHOW DATABASES, SHOW TABLES, SHOW COLUMNS FROM table, SHOW CREATE TABLE table, \
         EXISTS TABLE table and EXISTS DATABASE name, with LIKE 'pattern' and LIMIT number where they fit"
            .to_owned()
    })?;
    Ok(reader.out)
}

struct Reader<'words> {
    words: &'words [Word<'words>],
    out: String,
}

impl Reader<'_> {
    fn statement(&mut self) -> Option<()> {
        if self.keyword(&["EXISTS"]) {
            if self.keyword(&["DATABASE"]) {
                self.database()?;
                return self.end();
            }
            if !self.keyword(&["TABLE", "VIEW"]) {
                self.out += " TABLE";
            }
            self.table()?;
            return self.end();
        }
        self.keyword(&["SHOW"]).then_some(())?;
        self.keyword(&["FULL"]);
        if self.keyword(&["DATABASES"]) {
        } else if self.keyword(&["TABLES"]) {
            self.optional_database()?;
        } else if self.keyword(&["COLUMNS", "FIELDS"]) {
            self.keyword(&["FROM", "IN"]).then_some(())?;
            self.table()?;
            self.optional_database()?;
        } else if self.keyword(&["CREATE"]) {
            self.keyword(&["TABLE", "VIEW"]);
            self.table()?;
            return self.end();
        } else {
            return None;
        }
        self.pattern()?;
        self.end()
    }

    fn pattern(&mut self) -> Option<()> {
        let negated = self.keyword(&["NOT"]);
        if self.keyword(&["LIKE", "ILIKE"]) {
            match self.words {
                [Word::Text(text), rest @ ..] if !text.contains('\\') => {
                    self.words = rest;
                    self.out += &format!(" {text}");
                }
                _ => return None,
            }
        } else if negated {
            return None;
        }
        if self.keyword(&["LIMIT"]) {
            match self.words {
                [Word::Bare(number), rest @ ..] if number.len() < 10 && number.bytes().all(|b| b.is_ascii_digit()) => {
                    self.words = rest;
                    self.out += &format!(" {number}");
                }
                _ => return None,
            }
        }
        Some(())
    }

    fn keyword(&mut self, of: &[&'static str]) -> bool {
        let [Word::Bare(word), rest @ ..] = self.words else { return false };
        let Some(keyword) = of.iter().find(|keyword| word.eq_ignore_ascii_case(keyword)) else { return false };
        self.words = rest;
        if !self.out.is_empty() {
            self.out.push(' ');
        }
        self.out += keyword;
        true
    }

    /// `name`, or `tamga_stats.name` with the database of this engine.
    fn table(&mut self) -> Option<()> {
        if let [Word::Bare(name) | Word::Name(name), Word::Dot, rest @ ..] = self.words
            && *name == database()
        {
            self.words = rest;
        }
        let [Word::Bare(name) | Word::Name(name), rest @ ..] = self.words else { return None };
        self.words = rest;
        is_plain(name).then(|| self.out += &format!(" `{}`.`{name}`", database()))
    }

    /// `FROM tamga_stats`, with the database of this engine, or nothing.
    fn optional_database(&mut self) -> Option<()> {
        if !self.keyword(&["FROM", "IN"]) {
            return Some(());
        }
        self.database()
    }

    /// The database of this engine.
    fn database(&mut self) -> Option<()> {
        let [Word::Bare(name) | Word::Name(name), rest @ ..] = self.words else { return None };
        (*name == database()).then_some(())?;
        self.words = rest;
        self.out += &format!(" `{}`", database());
        Some(())
    }

    fn end(&self) -> Option<()> {
        self.words.is_empty().then_some(())
    }
}

fn is_plain(name: &str) -> bool {
    !name.is_empty() && name.len() <= 128 && name.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_')
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::statement::words;

    fn rewritten(text: &str) -> Option<String> {
        rewrite(&words(text.as_bytes())?).ok()
    }

    #[test]
    fn the_known_forms_are_written_anew() {
        for (text, expected) in [
            ("show tables", "SHOW TABLES"),
            (
                "SHOW /* x */ TABLES FROM tamga_stats LIKE 'a%' LIMIT 5;",
                "SHOW TABLES FROM `tamga_stats` LIKE 'a%' LIMIT 5",
            ),
            ("SHOW FULL TABLES IN `tamga_stats`", "SHOW FULL TABLES IN `tamga_stats`"),
            ("SHOW DATABASES NOT LIKE 'x'", "SHOW DATABASES NOT LIKE 'x'"),
            ("SHOW COLUMNS FROM site FROM tamga_stats", "SHOW COLUMNS FROM `tamga_stats`.`site` FROM `tamga_stats`"),
            ("SHOW CREATE TABLE tamga_stats.site", "SHOW CREATE TABLE `tamga_stats`.`site`"),
            ("SHOW CREATE site", "SHOW CREATE `tamga_stats`.`site`"),
            ("EXISTS TABLE \"site\"", "EXISTS TABLE `tamga_stats`.`site`"),
            ("EXISTS site", "EXISTS TABLE `tamga_stats`.`site`"),
            ("EXISTS DATABASE tamga_stats", "EXISTS DATABASE `tamga_stats`"),
        ] {
            assert_eq!(rewritten(text).as_deref(), Some(expected), "{text}");
        }
    }

    #[test]
    fn any_other_form_is_refused() {
        for text in [
            "SHOW",
            "SHOW TABLES FROM tamga_vault",
            "SHOW TABLES WHERE name = 'x'",
            "SHOW TABLES LIKE (SELECT 1)",
            "SHOW TABLES LIKE 'a\\'",
            "SHOW TABLES INTO OUTFILE 'x'",
            "SHOW TABLES SETTINGS max_threads = 1",
            "SHOW TABLES LIMIT 1e9",
            "SHOW PROCESSLIST",
            "SHOW GRANTS",
            "SHOW CREATE TABLE system.processes",
            "SHOW CREATE TABLE tamga_stats.site.x",
            "SHOW CREATE USER default",
            "EXISTS TABLE tamga_vault.events",
            "EXISTS DATABASE tamga_vault",
            "EXISTS TEMPORARY TABLE x",
            "SHOW TABLES; SELECT 1",
        ] {
            assert_eq!(rewritten(text), None, "{text}");
        }
    }
}

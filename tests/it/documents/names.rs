//! Names in code spans and blocks of code exist: files, links, verbs and options, routes, metrics, settings, make targets,
//! scripts of npm packages, modules of tests.
//!
//! A paragraph with the word "planned" may name what does not exist yet.

use std::collections::{BTreeMap, BTreeSet};
use std::process::Command;

use regex::Regex;

use super::{Document, documents, generated, settings};
use crate::support::repository::{code_spans, is_there, tracked};

/// What the names are compared with.
struct Known {
    /// For each verb, such as `tamga audit show`, the text of its help.
    verbs: BTreeMap<String, String>,
    routes: Vec<String>,
    metrics: BTreeSet<String>,
    sections: BTreeMap<String, BTreeSet<String>>,
    targets: BTreeSet<String>,
    /// What `npm run` can run in one of the packages.
    scripts: BTreeSet<String>,
    test_modules: BTreeSet<String>,
    /// Words that begin with `tamga_` and are no metrics: databases, roles, profiles.
    sql: BTreeSet<String>,
    /// Paths of pages that the documents use as examples: those of the configurations under deploy/ and of the demo's shop.
    pages: BTreeSet<String>,
}

fn words(text: &str, pattern: &str) -> BTreeSet<String> {
    Regex::new(pattern).unwrap().find_iter(text).map(|word| word.as_str().to_owned()).collect()
}

fn captured(text: &str, pattern: &str) -> BTreeSet<String> {
    Regex::new(pattern).unwrap().captures_iter(text).map(|found| found[1].to_owned()).collect()
}

fn all_of(is_wanted: impl Fn(&str) -> bool) -> String {
    let wanted = tracked().iter().filter(|path| is_wanted(path));
    wanted.filter_map(|path| std::fs::read_to_string(path).ok()).collect()
}

fn scripts_of(package: &str) -> Vec<String> {
    let text = std::fs::read_to_string(format!("{package}/package.json")).unwrap();
    let package: serde_json::Value = serde_json::from_str(&text).unwrap();
    package["scripts"].as_object().unwrap().keys().cloned().collect()
}

impl Known {
    fn gather() -> Self {
        let read = |path: &str| std::fs::read_to_string(path).unwrap();
        let mut verbs = BTreeMap::new();
        learn_verbs("tamga", &mut verbs);
        assert!(verbs.len() > 10, "the verbs were not understood: {:?}", verbs.keys());
        let sql = all_of(|path| path.starts_with("schema/") && (path.ends_with(".sql") || path.ends_with(".xml")));
        let code = all_of(|path| path.ends_with(".rs") && !path.starts_with("tests/"));
        let quoted = captured(&code, r#""(tamga_[a-z_]+)""#);
        Self {
            verbs,
            routes: generated::routes().into_iter().map(|route| route.path).collect(),
            metrics: generated::metric_names(),
            sections: settings::sections(),
            targets: captured(&read("Makefile"), r"(?m)^([a-z]+):.*## "),
            scripts: ["collector-js", "stats-page"].iter().flat_map(|package| scripts_of(package)).collect(),
            test_modules: captured(&read("tests/it/main.rs"), r"(?m)^mod ([a-z_]+);"),
            sql: words(&sql, r"\btamga_[a-z_]+").into_iter().chain(quoted).collect(),
            pages: example_pages(),
        }
    }

    /// What is wrong with a code span or a line of a block of code.
    fn objections(&self, code: &str, folder: &str) -> Vec<String> {
        let mut wrong = Vec::new();
        wrong.extend(wrong_path(code, folder));
        for command in code.split(['|', ';']).flat_map(|part| part.split("&&")).map(str::trim) {
            let command = command.strip_prefix("$ ").unwrap_or(command);
            if let Some(arguments) = command.strip_prefix("tamga ") {
                wrong.extend(self.wrong_verb(arguments));
            }
            if let Some(target) = command.strip_prefix("make ").and_then(|rest| rest.split_whitespace().next())
                && target.bytes().all(|b| b.is_ascii_lowercase())
                && !self.targets.contains(target)
            {
                wrong.push(format!("there is no `make {target}`"));
            }
            if command.starts_with("npm ")
                && let Some((_, rest)) = command.split_once(" run ")
                && let Some(script) = rest.split_whitespace().find(|word| !word.starts_with('-'))
                && !self.scripts.contains(script)
            {
                wrong.push(format!("no package has the script {script:?}"));
            }
            if let Some((_, rest)) = command.split_once("--test it ")
                && let module = rest.split([':', ' ']).next().unwrap_or("")
                && !module.starts_with('-')
                && !self.test_modules.contains(module)
            {
                wrong.push(format!("tests/it has no module {module:?}"));
            }
        }
        wrong.extend(self.wrong_route(code));
        for name in words(code, r"\btamga_[a-z_]+") {
            let is_prefix = name.ends_with('_');
            if !is_prefix && !self.metrics.contains(&name) && !self.sql.contains(&name) {
                wrong.push(format!("{name} is no metric and nothing in schema/"));
            }
        }
        wrong.extend(self.wrong_setting(code));
        wrong
    }

    fn wrong_verb(&self, arguments: &str) -> Option<String> {
        let mut at = "tamga".to_owned();
        for word in arguments.split_whitespace() {
            let word = word.trim_matches(|c: char| !c.is_ascii_alphanumeric() && c != '-');
            if word.starts_with("--") {
                let option = word.split('=').next().unwrap_or(word);
                let is_known = self.verbs[&at].split(|c: char| !c.is_ascii_alphanumeric() && c != '-');
                if !is_known.into_iter().any(|known| known == option) {
                    return Some(format!("`{at}` has no option {option}"));
                }
                continue;
            }
            let deeper = format!("{at} {word}");
            if self.verbs.contains_key(&deeper) {
                at = deeper;
            } else if self.verbs.keys().any(|verb| verb.starts_with(&format!("{at} ")))
                && word.starts_with(|c: char| c.is_ascii_lowercase())
            {
                return Some(format!("`{at}` has no verb {word}"));
            }
        }
        None
    }

    fn wrong_route(&self, code: &str) -> Option<String> {
        /// Folders of a system, and paths that documents use to explain templates.
        const OTHERS: &[&str] = &["/dev", "/etc", "/proc", "/run", "/sys", "/tmp", "/usr", "/var", "/nowhere"];
        let path = code.split(['?', '#']).next().unwrap_or(code);
        let is_path = path.starts_with('/') && path.chars().nth(1).is_some_and(|c| c.is_ascii_lowercase());
        if !is_path || path.contains(' ') || OTHERS.iter().any(|other| path.starts_with(other)) {
            return None;
        }
        let matches = |route: &&String| {
            let (route, asked) = (route.split('/').collect::<Vec<_>>(), path.split('/').collect::<Vec<_>>());
            let same = |(known, asked): (&&str, &&str)| {
                known == asked || known.starts_with('{') || asked.starts_with('<') || asked.starts_with('{')
            };
            route.len() >= asked.len() && route.iter().zip(&asked).all(|pair| same(pair) || pair.1.is_empty())
        };
        let is_known = self.routes.iter().any(|route| matches(&route)) || self.pages.contains(path);
        (!is_known).then(|| format!("{path} is no route, and no page of the examples (deploy/*.toml, the demo's shop)"))
    }

    fn wrong_setting(&self, code: &str) -> Option<String> {
        let (section, key) = code.strip_prefix('[')?.split_once(']')?;
        let section = section.trim_matches(['[', ']']);
        if section.is_empty() || !section.bytes().all(|b| b.is_ascii_lowercase() || b == b'.') {
            return None;
        }
        let Some(keys) = self.sections.get(section) else { return Some(format!("there is no section [{section}]")) };
        let key = key.trim_start_matches(']').split('=').next().unwrap_or("").trim();
        let is_key = !key.is_empty() && key.bytes().all(|b| b.is_ascii_lowercase() || b == b'_');
        (is_key && !keys.contains(key)).then(|| format!("[{section}] has no key {key}"))
    }

    /// The keys of a block of TOML.
    fn wrong_toml(&self, text: &str) -> Option<String> {
        let table: toml::Table = match toml::from_str(text) {
            Ok(table) => table,
            Err(error) => return Some(format!("it is no TOML: {error}")),
        };
        let sections = table.iter().flat_map(|(name, value)| match value {
            toml::Value::Array(tables) => tables.iter().map(|value| (name, value)).collect(),
            value => vec![(name, value)],
        });
        for (section, value) in sections {
            let Some(keys) = self.sections.get(section) else {
                return Some(format!("there is no section [{section}]"));
            };
            let unknown = value.as_table()?.keys().find(|key| !keys.contains(*key));
            if let Some(key) = unknown {
                return Some(format!("[{section}] has no key {key}"));
            }
        }
        None
    }
}

/// The verbs below one, from its help.
fn learn_verbs(verb: &str, verbs: &mut BTreeMap<String, String>) {
    let arguments = verb.split(' ').skip(1).chain(["--help"]);
    let output = Command::new(env!("CARGO_BIN_EXE_tamga")).args(arguments).output().unwrap();
    let help = String::from_utf8(output.stdout).unwrap();
    let listed = help.split_once("Commands:\n").map_or("", |(_, rest)| rest.split("\n\n").next().unwrap_or(""));
    let names: Vec<String> =
        captured(listed, r"(?m)^  ([a-z][a-z-]*)").into_iter().filter(|name| name != "help").collect();
    verbs.insert(verb.to_owned(), help);
    for name in names {
        learn_verbs(&format!("{verb} {name}"), verbs);
    }
}

fn example_pages() -> BTreeSet<String> {
    let configured = all_of(|path| path.starts_with("deploy/") && path.ends_with(".toml"));
    let mut pages = captured(&configured, r#""(/[a-z][^" ]*)""#);
    let shop = tracked().iter().filter_map(|path| path.split_once("/shop/")).map(|(_, page)| page);
    pages.extend(shop.filter_map(|page| page.strip_suffix(".html")).map(|page| format!("/{page}")));
    pages
}

/// A path of this repository that is not there.
fn wrong_path(code: &str, folder: &str) -> Option<String> {
    const SOURCES: &[&str] = &[".rs", ".sql", ".ts", ".mjs", ".c", ".md"];
    const FILES: &[&str] = &[".toml", ".yaml", ".json", ".xml", ".txt", ".html"];
    let path = code.split('#').next().unwrap_or(code);
    let is_plain = !path.is_empty() && path.bytes().all(|b| b.is_ascii_alphanumeric() || b"/._-".contains(&b));
    if !is_plain || path.starts_with(['/', '.']) {
        return None;
    }
    let is_source = SOURCES.iter().any(|end| path.ends_with(end) && path.len() > end.len());
    if let Some((first, _)) = path.split_once('/') {
        let is_meant = is_source || FILES.iter().any(|end| path.ends_with(end));
        let is_meant = is_meant || is_there(first) || is_there(&format!("src/{first}"));
        let places = [path.to_owned(), format!("src/{path}"), format!("{folder}/{path}"), format!("src/{path}.rs")];
        let found = places.iter().any(|place| is_there(place)) || is_there(&format!("collector-js/{path}"));
        return (is_meant && !found && path != "text/plain").then(|| format!("there is no {path}"));
    }
    let name = format!("/{path}");
    let found = tracked().iter().any(|file| file == path || file.ends_with(&name));
    (is_source && !found).then(|| format!("no file is called {path}"))
}

/// The links of a paragraph that lead nowhere.
fn wrong_links(text: &str, document: &Document) -> Vec<String> {
    let links = captured(text, r"\]\(([^)\s]+)\)");
    let is_wrong = |link: &String| {
        let (file, anchor) = link.split_once('#').unwrap_or((link, ""));
        let target = if file.is_empty() { document.path.clone() } else { joined(document.folder(), file) };
        let has_anchor = || {
            let text = std::fs::read_to_string(&target).unwrap_or_default();
            text.lines().filter(|line| line.starts_with('#')).any(|line| slug(line) == anchor)
        };
        !is_there(&target) || !anchor.is_empty() && !has_anchor()
    };
    let relative = links.into_iter().filter(|link| !link.contains("://") && !link.starts_with("mailto:"));
    relative.filter(is_wrong).map(|link| format!("the link {link} leads nowhere")).collect()
}

fn joined(folder: &str, file: &str) -> String {
    let mut parts: Vec<&str> = folder.split('/').filter(|part| !part.is_empty()).collect();
    for part in file.split('/') {
        match part {
            ".." => drop(parts.pop()),
            "." | "" => {}
            part => parts.push(part),
        }
    }
    parts.join("/")
}

/// The anchor of a heading, as GitHub makes it.
fn slug(heading: &str) -> String {
    let text = heading.trim_start_matches('#').trim().to_lowercase();
    let kept = text.chars().filter(|c| c.is_alphanumeric() || matches!(c, ' ' | '-' | '_'));
    kept.map(|c| if c == ' ' { '-' } else { c }).collect()
}

#[test]
fn every_name_in_the_documents_exists() {
    let known = Known::gather();
    let mut wrong = Vec::new();
    // The changelog also names what is gone.
    for document in documents().iter().filter(|document| document.path != "CHANGELOG.md") {
        for paragraph in document.paragraphs.iter().filter(|paragraph| !paragraph.text.contains("planned")) {
            let place = format!("{}:{}", document.path, paragraph.line);
            let spans = code_spans(&paragraph.text.replace('\n', " "));
            let objections = spans.iter().flat_map(|span| known.objections(span, document.folder()));
            let objections = objections.chain(wrong_links(&paragraph.text, document));
            wrong.extend(objections.map(|objection| format!("{place}: {objection}")));
        }
        for fence in &document.fences {
            let place = format!("{}:{}", document.path, fence.line);
            if fence.info == "toml" {
                wrong
                    .extend(known.wrong_toml(&fence.lines.join("\n")).map(|objection| format!("{place}: {objection}")));
            } else if fence.info.is_empty() || fence.info.starts_with("sh") {
                // A comment after a command is prose.
                let code = fence.lines.iter().map(|line| line.split(" # ").next().unwrap_or(line));
                let objections = code.flat_map(|line| known.objections(line.trim(), document.folder()));
                wrong.extend(objections.map(|objection| format!("{place}: {objection}")));
            }
        }
    }
    assert!(wrong.is_empty(), "{} names do not exist:\n{}", wrong.len(), wrong.join("\n"));
}

#[test]
fn names_that_do_not_exist_are_found() {
    let known = Known::gather();
    for code in [
        "tamga sreve",
        "tamga serve --confg a",
        "tamga audit shw",
        "make tset",
        "cargo test --test it nowhere",
        "/v1/becon",
        "/privacyx",
        "tamga_rowz",
        "[servr] listen",
        "[server] lissen",
        "src/nowhere.rs",
        "collect/nowhere",
        "nowhere.rs",
    ] {
        assert_eq!(known.objections(code, "docs").len(), 1, "{code}: {:?}", known.objections(code, "docs"));
    }
    for code in [
        "tamga audit show",
        "tamga serve --config a",
        "make test",
        "/v1/beacon",
        "/js/<hash>/tamga.js",
        "[server] listen",
    ] {
        assert!(known.objections(code, "docs").is_empty(), "{code}: {:?}", known.objections(code, "docs"));
    }
    assert!(known.wrong_toml("[[site]]\nnope = 1").is_some() && known.wrong_toml("[[site]]\nevents = []").is_none());
    assert_eq!(slug("## What one person more changes"), "what-one-person-more-changes");
}

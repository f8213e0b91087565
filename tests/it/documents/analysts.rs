//! What the documents say to analysts is so: docs/clients.md names for each client the test that runs it, and docs/analysts.md for each
//! question the file, the column of the error and the panel that answer it. The page has words for what the store names. Not examined: whether an answer is a good one.

use std::collections::BTreeSet;
use std::fs;

use tamga::outcome::{DropReason, Rejection, SUSPICIONS};

use super::promises;
use crate::support::repository::{code_spans, section, table_rows, tracked};

const CLIENTS: &str = "docs/clients.md";
const RUN: &str = "tests/clients/run";
/// What a row says of a client that is installed and run only if it is asked for.
const SLOW: &str = "`TAMGA_CLIENTS=all`";
/// The test that sends what a client sends, and its list: a heading for each client.
const REPLAY: &str = "analyst::what_clients_send_is_answered";
const SENT: &str = "tests/fixtures/analyst/clients.txt";

/// The rows of the table of tests: the client, what is tried, the tests.
fn rows() -> Vec<[String; 3]> {
    let rows = table_rows(&section(CLIENTS, "Which test runs it"));
    assert!(rows.len() > 20, "{CLIENTS} has {} clients", rows.len());
    rows.into_iter().map(|row| row.try_into().unwrap_or_else(|row| panic!("three cells: {row:?}"))).collect()
}

/// The packages that `tests/clients/run` installs.
fn installed() -> Vec<String> {
    let text = fs::read_to_string(RUN).unwrap();
    let commands = text.replace("\\\n", " ");
    let mut packages = Vec::new();
    for line in commands.lines().filter(|line| line.contains("python ") || line.contains("npm install")) {
        let quoted = line.split('\'').skip(1).step_by(2);
        let name = |of: &str| of[..1].to_owned() + of[1..].split(['[', '<', '>', '=', '@']).next().unwrap();
        packages.extend(quoted.map(name));
    }
    assert!(packages.len() > 10, "{packages:?}");
    packages
}

/// Whether a line of `tests/clients/run` is carried out only if it is asked for.
fn is_slow(line: &str) -> bool {
    line.contains("!= all ]")
}

#[test]
fn each_client_of_the_table_is_run_by_the_test_that_it_names() {
    let (run, tests, installed) = (fs::read_to_string(RUN).unwrap(), promises::tests(), installed());
    let sent = fs::read_to_string(SENT).unwrap();
    let sent: BTreeSet<_> = sent.lines().filter_map(|line| line.strip_prefix("## ")?.split(' ').next()).collect();
    let mut wrong = Vec::new();
    for [client, tried, by] in rows() {
        let (packages, by) = (code_spans(&client), code_spans(&by));
        for package in packages.iter().filter(|package| !package.contains("://")) {
            if !installed.contains(package) {
                wrong.push(format!("{client}: {RUN} does not install {package}"));
            }
        }
        for test in &by {
            let is_there = match test.strip_prefix("tests/clients/") {
                Some("run") => true,
                Some(_) => {
                    let calls: Vec<_> = run.lines().filter(|line| line.contains(test.as_str())).collect();
                    if !calls.is_empty() && calls.iter().all(|line| is_slow(line)) != tried.contains(SLOW) {
                        wrong.push(format!("{client}: is {test} run only with {SLOW}?"));
                    }
                    !calls.is_empty()
                }
                None => test.rsplit("::").next().is_some_and(|name| tests.contains(name)),
            };
            if !is_there {
                wrong.push(format!("{client}: {test} is not run"));
            }
        }
        let is_sent = sent.iter().any(|name| client.contains(name) || tried.contains(name));
        if by.is_empty() || by.iter().any(|test| test == REPLAY) && !is_sent {
            wrong.push(format!("{client}: nothing tries it"));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn each_client_that_is_run_or_described_is_in_the_table() {
    /// What clients need, and what applications verify verdicts with.
    const HELPERS: [&str; 9] =
        ["pyjwt", "jose", "jupytext", "nbclient", "ipykernel", "aiohttp", "packaging", "sqlparse", "setuptools"];
    let table: String = rows().iter().map(|row| row.join(" | ") + "\n").collect();
    let has = |name: &str| code_spans(&table.replace('\n', " ")).iter().any(|span| span == name);
    let packages = installed().into_iter().filter(|name| !HELPERS.contains(&name.as_str()));
    let mut missing: Vec<_> = packages.filter(|name| !has(name)).collect();
    // These two are no client: the verdicts' applications, and statements that end the engine.
    let files = tracked().iter().filter(|path| path.starts_with("tests/clients/"));
    let files = files.filter(|path| !path.ends_with("/verifiers.mjs") && !path.ends_with("/runaway.py"));
    missing.extend(files.filter(|path| !has(path)).cloned());
    let sent = fs::read_to_string(SENT).unwrap();
    let sent = sent.lines().filter_map(|line| line.strip_prefix("## ")?.split(' ').next());
    missing.extend(sent.filter(|name| !table.contains(name)).map(str::to_owned));
    // The settings of a client stand above: each is in bold there.
    for row in table_rows(&section(CLIENTS, "Clients")).iter().filter(|row| row.len() == 2) {
        let named = row[0].replace("**", "").replace(" and ", ", ");
        let named = named.split(", ").filter(|name| !name.starts_with("data source") && !table.contains(name));
        missing.extend(named.map(str::to_owned));
    }
    assert!(missing.is_empty(), "in no row of {CLIENTS}: {missing:?}");
}

#[test]
fn each_question_of_a_first_month_names_its_file_its_panel_and_its_error_or_why_it_is_refused() {
    let rows = table_rows(&section("docs/analysts.md", "Questions of a first month"));
    let rows: Vec<_> = rows.iter().filter(|row| row.len() == 4).collect();
    let words = fs::read_to_string("stats-page/src/words.ts").unwrap();
    let sql = |question: &String| fs::read_to_string(format!("schema/queries/{question}.sql")).ok();
    let (mut wrong, mut refused) = (Vec::new(), 0);
    for row in &rows {
        let [asked, answer, panels, error] = [&row[0], &row[1], &row[2], &row[3]];
        if let Some(reason) = answer.strip_prefix("Refused: ") {
            refused += 1;
            if !reason.contains("Declare") || !panels.is_empty() || !error.is_empty() {
                wrong.push(format!("{asked} is refused with a reason, and with what to declare"));
            }
            continue;
        }
        let answer = answer.split(": ").next().unwrap();
        let files: Vec<_> = code_spans(answer).iter().map(|question| (question.clone(), sql(question))).collect();
        for (question, text) in &files {
            match text {
                None => wrong.push(format!("{asked} there is no question {question}")),
                Some(text) => {
                    let mut columns = code_spans(error).into_iter();
                    let has = columns.any(|column| text.contains(&format!("AS {column}")));
                    if !has && !error.contains(&format!("`{question}` has none")) {
                        wrong.push(format!("{asked} {question} has none of {error}"));
                    }
                }
            }
        }
        if files.is_empty() && !answer.starts_with("none") {
            wrong.push(format!("{asked} names no question"));
        }
        let panels = panels.split("; it ").next().unwrap().split("; ").filter(|panel| *panel != "none");
        let unknown = panels.filter(|panel| !words.lines().any(|line| is_panel(line, panel)));
        wrong.extend(unknown.map(|panel| format!("{asked} there is no panel {panel:?}")));
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    assert_eq!((refused, rows.len() - refused), (3, 25));
}

#[test]
fn each_outcome_and_sign_that_the_store_names_has_words_on_the_page() {
    let words = fs::read_to_string("stats-page/src/outcomes.ts").unwrap();
    let bots = fs::read_to_string("src/enrich/bots/patterns.txt").unwrap();
    let bots: BTreeSet<_> =
        bots.lines().filter_map(|line| Some(format!("\"bot:{}\"", line.split_once('\t')?.0))).collect();
    let drops = DropReason::ALL.iter().map(|reason| reason.name());
    let rejections = Rejection::ALL.iter().map(|rejection| rejection.name());
    let names = drops.chain(rejections).chain(SUSPICIONS).chain(["accepted"]).map(str::to_owned).chain(bots);
    let (mut count, mut missing) = (0, Vec::new());
    for name in names {
        count += 1;
        if !words.contains(&format!("  {name}: [")) {
            missing.push(name);
        }
    }
    assert!(missing.is_empty() && count > 40, "{count} names, without words: {missing:?}");
}

/// Whether a line of the page's words names a panel so in English.
fn is_panel(line: &str, name: &str) -> bool {
    line.trim().strip_prefix("p_").is_some_and(|rest| rest.contains(&format!(": [\"{name}\",")))
}

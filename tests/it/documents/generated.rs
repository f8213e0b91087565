//! What the documents list is what the code has: settings, metrics, routes and refusals. The lists stand between two
//! comments, `<!-- written: NAME -->` and `<!-- end -->`; `UPDATE_EXPECT=1 cargo test --test it documents` writes them anew.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;
use std::path::Path;

use regex::Regex;
use tamga::config::Config;
use tamga::metrics::{Description, Metrics, RowCounts};
use tamga::outcome::{DropReason, Refusal, Rejection};

use super::settings;
use crate::support::repository::tracked;

/// Compares the lists of a document, in the order of their names, with those of the code.
pub(crate) fn assert_written(file: &str, lists: &[(&str, String)]) {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join(file);
    let mut text = std::fs::read_to_string(&path).unwrap_or_else(|error| panic!("{file}: {error}"));
    for (name, list) in lists {
        let begin = format!("<!-- written: {name} -->\n");
        let (before, rest) = text.split_once(&begin).unwrap_or_else(|| panic!("{file} has no `{}`", begin.trim()));
        let (_, after) = rest.split_once("<!-- end -->").unwrap_or_else(|| panic!("{file}: {name} does not end"));
        text = format!("{before}{begin}\n{list}\n<!-- end -->{after}");
    }
    expect_test::expect_file![path].assert_eq(&text);
}

#[test]
fn the_settings_are_those_of_the_configuration() {
    let fixture = "tests/fixtures/every-setting.toml";
    let text = std::fs::read_to_string(fixture).unwrap();
    Config::parse(&text, Path::new(fixture), std::iter::empty()).unwrap_or_else(|error| panic!("{error}"));
    let examples = examples(&text);
    let (mut list, mut given) = (String::new(), examples.keys().cloned().collect::<BTreeSet<_>>());
    for section in settings::all() {
        let brackets = if section.is_list { format!("[[{}]]", section.name) } else { format!("[{}]", section.name) };
        write!(list, "\n### `{brackets}`\n\n{}\n\n", section.reason).unwrap();
        list += "| key | type | unit | default | meaning and reason | example |\n|---|---|---|---|---|---|\n";
        for setting in section.settings {
            let place = (setting.section, setting.key.clone());
            let example = examples.get(&place).unwrap_or_else(|| panic!("{fixture} lacks {place:?}"));
            given.remove(&place);
            let (kind, unit, default, reason) = (setting.kind, setting.unit, setting.default, setting.reason);
            writeln!(list, "| `{}` | {kind} | {unit} | {default} | {reason} | `{example}` |", setting.key).unwrap();
        }
    }
    assert!(given.is_empty(), "{fixture} gives what is no setting: {given:?}");
    assert_written("docs/configuration.md", &[("settings", list.trim().to_owned() + "\n")]);
}

/// The lines of the fixture, by section and key.
fn examples(text: &str) -> BTreeMap<(String, String), String> {
    let (mut section, mut examples) = (String::new(), BTreeMap::new());
    for line in text.lines().map(str::trim).filter(|line| !line.is_empty() && !line.starts_with('#')) {
        if line.starts_with('[') {
            section = line.trim_matches(['[', ']']).to_owned();
        } else if let Some((key, value)) = line.split_once(" = ") {
            examples.entry((section.clone(), key.to_owned())).or_insert_with(|| value.replace('|', "\\|"));
        }
    }
    examples
}

/// What `/metrics` exposes when each metric has a value.
fn exposed() -> String {
    let metrics = Metrics::default();
    metrics.set_wall(1, [("rule", false, false)]);
    metrics.set_engine_restarts("vault", 0);
    metrics.encode(&RowCounts::default())
}

/// The names of metrics, as families and as samples.
pub(super) fn metric_names() -> BTreeSet<String> {
    let text = exposed();
    let families =
        text.lines().filter_map(|line| line.strip_prefix("# TYPE ")).filter_map(|rest| rest.split(' ').next());
    let samples = text.lines().filter(|line| !line.starts_with('#')).filter_map(|line| line.split(['{', ' ']).next());
    families.chain(samples).map(str::to_owned).collect()
}

#[test]
fn the_metrics_are_those_that_are_exposed() {
    let mut list = String::from("| metric | type | unit | label | meaning |\n|---|---|---|---|---|\n");
    for Description { name, kind, unit, label, help } in Metrics::default().describe() {
        let unit = if unit.is_empty() { "–" } else { &unit };
        let label = label.map_or("–".to_owned(), |label| format!("`{label}`"));
        writeln!(list, "| `{name}` | {kind} | {unit} | {label} | {help} |").unwrap();
    }
    assert_written("docs/metrics.md", &[("metrics", list)]);
}

/// A route of one of the two listeners.
pub(super) struct Route {
    pub(super) listener: &'static str,
    pub(super) methods: String,
    pub(super) path: String,
}

/// The routes, as the sources of the two routers register them.
pub(super) fn routes() -> Vec<Route> {
    let registered = Regex::new(r#"(?s)\.route\(\s*("[^"]+"|[A-Z_]+),\s*([^\n]+)\)"#).unwrap();
    let method = Regex::new(r"\b(get|post|put|delete|options)\(").unwrap();
    let mut routes = Vec::new();
    let folders = [
        ("public", "src/collect/"),
        ("public", "src/rights/"),
        ("public", "src/protect/"),
        ("operations", "src/admin/"),
        ("operations", "src/stats_page/"),
    ];
    for (listener, folder) in folders {
        let sources = tracked().iter().filter(|path| path.starts_with(folder) && path.ends_with(".rs"));
        let code: String = sources.map(|path| std::fs::read_to_string(path).unwrap()).collect();
        for found in registered.captures_iter(&code) {
            let path = match found[1].strip_prefix('"') {
                Some(path) => path.trim_end_matches('"').to_owned(),
                None => {
                    let named = Regex::new(&format!(r#"const {}: &str = "([^"]+)""#, &found[1])).unwrap();
                    named.captures(&code).unwrap_or_else(|| panic!("{} is a constant", &found[1]))[1].to_owned()
                }
            };
            let methods: Vec<_> = method.captures_iter(&found[2]).map(|m| m[1].to_uppercase()).collect();
            routes.push(Route { listener, methods: methods.join(", "), path });
        }
    }
    assert!(routes.len() >= 8, "only {} routes were found", routes.len());
    routes
}

#[test]
fn the_routes_and_refusals_are_those_of_the_code() {
    let mut listed = String::from("| listener | methods | path |\n|---|---|---|\n");
    for route in routes() {
        writeln!(listed, "| {} | {} | `{}` |", route.listener, route.methods, route.path).unwrap();
    }
    let mut refusals = String::from("| status | reason in the metrics | the answer says |\n|---|---|---|\n");
    let mut all = Rejection::ALL;
    all.sort_by_key(|rejection| rejection.status());
    for rejection in all {
        writeln!(refusals, "| {} | `{}` | {} |", rejection.status(), rejection.name(), rejection.public_message())
            .unwrap();
    }
    let mut of_calls = String::from("| status | reason in the metrics | the answer says |\n|---|---|---|\n");
    for refusal in Refusal::ALL {
        writeln!(of_calls, "| {} | `{}` | {} |", refusal.status(), refusal.name(), refusal.public_message()).unwrap();
    }
    let drops: Vec<_> = DropReason::ALL.iter().map(|reason| format!("`{}`", reason.name())).collect();
    let lists = [
        ("routes", listed),
        ("refusals", refusals),
        ("drops", format!("{}.\n", drops.join(", "))),
        ("verdict refusals", of_calls),
    ];
    assert_written("docs/http-api.md", &lists);
}

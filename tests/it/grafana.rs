//! Do Grafana's dashboards ask what the named questions ask, and get an answer on published numbers?
//!
//! `UPDATE_EXPECT=1 cargo test --test it grafana` writes the questions into the panels anew.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

use http::StatusCode;
use serde_json::Value;

use crate::deploy::known_metrics;
use crate::schema::{fresh, questions};
use crate::stats_page::made_up_numbers;

const STATS: &str = "tamga-stats";
const PROMETHEUS: &str = "${prometheus}";

fn dashboards() -> Vec<(PathBuf, Value)> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("deploy/grafana/dashboards");
    let mut files: Vec<_> = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).collect();
    files.sort();
    files.into_iter().map(|file| (file.clone(), serde_json::from_slice(&fs::read(file).unwrap()).unwrap())).collect()
}

/// A named question as a panel asks it: of the dashboard's site and period, with what is asked as its description.
fn asked(question: &str) -> (String, String) {
    let sql = question.trim().replace("{site:String}", "${site:sqlstring}");
    let sql = sql.replace("day >= {from:Date} AND day < {to:Date}", "$__dateFilter(day)");
    let sql = sql
        .replace("day >= {from:Date} AND carried_to < {to:Date}", "$__dateFilter(day) AND $__dateFilter(carried_to)");
    let description: Vec<_> = question.lines().filter_map(|line| line.strip_prefix("-- ")).collect();
    (sql, description.join(" "))
}

/// What Grafana and its plugin send for a panel's statement.
fn sent(sql: &str, site: &str) -> String {
    let days = |of: &str| format!("{of} >= toDate('2020-01-01') AND {of} <= toDate('2100-01-01')");
    let sql = sql.replace("${site:sqlstring}", &format!("'{site}'"));
    ["day", "carried_to"].iter().fold(sql, |sql, of| sql.replace(&format!("$__dateFilter({of})"), &days(of)))
}

#[test]
fn each_named_question_is_one_panel() {
    let name = |file: &Path| file.file_stem().unwrap().to_str().unwrap().to_owned();
    let mut left: BTreeSet<String> = questions().iter().map(|file| name(file)).collect();
    for (file, mut dashboard) in dashboards() {
        let before = dashboard.clone();
        for panel in dashboard["panels"].as_array_mut().unwrap() {
            if panel["datasource"]["uid"] != STATS {
                continue;
            }
            let question = panel["targets"][0]["refId"].as_str().unwrap().to_owned();
            assert!(left.remove(&question), "{question}: no such question, or two panels");
            let text = fs::read_to_string(format!("{}/schema/queries/{question}.sql", env!("CARGO_MANIFEST_DIR")));
            let (sql, description) = asked(&text.unwrap());
            panel["targets"][0]["rawSql"] = sql.into();
            panel["description"] = description.into();
        }
        if std::env::var_os("UPDATE_EXPECT").is_some() {
            fs::write(&file, serde_json::to_string_pretty(&dashboard).unwrap() + "\n").unwrap();
        } else {
            assert_eq!(before, dashboard, "{}: UPDATE_EXPECT=1 writes the questions anew", file.display());
        }
    }
    assert!(left.is_empty(), "no panel asks {left:?}");
}

#[tokio::test]
async fn each_panel_is_answered_with_rows_of_published_numbers() {
    let (engine, _stores) = fresh().await;
    for statement in made_up_numbers(9, 10) {
        let answer = engine.post("/?database=tamga_stats", statement.clone()).await;
        assert_eq!(answer.status, StatusCode::OK, "{statement}: {}", answer.text());
    }
    let mut panels = 0;
    for (file, dashboard) in dashboards() {
        for panel in dashboard["panels"].as_array().unwrap() {
            let Some(sql) = panel["targets"][0]["rawSql"].as_str() else { continue };
            let asked = format!("{}: {}", file.display(), panel["title"]);
            let answer = engine.ask("/?database=tamga_stats&default_format=JSON", sent(sql, "s3.kz")).await;
            assert_eq!(answer.status, StatusCode::OK, "{asked}: {}", answer.text());
            let answer: Value = serde_json::from_str(answer.text()).unwrap();
            assert!(answer["rows"].as_u64().unwrap() > 0, "{asked} shows nothing");
            let columns: Vec<_> = answer["meta"].as_array().unwrap().iter().map(|one| one["name"].clone()).collect();
            if panel["type"] == "timeseries" {
                assert_eq!(answer["meta"][0]["type"], "Date", "{asked} has time first");
            }
            for named in names_of_columns(panel) {
                assert!(columns.contains(&named), "{asked}: no column {named} among {columns:?}");
            }
            panels += 1;
        }
    }
    assert_eq!(panels, questions().len());
}

/// The columns that a panel's settings name.
fn names_of_columns(panel: &Value) -> Vec<Value> {
    let overrides = panel["fieldConfig"]["overrides"].as_array().unwrap();
    let mut names: Vec<Value> = overrides.iter().map(|one| one["matcher"]["options"].clone()).collect();
    for transformation in panel["transformations"].as_array().into_iter().flatten() {
        names.extend(transformation["options"]["include"]["names"].as_array().unwrap().iter().cloned());
    }
    names.extend(panel["options"].get("xField").cloned());
    names
}

#[test]
fn each_panel_of_operations_asks_for_metrics_that_there_are() {
    let known = known_metrics();
    let names = regex::Regex::new(r"tamga_[a-z_]+").unwrap();
    let mut panels = 0;
    for (_, dashboard) in dashboards() {
        for panel in dashboard["panels"].as_array().unwrap() {
            if panel["datasource"]["uid"] != PROMETHEUS {
                continue;
            }
            panels += 1;
            for target in panel["targets"].as_array().unwrap() {
                let expr = target["expr"].as_str().unwrap();
                assert!(names.is_match(expr), "{expr}");
                for name in names.find_iter(expr) {
                    assert!(known.contains(name.as_str()), "{}: there is no {}", panel["title"], name.as_str());
                }
            }
        }
    }
    assert!(panels > 0);
}

#[test]
fn dashboards_name_one_data_source_each_and_what_is_provisioned_is_that_one() {
    let mut ids = BTreeSet::new();
    for (file, dashboard) in dashboards() {
        assert!(ids.insert(dashboard["uid"].as_str().unwrap().to_owned()), "{}", file.display());
        for panel in dashboard["panels"].as_array().unwrap() {
            let source = &panel["datasource"]["uid"];
            assert!(*source == STATS || *source == PROMETHEUS, "{}: {}", file.display(), panel["title"]);
            assert!(!panel["description"].as_str().unwrap().is_empty(), "{}: {}", file.display(), panel["title"]);
            assert!(panel["targets"].as_array().unwrap().iter().all(|target| target["datasource"]["uid"] == *source));
        }
    }
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("deploy/grafana/provisioning");
    let source = fs::read_to_string(folder.join("datasources/tamga.yaml")).unwrap();
    assert!(source.contains(&format!("    uid: {STATS}\n")) && source.contains("defaultDatabase: tamga_stats\n"));
    assert!(!source.contains("tamga_vault"));
}

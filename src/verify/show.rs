//! A report for people: a table for a terminal, and an HTML page that can be printed and filed. JSON comes from `Serialize`.

use std::fmt::Write as _;

use super::{Report, Verdict};
use crate::html::escaped;

/// Green, red, yellow, dim, and back.
const COLOURS: [&str; 5] = ["\u{1b}[32m", "\u{1b}[31m", "\u{1b}[33m", "\u{1b}[2m", "\u{1b}[0m"];

fn word(verdict: &Verdict) -> (&'static str, usize, &[String]) {
    match verdict {
        Verdict::Kept => ("kept", 0, &[]),
        Verdict::Warning(weaknesses) => ("warning", 2, weaknesses),
        Verdict::Broken(evidence) => ("BROKEN", 1, evidence),
        Verdict::Unknown(why) => ("not seen", 2, why),
        Verdict::NotHere(why) => ("not here", 3, why),
    }
}

/// The summary in one sentence.
fn summary(report: &Report) -> String {
    let (all, broken, unknown) = (report.rules.len(), report.broken(), report.unknown());
    match (broken, unknown) {
        (0, 0) if report.warnings() > 0 => {
            format!("The wall is whole: {all} rules, none broken, {} with a warning.", report.warnings())
        }
        (0, 0) => format!("The wall is whole: {all} rules, none broken."),
        (0, _) => format!("The wall could not be examined completely: {unknown} of {all} rules could not be examined."),
        (_, 0) => format!("THE WALL IS NOT WHOLE: {broken} of {all} rules are broken."),
        _ => format!("THE WALL IS NOT WHOLE: {broken} of {all} rules are broken, {unknown} could not be examined."),
    }
}

/// For a terminal.
pub fn text(report: &Report, colours: bool) -> String {
    let colour = |index: usize| if colours { COLOURS[index] } else { "" };
    let mut out = format!("Tamga {}, {}\n", report.version, report.at);
    let _ = writeln!(out, "sites: {}\nstores: {}\n", report.sites.join(", "), report.stores.join("; "));
    for examined in &report.rules {
        let (word, index, lines) = word(&examined.verdict);
        let _ =
            writeln!(out, "{}{word:<9}{} {:<19}{}", colour(index), colour(4), examined.rule.name, examined.rule.says);
        for line in lines {
            let _ = writeln!(out, "{:>10}{}- {}{}", "", colour(index), plain(line), colour(4));
        }
        if matches!(examined.verdict, Verdict::Broken(_) | Verdict::Warning(_)) {
            let _ =
                writeln!(out, "{:>10}clause: {}\n{:>10}remedy: {}", "", examined.rule.clause, "", examined.rule.remedy);
        }
    }
    let _ = writeln!(out, "\naudit log's head: {}\n{}", report.audit_head, summary(report));
    out
}

/// Names come from a server that an attacker may control: no control character reaches a terminal.
fn plain(line: &str) -> String {
    line.chars().map(|c| if c.is_control() { '?' } else { c }).collect()
}

const STYLE: &str = "body{font:15px/1.45 Georgia,serif;max-width:60rem;margin:2rem auto;padding:0 1rem;color:#111}\
    table{border-collapse:collapse;width:100%}td,th{border-bottom:1px solid #bbb;padding:.45rem;text-align:left;vertical-align:top}\
    th{font-weight:600}.broken{background:#fbe3e0}.unknown{background:#fdf3d6}.dim{color:#666}small{color:#444}\
    ul{margin:.3rem 0 0;padding-left:1.1rem}code{font-size:.85em;overflow-wrap:anywhere}\
    @media print{body{margin:0;max-width:none;font-size:11px}tr{break-inside:avoid}\
    .broken,.unknown{print-color-adjust:exact;-webkit-print-color-adjust:exact}}";

/// For paper: one HTML page that loads no other file.
pub fn html(report: &Report) -> String {
    let mut rows = String::new();
    for examined in &report.rules {
        let (word, index, lines) = word(&examined.verdict);
        let class = ["", "broken", "unknown", "dim"][index];
        let _ = write!(
            rows,
            "<tr class=\"{class}\"><th scope=\"row\">{word}</th><td>{}<br><small>{}</small>",
            escaped(examined.rule.says),
            escaped(examined.rule.clause)
        );
        if !lines.is_empty() {
            let lines: String = lines.iter().map(|line| format!("<li>{}</li>", escaped(line))).collect();
            let _ = write!(rows, "<ul>{lines}</ul>");
        }
        if matches!(examined.verdict, Verdict::Broken(_) | Verdict::Warning(_)) {
            let _ = write!(rows, "<p><b>Remedy:</b> {}</p>", escaped(examined.rule.remedy));
        }
        let _ = writeln!(rows, "</td><td><code>{}</code></td></tr>", examined.rule.name);
    }
    format!(
        "<!doctype html>\n<html lang=\"en\">\n<meta charset=\"utf-8\">\n<title>Tamga: the wall, {at}</title>\n\
         <style>{STYLE}</style>\n<h1>Is telemetry separate from identified data?</h1>\n<p><b>{summary}</b></p>\n\
         <p>Examined {at} by Tamga {version}.<br>Sites: {sites}.<br>Stores: {stores}.</p>\n\
         <table><thead><tr><th>State</th><th>Rule, clause, evidence</th><th>Name</th></tr></thead>\n<tbody>\n{rows}</tbody></table>\n\
         <p>Head of the audit log: <code>{head}</code>. Keep this page: <code>tamga audit verify --heads</code> checks whether the \
         log is still the same.</p>\n<p>Date and signature:</p>\n</html>\n",
        at = escaped(&report.at),
        version = report.version,
        summary = escaped(&summary(report)),
        sites = escaped(&report.sites.join(", ")),
        stores = escaped(&report.stores.join("; ")),
        head = escaped(&report.audit_head),
    )
}

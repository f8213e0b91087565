//! A report as text for a mail, and as one HTML page that loads nothing.

use std::fmt::Write as _;

use super::{Compared, Report};
use crate::html::escaped;

/// The kinds of names, in the order of a report, with their headings and what is counted.
const KINDS: [(&str, &str, &str); 6] = [
    ("goal", "Goals", "visits"),
    ("source", "Sources", "visits"),
    ("campaign", "Campaigns", "visits"),
    ("page", "Pages", "views"),
    ("place", "Places", "visitors"),
    ("error", "Errors of scripts", "times"),
];

const STYLE: &str = "body{font:16px/1.5 system-ui,sans-serif;max-width:44rem;margin:1.5rem auto;padding:0 1rem;color:#1c2733;background:#fff}\
    h1{font-size:1.4rem}h2{font-size:1.05rem;margin:1.6rem 0 .3rem}table{border-collapse:collapse;width:100%}\
    td,th{border-bottom:1px solid #dfe5ea;padding:.3rem .5rem;text-align:right;font-weight:400}\
    td:first-child,th:first-child{text-align:left;overflow-wrap:anywhere;padding-left:0}th{color:#56636f}\
    .out{font-weight:600}small,.dim{color:#56636f}li{margin:.2rem 0}\
    @media(prefers-color-scheme:dark){body{color:#e6ebf0;background:#12181f}td,th{border-color:#2c3742}th,small,.dim{color:#9aa7b3}}";

/// A change as `+12 %`, or `new` where nothing was before.
fn change(one: &Compared) -> String {
    match one.change() {
        Some(share) => format!("{:+.0} %", share * 100.0).replace('-', "−"),
        None => "new".to_owned(),
    }
}

/// The title, with the days.
fn title(report: &Report) -> String {
    let (first, last) = report.period.bounds();
    if first == last { format!("{}: {first}", report.site) } else { format!("{}: {first} to {last}", report.site) }
}

/// What the numbers are compared with, and whether days are missing.
fn beside(report: &Report) -> String {
    let before = if report.period.now.len() == 1 { "the same day of the four weeks before" } else { "the week before" };
    let mut said = format!(
        "Beside {before}, as the mean of a day. All numbers have noise. A name stands out if it changes otherwise than all visits."
    );
    let (published, days) = report.days();
    if (published as usize) < days {
        let _ = write!(said, " Only {published} of {days} days are published.");
    }
    said
}

/// A sentence about something that stands out.
fn sentence(one: &Compared) -> String {
    let (now, before) = one.means();
    let (what, counted) = KINDS
        .iter()
        .find(|(kind, ..)| *kind == one.kind)
        .map_or((String::new(), one.name.as_str()), |(kind, _, counted)| (format!("{kind} {}: ", one.name), counted));
    let change = change(one);
    format!("{what}{now:.0} {counted} a day, {before:.0} before ({change})")
}

/// The rows of a kind, as (name, sum, change, whether it stands out).
fn rows<'a>(report: &'a Report, kind: &str) -> impl Iterator<Item = (&'a str, i64, String, bool)> {
    let of_kind = report.numbers.get(kind).map(Vec::as_slice).unwrap_or_default();
    of_kind.iter().map(|one| (one.name.as_str(), one.now, change(one), one.stands_out(&report.period)))
}

/// For a terminal or a mail.
pub fn text(report: &Report) -> String {
    let mut said = format!("{}\n{}\n\n", title(report), beside(report));
    match report.unusual.as_slice() {
        [] => said += "Nothing stands out.\n",
        unusual => {
            said += "What stands out:\n";
            for one in unusual {
                let _ = writeln!(said, "  * {}", sentence(one));
            }
        }
    }
    let heading = |kind: &str, counted: &str| format!("\n{kind} ({counted})\n");
    let totals = std::iter::once(("total", String::from("\nIn all\n")));
    for (kind, heading) in totals.chain(KINDS.iter().map(|(kind, title, counted)| (*kind, heading(title, counted)))) {
        let mut rows = rows(report, kind).peekable();
        if rows.peek().is_some() {
            said += &heading;
        }
        for (name, number, change, _) in rows {
            let _ = writeln!(said, "  {number:>9}  {change:>8}  {name}");
        }
    }
    said
}

/// One page, for a mail or a browser.
pub fn html(report: &Report) -> String {
    let mut body = format!("<h1>{}</h1>\n<p class=\"dim\">{}</p>\n", escaped(&title(report)), beside(report));
    match report.unusual.as_slice() {
        [] => body += "<p><b>Nothing stands out.</b></p>\n",
        unusual => {
            body += "<h2>What stands out</h2>\n<ul>\n";
            for one in unusual {
                let _ = writeln!(body, "<li>{}</li>", escaped(&sentence(one)));
            }
            body += "</ul>\n";
        }
    }
    for (kind, heading, counted) in [("total", "In all", "number")].into_iter().chain(KINDS) {
        let mut rows = rows(report, kind).peekable();
        if rows.peek().is_none() {
            continue;
        }
        let _ = write!(
            body,
            "<h2>{heading}</h2>\n<table><thead><tr><th scope=\"col\">name</th><th scope=\"col\">{counted}</th>\
             <th scope=\"col\">change</th></tr></thead><tbody>\n"
        );
        for (name, number, change, out) in rows {
            let class = if out { " class=\"out\"" } else { "" };
            let _ = writeln!(body, "<tr{class}><td>{}</td><td>{number}</td><td>{change}</td></tr>", escaped(name));
        }
        body += "</tbody></table>\n";
    }
    format!(
        "<!doctype html>\n<html lang=\"en\">\n<meta charset=\"utf-8\">\n<meta name=\"viewport\" content=\"width=device-width\">\n\
         <title>{}</title>\n<style>{STYLE}</style>\n{body}</html>\n",
        escaped(&title(report))
    )
}

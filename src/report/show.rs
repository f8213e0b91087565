//! A report as text for a mail, and as one HTML page that loads nothing.

use std::fmt::Write as _;

use super::words::Words;
use super::{Compared, Report};
use crate::html::escaped;

const STYLE: &str = ":root{color-scheme:light dark}body{font:16px/1.5 system-ui,sans-serif;max-width:44rem;margin:1.5rem auto;padding:0 1rem;color:#1c2733;background:#fff}\
    h1{font-size:1.4rem}h2{font-size:1.05rem;margin:1.6rem 0 .3rem}table{border-collapse:collapse;width:100%}\
    td,th{border-bottom:1px solid #dfe5ea;padding:.3rem .5rem;text-align:right;font-weight:400}\
    td:first-child,th:first-child{text-align:left;overflow-wrap:anywhere;padding-left:0;width:100%}th{color:#56636f}\
    td+td,th{white-space:nowrap}.out{font-weight:600}.dim,.noise td:last-child{color:#56636f}li{margin:.2rem 0}\
    @media(prefers-color-scheme:dark){body{color:#e6ebf0;background:#12181f}td,th{border-color:#2c3742}th,.dim,.noise td:last-child{color:#9aa7b3}}";

/// A change as `+12 %`, or a word where nothing was before.
fn change(one: &Compared, words: &Words) -> String {
    match one.change() {
        Some(share) => format!("{:+.0} %", share * 100.0).replace('-', "−"),
        None => words.new.to_owned(),
    }
}

/// A number with its thousands apart, as the language writes them.
fn grouped(number: i64, words: &Words) -> String {
    let digits = number.unsigned_abs().to_string();
    let mut said = if number < 0 { "−".to_owned() } else { String::new() };
    for (at, digit) in digits.chars().enumerate() {
        if at > 0 && (digits.len() - at).is_multiple_of(3) {
            said.push(words.thousands);
        }
        said.push(digit);
    }
    said
}

/// The title, with the days.
fn title(report: &Report, words: &Words) -> String {
    let (first, last) = report.period.bounds();
    let days = words.days.replace("{first}", &first.to_string()).replace("{last}", &last.to_string());
    if first == last { format!("{}: {first}", report.site) } else { format!("{}: {days}", report.site) }
}

/// What the numbers are compared with, and whether days are missing.
fn beside(report: &Report, words: &Words) -> String {
    let before = if report.period.now.len() == 1 { words.beside_day } else { words.beside_week };
    let mut said = format!("{before} {}", words.how);
    let (published, days) = report.days();
    if (published as usize) < days {
        said.push(' ');
        said += &words.missing.replace("{published}", &published.to_string()).replace("{days}", &days.to_string());
    }
    said
}

/// A sentence about something that stands out.
fn sentence(one: &Compared, words: &Words) -> String {
    let (now, before) = one.means();
    let kind = words.kinds.iter().find(|kind| kind.key == one.kind);
    let (what, counted) = kind
        .map_or((String::new(), words.total(&one.name)), |kind| (format!("{} {}: ", kind.one, one.name), kind.counted));
    let said = words.sentence.replace("{counted}", counted).replace("{change}", &change(one, words));
    let mean = |mean: f64| grouped(mean.round() as i64, words);
    let said = said.replace("{now}", &mean(now)).replace("{before}", &mean(before));
    // A name comes last: nothing in it is filled in.
    said.replace("{what}", &what)
}

/// A name in HTML, which a line may break after its signs.
fn breakable(name: &str) -> String {
    let mut said = String::new();
    for piece in name.split_inclusive(['/', '_', '.', ':', '?', '&', '=']) {
        if !said.is_empty() && said != "/" {
            said += "<wbr>";
        }
        said += &escaped(piece);
    }
    said
}

/// A part of a report: its heading, what is counted, and its rows as (name, sum, change, class in HTML).
struct Part<'a> {
    heading: &'a str,
    counted: &'a str,
    rows: Vec<(&'a str, String, String, &'static str)>,
}

/// The parts that have rows: the totals, then the kinds of names.
fn parts<'a>(report: &'a Report, words: &'a Words) -> impl Iterator<Item = Part<'a>> {
    let kinds = words.kinds.iter().map(|kind| (kind.key, kind.heading, kind.counted));
    std::iter::once(("total", words.in_all, words.number)).chain(kinds).filter_map(move |(key, heading, counted)| {
        let name = |one: &'a Compared| if key == "total" { words.total(&one.name) } else { one.name.as_str() };
        let class = |one: &Compared| match (one.stands_out(&report.period), one.is_lost_in_noise()) {
            (true, _) => "out",
            (false, true) => "noise",
            (false, false) => "",
        };
        let row = |one: &'a Compared| (name(one), grouped(one.now, words), change(one, words), class(one));
        let rows: Vec<_> = report.numbers.get(key)?.iter().map(row).collect();
        (!rows.is_empty()).then_some(Part { heading, counted, rows })
    })
}

/// For a terminal or a mail.
pub fn text(report: &Report, words: &Words) -> String {
    let mut said = format!("{}\n{}\n\n", title(report, words), beside(report, words));
    match report.unusual.as_slice() {
        [] if report.days().0 == 0 => {}
        [] => said += &format!("{}\n", words.nothing),
        unusual => {
            let _ = writeln!(said, "{}:", words.out);
            for one in unusual {
                let _ = writeln!(said, "  * {}", sentence(one, words));
            }
        }
    }
    for Part { heading, counted, rows } in parts(report, words) {
        let _ = writeln!(said, "\n{heading} ({counted})");
        for (name, number, change, _) in rows {
            let _ = writeln!(said, "  {number:>11}  {change:>8}  {name}");
        }
    }
    said
}

/// One page, for a mail or a browser.
pub fn html(report: &Report, words: &Words) -> String {
    let (title, beside) = (escaped(&title(report, words)), beside(report, words));
    let mut body = format!("<h1>{title}</h1>\n<p class=\"dim\">{beside} {}</p>\n", words.grey);
    match report.unusual.as_slice() {
        [] if report.days().0 == 0 => {}
        [] => body += &format!("<p><b>{}</b></p>\n", words.nothing),
        unusual => {
            let _ = writeln!(body, "<h2>{}</h2>\n<ul>", words.out);
            for one in unusual {
                let _ = writeln!(body, "<li>{}</li>", escaped(&sentence(one, words)));
            }
            body += "</ul>\n";
        }
    }
    for Part { heading, counted, rows } in parts(report, words) {
        let _ = write!(
            body,
            "<h2>{heading}</h2>\n<table><thead><tr><th scope=\"col\">{}</th><th scope=\"col\">{counted}</th>\
             <th scope=\"col\">{}</th></tr></thead><tbody>\n",
            words.name, words.change
        );
        for (name, number, change, class) in rows {
            let class = if class.is_empty() { String::new() } else { format!(" class=\"{class}\"") };
            let _ = writeln!(body, "<tr{class}><td>{}</td><td>{number}</td><td>{change}</td></tr>", breakable(name));
        }
        body += "</tbody></table>\n";
    }
    format!(
        "<!doctype html>\n<html lang=\"{}\">\n<meta charset=\"utf-8\">\n<meta name=\"viewport\" content=\"width=device-width\">\n<meta name=\"color-scheme\" content=\"light dark\">\n\
         <title>{title}</title>\n<style>{STYLE}</style>\n<main>\n{body}</main>\n</html>\n",
        words.code
    )
}

//! The query log of a ClickHouse server, or the log with the same columns that an embedded engine writes. Evidence names the
//! account, the time and the tables, and never the text of a query.

use super::findings::Findings;
use super::subject::{Lists, Target};

/// How many days are examined: as long as the shipped configuration keeps the log.
const DAYS: u32 = 9;
/// A query of this length is longer than any analysis, so it probably contains a list of values.
const LONG_BYTES: u32 = 4096;

/// By rule: the details of a line of evidence, and the condition for lines of the log that are evidence.
const RULES: [(&str, &str, &str); 6] = [
    (
        "log-joined",
        "arrayStringConcat(tables, ', ')",
        "hasAny(databases, splitByChar(',', {own:String})) AND arrayExists(d -> d NOT IN splitByChar(',', {own:String}) \
         AND d NOT IN ('', 'system', '_temporary_and_external_tables', '_table_function', 'tamga_engine'), databases)",
    ),
    (
        "log-external",
        "arrayStringConcat(tables, ', ')",
        "hasAny(databases, splitByChar(',', {own:String})) \
         AND arrayExists(t -> startsWith(t, '_temporary_and_external_tables'), tables)",
    ),
    (
        "log-functions",
        "arrayStringConcat(arrayConcat(used_table_functions, used_dictionaries, used_functions), ', ')",
        "hasAny(databases, splitByChar(',', {own:String})) AND (notEmpty(used_dictionaries) \
         OR arrayExists(f -> match(f, '^(dictGet|dictHas|dictIs|joinGet|file$)'), used_functions) \
         OR arrayExists(f -> f NOT IN ('numbers', 'numbers_mt', 'zeros', 'zeros_mt', 'generateSeries', 'generate_series', \
         'values', 'null', 'view', 'viewExplain'), used_table_functions))",
    ),
    (
        "log-denied",
        "arrayStringConcat(missing_privileges, ', ')",
        "user NOT IN splitByChar(',', {service:String}) \
         AND arrayExists(p -> match(p, 'tamga_(vault|stats)') OR p NOT LIKE '% ON %.%', missing_privileges)",
    ),
    (
        "log-lists",
        "concat(toString(greatest(length(query), toUInt64OrZero(Settings['tamga_query_bytes']))), ' bytes')",
        "user NOT IN splitByChar(',', {service:String}) AND hasAny(databases, splitByChar(',', {own:String})) \
         AND greatest(length(query), toUInt64OrZero(Settings['tamga_query_bytes'])) > {long}",
    ),
    (
        "log-people",
        "arrayStringConcat(tables, ', ')",
        "user NOT IN splitByChar(',', {service:String}) AND hasAny(databases, splitByChar(',', {vaults:String}))",
    ),
];

pub(super) async fn examine(target: &Target, lists: &Lists, findings: &mut Findings) {
    let log = &target.query_log;
    // A missing or unreadable log is a breach: an intruder would want it.
    let there = target.evidence(lists, &format!("SELECT 'x' AS evidence FROM {log} LIMIT 0")).await;
    if let Err(error) = there {
        let evidence = match error.code {
            Some(_) => format!("{}: {log} cannot be read ({})", target.store.place(), error.name),
            None => error.message.clone(),
        };
        match error.code {
            Some(_) => findings.add("log-kept", [evidence]),
            None => findings.unknown("log-kept", evidence),
        }
        RULES.iter().for_each(|(rule, ..)| findings.unknown(rule, format!("there is no {log} to examine")));
        return;
    }
    findings.add("log-kept", []);
    for (rule, what, which) in RULES {
        let which = which.replace("{long}", &LONG_BYTES.to_string());
        let sql = format!(
            "SELECT concat(user, ' at ', toString(toTimeZone(event_time, 'UTC')), ' UTC: ', {what}) AS evidence FROM {log} \
             WHERE type != 'QueryStart' AND event_time >= now() - toIntervalDay({DAYS}) AND {which} \
             ORDER BY event_time DESC LIMIT 100"
        );
        findings.take(rule, target.evidence(lists, &sql).await);
    }
}

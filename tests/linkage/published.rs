//! What an analyst asks the published numbers of single days. `make test` asks it too (`disclosure::`): a question that fails would make the
//! attacker weak, and nobody would see it.

/// Rows of a week or a month are no look at a day. A day has 25 hours when clocks are put back.
const OF_A_DAY: &str = "window_end - window_start <= 90000";

/// The days since a second, beside the columns `day` of the tables.
fn days_since(begin_second: i64) -> String {
    format!("intDiv(toUnixTimestamp(window_start) - {begin_second}, 86400) AS number")
}

/// By fact that an attacker is after: what of it is published, day by day.
pub(crate) fn of_facts(site: &str, begin_second: i64) -> [(&'static str, String); 7] {
    [
        ("source", "entries", "if(channel = 'direct', '', source)", "visits"),
        ("landing", "pages", "path", "ifNull(entries, 0)"),
        ("pages", "visits", "pages", "visits"),
        ("out", "exits", "domain", "ifNull(clicks, 0)"),
        ("second page", "transitions", "to_path", "visits"),
        ("absence", "recency", "absence", "visitors"),
        ("source and landing", "landings", "concat(if(channel = 'direct', '', source), ' ', path)", "visits"),
    ]
    .map(|(fact, table, value, count)| {
        let days = days_since(begin_second);
        let sql = format!(
            "SELECT {days}, toString({value}) AS value, toFloat64(sum({count})) AS count FROM {table} \
             WHERE site = '{site}' AND {OF_A_DAY} GROUP BY number, value HAVING count > 0"
        );
        (fact, sql)
    })
}

/// The visitors of each region, day by day.
pub(crate) fn of_regions(site: &str, begin_second: i64) -> String {
    let days = days_since(begin_second);
    format!(
        "SELECT {days}, toString(region) AS value, toFloat64(visitors) AS count FROM places \
         WHERE site = '{site}' AND visitors IS NOT NULL AND {OF_A_DAY}"
    )
}

/// A row of both.
#[derive(serde::Deserialize)]
pub(crate) struct OfDay {
    pub(crate) number: usize,
    pub(crate) value: String,
    pub(crate) count: f64,
}

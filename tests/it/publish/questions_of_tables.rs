//! The same of the questions that ask one table for its rows: each number stands beside the truth of the vault, and is not further from it
//! than the error that the question states allows.

use super::World;
use super::questions::{Number, check};

pub(super) async fn are_answered_within_their_errors(world: &World) {
    of_pages(world).await;
    of_visits(world).await;
    of_visitors(world).await;
    of_the_whole_site(world).await;
}

async fn all<const N: usize>(
    world: &World,
    numbers: [(&'static str, &[&'static str], &'static str, &'static str, &str); N],
) {
    for (question, names, column, error, truth) in numbers {
        check(world, &Number { question, names, column, error, truth: truth.to_owned() }).await;
    }
}

async fn of_pages(world: &World) {
    let views = "SELECT path AS name, toFloat64(count()) AS number FROM
        (SELECT path FROM events WHERE type = 'view' AND suspect = '' LIMIT 3 BY visitor, path) GROUP BY name";
    let begun = "SELECT path AS name, toFloat64(count()) AS number FROM events
        WHERE type = 'view' AND suspect = '' AND step = 1 GROUP BY name";
    let ended = "SELECT path AS name, toFloat64(count()) AS number FROM
        (SELECT argMax(events.path, step) AS path FROM events WHERE type = 'view' AND suspect = '' GROUP BY visit) GROUP BY name";
    let moves = "SELECT concat(previous_path, ' ', path) AS name, toFloat64(uniqExact(visit)) AS number FROM events
        WHERE type = 'view' AND previous_path != '' AND suspect = '' GROUP BY name";
    let pages = [
        ("top-pages", &["path"][..], "views", "error", views),
        ("first-and-last-pages", &["path"], "begun_here", "error", begun),
        ("first-and-last-pages", &["path"], "ended_here", "error", ended),
        ("next-pages", &["from_path", "to_path"], "visits", "error", moves),
    ];
    all(world, pages).await;
}

async fn of_visits(world: &World) {
    let visits = "(SELECT max(entry_channel) AS channel, max(entry_source) AS source, countIf(type = 'view') AS viewed,
            viewed = 1 AND max(engaged_s) < 10 AS bounced, max(duration_s) AS lasted,
            minIf(step, events.path = '/0') AS first, maxIf(step, events.path = '/1') AS second,
            first > 0 AND second > first AS went_on
        FROM events WHERE suspect = '' GROUP BY visit)";
    let of = |name: &str, number: &str| {
        format!("SELECT {name} AS name, toFloat64({number}) AS number FROM {visits} GROUP BY name")
    };
    let length = "concat(if(viewed <= 5, toString(viewed), '6-10'), ' ', toString(lasted))";
    let events = |name: &str, kind: &str| {
        format!(
            "SELECT {name} AS name, toFloat64(count()) AS number FROM events WHERE type = '{kind}' AND suspect = '' GROUP BY name"
        )
    };
    let searches =
        "SELECT value AS name, toFloat64(count()) AS number FROM attributes WHERE attribute = 'search' GROUP BY name";
    let numbers = [
        ("visit-length", &["pages", "seconds_at_least"][..], "visits", "error", &*of(length, "count()")),
        ("entry-channels", &["channel"], "visits", "error", &of("channel", "count()")),
        ("entry-channels", &["channel"], "bounces", "bounces_error", &of("channel", "sum(bounced)")),
        ("entry-sources", &["channel", "source"], "visits", "error", &of("concat(channel, ' ', source)", "count()")),
        ("outbound-links", &["domain"], "clicks", "error", &events("exit_domain", "exit")),
        ("declared-events", &["name"], "times", "error", &events("events.name", "event")),
        ("searches", &["term"], "times", "error", searches),
    ];
    all(world, numbers).await;
    // An order is sent on the first page here, and so never after the second step.
    let steps = format!(
        "SELECT step.1 AS name, toFloat64(sum(step.2)) AS number FROM {visits}
         ARRAY JOIN [('/0', first > 0), ('/1', went_on), ('paid', false)] AS step GROUP BY name"
    );
    all(world, [("funnel", &["name"][..], "reached", "error", &*steps)]).await;
}

async fn of_visitors(world: &World) {
    let of = |attribute: &str| {
        format!(
            "SELECT concat(value, ' ', detail) AS name, toFloat64(uniqExact(visitor)) AS number FROM attributes
             WHERE attribute = '{attribute}' AND confirmed GROUP BY name"
        )
    };
    let absence = "SELECT absence AS name, toFloat64(uniqExact(visitor)) AS number FROM events
        WHERE suspect = '' AND absence != '' AND visitor IN (SELECT visitor FROM events WHERE confirmed) GROUP BY name";
    let hours = "SELECT value AS name, toFloat64(uniqExact(visitor)) AS number FROM attributes WHERE attribute = 'hour' AND step = 1 GROUP BY name";
    let numbers = [
        ("places", &["country", "region"][..], "visitors", "error", &*of("place")),
        ("browsers", &["browser", "major"], "visitors", "error", &of("client")),
        ("devices", &["device", "os"], "visitors", "error", &of("device")),
        ("returning-visitors", &["absence"], "visitors", "error", absence),
        ("busy-hours", &["hour"], "visits", "error", hours),
    ];
    all(world, numbers).await;
}

async fn of_the_whole_site(world: &World) {
    let total =
        |number: &str| format!("SELECT 'all' AS name, toFloat64({number}) AS number FROM events WHERE suspect = ''");
    let confirmed = "visitor IN (SELECT visitor FROM events WHERE confirmed AND suspect = '')";
    let flagged = |flag: &str| total(&format!("uniqExactIf(visitor, {flag} AND {confirmed})"));
    let tallies = |prefix: &str| {
        format!(
            "SELECT substring(reason, length('{prefix}') + 1) AS name, toFloat64(sum(count)) AS number FROM tallies
             WHERE startsWith(reason, '{prefix}') GROUP BY name"
        )
    };
    let programs = "SELECT reason AS name, toFloat64(sum(count)) AS number FROM tallies WHERE startsWith(reason, 'bot:') GROUP BY name
        UNION ALL SELECT suspect, toFloat64(count()) FROM events WHERE suspect != '' GROUP BY suspect
        UNION ALL SELECT concat('detector:', state), toFloat64(count()) FROM signals WHERE signal = 'automation' GROUP BY state";
    let numbers = [
        ("traffic-by-day", &["day"][..], "views", "error", &*total("countIf(type = 'view')")),
        ("traffic-by-day", &["day"], "visits", "error", &total("uniqExact(visit)")),
        ("traffic-by-day", &["day"], "visitors", "error", &flagged("new_day")),
        ("visitors-by-month", &["month"], "visitors", "error", &flagged("new_month")),
        ("visitors-by-month", &["month"], "new_visitors", "error", &flagged("new_ever")),
        (
            "not-measured",
            &["day"],
            "count_only_views",
            "error",
            "SELECT 'all' AS name, toFloat64(sum(count)) AS number FROM tallies WHERE reason = 'count_only'",
        ),
        ("outcomes", &["outcome"], "events", "error", &tallies("outcome:")),
        ("automation-share", &["reason"], "events", "error", programs),
    ];
    all(world, numbers).await;
}

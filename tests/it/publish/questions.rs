//! Are the named questions answered well? Each question below is asked of a published day as an analyst asks it. Every answer stands
//! beside the truth of the vault, and is not further from it than the error that the question itself states allows. So are the totals of
//! visits, and what `tamga publish preview` foresees.

use super::*;

/// The errors of the questions are those of 95 %, 1.96 standard deviations. Seven are allowed, as everywhere here.
const ERRORS_MAX: f64 = 7.0 / 1.96;

/// A number of a question, with the column of its error, and its truth by the columns that name a row.
pub(super) struct Number<'a> {
    pub(super) question: &'static str,
    pub(super) names: &'a [&'static str],
    pub(super) column: &'static str,
    pub(super) error: &'static str,
    /// The vault's truth, as SQL: `name`, the columns of the row joined by a space, and `number`.
    pub(super) truth: String,
}

/// The rows of a question.
async fn ask(world: &World, question: &str) -> Vec<Value> {
    let file = Path::new(env!("CARGO_MANIFEST_DIR")).join(format!("schema/queries/{question}.sql"));
    let sql = std::fs::read_to_string(file).unwrap();
    let day = world.day().first_day;
    let parameters =
        [("site", SITE.to_owned()), ("from", day.to_string()), ("to", day.tomorrow().unwrap().to_string())];
    world.stats.rows(&sql, &parameters).await.unwrap()
}

/// Truths need numbers with a fraction.
async fn truths(world: &World, sql: &str) -> BTreeMap<String, f64> {
    #[derive(Deserialize)]
    struct Row {
        name: String,
        number: f64,
    }
    let rows: Vec<Row> = world.vault.rows(sql, &[]).await.unwrap();
    rows.into_iter().map(|row| (row.name, row.number)).collect()
}

pub(super) async fn are_answered_within_their_errors(world: &World) {
    let visits = "(SELECT visit, max(entry_channel) AS channel, max(entry_source) AS source, max(entry_medium) AS medium,
            max(entry_campaign) AS campaign, argMinIf(path, step, type = 'view') AS landing,
            max(name = 'paid') AS paid, countIf(type = 'view') = 1 AND max(engaged_s) < 10 AS bounced,
            sum(transform(engaged_s, [0, 10, 30], [0, 18, 43], 0)) AS read, max(transform(duration_s, [0, 60, 180], [2, 109, 349], 0)) AS lasted
        FROM events WHERE suspect = '' GROUP BY visit)";
    let of_visits = |name: &str, number: &str| {
        format!("SELECT {name} AS name, toFloat64({number}) AS number FROM {visits} GROUP BY name")
    };
    let pages = "SELECT read.path AS name, sum(transform(engaged_s, [0, 10, 30], [0, 18, 43], 0)) / uniqExact(engage.view) AS number
        FROM events AS engage JOIN (SELECT view, path FROM events WHERE type = 'view') AS read ON read.view = engage.view
        WHERE type = 'engage' AND suspect = '' GROUP BY read.path";
    let numbers = [
        ("bounce-rate", &["day"][..], "bounce_percent", "bounce_error", of_visits("'all'", "100 * avg(bounced)")),
        ("bounce-rate", &["day"], "duration", "duration_error", of_visits("'all'", "avg(lasted)")),
        ("bounce-rate", &["day"], "engaged", "engaged_error", of_visits("'all'", "avg(read)")),
        ("read-time", &["path"], "seconds_a_view", "error", pages.to_owned()),
        (
            "conversion-by-source",
            &["channel", "source"],
            "converted",
            "error",
            of_visits("concat(channel, ' ', source)", "sum(paid)"),
        ),
        (
            "conversion-by-source",
            &["channel", "source"],
            "percent",
            "percent_error",
            of_visits("concat(channel, ' ', source)", "100 * avg(paid)"),
        ),
        (
            "landing-pages",
            &["channel", "source", "path"],
            "bounce_percent",
            "bounce_error",
            of_visits("concat(channel, ' ', source, ' ', landing)", "100 * avg(bounced)"),
        ),
        (
            "landing-pages",
            &["channel", "source", "path"],
            "visits",
            "error",
            of_visits("concat(channel, ' ', source, ' ', landing)", "count()"),
        ),
    ];
    // All visits without a campaign have one row.
    let of_campaign = "if(channel = 'paid', concat(source, ' ', medium, ' ', campaign), '  ')";
    let campaigns = |number: &str| of_visits(of_campaign, number);
    let of_campaigns = ["source", "medium", "campaign"];
    let errors = "SELECT concat(template, ' ', browser, ' ', major, ' ', os) AS name, toFloat64(count()) AS number FROM errors GROUP BY name";
    let sections =
        "SELECT if(position(path, '/', 2) = 0, '/', substringIndex(path, '/', 2)) AS name, toFloat64(count()) AS number
        FROM (SELECT path FROM events WHERE type = 'view' AND suspect = '' LIMIT 3 BY visitor, path) GROUP BY name";
    let more = [
        ("conversion-by-campaign", &of_campaigns[..], "converted", "error", campaigns("sum(paid)")),
        ("conversion-by-campaign", &of_campaigns, "percent", "percent_error", campaigns("100 * avg(paid)")),
        ("sections", &["section"], "views", "error", sections.to_owned()),
        ("errors", &["template", "browser", "major", "os"], "times", "error", errors.to_owned()),
    ];
    let devices = "(SELECT uniqExact(visitor) FROM attributes WHERE attribute = 'time_zone' AND confirmed)";
    let of_attributes = format!(
        "SELECT concat(attribute, ' ', value) AS name, 100 * uniqExact(visitor) / {devices} AS number FROM attributes
         WHERE attribute IN ('time_zone', 'languages') AND confirmed GROUP BY name"
    );
    let attributes = ("device-attributes", &["attribute", "value"][..], "percent", "error", of_attributes);
    for (question, names, column, error, truth) in numbers.into_iter().chain(more).chain([attributes]) {
        check(world, &Number { question, names, column, error, truth }).await;
    }
    for (question, names, column, error, truth) in [
        ("goal-totals", &["goal"][..], "converted", "error", of_visits("'all'", "sum(paid)")),
        ("goal-totals", &["goal"], "percent", "percent_error", of_visits("'all'", "100 * avg(paid)")),
        ("bounces-by-campaign", &of_campaigns, "bounce_percent", "bounce_error", campaigns("100 * avg(bounced)")),
        ("bounces-by-channel", &["channel"], "visits", "error", of_visits("channel", "count()")),
        (
            "bounces-by-channel",
            &["channel"],
            "bounce_percent",
            "bounce_error",
            of_visits("channel", "100 * avg(bounced)"),
        ),
    ] {
        check(world, &Number { question, names, column, error, truth }).await;
    }
    of_pages_and_visitors(world).await;
}

/// Questions about pages, ways, places, hours, languages, and first visits.
async fn of_pages_and_visitors(world: &World) {
    let confirmed = "visitor IN (SELECT visitor FROM events WHERE confirmed AND suspect = '')";
    let first = format!(
        "SELECT 'all' AS name, 100 * uniqExactIf(visitor, new_ever) / uniqExact(visitor) AS number FROM events WHERE {confirmed} AND suspect = ''"
    );
    let answered = "FROM attributes WHERE attribute = 'languages' AND confirmed";
    let languages = format!(
        "SELECT value AS name, 100 * uniqExact(visitor) / (SELECT uniqExact(visitor) {answered}) AS number {answered} GROUP BY name"
    );
    let of = |text: &str| text.to_owned();
    for (question, names, column, error, truth) in [
        (
            "exit-rate",
            &["path"][..],
            "percent",
            "error",
            of("SELECT path AS name, 100 * countIf(is_last) / count() AS number FROM
                (SELECT visitor, path, step = max(step) OVER (PARTITION BY visit) AS is_last FROM events
                 WHERE type = 'view' AND suspect = '' ORDER BY is_last DESC LIMIT 3 BY visitor, path) GROUP BY name"),
        ),
        (
            "ways-in",
            &["to_path", "from_path"],
            "moves",
            "error",
            of("SELECT concat(path, ' ', previous_path) AS name, toFloat64(uniqExact(visit)) AS number FROM events
                WHERE type = 'view' AND previous_path != '' AND suspect = '' GROUP BY name"),
        ),
        (
            "countries",
            &["country"],
            "visitors",
            "error",
            of("SELECT value AS name, toFloat64(uniqExact(visitor)) AS number FROM attributes WHERE attribute = 'place' AND confirmed GROUP BY name"),
        ),
        ("first-visits", &["day"], "percent", "error", first),
        (
            "weekday-hours",
            &["weekday", "hour"],
            "visits",
            "error",
            of("SELECT concat(toString(toDayOfWeek(day)), ' ', value) AS name, toFloat64(uniqExact(visitor)) AS number FROM attributes
                WHERE attribute = 'hour' AND step = 1 GROUP BY name"),
        ),
        ("languages", &["value"], "percent", "error", languages),
        (
            "pages-per-visit",
            &["pages"],
            "visits",
            "error",
            of("SELECT if(viewed <= 5, toString(viewed), '6-10') AS name, toFloat64(count()) AS number FROM
                (SELECT countIf(type = 'view') AS viewed FROM events WHERE suspect = '' GROUP BY visit) GROUP BY name"),
        ),
    ] {
        check(world, &Number { question, names, column, error, truth }).await;
    }
}

pub(super) async fn check(world: &World, number: &Number<'_>) {
    let Number { question, names, column, error, truth } = number;
    let truths = truths(world, truth).await;
    let (mut compared, mut outside, mut worst) = (0, 0, 0f64);
    for row in ask(world, question).await {
        let is_other = row.get("attribute").is_some_and(|name| name != "time_zone" && name != "languages");
        // The goal of the truth is the order; the rest of a table has another error.
        if is_other || row.get("value").is_some_and(|value| value == "(other)") {
            continue;
        }
        if row.get("goal").is_some_and(|goal| goal != "order") || row[*error].is_null() {
            continue;
        }
        let name: Vec<_> = names.iter().map(|name| row[*name].as_str().unwrap_or_default()).collect();
        let Some(truth) = truths.get(&name.join(" ")).or_else(|| truths.get("all")) else {
            panic!("{row} is in no truth")
        };
        let (shown, error) = (row[*column].as_f64().unwrap(), row[*error].as_f64().unwrap());
        let rounded = 1.0;
        assert!((shown - truth).abs() <= ERRORS_MAX * error + rounded, "{question}.{column}: {row} but {truth}");
        outside += usize::from((shown - truth).abs() > error + rounded);
        worst = worst.max((shown - truth).abs() / error.max(rounded));
        compared += 1;
    }
    println!(
        "{question}.{column}: {compared} numbers, {outside} outside of their 95 % error, the worst {worst:.2} errors off"
    );
    assert!(compared > 0, "{question} has rows");
    assert!(outside * 5 <= compared + 5, "{question}.{column}: {outside} of {compared} are outside");
}

/// Bounces, seconds and goals of the whole site, and the seconds that a page was read.
pub(super) async fn totals_of_visits_are_published(world: &World, site: &Value) {
    let middle = |bound: &str| format!("transform({bound}, [0, 10, 30, 60, 180], [0, 18, 43, 109, 349], 0)");
    let [read, lasted] = [middle("engaged_s"), middle("duration_s")];
    let exact = world
        .exact(&format!(
            "SELECT 'bounces' AS name, countIf(viewed = 1 AND read < 10) AS number FROM
                (SELECT countIf(type = 'view') AS viewed, max(engaged_s) AS read FROM events WHERE suspect = '' GROUP BY visit)
             UNION ALL SELECT 'engaged_s', sum({read}) FROM events WHERE suspect = '' AND type = 'engage'
             UNION ALL SELECT 'duration_s', sum(if(lasted = 0, 2, lasted)) FROM
                (SELECT max({lasted}) AS lasted FROM events WHERE suspect = '' GROUP BY visit)
             UNION ALL SELECT 'order', uniqExact(visit) FROM events WHERE events.name = 'paid' AND suspect = ''
             UNION ALL SELECT read.path, sum({read}) FROM events AS engage
                JOIN (SELECT view, path FROM events WHERE type = 'view') AS read ON read.view = engage.view
                WHERE type = 'engage' AND suspect = '' GROUP BY read.path"
        ))
        .await;
    for (column, wide) in [("bounces", 3), ("engaged_s", 900), ("duration_s", 1_800)] {
        let truth = exact[column];
        assert!(truth > 0 && error(site, column, truth) <= wide * NOISE_MAX, "{column}: {site} but {truth}");
    }
    // Two goals are declared.
    assert!(error(&site["goals"], "order", exact["order"]) <= 5 * NOISE_MAX, "{site} but {}", exact["order"]);
    assert_eq!(site["day"], world.day().first_day.to_string());
    // What is equal has equal noise: the bounces of all sources are those of the site.
    let bounces: i64 = world.published("entries").await.iter().map(|row| number(row, "bounces")).sum();
    assert_eq!(site["bounces"], bounces);
    let pages = world.published("pages").await;
    for row in pages.iter().filter(|row| row["path"] != "(other)") {
        let truth = exact[row["path"].as_str().unwrap()];
        assert!(error(row, "engaged_s", truth) <= 360 * NOISE_MAX, "{row} but {truth}");
    }
    let rest =
        pages.iter().find(|row| row["path"] == "(other)" && row["section"] == "/").expect("a section has a rest");
    assert!(rest["visitors"].is_null() && rest["engaged_s"].is_null() && rest["views"].is_i64(), "{rest}");
}

#[tokio::test]
async fn the_preview_says_what_would_be_published_at_each_level_and_writes_nothing() {
    let world = World::new(24 * 60).await;
    world.visits(10_000).await;
    let now = world.clock.now();
    let choices = tamga::publish::preview::of_yesterday(&world.vault, &world.site(), now).await.unwrap();
    let names: Vec<_> = choices.iter().map(|choice| choice.name.as_str()).collect();
    assert_eq!(names, ["24h", "7d"]);
    for table in ["publications", "site", "pages"] {
        assert!(world.published(table).await.is_empty(), "{table}");
    }
    assert_eq!(world.exact("SELECT 'seeds' AS name, count() AS number FROM seeds").await["seeds"], 0);
    let text = tamga::publish::preview::describe(SITE, &choices);
    for number in
        ["site.bounces", "site.goal order", "entries.bounces", "landings.goal order", "pages.engaged_s", "errors.count"]
    {
        // Of a day, of a week, and of a month of days.
        let lines = text.lines().filter(|line| line.trim_start().starts_with(number));
        assert_eq!(lines.count(), 3, "{number}: {text}");
    }
    let of_month = &choices[0].month.as_ref().unwrap().levels[1];
    for (table, column) in [("pages", "views"), ("entries", "visits"), ("places", "visitors")] {
        let [day, month] = [&choices[0].levels[1], of_month].map(|of| {
            let names = of.names.get(table).map_or(0, |names| names.len());
            (names, of.percent(table, column).unwrap())
        });
        // A day names all places already. What is left of them is the noise of `(other)`, which has a sign.
        let is_as_foreseen = match table {
            "places" => day.0 == month.0 && day.1.min(month.1) >= 95,
            _ => day.0 < month.0 && day.1 < month.1,
        };
        assert!(is_as_foreseen, "{table}: names and percent of a day {day:?}, of a month {month:?}");
    }

    // What is published then has the names that the preview foresaw, give or take those near the threshold.
    world.publisher(world.vault.clone(), world.stats.clone()).advance(0).await.unwrap();
    let pages = world.published("pages").await;
    let named = pages.iter().filter(|row| row["path"] != "(other)").count() as f64;
    let of = |level: &tamga::publish::preview::Preview| level.shown[&("pages", "views".to_owned())];
    let [strict, standard, internal] = [0, 1, 2].map(|level| of(&choices[0].levels[level]).rows as f64);
    assert!((standard / named - 1.0).abs() < 0.2, "{standard} foreseen, {named} published");
    assert!(strict < 1.1 * standard && standard < 1.1 * internal, "{strict}, {standard}, {internal}");
}

/// The triangle of cohorts of two weeks: who came for the first time in the first, and who of them came in the second.
#[tokio::test]
async fn cohorts_are_those_of_two_weeks() {
    let world = World::new(24 * 60).await;
    let first = world.day();
    for week in 0..2 {
        world.clock.advance_to(Timestamp::from_second(first.end.as_second() + week * 7 * 86_400).unwrap());
        world.visits(4_000).await;
        world.publisher(world.vault.clone(), world.stats.clone()).pass().await;
    }
    let came = truths(
        &world,
        "SELECT concat(toString(toMonday(day) - 7 * toUInt16(since)), ' ', since) AS name, toFloat64(count()) AS number
         FROM (SELECT visitor, day, max(cohort) AS since, max(confirmed) AS is_confirmed, max(new_week) AS is_new FROM events
            WHERE suspect = '' GROUP BY visitor, day)
         WHERE is_confirmed AND is_new AND match(since, '^[0-9]+$') GROUP BY name",
    )
    .await;
    let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("schema/queries/retention.sql");
    let end = world.day().first_day.tomorrow().unwrap();
    let parameters = [("site", SITE), ("from", &first.first_day.to_string()), ("to", &end.to_string())]
        .map(|(name, value)| (name, value.to_owned()));
    let rows: Vec<Value> = world.stats.rows(&std::fs::read_to_string(file).unwrap(), &parameters).await.unwrap();
    let mut shares = 0;
    for row in &rows {
        let week = row["first_week"].as_str().unwrap();
        let truth = came[&format!("{week} {}", row["weeks_later"])];
        assert!(error(row, "visitors", truth as u64) <= NOISE_MAX, "{row} but {truth}");
        let Some(percent) = row["percent"].as_f64() else { continue };
        let truth = 100.0 * truth / came[&format!("{week} 0")];
        let allowed = ERRORS_MAX * row["error"].as_f64().unwrap() + 0.1;
        assert!((percent - truth).abs() <= allowed, "{row} but {truth}");
        shares += 1;
    }
    // Of each week the first visits, and of one those who came back.
    assert!(rows.len() == 4 && shares == 3, "{rows:?}");
}

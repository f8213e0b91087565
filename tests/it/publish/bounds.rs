//! Does a visitor-day change the published numbers by no more than the account of docs/publishing.md says? Sites with the same visitors are
//! published with one seed, so that all their noise is equal. Two of them have a visitor more, who does as much of everything as there is: what
//! differs is what this visitor counts.

use super::*;

/// Names of every dimension. Each has a hundred visitors, so that it surely shows.
const NAMES: u64 = 40;
const CALM: &str = "calm.kz";
const GREEDY: &str = "greedy.kz";
const BOUNCER: &str = "bouncer.kz";

/// Of each calm visitor two views, an event and a link out. `who` is of the visitor, `which` of the visit, `n` is the name, `at` the step.
const OF_CALM: &str = "SELECT concat('calm ', number) AS who, '' AS which, intDiv(number, {names:UInt32}) AS network, number % {names:UInt32} AS n,
    arrayJoin([('view', 1), ('view', 2), ('event', 2), ('exit', 2)]) AS kind, kind.1 AS what, kind.2 AS at, 0 AS lasts, '' AS sign FROM numbers(100 * {names:UInt32})";
/// Twenty visits of sixty views, events and links, an hour for each.
const OF_GREEDY: &str = "SELECT 'one more' AS who, toString(number) AS which, 201 AS network, (number + i) % {names:UInt32} AS n,
    arrayJoin(['view', 'event', 'exit']) AS what, arrayJoin(range(60)) AS i, i + 1 AS at, 3600 AS lasts, '' AS sign FROM numbers(20)";
/// Twenty visits of one view, each of which reaches the goal.
const OF_BOUNCER: &str = "SELECT 'one more' AS who, toString(number) AS which, 201 AS network, number AS n,
    arrayJoin(['view', 'goal']) AS what, 1 AS at, 0 AS lasts, '' AS sign FROM numbers(20)";
/// A hundred suspects with each of three signs; and one with all, five hundred times each.
const OF_SUSPECTS: &str = "SELECT concat('suspect ', number) AS who, '' AS which, number % 100 AS network, 0 AS n, 'view' AS what, 1 AS at, 0 AS lasts,
    ['x', 'y', 'z'][number % 3 + 1] AS sign FROM numbers(300)";
const OF_SUSPECT: &str =
    "SELECT 'one more suspect' AS who, '' AS which, 201 AS network, 0 AS n, 'view' AS what, 1 AS at, 0 AS lasts,
    ['x', 'y', 'z'][number % 3 + 1] AS sign FROM numbers(1500)";

/// What all rows begin with, up to the text of which the pseudonym is made.
const OPENING: &str =
    "1, {site:String}, {day:Date}, toDateTime({end:UInt32}, 'UTC'), toFixedString(unhex(hex(sipHash128(who";

async fn fill(world: &World, site: &str) {
    let day = world.day();
    let parameters = [
        ("site", site.to_owned()),
        ("day", day.first_day.to_string()),
        ("start", day.start.as_second().to_string()),
        ("end", day.end.as_second().to_string()),
        ("names", NAMES.to_string()),
    ];
    let mut visits = vec![OF_CALM, OF_SUSPECTS];
    match site {
        GREEDY => visits.extend([OF_GREEDY, OF_SUSPECT]),
        BOUNCER => visits.push(OF_BOUNCER),
        _ => {}
    }
    let mut statements: Vec<String> = visits.into_iter().map(events).collect();
    for (at, (table, columns, values)) in [
        ("attributes", "attribute, value, detail, step", "'place', 'KZ', concat('r', n), 1"),
        ("attributes", "attribute, value, detail, step", "'client', 'Chrome', toString(n), 1"),
        ("attributes", "attribute, value, detail, step", "'device', 'phone', concat('os', n), 1"),
        ("attributes", "attribute, value, step", "'hour', leftPad(toString(n % 24), 2, '0'), 1"),
        ("attributes", "attribute, value", "'search', concat('t', n)"),
        ("attributes", "attribute, value", "'time_zone', concat('z', n)"),
        ("errors", "template, browser, major, os", "concat('x', n), 'Chrome', '150', 'Android 14'"),
    ]
    .into_iter()
    .enumerate()
    {
        let calm = "SELECT toString(number) AS who, intDiv(number, {names:UInt32}) AS network, number % {names:UInt32} AS n FROM numbers(100 * {names:UInt32})";
        let greedy =
            "SELECT 'one more' AS who, 201 AS network, number % {names:UInt32} AS n FROM numbers(5 * {names:UInt32})";
        for of in [Some(calm), (site == GREEDY).then_some(greedy)].into_iter().flatten() {
            statements.push(format!(
                "INSERT INTO {table} (batch, site, day, window_end, visitor, confirmed, network, new_week, {columns})
                 SELECT {OPENING}, {at}))), 16), 1, network, 1, {values} FROM ({of})"
            ));
        }
    }
    statements.push(
        "INSERT INTO seeds SELECT {site:String}, toDateTime({start:UInt32}, 'UTC'), repeat('b', 32), now64(3)"
            .to_owned(),
    );
    for sql in statements {
        world.vault.execute(&sql, &parameters).await.unwrap();
    }
}

/// The statement that inserts events.
fn events(visits: &str) -> String {
    let begins = |name: &str| format!("if(what = 'view' AND at = 1, {name}, '')");
    let entry = ["'campaign'", "concat('s', n)", "'cpc'", "concat('c', n)"].map(begins).join(", ");
    format!(
        "INSERT INTO events (batch, site, day, window_end, visitor, visit, view, confirmed, network, new_day, new_week, type, path, previous_path, step,
            duration_s, engaged_s, entry_channel, entry_source, entry_medium, entry_campaign, exit_domain, name, suspect, absence, cohort)
         SELECT {OPENING}))), 16), toFixedString(unhex(hex(sipHash128(who, which))), 16), toFixedString(unhex(hex(sipHash128(who, which, at))), 16), 1, network, 1, 1,
            if(what = 'goal', 'event', what), if(what = 'view', concat('/p', n), ''), if(what = 'view' AND at > 1, concat('/p', (n + 1) % {{names:UInt32}}), ''),
            at, lasts, lasts, {entry}, if(what = 'exit', concat('d', n, '.kz'), ''), multiIf(what = 'goal', 'paid', what = 'event', concat('e', n), ''), sign, '1', '0'
         FROM ({visits})"
    )
}

/// The account of the rules, by table and number: how many cells a visitor-day enters, and by how much it changes each.
fn account() -> BTreeMap<(String, String), [u64; 2]> {
    let text = std::fs::read_to_string("docs/publishing.md").unwrap();
    let (_, budget) = text.split_once("<!-- written: budget -->").unwrap();
    let (budget, _) = budget.split_once("<!-- end -->").unwrap();
    let mut account = BTreeMap::new();
    for line in budget.lines().filter(|line| line.starts_with("| `")) {
        let cells: Vec<_> = line.split('|').map(|cell| cell.trim().trim_matches('`')).collect();
        let [_, table, names, cells, bound, ..] = cells[..] else { panic!("{line}") };
        for name in names.split(", ") {
            account.insert((table.to_owned(), name.to_owned()), [cells, bound].map(|number| number.parse().unwrap()));
        }
        // A goal is reached by as many visits as bounce.
        if names == "bounces" {
            account
                .insert((table.to_owned(), "goals".to_owned()), [cells, bound].map(|number| number.parse().unwrap()));
        }
    }
    account
}

/// By how much a number of each row differs between two sites, beside the rows of `(other)`; and of all rows together.
async fn changes(world: &World, table: &str, column: &str, site: &str) -> (Vec<u64>, u64) {
    let (mut by_name, mut all): (BTreeMap<String, i64>, i64) = Default::default();
    for mut row in world.published(table).await {
        let row = row.as_object_mut().unwrap();
        let sign = match row.remove("site").unwrap().as_str().unwrap() {
            CALM => -1,
            of if of == site => 1,
            _ => continue,
        };
        let number = row.get(column).map_or(&Value::Null, |number| number.get("order").unwrap_or(number)).as_i64();
        let Some(number) = number else { continue };
        all += sign * number;
        row.retain(|_, value| value.is_string());
        if row.values().all(|value| value != "(other)") {
            *by_name.entry(Value::from(row.clone()).to_string()).or_default() += sign * number;
        }
    }
    (by_name.into_values().map(i64::unsigned_abs).filter(|change| *change > 0).collect(), all.unsigned_abs())
}

/// Publishes the sites, all with one seed.
async fn publish(world: &World, sites: [&str; 3]) {
    for site in sites {
        fill(world, site).await;
    }
    let until = (world.clock.now_ms() as f64 / 1000.0).to_string();
    let lease = serde_json::json!({ "node": "a", "complete_until": until, "written_at": until });
    world.vault.insert_json("leases", &["node", "complete_until", "written_at"], &[lease], None).await.unwrap();
    let of = |domain: &str| PublishedSite {
        domain: domain.to_owned(),
        goals: [("order".to_owned(), "paid".to_owned())].into(),
        funnels: BTreeMap::new(),
        experiments: Vec::new(),
        pairs: Vec::new(),
        ..world.site()
    };
    let (vault, stats) = (world.vault.clone(), world.stats.clone());
    let (sites, timeout) = (sites.map(of).to_vec(), Duration::from_secs(900));
    Publisher::new(vault, stats, world.clock.clone(), sites, world.folder.path(), "a", timeout).unwrap().pass().await;
}

#[tokio::test]
async fn a_visitor_day_changes_no_number_by_more_than_the_account_says() {
    let world = World::new(24 * 60).await;
    publish(&world, [CALM, GREEDY, BOUNCER]).await;
    let account = account();
    assert!(account.len() > 100, "the account is read: {account:?}");
    let mut most: BTreeMap<String, u64> = BTreeMap::new();
    for ((table, column), [cells, bound]) in &account {
        // What the ledger says was cut off, names, and sums over rows have lines of other forms.
        if column.contains(' ') || table == "protection" {
            continue;
        }
        for site in [GREEDY, BOUNCER] {
            let (rows, all) = changes(&world, table, column, site).await;
            let largest = rows.iter().copied().max().unwrap_or(0);
            assert!(
                largest <= *bound && rows.len() as u64 <= *cells,
                "{site}: {table}.{column}: {rows:?}, not {cells} of {bound}"
            );
            if let Some([_, bound]) = account.get(&(table.clone(), format!("all {column}"))) {
                assert!(all <= *bound, "{site}: all {table}.{column}: {all}, not {bound}");
            }
            let most = most.entry(format!("{table}.{column}")).or_default();
            *most = largest.max(*most);
        }
    }
    // The visitor goes as far as it can: without the bounds it would go further.
    for (number, bound) in [
        ("site.views", 30),
        ("site.visits", 3),
        ("site.visitors", 1),
        ("site.bounces", 3),
        ("site.engaged_s", 300),
        ("site.duration_s", 600),
        ("site.goals", 3),
        ("publications.events", 100),
        ("pages.views", 3),
        ("pages.engaged_s", 120),
        ("transitions.visits", 3),
        ("exits.clicks", 3),
        ("events.count", 3),
        ("searches.count", 3),
        ("errors.count", 3),
        ("automation.count", 100),
        ("hours.visits", 1),
        ("places.visitors", 1),
        ("attributes.visitors", 1),
    ] {
        assert_eq!(most[number], bound, "{number}");
    }
    // The ledger says that more was cut off.
    let ledger = world.published("publications").await;
    let cut = |site: &str, of: &str| {
        let row = ledger.iter().find(|row| row["site"] == site).unwrap();
        row["cut_share"][of].as_f64().unwrap()
    };
    for of in ["views", "visits", "pages", "events", "exits", "searches", "automation"] {
        assert!(cut(GREEDY, of) >= cut(CALM, of), "{of}: {ledger:?}");
    }
}

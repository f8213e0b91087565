//! The end of a month on the real engine: names that are too small for each day have rows of weeks or of the month, and everything
//! adds up.

use super::*;

/// Each day fifteen visitors of a page and a source, for the first time in the week and the month; seven of a place, for whom it is no
/// first day of a week; and many others.
const SMALL: &str = "INSERT INTO events (batch, site, day, window_end, visitor, visit, view, confirmed, network, new_day, new_week, new_month, new_window, type, path, step, entry_channel, entry_source)
    SELECT 1, {site:String}, {day:Date}, toDateTime({end:UInt32}, 'UTC'), toFixedString(unhex(hex(sipHash128(number, {day:Date}))), 16),
        toFixedString(unhex(hex(sipHash128(number, 's', {day:Date}))), 16), toFixedString(unhex(hex(sipHash128(number, 'v', {day:Date}))), 16), true, number % 250, true, true, true, true,
        'view', if(number < 15, '/rare', '/'), 1, 'search', if(number < 15, 'rare.kz', 'google.com') FROM numbers(400)";
const PLACES: &str = "INSERT INTO attributes (batch, site, day, window_end, attribute, value, detail, visitor, confirmed, network, new_week, new_month, step)
    SELECT 2, {site:String}, {day:Date}, toDateTime({end:UInt32}, 'UTC'), 'place', 'KZ', if(number < 7, 'rare', 'Almaty'),
        toFixedString(unhex(hex(sipHash128(number, 'place', {day:Date}))), 16), true, number % 250, number >= 7, true, 1 FROM numbers(400)";

#[tokio::test]
async fn a_name_that_is_small_every_day_is_published_for_its_week_or_its_month() {
    let world = World::new(24 * 60).await;
    // The next month: the engine drops rows by its own clock, so days of the past are gone.
    let last = world.day().first_day.last_of_month().tomorrow().unwrap().last_of_month();
    // Sixteen days have a whole week.
    let first = last.checked_sub(jiff::Span::new().days(15)).unwrap();
    let mut day = first;
    let schedule = world.schedule.clone();
    let clock = Clock::simulated(schedule.day_start(day));
    let folder = world.folder.path();
    let node_timeout = Duration::from_secs(900);
    let stores = (world.vault.clone(), world.stats.clone());
    let items = ["pages", "entry", "country", "region"].map(str::to_owned);
    let site = PublishedSite {
        items: Items::of(None, Some(&items)).unwrap(),
        funnels: BTreeMap::new(),
        experiments: Vec::new(),
        pairs: Vec::new(),
        ..world.site()
    };
    let publisher = Publisher::new(stores.0, stores.1, clock.clone(), vec![site], folder, "a", node_timeout).unwrap();
    while day <= last {
        let end = schedule.day_end(day);
        let parameters = [("site", SITE.to_owned()), ("day", day.to_string()), ("end", end.as_second().to_string())];
        for sql in [SMALL, PLACES] {
            world.vault.execute(sql, &parameters).await.unwrap();
        }
        let until = end.as_second().to_string();
        let lease = serde_json::json!({ "node": "a", "complete_until": until, "written_at": until });
        world.vault.insert_json("leases", &["node", "complete_until", "written_at"], &[lease], None).await.unwrap();
        clock.advance_to(end);
        assert!(matches!(publisher.advance(0).await.unwrap(), Progress::Published(_)), "{day}");
        day = day.tomorrow().unwrap();
    }
    let days = 16;
    #[derive(Debug, Deserialize)]
    struct Sum {
        name: String,
        own: i64,
        weeks: i64,
        months: i64,
        rows: i64,
    }
    let sums = async |table: &str, name: &str, column: &str| -> BTreeMap<String, Sum> {
        let sql = format!(
            "SELECT {name} AS name, sumIf({column}, carried_to = day) AS own, sumIf({column}, carried_to > day AND toMonday(day) = toMonday(carried_to)) AS weeks,
                sumIf({column}, toMonday(day) < toMonday(carried_to)) AS months, toInt64(count()) AS rows FROM {table} GROUP BY name"
        );
        let rows: Vec<Sum> = world.stats.rows(&sql, &[]).await.unwrap();
        rows.into_iter().map(|row| (row.name.clone(), row)).collect()
    };
    for (table, name, rare, column) in [
        ("pages", "path", "/rare", "views"),
        ("entries", "source", "rare.kz", "visits"),
        ("places", "region", "rare", "visits"),
    ] {
        let of = sums(table, name, column).await;
        let rare = of.get(rare).unwrap_or_else(|| panic!("{table}: {of:?}"));
        // Of the place no day is the first of a week, and each is that of a month.
        let is_place = table == "places";
        assert_eq!(rare.weeks == 0, is_place, "{table}: {of:?}");
        assert!(!is_place || rare.months != 0, "{table}: {of:?}");
        let truth = days * if is_place { 7 } else { 15 };
        let all = rare.own + rare.weeks + rare.months;
        assert!(all.abs_diff(truth) <= 6 * NOISE_MAX, "{table}: {all}, not {truth}: {of:?}");
        let whole: i64 = of.values().map(|sum| sum.own + sum.weeks + sum.months).sum();
        let total: Vec<Count> =
            world.stats.rows(&format!("SELECT sum({column}) AS number FROM site"), &[]).await.unwrap();
        assert_eq!(whole, total[0].number, "{table}: all rows are the total that is published");
        assert!(rare.rows < days, "{table}: {of:?}");
    }
    // A question of the month answers with its names, and one that ends a day earlier without.
    let question =
        std::fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("schema/queries/places.sql")).unwrap();
    let ask = async |to: jiff::civil::Date| -> Vec<Value> {
        let parameters = [("site", SITE.to_owned()), ("from", first.to_string()), ("to", to.to_string())];
        world.stats.rows(&question, &parameters).await.unwrap()
    };
    let has_rare = |rows: Vec<Value>| rows.iter().any(|row| row["region"] == "rare");
    assert!(has_rare(ask(last.tomorrow().unwrap()).await) && !has_rare(ask(last).await));
}

#[derive(Deserialize)]
struct Count {
    number: i64,
}

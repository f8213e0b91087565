//! Are the rows of several sites that are written together there once, also if connections are cut while they are written?

use super::*;

const SITES: [&str; 8] = ["s0.kz", "s1.kz", "s2.kz", "s3.kz", "s4.kz", "s5.kz", "s6.kz", "s7.kz"];

#[tokio::test]
async fn sites_that_are_written_together_are_published_once_after_cuts() {
    let world = World::new(24 * 60).await;
    world.visits(600).await;
    for site in SITES {
        for table in ["events", "attributes", "signals", "errors", "tallies"] {
            let of_site = format!("SELECT * FROM {table} WHERE site = {{site:String}}");
            let copy = format!("INSERT INTO {table} SELECT * REPLACE ({{to:String}} AS site) FROM ({of_site})");
            let parameters = [("site", SITE.to_owned()), ("to", site.to_owned())];
            world.vault.execute(&copy, &parameters).await.unwrap();
        }
    }
    let sites = || SITES.map(|domain| PublishedSite { domain: domain.to_owned(), ..world.site() }).into();
    // All sites together take some 300 calls, and those that a former publisher had planned fewer.
    for (number, calls) in [150, 200, 40, 12, 30, 8, i64::MAX].into_iter().enumerate() {
        let left = Arc::new(AtomicI64::new(calls));
        let cut = |store: &Store| Cut { store: store.clone(), left: left.clone(), takes_effect: number % 2 == 0 };
        world.publisher_of(sites(), cut(&world.vault), cut(&world.stats)).pass().await;
        println!("{} are published after {calls} calls", world.published("publications").await.len());
    }
    for (table, key) in [
        ("site", "0"),
        ("publications", "0"),
        ("pages", "(section, path)"),
        ("landings", "(channel, source, path)"),
        ("attributes", "(attribute, value)"),
    ] {
        let sql = format!(
            "SELECT count() - uniqExact(window_start, {key}) AS twice, count() AS rows FROM {table} GROUP BY site"
        );
        #[derive(Deserialize)]
        struct Row {
            twice: u64,
            rows: u64,
        }
        let rows: Vec<Row> = world.stats.rows(&sql, &[]).await.unwrap();
        assert_eq!(rows.len(), SITES.len(), "{table} has all sites");
        for row in rows {
            let is_one = row.rows == 1 || key != "0";
            assert!(row.twice == 0 && is_one, "{table}: {} of {} rows are there twice", row.twice, row.rows);
        }
    }
}

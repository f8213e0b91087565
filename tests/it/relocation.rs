//! Do published numbers get from one stats store to another without loss, also in several attempts?

use tamga::clock::Clock;
use tamga::config::Config;
use tamga::store::{self, EngineOptions, Limits, RelocateError, STATS, STATS_MIGRATIONS, Store, Supervisor};

use crate::support::engine::{Engine, PASSWORD, USER};
use crate::support::program::Ground;
use crate::support::programs;
use crate::support::vault::number;

async fn stats(engine: &Engine) -> Store {
    let store = Store::new(&engine.url(), USER, PASSWORD, STATS, Limits::default()).unwrap();
    store::apply(&store, STATS_MIGRATIONS, &Clock::machine()).await.unwrap();
    store
}

#[tokio::test(flavor = "multi_thread")]
async fn published_numbers_are_moved_once_and_differences_are_reported() {
    let (old, new) = (Engine::start(), Engine::start());
    let (from, to) = (stats(&old).await, stats(&new).await);
    for sql in [
        "INSERT INTO site (site, window_start, window_end, views, visitors) SELECT ['a.kz', 'b.kz'][n % 2 + 1], \
         today() - toIntervalDay(intDiv(n, 2) + 1), today() - toIntervalDay(intDiv(n, 2)), if(n % 3, 500, NULL), 80 \
         FROM (SELECT number AS n FROM numbers(400))",
        "INSERT INTO pages (site, window_start, window_end, path, views) SELECT 'a.kz', \
         today() - toIntervalDay(n % 200 + 1), today() - toIntervalDay(n % 200), 'қазақша/' || toString(n), 5 * n \
         FROM (SELECT number AS n FROM numbers(60000))",
        "INSERT INTO publications (site, window_start, window_end, published_at, complete, events, folded_share) \
         SELECT site, window_start, window_end, window_end, true, 5000, 0.25 FROM site",
    ] {
        from.execute(sql, &[]).await.unwrap();
    }
    let first = store::relocate(&from, &to).await.unwrap();
    assert_eq!(first.copied, 400 + 60_000 + 400);
    assert!(first.tables.len() >= 7 && first.tables.last().unwrap().0 == "publications", "{first:?}");
    let sum = "SELECT sum(cityHash64(toString(tuple(*)))) AS number FROM pages";
    assert_eq!(number(&from, sum).await, number(&to, sum).await);

    // A second time there is nothing to do; what was lost on the way there is sent again.
    let again = store::relocate(&from, &to).await.unwrap();
    assert_eq!((again.copied, again.tables), (0, first.tables.clone()));
    to.execute("ALTER TABLE publications DELETE WHERE site = 'b.kz' SETTINGS mutations_sync = 2", &[]).await.unwrap();
    assert_eq!(store::relocate(&from, &to).await.unwrap().copied, 200);

    // Windows that only the new store has are its own; other numbers of the same window are an error that names them.
    let newer = "INSERT INTO site (site, window_start, window_end, visitors) VALUES ('a.kz', today(), today() + 1, 15)";
    to.execute(newer, &[]).await.unwrap();
    assert_eq!(store::relocate(&from, &to).await.unwrap().copied, 0);
    let other = "INSERT INTO pages (site, window_start, window_end, path, views) \
                 VALUES ('a.kz', today() - 1, today(), '/other', 15)";
    to.execute(other, &[]).await.unwrap();
    let error = store::relocate(&from, &to).await.unwrap_err();
    assert!(matches!(&error, RelocateError::Differs { table, .. } if table == "pages"), "{error}");
    assert!(error.to_string().contains("a.kz"), "{error}");
}

#[tokio::test(flavor = "multi_thread")]
async fn the_verb_moves_the_embedded_engine_s_numbers_to_the_server_that_is_configured() {
    let ground = Ground::new();
    let text = format!("{}\n[retention]\nstats_months = 13\n", ground.config());
    ground.write("tamga.toml", &text);
    let said = |arguments: &[&str]| {
        let output = ground.run(arguments, &[]);
        let error = String::from_utf8(output.stderr).unwrap();
        assert!(output.status.success(), "{error}");
        String::from_utf8(output.stdout).unwrap()
    };
    let migrated = said(&["migrate", "--access"]);
    assert!(migrated.contains("tamga_stats: ") && migrated.contains("no accounts to manage"), "{migrated}");
    let refused = ground.run(&["move-stats"], &[]);
    assert!(!refused.status.success() && String::from_utf8_lossy(&refused.stderr).contains("has no [stats]"));

    let config = Config::load(&ground.folder.path().join("tamga.toml")).unwrap();
    let program = programs::engine().into();
    let old = Supervisor::start(EngineOptions { program, ..EngineOptions::stats(&config) }).unwrap();
    let from = old.store(STATS, Limits::default()).await.unwrap();
    let rows = "INSERT INTO pages (site, window_start, window_end, path, views) SELECT 'jetpay.kz', today() - number, \
                today() - number + 1, '/', 15 FROM numbers(100)";
    from.execute(rows, &[]).await.unwrap();
    let shorter = "SELECT count() AS number FROM system.tables WHERE database = 'tamga_stats' \
                   AND create_table_query LIKE '%TTL window_end + toIntervalMonth(13)%'";
    assert!(number(&from, shorter).await >= 7, "`migrate` has applied the configured time to live");
    old.stop().await;

    let new = Engine::start();
    let password = new.folder().path().join("service.password");
    let stats =
        format!("[stats]\nurl = \"{}\"\nuser = \"{USER}\"\npassword_file = \"{}\"\n", new.url(), password.display());
    ground.write("tamga.toml", &format!("{text}\n{stats}"));
    let moved = said(&["move-stats"]);
    assert!(moved.contains("now has all of them, 100 of them new"), "{moved}");
    assert_eq!(new.sql("SELECT sum(views) FROM tamga_stats.pages").await, "1500");
    assert!(said(&["move-stats"]).contains(", 0 of them new"));
    assert!(said(&["audit", "show"]).contains("move_stats"));
}

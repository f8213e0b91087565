//! Does the store do on the real engine what the rest of the program relies on?

use std::time::Duration;

use serde::Deserialize;
use serde_json::json;
use tamga::clock::Clock;
use tamga::record::{self, SCHEMA_VERSION, Table};
use tamga::store::{
    self, Class, Limits, MigrateError, Migration, STATS, STATS_MIGRATIONS, Store, Supervisor, VAULT, VAULT_MIGRATIONS,
};

use crate::support::vault::{EngineFixture, number};

#[tokio::test(flavor = "multi_thread")]
async fn migrations_of_both_stores_apply_once_and_then_not_again() {
    let fixture = EngineFixture::start().await;
    for (database, migrations) in [(VAULT, VAULT_MIGRATIONS), (STATS, STATS_MIGRATIONS)] {
        let store = fixture.store(database).await;
        assert!(store::status(&store, migrations).await.unwrap().iter().all(|migration| migration.applied == 0));
        let first = store::apply(&store, migrations, &Clock::machine()).await.unwrap();
        assert!(first >= 5, "{first}");
        assert!(store::status(&store, migrations).await.unwrap().iter().all(store::MigrationStatus::is_complete));
        assert_eq!(store::apply(&store, migrations, &Clock::machine()).await.unwrap(), 0);
        assert_eq!(number(&store, "SELECT count() AS number FROM schema_migrations").await, u64::from(first));
    }
    fixture.stop().await;
}

const TWO_STEPS: Migration = Migration {
    version: 1,
    name: "two_steps",
    sql: "-- It's two; really.\nCREATE TABLE IF NOT EXISTS a (x UInt8) ENGINE = MergeTree ORDER BY x COMMENT ';';\n\
          CREATE TABLE IF NOT EXISTS b (x UInt8) ENGINE = MergeTree ORDER BY x;",
};

#[tokio::test(flavor = "multi_thread")]
async fn a_migration_that_was_cut_short_goes_on_and_others_are_refused() {
    let fixture = EngineFixture::start().await;
    let (store, clock) = (fixture.store(VAULT).await, Clock::machine());

    // Applied with another text.
    let other = Migration { sql: "CREATE TABLE IF NOT EXISTS a (x UInt8) ENGINE = MergeTree ORDER BY x", ..TWO_STEPS };
    store::apply(&store, &[other], &clock).await.unwrap();
    let drift = store::apply(&store, &[TWO_STEPS], &clock).await.unwrap_err();
    assert!(matches!(drift, MigrateError::Drift { version: 1, .. }), "{drift}");

    // As a crash between the statements leaves it: the first is done and recorded, the second is neither.
    let checksum = blake3::hash(TWO_STEPS.sql.as_bytes()).to_hex();
    store.execute("TRUNCATE TABLE schema_migrations", &[]).await.unwrap();
    let record = json!({"version": 1, "name": "two_steps", "checksum": checksum.as_str(), "statement": 1,
        "applied_at": "2026-11-22 00:00:00.000"});
    let columns = ["version", "name", "checksum", "statement", "applied_at"];
    store.insert_json("schema_migrations", &columns, &[record], None).await.unwrap();
    let migration = &store::status(&store, &[TWO_STEPS]).await.unwrap()[0];
    assert_eq!((migration.applied, migration.statements), (1, 2));
    assert_eq!(store::apply(&store, &[TWO_STEPS], &clock).await.unwrap(), 1);
    assert_eq!(number(&store, "SELECT count() AS number FROM b").await, 0);

    // As a crash between a statement and its record leaves it: everything is there, nothing is recorded.
    store.execute("TRUNCATE TABLE schema_migrations", &[]).await.unwrap();
    assert_eq!(store::apply(&store, &[TWO_STEPS], &clock).await.unwrap(), 2);

    let newer = store::status(&store, &[]).await.unwrap_err();
    assert!(matches!(newer, MigrateError::Newer { version: 1, .. }), "{newer}");
    assert!(newer.to_string().contains("newer"));

    let wrong = Migration { version: 2, name: "wrong", sql: "CREATE TABLE c (x Nonsense) ENGINE = MergeTree" };
    let error = store::apply(&store, &[TWO_STEPS, wrong], &clock).await.unwrap_err();
    assert!(error.to_string().starts_with("migration 2 (wrong), statement 1 of tamga_vault"), "{error}");
    fixture.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn rows_come_back_as_they_were_encoded() {
    let fixture = EngineFixture::start().await;
    let vault = fixture.vault().await;
    for table in Table::ALL {
        let columns = record::columns(table, SCHEMA_VERSION).unwrap();
        let text = std::fs::read_to_string(format!("tests/fixtures/rows/{}.hex", table.name())).unwrap();
        let bytes: Vec<u8> = text
            .split_whitespace()
            .flat_map(|line| (0..line.len()).step_by(2).map(|at| u8::from_str_radix(&line[at..at + 2], 16).unwrap()))
            .collect();
        vault.insert_rows(table.name(), columns, bytes.into(), Some("one")).await.unwrap();
        let shown: Vec<_> = columns
            .iter()
            .map(|column| match *column {
                "visitor" | "visit" | "view" | "digest" => format!("lower(hex({column})) AS {column}"),
                _ => format!("`{column}`"),
            })
            .collect();
        let order = if table == Table::Events { "view" } else { "window_end" };
        let sql = format!("SELECT {} FROM {} AS t ORDER BY t.{order}", shown.join(", "), table.name());
        let rows: Vec<serde_json::Value> = vault.rows(&sql, &[]).await.unwrap();
        assert_eq!(serde_json::Value::from(rows), expected(table), "{}", table.name());
    }
    fixture.stop().await;
}

/// What the fixtures say, as the vault must show it.
fn expected(table: Table) -> serde_json::Value {
    let (site, day, window_end) = ("jetpay.kz", "2026-11-22", "2026-11-22 19:00:00");
    let event = |number: &str, kind: &str| {
        json!({
            "site": site, "day": day, "window_end": window_end, "visitor": "11".repeat(16), "visit": "22".repeat(8) + &"00".repeat(8),
            "view": number.repeat(8) + &"00".repeat(8), "confirmed": true, "network": 255, "new_day": true, "new_week": false,
            "new_month": true, "new_ever": false, "new_window": true, "visit_number": "3-5", "type": kind, "path": "", "previous_path": "",
            "step": 30, "duration_s": 65_535, "engaged_s": 0, "entry_channel": "", "entry_source": "",
            "entry_medium": "", "entry_campaign": "", "exit_domain": "", "name": "", "variant": "",
            "suspect": "", "absence": "2-3", "cohort": "5-8",
        })
    };
    let with = |mut row: serde_json::Value, columns: &[(&str, &str)]| {
        for (column, value) in columns {
            row[*column] = json!(value);
        }
        row
    };
    match table {
        Table::Events => {
            let mut engage = event("02", "engage");
            engage["engaged_s"] = json!(300);
            let entry = [
                ("path", "/pay/:order"),
                ("previous_path", "/"),
                ("entry_channel", "search"),
                ("entry_source", "google.com"),
                ("entry_medium", "cpc"),
                ("entry_campaign", "spring"),
            ];
            json!([
                with(event("01", "view"), &entry),
                engage,
                with(event("03", "exit"), &[("exit_domain", "kaspi.kz")]),
                with(event("04", "event"), &[("name", "paid"), ("variant", "b")]),
                event("05", "search"),
            ])
        }
        Table::Attributes => json!([{
            "site": site, "day": day, "window_end": window_end, "attribute": "provider", "value": "x".repeat(200), "detail": "Алматы",
            "visitor": "33".repeat(16), "confirmed": false, "network": 7, "new_week": true, "new_month": false, "step": 2, "visit_tag": 513,
        }]),
        Table::Signals => json!([{
            "site": site, "day": day, "window_end": window_end, "signal": "canvas", "state": "noised", "digest": "55".repeat(16),
            "visitor": "44".repeat(16), "confirmed": false, "network": 7, "new_week": true, "new_month": false,
        }]),
        Table::Errors => json!([{
            "site": site, "day": day, "window_end": window_end, "template": "cannot read :x of null", "browser": "Firefox",
            "major": "140", "os": "Windows 10", "visitor": "66".repeat(16), "confirmed": false, "network": 7, "new_week": true, "new_month": false,
        }]),
        Table::Tallies => {
            json!([{"site": site, "day": day, "window_end": window_end, "reason": "count_only", "count": 4_000_000_000_u32}])
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn parameters_are_values_and_never_sql() {
    #[derive(Deserialize)]
    struct Row {
        text: String,
        big: u64,
        day: String,
    }
    let fixture = EngineFixture::start().await;
    let store = fixture.vault().await;
    for text in
        ["plain", "'; DROP TABLE events; --", "back\\slash", "tab\tline\nend", "\\N", "қазақша {x:String} ?", ""]
    {
        let params = [("text", text.to_owned()), ("big", u64::MAX.to_string()), ("day", "2026-11-22".to_owned())];
        let sql = "SELECT {text:String} AS text, {big:UInt64} AS big, {day:Date} AS day";
        let rows: Vec<Row> = store.rows(sql, &params).await.unwrap();
        assert_eq!((rows[0].text.as_str(), rows[0].big, rows[0].day.as_str()), (text, u64::MAX, "2026-11-22"));
    }
    fixture.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn errors_have_their_class_and_quote_nothing() {
    let fixture = EngineFixture::start().await;
    let vault = fixture.vault().await;
    let missing = vault.rows::<serde_json::Value>("SELECT 'ivan' FROM nothing", &[]).await.unwrap_err();
    assert_eq!((missing.class, missing.code, missing.name), (Class::NeedsOperator, Some(60), "UNKNOWN_TABLE"));
    let row = b"\x05a.kz"; // Says five bytes and has four.
    let poison = vault.insert_rows("tallies", &["site"], row.as_slice().into(), Some("t")).await.unwrap_err();
    assert_eq!(poison.class, Class::Rejected, "{poison}");
    let column = vault.insert_rows("tallies", &["ivan"], row.as_slice().into(), Some("t")).await.unwrap_err();
    assert_eq!(column.class, Class::NeedsOperator, "{column}");
    for error in [missing, poison, column] {
        assert!(!error.to_string().contains("ivan"), "{error}");
    }
    let address = fixture.address().await;
    let stranger = Store::new(&format!("http://{address}"), "tamga", "wrong", VAULT, Limits::default()).unwrap();
    assert_eq!(stranger.ping().await.unwrap_err().class, Class::NeedsOperator);
    let huge =
        vault.rows::<serde_json::Value>("SELECT repeat('x', 1000000) AS x FROM numbers(100)", &[]).await.unwrap_err();
    assert_eq!(huge.name, "answer", "{huge}");
    fixture.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_insert_of_the_most_rows_is_one_part() {
    let fixture = EngineFixture::start().await;
    let vault = fixture.vault().await;
    let row = tally_of_today();
    let columns = record::columns(Table::Tallies, SCHEMA_VERSION).unwrap();
    let rows = row.repeat(store::MAX_INSERT_ROWS).into();
    vault.insert_rows("tallies", columns, rows, Some("big")).await.unwrap();
    let sql = "SELECT count() AS number FROM system.parts WHERE table = 'tallies' AND level = 0";
    assert_eq!(number(&vault, sql).await, 1);
    fixture.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn rows_travel_compressed_where_the_store_is_not_known_to_be_this_machine() {
    let folder = tempfile::tempdir().unwrap();
    let mut options = EngineFixture::options_in(folder.path());
    options.listen = ([127, 0, 0, 2], 0).into();
    let supervisor = Supervisor::start(options).unwrap();
    let vault = supervisor.store(VAULT, Limits::default()).await.unwrap();
    store::apply(&vault, VAULT_MIGRATIONS, &Clock::machine()).await.unwrap();
    let row = tally_of_today();
    let columns = record::columns(Table::Tallies, SCHEMA_VERSION).unwrap();
    // More than one piece, with rows across their borders.
    vault.insert_rows("tallies", columns, row.repeat(50_000).into(), Some("lz4")).await.unwrap();
    assert_eq!(number(&vault, "SELECT sum(count) AS number FROM tallies").await, 50_000);
    supervisor.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_engine_left_by_a_killed_predecessor_is_waited_for() {
    let fixture = EngineFixture::start().await;
    let options = fixture.options();
    let second = Supervisor::start(options).unwrap();
    let stopping = tokio::spawn(async move {
        tokio::time::sleep(Duration::from_secs(2)).await;
        fixture.stop_and_keep().await
    });
    second.ready().await.unwrap();
    second.stop().await;
    drop(stopping.await.unwrap());
}

/// A row of one tally. It is of today: what is past its time to live is dropped as soon as it is stored.
fn tally_of_today() -> Vec<u8> {
    let days = Clock::machine().now_ms() / 86_400_000;
    let mut row = b"\x04a.kz".to_vec();
    row.extend_from_slice(&(days as u16).to_le_bytes());
    row.extend_from_slice(b"\x00\x00\x00\x00\x01x\x01\x00\x00\x00");
    row
}

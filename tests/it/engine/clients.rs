//! Does the official Rust client, which the product uses, work against the engine in all the ways the product uses it?

use std::time::Instant;

use bytes::Bytes;
use clickhouse::{Client, Compression, Row};
use serde::{Deserialize, Serialize};

use crate::support::engine::Engine;

#[derive(Row, Serialize, Deserialize, Clone, Debug, PartialEq)]
struct Visit {
    id: u64,
    hour: u32,
    path: String,
    browser: String,
    views: u16,
    score: Option<i32>,
    tags: Vec<String>,
    pseudonym: [u8; 16],
}

#[derive(Row, Deserialize, Debug, PartialEq)]
struct Sent {
    text: String,
    list: Vec<u32>,
}

const TABLE: &str = "CREATE TABLE visits (id UInt64, hour UInt32, path String, browser LowCardinality(String), views UInt16, \
                     score Nullable(Int32), tags Array(String), pseudonym FixedString(16)) ENGINE = MergeTree ORDER BY id";

fn visit(id: u64) -> Visit {
    let hash = *blake3::hash(&id.to_le_bytes()).as_bytes();
    Visit {
        id,
        hour: u32::from(hash[0]) * 3600,
        path: format!("/path/{}/{}", hash[1], id % 1000),
        browser: ["Firefox", "Chrome", "Safari"][usize::from(hash[2]) % 3].to_owned(),
        views: u16::from(hash[3]),
        score: (hash[4].is_multiple_of(2)).then(|| i32::from(hash[5]) - 100),
        tags: vec!["t".repeat(usize::from(hash[6] % 5)); usize::from(hash[7] % 3)],
        pseudonym: hash[16..].try_into().unwrap(),
    }
}

/// The order of rows does not matter to the sum, so both sides may compute it as they come.
fn checksum<'row>(rows: impl Iterator<Item = &'row Visit>) -> u64 {
    rows.map(|row| {
        let bytes = serde_json::to_vec(row).unwrap();
        u64::from_le_bytes(blake3::hash(&bytes).as_bytes()[..8].try_into().unwrap())
    })
    .fold(0, u64::wrapping_add)
}

async fn client(engine: &Engine, database: &str) -> Client {
    let client = engine.client().with_database(engine.database(database).await);
    client.query(TABLE).execute().await.unwrap();
    client
}

/// One row of `RowBinary`, as the spool writes them.
fn row_binary(row: &Visit, out: &mut Vec<u8>) {
    let text = |text: &str, out: &mut Vec<u8>| {
        out.push(u8::try_from(text.len()).unwrap());
        out.extend_from_slice(text.as_bytes());
    };
    out.extend_from_slice(&row.id.to_le_bytes());
    out.extend_from_slice(&row.hour.to_le_bytes());
    text(&row.path, out);
    text(&row.browser, out);
    out.extend_from_slice(&row.views.to_le_bytes());
    out.push(u8::from(row.score.is_none()));
    out.extend(row.score.iter().flat_map(|score| score.to_le_bytes()));
    out.push(u8::try_from(row.tags.len()).unwrap());
    row.tags.iter().for_each(|tag| text(tag, out));
    out.extend_from_slice(&row.pseudonym);
}

#[tokio::test]
async fn rows_go_there_and_back_through_the_official_client() {
    let engine = Engine::shared();
    let rows: Vec<Visit> = (0..20_000).map(visit).collect();
    for (database, compression) in [("client_lz4", Compression::Lz4), ("client_plain", Compression::None)] {
        let client = client(&engine, database).await.with_compression(compression);
        let mut insert = client.insert::<Visit>("visits").await.unwrap();
        for row in &rows {
            insert.write(row).await.unwrap();
        }
        insert.end().await.unwrap();
        let read = client.query("SELECT ?fields FROM visits ORDER BY id").fetch_all::<Visit>().await.unwrap();
        assert_eq!(read, rows, "{database}");
    }
}

#[tokio::test]
async fn spool_bytes_are_shipped_as_they_are() {
    let engine = Engine::shared();
    let rows: Vec<Visit> = (0..20_000).map(visit).collect();
    let mut bytes = Vec::new();
    rows.iter().for_each(|row| row_binary(row, &mut bytes));
    for (database, compression) in [("spool_lz4", Compression::Lz4), ("spool_plain", Compression::None)] {
        let client = client(&engine, database).await.with_compression(compression);
        let mut insert = client
            .insert_formatted_with("INSERT INTO visits FORMAT RowBinary")
            .with_setting("insert_deduplication_token", "batch-1")
            .buffered();
        insert.write_buffered(&bytes);
        insert.end().await.unwrap();
        let read = client.query("SELECT ?fields FROM visits ORDER BY id").fetch_all::<Visit>().await.unwrap();
        assert_eq!(read, rows, "{database}");
    }
}

#[tokio::test]
async fn values_are_bound_and_errors_keep_their_code() {
    let engine = Engine::shared();
    let client = client(&engine, "binding").await;
    let bound = client.query("SELECT ? || '!', ?").bind("it's").bind(5_u8).fetch_one::<(String, u8)>().await.unwrap();
    assert_eq!(bound, ("it's!".to_owned(), 5));
    let sent = client
        .query("SELECT {text:String} AS text, {list:Array(UInt32)} AS list")
        .param("text", "a\t'b'\\")
        .param("list", vec![1_u32, 2]);
    assert_eq!(sent.fetch_one::<Sent>().await.unwrap(), Sent { text: "a\t'b'\\".to_owned(), list: vec![1, 2] });
    let error = client.query("SELECT * FROM no_such_table").execute().await.unwrap_err().to_string();
    assert!(error.contains("Code: 60. DB::Exception: "), "{error}");
    let error = client.clone().with_password("wrong").query("SELECT 1").execute().await.unwrap_err().to_string();
    assert!(error.contains("Code: 516"), "{error}");
    let late =
        client.query("SELECT number, throwIf(number = 5900000) FROM numbers(6000000)").with_setting("max_threads", "1");
    let error = late.fetch_all::<(u64, u8)>().await.unwrap_err().to_string();
    assert!(error.contains("Code: 395. DB::Exception: "), "{error}");
}

#[tokio::test]
async fn the_engines_reason_is_seen_though_the_rows_are_not_all_sent() {
    let engine = Engine::shared();
    for (sql, code) in [
        ("INSERT INTO no_such_table FORMAT RowBinary", "Code: 60"),
        ("INSERT INTO FUNCTION null('a UInt8') FORMAT Nonsense", "Code: 73"),
    ] {
        let mut insert = engine.client().with_compression(Compression::None).insert_formatted_with(sql);
        let error = async {
            for _ in 0..200 {
                insert.send(Bytes::from_static(&[7; 100_000])).await?;
            }
            insert.end().await
        };
        let error = error.await.unwrap_err().to_string();
        assert!(error.contains(code), "{error}");
    }
}

#[tokio::test]
async fn an_insert_that_is_dropped_leaves_no_row() {
    let engine = Engine::shared();
    let client = client(&engine, "dropped").await;
    let mut insert = client.insert::<Visit>("visits").await.unwrap();
    for id in 0..20_000 {
        insert.write(&visit(id)).await.unwrap();
    }
    drop(insert);
    tokio::time::sleep(std::time::Duration::from_millis(500)).await;
    assert_eq!(client.query("SELECT count() FROM visits").fetch_one::<u64>().await.unwrap(), 0);
}

#[tokio::test]
#[ignore = "a measurement: a million rows each way, for `cargo test --test it a_million -- --ignored --nocapture`"]
async fn a_million_rows_each_way_within_a_gibibyte() {
    const ROWS: u64 = 1_000_000;
    let engine = Engine::start();
    let client = client(&engine, "million").await;
    let (resident, _) = engine.resident_mib();
    println!("resident after start: {resident} MiB");
    let rows: Vec<Visit> = (0..ROWS).map(visit).collect();
    let expected = checksum(rows.iter());
    let rate = |since: Instant| ROWS as f64 / since.elapsed().as_secs_f64();

    let since = Instant::now();
    let mut insert = client.insert::<Visit>("visits").await.unwrap();
    for row in &rows {
        insert.write(row).await.unwrap();
    }
    insert.end().await.unwrap();
    println!(
        "insert::<Row>, LZ4, one request: {:.0} rows/s; resident, peak MiB: {:?}",
        rate(since),
        engine.resident_mib()
    );

    let since = Instant::now();
    let mut cursor = client.query("SELECT ?fields FROM visits").fetch::<Visit>().unwrap();
    let (mut sum, mut count) = (0_u64, 0);
    while let Some(row) = cursor.next().await.unwrap() {
        sum = sum.wrapping_add(checksum(std::iter::once(&row)));
        count += 1;
    }
    println!("fetch::<Row>: {:.0} rows/s; resident, peak MiB: {:?}", rate(since), engine.resident_mib());
    assert_eq!((count, sum), (ROWS, expected));

    client.query("TRUNCATE TABLE visits").execute().await.unwrap();
    let batches: Vec<Vec<u8>> = rows
        .chunks(50_000)
        .map(|rows| {
            let mut bytes = Vec::new();
            rows.iter().for_each(|row| row_binary(row, &mut bytes));
            bytes
        })
        .collect();
    let plain = client.clone().with_compression(Compression::None);
    let since = Instant::now();
    for batch in &batches {
        let mut insert = plain.insert_formatted_with("INSERT INTO visits FORMAT RowBinary").buffered();
        insert.write_buffered(batch);
        insert.end().await.unwrap();
    }
    println!(
        "RowBinary bytes, 50,000 rows a request: {:.0} rows/s; resident, peak MiB: {:?}",
        rate(since),
        engine.resident_mib()
    );
    let read = client.query("SELECT ?fields FROM visits").fetch_all::<Visit>().await.unwrap();
    assert_eq!((read.len(), checksum(read.iter())), (rows.len(), expected));
    let (_, peak) = engine.resident_mib();
    assert!(peak < 1024, "the engine used {peak} MiB");
}

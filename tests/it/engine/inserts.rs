//! Do rows arrive whole, in every format, and not at all when their sender breaks off?

use std::io::Write as _;
use std::time::Duration;

use bytes::{BufMut as _, Bytes, BytesMut};
use http::StatusCode;

use crate::support::engine::Engine;

async fn table(engine: &Engine, database: &str) {
    engine.database(database).await;
    engine.sql(&format!("CREATE TABLE {database}.t (a UInt32, b String) ENGINE = MergeTree ORDER BY a")).await;
}

fn row_binary(rows: u32) -> BytesMut {
    let mut bytes = BytesMut::new();
    for row in 0..rows {
        bytes.put_u32_le(row);
        bytes.put_slice(b"\x03abc");
    }
    bytes
}

async fn check(engine: &Engine, database: &str) -> String {
    engine.sql(&format!("SELECT count(), sum(a), uniqExact(b) FROM {database}.t")).await
}

#[tokio::test]
async fn rows_are_taken_in_every_format_with_the_statement_in_the_url_or_before_them() {
    let engine = Engine::shared();
    table(&engine, "formats").await;
    let insert = "/?database=formats&query=INSERT%20INTO%20t%20(a,b)%20FORMAT%20";
    let mut named = BytesMut::from(&b"\x02\x01a\x01b\x06UInt32\x06String"[..]);
    named.extend_from_slice(&row_binary(1000));
    let csv: String = (0..1000).map(|row| format!("{row},abc\n")).collect();
    let json: String = (0..1000).map(|row| format!("{{\"a\":{row},\"b\":\"abc\"}}\n")).collect();
    let values: Vec<String> = (0..1000).map(|row| format!("({row},'abc')")).collect();
    let values = values.join(",");
    for (target, body) in [
        (format!("{insert}RowBinary"), row_binary(1000).freeze()),
        (format!("{insert}RowBinaryWithNamesAndTypes"), named.freeze()),
        (format!("{insert}CSV"), csv.clone().into()),
        (format!("{insert}CSVWithNames"), format!("a,b\n{csv}").into()),
        (format!("{insert}JSONEachRow"), json.clone().into()),
        (format!("{insert}Values"), values.clone().into()),
        ("/".to_owned(), format!("INSERT INTO formats.t FORMAT CSV\n{csv}").into()),
        ("/".to_owned(), format!("INSERT INTO formats.t (a, b) VALUES {values};").into()),
        ("/".to_owned(), [b"INSERT INTO formats.t FORMAT RowBinary\n", &row_binary(1000)[..]].concat().into()),
    ] {
        engine.sql("TRUNCATE TABLE formats.t").await;
        let answer = engine.post(&target, body).await;
        assert_eq!(answer.status, StatusCode::OK, "{target}: {}", answer.text());
        let summary: serde_json::Value = serde_json::from_str(answer.header("x-clickhouse-summary")).unwrap();
        assert_eq!(summary["written_rows"], "1000", "{target}");
        assert_eq!(check(&engine, "formats").await, "1000\t499500\t1", "{target}");
    }
}

#[tokio::test]
async fn rows_may_be_cut_anywhere() {
    let engine = Engine::shared();
    table(&engine, "cuts").await;
    let mut rows = BytesMut::from(&b"\x02\x01a\x01b\x06UInt32\x06String"[..]);
    rows.extend_from_slice(&row_binary(2000));
    for size in [1, 7, 1000] {
        let (stream, mut answer) = (engine.connect(), String::new());
        let mut writer = &stream;
        writer
            .write_all(
                b"POST /?user=tamga&password=a+password+of+the+tests&query=INSERT+INTO+cuts.t+FORMAT+RowBinaryWithNamesAndTypes HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\nTransfer-Encoding: chunked\r\n\r\n",
            )
            .unwrap();
        for piece in rows.chunks(size) {
            let chunk = [format!("{:x}\r\n", piece.len()).as_bytes(), piece, b"\r\n"].concat();
            writer.write_all(&chunk).unwrap();
        }
        writer.write_all(b"0\r\n\r\n").unwrap();
        std::io::Read::read_to_string(&mut &stream, &mut answer).unwrap();
        assert!(answer.starts_with("HTTP/1.1 200 OK"), "{answer}");
    }
    assert_eq!(check(&engine, "cuts").await, "6000\t5997000\t1");
}

#[tokio::test]
async fn a_sender_that_breaks_off_leaves_no_row() {
    let engine = Engine::shared();
    table(&engine, "broken").await;
    let rows = row_binary(50_000);
    for head in ["Content-Length: 100000000", "Transfer-Encoding: chunked"] {
        let mut stream = engine.connect();
        let request = format!(
            "POST /?user=tamga&password=a+password+of+the+tests&query=INSERT+INTO+broken.t+FORMAT+RowBinary HTTP/1.1\r\nHost: localhost\r\n{head}\r\n\r\n"
        );
        stream.write_all(request.as_bytes()).unwrap();
        if head.starts_with("Transfer") {
            stream.write_all(format!("{:x}\r\n", rows.len()).as_bytes()).unwrap();
        }
        stream.write_all(&rows).unwrap();
        std::thread::sleep(Duration::from_millis(300));
        drop(stream);
    }
    // A later insert is answered after the broken ones were cancelled or is at least not mixed with them.
    tokio::time::sleep(Duration::from_millis(500)).await;
    assert_eq!(engine.post("/", "INSERT INTO broken.t VALUES (1, 'x')").await.status, StatusCode::OK);
    assert_eq!(check(&engine, "broken").await, "1\t1\t1");
}

#[tokio::test]
async fn rows_that_do_not_parse_are_refused_as_a_whole() {
    let engine = Engine::shared();
    table(&engine, "unparsable").await;
    let mut rows = row_binary(1000);
    rows.truncate(rows.len() - 1);
    let answer = engine.post("/?query=INSERT+INTO+unparsable.t+FORMAT+RowBinary", rows.freeze()).await;
    assert_eq!(answer.status, StatusCode::BAD_REQUEST, "{}", answer.text());
    assert_eq!(answer.header("x-clickhouse-exception-code"), "33");
    let semicolon = engine.post("/", "INSERT INTO unparsable.t FORMAT CSV; 1,a").await;
    assert_eq!(semicolon.header("x-clickhouse-exception-code"), "62");
    let input = engine.post("/", "INSERT INTO unparsable.t SELECT a, 'b' FROM input('a UInt32') FORMAT CSV\n1").await;
    assert_eq!(input.status, StatusCode::NOT_IMPLEMENTED);
    assert_eq!(check(&engine, "unparsable").await, "0\t0\t0");
}

#[tokio::test]
async fn compressed_blocks_are_checked_before_they_are_believed() {
    let engine = Engine::shared();
    table(&engine, "compressed").await;
    // A frame of another make: what the official client sends, taken from its own compressor by way of a real insert, is in
    // `clients`; here is what must not pass.
    let target = "/?decompress=1&query=INSERT+INTO+compressed.t+FORMAT+CSV";
    let mut frame = vec![0_u8; 16];
    frame.extend_from_slice(&[0x82, 13, 0, 0, 0, 3, 0, 0, 0, 0x30, b'1', b',', b'a']);
    let wrong = engine.post(target, Bytes::from(frame.clone())).await;
    assert_eq!(wrong.header("x-clickhouse-exception-code"), "40", "{}", wrong.text());
    frame[17..21].copy_from_slice(&u32::MAX.to_le_bytes());
    assert_eq!(engine.post(target, Bytes::from(frame.clone())).await.header("x-clickhouse-exception-code"), "271");
    frame[16] = 0x90;
    assert_eq!(engine.post(target, Bytes::from(frame)).await.status, StatusCode::NOT_IMPLEMENTED);
    assert_eq!(engine.post(target, "short").await.header("x-clickhouse-exception-code"), "271");
    assert_eq!(check(&engine, "compressed").await, "0\t0\t0");
}

#[tokio::test]
async fn a_token_makes_a_retry_harmless() {
    let engine = Engine::shared();
    engine.database("tokens").await;
    engine
        .sql("CREATE TABLE tokens.t (a UInt32, b String) ENGINE = MergeTree ORDER BY a SETTINGS non_replicated_deduplication_window = 10")
        .await;
    for _ in 0..2 {
        let target = "/?insert_deduplication_token=one&query=INSERT+INTO+tokens.t+FORMAT+RowBinary";
        assert_eq!(engine.post(target, row_binary(10).freeze()).await.status, StatusCode::OK);
    }
    assert_eq!(check(&engine, "tokens").await, "10\t45\t1");
}

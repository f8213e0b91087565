//! Are queries answered as a ClickHouse server answers them?

use std::time::Duration;

use bytes::Bytes;
use http::StatusCode;
use http_body_util::Full;

use crate::support::engine::Engine;
use crate::support::wait;

#[tokio::test]
async fn a_query_is_taken_from_the_url_the_body_or_both() {
    let engine = Engine::shared();
    assert_eq!(engine.get("/ping").await.text(), "Ok.\n");
    assert_eq!(engine.get("/?query=SELECT%201").await.text(), "1\n");
    assert_eq!(engine.post("/", "SELECT 1").await.text(), "1\n");
    assert_eq!(engine.post("/?query=SELECT%201", "+ 1").await.text(), "2\n");
    assert_eq!(engine.get("/nothing").await.status, StatusCode::NOT_FOUND);
}

#[tokio::test]
async fn an_answer_has_the_headers_that_clients_read() {
    let engine = Engine::shared();
    let answer = engine.post("/?query_id=mine&default_format=JSONEachRow", "SELECT 1 AS x").await;
    assert_eq!(answer.text(), "{\"x\":1}\n");
    assert_eq!(answer.header("x-clickhouse-query-id"), "mine");
    assert_eq!(answer.header("x-clickhouse-format"), "JSONEachRow");
    assert_eq!(answer.header("x-clickhouse-server-display-name"), "tamga-engine");
    assert!(!answer.header("x-clickhouse-timezone").is_empty());
    let summary: serde_json::Value = serde_json::from_str(answer.header("x-clickhouse-summary")).unwrap();
    assert_eq!(summary["read_rows"], "1");
    assert_eq!(
        engine.post("/?default_format=JSONEachRow", "SELECT 1 FORMAT CSV").await.header("x-clickhouse-format"),
        "CSV"
    );
}

#[tokio::test]
async fn an_error_has_the_engines_text_its_code_and_the_servers_status() {
    let engine = Engine::shared();
    for (target, sql, status, code, name) in [
        ("/", "SELECT * FROM no_such_table", 404, "60", "UNKNOWN_TABLE"),
        ("/?database=no_such_database", "SELECT 1", 404, "81", "UNKNOWN_DATABASE"),
        ("/?no_such_setting=1", "SELECT 1", 404, "115", "UNKNOWN_SETTING"),
        ("/", "SELECT no_such_column", 404, "47", "UNKNOWN_IDENTIFIER"),
        ("/", "SELEC 1", 400, "62", "SYNTAX_ERROR"),
        ("/", "SELECT 1; SELECT 2", 400, "62", "Multi-statements are not allowed"),
        ("/", "", 400, "62", "SYNTAX_ERROR"),
        ("/", "SELECT throwIf(1)", 500, "395", "FUNCTION_THROW_IF_VALUE_IS_NON_ZERO"),
        ("/", "INSERT INTO no_such_table FORMAT CSV\n1", 404, "60", "UNKNOWN_TABLE"),
    ] {
        let answer = engine.post(target, sql).await;
        assert_eq!(answer.status.as_u16(), status, "{sql}: {}", answer.text());
        assert_eq!(answer.header("x-clickhouse-exception-code"), code, "{sql}");
        assert!(answer.text().starts_with(&format!("Code: {code}. DB::Exception: ")), "{}", answer.text());
        assert!(answer.text().contains(name) && answer.text().contains("(version "), "{}", answer.text());
    }
}

#[tokio::test]
async fn get_changes_nothing() {
    let engine = Engine::shared();
    let answer = engine.get("/?query=CREATE%20DATABASE%20made_by_get").await;
    assert_eq!((answer.status.as_u16(), answer.header("x-clickhouse-exception-code")), (500, "164"));
    assert_eq!(engine.sql("SELECT count() FROM system.databases WHERE name = 'made_by_get'").await, "0");
}

#[tokio::test]
async fn parameters_come_in_the_url_or_in_a_form_and_files_are_refused() {
    let engine = Engine::shared();
    let sql = "SELECT {text:String} || '!', {number:UInt8} + 1";
    let answer = engine.post("/?param_text=a%27b&param_number=4", sql).await;
    assert_eq!(answer.text(), "a\\'b!\t5\n");

    let form = |parts: &str| {
        let body = format!("--x\r\n{parts}\r\n--x--\r\n");
        let request = engine.request("POST", "/").header("Content-Type", "multipart/form-data; boundary=x");
        request.body(Full::new(Bytes::from(body))).unwrap()
    };
    let field = |name: &str, value: &str| format!("Content-Disposition: form-data; name=\"{name}\"\r\n\r\n{value}");
    let parts = [field("query", sql), field("param_text", "a'b"), field("param_number", "4")].join("\r\n--x\r\n");
    assert_eq!(engine.send(form(&parts)).await.text(), "a\\'b!\t5\n");

    let file = "Content-Disposition: form-data; name=\"t\"; filename=\"t.csv\"\r\n\r\n1,2";
    let refused = engine.send(form(&[field("query", "SELECT 1"), file.to_owned()].join("\r\n--x\r\n"))).await;
    assert_eq!(refused.status, StatusCode::NOT_IMPLEMENTED);
    assert!(refused.text().contains("external data"), "{}", refused.text());
}

#[tokio::test]
async fn only_the_right_credentials_are_admitted() {
    let engine = Engine::shared();
    let ask = |headers: Vec<(&'static str, String)>, target: &str| {
        let mut request = http::Request::builder().method("POST").uri(format!("{}{target}", engine.url()));
        for (name, value) in headers {
            request = request.header(name, value);
        }
        engine.send(request.body(Full::new(Bytes::from("SELECT 1"))).unwrap())
    };
    let none = ask(vec![], "/").await;
    assert_eq!(none.status, StatusCode::UNAUTHORIZED);
    assert!(none.header("www-authenticate").starts_with("Basic"));
    for wrong in [
        ask(vec![("X-ClickHouse-User", "tamga".to_owned()), ("X-ClickHouse-Key", "wrong".to_owned())], "/").await,
        ask(vec![("Authorization", "Basic dGFtZ2E6eA==".to_owned())], "/").await,
        ask(vec![], "/?user=tamga&password=").await,
        ask(vec![], "/?user=default&password=").await,
    ] {
        assert_eq!((wrong.status, wrong.header("x-clickhouse-exception-code")), (StatusCode::FORBIDDEN, "516"));
        assert!(
            wrong.text().starts_with("Code: 516. DB::Exception: ") && wrong.text().contains("AUTHENTICATION_FAILED")
        );
    }
    assert_eq!(ask(vec![], "/?user=tamga&password=a+password+of+the+tests").await.text(), "1\n");
}

#[tokio::test]
async fn settings_end_with_their_request() {
    let engine = Engine::shared();
    let read = "SELECT getSetting('max_threads'), getSetting('async_insert'), currentDatabase()";
    let before = engine.sql(read).await;
    engine.database("settings").await;
    let within =
        engine.post("/?max_threads=7&async_insert=1&database=settings&session_id=s&wait_end_of_query=1", read).await;
    assert_eq!(within.text(), "7\ttrue\tsettings\n");
    engine.sql("SET max_threads = 5").await;
    assert_eq!(engine.sql(read).await, before);
    assert!(before.ends_with("\tfalse\tdefault"), "{before}");
}

#[tokio::test]
async fn a_long_answer_is_the_same_in_every_way_of_sending_it() {
    let engine = Engine::shared();
    let lines: String = (0..300_000).map(|number| format!("{number}\n")).collect();
    let sql = "SELECT number FROM numbers(300000)";
    assert_eq!(engine.post("/", sql).await.text(), lines);
    assert_eq!(engine.post("/?default_format=CSVWithNames", sql).await.text(), format!("\"number\"\n{lines}"));
    assert_eq!(
        engine.post("/?default_format=TSVWithNamesAndTypes", sql).await.text(),
        format!("number\nUInt64\n{lines}")
    );
    let json = engine.post("/?default_format=JSONCompact", sql).await;
    let json: serde_json::Value = serde_json::from_slice(&json.body).unwrap();
    assert_eq!(json["rows"], 300_000);
    let binary = engine.post("/?default_format=RowBinaryWithNamesAndTypes", sql).await.body;
    assert_eq!(binary.len(), "\u{1}\u{6}number\u{6}UInt64".len() + 300_000 * 8);
    // Totals stand apart from the rows, whatever the format.
    let totals = engine.sql("SELECT number % 2 AS n, count() FROM numbers(10) GROUP BY n WITH TOTALS ORDER BY n").await;
    assert_eq!(totals, "0\t5\n1\t5\n\n0\t10");
    assert_eq!(engine.sql("SHOW TABLES FROM INFORMATION_SCHEMA LIKE 'tables'").await, "tables");
}

#[tokio::test]
async fn an_answer_too_large_to_be_made_at_once_is_refused_and_streamed_formats_are_not() {
    let engine = Engine::shared();
    let sql = "SELECT number FROM numbers(5000000)";
    let refused = engine.post("/?default_format=JSON", sql).await;
    assert_eq!(refused.header("x-clickhouse-exception-code"), "396");
    assert_eq!(engine.post("/?default_format=RowBinary", sql).await.body.len(), 40_000_000);
}

#[tokio::test]
async fn an_error_after_the_answer_has_begun_breaks_it_visibly() {
    let engine = Engine::shared();
    let sql = "SELECT throwIf(number = 29900000) FROM numbers(30000000)";
    let answer = engine.raw(
        format!(
            "POST /?user=tamga&password=a+password+of+the+tests&max_threads=1 HTTP/1.1\r\nHost: localhost\r\nContent-Length: {}\r\n\r\n{sql}",
            sql.len()
        )
        .as_bytes(),
    );
    assert!(answer.starts_with("HTTP/1.1 200 OK\r\n"), "{}", &answer[..200.min(answer.len())]);
    assert!(answer.contains("__exception__\r\n") && answer.contains("Code: 395. DB::Exception: "));
    assert!(!answer.ends_with("0\r\n\r\n"), "a broken answer must not end like a whole one");
}

#[tokio::test]
async fn the_query_log_has_each_statement_without_its_literals_however_it_is_written() {
    let engine = Engine::shared();
    for sql in ["SELECT\n\t'a secret' AS of_lines, 77", "SELECT 'a\\\\b\\n\\'' AS of_signs", "SELECT 1 AS of_one"] {
        engine.sql(sql).await;
    }
    let sql = "SELECT query FROM tamga_engine.query_log WHERE match(query, ' of_(lines|signs|one)$|of_lines, ') ORDER BY query";
    let logged = async || Some(engine.sql(sql).await).filter(|logged| logged.lines().count() == 3);
    let logged = wait::until(Duration::from_secs(30), logged, || "a statement is not in the log".to_owned()).await;
    let mut logged: Vec<String> = logged.lines().map(|line| line.replace("\\n", " ").replace("\\t", "")).collect();
    logged.sort();
    assert_eq!(logged, ["SELECT ? AS of_lines, ?", "SELECT ? AS of_one", "SELECT ? AS of_signs"]);
}

//! Does the engine stay up, bounded and responsive when what connects is no client at all?

use std::io::{Read as _, Write as _};
use std::time::{Duration, Instant};

use crate::support::engine::{ANALYST_PASSWORD, Engine};

#[tokio::test]
async fn garbage_is_refused_and_forgotten() {
    let engine = Engine::shared();
    let huge_header = format!("GET /ping HTTP/1.1\r\nHost: localhost\r\nX: {}\r\n\r\n", "y".repeat(1 << 20));
    let many_headers = format!("GET /ping HTTP/1.1\r\nHost: localhost\r\n{}\r\n", "X: y\r\n".repeat(1000));
    let long_url = format!("GET /?query={} HTTP/1.1\r\nHost: localhost\r\n\r\n", "y".repeat(1 << 20));
    let no_length = "POST / HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n".to_owned();
    let two_lengths =
        "POST / HTTP/1.1\r\nHost: localhost\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\nab".to_owned();
    for request in [
        "\0\u{1}\u{2}\r\n\r\n".to_owned(),
        "SSH-2.0-x\r\n\r\n".to_owned(),
        huge_header,
        many_headers,
        long_url,
        two_lengths,
    ] {
        let answer = engine.raw(request.as_bytes());
        let status = answer.split(' ').nth(1).unwrap_or("closed");
        assert!(
            matches!(status, "400" | "414" | "431" | "closed"),
            "{status} to {}",
            &request[..60.min(request.len())]
        );
    }
    assert!(engine.raw(no_length.as_bytes()).starts_with("HTTP/1.1 401"), "credentials come before the body");
    assert_eq!(engine.get("/ping").await.text(), "Ok.\n");
}

#[tokio::test]
async fn a_statement_is_bounded_and_a_body_is_not_read_from_strangers() {
    let engine = Engine::shared();
    let long = format!("SELECT '{}'", "x".repeat(2 << 20));
    assert_eq!(engine.post("/", long.clone()).await.header("x-clickhouse-exception-code"), "223");
    // Within our own bound, the engine has a closer one.
    let answer = engine.post("/", format!("SELECT length('{}')", "x".repeat(300 << 10))).await;
    assert!(answer.status.is_client_error() || answer.text() == "307200\n", "{}", answer.status);
    assert_eq!(engine.post("/?user=tamga&password=wrong", "").await.status.as_u16(), 400, "headers win over the URL");
}

#[tokio::test]
async fn a_slow_head_is_cut_off_while_others_are_served() {
    let engine = Engine::shared();
    let since = Instant::now();
    let mut slow = engine.connect();
    slow.write_all(b"GET /ping HTTP/1.1\r\nHost: ").unwrap();
    let mut idle: Vec<_> = (0..50).map(|_| engine.connect()).collect();
    assert_eq!(engine.get("/ping").await.text(), "Ok.\n");
    assert!(since.elapsed() < Duration::from_secs(5), "idle connections hold nobody up");
    let mut rest = Vec::new();
    slow.read_to_end(&mut rest).unwrap();
    assert!((9..20).contains(&since.elapsed().as_secs()), "{:?}", since.elapsed());
    assert!(idle.iter_mut().all(|socket| matches!(socket.read(&mut [0; 64]), Ok(_) | Err(_))));
}

#[tokio::test]
async fn a_client_that_goes_away_frees_its_turn() {
    let engine = Engine::start();
    for _ in 0..40 {
        let mut stream = engine.connect();
        let sql = "SELECT number FROM system.numbers FORMAT RowBinary";
        let request = format!(
            "POST /?user=tamga&password=a+password+of+the+tests HTTP/1.1\r\nHost: localhost\r\nContent-Length: {}\r\n\r\n{sql}",
            sql.len()
        );
        stream.write_all(request.as_bytes()).unwrap();
        let mut some = [0; 4096];
        assert!(stream.read(&mut some).unwrap() > 0);
    }
    assert_eq!(engine.sql("SELECT 1").await, "1");
    let deadline = Instant::now() + Duration::from_secs(10);
    while engine.sql("SELECT count() FROM system.processes").await != "1" {
        assert!(Instant::now() < deadline, "endless queries still run");
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}

#[tokio::test]
async fn more_queries_than_permits_are_answered_503() {
    let engine = Engine::start();
    let busy = engine.client();
    let queries: Vec<_> = (0..16)
        .map(|_| {
            let client = busy.clone();
            tokio::spawn(async move {
                client.query("SELECT sleepEachRow(1) FROM numbers(8) SETTINGS max_block_size = 1").execute().await
            })
        })
        .collect();
    tokio::time::sleep(Duration::from_millis(1000)).await;
    let refused = engine.post("/", "SELECT 1").await;
    assert_eq!((refused.status.as_u16(), refused.header("x-clickhouse-exception-code")), (503, "202"));
    for query in queries {
        query.await.unwrap().unwrap();
    }
    assert_eq!(engine.sql("SELECT 1").await, "1");
}

#[tokio::test]
async fn connections_of_strangers_give_way_to_the_service() {
    let fixture = Engine::start_for_analysts();
    // Each has sent the beginning of a statement of an analyst, and none will send the rest.
    let head = format!(
        "POST /?user=analyst&password={ANALYST_PASSWORD} HTTP/1.1\r\nHost: localhost\r\nContent-Length: 1000\r\n\r\nS"
    );
    let slow: Vec<_> = (0..300)
        .map(|_| {
            let mut stream = fixture.connect();
            stream.write_all(head.as_bytes()).unwrap();
            stream
        })
        .collect();
    for _ in 0..20 {
        assert_eq!(fixture.sql("SELECT 1").await, "1");
    }
    // And none keeps its place by sending a byte now and then.
    for mut stream in slow {
        let mut answer = String::new();
        let _ = stream.read_to_string(&mut answer);
        assert!(answer.is_empty() || answer.contains("did not arrive in time"), "{answer}");
    }
}

#[tokio::test]
async fn a_head_that_can_be_read_in_two_ways_is_refused() {
    let engine = Engine::shared();
    let hidden = "GET /ping HTTP/1.1\r\nHost: localhost\r\n\r\n";
    for (name, request) in [
        ("lines without CR", "GET /ping HTTP/1.1\nHost: localhost\n\n".to_owned()),
        ("one line without CR", "GET /ping HTTP/1.1\r\nHost: localhost\nX: y\r\n\r\n".to_owned()),
        (
            "two lengths",
            format!("POST / HTTP/1.1\r\nHost: localhost\r\nContent-Length: 0\r\nContent-Length: 0\r\n\r\n{hidden}"),
        ),
        ("a length with a sign", format!("POST / HTTP/1.1\r\nHost: localhost\r\nContent-Length: +0\r\n\r\n{hidden}")),
        (
            "behind a chunked body",
            format!("POST / HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n{hidden}"),
        ),
    ] {
        let answer = engine.raw(request.as_bytes());
        assert!(answer.matches("HTTP/1.1 ").count() == 1 && !answer.contains("Ok."), "{name}: {answer}");
        assert!(answer.starts_with("HTTP/1.1 4"), "{name}: {answer}");
    }
}

#[tokio::test]
async fn a_client_that_has_sent_all_still_gets_its_answer() {
    let engine = Engine::shared();
    let sql = "SELECT sleep(1), 'the end'";
    let head =
        "POST /?user=tamga&password=a+password+of+the+tests HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n";
    let mut stream = engine.connect();
    stream.write_all(format!("{head}Content-Length: {}\r\n\r\n{sql}", sql.len()).as_bytes()).unwrap();
    stream.shutdown(std::net::Shutdown::Write).unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    assert!(answer.contains("the end"), "{answer}");
}

#[tokio::test]
async fn neither_other_names_nor_pages_of_other_sites_are_answered() {
    let engine = Engine::shared();
    for head in [
        "",
        "Host: evil.test\r\n",
        "Host: localhost\r\nHost: localhost\r\n",
        "Host: localhost\r\nSec-Fetch-Site: cross-site\r\n",
        "Host: localhost\r\nSec-Fetch-Site: same-site\r\n",
    ] {
        let answer = engine.raw(format!("GET /ping HTTP/1.1\r\n{head}Connection: close\r\n\r\n").as_bytes());
        assert!(answer.starts_with("HTTP/1.1 403"), "{head}: {answer}");
    }
    for target in ["/ping", "/?query=SELECT+1", "/?user=nobody", "/nowhere"] {
        let answer = engine.get(target).await;
        assert_eq!(answer.header("x-content-type-options"), "nosniff", "{target}");
        assert_eq!(answer.header("cross-origin-resource-policy"), "same-origin", "{target}");
    }
}

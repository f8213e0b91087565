//! Do deadlines fire? A client that is slow, silent or endless is let go, and good clients are served meanwhile.

use std::time::{Duration, Instant};

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::time::{sleep, timeout};

use crate::support::collector::{Edge, Setup, view_of};
use crate::support::http::{Answer, PATIENCE, raw, rest};

async fn connect(edge: &Edge) -> TcpStream {
    TcpStream::connect(edge.address).await.unwrap()
}

/// What the client hears until it is let go.
async fn slowly(edge: &Edge, bytes: &[u8], pause: Duration) -> Vec<u8> {
    let mut stream = connect(edge).await;
    let (mut reading, mut writing) = stream.split();
    let mut heard = Vec::new();
    let writes = async {
        for byte in bytes {
            if writing.write_all(&[*byte]).await.is_err() {
                break;
            }
            sleep(pause).await;
        }
        std::future::pending::<()>().await;
    };
    tokio::select! {
        () = writes => {}
        read = timeout(PATIENCE, reading.read_to_end(&mut heard)) => assert!(read.is_ok(), "the connection is still open"),
    }
    heard
}

#[tokio::test]
async fn slow_and_silent_clients_are_let_go_while_good_ones_are_served() {
    let edge = Edge::start().await;
    let good = edge.beacon(view_of(1, 0, "/"));
    let head = good.head();
    let body_never_comes = head.clone();
    let drip = Duration::from_millis(100);
    let no_body_to_script = "GET /tamga.js HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n\r\n";
    let idle = async {
        let mut stream = connect(&edge).await;
        let request = "GET /tamga.js HTTP/1.1\r\nHost: a\r\n\r\n";
        stream.write_all(request.as_bytes()).await.unwrap();
        rest(&mut stream).await
    };
    let half = async {
        let mut stream = connect(&edge).await;
        stream.write_all(b"POST /v1/beacon HTTP/1.1\r\nHost: a\r\nX-Half").await.unwrap();
        rest(&mut stream).await
    };
    let silent = async { rest(&mut connect(&edge).await).await };
    let begun = Instant::now();
    let served = async {
        for seq in 10..30 {
            let sent = Instant::now();
            assert_eq!(edge.view(2, seq, None).await.outcome(), "accepted");
            assert!(sent.elapsed() < Duration::from_millis(900), "a good client waited {:?}", sent.elapsed());
            sleep(Duration::from_millis(50)).await;
        }
    };
    let (idle, half, silent, head_drip, body_drip, body_never, script, ()) = tokio::join!(
        idle,
        half,
        silent,
        slowly(&edge, head.as_bytes(), drip),
        async {
            let mut stream = connect(&edge).await;
            stream.write_all(head.as_bytes()).await.unwrap();
            let (mut reading, mut writing) = stream.split();
            let drip = async {
                for byte in view_of(1, 0, "/").bytes() {
                    if writing.write_all(&[byte]).await.is_err() {
                        break;
                    }
                    sleep(Duration::from_millis(100)).await;
                }
                std::future::pending::<()>().await;
            };
            let mut heard = Vec::new();
            tokio::select! {
                () = drip => {}
                read = timeout(PATIENCE, reading.read_to_end(&mut heard)) => assert!(read.is_ok(), "still open"),
            }
            heard
        },
        raw(edge.address, body_never_comes.as_bytes()),
        raw(edge.address, no_body_to_script.as_bytes()),
        served,
    );
    assert!(begun.elapsed() < Duration::from_secs(8), "{:?}", begun.elapsed());
    assert_eq!(Answer::parse(&idle).status, 200, "answered, then let go");
    assert_eq!(Answer::parse(&script).status, 200);
    for (name, heard) in [("half", half), ("silent", silent), ("head", head_drip)] {
        let text = String::from_utf8_lossy(&heard);
        assert!(text.is_empty() || text.starts_with("HTTP/1.1 408"), "{name}: {text}");
    }
    assert_eq!(Answer::parse(&body_drip).status, 408);
    assert_eq!(Answer::parse(&body_never).status, 408);
    assert_eq!(edge.reason("rejected", "too_slow"), 2);
    edge.counts();
}

#[tokio::test]
async fn who_asks_much_and_reads_nothing_is_let_go() {
    let limits = tamga::collect::server::Limits {
        connections: 2,
        head_deadline: Duration::from_secs(1),
        stop_grace: Duration::from_secs(5),
    };
    let edge = Edge::start_with(Setup { limits, ..Setup::default() }).await;
    let request = b"GET /tamga.js HTTP/1.1\r\nHost: a\r\n\r\n".repeat(2_000);
    let mut hogs = Vec::new();
    for _ in 0..2 {
        let mut hog = connect(&edge).await;
        let _ = timeout(Duration::from_millis(300), hog.write_all(&request)).await;
        hogs.push(hog);
    }
    let answer = timeout(PATIENCE, edge.view(1, 0, None)).await;
    assert_eq!(answer.expect("both places are taken for ever").outcome(), "accepted");
}

#[tokio::test]
async fn beyond_the_cap_clients_wait_and_are_served() {
    let mut setup = Setup::default();
    setup.limits.connections = 4;
    // Of which the last one gets a tenth.
    setup.limits.head_deadline = Duration::from_secs(20);
    let edge = Edge::start_with(setup).await;
    let mut taken = Vec::new();
    for _ in 0..4 {
        taken.push(connect(&edge).await);
    }
    sleep(Duration::from_millis(100)).await;
    let calls: Vec<_> = (0..16).map(|seq| edge.beacon(view_of(1, seq, "/"))).collect();
    let mut waiting = tokio::task::JoinSet::new();
    for call in calls {
        waiting.spawn(async move { call.send().await.outcome().to_owned() });
    }
    assert!(timeout(Duration::from_millis(300), waiting.join_next()).await.is_err(), "the cap holds");
    drop(taken);
    let outcomes = timeout(PATIENCE, waiting.join_all()).await.unwrap();
    assert_eq!(outcomes, ["accepted"; 16]);
}

#[tokio::test]
async fn what_is_too_long_ends_at_its_limit() {
    let edge = Edge::start().await;
    let long = "x".repeat(70_000);
    let many: String = (0..200).map(|number| format!("X-{number}: 1\r\n")).collect();
    for head in [
        format!("POST /v1/beacon HTTP/1.1\r\nHost: a\r\nX-Long: {long}\r\n\r\n"),
        format!("POST /v1/beacon?{long} HTTP/1.1\r\nHost: a\r\n\r\n"),
        format!("POST /v1/beacon HTTP/1.1\r\nHost: a\r\n{many}\r\n"),
    ] {
        let answer = Answer::parse(&raw(edge.address, head.as_bytes()).await);
        assert!(matches!(answer.status, 400 | 431), "{}", answer.status);
        assert!(!String::from_utf8_lossy(&answer.body).contains("xxx"));
    }

    // A body without an end.
    let mut stream = connect(&edge).await;
    let head = edge.beacon("").head().replace("\r\n\r\n", "\r\nTransfer-Encoding: chunked\r\n\r\n");
    stream.write_all(head.as_bytes()).await.unwrap();
    let (mut reading, mut writing) = stream.split();
    let mut heard = Vec::new();
    let chunk = format!("400\r\n{}\r\n", "y".repeat(1_024));
    let endless = async {
        let mut sent = 0;
        while writing.write_all(chunk.as_bytes()).await.is_ok() {
            sent += chunk.len();
        }
        sent
    };
    let (sent, read) = timeout(PATIENCE, async { tokio::join!(endless, reading.read_to_end(&mut heard)) })
        .await
        .expect("a body without an end has one");
    assert!(sent < 16 << 20, "{sent} bytes were taken");
    // The answer may be lost to the reset that follows.
    if read.is_ok() || !heard.is_empty() {
        assert_eq!(Answer::parse(&heard).status, 413);
    }
    assert_eq!(edge.reason("rejected", "too_large"), 1);
    edge.counts();
}

#[tokio::test]
async fn a_client_that_ends_its_side_gets_its_answer() {
    let edge = Edge::start().await;
    // The answer is not there yet when the end is read.
    edge.disk.hold();
    let mut stream = connect(&edge).await;
    let keeps =
        String::from_utf8(edge.beacon(view_of(1, 0, "/")).bytes()).unwrap().replace("Connection: close\r\n", "");
    stream.write_all(keeps.as_bytes()).await.unwrap();
    stream.shutdown().await.unwrap();
    sleep(Duration::from_millis(200)).await;
    edge.disk.recover();
    assert_eq!(Answer::parse(&rest(&mut stream).await).outcome(), "accepted");
    // One that never sends the rest is let go.
    let mut half = connect(&edge).await;
    half.write_all(&keeps.as_bytes()[..keeps.len() - 10]).await.unwrap();
    half.shutdown().await.unwrap();
    let heard = rest(&mut half).await;
    assert!(heard.is_empty() || Answer::parse(&heard).status == 408);
}

//! Do idle connections leave enough file descriptors, and does the admin listener refuse pages of other sites?

use std::time::Duration;

use tokio::io::AsyncWriteExt as _;
use tokio::net::TcpStream;
use tokio::task::JoinSet;

use crate::support::collector::view_of;
use crate::support::http::{Answer, raw, rest};
use crate::support::program::{Ground, Program};

#[tokio::test]
async fn more_idle_connections_than_descriptors_starve_nobody() {
    let ground = Ground::new();
    ground.send_stores_away();
    let product = Program::watch(ground.serve_with_descriptors(300).spawn().unwrap());
    let lowered = product.logged("max_connections");
    assert!(lowered.contains("configured=4096") && lowered.contains("descriptors=300"), "{lowered}");
    for round in 0..3 {
        let mut idle = Vec::new();
        for _ in 0..600 {
            idle.push(TcpStream::connect(product.address).await.unwrap());
        }
        let mut good = JoinSet::new();
        for seq in 0..30 {
            let call = product.beacon(view_of(round, seq, "/tariffs"));
            good.spawn(async move { call.send().await.outcome().to_owned() });
        }
        let mut answers = Vec::new();
        let mut samples = tokio::time::interval(Duration::from_millis(2));
        while answers.len() < 30 {
            tokio::select! {
                answer = good.join_next() => answers.push(answer.unwrap().unwrap()),
                _ = samples.tick() => assert!(product.open_descriptors() < 300 - 64, "the reserve is used up"),
            }
        }
        assert_eq!(answers, ["accepted"; 30], "{}", product.log());
        assert_eq!(product.ask("/healthz").await.status, 200);
        drop(idle);
    }
    let log = product.log();
    assert!(!log.contains("cannot accept") && !log.contains("cannot write"), "{log}");
}

#[tokio::test]
async fn the_admin_listener_answers_no_page_of_another_site() {
    let ground = Ground::new();
    ground.send_stores_away();
    let named = std::fs::read_to_string(ground.folder.path().join("tamga.toml")).unwrap();
    ground.write("tamga.toml", &named.replace("[server]", "[server]\nadmin_hosts = [\"tamga.internal\"]"));
    let product = Program::serve(&ground, &[]);
    for target in ["/healthz", "/readyz", "/metrics"] {
        let asked = |name: &'static str, value: &'static str| product.operations(target).header(name, value);
        for (call, status) in [
            (product.operations(target), 200),
            (asked("Host", "localhost:9090"), 200),
            (asked("Host", "10.1.2.3:9090"), 200),
            (asked("Host", "tamga.internal"), 200),
            (asked("Sec-Fetch-Site", "none"), 200),
            (asked("Host", "rebound.example:9090"), 403),
            (asked("Sec-Fetch-Site", "cross-site"), 403),
            (asked("Sec-Fetch-Site", "same-site"), 403),
            (product.operations(target).without("Host"), 400),
        ] {
            let answer = call.send().await;
            assert_eq!(answer.status, status, "{target}");
            if status != 400 {
                assert_eq!(answer.header("x-content-type-options"), Some("nosniff"));
                assert_eq!(answer.header("cross-origin-resource-policy"), Some("same-origin"));
            }
            assert!(status == 200 || answer.body.len() < 80, "a refusal says nothing of the state");
        }
    }
}

#[tokio::test]
async fn the_admin_listener_reads_heads_as_strictly_as_the_edge() {
    let ground = Ground::new();
    ground.send_stores_away();
    let product = Program::serve(&ground, &[]);
    let host = product.admin;
    for head in [
        format!("GET /healthz HTTP/1.1\nHost: {host}\n\n"),
        format!("GET /healthz HTTP/1.1\r\nHost: {host}\nX: y\r\n\r\n"),
        "GET /healthz HTTP/1.1\r\n\r\n".to_owned(),
        format!("GET /healthz HTTP/1.1\r\nHost: {host}\r\nHost: {host}\r\n\r\n"),
    ] {
        assert_eq!(Answer::parse(&raw(host, head.as_bytes()).await).status, 400, "{head}");
    }
    let mut half = TcpStream::connect(host).await.unwrap();
    half.write_all(format!("GET /metrics HTTP/1.1\r\nHost: {host}\r\n\r\n").as_bytes()).await.unwrap();
    half.shutdown().await.unwrap();
    assert_eq!(Answer::parse(&rest(&mut half).await).status, 200);
}

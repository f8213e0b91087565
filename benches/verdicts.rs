//! How long a verdict takes: a thousand calls a second to a running collector, in an open loop.
//!
//! `cargo run --release --example verdicts -- 127.0.0.1:8080 jetpay.kz https://jetpay.kz` needs a collector that trusts the loopback
//! as a proxy and offers account protection for the site. Each call comes from another network. Latency is counted from the moment
//! at which a call was to be sent, so that a late answer is charged for what waited behind it.
#![allow(missing_docs, clippy::print_stdout, reason = "a program that measures and prints")]

use std::net::SocketAddr;
use std::time::{Duration, Instant};

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::task::JoinSet;

const RATE: u32 = 1_000;
const CONNECTIONS: u32 = 50;
const LASTS: Duration = Duration::from_secs(20);

#[tokio::main]
async fn main() {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [address, site, origin] = &arguments[..] else { panic!("give ADDRESS SITE ORIGIN") };
    let address: SocketAddr = address.parse().expect("an address with its port");
    let (mut workers, begins) = (JoinSet::new(), Instant::now() + Duration::from_millis(200));
    for worker in 0..CONNECTIONS {
        workers.spawn(work(address, site.clone(), origin.clone(), worker, begins));
    }
    let mut latencies: Vec<u32> = workers.join_all().await.into_iter().flatten().collect();
    latencies.sort_unstable();
    let quantile = |of: f64| f64::from(latencies[((latencies.len() - 1) as f64 * of) as usize]) / 1e3;
    println!(
        "{} verdicts at {RATE} a second: p50 {:.2} ms, p99 {:.2} ms, p99.9 {:.2} ms, most {:.2} ms",
        latencies.len(),
        quantile(0.5),
        quantile(0.99),
        quantile(0.999),
        quantile(1.0)
    );
}

/// Sends its share of the calls over one connection. Returns how long each took, in microseconds.
async fn work(address: SocketAddr, site: String, origin: String, worker: u32, begins: Instant) -> Vec<u32> {
    let mut stream = TcpStream::connect(address).await.expect("a collector that listens there");
    let _ = stream.set_nodelay(true);
    let pause = Duration::from_secs(1) * CONNECTIONS / RATE;
    let mut at = begins + pause * worker / CONNECTIONS;
    let (mut took, mut buffer) = (Vec::new(), vec![0; 8_192]);
    while at < begins + LASTS {
        tokio::time::sleep_until(at.into()).await;
        let call = call(&site, &origin, took.len() as u32 * CONNECTIONS + worker);
        stream.write_all(call.as_bytes()).await.expect("it takes the call");
        read_verdict(&mut stream, &mut buffer).await;
        took.push(at.elapsed().as_micros().try_into().unwrap_or(u32::MAX));
        at += pause;
    }
    took
}

fn call(site: &str, origin: &str, number: u32) -> String {
    let [_, a, b, c] = number.to_be_bytes();
    let body = format!(
        r#"{{"v":1,"site":"{site}","nonce":"measured-{number:012}","evidence":{{"automation":["no_voices","no_taskbar"],
        "engine":"blink","zone":"Asia/Almaty","languages":["ru-KZ","kk"],"screen":[1920,1080,1920,1040],"window":[1920,1040,1920,953],
        "touch":0,"input":{{"moves":"many","keys":"some","presses":"few","touches":"none"}}}}}}"#
    );
    format!(
        "POST /v1/verdict HTTP/1.1\r\nHost: measured\r\nX-Forwarded-For: 10{}.{b}.{c}.7\r\nUser-Agent: Mozilla/5.0 (Windows NT 10.0; Win64; x64) \
         AppleWebKit/537.36 (KHTML, like Gecko) Chrome/150.0.0.0 Safari/537.36\r\nSec-CH-UA: \"Chromium\";v=\"150\"\r\n\
         Content-Type: text/plain\r\nOrigin: {origin}\r\nSec-Fetch-Site: same-site\r\nAccept-Encoding: gzip\r\nAccept-Language: ru\r\n\
         Content-Length: {}\r\n\r\n{body}",
        a % 10,
        body.len()
    )
}

/// Reads one answer, which must be a verdict.
async fn read_verdict(stream: &mut TcpStream, buffer: &mut [u8]) {
    let mut read = 0;
    loop {
        let more = stream.read(&mut buffer[read..]).await.expect("an answer");
        assert!(more > 0, "the collector ended the connection");
        read += more;
        let text = String::from_utf8_lossy(&buffer[..read]);
        let Some((head, body)) = text.split_once("\r\n\r\n") else { continue };
        assert!(head.starts_with("HTTP/1.1 200 "), "{text}");
        let length =
            head.lines().find_map(|line| line.to_ascii_lowercase().strip_prefix("content-length: ")?.parse().ok());
        if length.is_some_and(|length: usize| body.len() >= length) {
            return;
        }
    }
}

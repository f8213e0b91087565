//! What one writes in an afternoon: an axum handler that reads beacons and hands their events to the official crate's inserter. It is
//! here to be measured beside the product, and keeps none of its promises: events lie in memory when they are answered, address and
//! agent are stored as they came, nothing is checked, and the table keeps everything for ever.
//!
//! `afternoon ENGINE_URL USER PASSWORD` prints the address that it listens on.
#![allow(clippy::print_stdout, reason = "it says where it listens")]

use std::time::Duration;

use axum::Router;
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode};
use axum::routing::post;
use clickhouse::{Client, Row};
use serde::{Deserialize, Serialize};
use tokio::sync::mpsc::{Receiver, Sender, channel};

/// As the crate's documentation has them.
const ROWS_MAX: u64 = 750_000;
const PERIOD: Duration = Duration::from_secs(15);
/// Events that wait for the inserter.
const WAITING_MAX: usize = 100_000;

const TABLE: &str = "CREATE TABLE IF NOT EXISTS afternoon (at DateTime64(3) DEFAULT now64(3), site LowCardinality(String), view String, \
    type LowCardinality(String), url String, referrer String, name String, engaged_ms UInt32, agent String, address String, \
    language String) ENGINE = MergeTree ORDER BY (site, at)";

#[derive(Deserialize)]
struct Beacon {
    site: String,
    view: String,
    events: Vec<Event>,
}

#[derive(Deserialize)]
struct Event {
    r#type: String,
    #[serde(default)]
    url: String,
    #[serde(default)]
    referrer: String,
    #[serde(default)]
    name: String,
    #[serde(default)]
    engaged_ms: u32,
}

#[derive(Row, Serialize)]
struct Stored {
    site: String,
    view: String,
    r#type: String,
    url: String,
    referrer: String,
    name: String,
    engaged_ms: u32,
    agent: String,
    address: String,
    language: String,
}

async fn beacon(State(rows): State<Sender<Stored>>, head: HeaderMap, body: String) -> StatusCode {
    let Ok(Beacon { site, view, events }) = serde_json::from_str(&body) else { return StatusCode::BAD_REQUEST };
    let field = |name: &str| head.get(name).and_then(|value| value.to_str().ok()).unwrap_or_default().to_owned();
    for Event { r#type, url, referrer, name, engaged_ms } in events {
        let [agent, address, language] = ["user-agent", "x-forwarded-for", "accept-language"].map(field);
        let (site, view) = (site.clone(), view.clone());
        let row = Stored { site, view, r#type, url, referrer, name, engaged_ms, agent, address, language };
        if rows.send(row).await.is_err() {
            return StatusCode::SERVICE_UNAVAILABLE;
        }
    }
    StatusCode::ACCEPTED
}

async fn insert(client: Client, mut rows: Receiver<Stored>) -> clickhouse::error::Result<()> {
    let mut inserter = client.inserter::<Stored>("afternoon").with_max_rows(ROWS_MAX).with_period(Some(PERIOD));
    loop {
        let left = inserter.time_left().unwrap_or(PERIOD);
        match tokio::time::timeout(left, rows.recv()).await {
            Ok(Some(row)) => inserter.write(&row).await?,
            Ok(None) => break,
            Err(_) => {}
        }
        inserter.commit().await?;
    }
    inserter.end().await.map(drop)
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [url, user, password] = &arguments[..] else { return Err("afternoon ENGINE_URL USER PASSWORD".into()) };
    let client = Client::default().with_url(url).with_user(user).with_password(password);
    client.query(TABLE).execute().await?;
    let (sender, receiver) = channel(WAITING_MAX);
    let inserting = tokio::spawn(insert(client, receiver));
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await?;
    println!("{}", listener.local_addr()?);
    let router = Router::new().route("/v1/beacon", post(beacon)).with_state(sender);
    tokio::select! {
        served = axum::serve(listener, router) => served?,
        inserted = inserting => inserted??,
    }
    Ok(())
}

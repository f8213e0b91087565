//! Do the stores' tables come to be what they should, whenever a migrating program dies, and however many migrate at once?

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};

use http_body_util::{BodyExt as _, Full};
use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper::{Request, Response};
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::{TokioExecutor, TokioIo};
use serde::Deserialize;
use tamga::clock::Clock;
use tamga::store::{self, Limits, Migration, MigrationStatus, STATS, Store, VAULT};
use tokio::net::TcpListener;

use crate::support::engine::{Engine, PASSWORD, USER};
use crate::support::fake_vault::BrokenOnPurpose;

/// A way to the engine that breaks after so many requests, for good; the last of them may take effect.
struct Thread {
    address: SocketAddr,
    left: Arc<AtomicI64>,
}

impl Thread {
    async fn to(engine: &Engine, takes_effect: bool) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let (address, behind, left) = (listener.local_addr().unwrap(), engine.address, Arc::new(AtomicI64::new(0)));
        let shared = left.clone();
        let client: Client<HttpConnector, Full<bytes::Bytes>> = Client::builder(TokioExecutor::new()).build_http();
        tokio::spawn(async move {
            loop {
                let (stream, _) = listener.accept().await.unwrap();
                let (client, left) = (client.clone(), shared.clone());
                let pass = move |request: Request<Incoming>| {
                    let (client, left) = (client.clone(), left.clone());
                    async move {
                        let is_last = left.fetch_sub(1, Ordering::SeqCst) - 1;
                        if is_last < 0 || is_last == 0 && !takes_effect {
                            return Err(BrokenOnPurpose);
                        }
                        let (mut head, body) = request.into_parts();
                        let target = head.uri.path_and_query().unwrap().as_str().to_owned();
                        head.uri = format!("http://{behind}{target}").parse().unwrap();
                        head.headers.remove(http::header::TRANSFER_ENCODING);
                        let body = body.collect().await.map_err(|_| BrokenOnPurpose)?.to_bytes();
                        let answer = client.request(Request::from_parts(head, Full::new(body))).await;
                        let (mut head, body) = answer.map_err(|_| BrokenOnPurpose)?.into_parts();
                        let body = body.collect().await.map_err(|_| BrokenOnPurpose)?.to_bytes();
                        if is_last == 0 {
                            return Err(BrokenOnPurpose);
                        }
                        head.headers.remove(http::header::TRANSFER_ENCODING);
                        head.headers.remove(http::header::CONTENT_LENGTH);
                        Ok(Response::from_parts(head, Full::new(body)))
                    }
                };
                tokio::spawn(async move {
                    let _ = hyper::server::conn::http1::Builder::new()
                        .serve_connection(TokioIo::new(stream), service_fn(pass))
                        .await;
                });
            }
        });
        Self { address, left }
    }

    fn store(&self, database: &str) -> Store {
        Store::new(&format!("http://{}", self.address), USER, PASSWORD, database, Limits::default()).unwrap()
    }
}

fn store_of(engine: &Engine, database: &str) -> Store {
    Store::new(&engine.url(), USER, PASSWORD, database, Limits::default()).unwrap()
}

/// What the tables are, but for the identity that each of them has.
async fn structure(store: &Store) -> Vec<String> {
    #[derive(Deserialize)]
    struct Table {
        create: String,
    }
    let sql = "SELECT create_table_query AS create FROM system.tables WHERE database = currentDatabase() ORDER BY name";
    store.rows::<Table>(sql, &[]).await.unwrap().into_iter().map(|table| table.create).collect()
}

/// Of each kind of statement one.
const KINDS: [Migration; 2] = [
    Migration {
        version: 1,
        name: "begin",
        sql: "CREATE TABLE IF NOT EXISTS a (x UInt8 COMMENT 'x') ENGINE = MergeTree ORDER BY x;
              CREATE TABLE IF NOT EXISTS b (x UInt8) ENGINE = MergeTree ORDER BY x;",
    },
    Migration {
        version: 2,
        name: "more",
        sql: "ALTER TABLE a ADD COLUMN IF NOT EXISTS y LowCardinality(String);
              ALTER TABLE a COMMENT COLUMN IF EXISTS x 'other';
              DROP TABLE IF EXISTS b;",
    },
];

async fn killed_at(engine: &Engine, database: &str, migrations: &[Migration], every: usize) {
    let direct = store_of(engine, database);
    let clock = Clock::machine();
    engine.sql(&format!("DROP DATABASE IF EXISTS {database} SYNC")).await;
    let statements = store::apply(&direct, migrations, &clock).await.unwrap();
    let expected = structure(&direct).await;
    for takes_effect in [false, true] {
        let thread = Thread::to(engine, takes_effect).await;
        let mut died = 0;
        for calls in (1..).step_by(every) {
            engine.sql(&format!("DROP DATABASE IF EXISTS {database} SYNC")).await;
            thread.left.store(calls, Ordering::SeqCst);
            let outcome = store::apply(&thread.store(database), migrations, &clock).await;
            let cut = thread.left.load(Ordering::SeqCst) <= 0;
            assert_eq!(outcome.is_err(), cut, "after {calls} requests");
            died += u32::from(cut);
            // The next program goes on where it stopped; at most the one statement whose record is missing runs twice.
            let statuses = store::status(&direct, migrations).await.unwrap();
            let before: u32 = statuses.iter().map(|status| status.applied).sum();
            assert_eq!(store::apply(&direct, migrations, &clock).await.unwrap(), statements - before);
            assert_eq!(structure(&direct).await, expected, "after {calls} requests");
            if !cut {
                break;
            }
        }
        assert!(died as usize * every >= 2 * statements as usize, "{died}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn killed_at_every_request_a_migration_ends_where_it_should() {
    let engine = Engine::start();
    killed_at(&engine, "kinds", &KINDS, 1).await;
    let migrations = store::migrations_of(&store_of(&engine, VAULT));
    killed_at(&engine, VAULT, migrations, 17).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn several_nodes_that_migrate_at_once_lead_to_the_same_tables() {
    let engine = Engine::start();
    for database in [VAULT, STATS] {
        let alone = store_of(&engine, database);
        let migrations = store::migrations_of(&alone);
        store::apply(&alone, migrations, &Clock::machine()).await.unwrap();
        let expected = structure(&alone).await;
        engine.sql(&format!("DROP DATABASE {database} SYNC")).await;
        let nodes: Vec<_> = (0..4)
            .map(|_| {
                let store = store_of(&engine, database);
                tokio::spawn(async move { store::apply(&store, migrations, &Clock::machine()).await })
            })
            .collect();
        for node in nodes {
            node.await.unwrap().unwrap();
        }
        assert_eq!(structure(&alone).await, expected);
        assert!(store::status(&alone, migrations).await.unwrap().iter().all(MigrationStatus::is_complete));
        assert_eq!(store::apply(&alone, migrations, &Clock::machine()).await.unwrap(), 0);
    }
}

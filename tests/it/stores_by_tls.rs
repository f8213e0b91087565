//! Is a ClickHouse server behind `https` believed only when it proves who it is?

use std::time::Duration;

use tamga::clock::Clock;
use tamga::store::{self, Limits, STATS, STATS_MIGRATIONS, Store};

use crate::support::engine::{Engine, PASSWORD, USER};
use crate::support::ports;
use crate::support::tls_proxy::certified;
use crate::support::vault::number;

#[tokio::test(flavor = "multi_thread")]
async fn rows_travel_both_ways_when_the_certificate_is_right_and_not_at_all_when_it_is_not() {
    let (engine, folder) = (Engine::start(), tempfile::tempdir().unwrap());
    let right = certified(&engine, folder.path(), "localhost").await;
    let other = certified(&engine, folder.path(), "other.test").await;
    let limits = Limits { connect: Duration::from_secs(5), ..Limits::default() };
    let store = |port: u16, authorities: Option<&str>| {
        let file = authorities.map(|name| folder.path().join(name));
        let url = format!("https://localhost:{port}");
        Store::trusting(&url, USER, PASSWORD, STATS, limits, file.as_deref())
    };
    let stats = store(right, Some("localhost.pem")).unwrap();
    store::apply(&stats, STATS_MIGRATIONS, &Clock::machine()).await.unwrap();
    let row = serde_json::json!({ "site": "a.kz", "window_start": 1, "window_end": 4_000_000_000_u32, "visitors": 15 });
    let columns = ["site", "window_start", "window_end", "visitors"];
    stats.insert_json("site", &columns, &vec![row; 50_000], Some("one")).await.unwrap();
    assert_eq!(number(&stats, "SELECT sum(visitors) AS number FROM site").await, 750_000);

    // Another authority's, another name's, and none that the system knows.
    for (port, authorities) in [(right, Some("other.test.pem")), (other, Some("other.test.pem"))] {
        let error = store(port, authorities).unwrap().ping().await.unwrap_err();
        assert_eq!(error.name, "network", "{error}");
    }
    // A machine without any authority cannot even make such a store, and says what to do.
    match store(right, None) {
        Ok(store) => assert_eq!(store.ping().await.unwrap_err().name, "network"),
        Err(error) => assert!(error.to_string().contains("ca_file"), "{error}"),
    }
    let missing = store(right, Some("missing.pem")).err().unwrap();
    assert!(missing.to_string().contains("missing.pem"), "{missing}");
}

/// A name of a host that no resolver has to ask for: it is too long.
fn no_name() -> String {
    format!("{}.test", "a".repeat(64))
}

#[tokio::test(flavor = "multi_thread")]
async fn each_cause_of_a_missing_connection_has_a_sentence_of_its_own() {
    let (engine, folder) = (Engine::start(), tempfile::tempdir().unwrap());
    let right = certified(&engine, folder.path(), "localhost").await;
    let other = certified(&engine, folder.path(), "other.test").await;
    let plain = engine.address.port();
    let closed = ports::pair();
    for (url, authorities, sentence) in [
        (format!("http://{}:8123", no_name()), None, "no address is known"),
        (format!("http://127.0.0.1:{closed}"), None, "nothing listens there"),
        (format!("https://localhost:{right}"), Some("other.test.pem"), "an authority that is not trusted"),
        (format!("https://localhost:{other}"), Some("other.test.pem"), "of another name"),
        (format!("https://localhost:{plain}"), Some("localhost.pem"), "does not speak TLS"),
    ] {
        let file = authorities.map(|name| folder.path().join(name));
        let limits = Limits { connect: Duration::from_secs(60), ..Limits::default() };
        let store = Store::trusting(&url, USER, PASSWORD, STATS, limits, file.as_deref()).unwrap();
        let error = store.ping().await.unwrap_err().to_string();
        assert!(error.contains(sentence), "{url}: {error}");
    }
}

//! Is a ClickHouse server behind `https` believed only when it proves who it is?

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use tamga::clock::Clock;
use tamga::store::{self, Limits, STATS, STATS_MIGRATIONS, Store};
use tokio::net::{TcpListener, TcpStream};
use tokio_rustls::TlsAcceptor;
use tokio_rustls::rustls::ServerConfig;
use tokio_rustls::rustls::crypto::ring;
use tokio_rustls::rustls::pki_types::pem::PemObject as _;
use tokio_rustls::rustls::pki_types::{CertificateDer, PrivateKeyDer};

use crate::support::engine::{Engine, PASSWORD, USER};
use crate::support::vault::number;

/// Makes a certificate for a name, in `{name}.pem`, and puts TLS with it before the engine. Returns the port.
async fn certified(engine: &Engine, folder: &Path, name: &str) -> u16 {
    let made = rcgen::generate_simple_self_signed([name.to_owned()]).unwrap();
    let file = folder.join(format!("{name}.pem"));
    std::fs::write(&file, made.cert.pem()).unwrap();
    let key = PrivateKeyDer::from_pem_slice(made.signing_key.serialize_pem().as_bytes()).unwrap();
    let config = ServerConfig::builder_with_provider(Arc::new(ring::default_provider()))
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(vec![CertificateDer::from_pem_file(file).unwrap()], key)
        .unwrap();
    let (acceptor, behind) = (TlsAcceptor::from(Arc::new(config)), engine.address);
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    tokio::spawn(async move {
        loop {
            let (stream, _) = listener.accept().await.unwrap();
            let acceptor = acceptor.clone();
            tokio::spawn(async move {
                let Ok(mut outer) = acceptor.accept(stream).await else { return };
                let mut inner = TcpStream::connect(behind).await.unwrap();
                let _ = tokio::io::copy_bidirectional(&mut outer, &mut inner).await;
            });
        }
    });
    port
}

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

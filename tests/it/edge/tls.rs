//! Does the listener speak TLS as it should: 1.2 and 1.3, nothing older, no session resumed, a new certificate taken?

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use tamga::collect::tls::Tls;
use tempfile::TempDir;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::time::timeout;
use tokio_rustls::rustls::crypto::ring;
use tokio_rustls::rustls::pki_types::CertificateDer;
use tokio_rustls::rustls::pki_types::pem::PemObject as _;
use tokio_rustls::rustls::version::{TLS12, TLS13};
use tokio_rustls::rustls::{ClientConfig, HandshakeKind, ProtocolVersion, RootCertStore, SupportedProtocolVersion};
use tokio_rustls::{TlsConnector, client::TlsStream};

use crate::support::collector::{Edge, Setup, view_of};
use crate::support::http::{Answer, PATIENCE, raw};

const HOST: &str = "t.jetpay.kz";

/// A folder with a certificate and its key, and an edge that uses them.
async fn edge() -> (Edge, Arc<Tls>, TempDir) {
    let folder = tempfile::tempdir().unwrap();
    certify(folder.path());
    let tls = open(folder.path()).unwrap();
    let setup = Setup { tls: Some(tls.acceptor().unwrap()), ..Setup::default() };
    (Edge::start_with(setup).await, tls, folder)
}

fn open(folder: &Path) -> Result<Arc<Tls>, tamga::collect::tls::TlsError> {
    Tls::open(&folder.join("chain.pem"), &folder.join("key.pem"))
}

fn certify(folder: &Path) {
    let made = rcgen::generate_simple_self_signed([HOST.to_owned()]).unwrap();
    std::fs::write(folder.join("chain.pem"), made.cert.pem()).unwrap();
    std::fs::write(folder.join("key.pem"), made.signing_key.serialize_pem()).unwrap();
}

fn client(folder: &Path, versions: &[&'static SupportedProtocolVersion]) -> TlsConnector {
    let mut roots = RootCertStore::empty();
    roots.add(CertificateDer::from_pem_file(folder.join("chain.pem")).unwrap()).unwrap();
    let mut config = ClientConfig::builder_with_provider(Arc::new(ring::default_provider()))
        .with_protocol_versions(versions)
        .unwrap()
        .with_root_certificates(roots)
        .with_no_client_auth();
    config.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
    TlsConnector::from(Arc::new(config))
}

async fn shake(edge: &Edge, client: &TlsConnector) -> std::io::Result<TlsStream<TcpStream>> {
    let stream = TcpStream::connect(edge.address).await.unwrap();
    client.connect(HOST.try_into().unwrap(), stream).await
}

#[tokio::test]
async fn a_beacon_is_taken_over_tls_1_2_and_1_3_and_no_session_is_resumed() {
    let (edge, _tls, folder) = edge().await;
    for (number, version, name) in [(0, &TLS12, ProtocolVersion::TLSv1_2), (1, &TLS13, ProtocolVersion::TLSv1_3)] {
        let client = client(folder.path(), &[version]);
        for seq in 0..2 {
            let mut stream = shake(&edge, &client).await.unwrap();
            stream.write_all(&edge.beacon(view_of(number, seq, "/")).bytes()).await.unwrap();
            let mut answer = Vec::new();
            timeout(PATIENCE, stream.read_to_end(&mut answer)).await.unwrap().unwrap();
            assert_eq!(Answer::parse(&answer).outcome(), "accepted");
            let (_, session) = stream.get_ref();
            assert_eq!((session.protocol_version(), session.alpn_protocol()), (Some(name), Some(&b"http/1.1"[..])));
            assert_eq!(session.handshake_kind(), Some(HandshakeKind::Full), "a session that resumes is a name");
        }
    }
    assert_eq!(edge.rows().await.events.len(), 4);
}

/// What every client says beside the version: curves, the form of points, signatures.
const USUAL: [u8; 24] = [0, 10, 0, 4, 0, 2, 0, 23, 0, 11, 0, 2, 1, 0, 0, 13, 0, 6, 0, 4, 4, 3, 2, 3];
/// `supported_versions`: TLS 1.1 and 1.0.
const ONLY_OLD: [u8; 9] = [0, 43, 0, 5, 4, 3, 2, 3, 1];

/// A greeting of a client that speaks this version and none above it.
fn hello(version: [u8; 2], extensions: &[u8]) -> Vec<u8> {
    let suites = [0xc0, 0x2b, 0xc0, 0x09, 0xc0, 0x13, 0x00, 0x2f];
    let mut body = version.to_vec();
    body.extend([7; 32]);
    body.extend([0, 0, suites.len() as u8]);
    body.extend(suites);
    body.extend([1, 0]);
    body.extend((extensions.len() as u16).to_be_bytes());
    body.extend(extensions);
    let mut record = vec![22, 3, 1];
    record.extend((body.len() as u16 + 4).to_be_bytes());
    record.extend([1, 0]);
    record.extend((body.len() as u16).to_be_bytes());
    record.extend(body);
    record
}

#[tokio::test]
async fn what_is_older_than_1_2_is_refused() {
    /// First byte of a record: an alert, a greeting.
    const ALERT: u8 = 21;
    const GREETING: u8 = 22;
    /// Last byte of an alert: the version is not spoken.
    const VERSION: u8 = 70;
    let (edge, _tls, _folder) = edge().await;
    let current = raw(edge.address, &hello([3, 3], &USUAL)).await;
    assert_eq!((current[0], &current[1..3]), (GREETING, &[3, 3][..]), "the same greeting is answered in TLS 1.2");
    let by_extension = [&USUAL[..], &ONLY_OLD].concat();
    for (name, hello) in [
        ("TLS 1.0", hello([3, 1], &USUAL)),
        ("TLS 1.1", hello([3, 2], &USUAL)),
        ("TLS 1.1 by extension", hello([3, 3], &by_extension)),
        ("SSL 3.0", hello([3, 0], &USUAL)),
        ("SSL 2.0", [&[0x80, 0x2e, 1, 0, 2][..], &[0; 43]].concat()),
        ("no TLS", b"GET /tamga.js HTTP/1.1\r\nHost: a\r\n\r\n".to_vec()),
    ] {
        let answer = raw(edge.address, &hello).await;
        assert!(answer.is_empty() || answer[0] == ALERT, "{name}: {answer:?}");
        assert!(!name.starts_with("TLS 1.") || answer.last() == Some(&VERSION), "{name}: {answer:?}");
    }
    assert_eq!(edge.counts(), [0; 4]);
}

#[tokio::test]
async fn a_hand_that_is_not_shaken_in_time_is_let_go() {
    let (edge, _tls, folder) = edge().await;
    let half = &hello([3, 3], &[])[..20];
    let client = client(folder.path(), &[&TLS13]);
    let idle = async {
        let mut stream = shake(&edge, &client).await.unwrap();
        let _ = stream.read_to_end(&mut Vec::new()).await;
    };
    let all = async { tokio::join!(raw(edge.address, b""), raw(edge.address, half), idle) };
    timeout(Duration::from_secs(5), all).await.expect("all of them are let go");
}

#[tokio::test]
async fn a_new_certificate_is_taken_without_a_restart_and_a_broken_one_is_not() {
    let (edge, tls, folder) = edge().await;
    let old = client(folder.path(), &[&TLS13]);
    let mut under_way = shake(&edge, &old).await.unwrap();

    std::fs::write(folder.path().join("key.pem"), "not a key").unwrap();
    assert!(tls.reload().is_err() && open(folder.path()).is_err());
    shake(&edge, &old).await.expect("the old one stays");
    let other = tempfile::tempdir().unwrap();
    certify(other.path());
    std::fs::copy(other.path().join("key.pem"), folder.path().join("key.pem")).unwrap();
    assert!(tls.reload().is_err(), "the key of another certificate");

    std::fs::copy(other.path().join("chain.pem"), folder.path().join("chain.pem")).unwrap();
    tls.reload().unwrap();
    shake(&edge, &client(folder.path(), &[&TLS13])).await.expect("the new one");
    assert!(shake(&edge, &old).await.is_err(), "the old one is gone");
    under_way.write_all(&edge.beacon(view_of(1, 0, "/")).bytes()).await.unwrap();
    let mut answer = Vec::new();
    timeout(PATIENCE, under_way.read_to_end(&mut answer)).await.unwrap().unwrap();
    assert_eq!(Answer::parse(&answer).outcome(), "accepted", "what has begun goes on");
}

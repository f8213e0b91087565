//! A visitor's side of a proxy: curl for HTTP/1.1 and HTTP/2, and bytes by hand, over TLS and without, from an address of its own.

use std::io::Write as _;
use std::net::{IpAddr, Ipv4Addr};
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::time::Duration;

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpSocket, TcpStream};
use tokio::time::timeout;
use tokio_rustls::TlsConnector;
use tokio_rustls::rustls::crypto::ring;
use tokio_rustls::rustls::pki_types::CertificateDer;
use tokio_rustls::rustls::pki_types::pem::PemObject as _;
use tokio_rustls::rustls::{ClientConfig, RootCertStore};

use super::programs::{HOST, Proxy};

/// The address that the proxy sees.
pub(super) const ADDRESS: &str = "127.9.77.213";
/// How long an answer to bytes may take. Some get none, and a proxy waits longer for the rest of a request.
const GLANCE: Duration = Duration::from_millis(300);

pub(super) struct Browser {
    pub(super) proxy: Proxy,
    tls: TlsConnector,
}

/// An answer, as a page sees it.
#[derive(Debug)]
pub(super) struct Seen {
    pub(super) version: &'static str,
    pub(super) status: u16,
    head: Vec<(String, String)>,
}

impl Seen {
    pub(super) fn header(&self, name: &str) -> Option<&str> {
        self.head.iter().find(|field| field.0.eq_ignore_ascii_case(name)).map(|field| field.1.as_str())
    }

    pub(super) fn outcome(&self) -> &str {
        assert_eq!(self.status, 202, "{self:?}");
        self.header("tamga-outcome").expect("an outcome")
    }

    /// Whether a page of the site may read it.
    pub(super) fn is_readable(&self) -> bool {
        self.header("access-control-allow-origin") == Some("https://jetpay.kz")
    }
}

impl Browser {
    pub(super) fn of(proxy: Proxy) -> Self {
        let mut roots = RootCertStore::empty();
        roots.add(CertificateDer::from_pem_file(proxy.chain()).unwrap()).unwrap();
        Self { tls: connector(roots), proxy }
    }

    /// Ends the proxy, whose files stay.
    pub(super) fn stop(self) -> Proxy {
        let mut proxy = self.proxy;
        proxy.stop();
        proxy
    }

    pub(super) fn get(&self, version: &'static str, target: &str) -> Seen {
        self.curl(version, target, None, &[])
    }

    pub(super) fn post(&self, version: &'static str, target: &str, body: &str, more: &[&str]) -> Seen {
        let own = ["-H", "Origin: https://jetpay.kz", "-H", "Content-Type: text/plain", "--data-binary", "@-"];
        self.curl(version, target, Some(body), &[&own[..], more].concat())
    }

    fn curl(&self, version: &'static str, target: &str, body: Option<&str>, more: &[&str]) -> Seen {
        let port = self.proxy.https.port();
        let mut command = Command::new("curl");
        command.args(["--silent", "--show-error", "--include", "--max-time", "60", version, "--interface", ADDRESS]);
        command.arg("--cacert").arg(self.proxy.chain()).args(["--resolve", &format!("{HOST}:{port}:127.0.0.1")]);
        command.args(["-A", crate::support::collector::AGENT, "-e", "https://jetpay.kz/kanarische-herkunft"]);
        command.args(["-H", "Accept-Language: kk", "-H", "X-Forwarded-For: 198.18.77.213"]);
        command.args(["-H", "Forwarded: for=198.18.77.213", "-H", "X-Real-IP: 198.18.77.213"]);
        if !more.iter().any(|field| field.starts_with("Cookie:")) {
            command.args(["-H", "Cookie: sid=kanarische-sitzung-4b1d"]);
        }
        command.args(more).arg(format!("https://{HOST}:{port}{target}"));
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = command.spawn().expect("curl is installed");
        // A refusal may come before the whole body was read.
        let _ = child.stdin.take().unwrap().write_all(body.unwrap_or_default().as_bytes());
        let output = child.wait_with_output().unwrap();
        let said = String::from_utf8_lossy(&output.stderr);
        let text = String::from_utf8_lossy(&output.stdout);
        let (head, _) = text.split_once("\r\n\r\n").unwrap_or_else(|| panic!("{target} has no answer: {said}"));
        let mut lines = head.split("\r\n");
        let (spoken, status) = lines.next().unwrap().split_once(' ').unwrap();
        let fields = lines.filter_map(|line| line.split_once(": "));
        Seen {
            version: if spoken == "HTTP/2" { "--http2" } else { "--http1.1" },
            status: status[..3].parse().unwrap(),
            head: fields.map(|(name, value)| (name.to_owned(), value.to_owned())).collect(),
        }
    }

    /// Sends each of these over TLS, all at once.
    pub(super) async fn send_all(&self, requests: impl Iterator<Item = Vec<u8>>) {
        let mut sending = tokio::task::JoinSet::new();
        for request in requests {
            let (tls, port) = (self.tls.clone(), self.proxy.https.port());
            sending.spawn(async move {
                let Ok(mut stream) = tls.connect(HOST.try_into().unwrap(), connect(port).await).await else { return };
                let _ = stream.write_all(&request).await;
                let _ = timeout(GLANCE, stream.read_to_end(&mut Vec::new())).await;
            });
        }
        sending.join_all().await;
    }

    /// Sends bytes without TLS.
    pub(super) async fn plain(&self, port: u16, bytes: &[u8]) {
        let mut stream = connect(port).await;
        let _ = stream.write_all(bytes).await;
        let _ = timeout(GLANCE, stream.read_to_end(&mut Vec::new())).await;
    }

    /// Whether there is no TLS at this port.
    pub(super) async fn cannot_shake(&self, port: u16) -> bool {
        self.tls.connect(HOST.try_into().unwrap(), connect(port).await).await.is_err()
    }

    /// Handshakes that fail: another name, a certificate that the client does not trust, half a greeting.
    pub(super) async fn shake_wrongly(&self) {
        let port = self.proxy.https.port();
        let _ = self.tls.connect("kanarischer-wirt.kz".try_into().unwrap(), connect(port).await).await;
        let distrustful = connector(RootCertStore::empty());
        assert!(distrustful.connect(HOST.try_into().unwrap(), connect(port).await).await.is_err());
        self.plain(port, &[22, 3, 1, 2, 0, 1, 0, 1, 252, 3, 3, 7, 7]).await;
    }
}

fn connector(roots: RootCertStore) -> TlsConnector {
    let config = ClientConfig::builder_with_provider(Arc::new(ring::default_provider()))
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_root_certificates(roots)
        .with_no_client_auth();
    TlsConnector::from(Arc::new(config))
}

async fn connect(port: u16) -> TcpStream {
    let socket = TcpSocket::new_v4().unwrap();
    socket.bind((ADDRESS.parse::<IpAddr>().unwrap(), 0).into()).unwrap();
    socket.connect((Ipv4Addr::LOCALHOST, port).into()).await.unwrap()
}

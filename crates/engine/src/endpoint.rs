//! Listeners and their connections. The first is on loopback, for the service and for analysts on this machine. The second,
//! if there is one, is for analysts on other machines: always with TLS, and the service is not admitted there.
//!
//! Each has places of its own, so that nobody outside can take those of the service. Deadlines cover the handshake too.

use std::io;
use std::net::SocketAddr;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use anyhow::Context as _;
use http::{HeaderValue, header};
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::server::graceful::{GracefulShutdown, Watcher};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::task::yield_now;
use tokio::time::{sleep, timeout};
use tokio_rustls::TlsAcceptor;
use tokio_rustls::rustls::ServerConfig;
use tokio_rustls::rustls::crypto::ring;
use tokio_rustls::rustls::pki_types::pem::PemObject as _;
use tokio_rustls::rustls::pki_types::{CertificateDer, PrivateKeyDer};
use tokio_rustls::rustls::version::{TLS12, TLS13};

use crate::gate::{self, Gate, Place, Places};
use crate::http::Server;
use crate::strict_head::{HeadLimit, StrictHead};

/// Connections of a listener at once. For one more, the oldest that is not of the service gives way.
const MAX_CONNECTIONS: usize = 256;

/// The time that a client may take for its handshake, for a request's head, and that an idle connection is kept.
const HEAD_DEADLINE: Duration = Duration::from_secs(10);

/// The longest head, most of which is the statement in the URL. An URL may have 64 KiB.
const MAX_HEAD_BYTES: usize = 128 << 10;

/// A listener and whom it admits.
pub(crate) struct Endpoint {
    listener: TcpListener,
    tls: Option<TlsAcceptor>,
    gate: Arc<Gate>,
    connections: Arc<Semaphore>,
    places: Places,
}

impl Endpoint {
    pub(crate) fn new(listener: TcpListener, gate: Gate, tls: Option<TlsAcceptor>) -> Self {
        let connections = Arc::new(Semaphore::new(MAX_CONNECTIONS));
        Self { listener, tls, gate: Arc::new(gate), connections, places: Places::default() }
    }
}

/// TLS 1.2 and 1.3 with this certificate and key. They are read once: a renewed certificate needs a restart, because the
/// sandbox keeps the files out of reach.
pub(crate) fn tls(certificate: &Path, key: &Path) -> anyhow::Result<TlsAcceptor> {
    let unreadable = |path: &Path| format!("cannot read {} as PEM", path.display());
    let chain = CertificateDer::pem_file_iter(certificate).and_then(Iterator::collect);
    let chain: Vec<_> = chain.with_context(|| unreadable(certificate))?;
    let key = PrivateKeyDer::from_pem_file(key).with_context(|| unreadable(key))?;
    let mut config = ServerConfig::builder_with_provider(Arc::new(ring::default_provider()))
        .with_protocol_versions(&[&TLS13, &TLS12])
        .and_then(|config| config.with_no_client_auth().with_single_cert(chain, key))
        .context("the analysts' certificate cannot be used")?;
    config.alpn_protocols = vec![b"http/1.1".to_vec()];
    Ok(TlsAcceptor::from(Arc::new(config)))
}

/// Serves until `stop` resolves, then waits for running statements. Returns true if all of them ended.
pub(crate) async fn serve(
    server: Server,
    inside: Endpoint,
    outside: Option<Endpoint>,
    stop: impl Future<Output = ()>,
) -> bool {
    let server = Arc::new(server);
    let graceful = GracefulShutdown::new();
    tokio::pin!(stop);
    loop {
        let (accepted, endpoint) = tokio::select! {
            accepted = next(&inside, outside.as_ref()) => accepted,
            () = &mut stop => break,
        };
        let socket = match accepted {
            Ok((socket, _)) => socket,
            Err(error) => {
                // Mostly there are no free descriptors. That passes, and a loop without a pause would make it worse.
                tracing::warn!(%error, "cannot accept a connection");
                sleep(Duration::from_millis(100)).await;
                continue;
            }
        };
        let _ = socket.set_nodelay(true);
        if endpoint.connections.available_permits() == 0 {
            endpoint.places.make_space();
        }
        let permit = Arc::clone(&endpoint.connections).acquire_owned().await.expect("this semaphore is never closed");
        let place = Arc::new(Place::default());
        let connection = Connection {
            server: Arc::clone(&server),
            gate: Arc::clone(&endpoint.gate),
            place: Arc::clone(&place),
            watcher: graceful.watcher(),
            _permit: permit,
        };
        let task = match endpoint.tls.clone() {
            None => tokio::spawn(connection.serve(socket)),
            Some(tls) => tokio::spawn(async move {
                // A peer that speaks no TLS is not the engine's problem.
                if let Ok(Ok(stream)) = timeout(HEAD_DEADLINE, tls.accept(socket)).await {
                    connection.serve(stream).await;
                }
            }),
        };
        endpoint.places.enter(task.abort_handle(), place);
        // A newcomer that is of the service says so before others come.
        yield_now().await;
    }
    drop((inside, outside));
    server.drain(graceful).await
}

/// The next connection, and where it came in.
async fn next<'end>(
    inside: &'end Endpoint,
    outside: Option<&'end Endpoint>,
) -> (io::Result<(TcpStream, SocketAddr)>, &'end Endpoint) {
    let beyond = async {
        match outside {
            Some(endpoint) => (endpoint.listener.accept().await, endpoint),
            None => std::future::pending().await,
        }
    };
    tokio::select! {
        accepted = inside.listener.accept() => (accepted, inside),
        accepted = beyond => accepted,
    }
}

/// What a connection holds while it lasts.
struct Connection {
    server: Arc<Server>,
    gate: Arc<Gate>,
    place: Arc<Place>,
    watcher: Watcher,
    _permit: OwnedSemaphorePermit,
}

impl Connection {
    async fn serve(self, stream: impl AsyncRead + AsyncWrite + Unpin + Send + 'static) {
        let mut builder = http1::Builder::new();
        builder
            .timer(TokioTimer::new())
            .half_close(true)
            .header_read_timeout(HEAD_DEADLINE)
            .max_buf_size(MAX_HEAD_BYTES)
            .max_headers(64);
        let Self { server, gate, place, watcher, _permit } = self;
        let service = service_fn(move |request| {
            let (server, gate, place) = (Arc::clone(&server), Arc::clone(&gate), Arc::clone(&place));
            async move {
                let is_chunked = request.headers().contains_key(header::TRANSFER_ENCODING);
                let origin = gate.origin(request.headers());
                let mut answer = gate::protect(server.answer(request, &gate, &place).await, origin);
                // `StrictHead` does not follow such a body. So nothing behind it becomes a request.
                if is_chunked {
                    answer.headers_mut().insert(header::CONNECTION, HeaderValue::from_static("close"));
                }
                Ok::<_, io::Error>(answer)
            }
        });
        // hyper refuses a head that is too large. No page need read that answer.
        let stream = StrictHead::new(stream, HeadLimit { bytes: usize::MAX, fields: usize::MAX });
        if let Err(error) = watcher.watch(builder.serve_connection(TokioIo::new(stream), service)).await {
            // A broken client is not the engine's problem. The log does not repeat what it sent.
            tracing::debug!(kind = connection_error(&error), "connection ended early");
        }
    }
}

fn connection_error(error: &hyper::Error) -> &'static str {
    if error.is_timeout() {
        "timeout"
    } else if error.is_parse() {
        "not HTTP"
    } else if error.is_user() {
        "failed answer"
    } else {
        "broken"
    }
}

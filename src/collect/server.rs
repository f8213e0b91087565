//! The accept loop: HTTP/1.1 on a listener of TCP or a unix socket, with deadlines that fire, a cap on connections, and an orderly stop.
//!
//! `axum::serve` sets no deadline for the header fields of a request. This loop sets one, for the first request of a
//! connection and for later ones. A connection beyond the cap waits in the kernel's queue. If file descriptors run out, the
//! loop pauses and does not end. A header of the PROXY protocol and a TLS handshake have the same deadline and run in the
//! connection's own task, so a slow handshake delays nobody else. The fewer connections are free, the less time a new one gets, so that idle connections
//! cannot hold all of them for long. A client that has ended its side of the connection still gets its answer. A head
//! that another reader may understand differently is answered 400: see [`strict_head`](super::strict_head) and
//! [`has_one_host`]. A head that is too large reaches the service as far as it may go, with [`HeadTooLarge`].

use std::convert::Infallible;
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use http::uri::Authority;
use http::{HeaderValue, Request, Response, StatusCode, Version, header};
use http_body_util::{Either, Empty};
use hyper::body::{Body, Incoming};
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::server::graceful::GracefulShutdown;
use prometheus_client::metrics::gauge::Gauge;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpListener;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio_rustls::TlsAcceptor;
use tokio_rustls::server::TlsStream;
use tokio_util::either::Either as Stream;
use tokio_util::sync::CancellationToken;
use tower::{Service, ServiceExt};

use super::client_address::TrustedProxies;
use super::listener::{Connection, Listener, forbid_stalling};
use super::proxy_header;
use super::strict_head::{HeadLimit, StrictHead, TOO_LARGE};
use super::threads::Threads;

/// The most bytes of request line and header fields, without line ends. A browser may have dozens of cookies of 4 KiB.
pub const HEAD_MAX: usize = 64 * 1024;
/// The most header fields of a request.
pub const FIELDS_MAX: usize = 128;
/// What hyper reads at most for a head: with line ends, and the field of [`strict_head`](super::strict_head).
const HEAD_READ_MAX: usize = HEAD_MAX + 4096;
/// Shorter than any deadline of a connection; see [`serve`].
const TICK: Duration = Duration::from_millis(500);

/// How long requests of connections that are open may still arrive when the server stops.
const LAST_HEADS: Duration = Duration::from_millis(200);

/// The peer of a connection, in a request's extensions.
#[derive(Clone, Copy)]
pub struct Peer(pub SocketAddr);

/// The request's head was too large, in its extensions. What is behind the limit was not passed on, nor was the body.
#[derive(Clone, Copy)]
pub struct HeadTooLarge;

/// A listener, with TLS or without.
pub struct Endpoint {
    /// The socket that accepts connections.
    pub listener: Listener,
    pub tls: Option<TlsAcceptor>,
    /// The proxies whose connections begin with a header of the PROXY protocol; `None` if none does.
    pub proxies: Option<Arc<TrustedProxies>>,
    /// How many connections are open, brought up to date twice a second.
    pub open: Gauge,
    /// How many threads answer requests, each with a runtime of its own; with none it is the runtime of [`serve`].
    pub threads: usize,
}

impl Endpoint {
    /// The public listener, as the configuration has it, with a thread for each core.
    pub fn public(listener: impl Into<Listener>, tls: Option<TlsAcceptor>, server: &crate::config::Server) -> Self {
        let listener = listener.into();
        let proxies = || TrustedProxies::new(&server.trusted_proxies, &server.client_address_header);
        let proxies = server.proxy_protocol.then(|| Arc::new(proxies()));
        let threads = std::thread::available_parallelism().map_or(1, usize::from);
        Self { listener, tls, proxies, open: Gauge::default(), threads }
    }
}

impl From<TcpListener> for Endpoint {
    fn from(listener: TcpListener) -> Self {
        Self { listener: listener.into(), tls: None, proxies: None, open: Gauge::default(), threads: 0 }
    }
}

/// The limits of a listener.
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    pub connections: usize,
    /// Time for the header fields of a request, including idle time before it. Also the time for a client to receive
    /// sent data.
    pub head_deadline: Duration,
    /// Time for running requests when the server stops.
    pub stop_grace: Duration,
}

impl Limits {
    /// The limits of the configuration.
    pub fn from_config(server: &crate::config::Server) -> Self {
        let seconds = |seconds: u32| Duration::from_secs(seconds.into());
        Self {
            connections: server.max_connections as usize,
            head_deadline: seconds(server.head_deadline_s),
            stop_grace: seconds(server.stop_grace_s),
        }
    }

    /// The deadline of a new connection: the whole one while half of the connections are free, a tenth of it for the
    /// last.
    fn patience(&self, free: usize) -> Duration {
        let share = 2.0 * free as f64 / self.connections.max(1) as f64;
        self.head_deadline.mul_f64(share.clamp(0.1, 1.0))
    }
}

/// Serves until `shutdown`. Returns when the running requests are answered, or when `stop_grace` is over.
pub async fn serve<S, B>(endpoint: impl Into<Endpoint>, service: S, limits: Limits, shutdown: CancellationToken)
where
    S: Service<Request<Incoming>, Response = Response<B>, Error = Infallible> + Clone + Send + 'static,
    S::Future: Send,
    B: Body + Send + 'static,
    B::Data: Send,
    B::Error: Into<Box<dyn std::error::Error + Send + Sync>>,
{
    let Endpoint { listener, tls, proxies, open, threads } = endpoint.into();
    let mut threads = Threads::start(threads, TICK).unwrap_or_else(|error| {
        tracing::warn!(%error, "cannot start threads for connections: they share those of the service");
        Threads::default()
    });
    let slots = Arc::new(Semaphore::new(limits.connections));
    let graceful = GracefulShutdown::new();
    // This timer always expires before those of connections. So setting a connection's timer needs no system call.
    let mut ticks = tokio::time::interval(TICK);
    loop {
        let accepted = tokio::select! {
            () = shutdown.cancelled() => break,
            _ = ticks.tick() => {
                open.set((limits.connections - slots.available_permits().min(limits.connections)) as i64);
                continue;
            }
            accepted = accept(&listener, &slots) => accepted,
        };
        let Some((slot, stream, peer)) = accepted else { continue };
        let limits = Limits { head_deadline: limits.patience(slots.available_permits()), ..limits };
        forbid_stalling(&stream, limits.head_deadline);
        // It fails for a connection that is closed already.
        let Ok((thread, stream)) = threads.take(stream) else { continue };
        let (service, watcher) = (service.clone(), graceful.watcher());
        // A plain connection is a task of its own: a common one would have the size of the larger. Errors of a connection are
        // ignored: the client went away, was too slow or did not speak HTTP.
        if tls.is_none() && proxies.is_none() {
            thread.spawn(watcher.watch(conversation(stream, service, peer, limits, slot)));
            continue;
        }
        let (shutdown, tls, proxies) = (shutdown.clone(), tls.clone(), proxies.clone());
        thread.spawn(async move {
            let beginning = begin(stream, peer, proxies.as_deref(), tls);
            let begun = tokio::select! {
                () = shutdown.cancelled() => return,
                begun = tokio::time::timeout(limits.head_deadline, beginning) => begun,
            };
            if let Ok(Ok((stream, client))) = begun {
                let _ = watcher.watch(conversation(stream, service, client, limits, slot)).await;
            }
        });
    }
    drop(listener);
    // Otherwise a connection that was accepted just now would be closed before its request has been read.
    tokio::time::sleep(LAST_HEADS).await;
    if tokio::time::timeout(limits.stop_grace, graceful.shutdown()).await.is_err() {
        tracing::warn!("requests under way were cut off when the grace of [server] stop_grace_s was over");
    }
}

/// What comes before HTTP: the name of the client, and the handshake of TLS.
async fn begin(
    mut stream: Connection,
    peer: SocketAddr,
    proxies: Option<&TrustedProxies>,
    tls: Option<TlsAcceptor>,
) -> io::Result<(Stream<TlsStream<Connection>, Connection>, SocketAddr)> {
    let client = match proxies {
        Some(proxies) if proxies.trusts(peer.ip().to_canonical()) => proxy_header::read(&mut stream, peer).await?,
        Some(_) => return Err(io::ErrorKind::PermissionDenied.into()),
        None => peer,
    };
    let stream = match tls {
        Some(tls) => Stream::Left(tls.accept(stream).await?),
        None => Stream::Right(stream),
    };
    Ok((stream, client))
}

/// An answer of the service, or a refusal.
type Answer<B> = Response<Either<B, Empty<<B as Body>::Data>>>;

/// A connection that answers requests. It holds its slot until it ends.
fn conversation<I, S, B>(
    stream: I,
    service: S,
    peer: SocketAddr,
    limits: Limits,
    slot: OwnedSemaphorePermit,
) -> http1::Connection<
    TokioIo<StrictHead<I>>,
    impl hyper::service::Service<Request<Incoming>, Response = Answer<B>, Error = Infallible, Future: Send>
    + Send
    + use<I, S, B>,
>
where
    I: AsyncRead + AsyncWrite + Unpin + 'static,
    S: Service<Request<Incoming>, Response = Response<B>, Error = Infallible> + Clone + Send + 'static,
    S::Future: Send,
    B: Body + 'static,
    B::Error: Into<Box<dyn std::error::Error + Send + Sync>>,
{
    let handler = service_fn(move |mut request: Request<Incoming>| {
        let _ = &slot;
        request.extensions_mut().insert(Peer(peer));
        let mut is_last = request.headers().contains_key(header::TRANSFER_ENCODING);
        if request.headers().contains_key(TOO_LARGE) {
            request.extensions_mut().insert(HeadTooLarge);
            is_last = true;
        }
        let answer = has_one_host(&request).then(|| service.clone().oneshot(request));
        async move {
            let Some(answer) = answer else { return Ok(refusal()) };
            let mut answer = answer.await?.map(Either::Left);
            // A proxy may have read the length of this body differently. So the connection ends, and the bytes after
            // the body cannot become a request. Nor is anything read behind a head that is too large.
            if is_last {
                answer.headers_mut().insert(header::CONNECTION, HeaderValue::from_static("close"));
            }
            Ok::<_, Infallible>(answer)
        }
    });
    let limit = HeadLimit { bytes: HEAD_MAX, fields: FIELDS_MAX };
    http1::Builder::new()
        .timer(TokioTimer::new())
        .half_close(true)
        .header_read_timeout(limits.head_deadline)
        .max_buf_size(HEAD_READ_MAX)
        .max_headers(FIELDS_MAX + 1)
        .serve_connection(TokioIo::new(StrictHead::new(stream, limit)), handler)
}

/// Whether a request names one host (RFC 9112, 3.2). HTTP/1.0 needs none.
fn has_one_host<B>(request: &Request<B>) -> bool {
    let mut hosts = request.headers().get_all(header::HOST).iter();
    match (hosts.next(), hosts.next()) {
        (None, _) => request.version() < Version::HTTP_11,
        (Some(host), None) => {
            is_plain(host.as_bytes())
                || Authority::try_from(host.as_bytes()).is_ok_and(|host| !host.as_str().contains('@'))
        }
        (Some(_), Some(_)) => false,
    }
}

/// Whether a host is a name or an IPv4 address, with a port or without, as nearly all are. Looking costs less than the parser, which
/// copies it.
fn is_plain(host: &[u8]) -> bool {
    let end = host.iter().position(|byte| *byte == b':').unwrap_or(host.len());
    let (name, port) = host.split_at(end);
    let is_name =
        !name.is_empty() && name.iter().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'-'));
    is_name && port.len() != 1 && port.len() <= 6 && port.iter().skip(1).all(u8::is_ascii_digit)
}

/// The answer to a head that is not a request of HTTP, after which the connection ends.
fn refusal<B: Body>() -> Answer<B> {
    let mut answer = Response::new(Either::Right(Empty::new()));
    *answer.status_mut() = StatusCode::BAD_REQUEST;
    answer.headers_mut().insert(header::CONNECTION, HeaderValue::from_static("close"));
    answer
}

type Accepted = (OwnedSemaphorePermit, Connection, SocketAddr);

async fn accept(listener: &Listener, slots: &Arc<Semaphore>) -> Option<Accepted> {
    let slot = slots.clone().acquire_owned().await.ok()?;
    match listener.accept().await {
        Ok((stream, peer)) => Some((slot, stream, peer)),
        Err(error) => {
            tracing::warn!(%error, "cannot accept a connection; trying again in 100 ms");
            tokio::time::sleep(Duration::from_millis(100)).await;
            None
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_plain_host_is_one_that_the_parser_takes() {
        for host in ["a.kz", "a.kz:8443", "127.0.0.1:80", "A-b.kz", "a.kz:65535"] {
            assert!(is_plain(host.as_bytes()) && Authority::try_from(host).is_ok(), "{host}");
        }
        for host in
            ["", ":80", "a@b.kz", "a.kz:x", "a.kz:1:2", "[::1]", "a_b.kz", "a.kz/", "a.kz:1234567", "a.kz:", "a b"]
        {
            assert!(!is_plain(host.as_bytes()), "{host}");
        }
    }

    #[test]
    fn a_new_connection_gets_less_time_if_few_are_free() {
        let second = Duration::from_secs(1);
        let limits = Limits { connections: 100, head_deadline: 10 * second, stop_grace: second };
        for (free, expected) in [(99, 10), (50, 10), (25, 5), (5, 1), (0, 1)] {
            assert_eq!(limits.patience(free), expected * second, "{free}");
        }
    }
}

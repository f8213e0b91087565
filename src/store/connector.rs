//! Connections that cannot hang. There is a time limit for connecting, with TLS if the URL says `https`, and one for
//! silence while an answer is awaited.
//!
//! The client library waits for an insert's answer in a separate task, which goes on after the caller has given up.
//! The limit on silence ends that task, so a store that accepts everything and answers nothing costs a bounded number of
//! connections.

use std::io;
use std::path::Path;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use http::Uri;
use hyper::rt::{Read, ReadBufCursor, Write};
use hyper_util::client::legacy::connect::{Connected, Connection, HttpConnector};
use hyper_util::rt::TokioIo;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::time::{Instant, Sleep};
use tokio_rustls::TlsConnector;
use tokio_rustls::rustls::crypto::ring;
use tokio_rustls::rustls::pki_types::pem::PemObject;
use tokio_rustls::rustls::pki_types::{CertificateDer, ServerName};
use tokio_rustls::rustls::{self, CertificateError, ClientConfig, RootCertStore};
use tower::Service;

/// The server must have a certificate of these authorities, for the name in the URL. TLS 1.2 or 1.3.
pub(super) fn trust(authorities: Option<&Path>) -> Result<TlsConnector, String> {
    let mut roots = RootCertStore::empty();
    match authorities {
        Some(file) => {
            let wrong = |error: String| format!("cannot use the certificates of {}: {error}", file.display());
            for certificate in CertificateDer::pem_file_iter(file).map_err(|error| wrong(error.to_string()))? {
                let certificate = certificate.map_err(|error| wrong(error.to_string()))?;
                roots.add(certificate).map_err(|error| wrong(error.to_string()))?;
            }
        }
        None => {
            roots.add_parsable_certificates(rustls_native_certs::load_native_certs().certs);
        }
    }
    if roots.is_empty() {
        return Err("there is no certificate authority to trust; name a file of them in ca_file".to_owned());
    }
    let config = ClientConfig::builder_with_provider(Arc::new(ring::default_provider()))
        .with_safe_default_protocol_versions()
        .map_err(|error| error.to_string())?
        .with_root_certificates(roots)
        .with_no_client_auth();
    Ok(TlsConnector::from(Arc::new(config)))
}

/// Why there is no connection, in words that hold no data.
#[derive(Debug, thiserror::Error)]
pub(super) enum NoConnection {
    #[error("no address is known for its host name; check the name in `url` and this machine's DNS")]
    Name,
    #[error("cannot be reached: nothing listens there (connection refused)")]
    Refused,
    #[error("cannot be reached: there is no way to that machine")]
    NoWay,
    #[error("cannot be reached: it did not answer in time, which a firewall can cause")]
    Slow,
    #[error("cannot be reached: {0}")]
    Other(io::ErrorKind),
    #[error("its certificate is of an authority that is not trusted; name that authority's file in `ca_file`")]
    Untrusted,
    #[error("its certificate has expired, or is not valid yet")]
    Expired,
    #[error("its certificate is of another name than the host in `url`")]
    OtherName,
    #[error("its certificate cannot be accepted")]
    Certificate,
    #[error("does not speak TLS there; is it a port for http?")]
    NoTls,
    #[error("the TLS handshake failed")]
    Handshake,
}

impl NoConnection {
    fn of_tcp(error: &(dyn std::error::Error + 'static)) -> Self {
        // What the client library says of a name that does not resolve; it has no other mark.
        if error.to_string().starts_with("dns error") {
            return Self::Name;
        }
        let kinds = std::iter::successors(Some(error), |error| error.source());
        let kind = kinds.filter_map(|error| error.downcast_ref::<io::Error>()).map(io::Error::kind).last();
        match kind {
            Some(io::ErrorKind::ConnectionRefused) => Self::Refused,
            Some(io::ErrorKind::HostUnreachable | io::ErrorKind::NetworkUnreachable) => Self::NoWay,
            Some(io::ErrorKind::TimedOut) => Self::Slow,
            Some(kind) => Self::Other(kind),
            None => Self::Other(io::ErrorKind::Other),
        }
    }

    fn of_tls(error: &io::Error) -> Self {
        let tls = error.get_ref().and_then(|inner| inner.downcast_ref::<rustls::Error>());
        match tls {
            Some(rustls::Error::InvalidCertificate(why)) => match why {
                CertificateError::UnknownIssuer | CertificateError::BadSignature => Self::Untrusted,
                CertificateError::Expired
                | CertificateError::ExpiredContext { .. }
                | CertificateError::NotValidYet
                | CertificateError::NotValidYetContext { .. } => Self::Expired,
                CertificateError::NotValidForName | CertificateError::NotValidForNameContext { .. } => Self::OtherName,
                _ => Self::Certificate,
            },
            Some(rustls::Error::InvalidMessage(_)) => Self::NoTls,
            _ => Self::Handshake,
        }
    }

    /// The reason in an error of the client library, if this file made it.
    pub(super) fn in_error<'a>(error: &'a (dyn std::error::Error + 'static)) -> Option<&'a Self> {
        let chain = std::iter::successors(Some(error), |error| error.source());
        chain.filter_map(|error| error.downcast_ref::<io::Error>()?.get_ref()?.downcast_ref()).next()
    }
}

/// Makes connections with limits.
#[derive(Clone)]
pub(super) struct Connector {
    inner: HttpConnector,
    tls: Option<TlsConnector>,
    connect: Duration,
    silence: Duration,
}

impl Connector {
    /// With `tls` all connections are encrypted, without it none.
    pub(super) fn new(connect: Duration, silence: Duration, tls: Option<TlsConnector>) -> Self {
        let mut inner = HttpConnector::new();
        inner.enforce_http(false);
        inner.set_connect_timeout(Some(connect));
        inner.set_nodelay(true);
        inner.set_keepalive(Some(Duration::from_secs(30)));
        Self { inner, tls, connect, silence }
    }
}

impl Service<Uri> for Connector {
    type Response = Watched;
    type Error = io::Error;
    type Future = Pin<Box<dyn Future<Output = Result<Watched, Self::Error>> + Send>>;

    fn poll_ready(&mut self, context: &mut Context<'_>) -> Poll<Result<(), Self::Error>> {
        Service::<Uri>::poll_ready(&mut self.inner, context).map_err(io::Error::other)
    }

    fn call(&mut self, uri: Uri) -> Self::Future {
        let name = uri.host().unwrap_or_default().trim_matches(['[', ']']).to_owned();
        let (connecting, connect, silence) = (self.inner.call(uri), self.connect, self.silence);
        let tls = self.tls.clone();
        let connecting = async move {
            let tcp = connecting.await.map_err(|error| io::Error::other(NoConnection::of_tcp(&error)))?.into_inner();
            let stream: Box<dyn Stream> = match tls {
                Some(tls) => {
                    let shaking = tls.connect(ServerName::try_from(name).map_err(io::Error::other)?, tcp);
                    Box::new(shaking.await.map_err(|error| io::Error::other(NoConnection::of_tls(&error)))?)
                }
                None => Box::new(tcp),
            };
            let inner = TokioIo::new(stream);
            Ok(Watched { inner, silence, timer: Box::pin(tokio::time::sleep(silence)) })
        };
        Box::pin(async move {
            let connected = tokio::time::timeout(connect, connecting).await;
            connected.unwrap_or_else(|_| Err(io::Error::other(NoConnection::Slow)))
        })
    }
}

/// A stream of bytes, encrypted or not.
pub(super) trait Stream: AsyncRead + AsyncWrite + Send + Unpin {}
impl<T: AsyncRead + AsyncWrite + Send + Unpin> Stream for T {}

/// A connection that fails when nothing has moved in either direction for too long.
pub(super) struct Watched {
    inner: TokioIo<Box<dyn Stream>>,
    silence: Duration,
    timer: Pin<Box<Sleep>>,
}

impl Watched {
    fn moved(&mut self) {
        self.timer.as_mut().reset(Instant::now() + self.silence);
    }

    /// Notes progress. Returns an error when the limit has passed without any.
    fn judge<T>(&mut self, context: &mut Context<'_>, poll: Poll<io::Result<T>>) -> Poll<io::Result<T>> {
        if poll.is_ready() {
            self.moved();
            return poll;
        }
        match self.timer.as_mut().poll(context) {
            Poll::Ready(()) => Poll::Ready(Err(io::ErrorKind::TimedOut.into())),
            Poll::Pending => Poll::Pending,
        }
    }
}

impl Read for Watched {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: ReadBufCursor<'_>,
    ) -> Poll<io::Result<()>> {
        let poll = Pin::new(&mut self.inner).poll_read(context, buffer);
        self.judge(context, poll)
    }
}

impl Write for Watched {
    fn poll_write(mut self: Pin<&mut Self>, context: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        let poll = Pin::new(&mut self.inner).poll_write(context, bytes);
        self.judge(context, poll)
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        // What waits to be flushed shows as silence when the answer is read.
        Pin::new(&mut self.inner).poll_flush(context)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.inner).poll_shutdown(context)
    }
}

impl Connection for Watched {
    fn connected(&self) -> Connected {
        Connected::new()
    }
}

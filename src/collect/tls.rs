//! TLS on the public listener: versions 1.2 and 1.3, with one certificate that is reloaded when its files change.
//!
//! Sessions are never resumed: a resumption ticket would identify a browser, and only the cookie may do that. The cost
//! is a full handshake for each connection. A new certificate that cannot be used is logged once, and the old one
//! stays. Open connections keep the certificate that they began with.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use arc_swap::ArcSwap;
use tokio_rustls::TlsAcceptor;
use tokio_rustls::rustls::crypto::{CryptoProvider, ring};
use tokio_rustls::rustls::pki_types::pem::{Error as PemError, PemObject};
use tokio_rustls::rustls::pki_types::{CertificateDer, PrivateKeyDer};
use tokio_rustls::rustls::server::{ClientHello, NoServerSessionStorage, ResolvesServerCert};
use tokio_rustls::rustls::sign::CertifiedKey;
use tokio_rustls::rustls::version::{TLS12, TLS13};
use tokio_rustls::rustls::{Error as RustlsError, ServerConfig};
use tokio_util::sync::CancellationToken;
use x509_parser::prelude::{FromDer as _, X509Certificate};

use crate::metrics::Metrics;

/// How often the files are checked.
const LOOK_EVERY: Duration = Duration::from_secs(10);

/// A certificate that cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum TlsError {
    /// A file is missing or is not PEM.
    #[error("cannot read {path} as PEM: {cause}; name the certificate chain and its key in [server] certificate_file and key_file", path = path.display())]
    Unreadable { path: PathBuf, cause: PemError },
    /// Certificate and key do not match, or TLS cannot use them.
    #[error("the certificate of [server] certificate_file cannot be used: {0}")]
    Unusable(#[from] RustlsError),
}

/// The certificate, its key, and the files that they are read from.
pub struct Tls {
    certificate: PathBuf,
    key: PathBuf,
    provider: Arc<CryptoProvider>,
    current: ArcSwap<CertifiedKey>,
}

/// When each file was changed last, and its size.
type Stamp = [Option<(SystemTime, u64)>; 2];

impl Tls {
    /// Reads both files.
    pub fn open(certificate: &Path, key: &Path) -> Result<Arc<Self>, TlsError> {
        let provider = Arc::new(ring::default_provider());
        let current = ArcSwap::from_pointee(read(certificate, key, &provider)?);
        Ok(Arc::new(Self { certificate: certificate.to_owned(), key: key.to_owned(), provider, current }))
    }

    /// The handshake with the current certificate.
    pub fn acceptor(self: &Arc<Self>) -> Result<TlsAcceptor, TlsError> {
        let mut config = ServerConfig::builder_with_provider(self.provider.clone())
            .with_protocol_versions(&[&TLS13, &TLS12])?
            .with_no_client_auth()
            .with_cert_resolver(Arc::new(Current(self.clone())));
        config.alpn_protocols = vec![b"http/1.1".to_vec()];
        config.session_storage = Arc::new(NoServerSessionStorage {});
        config.send_tls13_tickets = 0;
        Ok(TlsAcceptor::from(Arc::new(config)))
    }

    /// Until when the current certificate is valid, in seconds since 1970; `None` if it does not say.
    fn not_after_s(&self) -> Option<i64> {
        let current = self.current.load();
        let (_, certificate) = X509Certificate::from_der(current.cert.first()?).ok()?;
        Some(certificate.validity().not_after.timestamp())
    }

    /// Reloads changed files until `shutdown`, and shows until when the certificate is valid.
    pub async fn watch(self: Arc<Self>, metrics: Arc<Metrics>, shutdown: CancellationToken) {
        let mut known = self.stamp();
        let mut refused = None;
        loop {
            metrics.operations.certificate_not_after.set(self.not_after_s().unwrap_or(0));
            tokio::select! {
                () = shutdown.cancelled() => return,
                () = tokio::time::sleep(LOOK_EVERY) => (),
            }
            let stamp = self.stamp();
            if stamp == known {
                continue;
            }
            // The two files change one after the other, so a mismatch may end in a moment.
            match self.reload() {
                Ok(()) => {
                    tracing::info!("took the new certificate");
                    known = stamp;
                }
                Err(error) if refused != Some(stamp) => {
                    tracing::error!(%error, "the new certificate is not taken, the old one stays");
                    refused = Some(stamp);
                }
                Err(_) => (),
            }
        }
    }

    /// Reads the files again. After an error the old certificate stays.
    pub fn reload(&self) -> Result<(), TlsError> {
        self.current.store(Arc::new(read(&self.certificate, &self.key, &self.provider)?));
        Ok(())
    }

    fn stamp(&self) -> Stamp {
        [&self.certificate, &self.key].map(|path| {
            let metadata = std::fs::metadata(path).ok()?;
            Some((metadata.modified().ok()?, metadata.len()))
        })
    }
}

fn read(certificate: &Path, key: &Path, provider: &CryptoProvider) -> Result<CertifiedKey, TlsError> {
    let unreadable = |path: &Path| {
        let path = path.to_owned();
        move |cause| TlsError::Unreadable { path, cause }
    };
    let chain = CertificateDer::pem_file_iter(certificate).and_then(Iterator::collect);
    let chain: Vec<_> = chain.map_err(unreadable(certificate))?;
    let key = PrivateKeyDer::from_pem_file(key).map_err(unreadable(key))?;
    Ok(CertifiedKey::from_der(chain, key, provider)?)
}

/// Gives the same certificate for every server name.
struct Current(Arc<Tls>);

impl ResolvesServerCert for Current {
    fn resolve(&self, _: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        Some(self.0.current.load_full())
    }
}

impl std::fmt::Debug for Current {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        out.write_str("Current")
    }
}

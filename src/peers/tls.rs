//! Who a node is: its certificate, and the authorities of the others'. TLS 1.3 on both sides, and no session is resumed.
//!
//! Both sides show a certificate of these authorities. The one that is asked must be certified for the host at which it was
//! reached. The one that asks must be certified for the host of another node: an authority that certifies more than nodes does
//! not open the keys to all of them.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use tokio_rustls::rustls::client::{Resumption, verify_server_name};
use tokio_rustls::rustls::crypto::ring;
use tokio_rustls::rustls::pki_types::pem::{Error as PemError, PemObject};
use tokio_rustls::rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName};
use tokio_rustls::rustls::server::{
    NoServerSessionStorage, ParsedCertificate, VerifierBuilderError, WebPkiClientVerifier,
};
use tokio_rustls::rustls::version::TLS13;
use tokio_rustls::rustls::{ClientConfig, Error as RustlsError, RootCertStore, ServerConfig};
use tokio_rustls::{TlsAcceptor, TlsConnector};

use crate::config::{Peers, host_and_port};

/// Nobody else speaks this.
const PROTOCOL: &[u8] = b"tamga-peers";

/// A certificate that cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum IdentityError {
    /// A file is missing or is not PEM.
    #[error("cannot read {path} as PEM: {cause}", path = path.display())]
    Unreadable { path: PathBuf, cause: PemError },
    /// Certificate, key or authorities do not fit.
    #[error("certificate_file, key_file and ca_file do not fit: {0}")]
    Unusable(#[from] RustlsError),
    /// There are no authorities.
    #[error("the authorities of ca_file cannot be used: {0}")]
    Authorities(#[from] VerifierBuilderError),
    /// The others would refuse it.
    #[error("the certificate is not for {host}, at which the others reach this node: {cause}")]
    OtherHost { host: String, cause: RustlsError },
}

/// Both sides of a node's connections.
pub struct Identity {
    pub(super) connector: TlsConnector,
    pub(super) acceptor: TlsAcceptor,
}

impl Identity {
    /// Reads the files of the node of this name.
    pub fn open(peers: &Peers, own: &str) -> Result<Self, IdentityError> {
        let chain = certificates(&peers.certificate_file)?;
        let key = PrivateKeyDer::from_pem_file(&peers.key_file).map_err(unreadable(&peers.key_file))?;
        let mut roots = RootCertStore::empty();
        for authority in certificates(&peers.ca_file)? {
            roots.add(authority)?;
        }
        if let (Some(leaf), Some(host)) = (chain.first(), peers.nodes.get(own).and_then(|address| host(address))) {
            is_for(leaf, &host)
                .map_err(|cause| IdentityError::OtherHost { host: host.to_str().into_owned(), cause })?;
        }
        let (provider, roots) = (Arc::new(ring::default_provider()), Arc::new(roots));
        let verifier = WebPkiClientVerifier::builder_with_provider(roots.clone(), provider.clone()).build()?;
        let mut server = ServerConfig::builder_with_provider(provider.clone())
            .with_protocol_versions(&[&TLS13])?
            .with_client_cert_verifier(verifier)
            .with_single_cert(chain.clone(), key.clone_key())?;
        server.session_storage = Arc::new(NoServerSessionStorage {});
        server.send_tls13_tickets = 0;
        server.alpn_protocols = vec![PROTOCOL.to_vec()];
        let mut client = ClientConfig::builder_with_provider(provider)
            .with_protocol_versions(&[&TLS13])?
            .with_root_certificates(roots)
            .with_client_auth_cert(chain, key)?;
        client.resumption = Resumption::disabled();
        client.alpn_protocols = vec![PROTOCOL.to_vec()];
        Ok(Self { connector: Arc::new(client).into(), acceptor: Arc::new(server).into() })
    }
}

fn unreadable(path: &Path) -> impl FnOnce(PemError) -> IdentityError {
    let path = path.to_owned();
    move |cause| IdentityError::Unreadable { path, cause }
}

fn certificates(path: &Path) -> Result<Vec<CertificateDer<'static>>, IdentityError> {
    CertificateDer::pem_file_iter(path).and_then(Iterator::collect).map_err(unreadable(path))
}

/// The host of an address of `[peers] nodes`, as certificates name it.
pub(super) fn host(address: &str) -> Option<ServerName<'static>> {
    ServerName::try_from(host_and_port(address)?.0.to_owned()).ok()
}

/// Whether a certificate is for a host.
pub(super) fn is_for(certificate: &CertificateDer<'_>, host: &ServerName<'_>) -> Result<(), RustlsError> {
    verify_server_name(&ParsedCertificate::try_from(certificate)?, host)
}

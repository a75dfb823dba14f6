//! TLS 1.2 and 1.3 with rustls and its `ring` provider: smaller, and quicker to build, than the default one. Certificate and key
//! are read again when their files change; connections in progress keep what they began with.

use crate::reloaded_file::{ReloadedFile, Unusable};
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;
use tokio_rustls::TlsAcceptor;
use tokio_rustls::rustls::ServerConfig;
use tokio_rustls::rustls::crypto::ring;
use tokio_rustls::rustls::pki_types::pem::PemObject;
use tokio_rustls::rustls::pki_types::{CertificateDer, PrivateKeyDer};

#[derive(Debug)]
pub(crate) struct Tls(ReloadedFile<ServerConfig>);

impl Tls {
    /// The error names the file that is wrong.
    pub(crate) fn new(cert: PathBuf, key: PathBuf, every: Duration) -> Result<Tls, String> {
        let (cert_name, key_name) = (cert.display().to_string(), key.display().to_string());
        let parse = move |contents: &[Vec<u8>]| match contents {
            [cert, key] => config(cert, key).map_err(|(file, why)| {
                Unusable::Wrong(match file {
                    Part::Cert => format!("{cert_name}: {why}"),
                    Part::Key => format!("{key_name}: {why}"),
                    Part::Both => format!("{cert_name} and {key_name}: {why}"),
                })
            }),
            _ => Err(Unusable::Wrong("two files are needed".into())),
        };
        ReloadedFile::new("TLS certificate", vec![cert, key], every, None, parse).map(Tls)
    }

    /// For one connection.
    pub(crate) async fn acceptor(&self) -> TlsAcceptor {
        TlsAcceptor::from(self.0.fresh().await)
    }
}

enum Part {
    Cert,
    Key,
    Both,
}

fn config(cert: &[u8], key: &[u8]) -> Result<ServerConfig, (Part, String)> {
    let chain: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(cert).collect();
    let chain = chain.map_err(|error| (Part::Cert, format!("is not PEM: {error}")))?;
    if chain.is_empty() {
        return Err((Part::Cert, "holds no certificate; expected PEM with BEGIN CERTIFICATE".into()));
    }
    let key = PrivateKeyDer::from_pem_slice(key).map_err(|_| {
        (Part::Key, "holds no private key; expected PEM with BEGIN PRIVATE KEY, not encrypted".to_owned())
    })?;
    let wrong = |error| (Part::Both, format!("cannot be used together: {error}"));
    let mut config = ServerConfig::builder_with_provider(Arc::new(ring::default_provider()))
        .with_safe_default_protocol_versions()
        .map_err(wrong)?
        .with_no_client_auth()
        .with_single_cert(chain, key)
        .map_err(wrong)?;
    config.alpn_protocols = vec![b"http/1.1".to_vec()];
    Ok(config)
}

//! TLS of a client: whom it trusts and who it is.

use super::error::AskError;
use crate::config::settings::Server;
use crate::error::clean;
use std::path::Path;
use std::sync::Arc;
use ureq::tls::{Certificate, ClientCert, PemItem, PrivateKey, RootCerts, TlsConfig, TlsProvider, parse_pem};

/// Bytes of the longest file of certificates.
const LONGEST: u64 = 16 << 20;

/// Makes the configuration of a server's connections. Warns of `insecure`, and of `insecure` beside `cafile`.
pub(super) fn config(server: &Server) -> Result<TlsConfig, AskError> {
    let mut builder = TlsConfig::builder()
        .provider(TlsProvider::Rustls)
        .unversioned_rustls_crypto_provider(Arc::new(rustls::crypto::ring::default_provider()));
    match (&server.cafile, server.insecure) {
        (Some(file), insecure) => {
            if insecure {
                tracing::warn!("cafile and insecure are both set; cafile wins, and certificates are checked");
            }
            builder = builder.root_certs(RootCerts::new_with_certs(&certificates("cafile", file)?));
        }
        (None, true) => {
            tracing::warn!(
                "insecure: any certificate is accepted, so anybody on the way can read the credentials and forge usage"
            );
            builder = builder.root_certs(RootCerts::new_with_certs(&[])).disable_verification(true);
        }
        (None, false) => {
            let found = rustls_native_certs::load_native_certs();
            if found.certs.is_empty() {
                return Err(AskError::Config(
                    "the system has no certificates of authorities; cafile names those to trust".into(),
                ));
            }
            let roots: Vec<_> = found.certs.iter().map(|c| Certificate::from_der(c).to_owned()).collect();
            builder = builder.root_certs(RootCerts::new_with_certs(&roots));
        }
    }
    if let (Some(cert), Some(key)) = (&server.client_cert, &server.client_key) {
        builder = builder
            .client_cert(Some(ClientCert::new_with_certs(&certificates("client_cert", cert)?, private_key(key)?)));
    }
    Ok(builder.build())
}

fn read(key: &str, path: &Path) -> Result<Vec<u8>, AskError> {
    use std::io::Read as _;
    let mut bytes = Vec::new();
    let read = std::fs::File::open(path).and_then(|f| f.take(LONGEST).read_to_end(&mut bytes));
    read.map_err(|e| AskError::Config(format!("{key}: {}: {e}", clean(&path.to_string_lossy()))))?;
    Ok(bytes)
}

fn certificates(key: &str, path: &Path) -> Result<Vec<Certificate<'static>>, AskError> {
    let bytes = read(key, path)?;
    let mut found = Vec::new();
    for item in parse_pem(&bytes) {
        match item {
            Ok(PemItem::Certificate(certificate)) => found.push(certificate),
            Ok(_) => {}
            Err(_) => {
                return Err(AskError::Config(format!("{key}: {}: is no PEM file", clean(&path.to_string_lossy()))));
            }
        }
    }
    if found.is_empty() {
        return Err(AskError::Config(format!(
            "{key}: {}: holds no certificate in PEM",
            clean(&path.to_string_lossy())
        )));
    }
    Ok(found)
}

fn private_key(path: &Path) -> Result<PrivateKey<'static>, AskError> {
    let none =
        |_| AskError::Config(format!("client_key: {}: holds no private key in PEM", clean(&path.to_string_lossy())));
    PrivateKey::from_pem(&read("client_key", path)?).map_err(none)
}

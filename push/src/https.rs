//! TLS of the HTTP client: whose certificates are believed.

use crate::invalid::Invalid;
use std::path::Path;
use std::sync::Arc;
use ureq::tls::{Certificate, PemItem, RootCerts, TlsConfig, parse_pem};

/// Returns TLS that believes the authorities of a file, or else the system's; or everybody, where it does not verify.
pub(crate) fn config(ca: Option<&Path>, verifies: bool) -> Result<TlsConfig, Invalid> {
    let roots = match ca {
        Some(path) => authorities(path)?,
        None => RootCerts::PlatformVerifier,
    };
    Ok(TlsConfig::builder()
        .unversioned_rustls_crypto_provider(Arc::new(rustls::crypto::ring::default_provider()))
        .root_certs(roots)
        .disable_verification(!verifies)
        .build())
}

fn authorities(path: &Path) -> Result<RootCerts, Invalid> {
    /// Far more than all authorities there are.
    const MOST: u64 = 16 * 1024 * 1024;
    let bad = |why: &str| Invalid::new("ca", format!("{} ({why})", path.display()), "a file with certificates as PEM");
    let meta = std::fs::metadata(path).map_err(|error| bad(&error.to_string()))?;
    if !meta.is_file() || meta.len() > MOST {
        return Err(bad("no regular file of at most 16 MiB"));
    }
    let pem = std::fs::read(path).map_err(|error| bad(&error.to_string()))?;
    let mut found: Vec<Certificate<'static>> = Vec::new();
    for item in parse_pem(&pem) {
        if let PemItem::Certificate(certificate) = item.map_err(|_| bad("damaged"))? {
            found.push(certificate);
        }
    }
    if found.is_empty() { Err(bad("no certificate in it")) } else { Ok(RootCerts::new_with_certs(&found)) }
}

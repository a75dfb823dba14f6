//! How a client knows a server: by one certificate, or by the authorities that may vouch for it.

use crate::reloaded_file::{ReloadedFile, Unusable};
use sha2::{Digest, Sha256};
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;
use tokio_rustls::rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use tokio_rustls::rustls::crypto::{CryptoProvider, ring, verify_tls12_signature, verify_tls13_signature};
use tokio_rustls::rustls::pki_types::pem::PemObject;
use tokio_rustls::rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use tokio_rustls::rustls::{ClientConfig, DigitallySignedStruct, Error as TlsError, RootCertStore, SignatureScheme};

#[derive(Debug)]
pub(crate) enum Trust {
    Pinned(Arc<ClientConfig>),
    Ca(ReloadedFile<ClientConfig>),
}

impl Trust {
    /// The server that shows this one certificate: its SHA-256 in hex digits.
    pub(crate) fn pinned(fingerprint: &str) -> Result<Trust, String> {
        pinned(fingerprint)
    }

    /// Servers that one of the authorities in a file vouches for.
    pub(crate) fn ca(path: PathBuf, every: Duration) -> Result<Trust, String> {
        let shown = path.display().to_string();
        let parse = move |files: &[Vec<u8>]| {
            let bytes = files.first().map_or(&[][..], Vec::as_slice);
            rooted(bytes).map_err(|why| Unusable::Wrong(format!("ca {shown}: {why}")))
        };
        Ok(Trust::Ca(ReloadedFile::new("CA of another server", vec![path], every, None, parse)?))
    }

    pub(crate) async fn config(&self) -> Arc<ClientConfig> {
        match self {
            Trust::Pinned(config) => Arc::clone(config),
            Trust::Ca(file) => file.fresh().await,
        }
    }
}

fn config() -> Result<tokio_rustls::rustls::ConfigBuilder<ClientConfig, tokio_rustls::rustls::WantsVerifier>, String> {
    let builder = ClientConfig::builder_with_provider(Arc::new(ring::default_provider()));
    builder.with_safe_default_protocol_versions().map_err(|why| format!("there is no TLS: {why}"))
}

/// Anyone who has a certificate of these authorities, for the name that is asked.
fn rooted(pem: &[u8]) -> Result<ClientConfig, String> {
    let mut roots = RootCertStore::empty();
    for certificate in CertificateDer::pem_slice_iter(pem) {
        let certificate = certificate.map_err(|why| format!("is not PEM: {why}"))?;
        roots.add(certificate).map_err(|why| format!("holds a certificate that cannot be used: {why}"))?;
    }
    if roots.is_empty() {
        return Err("holds no certificate; expected PEM with BEGIN CERTIFICATE".into());
    }
    Ok(config()?.with_root_certificates(roots).with_no_client_auth())
}

/// Anyone who has this one certificate, whatever it says.
fn pinned(fingerprint: &str) -> Result<Trust, String> {
    let hex: String = fingerprint.chars().filter(|c| *c != ':').collect();
    let digits = hex.as_bytes().as_chunks::<2>().0.iter().map(|pair| {
        let digit = |b: u8| char::from(b).to_digit(16);
        u8::try_from(digit(pair[0])? * 16 + digit(pair[1])?).ok()
    });
    let digest: Option<Vec<u8>> = digits.collect();
    let wrong = "fingerprint is not a SHA-256: expected 64 hex digits, with or without colons";
    let digest = digest.filter(|_| hex.len() == 64).and_then(|digest| digest.try_into().ok()).ok_or(wrong)?;
    let pin = Pin256 { digest, provider: Arc::new(ring::default_provider()) };
    let config = config()?.dangerous().with_custom_certificate_verifier(Arc::new(pin)).with_no_client_auth();
    Ok(Trust::Pinned(Arc::new(config)))
}

/// Trusts one certificate by its SHA-256. Anyone who shows it must also prove that its key is theirs, which the handshake's signature does.
#[derive(Debug)]
struct Pin256 {
    digest: [u8; 32],
    provider: Arc<CryptoProvider>,
}

impl ServerCertVerifier for Pin256 {
    fn verify_server_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        _: &[CertificateDer<'_>],
        _: &ServerName<'_>,
        _: &[u8],
        _: UnixTime,
    ) -> Result<ServerCertVerified, TlsError> {
        let shown: [u8; 32] = Sha256::digest(end_entity).into();
        if shown == self.digest {
            return Ok(ServerCertVerified::assertion());
        }
        Err(TlsError::General("its certificate has another fingerprint than the one configured".into()))
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, TlsError> {
        verify_tls12_signature(message, certificate, signed, &self.provider.signature_verification_algorithms)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, TlsError> {
        verify_tls13_signature(message, certificate, signed, &self.provider.signature_verification_algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.provider.signature_verification_algorithms.supported_schemes()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_without_certificates_is_told() {
        assert!(rooted(b"x").unwrap_err().contains("holds no certificate"));
    }
}

//! The connection to the database: with TLS and a checked certificate, wherever somebody could be on the way.

use crate::error::clean;
use crate::secret::Secret;
use postgres::config::{Host, SslMode};
use postgres::{Client, Config, NoTls};
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject as _;
use rustls::{ClientConfig, RootCertStore};
use std::error::Error as _;
use std::io;
use std::net::IpAddr;
use std::path::Path;
use std::sync::Arc;
use tokio_postgres_rustls::MakeRustlsConnect;

/// Bytes of the longest file of certificates.
const LONGEST: u64 = 16 << 20;

/// Connects to the database of an address.
pub(super) fn client(address: &Secret, cafile: Option<&Path>) -> io::Result<Client> {
    let mut config: Config = address.expose().parse().map_err(unreadable)?;
    if config.get_ssl_mode() == SslMode::Prefer {
        // A machine between the two could take the offer of TLS out, so there is no preferring.
        config.ssl_mode(if stays_here(&config) { SslMode::Disable } else { SslMode::Require });
    }
    if config.get_ssl_mode() == SslMode::Disable {
        if !stays_here(&config) {
            tracing::warn!("the connection to the database of the leases has no TLS: sslmode=disable");
        }
        return config.connect(NoTls).map_err(failed);
    }
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let tls = ClientConfig::builder_with_provider(provider).with_safe_default_protocol_versions();
    let tls = tls.map_err(io::Error::other)?.with_root_certificates(roots(cafile)?).with_no_client_auth();
    config.connect(MakeRustlsConnect::new(tls)).map_err(failed)
}

/// Returns if all hosts are sockets or loopback addresses.
fn stays_here(config: &Config) -> bool {
    let loopback = |name: &str| name == "localhost" || name.parse::<IpAddr>().is_ok_and(|ip| ip.is_loopback());
    let here = |host: &Host| match host {
        Host::Tcp(name) => loopback(name),
        #[cfg(unix)]
        Host::Unix(_) => true,
    };
    match config.get_hostaddrs() {
        [] => config.get_hosts().iter().all(here),
        addresses => addresses.iter().all(IpAddr::is_loopback),
    }
}

fn roots(cafile: Option<&Path>) -> io::Result<RootCertStore> {
    let mut roots = RootCertStore::empty();
    let Some(path) = cafile else {
        roots.add_parsable_certificates(rustls_native_certs::load_native_certs().certs);
        return if roots.is_empty() {
            Err(io::Error::other("the system has no certificates of authorities; leases_cafile names those to trust"))
        } else {
            Ok(roots)
        };
    };
    let named = |message: String| {
        io::Error::new(
            io::ErrorKind::InvalidInput,
            format!("leases_cafile: {}: {message}", clean(&path.to_string_lossy())),
        )
    };
    let mut bytes = Vec::new();
    let read =
        std::fs::File::open(path).and_then(|f| io::Read::read_to_end(&mut io::Read::take(f, LONGEST), &mut bytes));
    read.map_err(|e| named(e.to_string()))?;
    for certificate in CertificateDer::pem_slice_iter(&bytes) {
        let certificate = certificate.map_err(|_| named("is no PEM file".into()))?;
        roots.add(certificate).map_err(|e| named(e.to_string()))?;
    }
    if roots.is_empty() { Err(named("holds no certificate in PEM".into())) } else { Ok(roots) }
}

/// Makes an error of an address that cannot be read. Its text shows no part of the address.
fn unreadable(error: postgres::Error) -> io::Error {
    let reason = error.source().map_or_else(|| error.to_string(), ToString::to_string);
    let message = format!(
        "leases: {}; expected host=db user=ferrometer dbname=ferrometer, or postgresql://…; sslmode is disable or require, which \
         checks the certificate",
        clean(&reason)
    );
    io::Error::new(io::ErrorKind::InvalidInput, message)
}

/// Makes an error of the database one of the output's kind, without the address.
pub(super) fn failed(error: postgres::Error) -> io::Error {
    let mut text = match error.as_db_error() {
        Some(db) => db.message().to_owned(),
        None => error.to_string(),
    };
    let mut source = error.source().filter(|_| error.as_db_error().is_none());
    while let Some(cause) = source {
        if !text.contains(&cause.to_string()) {
            text = format!("{text}: {cause}");
        }
        source = cause.source();
    }
    let hint = if text.contains("does not support TLS") {
        "; sslmode=disable in the address goes without"
    } else if text.contains("UnknownIssuer") || text.contains("CaUsedAsEndEntity") {
        "; leases_cafile names the authority to trust"
    } else {
        ""
    };
    io::Error::other(format!("PostgreSQL: {}{hint}", clean(&text)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_of_this_machine() {
        for (address, here) in [
            ("host=localhost", true),
            ("host=127.0.0.1,::1", true),
            ("host=/run/postgresql", true),
            ("host=127.0.0.1,db.example", false),
            ("postgresql://u:p@db.example/x", false),
            ("host=localhost hostaddr=192.0.2.1", false),
            ("host=db.example hostaddr=127.0.0.1", true),
        ] {
            assert_eq!(address.parse().ok().map(|config| stays_here(&config)), Some(here), "{address}");
        }
    }
}

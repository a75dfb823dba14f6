//! Certificates: which are trusted, which are not, and what is said.

mod support;

use ferrometer_collector::Server;
use ferrometer_collector::client::{AskError, Client, Limits, When};
use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, IsCa, KeyPair, date_time_ymd};
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::server::WebPkiClientVerifier;
use rustls::{RootCertStore, ServerConfig, ServerConnection};
use std::io::{Read as _, Write as _};
use std::net::TcpListener;
use std::path::PathBuf;
use std::sync::Arc;
use support::Folder;

const GOOD: &str = r#"{"status":"success","data":{"resultType":"vector","result":[]}}"#;

struct Authority(CertifiedIssuer<'static, KeyPair>);

impl Authority {
    fn new() -> Authority {
        let mut params = CertificateParams::new([]).unwrap();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        Authority(CertifiedIssuer::self_signed(params, KeyPair::generate().unwrap()).unwrap())
    }

    fn certificate(&self, host: &str, expired: bool) -> (rcgen::Certificate, KeyPair) {
        let mut params = CertificateParams::new([host.to_owned()]).unwrap();
        if expired {
            params.not_before = date_time_ymd(2019, 1, 1);
            params.not_after = date_time_ymd(2019, 1, 30);
        }
        let key = KeyPair::generate().unwrap();
        (params.signed_by(&key, &self.0).unwrap(), key)
    }

    fn roots(&self) -> RootCertStore {
        let mut roots = RootCertStore::empty();
        roots.add(self.0.der().clone()).unwrap();
        roots
    }
}

/// Starts a server with a certificate; `clients` have to show one of that authority. Returns its address.
fn serve((certificate, key): &(rcgen::Certificate, KeyPair), clients: Option<&Authority>) -> String {
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let builder = ServerConfig::builder_with_provider(provider.clone()).with_safe_default_protocol_versions().unwrap();
    let builder = match clients {
        Some(authority) => {
            let verifier =
                WebPkiClientVerifier::builder_with_provider(Arc::new(authority.roots()), provider).build().unwrap();
            builder.with_client_cert_verifier(verifier)
        }
        None => builder.with_no_client_auth(),
    };
    let chain = vec![CertificateDer::from(certificate.der().to_vec())];
    let key = PrivateKeyDer::try_from(key.serialize_der()).unwrap();
    let config = Arc::new(builder.with_single_cert(chain, key).unwrap());
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("https://127.0.0.1:{}/api/v1", listener.local_addr().unwrap().port());
    std::thread::spawn(move || {
        for stream in listener.incoming() {
            let Ok(mut stream) = stream else { return };
            let config = config.clone();
            std::thread::spawn(move || {
                let mut connection = ServerConnection::new(config).unwrap();
                let mut tls = rustls::Stream::new(&mut connection, &mut stream);
                if tls.read(&mut [0; 4096]).is_ok_and(|n| n > 0) {
                    let _ = write!(tls, "HTTP/1.1 200 OK\r\nContent-Length: {}\r\n\r\n{GOOD}", GOOD.len());
                    let _ = tls.flush();
                    let _ = tls.read(&mut [0; 1]);
                }
            });
        }
    });
    url
}

fn ask(server: &Server) -> Result<(), String> {
    let mut limits = Limits::default();
    limits.retries = 3;
    let client = Client::new(server, limits).map_err(|e| e.to_string())?;
    match client.ask("up", When::At(0)) {
        Ok(_) => Ok(()),
        Err(AskError::Certificate(message)) => Err(message),
        Err(other) => panic!("{other:?}"),
    }
}

fn pem(folder: &Folder, name: &str, authority: &Authority) -> PathBuf {
    folder.write(name, authority.0.pem())
}

#[test]
fn certificates_that_are_not_trusted_are_told_apart() {
    let folder = Folder::new("certificates");
    let (ours, others) = (Authority::new(), Authority::new());
    let (ca, other_ca) = (pem(&folder, "ca.pem", &ours), pem(&folder, "other.pem", &others));
    let good = serve(&ours.certificate("127.0.0.1", false), None);
    let mut server = Server::new(&good);
    server.cafile = Some(ca.clone());
    assert_eq!(ask(&server), Ok(()));

    server.cafile = None;
    let message = ask(&server).unwrap_err();
    assert!(
        message.contains("UnknownIssuer") && message.ends_with("; cafile names the authority to trust"),
        "{message}"
    );
    server.insecure = true;
    assert_eq!(ask(&server), Ok(()));
    // The file wins: the wrong one is no better for insecure.
    server.cafile = Some(other_ca);
    assert!(ask(&server).unwrap_err().contains("invalid peer certificate"));

    for (certificate, says) in [
        (ours.certificate("127.0.0.1", true), "certificate expired"),
        (ours.certificate("prometheus.example", false), "certificate not valid for name \"127.0.0.1\""),
        (others.certificate("127.0.0.1", false), "invalid peer certificate"),
    ] {
        let mut server = Server::new(serve(&certificate, None));
        server.cafile = Some(ca.clone());
        let message = ask(&server).unwrap_err();
        assert!(message.contains(says), "{message}");
        assert!(!message.contains("attempts"), "{message}");
        server.cafile = None;
        server.insecure = true;
        assert_eq!(ask(&server), Ok(()));
    }
}

#[test]
fn a_server_that_wants_certificates_of_its_clients() {
    let folder = Folder::new("mtls");
    let (ours, clients, others) = (Authority::new(), Authority::new(), Authority::new());
    let ca = pem(&folder, "ca.pem", &ours);
    let mut server = Server::new(serve(&ours.certificate("127.0.0.1", false), Some(&clients)));
    server.cafile = Some(ca);
    let mut with = |authority: &Authority| {
        let (certificate, key) = authority.certificate("collector", false);
        server.client_cert = Some(folder.write("client.pem", certificate.pem()));
        server.client_key = Some(folder.write("client.key", key.serialize_pem()));
        ask(&server)
    };
    assert_eq!(with(&clients), Ok(()));
    let message = with(&others).unwrap_err();
    assert!(message.ends_with("; client_cert and client_key are this client's"), "{message}");
    server.client_cert = None;
    server.client_key = None;
    let message = ask(&server).unwrap_err();
    assert!(message.ends_with("; client_cert and client_key are this client's"), "{message}");
}

#[test]
fn files_that_hold_no_certificates_are_named() {
    let folder = Folder::new("files");
    let text = folder.write("text.pem", "no certificate");
    let mut server = Server::new("https://127.0.0.1:9/api/v1");
    server.cafile = Some(text.clone());
    let shown = text.display();
    assert_eq!(ask(&server), Err(format!("cafile: {shown}: holds no certificate in PEM")));
    server.cafile = Some(folder.0.join("absent"));
    assert!(ask(&server).unwrap_err().starts_with("cafile: "));
    server.cafile = Some(folder.write("broken.pem", "-----BEGIN CERTIFICATE-----\n!!\n-----END CERTIFICATE-----\n"));
    assert!(ask(&server).unwrap_err().ends_with("is no PEM file"));
    let authority = Authority::new();
    server.cafile = Some(pem(&folder, "ca.pem", &authority));
    server.client_cert = Some(pem(&folder, "client.pem", &authority));
    server.client_key = Some(text.clone());
    assert_eq!(ask(&server), Err(format!("client_key: {shown}: holds no private key in PEM")));
}

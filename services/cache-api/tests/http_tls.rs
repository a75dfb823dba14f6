//! The endpoint over TLS, met by a real client: what it serves, what it refuses, and new files while it runs.

mod common;

use common::client::raw;
use common::{frame, nothing};
use ferrometer_http::{Frame, Limits, Server};
use ferrometer_testkit::wait_until;
use sha2::{Digest, Sha256};
use std::fs;
use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, Instant};
use tokio_rustls::rustls::crypto::ring;
use tokio_rustls::rustls::pki_types::pem::PemObject;
use tokio_rustls::rustls::pki_types::{CertificateDer, ServerName};
use tokio_rustls::rustls::{ClientConfig, ClientConnection, RootCertStore, StreamOwned};

const MS: Duration = Duration::from_millis(1);

/// A certificate for localhost and its key, as PEM.
struct Identity {
    cert: String,
    key: String,
}

fn identity() -> Identity {
    let made = rcgen::generate_simple_self_signed(vec!["localhost".to_owned()]).unwrap();
    Identity { cert: made.cert.pem(), key: made.signing_key.serialize_pem() }
}

/// Two files, which go with the test.
struct Files(PathBuf);

impl Files {
    fn new(name: &str) -> Files {
        let directory = std::env::temp_dir().join(format!("ferrometer-tls-{}-{name}", std::process::id()));
        fs::create_dir_all(&directory).unwrap();
        Files(directory)
    }

    fn cert(&self) -> PathBuf {
        self.0.join("cert.pem")
    }

    fn key(&self) -> PathBuf {
        self.0.join("key.pem")
    }

    fn write(&self, identity: &Identity) {
        fs::write(self.cert(), &identity.cert).unwrap();
        fs::write(self.key(), &identity.key).unwrap();
    }
}

impl Drop for Files {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

fn endpoint(files: &Files) -> Frame {
    frame(nothing()).reload_interval(Duration::ZERO).tls(files.cert(), files.key())
}

/// Asks as a client that trusts this certificate alone.
fn ask(address: SocketAddr, trusted: &str, request: &str) -> Result<String, std::io::Error> {
    let mut roots = RootCertStore::empty();
    roots.add(CertificateDer::from_pem_slice(trusted.as_bytes()).unwrap()).unwrap();
    let config = ClientConfig::builder_with_provider(Arc::new(ring::default_provider()))
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_root_certificates(roots)
        .with_no_client_auth();
    let client = ClientConnection::new(Arc::new(config), ServerName::try_from("localhost").unwrap()).unwrap();
    let socket = TcpStream::connect(address)?;
    socket.set_read_timeout(Some(Duration::from_secs(120)))?;
    let mut stream = StreamOwned::new(client, socket);
    stream.write_all(request.as_bytes())?;
    let mut answer = String::new();
    // An end without the server's good-bye would be an error.
    stream.read_to_string(&mut answer)?;
    Ok(answer)
}

fn served_with(server: &Server, identity: &Identity) -> bool {
    let answer = ask(
        server.local_addr(),
        &identity.cert,
        "GET /healthz HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n",
    );
    answer.is_ok_and(|answer| answer.starts_with("HTTP/1.1 200 OK\r\n") && answer.ends_with(r#"{"ok":true}"#))
}

#[test]
fn new_files_are_taken_and_broken_ones_are_not() {
    let (first, second) = (identity(), identity());
    let files = Files::new("reload");
    files.write(&first);
    let server = endpoint(&files).serve().unwrap();
    assert!(served_with(&server, &first) && !served_with(&server, &second));
    files.write(&second);
    // A reading that takes long is not waited for: the change is seen by a later connection.
    wait_until("the second", || served_with(&server, &second));
    assert!(!served_with(&server, &first));
    // Half replaced: the certificate of one, the key of the other.
    fs::write(files.cert(), &first.cert).unwrap();
    for _ in 0..3 {
        assert!(served_with(&server, &second));
    }
    fs::write(files.key(), &first.key).unwrap();
    wait_until("the first again", || served_with(&server, &first));
    for broken in ["", "nonsense", "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n"] {
        fs::write(files.cert(), broken).unwrap();
        assert!(served_with(&server, &first), "{broken}");
    }
    fs::remove_file(files.cert()).unwrap();
    assert!(served_with(&server, &first));
}

#[test]
fn other_machines_are_served_with_tokens() {
    let files = Files::new("public");
    let identity = identity();
    files.write(&identity);
    let token = "5f0c3d1a9be24b7c8c1de0aa7f3b6d42";
    let hash: String = Sha256::digest(token).iter().map(|byte| format!("{byte:02x}")).collect();
    let public = endpoint(&files).address("0.0.0.0:0".parse().unwrap());
    assert!(public.check().unwrap_err().to_string().contains("there are no tokens"));
    let server = public.tokens([format!("a=sha256:{hash}")]).serve().unwrap();
    let address = ([127, 0, 0, 1], server.local_addr().port()).into();
    let get = |token: &str| {
        let request = format!(
            "GET /v1/metrics HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\nAuthorization: Bearer {token}\r\n\r\n"
        );
        ask(address, &identity.cert, &request).unwrap()
    };
    assert!(get(token).starts_with("HTTP/1.1 200 OK\r\n"));
    assert!(get("wrong").starts_with("HTTP/1.1 401 Unauthorized\r\n"));
}

#[test]
fn plain_text_and_silence_end_in_the_handshake() {
    let files = Files::new("handshake");
    let identity = identity();
    files.write(&identity);
    let limits = Limits { header_timeout: 200 * MS, ..Limits::default() };
    let server = endpoint(&files).limits(limits).serve().unwrap();
    let plain = raw(&server, b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n");
    assert!(plain.is_none());
    let begun = Instant::now();
    for silent in [&b""[..], b"\x16\x03\x01\x02\x00\x01"] {
        assert!(raw(&server, silent).is_none());
    }
    assert!(begun.elapsed() >= 400 * MS, "{:?}", begun.elapsed());
    wait_until("three handshakes", || server.counts().handshakes >= 3);
    // After the handshake, the request has the time once more. On a busy machine a handshake may take longer than it may.
    wait_until("a handshake in time", || {
        let half = ask(server.local_addr(), &identity.cert, "GET / HT");
        half.is_ok_and(|half| half.starts_with("HTTP/1.1 408 "))
    });
    wait_until("an answer", || served_with(&server, &identity));
}

#[test]
fn mistakes_name_the_file() {
    let files = Files::new("mistakes");
    let (first, second) = (identity(), identity());
    let (cert, key) = (files.cert().display().to_string(), files.key().display().to_string());
    let message = |cert_text: &str, key_text: &str| {
        fs::write(files.cert(), cert_text).unwrap();
        fs::write(files.key(), key_text).unwrap();
        endpoint(&files).check().unwrap_err().to_string()
    };
    let none = endpoint(&files).check().unwrap_err().to_string();
    assert!(none.starts_with(&format!("tls_cert, tls_key: {cert}: cannot be read: ")), "{none}");
    for (cert_text, key_text, expected) in [
        (
            first.key.as_str(),
            first.key.as_str(),
            format!("{cert}: holds no certificate; expected PEM with BEGIN CERTIFICATE"),
        ),
        (
            &first.cert,
            &first.cert,
            format!("{key}: holds no private key; expected PEM with BEGIN PRIVATE KEY, not encrypted"),
        ),
        (&first.cert, &second.key, format!("{cert} and {key}: cannot be used together: ")),
    ] {
        let message = message(cert_text, key_text);
        assert!(message.starts_with(&format!("tls_cert, tls_key: {expected}")), "{message}");
        assert!(!message.contains("BEGIN PRIVATE KEY-"), "{message}");
    }
}

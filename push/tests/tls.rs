//! The client over TLS: a certificate that is right, and each way in which one is wrong. Nothing is written where it is.

use ferrometer_push::{Http, HttpSettings, Verdict};
use ferrometer_push_testkit::Scratch;
use rcgen::{CertificateParams, KeyPair, date_time_ymd};
use rustls::pki_types::{PrivateKeyDer, PrivatePkcs8KeyDer};
use rustls::{ServerConfig, ServerConnection, StreamOwned};
use std::io::{Read, Write};
use std::net::TcpListener;
use std::sync::atomic::{AtomicUsize, Ordering::SeqCst};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::{Duration, Instant};

struct Server {
    port: u16,
    /// The bytes that arrived, decrypted.
    arrived: Arc<Mutex<Vec<u8>>>,
    connections: Arc<AtomicUsize>,
    pem: String,
}

/// A server that answers 204 to everything, with a certificate for a name, valid until then.
fn serve(name: &str, until: i32) -> Server {
    let key = KeyPair::generate().unwrap();
    let mut params = CertificateParams::new(vec![name.to_owned()]).unwrap();
    params.not_before = date_time_ymd(2000, 1, 1);
    params.not_after = date_time_ymd(until, 1, 1);
    let certificate = params.self_signed(&key).unwrap();
    let private = PrivateKeyDer::Pkcs8(PrivatePkcs8KeyDer::from(key.serialize_der()));
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let config = ServerConfig::builder_with_provider(provider).with_safe_default_protocol_versions().unwrap();
    let config = config.with_no_client_auth().with_single_cert(vec![certificate.der().clone()], private).unwrap();
    let config = Arc::new(config);
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    let (arrived, connections) = (Arc::new(Mutex::new(Vec::new())), Arc::new(AtomicUsize::new(0)));
    let server =
        Server { port, arrived: Arc::clone(&arrived), connections: Arc::clone(&connections), pem: certificate.pem() };
    thread::spawn(move || {
        for stream in listener.incoming() {
            let (Ok(stream), Ok(connection)) = (stream, ServerConnection::new(Arc::clone(&config))) else { return };
            connections.fetch_add(1, SeqCst);
            let arrived = Arc::clone(&arrived);
            thread::spawn(move || {
                let mut stream = StreamOwned::new(connection, stream);
                let mut buffer = [0; 4096];
                while let Ok(len @ 1..) = stream.read(&mut buffer) {
                    let mut all = arrived.lock().unwrap();
                    all.extend_from_slice(&buffer[..len]);
                    if all.ends_with(b"payload") {
                        let _ = stream.write_all(b"HTTP/1.1 204 No Content\r\n\r\n");
                        let _ = stream.flush();
                    }
                }
            });
        }
    });
    server
}

fn settings(server: &Server) -> HttpSettings {
    let mut settings = HttpSettings::new(format!("https://localhost:{}/write", server.port));
    settings.headers = vec![("Authorization".into(), "Token hush".into())];
    settings
}

fn post(settings: &HttpSettings) -> Result<Verdict, String> {
    let http = Http::new(settings).unwrap();
    let reply = http.post(&[("Content-Type", "text/plain")], b"payload", Instant::now() + Duration::from_secs(30))?;
    Ok(http.verdict(&reply))
}

#[test]
fn a_certificate_of_a_trusted_authority_is_taken() {
    let server = serve("localhost", 2100);
    let scratch = Scratch::new("push-tls-good");
    let mut settings = settings(&server);
    settings.ca = Some(scratch.file("ca.pem", &server.pem));
    assert_eq!(post(&settings), Ok(Verdict::Accepted));
    let arrived = String::from_utf8(server.arrived.lock().unwrap().clone()).unwrap();
    assert!(
        arrived.starts_with("POST /write HTTP/1.1\r\n") && arrived.to_lowercase().contains("authorization: token hush")
    );
}

#[test]
fn wrong_certificates_get_nothing_and_the_error_says_which() {
    let scratch = Scratch::new("push-tls-bad");
    let (other, expired, stranger) = (serve("other.example", 2100), serve("localhost", 2010), serve("localhost", 2100));
    for (server, ca, word) in [
        (&other, Some(&other), "NotValidForName"),
        (&expired, Some(&expired), "xpired"),
        (&stranger, None, "UnknownIssuer"),
        // Both call their issuer by one name.
        (&stranger, Some(&other), "BadSignature"),
    ] {
        let mut settings = settings(server);
        settings.ca = ca.map(|ca| scratch.file("ca.pem", &ca.pem));
        let said = post(&settings).unwrap_err();
        let squeezed: String = said.split_whitespace().collect();
        assert!(squeezed.to_lowercase().contains(&word.to_lowercase()), "{word}: {said}");
        assert!(!said.contains("hush"), "{said}");
        assert!(server.connections.load(SeqCst) > 0 && server.arrived.lock().unwrap().is_empty());
        // And by request all the same.
        settings.verify_certificate = false;
        assert_eq!(post(&settings), Ok(Verdict::Accepted), "{word}");
        server.arrived.lock().unwrap().clear();
    }
}

#[test]
fn a_file_of_authorities_that_has_none_is_refused() {
    let scratch = Scratch::new("push-tls-ca");
    for content in ["", "no certificate", "-----BEGIN CERTIFICATE-----\n!!!\n-----END CERTIFICATE-----\n"] {
        let mut settings = HttpSettings::new("https://localhost/");
        settings.ca = Some(scratch.file("ca.pem", content));
        assert_eq!(Http::new(&settings).unwrap_err().setting, "ca", "{content:?}");
    }
    let mut settings = HttpSettings::new("https://localhost/");
    settings.ca = Some(scratch.path().to_owned());
    assert_eq!(Http::new(&settings).unwrap_err().setting, "ca");
}

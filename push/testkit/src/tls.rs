//! A server over TLS with a certificate of its own, which takes everything.

use rcgen::{CertificateParams, KeyPair, date_time_ymd};
use rustls::pki_types::{PrivateKeyDer, PrivatePkcs8KeyDer};
use rustls::{ServerConfig, ServerConnection, StreamOwned};
use std::io::{Read, Write};
use std::net::TcpListener;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::thread;

/// The server.
pub struct TlsServer {
    /// Where it listens, on loopback.
    pub port: u16,
    /// Its certificate, which nobody but itself signed.
    pub pem: String,
    /// The bytes that arrived, decrypted.
    pub arrived: Arc<Mutex<Vec<u8>>>,
    connections: Arc<AtomicUsize>,
}

impl TlsServer {
    /// Starts one that answers 204 to every request, with a certificate for a name, valid until the first day of a year.
    ///
    /// # Panics
    /// When no socket or no certificate can be had.
    pub fn start(name: &str, until: i32) -> TlsServer {
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
        let server = TlsServer {
            port,
            pem: certificate.pem(),
            arrived: Arc::clone(&arrived),
            connections: Arc::clone(&connections),
        };
        thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let Ok(connection) = ServerConnection::new(Arc::clone(&config)) else { return };
                connections.fetch_add(1, Ordering::SeqCst);
                let arrived = Arc::clone(&arrived);
                thread::spawn(move || serve(StreamOwned::new(connection, stream), &arrived));
            }
        });
        server
    }

    /// Returns how many connections there were, those that ended before a request included.
    pub fn connections(&self) -> usize {
        self.connections.load(Ordering::SeqCst)
    }
}

fn serve(mut stream: impl Read + Write, arrived: &Mutex<Vec<u8>>) {
    let (mut request, mut buffer) = (Vec::new(), [0; 4096]);
    while let Ok(len @ 1..) = stream.read(&mut buffer) {
        arrived.lock().unwrap().extend_from_slice(&buffer[..len]);
        request.extend_from_slice(&buffer[..len]);
        if is_whole(&request) {
            let _ = stream.write_all(b"HTTP/1.1 204 No Content\r\nConnection: close\r\n\r\n");
            let _ = stream.flush();
            return;
        }
    }
}

fn is_whole(request: &[u8]) -> bool {
    let Some(head) = request.windows(4).position(|four| four == b"\r\n\r\n") else { return false };
    let text = String::from_utf8_lossy(&request[..head]).to_ascii_lowercase();
    let length = text.lines().find_map(|line| line.strip_prefix("content-length:")?.trim().parse::<usize>().ok());
    request.len() >= head + 4 + length.unwrap_or(0)
}

//! One question to one node: a connection, a request, an answer of bounded size. No redirect is followed, nothing is kept.

use crate::http::watch::Watched;
use axum::body::{Body, HttpBody};
use axum::http::{HeaderValue, Request, StatusCode, Uri, header, uri};
use hyper::client::conn::http1;
use hyper_util::rt::TokioIo;
use sha2::{Digest, Sha256};
use std::future::poll_fn;
use std::net::{IpAddr, SocketAddr, ToSocketAddrs};
use std::path::PathBuf;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering::*};
use std::thread;
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;
use tokio::sync::{OwnedSemaphorePermit, Semaphore, oneshot};
use tokio::task::JoinSet;
use tokio_rustls::TlsConnector;
use tokio_rustls::rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use tokio_rustls::rustls::crypto::{CryptoProvider, ring, verify_tls12_signature, verify_tls13_signature};
use tokio_rustls::rustls::pki_types::pem::PemObject;
use tokio_rustls::rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use tokio_rustls::rustls::{ClientConfig, DigitallySignedStruct, Error as TlsError, RootCertStore, SignatureScheme};

/// How many headers, and bytes of them, an answer may have.
const MAX_HEADERS: usize = 64;
const MAX_HEAD_BYTES: usize = 64 << 10;

/// Where a node is, and how it is known.
#[derive(Debug)]
pub(super) struct Client {
    host: String,
    port: u16,
    /// Before the path of the route.
    base: String,
    tls: Option<(ServerName<'static>, Trust)>,
    /// Whether the system's resolver, which takes as long as it likes, is still at it.
    resolving: Arc<AtomicBool>,
}

/// What was answered, and the place that it takes.
pub(super) struct Reply {
    pub(super) bytes: Vec<u8>,
    pub(super) place: Option<OwnedSemaphorePermit>,
}

/// What went wrong; and the status, where the node answered with another than 200.
#[derive(Debug)]
pub(super) struct Failure {
    pub(super) status: Option<u16>,
    pub(super) why: String,
}

impl From<String> for Failure {
    fn from(why: String) -> Failure {
        Failure { status: None, why }
    }
}

#[derive(Debug)]
enum Trust {
    Pinned(Arc<ClientConfig>),
    Ca(Watched<ClientConfig>),
}

impl Client {
    /// The error says what is wrong with the configuration.
    pub(super) fn new(
        url: &str,
        fingerprint: Option<&str>,
        ca: Option<PathBuf>,
        every: Duration,
    ) -> Result<Client, String> {
        let form = "expected https://<host>[:<port>], or http:// for an address of this machine";
        let uri: Uri = url.parse().map_err(|_| format!("url {url:?} is none; {form}"))?;
        let (Some(scheme), Some(authority), None) = (uri.scheme(), uri.authority(), uri.query()) else {
            return Err(format!("url {url:?} is no address of a server; {form}"));
        };
        // With a name and a password in it, or with a port that is none, the authority is more than host and port.
        let host = authority.host();
        let port = authority.port_u16();
        let whole = port.map_or_else(|| host.to_owned(), |port| format!("{host}:{port}"));
        if host.is_empty() || authority.as_str() != whole || port == Some(0) {
            return Err(format!("url {url:?} has more or less than a host and a port; {form}"));
        }
        let bare = host.strip_prefix('[').and_then(|h| h.strip_suffix(']')).unwrap_or(host).to_owned();
        let plain = *scheme == uri::Scheme::HTTP;
        if !plain && *scheme != uri::Scheme::HTTPS {
            return Err(format!("url {url:?} has another scheme; {form}"));
        }
        if plain && !bare.parse::<IpAddr>().is_ok_and(|ip| ip.to_canonical().is_loopback()) {
            return Err(format!("url {url:?} would carry tokens over the network as plain text; {form}"));
        }
        let tls = match (plain, fingerprint, ca) {
            (true, None, None) => None,
            (true, ..) => return Err(format!("url {url:?} has no certificate; fingerprint and ca are for https")),
            (false, Some(_), Some(_)) => return Err("fingerprint and ca are both given; one of them is enough".into()),
            (false, None, None) => {
                return Err("is reached over https and has neither fingerprint nor ca; one of them is needed".into());
            }
            (false, Some(fingerprint), None) => Some(pinned(fingerprint)?),
            (false, None, Some(path)) => {
                let shown = path.display().to_string();
                let parse = move |files: &[Vec<u8>]| {
                    let bytes = files.first().map_or(&[][..], Vec::as_slice);
                    rooted(bytes).map_err(|why| format!("ca {shown}: {why}"))
                };
                Some(Trust::Ca(Watched::new("CA of a peer", vec![path], every, parse)?))
            }
        };
        let tls = tls.map(|trust| {
            let name = ServerName::try_from(bare.clone()).map_err(|_| format!("url {url:?} has no valid host name"))?;
            Ok::<_, String>((name, trust))
        });
        Ok(Client {
            port: port.unwrap_or(if plain { 80 } else { 443 }),
            base: uri.path().trim_end_matches('/').to_owned(),
            host: bare,
            tls: tls.transpose()?,
            resolving: Arc::default(),
        })
    }

    /// Asks for a route, and reads the answer as long as it has no more than `room` bytes, once there is a place of `gate` for them. To
    /// be called within a runtime of tokio; whoever asks bounds the time.
    pub(super) async fn get(
        &self,
        route: &str,
        authorization: Option<&HeaderValue>,
        room: usize,
        gate: Option<&Arc<Semaphore>>,
    ) -> Result<Reply, Failure> {
        let host = if self.host.contains(':') { format!("[{}]", self.host) } else { self.host.clone() };
        let mut request = Request::get(format!("{}{route}", self.base))
            .header(header::HOST, format!("{host}:{}", self.port))
            .header(header::ACCEPT, "application/json")
            .header(header::CONNECTION, "close")
            .body(Body::empty())
            .map_err(|_| "cannot be asked: its url is none".to_owned())?;
        if let Some(authorization) = authorization {
            request.headers_mut().insert(header::AUTHORIZATION, authorization.clone());
        }
        let stream = self.connect().await?;
        match &self.tls {
            None => exchange(stream, request, room, gate).await,
            Some((name, trust)) => {
                let config = match trust {
                    Trust::Pinned(config) => Arc::clone(config),
                    Trust::Ca(watched) => watched.current(),
                };
                let secured = TlsConnector::from(config).connect(name.clone(), stream).await;
                exchange(secured.map_err(|why| format!("is not trusted: {why}"))?, request, room, gate).await
            }
        }
    }

    async fn connect(&self) -> Result<TcpStream, String> {
        let mut last = "has no address".to_owned();
        for address in self.addresses().await? {
            match TcpStream::connect(address).await {
                Ok(stream) => return Ok(stream),
                Err(why) => last = format!("cannot be reached: {why}"),
            }
        }
        Err(last)
    }

    /// An address is one; a name is looked up on a thread of its own, one look-up at a time, because it cannot be broken off.
    async fn addresses(&self) -> Result<Vec<SocketAddr>, String> {
        if let Ok(ip) = self.host.parse::<IpAddr>() {
            return Ok(vec![SocketAddr::new(ip, self.port)]);
        }
        if self.resolving.swap(true, Acquire) {
            return Err("has no address yet: an earlier look-up of its name is not done".into());
        }
        let (send, receive) = oneshot::channel();
        let (host, port, resolving) = (self.host.clone(), self.port, Arc::clone(&self.resolving));
        let look_up = move || {
            let found = (host.as_str(), port).to_socket_addrs().map(Iterator::collect);
            resolving.store(false, Release);
            // Who asked may be gone.
            let _ = send.send(found);
        };
        if thread::Builder::new().name("ferrometer-resolve".into()).spawn(look_up).is_err() {
            self.resolving.store(false, Release);
            return Err("has no address: there is no thread to look it up".into());
        }
        match receive.await {
            Ok(Ok(found)) => Ok(found),
            Ok(Err(why)) => Err(format!("has no address: {why}")),
            Err(_) => Err("has no address: the look-up was broken off".into()),
        }
    }
}

async fn exchange<I>(
    io: I,
    request: Request<Body>,
    room: usize,
    gate: Option<&Arc<Semaphore>>,
) -> Result<Reply, Failure>
where
    I: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    let wrong = |why: hyper::Error| format!("does not speak HTTP as it should: {why}");
    let mut builder = http1::Builder::new();
    builder.max_headers(MAX_HEADERS).max_buf_size(MAX_HEAD_BYTES);
    let (mut sender, connection) = builder.handshake(TokioIo::new(io)).await.map_err(wrong)?;
    // Ends with the question, however that ends.
    let mut driver = JoinSet::new();
    driver.spawn(connection);
    let response = sender.send_request(request).await.map_err(wrong)?;
    if response.status() != StatusCode::OK {
        let status = response.status().as_u16();
        return Err(Failure { status: Some(status), why: format!("answers {status}") });
    }
    let headers = response.headers();
    let of = |name| headers.get(name).map_or(&b""[..], HeaderValue::as_bytes);
    if !of(header::CONTENT_TYPE).starts_with(b"application/json") || !of(header::CONTENT_ENCODING).is_empty() {
        return Err("answers something else than plain JSON".to_owned().into());
    }
    // Who has nothing to say takes no place.
    let place = match gate {
        Some(gate) => Arc::clone(gate).acquire_owned().await.ok(),
        None => None,
    };
    let mut body = response.into_body();
    let mut bytes = Vec::new();
    while let Some(frame) = poll_fn(|cx| Pin::new(&mut body).poll_frame(cx)).await {
        let Ok(data) = frame.map_err(wrong)?.into_data() else { continue };
        if data.len() > room - bytes.len() {
            return Err("answers more than there is room for".to_owned().into());
        }
        bytes.extend_from_slice(&data);
    }
    Ok(Reply { bytes, place })
}

fn config() -> Result<tokio_rustls::rustls::ConfigBuilder<ClientConfig, tokio_rustls::rustls::WantsVerifier>, String> {
    let builder = ClientConfig::builder_with_provider(Arc::new(ring::default_provider()));
    builder.with_safe_default_protocol_versions().map_err(|why| format!("there is no TLS: {why}"))
}

/// Whoever has a certificate of these authorities, for the name that is asked.
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

/// Whoever has this one certificate, whatever it says.
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

/// Trusts one certificate by its SHA-256. Whoever shows it must also prove that its key is theirs, which the handshake's signature does.
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
    fn what_is_no_node_is_told() {
        let fingerprint = "ab".repeat(32);
        let make = |url: &str, fingerprint: Option<&str>, ca: Option<&str>| {
            Client::new(url, fingerprint, ca.map(Into::into), Duration::ZERO).map(|c| (c.host, c.port, c.base))
        };
        for (url, expected) in [
            ("https://a.example", ("a.example", 443, "")),
            ("https://10.0.0.1:8006/", ("10.0.0.1", 8006, "")),
            ("https://[::1]:9620/internal/", ("::1", 9620, "/internal")),
        ] {
            let (host, port, base) = make(url, Some(&fingerprint), None).unwrap();
            assert_eq!((host.as_str(), port, base.as_str()), expected, "{url}");
        }
        assert!(make("http://127.0.0.1:1", None, None).is_ok());
        let colons = vec!["AB"; 32].join(":");
        assert!(make("https://a", Some(&colons), None).is_ok());
        for (url, fingerprint, ca, expected) in [
            ("", None, None, "is none; expected"),
            ("a.example", None, None, "is no address of a server"),
            ("/x", None, None, "is no address of a server"),
            ("https://a/?x", Some(fingerprint.as_str()), None, "is no address of a server"),
            ("ftp://a", None, None, "another scheme"),
            ("https://user:pw@a", Some(&fingerprint), None, "more or less than a host and a port"),
            ("https://a:0", Some(&fingerprint), None, "more or less than a host and a port"),
            ("https://a:99999", Some(&fingerprint), None, "more or less than a host and a port"),
            ("https://a\nb", Some(&fingerprint), None, "is none; expected"),
            ("http://10.0.0.1", None, None, "as plain text"),
            ("http://localhost", None, None, "as plain text"),
            ("http://127.0.0.1", Some(&fingerprint), None, "has no certificate"),
            ("https://a", None, None, "neither fingerprint nor ca"),
            ("https://a", Some(&fingerprint), Some("x"), "both given"),
            ("https://a", Some("ab"), None, "64 hex digits"),
            ("https://a", Some(&"é".repeat(32)), None, "64 hex digits"),
            ("https://a", None, Some("/dev/null/x"), "cannot be read"),
        ] {
            let error = make(url, fingerprint, ca).unwrap_err();
            assert!(error.contains(expected), "{url}: {error}");
        }
        assert!(rooted(b"x").unwrap_err().contains("holds no certificate"));
    }
}

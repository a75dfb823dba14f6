//! A client for another server: one request, one answer of bounded size. It follows no redirect. Where it is told to, it keeps its
//! connection for the next request.

use crate::trust::Trust;
use axum::body::{Body, Bytes, HttpBody};
use axum::http::{HeaderMap, HeaderValue, Method, Request, Response, StatusCode, Uri, header, uri};
use hyper::body::Incoming;
use hyper::client::conn::http1::{self, SendRequest};
use hyper_util::rt::TokioIo;
use std::fmt;
use std::future::poll_fn;
use std::net::{IpAddr, SocketAddr, ToSocketAddrs};
use std::path::PathBuf;
use std::pin::Pin;
use std::sync::atomic::{AtomicBool, Ordering::*};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;
use tokio::sync::{OwnedSemaphorePermit, Semaphore, oneshot};
use tokio::task::JoinSet;
use tokio_rustls::TlsConnector;
use tokio_rustls::rustls::pki_types::ServerName;

/// How many headers, and bytes of them, an answer may have.
const MAX_HEADERS: usize = 64;
const MAX_HEAD_BYTES: usize = 64 << 10;

/// Another server: where it is, and how it is known. All requests are to be made within a runtime of tokio; anyone who makes them bounds the
/// time, and a request that is dropped is broken off.
///
/// ```
/// use ferrometer_http::Client;
/// use std::time::Duration;
///
/// let client = Client::new("https://10.0.0.1:8006", Some(&"ab".repeat(32)), None, Duration::from_secs(2))?;
/// let wrong = Client::new("http://10.0.0.1", None, None, Duration::from_secs(2)).unwrap_err();
/// assert!(wrong.contains("as plain text"));
/// # drop(client.keep_alive(true));
/// # Ok::<(), String>(())
/// ```
pub struct Client {
    host: String,
    port: u16,
    /// Before the path of the route.
    base: String,
    tls: Option<(ServerName<'static>, Trust)>,
    /// `true` while the system's resolver, which takes as long as it likes, is still at it.
    resolving: Arc<AtomicBool>,
    keeps: bool,
    /// The connection of the last request, where it is kept.
    kept: Mutex<Option<Connection>>,
}

/// An answer, and the permit that it holds.
#[derive(Debug)]
#[non_exhaustive]
pub struct Reply {
    /// The body.
    pub bytes: Vec<u8>,
    /// To be kept as long as the bytes are.
    pub permit: Option<OwnedSemaphorePermit>,
}

/// The reason why there is no answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Failure {
    /// The status, where the server answered with one that is no success.
    pub status: Option<u16>,
    /// The reason, to stand behind the server's name: `cannot be reached: …`.
    pub why: String,
}

impl From<String> for Failure {
    fn from(why: String) -> Failure {
        Failure { status: None, why }
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.why)
    }
}

impl std::error::Error for Failure {}

/// An open connection; its driver ends with it.
struct Connection {
    sender: SendRequest<Body>,
    _driver: JoinSet<Result<(), hyper::Error>>,
}

impl Client {
    /// Describes a server at `https://<host>[:<port>][/<path>]`, known by the SHA-256 `fingerprint` of its certificate or by the authorities
    /// in the PEM file `ca`, which is read again when it changes, at most every `reload`. `http://` is for addresses of this machine alone.
    ///
    /// # Errors
    /// The part that is wrong, and what is expected.
    pub fn new(url: &str, fingerprint: Option<&str>, ca: Option<PathBuf>, reload: Duration) -> Result<Client, String> {
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
        let trust = match (plain, fingerprint, ca) {
            (true, None, None) => None,
            (true, ..) => return Err(format!("url {url:?} has no certificate; fingerprint and ca are for https")),
            (false, Some(_), Some(_)) => return Err("fingerprint and ca are both given; one of them is enough".into()),
            (false, None, None) => {
                return Err("is reached over https and has neither fingerprint nor ca; one of them is needed".into());
            }
            (false, Some(fingerprint), None) => Some(Trust::pinned(fingerprint)?),
            (false, None, Some(path)) => Some(Trust::ca(path, reload)?),
        };
        let tls = trust.map(|trust| {
            let name = ServerName::try_from(bare.clone()).map_err(|_| format!("url {url:?} has no valid host name"))?;
            Ok::<_, String>((name, trust))
        });
        Ok(Client {
            port: port.unwrap_or(if plain { 80 } else { 443 }),
            base: uri.path().trim_end_matches('/').to_owned(),
            host: bare,
            tls: tls.transpose()?,
            resolving: Arc::default(),
            keeps: false,
            kept: Mutex::default(),
        })
    }

    /// Keeps the connection of a request for the next one. Default `false`: a place at the other server is worth more than a handshake now
    /// and then. For a client that sends all the time.
    #[must_use]
    pub fn keep_alive(mut self, keep: bool) -> Client {
        self.keeps = keep;
        self
    }

    /// Asks for JSON, and reads the answer as long as it has no more than `room` bytes, once `gate` has a permit for them.
    ///
    /// # Errors
    /// [`Failure`]: the server cannot be reached, is not trusted, answers with another status than 200, or with something else than JSON.
    pub async fn get_json(
        &self,
        route: &str,
        headers: HeaderMap,
        room: usize,
        gate: Option<&Arc<Semaphore>>,
    ) -> Result<Reply, Failure> {
        let mut all = HeaderMap::from_iter([(header::ACCEPT, HeaderValue::from_static("application/json"))]);
        all.extend(headers);
        let (response, connection) = self.send(Method::GET, route, &all, &Bytes::new()).await?;
        if response.status() != StatusCode::OK {
            return Err(status(&response));
        }
        let headers = response.headers();
        let of = |name| headers.get(name).map_or(&b""[..], HeaderValue::as_bytes);
        if !of(header::CONTENT_TYPE).starts_with(b"application/json") || !of(header::CONTENT_ENCODING).is_empty() {
            return Err("answers something else than plain JSON".to_owned().into());
        }
        // An answer that says nothing takes no permit.
        let permit = match gate {
            Some(gate) => Arc::clone(gate).acquire_owned().await.ok(),
            None => None,
        };
        let bytes = self.read(response, connection, room).await?;
        Ok(Reply { bytes, permit })
    }

    /// Sends a body, and reads the answer as long as it has no more than `room` bytes. `headers` should say the body's type.
    ///
    /// A kept connection may turn out to be closed. Then the request is sent again over a new one, but only when nothing of it was sent.
    ///
    /// # Errors
    /// [`Failure`]: the server cannot be reached, is not trusted, or answers with a status that is no success.
    pub async fn post(&self, route: &str, headers: HeaderMap, body: Bytes, room: usize) -> Result<Reply, Failure> {
        let (response, connection) = self.send(Method::POST, route, &headers, &body).await?;
        if !response.status().is_success() {
            return Err(status(&response));
        }
        let bytes = self.read(response, connection, room).await?;
        Ok(Reply { bytes, permit: None })
    }

    /// Sends a body compressed with gzip; otherwise as [`post`](Client::post).
    ///
    /// # Errors
    /// As [`post`](Client::post).
    #[cfg(feature = "compression")]
    pub async fn post_gzip(
        &self,
        route: &str,
        mut headers: HeaderMap,
        body: &[u8],
        room: usize,
    ) -> Result<Reply, Failure> {
        let body = crate::compress::gzip(body).map_err(|why| format!("cannot be sent anything: {why}"))?;
        headers.insert(header::CONTENT_ENCODING, HeaderValue::from_static("gzip"));
        self.post(route, headers, body.into(), room).await
    }

    /// Sends a request over the kept connection, or over a new one where there is none or the kept one is gone.
    async fn send(
        &self,
        method: Method,
        route: &str,
        headers: &HeaderMap,
        body: &Bytes,
    ) -> Result<(Response<Incoming>, Connection), Failure> {
        let kept = self.kept.lock().unwrap_or_else(PoisonError::into_inner).take();
        if let Some(mut connection) = kept {
            let request = self.request(&method, route, headers, body)?;
            match connection.sender.send_request(request).await {
                Ok(response) => return Ok((response, connection)),
                // Nothing was sent, or it does no harm to send it again.
                Err(gone) if gone.is_canceled() || method == Method::GET => {}
                Err(why) => return Err(wrong(why).into()),
            }
        }
        let mut connection = self.connect().await?;
        let request = self.request(&method, route, headers, body)?;
        let response = connection.sender.send_request(request).await.map_err(wrong)?;
        Ok((response, connection))
    }

    fn request(
        &self,
        method: &Method,
        route: &str,
        headers: &HeaderMap,
        body: &Bytes,
    ) -> Result<Request<Body>, String> {
        let host = if self.host.contains(':') { format!("[{}]", self.host) } else { self.host.clone() };
        let mut request = Request::builder()
            .method(method)
            .uri(format!("{}{route}", self.base))
            .header(header::HOST, format!("{host}:{}", self.port))
            .body(Body::from(body.clone()))
            .map_err(|_| "cannot be asked: its url is none".to_owned())?;
        request.headers_mut().extend(headers.clone());
        if !self.keeps {
            request.headers_mut().insert(header::CONNECTION, HeaderValue::from_static("close"));
        }
        Ok(request)
    }

    /// Reads an answer to its end, and keeps the connection where that is wanted.
    async fn read(
        &self,
        response: Response<Incoming>,
        connection: Connection,
        room: usize,
    ) -> Result<Vec<u8>, Failure> {
        let mut body = response.into_body();
        let mut bytes = Vec::new();
        while let Some(frame) = poll_fn(|cx| Pin::new(&mut body).poll_frame(cx)).await {
            let Ok(data) = frame.map_err(wrong)?.into_data() else { continue };
            if data.len() > room - bytes.len() {
                return Err("answers more than there is room for".to_owned().into());
            }
            bytes.extend_from_slice(&data);
        }
        if self.keeps {
            *self.kept.lock().unwrap_or_else(PoisonError::into_inner) = Some(connection);
        }
        Ok(bytes)
    }

    async fn connect(&self) -> Result<Connection, String> {
        let stream = self.stream().await?;
        let Some((name, trust)) = &self.tls else { return handshake(stream).await };
        let secured = TlsConnector::from(trust.config().await).connect(name.clone(), stream).await;
        handshake(secured.map_err(|why| format!("is not trusted: {why}"))?).await
    }

    async fn stream(&self) -> Result<TcpStream, String> {
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

impl fmt::Debug for Client {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Client").field("host", &self.host).field("port", &self.port).finish_non_exhaustive()
    }
}

fn wrong(why: hyper::Error) -> String {
    format!("does not speak HTTP as it should: {why}")
}

fn status(response: &Response<Incoming>) -> Failure {
    let status = response.status().as_u16();
    Failure { status: Some(status), why: format!("answers {status}") }
}

async fn handshake<I>(io: I) -> Result<Connection, String>
where
    I: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    let mut builder = http1::Builder::new();
    builder.max_headers(MAX_HEADERS).max_buf_size(MAX_HEAD_BYTES);
    let (sender, connection) = builder.handshake(TokioIo::new(io)).await.map_err(wrong)?;
    let mut driver = JoinSet::new();
    driver.spawn(connection);
    Ok(Connection { sender, _driver: driver })
}

#[cfg(test)]
mod tests;

//! A small server for the routes: one thread, bounded in time, size and connections, so that no client can hold it up for others.

use super::answer::error_json;
use super::counts::{Counts, ServerCounts};
use super::endpoint::Endpoint;
use super::error::ServeError;
use super::limits::Limits;
#[cfg(feature = "tls")]
use super::tls::Tls;
use crate::handle::PullCacheHandle;
use axum::Router;
use hyper::server::conn::http1;
use hyper::service::{Service, service_fn};
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::service::TowerToHyperService;
use socket2::SockRef;
use std::convert::Infallible;
use std::error::Error;
use std::fmt;
use std::future::poll_fn;
use std::io;
use std::net::{Ipv4Addr, Shutdown, SocketAddr, SocketAddrV4};
use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;
use std::thread::{self, JoinHandle};
use std::time::{Duration, SystemTime, UNIX_EPOCH};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::runtime;
use tokio::sync::{Semaphore, oneshot};
use tokio::task::JoinSet;
use tokio::time;
use tokio_io_timeout::TimeoutStream;

/// Where the endpoint stands unless told otherwise: `127.0.0.1:9620`, which this machine alone can reach.
pub const DEFAULT_ADDRESS: SocketAddr = SocketAddr::V4(SocketAddrV4::new(Ipv4Addr::LOCALHOST, 9620));

const MAX_HEADERS: usize = 64;
/// How much of an answer the system holds for a client, at most twice this. Left to itself it holds megabytes.
const SEND_BUFFER: usize = 128 << 10;
/// For work that takes long; started when there is some, and ended when there was none for ten seconds.
const HEAVY_THREADS: usize = 1;
/// How long to wait when the system has no more file descriptors.
const ACCEPT_AGAIN: Duration = Duration::from_millis(100);
/// How long, and how much, is still read from a client after its answer. A connection closed on unread bytes is reset, and the client
/// would not see the answer that says what was wrong with them.
const LINGER: Duration = Duration::from_secs(1);
const LINGER_BYTES: usize = 4 << 20;

/// A running endpoint. Dropping it stops it and closes its connections.
#[must_use = "the endpoint stops when this is dropped"]
pub struct Server {
    address: SocketAddr,
    counts: Arc<Counts>,
    stop: Option<oneshot::Sender<Infallible>>,
    thread: Option<JoinHandle<()>>,
    /// Where the thread is.
    process: u32,
}

/// What a server is started with.
pub(super) struct Start {
    pub(super) address: SocketAddr,
    pub(super) router: Router,
    pub(super) limits: Limits,
    pub(super) counts: Arc<Counts>,
    #[cfg(feature = "tls")]
    pub(super) tls: Option<Tls>,
}

/// Starts an endpoint on a thread of its own, with everything else as [`Endpoint`] has it by default.
///
/// # Errors
/// [`ServeError`]: the address cannot be bound, other machines can reach it, or the system gives no thread.
///
/// ```
/// use ferrometer_pull_cache::{PullCacheBackend, Settings, serve};
/// use std::io::{Read, Write};
///
/// let backend = PullCacheBackend::new(Settings::default());
/// let server = serve("127.0.0.1:0".parse()?, backend.handle())?;
///
/// let mut client = std::net::TcpStream::connect(server.local_addr())?;
/// client.write_all(b"GET /v1/metrics HTTP/1.1\r\nHost: localhost\r\n\r\n")?;
/// let mut answer = String::new();
/// client.read_to_string(&mut answer)?;
/// assert!(answer.starts_with("HTTP/1.1 200 OK\r\n"));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub fn serve(address: SocketAddr, handle: PullCacheHandle) -> Result<Server, ServeError> {
    Endpoint::new(handle).address(address).serve()
}

impl Server {
    pub(super) fn start(start: Start) -> Result<Server, ServeError> {
        let bind = |cause| ServeError::Bind { address: start.address, cause };
        let listener = std::net::TcpListener::bind(start.address).map_err(bind)?;
        listener.set_nonblocking(true).map_err(bind)?;
        // Its connections inherit it.
        SockRef::from(&listener).set_send_buffer_size(SEND_BUFFER).map_err(bind)?;
        let address = listener.local_addr().map_err(bind)?;
        let socket = listener.try_clone().map_err(bind)?;
        let runtime = runtime::Builder::new_current_thread()
            .enable_io()
            .enable_time()
            .max_blocking_threads(HEAVY_THREADS)
            .thread_name("ferrometer-http")
            .build()
            .map_err(ServeError::Thread)?;
        let listener = {
            let _inside = runtime.enter();
            TcpListener::from_std(listener).map_err(bind)?
        };
        let counts = Arc::clone(&start.counts);
        let (stop, stopped) = oneshot::channel();
        let run = move || {
            runtime.spawn(accept(listener, Arc::new(start)));
            // An error says that the server was dropped; its connections go with the runtime.
            let _ = runtime.block_on(stopped);
            // A child made by `fork` has the socket too. As long as it lives, the system would go on taking connections, which nobody answers.
            let _ = SockRef::from(&socket).shutdown(Shutdown::Both);
        };
        let thread = thread::Builder::new().name("ferrometer-http".into()).spawn(run).map_err(ServeError::Thread)?;
        Ok(Server { address, counts, stop: Some(stop), thread: Some(thread), process: std::process::id() })
    }

    /// Where it listens; with port 0 in the address asked for, the port that was given.
    #[must_use]
    pub fn local_addr(&self) -> SocketAddr {
        self.address
    }

    /// What it has seen so far.
    #[must_use]
    pub fn counts(&self) -> ServerCounts {
        self.counts.read()
    }
}

/// Serves for ever.
async fn accept(listener: TcpListener, start: Arc<Start>) {
    let limits = start.limits;
    let places = Arc::new(Semaphore::new(limits.max_connections));
    let mut connections = JoinSet::new();
    loop {
        let Ok(place) = Arc::clone(&places).acquire_owned().await else { return };
        while connections.try_join_next().is_some() {}
        let Ok((stream, _)) = listener.accept().await else {
            time::sleep(ACCEPT_AGAIN).await;
            continue;
        };
        Counts::add(&start.counts.connections);
        let open = limits.max_connections - places.available_permits();
        start.counts.most_connections.fetch_max(open as u64, Relaxed);
        let start = Arc::clone(&start);
        connections.spawn(async move {
            if time::timeout(limits.answer_timeout, connection(stream, &start)).await.is_err() {
                Counts::add(&start.counts.too_slow);
            }
            drop(place);
        });
    }
}

/// From the first byte to the last. A client that breaks off, sends nonsense or is too slow is no concern of others.
async fn connection(stream: TcpStream, start: &Start) {
    let mut stream = TimeoutStream::new(stream);
    stream.set_write_timeout(Some(start.limits.write_timeout));
    let stream = Box::pin(stream);
    #[cfg(feature = "tls")]
    if let Some(tls) = &start.tls {
        match time::timeout(start.limits.header_timeout, tls.acceptor().accept(stream)).await {
            Ok(Ok(stream)) => talk(stream, start).await,
            Ok(Err(_)) | Err(_) => Counts::add(&start.counts.handshakes),
        }
        return;
    }
    talk(stream, start).await;
}

/// One request, one answer.
async fn talk<I: AsyncRead + AsyncWrite + Unpin>(io: I, start: &Start) {
    let limits = start.limits;
    if !can_be_dated(SystemTime::now()) {
        let mut io = io;
        let why = "the system's clock stands before 1970 or after 9999, where an HTTP answer can have no date";
        if io.write_all(&whole("503 Service Unavailable", why)).await.is_ok() {
            close(io).await;
        }
        return;
    }
    let routes = TowerToHyperService::new(start.router.clone());
    let service = service_fn(move |request| Box::pin(routes.call(request)));
    let mut connection = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(limits.header_timeout)
        .keep_alive(false)
        // Twice what is allowed, so that most who send more are told so by the guard; at least what hyper needs.
        .max_buf_size((2 * (limits.max_header_bytes + limits.max_query_bytes)).max(16 << 10))
        .max_headers(MAX_HEADERS)
        .serve_connection(TokioIo::new(io), service);
    let end = poll_fn(|cx| connection.poll_without_shutdown(cx)).await;
    let mut io = connection.into_parts().io.into_inner();
    match end {
        Ok(()) => {}
        Err(error) if error.is_parse() => Counts::add(&start.counts.malformed),
        Err(error) if error.is_timeout() => {
            Counts::add(&start.counts.too_slow);
            let seconds = limits.header_timeout.as_secs_f64();
            let why = format!("no whole request came within {seconds} s");
            if io.write_all(&whole("408 Request Timeout", &why)).await.is_err() {
                return;
            }
        }
        Err(error) => {
            let cause = error.source().and_then(|cause| cause.downcast_ref::<io::Error>());
            if cause.is_some_and(|cause| cause.kind() == io::ErrorKind::TimedOut) {
                Counts::add(&start.counts.too_slow);
            }
            return;
        }
    }
    close(io).await;
}

/// An answer without hyper.
fn whole(status: &str, why: &str) -> Vec<u8> {
    let body = error_json(why);
    let head = format!(
        "HTTP/1.1 {status}\r\ncontent-type: application/json\r\ncontent-length: {}\r\nconnection: close\r\n\r\n",
        body.len()
    );
    [head.as_bytes(), &body].concat()
}

/// Whether a date of HTTP can say this: hyper panics when it cannot.
fn can_be_dated(now: SystemTime) -> bool {
    /// The first second of the year 10000.
    const TOO_LATE: u64 = 253_402_300_800;
    now.duration_since(UNIX_EPOCH).is_ok_and(|since| since.as_secs() < TOO_LATE)
}

/// The client may be gone already.
async fn close(mut io: impl AsyncRead + AsyncWrite + Unpin) {
    if io.shutdown().await.is_ok() {
        let _ = time::timeout(LINGER, drain(io)).await;
    }
}

/// Reads what still comes, until the client closes.
async fn drain(mut io: impl AsyncRead + Unpin) {
    let mut buffer = [0; 4096];
    let mut left = LINGER_BYTES;
    while left > 0 {
        match io.read(&mut buffer).await {
            Ok(0) | Err(_) => return,
            Ok(read) => left = left.saturating_sub(read),
        }
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let (stop, thread) = (self.stop.take(), self.thread.take());
        if self.process != std::process::id() {
            // In the child of a fork the thread does not exist; it can be neither woken nor waited for.
            std::mem::forget((stop, thread));
            return;
        }
        drop(stop);
        if let Some(thread) = thread {
            let _ = thread.join();
        }
    }
}

impl fmt::Debug for Server {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Server").field("address", &self.address).finish_non_exhaustive()
    }
}

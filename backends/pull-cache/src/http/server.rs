//! A small server for the routes: one thread, bounded in time, size and connections, so that no client can hold it up for others.

use super::router;
use crate::handle::PullCacheHandle;
use hyper::server::conn::http1;
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::service::TowerToHyperService;
use std::convert::Infallible;
use std::fmt;
use std::io;
use std::net::{Ipv4Addr, SocketAddr, SocketAddrV4};
use std::sync::Arc;
use std::thread::{self, JoinHandle};
use std::time::Duration;
use tokio::net::TcpListener;
use tokio::runtime;
use tokio::sync::{Semaphore, oneshot};
use tokio::task::JoinSet;
use tokio::time;

/// Where the endpoint stands unless told otherwise: `127.0.0.1:9620`, which this machine alone can reach.
pub const DEFAULT_ADDRESS: SocketAddr = SocketAddr::V4(SocketAddrV4::new(Ipv4Addr::LOCALHOST, 9620));

/// Further connections wait in the kernel until one of these ends.
const MAX_CONNECTIONS: usize = 128;
/// How long a client may take to send its request line and headers.
const HEADERS_WITHIN: Duration = Duration::from_secs(5);
/// How long a connection lives, its answer included.
const ANSWER_WITHIN: Duration = Duration::from_secs(60);
/// The request line and the headers together, in bytes.
const MAX_HEAD: usize = 16 << 10;
const MAX_HEADERS: usize = 64;
/// How long to wait when the system has no more file descriptors.
const ACCEPT_AGAIN: Duration = Duration::from_millis(100);

/// A running endpoint. Dropping it stops it and closes its connections.
#[must_use = "the endpoint stops when this is dropped"]
pub struct Server {
    address: SocketAddr,
    stop: Option<oneshot::Sender<Infallible>>,
    thread: Option<JoinHandle<()>>,
}

/// Starts an endpoint for the [routes](router) on a thread of its own.
///
/// There is no authentication: bind to [`DEFAULT_ADDRESS`], or another loopback address, unless everyone who can reach the address
/// may read every metric, its names and labels.
///
/// At most 128 clients are served at a time, one request each. A client has 5 s to send at most 16 KiB of request line and headers
/// (64 of them), and 60 s in all.
///
/// # Errors
/// When the address cannot be bound, or the system gives no thread.
///
/// ```
/// use ferrometer_pull_cache::{PullCacheBackend, Settings, serve};
/// use std::io::{Read, Write};
///
/// let backend = PullCacheBackend::new(Settings::default());
/// let server = serve("127.0.0.1:0".parse().unwrap(), backend.handle())?;
///
/// let mut client = std::net::TcpStream::connect(server.local_addr())?;
/// client.write_all(b"GET /v1/metrics HTTP/1.1\r\nHost: localhost\r\n\r\n")?;
/// let mut answer = String::new();
/// client.read_to_string(&mut answer)?;
/// assert!(answer.starts_with("HTTP/1.1 200 OK\r\n"));
/// # Ok::<(), std::io::Error>(())
/// ```
pub fn serve(address: SocketAddr, handle: PullCacheHandle) -> io::Result<Server> {
    let listener = std::net::TcpListener::bind(address)?;
    listener.set_nonblocking(true)?;
    let address = listener.local_addr()?;
    let runtime = runtime::Builder::new_current_thread().enable_io().enable_time().build()?;
    let listener = {
        let _inside = runtime.enter();
        TcpListener::from_std(listener)?
    };
    let (stop, stopped) = oneshot::channel();
    let thread = thread::Builder::new().name("ferrometer-http".into()).spawn(move || {
        runtime.spawn(accept(listener, handle));
        // An error says that the server was dropped; its connections go with the runtime.
        let _ = runtime.block_on(stopped);
    })?;
    Ok(Server { address, stop: Some(stop), thread: Some(thread) })
}

/// Serves for ever.
async fn accept(listener: TcpListener, handle: PullCacheHandle) {
    let service = TowerToHyperService::new(router(handle));
    let mut builder = http1::Builder::new();
    builder
        .timer(TokioTimer::new())
        .header_read_timeout(HEADERS_WITHIN)
        .keep_alive(false)
        .max_buf_size(MAX_HEAD)
        .max_headers(MAX_HEADERS);
    let places = Arc::new(Semaphore::new(MAX_CONNECTIONS));
    let mut connections = JoinSet::new();
    loop {
        let Ok(place) = Arc::clone(&places).acquire_owned().await else { return };
        while connections.try_join_next().is_some() {}
        let Ok((stream, _)) = listener.accept().await else {
            time::sleep(ACCEPT_AGAIN).await;
            continue;
        };
        let connection = builder.serve_connection(TokioIo::new(stream), service.clone());
        connections.spawn(async move {
            // A client that breaks off, sends nonsense or is too slow is no concern of ours.
            let _ = time::timeout(ANSWER_WITHIN, connection).await;
            drop(place);
        });
    }
}

impl Server {
    /// Where it listens; with port 0 in the address asked for, the port that was given.
    #[must_use]
    pub fn local_addr(&self) -> SocketAddr {
        self.address
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        drop(self.stop.take());
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

impl fmt::Debug for Server {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Server").field("address", &self.address).finish_non_exhaustive()
    }
}

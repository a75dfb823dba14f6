//! A small server: one thread, bounded in time, size and connections, so that no client can hold it up for others. Its end is bounded too:
//! the caller that stops it waits for its thread for a while and no longer.

use crate::connection::{self, Crowd};
use crate::error::ServeError;
use crate::mark::{Marked, mark};
use crate::start::Start;
use crate::stats::{ServerCounts, Stats};
use socket2::SockRef;
use std::fmt;
use std::future::{Future, poll_fn};
use std::net::{Shutdown, SocketAddr};
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;
use std::task::Poll;
use std::thread::{self, JoinHandle};
use std::time::Duration;
use tokio::net::TcpListener;
use tokio::runtime;
use tokio::sync::{OwnedSemaphorePermit, Semaphore, oneshot};
use tokio::time;

/// How much of an answer the system holds for a client, at most twice this. Left to itself it holds megabytes.
const SEND_BUFFER: usize = 128 << 10;
/// How long to wait when the system has no more file descriptors.
const ACCEPT_AGAIN: Duration = Duration::from_millis(100);

/// How long dropping a server waits for its thread, and the thread for work in progress.
const DROP_TIMEOUT: Duration = Duration::from_secs(2);

/// A task of the server. All are of one type: tokio's code for a task is compiled for each.
type Task = Pin<Box<dyn Future<Output = ()> + Send>>;

/// A running server. Dropping it stops it and closes its connections; that takes two seconds at most, and a moment unless a handler holds up
/// the thread that serves. [`stop`](Server::stop) waits as long as it is told.
#[must_use = "the server stops when this is dropped"]
pub struct Server {
    address: SocketAddr,
    stats: Arc<Stats>,
    /// Takes how long answers in progress may still take.
    stop: Option<oneshot::Sender<Duration>>,
    thread: Option<JoinHandle<()>>,
    /// Set when the thread has ended, or is about to.
    ended: Marked,
    /// The listener's socket, to be shut when the thread is held up; `None` where it is somebody else's too.
    socket: Option<std::net::TcpListener>,
    /// Where the thread is.
    process: u32,
}

impl Server {
    pub(crate) fn start(mut start: Start) -> Result<Server, ServeError> {
        let bind_address = start.address;
        let bind = |cause| ServeError::Bind { address: bind_address, cause };
        let given = start.listener.take();
        let is_ours = given.is_none();
        let listener = given.map_or_else(|| std::net::TcpListener::bind(bind_address), Ok).map_err(bind)?;
        listener.set_nonblocking(true).map_err(bind)?;
        // Its connections inherit it.
        SockRef::from(&listener).set_send_buffer_size(SEND_BUFFER).map_err(bind)?;
        let address = listener.local_addr().map_err(bind)?;
        let ours = || if is_ours { listener.try_clone().map(Some) } else { Ok(None) };
        let (socket, shut) = (ours().map_err(bind)?, ours().map_err(bind)?);
        let runtime = runtime::Builder::new_current_thread()
            .enable_io()
            .enable_time()
            // Started when there is work, and ended when there was none for ten seconds.
            .max_blocking_threads(start.limits.offload_threads)
            .thread_name("ferrometer-http")
            .build()
            .map_err(ServeError::Thread)?;
        let listener = {
            let _inside = runtime.enter();
            TcpListener::from_std(listener).map_err(bind)?
        };
        let stats = Arc::clone(&start.stats);
        let (stop, stopped) = oneshot::channel();
        let ((begin, begun), (end, ended)) = (mark(), mark());
        let run = move || {
            let _end = end;
            drop(begin);
            let crowd = Arc::new(Crowd::default());
            let task: Task = Box::pin(accept(listener, Arc::new(start), Arc::clone(&crowd)));
            let accepting = runtime.spawn(task);
            runtime.block_on(async {
                // An error says that the server was dropped; its connections go with the runtime.
                if let Ok(within) = stopped.await {
                    crowd.over.notify_one();
                    // Connections that are not at their end by then go with the runtime too.
                    let _ = time::timeout(within, accepting).await;
                }
            });
            // A child made by `fork` has the socket too. As long as it lives, the system would go on taking connections, which nobody answers.
            if let Some(socket) = socket {
                let _ = SockRef::from(&socket).shutdown(Shutdown::Both);
            }
            // Work on other threads is waited for, but not for ever.
            runtime.shutdown_timeout(DROP_TIMEOUT);
        };
        let thread = thread::Builder::new().name("ferrometer-http".into()).spawn(run).map_err(ServeError::Thread)?;
        // A program that forks next must not do so while a thread is half born.
        begun.within(Duration::MAX);
        let (stop, thread, process) = (Some(stop), Some(thread), std::process::id());
        Ok(Server { address, stats, stop, thread, ended, socket: shut, process })
    }

    /// Stops the server and closes its connections. Returns `false` when its thread did not end within `timeout`, because a handler holds it
    /// up: the thread then ends by itself when the handler returns, and nothing listens any more.
    pub fn stop(mut self, timeout: Duration) -> bool {
        self.end(timeout)
    }

    /// Frees the port in the child of a fork, which has the socket of its parent: connections that nobody answers are refused from then on. For a child whose
    /// parent has ended; in the process that made the server, nothing happens.
    pub fn shut_inherited(&self) {
        if self.process != std::process::id()
            && let Some(socket) = &self.socket
        {
            let _ = SockRef::from(socket).shutdown(Shutdown::Both);
        }
    }

    /// Returns where it listens; with port 0 in the address asked for, the port that was given.
    #[must_use]
    pub fn local_addr(&self) -> SocketAddr {
        self.address
    }

    /// Takes no more connections, lets answers in progress come to their end, at most for this long, and then stops. Idle connections are
    /// closed at once. Returns what the server has seen.
    pub fn finish(mut self, within: Duration) -> ServerCounts {
        if let Some(stop) = self.stop.take() {
            if self.process == std::process::id() {
                let _ = stop.send(within);
            } else {
                std::mem::forget(stop);
            }
        }
        self.end(within.saturating_add(DROP_TIMEOUT));
        self.counts()
    }

    /// Returns what it has seen so far.
    #[must_use]
    pub fn counts(&self) -> ServerCounts {
        self.stats.read()
    }
}

/// Serves until no more connections are to be taken, and those that there are have ended.
async fn accept(listener: TcpListener, start: Arc<Start>, crowd: Arc<Crowd>) {
    let limits = start.limits;
    let places = Arc::new(Semaphore::new(limits.max_connections));
    let mut over = pin!(crowd.over.notified());
    loop {
        let next = async {
            let place = place(&places, &crowd).await?;
            let accepted = listener.accept().await;
            if accepted.is_err() {
                time::sleep(ACCEPT_AGAIN).await;
            }
            Some((place, accepted.ok()))
        };
        let mut next = pin!(next);
        let next = poll_fn(|cx| match over.as_mut().poll(cx) {
            Poll::Ready(()) => Poll::Ready(None),
            Poll::Pending => next.as_mut().poll(cx),
        });
        let Some((place, accepted)) = next.await else { break };
        let Some((stream, _)) = accepted else { continue };
        Stats::add(&start.stats.connections);
        let open = limits.max_connections - places.available_permits();
        start.stats.most_connections.fetch_max(open as u64, Relaxed);
        let (start, crowd) = (Arc::clone(&start), Arc::clone(&crowd));
        let task: Task = Box::pin(async move {
            connection::serve(stream, &start, &crowd).await;
            drop(place);
        });
        tokio::spawn(task);
    }
    drop(listener);
    crowd.begin();
    // Every connection has given its place back when all places are there.
    let _ = places.acquire_many(u32::try_from(limits.max_connections).unwrap_or(u32::MAX)).await;
}

/// A place for one more connection. Where there is none, idle connections make room.
async fn place(places: &Arc<Semaphore>, crowd: &Crowd) -> Option<OwnedSemaphorePermit> {
    if let Ok(place) = Arc::clone(places).try_acquire_owned() {
        return Some(place);
    }
    crowd.begin();
    let place = Arc::clone(places).acquire_owned().await.ok();
    crowd.end();
    place
}

impl Server {
    fn end(&mut self, timeout: Duration) -> bool {
        let (stop, thread) = (self.stop.take(), self.thread.take());
        if self.process != std::process::id() {
            // In the child of a fork the thread does not exist; it can be neither woken nor waited for.
            std::mem::forget((stop, thread));
            return true;
        }
        drop(stop);
        let Some(thread) = thread else { return true };
        if !self.ended.within(timeout) {
            // The port is free for another server all the same.
            if let Some(socket) = &self.socket {
                let _ = SockRef::from(socket).shutdown(Shutdown::Both);
            }
            return false;
        }
        let _ = thread.join();
        true
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.end(DROP_TIMEOUT);
    }
}

impl fmt::Debug for Server {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Server").field("address", &self.address).finish_non_exhaustive()
    }
}

//! The sockets of a statsd daemon: a thread for each, one for each connection, and one that flushes.

use super::Statsd;
use super::counts::StatsdCause;
use ferrometer_archive::time::now;
use ferrometer_archive::{Error, Nanos};
use std::io::{self, ErrorKind, Read};
use std::net::{TcpListener, TcpStream, UdpSocket};
#[cfg(unix)]
use std::os::unix::net::{UnixDatagram, UnixListener, UnixStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::mpsc::sync_channel;
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

/// The longest that a thread does not look whether it is to end.
const LOOK: Duration = Duration::from_millis(100);
/// A connection that says nothing for so long is closed.
const IDLE: Duration = Duration::from_secs(600);
/// The longest line, and datagram.
const LONGEST: usize = 65_535;
/// Most handfuls of datagrams that wait to be read, each of at most twice the longest: 32 MiB in all.
const HANDED: usize = 256;
/// The buffer that the system is asked for, so that a burst of datagrams finds room while a flush is made. It gives what it allows.
const BUFFER: usize = 8 << 20;

/// A socket that statsd lines come from.
#[derive(Debug)]
#[non_exhaustive]
pub enum StatsdSocket {
    /// Datagrams over UDP.
    Udp(UdpSocket),
    /// Connections over TCP, with lines that end with a line feed.
    Tcp(TcpListener),
    /// Datagrams to a Unix socket.
    #[cfg(unix)]
    UnixDatagram(UnixDatagram),
    /// Connections to a Unix socket.
    #[cfg(unix)]
    UnixStream(UnixListener),
}

/// A daemon that hears its sockets; dropping it ends that, and flushes.
pub struct Listening {
    stopped: Arc<AtomicBool>,
    readers: Vec<JoinHandle<()>>,
    /// Ends behind the readers, and flushes what they took.
    flusher: Option<(Arc<AtomicBool>, JoinHandle<()>)>,
}

impl Drop for Listening {
    fn drop(&mut self) {
        self.stopped.store(true, Ordering::Relaxed);
        for reader in self.readers.drain(..) {
            let _ = reader.join();
        }
        if let Some((ended, thread)) = self.flusher.take() {
            ended.store(true, Ordering::Relaxed);
            thread.thread().unpark();
            let _ = thread.join();
        }
    }
}

/// State that the threads of a daemon share.
#[derive(Clone)]
struct Shared {
    statsd: Arc<Statsd>,
    stopped: Arc<AtomicBool>,
    connections: Arc<AtomicUsize>,
}

impl Shared {
    fn is_stopped(&self) -> bool {
        self.stopped.load(Ordering::Relaxed)
    }
}

/// Hears sockets until the guard is dropped.
pub(super) fn listen(statsd: Arc<Statsd>, sockets: Vec<StatsdSocket>) -> Result<Listening, Error> {
    let shared = Shared { statsd, stopped: Arc::default(), connections: Arc::default() };
    let mut listening = Listening { stopped: Arc::clone(&shared.stopped), readers: Vec::new(), flusher: None };
    for socket in sockets {
        let shared = shared.clone();
        let mut spawn = |run: Box<dyn FnOnce() + Send>| -> Result<(), Error> {
            listening.readers.push(ferrometer_threads::spawn("statsd", run)?);
            Ok(())
        };
        match socket {
            StatsdSocket::Udp(socket) => {
                socket.set_read_timeout(Some(LOOK))?;
                // Less is no error: the system has a limit of its own.
                let _ = socket2::SockRef::from(&socket).set_recv_buffer_size(BUFFER);
                spawn(Box::new(move || datagrams(&shared, |buffer| socket.recv(buffer))))?;
            }
            StatsdSocket::Tcp(listener) => {
                listener.set_nonblocking(true)?;
                spawn(Box::new(move || {
                    connections(&shared, || {
                        let (stream, _) = listener.accept()?;
                        ready(&stream, |stream| stream.set_nonblocking(false), TcpStream::set_read_timeout)?;
                        Ok(Box::new(stream) as _)
                    });
                }))?;
            }
            #[cfg(unix)]
            StatsdSocket::UnixDatagram(socket) => {
                socket.set_read_timeout(Some(LOOK))?;
                let _ = socket2::SockRef::from(&socket).set_recv_buffer_size(BUFFER);
                spawn(Box::new(move || datagrams(&shared, |buffer| socket.recv(buffer))))?;
            }
            #[cfg(unix)]
            StatsdSocket::UnixStream(listener) => {
                listener.set_nonblocking(true)?;
                spawn(Box::new(move || {
                    connections(&shared, || {
                        let (stream, _) = listener.accept()?;
                        ready(&stream, |stream| stream.set_nonblocking(false), UnixStream::set_read_timeout)?;
                        Ok(Box::new(stream) as _)
                    });
                }))?;
            }
        }
    }
    let (ended, statsd) = (Arc::new(AtomicBool::new(false)), Arc::clone(&shared.statsd));
    let end = Arc::clone(&ended);
    let thread = ferrometer_threads::spawn("statsd-flush", move || flushes(&statsd, &end))?;
    listening.flusher = Some((ended, thread));
    Ok(listening)
}

fn ready<S>(
    stream: &S,
    block: impl Fn(&S) -> io::Result<()>,
    timeout: impl Fn(&S, Option<Duration>) -> io::Result<()>,
) -> io::Result<()> {
    block(stream)?;
    timeout(stream, Some(LOOK))
}

/// Datagrams on their way from the thread that receives them to the one that reads them.
#[derive(Default)]
struct Received {
    bytes: Vec<u8>,
    /// Where each ends.
    ends: Vec<usize>,
    /// When the first came.
    at: Nanos,
}

/// Receives datagrams and does nothing else, so that the system's buffer does not overflow while lines are read: another thread does that.
fn datagrams(shared: &Shared, receive: impl Fn(&mut [u8]) -> io::Result<usize>) {
    let is_idle = &AtomicBool::new(true);
    let (sender, receiver) = sync_channel::<Received>(HANDED);
    thread::scope(|scope| {
        scope.spawn(move || {
            loop {
                is_idle.store(true, Ordering::Relaxed);
                let Ok(received) = receiver.recv() else { return };
                is_idle.store(false, Ordering::Relaxed);
                let mut from = 0;
                for end in &received.ends {
                    shared.statsd.receive(&received.bytes[from..*end], received.at);
                    from = *end;
                }
            }
        });
        let sender = sender;
        let mut buffer = vec![0; LONGEST + 1];
        let mut received = Received::default();
        while !shared.is_stopped() {
            let came = receive(&mut buffer);
            match &came {
                Ok(length) => {
                    if received.ends.is_empty() {
                        received.at = now();
                    }
                    received.bytes.extend_from_slice(&buffer[..*length]);
                    received.ends.push(received.bytes.len());
                }
                Err(error) if is_pause(error) => {}
                // A refusal of a client's host says nothing about this socket.
                Err(_) => thread::sleep(Duration::from_millis(10)),
            }
            let is_due = came.is_err() || is_idle.load(Ordering::Relaxed) || received.bytes.len() > LONGEST;
            if is_due && !received.ends.is_empty() && sender.send(std::mem::take(&mut received)).is_err() {
                return;
            }
        }
        if !received.ends.is_empty() {
            let _ = sender.send(received);
        }
    });
}

fn is_pause(error: &io::Error) -> bool {
    matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut | ErrorKind::Interrupted)
}

type Stream = Box<dyn Read + Send>;

fn connections(shared: &Shared, accept: impl Fn() -> io::Result<Stream>) {
    let mut threads: Vec<JoinHandle<()>> = Vec::new();
    while !shared.is_stopped() {
        match accept() {
            Ok(stream) => {
                threads.retain(|thread| !thread.is_finished());
                if shared.connections.fetch_add(1, Ordering::Relaxed) >= shared.statsd.settings.connections {
                    shared.connections.fetch_sub(1, Ordering::Relaxed);
                    shared.statsd.refused_connection();
                    continue;
                }
                let own = shared.clone();
                let run = move || {
                    connection(&own, stream);
                    own.connections.fetch_sub(1, Ordering::Relaxed);
                };
                match ferrometer_threads::spawn("statsd-stream", run) {
                    Ok(thread) => threads.push(thread),
                    Err(_) => {
                        shared.connections.fetch_sub(1, Ordering::Relaxed);
                        shared.statsd.refused_connection();
                    }
                }
            }
            Err(error) if is_pause(&error) => thread::sleep(LOOK / 10),
            // No descriptor is left, for example.
            Err(_) => thread::sleep(LOOK),
        }
    }
    for thread in threads {
        let _ = thread.join();
    }
}

fn connection(shared: &Shared, mut stream: Stream) {
    let mut buffer = vec![0; LONGEST + 1];
    let (mut filled, mut skips) = (0, false);
    let mut heard = Instant::now();
    while !shared.is_stopped() && heard.elapsed() < IDLE {
        match stream.read(&mut buffer[filled..]) {
            Ok(0) => break,
            Ok(length) => {
                heard = Instant::now();
                filled += length;
            }
            Err(error) if is_pause(&error) => continue,
            Err(_) => break,
        }
        if let Some(end) = buffer[..filled].iter().rposition(|byte| *byte == b'\n') {
            let mut whole = &buffer[..end];
            if skips {
                // The rest of a line that was too long.
                let behind = whole.iter().position(|byte| *byte == b'\n').map_or(whole.len(), |at| at + 1);
                whole = &whole[behind..];
                skips = false;
            }
            shared.statsd.receive_lines(whole, now());
            buffer.copy_within(end + 1..filled, 0);
            filled -= end + 1;
        } else if filled == buffer.len() {
            if !skips {
                shared.statsd.unreadable(StatsdCause::Long, &buffer);
            }
            (filled, skips) = (0, true);
        }
    }
    // A last line needs no end.
    if filled > 0 && !skips {
        shared.statsd.receive_lines(&buffer[..filled], now());
    }
}

fn flushes(statsd: &Statsd, ended: &AtomicBool) {
    let mut flushed = Instant::now();
    while !ended.load(Ordering::Relaxed) {
        let next = flushed + statsd.settings.flush;
        thread::park_timeout(next.saturating_duration_since(Instant::now()).min(LOOK));
        if Instant::now() >= next {
            flushed = Instant::now();
            flush(statsd);
        }
    }
    flush(statsd);
}

fn flush(statsd: &Statsd) {
    if let Err(error) = statsd.flush(now()) {
        tracing::warn!(%error, "the archive did not take the measures of a statsd flush");
    }
}

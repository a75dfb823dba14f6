//! Sockets that statsd lines come on, and go to: UDP, TCP, and Unix sockets of both kinds.
//!
//! A listener has a thread; each connection of a stream has one more, and there are at most [`MAX_CONNECTIONS`]. A line of a stream may have as
//! many bytes as a datagram.

use std::fmt;
use std::io::{self, ErrorKind, Read};
use std::net::{SocketAddr, TcpListener, TcpStream, ToSocketAddrs, UdpSocket};
use std::os::unix::fs::FileTypeExt;
use std::os::unix::net::{UnixDatagram, UnixListener, UnixStream};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering::Relaxed};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

/// Bytes of the largest datagram, and of the longest line of a stream.
const LONGEST: usize = 65_536;
/// Connections at a time; further ones are closed.
const MAX_CONNECTIONS: usize = 256;
/// How often a thread looks whether it is to end.
const LOOK: Duration = Duration::from_millis(100);
/// How long a connection may say nothing.
const IDLE: Duration = Duration::from_secs(600);

/// Where lines come, or go to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Address {
    Udp(String),
    Tcp(String),
    /// A Unix socket for datagrams.
    Unix(PathBuf),
    /// A Unix socket for streams.
    UnixStream(PathBuf),
}

impl Address {
    /// Reads `8125`, `HOST:PORT`, `udp://HOST:PORT`, `tcp://HOST:PORT`, `unix:PATH`, `unix-stream:PATH`, or a path.
    pub(crate) fn parse(text: &str) -> Result<Address, String> {
        let wrong = || {
            let shown = crate::text::visible(text);
            format!(
                "{shown:?} is no address: expected PORT, HOST:PORT, udp://HOST:PORT, tcp://HOST:PORT, unix:PATH or unix-stream:PATH"
            )
        };
        let place = |text: &str| {
            let text =
                if text.bytes().all(|b| b.is_ascii_digit()) { format!("127.0.0.1:{text}") } else { text.to_owned() };
            let (host, port) = text.rsplit_once(':').ok_or_else(wrong)?;
            let has_port = port.parse::<u16>().is_ok();
            if host.is_empty() || host.contains('/') || !has_port { Err(wrong()) } else { Ok(text) }
        };
        let path = |text: &str| if text.is_empty() { Err(wrong()) } else { Ok(PathBuf::from(text)) };
        if let Some(rest) = text.strip_prefix("udp://") {
            place(rest).map(Address::Udp)
        } else if let Some(rest) = text.strip_prefix("tcp://") {
            place(rest).map(Address::Tcp)
        } else if let Some(rest) = text.strip_prefix("unix-stream:") {
            path(rest.strip_prefix("//").unwrap_or(rest)).map(Address::UnixStream)
        } else if let Some(rest) = text.strip_prefix("unix:") {
            path(rest.strip_prefix("//").unwrap_or(rest)).map(Address::Unix)
        } else if text.starts_with(['/', '.']) {
            path(text).map(Address::Unix)
        } else {
            place(text).map(Address::Udp)
        }
    }

    /// Opens a socket that hears.
    pub(crate) fn bind(&self) -> io::Result<Bound> {
        Ok(match self {
            Address::Udp(place) => Bound::Udp(UdpSocket::bind(place)?),
            Address::Tcp(place) => Bound::Tcp(TcpListener::bind(place)?),
            Address::Unix(path) => Bound::Unix(at(path, |path| UnixDatagram::bind(path))?, Some(OwnPath(path.clone()))),
            Address::UnixStream(path) => {
                Bound::UnixStream(at(path, |path| UnixListener::bind(path))?, Some(OwnPath(path.clone())))
            }
        })
    }

    /// Opens a socket that sends.
    pub(crate) fn connect(&self) -> io::Result<Sender> {
        Ok(match self {
            Address::Udp(place) => {
                let to = place.to_socket_addrs()?.next().ok_or_else(|| io::Error::other("there is no such host"))?;
                let any: SocketAddr = if to.is_ipv4() { ([0, 0, 0, 0], 0).into() } else { ([0_u16; 8], 0).into() };
                let socket = UdpSocket::bind(any)?;
                socket.connect(to)?;
                Sender::Udp(socket)
            }
            Address::Tcp(place) => Sender::Tcp(TcpStream::connect(place)?),
            Address::Unix(path) => {
                let socket = UnixDatagram::unbound()?;
                socket.connect(path)?;
                Sender::Unix(socket)
            }
            Address::UnixStream(path) => Sender::UnixStream(UnixStream::connect(path)?),
        })
    }
}

impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Address::Udp(place) => write!(f, "udp://{place}"),
            Address::Tcp(place) => write!(f, "tcp://{place}"),
            Address::Unix(path) => write!(f, "unix:{}", path.display()),
            Address::UnixStream(path) => write!(f, "unix-stream:{}", path.display()),
        }
    }
}

/// Binds a path. A socket that was left there, and that nobody hears any more, is removed first.
fn at<S>(path: &Path, bind: impl Fn(&Path) -> io::Result<S>) -> io::Result<S> {
    match bind(path) {
        Err(error) if error.kind() == ErrorKind::AddrInUse => {
            let is_socket = std::fs::symlink_metadata(path)?.file_type().is_socket();
            let is_dead = |result: io::Result<()>| result.is_err_and(|e| e.kind() == ErrorKind::ConnectionRefused);
            let datagram = UnixDatagram::unbound()?.connect(path);
            let is_left = is_socket && (is_dead(datagram) || is_dead(UnixStream::connect(path).map(drop)));
            if !is_left {
                return Err(error);
            }
            std::fs::remove_file(path)?;
            bind(path)
        }
        other => other,
    }
}

/// A path that is removed when its socket goes.
#[derive(Debug)]
pub(crate) struct OwnPath(PathBuf);

impl Drop for OwnPath {
    fn drop(&mut self) {
        let _ = std::fs::remove_file(&self.0);
    }
}

/// A socket that hears.
#[derive(Debug)]
pub(crate) enum Bound {
    Udp(UdpSocket),
    Tcp(TcpListener),
    Unix(UnixDatagram, Option<OwnPath>),
    UnixStream(UnixListener, Option<OwnPath>),
}

impl Bound {
    /// Returns where it is.
    pub(crate) fn place(&self) -> String {
        let path = |address: io::Result<std::os::unix::net::SocketAddr>| {
            let path = address.ok().and_then(|address| address.as_pathname().map(|path| path.display().to_string()));
            path.unwrap_or_default()
        };
        let inet = |address: io::Result<SocketAddr>| address.map(|address| address.to_string()).unwrap_or_default();
        match self {
            Bound::Udp(socket) => format!("udp://{}", inet(socket.local_addr())),
            Bound::Tcp(socket) => format!("tcp://{}", inet(socket.local_addr())),
            Bound::Unix(socket, _) => format!("unix:{}", path(socket.local_addr())),
            Bound::UnixStream(socket, _) => format!("unix-stream:{}", path(socket.local_addr())),
        }
    }

    /// Returns the same socket once more: who has it goes on hearing when the other ends.
    pub(crate) fn again(&self) -> io::Result<Bound> {
        Ok(match self {
            Bound::Udp(socket) => Bound::Udp(socket.try_clone()?),
            Bound::Tcp(socket) => Bound::Tcp(socket.try_clone()?),
            Bound::Unix(socket, _) => Bound::Unix(socket.try_clone()?, None),
            Bound::UnixStream(socket, _) => Bound::UnixStream(socket.try_clone()?, None),
        })
    }
}

/// Takes what was heard.
pub(crate) trait Hears: Send + Sync + 'static {
    /// A datagram, or a line of a stream.
    fn heard(&self, from: &dyn fmt::Display, bytes: &[u8]);

    /// A line of a stream that is longer than any may be; the connection is closed.
    fn too_long(&self, from: &dyn fmt::Display);

    /// A connection that was closed at once, because there are too many.
    fn too_many(&self);
}

/// A listener at work. Dropping it ends its threads.
#[derive(Debug)]
pub(crate) struct Listening {
    stop: Arc<AtomicBool>,
    thread: Option<JoinHandle<()>>,
}

impl Drop for Listening {
    fn drop(&mut self) {
        self.stop.store(true, Relaxed);
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

/// Hears a socket, until what is returned is dropped. What had come by then has been handed over.
pub(crate) fn hear(bound: Bound, hears: Arc<dyn Hears>) -> io::Result<Listening> {
    let stop = Arc::new(AtomicBool::new(false));
    let until = Arc::clone(&stop);
    let thread = thread::Builder::new().name("statsd".into()).spawn(move || match bound {
        Bound::Udp(socket) => {
            let _ = socket.set_nonblocking(false);
            let _ = socket.set_read_timeout(Some(LOOK));
            datagrams(
                |buffer| socket.recv_from(buffer).map(|(length, from)| (length, from.to_string())),
                &*hears,
                &until,
            );
        }
        Bound::Unix(socket, _path) => {
            let _ = socket.set_nonblocking(false);
            let _ = socket.set_read_timeout(Some(LOOK));
            datagrams(|buffer| socket.recv(buffer).map(|length| (length, "unix".to_owned())), &*hears, &until);
        }
        Bound::Tcp(socket) => {
            let _ = socket.set_nonblocking(true);
            accept(|| socket.accept().map(|(stream, from)| (Stream::Tcp(stream), from.to_string())), &hears, &until);
        }
        Bound::UnixStream(socket, _path) => {
            let _ = socket.set_nonblocking(true);
            accept(|| socket.accept().map(|(stream, _)| (Stream::Unix(stream), "unix".to_owned())), &hears, &until);
        }
    })?;
    Ok(Listening { stop, thread: Some(thread) })
}

fn is_late(error: &io::Error) -> bool {
    matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut | ErrorKind::Interrupted)
}

fn datagrams(mut next: impl FnMut(&mut [u8]) -> io::Result<(usize, String)>, hears: &dyn Hears, stop: &AtomicBool) {
    let mut buffer = vec![0; LONGEST];
    loop {
        match next(&mut buffer) {
            Ok((length, from)) => hears.heard(&from, &buffer[..length]),
            // Datagrams that had come before it was stopped are taken first.
            Err(error) if is_late(&error) => {
                if stop.load(Relaxed) {
                    return;
                }
            }
            Err(_) if stop.load(Relaxed) => return,
            Err(_) => thread::sleep(LOOK),
        }
    }
}

enum Stream {
    Tcp(TcpStream),
    Unix(UnixStream),
}

impl Stream {
    fn prepare(&self) -> io::Result<()> {
        match self {
            Stream::Tcp(stream) => stream.set_nonblocking(false).and_then(|()| stream.set_read_timeout(Some(LOOK))),
            Stream::Unix(stream) => stream.set_nonblocking(false).and_then(|()| stream.set_read_timeout(Some(LOOK))),
        }
    }

    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        match self {
            Stream::Tcp(stream) => stream.read(buffer),
            Stream::Unix(stream) => stream.read(buffer),
        }
    }
}

fn accept(mut next: impl FnMut() -> io::Result<(Stream, String)>, hears: &Arc<dyn Hears>, stop: &Arc<AtomicBool>) {
    let open = Arc::new(AtomicUsize::new(0));
    let mut threads: Vec<JoinHandle<()>> = Vec::new();
    loop {
        match next() {
            Ok((stream, from)) => {
                threads.retain(|thread| !thread.is_finished());
                if open.load(Relaxed) >= MAX_CONNECTIONS || stream.prepare().is_err() {
                    hears.too_many();
                    continue;
                }
                open.fetch_add(1, Relaxed);
                let (hears, stop, open) = (Arc::clone(hears), Arc::clone(stop), Arc::clone(&open));
                let begun = thread::Builder::new().name("statsd-stream".into()).spawn({
                    let open = Arc::clone(&open);
                    move || {
                        lines(stream, &from, &*hears, &stop);
                        open.fetch_sub(1, Relaxed);
                    }
                });
                match begun {
                    Ok(thread) => threads.push(thread),
                    Err(_) => drop(open.fetch_sub(1, Relaxed)),
                }
            }
            Err(_) if stop.load(Relaxed) => break,
            Err(_) => thread::sleep(LOOK / 4),
        }
    }
    for thread in threads {
        let _ = thread.join();
    }
}

/// Hands over the lines of a stream; the last may lack its line feed.
fn lines(mut stream: Stream, from: &str, hears: &dyn Hears, stop: &AtomicBool) {
    let mut held: Vec<u8> = Vec::new();
    let mut buffer = vec![0; 16_384];
    let mut heard = Instant::now();
    loop {
        match stream.read(&mut buffer) {
            Ok(0) => break,
            Ok(length) => {
                heard = Instant::now();
                held.extend_from_slice(&buffer[..length]);
                if let Some(end) = held.iter().rposition(|byte| *byte == b'\n') {
                    for line in held[..end].split(|byte| *byte == b'\n').filter(|line| !line.is_empty()) {
                        hears.heard(&from, line);
                    }
                    held.drain(..=end);
                }
                if held.len() > LONGEST {
                    hears.too_long(&from);
                    return;
                }
            }
            Err(error) if is_late(&error) => {
                if stop.load(Relaxed) || heard.elapsed() > IDLE {
                    break;
                }
            }
            Err(_) => break,
        }
    }
    if !held.is_empty() {
        hears.heard(&from, &held);
    }
}

/// A socket that sends.
pub(crate) enum Sender {
    Udp(UdpSocket),
    Tcp(TcpStream),
    Unix(UnixDatagram),
    UnixStream(UnixStream),
}

impl Sender {
    /// Sends a datagram, or the same lines on a stream.
    pub(crate) fn send(&mut self, bytes: &[u8]) -> io::Result<()> {
        let line_end: &[u8] = if bytes.ends_with(b"\n") { b"" } else { b"\n" };
        match self {
            Sender::Udp(socket) => socket.send(bytes).map(drop),
            Sender::Unix(socket) => socket.send(bytes).map(drop),
            Sender::Tcp(stream) => io::Write::write_all(stream, &[bytes, line_end].concat()),
            Sender::UnixStream(stream) => io::Write::write_all(stream, &[bytes, line_end].concat()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use ferrometer_testkit::scratch::Scratch;
    use ferrometer_testkit::wait::wait_until;
    use std::sync::Mutex;

    #[derive(Default)]
    struct Heard(Mutex<Vec<String>>);

    impl Hears for Heard {
        fn heard(&self, _: &dyn fmt::Display, bytes: &[u8]) {
            self.0.lock().unwrap().push(String::from_utf8_lossy(bytes).into_owned());
        }

        fn too_long(&self, _: &dyn fmt::Display) {
            self.0.lock().unwrap().push("TOO LONG".to_owned());
        }

        fn too_many(&self) {}
    }

    #[test]
    fn addresses_are_read() {
        assert_eq!(Address::parse("8125"), Ok(Address::Udp("127.0.0.1:8125".into())));
        assert_eq!(Address::parse("[::1]:8125"), Ok(Address::Udp("[::1]:8125".into())));
        assert_eq!(Address::parse("tcp://h:1"), Ok(Address::Tcp("h:1".into())));
        assert_eq!(Address::parse("unix:///run/s"), Ok(Address::Unix("/run/s".into())));
        assert_eq!(Address::parse("unix-stream:/run/s"), Ok(Address::UnixStream("/run/s".into())));
        assert_eq!(Address::parse("./s"), Ok(Address::Unix("./s".into())));
        for wrong in ["", "host", "h:x", "udp://", "unix:", "h:99999", ":8125", "http://h:1"] {
            assert!(Address::parse(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn each_kind_of_socket_is_heard_to_its_end() {
        let scratch = Scratch::new("listener");
        let path = |name: &str| scratch.path().join(name);
        let all = [
            Address::Udp("127.0.0.1:0".into()),
            Address::Tcp("127.0.0.1:0".into()),
            Address::Unix(path("d")),
            Address::UnixStream(path("s")),
        ];
        for address in all {
            let bound = address.bind().unwrap();
            let place = Address::parse(&bound.place()).unwrap();
            let heard = Arc::new(Heard::default());
            let listening = hear(bound, Arc::<Heard>::clone(&heard)).unwrap();
            let mut sender = place.connect().unwrap();
            sender.send(b"a:1|c").unwrap();
            sender.send(b"b:2|c").unwrap();
            wait_until("both lines", || heard.0.lock().unwrap().len() == 2);
            drop(sender);
            drop(listening);
            assert_eq!(*heard.0.lock().unwrap(), ["a:1|c", "b:2|c"], "{address}");
        }
        assert!(!path("d").exists() && !path("s").exists());
    }

    #[test]
    fn a_socket_that_was_left_is_taken_and_one_in_use_is_not() {
        let scratch = Scratch::new("listener-left");
        let path = scratch.path().join("s");
        drop(UnixDatagram::bind(&path).unwrap());
        let bound = Address::Unix(path.clone()).bind().unwrap();
        assert_eq!(Address::Unix(path.clone()).bind().unwrap_err().kind(), ErrorKind::AddrInUse);
        drop(bound);
        let file = scratch.file("f", "kept");
        assert_eq!(Address::Unix(file.clone()).bind().unwrap_err().kind(), ErrorKind::AddrInUse);
        assert_eq!(std::fs::read_to_string(file).unwrap(), "kept");
    }

    #[test]
    fn an_endless_line_ends_its_connection() {
        let bound = Address::Tcp("127.0.0.1:0".into()).bind().unwrap();
        let mut sender = Address::parse(&bound.place()).unwrap().connect().unwrap();
        let heard = Arc::new(Heard::default());
        let _listening = hear(bound, Arc::<Heard>::clone(&heard)).unwrap();
        let Sender::Tcp(stream) = &mut sender else { panic!("a stream") };
        let _ = io::Write::write_all(stream, &vec![b'x'; 3 * LONGEST]);
        wait_until("the end", || !heard.0.lock().unwrap().is_empty());
        assert_eq!(*heard.0.lock().unwrap(), ["TOO LONG"]);
    }
}

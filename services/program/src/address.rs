//! Addresses of statsd: where lines come, and where they go to. UDP, TCP, and Unix sockets of both kinds.

use ferrometer_statsd_input::{Hears, Limits, Listening, Socket, listen};
use std::fmt;
use std::io::{self, ErrorKind};
use std::net::{SocketAddr, TcpListener, TcpStream, ToSocketAddrs, UdpSocket};
use std::os::unix::fs::FileTypeExt;
use std::os::unix::net::{UnixDatagram, UnixListener, UnixStream};
use std::path::{Path, PathBuf};
use std::sync::Arc;

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

/// A socket that is heard. Dropping it ends that, and removes the path that was made for it.
pub(crate) struct Hearing {
    // The path goes when nobody hears there any more.
    _listening: Listening,
    _path: Option<OwnPath>,
}

/// Hears a socket, until what is returned is dropped. What had come by then has been handed over.
pub(crate) fn hear(bound: Bound, hears: Arc<dyn Hears>) -> io::Result<Hearing> {
    let (socket, path) = match bound {
        Bound::Udp(socket) => (Socket::Udp(socket), None),
        Bound::Tcp(socket) => (Socket::Tcp(socket), None),
        Bound::Unix(socket, path) => (Socket::UnixDatagram(socket), path),
        Bound::UnixStream(socket, path) => (Socket::UnixStream(socket), path),
    };
    let limits = Limits::default();
    let listening = listen(vec![socket], hears, limits)?;
    if let Some(given) = listening.buffer().filter(|given| *given < limits.buffer) {
        let asked = limits.buffer;
        tracing::info!(
            asked,
            given,
            "the system keeps fewer bytes of statsd datagrams than asked; on Linux, net.core.rmem_max allows more"
        );
    }
    Ok(Hearing { _listening: listening, _path: path })
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
}

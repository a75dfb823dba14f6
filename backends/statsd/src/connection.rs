//! Hands datagrams (or, for a stream, lines) to the kernel. Sockets never block; the backend's thread waits a bounded time for
//! place in a buffer, then puts the rest off to the next interval.
//!
//! A refusal (ICMP) reaches a UDP socket at the send *after* the one it is about. After one, the server counts as away: the next delivery sends one
//! datagram and waits for the answer before it believes in the others, so that a server that stays away costs nothing.

use crate::resolver::{Lookup, Resolver};
use crate::settings::Transport;
use crate::udp_gso;
use std::io::{self, ErrorKind, Read, Write};
use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr, TcpStream, UdpSocket};
#[cfg(unix)]
use std::os::unix::net::UnixDatagram;
use std::thread;
use std::time::{Duration, Instant};

/// How long a full buffer is waited for, in all, in one delivery.
const PATIENCE: Duration = Duration::from_millis(200);
/// How long a refusal takes to come back from a server that is away.
const PROBE: Duration = Duration::from_millis(5);
/// The most that UDP carries over IPv4, in one datagram or in many at once.
const MAX_PAYLOAD: usize = 65_507;
/// What a receiver's buffer holds by default on Linux is 212,992 bytes, the kernel's overhead included: about 90 full datagrams. After so many
/// of these bytes a pause, so that a delivery does not overrun it, and a receiver that is held up for some milliseconds loses nothing.
const BURST: usize = 80_000;
const PAUSE: Duration = Duration::from_millis(4);
/// A delivery that has paused this long in all has so much to send that it goes on with shorter pauses.
const PAUSES: Duration = Duration::from_millis(200);
const SHORT_PAUSE: Duration = Duration::from_micros(200);
/// How long a TCP connection may take.
const CONNECT: Duration = Duration::from_secs(1);

/// Why something was not taken.
#[derive(Debug)]
pub(crate) enum Refusal {
    /// It never will be: larger than the transport carries.
    TooLarge,
    /// Not now. Of a stream, the first `taken` bytes were.
    NotNow { taken: usize, reason: String },
}

enum Socket {
    Udp(UdpSocket),
    #[cfg(unix)]
    Unix(UnixDatagram),
    Tcp(TcpStream),
}

/// Whether the kernel takes many datagrams at once from this socket.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Gso {
    Untried,
    Taken,
    Refused,
}

/// The way to the server.
pub(crate) struct Connection {
    transport: Transport,
    max_datagram: usize,
    gso: Gso,
    resolver: Option<Resolver>,
    socket: Option<(Socket, Option<SocketAddr>)>,
    /// Which of the addresses is tried.
    choice: usize,
    /// The server is away, or was never heard of.
    suspect: bool,
    /// In bytes of a receiver's buffer.
    sent_since_pause: usize,
    /// In this delivery.
    paused: Duration,
    waited: Duration,
}

fn not_now(reason: impl Into<String>) -> Refusal {
    Refusal::NotNow { taken: 0, reason: reason.into() }
}

impl Connection {
    pub(crate) fn new(
        transport: Transport,
        resolve_every: Duration,
        lookup: Lookup,
        max_datagram: usize,
    ) -> Connection {
        let resolver = match &transport {
            Transport::Udp { host, port } | Transport::Tcp { host, port } => {
                Some(Resolver::start(host, *port, resolve_every, lookup))
            }
            Transport::Unix { .. } => None,
        };
        let (paused, waited) = (Duration::ZERO, Duration::ZERO);
        let gso = Gso::Untried;
        let (choice, suspect, sent_since_pause) = (0, true, 0);
        let socket = None;
        Connection { transport, max_datagram, gso, resolver, socket, choice, suspect, sent_since_pause, paused, waited }
    }

    /// A delivery begins.
    pub(crate) fn begin(&mut self) {
        self.paused = Duration::ZERO;
        self.waited = Duration::ZERO;
        self.follow();
    }

    /// Waits for the first answer of the name server.
    pub(crate) fn wait_resolved(&self, until: Instant) {
        if let Some(resolver) = &self.resolver {
            resolver.wait_first(until);
        }
    }

    /// Closes the socket when the server is no longer at its address.
    fn follow(&mut self) {
        let (Some(resolver), Some((_, Some(address)))) = (&self.resolver, &self.socket) else { return };
        if !resolver.answer().addresses.contains(address) {
            self.socket = None;
            self.choice = 0;
            self.suspect = true;
        }
    }

    /// How many datagrams of the largest size may be handed over at once. One at a time to a server that may be away: it is the probe.
    pub(crate) fn at_once(&mut self) -> usize {
        let Some((Socket::Udp(socket), _)) = &self.socket else { return 1 };
        let most =
            (MAX_PAYLOAD / self.max_datagram).min(BURST / in_receive_buffer(self.max_datagram)).min(udp_gso::MOST);
        if most < 2 || self.suspect || self.gso == Gso::Refused {
            return 1;
        }
        if self.gso == Gso::Untried {
            let size = u16::try_from(self.max_datagram).unwrap_or(u16::MAX);
            let set = udp_gso::set_size(socket, size);
            self.gso = if set.is_ok() { Gso::Taken } else { Gso::Refused };
        }
        if self.gso == Gso::Taken { most } else { 1 }
    }

    /// Sends datagrams that stand one behind the other, all but the last of the largest size. `false`: none was taken, and they are
    /// to be sent one by one, which tells why.
    pub(crate) fn send_at_once(&mut self, datagrams: &[u8], count: usize) -> bool {
        let Some((Socket::Udp(socket), _)) = &self.socket else { return false };
        if self.gso == Gso::Untried {
            let size = u16::try_from(self.max_datagram).unwrap_or(u16::MAX);
            let set = udp_gso::set_size(socket, size);
            self.gso = if set.is_ok() { Gso::Taken } else { Gso::Refused };
        }
        if self.gso == Gso::Refused {
            return false;
        }
        self.pace(in_receive_buffer(self.max_datagram) * count);
        let Some((Socket::Udp(socket), _)) = &self.socket else { return false };
        match socket.send(datagrams).map_err(|error| error.kind()) {
            Ok(_) => return true,
            Err(ErrorKind::WouldBlock | ErrorKind::Interrupted) => {}
            // About an earlier datagram. The next one is a probe.
            Err(ErrorKind::ConnectionRefused) => self.suspect = true,
            // The way may be too narrow, or a device on it may not take such pieces.
            Err(_) => self.one_by_one(),
        }
        false
    }

    /// From here on this socket takes one datagram at a time.
    fn one_by_one(&mut self) {
        self.gso = Gso::Refused;
        if let Some((Socket::Udp(socket), _)) = &self.socket
            && udp_gso::set_size(socket, 0).is_err()
        {
            self.socket = None;
        }
    }

    /// Sends one datagram, or lines on a stream.
    pub(crate) fn send(&mut self, datagram: &[u8], until: Instant) -> Result<(), Refusal> {
        self.open(until)?;
        self.pace(in_receive_buffer(datagram.len()));
        let result = match &self.socket {
            Some((Socket::Tcp(_), _)) => self.send_stream(datagram, until),
            _ => self.send_datagram(datagram, until),
        };
        match result {
            Ok(()) => self.believe(),
            Err(error) => {
                if matches!(error, Refusal::NotNow { .. }) {
                    self.suspect = true;
                }
                Err(error)
            }
        }
    }

    fn send_datagram(&mut self, datagram: &[u8], until: Instant) -> Result<(), Refusal> {
        let mut retried = false;
        loop {
            let sent = match &self.socket {
                Some((Socket::Udp(socket), _)) => socket.send(datagram),
                #[cfg(unix)]
                Some((Socket::Unix(socket), _)) => socket.send(datagram),
                _ => return Err(not_now("not connected")),
            };
            let Err(error) = sent else { return Ok(()) };
            match error.kind() {
                // One that is interrupted again and again must not keep this thread.
                ErrorKind::WouldBlock | ErrorKind::Interrupted => self.wait_for_place(until)?,
                // The answer to an earlier datagram; this one was not sent. While the server is believed to be there the
                // refusal may be old news, so try once more; a probe finds out.
                ErrorKind::ConnectionRefused if !self.suspect && !retried => {
                    retried = true;
                    self.suspect = true;
                }
                ErrorKind::ConnectionRefused => return Err(self.refused()),
                // Perhaps because of the size the socket was told, which no longer fits the way.
                _ if self.gso == Gso::Taken => self.one_by_one(),
                _ if is_too_large(&error) => return Err(Refusal::TooLarge),
                _ if error.raw_os_error() == Some(no_buffer_space()) => self.wait_for_place(until)?,
                _ => {
                    let reason = format!("cannot send to {}: {error}; kept for the next interval", self.where_to());
                    self.socket = None;
                    return Err(not_now(reason));
                }
            }
        }
    }

    /// After the first datagram to a server that is suspected to be away: did it refuse?
    fn believe(&mut self) -> Result<(), Refusal> {
        if !self.suspect {
            return Ok(());
        }
        if let Some((Socket::Udp(socket), _)) = &self.socket {
            thread::sleep(PROBE);
            if matches!(socket.take_error(), Ok(Some(error)) if error.kind() == ErrorKind::ConnectionRefused) {
                return Err(self.refused());
            }
        }
        self.suspect = false;
        Ok(())
    }

    /// Nobody listens: the next time another address is tried, if there is one, and the name is looked up again.
    fn refused(&mut self) -> Refusal {
        let reason = format!("{} refuses: nothing listens there; kept for the next interval", self.where_to());
        self.suspect = true;
        if let Some(resolver) = &self.resolver {
            resolver.hurry();
            if resolver.answer().addresses.len() > 1 {
                self.choice += 1;
                self.socket = None;
            }
        }
        not_now(reason)
    }

    fn send_stream(&mut self, datagram: &[u8], until: Instant) -> Result<(), Refusal> {
        let mut taken = 0;
        let result = loop {
            let Some((Socket::Tcp(stream), _)) = &mut self.socket else { break Err("not connected".to_owned()) };
            let rest = &datagram[taken.min(datagram.len())..];
            // A line ends with a newline, the last one of a datagram too.
            let wrote = if rest.is_empty() { stream.write(b"\n") } else { stream.write(rest) };
            match wrote {
                Ok(0) => break Err("closed by the server".to_owned()),
                Ok(n) => taken += n,
                Err(error) if matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::Interrupted) => {
                    if let Err(Refusal::NotNow { reason, .. }) = self.wait_for_place(until) {
                        break Err(reason);
                    }
                }
                Err(error) => break Err(error.to_string()),
            }
            if taken > datagram.len() {
                break Ok(());
            }
        };
        result.map_err(|reason| {
            let reason = format!("{}: {reason}; what is left is kept for the next interval", self.where_to());
            // The rest of a line that was begun must not be mistaken for another line: a new connection begins afresh.
            self.socket = None;
            Refusal::NotNow { taken, reason }
        })
    }

    fn wait_for_place(&mut self, until: Instant) -> Result<(), Refusal> {
        let nap = Duration::from_micros(500);
        if self.waited >= PATIENCE || Instant::now() >= until {
            return Err(not_now(format!("the buffer to {} is full; kept for the next interval", self.where_to())));
        }
        thread::sleep(nap);
        self.waited += nap;
        Ok(())
    }

    fn pace(&mut self, space: usize) {
        if !matches!(self.socket, Some((Socket::Udp(_), _))) {
            return;
        }
        if self.sent_since_pause > 0 && self.sent_since_pause + space > BURST {
            self.sent_since_pause = 0;
            let pause = if self.paused < PAUSES { PAUSE } else { SHORT_PAUSE };
            thread::sleep(pause);
            self.paused += pause;
        }
        self.sent_since_pause += space;
    }

    fn where_to(&self) -> String {
        match (&self.transport, &self.socket) {
            (_, Some((_, Some(address)))) => address.to_string(),
            (Transport::Unix { path }, _) => path.display().to_string(),
            (Transport::Udp { host, port } | Transport::Tcp { host, port }, _) => format!("{host}:{port}"),
        }
    }

    fn open(&mut self, until: Instant) -> Result<(), Refusal> {
        if let Some((Socket::Tcp(stream), _)) = &mut self.socket {
            // A server that went away is noticed before something is lost into its connection.
            if matches!(stream.read(&mut [0; 64]), Ok(0)) {
                self.socket = None;
            }
        }
        if self.socket.is_some() {
            return Ok(());
        }
        let opened = match &self.transport {
            #[cfg(unix)]
            Transport::Unix { path } => open_unix(path).map(|s| (s, None)),
            #[cfg(not(unix))]
            Transport::Unix { .. } => Err(io::Error::new(ErrorKind::Unsupported, "no Unix sockets on this system")),
            Transport::Udp { .. } => self.address()?.map_socket(open_udp),
            Transport::Tcp { .. } => {
                let limit = until.saturating_duration_since(Instant::now()).clamp(Duration::from_millis(10), CONNECT);
                self.address()?.map_socket(|address| open_tcp(address, limit))
            }
        };
        match opened {
            Ok(socket) => {
                self.socket = Some(socket);
                self.gso = Gso::Untried;
                Ok(())
            }
            Err(error) => {
                let reason = format!("cannot connect to {}: {error}; kept for the next interval", self.where_to());
                self.choice += 1;
                if let Some(resolver) = &self.resolver {
                    resolver.hurry();
                }
                Err(not_now(reason))
            }
        }
    }

    fn address(&self) -> Result<Address, Refusal> {
        let answer = self.resolver.as_ref().map(Resolver::answer).unwrap_or_default();
        match answer.addresses.len() {
            0 => Err(not_now(answer.error.unwrap_or_else(|| format!("{} is being looked up", self.where_to())))),
            n => Ok(Address(answer.addresses[self.choice % n])),
        }
    }
}

struct Address(SocketAddr);

impl Address {
    fn map_socket(
        self,
        open: impl FnOnce(SocketAddr) -> io::Result<Socket>,
    ) -> io::Result<(Socket, Option<SocketAddr>)> {
        open(self.0).map(|socket| (socket, Some(self.0)))
    }
}

fn open_udp(address: SocketAddr) -> io::Result<Socket> {
    let any: SocketAddr =
        if address.is_ipv4() { (Ipv4Addr::UNSPECIFIED, 0).into() } else { (Ipv6Addr::UNSPECIFIED, 0).into() };
    let socket = UdpSocket::bind(any)?;
    socket.set_nonblocking(true)?;
    socket.connect(address)?;
    Ok(Socket::Udp(socket))
}

#[cfg(unix)]
fn open_unix(path: &std::path::Path) -> io::Result<Socket> {
    let socket = UnixDatagram::unbound()?;
    socket.set_nonblocking(true)?;
    socket.connect(path)?;
    Ok(Socket::Unix(socket))
}

fn open_tcp(address: SocketAddr, limit: Duration) -> io::Result<Socket> {
    let stream = TcpStream::connect_timeout(&address, limit)?;
    stream.set_nonblocking(true)?;
    stream.set_nodelay(true)?;
    Ok(Socket::Tcp(stream))
}

/// What a datagram takes of a receiver's buffer on Linux: memory comes in powers of two, with headers, and a descriptor on top.
fn in_receive_buffer(len: usize) -> usize {
    (len + 400).next_power_of_two() + 256
}

fn is_too_large(error: &io::Error) -> bool {
    // EMSGSIZE: Linux 90, the BSDs and macOS 40, Windows 10040. std has no stable kind for it.
    matches!(error.raw_os_error(), Some(90) if cfg!(target_os = "linux"))
        || matches!(error.raw_os_error(), Some(40) if cfg!(unix) && !cfg!(target_os = "linux"))
        || matches!(error.raw_os_error(), Some(10_040) if cfg!(windows))
}

/// ENOBUFS.
const fn no_buffer_space() -> i32 {
    if cfg!(target_os = "linux") {
        105
    } else if cfg!(windows) {
        10_055
    } else {
        55
    }
}

#[cfg(all(test, target_os = "linux"))]
mod tests {
    use super::*;
    use crate::resolver;

    #[test]
    fn what_the_kernel_does_not_cut_goes_one_by_one() {
        let receiver = UdpSocket::bind("127.0.0.1:0").unwrap();
        receiver.set_read_timeout(Some(Duration::from_secs(5))).unwrap();
        let received = || receiver.recv(&mut [0; 2000]).unwrap();
        let transport = Transport::Udp { host: "127.0.0.1".to_owned(), port: receiver.local_addr().unwrap().port() };
        let mut connection = Connection::new(transport, Duration::from_secs(30), resolver::system(), 64);
        let until = Instant::now() + Duration::from_secs(5);
        connection.wait_resolved(until);
        assert_eq!(connection.at_once(), 1, "nobody has answered yet");
        connection.send(b"a:1|c", until).unwrap();
        assert_eq!(received(), 5);
        assert_eq!(connection.at_once(), udp_gso::MOST);
        assert!(connection.send_at_once(&[b'x'; 160], 3));
        assert_eq!([received(), received(), received()], [64, 64, 32]);
        // No kernel takes so many; none of them is sent, and the socket forgets the size.
        assert!(!connection.send_at_once(&[b'x'; 64 * 1000], 1000));
        assert_eq!(connection.at_once(), 1);
        connection.send(&[b'y'; 160], until).unwrap();
        assert_eq!(received(), 160);
    }

    #[test]
    fn a_burst_fits_a_receivers_default_buffer() {
        for len in [1, 512, 1432, 8192, 60_000] {
            let datagrams = (BURST / in_receive_buffer(len)).max(1);
            assert!(datagrams * in_receive_buffer(len) <= 212_992, "{len}");
        }
        assert_eq!(BURST / in_receive_buffer(1432), 34);
    }
}

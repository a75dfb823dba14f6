//! Lines over UDP and TCP, for servers that do not answer.
//!
//! A refusal (ICMP) reaches a UDP socket at the send *after* the one it is about. So after the first datagram to a server that was not heard of
//! yet, and after the last one of each delivery, there is a short wait for it.

use crate::destination::Destinations;
use crate::moment::{LONGEST, within};
use crate::packer::Carrier;
use crate::verdict::Verdict;
use std::io::{self, ErrorKind, Read, Write};
use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr, TcpStream, ToSocketAddrs, UdpSocket};
use std::thread;
use std::time::{Duration, Instant};

/// How long a refusal takes to come back from a server that is away.
const PROBE: Duration = Duration::from_millis(5);
/// A receiver's buffer holds 212,992 bytes by default on Linux, the kernel's overhead included. After this many bytes there is a pause, so that a
/// receiver that is held up for some milliseconds loses nothing.
const BURST: usize = 64_000;
const PAUSE: Duration = Duration::from_millis(4);
/// Bytes that the kernel adds to each datagram in a receiver's buffer, about.
const OVERHEAD: usize = 768;
/// A delivery that has paused this long in all goes on with shorter pauses.
const PAUSES: Duration = Duration::from_millis(400);
const SHORT_PAUSE: Duration = Duration::from_millis(1);
/// How often the host's name is looked up again.
const LOOK_UP: Duration = Duration::from_secs(30);

/// How lines travel.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Proto {
    /// In datagrams, each of whole lines.
    #[default]
    Udp,
    /// In one stream.
    Tcp,
}

/// Where lines go.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct SocketSettings {
    /// A name or an address; of IPv6, with or without brackets.
    pub server: String,
    /// 1 to 65535.
    pub port: u16,
    /// UDP or TCP.
    pub proto: Proto,
    /// How long a connection, or a write to it, may take.
    pub timeout: Duration,
    /// Where lines may be sent. Default: everywhere.
    pub destinations: Option<Destinations>,
}

impl SocketSettings {
    /// Settings for UDP with a timeout of 1 s.
    #[must_use]
    pub fn new(server: impl Into<String>, port: u16) -> SocketSettings {
        let (proto, timeout) = (Proto::Udp, Duration::from_secs(1));
        SocketSettings { server: server.into(), port, proto, timeout, destinations: None }
    }
}

enum Open {
    Udp(UdpSocket),
    Tcp(TcpStream),
}

/// The way to one server.
pub struct Socket {
    settings: SocketSettings,
    open: Option<(Open, SocketAddr, Instant)>,
    /// Which of the host's addresses is tried.
    choice: usize,
    /// The server is away, or was never heard of.
    suspect: bool,
    burst: usize,
    paused: Duration,
    sent: bool,
}

impl Socket {
    /// Opens nothing yet: a server that is away is no error.
    #[must_use]
    pub fn new(settings: SocketSettings) -> Socket {
        let (choice, burst, paused) = (0, 0, Duration::ZERO);
        Socket { settings, open: None, choice, suspect: true, burst, paused, sent: false }
    }

    /// The settings.
    #[must_use]
    pub fn settings(&self) -> &SocketSettings {
        &self.settings
    }

    /// Opens the socket, to see whether the name is known and, over TCP, whether the server is there.
    ///
    /// # Errors
    /// Why it cannot be reached.
    pub fn test(&mut self) -> Result<(), String> {
        self.open = None;
        self.open(within(self.timeout()))
    }

    fn timeout(&self) -> Duration {
        self.settings.timeout.clamp(Duration::from_millis(10), LONGEST)
    }

    fn name(&self) -> String {
        format!("{}:{}", self.settings.server, self.settings.port)
    }

    fn open(&mut self, until: Instant) -> Result<(), String> {
        if let Some((Open::Tcp(stream), ..)) = &mut self.open
            && is_closed(stream)
        {
            self.open = None;
        }
        let is_old = |(_, _, since): &(Open, SocketAddr, Instant)| since.elapsed() >= LOOK_UP;
        if matches!(&self.open, Some(open) if !is_old(open)) {
            return Ok(());
        }
        let found = addresses(&self.settings.server, self.settings.port);
        let now = Instant::now();
        if let (Ok(found), Some(policy)) = (&found, &self.settings.destinations) {
            // One forbidden address is enough: which of them is tried is a matter of order.
            let judged = found.iter().try_for_each(|address| policy.check(&self.settings.server, address.ip()));
            if let Err(reason) = judged {
                self.open = None;
                return Err(reason);
            }
        }
        let found = match (found, &mut self.open) {
            (Ok(found), Some((_, address, since))) if found.contains(address) => {
                *since = now;
                return Ok(());
            }
            (Ok(found), _) if !found.is_empty() => found,
            // The name is not known for now; the server stays where it was.
            (_, Some((_, _, since))) => {
                *since = now;
                return Ok(());
            }
            (Ok(_), None) => return Err(format!("{} has no address", self.settings.server)),
            (Err(error), None) => return Err(format!("cannot look up {}: {error}", self.settings.server)),
        };
        self.open = None;
        let address = found[self.choice % found.len()];
        let left = until.saturating_duration_since(now).clamp(Duration::from_millis(10), self.timeout());
        let opened = match self.settings.proto {
            Proto::Udp => open_udp(address).map(Open::Udp),
            Proto::Tcp => open_tcp(address, left).map(Open::Tcp),
        };
        match opened {
            Ok(opened) => {
                self.open = Some((opened, address, now));
                self.suspect = true;
                Ok(())
            }
            Err(error) => {
                self.choice = self.choice.wrapping_add(1);
                Err(format!("cannot connect to {}: {error}", self.name()))
            }
        }
    }

    fn later(&mut self, reason: String) -> Verdict {
        self.open = None;
        self.suspect = true;
        self.choice = self.choice.wrapping_add(1);
        Verdict::Later { reason, after: None }
    }

    /// Returns `true` when the server refused what was sent before.
    fn is_refused(&self) -> bool {
        let Some((Open::Udp(socket), ..)) = &self.open else { return false };
        thread::sleep(PROBE);
        matches!(socket.take_error(), Ok(Some(error)) if error.kind() == ErrorKind::ConnectionRefused)
    }

    fn refused(&mut self) -> Verdict {
        let reason = format!("{} refuses: nothing listens there", self.name());
        self.later(reason)
    }

    fn send_datagram(&mut self, body: &[u8]) -> Verdict {
        if self.burst > 0 && self.burst + body.len() + OVERHEAD > BURST {
            let pause = if self.paused < PAUSES { PAUSE } else { SHORT_PAUSE };
            thread::sleep(pause);
            (self.burst, self.paused) = (0, self.paused + pause);
        }
        self.burst += body.len() + OVERHEAD;
        let mut tries = 0;
        loop {
            let Some((Open::Udp(socket), ..)) = &self.open else { return self.refused() };
            let Err(error) = socket.send(body) else { break };
            tries += 1;
            match error.kind() {
                ErrorKind::WouldBlock | ErrorKind::Interrupted if tries < 200 => thread::sleep(PAUSE / 4),
                ErrorKind::ConnectionRefused => return self.refused(),
                _ if error.raw_os_error() == Some(MESSAGE_TOO_LONG) => {
                    let reason = format!("a datagram of {} bytes to {}: {error}", body.len(), self.name());
                    return Verdict::TooLarge { reason };
                }
                _ => {
                    let reason = format!("cannot send to {}: {error}", self.name());
                    return self.later(reason);
                }
            }
        }
        if self.suspect {
            if self.is_refused() {
                return self.refused();
            }
            self.suspect = false;
        }
        Verdict::Accepted
    }

    fn send_stream(&mut self, body: &[u8]) -> Verdict {
        let Some((Open::Tcp(stream), ..)) = &mut self.open else { return self.refused() };
        match stream.write_all(body) {
            Ok(()) => Verdict::Accepted,
            Err(error) => {
                let why = match error.kind() {
                    ErrorKind::WouldBlock | ErrorKind::TimedOut => "does not read what it is sent".to_owned(),
                    _ => error.to_string(),
                };
                let reason = format!("{}: {why}", self.name());
                self.later(reason)
            }
        }
    }
}

impl Carrier for Socket {
    fn send(&mut self, body: &[u8], _: bool, _: usize, until: Instant) -> Verdict {
        if let Err(reason) = self.open(until) {
            return self.later(reason);
        }
        self.sent = true;
        match self.settings.proto {
            Proto::Udp => self.send_datagram(body),
            Proto::Tcp => self.send_stream(body),
        }
    }

    fn finish(&mut self) -> Verdict {
        (self.burst, self.paused) = (0, Duration::ZERO);
        if !std::mem::take(&mut self.sent) {
            return Verdict::Accepted;
        }
        if self.is_refused() {
            return self.refused();
        }
        if let Some((Open::Tcp(stream), ..)) = &mut self.open
            && is_closed(stream)
        {
            let reason = format!("{} closed the connection", self.name());
            return self.later(reason);
        }
        Verdict::Accepted
    }
}

impl std::fmt::Debug for Socket {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Socket").field("settings", &self.settings).finish_non_exhaustive()
    }
}

/// The system's EMSGSIZE.
const MESSAGE_TOO_LONG: i32 = if cfg!(target_os = "linux") {
    90
} else if cfg!(windows) {
    10_040
} else {
    40
};

/// A server that went away is noticed before something is lost into its connection. What it says is not looked at.
fn is_closed(stream: &mut TcpStream) -> bool {
    if stream.set_nonblocking(true).is_err() {
        return true;
    }
    let mut said = [0; 256];
    let closed = loop {
        match stream.read(&mut said) {
            Ok(0) => break true,
            Ok(_) => {}
            Err(error) => break error.kind() != ErrorKind::WouldBlock,
        }
    };
    closed || stream.set_nonblocking(false).is_err()
}

/// Looks a host up; for `localhost` IPv4 first, because that is where such servers listen.
fn addresses(server: &str, port: u16) -> io::Result<Vec<SocketAddr>> {
    let bare = server.strip_prefix('[').and_then(|rest| rest.strip_suffix(']')).unwrap_or(server);
    let mut found: Vec<SocketAddr> = (bare, port).to_socket_addrs()?.collect();
    if bare.eq_ignore_ascii_case("localhost") {
        found.sort_by_key(SocketAddr::is_ipv6);
    }
    Ok(found)
}

fn open_udp(address: SocketAddr) -> io::Result<UdpSocket> {
    let any: SocketAddr = match address {
        SocketAddr::V4(_) => (Ipv4Addr::UNSPECIFIED, 0).into(),
        SocketAddr::V6(_) => (Ipv6Addr::UNSPECIFIED, 0).into(),
    };
    let socket = UdpSocket::bind(any)?;
    socket.connect(address)?;
    socket.set_nonblocking(true)?;
    Ok(socket)
}

fn open_tcp(address: SocketAddr, timeout: Duration) -> io::Result<TcpStream> {
    let stream = TcpStream::connect_timeout(&address, timeout)?;
    stream.set_write_timeout(Some(timeout))?;
    stream.set_nodelay(true)?;
    Ok(stream)
}

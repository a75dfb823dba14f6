//! Hands datagrams (or, for a stream, lines) to the kernel. Sockets never block; the backend's thread waits a bounded time for
//! place in a buffer, then puts the rest off to the next interval.
//!
//! A refusal (ICMP) reaches a UDP socket after the send that it is about: within microseconds from this machine, within a round trip from another.
//! So each delivery sends one datagram first and waits for a refusal before it believes in the others, and waits again behind the last. A
//! datagram counts as sent when the one behind it was not refused either.
//!
//! This file has more than 400 lines, because datagrams and streams share one socket, one patience and one account of refusals.
//!
//! All kinds of sockets are under one account of what the kernel took; hence the length.

use crate::pacer::Pacer;
use crate::refusal::{NotNow, Refusal, Sent, not_now};
use crate::resolver::Resolver;
use crate::settings::{Settings, Transport};
#[cfg(unix)]
use crate::socket::open_unix;
use crate::socket::{Socket, is_too_large, no_buffer_space, open_tcp, open_udp};
use crate::udp_gso;
use std::io::{ErrorKind, Read, Write};
use std::net::SocketAddr;
use std::sync::Arc;
use std::thread;
use std::time::{Duration, Instant};

/// How long a full buffer is waited for, in all, in one delivery.
const PATIENCE: Duration = Duration::from_millis(200);
/// A refusal takes up to the sum of these to come back from a server that is away.
const PROBES: [Duration; 2] = [Duration::from_millis(1), Duration::from_millis(4)];
/// The most that UDP carries over IPv4, in one datagram or in many at once.
const MAX_PAYLOAD: usize = 65_507;
/// How long a TCP connection may take.
const CONNECT: Duration = Duration::from_secs(1);
/// How long a stream that takes nothing is kept.
const STALLED: Duration = Duration::from_secs(30);

/// Tells if the kernel takes many datagrams at once from this socket.
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
    /// Counts the sockets there were.
    opened: u64,
    /// Which of the addresses is tried.
    choice: usize,
    /// Nothing is known of the server in this delivery.
    suspect: bool,
    pacer: Pacer,
    /// In this delivery.
    waited: Duration,
    /// When a stream last took something.
    progress: Instant,
}

impl Connection {
    pub(crate) fn new(settings: &Settings, max_datagram: usize) -> Connection {
        let resolver = match &settings.transport {
            Transport::Udp { host, port } | Transport::Tcp { host, port } => {
                Some(Resolver::start(host, *port, settings.resolve_interval, Arc::clone(&settings.lookup)))
            }
            Transport::Unix { .. } => None,
        };
        Connection {
            transport: settings.transport.clone(),
            max_datagram,
            gso: Gso::Untried,
            resolver,
            socket: None,
            opened: 0,
            choice: 0,
            suspect: true,
            pacer: Pacer::new(settings.spread, max_datagram),
            waited: Duration::ZERO,
            progress: Instant::now(),
        }
    }

    /// A delivery begins.
    pub(crate) fn begin(&mut self) {
        self.waited = Duration::ZERO;
        self.pacer.begin();
        if let Some(resolver) = &mut self.resolver {
            resolver.begin();
        }
        self.follow();
        // A server that died since the last delivery refuses the first datagram of this one: that is waited for.
        self.suspect = true;
        // A refusal that came so late is about the delivery before, and says nothing of this one.
        if let Some((Socket::Udp(socket), _)) = &self.socket {
            let _ = socket.take_error();
        }
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
        let most = (MAX_PAYLOAD / self.max_datagram).min(self.pacer.at_once(self.max_datagram)).min(udp_gso::MOST);
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

    /// How many may be handed over at once as soon as the server was heard of in a delivery. Nothing is opened for it.
    pub(crate) fn at_once_when_heard(&self) -> usize {
        if !matches!(self.transport, Transport::Udp { .. }) || self.gso == Gso::Refused {
            return 1;
        }
        let most = (MAX_PAYLOAD / self.max_datagram).min(self.pacer.at_once(self.max_datagram)).min(udp_gso::MOST);
        if most < 2 {
            return 1;
        }
        let size = u16::try_from(self.max_datagram).unwrap_or(u16::MAX);
        let can =
            || std::net::UdpSocket::bind("0.0.0.0:0").is_ok_and(|socket| udp_gso::set_size(&socket, size).is_ok());
        if self.gso == Gso::Taken || can() { most } else { 1 }
    }

    /// Sends datagrams that stand one behind the other, all but the last of the largest size. `Ok(None)`: none was taken, and they are
    /// to be sent one by one, which tells why.
    pub(crate) fn send_at_once(
        &mut self,
        datagrams: &[u8],
        count: usize,
        until: Instant,
    ) -> Result<Option<Sent>, Refusal> {
        if self.at_once() < 2 {
            return Ok(None);
        }
        self.pacer.wait(self.max_datagram, count, until);
        let Some((Socket::Udp(socket), _)) = &self.socket else { return Ok(None) };
        match socket.send(datagrams).map_err(|error| error.kind()) {
            Ok(_) => return self.ask().map(Some),
            Err(ErrorKind::WouldBlock | ErrorKind::Interrupted) => {}
            Err(ErrorKind::ConnectionRefused) => return Err(self.refused()),
            // The way may be too narrow, or a device on it may not take such pieces.
            Err(_) => self.one_by_one(),
        }
        Ok(None)
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
    pub(crate) fn send(&mut self, datagram: &[u8], until: Instant) -> Result<Sent, Refusal> {
        self.open(until)?;
        match &self.socket {
            Some((Socket::Tcp(_), _)) => self.send_stream(datagram, until).map(|()| Sent::Surely),
            #[cfg(unix)]
            Some((Socket::Unix(_), _)) => self.send_datagram(datagram, until).map(|()| Sent::Surely),
            _ => {
                self.pacer.wait(datagram.len(), 1, until);
                self.send_datagram(datagram, until)?;
                if !std::mem::take(&mut self.suspect) {
                    return self.ask();
                }
                self.settle().map(|()| Sent::Surely)
            }
        }
    }

    fn send_datagram(&mut self, datagram: &[u8], until: Instant) -> Result<(), Refusal> {
        let mut reopened = false;
        loop {
            let (sent, is_unix) = match &self.socket {
                Some((Socket::Udp(socket), _)) => (socket.send(datagram), false),
                #[cfg(unix)]
                Some((Socket::Unix(socket), _)) => (socket.send(datagram), true),
                _ => return Err(not_now("not connected")),
            };
            let Err(error) = sent else { return Ok(()) };
            match error.kind() {
                // One that is interrupted again and again must not keep this thread.
                ErrorKind::WouldBlock | ErrorKind::Interrupted => self.wait_for_place(until)?,
                // The server's socket is gone; another may stand in its place already.
                ErrorKind::ConnectionRefused | ErrorKind::NotConnected if is_unix && !reopened => {
                    reopened = true;
                    self.socket = None;
                    self.open(until)?;
                }
                // The answer to an earlier datagram; this one was not sent.
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

    /// Asks whether a refusal has come by now. From this machine it comes while a datagram is being sent.
    fn ask(&mut self) -> Result<Sent, Refusal> {
        match &self.socket {
            Some((Socket::Udp(socket), _)) if matches!(socket.take_error(), Ok(Some(_))) => Err(self.refused()),
            _ => Ok(Sent::Unknown),
        }
    }

    /// Tells if a refusal of anything sent before would have come by now.
    pub(crate) fn is_prompt(&self) -> bool {
        matches!(&self.socket, Some((Socket::Udp(_), Some(address))) if address.ip().is_loopback())
    }

    /// Waits as long as a refusal takes to come back.
    pub(crate) fn settle(&mut self) -> Result<(), Refusal> {
        for pause in PROBES {
            let Some((Socket::Udp(socket), _)) = &self.socket else { return Ok(()) };
            if let Ok(Some(_)) = socket.take_error() {
                return Err(self.refused());
            }
            thread::sleep(pause);
        }
        match &self.socket {
            Some((Socket::Udp(socket), _)) if matches!(socket.take_error(), Ok(Some(_))) => Err(self.refused()),
            _ => Ok(()),
        }
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
        Refusal::NotNow(NotNow { reason, with_the_last: true, ..NotNow::default() })
    }

    fn send_stream(&mut self, lines: &[u8], until: Instant) -> Result<(), Refusal> {
        let mut taken = 0;
        let (reason, is_open) = loop {
            // A line ends with a newline, the last one too.
            if taken > lines.len() {
                return Ok(());
            }
            let rest = if taken < lines.len() { &lines[taken..] } else { b"\n" };
            match self.write(rest, until) {
                Ok(n) => taken += n,
                Err(NotNow { reason, is_open, .. }) => break (reason, is_open),
            }
        };
        let reason = format!("{}: {reason}; what is left is kept for the next interval", self.where_to());
        Err(Refusal::NotNow(NotNow { reason, taken, is_open, with_the_last: false }))
    }

    /// Writes the rest of a line that was begun on the stream of this number, and says how much of it was taken. Once the stream is another,
    /// nobody has the beginning of the line, and `None` says so.
    pub(crate) fn write_rest(&mut self, rest: &[u8], stream: u64, until: Instant) -> Option<Result<(), NotNow>> {
        self.find_closed();
        let mut taken = 0;
        while self.opened == stream && matches!(self.socket, Some((Socket::Tcp(_), _))) {
            if taken == rest.len() {
                return Some(Ok(()));
            }
            match self.write(&rest[taken..], until) {
                Ok(n) => taken += n,
                Err(not_now) => return not_now.is_open.then_some(Err(NotNow { taken, ..not_now })),
            }
        }
        None
    }

    /// Writes a part to the stream, at least a byte. A stream that is full is kept: were it closed, its server would take the beginning of a line
    /// for a line.
    fn write(&mut self, bytes: &[u8], until: Instant) -> Result<usize, NotNow> {
        loop {
            let Some((Socket::Tcp(stream), _)) = &mut self.socket else {
                return Err(NotNow { reason: "not connected".to_owned(), ..NotNow::default() });
            };
            let reason = match stream.write(bytes) {
                Ok(0) => "closed by the server".to_owned(),
                Ok(n) => {
                    self.progress = Instant::now();
                    return Ok(n);
                }
                Err(error) if matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::Interrupted) => {
                    match self.wait_for_place(until) {
                        Ok(()) => continue,
                        Err(Refusal::NotNow(not_now)) if self.progress.elapsed() < STALLED => {
                            return Err(NotNow { is_open: true, ..not_now });
                        }
                        Err(_) => format!("took nothing for {} s", STALLED.as_secs()),
                    }
                }
                Err(error) => error.to_string(),
            };
            self.socket = None;
            return Err(NotNow { reason, ..NotNow::default() });
        }
    }

    /// The number of the socket that is in use.
    pub(crate) fn number(&self) -> u64 {
        self.opened
    }

    /// Tells if lines travel on a stream, which may take a part of one.
    pub(crate) fn is_stream(&self) -> bool {
        matches!(self.transport, Transport::Tcp { .. })
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

    fn where_to(&self) -> String {
        match (&self.transport, &self.socket) {
            (_, Some((_, Some(address)))) => address.to_string(),
            (Transport::Unix { path }, _) => path.display().to_string(),
            (Transport::Udp { host, port } | Transport::Tcp { host, port }, _) => format!("{host}:{port}"),
        }
    }

    /// Notices a stream whose server went away before something is lost into it.
    fn find_closed(&mut self) {
        if let Some((Socket::Tcp(stream), _)) = &mut self.socket
            && matches!(stream.read(&mut [0; 64]), Ok(0))
        {
            self.socket = None;
        }
    }

    fn open(&mut self, until: Instant) -> Result<(), Refusal> {
        self.find_closed();
        if self.socket.is_some() {
            return Ok(());
        }
        let opened = match &self.transport {
            #[cfg(unix)]
            Transport::Unix { path } => open_unix(path).map(|s| (s, None)),
            #[cfg(not(unix))]
            Transport::Unix { .. } => {
                Err(std::io::Error::new(ErrorKind::Unsupported, "no Unix sockets on this system"))
            }
            Transport::Udp { .. } => {
                let address = self.address()?;
                open_udp(address).map(|socket| (socket, Some(address)))
            }
            Transport::Tcp { .. } => {
                let limit = until.saturating_duration_since(Instant::now()).clamp(Duration::from_millis(10), CONNECT);
                let address = self.address()?;
                open_tcp(address, limit).map(|socket| (socket, Some(address)))
            }
        };
        match opened {
            Ok(socket) => {
                self.socket = Some(socket);
                self.opened += 1;
                self.progress = Instant::now();
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

    fn address(&self) -> Result<SocketAddr, Refusal> {
        let answer = self.resolver.as_ref().map(Resolver::answer).unwrap_or_default();
        match answer.addresses.len() {
            0 => Err(not_now(answer.error.unwrap_or_else(|| format!("{} is being looked up", self.where_to())))),
            n => Ok(answer.addresses[self.choice % n]),
        }
    }
}

#[cfg(all(test, target_os = "linux"))]
mod tests;

//! Sockets of datagrams: a thread receives and does nothing else, so that the system's buffer does not overflow while lines are read; another
//! hands them over.

use crate::batch::{Datagrams, Peer};
use crate::hears::{LONGEST, LOOK, REST, Shared, is_pause};
use std::io;
use std::net::UdpSocket;
#[cfg(unix)]
use std::os::unix::net::UnixDatagram;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::mpsc::sync_channel;
use std::thread;
use std::time::{Duration, Instant};

/// Most bytes of memory that wait to be handed over: a million short lines. Beyond it the system keeps them, and then throws away and counts.
pub(crate) const MOST: usize = 64 << 20;
/// Bytes of memory from which on a handful is handed over even while the one before is being read.
pub(crate) const FULL: usize = 256 << 10;

/// Rest between two calls of the system while datagrams come thick and fast: each call then brings many, and neither this thread nor the senders
/// pay for a waking up with each.
const REST_BETWEEN: Duration = Duration::from_micros(500);
/// Datagrams that come within so short a time come fast.
const FAST: Duration = Duration::from_millis(1);
/// Bytes of the system's buffer from which on a rest loses nothing: room for a million short lines a second, four rests long.
const ROOMY: usize = 1 << 20;

/// Result of one call of the system.
struct Came {
    /// Datagrams that were thrown away since the socket was made, as far as was told.
    lost: Option<u32>,
}

/// Hears a socket for which the system keeps this number of bytes.
pub(crate) fn udp(shared: &Shared, socket: &UdpSocket, kept: usize) {
    let peer = |from| Peer::Inet(from);
    let one = |buffer: &mut [u8]| socket.recv_from(buffer).map(|(length, from)| (length, peer(from)));
    let mut receiver = receiver::Receiver::new(socket);
    let before = receiver.lost_before;
    hear(shared, before, kept >= ROOMY, |into, is_last| receiver.receive(into, is_last, one));
}

#[cfg(unix)]
pub(crate) fn unix(shared: &Shared, socket: &UnixDatagram) {
    let one = |buffer: &mut [u8]| socket.recv(buffer).map(|length| (length, Peer::Unix));
    let mut receiver = receiver::Receiver::new(socket);
    // Senders wait where there is no room.
    hear(shared, 0, false, |into, is_last| receiver.receive(into, is_last, one));
}

/// Receives until the end, and then what had come by then. `receive` waits for at most [`LOOK`], and not at all for the last ones.
fn hear(
    shared: &Shared,
    before: u32,
    may_rest: bool,
    mut receive: impl FnMut(&mut Datagrams, bool) -> io::Result<Came>,
) {
    let is_idle = &AtomicBool::new(true);
    let (sender, waiting) = sync_channel::<Datagrams>(MOST / FULL);
    let waits = &AtomicUsize::new(0);
    // Emptied ones, so that their memory is used again.
    let (emptied, empty) = sync_channel::<Datagrams>(2);
    let hears = &*shared.hears;
    thread::scope(|scope| {
        let begun = thread::Builder::new().name("statsd-read".into()).spawn_scoped(scope, move || {
            while let Ok(mut datagrams) = waiting.recv() {
                is_idle.store(false, Ordering::Relaxed);
                hears.datagrams(&datagrams);
                waits.fetch_sub(datagrams.weight(), Ordering::Relaxed);
                datagrams.clear();
                let _ = emptied.try_send(datagrams);
                is_idle.store(true, Ordering::Relaxed);
            }
        });
        let reader = begun.ok();
        let sender = sender;
        let mut datagrams = Datagrams::new();
        let mut heard = Instant::now();
        // All that the system kept, which has its own part of each datagram beside it.
        let (mut lost, mut rest) = (before, shared.limits.buffer.saturating_mul(2).max(REST));
        loop {
            let is_last = shared.is_stopped();
            let (had, count) = (datagrams.weight(), datagrams.len());
            let came = receive(&mut datagrams, is_last);
            if let Ok(Came { lost: Some(now) }) = came
                && now != lost
            {
                // The system's count wraps around.
                hears.lost(u64::from(now.wrapping_sub(lost)));
                lost = now;
            }
            let count = datagrams.len() - count;
            let is_due = came.is_err() || is_idle.load(Ordering::Relaxed) || datagrams.weight() > FULL;
            if is_last {
                rest = rest.saturating_sub((datagrams.weight() - had).max(1));
            }
            if is_due && !datagrams.is_empty() {
                if let Some(reader) = &reader {
                    // One call of the system may bring more than fits a handful.
                    while waits.load(Ordering::Relaxed) > MOST && !reader.is_finished() {
                        thread::sleep(Duration::from_millis(1));
                    }
                    waits.fetch_add(datagrams.weight(), Ordering::Relaxed);
                    let next = empty.try_recv().unwrap_or_else(|_| Datagrams::new());
                    if sender.send(std::mem::replace(&mut datagrams, next)).is_err() {
                        return;
                    }
                } else {
                    // No thread was left: read here, and slower.
                    hears.datagrams(&datagrams);
                    datagrams.clear();
                }
            }
            match came {
                Ok(_) if is_last && rest == 0 => break,
                Ok(_) => {
                    // A call that brought as many as it can has left some.
                    if may_rest && !is_last && count < receiver::AT_ONCE && heard.elapsed() < FAST {
                        thread::sleep(REST_BETWEEN);
                    }
                    heard = Instant::now();
                }
                Err(_) if is_last => break,
                Err(error) if is_pause(&error) => {}
                // A refusal of a client's host says nothing about this socket.
                Err(_) => thread::sleep(LOOK / 10),
            }
        }
        if !datagrams.is_empty() && reader.is_some() {
            waits.fetch_add(datagrams.weight(), Ordering::Relaxed);
            let _ = sender.send(datagrams);
        }
    });
}

/// Many datagrams with one call.
#[cfg(target_os = "linux")]
mod receiver {
    use super::{Came, Datagrams, LONGEST, Peer, io};
    use nix::cmsg_space;
    use nix::sys::socket::{
        ControlMessageOwned, MsgFlags, MultiHeaders, SockaddrStorage, recvmmsg, setsockopt, sockopt::RxqOvfl,
    };
    use std::fs;
    use std::io::IoSliceMut;
    use std::net::SocketAddr;
    use std::os::fd::{AsFd, AsRawFd, RawFd};
    use std::os::unix::fs::MetadataExt;

    /// Most datagrams of a call.
    pub(super) const AT_ONCE: usize = 64;

    pub(super) struct Receiver {
        socket: RawFd,
        buffer: Vec<u8>,
        /// Datagrams that the system threw away before this.
        pub lost_before: u32,
    }

    impl Receiver {
        pub(super) fn new(socket: &(impl AsFd + AsRawFd)) -> Receiver {
            // Where it is not to be had, nothing is told of what is lost.
            let _ = setsockopt(socket, RxqOvfl, &1);
            let lost_before = lost(socket.as_raw_fd()).unwrap_or(0);
            Receiver { socket: socket.as_raw_fd(), buffer: vec![0; AT_ONCE * LONGEST], lost_before }
        }

        pub(super) fn receive(
            &mut self,
            into: &mut Datagrams,
            is_last: bool,
            _one: impl FnMut(&mut [u8]) -> io::Result<(usize, Peer)>,
        ) -> io::Result<Came> {
            let mut slices: Vec<_> = self.buffer.chunks_exact_mut(LONGEST).map(|one| [IoSliceMut::new(one)]).collect();
            let flags = if is_last { MsgFlags::MSG_DONTWAIT } else { MsgFlags::MSG_WAITFORONE };
            // The system writes into the headers how much of them it used, so that they serve for one call.
            let mut headers = MultiHeaders::<SockaddrStorage>::preallocate(AT_ONCE, Some(cmsg_space!(u32)));
            let mut came = Came { lost: None };
            for message in recvmmsg(self.socket, &mut headers, slices.iter_mut(), flags, None)? {
                let v4 = || Some(SocketAddr::V4((*message.address?.as_sockaddr_in()?).into()));
                let v6 = || Some(SocketAddr::V6((*message.address?.as_sockaddr_in6()?).into()));
                let from = v4().or_else(v6).map_or(Peer::Unix, Peer::Inet);
                into.push(from, message.iovs().next().unwrap_or_default());
                for told in message.cmsgs().into_iter().flatten() {
                    if let ControlMessageOwned::RxqOvfl(lost) = told {
                        came.lost = Some(lost);
                    }
                }
            }
            Ok(came)
        }
    }

    /// Reads from the system's tables how many datagrams of a socket it has thrown away: one that others heard before has some.
    fn lost(socket: RawFd) -> Option<u32> {
        let own = fs::metadata(format!("/proc/self/fd/{socket}")).ok()?.ino().to_string();
        let row = |table: &str| {
            let text = fs::read_to_string(table).ok()?;
            let fields = text.lines().map(|line| line.split_whitespace().collect::<Vec<_>>());
            let found = fields.into_iter().find(|fields| fields.get(9) == Some(&own.as_str()))?;
            found.last()?.parse().ok()
        };
        row("/proc/self/net/udp").or_else(|| row("/proc/self/net/udp6"))
    }
}

/// One datagram with each call.
#[cfg(not(target_os = "linux"))]
mod receiver {
    use super::{Came, Datagrams, LONGEST, Peer, io};

    /// Most datagrams of a call.
    pub(super) const AT_ONCE: usize = 1;

    pub(super) struct Receiver {
        buffer: Vec<u8>,
        pub lost_before: u32,
    }

    impl Receiver {
        pub(super) fn new<S>(_socket: &S) -> Receiver {
            Receiver { buffer: vec![0; LONGEST + 1], lost_before: 0 }
        }

        pub(super) fn receive(
            &mut self,
            into: &mut Datagrams,
            _is_last: bool,
            mut one: impl FnMut(&mut [u8]) -> io::Result<(usize, Peer)>,
        ) -> io::Result<Came> {
            let (length, from) = one(&mut self.buffer)?;
            into.push(from, &self.buffer[..length]);
            Ok(Came { lost: None })
        }
    }
}

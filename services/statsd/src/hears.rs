//! The one who hears, and what the threads that hear for it have in common.

use crate::batch::{Datagrams, Peer};
use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::{Duration, SystemTime};

/// Bytes of the largest datagram, and of the longest line of a stream.
pub(crate) const LONGEST: usize = 65_535;
/// The longest that a thread does not look whether it is to end.
pub(crate) const LOOK: Duration = Duration::from_millis(100);
/// Most bytes that a socket hands over after its end was asked for: what had come by then is taken, and a client that goes on sending does
/// not hold the end up.
pub(crate) const REST: usize = 16 << 20;

/// Takes what is heard, from several threads at a time.
pub trait Hears: Send + Sync + 'static {
    /// Takes datagrams that came one after the other.
    fn datagrams(&self, datagrams: &Datagrams);

    /// Takes whole lines of a stream, of which the last has no line feed.
    fn lines(&self, from: Peer, at: SystemTime, lines: &[u8]);

    /// Is told of a line of a stream that is longer than 65,535 bytes, with its beginning. It is skipped.
    fn too_long(&self, from: Peer, beginning: &[u8]);

    /// Is told of a connection that was closed at once, because there are too many or no thread was left for it.
    fn refused(&self, from: Peer);

    /// Is told of datagrams that the system threw away before anybody could read them, because the socket's buffer was full. Linux tells them, of UDP.
    fn lost(&self, datagrams: u64);
}

/// Bounds of what is heard.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Limits {
    /// Most connections, of all sockets together. Default 256.
    pub connections: usize,
    /// Bytes that the system is asked to keep of each socket's datagrams until they are read. It gives what it allows: a privileged process all of
    /// it (`CAP_NET_ADMIN` on Linux), others as much as its limit. A short line takes some 400 of them. Default 32 MiB.
    pub buffer: usize,
}

impl Default for Limits {
    fn default() -> Limits {
        Limits { connections: 256, buffer: 32 << 20 }
    }
}

/// State that the threads share.
#[derive(Clone)]
pub(crate) struct Shared {
    pub hears: Arc<dyn Hears>,
    pub limits: Limits,
    pub connections: Arc<AtomicUsize>,
    pub stopped: Arc<AtomicBool>,
}

impl Shared {
    pub fn is_stopped(&self) -> bool {
        self.stopped.load(Ordering::Relaxed)
    }
}

/// Returns whether a call of the system is only to be made again.
pub(crate) fn is_pause(error: &io::Error) -> bool {
    matches!(error.kind(), io::ErrorKind::WouldBlock | io::ErrorKind::TimedOut | io::ErrorKind::Interrupted)
}

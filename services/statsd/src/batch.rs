//! Datagrams on their way, each with its sender.

use std::fmt;
use std::net::SocketAddr;
use std::time::SystemTime;

/// Who sends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Peer {
    /// An address of the internet protocol.
    Inet(SocketAddr),
    /// A process of this machine, over a Unix socket.
    Unix,
}

impl fmt::Display for Peer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Peer::Inet(address) => address.fmt(f),
            Peer::Unix => f.write_str("unix"),
        }
    }
}

/// Datagrams on their way from the thread that receives them to the one that hands them over.
#[derive(Debug)]
pub struct Datagrams {
    bytes: Vec<u8>,
    /// Where each ends, and who sent it.
    ends: Vec<(usize, Peer)>,
    at: SystemTime,
}

impl Datagrams {
    pub(crate) fn new() -> Datagrams {
        Datagrams { bytes: Vec::new(), ends: Vec::new(), at: SystemTime::UNIX_EPOCH }
    }

    pub(crate) fn push(&mut self, from: Peer, bytes: &[u8]) {
        if self.ends.is_empty() {
            self.at = SystemTime::now();
        }
        self.bytes.extend_from_slice(bytes);
        self.ends.push((self.bytes.len(), from));
    }

    pub(crate) fn clear(&mut self) {
        self.bytes.clear();
        self.ends.clear();
    }

    /// Returns the bytes of memory that they take: an empty datagram takes some too.
    pub(crate) fn weight(&self) -> usize {
        self.bytes.len() + self.ends.len() * size_of::<(usize, Peer)>()
    }

    pub(crate) fn len(&self) -> usize {
        self.ends.len()
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.ends.is_empty()
    }

    /// Returns when the first of them came.
    #[must_use]
    pub fn at(&self) -> SystemTime {
        self.at
    }

    /// Returns them in the order in which they came.
    pub fn iter(&self) -> impl ExactSizeIterator<Item = (Peer, &[u8])> {
        self.ends.iter().enumerate().map(|(number, (end, from))| {
            let begin = number.checked_sub(1).map_or(0, |before| self.ends[before].0);
            (*from, &self.bytes[begin..*end])
        })
    }
}

//! A UDP receiver of statsd lines.

use std::io::ErrorKind;
use std::net::UdpSocket;
use std::time::{Duration, Instant};

use crate::wait::SOON;

/// How long a receiver looks out for lines that should not come.
const QUIET: Duration = Duration::from_millis(100);

/// A socket of this machine at a port of its own. Lines about ferrometer itself are left out of all it returns.
#[derive(Debug)]
pub struct Receiver(UdpSocket);

impl Receiver {
    /// Binds a free port.
    pub fn new() -> Receiver {
        let socket = UdpSocket::bind("127.0.0.1:0").expect("a free UDP port");
        socket.set_read_timeout(Some(QUIET)).expect("a socket with a timeout");
        Receiver(socket)
    }

    /// Returns the port to send to.
    pub fn port(&self) -> u16 {
        self.0.local_addr().expect("a bound socket").port()
    }

    /// Returns the lines in the order of their arrival: waits until there are `expected` of them, and a little longer for any beyond.
    ///
    /// # Panics
    ///
    /// When fewer have come within [`SOON`].
    #[track_caller]
    pub fn lines(&self, expected: usize) -> Vec<String> {
        let (mut all, mut buffer) = (Vec::new(), [0; 65536]);
        let until = Instant::now() + SOON;
        loop {
            match self.0.recv(&mut buffer) {
                Ok(length) => {
                    let text = std::str::from_utf8(&buffer[..length]).expect("a datagram of UTF-8");
                    all.extend(text.lines().filter(|line| !line.contains("ferrometer.")).map(str::to_owned));
                }
                // A signal is no silence.
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(error) if !matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut) => {
                    panic!("{error}")
                }
                Err(_) if all.len() >= expected => return all,
                Err(_) => assert!(Instant::now() < until, "{expected} lines expected, and these came: {all:?}"),
            }
        }
    }
}

impl Default for Receiver {
    fn default() -> Receiver {
        Receiver::new()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_come_in_order_without_our_own() {
        let receiver = Receiver::new();
        let sender = UdpSocket::bind("127.0.0.1:0").unwrap();
        for datagram in ["a:1|c\nferrometer.errors:1|c\nb:2|c", "c:3|c"] {
            sender.send_to(datagram.as_bytes(), ("127.0.0.1", receiver.port())).unwrap();
        }
        assert_eq!(receiver.lines(3), ["a:1|c", "b:2|c", "c:3|c"]);
        assert!(receiver.lines(0).is_empty());
    }
}

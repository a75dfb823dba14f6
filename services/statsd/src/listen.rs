//! Sockets at work: a thread for each, and one more for each connection of a stream.

use crate::batch::Peer;
use crate::datagrams;
use crate::hears::{Hears, LOOK, Limits, Shared};
use crate::streams::{self, Stream};
use std::io;
use std::net::{TcpListener, UdpSocket};
#[cfg(unix)]
use std::os::unix::net::{UnixDatagram, UnixListener};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;

/// A socket that statsd lines come from.
#[derive(Debug)]
#[non_exhaustive]
pub enum Socket {
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

/// Sockets at work. Dropping it ends that: what had come by then has been handed over.
#[derive(Debug)]
#[must_use = "the sockets are heard until this is dropped"]
pub struct Listening {
    stopped: Arc<AtomicBool>,
    threads: Vec<JoinHandle<()>>,
    buffer: Option<usize>,
}

impl Listening {
    /// Returns the smallest buffer in bytes that the system gave a socket for datagrams, as [`Limits::buffer`] counts them; none without such a socket.
    #[must_use]
    pub fn buffer(&self) -> Option<usize> {
        self.buffer
    }
}

impl Drop for Listening {
    fn drop(&mut self) {
        self.stopped.store(true, Ordering::Relaxed);
        for thread in self.threads.drain(..) {
            let _ = thread.join();
        }
    }
}

/// Hears sockets until what is returned is dropped. The threads take no signal of the program.
///
/// # Errors
/// The error of a socket, or of the system that gave no thread; then no socket is heard.
pub fn listen(sockets: Vec<Socket>, hears: Arc<dyn Hears>, limits: Limits) -> io::Result<Listening> {
    let shared = Shared { hears, limits, connections: Arc::default(), stopped: Arc::default() };
    let mut listening = Listening { stopped: Arc::clone(&shared.stopped), threads: Vec::new(), buffer: None };
    for socket in sockets {
        let shared = shared.clone();
        let work: Box<dyn FnOnce() + Send> = match socket {
            Socket::Udp(socket) => {
                socket.set_nonblocking(false)?;
                socket.set_read_timeout(Some(LOOK))?;
                let kept = listening.ask_for_buffer(&socket2::SockRef::from(&socket), limits.buffer);
                Box::new(move || datagrams::udp(&shared, &socket, kept))
            }
            Socket::Tcp(listener) => {
                listener.set_nonblocking(true)?;
                Box::new(move || {
                    streams::accept(&shared, || {
                        let (stream, from) = listener.accept()?;
                        Ok((Stream::Tcp(stream), Peer::Inet(from)))
                    });
                })
            }
            #[cfg(unix)]
            Socket::UnixDatagram(socket) => {
                socket.set_nonblocking(false)?;
                socket.set_read_timeout(Some(LOOK))?;
                listening.ask_for_buffer(&socket2::SockRef::from(&socket), limits.buffer);
                Box::new(move || datagrams::unix(&shared, &socket))
            }
            #[cfg(unix)]
            Socket::UnixStream(listener) => {
                listener.set_nonblocking(true)?;
                Box::new(move || {
                    streams::accept(&shared, || Ok((Stream::Unix(listener.accept()?.0), Peer::Unix)));
                })
            }
        };
        listening.threads.push(ferrometer_threads::spawn("statsd", work)?);
    }
    Ok(listening)
}

impl Listening {
    /// Returns what was given.
    fn ask_for_buffer(&mut self, socket: &socket2::SockRef<'_>, bytes: usize) -> usize {
        // Less is no error: the system has a limit of its own, except for the privileged.
        if !is_forced(socket, bytes) {
            let _ = socket.set_recv_buffer_size(bytes);
        }
        // Linux doubles what it is asked for, and tells that.
        let double = if cfg!(target_os = "linux") { 2 } else { 1 };
        let Ok(given) = socket.recv_buffer_size() else { return 0 };
        self.buffer = Some(self.buffer.unwrap_or(usize::MAX).min(given / double));
        given / double
    }
}

/// Asks for a buffer beyond the system's limit, which the privileged get.
#[cfg(target_os = "linux")]
fn is_forced(socket: &socket2::SockRef<'_>, bytes: usize) -> bool {
    nix::sys::socket::setsockopt(&**socket, nix::sys::socket::sockopt::RcvBufForce, &bytes).is_ok()
}

#[cfg(not(target_os = "linux"))]
fn is_forced(_: &socket2::SockRef<'_>, _: usize) -> bool {
    false
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::batch::Datagrams;
    use crate::hears::LONGEST;
    use ferrometer_testkit::scratch::Scratch;
    use ferrometer_testkit::wait::wait_until;
    use std::io::Write;
    use std::net::TcpStream;
    use std::os::unix::net::UnixStream;
    use std::sync::Mutex;
    use std::sync::atomic::AtomicUsize;
    use std::time::{Duration, SystemTime};

    #[derive(Default)]
    struct Heard {
        lines: Mutex<Vec<String>>,
        told: Mutex<Vec<&'static str>>,
        lost: AtomicUsize,
        /// A reader that takes its time, until it is let go.
        held: Mutex<()>,
    }

    impl Heard {
        fn count(&self) -> usize {
            self.lines.lock().unwrap().len()
        }

        fn take(&self, bytes: &[u8]) {
            let text = String::from_utf8_lossy(bytes).into_owned();
            self.lines.lock().unwrap().extend(text.split('\n').filter(|line| !line.is_empty()).map(str::to_owned));
        }
    }

    impl Hears for Heard {
        fn datagrams(&self, datagrams: &Datagrams) {
            let _held = self.held.lock().unwrap();
            datagrams.iter().for_each(|(_, bytes)| self.take(bytes));
        }

        fn lines(&self, _: Peer, _: SystemTime, lines: &[u8]) {
            self.take(lines);
        }

        fn too_long(&self, _: Peer, _: &[u8]) {
            self.told.lock().unwrap().push("too long");
        }

        fn refused(&self, _: Peer) {
            self.told.lock().unwrap().push("refused");
        }

        fn lost(&self, datagrams: u64) {
            self.lost.fetch_add(datagrams as usize, Ordering::Relaxed);
        }
    }

    fn start(socket: Socket, limits: Limits) -> (Arc<Heard>, Listening) {
        let heard = Arc::new(Heard::default());
        let listening = listen(vec![socket], Arc::<Heard>::clone(&heard), limits).unwrap();
        (heard, listening)
    }

    #[test]
    fn each_kind_of_socket_is_heard_to_its_end() {
        let scratch = Scratch::new("statsd-input");
        let path = |name: &str| scratch.path().join(name);
        let (udp, tcp) = (UdpSocket::bind("127.0.0.1:0").unwrap(), TcpListener::bind("127.0.0.1:0").unwrap());
        let (udp_at, tcp_at) = (udp.local_addr().unwrap(), tcp.local_addr().unwrap());
        let (datagram, stream) = (path("d"), path("s"));
        let from = UdpSocket::bind("127.0.0.1:0").unwrap();
        let send_udp = |text: &[u8]| from.send_to(text, udp_at).map(drop);
        let unix = UnixDatagram::unbound().unwrap();
        let send_unix = |text: &[u8]| unix.send_to(text, &datagram).map(drop);
        type Send<'a> = Box<dyn FnMut(&[u8]) -> io::Result<()> + 'a>;
        let mut all: Vec<(Socket, Send<'_>)> = vec![
            (Socket::Udp(udp), Box::new(send_udp)),
            (Socket::UnixDatagram(UnixDatagram::bind(&datagram).unwrap()), Box::new(send_unix)),
        ];
        let tcp_listener = Socket::Tcp(tcp);
        let unix_listener = Socket::UnixStream(UnixListener::bind(&stream).unwrap());
        let (mut one, mut other) = (TcpStream::connect(tcp_at).unwrap(), UnixStream::connect(&stream).unwrap());
        all.push((tcp_listener, Box::new(move |text| one.write_all(&[text, b"\n"].concat()))));
        all.push((unix_listener, Box::new(move |text| other.write_all(&[text, b"\n"].concat()))));
        for (socket, mut send) in all {
            let what = format!("{socket:?}");
            let (heard, listening) = start(socket, Limits::default());
            send(b"a:1|c").unwrap();
            wait_until("the first line", || heard.count() == 1);
            // Text that came before the end is handed over, though nobody had read it.
            let held = heard.held.lock().unwrap();
            (0..100).for_each(|_| send(b"b:2|c").unwrap());
            let end = std::thread::spawn(move || drop(listening));
            drop(held);
            end.join().unwrap();
            assert_eq!(heard.count(), 101, "{what}");
        }
    }

    #[test]
    fn datagrams_come_whole_with_their_senders_in_order() {
        struct Senders(Mutex<Vec<(Peer, usize)>>);
        impl Hears for Senders {
            fn datagrams(&self, datagrams: &Datagrams) {
                assert!(datagrams.at() > SystemTime::UNIX_EPOCH);
                self.0.lock().unwrap().extend(datagrams.iter().map(|(from, bytes)| (from, bytes.len())));
            }
            fn lines(&self, _: Peer, _: SystemTime, _: &[u8]) {}
            fn too_long(&self, _: Peer, _: &[u8]) {}
            fn refused(&self, _: Peer) {}
            fn lost(&self, _: u64) {}
        }
        for any in ["127.0.0.1:0", "[::1]:0"] {
            let Ok(socket) = UdpSocket::bind(any) else { continue };
            let to = socket.local_addr().unwrap();
            let senders = Arc::new(Senders(Mutex::default()));
            let listening =
                listen(vec![Socket::Udp(socket)], Arc::<Senders>::clone(&senders), Limits::default()).unwrap();
            let (one, other) = (UdpSocket::bind(any).unwrap(), UdpSocket::bind(any).unwrap());
            let mut expected = Vec::new();
            for length in [1, 0, 1400, 60_000, 7, 65_000] {
                for from in [&one, &other] {
                    from.send_to(&vec![b'x'; length], to).unwrap();
                    expected.push((Peer::Inet(from.local_addr().unwrap()), length));
                }
            }
            drop(listening);
            assert_eq!(*senders.0.lock().unwrap(), expected);
        }
    }

    #[test]
    fn what_the_system_throws_away_is_told() {
        let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
        let to = socket.local_addr().unwrap();
        let small = Limits { buffer: 1, ..Limits::default() };
        let again = socket.try_clone().unwrap();
        let (heard, listening) = start(Socket::Udp(socket), small);
        assert!(listening.buffer().is_some_and(|given| given < 1 << 20));
        let from = UdpSocket::bind("127.0.0.1:0").unwrap();
        // A line is sent until one is heard after a loss: with it the loss is told.
        let mut sent = 0;
        wait_until("a loss", || {
            (0..1000).for_each(|_| drop(from.send_to(&[b'x'; 60_000], to).map(|_| sent += 1)));
            heard.lost.load(Ordering::Relaxed) > 0
        });
        drop(listening);
        let (lost, came) = (heard.lost.load(Ordering::Relaxed), heard.count());
        assert!(lost > 0 && lost + came <= sent, "{lost} lost and {came} heard of {sent}");
        // Who hears the same socket later is told no loss of before.
        let (later, listening) = start(Socket::Udp(again), Limits::default());
        from.send_to(b"x", to).unwrap();
        wait_until("the line", || later.count() == 1);
        drop(listening);
        assert!(later.lost.load(Ordering::Relaxed) + lost + came <= sent);
    }

    /// Returns the most that the system gives those who are not privileged.
    #[cfg(target_os = "linux")]
    fn most_for_everyone() -> usize {
        std::fs::read_to_string("/proc/sys/net/core/rmem_max").unwrap().trim().parse().unwrap()
    }

    #[cfg(target_os = "linux")]
    #[test]
    fn the_buffer_is_what_was_asked_or_the_most_that_is_given() {
        let most = most_for_everyone();
        for asked in [most / 2, 3 * most] {
            let socket = Socket::Udp(UdpSocket::bind("127.0.0.1:0").unwrap());
            let (_, listening) = start(socket, Limits { buffer: asked, ..Limits::default() });
            let given = listening.buffer().unwrap();
            assert!(given == asked || given == asked.min(most), "{given} of {asked}, {most} for everyone");
        }
    }

    #[test]
    fn what_waits_for_a_slow_reader_has_a_limit() {
        const LENGTH: usize = 60_000;
        let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
        let to = socket.local_addr().unwrap();
        let kept = 1 << 20;
        let (heard, listening) = start(Socket::Udp(socket), Limits { buffer: kept, ..Limits::default() });
        let from = UdpSocket::bind("127.0.0.1:0").unwrap();
        let held = heard.held.lock().unwrap();
        let line = [b'x'; LENGTH];
        for number in 0..4000 {
            let _ = from.send_to(&line, to);
            if number % 8 == 0 {
                // The thread that receives goes on meanwhile, if it may.
                std::thread::sleep(Duration::from_millis(1));
            }
        }
        drop(held);
        drop(listening);
        let came = heard.count() * LENGTH;
        // Datagrams that wait, a handful with the reader, one that is being made, and what the system kept.
        let most = datagrams::MOST + 2 * (64 * (LENGTH + 64) + datagrams::FULL) + 2 * kept;
        assert!(came > LENGTH && came <= most, "{came} bytes of {}, at most {most}", 4000 * LENGTH);
    }

    #[test]
    fn a_long_line_is_skipped_and_one_connection_too_many_closed() {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let to = listener.local_addr().unwrap();
        let (heard, _listening) = start(Socket::Tcp(listener), Limits { connections: 1, ..Limits::default() });
        let mut stream = TcpStream::connect(to).unwrap();
        stream.write_all(b"a:1|c\nb:").unwrap();
        stream.write_all(&vec![b'x'; 3 * LONGEST]).unwrap();
        stream.write_all(b"\nc:1|c\nd:1|c").unwrap();
        wait_until("the line behind it", || heard.count() == 2);
        let _more = TcpStream::connect(to).unwrap();
        wait_until("the refusal", || heard.told.lock().unwrap().len() == 2);
        drop(stream);
        wait_until("the last line", || heard.count() == 3);
        assert_eq!(*heard.lines.lock().unwrap(), ["a:1|c", "c:1|c", "d:1|c"]);
        assert_eq!(*heard.told.lock().unwrap(), ["too long", "refused"]);
    }
}

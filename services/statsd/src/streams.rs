//! Connections: each has a thread, which hands over its lines.

use crate::batch::Peer;
use crate::hears::{LONGEST, LOOK, REST, Shared, is_pause};
use std::io::{self, Read};
use std::net::TcpStream;
#[cfg(unix)]
use std::os::unix::net::UnixStream;
use std::sync::atomic::Ordering;
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant, SystemTime};

/// A connection that says nothing for so long is closed.
const IDLE: Duration = Duration::from_secs(600);

pub(crate) enum Stream {
    Tcp(TcpStream),
    #[cfg(unix)]
    Unix(UnixStream),
}

impl Stream {
    fn prepare(&self) -> io::Result<()> {
        match self {
            Stream::Tcp(stream) => stream.set_nonblocking(false).and_then(|()| stream.set_read_timeout(Some(LOOK))),
            #[cfg(unix)]
            Stream::Unix(stream) => stream.set_nonblocking(false).and_then(|()| stream.set_read_timeout(Some(LOOK))),
        }
    }

    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        match self {
            Stream::Tcp(stream) => stream.read(buffer),
            #[cfg(unix)]
            Stream::Unix(stream) => stream.read(buffer),
        }
    }
}

/// Accepts connections until the end; then those that wait are heard to what they had sent.
pub(crate) fn accept(shared: &Shared, next: impl Fn() -> io::Result<(Stream, Peer)>) {
    let mut threads: Vec<JoinHandle<()>> = Vec::new();
    // Who connects again and again does not hold the end up.
    let mut late = 2 * shared.limits.connections + 2;
    loop {
        let is_last = shared.is_stopped();
        late -= usize::from(is_last);
        match next() {
            Ok(_) if late == 0 => break,
            Ok((stream, from)) => {
                threads.retain(|thread| !thread.is_finished());
                let open = shared.connections.fetch_add(1, Ordering::Relaxed);
                let own = shared.clone();
                let run = move || {
                    connection(&own, stream, from);
                    own.connections.fetch_sub(1, Ordering::Relaxed);
                };
                let is_refused = open >= shared.limits.connections;
                let begun = (!is_refused).then(|| ferrometer_threads::spawn("statsd-stream", run));
                match begun {
                    Some(Ok(thread)) => threads.push(thread),
                    _ => {
                        shared.connections.fetch_sub(1, Ordering::Relaxed);
                        shared.hears.refused(from);
                    }
                }
            }
            Err(_) if is_last => break,
            Err(error) if is_pause(&error) => thread::sleep(LOOK / 10),
            // No descriptor is left, for example.
            Err(_) => thread::sleep(LOOK),
        }
    }
    for thread in threads {
        let _ = thread.join();
    }
}

/// Hands over the lines of a stream; the last may lack its line feed.
fn connection(shared: &Shared, mut stream: Stream, from: Peer) {
    if stream.prepare().is_err() {
        return;
    }
    let mut buffer = vec![0; LONGEST + 1];
    let (mut filled, mut skips, mut rest) = (0, false, REST);
    let mut heard = Instant::now();
    loop {
        let is_last = shared.is_stopped();
        match stream.read(&mut buffer[filled..]) {
            Ok(0) => break,
            Ok(length) => {
                heard = Instant::now();
                filled += length;
                rest = rest.saturating_sub(if is_last { length } else { 0 });
            }
            Err(error) if is_pause(&error) && !is_last && heard.elapsed() < IDLE => continue,
            Err(_) => break,
        }
        if let Some(end) = buffer[..filled].iter().rposition(|byte| *byte == b'\n') {
            let mut whole = &buffer[..end];
            if skips {
                // The rest of a line that was too long.
                let behind = whole.iter().position(|byte| *byte == b'\n').map_or(whole.len(), |at| at + 1);
                whole = &whole[behind..];
                skips = false;
            }
            if !whole.is_empty() {
                shared.hears.lines(from, SystemTime::now(), whole);
            }
            buffer.copy_within(end + 1..filled, 0);
            filled -= end + 1;
        } else if filled == buffer.len() {
            if !skips {
                shared.hears.too_long(from, &buffer);
            }
            (filled, skips) = (0, true);
        }
        if rest == 0 {
            break;
        }
    }
    // A last line needs no end.
    if filled > 0 && !skips {
        shared.hears.lines(from, SystemTime::now(), &buffer[..filled]);
    }
}

//! Servers that are programs of their own, on loopback.

use crate::{Scratch, wait_for};
use std::fs::File;
use std::net::{SocketAddr, TcpStream};
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicU16, Ordering::Relaxed};

/// A free port below those that outgoing connections take.
pub fn low_port() -> u16 {
    static NEXT: AtomicU16 = AtomicU16::new(0);
    loop {
        let seed = (std::process::id() as u16).wrapping_mul(37);
        let port = 12_000 + seed.wrapping_add(NEXT.fetch_add(1, Relaxed)) % 18_000;
        if TcpStream::connect(("127.0.0.1", port)).is_err() {
            return port;
        }
    }
}

/// A running server. It ends when this is dropped.
#[derive(Debug)]
pub struct Program {
    child: Child,
    /// Its files, and its `log`.
    pub scratch: Scratch,
}

impl Program {
    /// Starts a program and waits until it listens at a TCP port.
    ///
    /// # Panics
    /// When it cannot be started, or does not listen.
    pub fn start(scratch: Scratch, command: &mut Command, port: u16) -> Program {
        let child = spawn(&scratch, command, port);
        Program { child, scratch }
    }

    /// Ends it. Its files stay.
    pub fn stop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }

    /// Starts it again where it ended, with its files.
    ///
    /// # Panics
    /// When it cannot be started, or does not listen.
    pub fn start_again(&mut self, command: &mut Command, port: u16) {
        self.stop();
        self.child = spawn(&self.scratch, command, port);
    }

    /// Returns its log.
    pub fn log(&self) -> String {
        let log = std::fs::read(self.scratch.0.join("log")).unwrap_or_default();
        String::from_utf8_lossy(&log).into_owned()
    }
}

impl Drop for Program {
    fn drop(&mut self) {
        self.stop();
    }
}

fn spawn(scratch: &Scratch, command: &mut Command, port: u16) -> Child {
    let log = File::create(scratch.0.join("log")).unwrap();
    let error = log.try_clone().unwrap();
    let name = format!("{:?}", command.get_program());
    let child = command.stdin(Stdio::null()).stdout(log).stderr(error).spawn();
    let mut child = child.unwrap_or_else(|why| panic!("{name} does not start ({why}): scripts/test installs it"));
    wait_for(
        || {
            assert!(child.try_wait().unwrap().is_none(), "{name} ended");
            TcpStream::connect(SocketAddr::from(([127, 0, 0, 1], port))).ok()
        },
        || format!("{name} does not listen"),
    );
    child
}

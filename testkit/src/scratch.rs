//! Directories and ports that belong to one test.

use std::fs;
use std::net::{TcpListener, UdpSocket};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU32, Ordering::Relaxed};

use crate::wait::wait_until;

/// An empty directory of our own, removed with all that is in it when dropped.
#[derive(Debug)]
pub struct Scratch(PathBuf);

impl Scratch {
    /// Makes the directory; `name` is a part of its name, for those who find one that was left.
    pub fn new(name: &str) -> Scratch {
        static MADE: AtomicU32 = AtomicU32::new(0);
        let number = MADE.fetch_add(1, Relaxed);
        let path = std::env::temp_dir().join(format!("ferrometer-test-{}-{number}-{name}", std::process::id()));
        // A process of the same number may have left one.
        let _ = fs::remove_dir_all(&path);
        fs::create_dir_all(&path).expect("a directory for temporary files");
        Scratch(path)
    }

    /// Returns the directory.
    pub fn path(&self) -> &Path {
        &self.0
    }

    /// Writes a file, with the directories it stands in, and returns where it is.
    pub fn file(&self, name: &str, content: impl AsRef<[u8]>) -> PathBuf {
        let path = self.0.join(name);
        fs::create_dir_all(path.parent().expect("a directory")).expect("a directory in the scratch directory");
        fs::write(&path, content).expect("a file in the scratch directory");
        path
    }

    /// Removes the directory though a thread may still write into it: tries again until nothing is left.
    pub fn remove(self) {
        wait_until("the scratch directory to be removed", || fs::remove_dir_all(&self.0).is_ok() || !self.0.exists());
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

/// Returns a UDP port of this machine that nobody has at the moment.
pub fn free_udp_port() -> u16 {
    UdpSocket::bind("127.0.0.1:0").and_then(|socket| socket.local_addr()).expect("a free UDP port").port()
}

/// Returns a TCP port of this machine that nobody has at the moment.
pub fn free_tcp_port() -> u16 {
    TcpListener::bind("127.0.0.1:0").and_then(|socket| socket.local_addr()).expect("a free TCP port").port()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_directory_is_empty_and_goes() {
        let (one, two) = (Scratch::new("same"), Scratch::new("same"));
        assert_ne!(one.path(), two.path());
        let file = one.file("a/b.txt", "text");
        assert_eq!(fs::read_to_string(&file).unwrap(), "text");
        let path = one.path().to_owned();
        drop(one);
        assert!(!path.exists());
        let path = two.path().to_owned();
        two.remove();
        assert!(!path.exists());
    }
}

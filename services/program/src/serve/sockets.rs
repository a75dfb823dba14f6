//! Sockets that a service manager has opened and handed over (`LISTEN_FDS`), by the names it gives them (`LISTEN_FDNAMES`).
//!
//! | name | used for |
//! |---|---|
//! | `http` | `[http]` |
//! | `gnocchi` | `[gnocchi]` with an address of its own |
//! | `statsd` | lines of statsd, whatever the kind of socket |
//! | any other | TCP for `[http]`, others for statsd |

use crate::address::Bound;
use listenfd::ListenFd;
use std::net::TcpListener;

/// See the [module](self).
#[derive(Debug, Default)]
pub(crate) struct Given {
    http: Vec<(String, TcpListener)>,
    pub(crate) statsd: Vec<Bound>,
}

impl Given {
    /// Takes the sockets of this process. To be called once.
    pub(crate) fn take() -> Given {
        let names = std::env::var("LISTEN_FDNAMES").unwrap_or_default();
        let names: Vec<&str> = names.split(':').collect();
        let mut fds = ListenFd::from_env();
        let mut given = Given::default();
        for at in 0..fds.len() {
            let name = names.get(at).copied().unwrap_or_default();
            let is_statsd = name == "statsd";
            if let Ok(Some(socket)) = fds.take_tcp_listener(at) {
                match is_statsd {
                    true => given.statsd.push(Bound::Tcp(socket)),
                    false => given.http.push((if name == "gnocchi" { name } else { "http" }.to_owned(), socket)),
                }
            } else if let Ok(Some(socket)) = fds.take_udp_socket(at) {
                given.statsd.push(Bound::Udp(socket));
            } else if let Ok(Some(socket)) = fds.take_unix_datagram(at) {
                given.statsd.push(Bound::Unix(socket, None));
            } else if let Ok(Some(socket)) = fds.take_unix_listener(at) {
                given.statsd.push(Bound::UnixStream(socket, None));
            } else {
                tracing::warn!(name, "a socket that was handed over is of no kind that is served");
            }
        }
        given
    }

    /// Takes the listener of a name.
    pub(crate) fn http(&mut self, name: &str) -> Option<TcpListener> {
        let at = self.http.iter().position(|(known, _)| known == name)?;
        Some(self.http.remove(at).1)
    }
}

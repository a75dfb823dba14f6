//! Sockets of each transport, none of which blocks, and the errors that std has no name for.

use std::io;
use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr, TcpStream, UdpSocket};
#[cfg(unix)]
use std::os::unix::net::UnixDatagram;
use std::time::Duration;

pub(crate) enum Socket {
    Udp(UdpSocket),
    #[cfg(unix)]
    Unix(UnixDatagram),
    Tcp(TcpStream),
}

pub(crate) fn open_udp(address: SocketAddr) -> io::Result<Socket> {
    let any: SocketAddr =
        if address.is_ipv4() { (Ipv4Addr::UNSPECIFIED, 0).into() } else { (Ipv6Addr::UNSPECIFIED, 0).into() };
    let socket = UdpSocket::bind(any)?;
    socket.set_nonblocking(true)?;
    socket.connect(address)?;
    Ok(Socket::Udp(socket))
}

#[cfg(unix)]
pub(crate) fn open_unix(path: &std::path::Path) -> io::Result<Socket> {
    let socket = UnixDatagram::unbound()?;
    socket.set_nonblocking(true)?;
    socket.connect(path)?;
    Ok(Socket::Unix(socket))
}

pub(crate) fn open_tcp(address: SocketAddr, limit: Duration) -> io::Result<Socket> {
    let stream = TcpStream::connect_timeout(&address, limit)?;
    stream.set_nonblocking(true)?;
    stream.set_nodelay(true)?;
    Ok(Socket::Tcp(stream))
}

pub(crate) fn is_too_large(error: &io::Error) -> bool {
    // EMSGSIZE: Linux 90, the BSDs and macOS 40, Windows 10040. std has no stable kind for it.
    matches!(error.raw_os_error(), Some(90) if cfg!(target_os = "linux"))
        || matches!(error.raw_os_error(), Some(40) if cfg!(unix) && !cfg!(target_os = "linux"))
        || matches!(error.raw_os_error(), Some(10_040) if cfg!(windows))
}

/// ENOBUFS.
pub(crate) const fn no_buffer_space() -> i32 {
    if cfg!(target_os = "linux") {
        105
    } else if cfg!(windows) {
        10_055
    } else {
        55
    }
}

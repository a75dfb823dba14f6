//! Many datagrams of one size in one call: what Linux calls UDP segmentation offload (`UDP_SEGMENT`, udp(7), since 4.18).
//!
//! A socket is told a size once. From then on what is sent in one call is cut into datagrams of that size, the last one shorter, after it has
//! passed most of the kernel as one piece: that takes about a third of the time. The receiver sees datagrams as always.

use std::io;
use std::net::UdpSocket;

/// The most datagrams in one call. Newer kernels take 128.
pub(crate) const MOST: usize = 64;

/// Has the socket cut what it is sent into datagrams of this size; 0: no longer.
#[cfg(target_os = "linux")]
pub(crate) fn set_size(socket: &UdpSocket, bytes: u16) -> io::Result<()> {
    use std::ffi::{c_int, c_uint, c_void};
    use std::os::fd::AsRawFd;

    // As POSIX has it, and linux/udp.h. One call is no reason to have every program build the `libc` crate.
    unsafe extern "C" {
        fn setsockopt(socket: c_int, level: c_int, name: c_int, value: *const c_void, len: c_uint) -> c_int;
    }
    const SOL_UDP: c_int = 17;
    const UDP_SEGMENT: c_int = 103;

    let value = c_int::from(bytes);
    let len = size_of::<c_int>() as c_uint;
    // SAFETY: the descriptor is open while `socket` is borrowed; the option is an int, which is read during the call alone, and `len` is its size.
    let failed = unsafe { setsockopt(socket.as_raw_fd(), SOL_UDP, UDP_SEGMENT, (&raw const value).cast(), len) };
    if failed == 0 { Ok(()) } else { Err(io::Error::last_os_error()) }
}

/// Other systems have nothing of the kind.
#[cfg(not(target_os = "linux"))]
pub(crate) fn set_size(_: &UdpSocket, _: u16) -> io::Result<()> {
    Err(io::ErrorKind::Unsupported.into())
}

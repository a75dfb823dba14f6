//! The kernel's errors, made to happen: the test program has its own `socket`, `connect`, `send` and `write` in the place of the C library's. They do what
//! those do, but for the threads of backends, where they fail as they are told, so that every error that a network can give is met by the code
//! that ships.

use std::ffi::{c_int, c_void};
use std::sync::atomic::{AtomicI32, AtomicU32, AtomicU64, Ordering::SeqCst};
use std::thread;

/// Kinds of trouble.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Trouble {
    /// With what error; 0 for none.
    pub errno: c_int,
    /// In which call.
    pub call: Call,
    /// One call in this many.
    pub one_in: u32,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Call {
    Socket,
    Connect,
    /// Datagrams and streams alike.
    Send,
    /// Takes a part of what it is given. Datagrams are whole; for streams alone.
    Short,
}

impl Trouble {
    pub const NONE: Trouble = Trouble { errno: 0, call: Call::Send, one_in: 1 };
}

/// Errors of these calls on Linux, and those that a filter of system calls or a broken driver may add.
pub const ERRORS: [(&str, Call, c_int); 29] = [
    ("EMFILE", Call::Socket, libc::EMFILE),
    ("ENFILE", Call::Socket, libc::ENFILE),
    ("ENOBUFS", Call::Socket, libc::ENOBUFS),
    ("EPERM", Call::Socket, libc::EPERM),
    ("EAFNOSUPPORT", Call::Socket, libc::EAFNOSUPPORT),
    ("EADDRNOTAVAIL", Call::Connect, libc::EADDRNOTAVAIL),
    ("ECONNREFUSED", Call::Connect, libc::ECONNREFUSED),
    ("EHOSTUNREACH", Call::Connect, libc::EHOSTUNREACH),
    ("ENETUNREACH", Call::Connect, libc::ENETUNREACH),
    ("ETIMEDOUT", Call::Connect, libc::ETIMEDOUT),
    ("EACCES", Call::Connect, libc::EACCES),
    ("EAGAIN", Call::Connect, libc::EAGAIN),
    ("EAGAIN", Call::Send, libc::EAGAIN),
    ("EINTR", Call::Send, libc::EINTR),
    ("ENOBUFS", Call::Send, libc::ENOBUFS),
    ("ENOMEM", Call::Send, libc::ENOMEM),
    ("EMSGSIZE", Call::Send, libc::EMSGSIZE),
    ("EPERM", Call::Send, libc::EPERM),
    ("EACCES", Call::Send, libc::EACCES),
    ("EHOSTUNREACH", Call::Send, libc::EHOSTUNREACH),
    ("ENETUNREACH", Call::Send, libc::ENETUNREACH),
    ("ENETDOWN", Call::Send, libc::ENETDOWN),
    ("ECONNREFUSED", Call::Send, libc::ECONNREFUSED),
    ("ECONNRESET", Call::Send, libc::ECONNRESET),
    ("EPIPE", Call::Send, libc::EPIPE),
    ("ENOTCONN", Call::Send, libc::ENOTCONN),
    ("EINVAL", Call::Send, libc::EINVAL),
    ("EIO", Call::Send, libc::EIO),
    ("a short write", Call::Short, 0),
];

static ERRNO: AtomicI32 = AtomicI32::new(0);
static CALL: AtomicU32 = AtomicU32::new(0);
static ONE_IN: AtomicU32 = AtomicU32::new(1);
static CALLS: AtomicU32 = AtomicU32::new(0);
static MET: AtomicU64 = AtomicU64::new(0);

/// From now on this goes wrong for backends.
pub fn trouble(new: Trouble) {
    ERRNO.store(new.errno, SeqCst);
    CALL.store(new.call as u32, SeqCst);
    ONE_IN.store(if new == Trouble::NONE { 0 } else { new.one_in.max(1) }, SeqCst);
}

/// How often something went wrong so far.
pub fn met() -> u64 {
    MET.load(SeqCst)
}

/// Returns whether this call goes wrong.
fn is_hit(call: Call) -> bool {
    let one_in = ONE_IN.load(SeqCst);
    if one_in == 0 || CALL.load(SeqCst) != call as u32 {
        return false;
    }
    let of_a_backend = thread::current().name().is_some_and(|name| name.starts_with("ferrometer-"));
    let hit = of_a_backend && CALLS.fetch_add(1, SeqCst).is_multiple_of(one_in);
    MET.fetch_add(u64::from(hit), SeqCst);
    hit
}

fn fail() -> isize {
    // SAFETY: this thread's own number.
    unsafe { *libc::__errno_location() = ERRNO.load(SeqCst) };
    -1
}

/// Returns how many of the bytes are taken.
fn taken(len: usize) -> usize {
    if len > 1 && is_hit(Call::Short) { len / 2 } else { len }
}

/// # Safety
/// As the C library's.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn socket(domain: c_int, kind: c_int, protocol: c_int) -> c_int {
    if is_hit(Call::Socket) {
        return fail() as c_int;
    }
    // SAFETY: the call's own arguments.
    unsafe { libc::syscall(libc::SYS_socket, domain, kind, protocol) as c_int }
}

/// # Safety
/// As the C library's.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn connect(fd: c_int, address: *const libc::sockaddr, len: libc::socklen_t) -> c_int {
    if is_hit(Call::Connect) {
        return fail() as c_int;
    }
    // SAFETY: as above.
    unsafe { libc::syscall(libc::SYS_connect, fd, address, len) as c_int }
}

/// # Safety
/// As the C library's.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn send(fd: c_int, bytes: *const c_void, len: usize, flags: c_int) -> isize {
    if is_hit(Call::Send) {
        return fail();
    }
    let len = if is_stream(fd) { taken(len) } else { len };
    // SAFETY: as above; no more than is there.
    unsafe { libc::syscall(libc::SYS_sendto, fd, bytes, len, flags, std::ptr::null::<c_void>(), 0) as isize }
}

/// # Safety
/// As the C library's.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn write(fd: c_int, bytes: *const c_void, len: usize) -> isize {
    if is_hit(Call::Send) {
        return fail();
    }
    // SAFETY: as above.
    unsafe { libc::syscall(libc::SYS_write, fd, bytes, len) as isize }
}

fn is_stream(fd: c_int) -> bool {
    let (mut kind, mut len) = (0 as c_int, size_of::<c_int>() as libc::socklen_t);
    // SAFETY: a number and its size.
    let got = unsafe { libc::getsockopt(fd, libc::SOL_SOCKET, libc::SO_TYPE, (&raw mut kind).cast(), &raw mut len) };
    got == 0 && kind == libc::SOCK_STREAM
}

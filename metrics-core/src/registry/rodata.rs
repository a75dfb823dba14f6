//! Which memory of the program never changes: what the file it was loaded from has as read-only, where the compiler puts literals.
//!
//! A text there is the same whenever it has the same address and length. That can not be said of a `&str` in general, and the compiler does not
//! tell a `&'static str` from another: what lifetimes there are is forgotten before it chooses between implementations.

use std::sync::atomic::{AtomicUsize, Ordering::*};

/// The most pieces that are kept; a linker makes one to three.
const MOST: usize = 4;

/// Start and length of each piece, in order; an empty one is none.
type Pieces = [(usize, usize); MOST];

/// Not known, and then nothing is constant, until the first backend is installed. What is known before anything is recorded needs no lock of
/// the dynamic loader while something is.
static PIECES: [(AtomicUsize, AtomicUsize); MOST] = [const { (AtomicUsize::new(0), AtomicUsize::new(0)) }; MOST];

/// Finds out. Whoever finds out again finds the same.
pub(crate) fn prepare() {
    let found = pieces();
    for at in 0..MOST {
        PIECES[at].0.store(found[at].0, Relaxed);
        PIECES[at].1.store(found[at].1, Release);
    }
}

/// Whether a text stands in memory that stays as it is for as long as this library is loaded.
pub(crate) fn is_constant(text: &str) -> bool {
    PIECES.iter().any(|(start, len)| {
        // The length first: where there is one, the start is there too.
        let len = len.load(Acquire);
        let at = (text.as_ptr() as usize).wrapping_sub(start.load(Relaxed));
        at < len && text.len() <= len - at
    })
}

/// The segments without permission to write of the object (the executable, or the library) that holds this code: it is not unloaded as long
/// as anybody asks.
#[cfg(all(target_os = "linux", target_pointer_width = "64"))]
fn pieces() -> Pieces {
    use elf::{LOAD, Object, READ, WRITE};
    use std::ffi::{c_int, c_void};

    struct Found {
        here: usize,
        pieces: Pieces,
    }

    unsafe extern "C" fn look(object: *const Object, _: usize, found: *mut c_void) -> c_int {
        // SAFETY: the loader passes a description that is valid during the call, and the pointer that it was given below.
        let (object, found) = unsafe { (&*object, &mut *found.cast::<Found>()) };
        if object.headers.is_null() {
            return 0;
        }
        // SAFETY: the description's own array, of the length that it states.
        let headers = unsafe { std::slice::from_raw_parts(object.headers, usize::from(object.count)) };
        let (mut used, mut is_here) = (0usize, false);
        let mut pieces: Pieces = [(0, 0); MOST];
        for header in headers {
            let (start, len) = (object.address.wrapping_add(header.address) as usize, header.len as usize);
            if header.kind != LOAD {
                continue;
            }
            is_here |= found.here.wrapping_sub(start) < len;
            if header.flags & (READ | WRITE) != READ {
                continue;
            }
            // The rest of a page belongs to the piece that begins on it, so pieces on pages that follow each other are one.
            if let Some(last) = used.checked_sub(1).and_then(|last| pieces.get_mut(last))
                && (last.0 + last.1).next_multiple_of(PAGE) == start & !(PAGE - 1)
            {
                last.1 = start + len - last.0;
            } else if let Some(place) = pieces.get_mut(used) {
                *place = (start, len);
                used += 1;
            }
        }
        if is_here {
            found.pieces = pieces;
        }
        c_int::from(is_here)
    }

    /// The smallest page of any system.
    const PAGE: usize = 4096;

    let mut found = Found { here: std::ptr::from_ref(&PIECES) as usize, pieces: [(0, 0); MOST] };
    // SAFETY: `look` is called during this call alone, with the pointer to `found`, which nobody else uses meanwhile.
    unsafe { elf::dl_iterate_phdr(look, std::ptr::from_mut(&mut found).cast()) };
    found.pieces
}

/// Elsewhere nothing is known to be constant, and every text is read.
#[cfg(not(all(target_os = "linux", target_pointer_width = "64")))]
fn pieces() -> Pieces {
    [(0, 0); MOST]
}

/// What is needed of the loader's description of an object, as the System V ABI and `dl_iterate_phdr(3)` have it; the `libc` crate has it too,
/// and a tenth of the build.
#[cfg(all(target_os = "linux", target_pointer_width = "64"))]
mod elf {
    use std::ffi::{c_char, c_int, c_void};

    pub(super) const LOAD: u32 = 1;
    pub(super) const WRITE: u32 = 2;
    pub(super) const READ: u32 = 4;

    /// `Elf64_Phdr`.
    #[repr(C)]
    pub(super) struct Header {
        pub(super) kind: u32,
        pub(super) flags: u32,
        pub(super) offset: u64,
        pub(super) address: u64,
        pub(super) physical: u64,
        pub(super) len_in_file: u64,
        pub(super) len: u64,
        pub(super) align: u64,
    }

    /// `struct dl_phdr_info`, as far as every C library has it.
    #[repr(C)]
    pub(super) struct Object {
        pub(super) address: u64,
        pub(super) name: *const c_char,
        pub(super) headers: *const Header,
        pub(super) count: u16,
    }

    unsafe extern "C" {
        pub(super) fn dl_iterate_phdr(
            look: unsafe extern "C" fn(*const Object, usize, *mut c_void) -> c_int,
            data: *mut c_void,
        ) -> c_int;
    }
}

#[cfg(all(test, target_os = "linux", target_pointer_width = "64"))]
mod tests {
    use super::*;
    use std::mem::offset_of;
    use std::sync::OnceLock;
    use std::sync::atomic::AtomicU8;

    /// The pieces that there are.
    fn found() -> impl Iterator<Item = (usize, usize)> {
        PIECES.iter().map(|(start, len)| (start.load(Relaxed), len.load(Relaxed))).filter(|(_, len)| *len > 0)
    }

    #[test]
    fn literals_are_constant_and_what_can_be_written_is_not() {
        static BYTES: &[u8] = b"bytes";
        static WRITABLE: [AtomicU8; 4] = [const { AtomicU8::new(b'x') }; 4];
        prepare();
        let all = "GET and POST";
        for text in ["GET", concat!("a", 1), &all[4..], &all[3..3], stringify!(of tokens), module_path!()] {
            assert!(is_constant(text), "{text:?}");
        }
        assert!(is_constant(std::str::from_utf8(BYTES).unwrap()));
        let heap = String::from("GET");
        // Kept, for the leak sanitizer.
        static LEAKED: OnceLock<String> = OnceLock::new();
        let leaked: &'static str = LEAKED.get_or_init(|| String::from("GET"));
        let stack = *b"GET";
        // SAFETY: four bytes that are ASCII, and nobody writes them here.
        let writable =
            unsafe { std::str::from_utf8_unchecked(std::slice::from_raw_parts(WRITABLE.as_ptr().cast(), 4)) };
        for text in [heap.as_str(), leaked, std::str::from_utf8(&stack).unwrap(), writable] {
            assert!(!is_constant(text), "{text:?}");
        }
        // What lies beyond the pieces, and addresses that texts of length 0 may have.
        // SAFETY: no byte is read of an empty text; its address is neither null nor, for bytes, misaligned.
        let empty =
            |at: usize| unsafe { std::str::from_utf8_unchecked(std::slice::from_raw_parts(at as *const u8, 0)) };
        assert!(!is_constant(empty(1)) && !is_constant(empty(usize::MAX)));
        assert!(found().count() > 0);
        for (start, len) in found() {
            assert!(is_constant(empty(start)) && is_constant(empty(start + len - 1)));
            assert!(!is_constant(empty(start - 1)) && !is_constant(empty(start + len)));
        }
    }

    #[test]
    fn structures_are_those_of_the_c_library() {
        assert_eq!(size_of::<elf::Header>(), size_of::<libc::Elf64_Phdr>());
        assert_eq!(offset_of!(elf::Header, kind), offset_of!(libc::Elf64_Phdr, p_type));
        assert_eq!(offset_of!(elf::Header, flags), offset_of!(libc::Elf64_Phdr, p_flags));
        assert_eq!(offset_of!(elf::Header, address), offset_of!(libc::Elf64_Phdr, p_vaddr));
        assert_eq!(offset_of!(elf::Header, len), offset_of!(libc::Elf64_Phdr, p_memsz));
        assert_eq!(offset_of!(elf::Object, address), offset_of!(libc::dl_phdr_info, dlpi_addr));
        assert_eq!(offset_of!(elf::Object, headers), offset_of!(libc::dl_phdr_info, dlpi_phdr));
        assert_eq!(offset_of!(elf::Object, count), offset_of!(libc::dl_phdr_info, dlpi_phnum));
        assert_eq!((elf::LOAD, elf::WRITE, elf::READ), (libc::PT_LOAD, libc::PF_W, libc::PF_R));
    }

    #[test]
    fn the_kernel_says_the_same() {
        prepare();
        let maps = std::fs::read_to_string("/proc/self/maps").unwrap();
        for (start, len) in found() {
            let mut at = start;
            while at < start + len {
                let line = maps.lines().find_map(|line| {
                    let (range, rest) = line.split_once(' ')?;
                    let (from, to) = range.split_once('-')?;
                    let [from, to] = [from, to].map(|hex| usize::from_str_radix(hex, 16).unwrap());
                    (from..to).contains(&at).then_some((to, rest))
                });
                let (to, rest) = line.unwrap_or_else(|| panic!("{at:x} is not mapped"));
                assert!(rest.starts_with("r-"), "{at:x}: {rest}");
                at = to;
            }
        }
    }
}

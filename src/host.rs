//! The name of this machine.

/// As the kernel has it; empty where that cannot be told.
#[cfg(target_os = "linux")]
pub(crate) fn name() -> String {
    // This file holds the result of gethostname(2). Asking the C library takes a crate that is a tenth of a program's build.
    let read = std::fs::read("/proc/sys/kernel/hostname").or_else(|_| std::fs::read("/etc/hostname"));
    named(&String::from_utf8_lossy(&read.unwrap_or_default()))
}

/// The name that a file says, which may hold comments, as hostname(5) has it.
#[cfg(target_os = "linux")]
fn named(text: &str) -> String {
    for line in text.split('\n') {
        let name = line.trim_ascii();
        if !name.is_empty() && !name.starts_with('#') {
            // Linux calls a machine that was never named so.
            return if name == "(none)" { String::new() } else { name.to_owned() };
        }
    }
    String::new()
}

/// As the system has it; empty where that cannot be told.
#[cfg(all(any(unix, windows), not(target_os = "linux")))]
pub(crate) fn name() -> String {
    hostname::get().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default()
}

/// Empty: no other system, WebAssembly among them, has a name.
#[cfg(not(any(unix, windows)))]
pub(crate) fn name() -> String {
    String::new()
}

#[cfg(all(test, target_os = "linux"))]
mod tests {
    #[test]
    fn the_name_is_that_of_the_c_library() {
        let mut bytes = [0u8; 256];
        // SAFETY: the pointer is to as many bytes as the length says, which outlive the call.
        assert_eq!(unsafe { libc::gethostname(bytes.as_mut_ptr().cast(), bytes.len()) }, 0);
        let named = std::ffi::CStr::from_bytes_until_nul(&bytes).unwrap().to_string_lossy();
        assert_eq!(super::name(), if named == "(none)" { "" } else { &*named });
    }

    #[test]
    fn comments_and_what_follows_are_no_part_of_the_name() {
        for text in ["node1", "node1\n", "# set by hand\n\n  node1\nnode2\n"] {
            assert_eq!(super::named(text), "node1", "{text:?}");
        }
        for text in ["", "\n", "# none yet\n", "(none)\n"] {
            assert_eq!(super::named(text), "", "{text:?}");
        }
    }
}

//! The name of this machine.

/// As the kernel has it; empty where that cannot be told.
#[cfg(target_os = "linux")]
pub(crate) fn name() -> String {
    // What gethostname(2) gives. Asking the C library takes a crate that is a tenth of a program's build.
    let read = |path| std::fs::read(path).ok().map(|bytes| String::from_utf8_lossy(&bytes).trim_end().to_owned());
    let name = ["/proc/sys/kernel/hostname", "/etc/hostname"].into_iter().find_map(read);
    // Linux calls a machine that was never named so.
    name.filter(|name| name != "(none)").unwrap_or_default()
}

/// As the system has it; empty where that cannot be told.
#[cfg(not(target_os = "linux"))]
pub(crate) fn name() -> String {
    hostname::get().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default()
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
}

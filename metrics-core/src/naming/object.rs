//! Ids of objects: what a metric belongs to, in the form that Proxmox VE and Proxmox Backup Server give them.

/// The longest id, in bytes.
pub const MAX_OBJECT_BYTES: usize = 128;

/// The id of the program itself.
pub const HOST: &str = "host";

/// Returns whether a text is an id as [`Logger::for_object`](crate::Logger::for_object) leaves it: parts of `[A-Za-z0-9._-]` joined with `/`,
/// none of which begins with `.` or `-`, at most [`MAX_OBJECT_BYTES`].
///
/// ```
/// use ferrometer_core::object::is_object;
/// assert!(is_object("qemu/100") && is_object("datastore/a.b-c/s3"));
/// assert!(!is_object("") && !is_object("a//b") && !is_object("a/../b") && !is_object("a b"));
/// ```
#[must_use]
pub fn is_object(text: &str) -> bool {
    // Where in a part the next byte is.
    let mut at = 0;
    for b in text.bytes() {
        match b {
            b'/' if at > 0 => at = 0,
            b if stays(at, b.into()) => at += 1,
            _ => return false,
        }
    }
    at > 0 && text.len() <= MAX_OBJECT_BYTES
}

/// Returns whether a character may be in a part.
fn stays(at: usize, c: char) -> bool {
    c.is_ascii_alphanumeric() || c == '_' || (at > 0 && matches!(c, '.' | '-'))
}

/// The id of any text; empty for the program itself, `None` when it is too long.
pub(crate) fn gate(given: &str) -> Option<String> {
    // Skipped parts, and characters of several bytes, may make a longer text fit; but not one without end.
    if given.len() > 8 * MAX_OBJECT_BYTES {
        return None;
    }
    let mut out = String::new();
    // Where in a part the next character is.
    let mut at = 0;
    for c in given.chars() {
        if c == '/' {
            at = 0;
            continue;
        }
        if at == 0 && !out.is_empty() {
            out.push('/');
        }
        out.push(if stays(at, c) { c } else { '_' });
        at += 1;
    }
    if out == HOST {
        out.clear();
    }
    (out.len() <= MAX_OBJECT_BYTES).then_some(out)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn whatever_is_given_comes_out_as_an_id() {
        for (given, expected) in [
            ("qemu/100", "qemu/100"),
            ("storage/pve-1/local.zfs", "storage/pve-1/local.zfs"),
            ("", ""),
            ("host", ""),
            ("/host/", ""),
            ("//", ""),
            ("datastore/a/../b", "datastore/a/_./b"),
            ("datastore/./-x", "datastore/_/_x"),
            ("a\"\n,b", "a___b"),
            ("é/\u{0}", "_/_"),
            ("HOST", "HOST"),
        ] {
            let id = gate(given).unwrap();
            assert_eq!(id, expected, "{given:?}");
            assert!(id.is_empty() || is_object(&id), "{id:?}");
        }
        assert_eq!(gate(&"x".repeat(128)).map(|id| id.len()), Some(128));
        assert_eq!((gate(&"x".repeat(129)), gate(&"/".repeat(5000))), (None, None));
        assert_eq!(gate(&"é".repeat(128)).map(|id| id.len()), Some(128));
    }
}

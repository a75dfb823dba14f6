//! Files that have to be files: a named pipe would be waited for, and a device may begin to work when it is opened.

use std::fs::{self, File, FileType};
use std::io::{self, Read};
use std::path::Path;

/// Opens a file for reading, and refuses everything that is no regular file. A named pipe, a socket or a device is never opened, so
/// nobody waits for its other end.
///
/// ```
/// let refused = ferrometer_export::open_regular(std::env::temp_dir()).unwrap_err();
/// assert_eq!(refused.to_string(), "it is a directory");
/// ```
///
/// # Errors
/// When the system refuses, or when there is something else at the path; the text names the kind. The path itself is not part of it.
pub fn open_regular(path: impl AsRef<Path>) -> io::Result<File> {
    let path = path.as_ref();
    must_be_regular(path)?;
    let file = File::open(path)?;
    // Somebody may have put something else there meanwhile.
    match kind(file.metadata()?.file_type()) {
        None => Ok(file),
        Some(found) => Err(refused(found)),
    }
}

/// Reads a file whole that has at most `most` bytes, and opens nothing that is no regular file.
///
/// ```
/// let path = std::env::temp_dir().join(format!("short-{}", std::process::id()));
/// std::fs::write(&path, "text")?;
/// assert_eq!(ferrometer_export::read_regular(&path, 4)?, b"text");
/// assert_eq!(ferrometer_export::read_regular(&path, 3).unwrap_err().to_string(), "it is longer than 3 bytes");
/// # std::fs::remove_file(&path)?;
/// # Ok::<(), std::io::Error>(())
/// ```
///
/// # Errors
/// As [`open_regular`]; [`io::ErrorKind::FileTooLarge`] for a longer one.
pub fn read_regular(path: impl AsRef<Path>, most: u64) -> io::Result<Vec<u8>> {
    const MIB: u64 = 1 << 20;
    let mut bytes = Vec::new();
    open_regular(path)?.take(most.saturating_add(1)).read_to_end(&mut bytes)?;
    if bytes.len() as u64 <= most {
        return Ok(bytes);
    }
    let limit = if most.is_multiple_of(MIB) { format!("{} MiB", most / MIB) } else { format!("{most} bytes") };
    Err(io::Error::new(io::ErrorKind::FileTooLarge, format!("it is longer than {limit}")))
}

/// Checks that there is a regular file at a path, without opening it. For files that are then opened otherwise than for reading.
///
/// # Errors
/// As [`open_regular`]. Nothing at the path is [`io::ErrorKind::NotFound`].
pub fn must_be_regular(path: impl AsRef<Path>) -> io::Result<()> {
    match kind(fs::metadata(path)?.file_type()) {
        None => Ok(()),
        Some(found) => Err(refused(found)),
    }
}

fn refused(found: &str) -> io::Error {
    if found == DIRECTORY {
        return io::Error::new(io::ErrorKind::IsADirectory, "it is a directory");
    }
    io::Error::new(io::ErrorKind::InvalidInput, format!("it is {found}, not a file"))
}

const DIRECTORY: &str = "a directory";

/// Returns the name of what is no regular file.
fn kind(found: FileType) -> Option<&'static str> {
    if found.is_file() {
        return None;
    }
    if found.is_dir() {
        return Some(DIRECTORY);
    }
    #[cfg(unix)]
    {
        use std::os::unix::fs::FileTypeExt;

        if found.is_fifo() {
            return Some("a named pipe (FIFO)");
        }
        if found.is_socket() {
            return Some("a socket");
        }
        if found.is_char_device() || found.is_block_device() {
            return Some("a device");
        }
    }
    Some("something else")
}

#[cfg(all(test, unix))]
mod tests {
    use super::*;
    use std::process::Command;

    #[test]
    fn what_is_no_file_is_refused_by_its_kind_and_never_opened() {
        let directory = std::env::temp_dir().join(format!("ferrometer-regular-{}", std::process::id()));
        fs::create_dir(&directory).unwrap();
        let at = |name: &str| directory.join(name);
        assert!(Command::new("mkfifo").arg(at("fifo")).status().unwrap().success());
        let _socket = std::os::unix::net::UnixListener::bind(at("socket")).unwrap();
        fs::write(at("file"), "text").unwrap();
        std::os::unix::fs::symlink(at("fifo"), at("link")).unwrap();
        std::os::unix::fs::symlink(at("file"), at("good")).unwrap();
        // Each would wait for ever if it were opened.
        for (name, expected) in [("fifo", "named pipe"), ("link", "named pipe"), ("socket", "a socket")] {
            for refused in [open_regular(at(name)).unwrap_err(), must_be_regular(at(name)).unwrap_err()] {
                assert_eq!(refused.kind(), io::ErrorKind::InvalidInput, "{name}");
                assert!(refused.to_string().contains(expected), "{name}: {refused}");
            }
        }
        assert!(open_regular("/dev/zero").unwrap_err().to_string().contains("a device"));
        assert_eq!(open_regular(&directory).unwrap_err().kind(), io::ErrorKind::IsADirectory);
        assert_eq!(open_regular(at("none")).unwrap_err().kind(), io::ErrorKind::NotFound);
        assert_eq!(io::read_to_string(open_regular(at("good")).unwrap()).unwrap(), "text");
        fs::remove_dir_all(&directory).unwrap();
    }
}

//! The child of a fork: it begins with state of its own, and takes over the locks of a parent that has ended, and of no other.
#![cfg(unix)]

use ferrometer_fork::{FileLock, PerProcess, TryLockError};
use ferrometer_testkit::in_a_child;
use std::fs::{File, OpenOptions};
use std::io::{Read, Write};
use std::path::{Path, PathBuf};
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};

struct Scratch(PathBuf);

impl Scratch {
    fn new(name: &str) -> Scratch {
        Scratch(std::env::temp_dir().join(format!("ferrometer-{name}-{}", std::process::id())))
    }

    fn open(&self) -> File {
        OpenOptions::new().create(true).truncate(false).write(true).open(&self.0).unwrap()
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        let _ = std::fs::remove_file(&self.0);
    }
}

fn is_held(scratch: &Scratch) -> bool {
    matches!(FileLock::take(scratch.open(), &scratch.0), Err(TryLockError::WouldBlock))
}

#[test]
fn a_child_begins_with_state_of_its_own_even_while_its_parents_is_locked() {
    static STATE: PerProcess<Mutex<Vec<u32>>> = PerProcess::new();
    let parent = std::process::id();
    let mut held = STATE.get().lock().unwrap();
    held.push(parent);
    assert!(in_a_child(|| {
        STATE.get().lock().unwrap().push(std::process::id());
        let alone = STATE.get().lock().unwrap().len() == 1;
        let of_parent = STATE.ancestors().map(|(process, _)| process).eq([parent]);
        let locked = STATE.ancestors().all(|(_, state)| state.try_lock().is_err());
        let child = std::process::id();
        alone && of_parent && locked && in_a_child(|| STATE.ancestors().map(|(process, _)| process).eq([parent, child]))
    }));
    assert_eq!(*held, [parent]);
}

#[test]
fn a_child_is_told_that_its_parent_holds_the_file() {
    let scratch = Scratch::new("held");
    let lock = FileLock::take(scratch.open(), &scratch.0).unwrap();
    let parent = std::process::id();
    assert!(is_held(&scratch) && FileLock::ancestor(&scratch.0).is_none());
    assert!(in_a_child(|| is_held(&scratch) && FileLock::ancestor(&scratch.0) == Some(parent)));
    // A copy that a child drops unlocks nothing.
    let mut copy = Some(lock);
    assert!(in_a_child(|| copy.take().is_some()));
    assert!(copy.is_some_and(|lock| is_held(&scratch) && lock.is_at(&scratch.0).unwrap()));
    assert!(!is_held(&scratch));
}

/// Descriptors and memory of a child are not those of one moment: what another thread locks while the process forks is in the one and not in the other.
#[test]
fn a_child_has_no_lock_whose_descriptor_it_does_not_have() {
    let (theirs, own) = (Scratch::new("theirs"), Scratch::new("own"));
    let over = AtomicBool::new(false);
    let well = std::thread::scope(|threads| {
        threads.spawn(|| {
            while !over.load(Relaxed) {
                drop(FileLock::take(theirs.open(), &theirs.0));
            }
        });
        let is_of_nobody = || {
            let held = FileLock::take(own.open(), &own.0);
            held.is_ok() && FileLock::ancestor(&own.0).is_none()
        };
        let well = (0..300).all(|_| in_a_child(is_of_nobody));
        over.store(true, Relaxed);
        well
    });
    assert!(well);
}

#[test]
fn a_file_is_free_when_its_holder_lets_go_though_a_child_has_it_open() {
    let scratch = Scratch::new("free");
    let lock = FileLock::take(scratch.open(), &scratch.0).unwrap();
    let (mut wait, go) = std::io::pipe().unwrap();
    // SAFETY: the child waits for the end of a pipe, and leaves.
    let child = unsafe { libc::fork() };
    if child == 0 {
        drop(go);
        let _ = wait.read(&mut [0]);
        // SAFETY: ends the child without the exit of the test program.
        unsafe { libc::_exit(0) };
    }
    drop(lock);
    let is_free = !is_held(&scratch);
    drop(go);
    // SAFETY: waits for the child made above.
    unsafe { libc::waitpid(child, std::ptr::null_mut(), 0) };
    assert!(is_free);
}

#[cfg(target_os = "linux")]
#[test]
fn a_daemon_takes_over_what_its_parent_held() {
    let scratch = Scratch::new("daemon");
    let (mut said, mut say) = std::io::pipe().unwrap();
    // The process that becomes a daemon is a child of the test's, so that it can end.
    assert!(in_a_child(|| {
        std::mem::forget(FileLock::take(scratch.open(), &scratch.0));
        // SAFETY: as daemon(3) does it; the child goes on, its parent leaves.
        if unsafe { libc::fork() } > 0 {
            return true;
        }
        // SAFETY: ends the daemon should it hang.
        unsafe { libc::alarm(120) };
        let parent = FileLock::ancestor(&scratch.0).unwrap_or_default();
        while Path::new("/proc/self/stat").exists() && ferrometer_fork::ancestor_is_running(parent) {
            std::thread::yield_now();
        }
        let lock = FileLock::take(scratch.open(), &scratch.0);
        write!(say, "{} {}", lock.is_ok(), is_held(&scratch)).unwrap();
        // SAFETY: ends the daemon without the exit of the test program.
        unsafe { libc::_exit(0) };
    }));
    drop(say);
    let mut begun = String::new();
    said.read_to_string(&mut begun).unwrap();
    assert_eq!(begun, "true true");
}

//! Signals are the program's: none of our threads takes one.
#![cfg(target_os = "linux")]

mod support;

use ferrometer_core::*;
use std::ffi::c_int;
use std::fs;
use std::time::{Duration, Instant};
use support::{NEVER, SOON, alone, sink};

/// The signals that a thread blocks, of each of our threads, by its name.
fn blocked() -> Vec<(String, u64)> {
    let mut found = Vec::new();
    for task in fs::read_dir("/proc/self/task").unwrap().flatten() {
        // A thread may end while it is read.
        let Ok(status) = fs::read_to_string(task.path().join("status")) else { continue };
        let field =
            |name: &str| status.lines().find_map(|line| line.strip_prefix(name)).unwrap_or("").trim().to_owned();
        let name = field("Name:");
        if name.starts_with("ferrometer-") {
            found.push((name, u64::from_str_radix(&field("SigBlk:"), 16).unwrap()));
        }
    }
    found.sort();
    found
}

fn is_in(mask: u64, signal: c_int) -> bool {
    mask >> (signal - 1) & 1 == 1
}

#[test]
fn threads_of_ours_block_all_signals_but_those_of_their_own_faults() {
    let _alone = alone();
    install("masked", sink(), NEVER).unwrap();
    let (send, receive) = std::sync::mpsc::channel::<()>();
    let other = spawn("helper", move || receive.recv().unwrap_or(())).unwrap();
    let found = blocked();
    let names: Vec<_> = found.iter().map(|(name, _)| name.as_str()).collect();
    // The kernel keeps 15 bytes of a name.
    assert_eq!(names, ["ferrometer-coll", "ferrometer-help", "ferrometer-mask"]);
    for (name, mask) in found {
        for signal in 1..=libc::SIGRTMAX() {
            let is_fault = [libc::SIGILL, libc::SIGTRAP, libc::SIGFPE, libc::SIGSEGV, libc::SIGBUS].contains(&signal);
            // Nobody can block these, and the C library keeps two for itself.
            let is_special =
                [libc::SIGKILL, libc::SIGSTOP].contains(&signal) || (32..libc::SIGRTMIN()).contains(&signal);
            assert!(is_special || is_in(mask, signal) != is_fault, "{name}: signal {signal} in {mask:x}");
        }
    }
    drop(send);
    other.join().unwrap();
    assert!(remove("masked", SOON).unwrap().balances());
}

#[test]
fn a_program_that_waits_for_a_signal_gets_it() {
    let _alone = alone();
    // SAFETY: the child does what is documented to work after a fork, and leaves by `_exit`.
    let pid = unsafe { libc::fork() };
    if pid == 0 {
        install("waiting", sink(), Duration::from_millis(1)).unwrap();
        // SAFETY: as a daemon does it: blocks the signal after the start, is sent it, and waits.
        unsafe {
            libc::alarm(120);
            let mut set: libc::sigset_t = std::mem::zeroed();
            libc::sigaddset(&raw mut set, libc::SIGTERM);
            libc::pthread_sigmask(libc::SIG_BLOCK, &raw const set, std::ptr::null_mut());
            libc::kill(libc::getpid(), libc::SIGTERM);
            let mut got = 0;
            libc::sigwait(&raw const set, &raw mut got);
            libc::_exit(if got == libc::SIGTERM { 0 } else { 7 });
        }
    }
    let (mut status, begin) = (0, Instant::now());
    // SAFETY: waits for the child made above.
    assert_eq!(unsafe { libc::waitpid(pid, &raw mut status, 0) }, pid);
    assert!(libc::WIFEXITED(status) && libc::WEXITSTATUS(status) == 0, "{status:x} after {:?}", begin.elapsed());
}

//! Signals are the program's: no thread of an archive takes one.
#![cfg(target_os = "linux")]

mod common;

use common::Scratch;
use ferrometer_archive::{Archive, Options};
use std::time::{Duration, Instant};
use std::{fs, thread};

#[test]
fn the_workers_block_what_a_program_may_wait_for() {
    let scratch = Scratch::new("signals");
    let archive = Archive::open(scratch.path(), Options { workers: 2, ..Options::default() }).unwrap();
    // A thread has its name when it has begun to run.
    let end = Instant::now() + Duration::from_secs(60);
    while workers() < 2 {
        assert!(Instant::now() < end, "the workers never ran");
        thread::yield_now();
    }
    assert_eq!(workers(), 2);
    drop(archive);
}

/// Returns the number of workers that there are, and panics for one that takes a signal.
fn workers() -> usize {
    let mut found = 0;
    for task in fs::read_dir("/proc/self/task").unwrap().flatten() {
        // A thread may end while it is read.
        let Ok(status) = fs::read_to_string(task.path().join("status")) else { continue };
        let field = |name: &str| status.lines().find_map(|line| line.strip_prefix(name)).unwrap_or("").trim();
        if field("Name:").starts_with("archive-") {
            let blocked = u64::from_str_radix(field("SigBlk:"), 16).unwrap();
            // SIGHUP, SIGINT, SIGQUIT, SIGUSR1, SIGUSR2, SIGTERM, SIGCHLD.
            for signal in [1, 2, 3, 10, 12, 15, 17] {
                assert!(blocked >> (signal - 1) & 1 == 1, "signal {signal} in {blocked:x}");
            }
            found += 1;
        }
    }
    found
}

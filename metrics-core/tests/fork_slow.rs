//! Threads record while a fork takes its time, with our locks held: one that has recorded into a series before waits for nothing.
#![cfg(unix)]

mod support;

use ferrometer_core::*;
use std::sync::atomic::{AtomicBool, Ordering::SeqCst};
use std::sync::{Arc, Barrier};
use std::thread;
use support::{NEVER, SOON, alone, sink};

static IN_FORK: AtomicBool = AtomicBool::new(false);
static GO_ON: AtomicBool = AtomicBool::new(false);

/// Runs within a fork, after our locks were taken, because it was registered before us; and ends when it is told to.
extern "C" fn linger() {
    IN_FORK.store(true, SeqCst);
    while !GO_ON.load(SeqCst) {
        thread::yield_now();
    }
}

#[test]
fn no_lock_is_taken_after_the_first_recording() {
    let _alone = alone();
    // SAFETY: a plain function, which takes no lock.
    unsafe { libc::pthread_atfork(Some(linger), None, None) };
    // A thread beyond `max_threads`, and one whose cells find no memory.
    let crowded = Limits::default().max_threads(0);
    let poor = Limits::default().max_cell_bytes(0);
    for (case, limits) in [("crowded", crowded), ("poor", poor)] {
        IN_FORK.store(false, SeqCst);
        GO_ON.store(false, SeqCst);
        configure(Naming::default(), limits, Vec::new());
        install(case, sink(), NEVER).unwrap();
        let ready = Arc::new(Barrier::new(2));
        let recorder = {
            let ready = Arc::clone(&ready);
            thread::spawn(move || {
                let logger = get_logger("slow");
                let (counter, timer) = (logger.counter("c"), logger.timer("t"));
                let record = || {
                    counter.increment();
                    counter.add(2);
                    timer.record(std::time::Duration::from_nanos(100));
                };
                record();
                ready.wait();
                while !IN_FORK.load(SeqCst) {
                    thread::yield_now();
                }
                // More than it takes to ask again for cells of its own.
                (0..5000).for_each(|_| record());
                GO_ON.store(true, SeqCst);
            })
        };
        ready.wait();
        // SAFETY: the child leaves at once; the alarm ends a fork that waits for a recording which waits for it.
        unsafe {
            libc::alarm(120);
            let pid = libc::fork();
            if pid == 0 {
                libc::_exit(0);
            }
            libc::alarm(0);
            let mut status = 0;
            libc::waitpid(pid, &raw mut status, 0);
        }
        recorder.join().unwrap();
        assert!(remove(case, SOON).unwrap().balances());
    }
    configure(Naming::default(), Limits::default(), Vec::new());
}

//! Forks while other threads register, get their slabs, and while the clock is being calibrated.
#![cfg(unix)]

mod support;

use ferrometer_core::*;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering::*};
use std::thread;
use std::time::{Duration, Instant};
use support::{NEVER, Publish, SOON, sink};

/// Forks, runs the child's part, and returns its exit status.
fn fork(child: impl FnOnce() -> bool) -> i32 {
    // SAFETY: the child does what is documented to work after a fork, and leaves by `_exit`.
    let pid = unsafe { libc::fork() };
    assert!(pid >= 0);
    if pid == 0 {
        let status = if child() { 0 } else { 7 };
        // SAFETY: ends the child without the test harness's exit.
        unsafe { libc::_exit(status) };
    }
    let mut status = 0;
    // SAFETY: waits for the child made above.
    unsafe { libc::waitpid(pid, &raw mut status, 0) };
    libc::WEXITSTATUS(status)
}

#[test]
fn forks_never_meet_a_held_lock_and_children_record_again() {
    // The first process has neither calibrated a clock nor started a thread when it is forked from.
    for delay in [0, 200, 1000, 3000, 20_000] {
        let status = fork(|| {
            install("a", sink(), NEVER).unwrap();
            thread::sleep(Duration::from_micros(delay));
            let status = fork(|| {
                let published = Arc::new(AtomicU64::new(0));
                let seen = Arc::clone(&published);
                let count = move |view: &mut SnapshotView<'_>| {
                    seen.fetch_add(1, SeqCst);
                    view.all_sent();
                    Ok(Delivery::default())
                };
                install("b", Box::new(Publish(count, Wants::TOTALS)), Duration::from_millis(5)).unwrap();
                let until = Instant::now() + SOON;
                while published.load(SeqCst) < 3 && Instant::now() < until {
                    thread::sleep(Duration::from_millis(1));
                }
                published.load(SeqCst) >= 3
            });
            status == 0
        });
        assert_eq!(status, 0, "forked {delay} µs after the installation, the child's collector never ran");
    }

    // Without cells of their own, threads go through the budget, the slabs and the registry all the time.
    configure(Naming::default(), Limits { max_cell_bytes: 0, ..Limits::default() }, Vec::new());
    install("a", sink(), Duration::from_millis(1)).unwrap();
    let stop = Arc::new(AtomicBool::new(false));
    let workers: Vec<_> = (0..2)
        .map(|worker| {
            let stop = Arc::clone(&stop);
            thread::spawn(move || {
                let mut i = 0u64;
                while !stop.load(Relaxed) {
                    i += 1;
                    get_logger("forks").with("worker", &worker.to_string()).send_counter(format!("c{}", i % 3000), 1);
                }
            })
        })
        .collect();
    let begin = Instant::now();
    let mut forks = 0;
    while begin.elapsed() < Duration::from_secs(3) {
        forks += 1;
        assert_eq!(fork(|| !is_on()), 0, "recording is on in the child");
    }
    stop.store(true, Relaxed);
    workers.into_iter().for_each(|w| w.join().unwrap());
    assert!(forks > 50, "{forks}");
    assert!(remove("a", SOON).unwrap().balances());
}

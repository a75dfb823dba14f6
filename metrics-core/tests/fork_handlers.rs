//! A program has fork handlers of its own, registered before ours, which therefore run while ours hold our locks: one takes a lock that a thread holds while
//! it records for the first time, one waits for the end of a thread that has recorded, one flushes, asks for a preview
//! and shuts down. The fork goes on.
#![cfg(unix)]

mod support;

use ferrometer_core::*;
use std::cell::RefCell;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering::SeqCst};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::thread::{self, JoinHandle};
use support::{NEVER, SOON, alone, sink};

/// A lock of the program's, held while it records, and by its fork handler.
static HOSTS: Mutex<()> = Mutex::new(());
static WORKER: Mutex<Option<JoinHandle<()>>> = Mutex::new(None);
static IN_FORK: AtomicBool = AtomicBool::new(false);
static FORKS: AtomicU64 = AtomicU64::new(0);
static REFUSED: AtomicU64 = AtomicU64::new(0);

thread_local! {
    static HELD: RefCell<Option<MutexGuard<'static, ()>>> = const { RefCell::new(None) };
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

extern "C" fn take_the_hosts_lock() {
    let guard = lock(&HOSTS);
    HELD.with(|held| *held.borrow_mut() = Some(guard));
}

extern "C" fn release_it() {
    HELD.with(|held| held.borrow_mut().take());
}

/// Runs while ours hold our locks: whatever would be collected waits for them.
extern "C" fn ask_there() {
    let refused = |report: FlushReport| !report.complete && report.ledgers.is_empty();
    let is_busy = matches!(preview("handlers", NEVER), Err(PreviewError::Busy(name)) if name == "handlers");
    REFUSED.fetch_add(u64::from(refused(flush(NEVER)) && is_busy && refused(shutdown(NEVER))), SeqCst);
}

/// Runs before the lock is taken, and after our locks were.
extern "C" fn end_the_worker() {
    IN_FORK.store(true, SeqCst);
    if let Some(worker) = lock(&WORKER).take() {
        worker.join().unwrap();
    }
    FORKS.fetch_add(1, SeqCst);
}

fn wait_for_the_fork() {
    while !IN_FORK.load(SeqCst) {
        thread::yield_now();
    }
}

fn count_of(name: &str) -> u64 {
    let snapshot = snapshot();
    let totals = snapshot.totals();
    totals.iter().filter(|t| t.series.metric_name() == name && !t.series.is_internal()).map(|t| t.recordings).sum()
}

#[test]
fn a_fork_waits_for_no_thread_that_waits_for_it() {
    let _alone = alone();
    // SAFETY: plain functions. The last one that is registered runs first.
    unsafe {
        libc::pthread_atfork(Some(take_the_hosts_lock), Some(release_it), Some(release_it));
        libc::pthread_atfork(Some(end_the_worker), None, None);
        libc::pthread_atfork(Some(ask_there), None, None);
    }
    install("handlers", sink(), NEVER).unwrap();
    let known = get_logger("handlers").counter("known");
    for round in 0..3 {
        IN_FORK.store(false, SeqCst);
        let before = (refused().reentrant, count_of("new"), count_of("known"), count_of("counter"));
        // Its slab is to be given back while the fork is on.
        *lock(&WORKER) = Some(thread::spawn(move || {
            known.increment();
            wait_for_the_fork();
        }));
        let recorder = thread::spawn(move || {
            let _hosts = lock(&HOSTS);
            wait_for_the_fork();
            // A thread's first recording, a name nobody knows, a logger nobody knows.
            known.increment();
            get_logger("handlers").with("round", &round.to_string()).send_counter("new", 1);
            get_logger(&format!("handlers.{round}")).send_counter("new", 1);
        });
        // The recorder has the lock.
        while HOSTS.try_lock().is_ok() {
            thread::yield_now();
        }
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
        let after = (refused().reentrant, count_of("new"), count_of("known"), count_of("counter"));
        assert_eq!(after.2 - before.2, 2, "a known name is counted, whatever a fork does");
        // In its own series, where the fork ended in time; in that of overflows; or turned away.
        let told = (after.0 - before.0) + (after.1 - before.1) + (after.3 - before.3);
        assert_eq!(told, 2, "round {round}: {before:?} {after:?}");
        // As if nothing had been.
        get_logger(&format!("handlers.after.{round}")).send_counter("later", 1);
    }
    assert_eq!((FORKS.load(SeqCst), REFUSED.load(SeqCst), count_of("later")), (3, 3, 3));
    assert!(remove("handlers", SOON).unwrap().balances());
}

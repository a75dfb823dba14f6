//! Forks at once after the installation, where threads take long to be born: a program's allocator lets each thread wait at its first allocations, which
//! the standard library makes with a lock of its own in its hands.
#![cfg(unix)]

mod support;

use ferrometer_core::*;
use std::alloc::{GlobalAlloc, Layout, System};
use std::cell::Cell;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering::*};
use std::thread;
use std::time::Duration;
use support::{NEVER, Publish, alone, sink};

static IS_SLOW: AtomicBool = AtomicBool::new(false);

thread_local! {
    /// How many allocations of this thread still wait.
    static LEFT: Cell<u32> = const { Cell::new(3) };
}

struct Slow;

// SAFETY: hands everything on to the system's allocator.
unsafe impl GlobalAlloc for Slow {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        if IS_SLOW.load(Relaxed) && LEFT.try_with(|left| left.replace(left.get().saturating_sub(1)) > 0) == Ok(true) {
            thread::sleep(Duration::from_millis(30));
        }
        // SAFETY: the caller's promise.
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, pointer: *mut u8, layout: Layout) {
        // SAFETY: the caller's promise.
        unsafe { System.dealloc(pointer, layout) }
    }
}

#[global_allocator]
static ALLOCATOR: Slow = Slow;

/// Forks, and returns whether a backend that is installed in the child gets snapshots there.
fn is_alive_in_a_child() -> bool {
    // SAFETY: the child does what is documented to work after a fork, and leaves by `_exit`.
    let pid = unsafe { libc::fork() };
    assert!(pid >= 0);
    if pid == 0 {
        // SAFETY: ends a child that waits for ever.
        unsafe { libc::alarm(120) };
        IS_SLOW.store(false, SeqCst);
        let published = Arc::new(AtomicU64::new(0));
        let seen = Arc::clone(&published);
        let count = move |view: &mut SnapshotView<'_>| {
            seen.fetch_add(1, SeqCst);
            view.all_sent();
            Ok(Delivery::default())
        };
        install("b", Box::new(Publish(count, Wants::TOTALS)), Duration::from_millis(1)).unwrap();
        while published.load(SeqCst) < 2 {
            thread::sleep(Duration::from_millis(1));
        }
        // SAFETY: ends the child without the test harness's exit.
        unsafe { libc::_exit(0) };
    }
    let mut status = 0;
    // SAFETY: waits for the child made above.
    unsafe { libc::waitpid(pid, &raw mut status, 0) };
    libc::WIFEXITED(status) && libc::WEXITSTATUS(status) == 0
}

#[test]
fn install_returns_when_its_threads_are_born() {
    let _alone = alone();
    // The library allocates when its list of threads grows: so all of them stay.
    let names: Vec<String> = (0..24).map(|round| format!("a{round}")).collect();
    for name in &names {
        IS_SLOW.store(true, SeqCst);
        install(name, sink(), NEVER).unwrap();
        // In the middle of the second allocation, or the third, were it not waited for.
        thread::sleep(Duration::from_millis(45));
        assert!(is_alive_in_a_child(), "{name}");
    }
    IS_SLOW.store(false, SeqCst);
    names.iter().for_each(|name| drop(remove(name, support::SOON)));
    // A thread that ends holds the lock for a moment, too.
    thread::sleep(Duration::from_millis(50));
}

#[test]
fn a_fork_waits_for_a_thread_that_is_being_born() {
    let _alone = alone();
    // Registers what happens at a fork.
    install("a", sink(), NEVER).unwrap();
    IS_SLOW.store(true, SeqCst);
    let stop = Arc::new(AtomicBool::new(false));
    let stopped = Arc::clone(&stop);
    let other = thread::spawn(move || {
        while !stopped.load(SeqCst) {
            spawn("born", || thread::sleep(Duration::from_millis(500))).unwrap();
            thread::sleep(Duration::from_millis(20));
        }
    });
    // Born itself by then.
    thread::sleep(Duration::from_millis(200));
    let alive = (0..5).all(|_| {
        thread::sleep(Duration::from_millis(17));
        is_alive_in_a_child()
    });
    stop.store(true, SeqCst);
    other.join().unwrap();
    IS_SLOW.store(false, SeqCst);
    remove("a", support::SOON);
    assert!(alive);
}

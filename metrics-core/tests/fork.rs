//! Forks while other threads register, get their slabs, and while the clock is being calibrated.
#![cfg(unix)]

mod support;

use ferrometer_core::*;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering::*};
use std::thread;
use std::time::{Duration, Instant};
use support::{NEVER, Publish, SOON, alone, sink};

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
    if libc::WIFEXITED(status) { libc::WEXITSTATUS(status) } else { 128 + libc::WTERMSIG(status) }
}

#[test]
fn forks_never_meet_a_held_lock_and_children_record_again() {
    let _alone = alone();
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
    configure(Naming::default(), Limits::default().max_cell_bytes(0), Vec::new());
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
    // Where the machine is busy, so long that there are enough to say something.
    while forks <= 50 || begin.elapsed() < Duration::from_secs(3) {
        forks += 1;
        assert_eq!(fork(|| !is_on()), 0, "recording is on in the child");
    }
    stop.store(true, Relaxed);
    workers.into_iter().for_each(|w| w.join().unwrap());
    assert!(remove("a", SOON).unwrap().balances());
}

#[test]
fn a_child_asks_for_the_gauges_of_its_parent() {
    let _alone = alone();
    let observed = get_logger("forks").gauge("pid").observe(std::process::id);
    install("a", sink(), Duration::from_millis(1)).unwrap();
    for _ in 0..20 {
        let status = fork(|| {
            let recorder = ferrometer_testkit::Recorder::default();
            install("b", Box::new(recorder.clone()), NEVER).unwrap();
            let until = Instant::now() + SOON;
            let own = f64::from(std::process::id());
            let is_asked = || flush(SOON).complete && recorder.record().gauges.get("forks.pid") == Some(&own);
            while !is_asked() && Instant::now() < until {}
            is_asked()
        });
        assert_eq!(status, 0);
    }
    drop(observed);
    assert!(remove("a", SOON).unwrap().balances());
}

#[test]
fn a_child_can_say_what_the_parent_was_about_to_say() {
    let _alone = alone();
    configure(Naming::default(), Limits::default().max_instruments(100_000), Vec::new());
    install("a", sink(), NEVER).unwrap();
    static LAST: AtomicU64 = AtomicU64::new(0);
    static FORKS: AtomicU64 = AtomicU64::new(0);
    let said = |i: u64| get_logger("said").counter(format!("c{i}")).unit("rows").series().unit() == Some("rows");
    let stop = Arc::new(AtomicBool::new(false));
    let stopped = Arc::clone(&stop);
    let worker = thread::spawn(move || {
        while !stopped.load(Relaxed) && LAST.load(SeqCst) < 60_000 {
            // It waits for the forks, so that many of them come before the names are used up, however seldom they get the processor.
            if LAST.load(SeqCst) > (FORKS.load(SeqCst) + 1) * 1500 {
                thread::yield_now();
            } else {
                LAST.fetch_add(1, SeqCst);
                said(LAST.load(SeqCst));
            }
        }
    });
    let mut forks = 0;
    while forks < 400 && LAST.load(SeqCst) < 60_000 {
        forks = FORKS.fetch_add(1, SeqCst) + 1;
        let status = fork(|| {
            // SAFETY: ends a child that waits for ever.
            unsafe { libc::alarm(120) };
            let last = LAST.load(SeqCst);
            (last.saturating_sub(2)..last + 1).all(said)
        });
        assert_eq!(status, 0, "fork {forks}");
    }
    stop.store(true, Relaxed);
    worker.join().unwrap();
    assert!(forks >= 39, "{forks}");
    remove("a", SOON);
}

#[test]
fn a_scope_that_was_begun_before_the_fork_captures_in_the_child() {
    let _alone = alone();
    let status = fork(|| {
        // Whatever the other tests took of the limits.
        configure(Naming::default(), Limits::default().max_instruments(100_000), Vec::new());
        install("a", sink(), NEVER).unwrap();
        // The first of all, so that its cell is one of those at hand.
        let timer = get_logger("captured").timer("t");
        (0..10).for_each(|_| timer.record(Duration::from_nanos(100)));
        let store = Arc::new(__private::capture::Store::default());
        let _entered = __private::capture::enter(&store);
        fork(|| {
            install("b", sink(), NEVER).unwrap();
            (0..3).for_each(|_| timer.record(Duration::from_nanos(100)));
            drop(timer.start());
            store.recorded()[0].1.values.len() == 4
        }) == 0
    });
    assert_eq!(status, 0, "recorded beside the scope");
}

#[test]
fn children_of_one_process_sample_each_for_itself() {
    let _alone = alone();
    let outcomes = |counted_before: bool| {
        let status = fork(|| {
            // SAFETY: ends a child that waits for ever.
            unsafe { libc::alarm(120) };
            configure(Naming::default(), Limits::default().max_instruments(100_000), Vec::new());
            let counter = get_logger("forks.sampled").counter("c").sampled(0.01);
            let count = || match snapshot().totals().get(counter.series().id()).unwrap().value {
                Value::Counter { increments, .. } => increments,
                _ => 0,
            };
            if counted_before {
                install("a", sink(), NEVER).unwrap();
                counter.increment();
            }
            let misses = || {
                install("b", sink(), NEVER).unwrap();
                let before = count();
                // As often as not one is a hit.
                (0..69).for_each(|_| counter.increment());
                count() == before
            };
            let hits = (0..40).filter(|_| fork(misses) == 7).count();
            // Forty independent calls are all misses or all hits once in 500,000 million runs.
            (1..40).contains(&hits)
        });
        assert_eq!(status, 0, "children were sampled all alike; counted before: {counted_before}");
    };
    outcomes(true);
    outcomes(false);
}

/// Forks by the system call itself, as `_Fork` does: no handler runs.
#[cfg(all(target_os = "linux", any(target_arch = "x86_64", target_arch = "aarch64")))]
#[test]
fn recording_is_off_in_a_child_that_was_forked_without_handlers() {
    let _alone = alone();
    install("bare", sink(), Duration::from_millis(1)).unwrap();
    let counter = get_logger("bare").counter("c");
    counter.increment();
    assert!(is_on());
    // SAFETY: as `fork` without its handlers. The child does what needs no lock, and leaves by `_exit`.
    let pid = unsafe { libc::syscall(libc::SYS_clone, libc::SIGCHLD, 0, 0, 0, 0) } as i32;
    assert!(pid >= 0);
    if pid == 0 {
        let is_off = !is_on();
        counter.increment();
        // SAFETY: ends the child.
        unsafe { libc::_exit(if is_off { 0 } else { 7 }) };
    }
    let mut status = 0;
    // SAFETY: waits for the child made above.
    unsafe { libc::waitpid(pid, &raw mut status, 0) };
    assert!(libc::WIFEXITED(status) && libc::WEXITSTATUS(status) == 0, "{status:x}");
    assert!(is_on(), "the parent goes on");
    counter.increment();
    let ledger = remove("bare", SOON).unwrap();
    assert!(ledger.balances() && ledger.sent.recordings == 2, "{ledger}");
}

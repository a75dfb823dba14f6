//! A global allocator that records every allocation, our own included: it neither deadlocks nor recurses, and a slab has one owner even
//! when a capture scope ends while its thread does.

mod support;

use ferrometer_core::__private::capture::{Entered, Store, enter};
use ferrometer_core::__private::{FixedNumber as _, LabelProbe, LabelledSite};
use ferrometer_core::*;
use std::alloc::{GlobalAlloc, Layout, System};
use std::cell::RefCell;
use std::sync::Arc;
use std::sync::OnceLock;
use std::sync::atomic::{AtomicU64, Ordering::*};
use std::thread;
use std::time::Duration;
use support::{SOON, sink};

struct Recording;

static ALLOCATIONS: OnceLock<Counter> = OnceLock::new();
static LABELLED: OnceLock<Logger> = OnceLock::new();
static METRICS: Logger = logger!("allocator");

/// Records in every way that remembers something: of a literal, of one under labels, of labels at a call site.
fn record() {
    static TEXTS: LabelledSite<1> = LabelledSite::new("texts", &["k"], Kind::Counter, 0.0);
    static NUMBERS: LabelledSite<1> = LabelledSite::new("numbers", &["k"], Kind::Counter, 0.0);
    METRICS.send_counter("literal", 1);
    if let Some(logger) = LABELLED.get() {
        logger.send_counter("literal", 1);
    }
    TEXTS.add(&METRICS, 1, (), || ["v"]);
    NUMBERS.add(&METRICS, 1, (LabelProbe(&Only).__ferrometer_label_number(),), || [Only.as_ref()]);
}

struct Only;

impl LabelValue for Only {
    const VALUES: &'static [&'static str] = &["only"];
    fn index(&self) -> usize {
        0
    }
}

impl AsRef<str> for Only {
    fn as_ref(&self) -> &str {
        "only"
    }
}

// SAFETY: passes everything on to the system's allocator.
unsafe impl GlobalAlloc for Recording {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        if let Some(counter) = ALLOCATIONS.get() {
            counter.increment();
            record();
        }
        // SAFETY: the caller's own promise.
        unsafe { System.alloc(layout) }
    }
    unsafe fn dealloc(&self, pointer: *mut u8, layout: Layout) {
        // SAFETY: the caller's own promise.
        unsafe { System.dealloc(pointer, layout) }
    }
}

#[global_allocator]
static ALLOCATOR: Recording = Recording;

/// Counts in the last destructor of its thread.
struct Late;

static TURN: AtomicU64 = AtomicU64::new(0);

impl Drop for Late {
    fn drop(&mut self) {
        let counter = get_logger("late").counter("c");
        TURN.store(1, SeqCst);
        while TURN.load(SeqCst) != 2 {
            thread::yield_now();
        }
        (0..1_000_000).for_each(|_| counter.increment());
    }
}

thread_local! {
    static LATE: Late = const { Late };
    static SCOPE: RefCell<Option<Entered>> = const { RefCell::new(None) };
}

#[test]
fn everything_goes_on_while_allocations_are_recorded() {
    for limits in [Limits::default(), Limits::default().max_threads(1)] {
        configure(Naming::default(), limits, Vec::new());
        install("a", sink(), Duration::from_millis(1)).unwrap();
        let _ = LABELLED.set(get_logger("allocator").with("k", "w"));
        let _ = ALLOCATIONS.set(get_logger("memory").counter("allocations"));
        let (done, wait) = std::sync::mpsc::channel();
        thread::spawn(move || {
            for i in 0..1000 {
                let _ = snapshot();
                let logger = get_logger("x").with("i", &(i % 100).to_string());
                logger.send_counter(format!("c{}", i % 50), 1);
                thread::spawn(move || logger.send_timer("t", Duration::ZERO)).join().unwrap();
            }
            done.send(()).unwrap();
        });
        // Long, for sanitizers on busy machines: one that is locked waits for ever.
        wait.recv_timeout(Duration::from_secs(600)).expect("a deadlock");
        let ledger = remove("a", SOON).unwrap();
        assert!(ledger.balances() && ledger.sent.recordings > 3000, "{ledger}");
    }

    // A scope that ends in a thread-local destructor, after the thread's slab was handed on.
    configure(Naming::default(), Limits::default(), Vec::new());
    install("a", sink(), Duration::from_secs(3600)).unwrap();
    let counter = get_logger("late").counter("c");
    let ending = thread::spawn(move || {
        LATE.with(|_| {}); // destroyed last
        SCOPE.with(|_| {});
        counter.increment(); // the slab: given back first
        SCOPE.with(|scope| *scope.borrow_mut() = Some(enter(&Arc::new(Store::default()))));
    });
    while TURN.load(SeqCst) != 1 {
        thread::yield_now();
    }
    let other = thread::spawn(move || {
        counter.increment();
        TURN.store(2, SeqCst);
        (0..1_000_000).for_each(|_| counter.increment());
    });
    other.join().unwrap();
    ending.join().unwrap();
    assert_eq!(snapshot().totals().get(counter.series().id()).unwrap().recordings, 2_000_002);
    remove("a", SOON);
}

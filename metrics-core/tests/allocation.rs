//! Recording does not allocate after the first use of an instrument on a thread: a counting allocator is asked.

use ferrometer_core::__private::{CounterSite, LabelledSite, Literal};
use ferrometer_core::exemplars::{TraceContext, provide};
use ferrometer_core::*;
use std::alloc::{GlobalAlloc, Layout, System};
use std::cell::Cell;
use std::sync::atomic::{AtomicU32, AtomicU64, Ordering::Relaxed};
use std::time::Duration;

struct Counting;

thread_local! {
    static ALLOCATIONS: Cell<u64> = const { Cell::new(0) };
}

// SAFETY: passes everything on to the system's allocator.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        ALLOCATIONS.set(ALLOCATIONS.get() + 1);
        // An allocator that records metrics itself must neither deadlock nor recurse without end.
        if RECORDING.get() {
            get_logger_in_allocator();
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
static ALLOCATOR: Counting = Counting;

thread_local! {
    static RECORDING: Cell<bool> = const { Cell::new(false) };
}

static IN_ALLOCATOR: Logger = logger!("allocator");
/// How many recordings the allocator made.
static MADE: AtomicU64 = AtomicU64::new(0);

fn get_logger_in_allocator() {
    static TEXTS: LabelledSite<1> = LabelledSite::new("texts", &["k"], Kind::Counter, 0.0);
    static LITERAL: LabelledSite<1> = LabelledSite::new("literal", &["k"], Kind::Counter, 0.0);
    // More than are met at once: many a site is met first within a registration, where there is no logger to be had.
    static SITES: [CounterSite; 256] = [const { CounterSite::new("sites", 0.0) }; 256];
    RECORDING.set(false);
    MADE.fetch_add(6, Relaxed);
    IN_ALLOCATOR.send_counter("calls", 1);
    TEXTS.add(&IN_ALLOCATOR, 1, (), || ["v"]);
    LITERAL.add(&IN_ALLOCATOR, 1, (Literal,), || ["w"]);
    IN_ALLOCATOR.with("k", "v").send_counter("literals", 1);
    // A label never seen before needs a registration: within one of the program's own it is turned away.
    let number = ALLOCATIONS.get();
    let digits: [u8; 8] = std::array::from_fn(|i| b'a' + (number >> (4 * i) & 15) as u8);
    SITES[number as usize % SITES.len()].increment(&get_logger("allocator"));
    IN_ALLOCATOR.with("n", std::str::from_utf8(&digits).unwrap_or("")).send_counter("fresh", 1);
    RECORDING.set(true);
}

struct Sink;

impl Backend for Sink {
    fn publish(&mut self, view: &mut SnapshotView<'_>) -> Result<Delivery, BackendError> {
        view.all_sent();
        Ok(Delivery::default())
    }
    fn wants(&self) -> Wants {
        Wants::SINGLES
    }
}

#[test]
fn recording_does_not_allocate() {
    install("sink", Box::new(Sink), Duration::from_secs(3600)).unwrap();
    let logger = get_logger("alloc").with("a", "b");
    let (counter, gauge) = (logger.counter("c"), logger.gauge("g"));
    let (timer, histogram) = (logger.timer("t"), logger.histogram("h"));
    let sampled = logger.timer("s").sampled(0.5);
    let text = String::from("made.at.run.time");
    let record = || {
        counter.add(2);
        counter.add(-2);
        gauge.set(1.5);
        gauge.add(-1);
        gauge.set(f64::NAN);
        timer.record(Duration::from_micros(3));
        timer.start().stop();
        sampled.time(|| ());
        histogram.record(2.5);
        drop(logger.in_flight("busy").enter());
        logger.send_counter("literal", 1);
        logger.send_counter(&text, 1);
        logger.with("status", "2xx").send_counter("labelled", 1);
    };
    // The first recording on a thread allocates; of what is sampled that is the first call that is taken.
    for _ in 0..100 {
        record();
    }
    let before = ALLOCATIONS.get();
    // More than a ring holds, so that the full ring's way is walked too.
    for _ in 0..10_000 {
        record();
    }
    assert_eq!(ALLOCATIONS.get() - before, 0);
    assert!(remove("sink", Duration::from_secs(60)).unwrap().balances());
}

#[test]
fn exemplars_do_not_allocate() {
    // Two of three recordings are in no trace.
    let contexts = || TraceContext::new(u128::from(ASKED.fetch_add(1, Relaxed).is_multiple_of(3)), 1);
    static ASKED: AtomicU32 = AtomicU32::new(0);
    provide(contexts).unwrap();
    configure_with_exemplars(
        Naming::default(),
        Limits::default(),
        vec![],
        vec![View::new("exemplars.*").exemplars(true)],
        false,
    );
    install("sink3", Box::new(Sink), Duration::from_secs(3600)).unwrap();
    let logger = get_logger("exemplars");
    let (counter, timer, histogram) = (logger.counter("c"), logger.timer("t"), logger.histogram("h"));
    let sampled = logger.counter("s").sampled(0.5);
    let record = |number: u64| {
        counter.increment();
        counter.add(number + 2);
        sampled.increment();
        timer.record(Duration::from_nanos(1 << (number % 40)));
        timer.start().stop();
        histogram.record(number as f64);
    };
    (0..100).for_each(record);
    let (mut allocated, mut asked) = (0, 0);
    for _ in 0..10 {
        let before = (ALLOCATIONS.get(), ASKED.load(Relaxed));
        (0..1000).for_each(record);
        allocated += ALLOCATIONS.get() - before.0;
        asked += ASKED.load(Relaxed) - before.1;
        // Empties the places.
        let _ = snapshot();
    }
    assert!(allocated == 0 && asked > 100, "{allocated} {asked}");
    assert!(remove("sink3", Duration::from_secs(60)).unwrap().balances());
}

#[test]
fn an_allocator_may_record() {
    install("sink2", Box::new(Sink), Duration::from_secs(3600)).unwrap();
    let before = refused().reentrant;
    RECORDING.set(true);
    for i in 0..100 {
        let logger = get_logger(&format!("inner{i}"));
        logger.send_counter(format!("c{i}"), 1);
        logger.with("k", &i.to_string()).send_timer("t", Duration::ZERO);
    }
    RECORDING.set(false);
    let turned_away = refused().reentrant - before;
    let report = flush(Duration::from_secs(60));
    assert!(report.complete);
    let taken = |t: &Total<'_>| t.series.logger_name() == "allocator";
    let calls: u64 = snapshot().totals().iter().filter(taken).map(|t| t.recordings).sum();
    assert!(calls > 0 && turned_away > 0, "{calls} {turned_away}");
    // Each was either recorded or turned away, and is counted once.
    assert_eq!(calls + turned_away, MADE.load(Relaxed), "{calls} {turned_away}");
    assert!(remove("sink2", Duration::from_secs(60)).unwrap().balances());
}

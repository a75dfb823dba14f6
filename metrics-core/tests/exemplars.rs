//! Exemplars: each is a recording that was made, in the trace that it was made in, and in a bucket that counts it; and nothing that tells traces
//! disturbs a recording.

mod support;

use ferrometer_core::__private::capture::{Store, enter};
use ferrometer_core::exemplars::{Exemplar, TraceContext, is_provided, provide};
use ferrometer_core::*;
use std::cell::Cell;
use std::collections::{HashMap, HashSet};
use std::sync::atomic::{AtomicU64, Ordering::*};
use std::sync::{Arc, Barrier, Mutex, Once};
use std::thread;
use std::time::{Duration, SystemTime};
use support::{Alone, NEVER, Publish, Random, SOON, sink};

thread_local! {
    /// The trace that this thread is in; 0: none.
    static TRACE: Cell<u128> = const { Cell::new(0) };
    /// Number of times that it was asked for.
    static ASKED: Cell<u64> = const { Cell::new(0) };
    /// Act of the provider before it answers.
    static FIRST: Cell<fn()> = const { Cell::new(|| ()) };
}

/// Has exemplars on or off, with a provider that tells the trace of each thread, and one test at a time.
fn alone(exemplars: bool) -> Alone {
    static PROVIDE: Once = Once::new();
    let alone = support::alone().then(|| {
        remove("a", SOON);
        configure(Naming::default(), Limits::default(), vec![]);
    });
    PROVIDE.call_once(|| {
        assert!(!is_provided());
        let tell = || {
            ASKED.set(ASKED.get() + 1);
            FIRST.get()();
            TraceContext::new(TRACE.get(), TRACE.get() as u64)
        };
        provide(tell).unwrap();
        assert!(is_provided() && provide(|| None).is_err());
    });
    TRACE.set(0);
    ASKED.set(0);
    FIRST.set(|| ());
    set(exemplars, []);
    install("a", sink(), NEVER).unwrap();
    alone
}

fn set(exemplars: bool, views: impl IntoIterator<Item = View>) {
    with(exemplars, views, vec![], Limits::default());
}

fn with(exemplars: bool, views: impl IntoIterator<Item = View>, rules: Vec<LoggerRule>, limits: Limits) {
    configure_with_exemplars(Naming::default(), limits, rules, views.into_iter().collect(), exemplars);
}

fn in_trace<T>(trace: u128, run: impl FnOnce() -> T) -> T {
    let before = TRACE.replace(trace);
    let result = run();
    TRACE.set(before);
    result
}

/// The exemplars of a series now: their traces and values, in order.
fn of(series: &'static Series) -> Vec<(u128, f64)> {
    let snapshot = snapshot();
    let mut all: Vec<_> = snapshot.totals().exemplars(series).iter().map(|e| (e.context.trace_id(), e.value)).collect();
    all.sort_by(|a, b| a.partial_cmp(b).unwrap());
    all
}

#[test]
fn without_a_word_there_are_none_and_nobody_is_asked() {
    let _alone = alone(false);
    let logger = get_logger("off");
    let (counter, timer) = (logger.counter("c"), logger.timer("t"));
    in_trace(7, || {
        counter.increment();
        counter.add(3);
        timer.record(Duration::from_millis(2));
        drop(timer.start());
    });
    assert_eq!((ASKED.get(), of(counter.series()), of(timer.series())), (0, vec![], vec![]));
    // Handles follow the configuration, in both directions.
    set(true, []);
    in_trace(8, || {
        counter.increment();
        timer.record(Duration::from_millis(2));
    });
    assert_eq!((of(counter.series()), of(timer.series())), (vec![(8, 1.0)], vec![(8, 2e6)]));
    set(false, []);
    in_trace(9, || counter.increment());
    assert_eq!((ASKED.get(), of(counter.series())), (2, vec![]));
    assert_eq!(snapshot().totals().of_series(counter.series()).unwrap().value.net(), Some(6));
}

#[test]
fn each_way_to_record_offers_one() {
    let _alone = alone(true);
    let logger = get_logger("ways").with("a", "b");
    let number = Cell::new(0);
    let shown = |kind: &str, record: &dyn Fn(&Logger)| {
        let name = format!("{kind}.{}", number.replace(number.get() + 1));
        in_trace(5, || record(&logger.with("way", &name)));
        let snapshot = snapshot();
        let is_it = |t: &Total<'_>| t.series.labels().any(|(key, value)| key == "way" && value == name);
        let found: Vec<_> = snapshot.totals().iter().filter(is_it).collect();
        let exemplars = found.iter().flat_map(|t| snapshot.totals().exemplars(t.series)).map(|e| e.value);
        (found.iter().map(|t| t.recordings).sum::<u64>(), exemplars.collect::<Vec<_>>())
    };
    // The first recording of a thread makes the cell, the second one finds it, and both go the same ways.
    let ms = Duration::from_millis(1);
    for _ in 0..2 {
        assert_eq!(shown("c", &|l| l.counter("c").increment()), (1, vec![1.0]));
        assert_eq!(shown("c", &|l| l.counter("c").add(5)), (1, vec![5.0]));
        assert_eq!(shown("c", &|l| l.counter("c").add(-5)), (1, vec![]));
        assert_eq!(shown("c", &|l| l.send_counter("c", 2)), (1, vec![2.0]));
        assert_eq!(shown("t", &|l| l.timer("t").record(ms)), (1, vec![1e6]));
        assert_eq!(shown("t", &|l| l.timer("t").record(Duration::from_secs(20))), (1, vec![2e10]));
        assert_eq!(shown("t", &|l| l.timer("t").record_n(ms, 7)), (7, vec![1e6]));
        assert_eq!(shown("t", &|l| l.timer("t").record_n(ms, 0)), (0, vec![]));
        assert_eq!(shown("t", &|l| drop(l.timer("t").start())).1.len(), 1);
        assert_eq!(shown("h", &|l| l.histogram("h").record(-2.5)), (1, vec![-2.5]));
        assert_eq!(shown("h", &|l| l.histogram("h").record(1e300)), (1, vec![1e300]));
        assert_eq!(shown("h", &|l| l.histogram("h").record_n(0.0, 2)), (2, vec![0.0]));
        assert_eq!(shown("h", &|l| l.histogram("h").record(f64::NAN)).1, [] as [f64; 0]);
        assert_eq!(shown("g", &|l| l.gauge("g").set(1)), (1, vec![]));
        assert_eq!(shown("f", &|l| drop(l.in_flight("f").enter())), (2, vec![]));
        // With values one by one, too.
        let singles = |view: &mut SnapshotView<'_>| {
            view.all_sent();
            Ok(Delivery::default())
        };
        replace("a", Box::new(Publish(singles, Wants::SINGLES)), NEVER, SOON).unwrap();
    }
}

/// Recordings by trace: on which series, and the value as it is shown.
type Recorded = Mutex<HashMap<u128, (usize, f64)>>;

#[test]
fn an_exemplar_is_a_recording_in_its_trace_and_in_a_bucket_that_counts_it() {
    let _alone = alone(true);
    let logger = get_logger("laws");
    let counters = ["a", "b"].map(|name| logger.counter(name));
    let timers = [logger.timer("t"), logger.timer("s").sampled(0.5)];
    let histogram = logger.histogram("h");
    let recorded: Arc<Recorded> = Arc::default();
    let begun = SystemTime::now();
    let record = move |recorded: &Recorded, random: &mut Random, trace: u128| {
        let trace = if random.below(4) == 0 { 0 } else { trace };
        // Noted before it is recorded: a snapshot may come between.
        let note = |series: &'static Series, value: f64| {
            if trace > 0 {
                recorded.lock().unwrap().insert(trace, (series.id(), value));
            }
        };
        let exponent = random.below(60);
        in_trace(trace, || match random.below(4) {
            0 => {
                let counter = counters[random.below(2) as usize];
                note(counter.series(), 1.0);
                counter.increment();
            }
            1 => {
                let by = random.below(50) + 2;
                note(counters[0].series(), by as f64);
                counters[0].add(by);
            }
            2 => {
                let (timer, nanos) = (timers[random.below(2) as usize], 1 << (exponent / 2));
                note(timer.series(), nanos as f64);
                timer.record(Duration::from_nanos(nanos));
            }
            _ => {
                let value = 2f64.powi(exponent as i32 - 30) * if random.below(2) == 0 { 1.0 } else { -1.5 };
                note(histogram.series(), value);
                histogram.record(value);
            }
        });
    };
    const THREADS: u128 = 3;
    let running = AtomicU64::new(THREADS as u64);
    thread::scope(|scope| {
        for thread in 0..THREADS {
            let (recorded, running) = (Arc::clone(&recorded), &running);
            scope.spawn(move || {
                let mut random = Random::new(thread as u64 + 1);
                for call in 1..=20_000u128 {
                    record(&recorded, &mut random, (call << 64) | (thread + 1));
                }
                running.fetch_sub(1, SeqCst);
            });
        }
        let (mut shown, mut before) = (HashSet::new(), 0);
        let mut is_last = false;
        while !is_last {
            is_last = running.load(SeqCst) == 0;
            let snapshot = snapshot();
            let (totals, recorded) = (snapshot.totals(), recorded.lock().unwrap());
            for total in totals.iter() {
                let exemplars = totals.exemplars(total.series);
                assert!(exemplars.len() <= if matches!(total.value, Value::Distribution(_)) { 16 } else { 1 });
                for exemplar in exemplars {
                    let trace = exemplar.context.trace_id();
                    let (series, value) = recorded[&trace];
                    assert_eq!((series, value), (total.series.id(), exemplar.value), "{:?}", total.series);
                    assert!(exemplar.context.span_id() == trace as u64);
                    assert!(exemplar.time >= begun && exemplar.time <= SystemTime::now());
                    let is_new = shown.insert(trace);
                    // One that was shown stays what it was, and a new one is of this snapshot.
                    assert_eq!(is_new, exemplar.sequence == snapshot.sequence());
                    match total.value {
                        Value::Distribution(all) => assert!(all.buckets().any(|(index, _)| {
                            let (low, high) = all.scheme().bounds(index);
                            low <= exemplar.value && exemplar.value <= high || index + 1 == all.scheme().len()
                        })),
                        _ => assert!(total.increments().0 as f64 >= exemplar.value),
                    }
                }
            }
            assert!(snapshot.sequence() > before);
            before = snapshot.sequence();
        }
        assert!(shown.len() > 50, "{}", shown.len());
    });
}

#[test]
fn who_tells_traces_is_asked_until_there_is_one_and_so_often() {
    let _alone = alone(true);
    let (counter, timer) = (get_logger("asked").counter("c"), get_logger("asked").timer("t"));
    (0..5000).for_each(|_| counter.increment());
    assert_eq!(ASKED.replace(0), 1024, "outside of all traces");
    assert_eq!(of(counter.series()), []);
    // The collection lets it ask again.
    (0..10).for_each(|_| counter.increment());
    in_trace(1, || (0..5000).for_each(|_| counter.increment()));
    assert_eq!(ASKED.replace(0), 11);
    assert_eq!(of(counter.series()), [(1, 1.0)]);
    // Durations of different sizes have places of their own.
    in_trace(2, || {
        for _ in 0..100 {
            for millis in [1, 2, 4, 8, 1000] {
                timer.record(Duration::from_millis(millis));
            }
        }
    });
    assert_eq!(ASKED.get(), 5);
    assert_eq!(of(timer.series()), [1e6, 2e6, 4e6, 8e6, 1e9].map(|nanos| (2, nanos)));
    // The last one stays until there is another one in its place.
    in_trace(3, || timer.record(Duration::from_millis(4)));
    assert_eq!(of(timer.series()), [(2, 1e6), (2, 2e6), (2, 8e6), (2, 1e9), (3, 4e6)]);
}

#[test]
fn views_say_which_metrics_have_them_and_lead_them_along() {
    let _alone = alone(false);
    set(false, [View::new("chosen.*").exemplars(true), View::new("chosen.not").exemplars(false)]);
    let names = |logger: &str| ["yes", "not"].map(|name| get_logger(logger).counter(name));
    let ([yes, not], [other, _]) = (names("chosen"), names("unchosen"));
    let record = |trace| in_trace(trace, || [yes, not, other].iter().for_each(|counter| counter.increment()));
    record(1);
    assert_eq!([yes, not, other].map(|c| of(c.series())), [vec![(1, 1.0)], vec![], vec![]]);
    set(true, [View::new("chosen.*").exemplars(false)]);
    record(2);
    assert_eq!([yes, not, other].map(|c| of(c.series())), [vec![], vec![], vec![(2, 1.0)]]);

    // Series that are renamed or lose labels are one, with one place.
    let home = get_logger("led").timer("new");
    set(true, [View::new("led.old").rename("led.new").drop_labels(["user"])]);
    for (trace, user) in [(3, "ann"), (4, "bob")] {
        let led = get_logger("led").with("user", user).timer("old");
        in_trace(trace, || led.record(Duration::from_millis(1)));
        assert_eq!(of(led.series()), []);
        assert_eq!(of(home.series()), [(trace, 1e6)]);
    }
    // Dropped is dropped.
    set(true, [View::new("led.*").dropped(true)]);
    in_trace(5, || home.record(Duration::from_millis(1)));
    assert_eq!(of(home.series()), []);
}

#[test]
fn sampled_calls_offer_one_where_they_are_hits() {
    let _alone = alone(true);
    let own = get_logger("sampled");
    let rule = LoggerRule::new("ruled").sample_rate(0.25);
    with(true, [], vec![rule], Limits::default());
    let ruled = get_logger("ruled");
    for (logger, rate) in [(own, 0.25), (ruled, 0.0)] {
        let (mut counter, mut timer, mut guarded) = (logger.counter("c"), logger.timer("t"), logger.timer("g"));
        if rate > 0.0 {
            (counter, timer, guarded) = (counter.sampled(rate), timer.sampled(rate), guarded.sampled(rate));
        }
        let mut hits = 0;
        for call in 1..=400 {
            in_trace(call, || {
                counter.increment();
                timer.record(Duration::from_millis(3));
                drop(guarded.start());
            });
            let snapshot = snapshot();
            let mut shown = 0;
            for total in snapshot.totals().iter().filter(|t| t.series.logger_name() == logger_name(counter)) {
                for exemplar in snapshot.totals().exemplars(total.series) {
                    assert!(total.series.rate() == 0.25 && exemplar.context.trace_id() <= call);
                    shown += u64::from(exemplar.sequence == snapshot.sequence());
                }
            }
            hits += shown;
        }
        let recorded: u64 = snapshot()
            .totals()
            .iter()
            .filter(|t| t.series.logger_name() == logger_name(counter))
            .map(|t| t.recordings)
            .sum();
        // Each call had a collection behind it, so each hit filled a place.
        assert!(hits == recorded && hits > 200, "{hits} of {recorded}");
    }
}

fn logger_name(counter: Counter) -> &'static str {
    counter.series().logger_name()
}

#[test]
fn past_the_limit_there_are_none_and_that_is_counted() {
    let _alone = alone(false);
    let names = |what: &str, count: usize| -> Vec<Counter> {
        (0..count).map(|i| get_logger("limited").counter(format!("{what}{i}"))).collect()
    };
    let used = |limit: usize| {
        with(true, [], vec![], Limits::default().max_exemplars(limit));
        let before = refused().exemplars;
        let new = names(&format!("l{limit}."), 20);
        in_trace(1, || new.iter().for_each(|counter| counter.increment()));
        let shown = new.iter().filter(|counter| !of(counter.series()).is_empty()).count();
        let snapshot = snapshot();
        assert!(new.iter().all(|c| snapshot.totals().of_series(c.series()).unwrap().recordings == 1));
        (shown, refused().exemplars - before)
    };
    assert_eq!(used(0), (0, 20));
    assert_eq!(used(Limits::DEFAULT.max_exemplars), (20, 0));
    let bytes = |limit| Limits::default().max_exemplars(limit).max_bytes(2);
    assert!(bytes(8192) > bytes(0) + 8192 * 64 && bytes(8192) < bytes(0) + (4 << 20));
    assert_eq!(Limits::default().max_exemplars(usize::MAX).clamped().max_exemplars, 65_536);
}

#[test]
fn a_backend_gets_each_until_nothing_is_pending() {
    let _alone = alone(true);
    let counter = get_logger("delivered").counter("c");
    let seen: Arc<Mutex<Vec<Vec<u128>>>> = Arc::default();
    let accepts = Arc::new(AtomicU64::new(1));
    let publish = {
        let (seen, accepts) = (Arc::clone(&seen), Arc::clone(&accepts));
        move |view: &mut SnapshotView<'_>| {
            let new = view.new_exemplars(counter.series()).map(|e: &Exemplar| e.context.trace_id()).collect();
            seen.lock().unwrap().push(new);
            if accepts.load(SeqCst) == 1 {
                view.all_sent();
            }
            Ok(Delivery::default())
        }
    };
    in_trace(1, || counter.increment());
    install("b", Box::new(Publish(publish, Wants::TOTALS)), NEVER).unwrap();
    let flushed = |trace| {
        if trace > 0 {
            in_trace(trace, || counter.increment());
        }
        flush(SOON);
        // A flush publishes, and flushes.
        seen.lock().unwrap().drain(..).next().unwrap()
    };
    assert_eq!(flushed(0), [], "it was there before the backend");
    assert_eq!((flushed(2), flushed(0), flushed(3)), (vec![2], vec![], vec![3]));
    accepts.store(0, SeqCst);
    assert_eq!((flushed(4), flushed(0)), (vec![4], vec![4]));
    accepts.store(1, SeqCst);
    assert_eq!((flushed(0), flushed(0)), (vec![4], vec![]));
    remove("b", SOON);
}

#[test]
fn a_scope_of_a_test_offers_none() {
    let _alone = alone(true);
    let (counter, timer) = (get_logger("scope").counter("c"), get_logger("scope").timer("t"));
    let store = Arc::new(Store::default());
    let scope = enter(&store);
    in_trace(1, || {
        counter.increment();
        counter.add(2);
        timer.record(Duration::from_millis(1));
        timer.record_n(Duration::from_millis(1), 3);
    });
    drop(scope);
    assert_eq!((ASKED.get(), of(counter.series()), of(timer.series())), (0, vec![], vec![]));
    assert_eq!(store.recorded().iter().map(|(_, captured)| captured.calls).sum::<u64>(), 6);
}

#[test]
fn what_tells_traces_may_record_and_hang_and_disturbs_nobody() {
    let _alone = alone(true);
    let counter = get_logger("hostile").counter("c");
    // It records on the series that asks, and on one that nobody has met.
    FIRST.set(|| {
        get_logger("hostile").send_counter("c", 1);
        get_logger("hostile").send_timer(format!("t{}", ASKED.get()), Duration::ZERO);
    });
    in_trace(1, || counter.increment());
    FIRST.set(|| ());
    assert_eq!((ASKED.get(), of(counter.series())), (1, vec![(1, 1.0)]));
    assert_eq!(snapshot().totals().of_series(counter.series()).unwrap().value.net(), Some(2));

    // It hangs on one thread: that thread waits, and nobody else does.
    static HANG: (Barrier, Barrier) = (Barrier::new(2), Barrier::new(2));
    let hanging = thread::spawn(move || {
        FIRST.set(|| {
            HANG.0.wait();
            HANG.1.wait();
        });
        in_trace(2, || counter.increment());
    });
    HANG.0.wait();
    in_trace(3, || (0..100).for_each(|_| counter.increment()));
    assert_eq!(of(counter.series()), [(1, 1.0)], "the place is the other thread's");
    assert_eq!(snapshot().totals().of_series(counter.series()).unwrap().value.net(), Some(103));
    // A new configuration does not wait either.
    set(true, []);
    HANG.1.wait();
    hanging.join().unwrap();
    assert_eq!(of(counter.series()), [(2, 1.0)]);
    in_trace(4, || counter.increment());
    assert_eq!(of(counter.series()), [(4, 1.0)]);
}

#[cfg(unix)]
#[test]
fn a_child_of_a_fork_has_exemplars_of_its_own() {
    let _alone = alone(true);
    let counter = get_logger("forked").counter("c");
    in_trace(1, || counter.increment());
    static HANG: (Barrier, Barrier) = (Barrier::new(2), Barrier::new(2));
    let hanging = get_logger("forked").counter("hanging");
    let thread = thread::spawn(move || {
        FIRST.set(|| {
            HANG.0.wait();
            HANG.1.wait();
        });
        in_trace(2, || hanging.increment());
    });
    HANG.0.wait();
    // SAFETY: the child does what is documented to work after a fork, and leaves by `_exit`.
    let pid = unsafe { libc::fork() };
    if pid == 0 {
        install("child", sink(), NEVER).unwrap();
        let nothing = of(counter.series()).is_empty();
        in_trace(3, || [counter, hanging].iter().for_each(|counter| counter.increment()));
        let right = nothing && [counter, hanging].iter().all(|counter| of(counter.series()) == [(3, 1.0)]);
        // SAFETY: ends the child without the test harness's exit.
        unsafe { libc::_exit(if right { 0 } else { 7 }) };
    }
    let mut status = 0;
    // SAFETY: waits for the child made above.
    unsafe { libc::waitpid(pid, &raw mut status, 0) };
    assert_eq!(status, 0);
    HANG.1.wait();
    thread.join().unwrap();
    assert_eq!((of(counter.series()), of(hanging.series())), (vec![(1, 1.0)], vec![(2, 1.0)]));
}

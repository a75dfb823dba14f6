//! Sampled counters are exact: whatever threads record, and no matter who looks, increments by 1 are all there, at the sampled price.

mod support;

use ferrometer_core::*;
use proptest::prelude::*;
use std::sync::atomic::{AtomicU64, Ordering::SeqCst};
use std::thread;
use support::{NEVER, SOON, alone, sink};

#[derive(Clone, Debug)]
enum Step {
    /// This many increments by 1, of the counter of this number.
    Ones(usize, u32),
    /// Another number, this many times.
    Add(usize, i64, u32),
    /// Through the logger and a name, not a handle.
    ByName(usize, u32),
    /// Another thread does this many increments by 1, and ends.
    Thread(usize, u32),
    Flush,
    Snapshot,
}

const RATES: [f64; 4] = [0.5, 0.1, 0.01, 1e-6];

fn step() -> impl Strategy<Value = Step> {
    let which = 0..RATES.len();
    prop_oneof![
        (which.clone(), 1..300u32).prop_map(|(at, times)| Step::Ones(at, times)),
        (which.clone(), prop_oneof![Just(0i64), Just(-1), 2..9i64], 1..50u32).prop_map(|(a, n, t)| Step::Add(a, n, t)),
        (which.clone(), 1..100u32).prop_map(|(at, times)| Step::ByName(at, times)),
        (which, 1..300u32).prop_map(|(at, times)| Step::Thread(at, times)),
        Just(Step::Flush),
        Just(Step::Snapshot),
    ]
}

/// Recordings of one counter: increments by 1, the sum of all others, and that of decrements.
#[derive(Clone, Copy, Debug, Default)]
struct Truth {
    ones: u64,
    others: u64,
    decrements: u64,
}

fn total_of(series: &Series) -> ((u64, u64), u64, u64) {
    let snapshot = snapshot();
    let total = snapshot.totals().get(series.id()).unwrap();
    let Value::Counter { decrements, .. } = total.value else { panic!("{total:?}") };
    (total.increments(), decrements, total.recordings)
}

#[test]
fn increments_by_one_are_exact_and_others_are_a_sample() {
    let _alone = alone();
    install("exact", sink(), NEVER).unwrap();
    let mut runner = proptest::test_runner::TestRunner::new(ProptestConfig {
        cases: 60,
        failure_persistence: None,
        ..ProptestConfig::default()
    });
    static CASE: AtomicU64 = AtomicU64::new(0);
    let logger = get_logger("exact");
    let checked = runner.run(&prop::collection::vec(step(), 1..40), |steps| {
        // New values of a label would use up the countdowns: the counters stay, and are compared with what they were.
        CASE.fetch_add(1, SeqCst);
        let counters = RATES.map(|rate| logger.sampled(rate).counter("c"));
        let before = counters.map(|counter| total_of(counter.series()));
        let mut truth = [Truth::default(); RATES.len()];
        for step in steps {
            match step {
                Step::Ones(at, times) => {
                    (0..times).for_each(|_| counters[at].increment());
                    truth[at].ones += u64::from(times);
                }
                Step::Add(at, value, times) => {
                    (0..times).for_each(|_| counters[at].add(value));
                    truth[at].others += value.max(0) as u64 * u64::from(times);
                    truth[at].decrements += value.min(0).unsigned_abs() * u64::from(times);
                }
                Step::ByName(at, times) => {
                    (0..times).for_each(|_| logger.sampled(RATES[at]).send_counter("c", 1));
                    truth[at].ones += u64::from(times);
                }
                Step::Thread(at, times) => {
                    let counter = counters[at];
                    thread::spawn(move || (0..times).for_each(|_| counter.increment())).join().unwrap();
                    truth[at].ones += u64::from(times);
                }
                Step::Flush => {
                    prop_assert!(flush(SOON).complete);
                }
                Step::Snapshot => {
                    for (at, counter) in counters.iter().enumerate() {
                        let ((exact, _), ..) = total_of(counter.series());
                        prop_assert_eq!(exact - before[at].0.0, truth[at].ones, "at {}", RATES[at]);
                    }
                }
            }
        }
        for (at, counter) in counters.iter().enumerate() {
            let ((exact, sampled), decrements, recordings) = total_of(counter.series());
            let ((exact_before, sampled_before), decrements_before, _) = before[at];
            prop_assert_eq!(exact - exact_before, truth[at].ones, "at {}", RATES[at]);
            // No more than there was, and never less than before.
            prop_assert!(sampled >= sampled_before && sampled - sampled_before <= truth[at].others);
            prop_assert!(decrements >= decrements_before && decrements - decrements_before <= truth[at].decrements);
            prop_assert!(recordings <= exact + sampled + decrements + u64::from(u32::MAX));
        }
        Ok(())
    });
    checked.unwrap();
    let ledger = remove("exact", SOON).unwrap();
    assert!(ledger.balances(), "{ledger}");
    // The price: few calls were recorded.
    let rare = logger.sampled(RATES[3]).counter("c");
    assert!(total_of(rare.series()).2 < 1000);
}

#[test]
fn while_threads_run_a_total_grows_and_is_never_past_the_truth() {
    let _alone = alone();
    install("running", sink(), NEVER).unwrap();
    let counter = get_logger("running").sampled(0.05).counter("c");
    let calls = AtomicU64::new(0);
    const EACH: u64 = 50_000;
    thread::scope(|scope| {
        let work = || {
            for _ in 0..EACH {
                // Counted first: what is seen was called.
                calls.fetch_add(1, SeqCst);
                counter.increment();
            }
        };
        let threads = [(); 3].map(|()| scope.spawn(work));
        let mut last = 0;
        while last < 2 * EACH {
            let ((exact, sampled), ..) = total_of(counter.series());
            let most = calls.load(SeqCst);
            assert!(exact >= last && exact <= most && sampled == 0, "{last} {exact} {most} {sampled}");
            last = exact;
        }
        // Joined, a thread has ended; the scope's own end does not wait for that.
        threads.into_iter().for_each(|thread| thread.join().unwrap());
    });
    assert_eq!(total_of(counter.series()).0, (3 * EACH, 0));
    remove("running", SOON);
}

#[test]
fn a_rules_rate_and_a_thread_without_cells_of_its_own_lose_nothing() {
    let _alone = alone();
    let rule = LoggerRule::new("ruled").sample_rate(Some(0.02));
    let counter = get_logger("ruled").counter("c");
    let sampled = get_logger("ruled").sampled(0.02).counter("c");
    for limits in [Limits::default(), Limits::default().max_threads(0)] {
        configure(Naming::default(), limits, vec![rule.clone()]);
        install("ruled", sink(), NEVER).unwrap();
        let before = total_of(sampled.series()).0.0;
        thread::scope(|scope| {
            let threads = [(); 2].map(|()| scope.spawn(|| (0..10_000).for_each(|_| counter.increment())));
            threads.into_iter().for_each(|thread| thread.join().unwrap());
        });
        assert_eq!(total_of(sampled.series()).0.0 - before, 20_000);
        remove("ruled", SOON);
    }
    configure(Naming::default(), Limits::default(), Vec::new());
}

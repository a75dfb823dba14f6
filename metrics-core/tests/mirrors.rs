//! Recordings in one step: a total that is counted elsewhere, and a value that was seen many times. Both are compared with the steps one by one.

use ferrometer_core::*;
use proptest::prelude::*;
use std::thread;
use std::time::Duration;
use testkit::alone;

use ferrometer_testkit as testkit;

/// Returns the totals of every series of a counter: one for each rate.
fn net(counter: Counter) -> i64 {
    let snapshot = snapshot();
    snapshot.totals().iter().filter(|t| t.series.same_instrument(counter.series())).filter_map(|t| t.value.net()).sum()
}

/// Returns a distribution's count, sum, maximum and buckets.
fn distribution(series: &'static Series) -> (u64, f64, f64, Vec<(usize, u64)>) {
    let snapshot = snapshot();
    match snapshot.totals().get(series.id()).unwrap().value {
        Value::Distribution(all) => (all.count(), all.sum(), all.max(), all.buckets().collect()),
        other => panic!("{other:?}"),
    }
}

#[derive(Clone, Debug)]
enum Step {
    Absolute(u64),
    Add(u8),
    /// The rule for the logger: none, a rate, off.
    Rule(Option<f64>, bool),
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        6 => prop_oneof![0..2_000u64, Just(0), Just(1 << 40)].prop_map(Step::Absolute),
        2 => any::<u8>().prop_map(Step::Add),
        1 => (prop::option::of(Just(0.01)), any::<bool>()).prop_map(|(rate, enabled)| Step::Rule(rate, enabled)),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]

    /// The counter is the largest total and what was added, whatever the order, the handle's rate and the rules: what was not counted while the
    /// logger was off is counted by the next total.
    #[test]
    fn a_counter_reaches_the_largest_total(steps in prop::collection::vec((step(), any::<bool>()), 1..40), number in any::<u64>()) {
        let _alone = alone().then(release);
        hold();
        let logger = get_logger("mirror");
        let name = format!("c{number}");
        let plain = logger.counter(&name);
        let (mut largest, mut added, mut rate, mut on) = (0, 0i64, None, true);
        for (step, is_sampled) in steps {
            let handle = if is_sampled { plain.sampled(0.001) } else { plain };
            match step {
                Step::Absolute(total) => {
                    handle.absolute(total);
                    if on { largest = largest.max(total) }
                }
                // Sampled calls are counted by chance, so there are none.
                Step::Add(value) if on && rate.is_none() => {
                    plain.add(value);
                    added += i64::from(value);
                }
                Step::Add(_) => {}
                Step::Rule(new, enabled) => {
                    (rate, on) = (new, enabled);
                    let rule = LoggerRule::new("mirror").enabled(enabled).sample_rate(rate);
                    configure(Naming::default(), Limits::DEFAULT, vec![rule]);
                }
            }
            prop_assert_eq!(net(plain), largest as i64 + added);
        }
        configure(Naming::default(), Limits::DEFAULT, Vec::new());
    }

    /// A value that is recorded `n` times at once is in the same bucket, as often, as one that is recorded `n` times.
    #[test]
    fn n_at_once_are_n_one_by_one(values in prop::collection::vec((-1e9..1e9f64, 0..50u64), 1..20), number in any::<u64>()) {
        let _alone = alone().then(release);
        hold();
        let logger = get_logger("many");
        let (once, each) = (logger.histogram(format!("h{number}")), logger.histogram(format!("e{number}")));
        let (timer, timed) = (logger.timer(format!("t{number}")), logger.timer(format!("u{number}")));
        for (value, count) in values {
            let time = Duration::from_nanos(value.abs() as u64);
            once.record_n(value, count);
            timer.record_n(time, count);
            for _ in 0..count {
                each.record(value);
                timed.record(time);
            }
        }
        prop_assert_eq!(distribution(timer.series()), distribution(timed.series()));
        let ((count, sum, max, buckets), expected) = (distribution(once.series()), distribution(each.series()));
        prop_assert_eq!((count, max, buckets), (expected.0, expected.2, expected.3));
        prop_assert!((sum - expected.1).abs() <= 1e-9 * 1e12, "{} {}", sum, expected.1);
    }
}

#[test]
fn totals_of_several_threads_are_counted_once() {
    let _alone = alone().then(release);
    hold();
    let counter = get_logger("mirror").counter("threads");
    thread::scope(|scope| {
        for first in 0..4u64 {
            scope.spawn(move || (0..=5_000).for_each(|i| counter.absolute(i * 4 + first)));
        }
    });
    assert_eq!(net(counter), 20_003);
}

#[test]
fn what_is_not_counted_now_is_counted_by_the_next_total() {
    let _alone = alone().then(release);
    let counter = get_logger("mirror").counter("late");
    counter.absolute(10);
    hold();
    assert_eq!(net(counter), 0);
    counter.absolute(25);
    release();
    counter.absolute(40);
    hold();
    counter.absolute(41);
    assert_eq!(net(counter), 41);
    // More than one recording can hold.
    counter.absolute(u64::MAX);
    assert_eq!(net(counter) as u64, u64::MAX);
}

#[test]
fn values_that_are_no_numbers_are_refused_as_often_as_they_were_given() {
    let _alone = alone().then(release);
    hold();
    let histogram = get_logger("many").histogram("refused");
    histogram.record_n(f64::NAN, 1 << 40);
    histogram.record_n(f64::INFINITY, 0);
    let snapshot = snapshot();
    assert_eq!(snapshot.totals().get(histogram.series().id()).unwrap().invalid, 1 << 40);
    assert_eq!(distribution(histogram.series()).0, 0);
}

#[test]
fn many_at_once_are_delivered_with_their_account() {
    let _alone = alone().then(release);
    let take = |view: &mut SnapshotView<'_>| {
        view.deltas().for_each(|delta| delta.receipts().for_each(|receipt| view.sent(&receipt)));
        Ok(Delivery::default())
    };
    install("r", Box::new(testkit::Publish(take, Wants::SINGLES)), testkit::NEVER).unwrap();
    let timer = get_logger("many").timer("sent");
    timer.record_n(Duration::from_millis(2), 40);
    timer.record(Duration::from_millis(3));
    assert!(flush(testkit::SOON).complete);
    let ledger = remove("r", testkit::SOON).unwrap();
    assert!(ledger.balances(), "{ledger}");
    assert_eq!((ledger.recorded.recordings, ledger.sent.recordings, ledger.merged), (41, 41, 40));
}

#[test]
fn truth_and_time_are_numbers_of_a_gauge() {
    let _alone = alone().then(release);
    hold();
    let logger = get_logger("values");
    let (yes, no, time, down) = (logger.gauge("yes"), logger.gauge("no"), logger.gauge("time"), logger.gauge("down"));
    yes.set(true);
    no.set(false);
    time.set(Duration::from_millis(1500));
    down.set(10u8);
    down.sub(4u64);
    down.sub(Duration::from_millis(500));
    let snapshot = snapshot();
    let value = |gauge: Gauge| match snapshot.totals().get(gauge.series().id()).unwrap().value {
        Value::Gauge(value) => value,
        other => panic!("{other:?}"),
    };
    assert_eq!((value(yes), value(no), value(time), value(down)), (1.0, 0.0, 1.5, 5.5));
}

#[test]
fn handles_and_series_are_what_they_stand_for() {
    use std::collections::HashSet;
    let logger = get_logger("same").with("a", "b\n");
    let (one, two) = (logger.counter("c"), get_logger("same").with("a", "b\n").counter("c"));
    assert_eq!(HashSet::from([one, two, logger.counter("d")]).len(), 2);
    assert_eq!((one.series(), one == one.sampled(0.5)), (two.series(), false));
    assert_eq!(HashSet::from([one.series(), two.series()]).len(), 1);
    assert_eq!(one.series().to_string(), "same.c a=b\\n");
    assert_eq!(logger.for_object("qemu/1").to_string(), "same object=qemu/1 a=b\\n");
}

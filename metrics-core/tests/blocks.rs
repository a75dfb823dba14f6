//! Series by the hundred, in more than one block of rows: three backends that take what they like in any order get each series'
//! recordings once, of whatever kind and sign they are, no matter who else looks at the same snapshots.

mod support;

use ferrometer_core::*;
use std::collections::HashMap;
use std::sync::{Arc, Mutex};
use std::thread;
use support::{NEVER, Publish, Random, SOON};

/// By series: recordings, increments, decrements; of gauges and in-flight counts the last value is the second.
type Sums = HashMap<usize, [u64; 3]>;

/// Takes each piece or not, in an order of its own, and counts what it took.
fn taker(seed: u64, sums: Arc<Mutex<Sums>>) -> Box<dyn Backend> {
    let mut random = Random::new(seed);
    let publish = move |view: &mut SnapshotView<'_>| {
        let mut deltas: Vec<_> = view.deltas().filter(|delta| !delta.series.is_internal()).collect();
        for at in (1..deltas.len()).rev() {
            deltas.swap(at, random.below(at as u64 + 1) as usize);
        }
        let share = random.below(4);
        let mut sums = sums.lock().unwrap();
        let mut left = Vec::new();
        for delta in &deltas {
            if random.below(4) < share {
                left.push(delta.series.id());
                continue;
            }
            // Twice and more counts once.
            let receipt = delta.receipt();
            view.sent(&receipt);
            view.sent(&receipt);
            view.dropped(&receipt, Cause::Transport);
            let sum = sums.entry(delta.series.id()).or_default();
            sum[0] += delta.recordings;
            match delta.change {
                Change::Counter { increments, decrements } => {
                    sum[1] = sum[1].wrapping_add(increments);
                    sum[2] = sum[2].wrapping_add(decrements);
                }
                Change::Gauge(value) => sum[1] = value.to_bits(),
                Change::InFlight(value) => sum[1] = value as u64,
                _ => unreachable!(),
            }
        }
        left.sort_unstable();
        let still = view.deltas().filter(|delta| !delta.series.is_internal()).map(|delta| delta.series.id());
        assert_eq!(still.collect::<Vec<_>>(), left);
        Ok(Delivery::default())
    };
    Box::new(Publish(publish, Wants::TOTALS))
}

#[test]
fn each_series_recordings_are_taken_once_in_whatever_order() {
    let sums: Vec<Arc<Mutex<Sums>>> = (0..3).map(|_| Arc::default()).collect();
    for (at, sums) in sums.iter().enumerate() {
        install(&format!("taker{at}"), taker(at as u64 + 7, Arc::clone(sums)), NEVER).unwrap();
    }
    let mut random = Random::new(99);
    let mut truth: Sums = HashMap::new();
    let mut series = Vec::new();
    for round in 0..60u64 {
        // Some come between two snapshots.
        for _ in 0..random.below(25) {
            let (number, logger) = (series.len(), get_logger("blocks"));
            let name = format!("s{number}");
            series.push(match random.below(8) {
                0 => logger.gauge(name).series(),
                1 => logger.in_flight(name).series(),
                _ => logger.counter(name).series(),
            });
        }
        // Rounds of ones alone, and others.
        let mixed = round % 3 == 2;
        let mut record = |random: &mut Random, logger: Logger| {
            for _ in 0..random.below(80) {
                if series.is_empty() {
                    break;
                }
                let of = series[random.below(series.len() as u64) as usize];
                let sum = truth.entry(of.id()).or_default();
                let name = of.metric_name();
                match of.kind() {
                    Kind::Counter => {
                        let value = match random.below(if mixed { 6 } else { 1 }) {
                            0 => 1,
                            1 => i64::MIN,
                            2 => i64::MAX,
                            3 => -1,
                            4 => 0,
                            _ => random.below(1000) as i64 - 500,
                        };
                        logger.counter(name).add(value);
                        let at = if value >= 0 { 1 } else { 2 };
                        sum[at] = sum[at].wrapping_add(value.unsigned_abs());
                        sum[0] += 1;
                    }
                    Kind::Gauge => {
                        let value = random.below(5) as f64 - 2.0;
                        logger.gauge(name).set(value);
                        (sum[0], sum[1]) = (sum[0] + 1, value.to_bits());
                    }
                    _ => {
                        let guard = logger.in_flight(name).enter();
                        sum[0] += 1;
                        sum[1] = sum[1].wrapping_add(1);
                        if random.below(2) == 0 {
                            drop(guard);
                            sum[0] += 1;
                            sum[1] = sum[1].wrapping_sub(1);
                        } else {
                            std::mem::forget(guard);
                        }
                    }
                }
            }
        };
        record(&mut random, get_logger("blocks"));
        // On a thread that ends, whose slab the next one has.
        thread::scope(|scope| {
            scope.spawn(|| record(&mut random, get_logger("blocks")));
        });
        let _held = snapshot();
        let report = flush(SOON);
        assert!(report.ledgers.iter().all(|ledger| ledger.balances() && ledger.panics == 0), "{:?}", report.ledgers);
        let taken = replace("other", support::sink(), NEVER, SOON).unwrap();
        assert!(taken.is_none_or(|ledger| ledger.balances() && ledger.pending.is_zero() && ledger.dropped.is_empty()));
        let now = snapshot();
        for (id, sum) in &truth {
            let total = now.totals().get(*id).unwrap();
            let found = match total.value {
                Value::Counter { increments, decrements } => [total.recordings, increments, decrements],
                Value::Gauge(value) => [total.recordings, value.to_bits(), 0],
                Value::InFlight(value) => [total.recordings, value as u64, 0],
                _ => unreachable!(),
            };
            assert_eq!(found, *sum, "{:?}", total.series);
        }
    }
    // The rest is taken sooner or later.
    let all_taken = || flush(SOON).ledgers.iter().all(|ledger| ledger.pending.is_zero());
    assert!((0..200).any(|_| all_taken()));
    assert!(series.len() > 3 * 128, "{}", series.len());
    for sums in &sums {
        assert!(*sums.lock().unwrap() == truth);
    }
    let report = shutdown(SOON);
    assert!(report.ledgers.iter().all(|ledger| ledger.balances() && ledger.dropped.is_empty() && ledger.panics == 0));
}

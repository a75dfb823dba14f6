//! Recording that is on, and what counters and timers hold.

use ferrometer::Value;
use ferrometer_testkit::{NEVER, SOON, sink};

/// Switches recording on, with a backend that is not heard of again for an hour.
pub fn on() {
    ferrometer::install("sink", sink(), NEVER).unwrap();
}

/// How many recordings all series of this logger and name have together.
pub fn recorded(logger: &str, metric: &str) -> u64 {
    recorded_each(logger, metric).iter().sum()
}

/// How many recordings each of them has.
pub fn recorded_each(logger: &str, metric: &str) -> Vec<u64> {
    let snapshot = ferrometer::snapshot();
    let of = snapshot.totals().iter().filter(|t| t.series.logger_name() == logger && t.series.metric_name() == metric);
    of.map(|total| match &total.value {
        Value::Counter { increments, .. } => *increments,
        Value::Distribution(values) => values.count(),
        _ => panic!("{metric} is no counter and no timer"),
    })
    .collect()
}

/// Everything recorded so far is accounted for.
pub fn expect_balance() {
    let flushed = ferrometer::flush(SOON);
    assert!(flushed.ledgers[0].balances(), "{flushed:?}");
}

//! ferrometer as the rows use it: through its public API alone.

use ferrometer::backend::{Backend, BackendError, Delivery, SnapshotView};
use ferrometer::{Series, Total, Value};
use std::thread;
use std::time::Duration;

/// Takes everything and does nothing with it.
struct Sink;

impl Backend for Sink {
    fn publish(&mut self, view: &mut SnapshotView<'_>) -> Result<Delivery, BackendError> {
        view.all_sent();
        Ok(Delivery::default())
    }
}

/// Switches recording on, with a backend that is not heard of again for an hour.
pub fn on() {
    ferrometer::install("sink", Box::new(Sink), Duration::from_secs(3600)).expect("the sink");
}

/// Turns recording on, and waits until the clock of timers is calibrated: by then the collector's thread has nothing left to do.
pub fn on_with_clock() {
    on();
    let slow = std::env::var_os("BENCH_SLOW_CLOCK").is_some();
    thread::sleep(Duration::from_millis(if slow { 1500 } else { 350 }));
}

/// Returns the count of a counter, and of a timer or histogram its number of recordings.
pub fn count_of(series: &'static Series) -> u64 {
    count(&ferrometer::snapshot().totals().get(series.id()).expect("a registered series"))
}

fn count(total: &Total<'_>) -> u64 {
    match &total.value {
        Value::Counter { increments, decrements } => increments - decrements,
        Value::Distribution(d) => d.count(),
        _ => total.recordings,
    }
}

/// The sum of what all series of a name counted, whatever their labels.
pub fn count_of_all(logger: &str, metric: &str) -> u64 {
    let snapshot = ferrometer::snapshot();
    let named =
        snapshot.totals().iter().filter(|t| t.series.logger_name() == logger && t.series.metric_name() == metric);
    named.map(|total| count(&total)).sum()
}

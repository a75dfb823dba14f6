//! Backends for tests: one made of a closure, a sink, and one that remembers what it was given.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Instant;

use ferrometer_core::{Backend, BackendError, Change, Delivery, SnapshotView, Wants};

/// A backend made of a closure that is called to publish and to flush, and of what it wants.
pub struct Publish<F>(pub F, pub Wants);

impl<F> Backend for Publish<F>
where
    F: FnMut(&mut SnapshotView<'_>) -> Result<Delivery, BackendError> + Send + 'static,
{
    fn publish(&mut self, view: &mut SnapshotView<'_>) -> Result<Delivery, BackendError> {
        (self.0)(view)
    }

    fn flush(&mut self, view: &mut SnapshotView<'_>, _: Instant) -> Result<Delivery, BackendError> {
        (self.0)(view)
    }

    fn wants(&self) -> Wants {
        self.1
    }
}

/// Returns a backend that accepts everything and does nothing with it.
pub fn sink() -> Box<dyn Backend> {
    let publish = |view: &mut SnapshotView<'_>| {
        view.all_sent();
        Ok(Delivery::default())
    };
    Box::new(Publish(publish, Wants::TOTALS))
}

/// Deliveries of a [`Recorder`], by `logger.metric key=value …`. Metrics of ferrometer itself are left out.
#[derive(Clone, Debug, Default)]
pub struct Record {
    /// The net sum of each counter.
    pub counters: BTreeMap<String, i64>,
    /// The newest value of each gauge.
    pub gauges: BTreeMap<String, f64>,
    /// The newest count of what is in flight.
    pub in_flight: BTreeMap<String, i64>,
    /// How many values each timer and histogram had.
    pub values: BTreeMap<String, u64>,
}

/// A backend that accepts everything and remembers it. A clone shares the memory: install one and keep the other.
#[derive(Clone, Debug, Default)]
pub struct Recorder(Arc<Mutex<Record>>);

impl Recorder {
    /// Returns what was given so far.
    pub fn record(&self) -> Record {
        self.lock().clone()
    }

    fn lock(&self) -> MutexGuard<'_, Record> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Backend for Recorder {
    fn publish(&mut self, view: &mut SnapshotView<'_>) -> Result<Delivery, BackendError> {
        {
            let mut record = self.lock();
            for delta in view.deltas().filter(|delta| !delta.series.is_internal()) {
                let labels: String =
                    delta.series.labels_with_object().map(|(key, value)| format!(" {key}={value}")).collect();
                let name = format!("{}.{}{labels}", delta.series.logger_name(), delta.series.metric_name());
                match delta.change {
                    Change::Counter { increments, decrements } => {
                        let sum = record.counters.entry(name).or_default();
                        *sum = sum.wrapping_add(increments.wrapping_sub(decrements) as i64);
                    }
                    Change::Gauge(value) => drop(record.gauges.insert(name, value)),
                    Change::InFlight(count) => drop(record.in_flight.insert(name, count)),
                    _ => *record.values.entry(name).or_default() += delta.recordings,
                }
            }
        }
        view.all_sent();
        Ok(Delivery::default())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{NEVER, SOON, alone};
    use std::time::Duration;

    #[test]
    fn a_recorder_remembers_each_kind() {
        let _alone = alone().then(|| drop(ferrometer_core::remove("recorder", SOON)));
        let recorder = Recorder::default();
        ferrometer_core::install("recorder", Box::new(recorder.clone()), NEVER).unwrap();
        let logger = ferrometer_core::get_logger("testkit");
        logger.send_counter("c", 5);
        assert!(ferrometer_core::flush(SOON).complete);
        logger.send_counter("c", -7);
        logger.with("k", "v").send_gauge("g", 0.5);
        logger.send_timer("t", Duration::from_millis(1));
        logger.send_histogram("h", 1);
        let _busy = logger.in_flight("busy").enter();
        assert!(ferrometer_core::flush(SOON).complete);
        let record = recorder.record();
        assert_eq!(record.counters, BTreeMap::from([("testkit.c".into(), -2)]));
        assert_eq!(record.gauges, BTreeMap::from([("testkit.g k=v".into(), 0.5)]));
        assert_eq!(record.in_flight, BTreeMap::from([("testkit.busy".into(), 1)]));
        assert_eq!(record.values, BTreeMap::from([("testkit.h".into(), 1), ("testkit.t".into(), 1)]));
    }

    #[test]
    fn a_sink_leaves_nothing_pending() {
        let _alone = alone();
        ferrometer_core::install("sink", sink(), NEVER).unwrap();
        ferrometer_core::get_logger("testkit").send_counter("sunk", 3);
        let ledger = ferrometer_core::remove("sink", SOON).unwrap();
        assert!(ledger.balances() && ledger.sent.increments == 3, "{ledger}");
    }
}

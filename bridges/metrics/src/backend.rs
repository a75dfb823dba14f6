//! The other direction: ferrometer's recordings, delivered into a recorder of the `metrics` crate.

use crate::unit;
use ferrometer_core::{Backend, BackendError, Change, Delivery, Delta, Kind, Scheme, Series, SnapshotView, Wants};
use ferrometer_export::full_name;
use metrics::{Key, KeyName, Label, Level, Metadata, Recorder};
use std::collections::HashSet;
use std::fmt;

/// A backend that hands everything to a [`metrics::Recorder`], such as an exporter that a program has already.
///
/// | ferrometer | `metrics` |
/// |---|---|
/// | counter | `counter`; what was taken away is counted by `<name>.decrements`, since a counter of `metrics` never falls |
/// | gauge, count in flight | `gauge` |
/// | timer | `histogram`, in seconds |
/// | histogram | `histogram`, in its own unit |
///
/// Values arrive one by one where ferrometer kept them one by one; else each is the middle of its bucket, within 6.25 %. A sampled recording counts 1 ÷ rate
/// times. Ferrometer's own metrics, `ferrometer.…`, go along.
///
/// ```
/// use ferrometer_metrics_bridge::RecorderBackend;
/// use metrics_util::debugging::DebuggingRecorder;
/// use std::time::Duration;
///
/// // Any recorder; here the one that `metrics-util` has for tests.
/// let recorder = DebuggingRecorder::new();
/// let seen = recorder.snapshotter();
/// ferrometer_core::install("metrics", Box::new(RecorderBackend::new(recorder)), Duration::from_secs(10))?;
///
/// ferrometer_core::get_logger("shop").send_counter("sold", 3);
/// ferrometer_core::flush(Duration::from_secs(2));
/// assert!(seen.snapshot().into_vec().iter().any(|(key, ..)| key.key().name() == "shop.sold"));
/// # Ok::<(), ferrometer_core::InstallError>(())
/// ```
///
/// The recorder must not be a [`Bridge`](crate::Bridge): what it records would come back, and grow for ever. [`new`](RecorderBackend::new) cannot see
/// that of every recorder.
pub struct RecorderBackend<R> {
    recorder: R,
    described: HashSet<usize>,
}

static METADATA: Metadata<'static> = Metadata::new("ferrometer", Level::INFO, None);

impl<R: Recorder + Send + 'static> RecorderBackend<R> {
    /// Makes a backend that delivers into `recorder`, on its own thread.
    #[must_use]
    pub fn new(recorder: R) -> RecorderBackend<R> {
        RecorderBackend { recorder, described: HashSet::new() }
    }

    /// Tells unit and description once a series, when it is first delivered.
    fn describe(&mut self, series: &'static Series, name: &str) {
        if !self.described.insert(series.id()) {
            return;
        }
        let unit = match series.kind() {
            Kind::Timer => Some(metrics::Unit::Seconds),
            _ => unit::theirs(series.unit()),
        };
        let Some(text) = series.description().or_else(|| unit.map(|_| "")) else { return };
        let (name, text) = (KeyName::from(name.to_owned()), text.into());
        match series.kind() {
            Kind::Counter => self.recorder.describe_counter(name, unit, text),
            Kind::Gauge | Kind::InFlight => self.recorder.describe_gauge(name, unit, text),
            _ => self.recorder.describe_histogram(name, unit, text),
        }
    }

    fn deliver(&mut self, view: &SnapshotView<'_>, delta: &Delta<'_>) {
        let series = delta.series;
        let name = full_name(view.naming(), series);
        self.describe(series, &name);
        let labels: Vec<Label> = series.labels_with_object().map(|(key, value)| Label::new(key, value)).collect();
        let rate = series.rate();
        match &delta.change {
            Change::Counter { increments, decrements } => {
                if *decrements > 0 {
                    let key = Key::from_parts(format!("{name}.decrements"), labels.clone());
                    self.recorder.register_counter(&key, &METADATA).increment(scaled(*decrements, rate));
                }
                let counter = self.recorder.register_counter(&Key::from_parts(name, labels), &METADATA);
                counter.increment(scaled(*increments, rate));
            }
            Change::Gauge(value) => self.recorder.register_gauge(&Key::from_parts(name, labels), &METADATA).set(*value),
            Change::InFlight(value) => {
                self.recorder.register_gauge(&Key::from_parts(name, labels), &METADATA).set(*value as f64);
            }
            Change::Values { singles, merged, scheme, .. } => {
                let histogram = self.recorder.register_histogram(&Key::from_parts(name, labels), &METADATA);
                let unit = if *scheme == Scheme::Nanos { 1e9 } else { 1.0 };
                for value in *singles {
                    histogram.record_many(value / unit, count(scaled(1, rate)));
                }
                for (bucket, times) in merged {
                    histogram.record_many(scheme.middle(*bucket) / unit, count(scaled(*times, rate)));
                }
            }
            _ => (),
        }
    }
}

/// Returns the number that `recordings` sampled ones stand for.
fn scaled(recordings: u64, rate: f64) -> u64 {
    if rate >= 1.0 { recordings } else { (recordings as f64 / rate).round() as u64 }
}

fn count(times: u64) -> usize {
    usize::try_from(times).unwrap_or(usize::MAX)
}

impl<R: Recorder + Send + 'static> Backend for RecorderBackend<R> {
    fn publish(&mut self, view: &mut SnapshotView<'_>) -> Result<Delivery, BackendError> {
        let mut delivery = Delivery::default();
        for delta in view.deltas() {
            if !matches!(
                delta.change,
                Change::Counter { .. } | Change::Gauge(_) | Change::InFlight(_) | Change::Values { .. }
            ) {
                continue; // a kind of a later version stays pending
            }
            self.deliver(view, &delta);
            view.delta_sent(&delta);
            delivery.packets += 1;
        }
        Ok(delivery)
    }

    fn wants(&self) -> Wants {
        Wants::SINGLES
    }
}

impl<R> fmt::Debug for RecorderBackend<R> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RecorderBackend").finish_non_exhaustive()
    }
}

//! Exemplars by row: which of them a counter or a bucket shows, and how.

use crate::le_buckets::{self, Bounds};
use crate::number;
use crate::order::order;
use crate::process;
use ferrometer_core::exemplars::{Exemplar, TraceContext};
use ferrometer_core::{Kind, Totals};
use ferrometer_export::Instrument;
use std::time::SystemTime;

/// An exemplar as it is shown.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Shown {
    /// In what was recorded: nanoseconds for timers.
    recorded: f64,
    pub(crate) value: f64,
    time: SystemTime,
    context: TraceContext,
}

impl Shown {
    fn new(exemplar: &Exemplar, kind: Kind) -> Shown {
        let unit = kind.scheme().map_or(1.0, le_buckets::unit);
        let recorded = exemplar.value;
        Shown { recorded, value: recorded / unit, time: exemplar.time, context: exemplar.context }
    }

    /// Returns when it was recorded, in milliseconds since 1970.
    pub(crate) fn millis(&self) -> i64 {
        process::millis(self.time)
    }

    /// Returns the labels: 63 characters at most, where OpenMetrics allows 128.
    pub(crate) fn labels(&self) -> impl Iterator<Item = (&'static str, String)> {
        let trace = ("trace_id", self.context.trace_id_hex());
        [Some(trace), self.context.span_id_hex().map(|span| ("span_id", span))].into_iter().flatten()
    }

    /// Appends it as OpenMetrics has it behind a sample.
    pub(crate) fn write(&self, out: &mut Vec<u8>) {
        out.extend_from_slice(b" # {");
        for (at, (name, id)) in self.labels().enumerate() {
            let comma = if at > 0 { "," } else { "" };
            for part in [comma, name, "=\"", &id, "\""] {
                out.extend_from_slice(part.as_bytes());
            }
        }
        out.extend_from_slice(b"} ");
        number::float(out, self.value);
        out.push(b' ');
        number::seconds(out, self.millis());
    }
}

/// Those of all rows: by row, and the oldest first.
#[derive(Debug, Default)]
pub(crate) struct Exemplars(Vec<(usize, Shown)>);

impl Exemplars {
    /// Takes rows with their instruments, in any order.
    pub(crate) fn new<'i>(rows: impl Iterator<Item = (usize, &'i Instrument)>, totals: Totals<'_>) -> Exemplars {
        let mut all = Vec::new();
        for (row, instrument) in rows {
            let kind = instrument.first.kind();
            let of_rates = instrument.totals(totals).flat_map(|total| totals.exemplars(total.series));
            all.extend(of_rates.map(|exemplar| (row, Shown::new(exemplar, kind))));
        }
        let key = |at: usize| (all[at].0, all[at].1.time);
        let order = order(all.len(), &|a, b| key(a).cmp(&key(b)));
        Exemplars(order.into_iter().map(|at| all[at]).collect())
    }

    /// Returns those of a row.
    pub(crate) fn of(&self, row: usize) -> impl DoubleEndedIterator<Item = &Shown> {
        let first = self.0.partition_point(|(at, _)| *at < row);
        let last = self.0.partition_point(|(at, _)| *at <= row);
        self.0[first..last].iter().map(|(_, shown)| shown)
    }

    /// Returns the newest of a row for each bucket, with +Inf last. Nothing where there is none.
    ///
    /// A value stands at the first bound that is not below it. It may be counted at the next one; see [`le_buckets`].
    pub(crate) fn by_bucket(&self, row: usize, bounds: &Bounds) -> Vec<Option<&Shown>> {
        let mut buckets = Vec::new();
        for shown in self.of(row) {
            buckets.resize(bounds.len() + 1, None);
            buckets[bounds.bucket_of(shown.recorded)] = Some(shown);
        }
        buckets
    }
}

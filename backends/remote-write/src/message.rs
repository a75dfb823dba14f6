//! Remote write's messages. The numbers are those of `prometheus/prompb`, `remote.proto` and `types.proto`.

use crate::families::{Form, Meta};
use ferrometer_core::exemplars::TraceContext;
use ferrometer_push::histogram::{Exponential, SCALE, Sum};
use ferrometer_push::protobuf::{bytes, double, key, message, unsigned, varint, zigzag};

/// The value that says that a series ends.
pub(crate) const STALE: f64 = f64::from_bits(0x7ff0_0000_0000_0002);

/// The labels of one instrument as fields, cut where others stand between them: before `__name__`, between it and `le`, and behind `le`.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Labels<'l> {
    pub(crate) before: &'l [u8],
    pub(crate) between: &'l [u8],
    pub(crate) behind: &'l [u8],
}

impl Labels<'_> {
    /// Appends them with `__name__`, and `le` where there is one: both are fields that are written already.
    fn write(&self, out: &mut Vec<u8>, name: &[u8], le: &[u8]) {
        for part in [self.before, name, self.between, le, self.behind] {
            out.extend_from_slice(part);
        }
    }

    fn len(&self) -> usize {
        self.before.len() + self.between.len() + self.behind.len()
    }
}

/// Appends a label.
pub(crate) fn label(out: &mut Vec<u8>, name: &str, value: &[u8]) {
    message(out, 1, |out| {
        bytes(out, 1, name.as_bytes());
        bytes(out, 2, value);
    });
}

/// Appends a series with what `write` adds to its labels.
pub(crate) fn series(out: &mut Vec<u8>, form: Form, labels: Labels<'_>, name: &[u8], write: impl FnOnce(&mut Vec<u8>)) {
    match form {
        Form::First => message(out, 1, |out| {
            labels.write(out, name, &[]);
            write(out);
        }),
        Form::Second => {
            varint(out, (labels.len() + name.len()) as u64);
            labels.write(out, name, &[]);
            write(out);
        }
    }
}

/// Appends what stands in front of a series of this many bytes of labels, and of what is behind them.
#[inline]
fn head(out: &mut Vec<u8>, form: Form, labels: usize, behind: usize) {
    match form {
        Form::First => {
            key(out, 1, 2);
            varint(out, (labels + behind) as u64);
        }
        Form::Second => varint(out, labels as u64),
    }
}

/// A sample without exemplars, as it stands behind the labels of its series.
#[derive(Clone, Debug)]
pub(crate) struct Tail(Vec<u8>);

impl Tail {
    /// Makes one of a time, whose value is still to be set.
    pub(crate) fn new(time: &Time) -> Tail {
        let mut all = Vec::new();
        message(&mut all, 2, |out| {
            double(out, 1, 1.0);
            out.extend_from_slice(&time.0);
        });
        Tail(all)
    }

    /// Sets the value, which is not 0: that is not written.
    #[inline]
    fn set(&mut self, value: f64) {
        // Behind the key of the sample, its length, and the key of the value.
        if let Some(place) = self.0.get_mut(3..11) {
            place.copy_from_slice(&value.to_le_bytes());
        }
    }
}

/// Appends a series of one sample that is not 0, with labels that are all at hand.
#[inline]
pub(crate) fn plain(out: &mut Vec<u8>, form: Form, labels: &[u8], tail: &mut Tail, value: f64) {
    tail.set(value);
    out.reserve(labels.len() + tail.0.len() + 6);
    head(out, form, labels.len(), tail.0.len());
    out.extend_from_slice(labels);
    out.extend_from_slice(&tail.0);
}

/// A field whose default is 0, and need not be written then.
fn double_unless_zero(out: &mut Vec<u8>, field: u32, value: f64) {
    if value.to_bits() != 0 {
        double(out, field, value);
    }
}

/// A moment as the field of a sample.
#[derive(Clone, Debug)]
pub(crate) struct Time(Vec<u8>);

impl Time {
    /// Milliseconds since 1970.
    pub(crate) fn new(millis: i64) -> Time {
        let mut field = Vec::new();
        unsigned(&mut field, 2, millis as u64);
        Time(field)
    }
}

/// Appends an exemplar as a field of its series.
pub(crate) fn exemplar(out: &mut Vec<u8>, value: f64, millis: i64, context: TraceContext) {
    message(out, 3, |out| {
        label(out, "trace_id", context.trace_id_hex().as_bytes());
        if let Some(span) = context.span_id_hex() {
            label(out, "span_id", span.as_bytes());
        }
        double_unless_zero(out, 2, value);
        unsigned(out, 3, millis as u64);
    });
}

/// Appends a series of one sample and its exemplars, which are written already. Its length is known before it is written, so that nothing is moved.
pub(crate) fn sample(
    out: &mut Vec<u8>,
    form: Form,
    labels: Labels<'_>,
    (name, le): (&[u8], &[u8]),
    (value, exemplars): (f64, &[u8]),
    time: &Time,
) {
    /// The key of a sample, and its length: below 128, because it is two numbers.
    const HEAD: usize = 2;
    const DOUBLE: usize = 9;
    let sample = time.0.len() + if value.to_bits() == 0 { 0 } else { DOUBLE };
    head(out, form, labels.len() + name.len() + le.len(), HEAD + sample + exemplars.len());
    labels.write(out, name, le);
    out.extend_from_slice(&[2 << 3 | 2, sample as u8]);
    double_unless_zero(out, 1, value);
    out.extend_from_slice(&time.0);
    out.extend_from_slice(exemplars);
}

/// Appends a native histogram.
pub(crate) fn histogram(out: &mut Vec<u8>, sum: &Sum, buckets: &Exponential, millis: i64) {
    message(out, 4, |out| {
        unsigned(out, 1, sum.count);
        double_unless_zero(out, 3, sum.sum.unwrap_or(f64::NAN));
        unsigned(out, 4, zigzag(i64::from(SCALE)));
        double_unless_zero(out, 5, buckets.zero_threshold);
        unsigned(out, 6, buckets.zero_count);
        side(out, (8, 9), &buckets.negative);
        side(out, (11, 12), &buckets.positive);
        unsigned(out, 15, millis as u64);
    });
}

/// Appends a native histogram that says that its series ends.
pub(crate) fn stale_histogram(out: &mut Vec<u8>, millis: i64) {
    message(out, 4, |out| {
        unsigned(out, 1, 0);
        double(out, 3, STALE);
        unsigned(out, 4, zigzag(i64::from(SCALE)));
        unsigned(out, 6, 0);
        unsigned(out, 15, millis as u64);
    });
}

/// A gap of this many empty buckets is written as empty buckets, not as a new span.
const FILLED_GAP: i32 = 2;

/// Populated buckets: spans, and the difference of each count from the one before.
fn side(out: &mut Vec<u8>, (spans, deltas): (u32, u32), buckets: &[(i32, u64)]) {
    if buckets.is_empty() {
        return;
    }
    let (mut list, mut differences): (Vec<(i32, u32)>, Vec<i64>) = (Vec::new(), Vec::new());
    let (mut next, mut before) = (0, 0i64);
    for (index, count) in buckets {
        // Prometheus numbers a bucket by its upper bound, and OpenTelemetry by its lower.
        let index = index + 1;
        let gap = index - next;
        match list.last_mut() {
            Some((_, len)) if gap <= FILLED_GAP => {
                for _ in 0..gap {
                    differences.push(0i64.wrapping_sub(before));
                    before = 0;
                }
                *len += gap as u32 + 1;
            }
            _ => list.push((gap, 1)),
        }
        let count = i64::try_from(*count).unwrap_or(i64::MAX);
        differences.push(count - before);
        (next, before) = (index + 1, count);
    }
    for (offset, len) in list {
        message(out, spans, |out| {
            unsigned(out, 1, zigzag(i64::from(offset)));
            unsigned(out, 2, u64::from(len));
        });
    }
    message(out, deltas, |out| differences.iter().for_each(|delta| varint(out, zigzag(*delta))));
}

/// Appends what a family is.
pub(crate) fn metadata(out: &mut Vec<u8>, meta: &Meta, family: &str) {
    let (help, unit) = (&meta.help, &meta.unit);
    message(out, 3, |out| {
        unsigned(out, 1, meta.kind as u64);
        bytes(out, 2, family.as_bytes());
        if !help.is_empty() {
            bytes(out, 4, help.as_bytes());
        }
        if !unit.is_empty() {
            bytes(out, 5, unit.as_bytes());
        }
    });
}

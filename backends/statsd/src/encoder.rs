//! Writes one series' change as lines of a dialect.

use crate::batch::Batch;
use crate::dialect::{Dialect, Sharing};
use crate::number::{push_float, push_int, push_millis, weights};
use ferrometer_core::{Cause, Change, Delta, Kind, Receipt, Scheme};

/// Buffers that are used again for each line.
#[derive(Default)]
pub(crate) struct Encoder {
    piece: Vec<u8>,
    tail: Vec<u8>,
}

impl Encoder {
    pub(crate) fn encode(&mut self, dialect: Dialect, name: &str, delta: &Delta<'_>, batch: &mut Batch<'_, '_>) {
        let series = delta.series;
        let suffix = dialect.suffix(series);
        match &delta.change {
            Change::Counter { increments, decrements } => {
                let net = i128::from(*increments) - i128::from(*decrements);
                if net == 0 {
                    // Nothing a server could add; what it was told by nothing is the truth.
                    return batch.sent(&delta.receipt());
                }
                self.piece.clear();
                self.piece.push(b':');
                push_int(&mut self.piece, net);
                self.set_tail("c", series.rate(), &suffix);
                batch.value(name.as_bytes(), &self.piece, &self.tail, delta.receipt());
                batch.end_line(&self.tail);
            }
            Change::Gauge(value) => self.gauge(dialect, name, &suffix, *value, delta, batch),
            Change::InFlight(value) => self.gauge(dialect, name, &suffix, *value as f64, delta, batch),
            Change::Values { singles, merged, scheme, .. } => {
                let mut values = Values { dialect, name, suffix: &suffix, delta, batch, scheme: *scheme };
                self.singles(&mut values, singles);
                for (bucket, count) in merged {
                    self.merged(&mut values, *bucket, *count);
                }
            }
            // A kind this version does not know stays pending.
            _ => {}
        }
    }

    fn set_tail(&mut self, kind: &str, rate: f64, suffix: &str) {
        self.tail.clear();
        self.tail.push(b'|');
        self.tail.extend_from_slice(kind.as_bytes());
        if rate < 1.0 {
            self.tail.extend_from_slice(b"|@");
            push_float(&mut self.tail, rate);
        }
        self.tail.extend_from_slice(suffix.as_bytes());
    }

    fn gauge(
        &mut self,
        dialect: Dialect,
        name: &str,
        suffix: &str,
        value: f64,
        delta: &Delta<'_>,
        batch: &mut Batch<'_, '_>,
    ) {
        self.set_tail("g", 1.0, suffix);
        self.piece.clear();
        if value < 0.0 && dialect.sign_is_change() {
            self.piece.extend_from_slice(name.as_bytes());
            self.piece.extend_from_slice(b":0");
            self.piece.extend_from_slice(&self.tail);
            self.piece.push(b'\n');
        }
        self.piece.extend_from_slice(name.as_bytes());
        self.piece.push(b':');
        push_float(&mut self.piece, value);
        self.piece.extend_from_slice(&self.tail);
        batch.together(&self.piece, delta.receipt());
    }

    fn singles(&mut self, values: &mut Values<'_, '_, '_, '_>, singles: &[f64]) {
        let rate = values.rate();
        for value in singles {
            if values.batch.is_stopped() {
                break;
            }
            let receipt = values.delta.value_receipt(*value);
            if values.refuses(*value) {
                values.batch.dropped(&receipt, Cause::Invalid);
                continue;
            }
            self.value(values, *value, rate, receipt);
        }
        self.end_line(values);
    }

    /// Values that are no longer known one by one: the middle of their bucket, with a weight.
    fn merged(&mut self, values: &mut Values<'_, '_, '_, '_>, bucket: usize, count: u64) {
        let middle = values.scheme.middle(bucket);
        if values.refuses(middle) {
            return values.batch.dropped(&values.delta.merged_receipt(bucket, count), Cause::Invalid);
        }
        if !values.dialect.takes_rate(values.delta.series.kind()) {
            // Such a server keeps one value of an interval anyway.
            self.value(values, middle, 1.0, values.delta.merged_receipt(bucket, count));
            return self.end_line(values);
        }
        for weight in weights(count) {
            if values.batch.is_stopped() {
                return;
            }
            let rate = values.rate() / weight as f64;
            self.value(values, middle, rate, values.delta.merged_receipt(bucket, weight));
            self.end_line(values);
        }
    }

    /// One value: for a shared line a piece of it, else a line. The caller ends the line.
    fn value(&mut self, values: &mut Values<'_, '_, '_, '_>, value: f64, rate: f64, receipt: Receipt) {
        self.piece.clear();
        self.piece.push(b':');
        match values.scheme {
            Scheme::Nanos => push_millis(&mut self.piece, value as u64),
            Scheme::Float => push_float(&mut self.piece, value),
        }
        self.set_tail(values.dialect.type_of(values.delta.series.kind()), rate, values.suffix);
        if values.dialect.sharing() == Sharing::Repeated {
            self.piece.append(&mut self.tail);
        }
        values.batch.value(values.name.as_bytes(), &self.piece, &self.tail, receipt);
        if values.dialect.sharing() == Sharing::OneEach {
            values.batch.end_line(&self.tail);
        }
    }

    fn end_line(&mut self, values: &mut Values<'_, '_, '_, '_>) {
        values.batch.end_line(&self.tail);
    }
}

/// What is the same for all values of one delta.
struct Values<'a, 'd, 'b, 'v> {
    dialect: Dialect,
    name: &'a str,
    suffix: &'a str,
    delta: &'a Delta<'d>,
    batch: &'a mut Batch<'b, 'v>,
    scheme: Scheme,
}

impl Values<'_, '_, '_, '_> {
    /// The rate the server is told.
    fn rate(&self) -> f64 {
        if self.dialect.takes_rate(self.delta.series.kind()) { self.delta.series.rate() } else { 1.0 }
    }

    fn refuses(&self, value: f64) -> bool {
        let kind: Kind = self.delta.series.kind();
        value < 0.0 && self.dialect.refuses_negative(kind)
    }
}

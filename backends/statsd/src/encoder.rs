//! Writes one series' change as lines of a format.

use crate::format::{Format, NegativeGauges, Values};
use crate::number::{push_float, push_millis, push_net, weights, whole};
use crate::packed::Frame;
use crate::packer::Packer;
use ferrometer_core::{Cause, Change, Delta, Naming, Receipt, Scheme, Series};

/// Buffers that are used again for each line.
#[derive(Default)]
pub(crate) struct Encoder {
    line: Vec<u8>,
    tail: Vec<u8>,
    /// A float as text.
    number: Vec<u8>,
    frame: Frame,
}

impl Encoder {
    pub(crate) fn encode(
        &mut self,
        format: &Format,
        name: &str,
        naming: &Naming,
        delta: &Delta<'_>,
        packer: &mut Packer<'_, '_>,
    ) {
        let series = delta.series;
        let suffix = format.suffix(naming, series);
        match &delta.change {
            Change::Counter { increments, decrements } => {
                // A net change of 0 is sent too: it is how the server hears of a counter whose changes cancel.
                self.set_tail("c", series.rate(), &suffix);
                self.line.clear();
                self.line.extend_from_slice(name.as_bytes());
                self.line.push(b':');
                push_net(&mut self.line, *increments, *decrements);
                self.line.extend_from_slice(&self.tail);
                packer.together(&self.line, Some(delta.receipt()));
            }
            Change::Gauge(value) => self.gauge(format, name, &suffix, *value, Some(delta.receipt()), packer),
            Change::InFlight(value) => {
                self.gauge(format, name, &suffix, *value as f64, Some(delta.receipt()), packer);
            }
            Change::Values { singles, merged, scheme, total } => {
                self.singles(format, name, &suffix, singles, *scheme, delta, packer);
                for (bucket, count) in merged {
                    let value = scheme.representative(*bucket, total.max());
                    self.merged(format, name, &suffix, value, (*scheme, *bucket, *count), delta, packer);
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

    /// Tells the value of a gauge or in-flight count again.
    pub(crate) fn repeat(
        &mut self,
        format: &Format,
        name: &str,
        (naming, series): (&Naming, &Series),
        value: f64,
        packer: &mut Packer<'_, '_>,
    ) {
        let suffix = format.suffix(naming, series);
        self.gauge(format, name, &suffix, value, None, packer);
    }

    fn gauge(
        &mut self,
        format: &Format,
        name: &str,
        suffix: &str,
        value: f64,
        receipt: Option<Receipt>,
        packer: &mut Packer<'_, '_>,
    ) {
        self.set_tail("g", 1.0, suffix);
        self.line.clear();
        if value < 0.0 && format.negative_gauges == NegativeGauges::ZeroFirst {
            self.line.extend_from_slice(name.as_bytes());
            self.line.extend_from_slice(b":0");
            self.line.extend_from_slice(&self.tail);
            self.line.push(b'\n');
        }
        self.line.extend_from_slice(name.as_bytes());
        self.line.push(b':');
        push_float(&mut self.line, value);
        self.line.extend_from_slice(&self.tail);
        packer.together(&self.line, receipt);
    }

    /// Values one by one. Everything but the digits is the same for all of them, and made once.
    #[allow(clippy::too_many_arguments)]
    fn singles(
        &mut self,
        format: &Format,
        name: &str,
        suffix: &str,
        singles: &[f64],
        scheme: Scheme,
        delta: &Delta<'_>,
        packer: &mut Packer<'_, '_>,
    ) {
        if singles.is_empty() {
            return;
        }
        let kind = delta.series.kind();
        let rate = if format.takes_rate(kind) { delta.series.rate() } else { 1.0 };
        self.set_tail(format.type_of(kind), rate, suffix);
        let frame = &mut self.frame;
        frame.head.clear();
        frame.head.extend_from_slice(name.as_bytes());
        frame.head.push(b':');
        frame.tail.clone_from(&self.tail);
        frame.between.clear();
        match format.values {
            Values::Packed => frame.between.push(b":"),
            Values::Repeated => {
                frame.between.push(&frame.tail);
                frame.between.push(b":");
            }
            Values::Single => {
                frame.between.push(&frame.tail);
                frame.between.push(b"\n");
                frame.between.push(&frame.head);
            }
        }
        frame.one_each = format.values == Values::Single;
        let number = &mut self.number;
        match scheme {
            Scheme::Nanos => packer.values(
                frame,
                singles,
                |buffer, value| buffer.push_millis(whole(value)),
                |range| delta.singles_receipt(range),
                |value| delta.value_receipt(value),
            ),
            Scheme::Float => {
                let refuses = |value: f64| value < 0.0 && format.refuses_negative(kind);
                let mut from = 0;
                for values in singles.chunk_by(|a, b| refuses(*a) == refuses(*b)) {
                    if refuses(values[0]) {
                        packer.dropped(&delta.singles_receipt(from..from + values.len()), Cause::Invalid);
                    } else {
                        let write = |buffer: &mut crate::datagram::DatagramBuffer, value| {
                            number.clear();
                            push_float(number, value);
                            buffer.push(number);
                        };
                        let receipt =
                            |range: std::ops::Range<usize>| delta.singles_receipt(from + range.start..from + range.end);
                        packer.values(frame, values, write, receipt, |value| delta.value_receipt(value));
                    }
                    from += values.len();
                }
            }
        }
    }

    /// Values that are no longer known one by one: that which represents their bucket, with a weight.
    #[allow(clippy::too_many_arguments)]
    fn merged(
        &mut self,
        format: &Format,
        name: &str,
        suffix: &str,
        value: f64,
        (scheme, bucket, count): (Scheme, usize, u64),
        delta: &Delta<'_>,
        packer: &mut Packer<'_, '_>,
    ) {
        let kind = delta.series.kind();
        if value < 0.0 && format.refuses_negative(kind) {
            return packer.dropped(&delta.merged_receipt(bucket, count), Cause::Invalid);
        }
        let takes_rate = format.takes_rate(kind);
        let mut powers = weights(count);
        let mut left = count;
        while left > 0 && !packer.is_stopped() {
            // Where a rate would be taken for something else there is no weight: such values count once.
            let weight = if takes_rate { powers.next().unwrap_or(left) } else { left };
            left -= weight;
            let rate = if takes_rate { delta.series.rate() / weight as f64 } else { 1.0 };
            self.set_tail(format.type_of(kind), rate, suffix);
            self.line.clear();
            self.line.extend_from_slice(name.as_bytes());
            self.line.push(b':');
            match scheme {
                Scheme::Nanos => push_millis(&mut self.line, value as u64),
                Scheme::Float => push_float(&mut self.line, value),
            }
            self.line.extend_from_slice(&self.tail);
            packer.together(&self.line, Some(delta.merged_receipt(bucket, weight)));
        }
    }
}

//! The messages of OTLP's metrics as protocol buffers. The numbers are those of `opentelemetry/proto/metrics/v1/metrics.proto`.

use crate::point::{Header, Point, Shape, Spot, Value, dense};
use ferrometer_push::histogram::{SCALE, Sum};
use ferrometer_push::protobuf::{bytes, double, fixed64, key, message, unsigned, varint, varint_len, zigzag};

/// Appends attributes as the field of this number.
pub(crate) fn attributes<'a>(out: &mut Vec<u8>, field: u32, pairs: impl Iterator<Item = (&'a str, &'a str)>) {
    for (name, value) in pairs {
        message(out, field, |out| {
            bytes(out, 1, name.as_bytes());
            message(out, 2, |out| bytes(out, 1, value.as_bytes()));
        });
    }
}

/// The number of the attributes' field in a point of this shape.
pub(crate) const fn attributes_field(shape: Shape) -> u32 {
    match shape {
        Shape::Explicit => 9,
        Shape::Exponential => 1,
        _ => 7,
    }
}

/// Appends an exemplar of a point of this shape.
pub(crate) fn exemplar(out: &mut Vec<u8>, shape: Shape, spot: &Spot) {
    let field = match shape {
        Shape::Explicit => 8,
        Shape::Exponential => 11,
        _ => 5,
    };
    message(out, field, |out| {
        fixed64(out, 2, spot.time);
        match spot.value {
            Value::Int(value) => fixed64(out, 6, value as u64),
            Value::Double(value) => double(out, 3, value),
            _ => {}
        }
        if spot.context.span_id() != 0 {
            bytes(out, 4, &spot.context.span_id().to_be_bytes());
        }
        bytes(out, 5, &spot.context.trace_id().to_be_bytes());
    });
}

/// Appends a point as the field `data_points` of its metric.
#[inline]
pub(crate) fn point(out: &mut Vec<u8>, point: &Point<'_>) {
    match point.value {
        Value::Int(value) => number(out, point, 6, value as u64),
        Value::Double(value) => number(out, point, 4, value.to_bits()),
        _ => histogram(out, point),
    }
}

/// Appends a point of one number. Its length is known before it is written, so that nothing is moved.
#[inline]
fn number(out: &mut Vec<u8>, point: &Point<'_>, field: u32, bits: u64) {
    /// A field of eight bytes, with its key.
    const FIXED: usize = 9;
    let fixed = if point.start > 0 { 3 * FIXED } else { 2 * FIXED };
    let len = point.attributes.len() + fixed + point.exemplars.len();
    key(out, 1, 2);
    varint(out, len as u64);
    out.extend_from_slice(point.attributes);
    if point.start > 0 {
        fixed64(out, 2, point.start);
    }
    fixed64(out, 3, point.time);
    fixed64(out, field, bits);
    out.extend_from_slice(point.exemplars);
}

fn histogram(out: &mut Vec<u8>, point: &Point<'_>) {
    message(out, 1, |out| {
        out.extend_from_slice(point.attributes);
        if point.start > 0 {
            fixed64(out, 2, point.start);
        }
        fixed64(out, 3, point.time);
        match &point.value {
            Value::Int(_) | Value::Double(_) => {}
            Value::Explicit { sum, bounds, counts } => {
                fixed64_unless_zero(out, 4, sum.count);
                total(out, sum);
                message(out, 6, |out| counts.iter().for_each(|count| out.extend_from_slice(&count.to_le_bytes())));
                message(out, 7, |out| bounds.iter().for_each(|bound| out.extend_from_slice(&bound.to_le_bytes())));
                if let Some(max) = sum.max {
                    double(out, 12, max);
                }
            }
            Value::Exponential { sum, buckets } => {
                fixed64_unless_zero(out, 4, sum.count);
                total(out, sum);
                unsigned(out, 6, zigzag(i64::from(SCALE)));
                fixed64_unless_zero(out, 7, buckets.zero_count);
                side(out, 8, &buckets.positive);
                side(out, 9, &buckets.negative);
                if let Some(max) = sum.max {
                    double(out, 13, max);
                }
                double(out, 14, buckets.zero_threshold);
            }
        }
        out.extend_from_slice(point.exemplars);
    });
}

/// A field whose default is 0, and need not be written then.
fn fixed64_unless_zero(out: &mut Vec<u8>, field: u32, value: u64) {
    if value != 0 {
        fixed64(out, field, value);
    }
}

/// The sum, which a histogram has only where it cannot fall.
fn total(out: &mut Vec<u8>, sum: &Sum) {
    if let Some(value) = sum.sum.filter(|_| !sum.has_negative) {
        double(out, 5, value);
    }
}

fn side(out: &mut Vec<u8>, field: u32, buckets: &[(i32, u64)]) {
    let Some((first, _)) = buckets.first() else { return };
    message(out, field, |out| {
        if *first != 0 {
            unsigned(out, 1, zigzag(i64::from(*first)));
        }
        message(out, 2, |out| dense(buckets, |count| varint(out, count)));
    });
}

/// Length of a field with a key of one byte that holds this many bytes.
fn field_len(content: usize) -> usize {
    1 + varint_len(content as u64) + content
}

/// Length of a text's field, which an empty one has not.
fn text_len(text: &str) -> usize {
    if text.is_empty() { 0 } else { field_len(text.len()) }
}

/// Lengths of the messages `data` and `metric` around points of this many bytes.
fn metric_lens(header: &Header, points: usize) -> (usize, usize) {
    let temporality = if header.shape == Shape::Gauge { 0 } else { 2 };
    let monotonic = if header.shape == Shape::Counter { 2 } else { 0 };
    let data = points + temporality + monotonic;
    // A metric without a name has the field all the same.
    let texts = field_len(header.name.len()) + text_len(header.description) + text_len(header.unit);
    (data, texts + field_len(data))
}

/// Appends a metric with points that are written already.
fn metric(out: &mut Vec<u8>, header: &Header, points: &[u8]) {
    let (data, whole) = metric_lens(header, points.len());
    key(out, 2, 2);
    varint(out, whole as u64);
    bytes(out, 1, header.name.as_bytes());
    if !header.description.is_empty() {
        bytes(out, 2, header.description.as_bytes());
    }
    if !header.unit.is_empty() {
        bytes(out, 3, header.unit.as_bytes());
    }
    let field = match header.shape {
        Shape::Gauge => 5,
        Shape::Counter | Shape::UpDown => 7,
        Shape::Explicit => 9,
        Shape::Exponential => 10,
    };
    key(out, field, 2);
    varint(out, data as u64);
    out.extend_from_slice(points);
    if header.shape != Shape::Gauge {
        unsigned(out, 2, if header.is_delta { 1 } else { 2 });
    }
    if header.shape == Shape::Counter {
        unsigned(out, 3, 1);
    }
}

/// Appends a whole request; `resource` and `scope` are fields that are written already. Lengths stand in front of what they are of, and are added up first:
/// to put them in afterwards would move all points three times.
pub(crate) fn request<'a, M: Iterator<Item = (&'a Header, &'a [u8])>>(
    out: &mut Vec<u8>,
    resource: &[u8],
    scope: &[u8],
    metrics: impl Fn() -> M,
) {
    let all: usize = metrics().map(|(header, points)| field_len(metric_lens(header, points.len()).1)).sum();
    let in_scope = scope.len() + all;
    key(out, 1, 2);
    varint(out, (resource.len() + field_len(in_scope)) as u64);
    out.extend_from_slice(resource);
    key(out, 2, 2);
    varint(out, in_scope as u64);
    out.extend_from_slice(scope);
    metrics().for_each(|(header, points)| metric(out, header, points));
}

/// The field `resource`.
pub(crate) fn resource(pairs: &[(String, String)]) -> Vec<u8> {
    let mut out = Vec::new();
    message(&mut out, 1, |out| attributes(out, 1, pairs.iter().map(|(k, v)| (k.as_str(), v.as_str()))));
    out
}

/// The field `scope`.
pub(crate) fn scope(name: &str, version: &str) -> Vec<u8> {
    let mut out = Vec::new();
    message(&mut out, 1, |out| {
        bytes(out, 1, name.as_bytes());
        bytes(out, 2, version.as_bytes());
    });
    out
}

/// Reads a response: how many points were rejected, and why. What is damaged says nothing.
pub(crate) fn partial_success(body: &[u8]) -> (u64, String) {
    let mut found = (0, String::new());
    fields(body, |field, value| {
        if let (1, Field::Bytes(partial)) = (field, value) {
            fields(partial, |field, value| match (field, value) {
                (1, Field::Number(count)) => found.0 = count,
                (2, Field::Bytes(text)) => found.1 = String::from_utf8_lossy(text).into_owned(),
                _ => {}
            });
        }
    });
    // The field is signed; a server that rejects less than nothing rejects nothing.
    if found.0 > i64::MAX as u64 {
        found.0 = 0;
    }
    found
}

enum Field<'b> {
    Number(u64),
    Bytes(&'b [u8]),
}

/// Calls `each` with the fields of a message, up to where it is damaged.
fn fields<'b>(mut rest: &'b [u8], mut each: impl FnMut(u64, Field<'b>)) {
    while let Some(tag) = read_varint(&mut rest) {
        let value = match tag & 7 {
            0 => read_varint(&mut rest).map(Field::Number),
            1 => take(&mut rest, 8).map(Field::Bytes),
            2 => read_varint(&mut rest).and_then(|len| take(&mut rest, usize::try_from(len).ok()?)).map(Field::Bytes),
            5 => take(&mut rest, 4).map(Field::Bytes),
            _ => None,
        };
        let Some(value) = value else { return };
        each(tag >> 3, value);
    }
}

fn take<'b>(rest: &mut &'b [u8], len: usize) -> Option<&'b [u8]> {
    let (taken, left) = rest.split_at_checked(len)?;
    *rest = left;
    Some(taken)
}

fn read_varint(rest: &mut &[u8]) -> Option<u64> {
    let mut value = 0;
    for at in 0..10 {
        let byte = *rest.get(at)?;
        value |= u64::from(byte & 0x7f) << (7 * at);
        if byte < 0x80 {
            *rest = &rest[at + 1..];
            return Some(value);
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn responses_are_read_and_damage_says_nothing() {
        let mut body = Vec::new();
        message(&mut body, 1, |out| {
            unsigned(out, 1, 300);
            bytes(out, 2, b"too old");
        });
        assert_eq!(partial_success(&body), (300, "too old".to_owned()));
        for cut in 0..body.len() {
            let (count, _) = partial_success(&body[..cut]);
            assert!(count == 0 || count == 300);
        }
        for damage in [&b"\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff"[..], b"\x0a\xff\x01", b"{}", b"\x0b", b""] {
            assert_eq!(partial_success(damage).0, 0);
        }
        let mut negative = Vec::new();
        message(&mut negative, 1, |out| unsigned(out, 1, -1i64 as u64));
        assert_eq!(partial_success(&negative).0, 0);
    }
}

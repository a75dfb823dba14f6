//! The messages of OTLP's metrics as JSON: names in lower camel case, 64-bit whole numbers as texts.

use crate::point::{Header, Point, Shape, Spot, Value, dense};
use ferrometer_push::histogram::{SCALE, Sum};
use ferrometer_push::{push_float, push_whole};

/// Appends a text with its quotes.
fn text(out: &mut Vec<u8>, text: &str) {
    out.push(b'"');
    for c in text.chars() {
        match c {
            '"' => out.extend_from_slice(b"\\\""),
            '\\' => out.extend_from_slice(b"\\\\"),
            '\n' => out.extend_from_slice(b"\\n"),
            c if c < ' ' || c == '\u{7f}' => out.extend_from_slice(format!("\\u{:04x}", c as u32).as_bytes()),
            c => out.extend_from_slice(c.encode_utf8(&mut [0; 4]).as_bytes()),
        }
    }
    out.push(b'"');
}

fn raw(out: &mut Vec<u8>, json: &str) {
    out.extend_from_slice(json.as_bytes());
}

/// Appends `"name":"number"`, with a comma in front.
fn long(out: &mut Vec<u8>, name: &str, value: u64) {
    raw(out, name);
    push_whole(out, value);
    out.push(b'"');
}

/// Appends attributes: `[{…},…]`.
pub(crate) fn attributes<'a>(out: &mut Vec<u8>, pairs: impl Iterator<Item = (&'a str, &'a str)>) {
    out.push(b'[');
    for (at, (name, value)) in pairs.enumerate() {
        if at > 0 {
            out.push(b',');
        }
        raw(out, "{\"key\":");
        text(out, name);
        raw(out, ",\"value\":{\"stringValue\":");
        text(out, value);
        raw(out, "}}");
    }
    out.push(b']');
}

/// Appends a point, with a comma behind it.
pub(crate) fn point(out: &mut Vec<u8>, point: &Point<'_>) {
    raw(out, "{");
    if !point.attributes.is_empty() {
        raw(out, "\"attributes\":");
        out.extend_from_slice(point.attributes);
        raw(out, ",");
    }
    if point.start > 0 {
        long(out, "\"startTimeUnixNano\":\"", point.start);
        raw(out, ",");
    }
    long(out, "\"timeUnixNano\":\"", point.time);
    value(out, &point.value);
    if !point.exemplars.is_empty() {
        raw(out, ",\"exemplars\":[");
        out.extend_from_slice(point.exemplars.strip_suffix(b",").unwrap_or(point.exemplars));
        raw(out, "]");
    }
    raw(out, "},");
}

/// Appends an exemplar, with a comma behind it.
pub(crate) fn exemplar(out: &mut Vec<u8>, spot: &Spot) {
    long(out, "{\"timeUnixNano\":\"", spot.time);
    value(out, &spot.value);
    raw(out, ",\"traceId\":");
    text(out, &spot.context.trace_id_hex());
    if let Some(span) = spot.context.span_id_hex() {
        raw(out, ",\"spanId\":");
        text(out, &span);
    }
    raw(out, "},");
}

/// Appends a value, with a comma in front.
fn value(out: &mut Vec<u8>, value: &Value<'_>) {
    match value {
        Value::Int(value) => {
            // Readers take a number for a text and the other way round, but some take only numbers here. A number is exact up to 2^53.
            let quote = if value.unsigned_abs() <= 1 << 53 { "" } else { "\"" };
            raw(out, ",\"asInt\":");
            raw(out, quote);
            push_whole(out, *value);
            raw(out, quote);
        }
        Value::Double(value) => {
            raw(out, ",\"asDouble\":");
            push_float(out, *value);
        }
        Value::Explicit { sum, bounds, counts } => {
            total(out, sum);
            raw(out, ",\"bucketCounts\":[");
            list(out, counts.iter(), |out, count| {
                out.push(b'"');
                push_whole(out, *count);
                out.push(b'"');
            });
            raw(out, "],\"explicitBounds\":[");
            list(out, bounds.iter(), |out, bound| push_float(out, *bound));
            raw(out, "]");
        }
        Value::Exponential { sum, buckets } => {
            total(out, sum);
            raw(out, ",\"scale\":");
            push_whole(out, SCALE);
            long(out, ",\"zeroCount\":\"", buckets.zero_count);
            raw(out, ",\"zeroThreshold\":");
            push_float(out, buckets.zero_threshold);
            side(out, ",\"positive\":", &buckets.positive);
            side(out, ",\"negative\":", &buckets.negative);
        }
    }
}

fn total(out: &mut Vec<u8>, sum: &Sum) {
    long(out, ",\"count\":\"", sum.count);
    if let Some(value) = sum.sum.filter(|_| !sum.has_negative) {
        raw(out, ",\"sum\":");
        push_float(out, value);
    }
    if let Some(max) = sum.max {
        raw(out, ",\"max\":");
        push_float(out, max);
    }
}

fn list<T>(out: &mut Vec<u8>, items: impl Iterator<Item = T>, mut each: impl FnMut(&mut Vec<u8>, T)) {
    for (at, item) in items.enumerate() {
        if at > 0 {
            out.push(b',');
        }
        each(out, item);
    }
}

fn side(out: &mut Vec<u8>, name: &str, buckets: &[(i32, u64)]) {
    let Some((first, _)) = buckets.first() else { return };
    raw(out, name);
    raw(out, "{\"offset\":");
    push_whole(out, *first);
    raw(out, ",\"bucketCounts\":[");
    let mut is_first = true;
    dense(buckets, |count| {
        if !std::mem::take(&mut is_first) {
            out.push(b',');
        }
        out.push(b'"');
        push_whole(out, count);
        out.push(b'"');
    });
    raw(out, "]}");
}

/// Appends a whole request; `resource` is a list of attributes, and the points of each metric have a comma behind each.
pub(crate) fn request<'a>(
    out: &mut Vec<u8>,
    resource: &[u8],
    (scope, version): (&str, &str),
    metrics: impl Iterator<Item = (&'a Header, &'a [u8])>,
) {
    raw(out, "{\"resourceMetrics\":[{\"resource\":{\"attributes\":");
    out.extend_from_slice(resource);
    raw(out, "},\"scopeMetrics\":[{\"scope\":{\"name\":");
    text(out, scope);
    raw(out, ",\"version\":");
    text(out, version);
    raw(out, "},\"metrics\":[");
    list(out, metrics, |out, (header, points)| {
        raw(out, "{\"name\":");
        text(out, &header.name);
        if !header.description.is_empty() {
            raw(out, ",\"description\":");
            text(out, header.description);
        }
        if !header.unit.is_empty() {
            raw(out, ",\"unit\":");
            text(out, header.unit);
        }
        let temporality =
            if header.is_delta { "\"aggregationTemporality\":1," } else { "\"aggregationTemporality\":2," };
        let (before, between) = match header.shape {
            Shape::Gauge => (",\"gauge\":{", ""),
            Shape::Counter => (",\"sum\":{\"isMonotonic\":true,", temporality),
            Shape::UpDown => (",\"sum\":{\"isMonotonic\":false,", temporality),
            Shape::Explicit => (",\"histogram\":{", temporality),
            Shape::Exponential => (",\"exponentialHistogram\":{", temporality),
        };
        raw(out, before);
        raw(out, between);
        raw(out, "\"dataPoints\":[");
        out.extend_from_slice(points.strip_suffix(b",").unwrap_or(points));
        raw(out, "]}}");
    });
    raw(out, "]}]}]}");
}

/// Reads a response: how many points were rejected, and why. What is damaged says nothing.
pub(crate) fn partial_success(body: &[u8]) -> (u64, String) {
    let text = String::from_utf8_lossy(body);
    let after = |name: &str| {
        let rest = text.split_once(&format!("\"{name}\""))?.1.trim_start().strip_prefix(':')?;
        Some(rest.trim_start())
    };
    let digits = |rest: &str| {
        let rest = rest.strip_prefix('"').unwrap_or(rest);
        let end = rest.find(|c: char| !c.is_ascii_digit()).unwrap_or(rest.len());
        rest[..end].parse().ok()
    };
    let count = after("rejectedDataPoints").and_then(digits).unwrap_or(0);
    let said = after("errorMessage").unwrap_or_default().trim_start_matches('"');
    let end = said.find('"').unwrap_or(said.len());
    (count, said[..end].to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn responses_are_read_and_damage_says_nothing() {
        let body = br#"{"partialSuccess": {"rejectedDataPoints": "5", "errorMessage":"old"}}"#;
        assert_eq!(partial_success(body), (5, "old".to_owned()));
        assert_eq!(partial_success(br#"{"partialSuccess":{"rejectedDataPoints":7}}"#).0, 7);
        for damage in
            ["", "{}", r#"{"rejectedDataPoints"#, r#"{"rejectedDataPoints":-3}"#, "\"rejectedDataPoints\":\"x", "\u{0}"]
        {
            assert_eq!(partial_success(damage.as_bytes()).0, 0, "{damage}");
        }
    }

    #[test]
    fn texts_are_escaped() {
        let mut out = Vec::new();
        text(&mut out, "a\"\\\n\u{1}é😀");
        assert_eq!(String::from_utf8(out).unwrap(), r#""a\"\\\n\u0001é😀""#);
    }
}

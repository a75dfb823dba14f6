//! Data points as measures: which resource and metric a point is of, and the bodies of batches.

use crate::number;
use crate::period::CALENDAR;
use crate::point::DataPoint;
use serde::Serialize;
use serde_json::value::RawValue;
use sha2::{Digest as _, Sha256};
use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::io;

/// Measures of one request.
const AT_ONCE: usize = 5_000;

/// Characters of an attribute's value. The archive takes no more; what identifies a resource is its id.
const LONGEST: usize = 255;

/// Batches by resource, and by metric.
pub(super) type Batch<'a> = BTreeMap<String, BTreeMap<String, Entry<'a>>>;

/// Measures of one metric of one resource.
#[derive(Debug, Serialize)]
pub(super) struct Entry<'a> {
    archive_policy_name: &'a str,
    unit: &'a str,
    measures: Vec<Measure>,
}

#[derive(Debug, Serialize)]
struct Measure {
    timestamp: i64,
    value: Box<RawValue>,
}

/// Returns the labels that tell groups apart: all but the calendar's, which follow from the period.
fn labels(point: &DataPoint) -> impl Iterator<Item = (&str, &str)> {
    let group = point.groupby.iter().filter(|(key, _)| !CALENDAR.contains(&&**key));
    group.chain(&point.metadata).map(|(key, value)| (&**key, value.as_str()))
}

/// Returns the id of a point's resource: a UUID that its labels make, so that every run and every processor finds the same one.
fn resource_id(point: &DataPoint) -> String {
    let mut hash = Sha256::new();
    for (key, value) in labels(point) {
        for text in [key, value] {
            hash.update((text.len() as u64).to_le_bytes());
            hash.update(text);
        }
    }
    let mut bytes = [0; 16];
    bytes.copy_from_slice(&hash.finalize()[..16]);
    // Version 8, which is for ids of one's own making, and the variant of RFC 9562.
    bytes[6] = bytes[6] & 0x0f | 0x80;
    bytes[8] = bytes[8] & 0x3f | 0x80;
    let mut id = String::with_capacity(36);
    for (n, byte) in bytes.iter().enumerate() {
        let _ = write!(id, "{}{byte:02x}", if matches!(n, 4 | 6 | 8 | 10) { "-" } else { "" });
    }
    id
}

/// Returns the name of a metric, without the slash that an archive refuses.
fn metric_name(name: &str) -> String {
    name.replace('%', "%25").replace('/', "%2F")
}

/// Returns the name of the attribute that holds a label. The prefix keeps it apart from those that every resource has.
pub(super) fn attribute_name(label: &str) -> String {
    format!("label_{label}")
}

/// Returns a value as an attribute holds it: cut where it is too long.
fn shown(value: &str) -> String {
    let value = value.replace('\0', "\u{fffd}");
    if value.chars().count() <= LONGEST {
        return value;
    }
    value.chars().take(LONGEST - 1).chain(['…']).collect()
}

/// Returns the resource of a point, as it is created.
fn resource(point: &DataPoint) -> serde_json::Value {
    let mut body = serde_json::Map::new();
    body.insert("id".into(), resource_id(point).into());
    body.insert("project_id".into(), shown(&point.scope).into());
    for (key, value) in labels(point).filter(|(_, value)| !value.is_empty()) {
        body.insert(attribute_name(key), shown(value).into());
    }
    body.into()
}

/// Divides points into batches, and gives each its body with a function that finds the body of a resource by its id.
pub(super) fn batches<'a>(
    points: &'a [DataPoint],
    policy: &'a str,
) -> impl Iterator<Item = io::Result<(Batch<'a>, impl Fn(&str) -> Option<serde_json::Value> + 'a)>> {
    points.chunks(AT_ONCE).map(move |points| {
        let mut batch = Batch::new();
        for point in points {
            let new = || Entry { archive_policy_name: policy, unit: &point.unit, measures: Vec::new() };
            let metrics = batch.entry(resource_id(point)).or_default();
            let entry = metrics.entry(metric_name(&point.metric)).or_insert_with(new);
            let value = RawValue::from_string(number::text(&point.qty))?;
            entry.measures.push(Measure { timestamp: point.period.begin, value });
        }
        Ok((batch, move |id: &str| points.iter().find(|point| resource_id(point) == id).map(resource)))
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::period::Period;
    use std::sync::Arc;

    fn point(metric: &str, groupby: &[(&str, &str)], metadata: &[(&str, &str)]) -> DataPoint {
        let pairs = |pairs: &[(&str, &str)]| pairs.iter().map(|(k, v)| (Arc::from(*k), (*v).to_owned())).collect();
        DataPoint {
            metric: metric.into(),
            scope: "s".into(),
            period: Period { begin: 3600, end: 7200 },
            unit: "GiB".into(),
            qty: number::parse("0.1").unwrap_or_default(),
            groupby: pairs(groupby),
            metadata: pairs(metadata),
            description: None,
        }
    }

    #[test]
    fn groups_have_resources_of_their_own_in_every_period() {
        let ids = [
            point("m", &[("k", "a"), ("l", "b")], &[]),
            point("m", &[("k", "ab"), ("l", "")], &[]),
            point("m", &[("k", "a")], &[("l", "b"), ("n", "c")]),
            point("m", &[("k", "a"), ("l", "b\u{8}n")], &[]),
        ]
        .map(|p| resource_id(&p));
        for (n, id) in ids.iter().enumerate() {
            assert!(!ids[..n].contains(id), "{ids:?}");
            assert!(id.len() == 36 && id.as_bytes()[14] == b'8' && b"89ab".contains(&id.as_bytes()[19]), "{id}");
        }
        let later = point("n", &[("k", "a"), ("l", "b"), ("month", "2"), ("year", "2026")], &[]);
        assert_eq!(resource_id(&later), ids[0]);
    }

    #[test]
    fn names_and_values_are_those_that_an_archive_takes() {
        assert_ne!(metric_name("a/b"), metric_name("a%2Fb"));
        assert!(!metric_name("a/b").contains('/'));
        let long = "ü".repeat(300);
        let body = resource(&point("m", &[("id", "x\0y"), ("type", &long)], &[]));
        assert_eq!(body["label_id"], "x\u{fffd}y");
        assert_eq!(body["label_type"].as_str().map(|t| t.chars().count()), Some(LONGEST));
    }
}

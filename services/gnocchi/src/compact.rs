//! Measures as Protocol Buffers, `Content-Type: application/x-protobuf`: a tenth of the bytes of JSON, and no text to be read.
//!
//! ```proto
//! syntax = "proto3";
//!
//! message Batch {
//!   repeated Series series = 1;
//! }
//!
//! message Series {
//!   bytes metric = 1;            // the 16 bytes of its UUID; empty where the path names the metric
//!   uint64 unit = 2;             // nanoseconds of one step of `times`; 0 stands for 1
//!   repeated sint64 times = 3;   // the first from 1970 on, each further one from the one before, in units
//!   repeated double values = 4;  // one for each time
//! }
//! ```

use crate::reply::Refusal;
use crate::request::Request;
use ferrometer_archive::{Nanos, Point};
use http::header::CONTENT_TYPE;
use prost::Message;
use std::collections::HashMap;
use std::collections::hash_map::Entry;
use uuid::Uuid;

#[derive(Clone, PartialEq, Message)]
struct Batch {
    #[prost(message, repeated, tag = "1")]
    series: Vec<Series>,
}

#[derive(Clone, PartialEq, Message)]
struct Series {
    #[prost(bytes = "vec", tag = "1")]
    metric: Vec<u8>,
    #[prost(uint64, tag = "2")]
    unit: u64,
    #[prost(sint64, repeated, tag = "3")]
    times: Vec<i64>,
    #[prost(double, repeated, tag = "4")]
    values: Vec<f64>,
}

/// Returns whether the body is of this form.
pub(crate) fn is_compact(request: &Request<'_>) -> bool {
    let told = request.header(CONTENT_TYPE).unwrap_or("").split(';').next().unwrap_or("").trim();
    told.eq_ignore_ascii_case("application/x-protobuf")
}

/// Reads measures of metrics, by their ids.
pub(crate) fn batch(body: &[u8]) -> Result<HashMap<Uuid, Vec<Point>>, Refusal> {
    let batch = Batch::decode(body).map_err(Refusal::unable_to_decode)?;
    let mut found = HashMap::with_capacity(batch.series.len());
    for (at, series) in batch.series.iter().enumerate() {
        let wrong = |why: &str| Refusal::bad(format!("series {at}: {why}"));
        let id = Uuid::from_slice(&series.metric).map_err(|_| wrong("`metric` is not the 16 bytes of a UUID"))?;
        let points = points(series).map_err(|why| wrong(&why))?;
        match found.entry(id) {
            Entry::Vacant(place) => drop(place.insert(points)),
            Entry::Occupied(_) => return Err(wrong("`metric` is that of a series before")),
        }
    }
    Ok(found)
}

/// Reads measures of one metric, which the path names.
pub(crate) fn measures(body: &[u8]) -> Result<Vec<Point>, Refusal> {
    let batch = Batch::decode(body).map_err(Refusal::unable_to_decode)?;
    match &batch.series[..] {
        [] => Ok(Vec::new()),
        [series] if series.metric.is_empty() => points(series).map_err(|why| Refusal::bad(format!("series 0: {why}"))),
        _ => Err(Refusal::bad("measures of one metric are one series without `metric`")),
    }
}

fn points(series: &Series) -> Result<Vec<Point>, String> {
    let (times, values) = (series.times.len(), series.values.len());
    if times != values {
        return Err(format!("{times} `times` and {values} `values`: there is one for each"));
    }
    let unit = Nanos::try_from(series.unit.max(1)).map_err(|_| "`unit` is longer than 292 years".to_owned())?;
    let mut at: Nanos = 0;
    let point = |(number, (step, value)): (usize, (&i64, &f64))| {
        let next = step.checked_mul(unit).and_then(|step| at.checked_add(step)).filter(|at| *at >= 0);
        at = next.ok_or_else(|| format!("time {number} is before 1970 or after 2262"))?;
        if !value.is_finite() {
            return Err(format!("value {number} is no finite number"));
        }
        Ok(Point { at, value: *value })
    };
    series.times.iter().zip(&series.values).enumerate().map(point).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn series(metric: &[u8], unit: u64, times: &[i64], values: &[f64]) -> Series {
        Series { metric: metric.to_vec(), unit, times: times.to_vec(), values: values.to_vec() }
    }

    #[test]
    fn times_are_steps_and_nonsense_has_its_reason() {
        let found = points(&series(b"", 1_000_000_000, &[60, 1, -2], &[1.0, 2.0, 3.0])).unwrap();
        assert_eq!(found.iter().map(|point| point.at / 1_000_000_000).collect::<Vec<_>>(), [60, 61, 59]);
        assert_eq!(points(&series(b"", 0, &[7], &[1.0])).unwrap()[0].at, 7);
        for (wrong, words) in [
            (series(b"", 0, &[1], &[]), "1 `times` and 0 `values`"),
            (series(b"", 0, &[-1], &[1.0]), "time 0 is before 1970"),
            (series(b"", u64::MAX, &[1], &[1.0]), "292 years"),
            (series(b"", 1 << 40, &[1 << 40], &[1.0]), "time 0 is before 1970 or after 2262"),
            (series(b"", 0, &[i64::MAX, 1], &[1.0, 1.0]), "time 1"),
            (series(b"", 0, &[1], &[f64::NAN]), "value 0 is no finite number"),
        ] {
            let error = points(&wrong).unwrap_err();
            assert!(error.contains(words), "{error}");
        }
        let twice = Batch { series: vec![series(&[1; 16], 0, &[], &[]), series(&[1; 16], 0, &[], &[])] };
        assert!(batch(&twice.encode_to_vec()).is_err());
        let short = Batch { series: vec![series(&[1; 15], 0, &[], &[])] };
        assert!(batch(&short.encode_to_vec()).is_err() && batch(b"\xff\xff").is_err());
        assert!(batch(b"").unwrap().is_empty() && measures(b"").unwrap().is_empty());
    }
}

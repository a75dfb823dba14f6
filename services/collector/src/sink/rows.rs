//! Data points as rows of CSV.

use crate::number;
use crate::period::iso;
use crate::point::{DataPoint, Labels};
use std::io;

/// Columns of a CSV file. `groupby` and `metadata` are JSON.
pub(super) const HEADER: [&str; 8] = ["begin", "end", "metric", "scope", "unit", "qty", "groupby", "metadata"];

/// Appends points as rows of CSV.
pub(super) fn push(points: &[DataPoint], out: &mut Vec<u8>) -> io::Result<()> {
    let mut rows = csv::Writer::from_writer(out);
    for point in points {
        rows.write_record([
            &iso(point.period.begin),
            &iso(point.period.end),
            &*point.metric,
            &*point.scope,
            &*point.unit,
            &number::text(&point.qty),
            &serde_json::to_string(&Labels(&point.groupby))?,
            &serde_json::to_string(&Labels(&point.metadata))?,
        ])?;
    }
    rows.flush()
}

//! Several series brought together: on common time stamps, with gaps filled, through a tree of operations.

mod operation;

pub use operation::{Aggregator, Binary, Operation, Outcome, Unary, Values, evaluate};

use crate::aggregate::{aggregate, run};
use crate::time::Calendar;
use crate::{Error, Kind, Nanos, Point};

/// A length of time that series are resampled to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Sampling {
    /// Nanoseconds.
    Span(Nanos),
    /// A unit of the calendar.
    Calendar(Calendar),
}

impl Sampling {
    fn floor(self, stamp: Nanos) -> Nanos {
        match self {
            Sampling::Span(span) => stamp.div_euclid(span.max(1)).saturating_mul(span.max(1)),
            Sampling::Calendar(unit) => unit.floor(stamp),
        }
    }
}

/// Aggregates points, in order of time, into longer buckets.
///
/// ```
/// use ferrometer_archive::{across::{Sampling, resample}, Kind, Point, SECOND};
/// let points = [57, 72, 80].map(|second| Point { at: second * SECOND, value: second as f64 });
/// let minutes = resample(&points, Kind::Max, Sampling::Span(60 * SECOND));
/// assert_eq!(minutes, [Point { at: 0, value: 57.0 }, Point { at: 60 * SECOND, value: 80.0 }]);
/// ```
pub fn resample(points: &[Point], kind: Kind, to: Sampling) -> Vec<Point> {
    let mut longer = Vec::new();
    let mut rest = points;
    while let Some(first) = rest.first() {
        let at = to.floor(first.at);
        let (bucket, behind) = rest.split_at(run(rest, |point| to.floor(point.at) <= at).max(1));
        let values: Vec<f64> = bucket.iter().map(|point| point.value).collect();
        longer.extend(aggregate(kind, &values).map(|value| Point { at, value }));
        rest = behind;
    }
    longer
}

/// Filler for the time stamps at which a series has no point and another has.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Fill {
    /// Nothing, told as such.
    Null,
    /// Nothing; results that are no number are left out.
    Drop,
    /// A number.
    Value(f64),
    /// The point before.
    Forward,
    /// The point after.
    Backward,
    /// The point before, or where there is none the one after.
    FullForward,
    /// The point after, or where there is none the one before.
    FullBackward,
}

impl Fill {
    /// Returns true when results that are no number are left out.
    pub fn drops(self) -> bool {
        !matches!(self, Fill::Null | Fill::Value(_))
    }
}

/// Series on common time stamps; what is missing is NaN.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Grid {
    /// Time stamps, ascending.
    pub times: Vec<Nanos>,
    /// A column for each series, as long as `times`.
    pub columns: Vec<Vec<f64>>,
}

/// Bringing series of one granularity together.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Joining {
    /// Filler of gaps; `None` asks for overlap instead.
    pub fill: Option<Fill>,
    /// Percent of the time stamps at which every series must have a point, where nothing is filled.
    pub needed_overlap: f64,
    /// A start was asked for: series are not cut to where all have begun.
    pub has_start: bool,
    /// A stop was asked for.
    pub has_stop: bool,
}

/// Brings series together.
///
/// # Errors
/// [`Error::NotAggregable`] when they do not overlap enough.
pub fn join(series: &[Vec<Point>], how: Joining) -> Result<Grid, Error> {
    let times = times_of(series);
    let missing = if let Some(Fill::Value(value)) = how.fill { value } else { f64::NAN };
    let mut columns: Vec<Vec<f64>> = Vec::with_capacity(series.len());
    for points in series {
        let mut column = vec![missing; times.len()];
        let mut place = 0;
        for point in points {
            while times[place] < point.at {
                place += 1;
            }
            column[place] = point.value;
        }
        columns.push(column);
    }
    for column in &mut columns {
        match how.fill {
            Some(Fill::Forward) => forward(column.iter_mut()),
            Some(Fill::Backward) => forward(column.iter_mut().rev()),
            Some(Fill::FullForward) => {
                forward(column.iter_mut());
                forward(column.iter_mut().rev());
            }
            Some(Fill::FullBackward) => {
                forward(column.iter_mut().rev());
                forward(column.iter_mut());
            }
            _ => {}
        }
    }
    let mut grid = Grid { times, columns };
    if how.fill.is_none() {
        cut_to_overlap(&mut grid, how)?;
    }
    Ok(grid)
}

/// Returns the time stamps of all series, ascending.
fn times_of(series: &[Vec<Point>]) -> Vec<Nanos> {
    let of = |points: &[Point]| -> Vec<Nanos> { points.iter().map(|point| point.at).collect() };
    let mut times = series.first().map_or_else(Vec::new, |first| of(first));
    let first = times.len();
    for points in series {
        // The usual case: series that are measured together have them all in common.
        if points.len() != first || points.iter().zip(&times).any(|(point, at)| point.at != *at) {
            times.extend(of(points));
        }
    }
    times.sort_unstable();
    times.dedup();
    times
}

fn forward<'a>(values: impl Iterator<Item = &'a mut f64>) {
    let mut last = f64::NAN;
    for value in values {
        if value.is_nan() {
            *value = last;
        }
        last = *value;
    }
}

fn cut_to_overlap(grid: &mut Grid, how: Joining) -> Result<(), Error> {
    let full: Vec<usize> =
        (0..grid.times.len()).filter(|row| grid.columns.iter().all(|column| !column[*row].is_nan())).collect();
    let (first, last) = match (full.first(), full.last()) {
        (Some(first), Some(last)) => (*first, *last),
        _ if how.needed_overlap > 0.0 => return Err(Error::NotAggregable("No overlap".into())),
        _ => return Ok(()),
    };
    let from = if how.has_start { 0 } else { first };
    let to = if how.has_stop { grid.times.len() } else { last + 1 };
    grid.times = grid.times[from..to].to_vec();
    grid.columns.iter_mut().for_each(|column| *column = column[from..to].to_vec());
    let percent = full.len() as f64 * 100.0 / grid.times.len() as f64;
    if percent < how.needed_overlap {
        return Err(Error::NotAggregable(format!(
            "Less than {:.6}% of datapoints overlap in this timespan ({percent:.2}%)",
            how.needed_overlap
        )));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn points(list: &[(i64, f64)]) -> Vec<Point> {
        list.iter().map(|(at, value)| Point { at: *at, value: *value }).collect()
    }

    fn joined(fill: Option<Fill>, needed_overlap: f64) -> Result<Grid, Error> {
        let series = [points(&[(1, 1.0), (2, 2.0), (4, 4.0)]), points(&[(2, 20.0), (3, 30.0), (4, 40.0)])];
        join(&series, Joining { fill, needed_overlap, has_start: false, has_stop: false })
    }

    #[test]
    fn series_are_cut_to_where_they_overlap_or_filled() {
        let grid = joined(None, 50.0).unwrap();
        assert_eq!(grid.times, [2, 3, 4]);
        assert_eq!(
            joined(None, 100.0).unwrap_err().to_string(),
            "Less than 100.000000% of datapoints overlap in this timespan (66.67%)"
        );
        assert_eq!(
            joined(Some(Fill::Value(7.0)), 0.0).unwrap().columns,
            [[1.0, 2.0, 7.0, 4.0], [7.0, 20.0, 30.0, 40.0]]
        );
        assert_eq!(
            joined(Some(Fill::FullForward), 0.0).unwrap().columns,
            [[1.0, 2.0, 2.0, 4.0], [20.0, 20.0, 30.0, 40.0]]
        );
        assert!(joined(Some(Fill::Forward), 0.0).unwrap().columns[1][0].is_nan());
        let apart = [points(&[(1, 1.0)]), points(&[(2, 1.0)])];
        let how = Joining { fill: None, needed_overlap: 100.0, has_start: false, has_stop: false };
        assert_eq!(join(&apart, how).unwrap_err().to_string(), "No overlap");
    }
}

//! The operations of Gnocchi's `/v1/aggregates`: a tree over the columns of a grid.

use super::{Grid, Sampling, resample};
use crate::aggregate::{deviation, median, sum};
use crate::{Error, Kind, Nanos, Point, SECOND};
use std::collections::HashSet;

/// A number computed over several values, those that are missing left out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[expect(missing_docs, reason = "the names are those of the methods")]
pub enum Aggregator {
    Mean,
    Median,
    Std,
    Min,
    Max,
    Sum,
    Var,
    Count,
}

impl Aggregator {
    /// Returns the aggregator of a name; the differences of its results are asked for with `rate:` before it.
    pub fn from_name(name: &str) -> Option<(Aggregator, bool)> {
        let (rate, name) = name.strip_prefix("rate:").map_or((false, name), |name| (true, name));
        let found = match name {
            "mean" => Aggregator::Mean,
            "median" => Aggregator::Median,
            "std" => Aggregator::Std,
            "min" => Aggregator::Min,
            "max" => Aggregator::Max,
            "sum" => Aggregator::Sum,
            "var" => Aggregator::Var,
            "count" => Aggregator::Count,
            _ => return None,
        };
        Some((found, rate))
    }

    /// Returns the number over these values; over none it is NaN, the sum and the count 0. Deviations are those of a population.
    pub fn of(self, values: &[f64]) -> f64 {
        let mut there: Vec<f64> = values.iter().copied().filter(|value| !value.is_nan()).collect();
        let none = f64::NAN;
        match self {
            Aggregator::Sum => sum(&there),
            Aggregator::Count => there.len() as f64,
            Aggregator::Mean => sum(&there) / there.len() as f64,
            Aggregator::Min => there.into_iter().reduce(f64::min).unwrap_or(none),
            Aggregator::Max => there.into_iter().reduce(f64::max).unwrap_or(none),
            Aggregator::Std => deviation(&there, 0).unwrap_or(none),
            Aggregator::Var => deviation(&there, 0).map_or(none, |std| std * std),
            Aggregator::Median => {
                there.sort_by(f64::total_cmp);
                median(&there).unwrap_or(none)
            }
        }
    }

    fn kind(self) -> Kind {
        match self {
            Aggregator::Mean => Kind::Mean,
            Aggregator::Median => Kind::Median,
            Aggregator::Std | Aggregator::Var => Kind::Std,
            Aggregator::Min => Kind::Min,
            Aggregator::Max => Kind::Max,
            Aggregator::Sum => Kind::Sum,
            Aggregator::Count => Kind::Count,
        }
    }
}

/// An operation on one operand.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[expect(missing_docs, reason = "the names are those of the functions")]
pub enum Unary {
    Abs,
    Neg,
    Cos,
    Sin,
    Tan,
    Floor,
    Ceil,
}

/// An operation on two operands; comparisons give 1 and 0.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[expect(missing_docs, reason = "the names are those of the operators")]
pub enum Binary {
    Eq,
    Lt,
    Gt,
    Le,
    Ge,
    Ne,
    Mod,
    Add,
    Sub,
    Mul,
    Div,
    Pow,
    ClipMin,
    ClipMax,
    Max,
}

impl Binary {
    /// Returns the result for two numbers.
    pub fn of(self, a: f64, b: f64) -> f64 {
        let truth = |truth: bool| f64::from(u8::from(truth));
        match self {
            Binary::Eq => truth(a == b),
            Binary::Lt => truth(a < b),
            Binary::Gt => truth(a > b),
            Binary::Le => truth(a <= b),
            Binary::Ge => truth(a >= b),
            Binary::Ne => truth(a != b),
            // The sign of a remainder is that of the divisor.
            Binary::Mod => a - b * (a / b).floor(),
            Binary::Add => a + b,
            Binary::Sub => a - b,
            Binary::Mul => a * b,
            Binary::Div => a / b,
            Binary::Pow => a.powf(b),
            Binary::ClipMin => {
                if a < b {
                    b
                } else {
                    a
                }
            }
            Binary::ClipMax => {
                if a > b {
                    b
                } else {
                    a
                }
            }
            Binary::Max => a.max(b),
        }
    }
}

/// A tree of operations.
#[derive(Clone, Debug, PartialEq)]
pub enum Operation {
    /// Columns by their keys: a metric or a pattern, and a method.
    Metric(Vec<(String, String)>),
    /// A number.
    Number(f64),
    /// One column out of all, and with `true` its differences.
    Aggregate(Aggregator, bool, Box<Operation>),
    /// Longer buckets.
    Resample(Aggregator, Nanos, Box<Operation>),
    /// A number over each run of this many points, and with `true` the differences.
    Rolling(Aggregator, bool, usize, Box<Operation>),
    /// An operation on each value.
    Unary(Unary, Box<Operation>),
    /// Differences of points, and with `true` divided by the seconds between them.
    Change(bool, Box<Operation>),
    /// An operation on each pair of values.
    Binary(Binary, Box<Operation>, Box<Operation>),
    /// Values brought between two.
    Clip(Box<Operation>, Box<Operation>, Option<Box<Operation>>),
}

/// Result of a tree.
#[derive(Clone, Debug, PartialEq)]
pub struct Outcome {
    /// Length of a bucket.
    pub granularity: Nanos,
    /// Time stamps.
    pub times: Vec<Nanos>,
    /// Columns; for a number alone, that.
    pub values: Values,
    /// True when columns were brought together, so that they are no metric's any more.
    pub aggregated: bool,
}

/// Columns, or one number.
#[derive(Clone, Debug, PartialEq)]
pub enum Values {
    /// Columns as long as the time stamps.
    Columns(Vec<Vec<f64>>),
    /// A number.
    Number(f64),
}

impl Outcome {
    fn map(mut self, each: impl Fn(f64) -> f64) -> Outcome {
        match &mut self.values {
            Values::Columns(columns) => columns.iter_mut().flatten().for_each(|value| *value = each(*value)),
            Values::Number(number) => *number = each(*number),
        }
        self
    }

    fn into_columns(self) -> (Nanos, Vec<Nanos>, Vec<Vec<f64>>, bool) {
        let columns = match self.values {
            Values::Columns(columns) => columns,
            Values::Number(number) => vec![vec![number; self.times.len()]],
        };
        (self.granularity, self.times, columns, self.aggregated)
    }
}

/// Evaluates a tree over the columns of a grid, whose keys are given in the same order.
///
/// # Errors
/// [`Error::NotAggregable`] for operands that do not fit together, or a rolling window longer than the series.
pub fn evaluate(
    tree: &Operation,
    grid: &Grid,
    keys: &[(String, String)],
    granularity: Nanos,
) -> Result<Outcome, Error> {
    let go = |inner: &Operation| evaluate(inner, grid, keys, granularity);
    let columns = |granularity, times, columns, aggregated| Outcome {
        granularity,
        times,
        values: Values::Columns(columns),
        aggregated,
    };
    Ok(match tree {
        Operation::Number(number) => {
            Outcome { granularity, times: grid.times.clone(), values: Values::Number(*number), aggregated: false }
        }
        Operation::Metric(wanted) => {
            let wanted: HashSet<&(String, String)> = wanted.iter().collect();
            let chosen = keys
                .iter()
                .zip(&grid.columns)
                .filter(|(key, _)| wanted.contains(key))
                .map(|(_, column)| column.clone());
            columns(granularity, grid.times.clone(), chosen.collect(), false)
        }
        Operation::Aggregate(with, rate, inner) => {
            let (granularity, mut times, all, _) = go(inner)?.into_columns();
            let mut row = Vec::with_capacity(all.len());
            let mut one: Vec<f64> = (0..times.len())
                .map(|at| {
                    row.clear();
                    row.extend(all.iter().map(|column| column[at]));
                    with.of(&row)
                })
                .collect();
            if *rate {
                difference(&mut times, std::slice::from_mut(&mut one), false);
            }
            columns(granularity, times, vec![one], true)
        }
        Operation::Resample(with, span, inner) => {
            let (_, times, all, aggregated) = go(inner)?.into_columns();
            let mut longer = Grid::default();
            for column in &all {
                let there = times.iter().zip(column).filter(|(_, value)| !value.is_nan());
                let points: Vec<Point> = there.map(|(at, value)| Point { at: *at, value: *value }).collect();
                let points = resample(&points, with.kind(), Sampling::Span(*span));
                let points = if *with == Aggregator::Var {
                    points.iter().map(|p| Point { value: p.value * p.value, ..*p }).collect()
                } else {
                    points
                };
                longer.columns.push(Vec::new());
                align(&mut longer, points);
            }
            columns(*span, longer.times, longer.columns, aggregated)
        }
        Operation::Rolling(with, rate, length, inner) => {
            let (granularity, mut times, all, aggregated) = go(inner)?.into_columns();
            if *length > times.len() {
                let found = times.len();
                return Err(Error::NotAggregable(format!(
                    "Rolling window '{length}' is greater than serie length '{found}'"
                )));
            }
            let mut rolled: Vec<Vec<f64>> =
                all.iter().map(|column| column.windows(*length).map(|window| with.of(window)).collect()).collect();
            times.drain(..length - 1);
            if *rate {
                difference(&mut times, &mut rolled, false);
            }
            columns(granularity, times, rolled, aggregated)
        }
        Operation::Unary(operation, inner) => {
            let operation = *operation;
            go(inner)?.map(|value| match operation {
                Unary::Abs => value.abs(),
                Unary::Neg => -value,
                Unary::Cos => value.cos(),
                Unary::Sin => value.sin(),
                Unary::Tan => value.tan(),
                Unary::Floor => value.floor(),
                Unary::Ceil => value.ceil(),
            })
        }
        Operation::Change(per_second, inner) => {
            let (granularity, mut times, mut all, aggregated) = go(inner)?.into_columns();
            difference(&mut times, &mut all, *per_second);
            columns(granularity, times, all, aggregated)
        }
        Operation::Binary(operation, left, right) => both(go(left)?, go(right)?, |a, b| operation.of(a, b))?,
        Operation::Clip(value, low, high) => {
            let raised = both(go(value)?, go(low)?, |a, b| Binary::ClipMin.of(a, b))?;
            match high {
                Some(high) => both(raised, go(high)?, |a, b| Binary::ClipMax.of(a, b))?,
                None => raised,
            }
        }
    })
}

/// Puts the points of the last column of a grid in place, with new rows where it has none.
fn align(grid: &mut Grid, points: Vec<Point>) {
    let mut times: Vec<Nanos> = grid.times.iter().copied().chain(points.iter().map(|point| point.at)).collect();
    times.sort_unstable();
    times.dedup();
    let place = |at: &Nanos| times.binary_search(at).unwrap_or(0);
    let before = grid.columns.len() - 1;
    for column in &mut grid.columns[..before] {
        let mut wider = vec![f64::NAN; times.len()];
        grid.times.iter().zip(&*column).for_each(|(at, value)| wider[place(at)] = *value);
        *column = wider;
    }
    let mut last = vec![f64::NAN; times.len()];
    points.iter().for_each(|point| last[place(&point.at)] = point.value);
    grid.columns[before] = last;
    grid.times = times;
}

/// Turns columns into their differences, each at the later of its two points.
fn difference(times: &mut Vec<Nanos>, columns: &mut [Vec<f64>], per_second: bool) {
    for column in columns {
        *column = column
            .windows(2)
            .zip(times.windows(2))
            .map(|(values, times)| {
                let change = values[1] - values[0];
                if per_second { change / ((times[1] - times[0]) as f64 / SECOND as f64) } else { change }
            })
            .collect();
    }
    times.drain(..times.len().min(1));
}

fn both(left: Outcome, right: Outcome, each: impl Fn(f64, f64) -> f64) -> Result<Outcome, Error> {
    let aggregated = left.aggregated || right.aggregated;
    match (left.values, right.values) {
        (Values::Columns(a), Values::Columns(b)) => {
            if left.times != right.times || left.granularity != right.granularity {
                return Err(Error::NotAggregable(
                    "Can't compute timeseries with different granularity or time stamps".into(),
                ));
            }
            let width = a.len().max(b.len());
            if a.len() != b.len() && a.len() != 1 && b.len() != 1 || a.is_empty() || b.is_empty() {
                return Err(Error::NotAggregable(format!("Can't compute {} timeseries with {}", a.len(), b.len())));
            }
            let column = |columns: &[Vec<f64>], at: usize| columns[if columns.len() == 1 { 0 } else { at }].clone();
            let results =
                (0..width).map(|at| column(&a, at).into_iter().zip(column(&b, at)).map(|(a, b)| each(a, b)).collect());
            Ok(Outcome {
                granularity: left.granularity,
                times: left.times,
                values: Values::Columns(results.collect()),
                aggregated: true,
            })
        }
        (Values::Columns(a), Values::Number(b)) => {
            let outcome =
                Outcome { granularity: left.granularity, times: left.times, values: Values::Columns(a), aggregated };
            Ok(outcome.map(|a| each(a, b)))
        }
        (Values::Number(a), Values::Columns(b)) => {
            let outcome =
                Outcome { granularity: right.granularity, times: right.times, values: Values::Columns(b), aggregated };
            Ok(outcome.map(|b| each(a, b)))
        }
        (Values::Number(a), Values::Number(b)) => Ok(Outcome {
            granularity: left.granularity,
            times: left.times,
            values: Values::Number(each(a, b)),
            aggregated,
        }),
    }
}

#[cfg(test)]
mod tests;

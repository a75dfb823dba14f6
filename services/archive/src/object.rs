//! Stored objects: the aggregates of one granularity and stretch of time, and the window of a metric.

use crate::aggregate::Rows;
use crate::column::{Reader, damaged, put_number, read_values, read_whole, write_values, write_whole};
use crate::method::{Kind, Method};
use crate::policy::LONGEST_STRETCH;
use crate::window::Window;
use crate::{Error, Point};

const STRETCH: u8 = 1;
const WINDOW: u8 = 1;
/// Most points of a window that are believed.
const MOST: usize = 1 << 28;
/// Most rows of an object that are believed: a few bytes can tell of many.
const MOST_ROWS: usize = LONGEST_STRETCH as usize;

/// How a column says which rows have a value and where the values are.
const NONE: u8 = 0;
const ALL: u8 = 1;
const SOME: u8 = 2;
/// The values are those of an earlier column, whose number follows.
const SAME: u8 = 3;
/// The values are the sum divided by the count.
const SUM_BY_COUNT: u8 = 4;

/// Encodes rows; their buckets are told from `first` on.
pub(crate) fn encode(rows: &Rows, methods: &[Method], first: i64) -> Vec<u8> {
    // Few rows are as many values; what many make is seldom longer.
    let mut out = Vec::with_capacity(24 + methods.len() * (4 + 8 * rows.buckets.len().min(16)));
    out.push(STRETCH);
    put_number(&mut out, rows.buckets.len() as u64);
    put_number(&mut out, methods.len() as u64);
    out.extend(methods.iter().map(|method| method.code()));
    let dense = rows.buckets.windows(2).all(|pair| pair[1] == pair[0] + 1);
    out.push(u8::from(dense));
    if dense {
        put_number(&mut out, rows.buckets.first().map_or(0, |bucket| (bucket - first) as u64));
    } else {
        write_whole(&mut out, &rows.buckets.iter().map(|bucket| bucket - first).collect::<Vec<_>>());
    }
    let place = |wanted: Method| methods.iter().position(|method| *method == wanted);
    let mut told_by_others = vec![false; methods.len()];
    let mut body = Vec::with_capacity(out.capacity());
    for (at, column) in rows.columns.iter().enumerate() {
        body.clear();
        let derived = match methods[at] {
            Method { rate, kind: Kind::Mean } => place(Method { rate, kind: Kind::Sum })
                .zip(place(Method { rate, kind: Kind::Count }))
                .filter(|(sum, count)| is_quotient(column, &rows.columns[*sum], &rows.columns[*count])),
            _ => None,
        };
        let stored = |earlier: &usize| !told_by_others[*earlier] && equal(&rows.columns[*earlier], column);
        // A mean may be told by columns behind it, a copy by one before that is told by no other: no two tell each other.
        if let Some((sum, count)) = derived {
            body.extend([SUM_BY_COUNT, sum as u8, count as u8]);
            told_by_others[at] = true;
        } else if let Some(same) = (0..at).find(stored) {
            body.extend([SAME, same as u8]);
            told_by_others[at] = true;
        } else {
            write_column(&mut body, column);
        }
        put_number(&mut out, body.len() as u64);
        out.extend_from_slice(&body);
    }
    out
}

fn equal(a: &[Option<f64>], b: &[Option<f64>]) -> bool {
    a.iter().zip(b).all(|(a, b)| a.map(f64::to_bits) == b.map(f64::to_bits))
}

/// Returns true for a column that sums and counts tell.
fn is_quotient(column: &[Option<f64>], sums: &[Option<f64>], counts: &[Option<f64>]) -> bool {
    let told = sums.iter().zip(counts).map(divided);
    column
        .iter()
        .zip(told)
        .all(|(value, told)| told.map(|told| told.map(f64::to_bits)) == Some(value.map(f64::to_bits)))
}

/// Returns the value that a sum and a count tell; none where they do not go together.
fn divided(pair: (&Option<f64>, &Option<f64>)) -> Option<Option<f64>> {
    match pair {
        (Some(sum), Some(count)) if *count > 0.0 => Some(Some(sum / count)),
        (None, None) => Some(None),
        _ => None,
    }
}

fn quotient(sums: &[Option<f64>], counts: &[Option<f64>]) -> Option<Vec<Option<f64>>> {
    sums.iter().zip(counts).map(divided).collect()
}

fn write_column(out: &mut Vec<u8>, column: &[Option<f64>]) {
    let mut values = Vec::with_capacity(column.len());
    values.extend(column.iter().flatten());
    match values.len() {
        0 => out.push(NONE),
        all if all == column.len() => {
            out.push(ALL);
            write_values(out, &values);
        }
        some => {
            out.push(SOME);
            put_number(out, some as u64);
            let present: Vec<f64> = column.iter().map(|value| f64::from(u8::from(value.is_some()))).collect();
            write_values(out, &present);
            write_values(out, &values);
        }
    }
}

/// The values of a method, one or none for each bucket.
type Column = Vec<Option<f64>>;

/// An object of aggregates whose columns are decoded when they are asked for.
pub(crate) struct Stretch<'a> {
    /// Numbers of the buckets, ascending.
    pub buckets: Vec<i64>,
    methods: Vec<Method>,
    columns: Vec<&'a [u8]>,
}

impl<'a> Stretch<'a> {
    pub fn read(bytes: &'a [u8], first: i64) -> Result<Stretch<'a>, Error> {
        let mut reader = Reader(bytes);
        if reader.byte()? != STRETCH {
            return Err(damaged("an object of an unknown form"));
        }
        let count = reader.count(MOST_ROWS)?;
        let width = reader.count(256)?;
        let methods = reader.bytes(width)?;
        let methods = methods.iter().map(|code| Method::from_code(*code)).collect::<Option<Vec<_>>>();
        let methods = methods.ok_or_else(|| damaged("an unknown aggregation method"))?;
        let buckets = if reader.byte()? == 1 {
            let start = first.saturating_add(reader.count(MOST_ROWS)? as i64);
            (start..start.saturating_add(count as i64)).collect()
        } else {
            let offsets = read_whole(&mut reader, count)?;
            let ascend = offsets.windows(2).all(|pair| pair[0] < pair[1]);
            if !ascend || offsets.iter().any(|offset| !(0..MOST_ROWS as i64).contains(offset)) {
                return Err(damaged("buckets that are not those of their stretch"));
            }
            offsets.into_iter().map(|offset| first.saturating_add(offset)).collect::<Vec<_>>()
        };
        if buckets.len() != count {
            return Err(damaged("buckets beyond the end of time"));
        }
        let mut columns = Vec::with_capacity(methods.len());
        for _ in &methods {
            let length = reader.number()? as usize;
            columns.push(reader.bytes(length)?);
        }
        Ok(Stretch { buckets, methods, columns })
    }

    /// Returns the methods that the object has.
    pub fn methods(&self) -> &[Method] {
        &self.methods
    }

    /// Decodes a column, and those that tell it, each of them once.
    fn decode<'d>(&self, at: usize, depth: u8, decoded: &'d mut [Option<Column>]) -> Result<&'d mut Column, Error> {
        if depth > 3 {
            return Err(damaged("columns that tell each other"));
        }
        let count = self.buckets.len();
        let mut reader = Reader(self.columns.get(at).ok_or_else(|| damaged("a column that is not there"))?);
        if decoded[at].is_none() {
            let column = match reader.byte()? {
                NONE => vec![None; count],
                ALL => read_values(&mut reader, count)?.into_iter().map(Some).collect(),
                SOME => {
                    let some = reader.count(count)?;
                    let present = read_values(&mut reader, count)?;
                    let mut values = read_values(&mut reader, some)?.into_iter();
                    present.iter().map(|there| if *there == 1.0 { values.next() } else { None }).collect()
                }
                SAME => self.decode(usize::from(reader.byte()?), depth + 1, decoded)?.clone(),
                SUM_BY_COUNT => {
                    let (sum, count) = (usize::from(reader.byte()?), usize::from(reader.byte()?));
                    self.decode(sum, depth + 1, decoded)?;
                    self.decode(count, depth + 1, decoded)?;
                    let of = |at: usize| decoded[at].as_deref().unwrap_or_default();
                    quotient(of(sum), of(count)).ok_or_else(|| damaged("a sum without a count"))?
                }
                _ => return Err(damaged("a column of an unknown form")),
            };
            decoded[at] = Some(column);
        }
        Ok(decoded[at].get_or_insert_default())
    }

    /// Returns all rows, with these methods; one that the object does not have has no value in any row.
    pub fn rows(&self, methods: &[Method]) -> Result<Rows, Error> {
        let mut decoded = vec![None; self.columns.len()];
        if methods == self.methods {
            (0..methods.len()).try_for_each(|at| self.decode(at, 0, &mut decoded).map(drop))?;
            let columns = decoded.into_iter().map(Option::unwrap_or_default).collect();
            return Ok(Rows { buckets: self.buckets.clone(), columns });
        }
        let column = |method: &Method| match self.methods.iter().position(|known| known == method) {
            Some(at) => self.decode(at, 0, &mut decoded).cloned(),
            None => Ok(vec![None; self.buckets.len()]),
        };
        let columns = methods.iter().map(column).collect::<Result<_, _>>()?;
        Ok(Rows { buckets: self.buckets.clone(), columns })
    }
}

/// Encodes a settled window.
pub(crate) fn encode_window(window: &Window) -> Vec<u8> {
    let mut out = Vec::with_capacity(48 + 12 * window.points.len());
    out.push(WINDOW);
    for number in [window.applied, window.complete_from as u64, window.accepted, window.too_late] {
        put_number(&mut out, number);
    }
    put_number(&mut out, window.last.map_or(0, |last| last as u64 + 1));
    put_number(&mut out, window.points.len() as u64);
    write_whole(&mut out, &window.points.iter().map(|point| point.at).collect::<Vec<_>>());
    write_values(&mut out, &window.points.iter().map(|point| point.value).collect::<Vec<_>>());
    out
}

pub(crate) fn decode_window(bytes: &[u8]) -> Result<Window, Error> {
    let mut reader = Reader(bytes);
    if reader.byte()? != WINDOW {
        return Err(damaged("a window of an unknown form"));
    }
    let mut window = Window { applied: reader.number()?, complete_from: reader.number()? as i64, ..Window::default() };
    window.accepted = reader.number()?;
    window.too_late = reader.number()?;
    window.last = reader.number()?.checked_sub(1).map(|last| last as i64);
    let count = reader.count(MOST)?;
    let stamps = read_whole(&mut reader, count)?;
    let values = read_values(&mut reader, count)?;
    window.points = stamps.into_iter().zip(values).map(|(at, value)| Point { at, value }).collect();
    Ok(window)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_that_tell_each_other_cost_nothing_and_come_back() {
        let methods: Vec<Method> =
            ["mean", "sum", "max", "min", "std", "count"].map(|name| name.parse().unwrap()).into();
        let value = |i: i64| Some((i * 7919 % 4001) as f64 / 100.0);
        let rows = Rows {
            buckets: (1000..2000).filter(|i| i % 3 != 0).collect(),
            columns: (0..6)
                .map(|c| {
                    (1000..2000)
                        .filter(|i| i % 3 != 0)
                        .map(|i| match c {
                            0..=3 => value(i),
                            4 => (i % 5 == 0).then_some(0.5),
                            _ => Some(1.0),
                        })
                        .collect()
                })
                .collect(),
        };
        let bytes = encode(&rows, &methods, 512);
        let read = Stretch::read(&bytes, 512).unwrap();
        assert_eq!(read.rows(&methods).unwrap(), rows);
        // Told in another order, and with a method that the object does not have.
        let others: Vec<Method> = ["last", "count", "mean"].map(|name| name.parse().unwrap()).into();
        let none = vec![None; rows.buckets.len()];
        let told = vec![none, rows.columns[5].clone(), rows.columns[0].clone()];
        assert_eq!(read.rows(&others).unwrap().columns, told);
        assert!(bytes.len() < rows.buckets.len() * 3, "{} bytes", bytes.len());
        for cut in 0..bytes.len() {
            if let Ok(read) = Stretch::read(&bytes[..cut], 512) {
                let _ = read.rows(&methods);
            }
        }
    }

    #[test]
    fn a_window_comes_back() {
        let window = Window {
            applied: 9,
            last: Some(0),
            complete_from: 77,
            accepted: 5,
            too_late: 6,
            points: (0..100).map(|i| Point { at: i * i, value: i as f64 / 3.0 }).collect(),
            ..Window::default()
        };
        let bytes = encode_window(&window);
        assert_eq!(decode_window(&bytes).unwrap(), window);
        for cut in 0..bytes.len() {
            assert!(decode_window(&bytes[..cut]).is_err());
        }
    }
}

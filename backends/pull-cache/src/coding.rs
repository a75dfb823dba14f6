//! How generations are coded: each as what differs from the one before, in a few bits a value, without loss.
//!
//! A generation is a value, or none, for each column; a column is one record's metric and labels through all generations. The
//! [`Coder`] holds for each column what it said last, so a coded generation makes sense only after all those since the coder began.
//!
//! | step | module |
//! |---|---|
//! | a value becomes a whole number, exactly | `number` |
//! | the number is predicted, and the difference written | `series` |
//! | the pieces become bits, the likely ones less than one | `range` |

mod number;
mod range;
mod series;

use crate::record::Identity;
use range::{Code, Decoder, Encoder};
use series::{Models, Series};
use std::sync::Arc;

/// Bytes that are no coded generation, or one after a different past.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Undecodable;

/// The values of one generation by column. What is not present has any value.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct Row {
    values: Vec<f64>,
    /// One bit for each value.
    present: Vec<u64>,
}

impl Row {
    pub(crate) fn with_columns(columns: usize) -> Row {
        Row { values: vec![0.0; columns], present: vec![0; columns.div_ceil(64)] }
    }

    /// How many columns it speaks of; the ones behind have no value.
    pub(crate) fn columns(&self) -> usize {
        self.values.len()
    }

    #[inline]
    pub(crate) fn get(&self, column: usize) -> Option<f64> {
        let word = self.present.get(column / 64)?;
        if word >> (column % 64) & 1 == 1 { self.values.get(column).copied() } else { None }
    }

    /// A column that is not there yet makes the row longer.
    #[inline]
    pub(crate) fn set(&mut self, column: usize, value: f64) {
        if column >= self.values.len() {
            self.values.resize(column + 1, 0.0);
            self.present.resize((column + 1).div_ceil(64), 0);
        }
        self.values[column] = value;
        self.present[column / 64] |= 1 << (column % 64);
    }

    /// Returns whether all values are finite.
    pub(crate) fn is_finite(&self) -> bool {
        // A value that is not present is zero in a row that was read.
        self.values.iter().all(|value| value.is_finite())
            || (0..self.columns()).all(|column| self.get(column).is_none_or(f64::is_finite))
    }

    /// How many values there are.
    pub(crate) fn count(&self) -> usize {
        self.present.iter().map(|word| word.count_ones() as usize).sum()
    }

    /// Gives back room that is not needed.
    pub(crate) fn shrink(&mut self) {
        self.values.shrink_to_fit();
        self.present.shrink_to_fit();
    }

    #[cfg(test)]
    pub(crate) fn bytes(&self) -> usize {
        self.values.capacity() * size_of::<f64>() + self.present.capacity() * size_of::<u64>()
    }
}

/// Last values of the columns, and the likelihood of the next ones.
#[derive(Clone, Debug, Default)]
pub(crate) struct Coder {
    series: Vec<Series>,
    models: Box<Models>,
}

impl Coder {
    /// Size of one more column, in bytes.
    pub(crate) const COLUMN_BYTES: usize = size_of::<Series>();
    /// Size without columns, in bytes.
    pub(crate) const FIXED_BYTES: usize = size_of::<Models>() + size_of::<Coder>();
    /// The most bytes one value is coded in.
    pub(crate) const LONGEST_POINT: usize = 18;

    /// Codes the next generation. `identities` are those of all its columns.
    pub(crate) fn encode(&mut self, identities: &[Arc<Identity>], row: &Row) -> Vec<u8> {
        let mut out = Encoder::default();
        self.run(&mut out, identities, |column| row.get(column), |_, _| {});
        out.finish()
    }

    /// Reads the next generation, which has as many columns as `identities`. Bytes of any origin are read in a time and memory
    /// that depend on the number of columns alone. After an error the coder is of no use.
    pub(crate) fn decode(&mut self, identities: &[Arc<Identity>], bytes: &[u8]) -> Result<Row, Undecodable> {
        let mut row = Row::with_columns(identities.len());
        self.decode_into(identities, bytes, |column, value| row.set(column, value))?;
        Ok(row)
    }

    /// As [`decode`](Coder::decode), without keeping the values.
    pub(crate) fn skip(&mut self, identities: &[Arc<Identity>], bytes: &[u8]) -> Result<(), Undecodable> {
        self.decode_into(identities, bytes, |_, _| {})
    }

    fn decode_into(
        &mut self,
        identities: &[Arc<Identity>],
        bytes: &[u8],
        out: impl FnMut(usize, f64),
    ) -> Result<(), Undecodable> {
        let mut input = Decoder::new(bytes);
        self.run(&mut input, identities, |_| None, out);
        if input.is_whole() { Ok(()) } else { Err(Undecodable) }
    }

    /// The one description of the format, read by both directions.
    fn run<C: Code>(
        &mut self,
        code: &mut C,
        identities: &[Arc<Identity>],
        given: impl Fn(usize) -> Option<f64>,
        mut out: impl FnMut(usize, f64),
    ) {
        if self.series.len() < identities.len() {
            let new = &identities[self.series.len()..];
            self.series.reserve_exact(new.len());
            self.series.extend(new.iter().map(|identity| Series::new(identity.part())));
        }
        self.models.begin();
        for (column, (series, identity)) in self.series.iter_mut().zip(identities).enumerate() {
            if let Some(value) = self.models.point(code, series, identity, given(column)) {
                out(column, value);
            }
            if !code.goes_on() {
                return;
            }
        }
    }
}

#[cfg(test)]
mod tests;

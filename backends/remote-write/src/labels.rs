//! Labels as bytes that are copied into each piece, in the form of the pieces: for each instrument they are made once.

use crate::families::{Families, Form};
use crate::message::{self, Labels};

/// Appends a label.
pub(crate) fn label(families: &Families, out: &mut Vec<u8>, name: &str, value: &[u8]) {
    let mut known = families.lock();
    match known.form {
        Form::First => message::label(out, name, value),
        Form::Second => {
            for text in [name.as_bytes(), value] {
                out.extend_from_slice(&known.symbols.number(text).to_le_bytes());
            }
        }
    }
}

/// Returns the label `__name__`: the name of a family and a suffix.
pub(crate) fn name(families: &Families, family: &str, suffix: &str) -> Vec<u8> {
    let mut out = Vec::new();
    label(families, &mut out, "__name__", format!("{family}{suffix}").as_bytes());
    out
}

/// Numbers in front of the labels that are kept: two cuts and the weight.
const NUMBERS: usize = 3 * 4;

/// The labels of an instrument as they are kept.
///
/// An instrument that is one value has its name among them, where it belongs, so that all are copied at once. The cuts are around it. Those of a histogram
/// are before `__name__`, between it and `le`, and behind that.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Kept<'k> {
    pub(crate) all: &'k [u8],
    cuts: (usize, usize),
    /// How many bytes a piece may need in a request of 2.0 beside its own; 0 for 1.0, where it needs none.
    pub(crate) weight: usize,
}

impl<'k> Kept<'k> {
    /// Reads what [`keep`] made.
    #[inline]
    pub(crate) fn read(text: &'k [u8]) -> Option<Kept<'k>> {
        let (numbers, all) = text.split_first_chunk::<NUMBERS>()?;
        let number = |at: usize| u32::from_le_bytes([numbers[at], numbers[at + 1], numbers[at + 2], numbers[at + 3]]);
        let cuts = (number(0) as usize, number(4) as usize);
        (cuts.0 <= cuts.1 && cuts.1 <= all.len()).then_some(Kept { all, cuts, weight: number(8) as usize })
    }

    /// Returns the labels of an instrument that is one value, for a sample of another name.
    pub(crate) fn around_name(&self) -> Labels<'k> {
        Labels { before: &self.all[..self.cuts.0], between: &self.all[self.cuts.1..], behind: &[] }
    }

    /// Returns the labels of a histogram.
    pub(crate) fn in_three(&self) -> Labels<'k> {
        let (before, rest) = self.all.split_at(self.cuts.0);
        let (between, behind) = rest.split_at(self.cuts.1 - self.cuts.0);
        Labels { before, between, behind }
    }
}

/// Writes the sorted labels of an instrument of a family, with the label `name` where it is one value.
pub(crate) fn keep(families: &Families, pairs: &[(String, String)], family: &str, name: Option<&[u8]>) -> Vec<u8> {
    let mut parts = [Vec::new(), Vec::new(), Vec::new()];
    for (name, value) in pairs {
        let part = match name.as_str() {
            name if name < "__name__" => 0,
            name if name < "le" => 1,
            _ => 2,
        };
        label(families, &mut parts[part], name, value.as_bytes());
    }
    let [before, between, behind] = parts;
    let first = before.len();
    let second = first + name.map_or(between.len(), <[u8]>::len);
    let weight = if families.form() == Form::Second { weight(pairs, family) } else { 0 };
    let mut out = Vec::with_capacity(NUMBERS + second + between.len() + behind.len());
    for number in [first, second, weight] {
        out.extend_from_slice(&u32::try_from(number).unwrap_or(u32::MAX).to_le_bytes());
    }
    for part in [&before, name.unwrap_or_default(), &between, &behind] {
        out.extend_from_slice(part);
    }
    out
}

/// Returns how many bytes more than a piece has a series of 2.0 takes at the most, its texts included, though others may have them too.
fn weight(pairs: &[(String, String)], family: &str) -> usize {
    /// A number of five bytes and not of four, and the key and length of a symbol; for both texts of a label.
    const PAIR: usize = 2 * 5;
    /// Keys and lengths, since when it counts in two places, its type, help and unit.
    const AROUND: usize = 64;
    /// `__name__` with the longest suffix, and `le` with the longest bound.
    const NAMES: usize = 8 + 17 + 2 + 25;
    let texts: usize = pairs.iter().map(|(name, value)| name.len() + value.len()).sum();
    texts + family.len() + NAMES + (pairs.len() + 2) * PAIR + AROUND
}

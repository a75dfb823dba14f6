//! How numbers become bytes: a column of an object in the cheapest of a few forms, without loss.
//!
//! | form | for |
//! |---|---|
//! | constant | one value in all rows |
//! | runs | few changes: states, 0 and 1 |
//! | decimals | values that are k·10^-e exactly: whole numbers, coded by `pco` |
//! | near decimals | sums of decimals, a few last places beside one: whole numbers and last places, coded by `pco` |
//! | floats | all else, coded by `pco` |
//! | raw | what none of them makes shorter |
//!
//! `pco` is a kept crate for numerical columns (delta, bins, tANS); at 1,024 gauges of two decimals it takes 1.5 bytes a value and
//! 10 ns to read one, where XOR coding as in Gorilla takes about 6 bytes, because the low bits of a decimal are noise.

use crate::Error;
use pco::standalone::{simple_compress, simple_decompress_into};
use pco::{ChunkConfig, ModeSpec};

const CONSTANT: u8 = 0;
const RUNS: u8 = 1;
const FLOATS: u8 = 2;
const RAW: u8 = 3;
/// Decimals with `e` digits have the form `DECIMALS + e`.
const DECIMALS: u8 = 16;
const MOST_DIGITS: u32 = 9;
/// Near decimals with `e` digits have the form `NEAR + e`.
const NEAR: u8 = 32;
/// Most last places (units of the least bit) between a value and its decimal.
const NEAREST: i64 = 8;
/// Columns of fewer values are not worth the head of a `pco` file.
const FEW: usize = 12;

pub(crate) fn damaged(what: &str) -> Error {
    Error::Damaged(what.into())
}

/// Appends a number in groups of seven bits.
pub(crate) fn put_number(out: &mut Vec<u8>, mut number: u64) {
    while number >= 0x80 {
        out.push(number as u8 | 0x80);
        number >>= 7;
    }
    out.push(number as u8);
}

/// Bytes that are read from the front; what is missing is an error.
pub(crate) struct Reader<'a>(pub &'a [u8]);

impl<'a> Reader<'a> {
    pub fn bytes(&mut self, count: usize) -> Result<&'a [u8], Error> {
        let (head, tail) = self.0.split_at_checked(count).ok_or_else(|| damaged("an object ends too early"))?;
        self.0 = tail;
        Ok(head)
    }

    pub fn byte(&mut self) -> Result<u8, Error> {
        Ok(self.bytes(1)?[0])
    }

    pub fn word(&mut self) -> Result<u64, Error> {
        let bytes = self.bytes(8)?;
        Ok(u64::from_le_bytes(std::array::from_fn(|i| bytes[i])))
    }

    pub fn number(&mut self) -> Result<u64, Error> {
        let mut number = 0;
        for shift in (0..64).step_by(7) {
            let byte = self.byte()?;
            number |= u64::from(byte & 0x7f) << shift;
            if byte & 0x80 == 0 {
                return Ok(number);
            }
        }
        Err(damaged("a number of too many bytes"))
    }

    /// Reads a count of things, of which there cannot be more than `most`.
    pub fn count(&mut self, most: usize) -> Result<usize, Error> {
        match usize::try_from(self.number()?) {
            Ok(count) if count <= most => Ok(count),
            _ => Err(damaged("an object claims more rows than there can be")),
        }
    }
}

fn config(level: usize) -> ChunkConfig {
    ChunkConfig::default().with_compression_level(level).with_mode_spec(ModeSpec::Classic).with_enable_8_bit(false)
}

fn pack<T: pco::data_types::Number>(values: &[T]) -> Vec<u8> {
    // It fails for a configuration that is wrong, and for nothing else; then the raw form remains.
    simple_compress(values, &config(4)).unwrap_or_default()
}

fn unpack<T: pco::data_types::Number + Default>(bytes: &[u8], count: usize) -> Result<Vec<T>, Error> {
    // It takes the memory of as many as there are to be, and not of as many as the bytes claim.
    let mut values = vec![T::default(); count];
    let read = simple_decompress_into(bytes, &mut values).map_err(|error| Error::Damaged(error.to_string()))?;
    if read.n_processed == count && read.finished {
        return Ok(values);
    }
    Err(damaged("a column has another length than its object"))
}

/// Appends whole numbers; [`read_whole`] wants to know how many.
pub(crate) fn write_whole(out: &mut Vec<u8>, values: &[i64]) {
    let packed = if values.len() < FEW { Vec::new() } else { pack(values) };
    put_number(out, packed.len() as u64);
    if packed.is_empty() {
        let mut last = 0_i64;
        for value in values {
            let step = value.wrapping_sub(last);
            put_number(out, (step << 1 ^ step >> 63) as u64);
            last = *value;
        }
    } else {
        out.extend_from_slice(&packed);
    }
}

pub(crate) fn read_whole(from: &mut Reader<'_>, count: usize) -> Result<Vec<i64>, Error> {
    let packed = from.number()? as usize;
    if packed > 0 {
        return unpack(from.bytes(packed)?, count);
    }
    let mut last = 0_i64;
    (0..count)
        .map(|_| {
            let step = from.number()?;
            last = last.wrapping_add((step >> 1) as i64 ^ -((step & 1) as i64));
            Ok(last)
        })
        .collect()
}

/// Returns the values as whole numbers of the unit 10^-`digits`, and how many last places each is off; none where that is too many.
fn decimals(values: &[f64], digits: u32, nearest: i64) -> Option<(Vec<i64>, Vec<i64>)> {
    let unit = 10_f64.powi(digits as i32);
    let mut off = Vec::with_capacity(values.len());
    let whole = values.iter().map(|value| {
        let whole = (value * unit).round();
        let places = value.to_bits().wrapping_sub((whole / unit).to_bits()) as i64;
        off.push(places);
        (whole.abs() < 9e15 && (-nearest..=nearest).contains(&places)).then_some(whole as i64)
    });
    let whole = whole.collect::<Option<_>>()?;
    Some((whole, off))
}

/// Appends values; [`read_values`] wants to know how many.
pub(crate) fn write_values(out: &mut Vec<u8>, values: &[f64]) {
    let Some(first) = values.first() else { return };
    let changes = values.windows(2).filter(|pair| pair[0].to_bits() != pair[1].to_bits()).count();
    if changes == 0 {
        out.push(CONSTANT);
        out.extend_from_slice(&first.to_bits().to_le_bytes());
        return;
    }
    if changes < values.len() / 32 && write_runs(out, values) {
        return;
    }
    if values.len() >= FEW {
        let with =
            |nearest| (0..=MOST_DIGITS).find_map(|digits| Some((digits as u8, decimals(values, digits, nearest)?)));
        let mut body = Vec::new();
        if let Some((digits, (whole, _))) = with(0) {
            body.push(DECIMALS + digits);
            write_whole(&mut body, &whole);
        } else if let Some((digits, (whole, off))) = with(NEAREST) {
            body.push(NEAR + digits);
            write_whole(&mut body, &whole);
            write_whole(&mut body, &off);
        } else {
            let packed = pack(values);
            body.push(FLOATS);
            put_number(&mut body, packed.len() as u64);
            body.extend_from_slice(&packed);
        }
        if body.len() < values.len() * 8 {
            out.extend_from_slice(&body);
            return;
        }
    }
    out.push(RAW);
    out.extend(values.iter().flat_map(|value| value.to_bits().to_le_bytes()));
}

/// Appends the distinct values, and runs of them; false when there are more than 128.
fn write_runs(out: &mut Vec<u8>, values: &[f64]) -> bool {
    let mut distinct: Vec<u64> = Vec::new();
    let mut runs: Vec<(usize, u64)> = Vec::new();
    for value in values {
        let bits = value.to_bits();
        let which = distinct.iter().position(|known| *known == bits).unwrap_or_else(|| {
            distinct.push(bits);
            distinct.len() - 1
        });
        if distinct.len() > 128 {
            return false;
        }
        match runs.last_mut() {
            Some((last, length)) if *last == which => *length += 1,
            _ => runs.push((which, 1)),
        }
    }
    out.push(RUNS);
    put_number(out, distinct.len() as u64);
    out.extend(distinct.iter().flat_map(|bits| bits.to_le_bytes()));
    put_number(out, runs.len() as u64);
    // Runs of two values alternate: only their lengths are written.
    for (which, length) in &runs {
        if distinct.len() > 2 {
            out.push(*which as u8);
        }
        put_number(out, *length);
    }
    true
}

fn read_runs(from: &mut Reader<'_>, count: usize) -> Result<Vec<f64>, Error> {
    let distinct: Vec<u64> = {
        let most = from.count(128)?;
        (0..most).map(|_| from.word()).collect::<Result<_, _>>()?
    };
    let runs = from.count(count)?;
    let mut values = Vec::with_capacity(count);
    for run in 0..runs {
        let which = if distinct.len() > 2 { usize::from(from.byte()?) } else { run % 2 };
        let length = from.count(count - values.len())?;
        let bits = distinct.get(which).ok_or_else(|| damaged("a run of an unknown value"))?;
        values.resize(values.len() + length, f64::from_bits(*bits));
    }
    if values.len() == count { Ok(values) } else { Err(damaged("runs that do not fill a column")) }
}

pub(crate) fn read_values(from: &mut Reader<'_>, count: usize) -> Result<Vec<f64>, Error> {
    if count == 0 {
        return Ok(Vec::new());
    }
    match from.byte()? {
        CONSTANT => Ok(vec![f64::from_bits(from.word()?); count]),
        RUNS => read_runs(from, count),
        RAW => (0..count).map(|_| from.word().map(f64::from_bits)).collect(),
        FLOATS => {
            let length = from.number()? as usize;
            unpack(from.bytes(length)?, count)
        }
        form if (DECIMALS..=DECIMALS + MOST_DIGITS as u8).contains(&form) => {
            let unit = 10_f64.powi(i32::from(form - DECIMALS));
            Ok(read_whole(from, count)?.into_iter().map(|whole| whole as f64 / unit).collect())
        }
        form if (NEAR..=NEAR + MOST_DIGITS as u8).contains(&form) => {
            let unit = 10_f64.powi(i32::from(form - NEAR));
            let (whole, off) = (read_whole(from, count)?, read_whole(from, count)?);
            let near =
                |(whole, off): (i64, i64)| f64::from_bits((whole as f64 / unit).to_bits().wrapping_add(off as u64));
            Ok(whole.into_iter().zip(off).map(near).collect())
        }
        _ => Err(damaged("a column of an unknown form")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn round(values: &[f64]) -> usize {
        let mut out = Vec::new();
        write_values(&mut out, values);
        let mut reader = Reader(&out);
        let back = read_values(&mut reader, values.len()).unwrap();
        assert!(reader.0.is_empty());
        assert_eq!(
            back.iter().map(|v| v.to_bits()).collect::<Vec<_>>(),
            values.iter().map(|v| v.to_bits()).collect::<Vec<_>>()
        );
        // No cut of it may be read as anything, nor panic.
        for cut in 0..out.len() {
            let _ = read_values(&mut Reader(&out[..cut]), values.len());
        }
        out.len()
    }

    #[test]
    fn each_form_comes_back_to_the_bit() {
        assert_eq!(round(&[]), 0);
        assert_eq!(round(&[7.25; 5000]), 9);
        assert!(round(&(0..4096).map(|i| f64::from(i / 700 % 2)).collect::<Vec<_>>()) < 40);
        assert!(round(&(0..4096).map(|i| f64::from(i / 300 % 5)).collect::<Vec<_>>()) < 100);
        assert!(round(&(0..1024).map(|i| f64::from(i * 7919 % 4001) / 100.0).collect::<Vec<_>>()) < 1024 * 2);
        assert!(round(&(0..1024).map(|i| f64::from(i).sqrt()).collect::<Vec<_>>()) < 1024 * 8);
        round(&[0.0, -0.0, f64::MAX, f64::MIN_POSITIVE, 1e-300, f64::INFINITY]);
        round(&(0..40).map(|i| if i % 2 == 0 { -0.0 } else { 1e18 }).collect::<Vec<_>>());
        round(&(0..40).map(|i| 1.0 / f64::from(i + 3)).collect::<Vec<_>>());
        let sums: Vec<f64> =
            (0..1024).map(|i| (0..10).map(|j| f64::from((i * 31 + j * 7919) % 4001) / 100.0).sum()).collect();
        assert!(round(&sums) < 1024 * 3);
    }

    #[test]
    fn whole_numbers_come_back() {
        for values in [vec![], vec![i64::MAX, i64::MIN, 0, -1], (0..5000).map(|i| i * i).collect()] {
            let mut out = Vec::new();
            write_whole(&mut out, &values);
            assert_eq!(read_whole(&mut Reader(&out), values.len()).unwrap(), values);
        }
    }

    #[test]
    fn a_packed_column_is_as_long_as_its_object_or_damaged() {
        for length in [FEW, 256, 257, 5000] {
            let values: Vec<i64> = (0..length as i64).map(|i| i * i).collect();
            let packed = pack(&values);
            assert_eq!(unpack::<i64>(&packed, length).unwrap(), values);
            for other in [0, 1, length - 1, length + 1, 2 * length] {
                assert!(matches!(unpack::<i64>(&packed, other), Err(Error::Damaged(_))), "{other} of {length}");
            }
            assert!(unpack::<i64>(&packed[..packed.len() - 1], length).is_err());
        }
    }
}

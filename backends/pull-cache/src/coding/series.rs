//! One column through time: what it will say next is predicted, and how far off that was is written.

use super::number::Form;
use super::range::{Bin, Code};
use crate::record::{Identity, Part};

/// Last value of a column.
#[derive(Clone, Debug)]
pub(super) struct Series {
    /// The last value, as a number of `form`.
    last: i64,
    /// The usual step of a total, or the mean of a quantile, in sixteenths.
    step: i64,
    /// The usual length of a difference, in sixteenths of a bit.
    size: u16,
    form: Form,
    /// That of the column's identity, which stands elsewhere in memory.
    part: Part,
    present: bool,
    /// How many differences `step` is made of; it settles after a few. For a quantile, how many exceptions there were since the
    /// last that was none.
    steps: u8,
}

impl Series {
    /// Returns a column of which nothing was said yet.
    pub(super) fn new(part: Part) -> Series {
        Series { last: 0, step: 0, size: 0, form: Form::NONE, part, present: false, steps: 0 }
    }
}

/// The sizes that are told apart.
const SIZES: usize = 80;
const PARTS: usize = 3;
/// A difference of fewer bits than these is written with learnt bins alone; of a longer one, the first two.
const SHORT: u32 = 6;

/// Likelihoods, learnt from all columns of a kind together.
#[derive(Clone, Debug)]
pub(super) struct Models {
    /// By whether the column, and the one before it, was present, and whether that has just changed.
    present: [[Bin; 8]; PARTS],
    /// By size, and by whether the column before was as predicted.
    exact: [[[Bin; 2]; SIZES]; PARTS],
    other_form: [Bin; PARTS],
    /// The length of a difference in bits less one, from its highest bit.
    length: [[[Bin; 64]; SIZES]; PARTS],
    /// The difference below its highest bit, by what is known of it.
    digits: [[[Bin; 64]; 65]; PARTS],
    before: Before,
}

/// The column before, in the same generation.
#[derive(Clone, Copy, Debug, Default)]
struct Before {
    present: bool,
    changed: bool,
    exact: bool,
}

impl Default for Models {
    fn default() -> Models {
        let bin = Bin::default();
        Models {
            present: [[bin; 8]; PARTS],
            exact: [[[bin; 2]; SIZES]; PARTS],
            other_form: [bin; PARTS],
            length: [[[bin; 64]; SIZES]; PARTS],
            digits: [[[bin; 64]; 65]; PARTS],
            before: Before::default(),
        }
    }
}

impl Models {
    /// A generation begins.
    pub(super) fn begin(&mut self) {
        self.before = Before::default();
    }

    /// Writes what the column says, or reads it: `given` is for the one who writes, what is returned for both.
    pub(super) fn point<C: Code>(
        &mut self,
        code: &mut C,
        series: &mut Series,
        identity: &Identity,
        given: Option<f64>,
    ) -> Option<f64> {
        let before = self.before;
        let kind = series.part;
        let part = kind as usize;
        let context = usize::from(series.present) | usize::from(before.present) << 1 | usize::from(before.changed) << 2;
        let present = code.bit(&mut self.present[part][context], given.is_some());
        self.before.present = present;
        self.before.changed = present != series.present;
        series.present = present;
        if !present {
            return None;
        }

        let predicted = series.predict(kind);
        let known = series.form != Form::NONE;
        // The identity stands elsewhere in memory: it is looked at only where the rate counts.
        let value_of = |form: Form, number| form.value(number, if form.is_rated() { identity.rate() } else { 1.0 });
        let is_predicted =
            |value: f64| series.form.is_settled(kind) && value_of(series.form, predicted).to_bits() == value.to_bits();
        // A reader sees `form` and `number` as nothing until the bits tell.
        let (form, number) = match given {
            Some(value) if !is_predicted(value) => {
                let rate = identity.rate();
                let form = series.form.next(series.form.value(series.last, rate), value, kind, rate);
                (form, form.find(value, rate).unwrap_or(0))
            }
            Some(_) => (series.form, predicted),
            None => (series.form, 0),
        };
        let size = series.context();
        let exact = known
            && code.bit(
                &mut self.exact[part][size][usize::from(before.exact)],
                form == series.form && number == predicted,
            );
        self.before.exact = exact;
        if exact {
            series.learn(predicted, 0, kind);
            return Some(value_of(series.form, predicted));
        }
        if !known || code.bit(&mut self.other_form[part], form != series.form) {
            let form = Form::of_number(code.bits(5, form.number()));
            let number = code.bits(64, number as u64) as i64;
            series.exception(form, number, kind);
            return Some(value_of(form, number));
        }
        // Small whichever the sign; never 0 here.
        let difference = number.wrapping_sub(predicted);
        let written = self.difference(code, part, size, ((difference << 1) ^ (difference >> 63)) as u64);
        let difference = (written >> 1) as i64 ^ -((written & 1) as i64);
        let number = predicted.wrapping_add(difference);
        series.learn(number, 64 - written.leading_zeros(), kind);
        Some(value_of(series.form, number))
    }

    fn difference<C: Code>(&mut self, code: &mut C, part: usize, size: usize, given: u64) -> u64 {
        let given_length = 63 - (given | 1).leading_zeros();
        let mut node = 1;
        for bit in (0..6).rev() {
            let bit = code.bit(&mut self.length[part][size][node], given_length >> bit & 1 == 1);
            node = node << 1 | usize::from(bit);
        }
        let length = (node & 63) as u32;
        let learnt = if length < SHORT { length } else { 2 };
        let mut value = 1u64;
        for bit in 0..learnt {
            let bins = &mut self.digits[part][length as usize];
            let bit = code.bit(&mut bins[value as usize & 63], given >> (length - 1 - bit) & 1 == 1);
            value = value << 1 | u64::from(bit);
        }
        let rest = length - learnt;
        if rest == 0 {
            return value;
        }
        let low = code.bits(rest, given & ((1 << rest) - 1));
        value << rest | low
    }
}

/// Number of quantiles that are no bucket's and are taken for exceptions.
const EXCEPTIONS: u8 = 3;

impl Series {
    /// A value in another form, which from now on is the form of the column, unless it is taken for an exception.
    fn exception(&mut self, form: Form, number: i64, part: Part) {
        if part == Part::Quantile && self.form.is_short() && !form.is_short() && self.steps < EXCEPTIONS {
            self.steps += 1;
            return;
        }
        let step = if part == Part::Quantile { number.clamp(-(1 << 57), 1 << 57) << 4 } else { 0 };
        *self = Series { last: number, step, form, part, size: 8 * 16, present: true, steps: 0 };
    }

    fn predict(&self, part: Part) -> i64 {
        match part {
            Part::Total => self.last.wrapping_add((self.step + 8) >> 4),
            // Near the mean, and of the last one's parity: middles of buckets are all odd.
            Part::Quantile if self.form.is_short() => {
                let off = ((self.step + 8) >> 4).wrapping_sub(self.last);
                self.last.wrapping_add(off & !1)
            }
            _ => self.last,
        }
    }

    /// Small sizes are told apart finely.
    fn context(&self) -> usize {
        let size = usize::from(self.size);
        if size < 64 { size >> 2 } else { (16 + ((size - 64) >> 4)).min(SIZES - 1) }
    }

    fn learn(&mut self, number: i64, length: u32, part: Part) {
        // A number that does not fit is not one that is added up; any prediction will do.
        let sixteenths = |n: i64| n.clamp(-(1 << 57), 1 << 57) << 4;
        match part {
            Part::Total => {
                let step = sixteenths(number.wrapping_sub(self.last));
                let weight = [0, 1, 2][usize::from(self.steps.min(2))];
                self.step += (step - self.step) >> weight;
                self.steps = self.steps.saturating_add(1);
            }
            Part::Quantile => {
                self.step += (sixteenths(number) - self.step) >> 2;
                self.steps = 0;
            }
            Part::Value => {}
        }
        self.last = number;
        self.size = (i32::from(self.size) + ((length as i32 * 16 - i32::from(self.size)) >> 2)).max(0) as u16;
    }
}

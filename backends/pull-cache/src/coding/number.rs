//! Values as whole numbers: most of what programs record is one in some unit, and differences of whole numbers are short.
//!
//! A [`Form`] says how a number stands for a value. A form is used only for values it gives back bit by bit.

use crate::record::Part;

/// Powers of ten that a float holds exactly.
const TENS: [f64; 13] = [1e0, 1e1, 1e2, 1e3, 1e4, 1e5, 1e6, 1e7, 1e8, 1e9, 1e10, 1e11, 1e12];
/// Whole numbers up to here are floats.
const EXACT: f64 = 9_007_199_254_740_992.0;

/// How a whole number stands for a value. The numbers of the forms are part of the format.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Form(u8);

/// How many forms there are.
const FORMS: u8 = 21;

impl Form {
    /// No value was seen yet.
    pub(super) const NONE: Form = Form(u8::MAX);
    /// All bits of the float.
    const BITS: Form = Form(0);
    /// Those of a shorter float.
    const BITS_32: Form = Form(1);
    /// Those of a float with up to five significant bits, as edges and middles of buckets are.
    const SHORT: Form = Form(2);
    /// Short form divided by a million: nanoseconds, in milliseconds.
    const SHORT_NANOS: Form = Form(3);
    /// Divided by 10⁰ … 10¹².
    const fn tenths(exponent: u8) -> Form {
        Form(4 + exponent)
    }
    /// Divided by the sample rate.
    const RATED: Form = Form(17);
    /// Nanoseconds, in milliseconds, divided by the sample rate.
    const RATED_NANOS: Form = Form(18);
    /// Times 2¹⁰, 2¹²: sizes of memory.
    const KIBI: Form = Form(19);
    const PAGES: Form = Form(20);

    pub(super) fn number(self) -> u64 {
        self.0.into()
    }

    pub(super) fn of_number(number: u64) -> Form {
        Form((number % u64::from(FORMS)) as u8)
    }

    /// Returns whether it is that of edges and middles of buckets.
    pub(super) fn is_short(self) -> bool {
        self == Form::SHORT || self == Form::SHORT_NANOS
    }

    fn is_bits(self) -> bool {
        self.0 < 4
    }

    /// Returns whether a value that this form can say stays in it, whatever others could.
    pub(super) fn is_settled(self, part: Part) -> bool {
        self != Form::NONE && self != Form::BITS && (part != Part::Quantile || self.is_short())
    }

    /// Returns whether the value of a number depends on the sample rate.
    pub(super) fn is_rated(self) -> bool {
        self == Form::RATED || self == Form::RATED_NANOS
    }

    /// The value that a number stands for.
    pub(super) fn value(self, n: i64, rate: f64) -> f64 {
        match self.0 {
            0 => f64::from_bits(n as u64),
            1 => f64::from_bits((n << 29) as u64),
            2 => f64::from_bits((n << 48) as u64),
            3 => f64::from_bits((n << 48) as u64) / 1e6,
            // Most totals.
            4 => n as f64,
            17 => n as f64 / rate,
            18 => n as f64 / 1e6 / rate,
            19 => n.wrapping_shl(10) as f64,
            20 => n.wrapping_shl(12) as f64,
            form => n as f64 / TENS[usize::from(form.saturating_sub(4)).min(12)],
        }
    }

    /// The number that stands for a value, if one does.
    pub(super) fn find(self, value: f64, rate: f64) -> Option<i64> {
        let short = |value: f64, shift: u32| {
            let bits = value.to_bits() as i64;
            (bits & ((1 << shift) - 1) == 0).then_some(bits >> shift)
        };
        let whole = |value: f64| (value.abs() <= EXACT).then(|| value.round() as i64);
        let n = match self.0 {
            0 => return Some(value.to_bits() as i64),
            1 => return short(value, 29),
            2 => return short(value, 48),
            3 => short((value * 1e6).round(), 48)?,
            17 => whole(value * rate)?,
            18 => whole(value * rate * 1e6)?,
            19 => whole(value / 1024.0)?,
            20 => whole(value / 4096.0)?,
            form if form < 17 => whole(value * TENS[usize::from(form - 4)])?,
            _ => return None,
        };
        (self.value(n, rate).to_bits() == value.to_bits()).then_some(n)
    }

    /// The form for a value of which the form in use cannot give it back.
    pub(super) fn choose(value: f64, part: Part, rate: f64) -> Form {
        const QUANTILE: [Form; 2] = [Form::SHORT_NANOS, Form::SHORT];
        const TOTAL: [Form; 3] = [Form::tenths(0), Form::RATED, Form::RATED_NANOS];
        const GAUGE: [Form; 2] = [Form::PAGES, Form::KIBI];
        let first: &[Form] = match part {
            Part::Quantile => &QUANTILE,
            Part::Total if rate != 1.0 => &TOTAL,
            // A small number is no size of memory.
            Part::Value if value.abs() >= 65536.0 => &GAUGE,
            _ => &[],
        };
        let tenths = (0..=12).map(Form::tenths);
        let mut forms = first.iter().copied().chain(tenths).chain([Form::BITS_32]);
        forms.find(|form| form.find(value, rate).is_some()).unwrap_or(Form::BITS)
    }

    /// The form for the next value, after one that was `last` in this form: this one, if it can say it and no other is better.
    pub(super) fn next(self, last: f64, value: f64, part: Part, rate: f64) -> Form {
        if self == Form::NONE || self.find(value, rate).is_none() {
            return Form::choose(value, part, rate);
        }
        // Most quantiles are those of buckets; one that is not must not change how all others are written.
        if part == Part::Quantile && !self.is_short() {
            let better = Form::choose(value, part, rate);
            return if better.is_short() { better } else { self };
        }
        if self == Form::BITS && last.to_bits() != value.to_bits() {
            let better = Form::choose(value, part, rate);
            if !better.is_bits() && better.find(last, rate).is_some() {
                return better;
            }
        }
        self
    }
}

//! Exact decimals: from the text that Prometheus sends to the quantity that is rated, without a float between.

use bigdecimal::num_bigint::BigInt;
use bigdecimal::{BigDecimal, One as _, RoundingMode, Zero as _};
use std::num::NonZeroU64;
use std::str::FromStr;

/// Digits to which CloudKitty rounds after each step, half up.
const DIGITS: NonZeroU64 = NonZeroU64::new(9).unwrap();

/// Characters that a number may have. The longest decimal form of a float that is exact has fewer than 800.
const MAX_CHARS: usize = 1_100;

/// Largest power of ten that a number may be scaled by; floats end at 324.
const MAX_EXPONENT: i64 = 1_100;

/// Why a sample's text is no number that can be rated.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum NotANumber {
    /// `NaN`.
    NaN,
    /// `+Inf` or `-Inf`.
    Infinite,
    /// Some other text.
    Malformed,
}

impl std::fmt::Display for NotANumber {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            NotANumber::NaN => "NaN",
            NotANumber::Infinite => "an infinity",
            NotANumber::Malformed => "not a number",
        })
    }
}

impl std::error::Error for NotANumber {}

/// Parses the text of a sample, all digits of it.
///
/// # Errors
/// NaN, an infinity, and every other text that is no decimal number of the size of a float.
///
/// ```
/// use ferrometer_collector::number::{NotANumber, parse, text};
///
/// assert_eq!(text(&parse("1.073741824e+09").unwrap()), "1073741824");
/// assert_eq!(parse("+Inf"), Err(NotANumber::Infinite));
/// ```
pub fn parse(text: &str) -> Result<BigDecimal, NotANumber> {
    let unsigned = text.strip_prefix(['+', '-']).unwrap_or(text);
    if unsigned.eq_ignore_ascii_case("nan") {
        return Err(NotANumber::NaN);
    }
    if unsigned.eq_ignore_ascii_case("inf") || unsigned.eq_ignore_ascii_case("infinity") {
        return Err(NotANumber::Infinite);
    }
    let (mantissa, exponent) = unsigned.split_once(['e', 'E']).unwrap_or((unsigned, "0"));
    let digits = mantissa.bytes().filter(u8::is_ascii_digit).count();
    let dots = mantissa.bytes().filter(|b| *b == b'.').count();
    let well_formed = text.len() <= MAX_CHARS && digits > 0 && dots <= 1 && digits + dots == mantissa.len();
    let exponent = exponent.parse::<i64>().map_err(|_| NotANumber::Malformed)?;
    if !well_formed || exponent.abs() > MAX_EXPONENT {
        return Err(NotANumber::Malformed);
    }
    BigDecimal::from_str(text.strip_prefix('+').unwrap_or(text)).map_err(|_| NotANumber::Malformed)
}

/// Writes a number without trailing zeros: plainly where that is short, with an exponent else. Valid in JSON.
#[must_use]
pub fn text(number: &BigDecimal) -> String {
    if number.is_zero() {
        return "0".into();
    }
    let number = number.normalized();
    let (_, scale) = number.as_bigint_and_exponent();
    if (-30..=60).contains(&scale) { number.to_plain_string() } else { number.to_scientific_notation() }
}

/// Rounds to nine digits, half away from zero, as CloudKitty does after each step.
fn rounded(number: &BigDecimal) -> BigDecimal {
    number.with_precision_round(DIGITS, RoundingMode::HalfUp)
}

/// A factor or an offset: a number, or a fraction such as `1/1048576`.
#[derive(Debug, Clone, PartialEq)]
pub struct Ratio {
    numerator: BigDecimal,
    denominator: BigDecimal,
    upstream: BigDecimal,
}

impl Ratio {
    /// Parses `2`, `0.5`, `1e3` or `1/3`; `is_integer` numbers are exact everywhere, all others pass through a float upstream.
    ///
    /// # Errors
    /// `None` if the text is none of these, or divides by zero.
    #[must_use]
    pub fn parse(text: &str) -> Option<Ratio> {
        let (numerator, denominator) = match text.split_once('/') {
            Some((n, d)) => {
                let whole = |t: &str| BigInt::from_str(t.trim()).ok().filter(|_| t.len() <= 100).map(BigDecimal::from);
                (whole(n)?, whole(d)?)
            }
            None => (parse(text.trim()).ok()?, BigDecimal::from(1)),
        };
        if denominator.is_zero() {
            return None;
        }
        let value = &numerator / &denominator;
        let upstream = if denominator.is_one() && numerator.is_integer() && !text.contains(['.', 'e', 'E']) {
            numerator.clone()
        } else {
            // CloudKitty makes a float of it, and the decimal that the float's bits are.
            let float: f64 = value.to_scientific_notation().parse().ok().filter(|f: &f64| f.is_finite())?;
            BigDecimal::try_from(float).ok()?
        };
        Some(Ratio { numerator, denominator, upstream })
    }

    /// Returns a whole number as a ratio.
    #[must_use]
    pub fn whole(number: i64) -> Ratio {
        let number = BigDecimal::from(number);
        Ratio { upstream: number.clone(), numerator: number, denominator: BigDecimal::from(1) }
    }
}

/// Function that is applied to a quantity after its unit has been converted.
#[derive(Debug, Clone, PartialEq, Default)]
#[non_exhaustive]
pub enum Mutate {
    /// Leaves it.
    #[default]
    None,
    /// 1 for everything but 0.
    NumBool,
    /// 1 for 0, else 0.
    NotNumBool,
    /// Rounds down.
    Floor,
    /// Rounds up.
    Ceil,
    /// Looks it up; 0 for what is not listed.
    Map(Vec<(BigDecimal, BigDecimal)>),
}

impl Mutate {
    fn apply(&self, number: BigDecimal) -> BigDecimal {
        let bool = |value: bool| BigDecimal::from(u8::from(value));
        match self {
            Mutate::None => number,
            Mutate::NumBool => bool(!number.is_zero()),
            Mutate::NotNumBool => bool(number.is_zero()),
            Mutate::Floor => number.with_scale_round(0, RoundingMode::Floor),
            Mutate::Ceil => number.with_scale_round(0, RoundingMode::Ceiling),
            Mutate::Map(map) => {
                map.iter().find(|(from, _)| *from == number).map_or_else(BigDecimal::zero, |(_, to)| to.clone())
            }
        }
    }
}

/// Conversion of a sample to a quantity: `mutate(sample × factor + offset)`.
#[derive(Debug, Clone, PartialEq)]
pub struct Conversion {
    /// Factor of the unit conversion.
    pub factor: Ratio,
    /// Offset, added after the factor.
    pub offset: Ratio,
    /// Function applied last.
    pub mutate: Mutate,
}

impl Conversion {
    /// Converts a sample: to nine digits after each step as CloudKitty does, or with all digits.
    ///
    /// With all digits, a quotient that has no finite decimal form is cut after a hundred digits.
    ///
    /// ```
    /// use ferrometer_collector::number::{Conversion, Mutate, Ratio, parse, text};
    ///
    /// let to_gib = Conversion { factor: Ratio::parse("1/1073741824").unwrap(), offset: Ratio::whole(0), mutate: Mutate::None };
    /// let sample = parse("1234567890123").unwrap();
    /// assert_eq!(text(&to_gib.apply(&sample, false)), "1149.78095");
    /// assert_eq!(text(&to_gib.apply(&sample, true)), "1149.780945966951549053192138671875");
    /// ```
    #[must_use]
    pub fn apply(&self, sample: &BigDecimal, precise: bool) -> BigDecimal {
        let converted = if precise {
            let scaled = sample * &self.factor.numerator;
            let scaled = divided(scaled, &self.factor.denominator);
            scaled + divided(self.offset.numerator.clone(), &self.offset.denominator)
        } else {
            let scaled = rounded(&(rounded(sample) * &self.factor.upstream));
            rounded(&(scaled + &self.offset.upstream))
        };
        self.mutate.apply(converted)
    }
}

fn divided(number: BigDecimal, by: &BigDecimal) -> BigDecimal {
    if by.is_one() { number } else { number / by }
}

//! Aggregation methods: which number is kept of the points of a bucket.

use crate::Error;
use std::fmt;
use std::str::FromStr;

/// A number computed from the values of one bucket.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Kind {
    /// The arithmetic mean.
    Mean,
    /// The sum, summed with compensation and rounded once.
    Sum,
    /// The value with the latest time stamp.
    Last,
    /// The largest value.
    Max,
    /// The smallest value.
    Min,
    /// The standard deviation of a sample (n − 1); absent in a bucket of one point.
    Std,
    /// The value in the middle, or the mean of the two.
    Median,
    /// The value with the earliest time stamp.
    First,
    /// The number of values.
    Count,
    /// The percentile, 1 to 99, interpolated linearly between order statistics.
    Percentile(u8),
}

const PLAIN: [(Kind, &str); 9] = [
    (Kind::Mean, "mean"),
    (Kind::Sum, "sum"),
    (Kind::Last, "last"),
    (Kind::Max, "max"),
    (Kind::Min, "min"),
    (Kind::Std, "std"),
    (Kind::Median, "median"),
    (Kind::First, "first"),
    (Kind::Count, "count"),
];

/// An aggregation method: a [`Kind`] over the values, or over the differences of consecutive points (`rate:`).
///
/// ```
/// use ferrometer_archive::Method;
/// let method: Method = "rate:95pct".parse().unwrap();
/// assert!(method.rate);
/// assert_eq!(method.to_string(), "rate:95pct");
/// assert!("100pct".parse::<Method>().is_err());
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Method {
    /// True for a method over the differences of consecutive raw points. A difference belongs to the bucket of its later point.
    pub rate: bool,
    /// The number that is kept.
    pub kind: Kind,
}

impl Method {
    /// Returns the method over plain values.
    pub const fn of(kind: Kind) -> Method {
        Method { rate: false, kind }
    }

    /// Returns every method there is, 216 of them.
    pub fn all() -> impl Iterator<Item = Method> {
        [false, true].into_iter().flat_map(|rate| {
            PLAIN
                .iter()
                .map(|(kind, _)| *kind)
                .chain((1..=99).map(Kind::Percentile))
                .map(move |kind| Method { rate, kind })
        })
    }

    /// Returns the number that stands for this method in an object: below 128 plain, above `rate:`.
    pub(crate) fn code(self) -> u8 {
        let kind = match self.kind {
            Kind::Percentile(rank) => 9 + rank,
            plain => PLAIN.iter().position(|(kind, _)| *kind == plain).unwrap_or(0) as u8,
        };
        kind | u8::from(self.rate) << 7
    }

    /// Returns the method that [`code`](Method::code) stands for.
    pub(crate) fn from_code(code: u8) -> Option<Method> {
        let kind = match code & 0x7f {
            plain @ 0..=8 => PLAIN[usize::from(plain)].0,
            rank @ 10..=108 => Kind::Percentile(rank - 9),
            _ => return None,
        };
        Some(Method { rate: code & 0x80 != 0, kind })
    }
}

impl fmt::Display for Method {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.rate {
            f.write_str("rate:")?;
        }
        match self.kind {
            Kind::Percentile(rank) => write!(f, "{rank}pct"),
            plain => f.write_str(PLAIN.iter().find(|(kind, _)| *kind == plain).map_or("", |(_, name)| name)),
        }
    }
}

impl FromStr for Method {
    type Err = Error;

    fn from_str(text: &str) -> Result<Method, Error> {
        let (rate, name) = match text.strip_prefix("rate:") {
            Some(name) => (true, name),
            None => (false, text),
        };
        let plain = PLAIN.iter().find(|(_, known)| *known == name).map(|(kind, _)| *kind);
        let kind = plain.or_else(|| {
            let rank = name.strip_suffix("pct")?;
            let number: u8 = rank.parse().ok()?;
            ((1..=99).contains(&number) && !rank.starts_with(['0', '+'])).then_some(Kind::Percentile(number))
        });
        match kind {
            Some(kind) => Ok(Method { rate, kind }),
            None => Err(Error::Invalid(format!(
                "unknown aggregation method `{text}`: known are mean, sum, last, max, min, std, median, first, count, 1pct to 99pct, and each with `rate:` before it"
            ))),
        }
    }
}

/// Methods of a policy that names none.
pub const DEFAULT_METHODS: [Kind; 6] = [Kind::Mean, Kind::Min, Kind::Max, Kind::Sum, Kind::Std, Kind::Count];

/// Returns the methods that a list of names asks for, sorted: plain names, `-x` and `+x` (from the default ones where the list has
/// nothing else), and `*` for all.
///
/// # Errors
/// [`Error::Invalid`] for a name that is no method.
pub fn resolve<T: AsRef<str>>(names: &[T]) -> Result<Vec<Method>, Error> {
    let mut methods: Vec<Method> = Vec::new();
    let relative = |name: &str| name.starts_with(['-', '+']);
    if names.iter().any(|name| name.as_ref() == "*") {
        methods.extend(Method::all());
    } else if names.iter().all(|name| relative(name.as_ref())) {
        methods.extend(DEFAULT_METHODS.map(Method::of));
    } else {
        for name in names.iter().map(AsRef::as_ref).filter(|name| !relative(name)) {
            methods.push(name.parse()?);
        }
    }
    for name in names.iter().map(AsRef::as_ref) {
        if let Some(taken) = name.strip_prefix('-') {
            let taken: Method = taken.parse()?;
            methods.retain(|method| *method != taken);
        } else if let Some(added) = name.strip_prefix('+') {
            methods.push(added.parse()?);
        }
    }
    methods.sort_unstable();
    methods.dedup();
    Ok(methods)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_method_is_read_back_from_its_name_and_code() {
        let all: Vec<Method> = Method::all().collect();
        assert_eq!(all.len(), 216);
        for method in all {
            assert_eq!(method.to_string().parse::<Method>().unwrap(), method);
            assert_eq!(Method::from_code(method.code()), Some(method));
        }
    }

    #[test]
    fn lists_add_to_and_take_from_the_default_ones() {
        let names = |list: &[&str]| resolve(list).unwrap().iter().map(ToString::to_string).collect::<Vec<_>>();
        assert_eq!(names(&[]), ["mean", "sum", "max", "min", "std", "count"]);
        assert_eq!(names(&["-mean", "+last"]), ["sum", "last", "max", "min", "std", "count"]);
        assert_eq!(names(&["max", "-max", "min"]), ["min"]);
        assert_eq!(names(&["*", "-rate:1pct"]).len(), 215);
        for wrong in ["", "0pct", "100pct", "01pct", "rate:rate:mean", "Mean", "-"] {
            assert!(resolve(&[wrong]).is_err(), "{wrong}");
        }
    }
}

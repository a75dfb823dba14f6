//! The upper bounds of classic histograms' buckets, as a configuration gives them.

use std::fmt;
use std::sync::Arc;

/// Upper bounds of the buckets of a classic histogram, without `+Inf`, which is always there.
///
/// ```
/// use ferrometer_prometheus::Buckets;
///
/// let buckets = Buckets::new([0.005, 0.05, 0.5])?;
/// assert_eq!(buckets.bounds(), [0.005, 0.05, 0.5]);
/// assert_eq!(Buckets::new([1.0, 1.0]).unwrap_err().to_string(), "1 comes after 1: bounds rise");
/// # Ok::<(), ferrometer_prometheus::InvalidBuckets>(())
/// ```
#[derive(Clone, Debug, PartialEq)]
pub struct Buckets(Arc<[f64]>);

// All bounds are finite.
impl Eq for Buckets {}

impl Buckets {
    /// The most bounds that a histogram can have.
    pub const MAX: usize = 200;

    /// Takes 1 to [`MAX`](Buckets::MAX) finite bounds in rising order.
    ///
    /// # Errors
    /// [`InvalidBuckets`]: there are none or too many, one is not finite, or they do not rise.
    pub fn new(bounds: impl Into<Vec<f64>>) -> Result<Buckets, InvalidBuckets> {
        let bounds: Vec<f64> = bounds.into();
        let refuse = |why: String| Err(InvalidBuckets(why));
        if bounds.is_empty() || bounds.len() > Buckets::MAX {
            return refuse(format!("{} bounds: there are 1 to {}", bounds.len(), Buckets::MAX));
        }
        if let Some(bound) = bounds.iter().find(|bound| !bound.is_finite()) {
            return refuse(format!("{bound} is not a finite number"));
        }
        if let Some(pair) = bounds.windows(2).find(|pair| pair[0] >= pair[1]) {
            return refuse(format!("{} comes after {}: bounds rise", pair[1], pair[0]));
        }
        Ok(Buckets(bounds.into()))
    }

    /// Returns the bounds, in rising order.
    #[must_use]
    pub fn bounds(&self) -> &[f64] {
        &self.0
    }
}

/// The reason why bounds cannot be those of a histogram.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct InvalidBuckets(String);

impl fmt::Display for InvalidBuckets {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for InvalidBuckets {}

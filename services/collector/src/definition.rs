//! One definition of `metrics.yml`: a metric, and how it is collected.

use crate::expression::Expression;
use crate::number::Conversion;

/// How the samples of a period, and then the series of a group, become one number.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
#[non_exhaustive]
pub enum Method {
    /// Mean.
    Avg,
    /// Number of samples, and then of series.
    Count,
    /// Largest.
    #[default]
    Max,
    /// Smallest.
    Min,
    /// Population standard deviation.
    Stddev,
    /// Population variance.
    Stdvar,
    /// Sum.
    Sum,
}

impl Method {
    /// All methods, in the order of [`METHODS`](Self::NAMES).
    pub const ALL: &'static [Method] =
        &[Method::Avg, Method::Count, Method::Max, Method::Min, Method::Stddev, Method::Stdvar, Method::Sum];

    /// Names of all methods, as files and PromQL write them.
    pub const NAMES: &'static [&'static str] = &["avg", "count", "max", "min", "stddev", "stdvar", "sum"];

    /// Returns the name, as files and PromQL write it.
    #[must_use]
    pub fn name(self) -> &'static str {
        Self::NAMES[self as usize]
    }
}

/// Functions that may be applied to the aggregate of each series.
pub const QUERY_FUNCTIONS: &[&str] = &["abs", "ceil", "exp", "floor", "ln", "log2", "log10", "round", "sqrt"];

/// Functions of a range that may take the place of `…_over_time`. Prometheus has no `irange`, which CloudKitty lists too.
pub const RANGE_FUNCTIONS: &[&str] = &["changes", "delta", "deriv", "idelta", "irange", "irate", "rate"];

/// A metric that is collected, and how.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub struct Definition {
    /// Name of the metric in Prometheus.
    pub metric: String,
    /// Name that data points have instead.
    pub alt_name: Option<String>,
    /// Unit of the quantity.
    pub unit: String,
    /// Text for people.
    pub description: Option<String>,
    /// Labels that quantities are grouped by, the scope's key left out.
    pub groupby: Vec<String>,
    /// Place of the scope's key among `groupby`, where the file names it there.
    pub scope_at: Option<usize>,
    /// Labels that are carried along.
    pub metadata: Vec<String>,
    /// Conversion of samples to quantities.
    pub conversion: Conversion,
    /// Aggregation over the period, and over the series of a group.
    pub method: Method,
    /// One of [`QUERY_FUNCTIONS`].
    pub query_function: Option<&'static str>,
    /// One of [`RANGE_FUNCTIONS`].
    pub range_function: Option<&'static str>,
    /// PromQL in front of the query.
    pub query_prefix: String,
    /// PromQL behind the query.
    pub query_suffix: String,
    /// Data points for which this holds are left out.
    pub skip: Option<Expression>,
}

impl Definition {
    /// Returns the name that data points carry.
    #[must_use]
    pub fn name(&self) -> &str {
        self.alt_name.as_deref().unwrap_or(&self.metric)
    }

    /// Returns the name by which CloudKitty tells definitions apart: `metric`, or `metric@#alt_name`.
    #[must_use]
    pub fn key(&self) -> String {
        match &self.alt_name {
            Some(alt) => format!("{}@#{alt}", self.metric),
            None => self.metric.clone(),
        }
    }
}

//! Moments at which a query is evaluated.

/// Moments at which a query is evaluated, in seconds since 1970.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum When {
    /// One moment.
    At(i64),
    /// Every `step` seconds from `start` to `end`, both included.
    Every {
        /// First moment.
        start: i64,
        /// Last moment.
        end: i64,
        /// Distance in seconds.
        step: u32,
    },
}

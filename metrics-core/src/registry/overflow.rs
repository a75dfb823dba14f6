//! Refusals: names that found no place, counted by cause. A table that is full is remembered as such, so that the next caller need not take a lock to
//! be told.

use crate::sync::AtomicU64;
use crate::sync::Ordering::Relaxed;
use crate::sync::reentrancy;
use std::sync::atomic::AtomicUsize;

/// Refusals by cause, countable without a lock.
pub(super) struct Refusals {
    pub(super) loggers: AtomicU64,
    pub(super) instruments: AtomicU64,
    pub(super) distributions: AtomicU64,
    pub(super) label_sets: AtomicU64,
    pub(super) long_names: AtomicU64,
    pub(super) view_words: AtomicU64,
    pub(super) exemplars: AtomicU64,
    pub(super) bad_rates: AtomicU64,
    pub(super) bad_rate_example: AtomicU64,
}

pub(super) static REFUSED: Refusals = Refusals {
    loggers: AtomicU64::new(0),
    instruments: AtomicU64::new(0),
    distributions: AtomicU64::new(0),
    label_sets: AtomicU64::new(0),
    long_names: AtomicU64::new(0),
    view_words: AtomicU64::new(0),
    exemplars: AtomicU64::new(0),
    bad_rates: AtomicU64::new(0),
    bad_rate_example: AtomicU64::new(0),
};

/// Full tables: one bit for each kind's cells, and these.
static FULL: AtomicUsize = AtomicUsize::new(0);
pub(super) const FULL_LOGGERS: usize = 1 << 8;
pub(super) const FULL_LABEL_SETS: usize = 1 << 9;
/// The table of distributions is, whatever `max_instruments` allows.
pub(super) const FULL_DISTRIBUTIONS: usize = 1 << 10;

pub(super) fn mark_full(bit: usize) {
    FULL.fetch_or(bit, Relaxed);
}

/// Forgets, under new limits.
pub(super) fn nothing_is_full() {
    FULL.store(0, Relaxed);
}

pub(super) fn is_full(bit: usize) -> bool {
    FULL.load(Relaxed) & bit != 0
}

pub(super) fn refuse(counter: &AtomicU64) {
    counter.fetch_add(1, Relaxed);
}

/// How many times something found no place, by what was full. The recordings themselves are in the overflow series.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
#[non_exhaustive]
pub struct Refused {
    /// Loggers past `max_loggers`.
    pub loggers: u64,
    /// Instruments past `max_instruments`.
    pub instruments: u64,
    /// Timers and histograms past [`Limits::MAX_DISTRIBUTIONS`](crate::Limits::MAX_DISTRIBUTIONS).
    pub distributions: u64,
    /// Label sets past `max_label_sets`.
    pub label_sets: u64,
    /// Names, or all labels of one logger together, longer than [`MAX_RAW_BYTES`](crate::naming::name::MAX_RAW_BYTES).
    pub long_names: u64,
    /// Metrics whose unit, description or buckets of a view were left out: past the 1,024th different ones.
    pub view_words: u64,
    /// Series that were to have exemplars and have none: past `max_exemplars`.
    pub exemplars: u64,
    /// Sample rates outside (0, 1], recorded unsampled.
    pub bad_rates: u64,
    /// The last such rate.
    pub bad_rate_example: f64,
    /// Recordings that were turned away: they came from within a registration (an allocator that records), or had to wait for a fork that takes long.
    pub reentrant: u64,
}

/// How many registrations found no place so far.
///
/// ```
/// # use ferrometer_core as ferrometer;
/// ferrometer::get_logger("shop").sampled(7.0).send_counter("sold", 1);
/// let refused = ferrometer::refused();
/// if refused.bad_rates > 0 {
///     eprintln!("{} calls had a sample rate like {}", refused.bad_rates, refused.bad_rate_example);
/// }
/// ```
#[must_use]
pub fn refused() -> Refused {
    let of = |counter: &AtomicU64| counter.load(Relaxed);
    Refused {
        loggers: of(&REFUSED.loggers),
        instruments: of(&REFUSED.instruments),
        distributions: of(&REFUSED.distributions),
        label_sets: of(&REFUSED.label_sets),
        long_names: of(&REFUSED.long_names),
        view_words: of(&REFUSED.view_words),
        exemplars: of(&REFUSED.exemplars),
        bad_rates: of(&REFUSED.bad_rates),
        bad_rate_example: f64::from_bits(of(&REFUSED.bad_rate_example)),
        reentrant: reentrancy::turned_away(),
    }
}

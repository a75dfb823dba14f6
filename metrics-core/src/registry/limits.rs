//! The numbers that bound memory.

use crate::storage::cell_address::{self, MAX_SCALARS};
use crate::storage::exemplar_slots::MAX_SLOTS;
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};

/// Slots kept for the overflow series and ferrometer's own metrics, beyond every cap.
pub(crate) const RESERVED: usize = 1024;
/// The largest number of series that [`Limits::max_instruments`] can ask for.
const MAX_SERIES: usize = MAX_SCALARS - RESERVED;

/// Upper bounds on everything ferrometer allocates. Past a limit recordings go to the overflow series of their kind, or to cells that threads
/// share; they are counted, never lost.
///
/// ```
/// # use ferrometer_core as ferrometer;
/// use ferrometer::Limits;
///
/// let limits = Limits::default().max_threads(64).max_cell_bytes(16 << 20);
/// assert!(limits.max_bytes(1) < Limits::DEFAULT.max_bytes(1));
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Limits {
    /// Loggers, labels not counted. Default 4,096.
    pub max_loggers: usize,
    /// Series: instruments, times label sets, times rates. Default 10,000, at most 1,047,424, of which [`MAX_DISTRIBUTIONS`](Limits::MAX_DISTRIBUTIONS)
    /// can be timers and histograms.
    pub max_instruments: usize,
    /// Loggers with labels. Default 8,192.
    pub max_label_sets: usize,
    /// Threads with cells of their own; more threads share. Default 512.
    pub max_threads: usize,
    /// Bytes of the cells and chunks of all threads together; beyond it threads share. Default 64 MiB.
    pub max_cell_bytes: usize,
    /// Single timer values a thread holds between two collections, a power of two. Default 8,192.
    pub timer_chunk: usize,
    /// Single timer values held for one backend between two of its intervals. Default 262,144.
    pub max_held_values: usize,
    /// Places for exemplars: a counter that has them takes one, a timer or histogram 16. Default 8,192, at most 65,536.
    pub max_exemplars: usize,
}

impl Limits {
    /// The defaults.
    pub const DEFAULT: Limits = Limits {
        max_loggers: 4096,
        max_instruments: 10_000,
        max_label_sets: 8192,
        max_threads: 512,
        max_cell_bytes: 64 << 20,
        timer_chunk: 8192,
        max_held_values: 262_144,
        max_exemplars: 8192,
    };

    /// The most timers and histograms there can be, label sets and rates counted, whatever `max_instruments` allows: 15,232. No limit sets it.
    pub const MAX_DISTRIBUTIONS: usize = cell_address::MAX_DISTRIBUTIONS - RESERVED;

    /// Sets the largest number of loggers; see [the field](Limits::max_loggers).
    #[must_use]
    pub const fn max_loggers(mut self, most: usize) -> Limits {
        self.max_loggers = most;
        self
    }

    /// Sets the largest number of series; see [the field](Limits::max_instruments).
    #[must_use]
    pub const fn max_instruments(mut self, most: usize) -> Limits {
        self.max_instruments = most;
        self
    }

    /// Sets the largest number of loggers with labels; see [the field](Limits::max_label_sets).
    #[must_use]
    pub const fn max_label_sets(mut self, most: usize) -> Limits {
        self.max_label_sets = most;
        self
    }

    /// Sets the largest number of threads with cells of their own; see [the field](Limits::max_threads).
    #[must_use]
    pub const fn max_threads(mut self, most: usize) -> Limits {
        self.max_threads = most;
        self
    }

    /// Sets the largest number of bytes of the cells of all threads; see [the field](Limits::max_cell_bytes).
    #[must_use]
    pub const fn max_cell_bytes(mut self, most: usize) -> Limits {
        self.max_cell_bytes = most;
        self
    }

    /// Sets the largest number of single timer values a thread holds; see [the field](Limits::timer_chunk).
    #[must_use]
    pub const fn timer_chunk(mut self, most: usize) -> Limits {
        self.timer_chunk = most;
        self
    }

    /// Sets the largest number of single timer values held for a backend; see [the field](Limits::max_held_values).
    #[must_use]
    pub const fn max_held_values(mut self, most: usize) -> Limits {
        self.max_held_values = most;
        self
    }

    /// Sets the largest number of places for exemplars; see [the field](Limits::max_exemplars).
    #[must_use]
    pub const fn max_exemplars(mut self, most: usize) -> Limits {
        self.max_exemplars = most;
        self
    }

    /// Returns these limits with out-of-range values clamped to the nearest allowed value.
    ///
    /// ```
    /// # use ferrometer_core as ferrometer;
    /// let limits = ferrometer::Limits::default().timer_chunk(1000).clamped();
    /// assert_eq!(limits.timer_chunk, 1024);
    /// ```
    #[must_use]
    pub fn clamped(self) -> Limits {
        Limits {
            max_instruments: self.max_instruments.min(MAX_SERIES),
            timer_chunk: self.timer_chunk.clamp(1, 1 << 20).next_power_of_two(),
            max_exemplars: self.max_exemplars.min(MAX_SLOTS),
            ..self
        }
    }
}

/// Those in force, in the order of the fields: a recording that asks for one waits for nobody.
static CURRENT: [AtomicUsize; 8] = {
    let d = Limits::DEFAULT;
    [
        AtomicUsize::new(d.max_loggers),
        AtomicUsize::new(d.max_instruments),
        AtomicUsize::new(d.max_label_sets),
        AtomicUsize::new(d.max_threads),
        AtomicUsize::new(d.max_cell_bytes),
        AtomicUsize::new(d.timer_chunk),
        AtomicUsize::new(d.max_held_values),
        AtomicUsize::new(d.max_exemplars),
    ]
};

/// Returns the limits in force. Asked on cold paths alone.
pub(crate) fn current() -> Limits {
    let all = CURRENT.each_ref().map(|limit| limit.load(Relaxed));
    let [max_loggers, max_instruments, max_label_sets, max_threads, max_cell_bytes, timer_chunk, rest @ ..] = all;
    let [max_held_values, max_exemplars] = rest;
    Limits {
        max_loggers,
        max_instruments,
        max_label_sets,
        max_threads,
        max_cell_bytes,
        timer_chunk,
        max_held_values,
        max_exemplars,
    }
}

pub(crate) fn set_current(limits: Limits) {
    let l = limits;
    let all = [
        l.max_loggers,
        l.max_instruments,
        l.max_label_sets,
        l.max_threads,
        l.max_cell_bytes,
        l.timer_chunk,
        l.max_held_values,
        l.max_exemplars,
    ];
    CURRENT.iter().zip(all).for_each(|(limit, new)| limit.store(new, Relaxed));
}

impl Default for Limits {
    fn default() -> Limits {
        Limits::DEFAULT
    }
}

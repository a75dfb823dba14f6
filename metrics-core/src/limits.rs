//! The numbers that bound memory.

use crate::bucket::Scheme;
use crate::cells::{DistCell, MAX_DISTRIBUTIONS, ScalarCell, Slab};
use crate::name::MAX_RAW_BYTES;
use crate::registry::MAX_SERIES;
use crate::ring::Ring;

/// How much there may be of what. Past a limit recordings go to the overflow series of their kind, or to cells that threads
/// share; they are counted, never lost.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Loggers, labels not counted. Default 4,096.
    pub max_loggers: usize,
    /// Series in all: instruments, times label sets, times rates. Default 10,000, at most 130,048.
    pub max_instruments: usize,
    /// Loggers with labels. Default 8,192.
    pub max_label_sets: usize,
    /// Threads with cells of their own; more threads share. Default 512.
    pub max_threads: usize,
    /// Bytes of the cells and chunks of all threads together; beyond it threads share. Default 64 MiB.
    pub max_cell_bytes: usize,
    /// Single timer values a thread holds between two collections, a power of two. Default 4,096.
    pub timer_chunk: usize,
    /// Single timer values held for one backend between two of its intervals. Default 262,144.
    pub max_held_values: usize,
}

impl Limits {
    /// The defaults.
    pub const DEFAULT: Limits = Limits {
        max_loggers: 4096,
        max_instruments: 10_000,
        max_label_sets: 8192,
        max_threads: 512,
        max_cell_bytes: 64 << 20,
        timer_chunk: 4096,
        max_held_values: 262_144,
    };

    /// The same, with what cannot be brought to the nearest that can.
    #[must_use]
    pub fn clamped(self) -> Limits {
        Limits {
            max_instruments: self.max_instruments.min(MAX_SERIES),
            timer_chunk: self.timer_chunk.clamp(1, 1 << 20).next_power_of_two(),
            ..self
        }
    }

    /// The most memory the recording side takes, in bytes: cells, registry, snapshots in flight and held values, for
    /// `backends` backends. What a backend keeps for itself (generations, buffers) comes on top.
    #[must_use]
    pub fn max_bytes(&self, backends: usize) -> usize {
        let l = self.clamped();
        let dists = l.max_instruments.min(MAX_DISTRIBUTIONS);
        let dist_bytes = DistCell::bytes(Scheme::Float);
        // Names are bounded singly; a registry full of longest names is the worst case and counted as such.
        let registry = (l.max_loggers + l.max_label_sets * 3 + l.max_instruments * 2)
            .saturating_mul(MAX_RAW_BYTES + 256);
        let shared = l.max_instruments * size_of::<ScalarCell>() + dists * dist_bytes + Slab::bytes();
        let collected = l.max_instruments * 128 + dists * dist_bytes;
        let per_backend = l.max_held_values * 16 * 2 + collected * 2;
        [l.max_cell_bytes, Ring::bytes(0), registry, shared, collected * 2, per_backend.saturating_mul(backends)]
            .into_iter()
            .fold(0, usize::saturating_add)
    }
}

impl Default for Limits {
    fn default() -> Limits {
        Limits::DEFAULT
    }
}

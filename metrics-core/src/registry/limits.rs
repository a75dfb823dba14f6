//! The numbers that bound memory.

use crate::collect::sample_batch::BatchPool;
use crate::deliver::mailbox::MAX_SEGMENTS;
use crate::naming::name::{MAX_LABELS, MAX_RAW_BYTES};
use crate::registry::MAX_SERIES;
use crate::storage::bucket::Scheme;
use crate::storage::cell_address::MAX_DISTRIBUTIONS;
use crate::storage::histogram_cell::OwnDist;
use crate::storage::scalar_cell::ScalarCell;
use crate::storage::slab::Slab;
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};

/// How much there may be of what. Past a limit recordings go to the overflow series of their kind, or to cells that threads
/// share; they are counted, never lost.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Loggers, labels not counted. Default 4,096.
    pub max_loggers: usize,
    /// Series in all: instruments, times label sets, times rates. Default 10,000, at most 129,920.
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
    ///
    /// It is the worst case: names, labels and descriptions as long as they may be, every bucket of every distribution in use. Usual
    /// programs take a small part of it. What call sites remember of labels stands apart: at most 8 KiB for each in the program, and 33 KiB where values
    /// have numbers. So does the thread-local storage of the program's threads: 2.4 KiB for each.
    #[must_use]
    pub fn max_bytes(&self, backends: usize) -> usize {
        let l = self.clamped();
        let times = usize::saturating_mul;
        let dists = l.max_instruments.min(MAX_DISTRIBUTIONS);
        let buckets = Scheme::Float.len();
        // A logger: its text, its entry, the literals it remembers, and its place in a table that is half empty.
        let entry = MAX_RAW_BYTES + 512;
        // A label set: the text of its labels, its name where no logger without labels has it, its labels and their keys' places, and
        // two ways in which call sites made it, as they write them.
        let label_set = 2 * MAX_RAW_BYTES + MAX_LABELS * 96 + 1024;
        // A description has at most 1,024 characters of at most 4 bytes.
        let instrument = MAX_RAW_BYTES + 4096 + 512;
        let registry = times(l.max_loggers, entry)
            .saturating_add(times(l.max_label_sets, label_set))
            .saturating_add(times(l.max_instruments, instrument + 3 * 256));
        let shared = times(l.max_instruments, size_of::<ScalarCell>())
            .saturating_add(times(dists, OwnDist::bytes(Scheme::Float)))
            .saturating_add(Slab::bytes());
        // A snapshot: rows in blocks, and the distributions' buckets as pairs. The
        // collector's and the one that is made; for each backend one that it is at work on, and one that waits for it.
        let snapshot = times(l.max_instruments, 64).saturating_add(times(dists, buckets * 16 + 128));
        let cursor = times(l.max_instruments, 2 * 32).saturating_add(times(dists, 2 * (buckets * 8 + 32)));
        // Held in the mail, taken by the backend, grouped for it and kept for the next time; and the segments they are in.
        let held = times(l.max_held_values, 16 * 2 + 8 * 3 + 1).saturating_add(MAX_SEGMENTS * 128);
        let backend = times(snapshot, 2).saturating_add(cursor).saturating_add(held);
        let spare = BatchPool::BYTES;
        [
            crate::registry::descriptions::max_bytes(),
            crate::registry::LITERAL_LABELS_BYTES,
            l.max_cell_bytes,
            registry,
            shared,
            times(snapshot, 2),
            times(dists, buckets * 8),
            spare,
            times(backend, backends),
        ]
        .into_iter()
        .fold(0, usize::saturating_add)
    }
}

/// The limits in force, readable without a lock by whoever is about to allocate.
static CURRENT: [AtomicUsize; 7] = [const { AtomicUsize::new(usize::MAX) }; 7];

/// The limits in force.
pub(crate) fn current() -> Limits {
    let mut all = [0; 7];
    for (at, limit) in CURRENT.iter().enumerate() {
        all[at] = limit.load(Relaxed);
    }
    let [a, b, c, d, e, f, g] = all;
    // Not set yet: the defaults.
    if f == usize::MAX {
        return Limits::DEFAULT;
    }
    Limits {
        max_loggers: a,
        max_instruments: b,
        max_label_sets: c,
        max_threads: d,
        max_cell_bytes: e,
        timer_chunk: f,
        max_held_values: g,
    }
}

pub(crate) fn set_current(l: Limits) {
    let all = [
        l.max_loggers,
        l.max_instruments,
        l.max_label_sets,
        l.max_threads,
        l.max_cell_bytes,
        l.timer_chunk,
        l.max_held_values,
    ];
    for (at, limit) in all.iter().enumerate() {
        CURRENT[at].store(*limit, Relaxed);
    }
}

impl Default for Limits {
    fn default() -> Limits {
        Limits::DEFAULT
    }
}

//! The most memory that the recording side takes, from the limits: the one place that knows the size of everything.

use crate::collect::exemplars::Exemplar;
use crate::collect::sample_batch::BatchPool;
use crate::deliver::mailbox::MAX_SEGMENTS;
use crate::naming::name::{MAX_LABELS, MAX_RAW_BYTES};
use crate::registry::limits::{Limits, RESERVED};
use crate::registry::{descriptions, loggers};
use crate::storage::bucket::Scheme;
use crate::storage::cell_address::MAX_DISTRIBUTIONS;
use crate::storage::exemplar_slots::SLOT_BYTES;
use crate::storage::histogram_cell::OwnDist;
use crate::storage::scalar_cell::ScalarCell;
use crate::storage::slab::Slab;

impl Limits {
    /// The most memory the recording side takes, in bytes: cells, registry, snapshots in flight and held values, for
    /// `backends` backends. What a backend keeps for itself (generations, buffers) comes on top.
    ///
    /// It is the worst case: names, labels and descriptions as long as they may be, every bucket of every distribution in use. Usual
    /// programs take a small part of it. What call sites remember of labels stands apart: at most 7 KiB for each in the program, and 33 KiB where values
    /// have numbers. So does the thread-local storage of the program's threads: 4 KiB for each.
    ///
    /// ```
    /// # use ferrometer_core as ferrometer;
    /// let small = ferrometer::Limits::default().max_instruments(500).max_label_sets(500).max_cell_bytes(4 << 20);
    /// assert!(small.max_bytes(1) < ferrometer::Limits::DEFAULT.max_bytes(1) / 10);
    /// ```
    // Compiled in the program that calls it: most do not.
    #[must_use]
    #[inline]
    pub fn max_bytes(&self, backends: usize) -> usize {
        let l = self.clamped();
        let times = usize::saturating_mul;
        let dists = l.max_instruments.min(MAX_DISTRIBUTIONS);
        let buckets = Scheme::Float.len();
        // A logger: its text, its entry, the literals it remembers, and its place in a table that is half empty.
        let entry = MAX_RAW_BYTES + 512;
        // A label set: the text of its labels, its name where no logger without labels has it, its labels and their keys.
        let label_set = 2 * MAX_RAW_BYTES + MAX_LABELS * 96 + 1024;
        // A description has at most 1,024 characters of at most 4 bytes.
        let instrument = MAX_RAW_BYTES + 4096 + 512;
        let registry = times(l.max_loggers, entry)
            .saturating_add(times(l.max_label_sets, label_set))
            .saturating_add(times(l.max_instruments, instrument + 3 * 256));
        let shared = times(l.max_instruments, size_of::<ScalarCell>())
            .saturating_add(times(dists, OwnDist::bytes(Scheme::Float)))
            .saturating_add(Slab::bytes(l.max_instruments.saturating_add(RESERVED)));
        // A snapshot: rows in blocks, and the distributions' buckets as pairs. The
        // collector's and the one that is made; for each backend one that it is at work on, and one that waits for it.
        let snapshot = times(l.max_instruments, 64).saturating_add(times(dists, buckets * 16 + 128));
        let cursor = times(l.max_instruments, 2 * 32).saturating_add(times(dists, 2 * (buckets * 8 + 32)));
        // Held in the mail, taken by the backend, grouped for it and kept for the next time; and the segments they are in.
        let held = times(l.max_held_values, 16 * 2 + 8 * 3 + 1).saturating_add(MAX_SEGMENTS * 128);
        let backend = times(snapshot, 2).saturating_add(cursor).saturating_add(held);
        let spare = BatchPool::BYTES;
        // In its place, and shown: by the snapshots, of which two are being replaced, and by each backend's two.
        let exemplars = times(l.max_exemplars, SLOT_BYTES + 2 * (size_of::<Exemplar>() + 32));
        let shown = times(times(l.max_exemplars, 32), backends);
        [
            descriptions::max_bytes(),
            loggers::LABELS_BYTES,
            l.max_cell_bytes,
            registry,
            shared,
            times(snapshot, 2),
            times(dists, buckets * 8),
            spare,
            exemplars,
            shown,
            times(backend, backends),
        ]
        .into_iter()
        .fold(0, usize::saturating_add)
    }
}
